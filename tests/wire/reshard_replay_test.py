"""A replay, with and without aggregates of the producer library, into a stream that is resharded all the while."""

import base64
import hashlib
import json
import os
import random
import subprocess
import time
import uuid

import aws_kinesis_agg.deaggregator
import pytest

import leat_server
from conftest import make_client
from reshard_test import read_shard

ROWS, PASSES, KEYS = 2000, 40, 40


def reshard(client, stream, rng):
    shards = client.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    shards.sort(key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
    at = rng.randrange(len(shards) - 1)
    if len(shards) > 6 or (len(shards) > 2 and rng.random() < 0.4):
        client.merge_shards(StreamName=stream, ShardToMerge=shards[at]["ShardId"],
                            AdjacentShardToMerge=shards[at + 1]["ShardId"])
    else:
        low, high = (int(shards[at]["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
        client.split_shard(StreamName=stream, ShardToSplit=shards[at]["ShardId"],
                           NewStartingHashKey=str((low + high) // 2))


def user_records(records):
    wrapped = [{"kinesis": {"data": base64.b64encode(r["Data"]).decode(), "partitionKey": r["PartitionKey"],
                            "sequenceNumber": "1", "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1}}
               for r in records]
    for record in aws_kinesis_agg.deaggregator.deaggregate_records(wrapped):
        yield record["kinesis"]["partitionKey"], base64.b64decode(record["kinesis"]["data"])


@pytest.mark.parametrize("options", [[], ["--kpl"]], ids=["plain", "kpl"])
def test_every_row_lies_in_the_shard_of_its_key(leat, tmp_path, options):
    stream = f"replayed-{uuid.uuid4().hex[:8]}"
    client = make_client(leat, "kinesis")
    client.create_stream(StreamName=stream, ShardCount=3)
    path = tmp_path / "rows.csv"
    path.write_text("ID,Severity\n" + "".join(f"A-{n},key-{n % KEYS}\n" for n in range(ROWS)))
    rng = random.Random(3)
    process = subprocess.Popen(
        [leat_server.BINARY, "replay", str(path), "--stream", stream, "--loop", str(PASSES), "--partition-key", "Severity",
         *options], env={**os.environ, "LEAT_ENDPOINT": leat.endpoint}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    count = 0
    while process.poll() is None:
        reshard(client, stream, rng)
        count += 1
        time.sleep(0.005)
    assert process.returncode == 0, process.stdout.read()
    by_key = {f"key-{k}": [] for k in range(KEYS)}
    total = 0
    shards = [shard for page in client.get_paginator("list_shards").paginate(StreamName=stream) for shard in page["Shards"]]
    for shard in shards:  # In this order parents come before their children.
        low, high = (int(shard["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
        records, _ = read_shard(client, stream, int(shard["ShardId"][8:]))
        for key, data in user_records(records):
            assert low <= int(hashlib.md5(key.encode()).hexdigest(), 16) <= high  # Else the KCL drops it.
            by_key[key].append(int(json.loads(data)["ID"][2:]))
            total += 1
    print(f"{total} rows through {count} reshards, {len(shards)} shards")
    assert count > 10
    for key, numbers in by_key.items():
        assert numbers == [n for n in range(ROWS) if n % KEYS == int(key[4:])] * PASSES
    client.delete_stream(StreamName=stream)
