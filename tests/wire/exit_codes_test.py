"""Exit codes of docs/cli.md where they are easily wrong, and where an error points."""

import gzip
import os
import shutil
import subprocess

import pytest

import leat_server


def run(server, *words, code):
    environment = {**os.environ, "LEAT_ENDPOINT": server.endpoint}
    done = subprocess.run(
        [leat_server.BINARY, *words], env=environment, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_what_is_absent(leat):
    assert "no such dead letter" in run(leat, "deadletter", "redrive", "4711", code=5)
    run(leat, "deadletter", "redrive", "4711", "-o", "json", code=5)
    run(leat, "deadletter", "show", "4711", code=5)
    run(leat, "stream", "put", "none", "x", code=5)


@pytest.mark.parametrize(
    "words", [("x", "--shards", "0"), ("x", "--shards", "20000"), ("a b",), ("x", "--retention", "3")]
)
def test_wrong_options_of_a_stream(leat, words):
    run(leat, "stream", "create", *words, code=2)
    run(leat, "stream", "show", words[0], code=5)


@pytest.mark.parametrize("place", ["/proc/x", "/dev/null/x", __file__])
def test_an_unusable_data_directory(leat, place):
    assert "cannot use the data directory" in run(leat, "start", "--data", place, "--port", "0", code=78)


def test_input_that_is_cut_off(leat, tmp_path):
    rows = "Severity,A\n" + "".join(f"1,{i * 7919}\n" for i in range(50000))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(rows.encode())[:20000])
    run(leat, "stream", "create", "exit-codes", "--shards", "1", code=0)
    said = run(leat, "replay", "--stream", "exit-codes", str(cut), code=1)
    assert "it is cut off" in said and "the same command goes on there" in said
    assert [line for line in run(leat, "replay", "--list", code=0).splitlines() if str(cut) in line][0].split()[1] == "STOPPED"


def caret(said):
    """What the line of carets underlines."""
    lines = said.splitlines()
    at = next(i for i, line in enumerate(lines) if set(line.strip(" |")) == {"^"})
    start, end = lines[at].index("^"), lines[at].rindex("^") + 1
    return lines[at - 1][start:end]


@pytest.mark.parametrize(
    "options, expected",
    [
        ("'connector' = 'kinesiss', 'stream' = 'in'", "'kinesiss'"),
        ("'connector' = 'kinesis', 'streamm' = 'in', 'format' = 'json'", "'streamm'"),
        ("'connector' = 'kinesis', 'stream' = 'in', 'format' = 'jsn'", "'jsn'"),
        ("'connector' = 'datagen', 'rows-per-second' = 'x'", "'x'"),
    ],
)
def test_carets_of_options(leat, options, expected):
    said = run(leat, "sql", "-c", f"CREATE TABLE carets (a INT) WITH ({options})", code=4)
    assert caret(said) == expected


def test_text_that_is_not_utf8(leat, tmp_path):
    script = tmp_path / "latin.sql"
    script.write_bytes("SELECT 1;\nSELECT 'é', '".encode() + b"\xe9')")
    for words in (("sql", "-f", str(script)), ("run", str(script))):
        assert f"{script}:2:14: the byte 0xE9 is not UTF-8" in run(leat, *words, code=4)


def test_a_data_directory_that_vanishes(tmp_path):
    """Nothing is acknowledged for long that would be lost with the process."""
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    run(server, "stream", "create", "s", "--shards", "1", code=0)
    shutil.rmtree(server.data)
    assert server.process.wait(timeout=10) == 70
    assert "the data directory was deleted or moved while leat was running" in server.output()
    assert "try again" not in server.output()
