/* Rows in the simulator's form, against what Python's json.dumps writes. */
#include "feed/row_json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;
static const i64 now_us = 1606183332000007; /* 2020-11-24T02:02:12.000007 */

static err make(const char *const *names, isize name_count, const char *const *values,
                isize value_count, struct feed_row_form form, struct buf *out, struct diag *diag)
{
    str texts[16], fields[16];
    for (isize i = 0; i < name_count; i++) {
        texts[i] = str_of(names[i]);
    }
    for (isize i = 0; i < value_count; i++) {
        fields[i] = str_of(values[i]);
    }
    struct feed_columns columns;
    diag_init(diag);
    err e = feed_columns_init(&columns, texts, name_count, &arena, diag);
    return e != OK ? e : feed_row_json(&columns, &form, fields, value_count, now_us, out, diag);
}

static void expect(const char *const *names, isize name_count, const char *const *values,
                   isize value_count, struct feed_row_form form, const char *wanted)
{
    struct buf out = {0};
    struct diag diag;
    assert_int_equal(make(names, name_count, values, value_count, form, &out, &diag), OK);
    buf_append_byte(&out, 0);
    assert_string_equal((const char *)out.data, wanted);
    buf_deinit(&out);
}

#define EXPECT(names, values, form, wanted) \
    expect(names, COUNT_OF(names), values, COUNT_OF(values), form, wanted)

static void compact_row(void **state)
{
    (void)state;
    const char *names[] = {"ID", "Severity", "Start_Time", "Bump"};
    const char *values[] = {"A-1", "2", "2016-02-08 05:46:00.000000000", "False"};
    EXPECT(names, values, ((struct feed_row_form){0, false}),
           "{\"ID\":\"A-1\",\"Severity\":\"2\",\"Start_Time\":\"2016-02-08T05:46:00\","
           "\"Bump\":\"False\",\"Txn_Timestamp\":\"2020-11-24T02:02:12.000007\"}");
}

static void indented_row_with_surplus(void **state)
{
    (void)state;
    const char *names[] = {"ID", "End_Time"};
    const char *values[] = {"A-1", "", "x", "y"};
    EXPECT(names, values, ((struct feed_row_form){4, false}),
           "{\n    \"ID\": \"A-1\",\n    \"End_Time\": null,\n    \"null\": [\n        \"x\",\n"
           "        \"y\"\n    ],\n    \"Txn_Timestamp\": \"2020-11-24T02:02:12.000007\"\n}");
}

static void short_row_and_same_names(void **state)
{
    (void)state;
    const char *names[] = {"ID", "City", "ID", "Side"};
    const char *values[] = {"first", "Dayton", "last"};
    EXPECT(names, values, ((struct feed_row_form){0, false}),
           "{\"ID\":\"last\",\"City\":\"Dayton\",\"Side\":null,"
           "\"Txn_Timestamp\":\"2020-11-24T02:02:12.000007\"}");
}

static void escapes_are_ascii(void **state)
{
    (void)state;
    const char *names[] = {"D"};
    const char *values[] = {"Caf\xc3\xa9 \xf0\x9f\x9a\xa7 \"q\" a\\b\n\t\x01\x7f/\xe2\x80\xa8"};
    EXPECT(names, values, ((struct feed_row_form){0, false}),
           "{\"D\":\"Caf\\u00e9 \\ud83d\\udea7 \\\"q\\\" a\\\\b\\n\\t\\u0001\\u007f/\\u2028\","
           "\"Txn_Timestamp\":\"2020-11-24T02:02:12.000007\"}");
}

static void typed_row(void **state)
{
    (void)state;
    const char *names[] = {"Severity", "Start_Lat", "Bump", "Stop", "Number", "City"};
    const char *values[] = {"3", "-84.058723", "TRUE", "", "", ""};
    EXPECT(names, values, ((struct feed_row_form){0, true}),
           "{\"Severity\":3,\"Start_Lat\":-84.058723,\"Bump\":true,\"Stop\":null,\"Number\":null,"
           "\"City\":\"\",\"Txn_Timestamp\":\"2020-11-24T02:02:12.000007\"}");
}

static void refused_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool is_typed;
    } cases[] = {
        {"Start_Time", "46:13.0", false},
        {"Start_Time", "2016-02-30 05:46:00", false},
        {"Start_Time", "2016-02-08", false},
        {"End_Time", "2016-02-08 24:00:00", false},
        {"End_Time", "2016-02-08 05:46:00Z", false},
        {"Severity", "two", true},
        {"Severity", "2.0", true},
        {"Start_Lat", "1,234", true},
        {"Bump", "yes", true},
        {"City", "\xff", false},
        {"City", "\xed\xa0\x80", false},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = {0};
        struct diag diag;
        err e = make(&cases[i].name, 1, &cases[i].value, 1,
                     (struct feed_row_form){0, cases[i].is_typed}, &out, &diag);
        assert_int_equal(e, ERR_INVALID);
        assert_true(diag_is_set(&diag));
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
    }
}

static void time_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *iso;
    } cases[] = {
        {"2016-02-08 05:46:00", "2016-02-08T05:46:00"},
        {"2016-02-08T05:46", "2016-02-08T05:46:00"},
        {"2016-02-08 05:46:00.5", "2016-02-08T05:46:00.500000"},
        {"2016-02-08 05:46:00.123456789", "2016-02-08T05:46:00.123456"},
        {"2/8/2016 5:46", "2016-02-08T05:46:00"},
        {"08-02-2016 05:46", "2016-02-08T05:46:00"},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        i64 us;
        struct buf out = {0};
        assert_int_equal(feed_time_parse(str_of(cases[i].text), &us), OK);
        feed_time_append(us, false, &out);
        buf_append_byte(&out, 0);
        assert_string_equal((const char *)out.data, cases[i].iso);
        buf_deinit(&out);
    }
}

static void headers_that_are_refused(void **state)
{
    (void)state;
    struct feed_columns columns;
    struct diag diag;
    diag_init(&diag);
    str empty = STR(""), wrong = STR("\xff");
    assert_int_equal(feed_columns_init(&columns, &empty, 1, &arena, &diag), ERR_INVALID);
    diag_init(&diag);
    assert_int_equal(feed_columns_init(&columns, &wrong, 1, &arena, &diag), ERR_INVALID);
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
        cmocka_unit_test(compact_row),
        cmocka_unit_test(indented_row_with_surplus),
        cmocka_unit_test(short_row_and_same_names),
        cmocka_unit_test(escapes_are_ascii),
        cmocka_unit_test(typed_row),
        cmocka_unit_test(refused_values),
        cmocka_unit_test(time_forms),
        cmocka_unit_test(headers_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
