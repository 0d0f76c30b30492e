"""Completion in the shells themselves: bash, zsh (typed at a terminal) and fish."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from leat_server import BINARY

CASES = [
    ("leat st", {"start", "stream"}),
    ("leat stream t", {"tail"}),
    ("leat stream create a --sh", {"--shards"}),
    ("leat env --shell p", {"powershell"}),
    ("leat completion ", {"bash", "zsh", "fish"}),
    ("leat generate ", {"us-accidents"}),
    ("leat run pipe", {"pipeline.sql"}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With leat on the PATH, the scripts, and a file to complete."""
    path = tmp_path_factory.mktemp("completion")
    (path / "leat").symlink_to(BINARY)
    (path / "pipeline.sql").write_text("SELECT 1;\n")
    for shell, name in (("bash", "leat.bash"), ("zsh", "_leat"), ("fish", "leat.fish")):
        script = subprocess.run([BINARY, "completion", shell], capture_output=True, check=True)
        (path / name).write_bytes(script.stdout)
    return path


def env_of(folder):
    return {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("line, wanted", CASES, ids=[line for line, _ in CASES])
def test_bash(folder, line, wanted):
    words = line.split(" ")
    program = (f"source leat.bash; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1};"
               ' _leat; printf "%s\\n" "${COMPREPLY[@]}"')
    run = subprocess.run(["bash", "-c", program], cwd=folder, env=env_of(folder), capture_output=True, text=True)
    assert set(run.stdout.split()) == wanted, run.stderr


@pytest.mark.parametrize("line, wanted", CASES, ids=[line for line, _ in CASES])
def test_fish(folder, line, wanted):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    run = subprocess.run(["fish", "-c", f"source leat.fish; complete -C '{line}'"], cwd=folder, env=env_of(folder),
                         capture_output=True, text=True, timeout=60)
    assert {row.split("\t")[0] for row in run.stdout.splitlines()} == wanted, run.stderr


class Zsh:
    """An interactive zsh at a terminal of its own."""

    def __init__(self, folder):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe("zsh", ["zsh", "-f", "-i"], env_of(folder))
        self.type(f"PS1='READY> '; unsetopt zle_bracketed_paste; fpath=({folder} $fpath);"
                  " autoload -Uz compinit; compinit -u; print DO''NE\n")
        self.read_until("DONE", 60)

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, mark, seconds):
        """What was shown, up to the mark."""
        shown, end = "", time.time() + seconds
        while mark not in shown and time.time() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                shown += os.read(self.fd, 65536).decode(errors="replace")
        return shown

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def zsh(folder):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    shell = Zsh(folder)
    yield shell
    shell.close()


@pytest.mark.parametrize("line, wanted", CASES, ids=[line for line, _ in CASES])
def test_zsh(zsh, line, wanted):
    """One candidate is put into the line, several are listed: each is seen, and nothing is run."""
    zsh.type("\x15" + line + "\t\t")
    last = max(wanted)
    shown = zsh.read_until(last, 30)
    for word in wanted - {last}:
        shown += zsh.read_until(word, 10) if word not in shown else ""
    zsh.type("\x03")
    zsh.read_until("READY> ", 10)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", shown)
    assert all(word in plain for word in wanted), plain
