/* Rows to bytes and back in each format. */
#include "connect/format.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static struct connect_format format_of(const struct connect_pair *pairs, isize count)
{
    struct connect_table table = {STR("`t`"), pairs, count};
    struct connect_format format;
    assert_int_equal(connect_format_check(&table, NULL), OK);
    connect_format_read(&table, &format);
    return format;
}

static str row_text(const struct connect_format *format, const struct type_field *fields,
                    isize count, const struct vec *cols)
{
    struct connect_writer *writer = connect_writer_new(format, fields, count);
    struct buf out = {0};
    connect_writer_row(writer, cols, 0, &arena, &out);
    str text = arena_copy(&arena, buf_str(&out));
    buf_deinit(&out);
    connect_writer_free(writer);
    return text;
}

static void a_row_in_json_and_csv(void **state)
{
    (void)state;
    struct type_field fields[] = {{.name = STR("a"), .type = type_of(TYPE_INT)},
                                  {.name = STR("b"), .type = type_of(TYPE_VARCHAR)},
                                  {.name = STR("c"), .type = type_of(TYPE_VARCHAR)}};
    struct vec cols[3];
    for (isize i = 0; i < 3; i++) {
        vec_init(&cols[i], &arena, fields[i].type, 1, true);
    }
    VEC(i32, &cols[0])[0] = -7;
    VEC(struct strview, &cols[1])[0] = strview_of(STR("x;\"y\""));
    vec_set_null(&cols[2], &arena, 0);
    struct connect_pair json[] = {{STR("format"), STR("json")}};
    struct connect_format format = format_of(json, 1);
    assert_true(str_eq(row_text(&format, fields, 3, cols),
                       STR("{\"a\":-7,\"b\":\"x;\\\"y\\\"\",\"c\":null}")));
    struct connect_pair csv[] = {{STR("format"), STR("csv")},
                                 {STR("csv.field-delimiter"), STR(";")},
                                 {STR("csv.null-literal"), STR("n/a")}};
    format = format_of(csv, 3);
    assert_true(str_eq(row_text(&format, fields, 3, cols), STR("-7;\"x;\"\"y\"\"\";n/a")));
}

static void raw_numbers_in_both_orders(void **state)
{
    (void)state;
    struct type_field field = {.name = STR("a"), .type = type_of(TYPE_INT)};
    struct vec col;
    vec_init(&col, &arena, field.type, 1, true);
    VEC(i32, &col)[0] = 0x01020304;
    struct connect_pair big[] = {{STR("format"), STR("raw")}};
    struct connect_pair little[] = {{STR("format"), STR("raw")},
                                    {STR("raw.endianness"), STR("little-endian")}};
    struct connect_format one = format_of(big, 1), other = format_of(little, 2);
    assert_true(str_eq(row_text(&one, &field, 1, &col), STR("\x01\x02\x03\x04")));
    assert_true(str_eq(row_text(&other, &field, 1, &col), STR("\x04\x03\x02\x01")));
    assert_int_equal(connect_raw_read(&one, STR("\xFF\xFF\xFF\xFE"), &col, 0), OK);
    assert_int_equal(VEC(i32, &col)[0], -2);
    assert_int_equal(connect_raw_read(&one, STR("123"), &col, 0), ERR_TYPE);
}

static void raw_text_must_be_utf8_and_bytes_need_not(void **state)
{
    (void)state;
    struct connect_pair raw[] = {{STR("format"), STR("raw")}};
    struct connect_format format = format_of(raw, 1);
    struct vec text, bytes;
    vec_init(&text, &arena, type_of(TYPE_VARCHAR), 1, true);
    vec_init(&bytes, &arena, type_of(TYPE_VARBINARY), 1, true);
    assert_int_equal(connect_raw_read(&format, STR("\xFFz"), &text, 0), ERR_TYPE);
    assert_int_equal(connect_raw_read(&format, STR("\xFFz"), &bytes, 0), OK);
}

static void refuse(const struct connect_pair *pairs, isize count, const char *message)
{
    struct connect_table table = {STR("`t`"), pairs, count};
    struct diag diag;
    diag_init(&diag);
    assert_int_not_equal(connect_format_check(&table, &diag), OK);
    assert_non_null(strstr(diag.message, message));
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    struct connect_pair two[] = {{STR("format"), STR("csv")},
                                 {STR("csv.field-delimiter"), STR("ab")}};
    refuse(two, 2, "single character");
    struct connect_pair same[] = {{STR("format"), STR("csv")},
                                  {STR("csv.field-delimiter"), STR("\"")}};
    refuse(same, 2, "");
    struct connect_pair foreign[] = {{STR("format"), STR("raw")},
                                     {STR("json.ignore-parse-errors"), STR("true")}};
    refuse(foreign, 2, "json.ignore-parse-errors");
    struct connect_pair flag[] = {{STR("format"), STR("json")},
                                  {STR("json.ignore-parse-errors"), STR("yes")}};
    refuse(flag, 2, "yes");
}

static void raw_takes_one_column(void **state)
{
    (void)state;
    struct connect_pair raw[] = {{STR("format"), STR("raw")}};
    struct connect_format format = format_of(raw, 1);
    struct type_field fields[] = {{.name = STR("a"), .type = type_of(TYPE_VARCHAR)},
                                  {.name = STR("b"), .type = type_of(TYPE_DATE)}};
    assert_int_equal(connect_format_types_check(&format, fields, 1, NULL), OK);
    assert_int_equal(connect_format_types_check(&format, fields, 2, NULL), ERR_INVALID);
    assert_int_equal(connect_format_types_check(&format, fields + 1, 1, NULL), ERR_TYPE);
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
        cmocka_unit_test(a_row_in_json_and_csv),
        cmocka_unit_test(raw_numbers_in_both_orders),
        cmocka_unit_test(raw_text_must_be_utf8_and_bytes_need_not),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(raw_takes_one_column),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
