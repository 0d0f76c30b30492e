"""Kinesis as PyPI's current boto3 sees it. Every answer is held against the service model."""

import json
import threading
import time
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

import leat_server
import model_check
from conftest import make_client

HORIZON = "TRIM_HORIZON"
MAX_HASH = 2**128 - 1
SEEN = set()


@pytest.fixture(scope="module")
def kinesis(leat):
    client = make_client(leat, "kinesis")
    seen = model_check.watch(client)
    yield client
    SEEN.update(seen)


@pytest.fixture
def name(kinesis):
    """Of a stream that does not exist yet; deleted afterwards if it does."""
    name = f"s-{uuid.uuid4().hex[:12]}"
    yield name
    try:
        kinesis.delete_stream(StreamName=name)
    except kinesis.exceptions.ResourceNotFoundException:
        pass


@pytest.fixture
def stream(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=1)
    return name


def failure(call, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(**kwargs)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def raw(leat, operation, body, content_type="application/x-amz-json-1.1"):
    """What no SDK would send. Returns status and body."""
    request = urllib.request.Request(
        leat.endpoint,
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={
            "Content-Type": content_type,
            "X-Amz-Target": f"Kinesis_20131202.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/"
            "aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        },
        method="POST",
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def raw_error(leat, operation, body, **kwargs):
    status, text = raw(leat, operation, body, **kwargs)
    assert status == 400, text
    return json.loads(text)


def iterator(kinesis, stream, kind=HORIZON, shard="shardId-000000000000", **kwargs):
    return kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType=kind, **kwargs
    )["ShardIterator"]


def read(kinesis, it, **kwargs):
    return kinesis.get_records(ShardIterator=it, **kwargs)


def drain(kinesis, stream, shard="shardId-000000000000"):
    it = iterator(kinesis, stream, shard=shard)
    records = []
    while True:
        page = read(kinesis, it)
        records += page["Records"]
        it = page["NextShardIterator"]
        if page["MillisBehindLatest"] == 0:
            return records


# --- streams --------------------------------------------------------------------------------


def test_create_describe_delete(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=3)
    description = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert description["StreamStatus"] == "ACTIVE"
    assert description["StreamARN"] == f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}"
    assert description["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert [s["HashKeyRange"]["EndingHashKey"] for s in description["Shards"]] == [
        "113427455640312821154458202477256070484",
        "226854911280625642308916404954512140969",
        "340282366920938463463374607431768211455",
    ]
    assert "EndingSequenceNumber" not in description["Shards"][0]["SequenceNumberRange"]
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3
    assert summary["RetentionPeriodHours"] == 24
    assert abs(summary["StreamCreationTimestamp"].timestamp() - time.time()) < 60
    kinesis.delete_stream(StreamName=name)
    code, text = failure(kinesis.describe_stream, StreamName=name)
    assert code == "ResourceNotFoundException"
    assert text == f"Stream {name} under account 000000000000 not found."


def test_create_on_demand_has_four_shards(kinesis, name):
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 4
    assert summary["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}


def test_create_twice(kinesis, stream):
    code, text = failure(kinesis.create_stream, StreamName=stream, ShardCount=1)
    assert code == "ResourceInUseException"
    assert text == f"Stream {stream} under account 000000000000 already exists."


def test_create_over_the_shard_limit(kinesis, name):
    assert failure(kinesis.create_stream, StreamName=name, ShardCount=10001)[0] == (
        "LimitExceededException"
    )
    kinesis.create_stream(StreamName=name, ShardCount=10000)
    assert kinesis.describe_limits()["OpenShardCount"] >= 10000


def test_create_with_count_and_on_demand(kinesis, name):
    code, _ = failure(
        kinesis.create_stream,
        StreamName=name,
        ShardCount=1,
        StreamModeDetails={"StreamMode": "ON_DEMAND"},
    )
    assert code == "ValidationException"


def test_validation_counts_all(leat):
    error = raw_error(leat, "CreateStream", {"StreamName": "a/b", "ShardCount": 0})
    assert error["__type"] == "ValidationException"
    assert error["message"].startswith("2 validation errors detected: ")
    assert (
        "Value 'a/b' at 'streamName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+" in error["message"]
    )
    assert (
        "Value '0' at 'shardCount' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1" in error["message"]
    )
    error = raw_error(leat, "CreateStream", {})
    assert error["message"] == (
        "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: "
        "Member must not be null"
    )


@pytest.mark.parametrize("text", ["a/b", "..x/", "", "é", "n" * 129])
def test_stream_names(leat, text):
    error = raw_error(leat, "DescribeStream", {"StreamName": text})
    assert error["__type"] == "ValidationException"
    assert "streamName" in error["message"]


def test_the_longest_name(kinesis):
    name = "n" * 128
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.delete_stream(StreamName=name)


def test_list_streams_pages(kinesis):
    names = sorted(f"page-{uuid.uuid4().hex[:8]}" for _ in range(5))
    for name in names:
        kinesis.create_stream(StreamName=name, ShardCount=1)
    first = kinesis.list_streams(Limit=2, ExclusiveStartStreamName="page-")
    assert first["StreamNames"] == names[:2]
    assert [s["StreamName"] for s in first["StreamSummaries"]] == names[:2]
    assert first["HasMoreStreams"]
    second = kinesis.list_streams(Limit=2, NextToken=first["NextToken"])
    assert second["StreamNames"] == names[2:4]
    for name in names:
        kinesis.delete_stream(StreamName=name)


def test_a_page_of_streams_is_a_hundred(leat):
    kinesis = make_client(leat, "kinesis", key="000000000100")
    for i in range(101):
        kinesis.create_stream(StreamName=f"many-{i:03}", ShardCount=1)
    for limit in ({}, {"Limit": 101}, {"Limit": 10000}):
        page = kinesis.list_streams(**limit)
        assert len(page["StreamNames"]) == 100 and page["HasMoreStreams"]
    rest = kinesis.list_streams(NextToken=page["NextToken"], Limit=10000)
    assert rest["StreamNames"] == ["many-100"] and not rest["HasMoreStreams"]


def test_list_streams_bad_token(kinesis):
    assert failure(kinesis.list_streams, NextToken="x")[0] == "InvalidArgumentException"


def test_arn_addressing(kinesis, stream):
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"][
        "StreamARN"
    ]
    assert kinesis.list_shards(StreamARN=arn)["Shards"]
    put = kinesis.put_records(StreamARN=arn, Records=[{"Data": b"x", "PartitionKey": "k"}])
    assert put["FailedRecordCount"] == 0
    kinesis.put_record(StreamARN=arn, Data=b"y", PartitionKey="k")
    it = kinesis.get_shard_iterator(
        StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType=HORIZON
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=it, StreamARN=arn)["Records"]
    assert [r["Data"] for r in records] == [b"x", b"y"]
    other = arn.replace("000000000000", "111111111111")
    assert failure(kinesis.list_shards, StreamARN=other)[0] == "ResourceNotFoundException"
    assert failure(kinesis.list_shards)[0] == "InvalidArgumentException"
    assert failure(kinesis.get_records, ShardIterator=it, StreamARN=other)[0] == (
        "InvalidArgumentException"
    )


def test_regions_and_accounts_are_worlds(leat, kinesis, stream):
    for other in (
        make_client(leat, "kinesis", region="eu-west-1"),
        make_client(leat, "kinesis", key="111111111111"),
    ):
        assert failure(other.describe_stream, StreamName=stream)[0] == "ResourceNotFoundException"
        assert other.list_streams()["StreamNames"] == []
        it = iterator(kinesis, stream)
        assert failure(other.get_records, ShardIterator=it)[0] == "InvalidArgumentException"


def test_tokens_belong_to_their_stream_and_account(leat, kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=2)
    token = kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    for stranger in (
        make_client(leat, "kinesis", region="eu-west-1"),
        make_client(leat, "kinesis", key="111111111111"),
    ):
        answer = failure(stranger.list_shards, NextToken=token)
        assert answer == ("InvalidArgumentException", "Invalid NextToken.")
    beside = {"StreamName": name, "StreamARN": arn, "StreamCreationTimestamp": 1,
              "ExclusiveStartShardId": "0", "ShardFilter": {"Type": "AT_LATEST"}}
    for member, value in beside.items():
        answer = failure(kinesis.list_shards, NextToken=token, **{member: value})
        assert answer == ("InvalidArgumentException",
                          f"NextToken and {member} cannot be provided together.")
    assert len(kinesis.list_shards(NextToken=token)["Shards"]) == 1


def test_retention(kinesis, stream):
    def hours():
        summary = kinesis.describe_stream_summary(StreamName=stream)
        return summary["StreamDescriptionSummary"]["RetentionPeriodHours"]

    increase = kinesis.increase_stream_retention_period
    decrease = kinesis.decrease_stream_retention_period
    increase(StreamName=stream, RetentionPeriodHours=48)
    assert hours() == 48
    increase(StreamName=stream, RetentionPeriodHours=48)
    code, text = failure(increase, StreamName=stream, RetentionPeriodHours=47)
    assert code == "InvalidArgumentException" and "DecreaseRetentionPeriod" in text
    code, text = failure(decrease, StreamName=stream, RetentionPeriodHours=49)
    assert code == "InvalidArgumentException" and "IncreaseRetentionPeriod" in text
    assert "too short" in failure(decrease, StreamName=stream, RetentionPeriodHours=23)[1]
    assert "too long" in failure(increase, StreamName=stream, RetentionPeriodHours=8761)[1]
    increase(StreamName=stream, RetentionPeriodHours=8760)
    decrease(StreamName=stream, RetentionPeriodHours=24)
    assert hours() == 24


# --- tags -----------------------------------------------------------------------------------


def test_tags(kinesis, stream):
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"b": "2", "a": "1", "é": ""})
    page = kinesis.list_tags_for_stream(StreamName=stream, Limit=2)
    assert page["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert page["HasMoreTags"]
    page = kinesis.list_tags_for_stream(StreamName=stream, ExclusiveStartTagKey="b")
    assert page["Tags"] == [{"Key": "é", "Value": ""}] and not page["HasMoreTags"]
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=["a", "none"])
    arn = f"arn:aws:kinesis:us-east-1:000000000000:stream/{stream}"
    kinesis.tag_resource(ResourceARN=arn, Tags={"c": "3"})
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["b"])
    tags = kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert [t["Key"] for t in tags] == ["c", "é"]


