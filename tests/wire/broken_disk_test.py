"""A disk under a server that fails, or refuses what is written past the page cache: what was acknowledged is there."""

import errno
import re
import signal
import subprocess
from pathlib import Path

import pytest

import leat_server
from conftest import make_client
from memory_test import ask, put
from resources_test import WAIT_S, records, until

EIO, EINVAL, EOPNOTSUPP, ENOSPC, EDQUOT = errno.EIO, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSPC, errno.EDQUOT
PUTS = 20
WRITE, SYNC = "write of a frame|zeroing ahead", "fdatasync of a frame|sync of zeroed space"


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    out = tmp_path_factory.mktemp("shim") / "disk_fails.so"
    source = Path(__file__).parent / "programs" / "disk_fails.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(out), str(source), "-ldl"], check=True)
    return out


def put_until_it_ends(server, first, count):
    acknowledged = []
    for number in range(first, first + count):
        if not ask(server, put(number)).startswith(b"HTTP/1.1 200 "):
            break
        acknowledged.append(b"%d" % number)
    return acknowledged


@pytest.mark.parametrize("fails, said", [
    (f"direct={EINVAL}", None),
    (f"direct={EOPNOTSUPP}", None),
    ("direct=short", None),
    (f"direct={EIO}", WRITE),
    (f"direct={EINVAL} cached={EIO}", WRITE),
    (f"direct=short cached={EIO}", WRITE),
    (f"sync={EIO}", SYNC),
    (f"sync={ENOSPC}", SYNC),
    (f"direct={EINVAL} sync={EIO}", SYNC),
])
def test_a_disk_that_fails(shim, fails, said):
    server = leat_server.Server()
    server.environment = {"LD_PRELOAD": str(shim), "DISK_FAILS": fails}
    server.start()
    make_client(server, "kinesis").create_stream(StreamName="s", ShardCount=1)
    acknowledged = put_until_it_ends(server, 0, PUTS)
    assert len(acknowledged) == PUTS
    server.process.send_signal(signal.SIGUSR1)
    acknowledged += put_until_it_ends(server, PUTS, PUTS)
    if said is None:
        assert len(acknowledged) == 2 * PUTS
        server.kill()
    else:
        assert len(acknowledged) < PUTS + PUTS // 2  # The signal may come some puts late.
        assert server.process.wait(WAIT_S) == 70, server.output()
        assert re.search(said, server.output())
        assert "cause=" in server.output()
    server.environment = {}
    server.start()
    found = records(make_client(server, "kinesis"), "s")
    assert found[:len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
    server.stop()


@pytest.mark.parametrize("fails", [
    f"direct={ENOSPC}",
    f"direct={EDQUOT}",
    f"direct={EINVAL} cached={ENOSPC}",
    f"direct=short cached={ENOSPC}",
])
def test_no_room_though_there_is_space(shim, fails):
    """As under a quota: what free space says is no help."""
    server = leat_server.Server()
    server.environment = {"LD_PRELOAD": str(shim), "DISK_FAILS": fails}
    server.start()
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    acknowledged = put_until_it_ends(server, 0, PUTS)
    assert len(acknowledged) == PUTS
    server.process.send_signal(signal.SIGUSR1)
    until(lambda: b"no space" in ask(server, put(PUTS)), "a refusal")
    for number in range(PUTS + 1, 2 * PUTS):
        assert b"no space" in ask(server, put(number))
        assert records(kinesis, "s")[:PUTS] == acknowledged
    server.process.send_signal(signal.SIGUSR2)
    until(lambda: ask(server, put(2 * PUTS)).startswith(b"HTTP/1.1 200 "), "an answer")
    assert server.output().count("a frame is refused") == 1
    there = records(kinesis, "s")
    assert there[:PUTS] == acknowledged
    assert set(there[PUTS:]) <= {b"%d" % PUTS, b"%d" % (2 * PUTS)}  # The one before the signal was heard.
    server.kill()
    server.environment = {}
    server.start()
    assert records(make_client(server, "kinesis"), "s") == there
    server.stop()
