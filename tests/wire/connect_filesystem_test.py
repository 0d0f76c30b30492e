"""The filesystem sink: archive of raw records, JSON lines, CSV, partitions, rolling, kill -9."""

import collections
import csv
import gzip
import io
import json
import os
import random
import re
import subprocess
import time

import pytest

import leat_server
from conftest import make_client
from connect_test import done, job_of, source
from founding_test import jobs, read_all, sql, wait_until


def sink(name, path, columns, partitioned="", **options):
    inside = ", ".join(f"'{k}' = '{v}'" for k, v in {"connector": "filesystem", "path": path, **options}.items())
    return f"DROP TABLE IF EXISTS {name};\nCREATE TABLE {name} ({columns}) {partitioned} WITH ({inside});\n"


QUICK = {"sink.rolling-policy.rollover-interval": "200 ms"}


def objects(s3, bucket):
    keys = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        keys += [o["Key"] for o in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in sorted(keys)}


def setup(server, region, shards=4):
    kinesis = make_client(server, "kinesis", region)
    kinesis.create_stream(StreamName="in", ShardCount=shards)
    s3 = make_client(server, "s3")
    s3.create_bucket(Bucket=f"bucket-{region}")
    return kinesis, s3, f"bucket-{region}"


def put(kinesis, bodies):
    for start in range(0, len(bodies), 500):
        answer = kinesis.put_records(StreamName="in", Records=[
            {"PartitionKey": str(i), "Data": b} for i, b in enumerate(bodies[start:start + 500])])
        assert answer["FailedRecordCount"] == 0


def by_shard(kinesis):
    out = collections.defaultdict(bytes)
    for shard, _, data in read_all(kinesis, "in"):
        out[shard] += data
    return dict(out)


def archived(found):
    out = collections.defaultdict(bytes)
    for key, data in found.items():
        out[re.search(r"shardId-\d{12}", key).group()] += data
    return dict(out)


ARCHIVE = (lambda region, bucket, **options: source("a_in", "in", region, "line BYTES", format="raw")
           + sink("archive", f"s3://{bucket}/raw/", "line BYTES", format="raw", **{**QUICK, **options})
           + "INSERT INTO archive SELECT * FROM a_in;")


def test_the_archive_is_the_bytes_of_the_records(leat):
    region = "fs-archive"
    kinesis, s3, bucket = setup(leat, region)
    done(sql(leat, ARCHIVE(region, bucket)))
    bodies = [json.dumps({"n": i}, indent=4).encode() for i in range(3000)] + [b"\x00\xff no text"]
    put(kinesis, bodies)
    wait_until(lambda: archived(objects(s3, bucket)) == by_shard(kinesis))
    assert len(by_shard(kinesis)) == 4
    info = job_of(leat, "insert-into_archive")
    assert info["rows_in"] == len(bodies)


def test_the_archive_rolls_by_size_in_parts(leat):
    region = "fs-size"
    kinesis, s3, bucket = setup(leat, region, shards=1)
    done(sql(leat, ARCHIVE(region, bucket, **{"sink.rolling-policy.file-size": "19MB",
                                              "sink.rolling-policy.rollover-interval": "1 h"})))
    body = random.Random(4).randbytes(1000000)
    for _ in range(9):
        kinesis.put_records(StreamName="in", Records=[{"PartitionKey": "k", "Data": body}] * 5)
    wait_until(lambda: len(objects(s3, bucket)) >= 2)
    found = objects(s3, bucket)
    assert all(len(data) >= 19 << 20 for data in found.values())
    assert "-" in s3.head_object(Bucket=bucket, Key=sorted(found)[0])["ETag"]  # It came in parts.
    assert by_shard(kinesis)["shardId-000000000000"].startswith(archived(found)["shardId-000000000000"])


