"""The command line: each command, each exit code, errors, and what programs read."""

import base64
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import boto3
import pytest

import leat_server
from leat_server import BINARY, Server

FOUNDING = Path(__file__).resolve().parents[2] / "demo" / "founding.sql"
ONE, TWO = "us-accidents-data-stream-1", "us-accidents-data-stream-2"


def environment(server=None, **more):
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith("AWS_") and k not in ("LEAT_ENDPOINT", "NO_COLOR", "CLICOLOR_FORCE")}
    endpoint = server.endpoint if server else f"http://127.0.0.1:{leat_server.free_port()}"
    return {**kept, "LEAT_ENDPOINT": endpoint, **more}


def run(server, *args, input=None, code=0, timeout=30, **more):
    result = subprocess.run([BINARY, *args], input=input, capture_output=True, timeout=timeout,
                            env=environment(server, **more))
    out, err = result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
    assert result.returncode == code, f"{args}: {result.returncode}\n{out}\n{err}"
    return out, err


def read_json(server, *args, **more):
    return json.loads(run(server, *args, "-o", "json", **more)[0])


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def region(name):
    return {"AWS_REGION": name}


def wait_until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


# --- help, versions, mistakes


def test_alone_it_says_what_to_try():
    out, _ = run(None)
    assert "Try:" in out and "leat help" in out and len(out.splitlines()) < 10


def commands():
    out, _ = run(None, "help")
    found = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ?", out.split("Commands:")[1].split("\n\n")[0], re.M)
    return [re.sub(r" (Put|List|Show).*", "", name) for name in found]


def test_each_command_has_help_in_three_forms():
    names = commands()
    assert "stream put" in names and "start" in names and len(names) > 20
    for name in names:
        if name == "help":
            continue
        long_form = run(None, *name.split(), "--help")[0]
        assert f"Usage: leat {name}" in long_form and "--help" in long_form
        assert run(None, *name.split(), "-h")[0] == long_form
        assert run(None, "help", *name.split())[0] == long_form


def test_nouns_list_their_verbs():
    out, _ = run(None, "stream", "--help")
    assert "stream create NAME" in out and "job" not in out
    assert "stream tail" in run(None, "stream", code=2)[1]


@pytest.mark.parametrize("args, hint", [
    (["strat"], "did you mean leat start?"),
    (["stream", "lits"], "did you mean leat stream list?"),
    (["deadleter", "list"], "did you mean leat deadletter?"),
    (["stream", "create", "a", "--shrds", "1"], "did you mean --shards?"),
    (["stream", "create", "a", "--shards", "four"], "takes a whole number"),
    (["stream", "create", "a", "--shards"], "needs a value"),
    (["stream", "create"], "leat stream create NAME"),
    (["stream", "create", "a", "b"], "takes one NAME, not 2"),
    (["job", "list", "x"], 'takes no "x"'),
    (["job", "list", "-o", "jsn"], "did you mean json?"),
    (["job", "list", "-x"], "unknown option -x"),
    (["job", "list", "--color", "blue"], "auto, always or never"),
    (["run", "a.sql", "--again", "--restart"], "exclude each other"),
    (["run", "a.sql", "--again=1"], "takes no value"),
    (["sql", "-c", "x", "-f", "y"], "not both"),
    (["start", "--port", "70000"], "0 to 65535"),
    (["start", "--durability", "never"], "one of commit|os|memory"),
    (["completion", "tcsh"], "bash|zsh|fish"),
    (["deadletter", "redrive"], "give ids, or --all"),
    (["--nonsense"], "unknown option --nonsense"),
    (["aws"], "leat aws takes what aws takes"),
    (["stream", "put", "a", "--key", "1", "--key-field", "b"], "exclude each other"),
])
def test_wrong_usage_is_2_and_says_what_is_right(args, hint):
    out, err = run(None, *args, code=2)
    assert out == "" and hint in err


def test_errors_as_json():
    _, err = run(None, "job", "list", "-o", "json", code=6)
    error = json.loads(err)["error"]
    assert "cannot reach" in error["message"] and "leat start" in error["hint"]


def test_options_stand_before_and_behind_the_command(leat):
    name = "cli-order"
    for args in (["--region", name, "env", "-o", "json"], ["env", "--region", name, "-o", "json"],
                 ["-o", "json", f"--region={name}", "env"], ["env", "-ojson", "--region", name]):
        assert json.loads(run(leat, *args)[0])["AWS_REGION"] == name


def test_version():
    assert re.fullmatch(r"leat \d+\.\d+\.\d+\n", run(None, "--version")[0])
    assert run(None, "version")[0] == run(None, "--version")[0]
    out, _ = run(None, "version", "--verbose")
    assert all(name in out for name in ("commit", "compiler", "libcurl", "openssl"))
    assert read_json(None, "version")["compiler"]


def test_help_explains_error_codes():
    assert "column does not exist" in run(None, "help", "SQL0142")[0]
    run(None, "help", "SQL9999", code=5)
    run(None, "help", "XYZ001", code=5)


