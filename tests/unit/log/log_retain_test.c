/* Retention: what is rewritten, what stays as it was, and how much disk it may take. */
#include "log_test_util.h"

#include "log/log_int.h"

#define DAY_US ((i64)86400 * 1000000)

static const struct log_channel keep = {1, 0};
static const struct log_channel drop = {2, 0};

struct policy {
    i64 now_ms, drop_after_ms, keep_after_ms;
    u64 asked_control;
    u64 control_below; /* Control records with smaller numbers are dead. */
};

static bool by_policy(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    struct policy *policy = ctx;
    if (channel.stream == 0) {
        policy->asked_control++;
        return last_no >= policy->control_below;
    }
    i64 age_ms = policy->now_ms - arrival_ms;
    return age_ms < (log_channel_eq(channel, keep) ? policy->keep_after_ms : policy->drop_after_ms);
}

static struct log *open_driven(struct sim *sim, u64 segment_bytes)
{
    struct log_options options = {
        .dir = "/d", .segment_bytes = segment_bytes, .reserve_bytes = 1, .cache_bytes = 1};
    struct log *log = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log__open_driven(sim_os(sim), &options, &log, &diag), OK);
    return log;
}

/* Reads the whole channel by number; returns how many records there were. */
static u64 read_channel(struct log *log, struct log_channel channel, u64 first_id, u64 id_step)
{
    u64 next = 1;
    u64 count = 0;
    struct log_frame *frame;
    while (log_frame_seek(log, channel, next, &frame) == OK) {
        struct log_run run;
        struct log_record record;
        assert_true(log_frame_find(frame, channel, &run));
        log_run_skip(&run, next);
        while (log_run_next(&run, &record)) {
            assert_int_equal(test_id(record.body), first_id + count * id_step);
            count++;
            next = record.no + 1;
        }
        log_frame_unref(frame);
    }
    return count;
}

static void rewriting_changes_no_number(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1);
    struct log *log = open_driven(sim, 64 << 10);
    struct policy policy = {.keep_after_ms = INT64_MAX, .drop_after_ms = INT64_MAX};
    log_set_live(log, by_policy, &policy);
    u64 numbers[40];
    u64 lsns[40];
    i64 arrivals[40];
    struct log_batch *batch = log_batch_new();
    for (u64 i = 0; i < 40; i++) {
        log_batch_reset(batch);
        test_add(batch, drop, 1000 + i, 6000);
        test_add(batch, keep, i, 100);
        test_add(batch, (struct log_channel){0, LOG_CONTROL_ENGINE}, i, 50);
        assert_int_equal(log_commit(log, batch), OK);
        numbers[i] = log_batch_record_no(batch, 1);
        lsns[i] = log_batch_lsn(batch);
        arrivals[i] = log_batch_arrival_ms(batch);
        sim_advance_us(sim, 1000000);
    }
    policy.now_ms = os_wall_us(sim_os(sim)) / 1000;
    policy.drop_after_ms = 0;
    policy.control_below = log_batch_record_no(batch, 0) - 20;
    log_batch_free(batch);
    struct log_stats before;
    struct log_stats after;
    log_get_stats(log, &before);
    assert_int_equal(log_retain_now(log), OK);
    log_get_stats(log, &after);
    assert_true(policy.asked_control > 0);
    assert_true(after.segments < before.segments);
    assert_true(after.disk_bytes < before.disk_bytes / 2);
    for (int round = 0; round < 2; round++) {
        for (u64 i = 0; i < 40; i++) {
            struct log_frame *frame;
            struct log_run run;
            struct log_record record;
            assert_int_equal(log_frame_after(log, lsns[i] - 1, &frame), OK);
            assert_int_equal(log_frame_lsn(frame), lsns[i]);
            assert_int_equal(log_frame_arrival_ms(frame), arrivals[i]);
            assert_true(log_frame_find(frame, keep, &run));
            CHECK(log_run_next(&run, &record));
            assert_int_equal(record.no, numbers[i]);
            assert_int_equal(test_id(record.body), i);
            log_frame_unref(frame);
        }
        assert_int_equal(read_channel(log, keep, 0, 1), 40);
        u64 no;
        assert_int_equal(log_seek_time(log, keep, arrivals[3] + 1, &no), OK);
        assert_int_equal(no, numbers[4]);
        log_close(log);
        log = open_driven(sim, 64 << 10);
    }
    log_close(log);
    sim_free(sim);
}

static void dead_segments_go(void **state)
{
    (void)state;
    struct sim *sim = sim_new(2);
    struct log *log = open_driven(sim, 64 << 10);
    struct policy policy = {.keep_after_ms = INT64_MAX, .drop_after_ms = 0};
    for (u64 i = 0; i < 40; i++) {
        (void)test_put(log, drop, i, 9000);
    }
    u64 tip = log_tip(log);
    policy.now_ms = os_wall_us(sim_os(sim)) / 1000;
    log_set_live(log, by_policy, &policy);
    assert_int_equal(log_retain_now(log), OK);
    struct log_stats stats;
    log_get_stats(log, &stats);
    assert_true(stats.segments <= 2); /* The active one, and one that the swap record filled up. */
    u64 segments = stats.segments;
    assert_true(log_horizon(log) > 1);
    assert_true(log_tip(log) > tip); /* The swap is a record. */
    log_close(log);
    log = open_driven(sim, 64 << 10);
    log_get_stats(log, &stats);
    assert_int_equal(stats.segments, segments);
    log_close(log);
    sim_free(sim);
}

