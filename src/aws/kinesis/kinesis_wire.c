/* aws/kinesis/kinesis_wire.c: answers and errors as AWS makes them. */
#include "aws/common/names.h"
#include "aws/kinesis/kinesis_int.h"
#include "base/hash.h"
#include "base/rng.h"
#include "codec/base64.h"

#include <stdarg.h>
#include <stdio.h>

enum { EXTENDED_ID_BYTES = 72, EXTENDED_ID_CHARACTERS = 96 };

str kinesis__content_type(const struct kinesis_call *call)
{
    return call->out.is_cbor ? STR("application/x-amz-cbor-1.1")
                             : STR("application/x-amz-json-1.1");
}

/* The headers of every answer. */
struct head {
    struct http_field fields[6];
    isize count;
    u8 extended[EXTENDED_ID_CHARACTERS]; /* What x-amz-id-2 says. */
};

static void head_add(struct head *head, str name, str value)
{
    CHECK(head->count < COUNT_OF(head->fields));
    head->fields[head->count++] = (struct http_field){name, value};
}

static void head_init(struct head *head, const struct kinesis_call *call, str content_type)
{
    struct rng rng;
    str request_id = call->request->request_id;
    rng_init(&rng, hash64(request_id.data, request_id.len, 0));
    u8 noise[EXTENDED_ID_BYTES];
    for (isize i = 0; i < (isize)sizeof noise; i += (isize)sizeof(u64)) {
        put_u64(noise + i, rng_next(&rng));
    }
    base64_encode(str_from(noise, EXTENDED_ID_BYTES), head->extended);
    head->count = 0;
    head_add(head, STR("x-amzn-RequestId"), request_id);
    head_add(head, STR("x-amz-id-2"), str_from(head->extended, EXTENDED_ID_CHARACTERS));
    if (content_type.len > 0) {
        head_add(head, STR("Content-Type"), content_type);
    }
    if (call->request->is_cors) {
        head_add(head, STR("Access-Control-Allow-Origin"), STR("*"));
        head_add(head, STR("Access-Control-Expose-Headers"), STR(AWS_EXPOSED_HEADERS));
    }
}

void kinesis__let_go(struct kinesis_call *call)
{
    stream_unref(call->stream);
    call->stream = NULL;
    log_batch_give(streams_log(call->service->streams), call->batch);
    call->batch = NULL;
}

/* `type` is that of an error or NULL. Ends the call. */
static void answer(struct kinesis_call *call, int status, const char *type)
{
    struct head head;
    head_init(&head, call, kinesis__content_type(call));
    if (type != NULL) {
        head_add(&head, STR("x-amzn-ErrorType"), str_of(type));
    }
    kinesis__let_go(call);
    struct buf body = call->out.buf;
    call->out.buf = (struct buf){0};
    CHECK(!body.failed);
    http_respond_buf(call->x, status, head.fields, head.count, &body);
    buf_deinit(&body);
}

void kinesis__refuse_xml(struct kinesis_call *call, int status, str text)
{
    struct head head;
    head_init(&head, call, STR_EMPTY);
    kinesis__let_go(call);
    http_respond(call->x, status, head.fields, head.count, text);
}

void kinesis__respond(struct kinesis_call *call)
{
    answer(call, 200, NULL);
}

void kinesis__respond_void(struct kinesis_call *call)
{
    answer_deinit(&call->out);
    answer(call, 200, NULL);
}

void kinesis__respond_pieces(struct kinesis_call *call, const struct http_pieces *pieces)
{
    struct head head;
    head_init(&head, call, kinesis__content_type(call));
    http_respond_pieces(call->x, 200, head.fields, head.count, pieces);
}

void kinesis__respond_events(struct kinesis_call *call)
{
    struct head head;
    head_init(&head, call, STR("application/vnd.amazon.eventstream"));
    http_respond_start(call->x, 200, head.fields, head.count, -1);
}

