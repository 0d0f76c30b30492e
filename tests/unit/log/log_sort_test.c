/* tests/unit/log/log_sort_test.c: the order of runs in a frame, and what is known by channel,
 * each against the plain way. */
#include "base/rng.h"
#include "log/log_int.h"
#include "log_test_util.h"

/* --- the sort ------------------------------------------------------------------------------- */

enum { ITEMS_MAX = 5000 };

/* Channels as logs have them: of one stream, of many, control, and any two numbers. */
static u64 random_key(struct rng *rng, int kind)
{
    u64 shard = rng_below(rng, 10000);
    switch (kind) {
    case 0:
        return (u64)7 << 32 | shard;
    case 1:
        return rng_below(rng, 1000) << 32;
    case 2:
        return rng_below(rng, 3) << 32 | (shard & 3);
    default:
        return rng_next(rng);
    }
}

static void sorts_as_insertion_does(void **state)
{
    (void)state;
    static struct log__sort_item items[ITEMS_MAX], spare[ITEMS_MAX];
    static struct log__batch_run runs[ITEMS_MAX];
    static const isize counts[] = {0, 1, 2, 47, 48, 49, 300, ITEMS_MAX};
    struct rng rng;
    rng_init(&rng, 20261127);
    for (int round = 0; round < 4 * 8; round++) {
        isize count = counts[round / 4];
        for (isize i = 0; i < count; i++) {
            items[i] = (struct log__sort_item){random_key(&rng, round % 4), &runs[i]};
        }
        u64 sum = 0;
        for (isize i = 0; i < count; i++) {
            sum += items[i].key * (u64)(items[i].run - runs + 1);
        }
        const struct log__sort_item *sorted = log__sort(items, spare, count);
        for (isize i = 0; i < count; i++) {
            sum -= sorted[i].key * (u64)(sorted[i].run - runs + 1);
            if (i > 0) {
                assert_true(sorted[i - 1].key < sorted[i].key ||
                            (sorted[i - 1].key == sorted[i].key &&
                             sorted[i - 1].run < sorted[i].run)); /* Stable. */
            }
        }
        assert_int_equal(sum, 0); /* The same items. */
    }
}

/* --- the map -------------------------------------------------------------------------------- */

static void a_map_finds_what_was_put(void **state)
{
    (void)state;
    enum { STREAMS = 40, SHARDS = 300 };
    static u64 plain[STREAMS][SHARDS];
    struct log__map map = {0};
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 20000; i++) {
        u32 stream = (u32)rng_below(&rng, STREAMS);
        u32 shard = (u32)rng_below(&rng, SHARDS);
        if (stream % 3 == 0 && shard % 16 != 0) {
            continue; /* Holes in blocks, and blocks without anything. */
        }
        u64 *value = log__map_put(&map, (struct log_channel){stream, shard});
        assert_int_equal(*value, plain[stream][shard]);
        *value = plain[stream][shard] = (u64)i + 1;
    }
    for (u32 stream = 0; stream < STREAMS; stream++) {
        for (u32 shard = 0; shard < SHARDS; shard++) {
            const u64 *value = log__map_find(&map, (struct log_channel){stream, shard});
            assert_int_equal(value == NULL ? 0 : *value, plain[stream][shard]);
        }
    }
    assert_null(log__map_find(&map, (struct log_channel){STREAMS + 1, 0}));
    u64 *last = log__map_put(&map, (struct log_channel){UINT32_MAX, UINT32_MAX});
    *last = 9;
    assert_int_equal(*log__map_find(&map, (struct log_channel){UINT32_MAX, UINT32_MAX}), 9);
    log__map_deinit(&map);
}

/* --- frames of many channels ---------------------------------------------------------------- */

enum { CHANNELS = 600 };

struct expected {
    u64 newest[CHANNELS]; /* Record number; 0 = none. */
    u32 records[CHANNELS];
};

static struct log_channel channel_of(u32 i)
{
    return (struct log_channel){1 + i % 3, i / 3};
}

static void done(struct log_batch *batch, err e, void *ctx)
{
    (void)batch;
    (void)ctx;
    assert_int_equal(e, OK);
}

/* A frame of two batches with records of up to 500 channels; each record says its channel and how
 * many there were of it before. */
static void put_frame(struct log *log, struct rng *rng, struct expected *expected)
{
    struct log_batch *batches[2];
    u32 channels[2][250];
    u32 next[CHANNELS];
    memcpy(next, expected->records, sizeof next);
    for (int b = 0; b < 2; b++) {
        batches[b] = log_batch_new();
        for (int i = 0; i < 250; i++) {
            u32 c = channels[b][i] = (u32)rng_below(rng, CHANNELS);
            u8 body[600] = {0};
            put_u32(body, c);
            put_u32(body + 4, next[c]++);
            str record = str_from(body, 8 + (isize)rng_below(rng, sizeof body - 8));
            assert_int_equal(log_batch_add(batches[b], channel_of(c), record), OK);
        }
    }
    log_submit(log, batches[0], done, NULL);
    log_submit(log, batches[1], done, NULL);
    assert_true(log__commit_once(log));
    assert_int_equal(log_batch_lsn(batches[0]), log_batch_lsn(batches[1]));
    for (int b = 0; b < 2; b++) {
        for (int i = 0; i < 250; i++) {
            u32 c = channels[b][i];
            u64 no = log_batch_record_no(batches[b], i);
            assert_true(no > expected->newest[c]);
            expected->newest[c] = no;
            expected->records[c]++;
        }
        log_batch_free(batches[b]);
    }
}

static void check_channel(struct log *log, const struct expected *expected, u32 c)
{
    struct log_channel channel = channel_of(c);
    u32 seen = 0;
    u64 no = 0;
    struct log_frame *frame;
    while (log_frame_seek(log, channel, no, &frame) == OK) {
        struct log_run run;
        struct log_record record;
        assert_true(log_frame_find(frame, channel, &run));
        log_run_skip(&run, no);
        while (log_run_next(&run, &record)) {
            assert_int_equal(get_u32(record.body.data), c);
            assert_int_equal(get_u32(record.body.data + 4), seen);
            seen++;
            no = record.no + 1;
        }
        log_frame_unref(frame);
    }
    assert_int_equal(seen, expected->records[c]);
    if (seen > 0) {
        assert_int_equal(log_channel_tip(log, channel), expected->newest[c] + 1);
    }
}

/* Order within a channel, numbers and tips, in the active segment and behind several sealed. */
static void many_channels_keep_their_order(void **state)
{
    (void)state;
    struct test_dir dir;
    test_dir_make(&dir);
    struct log_options options = {.dir = dir.path, .segment_bytes = 1 << 20, .reserve_bytes = 1};
    struct log *log = NULL;
    assert_int_equal(log__open_driven(os_real(), &options, &log, NULL), OK);
    static struct expected expected;
    struct rng rng;
    rng_init(&rng, 3);
    for (int round = 0; round < 25; round++) {
        put_frame(log, &rng, &expected);
        for (u32 c = (u32)round; c < CHANNELS; c += 29) {
            check_channel(log, &expected, c);
        }
    }
    struct log_stats stats;
    log_get_stats(log, &stats);
    assert_true(stats.segments > 2);
    for (u32 c = 0; c < CHANNELS; c++) {
        check_channel(log, &expected, c);
    }
    assert_int_equal(log_channel_tip(log, (struct log_channel){9, 0}), 1); /* As at open. */
    log_close(log);
    test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_as_insertion_does),
        cmocka_unit_test(a_map_finds_what_was_put),
        cmocka_unit_test(many_channels_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
