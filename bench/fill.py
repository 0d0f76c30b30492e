"""fill.py PORT STREAM RECORDS: puts records of 1 KiB into a stream of one shard; prints an iterator at its beginning and how many
records one GetRecords of it answers. Plain HTTP, so that any server can be filled."""

import base64
import http.client
import json
import sys
import time

port, stream, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def call(operation, **members):
    connection.request("POST", "/", json.dumps(members), {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
                         "SignedHeaders=host;x-amz-date, Signature=0"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"{operation}: {answer.status} {body[:300]!r}")
    return json.loads(body) if body else {}


call("CreateStream", StreamName=stream, ShardCount=1)
while call("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
    time.sleep(0.1)
data = base64.b64encode(bytes(range(256)) * 4).decode()
for first in range(0, count, 250):
    records = [{"PartitionKey": f"key-{n}", "Data": data} for n in range(first, first + 250)]
    if call("PutRecords", StreamName=stream, Records=records)["FailedRecordCount"]:
        sys.exit("a record was refused")
shard = call("ListShards", StreamName=stream)["Shards"][0]["ShardId"]
iterator = call("GetShardIterator", StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
answer = call("GetRecords", ShardIterator=iterator, Limit=10000)
print(iterator, len(answer["Records"]))