def test_every_code_of_the_sources_can_be_asked_for():
    root = Path(__file__).resolve().parents[2]
    words = {word for file in (root / "src").rglob("*.c")
             for word in re.findall(r'"([A-Z]{2,4}[0-9]{3,4})"', file.read_text())}
    given = {word for word in words if not word.startswith(("SHA", "AWS"))}  # No codes: algorithms.
    assert len(given) > 150 and {"CON002", "ENG031", "LOG0006"} <= given
    for code in {code for code in given if code.startswith("SQL")}:
        run(None, "help", code)
    for prefix in {code.rstrip("0123456789") for code in given} - {"SQL"}:
        page = re.search(r"(docs/\S+\.md) has more", run(None, "help", prefix + "001")[0])[1]
        assert (root / page).exists()


def test_completion_scripts_parse_and_complete():
    script = run(None, "completion", "bash")[0]
    assert subprocess.run(["bash", "-n"], input=script.encode()).returncode == 0

    def complete(*words):
        program = script + f"""
COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _leat; echo "${{COMPREPLY[@]}}" """
        return subprocess.run(["bash", "-c", program.replace("''", "''")], capture_output=True,
                              text=True).stdout.split()

    assert "stream" in complete("leat", "''")
    assert complete("leat", "str") == ["stream"]
    assert set(complete("leat", "stream", "t")) == {"tail"}
    assert "--shards" in complete("leat", "stream", "create", "a", "--s")
    assert "powershell" in complete("leat", "env", "--shell", "p")
    assert run(None, "completion", "zsh")[0].startswith("#compdef leat")
    assert "complete -c leat" in run(None, "completion", "fish")[0]


@pytest.mark.parametrize("name", ["LEAT_SEGMENT_BYTES", "LEAT_ANSWER_BYTES"])
@pytest.mark.parametrize("text", ["abc", "", "1", "99999999999999999999"])
def test_sizes_that_are_none(tmp_path, name, text):
    out, err = run(None, "start", "--data", str(tmp_path), "--port", str(leat_server.free_port()), code=78, **{name: text})
    assert "SRV013" in err and f'{name}="{text}"' in err


# --- env, aws, doctor


def test_env_for_each_shell(leat):
    out, _ = run(leat, "env", AWS_REGION="eu-west-1", AWS_DEFAULT_REGION="us-west-2")
    program = out + 'echo "$LEAT_ENDPOINT $AWS_ENDPOINT_URL $AWS_REGION $AWS_DEFAULT_REGION $AWS_ACCESS_KEY_ID"'
    said = subprocess.run(["bash", "-c", program], capture_output=True, text=True).stdout
    assert said == f"{leat.endpoint} {leat.endpoint} eu-west-1 eu-west-1 test\n"
    assert f"set -gx AWS_ENDPOINT_URL {leat.endpoint}" in run(leat, "env", "--shell", "fish")[0]
    assert f"$env:AWS_ENDPOINT_URL = '{leat.endpoint}'" in run(leat, "env", "--shell", "powershell")[0]
    assert read_json(leat, "env")["AWS_REGION"] == "us-east-1"
    assert read_json(leat, "env", AWS_DEFAULT_REGION="x")["AWS_REGION"] == "x"
    assert read_json(leat, "env", "--region", "y", AWS_REGION="x")["AWS_REGION"] == "y"
    assert read_json(leat, "env", AWS_ACCESS_KEY_ID="123456789012")["AWS_ACCESS_KEY_ID"] == "123456789012"
    quoted = run(leat, "env", LEAT_ENDPOINT="http://a'b")[0].splitlines()[0]
    said = subprocess.run(["bash", "-c", quoted + '; printf %s "$LEAT_ENDPOINT"'], capture_output=True, text=True)
    assert said.stdout == "http://a'b"


def test_endpoint_comes_from_aws_too(leat):
    run(None, "job", "list", LEAT_ENDPOINT="", AWS_ENDPOINT_URL=leat.endpoint)
    run(None, "job", "list", LEAT_ENDPOINT="", AWS_ENDPOINT_URL=leat.endpoint + "/")
    shown = run(None, "env", "-o", "json", LEAT_ENDPOINT=leat.endpoint + "//")[0]
    assert json.loads(shown)["AWS_ENDPOINT_URL"] == leat.endpoint


def test_aws_runs_the_users_aws(leat, tmp_path):
    fake = tmp_path / "aws"
    fake.write_text('#!/bin/sh\necho "$@"\necho "$AWS_ACCESS_KEY_ID $AWS_REGION ${AWS_PROFILE-none}"\nexit 9\n')
    fake.chmod(0o755)
    more = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AWS_PROFILE": "mine", "AWS_REGION": "cli-aws"}
    out, _ = run(leat, "aws", "s3", "ls", "--recursive", code=9, **more)
    assert out == f"--endpoint-url {leat.endpoint} s3 ls --recursive\ntest cli-aws none\n"
    out, _ = run(leat, "aws", "--endpoint-url=http://x", "help", code=9, **more)
    assert out.startswith("--endpoint-url=http://x help\n")
    _, err = run(leat, "aws", "s3", "ls", code=5, PATH="/nonexistent")
    assert "no aws in PATH" in err and "awscli" in err


