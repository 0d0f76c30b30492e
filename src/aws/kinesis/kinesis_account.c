/* aws/kinesis/kinesis_account.c: settings of an account, and the warm throughput that its
 * commitment to a minimum throughput allows. */
#include "aws/kinesis/kinesis_int.h"

/* --- the commitment -------------------------------------------------------------------------- */

static bool is_committed(const struct kinesis *service, const struct stream_commitment *c)
{
    return c->started_ms != 0 && (c->ended_ms == 0 || c->ended_ms > kinesis__now_ms(service));
}

bool kinesis__has_advantage(const struct kinesis_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    struct stream_commitment commitment;
    streams_get_commitment(call->service->streams, caller->account, caller->region, &commitment);
    return is_committed(call->service, &commitment);
}

static void put_settings(struct kinesis_call *call, const struct stream_commitment *c)
{
    struct answer *out = &call->out;
    bool goes_on = is_committed(call->service, c);
    const char *status = !goes_on           ? "DISABLED"
                         : c->ended_ms == 0 ? "ENABLED"
                                            : "ENABLED_UNTIL_EARLIEST_ALLOWED_END";
    answer_open(out, NULL);
    answer_open(out, "MinimumThroughputBillingCommitment");
    answer_put_text(out, "Status", str_of(status));
    if (c->started_ms != 0) {
        answer_put_time(out, "StartedAt", c->started_ms);
    }
    if (c->ended_ms != 0) {
        answer_put_time(out, "EndedAt", c->ended_ms);
    }
    if (goes_on) {
        answer_put_time(out, "EarliestAllowedEndAt", c->started_ms + STREAM_COMMITMENT_MS);
    }
    answer_close(out);
    answer_close(out);
}

void kinesis__describe_account(struct kinesis_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    struct stream_commitment commitment;
    streams_get_commitment(call->service->streams, caller->account, caller->region, &commitment);
    put_settings(call, &commitment);
    kinesis__respond(call);
}

void kinesis__update_account(struct kinesis_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    struct streams *streams = call->service->streams;
    bool is_wanted = str_eq(call->args[ARG_STATUS].text, STR("ENABLED"));
    struct stream_commitment now;
    streams_get_commitment(streams, caller->account, caller->region, &now);
    bool is_wanted_already = is_committed(call->service, &now) && now.ended_ms == 0;
    if (is_wanted == is_wanted_already) {
        put_settings(call, &now);
        kinesis__respond(call);
        return;
    }
    /* The answer is written by this loop before it is sent by it. */
    err e = streams_set_commitment(streams, caller->account, caller->region, is_wanted, &now,
                                   kinesis__answer_done, call);
    if (e == ERR_LIMIT) {
        kinesis__fail(call, "LimitExceededException",
                      "leat keeps the settings of %d accounts and regions at most.",
                      STREAM_ACCOUNTS_MAX);
    } else if (e != OK) {
        kinesis__fail_commit(call, e);
    } else {
        put_settings(call, &now);
    }
}

/* --- warm throughput ------------------------------------------------------------------------- */

bool kinesis__check_warm(struct kinesis_call *call, bool is_on_demand)
{
    i64 mibps = call->args[ARG_WARM_THROUGHPUT].number;
    if (mibps == 0) {
        return true;
    }
    if (!is_on_demand) {
        kinesis__fail(call, "ValidationException",
                      "WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.");
        return false;
    }
    if (!kinesis__has_advantage(call)) {
        kinesis__fail(call, "InvalidArgumentException",
                      "WarmThroughputMiBps is only supported for accounts that have "
                      "MinimumThroughputBillingCommitment enabled. Use UpdateAccountSettings API.");
        return false;
    }
    if (mibps > STREAM_WARM_MIBPS_MAX) {
        kinesis__fail(call, "LimitExceededException",
                      "WarmThroughputMiBps %lld would exceed the limit of %d MiBps of a stream.",
                      (long long)mibps, STREAM_WARM_MIBPS_MAX);
        return false;
    }
    return true;
}

static void put_warm(struct answer *out, i32 target, i32 current)
{
    answer_open(out, "WarmThroughput");
    if (target > 0) {
        answer_put_i64(out, "TargetMiBps", target);
    }
    answer_put_i64(out, "CurrentMiBps", current);
    answer_close(out);
}

void kinesis__put_warm(struct kinesis_call *call, const struct stream_info *info)
{
    if (info->mode == STREAM_ON_DEMAND && kinesis__has_advantage(call)) {
        put_warm(&call->out, info->warm_mibps, info->open_shard_count);
    }
}

void kinesis__update_warm(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    i32 mibps = (i32)call->args[ARG_WARM_THROUGHPUT].number;
    if (info.mode != STREAM_ON_DEMAND) {
        kinesis__fail(call, "ValidationException",
                      "Request is invalid. Stream " STR_FMT " is in PROVISIONED mode, where "
                      "UpdateStreamWarmThroughput is not permitted.",
                      STR_ARG(kinesis__arn(call->arena, info.id)));
        return;
    }
    if (!kinesis__has_advantage(call)) {
        kinesis__fail(call, "InvalidArgumentException",
                      "UpdateStreamWarmThroughput is only supported for accounts that have "
                      "MinimumThroughputBillingCommitment enabled. Use UpdateAccountSettings API.");
        return;
    }
    i32 shards = MAX(mibps, STREAM_ON_DEMAND_SHARDS);
    if (!kinesis__check_warm(call, true) ||
        !kinesis__check_shard_limit(call, info.open_shard_count, shards - info.open_shard_count)) {
        return;
    }
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_put_text(out, "StreamARN", kinesis__arn(call->arena, info.id));
    answer_put_text(out, "StreamName", info.id.name);
    put_warm(out, mibps, info.open_shard_count);
    answer_close(out);
    kinesis__reshard_begun(call,
                           stream_set_warm(call->stream, mibps, false, kinesis__answer_done, call));
}
