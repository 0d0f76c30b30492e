"""A disk that another process fills within a commit's time, again and again: leat refuses what it cannot write, goes on
reading, writes again when there is space, and holds what it acknowledged and nothing that it refused.

LEAT_ROUNDS: how often; DISK_KIND: ext4, or another kind of full_disk_test.mount.
"""

import base64
import errno
import http.client
import json
import os
import random
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import leat_server
from full_disk_test import Disk, mount, until

ROUNDS = int(os.environ.get("LEAT_ROUNDS", "3"))
KIND = os.environ.get("LEAT_DISK", "ext4")
DISK_MIB = 700
WRITERS = ((1, 64), (1, 64), (40, 1000), (8, 40000), (3, 300000))  # Records of a put, bytes of a record.
SEGMENTS = (1 << 20, 4 << 20, 64 << 20)
FULL_S = 0.5
SHARD = "shardId-000000000000"


def call(connection, operation, body):
    headers = {"X-Amz-Target": f"Kinesis_20131202.{operation}", "Content-Type": "application/x-amz-json-1.1",
               "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261127/us-east-1/kinesis/aws4_request, "
                                "SignedHeaders=host, Signature=00"}
    connection.request("POST", "/", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"{}")


class Writer(threading.Thread):
    """Puts records that are named by their partition key, until it is told to stop or the server has gone."""

    def __init__(self, server, number, count, size):
        super().__init__(daemon=True)
        self.server, self.number, self.count = server, number, count
        self.data = base64.b64encode(bytes(size)).decode()  # Zeros: half of a frame may look like all of it.
        self.acknowledged, self.refused, self.unknown, self.statuses = set(), set(), set(), Counter()
        self.is_over = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        made = 0
        while not self.is_over.is_set():
            keys = [f"{self.number}-{made + i}" for i in range(self.count)]
            made += self.count
            self.unknown = set(keys)
            try:
                self.put(connection, keys)
            except (OSError, http.client.HTTPException):
                return  # The server has gone: what was on its way may be there.
            self.unknown = set()

    def put(self, connection, keys):
        records = [{"PartitionKey": key, "Data": self.data} for key in keys]
        status, answer = call(connection, "PutRecords", {"StreamName": "s", "Records": records})
        self.statuses[status] += 1
        failed = {key for key, record in zip(keys, answer.get("Records", ())) if "ErrorCode" in record}
        if status != 200:
            assert status in (400, 500) and "space" in answer["message"], (status, answer)
            failed = set(keys)
        self.refused |= failed
        self.acknowledged |= set(keys) - failed


def keys_there(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    _, answer = call(connection, "GetShardIterator",
                     {"StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"})
    found, at = [], answer["ShardIterator"]
    while True:
        status, answer = call(connection, "GetRecords", {"ShardIterator": at, "Limit": 10000})
        assert status == 200, answer
        found += [record["PartitionKey"] for record in answer["Records"]]
        at = answer["NextShardIterator"]
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return found


class Filler:
    """Takes all that is free, at once or in pieces, and what becomes free, until it is told to stop."""

    def __init__(self, disk, chance):
        self.file = open(disk.path / "ballast", "wb")
        self.end = 0
        self.is_slow = chance.random() < 0.3
        self.disk = disk
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def take(self, size):
        try:
            if self.is_slow:
                os.pwrite(self.file.fileno(), bytes(size), self.end)
            else:
                os.posix_fallocate(self.file.fileno(), self.end, size)
            self.end += size
            return True
        except OSError as e:
            assert e.errno in (errno.ENOSPC, errno.EDQUOT)
            return False

    def run(self):
        while not self.is_over.is_set():
            size = 1 << 20 if self.is_slow else DISK_MIB << 20
            while size >= 4096:
                if not self.take(size):
                    size //= 2
            time.sleep(0.01)

    def stop(self, disk):
        self.is_over.set()
        self.thread.join()
        self.file.close()
        disk.free()
        os.sync()  # Or XFS and btrfs take their time to give it back.


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as around:
        done = mount(KIND, path, Path(around) / "image", DISK_MIB)
        if done.returncode != 0:
            pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
        yield Disk(path)
        leat_server.end_all(path)
        os.system(f"umount {path}")


def end_of(server):
    what = re.findall(r"ending: .*", server.output()) + re.findall(r"CHECK.*", server.output())
    return f"{server.process.returncode}: {what}"


def one_round(disk, number):
    chance = random.Random(number)
    server = leat_server.Server(data=str(disk.path / f"data{number}"))
    server.environment = {"LEAT_SEGMENT_BYTES": str(chance.choice(SEGMENTS))}
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    assert call(connection, "CreateStream", {"StreamName": "s", "ShardCount": 1})[0] == 200
    writers = [Writer(server, i, *shape) for i, shape in enumerate(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(chance.uniform(0.1, 0.7))
    filler = Filler(disk, chance)
    filler.thread.start()
    time.sleep(FULL_S)
    if server.process.poll() is not None:
        filler.stop(disk)
        return end_of(server)
    assert keys_there(server)
    filler.stop(disk)
    before = [len(writer.acknowledged) for writer in writers]
    until(lambda: server.process.poll() is not None or
          all(len(w.acknowledged) > n for w, n in zip(writers, before)))
    for writer in writers:
        writer.is_over.set()
    is_abrupt = chance.random() < 0.7
    if is_abrupt:
        server.process.kill()
        server.process.wait()
    for writer in writers:
        writer.join()
    if not is_abrupt:
        server.process.terminate()
        server.process.wait()
        if server.process.returncode != 0:
            return end_of(server)
    server.start()
    found = keys_there(server)
    acknowledged = set().union(*(writer.acknowledged for writer in writers))
    refused = set().union(*(writer.refused for writer in writers))
    assert len(found) == len(set(found))
    assert acknowledged <= set(found), f"{len(acknowledged - set(found))} are lost"
    assert not refused & set(found), f"{len(refused & set(found))} that were refused are there"
    assert set(found) <= acknowledged | set().union(*(writer.unknown for writer in writers))
    server.stop()
    print(number, len(acknowledged), len(refused), sum((w.statuses for w in writers), Counter()))
    return None


def test_a_disk_that_fills_within_a_commit(disk):
    ends = {}
    for number in range(ROUNDS):
        end = one_round(disk, number)
        if end is not None:
            print(number, end, flush=True)
            ends[number] = end
        os.system(f"rm -rf {disk.path}/data{number}")
    assert not ends, f"{len(ends)} of {ROUNDS} rounds ended the process"
