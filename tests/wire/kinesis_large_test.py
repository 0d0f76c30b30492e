"""GetRecords of many megabytes, which are sent while the client takes them: over HTTP/1.1 and HTTP/2, plain and within TLS."""

import base64
import http.client
import json
import random
import re
import socket
import ssl
import struct
import time
from pathlib import Path

import pytest

import leat_server
from amz_cbor import decode, encode
from http2_hostile_test import (DATA, END_HEADERS, END_STREAM, HEADERS, RST, SIGNED, WINDOW,
                                Connection, field, frame, text)

RECORDS, SLOW_CLIENTS = 12000, 16
TARGET = "Kinesis_20131202."
SHARD = "shardId-000000000000"


class Kinesis:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def post(self, operation, body, form="json"):
        self.connection.request("POST", "/", body, headers(operation, form))
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content[:300]
        return content

    def call(self, operation, **members):
        content = self.post(operation, json.dumps(members))
        return json.loads(content) if content else {}

    def iterator(self, stream="large"):
        return self.call("GetShardIterator", StreamName=stream, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]


def headers(operation, form):
    return {"X-Amz-Target": TARGET + operation, "Content-Type": f"application/x-amz-{form}-1.1", "Authorization": SIGNED.decode()}


@pytest.fixture(scope="module")
def server():
    server = leat_server.Server(args=["--tls-port", "0"]).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def wanted(server):
    """What was put into the stream, in order: key and data."""
    draw = random.Random(1)
    kinesis = Kinesis(server)
    kinesis.call("CreateStream", StreamName="large", ShardCount=1)
    keys = ['"quoted\\"', "\x01\n\x1f", "ü€😀", "k" * 256, '"' * 256]
    records = []
    while len(records) < RECORDS:
        batch = [(draw.choice(keys) if draw.random() < 0.1 else f"key-{i}", draw.randbytes(900 + draw.randrange(200)))
                 for i in range(400)]
        kinesis.call("PutRecords", StreamName="large",
                     Records=[{"PartitionKey": key, "Data": base64.b64encode(data).decode()} for key, data in batch])
        records += batch
    return records


def request_body(server, form):
    members = {"ShardIterator": Kinesis(server).iterator(), "Limit": 10000}
    return encode(members) if form == "cbor" else json.dumps(members).encode()


def rows(content, form):
    answer = decode(content) if form == "cbor" else json.loads(content)
    assert set(answer) == {"Records", "NextShardIterator", "MillisBehindLatest"}
    return [(row["PartitionKey"], row["Data"] if form == "cbor" else base64.b64decode(row["Data"])) for row in answer["Records"]]


def assert_rows(content, form, wanted):
    got = rows(content, form)
    assert len(got) > 9000 and len(content) > 8 << 20
    assert got == wanted[:len(got)]


def ask(sock, server, form="json"):
    body = request_body(server, form)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers("GetRecords", form).items())
    sock.sendall(f"POST / HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def open_socket(server, is_tls):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", server.tls_port if is_tls else server.port))
    if is_tls:
        context = ssl.create_default_context(cafile=str(Path(server.data) / "tls" / "cert.pem"))
        context.set_alpn_protocols(["http/1.1"])
        sock = context.wrap_socket(sock, server_hostname="localhost")
    return sock


