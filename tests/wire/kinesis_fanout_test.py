"""SubscribeToShard over HTTP/1.1 with PyPI's boto3: what is pushed, how it goes on, how it ends."""

import queue
import threading
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

import amz_cbor
import leat_server
from conftest import make_client
from fanout_wire import IN_TIME, SHARD, connect, frames, read_until
from kinesis_test import failure, raw_error

HORIZON = {"Type": "TRIM_HORIZON"}
LIFE_MS = 1500


@pytest.fixture(scope="module")
def brief():
    """A server whose subscriptions last a moment, with a heartbeat each 25 ms."""
    server = leat_server.Server()
    server.environment = {"LEAT_SUBSCRIPTION_MS": str(LIFE_MS)}
    server.start()
    yield server
    server.stop()


class Consumer:
    def __init__(self, server, shards=1):
        self.kinesis = make_client(server, "kinesis")
        self.stream = f"f-{uuid.uuid4().hex[:12]}"
        self.kinesis.create_stream(StreamName=self.stream, ShardCount=shards)
        summary = self.kinesis.describe_stream_summary(StreamName=self.stream)
        self.arn = summary["StreamDescriptionSummary"]["StreamARN"]
        self.consumer = self.register("reader")

    def register(self, name):
        made = self.kinesis.register_stream_consumer(StreamARN=self.arn, ConsumerName=name)
        return made["Consumer"]["ConsumerARN"]

    def put(self, *data):
        for part in range(0, len(data), 500):
            records = [{"PartitionKey": "k", "Data": d} for d in data[part:part + 500]]
            answer = self.kinesis.put_records(StreamName=self.stream, Records=records)
            assert answer["FailedRecordCount"] == 0
        return [r["SequenceNumber"] for r in answer["Records"]]

    def subscribe(self, position, shard=SHARD, consumer=None):
        return self.kinesis.subscribe_to_shard(
            ConsumerARN=consumer or self.consumer, ShardId=shard, StartingPosition=position,
        )["EventStream"]

    def refused(self, position, **kwargs):
        return failure(self.subscribe, position=position, **kwargs)


@pytest.fixture
def long(leat):
    return Consumer(leat)


@pytest.fixture
def short(brief):
    return Consumer(brief)


def events(stream):
    for event in stream:
        yield event["SubscribeToShardEvent"]


def take(stream, count):
    """Data of the next `count` records, and the event that held the last."""
    data = []
    for event in events(stream):
        data += [r["Data"] for r in event["Records"]]
        if len(data) >= count:
            return data, event
    raise AssertionError(f"the stream ended after {data}")


def test_records_are_there_and_come_as_they_are_put(long):
    before = long.put(b"a", b"b")
    stream = long.subscribe(HORIZON)
    data, event = take(stream, 2)
    assert data == [b"a", b"b"]
    assert [r["SequenceNumber"] for r in event["Records"]] == before
    assert event["Records"][0]["PartitionKey"] == "k"
    age = datetime.now(timezone.utc) - event["Records"][0]["ApproximateArrivalTimestamp"]
    assert timedelta(0) <= age + timedelta(seconds=1) < timedelta(seconds=60)
    assert event["MillisBehindLatest"] == 0
    for text in (b"c", b"d"):
        long.put(text)
        assert take(stream, 1)[0] == [text]
    stream.close()


