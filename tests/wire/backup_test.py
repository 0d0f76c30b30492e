"""leat backup and leat restore: what was acknowledged is in it, jobs go on, damage and half backups are refused by name."""

import collections
import hashlib
import http.client
import json
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
import urllib.request

import pytest
from botocore.config import Config

import leat_server
from conftest import make_client
from window_test import COUNT, TABLES, event, jobs, put, results, sql, streams, wait_until

ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=20)


def run(*args, code=0, server=None, **kwargs):
    environment = {**os.environ, **({"LEAT_ENDPOINT": server.endpoint} if server else {})}
    done = subprocess.run([leat_server.BINARY, *map(str, args)], capture_output=True, text=True, timeout=60,
                          env=environment, **kwargs)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done


def backup(server, to, **kwargs):
    return run("backup", to, server=server, **kwargs)


@pytest.fixture
def server(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture
def restored(tmp_path):
    """restored(BACKUP) is a server on what was restored."""
    servers = []

    def start(path, name="restored"):
        run("restore", path, "--data", tmp_path / name)
        servers.append(leat_server.Server(data=str(tmp_path / name)).start())
        return servers[-1]

    yield start
    for one in servers:
        one.stop()


def everything(kinesis, name):
    """{data: key} of all records of a stream."""
    found = {}
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = iterator["ShardIterator"]
        while iterator:
            page = kinesis.get_records(ShardIterator=iterator)
            found.update({r["Data"]: r["PartitionKey"] for r in page["Records"]})
            iterator = page.get("NextShardIterator")
            if not page["Records"] and page["MillisBehindLatest"] == 0:
                break
    return found


class Writer(threading.Thread):
    """Puts until it is told to stop; `acked` has what was acknowledged."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.kinesis, self.number = make_client(server, "kinesis", config=ONCE), number
        self.acked, self.is_over = [], False
        self.start()

    def run(self):
        batch = 0
        while not self.is_over:
            rows = [b"%d-%d-%d" % (self.number, batch, i) + b"." * 500 for i in range(100)]
            answer = self.kinesis.put_records(StreamName="s", Records=[
                {"Data": row, "PartitionKey": str(i)} for i, row in enumerate(rows)])
            assert answer["FailedRecordCount"] == 0
            self.acked.append(rows)
            batch += 1


def test_under_load_everything_that_was_acknowledged_before_is_in_it(server, restored, tmp_path):
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=3)
    writers = [Writer(server, i) for i in range(2)]
    wait_until(lambda: all(len(w.acked) > 20 for w in writers))
    before = [rows for w in writers for rows in list(w.acked)]
    told = json.loads(run("backup", tmp_path / "b", "-o", "json", server=server).stdout)
    wait_until(lambda: all(len(w.acked) > 40 for w in writers))
    for writer in writers:
        writer.is_over = True
        writer.join()
    assert told["path"] == str(tmp_path / "b") and told["files"] >= 2 and told["bytes"] > 0
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path / "b").returncode == 0
    there = everything(make_client(restored(tmp_path / "b"), "kinesis"), "s")
    assert not [row for rows in before for row in rows if row not in there]
    # A prefix for each writer: nothing is missing in between.
    for writer in writers:
        has = [all(row in there for row in rows) for rows in writer.acked]
        assert has == sorted(has, reverse=True)
    assert not (tmp_path / "data" / "backup").exists()


def test_all_services(server, restored, tmp_path):
    s3, sns = make_client(server, "s3", config=Config(s3={"addressing_style": "path"})), make_client(server, "sns")
    ddb, cloudwatch = make_client(server, "dynamodb"), make_client(server, "cloudwatch")
    s3.create_bucket(Bucket="bucket")
    for i in range(20):
        s3.put_object(Bucket="bucket", Key=f"k{i}", Body=b"%d" % i * 1000)
    s3.delete_object(Bucket="bucket", Key="k3")
    topic = sns.create_topic(Name="t")["TopicArn"]
    ddb.create_table(TableName="leases", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
                     AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    ddb.put_item(TableName="leases", Item={"k": {"S": "a"}, "n": {"N": "7"}})
    cloudwatch.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 3}])
    backup(server, tmp_path / "b")
    s3.delete_object(Bucket="bucket", Key="k4")
    other = restored(tmp_path / "b")
    s3 = make_client(other, "s3", config=Config(s3={"addressing_style": "path"}))
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert keys == sorted(f"k{i}" for i in range(20) if i != 3)
    assert s3.get_object(Bucket="bucket", Key="k4")["Body"].read() == b"4" * 1000
    assert [t["TopicArn"] for t in make_client(other, "sns").list_topics()["Topics"]] == [topic]
    assert make_client(other, "dynamodb").get_item(TableName="leases", Key={"k": {"S": "a"}})["Item"]["n"] == {"N": "7"}
    assert len(make_client(other, "cloudwatch").list_metrics(Namespace="n")["Metrics"]) == 1
    for folder, _, files in os.walk(tmp_path / "b"):
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name


def test_a_service_that_was_not_used_since_the_start(server, restored, tmp_path):
    make_client(server, "sns").create_topic(Name="t")
    server.stop()
    server.start()
    backup(server, tmp_path / "b")
    assert len(make_client(restored(tmp_path / "b"), "sns").list_topics()["Topics"]) == 1


def test_a_job_with_windows_goes_on_where_the_backup_stood(server, restored, tmp_path):
    """Both ends are the same: the job that never noticed, and the one of the backup, given the same rows later."""
    client = streams(server)
    sql(server, TABLES + COUNT)
    put(client, [event("a", i, i // 10) for i in range(1000)])
    wait_until(lambda: len(results(client)) > 5)
    backup(server, tmp_path / "b")
    rest = [event("a", i, 100 + i // 10) for i in range(500)] + [event("a", 0, 1000)]
    put(client, rest)
    other = restored(tmp_path / "b")
    second = make_client(other, "kinesis", "us-east-1")
    put(second, rest)
    wait_until(lambda: len(results(client)) >= 15 and len(results(second)) >= 15)
    assert jobs(other)[0]["state"] == "RUNNING"
    ordered = [sorted(map(json.dumps, results(c))) for c in (client, second)]
    assert ordered[0] == ordered[1] and len(ordered[0]) == len(set(ordered[0]))


ROWS = """
CREATE TABLE numbers (n INT) WITH ('connector' = 'kinesis', 'stream' = 'rows', 'aws.region' = 'us-east-1',
  'scan.stream.initpos' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE mails (n INT) WITH ('connector' = 'sns', 'topic-arn' = '{topic}', 'subject' = 'row {{n}}');
INSERT INTO mails SELECT n FROM numbers;
"""


def mailed(server):
    """How often each row was mailed."""
    with urllib.request.urlopen(f"{server.endpoint}/_aws/sns/inbox?region=us-east-1&limit=500", timeout=10) as answer:
        mails = [mail["subject"] for mail in json.load(answer)["messages"]]
    return collections.Counter(int(subject[4:]) for subject in mails if subject.startswith("row "))


def subscribed(server):
    sns = make_client(server, "sns")
    topic = sns.create_topic(Name="rows")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ops@example.com")
    with urllib.request.urlopen(f"{server.endpoint}/_aws/sns/inbox?region=us-east-1", timeout=10) as answer:
        token = json.loads(json.load(answer)["messages"][0]["body"])["Token"]
    sns.confirm_subscription(TopicArn=topic, Token=token)
    return topic


def test_sinks_wait_while_it_is_taken(restored, tmp_path):
    """The mails of the restored leat are those of its cursors, but for the delivery under way, and of its records."""
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_FAILPOINT": "backup.after_log:1:1500"}  # Between the log and the mails.
    kinesis = make_client(server.start(), "kinesis")
    kinesis.create_stream(StreamName="rows", ShardCount=1)
    assert sql(server, ROWS.format(topic=subscribed(server)))[-1]["type"] == "done"
    over = threading.Event()

    def write():
        for n in range(400):
            if over.is_set():
                return
            kinesis.put_record(StreamName="rows", Data=json.dumps({"n": n}), PartitionKey="k")
            time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: len(mailed(server)) > 20)
    backup(server, tmp_path / "b")
    over.set()
    writer.join()
    rows = len(everything(kinesis, "rows"))
    wait_until(lambda: mailed(server) == collections.Counter(range(rows)))  # They go on.
    server.stop()
    other = restored(tmp_path / "b")
    there = {json.loads(data)["n"] for data in everything(make_client(other, "kinesis"), "rows")}
    assert 20 < len(there) < rows
    wait_until(lambda: set(mailed(other)) >= there)
    again = mailed(other)
    assert set(again) == there and max(again.values()) <= 2
    assert sum(again.values()) - len(again) <= 10, again  # One call of PublishBatch.


def test_the_backup_is_killed(server, tmp_path):
    """No BACKUP: restore refuses it by name; the server forgets it, and the next one is whole."""
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    for _ in range(30):
        kinesis.put_records(StreamName="s", Records=[{"Data": b"x" * 20000, "PartitionKey": "k"}] * 200)
    process = subprocess.Popen([leat_server.BINARY, "backup", tmp_path / "b"], env={**os.environ, "LEAT_ENDPOINT": server.endpoint})
    wait_until(lambda: (tmp_path / "b").exists() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "b" / "BACKUP").unlink(missing_ok=True)
    done = run("restore", tmp_path / "b", "--data", tmp_path / "r", code=5)
    assert f'there is no whole backup in "{tmp_path}/b"' in done.stderr and not (tmp_path / "r").exists()
    wait_until(lambda: not (tmp_path / "data" / "backup").exists())
    backup(server, tmp_path / "c")
    assert (tmp_path / "c" / "BACKUP").exists()


def held(server):
    """A backup that goes on until the connection is closed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/_leat/api/backup", b"{}")
    answer = connection.getresponse()
    assert answer.status == 200
    return connection, json.loads(answer.readline())["staged"]


def test_a_page_of_another_site_may_not(server):
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/_leat/api/backup", b"{}", headers)
        assert connection.getresponse().status in (403, 421), headers
        connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/_leat/api/backup")
    assert connection.getresponse().status in (404, 405)
    connection.close()


def test_one_at_a_time_and_a_kill_of_the_server(server, tmp_path):
    make_client(server, "kinesis").create_stream(StreamName="s", ShardCount=1)
    connection, staged = held(server)
    assert os.path.samefile(staged, tmp_path / "data" / "backup")
    done = backup(server, tmp_path / "b", code=6)
    assert "a backup is under way" in done.stderr and not (tmp_path / "b").exists()
    server.kill()
    connection.close()
    server.start()
    assert not os.path.exists(staged)
    backup(server, tmp_path / "b")
    # And a stop does not wait for it.
    connection, staged = held(server)
    server.stop()
    connection.close()
    assert not os.path.exists(staged)
    server.start()


def test_retention_takes_nothing_from_a_backup_under_way(server, restored, tmp_path):
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_record(StreamName="s", Data=b"here", PartitionKey="k")
    connection, staged = held(server)
    kinesis.delete_stream(StreamName="s")
    shutil.copytree(staged, tmp_path / "copy")
    connection.close()
    other = leat_server.Server(data=str(tmp_path / "copy")).start()
    assert everything(make_client(other, "kinesis"), "s") == {b"here": "k"}
    other.stop()


def test_targets(server, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    for name in ("full", "file"):
        assert "is not empty" in backup(server, tmp_path / name, code=1).stderr
    backup(server, tmp_path / "empty")
    for name in ("full", "file"):
        assert "is not empty" in run("restore", tmp_path / "empty", "--data", tmp_path / name, code=1).stderr
    assert sorted(p.name for p in (tmp_path / "full").iterdir()) == ["x"]
    run("restore", tmp_path / "nothing", "--data", tmp_path / "r", code=5)
    (tmp_path / "r").mkdir()
    run("restore", tmp_path / "empty", "--data", tmp_path / "r")
    assert (tmp_path / "r" / "log" / "STORE").exists() and not list(tmp_path.glob("*.restoring"))
    assert run("backup", code=2).stderr and run("restore", code=2).stderr


def test_without_a_server(tmp_path):
    server = leat_server.Server()
    done = backup(server, tmp_path / "b", code=6)
    assert "leat start" in done.stderr and not (tmp_path / "b").exists()


def test_in_memory(tmp_path):
    server = leat_server.Server(args=["--durability", "memory"]).start()
    done = backup(server, tmp_path / "b", code=6)
    assert "BAK002" in done.stderr or "in memory" in done.stderr
    assert not (tmp_path / "b").exists()
    server.stop()


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["BACKUP", "SHA256SUMS", "log/STORE", "log/0000000000000001.seg", "missing", "outside", "newer"])
def test_a_damaged_backup_is_refused_by_name(server, tmp_path, name):
    make_client(server, "kinesis").create_stream(StreamName="s", ShardCount=1)
    made = tmp_path / "b"
    backup(server, made)
    sums, about = (made / "SHA256SUMS"), json.loads((made / "BACKUP").read_text())
    code, said = 7, name
    if name == "missing":
        (made / "log" / "STORE").unlink()
        code, said = 5, "log/STORE"
    elif name == "outside":
        text = sums.read_text() + "0" * 64 + "  ../escaped\n"
        sums.write_text(text)
        about["sums"] = hashlib.sha256(text.encode()).hexdigest()
        (made / "BACKUP").write_text(json.dumps(about))
        said = "names no file of the backup"
    elif name == "newer":
        about["backup"] = 2
        (made / "BACKUP").write_text(json.dumps(about))
        code, said = 1, "written by a newer leat (format 2, this one knows 1)"
    elif name == "BACKUP":
        (made / "BACKUP").write_text("{")
    else:
        damage(made / name)
    done = run("restore", made, "--data", tmp_path / "r", code=code)
    assert said in done.stderr, done.stderr
    assert not (tmp_path / "r").exists() and not (tmp_path / "r.restoring").exists()


def test_a_full_disk_leaves_no_half_backup(server, tmp_path):
    """A limit on the size of files stands for the full disk of the client."""
    kinesis = make_client(server, "kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.put_records(StreamName="s", Records=[{"Data": b"x" * 20000, "PartitionKey": "k"}] * 100)
    done = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 500; exec "$0" backup "$1"', leat_server.BINARY, tmp_path / "b"],
                          env={**os.environ, "LEAT_ENDPOINT": server.endpoint}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and f'cannot write "{tmp_path}/b/log' in done.stderr, done.stderr
    assert not (tmp_path / "b").exists()
    deadline = time.monotonic() + 10
    while (tmp_path / "data" / "backup").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
