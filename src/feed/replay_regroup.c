/*
 * feed/replay_regroup.c: aggregates that a reshard has overtaken. All user records of an
 * aggregate lie in one shard, or consumers drop those that do not. An aggregate of a shard
 * that was split is cut, so that each part lies in one shard again; the order within a
 * key stays.
 */
#include "codec/kpl.h"
#include "feed/replay_int.h"

static u32 shard_of(struct stream *stream, const struct kpl_record *record, u128 *hash_out)
{
    err e = kpl_hash_key(record, hash_out);
    CHECK(e == OK); /* We wrote it. */
    return stream_route(stream, *hash_out);
}

/* What lies in the shard of the first record that is not done yet, as one aggregate. */
static err put_part(struct stream *stream, struct log_batch *batch, const struct kpl_record *subs,
                    bool *is_done, isize count)
{
    struct kpl_writer *writer = kpl_writer_new(LOG_RECORD_BYTES_MAX);
    struct buf data = {0};
    struct stream_record record = {.partition_key = STR("a"), .has_explicit_hash = true};
    u32 shard = 0;
    err e = OK;
    for (isize i = 0; i < count && e == OK; i++) {
        u128 hash;
        if (is_done[i]) {
            continue;
        }
        u32 own = shard_of(stream, &subs[i], &hash);
        if (kpl_writer_count(writer) == 0) {
            shard = own;
            record.explicit_hash = hash;
        }
        if (own == shard) {
            e = kpl_writer_add(writer, &subs[i]);
            is_done[i] = true;
        }
    }
    kpl_writer_take(writer, &data);
    record.data = buf_str(&data);
    e = e == OK ? stream_batch_add(stream, batch, &record, NULL) : e;
    buf_deinit(&data);
    kpl_writer_free(writer);
    return e;
}

static err put_again(struct stream *stream, struct log_batch *batch,
                     const struct stream_record *record)
{
    struct arena arena = {0};
    struct kpl_record *subs;
    isize count = 0;
    err e = OK;
    if (!kpl_is_candidate(record->data) ||
        kpl_decode(record->data, &arena, &subs, &count, NULL) != KPL_AGGREGATE) {
        e = stream_batch_add(stream, batch, record, NULL);
        arena_deinit(&arena);
        return e;
    }
    bool *is_done = ARENA_ARRAY(&arena, bool, MAX(count, 1));
    for (isize i = 0; i < count && e == OK; i++) {
        e = is_done[i] ? OK : put_part(stream, batch, subs, is_done, count);
    }
    arena_deinit(&arena);
    return e;
}

err replay__regroup(struct streams *streams, struct log_batch **batch)
{
    struct log_batch *fresh = log_batch_new();
    err e = OK;
    for (isize i = 0; i < log_batch_count(*batch) && e == OK; i++) {
        str body;
        struct log_channel channel = log_batch_record(*batch, i, &body);
        struct stream_record record;
        if (channel.stream == 0) {
            e = log_batch_add(fresh, channel, body);
            continue;
        }
        struct stream *stream = streams_find_number(streams, channel.stream);
        e = stream == NULL ? ERR_NOT_FOUND : stream_record_decode(body, &record);
        if (e == OK) {
            stream_batch_begin(stream, fresh);
            e = put_again(stream, fresh, &record);
        }
        stream_unref(stream);
    }
    log_batch_pin(fresh);
    if (e != OK) {
        log_batch_free(fresh);
        return e;
    }
    log_batch_free(*batch);
    *batch = fresh;
    return OK;
}
