#!/usr/bin/env bash
# PutObject and GetObject of one large object over HTTP/1.1, server and client sharing the cores, beside
# dd with fdatasync onto the same disk. Usage: bench/s3.sh [MiB] [runs]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
mib=${1:-200}
runs=${2:-5}
run_server() {
    "$@" >"$bench_data/out" 2>&1 &
    server=$!
    bench_pids="$bench_pids $server"
}
start_leat
head -c "$((mib << 20))" /dev/urandom >"$bench_data/in"
signed='Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature='$(printf '0%.0s' {1..64})
url=http://127.0.0.1:$port/bench
curl -sf -H "$signed" -X PUT "$url"
median() { sort -n | awk -v what="$1" '{v[NR] = $1} END {printf "%s: %.0f MB/s (median of %d)\n", what, v[int((NR + 1) / 2)] / 1e6, NR}'; }
for ((i = 0; i < runs; i++)); do
    LC_ALL=C dd if="$bench_data/in" of="$bench_data/dd" bs=256K conv=fdatasync 2>&1 | awk '/copied/ {print $1 / $(NF - 3)}'
    rm "$bench_data/dd"
done | median "dd with fdatasync"
ticks() { awk '{print $14 + $15}' "/proc/$server/stat"; }
before=$(ticks)
for ((i = 0; i < runs; i++)); do
    curl -sf -H "$signed" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -T "$bench_data/in" -w '%{speed_upload}\n' "$url/$i"
done | median PutObject
echo "PutObject, CPU of the server: $(( ($(ticks) - before) * 1000 / $(getconf CLK_TCK) / runs )) ms for $mib MiB"
for ((i = 0; i < runs; i++)); do
    curl -sf -H "$signed" -o /dev/null -w '%{speed_download}\n' "$url/$i"
done | median GetObject
echo "resident: $(resident_kib) KiB"