def test_doctor_names_what_is_wrong(leat, tmp_path):
    port = str(leat_server.free_port())
    checks = {c["name"]: c for c in read_json(leat, "doctor", "--data", str(tmp_path / "a/b"), "--port", port)["checks"]}
    assert checks["server"]["status"] == checks["port"]["status"] == checks["fsync"]["status"] == "ok"
    names = {"server", "port", "clock", "disk", "fsync", "data", "tls", "aws", "boto3", "probe"}
    assert set(checks) == names
    assert not (tmp_path / "a").exists() and not list(tmp_path.iterdir())
    out, _ = run(leat, "doctor", "--data", leat.data, "--port", str(leat.port))
    assert "is in use by a running leat" in out and "held by leat" in out


def test_doctor_finds_a_foreign_holder_of_the_port(leat, tmp_path):
    import socket
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        out, _ = run(leat, "doctor", "--data", str(tmp_path), "--port", str(port), code=7)
        assert f"{port} is held by" in out and f"pid {os.getpid()}" in out
        command = [BINARY, "start", "--data", str(tmp_path / "d"), "--port", str(port)]
        started = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert started.returncode == 75 and f"pid {os.getpid()}" in started.stderr


def test_start_refuses_to_be_open_without_keys(tmp_path):
    command = [BINARY, "start", "--data", str(tmp_path), "--port", "0", "--bind", "0.0.0.0"]
    started = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert started.returncode == 78 and "LEAT_ACCESS_KEY_ID" in started.stderr
    command = [BINARY, "start", "--data", "/proc/nowhere", "--port", "0"]
    assert subprocess.run(command, capture_output=True, timeout=20).returncode == 78


def test_start_refuses_a_file_as_data_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        result = subprocess.run([BINARY, "start", "--data", str(path), "--port", "0"], capture_output=True, timeout=20)
        assert result.returncode == 78 and b"there is a file of this name" in result.stderr


def test_start_refuses_a_data_directory_in_use(leat):
    command = [BINARY, "start", "--data", leat.data, "--port", "0"]
    started = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert started.returncode == 75 and "error" in started.stderr


# --- streams


def test_streams_from_creation_to_deletion(leat):
    more = region("cli-streams")
    assert "created s in cli-streams" in run(leat, "stream", "create", "s", "--shards", "3", **more)[0]
    assert "already exists" in run(leat, "stream", "create", "s", code=1, **more)[1]
    assert "1 to 10000" in run(leat, "stream", "create", "t", "--shards", "0", code=2, **more)[1]
    assert "24 to 8760" in run(leat, "stream", "create", "t", "--retention", "3", code=2, **more)[1]
    assert "letters" in run(leat, "stream", "create", "no/slash", code=2, **more)[1]
    streams = read_json(leat, "stream", "list", "--region", "cli-streams")["streams"]
    assert [(s["name"], s["region"], s["open_shard_count"]) for s in streams] == [("s", "cli-streams", 3)]
    out, _ = run(leat, "stream", "list")
    assert "REGION" in out and "cli-streams" in out
    shown = read_json(leat, "stream", "show", "s", **more)
    assert len(shown["shards"]) == 3 and shown["shards"][0]["hash_first"] == "0"
    assert shown["shards"][2]["hash_last"] == str(2**128 - 1)
    assert "shardId-000000000002" in run(leat, "stream", "show", "s", **more)[0]
    _, err = run(leat, "stream", "show", "s", code=5)
    assert "--region cli-streams" in err
    _, err = run(leat, "stream", "show", "nowhere", code=5)
    assert "leat stream create nowhere --region us-east-1" in err
    assert "--yes" in run(leat, "stream", "delete", "s", code=2, **more)[1]
    assert run(leat, "stream", "delete", "s", "--yes", **more)[0] == "deleted s in cli-streams\n"
    run(leat, "stream", "show", "s", code=5, **more)


def tail(server, name, *args, **more):
    return lines(run(server, "stream", "tail", name, "--from", "trim-horizon", *args, **more)[0])


def test_put_words_lines_files_and_bytes(leat, tmp_path):
    more = region("cli-put")
    run(leat, "stream", "create", "p", "--shards", "1", **more)
    _, err = run(leat, "stream", "put", "p", "a", "b c", "--key", "k", **more)
    assert "put 2 records into p" in err
    answer = lines(run(leat, "stream", "put", "p", "-o", "json", input=b"l1\r\nl2\n\nl3", **more)[0])
    assert sum(len(a["records"]) for a in answer) == 3
    assert answer[0]["records"][0]["shard_id"] == "shardId-000000000000"
    file = tmp_path / "f"
    file.write_bytes(b'{"id": 7, "t": "x"}\n{"id": 8}\n')
    run(leat, "stream", "put", "p", "--file", str(file), "--key-field", "id", **more)
    run(leat, "stream", "put", "p", "--whole", input=b"\xff\x00\nrest", **more)
    records = tail(leat, "p", "--limit", "8", **more)
    data = [r.get("data", r.get("data_base64")) for r in records]
    assert data == ["a", "b c", "l1", "l2", "l3", '{"id": 7, "t": "x"}', '{"id": 8}',
                    base64.b64encode(b"\xff\x00\nrest").decode()]
    assert [r["partition_key"] for r in records[:2]] == ["k", "k"]
    assert [r["partition_key"] for r in records[5:7]] == ["7", "8"]
    raw = subprocess.run([BINARY, "stream", "tail", "p", "--from", "trim-horizon", "--data", "--limit", "8"],
                         capture_output=True, env=environment(leat, **more), timeout=20).stdout
    assert raw.endswith(b"\xff\x00\nrest\n")
    assert 'no text or number "nope"' in run(leat, "stream", "put", "p", "{}", "--key-field", "nope", code=1, **more)[1]
    assert "Member must have length less than or equal to 1048576" in run(leat, "stream", "put", "p", "--whole", input=b"x" * (1 << 20) + b"y", code=1, **more)[1]
    assert "cannot read" in run(leat, "stream", "put", "p", "--file", "/nonexistent", code=5, **more)[1]
    run(leat, "stream", "put", "gone", "x", code=5, **more)


