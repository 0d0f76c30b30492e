/* aws/kinesis/kinesis_streams.c: creation, deletion, description, retention of streams. */
#include "aws/kinesis/kinesis_int.h"

/* --- what an account has -------------------------------------------------------------------- */

struct usage {
    struct kinesis *service;
    i64 open_shards;
    i64 on_demand;
    i64 creating;
};

static bool add_usage(void *ctx, struct stream *stream)
{
    struct usage *usage = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    usage->creating += kinesis__status(usage->service, &info) == STREAM_CREATING;
    usage->open_shards += info.open_shard_count;
    usage->on_demand += info.mode == STREAM_ON_DEMAND ? 1 : 0;
    return true;
}

static struct usage account_usage(const struct kinesis_call *call)
{
    struct usage usage = {.service = call->service};
    const struct aws_caller *caller = &call->request->caller;
    streams_each(call->service->streams, caller->account, caller->region, add_usage, &usage);
    return usage;
}

void kinesis__describe_limits(struct kinesis_call *call)
{
    struct usage usage = account_usage(call);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_put_i64(out, "ShardLimit", KINESIS_ACCOUNT_SHARDS_MAX);
    answer_put_i64(out, "OpenShardCount", usage.open_shards);
    answer_put_i64(out, "OnDemandStreamCount", usage.on_demand);
    answer_put_i64(out, "OnDemandStreamCountLimit", KINESIS_ACCOUNT_ON_DEMAND_MAX);
    answer_close(out);
    kinesis__respond(call);
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
    if (usage.creating >= KINESIS_STREAMS_CREATING_MAX) {
        kinesis__fail(call, "LimitExceededException",
                      "This request would exceed the limit of %d streams in CREATING status for "
                      "the account " STR_FMT " in " STR_FMT ".",
                      KINESIS_STREAMS_CREATING_MAX, STR_ARG(spec->id.account),
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
    if (!kinesis__check_warm(call, is_on_demand)) {
        return false;
    }
    spec->warm_mibps = (i32)call->args[ARG_WARM_THROUGHPUT].number;
    spec->shard_count =
        shards->is_set ? (i32)shards->number : MAX(spec->warm_mibps, STREAM_ON_DEMAND_SHARDS);
    return true;
}

/* What AWS allows in tags: letters and digits of any script, spaces, and these signs. */
static bool is_tag_text(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 128;
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && memchr("_./=+-%@: ", c, 10) == NULL) {
            return false;
        }
    }
    return true;
}

static void fail_tag_text(struct kinesis_call *call)
{
    kinesis__fail(call, "InvalidArgumentException",
                  "Some tags contain invalid characters. Valid characters: Unicode letters, "
                  "digits, white space, _ . / = + - %% @.");
}