def test_tags_of_a_new_stream(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=1, Tags={"team": "water"})
    tags = kinesis.list_tags_for_stream(StreamName=name)["Tags"]
    assert tags == [{"Key": "team", "Value": "water"}]


def test_tag_limits(kinesis, stream):
    tags = {f"k{i}": "v" for i in range(50)}
    kinesis.add_tags_to_stream(StreamName=stream, Tags=tags)
    code, text = failure(kinesis.add_tags_to_stream, StreamName=stream, Tags={"more": ""})
    assert code == "InvalidArgumentException" and "50 tags" in text
    assert failure(kinesis.add_tags_to_stream, StreamName=stream, Tags={"a<b": ""})[0] == (
        "InvalidArgumentException"
    )
    for bad in ("a\tb", "a\nb", "a,b"):
        for call, what in ((kinesis.add_tags_to_stream, {"Tags": {"k0": bad}}),
                           (kinesis.add_tags_to_stream, {"Tags": {bad: ""}}),
                           (kinesis.remove_tags_from_stream, {"TagKeys": ["k0", bad]})):
            code, text = failure(call, StreamName=stream, **what)
            assert code == "InvalidArgumentException" and text.startswith("Some tags contain")
    assert len(kinesis.list_tags_for_stream(StreamName=stream)["Tags"]) == 50
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"k0": "v" * 256})
    assert failure(kinesis.add_tags_to_stream, StreamName=stream, Tags={"k0": "v" * 257})[0] == (
        "ValidationException"
    )
    assert failure(kinesis.add_tags_to_stream, StreamName=stream, Tags={"k" * 129: ""})[0] == (
        "ValidationException"
    )


