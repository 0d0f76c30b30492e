/* Writers, readers and retention at the same time, on small segments: made for the race detector.
 */
#include "log_test_util.h"

#include "os/thread.h"

enum { WRITERS = 2, READERS = 2, ROUNDS = 400, KEPT_NUMBERS = 300 };

struct shared {
    struct log *log;
    u64 newest_no;
    bool is_over;
};

struct actor {
    struct shared *shared;
    struct os_thread thread;
    u32 index;
    u64 read;
};

static bool only_new(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)arrival_ms;
    struct shared *shared = ctx;
    bool is_kept_long = channel.stream == 0 || channel.shard == 1;
    return is_kept_long ||
           last_no + KEPT_NUMBERS > __atomic_load_n(&shared->newest_no, __ATOMIC_RELAXED);
}

static void write_all(void *ctx)
{
    struct actor *actor = ctx;
    struct log_batch *batch = log_batch_new();
    for (u64 i = 0; i < ROUNDS; i++) {
        log_batch_reset(batch);
        test_add(batch, (struct log_channel){1 + actor->index, 0}, i, 900);
        test_add(batch, (struct log_channel){1 + actor->index, 1}, i, 40);
        assert_int_equal(log_commit(actor->shared->log, batch), OK);
        __atomic_store_n(&actor->shared->newest_no, log_batch_record_no(batch, 1),
                         __ATOMIC_RELAXED);
    }
    log_batch_free(batch);
}

/* Follows the long-lived channel of a writer: every record, once, in order. */
static void read_all(void *ctx)
{
    struct actor *actor = ctx;
    struct log *log = actor->shared->log;
    struct log_channel channel = {1 + actor->index, 1};
    u64 next = 1;
    while (actor->read < ROUNDS) {
        struct log_frame *frame;
        err e = log_frame_seek(log, channel, next, &frame);
        if (e == ERR_END) {
            os_sleep_ms(os_real(), 1);
            continue;
        }
        assert_int_equal(e, OK);
        struct log_run run;
        struct log_record record;
        assert_true(log_frame_find(frame, channel, &run));
        log_run_skip(&run, next);
        while (log_run_next(&run, &record)) {
            assert_int_equal(test_id(record.body), actor->read);
            actor->read++;
            next = record.no + 1;
        }
        log_frame_unref(frame);
        u64 no;
        assert_int_equal(log_seek_time(log, channel, 0, &no), OK);
    }
}

/* Follows the whole log by LSN. */
static void scan_all(void *ctx)
{
    struct actor *actor = ctx;
    struct log *log = actor->shared->log;
    u64 lsn = 0;
    while (!__atomic_load_n(&actor->shared->is_over, __ATOMIC_ACQUIRE) || lsn < log_tip(log)) {
        struct log_frame *frame;
        err e = log_frame_after(log, lsn, &frame);
        if (e == OK) {
            assert_true(log_frame_lsn(frame) > lsn);
            lsn = log_frame_lsn(frame);
            actor->read++;
            log_frame_unref(frame);
        } else {
            assert_int_equal(e, ERR_END);
            os_sleep_ms(os_real(), 1);
        }
        assert_true(log_horizon(log) <= log_tip(log) + 1);
    }
}

static void all_at_once(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    struct log_options options = {
        .dir = dir.path, .segment_bytes = 128 << 10, .reserve_bytes = 1, .cache_bytes = 16 << 10};
    struct shared shared = {.newest_no = 0};
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log_open(os_real(), &options, &shared.log, &diag), OK);
    log_set_live(shared.log, only_new, &shared);
    struct actor writers[WRITERS];
    struct actor readers[READERS];
    struct actor scanner = {.shared = &shared};
    for (u32 i = 0; i < WRITERS; i++) {
        writers[i] = (struct actor){.shared = &shared, .index = i};
        os_thread_start(&writers[i].thread, "writer", write_all, &writers[i]);
    }
    for (u32 i = 0; i < READERS; i++) {
        readers[i] = (struct actor){.shared = &shared, .index = i};
        os_thread_start(&readers[i].thread, "reader", read_all, &readers[i]);
    }
    os_thread_start(&scanner.thread, "scanner", scan_all, &scanner);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(log_retain_now(shared.log), OK);
        os_sleep_ms(os_real(), 2);
    }
    for (u32 i = 0; i < WRITERS; i++) {
        os_thread_join(&writers[i].thread);
    }
    __atomic_store_n(&shared.is_over, true, __ATOMIC_RELEASE);
    for (u32 i = 0; i < READERS; i++) {
        os_thread_join(&readers[i].thread);
        assert_int_equal(readers[i].read, ROUNDS);
    }
    os_thread_join(&scanner.thread);
    assert_true(scanner.read > 0);
    struct log_stats stats;
    log_get_stats(shared.log, &stats);
    assert_int_equal(stats.corrupt_frames, 0);
    log_close(shared.log);
    test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
