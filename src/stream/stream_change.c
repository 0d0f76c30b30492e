/*
 * stream/stream_change.c: opening the catalog and changing it. A change is checked
 * and submitted under change_lock, and applied on the committer's thread when it
 * is durable.
 */
#include "stream/stream_int.h"

static const struct log_channel catalog_channel = {0, LOG_CONTROL_STREAMS};

/* --- life cycle ----------------------------------------------------------------------------- */

err streams_open(struct os *os, struct log *log, struct streams **out, struct diag *diag)
{
    struct streams *streams = NEW(struct streams);
    streams->magic = STREAMS_MAGIC;
    streams->os = os;
    streams->log = log;
    streams->number_next = 1;
    streams->wait_next = 1;
    streams->hold_first_no = UINT64_MAX;
    streams->epoch = 1;
    streams->epoch_next = 2;
    os_mutex_init(&streams->change_lock);
    os_cond_init(&streams->change_idle);
    os_mutex_init(&streams->control_lock);
    os_mutex_init(&streams->wait_lock);
    os_mutex_init(&streams->hold_lock);
    os_rwlock_init(&streams->lock);
    streams->watch_id = log_watch(log, stream__on_publish, streams);
    err e = stream__load(streams, diag);
    if (e != OK) {
        streams_close(streams);
        return e;
    }
    log_set_live(log, stream__is_live, streams);
    log_set_stale(log, stream__on_stale, streams);
    *out = streams;
    return OK;
}

void streams_close(struct streams *streams)
{
    if (streams == NULL) {
        return;
    }
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    os_mutex_lock(&streams->change_lock);
    while (streams->change_count > 0 || streams->is_restating) {
        os_cond_wait(&streams->change_idle, &streams->change_lock);
    }
    os_mutex_unlock(&streams->change_lock);
    log_set_live(streams->log, NULL, NULL);
    log_set_stale(streams->log, NULL, NULL);
    log_unwatch(streams->log, streams->watch_id);
    for (isize i = 0; i < streams->count; i++) {
        stream_unref(streams->by_name[i]);
    }
    mem_free(streams->by_name);
    mem_free(streams->by_number);
    stream__accounts_free(streams);
    stream__free_waiters(streams);
    while (streams->holds != NULL) {
        struct hold *next = streams->holds->next;
        mem_free(streams->holds);
        streams->holds = next;
    }
    os_rwlock_deinit(&streams->lock);
    os_mutex_deinit(&streams->hold_lock);
    os_mutex_deinit(&streams->wait_lock);
    os_mutex_deinit(&streams->control_lock);
    os_cond_deinit(&streams->change_idle);
    os_mutex_deinit(&streams->change_lock);
    streams->magic = 0;
    mem_free(streams);
}

struct log *streams_log(struct streams *streams)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    return streams->log;
}

void streams_settle(struct streams *streams)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    os_mutex_lock(&streams->change_lock);
    u64 begun = streams->change_number;
    while (streams->change_number - (u64)streams->change_count < begun &&
           streams->change_count > 0) {
        os_cond_wait(&streams->change_idle, &streams->change_lock);
    }
    os_mutex_unlock(&streams->change_lock);
}

void streams_get_secret(struct streams *streams, u8 *out)
{
    memcpy(out, streams->secret, STREAM_SECRET_BYTES);
}

/* --- lookup --------------------------------------------------------------------------------- */

struct stream *streams_find(struct streams *streams, struct stream_id id)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    struct stream *stream = NULL;
    bool found = false;
    os_rwlock_read(&streams->lock);
    isize at = stream__index_of(streams, id, &found);
    if (found) {
        stream = streams->by_name[at];
        stream_ref(stream);
    }
    os_rwlock_unlock(&streams->lock);
    return stream;
}

struct stream *streams_find_number(struct streams *streams, u32 stream_number)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    os_rwlock_read(&streams->lock);
    struct stream *stream = stream__by_number(streams, stream_number);
    if (stream != NULL) {
        stream_ref(stream);
    }
    os_rwlock_unlock(&streams->lock);
    return stream;
}

