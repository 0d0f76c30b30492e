"""Aggregates of the producer library that are broken or strange: kept byte by byte, and taken apart only when they are whole."""

import hashlib
import json
import uuid

import pytest

import console_test
from conftest import make_client
from connect_kinesis_test import aggregate, done, field, read_all, source, sql, varint, wait_until

MAGIC = b"\xf3\x89\x9a\xc2"
SHARD_BITS = 127


def sealed(body):
    return MAGIC + body + hashlib.md5(body).digest()


def sub(key_index, data, hash_index=None):
    hash_part = b"" if hash_index is None else varint(2 << 3) + varint(hash_index)
    return field(3, varint(1 << 3) + varint(key_index) + hash_part + field(3, data))


WHOLE = field(1, b"k") + sub(0, b"x")
BROKEN = {
    "another digest": MAGIC + WHOLE + bytes(16),
    "no digest": MAGIC + WHOLE,
    "magic alone": MAGIC,
    "varint of 11 bytes": sealed(b"\x0a" + b"\xff" * 10 + b"\x01k"),
    "past the end": sealed(b"\x0a\x7fk"),
    "length of 2^63": sealed(b"\x0a" + b"\xff" * 8 + b"\x7f"),
    "10,000 groups": sealed(WHOLE + b"\x53" * 10000),
    "10,000 groups that end": sealed(WHOLE + b"\x53" * 10000 + b"\x54" * 9999),
    "field number 0": sealed(WHOLE + b"\x02\x01k"),
    "wire type 7": sealed(WHOLE + b"\x0f"),
    "key index out of the table": sealed(field(1, b"k") + sub(1, b"x")),
    "key index of 2^64": sealed(field(1, b"k") + sub(2**64 - 1, b"x")),
    "hash index out of the table": sealed(field(1, b"k") + sub(0, b"x", 0)),
    "one of many is broken": sealed(field(1, b"k") + sub(0, b"x") * 100 + sub(7, b"x")),
    "key not UTF-8": sealed(field(1, b"\xff") + sub(0, b"x")),
}


@pytest.fixture
def stream(leat):
    name = f"kpl-{uuid.uuid4().hex[:8]}"
    kinesis = make_client(leat, "kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    yield name
    kinesis.delete_stream(StreamName=name)


def put(leat, stream, *all_data, **arguments):
    for data in all_data:
        make_client(leat, "kinesis").put_record(StreamName=stream, PartitionKey="outer", Data=data, **arguments)


def tailed(leat, stream, count):
    return console_test.records(leat, stream, f"from=trim-horizon&limit={count}")


def test_broken_ones_are_plain_records(leat, stream):
    """All of them: bytes as they were put, under the key that they were put with."""
    put(leat, stream, *BROKEN.values())
    stored = [data for _, _, data in read_all(make_client(leat, "kinesis"), stream)]
    assert sorted(stored) == sorted(BROKEN.values())
    shown = tailed(leat, stream, len(BROKEN))
    assert all(r["partition_key"] == "outer" and "sub_sequence" not in r for r in shown)
    assert [r["bytes"] for r in shown] == [len(data) for data in BROKEN.values()]


def test_strange_ones_are_whole(leat, stream):
    unknown = sealed(WHOLE + field(10, b"later versions") + b"\x53\x08\x01\x54")
    table_behind = sealed(sub(0, b"y") + field(1, b"k"))
    put(leat, stream, sealed(field(1, b"k")), unknown, table_behind, b"plain")  # The first holds no record at all.
    shown = tailed(leat, stream, 3)
    assert [(r["data"], r.get("sub_sequence")) for r in shown] == [("x", 0), ("y", 0), ("plain", None)]


def test_very_many_small_records(leat, stream):
    """As many as fit into a record of 1 MiB."""
    count = ((1 << 20) - 100) // len(sub(0, b"x"))
    put(leat, stream, sealed(field(1, b"k") + sub(0, b"x") * count))
    shown = tailed(leat, stream, 5000)
    assert [r["sub_sequence"] for r in shown] == list(range(5000))
    job, out = f"kpl{uuid.uuid4().hex[:6]}", f"{stream}-out"
    kinesis = make_client(leat, "kinesis")
    kinesis.create_stream(StreamName=out, ShardCount=1)
    letter = aggregate([(str(n), b'{"a": %d, "b": "x"}' % n) for n in range(20000)])
    kinesis.put_record(StreamName=out, PartitionKey="k", Data=b'{"a": 0, "b": "first"}')
    assert len(letter) < 1 << 20
    make_client(leat, "kinesis", job).create_stream(StreamName="out", ShardCount=1)
    put(leat, out, letter)
    done(sql(leat, source(f"in_{job}", out, "us-east-1") + source(f"out_{job}", "out", job)
             + f"INSERT INTO out_{job} SELECT a, b FROM in_{job};"))
    wait_until(lambda: len(read_all(make_client(leat, "kinesis", job), "out")) == 20001)
    kinesis.delete_stream(StreamName=out)


def test_hash_keys_of_another_shard(leat, stream):
    """What a reshard has moved is read once, with the shard whose key it is: here it is dropped."""
    job = f"kpl{uuid.uuid4().hex[:6]}"
    make_client(leat, "kinesis", job).create_stream(StreamName="out", ShardCount=1)
    low, high = b"0", str(2**128 - 1).encode()
    body = field(1, b"k") + field(2, low) + field(2, high)
    body += b"".join(sub(0, b'{"a": %d, "b": "x"}' % n, n % 2) for n in range(10))
    body += sub(0, b'{"a": 99, "b": "x"}') if int(hashlib.md5(b"k").hexdigest(), 16) >> SHARD_BITS else b""
    for hash_key in ("0", str(2**128 - 1)):
        put(leat, stream, sealed(body), ExplicitHashKey=hash_key)
    too_large = field(1, b"k") + field(2, str(2**128).encode()) + sub(0, b'{"a": 100, "b": "x"}', 0)
    put(leat, stream, sealed(too_large), b'{"a": 101, "b": "last"}', ExplicitHashKey="0")
    done(sql(leat, source(f"in_{job}", stream, "us-east-1") + source(f"out_{job}", "out", job)
             + f"INSERT INTO out_{job} SELECT a, b FROM in_{job};"))
    found = lambda: sorted(json.loads(d)["a"] for _, _, d in read_all(make_client(leat, "kinesis", job), "out"))
    wait_until(lambda: 101 in found() and len(found()) >= 11)
    assert [a for a in found() if a < 99] == list(range(10))
    assert 100 not in found()


def test_the_longest_keys(leat, stream):
    """256 characters of four bytes each, on every way in and out."""
    key = "\U0010ffff" * 256
    kinesis = make_client(leat, "kinesis")
    shard = kinesis.put_record(StreamName=stream, PartitionKey=key, Data=b"1")["ShardId"]
    wanted = int(hashlib.md5(key.encode()).hexdigest(), 16) >> SHARD_BITS
    assert shard == f"shardId-{wanted:012}"
    kinesis.put_records(StreamName=stream, Records=[{"PartitionKey": key, "Data": b"2"}])
    put(leat, stream, aggregate([(key, b"3")]))
    assert sorted((k, d) for _, k, d in read_all(kinesis, stream))[-2:] == [(key, b"1"), (key, b"2")]
    assert [r["partition_key"] for r in tailed(leat, stream, 3)] == [key] * 3
    with pytest.raises(kinesis.exceptions.ClientError):
        kinesis.put_record(StreamName=stream, PartitionKey=key + "a", Data=b"")
