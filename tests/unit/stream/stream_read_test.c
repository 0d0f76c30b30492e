/* Records: put, read, positions, waiting, retention. */
#include "stream_fixture.h"

#include "base/buf.h"

static const struct stream_read_limits no_limits = {.rows_max = 10000, .bytes_max = 10 << 20};

static struct stream_page *read_all(struct stream *stream, u32 shard, u64 from_no, u64 *next_out,
                                    i64 *behind_out)
{
    struct stream_page *page = NULL;
    assert_int_equal(stream_read(stream, shard, from_no, &no_limits, &page, next_out, behind_out),
                     OK);
    return page;
}

static struct stream_row row_at(const struct stream_page *page, isize index)
{
    struct stream_rows cursor;
    struct stream_row row;
    stream_page_begin(page, &cursor);
    for (isize i = 0; i <= index; i++) {
        assert_true(stream_page_next(&cursor, &row));
    }
    assert_int_equal(stream_page_next(&cursor, &(struct stream_row){0}),
                     index + 1 < stream_page_count(page));
    return row;
}

static void reads_what_was_put(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct log_batch *batch = log_batch_new();
    struct stream_record records[] = {
        {.partition_key = STR("k1"), .data = STR("one")},
        {.partition_key = STR("k2"),
         .data = STR_EMPTY,
         .has_explicit_hash = true,
         .explicit_hash = (u128)5 << 100},
        {.partition_key = STR("k3"), .data = STR("three")},
    };
    char sequences[3][STREAM_SEQUENCE_DIGITS + 1];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stream_batch_add(stream, batch, &records[i], NULL), OK);
    }
    assert_int_equal(log_commit(fixture->log, batch), OK);
    for (int i = 0; i < 3; i++) {
        stream_batch_sequence(stream, batch, i, 0, sequences[i]);
        assert_true(i == 0 || strcmp(sequences[i - 1], sequences[i]) < 0);
    }
    log_batch_free(batch);

    u64 next = 0;
    i64 behind = 0;
    struct stream_page *page = read_all(stream, 0, 1, &next, &behind);
    assert_int_equal(stream_page_count(page), 3);
    assert_int_equal(behind, 0);
    assert_false(stream_page_at_end(page));
    for (int i = 0; i < 3; i++) {
        struct stream_row row = row_at(page, i);
        char sequence[STREAM_SEQUENCE_DIGITS + 1];
        assert_true(str_eq(row.record.partition_key, records[i].partition_key));
        assert_true(str_eq(row.record.data, records[i].data));
        assert_int_equal(row.record.has_explicit_hash, records[i].has_explicit_hash);
        assert_true(row.record.explicit_hash == records[i].explicit_hash);
        stream_row_sequence(stream, 0, row.no, row.arrival_ms, sequence);
        assert_string_equal(sequence, sequences[i]);
    }
    stream_page_free(page);
    page = read_all(stream, 0, next, &next, &behind);
    assert_int_equal(stream_page_count(page), 0);
    stream_page_free(page);
    struct stream_counters counters;
    stream_get_counters(stream, &counters);
    assert_int_equal(counters.records_in, 3);
    assert_int_equal(counters.bytes_in, 14);
    assert_int_equal(counters.records_out, 3);
    stream_unref(stream);
}

/* As a later version may write them. */
static void records_that_are_not_understood_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct stream_info info;
    stream_get_info(stream, &info);
    struct log_batch *batch = log_batch_new();
    static const bool is_known[] = {false, true, false, false, true, true, false};
    for (int i = 0; i < COUNT_OF(is_known); i++) {
        struct stream_record record = {.partition_key = STR("k"), .data = STR("known")};
        if (is_known[i]) {
            assert_int_equal(stream_batch_add(stream, batch, &record, NULL), OK);
            continue;
        }
        u8 *body = log_batch_reserve(batch, (struct log_channel){info.number, 0}, 1);
        assert_non_null(body);
        *body = 0xFF; /* A varint that does not end. */
    }
    assert_int_equal(log_commit(fixture->log, batch), OK);
    u64 first_no = log_batch_record_no(batch, 0), next = 0;
    log_batch_free(batch);
    i64 behind = 0;
    struct stream_page *page = read_all(stream, 0, 1, &next, &behind);
    assert_int_equal(next, first_no + COUNT_OF(is_known));
    assert_int_equal(stream_page_count(page), 3);
    assert_int_equal(row_at(page, 0).no, first_no + 1);
    assert_int_equal(row_at(page, 1).no, first_no + 4);
    assert_int_equal(row_at(page, 2).no, first_no + 5);
    assert_true(str_eq(row_at(page, 2).record.data, STR("known")));
    stream_page_free(page);
    stream_unref(stream);
}

