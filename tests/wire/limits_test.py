"""Every limit of docs/limits.md, "The endpoint": held at the limit, answered as the page says one past it."""

import gzip
import re
import socket
import struct
import time
import urllib.request

import pytest

import conftest
import http2_hostile_test
import kinesis_fanout_hostile_test
import kinesis_fanout_test
import leat_server
import tls_test
from http2_hostile_test import frame
from http_hostile_test import POST, connect, read_all, statuses, talk

HOST = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
TARGET_BYTES = 8 << 10
HEADER_BYTES = 32 << 10
FIELDS = 100
END = http2_hostile_test.END_STREAM | http2_hostile_test.END_HEADERS
FORM_SIGNED = (b"Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/sts/aws4_request, "
               b"SignedHeaders=host, Signature=00\r\n")
COVERED = {}


def covers(limit):
    """Marks the test of one row of the page."""

    def mark(test):
        COVERED[limit] = test
        return test

    return mark


@covers("request target")
def test_request_target(leat):
    for past, status in ((0, 200), (1, 414)):
        target = b"/health?" + b"a" * (TARGET_BYTES + past - len(b"/health?"))
        assert statuses(talk(leat, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")) == [status], past


@covers("header: names and values of all fields")
def test_header(leat):
    for past, status in ((0, 200), (1, 431)):
        room = HEADER_BYTES + past - len(b"HostlocalhostX")
        answer = talk(leat, b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * room + b"\r\n\r\n")
        assert statuses(answer) == [status], past


@covers("header fields")
def test_header_fields(leat):
    for past, status in ((0, 200), (1, 431)):
        fields = b"".join(b"X%d: a\r\n" % i for i in range(FIELDS - 1 + past))
        assert statuses(talk(leat, b"GET /health HTTP/1.1\r\n" + HOST + fields + b"\r\n")) == [status], past


CHUNKED = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


@covers("chunk extensions and trailers of a request, together")
def test_what_is_read_over(leat):
    room = HEADER_BYTES - len(b"x") - 2 - len(b"X") - 2  # Two bytes for what stands between.
    for past, status in ((0, 200), (1, 431)):
        for extension, trailer in ((1, room - 1 + past), (room - 1 + past, 1)):
            data = b"2;x" + b"e" * extension + b"\r\n{}\r\n0\r\nX: " + b"t" * trailer + b"\r\n\r\n"
            assert statuses(talk(leat, CHUNKED + data, is_last=False)) == [status], (past, extension)
    for many in (b"2" + b";" * HEADER_BYTES + b"\r\n{}\r\n0\r\n", b"2\r\n{}\r\n0\r\n" + b":\r\n" * HEADER_BYTES,
                 b"1;x=y\r\n \r\n" * HEADER_BYTES):
        assert statuses(talk(leat, CHUNKED + many, is_last=False)) == [431], many[:10]


@covers("a chunk")
def test_a_chunk(leat):
    for size, wanted in ((2**31, b"HTTP/1.1 413 "), (2**63 - 1, b"HTTP/1.1 413 ")):
        assert talk(leat, CHUNKED + b"%x\r\n" % size, is_last=False).startswith(wanted)
    with connect(leat) as sock:  # One that fits is waited for, and what is too much is refused as it comes.
        sock.sendall(CHUNKED + b"%x\r\n" % (2**31 - 1))
        sock.settimeout(0.2)
        with pytest.raises(socket.timeout):
            sock.recv(1000)


@covers("Kinesis request body")
def test_kinesis_body(leat):
    for past, status in ((0, 200), (1, 413)):
        body = b"{}" + b" " * ((16 << 20) - 2 + past)
        head = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert statuses(talk(leat, head + body, is_last=False)) == [status], past


@covers("body of a request to leat's own API")
def test_sql_body(leat):
    for past, wanted in ((0, (200, 400)), (1, (413,))):
        body = b'{"sql": ""}' + b" " * ((8 << 20) - 11 + past)
        head = b"POST /_leat/api/sql HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
        answer = talk(leat, head + HOST + b"\r\n" + body)
        assert int(answer.split(b" ", 2)[1]) in wanted, past


@covers("CloudWatch, SNS, STS request body, also after gzip")
def test_query_body(leat):
    """The limit counts what the body unpacks to."""
    for packed in (False, True):
        for past, status in ((0, 200), (1, 413)):
            body = b"Action=GetCallerIdentity&Version=2011-06-15&Padding="
            body += b"a" * ((2 << 20) - len(body) + past)
            encoding = b"Content-Encoding: gzip\r\n" if packed else b""
            body = gzip.compress(body) if packed else body
            head = (b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                    + FORM_SIGNED + encoding + b"Content-Length: %d\r\n" % len(body))
            answer = talk(leat, head + HOST + b"\r\n" + body)
            assert int(answer.split(b" ", 2)[1]) == status, (packed, past, answer[:300])


@covers("DynamoDB request body")
def test_dynamodb_body(leat):
    for past, status in ((0, 200), (1, 413)):
        body = b"{}" + b" " * ((16 << 20) - 2 + past)
        head = (b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n"
                b"X-Amz-Target: DynamoDB_20120810.ListTables\r\n" + FORM_SIGNED.replace(b"/sts/", b"/dynamodb/")
                + b"Content-Length: %d\r\n" % len(body))
        answer = talk(leat, head + HOST + b"\r\n" + body, is_last=False)
        assert int(answer.split(b" ", 2)[1]) == status, (past, answer[:300])


@covers("parameters of a Query request; its answer")
def test_query_parameters(leat):
    for past, status in ((0, 200), (1, 400)):
        body = b"Action=GetCallerIdentity&Version=2011-06-15" + b"".join(b"&P.member.%d=" % (i + 1) for i in range(40000 - 2 + past))
        head = (b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                + FORM_SIGNED + b"Content-Length: %d\r\n" % len(body))
        answer = talk(leat, head + HOST + b"\r\n" + body)
        assert int(answer.split(b" ", 2)[1]) == status, (past, answer[:300])


@covers("requests read ahead on an HTTP/1.1 connection")
def test_read_ahead(leat):
    """Far more than is kept: reading pauses, and every request is answered in its turn."""
    assert statuses(talk(leat, GET * 5000)) == [200] * 5000


@covers("HTTP/2 streams of a connection")
def test_streams_of_a_connection(leat):
    """The server's SETTINGS say so: identifier 3, SETTINGS_MAX_CONCURRENT_STREAMS."""
    with connect(leat) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        frame = sock.recv(65536)
    length = int.from_bytes(frame[:3], "big")
    assert frame[3] == 4
    settings = {frame[i : i + 2]: int.from_bytes(frame[i + 2 : i + 6], "big") for i in range(9, 9 + length, 6)}
    assert settings[b"\0\3"] == 100


covers("HTTP/2 streams that a client resets, and wrong frames")(http2_hostile_test.test_rapid_reset)
covers("HTTP/2 frames PING, SETTINGS, PRIORITY and empty DATA")(
    http2_hostile_test.test_floods_of_frames_that_ask_for_nothing)
covers("HTTP/2 bodies too slow, answers not taken (the rates and times below)")(
    http2_hostile_test.test_slow_headers_bodies_and_readers)
covers("one event of SubscribeToShard")(kinesis_fanout_test.test_a_long_backlog_comes_in_bounded_events)
covers("what subscriptions have not taken, all together")(
    kinesis_fanout_hostile_test.test_who_never_reads_costs_little_and_harms_nobody)
covers("a subscription")(kinesis_fanout_test.test_an_idle_subscription_beats_and_ends)
covers("TLS handshakes under way")(tls_test.test_a_flood_of_half_handshakes)


@covers("connections")
@pytest.mark.slow
def test_connections():
    """One past 10,000 closes the one that is idle for longest and is served itself."""
    server = leat_server.Server().start()
    most = 10000
    try:
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        held = [connect(server) for _ in range(most)]
        for sock in (held[0], held[-1]):
            sock.sendall(GET)
            assert b" 200 " in sock.recv(65536)
        one_more = connect(server)
        one_more.sendall(GET)
        assert b" 200 " in one_more.recv(65536)
        closed = 0
        for sock in held:
            sock.setblocking(False)
            try:
                closed += sock.recv(1) == b""
            except BlockingIOError:
                pass
            except ConnectionResetError:
                closed += 1
        assert closed == 1
    finally:
        server.stop()


def ends_after(sock, seconds):
    started = time.monotonic()
    sock.settimeout(seconds * 2)
    answer = read_all(sock)
    assert time.monotonic() - started < seconds * 1.5
    return answer


@covers("time for a header")
@pytest.mark.slow
def test_time_for_a_header(leat):
    with connect(leat) as sock:
        sock.sendall(GET[:-2])
        assert ends_after(sock, 10).startswith(b"HTTP/1.1 408 ")


@covers("time between requests")
@pytest.mark.slow
def test_time_between_requests(leat):
    with connect(leat) as sock:
        sock.sendall(GET)
        assert statuses(ends_after(sock, 60)) == [200]


@covers("body rate")
@pytest.mark.slow
def test_body_rate(leat):
    with connect(leat) as sock:
        sock.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        sock.settimeout(0.5)
        started, answer = time.monotonic(), b""
        while not answer and time.monotonic() - started < 30:
            sock.sendall(b" " * 100)
            try:
                answer = sock.recv(65536)
            except socket.timeout:
                pass
        assert answer.startswith(b"HTTP/1.1 408 ")


@covers("time without progress while writing")
@pytest.mark.slow
def test_a_client_that_does_not_read(leat):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", leat.port))
    with sock:
        sock.settimeout(60)
        metrics = b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(400):
                sock.sendall(metrics * 20)
                time.sleep(0.25)


@covers("requests that block on the disk at a time")
def test_blocking_requests(leat):
    """Far more than run at a time, fewer than may wait: all are answered."""
    body = b'{"sql": "SHOW TABLES"}'
    ask = b"POST /_leat/api/sql HTTP/1.1\r\nConnection: close\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    socks = [connect(leat) for _ in range(300)]
    for sock in socks:
        sock.sendall(ask)
    for sock in socks:
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")
        sock.close()


@covers("pages and programs that watch `/_leat/api/events`")
def test_watchers(leat):
    ask = b"GET /_leat/api/events HTTP/1.1\r\n" + HOST + b"\r\n"
    socks = [connect(leat) for _ in range(17)]
    for number, sock in enumerate(socks):
        sock.sendall(ask)
        assert sock.recv(65536).startswith(b"HTTP/1.1 503 " if number == 16 else b"HTTP/1.1 200 ")
    for sock in socks:
        sock.close()


def is_followed(leat, ask):
    sock = connect(leat)
    sock.sendall(ask)
    answer = sock.recv(65536)
    sock.close()
    return answer.startswith(b"HTTP/1.1 200 ")


@covers("tails and interactive queries at a time")
def test_tails(leat):
    conftest.make_client(leat, "kinesis").create_stream(StreamName="followed", ShardCount=1)
    ask = b"GET /_leat/api/streams/followed/tail?from=trim-horizon HTTP/1.1\r\n" + HOST + b"\r\n"
    held = [connect(leat) for _ in range(25)]
    for number, sock in enumerate(held):
        sock.sendall(ask)
        assert sock.recv(65536).startswith(b"HTTP/1.1 503 " if number == 24 else b"HTTP/1.1 200 ")
    for sock in held:
        sock.close()
    # Who goes away gives back the place at once, not at the next heartbeat, which is 5 s away.
    deadline = time.monotonic() + 4
    while not is_followed(leat, ask):
        assert time.monotonic() < deadline, "a place is still held"


def in_little_memory(tmp_path, kib):
    """A leat that may have so much address space."""
    script = tmp_path / "leat"
    script.write_text(f'#!/bin/sh\nulimit -v {kib}\nexec "{leat_server.BINARY}" "$@"\n')
    script.chmod(0o755)
    server = leat_server.Server()
    server.binary = str(script)
    return server.start()


@covers("bodies that are kept in memory, of all requests together")
def test_bodies_in_flight(tmp_path):
    """Of 512 MiB an eighth: four bodies of 16 MiB but for their last bytes; a fifth waits for one of them to go."""
    server = in_little_memory(tmp_path, 512 << 10)
    client = conftest.make_client(server, "kinesis")
    client.create_stream(StreamName="s", ShardCount=1)
    size, left = 16 << 20, 1000
    head = (b"POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\nContent-Type: application/x-amz-json-1.1\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, SignedHeaders=host, "
            b"Signature=00\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
    held = [connect(server) for _ in range(4)]
    for sock in held:
        sock.sendall(head + b" " * (size - left))
    put = {"StreamName": "s", "PartitionKey": "k", "Data": b"x" * 100000}
    deadline = time.monotonic() + 20
    refused = 0
    while not refused:  # The four may still be on their way through the kernel.
        assert time.monotonic() < deadline
        try:
            client.put_record(**put)
        except client.exceptions.ClientError as error:
            refused = error.response["ResponseMetadata"]["HTTPStatusCode"]
    assert refused == 503
    client.list_streams()  # Small ones go on.
    held[0].close()
    while True:
        try:
            client.put_record(**put)
            break
        except client.exceptions.ClientError:
            assert time.monotonic() < deadline
    for sock in held[1:]:
        sock.sendall(b" " * left)
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
        sock.close()
    server.stop()


def test_bodies_that_are_only_announced(tmp_path):
    """They take no memory: 900 of them, of 16 MB each, in 512 MiB of address space."""
    server = in_little_memory(tmp_path, 512 << 10)
    head = (b"POST / HTTP/1.1\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\nContent-Type: application/x-amz-json-1.1\r\n"
            b"Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, SignedHeaders=host, "
            b"Signature=00\r\n" + HOST + b"Content-Length: 16000000\r\n\r\n")
    held = [connect(server) for _ in range(900)]
    for sock in held:
        sock.sendall(head)
    conftest.make_client(server, "kinesis").list_streams()
    for sock in held:
        sock.close()
    server.stop()


@covers("what answers hold that clients have not taken, all together")
def test_answers():
    """One that alone is larger; answers_cap_test.py has the clients."""
    server = leat_server.Server()
    server.environment = {"LEAT_ANSWER_BYTES": "65536"}
    client = conftest.make_client(server.start(), "dynamodb")
    client.create_table(TableName="items", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    client.put_item(TableName="items", Item={"k": {"S": "k"}, "v": {"S": "v" * 65536}})
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.scan(TableName="items")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert client.scan(TableName="items", ProjectionExpression="k")["Count"] == 1
    server.stop()


@covers("SQL sessions")
def test_sql_sessions():
    server = leat_server.Server().start()
    for number in range(65):
        body = b'{"sql": "SHOW TABLES", "session": "s%d"}' % number
        head = b"POST /_leat/api/sql HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n" % len(body)
        answer = talk(server, head + HOST + b"\r\n" + body)
        assert int(answer.split(b" ", 2)[1]) == (503 if number == 64 else 200), (number, answer[:300])
    server.stop()


def descriptors(*limits):
    """Of a leat that is started with these limits of open files: the limit in force, and its log."""
    import resource
    server = leat_server.Server()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0], before[1]))
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    log = server.output()
    server.stop()
    return soft, hard, log


def test_the_limit_of_open_files_is_raised():
    soft, hard, log = descriptors(256)
    assert soft == hard
    assert ("few descriptors" in log) == (hard < 11000)


def test_idle_connections_are_small():
    """16 MiB for 10,000: each leaves nothing behind but itself once it is answered."""
    server = leat_server.Server().start()

    def resident():
        with open(f"/proc/{server.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) << 10
    try:
        held = []
        for count in (100, 800):
            for _ in range(count):
                sock = connect(server)
                sock.sendall(GET)
                assert b" 200 " in sock.recv(65536)
                held.append(sock)
            if count == 100:
                before = resident()
        assert resident() - before < 800 * (16 << 20) // 10000 + (1 << 20)
    finally:
        server.stop()


def refused(server):
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=20) as page:
        return float(re.search(r"^leat_http_busy_total (\S+)$", page.read().decode(), re.M)[1])


@covers("requests under way, all together")
@pytest.mark.slow  # 700 MB. In small: tests/unit/net/http_body_cap_test.c.
def test_requests_under_way():
    """Answers of some hundred bytes that no client takes, on all streams of 330 connections."""
    server, connections = leat_server.Server().start(), []
    try:
        for _ in range(330):
            connection = http2_hostile_test.Connection(server, False, settings=struct.pack(">HI", 4, 0))
            connection.send(b"".join(frame(http2_hostile_test.HEADERS, END, stream, http2_hostile_test.GET)
                                     for stream in range(1, 201, 2)))
            connections.append(connection)
        assert statuses(talk(server, GET)) == [200]
        deadline = time.monotonic() + 25
        while refused(server) < 33000 - 32768:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for connection in connections:
            connection.socket.close()
        again = http2_hostile_test.Connection(server, False)
        again.send(frame(http2_hostile_test.HEADERS, END, 1, http2_hostile_test.GET))
        assert again.answer(1)[0] == "END"
    finally:
        server.stop()


def test_every_limit_of_the_page_has_its_test():
    page = (leat_server.ROOT / "docs" / "limits.md").read_text()
    section = page.split("## The endpoint", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    assert [row for row in rows if row not in ("limit", "---") and row not in COVERED] == []
    assert [name for name in COVERED if name not in rows] == []
