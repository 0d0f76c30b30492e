/*
 * tests/unit/func/list_test.c: how many functions there are, that the much used ones are among
 * them, and that each has been compared with what Flink answers.
 */
#include "func/func.h"
#include "os/os.h"
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { FUNCTIONS_MIN = 120 };

static bool is_function(const struct func_listing *one)
{
    return !one->is_alias && !one->is_aggregate && !str_eq(one->category, STR("operator"));
}

static void counts_functions(void **state)
{
    (void)state;
    const struct func_listing *all = NULL;
    isize listed = func_list(&all), functions = 0, aliases = 0, operators = 0, aggregates = 0;
    for (isize i = 0; i < listed; i++) {
        functions += is_function(&all[i]);
        aliases += all[i].is_alias;
        operators += !all[i].is_alias && str_eq(all[i].category, STR("operator"));
        aggregates += all[i].is_aggregate;
        assert_true(all[i].signature.len > 0);
        for (isize k = 0; k < i; k++) {
            assert_false(str_eq(all[k].name, all[i].name));
        }
    }
    print_message("%d scalar functions; besides %d operators, %d aliases, %d aggregates\n",
                  (int)functions, (int)operators, (int)aliases, (int)aggregates);
    assert_true(functions >= FUNCTIONS_MIN);
}

/* Is `name` somewhere in `text` as a word of its own? */
static bool has_word(str text, str name)
{
    for (isize i = 0; i + name.len <= text.len; i++) {
        u8 before = i == 0 ? ' ' : text.data[i - 1];
        u8 after = i + name.len == text.len ? ' ' : text.data[i + name.len];
        bool is_alone = !(before == '_' || (before >= 'A' && before <= 'Z')) && after != '_' &&
                        !(after >= 'A' && after <= 'Z') && !(after >= '0' && after <= '9');
        if (is_alone && str_eq(str_slice(text, i, i + name.len), name)) {
            return true;
        }
    }
    return false;
}

static str read(struct arena *arena, const char *path)
{
    str text = STR_EMPTY;
    assert_int_equal(os_read_file(os_real(), path, 4 << 20, arena, &text), OK);
    return text;
}

static void the_page_names_each(void **state)
{
    (void)state;
    struct arena arena = {0};
    str text = read(&arena, "docs/sql/functions.md");
    const struct func_listing *all = NULL;
    isize listed = func_list(&all);
    for (isize i = 0; i < listed; i++) {
        bool is_operator = str_eq(all[i].category, STR("operator"));
        if (!is_operator && !has_word(text, all[i].name)) {
            fail_msg("docs/sql/functions.md lacks " STR_FMT, STR_ARG(all[i].name));
        }
    }
    arena_deinit(&arena);
}

static void each_function_is_recorded(void **state)
{
    (void)state;
    struct arena arena = {0};
    str text = read(&arena, "tests/sql/functions.tsv");
    const struct func_listing *all = NULL;
    isize listed = func_list(&all), missing = 0;
    for (isize i = 0; i < listed; i++) {
        /* The watermark of a table cannot be recorded as the value of an expression. */
        bool is_wanted = !all[i].is_aggregate && !all[i].is_alias &&
                         !str_eq(all[i].name, STR("CURRENT_WATERMARK"));
        if (is_wanted && !has_word(text, all[i].name)) {
            print_error(STR_FMT " is not in tests/sql/functions.tsv\n", STR_ARG(all[i].name));
            missing++;
        }
    }
    assert_int_equal(missing, 0);
    arena_deinit(&arena);
}

static void much_used_ones_bind(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1 = 2",
        "1 <> 2",
        "1 < 2",
        "1 <= 2",
        "1 > 2",
        "1 >= 2",
        "1 IS NULL",
        "1 IS NOT NULL",
        "1 BETWEEN 0 AND 2",
        "1 NOT BETWEEN 0 AND 2",
        "'a' LIKE 'a!%' ESCAPE '!'",
        "'a' NOT LIKE 'b'",
        "1 IN (1, 2)",
        "TRUE AND FALSE OR NOT TRUE",
        "1 + 2 - 3 * 4 / 5",
        "MOD(7, 2)",
        "ABS(-1)",
        "CEIL(1.5)",
        "FLOOR(1.5)",
        "ROUND(1.5, 0)",
        "'a' || 'b'",
        "CHAR_LENGTH('a')",
        "UPPER('a')",
        "LOWER('A')",
        "TRIM(BOTH ' ' FROM ' a ')",
        "REGEXP_REPLACE('a', 'a', 'b')",
        "SUBSTRING('abc' FROM 2 FOR 1)",
        "REPLACE('a', 'a', 'b')",
        "REGEXP_EXTRACT('a', '(a)', 1)",
        "CONCAT('a', 'b')",
        "CONCAT_WS(',', 'a', 'b')",
        "SPLIT_INDEX('a,b', ',', 1)",
        "JSON_VALUE('{}', '$.a')",
        "DATE '2026-01-02'",
        "TIME '01:02:03'",
        "TIMESTAMP '2026-01-02 03:04:05'",
        "CURRENT_TIMESTAMP",
        "NOW()",
        "EXTRACT(YEAR FROM DATE '2026-01-02')",
        "HOUR(TIMESTAMP '2026-01-02 03:04:05')",
        "MINUTE(TIMESTAMP '2026-01-02 03:04:05')",
        "DATE_FORMAT(TIMESTAMP '2026-01-02 03:04:05', 'yyyy')",
        "TIMESTAMPADD(DAY, 1, DATE '2026-01-02')",
        "TIMESTAMPDIFF(DAY, DATE '2026-01-02', DATE '2026-01-03')",
        "FROM_UNIXTIME(0)",
        "UNIX_TIMESTAMP('2026-01-02 03:04:05')",
        "TO_DATE('2026-01-02')",
        "TO_TIMESTAMP('2026-01-02 03:04:05')",
        "TO_TIMESTAMP_LTZ(0, 3)",
        "PROCTIME()",
        "CASE WHEN TRUE THEN 1 ELSE 2 END",
        "CASE 1 WHEN 1 THEN 2 END",
        "COALESCE(NULL, 1)",
        "IF(TRUE, 1, 2)",
        "IFNULL(1, 2)",
        "CAST('1' AS INT)",
        "TRY_CAST('x' AS INT)",
        "JSON_QUERY('{}', '$.a')",
        "JSON_OBJECT(KEY 'a' VALUE 1)",
        "MD5('a')",
    };
    struct arena arena = {0};
    for (isize i = 0; i < COUNT_OF(texts); i++) {
        const struct expr *expr = NULL;
        struct diag diag;
        diag_init(&diag);
        if (sql_bind_expr(&arena, str_of(texts[i]), NULL, 0, NULL, &expr, &diag) != OK) {
            fail_msg("%s: %s", texts[i], diag.message);
        }
    }
    static const char *const aggregates[] = {"COUNT", "SUM", "AVG", "MIN", "MAX"};
    for (isize i = 0; i < COUNT_OF(aggregates); i++) {
        assert_true(func_is_aggregate(str_of(aggregates[i])));
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_functions),
        cmocka_unit_test(each_function_is_recorded),
        cmocka_unit_test(the_page_names_each),
        cmocka_unit_test(much_used_ones_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
