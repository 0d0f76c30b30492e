/* aws/common/query.c: one call: body, operation, answer. */
#include "aws/common/query.h"

#include "base/cal.h"
#include "codec/compress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* --- answer -------------------------------------------------------------------------------- */

void query_write_xml(struct buf *out, str text)
{
    isize start = 0;
    for (isize i = 0; i < text.len; i++) {
        const char *instead = NULL;
        u8 c = text.data[i];
        switch (c) {
        case '&':
            instead = "&amp;";
            break;
        case '<':
            instead = "&lt;";
            break;
        case '>':
            instead = "&gt;";
            break;
        case '"':
            instead = "&quot;";
            break;
        case '\'':
            instead = "&#39;";
            break;
        case '\r':
            instead = "&#13;";
            break;
        default:
            instead = c < 32 && c != '\t' && c != '\n' ? "\xef\xbf\xbd" : NULL;
            break;
        }
        if (instead != NULL) {
            buf_append(out, str_slice(text, start, i));
            buf_append(out, str_of(instead));
            start = i + 1;
        }
    }
    buf_append(out, str_slice(text, start, text.len));
}

static void begin(struct query_call *call, const char *name)
{
    if (!call->is_json) {
        buf_printf(&call->out, "<%s>", name == NULL ? "member" : name);
        return;
    }
    if (call->needs_comma) {
        buf_append_byte(&call->out, ',');
    }
    if (name != NULL) {
        buf_printf(&call->out, "\"%s\":", name);
    }
    call->needs_comma = true;
}

static void end(struct query_call *call, const char *name)
{
    if (!call->is_json) {
        buf_printf(&call->out, "</%s>", name == NULL ? "member" : name);
    }
}

static void bracket(struct query_call *call, u8 byte, bool needs_comma)
{
    if (call->is_json) {
        buf_append_byte(&call->out, byte);
        call->needs_comma = needs_comma;
    }
}

void query_open(struct query_call *call, const char *name)
{
    begin(call, name);
    bracket(call, '{', false);
}

void query_close(struct query_call *call, const char *name)
{
    bracket(call, '}', true);
    end(call, name);
}

void query_open_list(struct query_call *call, const char *name)
{
    begin(call, name);
    bracket(call, '[', false);
}

void query_close_list(struct query_call *call, const char *name)
{
    bracket(call, ']', true);
    end(call, name);
}

void query_open_map(struct query_call *call, const char *name)
{
    query_open(call, name);
}

static void entry_begin(struct query_call *call, str key)
{
    struct buf *out = &call->out;
    if (call->is_json) {
        if (call->needs_comma) {
            buf_append_byte(out, ',');
        }
        json_write_string(out, key);
        buf_append_byte(out, ':');
        call->needs_comma = true;
        return;
    }
    buf_append(out, STR("<entry><key>"));
    query_write_xml(out, key);
    buf_append(out, STR("</key><value>"));
}

static void entry_end(struct query_call *call)
{
    if (!call->is_json) {
        buf_append(&call->out, STR("</value></entry>"));
    }
}

void query_put_entry(struct query_call *call, str key, str value)
{
    entry_begin(call, key);
    if (call->is_json) {
        json_write_string(&call->out, value);
    } else {
        query_write_xml(&call->out, value);
    }
    entry_end(call);
}

void query_put_number_entry(struct query_call *call, str key, double value)
{
    entry_begin(call, key);
    json_write_f64(&call->out, value);
    entry_end(call);
}

void query_close_map(struct query_call *call, const char *name)
{
    query_close(call, name);
}

void query_put_text(struct query_call *call, const char *name, str text)
{
    begin(call, name);
    if (call->is_json) {
        json_write_string(&call->out, text);
    } else {
        query_write_xml(&call->out, text);
    }
    end(call, name);
}

void query_put_number(struct query_call *call, const char *name, double value)
{
    begin(call, name);
    json_write_f64(&call->out, value);
    end(call, name);
}

void query_put_bool(struct query_call *call, const char *name, bool value)
{
    begin(call, name);
    buf_append(&call->out, value ? STR("true") : STR("false"));
    end(call, name);
}

void query_put_time(struct query_call *call, const char *name, i64 seconds)
{
    begin(call, name);
    if (call->is_json) {
        buf_append_i64(&call->out, seconds);
    } else {
        struct cal cal;
        cal_from_us(seconds * 1000000, &cal);
        buf_printf(&call->out, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)cal.year, cal.month,
                   cal.day, cal.hour, cal.minute, cal.second);
    }
    end(call, name);
}

