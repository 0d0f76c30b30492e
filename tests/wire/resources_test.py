"""What the machine may refuse or do: descriptors, inodes, memory, signals, time that stands still, and growth."""

import concurrent.futures
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

import pytest
from botocore.exceptions import ClientError

import http2_hostile_test
import http_hostile_test
import leat_server
from conftest import make_client
from http_hostile_test import GET, POST, connect, read_all, statuses, talk
from kinesis_cbor_test import CBOR, HOSTILE

WAIT_S = 20
HORIZON = "TRIM_HORIZON"


@pytest.fixture
def server():
    server = leat_server.Server().start()
    yield server
    server.stop()


def until(condition, what="it"):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)


def status_of(server, field):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith(field + ":")).split()[1])


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def files(server):
    return sum(len(names) for _, _, names in os.walk(server.data))


def records(kinesis, stream, shard="shardId-000000000000"):
    it = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=HORIZON)["ShardIterator"]
    return [r["Data"] for r in kinesis.get_records(ShardIterator=it)["Records"]]


# --- growth ----------------------------------------------------------------------------------


def post(operation, body, content_type=b"application/x-amz-json-1.1"):
    head = POST.replace(b"ListStreams", operation).replace(b"application/x-amz-json-1.1", content_type)
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def hostile_requests():
    """One of each kind that closes its connection, and all that do not in a row."""
    alone = list(http_hostile_test.FRAMING.values())
    alone += [POST + b"Content-Length: 100\r\n\r\n{", GET[:-2], b"", GET * 50]
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    alone += [preface, preface + bytes.fromhex("000005010500000001") + b"\xff" * 5, preface + b"\0" * 9 * 3000]
    row = [post(b"PutRecords", body, CBOR.encode()) for body in HOSTILE.values()]
    row += [post(b"PutRecords", body) for body in (b"[" * 10000, b"{", b'{"a":1,"a":2}', b'{"Limit":1e999}')]
    row += [post(b"Made%dUp" % n, b"{}") for n in range(20)]
    row += [post(b"GetRecords", json.dumps({"ShardIterator": "A" * 300}).encode())]
    row += [post(b"DescribeStream", json.dumps({"StreamName": f"none-{n}"}).encode()) for n in range(20)]
    return alone, b"".join(row)


def test_thousands_of_hostile_requests_leave_nothing(server):
    """Descriptors, threads, files and memory are afterwards what they were."""
    alone, row = hostile_requests()

    def attack():
        for data in alone:
            with connect(server) as sock:
                try:
                    sock.sendall(data)
                except OSError:
                    pass
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert talk(server, row)
        with connect(server) as sock:
            sock.sendall(GET)
            sock.recv(1000)

    def all_at_once(rounds):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(attack) for _ in range(rounds)]:
                done.result()
        until(lambda: descriptors(server) <= before, "the end of all connections")

    before = descriptors(server) + 1  # One that is kept for the day when there is none.
    all_at_once(8)
    threads, resident, kept = status_of(server, "Threads"), status_of(server, "VmRSS"), files(server)
    all_at_once(60)
    assert status_of(server, "Threads") <= threads  # One of a pool ends when it was idle for 10 s.
    assert files(server) == kept
    assert status_of(server, "VmRSS") - resident < 2 << 10, "KiB of growth"
    assert statuses(talk(server, GET)) == [200]


def test_streams_that_come_and_go_leave_nothing(server):
    kinesis = make_client(server, "kinesis")

    def cycles(count):
        for _ in range(count):
            kinesis.create_stream(StreamName="brief", ShardCount=2)
            kinesis.put_record(StreamName="brief", PartitionKey="k", Data=b"x" * 100)
            assert len(kinesis.list_shards(StreamName="brief")["Shards"]) == 2
            kinesis.delete_stream(StreamName="brief")

    # Metrics of the streams come to CloudWatch's database once a minute; it is there from the start.
    make_client(server, "cloudwatch").put_metric_data(Namespace="Own", MetricData=[{"MetricName": "m", "Value": 1}])
    cycles(1800)  # Buffers grow up to here: the cache of frames is full.
    fds, threads, resident, kept = descriptors(server), status_of(server, "Threads"), status_of(server, "VmRSS"), files(server)
    cycles(400)
    assert (descriptors(server), files(server)) == (fds, kept)
    assert status_of(server, "Threads") <= threads  # As above.
    assert status_of(server, "VmRSS") - resident < 2 << 10, "KiB of growth"
    assert kinesis.list_streams()["StreamNames"] == []
    text = urllib.request.urlopen(server.endpoint + "/metrics").read().decode()
    assert "brief" not in text


