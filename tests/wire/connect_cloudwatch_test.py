"""The cloudwatch sink: sums equal the input for each set of dimensions, cap, dead letters, dead endpoint."""

import collections
import datetime
import json
import socket

import boto3
import pytest

import leat_server
from conftest import make_client
from connect_test import done, job_of, source
from founding_test import read_all, sql, wait_until

COLUMNS = "ts TIMESTAMP(3), severity STRING, city STRING, n BIGINT, d DOUBLE"


def sink(name, namespace, columns=COLUMNS, **options):
    pairs = {"connector": "cloudwatch", "namespace": namespace, **options}
    return f"CREATE TABLE {name} ({columns}) WITH ({', '.join(f'{chr(39)}{k}{chr(39)} = {chr(39)}{v}{chr(39)}' for k, v in pairs.items())});\n"


def now(offset=0):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
    return at.replace(microsecond=0)


def text(at):
    return at.strftime("%Y-%m-%d %H:%M:%S.000")


def start(server, region, into, **options):
    client = make_client(server, "kinesis", region)
    client.create_stream(StreamName="in", ShardCount=2)
    done(sql(server, source(f"{into}_in", "in", region, COLUMNS)
             + sink(into, f"Test/{into}", **options) + f"INSERT INTO {into} SELECT * FROM {into}_in;"))
    return client


def put(client, rows):
    for begin in range(0, len(rows), 500):
        client.put_records(StreamName="in", Records=[
            {"PartitionKey": str(i), "Data": json.dumps(r)} for i, r in enumerate(rows[begin:begin + 500])])


def total(cw, namespace, metric, dimensions, statistic="Sum"):
    answer = cw.get_metric_statistics(
        Namespace=namespace, MetricName=metric, Dimensions=[{"Name": k, "Value": v} for k, v in dimensions],
        StartTime=now(-7200), EndTime=now(7200), Period=86400, Statistics=[statistic])
    pick = {"Sum": sum, "SampleCount": sum, "Maximum": max, "Minimum": min}[statistic]
    return pick([p[statistic] for p in answer["Datapoints"]] or [0])


def test_sums_equal_the_input_for_each_set(leat):
    client = start(leat, "cw-sums", "cw1", **{
        "dimension-sets": "severity;city;severity,city;", "timestamp-column": "ts",
        "storage-resolution": "1", "unit": "Count"})
    at = now(-300)
    rows = [{"ts": text(at + datetime.timedelta(seconds=i % 7)), "severity": str(i % 4 + 1),
             "city": f"C{i % 5}" if i % 10 else None, "n": i % 3, "d": 0.5} for i in range(2000)]
    put(client, rows)
    cw = make_client(leat, "cloudwatch")
    wanted = collections.Counter()
    for r in rows:
        wanted[(("severity", r["severity"]),)] += r["n"]
        wanted[()] += r["n"]
        if r["city"]:
            wanted[(("city", r["city"]),)] += r["n"]
            wanted[(("severity", r["severity"]), ("city", r["city"]))] += r["n"]
    wait_until(lambda: total(cw, "Test/cw1", "n", ()) == wanted[()])
    for dimensions, value in wanted.items():
        assert total(cw, "Test/cw1", "n", dimensions) == value, dimensions
    assert total(cw, "Test/cw1", "d", (), "SampleCount") == 2000
    info = job_of(leat, "insert-into_cw1")["sinks"][0]
    assert info["kind"] == "cloudwatch" and info["delivered_rows"] == 2000 and info["retries"] == 0


def test_statistic_sets(leat):
    region = "cw-sets"
    client = make_client(leat, "kinesis", region)
    client.create_stream(StreamName="in", ShardCount=1)
    columns = "c BIGINT, s DOUBLE, lo DOUBLE, hi DOUBLE"
    done(sql(leat, source("cw2_in", "in", region, columns)
             + sink("cw2", "Test/cw2", columns, **{"statistic-sets": "distance:c,s,lo,hi"})
             + "INSERT INTO cw2 SELECT * FROM cw2_in;"))
    put(client, [{"c": 3, "s": 6, "lo": 1, "hi": 3}, {"c": 1, "s": 9, "lo": 9, "hi": 9}])
    cw = make_client(leat, "cloudwatch")
    wait_until(lambda: total(cw, "Test/cw2", "distance", (), "SampleCount") == 4)
    assert total(cw, "Test/cw2", "distance", ()) == 15
    assert total(cw, "Test/cw2", "distance", (), "Maximum") == 9
    assert total(cw, "Test/cw2", "distance", (), "Minimum") == 1


