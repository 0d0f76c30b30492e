/* Small JSON documents: what is accepted, what is refused and where, what is written. */
#include "codec/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static const struct json_value *parse(const char *text)
{
    const struct json_value *value = NULL;
    struct diag diag;
    diag_init(&diag);
    if (json_parse(&arena, str_of(text), &value, &diag) != OK) {
        print_error("%s: %s\n", text, diag.message);
        fail();
    }
    return value;
}

static void document(void **state)
{
    (void)state;
    const struct json_value *v = parse(
        " {\"a\": [1, -2.5e3, true, false, null], \"b\": {\"c\": \"\\u00e9\\ud83d\\ude00\\n\"}, "
        "\"n\": 42 } ");
    assert_int_equal(json_count(v), 3);
    const struct json_value *a = json_get(v, STR("a"));
    assert_int_equal(json_count(a), 5);
    assert_true(str_eq(json_text(json_next(json_first(a))), STR("-2.5e3")));
    str c = json_get_text(json_get(v, STR("b")), STR("c"));
    assert_true(str_eq(c, STR("\xc3\xa9\xf0\x9f\x98\x80\n")));
    assert_int_equal(json_get_i64(v, STR("n"), -1), 42);
    assert_int_equal(json_get_i64(v, STR("absent"), -1), -1);
    assert_null(json_get(a, STR("x")));
}

static void refused_documents(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "[",
        "\"",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "'a'",
        "{a:1}",
        "{\"a\":1}x",
        "{}{}",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\tb\"",
        "\"\xff\"",
        "\"\xed\xa0\x80\"",
        "{\"a\":1,\"a\":2}",
        "\xef\xbb\xbf{}",
        "[1]]",
        "{\"a\":1]",
        "\"a\\",
        "// c\n1",
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        const struct json_value *value;
        struct diag diag;
        diag_init(&diag);
        if (json_parse(&arena, str_of(cases[i]), &value, &diag) == OK) {
            print_error("accepted: %s\n", cases[i]);
            fail();
        }
        assert_true(diag_is_set(&diag));
    }
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 3];
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        const struct json_value *value;
        err e = json_parse(&arena, str_from(text, 2 * depth), &value, NULL);
        assert_int_equal(e, depth <= JSON_DEPTH_MAX ? OK : ERR_LIMIT);
    }
}

static void names_differ_in_large_objects(void **state)
{
    (void)state;
    enum { NAMES = 1000 };
    for (int twice = -1; twice < NAMES; twice += 111) {
        struct buf text = {0};
        const struct json_value *value;
        for (int i = 0; i < NAMES; i++) {
            buf_printf(&text, "%c\"n%d\":0", i == 0 ? '{' : ',', i);
        }
        buf_printf(&text, ",\"n%d\":0}", twice);
        err e = json_parse(&arena, buf_str(&text), &value, NULL);
        assert_int_equal(e, twice < 0 ? OK : ERR_EXISTS);
        buf_deinit(&text);
    }
}

static void budget_is_kept(void **state)
{
    (void)state;
    struct arena small = {0};
    arena_init(&small, 8192);
    struct buf text = {0};
    buf_append_byte(&text, '[');
    for (int i = 0; i < 10000; i++) {
        buf_append(&text, STR("1,"));
    }
    buf_append(&text, STR("1]"));
    const struct json_value *value;
    assert_int_equal(json_parse(&small, buf_str(&text), &value, NULL), ERR_MEMORY);
    buf_deinit(&text);
    arena_deinit(&small);
}

static void written_text(void **state)
{
    (void)state;
    struct buf out = {0};
    json_write_string(&out, STR("a\"\\\n\x01\xc3\xa9"));
    json_write_string(&out, STR("x\xff"
                                "y"));
    json_write_f64(&out, 0.1);
    buf_append_byte(&out, ' ');
    json_write_f64(&out, 3);
    buf_append_byte(&out, 0);
    assert_string_equal((char *)out.data, "\"a\\\"\\\\\\n\\u0001\xc3\xa9\"\"x\xef\xbf\xbdy\"0.1 3");
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
        cmocka_unit_test(document),         cmocka_unit_test(refused_documents),
        cmocka_unit_test(depth_is_limited), cmocka_unit_test(names_differ_in_large_objects),
        cmocka_unit_test(budget_is_kept),   cmocka_unit_test(written_text),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
