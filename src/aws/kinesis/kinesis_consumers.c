/* aws/kinesis/kinesis_consumers.c: consumers of enhanced fan-out: registration, description, lists.
 * What they read is sent by kinesis_subscribe.c. */
#include "aws/kinesis/kinesis_int.h"

/* The members that all descriptions share. */
static void put_consumer(struct kinesis_call *call, struct stream_id id,
                         const struct stream_consumer *consumer, const char *status)
{
    struct answer *out = &call->out;
    answer_put_text(out, "ConsumerName", consumer->name);
    answer_put_text(out, "ConsumerARN", kinesis__consumer_arn(call->arena, id, consumer));
    answer_put_text(out, "ConsumerStatus", str_of(status));
    answer_put_time(out, "ConsumerCreationTimestamp", consumer->created_ms);
}

static const char *status_of(const struct kinesis_call *call,
                             const struct stream_consumer *consumer)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    return info.is_deleted                                     ? "DELETING"
           : kinesis__is_consumer_new(call->service, consumer) ? "CREATING"
                                                               : "ACTIVE";
}

/* --- registration ---------------------------------------------------------------------------- */

static void finish_registration(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    (void)x;
    if (call->result != OK) {
        kinesis__fail_commit(call, call->result);
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open(out, "Consumer");
    put_consumer(call, info.id, &call->consumer, "CREATING");
    answer_close(out);
    answer_close(out);
    kinesis__respond(call);
}

static void registered(void *ctx, err e)
{
    struct kinesis_call *call = ctx;
    call->result = e;
    http_post(call->x, finish_registration, call);
}

static i32 consumers_max(const struct kinesis_call *call)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    return info.mode == STREAM_ON_DEMAND && kinesis__has_advantage(call)
               ? KINESIS_CONSUMERS_WARM_MAX
               : KINESIS_CONSUMERS_MAX;
}

static void fail_registration(struct kinesis_call *call, err e, str name)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    if (e == ERR_EXISTS) {
        kinesis__fail(call, "ResourceInUseException",
                      "Consumer " STR_FMT " of stream " STR_FMT " under account " STR_FMT
                      " already exists.",
                      STR_ARG(name), STR_ARG(info.id.name), STR_ARG(info.id.account));
    } else if (e == ERR_LIMIT) {
        kinesis__fail(call, "LimitExceededException",
                      "This request would exceed the limit of %d consumers of stream " STR_FMT
                      " under account " STR_FMT ".",
                      consumers_max(call), STR_ARG(info.id.name), STR_ARG(info.id.account));
    } else if (e == ERR_AGAIN) {
        kinesis__fail(call, "LimitExceededException",
                      "Stream " STR_FMT " under account " STR_FMT
                      " has %d consumers in CREATING status already.",
                      STR_ARG(info.id.name), STR_ARG(info.id.account),
                      KINESIS_CONSUMERS_CREATING_MAX);
    } else {
        kinesis__change_begun(call, e);
    }
}

void kinesis__register_consumer(struct kinesis_call *call)
{
    struct stream_consumer_spec spec = {
        .name = call->args[ARG_CONSUMER_NAME].text,
        .creating_max = KINESIS_CONSUMERS_CREATING_MAX,
        .creating_since_ms = kinesis__creating_since_ms(call->service),
    };
    struct stream_consumer gone;
    if (!kinesis__find_stream(call)) {
        return;
    }
    if (kinesis__deleting_consumer(call, spec.name, &gone)) {
        kinesis__fail_consumer_status(call, &gone);
        return;
    }
    spec.consumers_max = consumers_max(call);
    spec.tags = kinesis__take_tags(call, &spec.tag_count);
    if (spec.tags == NULL) {
        return;
    }
    if (spec.tag_count > STREAM_TAGS_MAX) {
        kinesis__fail(call, "InvalidArgumentException",
                      "A consumer cannot have more than %d tags associated with it.",
                      STREAM_TAGS_MAX);
        return;
    }
    /* What `registered` answers with is there before it can be called: it comes by this loop. */
    call->consumer.name = spec.name;
    err e =
        stream_consumer_register(call->stream, &spec, &call->consumer.created_ms, registered, call);
    if (e != OK) {
        call->consumer = (struct stream_consumer){0};
        fail_registration(call, e, spec.name);
    }
}

