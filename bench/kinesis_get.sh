#!/usr/bin/env bash
# GetRecords of 10,000 records of 1 KiB in one answer (AWS's cap of 10 MiB of data and keys ends it before), the same iterator again and again on 2
# connections, in JSON and in CBOR: leat, a server that sends leat's own answer from memory and does nothing else (what loopback and the load allow), and
# ferrokinesis where build/peers has it; server on core 0, load on core 1, turn by turn. Prints each run, and ratios of the medians.
# Usage: bench/kinesis_get.sh [seconds] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-6}
rounds=${2:-3}
ferrokinesis=build/peers/ferrokinesis/bin/ferrokinesis

start_ferrokinesis() {
    port=$(free_port)
    run_server "$ferrokinesis" --port "$port" --create-stream-ms 0
    wait_for "$port"
}

measure() { # SERVER; with ITERATOR, RECORDS, FORM
    figure_keep "$1.$FORM" "$(load get_records 2 "$port" "$seconds"), VmRSS $(($(resident_kib) / 1024)) MiB"
}

# What leat answers, head and all, for the server that only sends.
answer_keep() {
    python3 bench/answer.py "$port" "$FORM" GetRecords "{\"Limit\":10000,\"ShardIterator\":\"$ITERATOR\"}" >"$bench_data/answer.$FORM"
}

servers=leat
[ -x "$ferrokinesis" ] && servers="leat ferrokinesis" || echo "ferrokinesis is not in build/peers: bench/kinesis_peers.sh installs it"
ninja -C build/release --quiet bench/fixed_answer
export ITERATOR RECORDS FORM
for ((round = 0; round < rounds; round++)); do
    for server_name in $servers; do
        "start_$server_name"
        read -r ITERATOR RECORDS < <(python3 bench/fill.py "$port" bench 12000)
        for FORM in json cbor; do
            measure "$server_name"
            [ "$server_name" != leat ] || answer_keep
        done
        stop_server
    done
    for FORM in json cbor; do
        start_fixed_answer "$bench_data/answer.$FORM"
        measure fixed_answer
        stop_server
    done
done
for FORM in json cbor; do
    ratios "$FORM" leat fixed_answer $servers
done