void streams_each(struct streams *streams, str account, str region,
                  bool (*each)(void *ctx, struct stream *stream), void *ctx)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    bool found = false;
    os_rwlock_read(&streams->lock);
    isize i = stream__index_of(streams, (struct stream_id){account, region, STR_EMPTY}, &found);
    for (; i < streams->count; i++) {
        struct stream_id id = streams->by_name[i]->id;
        if (account.len > 0 && !str_eq(id.account, account)) {
            break;
        }
        bool is_hidden = account.len == 0 && str_eq(id.account, STR(STREAM_HIDDEN_ACCOUNT));
        if (is_hidden || (region.len > 0 && !str_eq(id.region, region))) {
            continue;
        }
        if (!each(ctx, streams->by_name[i])) {
            break;
        }
    }
    os_rwlock_unlock(&streams->lock);
}

static enum stream_status status_of(const struct stream *stream, bool is_deleted)
{
    if (is_deleted) {
        return STREAM_DELETING;
    }
    bool is_resharding = __atomic_load_n(&stream->is_resharding, __ATOMIC_ACQUIRE);
    return is_resharding ? STREAM_UPDATING : STREAM_ACTIVE;
}

void stream_get_info(struct stream *stream, struct stream_info *out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_quiet_begin();
    const struct shard_map *map = stream__map(stream);
    i32 shard_count = map->count;
    i32 open_shard_count = map->open_count;
    os_quiet_end();
    bool is_deleted = __atomic_load_n(&stream->is_deleted, __ATOMIC_ACQUIRE);
    *out = (struct stream_info){
        .id = stream->id,
        .number = stream->number,
        .mode = __atomic_load_n(&stream->mode, __ATOMIC_ACQUIRE),
        .status = status_of(stream, is_deleted),
        .is_deleted = is_deleted,
        .created_ms = stream->created_ms,
        .retention_hours = __atomic_load_n(&stream->retention_hours, __ATOMIC_ACQUIRE),
        .record_bytes_max = __atomic_load_n(&stream->record_bytes_max, __ATOMIC_ACQUIRE),
        .metrics = __atomic_load_n(&stream->metrics, __ATOMIC_ACQUIRE),
        .warm_mibps = __atomic_load_n(&stream->warm_mibps, __ATOMIC_ACQUIRE),
        .is_encrypted = stream_is_encrypted(stream),
        .shard_count = shard_count,
        .open_shard_count = open_shard_count,
    };
}

void stream_get_tags(struct stream *stream, struct arena *arena, struct stream_tag **tags_out,
                     isize *count_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    stream__tags_copy(&stream->tags, arena, tags_out, count_out);
    os_rwlock_unlock(&stream->owner->lock);
}

/* --- submitting ----------------------------------------------------------------------------- */

static void unlink_change(struct streams *streams, struct change *change)
{
    struct change **link = &streams->changes;
    while (*link != change) {
        link = &(*link)->next;
    }
    *link = change->next;
    streams->change_count--;
}

static void free_change(struct change *change)
{
    stream_unref(change->stream);
    log_batch_free(change->batch);
    buf_deinit(&change->body);
    for (int i = 0; i < COUNT_OF(change->also); i++) {
        buf_deinit(&change->also[i]);
    }
    mem_free(change);
}

