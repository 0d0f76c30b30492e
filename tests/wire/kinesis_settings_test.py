"""What of a stream changes during its life: mode, largest record, encryption, monitoring, policies."""

import json
import uuid

import pytest

import leat_server
from conftest import make_client
from kinesis_test import failure, raw_error

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kinesis:GetRecords", "Resource": "*"}]})


@pytest.fixture(scope="module")
def kinesis(leat):
    return make_client(leat, "kinesis")


@pytest.fixture
def arn(kinesis):
    name = f"s-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield summary(kinesis, StreamName=name)["StreamARN"]
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def summary(kinesis, **kwargs):
    return kinesis.describe_stream_summary(**kwargs)["StreamDescriptionSummary"]


def set_mode(kinesis, arn, mode, **kwargs):
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": mode}, **kwargs)


def test_the_mode_changes_twice_a_day(kinesis, arn):
    for mode in ("ON_DEMAND", "ON_DEMAND", "PROVISIONED"):  # The same again does not count.
        set_mode(kinesis, arn, mode)
        assert summary(kinesis, StreamARN=arn)["StreamModeDetails"] == {"StreamMode": mode}
    code, message = failure(kinesis.update_stream_mode, StreamARN=arn,
                            StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert code == "LimitExceededException" and "24 hours" in message


def test_an_on_demand_stream_keeps_its_shards_and_is_not_split(kinesis, arn):
    set_mode(kinesis, arn, "ON_DEMAND")
    assert summary(kinesis, StreamARN=arn)["OpenShardCount"] == 1
    assert failure(kinesis.update_shard_count, StreamARN=arn, TargetShardCount=2,
                   ScalingType="UNIFORM_SCALING")[0] == "ValidationException"


def test_the_largest_record(leat, kinesis, arn):
    def put(size):
        kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"x" * (size - 1))

    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=2048)
    assert summary(kinesis, StreamARN=arn)["MaxRecordSizeInKiB"] == 2048
    put(2 << 20)
    assert failure(put, size=(2 << 20) + 1)[0] == "InvalidArgumentException"
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=1024)
    assert failure(put, size=(1 << 20) + 1)[0] == "InvalidArgumentException"
    for wrong in (1023, 10241):
        body = {"StreamARN": arn, "MaxRecordSizeInKiB": wrong}
        assert raw_error(leat, "UpdateMaxRecordSize", body)["__type"] == "ValidationException"


def test_encryption_again_is_no_error(kinesis, arn):
    for key in ("alias/one", "alias/two", "alias/two"):  # AWS: "enables or updates".
        kinesis.start_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId=key)
        assert summary(kinesis, StreamARN=arn)["KeyId"] == key
    for _ in range(2):
        kinesis.stop_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId="alias/another")
        assert summary(kinesis, StreamARN=arn)["EncryptionType"] == "NONE"
    for call in (kinesis.start_stream_encryption, kinesis.stop_stream_encryption):
        code, _ = failure(call, StreamARN=arn, EncryptionType="NONE", KeyId="alias/one")
        assert code == "InvalidArgumentException"