def take_answer(sock):
    """The body, exactly as long as its header says."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += sock.recv(4096)
    head, got = got.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    pieces, left = [got], length - len(got)
    while left > 0:
        pieces.append(sock.recv(min(left, 1 << 20)))
        assert pieces[-1], f"{left} bytes are missing"
        left -= len(pieces[-1])
    return b"".join(pieces)


def is_quiet(sock):
    """Nothing follows the answer."""
    sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sock.recv(1)


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10


@pytest.mark.parametrize("form", ["json", "cbor"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_it_is_what_was_put_and_as_long_as_announced(server, wanted, is_tls, form):
    with open_socket(server, is_tls) as sock:
        for _ in range(2):  # The connection is good for the next one.
            ask(sock, server, form)
            assert_rows(take_answer(sock), form, wanted)
        is_quiet(sock)


def test_large_and_small_answers_are_the_same(server, wanted):
    """Byte by byte: a page as a whole, and record by record."""
    kinesis = Kinesis(server)
    whole = kinesis.post("GetRecords", json.dumps({"ShardIterator": kinesis.iterator(), "Limit": 300})).split(b"],")[0]
    assert len(whole) > 300 * 1200
    ones, iterator = [], kinesis.iterator()
    for _ in range(300):
        one = kinesis.post("GetRecords", json.dumps({"ShardIterator": iterator, "Limit": 1}))
        ones.append(one.split(b"],")[0].removeprefix(b'{"Records":['))
        iterator = json.loads(one)["NextShardIterator"]
    assert whole == b'{"Records":[' + b",".join(ones)


def test_clients_that_do_not_read(server, wanted):
    before = resident(server)
    socks = [open_socket(server, i % 2 == 1) for i in range(SLOW_CLIENTS)]
    for sock in socks:
        ask(sock, server)
    time.sleep(1)
    held = resident(server) - before
    assert held < SLOW_CLIENTS * 4 << 20, f"{held >> 20} MiB for {SLOW_CLIENTS} clients"
    assert Kinesis(server).call("ListStreams")["StreamNames"] == ["large"]  # Others go on.
    for sock in socks:
        assert_rows(take_answer(sock), "json", wanted)
        sock.close()


def test_clients_that_leave_in_the_middle(server, wanted):
    for i in range(40):
        with open_socket(server, i % 2 == 1) as sock:
            ask(sock, server, "cbor" if i % 4 < 2 else "json")
            for _ in range(i % 5):
                sock.recv(50000)
    content = Kinesis(server).post("GetRecords", request_body(server, "json"))
    assert_rows(content, "json", wanted)


# --- HTTP/2 --------------------------------------------------------------------------------------


def post_h2():
    return (b"\x83\x86\x84\x41" + text(b"localhost") + field(b"authorization", SIGNED)
            + field(b"x-amz-target", b"Kinesis_20131202.GetRecords")
            + field(b"content-type", b"application/x-amz-json-1.1"))


def ask_h2(connection, server, stream):
    body = request_body(server, "json")
    connection.send(frame(HEADERS, END_HEADERS, stream, post_h2()) + frame(DATA, END_STREAM, stream, body))


def window(stream, bytes):
    return frame(WINDOW, 0, stream, struct.pack(">I", bytes))


@pytest.mark.parametrize("is_tls", [False, True], ids=["h2c", "TLS"])
def test_windows_of_http2(server, wanted, is_tls):
    """Of any size: what was allowed comes, and no more; another stream, whose window stays shut, waits."""
    draw = random.Random(2)
    connection = Connection(server, is_tls)
    connection.send(window(0, 1 << 30))
    ask_h2(connection, server, 1)
    ask_h2(connection, server, 3)
    got, allowed = {1: [], 3: []}, {1: 65535, 3: 65535}
    size = {1: 0, 3: 0}
    for kind, flags, stream, payload in connection.frames():
        assert kind != RST
        if kind != DATA:
            continue
        got[stream].append(payload)
        size[stream] += len(payload)
        assert size[stream] <= allowed[stream]
        if flags & END_STREAM:
            assert_rows(b"".join(got[stream]), "json", wanted)
            if stream == 3:
                break
            allowed[3] += 1 << 28
            connection.send(window(3, 1 << 28))
        elif stream == 1 and size[1] == allowed[1]:
            more = draw.choice([1, 7, 16384, 16385, 1 << 17, 3 << 20])
            allowed[1] += more
            connection.send(window(1, more))
    assert size[3] > 8 << 20
    connection.socket.close()


@pytest.mark.parametrize("is_tls", [False, True], ids=["h2c", "TLS"])
def test_streams_of_http2_that_are_reset(server, wanted, is_tls):
    connection = Connection(server, is_tls, settings=struct.pack(">HI", 4, 1 << 20))
    connection.send(window(0, 1 << 30))
    for stream in range(1, 41, 2):
        ask_h2(connection, server, stream)
        for kind, _, id, _ in connection.frames():
            if kind == DATA and id == stream:
                break
        connection.send(frame(RST, 0, stream, struct.pack(">I", 8 if stream % 4 == 1 else 0)))
    ask_h2(connection, server, 41)
    connection.send(window(41, 1 << 28))
    how, content = connection.answer(41)
    assert how == "END"
    assert_rows(content, "json", wanted)
    connection.socket.close()