static void change_done(struct log_batch *batch, err e, void *ctx)
{
    struct change *change = ctx;
    struct streams *streams = change->streams;
    CHECK(batch == change->batch);
    if (e == OK) {
        struct catalog_frame frame = {log_batch_end_no(batch), log_batch_arrival_ms(batch)};
        e = stream__apply(streams, buf_str(&change->body), frame);
        for (int i = 0; i < COUNT_OF(change->also) && e == OK; i++) {
            str also = buf_str(&change->also[i]);
            e = also.len > 0 ? stream__apply(streams, also, frame) : OK;
        }
        CHECK(e == OK); /* We encoded it, and the order of the log is the order of the checks. */
    }
    if (change->epoch > 0 && e == OK) {
        __atomic_store_n(&streams->epoch, change->epoch, __ATOMIC_RELEASE);
    }
    os_mutex_lock(&streams->change_lock);
    unlink_change(streams, change);
    if (change->epoch > 0) {
        __atomic_store_n(&change->stream->is_resharding, false, __ATOMIC_RELEASE);
    }
    if (change->stream != NULL) {
        change->stream->tag_pending -= change->consumer.len == 0 ? change->tag_delta : 0;
        change->stream->is_deleting = change->stream->is_deleting && e == OK;
    }
    os_mutex_unlock(&streams->change_lock);
    stream__restate_if_due(streams);
    os_mutex_lock(&streams->change_lock);
    os_cond_broadcast(&streams->change_idle);
    os_mutex_unlock(&streams->change_lock);
    stream_done_fn done = change->done;
    void *done_ctx = change->ctx;
    free_change(change);
    done(done_ctx, e);
}

struct change *stream__change_new(struct streams *streams, struct stream *stream,
                                  stream_done_fn done, void *ctx)
{
    struct change *change = NEW(struct change);
    change->streams = streams;
    change->stream = stream;
    change->batch = log_batch_new();
    change->done = done;
    change->ctx = ctx;
    if (stream != NULL) {
        stream_ref(stream);
    }
    return change;
}

err stream__change_submit(struct change *change)
{
    struct streams *streams = change->streams;
    str body = buf_str(&change->body);
    if (PLANTED(BUG_CATALOG_DELETE_UNWRITTEN) && body.data[0] == ENTRY_DELETE) {
        static const u8 nothing[] = {ENTRY_NUMBER, 1};
        body = str_from(nothing, sizeof nothing);
    }
    err e = log_batch_add(change->batch, catalog_channel, body);
    for (int i = 0; i < COUNT_OF(change->also) && e == OK; i++) {
        str also = buf_str(&change->also[i]);
        e = also.len > 0 ? log_batch_add(change->batch, catalog_channel, also) : OK;
    }
    if (e != OK) {
        free_change(change);
        return e;
    }
    change->next = streams->changes;
    streams->changes = change;
    streams->change_count++;
    streams->change_number++;
    log_submit(streams->log, change->batch, change_done, change);
    return OK;
}

err stream__change_begin(struct stream *stream)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_mutex_lock(&stream->owner->change_lock);
    if (stream->is_deleting || __atomic_load_n(&stream->is_deleted, __ATOMIC_ACQUIRE)) {
        os_mutex_unlock(&stream->owner->change_lock);
        return ERR_NOT_FOUND;
    }
    return OK;
}

err stream__change_begin_idle(struct stream *stream)
{
    TRY(stream__change_begin(stream));
    if (stream->is_resharding) {
        os_mutex_unlock(&stream->owner->change_lock);
        return ERR_IN_USE;
    }
    return OK;
}

/* --- creation ------------------------------------------------------------------------------- */

static err check_spec(const struct stream_spec *spec, i32 shards)
{
    if (!stream__is_name(spec->id.name) || !stream__is_name(spec->id.region) ||
        spec->id.region.len > STREAM_REGION_MAX || spec->id.account.len != STREAM_ACCOUNT_BYTES) {
        return ERR_RANGE;
    }
    if (shards < 1 || shards > STREAM_SHARDS_MAX || spec->record_bytes_max < 0 ||
        spec->record_bytes_max > STREAM_RECORD_BYTES_CEILING || spec->warm_mibps < 0 ||
        spec->warm_mibps > (spec->mode == STREAM_ON_DEMAND ? STREAM_WARM_MIBPS_MAX : 0)) {
        return ERR_RANGE;
    }
    if (spec->retention_hours != 0 && (spec->retention_hours < STREAM_RETENTION_MIN_H ||
                                       spec->retention_hours > STREAM_RETENTION_MAX_H)) {
        return ERR_RANGE;
    }
    return spec->tag_count > STREAM_TAGS_MAX ? ERR_LIMIT : OK;
}

