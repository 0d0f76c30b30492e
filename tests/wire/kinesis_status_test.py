"""leat start --status-delay: CREATING, UPDATING and DELETING last, as on AWS."""

import subprocess
import time

import pytest
from botocore.config import Config

import leat_server
from conftest import make_client
from kinesis_fanout_test import HORIZON, SHARD
from kinesis_test import failure

ONCE = Config(retries={"total_max_attempts": 1})
SHORT_MS = 300
LONG_MS = 600000


@pytest.fixture(scope="module")
def short():
    server = leat_server.Server(args=["--status-delay", str(SHORT_MS)]).start()
    yield make_client(server, "kinesis", config=ONCE)
    server.stop()


@pytest.fixture
def held(tmp_path):
    """A state lasts as long as the server runs with this delay; the data directory knows ACTIVE streams."""
    server = leat_server.Server(data=tmp_path / "data").start()
    kinesis = make_client(server, "kinesis", config=ONCE)
    for name in ("a", "b", "c"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.register_stream_consumer(StreamARN=arn(kinesis, "a"), ConsumerName="old")
    kinesis.register_stream_consumer(StreamARN=arn(kinesis, "a"), ConsumerName="older")
    server.stop()
    # Older than the delay: what was created before does not become CREATING again.
    time.sleep(SHORT_MS / 1000)
    server.args = ["--status-delay", str(SHORT_MS)]
    server.start()
    yield server
    server.stop()


def arn(kinesis, name):
    return summary(kinesis, name)["StreamARN"]


def summary(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def status(kinesis, name):
    return summary(kinesis, name)["StreamStatus"]


def until(kinesis, name, wanted):
    deadline = time.monotonic() + 20
    while status(kinesis, name) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_use(name, state):
    return ("ResourceInUseException", f"Stream {name} under account 000000000000 not ACTIVE, instead in state {state}")


def not_found(name):
    return ("ResourceNotFoundException", f"Stream {name} under account 000000000000 not found.")


def test_waiters(short):
    short.create_stream(StreamName="w", ShardCount=2)
    assert status(short, "w") == "CREATING"
    quick = {"Delay": 1, "MaxAttempts": 10}
    short.get_waiter("stream_exists").wait(StreamName="w", WaiterConfig=quick)
    assert status(short, "w") == "ACTIVE"
    short.put_record(StreamName="w", Data=b"x", PartitionKey="k")
    short.delete_stream(StreamName="w")
    assert status(short, "w") == "DELETING"
    short.get_waiter("stream_not_exists").wait(StreamName="w", WaiterConfig=quick)
    assert failure(short.describe_stream, StreamName="w") == not_found("w")


def test_what_a_new_stream_refuses(short):
    short.create_stream(StreamName="n", ShardCount=1, Tags={"a": "b"})
    assert short.describe_stream(StreamName="n")["StreamDescription"]["StreamStatus"] == "CREATING"
    assert short.list_tags_for_stream(StreamName="n")["Tags"] == [{"Key": "a", "Value": "b"}]
    assert len(short.list_shards(StreamName="n")["Shards"]) == 1
    creating = in_use("n", "CREATING")
    assert failure(short.put_record, StreamName="n", Data=b"x", PartitionKey="k") == not_found("n")
    assert failure(short.put_records, StreamName="n", Records=[{"Data": b"x", "PartitionKey": "k"}]) == not_found("n")
    assert failure(short.get_shard_iterator, StreamName="n", ShardId=SHARD, ShardIteratorType="LATEST") == not_found("n")
    assert failure(short.delete_stream, StreamName="n") == creating
    assert failure(short.add_tags_to_stream, StreamName="n", Tags={"c": "d"}) == creating
    assert failure(short.increase_stream_retention_period, StreamName="n", RetentionPeriodHours=48) == creating
    assert failure(short.update_shard_count, StreamName="n", TargetShardCount=2, ScalingType="UNIFORM_SCALING") == creating
    assert failure(short.register_stream_consumer, StreamARN=arn(short, "n"), ConsumerName="c") == creating
    assert failure(short.create_stream, StreamName="n", ShardCount=1)[0] == "ResourceInUseException"
    until(short, "n", "ACTIVE")
    short.delete_stream(StreamName="n")


def test_five_streams_at_a_time(short):
    until_free = time.monotonic() + 20
    while any(s["StreamStatus"] == "CREATING" for s in short.list_streams()["StreamSummaries"]):
        assert time.monotonic() < until_free
        time.sleep(0.02)
    codes = []
    for number in range(6):
        try:
            short.create_stream(StreamName=f"five-{number}", ShardCount=1)
        except short.exceptions.LimitExceededException as error:
            codes.append((number, error.response["Error"]["Message"]))
    assert codes == [(5, "This request would exceed the limit of 5 streams in CREATING status for the account "
                         "000000000000 in us-east-1.")]


CHANGES = [
    ("increase_stream_retention_period", {"RetentionPeriodHours": 48}),
    ("start_stream_encryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    ("stop_stream_encryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    ("enable_enhanced_monitoring", {"ShardLevelMetrics": ["ALL"]}),
    ("split_shard", {"ShardToSplit": SHARD, "NewStartingHashKey": str(1 << 127)}),
    ("update_shard_count", {"TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"}),
    ("decrease_stream_retention_period", {"RetentionPeriodHours": 24}),
]


def test_each_change_is_updating_and_refuses_the_next(held):
    kinesis = make_client(held, "kinesis", config=ONCE)
    for operation, more in CHANGES:
        getattr(kinesis, operation)(StreamName="a", **more)
        assert status(kinesis, "a") == "UPDATING", operation
        for next_operation, other in CHANGES:
            assert failure(getattr(kinesis, next_operation), StreamName="a", **other) == in_use("a", "UPDATING"), operation
        # Reading and writing go on.
        kinesis.put_record(StreamName="a", Data=b"x", PartitionKey="k")
        kinesis.add_tags_to_stream(StreamName="a", Tags={operation: "1"})
        assert status(kinesis, "b") == "ACTIVE"
        until(kinesis, "a", "ACTIVE")
    stream = arn(kinesis, "b")
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    for operation, more in (("update_stream_mode", {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
                            ("update_stream_warm_throughput", {"WarmThroughputMiBps": 5}),
                            ("update_max_record_size", {"MaxRecordSizeInKiB": 2048})):
        getattr(kinesis, operation)(StreamARN=stream, **more)
        assert status(kinesis, "b") == "UPDATING", operation
        until(kinesis, "b", "ACTIVE")


def test_a_deleted_stream_is_listed_in_its_place(held):
    kinesis = make_client(held, "kinesis", config=ONCE)
    kinesis.delete_stream(StreamName="b")
    kinesis.delete_stream(StreamName="c")
    assert kinesis.list_streams()["StreamNames"] == ["a", "b", "c"]
    assert [s["StreamStatus"] for s in kinesis.list_streams()["StreamSummaries"]] == ["ACTIVE", "DELETING", "DELETING"]
    pages, start = [], {}
    for _ in range(3):
        page = kinesis.list_streams(Limit=1, **start)
        pages += page["StreamNames"]
        start = {"NextToken": page["NextToken"]} if page["HasMoreStreams"] else {}
    assert pages == ["a", "b", "c"] and not page["HasMoreStreams"]
    assert kinesis.list_streams(ExclusiveStartStreamName="b")["StreamNames"] == ["c"]
    deleting = in_use("b", "DELETING")
    assert failure(kinesis.create_stream, StreamName="b", ShardCount=1) == deleting
    assert failure(kinesis.delete_stream, StreamName="b") == deleting
    assert failure(kinesis.split_shard, StreamName="b", ShardToSplit=SHARD, NewStartingHashKey="5") == deleting
    assert failure(kinesis.put_record, StreamName="b", Data=b"x", PartitionKey="k") == not_found("b")
    deadline = time.monotonic() + 20
    while kinesis.list_streams()["StreamNames"] != ["a"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kinesis.create_stream(StreamName="b", ShardCount=1)


def consumers(kinesis, stream, **kwargs):
    answer = kinesis.list_stream_consumers(StreamARN=stream, **kwargs)
    return [(c["ConsumerName"], c["ConsumerStatus"]) for c in answer["Consumers"]], answer.get("NextToken")


def test_consumers(held):
    kinesis = make_client(held, "kinesis", config=ONCE)
    stream = arn(kinesis, "a")
    made = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="new")["Consumer"]
    named = {"StreamARN": stream, "ConsumerName": "new"}

    def described(**which):
        return kinesis.describe_stream_consumer(**which)["ConsumerDescription"]["ConsumerStatus"]

    assert described(**named) == described(ConsumerARN=made["ConsumerARN"]) == "CREATING"
    refused = failure(kinesis.subscribe_to_shard, ConsumerARN=made["ConsumerARN"], ShardId=SHARD, StartingPosition=HORIZON)
    assert refused == ("ResourceInUseException", "Consumer new of stream a under account 000000000000 not ACTIVE, instead in "
                                                 "state CREATING")
    deadline = time.monotonic() + 20
    while described(**named) != "ACTIVE":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kinesis.subscribe_to_shard(ConsumerARN=made["ConsumerARN"], ShardId=SHARD, StartingPosition=HORIZON)["EventStream"].close()
    kinesis.deregister_stream_consumer(**named)
    kinesis.deregister_stream_consumer(StreamARN=stream, ConsumerName="old")
    assert described(**named) == "DELETING"
    listed = [("new", "DELETING"), ("old", "DELETING"), ("older", "ACTIVE")]
    assert consumers(kinesis, stream) == (listed, None)
    first, token = consumers(kinesis, stream, MaxResults=1)
    rest, end = consumers(kinesis, stream, NextToken=token)
    assert first + rest == listed and end is None
    text = "Consumer new of stream a under account 000000000000 not ACTIVE, instead in state DELETING"
    assert failure(kinesis.register_stream_consumer, **named) == ("ResourceInUseException", text)
    assert failure(kinesis.deregister_stream_consumer, **named) == ("ResourceInUseException", text)
    deadline = time.monotonic() + 20
    while consumers(kinesis, stream)[0] != [("older", "ACTIVE")]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert failure(kinesis.describe_stream_consumer, **named)[0] == "ResourceNotFoundException"


def test_a_kill_ends_what_was_under_way(held):
    """What was answered is durable: the deletion is complete, the change is there, nothing hangs in between."""
    held.stop()
    held.args = ["--status-delay", str(LONG_MS)]
    held.start()
    kinesis = make_client(held, "kinesis", config=ONCE)
    # With the longer delay they are new again: the state follows from the time of creation.
    assert {s["StreamStatus"] for s in kinesis.list_streams()["StreamSummaries"]} == {"CREATING"}
    held.stop()
    held.args = ["--status-delay", "1"]
    held.start()
    kinesis = make_client(held, "kinesis", config=ONCE)
    kinesis.delete_stream(StreamName="b")
    until(kinesis, "c", "ACTIVE")
    kinesis.increase_stream_retention_period(StreamName="c", RetentionPeriodHours=50)
    held.kill()
    held.start()
    kinesis = make_client(held, "kinesis", config=ONCE)
    assert kinesis.list_streams()["StreamNames"] == ["a", "c"]
    assert summary(kinesis, "c")["StreamStatus"] == "ACTIVE" and summary(kinesis, "c")["RetentionPeriodHours"] == 50


@pytest.mark.parametrize("value, said", [("-1", "0 to 600000 milliseconds, not -1"), ("600001", "not 600001"), ("x", "x")])
def test_a_bad_delay(tmp_path, value, said):
    done = subprocess.run([leat_server.BINARY, "start", "--data", tmp_path / "d", "--port", "0", "--status-delay", value],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "d").exists()


def test_off_by_default(leat):
    kinesis = make_client(leat, "kinesis", config=ONCE)
    kinesis.create_stream(StreamName="now", ShardCount=1)
    assert status(kinesis, "now") == "ACTIVE"
    kinesis.increase_stream_retention_period(StreamName="now", RetentionPeriodHours=48)
    assert status(kinesis, "now") == "ACTIVE"
    kinesis.delete_stream(StreamName="now")
    assert failure(kinesis.describe_stream, StreamName="now") == not_found("now")
