/*
 * stream/stream_wait.c: readers that wait for records, woken by the committer, and
 * what retention may drop. Waiters stand in buckets by channel; the bucket is the
 * low part of a waiter's id, so both ways to it are short.
 */
#include "stream/stream_int.h"

static u32 bucket_of(struct log_channel channel)
{
    u64 mixed = ((u64)channel.stream << 32 | channel.shard) * 0x9e3779b97f4a7c15ULL;
    return (u32)(mixed >> 32) & (STREAM_BUCKETS - 1);
}

/* Takes those that `matches` out of the bucket; wait_lock is held. */
static struct waiter *take_ready(struct streams *streams, u32 bucket, struct log_channel channel,
                                 u64 last_no)
{
    struct waiter *ready = NULL;
    struct waiter **link = &streams->buckets[bucket];
    while (*link != NULL) {
        struct waiter *waiter = *link;
        if (log_channel_eq(waiter->channel, channel) && waiter->from_no <= last_no) {
            *link = waiter->next;
            waiter->next = ready;
            ready = waiter;
            __atomic_fetch_sub(&streams->waiter_count, 1, __ATOMIC_RELAXED);
        } else {
            link = &waiter->next;
        }
    }
    return ready;
}

static void fire(struct waiter *waiter)
{
    while (waiter != NULL) {
        struct waiter *next = waiter->next;
        waiter->fn(waiter->ctx);
        mem_free(waiter);
        waiter = next;
    }
}

static u64 run_bytes(struct log_run run)
{
    struct log_record record;
    u64 bytes = 0;
    while (log_run_next(&run, &record)) {
        struct stream_record decoded;
        if (stream_record_decode(record.body, &decoded) == OK) {
            bytes += (u64)(decoded.partition_key.len + decoded.data.len);
        }
    }
    return bytes;
}

static void meter(const struct stream *stream, const struct stream_run *what)
{
    if (stream->owner->meter != NULL && what->records > 0) {
        struct stream_run run = *what;
        run.id = stream->id;
        run.number = stream->number;
        run.metrics = __atomic_load_n(&stream->metrics, __ATOMIC_RELAXED);
        if (run.is_total || run.metrics != 0) {
            stream->owner->meter(stream->owner->meter_ctx, &run);
        }
    }
}

/* What a frame has put into all shards of a stream, when its last run has been seen. */
static void total_end(struct stream *stream, struct stream_run *total)
{
    if (stream != NULL) {
        metric_add(&stream->counters.records_in, total->records);
        metric_add(&stream->counters.bytes_in, total->bytes);
        meter(stream, total);
    }
    *total = (struct stream_run){.is_total = true};
}

void streams_set_meter(struct streams *streams, stream_meter_fn fn, void *ctx)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    os_rwlock_write(&streams->lock);
    streams->meter = fn;
    streams->meter_ctx = ctx;
    os_rwlock_unlock(&streams->lock);
}

/* What is durable counts as put. Runs of a stream are neighbours. */
static void count_records(struct streams *streams, const struct log_frame *frame)
{
    struct stream *stream = NULL;
    struct stream_run total = {.is_total = true};
    u32 number = 0;
    isize runs = log_frame_run_count(frame);
    os_rwlock_read(&streams->lock);
    for (isize i = 0; i < runs; i++) {
        struct log_run run = log_frame_run(frame, i);
        if (run.channel.stream == 0) {
            continue;
        }
        if (run.channel.stream != number) {
            total_end(stream, &total);
            number = run.channel.stream;
            stream = stream__by_number(streams, number);
        }
        if (stream != NULL) {
            struct stream_run of_shard = {
                .shard = run.channel.shard, .records = run.count, .bytes = run_bytes(run)};
            total.records += of_shard.records;
            total.bytes += of_shard.bytes;
            meter(stream, &of_shard);
        }
    }
    total_end(stream, &total);
    os_rwlock_unlock(&streams->lock);
}