def test_put_many_lines(leat):
    more = region("cli-many")
    run(leat, "stream", "create", "m", "--shards", "1", **more)
    text = "".join(f"{i}\n" for i in range(20000)).encode()
    _, err = run(leat, "stream", "put", "m", input=text, **more)
    assert "put 20000 records" in err
    assert [r["data"] for r in tail(leat, "m", "--limit", "20000", **more)] == [str(i) for i in range(20000)]


def test_a_slow_pipe_is_put_line_by_line(leat):
    more = region("cli-pipe")
    run(leat, "stream", "create", "p", "--shards", "1", **more)
    put = subprocess.Popen([BINARY, "stream", "put", "p"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                           env=environment(leat, **more))
    for i in range(3):
        put.stdin.write(f"{i}\n".encode())
        put.stdin.flush()
        assert [r["data"] for r in tail(leat, "p", "--limit", str(i + 1), **more)][-1] == str(i)
    put.stdin.close()
    assert put.wait(timeout=10) == 0


def test_tail_waits_filters_and_ends(leat):
    more = region("cli-tail")
    run(leat, "stream", "create", "t", "--shards", "2", **more)
    command = [BINARY, "stream", "tail", "t", "--where", "Severity > 2 AND City LIKE 'D%'", "--limit", "2"]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(leat, **more))
    rows = [("Dayton", "4"), ("Dayton", "1"), ("Troy", "4"), ("Dublin", 3), ("Derby", "x")]

    def put_until_done():
        for city, severity in rows:
            run(leat, "stream", "put", "t", json.dumps({"City": city, "Severity": severity}), **more)
        return follower.poll() is not None

    wait_until(put_until_done)
    got = [json.loads(json.loads(line)["data"])["City"] for line in follower.stdout.read().splitlines()]
    assert sorted(got) == ["Dayton", "Dublin"]  # It may have begun in the middle of a turn.
    run(leat, "stream", "put", "t", "--key", "1", "{}", **more)  # MD5 c4ca42..., the upper half.
    for named in ("1", "shardId-000000000001"):
        shard = tail(leat, "t", "--shard", named, "--limit", "1", **more)[0]
        assert shard["shard_id"] == "shardId-000000000001"
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 3600))
    assert lines(run(leat, "stream", "tail", "t", "--from", since, "--limit", "1", **more)[0])
    table, _ = run(leat, "stream", "tail", "t", "--from", "trim-horizon", "--limit", "1", "-o", "table", **more)
    assert re.match(r"\d{4}-\d\d-\d\dT\S+  000[01]  \S+  \{", table)


@pytest.mark.parametrize("args, code, says", [
    (["--where", "Severity >"], 4, "expected an expression"),
    (["--where", "Severity"], 4, "a condition is needed"),
    (["--where", "NOPE(a) = 1"], 4, "NOPE"),
    (["--from", "yesterday"], 2, "neither latest, trim-horizon nor a time"),
    (["--shard", "shardId-000000000099"], 5, "has no shard"),
    (["--limit", "-1"], 2, "whole number"),
    (["--limit", "0"], 2, "whole number"),
])
def test_tail_says_what_is_wrong(leat, args, code, says):
    more = region("cli-tail-bad")
    subprocess.run([BINARY, "stream", "create", "t"], capture_output=True, env=environment(leat, **more))
    assert says in run(leat, "stream", "tail", "t", *args, code=code, **more)[1]


def test_tail_ends_on_ctrl_c(leat):
    more = region("cli-int")
    run(leat, "stream", "create", "t", **more)
    follower = subprocess.Popen([BINARY, "stream", "tail", "t"], env=environment(leat, **more))
    time.sleep(0.3)
    follower.send_signal(signal.SIGINT)
    assert follower.wait(timeout=5) == 130


def test_what_others_wrote_cannot_steer_the_terminal(leat):
    more = region("cli-plain")
    run(leat, "stream", "create", "t", **more)
    run(leat, "stream", "put", "t", "\x1b[2Jgone\x07", "--key", "\x1b]0;x", **more)
    out, _ = run(leat, "stream", "tail", "t", "--from", "trim-horizon", "--limit", "1", "-o", "table", **more)
    assert "\x1b" not in out and "\x07" not in out and "gone" in out


# --- SQL

TABLE = """CREATE TABLE t (id BIGINT, city STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'kinesis', 'stream' = 's', 'aws.region' = '{region}', 'format' = 'json',
'scan.stream.initpos' = 'TRIM_HORIZON')"""


