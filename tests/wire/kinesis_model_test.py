"""Every constraint and every type of the service model, broken one at a time, in JSON and CBOR: the
texts are AWS's. What a value means is tested elsewhere."""

import base64
import http.client
import json
import re

import botocore.session
import pytest

from amz_cbor import decode, encode

MODEL = botocore.session.get_session().get_service_model("kinesis")
SIGNED = ("AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/kinesis/aws4_request, "
          "SignedHeaders=host, Signature=00")
ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/nothing"
GOOD = {"StreamARN": ARN, "ResourceARN": ARN, "ConsumerARN": ARN + "/consumer/c:1", "HashKey": "0",
        "SequenceNumber": "0", "StreamId": "a" * 20 + "-abc"}
SHOWN_MAX = 4096  # Bytes of a value that are named.
# In AWS's order, where it is known not to be the model's.
ENUM_ORDER = {"ShardIteratorType": ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP",
                                    "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"]}


def good(shape):
    kind = shape.type_name
    if kind == "structure":
        return {name: good(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [good(shape.member)]
    if kind == "map":
        return {good(shape.key): good(shape.value)}
    if kind == "string":
        return GOOD.get(shape.name) or (shape.enum[0] if shape.enum else "a")
    return {"integer": max(shape.metadata.get("min", 1), 1), "boolean": True, "blob": b"",
            "timestamp": 1}[kind]


def enum_rule(shape):
    values = ENUM_ORDER.get(shape.name, shape.enum)
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def text_findings(shape, text, limits):
    """Rules that a string breaks."""
    if "min" in limits and len(text) < limits["min"]:
        yield f"Member must have length greater than or equal to {limits['min']}"
    if "max" in limits and len(text) > limits["max"]:
        yield f"Member must have length less than or equal to {limits['max']}"
    if "pattern" in limits and not re.fullmatch(limits["pattern"], text):
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"
    if shape.enum and text not in shape.enum:
        yield enum_rule(shape)


def item_rule(shape):
    if shape.enum:
        return enum_rule(shape)
    return (f"Member must have length less than or equal to {shape.metadata['max']}, "
            f"Member must have length greater than or equal to {shape.metadata['min']}")


def show(value):
    if isinstance(value, dict):
        return "{%s}" % ", ".join(f"{k}={v}" for k, v in value.items())
    return "[%s]" % ", ".join(value) if isinstance(value, list) else str(value)


def bad_strings(shape):
    limits = shape.metadata
    texts = ["", "!", "no such value"]
    texts += ["a" * (limits["max"] + 1)] if "max" in limits else []
    for text in texts:
        rules = list(text_findings(shape, text, limits))
        if rules:
            yield text, [("", text, rule) for rule in rules]


def bad_items(shape):
    """Of a list of strings."""
    for text in ("", "a" * 129, "no such value"):
        if list(text_findings(shape.member, text, shape.member.metadata)):
            value = [good(shape.member), text]
            yield value, [("", show(value),
                           f"Member must satisfy constraint: [{item_rule(shape.member)}]")]


def bad_entries(shape):
    for text in ("", "k" * (shape.key.metadata["max"] + 1)):
        value = {"a": "1", text: "2"}
        yield value, [("", show(value),
                       f"Map keys must satisfy constraint: [{item_rule(shape.key)}]")]
    value = {"a": "1", "b": "v" * (shape.value.metadata["max"] + 1)}
    yield value, [("", show(value), f"Map value must satisfy constraint: [{item_rule(shape.value)}]")]


def bad_counts(shape):
    least, most = (f"Member must have length {which} than or equal to {shape.metadata[limit]}"
                   for which, limit in (("greater", "min"), ("less", "max")))
    is_map, many = shape.type_name == "map", shape.metadata["max"] + 1
    yield ({}, [("", "{}", least)]) if is_map else ([], [("", "[]", least)])
    if is_map:
        value = {f"k{i}": "v" for i in range(many)}
    else:
        value = [good(shape.member)] * many
    is_text = is_map or shape.member.type_name == "string"
    yield value, [("", show(value) if is_text else f"[{many} records]", most)]


def bad_numbers(shape):
    for limit, step, rule in (("min", -1, "greater"), ("max", 1, "less")):
        if limit in shape.metadata:
            value = shape.metadata[limit] + step
            yield value, [("", str(value), f"Member must have value {rule} than or equal to "
                           f"{shape.metadata[limit]}")]


def bad_members(shape):
    for name, member in shape.members.items():
        path = name[0].lower() + name[1:]
        rest = good(shape)
        rest.pop(name, None)
        if name in shape.required_members:
            yield rest, [(path, None, "Member must not be null")]
            yield {**rest, name: None}, [(path, None, "Member must not be null")]
        for value, findings in bad(member):
            yield ({**rest, name: value},
                   [(f"{path}.{inner}" if inner else path, *what) for inner, *what in findings])


def bad(shape):
    """Pairs of a value and what is wrong with it: path, value shown, rule."""
    kind = shape.type_name
    if kind == "structure":
        yield from bad_members(shape)
    elif kind == "string":
        yield from bad_strings(shape)
    elif kind == "integer":
        yield from bad_numbers(shape)
    elif kind == "blob":
        count = shape.metadata["max"] + 1
        yield bytes(count), [("", f"java.nio.HeapByteBuffer[pos=0 lim={count} cap={count}]",
                              f"Member must have length less than or equal to {count - 1}")]
    elif kind in ("list", "map"):
        yield from bad_counts(shape)
        if kind == "map":
            yield from bad_entries(shape)
        elif shape.member.type_name == "string":
            yield from bad_items(shape)
        else:
            for value, findings in bad(shape.member):
                yield [value], [(f"1.member.{path}", *what) for path, *what in findings]


def post(server, operation, body, kind):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/", body, {
        "X-Amz-Target": f"Kinesis_20131202.{operation}", "Authorization": SIGNED,
        "Content-Type": f"application/x-amz-{kind}-1.1"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, (json.loads(text) if kind == "json" else decode(text)) if text else None


def ask(server, operation, members, kind):
    body = encode(members) if kind == "cbor" else json.dumps(
        members, default=lambda data: base64.b64encode(data).decode())
    return post(server, operation, body, kind)


def expect(findings):
    texts = []
    for path, value, rule in findings:
        shown = "null" if value is None else f"'{value[:SHOWN_MAX]}'"
        texts.append(f"Value {shown} at '{path}' failed to satisfy constraint: {rule}")
    return texts


@pytest.mark.parametrize("kind", ["json", "cbor"])
@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_constraints(leat, operation, kind):
    for members, findings in bad(MODEL.operation_model(operation).input_shape):
        status, answer = ask(leat, operation, members, kind)
        assert (status, answer["__type"]) == (400, "ValidationException"), (members, answer)
        texts = expect(findings)
        plural = "s" if len(texts) > 1 else ""
        head, _, rest = answer["message"].partition(": ")
        assert head == f"{len(texts)} validation error{plural} detected"
        if len(texts) == 1:
            assert rest == texts[0]
        else:
            assert sorted(rest.split("; ")) == sorted(texts)


def test_no_more_than_ten(leat):
    records = [{"PartitionKey": "", "Data": b""}] * 501
    _, answer = ask(leat, "PutRecords", {"StreamName": "", "Records": records}, "json")
    assert answer["message"].startswith("10 validation errors detected: ")
    assert answer["message"].count("; ") == 9


# --- types ------------------------------------------------------------------------------------------

LIST = "Start of list found where not expected"
MAP = "Start of structure or map found where not expected."
TARGETS = {"string": "a String", "integer": "an Integer", "boolean": "a Boolean", "blob": "a Blob",
           "timestamp": "milliseconds since epoch"}


def wrong(shape):
    """Values of another type, and what is said of them."""
    kind = shape.type_name
    if kind in TARGETS:
        yield [], LIST
        yield {}, MAP
        target = f"can not be converted to {TARGETS[kind]}"
        if kind != "boolean":
            yield True, f"TRUE_VALUE {target}"
            yield False, f"FALSE_VALUE {target}"
        if kind in ("string", "boolean", "blob"):
            yield 5, f"NUMBER_VALUE {target}"
        if kind not in ("string", "blob"):
            yield "5", f"STRING_VALUE {target}"
        return
    else_said = {"list": "Expected list or null", "map": "Expected map or null",
                 "structure": "Expected null"}[kind]
    for value in (5, "x", True):
        yield value, else_said
    yield ({}, MAP) if kind == "list" else ([], LIST)
    if kind == "list":
        for value, text in wrong(shape.member):
            yield [value], text
    elif kind == "map":
        for value, text in wrong(shape.value):
            yield {"a": value}, text
    else:
        for name, member in shape.members.items():
            for value, text in wrong(member):
                yield {name: value}, text


@pytest.mark.parametrize("kind", ["json", "cbor"])
@pytest.mark.parametrize("operation", MODEL.operation_names)
def test_types(leat, operation, kind):
    shape = MODEL.operation_model(operation).input_shape
    for name, member in shape.members.items():
        for value, text in wrong(member):
            answer = ask(leat, operation, {name: value}, kind)
            assert answer == (400, {"__type": "SerializationException", "Message": text}), \
                (name, value)


def test_numbers_are_cut(leat):
    """As AWS: what has a fraction loses it, what is too large becomes the largest."""
    assert ask(leat, "ListStreams", {"Limit": 1.9}, "json")[0] == 200
    assert "'2147483647'" in post(leat, "ListStreams", b'{"Limit":1e999}', "json")[1]["message"]
    for kind in ("json", "cbor"):
        for value, shown in ((0.9, 0), (1e300, 2**31 - 1), (10**30, 2**31 - 1), (-10**12, -2**31)):
            if kind == "cbor" and isinstance(value, int) and value > 2**63:
                continue
            _, answer = ask(leat, "ListStreams", {"Limit": value}, kind)
            assert answer["message"].startswith(f"1 validation error detected: Value '{shown}' at")


def test_blobs_that_are_no_base64(leat):
    for text, why in (
            ("23456", "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
            ("=+/=", "Invalid Base64 character: '='"), ("abü=", "found: 5"),
            ("ab c", "Invalid Base64 character: ' '"), ("üab", "Invalid Base64 character: 'ü'"),
            ("+/+=", "Invalid last non-pad Base64 character dectected")):
        _, answer = ask(leat, "PutRecord", {"StreamName": "s", "PartitionKey": "k", "Data": text},
                        "json")
        assert answer["__type"] == "SerializationException"
        assert answer["Message"].startswith(f"'{text}' can not be converted to a Blob: ")
        assert answer["Message"].endswith(why)
