"""Hostile HTTP over raw sockets: framing, limits, pipelining, hosts and origins."""

import json
import shutil
import socket
import subprocess
import time

import pytest

import leat_server

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
TARGET = (
    b"X-Amz-Target: Kinesis_20131202.ListStreams\r\nContent-Type: application/x-amz-json-1.1\r\n"
    b"Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, "
    b"SignedHeaders=host, Signature=00\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n" + TARGET


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=15)


def read_all(sock):
    """Everything until the server closes, or b"" when it resets."""
    out = b""
    try:
        while piece := sock.recv(65536):
            out += piece
    except ConnectionResetError:
        pass
    return out


def talk(server, data, is_last=True):
    with connect(server) as sock:
        try:
            sock.sendall(data)
            if is_last:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass
        return read_all(sock)


def statuses(answer):
    """Status of each answer in a row of answers with Content-Length."""
    out = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        out.append(int(lines[0].split(b" ")[1]))
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        answer = rest[int(fields.get(b"content-length", 0)) :]
    return out


def refused(server, data, *wanted):
    """The first answer is a refusal, the connection closes, and the server lives on."""
    with connect(server) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = sock.recv(65536)
        assert statuses(answer) == [answer and int(answer[9:12])] and int(answer[9:12]) in (wanted or (400,)), answer
        assert b"Connection: close" in answer
        sock.sendall(GET)  # Nothing behind the refusal is looked at.
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert statuses(talk(server, GET)) == [200]


BODY = b"{}"
FRAMING = {
    "both lengths": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "plus": POST + b"Content-Length: +2\r\n\r\n{}",
    "hexadecimal": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "negative": POST + b"Content-Length: -1\r\n\r\n{}",
    "2^64": POST + b"Content-Length: 18446744073709551616\r\n\r\n{}",
    "2^64-1": POST + b"Content-Length: 18446744073709551615\r\n\r\n{}",
    "2^63": POST + b"Content-Length: 9223372036854775808\r\n\r\n{}",
    "empty length": POST + b"Content-Length: \r\n\r\n{}",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "coding before chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "empty coding": POST + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n",
    "empty coding before chunked": POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "chunked with VT": POST + b"Transfer-Encoding: Chunked\x0b\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": POST.replace(b"/1.1", b"/1.0", 1)
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET /health HTTP/1.1\nHost: localhost\n\n",
    "bare CR": b"GET /health HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    "folded line": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "blank before colon": b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "NUL in value": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "control in value": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\x01b\r\n\r\n",
    "NUL in name": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX\0: a\r\n\r\n",
    "empty name": b"GET /health HTTP/1.1\r\nHost: localhost\r\n: a\r\n\r\n",
    "chunk size over 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
    "chunk size 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size signed": POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "bare LF in chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
    "chunk without CRLF": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "other authority": b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no path": b"GET health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unknown method": b"FROBNICATE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "lower-case method": b"get /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/3.7": b"GET /health HTTP/3.7\r\nHost: localhost\r\n\r\n",
    "HTTP/2.0": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9 with fields": b"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "garbage": bytes(range(256)) * 4,
    "Redis": b"*1\r\n$4\r\nPING\r\n",
}


@pytest.mark.parametrize("data", FRAMING.values(), ids=FRAMING.keys())
def test_framing_in_doubt_is_400_and_close(leat, data):
    refused(leat, data)


def value(text):
    return b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + text + b"\r\n\r\n"


@pytest.mark.parametrize("place", range(0, 20, 3))
def test_control_characters_wherever_they_stand_in_a_value(leat, place):
    text = bytearray(b"01234567890123456789")
    for byte in (0x01, 0x08, 0x0B, 0x1F, 0x7F):
        text[place] = byte
        refused(leat, value(text))
    for byte in (b"\t", b" ", b"~", b"\x80", b"\xff"):
        text[place:place + 1] = byte
        assert statuses(talk(leat, value(text))) == [200]


