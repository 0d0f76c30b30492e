#!/usr/bin/env bash
# Put to event of enhanced fan-out at low load: 1, 5 and 20 subscribers of a shard. Usage: bench/fanout.sh [records]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
start_leat
for subscribers in 1 5 20; do
    taskset -c 1 python3 bench/fanout.py "http://127.0.0.1:$port" "$subscribers" "${1:-500}"
done
