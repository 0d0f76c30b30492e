"""answer.py PORT json|cbor OPERATION JSON: one request; the answer as it came, head and all, to standard output. The members
are texts and numbers."""

import json
import socket
import struct
import sys

port, form, operation, body = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].encode()


def cbor(value):
    if isinstance(value, int):
        return struct.pack(">BI", 0x1A, value)
    return struct.pack(">BH", 0x79, len(value)) + value.encode()


if form == "cbor":
    members = json.loads(body)
    body = bytes([0xA0 + len(members)]) + b"".join(cbor(part) for member in members.items() for part in member)
head = (f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-{form}-1.1\r\nX-Amz-Date: 20260101T000000Z\r\n"
        f"X-Amz-Target: Kinesis_20131202.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 "
        "Credential=test/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n")
with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
    connection.sendall(head.encode() + body)
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
