/*
 * aws/kinesis/kinesis_status.c: the states that streams and consumers pass through, when they are
 * to last (leat start --status-delay). Every change is durable when its call is answered, and what
 * is shown here follows from it and the clock: CREATING from the time of creation, UPDATING and
 * DELETING from a note in memory. A restart ends them all.
 */
#include "aws/kinesis/kinesis_int.h"

/* Of a stream that was changed or deleted, or of a consumer that was deregistered. */
struct transition {
    struct transition *next;
    struct stream *stream; /* A reference. */
    i64 until_ms;
    i64 consumer_created_ms;
    isize consumer_bytes; /* 0: the stream itself. */
    u8 consumer[STREAM_NAME_MAX];
};

struct transitions {
    i64 delay_ms;
    i64 begun_ms; /* What is older was made before this start, or by a clock that was ahead. */
    struct os_mutex lock;
    struct transition *first; /* lock */
};

struct transitions *kinesis__transitions_new(struct os *os, u32 delay_ms)
{
    struct transitions *all = NEW(struct transitions);
    all->delay_ms = delay_ms;
    all->begun_ms = os_wall_us(os) / 1000;
    os_mutex_init(&all->lock);
    return all;
}

/* Drops what is over by then. The lock is held. */
static void prune(struct transitions *all, i64 now_ms)
{
    struct transition **link = &all->first;
    while (*link != NULL) {
        struct transition *t = *link;
        if (t->until_ms > now_ms) {
            link = &t->next;
            continue;
        }
        *link = t->next;
        stream_unref(t->stream);
        mem_free(t);
    }
}

void kinesis__transitions_reset(struct transitions *all)
{
    os_mutex_lock(&all->lock);
    prune(all, INT64_MAX);
    os_mutex_unlock(&all->lock);
}

void kinesis__transitions_free(struct transitions *all)
{
    kinesis__transitions_reset(all);
    os_mutex_deinit(&all->lock);
    mem_free(all);
}

bool kinesis__has_transitions(const struct kinesis *service)
{
    return service->transitions->delay_ms > 0;
}

void kinesis__note_change(struct kinesis_call *call)
{
    struct transitions *all = call->service->transitions;
    if (all->delay_ms == 0 || call->operation->effect == CHANGES_NOTHING) {
        return;
    }
    i64 now_ms = kinesis__now_ms(call->service);
    struct transition *t = NEW(struct transition);
    stream_ref(call->stream);
    t->stream = call->stream;
    t->until_ms = now_ms + all->delay_ms;
    if (call->operation->effect == DELETES_CONSUMER) {
        t->consumer_created_ms = call->consumer.created_ms;
        t->consumer_bytes = call->consumer.name.len;
        memcpy(t->consumer, call->consumer.name.data, (size_t)t->consumer_bytes);
    }
    os_mutex_lock(&all->lock);
    prune(all, now_ms);
    t->next = all->first;
    all->first = t;
    os_mutex_unlock(&all->lock);
}

/* Of a stream or a consumer. */
static bool is_new(const struct kinesis *service, i64 created_ms)
{
    const struct transitions *all = service->transitions;
    return all->delay_ms > 0 && created_ms >= all->begun_ms &&
           kinesis__now_ms(service) < created_ms + all->delay_ms;
}

/* --- streams --------------------------------------------------------------------------------- */

static bool is_updating(struct kinesis *service, u32 number)
{
    struct transitions *all = service->transitions;
    bool found = false;
    os_mutex_lock(&all->lock);
    prune(all, kinesis__now_ms(service));
    for (const struct transition *t = all->first; t != NULL && !found; t = t->next) {
        struct stream_info info;
        stream_get_info(t->stream, &info);
        found = t->consumer_bytes == 0 && info.number == number;
    }
    os_mutex_unlock(&all->lock);
    return found;
}

enum stream_status kinesis__status(struct kinesis *service, const struct stream_info *info)
{
    if (service->transitions->delay_ms == 0 || info->status != STREAM_ACTIVE) {
        return info->status;
    }
    if (is_new(service, info->created_ms)) {
        return STREAM_CREATING;
    }
    return is_updating(service, info->number) ? STREAM_UPDATING : STREAM_ACTIVE;
}

/* True for a deleted stream of that account and region. */
static bool is_deleting(const struct transition *t, struct stream_id id, struct stream_info *info)
{
    stream_get_info(t->stream, info);
    return t->consumer_bytes == 0 && info->is_deleted && str_eq(info->id.account, id.account) &&
           str_eq(info->id.region, id.region);
}

