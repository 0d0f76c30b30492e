"""Every error that the service model names for an operation: shown, or named as one that cannot be."""

import subprocess
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client

OPERATIONS = """CreateStream DeleteStream DescribeStream DescribeStreamSummary ListStreams ListShards
PutRecord PutRecords GetShardIterator GetRecords AddTagsToStream RemoveTagsFromStream
ListTagsForStream TagResource UntagResource ListTagsForResource IncreaseStreamRetentionPeriod
DecreaseStreamRetentionPeriod""".split()

NOT_FOUND = "ResourceNotFoundException"
INVALID = "InvalidArgumentException"
IN_USE = "ResourceInUseException"
LIMIT = "LimitExceededException"

RECORD = {"Data": b"x", "PartitionKey": "k"}
SHARD = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
TAGS = {"Tags": {"a": "1"}}
BAD_TAGS = {"Tags": {"a<b": "1"}}
KEYS = {"TagKeys": ["a"]}

# Operation: arguments besides the stream that are in order, and arguments that are not.
BY_NAME = {
    "DeleteStream": ({}, None),
    "DescribeStream": ({}, {"ExclusiveStartShardId": "shardId-x"}),
    "DescribeStreamSummary": ({}, None),
    "ListShards": ({}, {"ShardFilter": {"Type": "AFTER_SHARD_ID"}}),
    "PutRecord": (RECORD, {**RECORD, "ExplicitHashKey": str(2**128)}),
    "PutRecords": ({"Records": [RECORD]}, {"Records": [{**RECORD, "ExplicitHashKey": str(2**128)}]}),
    "GetShardIterator": (SHARD, {**SHARD, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}),
    "AddTagsToStream": (TAGS, BAD_TAGS),
    "RemoveTagsFromStream": (KEYS, {"TagKeys": ["a<b"]}),
    "ListTagsForStream": ({}, None),
    "IncreaseStreamRetentionPeriod": ({"RetentionPeriodHours": 48}, {"RetentionPeriodHours": 8761}),
    "DecreaseStreamRetentionPeriod": ({"RetentionPeriodHours": 24}, {"RetentionPeriodHours": 23}),
}
BY_ARN = {"TagResource": TAGS, "UntagResource": KEYS, "ListTagsForResource": {}}

# Why an error of the model cannot be had for these operations.
NEVER = {
    "AccessDeniedException": "leat has no policies of IAM",
    "ProvisionedThroughputExceededException": "no throughput limits (docs/services/kinesis.md)",
    "InternalFailureException": "a full disk; shown by full_disk_test.py",
    LIMIT: "of these operations a limit of calls a second, which leat does not have",
    IN_USE: "a stream is never seen in the making here; consumers and resharding have own tests",
}


def shown():
    """(operation, error) pairs that a test below shows."""
    pairs = {(op, NOT_FOUND) for op in [*BY_NAME, *BY_ARN]}
    pairs |= {(op, INVALID) for op in [*BY_NAME, *BY_ARN]}
    pairs |= {("CreateStream", e) for e in (IN_USE, LIMIT, INVALID, "ValidationException")}
    pairs |= {("ListStreams", INVALID), ("GetRecords", NOT_FOUND), ("GetRecords", INVALID)}
    pairs |= {(op, "ExpiredNextTokenException") for op in ("ListStreams", "ListShards")}
    return pairs | {("GetRecords", "ExpiredIteratorException")}


@pytest.fixture(scope="module")
def kinesis(leat):
    return make_client(leat, "kinesis")


@pytest.fixture
def name(kinesis):
    name = f"e-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    try:
        kinesis.delete_stream(StreamName=name)
    except kinesis.exceptions.ResourceNotFoundException:
        pass


def call(kinesis, operation, **kwargs):
    """The error's code and message, None when there is none."""
    try:
        kinesis._make_api_call(operation, kwargs)
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["Error"]["Message"]
    return None


def arn_of(name):
    return f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}"


def test_every_error_of_the_model_is_shown_or_named(kinesis):
    missing = []
    for operation in OPERATIONS:
        for shape in kinesis.meta.service_model.operation_model(operation).error_shapes:
            is_known = (operation, shape.name) in shown() or shape.name in NEVER
            if not is_known and not shape.name.startswith("KMS"):
                missing.append((operation, shape.name))
    assert missing == []
    # Of KMS nothing can fail as long as no stream can be encrypted; once one can, its tests name it.


@pytest.mark.parametrize("operation", BY_NAME)
def test_no_such_stream(kinesis, operation):
    good, _ = BY_NAME[operation]
    for where in ({"StreamName": "none"}, {"StreamARN": arn_of("none")}):
        code, text = call(kinesis, operation, **where, **good)
        assert code == NOT_FOUND and "none" in text and "000000000000" in text


