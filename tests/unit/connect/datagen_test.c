/* Values of datagen stay in their bounds, for each type. */
#include "connect/datagen/datagen_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static err read_field(const struct type *type, const struct connect_pair *pairs, isize count,
                      struct datagen_field *out)
{
    struct connect_table table = {STR("`t`"), pairs, count};
    struct type_field field = {.name = STR("f"), .type = type};
    return datagen_field_read(&table, &field, out, NULL);
}

static void whole_ranges_do_not_overflow(void **state)
{
    (void)state;
    static const enum type_kind kinds[] = {TYPE_TINYINT, TYPE_SMALLINT, TYPE_INT,      TYPE_BIGINT,
                                           TYPE_FLOAT,   TYPE_DOUBLE,   TYPE_BOOLEAN,  TYPE_DATE,
                                           TYPE_TIME,    TYPE_VARCHAR,  TYPE_VARBINARY};
    struct rng rng;
    rng_init(&rng, 1);
    for (isize k = 0; k < COUNT_OF(kinds); k++) {
        struct datagen_field field;
        struct vec vec;
        assert_int_equal(read_field(type_of(kinds[k]), NULL, 0, &field), OK);
        vec_init(&vec, &arena, field.type, 64, true);
        for (isize row = 0; row < 64; row++) {
            datagen_field_set(&field, (u64)row, 1700000000000000LL, &rng, &arena, &vec, row);
            assert_true(vec_is_valid(&vec, row));
        }
    }
}

static void bounds_hold(void **state)
{
    (void)state;
    struct connect_pair pairs[] = {{STR("fields.f.min"), STR("-2")},
                                   {STR("fields.f.max"), STR("2")}};
    struct datagen_field field;
    struct vec vec;
    struct rng rng;
    rng_init(&rng, 2);
    assert_int_equal(read_field(type_of(TYPE_BIGINT), pairs, 2, &field), OK);
    vec_init(&vec, &arena, field.type, 1, true);
    bool has_low = false, has_high = false;
    for (int i = 0; i < 500; i++) {
        datagen_field_set(&field, 0, 0, &rng, &arena, &vec, 0);
        i64 value = VEC(i64, &vec)[0];
        assert_true(value >= -2 && value <= 2);
        has_low = has_low || value == -2;
        has_high = has_high || value == 2;
    }
    assert_true(has_low && has_high);
}

static void a_sequence_counts_and_ends(void **state)
{
    (void)state;
    struct connect_pair pairs[] = {{STR("fields.f.kind"), STR("sequence")},
                                   {STR("fields.f.start"), STR("-1")},
                                   {STR("fields.f.end"), STR("8")}};
    struct datagen_field field;
    struct vec vec;
    struct rng rng;
    rng_init(&rng, 3);
    assert_int_equal(read_field(type_of(TYPE_VARCHAR), pairs, 3, &field), OK);
    assert_int_equal(datagen_field_rows(&field), 10);
    vec_init(&vec, &arena, field.type, 1, true);
    datagen_field_set(&field, 9, 0, &rng, &arena, &vec, 0);
    assert_true(str_eq(strview_str(&VEC(struct strview, &vec)[0]), STR("8")));
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct datagen_field field;
    struct connect_pair swapped[] = {{STR("fields.f.min"), STR("3")},
                                     {STR("fields.f.max"), STR("2")}};
    assert_int_equal(read_field(type_of(TYPE_INT), swapped, 2, &field), ERR_INVALID);
    struct connect_pair length[] = {{STR("fields.f.length"), STR("0")}};
    assert_int_equal(read_field(type_of(TYPE_VARCHAR), length, 1, &field), ERR_INVALID);
    struct connect_pair text[] = {{STR("fields.f.min"), STR("many")}};
    assert_int_equal(read_field(type_of(TYPE_DOUBLE), text, 1, &field), ERR_INVALID);
    assert_int_equal(read_field(type_array(&arena, type_of(TYPE_INT)), NULL, 0, &field),
                     ERR_UNSUPPORTED);
    struct connect_pair sequence[] = {{STR("fields.f.kind"), STR("sequence")}};
    assert_int_equal(read_field(type_of(TYPE_DATE), sequence, 1, &field), ERR_UNSUPPORTED);
}

static int end(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_ranges_do_not_overflow),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(a_sequence_counts_and_ends),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
