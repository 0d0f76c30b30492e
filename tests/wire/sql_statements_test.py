"""Statements that are no jobs: what they answer, and what they refuse by name."""

import json
import urllib.error

import pytest

from founding_test import sql

KINESIS = "WITH ('connector'='kinesis', 'stream'='s', 'aws.region'='us-east-1', 'format'='json'{})"
BASE = (
    "CREATE TABLE base (id STRING NOT NULL COMMENT 'the id', n BIGINT, ts TIMESTAMP(3),"
    " came TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, c AS n + 1,"
    " WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED)"
    " COMMENT 'b' PARTITIONED BY (n) "
    + KINESIS.format(", 'aws.credentials.basic.accesskeyid'='AK',"
                     " 'aws.credentials.basic.secretkey'='hush'") + ";"
    "CREATE VIEW v AS SELECT id, n FROM base WHERE n > 2;"
)


def rows(lines):
    assert lines[-1]["type"] == "done", lines[-1]
    return [line["values"] for line in lines if line["type"] == "row"]


def refusal(lines):
    assert lines[-1]["type"] == "error", lines[-1]
    return lines[-1]["error"]


@pytest.fixture(scope="module")
def server(leat):
    assert sql(leat, BASE)[-1]["type"] == "done"
    yield leat
    sql(leat, "DROP VIEW IF EXISTS v; DROP TABLE IF EXISTS base")


def test_show(server):
    def names(text):
        return [r[0] for r in rows(sql(server, text))]

    assert {"base", "v"} <= set(names("SHOW TABLES"))
    assert names("SHOW TABLES LIKE 'bas_'") == ["base"]
    assert "base" not in names("SHOW TABLES NOT LIKE 'b%'")
    assert names("SHOW VIEWS") == ["v"]
    assert names("SHOW COLUMNS FROM base LIKE '%m%'") == ["came"]
    assert names("SHOW CATALOGS") == names("SHOW CURRENT CATALOG") == ["default_catalog"]
    assert names("SHOW DATABASES") == names("SHOW CURRENT DATABASE") == ["default_database"]
    assert len(names("SHOW FUNCTIONS")) > 170
    assert names("SHOW FUNCTIONS LIKE 'SPLIT%'") == ["SPLIT", "SPLIT_INDEX"]
    rows(sql(server, "SHOW JOBS"))


def test_show_create_makes_the_same_table_and_hides_secrets(server):
    text = rows(sql(server, "SHOW CREATE TABLE base"))[0][0]
    assert "hush" not in text and "'aws.credentials.basic.secretkey' = '******'" in text
    again = text.replace("`base`", "`again`")
    assert rows(sql(server, again + "; SHOW CREATE TABLE again; DROP TABLE again"))[0][0] == again
    assert "AS SELECT id, n FROM base WHERE n > 2" in rows(sql(server, "SHOW CREATE VIEW v"))[0][0]
    assert "Please use SHOW CREATE VIEW" in refusal(sql(server, "SHOW CREATE TABLE v"))["message"]


def test_describe(server):
    for text in ("DESCRIBE base", "DESC default_catalog.default_database.base"):
        assert rows(sql(server, text)) == [
            ["id", "STRING", "FALSE", "PRI(id)", "", ""],
            ["n", "BIGINT", "TRUE", "", "", ""],
            ["ts", "TIMESTAMP(3) *ROWTIME*", "TRUE", "", "", "ts - INTERVAL '5' SECOND"],
            ["came", "TIMESTAMP_LTZ(3)", "TRUE", "", "METADATA FROM 'timestamp' VIRTUAL", ""],
            ["c", "BIGINT", "TRUE", "", "AS n + 1", ""],
        ]


def test_explain(server):
    scan = "TableSourceScan(table=[default_catalog.default_database.base], fields=[id, n, ts]"
    for text in ("EXPLAIN SELECT id FROM v", "EXPLAIN PLAN FOR SELECT id FROM base WHERE n > 2"):
        plan = rows(sql(server, text))[0][0]
        assert plan.startswith("== Optimized Execution Plan ==\n") and scan + ")" in plan
    plan = rows(sql(server, "EXPLAIN CHANGELOG_MODE SELECT id FROM v"))[0][0]
    assert scan + ", changelogMode=[I])" in plan
    two = ("CREATE TEMPORARY TABLE x (a STRING) WITH ('connector'='blackhole');"
           "EXPLAIN STATEMENT SET BEGIN INSERT INTO x SELECT id FROM v;"
           " INSERT INTO x SELECT id FROM base UNION ALL SELECT id FROM v; END")
    assert rows(sql(server, two))[0][0].count("Sink(") == 2


@pytest.mark.parametrize("detail", ["ESTIMATED_COST", "PLAN_ADVICE", "JSON_EXECUTION_PLAN"])
def test_explain_names_what_it_lacks(server, detail):
    error = refusal(sql(server, f"EXPLAIN {detail} SELECT id FROM v"))
    assert error["code"] == "SQL0010" and detail in error["message"]