def test_series_beyond_the_cap_are_counted_and_named(leat):
    client = start(leat, "cw-cap", "cw3", **{"dimension-sets": "city", "metric-columns": "n", "series-max": "10"})
    put(client, [{"city": f"C{i}", "n": 1} for i in range(25)])
    sink_of = lambda: job_of(leat, "insert-into_cw3")["sinks"][0]
    wait_until(lambda: sink_of()["delivered_rows"] == 25)
    assert sink_of()["left_out"] == 15
    assert '"Name":"city"' in sink_of()["left_out_first"]
    metrics = make_client(leat, "cloudwatch").list_metrics(Namespace="Test/cw3")["Metrics"]
    assert len(metrics) == 10


def test_a_row_that_cloudwatch_refuses_is_a_dead_letter_and_blocks_nothing(leat):
    region = "us-east-1"
    client = make_client(leat, "kinesis", region)
    client.create_stream(StreamName="cw4", ShardCount=1)
    done(sql(leat, source("cw4_in", "cw4", region, COLUMNS)
             + sink("cw4", "Test/cw4", **{"timestamp-column": "ts", "metric-columns": "n"})
             + "INSERT INTO cw4 SELECT * FROM cw4_in;"))
    rows = [{"ts": text(now(-60)), "n": 1} for _ in range(50)]
    rows[20]["ts"] = "2016-02-08 05:46:00.000"
    client.put_records(StreamName="cw4", Records=[{"PartitionKey": "k", "Data": json.dumps(r)} for r in rows])
    cw = make_client(leat, "cloudwatch")
    wait_until(lambda: total(cw, "Test/cw4", "n", ()) == 49)
    letters = lambda: [json.loads(d) for _, _, d in read_all(client, "leat-dead-letters")]
    mine = [x for x in letters() if x["table"] == "cw4"]
    assert len(mine) == 1 and "two weeks" in mine[0]["reason"]


def test_a_dead_endpoint_is_tried_again_and_survives_kill_9(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    other = leat_server.Server()
    other.port = port
    other.environment = {"LEAT_ACCESS_KEY_ID": "their-key", "LEAT_SECRET_ACCESS_KEY": "hush-hush"}
    client = start(server, "us-east-1", "cw5", **{
        "metric-columns": "n", "aws.endpoint": f"http://127.0.0.1:{port}",
        "aws.credentials.basic.accesskeyid": "their-key", "aws.credentials.basic.secretkey": "hush-hush"})
    put(client, [{"n": 1} for _ in range(30)])
    wait_until(lambda: "cannot be reached" in job_of(server, "insert-into_cw5")["sinks"][0]["problem"])
    server.kill()
    server.start()
    wait_until(lambda: job_of(server, "insert-into_cw5")["sinks"][0]["retries"] > 0)
    shown = json.dumps(sql(server, "SHOW CREATE TABLE cw5;")) + json.dumps(job_of(server, "insert-into_cw5"))
    assert "hush-hush" not in shown + server.output()
    other.start()
    cw = boto3.client("cloudwatch", endpoint_url=other.endpoint, region_name="us-east-1",
                      aws_access_key_id="their-key", aws_secret_access_key="hush-hush")
    wait_until(lambda: total(cw, "Test/cw5", "n", ()) == 30, 30)
    other.stop()
    server.stop()


@pytest.mark.parametrize("options,wanted", [
    ({"dimension-sets": "severty"}, "did you mean 'severity'?"),
    ({"metric-columns": "city"}, "needs a number"),
    ({"timestamp-column": "city"}, "needs a TIMESTAMP"),
    ({"storage-resolution": "30"}, "1 or 60"),
    ({"series-max": "none"}, "whole number"),
    ({"aws.endpoint": "https://monitoring.us-east-1.amazonaws.com"}, "never sent anywhere"),
])
def test_errors(leat, options, wanted):
    answer = sql(leat, f"DROP TABLE IF EXISTS cw_bad;\nDROP TABLE IF EXISTS cw_bad_in;\n"
                 + source("cw_bad_in", "in", "cw-sums", COLUMNS) + sink("cw_bad", "Test/bad", **options)
                 + "INSERT INTO cw_bad SELECT * FROM cw_bad_in;")
    assert wanted in json.dumps(answer[-1], ensure_ascii=False)
