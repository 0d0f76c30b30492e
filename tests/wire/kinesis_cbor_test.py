"""application/x-amz-cbor-1.1 as the SDKs for Java send it, in frames made by hand."""

import base64
import http.client
import json
import os
import time

import pytest

from amz_cbor import Pairs, Raw, Time, decode, encode, open_bytes, open_text

CBOR = "application/x-amz-cbor-1.1"
JSON = "application/x-amz-json-1.1"
AUTHORIZATION = ("AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, "
                 "SignedHeaders=host, Signature=00")


class Kinesis:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)

    def post(self, operation, body, content_type=CBOR):
        self.connection.request("POST", "/", body, {
            "X-Amz-Target": f"Kinesis_20131202.{operation}", "Content-Type": content_type,
            "Authorization": AUTHORIZATION})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def call(self, operation, members, is_open=False):
        answer, body = self.post(operation, encode(members, is_open))
        assert answer.headers["Content-Type"] == CBOR
        value = decode(body) if body else None
        assert answer.status == 200, value
        return value

    def fail(self, operation, body):
        answer, text = self.post(operation, body)
        assert answer.headers["Content-Type"] == CBOR
        value = decode(text)
        assert answer.headers["x-amzn-ErrorType"] == value["__type"]
        return answer.status, value

    def call_json(self, operation, members):
        answer, body = self.post(operation, json.dumps(members), JSON)
        assert answer.status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def kinesis(leat):
    return Kinesis(leat)


@pytest.fixture(scope="module")
def name(kinesis):
    name = "cbor"
    answer, body = kinesis.post("CreateStream", encode({"StreamName": name, "ShardCount": 1}))
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    yield name
    kinesis.call("DeleteStream", {"StreamName": name})


def read_all(kinesis, name, members=None):
    iterator = kinesis.call("GetShardIterator", members or {
        "StreamName": name, "ShardId": "shardId-000000000000",
        "ShardIteratorType": "TRIM_HORIZON"})["ShardIterator"]
    records = []
    while True:
        page = kinesis.call("GetRecords", {"ShardIterator": iterator})
        records += page["Records"]
        if page["MillisBehindLatest"] == 0:
            return records
        iterator = page["NextShardIterator"]


@pytest.mark.parametrize("is_open", [False, True])
def test_records_round_trip(kinesis, name, is_open):
    before = len(read_all(kinesis, name))
    data = [b"", b"\x00", bytes(range(256)), os.urandom(70000)]
    one = kinesis.call("PutRecord", {"StreamName": name, "Data": data[2], "PartitionKey": "é"},
                       is_open)
    assert one["ShardId"] == "shardId-000000000000" and len(one["SequenceNumber"]) == 56
    many = kinesis.call("PutRecords", {"StreamName": name, "Records": [
        {"Data": d, "PartitionKey": f"k{i}", "ExplicitHashKey": str(i)}
        for i, d in enumerate(data)]}, is_open)
    assert many["FailedRecordCount"] == 0
    got = read_all(kinesis, name)[before:]
    assert [r["Data"] for r in got] == [data[2], *data]
    assert [r["PartitionKey"] for r in got] == ["é", "k0", "k1", "k2", "k3"]
    assert [r["SequenceNumber"] for r in got] == [
        one["SequenceNumber"], *(r["SequenceNumber"] for r in many["Records"])]
    now_ms = time.time() * 1000
    for record in got:
        assert isinstance(record["ApproximateArrivalTimestamp"], Time)
        assert abs(record["ApproximateArrivalTimestamp"] - now_ms) < 60_000


def test_puts_of_every_shape(kinesis, name):
    """What the fast way does not read, the other one does: the records are the same."""
    record = {"Data": b"\xffdata", "PartitionKey": "key"}
    shapes = [
        {"StreamName": name, "Records": [record]},
        {"StreamName": name, "Records": [record], "Unknown": {"a": [1, b"2", None, 1.5]}},
        {"StreamName": name, "Records": [{**record, "Unknown": True}]},
        {"StreamName": open_text("cb", "", "or"), "Records": [record]},
        {"StreamName": name, "Records": [{**record, "PartitionKey": open_text("k", "ey")}]},
        {"StreamName": name, "Records": [{**record, "Data": open_bytes(b"\xff", b"data")}]},
        {"StreamName": name, "StreamARN": None, "Records": [record]},
        {"StreamARN": f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}",
         "Records": [record]},
    ]
    before = len(read_all(kinesis, name))
    for shape in shapes:
        for is_open in (False, True):
            assert kinesis.call("PutRecords", shape, is_open)["FailedRecordCount"] == 0
    got = read_all(kinesis, name)[before:]
    assert [(r["Data"], r["PartitionKey"]) for r in got] == [(b"\xffdata", "key")] * 16


