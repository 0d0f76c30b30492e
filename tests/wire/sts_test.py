"""STS: who the caller is, in both protocols."""

import json
import urllib.request

import pytest

from conftest import make_client

SIGNED = "AWS4-HMAC-SHA256 Credential={}/20261124/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0"


def call(leat, body, headers, key="test"):
    request = urllib.request.Request(
        leat.endpoint, data=body, headers={"Authorization": SIGNED.format(key), **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("key,account", [("test", "000000000000"), ("123456789012",) * 2])
def test_caller_identity(leat, key, account):
    answer = make_client(leat, "sts", key=key).get_caller_identity()
    assert answer["Account"] == account
    assert answer["Arn"] == f"arn:aws:iam::{account}:root"
    assert answer["ResponseMetadata"]["RequestId"]


def test_json(leat):
    headers = {
        "X-Amz-Target": "AWSSecurityTokenServiceV20110615.GetCallerIdentity",
        "Content-Type": "application/x-amz-json-1.1",
    }
    status, body = call(leat, b"{}", headers)
    assert (status, json.loads(body)["Account"]) == (200, "000000000000")


def test_unknown_operation_is_named(leat):
    client = make_client(leat, "sts")
    with pytest.raises(client.exceptions.ClientError) as error:
        client.get_session_token()
    assert error.value.response["Error"]["Code"] == "InvalidAction"
    assert "GetSessionToken" in error.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    "form", [b"Action=%zz", b"A.1=x&A.b=y", b"A=1&A=2", b".=1", b"Action.member=", b"a" * 70000, b"A=\0b", b"A=%00"]
)
def test_malformed_form(leat, form):
    status, body = call(leat, form, {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 400
    assert "<ErrorResponse" in body


def test_too_large(leat):
    form = b"Action=GetCallerIdentity&A=" + b"x" * (3 << 20)
    try:
        status, _ = call(leat, form, {"Content-Type": "application/x-www-form-urlencoded"})
    except OSError:  # Answered and closed while we still send.
        return
    assert status == 413
