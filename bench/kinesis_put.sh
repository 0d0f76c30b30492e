#!/bin/sh
# PutRecords (500 x 1 KiB, 8 connections) and PutRecord (1 KiB, 32 connections) against a leat of our
# own on core 0, load from core 1. Medians are for the reader to take: RUNS lines of each are printed.
# Usage: bench/kinesis_put.sh [seconds] [runs]; LEAT_BIN names another binary.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-10}
runs=${2:-3}
leat=${LEAT_BIN:-build/release/leat}
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
data=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$data"' EXIT INT TERM

taskset -c 0 "$leat" start --data "$data/data" --port "$port" >"$data/out" 2>&1 &
server=$!
until grep -q 'Ready\.' "$data/out"; do
    kill -0 "$server" || { cat "$data/out"; exit 1; }
    sleep 0.05
done

curl -sSf -o /dev/null "http://127.0.0.1:$port/" \
    -H 'Content-Type: application/x-amz-json-1.1' -H 'X-Amz-Target: Kinesis_20131202.CreateStream' \
    -H 'X-Amz-Date: 20260101T000000Z' \
    -H 'Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0' \
    -d '{"StreamName":"bench","ShardCount":4}'

for script in put_records:8 put_record:32; do
    run=0
    while [ "$run" -lt "$runs" ]; do
        printf '%s, %s connections: ' "${script%:*}" "${script#*:}"
        taskset -c 1 wrk -t1 -c"${script#*:}" -d"${seconds}s" --latency -s "bench/${script%:*}.lua" \
            "http://127.0.0.1:$port/" | tail -1
        run=$((run + 1))
    done
done
