"""Consumers of enhanced fan-out: registration, description, lists, tags, what deletion does."""

import time
import uuid

import pytest

import leat_server
from conftest import make_client
from kinesis_test import failure


@pytest.fixture(scope="module")
def kinesis(leat):
    return make_client(leat, "kinesis")


def make_stream(kinesis):
    name = f"c-{uuid.uuid4().hex[:12]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


@pytest.fixture
def arn(kinesis):
    arn = make_stream(kinesis)
    yield arn
    try:
        kinesis.delete_stream(StreamARN=arn, EnforceConsumerDeletion=True)
    except kinesis.exceptions.ResourceNotFoundException:
        pass


def register(kinesis, arn, name, **kwargs):
    return kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=name, **kwargs)["Consumer"]


def test_a_consumer_is_registered_described_and_deregistered(kinesis, arn):
    before = int(time.time())
    made = register(kinesis, arn, "reader_1.x-y")
    seconds = int(made["ConsumerCreationTimestamp"].timestamp())
    assert before <= seconds <= time.time()
    assert made["ConsumerARN"] == f"{arn}/consumer/reader_1.x-y:{seconds}"
    assert made["ConsumerStatus"] == "CREATING"
    by_arn = kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])
    by_name = kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="reader_1.x-y")
    assert by_arn["ConsumerDescription"] == by_name["ConsumerDescription"]
    assert by_arn["ConsumerDescription"] == {**made, "ConsumerStatus": "ACTIVE", "StreamARN": arn}
    summary = kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 1
    kinesis.deregister_stream_consumer(ConsumerARN=made["ConsumerARN"])
    code, message = failure(kinesis.describe_stream_consumer, ConsumerARN=made["ConsumerARN"])
    assert code == "ResourceNotFoundException"
    assert "reader_1.x-y" in message
    assert kinesis.list_stream_consumers(StreamARN=arn)["Consumers"] == []


def test_deregistration_by_name(kinesis, arn):
    register(kinesis, arn, "one")
    register(kinesis, arn, "two")
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="one")
    left = kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]
    assert [c["ConsumerName"] for c in left] == ["two"]


def test_the_time_in_the_arn_is_part_of_the_identity(kinesis, arn):
    made = register(kinesis, arn, "one")
    other = made["ConsumerARN"][:-1] + ("1" if made["ConsumerARN"][-1] != "1" else "2")
    for call in (kinesis.describe_stream_consumer, kinesis.deregister_stream_consumer):
        assert failure(call, ConsumerARN=other)[0] == "ResourceNotFoundException"
    assert len(kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]) == 1


@pytest.mark.parametrize("which", [{}, {"ConsumerName": "one"}, {"StreamARN": True}])
def test_half_an_address_is_refused(kinesis, arn, which):
    which = {k: arn if v is True else v for k, v in which.items()}
    assert failure(kinesis.describe_stream_consumer, **which)[0] == "InvalidArgumentException"


def test_addresses_that_contradict_are_refused(kinesis, arn):
    made = register(kinesis, arn, "one")
    code, _ = failure(kinesis.describe_stream_consumer, ConsumerARN=made["ConsumerARN"],
                      ConsumerName="two")
    assert code == "InvalidArgumentException"
    code, _ = failure(kinesis.describe_stream_consumer, ConsumerARN=made["ConsumerARN"],
                      StreamARN=arn[:-1])
    assert code == "InvalidArgumentException"
    both = kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"], StreamARN=arn,
                                            ConsumerName="one")
    assert both["ConsumerDescription"]["ConsumerARN"] == made["ConsumerARN"]


def test_malformed_arns_are_named(kinesis, arn):
    for bad in (arn, f"{arn}/consumer/x", f"{arn}/consumer/x:", f"{arn}/consumer/x:1a",
                f"{arn}/consumer/:12"):
        code, message = failure(kinesis.describe_stream_consumer, ConsumerARN=bad)
        assert code == "ValidationException", bad
        assert "consumerARN" in message and "regular expression pattern" in message


def test_a_name_is_taken_once(kinesis, arn):
    register(kinesis, arn, "one")
    code, message = failure(kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="one")
    assert code == "ResourceInUseException"
    assert "already exists" in message
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="one")
    register(kinesis, arn, "one")


