#!/usr/bin/env bash
# leat, kinesalite and ferrokinesis side by side: PutRecords (500 x 1 KiB, 8 connections) and PutRecord
# (1 KiB, 32 connections), server on core 0, load on core 1, turn by turn. leat acknowledges after
# fdatasync; the two others keep everything in memory. Prints each run and leat's ratios of the medians.
# The peers are installed into build/peers when they are not there (npm and cargo).
# Usage: bench/kinesis_peers.sh [seconds] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-8}
rounds=${2:-3}
peers=build/peers
kinesalite=$peers/kinesalite/node_modules/kinesalite/cli.js
ferrokinesis=$peers/ferrokinesis/bin/ferrokinesis
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

# Figures stand in $bench_data/SERVER.SCRIPT, one line a run.
measure() {
    local server_name=$1 script=$2 connections=$3 line
    "start_$server_name"
    kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
    sleep 1
    line=$(load "$script" "$connections" "$port" "$seconds")
    printf '%-13s %-12s %s, VmRSS %d MiB\n' "$server_name" "$script" "$line" $(($(resident_kib) / 1024))
    echo "${line%% *}" >>"$bench_data/$server_name.$script"
    stop_server
}

median() { sort -n "$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

for ((round = 0; round < rounds; round++)); do
    for work in put_records:8 put_record:32; do
        for server_name in leat kinesalite ferrokinesis; do
            measure "$server_name" "${work%:*}" "${work#*:}"
        done
    done
done
for script in put_records put_record; do
    ours=$(median "$bench_data/leat.$script")
    for peer in kinesalite ferrokinesis; do
        theirs=$(median "$bench_data/$peer.$script")
        echo "$script: leat $ours, $peer $theirs: $(awk -v a="$ours" -v b="$theirs" 'BEGIN {printf "%.1f", a / b}') times"
    done
done
