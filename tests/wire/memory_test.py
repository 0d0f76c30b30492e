"""Memory that is not there: at the k-th allocation of a row of requests. leat ends, as by kill -9, or goes on: nothing is lost."""

import base64
import concurrent.futures
import json
import resource
import signal
import subprocess
from pathlib import Path

import pytest

import leat_server
from conftest import make_client
from http_hostile_test import GET, POST, connect
from kinesis_cbor_test import CBOR, encode
from resources_test import WAIT_S, post, records

SQL = b'{"sql": "SELECT 1 + 1"}'
S3 = (b"Authorization: AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/s3/aws4_request, SignedHeaders=host, "
      b"Signature=00\r\n")
OTHERS = [
    GET,
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    post(b"ListStreams", b"{}"),
    post(b"CreateStream", b'{"StreamName":"t","ShardCount":1}'),
    post(b"PutRecords", encode({"StreamName": "s", "Records": []}), CBOR.encode()),
    b"POST /_leat/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(SQL) + SQL,
    b"PUT /bucket HTTP/1.1\r\nHost: localhost\r\n" + S3 + b"Content-Length: 0\r\n\r\n",
    b"PUT /bucket/key HTTP/1.1\r\nHost: localhost\r\n" + S3 + b"Content-Length: 4\r\n\r\ndata",
    b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n" + S3 + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"),
]


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    out = tmp_path_factory.mktemp("shim") / "malloc_fails.so"
    source = Path(__file__).parent / "programs" / "malloc_fails.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(out), str(source)], check=True)
    return out


def ask(server, request):
    """The answer; empty when the server goes."""
    try:
        with connect(server) as sock:
            sock.settimeout(WAIT_S)
            sock.sendall(request)
            return sock.recv(65536)
    except OSError:
        return b""


def put(number):
    data = base64.b64encode(b"%d" % number).decode()
    return post(b"PutRecord", json.dumps({"StreamName": "s", "PartitionKey": "k", "Data": data}).encode())


def one(shim, fails_at):
    """How it went on: True when the server had to end."""
    server = leat_server.Server()
    server.environment = {"LD_PRELOAD": str(shim), "MALLOC_FAILS_AT": str(fails_at)}
    server.start()
    make_client(server, "kinesis").create_stream(StreamName="s", ShardCount=1)
    acknowledged = [b"%d" % n for n in range(3) if ask(server, put(n)).startswith(b"HTTP/1.1 200 ")]
    assert len(acknowledged) == 3
    server.process.send_signal(signal.SIGUSR1)
    for n, other in enumerate(OTHERS):
        if ask(server, put(3 + n)).startswith(b"HTTP/1.1 200 "):
            acknowledged.append(b"%d" % (3 + n))
        ask(server, other)
    has_ended = server.process.poll() is not None or not ask(server, GET)
    if has_ended:
        assert server.process.wait(WAIT_S) == -signal.SIGABRT, server.output()
        assert "out of memory" in server.output() or "check failed" in server.output()  # The latter of a library below.
    else:
        server.kill()
    server.environment = {}
    server.start()
    found = records(make_client(server, "kinesis"), "s")
    assert [data for data in found if data in acknowledged] == acknowledged and len(found) <= 3 + len(OTHERS)
    server.stop()
    return has_ended


@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_no_memory_at_some_allocations(shim, first):
    assert any([one(shim, fails_at) for fails_at in range(first, 80, 20)])


@pytest.mark.slow
def test_no_memory_at_every_allocation(shim):
    """Until all requests are through before it comes to that."""
    ended = [one(shim, fails_at) for fails_at in range(1, 200)]
    assert sum(ended) > 50


def test_little_memory_under_load(tmp_path):
    """256 MiB of address space, and clients that ask for more: load is shed, what was acknowledged is there."""
    body = json.dumps({"StreamName": "s", "Records": [
        {"Data": base64.b64encode(bytes([n]) * 700_000).decode(), "PartitionKey": str(n)} for n in range(10)]}).encode()
    request = post(b"PutRecords", body)
    script = tmp_path / "leat"
    script.write_text(f'#!/bin/sh\nulimit -v {256 << 10}\nexec "{leat_server.BINARY}" "$@"\n')
    script.chmod(0o755)
    server = leat_server.Server()
    server.binary = str(script)
    server.environment = {"MALLOC_ARENA_MAX": "2"}
    server.start()
    make_client(server, "kinesis").create_stream(StreamName="s", ShardCount=1)

    def load(_):
        return [ask(server, request)[9:12] for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        answers = [status for some in pool.map(load, range(24)) for status in some]
    # Who goes on sending while leat refuses and closes may see a reset in place of the 503.
    assert set(answers) <= {b"200", b"503", b""} and answers.count(b"200") > 0
    assert ask(server, GET), server.output()
    server.kill()
    server.binary = leat_server.BINARY
    server.environment = {}
    server.start()
    kinesis = make_client(server, "kinesis")
    it = kinesis.get_shard_iterator(StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")
    it, count = it["ShardIterator"], 0
    while True:
        got = kinesis.get_records(ShardIterator=it)
        assert all(r["Data"] == bytes([int(r["PartitionKey"])]) * 700_000 for r in got["Records"])
        count += len(got["Records"])
        it = got["NextShardIterator"]
        if got["MillisBehindLatest"] == 0 and not got["Records"]:
            break
    assert count >= 10 * answers.count(b"200") and count % 10 == 0
    server.stop()
