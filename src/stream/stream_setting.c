/*
 * stream/stream_setting.c: settings of a stream that change during its life: mode, largest
 * record, key, metrics, policies. Format: docs/formats/streams.md, record 9.
 */
#include "stream/stream_int.h"

enum {
    SETTING_MODE = 0,
    SETTING_RECORD_BYTES = 1,
    SETTING_KEY = 2,
    SETTING_METRICS = 3,
    SETTING_POLICY = 4,
    SETTING_WARM = 5,
};

/* --- owned strings --------------------------------------------------------------------------- */

void stream__str_free(str *owned)
{
    union {
        const u8 *read;
        void *owned;
    } block = {owned->data};
    mem_free(block.owned);
    *owned = STR_EMPTY;
}

void stream__str_replace(str *owned, str text)
{
    stream__str_free(owned);
    if (text.len > 0) {
        u8 *copy = mem_alloc(text.len);
        memcpy(copy, text.data, (size_t)text.len);
        *owned = (str){copy, text.len};
    }
}

/* --- applying; lock is held for writing ------------------------------------------------------ */

static void apply_mode(struct stream *stream, struct stream_cursor *in)
{
    enum stream_mode mode = (enum stream_mode)stream__take_number(in, STREAM_ON_DEMAND);
    i64 at_ms = (i64)stream__take_number(in, INT64_MAX);
    if (in->failed) {
        return;
    }
    __atomic_store_n(&stream->mode, mode, __ATOMIC_RELEASE);
    if (mode == STREAM_PROVISIONED) {
        __atomic_store_n(&stream->warm_mibps, 0, __ATOMIC_RELEASE);
    }
    if (at_ms > stream->mode_changed_ms[1]) { /* Else a restatement of what is known. */
        stream->mode_changed_ms[0] = stream->mode_changed_ms[1];
        stream->mode_changed_ms[1] = at_ms;
    }
}

static void apply_policy(struct stream *stream, struct stream_cursor *in)
{
    str consumer = stream__take_str(in, STREAM_NAME_MAX);
    str policy = stream__take_str(in, STREAM_POLICY_BYTES_MAX);
    str *owned = consumer.len > 0 ? stream__consumer_policy(stream, consumer) : &stream->policy;
    if (!in->failed && owned != NULL) { /* NULL: deregistered by a record before this one. */
        stream__str_replace(owned, policy);
    }
}

void stream__setting_apply(struct stream *stream, struct stream_cursor *in)
{
    u64 setting = stream__take_number(in, SETTING_WARM);
    if (in->failed) {
        return;
    }
    if (setting == SETTING_MODE) {
        apply_mode(stream, in);
    } else if (setting == SETTING_RECORD_BYTES) {
        i32 bytes = (i32)stream__take_number(in, STREAM_RECORD_BYTES_CEILING);
        if (!in->failed) {
            __atomic_store_n(&stream->record_bytes_max, bytes, __ATOMIC_RELEASE);
        }
    } else if (setting == SETTING_KEY) {
        str key = stream__take_str(in, STREAM_KEY_BYTES_MAX);
        if (!in->failed) {
            stream__str_replace(&stream->key, key);
            __atomic_store_n(&stream->is_encrypted, key.len > 0, __ATOMIC_RELEASE);
        }
    } else if (setting == SETTING_METRICS) {
        u32 set = (u32)stream__take_number(in, STREAM_METRICS_ALL);
        u32 unset = (u32)stream__take_number(in, STREAM_METRICS_ALL);
        if (!in->failed) {
            __atomic_store_n(&stream->metrics, (stream->metrics | set) & ~unset, __ATOMIC_RELEASE);
        }
    } else if (setting == SETTING_WARM) {
        i32 mibps = (i32)stream__take_number(in, STREAM_WARM_MIBPS_MAX);
        if (!in->failed) {
            __atomic_store_n(&stream->warm_mibps, mibps, __ATOMIC_RELEASE);
        }
    } else {
        apply_policy(stream, in);
    }
}

/* --- encoding -------------------------------------------------------------------------------- */

static void begin_entry(struct buf *out, const struct stream *stream, u64 setting)
{
    buf_append_byte(out, ENTRY_SETTING);
    buf_append_varint(out, stream->number);
    buf_append_varint(out, setting);
}

void stream__mode_encode(struct buf *out, const struct stream *stream, enum stream_mode mode,
                         i64 ms)
{
    begin_entry(out, stream, SETTING_MODE);
    buf_append_varint(out, (u64)mode);
    buf_append_varint(out, (u64)ms);
}

void stream__warm_encode(struct buf *out, const struct stream *stream, i32 mibps)
{
    begin_entry(out, stream, SETTING_WARM);
    buf_append_varint(out, (u64)mibps);
}

static void put_text(struct buf *out, const struct stream *stream, u64 setting, str text)
{
    begin_entry(out, stream, setting);
    stream__put_str(out, text);
}

static void put_policy(struct buf *out, const struct stream *stream, str consumer, str policy)
{
    put_text(out, stream, SETTING_POLICY, consumer);
    stream__put_str(out, policy);
}

