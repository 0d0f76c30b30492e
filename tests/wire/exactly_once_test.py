"""The same recorded stream 1 processed once undisturbed and once with kill -9 at named points:
data and partition keys of stream 2 are equal, per shard, in order."""

import collections
import contextlib
import http.client
import json
import os
import random
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import leat_server
from conftest import make_client
from founding_test import FOUNDING, ONE, TWO, by_shard, jobs, read_all, sql, wait_until

LOG_POINTS = ["log.before_frame_write", "log.after_frame_write", "log.before_sync", "log.after_sync",
              "log.before_publish", "log.after_publish", "engine.before_step_submit", "engine.after_step_commit"]
SNAPSHOT_POINTS = ["engine.before_snapshot_write", "engine.before_snapshot_sync", "engine.after_snapshot_sync",
                   "engine.before_pieces_sync", "engine.after_pieces_rename",
                   "engine.before_snapshot_rename", "engine.after_snapshot_rename",
                   "engine.before_snapshot_delete", "engine.after_snapshot_delete"]
SHARDS, BATCH = 4, 100
WINDOWED = f"""
DROP TABLE IF EXISTS accidents;
CREATE TABLE accidents (
  `ID` STRING, `Severity` INT, `City` STRING, `Distance` DOUBLE, `Start_Time` TIMESTAMP(3),
  WATERMARK FOR `Start_Time` AS `Start_Time` - INTERVAL '5' SECOND
) WITH ('connector' = 'kinesis', 'stream' = '{ONE}', 'aws.region' = 'us-east-1',
        'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json',
        'json.timestamp-format.standard' = 'ISO-8601');
CREATE TABLE us_accidents_stream_1_results (
  `City` STRING, `start` TIMESTAMP(3), n BIGINT, worst INT, far DOUBLE, total DOUBLE, first_id STRING
) PARTITIONED BY (`City`) WITH ('connector' = 'kinesis', 'stream' = '{TWO}', 'aws.region' = 'us-east-1',
        'format' = 'json');
INSERT INTO us_accidents_stream_1_results
SELECT `City`, window_start, COUNT(*), MAX(`Severity`), MAX(`Distance`), SUM(`Distance`), MIN(`ID`)
FROM TABLE(TUMBLE(TABLE accidents, DESCRIPTOR(`Start_Time`), INTERVAL '10' SECOND))
GROUP BY `City`, window_start, window_end;
"""
CASES = {"founding": (FOUNDING.replace("'LATEST'", "'TRIM_HORIZON'"), LOG_POINTS),
         "windowed": (WINDOWED, LOG_POINTS + SNAPSHOT_POINTS)}


def record(rng, number, rows):
    """Times go up over all shards, up to 4 s out of order, so that no row is late."""
    second = number * 600 // rows + rng.randint(0, 4)
    fields = {
        "ID": f"A-{number}-of-a-long-identifier", "Severity": str(rng.randint(1, 4)),
        "City": f"Testville {rng.randint(1, 60)}", "County": "Example", "Distance": rng.random() * 10,
        "Start_Time": f"2020-03-04T05:{second // 60:02}:{second % 60:02}",
        "Weather_Timestamp": "2020-03-04T05:00:00", "Txn_Timestamp": "2026-11-23T01:11:40.123456",
    }
    shard = rng.randint(0, SHARDS - 2)  # The last one gets nothing.
    return {"Data": json.dumps(fields), "PartitionKey": str(number % 9),
            "ExplicitHashKey": str((2 ** 128 // SHARDS) * shard + 5)}


def fill(client, rows):
    rng = random.Random(7)
    for start in range(0, rows, BATCH):
        entries = [record(rng, i, rows) for i in range(start, min(start + BATCH, rows))]
        assert client.put_records(StreamName=ONE, Records=entries)["FailedRecordCount"] == 0


def caught_up(server):
    job = jobs(server)[-1]
    return job["state"] == "RUNNING" and job["lag_ms"] == 0


def settled(server, client, stream):
    """All there is: the count stays, while the job has caught up."""
    last = -1
    for _ in range(60):
        time.sleep(1.5 if last >= 0 else 0.2)
        count = len(read_all(client, stream)) if caught_up(server) else -1
        if count == last and count > 0:
            return by_shard(read_all(client, stream))
        last = count
    raise AssertionError("the job does not come to rest")


def stop_job(server, job):
    request = urllib.request.Request(f"{server.endpoint}/_leat/api/jobs/{job}/stop", data=b"", method="POST")
    urllib.request.urlopen(request, timeout=30).read()


def snapshots(server):
    """Names of the files that the killed job has now."""
    return {path.name for path in Path(server.data, "state", "job-2").glob("*.snapshot")}


def pieces(server):
    return {path.name for path in Path(server.data, "state", "job-2").glob("*.pieces")}


def kill_at(server, point, rng):
    """True when the process ended itself at the point, not by the loop's own kill."""
    server.environment["LEAT_FAILPOINT"] = f"{point}:{rng.randint(1, 2)}"
    with contextlib.suppress(RuntimeError):  # It died before it was ready.
        server.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(timeout=2)
    died = server.process.poll() == -9
    if server.process.poll() is None:
        server.kill()
    return died


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("rows,kills", [pytest.param(12000, 36, id="short"),
                                        pytest.param(200000, 500, id="long", marks=pytest.mark.slow)])
def test_exactly_once(name, rows, kills, tmp_path):
    text, points = CASES[name]
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    client = make_client(server, "kinesis", "us-east-1")
    client.create_stream(StreamName=ONE, ShardCount=SHARDS)
    for stream in (TWO, "target"):
        client.create_stream(StreamName=stream, ShardCount=SHARDS)
    fill(client, rows)
    assert sql(server, text)[-1]["type"] == "done"
    wait_until(lambda: jobs(server)[-1]["rows_in"] == rows, 60)
    undisturbed = settled(server, client, TWO)
    stop_job(server, jobs(server)[-1]["id"])
    again = text.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ").replace(TWO, "target").replace("us_accidents_stream_1_results", "target_table")
    server.stop()
    # Pieces of single key groups, as if the state were large.
    server.environment = {"LEAT_STEP_FRAMES": "1", "LEAT_SNAPSHOT_STEPS": "2", "LEAT_SNAPSHOT_PIECE_BYTES": "64",
                          "LEAT_FAILPOINT": "engine.after_step_commit:4"}
    server.start()
    with contextlib.suppress(OSError, http.client.HTTPException):  # It may die before it has answered.
        sql(server, again)
    server.process.wait(timeout=5)
    rng = random.Random(1)
    died = collections.Counter()
    taken, pieced = set(), set()
    for kill in range(kills):
        point = points[kill % len(points)]
        died[point] += kill_at(server, point, rng)
        taken |= snapshots(server)
        pieced |= pieces(server)
    server.environment = {"LEAT_SNAPSHOT_STEPS": "20"}
    server.start()
    client = make_client(server, "kinesis", "us-east-1")
    got = settled(server, client, "target")
    total = sum(map(len, undisturbed.values()))
    print(f"{name}: {rows} records in, {total} out, {sum(died.values())} kills at {len(points)} points, "
          f"fewest {min(died[p] for p in points)}, {len(taken)} snapshots, {len(pieced)} files of pieces")
    print(dict(died))
    assert {shard: len(r) for shard, r in got.items()} == {shard: len(r) for shard, r in undisturbed.items()}
    assert got == undisturbed
    assert all(died[point] >= (20 if kills >= 500 else 1) for point in points), died
    assert name != "windowed" or (len(taken) >= 3 and len(pieced) >= 3)
    server.stop()
