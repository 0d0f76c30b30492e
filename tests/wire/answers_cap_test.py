"""What answers hold that clients do not take: counted, bounded, and let go however the clients end."""

import base64
import json
import re
import socket
import struct
import time
import urllib.error
import urllib.request

import pytest
from botocore.config import Config

import conftest
import leat_server
from http2_hostile_test import DATA, END_HEADERS, END_STREAM, HEADERS, RST, SIGNED, Connection, field, frame, text
from kinesis_large_test import Kinesis, headers, open_socket, resident, take_answer

CAP = 32 << 20
RECORDS, RECORD_BYTES = 15000, 4096  # 60 MB: the log keeps the newest 16 MiB in memory.
LARGE_BYTES = 9 << 20
CLIENTS = 60
PATIENT = Config(retries={"max_attempts": 8, "mode": "standard"})
AT_ONCE = Config(retries={"max_attempts": 0}, read_timeout=20)


@pytest.fixture(scope="module")
def server():
    server = leat_server.Server(args=["--tls-port", "0"])
    server.environment = {"LEAT_ANSWER_BYTES": str(CAP)}
    server.start()
    kinesis = Kinesis(server)
    for stream in ("one", "old"):
        kinesis.call("CreateStream", StreamName=stream, ShardCount=1)
    kinesis.call("UpdateMaxRecordSize", StreamARN=kinesis.call("DescribeStreamSummary", StreamName="one")
                 ["StreamDescriptionSummary"]["StreamARN"], MaxRecordSizeInKiB=10240)
    kinesis.call("PutRecord", StreamName="one", PartitionKey="k", Data=base64.b64encode(b"l" * LARGE_BYTES).decode())
    records = [{"PartitionKey": "k", "Data": base64.b64encode(b"x" * RECORD_BYTES).decode()}] * 500
    for _ in range(RECORDS // 500):
        kinesis.call("PutRecords", StreamName="old", Records=records)
    items = conftest.make_client(server, "dynamodb")
    items.create_table(TableName="items", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
                       AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    for number in range(40):
        items.put_item(TableName="items", Item=item(number))
    yield server
    server.stop()


def item(number):
    return {"k": {"S": str(number)}, "v": {"S": "v" * 390000}}


def metric(server, name):
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=20) as answer:
        return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)[1])


def held(server):
    return metric(server, "leat_http_answers_held_bytes")


