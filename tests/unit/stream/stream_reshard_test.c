/* Splits, merges and scaling: lineage, limits, restart, and batches that a reshard overtakes. */
#include "stream_result.h"

#include "stream/stream_int.h"

static const u128 max_hash = ~(u128)0;
static const u128 middle = (u128)1 << 127;
static const struct stream_read_limits no_limits = {.rows_max = 10000, .bytes_max = 10 << 20};

static struct stream_shard shard_of(struct stream *stream, u32 index)
{
    struct stream_shard shard;
    assert_true(stream_find_shard(stream, index, &shard));
    return shard;
}

static isize count_rows(struct stream *stream, u32 shard, bool *at_end_out)
{
    struct stream_page *page = NULL;
    u64 next = 0;
    i64 behind = 0;
    assert_int_equal(stream_read(stream, shard, 1, &no_limits, &page, &next, &behind), OK);
    isize count = stream_page_count(page);
    *at_end_out = stream_page_at_end(page);
    stream_page_free(page);
    return count;
}

static void check_split_then_merged(struct stream *stream)
{
    struct stream_shard root = shard_of(stream, 0);
    struct stream_shard low = shard_of(stream, 1);
    struct stream_shard high = shard_of(stream, 2);
    struct stream_shard last = shard_of(stream, 3);
    assert_true(root.closed_ms != 0 && low.closed_ms != 0 && high.closed_ms != 0);
    assert_true(last.closed_ms == 0);
    assert_true(low.hash_first == 0 && low.hash_last == middle - 1);
    assert_true(high.hash_first == middle && high.hash_last == max_hash);
    assert_true(last.hash_first == 0 && last.hash_last == max_hash);
    assert_true(low.parent == 0 && low.adjacent_parent == -1);
    assert_true(high.parent == 0 && high.adjacent_parent == -1);
    assert_true(last.parent == 1 && last.adjacent_parent == 2);
    assert_true(low.created_ms == root.closed_ms + STREAM_CHILD_DELAY_MS);
    assert_true(last.created_ms >= low.closed_ms + STREAM_CHILD_DELAY_MS);
    assert_true(strcmp(root.ending_sequence, low.starting_sequence) < 0);
    assert_true(strcmp(high.ending_sequence, last.starting_sequence) < 0);
    struct stream_sequence end;
    assert_int_equal(stream_sequence_parse(str_of(root.ending_sequence), &end), OK);
    assert_true(end.index == INT64_MAX);
    struct stream_shard children[2];
    assert_int_equal(stream_find_children(stream, 0, children), 2);
    assert_true(children[0].index == 1 && children[1].index == 2);
    assert_int_equal(stream_find_children(stream, 2, children), 1);
    assert_int_equal(children[0].index, 3);
    assert_int_equal(stream_find_children(stream, 3, children), 0);
    struct stream_info info;
    stream_get_info(stream, &info);
    assert_int_equal(info.shard_count, 4);
    assert_int_equal(info.open_shard_count, 1);
    assert_int_equal(info.status, STREAM_ACTIVE);
}

static void lineage_survives_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    assert_int_equal(put_one(fixture, stream, STR("k"), STR("0")), 0);
    assert_int_equal(stream_split_wait(stream, 0, middle), OK);
    u32 child = put_one(fixture, stream, STR("k"), STR("1"));
    assert_true(child == 1 || child == 2);
    assert_int_equal(stream_merge_wait(stream, 1, 2), OK);
    assert_int_equal(put_one(fixture, stream, STR("k"), STR("2")), 3);
    check_split_then_merged(stream);
    struct stream_shard before = shard_of(stream, 3);
    stream_unref(stream);

    fixture_reopen(fixture);
    stream = streams_find(fixture->streams, id_of("alpha"));
    assert_non_null(stream);
    check_split_then_merged(stream);
    assert_string_equal(shard_of(stream, 3).starting_sequence, before.starting_sequence);
    bool at_end = false;
    assert_int_equal(count_rows(stream, 0, &at_end), 1);
    assert_true(at_end);
    assert_int_equal(count_rows(stream, child, &at_end), 1);
    assert_true(at_end);
    assert_int_equal(count_rows(stream, 3 - child, &at_end), 0);
    assert_true(at_end);
    assert_int_equal(count_rows(stream, 3, &at_end), 1);
    assert_false(at_end);
    assert_int_equal(put_one(fixture, stream, STR("k"), STR("3")), 3);
    stream_unref(stream);
}

