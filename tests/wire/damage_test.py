"""A data directory that was damaged: what readers are answered, what doctor says is lost, and --salvage."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client

BATCHES = 6
ROWS = 5
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=20)


def doctor(data, *more):
    command = [leat_server.BINARY, "doctor", "--data", str(data), "--output", "json", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    names = ("log", "damage", "lost", "salvage")
    return [(c["name"], c["status"], c["message"]) for c in json.loads(done.stdout)["checks"] if c["name"] in names]


def records(client, start="TRIM_HORIZON"):
    """Data of all records, and whether the reading ended in an error."""
    iterator = client.get_shard_iterator(StreamName="s", ShardId="shardId-000000000000", ShardIteratorType=start)
    iterator, found = iterator["ShardIterator"], []
    for _ in range(50):
        try:
            page = client.get_records(ShardIterator=iterator)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
            return found, error
        found += [r["Data"].decode() for r in page["Records"]]
        iterator = page["NextShardIterator"]
        if not page["Records"] and page["MillisBehindLatest"] == 0:
            return found, None
    raise AssertionError("no end")


@pytest.fixture
def data(tmp_path):
    """One stream, BATCHES frames of ROWS records, in two segments."""
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    client = make_client(server, "kinesis", config=ONCE)
    client.create_stream(StreamName="s", ShardCount=1)
    client.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
    for batch in range(BATCHES):
        if batch == BATCHES // 2:
            server.stop()
            server = opened(tmp_path / "data")
            client = make_client(server, "kinesis", config=ONCE)
        client.put_records(StreamName="s", Records=[
            {"Data": f"batch-{batch}-{row}", "PartitionKey": "k"} for row in range(ROWS)])
    server.stop()
    return tmp_path / "data"


def segment_with(data, text):
    for path in sorted((data / "log").glob("*.seg")):
        offset = path.read_bytes().find(text)
        if offset >= 0:
            return path, offset
    raise AssertionError(text)


def flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 4
    path.write_bytes(content)


def opened(data):
    return leat_server.Server(data=str(data)).start()


def all_but(*lost):
    return [f"batch-{b}-{r}" for b in range(BATCHES) for r in range(ROWS) if b not in lost]


def test_an_intact_directory_is_said_to_be(data):
    assert [(name, status) for name, status, _ in doctor(data)] == [("log", "ok")]


def check_the_place(client, error, lost):
    message = error.response["Error"]["Message"]
    assert "stream s under account" in message and "shardId-000000000000" in message, message
    first, last = map(int, re.search(r"sequence number (\d+) to (\d+)", message).groups())
    lost_first, lost_last = map(int, re.search(r"sequence numbers (\d+) to (\d+)", lost).groups())
    assert first <= lost_first and number(last) == number(lost_last), (message, lost)
    iterator = client.get_shard_iterator(
        StreamName="s", ShardId="shardId-000000000000", ShardIteratorType="AFTER_SEQUENCE_NUMBER",
        StartingSequenceNumber=str(last))["ShardIterator"]
    page = client.get_records(ShardIterator=iterator)
    assert page["Records"][0]["Data"] == b"batch-3-0"


def number(sequence):
    """The record number in a sequence number."""
    return sequence >> 80 & (1 << 64) - 1


def test_a_damaged_frame_is_an_error_until_it_is_given_up(data):
    path, offset = segment_with(data, b"batch-2-0")
    flip(path, offset)
    said = doctor(data)
    assert [name for name, _, _ in said] == ["damage", "lost", "log"]
    assert str(path) in said[0][2] and "LSN" in said[0][2] and "arrived 20" in said[0][2]
    assert f"{ROWS} records of stream \"s\"" in said[1][2] and "shardId-000000000000" in said[1][2]
    server = opened(data)
    client = make_client(server, "kinesis", config=ONCE)
    found, error = records(client)
    assert found == all_but(2, 3, 4, 5) and error.response["Error"]["Code"] == "InternalFailure"
    assert records(client)[0] == found
    check_the_place(client, error, said[1][2])
    server.stop()
    said = doctor(data, "--salvage")
    assert [name for name, _, _ in said] == ["damage", "lost", "salvage", "log"] and said[-1][1] == "ok"
    assert {status for _, status, _ in said[:-1]} == {"warning"}  # What it gives up is said once more.
    assert (data / "log" / "lost+found" / path.name).exists()
    server = opened(data)
    client = make_client(server, "kinesis", config=ONCE)
    assert records(client) == (all_but(2), None)
    client.put_record(StreamName="s", Data="after", PartitionKey="k")
    assert records(client) == (all_but(2) + ["after"], None)
    server.stop()


def hurt_truncated(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 4096)


def hurt_zeroed(path):
    content = bytearray(path.read_bytes())
    at = content.find(b"batch-1-0") // 4096 * 4096
    content[at:at + 4096] = bytes(4096)
    path.write_bytes(content)


def hurt_headers(path):
    content = bytearray(path.read_bytes())
    content[0:8192] = bytes(8192)
    path.write_bytes(content)


def hurt_store(path):
    flip(path.parent / "STORE", 20)


def hurt_stray(path):
    shutil.copy(path, path.parent / "notes.txt")


@pytest.mark.parametrize("hurt, lost, is_refused", [
    (hurt_truncated, (), False), (hurt_zeroed, (1,), False), (hurt_headers, None, True), (hurt_store, (), True),
    (hurt_stray, (), False)])
def test_salvage_makes_it_startable(data, hurt, lost, is_refused):
    path, _ = segment_with(data, b"batch-1-0")
    before = {p.name for p in (data / "log").glob("*.seg")}
    hurt(path)
    if is_refused:
        assert doctor(data)[-1][1] == "failed"
        start = [leat_server.BINARY, "start", "--data", str(data), "--port", "0"]
        assert subprocess.run(start, capture_output=True, timeout=20).returncode == 78
    said = doctor(data, "--salvage")
    assert said[-1][1] == "ok", said
    kept = {p.name for p in (data / "log").rglob("*.seg")}
    assert before <= kept  # Nothing is ever deleted.
    files = {p: p.read_bytes() for p in (data / "log").rglob("*.seg")}
    assert doctor(data)[-1][1] == "ok"
    assert files == {p: p.read_bytes() for p in (data / "log").rglob("*.seg")}  # Nor written by looking.
    server = opened(data)
    if lost is not None:
        assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(*lost), None)
    server.stop()


def segments(data):
    return sorted((data / "log").glob("*.seg"))


def refused(data, *texts):
    """Neither start nor doctor takes it; nothing is changed by that."""
    before = {p.name: p.read_bytes() for p in (data / "log").iterdir() if p.is_file()}
    start = [leat_server.BINARY, "start", "--data", str(data), "--port", "0"]
    done = subprocess.run(start, capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and all(text in done.stderr for text in texts), done.stderr
    said = doctor(data)[-1]
    assert said[1] == "failed" and texts[0] in said[2], said
    assert {p.name: p.read_bytes() for p in (data / "log").iterdir() if p.is_file()} == before


def salvaged(data):
    assert doctor(data, "--salvage")[-1][1] == "ok"
    assert doctor(data)[-1][1] == "ok"


def frame_with(data, text):
    path, offset = segment_with(data, text)
    return path, offset // 4096 * 4096  # Small frames begin in the block of their first record.


@pytest.mark.parametrize("cuts_at_a_frame", [True, False])
def test_a_sealed_segment_that_was_cut_has_lost_its_end(data, cuts_at_a_frame):
    """As far as the segment behind it says: it must not look like the tail that a crash tore."""
    path, offset = frame_with(data, b"batch-1-0")
    os.truncate(path, offset if cuts_at_a_frame else offset + 100)
    said = doctor(data)
    range_lost = next(message for name, status, message in said if name == "damage" and status == "failed")
    assert f"{path}, offset {offset}," in range_lost and said[-1][1] == "failed"
    first, last = map(int, re.search(r"records (\d+) to (\d+)", range_lost).groups())
    assert last - first + 1 >= 2 * ROWS
    start = [leat_server.BINARY, "start", "--data", str(data), "--port", "0"]
    done = subprocess.run(start, capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and "catalog" in done.stderr  # Changes of it may have stood there.
    said = doctor(data, "--salvage")
    assert said[-1][1] == "ok" and ("damage", "warning", range_lost) in said
    assert doctor(data)[-1][1] == "ok"
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(1, 2), None)
    server.stop()


def one_in_the_middle(data):
    """The segment with batch 4, which others follow."""
    server = opened(data)
    make_client(server, "kinesis", config=ONCE).put_record(StreamName="s", Data="last", PartitionKey="k")
    server.stop()
    return segment_with(data, b"batch-4-0")[0]


def test_what_stood_in_a_missing_segment_is_said(data):
    path = one_in_the_middle(data)
    other, offset = segment_with(data, b"batch-2-0")
    flip(other, offset)  # Looking goes on without the one that is missing.
    path.unlink()
    said = doctor(data)
    lost = [message for name, _, message in said if name == "lost"]
    first, last = map(int, re.search(r"records (\d+) to (\d+)", lost[0]).groups())
    assert str(path) in lost[0] and last - first + 1 >= 3 * ROWS
    assert f"{ROWS} records of stream \"s\"" in lost[1]
    assert ("lost", "warning", lost[0]) in doctor(data, "--salvage")


def test_a_salvage_that_does_nothing_is_no_success(data, tmp_path):
    server = opened(data)
    said = doctor(data, "--salvage")
    server.stop()
    assert said == [("salvage", "failed", f"{data} was left as it is")]
    assert doctor(tmp_path / "none", "--salvage") == [
        ("salvage", "failed", f"there is no data directory {tmp_path / 'none'}")]
    assert not (tmp_path / "none").exists()
    done = subprocess.run([leat_server.BINARY, "doctor", "--data", ""], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--data is empty" in done.stderr


def test_the_newest_segment_is_missed(data):
    path = segments(data)[-1]
    path.unlink()
    refused(data, "the newest segment of the log is missing", path.name)
    salvaged(data)
    assert path.name not in {p.name for p in segments(data)}  # Its number is not given again.
    server = opened(data)
    client = make_client(server, "kinesis", config=ONCE)
    assert records(client) == (all_but(3, 4, 5), None)
    client.put_record(StreamName="s", Data="after", PartitionKey="k")
    assert records(client) == (all_but(3, 4, 5) + ["after"], None)
    server.stop()


def test_a_segment_in_the_middle_is_missed(data):
    path = one_in_the_middle(data)
    assert path not in (segments(data)[0], segments(data)[-1])
    path.unlink()
    refused(data, "a segment of the log is missing", path.name)
    salvaged(data)
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(3, 4, 5) + ["last"], None)
    server.stop()


def test_swapped_segments_are_told(data):
    first, second = segment_with(data, b"batch-1-0")[0], segment_with(data, b"batch-4-0")[0]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    refused(data, "segment", ".seg")
    first.write_bytes(one)
    second.write_bytes(two)
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(), None)
    server.stop()
    first.write_bytes(two)
    second.write_bytes(one)
    assert doctor(data, "--salvage")[-1][0] in ("log", "salvage")
    kept = b"".join(p.read_bytes() for p in (data / "log").rglob("*.seg"))
    assert all(b"batch-%d-0" % n in kept for n in range(BATCHES))  # Nothing is ever deleted.


def test_the_newest_segment_is_known_after_a_kill(data):
    server = opened(data)
    make_client(server, "kinesis", config=ONCE).put_record(StreamName="s", Data="last", PartitionKey="k")
    server.kill()
    path = segments(data)[-1]
    content = path.read_bytes()
    path.unlink()
    refused(data, "the newest segment of the log is missing", path.name)
    path.write_bytes(content)
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but() + ["last"], None)
    server.stop()


@pytest.mark.parametrize("is_header", [True, False])
def test_a_bit_of_the_last_frame_before_a_kill_is_said(data, is_header):
    server = opened(data)
    client = make_client(server, "kinesis", config=ONCE)
    client.put_record(StreamName="s", Data="behind", PartitionKey="k")
    client.put_record(StreamName="s", Data="the last", PartitionKey="k")
    server.kill()
    path, offset = segment_with(data, b"the last")
    flip(path, offset // 4096 * 4096 + 60 if is_header else offset)
    said = [message for name, _, message in doctor(data) if name == "damage"]
    assert len(said) == 1 and path.name in said[0] and "single bit" in said[0], said
    server = opened(data)
    assert "would be whole but for one bit" in server.output() and metric(server, "leat_log_doubtful_frames_total") == 1
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but() + ["behind"], None)
    server.stop()
    assert doctor(data)[-1][1] == "ok"


def test_a_frame_that_a_kill_tore_is_no_damage(data):
    server = opened(data)
    make_client(server, "kinesis", config=ONCE).put_record(StreamName="s", Data="the last", PartitionKey="k")
    server.kill()
    path, offset = segment_with(data, b"the last")
    content = bytearray(path.read_bytes())
    content[offset - 20:offset + 300] = bytes(320)  # Of the write only a part has come.
    path.write_bytes(content)
    assert doctor(data)[-1][1] == "ok"
    server = opened(data)
    assert metric(server, "leat_log_doubtful_frames_total") == 0
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(), None)
    server.stop()


def metric(server, name):
    text = urllib.request.urlopen(server.endpoint + "/metrics", timeout=10).read().decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))


def test_scrub_says_how_often_damage_is_looked_for(data):
    path, offset = segment_with(data, b"batch-2-0")
    flip(path, offset)
    for wrong in ("0", "-1", "x", "99999999"):
        start = [leat_server.BINARY, "start", "--data", str(data), "--port", "0", "--scrub", wrong]
        done = subprocess.run(start, capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and "--scrub" in done.stderr
    server = leat_server.Server(data=str(data), args=["--scrub", "1"]).start()
    deadline = time.monotonic() + 20
    while metric(server, "leat_log_damaged_frames") != 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.stop()


def index_of(path):
    trailer = path.read_bytes()[-4096:]
    return int.from_bytes(trailer[96:104], "little")


PARTS = {"header A": lambda path: 2000, "header B": lambda path: 4096 + 2000, "index": index_of,
         "trailer": lambda path: path.stat().st_size - 100}


@pytest.mark.parametrize("part", PARTS)
def test_damage_that_costs_no_record_is_told_too(data, part):
    path, _ = segment_with(data, b"batch-1-0")
    server = leat_server.Server(data=str(data), args=["--scrub", "1"]).start()
    deadline = time.monotonic() + 20
    assert metric(server, "leat_log_damaged_parts") == 0
    flip(path, PARTS[part](path))  # Under a running server: the scrubber reads the disk.
    while metric(server, "leat_log_damaged_parts") != 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.stop()
    said = [message for name, _, message in doctor(data) if name == "damage"]
    assert len(said) == 1 and path.name in said[0] and part.split()[0].replace("trailer", "index") in said[0], said
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(), None)
    server.stop()
    salvaged(data)
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(), None)
    server.stop()


def test_a_damaged_catalog_is_told(data):
    path = segments(data)[0]
    flip(path, path.read_bytes().find(b"us-east-1"))  # The stream's creation.
    start = [leat_server.BINARY, "start", "--data", str(data), "--port", "0"]
    done = subprocess.run(start, capture_output=True, text=True, timeout=20)
    assert done.returncode == 78
    assert "cannot read the catalog of streams" in done.stderr and "leat doctor" in done.stderr, done.stderr
    lost = [message for name, _, message in doctor(data) if name == "lost"]
    assert len(lost) == 1 and "records of the catalog of streams" in lost[0]
    salvaged(data)
    assert (data / "log" / "lost+found" / path.name).exists()
    server = opened(data)
    client = make_client(server, "kinesis", config=ONCE)
    assert client.list_streams()["StreamNames"] == []
    client.create_stream(StreamName="t", ShardCount=1)
    server.stop()


@pytest.mark.parametrize("name", ["STORE", "0000000000000001.seg"])
def test_a_file_that_may_not_be_read_is_named(data, name):
    path = data / "log" / name
    command = [leat_server.BINARY, "start", "--data", str(data), "--port", "0"]
    if os.getuid() == 0:  # Root may read everything: without that right.
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
        os.chown(path, 65534, 65534)
    path.chmod(0)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and name in done.stderr and "denied" in done.stderr, done.stderr
    path.chmod(0o600)
    server = opened(data)
    assert records(make_client(server, "kinesis", config=ONCE)) == (all_but(), None)
    server.stop()
