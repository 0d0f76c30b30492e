/* Sizes, durations, numbers; unknown connectors and options; XML and percent-encoding of calls. */
#include "connect/common/aws_call.h"
#include "connect/common/options.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct connect_table table_of(const struct connect_pair *pairs, isize count)
{
    return (struct connect_table){STR("`t`"), pairs, count};
}

static err bytes_of(const char *text, u64 *out)
{
    struct connect_pair pair = {STR("size"), str_of(text)};
    struct connect_table table = table_of(&pair, 1);
    return connect_get_bytes(&table, "size", out, NULL);
}

static err ms_of(const char *text, i64 *out)
{
    struct connect_pair pair = {STR("age"), str_of(text)};
    struct connect_table table = table_of(&pair, 1);
    return connect_get_ms(&table, "age", out, NULL);
}

static void sizes_are_those_of_flink(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        u64 bytes;
    } good[] = {{"128MB", 128 << 20}, {"1 gb", 1 << 30},         {"4096", 4096}, {"0b", 0},
                {"3 KB", 3072},       {" 7 mebibytes ", 7 << 20}};
    for (isize i = 0; i < COUNT_OF(good); i++) {
        u64 bytes = 1;
        assert_int_equal(bytes_of(good[i].text, &bytes), OK);
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = {"MB",           "-1", "1.5MB", "1 tb", "99999999999999999999",
                                      "20000000000gb"};
    for (isize i = 0; i < COUNT_OF(bad); i++) {
        u64 bytes = 1;
        assert_int_equal(bytes_of(bad[i], &bytes), ERR_INVALID);
        assert_int_equal(bytes, 1);
    }
}

static void durations_are_those_of_flink(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        i64 ms;
    } good[] = {
        {"30 min", 1800000}, {"1s", 1000}, {"500 ms", 500}, {"250", 250}, {"2 days", 172800000}};
    for (isize i = 0; i < COUNT_OF(good); i++) {
        i64 ms = -1;
        assert_int_equal(ms_of(good[i].text, &ms), OK);
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"s", "1 fortnight", "-1 s", "25 d", "1e3 ms"};
    for (isize i = 0; i < COUNT_OF(bad); i++) {
        i64 ms = -1;
        assert_int_equal(ms_of(bad[i], &ms), ERR_INVALID);
    }
}

static void an_absent_option_leaves_the_default(void **state)
{
    (void)state;
    struct connect_table table = table_of(NULL, 0);
    u64 bytes = 5;
    i64 ms = 6, number = 7;
    assert_int_equal(connect_get_bytes(&table, "a", &bytes, NULL), OK);
    assert_int_equal(connect_get_ms(&table, "a", &ms, NULL), OK);
    assert_int_equal(connect_get_number(&table, "a", 0, 1, &number, NULL), OK);
    assert_true(bytes == 5 && ms == 6 && number == 7);
}

static void check(const struct connect_pair *pairs, isize count, const char *message,
                  const char *hint)
{
    struct connect_table table = table_of(pairs, count);
    const struct connector *connector;
    struct diag diag;
    diag_init(&diag);
    assert_int_not_equal(connect_check(&table, &connector, &diag), OK);
    assert_non_null(strstr(diag.message, message));
    assert_non_null(strstr(diag.hint, hint));
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct connect_pair typo[] = {{STR("connector"), STR("datgen")}};
    check(typo, 1, "datgen", "did you mean 'datagen'?");
    struct connect_pair option[] = {{STR("connector"), STR("datagen")},
                                    {STR("rows-per-secnd"), STR("1")}};
    check(option, 2, "rows-per-secnd", "did you mean 'rows-per-second'?");
    struct connect_pair missing[] = {{STR("connector"), STR("cloudwatch")}};
    check(missing, 1, "namespace", "");
    struct connect_pair field[] = {{STR("connector"), STR("datagen")},
                                   {STR("fields.a.kid"), STR("random")}};
    check(field, 2, "fields.a.kid", "");
}

static void answers_are_read_and_paths_encoded(void **state)
{
    (void)state;
    str body = STR("<E><Code>NoSuchBucket</Code><Message>it is <b>not</b> there</Message></E>");
    assert_true(str_eq(aws_call_xml(body, "Code"), STR("NoSuchBucket")));
    assert_true(str_eq(aws_call_xml(body, "Message"), STR("it is <b>not</b> there")));
    assert_int_equal(aws_call_xml(body, "Cod").len, 0);
    assert_int_equal(aws_call_xml(STR("<Code>x"), "Code").len, 0);
    struct buf out = {0};
    buf_append_percent(&out, STR("a b/c=\xC3\xBC~"), true);
    assert_true(str_eq(buf_str(&out), STR("a%20b/c%3D%C3%BC~")));
    buf_reset(&out);
    buf_append_percent(&out, STR("a/b"), false);
    assert_true(str_eq(buf_str(&out), STR("a%2Fb")));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_flink),
        cmocka_unit_test(durations_are_those_of_flink),
        cmocka_unit_test(an_absent_option_leaves_the_default),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(answers_are_read_and_paths_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
