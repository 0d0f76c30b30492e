"""The founding SQL on a running leat: bytes, order, partition keys, errors."""

import base64
import json
import os
import re
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import leat_server
from conftest import make_client

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("LEAT_SHARED", ROOT.parent / "shared"))
FOUNDING = (ROOT / "demo" / "founding.sql").read_text()
ONE, TWO = "us-accidents-data-stream-1", "us-accidents-data-stream-2"


def sql(server, text, **options):
    """Every line of the answer; the error's text for people when there is one."""
    body = json.dumps({"sql": text, **options}).encode()
    request = urllib.request.Request(f"{server.endpoint}/_leat/api/sql", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [json.loads(line) for line in answer]


def jobs(server):
    with urllib.request.urlopen(f"{server.endpoint}/_leat/api/jobs", timeout=10) as answer:
        return json.load(answer)["jobs"]


def make_streams(client):
    for name in (ONE, TWO):
        client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})


def read_all(client, name):
    """(shard, partition key, data) of every record, shard by shard, in order."""
    out = []
    for shard in client.list_shards(StreamName=name)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            page = client.get_records(ShardIterator=iterator, Limit=10000)
            out += [(shard["ShardId"], r["PartitionKey"], r["Data"]) for r in page["Records"]]
            iterator = page["NextShardIterator"]
            if page["MillisBehindLatest"] == 0 and not page["Records"]:
                break
    return out


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def in_region(region):
    return FOUNDING.replace("us-east-1", region)


def row(number, severity, **changes):
    fields = {
        "ID": f"A-{number}", "Severity": str(severity), "Start_Time": "2020-03-04T05:06:07",
        "City": "Testville", "County": "Example", "Bump": "False", "Weather_Timestamp": "",
        "Txn_Timestamp": "2026-11-23T01:11:40.123456",
    }
    fields.update(changes)
    return json.dumps(fields, indent=4)


def measured():
    path = SHARED / "data" / "flink" / "founding.jsonl"
    if not path.exists():
        pytest.skip(f"what real Flink wrote is not at {path}")
    return {case["case"]: case for case in map(json.loads, path.read_text().splitlines())}


def test_bytes_order_and_keys_are_those_of_flink(leat):
    case = measured()["ok"]
    region = "founding-ok"
    client = make_client(leat, "kinesis", region)
    make_streams(client)
    assert sql(leat, in_region(region))[-1]["type"] == "done"
    for data in case["stream1"]:
        client.put_record(StreamName=ONE, PartitionKey="1", Data=base64.b64decode(data))
    wanted = [(r["PartitionKey"], base64.b64decode(r["Data"])) for r in case["stream2"]]
    # Flink 1.16 writes the number 2.50 for a VARCHAR as 2.5; leat keeps its text, as Flink 2.2 does.
    wanted = [(k, d.replace(b'"County":"2.5"', b'"County":"2.50"')) for k, d in wanted]
    wait_until(lambda: len(read_all(client, TWO)) >= len(wanted))
    got = read_all(client, TWO)
    for key in {k for k, _ in wanted}:
        assert [d for _, k, d in got if k == key] == [d for k, d in wanted if k == key]
    assert len(got) == len(wanted)


@pytest.mark.parametrize("name", ["bad_sev_20", "bad_sev_bool", "bad_sev_empty", "bad_sev_over",
                                  "bad_trunc", "bad_txn_missing", "bad_txn_null", "bad_utf8", "bad_scalar"])
def test_what_fails_flink_is_a_dead_letter(leat, name):
    case = measured()[name]
    region = "founding-" + name.replace("_", "-")
    client = make_client(leat, "kinesis", region)
    make_streams(client)
    sql(leat, in_region(region))
    for data in case["stream1"]:
        client.put_record(StreamName=ONE, PartitionKey="1", Data=base64.b64decode(data))
    client.put_record(StreamName=ONE, PartitionKey="1", Data=row(2, 4))
    wait_until(lambda: len(read_all(client, TWO)) == 1)
    letters = [json.loads(data) for _, _, data in read_all(client, "leat-dead-letters")]
    assert len(letters) == 1
    assert base64.b64decode(letters[0]["data_base64"]) == base64.b64decode(case["stream1"][0])
    assert letters[0]["reason"] and letters[0]["sequence_number"]


def test_on_error_fail_stops_the_job_with_flinks_words(leat):
    region = "founding-fail"
    client = make_client(leat, "kinesis", region)
    make_streams(client)
    sql(leat, in_region(region).replace("'format' = 'json',", "'format' = 'json', 'on-error' = 'fail',", 1))
    client.put_record(StreamName=ONE, PartitionKey="1", Data=row(1, "2.0"))
    mine = lambda: [j for j in jobs(leat) if j["sources"] and j["sources"][0]["region"] == region]
    wait_until(lambda: mine()[0]["state"] == "FAILED")
    assert "Failed to deserialize JSON" in mine()[0]["reason"]
    assert "Fail to deserialize at field: Severity." in mine()[0]["reason"]


def test_the_mistyped_table_name_is_an_error_with_a_caret(leat):
    region = "founding-typo"
    make_streams(make_client(leat, "kinesis", region))
    text = in_region(region).replace("INSERT INTO us_accidents_stream_1_results",
                                     "INSERT INTO us_accidents_stream_1_result6")
    error = sql(leat, text, file="founding.sql")[-1]["error"]
    assert error["code"] == "SQL0141"
    assert "did you mean `us_accidents_stream_1_results`?" in error["rendered"]
    assert re.search(r"founding\.sql:\d+:13", error["rendered"])
    assert "^" * len("us_accidents_stream_1_result6") in error["rendered"]


def test_a_stream_that_is_not_there_names_the_command_or_the_region(leat):
    error = sql(leat, in_region("founding-none"))[-1]["error"]
    assert "leat stream create us-accidents-data-stream-1 --region founding-none" in error["hint"] or (
        "there is one of that name in" in error["hint"]
    )


def test_the_same_file_again_runs_already_and_restart_goes_on(leat, tmp_path):
    region = "founding-again"
    client = make_client(leat, "kinesis", region)
    make_streams(client)
    file = tmp_path / "founding.sql"
    file.write_text(in_region(region))
    run = lambda *args: subprocess.run(
        [leat_server.BINARY, "run", str(file), *args], text=True, capture_output=True,
        env={**os.environ, "LEAT_ENDPOINT": leat.endpoint}, timeout=30)
    first = run()
    assert first.returncode == 0 and "Job ID: job-" in first.stdout
    client.put_record(StreamName=ONE, PartitionKey="1", Data=row(1, 3))
    wait_until(lambda: len(read_all(client, TWO)) == 1)
    second = run()
    assert second.returncode == 0 and "already running as job job-" in second.stdout
    third = run("--restart")
    assert third.returncode == 0 and "in place of the one that ran" in third.stdout
    assert "stood at" in third.stdout and "starts at" in third.stdout
    client.put_record(StreamName=ONE, PartitionKey="1", Data=row(2, 4))
    wait_until(lambda: len(read_all(client, TWO)) == 2)
    time.sleep(0.2)
    assert len(read_all(client, TWO)) == 2  # One job, not two.


def by_shard(records):
    out = {}
    for shard, key, data in records:
        out.setdefault(shard, []).append((key, data))
    return out
