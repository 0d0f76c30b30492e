"""leat stream export and import: round trips byte for byte, damaged files, servers that go away."""

import datetime
import fcntl
import gzip
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time
import uuid

import pytest

from cli_put_test import flat, kinesis, records
from cli_test import environment, lines, run, wait_until
from leat_server import BINARY, Server


def name():
    return f"exp-{uuid.uuid4().hex[:10]}"


def put_many(client, stream, entries):
    for i in range(0, len(entries), 100):
        answer = client.put_records(StreamName=stream, Records=entries[i:i + 100])
        assert answer["FailedRecordCount"] == 0


def by_key(found):
    keys = {}
    for data, key in found:
        keys.setdefault(key, []).append(data)
    return keys


@pytest.fixture(scope="module")
def resharded(leat):
    """A stream that was split and merged while it was written to; what was put, in order."""
    stream, client, random_ = name(), kinesis(leat), random.Random(4)
    run(leat, "stream", "create", stream, "--shards", "2")
    keys = ["k", "schlüssel \u2028 \U0001f600", '"\\\x01\x00\x7f', "x" * 256, "\uffff"]
    sent = []

    def put(count):
        entries = []
        for _ in range(count):
            kind = random_.randrange(4)
            data = (random_.randbytes(random_.randrange(200)) if kind == 0 else
                    "".join(chr(random_.choice([0, 1, 10, 13, 34, 92, 127, 0x2028, 0xFEFF, 0x1F600, 0x10FFFF, 65]))
                            for _ in range(random_.randrange(40))).encode() if kind == 1 else
                    b"" if kind == 2 else json.dumps({"n": random_.random()}).encode())
            entry = {"Data": data, "PartitionKey": random_.choice(keys)}
            if random_.randrange(10) == 0:
                entry = {**entry, "PartitionKey": "hashed", "ExplicitHashKey": str(2 ** 128 - 1)}
            entries.append(entry)
        put_many(client, stream, entries)
        sent.extend((e["Data"], e["PartitionKey"]) for e in entries)

    put(300)
    run(leat, "stream", "split", stream, "0")
    put(300)
    run(leat, "stream", "merge", stream, "2", "3")
    run(leat, "stream", "split", stream, "1")
    put(300)
    return stream, sent


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_a_round_trip_keeps_every_byte_key_and_order(leat, resharded, tmp_path, ending):
    stream, sent = resharded
    file, copy = tmp_path / f"out.jsonl{ending}", name()
    out, err = run(leat, "stream", "export", stream, str(file))
    assert out == "" and "exported 900 records of 7 shards" in err
    assert os.listdir(tmp_path) == [file.name]
    assert file.read_bytes()[:2] == {"": b'{"', ".gz": b"\x1f\x8b", ".zst": b"\x28\xb5"}[ending]
    _, err = run(leat, "stream", "import", copy, str(file), "--create")
    assert f"put 900 records into {copy}" in err
    found = records(leat, copy)
    assert len(found) == 3  # As many as were open.
    assert by_key(flat(leat, copy)) == by_key(sent)
    assert all(r[1] != "hashed" for r in list(found.values())[0])


def test_the_format_is_as_it_is_written_down(leat, resharded, tmp_path):
    stream, sent = resharded
    out, _ = run(leat, "stream", "export", stream, "-")
    text = out.encode().splitlines(keepends=True)
    head, end, body = json.loads(text[0]), json.loads(text[-1]), [json.loads(t) for t in text[1:-1]]
    assert head["leat_export"] == 1 and head["stream"] == stream and head["open_shard_count"] == 3
    assert [s["shard_id"] for s in head["shards"]] == sorted(s["shard_id"] for s in head["shards"])
    assert end["records"] == len(body) == 900
    assert end["sha256"] == hashlib.sha256(b"".join(text[:-1])).hexdigest()
    ranges = {s["shard_id"]: (int(s["hash_first"]), int(s["hash_last"])) for s in head["shards"]}
    for r in body:
        hash_key = int(hashlib.md5(r["partition_key"].encode()).hexdigest(), 16)
        first, last = ranges[r["shard_id"]]
        assert ("explicit_hash_key" in r) == (not first <= hash_key <= last)
    tail = run(leat, "stream", "tail", stream, "--from", "trim-horizon", "--limit", "900", "-o", "ndjson")[0]
    shown = [json.loads(t) for t in tail.encode().splitlines()]
    assert {r["sequence_number"]: r["arrival_ms"] for r in shown} == {
        r["sequence_number"]: r["arrival_ms"] for r in body}


