/*
 * stream/stream_consumer.c: consumers of enhanced fan-out: who may subscribe to a
 * stream. They are changed as the rest of the catalog is (stream_change.c).
 */
#include "stream/stream_int.h"

/* --- the list; lock is held ------------------------------------------------------------------ */

static i32 index_of(const struct stream *stream, str name, bool *found_out)
{
    i32 i = 0;
    int order = -1;
    while (i < stream->consumer_count && (order = str_cmp(stream->consumers[i].name, name)) < 0) {
        i++;
    }
    *found_out = i < stream->consumer_count && order == 0;
    return i;
}

static struct consumer *find(const struct stream *stream, str name)
{
    bool found = false;
    i32 at = index_of(stream, name, &found);
    return found ? &stream->consumers[at] : NULL;
}

str *stream__consumer_policy(const struct stream *stream, str name)
{
    struct consumer *consumer = find(stream, name);
    return consumer == NULL ? NULL : &consumer->policy;
}

static void free_consumer(struct consumer *consumer)
{
    union {
        const u8 *read;
        void *owned;
    } name = {consumer->name.data};
    mem_free(name.owned);
    stream__tags_free(&consumer->tags);
    stream__str_free(&consumer->policy);
}

static struct consumer *insert(struct stream *stream, str name)
{
    bool found = false;
    i32 at = index_of(stream, name, &found);
    CHECK(!found);
    isize bytes = (stream->consumer_count + 1) * (isize)sizeof *stream->consumers;
    stream->consumers = mem_resize(stream->consumers, bytes);
    struct consumer *consumer = stream->consumers + at;
    memmove(consumer + 1, consumer, (size_t)(stream->consumer_count - at) * sizeof *consumer);
    u8 *copy = mem_alloc(name.len);
    memcpy(copy, name.data, (size_t)name.len);
    *consumer = (struct consumer){.name = {copy, name.len}};
    stream->consumer_count++;
    return consumer;
}

static void remove_at(struct stream *stream, i32 at)
{
    struct consumer *consumer = stream->consumers + at;
    free_consumer(consumer);
    stream->consumer_count--;
    memmove(consumer, consumer + 1, (size_t)(stream->consumer_count - at) * sizeof *consumer);
}

void stream__consumers_free(struct stream *stream)
{
    for (i32 i = 0; i < stream->consumer_count; i++) {
        free_consumer(&stream->consumers[i]);
    }
    mem_free(stream->consumers);
}

/* --- catalog records ------------------------------------------------------------------------- */

static void put_consumer(struct buf *out, u32 stream, str name, i64 created_ms,
                         const struct stream_tag *tags, isize tag_count)
{
    buf_append_byte(out, ENTRY_CONSUMER);
    buf_append_varint(out, stream);
    stream__put_str(out, name);
    buf_append_varint(out, (u64)created_ms);
    stream__put_tags(out, tags, tag_count);
}

bool stream__encode_consumer(const struct stream *stream, i32 index, struct buf *out)
{
    if (index >= stream->consumer_count) {
        return false;
    }
    const struct consumer *consumer = &stream->consumers[index];
    put_consumer(out, stream->number, consumer->name, consumer->created_ms, consumer->tags.items,
                 consumer->tags.count);
    return true;
}

static void apply_registration(struct stream *stream, struct stream_cursor *in, str name)
{
    i64 created_ms = (i64)stream__take_number(in, INT64_MAX);
    struct tag_list tags = {0};
    stream__take_tags(in, &tags);
    if (in->failed || name.len == 0 || find(stream, name) != NULL) {
        in->failed = in->failed || name.len == 0;
        stream__tags_free(&tags); /* A restatement of what is known. */
        return;
    }
    struct consumer *consumer = insert(stream, name);
    consumer->created_ms = created_ms;
    consumer->tags = tags;
}

