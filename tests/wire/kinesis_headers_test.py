"""Headers of answers, void answers, and browsers that ask first, as AWS has them."""

import base64
import http.client
import json
import re

import pytest

import leat_server
from amz_cbor import decode, encode
from conftest import make_client

SIGNED = ("AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, "
          "SignedHeaders=host, Signature=00")
EXPOSED = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"


def ask(server, method="POST", operation="ListStreams", body=b"{}", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    fields = {"X-Amz-Target": f"Kinesis_20131202.{operation}", "Authorization": SIGNED,
              "Content-Type": "application/x-amz-json-1.1"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    connection.request(method, "/", body, {k: v for k, v in fields.items() if v is not None})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.headers, text


def test_headers_of_every_answer(leat):
    for operation, status in (("ListStreams", 200), ("DescribeStream", 400)):
        got, headers, body = ask(leat, operation=operation)
        assert got == status
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-amzn-RequestId"])
        assert len(base64.b64decode(headers["x-amz-id-2"], validate=True)) == 72
        assert headers["Content-Type"] == "application/x-amz-json-1.1"
        assert int(headers["Content-Length"]) == len(body)
        assert headers["Date"].endswith(" GMT")
        assert "Access-Control-Allow-Origin" not in headers and "x-amz-crc32" not in headers
        error = json.loads(body).get("__type")
        assert headers["x-amzn-ErrorType"] == error


@pytest.mark.parametrize("target", ["Kinesis_19700101.ListStreams", "Foo_20131202.ListStreams", "Firehose_20150804.PutRecord",
                                    "kinesis_20131202.ListStreams", ".ListStreams", "ListStreams"])
def test_an_operation_of_another_service(leat, target):
    status, headers, body = ask(leat, X_Amz_Target=target)
    said = json.loads(body)
    assert (status, said["__type"]) == (400, "UnknownOperationException")
    assert said["message"] == f'Kinesis has no operation "{target}"'


def test_void_answers_are_empty(leat):
    kinesis = make_client(leat, "kinesis")
    kinesis.create_stream(StreamName="void", ShardCount=1)
    status, headers, body = ask(leat, operation="AddTagsToStream",
                                body=b'{"StreamName":"void","Tags":{"a":"b"}}')
    assert (status, headers["Content-Length"], body) == (200, "0", b"")
    kinesis.delete_stream(StreamName="void")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(leat, method):
    status, headers, body = ask(leat, method, body=None)
    assert status == 403 and body.startswith(b"<AccessDeniedException>\n") and "Content-Type" not in headers


def test_the_order_of_checks(leat):
    """Method, empty body, content type, form, operation, types, constraints."""
    assert ask(leat, "PUT", "Nonsense", b"", Content_Type="text/plain")[0] == 403
    assert json.loads(ask(leat, body=b"", Content_Type="text/plain")[2]) == {"__type": "SerializationException"}
    assert b"UnknownOperation" in ask(leat, operation="Nonsense", body=b"")[2]
    assert ask(leat, operation="Nonsense", Content_Type="text/plain")[2] == b"<UnknownOperationException/>\n"
    assert b"UnknownOperation" in ask(leat, operation="Nonsense", body=b"{")[2]
    assert json.loads(ask(leat, body=b'{"Limit":0')[2]) == {"__type": "SerializationException"}
    assert b"can not be converted" in ask(leat, body=b'{"Limit":"x","NextToken":""}')[2]
    assert b"ValidationException" in ask(leat, body=b'{"Limit":0}')[2]


def preflight(server, origin, method="POST", wanted="authorization,content-type,x-amz-date,x-amz-target"):
    return ask(server, "OPTIONS", body=None, Origin=origin, X_Amz_Target=None, Authorization=None,
               Content_Type=None, Access_Control_Request_Method=method, Access_Control_Request_Headers=wanted)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443"])
def test_pages_of_this_machine_may_call(leat, origin):
    status, headers, body = preflight(leat, origin)
    assert (status, body) == (200, b"") and headers["Content-Length"] == "0"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-amz-date,x-amz-target"
    assert headers["Access-Control-Max-Age"] == "172800"
    status, headers, _ = ask(leat, Origin=origin)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == EXPOSED


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://localhost.evil.com", "file://localhost",
                                    "http://localhost@evil.com", "http://evil.com/localhost"])
def test_other_pages_may_not(leat, origin):
    """Without keys they could sign with any."""
    status, headers, _ = preflight(leat, origin)
    assert status == 403 and "Access-Control-Allow-Origin" not in headers
    assert "Access-Control-Allow-Origin" not in ask(leat, Origin=origin)[1]


def test_with_keys_any_page_may_ask():
    server = leat_server.Server()
    server.environment = {"LEAT_ACCESS_KEY_ID": "key", "LEAT_SECRET_ACCESS_KEY": "secret"}
    server.start()
    status, headers, _ = preflight(server, "http://app.example")
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "*"
    status, _, body = ask(server, Origin="http://app.example")
    assert status == 400 and json.loads(body)["__type"] == "IncompleteSignatureException"
    server.stop()


@pytest.mark.parametrize("keys", [{}, {"LEAT_ACCESS_KEY_ID": "key", "LEAT_SECRET_ACCESS_KEY": "secret"}])
def test_signatures_are_refused_in_the_form_of_the_request(keys):
    server = leat_server.Server()
    server.environment = keys
    server.start()
    cbor = {"Content_Type": "application/x-amz-cbor-1.1", "body": encode({})}
    status, headers, body = ask(server, Authorization=None, **cbor)
    assert status == 400 and headers["Content-Type"] == "application/x-amz-cbor-1.1"
    assert decode(body) == {"__type": "MissingAuthenticationTokenException", "message": "Missing Authentication Token"}
    assert headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    if keys:
        status, headers, body = ask(server, **cbor)
        assert status == 400 and decode(body)["__type"] == "IncompleteSignatureException"
        assert headers["x-amzn-RequestId"]
    server.stop()
