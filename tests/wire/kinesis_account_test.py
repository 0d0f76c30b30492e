"""Settings of an account, and what its commitment allows: warm throughput, more consumers."""

import datetime
import uuid

import pytest

import leat_server
import model_check
from conftest import make_client
from kinesis_test import failure, raw_error

DAY = datetime.timedelta(hours=24)
ON_DEMAND = {"StreamMode": "ON_DEMAND"}
PROVISIONED = {"StreamMode": "PROVISIONED"}


def client_of(server, account, region="us-east-1"):
    client = make_client(server, "kinesis", key=account, region=region)
    model_check.watch(client)
    return client


@pytest.fixture
def account():
    return f"{uuid.uuid4().int % 10**12:012d}"


@pytest.fixture
def kinesis(leat, account):
    return client_of(leat, account)


def describe(kinesis):
    return kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]


def update(kinesis, status):
    return kinesis.update_account_settings(
        MinimumThroughputBillingCommitment={"Status": status})["MinimumThroughputBillingCommitment"]


def summary(kinesis, name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def open_shards(kinesis, name):
    pages = kinesis.get_paginator("list_shards").paginate(StreamName=name, ShardFilter={"Type": "AT_LATEST"})
    shards = [s for page in pages for s in page["Shards"]]
    ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in shards)
    assert ranges[0][0] == 0 and ranges[-1][1] == 2**128 - 1
    assert all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:]))
    return len(shards)


