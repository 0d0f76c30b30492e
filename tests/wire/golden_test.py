"""Directories of earlier formats open with everything in them, and their jobs go on (tests/golden/README.md)."""

import json
import sys
import tarfile
import time
from pathlib import Path

import pytest

METRIC_DAYS = 14  # A metric without data for 15 days is forgotten, whatever the format.
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))

import make as golden  # noqa: E402
from conftest import make_client  # noqa: E402
from founding_test import ONE, TWO, jobs, read_all, row, wait_until  # noqa: E402
from leat_server import Server  # noqa: E402
from window_test import event, put, results  # noqa: E402


def unpack(version, target):
    with tarfile.open(GOLDEN / version / "data.tar.xz") as tar:
        newest = max(member.mtime for member in tar)
        tar.extractall(target)
    age_days = (time.time() - newest) / 86400
    assert age_days < 364, "its records are past their retention: make it anew (tests/golden/README.md)"
    return str(target), age_days < METRIC_DAYS


def fired(client):
    return {(r["k"], r["ws"][-5:]): (r["n"], r["s"]) for r in results(client)}


def check_streams(client):
    plain = client.describe_stream_summary(StreamName="plain")["StreamDescriptionSummary"]
    assert plain["OpenShardCount"] == 2 and plain["RetentionPeriodHours"] == golden.YEAR_HOURS
    tags = client.list_tags_for_stream(StreamName="plain")["Tags"]
    assert {t["Key"]: t.get("Value", "") for t in tags} == golden.TAGS
    mode = client.describe_stream_summary(StreamName=ONE)["StreamDescriptionSummary"]["StreamModeDetails"]
    assert mode == {"StreamMode": "ON_DEMAND"}
    assert sorted((k, d) for _, k, d in read_all(client, "plain")) == sorted(golden.PLAIN)


def check_services(server, is_fresh):
    s3, cloudwatch = make_client(server, "s3"), make_client(server, "cloudwatch")
    for key, data in golden.OBJECTS.items():
        answer = s3.get_object(Bucket="golden", Key=key)
        assert answer["Body"].read() == data and answer["Metadata"] == {"kind": "golden"}
    assert len(s3.list_objects_v2(Bucket="golden")["Contents"]) == len(golden.OBJECTS)
    topics = make_client(server, "sns").list_topics()["Topics"]
    assert [one["TopicArn"].rsplit(":", 1)[1] for one in topics] == ["golden"]
    assert [one["to"] for one in golden.inbox(server)] == ["someone@example.com"]
    metrics = [one["MetricName"] for one in cloudwatch.list_metrics(Namespace="Golden")["Metrics"]]
    assert metrics == ["m"] if is_fresh else metrics in (["m"], [])
    letters = golden.dead_letters(server)
    assert [one["data"] for one in letters] == [golden.BAD]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_everything_is_there_and_the_jobs_go_on(version, tmp_path):
    data, is_fresh = unpack(version, tmp_path)
    server = Server(data)
    server.start()
    client = make_client(server, "kinesis")
    check_streams(client)
    check_services(server, is_fresh)
    assert [one["state"] for one in jobs(server)] == ["RUNNING", "RUNNING"]
    got = [json.loads(d)["ID"] for _, _, d in read_all(client, TWO)]
    assert sorted(got) == sorted(golden.FOUNDING_OUT)  # In the order of the shards.
    assert fired(client) == golden.FIRED

    put(client, [event("a", 1, 15), event("a", 1, 5), event("end", 0, 100)])  # The second one is late.
    client.put_record(StreamName=ONE, PartitionKey="1", Data=row(99, 4))
    wanted = golden.FIRED | {("a", "00:10"): (2, 8), ("b", "00:10"): (1, 3), ("a", "00:20"): (1, 4)}
    wait_until(lambda: len(results(client)) >= len(wanted))
    assert fired(client) == wanted and len(results(client)) == len(wanted)
    wait_until(lambda: len(read_all(client, TWO)) == len(golden.FOUNDING_OUT) + 1)

    process = golden.replay_start(server)
    process.communicate((golden.REPLAY_HEADER + "".join(golden.REPLAY_ROWS)).encode(), timeout=20)
    assert process.returncode == 0
    ids = [json.loads(d)["ID"] for _, _, d in read_all(client, "rows")]
    assert ids == [f"R-{i}" for i in range(len(golden.REPLAY_ROWS))]

    server.stop()
    server.start()
    client = make_client(server, "kinesis")
    check_streams(client)
    check_services(server, is_fresh)
    assert fired(client) == wanted and len(read_all(client, "rows")) == len(golden.REPLAY_ROWS)
    server.stop()
