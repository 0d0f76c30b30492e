"""DynamoDB as boto3 sees it."""

import json
import threading
import time
import urllib.error
import urllib.request
import zlib
from decimal import Decimal

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

import leat_server
from conftest import CONFIG, make_client
from s3_test import SIGNED

HASH = {"KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"}]}


def pair(kind):
    return {"KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}, {"AttributeName": "r", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"},
                                     {"AttributeName": "r", "AttributeType": kind}]}


@pytest.fixture
def ddb(leat):
    return make_client(leat, "dynamodb")


_numbers = iter(range(1, 100000))


@pytest.fixture
def make(ddb):
    """Makes tables that go when the test ends."""
    made = []

    def table(schema=None, **kwargs):
        name = f"t-{next(_numbers)}"
        kwargs.setdefault("BillingMode", "PAY_PER_REQUEST")
        ddb.create_table(TableName=name, **(schema or HASH), **kwargs)
        made.append(name)
        return name

    yield table
    for name in made:
        if name in ddb.list_tables()["TableNames"]:
            ddb.delete_table(TableName=name)


def error(call, code, text=""):
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code, caught.value
    assert text in caught.value.response["Error"]["Message"], caught.value
    return caught.value.response


def s(text):
    return {"S": text}


def n(number):
    return {"N": str(number)}


# --- tables ---------------------------------------------------------------------------------------