def test_edited_lines_go_in_without_head_and_end(leat, resharded):
    stream, _ = resharded
    copy = name()
    run(leat, "stream", "create", copy)
    text = run(leat, "stream", "export", stream, "-")[0].encode().splitlines()
    some = [t for t in text[1:-1] if json.loads(t)["partition_key"] == "k"]
    run(leat, "stream", "import", copy, "-", input=b"\n".join(some))
    assert len(flat(leat, copy)) == len(some) > 0
    assert {k for _, k in flat(leat, copy)} == {"k"}
    # What tail prints is enough, too.
    run(leat, "stream", "import", copy, "-", input=b'{"partition_key":"t","data":"\\u0000\xc3\xa9"}')
    assert (b"\0\xc3\xa9", "t") in flat(leat, copy)


def test_from_and_to_are_times_of_arrival(leat, tmp_path):
    stream = name()
    run(leat, "stream", "create", stream, "--shards", "1")
    for i in range(3):
        run(leat, "stream", "put", stream, str(i))
        at = lines(run(leat, "stream", "tail", stream, "--from", "trim-horizon", "--limit", str(i + 1),
                       "-o", "ndjson")[0])[-1]["arrival_ms"]
        wait_until(lambda: time.time() * 1000 > at + 5)
    shown = lines(run(leat, "stream", "tail", stream, "--from", "trim-horizon", "--limit", "3", "-o", "ndjson")[0])

    def data(*args):
        return [json.loads(t)["data"] for t in run(leat, "stream", "export", stream, "-", *args)[0].splitlines()[1:-1]]

    def iso(ms):
        return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}"
    assert data("--from", iso(shown[1]["arrival_ms"])) == ["1", "2"]
    assert data("--to", iso(shown[1]["arrival_ms"])) == ["0", "1"]
    assert data("--from", iso(shown[1]["arrival_ms"]), "--to", iso(shown[1]["arrival_ms"])) == ["1"]
    for option, bad in (("from", "yesterday"), ("from", "latest"), ("to", "trim-horizon")):
        assert f"--{option} is a time" in run(leat, "stream", "export", stream, "-", f"--{option}", bad, code=2)[1]


def test_a_file_is_not_written_over_and_a_directory_gets_one(leat, resharded, tmp_path):
    stream, _ = resharded
    run(leat, "stream", "export", stream, str(tmp_path), "-o", "json")
    file = tmp_path / f"{stream}.jsonl.zst"
    before = file.read_bytes()
    _, err = run(leat, "stream", "export", stream, str(file), code=1)
    assert "is there already" in err and "--overwrite" in err and file.read_bytes() == before
    told = json.loads(run(leat, "stream", "export", stream, str(file), "--overwrite", "-o", "json")[0])
    assert told == {"stream": stream, "file": str(file), "shards": 7, "records": 900,
                    "bytes": file.stat().st_size}
    assert "cannot write" in run(leat, "stream", "export", stream, str(tmp_path / "no" / "f"), code=1)[1]
    run(leat, "stream", "export", "nowhere", str(tmp_path / "f"), code=5)
    run(leat, "stream", "import", "nowhere", str(file), code=5)
    run(leat, "stream", "import", stream, str(tmp_path / "none"), code=5)
    assert "already exists" in run(leat, "stream", "import", stream, str(file), "--create", code=1)[1]
    assert os.listdir(tmp_path) == [file.name]


@pytest.mark.parametrize("is_piped", [False, True])
def test_large_records_come_along(leat, tmp_path, is_piped):
    """The stream that import makes takes what the other one took."""
    stream, copy, file = name(), name(), tmp_path / "large.jsonl.zst"
    client = kinesis(leat)
    client.create_stream(StreamName=stream, ShardCount=1)
    arn = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=4096)
    client.put_record(StreamName=stream, PartitionKey="k", Data=os.urandom(3 << 20))
    run(leat, "stream", "export", stream, str(file))
    if is_piped:
        out, _ = run(leat, "stream", "export", stream, "-")
        subprocess.run([BINARY, "stream", "import", copy, "-", "--create"], input=out.encode(), check=True,
                       env=environment(leat), timeout=60)
    else:
        run(leat, "stream", "import", copy, str(file), "--create")
    assert flat(leat, copy) == flat(leat, stream)
    kib = client.describe_stream_summary(StreamName=copy)["StreamDescriptionSummary"]["MaxRecordSizeInKiB"]
    assert kib == (10240 if is_piped else 4096)


