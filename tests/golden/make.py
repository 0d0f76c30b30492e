#!/usr/bin/env python3
"""Makes a golden data directory with the leat named by LEAT_BIN: make.py FILE.tar.xz (tests/golden/README.md).

The rows are invented. What is written here is what tests/wire/golden_test.py looks for.
"""

import json
import os
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "wire"))

import leat_server  # noqa: E402
from conftest import make_client  # noqa: E402
from founding_test import ONE, TWO, in_region, make_streams, read_all, row, sql, wait_until  # noqa: E402
from window_test import COUNT, TABLES, event, put  # noqa: E402

REGION = "us-east-1"
YEAR_HOURS = 8760
PLAIN = [(f"key-{i % 7}", f"record {i} \u00e9 \u0000".encode() + bytes([i % 256])) for i in range(300)]
FOUNDING = [row(i, i % 5, City=f"Town {i}") for i in range(40)]
FOUNDING_OUT = [f"A-{i}" for i in range(40) if i % 5 > 2]
BAD = "not JSON at all"
EVENTS = [("a", 1, 1), ("a", 2, 9), ("b", 5, 3), ("a", 7, 11), ("b", 3, 12), ("a", 4, 21)]
FIRED = {("a", "00:00"): (2, 3), ("b", "00:00"): (1, 5)}
OBJECTS = {"small.txt": b"small", "dir/empty": b"", "dir/large.bin": bytes(range(256)) * 1024}
POINTS = [1.5, 2.5, 4.0]
TAGS = {"team": "golden", "empty": ""}
REPLAY_HEADER = "ID,Severity,Start_Time,City\n"
REPLAY_ROWS = [f"R-{i},2,2020-01-02 03:04:05,Town {i}\n" for i in range(6)]
REPLAYED = 3


def inbox(server):
    with urllib.request.urlopen(f"{server.endpoint}/_aws/sns/inbox?region={REGION}", timeout=10) as answer:
        return json.load(answer)["messages"]


def dead_letters(server):
    with urllib.request.urlopen(f"{server.endpoint}/_leat/api/deadletters?region={REGION}", timeout=10) as answer:
        return json.load(answer)["dead_letters"]


def replay_start(server):
    environment = {**os.environ, "LEAT_ENDPOINT": server.endpoint}
    return subprocess.Popen([leat_server.BINARY, "replay", "-", "--name", "golden", "--stream", "rows"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=environment)


def write_streams(client):
    client.create_stream(StreamName="plain", ShardCount=2)
    client.create_stream(StreamName="rows", ShardCount=1)
    client.add_tags_to_stream(StreamName="plain", Tags=TAGS)
    make_streams(client)
    for name in ("in", "out"):
        client.create_stream(StreamName=name, ShardCount=1)
    for name in ("plain", "rows", "in", "out", ONE, TWO):
        client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=YEAR_HOURS)
    client.put_records(StreamName="plain", Records=[{"PartitionKey": k, "Data": d} for k, d in PLAIN])


def write_jobs(server, client):
    for statements in (in_region(REGION), TABLES + COUNT):
        answer = sql(server, statements)
        assert answer[-1]["type"] == "done", answer
    for data in [*FOUNDING, BAD]:
        client.put_record(StreamName=ONE, PartitionKey="1", Data=data)
    for one in EVENTS:  # Steps of their own, so that snapshots lie between them.
        put(client, [event(*one)])
    wait_until(lambda: len(read_all(client, TWO)) == len(FOUNDING_OUT))
    wait_until(lambda: len(read_all(client, "out")) == len(FIRED))
    wait_until(lambda: len(dead_letters(server)) == 1)
    client.increase_stream_retention_period(StreamName="leat-dead-letters", RetentionPeriodHours=YEAR_HOURS)


def write_services(server):
    s3, sns, cloudwatch = (make_client(server, name) for name in ("s3", "sns", "cloudwatch"))
    s3.create_bucket(Bucket="golden")
    for key, data in OBJECTS.items():
        s3.put_object(Bucket="golden", Key=key, Body=data, Metadata={"kind": "golden"})
    topic = sns.create_topic(Name="golden")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="someone@example.com")
    wait_until(lambda: len(inbox(server)) == 1)
    for value in POINTS:
        cloudwatch.put_metric_data(Namespace="Golden", MetricData=[{"MetricName": "m", "Value": value}])


def write_replay(server, client):
    process = replay_start(server)
    try:
        process.stdin.write((REPLAY_HEADER + "".join(REPLAY_ROWS[:REPLAYED])).encode())
        process.stdin.flush()
        wait_until(lambda: len(read_all(client, "rows")) == REPLAYED)
    finally:
        process.kill()
        process.wait()


def main(target):
    server = leat_server.Server()
    server.environment = {"LEAT_SNAPSHOT_STEPS": "2"}
    server.start()
    client = make_client(server, "kinesis", REGION)
    write_streams(client)
    write_jobs(server, client)
    write_services(server)
    write_replay(server, client)
    server.kill()  # As a crash: logs of SQLite and steps behind the snapshot are part of it.
    with tarfile.open(target, "w:xz", preset=9) as tar:
        for path in sorted(Path(server.data).rglob("*")):
            if path.is_file() or path.is_dir():  # No sockets.
                tar.add(path, path.relative_to(server.data), recursive=False,
                        filter=lambda one: one.replace(uid=0, gid=0, uname="", gname="", deep=False))
    print(f"{target}: {os.path.getsize(target)} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