def test_views_of_very_much_are_bounded(server):
    """A stream of 80 MiB, shown to followers and queries that do not read: what waits for them is a few MiB each."""
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="large", ShardCount=1)
    for _ in range(16):
        kinesis.put_records(StreamName="large", Records=[{"PartitionKey": "k", "Data": b'{"a":"%s"}' % (b"x" * 500_000)}] * 10)
    table = ("CREATE TABLE large (a STRING) WITH ('connector' = 'kinesis', 'stream' = 'large', 'aws.region' = 'us-east-1', "
             "'format' = 'json', 'scan.stream.initpos' = 'TRIM_HORIZON'); SELECT * FROM large;")
    sql = json.dumps({"sql": table, "from": "trim-horizon"}).encode()
    asks = [b"GET /_leat/api/streams/large/tail?from=trim-horizon HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST /_leat/api/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(sql) + sql]
    before = status_of(server, "VmRSS")
    held = []
    for number in range(8):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(asks[number % 2])
        assert sock.recv(12) == b"HTTP/1.1 200"
        held.append(sock)
    most = 0
    for _ in range(20):
        most = max(most, status_of(server, "VmRSS") - before)
        time.sleep(0.05)
    assert most < 100 << 10, "KiB for 8 that do not read"
    for sock in held:
        sock.close()


@pytest.mark.slow
def test_ten_thousand_streams():
    server = leat_server.Server().start()
    try:
        before = status_of(server, "VmRSS")
        clients = [make_client(server, "kinesis") for _ in range(4)]

        def make(kinesis, first):
            for number in range(first, 10000, 4):
                kinesis.create_stream(StreamName=f"many-{number:05}", ShardCount=1)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(make, client, first) for first, client in enumerate(clients)]:
                done.result()
        kinesis = clients[0]
        for number in (0, 4999, 9999):
            kinesis.put_record(StreamName=f"many-{number:05}", PartitionKey="k", Data=b"%d" % number)
        assert status_of(server, "VmRSS") - before < 200 << 10
        assert descriptors(server) < 100
        text = urllib.request.urlopen(server.endpoint + "/metrics").read()
        assert len(text) < 10 << 20
        server.kill()
        server.start()
        assert kinesis.describe_limits()["OpenShardCount"] == 10000
        assert records(kinesis, "many-09999") == [b"9999"]
    finally:
        server.stop()


# --- descriptors -----------------------------------------------------------------------------


def test_no_more_descriptors_at_every_accept_and_open(server):
    """The limit falls to what is open and so many more: requests wait or fail, and all is well when it rises again."""
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"before")
    put = [b"before"]
    pid = server.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    body = json.dumps({"StreamName": "s", "PartitionKey": "k", "Data": "eA=="}).encode()
    for more in range(10):
        kinesis.close()
        until(lambda: descriptors(server) <= 30, "the end of connections")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(server) + more, hard))
        held = [connect(server) for _ in range(12)]
        for sock in held:
            sock.settimeout(WAIT_S)
            try:
                sock.sendall(post(b"PutRecord", body))
                put += [b"x"] * sock.recv(65536).startswith(b"HTTP/1.1 200 ")  # Or it is closed at once.
            except (BrokenPipeError, ConnectionResetError):
                pass
            sock.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        kinesis = make_client(server, "kinesis")
        kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"y")
        put.append(b"y")
        assert records(kinesis, "s") == put
    assert put.count(b"x") > 12


