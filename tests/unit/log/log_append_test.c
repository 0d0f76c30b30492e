/* Appending, reading, seeking, watching, reopening, on real files and in memory. */
#include "log_test_util.h"

#include "os/thread.h"

static const struct log_channel a = {1, 0};
static const struct log_channel b = {1, 7};
static const struct log_channel c = {9, 3};

static void read_one(struct log *log, struct log_channel channel, u64 no, u64 id)
{
    struct log_frame *frame;
    struct log_run run;
    struct log_record record;
    assert_int_equal(log_frame_seek(log, channel, no, &frame), OK);
    assert_true(log_frame_find(frame, channel, &run));
    log_run_skip(&run, no);
    CHECK(log_run_next(&run, &record));
    assert_int_equal(record.no, no);
    assert_int_equal(test_id(record.body), id);
    log_frame_unref(frame);
}

static void append_and_read(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    struct log *log = test_open(os_real(), dir.path, 0);
    assert_int_equal(log_tip(log), 0);
    assert_int_equal(log_horizon(log), 1);
    struct log_frame *frame;
    assert_int_equal(log_frame_after(log, 0, &frame), ERR_END);
    struct log_batch *batch = log_batch_new();
    test_add(batch, b, 1, 100);
    test_add(batch, a, 2, 200);
    test_add(batch, b, 3, 3000);
    assert_int_equal(log_batch_count(batch), 3);
    assert_int_equal(log_batch_bytes(batch), 3300);
    assert_int_equal(log_commit(log, batch), OK);
    assert_int_equal(log_batch_lsn(batch), 1);
    assert_true(log_batch_record_no(batch, 2) == log_batch_record_no(batch, 0) + 1);
    assert_int_equal(log_tip(log), 1);
    assert_int_equal(log_frame_after(log, 0, &frame), OK);
    assert_int_equal(log_frame_run_count(frame), 2);
    assert_true(log_channel_eq(log_frame_run(frame, 0).channel, a));
    assert_int_equal(log_frame_run(frame, 1).count, 2);
    log_frame_unref(frame);
    read_one(log, a, log_batch_record_no(batch, 1), 2);
    read_one(log, b, log_batch_record_no(batch, 0), 1);
    read_one(log, b, log_batch_record_no(batch, 2), 3);
    assert_int_equal(log_frame_seek(log, c, 1, &frame), ERR_END);
    assert_int_equal(log_frame_seek(log, a, log_channel_tip(log, a), &frame), ERR_END);
    log_batch_free(batch);
    log_close(log);
    test_dir_remove(&dir);
}

static void reopens(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    u64 numbers[30];
    u64 lsn = 0;
    for (int round = 0; round < 3; round++) {
        struct log *log = test_open(os_real(), dir.path, 64 << 10);
        assert_int_equal(log_tip(log), lsn);
        for (u64 i = 0; i < 10; i++) {
            u64 id = (u64)round * 10 + i;
            numbers[id] = test_put(log, id % 2 == 0 ? a : b, id, 9000);
            assert_true(id == 0 || numbers[id] > numbers[id - 1]);
        }
        for (u64 id = 0; id < (u64)round * 10 + 10; id++) {
            read_one(log, id % 2 == 0 ? a : b, numbers[id], id);
        }
        struct log_stats stats;
        log_get_stats(log, &stats);
        assert_true(stats.segments > 1);
        assert_int_equal(stats.corrupt_frames, 0);
        lsn = log_tip(log);
        assert_int_equal(lsn, (u64)round * 10 + 10);
        log_close(log);
    }
    test_dir_remove(&dir);
}

static void second_process_is_refused(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    struct log *log = test_open(os_real(), dir.path, 0);
    struct log_options options = {.dir = dir.path};
    struct log *second;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log_open(os_real(), &options, &second, &diag), ERR_IN_USE);
    assert_string_equal(diag.code, "LOG0006");
    log_close(log);
    test_dir_remove(&dir);
}

static void limits(void **state)
{
    (void)state;
    struct log_batch *batch = log_batch_new();
    assert_null(log_batch_reserve(batch, a, LOG_RECORD_BYTES_MAX + 1));
    assert_non_null(log_batch_reserve(batch, a, LOG_RECORD_BYTES_MAX));
    assert_null(log_batch_reserve(batch, a, LOG_BATCH_BYTES_MAX - LOG_RECORD_BYTES_MAX + 1));
    assert_non_null(log_batch_reserve(batch, a, LOG_BATCH_BYTES_MAX - LOG_RECORD_BYTES_MAX));
    log_batch_trim(batch, 10);
    assert_int_equal(log_batch_bytes(batch), LOG_RECORD_BYTES_MAX + 10);
    log_batch_reset(batch);
    for (u32 i = 0; i < 10000; i++) {
        test_add(batch, (struct log_channel){5, 9999 - i}, i, 20);
    }
    struct test_dir dir;
    test_dir_make(&dir);
    struct log *log = test_open(os_real(), dir.path, 0);
    assert_int_equal(log_commit(log, batch), OK);
    struct log_frame *frame;
    assert_int_equal(log_frame_after(log, 0, &frame), OK);
    assert_int_equal(log_frame_run_count(frame), 10000);
    struct log_run run;
    struct log_record record;
    for (u32 i = 0; i < 10000; i++) {
        assert_true(log_frame_find(frame, (struct log_channel){5, 9999 - i}, &run));
        CHECK(log_run_next(&run, &record));
        assert_int_equal(test_id(record.body), i);
        assert_int_equal(record.no, log_batch_record_no(batch, (isize)i));
    }
    log_frame_unref(frame);
    log_batch_free(batch);
    log_close(log);
    test_dir_remove(&dir);
}

