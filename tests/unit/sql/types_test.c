/*
 * tests/unit/sql/types_test.c: every type that a column can have, from the text of CREATE TABLE
 * through JSON, a vector, and JSON again; and the types that are refused by name.
 */
#include "codec/json_row_write.h"
#include "codec/json_rows.h"
#include "sql_fixture.h"

/* `out` NULL: as it went in. "!" before the text: an error, after which NULL stands there. */
static const struct {
    const char *type, *in, *out;
} cases[] = {
    {"BOOLEAN", "true", NULL},
    {"BOOLEAN", "false", NULL},
    {"TINYINT", "-128", NULL},
    {"TINYINT", "127", NULL},
    {"TINYINT", "128", "!null"},
    {"SMALLINT", "-32768", NULL},
    {"SMALLINT", "32767", NULL},
    {"SMALLINT", "-32769", "!null"},
    {"INT", "-2147483648", NULL},
    {"INT", "2147483647", NULL},
    {"INTEGER", "2147483648", "!null"},
    {"BIGINT", "-9223372036854775808", NULL},
    {"BIGINT", "9223372036854775807", NULL},
    {"BIGINT", "9223372036854775808", "!null"},
    {"FLOAT", "3.4028235E38", NULL},
    {"FLOAT", "1.4E-45", NULL},
    {"FLOAT", "0.1", NULL},
    {"DOUBLE", "1.7976931348623157E308", NULL},
    {"DOUBLE PRECISION", "4.9E-324", NULL},
    {"DOUBLE", "-0.0", NULL},
    {"DOUBLE", "\"NaN\"", NULL},
    {"DOUBLE", "\"-Infinity\"", NULL},
    {"DECIMAL", "9999999999", NULL},
    {"DECIMAL(10, 2)", "-12345678.91", NULL},
    {"NUMERIC(18, 18)", "0.123456789012345678", NULL},
    {"DECIMAL(38, 18)", "12345678901234567890.123456789012345678", NULL},
    {"DECIMAL(38, 18)", "-99999999999999999999.999999999999999999", NULL},
    {"DECIMAL(38, 0)", "99999999999999999999999999999999999999", NULL},
    {"DECIMAL(38, 38)", "0.00000000000000000000000000000000000001", "1E-38"},
    {"DECIMAL(5, 2)", "1000", "null"},
    {"CHAR", "\"x\"", NULL},
    {"CHAR(3)", "\"abc\"", NULL},
    {"VARCHAR(50)", "\"caf\xc3\xa9 \\\"quoted\\\" \\\\ \\n \\u0001\"", NULL},
    {"VARCHAR", "\"\\uD83D\\uDE00\"", NULL},
    {"STRING", "\"\"", NULL},
    {"CHARACTER VARYING(9)", "\"twelve chars\"", NULL},
    {"BINARY(3)", "\"AAH/\"", NULL},
    {"VARBINARY(5)", "\"//79/A==\"", NULL},
    {"BYTES", "\"\"", NULL},
    {"BYTES", "\"not base64!\"", "!null"},
    {"DATE", "\"0001-01-01\"", NULL},
    {"DATE", "\"9999-12-31\"", NULL},
    {"DATE", "\"2023-02-29\"", "!null"},
    {"TIME", "\"23:59:59\"", NULL},
    {"TIME(3)", "\"00:00:00\"", NULL},
    {"TIME(9)", "\"12:34:56.789\"", "\"12:34:56\""}, /* As in Flink, the fraction is lost. */
    {"TIMESTAMP(0)", "\"2026-11-24 01:02:03\"", NULL},
    {"TIMESTAMP(0)", "\"2026-11-24 01:02:03.9\"", "\"2026-11-24 01:02:03\""},
    {"TIMESTAMP(1)", "\"2026-11-24 01:02:03.1\"", NULL},
    {"TIMESTAMP(2)", "\"2026-11-24 01:02:03.12\"", NULL},
    {"TIMESTAMP(3)", "\"2026-11-24 01:02:03.123\"", NULL},
    {"TIMESTAMP(4)", "\"2026-11-24 01:02:03.1234\"", NULL},
    {"TIMESTAMP(5)", "\"2026-11-24 01:02:03.12345\"", NULL},
    {"TIMESTAMP", "\"2026-11-24 01:02:03.123456\"", NULL},
    {"TIMESTAMP(7)", "\"2026-11-24 01:02:03.1234567\"", NULL},
    {"TIMESTAMP(8)", "\"2026-11-24 01:02:03.12345678\"", NULL},
    {"TIMESTAMP(9) WITHOUT TIME ZONE", "\"2026-11-24 01:02:03.123456789\"", NULL},
    {"TIMESTAMP(9)", "\"1583-01-01 00:00:00.000000001\"", NULL},
    {"TIMESTAMP(3)", "\"0001-01-01 00:00:00\"", NULL},
    {"TIMESTAMP(3)", "\"9999-12-31 23:59:59.999\"", NULL},
    {"TIMESTAMP_LTZ(3)", "\"2026-11-24 01:02:03.123Z\"", NULL},
    {"TIMESTAMP(9) WITH LOCAL TIME ZONE", "\"1969-12-31 23:59:59.999999999Z\"", NULL},
    {"TIMESTAMP_LTZ(0)", "\"1969-12-31 23:59:59Z\"", NULL},
    {"INTERVAL YEAR TO MONTH", "-14", NULL},
    {"INTERVAL MONTH", "2147483647", NULL},
    {"INTERVAL DAY(6) TO SECOND(3)", "86400001", NULL},
    {"INTERVAL SECOND(3)", "-9223372036854775808", NULL},
    {"ARRAY<INT>", "[1,null,-3]", NULL},
    {"ARRAY<ARRAY<STRING>>", "[[],[\"a\",null],null]", NULL},
    {"DECIMAL(38, 18) ARRAY", "[1.5,null]", NULL},
    {"MAP<STRING, BIGINT>", "{\"a\":1,\"b c\":null}", NULL},
    {"MAP<VARCHAR(3), ARRAY<TIMESTAMP(9)>>", "{\"k\":[\"2026-11-24 01:02:03.000000001\"]}", NULL},
    {"MAP<STRING, MAP<STRING, DOUBLE>>", "{\"k\":{\"l\":0.5},\"m\":{}}", NULL},
    {"MAP<STRING, INT>", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
    {"STRING", "{\"a\":1,\"b\":2,\"a\":[3]}", "\"{\\\"a\\\":[3],\\\"b\\\":2}\""},
    {"MULTISET<STRING>", "{\"a\":2,\"b\":1}", NULL},
    {"ROW<a INT, `b c` STRING NOT NULL, d ROW<e BOOLEAN, f DATE>>",
     "{\"a\":1,\"b c\":\"x\",\"d\":{\"e\":null,\"f\":\"2026-11-24\"}}", NULL},
    {"ROW(a BYTES, b DECIMAL(38, 2) 'comment')", "{\"a\":\"AA==\",\"b\":-0.01}", NULL},
    {"ROW<a ARRAY<ROW<b MAP<STRING, TIME>>>>", "{\"a\":[{\"b\":{\"k\":\"01:02:03\"}},null]}", NULL},
    {"ROW<a INT>", "{\"z\":1}", "{\"a\":null}"},
    {"ARRAY<INT>", "{\"a\":1}", "!null"},
    {"ROW<a TINYINT>", "{\"a\":1000}", "!null"},
};

/* The column's JSON text behind the colon. */
static str through(const struct table_def *table, const char *in, bool *has_issue,
                   struct arena *arena)
{
    struct type_field field = {table->columns[0].name, table->columns[0].type, STR_EMPTY};
    struct json_rows_options from = {0};
    struct json_row_options to = {0};
    struct json_rows *rows = json_rows_new(&field, 1, &from);
    struct json_row_writer *writer = json_row_writer_new(&field, 1, &to);
    str messages[2] = {arena_printf(arena, "{\"f\":%s}", in), STR("{\"f\":null}")};
    struct json_scan scan;
    struct sel all = {NULL, 2};
    struct vec col;
    struct buf out = {0};
    json_rows_scan(rows, messages, 2, arena, &scan);
    assert_int_equal(scan.row_count, 2);
    json_rows_fill(rows, &scan, 0, &all, arena, &col);
    *has_issue = scan.issue_count > 0;
    json_row_write(writer, &col, 1, &out);
    assert_true(str_eq(buf_str(&out), STR("{\"f\":null}"))); /* Every type has NULL. */
    buf_reset(&out);
    json_row_write(writer, &col, 0, &out);
    str text = arena_copy(arena, str_slice(buf_str(&out), 5, out.len - 1));
    buf_deinit(&out);
    json_rows_free(rows);
    json_row_writer_free(writer);
    return text;
}

static void values_survive(void **state)
{
    (void)state;
    bool seen[TYPE_KIND_COUNT] = {false};
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        struct arena arena = {0};
        fixture_init(&f);
        str create =
            arena_printf(&arena, "CREATE TABLE t (f %s) WITH ('connector' = 'x')", cases[i].type);
        fixture_must(&f, arena_cstr(&arena, create));
        bool has_issue = false;
        str got = through(&f.tables[0], cases[i].in, &has_issue, &arena);
        const char *out = cases[i].out == NULL ? cases[i].in : cases[i].out;
        bool is_bad = out[0] == '!';
        if (!str_eq(got, str_of(out + is_bad)) || has_issue != is_bad) {
            fail_msg("%s: %s gave " STR_FMT "%s", cases[i].type, cases[i].in, STR_ARG(got),
                     has_issue ? " and an error" : "");
        }
        seen[f.tables[0].columns[0].type->kind] = true;
        arena_deinit(&arena);
        fixture_deinit(&f);
    }
    for (int kind = TYPE_BOOLEAN; kind < TYPE_KIND_COUNT; kind++) {
        assert_true(seen[kind]);
    }
}

