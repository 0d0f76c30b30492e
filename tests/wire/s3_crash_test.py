"""kill -9 while S3 is written to: what was acknowledged is there, nothing is half."""

import hashlib
import http.client
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import leat_server
from conftest import make_client
from s3_test import SIGNED

MIB = 1024 * 1024
CONFIG = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=20, s3={"addressing_style": "path"})


@pytest.fixture
def server(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    yield server
    if server.process.poll() is None:
        server.stop()


def files_of(server):
    return [p for p in (Path(server.data) / "s3" / "objects").rglob("*") if p.is_file()]


def restart(server):
    server.kill()
    server.start()
    return make_client(server, "s3", config=CONFIG)


def send_half(server, path, total):
    """A connection over which half of a body was sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall((f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {SIGNED}\r\n"
                        f"Content-Length: {total}\r\n\r\n").encode() + b"n" * (total // 2))
    return connection


def wait_for_file(server, bytes_wanted):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if any(f.stat().st_size >= bytes_wanted for f in files_of(server)):
            return
        time.sleep(0.01)
    raise AssertionError("the upload does not reach the disk")


def test_killed_within_an_upload(server):
    s3 = make_client(server, "s3", config=CONFIG)
    s3.create_bucket(Bucket="b-1")
    s3.put_object(Bucket="b-1", Key="old", Body=b"o" * MIB)
    upload = s3.create_multipart_upload(Bucket="b-1", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="b-1", Key="parts", UploadId=upload, PartNumber=1, Body=b"p" * 5 * MIB)
    connections = [send_half(server, path, 12 * MIB) for path in
                   ("/b-1/old", "/b-1/new", f"/b-1/parts?partNumber=2&uploadId={upload}")]
    wait_for_file(server, 5 * MIB + 1)
    s3 = restart(server)
    for connection in connections:
        connection.close()
    assert s3.get_object(Bucket="b-1", Key="old")["Body"].read() == b"o" * MIB
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="b-1", Key="new")
    assert [p["PartNumber"] for p in s3.list_parts(Bucket="b-1", Key="parts", UploadId=upload)["Parts"]] == [1]
    assert len(files_of(server)) == 2  # The object and the part: the halves are swept.
    s3.complete_multipart_upload(Bucket="b-1", Key="parts", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert s3.get_object(Bucket="b-1", Key="parts")["Body"].read() == b"p" * 5 * MIB


def test_a_client_that_goes_away_leaves_nothing(server):
    s3 = make_client(server, "s3", config=CONFIG)
    s3.create_bucket(Bucket="b-1")
    half = send_half(server, "/b-1/k", 4 * MIB)
    deadline = time.monotonic() + 20
    while not files_of(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert files_of(server) != []
    half.close()
    while files_of(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert files_of(server) == [] and s3.list_objects_v2(Bucket="b-1")["KeyCount"] == 0


def put_until_killed(server, name, acknowledged):
    """Overwrites keys; notes what was answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        for i in range(1000000):
            body = f"{name}/{i}/".encode() * 3000
            key = f"{name}-{i % 5}"
            connection.request("PUT", f"/b-1/{key}", body, {"Authorization": SIGNED})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                return
            acknowledged[key] = i
    except OSError:
        return
    except http.client.HTTPException:
        return
    finally:
        connection.close()


def test_killed_under_load(server):
    s3 = make_client(server, "s3", config=CONFIG)
    s3.create_bucket(Bucket="b-1")
    for _ in range(4):
        acknowledged = {}
        threads = [threading.Thread(target=put_until_killed, args=(server, f"t{n}", acknowledged)) for n in range(4)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 20:
            time.sleep(0.01)
        s3 = restart(server)
        for thread in threads:
            thread.join()
        for key, number in acknowledged.items():
            got = s3.get_object(Bucket="b-1", Key=key)
            body = got["Body"].read()
            name, seen, _ = body.split(b"/", 2)
            assert body == f"{name.decode()}/{int(seen)}/".encode() * 3000
            assert int(seen) >= number  # The last one may have been stored without its answer.
            assert got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert len(files_of(server)) == len(s3.list_objects_v2(Bucket="b-1")["Contents"])


def test_damage_is_never_served(server):
    s3 = make_client(server, "s3", config=CONFIG)
    s3.create_bucket(Bucket="b-1")
    s3.put_object(Bucket="b-1", Key="k", Body=os.urandom(MIB))
    (path,) = files_of(server)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(ClientError, match="InternalError.*damaged"):
        s3.get_object(Bucket="b-1", Key="k")
    data[100] ^= 1
    data[900000] ^= 1
    path.write_bytes(data)
    assert len(s3.get_object(Bucket="b-1", Key="k", Range="bytes=0-99")["Body"].read()) == 100
    with pytest.raises(Exception, match="(?i)broken|incomplete|closed|reset"):  # A cut, never a short 200.
        s3.get_object(Bucket="b-1", Key="k")["Body"].read()