def test_set_and_reset(server):
    text = "SET 'table.local-time-zone' = 'Europe/Berlin'; SET 'pipeline.name' = 'p'; SET;"
    assert rows(sql(server, text)) == [["table.local-time-zone", "Europe/Berlin"],
                                       ["pipeline.name", "p"]]
    assert rows(sql(server, text.replace("SET;", "RESET 'pipeline.name'; SET;"))) == [
        ["table.local-time-zone", "Europe/Berlin"]]
    assert rows(sql(server, text.replace("SET;", "RESET; SET;"))) == []


def test_nothing_is_replaced_in_silence(server):
    before = rows(sql(server, "SHOW CREATE TABLE base"))
    other = "CREATE TABLE {} (a INT) WITH ('connector'='blackhole')"
    for name in ("base", "v"):
        error = refusal(sql(server, other.format(name)))
        assert error["message"].endswith("already exists") and "IF NOT EXISTS" in error["hint"]
    assert rows(sql(server, other.format("IF NOT EXISTS base"))) == []
    assert "already exists" in refusal(sql(server, "CREATE VIEW v AS SELECT 1"))["message"]
    assert rows(sql(server, "SHOW CREATE TABLE base")) == before


def test_drop(server):
    assert "it is a view" in refusal(sql(server, "DROP TABLE v"))["rendered"]
    assert "it is a table" in refusal(sql(server, "DROP VIEW base"))["rendered"]
    assert "did you mean `base`?" in refusal(sql(server, "DROP TABLE bsae"))["rendered"]
    assert rows(sql(server, "DROP TABLE IF EXISTS nothing; DROP VIEW IF EXISTS nothing")) == []


def test_a_broken_view_harms_no_other_statement(server):
    sql(server, "CREATE TABLE gone " + "(a INT) " + KINESIS.format("") + "; CREATE VIEW d AS SELECT a FROM gone;"
        " CREATE VIEW e AS SELECT id FROM v; CREATE TABLE hole (id STRING) WITH ('connector'='blackhole');"
        " DROP TABLE gone")
    for text in ("INSERT INTO hole SELECT id FROM (VALUES ('d')) AS x(id)",
                 "CREATE VIEW w AS SELECT id FROM e WHERE id <> 'd'"):
        assert sql(server, text)[-1]["type"] == "done", text
    assert "`gone` does not exist" in refusal(sql(server, "SELECT a FROM d"))["message"]
    assert sql(server, "DROP VIEW d; DROP VIEW w; DROP VIEW e; DROP TABLE hole")[-1]["type"] == "done"


def test_what_cannot_be_calculated_is_no_value(server):
    for text, says in (("SELECT CAST('a' AS INT)", "'a'"), ("SELECT 1 / 0", "by zero"),
                       ("VALUES (CAST('a' AS INT))", "'a'"),
                       ("SELECT 1 / x FROM (VALUES (1), (0)) AS t(x)", "by zero")):
        assert says in refusal(sql(server, text))["message"], text
    lines = sql(server, "SELECT * FROM (VALUES (1), (CAST('a' AS INT)), (3)) AS t(x)")
    assert [line["values"] for line in lines if line["type"] == "row"] == [[1], [3]]
    assert "'a'" in refusal(lines)["message"]


def test_a_wrong_time_stops_a_script_before_its_first_statement(server):
    for at in ("yesterday", "2026-13-45T00:00:00", "2026-11-24T10:00:00+05:00", "2026-02-29 00:00"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            sql(server, "CREATE VIEW x AS SELECT 1", **{"from": at})
        assert "neither latest, trim-horizon nor a time" in json.load(refused.value)["error"]["message"], at
    assert "x" not in [r[0] for r in rows(sql(server, "SHOW TABLES"))]


@pytest.mark.parametrize("text, code, says", [
    ("CREATE TABLE x (a MAP<INT, INT>) " + KINESIS.format(""), "CON013", "MAP<INT, INT>"),
    ("CREATE TABLE x (a ROW<b MULTISET<INT>>) " + KINESIS.format(""), "CON013", "MULTISET<INT>"),
    ("CREATE TABLE x (a INTERVAL MONTH) " + KINESIS.format("").replace("json", "csv"), "CSV0003",
     "INTERVAL"),
    ("CREATE TABLE x (a RAW('c', 's')) " + KINESIS.format(""), "SQL0012", "RAW"),
    ("CREATE TABLE x (a INT, PRIMARY KEY (a)) " + KINESIS.format(""), "SQL0102", "enforced"),
    ("CREATE TABLE x (a INT) " + KINESIS.format(", 'formt'='json'"), "CON002", "formt"),
    ("CREATE TABLE x (a INT) WITH ('connector'='kinesys')", "CON001", "kinesys"),
    ("CREATE TABLE nowhere.x (a INT) " + KINESIS.format(""), "ENG066", "default_database"),
    ("DESCRIBE a.b.base", "ENG066", "default_database"),
    ("SHOW TABLES FROM nowhere", "ENG066", "default_database"),
    ("USE nowhere", "ENG066", "default_database"),
    ("SHOW MODULES", "SQL0010", "SHOW MODULES"),
    ("ALTER TABLE base RENAME TO x", "SQL0010", "ALTER"),
])
def test_refusals_name_what_is_wrong(server, text, code, says):
    error = refusal(sql(server, text))
    assert error["code"] == code
    assert says in error["message"]
    assert "x" not in [r[0] for r in rows(sql(server, "SHOW TABLES"))]