@pytest.mark.parametrize("count", [3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 64])
def test_few_descriptors_at_the_start(count, tmp_path):
    """It starts and serves, or says what it lacks; it does not crash."""
    port = leat_server.free_port()
    command = ["prlimit", f"--nofile={count}:{count}", leat_server.BINARY, "start", "--data", str(tmp_path / "d"),
               "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

        def output():
            return os.pread(log.fileno(), 1 << 16, 0).decode()
        until(lambda: process.poll() is not None or "Ready." in output())
        if process.poll() is None:
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as sock:
                sock.sendall(GET)
                assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
            process.terminate()
            assert process.wait(WAIT_S) == 0, output()
        else:
            assert process.returncode in (78, 127), output()  # 127: not even the libraries could be opened.
            assert "open files" in output() or "shared libraries" in output(), output()


# --- signals ---------------------------------------------------------------------------------


def test_time_that_stands_still(server):
    """SIGSTOP and SIGCONT: iterators go on, what was sent meanwhile is answered, nothing is twice."""
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"0")
    it = kinesis.get_shard_iterator(StreamName="s", ShardId="shardId-000000000000", ShardIteratorType=HORIZON)
    body = json.dumps({"StreamName": "s", "PartitionKey": "k", "Data": "MQ=="}).encode()
    half = connect(server)
    half.sendall(post(b"PutRecord", body)[:-5])
    server.process.send_signal(signal.SIGSTOP)
    try:
        whole = connect(server)
        whole.sendall(post(b"PutRecord", body))
        time.sleep(11)  # Longer than a header may take, and a body of few bytes.
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert whole.recv(65536).startswith(b"HTTP/1.1 200 ")
    half.sendall(body[-5:])
    assert half.recv(65536).startswith(b"HTTP/1.1 200 ")
    got = kinesis.get_records(ShardIterator=it["ShardIterator"])
    assert [r["Data"] for r in got["Records"]] == [b"0", b"1", b"1"]
    half.close()
    whole.close()


def start_loaded(server, stop):
    """Puts numbered records until `stop` is set or the server is gone; returns those that were acknowledged."""
    kinesis = make_client(server, "kinesis")
    done = []
    while not stop:
        data = b"%d" % len(done)
        try:
            kinesis.put_record(StreamName="s", PartitionKey="k", Data=data)
        except Exception:  # noqa: BLE001  The server has gone, in whichever way.
            return done
        done.append(data)
    return done


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("after_s", [0, 0.02, 0.2])
def test_stops_under_load_lose_nothing(twice, after_s):
    """SIGTERM, and a second one at once: what was acknowledged is there after the next start."""
    server = leat_server.Server().start()
    make_client(server, "kinesis").create_stream(StreamName="s", ShardCount=1)
    stop = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        load = pool.submit(start_loaded, server, stop)
        time.sleep(after_s)  # The phase that the stop falls into.
        started = time.monotonic()
        server.process.terminate()
        if twice:
            server.process.terminate()
        code = server.process.wait(WAIT_S)
        assert time.monotonic() - started < 8
        stop.append(True)
        acknowledged = load.result()
    assert code in ((0, -signal.SIGTERM, 128 + signal.SIGTERM) if twice else (0,))
    server.start()
    found = records(make_client(server, "kinesis"), "s")
    assert found[:len(acknowledged)] == acknowledged and len(found) <= len(acknowledged) + 1
    server.stop()


@pytest.mark.parametrize("after_ms", [0, 1, 2, 5, 10, 20, 40])
def test_stops_while_it_starts(after_ms, tmp_path):
    data = str(tmp_path / "d")
    command = [leat_server.BINARY, "start", "--data", data, "--port", str(leat_server.free_port())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_ms / 1000)
    process.terminate()
    assert process.wait(WAIT_S) in (0, -signal.SIGTERM)
    leat_server.Server(data=data).start().stop()


# --- the machine -----------------------------------------------------------------------------


def start_with(tmp_path, environment=None, **arguments):
    """A leat in an odd environment, to be ended by its caller. Its port."""
    port = leat_server.free_port()
    command = [leat_server.BINARY, "start", "--data", str(tmp_path / "d"), "--port", str(port)]
    process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **(environment or {})}, **arguments)

    def answers():
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as sock:
                sock.sendall(GET)
                return sock.recv(1000).startswith(b"HTTP/1.1 200 ")
        except ConnectionRefusedError:
            return False
    until(answers, "the start")
    return process


def end(process, code=0):
    process.terminate()
    assert process.wait(WAIT_S) == code


