"""A server with keys: what is signed with them is served, nothing else, over HTTP/1.1 and HTTP/2."""

import base64
import hashlib
import hmac
import http.client
import os
import subprocess
import time
import urllib.error
import urllib.request
import zlib

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import leat_server

KEY, SECRET = "AKIDEXAMPLE", "a/secret+with=signs"
CONFIG = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=20)


@pytest.fixture(scope="module")
def locked():
    server = leat_server.Server()
    server.environment = {"LEAT_ACCESS_KEY_ID": KEY, "LEAT_SECRET_ACCESS_KEY": SECRET}
    yield server.start()
    server.stop()


def client(server, key=KEY, secret=SECRET, service="kinesis"):
    return boto3.client(service, endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=key,
                        aws_secret_access_key=secret, config=CONFIG)


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_the_right_keys_are_served(locked):
    kinesis = client(locked)
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_records(StreamName="s", Records=[{"Data": b"x" * 1000, "PartitionKey": "k"}] * 500)
    assert kinesis.list_streams()["StreamNames"] == ["s"]


def test_other_keys_are_not(locked):
    assert code_of(client(locked, secret="other").list_streams) == "InvalidSignatureException"
    assert code_of(client(locked, key="AKIDOTHER").list_streams) == "UnrecognizedClientException"
    assert code_of(client(locked, secret="x", service="sts").get_caller_identity) == "SignatureDoesNotMatch"


def signed(server, **changes):
    """A signed request as urllib sends it; `changes` are made after signing."""
    body = b"{}"
    headers = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", server.endpoint + "/", data=body, headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), "kinesis", "us-east-1").add_auth(request)
    fields = {**dict(request.headers.items()), **changes.get("headers", {})}
    return urllib.request.Request(server.endpoint + changes.get("path", "/"), data=changes.get("body", body),
                                  headers={k: v for k, v in fields.items() if v is not None}, method="POST")


def status(request):
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("changes", [
    {"body": b"{ }"},
    {"path": "/x"},
    {"path": "/?a=b"},
    {"headers": {"X-Amz-Target": "Kinesis_20131202.DeleteStream"}},
    {"headers": {"X-Amz-Date": "20200101T000000Z"}},
    {"headers": {"X-Amz-Date": None}},
    {"headers": {"X-Amz-Security-Token": "unsigned"}},
    {"headers": {"X-Amz-Content-Sha256": "0" * 64}},
], ids=str)
def test_whatever_is_changed_on_the_way_is_refused(locked, changes):
    assert status(signed(locked)) == 200
    assert status(signed(locked, **changes)) == 400


def test_a_scope_of_another_service_is_refused(locked):
    request = AWSRequest("POST", locked.endpoint + "/", data=b"{}", headers={
        "X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"})
    SigV4Auth(Credentials(KEY, SECRET), "sts", "us-east-1").add_auth(request)
    assert status(urllib.request.Request(locked.endpoint + "/", b"{}", dict(request.headers.items()))) == 400


def test_without_a_signature(locked):
    request = signed(locked, headers={"Authorization": None})
    assert status(request) == 400
    assert status(urllib.request.Request(locked.endpoint + "/health")) == 200


def test_signed_twice(locked):
    good = signed(locked).get_header("Authorization")
    assert status(signed(locked, path="/?X-Amz-Credential=a")) == 400
    connection = http.client.HTTPConnection("127.0.0.1", locked.port, timeout=10)
    request = signed(locked)
    connection.putrequest("POST", "/")
    for name, value in [*request.header_items(), ("Authorization", good), ("Content-Length", "2")]:
        connection.putheader(name, value)
    connection.endheaders(b"{}")
    assert connection.getresponse().status == 400
    connection.close()


def test_an_old_request_is_refused(locked, monkeypatch):
    import datetime

    import botocore.auth

    class Late(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return datetime.datetime.utcnow() - datetime.timedelta(seconds=400)

    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: Late.utcnow())
    else:
        monkeypatch.setattr(botocore.auth.datetime, "datetime", Late)
    assert status(signed(locked)) == 400


@pytest.mark.parametrize("environment,wanted", [
    ({}, "without keys"),
    ({"LEAT_ACCESS_KEY_ID": "a"}, "go together"),
    ({"LEAT_SECRET_ACCESS_KEY": "a"}, "go together"),
    ({"LEAT_ACCESS_KEY_ID": "a" * 129, "LEAT_SECRET_ACCESS_KEY": "a"}, "at most 128"),
    ({"LEAT_ACCESS_KEY_ID": "a", "LEAT_SECRET_ACCESS_KEY": "a\n"}, "LEAT_SECRET_ACCESS_KEY holds"),
    ({"LEAT_ACCESS_KEY_ID": "a b", "LEAT_SECRET_ACCESS_KEY": "a"}, "LEAT_ACCESS_KEY_ID holds"),
    ({"LEAT_ACCESS_KEY_ID": "", "LEAT_SECRET_ACCESS_KEY": ""}, "without keys"),
])
def test_a_bind_for_others_needs_keys(tmp_path, environment, wanted):
    command = [leat_server.BINARY, "start", "--data", str(tmp_path), "--port", "0", "--bind", "0.0.0.0"]
    got = subprocess.run(command, capture_output=True, text=True, timeout=10, env={**os.environ, **environment})
    assert got.returncode == 78 and wanted in got.stderr


