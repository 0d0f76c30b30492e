/* tests/unit/sql/plan_test.c: plans as EXPLAIN shows them: what is pushed, pruned, folded. */
#include "sql_fixture.h"

static const char tables[] =
    "CREATE TABLE t (ID STRING, n BIGINT, d DOUBLE, ts TIMESTAMP(3), r ROW<a INT>, k AS n * 2,"
    " WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'x');"
    "CREATE TABLE s (a STRING, n BIGINT) PARTITIONED BY (n) WITH ('connector' = 'x');"
    "CREATE TABLE m (v INT, w TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, ms TIMESTAMP(3) "
    "METADATA FROM 'timestamp',"
    " shard VARCHAR(128) METADATA FROM 'shard-id' VIRTUAL) WITH ('connector' = 'x');"
    "CREATE VIEW v (a, b) AS SELECT ID, n + 1 FROM t WHERE n > 1;";

#define T "default_catalog.default_database."

static const struct {
    const char *text, *plan;
} cases[] = {
    /* Only what is read is scanned; the watermark stays below the filter. */
    {"SELECT ID FROM t WHERE d > 1e0",
     "Collect(fields=[ID])\n"
     "  +- Calc(select=[ID])\n"
     "    +- Filter(where=(`d` > 1.0))\n"
     "      +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "        +- TableSourceScan(table=[" T "t], fields=[ID, d, ts])\n"},
    /* Computed columns that nobody reads are not computed. */
    {"SELECT k FROM t",
     "Collect(fields=[k])\n"
     "  +- Calc(select=[k])\n"
     "    +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "      +- Calc(select=[ts, (`n` * 2) AS k])\n"
     "        +- TableSourceScan(table=[" T "t], fields=[n, ts])\n"},
    /* Through a view: both conditions meet, in order. */
    {"SELECT a FROM v WHERE b > 5",
     "Collect(fields=[a])\n"
     "  +- Calc(select=[`ID` AS a])\n"
     "    +- Filter(where=((`n` > 1) AND ((`n` + 1) > 5)))\n"
     "      +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "        +- TableSourceScan(table=[" T "t], fields=[ID, n, ts])\n"},
    /* A random column is computed once: the filter stays above it. */
    {"SELECT x FROM (SELECT RAND() AS x FROM s) WHERE x > 0.5e0",
     "Collect(fields=[x])\n"
     "  +- Filter(where=(`x` > 0.5))\n"
     "    +- Calc(select=[RAND() AS x])\n"
     "      +- TableSourceScan(table=[" T "s], fields=[])\n"},
    /* UNION ALL: the filter goes into both inputs. */
    {"SELECT * FROM (SELECT a FROM s UNION ALL SELECT ID FROM t) WHERE a = 'x'",
     "Collect(fields=[a])\n"
     "  +- Union(fields=[a])\n"
     "    +- Filter(where=(`a` = 'x'))\n"
     "      +- TableSourceScan(table=[" T "s], fields=[a])\n"
     "    +- Calc(select=[ID])\n"
     "      +- Filter(where=(`ID` = 'x'))\n"
     "        +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "          +- TableSourceScan(table=[" T "t], fields=[ID, ts])\n"},
    /* Windows: filters below, computed keys and HAVING above. */
    {"SELECT UPPER(ID) u, window_end, COUNT(*) c, SUM(n) FILTER (WHERE d > 0e0) FROM "
     "TABLE(TUMBLE(TABLE t, "
     "DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE n > 3 GROUP BY UPPER(ID), window_start, "
     "window_end HAVING "
     "COUNT(*) > 1",
     "Collect(fields=[u, window_end, c, EXPR$3])\n"
     "  +- Calc(select=[`key$0` AS u, window_end, `agg$0` AS c, `agg$1` AS EXPR$3])\n"
     "    +- Filter(where=(`agg$0` > 1))\n"
     "      +- WindowAggregate(groupBy=[key$0], window=[TUMBLE(time=[window_start], size=[60000 "
     "ms])], "
     "select=[COUNT(*), SUM(`n`) FILTER (`d` > 0.0)])\n"
     "        +- Calc(select=[n, d, window_start, UPPER(`ID`) AS key$0])\n"
     "          +- WindowTableFunction(window=[TUMBLE(time=[ts], size=[60000 ms])])\n"
     "            +- Filter(where=(`n` > 3))\n"
     "              +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "                +- TableSourceScan(table=[" T "t], fields=[ID, n, d, ts])\n"},
    /* A filter on a key goes below the aggregation; the result's window_time is a rowtime. */
    {"SELECT * FROM (SELECT n, window_time w, MAX(d) x FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
     "INTERVAL "
     "'1' DAY)) GROUP BY n, window_start, window_end, window_time) WHERE n = 7 AND x > 1e0",
     "Collect(fields=[n, w, x])\n"
     "  +- Calc(select=[n, `window_time` AS w, `agg$0` AS x])\n"
     "    +- Filter(where=(`agg$0` > 1.0))\n"
     "      +- WindowAggregate(groupBy=[n], window=[TUMBLE(time=[window_start], size=[86400000 "
     "ms])], "
     "select=[MAX(`d`)])\n"
     "        +- WindowTableFunction(window=[TUMBLE(time=[ts], size=[86400000 ms])])\n"
     "          +- Filter(where=(`n` = 7))\n"
     "            +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "              +- TableSourceScan(table=[" T "t], fields=[n, d, ts])\n"},
    /* INSERT: by position, widened; left-out columns are NULL; PARTITION gives constants. */
    {"INSERT INTO s SELECT ID, 1 FROM t",
     "Sink(table=[" T "s], fields=[a, n])\n"
     "  +- Calc(select=[`ID` AS a, 1 AS n])\n"
     "    +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "      +- TableSourceScan(table=[" T "t], fields=[ID, ts])\n"},
    {"INSERT INTO s (n) SELECT n FROM s", "Sink(table=[" T "s], fields=[a, n])\n"
                                          "  +- Calc(select=[NULL AS a, n])\n"
                                          "    +- TableSourceScan(table=[" T "s], fields=[n])\n"},
    {"INSERT INTO s PARTITION (n = 3) VALUES ('x'), ('yz')",
     "Sink(table=[" T "s], fields=[a, n])\n"
     "  +- Calc(select=[`EXPR$0` AS a, 3 AS n])\n"
     "    +- Values(rows=[2])\n"},
    {"INSERT INTO s SELECT * FROM s", "Sink(table=[" T "s], fields=[a, n])\n"
                                      "  +- TableSourceScan(table=[" T "s], fields=[a, n])\n"},
    /* Metadata: read with the connector's type, cast to the declared one. */
    {"SELECT * FROM m", "Collect(fields=[v, w, ms, shard])\n"
                        "  +- Calc(select=[v, w, CAST(`ms` AS TIMESTAMP(3)) AS ms, shard])\n"
                        "    +- TableSourceScan(table=[" T "m], fields=[v, w, ms, shard])\n"},
    {"INSERT INTO m SELECT 1, TIMESTAMP '2024-01-01 00:00:00'",
     "Sink(table=[" T "m], fields=[v, ms])\n"
     "  +- Calc(select=[`EXPR$0` AS v, CAST(`EXPR$1` AS TIMESTAMP(3)) AS ms])\n"
     "    +- Values(rows=[1])\n"},
    {"SELECT 1 + 1 AS two, 'x' WHERE TRUE LIMIT 3", "Collect(fields=[two, EXPR$1])\n"
                                                    "  +- Limit(limit=[3])\n"
                                                    "    +- Values(rows=[1])\n"},
    {"WITH q (x) AS (SELECT n FROM t), p AS (SELECT x FROM q WHERE x > 1) SELECT p.x FROM p",
     "Collect(fields=[x])\n"
     "  +- Calc(select=[`n` AS x])\n"
     "    +- Filter(where=(`n` > 1))\n"
     "      +- WatermarkAssigner(rowtime=[ts], watermark=[(`ts` - 1000:INTERVAL SECOND)])\n"
     "        +- TableSourceScan(table=[" T "t], fields=[n, ts])\n"},
};

static void plans_are_as_shown(void **state)
{
    (void)state;
    isize bad = 0;
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        struct buf out = {0};
        fixture_init(&f);
        fixture_must(&f, tables);
        fixture_must(&f, cases[i].text);
        plan_format(f.plan.root, &out);
        if (!str_eq(buf_str(&out), str_of(cases[i].plan))) {
            bad++;
            print_error("%s\n%.*s", cases[i].text, STR_ARG(buf_str(&out)));
        }
        buf_deinit(&out);
        fixture_deinit(&f);
    }
    assert_int_equal(bad, 0);
}

static str read_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    u8 *data = arena_alloc(arena, 1 << 16);
    size_t got = fread(data, 1, 1 << 16, file);
    assert_int_equal(fclose(file), 0);
    return str_from(data, (isize)got);
}

/* The shape of the founding project's script: a notebook's first line, comments with quotes. */
static void the_founding_script_plans(void **state)
{
    (void)state;
    struct fixture f;
    struct buf out = {0};
    fixture_init(&f);
    str script = read_file(&f.arena, "tests/unit/sql/founding.sql");
    fixture_must(&f, arena_cstr(&f.arena, script));
    assert_int_equal(f.count, 2);
    assert_int_equal(f.tables[0].column_count, 48);
    assert_int_equal(f.tables[0].watermark_column, 47);
    plan_format(f.plan.root, &out);
    buf_append_byte(&out, 0);
    assert_string_equal(
        (const char *)out.data,
        "Sink(table=[" T "us_accidents_stream_1_results], fields=[ID, Severity, City, County, "
        "Txn_Timestamp])\n"
        "  +- Filter(where=(`Severity` > 2))\n"
        "    +- WatermarkAssigner(rowtime=[Txn_Timestamp], watermark=[(`Txn_Timestamp` - "
        "5000:INTERVAL SECOND)])\n"
        "      +- TableSourceScan(table=[" T "us_accidents_stream], fields=[ID, Severity, City, "
        "County, Txn_Timestamp])\n");
    buf_deinit(&out);
    /* The document's mistyped name. */
    assert_int_equal(
        fixture_one(&f, STR("INSERT INTO us_accidents_stream_1_result6\nSELECT ID FROM "
                            "us_accidents_stream")),
        ERR_NOT_FOUND);
    assert_string_equal(f.diag.label, "did you mean `us_accidents_stream_1_results`?");
    fixture_deinit(&f);
}

static void check_ids(const struct rel *rel, u64 *seen, isize *count)
{
    assert_true(rel->id != 0);
    for (isize i = 0; i < *count; i++) {
        assert_true(seen[i] != rel->id);
    }
    seen[(*count)++] = rel->id;
    for (isize i = 0; i < rel->input_count; i++) {
        check_ids(rel->inputs[i], seen, count);
    }
}

/* Ids are unique in a plan and the same for the same plan; time attributes go where they should. */
static void nodes_know_what_exec_needs(void **state)
{
    (void)state;
    struct fixture f;
    u64 seen[64], again[64];
    isize count = 0, count_again = 0;
    const char *text =
        "SELECT n, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL "
        "'1' DAY)) GROUP BY n, window_start, window_end, window_time UNION ALL SELECT n, ts, n "
        "FROM t WHERE n > 1";
    fixture_init(&f);
    fixture_must(&f, tables);
    fixture_must(&f, text);
    check_ids(f.plan.root, seen, &count);
    assert_int_equal(f.plan.root->rowtime_column, 1);
    assert_int_equal(f.plan.root->fields[1].type->time_attribute, TYPE_TIME_ROW);
    fixture_must(&f, text);
    check_ids(f.plan.root, again, &count_again);
    assert_int_equal(count, count_again);
    assert_memory_equal(seen, again, (size_t)count * sizeof seen[0]);
    fixture_must(&f, "SELECT ts, CAST(ts AS TIMESTAMP(3)), COALESCE(ts, ts) FROM t");
    assert_int_equal(f.plan.root->fields[0].type->time_attribute, TYPE_TIME_ROW);
    assert_int_equal(f.plan.root->fields[1].type->time_attribute, TYPE_TIME_NONE);
    assert_int_equal(f.plan.root->fields[2].type->time_attribute, TYPE_TIME_NONE);
    fixture_deinit(&f);
}

/* A hint changes the plan's copy of the table, never the catalog's. */
static void hints_override_options(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_must(&f, tables);
    fixture_must(&f, "SELECT a FROM s /*+ OPTIONS('connector' = 'y', 'new' = 'z') */");
    const struct rel *rel = f.plan.root;
    while (rel->input_count > 0) {
        rel = rel->inputs[0];
    }
    assert_int_equal(rel->table->option_count, 2);
    assert_true(str_eq(rel->table->options[0].value, STR("y")));
    assert_true(str_eq(rel->table->options[1].key, STR("new")));
    assert_true(str_eq(f.tables[1].options[0].value, STR("x")));
    fixture_deinit(&f);
}

/* The SQL of the founding project's README as it stands there: comments where columns are left out,
 * small letters, and a table name with a slip. */
static const char readme[] =
    "DROP TABLE IF EXISTS us_accidents_stream;\n"
    "CREATE TABLE us_accidents_stream (\n"
    "    `ID` VARCHAR(50),\n"
    "    `Severity` bigint,\n"
    "    `Start_Time` TIMESTAMP(3),\n"
    "    `End_Time` TIMESTAMP(3),\n"
    "    -- Other columns ...\n"
    "    `City` VARCHAR(50),\n"
    "    `County` VARCHAR(50),\n"
    "    -- Other columns ...\n"
    "    `Txn_Timestamp` TIMESTAMP(3),\n"
    "    WATERMARK FOR Txn_Timestamp as Txn_Timestamp - INTERVAL '5' SECOND\n"
    ")\n"
    "PARTITIONED BY (Severity)\n"
    "WITH (\n"
    "    'connector' = 'kinesis',\n"
    "    'stream' = 'us-accidents-data-stream-1',\n"
    "    'aws.region' = 'eu-west-1',\n"
    "    'scan.stream.initpos' = 'LATEST',\n"
    "    'format' = 'json',\n"
    "    'json.timestamp-format.standard' = 'ISO-8601'\n"
    ");\n"
    "DROP TABLE IF EXISTS us_accidents_stream_1_results;\n"
    "CREATE TABLE us_accidents_stream_1_results (\n"
    "    `ID` VARCHAR(50),\n"
    "    `Severity` bigint,\n"
    "    `City` VARCHAR(50),\n"
    "    `County` VARCHAR(50),\n"
    "    `Txn_Timestamp` TIMESTAMP(3)\n"
    ")\n"
    "PARTITIONED BY (Severity)\n"
    "WITH (\n"
    "    'connector' = 'kinesis',\n"
    "    'stream' = 'us-accidents-data-stream-2',\n"
    "    'aws.region' = 'eu-west-1',\n"
    "    'format' = 'json',\n"
    "    'json.timestamp-format.standard' = 'ISO-8601'\n"
    ");\n";
#define README_QUERY                                     \
    "SELECT ID, Severity, City, County, Txn_Timestamp\n" \
    "FROM us_accidents_stream\n"                         \
    "WHERE Severity > 3;\n"

static void the_readme_runs_but_for_its_slip(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_must(&f, readme);
    assert_int_equal(fixture_run(&f, "INSERT INTO us_accidents_stream_1_result6\n" README_QUERY),
                     ERR_NOT_FOUND);
    struct buf out = {0};
    diag_render(&f.diag, f.source, false, &out);
    buf_append_byte(&out, 0);
    assert_non_null(strstr((const char *)out.data,
                           " 1 | INSERT INTO us_accidents_stream_1_result6\n"
                           "   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean "
                           "`us_accidents_stream_1_results`?\n"));
    buf_deinit(&out);
    fixture_must(&f, "INSERT INTO us_accidents_stream_1_results\n" README_QUERY);
    assert_non_null(f.plan.root);
    assert_int_equal(f.plan.root->kind, REL_SINK);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_as_shown), cmocka_unit_test(the_founding_script_plans),
        cmocka_unit_test(nodes_know_what_exec_needs), cmocka_unit_test(hints_override_options),
        cmocka_unit_test(the_readme_runs_but_for_its_slip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
