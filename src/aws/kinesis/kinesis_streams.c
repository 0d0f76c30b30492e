/* aws/kinesis/kinesis_streams.c: creation, deletion, description, retention of streams. */
#include "aws/kinesis/kinesis_int.h"

/* --- what an account has -------------------------------------------------------------------- */

struct usage {
    i64 open_shards;
    i64 on_demand;
};

static bool add_usage(void *ctx, struct stream *stream)
{
    struct usage *usage = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    usage->open_shards += info.open_shard_count;
    usage->on_demand += info.mode == STREAM_ON_DEMAND ? 1 : 0;
    return true;
}

static struct usage account_usage(const struct kinesis_call *call)
{
    struct usage usage = {0};
    const struct aws_caller *caller = &call->request->caller;
    streams_each(call->service->streams, caller->account, caller->region, add_usage, &usage);
    return usage;
}

void kinesis__describe_limits(struct kinesis_call *call)
{
    struct usage usage = account_usage(call);
    struct buf body = {0};
    buf_printf(&body,
               "{\"ShardLimit\":%d,\"OpenShardCount\":%lld,\"OnDemandStreamCount\":%lld,"
               "\"OnDemandStreamCountLimit\":%d}",
               KINESIS_ACCOUNT_SHARDS_MAX, (long long)usage.open_shards, (long long)usage.on_demand,
               KINESIS_ACCOUNT_ON_DEMAND_MAX);
    kinesis__respond(call, &body);
}

/* --- creation ------------------------------------------------------------------------------- */

bool kinesis__check_shard_limit(struct kinesis_call *call, i32 open_count, i32 more)
{
    const struct aws_caller *caller = &call->request->caller;
    i64 used = account_usage(call).open_shards;
    if (more <= 0 || (used + more <= KINESIS_ACCOUNT_SHARDS_MAX &&
                      (i64)open_count + more <= STREAM_SHARDS_MAX)) {
        return true;
    }
    kinesis__fail(call, "LimitExceededException",
                  "This request would exceed the shard limit for the account " STR_FMT
                  " in " STR_FMT
                  ". Current shard count for the account: %lld. Limit: %d, and %d for one stream. "
                  "Number of additional shards that would have resulted from this request: %d.",
                  STR_ARG(caller->account), STR_ARG(caller->region), (long long)used,
                  KINESIS_ACCOUNT_SHARDS_MAX, STREAM_SHARDS_MAX, more);
    return false;
}

/* Answers and returns false when the request would pass a limit of the account. */
static bool check_limits(struct kinesis_call *call, const struct stream_spec *spec)
{
    if (!kinesis__check_shard_limit(call, 0, spec->shard_count)) {
        return false;
    }
    struct usage usage = account_usage(call);
    if (spec->mode == STREAM_ON_DEMAND && usage.on_demand >= KINESIS_ACCOUNT_ON_DEMAND_MAX) {
        kinesis__fail(call, "LimitExceededException",
                      "This request would exceed the limit of %d on-demand streams for the "
                      "account " STR_FMT " in " STR_FMT ".",
                      KINESIS_ACCOUNT_ON_DEMAND_MAX, STR_ARG(spec->id.account),
                      STR_ARG(spec->id.region));
        return false;
    }
    return true;
}

/* Fills the shard count and the mode; answers and returns false when they contradict. */
static bool choose_mode(struct kinesis_call *call, struct stream_spec *spec)
{
    const struct arg_value *shards = &call->args[ARG_SHARD_COUNT];
    bool is_on_demand = str_eq(call->args[ARG_MODE].text, STR("ON_DEMAND"));
    spec->mode = is_on_demand ? STREAM_ON_DEMAND : STREAM_PROVISIONED;
    if (is_on_demand && shards->is_set) {
        kinesis__fail(call, "ValidationException",
                      "ShardCount must not be specified for a stream in ON_DEMAND mode.");
        return false;
    }
    if (call->args[ARG_WARM_THROUGHPUT].number > 0) {
        kinesis__fail(call, "InvalidArgumentException",
                      "WarmThroughputMiBps is not supported: leat has no warm throughput.");
        return false;
    }
    spec->shard_count = shards->is_set ? (i32)shards->number : STREAM_ON_DEMAND_SHARDS;
    return true;
}

/* What AWS allows in tags: letters and digits of any script, blanks, and these signs. */
static bool is_tag_text(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 128;
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && memchr("_./=+-%@: \t", c, 11) == NULL) {
            return false;
        }
    }
    return true;
}

