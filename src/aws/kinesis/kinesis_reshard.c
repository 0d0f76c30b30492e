/* aws/kinesis/kinesis_reshard.c: SplitShard, MergeShards, UpdateShardCount. */
#include "aws/kinesis/kinesis_int.h"

void kinesis__reshard_begun(struct kinesis_call *call, err e)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    switch (e) {
    case ERR_UNSUPPORTED:
        kinesis__fail(call, "ValidationException",
                      "Request is invalid. Stream " STR_FMT
                      " is in ON_DEMAND mode, where %s is not "
                      "permitted.",
                      STR_ARG(kinesis__arn(call->arena, info.id)), call->operation->name);
        return;
    case ERR_LIMIT:
        kinesis__fail(call, "LimitExceededException",
                      "A stream cannot have more than %d open shards.", STREAM_SHARDS_MAX);
        return;
    default:
        kinesis__change_begun(call, e);
    }
}

static void fail_closed(struct kinesis_call *call, u32 shard)
{
    char shard_id[21];
    struct stream_info info;
    stream_get_info(call->stream, &info);
    stream_shard_format(shard, shard_id);
    kinesis__fail(call, "InvalidArgumentException",
                  "Shard %s in stream " STR_FMT " under account " STR_FMT
                  " has already been merged or split, and thus is not eligible for merging or "
                  "splitting.",
                  shard_id, STR_ARG(info.id.name), STR_ARG(info.id.account));
}

/* Finds an open shard; answers and returns false when there is none. */
static bool find_open(struct kinesis_call *call, str shard_id, struct stream_shard *out)
{
    if (!kinesis__find_shard(call, shard_id, out)) {
        return false;
    }
    if (out->closed_ms != 0) {
        fail_closed(call, out->index);
        return false;
    }
    return true;
}

static i32 open_count(const struct kinesis_call *call)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    return info.open_shard_count;
}

/* --- SplitShard ----------------------------------------------------------------------------- */

static void fail_hash(struct kinesis_call *call, const struct stream_shard *shard)
{
    struct stream_info info;
    char first[40];
    char last[40];
    char shard_id[21];
    stream_get_info(call->stream, &info);
    stream_shard_format(shard->index, shard_id);
    stream_hash_format(shard->hash_first, first);
    stream_hash_format(shard->hash_last, last);
    kinesis__fail(call, "InvalidArgumentException",
                  "NewStartingHashKey " STR_FMT
                  " used in SplitShard() on shard %s in stream " STR_FMT " under account " STR_FMT
                  " is not both greater than one plus the shard's StartingHashKey %s and less than "
                  "the shard's EndingHashKey %s.",
                  STR_ARG(call->args[ARG_HASH_KEY].text), shard_id, STR_ARG(info.id.name),
                  STR_ARG(info.id.account), first, last);
}

void kinesis__split_shard(struct kinesis_call *call)
{
    struct stream_shard shard;
    if (!kinesis__find_stream(call) || !find_open(call, call->args[ARG_SHARD_ID].text, &shard)) {
        return;
    }
    u128 hash = 0;
    if (stream_hash_parse(call->args[ARG_HASH_KEY].text, &hash) != OK) {
        fail_hash(call, &shard);
        return;
    }
    if (!kinesis__check_shard_limit(call, open_count(call), 1)) {
        return;
    }
    err e = stream_split(call->stream, shard.index, hash, kinesis__change_done, call);
    if (e == ERR_INVALID) {
        fail_hash(call, &shard);
    } else if (e == ERR_CLOSED) {
        fail_closed(call, shard.index);
    } else if (e != OK) {
        kinesis__reshard_begun(call, e);
    }
}

/* --- MergeShards ---------------------------------------------------------------------------- */

static void fail_pair(struct kinesis_call *call, u32 lower, u32 upper)
{
    char lower_id[21];
    char upper_id[21];
    struct stream_info info;
    stream_get_info(call->stream, &info);
    stream_shard_format(lower, lower_id);
    stream_shard_format(upper, upper_id);
    kinesis__fail(call, "InvalidArgumentException",
                  "Shards %s and %s in stream " STR_FMT " under account " STR_FMT
                  " are not an adjacent pair of shards eligible for merging",
                  lower_id, upper_id, STR_ARG(info.id.name), STR_ARG(info.id.account));
}

void kinesis__merge_shards(struct kinesis_call *call)
{
    struct stream_shard lower;
    struct stream_shard upper;
    str lower_id = call->args[ARG_SHARD_ID].text;
    str upper_id = call->args[ARG_ADJACENT_SHARD].text;
    if (!kinesis__find_stream(call) || !find_open(call, lower_id, &lower) ||
        !find_open(call, upper_id, &upper)) {
        return;
    }
    err e = stream_merge(call->stream, lower.index, upper.index, kinesis__change_done, call);
    if (e == ERR_INVALID) {
        fail_pair(call, lower.index, upper.index);
    } else if (e == ERR_CLOSED) {
        struct stream_shard now;
        bool is_lower = stream_find_shard(call->stream, lower.index, &now) && now.closed_ms != 0;
        fail_closed(call, is_lower ? lower.index : upper.index);
    } else if (e != OK) {
        kinesis__reshard_begun(call, e);
    }
}

/* --- UpdateShardCount ----------------------------------------------------------------------- */

static void fail_range(struct kinesis_call *call, i32 open, i32 target)
{
    bool is_up = target > open;
    kinesis__fail(call, "LimitExceededException",
                  "UpdateShardCount cannot scale %s your current open shard count. Current open "
                  "shard count: %d Target shard count: %d",
                  is_up ? "up over double" : "down below half", open, target);
}

static void fail_often(struct kinesis_call *call)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    kinesis__fail(call, "LimitExceededException",
                  "Stream " STR_FMT " under account " STR_FMT
                  " has reached the limit of %d UpdateShardCount calls in a rolling 24-hour "
                  "period.",
                  STR_ARG(info.id.name), STR_ARG(info.id.account), STREAM_SCALES_MAX);
}

void kinesis__update_shard_count(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    i32 open = info.open_shard_count;
    i32 target = (i32)call->args[ARG_SHARD_COUNT].number;
    if (!kinesis__check_shard_limit(call, open, target - open)) {
        return;
    }
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_put_text(out, "StreamName", info.id.name);
    answer_put_i64(out, "CurrentShardCount", open);
    answer_put_i64(out, "TargetShardCount", target);
    answer_put_text(out, "StreamARN", kinesis__arn(call->arena, info.id));
    answer_close(out);
    err e = stream_scale(call->stream, target, kinesis__answer_done, call);
    if (e == OK) {
        return;
    }
    if (e == ERR_RANGE) {
        fail_range(call, open, target);
    } else if (e == ERR_AGAIN) {
        fail_often(call);
    } else {
        kinesis__reshard_begun(call, e);
    }
}
