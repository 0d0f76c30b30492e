/* console/api_reshard.c: POST /_leat/api/streams/NAME/reshard: splits, merges, scaling. */
#include "console/console_int.h"

/* What a body asks for. */
struct order {
    enum { ORDER_SPLIT, ORDER_MERGE, ORDER_SCALE } kind;
    struct stream_shard shard, other; /* Of a merge in order of their hash keys. */
    u128 at;
    i32 target;
};

static err find_shard(struct stream *stream, str text, struct stream_shard *out, struct diag *diag)
{
    u32 index = 0;
    err e = stream_shard_parse(text, &index);
    if (e == OK && stream_find_shard(stream, index, out) && !out->is_expired) {
        return OK;
    }
    struct stream_info info;
    stream_get_info(stream, &info);
    (void)diag_set(diag, ERR_NOT_FOUND, "API024",
                   "stream \"" STR_FMT "\" has no shard \"" STR_FMT "\"", STR_ARG(info.id.name),
                   STR_ARG(str_slice(text, 0, 64)));
    diag_hint(diag, "leat stream show " STR_FMT " lists its shards", STR_ARG(info.id.name));
    return ERR_NOT_FOUND;
}

static err split_read(struct stream *stream, const struct json_value *body, struct order *out,
                      struct diag *diag)
{
    out->kind = ORDER_SPLIT;
    TRY(find_shard(stream, json_get_text(body, STR("split")), &out->shard, diag));
    const struct json_value *at = json_get(body, STR("at"));
    u128 width = out->shard.hash_last - out->shard.hash_first;
    out->at = out->shard.hash_first + width / 2 + 1;
    if (at != NULL && stream_hash_parse(json_text(at), &out->at) != OK) {
        return diag_set(diag, ERR_INVALID, "API024",
                        "\"" STR_FMT "\" is no hash key: a number from 0 to 2^128 - 1",
                        STR_ARG(str_slice(json_text(at), 0, 64)));
    }
    return OK;
}

static err merge_read(struct stream *stream, const struct json_value *body, struct order *out,
                      struct diag *diag)
{
    const struct json_value *first = json_first(json_get(body, STR("merge")));
    const struct json_value *second = json_next(first);
    out->kind = ORDER_MERGE;
    if (second == NULL || json_next(second) != NULL) {
        return diag_set(diag, ERR_INVALID, "API024", "\"merge\" names two shards");
    }
    TRY(find_shard(stream, json_text(first), &out->shard, diag));
    TRY(find_shard(stream, json_text(second), &out->other, diag));
    if (out->shard.hash_first > out->other.hash_first) {
        struct stream_shard lower = out->other;
        out->other = out->shard;
        out->shard = lower;
    }
    return OK;
}

static err order_read(struct stream *stream, const struct json_value *body, struct order *out,
                      struct diag *diag)
{
    *out = (struct order){.kind = ORDER_SCALE};
    if (json_kind(json_get(body, STR("split"))) == JSON_STRING) {
        return split_read(stream, body, out, diag);
    }
    if (json_kind(json_get(body, STR("merge"))) == JSON_ARRAY) {
        return merge_read(stream, body, out, diag);
    }
    if (json_kind(json_get(body, STR("scale"))) == JSON_NUMBER) {
        i64 target = json_get_i64(body, STR("scale"), 0);
        out->target = (i32)MIN(MAX(target, 0), INT32_MAX);
        return OK;
    }
    return diag_set(diag, ERR_INVALID, "API024",
                    "the body has a shard to \"split\", two to \"merge\", or a number to \"scale\" "
                    "to");
}

/* --- what went wrong -------------------------------------------------------------------------- */

