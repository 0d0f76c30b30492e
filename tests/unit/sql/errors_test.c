/* tests/unit/sql/errors_test.c: each error code, by a script whose last statement fails with it. */
#include "sql_fixture.h"

static const char tables[] =
    "CREATE TABLE t (ID STRING, n BIGINT, d DOUBLE, ts TIMESTAMP(3), p TIMESTAMP(3), r ROW<a INT>,"
    " WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) PARTITIONED BY (n) WITH ('connector' = 'x');"
    "CREATE TABLE s (a STRING NOT NULL, n BIGINT) WITH ('connector' = 'x');"
    "CREATE VIEW v AS SELECT ID, n FROM t;";

#define W            " WITH ('connector' = 'x')"
#define TUMBLE(size) "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), " size "))"

/* `label`: a part of the caret's label or of the hint; NULL: not looked at. */
static const struct {
    const char *code, *script, *at, *label;
} cases[] = {
    {"SQL0001", "SELECT FROM t", "FROM", NULL},
    {"SQL0001", "SELECT 1 +", NULL, NULL},
    {"SQL0001", "CREATE TABLE x (a INT", NULL, NULL},
    {"SQL0001", "SELECT 1 2", "2", NULL},
    {"SQL0001", "CREATE TABLE x ()" W, "x", NULL},
    {"SQL0001", "SELECT a.b.c.d FROM a.b.c.d", "a.b.c", NULL},
    {"SQL0002", "SELECT n AS timestamp FROM t", "timestamp", "back quotes"},
    {"SQL0002", "SELECT value FROM t", "value", NULL},
    {"SQL0003", "SELECT \"ID\" FROM t", "\"", "`like this`"},
    {"SQL0003", "SELECT # FROM t", "#", NULL},
    {"SQL0003", "SELECT '\xff'", NULL, NULL},
    {"SQL0004", "SELECT 'open", "'", NULL},
    {"SQL0004", "SELECT `open", "`", NULL},
    {"SQL0004", "SELECT 1 /* open", "/", NULL},
    {"SQL0005", "SELECT 99999999999999999999", "99999999999999999999", NULL},
    {"SQL0005", "SELECT X'0'", "X'0'", NULL},
    {"SQL0005", "SELECT TIME '25:00:00'", "TIME '25:00:00'", NULL},
    {"SQL0008", "", NULL, NULL}, /* limits_have_codes */
    {"SQL0010", "SELECT DISTINCT n FROM t", "DISTINCT", NULL},
    {"SQL0010", "SELECT n, COUNT(*) FROM t GROUP BY n", "n", "window_start"},
    {"SQL0010", "SELECT COUNT(*) FROM t", "COUNT(*)", "window_start"},
    {"SQL0010",
     "SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY, INTERVAL '2' DAY))", "HOP",
     NULL},
    {"SQL0010", "SELECT * FROM v /*+ OPTIONS('a'='b') */", "v", NULL},
    {"SQL0011", "SELCT 1", "SELCT", "SELECT"},
    {"SQL0012", "CREATE TABLE x (a RAW('c', 'd'))" W, "RAW", NULL},
    {"SQL0012", "CREATE TABLE x (a VARIANT)" W, "VARIANT", NULL},
    {"SQL0012", "CREATE TABLE x (a TIMESTAMP(3) WITH TIME ZONE)" W, "TIMESTAMP(3) WITH TIME ZONE",
     NULL},
    {"SQL0013", "CREATE TABLE x (a DECIMAL(39, 2))" W, "39", NULL},
    {"SQL0013", "CREATE TABLE x (a TIMESTAMP(10))" W, "10", NULL},
    {"SQL0014", "CREATE TABLE x (a STRNG)" W, "STRNG", "STRING"},
    {"SQL0101", "CREATE TABLE x (a INT, a INT)" W, "a", NULL},
    {"SQL0101", "CREATE VIEW x AS SELECT n, n FROM t", NULL, NULL},
    {"SQL0102", "CREATE TABLE x (a INT, PRIMARY KEY (a))" W, "PRIMARY", "NOT ENFORCED"},
    {"SQL0102", "CREATE TABLE x (a INT, PRIMARY KEY (a) ENFORCED)" W, "PRIMARY", NULL},
    {"SQL0102", "CREATE TABLE x (a INT, PRIMARY KEY (b) NOT ENFORCED)" W, "b", NULL},
    {"SQL0102", "CREATE TABLE x (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED)" W,
     "PRIMARY", NULL},
    {"SQL0103", "CREATE TABLE x (a INT) PARTITIONED BY (A)" W, "A", "a"},
    {"SQL0104", "CREATE TABLE x (a TIMESTAMP(6), WATERMARK FOR a AS a)" W, "a", NULL},
    {"SQL0104", "CREATE TABLE x (a STRING, WATERMARK FOR a AS a)" W, "a", NULL},
    {"SQL0104", "CREATE TABLE x (a ROW<b TIMESTAMP(3)>, WATERMARK FOR a.b AS a.b)" W, "b", NULL},
    {"SQL0104", "CREATE TABLE x (a TIMESTAMP(3), WATERMARK FOR b AS a)" W, "b", "a"},
    {"SQL0104", "CREATE TABLE x (a TIMESTAMP(3), WATERMARK FOR a AS 1)" W, "1", NULL},
    {"SQL0105", "CREATE TABLE x (a INT, b AS NULL)" W, "b", NULL},
    {"SQL0106", "CREATE TABLE x (a INT METADATA FROM 'nope')" W, "a", NULL},
    {"SQL0106", "CREATE TABLE x (`timestamp` ARRAY<INT> METADATA)" W, "ARRAY<INT>", NULL},
    {"SQL0107", "CREATE TABLE x (q TIMESTAMP(3), WATERMARK FOR q AS q) LIKE t", NULL,
     "EXCLUDING WATERMARKS"},
    {"SQL0107", "CREATE TABLE x WITH ('connector' = 'y') LIKE t (INCLUDING OPTIONS)", NULL,
     "OVERWRITING OPTIONS"},
    {"SQL0107", "CREATE TABLE x LIKE t (OVERWRITING ALL)", NULL, NULL},
    {"SQL0107", "CREATE TABLE x LIKE v", "v", NULL},
    {"SQL0101", "CREATE TABLE x (n INT) LIKE t", "n", NULL},
    {"SQL0108", "CREATE TABLE x (a INT) WITH ('a' = 'b', 'a' = 'c')", "'a'", NULL},
    {"SQL0109", "CREATE VIEW x (a, b) AS SELECT n FROM t", "a", NULL},
    {"SQL0110", "CREATE TABLE x (a INT)", "x", "connector"},
    {"SQL0141", "SELECT * FROM tt", "tt", "did you mean `t`?"},
    {"SQL0141", "SELECT * FROM db.t", "db.t", NULL},
    {"SQL0141", "INSERT INTO T SELECT * FROM t", "T", "did you mean `t`?"},
    {"SQL0141", "SELECT q.* FROM t", "q.*", NULL},
    {"SQL0142", "SELECT id FROM t", "id", "did you mean `ID` (STRING)?"},
    {"SQL0142", "SELECT 1 FROM t WHERE nn > 2", "nn", "in table t (6 columns)"},
    {"SQL0142", "SELECT x", "x", NULL},
    {"SQL0143", "SELECT n FROM (SELECT n, ID AS n FROM t)", "n", NULL},
    {"SQL0144", "SELECT r.b FROM t", "b", "did you mean `a`?"},
    {"SQL0144", "SELECT n.b FROM t", "b", NULL},
    {"SQL0150", "SELECT CASE WHEN TRUE THEN 1 ELSE ARRAY[1] END", "CASE", NULL},
    {"SQL0150", "SELECT NULL", "NULL", NULL},
    {"SQL0151", "SELECT n FROM t WHERE n", "n", NULL},
    {"SQL0152", "INSERT INTO s SELECT ID, d FROM t", "d", "this is DOUBLE, the column is BIGINT"},
    {"SQL0152", "INSERT INTO s SELECT ID FROM t", "SELECT ID", "Query schema: [ID: STRING]"},
    {"SQL0153", "INSERT INTO s (a, b) SELECT ID, n FROM t", "b", NULL},
    {"SQL0153", "INSERT INTO s (a, a) SELECT ID, n FROM t", "a", NULL},
    {"SQL0153", "INSERT INTO s (n) SELECT n FROM t", "s", NULL},
    {"SQL0154", "INSERT INTO t PARTITION (ID = 'x') SELECT 1", "ID", NULL},
    {"SQL0154", "INSERT INTO t PARTITION (n = RAND_INTEGER(3)) SELECT 1", "RAND_INTEGER", NULL},
    {"SQL0155", "INSERT INTO v SELECT ID, n FROM t", "v", NULL},
    {"SQL0156", "SELECT ID FROM t UNION ALL SELECT ID, n FROM t", NULL, NULL},
    {"SQL0156", "SELECT r FROM t UNION ALL SELECT n FROM t", NULL, NULL},
    {"SQL0157", "VALUES (1, 2), (3)", "3", NULL},
    {"SQL0157", "VALUES (1), (ARRAY[1])", NULL, NULL},
    {"SQL0160", "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(p), INTERVAL '1' SECOND))", "p",
     "WATERMARK FOR p"},
    {"SQL0161", "SELECT * FROM TABLE(TUMBLE(TABLE t, ts, INTERVAL '1' SECOND))", "ts", NULL},
    {"SQL0161", "SELECT * FROM TABLE(TUMBLE(TABLE t))", "TUMBLE", NULL},
    {"SQL0161", "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, COL => 1))", "COL", NULL},
    {"SQL0161", "SELECT TUMBLE(ts, INTERVAL '1' SECOND) FROM t", "TUMBLE", NULL},
    {"SQL0162", TUMBLE("INTERVAL '0' SECOND"), "INTERVAL", NULL},
    {"SQL0162", TUMBLE("INTERVAL '-1' SECOND"), "INTERVAL", NULL},
    {"SQL0162", TUMBLE("INTERVAL '4000' DAY"), "INTERVAL", NULL},
    {"SQL0162", TUMBLE("INTERVAL '1' MONTH"), "INTERVAL", NULL},
    {"SQL0162", TUMBLE("INTERVAL '1' DAY, INTERVAL '1' DAY"), NULL, NULL},
    {"SQL0163",
     "SELECT n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY "
     "window_start, window_end",
     "n", "GROUP BY"},
    {"SQL0164", "SELECT n FROM t WHERE COUNT(*) > 1", "COUNT(*)", NULL},
    {"SQL0164",
     "SELECT SUM(COUNT(*)) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) "
     "GROUP BY window_start, window_end",
     "COUNT(*)", NULL},
    {"SQL0165", "INSERT INTO s SELECT * FROM (SELECT ID, n FROM t LIMIT 3)", "LIMIT 3", NULL},
    {"SQL0165", "SELECT * FROM (SELECT n FROM t LIMIT 3)", "LIMIT 3", NULL},
    {"SQL0167", "SELECT *", "*", NULL},
    {"SQL0167",
     "SELECT SUM(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY "
     "window_start, window_end",
     "SUM(*)", NULL},
    {"SQL0168", "SELECT UPPER(x => ID) FROM t", "x => ID", NULL},
    {"SQL0170", "SELECT NULLIF(n) FROM t", "NULLIF(n)", NULL},
    {"SQL0201", "SELECT UPER(ID) FROM t", "UPER(ID)", "UPPER"},
    {"SQL0202", "SELECT UPPER(n) FROM t", "UPPER(n)", NULL},
    {"SQL0204", "SELECT CAST(r AS INT) FROM t", "CAST(r AS INT)", NULL},
    {"CON0001", "CREATE TABLE x (a INT) WITH ('a' = 'b')", "x", NULL},
};

