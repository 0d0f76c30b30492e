"""A leat of our own on a free port, with a data directory of its own."""

import atexit
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("LEAT_BIN", str(ROOT / "build" / "release" / "leat"))
READY_SECONDS = 10


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


_started = []


@atexit.register
def end_all(under="/"):
    """A test that fails leaves its server behind: nothing outlives the tests, or a disk that its data is on."""
    for data, process in _started:
        if Path(data).is_relative_to(under) and process.poll() is None:
            process.kill()
            process.wait()


class Server:
    def __init__(self, data=None, args=()):
        self._temporary = None
        if data is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="leat-wire-")
            data = self._temporary.name
        self.data = data
        self.args = list(args)
        self.environment = {}
        self.binary = BINARY
        self.port = free_port()
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.log = open(os.path.join(tempfile.gettempdir(), f"leat-wire-{self.port}.log"), "w+b")
        command = [self.binary, "start", "--data", self.data, "--port", str(self.port), *self.args]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT,
                                        env={**os.environ, **self.environment})
        _started.append((os.path.abspath(self.data), self.process))
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"leat ended with {self.process.returncode}: {self.output()}")
            if "Ready." in self.output():
                return self
            time.sleep(0.01)
        raise RuntimeError(f"leat was not ready within {READY_SECONDS} s: {self.output()}")

    def output(self):
        return Path(self.log.name).read_text(errors="replace")

    @property
    def tls_port(self):
        """Of a server with --tls-port."""
        return int(re.search(r"^tls +https://.*:(\d+) ", self.output(), re.M)[1])

    def kill(self):
        """As a crash: SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()
        os.unlink(self.log.name)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=20)
        output = self.output()
        self.log.close()
        os.unlink(self.log.name)
        if self._temporary:
            self._temporary.cleanup()
        assert code == 0, f"leat ended with {code}: {output}"
