#!/usr/bin/env bash
# What 10,000 shards cost: time to create, resident memory, and a put next to one on a single shard.
# Usage: bench/kinesis_shards.sh [seconds] [runs]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-5}
runs=${2:-3}
start_leat
kinesis "$port" CreateStream '{"StreamName":"one","ShardCount":1}'
STREAM=one load put_record 32 "$port" 1 >/dev/null
before=$(resident_kib)
start=$(date +%s%N)
kinesis "$port" CreateStream '{"StreamName":"wide","ShardCount":10000}'
until kinesis "$port" DescribeStreamSummary '{"StreamName":"wide"}' | grep -q ACTIVE; do sleep 0.01; done
printf '10,000 shards: active after %d ms, %d KiB more resident\n' \
    $((($(date +%s%N) - start) / 1000000)) $(($(resident_kib) - before))
for ((run = 0; run < runs; run++)); do
    for stream in one wide; do
        printf '%-5s put_record, 32 connections: ' "$stream"
        STREAM=$stream load put_record 32 "$port" "$seconds"
        printf '%-5s put_records, 8 connections: ' "$stream"
        STREAM=$stream load put_records 8 "$port" "$seconds"
    done
done
