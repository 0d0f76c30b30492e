/* tests/unit/sql/parse_test.c: statements that parse, those that are named as not supported,
 * limits. */
#include "sql_fixture.h"

static err parse(struct arena *arena, str text, struct sql_statement *out, struct diag *diag)
{
    diag_init(diag);
    return sql_parse(arena, text, out, diag);
}

static const struct {
    const char *text;
    enum sql_kind kind;
} accepted[] = {
    {"CREATE TABLE t (a INT) WITH ('connector' = 'x');", SQL_CREATE_TABLE},
    {"create temporary table if not exists c.d.t (`a b` INT NOT NULL COMMENT 'x', b AS `a b` + 1, "
     "m STRING METADATA FROM 'k' VIRTUAL, CONSTRAINT pk PRIMARY KEY (`a b`) NOT ENFORCED, "
     "WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) COMMENT 'c' PARTITIONED BY (a) WITH ('a'='b')",
     SQL_CREATE_TABLE},
    {"CREATE TABLE t WITH ('a' = 'b') LIKE s (INCLUDING ALL EXCLUDING WATERMARKS OVERWRITING "
     "OPTIONS)",
     SQL_CREATE_TABLE},
    {"CREATE TABLE t (a CHAR, b CHAR(3), c VARCHAR, d STRING, e BOOLEAN, f BINARY(2), g VARBINARY, "
     "h "
     "BYTES, i DECIMAL, j NUMERIC(10, 2), k DEC(5), l TINYINT, m SMALLINT, n INTEGER, o BIGINT, p "
     "FLOAT, "
     "q DOUBLE PRECISION, r DATE, s TIME, t TIME(3) WITHOUT TIME ZONE, u TIMESTAMP(3), v TIMESTAMP "
     "WITHOUT "
     "TIME ZONE, w TIMESTAMP(6) WITH LOCAL TIME ZONE, x TIMESTAMP_LTZ(9), y ARRAY<INT NOT NULL>, z "
     "MAP<STRING, "
     "ROW<a INT 'c', b ARRAY<ROW(x INT)>>>, aa MULTISET<INT>, bb INT ARRAY, cc INTERVAL DAY TO "
     "SECOND(3), dd "
     "INTERVAL YEAR, ee CHARACTER VARYING(5)) WITH ('a'='b')",
     SQL_CREATE_TABLE},
    {"CREATE VIEW v (a COMMENT 'x', b) COMMENT 'y' AS SELECT 1, 2", SQL_CREATE_VIEW},
    {"CREATE TEMPORARY VIEW IF NOT EXISTS v AS SELECT * FROM t", SQL_CREATE_VIEW},
    {"DROP TABLE IF EXISTS t", SQL_DROP_TABLE},
    {"DROP TEMPORARY VIEW v", SQL_DROP_VIEW},
    {"SHOW TABLES", SQL_SHOW},
    {"SHOW TABLES FROM db LIKE '%x'", SQL_SHOW},
    {"SHOW COLUMNS IN t NOT LIKE 'a%'", SQL_SHOW},
    {"SHOW CREATE VIEW v", SQL_SHOW},
    {"SHOW CURRENT DATABASE", SQL_SHOW},
    {"DESC t", SQL_DESCRIBE},
    {"DESCRIBE EXTENDED c.d.t", SQL_DESCRIBE},
    {"EXPLAIN SELECT 1", SQL_EXPLAIN},
    {"EXPLAIN PLAN FOR INSERT INTO a SELECT 1", SQL_EXPLAIN},
    {"EXPLAIN CHANGELOG_MODE SELECT 1", SQL_EXPLAIN},
    {"EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END", SQL_EXPLAIN},
    {"SET", SQL_SET},
    {"SET 'a.b' = 'c d'", SQL_SET},
    {"SET table.local-time-zone = Europe/Berlin;", SQL_SET},
    {"RESET", SQL_RESET},
    {"RESET 'a.b'", SQL_RESET},
    {"USE CATALOG c", SQL_USE},
    {"USE c.d", SQL_USE},
    {"INSERT INTO t SELECT 1", SQL_INSERT},
    {"EXECUTE INSERT INTO t (a, `b`) VALUES (1, 2), (3, 4)", SQL_INSERT},
    {"INSERT INTO t PARTITION (k = 'v') (a) (SELECT 1)", SQL_INSERT},
    {"INSERT INTO t /*+ OPTIONS('a'='b') */ SELECT 1", SQL_INSERT},
    {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END",
     SQL_STATEMENT_SET},
    {"BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;", SQL_STATEMENT_SET},
    {"STOP JOB 'x' WITH SAVEPOINT WITH DRAIN", SQL_STOP_JOB},
    {"WITH a AS (SELECT 1), b (x) AS (SELECT 2) SELECT * FROM a UNION ALL (SELECT * FROM b) LIMIT "
     "3",
     SQL_SELECT},
    {"VALUES (1, 'a'), (2, 'b')", SQL_SELECT},
    {"SELECT t.*, a.b.c[1].d AS `x y`, NOT a = 1 AND b IS NOT NULL OR c NOT IN (1, 2) FROM (SELECT "
     "1) AS t (q)",
     SQL_SELECT},
    {"SELECT a FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS w", SQL_SELECT},
    {"%flink.ssql\nSELECT 1 // end", SQL_SELECT},
};

