"""DynamoDB as Debian's own clients see it: aws 2.9.19 and python3-boto3 1.26.27; over HTTP/2 too."""

import json
import shutil
import subprocess

import pytest

from debian import AWS, ENVIRONMENT, PYTHON, debian_boto3, output_of
from s3_test import SIGNED


@pytest.fixture
def aws(leat):
    if not output_of(AWS, "--version").startswith("aws-cli/2."):
        pytest.skip("Debian's awscli is not installed")

    def run(*args, check=True):
        command = [AWS, "--endpoint-url", leat.endpoint, "--region", "eu-west-3", "--output", "json", "dynamodb", *args]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_the_aws_command(aws):
    aws("create-table", "--table-name", "debian", "--key-schema", "AttributeName=h,KeyType=HASH", "--attribute-definitions",
        "AttributeName=h,AttributeType=S", "--billing-mode", "PAY_PER_REQUEST")
    aws("wait", "table-exists", "--table-name", "debian")
    aws("put-item", "--table-name", "debian", "--item", '{"h": {"S": "a"}, "n": {"N": "1"}}')
    got = aws("update-item", "--table-name", "debian", "--key", '{"h": {"S": "a"}}', "--update-expression", "ADD n :one",
              "--expression-attribute-values", '{":one": {"N": "1"}}', "--return-values", "ALL_NEW")
    assert got["Attributes"] == {"h": {"S": "a"}, "n": {"N": "2"}}
    failed = aws("put-item", "--table-name", "debian", "--item", '{"h": {"S": "a"}}', "--condition-expression",
                 "attribute_not_exists(h)", check=False)
    assert failed.returncode == 254 and "ConditionalCheckFailedException" in failed.stderr
    assert aws("scan", "--table-name", "debian")["Count"] == 1
    aws("delete-table", "--table-name", "debian")


PROGRAM = """
import boto3, sys
d = boto3.resource("dynamodb", endpoint_url=sys.argv[1], region_name="eu-west-3")
t = d.create_table(TableName="old", KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
                   AttributeDefinitions=[{"AttributeName": "h", "AttributeType": "N"}], BillingMode="PAY_PER_REQUEST")
t.wait_until_exists()
with t.batch_writer() as w:
    for i in range(30):
        w.put_item(Item={"h": i, "s": {"x", "y"}})
print(len(t.scan()["Items"]), t.get_item(Key={"h": 7})["Item"]["s"] == {"x", "y"})
t.delete()
"""


def test_boto3_of_debian(leat):
    if not debian_boto3().startswith("1.26."):
        pytest.skip("Debian's python3-boto3 is not installed")
    done = subprocess.run([PYTHON, "-c", PROGRAM, leat.endpoint], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["30", "True"], done.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_http2(leat):
    command = ["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version}", leat.endpoint, "-d", "{}",
               "-H", "X-Amz-Target: DynamoDB_20120810.ListTables", "-H", "Content-Type: application/x-amz-json-1.0",
               "-H", "Authorization: " + SIGNED.replace("/s3/", "/dynamodb/")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout.startswith('{"TableNames":[') and done.stdout.endswith("}2")
