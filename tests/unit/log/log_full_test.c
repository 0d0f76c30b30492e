/* A disk that has no room at one step of a commit, though free space looked good: the batches are
 * refused, may be submitted again as they are, and nothing of them is there. */
#include "log_test_util.h"

#include "log/log_int.h"

enum { SEGMENT = 64 << 10, CHANNELS = 3, RECORDS = 20 };
static const struct log_channel a = {1, 0};

struct world {
    struct sim *sim;
    struct log *log;
    u64 acknowledged;
};

static void open_log(struct world *w)
{
    struct log_options options = {.dir = "/log", .segment_bytes = SEGMENT, .reserve_bytes = 1};
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log__open_driven(sim_os(w->sim), &options, &w->log, &diag), OK);
}

static void world_open(struct world *w)
{
    *w = (struct world){.sim = sim_new(5)};
    open_log(w);
}

static void world_close(struct world *w)
{
    log_close(w->log);
    sim_free(w->sim);
}

static err put(struct world *w, isize bytes)
{
    struct log_batch *batch = log_batch_new();
    test_add(batch, a, w->acknowledged, bytes);
    err e = log_commit(w->log, batch);
    w->acknowledged += e == OK ? 1 : 0;
    log_batch_free(batch);
    sim_advance_us(w->sim, 1000000);
    return e;
}

static void assert_all_there(struct world *w)
{
    assert_ids_below(w->log, a, w->acknowledged);
}

static bool count_unfinished(void *ctx, const char *name)
{
    *(int *)ctx += str_ends(str_of(name), STR(".new")) || str_ends(str_of(name), STR(".tmp"));
    return true;
}

/* The steps from one segment to the next, but for syncs. */
static void no_room_at_any_step(void **state)
{
    (void)state;
    static const u8 steps[] = {1, 2, 4, 5, 7, 9, 10, 12, 14};
    struct world w;
    world_open(&w);
    for (int i = 0; i < COUNT_OF(steps); i++) {
        assert_int_equal(put(&w, SEGMENT), OK);
        sim_fail_change(w.sim, steps[i], ERR_FULL, false, i % 2 == 0);
        assert_int_equal(put(&w, 5000), ERR_FULL);
        assert_non_null(sim_failed(w.sim));
        int unfinished = 0;
        assert_int_equal(os_list(sim_os(w.sim), "/log", count_unfinished, &unfinished), OK);
        assert_int_equal(unfinished, 0);
        assert_all_there(&w);
        assert_int_equal(put(&w, 5000), OK);
        assert_true(w.log->active->is_named);
        assert_all_there(&w); /* Over the gap in the LSNs, from memory. */
    }
    struct sim *disk = w.sim;
    w.sim = sim_clone(disk);
    struct log *log = w.log;
    open_log(&w); /* As after kill -9. */
    assert_all_there(&w);
    world_close(&w);
    w.log = log;
    w.sim = disk;
    world_close(&w);
}

static void assert_numbers(const struct log_batch *batch)
{
    u64 last[CHANNELS] = {0};
    for (isize i = 0; i < log_batch_count(batch); i++) {
        u64 no = log_batch_record_no(batch, i);
        assert_true(no > last[i % CHANNELS]);
        last[i % CHANNELS] = no;
    }
}

/* Its records stand in turn in three channels. */
static void a_refused_batch_is_as_it_was(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct log_batch *batch = log_batch_new();
    for (u32 i = 0; i < RECORDS; i++) {
        test_add(batch, (struct log_channel){2, i % CHANNELS}, i, 100 + (isize)i);
    }
    for (int i = 0; i < 3; i++) {
        sim_fail_change(w.sim, 1, ERR_FULL, false, false);
        assert_int_equal(log_commit(w.log, batch), ERR_FULL);
        sim_advance_us(w.sim, 1000000);
        for (u32 k = 0; k < RECORDS; k++) {
            str body;
            struct log_channel channel = log_batch_record(batch, k, &body);
            assert_int_equal(channel.shard, k % CHANNELS);
            assert_int_equal(test_id(body), k);
        }
    }
    assert_int_equal(log_commit(w.log, batch), OK);
    assert_numbers(batch);
    for (u32 channel = 0; channel < CHANNELS; channel++) {
        struct log_frame *frame;
        struct log_run run;
        struct log_record record;
        assert_int_equal(log_frame_seek(w.log, (struct log_channel){2, channel}, 0, &frame), OK);
        assert_true(log_frame_find(frame, (struct log_channel){2, channel}, &run));
        u64 id = channel;
        for (; log_run_next(&run, &record); id += CHANNELS) {
            assert_int_equal(test_id(record.body), id);
        }
        assert_true(id >= RECORDS);
        log_frame_unref(frame);
    }
    log_batch_free(batch);
    world_close(&w);
}

