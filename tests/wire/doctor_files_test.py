"""leat doctor --data reads databases and snapshots too, says what is damaged, and changes nothing."""

import json
import subprocess

import pytest

import leat_server
from conftest import make_client
from newer_test import data, digest  # noqa: F401


def doctor(path):
    done = subprocess.run([leat_server.BINARY, "doctor", "--data", str(path), "--output", "json"],
                          capture_output=True, text=True, timeout=60)
    names = ("snapshot", "s3", "sns", "dynamodb", "cloudwatch")
    return [(c["name"], c["status"], c["message"]) for c in json.loads(done.stdout)["checks"] if c["name"] in names]


def flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 16
    path.write_bytes(content)


def test_intact_files_are_said_to_be(data):
    before = digest(data)
    assert {(name, status) for name, status, _ in doctor(data)} == {
        (name, "ok") for name in ("snapshot", "s3", "sns", "dynamodb", "cloudwatch")}
    assert digest(data) == before


@pytest.mark.parametrize("service", ["s3", "sns", "dynamodb", "cloudwatch"])
def test_a_damaged_database_is_named(data, service):
    path = data / service / f"{service}.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes([0xA5]) * 4096
    path.write_bytes(content)
    before = digest(data)
    bad = [one for one in doctor(data) if one[1] == "failed"]
    assert [name for name, _, _ in bad] == [service] and str(path) in bad[0][2], bad
    assert digest(data) == before


def test_damaged_snapshots_are_named(data):
    for path in sorted((data / "state").rglob("*.snapshot")):
        for offset in (3, 20, 60, path.stat().st_size - 1):
            flip(path, offset)
            bad = [one for one in doctor(data) if one[1] == "failed"]
            assert len(bad) == 1 and str(path) in bad[0][2] and "job-1" in bad[0][2], (offset, bad)
            flip(path, offset)


def test_what_a_kill_left_is_no_damage(data):
    server = leat_server.Server(data=str(data)).start()
    make_client(server, "sns").create_topic(Name="another")
    server.kill()
    assert (data / "sns" / "sns.sqlite-wal").stat().st_size > 0
    before = digest(data)
    assert all(status == "ok" for _, status, _ in doctor(data))
    assert digest(data) == before
    server = leat_server.Server(data=str(data)).start()
    assert len(make_client(server, "sns").list_topics()["Topics"]) == 2
    server.stop()