static void pages_keep_their_limits(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    for (int i = 0; i < 5; i++) {
        put_one(fixture, stream, STR("k"), STR("123456789"));
    }
    struct stream_page *page = NULL;
    u64 next = 1;
    i64 behind = 0;
    struct stream_read_limits two_rows = {.rows_max = 2, .bytes_max = 1000};
    assert_int_equal(stream_read(stream, 0, next, &two_rows, &page, &next, &behind), OK);
    assert_int_equal(stream_page_count(page), 2);
    stream_page_free(page);
    struct stream_read_limits bytes = {.rows_max = 100, .bytes_max = 20};
    assert_int_equal(stream_read(stream, 0, next, &bytes, &page, &next, &behind), OK);
    assert_int_equal(stream_page_count(page), 2);
    stream_page_free(page);
    struct stream_read_limits little = {.rows_max = 100, .bytes_max = 1};
    assert_int_equal(stream_read(stream, 0, next, &little, &page, &next, &behind), OK);
    assert_int_equal(stream_page_count(page), 1);
    assert_int_equal(behind, 0);
    stream_page_free(page);
    struct stream_read_limits one_frame = {.rows_max = 100, .bytes_max = 1000, .frames_max = 1};
    assert_int_equal(stream_read(stream, 0, 1, &one_frame, &page, &next, &behind), OK);
    assert_int_equal(stream_page_count(page), 1);
    stream_page_free(page);
    stream_unref(stream);
}

/* A small record of shard 0 in each of many frames that are full of those of shard 1. */
static void pages_keep_little_memory(void **state)
{
    enum { FRAMES = 16, LARGE = (1 << 20) - 1, LARGE_COUNT = 5, HELD_MAX = 40 << 20 };
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 2);
    struct log_batch *batch = log_batch_new();
    u8 *data = mem_zalloc(LARGE);
    const struct stream_record small = {
        .partition_key = STR("k"), .data = STR("small"), .has_explicit_hash = true};
    const struct stream_record large = {.partition_key = STR("k"),
                                        .data = {data, LARGE},
                                        .has_explicit_hash = true,
                                        .explicit_hash = ~(u128)0};
    for (int i = 0; i < FRAMES; i++) {
        log_batch_reset(batch);
        assert_int_equal(stream_batch_add(stream, batch, &small, NULL), OK);
        for (int k = 0; k < LARGE_COUNT; k++) {
            assert_int_equal(stream_batch_add(stream, batch, &large, NULL), OK);
        }
        assert_int_equal(log_commit(fixture->log, batch), OK);
    }
    isize count = 0, pages = 0;
    u64 next = 1;
    i64 behind = 1;
    while (behind > 0) {
        struct stream_page *page = read_all(stream, 0, next, &next, &behind);
        assert_true(stream_page_count(page) > 0);
        assert_true(stream_page_held_bytes(page) < HELD_MAX);
        count += stream_page_count(page);
        pages++;
        stream_page_free(page);
    }
    assert_int_equal(count, FRAMES);
    assert_true(pages > 1);
    mem_free(data);
    log_batch_free(batch);
    stream_unref(stream);
}

