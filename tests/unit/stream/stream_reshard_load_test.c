/*
 * Writers in many threads while shards are split, merged and scaled: nothing is lost, repeated or
 * reordered within a key. Each writer has keys of its own and keeps several batches on their way,
 * as a producer does that does not wait for its answers. Also made for the race detector.
 */
#include "stream_fixture.h"

#include "os/thread.h"

enum {
    WRITERS = 4,
    KEYS = 16,      /* Of each writer. */
    BATCHES = 2000, /* Of each writer; one record of each key in each. */
    FLIGHTS = 4,    /* Batches of one writer on their way. */
    SHARDS_MAX = 16384,
};

struct flight {
    struct writer *writer;
    struct log_batch *batch;
    u32 shards[KEYS];
    int is_free; /* Atomic. */
};

struct writer {
    struct stream *stream;
    struct log *log;
    u32 index;
    struct flight flights[FLIGHTS];
    struct os_thread thread;
    int is_done; /* Atomic. */
    u64 wrong;   /* Atomic: answers that name a shard which does not hold the key's hash. */
};

static str key_of(u32 writer, u32 key, char *out)
{
    int length = snprintf(out, 32, "w%u-k%u", writer, key);
    return str_from(out, length);
}

static void on_committed(struct log_batch *batch, err e, void *ctx)
{
    struct flight *flight = ctx;
    assert_int_equal(e, OK);
    stream_batch_settle(batch, flight->shards, KEYS);
    for (u32 k = 0; k < KEYS; k++) {
        char text[32];
        struct stream_shard shard;
        u128 hash = stream_hash_key(key_of(flight->writer->index, k, text));
        bool is_right = stream_find_shard(flight->writer->stream, flight->shards[k], &shard) &&
                        hash >= shard.hash_first && hash <= shard.hash_last;
        __atomic_add_fetch(&flight->writer->wrong, is_right ? 0 : 1, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&flight->is_free, 1, __ATOMIC_RELEASE);
}

static void write_all(void *ctx)
{
    struct writer *writer = ctx;
    for (u64 n = 0; n < BATCHES; n++) {
        struct flight *flight = &writer->flights[n % FLIGHTS];
        while (__atomic_load_n(&flight->is_free, __ATOMIC_ACQUIRE) == 0) {
            os_thread_yield();
        }
        flight->is_free = 0;
        log_batch_reset(flight->batch);
        for (u32 k = 0; k < KEYS; k++) {
            char text[32];
            struct stream_record record = {
                .partition_key = key_of(writer->index, k, text),
                .data = str_from((const u8 *)&n, sizeof n),
            };
            assert_int_equal(
                stream_batch_add(writer->stream, flight->batch, &record, &flight->shards[k]), OK);
        }
        log_submit(writer->log, flight->batch, on_committed, flight);
    }
    for (int i = 0; i < FLIGHTS; i++) {
        while (__atomic_load_n(&writer->flights[i].is_free, __ATOMIC_ACQUIRE) == 0) {
            os_thread_yield();
        }
        log_batch_free(writer->flights[i].batch);
    }
    __atomic_store_n(&writer->is_done, 1, __ATOMIC_RELEASE);
}

/* Any open shard but the first `skip`; returns false when there are no more. */
static bool open_shard(struct stream *stream, i32 skip, struct stream_shard *out)
{
    for (i32 i = 0; stream_get_shard(stream, i, out); i++) {
        if (out->closed_ms == 0 && skip-- == 0) {
            return true;
        }
    }
    return false;
}

static bool upper_neighbour(struct stream *stream, const struct stream_shard *lower,
                            struct stream_shard *out)
{
    for (i32 i = 0; stream_get_shard(stream, i, out); i++) {
        if (out->closed_ms == 0 && out->hash_first == lower->hash_last + 1 &&
            out->hash_first != 0) {
            return true;
        }
    }
    return false;
}

static void reshard(struct stream *stream, int round)
{
    struct stream_info info;
    struct stream_shard shard, upper;
    stream_get_info(stream, &info);
    i32 open = info.open_shard_count;
    if (round % 12 == 11) {
        err e = stream_scale_wait(stream, open > 6 ? (open + 1) / 2 : open * 2 - 1);
        assert_true(e == OK || e == ERR_AGAIN);
        return;
    }
    assert_true(open_shard(stream, round % open, &shard));
    if ((round % 3 == 0 && open > 2) || open > 8) {
        if (upper_neighbour(stream, &shard, &upper)) {
            assert_int_equal(stream_merge_wait(stream, shard.index, upper.index), OK);
        }
        return;
    }
    u128 half = shard.hash_first + (shard.hash_last - shard.hash_first) / 2;
    assert_int_equal(stream_split_wait(stream, shard.index, half), OK);
}

/* A consumer that follows the lineage while all goes on: it reads a shard when it has read the
 * parents to their ends, until it is told that the shard is over, and never again. */
struct reader {
    struct stream *stream;
    struct os_thread thread;
    int is_over; /* Atomic: the writers have ended. */
    u64 next[WRITERS][KEYS];
    u64 from[SHARDS_MAX]; /* Per shard; 0 = not begun. */
    bool is_done[SHARDS_MAX];
    isize rows;
    u64 wrong; /* Not the number that follows. */
};

static void take_page(struct reader *reader, const struct stream_page *page)
{
    struct stream_rows cursor;
    struct stream_row row;
    stream_page_begin(page, &cursor);
    while (stream_page_next(&cursor, &row)) {
        unsigned writer = 0, key = 0;
        char text[33];
        str_copy_cstr(row.record.partition_key, text, (isize)sizeof text);
        assert_int_equal(sscanf(text, "w%u-k%u", &writer, &key), 2);
        u64 n = 0;
        memcpy(&n, row.record.data.data, sizeof n);
        reader->wrong += n == reader->next[writer][key] ? 0 : 1;
        reader->next[writer][key] = n + 1;
        reader->rows++;
    }
}

/* True when there was something new. */
static bool read_shard(struct reader *reader, const struct stream_shard *shard)
{
    const struct stream_read_limits limits = {.rows_max = 200, .bytes_max = 1 << 20};
    u32 i = shard->index;
    assert_true(i < SHARDS_MAX);
    bool is_ready = !reader->is_done[i] && (shard->parent < 0 || reader->is_done[shard->parent]) &&
                    (shard->adjacent_parent < 0 || reader->is_done[shard->adjacent_parent]);
    if (!is_ready) {
        return false;
    }
    struct stream_page *page = NULL;
    u64 next = 0;
    i64 behind = 0;
    u64 from = reader->from[i] == 0 ? 1 : reader->from[i];
    assert_int_equal(stream_read(reader->stream, i, from, &limits, &page, &next, &behind), OK);
    take_page(reader, page);
    bool is_new = stream_page_count(page) > 0 || stream_page_at_end(page);
    reader->from[i] = next;
    reader->is_done[i] = stream_page_at_end(page);
    stream_page_free(page);
    return is_new;
}

static void read_all(void *ctx)
{
    struct reader *reader = ctx;
    bool is_new = true;
    bool is_over = false;
    while (is_new || !is_over) {
        struct stream_shard shard;
        is_over = __atomic_load_n(&reader->is_over, __ATOMIC_ACQUIRE) != 0;
        is_new = false;
        for (i32 i = 0; stream_get_shard(reader->stream, i, &shard); i++) {
            is_new = read_shard(reader, &shard) || is_new;
        }
    }
}

static void check_reader(const struct reader *reader)
{
    assert_int_equal(reader->wrong, 0);
    assert_int_equal(reader->rows, (isize)WRITERS * KEYS * BATCHES);
}

static bool are_writing(const struct writer *writers)
{
    bool is_one = false;
    for (u32 w = 0; w < WRITERS; w++) {
        is_one = is_one || __atomic_load_n(&writers[w].is_done, __ATOMIC_ACQUIRE) == 0;
    }
    return is_one;
}

static void nothing_is_lost_repeated_or_reordered(void **state)
{
    struct fixture *fixture = *state;
    static struct writer writers[WRITERS];
    static struct reader live, again;
    struct stream *stream = make_stream(fixture, "alpha", 2);
    live = (struct reader){.stream = stream};
    os_thread_start(&live.thread, "reader", read_all, &live);
    for (u32 w = 0; w < WRITERS; w++) {
        writers[w] = (struct writer){.stream = stream, .log = fixture->log, .index = w};
        for (int i = 0; i < FLIGHTS; i++) {
            writers[w].flights[i] =
                (struct flight){.writer = &writers[w], .batch = log_batch_new(), .is_free = 1};
        }
        os_thread_start(&writers[w].thread, "writer", write_all, &writers[w]);
    }
    int rounds = 0;
    struct stream_info info;
    do {
        reshard(stream, rounds++);
        stream_get_info(stream, &info);
    } while (are_writing(writers) && info.shard_count < SHARDS_MAX - 100);
    for (u32 w = 0; w < WRITERS; w++) {
        os_thread_join(&writers[w].thread);
        assert_int_equal(writers[w].wrong, 0);
    }
    __atomic_store_n(&live.is_over, 1, __ATOMIC_RELEASE);
    os_thread_join(&live.thread);
    check_reader(&live);
    assert_true(rounds > 10);
    stream_unref(stream);

    fixture_reopen(fixture);
    stream = streams_find(fixture->streams, id_of("alpha"));
    again = (struct reader){.stream = stream, .is_over = 1};
    read_all(&again);
    check_reader(&again);
    stream_unref(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost_repeated_or_reordered, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
