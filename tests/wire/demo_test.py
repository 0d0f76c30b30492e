"""leat demo: the founding pipeline end to end, its counts, its manners."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import leat_server
from conftest import make_client
from founding_test import ONE, TWO, jobs, read_all, wait_until

ROWS = 4000


def demo(*args, **kwargs):
    return subprocess.run([leat_server.BINARY, "demo", *args], capture_output=True, text=True, timeout=110, **kwargs)


class Demo:
    """leat demo in the background, on a free port."""

    def __init__(self, data, *args):
        self.port = leat_server.free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [leat_server.BINARY, "demo", "--port", str(self.port), "--data", str(data), *args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=30)
        return self.process.returncode, out


def get(endpoint, path):
    with urllib.request.urlopen(endpoint + path, timeout=10) as answer:
        return json.load(answer)


def test_once_checks_every_count_and_the_data_tell_the_same(tmp_path):
    done = demo("--once", "--port", "0", "--data", str(tmp_path / "data"), "--rows", str(ROWS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout and done.stdout.count("as it must be") == 6
    assert float(re.search(r"memory +([\d.]+) MiB", done.stdout).group(1)) < 128
    assert "leat start --data" in done.stdout

    server = leat_server.Server(data=str(tmp_path / "data")).start()
    kinesis, s3 = make_client(server, "kinesis"), make_client(server, "s3")
    one = [(shard, data) for shard, _, data in read_all(kinesis, ONE)]
    assert len(one) == ROWS + 1  # And the row that closes the last window.
    severe = [json.loads(data) for _, data in one if int(json.loads(data)["Severity"]) > 2]
    assert sorted(r["ID"] for r in severe) == sorted(json.loads(d)["ID"] for _, _, d in read_all(kinesis, TWO))

    bucket = "us-accidents-archive-us_east_1-dev"
    wait_until(lambda: sum(o["Size"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
                           for o in p.get("Contents", [])) == sum(len(d) for _, d in one))
    archived = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            shard = re.search(r"shardId-\d{12}", item["Key"]).group()
            archived.setdefault(shard, b"")
            archived[shard] += s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
    for shard in {s for s, _ in one}:
        assert archived[shard] == b"".join(d for s, d in one if s == shard)

    mails = get(server.endpoint, "/_aws/sns/inbox?region=us-east-1&limit=500")["messages"]
    alerts = [m for m in mails if m["subject"].startswith("Alert with Severity 4")]
    assert len(alerts) == sum(r["Severity"] == "4" for r in severe)
    server.stop()


def test_it_runs_until_ctrl_c_and_goes_on_with_start(tmp_path):
    running = Demo(tmp_path / "data", "--rows", "1000")
    records = lambda: {s["name"]: s["records_in"] for s in get(running.endpoint, "/_leat/api/streams")["streams"]}

    def moves():
        try:
            return records().get(TWO, 0) > 0
        except OSError:
            return False

    started = time.monotonic()
    wait_until(moves)
    assert time.monotonic() - started < 15  # Five seconds on a machine of its own.
    code, out = running.end()
    assert code == 0 and f"data      {tmp_path / 'data'}" in out and "ssh -L" in out
    assert f"leat start --data {tmp_path / 'data'} goes on" in out
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    before = jobs(server)[0]["position_lsn"]
    wait_until(lambda: int(jobs(server)[0]["position_lsn"]) > int(before))
    assert {j["state"] for j in jobs(server)} == {"RUNNING"} and len(jobs(server)) == 4
    server.stop()


def test_a_directory_in_use_is_not_touched(tmp_path):
    (tmp_path / "mine").write_text("precious")
    done = demo("--data", str(tmp_path))
    assert done.returncode == 78 and "is not empty" in done.stderr
    assert os.listdir(tmp_path) == ["mine"]


def test_a_port_that_is_taken_names_who_holds_it(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo("--port", str(port), "--data", str(tmp_path / "data"))
    assert done.returncode == 75
    assert str(port) in done.stderr and f"pid {os.getpid()}" in done.stderr and "--port" in done.stderr


def test_bad_options(tmp_path):
    for args, text in [(("--rate", "fast"), "--rate"), (("--rows", "0"), "--rows"), (("--port", "70000"), "--port"),
                       (("--onse",), "did you mean --once"), (("extra",), "extra")]:
        done = demo(*args, "--data", str(tmp_path / "never"))
        assert done.returncode == 2 and text in done.stderr, (args, done)
    assert not (tmp_path / "never").exists()