static bool is_taken(struct streams *streams, struct stream_id id)
{
    for (const struct change *c = streams->changes; c != NULL; c = c->next) {
        if (c->create.name.len > 0 && stream__id_cmp(c->create, id) == 0) {
            return true;
        }
    }
    bool found = false;
    os_rwlock_read(&streams->lock);
    (void)stream__index_of(streams, id, &found);
    os_rwlock_unlock(&streams->lock);
    return found;
}

static void encode_creation(struct change *change, const struct stream_spec *spec, i32 shards,
                            i64 now_ms)
{
    /* A stream that is only written down; the one in the catalog is built from the record. */
    struct stream_tag tags[STREAM_TAGS_MAX];
    struct stream draft = {
        .number = change->streams->number_next,
        .id = spec->id,
        .mode = spec->mode,
        .created_ms = now_ms,
        .retention_hours =
            spec->retention_hours == 0 ? STREAM_RETENTION_MIN_H : spec->retention_hours,
        .record_bytes_max =
            spec->record_bytes_max == 0 ? STREAM_RECORD_BYTES_DEFAULT : spec->record_bytes_max,
        .map = stream__map_uniform(shards, now_ms),
        .tags = {(i32)spec->tag_count, tags},
    };
    if (spec->tag_count > 0) {
        memcpy(tags, spec->tags, (size_t)spec->tag_count * sizeof *tags);
    }
    stream__encode(&draft, &change->body);
    if (spec->warm_mibps > 0) {
        stream__warm_encode(&change->also[0], &draft, spec->warm_mibps);
    }
    stream__map_free(draft.map);
}

static void keep_id(struct change *change, struct stream_id id)
{
    str *parts[] = {&id.account, &id.region, &id.name};
    u8 *at = change->id_bytes;
    for (int i = 0; i < COUNT_OF(parts); i++) {
        memcpy(at, parts[i]->data, (size_t)parts[i]->len);
        parts[i]->data = at;
        at += parts[i]->len;
    }
    change->create = id;
}

err stream_create(struct streams *streams, const struct stream_spec *spec, stream_done_fn done,
                  void *ctx)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    i32 shards = spec->shard_count;
    if (shards == 0 && spec->mode == STREAM_ON_DEMAND) {
        shards = STREAM_ON_DEMAND_SHARDS;
    }
    TRY(check_spec(spec, shards));
    TRY(stream__check_tags(spec->tags, spec->tag_count));

    i64 now_ms = os_wall_us(streams->os) / 1000;
    os_mutex_lock(&streams->change_lock);
    err e = is_taken(streams, spec->id) ? ERR_EXISTS : OK;
    if (e == OK && streams->number_next == UINT32_MAX) {
        e = ERR_LIMIT;
    }
    if (e == OK) {
        struct change *change = stream__change_new(streams, NULL, done, ctx);
        encode_creation(change, spec, shards, now_ms);
        keep_id(change, spec->id);
        streams->number_next++;
        e = stream__change_submit(change);
    }
    os_mutex_unlock(&streams->change_lock);
    return e;
}

struct waiting {
    struct os_mutex mutex;
    struct os_cond cond;
    bool is_done;
    err result;
};

static void wake_waiting(void *ctx, err e)
{
    struct waiting *waiting = ctx;
    os_mutex_lock(&waiting->mutex);
    waiting->result = e;
    waiting->is_done = true;
    os_cond_signal(&waiting->cond);
    os_mutex_unlock(&waiting->mutex);
}

static void waiting_begin(struct waiting *waiting)
{
    *waiting = (struct waiting){0};
    os_mutex_init(&waiting->mutex);
    os_cond_init(&waiting->cond);
}

/* `e` is what the change answered at once; else waits until it is durable. */
static err waiting_end(struct waiting *waiting, err e)
{
    if (e == OK) {
        os_mutex_lock(&waiting->mutex);
        while (!waiting->is_done) {
            os_cond_wait(&waiting->cond, &waiting->mutex);
        }
        os_mutex_unlock(&waiting->mutex);
        e = waiting->result;
    }
    os_cond_deinit(&waiting->cond);
    os_mutex_deinit(&waiting->mutex);
    return e;
}

