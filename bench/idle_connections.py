#!/usr/bin/env python3
"""What idle connections cost: VmRSS of a leat with 10,000 of them, before and after.

Usage: idle_connections.py LEAT [COUNT [fresh|used|h2c|tls]]
fresh: nothing was sent; used: one request was answered; h2c: HTTP/2; tls: a request over TLS.
"""
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import time

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


def status(pid, name):
    with open(f"/proc/{pid}/status") as lines:
        return int(next(line for line in lines if line.startswith(name)).split()[1])


def start(leat, data):
    process = subprocess.Popen([leat, "start", "--data", data, "--port", "0", "--tls-port", "0"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    ports = {}
    for line in process.stdout:
        found = re.match(r"(endpoint|tls) +https?://[^:]+:(\d+)", line)
        if found:
            ports[found[1]] = int(found[2])
        if line == "Ready.\n":
            return process, ports
    raise SystemExit("leat did not start")


def open_one(kind, ports, context):
    sock = socket.create_connection(("127.0.0.1", ports["tls" if kind == "tls" else "endpoint"]))
    if kind == "tls":
        sock = context.wrap_socket(sock, server_hostname="localhost")
    if kind != "fresh":
        sock.sendall(H2 if kind == "h2c" else GET)
        sock.recv(4096)
    return sock


def main():
    leat, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    kinds = sys.argv[3:] or ["fresh", "used", "h2c"]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for kind in kinds:
        with tempfile.TemporaryDirectory() as data:
            process, ports = start(leat, data)
            context = ssl.create_default_context(cafile=f"{data}/tls/cert.pem")
            open_one("used", ports, context).close()
            time.sleep(0.5)
            before = status(process.pid, "VmRSS")
            held = [open_one(kind, ports, context) for _ in range(count)]
            time.sleep(1)
            after = status(process.pid, "VmRSS")
            print(f"{kind:6} {len(held)} connections: {before} KiB before, {after - before} KiB more,"
                  f" {(after - before) * 1024 / count:.0f} bytes each")
            process.terminate()
            process.wait(20)
            for sock in held:
                sock.close()


main()
