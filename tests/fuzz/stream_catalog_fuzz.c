/* The catalog of streams: each of a row of entries of any bytes is applied as a whole or refused,
 * and then the open shards of every stream still tile the hash keys. Input: a length byte and so
 * many bytes of an entry, again and again. */
#include "stream/stream_int.h"

enum { ROUNDS = 500, STEPS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct log *seed_log;

static void seed_make(void)
{
    struct log_options options = {.dir = "/none", .durability = LOG_MEMORY};
    CHECK(log_open(os_real(), &options, &seed_log, NULL) == OK);
    struct streams *streams;
    CHECK(streams_open(os_real(), seed_log, &streams, NULL) == OK);
    struct stream_spec spec = {.id = {STR("000000000000"), STR("us-east-1"), STR("alpha")}};
    spec.shard_count = 4;
    CHECK(stream_create_wait(streams, &spec) == OK);
    struct stream *stream = streams_find_number(streams, 1);
    if (stream != NULL) {
        CHECK(stream_split_wait(stream, 0, (u128)1 << 120) == OK);
        stream_unref(stream);
    }
    streams_close(streams);
}

static bool tiles(void *ctx, struct stream *stream)
{
    (void)ctx;
    u128 expected = 0;
    isize steps = 0;
    do {
        struct stream_shard shard;
        CHECK(stream_find_shard(stream, stream_route(stream, expected), &shard));
        CHECK(shard.hash_first == expected && shard.closed_ms == 0);
        expected = shard.hash_last + 1;
    } while (expected != 0 && ++steps < STEPS_MAX);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct streams *streams;
    static int rounds;
    if (seed_log == NULL) {
        seed_make();
    }
    if (rounds++ % ROUNDS == 0) { /* What was applied is in memory only: begin anew. */
        if (streams != NULL) {
            streams_close(streams);
        }
        CHECK(streams_open(os_real(), seed_log, &streams, NULL) == OK);
    }
    str rest = str_from(data, (isize)size);
    struct catalog_frame frame = {.end_no = 100, .arrival_ms = 1800000000000};
    while (rest.len > 0) {
        isize bytes = MIN((isize)rest.data[0], rest.len - 1);
        u8 *entry = mem_alloc(bytes); /* Its own, so that reading past its end is seen. */
        memcpy(entry, rest.data + 1, (size_t)bytes);
        err e = stream__apply(streams, str_from(entry, bytes), frame);
        CHECK(e == OK || e == ERR_CORRUPT || e == ERR_VERSION);
        mem_free(entry);
        rest = str_slice(rest, 1 + bytes, rest.len);
        frame.end_no++;
    }
    streams_each(streams, STR_EMPTY, STR_EMPTY, tiles, NULL);
    return 0;
}
