"""The calls of the founding project's handler: metrics for each record, a mail above Severity 4.

Written after its description: the same clients, arguments and habits (errors are printed and swallowed).
"""

import datetime
import json
import os
import subprocess
import sys
import urllib.request

from conftest import make_client

REGION = "eu-west-1"
HANDLER = """
import base64, json, os
import boto3
cloudwatch = boto3.client('cloudwatch', 'eu-west-1')
sns = boto3.client('sns', 'eu-west-1')
topic_arn = os.environ['topic_arn']

def lambda_handler(event, context):
    for record in event['Records']:
        try:
            document = json.loads(base64.b64decode(record['kinesis']['data']))
            cloudwatch.put_metric_data(
                Namespace=os.environ['cloudwatch_namespace'],
                MetricData=[{
                    'MetricName': os.environ['cloudwatch_metric'],
                    'Dimensions': [
                        {'Name': 'severity_accident', 'Value': str(document['Severity'])},
                        {'Name': 'city_accident', 'Value': document['City']},
                        {'Name': 'county_accident', 'Value': document['County']},
                    ],
                    'Unit': 'Count', 'Value': 1, 'StorageResolution': 1,
                }])
            if document['Severity'] > 4:
                sns.publish(TopicArn=topic_arn, Message=str(document),
                            Subject='Alert with Severity ' + str(document['Severity']) + '!')
        except Exception as e:
            print(e)
    return 'Successfully processed {} records.'.format(len(event['Records']))

rows = json.loads(os.environ['rows'])
print(lambda_handler({'Records': [{'kinesis': {'data': base64.b64encode(json.dumps(r).encode())}} for r in rows]}, None))
"""


def test_handler(leat):
    sns = make_client(leat, "sns", REGION)
    topic = sns.create_topic(Name="us-accidents-sns-topic-1")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ops@example.com")
    inbox = lambda: json.load(urllib.request.urlopen(
        f"{leat.endpoint}/_aws/sns/inbox?region={REGION}&limit=20", timeout=10))["messages"]
    link = json.loads(next(m for m in inbox() if m["topic_arn"] == topic)["body"])["SubscribeURL"]
    urllib.request.urlopen(link, timeout=10)
    row = lambda severity, city: {"ID": "A-1", "Severity": severity, "City": city, "County": "Montgomery"}
    rows = [row(5, "Dayton"), row(3, "Dayton"), row(5, ""), row("5", "Dayton")]
    environment = {**os.environ, "AWS_ENDPOINT_URL": leat.endpoint, "AWS_ACCESS_KEY_ID": "test",
                   "AWS_SECRET_ACCESS_KEY": "test", "topic_arn": topic, "rows": json.dumps(rows),
                   "cloudwatch_namespace": "accidents_reports_namespace",
                   "cloudwatch_metric": "us_accidents_severity_high"}
    done = subprocess.run([sys.executable, "-c", HANDLER], env=environment, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[-1] == "Successfully processed 4 records."
    assert "Invalid length for parameter MetricData[0].Dimensions[1].Value" in done.stdout
    assert any("'>' not supported" in line for line in printed)
    mails = [m for m in inbox() if m["topic_arn"] == topic]
    assert [m["subject"] for m in mails] == ["Alert with Severity 5!", "AWS Notification - Subscription Confirmation"]
    assert json.loads(mails[0]["body"])["Message"] == str(rows[0])
    cw = make_client(leat, "cloudwatch", REGION)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1)
    sums = {}
    for severity in "35":
        points = cw.get_metric_statistics(
            Namespace="accidents_reports_namespace", MetricName="us_accidents_severity_high", Statistics=["Sum"],
            Dimensions=[{"Name": "severity_accident", "Value": severity}, {"Name": "city_accident", "Value": "Dayton"},
                        {"Name": "county_accident", "Value": "Montgomery"}],
            StartTime=end - datetime.timedelta(minutes=10), EndTime=end, Period=1)["Datapoints"]
        sums[severity] = sum(p["Sum"] for p in points)
    assert sums == {"3": 1, "5": 2}