static bool count_stale(void *ctx, struct log_batch *batch)
{
    (void)batch;
    (*(int *)ctx)++;
    return true;
}

static err commit_at(struct world *w, u64 noted, u64 raises_to)
{
    struct log_batch *batch = log_batch_new();
    test_add(batch, a, 0, 100);
    log_batch_note_epoch(batch, noted);
    if (raises_to > 0) {
        log_batch_raise_epoch(batch, raises_to);
    }
    err e = log_commit(w->log, batch);
    sim_advance_us(w->sim, 1000000);
    log_batch_free(batch);
    return e;
}

static void a_refused_epoch_does_not_begin(void **state)
{
    (void)state;
    struct world w;
    int stale = 0;
    world_open(&w);
    log_set_stale(w.log, count_stale, &stale);
    sim_fail_change(w.sim, 1, ERR_FULL, false, true);
    assert_int_equal(commit_at(&w, 1, 2), ERR_FULL);
    assert_int_equal(commit_at(&w, 1, 0), OK);
    assert_int_equal(stale, 0);
    assert_int_equal(commit_at(&w, 1, 2), OK);
    assert_int_equal(commit_at(&w, 1, 0), OK);
    assert_int_equal(stale, 1);
    world_close(&w);
}

/* Whatever free space says, a log that found no room lets a moment pass, and control records too.
 */
static void no_room_is_believed_for_a_while(void **state)
{
    (void)state;
    struct world w;
    struct log_stats stats;
    world_open(&w);
    assert_int_equal(put(&w, 100), OK);
    sim_fail_change(w.sim, 1, ERR_FULL, false, false);
    u64 before = sim_changes(w.sim);
    struct log_batch *batch = log_batch_new();
    test_add(batch, a, w.acknowledged, 100);
    assert_int_equal(log_commit(w.log, batch), ERR_FULL);
    assert_int_equal(log_commit(w.log, batch), ERR_FULL);
    log_get_stats(w.log, &stats);
    assert_true(stats.is_full);
    assert_int_equal(sim_changes(w.sim) - before, 3); /* A write, the cut, its sync. */
    sim_advance_us(w.sim, 99000);
    assert_int_equal(log_commit(w.log, batch), ERR_FULL);
    sim_advance_us(w.sim, 2000);
    assert_int_equal(log_commit(w.log, batch), OK);
    w.acknowledged++;
    assert_int_equal(put(&w, 100), OK);
    log_get_stats(w.log, &stats);
    assert_false(stats.is_full);
    assert_all_there(&w);
    log_batch_free(batch);
    world_close(&w);
}

/* Half of the index is written: the next start makes it anew. */
static void no_room_to_close(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    assert_int_equal(put(&w, 5000), OK);
    sim_fail_change(w.sim, 1, ERR_FULL, true, true);
    log_close(w.log);
    sim_fail_change(w.sim, 0, OK, false, false);
    open_log(&w);
    assert_all_there(&w);
    assert_int_equal(put(&w, 5000), OK);
    assert_all_there(&w);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_room_at_any_step),
        cmocka_unit_test(a_refused_batch_is_as_it_was),
        cmocka_unit_test(a_refused_epoch_does_not_begin),
        cmocka_unit_test(no_room_is_believed_for_a_while),
        cmocka_unit_test(no_room_to_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
