"""Kinesis as Debian's own clients see it: aws 2.9.19 and python3-boto3 1.26.27."""

import base64
import json
import subprocess
import uuid

import pytest

from debian import AWS, ENVIRONMENT, PYTHON, debian_boto3, output_of

@pytest.fixture
def aws(leat):
    if not output_of(AWS, "--version").startswith("aws-cli/2."):
        pytest.skip("Debian's awscli is not installed")

    def run(*args, check=True):
        command = [AWS, "--endpoint-url", leat.endpoint, "kinesis", *args]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    return run


def test_aws_command(aws):
    name = f"cli-{uuid.uuid4().hex[:8]}"
    assert aws("create-stream", "--stream-name", name, "--shard-count", "2") is None
    aws("wait", "stream-exists", "--stream-name", name)
    assert name in aws("list-streams")["StreamNames"]
    shards = aws("list-shards", "--stream-name", name)["Shards"]
    assert len(shards) == 2
    data = base64.b64encode(b"water").decode()
    put = aws(
        "put-record", "--stream-name", name, "--partition-key", "k", "--data", data,
        "--explicit-hash-key", "0",
    )
    assert put["ShardId"] == "shardId-000000000000"
    batch = aws(
        "put-records", "--stream-name", name, "--records",
        json.dumps([{"Data": data, "PartitionKey": "k", "ExplicitHashKey": "1"}] * 3),
    )
    assert batch["FailedRecordCount"] == 0 and len(batch["Records"]) == 3
    iterator = aws(
        "get-shard-iterator", "--stream-name", name, "--shard-id", put["ShardId"],
        "--shard-iterator-type", "TRIM_HORIZON",
    )["ShardIterator"]
    page = aws("get-records", "--shard-iterator", iterator)
    assert [base64.b64decode(r["Data"]) for r in page["Records"]] == [b"water"] * 4
    assert page["MillisBehindLatest"] == 0
    # As a shell passes on what --query printed.
    assert len(aws("get-records", "--shard-iterator", f'"{iterator}"')["Records"]) == 4
    aws("add-tags-to-stream", "--stream-name", name, "--tags", "team=water")
    tags = aws("list-tags-for-stream", "--stream-name", name)["Tags"]
    assert tags == [{"Key": "team", "Value": "water"}]
    aws(
        "increase-stream-retention-period", "--stream-name", name,
        "--retention-period-hours", "48",
    )
    summary = aws("describe-stream-summary", "--stream-name", name)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 48
    assert aws("describe-stream", "--stream-name", name)["StreamDescription"]["Shards"]
    aws("delete-stream", "--stream-name", name)
    failed = aws("describe-stream", "--stream-name", name, check=False)
    assert failed.returncode == 254
    assert "ResourceNotFoundException" in failed.stderr and name in failed.stderr


def test_consumers_with_the_aws_command(aws):
    """It has no subscribe-to-shard: AWS left it out."""
    name = f"cli-{uuid.uuid4().hex[:8]}"
    aws("create-stream", "--stream-name", name, "--shard-count", "1")
    arn = aws("describe-stream-summary", "--stream-name", name)["StreamDescriptionSummary"]["StreamARN"]
    made = aws("register-stream-consumer", "--stream-arn", arn, "--consumer-name", "c")["Consumer"]
    assert made["ConsumerARN"].startswith(f"{arn}/consumer/c:")
    listed = aws("list-stream-consumers", "--stream-arn", arn)["Consumers"]
    assert [c["ConsumerARN"] for c in listed] == [made["ConsumerARN"]]
    shown = aws("describe-stream-consumer", "--consumer-arn", made["ConsumerARN"])
    assert shown["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"
    failed = aws("delete-stream", "--stream-name", name, check=False)
    assert "ResourceInUseException" in failed.stderr
    aws("deregister-stream-consumer", "--stream-arn", arn, "--consumer-name", "c")
    aws("delete-stream", "--stream-name", name, "--enforce-consumer-deletion")


BOTO3_SCRIPT = """
import boto3, sys
client = boto3.client("kinesis", endpoint_url=sys.argv[1])
name = sys.argv[2]
client.create_stream(StreamName=name, ShardCount=1)
client.get_waiter("stream_exists").wait(StreamName=name)
client.put_records(StreamName=name, Records=[{"Data": b"%d" % i, "PartitionKey": "k"} for i in range(500)])
it = client.get_shard_iterator(StreamName=name, ShardId="shardId-000000000000",
                               ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
page = client.get_records(ShardIterator=it)
assert [r["Data"] for r in page["Records"]] == [b"%d" % i for i in range(500)], page
arn = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
made = client.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]
stream = client.subscribe_to_shard(ConsumerARN=made["ConsumerARN"], ShardId="shardId-000000000000",
                                   StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
client.put_record(StreamName=name, PartitionKey="k", Data=b"500")
pushed = []
for event in stream:
    pushed += [r["Data"] for r in event["SubscribeToShardEvent"]["Records"]]
    if len(pushed) >= 501:
        break
assert pushed == [b"%d" % i for i in range(501)], pushed
client.deregister_stream_consumer(ConsumerARN=made["ConsumerARN"])
try:
    client.create_stream(StreamName=name, ShardCount=1)
except client.exceptions.ResourceInUseException as e:
    print(e.response["Error"]["Message"])
client.delete_stream(StreamName=name)
"""


def test_boto3_of_debian(leat):
    if not debian_boto3().startswith("1.26.27 /usr/lib/python3"):
        pytest.skip("Debian's python3-boto3 1.26.27 is not installed")
    name = f"deb-{uuid.uuid4().hex[:8]}"
    done = subprocess.run(
        [PYTHON, "-c", BOTO3_SCRIPT, leat.endpoint, name],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"Stream {name} under account 000000000000 already exists."
