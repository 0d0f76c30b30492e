"""The commands of README.md, and those of docs/ that are marked to be run, work as they stand."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from leat_server import BINARY, ROOT, Server

MARK = "<!-- run -->"
OURS = re.compile(r"^(make\b|(\S*/)?leat (start|demo)\b)")  # The test has built and started it.


def blocks():
    """(page, line, text) of each block of shell that is to be run."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        before, text, start = "", None, 0
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if text is None and line.startswith(("```bash", "```sh")):
                if page.name == "README.md" or before == MARK:
                    text, start = [], number
            elif text is not None and line.startswith("```"):
                yield page, start, text
                text = None
            elif text is not None:
                text.append(line)
            if line.strip():
                before = line.strip()


def by_page():
    pages = {}
    for page, line, text in blocks():
        kept = "\n".join(line for line in text if not OURS.match(line))
        if kept.strip():
            pages.setdefault(page.relative_to(ROOT), []).append((line, kept))
    return pages


@pytest.fixture()
def server():
    server = Server().start()
    yield server
    server.stop()


@pytest.mark.parametrize("page", [str(p) for p in by_page()])
def test_commands_run(page, server):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    # Debian's aws, if it is there, before any other; the leat under test before all.
    path = os.pathsep.join([str(Path(BINARY).parent), "/usr/bin", kept["PATH"]])
    environment = {**kept, "PATH": path, "LEAT_ENDPOINT": server.endpoint}
    # One shell for the page, as a reader has it.
    script = "set -euo pipefail\n" + "\n".join(
        f"echo '== line {line}' >&2\n{text}" for line, text in by_page()[Path(page)])
    ran = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, f"{page}: {ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
    assert ran.stdout.strip()


def test_the_readme_has_commands():
    pages = by_page()
    assert Path("README.md") in pages and Path("docs/cli.md") in pages
