/*
 * tests/unit/func/functions_test.c: every expression of tests/sql/functions.tsv against what Flink
 * 2.2.1 answered. Where leat differs on purpose the expression stands in functions_deviations.tsv
 * with leat's answer and the reason; an expression there that agrees with Flink is a failure too.
 */
#include "exec/eval.h"
#include "os/os.h"
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { FILE_BYTES_MAX = 4 << 20, DEVIATIONS_MAX = 128 };

static struct arena file_arena;

static str read_file(const char *path)
{
    str text = STR_EMPTY;
    if (os_read_file(os_real(), path, FILE_BYTES_MAX, &file_arena, &text) != OK) {
        fail_msg("cannot read %s", path);
    }
    return text;
}

static err load_zone(void *ctx, const char *name, struct arena *arena, str *out)
{
    (void)ctx;
    char path[256];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    return os_read_file(os_real(), path, 1 << 20, arena, out);
}

/* --- one expression --------------------------------------------------------------------------- */

static str without_not_null(struct arena *arena, str text)
{
    struct buf out;
    buf_init(&out, 0);
    str word = STR(" NOT NULL");
    for (isize i = 0; i < text.len;) {
        if (str_starts(str_slice(text, i, text.len), word)) {
            i += word.len;
        } else {
            buf_append_byte(&out, text.data[i++]);
        }
    }
    str copy = arena_copy(arena, buf_str(&out));
    buf_deinit(&out);
    return copy;
}

static void put_escaped(struct buf *out, str text)
{
    static const char from[] = "\\\t\n\r", to[] = "\\tnr";
    for (isize i = 0; i < text.len; i++) {
        const char *at = text.data[i] == 0 ? NULL : strchr(from, text.data[i]);
        if (at != NULL) {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, at != NULL ? (u8)to[at - from] : text.data[i]);
    }
}

static str first_line(str text)
{
    isize end = str_find_byte(text, '\n', 0);
    return str_slice(text, 0, end < 0 ? text.len : end);
}

/* "'value", "NULL" or "ERROR text", as the recorder writes it. */
static str answer(struct arena *arena, str expression, const char *zone, str *type_out)
{
    static const struct sel one = {NULL, 1};
    struct diag diag;
    struct func_ctx ctx = {.arena = arena,
                           .zone = zone,
                           .now_us = 1795530638327000,
                           .seed = 1,
                           .watermark_us = INT64_MIN};
    const struct expr *expr = NULL;
    *type_out = STR("-");
    diag_init(&diag);
    if (sql_bind_expr(arena, expression, NULL, 0, NULL, &expr, &diag) != OK) {
        return arena_printf(arena, "ERROR %s", diag.message);
    }
    struct buf buf;
    buf_init(&buf, 0);
    type_format(expr->type, &buf);
    *type_out = without_not_null(arena, buf_str(&buf));
    buf_reset(&buf);
    str text = arena_printf(arena, "CAST((" STR_FMT ") AS STRING)", STR_ARG(expression));
    if (sql_bind_expr(arena, text, NULL, 0, NULL, &expr, &diag) != OK) {
        buf_deinit(&buf);
        return arena_printf(arena, "ERROR %s", diag.message);
    }
    struct vec out;
    eval_expr(&ctx, expr, NULL, 1, &one, &out);
    if (ctx.error_count > 0) {
        buf_append(&buf, STR("ERROR "));
        put_escaped(&buf, first_line(ctx.errors[0].text));
    } else {
        struct value value;
        vec_get(&out, 0, arena, &value);
        buf_append(&buf, value.is_null ? STR("NULL") : STR("'"));
        put_escaped(&buf, value.is_null ? STR_EMPTY : value.u.text);
    }
    str copy = arena_copy(arena, buf_str(&buf));
    buf_deinit(&buf);
    return copy;
}

/* --- files ------------------------------------------------------------------------------------ */

struct row {
    str expression, type, value;
};

static struct row split_row(str line)
{
    struct row row;
    row.expression = str_split(&line, '\t', NULL);
    row.type = str_split(&line, '\t', NULL);
    row.value = str_split(&line, '\t', NULL);
    return row;
}

struct deviation {
    str expression, answer, reason;
    bool is_met;
};
static struct deviation deviations[DEVIATIONS_MAX];
static isize deviation_count;

static void load_deviations(void)
{
    str rest = read_file("tests/sql/functions_deviations.tsv");
    while (rest.len > 0) {
        str line = str_split(&rest, '\n', NULL);
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        struct row row = split_row(line);
        assert_true(deviation_count < DEVIATIONS_MAX);
        assert_true(row.value.len > 0); /* Each has a reason. */
        deviations[deviation_count++] =
            (struct deviation){row.expression, row.type, row.value, false};
    }
}

static struct deviation *find_deviation(str expression)
{
    for (isize i = 0; i < deviation_count; i++) {
        if (str_eq(deviations[i].expression, expression)) {
            return &deviations[i];
        }
    }
    return NULL;
}

/* An expression that Flink refuses to plan must be refused; the words are leat's own. */
static bool agrees(const struct row *row, str type, str given)
{
    bool is_refused = str_eq(row->type, STR("-"));
    if (is_refused) {
        return str_eq(type, STR("-"));
    }
    return str_eq(type, row->type) && str_eq(given, row->value);
}

/* True when the row is as it should be. */
static bool check_row(struct arena *arena, struct row row, const char *zone)
{
    str type = STR_EMPTY;
    str given = answer(arena, row.expression, zone, &type);
    row.type = without_not_null(arena, row.type);
    bool is_same = agrees(&row, type, given);
    struct deviation *deviation = find_deviation(row.expression);
    if (deviation == NULL) {
        if (!is_same) {
            print_error(STR_FMT "\n  Flink " STR_FMT " " STR_FMT "\n  leat  " STR_FMT " " STR_FMT
                                "\n",
                        STR_ARG(row.expression), STR_ARG(row.type), STR_ARG(row.value),
                        STR_ARG(type), STR_ARG(given));
        }
        return is_same;
    }
    deviation->is_met = true;
    str shown = arena_printf(arena, STR_FMT " " STR_FMT, STR_ARG(type), STR_ARG(given));
    bool is_as_said = !is_same && str_eq(shown, deviation->answer);
    if (!is_as_said) {
        print_error(STR_FMT "\n  %s: " STR_FMT "\n", STR_ARG(row.expression),
                    is_same ? "is listed as a deviation but agrees" : "leat's answer is now",
                    STR_ARG(shown));
    }
    return is_as_said;
}

static void recorded_values(void **state)
{
    (void)state;
    func_set_zone_loader(load_zone, NULL);
    load_deviations();
    str rest = read_file("tests/sql/functions.tsv");
    char zone[64] = "UTC";
    int count = 0, wrong = 0;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    while (rest.len > 0) {
        str line = str_split(&rest, '\n', NULL);
        if (str_starts(line, STR("@zone "))) {
            str_copy_cstr(str_trim(str_slice(line, 6, line.len)), zone, (isize)sizeof zone);
            assert_true(func_zone_exists(zone));
        }
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == '@') {
            continue;
        }
        count++;
        wrong += !check_row(&arena, split_row(line), zone);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    for (isize i = 0; i < deviation_count; i++) {
        assert_true(deviations[i].is_met); /* No line without its expression. */
    }
    print_message("%d recorded expressions, %d deviations, %d wrong\n", count, (int)deviation_count,
                  wrong);
    assert_true(count >= 1000);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_values)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_deinit(&file_arena);
    return failed;
}