# --- shards ---------------------------------------------------------------------------------


def test_list_shards_pages_and_filters(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=5)
    page = kinesis.list_shards(StreamName=name, MaxResults=3)
    assert [s["ShardId"][-1] for s in page["Shards"]] == ["0", "1", "2"]
    rest = kinesis.list_shards(NextToken=page["NextToken"])
    assert [s["ShardId"][-1] for s in rest["Shards"]] == ["3", "4"]
    assert "NextToken" not in rest
    both = failure(kinesis.list_shards, StreamName=name, NextToken=page["NextToken"])
    assert both[0] == "InvalidArgumentException"

    def count(**shard_filter):
        return len(kinesis.list_shards(StreamName=name, ShardFilter=shard_filter)["Shards"])

    assert count(Type="AFTER_SHARD_ID", ShardId="shardId-000000000002") == 2
    for kind in ("AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST"):
        assert count(Type=kind) == 5
    assert count(Type="AT_TIMESTAMP", Timestamp=time.time()) == 5
    assert count(Type="FROM_TIMESTAMP", Timestamp=time.time() - 100000) == 5
    for wrong in (
        {"Type": "AT_TIMESTAMP"},
        {"Type": "AFTER_SHARD_ID"},
        {"Type": "AT_TIMESTAMP", "Timestamp": time.time() + 3600},
    ):
        got = failure(kinesis.list_shards, StreamName=name, ShardFilter=wrong)
        assert got[0] == "InvalidArgumentException"
    start = kinesis.list_shards(StreamName=name, ExclusiveStartShardId="shardId-000000000003")
    assert len(start["Shards"]) == 1
    half = kinesis.describe_stream(
        StreamName=name, Limit=2, ExclusiveStartShardId="shardId-000000000001"
    )["StreamDescription"]
    assert len(half["Shards"]) == 2 and half["HasMoreShards"]


