"""Checks raw answers of the REST-XML protocol (S3) against botocore's model."""

import re
from xml.etree import ElementTree


def xml_name(node):
    return node.tag.rsplit("}", 1)[-1]


def check_xml_shape(node, shape, path):
    """An element against its shape: nothing unknown, nothing required missing, scalars as they should be."""
    kind = shape.type_name
    if kind == "structure":
        names = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()
                 if member.serialization.get("location") is None}
        for name in shape.required_members:
            wire = shape.members[name].serialization.get("name", name)
            assert any(xml_name(child) == wire for child in node), f"{path}.{name} is required and missing"
        for child in node:
            assert xml_name(child) in names, f"{path}.{xml_name(child)} is not in the model"
            name, member = names[xml_name(child)]
            if member.type_name == "list" and member.serialization.get("flattened"):
                check_xml_shape(child, member.member, f"{path}.{name}[]")
            else:
                check_xml_shape(child, member, f"{path}.{name}")
    elif kind == "list":
        wire = shape.member.serialization.get("name", "member")
        for child in node:
            assert xml_name(child) == wire, f"{path} has a {xml_name(child)}, not a {wire}"
            check_xml_shape(child, shape.member, f"{path}[]")
    else:
        check_text(node.text or "", shape, path)


def check_text(text, shape, path):
    kind = shape.type_name
    if kind in ("integer", "long"):
        assert re.fullmatch(r"-?\d+", text), f"{path} is {text!r}, no whole number"
    elif kind == "boolean":
        assert text in ("true", "false"), f"{path} is {text!r}, no boolean"
    elif kind == "timestamp":
        iso = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
        http = re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", text)
        assert iso or http, f"{path} is {text!r}, no time"
    if getattr(shape, "enum", None) and text:
        assert text in shape.enum, f"{path} is {text!r}, none of {shape.enum}"


def check_response(response, operation):
    """For services of the REST-XML protocol (S3)."""
    headers = {name.lower(): value for name, value in response["headers"].items()}
    assert len(headers["x-amz-request-id"]) == 36
    assert headers["content-security-policy"] == "sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    shape, body = operation.output_shape, response["body"]
    if response["status_code"] >= 300:
        if body:
            error = ElementTree.fromstring(body)
            assert error.tag == "Error"
            assert error.findtext("Code") and error.findtext("Message")
            assert error.findtext("RequestId") == headers["x-amz-request-id"]
        return
    if shape is None:
        assert body == b"", f"{operation.name} answers nothing, not {body!r}"
        return
    in_headers = {member.serialization["name"].lower(): member for member in shape.members.values()
                  if member.serialization.get("location") == "header"}
    for name, member in in_headers.items():
        if name in headers:
            check_text(headers[name], member, f"{operation.name}: {name}")
    if operation.has_streaming_output:
        return
    payload = shape.serialization.get("payload")
    is_in_body = payload or any("location" not in m.serialization for m in shape.members.values())
    if not is_in_body:
        assert body == b"", f"{operation.name} has no body, not {body!r}"
        return
    assert headers["content-type"] == "application/xml"
    root = ElementTree.fromstring(body)
    assert root.tag.startswith("{http://s3.amazonaws.com/doc/2006-03-01/}")
    if operation.name == "GetBucketLocation":  # Its model says other than what is sent.
        assert xml_name(root) == "LocationConstraint" and len(root) == 0
        return
    check_xml_shape(root, shape.members[payload] if payload else shape, operation.name)


def watch(client):
    """Every answer that this client gets is checked. Returns the names of what was called."""
    seen = set()

    def on_response(response_dict, operation_model, **_):
        seen.add(operation_model.name)
        check_response(response_dict, operation_model)

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-parse.{service}.*", on_response)
    return seen
