/* aws/cloudwatch/cw_store.h: what is put is read, after a reopening, after folding, within limits.
 */
#include "aws_fixture.h"

#include "aws/cloudwatch/cw_store.h"
#include "base/rng.h"

#include <math.h>

#define MINUTES(n) ((i64)(n)*60)
#define HOURS(n)   ((i64)(n)*3600)
#define DAYS(n)    ((i64)(n)*86400)

static struct cw_store *open_store(struct sim *sim)
{
    struct cw_store *store;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(cw_store_open(sim_os(sim), "/data/cloudwatch", &store, &diag), OK);
    return store;
}

static struct cw_datum datum_of(const char *metric, i64 time_s, double value)
{
    return (struct cw_datum){
        .series = {STR("000000000000"), STR("us-east-1"), STR("ns"), str_of(metric), NULL, 0},
        .time_s = time_s,
        .is_per_second = true,
        .value = {1, value, value, value},
    };
}

static void put(struct cw_store *store, const char *metric, i64 time_s, double value)
{
    struct cw_datum datum = datum_of(metric, time_s, value);
    assert_int_equal(cw_store_put(store, &datum, 1), OK);
}

static isize get(struct cw_store *store, const char *metric, struct cw_range range,
                 struct arena *arena, struct cw_point **out)
{
    struct cw_datum datum = datum_of(metric, 0, 0);
    isize count;
    assert_int_equal(cw_store_get(store, &datum.series, &range, arena, out, &count), OK);
    return count;
}

static void values_meet_in_their_slot(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_point *p;
    const i64 t = SIM_START_S;
    put(store, "m", t, 1);
    put(store, "m", t + 1, 7);
    put(store, "m", t, 4);
    put(store, "m", t + 61, -2);
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 1}, &arena, &p), 3);
    assert_int_equal(p[0].time_s, t);
    assert_true(p[0].value.count == 2 && p[0].value.sum == 5);
    assert_true(p[0].value.min == 1 && p[0].value.max == 4);
    assert_int_equal(p[0].pair_count, 2);
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 60}, &arena, &p), 2);
    assert_true(p[0].value.sum == 12 && p[1].value.sum == -2);
    /* Bounds: from is within, to is not. */
    assert_int_equal(get(store, "m", (struct cw_range){t + 1, t + 61, 1}, &arena, &p), 1);
    assert_int_equal(get(store, "none", (struct cw_range){t, t + 120, 1}, &arena, &p), 0);
    arena_deinit(&arena);
    cw_store_close(store);
}

static void dimensions_make_series(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_dimension ab[] = {{STR("a"), STR("1")}, {STR("b"), STR("2")}};
    struct cw_dimension ba[] = {{STR("b"), STR("2")}, {STR("a"), STR("1")}};
    struct cw_datum data[] = {datum_of("m", SIM_START_S, 1), datum_of("m", SIM_START_S, 2),
                              datum_of("m", SIM_START_S, 4)};
    data[0].series.dimensions = ab;
    data[0].series.dimension_count = 2;
    data[1].series.dimensions = ba;
    data[1].series.dimension_count = 2;
    data[2].series.dimensions = ab;
    data[2].series.dimension_count = 1;
    assert_int_equal(cw_store_put(store, data, 3), OK);
    struct cw_point *p;
    isize count;
    struct cw_range range = {SIM_START_S, SIM_START_S + 1, 1};
    assert_int_equal(cw_store_get(store, &data[0].series, &range, &arena, &p, &count), OK);
    assert_true(count == 1 && p[0].value.sum == 3);
    struct cw_filter filter = {.account = STR("000000000000"),
                               .region = STR("us-east-1"),
                               .dimensions = ab,
                               .dimension_count = 1,
                               .max = 10,
                               .active_since_s = INT64_MIN};
    struct cw_series *series;
    assert_int_equal(cw_store_list(store, &filter, &arena, &series, &count), OK);
    assert_int_equal(count, 2);
    filter.is_exact = true;
    assert_int_equal(cw_store_list(store, &filter, &arena, &series, &count), OK);
    assert_int_equal(count, 1);
    assert_str(series[0].name.dimensions[0].name, "a");
    filter.is_exact = false;
    filter.after_id = 1;
    assert_int_equal(cw_store_list(store, &filter, &arena, &series, &count), OK);
    assert_int_equal(count, 1);
    arena_deinit(&arena);
    cw_store_close(store);
}

