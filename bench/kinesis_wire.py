"""A Kinesis request as it goes over the wire, for clients that know no SDK."""

import json
import struct


def cbor(value):
    """Texts, whole numbers and maps of them."""
    if isinstance(value, int):
        return struct.pack(">BI", 0x1A, value)
    if isinstance(value, dict):
        return bytes([0xA0 + len(value)]) + b"".join(cbor(part) for member in value.items() for part in member)
    return struct.pack(">BH", 0x79, len(value)) + value.encode()


def request(form, operation, members):
    """Head and body; `form` is json or cbor."""
    body = cbor(members) if form == "cbor" else json.dumps(members, separators=(",", ":")).encode()
    head = (f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-{form}-1.1\r\n"
            f"X-Amz-Target: Kinesis_20131202.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
            f"SignedHeaders=host;x-amz-date, Signature=0\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body