def test_encryption_is_shown_wherever_records_are(kinesis, arn):
    name = arn.split("/")[1]
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    shown = kinesis.describe_stream(StreamARN=arn)["StreamDescription"]
    assert (shown["EncryptionType"], shown["KeyId"]) == ("KMS", "alias/aws/kinesis")
    one = kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"1")
    many = kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": b"2"}])
    assert one["EncryptionType"] == many["EncryptionType"] == "KMS"
    iterator = kinesis.get_shard_iterator(StreamARN=arn, ShardId=one["ShardId"],
                                          ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    rows = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [row["EncryptionType"] for row in rows] == ["KMS", "KMS"]
    assert failure(kinesis.stop_stream_encryption, StreamARN=arn, EncryptionType="NONE",
                   KeyId="k")[0] == "InvalidArgumentException"
    kinesis.stop_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    shown = summary(kinesis, StreamARN=arn)
    assert shown["EncryptionType"] == "NONE" and "KeyId" not in shown
    assert "EncryptionType" not in kinesis.put_record(StreamARN=arn, PartitionKey="k", Data=b"3")


def test_monitoring(kinesis, arn):
    answer = kinesis.enable_enhanced_monitoring(
        StreamARN=arn, ShardLevelMetrics=["OutgoingBytes", "IncomingBytes"])
    assert answer["CurrentShardLevelMetrics"] == []
    assert answer["DesiredShardLevelMetrics"] == ["IncomingBytes", "OutgoingBytes"]
    assert answer["StreamARN"] == arn
    answer = kinesis.disable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["IncomingBytes"])
    assert answer["CurrentShardLevelMetrics"] == ["IncomingBytes", "OutgoingBytes"]
    shown = summary(kinesis, StreamARN=arn)["EnhancedMonitoring"]
    assert shown == [{"ShardLevelMetrics": ["OutgoingBytes"]}]
    answer = kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["ALL"])
    assert len(answer["DesiredShardLevelMetrics"]) == 7
    assert failure(kinesis.enable_enhanced_monitoring, StreamARN=arn,
                   ShardLevelMetrics=["Nonsense"])[0] == "ValidationException"


def test_policies_of_streams_and_consumers(kinesis, arn):
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    for resource in (arn, consumer):
        assert kinesis.get_resource_policy(ResourceARN=resource)["Policy"] == "{}"
        assert failure(kinesis.delete_resource_policy, ResourceARN=resource)[0] == "ResourceNotFoundException"
        kinesis.put_resource_policy(ResourceARN=resource, Policy=POLICY)
        assert kinesis.get_resource_policy(ResourceARN=resource)["Policy"] == POLICY
        kinesis.delete_resource_policy(ResourceARN=resource)
        assert kinesis.get_resource_policy(ResourceARN=resource)["Policy"] == "{}"
    assert failure(kinesis.put_resource_policy, ResourceARN=arn + "-gone",
                   Policy=POLICY)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("policy", ["", "{", "[]", "{}", '{"Statement":[]}', '{"Statement":[1]}',
                                    '{"Statement":{"Effect":"Maybe","Action":"*","Principal":"*"}}',
                                    '{"Statement":{"Effect":"Allow","Principal":"*"}}'])
def test_policies_that_are_none(kinesis, arn, policy):
    code, message = failure(kinesis.put_resource_policy, ResourceARN=arn, Policy=policy)
    assert code == "InvalidArgumentException" and "policy document" in message


def test_the_longest_policy(kinesis, arn):
    kinesis.put_resource_policy(ResourceARN=arn, Policy=POLICY + " " * (20480 - len(POLICY)))
    assert failure(kinesis.put_resource_policy, ResourceARN=arn,
                   Policy=POLICY + " " * (20481 - len(POLICY)))[0] == "LimitExceededException"


@pytest.fixture
def own_leat():
    server = leat_server.Server().start()
    yield server
    server.stop()


def test_settings_survive_a_kill(own_leat):
    kinesis = make_client(own_leat, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    arn = summary(kinesis, StreamName="s")["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    set_mode(kinesis, arn, "ON_DEMAND")
    set_mode(kinesis, arn, "PROVISIONED")
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=3000)
    kinesis.start_stream_encryption(StreamARN=arn, EncryptionType="KMS", KeyId="key")
    kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["IncomingBytes"])
    for resource in (arn, consumer):
        kinesis.put_resource_policy(ResourceARN=resource, Policy=POLICY)
    before = summary(kinesis, StreamARN=arn)
    # Superseded policies make the catalog restate itself.
    for _ in range(80):
        kinesis.put_resource_policy(ResourceARN=arn, Policy=POLICY + " " * 20000)
    own_leat.kill()
    own_leat.start()
    kinesis = make_client(own_leat, "kinesis")
    assert summary(kinesis, StreamARN=arn) == before
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == POLICY + " " * 20000
    assert kinesis.get_resource_policy(ResourceARN=consumer)["Policy"] == POLICY
    assert failure(kinesis.update_stream_mode, StreamARN=arn,
                   StreamModeDetails={"StreamMode": "ON_DEMAND"})[0] == "LimitExceededException"