def test_limits_of_line_and_header(leat):
    refused(leat, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    refused(leat, head + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431)
    refused(leat, head + b"".join(b"X%d: a\r\n" % i for i in range(101)) + b"\r\n", 431)
    refused(leat, head + b"".join(b"X%d: %s\r\n" % (i, b"a" * 1000) for i in range(40)) + b"\r\n", 431)
    assert statuses(talk(leat, head + b"".join(b"X%d: a\r\n" % i for i in range(99)) + b"\r\n")) == [200]


def test_connect_and_upgrade(leat):
    refused(leat, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 405, 400)
    upgrade = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert statuses(talk(leat, upgrade)) == [200]


def test_tls_on_the_plain_port_is_answered_by_closing(leat):
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(200)
    started = time.monotonic()
    talk(leat, hello, is_last=False)
    assert time.monotonic() - started < 3
    assert statuses(talk(leat, GET)) == [200]


def test_pipelined_answers_come_in_order(leat):
    one = POST + b"Content-Length: 2\r\n\r\n{}"
    bad = POST.replace(b"ListStreams", b"Nonsense") + b"Content-Length: 2\r\n\r\n{}"
    answer = talk(leat, (GET + one + bad) * 20)
    assert statuses(answer) == [200, 200, 400] * 20


def test_bytes_one_by_one(leat):
    with connect(leat) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nX: y\r\n\r\n":
            sock.send(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        assert statuses(read_all(sock)) == [200]


def test_trailers_change_nothing(leat):
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nHost: evil\r\nX-Amz-Target: a\r\n\r\n"
    assert statuses(talk(leat, chunked + GET)) == [200, 200]


def test_expect_continue(leat):
    with connect(leat) as sock:
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        sock.shutdown(socket.SHUT_WR)
        assert statuses(read_all(sock)) == [200]
    with connect(leat) as sock:  # Refused before the body is sent.
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_and_head(leat):
    body = b'{"ExclusiveStartStreamName":"a"%s}' % (b" " * (10 << 20))
    started = time.monotonic()
    answer = talk(leat, POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert statuses(answer) == [200] and time.monotonic() - started < 5
    head = talk(leat, GET.replace(b"GET", b"HEAD"))
    assert head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 0" not in head


def test_clients_that_go_away(leat):
    for data in (b"", b"G", GET[:-2], POST + b"Content-Length: 100\r\n\r\n{", GET * 50):
        for _ in range(10):
            with connect(leat) as sock:
                sock.sendall(data)
    assert statuses(talk(leat, GET)) == [200]


def test_a_header_that_never_ends_is_408(leat):
    with connect(leat) as sock:
        sock.sendall(GET[:-2])
        started = time.monotonic()
        assert read_all(sock).startswith(b"HTTP/1.1 408 ")
        assert 8 < time.monotonic() - started < 13


def ask(server, path, host="localhost", method="GET", **fields):
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return statuses(talk(server, head.encode() + b"\r\n"))


@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1.nip.io", "localhost.evil.com", "attacker.localhost",
                                  "169.254.169.254", "0.0.0.0", "[::2]"])
def test_other_host_names_reach_nothing_of_our_own(leat, host):
    for path in ("/", "/health", "/metrics", "/_leat/api/streams"):
        assert ask(leat, path, host)[0] in (403, 421), path


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_our_own_host_names(leat, host):
    assert ask(leat, "/health", host) == [200]
    assert ask(leat, "/health", f"{host}:{leat.port}") == [200]


def test_host_names_of_services(leat):
    """Those that the certificate names; leat's own paths are not for them."""
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, "
                               "SignedHeaders=host, Signature=00",
              "X_Amz_Target": "Kinesis_20131202.ListShards", "Content_Type": "application/x-amz-json-1.1",
              "Content_Length": 0}
    for host in ("kinesis.us-east-1.localhost", "kinesis.us-east-1.amazonaws.com", "host.docker.internal",
                 "localhost.localstack.cloud", "kinesis.localhost.localstack.cloud"):
        assert ask(leat, "/", host, method="POST", **signed) == [400], host  # No body, but no 421.
        assert ask(leat, "/", f"{host}:{leat.port}", method="POST", **signed) == [400], host
        assert ask(leat, "/health", host) == [421], host
    assert ask(leat, "/", "other.docker.internal", method="POST", **signed) == [421]