struct stream_tag *kinesis__take_tags(struct kinesis_call *call, isize *count_out)
{
    const struct arg_value *arg = &call->args[ARG_TAGS];
    struct stream_tag *tags = ARENA_ARRAY(call->arena, struct stream_tag, MAX(arg->count, 1));
    for (isize i = 0; i < arg->count; i++) {
        tags[i] = (struct stream_tag){arg->pairs[i].key, arg->pairs[i].value};
        if (!is_tag_text(tags[i].key) || !is_tag_text(tags[i].value)) {
            kinesis__fail(call, "InvalidArgumentException",
                          "Some tags contain invalid characters. Valid characters: Unicode "
                          "letters, digits, white space, _ . / = + - %% @.");
            return NULL;
        }
        if (str_starts_nocase(tags[i].key, STR("aws:"))) {
            kinesis__fail(call, "InvalidArgumentException",
                          "Tag keys that begin with aws: are reserved.");
            return NULL;
        }
    }
    *count_out = arg->count;
    return tags;
}

static void fail_tag_count(struct kinesis_call *call, struct stream_id id)
{
    kinesis__fail(call, "InvalidArgumentException",
                  "Failed to add tags to stream " STR_FMT " under account " STR_FMT
                  " because a given %s cannot have more than %d tags associated with it.",
                  STR_ARG(id.name), STR_ARG(id.account),
                  call->consumer.name.len > 0 ? "consumer" : "stream", STREAM_TAGS_MAX);
}

void kinesis__create_stream(struct kinesis_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    struct stream_spec spec = {
        .id = {caller->account, caller->region, call->args[ARG_STREAM_NAME].text},
        .record_bytes_max = (i32)call->args[ARG_RECORD_KIB].number * 1024,
    };
    if (!choose_mode(call, &spec)) {
        return;
    }
    struct stream_tag *tags = kinesis__take_tags(call, &spec.tag_count);
    if (tags == NULL) {
        return;
    }
    spec.tags = tags;
    if (spec.tag_count > STREAM_TAGS_MAX) {
        fail_tag_count(call, spec.id);
        return;
    }
    if (!check_limits(call, &spec)) {
        return;
    }
    err e = stream_create(call->service->streams, &spec, kinesis__change_done, call);
    if (e == ERR_EXISTS) {
        kinesis__fail(call, "ResourceInUseException",
                      "Stream " STR_FMT " under account " STR_FMT " already exists.",
                      STR_ARG(spec.id.name), STR_ARG(spec.id.account));
    } else {
        kinesis__change_begun(call, e);
    }
}

void kinesis__delete_stream(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    bool is_enforced = call->args[ARG_ENFORCE].number != 0;
    err e = is_enforced ? stream_delete(call->stream, kinesis__change_done, call)
                        : stream_delete_unused(call->stream, kinesis__change_done, call);
    if (e == ERR_IN_USE) {
        struct stream_info info;
        stream_get_info(call->stream, &info);
        kinesis__fail(call, "ResourceInUseException",
                      "Stream " STR_FMT " under account " STR_FMT
                      " has enhanced fan-out consumers. Deregister them, or set "
                      "EnforceConsumerDeletion to true.",
                      STR_ARG(info.id.name), STR_ARG(info.id.account));
    } else {
        kinesis__change_begun(call, e);
    }
}

/* --- description ---------------------------------------------------------------------------- */

static void put_mode(struct buf *out, enum stream_mode mode)
{
    buf_printf(out, "\"StreamModeDetails\":{\"StreamMode\":\"%s\"}",
               mode == STREAM_ON_DEMAND ? "ON_DEMAND" : "PROVISIONED");
}

/* The members that all descriptions share, with a comma at the end. */
static void put_description(struct buf *out, const struct stream_info *info)
{
    buf_append(out, STR("\"StreamName\":"));
    kinesis__put_quoted(out, info->id.name);
    buf_append(out, STR(",\"StreamARN\":"));
    kinesis__put_arn(out, info->id);
    buf_printf(out, ",\"StreamStatus\":\"%s\",", kinesis__status_name(info->status));
    put_mode(out, info->mode);
    buf_append(out, STR(",\"StreamCreationTimestamp\":"));
    kinesis__put_time(out, info->created_ms);
    buf_append_byte(out, ',');
}

static void put_details(struct buf *out, const struct stream_info *info)
{
    put_description(out, info);
    buf_printf(out,
               "\"RetentionPeriodHours\":%d,\"EnhancedMonitoring\":[{\"ShardLevelMetrics\":[]}],"
               "\"EncryptionType\":\"NONE\",",
               info->retention_hours);
}

