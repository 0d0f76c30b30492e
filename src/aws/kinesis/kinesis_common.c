/* aws/kinesis/kinesis_common.c: which stream and shard a request means. */
#include "aws/kinesis/kinesis_int.h"

i64 kinesis__now_ms(const struct kinesis *service)
{
    return os_wall_us(service->os) / 1000;
}

i64 kinesis__page_limit(const struct kinesis_call *call, i64 page_max)
{
    const struct arg_value *limit = &call->args[ARG_LIMIT];
    return limit->is_set ? MIN(limit->number, page_max) : page_max;
}

void kinesis__fail_no_stream(struct kinesis_call *call, struct stream_id id)
{
    kinesis__fail(call, "ResourceNotFoundException",
                  "Stream " STR_FMT " under account " STR_FMT " not found.", STR_ARG(id.name),
                  STR_ARG(id.account));
}

void kinesis__fail_no_consumer(struct kinesis_call *call, str name)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    kinesis__fail(call, "ResourceNotFoundException",
                  "Consumer " STR_FMT " of stream " STR_FMT " under account " STR_FMT " not found.",
                  STR_ARG(name), STR_ARG(info.id.name), STR_ARG(info.id.account));
}

void kinesis__fail_consumer_status(struct kinesis_call *call,
                                   const struct stream_consumer *consumer)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    bool is_subscription = call->operation->run == kinesis__subscribe; /* AWS has two texts. */
    kinesis__fail(call, "ResourceInUseException",
                  "Consumer " STR_FMT " with creation timestamp %lld under stream%s " STR_FMT
                  " %s account " STR_FMT " is not in ACTIVE status.",
                  STR_ARG(consumer->name), (long long)(consumer->created_ms / 1000),
                  is_subscription ? ":" : "", STR_ARG(info.id.name), is_subscription ? "," : "and",
                  STR_ARG(info.id.account));
}

struct stream_id kinesis__arn_id(str arn)
{
    str rest = arn;
    struct stream_id id;
    bool found = true;
    (void)str_split(&rest, ':', &found);
    (void)str_split(&rest, ':', &found);
    (void)str_split(&rest, ':', &found);
    id.region = str_split(&rest, ':', &found);
    id.account = str_split(&rest, ':', &found);
    isize name = STR("stream/").len;
    id.name = str_slice(rest, name, rest.len);
    return id;
}

/* Sets call->stream; answers and returns false when it is not there for this caller. The region and
 * account of an ARN are another world unless they are the caller's: the stream would not be seen
 * from here. */
static bool open_stream(struct kinesis_call *call, struct stream_id id)
{
    const struct aws_caller *caller = &call->request->caller;
    bool is_ours = str_eq(id.account, caller->account) && str_eq(id.region, caller->region);
    if (is_ours) {
        call->stream = streams_find(call->service->streams, id);
    }
    if (call->stream == NULL && is_ours) {
        call->stream = kinesis__deleting(call->service, id);
    }
    if (call->stream == NULL) {
        kinesis__fail_no_stream(call, id);
        return false;
    }
    return kinesis__check_rate(call, RATE_OF_STREAM) && kinesis__check_status(call);
}

bool kinesis__find_stream(struct kinesis_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    const struct arg_value *name = &call->args[ARG_STREAM_NAME];
    const struct arg_value *arn = &call->args[ARG_STREAM_ARN];
    struct stream_id id = {caller->account, caller->region, name->text};
    if (!name->is_set && !arn->is_set) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Must specify either StreamName or StreamARN.");
        return false;
    }
    if (arn->is_set) {
        struct stream_id named = kinesis__arn_id(arn->text);
        if (name->is_set && !str_eq(named.name, name->text)) {
            kinesis__fail(call, "InvalidArgumentException",
                          "StreamName " STR_FMT " does not match StreamARN " STR_FMT ".",
                          STR_ARG(name->text), STR_ARG(arn->text));
            return false;
        }
        id = named;
    }
    return open_stream(call, id);
}

