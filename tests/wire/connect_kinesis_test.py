"""Streams of another endpoint as sink and as source, aggregates of the producer library, kill -9."""

import hashlib
import json

import boto3
import pytest

import leat_server
from connect_test import done, job_of, source
from conftest import CONFIG, make_client
from founding_test import jobs, read_all, sql, wait_until

KEYS = {"LEAT_ACCESS_KEY_ID": "their-key", "LEAT_SECRET_ACCESS_KEY": "hush-hush"}


@pytest.fixture
def other():
    server = leat_server.Server()
    server.environment = dict(KEYS)
    server.start()
    yield server
    server.stop()


def theirs(server):
    return boto3.client("kinesis", endpoint_url=server.endpoint, region_name="us-east-1", config=CONFIG,
                        aws_access_key_id="their-key", aws_secret_access_key="hush-hush")


def there(server):
    return {"aws.endpoint": server.endpoint, "aws.credentials.basic.accesskeyid": "their-key",
            "aws.credentials.basic.secretkey": "hush-hush"}


def test_rows_go_to_another_endpoint_signed(leat, other):
    client, far = make_client(leat, "kinesis", "remote-sink"), theirs(other)
    client.create_stream(StreamName="in", ShardCount=2)
    done(sql(leat, source("r_in", "in", "remote-sink")
             + source("r_out", "far", "us-east-1", **there(other)).replace(") WITH", ") PARTITIONED BY (b) WITH")
             + "INSERT INTO r_out SELECT a, b FROM r_in;"))
    for start in range(0, 1200, 400):
        client.put_records(StreamName="in", Records=[
            {"PartitionKey": str(i), "Data": json.dumps({"a": i, "b": f"k{i % 7}"})} for i in range(start, start + 400)])
    wait_until(lambda: "ResourceNotFound" in job_of(leat, "insert-into_r_out")["sinks"][0]["problem"])
    far.create_stream(StreamName="far", ShardCount=3)
    wait_until(lambda: len(read_all(far, "far")) == 1200)
    got = [(k, json.loads(d)) for _, k, d in read_all(far, "far")]
    assert sorted(r["a"] for _, r in got) == list(range(1200))
    assert all(k == r["b"] for k, r in got)


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def aggregate(records):
    """As the producer library packs user records of one key table."""
    body = b"".join(field(1, key.encode()) for key, _ in records)
    for index, (_, data) in enumerate(records):
        body += field(3, varint(1 << 3) + varint(index) + field(3, data))
    return b"\xf3\x89\x9a\xc2" + body + hashlib.md5(body).digest()


@pytest.mark.parametrize("where", ["here", "there"])
def test_aggregates_are_taken_apart(leat, other, where):
    region = f"kpl-{where}"
    client = theirs(other) if where == "there" else make_client(leat, "kinesis", "us-east-1")
    local = make_client(leat, "kinesis", region)
    local.create_stream(StreamName="out", ShardCount=1)
    client.create_stream(StreamName=f"agg-{where}", ShardCount=1)
    done(sql(leat, source(f"agg_{where}", f"agg-{where}", "us-east-1", **(there(other) if where == "there" else {}))
             + source(f"out_{where}", "out", region) + f"INSERT INTO out_{where} SELECT a, b FROM agg_{where};"))
    packed = aggregate([(f"k{i}", json.dumps({"a": i, "b": "x"}).encode()) for i in range(20)])
    client.put_record(StreamName=f"agg-{where}", PartitionKey="a", Data=packed)
    client.put_record(StreamName=f"agg-{where}", PartitionKey="a", Data=b'{"a": 20, "b": "plain"}')
    client.put_record(StreamName=f"agg-{where}", PartitionKey="a",
                      Data=aggregate([("k", b'{"a": 21, "b": "x"}'), ("k", b"bad")]))
    wait_until(lambda: len(read_all(local, "out")) == 22)
    assert [json.loads(d)["a"] for _, _, d in read_all(local, "out")] == list(range(22))
    letters = lambda: [json.loads(d) for _, _, d in read_all(local if where == "there" else client, "leat-dead-letters")]
    if where == "here":
        wait_until(lambda: [x for x in letters() if x["table"] == "agg_here"])
        assert [x["subsequence_number"] for x in letters() if x["table"] == "agg_here"] == [1]


def test_a_source_of_another_endpoint_loses_and_repeats_nothing(tmp_path, other):
    far = theirs(other)
    far.create_stream(StreamName="far", ShardCount=3)
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    make_client(server, "kinesis").create_stream(StreamName="near", ShardCount=1)
    done(sql(server, source("f", "far", "us-east-1", **there(other)) + source("n", "near", "us-east-1")
             + "INSERT INTO n SELECT a, b FROM f;"))
    number = 0
    for kill in range(6):
        for _ in range(3):
            far.put_records(StreamName="far", Records=[
                {"PartitionKey": str(i), "Data": json.dumps({"a": i})} for i in range(number, number + 100)])
            number += 100
        point = ["engine.before_landing_commit", "log.after_sync", "engine.after_step_commit"][kill % 3]
        server.process.poll() is None and server.kill()
        server.environment = {"LEAT_FAILPOINT": f"{point}:{kill % 2 + 1}"}
        try:
            server.start()
            server.process.wait(timeout=0.5)
        except Exception:
            pass
    server.process.poll() is None and server.kill()
    server.environment = {}
    server.start()
    near = make_client(server, "kinesis")
    wait_until(lambda: len(read_all(near, "near")) >= number, 30)
    assert sorted(json.loads(d)["a"] for _, _, d in read_all(near, "near")) == list(range(number))
    server.stop()


def test_an_endpoint_needs_keys(leat):
    error = sql(leat, source("nokeys", "s", "us-east-1", **{"aws.endpoint": "http://127.0.0.1:1"}))[-1]["error"]
    assert "aws.credentials.basic" in error["message"]


def test_other_hosts_need_leave(leat):
    make_client(leat, "kinesis", "egress").create_stream(StreamName="out", ShardCount=1)
    done(sql(leat, source("eg_in", "in", "egress", **{
        "aws.endpoint": "https://kinesis.us-east-1.amazonaws.com", "aws.credentials.basic.accesskeyid": "k",
        "aws.credentials.basic.secretkey": "s"}) + source("eg_out", "out", "egress")
        + "INSERT INTO eg_out SELECT * FROM eg_in;"))
    wait_until(lambda: job_of(leat, "insert-into_eg_out")["sources"][0].get("problem"))


def test_the_start_line_says_so_when_other_hosts_may_be_reached():
    server = leat_server.Server(args=["--allow-egress"]).start()
    assert "may reach other hosts" in server.output()
    server.stop()
