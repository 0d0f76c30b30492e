"""Fan-out through splits, merges and kill -9 under load: nothing is lost, repeated or reordered within a key. Clients
go on from ContinuationSequenceNumber, and from a shard to its children, as the KCL does."""

import base64
import json
import threading
import time

import pytest

import leat_server
from fanout_wire import connect, frames, read_until
from reshard_load_test import (PRODUCERS, SECONDS_TO_SETTLE, STREAM, Client, World, check, list_shards,
                               produce, reshard)


class FanOut:
    """A thread for each shard, blocked in its subscription."""

    def __init__(self, world, consumer):
        self.world = world
        self.consumer = consumer
        self.lock = threading.Lock()
        self.records = []  # (key, number) in the order of arrival
        self.seen, self.ended = set(), set()
        self.threads = []
        self.renewals = 0

    def begin(self, shard_id):
        """The lock is held."""
        if shard_id not in self.seen:
            self.seen.add(shard_id)
            self.threads.append(self.world.run(self.follow, shard_id))

    def take(self, shard_id, event):
        items = []
        for record in event["Records"]:
            key, number = base64.b64decode(record["Data"]).decode().split()
            items.append((key, int(number)))
        with self.lock:
            self.records += items
            if event["ContinuationSequenceNumber"] is None:
                self.ended.add(shard_id)
                for child in event["ChildShards"]:
                    if self.ended.issuperset(child["ParentShards"]):
                        self.begin(child["ShardId"])

    def subscription(self, shard_id, position):
        """Its events, until it ends or the server dies."""
        s = None
        try:
            s = connect(self.world.server, self.consumer, shard=shard_id, **position)
            head = read_until(s, b"\r\n\r\n")
            if b"ResourceInUseException" in head:  # Ours, which the server has not missed yet.
                time.sleep(0.02)
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            for headers, payload in frames(s, head):
                assert headers[":message-type"] == "event", payload
                if headers[":event-type"] != "initial-response":
                    yield json.loads(payload)
        except OSError:  # The server was killed.
            time.sleep(0.02)
        finally:
            if s is not None:
                s.close()

    def follow(self, shard_id):
        position = {"kind": "TRIM_HORIZON"}
        while True:
            for event in self.subscription(shard_id, position):
                was_written = self.world.is_written.is_set()
                self.take(shard_id, event)
                number = event["ContinuationSequenceNumber"]
                if number is None:
                    return
                position = {"kind": "AFTER_SEQUENCE_NUMBER", "number": number}
                if was_written and not event["Records"] and event["MillisBehindLatest"] == 0:
                    return
            self.renewals += 1

    def start(self):
        shards = list_shards(Client(self.world.server), ShardFilter={"Type": "AT_TRIM_HORIZON"})
        with self.lock:
            for shard in shards:
                self.begin(shard["ShardId"])

    def join(self):
        deadline = time.monotonic() + SECONDS_TO_SETTLE
        joined = 0
        while joined < len(self.threads):  # Shards begin others.
            self.threads[joined].join(max(0, deadline - time.monotonic()))
            assert not self.threads[joined].is_alive()
            joined += 1


@pytest.mark.parametrize("seconds,kills", [pytest.param(2.5, 1, id="short"),
                                           pytest.param(40, 8, id="long", marks=pytest.mark.slow)])
def test_fan_out_through_reshards_and_crashes(seconds, kills):
    server = leat_server.Server()
    server.environment = {"LEAT_SUBSCRIPTION_MS": "1200"}  # So that they are renewed, too.
    server.start()
    client = Client(server)
    client.call("CreateStream", StreamName=STREAM, ShardCount=2)
    arn = client.call("DescribeStreamSummary", StreamName=STREAM)["StreamDescriptionSummary"]["StreamARN"]
    made = client.call("RegisterStreamConsumer", StreamARN=arn, ConsumerName="reader")
    world = World(server)
    fan_out = FanOut(world, made["Consumer"]["ConsumerARN"])
    threads = [world.run(produce, world, i) for i in range(PRODUCERS)]
    threads += [world.run(reshard, world, kills)]
    fan_out.start()
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
    fan_out.join()
    shards = list_shards(Client(server))
    print(f"{len(world.acknowledged)} records, {dict(world.reshards)}, {len(shards)} shards, {kills} kills, "
          f"{fan_out.renewals} renewals")
    check(world, fan_out.records)
    assert fan_out.renewals > 0
    assert fan_out.seen == {shard["ShardId"] for shard in shards}
    server.stop()
