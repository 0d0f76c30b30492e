"""Requests that no SDK sends: every member of valid ones replaced by something of another kind."""

import copy
import http.client
import json
import random

import pytest

from dynamodb_test import index, n, pair, s
from s3_test import SIGNED

HEADERS = {"Authorization": SIGNED.replace("/s3/", "/dynamodb/"), "Content-Type": "application/x-amz-json-1.0"}
KEY = {"h": s("a"), "r": n(1)}
VALUES = {":v": n(1)}
INDEXED = pair("N")
INDEXED["AttributeDefinitions"] = INDEXED["AttributeDefinitions"] + [{"AttributeName": "o", "AttributeType": "S"}]

VALID = [
    ("PutItem", {"TableName": "hostile", "Item": KEY | {"m": {"M": {"l": {"L": [{"SS": ["a"]}, {"NULL": True}]}}}, "b": {"B": "AA=="}},
                 "ConditionExpression": "attribute_not_exists(#x) OR x = :v", "ExpressionAttributeNames": {"#x": "x"},
                 "ExpressionAttributeValues": VALUES, "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"}),
    ("PutItem", {"TableName": "hostile", "Item": KEY, "Expected": {"x": {"Exists": False}, "y": {
        "ComparisonOperator": "IN", "AttributeValueList": [n(1), n(2)]}}, "ConditionalOperator": "OR"}),
    ("UpdateItem", {"TableName": "hostile", "Key": KEY, "UpdateExpression": "SET x = if_not_exists(x, :v) + :v",
                    "ExpressionAttributeValues": VALUES, "ReturnValues": "UPDATED_NEW"}),
    ("UpdateItem", {"TableName": "hostile", "Key": KEY, "AttributeUpdates": {"x": {"Action": "ADD", "Value": n(1)}},
                    "Expected": {"h": {"Value": s("a")}}}),
    ("GetItem", {"TableName": "hostile", "Key": KEY, "ProjectionExpression": "m.l[0], x", "ConsistentRead": True}),
    ("GetItem", {"TableName": "hostile", "Key": KEY, "AttributesToGet": ["x", "h"]}),
    ("Query", {"TableName": "hostile", "KeyConditionExpression": "h = :h AND r > :v", "FilterExpression": "x <> :v",
               "ExpressionAttributeValues": {":h": s("a")} | VALUES, "Limit": 3, "ScanIndexForward": False, "Select": "COUNT",
               "ExclusiveStartKey": {"h": s("a"), "r": n(5)}}),
    ("Query", {"TableName": "hostile", "IndexName": "by-o", "KeyConditions": {"o": {
        "ComparisonOperator": "EQ", "AttributeValueList": [s("a")]}}, "QueryFilter": {"x": {"ComparisonOperator": "NULL"}},
        "ExclusiveStartKey": KEY | {"o": s("a")}}),
    ("Scan", {"TableName": "hostile", "Segment": 1, "TotalSegments": 3, "ScanFilter": {"x": {
        "ComparisonOperator": "BETWEEN", "AttributeValueList": [n(1), n(2)]}}, "Limit": 10}),
    ("BatchGetItem", {"RequestItems": {"hostile": {"Keys": [KEY], "ProjectionExpression": "#x",
                                                   "ExpressionAttributeNames": {"#x": "x"}}}}),
    ("BatchWriteItem", {"RequestItems": {"hostile": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY | {"r": n(2)}}}]}}),
    ("TransactWriteItems", {"ClientRequestToken": "t", "TransactItems": [
        {"Put": {"TableName": "hostile", "Item": KEY}},
        {"Update": {"TableName": "hostile", "Key": KEY | {"r": n(2)}, "UpdateExpression": "ADD x :v", "ExpressionAttributeValues": VALUES}},
        {"ConditionCheck": {"TableName": "hostile", "Key": KEY | {"r": n(3)}, "ConditionExpression": "attribute_not_exists(h)"}}]}),
    ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "hostile", "Key": KEY}}]}),
    ("CreateTable", {"TableName": "hostile-2", **INDEXED, "BillingMode": "PROVISIONED", "ProvisionedThroughput": {
        "ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, "GlobalSecondaryIndexes": [
            index("by-o", "o", None, "INCLUDE", ["x"]) | {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}],
        "Tags": [{"Key": "a", "Value": "b"}], "DeletionProtectionEnabled": False, "TableClass": "STANDARD"}),
    ("UpdateTable", {"TableName": "hostile", "AttributeDefinitions": [{"AttributeName": "z", "AttributeType": "S"}],
                     "GlobalSecondaryIndexUpdates": [{"Create": index("by-z", "z")}]}),
    ("UpdateTable", {"TableName": "hostile", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-z"}}]}),
    ("DescribeTable", {"TableName": "hostile"}),
    ("ListTables", {"Limit": 3, "ExclusiveStartTableName": "a"}),
    ("TagResource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/hostile", "Tags": [{"Key": "a", "Value": "b"}]}),
    ("UntagResource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/hostile", "TagKeys": ["a"]}),
    ("UpdateTimeToLive", {"TableName": "hostile", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "t"}}),
    ("UpdateContinuousBackups", {"TableName": "hostile", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}),
    ("DeleteTable", {"TableName": "hostile-2"}),
]
WRONG = [None, True, False, 0, -1, 2**63, 1.5, "", "x", "\0", "é" * 300, [], [None], [[]], {}, {"": None}, {"S": "x"}, {"N": "x"},
         {"M": {"M": {"M": {}}}}, "1e999", "#", ":v", "a" * 70000]