static void what_cannot_be_resharded_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 2);
    assert_int_equal(stream_split_wait(stream, 0, 1), ERR_INVALID);
    assert_int_equal(stream_split_wait(stream, 0, middle - 1), ERR_INVALID);
    assert_int_equal(stream_split_wait(stream, 0, middle + 5), ERR_INVALID);
    assert_int_equal(stream_split_wait(stream, 7, middle), ERR_END);
    assert_int_equal(stream_merge_wait(stream, 1, 0), ERR_INVALID);
    assert_int_equal(stream_merge_wait(stream, 0, 0), ERR_INVALID);
    assert_int_equal(stream_merge_wait(stream, 0, 2), ERR_END);
    assert_int_equal(stream_merge_wait(stream, 0, 1), OK);
    assert_int_equal(stream_split_wait(stream, 0, 5), ERR_CLOSED);
    assert_int_equal(stream_merge_wait(stream, 0, 1), ERR_CLOSED);
    struct stream_spec spec = {.id = id_of("beta"), .mode = STREAM_ON_DEMAND};
    assert_int_equal(stream_create_wait(fixture->streams, &spec), OK);
    struct stream *on_demand = streams_find(fixture->streams, spec.id);
    assert_int_equal(stream_split_wait(on_demand, 0, 5), ERR_UNSUPPORTED);
    stream_unref(on_demand);
    assert_int_equal(stream_delete_wait(stream), OK);
    assert_int_equal(stream_split_wait(stream, 2, 5), ERR_NOT_FOUND);
    stream_unref(stream);
}

/* --- scaling -------------------------------------------------------------------------------- */

static void check_even(struct stream *stream, i32 target)
{
    struct stream_shard shard;
    struct stream_info info;
    stream_get_info(stream, &info);
    assert_int_equal(info.open_shard_count, target);
    u128 width = max_hash / (u128)target;
    u128 total = 0;
    for (i32 i = 0; stream_get_shard(stream, i, &shard); i++) {
        if (shard.closed_ms == 0) {
            u128 size = shard.hash_last - shard.hash_first;
            assert_true(size >= width - 2);
            assert_true(size - width <= (u128)target || size < width);
            total += size + 1;
        } else {
            /* Whoever has read it to its end is told where to go on. */
            struct stream_shard children[2];
            assert_true(stream_find_children(stream, shard.index, children) > 0);
            assert_true(children[0].created_ms > shard.closed_ms);
        }
        bool is_root = shard.parent < 0;
        assert_true(is_root || shard.created_ms > 0);
    }
    assert_true(total == 0); /* 2^128 */
}

static void scaling_makes_even_shards(void **state)
{
    struct fixture *fixture = *state;
    static const i32 pairs[][2] = {{1, 2}, {2, 1},   {2, 3},   {3, 2},   {3, 5},    {5, 3},
                                   {4, 8}, {8, 4},   {7, 13},  {13, 7},  {10, 11},  {11, 10},
                                   {1, 1}, {64, 65}, {65, 33}, {97, 64}, {200, 399}};
    for (isize i = 0; i < COUNT_OF(pairs); i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", (int)i);
        struct stream *stream = make_stream(fixture, name, pairs[i][0]);
        assert_int_equal(stream_scale_wait(stream, pairs[i][1]), OK);
        check_even(stream, pairs[i][1]);
        stream_unref(stream);
    }
}

static void uneven_shards_become_even(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    assert_int_equal(stream_split_wait(stream, 0, 5), OK);
    assert_int_equal(stream_split_wait(stream, 2, 1000), OK);
    assert_int_equal(stream_scale_wait(stream, 6), OK);
    check_even(stream, 6);
    assert_int_equal(stream_scale_wait(stream, 6), OK); /* Nothing to do. */
    struct stream_info info;
    stream_get_info(stream, &info);
    i32 count = info.shard_count;
    stream_unref(stream);
    fixture_reopen(fixture);
    stream = streams_find(fixture->streams, id_of("alpha"));
    check_even(stream, 6);
    stream_get_info(stream, &info);
    assert_int_equal(info.shard_count, count);
    stream_unref(stream);
}

