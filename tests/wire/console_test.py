"""The console's page, its instants and its event stream, as docs/api.md says."""

import base64
import collections
import gzip
import hashlib
import http.client
import json
import re
import time

import pytest

import conftest
import leat_server

HTML = {"Accept": "text/html,application/xhtml+xml"}


def fetch(server, path, headers=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def fetch_json(server, path):
    answer, body = fetch(server, path)
    assert answer.status == 200, body
    return json.loads(body)


class Events:
    """A reader of server-sent events that gives up after a while."""

    def __init__(self, server, path):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()

    def next(self):
        event, data = None, []
        while True:
            line = self.answer.readline().decode()
            if line == "":
                raise EOFError
            line = line.rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif line == "" and data:
                return event, json.loads("\n".join(data))

    def close(self):
        self.answer.close()
        self.connection.close()


def assets(server):
    _, page = fetch(server, "/_leat/")
    names = re.findall(rb'(?:src|href)="([^"]+)"', page)
    assert len(names) == 3
    return [name.decode() for name in names]


def test_a_browser_is_led_to_the_console_and_a_program_is_not(leat):
    answer, _ = fetch(leat, "/", HTML)
    assert (answer.status, answer.headers["Location"]) == (302, "/_leat/")
    answer, body = fetch(leat, "/", {"Accept": "*/*"})
    assert answer.status == 200
    assert json.loads(body)["console"] == "/_leat/"
    answer, _ = fetch(leat, "/_leat")
    assert (answer.status, answer.headers["Location"]) == (302, "/_leat/")


@pytest.mark.parametrize("path", ["/health", "/_localstack/health", "/_health/ready", "/_health/live"])
def test_health_names_every_service(leat, path):
    health = fetch_json(leat, path)
    assert health["status"] == "running" and health["durability"] == "commit"
    assert health["services"] == dict.fromkeys(("kinesis", "sts", "cloudwatch", "sns", "s3", "dynamodb"), "running")


def test_the_page_allows_nothing_from_elsewhere(leat):
    answer, page = fetch(leat, "/_leat/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert b"http:" not in page and b"https:" not in page
    for name in assets(leat):
        assert re.fullmatch(r"[a-z]+\.[0-9a-f]{16}\.(js|css|svg)", name)


def test_assets_are_kept_for_ever_under_their_hash(leat):
    sizes = 0
    for name in [""] + assets(leat):
        plain, content = fetch(leat, f"/_leat/{name}")
        packed, data = fetch(leat, f"/_leat/{name}", {"Accept-Encoding": "br, gzip;q=0.8"})
        assert plain.status == packed.status == 200
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(data) == content
        refused, again = fetch(leat, f"/_leat/{name}", {"Accept-Encoding": "gzip;q=0"})
        assert again == content and "Content-Encoding" not in refused.headers
        if name:
            assert "immutable" in packed.headers["Cache-Control"]
        etag = packed.headers["ETag"]
        same, nothing = fetch(leat, f"/_leat/{name}", {"If-None-Match": etag})
        assert (same.status, nothing) == (304, b"")
        sizes += len(data)
    assert sizes < 120 * 1024


def test_unknown_paths_and_wrong_methods_are_named(leat):
    answer, body = fetch(leat, "/_leat/nothing")
    assert answer.status == 404
    assert "/_leat/nothing" in json.loads(body)["error"]["message"]
    answer, _ = fetch(leat, "/_leat/api/events", method="POST")
    assert answer.status == 405


def test_another_host_name_gets_no_console(leat):
    answer, _ = fetch(leat, "/_leat/", {"Host": "evil.example"})
    assert answer.status == 421


def samples_of(text):
    """{(family, labels): value} of an exposition without histograms."""
    found = {}
    for line in text.decode().splitlines():
        match = re.fullmatch(r'([a-z_]+)(?:\{(.*)\})? (\S+)', line)
        if match and not line.startswith("#"):
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))
            found[match[1], labels] = float(match[3])
    return found


