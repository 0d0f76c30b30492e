#!/usr/bin/env python3
"""What a snapshot writes when few keys have changed. One open window of KEYS keys; the server is stopped (which takes a
snapshot) when all of them have come, and again when rows for SHARE percent of them, spread evenly, have come.

Usage: bench/snapshots.py [keys] [share]. LEAT_BIN names another binary, TMPDIR another disk.
"""
import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from latency import Kinesis

STREAM, ROWS, TEXT = "in", 500, "x" * 480
SQL = """
SET 'table.exec.source.idle-timeout' = '0';
CREATE TABLE t (k BIGINT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'kinesis',
  'stream' = 'in', 'aws.region' = 'us-east-1', 'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE o (k BIGINT, n BIGINT, s STRING) WITH ('connector' = 'kinesis', 'stream' = 'out',
  'aws.region' = 'us-east-1', 'format' = 'json');
INSERT INTO o SELECT k, COUNT(*), MAX(s) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))
  GROUP BY k, window_start, window_end;
"""


class Server:
    def __init__(self, data):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.leat = os.environ.get("LEAT_BIN", "build/release/leat")
        self.process = subprocess.Popen([self.leat, "start", "--data", str(data), "--port", str(self.port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                urllib.request.urlopen(self.endpoint + "/health", timeout=1).read()
                break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("leat does not start")
                time.sleep(0.05)

    def jobs(self):
        with urllib.request.urlopen(self.endpoint + "/_leat/api/jobs", timeout=10) as answer:
            found = json.load(answer)
        return found["jobs"] if isinstance(found, dict) else found

    def stop(self):
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        return time.monotonic() - start


def put(server, keys):
    kinesis = Kinesis(server.endpoint)
    for start in range(0, len(keys), ROWS):
        rows = [json.dumps({"k": k, "s": TEXT, "ts": "2026-01-01 00:00:01"}) for k in keys[start:start + ROWS]]
        kinesis("PutRecords", StreamName=STREAM,
                Records=[{"PartitionKey": "k", "Data": base64.b64encode(row.encode()).decode()} for row in rows])
    deadline = time.monotonic() + 120
    while server.jobs()[-1]["rows_in"] < len(keys):
        if time.monotonic() > deadline or server.jobs()[-1]["state"] != "RUNNING":
            raise SystemExit(f"the job does not read: {server.jobs()[-1]}")
        time.sleep(0.1)


def files(data):
    return {path.name: path.stat().st_size for path in pathlib.Path(data, "state", "job-1").iterdir()}


def main():
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as data:
        server = Server(data)
        for stream in ("in", "out"):
            Kinesis(server.endpoint)("CreateStream", StreamName=stream, ShardCount=1)
        path = pathlib.Path(data, "job.sql")
        path.write_text(SQL)
        subprocess.run([server.leat, "run", str(path)], env={**os.environ, "LEAT_ENDPOINT": server.endpoint},
                       stdout=subprocess.DEVNULL, check=True)
        put(server, range(keys))
        seconds = server.stop()
        first = files(data)
        print(f"{keys:,} keys: {sum(first.values()) / 1e6:.1f} MB on the disk, stopped in {seconds:.2f} s")
        server = Server(data)
        put(server, range(0, keys, max(int(100 / share), 1)))
        seconds = server.stop()
        second = {name: size for name, size in files(data).items() if name not in first}
        print(f"{share:g} % of them changed: {sum(second.values()) / 1e6:.1f} MB written, stopped in {seconds:.2f} s; "
              f"{len(files(data))} files")


if __name__ == "__main__":
    main()
