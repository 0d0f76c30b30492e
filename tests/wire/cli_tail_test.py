"""leat stream tail: aggregates of the KPL, conditions, raw bytes, readers and servers that go away."""

import json
import signal
import subprocess
import threading
import urllib.error
import urllib.request
import uuid

import aws_kinesis_agg.aggregator
import pytest

from cli_put_test import kinesis
from cli_test import environment, lines, run, wait_until
from leat_server import BINARY, Server


@pytest.fixture(scope="module")
def aggregated(leat):
    """A plain record, an aggregate of three, an aggregate that is damaged, a plain one."""
    name, client = f"tail-{uuid.uuid4().hex[:10]}", kinesis(leat)
    run(leat, "stream", "create", name, "--shards", "1")
    aggregate = aws_kinesis_agg.aggregator.RecordAggregator()
    users = [("a", b'{"n":1,"city":"Dayton"}'), ("b", b"\xff\x00raw\n"), ("c", b'{"n":3,"city":"Akron"}')]
    for key, data in users:
        aggregate.add_user_record(key, data)
    key, _, whole = aggregate.clear_and_get().get_contents()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    client.put_record(StreamName=name, PartitionKey="p", Data=b'{"n":0}')
    client.put_record(StreamName=name, PartitionKey=key, Data=whole)
    client.put_record(StreamName=name, PartitionKey=key, Data=damaged)
    client.put_record(StreamName=name, PartitionKey="q", Data=b'{"n":4}')
    run(leat, "stream", "consumers", name, "--register", "c")
    return name, users, whole, damaged


@pytest.mark.parametrize("how", [(), ("--consumer", "c")])
def test_aggregates_are_taken_apart_or_not(leat, aggregated, how):
    name, users, whole, damaged = aggregated
    out, _ = run(leat, "stream", "tail", name, "--from", "trim-horizon", "--limit", "6", "-o", "ndjson", *how)
    shown = lines(out)
    assert [r["partition_key"] for r in shown] == ["p", "a", "b", "c", shown[4]["partition_key"], "q"]
    assert [r.get("sub_sequence") for r in shown] == [None, 0, 1, 2, None, None]
    assert len({r["sequence_number"] for r in shown}) == 4
    want = [b'{"n":0}', *(d for _, d in users), damaged, b'{"n":4}']
    done = subprocess.run([BINARY, "stream", "tail", name, "--from", "trim-horizon", "--limit", "6", "--data",
                           "--null", *how], capture_output=True, check=True, timeout=20, env=environment(leat))
    assert done.stdout == b"".join(d + b"\0" for d in want)
    done = subprocess.run([BINARY, "stream", "tail", name, "--from", "trim-horizon", "--limit", "4", "--data",
                           "--null", "--raw", *how], capture_output=True, check=True, timeout=20,
                          env=environment(leat))
    assert done.stdout == b"".join(d + b"\0" for d in (b'{"n":0}', whole, damaged, b'{"n":4}'))


def test_a_condition_looks_into_aggregates(leat, aggregated):
    name = aggregated[0]

    def where(text, count):
        out, _ = run(leat, "stream", "tail", name, "--from", "trim-horizon", "--limit", str(count), "--where", text,
                     "-o", "ndjson")
        return [json.loads(r["data"])["n"] for r in lines(out)]
    assert where("n >= 1", 3) == [1, 3, 4]
    assert where("city LIKE '%n' AND n > 1", 1) == [3]
    assert where("city IS NULL", 2) == [0, 4]
    _, err = run(leat, "stream", "tail", name, "--where", "n >=", code=4)
    assert "n >=" in err


@pytest.mark.parametrize("args, code, says", [
    (("--null",), 2, "--null is about what --data prints"),
    (("--shard", "17"), 5, "shardId-000000000017"),
    (("--from", "yesterday"), 2, "yesterday"),
    (("--limit", "0"), 2, "--limit"),
    (("--were", "x"), 2, "did you mean --where?"),
    (("--data", "-o", "json"), 2, "--data and --output exclude each other"),
])
def test_what_cannot_be_shown(leat, aggregated, args, code, says):
    assert says in run(leat, "stream", "tail", aggregated[0], *args, code=code)[1]


def test_a_closed_shard_ends_it(leat):
    stream = f"tail-{uuid.uuid4().hex[:10]}"
    tail = ("stream", "tail", stream, "--shard", "0", "--data")
    whole = (*tail, "--from", "trim-horizon")
    run(leat, "stream", "create", stream, "--shards", "1")
    run(leat, "stream", "put", stream, "--key", "k", "a", "b")
    follower = subprocess.Popen([BINARY, *whole], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment(leat))
    assert [follower.stdout.readline() for _ in range(2)] == ["a\n", "b\n"]
    run(leat, "stream", "split", stream, "0")
    run(leat, "stream", "put", stream, "--key", "k", "c")
    assert follower.communicate(timeout=20) == ("", "the shard is closed\n") and follower.returncode == 0
    assert run(leat, *whole)[0] == "a\nb\n"
    assert run(leat, *tail)[0] == ""  # From now on: nothing comes any more.


