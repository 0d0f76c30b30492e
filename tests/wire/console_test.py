"""The console's page, its instants and its event stream, as docs/api.md says."""

import gzip
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
