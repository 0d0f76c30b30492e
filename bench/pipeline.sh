#!/usr/bin/env bash
# One million generated rows from the CSV object in S3 to the last metric readable: stream 1, founding SQL, stream 2,
# archive, metrics. Durable. Prints when each stage was through, and the archive with gzip apart.
# usage: bench/pipeline.sh [rows]
set -eu
cd "$(dirname "$0")/.."
rows=${1:-1000000}
leat=$PWD/build/release/leat
work=$(mktemp -d "${TMPDIR:-/tmp}/leat-pipeline-XXXXXX")
server=
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

start() { # $1: compression of the archive
    mkdir "$work/$1"
    "$leat" start --data "$work/$1" --port 0 >"$work/$1.out" 2>"$work/$1.err" &
    server=$!
    for _ in $(seq 100); do grep -q Ready "$work/$1.out" && break; sleep 0.05; done
    LEAT_ENDPOINT=$(sed -n 's/^endpoint *//p' "$work/$1.out")
    export LEAT_ENDPOINT
}

one() {
    start "$1"
    sed "s/'format' = 'raw',\$/'format' = 'raw', 'compression' = '$1',/" demo/archive.sql >"$work/archive.sql"
    python3 bench/pipeline.py "$leat" "$LEAT_ENDPOINT" "$rows" "$work" "$1"
    grep -E 'VmHWM|VmRSS' "/proc/$server/status" | sed "s/^/  /"
    kill "$server"; wait "$server" || true; server=
    rm -rf "${work:?}/$1"
}

one none
[ -n "${SKIP_GZIP:-}" ] || one gzip
