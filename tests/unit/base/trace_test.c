/* Lines of diagnostics: levels, both forms, what values may hold. */
#include "base/buf.h"
#include "base/trace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf lines;

static void keep(void *ctx, str line)
{
    (void)ctx;
    buf_append(&lines, line);
}

static i64 at_noon(void *ctx)
{
    (void)ctx;
    return 1700000000123456;
}

static int setup(void **state)
{
    (void)state;
    trace_set_sink(keep, at_noon, NULL);
    trace_set_level(TRACE_INFO);
    trace_set_json(false);
    buf_reset(&lines);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trace_set_sink(NULL, NULL, NULL);
    buf_deinit(&lines);
    return 0;
}

static void expect(const char *wanted)
{
    if (!str_eq(buf_str(&lines), str_of(wanted))) {
        print_error("got " STR_FMT "not %s", STR_ARG(buf_str(&lines)), wanted);
        fail();
    }
    buf_reset(&lines);
}

static void text_has_plain_and_quoted_values(void **state)
{
    (void)state;
    trace(TRACE_WARN, "stream", "shard is full", T_STR("stream", STR("a-b")), T_INT("shard", -3),
          T_F64("share", 0.5), T_STR("note", STR("two words")), T_STR("empty", STR_EMPTY));
    expect("2023-11-14T22:13:20.123Z warn  stream: shard is full stream=a-b shard=-3 share=0.5 "
           "note=\"two words\" empty=\"\"\n");
}

static void json_is_one_object(void **state)
{
    (void)state;
    trace_set_json(true);
    trace(TRACE_ERROR, "log", "a \"frame\"", T_INT("n", INT64_MAX), T_STR("v", STR("x\\y")),
          T_F64("nan", (double)NAN));
    expect("{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\",\"module\":\"log\","
           "\"message\":\"a \\\"frame\\\"\",\"n\":9223372036854775807,\"v\":\"x\\\\y\","
           "\"nan\":null}\n");
}

static void nothing_forges_a_line_or_steers_a_terminal(void **state)
{
    (void)state;
    trace(TRACE_INFO, "m", "t", T_STR("v", STR("a\nb\x1b[2J\x7f")));
    expect("2023-11-14T22:13:20.123Z info  m: t v=\"a\\u000ab\\u001b[2J\\u007f\"\n");
}

static void what_is_no_text_is_replaced(void **state)
{
    (void)state;
    trace_set_json(true);
    trace(TRACE_INFO, "m", "t",
          T_STR("v", STR("\xff"
                         "a")));
    expect("{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\",\"module\":\"m\","
           "\"message\":\"t\",\"v\":\"\\ufffda\"}\n");
}

/* 255 bytes, then a character of two: it is left out whole. */
static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    u8 text[300];
    memset(text, 'a', sizeof text);
    text[255] = 0xC3;
    text[256] = 0xA4;
    trace(TRACE_INFO, "m", "t", T_STR("v", str_from(text, (isize)sizeof text)));
    str got = buf_str(&lines), tail = STR("aaa...\"\n");
    assert_true(str_ends(got, tail));
    assert_true(str_is_utf8(got));
    assert_int_equal(got.len, (isize)strlen("2023-11-14T22:13:20.123Z info  m: t v=\"") + 255 + 5);
}

static void levels_hold_back(void **state)
{
    (void)state;
    trace_text(TRACE_DEBUG, "m", "no");
    assert_int_equal(lines.len, 0);
    trace_set_level(TRACE_ERROR);
    trace_text(TRACE_WARN, "m", "no");
    assert_int_equal(lines.len, 0);
    trace_set_level(TRACE_DEBUG);
    trace_text(TRACE_DEBUG, "m", "yes");
    expect("2023-11-14T22:13:20.123Z debug m: yes\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_has_plain_and_quoted_values, setup, teardown),
        cmocka_unit_test_setup_teardown(json_is_one_object, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_forges_a_line_or_steers_a_terminal, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_text_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(long_values_are_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(levels_hold_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
