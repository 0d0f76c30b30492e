"""A Lambda handler as the users of the pipeline have one, written against AWS."""
import base64
import json
import os

import boto3
from aws_kinesis_agg.deaggregator import iter_deaggregate_records

cloudwatch = boto3.client("cloudwatch", region_name="eu-west-1")
sns = boto3.client("sns", region_name="eu-west-1")
topic_arn = os.environ["topic_arn"]


def lambda_handler(event, context):
    count = 0
    for record in iter_deaggregate_records(event["Records"]):
        count += 1
        try:
            accident = json.loads(base64.b64decode(record["kinesis"]["data"]))
            names = {"severity_accident": str(accident["Severity"]), "city_accident": accident["City"],
                     "county_accident": accident["County"]}
            cloudwatch.put_metric_data(
                Namespace=os.environ["cloudwatch_namespace"],
                MetricData=[{
                    "MetricName": os.environ["cloudwatch_metric"],
                    "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
                    "Unit": "Count", "Value": 1, "StorageResolution": 1,
                }],
            )
            if accident["Severity"] > 4:
                sns.publish(TopicArn=topic_arn, Message=str(accident),
                            Subject=f"Alert with Severity {accident['Severity']}!")
        except Exception as problem:
            print(problem)
    return f"Successfully processed {count} records."
