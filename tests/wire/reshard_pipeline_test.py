"""The founding pipeline, and one with windows, over a stream 1 that is resharded and killed while it is filled: stream 2
is that of the same rows in a stream that nobody touched."""

import collections
import contextlib
import json
import random
import subprocess

import pytest
from botocore.exceptions import BotoCoreError, ClientError

import leat_server
from conftest import make_client
from exactly_once_test import BATCH, CASES, LOG_POINTS, SHARDS, jobs, record, settled
from founding_test import ONE, TWO, sql, wait_until

KEYS = 9


def batches(rows):
    """Sums of distances are exact in any order."""
    rng = random.Random(11)
    for start in range(0, rows, BATCH):
        entries = []
        for number in range(start, min(start + BATCH, rows)):
            entry = record(rng, number, rows)
            fields = json.loads(entry["Data"])
            fields["Distance"] = number % 64 / 4
            entries.append({"Data": json.dumps(fields), "PartitionKey": f"key-{number % KEYS}"})
        yield entries


class Pipeline:
    def __init__(self, directory, text):
        self.server = leat_server.Server(data=str(directory))
        self.server.environment = {"LEAT_STEP_FRAMES": "1", "LEAT_SNAPSHOT_STEPS": "3"}
        self.start()
        self.client.create_stream(StreamName=ONE, ShardCount=SHARDS)
        self.client.create_stream(StreamName=TWO, ShardCount=1)
        assert sql(self.server, text)[-1]["type"] == "done"

    def start(self):
        self.server.start()
        self.client = make_client(self.server, "kinesis", "us-east-1")

    def put(self, entries):
        assert self.client.put_records(StreamName=ONE, Records=entries)["FailedRecordCount"] == 0

    def results(self):
        """Rows of stream 2 in order."""
        wait_until(lambda: jobs(self.server)[-1]["state"] == "RUNNING" and jobs(self.server)[-1]["lag_ms"] == 0, 60)
        records = settled(self.server, self.client, TWO)
        return [json.loads(data) for shard in records.values() for _, data in shard]

    def open_shards(self):
        shards = self.client.list_shards(StreamName=ONE, ShardFilter={"Type": "AT_LATEST"})["Shards"]
        return sorted(shards, key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))

    def reshard(self, rng):
        shards = self.open_shards()
        at = rng.randrange(len(shards) - 1)
        if rng.random() < 0.15:
            self.client.update_shard_count(StreamName=ONE, ScalingType="UNIFORM_SCALING",
                                           TargetShardCount=max(2, rng.randint((len(shards) + 1) // 2, len(shards) + 1)))
        elif len(shards) > 6 or (len(shards) > 2 and rng.random() < 0.4):
            self.client.merge_shards(StreamName=ONE, ShardToMerge=shards[at]["ShardId"],
                                     AdjacentShardToMerge=shards[at + 1]["ShardId"])
        else:
            low, high = (int(shards[at]["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
            self.client.split_shard(StreamName=ONE, ShardToSplit=shards[at]["ShardId"],
                                    NewStartingHashKey=str(rng.randrange(low + 2, high)))

    def reshard_and_die(self, rng):
        """The process ends itself at a point of a commit: the reshard's, or one of the job's. Was it killed by itself?"""
        self.server.kill()
        self.server.environment["LEAT_FAILPOINT"] = f"{rng.choice(LOG_POINTS)}:{rng.randint(1, 3)}"
        try:
            self.start()
            for _ in range(4):
                self.reshard(rng)
        except (RuntimeError, BotoCoreError, ClientError, OSError):
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.server.process.wait(timeout=2)
        died = self.server.process.poll() == -9
        if not died:
            self.server.kill()
        del self.server.environment["LEAT_FAILPOINT"]
        self.start()
        return died


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("rows,rounds", [pytest.param(4000, 8, id="short"),
                                         pytest.param(60000, 100, id="long", marks=pytest.mark.slow)])
def test_stream_two_does_not_tell(name, rows, rounds, tmp_path):
    text = CASES[name][0]
    calm = Pipeline(tmp_path / "calm", text)
    for entries in batches(rows):
        calm.put(entries)
    expected = calm.results()
    calm.server.stop()

    rng = random.Random(5)
    pipeline = Pipeline(tmp_path / "resharded", text)
    killed_itself = 0
    all_batches = list(batches(rows))
    done = collections.Counter()
    for number, entries in enumerate(all_batches):
        pipeline.put(entries)
        if number % max(1, len(all_batches) // rounds) == 0:
            kind = ["reshard", "die", "reshard", "kill"][done.total() % 4]
            done[kind] += 1
            if kind == "reshard":
                with contextlib.suppress(pipeline.client.exceptions.LimitExceededException):
                    pipeline.reshard(rng)
            elif kind == "kill":
                pipeline.server.kill()
                pipeline.start()
            else:
                killed_itself += pipeline.reshard_and_die(rng)
    results = pipeline.results()
    shards = pipeline.client.list_shards(StreamName=ONE)["Shards"]
    print(f"{name}: {rows} rows in, {len(expected)} out, {len(shards)} shards, {dict(done)}, {killed_itself} died of it")
    assert len(shards) > SHARDS and killed_itself > 0
    counted = collections.Counter(json.dumps(row, sort_keys=True) for row in results)
    assert counted == collections.Counter(json.dumps(row, sort_keys=True) for row in expected)
    if name == "founding":
        assert by_key(results) == by_key(expected)
    pipeline.server.stop()


def by_key(results):
    """Numbers of the rows of each partition key of stream 1, in the order of stream 2."""
    keys = collections.defaultdict(list)
    for row in results:
        number = int(row["ID"].split("-")[1])
        keys[number % KEYS].append(number)
    assert all(numbers == sorted(numbers) for numbers in keys.values())
    return keys
