# Sourced by the benches that need a server: a leat of our own on core 0 and a free port, with a new
# data directory that goes away at exit. LEAT_BIN names another binary, TMPDIR another disk.
leat=${LEAT_BIN:-build/release/leat}
bench_pids=
bench_data=$(mktemp -d)
trap bench_end EXIT
trap 'exit 130' INT TERM

bench_end() {
    for pid in $bench_pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$bench_data"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# run_server COMMAND...: in the background on core 0; its output in $bench_data/out.
run_server() {
    taskset -c 0 "$@" >"$bench_data/out" 2>&1 &
    server=$!
    bench_pids="$bench_pids $server"
}

# wait_for PORT: until something answers HTTP there.
wait_for() {
    until curl -s -o /dev/null "http://127.0.0.1:$1/"; do
        kill -0 "$server" || { cat "$bench_data/out"; exit 1; }
        sleep 0.05
    done
}

# wait_for_port PORT: until something listens there.
wait_for_port() {
    until (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 "$server" || { cat "$bench_data/out"; exit 1; }
        sleep 0.05
    done
}

# With no data yet. Sets port.
start_leat() {
    port=$(free_port)
    rm -rf "$bench_data/leat"
    run_server "$leat" start --data "$bench_data/leat" --port "$port"
    wait_for "$port"
}

# start_fixed_answer FILE: answers every request with the file's bytes. Sets port.
start_fixed_answer() {
    port=$(free_port)
    run_server build/release/bench/fixed_answer "$port" "$1"
    wait_for_port "$port"
}

stop_server() {
    kill "$server"
    wait "$server" 2>/dev/null || true
}

# kinesis PORT OPERATION BODY
kinesis() {
    curl -sSf "http://127.0.0.1:$1/" -H 'Content-Type: application/x-amz-json-1.1' \
        -H "X-Amz-Target: Kinesis_20131202.$2" -H 'X-Amz-Date: 20260101T000000Z' \
        -H 'Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0' \
        -d "$3"
}

# load WORK CONNECTIONS PORT SECONDS: one line of figures, from core 1. WORK: of bench/requests.py, with its variables; RECORDS an answer.
load() {
    local units=${RECORDS:-500}
    [ "$1" != put_record ] || units=1
    ninja -C build/release --quiet bench/http_load >/dev/null
    python3 bench/requests.py "$1" >"$bench_data/requests"
    taskset -c 1 build/release/bench/http_load "$3" "$2" "$4" "$bench_data/requests" "$units"
}

resident_kib() {
    awk '/VmRSS/ {print $2}' "/proc/$server/status"
}

# figure_keep NAME LINE: "N records/s ..." is shown, and N kept in $bench_data/NAME for ratios.
figure_keep() {
    [[ $2 =~ ^[0-9]+\ records/s ]] || { echo "$1: no figure: $2" >&2; exit 1; }
    printf '%-24s %s\n' "$1" "$2"
    echo "${2%% *}" >>"$bench_data/$1"
}

median() { sort -n "$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

# ratios WORK SERVER PEER...: of the medians of what figure_keep has kept as NAME.WORK.
ratios() {
    local work=$1 server_name=$2 ours peer theirs
    ours=$(median "$bench_data/$server_name.$work")
    shift 2
    for peer in "$@"; do
        [ "$peer" = "$server_name" ] && continue
        theirs=$(median "$bench_data/$peer.$work")
        echo "$work: $server_name $ours, $peer $theirs: $(awk -v a="$ours" -v b="$theirs" 'BEGIN {printf "%.2f", a / b}') times"
    done
}