bool stream__apply_consumer(struct stream *stream, enum stream_entry kind, struct stream_cursor *in)
{
    str name = stream__take_str(in, STREAM_NAME_MAX);
    if (kind == ENTRY_CONSUMER) {
        apply_registration(stream, in, name);
        return false;
    }
    u64 change = stream__take_number(in, CONSUMER_TAGS);
    bool found = false;
    i32 at = index_of(stream, name, &found);
    if (in->failed || !found) {
        return false; /* Deregistered by a record before this one. */
    }
    if (change == CONSUMER_TAGS) {
        stream__take_tags(in, &stream->consumers[at].tags);
        stream__take_unset_tags(in, &stream->consumers[at].tags);
        return false;
    }
    remove_at(stream, at);
    __atomic_add_fetch(&stream->consumer_version, 1, __ATOMIC_RELEASE);
    return true;
}

/* --- looking --------------------------------------------------------------------------------- */

bool stream_consumer_find(struct stream *stream, str name, i64 *created_ms_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    const struct consumer *consumer = find(stream, name);
    if (consumer != NULL) {
        *created_ms_out = consumer->created_ms;
    }
    os_rwlock_unlock(&stream->owner->lock);
    return consumer != NULL;
}

void stream_consumer_list(struct stream *stream, struct arena *arena, struct stream_consumer **out,
                          isize *count_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    isize count = stream->consumer_count;
    struct stream_consumer *list = ARENA_ARRAY(arena, struct stream_consumer, MAX(count, 1));
    for (isize i = 0; i < count; i++) {
        list[i].name = arena_copy(arena, stream->consumers[i].name);
        list[i].created_ms = stream->consumers[i].created_ms;
    }
    os_rwlock_unlock(&stream->owner->lock);
    *out = list;
    *count_out = count;
}

void stream_consumer_get_tags(struct stream *stream, str name, struct arena *arena,
                              struct stream_tag **tags_out, isize *count_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    const struct consumer *consumer = find(stream, name);
    const struct tag_list none = {0};
    stream__tags_copy(consumer == NULL ? &none : &consumer->tags, arena, tags_out, count_out);
    os_rwlock_unlock(&stream->owner->lock);
}

i32 stream_consumer_count(struct stream *stream)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    os_rwlock_read(&stream->owner->lock);
    i32 count = stream->consumer_count;
    os_rwlock_unlock(&stream->owner->lock);
    return count;
}

u32 stream_consumer_version(struct stream *stream)
{
    return __atomic_load_n(&stream->consumer_version, __ATOMIC_ACQUIRE);
}

/* --- changing -------------------------------------------------------------------------------- */

/* Registrations that are on their way; change_lock is held. */
static i32 count_coming(const struct stream *stream, str name, bool *is_same_out)
{
    i32 count = 0;
    for (const struct change *c = stream->owner->changes; c != NULL; c = c->next) {
        if (c->stream == stream && c->is_registration) {
            count++;
            *is_same_out = *is_same_out || str_eq(c->consumer, name);
        }
    }
    return count;
}

i32 stream__consumers_claimed(const struct stream *stream)
{
    bool is_same = false;
    os_rwlock_read(&stream->owner->lock);
    i32 count = stream->consumer_count;
    os_rwlock_unlock(&stream->owner->lock);
    return count + count_coming(stream, STR_EMPTY, &is_same);
}

static err check_registration(struct stream *stream, const struct stream_consumer_spec *spec)
{
    bool is_taken = false;
    i32 coming = count_coming(stream, spec->name, &is_taken);
    i32 creating = coming;
    os_rwlock_read(&stream->owner->lock);
    i32 count = stream->consumer_count + coming;
    is_taken = is_taken || find(stream, spec->name) != NULL;
    CHECK(stream->consumers != NULL || stream->consumer_count == 0);
    for (i32 i = 0; i < stream->consumer_count; i++) {
        creating += stream->consumers[i].created_ms > spec->creating_since_ms ? 1 : 0;
    }
    os_rwlock_unlock(&stream->owner->lock);
    if (is_taken) {
        return ERR_EXISTS;
    }
    if (count >= spec->consumers_max) {
        return ERR_LIMIT;
    }
    return creating >= spec->creating_max ? ERR_AGAIN : OK;
}

