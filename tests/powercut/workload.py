"""What the clients do while the disk is recorded, and the history of it.

Each answer is noted with the number of a mark that is written to the log of the disk behind it: whatever precedes
the mark on the disk precedes or belongs to what was acknowledged.
"""

import base64
import functools
import hashlib
import http.client
import json
import random
import threading
import urllib.request

import history

SIGNED = ("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
          "Signature=" + "0" * 64)
JOB = """
CREATE TABLE source (id BIGINT) WITH ('connector' = 'kinesis', 'stream' = 'in', 'aws.region' = 'us-east-1',
  'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE target (id BIGINT) WITH ('connector' = 'kinesis', 'stream' = 'out', 'aws.region' = 'us-east-1',
  'format' = 'json');
INSERT INTO target SELECT id FROM source;
"""
LARGE = 300_000


@functools.lru_cache(maxsize=4096)
def padding(name, length):
    return random.Random(name).randbytes(length // 2).hex()


class Put(history.Put):
    """A record of up to 300 KB: frames from 128 KiB on are written past the page cache."""

    __slots__ = ("length", "mark")

    def __init__(self, writer, number, length):
        super().__init__(writer, number)
        self.length, self.mark = length, None

    @property
    def data(self):
        name = f"{self.writer}:{self.number}"
        return name + (":" + padding(name, self.length) if self.length else "")


class Acknowledged:
    """Numbers the answers and marks them in the log of the disk."""

    def __init__(self, marker):
        self.marker, self.lock, self.count = marker, threading.Lock(), 0

    def note(self):
        with self.lock:
            self.count += 1
            self.marker.mark(f"a{self.count}")
            return self.count


class Writer(history.Writer):
    def __init__(self, name, port, stream, batch, stop, acknowledged, length=0):
        super().__init__(name, port, stream, batch, stop)
        self.acknowledged, self.length = acknowledged, length

    def put_batch(self):
        first = len(self.puts)
        puts = [Put(self.writer, first + i, self.length) for i in range(self.batch)]
        self.puts += puts
        answer = self.wire.call("PutRecords", StreamName=self.stream, Records=[
            {"Data": base64.b64encode(put.data.encode()).decode(), "PartitionKey": f"{self.writer}-{put.number % 7}"}
            for put in puts])
        assert answer["FailedRecordCount"] == 0, answer
        mark = self.acknowledged.note()
        for put, result in zip(puts, answer["Records"], strict=True):
            put.place, put.mark = (result["ShardId"], int(result["SequenceNumber"])), mark
        self.stop.wait(0.02)


class Other(threading.Thread):
    """Steps (kind, name, value, mark or None): streams made and deleted, objects, the input of the job, a split."""

    def __init__(self, step, port, stop, acknowledged):
        super().__init__(daemon=True)
        self.step, self.stop, self.acknowledged = step, stop, acknowledged
        self.port, self.wire, self.steps, self.error = port, history.Wire(port), [], None

    def run(self):
        try:
            number = 0
            while not self.stop.wait(0.03):
                self.step(self, number)
                number += 1
        except Exception as error:
            self.error = error

    def do(self, kind, name, value, call):
        entry = [kind, name, value, None]
        self.steps.append(entry)
        call()
        entry[3] = self.acknowledged.note()


def streams_step(self, number):
    name = f"made-{number // 2}"
    if number % 2 == 0:
        self.do("create", name, None, lambda: self.wire.call("CreateStream", StreamName=name, ShardCount=1))
    elif number % 4 == 1:
        self.do("delete", name, None, lambda: self.wire.call("DeleteStream", StreamName=name))
    if number == 20:
        self.do("split", "history", None, lambda: self.wire.call(
            "SplitShard", StreamName="history", ShardToSplit="shardId-000000000000", NewStartingHashKey="12345"))


def http_call(port, method, path, body=b"", headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Authorization": SIGNED, **dict(headers)})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def object_body(name, version):
    return padding(f"{name}-{version}", (1000, 60_000, LARGE)[version % 3]).encode()


def objects_step(self, number):
    name = f"o{number % 20}"
    body = object_body(name, number)

    def put():
        status, answer = http_call(self.port, "PUT", f"/cuts/{name}", body)
        assert status == 200, answer

    self.do("object", name, hashlib.sha256(body).hexdigest(), put)


def input_step(self, number):
    data = base64.b64encode(json.dumps({"id": number}).encode()).decode()
    self.do("input", str(number), None, lambda: self.wire.call(
        "PutRecord", StreamName="in", Data=data, PartitionKey=str(number)))


def prepare(port, acknowledged):
    wire = history.Wire(port)
    steps = []
    for name, shards in (("history", 2), ("in", 1), ("out", 1)):
        wire.call("CreateStream", StreamName=name, ShardCount=shards)
        steps.append(["create", name, None, acknowledged.note()])
    assert http_call(port, "PUT", "/cuts")[0] == 200
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_leat/api/sql", method="POST",
                                     data=json.dumps({"sql": JOB}).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    assert '"error"' not in text, text
    steps.append(["job", "job", None, acknowledged.note()])
    return steps


def run(port, marker, seconds):
    """(puts, steps): all that was asked for, with the marks of what was answered."""
    acknowledged, stop = Acknowledged(marker), threading.Event()
    steps = prepare(port, acknowledged)
    writers = [Writer("one", port, "history", 1, stop, acknowledged),
               Writer("some", port, "history", 7, stop, acknowledged),
               Writer("large", port, "history", 1, stop, acknowledged, LARGE)]
    others = [Other(step, port, stop, acknowledged) for step in (streams_step, objects_step, input_step)]
    for thread in writers + others:
        thread.start()
    threading.Event().wait(seconds)
    stop.set()
    for thread in writers + others:
        thread.join(timeout=60)
        if thread.is_alive() or thread.error:
            raise RuntimeError(f"a client failed: {thread.error or 'it hangs'}")
    return [put for writer in writers for put in writer.puts], steps + [s for other in others for s in other.steps]
