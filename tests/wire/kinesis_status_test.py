"""leat start --status-delay: CREATING, UPDATING and DELETING last, as on AWS."""

import subprocess
import time

import pytest
from botocore.config import Config

import leat_server
import model_check
from conftest import make_client
from kinesis_fanout_test import HORIZON, SHARD
from kinesis_test import failure

ONCE = Config(retries={"total_max_attempts": 1})
SHORT_MS = 1000
LONG_MS = 600000  # As long as the server runs: nothing here depends on how fast it is.


def client(server):
    kinesis = make_client(server, "kinesis", config=ONCE)
    model_check.watch(kinesis)
    return kinesis


@pytest.fixture(scope="module")
def short():
    """States that a test sees end."""
    server = leat_server.Server(args=["--status-delay", str(SHORT_MS)]).start()
    yield client(server)
    server.stop()


@pytest.fixture
def held(tmp_path):
    """States that last as long as the server runs; the data directory knows ACTIVE streams."""
    server = leat_server.Server(data=tmp_path / "data").start()
    kinesis = client(server)
    for name in ("a", "b", "c"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    for name in ("old", "older"):
        kinesis.register_stream_consumer(StreamARN=arn(kinesis, "a"), ConsumerName=name)
    server.stop()
    server.args = ["--status-delay", str(LONG_MS)]
    server.start()
    yield server
    server.stop()


def arn(kinesis, name):
    return summary(kinesis, name)["StreamARN"]


def summary(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def status(kinesis, name):
    return summary(kinesis, name)["StreamStatus"]


def wait_until(is_done):
    deadline = time.monotonic() + 20
    while not is_done():
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


def test_what_a_new_stream_refuses(held):
    kinesis = client(held)
    kinesis.create_stream(StreamName="n", ShardCount=1, Tags={"a": "b"})
    shown = kinesis.describe_stream(StreamName="n")["StreamDescription"]
    assert shown["StreamStatus"] == "CREATING" and shown["Shards"] == [] and not shown["HasMoreShards"]
    assert summary(kinesis, "n")["OpenShardCount"] == 0
    assert kinesis.list_tags_for_stream(StreamName="n")["Tags"] == [{"Key": "a", "Value": "b"}]
    creating, stream = in_use("n", "CREATING"), arn(kinesis, "n")
    for call, more in ((kinesis.put_record, {"Data": b"x", "PartitionKey": "k"}),
                       (kinesis.put_records, {"Records": [{"Data": b"x", "PartitionKey": "k"}]}),
                       (kinesis.get_shard_iterator, {"ShardId": SHARD, "ShardIteratorType": "LATEST"})):
        assert failure(call, StreamName="n", **more) == not_found("n")
    for call, more in ((kinesis.delete_stream, {}), (kinesis.list_shards, {}), (kinesis.add_tags_to_stream, {"Tags": {"c": "d"}}),
                       (kinesis.remove_tags_from_stream, {"TagKeys": ["a"]}), *((getattr(kinesis, o), m) for o, m in CHANGES)):
        assert failure(call, StreamName="n", **more) == creating
    assert failure(kinesis.register_stream_consumer, StreamARN=stream, ConsumerName="c") == creating
    assert failure(kinesis.put_resource_policy, ResourceARN=stream, Policy="{}") == creating
    assert failure(kinesis.create_stream, StreamName="n", ShardCount=1)[0] == "ResourceInUseException"


def test_five_streams_at_a_time(held):
    kinesis = client(held)
    for number in range(5):
        kinesis.create_stream(StreamName=f"five-{number}", ShardCount=1)
    assert failure(kinesis.create_stream, StreamName="six", ShardCount=1) == (
        "LimitExceededException", "This request would exceed the limit of 5 streams in CREATING status for the account "
        "000000000000 in us-east-1.")


CHANGES = [
    ("increase_stream_retention_period", {"RetentionPeriodHours": 48}),
    ("start_stream_encryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    ("stop_stream_encryption", {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
    ("enable_enhanced_monitoring", {"ShardLevelMetrics": ["ALL"]}),
    ("split_shard", {"ShardToSplit": SHARD, "NewStartingHashKey": str(1 << 126)}),
    ("update_shard_count", {"TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"}),
    ("decrease_stream_retention_period", {"RetentionPeriodHours": 24}),
]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A stream for each change."""
    server = leat_server.Server(data=tmp_path_factory.mktemp("many") / "data").start()
    kinesis = client(server)
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    for operation, _ in CHANGES:
        kinesis.create_stream(StreamName=operation, ShardCount=2)
        kinesis.increase_stream_retention_period(StreamName=operation, RetentionPeriodHours=40)
    for name in ("mode", "warm", "size"):
        kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    server.stop()
    server.args = ["--status-delay", str(LONG_MS)]
    server.start()
    yield client(server)
    server.stop()


@pytest.mark.parametrize("operation, more", CHANGES)
def test_a_change_is_updating_and_refuses_the_next(many, operation, more):
    assert status(many, operation) == "ACTIVE"
    getattr(many, operation)(StreamName=operation, **more)
    assert status(many, operation) == "UPDATING"
    for next_operation, other in CHANGES:
        assert failure(getattr(many, next_operation), StreamName=operation, **other) == in_use(operation, "UPDATING")
    # Reading and writing go on.
    many.put_record(StreamName=operation, Data=b"x", PartitionKey="k")
    many.add_tags_to_stream(StreamName=operation, Tags={"a": "1"})
    assert many.list_shards(StreamName=operation)["Shards"]


@pytest.mark.parametrize("name, operation, more", [
    ("mode", "update_stream_mode", {"StreamModeDetails": {"StreamMode": "PROVISIONED"}}),
    ("warm", "update_stream_warm_throughput", {"WarmThroughputMiBps": 5}),
    ("size", "update_max_record_size", {"MaxRecordSizeInKiB": 2048})])
def test_a_change_by_arn_is_updating_too(many, name, operation, more):
    change = getattr(many, operation)
    change(StreamARN=arn(many, name), **more)
    assert status(many, name) == "UPDATING"
    assert failure(change, StreamARN=arn(many, name), **more) == in_use(name, "UPDATING")


def test_updating_ends(short):
    short.create_stream(StreamName="u", ShardCount=1)
    wait_until(lambda: status(short, "u") == "ACTIVE")
    short.increase_stream_retention_period(StreamName="u", RetentionPeriodHours=48)
    assert status(short, "u") == "UPDATING"
    wait_until(lambda: status(short, "u") == "ACTIVE")
    short.delete_stream(StreamName="u")
    wait_until(lambda: "u" not in short.list_streams()["StreamNames"])
    short.create_stream(StreamName="u", ShardCount=1)  # The name is free again.


def test_a_deleted_stream_is_listed_in_its_place(held):
    kinesis = client(held)
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
    stream = "arn:aws:kinesis:us-east-1:000000000000:stream/b"
    gone = {"StreamARN": stream, "ConsumerName": "x"}
    assert failure(kinesis.deregister_stream_consumer, **gone)[0] == "ResourceNotFoundException"
    assert failure(kinesis.list_shards, StreamName="b") == deleting


def consumers(kinesis, stream, **kwargs):
    answer = kinesis.list_stream_consumers(StreamARN=stream, **kwargs)
    return [(c["ConsumerName"], c["ConsumerStatus"]) for c in answer["Consumers"]], answer.get("NextToken")


def test_consumers(held):
    kinesis = client(held)
    stream = arn(kinesis, "a")
    made = kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="new")["Consumer"]
    named = {"StreamARN": stream, "ConsumerName": "new"}

    def described(**which):
        return kinesis.describe_stream_consumer(**which)["ConsumerDescription"]["ConsumerStatus"]

    assert described(**named) == described(ConsumerARN=made["ConsumerARN"]) == "CREATING"
    refused = failure(kinesis.subscribe_to_shard, ConsumerARN=made["ConsumerARN"], ShardId=SHARD, StartingPosition=HORIZON)
    seconds = made["ConsumerARN"].rpartition(":")[2]
    assert refused == ("ResourceInUseException", f"Consumer new with creation timestamp {seconds} under stream: a , account "
                                                 "000000000000 is not in ACTIVE status.")
    text = f"Consumer new with creation timestamp {seconds} under stream a and account 000000000000 is not in ACTIVE status."
    for change, what in ((kinesis.put_resource_policy, {"Policy": "{}"}), (kinesis.tag_resource, {"Tags": {"a": "b"}}),
                         (kinesis.untag_resource, {"TagKeys": ["a"]}), (kinesis.delete_resource_policy, {})):
        assert failure(change, ResourceARN=made["ConsumerARN"], **what) == ("ResourceInUseException", text)
    assert kinesis.get_resource_policy(ResourceARN=made["ConsumerARN"])["Policy"] == "{}"
    held.stop()  # A restart ends the state.
    held.start()
    kinesis = client(held)
    assert described(**named) == "ACTIVE"
    events = make_client(held, "kinesis", config=ONCE)  # The check of the model knows no streams of events.
    events.subscribe_to_shard(ConsumerARN=made["ConsumerARN"], ShardId=SHARD, StartingPosition=HORIZON)["EventStream"].close()
    kinesis.deregister_stream_consumer(**named)
    kinesis.deregister_stream_consumer(StreamARN=stream, ConsumerName="old")
    assert described(**named) == "DELETING"
    listed = [("new", "DELETING"), ("old", "DELETING"), ("older", "ACTIVE")]
    assert consumers(kinesis, stream) == (listed, None)
    first, token = consumers(kinesis, stream, MaxResults=1)
    rest, end = consumers(kinesis, stream, NextToken=token)
    assert first + rest == listed and end is None
    assert failure(kinesis.register_stream_consumer, **named) == ("ResourceInUseException", text)
    assert failure(kinesis.deregister_stream_consumer, **named) == (
        "ResourceNotFoundException", "Consumer new of stream a under account 000000000000 not found.")
    held.stop()
    held.start()
    kinesis = client(held)
    assert consumers(kinesis, stream) == ([("older", "ACTIVE")], None)
    assert failure(kinesis.describe_stream_consumer, **named)[0] == "ResourceNotFoundException"


def test_consumers_go_with_their_stream(held):
    kinesis = client(held)
    stream = arn(kinesis, "a")
    kinesis.register_stream_consumer(StreamARN=stream, ConsumerName="new")
    kinesis.delete_stream(StreamName="a", EnforceConsumerDeletion=True)
    assert status(kinesis, "a") == "DELETING"
    assert consumers(kinesis, stream) == ([(name, "DELETING") for name in ("new", "old", "older")], None)
    described = kinesis.describe_stream_consumer(StreamARN=stream, ConsumerName="old")["ConsumerDescription"]
    assert described["ConsumerStatus"] == "DELETING"


def test_five_consumers_at_a_time(held):
    kinesis = client(held)
    stream = arn(kinesis, "b")
    for number in range(5):
        kinesis.register_stream_consumer(StreamARN=stream, ConsumerName=f"c{number}")
    code, text = failure(kinesis.register_stream_consumer, StreamARN=stream, ConsumerName="c5")
    assert code == "LimitExceededException" and "CREATING" in text
    kinesis.register_stream_consumer(StreamARN=arn(kinesis, "c"), ConsumerName="c5")


def test_consumers_end_their_states(short):
    short.create_stream(StreamName="e", ShardCount=1)
    wait_until(lambda: status(short, "e") == "ACTIVE")
    named = {"StreamARN": arn(short, "e"), "ConsumerName": "c"}
    short.register_stream_consumer(**named)
    wait_until(lambda: consumers(short, named["StreamARN"])[0] == [("c", "ACTIVE")])
    short.deregister_stream_consumer(**named)
    wait_until(lambda: consumers(short, named["StreamARN"])[0] == [])
    short.register_stream_consumer(**named)


def test_a_kill_ends_what_was_under_way(held):
    """What was answered is durable: the deletion is complete, the change is there, nothing hangs in between."""
    kinesis = client(held)
    kinesis.create_stream(StreamName="d", ShardCount=1)
    kinesis.delete_stream(StreamName="b")
    kinesis.increase_stream_retention_period(StreamName="c", RetentionPeriodHours=50)
    assert [s["StreamStatus"] for s in kinesis.list_streams()["StreamSummaries"]] == ["ACTIVE", "DELETING", "UPDATING", "CREATING"]
    held.kill()
    held.start()
    kinesis = client(held)
    assert kinesis.list_streams()["StreamNames"] == ["a", "c", "d"]
    assert {s["StreamStatus"] for s in kinesis.list_streams()["StreamSummaries"]} == {"ACTIVE"}
    assert summary(kinesis, "c")["RetentionPeriodHours"] == 50
    kinesis.put_record(StreamName="d", Data=b"x", PartitionKey="k")


@pytest.mark.parametrize("value, said", [("-1", "0 to 600000 milliseconds, not -1"), ("600001", "not 600001"), ("x", "x")])
def test_a_bad_delay(tmp_path, value, said):
    done = subprocess.run([leat_server.BINARY, "start", "--data", tmp_path / "d", "--port", "0", "--status-delay", value],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "d").exists()


def test_off_by_default(leat):
    kinesis = client(leat)
    kinesis.create_stream(StreamName="now", ShardCount=1)
    assert status(kinesis, "now") == "ACTIVE"
    kinesis.increase_stream_retention_period(StreamName="now", RetentionPeriodHours=48)
    assert status(kinesis, "now") == "ACTIVE"
    kinesis.delete_stream(StreamName="now")
    assert failure(kinesis.describe_stream, StreamName="now") == not_found("now")