static void accepts_statements(void **state)
{
    (void)state;
    for (isize i = 0; i < COUNT_OF(accepted); i++) {
        struct arena arena = {0};
        struct diag diag;
        struct sql_statement statement;
        if (parse(&arena, str_of(accepted[i].text), &statement, &diag) != OK) {
            fail_msg("%s: %s", accepted[i].text, diag.message);
        }
        assert_int_equal(statement.kind, accepted[i].kind);
        arena_deinit(&arena);
    }
}

/* Flink has it, leat does not: named, with the span on the word. */
static const struct {
    const char *text, *message;
} refused[] = {
    {"SELECT DISTINCT a FROM t", "SELECT DISTINCT is not supported"},
    {"SELECT * FROM a, b", "a join (several tables in FROM) is not supported"},
    {"SELECT * FROM a INNER JOIN b ON a.x = b.x", "JOIN is not supported"},
    {"SELECT * FROM a LEFT JOIN b ON TRUE", "LEFT JOIN is not supported"},
    {"SELECT * FROM a CROSS JOIN UNNEST(x) AS u", "CROSS JOIN is not supported"},
    {"SELECT * FROM a FOR SYSTEM_TIME AS OF b", "FOR SYSTEM_TIME AS OF is not supported"},
    {"SELECT * FROM a MATCH_RECOGNIZE (x)", "MATCH_RECOGNIZE is not supported"},
    {"SELECT * FROM LATERAL TABLE(f(x))", "LATERAL is not supported"},
    {"SELECT a FROM t ORDER BY a", "ORDER BY is not supported"},
    {"SELECT a FROM t OFFSET 3", "OFFSET is not supported"},
    {"SELECT a FROM t FETCH FIRST 3 ROWS ONLY", "FETCH is not supported"},
    {"SELECT SUM(a) OVER (ORDER BY b) FROM t", "OVER (a window of rows) is not supported"},
    {"SELECT a FROM t WINDOW w AS (ORDER BY a)", "WINDOW is not supported"},
    {"SELECT a FROM t GROUP BY ROLLUP (a)", "ROLLUP and CUBE is not supported"},
    {"SELECT a FROM t GROUP BY GROUPING SETS ((a))", "GROUPING SETS is not supported"},
    {"SELECT a FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY)",
     "the old form of windows in GROUP BY is not supported"},
    {"SELECT 1 UNION SELECT 2", "UNION without ALL is not supported"},
    {"SELECT 1 INTERSECT SELECT 2", "INTERSECT is not supported"},
    {"SELECT 1 EXCEPT SELECT 2", "EXCEPT is not supported"},
    {"SELECT * FROM t WHERE a IN (SELECT 1)", "a subquery in an expression is not supported"},
    {"SELECT * FROM t WHERE EXISTS (SELECT 1)", "a subquery in an expression is not supported"},
    {"SELECT (SELECT 1)", "a subquery in an expression is not supported"},
    {"WITH RECURSIVE a AS (SELECT 1) SELECT 1", "WITH RECURSIVE is not supported"},
    {"INSERT OVERWRITE t SELECT 1", "INSERT OVERWRITE is not supported"},
    {"CREATE TABLE t (a INT) WITH ('a'='b') AS SELECT 1", "CREATE TABLE ... AS is not supported"},
    {"CREATE OR REPLACE TABLE t (a INT)", "CREATE OR REPLACE is not supported"},
    {"CREATE TABLE t (a INT) DISTRIBUTED BY HASH(a)", "DISTRIBUTED is not supported"},
    {"CREATE FUNCTION f AS 'x'", "CREATE FUNCTION is not supported"},
    {"CREATE CATALOG c WITH ('a'='b')", "CREATE CATALOG is not supported"},
    {"CREATE DATABASE d", "CREATE DATABASE is not supported"},
    {"CREATE TEMPORARY SYSTEM FUNCTION f AS 'x'", "CREATE SYSTEM is not supported"},
    {"DROP FUNCTION f", "DROP FUNCTION is not supported"},
    {"ALTER TABLE t RENAME TO u", "ALTER is not supported"},
    {"UPDATE t SET a = 1", "UPDATE is not supported"},
    {"DELETE FROM t", "DELETE is not supported"},
    {"TRUNCATE TABLE t", "TRUNCATE is not supported"},
    {"CALL p()", "CALL is not supported"},
    {"ANALYZE TABLE t COMPUTE STATISTICS", "ANALYZE is not supported"},
    {"LOAD MODULE m", "LOAD is not supported"},
    {"ADD JAR 'x'", "ADD is not supported"},
    {"COMPILE PLAN 'f' FOR SELECT 1", "COMPILE is not supported"},
    {"EXECUTE PLAN 'f'", "EXECUTE PLAN is not supported"},
    {"USE MODULES a", "USE MODULES is not supported"},
    {"SHOW MODULES", "SHOW MODULES is not supported"},
    {"EXPLAIN ESTIMATED_COST SELECT 1", "EXPLAIN ESTIMATED_COST is not supported"},
    {"EXPLAIN CHANGELOG_MODE, plan_advice SELECT 1", "EXPLAIN PLAN_ADVICE is not supported"},
    {"EXPLAIN JSON_EXECUTION_PLAN SELECT 1", "EXPLAIN JSON_EXECUTION_PLAN is not supported"},
    {"SELECT c.f(1)", "a function of a catalog is not supported"},
    {"SELECT LISTAGG(a) WITHIN GROUP (ORDER BY a)", "WITHIN GROUP is not supported"},
};

