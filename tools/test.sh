#!/usr/bin/env bash
# Builds and runs every test; `--all` adds the long ones, `--only NAME` runs what has that name.
# Each group prints its counts; the last line is their sum. Exit 1 when anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
all=0 only=
while [ $# -gt 0 ]; do
    case $1 in
    --all) all=1 ;;
    --only) only=$2; shift ;;
    *) echo "usage: tools/test.sh [--all] [--only NAME]" >&2; exit 2 ;;
    esac
    shift
done
export LEAT_SLOW=$all
passed=0 failed=0 skipped=0
logs=build/test-logs
mkdir -p "$logs"

# count GROUP PASSED FAILED SKIPPED
count() {
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    printf '== %-12s %4d passed, %d failed, %d skipped (%ds)\n' "$1" "$2" "$3" "$4" "$SECONDS"
}

# step GROUP COMMAND...: one check that passes or fails as a whole.
step() {
    local group=$1 log
    shift
    log=$logs/$(echo "$group" | tr ' /' '__').log
    if "$@" >"$log" 2>&1; then
        count "$group" 1 0 0
    else
        tail -n 60 "$log"
        count "$group" 0 1 0
    fi
}

skip() {
    echo "SKIP $1: $2"
    count "$1" 0 0 1
}

meson_group() { # GROUP BUILD SUITE
    local log=$logs/$1.log
    meson test -C "$2" --no-rebuild --suite "$3" --print-errorlogs $only >"$log" 2>&1
    local ok bad skips
    ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$log" | tail -1)
    bad=$(awk '/^(Fail|Timeout|Unexpected Pass):/ {n += $NF} END {print n + 0}' "$log")
    skips=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$log" | tail -1)
    if [ "$bad" != 0 ] || [ -z "$ok" ]; then
        grep -vE '^ *[0-9]+/[0-9]+ .* OK ' "$log" | tail -n 120
    fi
    [ -z "$ok" ] && bad=1
    count "$1" "${ok:-0}" "$bad" "${skips:-0}"
}

configure() { # DIR OPTIONS...
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@"
}

build() { # DIR ENV OPTIONS... ; builds all targets
    local dir=$1
    shift
    configure "$dir" "$@" && ninja -C "$dir"
}

tools/install-deps.sh test || exit 1
[ "$all" = 1 ] && { tools/install-deps.sh clients || exit 1; }
command -v ccache >/dev/null 2>&1 && export CC="ccache gcc"

step "build release" build build/release
step "build debug" build build/debug --buildtype=debug -Doptimization=1 \
    -Db_sanitize=address,undefined -Db_lundef=false
if [ -z "$only" ]; then
    step "build clang" env CC=clang bash -c '[ -f build/clang/build.ninja ] || meson setup build/clang; ninja -C build/clang'
    step "check" tools/check.sh
fi
[ "$failed" -gt 0 ] && { echo "$passed passed, $failed failed, $skipped skipped"; exit 1; }

meson_group unit build/debug unit
meson_group crash build/release crash

# Longer where strangers write, shorter where leat itself or a client that is known does.
fuzz_seconds() { # TARGET
    [ "$all" = 1 ] && { echo "${FUZZ_SECONDS:-600}"; return; }
    case $1 in
    http_fuzz | http2_fuzz | json_*_fuzz | csv_fuzz | sql_fuzz | log_recover_fuzz) echo 20 ;;
    *) echo 8 ;;
    esac
}

run_fuzz() {
    [ -d tests/fuzz ] || return
    local seconds log target
    if ! env CC=clang bash -c '[ -f build/fuzz/build.ninja ] || meson setup build/fuzz --buildtype=debug -Doptimization=1 \
        -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false; ninja -C build/fuzz' >"$logs/fuzz-build.log" 2>&1; then
        tail -n 40 "$logs/fuzz-build.log"
        count fuzz 0 1 0
        return
    fi
    local ok=0 bad=0 running=0
    for target in build/fuzz/tests/*_fuzz; do
        [ -x "$target" ] || continue
        log=$logs/$(basename "$target").log
        seconds=$(fuzz_seconds "$(basename "$target")")
        corpus=$(mktemp -d)
        seeds=tests/fuzz/corpus/$(basename "$target" _fuzz)
        [ -d "$seeds" ] || seeds=
        ("$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$logs/" "$corpus" $seeds \
            >"$log" 2>&1; echo $? >"$log.rc"; rm -rf "$corpus") &
        running=$((running + 1))
        [ $((running % 2)) = 0 ] && wait
    done
    wait
    for target in build/fuzz/tests/*_fuzz; do
        [ -x "$target" ] || continue
        log=$logs/$(basename "$target").log
        if [ "$(cat "$log.rc")" = 0 ]; then
            ok=$((ok + 1))
        else
            bad=$((bad + 1))
            echo "FAIL $(basename "$target")"
            tail -n 40 "$log"
        fi
    done
    count fuzz $ok $bad 0
}

run_pytest() { # GROUP PYTHON DIR MARKS PROCESSES; the tests of a file stay in one process
    local log=$logs/${1/ /_}.log line
    "$2" -m pytest -q -rs -p no:cacheprovider -n "$5" --dist loadfile -m "$4" ${only:+-k "$only"} "$3" >"$log" 2>&1
    line=$(tail -n 1 "$log")
    number() { echo "$line" | grep -oE "[0-9]+ $1" | grep -oE '[0-9]+' || echo 0; }
    local ok bad skips errors
    ok=$(number passed) bad=$(number failed) skips=$(number skipped) errors=$(number error)
    bad=$((bad + errors))
    grep '^SKIPPED' "$log"
    [ $((ok + bad + skips)) = 0 ] && [ -z "$only" ] && bad=1
    [ "$bad" -gt 0 ] && tail -n 120 "$log"
    count "$1" "$ok" "$bad" "$skips"
}

venv() {
    local wanted=build/venv/.requirements
    cmp -s tests/wire/requirements.txt "$wanted" && return
    rm -rf build/venv
    python3 -m venv build/venv && build/venv/bin/pip install -q -r tests/wire/requirements.txt &&
        cp tests/wire/requirements.txt "$wanted"
}

# Clients of tests/wire that node runs; without node those tests are skipped.
node_clients() {
    local wanted=tests/clients/js/node_modules/.lock
    cmp -s tests/clients/js/package-lock.json "$wanted" && return
    npm ci --prefix tests/clients/js --no-audit --no-fund --ignore-scripts &&
        cp tests/clients/js/package-lock.json "$wanted"
}

[ -z "$only" ] && run_fuzz
if [ -f tests/wire/requirements.txt ]; then
    export LEAT_BIN=$PWD/build/release/leat
    step "python" venv
    command -v npm >/dev/null && step "node clients" node_clients
    run_pytest wire build/venv/bin/python tests/wire "not slow" $(($(nproc) + 1))
    [ "$all" = 1 ] && run_pytest "wire slow" build/venv/bin/python tests/wire slow 0
fi
if [ -f tests/console/run.mjs ] && [ -z "$only" ]; then
    if command -v npm >/dev/null && command -v chromium >/dev/null; then
        log=$logs/console.log
        step "node modules" npm ci --prefix tests/console --no-audit --no-fund
        node tests/console/run.mjs >"$log" 2>&1
        line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
        bad=$(echo "$line" | sed -n 's/.*, \([0-9]*\) failed.*/\1/p')
        [ "${bad:-1}" = 0 ] || tail -n 60 "$log"
        count console "$(echo "$line" | grep -oE '^[0-9]+' || echo 0)" "${bad:-1}" 0
    else
        skip console "node or chromium is not installed"
    fi
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
