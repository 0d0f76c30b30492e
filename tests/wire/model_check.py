"""Checks raw answers against botocore's service model: what an SDK is promised.

botocore itself forgives much: missing members, nulls, wrong types. This does not.
"""

import json

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


def watch(client):
    """Every answer that this client gets is checked. Returns the names of what was called."""
    seen = set()

    def on_response(response_dict, operation_model, **_):
        seen.add(operation_model.name)
        check_json_response(response_dict, operation_model)

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}.*", on_response)
    return seen
