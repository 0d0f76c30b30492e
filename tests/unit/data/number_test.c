/* Numbers as Java writes them, decimals half up, dates and times. */
#include "base/rng.h"
#include "data/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct buf *out, const char *wanted)
{
    if (!str_eq(buf_str(out), str_of(wanted))) {
        print_error("got " STR_FMT ", not %s\n", STR_ARG(buf_str(out)), wanted);
        fail();
    }
    buf_reset(out);
}

static void doubles_as_java(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {0.001, "0.001"},
        {0.0001, "1.0E-4"},
        {9999999, "9999999.0"},
        {1e7, "1.0E7"},
        {12345678.9, "1.23456789E7"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100.0"},
        {1e23, "1.0E23"},
        {2e-3, "0.002"},
        {4.9e-324, "4.9E-324"},
        {2.2250738585072014e-308, "2.2250738585072014E-308"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {9007199254740992, "9.007199254740992E15"},
        {(double)NAN, "NaN"},
        {-(double)INFINITY, "-Infinity"},
    };
    struct buf out = {0};
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        number_format_double(cases[i].value, &out);
        expect(&out, cases[i].text);
    }
    number_format_float(3.4028235e38F, &out);
    expect(&out, "3.4028235E38");
    number_format_float(0.1F, &out);
    expect(&out, "0.1");
    number_format_float(1.4e-45F, &out);
    expect(&out, "1.4E-45");
    number_format_float(16777216, &out);
    expect(&out, "1.6777216E7");
    buf_deinit(&out);
}

/* Any bits: what is written reads back as the same number, in 17 digits at most. */
static void doubles_read_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 9);
    struct buf out = {0};
    for (int i = 0; i < 50000; i++) {
        u64 bits = rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        buf_reset(&out);
        number_format_double(value, &out);
        buf_append_byte(&out, 0);
        assert_true(strtod((const char *)out.data, NULL) == value);
        assert_true(out.len <= 26);
    }
    buf_deinit(&out);
}

static void decimals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        i32 precision, scale;
        enum number_result result;
        const char *shown;
    } cases[] = {
        {"1.005", 10, 2, NUMBER_FINE, "1.01"},
        {"-1.005", 10, 2, NUMBER_FINE, "-1.01"},
        {"1.004999", 10, 2, NUMBER_FINE, "1.00"},
        {"1e3", 10, 2, NUMBER_FINE, "1000.00"},
        {".5", 10, 0, NUMBER_FINE, "1"},
        {"-0.4", 10, 0, NUMBER_FINE, "0"},
        {"99999999.99", 10, 2, NUMBER_FINE, "99999999.99"},
        {"99999999.995", 10, 2, NUMBER_OVERFLOW, NULL},
        {"1e-400", 38, 38, NUMBER_FINE, "0.00000000000000000000000000000000000000"},
        {"1e400", 38, 0, NUMBER_OVERFLOW, NULL},
        {"99999999999999999999999999999999999999", 38, 0, NUMBER_FINE,
         "99999999999999999999999999999999999999"},
        {"999999999999999999999999999999999999999", 38, 0, NUMBER_OVERFLOW, NULL},
        {"", 10, 2, NUMBER_WRONG, NULL},
        {"1,5", 10, 2, NUMBER_WRONG, NULL},
        {"1e", 10, 2, NUMBER_WRONG, NULL},
        {".", 10, 2, NUMBER_WRONG, NULL},
        {"0x10", 10, 2, NUMBER_WRONG, NULL},
    };
    struct buf out = {0};
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        i128 value = 0;
        enum number_result result =
            number_parse_decimal(str_of(cases[i].text), cases[i].precision, cases[i].scale, &value);
        if (result != cases[i].result) {
            print_error("%s: %d\n", cases[i].text, (int)result);
            fail();
        }
        if (result == NUMBER_FINE) {
            number_format_decimal(value, cases[i].scale, &out);
            expect(&out, cases[i].shown);
        }
    }
    buf_deinit(&out);
}

static void dates_and_times(void **state)
{
    (void)state;
    struct buf out = {0};
    number_format_date(0, &out);
    expect(&out, "1970-01-01");
    number_format_date(-1, &out);
    expect(&out, "1969-12-31");
    number_format_time(3723004, 3, &out);
    expect(&out, "01:02:03.004");
    number_format_time(3723004, 0, &out);
    expect(&out, "01:02:03");
    number_format_timestamp(-1, 0, 6, &out);
    expect(&out, "1969-12-31 23:59:59.999999");
    number_format_timestamp(1, 234, 9, &out);
    expect(&out, "1970-01-01 00:00:00.000001234");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_as_java),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(decimals),
        cmocka_unit_test(dates_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
