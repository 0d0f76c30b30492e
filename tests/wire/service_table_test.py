"""The table of operations in docs/services/kinesis.md: each operation of the service model stands there once, with tests that call it."""

import re
from pathlib import Path

import botocore.session
from botocore import xform_name

WIRE = Path(__file__).resolve().parent
PAGE = WIRE.parents[1] / "docs" / "services" / "kinesis.md"
ROW = re.compile(r"^\| `(\w+)` \|(.*)\|([^|]*)\|$", re.M)


def rows():
    return [(name, notes, re.findall(r"`([\w.]+)::(\w+)`", tests)) for name, notes, tests in ROW.findall(PAGE.read_text())]


def source_of(file, function):
    text = (WIRE / file).read_text()
    match = re.search(rf"^def {function}\(.*?(?=^\S|\Z)", text, re.M | re.S)
    assert match, f"{file} has no {function}"
    return match.group()


def test_every_operation_of_the_model_stands_there_once():
    model = botocore.session.get_session().get_service_model("kinesis")
    assert [name for name, _, _ in rows()] == sorted(model.operation_names)
    assert len(rows()) == 39


def test_the_tests_of_a_row_call_its_operation():
    for name, _, tests in rows():
        assert tests, f"{name} has no test"
        for file, function in tests:
            source = source_of(file, function)
            assert re.search(rf"\b({name}|{xform_name(name)})\b", source), f"{file}::{function} does not call {name}"
