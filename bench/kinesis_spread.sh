#!/usr/bin/env bash
# What a put costs when records go to one stream of 1, 100 or 10,000 shards, and to 1 or 1,000 streams
# in turn: PutRecords (1 KiB; 500 of them, of the streams 20; 8 connections), all on one server, turn by
# turn. Ratios to one stream of one shard, of medians.
# Usage: bench/kinesis_spread.sh [seconds] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-3}
rounds=${2:-3}
start_leat
for shards in 1 100 10000; do
    kinesis "$port" CreateStream "{\"StreamName\":\"s$shards\",\"ShardCount\":$shards}"
done
for ((i = 1; i <= 1000; i++)); do
    kinesis "$port" CreateStream "{\"StreamName\":\"many-$i\",\"ShardCount\":1}"
done

measure() { # NAME; with STREAM, STREAMS
    figure_keep "$1" "$(load put_records 8 "$port" "$seconds")"
}

for ((round = 0; round < rounds; round++)); do
    for shards in 1 100 10000; do
        STREAM=s$shards measure "shards-$shards"
    done
    for streams in 1 1000; do
        STREAM=many STREAMS=$streams BODIES=1000 RECORDS=20 measure "streams-$streams"
    done
done
for pair in shards-1:shards-100 shards-1:shards-10000 streams-1:streams-1000; do
    one=$(median "$bench_data/${pair%:*}")
    other=$(median "$bench_data/${pair#*:}")
    echo "${pair#*:}: a record costs $(awk -v a="$one" -v b="$other" 'BEGIN {printf "%.2f", a / b}') times one of ${pair%:*}"
done