static void records_have_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct log_batch *batch = log_batch_new();
    u8 *data = mem_zalloc(1 << 20);
    struct stream_record record = {.partition_key = STR("k"), .data = {data, (1 << 20) - 1}};
    assert_int_equal(stream_batch_add(stream, batch, &record, NULL), OK);
    record.data.len++;
    assert_int_equal(stream_batch_add(stream, batch, &record, NULL), ERR_LIMIT);
    record.data.len = 0;
    u8 *place = stream_batch_reserve(stream, batch, &record, 100, NULL);
    assert_non_null(place);
    memcpy(place, "short", 5);
    stream_batch_trim(batch, &record, 5);
    assert_int_equal(log_commit(fixture->log, batch), OK);
    u64 next = 0;
    i64 behind = 0;
    struct stream_page *page = read_all(stream, 0, 1, &next, &behind);
    assert_int_equal(stream_page_count(page), 2);
    assert_true(str_eq(row_at(page, 1).record.data, STR("short")));
    stream_page_free(page);
    log_batch_free(batch);
    mem_free(data);
    stream_unref(stream);
}

static void latest_sees_only_what_comes_later(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    struct stream *other = make_stream(fixture, "other", 1);
    put_one(fixture, stream, STR("k"), STR("before"));
    u64 latest = stream_pos_latest(stream, 0);
    put_one(fixture, other, STR("k"), STR("elsewhere"));
    put_one(fixture, stream, STR("k"), STR("after"));
    u64 next = 0;
    i64 behind = 0;
    struct stream_page *page = read_all(stream, 0, latest, &next, &behind);
    assert_int_equal(stream_page_count(page), 1);
    assert_true(str_eq(row_at(page, 0).record.data, STR("after")));
    stream_page_free(page);
    stream_unref(other);
    stream_unref(stream);
}

static void expired_records_are_not_read(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    put_one(fixture, stream, STR("k"), STR("old"));
    skew_us = 25LL * 3600 * 1000000;
    put_one(fixture, stream, STR("k"), STR("new"));
    u64 next = 0;
    i64 behind = 0;
    struct stream_page *page = read_all(stream, 0, 1, &next, &behind);
    assert_int_equal(stream_page_count(page), 1);
    assert_true(str_eq(row_at(page, 0).record.data, STR("new")));
    stream_page_free(page);
    assert_true(stream_pos_horizon(stream, 0) > 1);
    u64 no = 0;
    assert_int_equal(stream_pos_time(stream, 0, os_wall_us(&fixture->os) / 1000 - 3600000, &no),
                     OK);
    assert_int_equal(no, stream_pos_horizon(stream, 0));
    stream_unref(stream);
}

static void count_wake(void *ctx)
{
    __atomic_fetch_add((int *)ctx, 1, __ATOMIC_SEQ_CST);
}

static void readers_are_woken(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 2);
    int woken = 0;
    u32 shard = put_one(fixture, stream, STR("k"), STR("1"));
    /* At once: the record is there. */
    stream_wait(stream, shard, 1, count_wake, &woken);
    assert_int_equal(woken, 1);
    /* Later, once, and only for its own shard. */
    u64 id = stream_wait(stream, shard, stream_pos_latest(stream, shard), count_wake, &woken);
    u64 other = stream_wait(stream, 1 - shard, 1, count_wake, &woken);
    assert_int_equal(woken, 1);
    put_one(fixture, stream, STR("k"), STR("2"));
    put_one(fixture, stream, STR("k"), STR("3"));
    assert_int_equal(__atomic_load_n(&woken, __ATOMIC_SEQ_CST), 2);
    assert_false(stream_unwait(stream, id));
    assert_true(stream_unwait(stream, other));
    assert_false(stream_unwait(stream, other));
    stream_unref(stream);
}

static void holds_keep_expired_records(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "alpha", 1);
    u64 lsn = log_tip(fixture->log);
    put_one(fixture, stream, STR("k"), STR("held"));
    u64 hold = streams_hold(fixture->streams, lsn);
    skew_us = 25LL * 3600 * 1000000;
    assert_int_equal(log_retain_now(fixture->log), OK);
    struct log_frame *frame = NULL;
    assert_int_equal(log_frame_after(fixture->log, lsn, &frame), OK);
    log_frame_unref(frame);
    streams_hold_move(fixture->streams, hold, log_tip(fixture->log));
    streams_hold_release(fixture->streams, hold);
    stream_unref(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_was_put, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(records_that_are_not_understood_are_left_out, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(pages_keep_their_limits, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(pages_keep_little_memory, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(records_have_a_limit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(latest_sees_only_what_comes_later, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(expired_records_are_not_read, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(readers_are_woken, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(holds_keep_expired_records, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
