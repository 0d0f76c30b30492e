/* JSON rows: Flink's coercions as measured, structure, and what is written again. */
#include "codec/json_row_write.h"
#include "codec/json_rows.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

/* One field "f" of this type, read from `json` and written again; "dropped" when no row comes. */
static str through(const struct type *type, bool is_iso, str json, struct buf *out)
{
    struct type_field field = {STR("f"), type, STR_EMPTY};
    struct json_rows_options in = {.is_iso_timestamps = is_iso};
    struct json_row_options to = {.is_iso_timestamps = is_iso};
    struct json_rows *rows = json_rows_new(&field, 1, &in);
    struct json_row_writer *writer = json_row_writer_new(&field, 1, &to);
    str message = arena_printf(&arena, "{\"f\":" STR_FMT "}", STR_ARG(json));
    struct json_scan scan;
    json_rows_scan(rows, &message, 1, &arena, &scan);
    buf_reset(out);
    if (scan.row_count == 0) {
        buf_append(out, STR("dropped"));
    } else {
        struct vec col;
        struct sel all = {NULL, 1};
        json_rows_fill(rows, &scan, 0, &all, &arena, &col);
        json_row_write(writer, &col, 0, out);
        str whole = buf_str(out); /* Without {"f": and }. */
        memmove(out->data, out->data + 5, (size_t)(whole.len - 6));
        out->len -= 6;
    }
    json_rows_free(rows);
    json_row_writer_free(writer);
    return buf_str(out);
}

static void expect(const struct type *type, const char *json, const char *wanted)
{
    struct buf out = {0};
    str got = through(type, true, str_of(json), &out);
    if (!str_eq(got, str_of(wanted))) {
        print_error("%s: got " STR_FMT ", not %s\n", json, STR_ARG(got), wanted);
        fail();
    }
    buf_deinit(&out);
}

/* --- the measured cases
 * ----------------------------------------------------------------------------- */

static const struct type *type_parse(str text)
{
    str name = str_split(&text, '(', NULL);
    str inside = str_slice(text, 0, text.len - 1);
    i64 first = 0, second = 0;
    str digits = str_split(&inside, ',', NULL);
    IGNORE(str_to_i64(digits, &first) != OK); /* No parameters: stays 0. */
    IGNORE(str_to_i64(str_trim(inside), &second) != OK);
    if (str_eq(name, STR("DECIMAL"))) {
        return type_decimal(&arena, (i32)first, (i32)second);
    }
    if (str_eq(name, STR("VARCHAR"))) {
        return type_char(&arena, TYPE_VARCHAR, (i32)first);
    }
    static const struct {
        const char *name;
        enum type_kind kind;
    } kinds[] = {{"BIGINT", TYPE_BIGINT},   {"INT", TYPE_INT},         {"SMALLINT", TYPE_SMALLINT},
                 {"TINYINT", TYPE_TINYINT}, {"BOOLEAN", TYPE_BOOLEAN}, {"DOUBLE", TYPE_DOUBLE},
                 {"FLOAT", TYPE_FLOAT},     {"DATE", TYPE_DATE}};
    for (isize i = 0; i < COUNT_OF(kinds); i++) {
        if (str_eq(name, str_of(kinds[i].name))) {
            return type_of(kinds[i].kind);
        }
    }
    enum type_kind kind = str_eq(name, STR("TIME"))        ? TYPE_TIME
                          : str_eq(name, STR("TIMESTAMP")) ? TYPE_TIMESTAMP
                                                           : TYPE_TIMESTAMP_LTZ;
    return type_timestamp(&arena, kind, (i32)first);
}

/* leat cuts a timestamp to its type's digits when it reads it; Flink keeps more inside a chain. */
static str cut_fraction(str expected, const struct type *type)
{
    isize point = str_find_byte(expected, '.', 0);
    if (!type_is_timestamp(type) || point < 0) {
        return expected;
    }
    bool is_zoned = type->kind == TYPE_TIMESTAMP_LTZ;
    isize end = MIN(expected.len - 1 - is_zoned, point + 1 + type->precision);
    while (end > point && (expected.data[end - 1] == '0' || expected.data[end - 1] == '.')) {
        end--;
    }
    str head = str_slice(expected, 0, end);
    return arena_printf(&arena, STR_FMT "%s\"", STR_ARG(head), is_zoned ? "Z" : "");
}