def test_raw_of_the_api_is_true_or_false(leat, aggregated):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{leat.endpoint}/_leat/api/streams/{aggregated[0]}/tail?raw=maybe", timeout=10)
    assert caught.value.code == 400 and "raw" in json.load(caught.value)["error"]["message"]


def test_head_ends_it(leat, aggregated):
    done = subprocess.run(f"{BINARY} stream tail {aggregated[0]} --from trim-horizon | head -1", shell=True,
                          executable="/bin/bash", capture_output=True, env=environment(leat), timeout=30)
    assert json.loads(done.stdout)["partition_key"] == "p" and done.stderr == b""


@pytest.mark.parametrize("how", [(), ("--consumer", "c")])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_it_goes_on_where_it_was_when_the_server_comes_back(tmp_path, how, end):
    """Nothing is lost and nothing comes twice: not of one millisecond, not within an aggregate."""
    server = Server(str(tmp_path)).start()
    run(server, "stream", "create", "t", "--shards", "1")
    run(server, "stream", "consumers", "t", "--register", "c")
    aggregate = aws_kinesis_agg.aggregator.RecordAggregator()
    for i in range(3, 6):
        aggregate.add_user_record("k", b"%d" % i)
    key, _, whole = aggregate.clear_and_get().get_contents()
    tail = subprocess.Popen([BINARY, "stream", "tail", "t", "--from", "trim-horizon", "--data", "--limit", "10", *how],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(server))
    said = []
    reader = threading.Thread(target=lambda: said.extend(iter(tail.stderr.readline, b"")))
    reader.start()
    try:
        kinesis(server).put_records(StreamName="t", Records=[
            {"Data": d, "PartitionKey": "k"} for d in (b"0", b"1", b"2", whole)])
        got = [tail.stdout.readline() for _ in range(6)]
        server.stop() if end == "stop" else server.kill()
        wait_until(lambda: said and b"is away, waiting for it" in said[0])
        server.start()
        run(server, "stream", "put", "t", "6", "7", "8", "9")
        got += iter(tail.stdout.readline, b"")
        assert tail.wait(timeout=20) == 0, said
        assert got == [b"%d\n" % i for i in range(10)]
    finally:
        tail.kill()
        reader.join(10)
        if server.process.poll() is None:
            server.stop()


def test_latest_loses_nothing_while_the_server_is_away(tmp_path):
    server = Server(str(tmp_path)).start()
    run(server, "stream", "create", "t", "--shards", "1")
    run(server, "stream", "put", "t", "before")
    tail = subprocess.Popen([BINARY, "stream", "tail", "t", "--data"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(server))
    out = []
    reader = threading.Thread(target=lambda: out.extend(iter(tail.stdout.readline, b"")))
    reader.start()
    try:
        wait_until(lambda: run(server, "stream", "put", "t", "ping") and out)
        server.stop()
        assert b"is away" in tail.stderr.readline()
        server.start()
        run(server, "stream", "put", "t", "after")
        wait_until(lambda: out[-1] == b"after\n")
        tail.send_signal(signal.SIGINT)
        assert tail.wait(timeout=10) == 130
        assert out.count(b"after\n") == 1 and set(out) == {b"ping\n", b"after\n"}
    finally:
        tail.kill()
        reader.join(10)
        if server.process.poll() is None:
            server.stop()


@pytest.mark.parametrize("how", [(), ("--consumer", "c")])
def test_it_follows_through_splits_and_merges(leat, how):
    """Each record once, the order within each key, while the stream is resharded under it."""
    name = f"tail-{uuid.uuid4().hex[:10]}"
    run(leat, "stream", "create", name, "--shards", "2")
    run(leat, "stream", "consumers", name, "--register", "c")
    tail = subprocess.Popen([BINARY, "stream", "tail", name, "--from", "trim-horizon", "--limit", "240", "-o", "ndjson",
                             *how], stdout=subprocess.PIPE, env=environment(leat))
    client, changes = kinesis(leat), [("split", "0"), ("split", "1"), ("merge", "2", "3"), ("merge", "4", "5")]
    try:
        for i in range(24):
            answer = client.put_records(StreamName=name, Records=[
                {"Data": b"%d" % i, "PartitionKey": f"key-{k}"} for k in range(10)])
            assert answer["FailedRecordCount"] == 0
            if i % 5 == 4:
                verb, *shards = changes[i // 5]
                run(leat, "stream", verb, name, *shards)
        out, _ = tail.communicate(timeout=40)
    finally:
        tail.kill()
    assert tail.returncode == 0
    shown = [json.loads(line) for line in out.splitlines()]
    for k in range(10):
        assert [r["data"] for r in shown if r["partition_key"] == f"key-{k}"] == [str(i) for i in range(24)]
    assert len({r["shard_id"] for r in shown}) == 8
