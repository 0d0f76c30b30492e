/* The buckets of --enforce-limits, by a clock that the test moves. */

#include "aws_fixture.h"

#include "aws/kinesis/kinesis_int.h"
#include "os/sim.h"

enum { SECOND_US = 1000000, STREAM = 7, SHARD = 3 };

struct world {
    struct sim *sim;
    struct limits *limits;
};

static struct world open_world(void)
{
    struct world w = {.sim = sim_new(1)};
    w.limits = kinesis__limits_new(sim_os(w.sim));
    return w;
}

static void close_world(struct world *w)
{
    kinesis__limits_free(w->limits);
    sim_free(w->sim);
}

static int puts_that_fit(struct world *w, int tries, isize bytes)
{
    int fit = 0;
    for (int i = 0; i < tries; i++) {
        fit += kinesis__limit_put(w->limits, STREAM, SHARD, bytes);
    }
    return fit;
}

static void a_second_has_a_thousand_records(void **state)
{
    (void)state;
    struct world w = open_world();
    assert_int_equal(puts_that_fit(&w, 1000, 1), 1000);
    assert_false(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    assert_true(kinesis__limit_put(w.limits, STREAM, SHARD + 1, 1));
    assert_true(kinesis__limit_put(w.limits, STREAM + 1, SHARD, 1));
    sim_advance_us(w.sim, SECOND_US / 1000 - 1); /* One record needs a millisecond. */
    assert_false(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    sim_advance_us(w.sim, 2);
    assert_true(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    sim_advance_us(w.sim, SECOND_US / 2);
    assert_int_equal(puts_that_fit(&w, 1000, 1), 500);
    sim_advance_us(w.sim, (i64)100 * SECOND_US); /* No more than a second's worth is saved. */
    assert_int_equal(puts_that_fit(&w, 2000, 1), 1000);
    close_world(&w);
}

static void a_second_has_a_mebibyte(void **state)
{
    (void)state;
    struct world w = open_world();
    assert_int_equal(puts_that_fit(&w, 20, 1 << 17), 8);
    assert_false(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    sim_advance_us(w.sim, SECOND_US);
    assert_true(kinesis__limit_put(w.limits, STREAM, SHARD, 1 << 20));
    assert_false(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    close_world(&w);
}

static void a_large_record_is_paid_off(void **state)
{
    (void)state;
    struct world w = open_world();
    assert_true(kinesis__limit_put(w.limits, STREAM, SHARD, 10 << 20));
    sim_advance_us(w.sim, (i64)9 * SECOND_US);
    assert_false(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    sim_advance_us(w.sim, 2);
    assert_true(kinesis__limit_put(w.limits, STREAM, SHARD, 1));
    close_world(&w);
}

static void five_reads_and_the_pause_after_a_full_answer(void **state)
{
    (void)state;
    struct world w = open_world();
    for (int i = 0; i < 5; i++) {
        assert_true(kinesis__limit_read(w.limits, STREAM, SHARD));
    }
    assert_false(kinesis__limit_read(w.limits, STREAM, SHARD));
    sim_advance_us(w.sim, SECOND_US / 5);
    assert_true(kinesis__limit_read(w.limits, STREAM, SHARD));
    sim_advance_us(w.sim, SECOND_US);
    assert_true(kinesis__limit_read(w.limits, STREAM, SHARD));
    kinesis__limit_read_done(w.limits, STREAM, SHARD, 10 << 20);
    sim_advance_us(w.sim, (i64)5 * SECOND_US);
    assert_false(kinesis__limit_read(w.limits, STREAM, SHARD)); /* Exactly paid, nothing left. */
    sim_advance_us(w.sim, 1);
    assert_true(kinesis__limit_read(w.limits, STREAM, SHARD));
    close_world(&w);
}

static void five_iterators(void **state)
{
    (void)state;
    struct world w = open_world();
    for (int i = 0; i < 5; i++) {
        assert_true(kinesis__limit_iterator(w.limits, STREAM, SHARD));
    }
    assert_false(kinesis__limit_iterator(w.limits, STREAM, SHARD));
    assert_true(kinesis__limit_read(w.limits, STREAM, SHARD)); /* A bucket of its own. */
    close_world(&w);
}

static void calls_at_their_rate(void **state)
{
    (void)state;
    static const i32 rates[] = {1, 5, 20, 1000};
    struct world w = open_world();
    for (isize i = 0; i < COUNT_OF(rates); i++) {
        u64 who = UINT64_MAX - (u64)i;
        for (i32 k = 0; k < rates[i]; k++) {
            assert_true(kinesis__limit_call(w.limits, who, rates[i]));
        }
        assert_false(kinesis__limit_call(w.limits, who, rates[i]));
        sim_advance_us(w.sim, SECOND_US / rates[i]);
        assert_true(kinesis__limit_call(w.limits, who, rates[i]));
        assert_false(kinesis__limit_call(w.limits, who, rates[i]));
    }
    close_world(&w);
}

/* Far more shards than slots; the idle are forgotten, the busy are not. */
static void the_table_grows_and_forgets(void **state)
{
    (void)state;
    enum { SHARDS = 20000 };
    struct world w = open_world();
    for (u32 shard = 0; shard < SHARDS; shard++) {
        assert_true(kinesis__limit_put(w.limits, STREAM, shard, 1 << 20));
    }
    for (u32 shard = 0; shard < SHARDS; shard++) {
        assert_false(kinesis__limit_put(w.limits, STREAM, shard, 1 << 20));
    }
    sim_advance_us(w.sim, (i64)60 * SECOND_US);
    for (u32 shard = 0; shard < SHARDS; shard++) {
        assert_true(kinesis__limit_put(w.limits, STREAM + 1, shard, 1 << 20));
    }
    close_world(&w);
}

static void faults_are_the_same_for_a_seed(void **state)
{
    (void)state;
    struct kinesis_faults wanted;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(kinesis_faults_read(NULL, "10-200", 5, &wanted, &diag), OK);
    struct faults *one = kinesis__faults_new(&wanted);
    struct faults *two = kinesis__faults_new(&wanted);
    u32 least = UINT32_MAX;
    u32 most = 0;
    for (int i = 0; i < 10000; i++) {
        u32 delay = kinesis__fault_delay_ms(one);
        assert_int_equal(delay, kinesis__fault_delay_ms(two));
        least = MIN(least, delay);
        most = MAX(most, delay);
    }
    assert_int_equal(least, 10);
    assert_int_equal(most, 200);
    kinesis__faults_free(one);
    kinesis__faults_free(two);
}

static void fault_options(void **state)
{
    (void)state;
    static const struct {
        const char *rate, *latency, *message, *hint;
    } bad[] = {
        {"1.01", NULL, "0 to 1, not \"1.01\"", "PutRecords=0.1"},
        {"-0.1", NULL, "not \"-0.1\"", ""},
        {"nan", NULL, "not \"nan\"", ""},
        {"", NULL, "not \"\"", ""},
        {"PutRecord=2", NULL, "not \"2\"", ""},
        {"PutRecrds=0.1", NULL, "no operation \"PutRecrds\"", "did you mean PutRecords?"},
        {"PutRecords=0.1,", NULL, "no operation \"\"", ""},
        {NULL, "x", "not \"x\"", "10-200"},
        {NULL, "20-10", "not \"20-10\"", ""},
        {NULL, "60001", "0 to 60000 milliseconds", ""},
        {NULL, "-5", "not \"-5\"", ""},
    };
    struct kinesis_faults wanted;
    struct diag diag;
    for (isize i = 0; i < COUNT_OF(bad); i++) {
        diag_init(&diag);
        assert_int_equal(kinesis_faults_read(bad[i].rate, bad[i].latency, 1, &wanted, &diag),
                         ERR_INVALID);
        assert_non_null(strstr(diag.message, bad[i].message));
        assert_non_null(strstr(diag.hint, bad[i].hint));
    }
    diag_init(&diag);
    assert_int_equal(kinesis_faults_read("PutRecords=0.5,GetRecords=1", "0", 1, &wanted, &diag),
                     OK);
    const struct operation *put = kinesis__find_operation(STR("PutRecords"));
    const struct operation *one = kinesis__find_operation(STR("PutRecord"));
    assert_true(wanted.rates[kinesis__operation_index(put)] == 0.5);
    assert_true(wanted.rates[kinesis__operation_index(one)] == 0);
    assert_int_equal(kinesis_faults_read(NULL, NULL, 1, &wanted, &diag), OK);
    assert_false(wanted.is_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_has_a_thousand_records),
        cmocka_unit_test(a_second_has_a_mebibyte),
        cmocka_unit_test(a_large_record_is_paid_off),
        cmocka_unit_test(five_reads_and_the_pause_after_a_full_answer),
        cmocka_unit_test(five_iterators),
        cmocka_unit_test(calls_at_their_rate),
        cmocka_unit_test(the_table_grows_and_forgets),
        cmocka_unit_test(faults_are_the_same_for_a_seed),
        cmocka_unit_test(fault_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
