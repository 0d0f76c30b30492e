#!/usr/bin/env python3
"""From the call of PutRecord into stream 1 to the row readable in stream 2 (founding SQL), at low load.

One client puts a row, then reads stream 2 until it is there; 20 ms later the next one. Prints percentiles of the
whole way and of PutRecord alone. Usage: bench/latency.py ENDPOINT [rows]
"""
import base64
import http.client
import json
import sys
import time
from urllib.parse import urlsplit

SIGNED = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0",
}


class Kinesis:
    def __init__(self, endpoint):
        self.connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)

    def __call__(self, operation, **body):
        headers = {**SIGNED, "X-Amz-Target": f"Kinesis_20131202.{operation}"}
        self.connection.request("POST", "/", json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{operation}: {text.decode()}")
        return json.loads(text) if text else {}


def row(number):
    document = {"ID": f"A-{number}", "Severity": "4", "Start_Time": "2016-02-08T05:46:00", "City": "Testville",
                "County": "Example", "Description": "x" * 800, "Txn_Timestamp": "2026-11-26T10:00:00.123456"}
    return base64.b64encode(json.dumps(document, indent=4).encode()).decode()


def percentiles(name, times):
    times = sorted(times)
    at = [times[min(int(len(times) * p), len(times) - 1)] * 1000 for p in (0.5, 0.9, 0.99)]
    print(f"{name}: p50 {at[0]:.2f} ms, p90 {at[1]:.2f} ms, p99 {at[2]:.2f} ms, most {times[-1] * 1000:.2f} ms")


def main():
    kinesis = Kinesis(sys.argv[1])
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    out = "us-accidents-data-stream-2"
    iterators = [kinesis("GetShardIterator", StreamName=out, ShardId=s["ShardId"],
                         ShardIteratorType="LATEST")["ShardIterator"]
                 for s in kinesis("ListShards", StreamName=out)["Shards"]]
    puts, whole, home = [], [], None
    for number in range(rows):
        start = time.perf_counter()
        kinesis("PutRecord", StreamName="us-accidents-data-stream-1", PartitionKey="4", Data=row(number))
        puts.append(time.perf_counter() - start)
        found = False
        while not found:
            for i in [home] if home is not None else range(len(iterators)):
                page = kinesis("GetRecords", ShardIterator=iterators[i])
                iterators[i] = page["NextShardIterator"]
                if page["Records"]:
                    found, home = True, i
        whole.append(time.perf_counter() - start)
        time.sleep(0.02)
    percentiles("PutRecord acknowledged", puts)
    percentiles("readable in stream 2  ", whole)


if __name__ == "__main__":
    main()
