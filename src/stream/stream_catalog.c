/*
 * stream/stream_catalog.c: the catalog in memory and its records in the log.
 * A change is encoded, made durable, and only then applied, by the same function
 * that replays the records at start. Format: docs/formats/streams.md.
 */
#include "base/trace.h"
#include "stream/stream_int.h"

static const struct log_channel catalog_channel = {0, LOG_CONTROL_STREAMS};

/* --- the index ------------------------------------------------------------------------------ */

int stream__id_cmp(struct stream_id a, struct stream_id b)
{
    int order = str_cmp(a.account, b.account);
    if (order == 0) {
        order = str_cmp(a.region, b.region);
    }
    return order != 0 ? order : str_cmp(a.name, b.name);
}

isize stream__index_of(const struct streams *streams, struct stream_id id, bool *found_out)
{
    isize low = 0;
    isize high = streams->count;
    *found_out = false;
    while (low < high) {
        isize middle = low + (high - low) / 2;
        int order = stream__id_cmp(streams->by_name[middle]->id, id);
        if (order == 0) {
            *found_out = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Place of `number` in by_number, or where it belongs. */
static isize number_index(const struct streams *streams, u32 number)
{
    isize low = 0;
    isize high = streams->count;
    while (low < high) {
        isize middle = low + (high - low) / 2;
        if (streams->by_number[middle]->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct stream *stream__by_number(const struct streams *streams, u32 number)
{
    isize i = number_index(streams, number);
    return i < streams->count && streams->by_number[i]->number == number ? streams->by_number[i]
                                                                         : NULL;
}

static void insert_at(struct stream **items, isize count, isize at, struct stream *stream)
{
    memmove(items + at + 1, items + at, (size_t)(count - at) * sizeof *items);
    items[at] = stream;
}

static void remove_at(struct stream **items, isize count, isize at)
{
    memmove(items + at, items + at + 1, (size_t)(count - at - 1) * sizeof *items);
}

/* Takes the reference. */
static void index_insert(struct streams *streams, struct stream *stream)
{
    if (streams->count == streams->capacity) {
        streams->capacity = MAX(16, 2 * streams->capacity);
        isize bytes = streams->capacity * (isize)sizeof(struct stream *);
        streams->by_name = mem_resize(streams->by_name, bytes);
        streams->by_number = mem_resize(streams->by_number, bytes);
    }
    bool found = false;
    isize at = stream__index_of(streams, stream->id, &found);
    CHECK(!found);
    insert_at(streams->by_name, streams->count, at, stream);
    insert_at(streams->by_number, streams->count, number_index(streams, stream->number), stream);
    streams->count++;
}

/* Gives the reference back to the caller. */
static void index_remove(struct streams *streams, struct stream *stream)
{
    bool found = false;
    isize at = stream__index_of(streams, stream->id, &found);
    CHECK(found && streams->by_name[at] == stream);
    remove_at(streams->by_name, streams->count, at);
    remove_at(streams->by_number, streams->count, number_index(streams, stream->number));
    streams->count--;
}

/* --- one stream ----------------------------------------------------------------------------- */

static struct stream *new_stream(struct streams *streams, struct stream_id id)
{
    struct stream *stream =
        mem_zalloc((isize)sizeof *stream + id.account.len + id.region.len + id.name.len);
    stream->magic = STREAM_MAGIC;
    stream->owner = streams;
    stream->refs = 1;
    u8 *at = (u8 *)(stream + 1);
    str *copies[] = {&id.account, &id.region, &id.name};
    for (int i = 0; i < COUNT_OF(copies); i++) {
        if (copies[i]->len > 0) {
            memcpy(at, copies[i]->data, (size_t)copies[i]->len);
        }
        copies[i]->data = at;
        at += copies[i]->len;
    }
    stream->id = id;
    return stream;
}

static void free_stream(struct stream *stream)
{
    stream__tags_free(&stream->tags);
    stream__consumers_free(stream);
    stream__str_free(&stream->key);
    stream__str_free(&stream->policy);
    stream__map_free(stream->map);
    stream->magic = 0;
    mem_free(stream);
}

void stream_ref(struct stream *stream)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    __atomic_fetch_add(&stream->refs, 1, __ATOMIC_RELAXED);
}

void stream_unref(struct stream *stream)
{
    if (stream == NULL) {
        return;
    }
    CHECK_MAGIC(stream, STREAM_MAGIC);
    i32 before = __atomic_fetch_sub(&stream->refs, 1, __ATOMIC_ACQ_REL);
    CHECK(before > 0);
    if (before == 1) {
        free_stream(stream);
    }
}

/* --- encoding ------------------------------------------------------------------------------- */

static void put_shard(struct buf *out, const struct shard *shard)
{
    buf_append_varint(out, shard->index);
    buf_append_bytes(out, &shard->hash_first, sizeof shard->hash_first);
    buf_append_bytes(out, &shard->hash_last, sizeof shard->hash_last);
    buf_append_varint(out, (u64)shard->created_ms);
    buf_append_varint(out, (u64)shard->closed_ms);
    buf_append_varint(out, shard->closed_no);
    buf_append_varint(out, (u64)(shard->parent + 1));
    buf_append_varint(out, (u64)(shard->adjacent_parent + 1));
}

void stream__encode(const struct stream *stream, struct buf *out)
{
    const struct shard_map *map = stream__map(stream);
    buf_append_byte(out, ENTRY_STREAM);
    buf_append_varint(out, stream->number);
    stream__put_str(out, stream->id.account);
    stream__put_str(out, stream->id.region);
    stream__put_str(out, stream->id.name);
    buf_append_varint(out, (u64)stream->mode);
    buf_append_varint(out, (u64)stream->created_ms);
    i32 hours = __atomic_load_n(&stream->retention_hours, __ATOMIC_RELAXED);
    hours = PLANTED(BUG_CATALOG_RETENTION_FORGOTTEN) ? STREAM_RETENTION_MIN_H : hours;
    buf_append_varint(out, (u64)hours);
    buf_append_varint(out, (u64)stream->record_bytes_max);
    buf_append_varint(out, (u64)map->count);
    for (i32 i = 0; i < map->count; i++) {
        put_shard(out, &map->shards[i]);
    }
    stream__put_tags(out, stream->tags.items, stream->tags.count);
}

/* --- decoding ------------------------------------------------------------------------------- */

static void take_shard(struct stream_cursor *in, struct shard *out)
{
    out->index = (u32)stream__take_number(in, INT32_MAX);
    out->hash_first = stream__take_u128(in);
    out->hash_last = stream__take_u128(in);
    out->created_ms = (i64)stream__take_number(in, INT64_MAX);
    out->closed_ms = (i64)stream__take_number(in, INT64_MAX);
    out->closed_no = stream__take_number(in, UINT64_MAX);
    out->parent = (i32)stream__take_number(in, INT32_MAX) - 1;
    out->adjacent_parent = (i32)stream__take_number(in, INT32_MAX) - 1;
}

static err decode_stream(struct streams *streams, struct stream_cursor *in, struct stream **out)
{
    u32 number = (u32)stream__take_number(in, UINT32_MAX);
    struct stream_id id = {0};
    id.account = stream__take_str(in, STREAM_ACCOUNT_BYTES);
    id.region = stream__take_str(in, STREAM_REGION_MAX);
    id.name = stream__take_str(in, STREAM_NAME_MAX);
    struct stream *stream = new_stream(streams, id);
    stream->number = number;
    stream->mode = (enum stream_mode)stream__take_number(in, STREAM_ON_DEMAND);
    stream->created_ms = (i64)stream__take_number(in, INT64_MAX);
    stream->retention_hours = (i32)stream__take_number(in, STREAM_RETENTION_MAX_H);
    stream->record_bytes_max = (i32)stream__take_number(in, STREAM_RECORD_BYTES_CEILING);
    /* Closed shards are listed too, so there may be more than STREAM_SHARDS_MAX. */
    i32 shards = (i32)stream__take_number(in, 1 << 24);
    if (in->failed || shards == 0 || shards > in->rest.len / 32) {
        free_stream(stream);
        return ERR_CORRUPT;
    }
    stream->map = stream__map_new(shards);
    for (i32 i = 0; i < shards; i++) {
        take_shard(in, &stream->map->shards[i]);
    }
    stream__take_tags(in, &stream->tags);
    if (in->failed || stream__map_finish(stream->map) != OK) {
        free_stream(stream);
        return ERR_CORRUPT;
    }
    *out = stream;
    return OK;
}

/* --- applying ------------------------------------------------------------------------------- */

static err apply_stream(struct streams *streams, struct stream_cursor *in)
{
    struct stream *stream = NULL;
    TRY(decode_stream(streams, in, &stream));
    if (stream__by_number(streams, stream->number) != NULL) {
        free_stream(stream); /* A restatement of what is known. */
        return OK;
    }
    bool found = false;
    (void)stream__index_of(streams, stream->id, &found);
    if (found) {
        free_stream(stream);
        return ERR_CORRUPT;
    }
    streams->number_next = MAX(streams->number_next, stream->number + 1);
    index_insert(streams, stream);
    return OK;
}

/* What is left to do after the lock. */
struct aftermath {
    struct stream *gone; /* A reference to drop. */
    u32 changed;         /* Stream whose waiters are woken; 0 = none. */
};

static err apply_change(struct streams *streams, enum stream_entry kind, struct stream_cursor *in,
                        struct catalog_frame frame, struct aftermath *after)
{
    u32 number = (u32)stream__take_number(in, UINT32_MAX);
    struct stream *stream = stream__by_number(streams, number);
    if (in->failed) {
        return ERR_CORRUPT;
    }
    if (stream == NULL) {
        return OK; /* Deleted by a record before this one. */
    }
    if (kind == ENTRY_DELETE) {
        index_remove(streams, stream);
        __atomic_store_n(&stream->is_deleted, true, __ATOMIC_RELEASE);
        after->gone = stream;
        after->changed = number;
    } else if (kind == ENTRY_CONSUMER || kind == ENTRY_CONSUMER_CHANGE) {
        after->changed = stream__apply_consumer(stream, kind, in) ? number : 0;
    } else if (kind == ENTRY_RETENTION) {
        i32 hours = (i32)stream__take_number(in, STREAM_RETENTION_MAX_H);
        if (!in->failed) {
            __atomic_store_n(&stream->retention_hours, hours, __ATOMIC_RELEASE);
        }
    } else if (kind == ENTRY_RESHARD) {
        TRY(stream__reshard_apply(stream, in, frame));
        after->changed = number;
    } else if (kind == ENTRY_SETTING) {
        stream__setting_apply(stream, in);
    } else if (kind == ENTRY_SCALES) {
        TRY(stream__scales_apply(stream, in));
    } else {
        stream__take_tags(in, &stream->tags);
        stream__take_unset_tags(in, &stream->tags);
    }
    return in->failed ? ERR_CORRUPT : OK;
}

static err apply_locked(struct streams *streams, str body, struct catalog_frame frame,
                        struct aftermath *after)
{
    if (body.len == 0) {
        return ERR_CORRUPT;
    }
    struct stream_cursor in = {str_slice(body, 1, body.len), false};
    switch ((enum stream_entry)body.data[0]) {
    case ENTRY_SECRET: {
        str secret = stream__take_bytes(&in, STREAM_SECRET_BYTES);
        if (in.failed) {
            return ERR_CORRUPT;
        }
        memcpy(streams->secret, secret.data, STREAM_SECRET_BYTES);
        streams->has_secret = true;
        return OK;
    }
    case ENTRY_NUMBER: {
        u32 number = (u32)stream__take_number(&in, UINT32_MAX);
        streams->number_next = MAX(streams->number_next, number);
        return in.failed ? ERR_CORRUPT : OK;
    }
    case ENTRY_STREAM:
        return apply_stream(streams, &in);
    case ENTRY_ACCOUNT:
        return stream__account_apply(streams, &in);
    case ENTRY_DELETE:
    case ENTRY_RETENTION:
    case ENTRY_TAGS:
    case ENTRY_CONSUMER:
    case ENTRY_CONSUMER_CHANGE:
    case ENTRY_RESHARD:
    case ENTRY_SCALES:
    case ENTRY_SETTING:
        return apply_change(streams, (enum stream_entry)body.data[0], &in, frame, after);
    }
    return ERR_VERSION;
}

err stream__apply(struct streams *streams, str body, struct catalog_frame frame)
{
    struct aftermath after = {0};
    os_rwlock_write(&streams->lock);
    err e = apply_locked(streams, body, frame, &after);
    streams->catalog_bytes += body.len;
    os_rwlock_unlock(&streams->lock);
    if (after.changed != 0) {
        stream__wake_all(streams, after.changed);
    }
    stream_unref(after.gone);
    return e;
}

/* --- start ---------------------------------------------------------------------------------- */

static err write_secret(struct streams *streams)
{
    u8 entry[1 + STREAM_SECRET_BYTES] = {ENTRY_SECRET};
    os_random(streams->os, entry + 1, STREAM_SECRET_BYTES);
    struct log_batch *batch = log_batch_new();
    err e = log_batch_add(batch, catalog_channel, str_from(entry, sizeof entry));
    if (e == OK) {
        e = log_commit(streams->log, batch);
    }
    log_batch_free(batch);
    bool is_looked_at = e == ERR_CLOSED; /* leat doctor writes nothing. */
    return e == OK || is_looked_at
               ? stream__apply(streams, str_from(entry, sizeof entry), (struct catalog_frame){0})
               : e;
}

err stream__load(struct streams *streams, struct diag *diag)
{
    u64 next = 1;
    u8 kind = 0;
    for (;;) {
        struct log_frame *frame = NULL;
        err e = log_frame_seek(streams->log, catalog_channel, next, &frame);
        if (e == ERR_END) {
            break;
        }
        TRY(e);
        struct log_run run;
        CHECK(log_frame_find(frame, catalog_channel, &run));
        log_run_skip(&run, next);
        struct log_record record;
        while (e == OK && log_run_next(&run, &record)) {
            next = record.no + 1;
            kind = record.body.len > 0 ? record.body.data[0] : 0;
            e = stream__apply(
                streams, record.body,
                (struct catalog_frame){log_frame_end_no(frame), log_frame_arrival_ms(frame)});
        }
        log_frame_unref(frame);
        if (e == ERR_VERSION) {
            return diag_set_unknown_kind(diag, "STREAM02", "the catalog of streams", kind);
        }
        if (e != OK) {
            return diag_set(diag, e, "STREAM01", "catalog record %llu of the streams is damaged",
                            (unsigned long long)(next - 1));
        }
    }
    return streams->has_secret ? OK : write_secret(streams);
}

/* --- restating ------------------------------------------------------------------------------ */

static void restated(struct log_batch *batch, err e, void *ctx)
{
    struct streams *streams = ctx;
    if (e == OK) {
        os_rwlock_write(&streams->lock);
        isize first = PLANTED(BUG_CATALOG_RESTATED_DIES) ? log_batch_count(batch) - 1 : 0;
        streams->restated_no = log_batch_record_no(batch, first) + (first > 0 ? 1 : 0);
        streams->catalog_bytes = log_batch_bytes(batch);
        os_rwlock_unlock(&streams->lock);
    }
    log_batch_free(batch);
    os_mutex_lock(&streams->change_lock);
    streams->is_restating = false;
    os_cond_broadcast(&streams->change_idle);
    os_mutex_unlock(&streams->change_lock);
}

/* The whole catalog in one batch, so that a crash leaves the old or the new one. A catalog that is
 * larger than a batch is not restated: its records are few against that size. */
static struct log_batch *encode_all(struct streams *streams)
{
    struct log_batch *batch = log_batch_new();
    struct buf entry = {0};
    buf_append_byte(&entry, ENTRY_SECRET);
    buf_append_bytes(&entry, streams->secret, STREAM_SECRET_BYTES);
    err e = log_batch_add(batch, catalog_channel, buf_str(&entry));
    os_rwlock_read(&streams->lock);
    buf_reset(&entry);
    buf_append_byte(&entry, ENTRY_NUMBER);
    buf_append_varint(&entry, streams->number_next);
    if (e == OK && !PLANTED(BUG_CATALOG_NUMBER_FORGOTTEN)) {
        e = log_batch_add(batch, catalog_channel, buf_str(&entry));
    }
    buf_reset(&entry);
    for (isize k = 0; e == OK && stream__account_encode(streams, k, &entry); k++) {
        e = log_batch_add(batch, catalog_channel, buf_str(&entry));
        buf_reset(&entry);
    }
    isize count = streams->count - (PLANTED(BUG_CATALOG_STREAM_FORGOTTEN) ? 1 : 0);
    for (isize i = 0; i < count && e == OK; i++) {
        buf_reset(&entry);
        stream__encode(streams->by_number[i], &entry);
        e = log_batch_add(batch, catalog_channel, buf_str(&entry));
        buf_reset(&entry);
        for (i32 k = 0; e == OK && stream__encode_consumer(streams->by_number[i], k, &entry); k++) {
            e = log_batch_add(batch, catalog_channel, buf_str(&entry));
            buf_reset(&entry);
        }
        for (i32 k = 0; e == OK && stream__setting_encode(streams->by_number[i], k, &entry); k++) {
            if (buf_str(&entry).len > 0) {
                e = log_batch_add(batch, catalog_channel, buf_str(&entry));
                buf_reset(&entry);
            }
        }
        if (e == OK && stream__scales_encode(streams->by_number[i], &entry)) {
            e = log_batch_add(batch, catalog_channel, buf_str(&entry));
            buf_reset(&entry);
        }
    }
    isize written = streams->catalog_bytes;
    os_rwlock_unlock(&streams->lock);
    buf_deinit(&entry);
    if (e != OK || written < 2 * log_batch_bytes(batch) + STREAM_CATALOG_SLACK_BYTES) {
        log_batch_free(batch);
        return NULL;
    }
    return batch;
}

void stream__restate_if_due(struct streams *streams)
{
    os_rwlock_read(&streams->lock);
    bool is_due = streams->catalog_bytes > STREAM_CATALOG_SLACK_BYTES;
    os_rwlock_unlock(&streams->lock);
    if (!is_due) {
        return;
    }
    os_mutex_lock(&streams->change_lock);
    /* With a change on its way the catalog in memory is behind the log. */
    if (!streams->is_restating && streams->change_count == 0) {
        struct log_batch *batch = encode_all(streams);
        if (batch != NULL) {
            streams->is_restating = true;
            log_submit(streams->log, batch, restated, streams);
        }
    }
    os_mutex_unlock(&streams->change_lock);
}
