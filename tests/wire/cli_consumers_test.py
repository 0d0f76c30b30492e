"""leat stream consumers, and leat stream tail --consumer."""

import json
import signal
import subprocess
import threading
import uuid

import pytest

from cli_test import environment, lines, run
from leat_server import BINARY


@pytest.fixture
def stream(leat):
    name = f"cli-{uuid.uuid4().hex[:10]}"
    run(leat, "stream", "create", name, "--shards", "2")
    return name


def test_consumers_are_listed_registered_and_deregistered(leat, stream):
    assert "--register" in run(leat, "stream", "consumers", stream)[0]
    assert json.loads(run(leat, "stream", "consumers", stream, "-o", "json")[0]) == {"Consumers": []}
    assert ":stream/" + stream + "/consumer/a:" in run(
        leat, "stream", "consumers", stream, "--register", "a")[0]
    made = json.loads(run(leat, "stream", "consumers", stream, "--register", "b", "-o", "json")[0])
    assert made["ConsumerName"] == "b"
    listed = json.loads(run(leat, "stream", "consumers", stream, "-o", "json")[0])["Consumers"]
    assert [c["ConsumerName"] for c in listed] == ["a", "b"]
    table = run(leat, "stream", "consumers", stream)[0].splitlines()
    assert table[0].split() == ["CONSUMER", "STATUS", "REGISTERED", "ARN"]
    assert table[2].split()[::3] == ["b", made["ConsumerARN"]]
    assert "already exists" in run(leat, "stream", "consumers", stream, "--register", "a", code=1)[1]
    assert json.loads(run(leat, "stream", "consumers", stream, "--deregister", "a", "-o",
                          "json")[0]) == {"deregistered": "a"}
    assert "not found" in run(leat, "stream", "consumers", stream, "--deregister", "a", code=5)[1]
    assert "not found" in run(leat, "stream", "consumers", stream + "x", code=5)[1]
    assert "exclude" in run(leat, "stream", "consumers", stream, "--register", "a",
                            "--deregister", "b", code=2)[1]


@pytest.mark.parametrize("args, code, says", [
    (("--consumer", "nobody"), 5, "Consumer nobody"),
    (("--where", "a = 1"), 2, "--where and --consumer exclude each other"),
    (("--from", "yesterday"), 2, "neither latest, trim-horizon nor a time"),
    (("--shard", "shardId-000000000007"), 5, "shardId-000000000007"),
    (("--shard", "7"), 5, "shardId-000000000007"),
])
def test_a_tail_that_cannot_be(leat, stream, args, code, says):
    run(leat, "stream", "consumers", stream, "--register", "a")
    assert says in run(leat, "stream", "tail", stream, "--consumer", "a", *args, code=code)[1]


def test_a_consumer_follows_a_stream_through_a_split(leat, stream):
    run(leat, "stream", "consumers", stream, "--register", "a")
    run(leat, "stream", "put", stream, "--key", "k", "1", "2")
    results = []

    def follow():
        results.append(run(leat, "stream", "tail", stream, "--consumer", "a", "--from",
                           "trim-horizon", "--limit", "4", "-o", "ndjson")[0])

    thread = threading.Thread(target=follow)
    thread.start()
    run(leat, "stream", "split", stream, "0")
    run(leat, "stream", "split", stream, "1")
    run(leat, "stream", "put", stream, "--key", "k", "3", "4")
    thread.join(30)
    records = lines(results[0])
    assert [r["data"] for r in records] == ["1", "2", "3", "4"]
    shards = [int(r["shard_id"][-2:]) for r in records]
    assert shards[0] == shards[1] < 2 <= shards[2] == shards[3]
    assert [r["partition_key"] for r in records] == ["k"] * 4
    # The same records as the other way of following shows them.
    other = run(leat, "stream", "tail", stream, "--from", "trim-horizon", "--limit", "4",
                "-o", "ndjson")[0]
    assert lines(other) == records


def test_a_stream_that_is_deleted_is_told_once(leat, stream):
    run(leat, "stream", "consumers", stream, "--register", "a")
    run(leat, "stream", "put", stream, "x")
    process = subprocess.Popen(
        [BINARY, "stream", "tail", stream, "--consumer", "a", "--from", "trim-horizon", "--data"],
        env=environment(leat), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "x\n"
    run(leat, "stream", "delete", stream, "--yes")
    _, err = process.communicate(timeout=20)
    assert process.returncode != 0 and err.count("error:") == 1, err


def test_it_ends_on_ctrl_c(leat, stream):
    run(leat, "stream", "consumers", stream, "--register", "a")
    run(leat, "stream", "put", stream, "x")
    process = subprocess.Popen(
        [BINARY, "stream", "tail", stream, "--consumer", "a", "--from", "trim-horizon", "--data"],
        env=environment(leat), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "x\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.stdout.close()
