#!/usr/bin/env bash
# Everything that is measured, on a release build. Figures differ from run to run: compare ratios.
set -eu
cd "$(dirname "$0")/.."
ninja -C build/release --quiet bench/log_bench bench/json_rows_bench
echo "== JSON rows to columns: docs/sql/json.md"
build/release/bench/json_rows_bench
echo "== group commit of the log: docs/formats/log.md"
build/release/bench/log_bench 8 500 1024 3 4 "${TMPDIR:-/tmp}"
if command -v wrk >/dev/null; then
    echo "== PutRecords and PutRecord over HTTP: docs/services/kinesis.md"
    bench/kinesis_put.sh
else
    echo "skipped: PutRecords and PutRecord need wrk (Debian package wrk)"
fi