def test_a_limit_that_was_lowered_does_not_keep_records_out(leat, tmp_path):
    stream, copy, file = name(), name(), tmp_path / "lowered.jsonl"
    client = kinesis(leat)
    client.create_stream(StreamName=stream, ShardCount=1)
    arn = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    for data in (os.urandom((3 << 20) - 1), b"x" * (10 * (1 << 20) - 1)):
        client.put_record(StreamName=stream, PartitionKey="k", Data=data)
    client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=1024)
    run(leat, "stream", "export", stream, str(file))
    assert json.loads(file.open().readline())["max_record_kib"] == 1024
    run(leat, "stream", "import", copy, str(file), "--create")
    assert flat(leat, copy) == flat(leat, stream)


@pytest.mark.parametrize("text", [b"", b"\n \n"])
@pytest.mark.parametrize("is_piped", [False, True])
def test_nothing_makes_no_stream(leat, tmp_path, is_piped, text):
    copy, file = name(), tmp_path / "empty"
    file.write_bytes(text)
    _, err = run(leat, "stream", "import", copy, "-" if is_piped else str(file), "--create", input=text, code=1)
    assert "is empty: no stream was made" in err
    run(leat, "stream", "show", copy, code=5)
    run(leat, "stream", "create", copy)
    run(leat, "stream", "import", copy, "-", input=text)  # Of lines by hand there may be none.


DAMAGES = {
    "a byte of a line": (lambda t: t[:2] + [t[2].replace(b'"arrival_ms":1', b'"arrival_ms":2')] + t[3:],
                         "line 5 does not match"),
    "a line that is gone": (lambda t: t[:2] + t[3:], "line 4 says that 3 records come before it, there are 2"),
    "the end is cut off": (lambda t: t[:-1], "line 5 should be the end of the export that begins at line 1"),
    "in the middle of a line": (lambda t: t[:3] + [t[3][:20]], "line 4 is not JSON"),
    "no JSON": (lambda t: t[:1] + [b"\xff\xfe\n"] + t[2:], "line 2 is not JSON"),
    "no object": (lambda t: t[:1] + [b"[]\n"] + t[2:], "line 2 is no JSON object"),
    "no key": (lambda t: t[:1] + [b'{"data":"x"}\n'] + t[2:], 'line 2 has no text "partition_key"'),
    "a long key": (lambda t: t[:1] + [b'{"data":"x","partition_key":"%s"}\n' % (b"k" * 257)] + t[2:],
                   "1 to 256 characters"),
    "no data": (lambda t: t[:1] + [b'{"partition_key":"k"}\n'] + t[2:], 'neither a text "data" nor'),
    "base64": (lambda t: t[:1] + [b'{"partition_key":"k","data_base64":"AA"}\n'] + t[2:], "not base64"),
    "a hash key": (lambda t: t[:1] + [b'{"partition_key":"k","data":"","explicit_hash_key":"%d"}\n' % 2 ** 128]
                   + t[2:], "explicit_hash_key"),
    "a newer version": (lambda t: [t[0].replace(b'"leat_export":1', b'"leat_export":2')] + t[1:],
                        'of version "2"'),
    "a second head": (lambda t: t[:2] + t[:1] + t[2:], "that of line 1 has no end"),
    "no head": (lambda t: t[1:], "ends an export that has no beginning"),
    "a long line": (lambda t: t[:1] + [b"x" * (17 << 20) + b"\n"] + t[2:], "line 2 is longer than 16 MiB"),
}


