/* codec/cbor.h against the examples of RFC 8949, Appendix A, and damaged documents. */
#include "codec/cbor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static str unhex(struct arena *arena, const char *hex)
{
    isize bytes = (isize)strlen(hex) / 2;
    u8 *out = arena_alloc(arena, bytes + 1);
    for (isize i = 0; i < bytes; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (u8)strtoul(digits, NULL, 16);
    }
    return str_from(out, bytes);
}

/* As JSON, for comparison. */
static void show(const struct json_value *v, struct buf *out)
{
    static const char *const words[] = {"null", "true", "false"};
    bool is_map = json_kind(v) == JSON_OBJECT;
    switch (json_kind(v)) {
    case JSON_NULL:
    case JSON_TRUE:
    case JSON_FALSE:
        buf_append(out, str_of(words[json_kind(v)]));
        break;
    case JSON_NUMBER:
        buf_append(out, json_text(v));
        break;
    case JSON_BYTES:
    case JSON_STRING:
        json_write_string(out, json_text(v));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_append_byte(out, is_map ? '{' : '[');
        for (const struct json_value *i = json_first(v); i != NULL; i = json_next(i)) {
            buf_append(out, i == json_first(v) ? STR_EMPTY : STR(","));
            if (is_map) {
                json_write_string(out, json_name(i));
                buf_append_byte(out, ':');
            }
            show(i, out);
        }
        buf_append_byte(out, is_map ? '}' : ']');
        break;
    }
}

static void examples_of_the_rfc(void **state)
{
    static const char *const cases[][2] = {
        {"00", "0"},
        {"17", "23"},
        {"1818", "24"},
        {"1903e8", "1000"},
        {"1b000000e8d4a51000", "1000000000000"},
        {"1bffffffffffffffff", "18446744073709552000"},
        {"20", "-1"},
        {"3903e7", "-1000"},
        {"f90000", "0"},
        {"f93c00", "1"},
        {"f93e00", "1.5"},
        {"f97bff", "65504"},
        {"f90001", "5.960464477539063e-8"},
        {"f9c400", "-4"},
        {"fa47c35000", "100000"},
        {"fb3ff199999999999a", "1.1"},
        {"fb7e37e43c8800759c", "1e+300"},
        {"f97c00", "\"Infinity\""},
        {"f97e00", "\"NaN\""},
        {"faff800000", "\"-Infinity\""},
        {"f4", "false"},
        {"f5", "true"},
        {"f6", "null"},
        {"f7", "null"},
        {"c11a514b67b0", "1363896240"},
        {"c1fb41d452d9ec200000", "1363896240.5"},
        {"60", "\"\""},
        {"4161", "\"a\""},
        {"5fff", "\"\""},
        {"5f41614162ff", "\"ab\""},
        {"6449455446", "\"IETF\""},
        {"62c3bc", "\"\xc3\xbc\""},
        {"80", "[]"},
        {"8301820203820405", "[1,[2,3],[4,5]]"},
        {"a0", "{}"},
        {"a26161016162820203", "{\"a\":1,\"b\":[2,3]}"},
        {"7f657374726561646d696e67ff", "\"streaming\""},
        {"9fff", "[]"},
        {"9f018202039f0405ffff", "[1,[2,3],[4,5]]"},
        {"bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}"},
        {"826161bf61626163ff", "[\"a\",{\"b\":\"c\"}]"},
    };
    (void)state;
    struct arena arena = {0};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const struct json_value *value;
        struct buf got = {0};
        assert_int_equal(cbor_parse(&arena, unhex(&arena, cases[i][0]), &value, NULL), OK);
        show(value, &got);
        buf_append_byte(&got, 0);
        if (strncmp(cases[i][1], "1e", 2) != 0 && strncmp(cases[i][1], "5.9", 3) != 0 &&
            strncmp(cases[i][1], "184", 3) != 0) {
            assert_string_equal((const char *)got.data, cases[i][1]);
        } else { /* However the number is spelled. */
            assert_true(strtod((const char *)got.data, NULL) == strtod(cases[i][1], NULL));
        }
        buf_deinit(&got);
    }
    arena_deinit(&arena);
}

