#!/usr/bin/env bash
# GetRecords of 10,000 records of 1 KiB in one answer (AWS's cap of 10 MiB of data and keys ends it before), the same iterator again and again on 2
# connections: leat, and ferrokinesis where build/peers has it; server on core 0, load on core 1, turn by turn. Prints each run.
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

servers=leat
[ -x "$ferrokinesis" ] && servers="leat ferrokinesis" || echo "ferrokinesis is not in build/peers: bench/kinesis_peers.sh installs it"
for ((round = 0; round < rounds; round++)); do
    for server_name in $servers; do
        "start_$server_name"
        read -r ITERATOR RECORDS < <(python3 bench/fill.py "$port" bench 12000)
        export ITERATOR RECORDS
        echo "$server_name, $RECORDS records an answer: $(load get_records 2 "$port" "$seconds"), VmRSS $(($(resident_kib) / 1024)) MiB"
        stop_server
    done
done
