#!/usr/bin/env bash
# Restart after kill -9 under load with GB gigabytes retained and the page cache dropped (as root; else it says so): milliseconds from the start
# of the process to the first answer.
# Usage: bench/restart.sh [GB] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
gigabytes=${1:-10}
rounds=${2:-3}

retained_bytes() { du -sb "$bench_data/leat" | cut -f1; }

put_load() { # SECONDS
    load put_records 8 "$port" "$1" >/dev/null
}

start_leat
kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
while [ "$(retained_bytes)" -lt $((gigabytes * 1000000000)) ]; do
    put_load 5
done
for ((round = 0; round < rounds; round++)); do
    put_load 3 2>/dev/null & # It loses its connections.
    load_pid=$!
    sleep 2
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    wait "$load_pid" || true
    sync
    if [ -w /proc/sys/vm/drop_caches ]; then
        echo 3 >/proc/sys/vm/drop_caches
    else
        echo "not root: the page cache is warm"
    fi
    began=$(date +%s%N)
    run_server "$leat" start --data "$bench_data/leat" --port "$port"
    until curl -s -o /dev/null "http://127.0.0.1:$port/health"; do sleep 0.005; done
    took=$((($(date +%s%N) - began) / 1000000))
    echo "$(($(retained_bytes) / 1000000)) MB retained: ready after $took ms"
done
