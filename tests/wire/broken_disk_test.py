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
from resources_test import WAIT_S, records

EIO, EINVAL, ENOSPC = errno.EIO, errno.EINVAL, errno.ENOSPC
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
    (f"direct={EIO}", None),
    (f"direct={EINVAL}", None),
    (f"direct={ENOSPC}", None),
    ("direct=short", None),
    (f"direct={EIO} cached={EIO}", WRITE),
    (f"direct={ENOSPC} cached={ENOSPC}", WRITE),
    (f"direct=short cached={EIO}", WRITE),
    (f"sync={EIO}", SYNC),
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
        assert len(acknowledged) <= PUTS + 1  # The signal may come between.
        assert server.process.wait(WAIT_S) == 70, server.output()
        assert re.search(said, server.output())
    server.environment = {}
    server.start()
    found = records(make_client(server, "kinesis"), "s")
    assert found[:len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1
    server.stop()