static void names_what_is_not_supported(void **state)
{
    (void)state;
    for (isize i = 0; i < COUNT_OF(refused); i++) {
        struct arena arena = {0};
        struct diag diag;
        struct sql_statement statement;
        err e = parse(&arena, str_of(refused[i].text), &statement, &diag);
        if (e != ERR_UNSUPPORTED || strcmp(diag.message, refused[i].message) != 0) {
            fail_msg("%s: %s: %s", refused[i].text, err_name(e), diag.message);
        }
        assert_true(diag.span_start >= 0 && diag.span_len > 0);
        arena_deinit(&arena);
    }
}

/* Text of `count` times `open`, `middle`, `count` times `close`. */
static err parse_nested(const char *head, const char *open, const char *middle, const char *close,
                        isize count)
{
    struct buf text = {0};
    struct arena arena = {0};
    struct diag diag;
    struct sql_statement statement;
    buf_append(&text, str_of(head));
    for (isize i = 0; i < count; i++) {
        buf_append(&text, str_of(open));
    }
    buf_append(&text, str_of(middle));
    for (isize i = 0; i < count; i++) {
        buf_append(&text, str_of(close));
    }
    err e = parse(&arena, buf_str(&text), &statement, &diag);
    arena_deinit(&arena);
    buf_deinit(&text);
    return e;
}

