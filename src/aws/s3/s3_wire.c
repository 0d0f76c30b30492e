/* aws/s3/s3_wire.c: how answers and errors look. */
#include "aws/common/query.h"
#include "aws/s3/s3_int.h"
#include "base/trace.h"

#include <stdarg.h>
#include <stdio.h>

struct error_entry {
    const char *code, *message;
    int status;
};

static const struct error_entry errors[] = {
#define S3_ERROR(code, status, message) [S3_##code] = {#code, message, status},
#include "aws/s3/s3_errors.def"
#undef S3_ERROR
};

void s3__field(struct s3_call *call, const char *name, str value)
{
    CHECK(call->field_count < S3_FIELDS_MAX);
    call->fields[call->field_count++] = (struct http_field){str_of(name), value};
}

void s3__field_etag(struct s3_call *call, str etag)
{
    s3__field(call, "ETag", arena_printf(call->arena, "\"" STR_FMT "\"", STR_ARG(etag)));
}

void s3__field_checksum(struct s3_call *call, enum s3_algorithm algorithm, str checksum, str type)
{
    if (algorithm != S3_NONE && checksum.len > 0) {
        str header = s3_algorithm_header(algorithm);
        s3__field(call, arena_cstr(call->arena, header), checksum);
        if (type.len > 0) {
            s3__field(call, "x-amz-checksum-type", type);
        }
    }
}

/* What every answer carries: an object opened in a browser must not act as a page of this host. */
static void common_fields(struct s3_call *call)
{
    s3__field(call, "x-amz-request-id", call->request->request_id);
    s3__field(call, "x-amz-id-2", call->request->request_id);
    s3__field(call, "Content-Security-Policy", STR("sandbox"));
    s3__field(call, "X-Content-Type-Options", STR("nosniff"));
    CHECK(!call->is_answered);
    call->is_answered = true;
}

void s3__answer(struct s3_call *call, int status, struct buf *body)
{
    common_fields(call);
    if (body->len > 0) {
        s3__field(call, "Content-Type", STR("application/xml"));
    }
    http_respond_buf(call->x, status, call->fields, call->field_count, body);
    buf_deinit(body);
}

void s3__answer_empty(struct s3_call *call, int status)
{
    common_fields(call);
    http_respond(call->x, status, call->fields, call->field_count, STR_EMPTY);
}

void s3__answer_start(struct s3_call *call, int status, u64 bytes)
{
    common_fields(call);
    http_respond_start(call->x, status, call->fields, call->field_count, (i64)bytes);
}

bool s3__fail(struct s3_call *call, enum s3_error error, const char *format, ...)
{
    const struct error_entry *entry = &errors[error];
    char message[512];
    if (format == NULL) {
        (void)snprintf(message, sizeof message, "%s", entry->message);
    } else {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(message, sizeof message, format, args);
        va_end(args);
    }
    struct buf out = {0};
    buf_append(&out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>"));
    s3_xml_put(&out, "Code", str_of(entry->code));
    s3_xml_put(&out, "Message", str_of(message));
    if (call->bucket_name.len > 0) {
        s3_xml_put(&out, "BucketName", call->bucket_name);
    }
    if (call->key.len > 0) {
        s3_xml_put(&out, "Key", call->key);
    }
    s3_xml_put(&out, "Resource", http_path(call->x));
    s3_xml_put(&out, "RequestId", call->request->request_id);
    s3_xml_put(&out, "HostId", call->request->request_id);
    s3_xml_close(&out, "Error");
    s3__answer(call, entry->status, &out);
    return false;
}

bool s3__fail_err(struct s3_call *call, err e)
{
    if (e == ERR_FULL) {
        return s3__fail(call, S3_InsufficientStorage, NULL);
    }
    trace(TRACE_ERROR, "s3", "a request failed", T_STR("error", str_of(err_text(e))));
    return s3__fail(call, S3_InternalError, "%s",
                    e == ERR_CORRUPT
                        ? "The object is damaged on the server's disk: a checksum does not match."
                        : err_text(e));
}
