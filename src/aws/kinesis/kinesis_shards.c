/* aws/kinesis/kinesis_shards.c: ListShards and how a shard looks. */
#include "aws/kinesis/kinesis_int.h"

/* In the order of the enum's values in kinesis_ops.c's table. */
enum shard_filter {
    FILTER_NONE,
    FILTER_AFTER_SHARD_ID,
    FILTER_AT_TRIM_HORIZON,
    FILTER_FROM_TRIM_HORIZON,
    FILTER_AT_LATEST,
    FILTER_AT_TIMESTAMP,
    FILTER_FROM_TIMESTAMP,
    FILTER_COUNT,
};

void kinesis__put_hash_range(struct answer *out, const struct stream_shard *shard)
{
    char digits[40];
    answer_open(out, "HashKeyRange");
    stream_hash_format(shard->hash_first, digits);
    answer_put_text(out, "StartingHashKey", str_of(digits));
    stream_hash_format(shard->hash_last, digits);
    answer_put_text(out, "EndingHashKey", str_of(digits));
    answer_close(out);
}

static void put_shard_id(struct answer *out, const char *name, i32 index)
{
    char id[21];
    if (index >= 0) {
        stream_shard_format((u32)index, id);
        answer_put_text(out, name, str_of(id));
    }
}

void kinesis__put_shard(struct answer *out, const struct stream_shard *shard)
{
    answer_open(out, NULL);
    put_shard_id(out, "ShardId", (i32)shard->index);
    put_shard_id(out, "ParentShardId", shard->parent);
    put_shard_id(out, "AdjacentParentShardId", shard->adjacent_parent);
    kinesis__put_hash_range(out, shard);
    answer_open(out, "SequenceNumberRange");
    answer_put_text(out, "StartingSequenceNumber", str_of(shard->starting_sequence));
    if (shard->ending_sequence[0] != '\0') {
        answer_put_text(out, "EndingSequenceNumber", str_of(shard->ending_sequence));
    }
    answer_close(out);
    answer_close(out);
}

