#!/usr/bin/env bash
# Instructions that a PutRecord (1 KiB, 32 connections) costs the server in user space, all of its threads
# together, counted by callgrind: other work on the machine does not move the figure. Then the functions
# that take most of them. The kernel's share is not in it.
# Usage: bench/put_instructions.sh [seconds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-5}
counts=$bench_data/callgrind

records() {
    curl -s "http://127.0.0.1:$port/metrics" | awk '/^leat_log_records_total/ {print $2}'
}

port=$(free_port)
run_server valgrind --tool=callgrind --callgrind-out-file="$counts" --instr-atstart=no "$leat" start \
    --data "$bench_data/leat" --port "$port"
wait_for "$port"
kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
load put_record 32 "$port" 2 >/dev/null
before=$(records)
callgrind_control -i on "$server" >/dev/null 2>&1
load put_record 32 "$port" "$seconds" >/dev/null
callgrind_control -i off "$server" >/dev/null 2>&1
puts=$(($(records) - before))
stop_server
callgrind_annotate "$counts" | awk -v puts="$puts" '
    !/^ *[0-9,]+ \( *[0-9.]+%\)/ {next}
    {count = $1; gsub(",", "", count); sub(/^[^)]*\) +/, ""); sub(/ \[.*/, "")}
    /PROGRAM TOTALS/ {printf "%d puts, %d instructions each; in:\n", puts, count / puts; next}
    /:/ && shown++ < 12 {sub(/.*\//, ""); printf "%8d  %s\n", count / puts, $0}'