@pytest.fixture(scope="module")
def small(leat):
    stream = name()
    run(leat, "stream", "create", stream, "--shards", "1")
    run(leat, "stream", "put", stream, "--key", "k", "one", "two", "three")
    return run(leat, "stream", "export", stream, "-")[0].encode().splitlines(keepends=True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_is_imported_of_a_damaged_file(leat, small, tmp_path, damage):
    do, says = DAMAGES[damage]
    file, copy = tmp_path / "f.jsonl", name()
    damaged = do(small)
    assert damaged != small
    file.write_bytes(b"".join(damaged))
    _, err = run(leat, "stream", "import", copy, str(file), "--create", code=1)
    assert says in err and "nothing was imported" in err
    run(leat, "stream", "show", copy, code=5)  # Not even the stream.
    run(leat, "stream", "create", copy)
    _, err = run(leat, "stream", "import", copy, str(file), "--skip-bad", code=1)
    assert "could not be put" in err
    whole = [t for t in damaged if t in small[1:-1]]
    assert [json.loads(t)["data"].encode() for t in whole] == [
        d for d, _ in flat(leat, copy)] or damage == "a byte of a line"


def test_standard_input_is_put_up_to_the_damage(leat, small):
    copy = name()
    run(leat, "stream", "create", copy)
    text = b"".join(small[:3] + [b"damaged\n"] + small[3:])
    _, err = run(leat, "stream", "import", copy, "-", input=text, code=1)
    assert "line 4 is not JSON" in err and "put 2 records" in err and "--from-line 5 goes on there" in err
    assert [d for d, _ in flat(leat, copy)] == [b"one", b"two"]
    run(leat, "stream", "import", copy, "-", "--from-line", "4", input=b"".join(small))
    assert [d for d, _ in flat(leat, copy)] == [b"one", b"two", b"three"]


def test_standard_input_that_is_cut_off_goes_on_where_it_was_cut(leat, small):
    copy = name()
    _, err = run(leat, "stream", "import", copy, "-", "--create", input=b"".join(small[:3]), code=1)
    assert "line 4 should be the end" in err and "put 2 records" in err and "--from-line 4 goes on there" in err
    run(leat, "stream", "import", copy, "-", "--from-line", "4", input=b"".join(small))
    assert [d for d, _ in flat(leat, copy)] == [b"one", b"two", b"three"]


def test_a_damaged_archive_is_said_so(leat, small, tmp_path):
    copy = name()
    run(leat, "stream", "create", copy)
    packed = gzip.compress(b"".join(small))
    (tmp_path / "f.gz").write_bytes(packed[:-9])
    assert "f.gz" in run(leat, "stream", "import", copy, str(tmp_path / "f.gz"), code=1)[1]
    assert flat(leat, copy) == []


def test_a_stream_that_is_written_to_ends(leat, tmp_path):
    stream = name()
    run(leat, "stream", "create", stream, "--shards", "1")
    put_many(kinesis(leat), stream, [{"Data": b"x" * 1000, "PartitionKey": "k"}] * 500)
    writer = subprocess.Popen(f"yes | {BINARY} stream put {stream}", shell=True, env=environment(leat),
                              stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        out, err = run(leat, "stream", "export", stream, str(tmp_path / "f"), "-o", "json")
        assert json.loads(out)["records"] >= 500
    finally:
        os.killpg(writer.pid, signal.SIGKILL)
        writer.wait()


def test_the_reader_of_a_pipe_goes_away(leat, resharded):
    stream, _ = resharded
    for _ in range(4):
        run(leat, "stream", "put", stream, "--whole", input=b"z" * 900000)
    done = subprocess.run(f"{BINARY} stream export {stream} - | head -1", shell=True, executable="/bin/bash",
                          capture_output=True, env=environment(leat), timeout=30)
    assert json.loads(done.stdout)["leat_export"] == 1
    assert b"standard output was closed" in done.stderr


def test_limits_of_aws_make_it_slower_only(tmp_path):
    server = Server(args=["--enforce-limits"]).start()
    try:
        run(server, "stream", "create", "t", "--shards", "4")
        for i in range(4):
            run(server, "stream", "put", "t", "--hash-key", str(i * 2 ** 126), str(i))
        for i in range(3):
            run(server, "stream", "export", "t", str(tmp_path / f"{i}"))
            assert len((tmp_path / f"{i}").read_text().splitlines()) == 6
    finally:
        server.stop()


def test_the_server_goes_away_and_comes_back(tmp_path):
    data, file = tmp_path / "data", tmp_path / "f.jsonl"
    data.mkdir()
    server = Server(str(data)).start()
    run(server, "stream", "create", "a", "--shards", "2")
    run(server, "stream", "create", "b", "--shards", "1")
    put_many(kinesis(server), "a", [{"Data": b"%d" % i, "PartitionKey": f"{i % 7}"} for i in range(700)])
    # The export's reader is slow, so that the server goes in the middle: more than a pipe holds.
    put_many(kinesis(server), "a", [{"Data": b"z" * 90000, "PartitionKey": f"{i}"} for i in range(200)])
    export = subprocess.Popen([BINARY, "stream", "export", "a", "-"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment(server))
    try:
        first = export.stdout.readline()
        server.kill()
        server.start()
        out, err = export.communicate(timeout=40)
        assert export.returncode == 0, err
        file.write_bytes(first + out)
        run(server, "stream", "import", "b", str(file))
        assert by_key(flat(server, "a")) == by_key(flat(server, "b"))
        assert len(flat(server, "b")) == 900
    finally:
        export.kill()
        server.stop()


def test_ctrl_c_leaves_no_file(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    server = Server(str(data)).start()
    run(server, "stream", "create", "a", "--shards", "1")
    run(server, "stream", "put", "a", "x")
    out = tmp_path / "out"
    out.mkdir()
    server.process.send_signal(signal.SIGSTOP)  # The export waits for an answer.
    export = subprocess.Popen([BINARY, "stream", "export", "a", str(out / "f")], stderr=subprocess.PIPE,
                              env=environment(server))
    try:
        server.process.send_signal(signal.SIGCONT)
        wait_until(lambda: export.poll() is not None or (out / "f.part").exists())
        export.send_signal(signal.SIGINT)
        export.communicate(timeout=10)
        assert export.returncode in (0, 130)
        assert os.listdir(out) == (["f"] if export.returncode == 0 else [])
    finally:
        export.kill()
        server.stop()


def test_a_part_that_a_killed_export_left_is_no_hindrance(leat, resharded, tmp_path):
    stream, _ = resharded
    file = tmp_path / "f.jsonl"
    part = tmp_path / "f.jsonl.part"
    part.write_bytes(b"x" * 10_000_000)
    run(leat, "stream", "export", stream, str(file))
    assert os.listdir(tmp_path) == ["f.jsonl"] and file.read_bytes().startswith(b'{"leat_export":1')
    assert b"xxx" not in file.read_bytes()[-200:]
    with open(part, "w+b") as held:  # As another export holds it.
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.lockf(held, fcntl.LOCK_EX)
        _, err = run(leat, "stream", "export", stream, str(file), "--overwrite", code=1)
    assert "another export writes" in err and part.exists()


def test_an_import_waits_for_the_server_and_goes_on(tmp_path):
    server = Server(str(tmp_path)).start()
    run(server, "stream", "create", "t", "--shards", "1")
    imported = subprocess.Popen([BINARY, "stream", "import", "t", "-"], stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=environment(server))

    def line(i):
        return json.dumps({"partition_key": "k", "data": str(i)}).encode() + b"\n"
    try:
        # Batches go out at 500 records.
        imported.stdin.write(b"".join(line(i) for i in range(501)))
        imported.stdin.flush()
        wait_until(lambda: len(flat(server, "t")) == 500)
        server.kill()
        imported.stdin.write(b"".join(line(i) for i in range(501, 1100)))
        imported.stdin.flush()
        assert b"is away, waiting for it" in imported.stderr.readline()
        server.start()
        _, err = imported.communicate(line(1100), timeout=20)
        assert imported.returncode == 0 and b"put 1101 records" in err, err
        assert [d for d, _ in flat(server, "t")] == [b"%d" % i for i in range(1101)]
    finally:
        imported.kill()
        server.stop()


@pytest.mark.slow
def test_an_import_that_was_interrupted_goes_on_with_the_line_it_names(leat, tmp_path):
    """Every record comes once, wherever Ctrl-C fell."""
    file, copy = tmp_path / "f.jsonl", name()
    file.write_bytes(b"".join(b'{"partition_key":"k","data":"%d"}\n' % i for i in range(200000)))
    run(leat, "stream", "create", copy, "--shards", "1")
    line, rounds = 1, 0
    while line > 0:
        imported = subprocess.Popen([BINARY, "stream", "import", copy, str(file), "--from-line", str(line), "-o",
                                     "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(leat))
        for _ in range(50):
            imported.stdout.readline()
        imported.send_signal(signal.SIGINT)
        _, err = imported.communicate(timeout=60)
        rounds += 1
        named = re.search(rb"--from-line ([0-9]+) goes on there", err)
        line = int(named[1]) if named else 0
        assert imported.returncode == (130 if line else 0) or not line, err
    assert rounds > 1
    assert [d for d, _ in flat(leat, copy)] == [b"%d" % i for i in range(200000)]