def test_times_are_milliseconds(kinesis, name):
    """Both ways: a tag or a plain number; JSON of the SDK for Java 1 too, though it says seconds."""
    kinesis.call("PutRecord", {"StreamName": name, "Data": b"old", "PartitionKey": "k"})
    time.sleep(0.01)
    new = kinesis.call("PutRecord", {"StreamName": name, "Data": b"new", "PartitionKey": "k"})
    last = read_all(kinesis, name)[-1]
    assert last["SequenceNumber"] == new["SequenceNumber"]
    at_ms = int(last["ApproximateArrivalTimestamp"])
    ask = {"StreamName": name, "ShardId": "shardId-000000000000",
           "ShardIteratorType": "AT_TIMESTAMP"}
    for at in (Time(at_ms), at_ms):
        assert [r["Data"] for r in read_all(kinesis, name, {**ask, "Timestamp": at})] == [b"new"]
    for at in (at_ms, at_ms / 1000):
        iterator = kinesis.call_json("GetShardIterator", {**ask, "Timestamp": at})["ShardIterator"]
        got = kinesis.call_json("GetRecords", {"ShardIterator": iterator})["Records"]
        assert [base64.b64decode(r["Data"]) for r in got] == [b"new"]
    created = kinesis.call("DescribeStreamSummary", {"StreamName": name})
    created = created["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    assert isinstance(created, Time) and abs(created - at_ms) < 60_000
    for bad in (Raw(b"\xc1\xfb\x41\xd4\x52\xd9\xec\x20\x00\x00"), Raw(b"\xc1\x61\x31"),
                2**63, -2**62):
        status, error = kinesis.fail("GetShardIterator", encode({**ask, "Timestamp": bad}))
        assert (status, error["__type"]) == (400, "SerializationException")


def comparable(value):
    """As JSON has it; tokens differ each time."""
    if isinstance(value, Time):
        return round(value / 1000, 3)
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items() if k != "NextToken"}
    return [comparable(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("operation, members", [
    ("DescribeStream", {"StreamName": "cbor"}),
    ("DescribeStreamSummary", {"StreamName": "cbor"}),
    ("DescribeLimits", {}),
    ("ListShards", {"StreamName": "cbor"}),
    ("ListStreams", {"Limit": 1}),
    ("ListStreams", {}),
    ("ListTagsForStream", {"StreamName": "cbor"}),
    ("ListStreamConsumers", {"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/cbor"}),
])
def test_answers_are_those_of_json(kinesis, name, operation, members):
    answer, body = kinesis.post(
        "AddTagsToStream", encode({"StreamName": name, "Tags": {"a": "1", "é": ""}}))
    assert (answer.status, body) == (200, b"")
    assert comparable(kinesis.call(operation, members)) == comparable(
        kinesis.call_json(operation, members))


def test_puts_by_name_and_arn(kinesis, name):
    """The short way of puts takes both, and leaves what is wrong to the long one."""
    arn = f"arn:aws:kinesis:us-east-1:000000000000:stream/{name}"
    puts = {"PutRecord": {"Data": b"", "PartitionKey": "k"},
            "PutRecords": {"Records": [{"Data": b"", "PartitionKey": "k"}]}}
    wrong = (
        ({"StreamARN": arn, "StreamName": "other"}, "InvalidArgumentException"),
        ({"StreamARN": arn + "x"}, "ResourceNotFoundException"),
        ({"StreamARN": arn + "/consumer/c:1"}, "ResourceNotFoundException"),
        ({"StreamARN": arn.replace("us-east-1", "eu-west-1")}, "ResourceNotFoundException"),
        ({"StreamARN": arn.replace("0" * 12, "1" * 12)}, "ResourceNotFoundException"),
        ({"StreamARN": arn, "StreamName": ""}, "ValidationException"),
        ({"StreamARN": ""}, "ValidationException"),
        ({"StreamARN": "arn:aws:kinesis:us-east-1:0:stream/" + name}, "ValidationException"),
        ({"StreamARN": arn[:-len(name)] + "x" * 129}, "ResourceNotFoundException"),
        ({}, "InvalidArgumentException"),
    )
    before = len(read_all(kinesis, name))
    for operation, members in puts.items():
        texts = json.loads(json.dumps(members, default=lambda data: ""))
        for named in ({"StreamName": name}, {"StreamARN": arn}, {"StreamARN": arn, "StreamName": name}):
            assert kinesis.call(operation, {**named, **members})
            assert kinesis.call_json(operation, {**texts, **named})
        for named, error in wrong:
            assert kinesis.fail(operation, encode({**named, **members}))[1]["__type"] == error, named
            body = kinesis.post(operation, json.dumps({**texts, **named}), JSON)[1]
            assert json.loads(body)["__type"] == error, named
    assert len(read_all(kinesis, name)) == before + 12


def test_errors_are_maps(kinesis):
    status, error = kinesis.fail("DescribeStream", encode({"StreamName": "none"}))
    assert status == 400
    assert error == {"__type": "ResourceNotFoundException",
                     "message": "Stream none under account 000000000000 not found."}
    status, error = kinesis.fail("PutRecord", encode({"StreamName": "none", "Data": "AAAA",
                                                      "PartitionKey": "k"}))
    assert error == {"__type": "SerializationException",
                     "Message": "STRING_VALUE can not be converted to a Blob"}
    status, error = kinesis.fail("PutRecord", encode({"StreamName": b"none", "Data": b"",
                                                      "PartitionKey": "k"}))
    assert error["Message"] == "BYTES_VALUE can not be converted to a String"
    status, error = kinesis.fail("PutRecord", encode({"StreamName": "a" * 129, "Data": b"",
                                                      "PartitionKey": ""}))
    assert error["__type"] == "ValidationException"
    assert error["message"].startswith("2 validation errors detected: ")
    assert kinesis.fail("PutRecord", b"") == (400, {"__type": "SerializationException"})
    status, error = kinesis.fail("NoSuchOperation", encode({}))
    assert (status, error["__type"]) == (400, "UnknownOperationException")


HOSTILE = {
    "nested lists": b"\x81" * 100_000,
    "nested open lists": b"\x9f" * 100_000,
    "nested maps": b"\xa1\x61a" * 100_000,
    "list of 2^64-1": b"\xa1\x67Records\x9b" + b"\xff" * 8,
    "list of 2^32": b"\xa1\x67Records\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
    "map of 2^64-1": b"\xbb" + b"\xff" * 8,
    "bytes of 2^64-1": b"\xa1\x64Data\x5b" + b"\xff" * 8,
    "text of 2^63": b"\xa1\x6aStreamName\x7b\x80" + b"\x00" * 7,
    "open text with bytes in it": b"\xa1\x6aStreamName\x7f\x41a\xff",
    "open text in open text": b"\xa1\x6aStreamName\x7f\x7f\x61a\xff\xff",
    "open text without end": b"\xa1\x6aStreamName\x7f" + b"\x61a" * 1000,
    "reserved length 28": b"\x1c",
    "reserved length 30": b"\xa1\x61a\x3e",
    "break alone": b"\xff",
    "break for a value": b"\xbf\x61a\xff",
    "bignum": b"\xa1\x61a\xc2\x42\x01\x00",
    "unknown tag": b"\xa1\x61a\xd9\xd9\xf7\x01",
    "tag in tag": b"\xa1\x61a\xc1\xc1\x01",
    "tag without end": b"\xa1\x61a\xdf",
    "a name twice": encode(Pairs([("StreamName", "a"), ("StreamName", "b")])),
    "a member twice": encode({"StreamName": "cbor", "Records": [
        Pairs([("Data", b"1"), ("PartitionKey", "k"), ("Data", b"2")])]}),
    "names that are numbers": encode(Pairs([(1, 2)])),
    "names that are bytes": encode(Pairs([(b"StreamName", "a")])),
    "trailing bytes": encode({"StreamName": "cbor"}) + b"\x00",
    "two documents": encode({}) * 2,
    "text not UTF-8": b"\xa1\x6aStreamName\x62\xc3\x28",
    "name not UTF-8": b"\xa1\x61\xff\x01",
    "simple value": b"\xa1\x61a\xf8\xff",
    "list at the root": encode(["StreamName"]),
    "null at the root": b"\xf6",
    "cut off": encode({"StreamName": "cbor", "Records": [{"Data": b"x" * 100}]})[:-50],
    "JSON": b'{"StreamName":"cbor"}',
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("operation", ["PutRecords", "PutRecord", "DescribeStream"])
def test_hostile_bodies(kinesis, name, operation, what):
    status, error = kinesis.fail(operation, HOSTILE[what])
    assert (status, error) == (400, {"__type": "SerializationException"})
    assert kinesis.call("DescribeLimits", {})["ShardLimit"] > 0  # The connection lives.


@pytest.mark.parametrize("content_type, body", [
    (CBOR, b"\x9f" + b"\x80" * (15 << 20) + b"\xff"),
    (JSON, b"[" + b"[]," * (5 << 20) + b"[]]"),
], ids=["CBOR", "JSON"])
def test_values_of_a_request_are_bounded(leat, kinesis, content_type, body):
    def peak_kib():
        with open(f"/proc/{leat.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    before = peak_kib()
    answer, text = kinesis.post("PutRecords", body, content_type)
    assert answer.status == 400 and b"SerializationException" in text
    assert peak_kib() - before < 120 << 10


def test_large_batches(kinesis, name):
    """10 MiB of data: not larger on the wire than 10 MiB and its keys."""
    records = [{"Data": os.urandom(20_000), "PartitionKey": "k" * 10} for _ in range(500)]
    before = len(read_all(kinesis, name))
    got = kinesis.call("PutRecords", {"StreamName": name, "Records": records}, True)
    assert got["FailedRecordCount"] == 0 and len(got["Records"]) == 500
    stored = read_all(kinesis, name)[before:]
    assert [r["Data"] for r in stored] == [r["Data"] for r in records]
    body = encode({"StreamName": name, "Records": records + records[:1]})
    status, error = kinesis.fail("PutRecords", body)
    assert (status, error["__type"]) == (400, "ValidationException")
    large = [{"Data": bytes(1 << 20), "PartitionKey": "k"}] * 11
    status, error = kinesis.fail("PutRecords", encode({"StreamName": name, "Records": large}))
    assert (status, error["__type"]) == (400, "InvalidArgumentException")
