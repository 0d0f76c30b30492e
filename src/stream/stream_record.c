/*
 * stream/stream_record.c: records in batches. The body of a record in the log:
 *
 *   varint (partition key bytes << 1 | has explicit hash) | [explicit hash, 16] | key | data
 */
#include "stream/stream_int.h"

static isize varint_bytes(u64 value)
{
    isize bytes = 1;
    while (value >= 128) {
        value >>= 7;
        bytes++;
    }
    return bytes;
}

static u8 *put_varint(u8 *out, u64 value)
{
    while (value >= 128) {
        *out++ = (u8)(value | 128);
        value >>= 7;
    }
    *out++ = (u8)value;
    return out;
}

static u64 head_of(const struct stream_record *record)
{
    return ((u64)record->partition_key.len << 1) | (record->has_explicit_hash ? 1 : 0);
}

/* Bytes of a record's body before its data. */
static isize overhead_bytes(const struct stream_record *record)
{
    isize hash_bytes = record->has_explicit_hash ? (isize)sizeof(u128) : 0;
    return varint_bytes(head_of(record)) + hash_bytes + record->partition_key.len;
}

/* See stream_stale.c. */
void stream_batch_begin(struct stream *stream, struct log_batch *batch)
{
    log_batch_note_epoch(batch, __atomic_load_n(&stream->owner->epoch, __ATOMIC_ACQUIRE));
}

u8 *stream_batch_reserve(struct stream *stream, struct log_batch *batch,
                         const struct stream_record *record_without_data, isize data_bytes,
                         u32 *shard_out)
{
    DCHECK(stream->magic == STREAM_MAGIC);
    const struct stream_record *record = record_without_data;
    str key = record->partition_key;
    if (data_bytes < 0 ||
        key.len + data_bytes > __atomic_load_n(&stream->record_bytes_max, __ATOMIC_RELAXED) ||
        __atomic_load_n(&stream->is_deleted, __ATOMIC_RELAXED)) {
        return NULL;
    }
    u128 hash = record->has_explicit_hash ? record->explicit_hash : stream_hash_key(key);
    stream_batch_begin(stream, batch); /* Before the shard map is looked at. */
    struct log_channel channel = {stream->number, stream_route(stream, hash)};
    u8 *out = log_batch_reserve(batch, channel, overhead_bytes(record) + data_bytes);
    if (out == NULL) {
        return NULL;
    }
    out = put_varint(out, head_of(record));
    if (record->has_explicit_hash) {
        memcpy(out, &record->explicit_hash, sizeof(u128));
        out += sizeof(u128);
    }
    memcpy(out, key.data, (size_t)key.len);
    if (shard_out != NULL) {
        *shard_out = channel.shard;
    }
    return out + key.len;
}

void stream_batch_trim(struct log_batch *batch, const struct stream_record *record_without_data,
                       isize data_bytes)
{
    CHECK(data_bytes >= 0);
    log_batch_trim(batch, overhead_bytes(record_without_data) + data_bytes);
}

err stream_batch_add(struct stream *stream, struct log_batch *batch,
                     const struct stream_record *record, u32 *shard_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    if (__atomic_load_n(&stream->is_deleted, __ATOMIC_RELAXED)) {
        return ERR_CLOSED;
    }
    u8 *data = stream_batch_reserve(stream, batch, record, record->data.len, shard_out);
    if (data == NULL) {
        return ERR_LIMIT;
    }
    if (record->data.len > 0) {
        memcpy(data, record->data.data, (size_t)record->data.len);
    }
    return OK;
}

void stream_row_sequences(struct stream *stream, u32 shard, u64 no, i64 arrival_ms,
                          struct stream_sequences *out)
{
    os_quiet_begin();
    i64 created_ms = stream__map_created_ms(stream__map(stream), shard);
    os_quiet_end();
    struct stream_sequence first = {
        .shard_created_s = created_ms / 1000,
        .index = no,
        .arrival_s = arrival_ms / 1000,
        .shard = shard,
    };
    stream_sequences_begin(&first, out);
}

void stream_row_sequence(struct stream *stream, u32 shard, u64 no, i64 arrival_ms, char *out)
{
    struct stream_sequences one;
    stream_row_sequences(stream, shard, no, arrival_ms, &one);
    stream_sequences_next(&one, out);
    out[STREAM_SEQUENCE_DIGITS] = '\0';
}

void stream_batch_settle(const struct log_batch *batch, u32 *shards, isize count)
{
    for (isize i = 0; i < count; i++) {
        shards[i] = log_batch_shard(batch, i, shards[i]);
    }
}

void stream_batch_sequence(struct stream *stream, const struct log_batch *batch, isize index,
                           u32 shard, char *out)
{
    stream_row_sequence(stream, shard, log_batch_record_no(batch, index),
                        log_batch_arrival_ms(batch), out);
}

err stream_record_decode(str body, struct stream_record *out)
{
    return stream__record_decode(body, out);
}

void stream_get_counters(struct stream *stream, struct stream_counters *out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    const struct stream_counters *counters = &stream->counters;
    *out = (struct stream_counters){
        .records_in = metric_load(&counters->records_in),
        .bytes_in = metric_load(&counters->bytes_in),
        .records_out = metric_load(&counters->records_out),
        .bytes_out = metric_load(&counters->bytes_out),
        .put_calls = metric_load(&counters->put_calls),
        .get_calls = metric_load(&counters->get_calls),
    };
}

void stream_count_call(struct stream *stream, bool is_put)
{
    metric_add(is_put ? &stream->counters.put_calls : &stream->counters.get_calls, 1);
}
