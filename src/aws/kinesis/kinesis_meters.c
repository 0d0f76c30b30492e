/* aws/kinesis/kinesis_meters.c: the metrics of AWS/Kinesis, added up by the minute. */
#include "aws/kinesis/kinesis_meters.h"

#include "base/arena.h"
#include "base/trace.h"
#include "os/thread.h"

enum {
    BUCKETS = 1024, /* A power of two. */
    MINUTE_S = 60,
    PUT_MAX = 1000, /* Metrics of one put into CloudWatch. */
};

struct meter_kind {
    const char *name, *unit;
};
static const struct meter_kind stream_kinds[STREAM_METERS] = {
    [METER_INCOMING_BYTES] = {"IncomingBytes", "Bytes"},
    [METER_INCOMING_RECORDS] = {"IncomingRecords", "Count"},
    [METER_GET_BYTES] = {"GetRecords.Bytes", "Bytes"},
    [METER_GET_RECORDS] = {"GetRecords.Records", "Count"},
    [METER_GET_SUCCESS] = {"GetRecords.Success", "Count"},
    [METER_GET_LATENCY] = {"GetRecords.Latency", "Milliseconds"},
    [METER_GET_AGE] = {"GetRecords.IteratorAgeMilliseconds", "Milliseconds"},
    [METER_PUT_BYTES] = {"PutRecord.Bytes", "Bytes"},
    [METER_PUT_SUCCESS] = {"PutRecord.Success", "Count"},
    [METER_PUT_LATENCY] = {"PutRecord.Latency", "Milliseconds"},
    [METER_PUTS_BYTES] = {"PutRecords.Bytes", "Bytes"},
    [METER_PUTS_SUCCESS] = {"PutRecords.Success", "Count"},
    [METER_PUTS_LATENCY] = {"PutRecords.Latency", "Milliseconds"},
    [METER_PUTS_TOTAL] = {"PutRecords.TotalRecords", "Count"},
    [METER_PUTS_SUCCESSFUL] = {"PutRecords.SuccessfulRecords", "Count"},
    [METER_PUTS_FAILED] = {"PutRecords.FailedRecords", "Count"},
    [METER_PUTS_THROTTLED] = {"PutRecords.ThrottledRecords", "Count"},
    [METER_READ_EXCEEDED] = {"ReadProvisionedThroughputExceeded", "Count"},
    [METER_WRITE_EXCEEDED] = {"WriteProvisionedThroughputExceeded", "Count"},
};
static const struct meter_kind shard_kinds[SHARD_METERS] = {
    [METER_SHARD_INCOMING_BYTES] = {"IncomingBytes", "Bytes"},
    [METER_SHARD_INCOMING_RECORDS] = {"IncomingRecords", "Count"},
    [METER_SHARD_OUTGOING_BYTES] = {"OutgoingBytes", "Bytes"},
    [METER_SHARD_OUTGOING_RECORDS] = {"OutgoingRecords", "Count"},
    [METER_SHARD_WRITE_EXCEEDED] = {"WriteProvisionedThroughputExceeded", "Count"},
    [METER_SHARD_READ_EXCEEDED] = {"ReadProvisionedThroughputExceeded", "Count"},
    [METER_SHARD_AGE] = {"IteratorAgeMilliseconds", "Milliseconds"},
};
_Static_assert((1 << SHARD_METERS) - 1 == STREAM_METRICS_ALL, "a bit for each meter");
static const struct meter_kind consumer_kinds[CONSUMER_METERS] = {
    [METER_SUBSCRIBE_SUCCESS] = {"SubscribeToShard.Success", "Count"},
    [METER_SUBSCRIBE_EXCEEDED] = {"SubscribeToShard.RateExceeded", "Count"},
    [METER_EVENT_SUCCESS] = {"SubscribeToShardEvent.Success", "Count"},
    [METER_EVENT_BYTES] = {"SubscribeToShardEvent.Bytes", "Bytes"},
    [METER_EVENT_RECORDS] = {"SubscribeToShardEvent.Records", "Count"},
    [METER_EVENT_BEHIND] = {"SubscribeToShardEvent.MillisBehindLatest", "Milliseconds"},
};

