"""A server with keys: what is signed with them is served, nothing else, over HTTP/1.1 and HTTP/2."""

import http.client
import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.auth import SigV4Auth
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