void stream__on_publish(void *ctx, const struct log_frame *frame)
{
    struct streams *streams = ctx;
    count_records(streams, frame);
    /* Sequentially consistent with stream_wait: it counts itself, then looks for records; here
     * records are published, then waiters are counted. One of the two sees the other. */
    if (__atomic_load_n(&streams->waiter_count, __ATOMIC_SEQ_CST) == 0) {
        return;
    }
    isize runs = log_frame_run_count(frame);
    for (isize i = 0; i < runs; i++) {
        struct log_run run = log_frame_run(frame, i);
        u32 bucket = bucket_of(run.channel);
        os_mutex_lock(&streams->wait_lock);
        struct waiter *ready =
            take_ready(streams, bucket, run.channel, run.first_no + run.count - 1);
        os_mutex_unlock(&streams->wait_lock);
        fire(ready);
    }
}

void stream__wake_all(struct streams *streams, u32 number)
{
    struct waiter *ready = NULL;
    os_mutex_lock(&streams->wait_lock);
    for (u32 bucket = 0; bucket < STREAM_BUCKETS; bucket++) {
        struct waiter **link = &streams->buckets[bucket];
        while (*link != NULL) {
            struct waiter *waiter = *link;
            if (waiter->channel.stream == number) {
                *link = waiter->next;
                waiter->next = ready;
                ready = waiter;
                __atomic_fetch_sub(&streams->waiter_count, 1, __ATOMIC_RELAXED);
            } else {
                link = &waiter->next;
            }
        }
    }
    os_mutex_unlock(&streams->wait_lock);
    fire(ready);
}

void stream__free_waiters(struct streams *streams)
{
    for (u32 bucket = 0; bucket < STREAM_BUCKETS; bucket++) {
        while (streams->buckets[bucket] != NULL) {
            struct waiter *next = streams->buckets[bucket]->next;
            mem_free(streams->buckets[bucket]);
            streams->buckets[bucket] = next;
        }
    }
}

u64 stream_wait(struct stream *stream, u32 shard, u64 from_no, stream_wake_fn fn, void *ctx)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    struct streams *streams = stream->owner;
    struct log_channel channel = {stream->number, shard};
    u32 bucket = bucket_of(channel);
    struct waiter *waiter = NEW(struct waiter);
    *waiter = (struct waiter){.channel = channel, .from_no = from_no, .fn = fn, .ctx = ctx};
    os_mutex_lock(&streams->wait_lock);
    u64 id = (streams->wait_next++ * STREAM_BUCKETS) | bucket;
    waiter->id = id;
    waiter->next = streams->buckets[bucket];
    streams->buckets[bucket] = waiter;
    __atomic_fetch_add(&streams->waiter_count, 1, __ATOMIC_SEQ_CST);
    os_mutex_unlock(&streams->wait_lock);

    struct log_frame *frame = NULL;
    struct shard found;
    bool is_open = stream__shard(stream, shard, &found) && found.closed_ms == 0;
    bool is_ready = __atomic_load_n(&stream->is_deleted, __ATOMIC_ACQUIRE) || !is_open ||
                    (log_channel_tip(streams->log, channel) > from_no &&
                     log_frame_seek(streams->log, channel, from_no, &frame) == OK);
    log_frame_unref(frame);
    if (is_ready && stream_unwait(stream, id)) {
        fn(ctx);
    }
    return id;
}

bool stream_unwait(struct stream *stream, u64 wait_id)
{
    struct streams *streams = stream->owner;
    bool found = false;
    os_mutex_lock(&streams->wait_lock);
    struct waiter **link = &streams->buckets[wait_id & (STREAM_BUCKETS - 1)];
    while (*link != NULL && (*link)->id != wait_id) {
        link = &(*link)->next;
    }
    struct waiter *waiter = *link;
    if (waiter != NULL) {
        *link = waiter->next;
        __atomic_fetch_sub(&streams->waiter_count, 1, __ATOMIC_RELAXED);
        found = true;
    }
    os_mutex_unlock(&streams->wait_lock);
    mem_free(waiter);
    return found;
}

/* --- retention ------------------------------------------------------------------------------ */