struct tally {
    double count, sum, min, max;
};

/* Of one minute and one stream, shard or consumer. */
struct meter {
    struct meter *next, *next_in_bucket;
    const struct meter_kind *kinds;
    i32 kind_count;
    i64 minute_s;
    u32 number, shard;
    str account, region, name, consumer; /* Copies: the stream may be gone when they are put. */
    struct tally tallies[];
};

/* What is not put yet; everything is in the arena. */
struct pending {
    struct arena arena;
    struct meter *meters;
    struct meter *buckets[BUCKETS];
};

struct meters {
    struct os *os;
    struct streams *streams;
    struct aws_metrics *metrics;
    struct os_mutex put_lock; /* Held while a batch is put; before lock. */
    struct os_mutex lock;
    struct os_cond changed;
    struct pending *pending; /* lock; NULL: nothing. */
    bool is_stopping;        /* lock */
    bool is_left_out;        /* put_lock: there was no room the last time. */
    struct os_thread thread;
};

/* --- counting -------------------------------------------------------------------------------- */

struct target {
    struct stream_id id;
    const struct meter_kind *kinds;
    i32 kind_count;
    u32 number, shard;
    str consumer;
};

static u32 bucket_of(const struct target *t, i64 minute_s)
{
    u64 key =
        (((u64)t->number << 32) + t->shard) ^ ((u64)minute_s << 20) ^ ((u64)t->kind_count << 56);
    for (isize i = 0; i < t->consumer.len; i++) {
        key = (key ^ t->consumer.data[i]) * 0x100000001b3U;
    }
    return (u32)(key * 0x9e3779b97f4a7c15U >> 40) & (BUCKETS - 1);
}

static bool is_of(const struct meter *meter, const struct target *t, i64 minute_s)
{
    return meter->number == t->number && meter->shard == t->shard && meter->kinds == t->kinds &&
           meter->minute_s == minute_s && str_eq(meter->consumer, t->consumer);
}

/* lock is held. */
static struct meter *meter_of(struct meters *meters, const struct target *t)
{
    i64 minute_s = os_wall_us(meters->os) / 1000000 / MINUTE_S * MINUTE_S;
    if (meters->pending == NULL) {
        meters->pending = NEW(struct pending);
        os_cond_signal(&meters->changed);
    }
    struct pending *pending = meters->pending;
    struct meter **bucket = &pending->buckets[bucket_of(t, minute_s)];
    for (struct meter *meter = *bucket; meter != NULL; meter = meter->next_in_bucket) {
        if (is_of(meter, t, minute_s)) {
            return meter;
        }
    }
    struct arena *arena = &pending->arena;
    struct meter *meter =
        arena_alloc(arena, (isize)sizeof *meter + t->kind_count * (isize)sizeof(struct tally));
    meter->kinds = t->kinds;
    meter->kind_count = t->kind_count;
    meter->minute_s = minute_s;
    meter->number = t->number;
    meter->shard = t->shard;
    meter->account = arena_copy(arena, t->id.account);
    meter->region = arena_copy(arena, t->id.region);
    meter->name = arena_copy(arena, t->id.name);
    meter->consumer = arena_copy(arena, t->consumer);
    meter->next = pending->meters;
    pending->meters = meter;
    meter->next_in_bucket = *bucket;
    *bucket = meter;
    return meter;
}

static void tally_add(struct tally *tally, double value)
{
    tally->min = tally->count == 0 ? value : MIN(tally->min, value);
    tally->max = tally->count == 0 ? value : MAX(tally->max, value);
    tally->count += 1;
    tally->sum += value;
}