def test_other_sites_change_nothing(leat):
    for fields in (
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ):
        assert ask(leat, "/_leat/api/streams", method="POST", Content_Length=0, **fields) == [403], fields
    assert ask(leat, "/_leat/api/streams", Origin="http://localhost", Sec_Fetch_Site="same-origin") == [200]


def test_unsigned_requests_reach_no_service(leat):
    assert ask(leat, "/bucket/key") == [404]  # But for reading from S3.
    for method, path in (("PUT", "/bucket"), ("PUT", "/bucket/key"), ("DELETE", "/bucket"), ("POST", "/nothing")):
        assert ask(leat, path, method=method) == [403]
    for path in ("/../../etc/passwd", "/_leat/%2e%2e/%2e%2e/etc/passwd", "/_leat/..\\..\\etc"):
        assert ask(leat, path)[0] in (400, 403, 404)
    assert ask(leat, "/health", method="DELETE") == [405]


def test_http2_with_prior_knowledge(leat):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    command = [curl, "-s", "--http2-prior-knowledge", "-w", "%{http_code} %{http_version}", "-o"]
    out = subprocess.run([*command, "/dev/null", leat.endpoint + "/health"], capture_output=True, text=True)
    assert out.stdout == "200 2"
    out = subprocess.run([*command, "/dev/null", "-H", "Host: evil.com", leat.endpoint + "/health"],
                         capture_output=True, text=True)
    assert out.stdout.startswith("421 ")


def test_hostile_http2(leat):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = bytes.fromhex("000000040000000000")
    for frame in (
        bytes.fromhex("ffffff000000000001"),  # DATA larger than any frame may be.
        bytes.fromhex("000004080000000000") + bytes(4),  # WINDOW_UPDATE by nothing.
        bytes.fromhex("000005010500000001") + b"\xff" * 5,  # No HPACK.
        bytes.fromhex("000000090000000001"),  # CONTINUATION of nothing.
        bytes.fromhex("000001000100000000") + b"x",  # DATA on stream 0.
    ):
        talk(leat, preface + settings + frame, is_last=False)
    assert statuses(talk(leat, GET)) == [200]


def test_it_stops_with_connections_open():
    server = leat_server.Server().start()
    idle, half = connect(server), connect(server)
    half.sendall(POST + b"Content-Length: 100\r\n\r\n{")
    time.sleep(0.1)
    started = time.monotonic()
    server.stop()  # Asserts that it ends with 0.
    assert time.monotonic() - started < 6
    idle.close()
    half.close()


def test_the_second_server_says_who_is_there(leat, tmp_path):
    for arguments in (["--data", leat.data, "--port", "0"], ["--data", str(tmp_path), "--port", str(leat.port)]):
        got = subprocess.run([leat_server.BINARY, "start", *arguments], capture_output=True, text=True, timeout=10)
        assert got.returncode == 75, got
        assert "another process" in got.stderr or f"{leat.process.pid}" in got.stderr, got.stderr


def test_any_address_of_loopback_is_our_own(leat):
    for host in "127.0.0.2", "127.255.255.254:4566", "127.0.0.1:80":
        assert ask(leat, "/health", host) == [200], host
    for host in ("127.0.0.2.example.com", "127.0.0.example", "127.0.0.1.", "127.0.0", "127.0.0.1.1", "127.0.0.256", "127..0.1", "127.0.0.-1",
                 "128.0.0.1", "127.0.0.1@example.com", "127.0.0.1 .example.com"):
        assert ask(leat, "/health", host)[0] in (400, 421), host