static void scaling_has_limits(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 3);
    assert_int_equal(stream_scale_wait(stream, 7), ERR_RANGE);
    assert_int_equal(stream_scale_wait(stream, 1), ERR_RANGE);
    assert_int_equal(stream_scale_wait(stream, 0), ERR_RANGE);
    for (int i = 0; i < STREAM_SCALES_MAX; i++) {
        assert_int_equal(stream_scale_wait(stream, i % 2 == 0 ? 4 : 3), OK);
    }
    assert_int_equal(stream_scale_wait(stream, 4), ERR_AGAIN);
    /* Splits do not count, and a restart forgets nothing, not even behind a restatement. */
    struct stream_info info;
    stream_get_info(stream, &info);
    struct stream_shard shard;
    assert_true(stream_get_shard(stream, info.shard_count - 1, &shard));
    assert_int_equal(stream_split_wait(stream, shard.index,
                                       (shard.hash_last - shard.hash_first) / 2 + shard.hash_first),
                     OK);
    stream_unref(stream);
    fixture_reopen(fixture);
    stream = streams_find(fixture->streams, id_of("alpha"));
    assert_int_equal(stream_scale_wait(stream, 4), ERR_AGAIN);
    skew_us = 24LL * 3600 * 1000000 + 1000000;
    assert_int_equal(stream_scale_wait(stream, 5), OK);
    stream_unref(stream);
}

/* --- batches on their way ------------------------------------------------------------------- */

static void a_batch_that_was_overtaken_is_routed_anew(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct stream *other = make_stream(fixture, "beta", 1);
    enum { COUNT = 40 };
    u32 shards[COUNT + 1];
    struct log_batch *batch = log_batch_new();
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        struct stream_record record = {.partition_key = str_of(key), .data = str_of(key)};
        assert_int_equal(stream_batch_add(stream, batch, &record, &shards[i]), OK);
        assert_int_equal(shards[i], 0);
    }
    struct stream_record record = {.partition_key = STR("o"), .data = STR("o")};
    assert_int_equal(stream_batch_add(other, batch, &record, &shards[COUNT]), OK);
    assert_int_equal(stream_split_wait(stream, 0, middle), OK);
    assert_int_equal(stream_split_wait(stream, 2, middle + middle / 2), OK);
    assert_int_equal(log_commit(fixture->log, batch), OK);
    stream_batch_settle(batch, shards, COUNT + 1);
    isize expected[5] = {0};
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(shards[i], stream_route(stream, stream_hash_key(str_of(key))));
        expected[shards[i]]++;
        char sequence[STREAM_SEQUENCE_DIGITS + 1];
        stream_batch_sequence(stream, batch, i, shards[i], sequence);
        assert_true(strcmp(sequence, shard_of(stream, shards[i]).starting_sequence) > 0);
    }
    assert_int_equal(shards[COUNT], 0);
    assert_int_equal(expected[0] + expected[2], 0);
    for (u32 shard = 0; shard < 5; shard++) {
        bool at_end = false;
        assert_int_equal(count_rows(stream, shard, &at_end), expected[shard]);
        assert_true(at_end == (shard == 0 || shard == 2));
    }
    bool at_end = false;
    assert_int_equal(count_rows(other, 0, &at_end), 1);
    log_batch_free(batch);
    stream_unref(stream);
    stream_unref(other);
}

static void woken(void *ctx)
{
    __atomic_add_fetch((int *)ctx, 1, __ATOMIC_SEQ_CST);
}

static void readers_of_a_closed_shard_are_woken(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 2);
    int count = 0;
    (void)stream_wait(stream, 0, stream_pos_latest(stream, 0), woken, &count);
    assert_int_equal(count, 0);
    assert_int_equal(stream_split_wait(stream, 0, 1000), OK);
    assert_int_equal(count, 1);
    (void)stream_wait(stream, 0, stream_pos_latest(stream, 0), woken, &count);
    assert_int_equal(count, 2);
    stream_unref(stream);
}

static void closed_shards_expire_with_their_records(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    assert_int_equal(stream_split_wait(stream, 0, middle), OK);
    assert_false(shard_of(stream, 0).is_expired);
    skew_us = 24LL * 3600 * 1000000;
    assert_false(shard_of(stream, 0).is_expired);
    skew_us += 2000000;
    assert_true(shard_of(stream, 0).is_expired);
    assert_false(shard_of(stream, 1).is_expired);
    stream_unref(stream);
}