def test_a_snapshot_is_the_same_instant_as_its_metrics(leat):
    kinesis = conftest.make_client(leat, "kinesis")
    kinesis.create_stream(StreamName="console-snapshot", ShardCount=2)
    kinesis.put_record(StreamName="console-snapshot", Data=b"one", PartitionKey="1")
    snapshot = fetch_json(leat, "/_leat/api/snapshot")
    kinesis.put_record(StreamName="console-snapshot", Data=b"two", PartitionKey="1")
    answer, text = fetch(leat, f"/metrics?snapshot={snapshot['id']}")
    assert answer.status == 200
    shown = samples_of(text)
    compared = 0
    for family, samples in snapshot["metrics"].items():
        for sample in samples:
            if "value" not in sample:
                continue
            labels = tuple(sorted(sample["labels"].items()))
            assert shown[family, labels] == pytest.approx(sample["value"], rel=1e-8), family
            compared += 1
    assert compared > 20
    key = ("leat_stream_records_in_total", (("region", "us-east-1"), ("stream", "console-snapshot")))
    assert shown[key] == 1
    assert samples_of(fetch(leat, "/metrics")[1])[key] == 2
    stream = next(s for s in snapshot["streams"] if s["name"] == "console-snapshot")
    assert (stream["region"], stream["open_shard_count"]) == ("us-east-1", 2)
    kinesis.delete_stream(StreamName="console-snapshot")


def test_the_last_64_snapshots_are_kept_and_no_more(leat):
    first = fetch_json(leat, "/_leat/api/snapshot")["id"]
    seen = {first}
    while len(seen) < 64:
        seen.add(fetch_json(leat, "/_leat/api/snapshot")["id"])
    assert fetch(leat, f"/metrics?snapshot={first}")[0].status == 200
    while len(seen) < 65:
        seen.add(fetch_json(leat, "/_leat/api/snapshot")["id"])
    answer, body = fetch(leat, f"/metrics?snapshot={first}")
    assert answer.status == 404
    assert first in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("interval", ["99", "60001", "x", "", "-1", "1e3", "%zz"])
def test_a_bad_interval_is_refused(leat, interval):
    answer, body = fetch(leat, f"/_leat/api/events?interval_ms={interval}")
    assert answer.status == 400
    assert "100" in json.loads(body)["error"]["message"]


def test_events_bring_what_changed(leat):
    kinesis = conftest.make_client(leat, "kinesis", region="eu-west-1")
    events = Events(leat, "/_leat/api/events?interval_ms=100")
    assert events.answer.headers["Content-Type"] == "text/event-stream"
    name, first = events.next()
    assert name == "snapshot"
    assert all(s["name"] != "console-events" for s in first["streams"])
    kinesis.create_stream(StreamName="console-events", ShardCount=1)
    ids = {first["id"]}
    for _ in range(50):
        _, snapshot = events.next()
        ids.add(snapshot["id"])
        if any(s["name"] == "console-events" and s["region"] == "eu-west-1" for s in snapshot["streams"]):
            break
    else:
        pytest.fail("the new stream never showed")
    events.close()
    assert len(ids) > 1
    kinesis.delete_stream(StreamName="console-events")


@pytest.fixture
def quiet():
    """A server that nobody else watches."""
    server = leat_server.Server().start()
    yield server
    server.stop()


def test_watchers_are_bounded_and_leave_when_they_close(quiet):
    watchers = [Events(quiet, "/_leat/api/events?interval_ms=100") for _ in range(16)]
    assert all(w.next()[0] == "snapshot" for w in watchers)
    answer, body = fetch(quiet, "/_leat/api/events")
    assert answer.status == 503
    assert "16" in json.loads(body)["error"]["message"]
    for watcher in watchers:
        watcher.close()
    for _ in range(100):
        again = Events(quiet, "/_leat/api/events")
        if again.answer.status == 200:
            break
        again.close()
        time.sleep(0.05)
    assert again.next()[0] == "snapshot"
    again.close()


