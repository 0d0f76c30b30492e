/* Rows of the generator: repeatable one by one, well formed, distributed as published. */
#include "feed/generate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ROWS = 40000 };

static struct feed_generator *make(enum feed_layout layout, enum feed_order order, u32 dirty_ppm)
{
    struct feed_options options = {
        .seed = 7, .rows = ROWS, .layout = layout, .order = order, .dirty_ppm = dirty_ppm};
    return feed_generator_new(&options);
}

static str row_at(struct feed_generator *generator, u64 index, struct buf *out)
{
    buf_reset(out);
    feed_generate_row(generator, index, out);
    return buf_str(out);
}

static isize commas(str text)
{
    isize count = 0;
    for (isize i = 0; i < text.len; i++) {
        count += text.data[i] == ',';
    }
    return count;
}

static str field(str row, int index)
{
    str part = STR_EMPTY;
    for (int i = 0; i <= index; i++) {
        part = str_split(&row, ',', NULL);
    }
    return part;
}

static void row_depends_on_seed_and_index_alone(void **state)
{
    (void)state;
    struct feed_generator *a = make(FEED_LAYOUT_46, FEED_ORDER_FILE, 0);
    struct feed_generator *b = make(FEED_LAYOUT_46, FEED_ORDER_FILE, 0);
    struct buf first = {0}, second = {0};
    for (u64 i = 0; i < 100; i++) {
        (void)row_at(a, i, &first);
        (void)row_at(b, 99 - i, &second);
        assert_true(str_eq(row_at(a, i, &first), row_at(b, i, &second)));
    }
    buf_deinit(&first);
    buf_deinit(&second);
    feed_generator_free(a);
    feed_generator_free(b);
}

static void rows_have_the_headers_fields(void **state)
{
    (void)state;
    static const enum feed_layout layouts[] = {FEED_LAYOUT_46, FEED_LAYOUT_47, FEED_LAYOUT_49};
    for (isize l = 0; l < COUNT_OF(layouts); l++) {
        struct feed_generator *generator = make(layouts[l], FEED_ORDER_FILE, 0);
        struct buf out = {0};
        feed_generate_header(generator, &out);
        assert_int_equal(commas(buf_str(&out)), layouts[l] - 1);
        for (u64 i = 0; i < 2000; i++) {
            assert_int_equal(commas(row_at(generator, i, &out)), layouts[l] - 1);
            assert_int_equal(out.data[out.len - 1], '\n');
        }
        buf_deinit(&out);
        feed_generator_free(generator);
    }
}

static void severity_and_weather_are_distributed_as_published(void **state)
{
    (void)state;
    static const double shares[] = {0.0087, 0.7967, 0.1681, 0.0265};
    struct feed_generator *generator = make(FEED_LAYOUT_46, FEED_ORDER_SHUFFLED, 0);
    struct buf out = {0};
    int severities[5] = {0}, california = 0, no_weather = 0;
    for (u64 i = 0; i < ROWS; i++) {
        str row = row_at(generator, i, &out);
        i64 severity;
        assert_int_equal(str_to_i64(field(row, 2), &severity), OK);
        severities[severity]++;
        california += str_eq(field(row, 14), STR("CA"));
        no_weather += field(row, 19).len == 0;
    }
    for (int i = 0; i < 4; i++) {
        double deviation = 5 * sqrt(ROWS * shares[i] * (1 - shares[i])) + 0.002 * ROWS;
        assert_true(fabs(severities[i + 1] - ROWS * shares[i]) < deviation);
    }
    assert_true(fabs(california - ROWS * 0.2253) < 0.01 * ROWS);
    assert_true(fabs(no_weather - ROWS * 0.01556) < 0.003 * ROWS);
    buf_deinit(&out);
    feed_generator_free(generator);
}

static void sorted_order_ascends(void **state)
{
    (void)state;
    struct feed_generator *generator = make(FEED_LAYOUT_47, FEED_ORDER_SORTED, 0);
    struct buf before = {0}, now = {0};
    str last = field(row_at(generator, 0, &before), 2);
    for (u64 i = 1; i < 3000; i++) {
        str time = field(row_at(generator, i, &now), 2);
        assert_true(str_cmp(last, time) <= 0);
        buf_reset(&before);
        buf_append(&before, time);
        last = buf_str(&before);
    }
    buf_deinit(&before);
    buf_deinit(&now);
    feed_generator_free(generator);
}

static void dirt_comes_at_the_rate_asked_for(void **state)
{
    (void)state;
    struct feed_generator *generator = make(FEED_LAYOUT_46, FEED_ORDER_FILE, 500000);
    struct buf out = {0};
    int times = 0, quoted = 0, short_rows = 0;
    for (u64 i = 0; i < 4000; i++) {
        str row = row_at(generator, i, &out);
        times += str_find(row, STR("46:13.0"), 0) >= 0;
        quoted += str_find_byte(row, '"', 0) >= 0;
        short_rows += commas(row) == 1;
    }
    assert_in_range(times, 180, 320);
    assert_in_range(quoted, 180, 320);
    assert_in_range(short_rows, 180, 320);
    buf_deinit(&out);
    feed_generator_free(generator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_depends_on_seed_and_index_alone),
        cmocka_unit_test(rows_have_the_headers_fields),
        cmocka_unit_test(severity_and_weather_are_distributed_as_published),
        cmocka_unit_test(sorted_order_ascends),
        cmocka_unit_test(dirt_comes_at_the_rate_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