/* --- errors -------------------------------------------------------------------------------- */

void query_fail(struct query_call *call, int status, const char *code, const char *format, ...)
{
    if (call->has_failed) {
        return;
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    call->has_failed = true;
    call->error_status = status;
    call->error_code = code;
    call->error_message =
        arena_copy(call->arena, str_from(text, MIN(MAX(length, 0), (int)sizeof text - 1)));
}

void query_fail_err(struct query_call *call, err e)
{
    bool is_limit = e == ERR_LIMIT;
    query_fail(call, is_limit ? 400 : 500, is_limit ? "LimitExceeded" : "InternalFailure",
               "the storage of %s: %s", call->api->name, err_text(e));
}

/* The JSON protocol names some errors otherwise than the Query protocol. */
static const char *json_type(const char *code)
{
    static const char *const names[][2] = {
        {"InvalidParameterValue", "InvalidParameterValueException"},
        {"InvalidParameterCombination", "InvalidParameterCombinationException"},
        {"MissingParameter", "MissingRequiredParameterException"},
    };
    for (isize i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(code, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return code;
}

static void write_error(struct query_call *call, struct buf *body)
{
    if (call->is_json) {
        buf_printf(body, "{\"__type\":\"%s\",\"message\":", json_type(call->error_code));
        json_write_string(body, call->error_message);
        buf_append_byte(body, '}');
        return;
    }
    buf_printf(body,
               "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type><Code>%s</Code>"
               "<Message>",
               call->api->namespace, call->error_status < 500 ? "Sender" : "Receiver",
               call->error_code);
    query_write_xml(body, call->error_message);
    buf_printf(body, "</Message></Error><RequestId>" STR_FMT "</RequestId></ErrorResponse>\n",
               STR_ARG(call->request->request_id));
}

static void write_result(struct query_call *call, struct buf *body)
{
    if (call->is_json) {
        buf_append_byte(body, '{');
        buf_append(body, buf_str(&call->out));
        buf_append_byte(body, '}');
        return;
    }
    str name = call->operation;
    buf_printf(body, "<" STR_FMT "Response xmlns=\"%s\">", STR_ARG(name), call->api->namespace);
    if (call->out.len > 0 || call->has_empty_result) {
        buf_printf(body, "<" STR_FMT "Result>", STR_ARG(name));
        buf_append(body, buf_str(&call->out));
        buf_printf(body, "</" STR_FMT "Result>", STR_ARG(name));
    }
    buf_printf(body,
               "<ResponseMetadata><RequestId>" STR_FMT "</RequestId></ResponseMetadata>"
               "</" STR_FMT "Response>\n",
               STR_ARG(call->request->request_id), STR_ARG(name));
}

static void answer(struct query_call *call)
{
    struct http_exchange *x = call->request->x;
    struct buf body;
    buf_init(&body, 0);
    if (call->out.failed) {
        query_fail(call, 500, "InternalFailure", "the answer would be larger than %d MiB",
                   QUERY_ANSWER_BYTES_MAX >> 20);
    }
    struct http_field fields[3] = {
        {STR("Content-Type"), STR("text/xml")},
        {STR("x-amzn-RequestId"), call->request->request_id},
    };
    isize count = 2;
    if (call->is_json) {
        fields[0].value = call->request->protocol == AWS_JSON_1_0
                              ? STR("application/x-amz-json-1.0")
                              : STR("application/x-amz-json-1.1");
    }
    if (call->has_failed) {
        write_error(call, &body);
        if (call->is_json && str_eq(http_header(x, "x-amzn-query-mode"), STR("true"))) {
            str value = arena_printf(call->arena, "%s;%s", call->error_code,
                                     call->error_status < 500 ? "Sender" : "Receiver");
            fields[count++] = (struct http_field){STR("x-amzn-query-error"), value};
        }
    } else {
        write_result(call, &body);
    }
    http_respond_buf(x, call->has_failed ? call->error_status : 200, fields, count, &body);
    buf_deinit(&body);
    buf_deinit(&call->out);
}

/* --- request ------------------------------------------------------------------------------- */

/* The whole body, within the limit. ERR_CLOSED: nobody waits for an answer any more. */
static err read_body(struct http_exchange *x, struct buf *out)
{
    for (;;) {
        enum { STEP = 32 * 1024 };
        u8 *place = buf_reserve(out, STEP);
        if (place == NULL) {
            return ERR_LIMIT;
        }
        isize got;
        TRY(http_body_read(x, place, STEP, &got));
        if (got == 0) {
            return OK;
        }
        out->len += got;
        if (out->len > QUERY_BODY_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
}

static err unpack(struct buf *body)
{
    struct decompress_limits limits = {.bytes_max = QUERY_BODY_BYTES_MAX};
    struct decompressor *reader = decompressor_new(COMPRESS_GZIP, &limits);
    struct buf plain;
    buf_init(&plain, 0);
    str rest = buf_str(body);
    err e;
    do {
        e = decompressor_read(reader, &rest, &plain, 64 * 1024, NULL);
    } while (e == OK);
    if (e == ERR_AGAIN) {
        e = decompressor_finish(reader, NULL);
    }
    decompressor_free(reader);
    if (e != OK) {
        buf_deinit(&plain);
        return e;
    }
    buf_deinit(body);
    *body = plain;
    return OK;
}

static void parse(struct query_call *call, str body)
{
    struct diag diag;
    diag_init(&diag);
    struct http_exchange *x = call->request->x;
    if (call->is_json) {
        err e = OK;
        if (body.len > 0) {
            e = json_parse(call->arena, body, &call->input, &diag);
        }
        if (e != OK || (body.len > 0 && json_kind(call->input) != JSON_OBJECT)) {
            query_fail(call, 400, "SerializationException", "the body is not a JSON object: %s",
                       diag.message);
        }
        return;
    }
    bool is_form = call->request->protocol == AWS_QUERY;
    if (!is_form && !str_eq(http_method(x), STR("GET"))) {
        str type = http_header(x, "content-type");
        query_fail(call, 415, "UnsupportedProtocol",
                   "%s is served in the Query and JSON protocols; the Content-Type \"" STR_FMT
                   "\" is not supported",
                   call->api->name, STR_ARG(str_slice(type, 0, 80)));
        return;
    }
    err e = query_parse(call->arena, is_form ? body : http_query(x), &call->input, &diag);
    if (e != OK) {
        query_fail(call, 400, "MalformedQueryString", "%s", diag.message);
        return;
    }
    call->operation = json_get_text(call->input, STR("Action"));
    call->request->operation = call->operation;
}

static void run(struct query_call *call)
{
    const struct query_api *api = call->api;
    for (isize i = 0; i < api->operation_count; i++) {
        if (str_eq(call->operation, str_of(api->operations[i].name))) {
            call->has_empty_result = api->operations[i].has_empty_result;
            api->operations[i].run(call);
            return;
        }
    }
    if (call->operation.len == 0) {
        query_fail(call, 400, "MissingAction", "there is no operation in this request");
        return;
    }
    query_fail(call, 400, "InvalidAction",
               "the operation \"" STR_FMT "\" of %s is not supported by leat",
               STR_ARG(str_slice(call->operation, 0, 64)), api->name);
}

static void work(struct http_exchange *x, void *ctx)
{
    struct query_call *call = ctx;
    struct buf body;
    buf_init(&body, 0);
    err e = read_body(x, &body);
    if (e == OK && str_eq_nocase(http_header(x, "content-encoding"), STR("gzip"))) {
        e = unpack(&body);
    }
    if (e == ERR_LIMIT) {
        query_fail(call, 413, "RequestEntityTooLarge", "a request may have at most %d bytes",
                   QUERY_BODY_BYTES_MAX);
    } else if (e != OK) {
        query_fail(call, 400, "MalformedRequest", "the body cannot be read: %s", err_text(e));
    } else {
        parse(call, buf_str(&body));
    }
    if (!call->has_failed) {
        run(call);
    }
    answer(call);
    buf_deinit(&body);
}

void query_handle(struct aws_request *request, const struct query_api *api)
{
    struct arena *arena = http_arena(request->x);
    struct query_call *call = ARENA_NEW(arena, struct query_call);
    call->api = api;
    call->request = request;
    call->service = request->service;
    call->arena = arena;
    call->operation = request->operation;
    call->is_json = request->operation.len > 0;
    buf_init(&call->out, QUERY_ANSWER_BYTES_MAX);
    http_run_blocking(request->x, work, call);
}