@pytest.mark.parametrize("records", [[], [b"old"]])
def test_a_quiet_shard_goes_on_after_a_restart(records):
    """A reader that finds nothing more after a restart took back what the others had been told."""
    server = leat_server.Server()
    server.environment = {"LEAT_SUBSCRIPTION_MS": str(LIFE_MS)}
    server.start()
    consumer = Consumer(server)
    if records:
        consumer.put(*records)
    position = HORIZON
    for _ in range(2):
        server.kill()
        server.start()
        consumer.kinesis = make_client(server, "kinesis")
        for _ in range(2):
            *_, last = events(consumer.subscribe(position))
            position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last["ContinuationSequenceNumber"]}
        begin = consumer.kinesis.get_shard_iterator(StreamName=consumer.stream, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")
        got = consumer.kinesis.get_records(ShardIterator=begin["ShardIterator"])["Records"]
        assert [r["Data"] for r in got] == records
    stream = consumer.subscribe(position)
    consumer.put(b"new")
    assert take(stream, 1)[0] == [b"new"]
    stream.close()
    server.stop()


@pytest.mark.parametrize("kind", ["LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER",
                                  "AT_TIMESTAMP", "early"])
def test_where_to_start(long, kind):
    numbers = long.put(b"0", b"1", b"2")
    position = {"Type": kind}
    wanted = {"LATEST": [], "AT_SEQUENCE_NUMBER": [b"1", b"2"], "AFTER_SEQUENCE_NUMBER": [b"2"],
              "AT_TIMESTAMP": [], "early": [b"0", b"1", b"2"]}[kind]
    if "SEQUENCE" in kind:
        position["SequenceNumber"] = numbers[1]
    elif kind == "AT_TIMESTAMP":
        second = int(time.time()) + 1  # boto3 sends whole seconds.
        while time.time() < second:
            time.sleep(0.01)
        position["Timestamp"] = second
    elif kind == "early":
        position = {"Type": "AT_TIMESTAMP",
                    "Timestamp": datetime.now(timezone.utc) - timedelta(hours=1)}
    stream = long.subscribe(position)
    long.put(b"new")
    assert take(stream, len(wanted) + 1)[0] == wanted + [b"new"]
    stream.close()


def test_requests_that_are_wrong(leat, long):
    numbers = long.put(b"0")
    other = Consumer(leat, shards=2)
    assert long.refused({"Type": "AT_SEQUENCE_NUMBER"})[0] == "InvalidArgumentException"
    assert long.refused({"Type": "LATEST", "SequenceNumber": numbers[0]})[0] \
        == "InvalidArgumentException"
    assert long.refused({"Type": "AT_TIMESTAMP"})[0] == "InvalidArgumentException"
    future = datetime.now(timezone.utc) + timedelta(hours=1)
    assert long.refused({"Type": "AT_TIMESTAMP", "Timestamp": future})[0] \
        == "InvalidArgumentException"
    code, message = other.refused({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": numbers[0]},
                                  shard="shardId-000000000001")
    assert code == "InvalidArgumentException"
    assert "shardId-000000000001" in message
    assert long.refused({"Type": "SOMETIMES"})[0] == "ValidationException"
    code, message = long.refused(HORIZON, shard="shardId-000000000009")
    assert code == "ResourceNotFoundException"
    assert "shardId-000000000009" in message
    assert long.refused(HORIZON, consumer=long.consumer + "1")[0] == "ResourceNotFoundException"
    error = raw_error(leat, "SubscribeToShard", {})
    assert error["__type"] == "ValidationException"
    for member in ("consumerARN", "shardId", "startingPosition"):
        assert f"at '{member}' failed to satisfy constraint: Member must not be null" \
            in error["message"]


def test_an_idle_subscription_beats_and_ends(short):
    begun = time.monotonic()
    seen = list(events(short.subscribe({"Type": "LATEST"})))
    assert time.monotonic() - begun >= LIFE_MS / 1000
    # Not fewer than half, whatever the machine is busy with; and never a burst.
    assert 30 <= len(seen) <= 61
    assert all(e["Records"] == [] and e["MillisBehindLatest"] == 0 for e in seen)
    numbers = [int(e["ContinuationSequenceNumber"]) for e in seen]
    assert numbers == sorted(numbers)
    assert numbers[-1] > numbers[0]


@pytest.mark.parametrize("kind", ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"])
def test_who_goes_on_from_where_it_ended_misses_and_repeats_nothing(short, kind):
    position = HORIZON
    wanted, got = [], []
    for turn in range(3):
        wanted.append(b"%d-old" % turn)
        short.put(wanted[-1])
        stream = short.subscribe(position)
        wanted.append(b"%d-new" % turn)
        short.put(wanted[-1])
        for event in events(stream):
            got += [r["Data"] for r in event["Records"]]
            position = {"Type": kind, "SequenceNumber": event["ContinuationSequenceNumber"]}
    assert got == wanted
    # It is a position for GetShardIterator too.
    short.put(b"last")
    it = short.kinesis.get_shard_iterator(
        StreamName=short.stream, ShardId=SHARD, ShardIteratorType=kind,
        StartingSequenceNumber=position["SequenceNumber"])["ShardIterator"]
    records = short.kinesis.get_records(ShardIterator=it)["Records"]
    assert [r["Data"] for r in records] == [b"last"]


def test_a_second_subscription_is_refused_at_first(long):
    stream = long.subscribe(HORIZON)
    code, message = long.refused(HORIZON)
    assert code == "ResourceInUseException"
    assert "Another active subscription exists for this consumer" in message
    # Another consumer has one of its own.
    other = long.register("other")
    more = long.subscribe(HORIZON, consumer=other)
    long.put(b"x")
    assert take(stream, 1)[0] == take(more, 1)[0] == [b"x"]
    stream.close()
    more.close()


def ending(stream):
    """What a stream ends with: an error's code, or None."""
    try:
        for _ in stream:
            pass
    except ClientError as e:
        return e.response["Error"]["Code"]
    return None


def test_a_later_subscription_takes_over(short):
    first = short.subscribe(HORIZON)
    beats = events(first)
    for _ in range(3):
        next(beats)
    second = short.subscribe(HORIZON)
    assert ending(first) == "ResourceInUseException"
    short.put(b"x")
    assert take(second, 1)[0] == [b"x"]
    second.close()


def test_a_client_that_left_makes_room(long):
    long.put(b"x")
    stream = long.subscribe(HORIZON)
    take(stream, 1)
    stream.close()
    deadline = time.monotonic() + IN_TIME
    while True:
        try:
            again = long.subscribe(HORIZON)
            break
        except ClientError as e:
            assert e.response["Error"]["Code"] == "ResourceInUseException"
            assert time.monotonic() < deadline
            long.put(b"x")  # The server sees that nobody takes it.
    take(again, 1)
    again.close()


def test_deregistration_ends_it(long):
    stream = long.subscribe(HORIZON)
    other = long.register("other")
    kept = long.subscribe(HORIZON, consumer=other)
    long.kinesis.deregister_stream_consumer(ConsumerARN=long.consumer)
    assert ending(stream) == "ResourceNotFoundException"
    long.put(b"x")
    assert take(kept, 1)[0] == [b"x"]
    long.kinesis.delete_stream(StreamARN=long.arn, EnforceConsumerDeletion=True)
    assert ending(kept) == "ResourceNotFoundException"


def test_a_stop_of_the_server_ends_it_cleanly():
    server = leat_server.Server().start()
    consumer = Consumer(server)
    consumer.put(b"x")
    streams = [consumer.subscribe(HORIZON)]
    streams += [consumer.subscribe(HORIZON, consumer=consumer.register(f"c{i}")) for i in range(5)]
    for stream in streams:
        take(stream, 1)
    begun = time.monotonic()
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    assert [ending(stream) for stream in streams] == [None] * 6
    stopping.join()
    assert time.monotonic() - begun < 10  # The grace for requests that do not end.


def test_a_long_backlog_comes_in_bounded_events(long):
    wanted = [b"%06d" % i + bytes(1018) for i in range(6000)]
    long.put(*wanted)
    stream = long.subscribe(HORIZON)
    got = []
    sizes = []
    for event in events(stream):
        got += [r["Data"] for r in event["Records"]]
        sizes.append(sum(len(r["Data"]) for r in event["Records"]))
        if len(got) >= len(wanted):
            break
    assert got == wanted
    assert max(sizes) <= 512 << 10
    assert event["MillisBehindLatest"] == 0
    stream.close()


def test_the_largest_record(leat, long):
    name = f"big-{uuid.uuid4().hex[:8]}"
    long.kinesis.create_stream(StreamName=name, ShardCount=1, MaxRecordSizeInKiB=10240)
    summary = long.kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    made = long.kinesis.register_stream_consumer(StreamARN=summary["StreamARN"], ConsumerName="c")
    data = bytes(range(256)) * ((10 << 20) // 256 - 1)
    long.kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
    stream = long.subscribe(HORIZON, consumer=made["Consumer"]["ConsumerARN"])
    assert take(stream, 1)[0] == [data]
    stream.close()


def test_many_readers_see_the_same_order(long):
    readers = [long.subscribe(HORIZON, consumer=long.register(f"c{i}")) for i in range(8)]
    results = queue.Queue()

    def read(stream):
        results.put(take(stream, 400)[0])

    threads = [threading.Thread(target=read, args=(r,)) for r in readers]
    for thread in threads:
        thread.start()
    wanted = [b"%d" % i for i in range(400)]
    for part in range(0, 400, 10):
        long.put(*wanted[part:part + 10])
    for thread in threads:
        thread.join(IN_TIME)
    assert [results.get(timeout=1) for _ in readers] == [wanted] * 8


def split(consumer):
    consumer.kinesis.split_shard(StreamName=consumer.stream, ShardToSplit=SHARD,
                                 NewStartingHashKey=str(2**127))


def ends_with_children(stream):
    """All data, and the shards that the last event names with their parents."""
    seen = list(events(stream))
    data = [r["Data"] for e in seen for r in e["Records"]]
    assert all(e["ContinuationSequenceNumber"] and not e.get("ChildShards") for e in seen[:-1])
    assert not seen[-1].get("ContinuationSequenceNumber")
    assert seen[-1]["MillisBehindLatest"] == 0
    return data, [(c["ShardId"][-1], [p[-1] for p in c["ParentShards"]], c["HashKeyRange"])
                  for c in seen[-1]["ChildShards"]]


def test_the_end_of_a_shard_that_was_split(long):
    long.put(b"a")
    idle = long.subscribe({"Type": "LATEST"})
    busy = long.subscribe(HORIZON, consumer=long.register("busy"))
    split(long)
    middle = str(2**127)
    children = [
        ("1", ["0"], {"StartingHashKey": "0", "EndingHashKey": str(2**127 - 1)}),
        ("2", ["0"], {"StartingHashKey": middle, "EndingHashKey": str(2**128 - 1)}),
    ]
    assert ends_with_children(idle) == ([], children)
    assert ends_with_children(busy) == ([b"a"], children)
    late = long.register("late")
    assert ends_with_children(long.subscribe(HORIZON, consumer=late)) == ([b"a"], children)
    latest = long.subscribe({"Type": "LATEST"}, consumer=late)
    assert ends_with_children(latest) == ([], children)


def test_the_end_of_shards_that_were_merged(leat):
    consumer = Consumer(leat, shards=2)
    streams = [consumer.subscribe(HORIZON, shard=f"shardId-{i:012}") for i in range(2)]
    consumer.kinesis.merge_shards(StreamName=consumer.stream, ShardToMerge=SHARD,
                                  AdjacentShardToMerge="shardId-000000000001")
    whole = {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
    for stream in streams:
        assert ends_with_children(stream) == ([], [("2", ["0", "1"], whole)])


def test_events_in_cbor(leat, long):
    numbers = long.put(b"\x00\xff", b"")
    s = connect(leat, long.consumer, form="cbor")
    answer = frames(s, read_until(s, b"\r\n\r\n"))
    headers, payload = next(answer)
    assert headers == {":message-type": "event", ":event-type": "initial-response",
                       ":content-type": "application/x-amz-cbor-1.1"}
    assert amz_cbor.decode(payload) == {}
    headers, payload = next(answer)
    assert headers == {":message-type": "event", ":event-type": "SubscribeToShardEvent",
                       ":content-type": "application/x-amz-cbor-1.1"}
    event = amz_cbor.decode(payload)
    assert event["MillisBehindLatest"] == 0
    assert [r["Data"] for r in event["Records"]] == [b"\x00\xff", b""]
    assert [r["SequenceNumber"] for r in event["Records"]] == numbers
    arrival = event["Records"][0]["ApproximateArrivalTimestamp"]
    assert isinstance(arrival, amz_cbor.Time)
    assert abs(arrival / 1000 - time.time()) < 60
    split(long)
    headers, payload = next(answer)
    event = amz_cbor.decode(payload)
    assert event["ContinuationSequenceNumber"] is None
    assert len(event["ChildShards"]) == 2
    assert list(answer) == []
    s.close()
    s = connect(leat, long.register("other"), form="cbor", shard="shardId-000000000001")
    answer = frames(s, read_until(s, b"initial-response"))
    next(answer)
    long.kinesis.delete_stream(StreamARN=long.arn, EnforceConsumerDeletion=True)
    headers, payload = next(answer)
    assert headers[":message-type"] == "exception"
    assert headers[":exception-type"] == "ResourceNotFoundException"
    assert "deleted" in amz_cbor.decode(payload)["message"]