# --- puts -----------------------------------------------------------------------------------


def test_put_and_get(kinesis, stream):
    put = kinesis.put_record(StreamName=stream, Data=b"\x00\xff" * 10, PartitionKey="é")
    assert put["ShardId"] == "shardId-000000000000"
    assert len(put["SequenceNumber"]) == 56
    batch = kinesis.put_records(
        StreamName=stream,
        Records=[{"Data": f"{i}".encode(), "PartitionKey": f"k{i}"} for i in range(500)],
    )
    assert batch["FailedRecordCount"] == 0
    assert "EncryptionType" not in batch
    assert all(set(r) == {"SequenceNumber", "ShardId"} for r in batch["Records"])
    records = drain(kinesis, stream)
    assert records[0]["Data"] == b"\x00\xff" * 10 and records[0]["PartitionKey"] == "é"
    assert [r["Data"] for r in records[1:]] == [f"{i}".encode() for i in range(500)]
    numbers = [r["SequenceNumber"] for r in records]
    assert numbers == [put["SequenceNumber"]] + [r["SequenceNumber"] for r in batch["Records"]]
    assert numbers == sorted(numbers, key=int) and len(set(numbers)) == 501
    assert abs(records[0]["ApproximateArrivalTimestamp"].timestamp() - time.time()) < 60


def test_put_is_compact(leat, stream):
    """Fluent Bit looks for these bytes."""
    body = {"StreamName": stream, "Records": [{"Data": "eA==", "PartitionKey": "k"}]}
    assert b'"FailedRecordCount":0' in raw(leat, "PutRecords", body)[1]


def test_partition_keys_route(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=4)
    shards = kinesis.list_shards(StreamName=name)["Shards"]
    import hashlib

    for i in range(50):
        key = f"key-{i}"
        hashed = int(hashlib.md5(key.encode()).hexdigest(), 16)
        got = kinesis.put_record(StreamName=name, Data=b"", PartitionKey=key)["ShardId"]
        ranges = {s["ShardId"]: s["HashKeyRange"] for s in shards}
        assert int(ranges[got]["StartingHashKey"]) <= hashed <= int(ranges[got]["EndingHashKey"])
    for edge in shards:
        for end in ("StartingHashKey", "EndingHashKey"):
            put = kinesis.put_record(
                StreamName=name,
                Data=b"",
                PartitionKey="k",
                ExplicitHashKey=edge["HashKeyRange"][end],
            )
            assert put["ShardId"] == edge["ShardId"]


@pytest.mark.parametrize("text", ["007", "-1", "x", "1" * 40])
def test_bad_explicit_hash_key(leat, stream, text):
    body = {"StreamName": stream, "Data": "", "PartitionKey": "k", "ExplicitHashKey": text}
    error = raw_error(leat, "PutRecord", body)
    assert error["__type"] == "ValidationException" and "explicitHashKey" in error["message"]


def test_explicit_hash_key_range(kinesis, stream):
    kwargs = {"StreamName": stream, "Data": b"", "PartitionKey": "k"}
    kinesis.put_record(ExplicitHashKey=str(MAX_HASH), **kwargs)
    kinesis.put_record(ExplicitHashKey="0", **kwargs)
    code, text = failure(kinesis.put_record, ExplicitHashKey=str(MAX_HASH + 1), **kwargs)
    assert code == "InvalidArgumentException"
    assert text == (
        "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
        "Specified value was 340282366920938463463374607431768211456"
    )


def test_partition_key_length_is_in_characters(leat, kinesis, stream):
    kinesis.put_record(StreamName=stream, Data=b"", PartitionKey="\U0001f4a7" * 256)
    assert drain(kinesis, stream)[0]["PartitionKey"] == "\U0001f4a7" * 256
    code, _ = failure(
        kinesis.put_record, StreamName=stream, Data=b"", PartitionKey="\U0001f4a7" * 257
    )
    assert code == "ValidationException"
    kinesis.put_record(StreamName=stream, Data=b"", PartitionKey="k" * 256)
    error = raw_error(leat, "PutRecord", {"StreamName": stream, "Data": "", "PartitionKey": ""})
    assert "Member must have length greater than or equal to 1" in error["message"]


