/* aws/kinesis/kinesis_settings.c: mode, largest record, encryption, monitoring, policies. */
#include "aws/kinesis/kinesis_int.h"

/* --- mode and record size -------------------------------------------------------------------- */

void kinesis__update_mode(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    bool is_on_demand = str_eq(call->args[ARG_MODE].text, STR("ON_DEMAND"));
    enum stream_mode mode = is_on_demand ? STREAM_ON_DEMAND : STREAM_PROVISIONED;
    i32 warm = (i32)call->args[ARG_WARM_THROUGHPUT].number;
    i32 more = warm == 0 ? 0 : MAX(warm, STREAM_ON_DEMAND_SHARDS) - info.open_shard_count;
    if (!kinesis__check_warm(call, is_on_demand) ||
        !kinesis__check_shard_limit(call, info.open_shard_count, more)) {
        return;
    }
    if (mode == info.mode && warm > 0) {
        kinesis__fail(call, "InvalidArgumentException",
                      "WarmThroughputMiBps is only accepted when the mode changes to ON_DEMAND. "
                      "Use UpdateStreamWarmThroughput API.");
        return;
    }
    if (mode == info.mode) {
        kinesis__respond_void(call);
        return;
    }
    err e = warm > 0 ? stream_set_warm(call->stream, warm, true, kinesis__change_done, call)
                     : stream_set_mode(call->stream, mode, kinesis__change_done, call);
    if (e == ERR_AGAIN) {
        kinesis__fail(call, "LimitExceededException",
                      "Stream " STR_FMT " under account " STR_FMT
                      " has switched its mode twice in the last 24 hours already.",
                      STR_ARG(info.id.name), STR_ARG(info.id.account));
    } else {
        kinesis__change_begun(call, e);
    }
}

void kinesis__update_record_size(struct kinesis_call *call)
{
    if (kinesis__find_stream(call)) {
        i32 bytes = (i32)call->args[ARG_RECORD_KIB].number * 1024;
        kinesis__change_begun(
            call, stream_set_record_bytes(call->stream, bytes, kinesis__change_done, call));
    }
}

/* --- encryption ------------------------------------------------------------------------------ */

static bool check_encryption(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return false;
    }
    if (!str_eq(call->args[ARG_ENCRYPTION].text, STR("KMS"))) {
        kinesis__fail(call, "InvalidArgumentException", "EncryptionType must be KMS.");
        return false;
    }
    return true;
}

void kinesis__start_encryption(struct kinesis_call *call)
{
    if (check_encryption(call)) {
        str key = call->args[ARG_KEY_ID].text;
        kinesis__change_begun(call, stream_set_key(call->stream, key, kinesis__change_done, call));
    }
}

void kinesis__stop_encryption(struct kinesis_call *call)
{
    if (check_encryption(call)) {
        kinesis__change_begun(call,
                              stream_set_key(call->stream, STR_EMPTY, kinesis__change_done, call));
    }
}

void kinesis__put_encryption(struct kinesis_call *call, struct answer *out)
{
    if (stream_is_encrypted(call->stream)) {
        answer_put_text(out, "EncryptionType", STR("KMS"));
    }
}

/* --- monitoring ------------------------------------------------------------------------------ */

/* In order of their bits. */
static const char *const metric_names[] = {"IncomingBytes",
                                           "IncomingRecords",
                                           "OutgoingBytes",
                                           "OutgoingRecords",
                                           "WriteProvisionedThroughputExceeded",
                                           "ReadProvisionedThroughputExceeded",
                                           "IteratorAgeMilliseconds"};
_Static_assert((1 << COUNT_OF(metric_names)) - 1 == STREAM_METRICS_ALL, "a bit for each metric");

static void put_metrics(struct answer *out, const char *name, u32 metrics)
{
    answer_open_list(out, name);
    for (int i = 0; i < COUNT_OF(metric_names); i++) {
        if ((metrics >> i & 1) != 0) {
            answer_put_text(out, NULL, str_of(metric_names[i]));
        }
    }
    answer_close_list(out);
}

static u32 take_metrics(const struct kinesis_call *call)
{
    const struct arg_value *arg = &call->args[ARG_METRICS];
    u32 metrics = 0;
    for (isize k = 0; k < arg->count; k++) {
        if (str_eq(arg->pairs[k].key, STR("ALL"))) {
            return STREAM_METRICS_ALL;
        }
        for (int i = 0; i < COUNT_OF(metric_names); i++) {
            metrics |= str_eq(arg->pairs[k].key, str_of(metric_names[i])) ? 1U << i : 0;
        }
    }
    return metrics;
}

