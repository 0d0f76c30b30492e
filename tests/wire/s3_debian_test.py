"""S3 as Debian's own clients see it: aws 2.9.19 and python3-boto3 1.26.27."""

import hashlib
import os
import subprocess
import uuid

import pytest

from kinesis_debian_test import AWS, ENVIRONMENT, PYTHON, debian_boto3, output_of

MIB = 1024 * 1024


@pytest.fixture
def aws(leat):
    if not output_of(AWS, "--version").startswith("aws-cli/2."):
        pytest.skip("Debian's awscli is not installed")

    def run(*args, timeout=300):
        command = [AWS, "--endpoint-url", leat.endpoint, *args]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def bucket(aws):
    name = f"deb_{uuid.uuid4().hex[:8]}"
    aws("s3", "mb", f"s3://{name}")
    return name


def write_random(path, bytes_wanted):
    """Returns the hash; one MiB of randomness, each time with another number in front."""
    block, digest = os.urandom(MIB - 8), hashlib.sha256()
    with open(path, "wb") as file:
        for i in range(bytes_wanted // MIB):
            piece = i.to_bytes(8, "big") + block
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resident_kib(server, what="VmRSS"):
    with open(f"/proc/{server.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what))


def there_and_back(aws, bucket, tmp_path, bytes_wanted):
    source, target = tmp_path / "in.bin", tmp_path / "out.bin"
    wanted = write_random(source, bytes_wanted)
    aws("s3", "cp", "--no-progress", str(source), f"s3://{bucket}/big.bin", timeout=580)
    source.unlink()
    aws("s3", "cp", "--no-progress", f"s3://{bucket}/big.bin", str(target), timeout=580)
    assert target.stat().st_size == bytes_wanted and hash_of(target) == wanted
    target.unlink()


def test_200_megabytes_in_bounded_memory(aws, bucket, tmp_path, leat):
    before = resident_kib(leat)
    with open(f"/proc/{leat.process.pid}/clear_refs", "w") as file:
        file.write("5")  # VmHWM begins anew.
    there_and_back(aws, bucket, tmp_path, 200 * MIB)
    grown = resident_kib(leat, "VmHWM") - before
    print(f"peak of resident memory: {grown} KiB above {before} KiB")
    assert grown < 32 * 1024


@pytest.mark.slow
def test_3_gigabytes(aws, bucket, tmp_path):
    there_and_back(aws, bucket, tmp_path, 3 * 1024 * MIB)


def test_ls_sync_mv_rm(aws, bucket, tmp_path):
    tree, back = tmp_path / "tree", tmp_path / "back"
    for name in ("a.txt", "sub/b & c.txt", "sub/deep/ü.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
        os.utime(tree / name, (1700000000, 1700000000))  # S3 tells times in whole seconds.
    aws("s3", "sync", str(tree), f"s3://{bucket}/t")
    assert aws("s3", "sync", str(tree), f"s3://{bucket}/t") == ""  # Nothing is new.
    aws("s3", "sync", f"s3://{bucket}/t", str(back))
    assert {p.relative_to(back).as_posix(): p.read_text() for p in back.rglob("*.txt")} == {
        n: n for n in ("a.txt", "sub/b & c.txt", "sub/deep/ü.txt")}
    listed = aws("s3", "ls", f"s3://{bucket}/t/")
    assert "PRE sub/" in listed and listed.rstrip().endswith("5 a.txt")
    listed = aws("s3", "ls", "--recursive", "--summarize", f"s3://{bucket}/")
    assert "t/sub/b & c.txt" in listed and "Total Objects: 3" in listed
    aws("s3", "mv", f"s3://{bucket}/t/a.txt", f"s3://{bucket}/moved.txt")
    aws("s3", "cp", f"s3://{bucket}/moved.txt", f"s3://{bucket}/copied.txt")
    assert aws("s3", "cp", f"s3://{bucket}/copied.txt", "-") == "a.txt"
    (tree / "a.txt").unlink()
    aws("s3", "sync", "--delete", str(tree / "sub"), f"s3://{bucket}/t/sub")
    aws("s3", "rm", "--recursive", f"s3://{bucket}/t")
    assert [line.split()[-1] for line in aws("s3", "ls", f"s3://{bucket}/").splitlines()] == ["copied.txt", "moved.txt"]
    assert bucket in aws("s3", "ls")
    aws("s3", "rb", "--force", f"s3://{bucket}")
    assert bucket not in aws("s3", "ls")


BOTO3_SCRIPT = """
import boto3, io, os, sys
from boto3.s3.transfer import TransferConfig
s3 = boto3.client("s3", endpoint_url=sys.argv[1])
bucket = sys.argv[2]
s3.create_bucket(Bucket=bucket)
body = os.urandom(11 << 20)
s3.upload_fileobj(io.BytesIO(body), bucket, "big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
out = io.BytesIO()
s3.download_fileobj(bucket, "big", out)
assert out.getvalue() == body
put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", Metadata={"a": "b"}, ChecksumAlgorithm="SHA256")
got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
assert got["Body"].read() == b"hello" and got["Metadata"] == {"a": "b"}
assert got["ChecksumSHA256"] == put["ChecksumSHA256"]
assert s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "p"})
print([o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]])
for o in boto3.resource("s3", endpoint_url=sys.argv[1]).Bucket(bucket).objects.all():
    o.delete()
s3.delete_bucket(Bucket=bucket)
"""


def test_boto3_of_debian(leat):
    if not debian_boto3().startswith("1.26.27 /usr/lib/python3"):
        pytest.skip("Debian's python3-boto3 1.26.27 is not installed")
    done = subprocess.run([PYTHON, "-c", BOTO3_SCRIPT, leat.endpoint, f"deb-{uuid.uuid4().hex[:8]}"],
                          env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['big', 'k']"
