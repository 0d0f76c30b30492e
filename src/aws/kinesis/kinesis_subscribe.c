/*
 * aws/kinesis/kinesis_subscribe.c: SubscribeToShard: who may, and the list of those
 * who do. One subscription for each consumer and shard: a second one is refused
 * at first and takes over later, as with AWS.
 */
#include "aws/kinesis/kinesis_fanout_int.h"
#include "base/hash.h"
#include "base/metric.h"

enum { BUCKETS = 1024 };

struct subscriptions {
    struct os_mutex lock;
    struct os_cond idle;
    struct subscription *buckets[BUCKETS]; /* lock */
    i32 count;        /* Changed under lock; atomic. Those that are ending too. */
    bool is_stopping; /* lock */
    u32 life_ms;
    u64 events; /* Relaxed counter. */
};

static void collect(struct metric_snapshot *snapshot, void *ctx)
{
    static const struct metric_family count = {METRIC_GAUGE, "leat_kinesis_subscriptions",
                                               "Subscriptions of enhanced fan-out."};
    static const struct metric_family events = {METRIC_COUNTER, "leat_kinesis_events_total",
                                                "Events sent to subscriptions, empty ones too."};
    const struct subscriptions *all = ctx;
    i32 now = __atomic_load_n(&all->count, __ATOMIC_RELAXED);
    metric_sample(snapshot, &count, NULL, 0, (double)now);
    metric_sample(snapshot, &events, NULL, 0, (double)metric_load(&all->events));
}

struct subscriptions *kinesis__subscriptions_new(u32 life_ms)
{
    struct subscriptions *all = NEW(struct subscriptions);
    os_mutex_init(&all->lock);
    os_cond_init(&all->idle);
    all->life_ms = life_ms == 0 ? SUBSCRIPTION_LIFE_MS : life_ms;
    metric_register(collect, all);
    return all;
}

void kinesis__subscriptions_free(struct subscriptions *all)
{
    CHECK(all->count == 0);
    metric_unregister(collect, all);
    os_cond_deinit(&all->idle);
    os_mutex_deinit(&all->lock);
    mem_free(all);
}

i32 kinesis__subscription_count(const struct kinesis *service)
{
    return __atomic_load_n(&service->subscriptions->count, __ATOMIC_RELAXED);
}

void kinesis__subscription_count_event(struct kinesis *service)
{
    metric_add(&service->subscriptions->events, 1);
}

u32 kinesis__subscription_interval_ms(const struct kinesis *service)
{
    return service->subscriptions->life_ms / SUBSCRIPTION_INTERVALS;
}

/* --- the list ----------------------------------------------------------------------------------
 */

static u32 bucket_of(const struct subscription *s)
{
    struct stream_info info;
    stream_get_info(s->call->stream, &info);
    str name = s->call->consumer.name;
    u64 seed = (u64)info.number << 32 | s->call->read->shard;
    return (u32)hash64(name.data, name.len, seed) % BUCKETS;
}

static bool is_same(const struct subscription *a, const struct subscription *b)
{
    return a->call->stream == b->call->stream && a->call->read->shard == b->call->read->shard &&
           str_eq(a->call->consumer.name, b->call->consumer.name);
}

static void give_order(struct subscription *s, enum subscription_order order)
{
    __atomic_store_n(&s->order, order, __ATOMIC_RELEASE);
    http_post(s->x, kinesis__push_again, s); /* While it is listed, its exchange is there. */
}

/* ERR_IN_USE: another one is too young to be taken over. ERR_CLOSED: the server stops. */
static err enter(struct subscriptions *all, struct subscription *s, u32 interval_ms)
{
    os_mutex_lock(&all->lock);
    struct subscription **bucket = &all->buckets[bucket_of(s)];
    struct subscription **link = bucket;
    while (*link != NULL && !is_same(*link, s)) {
        link = &(*link)->next;
    }
    struct subscription *other = *link;
    err e = all->is_stopping ? ERR_CLOSED : OK;
    if (e == OK && other != NULL && s->started_ms - other->started_ms < interval_ms) {
        e = ERR_IN_USE;
    }
    if (e == OK && other != NULL) {
        *link = other->next;
        other->is_listed = false;
        give_order(other, ORDER_TAKEN_OVER);
    }
    if (e == OK) {
        s->next = *bucket;
        *bucket = s;
        s->is_listed = true;
        __atomic_add_fetch(&all->count, 1, __ATOMIC_RELAXED);
    }
    os_mutex_unlock(&all->lock);
    return e;
}

