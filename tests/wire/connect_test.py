"""Sinks outside the log and formats: print, blackhole, csv and raw, through kill -9."""

import base64
import json
import re

import pytest

import leat_server
from conftest import make_client
from founding_test import jobs, read_all, sql, wait_until


def table(name, connector, columns="a INT, b STRING", **options):
    pairs = {"connector": connector, **{k.replace("_", "."): v for k, v in options.items()}}
    inside = ", ".join(f"'{k}' = '{v}'" for k, v in pairs.items())
    return f"DROP TABLE IF EXISTS {name};\nCREATE TABLE {name} ({columns}) WITH ({inside});\n"


def source(name, stream, region, columns="a INT, b STRING", **options):
    pairs = {"stream": stream, "aws.region": region, "scan.stream.initpos": "TRIM_HORIZON", "format": "json", **options}
    inside = ", ".join(f"'{k}' = '{v}'" for k, v in pairs.items())
    return f"DROP TABLE IF EXISTS {name};\nCREATE TABLE {name} ({columns}) WITH ('connector' = 'kinesis', {inside});\n"


def job_of(server, name):
    return next(j for j in jobs(server) if j["name"] == name)


def done(answer):
    assert answer[-1]["type"] == "done", answer
    return answer


@pytest.fixture
def stream(leat, request):
    region = re.sub(r"[^a-z0-9]+", "-", request.node.name)[:30].strip("-")
    client = make_client(leat, "kinesis", region)
    client.create_stream(StreamName="in", ShardCount=2)
    return client, region


def test_print_writes_rows_as_flink(leat, stream):
    client, region = stream
    done(sql(leat, source("p_in", "in", region) + table("p_out", "print", **{"print-identifier": "seen"})
             + "INSERT INTO p_out SELECT a, b FROM p_in;"))
    client.put_record(StreamName="in", PartitionKey="k", Data=b'{"a": 7, "b": "x, y"}')
    client.put_record(StreamName="in", PartitionKey="k", Data=b'{"a": null}')
    wait_until(lambda: "seen> +I[NULL, NULL]" in leat.output())
    assert "\nseen> +I[7, x, y]\nseen> +I[NULL, NULL]\n" in leat.output()


def test_blackhole_counts(leat, stream):
    client, region = stream
    done(sql(leat, source("h_in", "in", region) + table("h_out", "blackhole")
             + "INSERT INTO h_out SELECT a, b FROM h_in;"))
    client.put_records(StreamName="in", Records=[{"PartitionKey": str(i), "Data": b'{"a": 1}'} for i in range(100)])
    wait_until(lambda: job_of(leat, "insert-into_h_out")["rows_out"] == 100)


def test_csv_and_raw_in_and_out(leat, stream):
    client, region = stream
    for name in ("csv", "raw"):
        client.create_stream(StreamName=name, ShardCount=1)
    done(sql(leat, source("f_in", "in", region)
             + source("f_csv", "csv", region, **{"format": "csv", "csv.field-delimiter": ";"})
             + source("f_raw", "raw", region, "line STRING", **{"format": "raw"})
             + "INSERT INTO f_csv SELECT a, b FROM f_in;"
             + "INSERT INTO f_raw SELECT b || '/' || CAST(a AS STRING) FROM f_csv;"))
    client.put_record(StreamName="in", PartitionKey="k", Data=json.dumps({"a": 5, "b": 'say "so"; twice'}))
    wait_until(lambda: len(read_all(client, "csv")) == 1)
    client.put_record(StreamName="csv", PartitionKey="k", Data=b"not a number;b")
    wait_until(lambda: len(read_all(client, "raw")) == 1)
    assert [d for _, _, d in read_all(client, "csv")][0] == b'5;"say ""so""; twice"'
    assert [d for _, _, d in read_all(client, "raw")] == [b'say "so"; twice/5']
    wait_until(lambda: len(read_all(client, "leat-dead-letters")) == 1)
    letter = json.loads(read_all(client, "leat-dead-letters")[0][2])
    assert base64.b64decode(letter["data_base64"]) == b"not a number;b"


def test_errors_name_the_option(leat, stream):
    _, region = stream
    for text, wanted in [
        (table("e1", "prnt"), "did you mean 'print'?"),
        (table("e2", "print", **{"print-identifer": "x"}), "did you mean 'print-identifier'?"),
        (source("e3", "in", region, **{"format": "avro"}), "json, csv or raw"),
        (source("e4", "in", region, **{"format": "csv", "json.ignore-parse-errors": "true"}), "json.ignore-parse-errors"),
    ]:
        error = sql(leat, text)[-1]["error"]
        assert wanted in error["message"] + error.get("hint", "")
    done(sql(leat, table("e5", "print")))
    error = sql(leat, "INSERT INTO e5 SELECT * FROM e5;")[-1]["error"]
    assert "can only be a sink" in error["message"]
