"""TLS: the certificate, both protocols, and clients that behave badly in a handshake."""

import hashlib
import json
import os
import socket
import ssl
import subprocess
import time
from pathlib import Path

import boto3
import pytest

import http_hostile_test
import leat_server
from conftest import CONFIG

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class TlsServer(leat_server.Server):
    def __init__(self, data=None, args=()):
        super().__init__(data, ["--tls-port", "0", *args])

    @property
    def certificate(self):
        return Path(self.data) / "tls" / "cert.pem"

    def context(self, *protocols):
        context = ssl.create_default_context(cafile=str(self.certificate))
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def connect(self, name="localhost", context=None, timeout=15):
        plain = socket.create_connection(("127.0.0.1", self.tls_port), timeout=timeout)
        return (context or self.context()).wrap_socket(plain, server_hostname=name)


@pytest.fixture(scope="module")
def server():
    server = TlsServer().start()
    yield server
    server.stop()


def read_all(sock):
    out = b""
    while piece := sock.recv(65536):
        out += piece
    return out


def health(sock):
    sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    return read_all(sock)


@pytest.mark.parametrize("name", [
    "localhost", "127.0.0.1", "::1", "kinesis.localhost", "kinesis.us-east-1.localhost",
    "localhost.localstack.cloud", "kinesis.eu-west-1.localhost.localstack.cloud",
    "bucket.s3.localhost.localstack.cloud", socket.gethostname()])
def test_the_certificate_has_the_names_that_people_use(server, name):
    with server.connect(name) as sock:
        assert health(sock).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_key_is_nobody_elses_business(server):
    directory = server.certificate.parent
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "server.pem").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in server.certificate.read_text()


def test_other_names_are_not_in_it(server):
    with pytest.raises(ssl.SSLCertVerificationError):
        server.connect("example.com")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_alpn(server, version):
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)):
        context = server.context(*offered)
        context.minimum_version = context.maximum_version = version
        with server.connect(context=context) as sock:
            assert sock.selected_alpn_protocol() == chosen
            if chosen != "h2":
                assert health(sock).startswith(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        server.connect(context=server.context("spdy/1"))


@pytest.mark.parametrize("offered", [["h2"], []], ids=["ALPN", "prior knowledge"])
def test_http2(server, offered):
    with server.connect(context=server.context(*offered)) as sock:
        sock.sendall(PREFACE)
        head = sock.recv(9)
        assert head[3] == 4 and head[4] == 0, "the first frame is SETTINGS"


def test_old_versions_are_refused(server):
    context = server.context()
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        server.connect(context=context)


def test_plain_http_on_the_port_is_told_so(server):
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as sock:
        sock.sendall(GET)
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"use https://\n")
    body = answer.partition(b"\r\n\r\n")[2]
    assert f"Content-Length: {len(body)}\r\n".encode() in answer


def test_a_handshake_byte_by_byte(server):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server.context("http/1.1").wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send():
            for byte in outgoing.read():
                sock.send(bytes([byte]))

        def step(do):
            while True:
                try:
                    out = do()
                    send()
                    return out
                except ssl.SSLWantReadError:
                    send()
                    piece = sock.recv(7)
                    assert piece, "the server hung up"
                    incoming.write(piece)

        step(tls.do_handshake)
        step(lambda: tls.write(GET))
        assert step(lambda: tls.read(4096)).startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_is_no_handshake_ends_the_connection(server):
    hello = bytes.fromhex("160301") + (512).to_bytes(2, "big")
    for data in (hello + os.urandom(512), b"\x16" * 3000, b"\x16\x03\x01\xff\xff" + bytes(70000)):
        with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                read_all(sock)
            except OSError:
                pass
    with server.connect() as sock:
        assert b" 200 OK" in health(sock)


def test_garbage_after_the_handshake(server):
    plain = socket.create_connection(("127.0.0.1", server.tls_port), timeout=10)
    raw = plain.dup()
    with server.context().wrap_socket(plain, server_hostname="localhost") as sock:
        raw.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            while sock.recv(100):
                pass
            raise ssl.SSLError("closed")
    raw.close()


def test_a_cut_is_told_from_an_end(server):
    with server.connect() as sock:
        sock.sendall(GET + GET)
        sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(sock).count(b"HTTP/1.1 200 OK") == 3  # An end: no SSLEOFError.


