#!/usr/bin/env bash
# Writing 1 KiB records that are on the disk when they are acknowledged: leat, ferrokinesis with
# --state-dir, Kafka with a flush for each batch; server on core 0, load on core 1, turn by turn.
# The first two take PutRecords (500 records, 8 connections) from http_load, Kafka what its own
# ProducerPerformance sends (acks=all, batches of 500 KiB). Ratios are of medians.
# The peers are installed into build/peers when they are not there (cargo, and Maven with Java 17).
# Usage: bench/durable_peers.sh [seconds] [rounds]
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${1:-8}
rounds=${2:-3}
kafka=build/peers/kafka
ferrokinesis=build/peers/ferrokinesis/bin/ferrokinesis
mkdir -p "$kafka"
[ -x "$ferrokinesis" ] || cargo install --quiet ferrokinesis --version 0.7.0 --root build/peers/ferrokinesis
if [ ! -d "$kafka/lib" ]; then
    cat >"$kafka/pom.xml" <<'POM'
<project><modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.1</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.1.1</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-storage</artifactId><version>4.1.1</version></dependency>
</dependencies></project>
POM
    rm -rf "$kafka/lib.part"
    mvn -q -B -f "$kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/$kafka/lib.part"
    mv "$kafka/lib.part" "$kafka/lib"
fi

measure_leat() {
    start_leat
    kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
    figure_keep leat.durable "$(load put_records 8 "$port" "$seconds")"
    stop_server
}

measure_ferrokinesis() {
    port=$(free_port)
    rm -rf "$bench_data/ferro"
    mkdir "$bench_data/ferro"
    run_server "$ferrokinesis" --port "$port" --create-stream-ms 0 --state-dir "$bench_data/ferro"
    wait_for "$port"
    kinesis "$port" CreateStream '{"StreamName":"bench","ShardCount":4}'
    sleep 1
    figure_keep ferrokinesis.durable "$(load put_records 8 "$port" "$seconds")"
    stop_server
}

java_kafka() { KAFKA_LOG4J_OPTS= java -Xmx1g -cp "$kafka/lib/*" "$@"; }

measure_kafka() {
    local controller dir=$bench_data/kafka
    port=$(free_port)
    controller=$(free_port)
    rm -rf "$dir"
    mkdir "$dir"
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
log.dirs=$dir/data
offsets.topic.replication.factor=1
log.flush.interval.messages=1
END
    java_kafka kafka.tools.StorageTool format -t "$(head -c16 /dev/urandom | base64 | tr '+/' '-_' | cut -c1-22)" \
        -c "$dir/server.properties" >/dev/null 2>&1
    run_server java -Xmx1g -cp "$kafka/lib/*" kafka.Kafka "$dir/server.properties"
    until java_kafka org.apache.kafka.tools.TopicCommand --bootstrap-server "127.0.0.1:$port" --create --topic bench \
        --partitions 4 >/dev/null 2>&1; do
        kill -0 "$server" || { tail -5 "$bench_data/out"; exit 1; }
        sleep 1
    done
    taskset -c 1 java -Xmx1g -cp "$kafka/lib/*" org.apache.kafka.tools.ProducerPerformance --topic bench --record-size 1024 \
        --num-records $((60000 * seconds)) --throughput -1 --producer-props "bootstrap.servers=127.0.0.1:$port" acks=all \
        batch.size=512000 linger.ms=5 buffer.memory=134217728 2>/dev/null | tail -1 >"$dir/line"
    figure_keep kafka.durable "$(sed -E 's/.*, ([0-9]+)(\.[0-9]+)? records\/sec.* ([0-9]+) ms 99th.*/\1 records\/s, p99 \3 ms/' "$dir/line")"
    stop_server
}


for ((round = 0; round < rounds; round++)); do
    for name in leat ferrokinesis kafka; do
        "measure_$name"
    done
done
ratios durable leat ferrokinesis kafka
