"""What AWS says to signatures that are missing, not whole or of another time, word for word."""

import json
import re
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import leat_server
from signature_test import KEY, SECRET, client, locked, s3_client  # noqa: F401

TARGET = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
CREDENTIAL = "Credential=AKIDEXAMPLE/20261124/us-east-1/kinesis/aws4_request"
DATE = {"X-Amz-Date": "20261124T000000Z"}
NO_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "


@pytest.fixture(scope="module")
def unlocked():
    server = leat_server.Server().start()
    yield server
    server.stop()


def ask(server, path="/", headers=None, body=b"{}", method="POST"):
    request = urllib.request.Request(server.endpoint + path, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def lacks(*names):
    return "".join(f"Authorization header requires '{name}' parameter. " for name in names)


@pytest.mark.parametrize("which", ["locked", "unlocked"])
@pytest.mark.parametrize("authorization, wanted", [
    (f"AWS4-HMAC-SHA256 {CREDENTIAL}", lacks("Signature", "SignedHeaders")),
    ("AWS4-HMAC-SHA256 Signature=" + "0" * 64, lacks("Credential", "SignedHeaders")),
    (f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=, Signature=00", lacks("SignedHeaders")),
    ("Basic YTpi\"\u00e9", lacks("Credential", "Signature", "SignedHeaders")),
])
def test_each_part_that_is_missing_is_named(request, which, authorization, wanted):
    server = request.getfixturevalue(which)
    authorization = authorization.encode().decode("latin-1")  # UTF-8 on the wire.
    status, body = ask(server, headers={**TARGET, **DATE, "Authorization": authorization})
    answer = json.loads(body)
    assert status == 400 and answer["__type"] == "IncompleteSignatureException"
    assert answer["message"] == wanted + "Authorization=" + authorization.encode("latin-1").decode()
    status, body = ask(server, headers={**TARGET, "Authorization": authorization})
    assert json.loads(body)["message"].startswith(wanted + NO_DATE)


@pytest.mark.parametrize("which", ["locked", "unlocked"])
def test_parts_of_a_query_that_are_missing_are_named(request, which):
    server = request.getfixturevalue(which)
    status, body = ask(server, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261124T000000Z", TARGET)
    assert status == 400 and json.loads(body) == {
        "__type": "IncompleteSignatureException",
        "message": "".join(f"AWS query-string parameters must include '{name}'. " for name in
                           ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders"))
        + "Re-examine the query-string parameters."}


def test_signed_in_header_and_query(locked):  # noqa: F811
    headers = {**TARGET, **DATE, "Authorization": f"AWS4-HMAC-SHA256 {CREDENTIAL}, SignedHeaders=host, Signature=00"}
    status, body = ask(locked, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a", headers)
    assert status == 400 and json.loads(body) == {
        "__type": "InvalidSignatureException",
        "message": "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."}


def at(monkeypatch, off_s):
    now = datetime.now(timezone.utc) + timedelta(seconds=off_s)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None))


@pytest.mark.parametrize("off_s, wanted", [
    (-1000, r"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)"),
    (1000, r"Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 5 min\.\)"),
])
def test_clocks_that_differ_are_both_named(locked, monkeypatch, off_s, wanted):  # noqa: F811
    at(monkeypatch, off_s)
    for service, call, code in (("kinesis", "list_streams", "InvalidSignatureException"),
                                ("sts", "get_caller_identity", "SignatureDoesNotMatch")):
        with pytest.raises(ClientError) as caught:
            getattr(client(locked, service=service), call)()
        error = caught.value.response["Error"]
        assert error["Code"] == code and re.fullmatch(wanted, error["Message"])
    with pytest.raises(ClientError) as caught:
        s3_client(locked).list_buckets()
    error = caught.value.response["Error"]
    assert error["Code"] == "RequestTimeTooSkewed" and error["MaxAllowedSkewMilliseconds"] == "900000"
    assert error["RequestTime"] and error["ServerTime"]


def test_the_field_date_is_a_time_too(locked, monkeypatch):  # noqa: F811
    """botocore signs with it when it is there, in the form of RFC 5322; others in that of HTTP."""
    for zone in ("-0000", "GMT"):
        monkeypatch.setattr(botocore.auth, "formatdate",
                            lambda at, zone=zone: time.strftime(f"%a, %d %b %Y %H:%M:%S {zone}", time.gmtime(at)))
        request = AWSRequest("POST", locked.endpoint + "/", data=b"{}", headers={**TARGET, "Date": "x"})
        SigV4Auth(Credentials(KEY, SECRET), "kinesis", "us-east-1").add_auth(request)
        fields = dict(request.headers.items())
        assert "X-Amz-Date" not in fields and fields["Date"].endswith(zone)
        assert ask(locked, headers=fields)[0] == 200
        fields["Date"] = "Tue, 24 Nov 2020 01:02:03 GMT"
        assert ask(locked, headers=fields)[0] == 400


def test_presigned_urls_of_s3(locked):  # noqa: F811
    s3 = s3_client(locked)
    s3.create_bucket(Bucket="texts")
    s3.put_object(Bucket="texts", Key="k", Body=b"x")
    request = AWSRequest("GET", locked.endpoint + "/texts/k")
    S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", "us-east-1", expires=1).add_auth(request)
    path = request.url[len(locked.endpoint):]

    def get(path):
        status, body = ask(locked, path, body=None, method="GET")
        return status, re.search(b"<Code>(.*)</Code><Message>(.*)</Message>", body).groups()

    time.sleep(2.1)
    assert get(path) == (403, (b"AccessDenied", b"Request has expired"))
    parameters = b"AuthorizationQueryParametersError"
    for value, text in (("-1", b"must be non-negative"), ("0", b"must be greater than 0"),
                        ("604801", b"must be less than a week"), ("x", b"should be a number"), ("", b"requires")):
        status, (code, message) = get(path.replace("X-Amz-Expires=1", "X-Amz-Expires=" + value))
        assert status == 400 and code == parameters and text in message
    status, (code, message) = get(re.sub("&X-Amz-Signature=[^&]*", "", path))
    assert status == 400 and code == parameters and b"requires the X-Amz-Algorithm, X-Amz-Credential" in message
    status, body = ask(locked, "/texts/k", {"Authorization": "AWS4-HMAC-SHA256 x<y&z"}, None, "GET")
    assert status == 400 and b"<Code>AuthorizationHeaderMalformed</Code>" in body and b"x<y" not in body
