"""requests.py WORK: whole HTTP requests, one after the other, to standard output, for http_load.
put_record: of 1 KiB with random partition keys into $STREAM (bench).
put_records: $RECORDS (500) such; $BODIES (8) requests; with $STREAMS=n to $STREAM-1 to $STREAM-n in turn.
get_records: 10,000 records at $ITERATOR; in CBOR where $FORM says so."""

import base64
import json
import os
import random
import struct
import sys

chance = random.Random(1)


def number(name, otherwise):
    return int(os.environ.get(name, otherwise))


def record():
    return {"Data": base64.b64encode(chance.randbytes(1024)).decode(), "PartitionKey": f"key-{chance.randrange(1000000)}"}


def put_record():
    for _ in range(64):
        yield "PutRecord", json.dumps({**record(), "StreamName": stream}, separators=(",", ":")).encode()


def put_records():
    streams = number("STREAMS", 0)
    for body in range(number("BODIES", 8)):
        name = f"{stream}-{body % streams + 1}" if streams else stream
        records = [record() for _ in range(number("RECORDS", 500))]
        yield "PutRecords", json.dumps({"Records": records, "StreamName": name}, separators=(",", ":")).encode()


def get_records():
    iterator = os.environ["ITERATOR"]
    body = json.dumps({"Limit": 10000, "ShardIterator": iterator}).encode()
    if form == "cbor":  # A map of two; 10,000 as u16, the text with a length of two bytes.
        body = b"\xa2\x65Limit\x19" + struct.pack(">H", 10000) + b"\x6dShardIterator\x79" + struct.pack(">H", len(iterator))
        body += iterator.encode()
    yield "GetRecords", body


stream, form = os.environ.get("STREAM", "bench"), os.environ.get("FORM", "json")
for operation, body in {"put_record": put_record, "put_records": put_records, "get_records": get_records}[sys.argv[1]]():
    head = (f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-{form}-1.1\r\n"
            f"X-Amz-Target: Kinesis_20131202.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature=0\r\nContent-Length: {len(body)}\r\n\r\n")
    sys.stdout.buffer.write(head.encode() + body)
