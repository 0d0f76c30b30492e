"""Damaged snapshots of a job, pieces among them, under a server: it goes on from the one before, or the job fails and
names the file. It never puts out a wrong result."""

import json
import shutil
import subprocess
import time

import pytest

import leat_server
from conftest import make_client
from founding_test import jobs, read_all, sql
from window_test import COUNT, TABLES, event, put, streams

KEYS, ROUNDS = 40, 6
ENVIRONMENT = {"LEAT_SNAPSHOT_STEPS": "2", "LEAT_SNAPSHOT_PIECE_BYTES": "1", "LEAT_STEP_FRAMES": "1"}


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def opened(data):
    server = leat_server.Server(data=str(data))
    server.environment = ENVIRONMENT
    return server.start()


def killed_at(data):
    """A directory whose job has one open window, in pieces that both of its snapshots use, and some steps after."""
    server = opened(data)
    client = streams(server)
    assert sql(server, TABLES + COUNT)[-1]["type"] == "done"
    put(client, [event(f"k{k}", k, 1) for k in range(KEYS)])
    for n in range(ROUNDS):  # Each changes a few keys: their pieces alone are written anew.
        steps = jobs(server)[0]["steps"]
        put(client, [event(f"k{n}", 1, 2)])
        until(lambda: jobs(server)[0]["steps"] > steps)
    until(lambda: len(list(data.rglob("*.pieces"))) > 1)
    server.kill()


def newest_counts(data, copy):
    """Was the newest snapshot written down when the kill came, or had only its file been made?"""
    shutil.copytree(data, copy)
    sorted(copy.rglob("*.snapshot"))[-1].unlink()
    server = opened(copy)
    until(lambda: jobs(server)[0]["state"] in ("RUNNING", "FAILED"))
    output = server.output()
    server.stop()
    return "a snapshot cannot be used, the one before it is tried" in output


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    for _ in range(10):
        place = tmp_path_factory.mktemp("killed")
        killed_at(place / "data")
        if newest_counts(place / "data", place / "copy"):
            return place / "data"
    raise AssertionError("every kill came before the newest snapshot was written down")


def expected():
    rounds = {f"k{n}": 1 for n in range(ROUNDS)}
    return sorted((f"k{k}", 1 + rounds.get(f"k{k}", 0), k + rounds.get(f"k{k}", 0)) for k in range(KEYS))


def outcome(server):
    """What the window puts out when it ends, and the job."""
    client = make_client(server, "kinesis")
    put(client, [event("last", 1, 30)])

    def rows():
        found = [json.loads(data) for _, _, data in read_all(client, "out")]
        return sorted((row["k"], row["n"], row["s"]) for row in found)

    until(lambda: len(rows()) >= KEYS or jobs(server)[0]["state"] == "FAILED")
    return rows(), jobs(server)[0]


def doctor_names(data, path):
    done = subprocess.run([leat_server.BINARY, "doctor", "--data", str(data), "--output", "json"],
                          capture_output=True, text=True, timeout=60)
    return any(c["status"] == "failed" and str(path) in c["message"] for c in json.loads(done.stdout)["checks"])


def flipped(at):
    def do(path, _):
        content = bytearray(path.read_bytes())
        content[at(len(content))] ^= 8
        path.write_bytes(content)
    return do


def cut(path, _):
    path.write_bytes(path.read_bytes()[:-1])


def gone(path, _):
    path.unlink()


def anothers(path, others):
    shutil.copy(next(o for o in others if o != path and o.read_bytes() != path.read_bytes()), path)


DAMAGES = {"first bit": flipped(lambda n: 0), "middle bit": flipped(lambda n: n // 2),
           "last bit": flipped(lambda n: n - 1), "cut": cut, "gone": gone, "another's": anothers}


def test_without_damage(killed, tmp_path):
    shutil.copytree(killed, tmp_path / "data")
    server = opened(tmp_path / "data")
    rows, job = outcome(server)
    assert rows == expected() and job["state"] == "RUNNING"
    assert "a snapshot cannot be used" not in server.output()
    server.stop()


def run_on(data, path, damage):
    """Starts leat on the damaged directory; the job's state, and whether it went back to the older snapshot."""
    DAMAGES[damage](path, sorted(data.rglob(f"*{path.suffix}")))
    if damage not in ("gone", "another's"):  # Nothing there, or a good one: only the job knows.
        assert doctor_names(data, path)
    server = opened(data)
    rows, job = outcome(server)
    output = server.output()
    server.stop()
    went_back = "a snapshot cannot be used, the one before it is tried" in output
    if job["state"] == "FAILED":
        assert rows == [] and str(path) in job["reason"] and "the job cannot go on" in job["reason"], job
        assert went_back and path.name in output
    else:
        assert job["state"] == "RUNNING" and rows == expected(), job
    return job["state"], went_back


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_pieces_are_named(killed, tmp_path, damage):
    seen = set()
    for number, original in enumerate(sorted(killed.rglob("*.pieces"))):
        data = tmp_path / str(number)
        shutil.copytree(killed, data)
        state, went_back = run_on(data, data / original.relative_to(killed), damage)
        assert went_back  # Every file belongs to the newest snapshot.
        seen.add(state)
    assert seen == {"RUNNING", "FAILED"}  # Pieces of the newest alone, and pieces of both.


@pytest.mark.parametrize("is_newest, damage", [*((True, d) for d in DAMAGES), (False, "middle bit"), (False, "gone")])
def test_a_damaged_snapshot_is_gone_back_from(killed, tmp_path, is_newest, damage):
    shutil.copytree(killed, tmp_path / "data")
    path = sorted((tmp_path / "data").rglob("*.snapshot"))[-1 if is_newest else 0]
    assert run_on(tmp_path / "data", path, damage) == ("RUNNING", is_newest)
