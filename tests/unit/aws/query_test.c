/* aws/common/query.h: forms as trees, times and numbers. */
#include "aws_fixture.h"

#include "aws/common/query.h"

static const struct json_value *parse(struct arena *arena, const char *form)
{
    const struct json_value *out;
    assert_int_equal(query_parse(arena, str_of(form), &out, NULL), OK);
    return out;
}

static void forms_become_trees(void **state)
{
    (void)state;
    struct arena arena = {0};
    const struct json_value *v =
        parse(&arena, "Action=Put&A.member.2.B=second&A.member.1.B=first%20one&A.member.10.B=tenth"
                      "&M.entry.1.key=k&M.entry.1.value=v+w&&Empty=");
    assert_str(json_get_text(v, STR("Action")), "Put");
    const struct json_value *list = json_get(v, STR("A"));
    assert_int_equal(json_kind(list), JSON_ARRAY);
    assert_int_equal(json_count(list), 3);
    assert_str(json_get_text(json_first(list), STR("B")), "first one");
    assert_str(json_get_text(json_next(json_next(json_first(list))), STR("B")), "tenth");
    assert_str(json_get_text(json_first(json_get(v, STR("M"))), STR("value")), "v w");
    assert_str(json_get_text(v, STR("Empty")), "");
    arena_deinit(&arena);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const char *const bad[] = {"A=1&A=2", "A=1&A.B=2", "A.1=x&A.B=y", "=1",   ".A=1",
                                      "A..B=1",  "A=%zz",     "A=%ff",       "%ff=1"};
    (void)state;
    struct arena arena = {0};
    const struct json_value *out;
    for (int i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(query_parse(&arena, str_of(bad[i]), &out, NULL), ERR_SYNTAX);
    }
    arena_deinit(&arena);
}

static void times_and_numbers(void **state)
{
    static const struct {
        const char *text;
        i64 seconds;
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-01T00:00:00Z", SIM_START_S},
        {"2026-01-01", SIM_START_S},
        {"2026-01-01T01:00:00+01:00", SIM_START_S},
        {"1767225600.9", SIM_START_S},
        {"2026-01-01T00:00:00.123456Z", SIM_START_S},
        {"2025-12-31T23:30:00-0030", SIM_START_S},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:00:00X",
                                      "1969-01-01T00:00:00Z",
                                      "-1",
                                      "1e300"};
    (void)state;
    for (int i = 0; i < COUNT_OF(times); i++) {
        struct json_value value = {.kind = JSON_STRING, .text = str_of(times[i].text)};
        i64 got;
        assert_int_equal(query_time(&value, &got), OK);
        assert_int_equal(got, times[i].seconds);
    }
    for (int i = 0; i < COUNT_OF(bad); i++) {
        struct json_value value = {.kind = JSON_STRING, .text = str_of(bad[i])};
        i64 got;
        assert_int_not_equal(query_time(&value, &got), OK);
    }
    struct json_value nan = {.kind = JSON_STRING, .text = STR("NaN")};
    double number;
    assert_int_not_equal(query_number(&nan, &number), OK);
}

static void xml_is_escaped(void **state)
{
    (void)state;
    struct buf out = {0};
    query_write_xml(&out, STR("a<b>&\"'\r\n\x01"));
    assert_str(buf_str(&out), "a&lt;b&gt;&amp;&quot;&#39;&#13;\n\xef\xbf\xbd");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_become_trees),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(times_and_numbers),
        cmocka_unit_test(xml_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
