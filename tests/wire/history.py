"""Histories of concurrent clients, and what must hold of them.

A Writer notes each record before it is put and the place that was acknowledged; a Reader notes each page. check() then says what is wrong:

- lost: acknowledged, but in no shard at its place; or read once and gone later;
- phantom: read, but never put, or with other bytes;
- repeated: one put in two places (an unanswered put may be there or not, but not twice);
- reordered: of one writer, a later put that lies before an earlier one in the same shard; pages whose places do not ascend;
- unstable: one place that was read with two contents.
"""

import base64
import http.client
import json
import threading

HEADERS = {
    "Content-Type": "application/x-amz-json-1.1", "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, "
                     "Signature=0",
}


class Refused(Exception):
    """The server answered with an error: nothing has happened."""


class Wire:
    """One connection; any failure of it is an OSError or HTTPException, and the next call opens another."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def call(self, operation, **members):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            self.connection.request("POST", "/", json.dumps(members),
                                    {**HEADERS, "X-Amz-Target": f"Kinesis_20131202.{operation}"})
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        if answer.status != 200:
            raise Refused(f"{answer.status} {body!r}")
        return json.loads(body) if body else {}


class Put:
    """One record: who put it, in which order, and where it was acknowledged (None: no answer came)."""

    __slots__ = ("writer", "number", "place")

    def __init__(self, writer, number):
        self.writer, self.number, self.place = writer, number, None

    @property
    def data(self):
        return f"{self.writer}:{self.number}"


class Writer(threading.Thread):
    """Puts batches of records until told to stop. What was not answered is never put again."""

    def __init__(self, name, port, stream, batch, stop):
        super().__init__(daemon=True)
        self.writer, self.stream, self.batch, self.stop = name, stream, batch, stop
        self.wire = Wire(port)
        self.puts = []
        self.error = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.put_batch()
        except Exception as error:
            self.error = error

    def put_batch(self):
        first = len(self.puts)
        puts = [Put(self.writer, first + i) for i in range(self.batch)]
        self.puts += puts
        records = [{"Data": base64.b64encode(put.data.encode()).decode(), "PartitionKey": f"{self.writer}-{put.number % 7}"}
                   for put in puts]
        try:
            answer = self.wire.call("PutRecords", StreamName=self.stream, Records=records)
        except (OSError, http.client.HTTPException):
            self.stop.wait(0.01)
            return
        assert answer["FailedRecordCount"] == 0, answer
        for put, result in zip(puts, answer["Records"], strict=True):
            put.place = (result["ShardId"], int(result["SequenceNumber"]))


class Reader(threading.Thread):
    """Reads one shard from its beginning, again and again over the crashes: with the same iterator after each."""

    def __init__(self, port, stream, shard, stop):
        super().__init__(daemon=True)
        self.stream, self.shard, self.stop = stream, shard, stop
        self.wire = Wire(port)
        self.pages = []  # Lists of (place, data).
        self.error = None

    def run(self):
        try:
            self.read_until_stopped()
        except Exception as error:
            self.error = error

    def persist(self, operation, **members):
        while True:
            try:
                return self.wire.call(operation, **members)
            except (OSError, http.client.HTTPException):
                if self.stop.wait(0.002):
                    return None

    def read_until_stopped(self):
        answer = self.persist("GetShardIterator", StreamName=self.stream, ShardId=self.shard,
                              ShardIteratorType="TRIM_HORIZON")
        iterator = answer and answer["ShardIterator"]
        while iterator and not self.stop.is_set():
            page = self.persist("GetRecords", ShardIterator=iterator)
            if page is None:
                return
            if page["Records"]:
                self.pages.append(entries(self.shard, page))
            else:
                self.stop.wait(0.005)
            iterator = page["NextShardIterator"]


def entries(shard, page):
    return [((shard, int(record["SequenceNumber"])), base64.b64decode(record["Data"]).decode())
            for record in page["Records"]]


def read_all(port, stream):
    """Every record of the stream, by shard, in order."""
    wire = Wire(port)
    pages = []
    for shard in wire.call("ListShards", StreamName=stream)["Shards"]:
        name = shard["ShardId"]
        iterator = wire.call("GetShardIterator", StreamName=stream, ShardId=name,
                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = wire.call("GetRecords", ShardIterator=iterator)
            pages.append(entries(name, page))
            iterator = page.get("NextShardIterator") if page["Records"] or page["MillisBehindLatest"] else None
    return [page for page in pages if page]


def find_content(pages, complain):
    content = {}
    for page in pages:
        places = [place for place, _ in page]
        if places != sorted(set(places)):
            complain(f"reordered: a page with {places}")
        for place, data in page:
            if content.setdefault(place, data) != data:
                complain(f"unstable: {place} was {content[place]} and {data}")
    return content


def check(puts, pages, final_pages):
    """The list of what is wrong; `pages` are of readers on the way, `final_pages` of one at the end."""
    wrong = []
    content = find_content(final_pages, wrong.append)
    for place, data in find_content(pages, wrong.append).items():
        if content.get(place) != data:
            wrong.append(f"lost: {data} was read at {place}, where {content.get(place)} is now")
    by_data = {put.data: put for put in puts}
    places = {}
    for place, data in sorted(content.items()):
        if data not in by_data:
            wrong.append(f"phantom: {data} at {place}")
        elif data in places:
            wrong.append(f"repeated: {data} at {places[data]} and {place}")
        else:
            places[data] = place
    for put in puts:
        if put.place is not None and places.get(put.data) != put.place:
            wrong.append(f"lost: {put.data} was acknowledged at {put.place}, is at {places.get(put.data)}")
    return wrong + find_reordered(puts, places)


def find_reordered(puts, places):
    """`puts` of each writer come in the order in which they were put."""
    wrong, last = [], {}
    for put in puts:
        place = places.get(put.data)
        if place is None:
            continue
        before = last.get((put.writer, place[0]))
        if before is not None and before > place:
            wrong.append(f"reordered: {put.data} at {place} behind {before}")
        last[put.writer, place[0]] = place
    return wrong