void kinesis__describe_stream(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    i64 limit = KINESIS_DESCRIBE_SHARDS_MAX;
    if (call->args[ARG_LIMIT].is_set) {
        limit = MIN(limit, call->args[ARG_LIMIT].number);
    }
    i32 position = 0;
    if (call->args[ARG_START_SHARD].is_set &&
        !kinesis__shard_after(call, call->args[ARG_START_SHARD].text, &position)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct buf body = {0};
    buf_append(&body, STR("{\"StreamDescription\":{"));
    put_details(&body, &info);
    buf_append(&body, STR("\"Shards\":["));
    struct stream_shard shard;
    i64 listed = 0;
    bool has_more = false;
    while (kinesis__next_shard(call->stream, &position, &shard)) {
        has_more = listed == limit;
        if (has_more) {
            break;
        }
        if (listed++ > 0) {
            buf_append_byte(&body, ',');
        }
        kinesis__put_shard(&body, &shard);
    }
    buf_printf(&body, "],\"HasMoreShards\":%s}}", has_more ? "true" : "false");
    kinesis__respond(call, &body);
}

void kinesis__describe_stream_summary(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct buf body = {0};
    buf_append(&body, STR("{\"StreamDescriptionSummary\":{"));
    put_details(&body, &info);
    buf_printf(&body, "\"OpenShardCount\":%d,\"ConsumerCount\":%d,\"MaxRecordSizeInKiB\":%d}}",
               info.open_shard_count, stream_consumer_count(call->stream),
               info.record_bytes_max / 1024);
    kinesis__respond(call, &body);
}

/* --- listing -------------------------------------------------------------------------------- */

struct listing {
    str after;
    i64 limit, count;
    bool has_more;
    struct buf names, summaries;
    isize last_bytes; /* Of the name listed last. */
};

static bool list_one(void *ctx, struct stream *stream)
{
    struct listing *listing = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    if (listing->after.len > 0 && str_cmp(info.id.name, listing->after) <= 0) {
        return true;
    }
    if (listing->count == listing->limit) {
        listing->has_more = true;
        return false;
    }
    if (listing->count > 0) {
        buf_append_byte(&listing->names, ',');
        buf_append_byte(&listing->summaries, ',');
    }
    listing->last_bytes = info.id.name.len;
    kinesis__put_quoted(&listing->names, info.id.name);
    buf_append_byte(&listing->summaries, '{');
    put_description(&listing->summaries, &info);
    listing->summaries.data[listing->summaries.len - 1] = '}';
    listing->count++;
    return true;
}

void kinesis__list_streams(struct kinesis_call *call)
{
    struct kinesis *service = call->service;
    const struct aws_caller *caller = &call->request->caller;
    struct listing listing = {
        .after = call->args[ARG_START_STREAM].text,
        .limit = call->args[ARG_LIMIT].is_set ? call->args[ARG_LIMIT].number
                                              : KINESIS_LIST_STREAMS_DEFAULT,
    };
    if (call->args[ARG_NEXT_TOKEN].is_set) {
        struct token token;
        if (!kinesis__take_next_token(call, TOKEN_STREAMS, &token)) {
            return;
        }
        listing.after = token.name;
    }
    streams_each(service->streams, caller->account, caller->region, list_one, &listing);
    /* The last name stands before the closing quote of the list of names. */
    str last = str_slice(buf_str(&listing.names), listing.names.len - 1 - listing.last_bytes,
                         listing.names.len - 1);
    struct buf body = {0};
    buf_append(&body, STR("{\"StreamNames\":["));
    buf_append(&body, buf_str(&listing.names));
    buf_append(&body, STR("],\"StreamSummaries\":["));
    buf_append(&body, buf_str(&listing.summaries));
    buf_printf(&body, "],\"HasMoreStreams\":%s", listing.has_more ? "true" : "false");
    if (listing.has_more) {
        struct token token = {
            .kind = TOKEN_STREAMS, .issued_ms = kinesis__now_ms(service), .name = last};
        buf_append(&body, STR(",\"NextToken\":\""));
        kinesis__put_token(service, &token, &body);
        buf_append_byte(&body, '"');
    }
    buf_append_byte(&body, '}');
    buf_deinit(&listing.names);
    buf_deinit(&listing.summaries);
    kinesis__respond(call, &body);
}

/* --- retention ------------------------------------------------------------------------------ */

static void set_retention(struct kinesis_call *call, bool is_increase)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    i32 hours = (i32)call->args[ARG_HOURS].number;
    bool is_wrong_way = is_increase ? hours < info.retention_hours : hours > info.retention_hours;
    if (hours < STREAM_RETENTION_MIN_H) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Minimum allowed retention period is %d hours. Requested retention period "
                      "(%d hours) is too short.",
                      STREAM_RETENTION_MIN_H, hours);
    } else if (hours > STREAM_RETENTION_MAX_H) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Maximum allowed retention period is %d hours. Requested retention period "
                      "(%d hours) is too long.",
                      STREAM_RETENTION_MAX_H, hours);
    } else if (is_wrong_way) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Requested retention period (%d hours) for stream " STR_FMT
                      " can not be %s than existing retention period (%d hours). Use "
                      "%sRetentionPeriod API.",
                      hours, STR_ARG(info.id.name), is_increase ? "shorter" : "longer",
                      info.retention_hours, is_increase ? "Decrease" : "Increase");
    } else {
        kinesis__change_begun(
            call, stream_set_retention(call->stream, hours, kinesis__change_done, call));
    }
}