def test_record_size(kinesis, stream):
    limit = 1 << 20
    kinesis.put_record(StreamName=stream, Data=b"x" * (limit - 1), PartitionKey="k")
    code, text = failure(
        kinesis.put_record, StreamName=stream, Data=b"x" * limit, PartitionKey="k"
    )
    assert code == "InvalidArgumentException" and "1048577" in text
    text = ("1 validation error detected: Value at '{}' failed to satisfy constraint: Member must "
            "have length less than or equal to 1048576.")
    large = {"Data": b"x" * (limit + 1), "PartitionKey": "k"}
    assert failure(kinesis.put_record, StreamName=stream, **large) == (
        "ValidationException", text.format("data"))
    records = [{"Data": b"", "PartitionKey": "k"}, large]
    assert failure(kinesis.put_records, StreamName=stream, Records=records) == (
        "ValidationException", text.format("records.2.member.data"))


def test_record_size_of_the_stream(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=1, MaxRecordSizeInKiB=2048)
    limit = 2 << 20
    kinesis.put_record(StreamName=name, Data=b"x" * (limit - 1), PartitionKey="k")
    assert failure(kinesis.put_record, StreamName=name, Data=b"x" * limit, PartitionKey="k")[
        0
    ] == ("InvalidArgumentException")


def test_put_records_count(leat, kinesis, stream):
    records = [{"Data": "", "PartitionKey": "k"}] * 501
    error = raw_error(leat, "PutRecords", {"StreamName": stream, "Records": records})
    assert error["__type"] == "ValidationException"
    assert "Member must have length less than or equal to 500" in error["message"]
    error = raw_error(leat, "PutRecords", {"StreamName": stream, "Records": []})
    assert "Member must have length greater than or equal to 1" in error["message"]
    assert drain(kinesis, stream) == []


def test_put_records_size(kinesis, stream):
    limit = 10 << 20
    part = [{"Data": b"x" * ((1 << 20) - 1), "PartitionKey": "k"}] * 9
    whole = part + [{"Data": b"x" * ((1 << 20) - 1), "PartitionKey": "k"}]
    assert sum(len(r["Data"]) + 1 for r in whole) == limit
    assert kinesis.put_records(StreamName=stream, Records=whole)["FailedRecordCount"] == 0
    over = whole + [{"Data": b"", "PartitionKey": "k"}]
    code, text = failure(kinesis.put_records, StreamName=stream, Records=over)
    assert code == "InvalidArgumentException" and "10 MB" in text


def test_a_bad_record_refuses_the_whole_request(leat, kinesis, stream):
    body = {
        "StreamName": stream,
        "Records": [{"Data": "eA==", "PartitionKey": "k"}, {"Data": "eA==", "PartitionKey": ""}],
    }
    error = raw_error(leat, "PutRecords", body)
    assert "'records.2.member.partitionKey'" in error["message"]
    assert drain(kinesis, stream) == []


@pytest.mark.parametrize("data", ["eA=", "eA", "e A==", "eA==\n", "e_-=", "eB==", "====", "é"])
def test_strict_base64(leat, stream, data):
    for operation, body in (
        ("PutRecord", {"Data": data, "PartitionKey": "k"}),
        ("PutRecords", {"Records": [{"Data": data, "PartitionKey": "k"}]}),
    ):
        error = raw_error(leat, operation, {"StreamName": stream, **body})
        assert error["__type"] == "SerializationException" and error["Message"]


def test_escapes_are_understood(leat, kinesis, stream):
    body = (
        b'{"Data": "\\u0065A\\u003d=", "Stream\\u004eame": "%s", "PartitionKey": "a\\"\\u00e9\\/"}'
        % stream.encode()
    )
    assert raw(leat, "PutRecord", body)[0] == 200
    record = drain(kinesis, stream)[0]
    assert record["Data"] == b"x" and record["PartitionKey"] == 'a"é/'


def test_put_to_nothing(kinesis, name):
    for call, kwargs in (
        (kinesis.put_record, {"Data": b"", "PartitionKey": "k"}),
        (kinesis.put_records, {"Records": [{"Data": b"", "PartitionKey": "k"}]}),
    ):
        assert failure(call, StreamName=name, **kwargs)[0] == "ResourceNotFoundException"