def test_an_exposed_server_serves_only_what_is_signed():
    server = leat_server.Server(args=["--bind", "0.0.0.0"])
    server.environment = {"LEAT_ACCESS_KEY_ID": KEY, "LEAT_SECRET_ACCESS_KEY": SECRET}
    server.start()
    try:
        assert status(signed(server)) == 200
        assert status(urllib.request.Request(server.endpoint + "/health")) == 200
        for path in ("/", "/metrics", "/_leat/api/streams", "/_leat/", "/bucket/key"):
            assert status(urllib.request.Request(server.endpoint + path)) == 403, path
        assert status(signed(server, headers={"Authorization": None})) == 403
    finally:
        server.stop()


def s3_client(server, **kwargs):
    return boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=KEY,
                        aws_secret_access_key=kwargs.pop("secret", SECRET),
                        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, **kwargs))


def test_s3_with_keys(locked):
    s3 = s3_client(locked)
    s3.create_bucket(Bucket="signed")
    s3.put_object(Bucket="signed", Key="a b+c/ä", Body=b"x" * 20_000_000)  # More than is ever collected.
    assert len(s3.get_object(Bucket="signed", Key="a b+c/ä")["Body"].read()) == 20_000_000
    assert code_of(s3_client(locked, secret="other").list_objects_v2, Bucket="signed") == "SignatureDoesNotMatch"
    url = s3_client(locked, signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": "signed", "Key": "a b+c/ä"})
    assert status(urllib.request.Request(url)) == 200
    assert status(urllib.request.Request(url.replace("Signature=", "Signature=0"))) in (400, 403)
    old = s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "a b+c/ä"})
    assert "AWSAccessKeyId" in old and status(urllib.request.Request(old)) == 400  # Version 2 is not checked: refused.
    for method in ("GET", "HEAD"):
        assert status(urllib.request.Request(f"{locked.endpoint}/signed", method=method)) == 403


CHUNK = 8192


def signed_chunks(server, body, trailer=None, change=None):
    """PUT with STREAMING-AWS4-HMAC-SHA256-PAYLOAD, signed here by hand."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {"x-amz-content-sha256": payload, "x-amz-decoded-content-length": str(len(body)),
               "content-encoding": "aws-chunked"}
    if trailer:
        headers["x-amz-trailer"] = trailer.split(":")[0]
    request = AWSRequest("PUT", server.endpoint + "/signed/chunks", headers=headers)
    signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1")
    signer.payload = lambda _: payload
    signer.add_auth(request)
    fields = dict(request.headers.items())
    time_, previous = fields["X-Amz-Date"], fields["Authorization"].split("Signature=")[1]
    key = ("AWS4" + SECRET).encode()
    for part in (time_[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    scope, sent = f"{time_[:8]}/us-east-1/s3/aws4_request", b""
    empty = hashlib.sha256(b"").hexdigest()
    for i in range(0, len(body) + CHUNK, CHUNK):
        piece = body[i:i + CHUNK]
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", time_, scope, previous, empty, hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        sent += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    if trailer:
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", time_, scope, previous,
                          hashlib.sha256(f"{trailer}\n".encode()).hexdigest()])
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        sent += f"{trailer}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    sent += b"\r\n"
    sent = change(sent) if change else sent
    return urllib.request.Request(server.endpoint + "/signed/chunks", data=sent, headers=fields, method="PUT")


def test_signatures_of_chunks(locked):
    s3 = s3_client(locked)
    s3.create_bucket(Bucket="signed")
    body = os.urandom(3 * CHUNK + 5)
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    for trailer in (None, f"x-amz-checksum-crc32:{crc}"):
        assert status(signed_chunks(locked, body, trailer)) == 200
        assert s3.get_object(Bucket="signed", Key="chunks")["Body"].read() == body
    other = base64.b64encode(b"0000").decode()
    changed = [
        (None, lambda sent: sent.replace(body[:5], b"?????")),
        (None, lambda sent: sent.replace(body[-5:], b"?????")),
        (f"x-amz-checksum-crc32:{crc}", lambda sent: sent.replace(crc.encode(), other.encode())),
        (f"x-amz-checksum-crc32:{crc}", lambda sent: sent.replace(b"trailer-signature:", b"trailer-signature:0")),
    ]
    for trailer, change in changed:
        assert status(signed_chunks(locked, body, trailer, change)) == 403
    assert s3.get_object(Bucket="signed", Key="chunks")["Body"].read() == body