static void bounds_depth(void **state)
{
    (void)state;
    static const struct {
        const char *head, *open, *middle, *close;
    } shapes[] = {
        {"SELECT ", "(", "1", ")"},
        {"SELECT ", "NOT ", "TRUE", ""},
        {"SELECT ", "- - ", "a", ""},
        {"SELECT ", "CASE WHEN ", "TRUE", " THEN 1 END"},
        {"SELECT ", "UPPER(", "a", ")"},
        {"SELECT ", "ARRAY[", "1", "]"},
        {"SELECT a", "[1]", "", ""},
        {"SELECT 1", " + 1", "", ""},
        {"SELECT 1", " IS NULL", "", ""},
        {"SELECT 1", " BETWEEN 1 AND 2", "", ""},
        {"SELECT * FROM ", "(SELECT * FROM ", "t", ")"},
        {"", "(", "SELECT 1", ")"},
        {"SELECT CAST(NULL AS ", "ARRAY<", "INT", ">)"},
        {"SELECT f(", "a => ", "1", ""},
    };
    for (isize i = 0; i < COUNT_OF(shapes); i++) {
        err e =
            parse_nested(shapes[i].head, shapes[i].open, shapes[i].middle, shapes[i].close, 20000);
        if (e != ERR_LIMIT) {
            fail_msg("%s%s: %s", shapes[i].head, shapes[i].open, err_name(e));
        }
    }
    assert_int_equal(parse_nested("SELECT ", "(", "1", ")", 190), OK);
    assert_int_equal(parse_nested("SELECT ", "(", "1", ")", 100000), ERR_LIMIT);
    assert_int_equal(parse_nested("SELECT ", "NOT ", "TRUE", "", 100000), ERR_LIMIT);
    assert_int_equal(parse_nested("SELECT 1", " UNION ALL SELECT 1", "", "", 30000), OK);
    assert_int_equal(parse_nested("SELECT a", " OR a", "", "", 100000), OK);
    assert_int_equal(parse_nested("SELECT a IN (1", ", 2", ")", "", 100000), OK);
    assert_int_equal(parse_nested("SELECT 1", ", 1", "", "", 100000), ERR_LIMIT);
    assert_int_equal(parse_nested("SELECT '", "xxxxxxxxxxxxxxxx", "'", "", 1 << 16), ERR_LIMIT);
    assert_int_equal(parse_nested("SELECT `", "x", "`", "", 257), ERR_LIMIT);
    assert_int_equal(parse_nested("SELECT `", "x", "`", "", 256), OK);
    assert_int_equal(parse_nested("SELECT CAST(1 AS INT", " ARRAY", ")", "", 5), ERR_LIMIT);
}

static void keeps_the_parts(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct diag diag;
    struct sql_statement s;
    assert_int_equal(parse(&arena, STR("SET table.local-time-zone = UTC ;"), &s, &diag), OK);
    assert_true(str_eq(s.key, STR("table.local-time-zone")) && str_eq(s.value, STR("UTC")));
    assert_int_equal(parse(&arena, STR("SHOW COLUMNS FROM c.d.t NOT LIKE 'a''%'"), &s, &diag), OK);
    assert_true(s.show == SHOW_COLUMNS && s.not_like && str_eq(s.like, STR("a'%")));
    assert_true(str_eq(s.name.catalog, STR("c")) && str_eq(s.name.name, STR("t")));
    assert_int_equal(parse(&arena,
                           STR("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b "
                               "SELECT 2; END"),
                           &s, &diag),
                     OK);
    assert_int_equal(s.inner_count, 2);
    assert_true(str_eq(s.inner[1].name.name, STR("b")));
    assert_int_equal(parse(&arena, STR("STOP JOB 'j' WITH DRAIN"), &s, &diag), OK);
    assert_true(str_eq(s.job, STR("j")) && s.with_drain && !s.with_savepoint);
    assert_int_equal(
        parse(&arena, STR("EXPLAIN CHANGELOG_MODE, CHANGELOG_MODE SELECT 1"), &s, &diag), OK);
    assert_true(str_eq(s.explain_details, STR("CHANGELOG_MODE, CHANGELOG_MODE")));
    assert_int_equal(parse(&arena, STR("SHOW TABLES FROM c.d"), &s, &diag), OK);
    assert_true(str_eq(s.name.catalog, STR("c")) && str_eq(s.name.database, STR("d")));
    assert_int_equal(parse(&arena, STR("USE CATALOG c"), &s, &diag), OK);
    assert_true(str_eq(s.name.catalog, STR("c")) && s.name.name.len == 0);
    arena_deinit(&arena);
}

static void says_that_a_word_is_reserved(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct diag diag;
    struct sql_statement s;
    assert_int_equal(parse(&arena, STR("SELECT value FROM t"), &s, &diag), ERR_SYNTAX);
    assert_string_equal(diag.code, "SQL0002");
    assert_string_equal(diag.message, "`value` is reserved, write `` `value` ``");
    assert_int_equal(diag.span_start, 7);
    assert_int_equal(parse(&arena, STR("CREATE TABLE t (user INT)"), &s, &diag), ERR_SYNTAX);
    assert_string_equal(diag.code, "SQL0002");
    assert_int_equal(
        parse(&arena, STR("SELECT `value`, comment, state, number, stop FROM t"), &s, &diag), OK);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_statements), cmocka_unit_test(names_what_is_not_supported),
        cmocka_unit_test(bounds_depth), cmocka_unit_test(keeps_the_parts),
        cmocka_unit_test(says_that_a_word_is_reserved)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
