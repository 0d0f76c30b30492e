"""What `leat run` makes of a file that it has seen before, and when a job counts as finished."""

import json
import os
import subprocess
import time

import pytest

import leat_server
from conftest import make_client


@pytest.fixture
def server():
    server = leat_server.Server().start()
    yield server
    server.stop()


def leat(server, *words, code=0):
    environment = {**os.environ, "LEAT_ENDPOINT": server.endpoint}
    done = subprocess.run(
        [leat_server.BINARY, *words], env=environment, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def states(server):
    return [job["state"] for job in json.loads(leat(server, "job", "list", "-o", "json"))["jobs"]]


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_same_file_again(server, tmp_path):
    for stream in ("in", "out"):
        leat(server, "stream", "create", stream, "--shards", "1")
    script = tmp_path / "job.sql"
    table = """CREATE TABLE {0} (a INT) WITH ('connector' = 'kinesis', 'stream' = '{0}',
        'aws.region' = 'us-east-1', 'format' = 'json', 'scan.stream.initpos' = 'TRIM_HORIZON');
        """
    text = table.format("in").replace("TABLE in", "TABLE i") + table.format("out").replace("TABLE out", "TABLE o")
    script.write_text(text + "INSERT INTO o SELECT a FROM i;")
    leat(server, "run", str(script))
    again = leat(server, "run", str(script))
    assert "already running as job job-1" in again and "i is there already" in again
    assert states(server) == ["RUNNING"]
    # Stopped: --restart goes on where it stood, without a row twice.
    leat(server, "stream", "put", "in", '{"a":1}')
    kinesis = make_client(server, "kinesis")
    it = kinesis.get_shard_iterator(StreamName="out", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")

    def rows():
        return [r["Data"] for r in kinesis.get_records(ShardIterator=it["ShardIterator"])["Records"]]

    until(lambda: len(rows()) == 1)
    leat(server, "job", "stop", "job-1")
    leat(server, "stream", "put", "in", '{"a":2}')
    leat(server, "run", str(script), "--restart")
    until(lambda: len(rows()) == 2)
    assert rows() == [b'{"a":1}', b'{"a":2}'] and states(server) == ["STOPPED", "RUNNING"]
    # Another text for the same name is an error, and so is the same one outside of `run`.
    script.write_text(text.replace("a INT", "a BIGINT") + "INSERT INTO o SELECT a FROM i;")
    assert "already exists" in leat(server, "run", str(script), code=4)
    assert "already exists" in leat(server, "sql", "-c", text, code=4)
    assert states(server) == ["STOPPED", "RUNNING"]


def test_a_job_with_undelivered_rows_is_not_finished(server):
    leat(server, "sql", "-c", """CREATE TABLE files (a INT) WITH ('connector' = 'filesystem',
        'path' = 's3://later/rows', 'format' = 'json'); INSERT INTO files VALUES (1), (2);""")
    until(lambda: states(server) == ["DELIVERING"])
    until(lambda: "not delivered yet" in leat(server, "job", "list"))
    server.kill()
    server.start()
    assert states(server) == ["DELIVERING"]
    make_client(server, "s3").create_bucket(Bucket="later")
    until(lambda: states(server) == ["FINISHED"])


COUNTS = ("rows_in", "rows_out", "rows_filtered", "rows_late", "dead_letters", "bytes_in", "bytes_out", "steps")


def test_the_counts_of_a_job_outlive_the_process(server):
    for stream in ("in", "out", "sums"):
        leat(server, "stream", "create", stream, "--shards", "1")
    options = "WITH ('connector' = 'kinesis', 'stream' = '{}', 'aws.region' = 'us-east-1', 'format' = 'json')"
    source = options.format("in").replace(")", ", 'scan.stream.initpos' = 'TRIM_HORIZON')")
    leat(server, "sql", "-c", f"""
        CREATE TABLE i (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) {source};
        CREATE TABLE o (k INT) {options.format("out")};
        CREATE TABLE s (k INT, n BIGINT) {options.format("sums")};
        INSERT INTO o SELECT k FROM i WHERE k > 1;
        INSERT INTO s SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE i, DESCRIPTOR(ts), INTERVAL '1' SECOND))
            GROUP BY k, window_start, window_end;""")

    def counts():
        found = json.loads(leat(server, "job", "list", "-o", "json"))["jobs"]
        return [{name: job[name] for name in COUNTS} for job in found]

    def put(k, second):
        leat(server, "stream", "put", "in", json.dumps({"k": k, "ts": f"2026-01-01 00:00:{second:02}"}))

    put(1, 1)
    put(2, 1)
    put(3, 5)
    put(4, 1)  # Late.
    leat(server, "stream", "put", "in", "no JSON")  # Both jobs meet it at once.
    until(lambda: [c["rows_in"] for c in counts()] == [4, 4] and counts()[1]["rows_out"] == 2)
    until(lambda: [c["dead_letters"] for c in counts()] == [1, 1])
    before = counts()
    assert before[0]["rows_out"] == 3 and before[0]["rows_filtered"] == 1 and before[1]["rows_late"] == 1
    server.kill()
    server.start()
    assert [{**c, "steps": 0} for c in counts()] == [{**c, "steps": 0} for c in before]  # An idle shard makes a step.
    put(5, 9)
    until(lambda: [c["rows_in"] for c in counts()] == [5, 5] and counts()[1]["rows_out"] == 3)
    until(lambda: counts()[0]["rows_out"] == 4)
    after = counts()
    server.kill()
    server.start()
    assert [{**c, "steps": 0} for c in counts()] == [{**c, "steps": 0} for c in after]
    assert all(now["steps"] >= then["steps"] for now, then in zip(counts(), after))
