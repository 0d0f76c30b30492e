/* tests/unit/sql/split_test.c: scripts to statements. */
#include "sql_fixture.h"

struct split_case {
    const char *script;
    const char *parts[6]; /* Ends with NULL. */
};

static const struct split_case cases[] = {
    {"", {NULL}},
    {"  \n -- only a comment\n /* and another; */ ;; ", {NULL}},
    {"SELECT 1", {"SELECT 1", NULL}},
    {"SELECT 1;\n SELECT 2 ;", {"SELECT 1", "SELECT 2", NULL}},
    {"SELECT ';' ; SELECT 'it''s; -- not' || `a;b`",
     {"SELECT ';'", "SELECT 'it''s; -- not' || `a;b`", NULL}},
    {"SELECT 1 -- ; it's\n + 2; x", {"SELECT 1 -- ; it's\n + 2", "x", NULL}},
    {"/* l'été; */ SELECT 1; y", {"/* l'été; */ SELECT 1", "y", NULL}},
    {"%flink.ssql\n   \nSELECT 1;", {"SELECT 1", NULL}},
    {"\xEF\xBB\xBF%flink.ssql(type=update)\nSELECT 1", {"SELECT 1", NULL}},
    {"%flink.ssql", {NULL}},
    {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM b; INSERT INTO "
     "c "
     "SELECT 1; END; SELECT 2",
     {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT CASE WHEN x THEN 1 END FROM b; INSERT INTO "
      "c "
      "SELECT 1; END",
      "SELECT 2", NULL}},
    {"begin statement set; insert into a select 1; end; SELECT 2",
     {"begin statement set; insert into a select 1; end", "SELECT 2", NULL}},
    {"EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END; x",
     {"EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END", "x", NULL}},
    {"SELECT E'\\';' ; z", {"SELECT E'\\';'", "z", NULL}},
    {"SELECT 'open; x", {"SELECT 'open; x", NULL}},
    {"SELECT 1; /* open; x", {"SELECT 1", "/* open; x", NULL}},
    {"SELECT * FROM t /*+ OPTIONS('a'=';') */; q",
     {"SELECT * FROM t /*+ OPTIONS('a'=';') */", "q", NULL}},
};

static void splits_scripts(void **state)
{
    (void)state;
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = {0};
        struct sql_part *parts = NULL;
        isize count = 0;
        str script = str_of(cases[i].script);
        sql_split(&arena, script, &parts, &count);
        isize n = 0;
        for (; cases[i].parts[n] != NULL; n++) {
            assert_true(n < count);
            if (!str_eq(parts[n].text, str_of(cases[i].parts[n]))) {
                fail_msg("case %td part %td: '%.*s'", i, n, STR_ARG(parts[n].text));
            }
            assert_true(
                str_eq(str_slice(script, parts[n].offset, parts[n].offset + parts[n].text.len),
                       parts[n].text));
        }
        assert_int_equal(n, count);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(splits_scripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
