"""CloudWatch, SNS and STS as Debian's own clients see them: aws 2.9.19 and python3-boto3 1.26.27."""

import json
import subprocess
import urllib.request
import uuid

import pytest

from debian import AWS, ENVIRONMENT, PYTHON, debian_boto3, output_of


@pytest.fixture
def aws(leat):
    if not output_of(AWS, "--version").startswith("aws-cli/2."):
        pytest.skip("Debian's awscli is not installed")

    def run(*args, check=True):
        command = [AWS, "--endpoint-url", leat.endpoint, "--region", "eu-west-3", "--output", "json", *args]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_cloudwatch_of_the_aws_command(aws):
    space = f"ns-{uuid.uuid4().hex[:8]}"
    put = ("cloudwatch", "put-metric-data", "--namespace", space, "--metric-name", "accidents", "--unit", "Count",
           "--dimensions", "severity=4,city=Dayton", "--value")
    assert aws(*put, "2") is None
    aws(*put, "3")
    metrics = aws("cloudwatch", "list-metrics", "--namespace", space)["Metrics"]
    assert metrics[0]["Dimensions"] == [{"Name": "city", "Value": "Dayton"}, {"Name": "severity", "Value": "4"}]
    times = ("--start-time", "2026-01-01T00:00:00Z", "--end-time", "2126-01-01T00:00:00Z")
    points = aws("cloudwatch", "get-metric-statistics", "--namespace", space, "--metric-name", "accidents",
                 "--dimensions", "Name=severity,Value=4", "Name=city,Value=Dayton", "--period", "31536000",
                 "--statistics", "Sum", "SampleCount", *times)["Datapoints"]
    assert (points[0]["Sum"], points[0]["SampleCount"], points[0]["Unit"]) == (5, 2, "Count")
    queries = [{"Id": "m", "Expression": f"SEARCH('{{{space},severity,city}} accidents', 'Sum', 31536000)"}]
    results = aws("cloudwatch", "get-metric-data", "--metric-data-queries", json.dumps(queries), *times)
    assert results["MetricDataResults"][0]["Values"] == [5]
    failed = aws("cloudwatch", "describe-alarms", check=False)
    assert failed.returncode == 254 and "DescribeAlarms" in failed.stderr and "not supported" in failed.stderr


def test_sns_of_the_aws_command(leat, aws):
    topic = aws("sns", "create-topic", "--name", f"t-{uuid.uuid4().hex[:8]}", "--tags", "Key=a,Value=b")["TopicArn"]
    assert aws("sns", "subscribe", "--topic-arn", topic, "--protocol", "email-json", "--notification-endpoint",
               "ops@example.com") == {"SubscriptionArn": "pending confirmation"}
    read = lambda: json.load(urllib.request.urlopen(f"{leat.endpoint}/_aws/sns/inbox?region=eu-west-3", timeout=10))
    token = json.loads(read()["messages"][0]["body"])["Token"]
    arn = aws("sns", "confirm-subscription", "--topic-arn", topic, "--token", token)["SubscriptionArn"]
    assert aws("sns", "publish", "--topic-arn", topic, "--message", "hello", "--subject", "Hi", "--message-attributes",
               '{"a": {"DataType": "String", "StringValue": "b"}}')["MessageId"]
    document = json.loads(read()["messages"][0]["body"])
    assert document["Message"] == "hello" and document["MessageAttributes"]["a"]["Value"] == "b"
    assert aws("sns", "list-subscriptions-by-topic", "--topic-arn", topic)["Subscriptions"][0]["SubscriptionArn"] == arn
    assert aws("sns", "get-topic-attributes", "--topic-arn", topic)["Attributes"]["SubscriptionsConfirmed"] == "1"
    assert aws("sns", "list-tags-for-resource", "--resource-arn", topic)["Tags"] == [{"Key": "a", "Value": "b"}]
    aws("sns", "unsubscribe", "--subscription-arn", arn)
    aws("sns", "delete-topic", "--topic-arn", topic)
    failed = aws("sns", "publish", "--topic-arn", topic, "--message", "x", check=False)
    assert failed.returncode == 254 and "(NotFound)" in failed.stderr


def test_sts_of_the_aws_command(aws):
    assert aws("sts", "get-caller-identity") == {
        "UserId": "000000000000", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root"}


BOTO3_SCRIPT = """
import boto3, datetime, sys
space = sys.argv[2]
cw = boto3.client("cloudwatch", endpoint_url=sys.argv[1], region_name="eu-west-3")
data = [{"MetricName": "m", "Dimensions": [{"Name": "n", "Value": str(i)}], "Value": i} for i in range(1000)]
cw.put_metric_data(Namespace=space, MetricData=data)
pages = cw.get_paginator("list_metrics").paginate(Namespace=space)
assert sum(len(p["Metrics"]) for p in pages) == 1000
end = datetime.datetime.utcnow() + datetime.timedelta(minutes=1)
query = {"Id": "a", "Expression": "SUM(SEARCH('{%s,n} n=\\"7\\" OR n=\\"8\\"', 'Sum', 60))" % space}
got = cw.get_metric_data(MetricDataQueries=[query], StartTime=end - datetime.timedelta(minutes=9), EndTime=end)
assert sum(got["MetricDataResults"][0]["Values"]) == 15, got
try:
    cw.put_metric_data(Namespace=space, MetricData=[{"MetricName": "m", "Value": 1, "Values": [1.0]}])
except cw.exceptions.InvalidParameterCombinationException as e:
    print(e.response["Error"]["Code"])
sns = boto3.client("sns", endpoint_url=sys.argv[1], region_name="eu-west-3")
topic = sns.create_topic(Name=space)["TopicArn"]
batch = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "a", "Message": "x"}])
assert [e["Id"] for e in batch["Successful"]] == ["a"], batch
try:
    sns.publish(TopicArn=topic, Message="x", Subject="a\\r\\nBcc: b@c")
except sns.exceptions.InvalidParameterException as e:
    print(e.response["Error"]["Code"])
"""


def test_boto3_of_debian(leat):
    if not debian_boto3().startswith("1.26.27 /usr/lib/python3"):
        pytest.skip("Debian's python3-boto3 1.26.27 is not installed")
    done = subprocess.run([PYTHON, "-W", "ignore", "-c", BOTO3_SCRIPT, leat.endpoint, f"n-{uuid.uuid4().hex[:8]}"],
                          env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["InvalidParameterCombination", "InvalidParameter"]
