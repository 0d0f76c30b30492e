"""Checks raw answers against botocore's service model: what an SDK is promised.

botocore itself forgives much: missing members, nulls, wrong types. This does not.
"""

import json
import re
import xml.etree.ElementTree as ElementTree

SCALARS = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "blob": str,
    "timestamp": (int, float),
    "float": (int, float),
    "double": (int, float),
}


def check_shape(value, shape, path):
    kind = shape.type_name
    assert value is not None, f"{path} is null"
    if kind == "structure":
        assert isinstance(value, dict), f"{path} is no object"
        for name in shape.required_members:
            assert name in value, f"{path}.{name} is required and missing"
        for name, item in value.items():
            assert name in shape.members, f"{path}.{name} is not in the model"
            check_shape(item, shape.members[name], f"{path}.{name}")
    elif kind == "list":
        assert isinstance(value, list), f"{path} is no list"
        for i, item in enumerate(value):
            check_shape(item, shape.member, f"{path}[{i}]")
    elif kind == "map":
        assert isinstance(value, dict), f"{path} is no map"
        for name, item in value.items():
            check_shape(item, shape.value, f"{path}.{name}")
    else:
        expected = SCALARS[kind]
        assert isinstance(value, expected), f"{path} is {value!r}, not of type {kind}"
        assert expected is bool or not isinstance(value, bool), f"{path} is a boolean"
        if getattr(shape, "enum", None):
            assert value in shape.enum, f"{path} is {value!r}, none of {shape.enum}"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if kind in ("string", "list"):
        assert high is None or len(value) <= high, f"{path} is longer than {high}"
        # The service itself answers an empty list of metrics, which its model forbids.
        if shape.name != "MetricsNameList":
            assert low is None or len(value) >= low, f"{path} is shorter than {low}"


# Of every AWS service, without standing in its model.
COMMON_ERRORS = {
    "SerializationException",
    "ValidationException",
    "UnknownOperationException",
    "InternalFailure",
    "NotImplementedException",
}


def check_json_response(response, operation):
    headers = {name.lower(): value for name, value in response["headers"].items()}
    assert len(headers["x-amzn-requestid"]) == 36
    body = response["body"]
    if response["status_code"] == 200:
        if operation.output_shape is None:
            assert body == b"", f"{operation.name} answers nothing, not {body!r}"
            return
        assert headers["content-type"] == "application/x-amz-json-1.1"
        check_shape(json.loads(body), operation.output_shape, operation.name)
        return
    error = json.loads(body)
    code = error["__type"]
    assert "#" not in code
    assert headers.get("x-amzn-errortype", code) == code
    named = {shape.name for shape in operation.error_shapes}
    assert code in named | COMMON_ERRORS, f"{operation.name} cannot fail with {code}"
    assert all(value is not None for value in error.values())


# Of every service that speaks the Query protocol.
QUERY_COMMON_ERRORS = {"InvalidAction", "ValidationError", "MissingParameter", "InvalidParameterValue",
                       "InvalidParameterCombination", "LimitExceeded", "MalformedQueryString"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def xml_scalar(text, kind, path):
    if kind in ("integer", "long"):
        return int(text)
    if kind in ("float", "double"):
        return float(text)
    if kind == "boolean":
        assert text in ("true", "false"), f"{path} is {text!r}, no boolean"
        return text == "true"
    if kind == "timestamp":
        assert TIME.fullmatch(text), f"{path} is {text!r}, no time"
        return 0
    return text


def xml_value(element, shape, path):
    """The element as the JSON value that check_shape knows; what the model does not know stays in it."""
    name = lambda e: e.tag.split("}")[1]
    kind = shape.type_name
    if kind == "structure":
        out = {}
        for child in element:
            assert name(child) not in out, f"{path}.{name(child)} stands there twice"
            member = shape.members.get(name(child))
            assert member is not None, f"{path}.{name(child)} is not in the model"
            out[name(child)] = xml_value(child, member, f"{path}.{name(child)}")
        return out
    if kind == "list":
        assert all(name(e) == "member" for e in element), f"{path} holds something but members"
        return [xml_value(e, shape.member, f"{path}[{i}]") for i, e in enumerate(element)]
    if kind == "map":
        assert all([name(p) for p in e] == ["key", "value"] for e in element), f"{path} is no map"
        return {e[0].text: xml_value(e[1], shape.value, f"{path}.{e[0].text}") for e in element}
    assert len(element) == 0, f"{path} is no scalar"
    return xml_scalar(element.text or "", kind, path)


def error_codes(operation):
    """Of the Query protocol, which names some errors otherwise than their shapes."""
    return {shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes}


def check_query_response(response, operation):
    headers = {name.lower(): value for name, value in response["headers"].items()}
    assert len(headers["x-amzn-requestid"]) == 36
    assert headers["content-type"] == "text/xml"
    root = ElementTree.fromstring(response["body"])
    space = "{" + operation.service_model.metadata["xmlNamespace"] + "}"
    if response["status_code"] == 200:
        assert root.tag == f"{space}{operation.wire_name}Response"
        assert root.find(f"{space}ResponseMetadata/{space}RequestId").text == headers["x-amzn-requestid"]
        result = root.find(f"{space}{operation.wire_name}Result")
        if operation.output_shape is not None and result is not None:
            check_shape(xml_value(result, operation.output_shape, operation.name),
                        operation.output_shape, operation.name)
        else:
            assert operation.output_shape is None or not operation.output_shape.required_members
        return
    assert root.tag == f"{space}ErrorResponse"
    error = {child.tag[len(space):]: child.text for child in root.find(f"{space}Error")}
    assert set(error) == {"Type", "Code", "Message"} and all(error.values()), error
    assert error["Type"] == ("Sender" if response["status_code"] < 500 else "Receiver")
    assert error["Code"] in error_codes(operation) | QUERY_COMMON_ERRORS, error


def check_json_1_0_response(response, operation):
    """JSON of a service that was Query: errors also carry their old code in a header."""
    headers = {name.lower(): value for name, value in response["headers"].items()}
    assert len(headers["x-amzn-requestid"]) == 36
    assert headers["content-type"] == "application/x-amz-json-1.0"
    body = json.loads(response["body"])
    if response["status_code"] == 200:
        if operation.output_shape is None:
            assert body == {}
        else:
            check_shape(body, operation.output_shape, operation.name)
        return
    code, who = headers["x-amzn-query-error"].split(";")
    assert who == ("Sender" if response["status_code"] < 500 else "Receiver")
    assert set(body) == {"__type", "message"} and body["message"]
    names = {shape.name: shape.metadata.get("error", {}).get("code", shape.name)
             for shape in operation.error_shapes}
    assert names.get(body["__type"]) == code or code in QUERY_COMMON_ERRORS, (body, code)


def check_response(response, operation):
    protocol = operation.service_model.resolved_protocol
    if protocol == "query":
        check_query_response(response, operation)
    elif operation.service_model.metadata.get("jsonVersion") == "1.0":
        check_json_1_0_response(response, operation)
    else:
        check_json_response(response, operation)


def watch(client):
    """Every answer that this client gets is checked. Returns the names of what was called."""
    seen = set()

    def on_response(response_dict, operation_model, **_):
        seen.add(operation_model.name)
        check_response(response_dict, operation_model)

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}.*", on_response)
    return seen