static bool check_line(str line, struct buf *out)
{
    str rest = line;
    str type_text = str_split(&rest, '\t', NULL), format = str_split(&rest, '\t', NULL);
    str json = str_split(&rest, '\t', NULL), old = str_split(&rest, '\t', NULL);
    const struct type *type = type_parse(type_text);
    /* json.md §3: a number keeps its text, and DECIMAL text is trimmed, as in 2.2.1. */
    bool is_new = type->kind == TYPE_VARCHAR || type->kind == TYPE_DECIMAL;
    str expected = cut_fraction(is_new ? rest : old, type);
    if (str_eq(expected, STR("(record dropped)"))) {
        expected = STR("dropped");
    }
    if (str_eq(json, STR("\"\\ud83d\""))) {
        expected = STR("\"?\""); /* As the Kinesis sink writes it. */
    }
    str got = through(type, str_eq(format, STR("ISO-8601")), json, out);
    if (str_eq(got, expected)) {
        return true;
    }
    print_error(STR_FMT " %s " STR_FMT ": got " STR_FMT ", Flink " STR_FMT "\n", STR_ARG(type_text),
                str_eq(format, STR("ISO-8601")) ? "ISO" : "SQL", STR_ARG(json), STR_ARG(got),
                STR_ARG(expected));
    return false;
}

static void coercions_as_flink_measured(void **state)
{
    (void)state;
    const char *shared = os_getenv("LEAT_SHARED");
    str path =
        arena_printf(&arena, "%s/data/flink/coercions.tsv", shared != NULL ? shared : "../shared");
    str text;
    if (os_read_file(os_real(), (const char *)path.data, 1 << 20, &arena, &text) != OK) {
        print_message("skipped: the measured cases are not at " STR_FMT "\n", STR_ARG(path));
        skip();
    }
    (void)str_split(&text, '\n', NULL);
    struct buf out = {0};
    int cases = 0, wrong = 0;
    while (text.len > 0) {
        str line = str_split(&text, '\n', NULL);
        if (line.len > 0) {
            cases++;
            wrong += !check_line(line, &out);
        }
    }
    buf_deinit(&out);
    print_message("%d cases\n", cases);
    assert_true(cases > 400);
    assert_int_equal(wrong, 0);
}

/* --- hand-written
 * ------------------------------------------------------------------------------------- */

static void scalars(void **state)
{
    (void)state;
    expect(type_of(TYPE_BIGINT), "\" 2 \"", "2");
    expect(type_of(TYPE_BIGINT), "\"\"", "null");
    expect(type_of(TYPE_BIGINT), "9223372036854775807", "9223372036854775807");
    expect(type_of(TYPE_BIGINT), "9223372036854775808", "null");
    expect(type_of(TYPE_BIGINT), "\"-9223372036854775808\"", "-9223372036854775808");
    expect(type_of(TYPE_BIGINT), "2e1", "20");
    expect(type_of(TYPE_BOOLEAN), "\" true \"", "true");
    expect(type_of(TYPE_BOOLEAN), "\"False\"", "false");
    expect(type_of(TYPE_DOUBLE), "1e7", "1.0E7");
    expect(type_of(TYPE_DOUBLE), "\"Infinity\"", "\"Infinity\"");
    expect(type_of(TYPE_VARCHAR), "\"a\\u00e9\\\"\\\\\\/\\n\\u0001\"", "\"aé\\\"\\\\/\\n\\u0001\"");
    expect(type_of(TYPE_VARCHAR), "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\"");
    expect(type_of(TYPE_VARCHAR), "1.10", "\"1.10\"");
    expect(type_of(TYPE_VARBINARY), "\"aGk=\"", "\"aGk=\"");
    expect(type_decimal(&arena, 10, 2), "1.005", "1.01");
    expect(type_timestamp(&arena, TYPE_TIMESTAMP, 3), "\"2026-11-23T01:11:40.123456\"",
           "\"2026-11-23T01:11:40.123\"");
    expect(type_timestamp(&arena, TYPE_TIMESTAMP, 3), "\"1969-12-31T23:59:59.9999\"",
           "\"1969-12-31T23:59:59.999\"");
    expect(type_timestamp(&arena, TYPE_TIMESTAMP, 9), "\"1969-12-31T23:59:59.123456789\"",
           "\"1969-12-31T23:59:59.123456789\"");
}

static void nested_types(void **state)
{
    (void)state;
    struct type_field fields[] = {{STR("a"), type_of(TYPE_INT), STR_EMPTY},
                                  {STR("b"), type_array(&arena, type_of(TYPE_VARCHAR)), STR_EMPTY}};
    const struct type *row = type_row(&arena, fields, 2);
    expect(row, "{\"b\": [\"x\", 1, null], \"a\": \"7\", \"c\": {}}",
           "{\"a\":7,\"b\":[\"x\",\"1\",null]}");
    expect(row, "{}", "{\"a\":null,\"b\":null}");
    expect(row, "[]", "null");
    expect(type_map(&arena, type_of(TYPE_VARCHAR), row), "{\"k\": {\"a\": 1}}",
           "{\"k\":{\"a\":1,\"b\":null}}");
    expect(type_array(&arena, type_array(&arena, type_of(TYPE_INT))), "[[1, 2], [], null]",
           "[[1,2],[],null]");
}

