/* Histograms, snapshots, and their two views. */
#include "base/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct metric_family count = {METRIC_COUNTER, "leat_test_total", "What is counted."};
static const struct metric_family level = {METRIC_GAUGE, "leat_test_level", "How high."};
static const struct metric_family times = {METRIC_HISTOGRAM, "leat_test_seconds", "How long."};

static void a_bucket_holds_what_is_at_most_its_bound(void **state)
{
    (void)state;
    static const struct {
        u64 ns;
        int bucket;
    } cases[] = {
        {0, 0},    {1, 0},        {1000, 0},          {1001, 1},          {2000, 1},
        {2001, 2}, {1000000, 10}, {134217728000, 27}, {134217728001, 28}, {UINT64_MAX / 2, 28},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct metric_histogram h = {0};
        metric_observe_ns(&h, cases[i].ns);
        assert_int_equal(h.counts[cases[i].bucket], 1);
        assert_int_equal(h.sum_ns, cases[i].ns);
    }
    assert_true(metric_bucket_bound(0) == 1e-6);
    assert_true(metric_bucket_bound(METRIC_BUCKETS - 1) == 134.217728);
}

static void a_quantile_is_the_bound_above_it(void **state)
{
    (void)state;
    struct metric_histogram h = {0};
    assert_true(metric_quantile(&h, 0.5) == 0);
    for (int i = 0; i < 99; i++) {
        metric_observe_ns(&h, 900);
    }
    metric_observe_ns(&h, 3000000);
    assert_true(metric_quantile(&h, 0.5) == 1e-6);
    assert_true(metric_quantile(&h, 0.99) == 1e-6);
    assert_true(metric_quantile(&h, 1) == metric_bucket_bound(12));
}

static void collect_two(struct metric_snapshot *s, void *ctx)
{
    const struct metric_histogram *h = ctx;
    struct metric_label labels[] = {{"name", STR("a\"b\\c\nd")}};
    metric_sample(s, &count, labels, 1, 12345678901.0);
    metric_sample(s, &level, NULL, 0, 0.5);
    metric_sample_histogram(s, &times, labels, 1, h);
}

static struct metric_snapshot *taken(metric_collect_fn collect, void *ctx)
{
    metric_register(collect, ctx);
    struct metric_snapshot *snapshot = metric_snapshot_take();
    metric_unregister(collect, ctx);
    return snapshot;
}

static void assert_has(const struct buf *text, const char *wanted)
{
    if (str_find(buf_str(text), str_of(wanted), 0) < 0) {
        print_error("no %s in:\n" STR_FMT, wanted, STR_ARG(buf_str(text)));
        fail();
    }
}

static void text_is_prometheus(void **state)
{
    (void)state;
    struct metric_histogram h = {0};
    metric_observe_ns(&h, 1500);
    metric_observe_ns(&h, 500000000000);
    struct metric_snapshot *snapshot = taken(collect_two, &h);
    struct buf text = {0};
    metric_render_text(snapshot, &text);
    assert_has(&text, "# HELP leat_test_total What is counted.\n# TYPE leat_test_total counter\n"
                      "leat_test_total{name=\"a\\\"b\\\\c\\nd\"} 12345678901\n");
    assert_has(&text, "\nleat_test_level 0.5\n");
    assert_has(&text, "{name=\"a\\\"b\\\\c\\nd\",le=\"1e-06\"} 0\n");
    assert_has(&text, "{name=\"a\\\"b\\\\c\\nd\",le=\"2e-06\"} 1\n");
    assert_has(&text, "{name=\"a\\\"b\\\\c\\nd\",le=\"134.217728\"} 1\n");
    assert_has(&text, "{name=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 2\n");
    assert_has(&text, "leat_test_seconds_count{name=\"a\\\"b\\\\c\\nd\"} 2\n");
    assert_has(&text, "leat_test_seconds_sum{name=\"a\\\"b\\\\c\\nd\"} 500.000002\n");
    buf_reset(&text);
    metric_render_json(snapshot, &text);
    assert_has(&text, "\"leat_test_total\":[{\"labels\":{\"name\":\"a\\\"b\\\\c\\u000ad\"},"
                      "\"value\":12345678901}]");
    assert_has(&text, "\"count\":2,");
    buf_deinit(&text);
    metric_snapshot_free(snapshot);
}

static void collect_large(struct metric_snapshot *s, void *ctx)
{
    static const double large[] = {4294967297.0, 9007199254740991.0, 9007199254740994.0};
    static const char *const names[] = {"a", "b", "c"};
    (void)ctx;
    for (int i = 0; i < COUNT_OF(large); i++) {
        struct metric_label labels[] = {{"name", str_of(names[i])}};
        metric_sample(s, &count, labels, 1, large[i]);
    }
}

/* Every digit, past 2^32 and 2^53: what a double holds is what is written, never "4.29e+09". */
static void large_counts_keep_their_digits(void **state)
{
    (void)state;
    struct metric_snapshot *snapshot = taken(collect_large, NULL);
    struct buf text = {0};
    metric_render_text(snapshot, &text);
    assert_has(&text, "{name=\"a\"} 4294967297\n");
    assert_has(&text, "{name=\"b\"} 9007199254740991\n");
    assert_has(&text, "{name=\"c\"} 9007199254740994\n");
    buf_reset(&text);
    metric_render_json(snapshot, &text);
    assert_has(&text, "\"value\":4294967297}");
    assert_has(&text, "\"value\":9007199254740991}");
    assert_has(&text, "\"value\":9007199254740994}");
    buf_deinit(&text);
    metric_snapshot_free(snapshot);
}

enum { MANY = 10050 };

static void collect_many(struct metric_snapshot *s, void *ctx)
{
    (void)ctx;
    for (int i = 0; i < MANY; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%d", i);
        struct metric_label labels[] = {{"name", str_of(name)}};
        metric_sample(s, &count, labels, 1, 1);
    }
}

static void too_many_series_become_one(void **state)
{
    (void)state;
    struct metric_snapshot *snapshot = taken(collect_many, NULL);
    struct buf text = {0};
    metric_render_text(snapshot, &text);
    assert_has(&text, "{name=\"n9999\"} 1\n");
    assert_has(&text, "{name=\"other\"} 50\n");
    assert_true(str_find(buf_str(&text), STR("n10000"), 0) < 0);
    buf_deinit(&text);
    metric_snapshot_free(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_what_is_at_most_its_bound),
        cmocka_unit_test(a_quantile_is_the_bound_above_it),
        cmocka_unit_test(text_is_prometheus),
        cmocka_unit_test(large_counts_keep_their_digits),
        cmocka_unit_test(too_many_series_become_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
