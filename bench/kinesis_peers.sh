#!/usr/bin/env bash
# leat, kinesalite and ferrokinesis side by side: PutRecords (500 x 1 KiB, 8 connections) and PutRecord
# (1 KiB, 32 connections), server on core 0, load on core 1, turn by turn. leat acknowledges after
# fdatasync; the two others keep everything in memory. fio shows what the same disk takes. Prints each
# run and leat's ratios of the medians. Runs of 20 s, because the peers slow down as their memory
# fills: in the first seconds they are faster than they stay.
# The peers are installed into build/peers when they are not there (npm and cargo).
# Usage: bench/kinesis_peers.sh [seconds] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-20}
rounds=${2:-3}
peers=build/peers
kinesalite=$peers/kinesalite/node_modules/kinesalite/cli.js
ferrokinesis=$peers/ferrokinesis/bin/ferrokinesis
has_fio=0
command -v fio >/dev/null && has_fio=1 || echo "skipped: fio is not installed"
mkdir -p "$peers"
[ -f "$kinesalite" ] || npm install --silent --no-fund --no-audit --prefix "$peers/kinesalite" kinesalite@3.3.3
[ -x "$ferrokinesis" ] || cargo install --quiet ferrokinesis --version 0.7.0 --root "$peers/ferrokinesis"

start_kinesalite() {
    port=$(free_port)
    run_server node "$kinesalite" --port "$port" --createStreamMs 0 --shardLimit 100
    wait_for "$port"
}

start_ferrokinesis() {
    port=$(free_port)
    run_server "$ferrokinesis" --port "$port" --create-stream-ms 0
    wait_for "$port"
}

measure() { # SERVER SCRIPT CONNECTIONS
    "start_$1"
    kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
    sleep 1
    figure_keep "$1.$2" "$(load "$2" "$3" "$port" "$seconds"), VmRSS $(($(resident_kib) / 1024)) MiB"
    stop_server
}

# What the load and loopback allow: leat's own answer to a put, from a server that only sends.
measure_fixed() { # SCRIPT CONNECTIONS
    start_fixed_answer "$bench_data/answer"
    figure_keep "fixed_answer.$1" "$(load "$1" "$2" "$port" "$seconds")"
    stop_server
}

answer_keep() {
    start_leat
    kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
    python3 bench/answer.py "$port" json PutRecord '{"StreamName":"bench","PartitionKey":"key-1","Data":"AAAA"}' >"$bench_data/answer"
    stop_server
}

# What the disk allows: writes of 512 KiB past the page cache, each with fdatasync, as records of 1 KiB.
measure_fio() {
    fio --name=log --filename="$bench_data/fio" --rw=write --bs=512k --size=512m --direct=1 --fdatasync=1 \
        --time_based --runtime="$seconds" --output-format=json |
        python3 -c 'import json, sys; b = json.load(sys.stdin)["jobs"][0]["write"]["bw_bytes"]
print(f"{b // 1024} records/s, {b / 1e6:.0f} MB/s")' >"$bench_data/fio.line"
    rm -f "$bench_data/fio"
    figure_keep fio.put_records "$(cat "$bench_data/fio.line")"
}

ninja -C build/release --quiet bench/fixed_answer
answer_keep
for ((round = 0; round < rounds; round++)); do
    for work in put_records:8 put_record:32; do
        for server_name in leat kinesalite ferrokinesis; do
            measure "$server_name" "${work%:*}" "${work#*:}"
        done
        [ "${work%:*}" != put_record ] || measure_fixed "${work%:*}" "${work#*:}"
    done
    [ $has_fio = 0 ] || measure_fio
done
for script in put_records put_record; do
    ratios "$script" leat kinesalite ferrokinesis
done
ratios put_record leat fixed_answer
[ $has_fio = 0 ] || ratios put_records leat fio
