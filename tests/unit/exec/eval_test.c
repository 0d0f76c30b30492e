/* tests/unit/exec/eval_test.c: lazy evaluation, NULLs, constants, selections, row errors. */
#include "exec/eval.h"
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { ROWS = 9 };

/* a BIGINT: row number, NULL in row 8. z BIGINT: 0 in even rows, else 2. p, q BOOLEAN: all pairs of
 * TRUE, FALSE, NULL. s STRING. r ROW<x INT, y STRING>, NULL in row 3. l ARRAY<INT>: [row, 7]. */
struct fixture {
    struct arena arena;
    struct type_field fields[7];
    struct vec cols[7];
    struct func_ctx ctx;
};

static void set_up_row(struct fixture *f, isize row)
{
    static const char *const texts[] = {"a", "a rather long text", ""};
    struct vec *c = f->cols;
    VEC(i64, &c[0])[row] = row;
    VEC(i64, &c[1])[row] = row % 2 == 0 ? 0 : 2;
    for (isize k = 0; k < 2; k++) {
        isize digit = k == 0 ? row / 3 : row % 3;
        VEC(u8, &c[2 + k])[row] = digit == 0;
        if (digit == 2) {
            vec_set_null(&c[2 + k], &f->arena, row);
        }
    }
    struct value text = {.type = f->fields[4].type, .u.text = str_of(texts[row % 3])};
    vec_set(&c[4], &f->arena, row, &text);
    struct value parts[2] = {{.type = type_of(TYPE_INT), .u.integer = row},
                             {.type = type_of(TYPE_VARCHAR), .u.text = text.u.text}};
    struct value whole = {.type = f->fields[5].type, .is_null = row == 3};
    whole.u.list.items = parts;
    whole.u.list.count = 2;
    vec_set(&c[5], &f->arena, row, &whole);
    struct value items[2] = {{.type = type_of(TYPE_INT), .u.integer = row},
                             {.type = type_of(TYPE_INT), .u.integer = 7}};
    struct value list = {.type = f->fields[6].type};
    list.u.list.items = items;
    list.u.list.count = 2;
    vec_set(&c[6], &f->arena, row, &list);
}

static int set_up(void **state)
{
    static const struct {
        const char *name, *type;
    } given[] = {{"a", "BIGINT"},    {"z", "BIGINT"}, {"p", "BOOLEAN"},
                 {"q", "BOOLEAN"},   {"s", "STRING"}, {"r", "ROW<x INT, y STRING>"},
                 {"l", "ARRAY<INT>"}};
    struct fixture *f = NEW(struct fixture);
    arena_init(&f->arena, 0);
    f->ctx = (struct func_ctx){.arena = &f->arena, .zone = "UTC", .watermark_us = INT64_MIN};
    struct diag diag;
    diag_init(&diag);
    for (isize i = 0; i < COUNT_OF(given); i++) {
        f->fields[i].name = str_of(given[i].name);
        assert_int_equal(
            sql_parse_type(&f->arena, str_of(given[i].type), &f->fields[i].type, &diag), OK);
        vec_init(&f->cols[i], &f->arena, f->fields[i].type, ROWS, false);
    }
    for (isize row = 0; row < ROWS; row++) {
        set_up_row(f, row);
    }
    vec_set_null(&f->cols[0], &f->arena, 8);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_deinit(&f->arena);
    mem_free(f);
    return 0;
}

static const struct expr *bind(struct fixture *f, const char *text)
{
    const struct expr *expr = NULL;
    struct diag diag;
    diag_init(&diag);
    err e =
        sql_bind_expr(&f->arena, str_of(text), f->fields, COUNT_OF(f->fields), NULL, &expr, &diag);
    if (e != OK) {
        fail_msg("%s: %s", text, diag.message);
    }
    f->ctx.error_count = 0;
    return expr;
}

/* The values of the selected rows, separated by blanks; "!" for a failed row. */
static void check_rows(struct fixture *f, const char *text, const struct sel *sel,
                       const char *expected)
{
    struct vec out;
    struct buf shown;
    buf_init(&shown, 0);
    eval_expr(&f->ctx, bind(f, text), f->cols, ROWS, sel, &out);
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        bool has_failed = false;
        for (isize k = 0; k < f->ctx.error_count; k++) {
            has_failed = has_failed || f->ctx.errors[k].row == row;
        }
        struct value value;
        vec_get(&out, row, &f->arena, &value);
        buf_append(&shown, i == 0 ? STR_EMPTY : STR(" "));
        if (has_failed) {
            buf_append_byte(&shown, '!');
        } else {
            value_format(&value, &shown);
        }
    }
    buf_append_byte(&shown, 0);
    if (strcmp((const char *)shown.data, expected) != 0) {
        print_error("%s\n", text);
    }
    assert_string_equal((const char *)shown.data, expected);
    buf_deinit(&shown);
}

static const struct sel all = {NULL, ROWS};

static void check(struct fixture *f, const char *text, const char *expected)
{
    check_rows(f, text, &all, expected);
}