static err refused(struct stream *stream, const struct order *order, err e, struct diag *diag)
{
    struct stream_info info;
    stream_get_info(stream, &info);
    i32 open = info.open_shard_count;
    switch (e) {
    case ERR_IN_USE:
        return diag_set(diag, e, "API024", "another reshard of the stream is on its way");
    case ERR_UNSUPPORTED:
        return diag_set(diag, ERR_INVALID, "API024",
                        "the stream is on-demand: only provisioned streams are resharded by hand");
    case ERR_CLOSED:
        return diag_set(diag, ERR_INVALID, "API024", "the shard was split or merged already");
    case ERR_LIMIT:
        return diag_set(diag, ERR_INVALID, "API024", "a stream has at most %d open shards",
                        STREAM_SHARDS_MAX);
    case ERR_RANGE:
        return diag_set(diag, ERR_INVALID, "API024",
                        "a stream of %d open shards is scaled to %d to %d in one go, not to %d",
                        open, (open + 1) / 2, MIN(2 * open, STREAM_SHARDS_MAX), order->target);
    case ERR_AGAIN:
        return diag_set(diag, ERR_INVALID, "API024",
                        "the stream was scaled %d times in the last 24 hours", STREAM_SCALES_MAX);
    case ERR_INVALID:
        return diag_set(
            diag, e, "API024",
            order->kind == ORDER_MERGE
                ? "the two shards are no neighbours: one must end where the other begins"
                : "the hash key must lie inside the shard, behind its second and "
                  "before its last");
    default:
        return diag_set(diag, e, "API024", "the stream cannot be resharded: %s", err_text(e));
    }
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Shards behind `before`, those that are open or those that were only on the way. */
static void put_new(struct buf *out, struct stream *stream, i32 before, bool is_open)
{
    struct stream_shard shard;
    char id[21];
    bool is_first = true;
    buf_append_byte(out, '[');
    for (i32 i = before; stream_get_shard(stream, i, &shard); i++) {
        if ((shard.closed_ms == 0) == is_open) {
            stream_shard_format(shard.index, id);
            buf_printf(out, "%s\"%s\"", is_first ? "" : ",", id);
            is_first = false;
        }
    }
    buf_append_byte(out, ']');
}

static void respond(struct http_exchange *x, struct stream *stream,
                    const struct stream_info *before)
{
    struct stream_info info;
    struct buf body = {0};
    stream_get_info(stream, &info);
    buf_append_byte(&body, '{');
    console__put(&body, "name", info.id.name);
    buf_append_byte(&body, ',');
    console__put(&body, "region", info.id.region);
    buf_printf(&body,
               ",\"before\":%d,\"open_shard_count\":%d,\"created\":", before->open_shard_count,
               info.open_shard_count);
    put_new(&body, stream, before->shard_count, true);
    buf_append(&body, STR(",\"passed\":"));
    put_new(&body, stream, before->shard_count, false);
    buf_append_byte(&body, '}');
    console__respond_json(x, 200, &body);
}

static err run(struct stream *stream, const struct order *order)
{
    switch (order->kind) {
    case ORDER_SPLIT:
        return stream_split_wait(stream, order->shard.index, order->at);
    case ORDER_MERGE:
        return stream_merge_wait(stream, order->shard.index, order->other.index);
    case ORDER_SCALE:
        break;
    }
    return stream_scale_wait(stream, order->target);
}

/* WORKER */
void console__reshard(struct http_exchange *x, void *ctx)
{
    struct diag diag;
    struct stream *stream = NULL;
    const struct json_value *body = NULL;
    struct order order;
    struct stream_info before = {0};
    diag_init(&diag);
    err e = console__body_json(x, &body, &diag);
    if (e == OK) {
        e = console__stream_find(ctx, x, "/reshard", &stream, &diag);
    }
    if (e == OK) {
        e = order_read(stream, body, &order, &diag);
    }
    if (e == OK) {
        stream_get_info(stream, &before);
        e = run(stream, &order);
        if (e != OK) {
            e = refused(stream, &order, e, &diag);
        }
    }
    if (e == OK) {
        respond(x, stream, &before);
    } else {
        console_respond_error(x, e, &diag);
    }
    stream_unref(stream);
}
