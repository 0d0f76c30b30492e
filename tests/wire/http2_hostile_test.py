"""Hostile HTTP/2 in frames made by hand, in plain (h2c) and within TLS."""

import socket
import ssl
import struct
import time
from pathlib import Path

import pytest

import leat_server

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CALM, PROTOCOL, COMPRESSION, FLOW, SIZE, STREAM_CLOSED = 11, 1, 9, 3, 6, 5
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SIGNED = (b"AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, "
          b"SignedHeaders=host, Signature=00")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    """HPACK's string, without Huffman."""
    length = len(value)
    if length < 127:
        return bytes([length]) + value
    out, length = b"\x7f", length - 127
    while length >= 128:
        out, length = out + bytes([length & 127 | 128]), length >> 7
    return out + bytes([length]) + value


def field(name, value):
    return b"\x00" + text(name) + text(value)


GET = b"\x82\x86" + b"\x04" + text(b"/health") + b"\x41" + text(b"localhost")
POST = (b"\x83\x86\x84\x41" + text(b"localhost") + field(b"authorization", SIGNED)
        + field(b"x-amz-target", b"Kinesis_20131202.ListStreams")
        + field(b"content-type", b"application/x-amz-json-1.1"))


@pytest.fixture(scope="module")
def server():
    server = leat_server.Server(args=["--tls-port", "0"]).start()
    yield server
    server.stop()


class Connection:
    def __init__(self, server, is_tls, settings=b""):
        port = server.tls_port if is_tls else server.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if is_tls:
            context = ssl.create_default_context(cafile=str(Path(server.data) / "tls" / "cert.pem"))
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data):
        """False when the server has hung up already."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def frames(self):
        """Until the end of the connection."""
        while True:
            while len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + length:
                    break
                head, payload = self.buffer[:9], self.buffer[9:9 + length]
                self.buffer = self.buffer[9 + length:]
                yield head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload
            try:
                piece = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                return
            if not piece:
                return
            self.buffer += piece

    def ending(self):
        """Code of the GOAWAY with which it ends; None when there was none."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
        return code

    def answer(self, stream):
        """("END", body) or ("RST", code)."""
        body = b""
        for kind, flags, id, payload in self.frames():
            if id == stream and kind == RST:
                return "RST", int.from_bytes(payload, "big")
            if id == stream and kind == DATA:
                body += payload
            if id == stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                return "END", body
        return "GONE", body


@pytest.fixture(params=[False, True], ids=["h2c", "TLS"])
def open_h2(request, server):
    def is_alive():
        connection = Connection(server, request.param)
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET))
        how, body = connection.answer(1)
        connection.socket.close()
        return how == "END" and b'"running"' in body

    def make(**more):
        return Connection(server, request.param, **more)
    make.server = server
    yield make
    assert is_alive()


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def test_a_request(open_h2):
    connection = open_h2()
    connection.send(frame(HEADERS, END_HEADERS, 1, POST) + frame(DATA, END_STREAM, 1, b"{}"))
    how, body = connection.answer(1)
    assert how == "END" and b"StreamNames" in body


def test_rapid_reset(open_h2):
    """CVE-2023-44487: streams that are opened and reset at once."""
    connection = open_h2()
    before = resident(open_h2.server)
    sent = 0
    for start in range(1, 40_001, 400):
        sent += connection.send(b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM, id, GET) + frame(RST, 0, id, bytes(4))
            for id in range(start, start + 400, 2)))
    assert connection.ending() in (CALM, None)
    assert resident(open_h2.server) - before < 32 << 10


def test_few_resets_are_fine(open_h2):
    connection = open_h2()
    for id in range(1, 101, 2):
        connection.send(frame(HEADERS, END_HEADERS, id, POST) + frame(RST, 0, id, struct.pack(">I", 8)))
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 101, GET))
    assert connection.answer(101)[0] == "END"


def test_continuation_flood(open_h2):
    """CVE-2024-28182: a header that never ends."""
    connection = open_h2()
    before = resident(open_h2.server)
    connection.send(frame(HEADERS, 0, 1, GET))
    for _ in range(2000):
        if not connection.send(frame(CONTINUATION, 0, 1, b"") * 50 + frame(CONTINUATION, 0, 1, field(b"a", b"b" * 100))):
            break
    connection.ending()  # It has ended.
    assert resident(open_h2.server) - before < 32 << 10


@pytest.mark.parametrize("flood", [
    frame(PING, payload=bytes(8)), frame(SETTINGS), frame(SETTINGS, payload=bytes.fromhex("000400010000") * 10),
    frame(PRIORITY, 0, 3, bytes(4) + b"\x10")], ids=["PING", "SETTINGS", "full SETTINGS", "PRIORITY"])
def test_floods_of_frames_that_ask_for_nothing(open_h2, flood):
    connection = open_h2()
    for _ in range(300):
        if not connection.send(flood * 100):
            break
    assert connection.ending() in (CALM, None)


def test_empty_data_flood(open_h2):
    """CVE-2019-9518."""
    connection = open_h2()
    connection.send(frame(HEADERS, END_HEADERS, 1, POST))
    for _ in range(300):
        if not connection.send(frame(DATA, 0, 1) * 100):
            break
    assert connection.ending() in (CALM, None)


def test_hpack_bomb(open_h2):
    """A large field in the table, then named many thousand times by one byte each."""
    connection = open_h2()
    before = resident(open_h2.server)
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET + b"\x40" + text(b"x") + text(b"y" * 3900)))
    for id in range(3, 203, 2):
        if not connection.send(frame(HEADERS, END_HEADERS | END_STREAM, id, GET + b"\xbe" * 16000)):
            break
    connection.socket.settimeout(3)
    try:
        list(connection.frames())
    except TimeoutError:
        pass
    assert resident(open_h2.server) - before < 32 << 10


