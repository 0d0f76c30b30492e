"""leat start --fault-rate, --fault-latency, --fault-seed: clients that retry get through, and what is refused is not stored."""

import collections
import http.client
import json
import os
import subprocess
import time
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client

ONCE = Config(retries={"total_max_attempts": 1})
STEADY = Config(retries={"total_max_attempts": 12, "mode": "standard"})
THROUGHPUT = "ProvisionedThroughputExceededException"


def started(*args):
    return leat_server.Server(args=args).start()


@pytest.fixture(scope="module")
def faulty():
    server = started("--fault-rate", "0.3", "--fault-seed", "7")
    make_client(server, "kinesis", config=STEADY).create_stream(StreamName="s", ShardCount=2)
    yield server
    server.stop()


def outcomes(server, count, call):
    """How often each error code came, and "" for none."""
    found = collections.Counter()
    for number in range(count):
        try:
            call(number)
            found[""] += 1
        except ClientError as error:
            found[error.response["Error"]["Code"]] += 1
    return found


def everything(server, name):
    kinesis = make_client(server, "kinesis", config=STEADY)
    rows = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = iterator["ShardIterator"]
        while True:
            page = kinesis.get_records(ShardIterator=iterator)
            rows += [r["Data"] for r in page["Records"]]
            iterator = page["NextShardIterator"]
            if not page["Records"] and page["MillisBehindLatest"] == 0:
                break
    return rows


def test_what_failed_is_not_stored_and_what_was_answered_is(faulty):
    kinesis = make_client(faulty, "kinesis", config=ONCE)
    good = []

    def put(number):
        kinesis.put_record(StreamName="s", Data=b"one-%d" % number, PartitionKey=str(number))
        good.append(b"one-%d" % number)

    found = outcomes(faulty, 300, put)
    assert set(found) == {"", THROUGHPUT, "InternalFailure", "ServiceUnavailable"}
    assert 50 < 300 - found[""] < 130
    assert sorted(r for r in everything(faulty, "s") if r.startswith(b"one-")) == sorted(good)


def test_part_of_a_batch_fails_and_is_sent_again(faulty):
    """The loop that each producer has: only what failed again, until nothing failed."""
    kinesis = make_client(faulty, "kinesis", config=STEADY)
    rows = [b"many-%d" % number for number in range(2000)]
    codes = collections.Counter()
    for at in range(0, len(rows), 100):
        left = rows[at:at + 100]
        while left:
            answer = kinesis.put_records(StreamName="s", Records=[{"Data": row, "PartitionKey": row.decode()} for row in left])
            failed = [r for r in answer["Records"] if "ErrorCode" in r]
            assert answer["FailedRecordCount"] == len(failed) and len(answer["Records"]) == len(left)
            codes.update((r["ErrorCode"], r["ErrorMessage"].split(" ")[0]) for r in failed)
            left = [row for row, r in zip(left, answer["Records"]) if "ErrorCode" in r]
    assert set(codes) == {(THROUGHPUT, "Rate"), ("InternalFailure", "Internal")}
    stored = collections.Counter(r for r in everything(faulty, "s") if r.startswith(b"many-"))
    assert stored == collections.Counter(rows)


def test_calls_about_streams_are_limited(faulty):
    kinesis = make_client(faulty, "kinesis", config=ONCE)
    found = outcomes(faulty, 200, lambda _: kinesis.describe_stream_summary(StreamName="s"))
    assert set(found) == {"", "LimitExceededException", "InternalFailure", "ServiceUnavailable"}
    assert make_client(faulty, "kinesis", config=STEADY).list_streams()["StreamNames"] == ["s"]


def test_who_looks_is_told(faulty, leat):
    for server, says in ((faulty, True), (leat, False)):
        with urllib.request.urlopen(server.endpoint + "/_leat/api/info") as answer:
            assert json.load(answer)["injects_faults"] is says
        run = subprocess.run([leat_server.BINARY, "doctor", "--port", "1"], capture_output=True, text=True,
                             env={**os.environ, "LEAT_ENDPOINT": server.endpoint})
        assert ("fail or wait on purpose" in run.stdout) is says, run.stdout


def test_the_same_seed_makes_the_same_faults():
    seen = []
    for seed in ("3", "3", "4"):
        server = started("--fault-rate", "0.5", "--fault-seed", seed)
        kinesis = make_client(server, "kinesis", config=ONCE)
        order = []
        for _ in range(60):
            try:
                kinesis.list_streams()
                order.append("")
            except ClientError as error:
                order.append(error.response["Error"]["Code"])
        seen.append(order)
        assert "faults    calls of Kinesis fail or wait on purpose" in server.output()
        server.stop()
    assert seen[0] == seen[1] != seen[2]


def test_only_the_operations_that_are_named_and_no_job_or_other_service():
    server = started("--fault-rate", "PutRecords=1,DescribeLimits=0")
    kinesis = make_client(server, "kinesis", config=ONCE)
    kinesis.create_stream(StreamName="s", ShardCount=1)
    for _ in range(30):
        kinesis.put_record(StreamName="s", Data=b"x", PartitionKey="k")
        kinesis.describe_limits()
    codes = outcomes(server, 30, lambda _: kinesis.put_records(StreamName="s", Records=[{"Data": b"y", "PartitionKey": "k"}] * 20))
    assert sum(codes.values()) - codes[""] > 5
    make_client(server, "s3", config=Config(s3={"addressing_style": "path"})).create_bucket(Bucket="bucket")
    # leat's own way of putting, which the console and jobs have, is not touched.
    done = subprocess.run([leat_server.BINARY, "stream", "list"], env={"LEAT_ENDPOINT": server.endpoint}, capture_output=True, text=True)
    assert done.returncode == 0 and "s" in done.stdout
    server.stop()


def test_latency_holds_nobody_up():
    """While one call waits, others on the same server are answered; a client that leaves is forgotten."""
    server = started("--fault-latency", "60000")
    waiting = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"X-Amz-Target": "Kinesis_20131202.CreateStream", "Content-Type": "application/x-amz-json-1.1",
               "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=00"}
    waiting.request("POST", "/", b'{"StreamName":"late","ShardCount":1}', headers)
    make_client(server, "sts").get_caller_identity()
    waiting.sock.close()
    server.stop()  # And a stop waits for none.
    server.args = []
    server.start()
    assert make_client(server, "kinesis").list_streams()["StreamNames"] == []
    server.stop()


def test_latency_is_what_was_asked_for():
    server = started("--fault-latency", "150-200")
    kinesis = make_client(server, "kinesis", config=ONCE)
    for _ in range(3):
        before = time.monotonic()
        kinesis.list_streams()
        assert time.monotonic() - before > 0.149
    server.stop()


@pytest.mark.parametrize("args, said", [
    (("--fault-rate", "2"), "--fault-rate is a number from 0 to 1, not \"2\""),
    (("--fault-rate", "PutRecrds=0.1"), "did you mean PutRecords?"),
    (("--fault-latency", "fast"), "--fault-latency is 0 to 60000 milliseconds"),
    (("--fault-seed", "3"), "--fault-seed is for --fault-rate and --fault-latency"),
])
def test_bad_options(tmp_path, args, said):
    done = subprocess.run([leat_server.BINARY, "start", "--data", tmp_path / "d", "--port", "0", *args],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "d").exists()