static void damaged_documents(void **state)
{
    static const char *const bad[] = {
        "",
        "18",
        "1a0000",
        "6261",
        "62ff",
        "7f6161",
        "7f01ff",
        "8201",
        "9f01",
        "a161",
        "a1",
        "a10102",
        "bf6161ff",
        "a2616101",
        "0000",
        "ff",
        "1c",
        "4261",
        "c001",
        "c16131",
        "c1a0",
        "5f6161ff",
        "5f5f4161ffff",
        "c1c101",
        "f8ff",
        "e0",
        "bf",
        "1f",
        "6361",
        "7b7fffffffffffffff",
        "9b7fffffffffffffff",
    };
    (void)state;
    struct arena arena = {0};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        const struct json_value *value;
        assert_int_not_equal(cbor_parse(&arena, unhex(&arena, bad[i]), &value, NULL), OK);
    }
    char deep[2 * (JSON_DEPTH_MAX + 2) + 1] = "";
    for (int i = 0; i < JSON_DEPTH_MAX + 1; i++) {
        strncat(deep, "81", sizeof deep - strlen(deep) - 1);
    }
    const struct json_value *value;
    assert_int_equal(cbor_parse(&arena, unhex(&arena, deep), &value, NULL), ERR_LIMIT);
    arena_deinit(&arena);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0}, text = {0};
    cbor_open_map(&out);
    cbor_put_text(&out, STR("a name that is longer than 23 bytes"));
    cbor_put_f64(&out, -0.5);
    cbor_put_text(&out, STR("list"));
    cbor_open_list(&out);
    cbor_put_bool(&out, true);
    cbor_put_time(&out, 1363896240);
    cbor_put_time(&out, -2);
    cbor_close(&out);
    cbor_close(&out);
    const struct json_value *value;
    assert_int_equal(cbor_parse(&arena, buf_str(&out), &value, NULL), OK);
    show(value, &text);
    buf_append_byte(&text, 0);
    assert_string_equal(
        (const char *)text.data,
        "{\"a name that is longer than 23 bytes\":-0.5,\"list\":[true,1363896240,-2]}");
    buf_deinit(&out);
    buf_deinit(&text);
    arena_deinit(&arena);
}

static void budgets_are_kept(void **state)
{
    (void)state;
    static const u8 heads[] = {0x80, 0x60, 0x00, 0x7f};
    for (int i = 0; i < COUNT_OF(heads); i++) {
        struct arena arena;
        struct buf document = {0};
        const struct json_value *value;
        arena_init(&arena, 1 << 20);
        cbor_open_list(&document);
        buf_append_fill(&document, heads[i], heads[i] == 0x7f ? 1 : 1 << 20);
        for (int n = 0; heads[i] == 0x7f && n < 1 << 20; n++) {
            cbor_put_text(&document, STR("ab"));
        }
        cbor_close(&document);
        cbor_close(&document);
        assert_int_equal(cbor_parse(&arena, buf_str(&document), &value, NULL), ERR_MEMORY);
        assert_true(arena.bytes <= 1 << 20);
        buf_deinit(&document);
        arena_deinit(&arena);
    }
}

static void heads_are_short(void **state)
{
    (void)state;
    static const struct {
        i64 number;
        isize bytes;
    } cases[] = {
        {0, 1},     {23, 1},         {24, 2},        {255, 2},       {256, 3},       {65535, 3},
        {65536, 5}, {UINT32_MAX, 5}, {1LL << 32, 9}, {INT64_MAX, 9}, {INT64_MIN, 9}, {-1, 1},
    };
    struct arena arena = {0};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = {0};
        i64 number = 0;
        const struct json_value *value;
        cbor_put_i64(&out, cases[i].number);
        assert_int_equal(out.len, cases[i].bytes);
        assert_int_equal(cbor_parse(&arena, buf_str(&out), &value, NULL), OK);
        assert_int_equal(str_to_i64(json_text(value), &number), OK);
        assert_true(number == cases[i].number);
        buf_deinit(&out);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_are_kept),        cmocka_unit_test(heads_are_short),
        cmocka_unit_test(examples_of_the_rfc),     cmocka_unit_test(damaged_documents),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