/* Finds the consumer of call->stream; `seconds` as in its ARN, empty for any. */
static bool open_consumer(struct kinesis_call *call, str name, str seconds)
{
    i64 created_ms = 0;
    i64 wanted_s = -1;
    bool is_any = seconds.len == 0;
    if (!is_any && str_to_i64(seconds, &wanted_s) != OK) {
        wanted_s = -1;
    }
    bool found = stream_consumer_find(call->stream, name, &created_ms) &&
                 (is_any || wanted_s == created_ms / 1000);
    if (found) {
        call->consumer = (struct stream_consumer){name, created_ms};
        bool is_early = call->operation->needs == NEEDS_CREATED &&
                        kinesis__is_consumer_new(call->service, &call->consumer);
        if (is_early) {
            kinesis__fail_consumer_status(call, &call->consumer);
        }
        return !is_early;
    }
    struct stream_consumer gone;
    call->is_consumer_deleting = kinesis__deleting_consumer(call, name, &gone) &&
                                 (is_any || wanted_s == gone.created_ms / 1000);
    if (!call->is_consumer_deleting || call->operation->needs == NEEDS_USABLE) {
        kinesis__fail_no_consumer(call, name);
        return false;
    }
    if (call->operation->needs != NEEDS_NOTHING) {
        kinesis__fail_consumer_status(call, &gone);
        return false;
    }
    call->consumer = gone;
    return true;
}

/* Stream and, after "/consumer/", the consumer that an ARN names. */
static bool open_arn(struct kinesis_call *call, str arn)
{
    struct stream_id id = kinesis__arn_id(arn);
    const str between = STR("/consumer/");
    isize at = str_find(id.name, between, 0);
    if (at < 0) {
        return open_stream(call, id);
    }
    str rest = str_slice(id.name, at + between.len, id.name.len);
    id.name = str_slice(id.name, 0, at);
    bool found = false;
    str name = str_split(&rest, ':', &found);
    return open_stream(call, id) && open_consumer(call, name, rest);
}

bool kinesis__find_resource(struct kinesis_call *call)
{
    return call->args[ARG_RESOURCE_ARN].is_set ? open_arn(call, call->args[ARG_RESOURCE_ARN].text)
                                               : kinesis__find_stream(call);
}

bool kinesis__find_consumer(struct kinesis_call *call)
{
    const struct arg_value *arn = &call->args[ARG_CONSUMER_ARN];
    const struct arg_value *name = &call->args[ARG_CONSUMER_NAME];
    const struct arg_value *stream = &call->args[ARG_STREAM_ARN];
    if (!arn->is_set && (!name->is_set || !stream->is_set)) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Must specify either ConsumerARN or both StreamARN and ConsumerName.");
        return false;
    }
    if (!arn->is_set) {
        return kinesis__find_stream(call) && open_consumer(call, name->text, STR_EMPTY);
    }
    bool is_same_stream =
        !stream->is_set ||
        (str_starts(arn->text, stream->text) &&
         str_starts(str_slice(arn->text, stream->text.len, arn->text.len), STR("/consumer/")));
    if (!open_arn(call, arn->text)) {
        return false;
    }
    if (!is_same_stream || (name->is_set && !str_eq(name->text, call->consumer.name))) {
        kinesis__fail(call, "InvalidArgumentException",
                      "ConsumerARN " STR_FMT " does not match the StreamARN or the ConsumerName.",
                      STR_ARG(arn->text));
        return false;
    }
    return true;
}

err kinesis__parse_shard(str shard_id, u32 *index_out)
{
    u64 index = 0;
    bool has_hyphen = false;
    str digits = shard_id;
    str rest = shard_id;
    (void)str_split(&rest, '-', &has_hyphen);
    if (has_hyphen) {
        digits = str_split(&rest, '-', &has_hyphen);
    }
    if (str_to_u64(digits, &index) != OK || index > INT32_MAX) {
        return ERR_SYNTAX;
    }
    *index_out = (u32)index;
    return OK;
}

bool kinesis__find_shard(struct kinesis_call *call, str shard_id, struct stream_shard *out)
{
    u32 index = 0;
    bool is_name = kinesis__parse_shard(shard_id, &index) == OK;
    if (is_name && stream_find_shard(call->stream, index, out) && !out->is_expired) {
        return true;
    }
    char name[21];
    struct stream_info info;
    stream_get_info(call->stream, &info);
    stream_shard_format(index, name);
    bool is_iterator = call->operation->run == kinesis__get_shard_iterator;
    if (is_name && is_iterator) { /* AWS has a text of its own here. */
        kinesis__fail(call, "ResourceNotFoundException",
                      "Shard %s in stream " STR_FMT " under account " STR_FMT " does not exist",
                      name, STR_ARG(info.id.name), STR_ARG(info.id.account));
        return false;
    }
    kinesis__fail(call, "ResourceNotFoundException",
                  "Could not find shard " STR_FMT " in stream " STR_FMT " under account " STR_FMT
                  ".",
                  STR_ARG(is_name ? str_of(name) : shard_id), STR_ARG(info.id.name),
                  STR_ARG(info.id.account));
    return false;
}
