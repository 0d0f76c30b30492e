/* tests/unit/engine/filter_test.c */
#include "engine/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool passes(const char *condition, const char *record)
{
    struct engine_filter *filter;
    struct diag diag;
    bool result = false;
    diag_init(&diag);
    str text = str_of(record);
    if (engine_filter_new(str_of(condition), &filter, &diag) != OK) {
        fail_msg("%s: %s", condition, diag.message);
    }
    engine_filter_test(filter, &text, 1, &result);
    engine_filter_free(filter);
    return result;
}

static void numbers_and_texts(void **state)
{
    (void)state;
    assert_true(passes("Severity > 2", "{\"Severity\":\"3\"}"));
    assert_true(passes("Severity > 2", "{\"Severity\":3}"));
    assert_false(passes("Severity > 2", "{\"Severity\":2}"));
    assert_true(passes("2 < Severity", "{\"Severity\":3.5}"));
    assert_true(passes("Severity = '3'", "{\"Severity\":\"3\"}"));
    assert_true(passes("Severity = '3'", "{\"Severity\":3}"));
    assert_true(passes("Severity BETWEEN 2 AND 4", "{\"Severity\":\"3\"}"));
    assert_true(passes("Severity IN (1, 3)", "{\"Severity\":\"3\"}"));
    assert_true(passes("a + b > 5", "{\"a\":\"3\",\"b\":3}"));
    assert_true(passes("City LIKE 'D%' AND NOT n < 0", "{\"City\":\"Dayton\",\"n\":0}"));
    assert_true(passes("`Distance(mi)` >= 0.5", "{\"Distance(mi)\":\"0.5\"}"));
    assert_true(passes("UPPER(City) = 'DAYTON'", "{\"City\":\"Dayton\"}"));
    assert_true(passes("1 = 1", "{}"));
}

static void what_is_absent_is_null(void **state)
{
    (void)state;
    assert_false(passes("Severity > 2", "{}"));
    assert_false(passes("NOT Severity > 2", "{}"));
    assert_true(passes("Severity IS NULL", "{}"));
    assert_false(passes("Severity > 2", "{\"Severity\":\"many\"}"));
    assert_false(passes("1 = 1", "no JSON"));
    assert_false(passes("1 = 1", ""));
    assert_false(passes("a > 1 / 0", "{\"a\":1}"));
}

static void many_at_once(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static const char *const kinds[] = {"{\"a\":3}", "{\"a\":1}", "["};
    struct engine_filter *filter;
    static str records[COUNT];
    static bool results[COUNT];
    assert_int_equal(engine_filter_new(STR("a > 2"), &filter, NULL), OK);
    for (int i = 0; i < COUNT; i++) {
        records[i] = str_of(kinds[i % 3]);
    }
    engine_filter_test(filter, records, COUNT, results);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(results[i], i % 3 == 0);
    }
    engine_filter_free(filter);
}

static void errors_say_where(void **state)
{
    (void)state;
    struct engine_filter *filter;
    static const struct {
        const char *condition;
        isize start;
    } wrong[] = {{"a >", 3}, {"a", 0}, {"a + 1", 0}, {"a > 1 b", 6}, {"NOPE(a)", 0}};
    for (int i = 0; i < COUNT_OF(wrong); i++) {
        struct diag diag;
        diag_init(&diag);
        assert_int_not_equal(engine_filter_new(str_of(wrong[i].condition), &filter, &diag), OK);
        assert_true(diag_is_set(&diag));
        assert_int_equal(diag.span_start, wrong[i].start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_texts),
        cmocka_unit_test(what_is_absent_is_null),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(errors_say_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