/* Whatever stands in a record: it is applied as a whole or refused, and the open shards tile. */
static void damaged_entries_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 2);
    struct catalog_frame frame = {.end_no = 100, .arrival_ms = 1800000000000};
    u8 entry[64] = {ENTRY_RESHARD, 1, 1, 2, 0, 0};
    entry[6 + 15] = 0x20; /* Splits shard 0 at 2^125, then merges its upper half with shard 1. */
    u8 merge[] = {1, 3, 1};
    memcpy(entry + 22, merge, sizeof merge);
    const isize bytes = 22 + (isize)sizeof merge;
    for (isize cut = 1; cut < bytes; cut++) {
        assert_int_equal(stream__apply(fixture->streams, str_from(entry, cut), frame), ERR_CORRUPT);
    }
    u64 seed = 1;
    int good = 0;
    for (int round = 0; round < 20000; round++) {
        u8 damaged[sizeof entry];
        memcpy(damaged, entry, sizeof entry);
        for (int i = 0; i < 2; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            damaged[2 + (seed >> 33) % (u64)(bytes - 2)] = (u8)(seed >> 50);
        }
        err e = stream__apply(fixture->streams, str_from(damaged, bytes), frame);
        assert_true(e == OK || e == ERR_CORRUPT);
        good += e == OK;
    }
    struct stream_info info;
    stream_get_info(stream, &info);
    assert_true(good < 20000 && info.open_shard_count >= 2);
    assert_int_equal(stream__apply(fixture->streams, str_from(entry, 1), frame), ERR_CORRUPT);
    u128 expected = 0;
    for (i32 open = 0; open < info.open_shard_count; open++) {
        struct stream_shard shard = shard_of(stream, stream_route(stream, expected));
        assert_true(shard.hash_first == expected && shard.closed_ms == 0);
        expected = shard.hash_last + 1;
    }
    assert_true(expected == 0);
    stream_unref(stream);
}

/* A change whose callback keeps the committer's thread, so that what comes behind it is on its way
 * until `gate` is opened. */
struct gate {
    struct os_mutex mutex;
    struct os_cond cond;
    bool is_entered, is_open;
};

static void hold_committer(void *ctx, err e)
{
    struct gate *gate = ctx;
    assert_int_equal(e, OK);
    os_mutex_lock(&gate->mutex);
    gate->is_entered = true;
    os_cond_broadcast(&gate->cond);
    while (!gate->is_open) {
        os_cond_wait(&gate->cond, &gate->mutex);
    }
    os_mutex_unlock(&gate->mutex);
}

static void gate_close(struct gate *gate, struct stream *other)
{
    os_mutex_init(&gate->mutex);
    os_cond_init(&gate->cond);
    assert_int_equal(stream_set_policy(other, STR_EMPTY, STR("{}"), hold_committer, gate), OK);
    os_mutex_lock(&gate->mutex);
    while (!gate->is_entered) {
        os_cond_wait(&gate->cond, &gate->mutex);
    }
    os_mutex_unlock(&gate->mutex);
}

static void gate_open(struct gate *gate)
{
    os_mutex_lock(&gate->mutex);
    gate->is_open = true;
    os_cond_broadcast(&gate->cond);
    os_mutex_unlock(&gate->mutex);
}

static void settings_wait_for_a_reshard(void **state)
{
    struct fixture *fixture = *state;
    struct stream *other = make_stream(fixture, "other", 1);
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct gate gate = {0};
    struct result split, policy;
    result_init(&split);
    result_init(&policy);
    gate_close(&gate, other);
    assert_int_equal(stream_split(stream, 0, middle, on_done, &split), OK);
    struct stream_info info;
    stream_get_info(stream, &info);
    assert_int_equal(info.status, STREAM_UPDATING);
    assert_int_equal(stream_set_retention(stream, 48, on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_set_mode(stream, STREAM_ON_DEMAND, on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_set_record_bytes(stream, 2 << 20, on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_set_key(stream, STR("k"), on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_set_metrics(stream, 1, 0, on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_set_warm(stream, 5, true, on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_scale(stream, 2, on_done, NULL), ERR_IN_USE);
    assert_int_equal(stream_set_policy(stream, STR_EMPTY, STR("{}"), on_done, &policy), OK);
    gate_open(&gate);
    assert_int_equal(wait_done(&split, OK), OK);
    assert_int_equal(wait_done(&policy, OK), OK);
    stream_get_info(stream, &info);
    assert_int_equal(info.status, STREAM_ACTIVE);
    assert_int_equal(info.retention_hours, STREAM_RETENTION_MIN_H);
    assert_int_equal(info.metrics, 0);
    assert_int_equal(info.open_shard_count, 2);
    stream_unref(stream);
    stream_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_wait_for_a_reshard, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(lineage_survives_a_restart, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_resharded_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(scaling_makes_even_shards, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(uneven_shards_become_even, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(scaling_has_limits, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_batch_that_was_overtaken_is_routed_anew, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(readers_of_a_closed_shard_are_woken, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(closed_shards_expire_with_their_records, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(damaged_entries_are_refused, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