def test_a_stop_does_not_wait_for_watchers():
    server = leat_server.Server().start()
    events = Events(server, "/_leat/api/events?interval_ms=60000")
    events.next()
    server.stop()
    with pytest.raises((EOFError, http.client.IncompleteRead)):
        events.next()


# --- the tail of a stream


@pytest.fixture(scope="module")
def kinesis(leat):
    return conftest.make_client(leat, "kinesis")


def make_stream(kinesis, name, shards=1):
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return name


def put(kinesis, stream, *texts):
    for text in texts:
        kinesis.put_record(StreamName=stream, PartitionKey="k" + text[:1], Data=text.encode())


def records(server, stream, query):
    """What comes until the server says that this was all."""
    events, found = Events(server, f"/_leat/api/streams/{stream}/tail?{query}"), []
    while True:
        name, value = events.next()
        if name == "end":
            events.close()
            return found
        assert name == "record", (name, value)
        found.append(value)


def test_a_tail_begins_where_it_is_told_to(leat, kinesis):
    stream = make_stream(kinesis, "tail-from", 3)
    put(kinesis, stream, "one", "two", "three")
    everything = records(leat, stream, "from=trim-horizon&limit=3")
    assert [r["data"] for r in everything] == ["one", "two", "three"]
    time.sleep(0.005)
    put(kinesis, stream, "four")
    last = records(leat, stream, f"from={everything[2]['arrival_ms'] + 1}&limit=1")
    assert [r["data"] for r in last] == ["four"]
    shard = everything[1]["shard_id"]
    wanted = [r for r in everything if r["shard_id"] == shard]
    assert records(leat, stream, f"from=trim-horizon&shard={shard}&limit={len(wanted)}") == wanted


def test_a_tail_follows_in_order_and_agrees_with_getrecords(leat, kinesis):
    stream = make_stream(kinesis, "tail-live", 2)
    put(kinesis, stream, "before")
    events = Events(leat, f"/_leat/api/streams/{stream}/tail")
    sent = [f"{n}: \u00e4 \"quoted\"\n" for n in range(20)]
    put(kinesis, stream, *sent)
    seen = [events.next()[1] for _ in sent]
    events.close()
    assert [r["data"] for r in seen] == sent
    for record in seen[:3]:
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=record["shard_id"], ShardIteratorType="AT_SEQUENCE_NUMBER",
                                              StartingSequenceNumber=record["sequence_number"])["ShardIterator"]
        got = kinesis.get_records(ShardIterator=iterator, Limit=1)["Records"][0]
        assert got["SequenceNumber"] == record["sequence_number"]
        assert got["Data"].decode() == record["data"]
        assert got["PartitionKey"] == record["partition_key"]
        assert record["bytes"] == len(got["Data"])


def test_bytes_that_are_no_text_come_as_base64(leat, kinesis):
    stream = make_stream(kinesis, "tail-bytes")
    kinesis.put_record(StreamName=stream, PartitionKey="1", Data=b"\xff\x00")
    record, = records(leat, stream, "from=trim-horizon&limit=1")
    assert "data" not in record
    assert base64.b64decode(record["data_base64"]) == b"\xff\x00"


def aggregate(*pairs):
    """As the producer library writes it: keys and data of user records in one record."""
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    body = b"".join(field(1, key.encode()) for key, _ in pairs)
    for at, (_, data) in enumerate(pairs):
        body += field(3, bytes([1 << 3, at]) + field(3, data))
    return b"\xf3\x89\x9a\xc2" + body + hashlib.md5(body).digest()


def test_aggregates_are_split(leat, kinesis):
    stream = make_stream(kinesis, "tail-kpl")
    kinesis.put_record(StreamName=stream, PartitionKey="a", Data=aggregate(("x", b"first"), ("y", b"second")))
    got = records(leat, stream, "from=trim-horizon&limit=2")
    assert [(r["sub_sequence"], r["partition_key"], r["data"]) for r in got] == [(0, "x", "first"), (1, "y", "second")]
    assert got[0]["sequence_number"] == got[1]["sequence_number"]


