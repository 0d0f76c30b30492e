#!/usr/bin/env bash
# Everything that is measured, on a release build. Figures differ from run to run: compare ratios.
set -eu
cd "$(dirname "$0")/.."
ninja -C build/release --quiet bench/log_bench bench/json_rows_bench bench/founding_bench
echo "== JSON rows to columns: docs/sql/json.md"
build/release/bench/json_rows_bench
echo "== the founding SQL in process: docs/performance.md"
if python3 -c 'import ensurepip, venv' 2>/dev/null; then
    bench/founding_peers.sh
else
    echo "skipped: its peers need python3-venv"
    build/release/bench/founding_bench tests/unit/sql/founding.sql
fi
echo "== group commit of the log: docs/formats/log.md"
build/release/bench/log_bench 8 500 1024 3 4 "${TMPDIR:-/tmp}"
echo "== start and idle memory: docs/performance.md"
bench/start.sh
echo "== put to readable in stream 2: docs/performance.md"
bench/latency.sh
echo "== put to event of enhanced fan-out: docs/performance.md"
bench/fanout.sh
echo "== a million rows from S3 to the last metric: docs/performance.md"
bench/pipeline.sh
echo "== GetRecords of 10 MiB next to a server that only sends, and ferrokinesis: docs/performance.md"
bench/kinesis_get.sh
echo "== restart after kill -9 with 10 GB retained: docs/performance.md"
bench/restart.sh
echo "== 10,000 idle connections: docs/performance.md"
python3 bench/idle_connections.py build/release/leat
echo "== snapshots, copy on write: docs/performance.md"
python3 bench/snapshots.py
echo "== 10,000 shards: docs/performance.md"
bench/kinesis_shards.sh
echo "== one or many shards and streams: docs/performance.md"
bench/kinesis_spread.sh
echo "== one large object in and out of S3: docs/performance.md"
bench/s3.sh
if command -v npm >/dev/null && command -v cargo >/dev/null; then
    echo "== PutRecords and PutRecord next to kinesalite and ferrokinesis: docs/performance.md"
    bench/kinesis_peers.sh
    if command -v mvn >/dev/null; then
        echo "== durable puts next to ferrokinesis --state-dir and Kafka: docs/performance.md"
        bench/durable_peers.sh
    else
        echo "skipped: Kafka needs Maven and Java"
    fi
else
    echo "skipped: the peers need npm and cargo"
    bench/kinesis_put.sh
fi
