#!/usr/bin/env bash
# How long `leat start` takes to be ready (to "Ready." on its output, and to the first answer), and what
# it holds in memory when idle. Usage: bench/start.sh [runs] [idle seconds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
runs=${1:-5}
idle=${2:-60}
for ((run = 0; run < runs; run++)); do
    port=$(free_port)
    python3 - "$leat" "$bench_data/leat-$run" "$port" <<'PYTHON'
import subprocess, sys, time
leat, data, port = sys.argv[1:]
for state in ("new", "existing"):
    start = time.monotonic()
    server = subprocess.Popen([leat, "start", "--data", data, "--port", port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while "Ready." not in server.stdout.readline():
        pass
    print(f"{state} data directory: ready after {(time.monotonic() - start) * 1000:.1f} ms")
    server.terminate()
    server.wait()
PYTHON
done
start_leat
sleep "$idle"
echo "idle for $idle s: VmRSS $(resident_kib) KiB"