@pytest.mark.parametrize("operation", BY_ARN)
def test_no_such_resource(kinesis, operation):
    code, text = call(kinesis, operation, ResourceARN=arn_of("none"), **BY_ARN[operation])
    assert code == NOT_FOUND and "none" in text


@pytest.mark.parametrize("operation", BY_ARN)
@pytest.mark.parametrize("arn", ["arn:aws:s3:::bucket", "arn:aws:kinesis:us-east-1:000000000000:what/x"])
def test_an_arn_of_something_else(kinesis, operation, arn):
    code, text = call(kinesis, operation, ResourceARN=arn, **BY_ARN[operation])
    assert code in (INVALID, "ValidationException") and text
    code, text = call(kinesis, operation, ResourceARN="arn:aws:kinesis:x:y:stream/none", **BY_ARN[operation])
    assert code in (INVALID, "ValidationException", NOT_FOUND) and text


@pytest.mark.parametrize("operation", BY_NAME)
def test_wrong_arguments(kinesis, name, operation):
    good, bad = BY_NAME[operation]
    code, text = call(kinesis, operation, **good)
    assert code == INVALID and "StreamARN" in text
    other = {"StreamName": name, "StreamARN": arn_of("other")}
    code, text = call(kinesis, operation, **other, **good)
    assert code in (INVALID, NOT_FOUND) and text
    if bad is not None:
        code, text = call(kinesis, operation, StreamName=name, **bad)
        assert code in (INVALID, "ValidationException") and text
    assert call(kinesis, "DescribeStreamSummary", StreamName=name) is None


def test_create_stream(kinesis, name):
    new = {"StreamName": f"{name}-2"}
    assert call(kinesis, "CreateStream", StreamName=name, ShardCount=1)[0] == IN_USE
    assert call(kinesis, "CreateStream", ShardCount=20001, **new)[0] == LIMIT
    assert call(kinesis, "CreateStream", ShardCount=1, **BAD_TAGS, **new)[0] == INVALID
    many = {f"k{i}": "" for i in range(51)}
    assert call(kinesis, "CreateStream", ShardCount=1, Tags=many, **new)[0] == INVALID
    assert call(kinesis, "CreateStream", StreamName="a/b", ShardCount=1)[0] == "ValidationException"
    assert call(kinesis, "DescribeStreamSummary", **new)[0] == NOT_FOUND


def test_a_value_with_nul_is_shown_whole(kinesis):
    code, text = call(kinesis, "DescribeStream", StreamName="a\0b")
    assert code == "ValidationException"
    assert text == ("1 validation error detected: Value 'a\0b' at 'streamName' failed to satisfy constraint: "
                    "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")


def test_reads(kinesis, name):
    assert call(kinesis, "ListStreams", NextToken="x")[0] == INVALID
    assert call(kinesis, "ListShards", NextToken="x")[0] == INVALID
    token = kinesis.get_shard_iterator(StreamName=name, **SHARD)["ShardIterator"]
    assert call(kinesis, "GetRecords", ShardIterator="x")[0] == INVALID
    assert call(kinesis, "GetRecords", ShardIterator=token, StreamARN=arn_of("other"))[0] == INVALID
    kinesis.delete_stream(StreamName=name)
    assert call(kinesis, "GetRecords", ShardIterator=token)[0] == NOT_FOUND


def test_what_has_expired(tmp_path):
    """Tokens live 300 s: the same data directory is served by a clock that is ahead."""
    shim = tmp_path / "clock_ahead.so"
    source = Path(__file__).parent / "programs" / "clock_ahead.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    kinesis = make_client(server, "kinesis")
    for stream in ("a", "b"):
        kinesis.create_stream(StreamName=stream, ShardCount=2)
    token = kinesis.get_shard_iterator(StreamName="a", **SHARD)["ShardIterator"]
    shards = kinesis.list_shards(StreamName="a", MaxResults=1)["NextToken"]
    streams = kinesis.list_streams(Limit=1)["NextToken"]

    def codes():
        mine = make_client(server, "kinesis")
        return [
            call(mine, "GetRecords", ShardIterator=token),
            call(mine, "ListShards", NextToken=shards),
            call(mine, "ListStreams", NextToken=streams),
        ]

    for ahead in (200, 400):
        server.stop()
        server.environment = {"LD_PRELOAD": str(shim), "CLOCK_AHEAD_S": str(ahead)}
        server.start()
        if ahead == 200:
            assert codes() == [None, None, None]
        else:
            got = codes()
            names = ["ExpiredIteratorException", "ExpiredNextTokenException", "ExpiredNextTokenException"]
            assert [code for code, _ in got] == names
            assert got[0][1].startswith("Iterator expired. The iterator was created at time ")
            assert "300000 milliseconds" in got[0][1]
    server.stop()
