/* aws/kinesis/kinesis_common.c: which stream and shard a request means. */
#include "aws/kinesis/kinesis_int.h"

i64 kinesis__now_ms(const struct kinesis *service)
{
    return os_wall_us(service->os) / 1000;
}

void kinesis__fail_no_stream(struct kinesis_call *call, struct stream_id id)
{
    kinesis__fail(call, "ResourceNotFoundException",
                  "Stream " STR_FMT " under account " STR_FMT " not found.", STR_ARG(id.name),
                  STR_ARG(id.account));
}

/* The id that an ARN of the checked pattern names. */
static struct stream_id arn_id(str arn)
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

bool kinesis__find_stream(struct kinesis_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    const struct arg_value *name = &call->args[ARG_STREAM_NAME];
    const struct arg_value *arn = &call->args[ARG_STREAM_ARN];
    if (call->args[ARG_RESOURCE_ARN].is_set) {
        arn = &call->args[ARG_RESOURCE_ARN];
    }
    struct stream_id id = {caller->account, caller->region, name->text};
    if (!name->is_set && !arn->is_set) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Must specify either StreamName or StreamARN.");
        return false;
    }
    if (arn->is_set) {
        struct stream_id named = arn_id(arn->text);
        if (name->is_set && !str_eq(named.name, name->text)) {
            kinesis__fail(call, "InvalidArgumentException",
                          "StreamName " STR_FMT " does not match StreamARN " STR_FMT ".",
                          STR_ARG(name->text), STR_ARG(arn->text));
            return false;
        }
        /* The region and account of the ARN are another world unless they are the caller's: the
         * stream would not be seen from here. */
        id = named;
    }
    if (str_eq(id.account, caller->account) && str_eq(id.region, caller->region)) {
        call->stream = streams_find(call->service->streams, id);
    }
    if (call->stream == NULL) {
        kinesis__fail_no_stream(call, id);
        return false;
    }
    return true;
}

bool kinesis__find_shard(struct kinesis_call *call, str shard_id, struct stream_shard *out)
{
    u32 index = 0;
    if (stream_shard_parse(shard_id, &index) != OK ||
        !stream_find_shard(call->stream, index, out)) {
        struct stream_info info;
        stream_get_info(call->stream, &info);
        kinesis__fail(call, "ResourceNotFoundException",
                      "Could not find shard " STR_FMT " in stream " STR_FMT
                      " under account " STR_FMT ".",
                      STR_ARG(shard_id), STR_ARG(info.id.name), STR_ARG(info.id.account));
        return false;
    }
    return true;
}