def test_twenty_consumers_and_pages_of_them(kinesis, arn):
    names = [f"reader-{i:02}" for i in range(20)]
    for name in reversed(names):
        register(kinesis, arn, name)
    code, message = failure(kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="more")
    assert code == "LimitExceededException"
    assert "20" in message
    pages = list(kinesis.get_paginator("list_stream_consumers").paginate(
        StreamARN=arn, PaginationConfig={"PageSize": 7}))
    assert [len(page["Consumers"]) for page in pages] == [7, 7, 6]
    assert [c["ConsumerName"] for page in pages for c in page["Consumers"]] == names
    token = kinesis.list_stream_consumers(StreamARN=arn, MaxResults=1)["NextToken"]
    code, message = failure(kinesis.list_stream_consumers, StreamARN=arn, NextToken=token,
                            StreamCreationTimestamp=1)
    assert code == "InvalidArgumentException"
    assert message == "NextToken and StreamCreationTimestamp cannot be provided together."
    other = make_stream(kinesis)
    assert failure(kinesis.list_stream_consumers, StreamARN=other, NextToken=token)[0] \
        == "InvalidArgumentException"
    assert failure(kinesis.list_stream_consumers, StreamARN=arn, NextToken="x")[0] \
        == "InvalidArgumentException"
    kinesis.delete_stream(StreamARN=other)


def test_a_stream_that_is_not_there(kinesis, arn):
    for call, more in ((kinesis.register_stream_consumer, {"ConsumerName": "x"}),
                       (kinesis.list_stream_consumers, {}),
                       (kinesis.describe_stream_consumer, {"ConsumerName": "x"})):
        assert failure(call, StreamARN=arn + "-not", **more)[0] == "ResourceNotFoundException"


def test_a_stream_with_consumers_is_not_deleted_by_mistake(kinesis, arn):
    made = register(kinesis, arn, "one")
    code, message = failure(kinesis.delete_stream, StreamARN=arn)
    assert code == "ResourceInUseException"
    name = arn.rpartition("/")[2]
    assert message == (
        f"DeleteStream can't delete 000000000000:{name} because there are consumers associated with "
        f"this data stream. To delete {name} anyway, set the EnforceConsumerDeletion parameter to "
        "true to force the deletion of all the consumers that are associated with it.")
    assert failure(kinesis.delete_stream, StreamARN=arn, EnforceConsumerDeletion=False)[0] == code
    kinesis.delete_stream(StreamARN=arn, EnforceConsumerDeletion=True)
    assert failure(kinesis.describe_stream_consumer, ConsumerARN=made["ConsumerARN"])[0] \
        == "ResourceNotFoundException"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    assert kinesis.list_stream_consumers(StreamARN=arn)["Consumers"] == []


def tags_of(kinesis, arn):
    return {t["Key"]: t["Value"] for t in kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"]}


def test_consumers_have_tags_of_their_own(kinesis, arn):
    made = register(kinesis, arn, "one", Tags={"a": "1", "b": "2"})["ConsumerARN"]
    assert tags_of(kinesis, made) == {"a": "1", "b": "2"}
    kinesis.tag_resource(ResourceARN=made, Tags={"b": "3", "c": "4"})
    kinesis.untag_resource(ResourceARN=made, TagKeys=["a"])
    assert tags_of(kinesis, made) == {"b": "3", "c": "4"}
    assert tags_of(kinesis, arn) == {}
    kinesis.tag_resource(ResourceARN=made, Tags={f"k{i}": "" for i in range(48)})
    code, _ = failure(kinesis.tag_resource, ResourceARN=made, Tags={"more": ""})
    assert code == "InvalidArgumentException"
    assert failure(kinesis.tag_resource, ResourceARN=made + "1", Tags={"x": ""})[0] \
        == "ResourceNotFoundException"


def test_consumers_survive_a_crash():
    server = leat_server.Server().start()
    kinesis = make_client(server, "kinesis")
    arn = make_stream(kinesis)
    register(kinesis, arn, "gone")
    kept = register(kinesis, arn, "kept", Tags={"a": "1"})
    kinesis.tag_resource(ResourceARN=kept["ConsumerARN"], Tags={"b": "2"})
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="gone")
    server.kill()
    server.start()
    kinesis = make_client(server, "kinesis")
    consumers = kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]
    assert [c["ConsumerARN"] for c in consumers] == [kept["ConsumerARN"]]
    assert consumers[0]["ConsumerCreationTimestamp"] == kept["ConsumerCreationTimestamp"]
    assert tags_of(kinesis, kept["ConsumerARN"]) == {"a": "1", "b": "2"}
    server.stop()