def test_sequence_number_for_ordering(kinesis, stream):
    kwargs = {"StreamName": stream, "Data": b"", "PartitionKey": "k"}
    first = kinesis.put_record(**kwargs)["SequenceNumber"]
    second = kinesis.put_record(SequenceNumberForOrdering=first, **kwargs)["SequenceNumber"]
    assert int(second) > int(first)
    for wrong in ("0", "12345"):
        code, _ = failure(kinesis.put_record, SequenceNumberForOrdering=wrong, **kwargs)
        assert code == "InvalidArgumentException"


# --- iterators and reads --------------------------------------------------------------------


def test_five_kinds_of_iterator(kinesis, stream):
    puts = []
    for i in range(3):
        puts.append(kinesis.put_record(StreamName=stream, Data=b"%d" % i, PartitionKey="k"))
        if i == 0:
            time.sleep(1.1)
            middle = int(time.time())  # some versions of botocore send whole seconds
    second = puts[1]["SequenceNumber"]
    latest = iterator(kinesis, stream, "LATEST")
    kinesis.put_record(StreamName=stream, Data=b"3", PartitionKey="k")

    def data(it):
        return b"".join(r["Data"] for r in read(kinesis, it)["Records"])

    assert data(iterator(kinesis, stream, HORIZON)) == b"0123"
    assert data(latest) == b"3"
    at = {"StartingSequenceNumber": second}
    assert data(iterator(kinesis, stream, "AT_SEQUENCE_NUMBER", **at)) == b"123"
    assert data(iterator(kinesis, stream, "AFTER_SEQUENCE_NUMBER", **at)) == b"23"
    assert data(iterator(kinesis, stream, "AT_TIMESTAMP", Timestamp=middle)) == b"123"
    old = time.time() - 90000
    assert data(iterator(kinesis, stream, "AT_TIMESTAMP", Timestamp=old)) == b"0123"
    soon = time.time() + 2
    assert data(iterator(kinesis, stream, "AT_TIMESTAMP", Timestamp=soon)) == b""
    start = kinesis.list_shards(StreamName=stream)["Shards"][0]["SequenceNumberRange"]
    begin = {"StartingSequenceNumber": start["StartingSequenceNumber"]}
    assert data(iterator(kinesis, stream, "AT_SEQUENCE_NUMBER", **begin)) == b"0123"


