"""SplitShard, MergeShards and UpdateShardCount, and what consumers see of them."""

import hashlib
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

import model_check
from cli_test import read_json, run
from conftest import make_client

MAX_HASH = 2**128 - 1
MIDDLE = str(2**127)
END_INDEX = "7" + "f" * 15


@pytest.fixture(scope="module")
def kinesis(leat):
    client = make_client(leat, "kinesis")
    model_check.watch(client)
    return client


@pytest.fixture
def stream(kinesis):
    name = f"r-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    kinesis.delete_stream(StreamName=name)


def failure(call, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(**kwargs)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def shard_id(index):
    return f"shardId-{index:012d}"


def indexes(shards):
    return [int(shard["ShardId"][8:]) for shard in shards]


def listed(kinesis, stream, **shard_filter):
    kwargs = {"ShardFilter": shard_filter} if shard_filter else {}
    return indexes(kinesis.list_shards(StreamName=stream, **kwargs)["Shards"])


def split(kinesis, stream, index, hash_key):
    kinesis.split_shard(StreamName=stream, ShardToSplit=shard_id(index), NewStartingHashKey=str(hash_key))


def merge(kinesis, stream, lower, upper):
    kinesis.merge_shards(StreamName=stream, ShardToMerge=shard_id(lower), AdjacentShardToMerge=shard_id(upper))


def iterator(kinesis, stream, index, kind="TRIM_HORIZON", **kwargs):
    return kinesis.get_shard_iterator(StreamName=stream, ShardId=shard_id(index), ShardIteratorType=kind,
                                      **kwargs)["ShardIterator"]


def check_end(answer):
    """The rule of the KCL: both or neither, and every child whole."""
    children = answer.get("ChildShards", [])
    assert (answer.get("NextShardIterator") is None) == (len(children) > 0)
    for child in children:
        assert child["ParentShards"] and child["HashKeyRange"]["StartingHashKey"].isdigit()
    return children


def read_shard(kinesis, stream, index, kind="TRIM_HORIZON", limit=10000, **kwargs):
    """Until the end of the shard, or until nothing is behind. Returns records and children."""
    at = iterator(kinesis, stream, index, kind, **kwargs)
    records = []
    while True:
        answer = kinesis.get_records(ShardIterator=at, Limit=limit)
        records += answer["Records"]
        children = check_end(answer)
        if children:
            return records, children
        assert answer["NextShardIterator"] != at
        at = answer["NextShardIterator"]
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return records, []


def check_tiles(shards):
    """The open shards cover every hash key once."""
    expected = 0
    for shard in sorted(shards, key=lambda s: int(s["HashKeyRange"]["StartingHashKey"])):
        assert int(shard["HashKeyRange"]["StartingHashKey"]) == expected
        expected = int(shard["HashKeyRange"]["EndingHashKey"]) + 1
    assert expected == MAX_HASH + 1


def sequence_parts(number):
    """Create time, shard, index, as docs/services/kinesis.md gives the form."""
    digits = f"{int(number):047x}"
    assert len(digits) == 47 and digits[0] == "2" and digits[-1] == "2"
    return int(digits[1:10], 16), int(digits[38:46], 16), digits[11:27]


def test_a_split_has_two_children(kinesis, stream):
    put = kinesis.put_record(StreamName=stream, Data=b"before", PartitionKey="k")
    split(kinesis, stream, 0, MIDDLE)
    parent, low, high = kinesis.list_shards(StreamName=stream)["Shards"]
    assert low["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**127 - 1)}
    assert high["HashKeyRange"] == {"StartingHashKey": MIDDLE, "EndingHashKey": str(MAX_HASH)}
    for child in (low, high):
        assert child["ParentShardId"] == parent["ShardId"] and "AdjacentParentShardId" not in child
        assert "EndingSequenceNumber" not in child["SequenceNumberRange"]
    end = parent["SequenceNumberRange"]["EndingSequenceNumber"]
    created, shard, index = sequence_parts(end)
    assert shard == 0 and index == END_INDEX
    start = low["SequenceNumberRange"]["StartingSequenceNumber"]
    ended_s = int(f"{int(end):047x}"[29:38], 16)
    assert sequence_parts(start)[0] == ended_s + 1
    assert int(put["SequenceNumber"]) < int(end) < int(start)

    after = kinesis.put_record(StreamName=stream, Data=b"after", PartitionKey="k")
    child = low if int(hashlib.md5(b"k").hexdigest(), 16) < 2**127 else high
    assert after["ShardId"] == child["ShardId"]
    assert int(after["SequenceNumber"]) > int(child["SequenceNumberRange"]["StartingSequenceNumber"])
    records, children = read_shard(kinesis, stream, 0)
    assert [r["Data"] for r in records] == [b"before"]
    assert [c["ShardId"] for c in children] == [low["ShardId"], high["ShardId"]]
    assert all(c["ParentShards"] == [parent["ShardId"]] for c in children)
    assert [c["HashKeyRange"] for c in children] == [low["HashKeyRange"], high["HashKeyRange"]]
    records, children = read_shard(kinesis, stream, int(child["ShardId"][8:]))
    assert [r["Data"] for r in records] == [b"after"] and children == []
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2 and summary["StreamStatus"] == "ACTIVE"


def test_a_merge_has_two_parents(kinesis, stream):
    split(kinesis, stream, 0, MIDDLE)
    merge(kinesis, stream, 1, 2)
    shards = kinesis.describe_stream(StreamName=stream)["StreamDescription"]["Shards"]
    assert shards[3]["ParentShardId"] == shard_id(1) and shards[3]["AdjacentParentShardId"] == shard_id(2)
    for parent in (1, 2):
        _, children = read_shard(kinesis, stream, parent)
        assert [c["ShardId"] for c in children] == [shard_id(3)]
        assert children[0]["ParentShards"] == [shard_id(1), shard_id(2)]


def test_lists_go_through_splits_and_merges(kinesis, stream):
    created = kinesis.describe_stream(StreamName=stream)["StreamDescription"]["StreamCreationTimestamp"]
    split(kinesis, stream, 0, MIDDLE)
    merge(kinesis, stream, 1, 2)
    assert listed(kinesis, stream) == [0, 1, 2, 3]
    assert listed(kinesis, stream, Type="FROM_TRIM_HORIZON") == [0, 1, 2, 3]
    assert listed(kinesis, stream, Type="AT_TRIM_HORIZON") == [0]
    assert listed(kinesis, stream, Type="AT_LATEST") == [3]
    assert listed(kinesis, stream, Type="AT_TIMESTAMP", Timestamp=created) == [0]
    assert listed(kinesis, stream, Type="FROM_TIMESTAMP", Timestamp=created) == [0, 1, 2, 3]
    assert listed(kinesis, stream, Type="AFTER_SHARD_ID", ShardId=shard_id(1)) == [2, 3]
    assert listed(kinesis, stream, Type="AFTER_SHARD_ID", ShardId=shard_id(3)) == []
    now = datetime.now(timezone.utc)
    shards = {s["ShardId"]: s for s in kinesis.list_shards(StreamName=stream)["Shards"]}
    # At any moment the shards that are listed leave no hole: the KCL looks for holes.
    deadline = time.monotonic() + 20
    seen = set()
    while seen != {3}:
        assert time.monotonic() < deadline
        at = listed(kinesis, stream, Type="AT_TIMESTAMP", Timestamp=now)
        check_tiles([shards[shard_id(i)] for i in at])
        seen = set(at)
        now += timedelta(milliseconds=100)
        while datetime.now(timezone.utc) < now:
            time.sleep(0.01)
    assert listed(kinesis, stream, Type="FROM_TIMESTAMP", Timestamp=now) == [3]
    pages = []
    answer = kinesis.list_shards(StreamName=stream, MaxResults=3)
    pages += answer["Shards"]
    split(kinesis, stream, 3, 77)
    answer = kinesis.list_shards(NextToken=answer["NextToken"], MaxResults=3)
    assert indexes(pages + answer["Shards"]) == [0, 1, 2, 3, 4, 5] and "NextToken" not in answer


def test_iterators_of_a_closed_shard(kinesis, stream):
    first = kinesis.put_record(StreamName=stream, Data=b"1", PartitionKey="k")
    kinesis.put_record(StreamName=stream, Data=b"2", PartitionKey="k")
    old = iterator(kinesis, stream, 0)
    latest = iterator(kinesis, stream, 0, "LATEST")
    split(kinesis, stream, 0, MIDDLE)
    end = kinesis.list_shards(StreamName=stream)["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"]
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        code, message = failure(kinesis.get_shard_iterator, StreamName=stream, ShardId=shard_id(0),
                                ShardIteratorType=kind, StartingSequenceNumber=end)
        assert code == "InvalidArgumentException"
        assert message == (f"Invalid SequenceNumber for ShardIteratorType {kind}, SequenceNumber has reached max "
                           "possible value for the shard.")
    answer = kinesis.get_records(ShardIterator=old, Limit=1)
    assert [r["Data"] for r in answer["Records"]] == [b"1"] and not check_end(answer)
    assert answer["MillisBehindLatest"] >= 0
    again = kinesis.get_records(ShardIterator=old, Limit=1)
    assert again["Records"] == answer["Records"]
    assert again["NextShardIterator"] != answer["NextShardIterator"]
    answer = kinesis.get_records(ShardIterator='"' + answer["NextShardIterator"] + '"', Limit=1)
    assert [r["Data"] for r in answer["Records"]] == [b"2"]
    for at in (latest, iterator(kinesis, stream, 0, "LATEST")):
        answer = kinesis.get_records(ShardIterator=at)
        assert answer["Records"] == [] and len(check_end(answer)) == 2
        assert answer["MillisBehindLatest"] == 0
    records, children = read_shard(kinesis, stream, 0, "AFTER_SEQUENCE_NUMBER", limit=1,
                                   StartingSequenceNumber=first["SequenceNumber"])
    assert [r["Data"] for r in records] == [b"2"] and len(children) == 2
    soon = datetime.now(timezone.utc) + timedelta(seconds=1)  # SDKs send whole seconds; a little skew is allowed.
    records, _ = read_shard(kinesis, stream, 0, "AT_TIMESTAMP", Timestamp=soon)
    assert records == []
    code, _ = failure(kinesis.get_shard_iterator, StreamName=stream, ShardId=shard_id(1),
                      ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first["SequenceNumber"])
    assert code == "InvalidArgumentException"


def test_a_put_may_ask_to_follow_a_record_of_the_parent(kinesis, stream):
    before = kinesis.put_record(StreamName=stream, Data=b"1", PartitionKey="k")
    split(kinesis, stream, 0, MIDDLE)
    after = kinesis.put_record(StreamName=stream, Data=b"2", PartitionKey="k",
                               SequenceNumberForOrdering=before["SequenceNumber"])
    assert int(after["SequenceNumber"]) > int(before["SequenceNumber"])


def test_what_cannot_be_split_or_merged(kinesis, stream):
    split(kinesis, stream, 0, MIDDLE)
    for bad in ("0", "1", str(2**127 - 1), MIDDLE):
        code, message = failure(kinesis.split_shard, StreamName=stream, ShardToSplit=shard_id(1),
                                NewStartingHashKey=bad)
        assert code == "InvalidArgumentException" and f"NewStartingHashKey {bad} used in SplitShard()" in message
        assert "StartingHashKey 0 and less than the shard's EndingHashKey" in message
    code, message = failure(kinesis.split_shard, StreamName=stream, ShardToSplit=shard_id(0), NewStartingHashKey="9")
    assert code == "InvalidArgumentException" and "has already been merged or split" in message
    code, message = failure(kinesis.split_shard, StreamName=stream, ShardToSplit=shard_id(9), NewStartingHashKey="9")
    assert code == "ResourceNotFoundException" and "Could not find shard shardId-000000000009" in message
    code, _ = failure(kinesis.split_shard, StreamName=stream, ShardToSplit=shard_id(1), NewStartingHashKey="007")
    assert code == "ValidationException"
    code, message = failure(kinesis.merge_shards, StreamName=stream, ShardToMerge=shard_id(2),
                            AdjacentShardToMerge=shard_id(1))
    assert code == "InvalidArgumentException" and "are not an adjacent pair of shards" in message
    code, message = failure(kinesis.merge_shards, StreamName=stream, ShardToMerge=shard_id(0),
                            AdjacentShardToMerge=shard_id(1))
    assert code == "InvalidArgumentException" and "shardId-000000000000" in message
    code, _ = failure(kinesis.split_shard, StreamName="no-such", ShardToSplit=shard_id(0), NewStartingHashKey="9")
    assert code == "ResourceNotFoundException"
    assert listed(kinesis, stream) == [0, 1, 2]


def test_on_demand_streams_are_not_resharded_by_hand(kinesis):
    name = f"r-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    for call, arguments in (
        (kinesis.split_shard, {"ShardToSplit": shard_id(0), "NewStartingHashKey": "9"}),
        (kinesis.merge_shards, {"ShardToMerge": shard_id(0), "AdjacentShardToMerge": shard_id(1)}),
        (kinesis.update_shard_count, {"TargetShardCount": 8, "ScalingType": "UNIFORM_SCALING"}),
    ):
        code, message = failure(call, StreamName=name, **arguments)
        assert code == "ValidationException" and "ON_DEMAND" in message
    kinesis.delete_stream(StreamName=name)


def scale(kinesis, stream, target):
    return kinesis.update_shard_count(StreamName=stream, TargetShardCount=target, ScalingType="UNIFORM_SCALING")


def test_update_shard_count(kinesis, stream):
    for open_count, target in ((1, 2), (2, 3), (3, 5), (5, 4), (4, 2)):
        answer = scale(kinesis, stream, target)
        assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (open_count, target)
        assert answer["StreamName"] == stream and answer["StreamARN"].endswith(f":stream/{stream}")
        shards = kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        assert len(shards) == target
        check_tiles(shards)
        for shard in shards:
            bounds = shard["HashKeyRange"]
            size = int(bounds["EndingHashKey"]) - int(bounds["StartingHashKey"])
            assert abs(size - MAX_HASH // target) <= target
    shards = {s["ShardId"]: s for s in kinesis.list_shards(StreamName=stream)["Shards"]}
    for shard in shards.values():
        assert shard["ShardId"] == shard_id(0) or shard["ParentShardId"] in shards
    # Nobody is led into a dead end: from the first shard every open one is reached.
    seen, ahead = set(), [0]
    while ahead:
        index = ahead.pop()
        seen.add(index)
        _, children = read_shard(kinesis, stream, index)
        ahead += [i for i in indexes(children) if i not in seen]
    assert seen == set(indexes(shards.values()))


def test_update_shard_count_has_limits(kinesis, stream):
    code, message = failure(scale, kinesis=kinesis, stream=stream, target=3)
    assert code == "LimitExceededException"
    assert message == ("UpdateShardCount cannot scale up over double your current open shard count. Current open "
                       "shard count: 1 Target shard count: 3")
    for target in (2, 4):
        scale(kinesis, stream, target)
    code, message = failure(scale, kinesis=kinesis, stream=stream, target=1)
    assert code == "LimitExceededException" and "down below half" in message
    code, _ = failure(kinesis.update_shard_count, StreamName=stream, TargetShardCount=4, ScalingType="NONE")
    assert code == "ValidationException"
    for i in range(8):
        scale(kinesis, stream, 5 if i % 2 == 0 else 4)
    code, message = failure(scale, kinesis=kinesis, stream=stream, target=5)
    assert code == "LimitExceededException" and "rolling 24-hour period" in message


def test_the_command_line_reshards_and_draws_the_lineage(leat, kinesis, stream):
    def show_open():
        return [int(s["shard_id"][8:]) for s in read_json(leat, "stream", "show", stream)["shards"] if not s["closed_ms"]]

    out, _ = run(leat, "stream", "split", stream, "0")
    assert out.startswith(f"{stream} in us-east-1: 1 -> 2 open shards\n") and "shardId-000000000002" in out
    assert kinesis.list_shards(StreamName=stream)["Shards"][2]["HashKeyRange"]["StartingHashKey"] == MIDDLE
    answer = read_json(leat, "stream", "split", stream, shard_id(2), "--at", str(2**127 + 9))
    assert answer["created"] == [shard_id(3), shard_id(4)] and answer["open_shard_count"] == 3
    assert read_json(leat, "stream", "merge", stream, "3", "1")["created"] == [shard_id(5)]  # In any order.
    assert show_open() == [4, 5]
    out, _ = run(leat, "stream", "show", stream)
    assert "\n".join([
        "LINEAGE", "  0  closed", "    1  closed", "      5  open (1 + 3)", "    2  closed", "      3  closed -> 5",
        "      4  open", ""]) in out
    answer = read_json(leat, "stream", "scale", stream, "3")
    assert answer["open_shard_count"] == 3 and len(answer["created"]) + len(answer["passed"]) >= 3
    for words, code, text in (
        (["split", stream, "99"], 5, "has no shard"),
        (["split", stream, "4294967296"], 5, "has no shard"),  # Not 0.
        (["split", stream, "0"], 1, "split or merged already"),
        (["split", stream, str(answer["created"][0]), "--at", "x"], 2, "--at is a whole number"),
        (["split", stream, str(answer["created"][0]), "--at", "1"], 1, "must lie inside the shard"),
        (["merge", stream, "0"], 2, "3 words"),
        (["merge", stream, *sorted(answer["created"])[:1] * 2], 1, "neighbours"),
        (["scale", stream, "7"], 1, "2 to 6"),
        (["scale", stream, "many"], 2, "no number of shards"),
        (["scale", "no-such-stream", "2"], 5, "leat stream create"),
    ):
        assert text in run(leat, "stream", *words, code=code)[1]