void kinesis__deregister_consumer(struct kinesis_call *call)
{
    if (kinesis__find_consumer(call)) {
        kinesis__change_begun(call, stream_consumer_deregister(call->stream, call->consumer.name,
                                                               kinesis__change_done, call));
    }
}

/* --- description ----------------------------------------------------------------------------- */

void kinesis__describe_consumer(struct kinesis_call *call)
{
    if (!kinesis__find_consumer(call)) {
        return;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open(out, "ConsumerDescription");
    put_consumer(call, info.id, &call->consumer,
                 call->is_consumer_deleting ? "DELETING" : status_of(call, &call->consumer));
    answer_put_text(out, "StreamARN", kinesis__arn(call->arena, info.id));
    answer_close(out);
    answer_close(out);
    kinesis__respond(call);
}

/* Answers and returns false when the request does not fit the stream. */
static bool begin_listing(struct kinesis_call *call, str *after_out)
{
    if (!kinesis__find_stream(call)) {
        return false;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    const struct arg_value *created = &call->args[ARG_CREATED];
    bool is_first = !call->args[ARG_NEXT_TOKEN].is_set;
    if (is_first && created->is_set && created->number / 1000 != info.created_ms / 1000) {
        kinesis__fail_no_stream(call, info.id);
        return false;
    }
    if (is_first) {
        return true;
    }
    struct token token;
    if (!kinesis__take_next_token(call, TOKEN_CONSUMERS, &token)) {
        return false;
    }
    if (token.stream != info.number) {
        kinesis__fail(call, "InvalidArgumentException",
                      "This NextToken is of another stream than StreamARN.");
        return false;
    }
    *after_out = token.name;
    return true;
}

/* The next one to list: of those that there are, from *at on, and those that are DELETING. */
static bool next_consumer(struct kinesis_call *call, const struct stream_consumer *consumers,
                          isize count, isize *at, str after, struct stream_consumer *out,
                          const char **status_out)
{
    while (*at < count && after.len > 0 && str_cmp(consumers[*at].name, after) <= 0) {
        (*at)++;
    }
    bool is_gone = kinesis__deleting_consumer_after(call, after, out) &&
                   (*at == count || str_cmp(out->name, consumers[*at].name) < 0);
    *status_out = "DELETING";
    if (is_gone || *at == count) {
        return is_gone;
    }
    *out = consumers[*at];
    *status_out = status_of(call, out);
    return true;
}

void kinesis__list_consumers(struct kinesis_call *call)
{
    str after = STR_EMPTY;
    if (!begin_listing(call, &after)) {
        return;
    }
    i64 limit = kinesis__page_limit(call, KINESIS_LIST_CONSUMERS_MAX);
    struct stream_info info;
    stream_get_info(call->stream, &info);
    struct stream_consumer *consumers = NULL;
    struct stream_consumer next;
    const char *status;
    isize count = 0;
    isize at = 0;
    stream_consumer_list(call->stream, call->arena, &consumers, &count);
    struct answer *out = &call->out;
    answer_open(out, NULL);
    answer_open_list(out, "Consumers");
    bool has_more = next_consumer(call, consumers, count, &at, after, &next, &status);
    for (i64 i = 0; has_more && i < limit; i++) {
        answer_open(out, NULL);
        put_consumer(call, info.id, &next, status);
        answer_close(out);
        after = next.name;
        has_more = next_consumer(call, consumers, count, &at, after, &next, &status);
    }
    answer_close_list(out);
    if (has_more) {
        struct token token = {
            .kind = TOKEN_CONSUMERS,
            .stream = info.number,
            .issued_ms = kinesis__now_ms(call->service),
            .name = after,
        };
        answer_put_text(out, "NextToken", kinesis__token(call->service, call->arena, &token));
    }
    answer_close(out);
    kinesis__respond(call);
}