def test_a_commitment_begins_and_lasts_for_a_day(kinesis):
    first = kinesis.describe_account_settings()
    assert first["MinimumThroughputBillingCommitment"] == {"Status": "DISABLED"} == update(kinesis, "DISABLED")
    begun = update(kinesis, "ENABLED")
    assert begun["Status"] == "ENABLED"
    assert begun["EarliestAllowedEndAt"] - begun["StartedAt"] == DAY
    assert abs(begun["StartedAt"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    assert "EndedAt" not in begun
    assert describe(kinesis) == begun == update(kinesis, "ENABLED")


def test_a_commitment_that_is_cancelled_early_goes_on_and_can_be_resumed(kinesis):
    answer = kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    begun = answer["MinimumThroughputBillingCommitment"]
    ending = update(kinesis, "DISABLED")
    assert ending == {**begun, "Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
                      "EndedAt": begun["EarliestAllowedEndAt"]}
    assert update(kinesis, "DISABLED") == ending == describe(kinesis)
    assert update(kinesis, "ENABLED") == begun == describe(kinesis)


def test_accounts_and_regions_are_apart(leat, account, kinesis):
    update(kinesis, "ENABLED")
    assert describe(client_of(leat, account, "eu-west-1")) == {"Status": "DISABLED"}
    other = f"{(int(account) + 1) % 10**12:012d}"
    assert describe(client_of(leat, other)) == {"Status": "DISABLED"}


def test_settings_that_are_wrong(leat):
    def problem(body):
        error = raw_error(leat, "UpdateAccountSettings", body)
        return error["__type"], error["message"]

    assert problem({}) == (
        "ValidationException", "1 validation error detected: Value null at 'minimumThroughputBillingCommitment' "
        "failed to satisfy constraint: Member must not be null")
    assert problem({"MinimumThroughputBillingCommitment": {}}) == (
        "ValidationException", "1 validation error detected: Value null at 'minimumThroughputBillingCommitment.status' "
        "failed to satisfy constraint: Member must not be null")
    assert problem({"MinimumThroughputBillingCommitment": {"Status": "ON"}}) == (
        "ValidationException", "1 validation error detected: Value 'ON' at 'minimumThroughputBillingCommitment.status' "
        "failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]")
    assert raw_error(leat, "UpdateAccountSettings",
                     {"MinimumThroughputBillingCommitment": "ENABLED"})["__type"] == "SerializationException"


def test_warm_throughput_is_a_shard_for_each_mebibyte(kinesis):
    update(kinesis, "ENABLED")
    kinesis.create_stream(StreamName="w", StreamModeDetails=ON_DEMAND, WarmThroughputMiBps=6)
    assert summary(kinesis, "w")["WarmThroughput"] == {"TargetMiBps": 6, "CurrentMiBps": 6}
    assert open_shards(kinesis, "w") == 6
    kinesis.put_records(StreamName="w", Records=[{"PartitionKey": str(i), "Data": b"%d" % i} for i in range(100)])
    for target, shards in ((17, 17), (17, 17), (5, 5), (1, 4), (0, 4), (7, 7)):
        before = summary(kinesis, "w")["OpenShardCount"]
        answer = kinesis.update_stream_warm_throughput(StreamName="w", WarmThroughputMiBps=target)
        assert answer["StreamName"] == "w" and answer["StreamARN"] == summary(kinesis, "w")["StreamARN"]
        assert answer["WarmThroughput"] == {**({"TargetMiBps": target} if target else {}), "CurrentMiBps": before}
        assert summary(kinesis, "w")["WarmThroughput"].get("TargetMiBps", 0) == target
        assert summary(kinesis, "w")["WarmThroughput"]["CurrentMiBps"] == shards == open_shards(kinesis, "w")
    found = set()
    for shard in kinesis.list_shards(StreamName="w")["Shards"]:
        it = kinesis.get_shard_iterator(StreamName="w", ShardId=shard["ShardId"],
                                        ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        found |= {r["Data"] for r in kinesis.get_records(ShardIterator=it)["Records"]}
    assert found == {b"%d" % i for i in range(100)}


def test_warm_throughput_that_is_refused(kinesis):
    kinesis.create_stream(StreamName="p", ShardCount=1)
    kinesis.create_stream(StreamName="d", StreamModeDetails=ON_DEMAND)
    assert "WarmThroughput" not in summary(kinesis, "d")  # The account has not committed.
    change = kinesis.update_stream_warm_throughput
    code, text = failure(change, StreamName="d", WarmThroughputMiBps=5)
    assert code == "InvalidArgumentException" and "MinimumThroughputBillingCommitment" in text
    code, text = failure(kinesis.create_stream, StreamName="x", StreamModeDetails=ON_DEMAND, WarmThroughputMiBps=5)
    assert code == "InvalidArgumentException" and "MinimumThroughputBillingCommitment" in text
    update(kinesis, "ENABLED")
    assert summary(kinesis, "d")["WarmThroughput"] == {"CurrentMiBps": 4}
    assert "WarmThroughput" not in summary(kinesis, "p")
    code, text = failure(change, StreamName="p", WarmThroughputMiBps=5)
    assert code == "ValidationException" and "PROVISIONED" in text
    assert failure(change, StreamName="d", WarmThroughputMiBps=10001)[0] == "LimitExceededException"
    assert failure(change, StreamName="no", WarmThroughputMiBps=5)[0] == "ResourceNotFoundException"
    assert failure(kinesis.create_stream, StreamName="x", ShardCount=1, WarmThroughputMiBps=5)[0] == "ValidationException"
    assert failure(kinesis.create_stream, StreamName="x", StreamModeDetails=ON_DEMAND,
                   WarmThroughputMiBps=10001)[0] == "LimitExceededException"
    assert kinesis.list_streams()["StreamNames"] == ["d", "p"]
    assert open_shards(kinesis, "d") == 4


def test_warm_throughput_comes_and_goes_with_the_mode(kinesis):
    update(kinesis, "ENABLED")
    kinesis.create_stream(StreamName="m", ShardCount=2)
    arn = summary(kinesis, "m")["StreamARN"]
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=ON_DEMAND, WarmThroughputMiBps=9)
    assert summary(kinesis, "m")["StreamModeDetails"] == ON_DEMAND
    assert summary(kinesis, "m")["WarmThroughput"] == {"TargetMiBps": 9, "CurrentMiBps": 9}
    code, text = failure(kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails=ON_DEMAND, WarmThroughputMiBps=8)
    assert code == "InvalidArgumentException" and "UpdateStreamWarmThroughput" in text
    assert failure(kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails=PROVISIONED,
                   WarmThroughputMiBps=8)[0] == "ValidationException"
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=PROVISIONED)
    assert "WarmThroughput" not in summary(kinesis, "m") and open_shards(kinesis, "m") == 9


def test_the_advantage_has_fifty_consumers_for_each_stream(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    kinesis = client_of(server, "111122223333")
    kinesis.create_stream(StreamName="d", StreamModeDetails=ON_DEMAND)
    arn = summary(kinesis, "d")["StreamARN"]
    register = kinesis.register_stream_consumer
    for i in range(20):
        register(StreamARN=arn, ConsumerName=f"c{i}")
    code, text = failure(register, StreamARN=arn, ConsumerName="more")
    assert code == "LimitExceededException" and "20" in text
    update(kinesis, "ENABLED")
    for i in range(20, 50):
        register(StreamARN=arn, ConsumerName=f"c{i}")
    code, text = failure(register, StreamARN=arn, ConsumerName="more")
    assert code == "LimitExceededException" and "50" in text
    server.stop()


def test_account_and_warm_throughput_survive_a_kill(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    kinesis = client_of(server, "111122223333")
    update(kinesis, "ENABLED")
    kept = update(kinesis, "DISABLED")
    kinesis.create_stream(StreamName="a", StreamModeDetails=ON_DEMAND, WarmThroughputMiBps=5)
    kinesis.create_stream(StreamName="b", StreamModeDetails=ON_DEMAND)
    kinesis.update_stream_warm_throughput(StreamName="b", WarmThroughputMiBps=6)
    server.kill()
    server.start()
    kinesis = client_of(server, "111122223333")
    assert describe(kinesis) == kept
    for name, target in (("a", 5), ("b", 6)):
        assert summary(kinesis, name)["WarmThroughput"] == {"TargetMiBps": target, "CurrentMiBps": target}
        assert open_shards(kinesis, name) == target
    server.stop()
