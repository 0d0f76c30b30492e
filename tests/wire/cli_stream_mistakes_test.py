"""leat stream as somebody new uses it: mistakes, outputs that cannot be written, no server."""

import subprocess
import uuid

import pytest

from cli_test import environment, run
from leat_server import BINARY


@pytest.fixture(scope="module")
def stream(leat):
    name = f"new-{uuid.uuid4().hex[:10]}"
    run(leat, "stream", "create", name, "--shards", "2")
    run(leat, "stream", "put", name, "one", "two")
    return name


@pytest.mark.parametrize("args, code, says", [
    (["put", "nope", "x"], 5, 'there is no stream "nope" in us-east-1'),
    (["put", "NAME", "x", "--region", ""], 2, "--region is empty"),
    (["put", "NAME", "x", "--region", "x y"], 2, '"x y" is no name of a region'),
    (["put", "a/b", "x"], 2, "Value 'a/b' at 'streamName'"),
    (["put", "NAME", "x", "--key", "k" * 257], 2, "a partition key has 1 to 256 characters"),
    (["tail", "NAME", "--where", ""], 2, "--where is empty"),
    (["tail", "NAME", "--shard", ""], 2, "--shard is empty"),
    (["tail", "NAME", "--consumer", ""], 2, "--consumer is empty"),
    (["put", "NAME", "x", "--region", "nowhere"], 5, "leat stream create NAME --region nowhere"),
    (["split", "NAME", "0", "--at", "abc"], 2, "--at is a whole number"),
    (["split", "NAME", "0", "--at", "9" * 40], 2, "leat stream show NAME lists"),
    (["consumers", "NAME", "--register", ""], 2, "a consumer has a name"),
    (["tail", "NAME", "--from", ""], 2, "--from is empty"),
    (["import", "NAME", "/"], 2, "/ is a directory"),
    (["import", "NAME", "/nonexistent"], 5, "No such file"),
    (["export", "NAME", "/nonexistent/x"], 1, "there is no such directory"),
    (["export", "NAME"], 2, "leat stream export NAME FILE|-|DIR"),
    (["expotr", "NAME", "x"], 2, "did you mean leat stream export?"),
    (["import", "NAME", "-", "--form-line", "3"], 2, "did you mean --from-line?"),
    (["import", "NAME", "-", "--from-line", "0"], 2, "--from-line takes"),
])
def test_mistakes(leat, stream, args, code, says):
    _, err = run(leat, "stream", *[stream if a == "NAME" else a for a in args], code=code)
    assert says.replace("NAME", stream) in err or says in err
    assert "not put" not in err  # Nothing was begun.


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_of_the_environment_is_checked_too(leat, stream, name):
    def put(*words):
        return subprocess.run([BINARY, "stream", "put", stream, "x", *words], capture_output=True, text=True,
                              env={**environment(leat), name: "x y"}, timeout=20, check=False)
    done = put()
    assert done.returncode == 2
    assert f'{name} is "x y", which is no name of a region' in done.stderr and "not put" not in done.stderr
    assert put("--region", "us-east-1").returncode == 0


@pytest.mark.parametrize("args", [["list"], ["show", "NAME"], ["put", "NAME", "x", "-o", "json"],
                                  ["export", "NAME", "-"]])
def test_an_output_that_cannot_be_written_is_no_success(leat, stream, args):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "stream", *[stream if a == "NAME" else a for a in args]], stdout=full,
                              stderr=subprocess.PIPE, env=environment(leat), timeout=20, check=False)
    assert done.returncode == 1
    assert b"standard output" in done.stderr


def test_a_closed_input_is_said_so(leat, stream):
    done = subprocess.run(f"exec {BINARY} stream put {stream} <&-", shell=True, capture_output=True,
                          env=environment(leat), timeout=20, check=False)
    assert done.returncode == 1 and b"Bad file descriptor" in done.stderr


@pytest.mark.parametrize("args", [["list"], ["show", "a"], ["put", "a", "x"], ["tail", "a"], ["export", "a", "-"],
                                  ["import", "a", "/dev/null"], ["consumers", "a"], ["split", "a", "0"]])
def test_without_a_server(args):
    out, err = run(None, "stream", *args, code=6)
    assert "is it running? leat start starts it" in err and out == ""