static void put_metrics(struct buf *out, const struct stream *stream, u32 set, u32 unset)
{
    begin_entry(out, stream, SETTING_METRICS);
    buf_append_varint(out, set);
    buf_append_varint(out, unset);
}

bool stream__setting_encode(const struct stream *stream, i32 index, struct buf *out)
{
    switch (index) {
    case 0:
    case 1:
        if (stream->mode_changed_ms[index] > 0) {
            stream__mode_encode(out, stream, stream->mode, stream->mode_changed_ms[index]);
        }
        return true;
    case 2:
        if (stream->key.len > 0) {
            put_text(out, stream, SETTING_KEY, stream->key);
        }
        return true;
    case 3:
        if (stream->metrics != 0) {
            put_metrics(out, stream, stream->metrics, 0);
        }
        return true;
    case 4:
        if (stream->policy.len > 0) {
            put_policy(out, stream, STR_EMPTY, stream->policy);
        }
        return true;
    case 5:
        if (stream->warm_mibps > 0) {
            stream__warm_encode(out, stream, stream->warm_mibps);
        }
        return true;
    default:
        break;
    }
    i32 consumer = index - 6;
    if (consumer >= stream->consumer_count) {
        return false;
    }
    if (stream->consumers[consumer].policy.len > 0) {
        put_policy(out, stream, stream->consumers[consumer].name,
                   stream->consumers[consumer].policy);
    }
    return true;
}

/* --- changing -------------------------------------------------------------------------------- */

/* Ends what stream__change_begin began. */
static err submit(struct stream *stream, struct change *change)
{
    err e = stream__change_submit(change);
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}

err stream__mode_check(const struct stream *stream, i64 *at_ms_out)
{
    for (const struct change *c = stream->owner->changes; c != NULL; c = c->next) {
        if (c->stream == stream && c->is_mode_change) {
            return ERR_IN_USE;
        }
    }
    i64 now_ms = os_wall_us(stream->owner->os) / 1000;
    os_rwlock_read(&stream->owner->lock);
    i64 first_ms = stream->mode_changed_ms[0];
    *at_ms_out = MAX(now_ms, stream->mode_changed_ms[1] + 1);
    os_rwlock_unlock(&stream->owner->lock);
    return first_ms > now_ms - 24LL * 3600 * 1000 ? ERR_AGAIN : OK;
}

err stream_set_mode(struct stream *stream, enum stream_mode mode, stream_done_fn done, void *ctx)
{
    TRY(stream__change_begin_idle(stream));
    i64 at_ms = 0;
    err e = stream__mode_check(stream, &at_ms);
    if (e != OK) {
        os_mutex_unlock(&stream->owner->change_lock);
        return e;
    }
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    change->is_mode_change = true;
    stream__mode_encode(&change->body, stream, mode, at_ms);
    return submit(stream, change);
}

err stream_set_record_bytes(struct stream *stream, i32 bytes, stream_done_fn done, void *ctx)
{
    if (bytes < STREAM_RECORD_BYTES_DEFAULT || bytes > STREAM_RECORD_BYTES_CEILING) {
        return ERR_RANGE;
    }
    TRY(stream__change_begin_idle(stream));
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    begin_entry(&change->body, stream, SETTING_RECORD_BYTES);
    buf_append_varint(&change->body, (u64)bytes);
    return submit(stream, change);
}

err stream_set_key(struct stream *stream, str key, stream_done_fn done, void *ctx)
{
    if (key.len > STREAM_KEY_BYTES_MAX) {
        return ERR_RANGE;
    }
    TRY(stream__change_begin_idle(stream));
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    put_text(&change->body, stream, SETTING_KEY, key);
    return submit(stream, change);
}

err stream_set_metrics(struct stream *stream, u32 set, u32 unset, stream_done_fn done, void *ctx)
{
    CHECK(((set | unset) & ~(u32)STREAM_METRICS_ALL) == 0);
    TRY(stream__change_begin_idle(stream));
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    put_metrics(&change->body, stream, set, unset);
    return submit(stream, change);
}

err stream_set_policy(struct stream *stream, str consumer, str policy, stream_done_fn done,
                      void *ctx)
{
    if (policy.len > STREAM_POLICY_BYTES_MAX) {
        return ERR_RANGE;
    }
    TRY(stream__change_begin(stream));
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    put_policy(&change->body, stream, consumer, policy);
    return submit(stream, change);
}

/* --- reading --------------------------------------------------------------------------------- */

bool stream_is_encrypted(struct stream *stream)
{
    return __atomic_load_n(&stream->is_encrypted, __ATOMIC_ACQUIRE);
}

str stream_get_key(struct stream *stream, struct arena *arena)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    str key = arena_copy(arena, stream->key);
    os_rwlock_unlock(&stream->owner->lock);
    return key;
}

str stream_get_policy(struct stream *stream, str consumer, struct arena *arena)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    const str *policy =
        consumer.len > 0 ? stream__consumer_policy(stream, consumer) : &stream->policy;
    str copy = policy == NULL ? STR_EMPTY : arena_copy(arena, *policy);
    os_rwlock_unlock(&stream->owner->lock);
    return copy;
}