/* `wanted`: bits of the kinds that are counted. */
static void measure(struct meters *meters, const struct target *t, u32 wanted,
                    const struct measure *measures, isize count)
{
    if (wanted == 0 || str_eq(t->id.account, STR(STREAM_HIDDEN_ACCOUNT))) {
        return;
    }
    os_mutex_lock(&meters->lock);
    if (!meters->is_stopping) {
        struct meter *meter = meter_of(meters, t);
        for (isize i = 0; i < count; i++) {
            if ((wanted >> measures[i].meter & 1) != 0) {
                tally_add(&meter->tallies[measures[i].meter], measures[i].value);
            }
        }
    }
    os_mutex_unlock(&meters->lock);
}

void kinesis__measure_stream(struct meters *meters, const struct stream_info *info,
                             const struct measure *measures, isize count)
{
    struct target t = {info->id, stream_kinds, STREAM_METERS, info->number, 0, STR_EMPTY};
    measure(meters, &t, UINT32_MAX, measures, count);
}

void kinesis__measure_shard(struct meters *meters, const struct stream_info *info, u32 shard,
                            const struct measure *measures, isize count)
{
    struct target t = {info->id, shard_kinds, SHARD_METERS, info->number, shard, STR_EMPTY};
    measure(meters, &t, info->metrics, measures, count);
}

void kinesis__measure_consumer(struct meters *meters, const struct stream_info *info, str consumer,
                               const struct measure *measures, isize count)
{
    struct target t = {info->id, consumer_kinds, CONSUMER_METERS, info->number, 0, consumer};
    measure(meters, &t, UINT32_MAX, measures, count);
}

/* Whoever put them: a client, a job, a replay. */
static void on_run(void *ctx, const struct stream_run *run)
{
    const struct measure of_stream[] = {{METER_INCOMING_BYTES, (double)run->bytes},
                                        {METER_INCOMING_RECORDS, (double)run->records}};
    const struct measure of_shard[] = {{METER_SHARD_INCOMING_BYTES, (double)run->bytes},
                                       {METER_SHARD_INCOMING_RECORDS, (double)run->records}};
    const struct stream_info info = {.id = run->id, .number = run->number, .metrics = run->metrics};
    if (run->is_total) {
        kinesis__measure_stream(ctx, &info, of_stream, COUNT_OF(of_stream));
    } else {
        kinesis__measure_shard(ctx, &info, run->shard, of_shard, COUNT_OF(of_shard));
    }
}

/* --- putting --------------------------------------------------------------------------------- */

static void metrics_of(const struct meter *meter, struct arena *arena, struct aws_metric *out,
                       isize *count)
{
    struct aws_metric metric = {
        .account = meter->account,
        .region = meter->region,
        .namespace = "AWS/Kinesis",
        .dimensions = {{STR("StreamName"), meter->name}},
        .dimension_count = meter->kinds == stream_kinds ? 1 : 2,
        .time_s = meter->minute_s,
    };
    if (meter->kinds == shard_kinds) {
        char id[21];
        stream_shard_format(meter->shard, id);
        metric.dimensions[1].name = STR("ShardId");
        metric.dimensions[1].value = arena_copy(arena, str_of(id));
    } else if (meter->kinds == consumer_kinds) {
        metric.dimensions[1].name = STR("ConsumerName");
        metric.dimensions[1].value = meter->consumer;
    }
    for (i32 i = 0; i < meter->kind_count; i++) {
        const struct tally *tally = &meter->tallies[i];
        if (tally->count > 0) {
            metric.name = meter->kinds[i].name;
            metric.unit = meter->kinds[i].unit;
            metric.count = tally->count;
            metric.sum = tally->sum;
            metric.min = tally->min;
            metric.max = tally->max;
            out[(*count)++] = metric;
        }
    }
}

static void put_some(struct meters *meters, const struct aws_metric *metrics, isize count)
{
    if (count == 0 || meters->metrics->put == NULL) {
        return;
    }
    err e = meters->metrics->put(meters->metrics->sink, metrics, count);
    if (e != OK && !meters->is_left_out) {
        trace(TRACE_WARN, "kinesis", "metrics of AWS/Kinesis are left out",
              T_STR("reason", e == ERR_LIMIT ? STR("CloudWatch has no room for more metrics")
                                             : str_of(err_text(e))),
              T_INT("metrics", count));
    }
    meters->is_left_out = e != OK;
}