/* The same random data, read from memory, from the journal, from chunks, and from both. */
static void every_place_gives_the_same(void **state)
{
    struct cw_store *store = open_store(*state);
    struct rng rng;
    rng_init(&rng, 7);
    double sums[300] = {0}, counts[300] = {0};
    for (int i = 0; i < 4000; i++) {
        i64 second = (i64)rng_below(&rng, 300);
        double value = rng_below(&rng, 3) == 0 ? rng_unit(&rng) * 1e6 : (double)rng_below(&rng, 9);
        put(store, "m", SIM_START_S + second, value);
        sums[second] += value;
        counts[second]++;
        if (i == 1500) {
            assert_int_equal(cw_store_maintain(store, SIM_START_S), OK);
        }
        if (i % 1000 == 999) {
            cw_store_close(store);
            store = open_store(*state);
        }
    }
    struct arena arena = {0};
    struct cw_point *p;
    struct cw_range range = {SIM_START_S, SIM_START_S + 300, 1};
    for (int round = 0; round < 2; round++) {
        isize count = get(store, "m", range, &arena, &p);
        assert_int_equal(count, 300);
        for (isize i = 0; i < count; i++) {
            assert_true(p[i].value.count == counts[i]);
            assert_true(fabs(p[i].value.sum - sums[i]) < 1e-3);
            double weight = 0;
            for (i32 k = 0; k < p[i].pair_count; k++) {
                weight += p[i].pairs[k].count;
            }
            assert_true(weight == counts[i]);
        }
        assert_int_equal(cw_store_maintain(store, SIM_START_S), OK);
        struct cw_counts left;
        cw_store_count(store, &left);
        assert_int_equal(left.recent_points + left.journal_bytes, 0);
    }
    arena_deinit(&arena);
    cw_store_close(store);
}

static void seconds_fold_into_minutes_and_minutes_end(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_point *p;
    const i64 t = SIM_START_S;
    for (i64 s = 0; s < 120; s++) {
        put(store, "m", t + s, (double)(s % 4));
    }
    assert_int_equal(cw_store_maintain(store, t + HOURS(2)), OK);
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 1}, &arena, &p), 120);
    assert_int_equal(cw_store_maintain(store, t + HOURS(4)), OK);
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 1}, &arena, &p), 2);
    assert_true(p[0].value.count == 60 && p[0].value.sum == 90 && p[0].pair_count == 4);
    assert_int_equal(cw_store_maintain(store, t + DAYS(14)), OK);
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 60}, &arena, &p), 2);
    assert_int_equal(cw_store_maintain(store, t + DAYS(16)), OK);
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 60}, &arena, &p), 0);
    struct cw_counts counts;
    cw_store_count(store, &counts);
    assert_int_equal(counts.series, 0);
    put(store, "m", t, 3); /* The name is free again. */
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 120, 60}, &arena, &p), 1);
    arena_deinit(&arena);
    cw_store_close(store);
}

/* Old data, as PutMetricData takes them for two weeks, fold with what is there. */
static void late_seconds_join_their_minute(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_point *p;
    const i64 t = SIM_START_S;
    for (int round = 0; round < 3; round++) {
        put(store, "m", t + round, 2);
        assert_int_equal(cw_store_maintain(store, t + DAYS(1)), OK);
    }
    assert_int_equal(get(store, "m", (struct cw_range){t, t + 60, 1}, &arena, &p), 1);
    assert_true(p[0].value.count == 3 && p[0].value.sum == 6);
    arena_deinit(&arena);
    cw_store_close(store);
}

static void many_values_stay_near(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_point *p;
    for (int i = 0; i < 5000; i++) {
        put(store, "m", SIM_START_S, i % 2 == 0 ? pow(1.003, i) : -pow(1.003, i));
    }
    assert_int_equal(
        get(store, "m", (struct cw_range){SIM_START_S, SIM_START_S + 1, 1}, &arena, &p), 1);
    assert_true(p[0].pair_count <= CW_PAIRS_MAX && p[0].bits < 9);
    double weight = 0;
    for (i32 i = 0; i < p[0].pair_count; i++) {
        assert_true(i == 0 || p[0].pairs[i - 1].value < p[0].pairs[i].value);
        weight += p[0].pairs[i].count;
    }
    assert_true(weight == 5000);
    arena_deinit(&arena);
    cw_store_close(store);
}