static bool has_label(const struct diag *diag, const char *label)
{
    return label == NULL || strstr(diag->label, label) != NULL || strstr(diag->hint, label) != NULL;
}

static void each_code_has_its_script(void **state)
{
    (void)state;
    isize bad = 0;
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        if (strcmp(cases[i].code, "SQL0008") == 0) {
            continue; /* too_many below */
        }
        struct fixture f;
        fixture_init(&f);
        fixture_must(&f, tables);
        err e = fixture_one(&f, str_of(cases[i].script));
        str at = str_slice(f.source, f.diag.span_start, f.diag.span_start + f.diag.span_len);
        bool is_there = cases[i].at == NULL || str_starts(at, str_of(cases[i].at));
        if (e == OK || strcmp(f.diag.code, cases[i].code) != 0 || !is_there ||
            !has_label(&f.diag, cases[i].label)) {
            bad++;
            print_error("%s %s\n   gives %s %s: %s\n   at '%.*s', %s / %s\n", cases[i].code,
                        cases[i].script, err_name(e), f.diag.code, f.diag.message, STR_ARG(at),
                        f.diag.label, f.diag.hint);
        }
        fixture_deinit(&f);
    }
    assert_int_equal(bad, 0);
}

/* What a few words cannot show. */
static void limits_have_codes(void **state)
{
    (void)state;
    struct fixture f;
    struct buf text = {0};
    fixture_init(&f);
    buf_append(&text, STR("CREATE TABLE x ("));
    for (int i = 0; i <= 5000; i++) {
        buf_printf(&text, "%sc%d INT", i == 0 ? "" : ", ", i);
    }
    buf_append(&text, STR(") WITH ('connector' = 'x')"));
    assert_int_equal(fixture_one(&f, buf_str(&text)), ERR_LIMIT);
    assert_string_equal(f.diag.code, "SQL0008");
    buf_reset(&text);
    buf_append_fill(&text, ' ', SQL_TEXT_BYTES_MAX + 1);
    assert_int_equal(fixture_one(&f, buf_str(&text)), ERR_LIMIT);
    assert_string_equal(f.diag.code, "SQL0006");
    buf_reset(&text);
    buf_append(&text, STR("SELECT "));
    buf_append_fill(&text, '(', 300);
    assert_int_equal(fixture_one(&f, buf_str(&text)), ERR_LIMIT);
    assert_string_equal(f.diag.code, "SQL0007");
    assert_int_equal(fixture_one(&f, STR(" -- nothing\n")), ERR_SYNTAX);
    assert_string_equal(f.diag.code, "SQL0009");
    buf_deinit(&text);
    fixture_deinit(&f);
}