static void put_pending(struct meters *meters, struct pending *pending)
{
    struct aws_metric *batch = ARENA_ARRAY(&pending->arena, struct aws_metric, PUT_MAX);
    isize count = 0;
    for (struct meter *meter = pending->meters; meter != NULL; meter = meter->next) {
        if (count + meter->kind_count > PUT_MAX) {
            put_some(meters, batch, count);
            count = 0;
        }
        metrics_of(meter, &pending->arena, batch, &count);
    }
    put_some(meters, batch, count);
}

static void pending_free(struct pending *pending)
{
    if (pending != NULL) {
        arena_deinit(&pending->arena);
        mem_free(pending);
    }
}

static struct pending *pending_take(struct meters *meters)
{
    os_mutex_lock(&meters->lock);
    struct pending *pending = meters->pending;
    meters->pending = NULL;
    os_mutex_unlock(&meters->lock);
    return pending;
}

static void flush(void *ctx)
{
    struct meters *meters = ctx;
    os_mutex_lock(&meters->put_lock);
    struct pending *pending = pending_take(meters);
    if (pending != NULL) {
        put_pending(meters, pending);
        pending_free(pending);
    }
    os_mutex_unlock(&meters->put_lock);
}

/* Sleeps while there is nothing, then until the minute is over. False: the server stops. */
static bool wait_for_minute(struct meters *meters)
{
    os_mutex_lock(&meters->lock);
    while (!meters->is_stopping && meters->pending == NULL) {
        os_cond_wait(&meters->changed, &meters->lock);
    }
    u64 end_ns = os_mono_ns(meters->os);
    end_ns += (u64)(MINUTE_S * 1000000 - os_wall_us(meters->os) % (MINUTE_S * 1000000)) * 1000;
    while (!meters->is_stopping && os_mono_ns(meters->os) < end_ns) {
        u64 left_ms = (end_ns - os_mono_ns(meters->os)) / 1000000 + 1;
        (void)os_cond_wait_ms(&meters->changed, &meters->lock, (u32)MIN(left_ms, 60000));
    }
    bool goes_on = !meters->is_stopping;
    os_mutex_unlock(&meters->lock);
    return goes_on;
}

static void run(void *ctx)
{
    while (wait_for_minute(ctx)) {
        flush(ctx);
    }
}

/* --- life ------------------------------------------------------------------------------------ */

struct meters *kinesis__meters_new(struct os *os, struct streams *streams,
                                   struct aws_metrics *metrics)
{
    struct meters *meters = NEW(struct meters);
    meters->os = os;
    meters->streams = streams;
    meters->metrics = metrics;
    os_mutex_init(&meters->put_lock);
    os_mutex_init(&meters->lock);
    os_cond_init(&meters->changed);
    metrics->flush = flush;
    metrics->source = meters;
    streams_set_meter(streams, on_run, meters);
    os_thread_start(&meters->thread, "kinesis-meters", run, meters);
    return meters;
}

void kinesis__meters_stop(struct meters *meters)
{
    os_mutex_lock(&meters->lock);
    bool was_stopped = meters->is_stopping;
    meters->is_stopping = true;
    os_cond_broadcast(&meters->changed);
    os_mutex_unlock(&meters->lock);
    if (!was_stopped) {
        os_thread_join(&meters->thread);
        flush(meters);
    }
}

void kinesis__meters_reset(struct meters *meters)
{
    os_mutex_lock(&meters->put_lock);
    pending_free(pending_take(meters));
    os_mutex_unlock(&meters->put_lock);
}

void kinesis__meters_free(struct meters *meters)
{
    streams_set_meter(meters->streams, NULL, NULL);
    kinesis__meters_stop(meters); /* When the server could not start. */
    pending_free(meters->pending);
    os_cond_deinit(&meters->changed);
    os_mutex_deinit(&meters->lock);
    os_mutex_deinit(&meters->put_lock);
    mem_free(meters);
}
