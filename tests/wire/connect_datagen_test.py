"""The datagen source: kinds, bounds, determinism by seed, rates, and kill -9."""

import json
import random
import time

import pytest

import leat_server
from conftest import make_client
from connect_test import done, job_of
from founding_test import jobs, read_all, sql, wait_until


def gen(name, columns, **options):
    pairs = {"connector": "datagen", **options}
    return f"CREATE TABLE {name} ({columns}) WITH ({', '.join(f'{chr(39)}{k}{chr(39)} = {chr(39)}{v}{chr(39)}' for k, v in pairs.items())});\n"


def into(name, stream, region, columns):
    return (f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kinesis', 'stream' = '{stream}', "
            f"'aws.region' = '{region}', 'format' = 'json', 'sink.partitioner' = 'fixed');\n")


ALL = "s BIGINT, t STRING, v VARCHAR(5), b BOOLEAN, i INT, d DOUBLE, x DECIMAL(6, 2), ts TIMESTAMP(3), day DATE, y BYTES"


def rows(client, stream):
    return [json.loads(d) for _, _, d in read_all(client, stream)]


def test_kinds_bounds_and_end(leat):
    client = make_client(leat, "kinesis", "gen-kinds")
    client.create_stream(StreamName="one", ShardCount=1)
    columns = ALL.replace("day", "`day`")
    done(sql(leat, gen("g1", columns, **{
        "rows-per-second": "100000", "fields.s.kind": "sequence", "fields.s.start": "5", "fields.s.end": "504",
        "fields.i.min": "3", "fields.i.max": "9", "fields.t.length": "7", "fields.d.min": "0", "fields.d.max": "1",
        "fields.b.null-rate": "0.5"}) + into("o1", "one", "gen-kinds", columns) + "INSERT INTO o1 SELECT * FROM g1;"))
    wait_until(lambda: job_of(leat, "insert-into_o1")["state"] == "FINISHED")
    got = rows(client, "one")
    assert [r["s"] for r in got] == list(range(5, 505))
    assert {r["i"] for r in got} == set(range(3, 10))
    assert all(len(r["t"]) == 7 and 0 <= r["d"] <= 1 and len(r["v"]) == 5 for r in got)
    assert {r["b"] for r in got} == {True, False, None}


def test_the_same_seed_makes_the_same_rows(leat):
    client = make_client(leat, "kinesis", "gen-seed")
    columns = "a BIGINT, b STRING"
    for n in (1, 2, 3):
        client.create_stream(StreamName=f"s{n}", ShardCount=1)
        done(sql(leat, gen(f"seed{n}", columns, **{"number-of-rows": "1000", "rows-per-second": "1000000", "seed": str(n // 3)})
                 + into(f"seeded{n}", f"s{n}", "gen-seed", columns) + f"INSERT INTO seeded{n} SELECT * FROM seed{n};"))
    wait_until(lambda: all(len(rows(client, f"s{n}")) == 1000 for n in (1, 2, 3)))
    assert rows(client, "s1") == rows(client, "s2") != rows(client, "s3")


def test_hidden_streams_are_hidden(leat):
    names = make_client(leat, "kinesis", "us-east-1").list_streams()["StreamNames"]
    assert not [n for n in names if "source" in n]
    assert "job-1-source" not in leat.output()


def test_windows_of_a_bounded_source_close_at_its_end(leat):
    client = make_client(leat, "kinesis", "gen-window")
    client.create_stream(StreamName="w", ShardCount=1)
    done(sql(leat, gen("gw", "a BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR",
                       **{"number-of-rows": "500", "fields.ts.max-past": "10 s"})
             + into("ow", "w", "gen-window", "n BIGINT")
             + "INSERT INTO ow SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE gw, DESCRIPTOR(ts), INTERVAL '1' SECOND)) "
               "GROUP BY window_start, window_end;"))
    wait_until(lambda: job_of(leat, "insert-into_ow")["state"] == "FINISHED")
    assert sum(r["n"] for r in rows(client, "w")) == 500


@pytest.mark.parametrize("options,wanted", [
    ({"fields.a.kind": "sequenced"}, "random or sequence"),
    ({"fields.a.kind": "sequence"}, "Could not find required property"),
    ({"fields.z.min": "1"}, "of no column"),
    ({"rows-per-second": "0"}, "whole number from 1"),
    ({"fields.a.mini": "1"}, "Unsupported options"),
])
def test_errors(leat, options, wanted):
    answer = sql(leat, "DROP TABLE IF EXISTS gbad;\nDROP TABLE IF EXISTS obad;\n" + gen("gbad", "a BIGINT", **options)
                 + "CREATE TABLE obad (a BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO obad SELECT * FROM gbad;")
    assert wanted in json.dumps(answer[-1])


def test_a_sequence_survives_kill_9_without_loss_or_repeat(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    client = make_client(server, "kinesis")
    client.create_stream(StreamName="k", ShardCount=1)
    done(sql(server, gen("gk", "s BIGINT", **{"fields.s.kind": "sequence", "fields.s.start": "0",
                                              "fields.s.end": "29999", "rows-per-second": "20000"})
             + into("ok", "k", "us-east-1", "s BIGINT") + "INSERT INTO ok SELECT * FROM gk;"))
    rng = random.Random(3)
    for n in range(8):
        server.process.poll() is None and server.kill()
        server.environment = {"LEAT_FAILPOINT": f"{['engine.before_landing_commit', 'engine.after_step_commit', 'log.after_sync'][n % 3]}:{rng.randint(1, 5)}"}
        try:
            server.start()
            server.process.wait(timeout=0.3)
        except Exception:
            pass
    server.process.poll() is None and server.kill()
    server.environment = {}
    server.start()
    client = make_client(server, "kinesis")
    wait_until(lambda: jobs(server)[0]["state"] == "FINISHED", 30)
    assert [r["s"] for r in rows(client, "k")] == list(range(30000))
    server.stop()