@pytest.mark.parametrize("compression,opened", [("gzip", gzip.decompress), ("zstd", None)])
def test_json_lines_in_partitions_compressed(leat, compression, opened):
    region = f"fs-{compression}"
    kinesis, s3, bucket = setup(leat, region)
    done(sql(leat, source("j_in", "in", region)
             + sink("j_out", f"s3://{bucket}/t", "a INT, b STRING", "PARTITIONED BY (b)", format="json",
                    compression=compression, **QUICK)
             + "INSERT INTO j_out SELECT a, b FROM j_in;"))
    put(kinesis, [json.dumps({"a": i, "b": ["x", "y/z", None][i % 3]}).encode() for i in range(300)])
    if opened is None:
        opened = lambda data: subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
        if not any(os.access(os.path.join(p, "zstd"), os.X_OK) for p in os.environ["PATH"].split(":")):
            zstandard = pytest.importorskip("zstandard", reason="neither zstd nor python-zstandard is installed")
            opened = lambda data: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True).read()

    def rows():
        out = collections.defaultdict(list)
        for key, data in objects(s3, bucket).items():
            out[key.split("/")[1]] += [json.loads(line)["a"] for line in opened(data).splitlines()]
        return {k: sorted(v) for k, v in out.items()}

    wanted = {"b=x": list(range(0, 300, 3)), "b=y%2Fz": list(range(1, 300, 3)),
              "b=__DEFAULT_PARTITION__": list(range(2, 300, 3))}
    wait_until(lambda: rows() == wanted)
    assert all(key.endswith({"gzip": ".json.gz", "zstd": ".json.zst"}[compression]) for key in objects(s3, bucket))


def test_csv_and_stop_delivers_what_is_left(leat):
    region = "fs-csv"
    kinesis, s3, bucket = setup(leat, region)
    done(sql(leat, source("fc_in", "in", region)
             + sink("fc_out", f"s3://{bucket}/t/", "a INT, b STRING", format="csv")
             + "INSERT INTO fc_out SELECT a, b FROM fc_in;"))
    put(kinesis, [json.dumps({"a": i, "b": 'q"%d,' % i}).encode() for i in range(50)])
    wait_until(lambda: job_of(leat, "insert-into_fc_out")["rows_out"] == 50)
    assert objects(s3, bucket) == {}
    done(sql(leat, f"STOP JOB '{job_of(leat, 'insert-into_fc_out')['id']}';"))
    wait_until(lambda: objects(s3, bucket))
    rows = [row for data in objects(s3, bucket).values() for row in csv.reader(io.StringIO(data.decode()))]
    assert sorted(rows) == sorted([[str(i), 'q"%d,' % i] for i in range(50)])


def test_a_missing_bucket_is_told_and_waited_for(leat):
    region = "fs-missing"
    kinesis = make_client(leat, "kinesis", region)
    kinesis.create_stream(StreamName="in", ShardCount=1)
    done(sql(leat, ARCHIVE(region, "not-there-yet").replace("archive", "m_out")))
    put(kinesis, [b"one", b"two"])
    wait_until(lambda: "NoSuchBucket" in json.dumps(job_of(leat, "insert-into_m_out")["sinks"]))
    s3 = make_client(leat, "s3")
    s3.create_bucket(Bucket="not-there-yet")
    wait_until(lambda: b"".join(objects(s3, "not-there-yet").values()) == b"onetwo")


def test_local_files_only_where_they_are_allowed(tmp_path):
    server = leat_server.Server()
    server.environment = {"LEAT_FILE_DIRS": str(tmp_path)}
    server.start()
    try:
        kinesis = make_client(server, "kinesis", "local")
        kinesis.create_stream(StreamName="in", ShardCount=1)
        for path in ("/etc/x", f"{tmp_path}/../x", f"{tmp_path}x", "relative"):
            error = sql(server, sink("refused", path, "a INT", format="json"))[-1]["error"]
            assert "LEAT_FILE_DIRS" in error.get("hint", "")
        done(sql(server, source("l_in", "in", "local")
                 + sink("l_out", f"file://{tmp_path}/out", "a INT, b STRING", format="json", **QUICK)
                 + "INSERT INTO l_out SELECT a, b FROM l_in;"))
        put(kinesis, [b'{"a": 1, "b": "x"}'])
        wait_until(lambda: list(tmp_path.glob("out/part-*.json")))
        assert next(tmp_path.glob("out/part-*.json")).read_bytes() == b'{"a":1,"b":"x"}\n'
    finally:
        server.stop()


