"""A real Flink 1.16.1 with its own Kinesis connector: one job manager, one task manager, loopback only.

Its jars come from PyPI (the distribution) and Maven (gateway and connector), at pinned versions.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from leat_server import free_port

VERSION = "1.16.1"
CLIENTS = Path(__file__).resolve().parents[1] / "clients"
HOME = Path(__file__).resolve().parents[2] / "build" / "clients" / f"flink-{VERSION}"
OPENED = ["lang", "net", "io", "nio", "lang.reflect", "text", "time", "util", "util.concurrent",
          "util.concurrent.atomic", "util.concurrent.locks"]
JAVA_OPTIONS = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED] + [
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
]
MEMORY = {"taskmanager.cpu.cores": "2", "taskmanager.memory.task.heap.size": "512m",
          "taskmanager.memory.task.off-heap.size": "0m", "taskmanager.memory.managed.size": "64m",
          "taskmanager.memory.network.min": "64m", "taskmanager.memory.network.max": "64m",
          "taskmanager.memory.framework.heap.size": "128m", "taskmanager.memory.framework.off-heap.size": "128m",
          "taskmanager.memory.jvm-metaspace.size": "256m", "taskmanager.memory.jvm-overhead.min": "192m",
          "taskmanager.memory.jvm-overhead.max": "192m"}


def install():
    """The folder with lib/ and opt/; skips the test where a tool is missing."""
    missing = [tool for tool in ("java", "mvn") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if (HOME / "complete").exists():
        return HOME
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
                    "--no-build-isolation", f"apache-flink-libraries=={VERSION}", "-d", str(HOME)], check=True, timeout=900)
    archive = HOME / f"apache-flink-libraries-{VERSION}.tar.gz"
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            parts = Path(member.name).parts[1:]
            if len(parts) == 3 and parts[0] == "deps" and parts[1] in ("lib", "opt"):
                member.name = str(Path(*parts[1:]))
                tar.extract(member, HOME)
    archive.unlink()
    subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={HOME / 'lib'}"],
                   cwd=CLIENTS / "java" / "flink", check=True, timeout=600)
    (HOME / "complete").touch()
    return HOME


class Flink:
    def __init__(self, folder):
        self.home = install()
        self.folder = Path(folder)
        self.rest = free_port()
        self.processes = []
        conf = self.folder / "conf"
        conf.mkdir(parents=True)
        (conf / "flink-conf.yaml").write_text("".join(f"{key}: {value}\n" for key, value in {
            "jobmanager.rpc.address": "127.0.0.1", "jobmanager.rpc.port": free_port(), "jobmanager.bind-host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1", "taskmanager.host": "127.0.0.1", "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1", "rest.port": self.rest, "taskmanager.numberOfTaskSlots": 2,
            "jobmanager.memory.process.size": "1g", "parallelism.default": 1, "blob.server.port": free_port(),
            "execution.checkpointing.interval": "1s", "state.checkpoints.dir": f"file://{self.folder}/checkpoints",
            "restart-strategy": "fixed-delay", "restart-strategy.fixed-delay.attempts": 1000,
            "restart-strategy.fixed-delay.delay": "1 s",
        }.items()))
        (conf / "log4j.properties").write_text(
            "rootLogger.level = WARN\nrootLogger.appenderRef.out.ref = Out\nappender.out.name = Out\n"
            "appender.out.type = CONSOLE\nappender.out.layout.type = PatternLayout\n"
            "appender.out.layout.pattern = %d{HH:mm:ss} %p %c{1} %m%n%throwable{20}\n")
        self.environment = {**os.environ, "FLINK_CONF_DIR": str(conf), "FLINK_LIB_DIR": str(self.home / "lib"),
                            "FLINK_OPT_DIR": str(self.home / "opt"), "AWS_ACCESS_KEY_ID": "test",
                            "AWS_SECRET_ACCESS_KEY": "test"}
        self._begin("org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir", str(conf))
        self._begin("org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "--configDir", str(conf),
                    *[part for key, value in MEMORY.items() for part in ("-D", f"{key}={value}")])

    def _java(self, *arguments):
        path = f"{self.home}/lib/*:{self.home}/opt/*"
        log = f"-Dlog4j.configurationFile={self.folder}/conf/log4j.properties"
        return ["java", "-Xmx700m", log, *JAVA_OPTIONS, "-cp", path, *arguments]

    def _begin(self, *arguments):
        log = open(self.folder / f"{len(self.processes)}.log", "wb")
        self.processes.append(subprocess.Popen(self._java(*arguments), env=self.environment, stdout=log,
                                               stderr=subprocess.STDOUT, cwd=self.folder))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}{path}", timeout=5) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def is_ready(self):
        return self.get("/overview").get("slots-available", 0) > 0

    def run(self, sql):
        """Gives the statements to the SQL client, as a user does with -f."""
        script = self.folder / "script.sql"
        script.write_text(sql)
        done = subprocess.run(self._java("org.apache.flink.table.client.SqlClient", "embedded", "-f", str(script)),
                              env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0 and "[ERROR]" not in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]

    def job_states(self):
        return [job["status"] for job in self.get("/jobs").get("jobs", [])]

    def are_tasks_running(self):
        for job in self.get("/jobs").get("jobs", []):
            vertices = self.get(f"/jobs/{job['id']}").get("vertices", [])
            if vertices and all(vertex["status"] == "RUNNING" for vertex in vertices):
                return True
        return False

    def logs(self):
        return "".join((self.folder / f"{i}.log").read_text(errors="replace")[-4000:] for i in range(len(self.processes)))

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
