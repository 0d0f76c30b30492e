"""Files that a newer leat has written: refused by name, with what to do, and nothing is changed (docs/formats)."""

import hashlib
import json
import os
import sqlite3
import struct
import subprocess

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client
from window_test import COUNT, TABLES, event, put, results, sql, streams, wait_until

POLYNOMIAL = 0x82F63B78


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def digest(folder):
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(path, name), "rb") as file:
                found[os.path.join(path, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


@pytest.fixture
def data(tmp_path):
    """A stopped leat with a stream, a job with a snapshot, and a database of each service."""
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_SNAPSHOT_STEPS": "1"}
    server.start()
    client = streams(server)
    sql(server, TABLES + COUNT)
    put(client, [event("a", i, i) for i in range(100)])
    wait_until(lambda: len(results(client)) > 3)
    put(client, [event("a", i, i) for i in range(100, 200)])
    wait_until(lambda: len(results(client)) > 13)
    make_client(server, "sns").create_topic(Name="t")
    make_client(server, "cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}])
    make_client(server, "s3", config=Config(s3={"addressing_style": "path"})).create_bucket(Bucket="bucket")
    make_client(server, "dynamodb").create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    server.stop()
    return tmp_path / "data"


def refused(data, *texts):
    """The start is refused with these words; nothing on the disk is another than before."""
    before = digest(data)
    done = subprocess.run([leat_server.BINARY, "start", "--data", data, "--port", str(leat_server.free_port())],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 78, done.stdout + done.stderr
    for text in (*texts, "was written by a newer leat", "start the newer leat, or restore a backup"):
        assert text in done.stderr, done.stderr
    assert digest(data) == before


def test_the_store(data):
    path = data / "log" / "STORE"
    block = bytearray(path.read_bytes())
    block[8:12] = struct.pack("<I", 2)
    block[4092:] = struct.pack("<I", crc32c(block[:4092]))
    path.write_bytes(block)
    refused(data, str(path), "format version 2, this one reads up to 1")


@pytest.mark.parametrize("which", [0, -1])
def test_a_segment(data, which):
    path = sorted((data / "log").glob("*.seg"))[which]
    block = bytearray(path.read_bytes())
    size = struct.unpack_from("<I", block, 80)[0]
    for copy in (0, size):
        block[copy + 8:copy + 12] = struct.pack("<I", 7)
        block[copy + size - 4:copy + size] = struct.pack("<I", crc32c(block[copy:copy + size - 4]))
    path.write_bytes(block)
    refused(data, path.name, "format version 7, this one reads up to 1")


def test_a_snapshot_and_no_older_one_is_taken(data):
    snapshots = sorted((data / "state").rglob("*.snapshot"))
    assert len(snapshots) >= 2
    head = bytearray(snapshots[-1].read_bytes())
    head[8:12] = struct.pack("<I", 3)
    snapshots[-1].write_bytes(head)
    refused(data, str(snapshots[-1]), "format version 3, this one reads up to 2")
    head[8:12] = struct.pack("<I", 2)
    snapshots[-1].write_bytes(head)
    server = leat_server.Server(data=str(data)).start()
    assert len(results(make_client(server, "kinesis", "us-east-1"))) > 3
    server.stop()


CALLS = {
    "sns": lambda server: make_client(server, "sns").list_topics(),
    "cloudwatch": lambda server: make_client(server, "cloudwatch").list_metrics(),
    "s3": lambda server: make_client(server, "s3").list_buckets(),
    "dynamodb": lambda server: make_client(server, "dynamodb").list_tables(),
}


@pytest.mark.parametrize("service", CALLS)
def test_a_database(data, service):
    """It is opened at its first use: that service answers so, the others and the streams go on."""
    path = data / service / f"{service}.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    server = leat_server.Server(data=str(data)).start()
    for name, call in CALLS.items():
        if name == service:
            with pytest.raises(ClientError) as caught:
                call(server)
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
            assert f'{path}" was written by a newer leat: format version 99' in caught.value.response["Error"]["Message"]
        else:
            call(server)
    assert len(results(make_client(server, "kinesis", "us-east-1"))) > 3
    server.stop()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_doctor_says_so_too(data):
    path = data / "log" / "STORE"
    block = bytearray(path.read_bytes())
    block[8:12] = struct.pack("<I", 2)
    block[4092:] = struct.pack("<I", crc32c(block[:4092]))
    path.write_bytes(block)
    done = subprocess.run([leat_server.BINARY, "doctor", "--data", data, "-o", "json"], capture_output=True, text=True, timeout=60)
    log = [c for c in json.loads(done.stdout)["checks"] if c["name"] == "log"][0]
    assert log["status"] == "failed" and "newer leat" in log["message"]