static bool control_is_live(struct streams *streams, struct log_channel channel, u64 last_no,
                            i64 arrival_ms)
{
    const struct stream__control_rule *rules = streams->control_rules;
    os_mutex_lock(&streams->control_lock);
    bool is_own = channel.shard < LOG_CONTROL_COUNT && rules[channel.shard].is_live != NULL;
    struct stream__control_rule rule = rules[is_own ? channel.shard : 0];
    bool is_live = rule.is_live == NULL || rule.is_live(rule.ctx, channel, last_no, arrival_ms);
    os_mutex_unlock(&streams->control_lock);
    return is_live;
}

bool stream__is_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    struct streams *streams = ctx;
    if (channel.stream == 0) {
        if (channel.shard != LOG_CONTROL_STREAMS) {
            return control_is_live(streams, channel, last_no, arrival_ms);
        }
        os_rwlock_read(&streams->lock);
        bool is_live = last_no >= streams->restated_no;
        os_rwlock_unlock(&streams->lock);
        /* Jobs that read again meet reshards in the same frames. */
        return is_live || last_no >= __atomic_load_n(&streams->hold_first_no, __ATOMIC_ACQUIRE);
    }
    if (last_no >= __atomic_load_n(&streams->hold_first_no, __ATOMIC_ACQUIRE)) {
        return true;
    }
    os_rwlock_read(&streams->lock);
    const struct stream *stream = stream__by_number(streams, channel.stream);
    bool is_live = stream != NULL && arrival_ms >= stream__cutoff_ms(stream) &&
                   !str_eq(stream->id.account, STR(STREAM_HIDDEN_ACCOUNT));
    os_rwlock_unlock(&streams->lock);
    return is_live;
}

void streams_set_control_live(struct streams *streams, u32 shard, log_is_live_fn fn, void *ctx)
{
    CHECK(shard < LOG_CONTROL_COUNT);
    os_mutex_lock(&streams->control_lock);
    streams->control_rules[shard] = (struct stream__control_rule){fn, ctx};
    os_mutex_unlock(&streams->control_lock);
}

/* Number of the first record of frame `lsn` or of the first that is left after it: no record of a
 * later frame has a smaller one. */
static u64 first_no_of(struct streams *streams, u64 lsn)
{
    struct log_frame *frame = NULL;
    if (lsn == 0 || log_frame_after(streams->log, lsn - 1, &frame) != OK) {
        return 0;
    }
    u64 first_no = log_frame_first_no(frame);
    log_frame_unref(frame);
    return first_no;
}

/* hold_lock is held. */
static void find_lowest(struct streams *streams)
{
    u64 lowest = UINT64_MAX;
    for (const struct hold *hold = streams->holds; hold != NULL; hold = hold->next) {
        lowest = MIN(lowest, hold->first_no);
    }
    __atomic_store_n(&streams->hold_first_no, lowest, __ATOMIC_RELEASE);
}

u64 streams_hold(struct streams *streams, u64 lsn)
{
    CHECK_MAGIC(streams, STREAMS_MAGIC);
    struct hold *hold = NEW(struct hold);
    os_mutex_lock(&streams->hold_lock);
    hold->id = ++streams->hold_next;
    hold->first_no = 0; /* Everything, until the number is known. */
    hold->next = streams->holds;
    streams->holds = hold;
    u64 id = hold->id;
    find_lowest(streams);
    os_mutex_unlock(&streams->hold_lock);
    streams_hold_move(streams, id, lsn);
    return id;
}

void streams_hold_move(struct streams *streams, u64 hold_id, u64 lsn)
{
    u64 first_no = first_no_of(streams, lsn);
    os_mutex_lock(&streams->hold_lock);
    for (struct hold *hold = streams->holds; hold != NULL; hold = hold->next) {
        if (hold->id == hold_id) {
            hold->first_no = first_no;
        }
    }
    find_lowest(streams);
    os_mutex_unlock(&streams->hold_lock);
}

void streams_hold_release(struct streams *streams, u64 hold_id)
{
    os_mutex_lock(&streams->hold_lock);
    struct hold **link = &streams->holds;
    while (*link != NULL && (*link)->id != hold_id) {
        link = &(*link)->next;
    }
    struct hold *hold = *link;
    if (hold != NULL) {
        *link = hold->next;
    }
    find_lowest(streams);
    os_mutex_unlock(&streams->hold_lock);
    mem_free(hold);
}
