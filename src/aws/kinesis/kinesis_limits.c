/*
 * aws/kinesis/kinesis_limits.c: the limits of shards and of calls, with --enforce-limits. Each is a
 * bucket that holds a second's worth and refills evenly. What was left alone for IDLE_US has full
 * buckets, as what was never seen: it is forgotten when the table is full, so the table is bounded
 * by what is in use and nothing of a deleted shard stays.
 */
#include "aws/kinesis/kinesis_int.h"
#include "base/hash.h"

enum {
    IDLE_US = 20000000, /* Longer than any debt: of 10 MiB that are read, or written at once. */
    WRITE_BYTES = 1 << 20,
    READ_BYTES = 2 << 20,
    SLOTS_MIN = 64,
};

/* Of a shard; of calls only the first is used. */
enum bucket { BYTES_IN, RECORDS_IN, BYTES_OUT, READS, ITERATORS, BUCKETS };
static const double shard_rates[BUCKETS] = {
    [BYTES_IN] = WRITE_BYTES, [RECORDS_IN] = 1000, [BYTES_OUT] = READ_BYTES, [READS] = 5,
    [ITERATORS] = 5,
};

struct slot {
    bool is_used;
    u64 key;
    i64 seen_us;
    double left[BUCKETS]; /* Negative: debt. */
};

struct limits {
    struct os *os;
    struct os_mutex mutex;
    struct slot *slots;   /* Open addressing; at most half are used. */
    isize capacity, used; /* The capacity is a power of two. */
};

struct limits *kinesis__limits_new(struct os *os)
{
    struct limits *limits = NEW(struct limits);
    limits->os = os;
    os_mutex_init(&limits->mutex);
    limits->capacity = SLOTS_MIN;
    limits->slots = mem_zalloc(SLOTS_MIN * (isize)sizeof *limits->slots);
    return limits;
}

void kinesis__limits_free(struct limits *limits)
{
    if (limits != NULL) {
        os_mutex_deinit(&limits->mutex);
        mem_free(limits->slots);
        mem_free(limits);
    }
}

static struct slot *probe(const struct limits *limits, u64 key)
{
    for (u64 at = key * 0x9e3779b97f4a7c15U >> 20;; at++) {
        struct slot *slot = &limits->slots[at & (u64)(limits->capacity - 1)];
        if (!slot->is_used || slot->key == key) {
            return slot;
        }
    }
}

/* Forgets the idle; grows when that is not enough. */
static void make_room(struct limits *limits, i64 now_us)
{
    struct limits old = *limits;
    isize kept = 0;
    for (isize i = 0; i < old.capacity; i++) {
        kept += old.slots[i].is_used && now_us - old.slots[i].seen_us < IDLE_US;
    }
    limits->capacity = SLOTS_MIN;
    while (limits->capacity < 4 * (kept + 1)) {
        limits->capacity *= 2;
    }
    limits->slots = mem_zalloc(limits->capacity * (isize)sizeof *limits->slots);
    limits->used = kept;
    for (isize i = 0; i < old.capacity; i++) {
        const struct slot *slot = &old.slots[i];
        if (slot->is_used && now_us - slot->seen_us < IDLE_US) {
            *probe(limits, slot->key) = *slot;
        }
    }
    mem_free(old.slots);
}

/* The buckets as of now; the mutex is held. */
static struct slot *refill(struct limits *limits, u64 key, const double *rates, int count)
{
    i64 now_us = (i64)(os_mono_ns(limits->os) / 1000);
    struct slot *slot = probe(limits, key);
    if (!slot->is_used) {
        if (2 * (limits->used + 1) > limits->capacity) {
            make_room(limits, now_us);
            slot = probe(limits, key);
        }
        limits->used++;
        *slot = (struct slot){.is_used = true, .key = key, .seen_us = now_us};
        for (int i = 0; i < count; i++) {
            slot->left[i] = rates[i];
        }
        return slot;
    }
    double seconds = (double)(now_us - slot->seen_us) / 1e6;
    slot->seen_us = now_us;
    for (int i = 0; i < count; i++) {
        slot->left[i] = MIN(slot->left[i] + seconds * rates[i], rates[i]);
    }
    return slot;
}

/* --- shards ----------------------------------------------------------------------------------- */

static struct slot *refill_shard(struct limits *limits, u32 stream, u32 shard)
{
    return refill(limits, ((u64)stream << 32) + shard, shard_rates, BUCKETS);
}

bool kinesis__limit_put(struct limits *limits, u32 stream, u32 shard, isize bytes)
{
    os_mutex_lock(&limits->mutex);
    double *left = refill_shard(limits, stream, shard)->left;
    /* A record larger than a second's worth passes when nothing else does; it is paid off later. */
    bool fits = left[RECORDS_IN] >= 1 && left[BYTES_IN] >= (double)MIN(bytes, WRITE_BYTES);
    if (fits) {
        left[RECORDS_IN] -= 1;
        left[BYTES_IN] -= (double)bytes;
    }
    os_mutex_unlock(&limits->mutex);
    return fits;
}

