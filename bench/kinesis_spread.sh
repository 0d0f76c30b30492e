#!/usr/bin/env bash
# What a put costs when records go to one stream of 1, 100 or 10,000 shards, and to 1 or 1,000 streams
# in turn: PutRecords (1 KiB; 500 of them, of the streams 20; 8 connections), all on one server, turn by
# turn, every other round in the other order. Ratios to one stream of one shard, of medians.
# Usage: bench/kinesis_spread.sh [seconds] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-3}
rounds=${2:-5}
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

measure_one() { # shards-N or streams-N
    case $1 in
    shards-*) STREAM=s${1#*-} measure "$1" ;;
    streams-*) STREAM=many STREAMS=${1#*-} BODIES=1000 RECORDS=20 measure "$1" ;;
    esac
}

there="shards-1 shards-100 shards-10000 streams-1 streams-1000"
back="streams-1000 streams-1 shards-10000 shards-100 shards-1"
for ((round = 0; round < rounds; round++)); do
    for name in $([ $((round % 2)) = 0 ] && echo "$there" || echo "$back"); do
        measure_one "$name"
    done
done
for pair in shards-1:shards-100 shards-1:shards-10000 streams-1:streams-1000; do
    one=$(median "$bench_data/${pair%:*}")
    other=$(median "$bench_data/${pair#*:}")
    echo "${pair#*:}: a record costs $(awk -v a="$one" -v b="$other" 'BEGIN {printf "%.2f", a / b}') times one of ${pair%:*}"
done
