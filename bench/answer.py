"""answer.py PORT json|cbor OPERATION JSON: one request; the answer as it came, head and all, to standard output. The members
are texts and numbers."""

import json
import socket
import sys

from kinesis_wire import request

port, form, operation = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
    connection.sendall(request(form, operation, json.loads(sys.argv[4])))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(1 << 16)
    end = answer.index(b"\r\n\r\n") + 4
    lengths = [line for line in answer[:end].split(b"\r\n") if line.lower().startswith(b"content-length:")]
    if not answer.startswith(b"HTTP/1.1 200 ") or len(lengths) != 1:
        sys.exit(f"no answer of a known length: {answer[:300]!r}")
    whole = end + int(lengths[0].split(b":")[1])
    while len(answer) < whole:
        answer += connection.recv(1 << 20)
sys.stdout.buffer.write(answer)
