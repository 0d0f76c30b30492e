/* aws/common/query.c: one call: body, operation, answer. */
#include "aws/common/query.h"

#include "aws/common/body.h"

#include "base/cal.h"
#include "codec/cbor.h"
#include "codec/compress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SMITHY_CBOR "rpc-v2-cbor"

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
    struct buf *out = &call->out;
    if (call->form == QUERY_XML) {
        buf_printf(out, "<%s>", name == NULL ? "member" : name);
    } else if (call->form == QUERY_CBOR) {
        if (name != NULL) {
            cbor_put_text(out, str_of(name));
        }
    } else {
        if (call->needs_comma) {
            buf_append_byte(out, ',');
        }
        if (name != NULL) {
            buf_printf(out, "\"%s\":", name);
        }
        call->needs_comma = true;
    }
}

static void end(struct query_call *call, const char *name)
{
    if (call->form == QUERY_XML) {
        buf_printf(&call->out, "</%s>", name == NULL ? "member" : name);
    }
}

/* Begins or ends something that holds others. */
static void bracket(struct query_call *call, u8 byte)
{
    bool is_opening = byte == '{' || byte == '[';
    if (call->form == QUERY_JSON) {
        buf_append_byte(&call->out, byte);
        call->needs_comma = !is_opening;
    } else if (call->form == QUERY_CBOR) {
        if (!is_opening) {
            cbor_close(&call->out);
        } else if (byte == '{') {
            cbor_open_map(&call->out);
        } else {
            cbor_open_list(&call->out);
        }
    }
}

void query_open(struct query_call *call, const char *name)
{
    begin(call, name);
    bracket(call, '{');
}

void query_close(struct query_call *call, const char *name)
{
    bracket(call, '}');
    end(call, name);
}

void query_open_list(struct query_call *call, const char *name)
{
    begin(call, name);
    bracket(call, '[');
}

void query_close_list(struct query_call *call, const char *name)
{
    bracket(call, ']');
    end(call, name);
}

void query_open_map(struct query_call *call, const char *name)
{
    query_open(call, name);
}

static void put_text(struct query_call *call, str text)
{
    switch (call->form) {
    case QUERY_XML:
        query_write_xml(&call->out, text);
        break;
    case QUERY_JSON:
        json_write_string(&call->out, text);
        break;
    case QUERY_CBOR:
        cbor_put_text(&call->out, text);
        break;
    }
}

static void put_number(struct query_call *call, double value)
{
    if (call->form == QUERY_CBOR) {
        cbor_put_f64(&call->out, value);
    } else {
        json_write_f64(&call->out, value);
    }
}

static void entry_begin(struct query_call *call, str key)
{
    struct buf *out = &call->out;
    if (call->form == QUERY_XML) {
        buf_append(out, STR("<entry><key>"));
        query_write_xml(out, key);
        buf_append(out, STR("</key><value>"));
        return;
    }
    begin(call, NULL);
    put_text(call, key);
    if (call->form == QUERY_JSON) {
        buf_append_byte(out, ':');
    }
}

static void entry_end(struct query_call *call)
{
    if (call->form == QUERY_XML) {
        buf_append(&call->out, STR("</value></entry>"));
    }
}

void query_put_entry(struct query_call *call, str key, str value)
{
    entry_begin(call, key);
    put_text(call, value);
    entry_end(call);
}

void query_put_number_entry(struct query_call *call, str key, double value)
{
    entry_begin(call, key);
    put_number(call, value);
    entry_end(call);
}

void query_close_map(struct query_call *call, const char *name)
{
    query_close(call, name);
}

void query_put_text(struct query_call *call, const char *name, str text)
{
    begin(call, name);
    put_text(call, text);
    end(call, name);
}

void query_put_number(struct query_call *call, const char *name, double value)
{
    begin(call, name);
    put_number(call, value);
    end(call, name);
}

void query_put_bool(struct query_call *call, const char *name, bool value)
{
    begin(call, name);
    if (call->form == QUERY_CBOR) {
        cbor_put_bool(&call->out, value);
    } else {
        buf_append(&call->out, value ? STR("true") : STR("false"));
    }
    end(call, name);
}

static void put_iso(struct buf *out, i64 seconds)
{
    struct cal cal;
    cal_from_us(seconds * 1000000, &cal);
    buf_printf(out, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)cal.year, cal.month, cal.day,
               cal.hour, cal.minute, cal.second);
}

