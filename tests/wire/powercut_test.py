"""Power cuts on ext4 in a guest kernel (tests/powercut): nothing acknowledged is lost, and the test would see it if it were."""

import os
import subprocess
import sys

import pytest

from leat_server import BINARY, ROOT

SKIPPED = 77


def run(*args):
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "powercut" / "powercut.py"), *args], text=True,
                          capture_output=True, env={**os.environ, "LEAT_BIN": BINARY})
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    print(done.stdout, done.stderr)
    return done


@pytest.mark.slow
def test_power_cuts_lose_nothing():
    assert run("--cuts", os.environ.get("LEAT_POWER_CUTS", "12")).returncode == 0


@pytest.mark.slow
def test_a_leat_that_does_not_sync_is_found():
    done = run("--cuts", "6", "--durability", "memory")
    assert done.returncode == 1
    assert "lost" in done.stdout