POINTS = ["engine.after_step_commit", "engine.before_delivery", "engine.after_delivery",
          "engine.before_cursor_commit", "log.after_sync"]


@pytest.mark.parametrize("kills", [pytest.param(15, id="short"),
                                   pytest.param(150, id="long", marks=pytest.mark.slow)])
def test_the_archive_is_exactly_once_through_kill_9(kills, tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    kinesis, s3, bucket = setup(server, "us-east-1")
    rng = random.Random(7)
    done(sql(server, ARCHIVE("us-east-1", bucket, compression="none",
                             **{"sink.rolling-policy.rollover-interval": "20 ms"})))
    died = number = 0
    for kill in range(kills):
        server.kill() if server.process.poll() is None else None
        server.environment = {"LEAT_FAILPOINT": f"{POINTS[kill % len(POINTS)]}:{rng.randint(1, 4)}",
                              "LEAT_STEP_FRAMES": "1"}
        try:
            server.start()
            kinesis = make_client(server, "kinesis")
            for _ in range(4):
                kinesis.put_records(StreamName="in", Records=[
                    {"PartitionKey": str(rng.randint(1, 99)), "Data": f"<{number + i}>".encode()} for i in range(50)])
                number += 50
            server.process.wait(timeout=0.5)
        except Exception:  # It died before it was ready, or in the middle of an answer.
            number += 50
        died += server.process.poll() == -9
    if server.process.poll() is None:
        server.kill()
    server.environment = {}
    server.start()
    kinesis, s3 = make_client(server, "kinesis"), make_client(server, "s3")
    wait_until(lambda: archived(objects(s3, bucket)) == by_shard(kinesis), 30)
    assert died >= kills / 2
    server.stop()


def test_an_upload_that_a_crash_cut_off_is_aborted(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_FAILPOINT": "connect.after_part:1"}
    server.start()
    kinesis, s3, bucket = setup(server, "us-east-1", shards=1)
    done(sql(server, ARCHIVE("us-east-1", bucket, **{"sink.rolling-policy.rollover-interval": "1 s"})))
    bodies = [bytes([i]) * (1 << 20) for i in range(20)]
    for body in bodies:  # More than a part.
        kinesis.put_record(StreamName="in", PartitionKey="k", Data=body[:-1])
    assert server.process.wait(timeout=30) == -9
    server.environment = {}
    server.start()
    s3 = make_client(server, "s3")

    def uploads():
        return [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    wait_until(lambda: b"".join(objects(s3, bucket).values()) == b"".join(b[:-1] for b in bodies), 30)
    assert uploads() == []
    # Those of others stay: another job, another sink, another instance, a user.
    name = next(iter(objects(s3, bucket)))
    ours = re.match(r"(raw/part-[0-9a-f]{8}-job-1-0-)", name).group(1)
    others = [ours.replace("job-1-0-", "job-1-01-"), ours.replace("job-1-0-", "job-11-0-"),
              ours.replace("raw/part-", "raw/part-0"), "raw/mine"]
    kept = [f"{o}x" for o in others]
    left = [f"{ours}x", f"{ours.replace('raw/', 'raw/a=%2F/')}y"]
    for key in kept + left:
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    server.kill()
    server.start()
    kinesis, s3 = make_client(server, "kinesis"), make_client(server, "s3")
    kinesis.put_record(StreamName="in", PartitionKey="k", Data=b"more")
    wait_until(lambda: any(data.endswith(b"more") for data in objects(s3, bucket).values()), 30)
    assert sorted(uploads()) == sorted(kept)
    server.stop()
