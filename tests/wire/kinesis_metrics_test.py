"""AWS/Kinesis: what CloudWatch shows of streams, of shards that are asked for, and of consumers."""

import uuid
from datetime import datetime, timedelta, timezone

import pytest
from botocore.config import Config

import leat_server
from conftest import make_client
from kinesis_fanout_test import HORIZON, SHARD, Consumer

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def limited():
    server = leat_server.Server(args=["--enforce-limits"]).start()
    yield server
    server.stop()


@pytest.fixture
def name(leat):
    kinesis = make_client(leat, "kinesis")
    name = f"m-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=2)
    yield name
    kinesis.delete_stream(StreamName=name)


def statistics(server, metric, **dimensions):
    """(samples, sum, minimum, maximum, unit) of the last ten minutes; None without data."""
    now = datetime.now(timezone.utc)
    points = make_client(server, "cloudwatch").get_metric_statistics(
        Namespace="AWS/Kinesis", MetricName=metric, StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10), Period=1200, Statistics=["SampleCount", "Sum", "Minimum", "Maximum"],
        Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()])["Datapoints"]
    assert len(points) <= 2
    if not points:
        return None
    return (sum(p["SampleCount"] for p in points), sum(p["Sum"] for p in points), min(p["Minimum"] for p in points),
            max(p["Maximum"] for p in points), points[0]["Unit"])


def names(server, stream):
    found = make_client(server, "cloudwatch").list_metrics(
        Namespace="AWS/Kinesis", Dimensions=[{"Name": "StreamName", "Value": stream}])["Metrics"]
    return {(m["MetricName"], *sorted(d["Name"] for d in m["Dimensions"])) for m in found}


def put_three(kinesis, name):
    """One record of 5 bytes to shard 0; one of 7 bytes to it and one of 11 to shard 1 (with keys)."""
    kinesis.put_record(StreamName=name, Data=b"abcd", PartitionKey="k", ExplicitHashKey="0")
    answer = kinesis.put_records(StreamName=name, Records=[
        {"Data": b"abcdef", "PartitionKey": "k", "ExplicitHashKey": "0"},
        {"Data": b"0123456789", "PartitionKey": "k", "ExplicitHashKey": str(1 << 127)}])
    assert [r["ShardId"][-1] for r in answer["Records"]] == ["0", "1"]


def test_what_was_put(leat, name):
    kinesis = make_client(leat, "kinesis")
    put_three(kinesis, name)
    samples, *rest = statistics(leat, "IncomingRecords", StreamName=name)
    assert 2 <= samples <= 3 and rest[0] == 3 and rest[3] == "Count"
    assert statistics(leat, "IncomingBytes", StreamName=name)[1:2] == (23,)
    assert statistics(leat, "PutRecord.Bytes", StreamName=name) == (1, 5, 5, 5, "Bytes")
    assert statistics(leat, "PutRecord.Success", StreamName=name) == (1, 1, 1, 1, "Count")
    assert statistics(leat, "PutRecords.Bytes", StreamName=name) == (1, 18, 18, 18, "Bytes")
    assert statistics(leat, "PutRecords.Success", StreamName=name) == (1, 1, 1, 1, "Count")
    assert statistics(leat, "PutRecords.TotalRecords", StreamName=name) == (1, 2, 2, 2, "Count")
    assert statistics(leat, "PutRecords.SuccessfulRecords", StreamName=name) == (1, 2, 2, 2, "Count")
    for none in ("PutRecords.FailedRecords", "PutRecords.ThrottledRecords"):
        assert statistics(leat, none, StreamName=name) == (1, 0, 0, 0, "Count")
    assert statistics(leat, "WriteProvisionedThroughputExceeded", StreamName=name) == (2, 0, 0, 0, "Count")
    for latency in ("PutRecord.Latency", "PutRecords.Latency"):
        samples, total, low, high, unit = statistics(leat, latency, StreamName=name)
        assert samples == 1 and 0 < low == high == total and unit == "Milliseconds"
    # What is read again is not counted again.
    assert statistics(leat, "PutRecords.TotalRecords", StreamName=name)[0] == 1


def test_what_was_read(leat, name):
    kinesis = make_client(leat, "kinesis")
    put_three(kinesis, name)
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")
    first = kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    kinesis.get_records(ShardIterator=first["NextShardIterator"])
    assert statistics(leat, "GetRecords.Bytes", StreamName=name) == (2, 12, 0, 12, "Bytes")
    assert statistics(leat, "GetRecords.Records", StreamName=name) == (2, 2, 0, 2, "Count")
    assert statistics(leat, "GetRecords.Success", StreamName=name) == (2, 2, 1, 1, "Count")
    assert statistics(leat, "GetRecords.IteratorAgeMilliseconds", StreamName=name) == (2, 0, 0, 0, "Milliseconds")
    assert statistics(leat, "ReadProvisionedThroughputExceeded", StreamName=name) == (2, 0, 0, 0, "Count")


