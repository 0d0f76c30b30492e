"""CloudWatch as boto3 of today sees it (JSON 1.0), and over the Query protocol."""

import datetime
import gzip
import json
import time
import urllib.parse
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

import leat_server
import model_check
from conftest import make_client

SIGNED = ("AWS4-HMAC-SHA256 Credential=test/20261124/{}/monitoring/aws4_request, "
          "SignedHeaders=host, Signature=0")
CITY = [{"Name": "severity", "Value": "4"}, {"Name": "city", "Value": "Dayton"}]


@pytest.fixture(scope="module")
def region():
    return f"cw-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def cw(leat, region):
    client = make_client(leat, "cloudwatch", region)
    client.seen = model_check.watch(client)
    return client


@pytest.fixture
def ns():
    return f"ns-{uuid.uuid4().hex[:8]}"


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def minute_ago():
    """The start of a minute that is over, so that no period begins while a test runs."""
    return now().replace(second=0) - datetime.timedelta(minutes=2)


def stats(cw, ns, metric, start, end, period=60, dimensions=(), names=("Sum",), **options):
    answer = cw.get_metric_statistics(
        Namespace=ns, MetricName=metric, Dimensions=list(dimensions), StartTime=start, EndTime=end,
        Period=period, Statistics=list(names), **options)
    return answer["Datapoints"]


def series(ns, metric, period=60, stat="Sum", dimensions=(), **options):
    return {"MetricStat": {"Metric": {"Namespace": ns, "MetricName": metric,
                                      "Dimensions": list(dimensions)},
                           "Period": period, "Stat": stat}, **options}


def data(cw, queries, start, end, **options):
    return cw.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end,
                              ScanBy="TimestampAscending", **options)["MetricDataResults"]


def fails(call, code, part):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    assert part in error.value.response["Error"]["Message"]