def test_a_table_lives_and_dies(ddb):
    made = ddb.create_table(TableName="life", **pair("N"), BillingMode="PROVISIONED",
                            ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
                            Tags=[{"Key": "team", "Value": "blue"}])["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    assert made["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/life"
    ddb.get_waiter("table_exists").wait(TableName="life", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    table = ddb.describe_table(TableName=made["TableArn"])["Table"]
    assert table["TableStatus"] == "ACTIVE" and table["ItemCount"] == 0
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert table["KeySchema"] == pair("N")["KeySchema"]
    assert table["AttributeDefinitions"] == pair("N")["AttributeDefinitions"]
    assert ddb.list_tags_of_resource(ResourceArn=made["TableArn"])["Tags"] == [{"Key": "team", "Value": "blue"}]
    ddb.tag_resource(ResourceArn=made["TableArn"], Tags=[{"Key": "team", "Value": "red"}, {"Key": "x", "Value": ""}])
    ddb.untag_resource(ResourceArn=made["TableArn"], TagKeys=["x"])
    assert ddb.list_tags_of_resource(ResourceArn=made["TableArn"])["Tags"] == [{"Key": "team", "Value": "red"}]
    error(lambda: ddb.create_table(TableName="life", **HASH, BillingMode="PAY_PER_REQUEST"), "ResourceInUseException",
          "Table already exists: life")
    ddb.update_table(TableName="life", DeletionProtectionEnabled=True)
    error(lambda: ddb.delete_table(TableName="life"), "ValidationException", "protected")
    ddb.update_table(TableName="life", DeletionProtectionEnabled=False, BillingMode="PAY_PER_REQUEST")
    assert ddb.describe_table(TableName="life")["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert ddb.delete_table(TableName="life")["TableDescription"]["TableStatus"] == "DELETING"
    error(lambda: ddb.describe_table(TableName="life"), "ResourceNotFoundException",
          "Requested resource not found: Table: life not found")


def test_tables_are_listed_in_pages(ddb):
    names = sorted(f"page-{i}" for i in range(5))
    for name in names:
        ddb.create_table(TableName=name, **HASH, BillingMode="PAY_PER_REQUEST")
    pages = ddb.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
    found = [name for page in pages for name in page["TableNames"]]
    assert [name for name in found if name.startswith("page-")] == names
    for name in names:
        ddb.delete_table(TableName=name)


def test_regions_and_accounts_are_worlds(leat, make, ddb):
    name = make()
    for other in (make_client(leat, "dynamodb", region="eu-west-1"),
                  make_client(leat, "dynamodb", key="111111111111")):
        assert other.list_tables()["TableNames"] == []
        error(lambda: other.get_item(TableName=name, Key={"h": s("a")}), "ResourceNotFoundException")
        arn = ddb.describe_table(TableName=name)["Table"]["TableArn"]
        error(lambda: other.describe_table(TableName=arn), "AccessDeniedException", "another account or region")


@pytest.mark.parametrize("change,text", [
    ({"BillingMode": "PROVISIONED"}, "ReadCapacityUnits and WriteCapacityUnits must both be specified"),
    ({"KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}]}, "not defined in AttributeDefinitions"),
    ({"KeySchema": [{"AttributeName": "h", "KeyType": "RANGE"}]}, "Invalid KeySchema"),
    ({"AttributeDefinitions": HASH["AttributeDefinitions"] + [{"AttributeName": "y", "AttributeType": "S"}]},
     "Some AttributeDefinitions are not used"),
    ({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}, "Streams are not supported"),
    ({"SSESpecification": {"Enabled": True}}, "SSESpecification"),
    ({"WarmThroughput": {"ReadUnitsPerSecond": 1}}, "WarmThroughput is not supported"),
    ({"TableName": "a!b"}, "regular expression pattern: [a-zA-Z0-9_.-]+"),
])
def test_wrong_tables(ddb, change, text):
    error(lambda: ddb.create_table(**{"TableName": "wrong", **HASH, "BillingMode": "PAY_PER_REQUEST", **change}),
          "ValidationException", text)


# --- items ----------------------------------------------------------------------------------------

EVERYTHING = {"h": s("k"), "s": s("é\n\"\\"), "n": n("-1.5"), "b": {"B": b"\0\xff"}, "t": {"BOOL": True}, "0": {"NULL": True},
              "m": {"M": {"x": {"L": [n(1), {"M": {}}, {"L": []}]}, "": s("")}}, "ss": {"SS": ["a", "b"]},
              "ns": {"NS": ["-1", "2", "10"]}, "bs": {"BS": [b"a", b"b"]}}


def test_all_types(ddb, make):
    name = make()
    ddb.put_item(TableName=name, Item=EVERYTHING)
    assert ddb.get_item(TableName=name, Key={"h": s("k")}, ConsistentRead=True)["Item"] == EVERYTHING
    table = ddb.describe_table(TableName=name)["Table"]
    assert table["ItemCount"] == 1 and table["TableSizeBytes"] > 50
    assert "Item" not in ddb.get_item(TableName=name, Key={"h": s("none")})


@pytest.mark.parametrize("given,shown", [
    ("0", "0"), ("-0", "0"), ("1.0", "1"), ("1e2", "100"), ("-00.50", "-0.5"), ("1E-130", "0." + "0" * 129 + "1"),
    ("9.9999999999999999999999999999999999999E+125", "9" * 38 + "0" * 88), (".5", "0.5"), ("5.", "5"),
    ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678")])
def test_numbers_are_canonical(ddb, make, given, shown):
    name = make()
    ddb.put_item(TableName=name, Item={"h": s("k"), "n": n(given)})
    assert ddb.get_item(TableName=name, Key={"h": s("k")})["Item"]["n"] == n(shown)


@pytest.mark.parametrize("value,text", [
    (n("x"), "cannot be converted to a numeric value: x"), (n(""), "cannot be converted to a numeric value"),
    (n("1e126"), "Number overflow"), (n("1e-131"), "Number underflow"), (n("1" * 39), "more than 38 significant digits"),
    ({"SS": []}, "An string set  may not be empty"), ({"SS": ["a", "a"]}, "duplicates"),
    ({"NS": ["1", "1.0"]}, "duplicates"), ({"NULL": False}, "must have the value of true")])
def test_wrong_values(ddb, make, value, text):
    name = make()
    error(lambda: ddb.put_item(TableName=name, Item={"h": s("k"), "v": value}), "ValidationException", text)


def nested(levels):
    value = s("x")
    for _ in range(levels):
        value = {"L": [value]}
    return value


def test_limits_of_items(ddb, make):
    name = make(pair("S"))
    big = {"h": s("a"), "r": s("b"), "v": s("x" * (400 * 1024 - 5))}
    ddb.put_item(TableName=name, Item=big | {"v": s("x" * (400 * 1024 - 5))})
    error(lambda: ddb.put_item(TableName=name, Item=big | {"w": s("")}), "ValidationException", "Item size has exceeded")
    error(lambda: ddb.update_item(TableName=name, Key={"h": s("a"), "r": s("b")}, UpdateExpression="SET z = :z",
                                  ExpressionAttributeValues={":z": s("zz")}), "ValidationException", "Item size to update")
    error(lambda: ddb.put_item(TableName=name, Item={"h": s("h" * 2049), "r": s("b")}), "ValidationException", "hashkey")
    error(lambda: ddb.put_item(TableName=name, Item={"h": s("a"), "r": s("r" * 1025)}), "ValidationException", "rangekey")
    error(lambda: ddb.put_item(TableName=name, Item={"h": s(""), "r": s("b")}), "ValidationException", "empty string value")
    error(lambda: ddb.put_item(TableName=name, Item={"h": s("a")}), "ValidationException", "Missing the key r in the item")
    error(lambda: ddb.put_item(TableName=name, Item={"h": n(1), "r": s("b")}), "ValidationException",
          "Type mismatch for key h expected: S actual: N")
    error(lambda: ddb.get_item(TableName=name, Key={"h": s("a")}), "ValidationException", "does not match the schema")
    deep = {"h": s("a"), "r": s("deep"), "v": nested(32)}
    ddb.put_item(TableName=name, Item=deep)
    assert ddb.get_item(TableName=name, Key={"h": s("a"), "r": s("deep")})["Item"] == deep
    error(lambda: ddb.put_item(TableName=name, Item=deep | {"v": nested(33)}), "ValidationException", "Nesting Levels")


def test_the_checksum_is_of_the_body(leat, make):
    name = make()

    def post(operation, body):
        request = urllib.request.Request(leat.endpoint, data=json.dumps(body).encode(), headers={
            "Authorization": SIGNED.replace("/s3/", "/dynamodb/"), "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}"})
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as e:
            answer = e
        text = answer.read()
        assert int(answer.headers["x-amz-crc32"]) == zlib.crc32(text)
        assert answer.headers["Content-Type"] == "application/x-amz-json-1.0"
        return answer.status, json.loads(text)

    assert post("PutItem", {"TableName": name, "Item": {"h": s("k"), "v": s("ü")}}) == (200, {})
    assert post("GetItem", {"TableName": name, "Key": {"h": s("k")}}) == (200, {"Item": {"h": s("k"), "v": s("ü")}})
    status, body = post("Nothing", {})
    assert status == 400 and body["__type"] == "com.amazon.coral.service#UnknownOperationException"
    status, body = post("GetItem", {"TableName": "none", "Key": {}})
    assert body == {"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
                    "message": "Requested resource not found"}
    status, body = post("PutItem", {"TableName": name, "Item": {"h": {"S": 5}}})
    assert status == 400 and body["__type"] == "com.amazon.coral.service#SerializationException"
    status, body = post("PutItem", {"TableName": name, "Item": {"h": {}}})
    assert body["message"].startswith("Supplied AttributeValue is empty")


def test_return_values(ddb, make):
    name = make()
    key = {"h": s("k")}
    assert "Attributes" not in ddb.put_item(TableName=name, Item=key | {"a": n(1)}, ReturnValues="ALL_OLD")
    assert ddb.put_item(TableName=name, Item=key | {"a": n(2)}, ReturnValues="ALL_OLD")["Attributes"]["a"] == n(1)

    def add(how):
        return ddb.update_item(TableName=name, Key=key, UpdateExpression="ADD a :a SET m.x = :a", ReturnValues=how,
                               ExpressionAttributeValues={":a": n(1)}).get("Attributes")

    error(lambda: add("NONE"), "ValidationException", "document path provided in the update expression is invalid")
    ddb.update_item(TableName=name, Key=key, UpdateExpression="SET m = :m", ExpressionAttributeValues={":m": {"M": {}}})
    assert add("NONE") is None
    assert add("ALL_OLD") == key | {"a": n(3), "m": {"M": {"x": n(1)}}}
    assert add("UPDATED_OLD") == {"a": n(4), "m": {"M": {"x": n(1)}}}
    assert add("ALL_NEW")["a"] == n(6)
    assert add("UPDATED_NEW") == {"a": n(7), "m": {"M": {"x": n(1)}}}
    error(lambda: ddb.delete_item(TableName=name, Key=key, ReturnValues="ALL_NEW"), "ValidationException", "ALL_OLD or NONE")
    assert ddb.delete_item(TableName=name, Key=key, ReturnValues="ALL_OLD")["Attributes"]["a"] == n(7)
    assert "Attributes" not in ddb.delete_item(TableName=name, Key=key, ReturnValues="ALL_OLD")


def test_consumed_capacity(ddb, make):
    name = make()
    item = {"h": s("k"), "v": s("x" * 2000)}
    put = ddb.put_item(TableName=name, Item=item, ReturnConsumedCapacity="TOTAL")
    assert put["ConsumedCapacity"] == {"TableName": name, "CapacityUnits": 2.0}
    get = ddb.get_item(TableName=name, Key={"h": s("k")}, ReturnConsumedCapacity="INDEXES")
    assert get["ConsumedCapacity"]["Table"] == {"CapacityUnits": 0.5}


# --- conditions -----------------------------------------------------------------------------------


def holds(ddb, name, text, values=None, names=None):
    kwargs = {}
    if values:
        kwargs["ExpressionAttributeValues"] = values
    if names:
        kwargs["ExpressionAttributeNames"] = names
    try:
        ddb.delete_item(TableName=name, Key={"h": s("none")}, ConditionExpression="attribute_exists(h)")
    except ClientError as e:
        assert e.response["Error"]["Code"] == "ConditionalCheckFailedException"
    try:
        ddb.update_item(TableName=name, Key={"h": s("k")}, ConditionExpression=text, **kwargs)
        return True
    except ClientError as e:
        if e.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False


def test_conditions(ddb, make):
    name = make()
    ddb.put_item(TableName=name, Item=EVERYTHING)
    v = {":1": n("-1.50"), ":2": n(2), ":a": s("a"), ":e": s("é"), ":L": s("L"), ":b": {"B": b"\0"}, ":t": {"BOOL": True}}

    def given(text):
        return {key: value for key, value in v.items() if key in text}

    good = ["n = :1", "n < :2", "n BETWEEN :1 AND :2", "n IN (:2, :1)", "NOT n = :2", "attribute_exists(m.x[1])",
            "attribute_not_exists(m.x[3])", "attribute_type(m.x, :L)", "begins_with(s, :e)", "begins_with(b, :b)",
            "contains(ss, :a)", "contains(s, :e)", "size(ss) = :2", "t = :t", "n = :2 OR n = :1 AND t = :t",
            "(n = :2 OR n = :1) AND t = :t", "nothing <> :1", "size(s) > :2", "(n) = :1", "contains(ns, :2)", ":2 > n"]
    bad = ["n = :2", "nothing = :1", "nothing < :1", "s < :1", "NOT attribute_exists(h)", "contains(ns, :a)",
           "n = :1 AND NOT t = :t", "attribute_type(n, :L)", "size(n) = :2"]
    for text in good:
        assert holds(ddb, name, text, given(text)), text
    for text in bad:
        assert not holds(ddb, name, text, given(text)), text
    assert holds(ddb, name, "#a.#b[0] = :1", {":1": n(1)}, {"#a": "m", "#b": "x"})


@pytest.mark.parametrize("text,values,message", [
    ("", {}, "The expression can not be empty"),
    ("a", {}, 'Syntax error; token: "<EOF>", near: "a"'),
    ("a = = :v", {":v": 1}, 'Syntax error; token: "=", near: "= = :v"'),
    ("a = :v)", {":v": 1}, "Syntax error"), ("(a = :v", {":v": 1}, "Syntax error"), ("a ! :v", {":v": 1}, "Syntax error"),
    ("((a = :v))", {":v": 1}, "redundant parentheses"),
    ("a = :w", {":v": 1}, "attribute value used in expression is not defined; attribute value: :w"),
    ("#a = :v", {":v": 1}, "attribute name used in the document path is not defined; attribute name: #a"),
    ("name = :v", {":v": 1}, "Attribute name is a reserved keyword; reserved keyword: name"),
    ("foo(a) = :v", {":v": 1}, "Invalid function name; function: foo"),
    ("attribute_exists(a, b)", {}, "number of operands: 2"), ("begins_with(a, :v)", {":v": 1}, "operand type: N"),
    ("a = :v", {":v": 1, ":w": 2}, "unused in expressions: keys: {:w}"),
    ("a BETWEEN :v AND :w", {":v": 2, ":w": 1}, "upper bound to be greater than or equal to lower bound"),
    ("NOT " * 70 + "a = :v", {":v": 1}, "nested too deeply"), ("(" * 70 + "a = :v" + ")" * 70, {":v": 1}, "nested too deeply"),
    (" OR ".join(["a = :v"] * 400), {":v": 1}, "too many operators"), ("a" * 5000, {}, "maximum allowed size"),
    ("a[99999999999] = :v", {":v": 1}, "List index"), ("a.b.c[x] = :v", {":v": 1}, "Syntax error"),
])
def test_wrong_conditions(ddb, make, text, values, message):
    name = make()
    error(lambda: holds(ddb, name, text, {k: n(v) for k, v in values.items()}), "ValidationException", message)


def test_a_failed_condition_can_show_the_item(ddb, make):
    name = make()
    ddb.put_item(TableName=name, Item={"h": s("k"), "v": n(1)})
    response = error(lambda: ddb.put_item(TableName=name, Item={"h": s("k")}, ConditionExpression="attribute_not_exists(h)",
                                          ReturnValuesOnConditionCheckFailure="ALL_OLD"),
                     "ConditionalCheckFailedException", "The conditional request failed")
    assert response["Item"] == {"h": s("k"), "v": n(1)}
    assert ddb.get_item(TableName=name, Key={"h": s("k")})["Item"]["v"] == n(1)


# --- updates --------------------------------------------------------------------------------------


def updated(ddb, make, item, text, values=None, names=None):
    name = make()
    if item is not None:
        ddb.put_item(TableName=name, Item={"h": s("k")} | item)
    kwargs = {"ExpressionAttributeValues": values} if values else {}
    if names:
        kwargs["ExpressionAttributeNames"] = names
    ddb.update_item(TableName=name, Key={"h": s("k")}, UpdateExpression=text, **kwargs)
    item = ddb.get_item(TableName=name, Key={"h": s("k")})["Item"]
    del item["h"]
    return item


def L(*items):
    return {"L": [n(i) for i in items]}


@pytest.mark.parametrize("item,text,values,expected", [
    (None, "SET a = :v", {":v": n(1)}, {"a": n(1)}),
    ({"a": n(1), "b": n(5)}, "SET a = b - :v, b = a", {":v": n("0.5")}, {"a": n("4.5"), "b": n(1)}),
    ({"a": n("0.1")}, "SET a = a + :v", {":v": n("0.2")}, {"a": n("0.3")}),
    ({"a": n("1e40")}, "SET a = a + :v", {":v": n("-1e40")}, {"a": n(0)}),
    ({}, "SET a = if_not_exists(a, :v) + :v", {":v": n(2)}, {"a": n(4)}),
    ({"l": L(1)}, "SET l = list_append(l, :l), k = list_append(:l, l)", {":l": L(2)}, {"l": L(1, 2), "k": L(2, 1)}),
    ({}, "SET l = list_append(if_not_exists(l, :e), :l)", {":e": L(), ":l": L(2)}, {"l": L(2)}),
    ({"l": L(1, 2, 3)}, "REMOVE l[0], l[2]", None, {"l": L(2)}),
    ({"l": L(1, 2, 3)}, "SET l[1] = :v REMOVE l[0]", {":v": n(9)}, {"l": L(9, 3)}),
    ({"l": L(1)}, "SET l[9] = :a, l[5] = :b", {":a": n(9), ":b": n(5)}, {"l": L(1, 5, 9)}),
    ({"m": {"M": {"x": n(1), "y": n(2)}}}, "SET m.z = m.x REMOVE m.y", None, {"m": {"M": {"x": n(1), "z": n(1)}}}),
    ({"s": {"SS": ["a"]}}, "ADD s :s", {":s": {"SS": ["b", "a"]}}, {"s": {"SS": ["a", "b"]}}),
    ({"s": {"NS": ["1", "2"]}}, "DELETE s :s", {":s": {"NS": ["2.0", "3"]}}, {"s": {"NS": ["1"]}}),
    ({"s": {"SS": ["a"]}, "t": {"SS": ["a"]}}, "DELETE s :s, u :s", {":s": {"SS": ["a"]}}, {"t": {"SS": ["a"]}}),
    ({}, "ADD n :v, s :s", {":v": n(1), ":s": {"SS": ["a"]}}, {"n": n(1), "s": {"SS": ["a"]}}),
    ({"a": n(1)}, "remove a", None, {}),
    ({}, "set x = :v", {":v": {"M": {"b": s("x")}}}, {"x": {"M": {"b": s("x")}}}),
])
def test_updates(ddb, make, item, text, values, expected):
    assert updated(ddb, make, item, text, values) == expected


@pytest.mark.parametrize("item,text,values,message", [
    ({}, "SET a = b", None, "refers to an attribute that does not exist in the item"),
    ({"a": s("x")}, "SET a = a + :v", {":v": n(1)}, "incorrect data type"), ({"a": s("x")}, "ADD a :v", {":v": n(1)}, "incorrect data type"),
    ({}, "SET a = :v, a = :v", {":v": n(1)}, "Two document paths overlap"),
    ({}, "SET a.b = :v, a[1] = :v", {":v": n(1)}, "Two document paths conflict"),
    ({}, "SET a = :v SET b = :v", {":v": n(1)}, 'The "SET" section can only be used once'),
    ({}, "SET h = :v", {":v": s("x")}, "Cannot update attribute h. This attribute is part of the key"),
    ({}, "SET a = :v + :w", {":v": s("x"), ":w": n(1)}, "operator or function: +, operand type: S"),
    ({}, "ADD a :v", {":v": s("x")}, "operator: ADD, operand type: S"), ({}, "DELETE a :v", {":v": n(1)}, "operator: DELETE"),
    ({}, "SET a = size(b)", None, "Invalid function name; function: size"), ({}, "a = b", None, "Syntax error"), ({}, "SET", None, "Syntax error"),
    ({"l": L(1)}, "SET l.x = :v", {":v": n(1)}, "document path provided in the update expression is invalid"),
    ({"a": n("1e125")}, "SET a = a + :v", {":v": n(1)}, "38 significant digits"),
    ({}, "SET a = if_not_exists(:v, :v)", {":v": n(1)}, "requires a document path"),
])
def test_wrong_updates(ddb, make, item, text, values, message):
    error(lambda: updated(ddb, make, item, text, values), "ValidationException", message)


def test_projection(ddb, make):
    name = make()
    ddb.put_item(TableName=name, Item=EVERYTHING | {"l": L(0, 1, 2, 3)})
    got = ddb.get_item(TableName=name, Key={"h": s("k")}, ProjectionExpression="l[3], #m.x[0], l[1], nothing, n",
                       ExpressionAttributeNames={"#m": "m"})["Item"]
    assert got == {"l": L(1, 3), "m": {"M": {"x": L(1)}}, "n": n("-1.5")}


# --- the first API: Kinesis Client Library 1 and 2 --------------------------------------------------


def test_leases_by_the_first_api(ddb, make):
    name = make()
    lease = {"h": s("shard-0"), "leaseCounter": n(0), "checkpoint": s("TRIM_HORIZON")}
    ddb.put_item(TableName=name, Item=lease, Expected={"h": {"Exists": False}})
    error(lambda: ddb.put_item(TableName=name, Item=lease, Expected={"h": {"Exists": False}}),
          "ConditionalCheckFailedException")

    def renew(counter):
        ddb.update_item(TableName=name, Key={"h": s("shard-0")},
                        AttributeUpdates={"leaseCounter": {"Value": n(counter + 1), "Action": "PUT"},
                                          "leaseOwner": {"Value": s("w1"), "Action": "PUT"},
                                          "none": {"Action": "DELETE"}},
                        Expected={"leaseCounter": {"Value": n(counter)}, "h": {"Exists": True, "Value": s("shard-0")}})

    renew(0)
    error(lambda: renew(0), "ConditionalCheckFailedException")
    ddb.update_item(TableName=name, Key={"h": s("shard-0")}, AttributeUpdates={
        "parents": {"Value": {"SS": ["a"]}, "Action": "ADD"}, "leaseCounter": {"Value": n(5), "Action": "ADD"}})
    assert ddb.get_item(TableName=name, Key={"h": s("shard-0")}, AttributesToGet=["leaseCounter", "parents"])["Item"] == {
        "leaseCounter": n(6), "parents": {"SS": ["a"]}}
    ddb.update_item(TableName=name, Key={"h": s("none")}, AttributeUpdates={"a": {"Action": "DELETE"}})
    assert "Item" not in ddb.get_item(TableName=name, Key={"h": s("none")})
    ddb.update_item(TableName=name, Key={"h": s("shard-0")}, Expected={
        "leaseOwner": {"ComparisonOperator": "NULL"}, "leaseCounter": {"ComparisonOperator": "GT", "AttributeValueList": [n(3)]}},
        ConditionalOperator="OR")
    ddb.delete_item(TableName=name, Key={"h": s("shard-0")}, Expected={"leaseOwner": {"Value": s("w1")}})
    assert ddb.scan(TableName=name)["Count"] == 0
    error(lambda: ddb.put_item(TableName=name, Item=lease, Expected={"h": {"Exists": False}}, ConditionExpression="a = b"),
          "ValidationException", "Can not use both expression and non-expression parameters")
    error(lambda: ddb.put_item(TableName=name, Item=lease, Expected={"h": {"Exists": True}}), "ValidationException",
          "Value must be provided when Exists is true for Attribute: h")


def test_filters_of_the_first_api(ddb, make):
    name = make(pair("N"))
    for i in range(10):
        ddb.put_item(TableName=name, Item={"h": s("a"), "r": n(i), "v": s(f"v{i % 3}")})
    got = ddb.query(TableName=name, KeyConditions={
        "h": {"ComparisonOperator": "EQ", "AttributeValueList": [s("a")]},
        "r": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [n(2), n(8)]}},
        QueryFilter={"v": {"ComparisonOperator": "IN", "AttributeValueList": [s("v0"), s("v9")]}})
    assert [i["r"]["N"] for i in got["Items"]] == ["3", "6"] and got["ScannedCount"] == 7
    got = ddb.scan(TableName=name, ScanFilter={"v": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [s("0")]},
                                               "r": {"ComparisonOperator": "LT", "AttributeValueList": [n(5)]}})
    assert sorted(i["r"]["N"] for i in got["Items"]) == ["1", "2", "4"]


# --- Query and Scan -------------------------------------------------------------------------------


def ranges(ddb, name, condition="h = :h", values=None, **kwargs):
    got = ddb.query(TableName=name, KeyConditionExpression=condition,
                    ExpressionAttributeValues={":h": s("a")} | (values or {}), **kwargs)
    return [next(iter(i["r"].values())) for i in got["Items"]]


def test_numbers_sort_as_numbers(ddb, make):
    name = make(pair("N"))
    numbers = ["-1E+10", "-100", "-99.5", "-2", "-1.5", "-0.001", "0", "1E-100", "0.5", "1", "1.05", "1.5", "2", "10", "99", "100", "1E+20"]
    for number in reversed(numbers):
        ddb.put_item(TableName=name, Item={"h": s("a"), "r": n(number)})
    found = ranges(ddb, name)
    assert [Decimal(x) for x in found] == [Decimal(x) for x in numbers]
    assert ranges(ddb, name, ScanIndexForward=False) == found[::-1]
    for op, keep in (("<", Decimal.__lt__), ("<=", Decimal.__le__), (">", Decimal.__gt__), (">=", Decimal.__ge__), ("=", Decimal.__eq__)):
        assert [Decimal(x) for x in ranges(ddb, name, f"h = :h AND r {op} :r", {":r": n("1.50")})] == [
            Decimal(x) for x in numbers if keep(Decimal(x), Decimal("1.5"))], op
    assert ranges(ddb, name, "r BETWEEN :a AND :b AND h = :h", {":a": n("-2"), ":b": n("0.5")}) == found[3:9]


def test_bytes_sort_unsigned(ddb, make):
    name = make(pair("B"))
    keys = [b"\0", b"\0\0", b"\0\xff", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff\0", b"\xff\xff"]
    for key in keys[::2] + keys[1::2]:
        ddb.put_item(TableName=name, Item={"h": s("a"), "r": {"B": key}})
    assert ranges(ddb, name) == keys
    assert ranges(ddb, name, "h = :h AND begins_with(r, :p)", {":p": {"B": b"\xff"}}) == keys[6:]
    assert ranges(ddb, name, "h = :h AND begins_with(r, :p)", {":p": {"B": b"\0"}}) == keys[:3]
    assert ranges(ddb, name, "h = :h AND r > :p", {":p": {"B": b"\0"}}) == keys[1:]


def test_pages(ddb, make):
    name = make(pair("S"))
    wanted = [f"{i:04}" for i in range(57)]
    for i in range(0, 57, 19):
        ddb.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": {"h": s("a"), "r": s(r)}}} for r in wanted[i:i + 19]]})
    ddb.put_item(TableName=name, Item={"h": s("b"), "r": s("x")})
    for forward in (True, False):
        found, start, pages = [], {}, 0
        while True:
            got = ddb.query(TableName=name, KeyConditionExpression="h = :h", ExpressionAttributeValues={":h": s("a")},
                            Limit=10, ScanIndexForward=forward, **start)
            found += [i["r"]["S"] for i in got["Items"]]
            pages += 1
            if "LastEvaluatedKey" not in got:
                break
            start = {"ExclusiveStartKey": got["LastEvaluatedKey"]}
        assert found == (wanted if forward else wanted[::-1]) and pages == 6
    error(lambda: ranges(ddb, name, ExclusiveStartKey={"h": s("a")}), "ValidationException", "starting key is invalid")
    error(lambda: ranges(ddb, name, ExclusiveStartKey={"h": s("b"), "r": s("x")}), "ValidationException", "outside query boundaries")
    assert ddb.query(TableName=name, KeyConditionExpression="h = :h", ExpressionAttributeValues={":h": s("a")},
                     Select="COUNT")["Count"] == 57


def test_a_page_has_a_mebibyte(ddb, make):
    name = make(pair("N"))
    for i in range(8):
        ddb.put_item(TableName=name, Item={"h": s("a"), "r": n(i), "v": s("x" * 300000)})
    got = ddb.scan(TableName=name)
    assert got["Count"] == 4 and got["LastEvaluatedKey"]["r"] == n(3)
    paginator = ddb.get_paginator("scan").paginate(TableName=name, FilterExpression="r > :r", ExpressionAttributeValues={":r": n(5)})
    assert sorted(i["r"]["N"] for page in paginator for i in page["Items"]) == ["6", "7"]


def test_parallel_scan(ddb, make):
    name = make()
    for i in range(0, 200, 25):
        ddb.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": {"h": s(f"k{j}")}}} for j in range(i, i + 25)]})
    for total in (1, 3, 7):
        segments = [[i["h"]["S"] for page in ddb.get_paginator("scan").paginate(
            TableName=name, Segment=segment, TotalSegments=total, PaginationConfig={"PageSize": 20}) for i in page["Items"]]
            for segment in range(total)]
        assert sorted(sum(segments, [])) == sorted(f"k{j}" for j in range(200))
        assert all(segments)
    error(lambda: ddb.scan(TableName=name, Segment=3, TotalSegments=3), "ValidationException", "zero-based")
    error(lambda: ddb.scan(TableName=name, Segment=3), "ValidationException", "TotalSegments parameter is required")


@pytest.mark.parametrize("condition,values,message", [
    ("r = :r", {":r": n(1)}, "Query condition missed key schema element: h"), ("h > :h", {":h": s("a")}, "Query key condition not supported"),
    ("h = :h AND r <> :r", {":h": s("a"), ":r": n(1)}, "Query key condition not supported"),
    ("h = :h AND x = :r", {":h": s("a"), ":r": n(1)}, "Query condition missed key schema element: r"),
    ("h = :h OR r = :r", {":h": s("a"), ":r": n(1)}, "not supported"),
    ("h = :h AND r = :r", {":h": s("a"), ":r": s("x")}, "parameter type does not match schema type"),
])
def test_wrong_queries(ddb, make, condition, values, message):
    name = make(pair("N"))
    error(lambda: ddb.query(TableName=name, KeyConditionExpression=condition, ExpressionAttributeValues=values),
          "ValidationException", message)


# --- indexes --------------------------------------------------------------------------------------


def index(name, hash_key, range_key=None, projection="ALL", include=None):
    keys = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    keys += [{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else []
    shows = {"ProjectionType": projection} | ({"NonKeyAttributes": include} if include else {})
    return {"IndexName": name, "KeySchema": keys, "Projection": shows}


def by_owner(ddb, name, owner, **kwargs):
    got = ddb.query(TableName=name, IndexName="by-owner", KeyConditionExpression="leaseOwner = :o",
                    ExpressionAttributeValues={":o": s(owner)}, **kwargs)
    return sorted(i["h"]["S"] for i in got["Items"])


def test_a_global_index_follows_its_table(ddb, make):
    name = make()
    for i in range(6):
        ddb.put_item(TableName=name, Item={"h": s(f"k{i}"), "leaseOwner": s(f"w{i % 2}"), "x": n(i)})
    ddb.put_item(TableName=name, Item={"h": s("k9"), "leaseOwner": n(5)})  # Not of the index's type: not in it.
    error(lambda: by_owner(ddb, name, "w0"), "ValidationException", "The table does not have the specified index: by-owner")
    made = ddb.update_table(TableName=name, AttributeDefinitions=[{"AttributeName": "leaseOwner", "AttributeType": "S"}],
                            GlobalSecondaryIndexUpdates=[{"Create": index("by-owner", "leaseOwner", None, "KEYS_ONLY")}])
    assert made["TableDescription"]["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    table = ddb.describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE" and table["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    assert table["GlobalSecondaryIndexes"][0]["ItemCount"] == 6
    assert by_owner(ddb, name, "w0") == ["k0", "k2", "k4"]
    got = ddb.query(TableName=name, IndexName="by-owner", KeyConditionExpression="leaseOwner = :o", Limit=2,
                    ExpressionAttributeValues={":o": s("w1")})
    assert got["Items"][0].keys() == {"h", "leaseOwner"} == got["LastEvaluatedKey"].keys()
    rest = ddb.query(TableName=name, IndexName="by-owner", KeyConditionExpression="leaseOwner = :o",
                     ExpressionAttributeValues={":o": s("w1")}, ExclusiveStartKey=got["LastEvaluatedKey"])
    assert sorted(i["h"]["S"] for i in got["Items"] + rest["Items"]) == ["k1", "k3", "k5"]
    ddb.update_item(TableName=name, Key={"h": s("k0")}, UpdateExpression="SET leaseOwner = :o", ExpressionAttributeValues={":o": s("w1")})
    ddb.update_item(TableName=name, Key={"h": s("k1")}, UpdateExpression="REMOVE leaseOwner")
    ddb.delete_item(TableName=name, Key={"h": s("k2")})
    assert by_owner(ddb, name, "w0") == ["k4"] and by_owner(ddb, name, "w1") == ["k0", "k3", "k5"]
    assert ddb.scan(TableName=name, IndexName="by-owner")["Count"] == 4
    error(lambda: ddb.put_item(TableName=name, Item={"h": s("z"), "leaseOwner": n(1)}), "ValidationException",
          "Type mismatch for Index Key leaseOwner Expected: S Actual: N IndexName: by-owner")
    error(lambda: by_owner(ddb, name, "w0", ConsistentRead=True), "ValidationException", "Consistent reads are not supported")
    error(lambda: by_owner(ddb, name, "w0", Select="ALL_ATTRIBUTES"), "ValidationException", "projection type is not ALL")
    used = ddb.update_item(TableName=name, Key={"h": s("k3")}, UpdateExpression="SET leaseOwner = :o", ReturnConsumedCapacity="INDEXES",
                           ExpressionAttributeValues={":o": s("w3")})["ConsumedCapacity"]
    assert used["CapacityUnits"] == 3.0 and used["GlobalSecondaryIndexes"] == {"by-owner": {"CapacityUnits": 2.0}}
    ddb.update_table(TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-owner"}}])
    assert "GlobalSecondaryIndexes" not in ddb.describe_table(TableName=name)["Table"]
    ddb.put_item(TableName=name, Item={"h": s("z"), "leaseOwner": n(1)})


def test_local_and_included(ddb, make):
    schema = pair("S")
    schema["AttributeDefinitions"] = schema["AttributeDefinitions"] + [{"AttributeName": "d", "AttributeType": "N"}]
    name = make(schema, LocalSecondaryIndexes=[index("by-d", "h", "d", "KEYS_ONLY")],
                GlobalSecondaryIndexes=[index("all-d", "d", None, "INCLUDE", ["x"])])
    for i in range(4):
        ddb.put_item(TableName=name, Item={"h": s("a"), "r": s(f"r{i}"), "d": n(10 - i), "x": n(i), "y": n(i)})
    ddb.put_item(TableName=name, Item={"h": s("a"), "r": s("other")})
    got = ddb.query(TableName=name, IndexName="by-d", KeyConditionExpression="h = :h AND d > :d", ConsistentRead=True,
                    ExpressionAttributeValues={":h": s("a"), ":d": n(7)})
    assert [i["r"]["S"] for i in got["Items"]] == ["r2", "r1", "r0"] and "x" not in got["Items"][0]
    got = ddb.query(TableName=name, IndexName="by-d", KeyConditionExpression="h = :h", Select="ALL_ATTRIBUTES",
                    ExpressionAttributeValues={":h": s("a")})
    assert [i["x"]["N"] for i in got["Items"]] == ["3", "2", "1", "0"]
    got = ddb.query(TableName=name, IndexName="all-d", KeyConditionExpression="d = :d", ExpressionAttributeValues={":d": n("8.0")})
    assert got["Items"] == [{"h": s("a"), "r": s("r2"), "d": n(8), "x": n(2)}]


# --- batches and transactions ---------------------------------------------------------------------


def test_batches(ddb, make):
    one, two = make(), make(pair("N"))
    ddb.batch_write_item(RequestItems={one: [{"PutRequest": {"Item": {"h": s(f"k{i}")}}} for i in range(10)],
                                       two: [{"PutRequest": {"Item": {"h": s("a"), "r": n(i)}}} for i in range(15)]})
    got = ddb.batch_get_item(RequestItems={
        one: {"Keys": [{"h": s("k1")}, {"h": s("none")}, {"h": s("k2")}]},
        two: {"Keys": [{"h": s("a"), "r": n("3.0")}], "ProjectionExpression": "r"}}, ReturnConsumedCapacity="TOTAL")
    assert sorted(i["h"]["S"] for i in got["Responses"][one]) == ["k1", "k2"]
    assert got["Responses"][two] == [{"r": n(3)}] and got["UnprocessedKeys"] == {}
    assert {c["TableName"]: c["CapacityUnits"] for c in got["ConsumedCapacity"]} == {one: 1.5, two: 0.5}
    ddb.batch_write_item(RequestItems={one: [{"DeleteRequest": {"Key": {"h": s(f"k{i}")}}} for i in range(10)]})
    assert ddb.scan(TableName=one)["Count"] == 0 and ddb.scan(TableName=two)["Count"] == 15
    error(lambda: ddb.batch_write_item(RequestItems={one: [{"DeleteRequest": {"Key": {"h": s("a")}}}] * 2}),
          "ValidationException", "contains duplicates")
    error(lambda: ddb.batch_get_item(RequestItems={one: {"Keys": [{"h": s(f"k{i}")} for i in range(101)]}}),
          "ValidationException")
    error(lambda: ddb.batch_write_item(RequestItems={"none": [{"DeleteRequest": {"Key": {"h": s("a")}}}]}),
          "ResourceNotFoundException")


def test_a_batch_that_is_too_large_goes_on(ddb, make):
    name = make()
    for i in range(45):
        ddb.put_item(TableName=name, Item={"h": s(f"k{i}"), "v": s("x" * 390000)})
    wanted = {name: {"Keys": [{"h": s(f"k{i}")} for i in range(45)], "ProjectionExpression": "#h",
                     "ExpressionAttributeNames": {"#h": "h"}}}
    found, calls = [], 0
    while wanted:
        got = ddb.batch_get_item(RequestItems=wanted)
        found += [i["h"]["S"] for i in got["Responses"][name]]
        wanted = got["UnprocessedKeys"]
        calls += 1
    assert sorted(found) == sorted(f"k{i}" for i in range(45)) and calls == 2


def test_transactions(ddb, make):
    one, two = make(), make(pair("N"))
    ddb.put_item(TableName=one, Item={"h": s("a"), "v": n(1)})

    def move(check, token=None):
        return ddb.transact_write_items(TransactItems=[
            {"Put": {"TableName": two, "Item": {"h": s("x"), "r": n(1)}}},
            {"Update": {"TableName": one, "Key": {"h": s("a")}, "UpdateExpression": "ADD v :1", "ConditionExpression": "v = :v",
                        "ExpressionAttributeValues": {":1": n(1), ":v": n(check)}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
            {"ConditionCheck": {"TableName": one, "Key": {"h": s("b")}, "ConditionExpression": "attribute_not_exists(h)"}},
            {"Delete": {"TableName": two, "Key": {"h": s("y"), "r": n(2)}}}], **({"ClientRequestToken": token} if token else {}),
            ReturnConsumedCapacity="TOTAL")

    response = error(lambda: move(9), "TransactionCanceledException", "[None, ConditionalCheckFailed, None, None]")
    assert response["CancellationReasons"][1] == {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed",
                                                  "Item": {"h": s("a"), "v": n(1)}}
    assert ddb.scan(TableName=two)["Count"] == 0
    used = move(1, "token-1")["ConsumedCapacity"]
    assert {c["TableName"]: c["WriteCapacityUnits"] for c in used} == {one: 4.0, two: 4.0}
    move(1, "token-1")  # The same once more: done already.
    assert ddb.get_item(TableName=one, Key={"h": s("a")})["Item"]["v"] == n(2)
    error(lambda: move(2, "token-1"), "IdempotentParameterMismatchException")
    got = ddb.transact_get_items(TransactItems=[{"Get": {"TableName": one, "Key": {"h": s("a")}}},
                                                {"Get": {"TableName": one, "Key": {"h": s("none")}}},
                                                {"Get": {"TableName": two, "Key": {"h": s("x"), "r": n(1)}, "ProjectionExpression": "r"}}])
    assert got["Responses"] == [{"Item": {"h": s("a"), "v": n(2)}}, {}, {"Item": {"r": n(1)}}]
    error(lambda: ddb.transact_write_items(TransactItems=[{"Delete": {"TableName": one, "Key": {"h": s("a")}}}] * 2),
          "ValidationException", "multiple operations on one item")


def test_the_resource_api(leat):
    table = boto3.resource("dynamodb", endpoint_url=leat.endpoint, region_name="us-east-1", aws_access_key_id="test",
                           aws_secret_access_key="test", config=CONFIG).create_table(
        TableName="resource", **pair("N"), BillingMode="PAY_PER_REQUEST")
    with table.batch_writer() as batch:
        for i in range(60):
            batch.put_item(Item={"h": "a", "r": i, "tags": {"x", "y"}, "m": {"d": Decimal("1.25")}})
    got = table.query(KeyConditionExpression=Key("h").eq("a") & Key("r").between(10, 20), FilterExpression=Attr("m.d").gt(1))
    assert [i["r"] for i in got["Items"]] == list(range(10, 21)) and got["Items"][0]["tags"] == {"x", "y"}
    table.delete()


def test_time_to_live(ddb, make):
    name = make()

    def switch(enabled, attribute):
        return ddb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute})

    now = int(time.time())
    ddb.put_item(TableName=name, Item={"h": s("old"), "until": n(now - 10)})
    assert ddb.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    error(lambda: switch(False, "until"), "ValidationException", "TimeToLive is already disabled")
    assert switch(True, "until")["TimeToLiveSpecification"] == {"Enabled": True, "AttributeName": "until"}
    error(lambda: switch(True, "until"), "ValidationException", "TimeToLive is already enabled")
    error(lambda: switch(True, "other"), "ValidationException", "current AttributeName is until")
    assert ddb.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED",
                                                                                  "AttributeName": "until"}
    ddb.put_item(TableName=name, Item={"h": s("late"), "until": n(now - 5)})
    ddb.put_item(TableName=name, Item={"h": s("later"), "until": n(now + 3600)})
    ddb.put_item(TableName=name, Item={"h": s("never"), "until": s("soon")})
    deadline = time.monotonic() + 20
    while ddb.scan(TableName=name)["Count"] > 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sorted(i["h"]["S"] for i in ddb.scan(TableName=name)["Items"]) == ["later", "never"]
    switch(False, "until")


def test_reset_takes_the_tables(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data"), args=["--allow-reset"]).start()
    ddb = make_client(server, "dynamodb")
    for _ in range(2):
        ddb.create_table(TableName="gone", **HASH, BillingMode="PAY_PER_REQUEST")
        ddb.put_item(TableName="gone", Item={"h": s("a")})
        urllib.request.urlopen(urllib.request.Request(server.endpoint + "/_leat/reset", data=b"{}", method="POST"), timeout=20)
        assert ddb.list_tables()["TableNames"] == []
    server.stop()


def test_what_is_not_served_says_so(ddb, make):
    name = make()
    backups = ddb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    error(lambda: ddb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}),
          "ContinuousBackupsUnavailableException", "not supported by leat")
    error(lambda: ddb.execute_statement(Statement="SELECT * FROM x"), "UnknownOperationException", "ExecuteStatement")
    assert ddb.describe_endpoints()["Endpoints"][0]["Address"].startswith("127.0.0.1:")


# --- durability -----------------------------------------------------------------------------------


def count_until_killed(server, name, key, acknowledged):
    client = make_client(server, "dynamodb")
    try:
        for i in range(1, 1000000):
            client.update_item(TableName=name, Key={"h": s(key)}, UpdateExpression="SET v = :n, w = :w",
                               ConditionExpression="attribute_not_exists(v) OR v < :n",
                               ExpressionAttributeValues={":n": n(i + acknowledged.get("from", 0)), ":w": s(f"w{i % 3}")})
            acknowledged[key] = i + acknowledged.get("from", 0)
    except Exception:  # The server is gone.
        return


def test_killed_under_load(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    ddb = make_client(server, "dynamodb")
    schema = {"KeySchema": HASH["KeySchema"],
              "AttributeDefinitions": HASH["AttributeDefinitions"] + [{"AttributeName": "w", "AttributeType": "S"}]}
    ddb.create_table(TableName="kill", **schema, BillingMode="PAY_PER_REQUEST", GlobalSecondaryIndexes=[index("by-w", "w")])
    for turn in range(3):
        acknowledged = {"from": turn * 1000000}
        threads = [threading.Thread(target=count_until_killed, args=(server, "kill", f"k{i}", acknowledged)) for i in range(4)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 5 or min(acknowledged.get(f"k{i}", 0) - acknowledged["from"] for i in range(4)) < 10:
            pass
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
        ddb = make_client(server, "dynamodb")
        items = {i["h"]["S"]: i for i in ddb.scan(TableName="kill", ConsistentRead=True)["Items"]}
        for i in range(4):
            assert int(items[f"k{i}"]["v"]["N"]) >= acknowledged[f"k{i}"]
        by_index = ddb.scan(TableName="kill", IndexName="by-w")["Items"]
        assert {i["h"]["S"]: i for i in by_index} == items  # The index changed with the table.
        assert ddb.describe_table(TableName="kill")["Table"]["ItemCount"] == 4
    server.stop()
