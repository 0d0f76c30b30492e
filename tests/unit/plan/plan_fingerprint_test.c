/* tests/unit/plan/plan_fingerprint_test.c: equal plans, equal prints; what changes state changes
 * it. */
#include "../sql/sql_fixture.h"

static const char tables[] = "CREATE TABLE t (ID STRING, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR "
                             "ts AS ts) WITH ('connector' = "
                             "'x');";

static u64 print_of(const char *text)
{
    struct fixture f;
    fixture_init(&f);
    fixture_must(&f, tables);
    fixture_must(&f, text);
    u64 print = plan_fingerprint(f.plan.root);
    fixture_deinit(&f);
    return print;
}

#define WINDOW(select, size)                                                      \
    "SELECT " select " FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL " size \
    ")) GROUP BY ID, "                                                            \
    "window_start, window_end"

static void tells_plans_apart(void **state)
{
    (void)state;
    static const char *const plans[] = {
        "SELECT ID FROM t WHERE n > 2",
        "SELECT ID FROM t WHERE n > 3",
        "SELECT ID FROM t WHERE n >= 2",
        "SELECT ID FROM t WHERE ID IN "
        "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1')",
        "SELECT ID FROM t WHERE ID IN "
        "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2')",
        "SELECT n FROM t",
        "SELECT CAST(n AS INT) FROM t",
        WINDOW("COUNT(*)", "'1' SECOND"),
        WINDOW("COUNT(*)", "'2' SECOND"),
        WINDOW("COUNT(n)", "'1' SECOND"),
        WINDOW("SUM(n)", "'1' SECOND"),
        WINDOW("SUM(n) FILTER (WHERE n > 1)", "'1' SECOND"),
        WINDOW("SUM(n) FILTER (WHERE n > 2)", "'1' SECOND"),
        "SELECT 'a'",
        "SELECT 'b'",
    };
    for (isize i = 0; i < COUNT_OF(plans); i++) {
        assert_true(print_of(plans[i]) == print_of(plans[i]));
        for (isize j = 0; j < i; j++) {
            if (print_of(plans[i]) == print_of(plans[j])) {
                fail_msg("%s and %s", plans[i], plans[j]);
            }
        }
    }
}

static void ignores_what_is_only_text(void **state)
{
    (void)state;
    assert_true(print_of("SELECT ID AS a FROM t WHERE n > 2") ==
                print_of("select  `ID` AS b FROM t AS x WHERE (x.n > 1 + 1) -- same"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tells_plans_apart),
                                       cmocka_unit_test(ignores_what_is_only_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