static void others_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *type, *code, *word;
    } refused[] = {
        {"RAW('java.lang.Object', 'AA==')", "SQL0012", "RAW"},
        {"VARIANT", "SQL0012", "VARIANT"},
        {"DESCRIPTOR", "SQL0012", "DESCRIPTOR"},
        {"TIMESTAMP(3) WITH TIME ZONE", "SQL0012", "TIMESTAMP WITH TIME ZONE"},
        {"NULL", "SQL0012", "NULL"},
        {"STRUCTURED<'a.B'>", "SQL0012", "STRUCTURED"},
        {"`my.Type`", "SQL0014", "my.Type"},
        {"BIGNIT", "SQL0014", "BIGNIT"},
        {"DECIMAL(39, 0)", "SQL0013", "between"},
        {"DECIMAL(5, 6)", "SQL0013", "between"},
        {"TIMESTAMP(10)", "SQL0013", "between"},
        {"TIME(10)", "SQL0013", "between"},
        {"CHAR(0)", "SQL0013", "between"},
        {"VARCHAR(2147483648)", "SQL0013", "between"},
    };
    for (isize i = 0; i < COUNT_OF(refused); i++) {
        struct fixture f;
        fixture_init(&f);
        str create = arena_printf(&f.arena, "CREATE TABLE t (f %s) WITH ('connector' = 'x')",
                                  refused[i].type);
        err e = fixture_run(&f, arena_cstr(&f.arena, create));
        if (e == OK || strcmp(f.diag.code, refused[i].code) != 0 ||
            strstr(f.diag.message, refused[i].word) == NULL) {
            fail_msg("%s: %s %s", refused[i].type, e == OK ? "accepted" : f.diag.code,
                     e == OK ? "" : f.diag.message);
        }
        fixture_deinit(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_survive),
                                       cmocka_unit_test(others_are_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