def raw(leat, region, body, headers):
    request = urllib.request.Request(
        leat.endpoint, data=body, headers={"Authorization": SIGNED.format(region), **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


# --- putting ---------------------------------------------------------------------------------------


def test_values_add_up_within_their_second(cw, ns):
    at = minute_ago()
    put = lambda seconds, value: cw.put_metric_data(Namespace=ns, MetricData=[{
        "MetricName": "accidents", "Dimensions": CITY, "Timestamp": at + datetime.timedelta(seconds=seconds),
        "Value": value, "Unit": "Count", "StorageResolution": 1}])
    put(0, 1), put(0, 5), put(1, 2), put(7, -3)
    end = at + datetime.timedelta(minutes=1)
    names = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
    points = stats(cw, ns, "accidents", at, end, 1, CITY, names)
    assert [(p["Timestamp"] - at).seconds for p in points] == [0, 1, 7]
    assert {n: points[0][n] for n in names} == dict(SampleCount=2, Sum=6, Average=3, Minimum=1, Maximum=5)
    assert points[0]["Unit"] == "Count"
    whole = stats(cw, ns, "accidents", at, end, 60, CITY, names)
    assert len(whole) == 1 and whole[0]["Sum"] == 5 and whole[0]["Minimum"] == -3
    # The order of dimensions does not matter; a part of them is another metric.
    assert stats(cw, ns, "accidents", at, end, 60, CITY[::-1]) == stats(cw, ns, "accidents", at, end, 60, CITY)
    assert stats(cw, ns, "accidents", at, end, 60, CITY[:1]) == []


def test_statistic_sets_and_arrays(cw, ns):
    at = minute_ago()
    cw.put_metric_data(Namespace=ns, MetricData=[
        {"MetricName": "set", "Timestamp": at, "StatisticValues":
            {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 5}},
        {"MetricName": "array", "Timestamp": at, "Values": [1, 2, 10], "Counts": [8, 1, 1]},
        {"MetricName": "array", "Timestamp": at, "Values": [100.5]},
    ])
    end = at + datetime.timedelta(minutes=1)
    names = ("SampleCount", "Sum", "Minimum", "Maximum")
    got = stats(cw, ns, "set", at, end, names=names)[0]
    assert [got[n] for n in names] == [4, 10, 1, 5]
    got = stats(cw, ns, "array", at, end, names=names)[0]
    assert [got[n] for n in names] == [11, 120.5, 1, 100.5]


def test_units_are_kept_apart(cw, ns):
    at = minute_ago()
    for unit, value in (("Bytes", 1), ("Count", 2), ("Bytes", 4)):
        cw.put_metric_data(Namespace=ns, MetricData=[
            {"MetricName": "u", "Timestamp": at, "Value": value, "Unit": unit}])
    end = at + datetime.timedelta(minutes=1)
    assert {p["Unit"]: p["Sum"] for p in stats(cw, ns, "u", at, end)} == {"Bytes": 5, "Count": 2}
    assert [p["Sum"] for p in stats(cw, ns, "u", at, end, Unit="Bytes")] == [5]
    assert stats(cw, ns, "u", at, end, Unit="Seconds") == []


@pytest.mark.parametrize("datum,code,part", [
    ({"Value": 1, "Values": [1.0]}, "InvalidParameterCombination",
     "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive"),
    ({"Value": 1, "StatisticValues": dict(SampleCount=1, Sum=1, Minimum=1, Maximum=1)},
     "InvalidParameterCombination", "mutually exclusive"),
    ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue",
     "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size."),
    ({"Values": [float(i) for i in range(151)]}, "InvalidParameterValue", "greater than 150"),
    ({"Values": [1.0], "Counts": [0.0]}, "InvalidParameterValue", "The value 0"),
    ({"Value": float("nan")}, "InvalidParameterValue",
     "The value NaN for parameter MetricData.member.1.Value is invalid."),
    ({"Value": float("inf")}, "InvalidParameterValue", "MetricData.member.1.Value is invalid"),
    ({"Value": 2.0 ** 361}, "InvalidParameterValue", "MetricData.member.1.Value is invalid"),
    ({}, "MissingParameter", "MetricData.member.1.Value is required"),
    ({"Value": 1, "Unit": "Furlongs"}, "InvalidParameterValue", "Furlongs"),
    ({"Value": 1, "StorageResolution": 30}, "InvalidParameterValue", "StorageResolution"),
    ({"Value": 1, "Timestamp": 1456000000}, "InvalidParameterValue", "within the past two weeks"),
    ({"Value": 1, "Timestamp": 4000000000}, "InvalidParameterValue", "two hours in the future"),
    ({"Value": 1, "Dimensions": [{"Name": f"d{i}", "Value": "v"} for i in range(31)]},
     "InvalidParameterValue", "greater than 30"),
    ({"Value": 1, "Dimensions": [{"Name": "d", "Value": "v"}] * 2}, "InvalidParameterValue", "repeats"),
    ({"Value": 1, "Dimensions": [{"Name": "d", "Value": "é"}]}, "InvalidParameterValue", "ASCII"),
    ({"Value": 1, "Dimensions": [{"Name": ":d", "Value": "v"}]}, "InvalidParameterValue", "colon"),
    ({"Value": 1, "Dimensions": [{"Name": "d", "Value": "v" * 1025}]}, "InvalidParameterValue", "1024"),
    ({"StatisticValues": dict(SampleCount=0, Sum=1, Minimum=1, Maximum=1)}, "InvalidParameterValue",
     "SampleCount above 0"),
    ({"StatisticValues": dict(SampleCount=2, Sum=1, Minimum=3, Maximum=1)}, "InvalidParameterValue",
     "not above its Maximum"),
])
def test_bad_data_are_refused_and_nothing_is_taken(cw, ns, datum, code, part):
    good = {"MetricName": "good", "Value": 1}
    fails(lambda: cw.put_metric_data(Namespace=ns, MetricData=[{"MetricName": "m", **datum}, good]), code, part)
    fails(lambda: cw.put_metric_data(Namespace=ns, MetricData=[good, {"MetricName": "m", **datum}]), code, "2"
          if "member.1" in part else part)
    assert cw.list_metrics(Namespace=ns)["Metrics"] == []


def test_limits_of_one_call(cw, ns):
    datum = {"MetricName": "m", "Value": 1}
    cw.put_metric_data(Namespace=ns, MetricData=[datum] * 1000)
    fails(lambda: cw.put_metric_data(Namespace=ns, MetricData=[datum] * 1001), "InvalidParameterValue",
          "greater than 1000")
    thirty = [{"Name": f"d{i}", "Value": "v" * 1024} for i in range(30)]
    cw.put_metric_data(Namespace=ns, MetricData=[{**datum, "Dimensions": thirty}])
    cw.put_metric_data(Namespace="n" * 255, MetricData=[{**datum, "MetricName": "m" * 255}])
    fails(lambda: cw.put_metric_data(Namespace="AWS/EC2", MetricData=[datum]), "InvalidParameterValue", "AWS/EC2")
    fails(lambda: cw.put_metric_data(Namespace=":n", MetricData=[datum]), "InvalidParameterValue", "Namespace")
    fails(lambda: cw.put_metric_data(Namespace=ns, MetricData=[]), "MissingParameter", "MetricData is required")


def test_gzip(leat, region, cw, ns):
    headers = {"X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
               "Content-Type": "application/x-amz-json-1.0", "Content-Encoding": "gzip"}
    body = json.dumps({"Namespace": ns, "MetricData": [{"MetricName": "z", "Value": 1}]}).encode()
    assert raw(leat, region, gzip.compress(body), headers)[0] == 200
    assert len(cw.list_metrics(Namespace=ns)["Metrics"]) == 1
    assert raw(leat, region, body, headers)[0] == 400
    assert raw(leat, region, gzip.compress(body)[:-4], headers)[0] == 400
    assert raw(leat, region, gzip.compress(b"x" * (8 << 20)), headers)[0] == 413
    form = urllib.parse.urlencode({"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": ns,
                                   "MetricData.member.1.MetricName": "q", "MetricData.member.1.Value": "2"})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    assert raw(leat, region, gzip.compress(form.encode()), headers)[0] == 200
    assert len(cw.list_metrics(Namespace=ns)["Metrics"]) == 2


def test_bad_requests_of_the_protocol(leat, region):
    json_headers = {"X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
                    "Content-Type": "application/x-amz-json-1.0", "x-amzn-query-mode": "true"}
    status, headers, body = raw(leat, region, b'{"Namespace": ', json_headers)
    assert status == 400 and json.loads(body)["__type"] == "SerializationException"
    status, headers, body = raw(leat, region, b'{"Namespace": "n", "MetricData": [{"MetricName": 7}]}', json_headers)
    assert status == 400 and "MetricName is not a string" in json.loads(body)["message"]
    json_headers["X-Amz-Target"] = "GraniteServiceVersion20100801.PutMetricAlarm"
    status, headers, body = raw(leat, region, b"{}", json_headers)
    assert status == 400 and "PutMetricAlarm" in json.loads(body)["message"]
    assert headers["x-amzn-query-error"] == "InvalidAction;Sender"
    status, _, body = raw(leat, region, b"\xbf\xff", {"Content-Type": "application/cbor"})
    assert status == 415 and b"application/cbor" in body


def test_unsupported_operations_name_themselves(cw):
    fails(lambda: cw.describe_alarms(), "InvalidAction", '"DescribeAlarms" of CloudWatch is not supported')
    fails(lambda: cw.put_dashboard(DashboardName="d", DashboardBody="{}"), "InvalidAction", "PutDashboard")
    fails(lambda: cw.put_metric_data(Namespace="n", EntityMetricData=[{"MetricData": [
        {"MetricName": "m", "Value": 1}]}]), "InvalidParameterValue", "EntityMetricData")


# --- reading ---------------------------------------------------------------------------------------


def test_percentiles(cw, ns):
    at = minute_ago()
    end = at + datetime.timedelta(minutes=1)
    for i in range(4):
        cw.put_metric_data(Namespace=ns, MetricData=[
            {"MetricName": "p", "Timestamp": at, "Value": float(v)} for v in range(1 + i, 101, 4)])
    names = ["p0", "p1", "p50", "p99", "p99.9", "p100", "tm90", "TM(10%:90%)", "wm90", "tc90", "ts90",
             "IQM", "PR(:50)", "TM(20:40)"]
    got = {}
    for part in (names[:10], names[10:]):
        got |= cw.get_metric_statistics(Namespace=ns, MetricName="p", StartTime=at, EndTime=end, Period=60,
                                        ExtendedStatistics=part)["Datapoints"][0]["ExtendedStatistics"]
    assert got == pytest.approx({
        "p0": 1, "p1": 1, "p50": 50, "p99": 99, "p99.9": 100, "p100": 100, "tm90": 45.5, "TM(10%:90%)": 50.5,
        "wm90": 49.95, "tc90": 90, "ts90": 4095, "IQM": 50.5, "PR(:50)": 50, "TM(20:40)": 30.5})


def test_percentiles_of_many_values_are_near(cw, ns):
    at = minute_ago()
    values = [1.001 ** i for i in range(9000)]
    for i in range(0, 9000, 150):
        cw.put_metric_data(Namespace=ns, MetricData=[
            {"MetricName": "p", "Timestamp": at, "Values": values[i:i + 150]}])
    got = cw.get_metric_statistics(
        Namespace=ns, MetricName="p", StartTime=at, EndTime=at + datetime.timedelta(minutes=1), Period=60,
        Statistics=["SampleCount"], ExtendedStatistics=["p10", "p50", "p90"])["Datapoints"][0]
    assert got["SampleCount"] == 9000
    for name, at in (("p10", 899), ("p50", 4499), ("p90", 8099)):
        assert got["ExtendedStatistics"][name] == pytest.approx(values[at], rel=0.07)


def test_a_statistic_set_has_no_percentiles(cw, ns):
    at = minute_ago()
    cw.put_metric_data(Namespace=ns, MetricData=[
        {"MetricName": "p", "Timestamp": at, "StatisticValues": dict(SampleCount=2, Sum=3, Minimum=1, Maximum=2)}])
    point = cw.get_metric_statistics(
        Namespace=ns, MetricName="p", StartTime=at, EndTime=at + datetime.timedelta(minutes=1), Period=60,
        Statistics=["Sum"], ExtendedStatistics=["p50"])["Datapoints"][0]
    assert point["Sum"] == 3 and "ExtendedStatistics" not in point


@pytest.mark.parametrize("change,code,part", [
    (dict(Period=7), "InvalidParameterValue", "[1, 5, 10, 20, 30] or a multiple of 60"),
    (dict(Period=61), "InvalidParameterValue", "multiple of 60"),
    (dict(EndTime=0), "InvalidParameterValue", "StartTime must be less than the parameter EndTime"),
    (dict(Statistics=["Median"]), "InvalidParameterValue", "Median"),
    (dict(Statistics=["p50"]), "InvalidParameterValue", "p50"),
    (dict(ExtendedStatistics=["p101"]), "InvalidParameterValue", "p101"),
    (dict(ExtendedStatistics=["TM(9%:5%)"]), "InvalidParameterValue", "TM(9%:5%)"),
    (dict(ExtendedStatistics=["Sum"]), "InvalidParameterValue", "Sum"),
    (dict(Statistics=[]), "InvalidParameterCombination", "Must specify either"),
    (dict(Unit="Furlongs"), "InvalidParameterValue", "Furlongs"),
    (dict(StartTime=1), "InvalidParameterCombination", "exceeds the limit of 1,440"),
    (dict(MetricName=""), "InvalidParameterValue", "MetricName must be 1 to 255"),
])
def test_bad_statistics(leat, region, change, code, part):
    at = int(time.time())
    call = dict(Namespace="n", MetricName="m", StartTime=at - 3600, EndTime=at, Period=60, Statistics=["Sum"])
    call |= change
    body = json.dumps(call).encode()
    status, headers, answer = raw(leat, region, body, {
        "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics",
        "Content-Type": "application/x-amz-json-1.0", "x-amzn-query-mode": "true"})
    assert (status, headers["x-amzn-query-error"]) == (400, f"{code};Sender")
    assert part in json.loads(answer)["message"]


def test_1440_points_and_one_more(cw, ns):
    at = minute_ago()
    day = datetime.timedelta(minutes=1440)
    assert stats(cw, ns, "m", at - day, at) == []
    fails(lambda: stats(cw, ns, "m", at - day - datetime.timedelta(minutes=1), at),
          "InvalidParameterCombination", "1441 datapoints")


def test_list_metrics_filters_and_pages(cw, ns):
    for start in range(0, 1100, 550):
        cw.put_metric_data(Namespace=ns, MetricData=[
            {"MetricName": f"m{i % 2}", "Dimensions": [{"Name": "n", "Value": str(i)}], "Value": 1}
            for i in range(start, start + 550)])
    pages = list(cw.get_paginator("list_metrics").paginate(Namespace=ns))
    assert [len(p["Metrics"]) for p in pages] == [500, 500, 100]
    seen = {m["Dimensions"][0]["Value"] for p in pages for m in p["Metrics"]}
    assert seen == {str(i) for i in range(1100)}
    one = cw.list_metrics(Namespace=ns, Dimensions=[{"Name": "n", "Value": "7"}])["Metrics"]
    assert one == [{"Namespace": ns, "MetricName": "m1", "Dimensions": [{"Name": "n", "Value": "7"}]}]
    assert len(cw.list_metrics(Namespace=ns, MetricName="m0", Dimensions=[{"Name": "n"}])["Metrics"]) == 500
    assert cw.list_metrics(Namespace=ns, Dimensions=[{"Name": "other"}])["Metrics"] == []
    old = now() - datetime.timedelta(hours=4)
    cw.put_metric_data(Namespace=ns + "-old", MetricData=[{"MetricName": "m", "Value": 1, "Timestamp": old}])
    assert len(cw.list_metrics(Namespace=ns + "-old")["Metrics"]) == 1
    assert cw.list_metrics(Namespace=ns + "-old", RecentlyActive="PT3H")["Metrics"] == []
    fails(lambda: cw.list_metrics(NextToken="x"), "InvalidParameterValue", "NextToken")
    fails(lambda: cw.list_metrics(RecentlyActive="PT1H"), "InvalidParameterValue", "PT1H")


def test_metric_data(cw, ns):
    at = minute_ago() - datetime.timedelta(minutes=5)
    minutes = lambda n: at + datetime.timedelta(minutes=n)
    for n, value in ((0, 1), (1, 2), (3, 4)):
        cw.put_metric_data(Namespace=ns, MetricData=[
            {"MetricName": "m", "Dimensions": CITY, "Timestamp": minutes(n), "Value": value}])
    query = series(ns, "m", dimensions=CITY, Id="m1")
    up = data(cw, [query], at, minutes(5))
    assert up == [{"Id": "m1", "Label": "m", "StatusCode": "Complete",
                   "Timestamps": [minutes(0), minutes(1), minutes(3)], "Values": [1, 2, 4]}]
    down = cw.get_metric_data(MetricDataQueries=[query], StartTime=at, EndTime=minutes(5))["MetricDataResults"]
    assert down[0]["Values"] == [4, 2, 1]
    pages = list(cw.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query, series(ns, "m", dimensions=CITY, Id="m2", stat="Maximum"),
                           series(ns, "none", Id="m3")],
        StartTime=at, EndTime=minutes(5), MaxDatapoints=2, ScanBy="TimestampAscending"))
    got = {}
    for page in pages:
        assert sum(len(r["Values"]) for r in page["MetricDataResults"]) <= 2
        for r in page["MetricDataResults"]:
            got.setdefault(r["Id"], []).extend(r["Values"])
    assert got == {"m1": [1, 2, 4], "m2": [1, 2, 4], "m3": []}
    assert pages[0]["MetricDataResults"][0]["StatusCode"] == "PartialData"