struct stream *kinesis__deleting(struct kinesis *service, struct stream_id id)
{
    struct transitions *all = service->transitions;
    struct stream *found = NULL;
    os_mutex_lock(&all->lock);
    prune(all, kinesis__now_ms(service));
    for (const struct transition *t = all->first; t != NULL && found == NULL; t = t->next) {
        struct stream_info info;
        if (is_deleting(t, id, &info) && str_eq(info.id.name, id.name)) {
            found = t->stream;
            stream_ref(found);
        }
    }
    os_mutex_unlock(&all->lock);
    return found;
}

struct stream *kinesis__deleting_after(struct kinesis *service, struct stream_id after)
{
    struct transitions *all = service->transitions;
    struct stream *found = NULL;
    str first = STR_EMPTY;
    os_mutex_lock(&all->lock);
    prune(all, kinesis__now_ms(service));
    for (const struct transition *t = all->first; t != NULL; t = t->next) {
        struct stream_info info;
        if (is_deleting(t, after, &info) && str_cmp(info.id.name, after.name) > 0 &&
            (found == NULL || str_cmp(info.id.name, first) < 0)) {
            found = t->stream;
            first = info.id.name;
        }
    }
    if (found != NULL) {
        stream_ref(found);
    }
    os_mutex_unlock(&all->lock);
    return found;
}

void kinesis__fail_state(struct kinesis_call *call, enum stream_status status)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    kinesis__fail(call, "ResourceInUseException",
                  "Stream " STR_FMT " under account " STR_FMT " not ACTIVE, instead in state %s",
                  STR_ARG(info.id.name), STR_ARG(info.id.account), kinesis__status_name(status));
}

bool kinesis__check_status(struct kinesis_call *call)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    enum stream_status status = kinesis__status(call->service, &info);
    bool is_there = status == STREAM_ACTIVE || status == STREAM_UPDATING;
    switch (call->operation->needs) {
    case NEEDS_NOTHING:
        return true;
    case NEEDS_USABLE:
        if (!is_there) {
            kinesis__fail_no_stream(call, info.id);
        }
        return is_there;
    case NEEDS_CREATED:
        if (!is_there) {
            kinesis__fail_state(call, status);
        }
        return is_there;
    case NEEDS_ACTIVE:
        if (status != STREAM_ACTIVE) {
            kinesis__fail_state(call, status);
        }
        return status == STREAM_ACTIVE;
    }
    return true;
}

/* --- consumers ------------------------------------------------------------------------------- */

bool kinesis__is_consumer_new(const struct kinesis *service, const struct stream_consumer *consumer)
{
    return is_new(service, consumer->created_ms);
}

i64 kinesis__creating_since_ms(const struct kinesis *service)
{
    const struct transitions *all = service->transitions;
    i64 since_ms = kinesis__now_ms(service) - all->delay_ms;
    return all->delay_ms > 0 ? MAX(since_ms, all->begun_ms - 1) : since_ms;
}

static str consumer_name(const struct transition *t)
{
    return str_from(t->consumer, t->consumer_bytes);
}

/* The name that is least among those of the call's stream at or above `from`. */
static bool find_consumer(struct kinesis_call *call, str from, struct stream_consumer *out)
{
    struct transitions *all = call->service->transitions;
    const struct transition *found = NULL;
    os_mutex_lock(&all->lock);
    prune(all, kinesis__now_ms(call->service));
    for (const struct transition *t = all->first; t != NULL; t = t->next) {
        if (t->stream == call->stream && t->consumer_bytes > 0 &&
            str_cmp(consumer_name(t), from) >= 0 &&
            (found == NULL || str_cmp(consumer_name(t), consumer_name(found)) < 0)) {
            found = t;
        }
    }
    if (found != NULL) {
        *out = (struct stream_consumer){arena_copy(call->arena, consumer_name(found)),
                                        found->consumer_created_ms};
    }
    os_mutex_unlock(&all->lock);
    return found != NULL;
}

bool kinesis__deleting_consumer(struct kinesis_call *call, str name, struct stream_consumer *out)
{
    return find_consumer(call, name, out) && str_eq(out->name, name);
}

bool kinesis__deleting_consumer_after(struct kinesis_call *call, str after,
                                      struct stream_consumer *out)
{
    /* Names hold no NUL: nothing lies between a name and the same with one behind it. */
    str next = arena_printf(call->arena, STR_FMT "%c", STR_ARG(after), 0);
    return find_consumer(call, (str){next.data, after.len + 1}, out);
}
