/*
 * stream/stream_stale.c: batches that a reshard overtakes. A record's shard is chosen
 * when it is added to a batch; the batch may come into the log behind a reshard that
 * closes the shard. No record may go there: whoever has read a closed shard to its
 * end would never see it. So each reshard raises the log's epoch at its place in the
 * log, and a batch whose first record was routed at a lower epoch comes here before it
 * gets its place. The log lets nothing pass until the reshard has been applied: the
 * children exist, and batches keep their order.
 *
 * A batch is filled at epoch N only when the maps show every reshard up to N: the
 * epoch is stored behind the map, and read before it.
 */
#include "stream/stream_int.h"

/* lock is held for reading. The stream of a closed shard, else NULL. */
static struct stream *closed_stream(const struct streams *streams, struct log_channel channel)
{
    struct stream *stream = channel.stream == 0 ? NULL : stream__by_number(streams, channel.stream);
    if (stream == NULL) {
        return NULL;
    }
    const struct shard *shard = stream__map_find(stream__map(stream), channel.shard);
    return shard == NULL || shard->closed_ms != 0 ? stream : NULL;
}

static bool is_closed(void *ctx, struct log_channel channel)
{
    return closed_stream(ctx, channel) != NULL;
}

static struct log_channel route(void *ctx, struct log_channel channel, str body)
{
    struct stream *stream = closed_stream(ctx, channel);
    struct stream_record record;
    if (stream == NULL || stream_record_decode(body, &record) != OK) {
        return channel;
    }
    u128 hash =
        record.has_explicit_hash ? record.explicit_hash : stream_hash_key(record.partition_key);
    return (struct log_channel){channel.stream, stream_route(stream, hash)};
}

bool stream__on_stale(void *ctx, struct log_batch *batch)
{
    struct streams *streams = ctx;
    err e = OK;
    os_rwlock_read(&streams->lock);
    if (log_batch_any_channel(batch, is_closed, streams)) {
        e = log_batch_reroute(batch, route, streams);
    }
    os_rwlock_unlock(&streams->lock);
    return e == OK;
}
