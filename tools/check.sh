#!/usr/bin/env bash
# Layers, headers, format, style, clang-tidy. Needs build/release (for its compile commands).
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
run() {
    "$@" || { echo "check failed: $*" >&2; bad=1; }
}
mapfile -t sources < <(git ls-files '*.c' '*.h')
run python3 tools/check_layers.py
run python3 tools/check_layers.py --self-test
run python3 tools/check_style.py
run python3 tools/check_style.py --self-test
run clang-format --dry-run --Werror "${sources[@]}"
run python3 tools/check_headers.py
run python3 tools/check_tidy.py --self-test
run python3 tools/check_tidy.py build/release
exit $bad
