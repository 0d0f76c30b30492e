/* Space zeroed ahead of the log's head: what it may take, what becomes of it when a segment ends,
 * and what a disk that has no room for it does to the log, which is nothing. */
#include "log_test_util.h"

#include "log/log_int.h"

#include <inttypes.h>

enum { RESERVE = 4 << 20, SEGMENT = 4 << 20 };

struct world {
    struct sim *sim;
    struct log *log;
    u64 next_id;
};

static void open_log(struct world *w, u64 segment_bytes)
{
    struct log_options options = {
        .dir = "/log", .segment_bytes = segment_bytes, .reserve_bytes = RESERVE};
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log__open_driven(sim_os(w->sim), &options, &w->log, &diag), OK);
}

static void world_open(struct world *w, u64 segment_bytes)
{
    *w = (struct world){.sim = sim_new(5)};
    open_log(w, segment_bytes);
}

static void world_close(struct world *w)
{
    log_close(w->log);
    sim_free(w->sim);
}

static void put(struct world *w, isize bytes)
{
    (void)test_put(w->log, (struct log_channel){1, 0}, w->next_id++, bytes);
}

static u64 file_bytes(struct world *w, u64 segment)
{
    char path[64];
    struct os_stat stat;
    (void)snprintf(path, sizeof path, "/log/%016" PRIx64 ".seg", segment);
    assert_int_equal(os_stat_path(sim_os(w->sim), path, &stat), OK);
    return stat.bytes;
}

static void assert_all_there(struct world *w)
{
    assert_ids_below(w->log, (struct log_channel){1, 0}, w->next_id);
}

static void what_is_kept_free_is_not_zeroed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, SEGMENT);
    sim_set_space(w.sim, RESERVE + LOG__ZERO_AHEAD_BYTES / 2);
    put(&w, 100);
    u64 head = w.log->active->bytes;
    log__zero_once(w.log);
    assert_int_equal(file_bytes(&w, w.log->active->id.segment), head);
    sim_set_space(w.sim, RESERVE + 2 * LOG__ZERO_AHEAD_BYTES);
    put(&w, 100);
    head = w.log->active->bytes;
    log__zero_once(w.log);
    assert_int_equal(file_bytes(&w, w.log->active->id.segment), head + LOG__ZERO_AHEAD_BYTES);
    world_close(&w);
}

/* No room in the first or the second piece, or none for half of it. */
static void no_room_for_zeroes_is_no_reason_to_stop(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct world w;
        world_open(&w, SEGMENT);
        put(&w, 100);
        sim_fail_change(w.sim, 1 + (u64)i / 2, ERR_FULL, false, i % 2 != 0);
        log__zero_once(w.log);
        assert_non_null(sim_failed(w.sim));
        assert_int_equal(w.log->zero.zeroed_end, w.log->active->frames_offset);
        for (int k = 0; k < 8; k++) {
            put(&w, 100 + k * 40000);
        }
        log__zero_once(w.log);
        put(&w, 100);
        log__zero_once(w.log);
        assert_true(w.log->zero.zeroed_end >= w.log->active->bytes + LOG__ZERO_AHEAD_BYTES / 2);
        put(&w, 5000);
        assert_all_there(&w);
        log__abandon(w.log);
        open_log(&w, SEGMENT);
        assert_all_there(&w);
        world_close(&w);
    }
}

static void a_segment_ends_without_its_zeroes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, LOG__ZERO_AHEAD_BYTES);
    for (int i = 0; i < 40; i++) {
        put(&w, 100 + i * 3000);
        log__zero_once(w.log);
    }
    struct log_stats stats;
    log_get_stats(w.log, &stats);
    assert_true(stats.segments > 2);
    for (u32 i = 0; i + 1 < w.log->segment_count; i++) {
        const struct log__segment *segment = w.log->segments[i];
        assert_int_equal(file_bytes(&w, segment->id.segment), segment->bytes);
    }
    assert_all_there(&w);
    log__abandon(w.log);
    open_log(&w, LOG__ZERO_AHEAD_BYTES);
    for (u32 i = 0; i < w.log->segment_count; i++) {
        const struct log__segment *segment = w.log->segments[i];
        assert_int_equal(file_bytes(&w, segment->id.segment), segment->bytes);
    }
    assert_all_there(&w);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_free_is_not_zeroed),
        cmocka_unit_test(no_room_for_zeroes_is_no_reason_to_stop),
        cmocka_unit_test(a_segment_ends_without_its_zeroes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
