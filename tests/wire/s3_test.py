"""S3 with today's boto3; every answer is checked against botocore's model."""

import base64
import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
import uuid
import zlib
from datetime import datetime, timedelta, timezone

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

import rest_xml_check
from conftest import make_client

MIB = 1024 * 1024
PATH = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=20, s3={"addressing_style": "path"})
SIGNED = ("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
          "Signature=" + "0" * 64)


@pytest.fixture(scope="module")
def s3(leat):
    client = make_client(leat, "s3", config=PATH)
    rest_xml_check.watch(client)
    return client


@pytest.fixture
def bucket(s3):
    name = f"test_bucket_{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    return name


def fails(code, status, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    return response


def raw(leat, method, path, body=b"", headers=None, host=None):
    """A request as it stands; signed by form only."""
    connection = http.client.HTTPConnection("127.0.0.1", leat.port, timeout=20)
    connection.putrequest(method, path, skip_host=host is not None, skip_accept_encoding=True)
    fields = {"Authorization": SIGNED, "Content-Length": str(len(body)), **({"Host": host} if host else {}),
              **(headers or {})}
    for name, value in fields.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


# --- buckets ---------------------------------------------------------------------------------


def test_buckets(s3, leat):
    name = f"b_{uuid.uuid4().hex}"
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    assert s3.create_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k", Body=b"")
    fails("BucketNotEmpty", 409, s3.delete_bucket, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.create_multipart_upload(Bucket=name, Key="unfinished")
    s3.delete_bucket(Bucket=name)
    fails("404", 404, s3.head_bucket, Bucket=name)
    fails("NoSuchBucket", 404, s3.delete_bucket, Bucket=name)
    fails("NoSuchBucket", 404, s3.list_objects_v2, Bucket=name)
    fails("NoSuchBucket", 404, s3.put_object, Bucket=name, Key="k", Body=b"x" * 100000)


def test_regions(leat):
    name = f"region-{uuid.uuid4().hex[:8]}"
    there = make_client(leat, "s3", region="eu-central-1", config=PATH)
    here = make_client(leat, "s3", config=PATH)
    fails("IllegalLocationConstraintException", 400, there.create_bucket, Bucket=name)
    fails("IllegalLocationConstraintException", 400, there.create_bucket, Bucket=name,
          CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    there.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    fails("BucketAlreadyOwnedByYou", 409, there.create_bucket, Bucket=name,
          CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert there.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-central-1"
    there.put_object(Bucket=name, Key="k", Body=b"far")
    assert here.get_object(Bucket=name, Key="k")["Body"].read() == b"far"
    assert here.head_bucket(Bucket=name)["BucketRegion"] == "eu-central-1"
    listed = here.list_buckets(BucketRegion="eu-central-1", Prefix="region-")["Buckets"]
    assert [(b["Name"], b["BucketRegion"]) for b in listed] == [(name, "eu-central-1")]


def test_buckets_are_listed_in_pages(leat):
    s3 = make_client(leat, "s3", key="111122223333", config=PATH)
    names = [f"page-{i}" for i in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = list(s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(p["Buckets"]) for p in pages] == [2, 2, 1]
    assert [b["Name"] for p in pages for b in p["Buckets"]] == names
    assert s3.list_buckets()["Owner"]["ID"] == "111122223333"
    fails("NoSuchBucket", 404, make_client(leat, "s3", config=PATH).list_objects_v2, Bucket="page-0")


@pytest.mark.parametrize("name", ["ab", "a" * 64, "-ab", "ab-", "a..b", "192.168.1.4", "a b", "a/../b"])
def test_bucket_names_that_are_none(leat, name):
    status, _, body = raw(leat, "PUT", "/" + urllib.parse.quote(name, safe=""))
    assert status == 400 and b"<Code>InvalidBucketName</Code>" in body


@pytest.mark.parametrize("name", ["abc", "a" * 63, "With_Capitals", "with.dots-1"])
def test_bucket_names(leat, name):
    assert raw(leat, "PUT", f"/{name}")[0] == 200


@pytest.mark.parametrize("host", [
    "{b}.localhost:1", "{b}.s3.localhost.localstack.cloud:4566", "{b}.s3.amazonaws.com",
    "{b}.s3.us-east-1.amazonaws.com", "{b}.s3-us-west-2.amazonaws.com",
    "{b}.s3.dualstack.us-west-2.amazonaws.com",
])
def test_virtual_hosts(leat, s3, host):
    name = f"virtual-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    host = host.format(b=name)
    assert raw(leat, "PUT", "/dir/key", b"abc", host=host)[0] == 200
    assert s3.get_object(Bucket=name, Key="dir/key")["Body"].read() == b"abc"
    status, _, body = raw(leat, "GET", "/?list-type=2", host=host)
    assert status == 200 and b"<Key>dir/key</Key>" in body
    assert raw(leat, "GET", f"/{name}/dir/key", host="s3.us-east-1.amazonaws.com")[2] == b"abc"


# --- objects ---------------------------------------------------------------------------------


def test_put_and_get(s3, bucket):
    body = os.urandom(300000)
    meta = {"colour": "blue", "two-words": "a b"}
    put = s3.put_object(Bucket=bucket, Key="dir/ä b+c&d%20.txt", Body=body, Metadata=meta, ContentType="text/plain",
                        CacheControl="no-cache", ContentDisposition="inline", ContentLanguage="de",
                        ContentEncoding="identity")
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    got = s3.get_object(Bucket=bucket, Key="dir/ä b+c&d%20.txt", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert got["Metadata"] == meta and got["ContentType"] == "text/plain" and got["ContentLanguage"] == "de"
    assert got["CacheControl"] == "no-cache" and got["ContentDisposition"] == "inline"
    assert got["ContentEncoding"] == "identity" and got["ChecksumCRC32"] == put["ChecksumCRC32"]
    head = s3.head_object(Bucket=bucket, Key="dir/ä b+c&d%20.txt")
    assert head["ContentLength"] == len(body) and head["ETag"] == put["ETag"] and head["Metadata"] == meta
    assert abs(head["LastModified"] - datetime.now(timezone.utc)) < timedelta(minutes=5)
    s3.put_object(Bucket=bucket, Key="dir/ä b+c&d%20.txt", Body=b"new")
    got = s3.get_object(Bucket=bucket, Key="dir/ä b+c&d%20.txt")
    assert got["Body"].read() == b"new" and got["Metadata"] == {}
    assert got["ContentType"] == "binary/octet-stream"


def test_what_is_not_there(s3, bucket):
    fails("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="absent")
    fails("404", 404, s3.head_object, Bucket=bucket, Key="absent")
    assert s3.delete_object(Bucket=bucket, Key="absent")["ResponseMetadata"]["HTTPStatusCode"] == 204
    fails("NoSuchBucket", 404, s3.get_object, Bucket="nothing-there", Key="k")


def test_an_empty_object(s3, bucket):
    assert s3.put_object(Bucket=bucket, Key="e", Body=b"")["ETag"] == '"d41d8cd98f00b204e9800998ecf8427e"'
    assert s3.get_object(Bucket=bucket, Key="e")["Body"].read() == b""
    assert s3.head_object(Bucket=bucket, Key="e")["ContentLength"] == 0
    fails("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="e", Range="bytes=0-0")


def test_keys_at_the_limit(s3, bucket):
    s3.put_object(Bucket=bucket, Key="ä" * 512, Body=b"x")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "ä" * 512
    fails("KeyTooLongError", 400, s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"x")


def test_metadata_at_the_limit(s3, bucket):
    s3.put_object(Bucket=bucket, Key="m", Body=b"", Metadata={"a" * 24: "v" * 2024})
    fails("MetadataTooLarge", 400, s3.put_object, Bucket=bucket, Key="m", Body=b"", Metadata={"a" * 24: "v" * 2025})


@pytest.mark.parametrize("text,expected", [
    ("bytes=0-0", (0, 1)), ("bytes=10-19", (10, 20)), ("bytes=99990-", (99990, 100000)), ("bytes=-5", (99995, 100000)),
    ("bytes=-200000", (0, 100000)), ("bytes=65530-65545", (65530, 65546)), ("bytes=99999-200000", (99999, 100000)),
])
def test_ranges(s3, bucket, text, expected):
    body = os.urandom(100000)
    s3.put_object(Bucket=bucket, Key="r", Body=body)
    got = s3.get_object(Bucket=bucket, Key="r", Range=text)
    start, end = expected
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {start}-{end - 1}/100000"
    assert got["Body"].read() == body[start:end]
    assert s3.head_object(Bucket=bucket, Key="r", Range=text)["ContentLength"] == end - start


def test_ranges_that_are_none(s3, bucket):
    s3.put_object(Bucket=bucket, Key="r", Body=b"x" * 100)
    for text in ("bytes=100-", "bytes=100-200", "bytes=-0"):
        answer = fails("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="r", Range=text)
        assert answer["ResponseMetadata"]["HTTPHeaders"]["content-range"] == "bytes */100"
    for text in ("bytes=5-4", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6"):
        got = s3.get_object(Bucket=bucket, Key="r", Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and got["ContentLength"] == 100


def test_conditions_on_reading(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="c", Body=b"x")["ETag"]
    now = datetime.now(timezone.utc)
    past, future = now - timedelta(days=1), now + timedelta(days=1)
    for call in (s3.get_object, s3.head_object):
        for good in ({"IfMatch": etag}, {"IfMatch": "*"}, {"IfNoneMatch": '"other"'}, {"IfModifiedSince": past},
                     {"IfUnmodifiedSince": future}, {"IfMatch": etag, "IfUnmodifiedSince": past},
                     {"IfNoneMatch": '"other"', "IfModifiedSince": future}):
            call(Bucket=bucket, Key="c", **good)
        code = "PreconditionFailed" if call == s3.get_object else "412"
        for bad in ({"IfMatch": '"other"'}, {"IfUnmodifiedSince": past}):
            fails(code, 412, call, Bucket=bucket, Key="c", **bad)
        for same in ({"IfNoneMatch": etag}, {"IfModifiedSince": future}, {"IfNoneMatch": "*"},
                     {"IfMatch": etag, "IfNoneMatch": etag}):
            answer = fails("304", 304, call, Bucket=bucket, Key="c", **same)
            assert answer["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag


def test_conditions_on_writing(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="w", Body=b"1", IfNoneMatch="*")["ETag"]
    fails("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="w", Body=b"2", IfNoneMatch="*")
    fails("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="w", Body=b"2", IfMatch='"other"')
    fails("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="absent", Body=b"2", IfMatch='"other"')
    s3.put_object(Bucket=bucket, Key="w", Body=b"2", IfMatch=first)
    fails("PreconditionFailed", 412, s3.delete_object, Bucket=bucket, Key="w", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="w")["Body"].read() == b"2"


def test_response_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", ContentType="text/plain")
    got = s3.get_object(Bucket=bucket, Key="o", ResponseContentType="text/csv", ResponseCacheControl="max-age=1",
                        ResponseContentDisposition='attachment; filename="a b.csv"', ResponseContentLanguage="fr",
                        ResponseContentEncoding="x", ResponseExpires=datetime(2030, 1, 1))
    assert got["ContentType"] == "text/csv" and got["CacheControl"] == "max-age=1"
    assert got["ContentDisposition"] == 'attachment; filename="a b.csv"' and got["ContentLanguage"] == "fr"
    fails("InvalidArgument", 400, s3.get_object, Bucket=bucket, Key="o", ResponseContentType="a\r\nX-Evil: 1")


def test_presigned_and_public(s3, bucket, leat):
    s3.put_object(Bucket=bucket, Key="p", Body=b"<script>", ContentType="text/html")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "p"})
    for address in (url, f"{leat.endpoint}/{bucket}/p"):
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert answer.read() == b"<script>"
            assert answer.headers["Content-Security-Policy"] == "sandbox"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "q"})
    with urllib.request.urlopen(urllib.request.Request(url, data=b"sent", method="PUT"), timeout=10):
        pass
    assert s3.get_object(Bucket=bucket, Key="q")["Body"].read() == b"sent"
    unsigned = urllib.request.Request(f"{leat.endpoint}/{bucket}/r", data=b"x", method="PUT")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(unsigned, timeout=10)
    assert caught.value.code == 403


def test_head_has_no_body(leat, s3, bucket):
    s3.put_object(Bucket=bucket, Key="h", Body=b"12345")
    for path, first in ((f"/{bucket}/h", b"200"), (f"/{bucket}/absent", b"404"), ("/absent-bucket", b"404")):
        with socket.create_connection(("127.0.0.1", leat.port), timeout=10) as connection:
            request = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {SIGNED}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            got = b""
            while piece := connection.recv(65536):
                got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.split()[1] == first and body == b""


# --- deleting --------------------------------------------------------------------------------


def test_delete_objects(s3, bucket):
    for i in range(5):
        s3.put_object(Bucket=bucket, Key=f" d&{i}", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": " d&0"}, {"Key": "absent"}, {"Key": " d&1", "VersionId": "v1"}]})
    assert [d["Key"] for d in answer["Deleted"]] == [" d&0", "absent"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [(" d&1", "NoSuchVersion")]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [{"Key": " d&2"}]})
    assert "Deleted" not in quiet and "Errors" not in quiet
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [" d&1", " d&3", " d&4"]


def test_delete_objects_at_the_limit(s3, bucket):
    s3.put_object(Bucket=bucket, Key="999", Body=b"")
    many = [{"Key": str(i)} for i in range(1001)]
    fails("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": many})
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": many[:1000]})["Deleted"]) == 1000
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("body", [b"", b"<Delete>", b"<Delete/>", b"<Other><Object><Key>a</Key></Object></Other>",
                                  b"<Delete><Object/></Delete>", b"\xff\xfe",
                                  b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>'])
def test_bad_xml(leat, bucket, body):
    status, _, answer = raw(leat, "POST", f"/{bucket}?delete", body)
    assert status == 400 and b"<Code>MalformedXML</Code>" in answer


# --- listing ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(s3):
    name = f"tree-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    for key in ("a.txt", "dir/", "dir/1", "dir/2", "dir/sub/3", "dir2/4", "z&<>'\"", "ä ö", "x/y"):
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


def keys_of(page):
    return [o["Key"] for o in page.get("Contents", [])]


def prefixes_of(page):
    return [p["Prefix"] for p in page.get("CommonPrefixes", [])]


def test_listing(s3, tree):
    page = s3.list_objects_v2(Bucket=tree)
    assert keys_of(page) == ["a.txt", "dir/", "dir/1", "dir/2", "dir/sub/3", "dir2/4", "x/y", "z&<>'\"", "ä ö"]
    assert page["KeyCount"] == 9 and page["IsTruncated"] is False and page["MaxKeys"] == 1000
    assert page["Contents"][0]["Size"] == 5 and "Owner" not in page["Contents"][0]
    assert page["Contents"][0]["ETag"] == f'"{hashlib.md5(b"a.txt").hexdigest()}"'
    assert "Owner" in s3.list_objects_v2(Bucket=tree, FetchOwner=True)["Contents"][0]
    page = s3.list_objects_v2(Bucket=tree, Delimiter="/")
    assert keys_of(page) == ["a.txt", "z&<>'\"", "ä ö"] and prefixes_of(page) == ["dir/", "dir2/", "x/"]
    page = s3.list_objects_v2(Bucket=tree, Delimiter="/", Prefix="dir/")
    assert keys_of(page) == ["dir/", "dir/1", "dir/2"] and prefixes_of(page) == ["dir/sub/"]
    assert keys_of(s3.list_objects_v2(Bucket=tree, Prefix="dir2")) == ["dir2/4"]
    assert keys_of(s3.list_objects_v2(Bucket=tree, StartAfter="dir2/4")) == ["x/y", "z&<>'\"", "ä ö"]
    assert s3.list_objects_v2(Bucket=tree, Prefix="nothing")["KeyCount"] == 0
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=0)["KeyCount"] == 0


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10])
@pytest.mark.parametrize("delimiter", ["", "/"])
@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
def test_listing_in_pages(s3, tree, size, delimiter, operation):
    whole = getattr(s3, operation)(Bucket=tree, Delimiter=delimiter)
    pages = list(s3.get_paginator(operation).paginate(Bucket=tree, Delimiter=delimiter,
                                                      PaginationConfig={"PageSize": size}))
    assert [k for p in pages for k in keys_of(p)] == keys_of(whole)
    assert [k for p in pages for k in prefixes_of(p)] == prefixes_of(whole)
    assert all(len(keys_of(p)) + len(prefixes_of(p)) <= size for p in pages)


def test_listing_with_bad_parameters(s3, tree):
    fails("InvalidArgument", 400, s3.list_objects_v2, Bucket=tree, ContinuationToken="?")
    fails("InvalidArgument", 400, s3.list_objects_v2, Bucket=tree, MaxKeys=-1)
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=5000)["MaxKeys"] == 1000


def test_more_than_a_page(s3, bucket, leat):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: s3.put_object(Bucket=bucket, Key=f"{i:04}", Body=b""), range(1001)))
    page = s3.list_objects_v2(Bucket=bucket)
    assert page["KeyCount"] == 1000 and page["IsTruncated"]
    page = s3.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert keys_of(page) == ["1000"]


# --- copying ---------------------------------------------------------------------------------


def test_copy(s3, bucket):
    body = os.urandom(200000)
    source = s3.put_object(Bucket=bucket, Key="from/ä b", Body=body, Metadata={"a": "1"}, ContentType="text/x")
    made = s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from/ä b"})
    assert made["CopyObjectResult"]["ETag"] == source["ETag"]
    assert made["CopyObjectResult"]["ChecksumCRC32"] == source["ChecksumCRC32"]
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == body and got["Metadata"] == {"a": "1"} and got["ContentType"] == "text/x"
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from/ä b", MetadataDirective="REPLACE",
                   Metadata={"b": "2"}, ChecksumAlgorithm="SHA256")
    got = s3.get_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert got["Metadata"] == {"b": "2"} and got["ContentType"] == "binary/octet-stream"
    assert got["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/to", MetadataDirective="REPLACE", Metadata={"c": "3"})
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Metadata"] == {"c": "3"} and got["Body"].read() == body


def test_copies_that_fail(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="s", Body=b"x")["ETag"]
    past = datetime.now(timezone.utc) - timedelta(days=1)
    copy = {"Bucket": bucket, "Key": "t", "CopySource": f"{bucket}/s"}
    fails("NoSuchKey", 404, s3.copy_object, **{**copy, "CopySource": f"{bucket}/absent"})
    fails("NoSuchBucket", 404, s3.copy_object, **{**copy, "CopySource": "absent-bucket/s"})
    fails("InvalidRequest", 400, s3.copy_object, **{**copy, "Key": "s"})
    fails("InvalidArgument", 400, s3.copy_object, **{**copy, "CopySource": f"{bucket}/s?versionId=1"})
    fails("PreconditionFailed", 412, s3.copy_object, **copy, CopySourceIfMatch='"other"')
    fails("PreconditionFailed", 412, s3.copy_object, **copy, CopySourceIfNoneMatch=etag)
    fails("PreconditionFailed", 412, s3.copy_object, **copy, CopySourceIfUnmodifiedSince=past)
    fails("404", 404, s3.head_object, Bucket=bucket, Key="t")
    s3.copy_object(**copy, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=past)


# --- checksums -------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3, bucket, leat, algorithm):
    body, header = os.urandom(1000), f"x-amz-checksum-{algorithm.lower()}"
    if algorithm in ("CRC32", "SHA1", "SHA256"):  # The others need the CRT in the client.
        assert f"Checksum{algorithm}" in s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    status, headers, _ = raw(leat, "PUT", f"/{bucket}/k", body, {"x-amz-sdk-checksum-algorithm": algorithm})
    assert status == 200
    value = headers[header]
    assert raw(leat, "PUT", f"/{bucket}/k", body, {header: value})[0] == 200
    assert raw(leat, "GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})[1][header] == value
    status, _, answer = raw(leat, "PUT", f"/{bucket}/k", body + b"x", {header: value})
    assert status == 400 and b"<Code>BadDigest</Code>" in answer
    status, _, answer = raw(leat, "PUT", f"/{bucket}/k", body, {header: "AAAA"})
    assert status == 400 and b"<Code>InvalidRequest</Code>" in answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_known_checksums(leat, bucket):
    """The check values of the catalogue of CRCs, for "123456789"."""
    for name, value in (("crc32", 0xCBF43926), ("crc32c", 0xE3069283), ("crc64nvme", 0xAE8B14860A799888)):
        bits = base64.b64encode(value.to_bytes(8 if name == "crc64nvme" else 4, "big")).decode()
        assert raw(leat, "PUT", f"/{bucket}/k", b"123456789", {f"x-amz-checksum-{name}": bits})[0] == 200
    _, headers, _ = raw(leat, "PUT", f"/{bucket}/k", b"123456789")
    assert headers["x-amz-checksum-crc64nvme"] == bits  # By default, as AWS.


def test_hashes_that_do_not_match(leat, s3, bucket):
    md5 = base64.b64encode(hashlib.md5(b"abc").digest()).decode()
    assert raw(leat, "PUT", f"/{bucket}/k", b"abc", {"Content-MD5": md5})[0] == 200
    for body, headers, code in (
            (b"abd", {"Content-MD5": md5}, "BadDigest"),
            (b"abc", {"Content-MD5": "?"}, "InvalidDigest"),
            (b"abc", {"x-amz-content-sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
            (b"abc", {"x-amz-content-sha256": "what"}, "InvalidArgument"),
            (b"abc", {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, "InvalidRequest"),
            (b"abc", {"x-amz-sdk-checksum-algorithm": "MD4"}, "InvalidRequest")):
        status, _, answer = raw(leat, "PUT", f"/{bucket}/other", body, headers)
        assert status == 400 and f"<Code>{code}</Code>".encode() in answer, (headers, answer)
    fails("404", 404, s3.head_object, Bucket=bucket, Key="other")


def first_answer(leat, path, length):
    """Of the answer to a PUT that announces so many bytes and sends none."""
    with socket.create_connection(("127.0.0.1", leat.port), timeout=10) as connection:
        connection.sendall((f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {SIGNED}\r\n"
                            f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n").encode())
        got = b""
        while not got.startswith(b"HTTP/1.1 100 ") and b"</Error>" not in got:
            piece = connection.recv(65536)
            assert piece, got
            got += piece
        return got


def test_sizes_at_the_limit(leat, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    for path in (f"/{bucket}/k", f"/{bucket}/p?partNumber=1&uploadId={upload}"):
        assert first_answer(leat, path, 5 << 30).startswith(b"HTTP/1.1 100 ")
        refused = first_answer(leat, path, (5 << 30) + 1)
        assert refused.startswith(b"HTTP/1.1 400 ") and b"EntityTooLarge" in refused
    body = b"<Delete><Object><Key>a</Key></Object>%s</Delete>"
    for over in (0, 1):
        status, _, answer = raw(leat, "POST", f"/{bucket}?delete", body % (b" " * (8 * MIB - len(body) + 2 + over)))
        assert (status, b"EntityTooLarge" in answer) == ((400, True) if over else (200, False))


# --- aws-chunked -----------------------------------------------------------------------------


def chunked(body, size, trailer=b""):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("size", [1, 7, 8192, 65536, 1000000])
def test_unsigned_chunks_with_trailer(leat, s3, bucket, size):
    body = os.urandom(50000 if size > 1 else 500)
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32",
               "Content-Encoding": "aws-chunked,gzip", "x-amz-decoded-content-length": str(len(body))}
    sent = chunked(body, size, b"x-amz-checksum-crc32:" + crc + b"\r\n")
    status, got, _ = raw(leat, "PUT", f"/{bucket}/k", sent, headers)
    assert status == 200 and got["x-amz-checksum-crc32"] == crc.decode()
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body and got["ContentEncoding"] == "gzip"
    wrong = chunked(body, size, b"x-amz-checksum-crc32:AAAAAA==\r\n")
    status, _, answer = raw(leat, "PUT", f"/{bucket}/k", wrong, headers)
    assert status == 400 and b"<Code>BadDigest</Code>" in answer
    for bad, code in ((chunked(body, size), "InvalidRequest"), (sent + b"x", "InvalidRequest"),
                      (sent[:-2], "IncompleteBody"), (chunked(body[1:], size, b"x-amz-checksum-crc32:" + crc + b"\r\n"),
                                                      "IncompleteBody"),
                      (b"zz\r\n" + sent, "InvalidRequest"), (b"1" * 600 + sent, "InvalidRequest")):
        status, _, answer = raw(leat, "PUT", f"/{bucket}/k", bad, headers)
        assert status == 400 and f"<Code>{code}</Code>".encode() in answer, (bad[:80], answer)


def test_expect_continue(leat, s3, bucket):
    def answer_of(path):
        with socket.create_connection(("127.0.0.1", leat.port), timeout=10) as connection:
            connection.sendall((f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {SIGNED}\r\n"
                                "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n").encode())
            first = connection.recv(65536)
            if first.startswith(b"HTTP/1.1 100 "):
                connection.sendall(b"hello")
            got = first
            while piece := connection.recv(65536):
                got += piece
            return got
    assert answer_of(f"/{bucket}/k").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    # What fails by its header is not asked for.
    assert answer_of("/no-such-bucket/k").startswith(b"HTTP/1.1 404 ")


def test_http2_there_and_back(leat, s3, bucket, tmp_path):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(os.urandom(40 * MIB))
    common = [curl, "-sf", "-m", "60", "--http2-prior-knowledge", "-H", f"Authorization: {SIGNED}"]
    url = f"{leat.endpoint}/{bucket}/k"
    subprocess.run([*common, "-T", str(source), url], check=True)
    subprocess.run([*common, "-o", str(target), url], check=True)
    assert source.read_bytes() == target.read_bytes()


# --- multipart -------------------------------------------------------------------------------


def upload_parts(s3, bucket, key, pieces, **options):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)["UploadId"]
    parts = []
    for i, piece in enumerate(pieces, 1):
        extra = {k: v for k, v in options.items() if k == "ChecksumAlgorithm"}
        put = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=i, Body=piece, **extra)
        parts.append({"PartNumber": i, "ETag": put["ETag"],
                      **{k: v for k, v in put.items() if k.startswith("Checksum") and k != "ChecksumType"}})
    return upload, parts


def complete(s3, bucket, key, upload, parts, **extra):
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts},
                                        **extra)


@pytest.mark.parametrize("options", [
    {}, {"ChecksumAlgorithm": "CRC32"}, {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"},
    {"ChecksumAlgorithm": "SHA256"},
], ids=str)
def test_multipart(s3, bucket, options):
    pieces = [os.urandom(5 * MIB), os.urandom(5 * MIB + 3), b"end"]
    body = b"".join(pieces)
    upload, parts = upload_parts(s3, bucket, "big", pieces, Metadata={"m": "1"}, **options)
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload, MaxParts=2)
    assert [p["Size"] for p in listed["Parts"]] == [5 * MIB, 5 * MIB + 3] and listed["IsTruncated"]
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload,
                           PartNumberMarker=listed["NextPartNumberMarker"])
    assert [p["PartNumber"] for p in listed["Parts"]] == [3] and not listed["IsTruncated"]
    made = complete(s3, bucket, "big", upload, parts)
    digests = b"".join(hashlib.md5(p).digest() for p in pieces)
    assert made["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    if options.get("ChecksumType") == "FULL_OBJECT":
        assert made["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    elif options.get("ChecksumAlgorithm") == "SHA256":
        whole = hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in pieces)).digest()
        assert made["ChecksumSHA256"] == base64.b64encode(whole).decode() + "-3"
        assert made["ChecksumType"] == "COMPOSITE"
    got = s3.get_object(Bucket=bucket, Key="big")
    assert got["Body"].read() == body and got["Metadata"] == {"m": "1"}
    across = s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={5 * MIB - 10}-{5 * MIB + 9}")
    assert across["Body"].read() == body[5 * MIB - 10:5 * MIB + 10]
    second = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert second["Body"].read() == pieces[1] and second["PartsCount"] == 3
    fails("416", 416, s3.head_object, Bucket=bucket, Key="big", PartNumber=4)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    fails("NoSuchUpload", 404, s3.list_parts, Bucket=bucket, Key="big", UploadId=upload)


def test_the_checksum_of_the_whole_follows_from_the_parts(leat, s3, bucket):
    pieces = [os.urandom(5 * MIB), os.urandom(5 * MIB + 77), os.urandom(1234)]
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME"):
        header = f"x-amz-checksum-{algorithm.lower()}"
        _, headers, _ = raw(leat, "PUT", f"/{bucket}/whole", b"".join(pieces),
                            {"x-amz-sdk-checksum-algorithm": algorithm})
        _, _, answer = raw(leat, "POST", f"/{bucket}/parts?uploads", headers={
            "x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": "FULL_OBJECT"})
        upload = answer.split(b"<UploadId>")[1].split(b"<")[0].decode()
        xml = ""
        for i, piece in enumerate(pieces, 1):
            _, got, _ = raw(leat, "PUT", f"/{bucket}/parts?partNumber={i}&uploadId={upload}", piece)
            xml += f"<Part><PartNumber>{i}</PartNumber><ETag>{got['ETag']}</ETag></Part>"
        xml = f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode()
        status, _, answer = raw(leat, "POST", f"/{bucket}/parts?uploadId={upload}", xml, {header: "AAAAAA=="})
        assert status == 400 and b"BadDigest" in answer
        status, _, answer = raw(leat, "POST", f"/{bucket}/parts?uploadId={upload}", xml, {header: headers[header]})
        assert status == 200 and f">{headers[header]}</Checksum{algorithm}>".encode() in answer


def test_uploads_that_fail(s3, bucket):
    upload, parts = upload_parts(s3, bucket, "u", [b"a" * (5 * MIB), b"b" * (5 * MIB - 1), b"c"])
    with pytest.raises(ClientError, match="EntityTooSmall"):
        complete(s3, bucket, "u", upload, parts)
    with pytest.raises(ClientError, match="InvalidPartOrder"):
        complete(s3, bucket, "u", upload, [parts[1], parts[0]])
    with pytest.raises(ClientError, match="InvalidPart"):
        complete(s3, bucket, "u", upload, [{"PartNumber": 1, "ETag": '"00"'}])
    with pytest.raises(ClientError, match="InvalidPart"):
        complete(s3, bucket, "u", upload, [{"PartNumber": 9, "ETag": parts[0]["ETag"]}])
    with pytest.raises(ClientError, match="MalformedXML"):
        complete(s3, bucket, "u", upload, [])
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="u", Body=b"here first")
        complete(s3, bucket, "u", upload, [parts[0]], IfNoneMatch="*")
    part = {"Bucket": bucket, "Key": "u", "UploadId": upload, "Body": b"x"}
    fails("InvalidArgument", 400, s3.upload_part, **part, PartNumber=10001)
    fails("InvalidArgument", 400, s3.upload_part, **part, PartNumber=0)
    fails("NoSuchUpload", 404, s3.upload_part, **{**part, "UploadId": "nothing"}, PartNumber=1)
    s3.upload_part(**part, PartNumber=10000)
    made = complete(s3, bucket, "u", upload, [parts[0]])  # The others are dropped.
    assert s3.head_object(Bucket=bucket, Key="u")["ContentLength"] == 5 * MIB and made["ETag"].endswith('-1"')


def test_an_upload_given_up(s3, bucket):
    upload, _ = upload_parts(s3, bucket, "gone", [b"x"])
    s3.abort_multipart_upload(Bucket=bucket, Key="gone", UploadId=upload)
    fails("NoSuchUpload", 404, s3.abort_multipart_upload, Bucket=bucket, Key="gone", UploadId=upload)
    fails("404", 404, s3.head_object, Bucket=bucket, Key="gone")


def test_a_part_is_replaced(s3, bucket):
    upload, old = upload_parts(s3, bucket, "r", [b"old"])
    new = s3.upload_part(Bucket=bucket, Key="r", UploadId=upload, PartNumber=1, Body=b"new")
    with pytest.raises(ClientError, match="InvalidPart"):
        complete(s3, bucket, "r", upload, old)
    complete(s3, bucket, "r", upload, [{"PartNumber": 1, "ETag": new["ETag"]}])
    assert s3.get_object(Bucket=bucket, Key="r")["Body"].read() == b"new"


def test_parts_copied(s3, bucket):
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="s", Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="t")["UploadId"]
    common = {"Bucket": bucket, "Key": "t", "UploadId": upload, "CopySource": f"{bucket}/s"}
    one = s3.upload_part_copy(**common, PartNumber=1)["CopyPartResult"]
    two = s3.upload_part_copy(**common, PartNumber=2, CopySourceRange="bytes=10-19")["CopyPartResult"]
    fails("InvalidArgument", 400, s3.upload_part_copy, **common, PartNumber=3,
          CopySourceRange=f"bytes=0-{len(body)}")
    complete(s3, bucket, "t", upload, [{"PartNumber": i, "ETag": p["ETag"]} for i, p in ((1, one), (2, two))])
    assert s3.get_object(Bucket=bucket, Key="t")["Body"].read() == body + body[10:20]


def test_uploads_listed(s3, bucket):
    ids = {}
    for key in ("a/1", "a/2", "b", "b", "c"):
        ids.setdefault(key, []).append(s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
    pages = list(s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
    listed = [(u["Key"], u["UploadId"]) for p in pages for u in p["Uploads"]]
    assert listed == [(k, i) for k in sorted(ids) for i in sorted(ids[k])]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert prefixes_of(page) == ["a/"] and [u["Key"] for u in page["Uploads"]] == ["b", "b", "c"]
    page = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/", KeyMarker="a/1")
    assert [u["Key"] for u in page["Uploads"]] == ["a/2"]


def test_transfer_manager(s3, bucket, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(os.urandom(20 * MIB + 17))
    config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=6 * MIB)
    s3.upload_file(str(source), bucket, "t", Config=config)
    s3.download_file(bucket, "t", str(target), Config=config)
    assert source.read_bytes() == target.read_bytes()


# --- what is not there -----------------------------------------------------------------------


@pytest.mark.parametrize("method,path", [
    ("GET", "?acl"), ("PUT", "?acl"), ("GET", "?versioning"), ("PUT", "?lifecycle"), ("GET", "?versions"),
    ("PUT", "?notification"), ("GET", "/k?tagging"), ("PUT", "/k?acl"), ("POST", "/k?select&select-type=2"),
    ("GET", "/k?attributes"), ("POST", "/k?restore"), ("GET", "/k?torrent"),
])
def test_sub_resources_that_are_not_there(leat, s3, bucket, method, path):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    status, _, body = raw(leat, method, f"/{bucket}{path}", b"<a/>" if method != "GET" else b"")
    name = path.split("?")[1].split("&")[0]
    assert status == 501 and b"<Code>NotImplemented</Code>" in body and f"&quot;{name}&quot;".encode() in body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("extra", [
    {"ACL": "public-read"}, {"ServerSideEncryption": "AES256"}, {"Tagging": "a=b"}, {"ObjectLockLegalHoldStatus": "ON"},
    {"GrantRead": "id=1"},
], ids=str)
def test_wishes_that_are_not_fulfilled(s3, bucket, extra):
    fails("NotImplemented", 501, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **extra)


def test_other_errors(leat, s3, bucket):
    fails("InvalidStorageClass", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER")
    fails("AccessDenied", 403, s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="123456789012")
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="private", StorageClass="STANDARD",
                  ExpectedBucketOwner="000000000000")
    for method, path, code, status in (("POST", "", "MethodNotAllowed", 405), ("PATCH", "/k", "MethodNotAllowed", 405),
                                       ("GET", "/%zz", "InvalidURI", 400), ("GET", "/%ff", "InvalidURI", 400),
                                       ("GET", "/k?versionId=1", "InvalidArgument", 400),
                                       ("PUT", "/k?partNumber=1", "InvalidRequest", 400)):
        got, _, body = raw(leat, method, f"/{bucket}{path}")
        assert (got, f"<Code>{code}</Code>".encode() in body) == (status, True), (path, body)
    assert raw(leat, "PUT", f"/{bucket}/k", b"", {"Content-Length": None, "Transfer-Encoding": "chunked"})[0] in (400, 411)


def test_usage(leat, s3, bucket):
    import json
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="b", Body=b"678")
    with urllib.request.urlopen(f"{leat.endpoint}/_aws/s3/usage", timeout=10) as answer:
        usage = {b["name"]: b for b in json.load(answer)["buckets"]}
    assert usage[bucket]["objects"] == 2 and usage[bucket]["bytes"] == 8 and usage[bucket]["region"] == "us-east-1"
