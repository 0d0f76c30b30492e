"""Signatures by somebody who would like to get in: chunks moved about, payloads said to be unsigned, tokens, replays."""

import os
import urllib.request
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from signature_test import CHUNK, KEY, SECRET, locked, s3_client, signed, signed_chunks, status  # noqa: F401

FRAME = len(f"{CHUNK:x};chunk-signature=") + 64 + 2 + CHUNK + 2
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.fixture
def bucket(locked):  # noqa: F811
    s3 = s3_client(locked)
    s3.create_bucket(Bucket="signed")
    s3.delete_object(Bucket="signed", Key="chunks")
    yield s3
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket="signed", Key="chunks")
    assert caught.value.response["Error"]["Code"] == "404"  # Nothing was stored.


def flip(sent, at):
    return sent[:at] + bytes([sent[at] ^ 1]) + sent[at + 1:]


CHANGES = {
    "two chunks change places": lambda sent: sent[FRAME:2 * FRAME] + sent[:FRAME] + sent[2 * FRAME:],
    "a chunk is sent twice": lambda sent: sent[:FRAME] + sent,
    "the first is dropped": lambda sent: sent[FRAME:],
    "one is dropped": lambda sent: sent[:FRAME] + sent[2 * FRAME:],
    "the last is missing": lambda sent: sent[:3 * FRAME],
    "the end is missing": lambda sent: sent[:sent.rindex(b"0;chunk-signature")],
    "the end comes first": lambda sent: sent[sent.rindex(b"0;chunk-signature"):],
    "a bit of data": lambda sent: flip(sent, FRAME + 500),
    "a bit of a signature": lambda sent: flip(sent, 30),
    "no signature": lambda sent: sent.replace(sent[sent.index(b";"):sent.index(b"\r\n")], b"", 1),
    "a larger size": lambda sent: b"f" + sent,
    "a size of 2^64": lambda sent: b"1" + b"0" * 16 + sent[4:],
    "bytes behind the end": lambda sent: sent + b"x" * 100,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_chunks_that_were_moved_store_nothing(locked, bucket, change):  # noqa: F811
    assert status(signed_chunks(locked, os.urandom(3 * CHUNK), change=change)) in (400, 403)


def unsigned_body(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n\r\n"


ROUTES = [("PUT", "/signed/chunks"), ("PUT", "/signed/chunks?partNumber=1&uploadId=u"), ("POST", "/signed/chunks?uploads"),
          ("POST", "/signed/chunks?uploadId=u"), ("POST", "/signed?delete"), ("PUT", "/other-bucket"),
          ("DELETE", "/signed"), ("PUT", "/signed/chunks?tagging"), ("DELETE", "/signed/chunks")]


@pytest.mark.parametrize("method, path", ROUTES)
@pytest.mark.parametrize("where", ["header", "query", "nowhere", "credential only"])
def test_a_payload_said_to_be_unsigned_needs_a_signature(locked, bucket, method, path, where):  # noqa: F811
    headers = {"x-amz-content-sha256": UNSIGNED, "x-amz-decoded-content-length": "4", "content-encoding": "aws-chunked",
               "x-amz-trailer": "x-amz-checksum-crc32"}
    url = locked.endpoint + path
    request = AWSRequest(method, url, headers=dict(headers))
    forger = Credentials(KEY, "of somebody else")
    if where == "header":
        signer = S3SigV4Auth(forger, "s3", "us-east-1")
        signer.payload = lambda _: UNSIGNED
        signer.add_auth(request)
    elif where == "query":
        S3SigV4QueryAuth(forger, "s3", "us-east-1", expires=60).add_auth(request)
        url = request.url
    elif where == "credential only":
        url += ("&" if "?" in url else "?") + urlencode({"X-Amz-Credential": f"{KEY}/20260101/us-east-1/s3/aws4_request"})
    sent = urllib.request.Request(url, data=unsigned_body(b"data"), headers={**headers, **dict(request.headers.items())},
                                  method=method)
    assert status(sent) in (400, 403)


@pytest.mark.parametrize("expires, wanted", [(60, 200), (604800, 200), (0, 400), (604801, 400), (-1, 400), (10**20, 400), ("x", 400)])
def test_times_of_presigned_queries(locked, expires, wanted):  # noqa: F811
    s3 = s3_client(locked)
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="presigned", Body=b"x")
    request = AWSRequest("GET", locked.endpoint + "/signed/presigned")
    S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", "us-east-1", expires=expires).add_auth(request)
    got = status(urllib.request.Request(request.url))
    assert got == wanted if wanted == 200 else got in (400, 403)
    assert status(urllib.request.Request(request.url, method="DELETE")) in (400, 403)  # Another method than was signed.


@pytest.mark.parametrize("off_s, wanted", [(-290, 200), (-310, 400), (290, 200), (310, 400)])
def test_the_clock_of_a_client(locked, monkeypatch, off_s, wanted):  # noqa: F811
    """Five minutes either way; sigv4_test.c has the edges."""
    now = datetime.now(timezone.utc) + timedelta(seconds=off_s)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", locked.endpoint + "/", data=b"{}", headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), "kinesis", "us-east-1").add_auth(request)
    assert dict(request.headers.items())["X-Amz-Date"] == now.strftime("%Y%m%dT%H%M%SZ")
    assert status(urllib.request.Request(locked.endpoint + "/", b"{}", dict(request.headers.items()))) == wanted


def test_tokens_of_sessions(locked):  # noqa: F811
    """There are no sessions: a token is part of what is signed and means nothing else."""
    for token, wanted in (("FwoGZXIvYXdzE", 200), ("x" * 2000, 200)):
        headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", locked.endpoint + "/", data=b"{}", headers=headers)
        SigV4Auth(Credentials(KEY, SECRET, token), "kinesis", "us-east-1").add_auth(request)
        fields = dict(request.headers.items())
        assert status(urllib.request.Request(locked.endpoint + "/", b"{}", fields)) == wanted
        fields["X-Amz-Security-Token"] = token[:-1]
        assert status(urllib.request.Request(locked.endpoint + "/", b"{}", fields)) == 400


def test_a_request_sent_again_is_served_again(locked):  # noqa: F811
    """As on AWS, within the five minutes of its signature."""
    request = signed(locked)
    assert [status(request) for _ in range(3)] == [200, 200, 200]