void kinesis__increase_retention(struct kinesis_call *call)
{
    set_retention(call, true);
}

void kinesis__decrease_retention(struct kinesis_call *call)
{
    set_retention(call, false);
}

/* --- tags ----------------------------------------------------------------------------------- */

/* Of the stream or the consumer that the call is about. */
static void change_tags(struct kinesis_call *call, const struct stream_tag *set, isize set_count,
                        const str *unset, isize unset_count)
{
    err e = call->consumer.name.len > 0
                ? stream_consumer_set_tags(call->stream, call->consumer.name, set, set_count, unset,
                                           unset_count, kinesis__change_done, call)
                : stream_set_tags(call->stream, set, set_count, unset, unset_count,
                                  kinesis__change_done, call);
    if (e == ERR_LIMIT) {
        struct stream_info info;
        stream_get_info(call->stream, &info);
        fail_tag_count(call, info.id);
    } else {
        kinesis__change_begun(call, e);
    }
}

void kinesis__add_tags(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    isize count = 0;
    struct stream_tag *tags = kinesis__take_tags(call, &count);
    if (tags != NULL) {
        change_tags(call, tags, count, NULL, 0);
    }
}

void kinesis__remove_tags(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    const struct arg_value *arg = &call->args[ARG_TAG_KEYS];
    str *keys = ARENA_ARRAY(call->arena, str, MAX(arg->count, 1));
    for (isize i = 0; i < arg->count; i++) {
        keys[i] = arg->pairs[i].key;
    }
    change_tags(call, NULL, 0, keys, arg->count);
}

/* Writes up to `limit` tags after `start` as a JSON list; true when there are more. */
static bool put_tags(struct kinesis_call *call, str start, i64 limit, struct buf *out)
{
    struct stream_tag *tags = NULL;
    isize count = 0;
    if (call->consumer.name.len > 0) {
        stream_consumer_get_tags(call->stream, call->consumer.name, call->arena, &tags, &count);
    } else {
        stream_get_tags(call->stream, call->arena, &tags, &count);
    }
    i64 listed = 0;
    bool has_more = false;
    buf_append_byte(out, '[');
    for (isize i = 0; i < count && !has_more; i++) {
        if (start.len > 0 && str_cmp(tags[i].key, start) <= 0) {
            continue;
        }
        has_more = listed == limit;
        if (has_more) {
            break;
        }
        buf_append(out, listed > 0 ? STR(",{\"Key\":") : STR("{\"Key\":"));
        kinesis__put_quoted(out, tags[i].key);
        buf_append(out, STR(",\"Value\":"));
        kinesis__put_quoted(out, tags[i].value);
        buf_append_byte(out, '}');
        listed++;
    }
    buf_append_byte(out, ']');
    return has_more;
}

void kinesis__list_tags(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct buf body = {0};
    const struct arg_value *limit = &call->args[ARG_LIMIT];
    buf_append(&body, STR("{\"Tags\":"));
    bool has_more = put_tags(call, call->args[ARG_START_TAG].text,
                             limit->is_set ? limit->number : STREAM_TAGS_MAX, &body);
    buf_printf(&body, ",\"HasMoreTags\":%s}", has_more ? "true" : "false");
    kinesis__respond(call, &body);
}

void kinesis__list_resource_tags(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    struct buf body = {0};
    buf_append(&body, STR("{\"Tags\":"));
    (void)put_tags(call, STR_EMPTY, STREAM_TAGS_MAX, &body);
    buf_append_byte(&body, '}');
    kinesis__respond(call, &body);
}
