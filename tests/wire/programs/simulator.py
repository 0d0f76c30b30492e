"""A producer as the users of the pipeline have one: no endpoint, no retry, everything in memory.

It stands for programs that were written against AWS and know nothing of leat. Arguments: bucket, key, stream.
"""
import csv
import json
import sys
from datetime import datetime

import boto3
from dateutil import parser

TIMES = ("Start_Time", "End_Time", "Weather_Timestamp")


def rows(bucket, key):
    body = boto3.resource("s3", region_name="us-east-1").Object(bucket, key).get()["Body"].read()
    yield from csv.DictReader(body.decode("utf-8").split("\n"))


def main(bucket, key, stream):
    kinesis = boto3.client("kinesis", region_name="us-east-1")
    for row in rows(bucket, key):
        try:
            for name in TIMES:
                row[name] = parser.parse(row[name]).isoformat()
            row["Txn_Timestamp"] = datetime.now().isoformat()
            answer = kinesis.put_record(StreamName=stream, Data=json.dumps(row, indent=4), PartitionKey=row["Severity"])
            print(answer["ShardId"], answer["SequenceNumber"])
        except Exception as problem:
            print(f"Error: {problem}")


main(*sys.argv[1:])