/* --- three-valued logic ----------------------------------------------------------------------- */

static void truth_tables(void **state)
{
    struct fixture *f = *state;
    check(f, "p AND q", "true false NULL false false false NULL false NULL");
    check(f, "p OR q", "true true true true false NULL true NULL NULL");
    check(f, "NOT p", "false false false true true true NULL NULL NULL");
    check(f, "p IS TRUE", "true true true false false false false false false");
    check(f, "p IS NOT TRUE", "false false false true true true true true true");
    check(f, "p IS FALSE", "false false false true true true false false false");
    check(f, "p IS NOT FALSE", "true true true false false false true true true");
    check(f, "p IS UNKNOWN", "false false false false false false true true true");
    check(f, "p IS NOT NULL", "true true true true true true false false false");
    check(f, "p = q", "true false NULL false true NULL NULL NULL NULL");
    check(f, "p IS DISTINCT FROM q", "false true true true false true true true false");
    check(f, "p AND q AND a < 1", "true false false false false false false false NULL");
    check(f, "NULL AND p", "NULL NULL NULL false false false NULL NULL NULL");
}

/* --- lazy branches ---------------------------------------------------------------------------- */

static void branches_are_lazy(void **state)
{
    struct fixture *f = *state;
    check(f, "z <> 0 AND 4 / z = 2", "false true false true false true false true false");
    check(f, "z = 0 OR 4 / z = 3", "true false true false true false true false true");
    check(f, "CASE WHEN z = 0 THEN -1 ELSE a / z END", "-1 0 -1 1 -1 2 -1 3 -1");
    check(f, "CASE z WHEN 2 THEN a / z END", "NULL 0 NULL 1 NULL 2 NULL 3 NULL");
    check(f, "IF(z = 0, CAST(NULL AS BIGINT), a / z)", "NULL 0 NULL 1 NULL 2 NULL 3 NULL");
    check(f, "COALESCE(a, 1 / 0)", "0 1 2 3 4 5 6 7 !");
    check(f, "COALESCE(NULLIF(z, 0), 10 / (z + 1), 1 / 0)", "10 2 10 2 10 2 10 2 10");
    check(f, "a IN (z, 5, 1 / NULLIF(z, 0))", "true false NULL false NULL true NULL false NULL");
    check(f, "CASE WHEN p THEN 'yes' WHEN q THEN 'perhaps, this one is long' ELSE s END",
          "yes yes yes perhaps, this one is long a rather long text  "
          "perhaps, this one is long a rather long text ");
}

/* --- errors ----------------------------------------------------------------------------------- */

static void errors_name_rows_and_spans(void **state)
{
    struct fixture *f = *state;
    check(f, "10 + a / z", "! 10 ! 11 ! 12 ! 13 NULL");
    assert_int_equal(f->ctx.error_count, 4); /* Row 8 is NULL before it is divided. */
    assert_int_equal(f->ctx.errors[1].row, 2);
    assert_int_equal(f->ctx.errors[1].text.len, 9);
    assert_memory_equal(f->ctx.errors[1].text.data, "/ by zero", 9);
    assert_int_equal(f->ctx.errors[1].span_start, 5);
    assert_int_equal(f->ctx.errors[1].span_len, 5);
    /* The first error of a row is kept. */
    check(f, "CAST(s AS INT) + a / z", "! ! ! ! ! ! ! ! !");
    assert_int_equal(f->ctx.error_count, 9);
    /* A constant that fails does so for each row that asks for it. */
    check(f, "p AND 1 / 0 = 1", "! ! ! false false false ! ! !");
    assert_int_equal(f->ctx.error_count, 6);
}

static void selections_bound_the_work(void **state)
{
    struct fixture *f = *state;
    static const u16 odd[] = {1, 3, 5, 7};
    check_rows(f, "a / z", &(struct sel){odd, 4}, "0 1 2 3");
    assert_int_equal(f->ctx.error_count, 0);
    check_rows(f, "a / z", &(struct sel){odd, 0}, "");
    check_rows(f, "1 / 0", &(struct sel){odd, 0}, "");
    assert_int_equal(f->ctx.error_count, 0);
}

static void filters(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *rows;
        int errors;
    } cases[] = {
        {"a > 5", "6 7 ", 0},
        {"a > 5 AND s = ''", "", 0},
        {"p", "0 1 2 ", 0},
        {"p OR q", "0 1 2 3 6 ", 0},
        {"TRUE", "0 1 2 3 4 5 6 7 8 ", 0},
        {"a < 0", "", 0},
        {"a / z >= 1", "3 5 7 ", 4},
        {"z <> 0 AND a / z >= 1", "3 5 7 ", 0},
        {"1 / 0 = 1", "", 9},
        {"CAST(NULL AS BOOLEAN)", "", 0},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct sel out;
        char shown[64] = "";
        eval_filter(&f->ctx, bind(f, cases[i].text), f->cols, ROWS, &all, &out);
        for (isize k = 0; k < out.count; k++) {
            char one[16];
            snprintf(one, sizeof one, "%d ", (int)sel_row(&out, k));
            strcat(shown, one);
        }
        assert_string_equal(shown, cases[i].rows);
        assert_int_equal(f->ctx.error_count, cases[i].errors);
    }
}

