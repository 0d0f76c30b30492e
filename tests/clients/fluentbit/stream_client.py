"""stream_client.py FLUENT_BIT put ENDPOINT STREAM KEYS ROUNDS: lets a Fluent Bit follow a log file, as it does in production.

Each round appends one line for each key to the file, waits until Fluent Bit has had all of them acknowledged, and prints "round N".
Fluent Bit makes calls that fail again itself, chunk by chunk, after seconds of its own choice.
"""

import re
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit


def start(program, endpoint, stream, folder):
    where = urlsplit(endpoint)
    certificate = folder / "leat.pem"
    certificate.write_text(ssl.get_server_certificate((where.hostname, where.port)))
    output = {"region": "us-east-1", "stream": stream, "endpoint": where.hostname, "log_key": "log",
              "tls.ca_file": certificate, "retry_limit": "no_limits"}
    command = [program, "-v", "-f", "0.1", "-i", "tail", "-p", f"path={folder}/lines.log", "-p", "read_from_head=true",
               "-o", "kinesis_streams", "-m", "*"]
    for name, value in output.items():
        command += ["-p", f"{name}={value}"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(fluent_bit, wanted, sent):
    """Reads what Fluent Bit tells of the chunks that it has sent, until there are `wanted` records."""
    while sent < wanted:
        line = fluent_bit.stderr.readline()
        if not line:
            sys.exit(f"Fluent Bit ended after {sent} records")
        done = re.search(r"Processed (\d+) records", line)
        sent += int(done[1]) if done else 0
        if "failed to flush chunk" in line:
            print(f"again: {line.strip()}", file=sys.stderr, flush=True)
        elif "[error]" in line:
            print(line.strip(), file=sys.stderr, flush=True)
    return sent


def main():
    program, mode, endpoint, stream, keys, rounds = sys.argv[1:]
    assert mode == "put"
    keys, rounds = int(keys), int(rounds)
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "lines.log", "w") as lines:
        fluent_bit = start(program, endpoint, stream, Path(folder))
        try:
            sent = 0
            for number in range(rounds):
                lines.write("".join(f"key-{key} {number}\n" for key in range(keys)))
                lines.flush()
                sent = wait_for(fluent_bit, (number + 1) * keys, sent)
                print(f"round {number}", flush=True)
        finally:
            fluent_bit.kill()
            fluent_bit.wait()


main()
