"""Kinesis as the AWS SDK for JavaScript v3 sees it, with its default handler: HTTP/2 with prior
knowledge. The cases are in tests/clients/js/kinesis.mjs."""

import os
import shutil
import subprocess

import pytest

import leat_server
from tls_test import TlsServer

FOLDER = leat_server.ROOT / "tests" / "clients" / "js"
CASES = [
    "puts_lists_and_gets",
    "events_are_pushed",
    "it_beats_and_ends_and_goes_on",
    "errors_have_their_names",
    "the_end_of_a_shard_names_its_children",
    "many_subscriptions_at_once",
    "leaving_many_times_harms_no_other",
    "a_reader_that_pauses_loses_nothing",
    "who_does_not_read_is_left_when_the_time_is_up",
]
# 250 cancelled streams on one connection: with a server of its own, where nothing else is on its way.
ALONE = {"leaving_many_times_harms_no_other"}
# A subscription lasts a moment.
BRIEF = {"it_beats_and_ends_and_goes_on", "who_does_not_read_is_left_when_the_time_is_up"}
TLS = ["puts_lists_and_gets", "events_are_pushed", "many_subscriptions_at_once",
       "a_reader_that_pauses_loses_nothing"]



def node_version():
    if shutil.which("node") is None or not (FOLDER / "node_modules").is_dir():
        return 0
    shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return int(shown.stdout[1:].split(".")[0])


pytestmark = pytest.mark.skipif(
    node_version() < 20, reason="node 20 or the modules of tests/clients/js are not installed"
)


@pytest.fixture(scope="module")
def brief():
    server = leat_server.Server()
    server.environment = {"LEAT_SUBSCRIPTION_MS": "1500"}
    server.start()
    yield server
    server.stop()


@pytest.fixture
def alone():
    server = leat_server.Server().start()
    yield server
    server.stop()


def node(*args, **more):
    return subprocess.run(["node", "kinesis.mjs", *args], cwd=FOLDER, capture_output=True,
                          text=True, timeout=60, env={**os.environ, **more})


def test_every_case_is_run():
    done = node("http://127.0.0.1:1")
    assert done.stdout.split() == CASES


def run_case(server, case):
    done = node(server.endpoint, case)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ok\n"


@pytest.mark.parametrize("case", [case for case in CASES if case not in ALONE])
def test_javascript(leat, brief, case):
    run_case(brief if case in BRIEF else leat, case)


@pytest.mark.parametrize("case", sorted(ALONE))
def test_javascript_alone(alone, case):
    run_case(alone, case)


@pytest.fixture(scope="module")
def tls():
    server = TlsServer().start()
    yield server
    server.stop()


@pytest.mark.parametrize("case", TLS)
def test_javascript_over_tls(tls, case):
    done = node(f"https://localhost:{tls.tls_port}", case, NODE_EXTRA_CA_CERTS=str(tls.certificate))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ok\n"