class Post:
    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def __call__(self, operation, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request("POST", "/", text, HEADERS | {"X-Amz-Target": f"DynamoDB_20120810.{operation}"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture
def post(leat):
    post = Post(leat)
    post("CreateTable", {"TableName": "hostile", **INDEXED, "BillingMode": "PAY_PER_REQUEST", "GlobalSecondaryIndexes": [index("by-o", "o")]})
    yield post
    for name in ("hostile", "hostile-2"):
        post("DeleteTable", {"TableName": name})


def places(value, path=()):
    """Every place in a document."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(item, (*path, i))


def with_change(body, path, wrong):
    changed = copy.deepcopy(body)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = wrong
    return changed


def test_valid_ones_are_taken(post):
    for operation, body in VALID:
        status, answer = post(operation, body)
        refused = operation == "UpdateContinuousBackups"
        assert (status == 400) == refused, (operation, answer)


@pytest.mark.parametrize("number", range(len(VALID)))
def test_changed_ones_are_answered(post, number):
    operation, body = VALID[number]
    choose = random.Random(number)
    for path in places(body):
        for wrong in choose.sample(WRONG, 8):
            changed = with_change(body, path, wrong) if path else wrong
            status, answer = post(operation, changed)
            assert status in (200, 400), (operation, path, wrong, answer)
            if status == 400:
                assert answer["__type"] and (answer.get("message") or answer.get("Message")), (operation, path, wrong, answer)


def test_large_and_deep_bodies(post):
    many = {"TableName": "hostile", "Item": KEY | {f"a{i}": {"NULL": True} for i in range(300000)}}
    status, answer = post("PutItem", many)
    assert status == 400 and "Item size has exceeded" in answer["message"]
    status, answer = post("PutItem", b'{"Item":' + b'{"M":{"a":' * 100000)
    assert status == 400 and "nested too deeply" in answer["message"]
    status, answer = post("PutItem", {"TableName": "hostile", "Item": KEY | {"s": {"SS": [str(i) for i in range(60000)]}}})
    assert status == 200
    status, answer = post("UpdateItem", {"TableName": "hostile", "Key": KEY, "UpdateExpression": "DELETE s :s", "ExpressionAttributeValues": {
        ":s": {"SS": [str(i) for i in range(59999)]}}, "ReturnValues": "ALL_NEW"})
    assert answer["Attributes"]["s"] == {"SS": ["59999"]}
