#!/usr/bin/env bash
# The founding SQL side by side, in process and on one core: leat, DuckDB (PyPI, one thread), simdjson's
# on-demand reading of the same five fields (Debian's libsimdjson-dev; it writes nothing), and with --flink
# real Flink 2.2.1 (PyPI and Maven, 230 MB; file to file, parallelism 1, net of its start). Rows are the
# generator's, compact and with indent 4. CPU time of one core, but for Flink, which is timed by the clock.
# Usage: bench/founding_peers.sh [--flink] [rows=200000]
set -eu
cd "$(dirname "$0")/.."
with_flink=0
[ "${1:-}" = --flink ] && { with_flink=1; shift; }
rows=${1:-200000}
peers=$PWD/build/peers
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
mkdir -p "$peers"
bench=build/release/bench/founding_bench
sql=tests/unit/sql/founding.sql
ninja -C build/release --quiet bench/founding_bench

[ -x "$peers/duckdb/bin/python" ] || python3 -m venv "$peers/duckdb"
"$peers/duckdb/bin/python" -c 'import duckdb; assert duckdb.__version__ == "2.0.1"' 2>/dev/null ||
    "$peers/duckdb/bin/pip" install -q duckdb==2.0.1
if [ -e /usr/include/simdjson.h ]; then
    g++ -std=c++17 -O3 -march=native -o "$peers/simdjson_bench" bench/simdjson_bench.cpp -lsimdjson
else
    echo "skipped: simdjson needs Debian's libsimdjson-dev"
fi

for form in compact indent=4; do
    indent=0
    [ "$form" = indent=4 ] && indent=4
    "$bench" "$sql" "$rows" --write "$data/rows.json" "$indent"
    echo "== $form: $rows rows, $(($(stat -c %s "$data/rows.json") / rows)) bytes each"
    "$bench" "$sql" "$rows" 3 | awk -v form="$form" '$1 == form { sub(/^[^ ]+ +/, ""); print "leat      " $0 }'
    printf 'DuckDB    '
    taskset -c 1 "$peers/duckdb/bin/python" bench/duckdb_founding.py "$data/rows.json"
    if [ -x "$peers/simdjson_bench" ]; then
        printf 'simdjson  '
        "$peers/simdjson_bench" "$data/rows.json" 3
    fi
done
[ $with_flink = 1 ] || { echo "Flink: only with --flink"; exit 0; }
"$bench" "$sql" "$rows" --write "$data/rows.json" 0
bench/flink_founding.sh "$peers/flink" "$data"
