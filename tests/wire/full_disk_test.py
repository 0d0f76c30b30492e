"""A full disk: what is asked for is refused or waits, says so, and goes on when there is space.

The disk is a small tmpfs, or an ext4 whose log is written past the page cache; only root can mount them.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client

DISK_MIB = 200
FREE_MIB = 40  # Less than leat keeps free (64), more than its own records need (8).
WAIT_S = 20
MKFS = {"ext4": ["mkfs.ext4", "-q", "-m", "0"], "xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}

SQL = """
CREATE TABLE i (a INT) WITH ('connector' = 'kinesis', 'stream' = 'in', 'aws.region' = 'us-east-1',
  'format' = 'json', 'scan.stream.initpos' = 'TRIM_HORIZON');
CREATE TABLE o (a INT) WITH ('connector' = 'kinesis', 'stream' = 'out', 'aws.region' = 'us-east-1',
  'format' = 'json');
INSERT INTO o SELECT a FROM i;
"""


class Disk:
    def __init__(self, path):
        self.path = path
        self.ballast = path / "ballast"

    def fill(self, free_mib):
        stat = os.statvfs(self.path)
        taken = stat.f_bavail * stat.f_frsize - (free_mib << 20)
        with open(self.ballast, "ab") as f:
            for _ in range(taken >> 20):
                f.write(bytes(1 << 20))

    def free(self):
        self.ballast.unlink()


def mount(kind, path, image, mib=DISK_MIB):
    if kind == "tmpfs":
        return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", str(path)], capture_output=True, text=True)
    with open(image, "wb") as f:
        f.truncate(mib << 20)
    make = shutil.which(MKFS[kind][0], path="/usr/sbin:/sbin")
    if make is None:
        pytest.skip(f"{MKFS[kind][0]} is not installed")
    subprocess.run([make, *MKFS[kind][1:], str(image)], check=True)
    return subprocess.run(["mount", "-o", "loop", str(image), str(path)], capture_output=True, text=True)


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request, tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as around:
        done = mount(request.param, path, Path(around) / "image")
        if done.returncode != 0:
            pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
        yield Disk(path)
        subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def server(disk):
    server = leat_server.Server(data=str(disk.path / "data")).start()
    yield server
    server.process.kill()  # Or the disk could not go.
    server.process.wait()


def leat(server, *words, timeout=WAIT_S):
    environment = {**os.environ, "LEAT_ENDPOINT": server.endpoint}
    return subprocess.run(
        [leat_server.BINARY, *words], env=environment, capture_output=True, text=True, timeout=timeout
    )


def answer(server, *words):
    done = leat(server, *words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def job_of(server):
    return answer(server, "job", "list")["jobs"][0]


def records(server, stream):
    kinesis = make_client(server, "kinesis")
    it = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return [r["Data"] for r in kinesis.get_records(ShardIterator=it)["Records"]]


@pytest.fixture
def pipeline(server, tmp_path):
    for stream in ("in", "out"):
        assert leat(server, "stream", "create", stream, "--shards", "1").returncode == 0
    (tmp_path / "job.sql").write_text(SQL)
    assert leat(server, "run", str(tmp_path / "job.sql")).returncode == 0
    return server


def test_puts_redrive_and_replay(pipeline, disk, tmp_path):
    server = pipeline
    assert leat(server, "stream", "put", "in", '{"a":1}', "bad").returncode == 0
    until(lambda: job_of(server)["dead_letters"] == 1)
    disk.fill(FREE_MIB)

    done = leat(server, "stream", "put", "in", '{"a":2}')
    assert done.returncode == 6 and "no space left" in done.stderr
    assert "put 0 records" in done.stderr
    with pytest.raises(ClientError) as caught:
        make_client(server, "kinesis").put_record(StreamName="in", Data=b"x", PartitionKey="k")
    assert caught.value.response["Error"]["Code"] == "InternalFailure"
    assert "space" in caught.value.response["Error"]["Message"]
    done = leat(server, "deadletter", "redrive", "--all")
    assert done.returncode == 1 and "no space left" in done.stderr
    assert done.stdout.startswith("0 put back, 0 had been put back before, 1 failed")

    rows = tmp_path / "rows.csv"
    rows.write_text("Severity,A\n" + "".join(f"1,{i}\n" for i in range(50)))
    environment = {**os.environ, "LEAT_ENDPOINT": server.endpoint}
    command = [leat_server.BINARY, "replay", "--stream", "in", str(rows)]
    with open(tmp_path / "replay.txt", "w+b") as said:
        replay = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        text = Path(said.name)
        until(lambda: "disk of the server is full" in text.read_text())
        assert records(server, "in") == [b'{"a":1}', b"bad"]
        assert server.output().count("the disk is full") == 1
        disk.free()
        assert replay.wait(timeout=WAIT_S) == 0
    assert text.read_text().count("disk of the server is full") == 1
    assert len(records(server, "in")) == 52
    done = leat(server, "deadletter", "redrive", "--all")
    assert "1 failed" not in done.stdout and done.returncode == 0
    until(lambda: job_of(server)["dead_letters"] == 2)
    assert len(records(server, "out")) == 51
    until(lambda: "the disk has space again" in server.output())
    assert records(server, "in").count(b"bad") == 2
    server.stop()


def test_a_stop_that_cannot_be_written_down(pipeline, disk):
    server = pipeline
    assert leat(server, "stream", "put", "in", '{"a":1}').returncode == 0
    until(lambda: len(records(server, "out")) == 1)
    disk.fill(0)
    done = leat(server, "job", "stop", "job-1")
    assert done.returncode != 0
    assert 'job "job-1" cannot be stopped durably: no space left' in done.stderr
    assert job_of(server)["state"] == "RUNNING"
    server.kill()
    server.start()
    assert job_of(server)["state"] == "RUNNING"
    disk.free()
    assert leat(server, "stream", "put", "in", '{"a":2}').returncode == 0
    until(lambda: len(records(server, "out")) == 2)
    assert leat(server, "job", "stop", "job-1").returncode == 0
    server.kill()
    server.start()
    assert job_of(server)["state"] == "STOPPED"
    assert records(server, "out") == [b'{"a":1}', b'{"a":2}']
    server.stop()


def test_demo(disk, tmp_path):
    disk.fill(FREE_MIB + 10)
    command = [leat_server.BINARY, "demo", "--once", "--port", "0", "--rows", "2000"]
    with open(tmp_path / "demo.txt", "w+b") as said:
        demo = subprocess.Popen(
            [*command, "--data", str(disk.path / "demo")], stdout=said, stderr=subprocess.STDOUT
        )
        text = Path(said.name)
        try:
            until(lambda: "is full" in text.read_text())
            disk.free()
            assert demo.wait(timeout=60) == 0, text.read_text()
        finally:
            demo.kill()
            demo.wait()
    assert text.read_text().count("as it must be") == 6
