"""requests.py WORK: whole HTTP requests, one after the other, to standard output, for http_load.
put_record: of 1 KiB with random partition keys into $STREAM (bench).
put_records: $RECORDS (500) such; $BODIES (8) requests; with $STREAMS=n to $STREAM-1 to $STREAM-n in turn.
get_records: 10,000 records at $ITERATOR; in CBOR where $FORM says so."""

import base64
import os
import random
import sys

from kinesis_wire import request

chance = random.Random(1)
stream, form = os.environ.get("STREAM", "bench"), os.environ.get("FORM", "json")


def number(name, otherwise):
    return int(os.environ.get(name, otherwise))


def record():
    return {"Data": base64.b64encode(chance.randbytes(1024)).decode(), "PartitionKey": f"key-{chance.randrange(1000000)}"}


def put_record():
    for _ in range(64):
        yield request("json", "PutRecord", {**record(), "StreamName": stream})


def put_records():
    streams = number("STREAMS", 0)
    for body in range(number("BODIES", 8)):
        name = f"{stream}-{body % streams + 1}" if streams else stream
        records = [record() for _ in range(number("RECORDS", 500))]
        yield request("json", "PutRecords", {"Records": records, "StreamName": name})


def get_records():
    yield request(form, "GetRecords", {"Limit": 10000, "ShardIterator": os.environ["ITERATOR"]})


for text in {"put_record": put_record, "put_records": put_records, "get_records": get_records}[sys.argv[1]]():
    sys.stdout.buffer.write(text)