err stream_create_wait(struct streams *streams, const struct stream_spec *spec)
{
    struct waiting waiting;
    waiting_begin(&waiting);
    return waiting_end(&waiting, stream_create(streams, spec, wake_waiting, &waiting));
}

err stream_delete_wait(struct stream *stream)
{
    struct waiting waiting;
    waiting_begin(&waiting);
    return waiting_end(&waiting, stream_delete(stream, wake_waiting, &waiting));
}

err stream_split_wait(struct stream *stream, u32 shard, u128 upper_first)
{
    struct waiting waiting;
    waiting_begin(&waiting);
    return waiting_end(&waiting, stream_split(stream, shard, upper_first, wake_waiting, &waiting));
}

err stream_merge_wait(struct stream *stream, u32 lower, u32 upper)
{
    struct waiting waiting;
    waiting_begin(&waiting);
    return waiting_end(&waiting, stream_merge(stream, lower, upper, wake_waiting, &waiting));
}

err stream_scale_wait(struct stream *stream, i32 target)
{
    struct waiting waiting;
    waiting_begin(&waiting);
    return waiting_end(&waiting, stream_scale(stream, target, wake_waiting, &waiting));
}

/* --- other changes -------------------------------------------------------------------------- */

static err delete (struct stream *stream, bool is_unused_only, stream_done_fn done, void *ctx)
{
    TRY(stream__change_begin(stream));
    if (is_unused_only && stream__consumers_claimed(stream) > 0) {
        os_mutex_unlock(&stream->owner->change_lock);
        return ERR_IN_USE;
    }
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    buf_append_byte(&change->body, ENTRY_DELETE);
    buf_append_varint(&change->body, stream->number);
    stream->is_deleting = true;
    err e = stream__change_submit(change);
    stream->is_deleting = e == OK;
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}

err stream_delete(struct stream *stream, stream_done_fn done, void *ctx)
{
    return delete (stream, false, done, ctx);
}

err stream_delete_unused(struct stream *stream, stream_done_fn done, void *ctx)
{
    return delete (stream, true, done, ctx);
}

err stream_set_retention(struct stream *stream, i32 hours, stream_done_fn done, void *ctx)
{
    if (hours < STREAM_RETENTION_MIN_H || hours > STREAM_RETENTION_MAX_H) {
        return ERR_RANGE;
    }
    TRY(stream__change_begin_idle(stream));
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    buf_append_byte(&change->body, ENTRY_RETENTION);
    buf_append_varint(&change->body, stream->number);
    buf_append_varint(&change->body, (u64)hours);
    err e = stream__change_submit(change);
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}

err stream_set_tags(struct stream *stream, const struct stream_tag *set, isize set_count,
                    const str *unset, isize unset_count, stream_done_fn done, void *ctx)
{
    TRY(stream__check_tags(set, set_count));
    if (set_count > STREAM_TAGS_MAX || unset_count > STREAM_TAGS_MAX) {
        return ERR_LIMIT;
    }
    TRY(stream__change_begin(stream));
    os_rwlock_read(&stream->owner->lock);
    i32 added = stream__tags_delta(&stream->tags, set, set_count, unset, unset_count);
    os_rwlock_unlock(&stream->owner->lock);
    if (stream->tags.count + stream->tag_pending + added > STREAM_TAGS_MAX) {
        os_mutex_unlock(&stream->owner->change_lock);
        return ERR_LIMIT;
    }
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    change->tag_delta = MAX(added, 0);
    buf_append_byte(&change->body, ENTRY_TAGS);
    buf_append_varint(&change->body, stream->number);
    stream__put_tags(&change->body, set, set_count);
    stream__put_keys(&change->body, unset, unset_count);
    stream->tag_pending += change->tag_delta;
    i32 delta = change->tag_delta;
    err e = stream__change_submit(change);
    if (e != OK) {
        stream->tag_pending -= delta;
    }
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}