void query_put_time(struct query_call *call, const char *name, i64 seconds)
{
    begin(call, name);
    switch (call->form) {
    case QUERY_XML:
        put_iso(&call->out, seconds);
        break;
    case QUERY_JSON:
        buf_append_i64(&call->out, seconds);
        break;
    case QUERY_CBOR:
        cbor_put_time(&call->out, seconds);
        break;
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
    length = MIN(MAX(length, 0), (int)sizeof text - 1);
    for (int i = 0; i < length && !str_is_utf8(str_from(text, length)); i++) {
        text[i] = (u8)text[i] < 128 ? text[i]
                                    : '?'; /* Bytes of the request, or a character that was cut. */
    }
    call->error_message = arena_copy(call->arena, str_from(text, length));
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
    const char *type = json_type(call->error_code);
    if (call->form == QUERY_JSON) {
        buf_printf(body, "{\"__type\":\"%s\",\"message\":", type);
        json_write_string(body, call->error_message);
        buf_append_byte(body, '}');
        return;
    }
    if (call->form == QUERY_CBOR) {
        cbor_open_map(body);
        cbor_put_text(body, STR("__type"));
        cbor_put_text(body, str_of(type));
        cbor_put_text(body, STR("message"));
        cbor_put_text(body, call->error_message);
        cbor_close(body);
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

static void write_xml_result(struct query_call *call, struct buf *body)
{
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

static void write_result(struct query_call *call, struct buf *body)
{
    if (call->form == QUERY_XML) {
        write_xml_result(call, body);
    } else if (call->form == QUERY_JSON) {
        buf_append_byte(body, '{');
        buf_append(body, buf_str(&call->out));
        buf_append_byte(body, '}');
    } else {
        cbor_open_map(body);
        buf_append(body, buf_str(&call->out));
        cbor_close(body);
    }
}

static str content_type(const struct query_call *call)
{
    if (call->form == QUERY_XML) {
        return STR("text/xml");
    }
    if (call->form == QUERY_CBOR) {
        return STR("application/cbor");
    }
    return call->request->protocol == AWS_JSON_1_0 ? STR("application/x-amz-json-1.0")
                                                   : STR("application/x-amz-json-1.1");
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
    struct http_field fields[4] = {
        {STR("Content-Type"), content_type(call)},
        {STR("x-amzn-RequestId"), call->request->request_id},
    };
    isize count = 2;
    if (call->form == QUERY_CBOR) {
        fields[count++] = (struct http_field){STR("smithy-protocol"), STR(SMITHY_CBOR)};
    }
    if (call->has_failed) {
        write_error(call, &body);
        if (call->form != QUERY_XML && str_eq(http_header(x, "x-amzn-query-mode"), STR("true"))) {
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

static void parse_document(struct query_call *call, str body)
{
    struct diag diag;
    diag_init(&diag);
    if (body.len == 0) {
        return;
    }
    bool is_cbor = call->form == QUERY_CBOR;
    err e = is_cbor ? cbor_parse(call->arena, body, &call->input, &diag)
                    : json_parse(call->arena, body, &call->input, &diag);
    if (e != OK || json_kind(call->input) != JSON_OBJECT) {
        query_fail(call, 400, "SerializationException", "the body is not a %s: %s",
                   is_cbor ? "CBOR map" : "JSON object", diag.message);
    }
}

static void parse_form(struct query_call *call, str body)
{
    struct diag diag;
    diag_init(&diag);
    struct http_exchange *x = call->request->x;
    bool is_form = call->request->protocol == AWS_QUERY;
    if (!is_form && !str_eq(http_method(x), STR("GET"))) {
        str type = http_header(x, "content-type");
        query_fail(call, 415, "UnsupportedProtocol",
                   "%s is served in the Query, JSON and RPC v2 CBOR protocols; the Content-Type "
                   "\"" STR_FMT "\" is not supported",
                   call->api->name, STR_ARG(str_slice(type, 0, 80)));
        return;
    }
    err e = query_parse(call->arena, is_form ? body : http_query(x), &call->input, &diag);
    if (e != OK) {
        query_fail(call, 400, "MalformedQueryString", "%s", diag.message);
        return;
    }
    call->operation = json_get_text(call->input, STR("Action"));
}

static void run(struct query_call *call)
{
    const struct query_api *api = call->api;
    call->request->operation = call->operation; /* For the figures, whatever the protocol. */
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
    err e = aws_body_read(x, QUERY_BODY_BYTES_MAX, &body);
    if (e == OK && str_eq_nocase(http_header(x, "content-encoding"), STR("gzip"))) {
        e = unpack(&body);
    }
    if (e == ERR_LIMIT) {
        query_fail(call, 413, "RequestEntityTooLarge", "a request may have at most %d bytes",
                   QUERY_BODY_BYTES_MAX);
    } else if (e != OK) {
        query_fail(call, 400, "MalformedRequest", "the body cannot be read: %s", err_text(e));
    } else {
        (call->form == QUERY_XML ? parse_form : parse_document)(call, buf_str(&body));
    }
    if (!call->has_failed) {
        run(call);
    }
    answer(call);
    buf_deinit(&body);
}

/* Of "/service/NAME/operation/OPERATION"; empty for any other path. */
static str smithy_operation(str path)
{
    str rest = str_slice(path, 1, path.len);
    str service = str_split(&rest, '/', NULL), name = str_split(&rest, '/', NULL);
    str operation = str_split(&rest, '/', NULL);
    bool is_one = str_eq(service, STR("service")) && name.len > 0 &&
                  str_eq(operation, STR("operation")) && str_find_byte(rest, '/', 0) < 0;
    return is_one ? rest : STR_EMPTY;
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
    call->form = request->operation.len > 0 ? QUERY_JSON : QUERY_XML;
    if (str_eq(http_header(request->x, "smithy-protocol"), STR(SMITHY_CBOR))) {
        call->form = QUERY_CBOR;
        call->operation = smithy_operation(http_path(request->x));
    }
    buf_init(&call->out, QUERY_ANSWER_BYTES_MAX);
    http_run_blocking(request->x, work, call);
}
