"""The clock of bench/pipeline.sh: sets the pipeline up, starts the replay, and notes when each stage is through."""

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

LEAT, ENDPOINT, ROWS, WORK, COMPRESSION = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
ONE, TWO = "us-accidents-data-stream-1", "us-accidents-data-stream-2"
RAW, ARCHIVE = "us-accidents-raw-us_east_1-dev", "us-accidents-archive-us_east_1-dev"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, "
                           "SignedHeaders=host, Signature=" + "0" * 64, "X-Amz-Date": "20260101T000000Z"}


def request(path, method="GET", body=None, service=None, form=False):
    headers = {k: v.format(service) for k, v in SIGNED.items()} if service else {}
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    made = urllib.request.Request(ENDPOINT + path, method=method, data=body, headers=headers)
    with urllib.request.urlopen(made, timeout=120) as answer:
        return answer.read()


def get(path):
    return json.loads(request(path))


def leat(*args):
    subprocess.run([LEAT, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def metric_sum():
    total = 0
    now = int(time.time())
    iso = lambda s: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(s))
    for severity in "34":
        form = urllib.parse.urlencode({
            "Action": "GetMetricStatistics", "Version": "2010-08-01", "Namespace": "accidents_reports_namespace",
            "MetricName": "us_accidents_severity_high", "Period": 3600, "Statistics.member.1": "Sum",
            "Dimensions.member.1.Name": "severity", "Dimensions.member.1.Value": severity,
            "StartTime": iso(now - 7200), "EndTime": iso(now + 3600)})
        answer = request("/", "POST", form.encode(), "monitoring", True).decode()
        total += sum(float(part.split("</Sum>")[0]) for part in answer.split("<Sum>")[1:])
    return int(total)


def jobs():
    return {j["sinks"][0]["table"]: j for j in get("/_leat/api/jobs")["jobs"]}


def records():
    return {s["name"]: s["records_in"] for s in get("/_leat/api/streams")["streams"]}


def archive():
    return next(b for b in get("/_aws/s3/usage")["buckets"] if b["name"] == ARCHIVE)


def setup():
    for bucket in (RAW, ARCHIVE):
        request("/" + bucket, "PUT", b"", "s3")
    started = time.monotonic()
    leat("generate", "us-accidents", "--rows", str(ROWS), "--out", f"s3://{RAW}/rows.csv")
    print(f"{ROWS:,} rows, archive {COMPRESSION}: generated and uploaded in {time.monotonic() - started:.1f} s")
    for name in (ONE, TWO):
        leat("stream", "create", name)
    for file in ("demo/founding.sql", f"{WORK}/archive.sql", "demo/metrics.sql"):
        leat("run", file)


def main():
    setup()
    body = {"source": "s3", "bucket": RAW, "key": "rows.csv", "stream": ONE, "region": "us-east-1"}
    started = time.monotonic()
    replay = json.loads(request("/_leat/api/replays", "POST", json.dumps(body).encode()))["replay"]["id"]
    done = {}

    def note(stage):
        done.setdefault(stage, time.monotonic() - started)

    closed = None
    while len(done) < 5 and time.monotonic() - started < 120:
        time.sleep(0.05)
        state, all_jobs, count = get(f"/_leat/api/replays/{replay}"), jobs(), records()
        founding, raw = all_jobs["us_accidents_stream_1_results"], all_jobs["raw_archive"]
        if state["state"] == "FAILED":
            sys.exit(state["reason"])
        if state["state"] != "DONE":
            continue
        note("stream 1: every row durable")
        if founding["rows_in"] >= ROWS:
            note("stream 2: founding SQL through")
            wanted = count[TWO] if closed is None else closed[0]
            if closed is None:
                closed = (wanted, time.monotonic())
        if raw["sinks"][0]["delivered_rows"] >= ROWS:
            note("archive: every record in S3")
        if closed and all_jobs["accident_metrics"]["rows_in"] >= closed[0]:
            note("metrics: every row in a window")
            # The last window closes when a row comes that is later by its second and the second of lateness.
            if time.monotonic() - closed[1] > 2.2 and len(closed) == 2:
                late = {"source": "push", "name": "late", "stream": ONE, "region": "us-east-1"}
                late = json.loads(request("/_leat/api/replays", "POST", json.dumps(late).encode()))["replay"]["id"]
                request(f"/_leat/api/replays/{late}/data?pass=0&offset=0&last=1", "POST",
                        b"ID,Severity,City,County\nlate,3,Nowhere,Nowhere\n")
                closed = (*closed, True)
            if len(closed) == 3 and metric_sum() >= closed[0]:
                note("metrics: the last one readable")
    for stage, seconds in done.items():
        print(f"  {stage:34} {seconds:6.1f} s")
    if len(done) < 5:
        print(f"  metric's sum {metric_sum():,} of {closed}; job: {jobs()['accident_metrics']}")
        sys.exit("it did not come to its end")
    print(f"  records in stream 2: {closed[0]:,}, the metric's sum: {metric_sum():,}")
    print(f"  archive: {archive()['objects']} objects, {archive()['bytes'] / 1e6:,.0f} MB")


main()