static void messages_and_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        isize rows, empty, bad, trailing;
    } cases[] = {
        {"", 0, 1, 0, 0},
        {" \n", 0, 1, 0, 0},
        {"null", 0, 1, 0, 0},
        {"{}", 1, 0, 0, 0},
        {"\xef\xbb\xbf{\"f\":1}", 1, 0, 0, 0},
        {"[{\"f\":1},{\"f\":2}]", 2, 0, 0, 0},
        {"[]", 0, 0, 0, 0},
        {"[1]", 0, 0, 1, 0},
        {"{\"f\":1}{\"f\":2}", 1, 0, 0, 1},
        {"{\"f\":1}\n", 1, 0, 0, 0},
        {"{\"f\":1} garbage", 1, 0, 0, 1},
        {"\"x\"", 0, 0, 1, 0},
        {"5", 0, 0, 1, 0},
        {"{\"n\":1,}", 0, 0, 1, 0},
        {"{\"n\":01}", 0, 0, 1, 0},
        {"{\"n\":\"\\x\"}", 0, 0, 1, 0},
        {"{'n':1}", 0, 0, 1, 0},
        {"{\"n\":1", 0, 0, 1, 0},
        {"{\"n\":\"\xff\"}", 0, 0, 1, 0},
        {"{\"n\":[1,2}", 0, 0, 1, 0},
        {"{\"n\":{\"a\":[{}]}}", 1, 0, 0, 0},
        {"{\"a\tb\":\"c\nd\"}", 1, 0, 0, 0},
    };
    struct type_field field = {STR("f"), type_of(TYPE_BIGINT), STR_EMPTY};
    struct json_rows_options options = {0};
    struct json_rows *rows = json_rows_new(&field, 1, &options);
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        str message = str_of(cases[i].text);
        struct json_scan scan;
        json_rows_scan(rows, &message, 1, &arena, &scan);
        isize bad = 0, trailing = 0;
        for (isize k = 0; k < scan.issue_count; k++) {
            bad += scan.issues[k].kind == JSON_ISSUE_MESSAGE;
            trailing += scan.issues[k].kind == JSON_ISSUE_TRAILING;
        }
        bool is_right = scan.row_count == cases[i].rows && scan.empty_count == cases[i].empty &&
                        bad == cases[i].bad && trailing == cases[i].trailing;
        if (!is_right) {
            print_error("%s\n", cases[i].text);
            fail();
        }
    }
    json_rows_free(rows);
}

static void depth_is_limited(void **state)
{
    (void)state;
    struct type_field field = {STR("f"), type_of(TYPE_VARCHAR), STR_EMPTY};
    struct json_rows_options options = {0};
    struct json_rows *rows = json_rows_new(&field, 1, &options);
    for (int depth = 62; depth <= 100000; depth = depth == 62 ? 64 : depth * 400) {
        struct buf text = {0};
        buf_append(&text, STR("{\"f\":"));
        buf_append_fill(&text, '[', depth);
        buf_append_fill(&text, ']', depth);
        buf_append_byte(&text, '}');
        str message = buf_str(&text);
        struct json_scan scan;
        json_rows_scan(rows, &message, 1, &arena, &scan);
        assert_int_equal(scan.row_count, depth < JSON_ROWS_DEPTH_MAX - 1);
        buf_deinit(&text);
    }
    json_rows_free(rows);
}

/* 2,048 rows from one message, then two messages that do not fit together. */
static void arrays_fill_a_batch(void **state)
{
    (void)state;
    struct type_field field = {STR("f"), type_of(TYPE_BIGINT), STR_EMPTY};
    struct json_rows_options options = {0};
    struct json_rows *rows = json_rows_new(&field, 1, &options);
    for (isize count = BATCH_ROWS_MAX - 1; count <= BATCH_ROWS_MAX + 1; count++) {
        struct buf text = {0};
        for (isize i = 0; i < count; i++) {
            buf_append(&text, i == 0 ? STR("[") : STR(","));
            buf_printf(&text, "{\"f\":%d}", (int)i);
        }
        buf_append_byte(&text, ']');
        str messages[] = {STR("{\"f\":-1}"), buf_str(&text), STR("{}")};
        struct json_scan scan;
        json_rows_scan(rows, messages, 3, &arena, &scan);
        bool fits = count < BATCH_ROWS_MAX;
        assert_int_equal(scan.message_count, fits ? 2 : 1);
        assert_int_equal(scan.row_count, fits ? BATCH_ROWS_MAX : 1);
        json_rows_scan(rows, messages + 1, 2, &arena, &scan);
        assert_int_equal(scan.issue_count, count > BATCH_ROWS_MAX);
        assert_int_equal(scan.row_count, count > BATCH_ROWS_MAX ? 1 : BATCH_ROWS_MAX);
        assert_int_equal(scan.message_count, count == BATCH_ROWS_MAX ? 1 : 2);
        struct vec col;
        struct sel all = {NULL, scan.row_count};
        json_rows_fill(rows, &scan, 0, &all, &arena, &col);
        isize last = MIN(count, scan.row_count) - 1;
        assert_true(count > BATCH_ROWS_MAX || VEC(i64, &col)[last] == last);
        buf_deinit(&text);
    }
    json_rows_free(rows);
}

