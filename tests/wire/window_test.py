"""Windowed queries as jobs: results, lateness, idle shards, how steps are cut, and kill -9."""

import contextlib
import json
import subprocess
import time

import pytest
from botocore.exceptions import EndpointConnectionError

from conftest import make_client
from founding_test import jobs, read_all, sql, wait_until
from leat_server import Server

TABLES = """
CREATE TABLE events (
  k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'kinesis', 'stream' = 'in', 'aws.region' = 'us-east-1',
        'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE counts (
  k STRING, ws TIMESTAMP(3), we TIMESTAMP(3), n BIGINT, s BIGINT, lo INT, hi INT
) PARTITIONED BY (k) WITH ('connector' = 'kinesis', 'stream' = 'out', 'aws.region' = 'us-east-1',
        'format' = 'json');
"""
COUNT = """
INSERT INTO counts
SELECT k, window_start, window_end, COUNT(*), SUM(v), MIN(v), MAX(v)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY k, window_start, window_end;
"""


@pytest.fixture
def server():
    one = Server()
    one.start()
    yield one
    one.stop()


def streams(server, shards=1):
    client = make_client(server, "kinesis", "us-east-1")
    for name in ("in", "out"):
        client.create_stream(StreamName=name, ShardCount=shards)
    return client


def event(key, value, second):
    return json.dumps({"k": key, "v": value, "ts": f"2026-01-01 00:{second // 60:02}:{second % 60:02}"})


def put(client, rows, partition="1"):
    for at in range(0, len(rows), 500):
        client.put_records(StreamName="in", Records=[
            {"Data": row, "PartitionKey": partition} for row in rows[at:at + 500]])


def results(client):
    return [json.loads(data) for _, _, data in read_all(client, "out")]


def test_counts_fire_when_the_watermark_passes_and_late_rows_are_dropped(server):
    client = streams(server)
    answer = sql(server, TABLES + COUNT)
    assert answer[-1]["type"] == "done", answer
    put(client, [event("a", 1, 1), event("b", 5, 2), event("a", 3, 9), event(None, 7, 3)])
    put(client, [event("a", 9, 11)])  # The watermark is 9: nothing fires.
    time.sleep(0.2)
    assert results(client) == []
    put(client, [event("a", 2, 12)])  # 10 > 9.999: fires, and what comes now is late.
    put(client, [event("a", 100, 5)])
    put(client, [event("a", 4, 25)])
    wait_until(lambda: len(results(client)) == 4)
    got = {(r["k"], r["ws"]): r for r in results(client)}
    assert got[("a", "2026-01-01 00:00:00")] == {
        "k": "a", "ws": "2026-01-01 00:00:00", "we": "2026-01-01 00:00:10", "n": 2, "s": 4, "lo": 1, "hi": 3}
    assert got[("b", "2026-01-01 00:00:00")]["n"] == 1
    assert got[(None, "2026-01-01 00:00:00")]["s"] == 7
    assert got[("a", "2026-01-01 00:00:10")]["s"] == 11
    metrics = subprocess.run(["curl", "-s", f"{server.endpoint}/metrics"], capture_output=True, check=True,
                             text=True).stdout
    assert [line for line in metrics.splitlines() if line.startswith("leat_job_late_rows_total")][0].endswith(" 1")


def test_a_shard_without_rows_counts_as_idle(server):
    client = streams(server, 4)
    sql(server, TABLES + COUNT)
    put(client, [event("a", 1, 1), event("a", 1, 30)])
    wait_until(lambda: len(results(client)) == 1, 10)
    before = jobs(server)[0]["steps"]
    time.sleep(1.5)
    assert jobs(server)[0]["steps"] <= before + 1  # The last shard's idling; then nothing more.
    put(client, [event("a", 1, 50)])
    wait_until(lambda: len(results(client)) == 2, 10)


def rows(count, keys):
    return [event(f"key-{(i * 7919) % keys}", i % 1000, i * 60 // count) for i in range(count)]


def run_job(environment, kills, statements=COUNT):
    server = Server()
    server.environment = environment
    server.start()
    client = streams(server, 4)
    for at in range(0, 4):
        put(client, rows(4000, 300)[at::4], f"p{at}")
    sql(server, TABLES + statements)
    for delay in kills:
        time.sleep(delay)
        server.kill()
        server.start()
        client = make_client(server, "kinesis", "us-east-1")
    put(client, [event("end", 0, 3000)], "p0")
    wait_until(lambda: sum(r["n"] for r in results(client)) >= 4000, 30)
    out = read_all(client, "out")
    server.stop()
    return out


def test_every_cutting_into_steps_gives_the_same_bytes():
    once = run_job({}, [])
    assert sum(json.loads(d)["n"] for _, _, d in once) == 4000
    assert run_job({"LEAT_STEP_FRAMES": "1"}, []) == once
    assert run_job({"LEAT_STEP_FRAMES": "3", "LEAT_SNAPSHOT_STEPS": "2"}, []) == once


def test_a_step_that_ends_the_process_three_times_fails_its_job_only():
    server = Server()
    server.start()
    client = streams(server)
    client.create_stream(StreamName="other", ShardCount=1)
    sql(server, TABLES + COUNT)
    put(client, [event("a", 1, 1), event("a", 1, 30)])
    wait_until(lambda: len(results(client)) == 1)
    server.kill()
    server.environment = {"LEAT_FAILPOINT": "engine.in_step:1"}
    server.start()
    with contextlib.suppress(EndpointConnectionError):  # It may die before it answers.
        put(make_client(server, "kinesis", "us-east-1"), [event("a", 1, 60)])
    server.process.wait(timeout=5)
    for _ in range(3):
        with contextlib.suppress(RuntimeError):
            server.start()
        server.process.wait(timeout=5)
    server.environment = {}
    server.start()
    wait_until(lambda: jobs(server)[0]["state"] == "FAILED")
    assert "has ended the process 3 times" in jobs(server)[0]["reason"]
    client = make_client(server, "kinesis", "us-east-1")
    sink = TABLES[TABLES.index("CREATE TABLE counts"):]
    sql(server, (sink + COUNT).replace("'out'", "'other'").replace("counts", "counts2"))
    assert jobs(server)[1]["state"] == "RUNNING"
    server.stop()
