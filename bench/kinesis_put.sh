#!/usr/bin/env bash
# PutRecords (500 x 1 KiB, 8 connections) and PutRecord (1 KiB, 32 connections) against a leat of our
# own on core 0, load from core 1; RUNS lines of each.
# Usage: bench/kinesis_put.sh [seconds] [runs]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-10}
runs=${2:-3}
start_leat
kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
for script in put_records:8 put_record:32; do
    for ((run = 0; run < runs; run++)); do
        printf '%s, %s connections: ' "${script%:*}" "${script#*:}"
        load "${script%:*}" "${script#*:}" "$port" "$seconds"
    done
done
