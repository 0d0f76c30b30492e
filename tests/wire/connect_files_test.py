"""The filesystem source: CSV, JSON lines and raw lines of S3 objects and local files, bounded and pinned."""

import gzip
import json

import pytest

import leat_server
from conftest import make_client
from connect_test import done, job_of
from founding_test import jobs, read_all, sql, wait_until


def table(name, columns, **options):
    inside = ", ".join(f"'{k}' = '{v}'" for k, v in options.items())
    return f"CREATE TABLE {name} ({columns}) WITH ({inside});\n"


def files(name, columns, path, **options):
    return table(name, columns, connector="filesystem", path=path, **options)


def out(name, region, columns):
    return table(name, columns, connector="kinesis", stream="out", format="json", **{"aws.region": region})


def setup(server, region):
    kinesis, s3 = make_client(server, "kinesis", region), make_client(server, "s3")
    kinesis.create_stream(StreamName="out", ShardCount=1)
    s3.create_bucket(Bucket=region)
    return kinesis, s3


def rows(kinesis):
    return [json.loads(d) for _, _, d in read_all(kinesis, "out")]


def finished(server, name):
    wait_until(lambda: job_of(server, name)["state"] == "FINISHED")


def test_csv_of_all_objects_below_a_prefix(leat):
    kinesis, s3 = setup(leat, "files-csv")
    first = 'id,text\r\n' + "".join(f'{i},"line ""{i}""\nand more, here"\r\n' for i in range(4000))
    s3.put_object(Bucket="files-csv", Key="in/a b.csv", Body=first.encode())
    s3.put_object(Bucket="files-csv", Key="in/b.csv.gz", Body=gzip.compress(b"id,text\n4000,zipped\nnot a number,x\n4001,last"))
    s3.put_object(Bucket="files-csv", Key="in/empty.csv", Body=b"")
    s3.put_object(Bucket="files-csv", Key="in2.csv", Body=b"id,text\n-1,no\n")
    done(sql(leat, files("c_in", "id INT, t STRING", "s3://files-csv/in", format="csv", **{"csv.skip-header": "true"})
             + out("c_out", "files-csv", "id INT, t STRING") + "INSERT INTO c_out SELECT * FROM c_in;"))
    finished(leat, "insert-into_c_out")
    got = rows(kinesis)
    assert [r["id"] for r in got] == list(range(4002))
    assert got[7]["t"] == 'line "7"\nand more, here' and got[4000]["t"] == "zipped"
    assert job_of(leat, "insert-into_c_out")["dead_letters"] == 1


@pytest.mark.parametrize("kind", ["json", "raw"])
def test_one_object_line_by_line(leat, kind):
    kinesis, s3 = setup(leat, f"files-{kind}")
    lines = [json.dumps({"id": i, "pad": "x" * 900}) for i in range(5000)]
    s3.put_object(Bucket=f"files-{kind}", Key="one", Body="\n".join(lines).encode())
    s3.put_object(Bucket=f"files-{kind}", Key="one/more", Body=b"no")
    columns = "id INT" if kind == "json" else "line STRING"
    done(sql(leat, files(f"l_{kind}", columns, f"s3://files-{kind}/one", format=kind)
             + out(f"lo_{kind}", f"files-{kind}", columns) + f"INSERT INTO lo_{kind} SELECT * FROM l_{kind};"))
    finished(leat, f"insert-into_lo_{kind}")
    assert rows(kinesis) == [{"id": i} if kind == "json" else {"line": line} for i, line in enumerate(lines)]


def test_local_files_and_kill_9(tmp_path):
    (tmp_path / "in").mkdir()
    for part in range(3):
        (tmp_path / "in" / f"{part}.json").write_text("".join(f'{{"id": {part * 3000 + i}}}\n' for i in range(3000)))
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_FILE_DIRS": str(tmp_path / "in")}
    server.start()
    kinesis, _ = setup(server, "us-east-1")
    server.kill()
    text = (files("k_in", "id INT", f"file://{tmp_path}/in", format="json")
            + out("k_out", "us-east-1", "id INT") + "INSERT INTO k_out SELECT * FROM k_in;")
    for n in range(8):
        point = ["engine.before_landing_commit", "engine.after_step_commit", "log.after_sync"][n % 3]
        server.environment = {"LEAT_FILE_DIRS": str(tmp_path / "in"), "LEAT_FAILPOINT": f"{point}:{n // 3 + 1}"}
        try:
            server.start()
            if n == 0:
                sql(server, text)
            server.process.wait(timeout=0.4)
        except Exception:
            pass
        server.process.poll() is None and server.kill()
    server.environment = {"LEAT_FILE_DIRS": str(tmp_path / "in")}
    server.start()
    if not jobs(server):
        sql(server, text.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    wait_until(lambda: jobs(server)[0]["state"] == "FINISHED", 30)
    assert [r["id"] for r in rows(make_client(server, "kinesis"))] == list(range(9000))
    server.stop()


def test_an_object_that_changes_fails_the_job(leat):
    kinesis, s3 = setup(leat, "files-change")
    s3.put_object(Bucket="files-change", Key="x.json", Body=b'{"id": 1}\n' * 3000000)
    done(sql(leat, files("ch_in", "id INT", "s3://files-change/x.json", format="json")
             + table("ch_out", "id INT", connector="blackhole") + "INSERT INTO ch_out SELECT * FROM ch_in;"))
    wait_until(lambda: job_of(leat, "insert-into_ch_out")["rows_in"] > 0)
    s3.put_object(Bucket="files-change", Key="x.json", Body=b'{"id": 2}\n' * 3000001)
    wait_until(lambda: job_of(leat, "insert-into_ch_out")["state"] == "FAILED")
    assert job_of(leat, "insert-into_ch_out")["rows_in"] > 0
    assert "412" in job_of(leat, "insert-into_ch_out")["reason"]


def test_what_is_not_supported_is_said(leat):
    _, s3 = setup(leat, "files-errors")
    answer = sql(leat, "CREATE TABLE pt (id INT, p STRING) PARTITIONED BY (p) WITH ('connector' = 'filesystem', "
                       "'path' = 's3://files-errors/x', 'format' = 'json');\n"
                 + table("po", "id INT, p STRING", connector="blackhole") + "INSERT INTO po SELECT * FROM pt;")
    assert "cannot be PARTITIONED BY" in json.dumps(answer[-1])
