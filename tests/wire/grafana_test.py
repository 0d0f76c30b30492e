"""The dashboards in grafana/: their form, and each query of each panel against real data.

Prometheus panels run against Debian's Prometheus, which scrapes a leat under load; CloudWatch panels as the
GetMetricData call that Grafana makes of them. A query that gives nothing fails.
"""

import json
import math
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

import conftest
import leat_server

GRAFANA = Path(__file__).resolve().parents[2] / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RATE_INTERVAL = "8s"
SQL = """
CREATE TABLE dash_in (`Severity` BIGINT, `t` TIMESTAMP(3), WATERMARK FOR `t` AS `t`)
WITH ('connector' = 'kinesis', 'stream' = 'dash-in', 'aws.region' = 'us-east-1', 'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE dash_out (`Severity` BIGINT)
WITH ('connector' = 'kinesis', 'stream' = 'dash-out', 'aws.region' = 'us-east-1', 'format' = 'json');
INSERT INTO dash_out SELECT `Severity` FROM dash_in WHERE `Severity` > 2;
CREATE TABLE dash_files (`Severity` BIGINT)
WITH ('connector' = 'filesystem', 'path' = 's3://dash-bucket/rows/', 'format' = 'json', 'sink.rolling-policy.rollover-interval' = '500 ms');
INSERT INTO dash_files SELECT `Severity` FROM dash_in;
"""


def load(path):
    return json.loads(path.read_text())


