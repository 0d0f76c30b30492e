"""Real clients write and read 100,000 records through a split, a crash (kill -9) and a merge.

Each client has a program of two modes (tests/clients): the writer acknowledges one record for each key in a round before it begins the
next, so what the reader sees of one key must be 0, 1, 2, ... A record comes twice only where a call was made again whose answer was lost.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import debian
from conftest import make_client
from leat_server import Server, free_port

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
BUILD = Path(__file__).resolve().parents[2] / "build" / "clients"
KEYS, ROUNDS = 500, 200
ENVIRONMENT = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
               "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


def run(*command, cwd=None, timeout=600):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def need(*commands):
    missing = [command for command in commands if not shutil.which(command)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def java_program(folder):
    """Compiles one folder of tests/clients/java with the jars that its pom.xml pins."""
    need("mvn", "javac")
    source, out = CLIENTS / "java" / folder, BUILD / folder
    jars = out / "jars"
    stamp = out / "pom.xml"
    if not stamp.exists() or stamp.read_text() != (source / "pom.xml").read_text():
        run("mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}", cwd=source)
        shutil.copy(source / "pom.xml", stamp)
    run("javac", "-cp", f"{jars}/*", "-d", str(out / "classes"), *map(str, source.glob("*.java")))
    return ["java", "-Xmx512m", "-cp", f"{jars}/*:{out / 'classes'}", "Main"]


def go_program():
    need("go")
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, timeout=60).stdout.strip()
    if tuple(map(int, version.removeprefix("go").split(".")[:2])) < (1, 24):
        pytest.skip(f"the SDK for Go needs go 1.24: here is {version}")
    run("go", "build", "-o", str(BUILD / "go-client"), ".", cwd=CLIENTS / "go")
    return [str(BUILD / "go-client")]


def js_program():
    need("node", "npm")
    run("npm", "ci", "--no-audit", "--no-fund", cwd=CLIENTS / "js")
    return ["node", str(CLIENTS / "js" / "stream_client.mjs")]


def python_program(python, api):
    return [python, str(CLIENTS / "python" / "stream_client.py"), api]


def debian_program(api):
    if not Path(debian.AWS).exists() or not debian.debian_boto3():
        pytest.skip("Debian's awscli and python3-boto3 are not installed")
    return ["env", f"AWS_COMMAND={debian.AWS}", "PATH=/usr/bin:/bin", *python_program(debian.PYTHON, api)]


def awscli_program():
    """The current command line that PyPI has, with a Python environment of its own."""
    venv = BUILD / "awscli"
    if not (venv / "bin" / "aws").exists():
        run(sys.executable, "-m", "venv", str(venv))
        run(str(venv / "bin" / "pip"), "install", "-q", "awscli==1.46.3")
    return ["env", f"AWS_COMMAND={venv / 'bin' / 'aws'}", *python_program(sys.executable, "aws")]


def fluent_bit_program():
    """Fluent Bit follows a file and sends its lines; it knows no port but 443."""
    need("npm", "cmake", "flex", "bison", "make", "gcc")
    if not Path("/usr/include/oniguruma.h").exists():
        pytest.skip("not installed: libonig-dev")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 443))
        except OSError as error:
            pytest.skip(f"Fluent Bit needs port 443: {error}")
    run(str(CLIENTS / "fluentbit" / "build.sh"), str(BUILD / "fluent-bit"), timeout=1800)
    return [sys.executable, str(CLIENTS / "fluentbit" / "stream_client.py"), str(BUILD / "fluent-bit" / "fluent-bit")]


def java(folder, *arguments):
    return lambda: [*java_program(folder), *arguments]


def boto3_program(api="boto3"):
    return lambda: python_program(sys.executable, api)


# name: (writer, reader, may it read again what it has read). The Client Library begins anew at its last checkpoint.
PAIRS = {
    "boto3": (boto3_program(), boto3_program(), False),
    "boto3-debian": (lambda: debian_program("boto3"), lambda: debian_program("boto3"), False),
    "aws-debian": (lambda: debian_program("aws"), lambda: debian_program("aws"), False),
    "aws-pypi": (awscli_program, awscli_program, False),
    "java-v1": (java("sdk", "v1"), java("sdk", "v1"), False),
    "java-v2": (java("sdk", "v2"), java("sdk", "v2"), False),
    "java-v2-async": (java("sdk", "v2-async"), java("sdk", "v2-async"), False),
    "js": (js_program, js_program, False),
    "go": (go_program, go_program, False),
    "kpl-1.1": (java("kpl1"), boto3_program("boto3-kpl"), False),
    "kpl-0.15": (java("kpl0"), boto3_program("boto3-kpl"), False),
    "kcl-3.5-polling": (boto3_program(), java("kcl3", "polling"), True),
    "kcl-3.5-fanout": (boto3_program(), java("kcl3", "fanout"), True),
    "kcl-1.15": (boto3_program(), java("kcl1"), True),
    "kpl-1.1-to-kcl-3.5": (java("kpl1"), java("kcl3", "fanout"), True),
    "fluent-bit": (fluent_bit_program, boto3_program("boto3-lines"), False),
}


class Program:
    """A program whose output is read as it comes."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
                                        start_new_session=True)
        self.lines, self.errors = [], []
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def complaints(self):
        return "".join(self.errors)[-3000:]

    def join(self):
        for thread in self.threads:
            thread.join()

    def end(self):
        """Ends the program and what it began."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Writer(Program):
    def wait_for(self, rounds, seconds=240):
        with self.changed:
            self.changed.wait_for(lambda: len(self.lines) >= rounds or self.process.poll() is not None, seconds)
        assert len(self.lines) >= rounds, f"{len(self.lines)} of {rounds} rounds: {self.complaints()}"
        assert self.lines[rounds - 1] == f"round {rounds - 1}"


def check(lines, retries, may_reread):
    """Nothing lost, nothing out of order within a key, nothing twice but what was sent or read twice."""
    last = {}
    repeats = 0
    for line in lines:
        key, number = line.rsplit(" ", 1)
        number = int(number)
        before = last.get(key, -1)
        assert number <= before + 1, f"{key}: {number} after {before}"
        assert may_reread or number >= before, f"{key}: {number} after {before}"
        repeats += number <= before
        last[key] = max(number, before)
    assert last == {f"key-{key}": ROUNDS - 1 for key in range(KEYS)}
    assert may_reread or repeats <= retries * KEYS, f"{repeats} records twice, {retries} calls made again"


def check_lines(lines, retries, shards):
    """Fluent Bit gives each line a partition key of its own: a shard holds the rounds in order, and goes on where its parents ended."""
    parents = {shard["ShardId"]: (shard.get("ParentShardId"), shard.get("AdjacentParentShardId")) for shard in shards}
    last, seen = {}, set()
    for line in lines:
        shard, key, number = line.split(" ")
        before = max(last.get(place, 0) for place in (shard, *parents[shard]))
        assert int(number) >= before, f"{line}: after round {before}"
        last[shard] = int(number)
        seen.add((key, int(number)))
    assert seen == {(f"key-{key}", number) for key in range(KEYS) for number in range(ROUNDS)}
    assert len(lines) <= KEYS * (ROUNDS + retries), f"{len(lines)} records, {retries} calls made again"


def wait_active(kinesis, name):
    deadline = time.monotonic() + 20
    while kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def open_shards(kinesis, name):
    shards = kinesis.list_shards(StreamName=name)["Shards"]
    shards = [s for s in shards if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
    return sorted(shards, key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))


def split_first(kinesis, name):
    shard = open_shards(kinesis, name)[0]
    first, last = (int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
    kinesis.split_shard(StreamName=name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((first + last) // 2 + 1))
    wait_active(kinesis, name)


def merge_last(kinesis, name):
    left, right = open_shards(kinesis, name)[-2:]
    kinesis.merge_shards(StreamName=name, ShardToMerge=left["ShardId"], AdjacentShardToMerge=right["ShardId"])
    wait_active(kinesis, name)


def retries_of(errors):
    """Calls that a program made again itself, and up to three more that its SDK made for each."""
    return 4 * sum("again:" in line for line in errors) + 4


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_client_through_reshard_and_crash(name):
    make_writer, make_reader, may_reread = PAIRS[name]
    writing, reading = make_writer(), make_reader()
    tls_port = 443 if name == "fluent-bit" else free_port()
    server = Server(args=["--tls-port", str(tls_port)]).start()
    # The Producer Library and Fluent Bit know TLS only.
    endpoint = f"https://127.0.0.1:{tls_port}" if name.startswith(("kpl", "fluent-bit")) else server.endpoint
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="through", ShardCount=3)
    wait_active(kinesis, "through")
    work = ["through", str(KEYS), str(ROUNDS)]
    reader = Program([*reading, "get", server.endpoint, *work])
    writer = Writer([*writing, "put", endpoint, *work])
    try:
        writer.wait_for(ROUNDS // 4)
        split_first(kinesis, "through")
        writer.wait_for(ROUNDS // 2)
        server.kill()
        server.start()
        writer.wait_for(ROUNDS * 3 // 4)
        merge_last(kinesis, "through")
        writer.wait_for(ROUNDS)
        assert reader.process.wait(timeout=240) == 0, reader.complaints()
        reader.join()
    finally:
        writer.end()
        reader.end()
    shards = kinesis.list_shards(StreamName="through")["Shards"]
    assert len(shards) == 6
    if name == "fluent-bit":
        check_lines(reader.lines, retries_of(writer.errors), shards)
    else:
        check(reader.lines, retries_of(writer.errors), may_reread)
    server.stop()
