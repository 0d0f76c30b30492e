"""leat generate: distributions as published, seeds, files, objects, streams."""

import collections
import csv
import datetime
import io
import os
import subprocess
from pathlib import Path

import pytest

import leat_server
from conftest import make_client
from founding_test import read_all

STATS = Path(os.environ.get("LEAT_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data/us-accidents/stats"
ROWS = 60000


def generate(*args, endpoint="http://127.0.0.1:1", **kwargs):
    return subprocess.run([leat_server.BINARY, "generate", "us-accidents", *args], capture_output=True, timeout=60,
                          env={**os.environ, "LEAT_ENDPOINT": endpoint}, **kwargs)


@pytest.fixture(scope="module")
def rows():
    out = generate("--rows", str(ROWS), "--layout", "46", "--seed", "11").stdout.decode()
    return list(csv.DictReader(io.StringIO(out)))


def shares(values):
    return {k: n / ROWS for k, n in collections.Counter(values).items()}


def published(name, key, share, where=lambda row: True):
    path = STATS / name
    if not path.exists():
        pytest.skip(f"the published figures are not at {path}")
    return {row[key]: float(row[share]) for row in csv.DictReader(path.open()) if where(row)}


def close(got, wanted, tolerance):
    off = {k: (got.get(k, 0), w) for k, w in wanted.items() if abs(got.get(k, 0) - w) > tolerance}
    assert not off, off


def test_states(rows):
    close(shares(r["State"] for r in rows), published("states.csv", "state", "m23_share"), 0.01)


def test_hours(rows):
    wanted = published("hours.csv", "hour_local", "m23_share")
    close(shares(str(int(r["Start_Time"][11:13])) for r in rows), wanted, 0.012)


@pytest.mark.parametrize("dimension,form", [("weekday", "%A"), ("year", "%Y")])
def test_weekdays_and_years(rows, dimension, form):
    wanted = published("weekday_month_year.csv", "value", "share", lambda r: r["dimension"] == dimension)
    days = (datetime.date.fromisoformat(r["Start_Time"][:10]).strftime(form) for r in rows)
    close(shares(days), wanted, 0.02)


def test_what_is_known_without_the_figures(rows):
    severity = shares(r["Severity"] for r in rows)
    close(severity, {"1": 0.0087, "2": 0.7967, "3": 0.1681, "4": 0.0265}, 0.015)
    empty = sum(r["Weather_Timestamp"] == "" for r in rows) / ROWS
    assert 0.010 < empty < 0.022  # 1.56 % in the published file.
    assert all(set(r.values()) and None not in r and None not in r.values() for r in rows)


def test_the_seed_decides(tmp_path):
    one, again, other = (generate("--rows", "500", "--seed", s).stdout for s in "778")
    assert one == again != other
    file = tmp_path / "rows.csv"
    assert generate("--rows", "500", "--seed", "7", "--out", str(file)).returncode == 0
    assert file.read_bytes() == one


def test_objects_and_streams(leat):
    s3, kinesis = make_client(leat, "s3"), make_client(leat, "kinesis", "generate-to")
    s3.create_bucket(Bucket="generated")
    done = generate("--rows", "30000", "--out", "s3://generated/a/rows.csv", endpoint=leat.endpoint)
    assert done.returncode == 0, done.stderr
    assert s3.get_object(Bucket="generated", Key="a/rows.csv")["Body"].read() == generate("--rows", "30000").stdout
    kinesis.create_stream(StreamName="rows", ShardCount=1)
    args = ("--rows", "2000", "--stream", "rows", "--region", "generate-to")
    assert b"2000 rows" in generate(*args, endpoint=leat.endpoint).stdout
    assert b"already replayed" in generate(*args, endpoint=leat.endpoint).stdout
    assert len(read_all(kinesis, "rows")) == 2000


def test_errors(leat):
    for args, code, text in [(("--layout", "48"), 2, "--layout"), (("--order", "odd"), 2, "--order"),
                             (("--out", "s3://none"), 2, "s3://bucket/key"), (("--rate", "5"), 2, "--stream"),
                             (("--out", "s3://no-such-bucket/k"), 6, "404"), (("--rowz", "1"), 2, "did you mean --rows")]:
        done = generate(*args, endpoint=leat.endpoint)
        assert (done.returncode, text in done.stderr.decode()) == (code, True), (args, done)
