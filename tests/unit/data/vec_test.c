/* Vectors: every type there and back as values, NULLs, constants, text of types. */
#include "data/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static void round_trip(const struct type *type, const struct value *a, const struct value *b)
{
    struct vec vec;
    vec_init(&vec, &arena, type, 130, false);
    for (isize i = 0; i < 130; i++) {
        vec_set(&vec, &arena, i, i % 2 == 0 ? a : b);
    }
    vec_set_null(&vec, &arena, 64);
    for (isize i = 0; i < 130; i++) {
        struct value got;
        vec_get(&vec, i, &arena, &got);
        assert_int_equal(vec_is_valid(&vec, i), i != 64);
        assert_int_equal(got.is_null, i == 64);
        assert_true(i == 64 || value_eq(&got, i % 2 == 0 ? a : b));
    }
    struct vec constant;
    vec_from_value(&constant, &arena, b, 1000);
    struct value got;
    vec_get(&constant, 999, &arena, &got);
    assert_true(value_eq(&got, b));
    assert_false(value_eq(a, b));
}

static void values_there_and_back(void **state)
{
    (void)state;
    static const enum type_kind integers[] = {TYPE_TINYINT,   TYPE_SMALLINT,    TYPE_INT,
                                              TYPE_BIGINT,    TYPE_DATE,        TYPE_TIME,
                                              TYPE_TIMESTAMP, TYPE_INTERVAL_YM, TYPE_INTERVAL_DS};
    for (isize i = 0; i < COUNT_OF(integers); i++) {
        const struct type *type = type_of(integers[i]);
        struct value a = {.type = type, .u.integer = -128}, b = {.type = type, .u.integer = 127};
        round_trip(type, &a, &b);
    }
    const struct type *wide = type_decimal(&arena, 38, 2);
    struct value a = {.type = wide, .u.wide = -1}, b = {.type = wide, .u.wide = (i128)1 << 100};
    round_trip(wide, &a, &b);
    const struct type *text = type_of(TYPE_VARCHAR);
    struct value c = {.type = text, .u.text = STR("twelve bytes")};
    struct value d = {.type = text, .u.text = STR("thirteen byte")};
    round_trip(text, &c, &d);
    const struct type *array = type_array(&arena, text);
    struct value items[] = {c, d, {.type = text, .is_null = true}};
    struct value e = {.type = array, .u.list = {items, 3}}, f = {.type = array};
    round_trip(array, &e, &f);
    struct type_field fields[] = {{STR("a"), text, STR_EMPTY}, {STR("b"), wide, STR_EMPTY}};
    const struct type *row = type_row(&arena, fields, 2);
    struct value first[] = {c, a}, second[] = {d, {.type = wide, .is_null = true}};
    struct value g = {.type = row, .u.list = {first, 2}}, h = {.type = row, .u.list = {second, 2}};
    round_trip(row, &g, &h);
    const struct type *map = type_map(&arena, text, row);
    struct value pairs[] = {c, g, d, h};
    struct value k = {.type = map, .u.list = {pairs, 4}}, l = {.type = map, .u.list = {pairs, 2}};
    round_trip(map, &k, &l);
}

static void string_views(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "a", "twelve bytes", "twelve bytes and more", "twelve bytes and less", "\xff"};
    for (isize i = 0; i < COUNT_OF(texts); i++) {
        struct strview a = strview_of(str_of(texts[i]));
        assert_true(str_eq(strview_str(&a), str_of(texts[i])));
        for (isize k = 0; k < COUNT_OF(texts); k++) {
            struct strview b = strview_of(str_of(texts[k]));
            assert_int_equal(strview_eq(&a, &b), i == k);
            int order = strview_cmp(&a, &b), wanted = str_cmp(str_of(texts[i]), str_of(texts[k]));
            assert_int_equal((order > 0) - (order < 0), (wanted > 0) - (wanted < 0));
        }
    }
}

static void types_as_text(void **state)
{
    (void)state;
    struct type_field fields[] = {{STR("a"), type_of(TYPE_INT), STR_EMPTY},
                                  {STR("b"), type_of(TYPE_VARCHAR), STR_EMPTY}};
    const struct type *row = type_row(&arena, fields, 2);
    const struct type *time =
        type_with_time(&arena, type_timestamp(&arena, TYPE_TIMESTAMP, 3), TYPE_TIME_ROW);
    const struct {
        const struct type *type;
        const char *text;
    } cases[] = {
        {type_of(TYPE_VARCHAR), "STRING"},
        {type_char(&arena, TYPE_VARCHAR, 50), "VARCHAR(50)"},
        {type_decimal(&arena, 10, 2), "DECIMAL(10, 2)"},
        {time, "TIMESTAMP(3) *ROWTIME*"},
        {type_with_null(&arena, row, false), "ROW<`a` INT, `b` STRING> NOT NULL"},
        {type_array(&arena, type_of(TYPE_BIGINT)), "ARRAY<BIGINT>"},
        {type_map(&arena, type_of(TYPE_INT), type_of(TYPE_DOUBLE)), "MAP<INT, DOUBLE>"},
    };
    struct buf out = {0};
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&out);
        type_format(cases[i].type, &out);
        if (!str_eq(buf_str(&out), str_of(cases[i].text))) {
            print_error("got " STR_FMT ", not %s\n", STR_ARG(buf_str(&out)), cases[i].text);
            fail();
        }
        assert_true(type_eq(cases[i].type, cases[i].type, true));
        assert_false(type_eq(cases[i].type, cases[(i + 1) % COUNT_OF(cases)].type, false));
    }
    buf_deinit(&out);
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_there_and_back),
        cmocka_unit_test(string_views),
        cmocka_unit_test(types_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
