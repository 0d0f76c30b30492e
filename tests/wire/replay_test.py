"""leat replay: the bytes of Python's json.dumps, every kind of dirt, exactly once through kill -9 of server and client."""

import base64
import csv
import gzip
import io
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import aws_kinesis_agg.deaggregator
import pytest

import leat_server
from conftest import make_client
from founding_test import read_all, wait_until

SHARED = Path(os.environ.get("LEAT_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data" / "us-accidents"
TIMES = ("Start_Time", "End_Time", "Weather_Timestamp")
HEADER = "ID,Severity,Start_Time,End_Time,Start_Lat,Description,City,Weather_Timestamp,Temperature(F),Bump"
STREAM = "rows"

# One row for each kind of dirt that can be sent.
DIRTY = "\n".join([
    HEADER,
    "A-1,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.865147,Plain,Dayton,2016-02-08 05:58:00,36.9,False",
    "A-2,3,2016-02-08 05:46:00.000000000,2016-02-08 11:00:00.123456789,39.1,Fractions,Dayton,,,False",
    'A-3,3,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,"Comma, ""quotes""\nand a second line",Dayton,,,True',
    "A-4,2,2/8/2016 5:46,12/31/2016 23:59,39.1,Excel of the US,Dayton,2/8/2016 5:58,69,FALSE",
    "A-5,2,28-02-2016 05:46,28-02-2016 11:00,39.1,Excel of Europe,Dayton,28-02-2016 05:58,69,TRUE",
    "A-6,2,2016-02-08T05:46:00,2016-02-08T11:00:00.5,39.1,T between,,2016-02-08 05:58:00,36.9,False",
    "A-7,4,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,Papé \ufffd \u00a0 \U0001f697 1&amp;9,Zaragoza\\tBlvd,,,False",
    "A-8,1,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,Control \x01\x1f\x7f and tab\t,San José,,,False",
    "A-9,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,Long " + "x" * 5000 + ", Dayton,,,False".replace(", ", ",", 1),
    "A-10,2,2016-02-08 05:46:00",
    "A-11,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,Surplus,Dayton,,,False,one,two",
    "A-12,,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,No severity,Dayton,,,False",
    "",
    "A-1,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.865147,The same ID again,Dayton,2016-02-08 05:58:00,36.9,False",
])
BAD = [  # The row, and what its dead letter must say.
    ("B-1,2,46:13.0,2016-02-08 11:00:00,39.1,x,Dayton,,,False", 'column "Start_Time": "46:13.0" is not a time'),
    ("B-2,2,2016-02-30 05:46:00,2016-02-08 11:00:00,39.1,x,Dayton,,,False", "2016-02-30"),
    ("B-3,2,2016-02-08 05:46:00,2016-02-08 25:00:00,39.1,x,Dayton,,,False", "End_Time"),
    ("B-4,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,\udcff\udcfe,Dayton,,,False", "UTF-8"),
    ('B-5,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,"closed" behind,Dayton,,,False', "quote"),
    ("B-6,2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,nul \x00,Dayton,,,False", "NUL"),
]


def us_of(text):
    """The known forms of a time, as docs/replay.md names them; None when it is no time."""
    iso = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", text)
    us = re.fullmatch(r"(\d\d?)/(\d\d?)/(\d{4}) (\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", text)
    europe = re.fullmatch(r"(\d\d)-(\d\d)-(\d{4}) (\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", text)
    if iso:
        y, m, d, *rest = iso.groups()
    elif us:
        m, d, y, *rest = us.groups()
    elif europe:
        d, m, y, *rest = europe.groups()
    else:
        return None
    hour, minute, second, fraction = rest
    out = f"{y}-{int(m):02}-{int(d):02}T{int(hour):02}:{minute}:{second or '00'}"
    fraction = (fraction or "").ljust(6, "0")[:6]
    return out + (f".{fraction}" if int(fraction or 0) else "")


def expected(text, limit=None):
    """What Python's own reader and writer make of the file; None for rows whose time is none."""
    out = []
    for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")):
        bad = False
        for name in TIMES:
            if name not in row:
                continue
            if row[name]:
                row[name] = us_of(row[name])
                bad = bad or row[name] is None
            else:
                row[name] = None
        out.append(None if bad else row)
    return out[:limit]


def unstamped(data):
    text = data.decode("ascii")
    found = re.search(r'"Txn_Timestamp": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})"\n?\}$', text)
    assert found, text[-80:]
    return text[:found.start(1)] + "@" + text[found.end(1):]


def stamped(row, **how):
    return json.dumps({**row, "Txn_Timestamp": "@"}, **how)


def leat(server, *args, **kwargs):
    return subprocess.run([leat_server.BINARY, *args], capture_output=True, timeout=60,
                          env={**os.environ, "LEAT_ENDPOINT": server.endpoint}, **kwargs)


def world(server, region, shards=1):
    client = make_client(server, "kinesis", region)
    client.create_stream(StreamName=STREAM, ShardCount=shards)
    return client


def replay(server, region, *args, **kwargs):
    done = leat(server, "replay", *args, "--stream", STREAM, "--region", region, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.fixture
def dirty(tmp_path):
    path = tmp_path / "dirty.csv"
    path.write_text(DIRTY, newline="")
    return path


@pytest.mark.parametrize("ending,mark", [("\n", ""), ("\r\n", ""), ("\n", "\ufeff")], ids=["lf", "crlf", "bom"])
def test_the_bytes_are_those_of_json_dumps(leat, tmp_path, ending, mark):
    region = f"replay-bytes-{len(ending)}{len(mark)}"
    client = world(leat, region)
    text = mark + DIRTY.replace("\n", ending)
    path = tmp_path / "rows.csv"
    path.write_text(text, newline="")
    replay(leat, region, str(path), "--indent", "4")
    got = read_all(client, STREAM)
    wanted = expected(text)
    assert None not in wanted
    assert [unstamped(data) for _, _, data in got] == [stamped(row, indent=4) for row in wanted]
    assert [key for _, key, _ in got] == [row["Severity"] or "None" for row in wanted]


def test_compact_is_the_same_without_blanks(leat, dirty):
    client = world(leat, "replay-compact")
    replay(leat, "replay-compact", str(dirty), "--partition-key", "ID")
    got = read_all(client, STREAM)
    assert [unstamped(data) for _, _, data in got] == [stamped(r, separators=(",", ":")) for r in expected(DIRTY)]
    assert [key for _, key, _ in got] == [r["ID"] for r in expected(DIRTY)]


def test_it_answers_programs_in_json(leat, dirty):
    world(leat, "replay-json")
    first = json.loads(replay(leat, "replay-json", str(dirty), "-o", "json"))
    assert (first["state"], first["rows"], first["stream"]) == ("DONE", len(expected(DIRTY)), STREAM)
    assert json.loads(replay(leat, "replay-json", str(dirty), "-o", "json")) == first  # As it was.
    listed = json.loads(replay(leat, "replay-json", "--list", "-o", "json"))["replays"]
    assert first in listed
    absent = globals()["leat"](leat, "replay", "--stop", "nope", "-o", "json")
    assert absent.returncode == 5 and "there is no replay" in json.loads(absent.stderr)["error"]["message"]


def test_typed_writes_numbers_and_booleans(leat, tmp_path):
    client = world(leat, "replay-typed")
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "\nA-1,2,2016-02-08 05:46:00,,39.865147,Plain,Dayton,,36.9,False\n"
                    "A-2,x,2016-02-08 05:46:00,,39.865147,Plain,Dayton,,36.9,False\n")
    replay(leat, "replay-typed", str(path), "--typed")
    row = json.loads(read_all(client, STREAM)[0][2])
    assert (row["Severity"], row["Start_Lat"], row["Bump"], row["End_Time"]) == (2, 39.865147, False, None)
    assert len(read_all(client, STREAM)) == 1
    assert "is not a whole number" in letters(client)[0]["reason"]


def letters(client):
    return [json.loads(data) for _, _, data in read_all(client, "leat-dead-letters")]


def test_bad_rows_are_dead_letters_with_line_and_reason(leat, tmp_path):
    client = world(leat, "replay-bad")
    good = DIRTY.splitlines()[1]
    lines = [HEADER] + [line for row, _ in BAD for line in (good, row)] + [good]
    path = tmp_path / "rows.csv"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    out = replay(leat, "replay-bad", str(path))
    assert f"{len(BAD) + 1} rows" in out and f"{len(BAD)} dead letters" in out
    found = letters(client)
    assert [letter["line"] for letter in found] == [3 + 2 * i for i in range(len(BAD))]
    for letter, (row, reason) in zip(found, BAD):
        assert reason in letter["reason"]
        if "quote" not in reason:
            assert base64.b64decode(letter["data_base64"]) == row.encode("utf-8", "surrogateescape")
    assert len(read_all(client, STREAM)) == len(BAD) + 1


def test_aggregates_of_the_producer_library(leat, dirty):
    client = world(leat, "replay-kpl", shards=4)
    replay(leat, "replay-kpl", str(dirty), "--kpl", "--loop", "20")
    records = [{"kinesis": {"data": base64.b64encode(data).decode(), "partitionKey": key, "sequenceNumber": "1",
                            "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 1}}
               for _, key, data in read_all(client, STREAM)]
    rows = [base64.b64decode(r["kinesis"]["data"]) for r in
            aws_kinesis_agg.deaggregator.deaggregate_records(records)]
    wanted = [stamped(r, separators=(",", ":")) for r in expected(DIRTY)] * 20
    assert len(records) < len(rows)
    assert sorted(unstamped(r) for r in rows) == sorted(wanted)


def test_sources_file_gzip_object_and_input(leat, dirty, tmp_path):
    wanted = [stamped(r, separators=(",", ":")) for r in expected(DIRTY)]
    packed = tmp_path / "rows.csv.gz"
    packed.write_bytes(gzip.compress(DIRTY.encode()))
    s3 = make_client(leat, "s3")
    s3.create_bucket(Bucket="replay_sources")
    for key, body in [("a/plain é.csv", DIRTY.encode()), ("packed.csv.gz", packed.read_bytes())]:
        s3.put_object(Bucket="replay_sources", Key=key, Body=body)
    for number, (source, given) in enumerate([
        (str(packed), None), ("s3://replay_sources/a/plain é.csv", None),
        ("s3://replay_sources/packed.csv.gz", None), ("-", DIRTY.encode()),
    ]):
        region = f"replay-source-{number}"
        client = world(leat, region)
        replay(leat, region, source, input=given)
        assert [unstamped(data) for _, _, data in read_all(client, STREAM)] == wanted, source


class SixServer(leat_server.Server):
    """On the loopback address of IPv6."""

    @property
    def endpoint(self):
        return f"http://[::1]:{self.port}"


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6")
def test_a_server_on_ipv6_reaches_itself():
    server = SixServer(args=["--bind", "::1"]).start()
    assert f"endpoint  {server.endpoint}\n" in server.output()
    s3 = make_client(server, "s3")
    s3.create_bucket(Bucket="six")
    s3.put_object(Bucket="six", Key="rows.csv", Body=DIRTY.encode())
    client = world(server, "us-east-1")
    replay(server, "us-east-1", "s3://six/rows.csv")
    assert len(read_all(client, STREAM)) == len(expected(DIRTY))
    server.stop()


def test_limit_loop_rate_and_the_same_again(leat, dirty):
    client = world(leat, "replay-options")
    assert "5 rows" in replay(leat, "replay-options", str(dirty), "--limit", "5")
    assert "already replayed" in replay(leat, "replay-options", str(dirty), "--limit", "5")
    assert len(read_all(client, STREAM)) == 5
    assert "5 rows" in replay(leat, "replay-options", str(dirty), "--limit", "5", "--again")
    assert len(read_all(client, STREAM)) == 10
    rows = len(expected(DIRTY))
    replay(leat, "replay-options", str(dirty), "--loop", "3", "--rate", "1000/s")
    assert len(read_all(client, STREAM)) == 10 + 3 * rows


def test_errors(leat, dirty, tmp_path):
    world(leat, "replay-errors")
    run = lambda *args: leat_run(leat, *args)
    for args, code, text in [
        ((str(dirty), "--partition-key", "Severty"), 1, 'did you mean --partition-key "Severity"'),
        ((str(dirty), "--rate", "fast"), 2, "--rate"),
        ((str(dirty), "--loop", "0"), 2, "--loop"),
        ((str(dirty), "--ratte", "1"), 2, "did you mean --rate"),
        ((str(tmp_path / "none.csv"),), 5, "none.csv"),
        (("s3://no-such-bucket/key",), 5, "s3://no-such-bucket/key"),
        (("s3://bucket",), 2, "s3://bucket/key"),
        ((), 2, "one source"),
    ]:
        done = run(*args)
        assert (done.returncode, text in done.stderr.decode()) == (code, True), (args, done)
    done = leat_run(leat, str(dirty), stream="nowhere")
    assert done.returncode == 5 and "leat stream create nowhere" in done.stderr.decode()
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    done = run(str(empty))
    assert done.returncode == 1 and "no header line" in done.stderr.decode()


def leat_run(server, *args, stream=STREAM):
    return leat(server, "replay", *args, "--stream", stream, "--region", "replay-errors")


# --- interruptions


def many_rows(path, rows):
    """Quoted line breaks and bad rows too, so that positions in the middle matter."""
    rng = random.Random(7)
    with open(path, "w", newline="") as out:
        out.write(HEADER + "\n")
        for i in range(rows):
            text = f'"line one, {i}\nline two"' if i % 7 == 0 else f"Accident {i} " + "y" * rng.randint(0, 300)
            start = "46:13.0" if i % 1000 == 999 else "2016-02-08 05:46:00"
            out.write(f"A-{i},{i % 4 + 1},{start},2016-02-08 11:00:00,39.1,{text},Dayton,,,False\n")


def check_exactly_once(client, rows):
    got = read_all(client, STREAM)
    bad = [i for i in range(rows) if i % 1000 == 999]
    by_shard = {}
    for shard, _, data in got:
        by_shard.setdefault(shard, []).append(int(json.loads(data)["ID"][2:]))
    for numbers in by_shard.values():
        assert numbers == sorted(numbers)  # In the order of the file.
    assert sorted(n for numbers in by_shard.values() for n in numbers) == sorted(set(range(rows)) - set(bad))
    found = letters(client)
    assert sorted(int(base64.b64decode(letter["data_base64"])[2:].split(b",")[0]) for letter in found) == bad
    # Lines: a row with a quoted line break has two.
    assert [letter["line"] for letter in found] == [2 + i + (i + 6) // 7 for i in bad]


def start_client(server, *args):
    return subprocess.Popen([leat_server.BINARY, "replay", *args, "--stream", STREAM], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env={**os.environ, "LEAT_ENDPOINT": server.endpoint})


@pytest.mark.parametrize("kind", ["file", "object", "packed"])
def test_the_server_is_killed_and_nothing_is_lost_or_repeated(tmp_path, kind):
    rows = 60000
    path = tmp_path / "rows.csv"
    many_rows(path, rows)
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    client = world(server, "us-east-1", shards=4)
    source = str(path)
    if kind != "file":
        s3 = make_client(server, "s3")
        s3.create_bucket(Bucket="bucket")
        body = path.read_bytes() if kind == "object" else gzip.compress(path.read_bytes(), 1)
        s3.put_object(Bucket="bucket", Key="rows.csv", Body=body)
        source = "s3://bucket/rows.csv"
    follower = start_client(server, source, "--rate", "40000/s")
    wait_until(lambda: b"replay-1" in leat(server, "replay", "--list").stdout)
    rng = random.Random(3)
    points = ["feed.before_submit", "feed.after_commit", "log.before_sync", "log.after_publish", "log.after_frame_write"]
    for point in points * 2:
        time.sleep(rng.random() * 0.1 + 0.05)
        if server.process.poll() is None:
            server.kill()
        server.environment = {"LEAT_FAILPOINT": f"{point}:{rng.randint(2, 20)}"}
        try:
            server.start()
        except RuntimeError:
            pass  # It died again before it was ready.
        if server.process.poll() is None and rng.random() < 0.5:
            try:
                server.process.wait(timeout=0.3)
            except subprocess.TimeoutExpired:
                pass
    if server.process.poll() is None:
        server.kill()
    server.environment = {}
    server.start()
    out, _ = follower.communicate(timeout=60)
    assert follower.returncode == 0, out
    check_exactly_once(make_client(server, "kinesis"), rows)
    server.stop()


def test_the_client_is_killed_and_the_same_command_goes_on(tmp_path):
    rows = 40000
    path = tmp_path / "rows.csv"
    many_rows(path, rows)
    server = leat_server.Server().start()
    client = world(server, "us-east-1", shards=4)
    rng = random.Random(5)
    for _ in range(6):
        follower = start_client(server, str(path), "--rate", "20000/s")
        time.sleep(0.1 + rng.random() * 0.2)
        follower.send_signal(signal.SIGKILL)
        follower.wait()
    stopped = start_client(server, str(path), "--rate", "2000/s")
    wait_until(lambda: b"RUNNING" in leat(server, "replay", "--list").stdout)
    time.sleep(0.3)
    stopped.send_signal(signal.SIGINT)
    out, _ = stopped.communicate(timeout=20)
    assert stopped.returncode == 130 and b"the same command goes on there" in out
    before = len(read_all(client, STREAM))
    time.sleep(0.3)
    assert len(read_all(client, STREAM)) == before
    done = leat(server, "replay", str(path), "--stream", STREAM)
    assert done.returncode == 0 and b"going on with replay-1" in done.stderr
    check_exactly_once(client, rows)
    server.stop()


def test_named_input_goes_on_where_it_stood(leat, tmp_path):
    rows = 3000
    path = tmp_path / "rows.csv"
    many_rows(path, rows)
    client = world(leat, "replay-named", shards=4)
    half = path.read_bytes()
    args = ["replay", "-", "--name", "n", "--stream", STREAM, "--region", "replay-named", "--rate", "2000/s"]
    first = subprocess.Popen([leat_server.BINARY, *args], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                             stdout=subprocess.PIPE, env={**os.environ, "LEAT_ENDPOINT": leat.endpoint})
    first.stdin.write(half[:len(half) // 2])
    first.stdin.flush()
    wait_until(lambda: len(read_all(client, STREAM)) > 100)
    first.kill()
    first.communicate()
    assert leat_named(leat, args, half).returncode == 0
    check_exactly_once(client, rows)


def leat_named(server, args, given):
    return subprocess.run([leat_server.BINARY, *args], input=given, capture_output=True, timeout=60,
                          env={**os.environ, "LEAT_ENDPOINT": server.endpoint})


def test_an_object_that_changes_ends_the_replay(leat):
    client = world(leat, "replay-changed")
    s3 = make_client(leat, "s3")
    s3.create_bucket(Bucket="changing")
    line = "A-{0},2,2016-02-08 05:46:00,2016-02-08 11:00:00,39.1,x,Dayton,,,False\n"
    body = HEADER + "\n" + "".join(line.format(i) for i in range(60000))
    s3.put_object(Bucket="changing", Key="k", Body=body.encode())
    follower = subprocess.Popen([leat_server.BINARY, "replay", "s3://changing/k", "--stream", STREAM, "--region",
                                 "replay-changed", "--rate", "10000/s"], stderr=subprocess.PIPE,
                                env={**os.environ, "LEAT_ENDPOINT": leat.endpoint})
    wait_until(lambda: len(read_all(client, STREAM)) > 0)
    s3.put_object(Bucket="changing", Key="k", Body=body.replace("x", "y").encode())
    _, text = follower.communicate(timeout=30)
    assert follower.returncode == 1 and b"was changed since this replay began" in text


# --- real rows, where they are


@pytest.mark.parametrize("name", ["m23_46col_random5020.csv.gz", "m23_46col_random10000.csv.gz",
                                  "dec20u_47col_head999.csv", "dec20_49col_head500.csv",
                                  "dec20_49col_random10001_excel.csv.gz", "dec21_47col_6010_excel.csv.gz"])
def test_every_layout_of_the_data_set(leat, name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the data set's rows are not at {path}")
    region = "replay-" + re.sub(r"[^a-z0-9]", "", name)[:20]
    client = world(leat, region)
    replay(leat, region, str(path), "--indent", "4")
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode("utf-8")
    wanted = expected(text)
    good = [row for row in wanted if row is not None]
    assert [unstamped(data) for _, _, data in read_all(client, STREAM)] == [stamped(r, indent=4) for r in good]
    bad = len(wanted) - len(good)
    assert (len(letters(client)) if bad else 0) == bad