def test_header_limits(open_h2):
    connection = open_h2()
    many = b"".join(field(b"x%d" % i, b"y") for i in range(101))
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET + many))
    assert connection.answer(1) == ("END", b"Request Header Fields Too Large")
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, GET))
    assert connection.answer(3)[0] == "END"


WRONG = {
    "stream used again": frame(HEADERS, END_HEADERS | END_STREAM, 5, GET) * 2,
    "stream of the server": frame(HEADERS, END_HEADERS | END_STREAM, 2, GET),
    "HEADERS on stream 0": frame(HEADERS, END_HEADERS, 0, GET),
    "DATA on an idle stream": frame(DATA, 0, 7, b"x"),
    "RST of an idle stream": frame(RST, 0, 9, bytes(4)),
    "PUSH_PROMISE of a client": frame(PUSH, END_HEADERS, 1, bytes(4) + GET),
    "WINDOW_UPDATE by 0": frame(WINDOW, 0, 0, bytes(4)),
    "window over 2^31-1": frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "initial window 2^31": frame(SETTINGS, payload=bytes.fromhex("000480000000")),
    "max frame size of 1": frame(SETTINGS, payload=bytes.fromhex("000500000001")),
    "SETTINGS of 5 bytes": frame(SETTINGS, payload=bytes(5)),
    "SETTINGS ACK with payload": frame(SETTINGS, ACK, payload=bytes(6)),
    "PING of 7 bytes": frame(PING, payload=bytes(7)),
    "frame over 16 KiB": frame(DATA, 0, 1, bytes(16385)),
    "broken HPACK": frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" * 8),
    "padding longer than the frame": frame(HEADERS, 8 | END_HEADERS, 1, b"\xff" + GET),
    "CONTINUATION of nothing": frame(CONTINUATION, END_HEADERS, 1, GET),
    "another frame within a header": frame(HEADERS, 0, 1, GET) + frame(PING, payload=bytes(8)),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_frames_end_the_connection(open_h2, what):
    connection = open_h2()
    connection.send(WRONG[what])
    assert connection.ending() not in (0, CALM), "a GOAWAY with a reason"


MALFORMED = {
    "no path": b"\x82\x86\x41" + text(b"localhost"),
    "two paths": GET + b"\x84",
    "upper-case name": GET + field(b"X-Upper", b"1"),
    "connection header": GET + field(b"connection", b"close"),
    "transfer-encoding": GET + field(b"transfer-encoding", b"chunked"),
    "pseudo field behind others": GET[:-1] + b"t" + field(b"a", b"b") + b"\x82",
    "unknown pseudo field": GET + field(b":what", b"1"),
    "te other than trailers": GET + field(b"te", b"gzip"),
    "NUL in a value": GET + field(b"x", b"a\0b"),
    "line end in a value": GET + field(b"x", b"a\r\nb"),
    "content-length of letters": GET + field(b"content-length", b"ten"),
    "content-length that lies": POST + field(b"content-length", b"100"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests_are_reset(open_h2, what):
    """Request smuggling through HTTP/2: none of it reaches a handler as a request."""
    connection = open_h2()
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, MALFORMED[what]))
    how, code = connection.answer(1)
    assert (how, code) == ("RST", PROTOCOL)
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, GET))
    assert connection.answer(3)[0] == "END"


def test_streams_of_the_past_are_not_opened(open_h2):
    connection = open_h2()
    for id in (5, 3, 7):
        connection.send(frame(HEADERS, END_HEADERS | END_STREAM, id, GET))
    answered = []
    for kind, _, id, _ in connection.frames():
        if kind == HEADERS:
            answered.append(id)
        if id == 7:
            break
    assert answered == [5, 7]


def test_more_streams_than_allowed(open_h2):
    connection = open_h2()
    connection.send(b"".join(frame(HEADERS, END_HEADERS, id, POST) for id in range(1, 301, 2)))
    refused = set()
    for kind, _, id, payload in connection.frames():
        if kind == RST:
            refused.add(id)
            assert payload == struct.pack(">I", 7)  # REFUSED_STREAM
        if len(refused) == 50:
            break
    assert refused == set(range(201, 301, 2))


@pytest.mark.slow
def test_an_idle_connection_lives_longer_than_a_header_may_take(open_h2):
    connection = open_h2()
    time.sleep(12)
    connection.send(frame(PING, payload=b"12345678"))
    assert any(kind == PING and flags == ACK for kind, flags, _, _ in connection.frames())


@pytest.mark.slow
def test_slow_headers_bodies_and_readers(server):
    """Each has its time limit on its own stream; others of the connection go on."""
    header = Connection(server, False)
    header.send(frame(HEADERS, 0, 1, GET))
    body = Connection(server, False)
    body.send(frame(HEADERS, END_HEADERS, 1, POST) + frame(DATA, 0, 1, b"{"))
    idle = Connection(server, True)
    reader = Connection(server, True, settings=bytes.fromhex("000400000000"))  # No window at all.
    reader.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET))
    started = time.monotonic()
    assert header.ending() is None and 8 < time.monotonic() - started < 15
    assert body.answer(1) == ("RST", CALM) and time.monotonic() - started < 25
    body.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, GET))
    assert body.answer(3)[0] == "END"
    idle.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET))
    assert idle.answer(1)[0] == "END"
    reader.socket.settimeout(45)
    assert reader.answer(1) == ("RST", CALM) and 25 < time.monotonic() - started < 45
