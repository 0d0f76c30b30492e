"""SELECT over what is not a stream: files end, datagen ends when it is told to or by LIMIT."""

import json
import os
import signal
import subprocess

import pytest

import leat_server

GEN = "'connector' = 'datagen', 'rows-per-second' = '2000'"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def server(files):
    server = leat_server.Server()
    server.environment = {"LEAT_FILE_DIRS": str(files)}
    yield server.start()
    server.stop()


def command(server, *words):
    environment = {**os.environ, "LEAT_ENDPOINT": server.endpoint}
    return [leat_server.BINARY, "sql", *words], environment


def sql(server, text, *words):
    argv, environment = command(server, *words, "-o", "ndjson", "-c", text)
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=20)


def rows(server, text):
    done = sql(server, text)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_files_end(server, files):
    for part in range(3):
        lines = "".join(f'{{"a":{part * 100 + i},"ts":"2026-01-01 00:00:{i % 60:02}"}}\n' for i in range(100))
        (files / f"part-{part}.json").write_text(lines)
    rows(server, f"""CREATE TABLE files (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '60' SECOND)
        WITH ('connector' = 'filesystem', 'path' = '{files}', 'format' = 'json');""")
    assert sorted(r["a"] for r in rows(server, "SELECT a FROM files")) == list(range(300))
    assert len(rows(server, "SELECT a FROM files LIMIT 7")) == 7
    assert rows(server, "SELECT a FROM files WHERE a = 205") == [{"a": 205}]
    # The end of the input closes every window.
    got = rows(server, """SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE files, DESCRIPTOR(ts),
        INTERVAL '1' MINUTE)) GROUP BY window_start, window_end""")
    assert got == [{"window_start": "2026-01-01 00:00:00", "n": 300}]


def test_datagen(server):
    rows(server, f"""CREATE TABLE bounded (i INT) WITH ({GEN}, 'fields.i.kind' = 'sequence',
        'fields.i.start' = '1', 'fields.i.end' = '500');
        CREATE TABLE endless (i INT) WITH ({GEN});""")
    assert [r["i"] for r in rows(server, "SELECT i FROM bounded")] == list(range(1, 501))
    assert len(rows(server, "SELECT i FROM endless LIMIT 20")) == 20
    both = rows(server, "SELECT i FROM bounded WHERE i < 3 UNION ALL SELECT i + 1000 FROM bounded WHERE i < 3")
    assert sorted(r["EXPR$0"] if "EXPR$0" in r else r["i"] for r in both) == [1, 2, 1001, 1002]


def test_ctrl_c_ends_an_endless_one(server):
    argv, environment = command(server, "-o", "ndjson", "-c", "SELECT i FROM endless")
    shell = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    for _ in range(50):
        assert "i" in json.loads(shell.stdout.readline())
    shell.send_signal(signal.SIGINT)
    shell.stdout.close()
    shell.wait(timeout=20)


def test_what_cannot_be_read_is_told(server, files):
    rows(server, f"CREATE TABLE absent (a INT) WITH ('connector' = 'filesystem', 'path' = '{files}/none', 'format' = 'json')")
    done = sql(server, "SELECT a FROM absent")
    assert done.returncode != 0 and "No such file or directory" in done.stderr
