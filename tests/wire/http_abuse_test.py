"""Requests that are well framed and yet ask for harm: odd paths, upgrades, puts that are cut, broken chunks."""

import base64
import json
import socket
import struct
import uuid

import pytest

from conftest import make_client
from http_hostile_test import GET, POST, connect, read_all, refused, statuses, talk

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CR_ALONE = {
    "behind the header": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\rX",
    "behind the header of a body": POST + b"Content-Length: 2\r\n\rX{}",
    "before chunks": CHUNKED[:-1] + b"X2\r\n{}\r\n0\r\n\r\n",
    "behind a size": CHUNKED + b"2\rX{}\r\n0\r\n\r\n",
    "behind an extension": CHUNKED + b"2;a\rX{}\r\n0\r\n\r\n",
    "behind a chunk": CHUNKED + b"2\r\n{}\rX0\r\n\r\n",
    "behind a trailer": CHUNKED + b"2\r\n{}\r\n0\r\nA: b\rX\r\n\r\n",
    "at the end": CHUNKED + b"2\r\n{}\r\n0\r\n\rX",
    "in the line": b"GET /health HTTP/1.1\rXHost: localhost\r\n\r\n",
    "in a field": b"GET /health HTTP/1.1\r\nHost: localhost\rXA: b\r\n\r\n",
}


@pytest.mark.parametrize("data", CR_ALONE.values(), ids=CR_ALONE.keys())
def test_a_byte_is_not_taken_for_a_line_feed(leat, data):
    refused(leat, data)


@pytest.mark.parametrize("data", [
    CHUNKED + b"80000000\r\n",
    CHUNKED + b"2;" + b"x" * 40000 + b"\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"2;x=\n\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"2;x=\"\0\"\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"2\r\n{}\r\n0\r\nXX\r\n\r\n",
    CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
], ids=["size", "extension", "LF in it", "NUL in it", "trailer", "blank", "blank behind", "no size"])
def test_chunks_in_doubt(leat, data):
    refused(leat, data, 400, 413, 431)


@pytest.mark.parametrize("cut", [b"2\r\n{}\r\n0\r\n", b"2\r\n{}\r\n0", b"2\r\n{}", b"2\r\n{", b"2\r"])
def test_a_body_that_is_cut_off_is_no_request(leat, cut):
    """The client stops in the middle: no answer, for there was no request."""
    assert talk(leat, CHUNKED + cut) == b""


PATHS = {
    "/%zz": 400, "/%": 400, "/%0": 400, "/a%00b": 400, "/a b": 400, "/bucket/%00": 400,
    "/%2e%2e/%2e%2e/etc/passwd": 404, "/%252e%252e/x": 404, "/..%5c..": 404, "/%c0%af": 404, "//health": 404,
    "/health%2f..": 404, "/%68ealth": 404, "/health/../metrics": 404,
    "/_leat/%00": 404, "/_leat/%2e%2e/%2e%2e/etc/passwd": 404, "/_leat/%252e%252e/": 404, "/_leat/..%5c..": 404,
    "/_leat//": 404, "/_leat/api/streams/%zz/tail": 404, "/_leat/api/streams/a%00b/tail": 404,
    "/_leat/api/streams/..%2f..%2fx/tail": 404,
}


@pytest.mark.parametrize("path", PATHS)
def test_odd_paths(leat, path):
    """Each is decoded once at most, and means nothing but itself."""
    answer = talk(leat, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", is_last=False)
    assert int(answer[9:12]) == PATHS[path], answer
    assert b"root:" not in answer
    assert statuses(talk(leat, GET)) == [200]


def test_keys_are_decoded_once(leat):
    s3 = make_client(leat, "s3")
    s3.create_bucket(Bucket="odd-keys")
    keys = ["../x", "a/../../b", "%2e%2e", "%252e", "a\\b", "a+b c"]
    for key in keys:
        s3.put_object(Bucket="odd-keys", Key=key, Body=key.encode())
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="odd-keys")["Contents"]] == sorted(keys)
    assert [s3.get_object(Bucket="odd-keys", Key=key)["Body"].read().decode() for key in keys] == keys


@pytest.mark.parametrize("origin, status", [("http://evil.com", 403), (None, 200), ("null", 403)])
def test_no_web_sockets(leat, origin, status):
    """There are none: the request is answered as if it had not asked to upgrade, and other sites are refused."""
    ask = GET[:-2] + (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                      b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    ask += f"Origin: {origin}\r\n".encode() if origin else b""
    assert statuses(talk(leat, ask + b"\r\n")) == [status]


def reset(sock):
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_put_that_is_cut_is_whole_or_absent(leat):
    """After each so many bytes the client goes: by RST, or by closing its half."""
    kinesis = make_client(leat, "kinesis")
    name = f"cut-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    put = POST.replace(b"ListStreams", b"PutRecords")
    sent = 0
    for at in (-1, -2, -500, -5000, 30, None):
        for leave in (reset, lambda sock: (sock.shutdown(socket.SHUT_WR), read_all(sock), sock.close())):
            data = base64.b64encode(b"%d" % sent).decode()
            records = [{"Data": data, "PartitionKey": "k" * 200} for _ in range(50)]
            body = json.dumps({"StreamName": name, "Records": records}).encode()
            request = put + b"Content-Length: %d\r\n\r\n" % len(body) + body
            sock = connect(leat)
            sock.sendall(request[:at])
            leave(sock)
            sent += 1
    it = kinesis.get_shard_iterator(StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=it["ShardIterator"])["Records"]
    found = {number: [r["Data"] for r in records].count(b"%d" % number) for number in range(sent)}
    assert all(count in (0, 50) for count in found.values())
    assert [found[number] for number in range(sent - 2)] == [0] * (sent - 2)  # None of these was whole.
    assert found[sent - 1] == 50  # This one's answer was waited for.
