"""/metrics: what promtool says of it, and what docs/metrics.md says of it."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import conftest
import leat_server

ROOT = Path(__file__).resolve().parents[2]
SQL = """
CREATE TABLE metrics_in (`a` STRING, `t` TIMESTAMP(3), WATERMARK FOR `t` AS `t`)
WITH ('connector' = 'kinesis', 'stream' = 'metrics-in', 'aws.region' = 'us-east-1', 'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE metrics_out (`a` STRING)
WITH ('connector' = 'kinesis', 'stream' = 'metrics-out', 'aws.region' = 'us-east-1', 'format' = 'json');
INSERT INTO metrics_out SELECT `a` FROM metrics_in WHERE `a` <> 'no';
"""


def exposition(server):
    with urllib.request.urlopen(server.endpoint + "/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return answer.read().decode()


def families(text):
    """{family: (type, set of label names)}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in found, f"{name} is there twice"
            found[name] = (kind, set())
        elif not line.startswith("#"):
            name = re.match(r"[a-z0-9_:]+", line)[0]
            family = next(n for n in (name, re.sub("_(bucket|sum|count)$", "", name)) if n in found)
            labels = re.search(r"\{(.*)\}", line)
            found[family][1].update(re.findall(r'(\w+)="', labels[1] if labels else ""))
            found[family][1].discard("le")
    return found


def documented():
    rows = {}
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[1].startswith("`"):
            labels = {label.strip() for label in cells[3].split(",") if label.strip()}
            rows[cells[1].strip("`")] = (cells[2], labels)
    return rows


def run_sql(server, text):
    request = urllib.request.Request(server.endpoint + "/_leat/api/sql", json.dumps({"sql": text}).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        lines = [json.loads(line) for line in answer]
    assert all(line["type"] != "error" for line in lines), lines


@pytest.fixture(scope="module")
def busy():
    """A server that has done a bit of everything."""
    server = leat_server.Server().start()
    kinesis = conftest.make_client(server, "kinesis")
    for name in ("metrics-in", "metrics-out"):
        kinesis.create_stream(StreamName=name, ShardCount=2)
    run_sql(server, SQL)
    for n in range(20):
        kinesis.put_record(StreamName="metrics-in", PartitionKey=str(n),
                           Data=b'{"a": "%d", "t": "2024-01-01 00:00:00"}' % n)
    kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(
        StreamName="metrics-in", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"])
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_record(StreamName="no-such-stream", PartitionKey="1", Data=b"x")
    conftest.make_client(server, "sts").get_caller_identity()
    deadline = time.monotonic() + 20
    while not re.search(r"^leat_job_rows_out_total\{.*\} 20$", exposition(server), re.M):
        assert time.monotonic() < deadline, "the job did not take its rows"
        time.sleep(0.01)
    yield server
    server.stop()


def test_promtool_finds_nothing(busy):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    run = subprocess.run([promtool, "check", "metrics"], input=exposition(busy), text=True, capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_each_family_is_documented_with_its_type_and_labels(busy):
    rows = documented()
    for name, (kind, labels) in families(exposition(busy)).items():
        assert name in rows, f"{name} is missing in docs/metrics.md"
        assert rows[name] == (kind, labels), name


def test_each_documented_family_exists_in_the_sources():
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    missing = [name for name in documented() if f'"{name}"' not in sources]
    assert missing == []


def histogram(text, name, labels=""):
    """(bounds with counts, sum, count)"""
    at = re.escape(labels)
    buckets = [(float(le), int(n)) for le, n in
               re.findall(rf'^{name}_bucket\{{{at},?le="([^"]+)"\}} (\d+)$', text, re.M)]
    braces = rf"\{{{at}\}}" if labels else ""
    total = float(re.search(rf"^{name}_sum{braces} (\S+)$", text, re.M)[1])
    count = int(re.search(rf"^{name}_count{braces} (\d+)$", text, re.M)[1])
    return buckets, total, count


@pytest.mark.parametrize("name, labels, at_least", [
    ("leat_log_sync_seconds", "", 1),
    ("leat_log_commit_seconds", "", 20),
    ("leat_http_request_seconds", "", 20),
    ("leat_service_request_seconds", 'service="kinesis",operation="PutRecord"', 21),
    ("leat_service_request_seconds", 'service="kinesis",operation="GetRecords"', 1),
    ("leat_service_request_seconds", 'service="sts",operation="GetCallerIdentity"', 1),
])
def test_histograms_hold_what_happened(busy, name, labels, at_least):
    buckets, total, count = histogram(exposition(busy), name, labels)
    counts = [n for _, n in buckets]
    assert counts == sorted(counts)
    assert buckets[-1] == (float("inf"), count)
    assert count >= at_least
    assert 0 < total < 60 * count
    assert buckets[-2][1] == count, "something took longer than 134 s"


@pytest.mark.parametrize("name", ["leat_job_step_seconds", "leat_job_end_to_end_seconds"])
def test_a_job_has_its_times(busy, name):
    text = exposition(busy)
    steps = int(re.search(r"^leat_job_steps_total\{.*\} (\d+)$", text, re.M)[1])
    labels = re.search(rf"^{name}_count\{{(.*)\}}", text, re.M)[1]
    _, total, count = histogram(text, name, labels)
    assert 1 <= count <= steps + 1
    assert total < 60


def test_operations_of_clients_make_no_series(busy):
    kinesis = conftest.make_client(busy, "kinesis")
    before = exposition(busy).count("leat_service_request_seconds_count")
    for n in range(5):
        request = urllib.request.Request(busy.endpoint, data=b"{}", headers={
            "X-Amz-Target": f"Kinesis_20131202.Made{n}Up", "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/kinesis/aws4_request, "
                             "SignedHeaders=host, Signature=" + "0" * 64})
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request)
    assert kinesis.list_streams()["StreamNames"]
    text = exposition(busy)
    assert "Made" not in text
    assert text.count("leat_service_request_seconds_count") == before + 1


def test_bad_requests_are_counted(busy):
    def bad():
        return int(re.search(r"^leat_http_bad_requests_total (\d+)$", exposition(busy), re.M)[1])
    before = bad()
    with socket.create_connection(("127.0.0.1", busy.port)) as s:
        s.sendall(b"\x00\x01 nonsense\r\n\r\n")
        s.recv(1000)
    assert bad() == before + 1


def test_windows_that_fire_by_themselves_do_not_count_as_ages(busy):
    """A step without input has no oldest record."""
    run_sql(busy, """
        CREATE TABLE metrics_windows (n BIGINT) WITH ('connector' = 'blackhole');
        INSERT INTO metrics_windows SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE metrics_in, DESCRIPTOR(`t`), INTERVAL '1' SECOND))
            GROUP BY window_start, window_end;""")
    kinesis = conftest.make_client(busy, "kinesis")
    labels = 'job="[^"]*",name="insert-into_metrics_windows"'
    deadline = time.monotonic() + 20
    second = 0
    while not (found := re.search(rf"^leat_job_rows_out_total\{{{labels}\}} ([1-9]\d*)$", exposition(busy), re.M)):
        assert time.monotonic() < deadline
        second += 5
        kinesis.put_record(StreamName="metrics-in", PartitionKey="1", Data=b'{"a": "1", "t": "2024-01-01 00:00:%02d"}' % (second % 60))
        time.sleep(0.1)
    assert found
    text = exposition(busy)
    job = re.search(rf'^leat_job_end_to_end_seconds_count\{{({labels})\}}', text, re.M)[1]
    buckets, _, count = histogram(text, "leat_job_end_to_end_seconds", job)
    assert buckets[-2][1] == count
