"""leat stream put: keys, forms of input, what cannot be put, throttling, a server that goes away."""

import json
import os
import pty
import signal
import subprocess
import threading
import uuid

import boto3
import pytest

from cli_test import environment, lines, run, wait_until
from leat_server import BINARY, Server


def kinesis(server):
    return boto3.client("kinesis", endpoint_url=server.endpoint, region_name="us-east-1",
                        aws_access_key_id="test", aws_secret_access_key="test")


def records(server, name):
    """Of every shard: data, partition key, in the shard's order."""
    client = kinesis(server)
    found = {}
    for shard in client.list_shards(StreamName=name)["Shards"]:
        at = client.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"],
                                       ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        of = found.setdefault(shard["ShardId"], [])
        while at:
            answer = client.get_records(ShardIterator=at)
            of += [(r["Data"], r["PartitionKey"]) for r in answer["Records"]]
            at = answer.get("NextShardIterator") if answer["MillisBehindLatest"] or answer["Records"] else None
    return found


def flat(server, name):
    return [r for shard in records(server, name).values() for r in shard]


@pytest.fixture
def stream(leat):
    name = f"put-{uuid.uuid4().hex[:10]}"
    run(leat, "stream", "create", name, "--shards", "2")
    return name


def test_the_explicit_hash_key_chooses_the_shard(leat, stream):
    for hash_key, shard in ((0, 0), (2 ** 127 - 1, 0), (2 ** 127, 1), (2 ** 128 - 1, 1)):
        run(leat, "stream", "put", stream, f"{hash_key}", "--key", "same", "--hash-key", str(hash_key))
        assert (str(hash_key).encode(), "same") in records(leat, stream)[f"shardId-{shard:012}"]
    for bad in ("", "-1", "1e3", "9" * 40, str(2 ** 128)):
        assert "--hash-key is a whole number" in run(leat, "stream", "put", stream, "x",
                                                     f"--hash-key={bad}", code=2)[1]


def test_every_byte_arrives_whole_and_between_nul(leat, stream, tmp_path):
    every = bytes(range(256)) * 300
    (tmp_path / "every").write_bytes(every)
    run(leat, "stream", "put", stream, "--whole", "--file", str(tmp_path / "every"), "--key", "a")
    assert flat(leat, stream) == [(every, "a")]
    _, err = run(leat, "stream", "put", stream, "--null", "--key", "b", input=b"1\n\r\n\0\0\xff\0last")
    assert "put 3 records" in err
    assert [r for r in flat(leat, stream) if r[1] == "b"] == [
        (b"1\n\r\n", "b"), (b"\xff", "b"), (b"last", "b")]


def test_a_dash_is_standard_input(leat, stream):
    for words in (["-"], ["--file", "-"]):
        run(leat, "stream", "put", stream, *words, "--key", words[0], input=b"1\n2\n")
        assert [r[0] for r in flat(leat, stream) if r[1] == words[0]] == [b"1", b"2"]
    run(leat, "stream", "put", stream, "a", "-", "--key", "words")
    assert [r[0] for r in flat(leat, stream) if r[1] == "words"] == [b"a", b"-"]


@pytest.mark.parametrize("args, says", [
    (("--whole", "--null"), "exclude each other"),
    (("a", "--null"), "not words"),
    (("--key", b"\xff\xfe"), "UTF-8"),
    (("--file", "/"), "it is a directory"),
    (("--hash-kye", "1"), "did you mean --hash-key?"),
])
def test_what_cannot_be_asked_for(leat, stream, args, says):
    assert says in run(leat, "stream", "put", stream, *args, code=2)[1]


def test_a_large_record_needs_a_stream_that_takes_it(leat, stream):
    large = os.urandom(9 << 20)
    _, err = run(leat, "stream", "put", stream, "--whole", "--key", "k", input=large, code=1)
    assert "record 1 cannot be put" in err and "put 0 records" in err
    arn = kinesis(leat).describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    run(leat, "stream", "put", stream, "x", "--key", "k")
    kinesis(leat).update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    run(leat, "stream", "put", stream, "--whole", "--key", "k", input=large)
    assert flat(leat, stream) == [(b"x", "k"), (large, "k")]
    huge = b"x" * ((10 << 20) + 1)
    _, err = run(leat, "stream", "put", stream, "--key", "k", code=1,
                 input=b"before\n" + huge + b"\n" + huge + huge + b"\nafter\n" + huge)
    assert "lines 2-3, 5" in err and "put 2 records" in err and "10 MiB" in err
    assert [d for d, _ in flat(leat, stream)][-2:] == [b"before", b"after"]