def test_iterator_errors(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=2)
    put = kinesis.put_record(StreamName=name, Data=b"", PartitionKey="k", ExplicitHashKey="0")
    call = kinesis.get_shard_iterator
    base = {"StreamName": name, "ShardId": "shardId-000000000000"}
    at = {"ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    number = put["SequenceNumber"]
    cases = [
        ({"ShardIteratorType": "AT_TIMESTAMP"}, "InvalidArgumentException", "timestampInMillis"),
        (
            {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time.time() + 3600},
            "InvalidArgumentException",
            "cannot be greater than the currentTimestampInMillis",
        ),
        (at, "InvalidArgumentException", "StartingSequenceNumber"),
        (
            {"ShardIteratorType": "LATEST", "StartingSequenceNumber": number},
            "InvalidArgumentException",
            "LATEST",
        ),
        ({**at, "StartingSequenceNumber": "0"}, "InvalidArgumentException", " is invalid."),
        ({**at, "StartingSequenceNumber": "9" * 56}, "InvalidArgumentException", " is invalid."),
        ({**at, "StartingSequenceNumber": "1" * 130}, "ValidationException", "pattern"),
        ({**at, "StartingSequenceNumber": "x"}, "ValidationException", "pattern"),
        (
            {**at, "StartingSequenceNumber": str(int(number) + (1 << 120))},
            "InvalidArgumentException",
            "this stream",
        ),
        (
            {**at, "StartingSequenceNumber": number, "ShardId": "shardId-000000000001"},
            "InvalidArgumentException",
            "It encodes shardId-000000000000",
        ),
        (
            {"ShardIteratorType": "LATEST", "ShardId": "shardId-7"},
            "ResourceNotFoundException",
            f"Shard shardId-000000000007 in stream {name} under account 000000000000 does not exist",
        ),
        (
            {"ShardIteratorType": "LATEST", "ShardId": "shardId-2147483648"},
            "ResourceNotFoundException",
            "Could not find shard shardId-2147483648 in stream",
        ),
        ({"ShardIteratorType": "NEWEST"}, "ValidationException", "enum value set"),
    ]
    for kwargs, code, text in cases:
        got = failure(call, **{**base, **kwargs})
        assert got[0] == code and text in got[1], (kwargs, got)


def test_names_of_shards_as_aws_reads_them(kinesis, name):
    """The number counts, whatever stands before its hyphen."""
    kinesis.create_stream(StreamName=name, ShardCount=3)
    for shard in ("shardId-000000000001", "shardId-1", "x-1", "1", "-0001"):
        token = kinesis.get_shard_iterator(StreamName=name, ShardId=shard,
                                           ShardIteratorType="LATEST")["ShardIterator"]
        assert kinesis.get_records(ShardIterator=token)["Records"] == []
        after = {"Type": "AFTER_SHARD_ID", "ShardId": shard}
        for page in (kinesis.list_shards(StreamName=name, ExclusiveStartShardId=shard),
                     kinesis.list_shards(StreamName=name, ShardFilter=after)):
            assert [s["ShardId"] for s in page["Shards"]] == ["shardId-000000000002"]
        described = kinesis.describe_stream(StreamName=name, ExclusiveStartShardId=shard)
        assert len(described["StreamDescription"]["Shards"]) == 1
    for shard in ("shardId-", "ABC", "2.14E4", "1x", "2147483648"):
        assert failure(kinesis.split_shard, StreamName=name, ShardToSplit=shard,
                       NewStartingHashKey="9") == (
            "ResourceNotFoundException", f"Could not find shard {shard} in stream {name} under "
            "account 000000000000.")
    code, text = failure(kinesis.merge_shards, StreamName=name, ShardToMerge="0",
                         AdjacentShardToMerge="shard-2")
    assert code == "InvalidArgumentException"
    assert text.startswith("Shards shardId-000000000000 and shardId-000000000002 in stream")


def test_numbers_for_ordering(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=1)
    put = {"StreamName": name, "Data": b"", "PartitionKey": "k"}
    first = kinesis.put_record(**put)["SequenceNumber"]
    second = kinesis.put_record(**put, SequenceNumberForOrdering=first)["SequenceNumber"]
    assert int(second) > int(first)
    for number in ("0", "5", str(int(first) + (3600 << 36))):  # The last comes in an hour.
        assert failure(kinesis.put_record, **put, SequenceNumberForOrdering=number) == (
            "InvalidArgumentException", f"ExclusiveMinimumSequenceNumber {number} used in "
            f"PutRecord on stream {name} under account 000000000000 is invalid.")


def test_iterators_are_fresh_and_repeatable(kinesis, stream):
    kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k")
    it = iterator(kinesis, stream)
    first, again = read(kinesis, it), read(kinesis, it)
    assert first["Records"] == again["Records"]
    assert first["NextShardIterator"] != again["NextShardIterator"]
    empty = read(kinesis, first["NextShardIterator"])
    assert empty["Records"] == [] and empty["MillisBehindLatest"] == 0
    assert empty["NextShardIterator"] != first["NextShardIterator"]
    assert len(read(kinesis, f'"{it}"')["Records"]) == 1


def test_forged_iterators(kinesis, stream):
    it = iterator(kinesis, stream)
    for i in (0, 5, len(it) // 2, len(it) - 5):
        forged = it[:i] + ("A" if it[i] != "A" else "B") + it[i + 1 :]
        assert failure(kinesis.get_records, ShardIterator=forged) == (
            "InvalidArgumentException",
            "Invalid ShardIterator.",
        )
    for wrong in ("x", it[:-4], it + "AAAA", "A" * 512):
        assert failure(kinesis.get_records, ShardIterator=wrong)[1] == "Invalid ShardIterator."
    assert failure(kinesis.get_records, ShardIterator="A" * 513)[0] == "ValidationException"


def test_iterator_of_a_deleted_stream(kinesis, stream):
    it = iterator(kinesis, stream)
    kinesis.delete_stream(StreamName=stream)
    assert failure(kinesis.get_records, ShardIterator=it)[0] == "ResourceNotFoundException"
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    assert failure(kinesis.get_records, ShardIterator=it)[0] == "ResourceNotFoundException"


def test_get_records_limits(leat, kinesis, stream):
    for _ in range(3):
        kinesis.put_records(
            StreamName=stream,
            Records=[{"Data": b"x" * 8000, "PartitionKey": "k"} for _ in range(500)],
        )
    it = iterator(kinesis, stream)
    assert len(read(kinesis, it, Limit=7)["Records"]) == 7
    page = read(kinesis, it)
    assert len(page["Records"]) == (10 << 20) // 8001
    assert page["MillisBehindLatest"] > 0
    rest = read(kinesis, page["NextShardIterator"])
    assert len(page["Records"]) + len(rest["Records"]) == 1500
    assert rest["MillisBehindLatest"] == 0
    for limit in (0, 10001):
        body = json.dumps({"ShardIterator": it, "Limit": limit}).encode()
        error = raw_error(leat, "GetRecords", body)
        assert error["__type"] == "ValidationException" and "limit" in error["message"]


# --- the form of requests --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{", b"{} {}", b"{}x", b"\xef\xbb\xbf{}", b"[" * 100000]
    + [b'{"Limit":%s}' % n for n in (b"NaN", b"Infinity", b"0123", b"1.", b".5", b"+1")]
    + [b'{"a\xff":1}', b'{"a":"\\ud800"}', b'{"Limit":1,"Limit":1}', b'{"x":' * 81 + b"1" + b"}" * 81],
)
def test_bodies_that_are_no_json_object(leat, body):
    error = raw_error(leat, "ListStreams", body)
    assert error["__type"] == "SerializationException"
    assert "message" not in error


@pytest.mark.parametrize("value", ['"5"', "true", "[]", "{}"])
def test_wrong_types(leat, value):
    error = raw_error(leat, "ListStreams", b'{"Limit":%s}' % value.encode())
    assert error["__type"] == "SerializationException"
    assert error["Message"]


def test_wrong_types_of_strings(leat):
    for value, text in (("1", "NUMBER_VALUE"), ("true", "TRUE_VALUE"), ("[]", ""), ("{}", "")):
        error = raw_error(leat, "DescribeStream", b'{"StreamName":%s}' % value.encode())
        assert error["__type"] == "SerializationException" and text in error["Message"]


def test_unknown_members_and_nulls_are_ignored(leat):
    assert raw(leat, "ListStreams", b'{"What":{"a":[1,2]},"Limit":null}')[0] == 200


def test_unknown_operations(leat):
    error = raw_error(leat, "Nonsense", b"{}")
    assert error["__type"] == "UnknownOperationException" and "Nonsense" in error["message"]


def test_other_content_types(leat):
    assert raw(leat, "ListStreams", b"{}", content_type="text/plain") == (404, b"<UnknownOperationException/>\n")
    status, text = raw(leat, "ListStreams", b"{}", content_type="application/json")
    assert status == 404
    assert json.loads(text)["Output"]["__type"] == "com.amazon.coral.service#UnknownOperationException"
    assert raw(leat, "ListStreams", b"{}", content_type="application/x-amz-json-1.1; charset=utf-8")[0] == 200


def test_a_body_over_the_limit(leat):
    body = b'{"x":"' + b"a" * (16 << 20) + b'"}'
    try:
        assert raw(leat, "ListStreams", body)[0] == 413
    except (ConnectionError, urllib.error.URLError):
        pass  # The answer closes the connection while we still send.


# --- durability ------------------------------------------------------------------------------


def test_acknowledged_records_survive_kill(tmp_path):
    """kill -9 under load: whatever was acknowledged is there, in order, once."""
    acknowledged = []
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    client = make_client(server, "kinesis")
    client.create_stream(StreamName="s", ShardCount=2)
    stop = threading.Event()

    def put(worker):
        mine = make_client(server, "kinesis")
        n = 0
        while not stop.is_set():
            records = [
                {"Data": b"%d-%d" % (worker, n + i), "PartitionKey": f"{worker}"} for i in range(20)
            ]
            try:
                got = mine.put_records(StreamName="s", Records=records)
            except Exception:
                return
            acknowledged.extend(
                (r["ShardId"], int(r["SequenceNumber"]), sent["Data"])
                for r, sent in zip(got["Records"], records)
            )
            n += 20

    for _ in range(3):
        stop.clear()
        threads = [threading.Thread(target=put, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        server.start()
    client = make_client(server, "kinesis")
    stored = {}
    for shard in ("shardId-000000000000", "shardId-000000000001"):
        records = drain(client, "s", shard)
        numbers = [int(r["SequenceNumber"]) for r in records]
        assert numbers == sorted(set(numbers))
        stored.update({(shard, int(r["SequenceNumber"])): r["Data"] for r in records})
    assert len(acknowledged) > 100
    for shard, number, data in acknowledged:
        assert stored.get((shard, number)) == data
    server.stop()
