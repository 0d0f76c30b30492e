/*
 * stream/stream_reshard.c: splits and merges. A reshard is a list of them that takes
 * effect together: it is tried on a draft of the shard map under change_lock, written
 * as ENTRY_RESHARD, and done again, on the map of that moment, when it is durable.
 * Nothing else changes maps, so both give the same shards. Times and the number after
 * the last record come from the frame that the entry stands in.
 */
#include "stream/stream_int.h"

enum { OP_SPLIT = 0, OP_MERGE = 1, RESHARD_SCALES = 1 };

/* --- the draft ------------------------------------------------------------------------------ */

void stream__draft_init(struct reshard_draft *draft, const struct shard_map *map)
{
    *draft = (struct reshard_draft){
        .count = map->count,
        .capacity = map->count + 2,
        .open_count = map->open_count,
    };
    draft->shards = mem_alloc((isize)draft->capacity * (isize)sizeof *draft->shards);
    memcpy(draft->shards, map->shards, (size_t)map->count * sizeof *draft->shards);
}

void stream__draft_deinit(struct reshard_draft *draft)
{
    mem_free(draft->shards);
    mem_free(draft->ops);
}

static struct shard *find_open(struct reshard_draft *draft, u32 index, err *error_out)
{
    i32 low = 0;
    i32 high = draft->count;
    while (low < high) {
        i32 middle = low + (high - low) / 2;
        if (draft->shards[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == draft->count || draft->shards[low].index != index) {
        *error_out = ERR_END;
        return NULL;
    }
    *error_out = draft->shards[low].closed_ms != 0 ? ERR_CLOSED : OK;
    return *error_out == OK ? &draft->shards[low] : NULL;
}

/* A shard that was made by this very reshard ends when it begins. */
static i64 close_shard(struct reshard_draft *draft, struct shard *shard)
{
    shard->closed_ms = MAX(MAX(draft->frame.arrival_ms, shard->created_ms), 1);
    shard->closed_no = draft->frame.end_no;
    draft->open_count--;
    return shard->closed_ms;
}

static void add_child(struct reshard_draft *draft, struct shard child)
{
    if (draft->count == draft->capacity) {
        draft->capacity *= 2;
        draft->shards =
            mem_resize(draft->shards, (isize)draft->capacity * (isize)sizeof *draft->shards);
    }
    child.index = draft->shards[draft->count - 1].index + 1;
    draft->shards[draft->count++] = child;
    draft->open_count++;
}

static err split(struct reshard_draft *draft, const struct reshard_op *op)
{
    err e;
    struct shard *parent = find_open(draft, op->shard, &e);
    TRY(e);
    if (op->hash <= parent->hash_first || op->hash > parent->hash_last) {
        return ERR_INVALID;
    }
    struct shard child = {
        .hash_first = parent->hash_first,
        .hash_last = op->hash - 1,
        .created_ms = close_shard(draft, parent) + STREAM_CHILD_DELAY_MS,
        .parent = (i32)parent->index,
        .adjacent_parent = -1,
    };
    u128 last = parent->hash_last;
    add_child(draft, child); /* Moves the shards. */
    child.hash_first = op->hash;
    child.hash_last = last;
    add_child(draft, child);
    return OK;
}

static err merge(struct reshard_draft *draft, const struct reshard_op *op)
{
    err e;
    struct shard *lower = find_open(draft, op->shard, &e);
    TRY(e);
    struct shard *upper = find_open(draft, op->other, &e);
    TRY(e);
    if (lower->hash_last == ~(u128)0 || lower->hash_last + 1 != upper->hash_first) {
        return ERR_INVALID;
    }
    i64 lower_ms = close_shard(draft, lower);
    i64 upper_ms = close_shard(draft, upper);
    add_child(draft, (struct shard){
                         .hash_first = lower->hash_first,
                         .hash_last = upper->hash_last,
                         .created_ms = MAX(lower_ms, upper_ms) + STREAM_CHILD_DELAY_MS,
                         .parent = (i32)lower->index,
                         .adjacent_parent = (i32)upper->index,
                     });
    return OK;
}

err stream__draft_apply(struct reshard_draft *draft, const struct reshard_op *op, u32 *child_out)
{
    u32 child = draft->shards[draft->count - 1].index + 1;
    if (child > (u32)INT32_MAX - 2) {
        return ERR_LIMIT;
    }
    TRY(op->is_merge ? merge(draft, op) : split(draft, op));
    if (draft->op_count == draft->op_capacity) {
        draft->op_capacity = MAX(4, 2 * draft->op_capacity);
        draft->ops = mem_resize(draft->ops, (isize)draft->op_capacity * (isize)sizeof *draft->ops);
    }
    draft->ops[draft->op_count++] = *op;
    *child_out = child;
    return OK;
}

/* --- the entry ------------------------------------------------------------------------------ */

static void encode(const struct stream *stream, const struct reshard_draft *draft, u64 flags,
                   struct buf *out)
{
    buf_append_byte(out, ENTRY_RESHARD);
    buf_append_varint(out, stream->number);
    buf_append_varint(out, flags);
    buf_append_varint(out, (u64)draft->op_count);
    for (i32 i = 0; i < draft->op_count; i++) {
        const struct reshard_op *op = &draft->ops[i];
        buf_append_byte(out, op->is_merge ? OP_MERGE : OP_SPLIT);
        buf_append_varint(out, op->shard);
        if (op->is_merge) {
            buf_append_varint(out, op->other);
        } else {
            buf_append_bytes(out, &op->hash, sizeof op->hash);
        }
    }
}

static void take_op(struct stream_cursor *in, struct reshard_op *out)
{
    *out = (struct reshard_op){.is_merge = stream__take_number(in, OP_MERGE) == OP_MERGE};
    out->shard = (u32)stream__take_number(in, INT32_MAX);
    if (out->is_merge) {
        out->other = (u32)stream__take_number(in, INT32_MAX);
    } else {
        out->hash = stream__take_u128(in);
    }
}

/* `lock` is held for writing; readers that look at the old map without it are waited for. */
static err publish(struct stream *stream, struct reshard_draft *draft)
{
    struct shard_map *map = stream__map_new(draft->count);
    memcpy(map->shards, draft->shards, (size_t)draft->count * sizeof *map->shards);
    if (stream__map_finish(map) != OK) {
        stream__map_free(map);
        return ERR_CORRUPT;
    }
    struct shard_map *old = stream->map;
    __atomic_store_n(&stream->map, map, __ATOMIC_SEQ_CST);
    if (os_quiet_wait()) {
        stream__map_free(old);
    } else {
        map->retired_next = old;
    }
    return OK;
}

static void note_scale(struct stream *stream, i64 at_ms)
{
    memmove(stream->scaled_ms, stream->scaled_ms + 1,
            (STREAM_SCALES_MAX - 1) * sizeof *stream->scaled_ms);
    stream->scaled_ms[STREAM_SCALES_MAX - 1] = at_ms;
}

err stream__reshard_apply(struct stream *stream, struct stream_cursor *in,
                          struct catalog_frame frame)
{
    struct reshard_draft draft;
    u64 flags = stream__take_number(in, RESHARD_SCALES);
    u64 count = stream__take_number(in, INT32_MAX);
    stream__draft_init(&draft, stream->map);
    draft.frame = frame;
    err e = OK;
    for (u64 i = 0; i < count && e == OK && !in->failed; i++) {
        struct reshard_op op;
        u32 child;
        take_op(in, &op);
        e = in->failed ? ERR_CORRUPT : stream__draft_apply(&draft, &op, &child);
    }
    if (e == OK && !in->failed && count > 0) {
        e = publish(stream, &draft);
    }
    stream__draft_deinit(&draft);
    if (e == OK && flags == RESHARD_SCALES) {
        note_scale(stream, frame.arrival_ms);
    }
    return e == OK && !in->failed ? OK : ERR_CORRUPT;
}

bool stream__scales_encode(const struct stream *stream, struct buf *out)
{
    if (stream->scaled_ms[STREAM_SCALES_MAX - 1] == 0) {
        return false;
    }
    buf_append_byte(out, ENTRY_SCALES);
    buf_append_varint(out, stream->number);
    for (int i = 0; i < STREAM_SCALES_MAX; i++) {
        buf_append_varint(out, (u64)stream->scaled_ms[i]);
    }
    return true;
}

err stream__scales_apply(struct stream *stream, struct stream_cursor *in)
{
    i64 times[STREAM_SCALES_MAX];
    for (int i = 0; i < STREAM_SCALES_MAX; i++) {
        times[i] = (i64)stream__take_number(in, INT64_MAX);
    }
    if (in->failed) {
        return ERR_CORRUPT;
    }
    memcpy(stream->scaled_ms, times, sizeof times);
    return OK;
}

/* --- changes -------------------------------------------------------------------------------- */

/* Takes change_lock, which the caller gives back, and begins a draft. */
static err begin(struct stream *stream, enum stream_mode mode, struct reshard_draft *draft)
{
    TRY(stream__change_begin_idle(stream));
    if (__atomic_load_n(&stream->mode, __ATOMIC_ACQUIRE) != mode) {
        os_mutex_unlock(&stream->owner->change_lock);
        return ERR_UNSUPPORTED;
    }
    os_rwlock_read(&stream->owner->lock);
    stream__draft_init(draft, stream__map(stream));
    os_rwlock_unlock(&stream->owner->lock);
    return OK;
}

/* What goes with a reshard. */
struct extra {
    u64 flags;
    bool has_warm, switches_mode;
    i32 warm_mibps;
    i64 mode_at_ms;
};

static void put_extra(struct change *change, const struct extra *extra)
{
    const struct stream *stream = change->stream;
    if (extra->switches_mode) {
        change->is_mode_change = true;
        stream__mode_encode(&change->also[0], stream, STREAM_ON_DEMAND, extra->mode_at_ms);
    }
    if (extra->has_warm) {
        stream__warm_encode(&change->also[1], stream, extra->warm_mibps);
    }
}

/* Submits when `e` is good, and gives everything back that begin() took. */
static err end(struct stream *stream, struct reshard_draft *draft, err e, const struct extra *extra,
               stream_done_fn done, void *ctx)
{
    struct streams *streams = stream->owner;
    if (e == OK && draft->open_count > STREAM_SHARDS_MAX) {
        e = ERR_LIMIT;
    }
    if (e == OK) {
        struct change *change = stream__change_new(streams, stream, done, ctx);
        encode(stream, draft, extra->flags, &change->body);
        put_extra(change, extra);
        change->epoch = streams->epoch_next++;
        log_batch_raise_epoch(change->batch, change->epoch);
        __atomic_store_n(&stream->is_resharding, true, __ATOMIC_RELEASE);
        e = stream__change_submit(change);
        if (e != OK) {
            __atomic_store_n(&stream->is_resharding, false, __ATOMIC_RELEASE);
        }
    }
    stream__draft_deinit(draft);
    os_mutex_unlock(&streams->change_lock);
    return e;
}

err stream_split(struct stream *stream, u32 shard, u128 upper_first, stream_done_fn done, void *ctx)
{
    struct reshard_draft draft;
    u32 child;
    TRY(begin(stream, STREAM_PROVISIONED, &draft));
    err e;
    const struct shard *parent = find_open(&draft, shard, &e);
    if (e == OK && (upper_first <= parent->hash_first + 1 || upper_first >= parent->hash_last)) {
        e = ERR_INVALID;
    }
    if (e == OK) {
        e = stream__draft_apply(&draft, &(struct reshard_op){.shard = shard, .hash = upper_first},
                                &child);
    }
    return end(stream, &draft, e, &(struct extra){0}, done, ctx);
}

err stream_merge(struct stream *stream, u32 lower, u32 upper, stream_done_fn done, void *ctx)
{
    struct reshard_draft draft;
    u32 child;
    TRY(begin(stream, STREAM_PROVISIONED, &draft));
    struct reshard_op op = {.is_merge = true, .shard = lower, .other = upper};
    err e = stream__draft_apply(&draft, &op, &child);
    return end(stream, &draft, e, &(struct extra){0}, done, ctx);
}

/* change_lock is held. */
static err check_scale(struct stream *stream, i32 open_count, i32 target)
{
    if (target < 1 || target > STREAM_SHARDS_MAX || target > 2 * open_count ||
        2 * target < open_count) {
        return ERR_RANGE;
    }
    i64 day_ago_ms = os_wall_us(stream->owner->os) / 1000 - 24LL * 3600 * 1000;
    os_rwlock_read(&stream->owner->lock);
    bool is_often = stream->scaled_ms[0] > day_ago_ms;
    os_rwlock_unlock(&stream->owner->lock);
    return is_often ? ERR_AGAIN : OK;
}

err stream_scale(struct stream *stream, i32 target, stream_done_fn done, void *ctx)
{
    struct reshard_draft draft;
    TRY(begin(stream, STREAM_PROVISIONED, &draft));
    err e = check_scale(stream, draft.open_count, target);
    if (e == OK) {
        stream__scale_plan(&draft, target);
    }
    return end(stream, &draft, e, &(struct extra){.flags = RESHARD_SCALES}, done, ctx);
}

err stream_set_warm(struct stream *stream, i32 mibps, bool switches_mode, stream_done_fn done,
                    void *ctx)
{
    if (mibps < 0 || mibps > STREAM_WARM_MIBPS_MAX) {
        return ERR_RANGE;
    }
    struct reshard_draft draft;
    struct extra extra = {.has_warm = true, .warm_mibps = mibps, .switches_mode = switches_mode};
    TRY(begin(stream, switches_mode ? STREAM_PROVISIONED : STREAM_ON_DEMAND, &draft));
    err e = switches_mode ? stream__mode_check(stream, &extra.mode_at_ms) : OK;
    if (e == OK) {
        stream__scale_plan(&draft, MAX(mibps, STREAM_ON_DEMAND_SHARDS));
    }
    return end(stream, &draft, e, &extra, done, ctx);
}