/* Position of the first shard with an index above `index`. */
static i32 position_after(struct stream *stream, u32 index)
{
    struct stream_info info;
    stream_get_info(stream, &info);
    i32 low = 0;
    i32 high = info.shard_count;
    while (low < high) {
        i32 middle = low + (high - low) / 2;
        struct stream_shard shard;
        if (stream_get_shard(stream, middle, &shard) && shard.index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool kinesis__next_shard(struct stream *stream, i32 *position, struct stream_shard *out)
{
    while (stream_get_shard(stream, *position, out)) {
        ++*position;
        if (!out->is_expired) {
            return true;
        }
    }
    return false;
}

bool kinesis__shard_after(struct kinesis_call *call, str shard_id, i32 *position_out)
{
    u32 index = 0;
    if (kinesis__parse_shard(shard_id, &index) != OK) {
        kinesis__fail(call, "InvalidArgumentException", "Invalid shard id " STR_FMT ".",
                      STR_ARG(shard_id));
        return false;
    }
    *position_out = position_after(call->stream, index);
    return true;
}

/* What says which listing is meant goes with no token; answers and returns false. */
static bool check_alone(struct kinesis_call *call)
{
    static const struct {
        enum arg arg;
        const char *name;
    } excluded[] = {
        {ARG_STREAM_NAME, "StreamName"},
        {ARG_STREAM_ARN, "StreamARN"},
        {ARG_CREATED, "StreamCreationTimestamp"},
        {ARG_START_SHARD, "ExclusiveStartShardId"},
        {ARG_FILTER, "ShardFilter"},
    };
    bool is_arn_due = call->operation->run == kinesis__list_consumers;
    for (isize i = 0; i < COUNT_OF(excluded); i++) {
        if (excluded[i].arg == ARG_STREAM_ARN && is_arn_due) {
            continue;
        }
        if (call->args[excluded[i].arg].is_set) {
            kinesis__fail(call, "InvalidArgumentException",
                          "NextToken and %s cannot be provided together.", excluded[i].name);
            return false;
        }
    }
    return true;
}

bool kinesis__take_next_token(struct kinesis_call *call, enum token_kind kind, struct token *out)
{
    struct kinesis *service = call->service;
    if (!check_alone(call)) {
        return false;
    }
    str text = call->args[ARG_NEXT_TOKEN].text;
    if (kinesis__open_token(service, call->arena, text, kind, out) != OK) {
        kinesis__fail(call, "InvalidArgumentException", "Invalid NextToken.");
        return false;
    }
    if (kinesis__now_ms(service) - out->issued_ms > KINESIS_TOKEN_MS) {
        kinesis__fail(call, "ExpiredNextTokenException",
                      "NextToken expired. It was valid for %d seconds.", KINESIS_TOKEN_MS / 1000);
        return false;
    }
    return true;
}

bool kinesis__find_token_stream(struct kinesis_call *call, const struct token *token,
                                const char *what)
{
    const struct aws_caller *caller = &call->request->caller;
    call->stream = streams_find_number(call->service->streams, token->stream);
    if (call->stream == NULL) {
        kinesis__fail(call, "ResourceNotFoundException",
                      "The stream of this %s does not exist any more.", what);
        return false;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    bool is_same = !call->args[ARG_STREAM_ARN].is_set ||
                   str_eq(kinesis__arn(call->arena, info.id), call->args[ARG_STREAM_ARN].text);
    if (!is_same || !str_eq(info.id.account, caller->account) ||
        !str_eq(info.id.region, caller->region)) {
        kinesis__fail(call, "InvalidArgumentException", "Invalid %s.", what);
        return false;
    }
    return true;
}

/* --- what is asked for ---------------------------------------------------------------------- */

static bool take_filter(struct kinesis_call *call, struct token *ask)
{
    static const char *const names[FILTER_COUNT] = {
        "",          "AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON",
        "AT_LATEST", "AT_TIMESTAMP",   "FROM_TIMESTAMP",
    };
    for (u8 i = 1; i < FILTER_COUNT; i++) {
        if (str_eq(call->args[ARG_FILTER_TYPE].text, str_of(names[i]))) {
            ask->filter = i;
        }
    }
    const struct arg_value *shard = &call->args[ARG_FILTER_SHARD];
    const struct arg_value *time = &call->args[ARG_TIMESTAMP];
    bool needs_shard = ask->filter == FILTER_AFTER_SHARD_ID;
    bool needs_time = ask->filter == FILTER_AT_TIMESTAMP || ask->filter == FILTER_FROM_TIMESTAMP;
    if (needs_shard != shard->is_set || needs_time != time->is_set) {
        kinesis__fail(call, "InvalidArgumentException",
                      "A ShardFilter of type " STR_FMT " %s ShardId and %s Timestamp.",
                      STR_ARG(call->args[ARG_FILTER_TYPE].text),
                      needs_shard ? "needs a" : "takes no", needs_time ? "needs a" : "takes no");
        return false;
    }
    if (needs_shard && kinesis__parse_shard(shard->text, &ask->filter_shard) != OK) {
        kinesis__fail(call, "InvalidArgumentException", "Invalid shard id " STR_FMT ".",
                      STR_ARG(shard->text));
        return false;
    }
    ask->filter_ms = time->number;
    if (needs_time && time->number > kinesis__now_ms(call->service) + KINESIS_CLOCK_SKEW_MS) {
        kinesis__fail(call, "InvalidArgumentException",
                      "The Timestamp of the ShardFilter lies in the future.");
        return false;
    }
    return true;
}

static bool matches(const struct token *ask, const struct stream_shard *shard, i64 horizon_ms)
{
    i64 at_ms =
        ask->filter == FILTER_AT_TRIM_HORIZON ? horizon_ms : MAX(ask->filter_ms, horizon_ms);
    /* Until its children begin a shard counts as open: at any time the open ones leave no hole. */
    bool is_open = shard->closed_ms == 0;
    i64 end_ms = shard->closed_ms + STREAM_CHILD_DELAY_MS;
    switch ((enum shard_filter)ask->filter) {
    case FILTER_AFTER_SHARD_ID:
        return shard->index > ask->filter_shard;
    case FILTER_AT_LATEST:
        return is_open;
    case FILTER_AT_TRIM_HORIZON:
    case FILTER_AT_TIMESTAMP:
        return shard->created_ms <= at_ms && (is_open || end_ms > at_ms);
    case FILTER_FROM_TIMESTAMP:
        return is_open || end_ms > at_ms;
    case FILTER_NONE:
    case FILTER_FROM_TRIM_HORIZON:
    case FILTER_COUNT:
        break;
    }
    return true;
}

/* From the members of a first request. */
static bool begin_listing(struct kinesis_call *call, struct token *ask, i32 *position_out)
{
    if (!kinesis__find_stream(call)) {
        return false;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    const struct arg_value *created = &call->args[ARG_CREATED];
    if (created->is_set && created->number / 1000 != info.created_ms / 1000) {
        kinesis__fail_no_stream(call, info.id);
        return false;
    }
    *ask = (struct token){.kind = TOKEN_SHARDS, .stream = info.number};
    if (call->args[ARG_FILTER].is_set && !take_filter(call, ask)) {
        return false;
    }
    *position_out = 0;
    const struct arg_value *start = &call->args[ARG_START_SHARD];
    return !start->is_set || kinesis__shard_after(call, start->text, position_out);
}

static bool continue_listing(struct kinesis_call *call, struct token *ask, i32 *position_out)
{
    if (!kinesis__take_next_token(call, TOKEN_SHARDS, ask)) {
        return false;
    }
    if (!kinesis__find_token_stream(call, ask, "NextToken")) {
        return false;
    }
    *position_out = position_after(call->stream, ask->shard);
    return true;
}

void kinesis__list_shards(struct kinesis_call *call)
{
    struct token ask;
    i32 position = 0;
    bool has_begun = call->args[ARG_NEXT_TOKEN].is_set ? continue_listing(call, &ask, &position)
                                                       : begin_listing(call, &ask, &position);
    if (!has_begun) {
        return;
    }
    i64 limit = kinesis__page_limit(call, KINESIS_LIST_SHARDS_MAX);
    struct stream_info info;
    stream_get_info(call->stream, &info);
    i64 now_ms = kinesis__now_ms(call->service);
    i64 horizon_ms = MAX(now_ms - (i64)info.retention_hours * 3600 * 1000, info.created_ms);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open_list(out, "Shards");
    struct stream_shard shard;
    i64 listed = 0;
    bool has_more = false;
    while (kinesis__next_shard(call->stream, &position, &shard)) {
        if (!matches(&ask, &shard, horizon_ms)) {
            continue;
        }
        has_more = listed == limit;
        if (has_more) {
            break;
        }
        listed++;
        kinesis__put_shard(out, &shard);
        ask.shard = shard.index;
    }
    answer_close_list(out);
    if (has_more) {
        ask.issued_ms = now_ms;
        answer_put_text(out, "NextToken", kinesis__token(call->service, call->arena, &ask));
    }
    answer_close(out);
    kinesis__respond(call);
}