bool kinesis__limit_read(struct limits *limits, u32 stream, u32 shard)
{
    os_mutex_lock(&limits->mutex);
    double *left = refill_shard(limits, stream, shard)->left;
    bool fits = left[READS] >= 1 && left[BYTES_OUT] > 0;
    left[READS] -= fits ? 1 : 0;
    os_mutex_unlock(&limits->mutex);
    return fits;
}

void kinesis__limit_read_done(struct limits *limits, u32 stream, u32 shard, isize bytes)
{
    os_mutex_lock(&limits->mutex);
    double *left = refill_shard(limits, stream, shard)->left;
    /* As AWS: a full answer of 10 MiB stops the shard's readers for five seconds. */
    left[BYTES_OUT] = bytes > READ_BYTES ? MIN(left[BYTES_OUT], 0) - (double)bytes
                                         : left[BYTES_OUT] - (double)bytes;
    os_mutex_unlock(&limits->mutex);
}

bool kinesis__limit_iterator(struct limits *limits, u32 stream, u32 shard)
{
    os_mutex_lock(&limits->mutex);
    double *left = refill_shard(limits, stream, shard)->left;
    bool fits = left[ITERATORS] >= 1;
    left[ITERATORS] -= fits ? 1 : 0;
    os_mutex_unlock(&limits->mutex);
    return fits;
}

/* --- calls ------------------------------------------------------------------------------------ */

bool kinesis__limit_call(struct limits *limits, u64 who, i32 per_second)
{
    /* Streams are numbered from 1 on, and never so far. */
    const u64 calls = (u64)1 << 63;
    double rate = per_second;
    os_mutex_lock(&limits->mutex);
    double *left = refill(limits, who | calls, &rate, 1)->left;
    bool fits = left[0] >= 1;
    left[0] -= fits ? 1 : 0;
    os_mutex_unlock(&limits->mutex);
    return fits;
}

/* Account, region and operation, and what else the limit is about. */
static u64 who(const struct kinesis_call *call, u64 of)
{
    const struct aws_caller *caller = &call->request->caller;
    u64 seed = ((u64)kinesis__operation_index(call->operation) << 48) ^ of;
    seed = hash64(caller->account.data, caller->account.len, seed);
    return hash64(caller->region.data, caller->region.len, seed);
}

bool kinesis__check_rate(struct kinesis_call *call, enum rate_scope scope)
{
    const struct operation *operation = call->operation;
    if (call->service->limits == NULL || operation->per_second == 0 || operation->scope != scope) {
        return true;
    }
    struct stream_info info = {0};
    if (scope == RATE_OF_STREAM) {
        stream_get_info(call->stream, &info);
    }
    if (kinesis__limit_call(call->service->limits, who(call, info.number), operation->per_second)) {
        return true;
    }
    str account = call->request->caller.account;
    if (scope == RATE_OF_STREAM) {
        kinesis__fail(call, "LimitExceededException",
                      "Rate exceeded for stream " STR_FMT " under account " STR_FMT ".",
                      STR_ARG(info.id.name), STR_ARG(account));
    } else {
        kinesis__fail(call, "LimitExceededException", "Rate exceeded for account " STR_FMT ".",
                      STR_ARG(account));
    }
    return false;
}

bool kinesis__check_subscribe_rate(struct kinesis_call *call, u32 shard)
{
    struct limits *limits = call->service->limits;
    struct stream_info info;
    stream_get_info(call->stream, &info);
    u64 of =
        hash64(call->consumer.name.data, call->consumer.name.len, ((u64)info.number << 32) + shard);
    if (limits == NULL || kinesis__limit_call(limits, who(call, of), 1)) {
        return true;
    }
    kinesis__fail(call, "LimitExceededException",
                  "Rate exceeded for consumer " STR_FMT " of stream " STR_FMT
                  " under account " STR_FMT ".",
                  STR_ARG(call->consumer.name), STR_ARG(info.id.name), STR_ARG(info.id.account));
    return false;
}

str kinesis__limit_text(struct kinesis_call *call, u32 shard)
{
    struct stream_info info;
    char id[21];
    stream_get_info(call->stream, &info);
    stream_shard_format(shard, id);
    return arena_printf(
        call->arena, "Rate exceeded for shard %s in stream " STR_FMT " under account " STR_FMT ".",
        id, STR_ARG(info.id.name), STR_ARG(info.id.account));
}

void kinesis__fail_limit(struct kinesis_call *call, u32 shard)
{
    kinesis__fail(call, "ProvisionedThroughputExceededException", STR_FMT,
                  STR_ARG(kinesis__limit_text(call, shard)));
}