@pytest.fixture(scope="module")
def rows():
    """A server of its own with a table `t` of four rows and one record that is none."""
    server = Server().start()
    name = "cli-sql"
    run(server, "stream", "create", "s", "--shards", "1", "--region", name)
    run(server, "sql", "-c", TABLE.format(region=name))
    for i, city in enumerate(["Dayton", 'a,"b"', "Zürich", None]):
        run(server, "stream", "put", "s", json.dumps({"id": i, "city": city, "ts": f"2026-01-01 00:00:0{2 * i}"}),
            "--region", name)
    run(server, "stream", "put", "s", "not json", "--region", name)
    yield server
    server.stop()


def test_select_in_each_form(rows):
    query = "SELECT id, city FROM t WHERE id > 0 LIMIT 3"
    out, _ = run(rows, "sql", "-c", query)
    assert lines(out) == [{"id": 1, "city": 'a,"b"'}, {"id": 2, "city": "Zürich"}, {"id": 3, "city": None}]
    assert json.loads(run(rows, "sql", "-c", query, "-o", "json")[0]) == lines(out)
    assert run(rows, "sql", "-c", query, "-o", "csv")[0] == 'id,city\n1,"a,""b"""\n2,Zürich\n3,\n'
    table = run(rows, "sql", "-c", query, "-o", "table")[0].splitlines()
    assert len({len(line) for line in table[:-1]}) == 1 and table[-1] == "3 rows"
    assert "NULL" in table[-3] and "Zürich" in table[-4]


def test_select_without_a_table_ends(rows):
    assert lines(run(rows, "sql", "-c", "SELECT 1 + 1 AS two, CAST(NULL AS INT) AS n")[0]) == [{"two": 2, "n": None}]
    assert lines(run(rows, "sql", "-c", "SELECT id FROM t LIMIT 0")[0]) == []


def test_a_windowed_select(rows):
    query = ("SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND)) "
             "GROUP BY window_start, window_end LIMIT 2")
    assert [r["n"] for r in lines(run(rows, "sql", "-c", query)[0])] == [1, 1]


def test_what_select_cannot_read_is_named(rows):
    run(rows, "sql", "-c", "CREATE TABLE made (id BIGINT) WITH ('connector' = 'blackhole')")
    _, err = run(rows, "sql", "-c", "SELECT id FROM made", code=4)
    run(rows, "sql", "-c", "DROP TABLE made")
    assert "blackhole" in err and "source" in err


def test_a_script_runs_statement_by_statement(rows):
    out, err = run(rows, "sql", input=b"-- a comment; with a semicolon\nSHOW TABLES;\nSELECT id FROM t LIMIT 1;\nNOPE;\nSHOW TABLES;\n", code=4)
    assert lines(out) == [{"table name": "t"}, {"id": 0}]
    assert "--> statement:4:1" in err and "NOPE" in err


def test_select_begins_where_asked(rows):
    reader = subprocess.Popen([BINARY, "sql", "-c", "SELECT id FROM t", "--from", "latest"], stdout=subprocess.PIPE,
                              env=environment(rows))

    def put_and_look():
        run(rows, "stream", "put", "s", '{"id": 99, "ts": "2026-01-01 00:00:00"}', "--region", "cli-sql")
        return select.select([reader.stdout], [], [], 0.1)[0]

    wait_until(put_and_look)
    assert json.loads(reader.stdout.readline()) == {"id": 99}
    reader.send_signal(signal.SIGINT)
    assert reader.wait(timeout=5) == 130
    assert "neither latest" in run(rows, "sql", "-c", "SELECT id FROM t", "--from", "x", code=2)[1]


def test_a_closed_pipe_ends_the_query(rows):
    program = f"{BINARY} sql -c 'SELECT id FROM t' | head -n 1"
    out = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=20, env=environment(rows))
    assert json.loads(out.stdout) == {"id": 0}


