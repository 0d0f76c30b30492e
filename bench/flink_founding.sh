#!/usr/bin/env bash
# The founding SQL by real Flink 2.2.1 in one process, parallelism 1, file to file, checkpoint every
# second, object reuse. Its start is measured with a file of one row and taken off.
# Usage: bench/flink_founding.sh INSTALL_FOLDER DATA_FOLDER     (DATA_FOLDER/rows.json: compact rows)
set -eu
home=$1
data=$2
version=2.2.1
mkdir -p "$home"
if [ ! -d "$home/deps/lib" ]; then
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" download -q --no-deps --no-binary :all: "apache-flink-libraries==$version" -d "$home/sdist"
    tar -xzf "$home/sdist"/*.tar.gz -C "$home" --strip-components=1
fi
[ -f "$home/extra/flink-sql-gateway-$version.jar" ] ||
    mvn -q dependency:copy "-Dartifact=org.apache.flink:flink-sql-gateway:$version" "-DoutputDirectory=$home/extra"

opens=()
for package in java.lang java.net java.io java.nio sun.nio.ch java.lang.reflect java.text java.time java.util \
    java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks; do
    opens+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
opens+=(--add-exports=java.base/sun.net.util=ALL-UNNAMED --add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED
    --add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED)
mkdir -p "$data/conf" "$data/checkpoints"
cat >"$data/conf/config.yaml" <<END
parallelism.default: 1
pipeline.object-reuse: true
execution.checkpointing.interval: 1 s
execution.checkpointing.dir: file://$data/checkpoints
END

# run INPUT: seconds by the clock, and of CPU, that the whole takes.
run() {
    rm -rf "$data/out"
    sed -e "s#@IN@#$1#; s#@OUT@#$data/out#" "$data/flink.sql.in" >"$data/flink.sql"
    local TIMEFORMAT='%R %U %S'
    export FLINK_CONF_DIR=$data/conf FLINK_LIB_DIR=$home/deps/lib FLINK_OPT_DIR=$home/deps/opt
    { time java -Xmx3g "${opens[@]}" -cp "$home/deps/lib/*:$home/deps/opt/*:$home/extra/*" \
        org.apache.flink.table.client.SqlClient embedded -Dexecution.target=local -f "$data/flink.sql" \
        >"$data/flink.out" 2>&1; } 2>"$data/flink.time"
    if grep -q ERROR "$data/flink.out"; then
        cat "$data/flink.out" >&2
        exit 1
    fi
    awk '{ print $1, $2 + $3 }' "$data/flink.time"
}

# The founding tables, on files.
{
    echo "SET 'table.dml-sync' = 'true';"
    sed -e '1{/^%/d}' -e "s/'connector' = 'kinesis'/'connector' = 'filesystem'/" -e '/aws.region\|scan.stream.initpos/d' \
        -e "s#'stream' = 'us-accidents-data-stream-1'#'path' = '@IN@'#" \
        -e "s#'stream' = 'us-accidents-data-stream-2'#'path' = '@OUT@'#" \
        -e '/^PARTITIONED BY/d' tests/unit/sql/founding.sql
} >"$data/flink.sql.in"
head -n 1 "$data/rows.json" >"$data/one.json"
read -r start start_cpu < <(run "$data/one.json")
read -r whole whole_cpu < <(run "$data/rows.json")
awk -v bytes="$(stat -c %s "$data/rows.json")" "BEGIN {
    net = $whole - $start; cpu = $whole_cpu - $start_cpu
    printf \"Flink     %.3f GB/s by the clock (%.1f s net of %.1f s for its start), %.3f GB/s by CPU time (%.1f s)\\n\",
        bytes / net / 1e9, net, $start, bytes / cpu / 1e9, cpu }"