/* Drops what stands in call->out. */
static void answer_error(struct kinesis_call *call, int status, const char *type,
                         const char *member, str text)
{
    struct answer *out = &call->out;
    answer_deinit(out);
    answer_open(out, NULL);
    answer_put_text(out, "__type", str_of(type));
    if (text.len > 0) {
        answer_put_text(out, member, text);
    }
    answer_close(out);
    answer(call, status, type);
}

static void fail_text(struct kinesis_call *call, int status, const char *type, str message)
{
    while (message.len > 0 && !str_is_utf8(message)) {
        message.len--; /* It was cut within a character. */
    }
    answer_error(call, status, type, "message", message);
}

static void fail(struct kinesis_call *call, int status, const char *type, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void fail(struct kinesis_call *call, int status, const char *type, const char *format,
                 va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    CHECK(length >= 0);
    char *text = mem_alloc(length + 1);
    CHECK(vsnprintf(text, (size_t)length + 1, format, again) == length);
    va_end(again);
    fail_text(call, status, type, str_from(text, length));
    mem_free(text);
}

void kinesis__fail(struct kinesis_call *call, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(call, 400, type, format, args);
    va_end(args);
}

void kinesis__fail_status(struct kinesis_call *call, int status, const char *type,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(call, status, type, format, args);
    va_end(args);
}

void kinesis__fail_text(struct kinesis_call *call, const char *type, str message)
{
    fail_text(call, 400, type, message);
}

void kinesis__fail_form(struct kinesis_call *call, const char *message)
{
    answer_error(call, 400, "SerializationException", "Message", str_of(message));
}

void kinesis__fail_commit(struct kinesis_call *call, err e)
{
    kinesis__fail_status(call, 500, "InternalFailure", "the log did not take this: %s",
                         err_text(e));
}

/* --- changes -------------------------------------------------------------------------------- */

static void finish_change(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    (void)x;
    if (call->result == OK) {
        kinesis__note_change(call);
        kinesis__respond_void(call);
    } else {
        kinesis__fail_commit(call, call->result);
    }
}

void kinesis__change_done(void *ctx, err e)
{
    struct kinesis_call *call = ctx;
    call->result = e;
    http_post(call->x, finish_change, call);
}

static void finish_answer(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    (void)x;
    if (call->result == OK) {
        kinesis__note_change(call);
        kinesis__respond(call);
    } else {
        kinesis__fail_commit(call, call->result);
    }
}

void kinesis__answer_done(void *ctx, err e)
{
    struct kinesis_call *call = ctx;
    call->result = e;
    http_post(call->x, finish_answer, call);
}

void kinesis__change_begun(struct kinesis_call *call, err e)
{
    if (e == ERR_NOT_FOUND) {
        struct stream_info info;
        stream_get_info(call->stream, &info);
        if (call->consumer.name.len > 0 && !info.is_deleted) {
            kinesis__fail_no_consumer(call, call->consumer.name);
        } else {
            kinesis__fail_no_stream(call, info.id);
        }
    } else if (e == ERR_IN_USE) {
        kinesis__fail_state(call, STREAM_UPDATING);
    } else if (e != OK) {
        kinesis__fail_commit(call, e);
    }
}

/* --- names ---------------------------------------------------------------------------------- */

str kinesis__arn(struct arena *arena, struct stream_id id)
{
    return arena_printf(arena, "arn:%s:kinesis:" STR_FMT ":" STR_FMT ":stream/" STR_FMT,
                        aws_partition(id.region), STR_ARG(id.region), STR_ARG(id.account),
                        STR_ARG(id.name));
}

str kinesis__consumer_arn(struct arena *arena, struct stream_id id,
                          const struct stream_consumer *consumer)
{
    return arena_printf(arena, STR_FMT "/consumer/" STR_FMT ":%lld",
                        STR_ARG(kinesis__arn(arena, id)), STR_ARG(consumer->name),
                        (long long)(consumer->created_ms / 1000));
}

const char *kinesis__status_name(enum stream_status status)
{
    switch (status) {
    case STREAM_CREATING:
        return "CREATING";
    case STREAM_ACTIVE:
        return "ACTIVE";
    case STREAM_UPDATING:
        return "UPDATING";
    case STREAM_DELETING:
        return "DELETING";
    }
    return "ACTIVE";
}