def test_a_rate_leaves_out_what_is_live_and_says_so(leat, kinesis):
    stream = make_stream(kinesis, "tail-rate")
    events = Events(leat, f"/_leat/api/streams/{stream}/tail?rate=5")
    for _ in range(4):
        kinesis.put_records(StreamName=stream, Records=[{"PartitionKey": str(n), "Data": b"x"} for n in range(100)])
    seen = skipped = 0
    while seen + skipped < 400:
        name, value = events.next()
        seen += name == "record"
        skipped += value["count"] if name == "skipped" else 0
    events.close()
    assert seen >= 5 and skipped > 0 and seen + skipped == 400


def test_a_sample_is_even_over_the_shards(leat, kinesis):
    """Records of a shard stand together in a frame; the first ones alone would be of one shard."""
    stream = make_stream(kinesis, "tail-sample", 4)
    events = Events(leat, f"/_leat/api/streams/{stream}/tail?rate=40")
    keys = {kinesis.put_record(StreamName=stream, PartitionKey=str(n), Data=b"x")["ShardId"]: str(n) for n in range(40)}
    assert len(keys) == 4
    shards = collections.Counter()
    deadline = time.monotonic() + 20
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        kinesis.put_records(StreamName=stream, Records=[{"PartitionKey": key, "Data": b"x"} for key in keys.values() for _ in range(50)])
        time.sleep(0.1)
    kinesis.put_record(StreamName=stream, PartitionKey="end", Data=b"x")
    while sum(shards.values()) < 100 and time.monotonic() < deadline:
        name, value = events.next()
        if name == "record":
            shards[value["shard_id"]] += 1
    events.close()
    assert len(shards) == 4 and min(shards.values()) >= 0.08 * sum(shards.values()), shards


def test_a_rate_only_slows_down_the_past(leat, kinesis):
    stream = make_stream(kinesis, "tail-past")
    put(kinesis, stream, *(str(n) for n in range(12)))
    got = records(leat, stream, "from=trim-horizon&rate=10&limit=12")
    assert [r["data"] for r in got] == [str(n) for n in range(12)]


def test_a_deleted_stream_ends_its_tail_with_an_error(leat, kinesis):
    stream = make_stream(kinesis, "tail-deleted")
    put(kinesis, stream, "x")
    events = Events(leat, f"/_leat/api/streams/{stream}/tail?from=trim-horizon")
    assert events.next()[0] == "record"
    kinesis.delete_stream(StreamName=stream)
    name, value = events.next()
    assert (name, value["error"]["message"]) == ("error", "the stream was deleted")
    with pytest.raises(EOFError):
        events.next()


@pytest.mark.parametrize("path, status, words", [
    ("nothing/tail", 404, "nothing"),
    ("tail-errors/tail?region=eu-west-1", 404, "eu-west-1"),
    ("tail-errors/tail?from=yesterday", 400, "yesterday"),
    ("tail-errors/tail?shard=shardId-000000000009", 404, "shardId-000000000009"),
    ("tail-errors/tail?shard=x", 404, "x"),
    ("tail-errors/tail?rate=-1", 400, "rate"),
    ("tail-errors/tail?limit=many", 400, "many"),
    ("tail-errors/other", 404, "no such path"),
    ("/tail", 404, ""),
    ("%zz/tail", 404, ""),
])
def test_a_bad_tail_is_refused(leat, kinesis, path, status, words):
    if "tail-errors" not in kinesis.list_streams()["StreamNames"]:
        make_stream(kinesis, "tail-errors")
    answer, body = fetch(leat, f"/_leat/api/streams/{path}")
    assert answer.status == status
    assert words in json.loads(body)["error"]["message"]
