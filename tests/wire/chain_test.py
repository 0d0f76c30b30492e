"""The whole chain with programs written against AWS: S3 object, boto3 producer, Flink SQL, Lambda handler with KPL
de-aggregation, metrics, mail. They find leat through AWS_ENDPOINT_URL alone.
"""

import base64
import csv
import importlib
import io
import json
import os
import subprocess
import sys
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import aws_kinesis_agg.aggregator
import pytest

import leat_server
from conftest import make_client
from founding_test import FOUNDING, ONE, TWO, make_streams, read_all, sql, wait_until

PROGRAMS = Path(__file__).parent / "programs"
BUCKET, KEY = "us-accidents-raw-us_east_1-dev", "raw_us-accidents/US_Accidents_dataset.csv"
ROWS = [
    # ID, Severity, weather time, City, County
    ("A-1", "2", "2016-02-08 05:58:00", "Dayton", "Montgomery"),
    ("A-2", "3", "2016-02-08 05:58:00", "Reynoldsburg", "Franklin"),
    ("A-3", "4", "", "Williamsburg", "Clermont"),  # The producer loses it: no time to parse.
    ("A-4", "4", "2016-02-08 06:58:00.5", 'Saint "Ana", West', "Orange"),
]


def dataset():
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["ID", "Severity", "Start_Time", "End_Time", "Description", "City", "County",
                     "Weather_Timestamp", "Bump"])
    for id_, severity, weather, city, county in ROWS:
        writer.writerow([id_, severity, "2016-02-08 05:46:00", "2016-02-08 11:00:00", "Accident on I-70", city,
                         county, weather, "False"])
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def server():
    server = leat_server.Server().start()
    yield server
    server.stop()


@pytest.fixture
def environment(server, monkeypatch):
    for name, value in {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": "test",
                        "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)


def produce(server):
    s3 = make_client(server, "s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=dataset())
    done = subprocess.run([sys.executable, PROGRAMS / "simulator.py", BUCKET, KEY, ONE], capture_output=True,
                          text=True, env=os.environ, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def inbox(server):
    with urllib.request.urlopen(f"{server.endpoint}/_aws/sns/inbox?region=eu-west-1", timeout=10) as answer:
        return json.load(answer)["messages"]


def subscribed_topic(server):
    sns = make_client(server, "sns", "eu-west-1")
    topic = sns.create_topic(Name="us-accidents-sns-topic-1")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ops@example.com")
    wait_until(lambda: inbox(server))
    sns.confirm_subscription(TopicArn=topic, Token=json.loads(inbox(server)[0]["body"])["Token"])
    return topic


def load_handler(topic, monkeypatch):
    for name, value in {"topic_arn": topic, "cloudwatch_namespace": "accidents_reports_namespace",
                        "cloudwatch_metric": "us_accidents_severity_high"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    return importlib.import_module("handler").lambda_handler


def event_of(key, data):
    return {"Records": [{"eventSource": "aws:kinesis",
                         "kinesis": {"partitionKey": key, "sequenceNumber": "1", "kinesisSchemaVersion": "1.0",
                                     "approximateArrivalTimestamp": 1545084650.987,
                                     "data": base64.b64encode(data).decode()}}]}


def test_the_chain(server, environment, monkeypatch):
    kinesis = make_client(server, "kinesis")
    make_streams(kinesis)
    assert sql(server, FOUNDING)[-1]["type"] == "done"

    printed = produce(server)
    assert [line.startswith("shardId-") for line in printed] == [True, True, False, True]
    assert printed[2].startswith("Error: ")
    wait_until(lambda: len(read_all(kinesis, TWO)) == 2)

    # An aggregate of the producer library and an alert, put into stream 2 by somebody else.
    aggregate = aws_kinesis_agg.aggregator.RecordAggregator()
    for number in (5, 3):
        aggregate.add_user_record(str(number), json.dumps(
            {"ID": f"K-{number}", "Severity": number, "City": "Dayton", "County": "Montgomery"}).encode())
    key, _, data = aggregate.clear_and_get().get_contents()
    kinesis.put_record(StreamName=TWO, PartitionKey=key, Data=data)

    topic = subscribed_topic(server)
    handle = load_handler(topic, monkeypatch)
    answers = [handle(event_of(key, data), None) for _, key, data in read_all(kinesis, TWO)]
    assert sorted(answers) == ["Successfully processed 1 records."] * 2 + ["Successfully processed 2 records."]

    cloudwatch = make_client(server, "cloudwatch", "eu-west-1")
    now = datetime.now(timezone.utc)
    metrics = cloudwatch.list_metrics(Namespace="accidents_reports_namespace")["Metrics"]
    assert len(metrics) == 4
    for metric in metrics:
        points = cloudwatch.get_metric_statistics(
            Namespace=metric["Namespace"], MetricName=metric["MetricName"], Dimensions=metric["Dimensions"],
            StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1), Period=60,
            Statistics=["Sum"])["Datapoints"]
        assert sum(point["Sum"] for point in points) == 1

    def mail():
        return [json.loads(m["body"]) for m in inbox(server) if "Alert" in m["body"]]

    wait_until(mail)
    assert mail()[0]["Subject"] == "Alert with Severity 5!"
    assert "'ID': 'K-5'" in mail()[0]["Message"]
    # What is in S3 is what was put there.
    body = make_client(server, "s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    assert body == dataset()