@pytest.mark.parametrize("environment", [
    {}, {"TZ": "No/Such\x01Zone"}, {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR"}, {"LC_ALL": "C"}, {"HOME": "/nowhere"},
    {"TMPDIR": "/nowhere"}, {"HOSTNAME": "no.such.host.invalid"}, {"MALLOC_ARENA_MAX": "1"},
], ids=str)
def test_odd_environments(environment, tmp_path):
    end(start_with(tmp_path, environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def test_nobody_reads_the_standard_output(tmp_path):
    """Closed from the start, a pipe without reader, a full device: none of them is mistaken for data."""
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    end(start_with(tmp_path, preexec_fn=close_all))
    end(start_with(tmp_path))
    reading, writing = os.pipe()
    os.close(reading)
    end(start_with(tmp_path, stdout=writing, stderr=writing))
    os.close(writing)
    with open("/dev/full", "w") as full:
        end(start_with(tmp_path, stdout=full, stderr=full), code=1)  # It served, and says that it could not tell.


def test_secrets_are_not_readable_by_others(tmp_path):
    """Whatever the umask: keys and data are their owner's."""
    os.umask(before := os.umask(0))
    process = start_with(tmp_path, preexec_fn=lambda: os.umask(0), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end(process)
    assert os.umask(before) == before
    open_to_others = [os.path.join(where, name) for where, _, names in os.walk(tmp_path / "d") for name in names
                      if os.stat(os.path.join(where, name)).st_mode & 0o077]
    assert (os.stat(tmp_path / "d").st_mode & 0o077 == 0) or open_to_others == []


@pytest.mark.parametrize("keys", [{}, {"LEAT_ACCESS_KEY_ID": "AKIDEXAMPLE", "LEAT_SECRET_ACCESS_KEY": "secret"}])
def test_no_core_dump_holds_keys(keys, tmp_path):
    """With keys the kernel dumps nothing, whatever the limit is; without there is nothing to hide."""
    def dump():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    process = start_with(tmp_path, keys, cwd=tmp_path, preexec_fn=dump, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT
    if not keys and not os.WCOREDUMP(status):
        pytest.skip("this kernel dumps nothing")
    assert os.WCOREDUMP(status) == (not keys)


# --- disks -----------------------------------------------------------------------------------


@pytest.fixture
def mount(tmp_path):
    """Mounts a small disk of few files; skips where that is not allowed."""
    mounted = []

    def small(options):
        path = tmp_path / f"disk{len(mounted)}"
        path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(path)], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
        mounted.append(path)
        return path
    yield small
    for path in mounted:
        subprocess.run(["umount", str(path)], check=True)


def test_no_more_files(mount):
    """Without a free inode: puts into what is there go on, what needs a file is refused; all is well with room again."""
    disk = mount("size=300m,nr_inodes=300")
    server = leat_server.Server(data=str(disk / "data")).start()
    try:
        kinesis, s3 = make_client(server, "kinesis"), make_client(server, "s3")
        kinesis.create_stream(StreamName="s", ShardCount=1)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="before", Body=b"x" * 1_000_000)
        taken = []
        with pytest.raises(OSError):
            while True:
                taken.append(disk / f"taken-{len(taken)}")
                taken[-1].touch()
        failures = 0
        for n in range(20):
            try:
                kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"%d" % n)
                s3.put_object(Bucket="bucket", Key=f"large-{n}", Body=b"y" * 5_000_000)
            except ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503, 507), error
                failures += 1
        assert failures > 0
        assert s3.get_object(Bucket="bucket", Key="before")["Body"].read() == b"x" * 1_000_000
        found = records(kinesis, "s")
        assert found == [b"%d" % n for n in range(len(found))]
        for path in taken[:-1]:
            path.unlink()

        def works():
            try:
                s3.put_object(Bucket="bucket", Key="after", Body=b"z" * 5_000_000)
                kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"after")
                return True
            except ClientError:
                return False
        until(works, "a put with room again")
        assert records(kinesis, "s")[-1] == b"after"
    finally:
        server.process.terminate()
        assert server.process.wait(WAIT_S) == 0, server.output()
    server.start()
    assert records(make_client(server, "kinesis"), "s")[-1] == b"after"
    server.process.kill()
    server.process.wait()


def test_a_disk_that_is_read_only(mount):
    """It says so at the start, and changes nothing; when it can be written again, all is there."""
    disk = mount("size=200m")
    server = leat_server.Server(data=str(disk / "data")).start()
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"1")
    server.process.terminate()
    assert server.process.wait(WAIT_S) == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    command = [leat_server.BINARY, "start", "--data", server.data, "--port", str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode in (70, 78), done
    assert server.data in done.stderr and "read-only" in done.stderr.lower(), done.stderr
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    server.start()
    assert records(make_client(server, "kinesis"), "s") == [b"1"]
    server.process.kill()
    server.process.wait()
