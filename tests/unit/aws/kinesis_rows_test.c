/* aws/kinesis/kinesis_rows.c against the plain way to write an answer, member by member. */
#include "../stream/stream_fixture.h"

#include "aws/kinesis/kinesis_answer.h"
#include "aws/kinesis/kinesis_rows.h"
#include "base/rng.h"

enum { ROWS = 400, KEY_BYTES_MAX = 3000, DATA_BYTES_MAX = 3000, ROOM_MAX = 1 << 16 };

/* What answers were before there were templates. */
static void put_plainly(struct stream *stream, const struct stream_page *page, bool is_encrypted,
                        struct answer *out)
{
    struct stream_rows rows;
    struct stream_row row;
    stream_page_begin(page, &rows);
    while (stream_page_next(&rows, &row)) {
        char sequence[STREAM_SEQUENCE_DIGITS + 1];
        stream_row_sequence(stream, 0, row.no, row.arrival_ms, sequence);
        answer_open(out, NULL);
        answer_put_plain(out, "SequenceNumber", str_of(sequence));
        answer_put_time(out, "ApproximateArrivalTimestamp", row.arrival_ms);
        answer_put_blob(out, "Data", row.record.data);
        answer_put_text(out, "PartitionKey", row.record.partition_key);
        if (is_encrypted) {
            answer_put_text(out, "EncryptionType", STR("KMS"));
        }
        answer_close(out);
    }
}

/* Keys of printable characters, of such as need escapes, of one character many times. */
static str random_text(struct rng *rng, u8 *out, isize bytes_max)
{
    isize bytes = (isize)rng_below(rng, (u64)bytes_max);
    u64 kind = rng_below(rng, 3);
    for (isize i = 0; i < bytes; i++) {
        out[i] = kind == 0   ? (u8)(' ' + rng_below(rng, 96))
                 : kind == 1 ? (u8)rng_below(rng, 40)
                             : (u8) "\x01\"\\a"[bytes % 4];
    }
    return str_from(out, bytes);
}

/* Batches of several sizes, interleaved with another stream's, so that runs and numbers have gaps.
 */
static void fill(struct fixture *fixture, struct stream *stream, struct rng *rng)
{
    struct stream *other = make_stream(fixture, "other", 1);
    static u8 key[KEY_BYTES_MAX], data[DATA_BYTES_MAX];
    for (int left = ROWS; left > 0;) {
        struct log_batch *batch = log_batch_new();
        int count = (int)MIN((u64)left, 1 + rng_below(rng, 90));
        for (int i = 0; i < count; i++) {
            bool is_short = rng_below(rng, 4) != 0;
            for (isize k = 0; k < DATA_BYTES_MAX; k++) {
                data[k] = (u8)rng_next(rng);
            }
            struct stream_record record = {
                .partition_key = random_text(rng, key, is_short ? 20 : KEY_BYTES_MAX),
                .data = str_from(data, (isize)rng_below(rng, is_short ? 70 : DATA_BYTES_MAX)),
                .has_explicit_hash = rng_below(rng, 5) == 0,
            };
            assert_int_equal(stream_batch_add(stream, batch, &record, NULL), OK);
            if (rng_below(rng, 10) == 0) {
                assert_int_equal(stream_batch_add(other, batch, &record, NULL), OK);
            }
        }
        skew_us += (i64)rng_below(rng, 3) * 700000;
        assert_int_equal(log_commit(fixture->log, batch), OK);
        log_batch_free(batch);
        left -= count;
    }
    stream_unref(other);
}

static struct stream_page *read_page(struct stream *stream, i32 rows_max, bool is_cbor)
{
    struct stream_read_limits limits = {.rows_max = rows_max, .bytes_max = 10 << 20};
    rows_measure(is_cbor, &limits);
    struct stream_page *page = NULL;
    u64 next = 0;
    i64 behind = 0;
    assert_int_equal(stream_read(stream, 0, 1, &limits, &page, &next, &behind), OK);
    return page;
}

/* In parts of random room; room_max 0: at once. */
static void write_in_parts(struct rows *rows, struct rng *rng, isize room_max, struct buf *out)
{
    isize whole = rows_bytes(rows);
    if (room_max == 0) {
        isize room = whole + (isize)2 * ROWS_ROOM;
        u8 *at = buf_reserve(out, room);
        out->len += rows_write(rows, at, room);
        assert_true(rows_is_done(rows));
    }
    while (!rows_is_done(rows)) {
        isize room = 2 * ROWS_ROOM + (isize)rng_below(rng, (u64)room_max);
        u8 *part = mem_alloc(room); /* Of exactly that size: ASan sees what is written behind. */
        isize bytes = rows_write(rows, part, room);
        assert_true(bytes > 0);
        buf_append_bytes(out, part, bytes);
        mem_free(part);
    }
    u8 room[2 * ROWS_ROOM];
    assert_int_equal(rows_write(rows, room, sizeof room), 0);
    assert_int_equal(out->len, whole);
}

static void compare(struct stream *stream, i32 rows_max, isize count, struct rng *rng)
{
    for (int form = 0; form < 4; form++) {
        bool is_cbor = (form & 1) != 0, is_encrypted = (form & 2) != 0;
        struct stream_page *page = read_page(stream, rows_max, is_cbor);
        assert_int_equal(stream_page_count(page), count);
        struct answer plain = {.is_cbor = is_cbor};
        put_plainly(stream, page, is_encrypted, &plain);
        static const isize rooms[] = {0, 1, 1000, ROOM_MAX};
        for (isize i = 0; i < COUNT_OF(rooms); i++) {
            struct buf out = {0};
            struct rows rows;
            rows_init(&rows, stream, 0, page, is_cbor, is_encrypted);
            write_in_parts(&rows, rng, rooms[i], &out);
            assert_int_equal(out.len, plain.buf.len);
            if (out.len > 0) {
                assert_memory_equal(out.data, plain.buf.data, (size_t)out.len);
            }
            buf_deinit(&out);
        }
        answer_deinit(&plain);
        stream_page_free(page);
    }
}

static void rows_are_what_they_are_one_by_one(void **state)
{
    struct fixture *fixture = *state;
    struct rng rng;
    rng_init(&rng, 7);
    struct stream *stream = make_stream(fixture, "rows", 1);
    compare(stream, ROWS, 0, &rng);
    fill(fixture, stream, &rng);
    static const i32 counts[] = {1, 2, 3, 77, ROWS};
    for (isize i = 0; i < COUNT_OF(counts); i++) {
        compare(stream, counts[i], counts[i], &rng);
    }
    stream_unref(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_what_they_are_one_by_one, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