static void restarts_do_not_pile_up(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3);
    u64 most = 0;
    for (u64 i = 0; i < 100; i++) {
        struct log *log = open_driven(sim, 1 << 20);
        (void)test_put(log, keep, i, 300);
        assert_int_equal(log_retain_now(log), OK);
        struct log_stats stats;
        log_get_stats(log, &stats);
        most = MAX(most, stats.segments);
        assert_int_equal(read_channel(log, keep, 0, 1), i + 1);
        if (i % 2 == 0) {
            log_close(log);
        } else {
            log__abandon(log);
        }
    }
    assert_true(most <= 12);
    sim_free(sim);
}

/* One stream of 365 days beside 10 GB a day that live for 24 hours, for two and a half days. Scaled
 * by 256: segments of 256 KiB instead of 64 MiB, 40 MiB a day instead of 10 GiB; records are 1 KiB.
 */
static void the_bound_holds(void **state)
{
    (void)state;
    enum { SEGMENT = 256 << 10, DAY_BYTES = 40 << 20, STEPS_A_DAY = 96, DAYS_X2 = 5 };
    struct sim *sim = sim_new(4);
    struct log *log = open_driven(sim, SEGMENT);
    struct policy policy = {.drop_after_ms = DAY_US / 1000, .keep_after_ms = 365 * (DAY_US / 1000)};
    log_set_live(log, by_policy, &policy);
    struct log_batch *batch = log_batch_new();
    u64 kept = 0;
    u64 day_records = 0;
    u64 recent[STEPS_A_DAY] = {0};
    u64 worst = 0;
    u64 largest = 0;
    for (int step = 0; step < STEPS_A_DAY * DAYS_X2 / 2; step++) {
        u64 bytes = 0;
        while (bytes < DAY_BYTES / STEPS_A_DAY) {
            log_batch_reset(batch);
            for (int i = 0; i < 40; i++) {
                test_add(batch, drop, 0, 1024);
            }
            test_add(batch, keep, kept++, 1024);
            assert_int_equal(log_commit(log, batch), OK);
            bytes += 41 * 1024;
        }
        day_records += bytes / (41 * 1024) * 40 - recent[step % STEPS_A_DAY];
        recent[step % STEPS_A_DAY] = bytes / (41 * 1024) * 40;
        sim_advance_us(sim, DAY_US / STEPS_A_DAY);
        policy.now_ms = os_wall_us(sim_os(sim)) / 1000;
        assert_int_equal(log_retain_now(log), OK);
        struct log_stats stats;
        log_get_stats(log, &stats);
        u64 live = (kept + day_records) * 1024;
        u64 bound = 2 * live + 4 * SEGMENT;
        assert_true(stats.disk_bytes <= bound);
        worst = MAX(worst, stats.disk_bytes * 100 / live);
        largest = MAX(largest, stats.disk_bytes);
    }
    print_message("scaled by 256: most %llu KiB on disk, at most %llu %% of what was live\n",
                  (unsigned long long)largest >> 10, (unsigned long long)worst);
    /* Everything of the daily stream dies; what is left is the other one. */
    sim_advance_us(sim, DAY_US * 2);
    policy.now_ms = os_wall_us(sim_os(sim)) / 1000;
    assert_int_equal(log_retain_now(log), OK);
    assert_int_equal(log_retain_now(log), OK);
    struct log_stats stats;
    log_get_stats(log, &stats);
    assert_true(stats.disk_bytes <= 2 * kept * 1024 + 4 * SEGMENT);
    assert_int_equal(read_channel(log, keep, 0, 1), kept);
    log_batch_free(batch);
    log_close(log);
    sim_free(sim);
}

static void full_disk_recovers_by_itself(void **state)
{
    (void)state;
    struct sim *sim = sim_new(5);
    struct log_options options = {
        .dir = "/d", .segment_bytes = 64 << 10, .reserve_bytes = 256 << 10};
    struct log *log = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log_open(sim_os(sim), &options, &log, &diag), OK);
    (void)test_put(log, keep, 0, 1000);
    sim_set_space(sim, 200 << 10);
    sim_advance_us(sim, 1000000); /* Far from the limit the log asks only now and then. */
    struct log_batch *batch = log_batch_new();
    test_add(batch, keep, 1, 1000);
    assert_int_equal(log_commit(log, batch), ERR_FULL);
    struct log_stats stats;
    log_get_stats(log, &stats);
    assert_true(stats.is_full);
    (void)test_put(log, (struct log_channel){0, LOG_CONTROL_STREAMS}, 2, 100);
    struct log_frame *frame;
    assert_int_equal(log_frame_seek(log, keep, 1, &frame), OK); /* Reading goes on. */
    log_frame_unref(frame);
    sim_set_space(sim, 1 << 20);
    assert_int_equal(log_commit(log, batch), OK);
    log_get_stats(log, &stats);
    assert_false(stats.is_full);
    log_batch_free(batch);
    log_close(log);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewriting_changes_no_number),  cmocka_unit_test(dead_segments_go),
        cmocka_unit_test(restarts_do_not_pile_up),      cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(full_disk_recovers_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
