"""The server's log on standard error (docs/logs.md): forms, levels, and what must never stand in it."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

import conftest
import leat_server

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info |warn |error) [a-z0-9]+: .+")


class Run:
    """A server whose two outputs are kept apart."""

    def __init__(self, tmp_path, *args, **environment):
        self.port = leat_server.free_port()
        self.data = str(tmp_path / "data")
        self.files = [open(tmp_path / name, "w+b") for name in ("stdout", "stderr")]
        self.process = subprocess.Popen([leat_server.BINARY, "start", "--data", self.data, "--port", str(self.port), *args],
                                        stdout=self.files[0], stderr=self.files[1], env={**os.environ, **environment})
        deadline = time.monotonic() + 10
        while "Ready." not in self.read(0):
            assert self.process.poll() is None and time.monotonic() < deadline, self.read(1)
            time.sleep(0.01)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def read(self, which):
        with open(self.files[which].name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0
        return self.read(1).splitlines()


def work(run, key="test", secret="test"):
    """A bit of everything, with a job that fails."""
    kinesis = conftest.make_client(run, "kinesis", key=key)
    kinesis.create_stream(StreamName="logged", ShardCount=1)
    kinesis.put_record(StreamName="logged", PartitionKey="k", Data=b"{}")


def test_the_log_is_text_and_goes_to_standard_error(tmp_path):
    run = Run(tmp_path)
    work(run)
    lines = run.stop()
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert any(f"server: ready endpoint={run.endpoint}" in line for line in lines)
    assert "server: stopping signal=15" in lines[-2] and "server: stopped" in lines[-1]
    assert [line.split()[0] for line in run.read(0).splitlines()] == ["data", "endpoint", "Ready."]


@pytest.mark.parametrize("args, environment", [((), {"LEAT_LOG": "json"}), (("--log", "json"), {"LEAT_LOG": "text"})])
def test_json_is_one_object_a_line(tmp_path, args, environment):
    run = Run(tmp_path, *args, **environment)
    lines = [json.loads(line) for line in run.stop()]
    assert {"time", "level", "module", "message"} <= set(lines[0])
    ready = next(line for line in lines if line["message"] == "ready")
    assert (ready["endpoint"], ready["data"], ready["durability"]) == (run.endpoint, run.data, "commit")


def test_debug_shows_requests(tmp_path):
    run = Run(tmp_path, "--log", "json", "--log-level", "debug")
    work(run)
    requests = [line for line in map(json.loads, run.stop()) if line["message"] == "request"]
    assert [(r["service"], r["operation"], r["status"]) for r in requests] == [
        ("kinesis", "CreateStream", 200), ("kinesis", "PutRecord", 200)]
    assert all(re.fullmatch(r"[0-9a-f-]{36}", r["request"]) and r["milliseconds"] > 0 for r in requests)


def test_the_level_holds_back(tmp_path):
    run = Run(tmp_path, LEAT_LOG_LEVEL="warn")
    work(run)
    assert run.stop() == []


@pytest.mark.parametrize("args, environment, words", [
    (("--log", "xml"), {}, ["--log", "xml", "json"]),
    ((), {"LEAT_LOG": "yaml"}, ["LEAT_LOG", "yaml"]),
    (("--log-level", "loud"), {}, ["loud", "debug, info, warn or error"]),
])
def test_an_unknown_form_is_refused(tmp_path, args, environment, words):
    run = subprocess.run([leat_server.BINARY, "start", "--data", str(tmp_path / "d"), "--port", "0", *args], timeout=10,
                         capture_output=True, text=True, env={**os.environ, **environment})
    assert run.returncode == 2
    assert all(word in run.stderr for word in words), run.stderr
    assert not (tmp_path / "d").exists()


def test_no_secret_is_logged(tmp_path):
    secrets = ["s3cr3t-of-leat", "s3cr3t-of-smtp", "s3cr3t-of-a-table", "s3cr3t-in-data"]
    run = Run(tmp_path, "--log", "json", "--log-level", "debug", LEAT_ACCESS_KEY_ID="LEATKEYLEATKEYLEAT00", LEAT_SECRET_ACCESS_KEY=secrets[0],
              LEAT_SMTP_URL=f"smtp://user:{secrets[1]}@127.0.0.1:1")
    import boto3
    keys = {"aws_access_key_id": "LEATKEYLEATKEYLEAT00", "aws_secret_access_key": secrets[0], "region_name": "us-east-1",
            "endpoint_url": run.endpoint}
    kinesis = boto3.client("kinesis", **keys)
    kinesis.create_stream(StreamName="in", ShardCount=1)
    kinesis.put_record(StreamName="in", PartitionKey="k", Data=('{"a": "%s' % secrets[3]).encode())
    sns = boto3.client("sns", **keys)
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    sql = f"""CREATE TABLE secret_in (a STRING) WITH ('connector' = 'kinesis', 'stream' = 'in', 'aws.region' = 'us-east-1',
        'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json', 'aws.credentials.basic.secretkey' = '{secrets[2]}');
        CREATE TABLE hole (a STRING) WITH ('connector' = 'blackhole'); INSERT INTO hole SELECT a FROM secret_in;"""
    subprocess.run([leat_server.BINARY, "sql", "-c", sql], env={**os.environ, "LEAT_ENDPOINT": run.endpoint}, timeout=20, check=True)
    wrong = boto3.client("kinesis", **{**keys, "aws_secret_access_key": "not-the-secret"})
    with pytest.raises(Exception, match="signature"):
        wrong.list_streams()
    deadline = time.monotonic() + 10
    while "mail" not in run.read(1) and time.monotonic() < deadline:
        time.sleep(0.05)
    text = "\n".join(run.stop())
    assert "127.0.0.1" in text and "request" in text
    for secret in [*secrets, "not-the-secret"]:
        assert secret not in text