def test_lines_that_cannot_be_put_are_named_and_the_others_go_on(leat, stream):
    text = b'{"id":1}\nnot json\n\n{"id":null}\n{"id":"x"}\n[]\n' + b'{"id":"' + b"k" * 257 + b'"}\n{"id":2}'
    _, err = run(leat, "stream", "put", stream, "--key-field", "id", input=text, code=1)
    assert "line 2 is no JSON object" in err and 'line 4 has no text or number "id"' in err
    assert "put 3 records" in err and "4 could not be put: lines 2, 4, 6-7" in err
    assert sorted(k for _, k in flat(leat, stream)) == ["1", "2", "x"]
    # What only the server can tell: one record in the middle of a batch.
    big = b"y" * ((1 << 20) + 1)
    _, err = run(leat, "stream", "put", stream, "--key", "k", input=b"a\nb\n" + big + b"\nc\nd\n", code=1)
    assert "line 3 cannot be put" in err and "put 4 records" in err
    assert [d for d, k in flat(leat, stream) if k == "k"] == [b"a", b"b", b"c", b"d"]
    out, err = run(leat, "stream", "put", stream, "--key-field", "id", "-o", "json", input=text, code=1)
    assert sum((a["records"] for a in lines(out)), [])[1]["line"] == 5
    assert all("error" in e for e in lines(err)) and "lines 2, 4, 6-7" in err


def test_throttled_records_are_sent_again_in_order():
    server = Server(args=["--enforce-limits"]).start()
    try:
        run(server, "stream", "create", "t", "--shards", "2")
        # 3 MiB for one shard, which takes 1 MiB a second, large and small ones in turn.
        sent = [f"{i:05}".encode() + b"z" * (40000 if i % 3 else 10) for i in range(120)]
        text = b"".join(b'{"k":"%s","d":"%s"}\n' % (b"ab"[i % 2:i % 2 + 1], s) for i, s in enumerate(sent))
        _, err = run(server, "stream", "put", "t", "--key-field", "k", input=text, timeout=60)
        assert "put 120 records" in err
        for key in "ab":
            got = [json.loads(d)["d"][:5] for d, k in flat(server, "t") if k == key]
            assert got == [s[:5].decode() for i, s in enumerate(sent) if "ab"[i % 2] == key]
    finally:
        server.stop()


def test_a_server_that_comes_back_is_waited_for(tmp_path):
    server = Server(str(tmp_path)).start()
    run(server, "stream", "create", "t", "--shards", "1")
    put = subprocess.Popen([BINARY, "stream", "put", "t", "--key", "k"], stdin=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=environment(server))
    try:
        put.stdin.write(b"1\n")
        put.stdin.flush()
        wait_until(lambda: len(flat(server, "t")) == 1)
        server.stop()
        put.stdin.write(b"2\n")
        put.stdin.flush()
        said = put.stderr.readline().decode()
        assert "is away, waiting for it" in said
        server.start()
        _, err = put.communicate(b"3\n", timeout=20)
        assert put.returncode == 0 and b"put 3 records" in err, err
        assert [d for d, _ in flat(server, "t")] == [b"1", b"2", b"3"]
    finally:
        put.kill()
        server.stop()


def test_ctrl_c_sends_what_was_read_and_says_so(leat, stream):
    put = subprocess.Popen([BINARY, "stream", "put", stream, "--key", "k"], stdin=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=environment(leat))
    put.stdin.write(b"1\n2\n")
    put.stdin.flush()
    wait_until(lambda: len(flat(leat, stream)) == 2)
    put.send_signal(signal.SIGINT)
    _, err = put.communicate(timeout=10)
    assert put.returncode == 130
    assert b"put 2 records" in err and b"not put: line 3 and what comes after it" in err


def test_a_terminal_shows_how_far_it_is(leat, stream, tmp_path):
    """Then the line makes room for the summary."""
    ours, theirs = pty.openpty()
    put = subprocess.Popen([BINARY, "stream", "put", stream, "--key", "k"], stdin=subprocess.PIPE, stderr=theirs,
                           env=environment(leat, TERM="xterm"))
    os.close(theirs)
    shown = []

    def read():
        try:
            while piece := os.read(ours, 65536):
                shown.append(piece)
        except OSError:  # The other end is closed.
            pass
    reader = threading.Thread(target=read)
    reader.start()

    def is_shown():
        put.stdin.write(b"line\n")
        put.stdin.flush()
        return b"records put, " in b"".join(shown)
    try:
        wait_until(is_shown)
        put.stdin.close()
        assert put.wait(timeout=10) == 0
        reader.join(10)
        last = b"".join(shown).rsplit(b"\r\x1b[K", 1)[1]
        assert last.startswith(b"put ") and b"records into " + stream.encode() in last
    finally:
        put.kill()
        os.close(ours)
