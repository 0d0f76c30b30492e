"""SubscribeToShard on a bare socket: HTTP/1.1 and the frames of the event stream by hand."""

import json
import socket
import struct
import zlib

import amz_cbor

SHARD = "shardId-000000000000"
IN_TIME = 60


def request(server, consumer, shard=SHARD, kind="TRIM_HORIZON", number=None, form="json", version="1.1"):
    position = {"Type": kind} if number is None else {"Type": kind, "SequenceNumber": number}
    members = {"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": position}
    body = amz_cbor.encode(members) if form == "cbor" else json.dumps(members).encode()
    head = (
        f"POST / HTTP/{version}\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: application/x-amz-{form}-1.1\r\n"
        "X-Amz-Target: Kinesis_20131202.SubscribeToShard\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
        "SignedHeaders=host, Signature=00\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    return head + body


def connect(server, consumer, small=False, **kwargs):
    s = socket.socket()
    if small:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(IN_TIME)
    s.connect(("127.0.0.1", server.port))
    s.sendall(request(server, consumer, **kwargs))
    return s


def receive(s):
    part = s.recv(1 << 16)
    if not part:
        raise ConnectionError("it ended too early")
    return part


def read_until(s, wanted):
    seen = b""
    while wanted not in seen:
        seen += receive(s)
    return seen


def chunks(s, seen):
    """The bodies of the chunks that follow the header."""
    at = seen.index(b"\r\n\r\n") + 4
    seen = seen[at:]
    while True:
        while b"\r\n" not in seen:
            seen += receive(s)
        size, _, seen = seen.partition(b"\r\n")
        size = int(size, 16)
        while len(seen) < size + 2:
            seen += receive(s)
        yield seen[:size]
        if size == 0:
            return
        seen = seen[size + 2:]


def names(block):
    """Headers of a frame, all of them strings."""
    headers = {}
    while block:
        end = 1 + block[0]
        assert block[end] == 7
        size = int.from_bytes(block[end + 1:end + 3], "big")
        headers[block[1:end].decode()] = block[end + 3:end + 3 + size].decode()
        block = block[end + 3 + size:]
    return headers


def frames(s, seen):
    """(headers, payload) of each; `seen` begins with the answer's header."""
    return frames_of(chunks(s, seen))


def frames_of(parts):
    rest = b""
    for chunk in parts:
        rest += chunk
        while len(rest) >= 12:
            total, headers, crc = struct.unpack(">III", rest[:12])
            assert zlib.crc32(rest[:8]) == crc
            if len(rest) < total:
                break
            assert zlib.crc32(rest[:total - 4]) == struct.unpack(">I", rest[total - 4:total])[0]
            yield names(rest[12:12 + headers]), rest[12 + headers:total - 4]
            rest = rest[total:]