static void a_statistic_set_hides_its_values(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_point *p;
    struct cw_datum set = datum_of("m", SIM_START_S, 0);
    set.value = (struct cw_statistics){4, 10, 1, 5};
    put(store, "m", SIM_START_S, 3);
    put(store, "m", SIM_START_S, 4);
    assert_int_equal(cw_store_put(store, &set, 1), OK);
    cw_store_close(store);
    store = open_store(*state);
    assert_int_equal(
        get(store, "m", (struct cw_range){SIM_START_S, SIM_START_S + 1, 1}, &arena, &p), 1);
    assert_true(p[0].is_opaque && p[0].pair_count == 0);
    assert_true(p[0].value.count == 6 && p[0].value.sum == 17 && p[0].value.max == 5);
    arena_deinit(&arena);
    cw_store_close(store);
}

static void a_full_disk_refuses_and_keeps(void **state)
{
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    struct cw_point *p;
    put(store, "m", SIM_START_S, 1);
    sim_set_space(*state, 0);
    struct cw_datum data[] = {datum_of("m", SIM_START_S, 10), datum_of("new", SIM_START_S, 1)};
    assert_int_not_equal(cw_store_put(store, data, 2), OK);
    sim_set_space(*state, 1 << 30);
    struct cw_counts counts;
    cw_store_count(store, &counts);
    assert_int_equal(counts.series, 1);
    for (int round = 0; round < 2; round++) {
        struct cw_range range = {SIM_START_S, SIM_START_S + 1, 1};
        assert_int_equal(get(store, "m", range, &arena, &p), 1);
        assert_true(p[0].value.sum == 1);
        cw_store_close(store);
        store = open_store(*state);
    }
    assert_int_equal(cw_store_put(store, data, 2), OK);
    cw_store_count(store, &counts);
    assert_int_equal(counts.series, 2);
    arena_deinit(&arena);
    cw_store_close(store);
}

static void series_are_limited(void **state)
{
    enum { CHUNK = 1000 };
    struct cw_store *store = open_store(*state);
    struct arena arena = {0};
    for (i64 first = 0; first < CW_SERIES_MAX; first += CHUNK) {
        struct cw_datum data[CHUNK];
        arena_reset(&arena);
        for (i64 i = 0; i < CHUNK; i++) {
            str name = arena_printf(&arena, "m%lld", (long long)(first + i));
            data[i] = datum_of(arena_cstr(&arena, name), SIM_START_S, 1);
        }
        assert_int_equal(cw_store_put(store, data, CHUNK), OK);
    }
    struct cw_datum over[] = {datum_of("m1", SIM_START_S, 5), datum_of("over", SIM_START_S, 1)};
    assert_int_equal(cw_store_put(store, over, 2), ERR_LIMIT);
    struct cw_point *p;
    struct cw_range range = {SIM_START_S, SIM_START_S + 1, 1};
    assert_int_equal(get(store, "m1", range, &arena, &p), 1);
    assert_true(p[0].value.sum == 1);
    put(store, "m1", SIM_START_S, 5); /* One that is there goes on. */
    assert_int_equal(cw_store_reset(store), OK);
    assert_int_equal(cw_store_put(store, over, 2), OK);
    arena_deinit(&arena);
    cw_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_meet_in_their_slot, machine_setup, machine_teardown),
        cmocka_unit_test_setup_teardown(dimensions_make_series, machine_setup, machine_teardown),
        cmocka_unit_test_setup_teardown(every_place_gives_the_same, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(seconds_fold_into_minutes_and_minutes_end, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(late_seconds_join_their_minute, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(many_values_stay_near, machine_setup, machine_teardown),
        cmocka_unit_test_setup_teardown(a_statistic_set_hides_its_values, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_and_keeps, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(series_are_limited, machine_setup, machine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