def math(cw, ns, expression, **options):
    at = minute_ago() - datetime.timedelta(minutes=5)
    if not cw.list_metrics(Namespace=ns)["Metrics"]:
        for name, values in (("a", (1, 2, None, 4)), ("b", (10, None, 30, 40))):
            cw.put_metric_data(Namespace=ns, MetricData=[
                {"MetricName": name, "Dimensions": [{"Name": "sev", "Value": name}], "Value": v,
                 "Timestamp": at + datetime.timedelta(minutes=i)} for i, v in enumerate(values) if v])
    queries = [series(ns, n, Id=n, ReturnData=False, dimensions=[{"Name": "sev", "Value": n}]) for n in "ab"]
    queries.append({"Id": "e", "Expression": expression.replace("NS", ns), **options})
    results = data(cw, queries, at, at + datetime.timedelta(minutes=4))
    for r in results:
        r["Minutes"] = [(t - at).seconds // 60 for t in r["Timestamps"]]
    return results


@pytest.mark.parametrize("expression,minutes,values", [
    ("a + b", [0, 3], [11, 44]),
    ("a * 2 + 1", [0, 1, 3], [3, 5, 9]),
    ("-a ^ 2", [0, 1, 3], [-1, -4, -16]),
    ("(b - a) / a", [0, 3], [9, 9]),
    ("a / 0", [], []),
    ("a - AVG(a)", [0, 1, 3], pytest.approx([-4 / 3, -1 / 3, 5 / 3])),
    ("SUM([a, b])", [0, 1, 2, 3], [11, 2, 30, 44]),
    ("MAX(METRICS())", [0, 1, 2, 3], [10, 2, 30, 40]),
    ("MIN(METRICS('a'))", [0, 1, 3], [1, 2, 4]),
    ("FILL(a, 0)", [0, 1, 2, 3], [1, 2, 0, 4]),
    ("FILL(a, REPEAT)", [0, 1, 2, 3], [1, 2, 2, 4]),
    ("FILL(a, LINEAR)", [0, 1, 2, 3], [1, 2, 3, 4]),
    ("FILL(METRICS(), 0) * 0 + PERIOD(a)", None, None),
    ("a > 1 AND a < 4", [0, 1, 3], [0, 1, 0]),
    ("IF(a > 1, a, 0)", [0, 1, 3], [0, 2, 4]),
    ("RATE(a)", [1, 3], pytest.approx([1 / 60, 2 / 120])),
    ("RUNNING_SUM(a)", [0, 1, 3], [1, 3, 7]),
    ("DIFF(b)", [2, 3], [20, 10]),
    ("ABS(-a) + CEIL(0.5) + FLOOR(0.5)", [0, 1, 3], [2, 3, 5]),
    ("TIME_SERIES(SUM(a))", [0, 1, 2, 3], [7, 7, 7, 7]),
    ("SUM(SEARCH('{NS,sev}', 'Sum', 60))", [0, 1, 2, 3], [11, 2, 30, 44]),
    ("SEARCH('{NS,sev} MetricName=\"b\"', 'Sum', 60)", [0, 2, 3], [10, 30, 40]),
    ("REMOVE_EMPTY(SEARCH('{\"NS\",\"sev\"} MetricName=\"a\"', 'Sum', 60))", [0, 1, 3], [1, 2, 4]),
    ("FIRST(SORT(METRICS(), SUM, DESC))", [0, 2, 3], [10, 30, 40]),
    ("SORT([b, a], AVG, ASC, 1)", [0, 1, 3], [1, 2, 4]),
    ("SLICE(METRICS(), 1)", [0, 2, 3], [10, 30, 40]),
    ("SUM(SLICE(METRICS(), 0, 5))", [0, 1, 2, 3], [11, 2, 30, 44]),
    ("LAST(METRICS())", [0, 2, 3], [10, 30, 40]),
    ("SEARCH('{NS,sev} NOT sev=\"b\" AND (a OR x)', 'Sum', 60)", [0, 1, 3], [1, 2, 4]),
])
def test_metric_math(cw, ns, expression, minutes, values):
    results = math(cw, ns, expression)
    if minutes is None:
        assert len(results) == 2 and all(r["Values"] == [60] * 4 for r in results)
        return
    assert len(results) == 1
    assert (results[0]["Minutes"], results[0]["Values"]) == (minutes, values)


@pytest.mark.parametrize("expression,part", [
    ("ANOMALY_DETECTION_BAND(a)", "the function ANOMALY_DETECTION_BAND is not supported"),
    ("SELECT SUM(x) FROM y", "SELECT"),
    ("a +", "unexpected"),
    ("a + c", 'no query with the Id "c"'),
    ("e + 1", "refers to itself"),
    ("SUM(a)", "does not give a time series"),
    ("SUM(a, b)", "SUM takes 1 to 1 arguments, not 2"),
    ("a b", 'unexpected "b"'),
    ("(" * 60 + "a" + ")" * 60, "nested"),
    ("'a' + 1", "texts"),
    ("METRICS() + METRICS()", "two arrays"),
    ("SEARCH('{NS', 'Sum', 60)", "schema"),
    ("SEARCH('{NS} (a', 'Sum', 60)", "terms"),
    ("SEARCH('a', 'Median', 60)", "statistic"),
    ("SORT(METRICS(), MEDIAN, ASC)", "SORT takes"),
    ("SORT(METRICS(), SUM, UP)", "SORT takes"),
    ("FILL(a, MEAN)", "REPEAT or LINEAR"),
    ("SLICE(METRICS(), 'a')", "SLICE"),
    ("A + 1", "texts"),
    ("1e", "no number"),
    ("'a", "no end"),
])
def test_bad_math(cw, ns, expression, part):
    with pytest.raises(ClientError) as error:
        math(cw, ns, expression)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert "'e'" in error.value.response["Error"]["Message"] and part in error.value.response["Error"]["Message"]


def test_points_of_one_call_are_bounded(cw, ns):
    at = minute_ago()
    cw.put_metric_data(Namespace=ns, MetricData=[{"MetricName": "m", "Timestamp": at, "Value": 1}])
    day = datetime.timedelta(days=1)
    fill = lambda period, days: data(cw, [series(ns, "m", Id="a", period=period, ReturnData=False),
                                          {"Id": "b", "Expression": "SUM(FILL(a, 1)) + 0 * a"}], at - day * days, at + day)
    assert fill(1, 9)[0]["Values"] == [86400 * 10]
    fails(lambda: fill(1, 30), "ValidationError", "2000000 points")
    fails(lambda: data(cw, [series(ns, "m", Id="a", period=1, ReturnData=False),
                            {"Id": "b", "Expression": "FILL(a, 1)" + " + 0" * 30}], at - day, at + day),
          "ValidationError", "2000000 points")


def test_labels(cw, ns):
    assert math(cw, ns, "a + b", Label="both ${SUM} ${LAST}")[0]["Label"] == "both 55 44"
    assert math(cw, ns, "a + b")[0]["Label"] == "e"
    at = minute_ago() - datetime.timedelta(minutes=5)
    query = series(ns, "a", Id="q", dimensions=[{"Name": "sev", "Value": "a"}],
                   Label="${PROP('Dim.sev')}/${PROP('MetricName')}/${PROP('Stat')}/${MAX}")
    got = data(cw, [query], at, at + datetime.timedelta(minutes=4), LabelOptions={"Timezone": "+0200"})
    assert got[0]["Label"] == "a/a/Sum/4"
    fails(lambda: math(cw, ns, "a", Label="${MAX_TIME_RELATIVE}"), "ValidationError", "MAX_TIME_RELATIVE")
    fails(lambda: data(cw, [query], at, now(), LabelOptions={"Timezone": "CET"}), "ValidationError", "+HHMM")


@pytest.mark.parametrize("queries,part", [
    ([{"Id": "A"}], "lower-case"),
    ([{"Id": "a"}], "Expression or MetricStat"),
    ([series("n", "m", Id="a", Expression="1")], "Expression or MetricStat"),
    ([{**series("n", "m", Id="a"), "Period": 60}], "mutually exclusive"),
    ([series("n", "m", Id="a")] * 2, "not unique"),
    ([series("n", "m", Id="a", stat="Median")], "Median"),
    ([series("n", "m", Id="a", AccountId="123456789012")], "AccountId"),
    ([series("n", "m", Id=f"a{i}") for i in range(501)], "greater than 500"),
    ([series("n", "m", Id="a", period=1), series("n", "o", Id="b", period=60),
      {"Id": "c", "Expression": "a+b"}], "different periods"),
])
def test_bad_queries(cw, queries, part):
    fails(lambda: data(cw, queries, now() - datetime.timedelta(hours=1), now()), "ValidationError", part)


def test_bad_pages(cw, ns):
    query = [series(ns, "m", Id="a")]
    start, end = now() - datetime.timedelta(hours=1), now()
    fails(lambda: data(cw, query, start, end, NextToken="x"), "InvalidNextToken", "NextToken")
    fails(lambda: data(cw, query, start, end, MaxDatapoints=0), "ValidationError", "MaxDatapoints")
    fails(lambda: data(cw, query, end, start), "ValidationError", "greater than StartTime")
    assert len(data(cw, [series(ns, "m", Id=f"a{i}") for i in range(500)], start, end)) == 500


# --- RPC v2 CBOR, as SDKs of Go, Java and JavaScript prefer it ---------------------------------------


@pytest.fixture
def cbor(leat, region, monkeypatch):
    import botocore.model

    if not hasattr(botocore.model, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS"):
        pytest.skip("this botocore does not know smithy-rpc-v2-cbor")
    monkeypatch.setattr(botocore.model, "PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", ("smithy-rpc-v2-cbor",))
    client = make_client(leat, "cloudwatch", region)
    assert client.meta.service_model.resolved_protocol == "smithy-rpc-v2-cbor"
    return client


def without_metadata(answer):
    assert answer.pop("ResponseMetadata")["RequestId"]
    return answer


def test_cbor_answers_as_json_does(cw, cbor, ns):
    at = minute_ago()
    cbor.put_metric_data(Namespace=ns, MetricData=[
        {"MetricName": "m", "Dimensions": CITY, "Timestamp": at, "Values": [1, 2.5, -3], "Counts": [2, 1, 1],
         "Unit": "Count", "StorageResolution": 1}] * 300)
    end = at + datetime.timedelta(minutes=1)
    calls = [
        ("list_metrics", dict(Namespace=ns)),
        ("get_metric_statistics", dict(Namespace=ns, MetricName="m", Dimensions=CITY, StartTime=at, EndTime=end,
                                       Period=1, Statistics=["Sum", "Average"], ExtendedStatistics=["p50", "tm90"])),
        ("get_metric_data", dict(MetricDataQueries=[series(ns, "m", Id="a", dimensions=CITY),
                                                    {"Id": "b", "Expression": "a / 2", "Label": "half ${MAX}"}],
                                 StartTime=at, EndTime=end, MaxDatapoints=1)),
    ]
    for name, options in calls:
        answers = [without_metadata(getattr(client, name)(**options)) for client in (cw, cbor)]
        assert answers[0] == answers[1] and any(answers[0].values())
    assert answers[0]["NextToken"] == "1"


def test_errors_in_cbor(leat, region, cbor, ns):
    with pytest.raises(cbor.exceptions.InvalidParameterCombinationException) as error:
        cbor.put_metric_data(Namespace=ns, MetricData=[{"MetricName": "m", "Value": 1, "Values": [1.0]}])
    assert error.value.response["Error"]["Code"] == "InvalidParameterCombination"
    assert "mutually exclusive" in error.value.response["Error"]["Message"]
    fails(lambda: cbor.put_metric_data(Namespace=ns, MetricData=[{"MetricName": "m", "Value": float("nan")}]),
          "InvalidParameterValue", "The value NaN")
    fails(lambda: cbor.describe_alarms(), "InvalidAction", "DescribeAlarms")
    url = f"{leat.endpoint}/service/GraniteServiceVersion20100801/operation/PutMetricData"
    request = urllib.request.Request(url, data=b"\xbf\x61", headers={
        "Authorization": SIGNED.format(region), "smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    body = error.value.read()
    assert error.value.code == 400 and b"SerializationException" in body and b"CBOR" in body


# --- worlds and durability -------------------------------------------------------------------------


def test_accounts_and_regions_are_separate(leat, cw, ns):
    cw.put_metric_data(Namespace=ns, MetricData=[{"MetricName": "m", "Value": 1}])
    assert len(cw.list_metrics(Namespace=ns)["Metrics"]) == 1
    assert make_client(leat, "cloudwatch", "eu-north-1").list_metrics(Namespace=ns)["Metrics"] == []
    other = make_client(leat, "cloudwatch", cw.meta.region_name, key="123456789012")
    assert other.list_metrics(Namespace=ns)["Metrics"] == []


def test_kill_9_loses_nothing_acknowledged(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    at = minute_ago()
    for round in range(3):
        client = make_client(server, "cloudwatch", "kill-1")
        for i in range(20):
            client.put_metric_data(Namespace="k", MetricData=[
                {"MetricName": f"m{n}", "Timestamp": at, "Value": n, "StorageResolution": 1} for n in range(50)])
        server.kill()
        server.start()
    client = make_client(server, "cloudwatch", "kill-1")
    for n in (0, 1, 49):
        point = stats(client, "k", f"m{n}", at, at + datetime.timedelta(seconds=1), 1,
                      names=("SampleCount", "Sum"))[0]
        assert (point["SampleCount"], point["Sum"]) == (60, 60 * n)
    server.stop()


def test_series_for_the_console(leat, region, cw, ns):
    cw.put_metric_data(Namespace=ns, MetricData=[
        {"MetricName": "m", "Dimensions": CITY, "Values": [1, 3], "StorageResolution": 1}])
    url = f"{leat.endpoint}/_aws/cloudwatch/series?region={region}&namespace={ns}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        got = json.load(answer)["series"]
    assert got[0]["metric"] == "m" and got[0]["dimensions"] == {"city": "Dayton", "severity": "4"}
    assert got[0]["points"][0][1:] == [4, 2, 1, 3]


def test_every_operation_was_checked(cw):
    assert {"PutMetricData", "GetMetricData", "GetMetricStatistics", "ListMetrics"} <= cw.seen