/* WITH queries that double at each step end at the plan's limit. */
static void expansion_is_bounded(void **state)
{
    (void)state;
    struct fixture f;
    struct buf text = {0};
    fixture_init(&f);
    fixture_must(&f, tables);
    buf_append(&text, STR("WITH c0 AS (SELECT n FROM t)"));
    for (int i = 1; i < 40; i++) {
        buf_printf(&text, ", c%d AS (SELECT n FROM c%d UNION ALL SELECT n FROM c%d)", i, i - 1,
                   i - 1);
    }
    buf_append(&text, STR(" SELECT n FROM c39"));
    assert_int_equal(fixture_one(&f, buf_str(&text)), ERR_LIMIT);
    assert_string_equal(f.diag.code, "SQL0008");
    buf_deinit(&text);
    fixture_deinit(&f);
}

static void broken_views_are_named(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_must(&f, tables);
    f.tables[0].name = STR("gone");
    assert_int_equal(fixture_one(&f, STR("SELECT * FROM v")), ERR_INVALID);
    assert_string_equal(f.diag.code, "SQL0166");
    assert_string_equal(f.diag.message, "view `v`: table `t` does not exist");
    assert_int_equal(f.diag.span_start, 14);
    fixture_deinit(&f);
}

static bool is_covered(str code)
{
    static const char *const elsewhere[] = {"SQL0006", "SQL0007", "SQL0009", "SQL0166",
                                            "SQL0203", "SQL0205", "SQL0210"};
    for (isize i = 0; i < COUNT_OF(elsewhere); i++) {
        if (str_eq(code, str_of(elsewhere[i]))) {
            return true;
        }
    }
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        if (str_eq(code, str_of(cases[i].code))) {
            return true;
        }
    }
    return false;
}

static void each_code_is_tested_and_explained(void **state)
{
    (void)state;
    const struct sql_error_info *all = NULL;
    isize count = sql_error_list(&all);
    static char page[1 << 16];
    FILE *file = fopen("docs/sql/errors.md", "rb");
    assert_non_null(file);
    str docs = str_from(page, (isize)fread(page, 1, sizeof page, file));
    assert_int_equal(fclose(file), 0);
    for (isize i = 0; i < count; i++) {
        if (str_find(docs, all[i].code, 0) < 0 || str_find(docs, all[i].title, 0) < 0) {
            fail_msg("docs/sql/errors.md does not explain %.*s", STR_ARG(all[i].code));
        }
        if (!is_covered(all[i].code)) {
            fail_msg("no test for %.*s", STR_ARG(all[i].code));
        }
        assert_true(all[i].title.len > 0 && all[i].text.len > 0);
        assert_ptr_equal(sql_error_find(all[i].code), &all[i]);
    }
    assert_null(sql_error_find(STR("SQL9999")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_its_script), cmocka_unit_test(limits_have_codes),
        cmocka_unit_test(expansion_is_bounded), cmocka_unit_test(broken_views_are_named),
        cmocka_unit_test(each_code_is_tested_and_explained)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
