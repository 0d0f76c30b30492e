"""stream_client.py API put|get ENDPOINT STREAM KEYS ROUNDS, where API is boto3, boto3-kpl (reads aggregated records), boto3-lines (reads
lines of a log) or aws (the command line).

put: each round writes one record for each key, all acknowledged before the next begins, and prints "round N".
get: follows the shards from parents to children and prints "KEY ROUND" for each record, until all were seen; boto3-lines prints "SHARD KEY
ROUND".
Calls that fail are made again: the server may go away in between.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time

# The command line begins a process for each call.
DEADLINE = time.monotonic() + (800 if sys.argv[1] == "aws" else 240)


def persist(call):
    while True:
        try:
            return call()
        except Exception as error:
            if time.monotonic() > DEADLINE:
                raise
            print(f"again: {error}", file=sys.stderr)
            time.sleep(0.1)


class Boto3:
    # After a pass that saw fewer new records, it waits.
    few, wait_seconds = 1, 0.02

    def __init__(self, endpoint, stream):
        import boto3

        self.stream = stream
        self.client = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1",
                                   aws_access_key_id="test", aws_secret_access_key="test")

    def put(self, entries):
        records = [{"PartitionKey": key, "Data": data.encode()} for key, data in entries]
        answer = self.client.put_records(StreamName=self.stream, Records=records)
        return [i for i, record in enumerate(answer["Records"]) if "ErrorCode" in record]

    def shards(self):
        return self.client.list_shards(StreamName=self.stream)["Shards"]

    def iterator(self, shard):
        return self.client.get_shard_iterator(StreamName=self.stream, ShardId=shard,
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]

    def get(self, iterator):
        answer = self.client.get_records(ShardIterator=iterator)
        entries = [(record["PartitionKey"], record["Data"].decode()) for record in answer["Records"]]
        return entries, answer.get("NextShardIterator"), answer.get("ChildShards", [])

    def show(self, shard, key, data):
        assert data.startswith(key + " "), (key, data)
        return data


class Boto3Lines(Boto3):
    """What follows log files sends lines, and makes partition keys up."""

    def show(self, shard, key, data):
        assert data.endswith("\n"), data
        return f"{shard} {data[:-1]}"


class Boto3Kpl(Boto3):
    """Takes the records of the Kinesis Producer Library apart."""

    def get(self, iterator):
        from aws_kinesis_agg.deaggregator import iter_deaggregate_records

        answer = self.client.get_records(ShardIterator=iterator)
        entries = []
        for record in answer["Records"]:
            lambda_form = {"eventVersion": "1.0", "eventID": record["SequenceNumber"],
                           "kinesis": {"kinesisSchemaVersion": "1.0", "sequenceNumber": record["SequenceNumber"],
                                       "partitionKey": record["PartitionKey"], "approximateArrivalTimestamp": 0,
                                       "data": base64.b64encode(record["Data"]).decode()}}
            for user_record in iter_deaggregate_records([lambda_form]):
                user_record = user_record["kinesis"]
                entries.append((user_record["partitionKey"], base64.b64decode(user_record["data"]).decode()))
        return entries, answer.get("NextShardIterator"), answer.get("ChildShards", [])


class AwsCommand:
    # Pages are worth a process when they are long.
    few, wait_seconds = 10_000, 5
    show = Boto3.show

    def __init__(self, endpoint, stream):
        self.endpoint = endpoint
        self.stream = stream
        # Version 1 takes data in JSON as text, version 2 in base64.
        version = subprocess.run([os.environ.get("AWS_COMMAND", "aws"), "--version"], capture_output=True, text=True)
        self.is_second = "aws-cli/2" in version.stdout

    def run(self, *arguments):
        done = subprocess.run(
            [os.environ.get("AWS_COMMAND", "aws"), "--endpoint-url", self.endpoint, "--output", "json", "kinesis",
             *arguments],
            capture_output=True, text=True, timeout=60,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                 "AWS_DEFAULT_REGION": "us-east-1"})
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return json.loads(done.stdout)

    def put(self, entries):
        encode = (lambda data: base64.b64encode(data.encode()).decode()) if self.is_second else str
        records = [{"PartitionKey": key, "Data": encode(data)} for key, data in entries]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"StreamName": self.stream, "Records": records}, file)
            file.flush()
            binary = ["--cli-binary-format", "base64"] if self.is_second else []
            answer = self.run("put-records", *binary, "--cli-input-json", f"file://{file.name}")
        return [i for i, record in enumerate(answer["Records"]) if "ErrorCode" in record]

    def shards(self):
        return self.run("list-shards", "--stream-name", self.stream)["Shards"]

    def iterator(self, shard):
        return self.run("get-shard-iterator", "--stream-name", self.stream, "--shard-id", shard,
                        "--shard-iterator-type", "TRIM_HORIZON")["ShardIterator"]

    def get(self, iterator):
        answer = self.run("get-records", "--shard-iterator", iterator)
        entries = [(record["PartitionKey"], base64.b64decode(record["Data"]).decode()) for record in answer["Records"]]
        return entries, answer.get("NextShardIterator"), answer.get("ChildShards", [])


def write(stream, keys, rounds):
    for number in range(rounds):
        left = [(f"key-{key}", f"key-{key} {number}") for key in range(keys)]
        while left:
            batch = left
            refused = persist(lambda: stream.put(batch))
            left = [batch[i] for i in refused]
        print(f"round {number}", flush=True)


def read(stream, wanted):
    iterators, done, seen = {}, set(), set()
    while len(seen) < wanted:
        if time.monotonic() > DEADLINE:
            sys.exit(f"saw {len(seen)} of {wanted} records")
        begin(stream, iterators, done)
        before = len(seen)
        for shard in list(iterators):
            entries, following, children = persist(lambda: stream.get(iterators[shard]))
            for key, data in entries:
                print(stream.show(shard, key, data))
                seen.add(data)
            assert (following is None) == bool(children), (shard, following, children)
            if following is None:
                del iterators[shard]
                done.add(shard)
            else:
                iterators[shard] = following
        if len(seen) < min(before + stream.few, wanted):
            time.sleep(stream.wait_seconds)


def begin(stream, iterators, done):
    """Shards whose parents are read to the end may begin."""
    shards = persist(stream.shards)
    listed = {shard["ShardId"] for shard in shards}
    for shard in shards:
        name = shard["ShardId"]
        parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} & listed
        if name not in done and name not in iterators and parents <= done:
            iterators[name] = persist(lambda: stream.iterator(name))


def main():
    api, mode, endpoint, name, keys, rounds = sys.argv[1:]
    stream = {"boto3": Boto3, "boto3-kpl": Boto3Kpl, "boto3-lines": Boto3Lines, "aws": AwsCommand}[api](endpoint, name)
    if mode == "put":
        write(stream, int(keys), int(rounds))
    else:
        read(stream, int(keys) * int(rounds))


main()
