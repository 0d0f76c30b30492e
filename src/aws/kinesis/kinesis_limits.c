/*
 * aws/kinesis/kinesis_limits.c: the limits of a shard, with --enforce-limits. Each is a bucket that
 * holds a second's worth and refills evenly. A shard that was left alone for IDLE_US has full
 * buckets, as one that was never seen: it is forgotten when the table is full, so the table is
 * bounded by the shards in use and nothing of a deleted shard stays.
 */
#include "aws/kinesis/kinesis_int.h"

enum {
    IDLE_US = 20000000, /* Longer than any debt: of 10 MiB that are read, or written at once. */
    WRITE_BYTES = 1 << 20,
    WRITE_RECORDS = 1000,
    READ_BYTES = 2 << 20,
    CALLS = 5,
    SLOTS_MIN = 64,
};

struct shard_limits {
    bool is_used;
    u32 stream, shard;
    i64 seen_us;
    double bytes_in, records_in, bytes_out, reads, iterators; /* What is left; negative: debt. */
};

struct limits {
    struct os *os;
    struct os_mutex mutex;
    struct shard_limits *slots; /* Open addressing; at most half are used. */
    isize capacity, used;       /* The capacity is a power of two. */
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

static struct shard_limits *probe(const struct limits *limits, u32 stream, u32 shard)
{
    u64 at = (((u64)stream << 32) + shard) * 0x9e3779b97f4a7c15U >> 20;
    for (;; at++) {
        struct shard_limits *slot = &limits->slots[at & (u64)(limits->capacity - 1)];
        if (!slot->is_used || (slot->stream == stream && slot->shard == shard)) {
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
        const struct shard_limits *slot = &old.slots[i];
        if (slot->is_used && now_us - slot->seen_us < IDLE_US) {
            *probe(limits, slot->stream, slot->shard) = *slot;
        }
    }
    mem_free(old.slots);
}

/* The shard's buckets as of now; the mutex is held. */
static struct shard_limits *refill(struct limits *limits, u32 stream, u32 shard)
{
    i64 now_us = os_mono_ns(limits->os) / 1000;
    struct shard_limits *slot = probe(limits, stream, shard);
    if (!slot->is_used) {
        if (2 * (limits->used + 1) > limits->capacity) {
            make_room(limits, now_us);
            slot = probe(limits, stream, shard);
        }
        limits->used++;
        *slot = (struct shard_limits){true,          stream,     shard, now_us, WRITE_BYTES,
                                      WRITE_RECORDS, READ_BYTES, CALLS, CALLS};
        return slot;
    }
    double seconds = (double)(now_us - slot->seen_us) / 1e6;
    slot->seen_us = now_us;
    slot->bytes_in = MIN(slot->bytes_in + seconds * WRITE_BYTES, WRITE_BYTES);
    slot->records_in = MIN(slot->records_in + seconds * WRITE_RECORDS, WRITE_RECORDS);
    slot->bytes_out = MIN(slot->bytes_out + seconds * READ_BYTES, READ_BYTES);
    slot->reads = MIN(slot->reads + seconds * CALLS, CALLS);
    slot->iterators = MIN(slot->iterators + seconds * CALLS, CALLS);
    return slot;
}

bool kinesis__limit_put(struct limits *limits, u32 stream, u32 shard, isize bytes)
{
    os_mutex_lock(&limits->mutex);
    struct shard_limits *slot = refill(limits, stream, shard);
    /* A record larger than a second's worth passes when nothing else does; it is paid off later. */
    bool fits = slot->records_in >= 1 && slot->bytes_in >= (double)MIN(bytes, WRITE_BYTES);
    if (fits) {
        slot->records_in -= 1;
        slot->bytes_in -= (double)bytes;
    }
    os_mutex_unlock(&limits->mutex);
    return fits;
}

bool kinesis__limit_read(struct limits *limits, u32 stream, u32 shard)
{
    os_mutex_lock(&limits->mutex);
    struct shard_limits *slot = refill(limits, stream, shard);
    bool fits = slot->reads >= 1 && slot->bytes_out > 0;
    slot->reads -= fits ? 1 : 0;
    os_mutex_unlock(&limits->mutex);
    return fits;
}

void kinesis__limit_read_done(struct limits *limits, u32 stream, u32 shard, isize bytes)
{
    os_mutex_lock(&limits->mutex);
    struct shard_limits *slot = refill(limits, stream, shard);
    /* As AWS: a full answer of 10 MiB stops the shard's readers for five seconds. */
    slot->bytes_out = bytes > READ_BYTES ? MIN(slot->bytes_out, 0) - (double)bytes
                                         : slot->bytes_out - (double)bytes;
    os_mutex_unlock(&limits->mutex);
}

bool kinesis__limit_iterator(struct limits *limits, u32 stream, u32 shard)
{
    os_mutex_lock(&limits->mutex);
    struct shard_limits *slot = refill(limits, stream, shard);
    bool fits = slot->iterators >= 1;
    slot->iterators -= fits ? 1 : 0;
    os_mutex_unlock(&limits->mutex);
    return fits;
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