/* Frames lie in memory of twice their size: what they do not touch of it takes no room from others.
 */
static void the_cache_counts_what_is_used(void **state)
{
    (void)state;
    enum { FRAMES = 60, RECORD_BYTES = 260 << 10, KEPT_MIN = 54, KEPT_MAX = 62 };
    struct test_dir dir;
    test_dir_make(&dir);
    struct log *log = test_open(os_real(), dir.path, 0);
    struct log_batch *batch = log_batch_new();
    for (u64 i = 1; i <= (u64)2 * FRAMES; i++) {
        log_batch_reset(batch);
        test_add(batch, a, i, RECORD_BYTES);
        assert_int_equal(log_commit(log, batch), OK);
    }
    u64 kept = (u64)2 * FRAMES + 1 - log_recent_no(log);
    assert_true(kept >= KEPT_MIN); /* Of 16 MiB. */
    assert_true(kept <= KEPT_MAX);
    read_one(log, a, log_recent_no(log), log_recent_no(log));
    struct log_frame *frame;
    assert_int_equal(log_frame_after(log, log_tip(log) - 1, &frame), OK);
    assert_int_equal(log_frame_held_bytes(frame), 0); /* The cache has it too. */
    log_frame_unref(frame);
    assert_int_equal(log_frame_after(log, 0, &frame), OK);
    assert_true(log_frame_held_bytes(frame) >= RECORD_BYTES);
    log_frame_unref(frame);
    log_batch_free(batch);
    log_close(log);
    test_dir_remove(&dir);
}

static struct log_frame *frame_of(struct log *log, u64 lsn)
{
    struct log_frame *frame = NULL;
    assert_int_equal(log_frame_after(log, lsn - 1, &frame), OK);
    return frame;
}

static void let_go(struct log_frame *frame)
{
    log_frame_unpin(frame);
    log_frame_unref(frame);
}

/* A frame that is pinned is counted once, and only while it is not among the recent ones. */
static void pinned_frames_are_counted(void **state)
{
    (void)state;
    enum { RECORD_BYTES = 100 << 10, FRAMES = 8 };
    struct test_dir dir;
    test_dir_make(&dir);
    struct budget pinned = {0};
    struct log_options options = {
        .dir = dir.path, .reserve_bytes = 1, .cache_bytes = 1, .pinned = &pinned};
    struct diag diag = {0};
    struct log *log = NULL;
    assert_int_equal(log_open(os_real(), &options, &log, &diag), OK);
    test_put(log, a, 1, RECORD_BYTES);
    struct log_frame *one = frame_of(log, log_tip(log)), *again = frame_of(log, log_tip(log));
    assert_ptr_equal(one, again);
    log_frame_pin(one);
    log_frame_pin(again);
    assert_int_equal(budget_bytes(&pinned), 0);
    test_put(log, a, 2, RECORD_BYTES); /* It is not the newest any more. */
    isize bytes = budget_bytes(&pinned);
    assert_true(bytes >= RECORD_BYTES);
    assert_true(bytes < 2 * RECORD_BYTES);
    let_go(one);
    assert_int_equal(budget_bytes(&pinned), bytes);
    let_go(again);
    assert_int_equal(budget_bytes(&pinned), 0);
    for (u64 i = 3; i < FRAMES; i++) {
        test_put(log, a, i, RECORD_BYTES);
    }
    /* From the disk, each time another one. */
    u64 old = log_tip(log) - 3;
    one = frame_of(log, old);
    again = frame_of(log, old);
    log_frame_pin(one);
    log_frame_pin(again);
    assert_int_equal(budget_bytes(&pinned),
                     log_frame_held_bytes(one) + log_frame_held_bytes(again));
    let_go(one);
    let_go(again);
    struct log_frame *unpinned = frame_of(log, log_tip(log));
    test_put(log, a, FRAMES, RECORD_BYTES);
    assert_int_equal(budget_bytes(&pinned), 0);
    log_frame_unref(unpinned);
    log_close(log);
    assert_int_equal(budget_bytes(&pinned), 0);
    test_dir_remove(&dir);
}

struct watched {
    u64 frames, done;
};

