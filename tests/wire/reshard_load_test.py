"""A reshard under full load loses, repeats and reorders nothing within a key: producers that count
per key, splits, merges and UpdateShardCount all the while, and a consumer that follows ChildShards."""

import base64
import collections
import hashlib
import http.client
import json
import random
import threading
import time

import pytest

import leat_server

STREAM = "loaded"
PRODUCERS, KEYS, BATCH = 6, 8, 40
SECONDS_TO_SETTLE = 60


class Client:
    """One connection; what a call does when the server dies is up to the caller."""

    def __init__(self, server):
        self.server = server
        self.connection = None

    def call(self, operation, **body):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Kinesis_20131202.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
                             "SignedHeaders=host;x-amz-date, Signature=00",
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        }
        try:
            self.connection.request("POST", "/", json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise ConnectionError from None
        result = json.loads(text) if text else {}
        if answer.status != 200:
            raise RuntimeError(f"{operation}: {answer.status} {result}")
        return result

    def patiently(self, operation, **body):
        """Until the server is there. Only for what may be done twice."""
        while True:
            try:
                return self.call(operation, **body)
            except ConnectionError:
                time.sleep(0.02)


class World:
    def __init__(self, server):
        self.server = server
        self.is_over = threading.Event()
        self.is_written = threading.Event()  # And nobody writes any more.
        self.failures = []
        self.sent = {}  # (key, number) -> how often it was sent, at most.
        self.acknowledged = {}  # (key, number) -> (shard id, sequence number)
        self.reshards = collections.Counter()

    def run(self, function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as e:  # noqa: the main thread tells of it.
                self.failures.append(e)
                self.is_over.set()

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread


def produce(world, index):
    client = Client(world.server)
    keys = [f"p{index}-k{k}" for k in range(KEYS)]
    number = 0
    while not world.is_over.is_set():
        items = []
        for _ in range(BATCH // KEYS):
            items += [(key, number) for key in keys]
            number += 1
        records = [{"PartitionKey": key, "Data": base64.b64encode(f"{key} {n}".encode()).decode()} for key, n in items]
        while True:
            for item in items:
                world.sent[item] = world.sent.get(item, 0) + 1
            try:
                answer = client.call("PutRecords", StreamName=STREAM, Records=records)
                break
            except ConnectionError:  # Stored or not: sent again.
                time.sleep(0.02)
        assert answer["FailedRecordCount"] == 0
        for item, result in zip(items, answer["Records"], strict=True):
            world.acknowledged[item] = (result["ShardId"], int(result["SequenceNumber"]))


def bounds(shard):
    return int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])


def list_shards(client, **more):
    shards, body = [], {"StreamName": STREAM, **more}
    while True:
        answer = client.patiently("ListShards", **body)
        shards += answer["Shards"]
        if "NextToken" not in answer:
            return shards
        body = {"NextToken": answer["NextToken"]}


def reshard(world, seed):
    """A killed server may have done it or not: what is left is looked at anew each time."""
    client, rng = Client(world.server), random.Random(seed)
    while not world.is_over.is_set():
        shards = sorted(list_shards(client, ShardFilter={"Type": "AT_LATEST"}), key=bounds)
        kind = rng.choice(["split", "merge", "merge" if len(shards) > 8 else "split", "scale"])
        at = rng.randrange(len(shards) - (kind == "merge")) if len(shards) > 1 else 0
        if kind == "scale" and world.reshards["scale"] >= 10 or kind == "merge" and len(shards) < 3:
            continue
        try:
            if kind == "split":
                low, high = bounds(shards[at])
                client.call("SplitShard", StreamName=STREAM, ShardToSplit=shards[at]["ShardId"],
                            NewStartingHashKey=str(rng.randrange(low + 2, high)))
            elif kind == "merge":
                client.call("MergeShards", StreamName=STREAM, ShardToMerge=shards[at]["ShardId"],
                            AdjacentShardToMerge=shards[at + 1]["ShardId"])
            else:
                world.reshards["scale"] += 1
                client.call("UpdateShardCount", StreamName=STREAM, ScalingType="UNIFORM_SCALING",
                            TargetShardCount=rng.randint((len(shards) + 1) // 2, min(2 * len(shards), 12)))
        except ConnectionError:
            continue
        world.reshards[kind] += kind != "scale"
        time.sleep(rng.random() / 100)


class Consumer:
    """As the KCL: a shard is read when all its parents have been, up to the answer that names children."""

    def __init__(self, world):
        self.world = world
        self.client = Client(world.server)
        self.records = []  # (key, number) in the order of reading
        self.iterators = {}
        self.ended = set()
        self.seen = set()

    def begin(self, shard_id):
        if shard_id not in self.seen:
            self.seen.add(shard_id)
            self.iterators[shard_id] = self.client.patiently(
                "GetShardIterator", StreamName=STREAM, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]

    def read(self, shard_id):
        """True when something came."""
        answer = self.client.patiently("GetRecords", ShardIterator=self.iterators[shard_id], Limit=2000)
        for record in answer["Records"]:
            key, number = base64.b64decode(record["Data"]).decode().split()
            assert record["PartitionKey"] == key
            self.records.append((key, int(number)))
        children = answer.get("ChildShards", [])
        assert ("NextShardIterator" in answer) == (not children)
        if not children:
            self.iterators[shard_id] = answer["NextShardIterator"]
            return bool(answer["Records"])
        del self.iterators[shard_id]
        self.ended.add(shard_id)
        for child in children:
            if self.ended.issuperset(child["ParentShards"]):
                self.begin(child["ShardId"])
        return True

    def run(self):
        for shard in list_shards(self.client, ShardFilter={"Type": "AT_TRIM_HORIZON"}):
            self.begin(shard["ShardId"])
        is_new = True
        while is_new:
            is_new = not self.world.is_written.is_set()
            for shard_id in list(self.iterators):
                is_new = self.read(shard_id) or is_new


def check(world, records):
    """Each acknowledged record once; one of a batch that was sent again may be there as often as it was sent. Within
    a key the first ones ascend, and what was sent again follows in one piece."""
    assert not world.failures, world.failures[0]
    counts = collections.Counter(records)
    lost = [item for item in world.acknowledged if counts[item] == 0]
    assert not lost, f"{len(lost)} lost, such as {lost[:5]}"
    phantoms = [item for item, count in counts.items() if count > world.sent.get(item, 0)]
    assert not phantoms, f"{len(phantoms)} repeated or never sent, such as {phantoms[:5]}"
    by_key = collections.defaultdict(list)
    for key, number in records:
        by_key[key].append(number)
    for key, numbers in by_key.items():
        expected = 0
        for number in numbers:
            if number == expected:
                expected += 1
            else:
                assert number < expected and world.sent[key, number] > 1, f"{key}: {number} where {expected} follows"


def check_answers(world, shards):
    """Every answer named a shard that holds the key, and numbers ascend with the key's."""
    ranges = {shard["ShardId"]: bounds(shard) for shard in shards}
    hashes, last = {}, {}
    for (key, number), (shard_id, sequence) in sorted(world.acknowledged.items(), key=lambda item: item[0]):
        if key not in hashes:
            hashes[key] = int(hashlib.md5(key.encode()).hexdigest(), 16)
        low, high = ranges[shard_id]
        assert low <= hashes[key] <= high, f"{key} {number} in {shard_id}"
        assert last.get(key, 0) < sequence
        last[key] = sequence


@pytest.mark.parametrize("seconds,kills", [pytest.param(2.5, 1, id="short"),
                                           pytest.param(60, 12, id="long", marks=pytest.mark.slow)])
def test_a_reshard_under_load_loses_repeats_and_reorders_nothing(seconds, kills):
    server = leat_server.Server().start()
    Client(server).call("CreateStream", StreamName=STREAM, ShardCount=2)
    world = World(server)
    consumer = Consumer(world)
    threads = [world.run(produce, world, i) for i in range(PRODUCERS)]
    threads += [world.run(reshard, world, kills)]
    reader = world.run(consumer.run)
    end = time.monotonic() + seconds
    for _ in range(kills):
        world.is_over.wait(seconds / (kills + 1))
        server.kill()
        server.start()
    world.is_over.wait(max(0, end - time.monotonic()))
    world.is_over.set()
    for thread in threads:
        thread.join(SECONDS_TO_SETTLE)
    world.is_written.set()
    reader.join(SECONDS_TO_SETTLE)
    assert not any(thread.is_alive() for thread in [*threads, reader])
    shards = list_shards(Client(server))
    print(f"{len(world.acknowledged)} records, {dict(world.reshards)}, {len(shards)} shards, {kills} kills")
    check(world, consumer.records)
    check_answers(world, shards)
    assert world.reshards["split"] > 5 and world.reshards["merge"] > 2 and world.reshards["scale"] > 2
    assert consumer.seen == {shard["ShardId"] for shard in shards}
    server.kill()
    server.start()
    again = Consumer(world)
    again.run()
    check(world, again.records)
    assert sorted(again.records) == sorted(consumer.records)
    server.stop()
