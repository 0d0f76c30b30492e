"""A real Flink 1.16.1 with its own Kinesis connector (CBOR) runs the founding SQL against leat, through a split, a crash and a merge."""

import base64
import json
import time
import urllib.request

import pytest

from clients_test import merge_last, split_first, wait_active
from conftest import make_client
from flink_cluster import Flink
from founding_test import FOUNDING, ONE, TWO, measured
from leat_server import Server

ROWS = 100_000
BATCH = 500
IN_FLIGHT = 50  # requests that the sink has under way at once


def wait_until(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.1)


def read_all(kinesis, name):
    """(partition key, data) of every record, parents before children."""
    out = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"],
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = kinesis.get_records(ShardIterator=iterator)
            out += [(record["PartitionKey"], record["Data"]) for record in page["Records"]]
            if not page["Records"] and page["MillisBehindLatest"] == 0 and "ChildShards" not in page:
                break
            iterator = page.get("NextShardIterator")
    return out


def reads(server):
    with urllib.request.urlopen(f"{server.endpoint}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("leat_service_request_seconds_count") and 'operation="GetRecords"' in line)


@pytest.fixture
def world(tmp_path):
    server = Server().start()
    kinesis = make_client(server, "kinesis")
    for name in (ONE, TWO):
        kinesis.create_stream(StreamName=name, ShardCount=4)
        wait_active(kinesis, name)
    flink = Flink(tmp_path / "flink")
    try:
        wait_until(flink.is_ready, flink.logs)
        sql = FOUNDING.replace("%flink.ssql", "").replace(
            "'aws.region' = 'us-east-1',", f"'aws.region' = 'us-east-1',\n    'aws.endpoint' = '{server.endpoint}',")
        flink.run(sql)
        wait_until(flink.are_tasks_running, flink.logs)
        # LATEST holds from the first reads on: two of each shard have then been answered.
        wait_until(lambda: reads(server) >= 8, flink.logs)
        yield server, kinesis, flink
    finally:
        flink.end()
    server.stop()


@pytest.mark.slow
def test_founding_sql_of_real_flink(world):
    """What Flink writes into leat is what it wrote when it was measured against another endpoint."""
    _, kinesis, flink = world
    case = measured()["ok"]
    for data in case["stream1"]:
        kinesis.put_record(StreamName=ONE, PartitionKey="3", Data=base64.b64decode(data))
    wanted = [(record["PartitionKey"], base64.b64decode(record["Data"])) for record in case["stream2"]]
    wait_until(lambda: len(read_all(kinesis, TWO)) >= len(wanted), lambda: f"{len(read_all(kinesis, TWO))} of {len(wanted)} {flink.logs()}")
    got = read_all(kinesis, TWO)
    for key in {key for key, _ in wanted}:
        assert [data for k, data in got if k == key] == [data for k, data in wanted if k == key]
    assert len(got) == len(wanted)


def accident(number):
    return json.dumps({"ID": f"A-{number}", "Severity": str(number % 4 + 1), "Start_Time": "2020-03-04T05:06:07",
                       "City": "Testville", "County": "Example", "Bump": "False",
                       "Txn_Timestamp": "2026-11-23T01:11:40.123456"}, indent=4).encode()


def put(kinesis, first):
    records = [{"PartitionKey": str(n % 4 + 1), "Data": accident(n)} for n in range(first, first + BATCH)]
    for _ in range(100):
        try:
            answer = kinesis.put_records(StreamName=ONE, Records=records)
            assert answer["FailedRecordCount"] == 0
            return
        except Exception:
            time.sleep(0.1)
    raise AssertionError("the server did not come back")


@pytest.mark.slow
def test_hundred_thousand_rows_through_reshard_and_crash(world):
    """Flink's sink is at least once: nothing is lost, and only what was in flight at the crash may come out of order."""
    server, kinesis, flink = world
    for first in range(0, ROWS, BATCH):
        if first == ROWS // 4:
            split_first(kinesis, ONE)
            split_first(kinesis, TWO)
        if first == ROWS // 2:
            server.kill()
            server.start()
        if first == ROWS * 3 // 4:
            merge_last(kinesis, ONE)
            merge_last(kinesis, TWO)
        put(kinesis, first)
    wanted = {str(severity): [n for n in range(ROWS) if n % 4 + 1 == severity] for severity in (3, 4)}
    seen = {}

    def is_complete():
        seen.clear()
        for key, data in read_all(kinesis, TWO):
            seen.setdefault(key, []).append(int(json.loads(data)["ID"][2:]))
        return all(len(set(seen.get(key, []))) == len(wanted[key]) for key in wanted)

    wait_until(is_complete, lambda: f"{ {key: len(set(ids)) for key, ids in seen.items()} } {flink.logs()}", 200)
    assert {key: sorted(set(ids)) for key, ids in seen.items()} == wanted
    for key, ids in seen.items():
        firsts = list(dict.fromkeys(ids))
        breaks = [(a, b) for a, b in zip(firsts, firsts[1:]) if b < a]
        assert len(breaks) <= IN_FLIGHT, f"{key}: {len(breaks)} out of order, as {breaks[:10]}"