static void on_frame(void *ctx, const struct log_frame *frame)
{
    struct watched *watched = ctx;
    watched->frames++;
    assert_int_equal(log_frame_lsn(frame), watched->frames);
}

static void on_done(struct log_batch *batch, err e, void *ctx)
{
    struct watched *watched = ctx;
    assert_int_equal(e, OK);
    assert_true(log_batch_lsn(batch) <= watched->frames); /* Published before completed. */
    __atomic_fetch_add(&watched->done, 1, __ATOMIC_RELEASE);
    log_batch_free(batch);
}

static void groups_and_watches(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    struct log *log = test_open(os_real(), dir.path, 0);
    struct watched watched = {0, 0};
    int id = log_watch(log, on_frame, &watched);
    for (u64 i = 0; i < 500; i++) {
        struct log_batch *batch = log_batch_new();
        test_add(batch, i % 3 == 0 ? a : b, i, 50);
        log_submit(log, batch, on_done, &watched);
    }
    while (__atomic_load_n(&watched.done, __ATOMIC_ACQUIRE) < 500) {
        os_sleep_ms(os_real(), 1);
    }
    log_unwatch(log, id);
    assert_true(watched.frames < 500); /* Several batches share a frame. */
    u64 expected[2] = {0, 1};
    struct log_frame *frame;
    u64 seen = 0;
    for (u64 lsn = 0; log_frame_after(log, lsn, &frame) == OK; lsn++) {
        for (isize i = 0; i < log_frame_run_count(frame); i++) {
            struct log_run run = log_frame_run(frame, i);
            struct log_record record;
            u64 *next = &expected[log_channel_eq(run.channel, b) ? 1 : 0];
            while (log_run_next(&run, &record)) {
                assert_int_equal(test_id(record.body), *next);
                *next += next == &expected[0] ? 3 : (*next % 3 == 1 ? 1 : 2);
                seen++;
            }
        }
        log_frame_unref(frame);
    }
    assert_int_equal(seen, 500);
    log_close(log);
    test_dir_remove(&dir);
}

static void seeks_by_time(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1);
    struct log *log = test_open(sim_os(sim), "/d", 32 << 10);
    u64 numbers[20];
    i64 start_ms = os_wall_us(sim_os(sim)) / 1000;
    for (u64 i = 0; i < 20; i++) {
        numbers[i] = test_put(log, i % 2 == 0 ? a : b, i, 3000);
        sim_advance_us(sim, 10000);
    }
    u64 no;
    for (u64 i = 0; i < 20; i += 2) {
        assert_int_equal(log_seek_time(log, a, start_ms + (i64)i * 10, &no), OK);
        assert_int_equal(no, numbers[i]);
        assert_int_equal(log_seek_time(log, a, start_ms + (i64)i * 10 - 15, &no), OK);
        assert_int_equal(no, numbers[i == 0 ? 0 : i]);
    }
    assert_int_equal(log_seek_time(log, a, start_ms + 1000, &no), OK);
    assert_int_equal(no, numbers[18] + 1);
    sim_advance_us(sim, -1000000000); /* The wall clock goes back: arrival does not. */
    (void)test_put(log, a, 20, 100);
    assert_int_equal(log_seek_time(log, a, start_ms + 190, &no), OK);
    assert_int_equal(no, numbers[19] + 1);
    log_close(log);
    sim_free(sim);
}

static void memory_and_os(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    for (int mode = LOG_OS; mode <= LOG_MEMORY; mode++) {
        struct log_options options = {
            .dir = dir.path, .durability = (enum log_durability)mode, .segment_bytes = 64 << 10};
        struct log *log = NULL;
        struct diag diag;
        diag_init(&diag);
        assert_int_equal(log_open(os_real(), &options, &log, &diag), OK);
        u64 numbers[40];
        for (u64 i = 0; i < 40; i++) {
            numbers[i] = test_put(log, a, i, 5000);
        }
        for (u64 i = 0; i < 40; i++) {
            read_one(log, a, numbers[i], i);
        }
        log_close(log);
    }
    test_dir_remove(&dir);
}

static void batches_are_reusable(void **state)
{
    (void)state;
    struct log_batch *batch = log_batch_new();
    test_add(batch, a, 1, 10);
    log_batch_reset(batch);
    assert_int_equal(log_batch_count(batch), 0);
    assert_int_equal(log_batch_bytes(batch), 0);
    assert_int_equal(log_batch_add(batch, a, STR("hello")), OK);
    log_batch_free(batch);
    log_batch_free(NULL);
    log_frame_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_and_read),
        cmocka_unit_test(reopens),
        cmocka_unit_test(second_process_is_refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(the_cache_counts_what_is_used),
        cmocka_unit_test(pinned_frames_are_counted),
        cmocka_unit_test(groups_and_watches),
        cmocka_unit_test(seeks_by_time),
        cmocka_unit_test(memory_and_os),
        cmocka_unit_test(batches_are_reusable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