static void change_monitoring(struct kinesis_call *call, u32 set, u32 unset)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_put_text(out, "StreamName", info.id.name);
    put_metrics(out, "CurrentShardLevelMetrics", info.metrics);
    put_metrics(out, "DesiredShardLevelMetrics", (info.metrics | set) & ~unset);
    answer_put_text(out, "StreamARN", kinesis__arn(call->arena, info.id));
    answer_close(out);
    kinesis__change_begun(call,
                          stream_set_metrics(call->stream, set, unset, kinesis__answer_done, call));
}

void kinesis__enable_monitoring(struct kinesis_call *call)
{
    change_monitoring(call, take_metrics(call), 0);
}

void kinesis__disable_monitoring(struct kinesis_call *call)
{
    change_monitoring(call, 0, take_metrics(call));
}

void kinesis__put_settings(struct kinesis_call *call, const struct stream_info *info)
{
    struct answer *out = &call->out;
    answer_open_list(out, "EnhancedMonitoring");
    answer_open(out, NULL);
    put_metrics(out, "ShardLevelMetrics", info->metrics);
    answer_close(out);
    answer_close_list(out);
    str key = stream_get_key(call->stream, call->arena);
    answer_put_text(out, "EncryptionType", key.len > 0 ? STR("KMS") : STR("NONE"));
    if (key.len > 0) {
        answer_put_text(out, "KeyId", key);
    }
}

/* --- policies -------------------------------------------------------------------------------- */

static bool is_statement(const struct json_value *statement)
{
    str effect = json_get_text(statement, STR("Effect"));
    bool has_action = json_is_set(json_get(statement, STR("Action"))) ||
                      json_is_set(json_get(statement, STR("NotAction")));
    bool has_principal = json_is_set(json_get(statement, STR("Principal"))) ||
                         json_is_set(json_get(statement, STR("NotPrincipal")));
    return (str_eq(effect, STR("Allow")) || str_eq(effect, STR("Deny"))) && has_action &&
           has_principal;
}

/* What is wrong with it; NULL when nothing is. */
static const char *policy_problem(struct arena *arena, str text)
{
    const struct json_value *policy = json_parse_request(arena, text);
    if (json_kind(policy) != JSON_OBJECT) {
        return "it is no JSON object";
    }
    const struct json_value *statements = json_get(policy, STR("Statement"));
    if (json_kind(statements) == JSON_OBJECT) {
        return is_statement(statements)
                   ? NULL
                   : "a Statement needs an Effect of Allow or Deny, an Action and a Principal";
    }
    if (json_kind(statements) != JSON_ARRAY || json_count(statements) == 0) {
        return "it has no Statement";
    }
    for (const struct json_value *s = json_first(statements); s != NULL; s = json_next(s)) {
        if (json_kind(s) != JSON_OBJECT || !is_statement(s)) {
            return "a Statement needs an Effect of Allow or Deny, an Action and a Principal";
        }
    }
    return NULL;
}

void kinesis__put_policy(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    str policy = call->args[ARG_POLICY].text;
    if (policy.len > STREAM_POLICY_BYTES_MAX) {
        kinesis__fail(call, "LimitExceededException",
                      "The policy has %lld bytes, more than the limit of %d.",
                      (long long)policy.len, STREAM_POLICY_BYTES_MAX);
        return;
    }
    const char *problem = policy_problem(call->arena, policy);
    if (problem != NULL) {
        kinesis__fail(call, "InvalidArgumentException", "Invalid policy document: %s.", problem);
        return;
    }
    kinesis__change_begun(call, stream_set_policy(call->stream, call->consumer.name, policy,
                                                  kinesis__change_done, call));
}

void kinesis__get_policy(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    str policy = stream_get_policy(call->stream, call->consumer.name, call->arena);
    answer_open(&call->out, NULL);
    answer_put_text(&call->out, "Policy", policy.len > 0 ? policy : STR("{}"));
    answer_close(&call->out);
    kinesis__respond(call);
}

void kinesis__delete_policy(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    if (stream_get_policy(call->stream, call->consumer.name, call->arena).len == 0) {
        kinesis__fail(call, "ResourceNotFoundException", "No policy is attached to " STR_FMT ".",
                      STR_ARG(call->args[ARG_RESOURCE_ARN].text));
        return;
    }
    kinesis__change_begun(call, stream_set_policy(call->stream, call->consumer.name, STR_EMPTY,
                                                  kinesis__change_done, call));
}
