/* aws/kinesis/kinesis_wire.c: answers and errors in AWS's JSON 1.1. */
#include "aws/kinesis/kinesis_int.h"
#include "base/hash.h"
#include "base/rng.h"
#include "codec/base64.h"

#include <stdarg.h>
#include <stdio.h>

enum { EXTENDED_ID_BYTES = 54 }; /* 72 characters of base64. */

/* The headers of every answer; `type` is that of an error or NULL. Ends the call. */
static void answer(struct kinesis_call *call, int status, const char *type, struct buf *body)
{
    struct rng rng;
    str request_id = call->request->request_id;
    rng_init(&rng, hash64(request_id.data, request_id.len, 0));
    u8 noise[EXTENDED_ID_BYTES + 2];
    for (isize i = 0; i < (isize)sizeof noise; i += (isize)sizeof(u64)) {
        put_u64(noise + i, rng_next(&rng));
    }
    struct buf extended = {0};
    base64_append(&extended, str_from(noise, EXTENDED_ID_BYTES));
    struct http_field fields[4] = {
        {STR("x-amzn-RequestId"), request_id},
        {STR("x-amz-id-2"), buf_str(&extended)},
        {STR("Content-Type"), STR("application/x-amz-json-1.1")},
        {STR("x-amzn-ErrorType"), str_of(type)},
    };
    stream_unref(call->stream);
    call->stream = NULL;
    log_batch_free(call->batch);
    call->batch = NULL;
    http_respond_buf(call->x, status, fields, type == NULL ? 3 : 4, body);
    buf_deinit(&extended);
}

void kinesis__respond(struct kinesis_call *call, struct buf *body)
{
    CHECK(!body->failed);
    answer(call, 200, NULL, body);
    buf_deinit(body);
}

void kinesis__respond_void(struct kinesis_call *call)
{
    struct buf body = {0};
    answer(call, 200, NULL, &body);
}

static void put_error(struct buf *body, const char *type, const char *member, str text)
{
    buf_append(body, STR("{\"__type\":"));
    kinesis__put_quoted(body, str_of(type));
    if (text.len > 0) {
        buf_printf(body, ",\"%s\":", member);
        kinesis__put_quoted(body, text);
    }
    buf_append_byte(body, '}');
}

static void fail(struct kinesis_call *call, int status, const char *type, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void fail(struct kinesis_call *call, int status, const char *type, const char *format,
                 va_list args)
{
    char text[4096];
    int length = vsnprintf(text, sizeof text, format, args);
    CHECK(length >= 0);
    struct buf body = {0};
    put_error(&body, type, "message", str_from(text, MIN(length, (int)sizeof text - 1)));
    answer(call, status, type, &body);
    buf_deinit(&body);
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

void kinesis__fail_form(struct kinesis_call *call, const char *message)
{
    struct buf body = {0};
    put_error(&body, "SerializationException", "Message", str_of(message));
    answer(call, 400, "SerializationException", &body);
    buf_deinit(&body);
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
    } else if (e != OK) {
        kinesis__fail_commit(call, e);
    }
}

/* --- pieces of JSON ------------------------------------------------------------------------- */

void kinesis__put_quoted(struct buf *out, str text)
{
    buf_append_byte(out, '"');
    isize start = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (LIKELY(c >= ' ' && c != '"' && c != '\\')) {
            continue;
        }
        buf_append(out, str_slice(text, start, i));
        start = i + 1;
        if (c < ' ') {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_append_byte(out, '\\');
            buf_append_byte(out, c);
        }
    }
    buf_append(out, str_slice(text, start, text.len));
    buf_append_byte(out, '"');
}

void kinesis__put_time(struct buf *out, i64 ms)
{
    buf_append_i64(out, ms / 1000);
    char digits[4] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                      (char)('0' + ms % 10)};
    buf_append_bytes(out, digits, sizeof digits);
}

/* Without quotes. */
static void put_arn(struct buf *out, struct stream_id id)
{
    const char *partition = "aws";
    if (str_starts(id.region, STR("cn-"))) {
        partition = "aws-cn";
    } else if (str_starts(id.region, STR("us-gov-"))) {
        partition = "aws-us-gov";
    }
    buf_printf(out, "arn:%s:kinesis:" STR_FMT ":" STR_FMT ":stream/" STR_FMT, partition,
               STR_ARG(id.region), STR_ARG(id.account), STR_ARG(id.name));
}

void kinesis__put_arn(struct buf *out, struct stream_id id)
{
    buf_append_byte(out, '"');
    put_arn(out, id);
    buf_append_byte(out, '"');
}

void kinesis__put_consumer_arn(struct buf *out, struct stream_id id,
                               const struct stream_consumer *consumer)
{
    buf_append_byte(out, '"');
    put_arn(out, id);
    buf_printf(out, "/consumer/" STR_FMT ":%lld\"", STR_ARG(consumer->name),
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