static void field_errors_say_where(void **state)
{
    (void)state;
    struct type_field field = {STR("Severity"), type_of(TYPE_BIGINT), STR_EMPTY};
    struct json_rows_options options = {0};
    struct json_rows *rows = json_rows_new(&field, 1, &options);
    str messages[] = {STR("{\"Severity\": \"3\"}"), STR("{\"Severity\": \"\"}")};
    struct json_scan scan;
    json_rows_scan(rows, messages, 2, &arena, &scan);
    struct vec col;
    struct sel all = {NULL, 2};
    json_rows_fill(rows, &scan, 0, &all, &arena, &col);
    assert_int_equal(scan.issue_count, 1);
    assert_int_equal(scan.issues[0].message, 1);
    assert_int_equal(scan.issues[0].offset, 14);
    assert_true(str_eq(scan.issues[0].text,
                       STR("Fail to deserialize at field: Severity. For input string: \"\"")));
    assert_true(vec_is_valid(&col, 0) && !vec_is_valid(&col, 1));
    json_rows_free(rows);
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

/* Quadratic work would take minutes here. */
static void large_objects_take_no_longer_per_member(void **state)
{
    (void)state;
    enum { MEMBERS = 200000 };
    struct buf text = {0}, out = {0};
    buf_append_byte(&text, '{');
    for (int i = 0; i < MEMBERS; i++) {
        buf_printf(&text, "%s\"%d\":%d", i == 0 ? "" : ",", i, i % 7);
    }
    buf_append_byte(&text, '}');
    const struct type *map = type_map(&arena, type_of(TYPE_VARCHAR), type_of(TYPE_INT));
    assert_true(str_eq(through(map, true, buf_str(&text), &out), buf_str(&text)));
    str shown = through(type_of(TYPE_VARCHAR), true, buf_str(&text), &out);
    assert_int_equal(shown.len, text.len + 2 + 2 * MEMBERS); /* Quotes, and escaped ones. */
    buf_deinit(&text);
    buf_deinit(&out);
}

/* Each byte at each place of texts of several lengths, against the rule written out. */
static void strings_are_escaped_everywhere(void **state)
{
    (void)state;
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    struct type_field field = {STR("a"), type_of(TYPE_VARCHAR), STR_EMPTY};
    struct json_row_options options = {0};
    struct json_row_writer *writer = json_row_writer_new(&field, 1, &options);
    struct vec col;
    struct buf out = {0}, wanted = {0};
    vec_init(&col, &arena, field.type, 1, false);
    for (int c = 1; c < 0x80; c++) {
        for (isize len = 1; len < 20; len++) {
            for (isize at = 0; at < len; at++) {
                u8 text[20];
                memset(text, 'x', sizeof text);
                text[at] = (u8)c;
                const char *found = strchr(from, c);
                buf_reset(&out);
                buf_reset(&wanted);
                buf_append(&wanted, STR("{\"a\":\""));
                buf_append_bytes(&wanted, text, at);
                if (found != NULL) {
                    buf_printf(&wanted, "\\%c", to[found - from]);
                } else {
                    buf_printf(&wanted, c < 0x20 ? "\\u%04X" : "%c", c);
                }
                buf_append_bytes(&wanted, text + at + 1, len - at - 1);
                buf_append(&wanted, STR("\"}"));
                VEC(struct strview, &col)[0] = strview_of(str_from(text, len));
                json_row_write(writer, &col, 0, &out);
                assert_true(str_eq(buf_str(&out), buf_str(&wanted)));
            }
        }
    }
    json_row_writer_free(writer);
    buf_deinit(&out);
    buf_deinit(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coercions_as_flink_measured),
        cmocka_unit_test(scalars),
        cmocka_unit_test(nested_types),
        cmocka_unit_test(messages_and_rows),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(arrays_fill_a_batch),
        cmocka_unit_test(field_errors_say_where),
        cmocka_unit_test(large_objects_take_no_longer_per_member),
        cmocka_unit_test(strings_are_escaped_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
