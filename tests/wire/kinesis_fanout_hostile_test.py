"""SubscribeToShard under clients that do not read, that leave, that come in thousands."""

import resource
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import leat_server
from fanout_wire import connect, frames, frames_of, read_until
from kinesis_fanout_test import HORIZON, IN_TIME, Consumer, take

MIB = 1 << 20


def metric(server, name):
    with urllib.request.urlopen(server.endpoint + "/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
    raise AssertionError(f"no {name}")


def wait_for(condition, what):
    deadline = time.monotonic() + IN_TIME
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def resident(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def start(life_ms):
    server = leat_server.Server()
    server.environment = {"LEAT_SUBSCRIPTION_MS": str(life_ms)}
    return server.start()


def test_a_client_of_http_1_0_gets_no_chunks():
    server = start(600)
    consumer = Consumer(server)
    consumer.put(b"one")
    with connect(server, consumer.consumer, version="1.0") as s:
        head, _, body = read_until(s, b"\r\n\r\n").partition(b"\r\n\r\n")
        assert b"Transfer-Encoding" not in head and b"Content-Length" not in head and b"Connection: close" in head
        while part := s.recv(1 << 16):  # The end of the subscription is that of the connection.
            body += part
    kinds = [headers[":event-type"] for headers, _ in frames_of([body])]
    assert kinds[0] == "initial-response" and set(kinds[1:]) == {"SubscribeToShardEvent"}
    server.stop()


def test_who_never_reads_costs_little_and_harms_nobody():
    server = start(300000)
    consumer = Consumer(server)
    silent = [connect(server, consumer.register(f"silent-{i}"), small=i > 0) for i in range(10)]
    wait_for(lambda: metric(server, "leat_kinesis_subscriptions") == 10, "10 subscriptions")
    reader = consumer.subscribe(HORIZON)
    record = bytes(100 << 10)
    consumer.put(record, record)
    take(reader, 2)
    before = resident(server)
    for _ in range(12):
        consumer.put(*[record] * 50)
        assert len(take(reader, 50)[0]) == 50
    # 60 MB went by. The log keeps 16 MiB of frames; each silent one has an event and a bit.
    assert resident(server) - before < 64 * MIB
    # One takes up where it stopped.
    seen = read_until(silent[0], b"initial-response")
    assert b"HTTP/1.1 200" in seen
    take_records(silent[0], seen, 602)
    for s in silent:
        s.close()
    reader.close()
    server.stop()


def take_records(s, seen, wanted):
    count = 0
    for _, payload in frames(s, seen):
        count += payload.count(b'"SequenceNumber"')
        assert count <= wanted
        if count == wanted:
            assert payload.endswith(b'"MillisBehindLatest":0}')
            return


def test_who_never_reads_is_left_when_its_time_is_up():
    server = start(1500)
    consumer = Consumer(server)
    consumer.put(*[bytes(100 << 10)] * 60)
    silent = [connect(server, consumer.consumer, small=True)]
    silent += [connect(server, consumer.register(f"c{i}"), small=True) for i in range(9)]
    wait_for(lambda: metric(server, "leat_kinesis_subscriptions") == 10, "10 subscriptions")
    wait_for(lambda: metric(server, "leat_kinesis_subscriptions") == 0, "their end")
    wait_for(lambda: metric(server, "leat_http_connections") <= 2, "the end of their connections")
    for s in silent:
        with pytest.raises(ConnectionError):  # No end that looks like a whole answer.
            while s.recv(1 << 16):
                pass
            raise ConnectionError
        s.close()
    server.stop()


def test_thousands_of_subscriptions(leat):
    count, shards = 2000, 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 200:
        pytest.skip(f"only {hard} file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))
    consumer = Consumer(leat, shards=shards)
    names = [consumer.consumer] + [consumer.register(f"c{i}") for i in range(count // shards - 1)]
    before = resident(leat)
    already = metric(leat, "leat_kinesis_subscriptions")
    sockets = [
        connect(leat, name, shard=f"shardId-{shard:012}", kind="LATEST")
        for name in names for shard in range(shards)
    ]
    for s in sockets:
        read_until(s, b"initial-response")
    assert metric(leat, "leat_kinesis_subscriptions") == already + count
    # 24 KiB each for the connection, the request and the subscription.
    assert resident(leat) - before < count * 24 * 1024
    width = 2**128 // shards
    consumer.kinesis.put_records(
        StreamName=consumer.stream,
        Records=[{"PartitionKey": f"<{i}>", "Data": b"x", "ExplicitHashKey": str(i * width)}
                 for i in range(shards)])
    for i, s in enumerate(sockets):
        assert f"<{i % shards}>".encode() in read_until(s, b"MillisBehindLatest")
    for s in sockets:
        s.close()
    for i in range(2):
        consumer.kinesis.put_records(
            StreamName=consumer.stream,
            Records=[{"PartitionKey": "k", "Data": b"x", "ExplicitHashKey": str(i * width)}
                     for i in range(shards)])
    wait_for(lambda: metric(leat, "leat_kinesis_subscriptions") == already, "all are gone")
    consumer.kinesis.delete_stream(StreamName=consumer.stream, EnforceConsumerDeletion=True)


def test_a_storm_of_take_overs_and_departures():
    server = start(600)  # Another may take over after 10 ms.
    consumer = Consumer(server)
    stop = time.monotonic() + 2
    problems = []

    def come_and_go(number):
        while time.monotonic() < stop:
            try:
                s = connect(server, consumer.consumer)
                s.settimeout(0.02 * (number % 4))
                try:
                    while s.recv(4096):
                        pass
                except (TimeoutError, BlockingIOError, ConnectionError):
                    pass
                s.close()
            except Exception as e:  # noqa: BLE001
                problems.append(e)

    def churn():
        turn = 0
        while time.monotonic() < stop:
            turn += 1
            consumer.put(b"x" * 2000)
            if turn % 20 == 0:
                try:
                    consumer.kinesis.deregister_stream_consumer(ConsumerARN=consumer.consumer)
                    consumer.consumer = consumer.register("reader")
                except (BotoCoreError, ClientError) as e:
                    problems.append(e)

    threads = [threading.Thread(target=come_and_go, args=(i,)) for i in range(8)]
    threads.append(threading.Thread(target=churn))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    wait_for(lambda: metric(server, "leat_kinesis_subscriptions") == 0, "all are gone")
    server.stop()