/* A change about a consumer; its catalog record is begun when `kind` is CONSUMER_CHANGE. */
static struct change *new_change(struct stream *stream, str name, stream_done_fn done, void *ctx)
{
    struct change *change = stream__change_new(stream->owner, stream, done, ctx);
    memcpy(change->id_bytes, name.data, (size_t)name.len);
    change->consumer = str_from(change->id_bytes, name.len);
    return change;
}

err stream_consumer_register(struct stream *stream, const struct stream_consumer_spec *spec,
                             i64 *created_ms_out, stream_done_fn done, void *ctx)
{
    if (!stream__is_name(spec->name)) {
        return ERR_RANGE;
    }
    TRY(stream__check_tags(spec->tags, spec->tag_count));
    TRY(stream__change_begin(stream));
    err e = check_registration(stream, spec);
    if (e == OK) {
        struct change *change = new_change(stream, spec->name, done, ctx);
        i64 now_ms = os_wall_us(stream->owner->os) / 1000;
        put_consumer(&change->body, stream->number, spec->name, now_ms, spec->tags,
                     spec->tag_count);
        change->is_registration = true;
        *created_ms_out = now_ms;
        e = stream__change_submit(change);
    }
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}

/* Begins the entry of a change; NULL when there is no such consumer. */
static struct change *begin_change(struct stream *stream, str name, enum consumer_change kind,
                                   stream_done_fn done, void *ctx)
{
    i64 created_ms = 0;
    if (!stream_consumer_find(stream, name, &created_ms)) {
        return NULL;
    }
    struct change *change = new_change(stream, name, done, ctx);
    buf_append_byte(&change->body, ENTRY_CONSUMER_CHANGE);
    buf_append_varint(&change->body, stream->number);
    stream__put_str(&change->body, name);
    buf_append_varint(&change->body, (u64)kind);
    return change;
}

err stream_consumer_deregister(struct stream *stream, str name, stream_done_fn done, void *ctx)
{
    TRY(stream__change_begin(stream));
    struct change *change = begin_change(stream, name, CONSUMER_GONE, done, ctx);
    err e = change == NULL ? ERR_NOT_FOUND : stream__change_submit(change);
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}

/* Tags that the consumer has or that changes on their way add; change_lock is held. */
static i32 count_tags(struct stream *stream, str name, const struct stream_tag *set,
                      isize set_count, const str *unset, isize unset_count, i32 *delta_out)
{
    i32 count = 0;
    for (const struct change *c = stream->owner->changes; c != NULL; c = c->next) {
        count += c->stream == stream && str_eq(c->consumer, name) ? c->tag_delta : 0;
    }
    os_rwlock_read(&stream->owner->lock);
    const struct consumer *consumer = find(stream, name);
    if (consumer != NULL) {
        *delta_out = stream__tags_delta(&consumer->tags, set, set_count, unset, unset_count);
        count += consumer->tags.count;
    }
    os_rwlock_unlock(&stream->owner->lock);
    return count;
}

err stream_consumer_set_tags(struct stream *stream, str name, const struct stream_tag *set,
                             isize set_count, const str *unset, isize unset_count,
                             stream_done_fn done, void *ctx)
{
    TRY(stream__check_tags(set, set_count));
    if (set_count > STREAM_TAGS_MAX || unset_count > STREAM_TAGS_MAX) {
        return ERR_LIMIT;
    }
    TRY(stream__change_begin(stream));
    i32 delta = 0;
    i32 count = count_tags(stream, name, set, set_count, unset, unset_count, &delta);
    err e = count + delta > STREAM_TAGS_MAX ? ERR_LIMIT : OK;
    if (e == OK) {
        struct change *change = begin_change(stream, name, CONSUMER_TAGS, done, ctx);
        e = ERR_NOT_FOUND;
        if (change != NULL) {
            change->tag_delta = MAX(delta, 0);
            stream__put_tags(&change->body, set, set_count);
            stream__put_keys(&change->body, unset, unset_count);
            e = stream__change_submit(change);
        }
    }
    os_mutex_unlock(&stream->owner->change_lock);
    return e;
}