void kinesis__subscription_leave(struct subscription *s)
{
    struct subscriptions *all = s->service->subscriptions;
    os_mutex_lock(&all->lock);
    if (s->is_listed) {
        struct subscription **link = &all->buckets[bucket_of(s)];
        while (*link != s) {
            link = &(*link)->next;
        }
        *link = s->next;
        s->is_listed = false;
    }
    __atomic_sub_fetch(&all->count, 1, __ATOMIC_RELAXED);
    os_cond_broadcast(&all->idle);
    os_mutex_unlock(&all->lock);
}

void kinesis__subscriptions_stop(struct kinesis *service)
{
    struct subscriptions *all = service->subscriptions;
    os_mutex_lock(&all->lock);
    all->is_stopping = true;
    for (i32 i = 0; i < BUCKETS; i++) {
        for (struct subscription *s = all->buckets[i]; s != NULL; s = s->next) {
            give_order(s, ORDER_STOP);
        }
    }
    while (all->count > 0) { /* A page that is being read: its reader needs the loops. */
        os_cond_wait(&all->idle, &all->lock);
    }
    os_mutex_unlock(&all->lock);
}

/* --- the request -------------------------------------------------------------------------------
 */

static void fail_entry(struct kinesis_call *call, err e)
{
    char shard_id[21];
    struct stream_info info;
    stream_get_info(call->stream, &info);
    stream_shard_format(call->read->shard, shard_id);
    if (e == ERR_IN_USE) {
        kinesis__fail(call, "ResourceInUseException",
                      "Another active subscription exists for this consumer: " STR_FMT ":" STR_FMT
                      ":" STR_FMT ":%s",
                      STR_ARG(info.id.account), STR_ARG(info.id.name), STR_ARG(call->consumer.name),
                      shard_id);
    } else {
        kinesis__fail_status(call, 503, "InternalFailureException", "the server stops");
    }
}

static void measure_begin(struct kinesis_call *call, err e)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    const struct measure measures[] = {{METER_SUBSCRIBE_SUCCESS, e == OK},
                                       {METER_SUBSCRIBE_EXCEEDED, e == ERR_IN_USE}};
    kinesis__measure_consumer(call->service->meters, &info, call->consumer.name, measures,
                              COUNT_OF(measures));
}

/* LOOP. From record `no` on. */
static void begin(struct kinesis_call *call, u64 no)
{
    struct kinesis *service = call->service;
    struct stream_shard shard;
    CHECK(stream_find_shard(call->stream, call->read->shard, &shard));
    u64 now_ms = os_mono_ns(service->os) / 1000000;
    struct subscription *s = ARENA_NEW(call->arena, struct subscription);
    *s = (struct subscription){
        .magic = SUBSCRIPTION_MAGIC,
        .service = service,
        .call = call,
        .x = call->x,
        .started_ms = now_ms,
        .next_no = no,
        .shard_created_s = shard.created_ms / 1000,
        /* One less: that it exists is looked up when it begins. */
        .consumer_version = stream_consumer_version(call->stream) - 1,
        .event_ms = now_ms,
        .end_ms = now_ms + service->subscriptions->life_ms,
    };
    err e = enter(service->subscriptions, s, kinesis__subscription_interval_ms(service));
    measure_begin(call, e);
    if (e != OK) {
        fail_entry(call, e);
        return;
    }
    kinesis__push_begin(s);
}

static void begin_found(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    (void)x;
    if (call->result == OK) {
        begin(call, call->read->from_no);
        return;
    }
    kinesis__fail_status(call, err_http_status(call->result), "InternalFailureException",
                         "the log could not be read: %s", err_text(call->result));
}

/* READER */
static void search_time(void *ctx)
{
    struct kinesis_call *call = ctx;
    struct read_job *read = call->read;
    call->result = stream_pos_time(call->stream, read->shard, read->at_ms, &read->from_no);
    http_post(call->x, begin_found, call);
}

void kinesis__subscribe(struct kinesis_call *call)
{
    struct stream_shard shard;
    if (!kinesis__find_consumer(call)) {
        return;
    }
    if (kinesis__is_consumer_new(call->service, &call->consumer)) {
        kinesis__fail_consumer_status(call, &call->consumer);
        return;
    }
    if (!kinesis__find_shard(call, call->args[ARG_SHARD_ID].text, &shard)) {
        return;
    }
    if (!kinesis__check_subscribe_rate(call, shard.index)) {
        return;
    }
    call->read = ARENA_NEW(call->arena, struct read_job);
    call->read->shard = shard.index;
    u64 no = 0;
    switch (kinesis__find_position(call, &shard, &no)) {
    case POSITION_FOUND:
        begin(call, no);
        break;
    case POSITION_SEARCHED:
        (void)kinesis__run_reader(call, search_time, call);
        break;
    case POSITION_FAILED:
        break;
    }
}
