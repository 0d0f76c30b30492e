#!/usr/bin/env bash
# Put to readable in stream 2 through the founding SQL at low load. Usage: bench/latency.sh [rows]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
start_leat
for stream in 1 2; do
    kinesis "$port" CreateStream "{\"StreamName\":\"us-accidents-data-stream-$stream\"}"
done
LEAT_ENDPOINT=http://127.0.0.1:$port "$leat" run demo/founding.sql >/dev/null
python3 bench/latency.py "http://127.0.0.1:$port" "${1:-500}"