def test_the_age_of_an_iterator(leat, name):
    kinesis = make_client(leat, "kinesis")
    put_three(kinesis, name)
    put_three(kinesis, name)
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")
    behind = kinesis.get_records(ShardIterator=iterator["ShardIterator"], Limit=1)["MillisBehindLatest"]
    assert behind > 0
    assert statistics(leat, "GetRecords.IteratorAgeMilliseconds", StreamName=name)[3] == behind


def test_shards_only_where_asked_for(leat, name):
    kinesis = make_client(leat, "kinesis")
    kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["IncomingRecords", "OutgoingBytes"])
    put_three(kinesis, name)
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")
    kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    last = SHARD[:-1] + "1"
    assert statistics(leat, "IncomingRecords", StreamName=name, ShardId=SHARD)[1] == 2
    assert statistics(leat, "IncomingRecords", StreamName=name, ShardId=last)[1] == 1
    assert statistics(leat, "OutgoingBytes", StreamName=name, ShardId=SHARD) == (1, 12, 12, 12, "Bytes")
    assert statistics(leat, "OutgoingBytes", StreamName=name, ShardId=last) is None
    shard = {metric for metric, *dimensions in names(leat, name) if "ShardId" in dimensions}
    assert shard == {"IncomingRecords", "OutgoingBytes"}
    kinesis.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    put_three(kinesis, name)
    assert statistics(leat, "IncomingRecords", StreamName=name, ShardId=SHARD)[1] == 2
    assert statistics(leat, "IncomingRecords", StreamName=name)[1] == 6


def test_what_is_pushed(leat):
    consumer = Consumer(leat)
    consumer.put(b"abc", b"defg")
    events = consumer.subscribe(HORIZON)
    assert len(next(iter(events))["SubscribeToShardEvent"]["Records"]) == 2
    of = {"StreamName": consumer.stream, "ConsumerName": "reader"}
    assert statistics(leat, "SubscribeToShard.Success", **of) == (1, 1, 1, 1, "Count")
    assert statistics(leat, "SubscribeToShardEvent.Success", **of)[1] >= 1
    assert statistics(leat, "SubscribeToShardEvent.Bytes", **of)[3] == 9
    assert statistics(leat, "SubscribeToShardEvent.Records", **of)[1] == 2
    assert statistics(leat, "SubscribeToShardEvent.MillisBehindLatest", **of)[4] == "Milliseconds"
    assert consumer.refused(HORIZON)[0] == "ResourceInUseException"
    assert statistics(leat, "SubscribeToShard.RateExceeded", **of)[1] == 1
    events.close()


def test_what_was_throttled(limited):
    kinesis = make_client(limited, "kinesis", config=ONCE)
    kinesis.create_stream(StreamName="t", ShardCount=1)
    kinesis.enable_enhanced_monitoring(StreamName="t", ShardLevelMetrics=["ALL"])
    failed = 0
    for _ in range(5):
        failed += kinesis.put_records(StreamName="t", Records=[{"Data": b"x", "PartitionKey": "k"}] * 500)["FailedRecordCount"]
    assert failed > 0
    assert statistics(limited, "PutRecords.ThrottledRecords", StreamName="t")[1] == failed
    assert statistics(limited, "PutRecords.SuccessfulRecords", StreamName="t")[1] == 2500 - failed
    assert statistics(limited, "IncomingRecords", StreamName="t")[1] == 2500 - failed
    assert statistics(limited, "WriteProvisionedThroughputExceeded", StreamName="t")[1] == failed
    assert statistics(limited, "WriteProvisionedThroughputExceeded", StreamName="t", ShardId=SHARD)[1] == failed
    iterator = kinesis.get_shard_iterator(StreamName="t", ShardId=SHARD, ShardIteratorType="LATEST")["ShardIterator"]
    refused = 0
    for _ in range(20):
        try:
            kinesis.get_records(ShardIterator=iterator)
        except kinesis.exceptions.ProvisionedThroughputExceededException:
            refused += 1
    assert refused > 0
    assert statistics(limited, "ReadProvisionedThroughputExceeded", StreamName="t")[:2] == (20, refused)
    assert statistics(limited, "GetRecords.Success", StreamName="t")[:2] == (20, 20 - refused)
    assert statistics(limited, "ReadProvisionedThroughputExceeded", StreamName="t", ShardId=SHARD)[:2] == (20, refused)


def test_what_was_measured_survives_a_stop(tmp_path):
    """The minute is not over when the server stops; and what nobody sees is not measured."""
    server = leat_server.Server(data=tmp_path / "data").start()
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_record(StreamName="s", Data=b"abcd", PartitionKey="k")
    server.stop()
    server.start()
    assert statistics(server, "IncomingBytes", StreamName="s") == (1, 5, 5, 5, "Bytes")
    every = make_client(server, "cloudwatch").list_metrics(Namespace="AWS/Kinesis")["Metrics"]
    assert {d["Value"] for m in every for d in m["Dimensions"]} == {"s"}
    server.stop()
