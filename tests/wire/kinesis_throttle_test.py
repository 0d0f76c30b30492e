"""leat start --enforce-limits: the limits of a shard. Bursts of far more than a second's worth, so no clock is needed."""

import time
import uuid

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client
from kinesis_test import failure

EXCEEDED = "ProvisionedThroughputExceededException"


@pytest.fixture(scope="module")
def server():
    server = leat_server.Server(args=["--enforce-limits"]).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kinesis(server):
    return make_client(server, "kinesis", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def name(server):
    """More than five in a second of quick tests: the client tries again."""
    patient = make_client(server, "kinesis", config=Config(
        retries={"mode": "standard", "total_max_attempts": 8}))
    name = f"t-{uuid.uuid4().hex[:12]}"
    patient.create_stream(StreamName=name, ShardCount=2)
    yield name
    patient.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def put(kinesis, name, count, size=1, shard=0):
    key = str(shard << 127)
    return kinesis.put_records(StreamName=name, Records=[
        {"PartitionKey": "k", "ExplicitHashKey": key, "Data": b"%08d" % i + b"x" * (size - 8)} for i in range(count)])


def iterator(kinesis, name, shard=0):
    return kinesis.get_shard_iterator(StreamName=name, ShardId=f"shardId-{shard:012d}",
                                      ShardIteratorType="TRIM_HORIZON")["ShardIterator"]


def text(name, shard=0):
    return f"Rate exceeded for shard shardId-{shard:012d} in stream {name} under account 000000000000."


def check_answers(answers, name):
    """Each refused record says so; the others have numbers. Returns (stored, refused)."""
    stored = refused = 0
    for answer in answers:
        bad = [r for r in answer["Records"] if "ErrorCode" in r]
        assert answer["FailedRecordCount"] == len(bad)
        assert all((r["ErrorCode"], r["ErrorMessage"]) == (EXCEEDED, text(name)) for r in bad)
        assert all(("SequenceNumber" in r) != ("ErrorCode" in r) for r in answer["Records"])
        refused += len(bad)
        stored += len(answer["Records"]) - len(bad)
    return stored, refused


def test_records_of_a_second(kinesis, name):
    begin = time.monotonic()
    answers = [put(kinesis, name, 500) for _ in range(2)]
    assert check_answers(answers, name) == (1000, 0)  # At the limit.
    stored, refused = check_answers([put(kinesis, name, 500) for _ in range(10)], name)
    seconds = time.monotonic() - begin
    assert stored <= 1000 * seconds + 1 and stored + refused == 5000  # Past it: only what the time gives.
    assert put(kinesis, name, 500, shard=1)["FailedRecordCount"] == 0  # The other shard is free.


def test_bytes_of_a_second_and_what_is_stored(kinesis, name):
    begin = time.monotonic()
    answers = [put(kinesis, name, 500, size=20000)]
    stored, refused = check_answers(answers, name)
    seconds = time.monotonic() - begin
    assert 52 <= stored <= (1 + seconds) * (1 << 20) / 20001 + 1 and refused > 0
    rows = kinesis.get_records(ShardIterator=iterator(kinesis, name))["Records"]
    kept = [r["SequenceNumber"] for r in answers[0]["Records"] if "SequenceNumber" in r]
    assert [r["SequenceNumber"] for r in rows] == kept
    numbers = [int(r["Data"][:8]) for r in rows]
    assert numbers == [i for i, r in enumerate(answers[0]["Records"]) if "SequenceNumber" in r]


def test_one_record_is_an_exception(kinesis, name):
    """The debt of a 10 MiB record lasts nine seconds."""
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    one = {"StreamName": name, "PartitionKey": "k", "ExplicitHashKey": "0"}
    kinesis.put_record(Data=b"x" * ((10 << 20) - 1), **one)
    assert failure(kinesis.put_record, Data=b"1", **one) == (EXCEEDED, text(name))
    kinesis.get_records(ShardIterator=iterator(kinesis, name))  # Ten MiB: five seconds.
    assert failure(kinesis.get_records, ShardIterator=iterator(kinesis, name)) == (EXCEEDED, text(name))


@pytest.mark.parametrize("operation", ["iterator", "records"])
def test_five_calls_a_second(kinesis, name, operation):
    at = iterator(kinesis, name, 1)
    begin = time.monotonic()
    passed = refused = 0
    for _ in range(60):
        try:
            if operation == "records":
                kinesis.get_records(ShardIterator=at)
            else:
                iterator(kinesis, name)
            passed += 1
        except kinesis.exceptions.ProvisionedThroughputExceededException as error:
            assert error.response["Error"]["Message"] == text(name, 1 if operation == "records" else 0)
            refused += 1
    assert 5 <= passed <= 5 * (1 + time.monotonic() - begin) + 1 and refused > 0


def test_boto3_retries_get_through(server, kinesis, name):
    patient = make_client(server, "kinesis", config=Config(retries={"max_attempts": 10, "mode": "standard"}))
    at = iterator(kinesis, name)
    answers = [patient.get_records(ShardIterator=at) for _ in range(8)]
    assert sum(a["ResponseMetadata"]["RetryAttempts"] for a in answers) > 0


def test_off_by_default(leat):
    kinesis = make_client(leat, "kinesis")
    name = f"t-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    assert sum(put(kinesis, name, 500)["FailedRecordCount"] for _ in range(8)) == 0
    kinesis.delete_stream(StreamName=name)


RATES = [
    ("describe_limits", 1, {}, False),
    ("describe_stream", 10, {"StreamName": "NAME"}, False),
    ("describe_stream_summary", 20, {"StreamName": "NAME"}, False),
    ("list_stream_consumers", 5, {"StreamARN": "ARN"}, True),
    ("register_stream_consumer", 5, {"StreamARN": "ARN", "ConsumerName": "c"}, False),
    ("update_shard_count", 10,
     {"StreamName": "NAME", "TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"}, False),
]


@pytest.mark.parametrize("operation, rate, args, is_of_stream", RATES)
def test_calls_of_a_second(server, name, operation, rate, args, is_of_stream):
    """In another account, whose buckets nobody else uses; what one may do does not count for another."""
    account = f"{uuid.uuid4().int % 10**12:012d}"
    client = make_client(server, "kinesis", key=account, config=Config(retries={"total_max_attempts": 1}))
    client.create_stream(StreamName=name, ShardCount=1)
    arn = f"arn:aws:kinesis:us-east-1:{account}:stream/{name}"
    args = {key: {"NAME": name, "ARN": arn}.get(value, value) for key, value in args.items()}
    texts, started = [], time.monotonic()
    for _ in range(4 * rate + 8):
        try:
            getattr(client, operation)(**args)
        except ClientError as error:  # Others are of calls that were let through.
            text = error.response["Error"]["Message"]
            texts += [text] if text.startswith("Rate exceeded") else []
    passed = 4 * rate + 8 - len(texts)
    assert rate <= passed <= rate * (1 + time.monotonic() - started) + 1 and texts
    what = f"stream {name} under account {account}" if is_of_stream else f"account {account}"
    assert set(texts) == {f"Rate exceeded for {what}."}
    other = make_client(server, "kinesis", key=account, region="eu-west-1", config=Config(retries={"total_max_attempts": 1}))
    other.list_streams()


def test_one_subscription_a_second(server, name):
    client = make_client(server, "kinesis", key="222222222222", config=Config(retries={"total_max_attempts": 1}))
    client.create_stream(StreamName=name, ShardCount=1)
    arn = f"arn:aws:kinesis:us-east-1:222222222222:stream/{name}"
    consumer = client.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    subscribe = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"}}
    client.subscribe_to_shard(**subscribe)["EventStream"].close()
    assert failure(client.subscribe_to_shard, **subscribe) == (
        "LimitExceededException", f"Rate exceeded for consumer c of stream {name} under account 222222222222.")