/* --- constants -------------------------------------------------------------------------------- */

static void constants_stay_constants(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"UPPER('x') || 'y'", "NOT (1 = 2)", "ARRAY[1, 2]",
                                        "CAST(NULL AS INT) IS NULL", "CURRENT_TIMESTAMP"};
    for (isize i = 0; i < COUNT_OF(texts); i++) {
        struct vec out;
        eval_expr(&f->ctx, bind(f, texts[i]), f->cols, ROWS, &all, &out);
        assert_true(out.is_const);
        assert_int_equal(out.len, ROWS);
    }
    struct vec varying;
    eval_expr(&f->ctx, bind(f, "RAND()"), f->cols, ROWS, &all, &varying);
    assert_false(varying.is_const);
    assert_true(VEC(double, &varying)[0] != VEC(double, &varying)[1]);
}

static void constant_folding(void **state)
{
    struct fixture *f = *state;
    struct value value;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(eval_constant(&f->arena, bind(f, "REPEAT('ab', 3)"), &value, &diag), OK);
    assert_int_equal(value.u.text.len, 6);
    assert_int_equal(eval_constant(&f->arena, bind(f, "7 / 0"), &value, &diag), ERR_INVALID);
    assert_string_equal(diag.message, "/ by zero");
    assert_int_equal(diag.span_start, 0);
}

/* --- nested ----------------------------------------------------------------------------------- */

static void nested_values(void **state)
{
    struct fixture *f = *state;
    check(f, "r.x", "0 1 2 NULL 4 5 6 7 8");
    check(f, "r.x + 1 > 5", "false false false NULL false true true true true");
    check(f, "l[1] + l[2]", "7 8 9 10 11 12 13 14 15");
    check(f, "l[3]", "NULL NULL NULL NULL NULL NULL NULL NULL NULL");
    check(f, "l[a]", "! 1 7 NULL NULL NULL NULL NULL NULL");
    check(f, "MAP['k', a]['k']", "0 1 2 3 4 5 6 7 NULL");
    check(f, "ARRAY[a, 2][1]", "0 1 2 3 4 5 6 7 NULL");
    check(f, "ROW(a, s).EXPR$0 IS NULL", "false false false false false false false false true");
    check(f, "CARDINALITY(ARRAY_APPEND(l, 1))", "3 3 3 3 3 3 3 3 3");
    check(f, "ARRAY_JOIN(ARRAY[s, 'x'], '-')",
          "a-x a rather long text-x -x a-x a rather long text-x -x a-x a rather long text-x -x");
}

/* What the recorder cannot ask a table for: the watermark, NULL before there is one. */
static void current_watermark(void **state)
{
    struct fixture *f = *state;
    const struct type *plain = type_timestamp(&f->arena, TYPE_TIMESTAMP, 3);
    struct type_field field = {STR("ts"), type_with_time(&f->arena, plain, TYPE_TIME_ROW),
                               STR_EMPTY};
    struct vec col, out;
    struct diag diag;
    const struct expr *expr = NULL;
    vec_init(&col, &f->arena, field.type, 1, false);
    diag_init(&diag);
    assert_int_equal(
        sql_bind_expr(&f->arena, STR("CURRENT_WATERMARK(ts)"), &field, 1, NULL, &expr, &diag), OK);
    static const struct sel one = {NULL, 1};
    eval_expr(&f->ctx, expr, &col, 1, &one, &out);
    assert_false(vec_is_valid(&out, 0));
    f->ctx.watermark_us = 1500000;
    eval_expr(&f->ctx, expr, &col, 1, &one, &out);
    assert_true(vec_is_valid(&out, 0));
    assert_int_equal(VEC(i64, &out)[0], 1500000);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void long_texts_fail_the_row(void **state)
{
    struct fixture *f = *state;
    check(f, "CHAR_LENGTH(REPEAT('x', 16777216))",
          "16777216 16777216 16777216 16777216 16777216 16777216 16777216 16777216 16777216");
    check(f, "REPEAT('x', 16777217)", "! ! ! ! ! ! ! ! !");
    check(f, "LPAD('x', 2147483647, 'yz')", "! ! ! ! ! ! ! ! !");
    check(f, "REPLACE(REPEAT('x', 9000000), 'x', 'yy')", "! ! ! ! ! ! ! ! !");
    check(f, "REGEXP(REPEAT('a', 60) || 'd', '^(a|aa)+[bc]')", "! ! ! ! ! ! ! ! !");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(truth_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(branches_are_lazy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_name_rows_and_spans, set_up, tear_down),
        cmocka_unit_test_setup_teardown(selections_bound_the_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(constants_stay_constants, set_up, tear_down),
        cmocka_unit_test_setup_teardown(constant_folding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nested_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(current_watermark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_texts_fail_the_row, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