def test_queries_have_places(rows):
    readers = [subprocess.Popen([BINARY, "sql", "-c", "SELECT id FROM t"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=environment(rows)) for _ in range(26)]
    wait_until(lambda: sum(r.poll() is not None for r in readers) >= 2)
    assert all(b"24" in r.stderr.read() for r in readers if r.poll() is not None)
    for r in readers:
        if r.poll() is None:
            r.kill()
        r.wait()
    wait_until(lambda: subprocess.run([BINARY, "sql", "-c", "SELECT id FROM t LIMIT 1"], capture_output=True,
                                      env=environment(rows)).returncode == 0)


@pytest.mark.parametrize("sql, code, column, span, says", [
    ("SELECT Cty FROM t", "SQL0142", 8, 3, "city"),
    ("\n\tSELECT\n\t\tCty FROM t", "SQL0142", 9, 3, "city"),
    ("SELECT 'Zürich – ö', Cty FROM t", "SQL0142", 22, 3, "city"),
    ("SELECT * FROM tt", None, 15, 2, "t"),
    ("SELEC 1", "SQL0011", 1, 5, "SELECT"),
])
def test_carets_are_right(rows, sql, code, column, span, says):
    _, err = run(rows, "sql", "-c", sql, "-o", "table", code=4)
    text = err.splitlines()
    place = next(line for line in text if "-->" in line)
    assert place.rsplit(":", 1)[1] == str(column)
    at = next(i for i, line in enumerate(text) if "^" in line)
    caret, source = text[at].split("|", 1)[1], text[at - 1].split("|", 1)[1]
    assert caret.count("^") == span and says in caret
    start = caret.index("^")
    assert source[start:start + span] in ("Cty", "tt", "SELEC")
    error = json.loads(run(rows, "sql", "-c", sql, "-o", "json", code=4)[1])["error"]
    assert error["span_length"] == span and (code is None or error["code"] == code)
    assert error["rendered"] == err


def test_colours_only_where_asked(rows):
    plain = run(rows, "sql", "-c", "NOPE", code=4)[1]
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in run(rows, "sql", "-c", "NOPE", "--color", "always", code=4)[1]
    assert "\x1b[1;31m" in run(rows, "sql", "-c", "NOPE", code=4, CLICOLOR_FORCE="1")[1]
    assert "\x1b" not in run(rows, "sql", "-c", "NOPE", code=4, CLICOLOR_FORCE="1", NO_COLOR="1")[1]
    assert "\x1b" not in run(rows, "--color", "never", "sql", "-c", "NOPE", code=4, CLICOLOR_FORCE="1")[1]


class Shell:
    def __init__(self, server, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(environment(server, HOME=str(home), XDG_STATE_HOME=str(home), TERM="xterm", AWS_REGION="cli-sql"))
            os.execv(BINARY, [BINARY, "sql"])
        self.seen = ""

    def expect(self, text, seconds=10):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096).decode(errors="replace")
                except OSError:
                    break
        assert text in self.seen, self.seen
        self.seen = self.seen.split(text, 1)[1]

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_the_shell(rows, tmp_path):
    shell = Shell(rows, tmp_path)
    shell.expect("leat> ")
    shell.type("help\n")
    shell.expect("Ctrl-C ends a query")
    shell.type("SELECT 40 +\n")
    shell.expect("... ")
    shell.type("2 AS answer;\n")
    shell.expect("answer")
    shell.expect("42")
    shell.expect("leat> ")
    shell.type("CREATE TEMPORARY VIEW looksee AS SELECT id AS numeral FROM t;\n")
    shell.expect("succeed")
    shell.expect("leat> ")
    shell.type("SELECT numer\t FROM look\t LIMIT 1;\n")
    shell.expect("1 row")
    shell.expect("leat> ")
    shell.type("SELECT id FROM t;\n")
    shell.expect("| 2 ")
    shell.type("\x03")
    shell.expect("ended")
    shell.expect("leat> ")
    for _ in range(3):
        shell.type("SELECT half of it")
        shell.expect("half of it")
        shell.type("\x03")
        shell.expect("^C")
        shell.expect("leat> ")
    shell.type("SELECT 'Zürich', CHAR_LENGTH('ü–🚗') AS three;\n")
    shell.expect("Zürich")
    shell.expect("| 3 ")
    shell.expect("leat> ")
    shell.type("NOPE;\n")
    shell.expect("error")
    shell.expect("leat> ")
    shell.type("quit\n")
    assert shell.wait() == 0
    assert "40" in (tmp_path / "leat_history").read_text()
    assert lines(run(rows, "sql", "-c", "SHOW VIEWS")[0]) == []  # It was the session's own.


def test_what_ctrl_c_cut_short_does_not_silence_the_shell(rows, tmp_path):
    """Ctrl-C while rows are written ends a write half done; what follows is printed as ever."""
    shell = Shell(rows, tmp_path)
    shell.expect("leat> ")
    shell.type("CREATE TEMPORARY TABLE many (a INT) WITH ('connector'='datagen', 'rows-per-second'='100000');\n")
    shell.expect("succeed")
    shell.expect("leat> ")
    for _ in range(12):
        shell.type("SELECT 'xxxxxx', a FROM many;\n")
        shell.expect("| xxxxxx")
        shell.expect("| xxxxxx")
        shell.type("\x03")
        shell.expect("ended")
        shell.expect("leat> ")
        shell.type("SELECT 40 + 2 AS answer;\n")
        shell.expect("42")
        shell.expect("leat> ")
    shell.type("quit\n")
    assert shell.wait() == 0


def test_keys_typed_at_the_prompt_come_once(rows, tmp_path):
    """The terminal is the shell's own before the prompt says so."""
    shell = Shell(rows, tmp_path)
    for _ in range(20):
        shell.expect("leat> ")
        assert not termios.tcgetattr(shell.fd)[3] & termios.ECHO
        shell.type("SELECT half of it\x03")
        shell.expect("^C")
    shell.expect("leat> ")
    shell.type("quit\n")
    assert shell.wait() == 0


# --- jobs


def sql_in(name):
    return FOUNDING.read_text().replace("us-east-1", name)


def test_jobs_from_file_to_stop(leat, tmp_path):
    name = "cli-jobs"
    file = tmp_path / "founding.sql"
    file.write_text(sql_in(name))
    _, err = run(leat, "run", str(file), code=5)
    assert f"leat stream create {ONE} --region {name}" in err or ONE in err
    for stream in (ONE, TWO):
        run(leat, "stream", "create", stream, "--shards", "1", "--region", name)
    job = read_json(leat, "run", str(file))["jobs"][0]
    assert not job["already_running"] and job["positions"][0] == {
        "stream": ONE, "shard_id": "shardId-000000000000", "old": None, "new": "latest"}
    again = read_json(leat, "run", str(file))["jobs"][0]
    assert again["already_running"] and again["id"] == job["id"]
    row = json.dumps({"ID": "A", "Severity": "4", "Txn_Timestamp": "2026-01-01T00:00:00.000000"})
    run(leat, "stream", "put", ONE, row, "--region", name)
    assert len(tail(leat, TWO, "--limit", "1", "--region", name)) == 1
    first = tail(leat, ONE, "--limit", "1", "--region", name)[0]["sequence_number"]
    replaced = read_json(leat, "run", str(file), "--restart", "--from", "trim-horizon")["jobs"][0]
    assert replaced["replaced"] and replaced["positions"][0]["old"] == "latest"
    assert replaced["positions"][0]["new"] == first
    assert len(tail(leat, TWO, "--limit", "2", "--region", name)) == 2
    out, _ = run(leat, "run", str(file), "--again")
    assert "Job ID: job-" in out and "starts at latest" in out
    shown = read_json(leat, "job", "show", replaced["id"])["jobs"]
    assert len(shown) == 1 and shown[0]["state"] == "RUNNING" and shown[0]["rows_out"] == 1
    assert "position (LSN)" in run(leat, "job", "show", replaced["id"])[0]
    assert replaced["id"] in run(leat, "job", "list")[0]
    assert read_json(leat, "job", "stop", replaced["id"]) == {"id": replaced["id"], "state": "STOPPED"}
    assert "leat job list" in run(leat, "job", "show", "job-999", code=5)[1]
    run(leat, "job", "stop", "job-999", code=5)
    assert run(leat, "run", str(tmp_path / "nope.sql"), code=5)[1]
    file.write_text("")
    assert "is empty" in run(leat, "run", str(file), code=1)[1]


def test_what_is_wrong_is_said_in_short_and_with_the_right_code(leat, tmp_path):
    file = tmp_path / "wide.sql"
    file.write_text("SELECT " + "'ü', " * 4000 + "nope FROM nowhere")
    _, err = run(leat, "run", str(file), code=4)
    shown = [line for line in err.splitlines() if "|" in line]
    assert len(err) < 2000 and ":1:20018" in err
    at = shown[2].index("^")
    assert shown[1][at:].startswith("nowhere"), err
    assert "neither latest" in run(leat, "run", str(file), "--from", "never", code=2)[1]
    assert "No such file" in run(leat, "stream", "put", "x", "--file", str(tmp_path / "nope"), code=5)[1]


def test_a_sink_that_refuses_shows_in_the_jobs(leat):
    topic = "arn:aws:sns:us-east-1:000000000000:cli-nowhere"
    made = run(leat, "sql", "-o", "ndjson", "-c", "CREATE TABLE to_nowhere (`message` STRING) WITH ('connector' = 'sns',"
               f" 'topic-arn' = '{topic}'); INSERT INTO to_nowhere VALUES ('hi')")[0]
    job = next(row["id"] for row in lines(made) if row.get("type") == "job")
    for words in (["job", "list"], ["job", "show", job]):
        for _ in range(100):
            out = run(leat, *words)[0]
            if "not delivered yet" in out:
                break
            time.sleep(0.1)
        assert "1 rows for to_nowhere" in out and "Topic does not exist" in out
    run(leat, "sql", "-c", "DROP TABLE to_nowhere")
    boto3.client("sns", endpoint_url=leat.endpoint, region_name="us-east-1", aws_access_key_id="test",
                 aws_secret_access_key="test").create_topic(Name="cli-nowhere")
    for _ in range(300):
        out = run(leat, "job", "show", job)[0]
        if "not delivered yet" not in out:
            break
        time.sleep(0.1)
    assert "not delivered yet" not in out


# --- dead letters and reset


def test_dead_letters_are_put_back_once(leat, tmp_path):
    name = "cli-letters"
    file = tmp_path / "founding.sql"
    file.write_text(sql_in(name))
    for stream in (ONE, TWO):
        run(leat, "stream", "create", stream, "--shards", "1", "--region", name)
    job = read_json(leat, "run", str(file))["jobs"][0]["id"]
    filter = ["--region", name]
    assert run(leat, "deadletter", "list", *filter)[0] == "no dead letters\n"
    run(leat, "stream", "put", ONE, "--whole", "--key", "k\u00e9y", input=b"\xff\xfe raw", **region(name))
    run(leat, "stream", "put", ONE, '{"Severity": "many"}', **region(name))
    wait_until(lambda: len(read_json(leat, "deadletter", "list", *filter)["dead_letters"]) >= 2)
    letters = read_json(leat, "deadletter", "list", *filter)["dead_letters"]
    assert base64.b64decode(letters[0]["data_base64"]) == b"\xff\xfe raw"
    assert letters[0]["partition_key"] == "k\u00e9y" and letters[0]["job"] == job and not letters[0]["redriven"]
    assert letters[1]["data"] == '{"Severity": "many"}' and letters[1]["field"] and letters[1]["reason"]
    first = letters[0]["id"]
    assert "k\u00e9y" in run(leat, "deadletter", "show", first)[0]
    page = read_json(leat, "deadletter", "list", *filter, "--limit", "1")
    assert [x["id"] for x in page["dead_letters"]] == [first] and page["more"]
    page = read_json(leat, "deadletter", "list", *filter, "--after", first)
    assert first not in [x["id"] for x in page["dead_letters"]]
    assert read_json(leat, "deadletter", "redrive", first) == {"redriven": 1, "skipped": 0, "failed": []}
    assert read_json(leat, "deadletter", "redrive", first, first)["skipped"] == 2
    records = tail(leat, ONE, "--limit", "3", **region(name))
    back = [r for r in records if r.get("data_base64") == base64.b64encode(b"\xff\xfe raw").decode()]
    assert len(back) == 2 and {r["partition_key"] for r in back} == {"k\u00e9y"}
    assert read_json(leat, "deadletter", "show", first)["dead_letters"][0]["redriven"]
    run(leat, "job", "stop", job)  # What is put back now becomes no letter again.
    put_back = read_json(leat, "deadletter", "redrive", "--all", *filter, "--job", job)
    assert put_back["redriven"] >= 1 and put_back["failed"] == []
    assert read_json(leat, "deadletter", "redrive", "--all", *filter)["redriven"] == 0
    assert all(x["redriven"] for x in read_json(leat, "deadletter", "list", *filter)["dead_letters"])
    for limit in ("0", "1001"):
        run(leat, "deadletter", "list", *filter, "--limit", limit, code=2)
    assert "no such dead letter" in run(leat, "deadletter", "redrive", "77777777", code=5)[1]
    run(leat, "deadletter", "show", "77777777", code=5)
    run(leat, "deadletter", "show", "x", code=5)


def post(server, path):
    import urllib.request
    request = urllib.request.Request(server.endpoint + path, data=b"{}", method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def test_a_record_that_several_inserts_cannot_read_is_one_letter(leat, tmp_path):
    region = "many-inserts"
    for name in ("in", "out"):
        run(leat, "stream", "create", name, "--region", region, "--shards", "1")
    options = f"'aws.region' = '{region}', 'connector' = 'kinesis', 'format' = 'json'"
    script = tmp_path / "set.sql"
    script.write_text(
        f"CREATE TABLE many_in (id INT, n INT) WITH ('stream' = 'in', {options});\n"
        f"CREATE TABLE many_out (id INT) WITH ('stream' = 'out', {options});\n"
        "EXECUTE STATEMENT SET BEGIN\n"
        "INSERT INTO many_out SELECT id FROM many_in UNION ALL SELECT n FROM many_in;\n"
        "INSERT INTO many_out SELECT id + n FROM many_in;\nEND;\n")
    run(leat, "run", str(script))
    run(leat, "stream", "put", "in", "--region", region, "no object", '{"id":"x","n":"y"}',
        '{"id":"x","n":7}', '{"id":1,"n":2}')
    out = run(leat, "stream", "tail", "out", "--region", region, "--from", "trim-horizon", "--limit",
              "4", "--data")[0].split()
    assert sorted(out) == ['{"id":1}', '{"id":2}', '{"id":3}', '{"id":7}']
    listed = read_json(leat, "deadletter", "list", "--region", region)["dead_letters"]
    assert [(one["table"], one["data"]) for one in listed] == [
        ("many_in", data) for data in ("no object", '{"id":"x","n":"y"}', '{"id":"x","n":7}')]
    job = [j for j in read_json(leat, "job", "list")["jobs"] if "many_out" in j["name"]][0]
    assert (job["dead_letters"], job["rows_out"], job["rows_filtered"]) == (3, 4, 0)
    run(leat, "job", "stop", job["id"])


def test_reset_only_where_allowed(leat):
    import urllib.error
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(leat, "/_leat/reset")
    assert refused.value.code == 403 and "--allow-reset" in refused.value.read().decode()


def test_reset_deletes_everything_for_good():
    server = Server(args=["--allow-reset"]).start()
    for stream in (ONE, TWO):
        run(server, "stream", "create", stream)
    job = read_json(server, "run", str(FOUNDING))["jobs"][0]["id"]
    run(server, "stream", "put", ONE, "bad")
    wait_until(lambda: read_json(server, "deadletter", "list")["dead_letters"])
    assert post(server, "/_leat/reset") == {"reset": True}

    def is_empty():
        return (read_json(server, "stream", "list")["streams"] == [] and
                read_json(server, "job", "list")["jobs"] == [] and
                read_json(server, "deadletter", "list")["dead_letters"] == [] and
                run(server, "sql", "-c", "SHOW TABLES")[0] == "")

    assert is_empty()
    server.kill()
    server.start()
    assert is_empty()
    for stream in (ONE, TWO):
        run(server, "stream", "create", stream)
    again = read_json(server, "run", str(FOUNDING))["jobs"][0]
    assert again["id"] != job and not again["already_running"]
    assert post(server, "/_leat/reset") == {"reset": True}
    server.kill()
    server.start()
    assert is_empty()
    server.stop()


def test_the_reference_is_the_table_of_commands():
    tool = Path(__file__).resolve().parents[2] / "tools" / "cli_docs.py"
    made = subprocess.run([sys.executable, str(tool), BINARY, "--check"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