def test_half_a_close_is_answered(server):
    """close_notify behind the request, as shutdown(SHUT_WR) without TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as sock:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        tls.write(GET)
        with pytest.raises(ssl.SSLError):
            tls.unwrap()
        sock.sendall(outgoing.read())
        answer = b""
        while data := sock.recv(65536):
            incoming.write(data)
            try:
                answer += tls.read(65536)
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLError):
                pass
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def client(server, service, **more):
    return boto3.client(service, endpoint_url=f"https://localhost:{server.tls_port}",
                        region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test", verify=str(server.certificate),
                        config=CONFIG, **more)


def test_large_bodies_both_ways(server):
    kinesis = client(server, "kinesis")
    kinesis.create_stream(StreamName="tls", ShardCount=1)
    sent = [os.urandom((1 << 20) - 1) for _ in range(9)]
    for _ in range(2):
        kinesis.put_records(StreamName="tls",
                            Records=[{"Data": d, "PartitionKey": "k"} for d in sent])
    iterator = kinesis.get_shard_iterator(StreamName="tls", ShardId="shardId-000000000000",
                                          ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    got = []
    while len(got) < 18:
        page = kinesis.get_records(ShardIterator=iterator)
        got += [r["Data"] for r in page["Records"]]
        iterator = page["NextShardIterator"]
    assert got == sent + sent


def test_bodies_that_wait_for_their_reader(server):
    """Reading pauses while a pool thread is behind: what OpenSSL holds must not be forgotten."""
    s3 = client(server, "s3")
    s3.create_bucket(Bucket="tls")
    body = os.urandom(40 << 20)
    s3.put_object(Bucket="tls", Key="large", Body=body)
    assert s3.get_object(Bucket="tls", Key="large")["Body"].read() == body


def test_pipelined_requests(server):
    with server.connect() as sock:
        sock.sendall(GET * 1000)
        sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(sock).count(b"HTTP/1.1 200 OK") == 1001


def test_a_reader_that_stops_and_goes_on(server):
    with server.connect() as sock:
        many = 3000
        sock.sendall(GET * many)
        time.sleep(0.2)  # The server has filled what it may by now, or goes on: both are right.
        seen = b""
        while seen.count(b"HTTP/1.1 200 OK") < many:
            piece = sock.recv(1 << 20)
            assert piece
            seen += piece


def test_a_flood_of_half_handshakes(server):
    """The oldest go: memory is bounded, and others get in."""
    hello = ssl.MemoryBIO()
    tls = server.context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    half = hello.read()
    loops = len(os.sched_getaffinity(0))
    sockets = []
    try:
        for _ in range(256 * loops + 100):
            sock = socket.create_connection(("127.0.0.1", server.tls_port), timeout=10)
            sock.sendall(half[:100])
            sockets.append(sock)
        with server.connect() as sock:
            assert b" 200 OK" in health(sock)
        sockets[0].settimeout(5)
        assert sockets[0].recv(100) == b"", "the first is still there"
        sockets[-1].sendall(half[100:])
        assert sockets[-1].recv(5)[:1] == b"\x16", "the last is gone"
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.slow
def test_a_handshake_that_never_ends(server):
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=20) as sock:
        sock.sendall(b"\x16\x03")
        start = time.monotonic()
        assert sock.recv(100) == b""
        assert 8 < time.monotonic() - start < 15


# --- certificates ----------------------------------------------------------------------------


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


def make_pair(directory, name, days="3650", *more):
    key, certificate = directory / f"{name}.key", directory / f"{name}.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", days, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", str(key), "-out", str(certificate), *more)
    return certificate, key


def refused(*args):
    """The message of a start that fails for its configuration."""
    server = leat_server.Server(args=["--tls-port", "0", *map(str, args)])
    with pytest.raises(RuntimeError) as caught:
        server.start()
    assert "ended with 78" in str(caught.value)
    return str(caught.value)


def test_ones_own_certificate(tmp_path):
    certificate, key = make_pair(tmp_path, "mine")
    server = TlsServer(args=["--tls-cert", str(certificate), "--tls-key", str(key)]).start()
    context = ssl.create_default_context(cafile=str(certificate))
    with server.connect(context=context) as sock:
        assert b" 200 OK" in health(sock)
    assert f"(certificate {certificate})" in server.output()
    assert not (Path(server.data) / "tls").exists()
    server.stop()


def test_ones_own_certificate_and_what_may_be_wrong_with_it(tmp_path):
    certificate, key = make_pair(tmp_path, "a")
    other, other_key = make_pair(tmp_path, "b")
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(locked))
    weak, weak_key = tmp_path / "weak.pem", tmp_path / "weak.key"
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "9", "-subj", "/CN=weak",
            "-keyout", str(weak_key), "-out", str(weak))
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for cert, private, wanted in [
        (certificate, other_key, f'the key in "{other_key}" does not belong to the certificate'),
        (tmp_path / "none.pem", key, f'cannot read the certificate "{tmp_path}/none.pem": No such'),
        (certificate, tmp_path / "none.key", f'cannot read the key "{tmp_path}/none.key": No such'),
        (junk, key, f'"{junk}" holds no certificate in PEM'),
        (certificate, junk, f'"{junk}" holds no private key in PEM'),
        (certificate, locked, f'the key in "{locked}" is encrypted'),
        (weak, weak_key, f'the certificate "{weak}" cannot be used'),
    ]:
        assert wanted in refused("--tls-cert", cert, "--tls-key", private)
    assert "go together: the key is not given" in refused("--tls-cert", certificate)
    assert "go together: the certificate is not given" in refused("--tls-key", key)


def test_the_pair_stays_and_is_made_anew_in_time(tmp_path):
    data = str(tmp_path / "data")
    server = TlsServer(data).start()
    first = server.certificate.read_text()
    server.stop()
    server = TlsServer(data).start()
    assert server.certificate.read_text() == first
    server.certificate.unlink()  # Only the copy for clients.
    server.stop()
    server = TlsServer(data).start()
    assert server.certificate.read_text() == first
    server.stop()
    pair = tmp_path / "data" / "tls" / "server.pem"
    certificate, key = make_pair(tmp_path, "old", "10")
    for content in (key.read_text() + certificate.read_text(), "damaged", ""):
        pair.write_text(content)
        server = TlsServer(data).start()
        assert "the certificate is made anew" in server.output()
        assert server.certificate.read_text() not in (first, certificate.read_text())
        with server.connect() as sock:
            assert b" 200 OK" in health(sock)
        server.stop()


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = leat_server.Server(args=["--tls-port", str(port)])
        with pytest.raises(RuntimeError, match=r"(?s)ended with 75.*choose another.*--tls-port"):
            server.start()


def test_no_port_beside_another_port():
    server = leat_server.Server().start()
    assert "\ntls " not in server.output()
    server.stop()
    for words, wanted in ((["--tls-port", "x"], '--tls-port is 0 to 65535, or off, not "x"'),
                          (["--tls-port", "65536"], "--tls-port is 0 to 65535"),
                          (["--tls-port", "off", "--tls-cert", "a"], "--tls-port is off")):
        done = subprocess.run([leat_server.BINARY, "start", *words], capture_output=True,
                              text=True, timeout=20)
        assert done.returncode == 2 and wanted in done.stderr


# --- leat as a client ------------------------------------------------------------------------


def leat(*words, **environment):
    done = subprocess.run([leat_server.BINARY, *words], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def test_leat_cert(server, tmp_path):
    code, out, _ = leat("cert", "--data", server.data, "-o", "json")
    shown = json.loads(out)
    assert code == 0 and shown["file"] == str(server.certificate) and shown["self_signed"]
    assert {"localhost", "127.0.0.1", "::1", "*.us-east-1.localhost"} <= set(shown["names"])
    assert 790 < (shown["ends"] - time.time()) / 86400 < 825
    der = ssl.PEM_cert_to_DER_cert(server.certificate.read_text())
    assert shown["sha256"].replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    code, out, _ = leat("cert", "--data", server.data)
    assert code == 0 and f"export AWS_CA_BUNDLE={server.certificate}\n" in out
    code, _, err = leat("cert", "--data", str(tmp_path))
    assert code == 5 and "leat start makes it" in err
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "cert.pem").write_text("junk")
    code, _, err = leat("cert", "--data", str(tmp_path))
    assert code == 1 and "holds no certificate in PEM" in err


def test_the_command_line_over_https(server):
    where = {"LEAT_ENDPOINT": f"https://localhost:{server.tls_port}"}
    trust = {"LEAT_CA_BUNDLE": str(server.certificate)}
    code, _, err = leat("stream", "list", **where)
    assert code == 6 and "is not trusted" in err and "LEAT_CA_BUNDLE=FILE" in err
    code, _, err = leat("stream", "create", "by-cli", **where, **trust)
    assert code == 0, err
    code, out, _ = leat("stream", "list", "-o", "json", **where, AWS_CA_BUNDLE=trust["LEAT_CA_BUNDLE"])
    assert code == 0 and "by-cli" in out
    code, _, err = leat("stream", "list", **where, LEAT_CA_BUNDLE="/nowhere.pem")
    assert code == 6 and 'cannot read certificates from "/nowhere.pem"' in err
    code, out, _ = leat("env", **where, **trust)
    assert code == 0 and f"export AWS_CA_BUNDLE={server.certificate}\n" in out


KEYS = {"LEAT_ACCESS_KEY_ID": "their-key", "LEAT_SECRET_ACCESS_KEY": "hush-hush"}


def far_table(name, stream, url):
    return (f"CREATE TABLE {name} (a INT) WITH ('connector' = 'kinesis', 'stream' = '{stream}', "
            f"'aws.region' = 'us-east-1', 'format' = 'json', 'scan.stream.initpos' = 'TRIM_HORIZON', "
            f"'aws.endpoint' = '{url}', 'aws.credentials.basic.accesskeyid' = 'their-key', "
            "'aws.credentials.basic.secretkey' = 'hush-hush');\n")


def run_sql(server, text):
    done = subprocess.run([leat_server.BINARY, "sql"], input=text, capture_output=True, text=True,
                          timeout=30, env={**os.environ, "LEAT_ENDPOINT": server.endpoint})
    assert done.returncode == 0, done.stderr


def wait_until(check):
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.05)


def test_a_table_of_another_leat_over_https():
    """Source and sink, signed and verified, the other one's certificate trusted by its file."""
    other = TlsServer()
    other.environment = KEYS
    other.start()
    far = boto3.client("kinesis", endpoint_url=other.endpoint, region_name="us-east-1",
                       aws_access_key_id="their-key", aws_secret_access_key="hush-hush",
                       config=CONFIG)
    for name in ("in", "out"):
        far.create_stream(StreamName=name, ShardCount=1)
    far.put_records(StreamName="in", Records=[
        {"Data": json.dumps({"a": i}), "PartitionKey": "k"} for i in range(300)])
    near = leat_server.Server()
    near.environment = {"LEAT_CA_BUNDLE": str(other.certificate)}
    near.start()
    url = f"https://localhost:{other.tls_port}"
    run_sql(near, far_table("far_in", "in", url) + far_table("far_out", "out", url)
            + "INSERT INTO far_out SELECT a FROM far_in;\n")

    def rows():
        iterator = far.get_shard_iterator(StreamName="out", ShardId="shardId-000000000000",
                                          ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        return [json.loads(r["Data"])["a"] for r in far.get_records(ShardIterator=iterator)["Records"]]
    wait_until(lambda: len(rows()) >= 300)
    assert sorted(rows()) == list(range(300))
    near.stop()
    other.stop()


def test_a_table_of_ones_own_tls_port(server):
    """A leat trusts itself."""
    kinesis = client(server, "kinesis")
    for name in ("own-in", "own-out"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    url = f"https://localhost:{server.tls_port}"
    run_sql(server, far_table("own_in", "own-in", url) + far_table("own_out", "own-out", url)
            + "INSERT INTO own_out SELECT a FROM own_in;\n")
    kinesis.put_record(StreamName="own-in", Data=b'{"a": 7}', PartitionKey="k")
    iterator = kinesis.get_shard_iterator(StreamName="own-out", ShardId="shardId-000000000000",
                                          ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    wait_until(lambda: [r["Data"] for r in kinesis.get_records(ShardIterator=iterator)["Records"]]
               == [b'{"a":7}'])