struct stream_tag *kinesis__take_tags(struct kinesis_call *call, isize *count_out)
{
    const struct arg_value *arg = &call->args[ARG_TAGS];
    struct stream_tag *tags = ARENA_ARRAY(call->arena, struct stream_tag, MAX(arg->count, 1));
    for (isize i = 0; i < arg->count; i++) {
        tags[i] = (struct stream_tag){arg->pairs[i].key, arg->pairs[i].value};
        if (!is_tag_text(tags[i].key) || !is_tag_text(tags[i].value)) {
            fail_tag_text(call);
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
    call->stream = kinesis__deleting(call->service, spec.id);
    if (call->stream != NULL) {
        kinesis__fail_state(call, STREAM_DELETING);
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
        kinesis__fail(
            call, "ResourceInUseException",
            "DeleteStream can't delete " STR_FMT ":" STR_FMT
            " because there are consumers associated with this data stream. To delete " STR_FMT
            " anyway, set the EnforceConsumerDeletion parameter to true to force "
            "the deletion of all the consumers that are associated with it.",
            STR_ARG(info.id.account), STR_ARG(info.id.name), STR_ARG(info.id.name));
    } else {
        kinesis__change_begun(call, e);
    }
}

/* --- description ---------------------------------------------------------------------------- */

/* The members that all descriptions share. */
static void put_description(struct kinesis_call *call, struct answer *out,
                            const struct stream_info *info)
{
    answer_put_text(out, "StreamName", info->id.name);
    answer_put_text(out, "StreamARN", kinesis__arn(call->arena, info->id));
    enum stream_status status = kinesis__status(call->service, info);
    answer_put_text(out, "StreamStatus", str_of(kinesis__status_name(status)));
    answer_open(out, "StreamModeDetails");
    answer_put_text(out, "StreamMode",
                    info->mode == STREAM_ON_DEMAND ? STR("ON_DEMAND") : STR("PROVISIONED"));
    answer_close(out);
    answer_put_time(out, "StreamCreationTimestamp", info->created_ms);
}

static void put_details(struct kinesis_call *call, const struct stream_info *info)
{
    put_description(call, &call->out, info);
    answer_put_i64(&call->out, "RetentionPeriodHours", info->retention_hours);
    kinesis__put_settings(call, info);
}

void kinesis__describe_stream(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    i64 limit = kinesis__page_limit(call, KINESIS_DESCRIBE_SHARDS_MAX);
    i32 position = 0;
    if (call->args[ARG_START_SHARD].is_set &&
        !kinesis__shard_after(call, call->args[ARG_START_SHARD].text, &position)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open(out, "StreamDescription");
    put_details(call, &info);
    answer_open_list(out, "Shards");
    struct stream_shard shard;
    i64 listed = 0;
    bool has_more = false;
    /* As AWS: it shows none while it makes them. */
    bool is_creating = kinesis__status(call->service, &info) == STREAM_CREATING;
    while (!is_creating && kinesis__next_shard(call->stream, &position, &shard)) {
        has_more = listed == limit;
        if (has_more) {
            break;
        }
        listed++;
        kinesis__put_shard(out, &shard);
    }
    answer_close_list(out);
    answer_put_bool(out, "HasMoreShards", has_more);
    answer_close(out);
    answer_close(out);
    kinesis__respond(call);
}

void kinesis__describe_stream_summary(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open(out, "StreamDescriptionSummary");
    put_details(call, &info);
    bool is_creating = kinesis__status(call->service, &info) == STREAM_CREATING;
    answer_put_i64(out, "OpenShardCount", is_creating ? 0 : info.open_shard_count);
    answer_put_i64(out, "ConsumerCount", stream_consumer_count(call->stream));
    answer_put_i64(out, "MaxRecordSizeInKiB", info.record_bytes_max / 1024);
    kinesis__put_warm(call, &info);
    answer_close(out);
    answer_close(out);
    kinesis__respond(call);
}

/* --- listing -------------------------------------------------------------------------------- */

struct listing {
    struct kinesis_call *call;
    str after; /* In the end the name listed last. */
    i64 limit, count;
    bool has_more;
    struct answer summaries; /* Written beside the names, which stand first. */
};

static bool put_listed(struct listing *listing, const struct stream_info *info)
{
    if (listing->count == listing->limit) {
        listing->has_more = true;
        return false;
    }
    struct kinesis_call *call = listing->call;
    listing->after = arena_copy(call->arena, info->id.name);
    answer_put_text(&call->out, NULL, info->id.name);
    answer_open(&listing->summaries, NULL);
    put_description(call, &listing->summaries, info);
    answer_close(&listing->summaries);
    listing->count++;
    return true;
}

/* Those that are DELETING are in no catalog: they come in their places, up to `before`, which is
 * empty for all. */
static bool list_deleting(struct listing *listing, str before)
{
    const struct aws_caller *caller = &listing->call->request->caller;
    bool has_room = true;
    while (has_room) {
        struct stream_id after = {caller->account, caller->region, listing->after};
        struct stream *stream = kinesis__deleting_after(listing->call->service, after);
        if (stream == NULL) {
            break;
        }
        struct stream_info info;
        stream_get_info(stream, &info);
        bool is_due = before.len == 0 || str_cmp(info.id.name, before) < 0;
        has_room = is_due && put_listed(listing, &info);
        stream_unref(stream);
        if (!is_due) {
            return true;
        }
    }
    return has_room;
}

static bool list_one(void *ctx, struct stream *stream)
{
    struct listing *listing = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    if (listing->after.len > 0 && str_cmp(info.id.name, listing->after) <= 0) {
        return true;
    }
    return list_deleting(listing, info.id.name) && put_listed(listing, &info);
}

void kinesis__list_streams(struct kinesis_call *call)
{
    struct kinesis *service = call->service;
    const struct aws_caller *caller = &call->request->caller;
    struct listing listing = {
        .call = call,
        .summaries = {.is_cbor = call->out.is_cbor},
        .after = call->args[ARG_START_STREAM].text,
        .limit = kinesis__page_limit(call, KINESIS_LIST_STREAMS_MAX),
    };
    if (call->args[ARG_NEXT_TOKEN].is_set) {
        struct token token;
        if (!kinesis__take_next_token(call, TOKEN_STREAMS, &token)) {
            return;
        }
        listing.after = token.name;
    }
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open_list(out, "StreamNames");
    streams_each(service->streams, caller->account, caller->region, list_one, &listing);
    if (!listing.has_more) {
        (void)list_deleting(&listing, STR_EMPTY);
    }
    answer_close_list(out);
    answer_open_list(out, "StreamSummaries");
    buf_append(&out->buf, buf_str(&listing.summaries.buf));
    answer_close_list(out);
    answer_deinit(&listing.summaries);
    answer_put_bool(out, "HasMoreStreams", listing.has_more);
    if (listing.has_more) {
        struct token token = {
            .kind = TOKEN_STREAMS,
            .issued_ms = kinesis__now_ms(service),
            .name = listing.after,
        };
        answer_put_text(out, "NextToken", kinesis__token(service, call->arena, &token));
    }
    answer_close(out);
    kinesis__respond(call);
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
        if (!is_tag_text(keys[i])) {
            fail_tag_text(call);
            return;
        }
    }
    change_tags(call, NULL, 0, keys, arg->count);
}

/* Writes up to `limit` tags after `start` as "Tags"; true when there are more. */
static bool put_tags(struct kinesis_call *call, str start, i64 limit)
{
    struct stream_tag *tags = NULL;
    isize count = 0;
    if (call->consumer.name.len > 0) {
        stream_consumer_get_tags(call->stream, call->consumer.name, call->arena, &tags, &count);
    } else {
        stream_get_tags(call->stream, call->arena, &tags, &count);
    }
    struct answer *out = &call->out;
    i64 listed = 0;
    bool has_more = false;
    answer_open_list(out, "Tags");
    for (isize i = 0; i < count && !has_more; i++) {
        if (start.len > 0 && str_cmp(tags[i].key, start) <= 0) {
            continue;
        }
        has_more = listed == limit;
        if (has_more) {
            break;
        }
        answer_open(out, NULL);
        answer_put_text(out, "Key", tags[i].key);
        answer_put_text(out, "Value", tags[i].value);
        answer_close(out);
        listed++;
    }
    answer_close_list(out);
    return has_more;
}

void kinesis__list_tags(struct kinesis_call *call)
{
    if (!kinesis__find_stream(call)) {
        return;
    }
    answer_open(&call->out, NULL);
    bool has_more =
        put_tags(call, call->args[ARG_START_TAG].text, kinesis__page_limit(call, STREAM_TAGS_MAX));
    answer_put_bool(&call->out, "HasMoreTags", has_more);
    answer_close(&call->out);
    kinesis__respond(call);
}

void kinesis__list_resource_tags(struct kinesis_call *call)
{
    if (!kinesis__find_resource(call)) {
        return;
    }
    answer_open(&call->out, NULL);
    (void)put_tags(call, STR_EMPTY, STREAM_TAGS_MAX);
    answer_close(&call->out);
    kinesis__respond(call);
}