def panels_of(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def datasources():
    return yaml.safe_load((GRAFANA / "provisioning/datasources/leat.yaml").read_text())["datasources"]


# --- the form


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_a_dashboard_is_one_that_every_grafana_takes(path):
    dashboard = load(path)
    assert dashboard["schemaVersion"] <= 41
    assert re.fullmatch(r"leat-[a-z]+", dashboard["uid"])
    assert "id" not in dashboard, "an id belongs to one Grafana"
    known = {source["uid"]: source["type"] for source in datasources()}
    ids, cells = set(), set()
    for panel in dashboard["panels"]:
        assert panel["id"] not in ids
        ids.add(panel["id"])
        at = panel["gridPos"]
        assert 0 <= at["x"] and at["x"] + at["w"] <= 24 and at["h"] > 0
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, f"{panel['title']} lies on another panel"
        cells |= taken
    for panel in panels_of(dashboard):
        assert panel["title"] and panel["description"] and panel["targets"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        for source in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
            assert known[source["uid"]] == source["type"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_each_variable_is_used_and_each_used_one_exists(path):
    dashboard = load(path)
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    text = json.dumps(dashboard["panels"]) + json.dumps([v.get("definition", "") for v in dashboard["templating"]["list"]])
    used = set(re.findall(r"\$(\w+)", text)) - {"__rate_interval", "__range", "__all"}
    assert used == names


def test_uids_are_unique_and_files_are_provisioned():
    assert len({load(path)["uid"] for path in DASHBOARDS}) == len(DASHBOARDS) > 0
    provider, = yaml.safe_load((GRAFANA / "provisioning/dashboards/leat.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    for source in datasources():
        assert "secureJsonData" not in source or all(v.startswith("$") for v in source["secureJsonData"].values())


# --- Prometheus


class Prometheus:
    def __init__(self, directory, target):
        self.port = leat_server.free_port()
        config = yaml.safe_load((GRAFANA / "prometheus.yml").read_text())
        config["global"]["scrape_interval"] = "1s"
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def points(self, expression):
        now = time.time()
        series = self.get("query_range", query=expression, start=now - 6, end=now, step="1s")["result"]
        return [float(value) for one in series for _, value in one["values"] if math.isfinite(float(value))]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)


class Load:
    """Puts and reads until it is told to stop."""

    def __init__(self, server):
        self.kinesis = conftest.make_client(server, "kinesis")
        self.is_over = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            number = 0
            while not self.is_over.wait(0.05):
                number += 1
                rows = [{"PartitionKey": str(n), "Data": b'{"Severity": %d, "t": "2024-01-01 00:00:%02d"}' % (n % 5, number % 60)}
                        for n in range(20)]
                self.kinesis.put_records(StreamName="dash-in", Records=[*rows, {"PartitionKey": "bad", "Data": b"{"}])
                iterator = self.kinesis.get_shard_iterator(StreamName="dash-in", ShardId="shardId-000000000000",
                                                           ShardIteratorType="LATEST")["ShardIterator"]
                self.kinesis.get_records(ShardIterator=iterator)
                shard = self.kinesis.get_shard_iterator(StreamName="dash-in", ShardId="shardId-000000000000",
                                                        ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
                self.kinesis.get_records(ShardIterator=shard, Limit=5)
        except Exception as error:  # Raised again by stop().
            self.error = error

    def stop(self):
        self.is_over.set()
        self.thread.join()
        if self.error:
            raise self.error


def run_sql(server, text):
    request = urllib.request.Request(server.endpoint + "/_leat/api/sql", json.dumps({"sql": text}).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        lines = [json.loads(line) for line in answer]
    assert all(line["type"] != "error" for line in lines), lines


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """One that has watched a busy leat for some seconds, and still does."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    server = leat_server.Server().start()
    kinesis = conftest.make_client(server, "kinesis")
    conftest.make_client(server, "s3").create_bucket(Bucket="dash-bucket")
    for name in ("dash-in", "dash-out", "dash-replay"):
        kinesis.create_stream(StreamName=name, ShardCount=2)
    run_sql(server, SQL)
    load_ = Load(server)
    rows = tmp_path_factory.mktemp("replay") / "rows.csv"
    rows.write_bytes(subprocess.run([leat_server.BINARY, "generate", "us-accidents", "--rows", "5000"], check=True, capture_output=True).stdout)
    replay = subprocess.Popen([leat_server.BINARY, "replay", str(rows), "--stream", "dash-replay", "--region", "us-east-1", "--rate", "100/s"],
                              env={**os.environ, "LEAT_ENDPOINT": server.endpoint}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watcher = Prometheus(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{server.port}")
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            if watcher.points(f"rate(leat_job_rows_out_total[{RATE_INTERVAL}])"):
                break
        except OSError:
            pass  # It is still starting.
        time.sleep(0.25)
    yield watcher
    replay.terminate()
    replay.wait(timeout=20)
    watcher.stop()
    load_.stop()
    server.stop()


def variables_of(dashboard):
    return [v for v in dashboard["templating"]["list"] if v["type"] == "query"]


def expressions():
    for path in DASHBOARDS:
        dashboard = load(path)
        for panel in panels_of(dashboard):
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    yield pytest.param(dashboard, target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")


def filled(dashboard, text):
    """As Grafana does it with `All` chosen."""
    for variable in dashboard["templating"]["list"]:
        text = re.sub(rf"\${variable['name']}\b", lambda _: variable.get("allValue", ".*"), text)
    text = text.replace("$__rate_interval", RATE_INTERVAL)
    assert "$" not in text, text
    return text


@pytest.mark.parametrize("dashboard, expression", list(expressions()))
def test_a_panel_shows_something(prometheus, dashboard, expression):
    query = filled(dashboard, expression)
    deadline = time.monotonic() + 15
    while not (points := prometheus.points(query)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert points, f"nothing: {query}"


@pytest.mark.parametrize("dashboard, variable", [
    pytest.param(load(path), variable, id=f"{path.stem}: {variable['name']}") for path in DASHBOARDS for variable in variables_of(load(path))])
def test_a_variable_has_values(prometheus, dashboard, variable):
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
    assert variable["query"]["query"] == variable["definition"]
    values = prometheus.get(f"label/{match[2]}/values", **{"match[]": filled(dashboard, match[1])})
    assert values


def test_a_query_of_what_is_not_there_would_fail(prometheus):
    assert prometheus.points("rate(leat_no_such_family_total[8s])") == []


# --- CloudWatch


def cloudwatch_targets():
    for path in DASHBOARDS:
        dashboard = load(path)
        for panel in panels_of(dashboard):
            for target in panel["targets"]:
                if target["datasource"]["type"] == "cloudwatch":
                    yield pytest.param(dashboard, target, id=f"{path.stem}: {panel['title']}")


def box(dashboard, text):
    for variable in dashboard["templating"]["list"]:
        text = text.replace(f"${variable['name']}", variable["query"])
    return text


@pytest.fixture(scope="module")
def cloudwatch(leat):
    """The metrics that the pipeline publishes, each set of dimensions."""
    dashboard = load(GRAFANA / "dashboards/cloudwatch.json")
    client = conftest.make_client(leat, "cloudwatch")
    data = []
    for severity, city, county in (("3", "Columbus", "Franklin"), ("4", "Houston", "Harris"), ("3", "Dayton", "Montgomery")):
        row = {"severity": severity, "city": city, "county": county}
        for names in (("severity",), ("city",), ("county",), ("severity", "city", "county")):
            data.append({"MetricName": box(dashboard, "$metric"), "Value": 2.0, "Unit": "Count", "Timestamp": datetime.now(timezone.utc),
                         "Dimensions": [{"Name": name, "Value": row[name]} for name in names]})
    client.put_metric_data(Namespace=box(dashboard, "$namespace"), MetricData=data)
    return client


@pytest.mark.parametrize("dashboard, target", list(cloudwatch_targets()))
def test_a_cloudwatch_panel_shows_something(cloudwatch, dashboard, target):
    assert box(dashboard, target["region"]) == "us-east-1"
    assert target["matchExact"] and set(target["dimensions"].values()) == {"*"}
    schema = ",".join(f'"{part}"' for part in [box(dashboard, target["namespace"]), *sorted(target["dimensions"])])
    search = f"REMOVE_EMPTY(SEARCH('{{{schema}}} MetricName=\"{box(dashboard, target['metricName'])}\"', '{target['statistic']}', 60))"
    now = datetime.now(timezone.utc)
    answer = cloudwatch.get_metric_data(
        StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1),
        MetricDataQueries=[{"Id": "a", "Expression": search, "Label": target["label"], "ReturnData": True}])
    results = answer["MetricDataResults"]
    assert len(results) >= 2
    assert all(sum(result["Values"]) in (2.0, 4.0) for result in results)
    labels = {result["Label"] for result in results}
    assert len(labels) == len(results) and all("PROP" not in label and label for label in labels), labels


def test_each_namespace_of_the_dashboard_is_one_that_grafana_lists(cloudwatch):
    source = next(s for s in datasources() if s["type"] == "cloudwatch")
    dashboard = load(GRAFANA / "dashboards/cloudwatch.json")
    namespace = box(dashboard, "$namespace")
    assert namespace in source["jsonData"]["customMetricsNamespaces"].split(",")
    listed = cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
    names = {tuple(sorted(d["Name"] for d in metric["Dimensions"])) for metric in listed}
    wanted = {tuple(sorted(t["dimensions"])) for p in panels_of(dashboard) for t in p["targets"]}
    assert wanted <= names