def wait(server, is_so, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so(held(server)):
        assert time.monotonic() < deadline, f"{held(server) / (1 << 20)} MiB are held"
        time.sleep(0.05)


@pytest.fixture
def clean(server):
    """Nothing is held before and after, and pages are as large as ever."""
    wait(server, lambda bytes: bytes == 0)
    yield server
    wait(server, lambda bytes: bytes == 0)
    answer = Kinesis(server).call("GetRecords", ShardIterator=Kinesis(server).iterator("old"))
    assert len(answer["Records"]) * RECORD_BYTES > 7 << 20  # A quarter of the cap, less than AWS's 10 MiB.


def request(service, target, body, form="x-amz-json-1.1"):
    signed = SIGNED.decode().replace("/kinesis/", f"/{service}/")
    return (f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {target}\r\nContent-Type: application/{form}\r\n"
            f"Authorization: {signed}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def get_records(server, stream="old"):
    return request("kinesis", "Kinesis_20131202.GetRecords", json.dumps({"ShardIterator": Kinesis(server).iterator(stream)}))


WIDE = {"StreamName": "wide"}
# Each has its figures in /metrics from then on.
ASKED = [("ListStreams", {}), ("DescribeLimits", {}), ("DescribeAccountSettings", {}), ("DescribeStream", WIDE),
         ("DescribeStreamSummary", WIDE), ("ListTagsForStream", WIDE), ("AddTagsToStream", {**WIDE, "Tags": {"k": "v"}}),
         ("RemoveTagsFromStream", {**WIDE, "TagKeys": ["k"]}),
         ("IncreaseStreamRetentionPeriod", {**WIDE, "RetentionPeriodHours": 48}),
         ("DecreaseStreamRetentionPeriod", {**WIDE, "RetentionPeriodHours": 24}),
         ("EnableEnhancedMonitoring", {**WIDE, "ShardLevelMetrics": ["ALL"]}),
         ("DisableEnhancedMonitoring", {**WIDE, "ShardLevelMetrics": ["ALL"]})]
MANY = json.dumps({"RequestItems": {"items": {"Keys": [{"k": {"S": str(number)}} for number in range(40)]}}})
BATCH_GET = request("dynamodb", "DynamoDB_20120810.BatchGetItem", MANY, "x-amz-json-1.0")  # 15 MB, built as a whole.


def slow_clients(server, question, count=CLIENTS):
    """They ask and do not read."""
    socks = [open_socket(server, i % 2 == 1) for i in range(count)]
    for sock in socks:
        sock.sendall(question(i) if callable(question) else question)
    return socks


def ask_h2(target, service=b"kinesis"):
    signed = SIGNED.replace(b"/kinesis/", b"/" + service + b"/")
    return (b"\x83\x86\x84\x41" + text(b"localhost") + field(b"authorization", signed) + field(b"x-amz-target", target)
            + field(b"content-type", b"application/x-amz-json-1.%d" % (service == b"kinesis")))


def shut_streams(server, is_tls=False, service=b"kinesis"):
    """A connection of a hundred streams whose windows are shut."""
    is_kinesis = service == b"kinesis"
    head = ask_h2(b"Kinesis_20131202.GetRecords" if is_kinesis else b"DynamoDB_20120810.Scan", service)
    body = json.dumps({"ShardIterator": Kinesis(server).iterator("old")} if is_kinesis else {"TableName": "items"}).encode()
    connection = Connection(server, is_tls, settings=struct.pack(">HI", 4, 0))
    for stream in range(1, 201, 2):
        connection.send(frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, body))
    wait(server, lambda bytes: bytes > CAP - (2 << 20))
    time.sleep(0.5)
    return connection


def fill(server):
    """By clients of HTTP/1.1; of small answers the kernel takes all."""
    socks = slow_clients(server, get_records(server))
    wait(server, lambda bytes: bytes > CAP // 2)
    time.sleep(0.5)
    return socks


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def close(sock):
    sock.close()


@pytest.mark.parametrize("leave", [close, reset])
def test_old_records(clean, leave):
    before = resident(clean)
    socks = fill(clean)
    assert held(clean) <= CAP + CLIENTS * (64 << 10)
    assert resident(clean) - before < 200 << 20  # 60 pages would be 600 MiB and more.
    # Others get pages, small ones, and go on with them.
    kinesis, count = Kinesis(clean), 0
    iterator = kinesis.iterator("old")
    for _ in range(20):
        answer = kinesis.call("GetRecords", ShardIterator=iterator)
        iterator, count = answer["NextShardIterator"], count + len(answer["Records"])
        assert 0 < len(answer["Records"]) <= 1000
    assert count >= 20 * 5
    assert kinesis.call("ListStreams")["StreamNames"] == ["old", "one"]
    # What cannot be small is refused, as AWS's SDKs try again.
    connection = shut_streams(clean)
    client = conftest.make_client(clean, "kinesis", config=AT_ONCE)
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.get_records(ShardIterator=kinesis.iterator("one"))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    for sock in [*socks, connection.socket]:
        leave(sock)
    client = conftest.make_client(clean, "kinesis", config=PATIENT)
    assert len(client.get_records(ShardIterator=kinesis.iterator("one"))["Records"][0]["Data"]) == LARGE_BYTES


def test_clients_that_take_it_late(clean):
    """Every page that was begun is whole, also where the client has said that it will ask no more."""
    socks = fill(clean)
    count = 0
    for sock in socks[::2]:
        sock.shutdown(socket.SHUT_WR)
    for sock in socks:
        answer = json.loads(take_answer(sock))
        assert "Records" in answer, answer
        records = answer["Records"]
        assert all(len(record["Data"]) == RECORD_BYTES // 3 * 4 + 4 for record in records) and records
        count += len(records)
        sock.close()
    assert count * RECORD_BYTES > CAP // 3


def test_recent_records_that_grow_old(clean):
    """Frames that the log kept in memory in any case are counted when it does no more."""
    kinesis = Kinesis(clean)
    records = [{"PartitionKey": "k", "Data": base64.b64encode(b"x" * RECORD_BYTES).decode()}] * 500
    kinesis.call("CreateStream", StreamName="new", ShardCount=1)
    socks, before = [], resident(clean)
    for _ in range(10):
        latest = kinesis.call("GetShardIterator", StreamName="new", ShardId="shardId-000000000000", ShardIteratorType="LATEST")
        for _ in range(4):
            kinesis.call("PutRecords", StreamName="new", Records=records)
        body = json.dumps({"ShardIterator": latest["ShardIterator"]})
        socks += slow_clients(clean, request("kinesis", "Kinesis_20131202.GetRecords", body), 4)
        time.sleep(0.2)
    for _ in range(10):
        kinesis.call("PutRecords", StreamName="new", Records=records)
    kinesis.call("DeleteStream", StreamName="new")
    assert CAP // 2 < held(clean) <= CAP + (20 << 20)
    assert resident(clean) - before < 200 << 20
    for sock in socks:
        sock.close()


def test_answers_of_other_services(clean):
    items = conftest.make_client(clean, "dynamodb", config=AT_ONCE)
    socks = slow_clients(clean, BATCH_GET, 20)
    wait(clean, lambda bytes: bytes > CAP - (4 << 20))
    assert held(clean) <= CAP
    with pytest.raises(items.exceptions.ClientError) as caught:
        items.batch_get_item(**json.loads(MANY))
    refused = caught.value.response
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 503 and refused["Error"]["Code"] == "ServiceUnavailable"
    assert metric(clean, "leat_http_busy_total") > 0
    # What has been changed is answered.
    assert items.put_item(TableName="items", Item=item(1), ReturnValues="ALL_OLD")["Attributes"] == item(1)
    assert items.get_item(TableName="items", Key={"k": {"S": "none"}})
    for sock in socks:
        sock.close()
    patient = conftest.make_client(clean, "dynamodb", config=PATIENT)
    assert len(patient.batch_get_item(**json.loads(MANY))["Responses"]["items"]) > 30


def test_errors_in_xml(clean):
    """S3 answers a list of long names as a whole."""
    objects = conftest.make_client(clean, "s3", config=AT_ONCE)
    objects.create_bucket(Bucket="many")
    for number in range(120):
        objects.put_object(Bucket="many", Key=f"{number:03}" + "n" * 900, Body=b"")
    connection = shut_streams(clean)
    with pytest.raises(objects.exceptions.ClientError) as caught:
        objects.list_objects_v2(Bucket="many")
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert objects.list_objects_v2(Bucket="many", MaxKeys=10)["KeyCount"] == 10
    connection.socket.close()
    patient = conftest.make_client(clean, "s3", config=PATIENT)
    assert patient.list_objects_v2(Bucket="many")["KeyCount"] == 120


def test_nothing_is_begun_when_small_ones_hold_twice_as_much(clean):
    """Lists of some 50 KB each, on connections of 100 streams: never refused by themselves."""
    kinesis, client = Kinesis(clean), conftest.make_client(clean, "kinesis", config=AT_ONCE)
    kinesis.call("CreateStream", StreamName="wide", ShardCount=220)
    for operation, members in ASKED:
        kinesis.call(operation, **members)
    body = b'{"StreamName":"wide"}'
    connections = []
    while held(clean) < 2 * CAP:  # What is looked at counts too, for a moment, and others are refused meanwhile.
        assert len(connections) < 64
        connection = Connection(clean, False, settings=struct.pack(">HI", 4, 0))
        connection.send(b"".join(frame(HEADERS, END_HEADERS, stream, ask_h2(b"Kinesis_20131202.ListShards"))
                                 + frame(DATA, END_STREAM, stream, body) for stream in range(1, 201, 2)))
        connections.append(connection)
        time.sleep(0.05)
    assert held(clean) < 2 * CAP + 64 * (64 << 10)
    with urllib.request.urlopen(f"{clean.endpoint}/metrics", timeout=20) as answer:
        assert len(answer.read()) > 64 << 10  # Not a small one, and yet there.
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.list_streams()
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    with urllib.request.urlopen(f"{clean.endpoint}/health", timeout=20) as answer:
        assert answer.status == 200
    for connection in connections:
        connection.socket.close()
    conftest.make_client(clean, "kinesis", config=PATIENT).delete_stream(StreamName="wide")


def test_pages_are_not_begun_when_answers_hold_three_times_as_much(clean):
    page = b"\x82\x86\x04" + text(b"/metrics") + b"\x41" + text(b"localhost")
    before, connections = resident(clean), []
    with pytest.raises(urllib.error.HTTPError) as caught:
        while True:
            assert held(clean) < 3 * CAP + 64 * (128 << 10)
            assert len(connections) < 64
            connection = Connection(clean, False, settings=struct.pack(">HI", 4, 0))
            connection.send(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, stream, page) for stream in range(1, 201, 2)))
            connections.append(connection)
            time.sleep(0.05)
    assert caught.value.code == 503
    assert resident(clean) - before < 300 << 20
    with urllib.request.urlopen(f"{clean.endpoint}/health", timeout=20) as answer:
        assert answer.status == 200
    for connection in connections:
        connection.socket.close()
    deadline = time.monotonic() + 60
    while not is_shown(clean):
        assert time.monotonic() < deadline


def is_shown(server):
    try:
        return held(server) >= 0
    except urllib.error.HTTPError:
        return False


def test_small_answers_count_too(clean):
    """Of some 5 KB each: 100 streams of 10,000 connections can hold as much as large ones."""
    kinesis = Kinesis(clean)
    body = json.dumps({"ShardIterator": kinesis.iterator("old"), "Limit": 1}).encode()
    connection = Connection(clean, False, settings=struct.pack(">HI", 4, 0))
    for stream in range(1, 201, 2):
        connection.send(frame(HEADERS, END_HEADERS, stream, ask_h2(b"Kinesis_20131202.GetRecords")) + frame(DATA, END_STREAM, stream, body))
    wait(clean, lambda bytes: bytes > 100 * 5000)
    connection.socket.close()


# --- HTTP/2 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_tls", [False, True], ids=["h2c", "TLS"])
@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("service", [b"kinesis", b"dynamodb"])
def test_streams_whose_windows_are_shut(clean, is_tls, end, service):
    before = resident(clean)
    connection = shut_streams(clean, is_tls, service)
    assert held(clean) <= CAP + 100 * (64 << 10)
    assert resident(clean) - before < 200 << 20
    assert "old" in Kinesis(clean).call("ListStreams")["StreamNames"]
    if end == "reset":
        for stream in range(1, 201, 2):
            connection.send(frame(RST, 0, stream, struct.pack(">I", 8)))
        wait(clean, lambda bytes: bytes == 0)
    connection.socket.close()


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_clients_that_are_timed_out(clean):
    """Open as they are, half of them half-closed, on HTTP/1.1 and HTTP/2: after 30 s nothing is held for them."""
    connection = Connection(clean, False, settings=struct.pack(">HI", 4, 0))
    for stream in range(1, 21, 2):
        connection.send(frame(HEADERS, END_HEADERS, stream, ask_h2(b"DynamoDB_20120810.Scan", b"dynamodb"))
                        + frame(DATA, END_STREAM, stream, b'{"TableName":"items"}'))
    socks = slow_clients(clean, BATCH_GET, 1) + fill(clean)
    for sock in socks[::2]:
        sock.shutdown(socket.SHUT_WR)
    wait(clean, lambda bytes: bytes == 0, 90)
    for sock in socks:
        sock.close()
    connection.socket.close()
