/* console/api.c: what the paths of leat's own HTTP API (docs/api.md) share; information. */
#include "console/console_int.h"

#include "base/version.h"
#include "codec/json.h"

enum { BODY_BYTES_MAX = 8 << 20 };

static const char *const durability_names[] = {"commit", "os", "memory"};
void console__put(struct buf *out, const char *name, str value)
{
    buf_printf(out, "\"%s\":", name);
    json_write_string(out, value);
}

/* --- errors
 * ------------------------------------------------------------------------------------------- */

static void put_place(struct buf *out, const struct diag *diag, str source)
{
    isize line = 1, column = 1;
    for (isize i = 0; i < diag->span_start && i < source.len; i++) {
        bool is_break = source.data[i] == '\n';
        line += is_break;
        column = is_break ? 1 : column + ((source.data[i] & 0xC0) != 0x80);
    }
    buf_printf(out, ",\"line\":%td,\"column\":%td,\"span_length\":%td", line, column,
               diag->span_len);
}

/* {"code":..., "rendered":...}; `source` is the text that the span points into. */
void console__put_error(struct buf *out, const struct diag *diag, str source)
{
    struct buf rendered = {0};
    diag_render(diag, source, false, &rendered);
    buf_append_byte(out, '{');
    console__put(out, "code", str_of(diag->code));
    buf_append_byte(out, ',');
    console__put(out, "message", str_of(diag->message));
    if (diag->hint[0] != '\0') {
        buf_append_byte(out, ',');
        console__put(out, "hint", str_of(diag->hint));
    }
    if (diag->label[0] != '\0') {
        buf_append_byte(out, ',');
        console__put(out, "label", str_of(diag->label));
    }
    if (diag->span_start >= 0) {
        put_place(out, diag, source);
    }
    buf_append_byte(out, ',');
    console__put(out, "rendered", buf_str(&rendered));
    buf_append_byte(out, '}');
    buf_deinit(&rendered);
}

void console_respond_error(struct http_exchange *x, err e, const struct diag *diag)
{
    console__respond_error_in(x, e, diag, STR_EMPTY);
}

void console__respond_error_in(struct http_exchange *x, err e, const struct diag *diag, str source)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"error\":"));
    console__put_error(&body, diag, source);
    buf_append_byte(&body, '}');
    console__respond_json(x, err_http_status(e), &body);
}

/* --- information
 * ---------------------------------------------------------------------------------------- */

static void handle_info(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct buf body = {0};
    buf_printf(&body,
               "{\"version\":\"%s\",\"commit\":\"%s\",\"pid\":%d,\"started_ms\":%lld,"
               "\"now_ms\":%lld,",
               leat_version, leat_commit, os_process_id(), (long long)console->started_ms,
               (long long)os_wall_us(console->env.os) / 1000);
    console__put(&body, "data_dir", str_of(console->env.data_dir));
    buf_append_byte(&body, ',');
    console__put(&body, "endpoint", str_of(console->env.endpoint));
    buf_printf(&body,
               ",\"durability\":\"%s\",\"account\":\"%s\",\"allow_reset\":%s,"
               "\"enforces_limits\":%s,\"injects_faults\":%s}",
               durability_names[console->env.durability], CONSOLE_ACCOUNT,
               console->env.allows_reset ? "true" : "false",
               console->env.enforces_limits ? "true" : "false",
               console->env.injects_faults ? "true" : "false");
    console__respond_json(x, 200, &body);
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

str console__text_or(const struct json_value *body, const char *name, str otherwise)
{
    str text = json_get_text(body, str_of(name));
    return text.len > 0 ? text : otherwise;
}

str console__param(struct http_exchange *x, const char *name, str otherwise)
{
    str text;
    bool is_given;
    err e = http_param(http_arena(x), http_query(x), str_of(name), &text, &is_given);
    return e == OK && is_given && text.len > 0 ? text : otherwise;
}

err console__number_param(struct http_exchange *x, const char *name, i64 most, i64 *out,
                          struct diag *diag)
{
    str text = console__param(x, name, STR_EMPTY);
    if (text.len > 0 && (str_to_i64(text, out) != OK || *out < 0 || *out > most)) {
        return diag_set(diag, ERR_INVALID, "API010",
                        "%s is a whole number from 0 to %lld, not \"" STR_FMT "\"", name,
                        (long long)most, STR_ARG(text));
    }
    return OK;
}

bool console__path_middle(struct http_exchange *x, const char *before, const char *after, str *out)
{
    str path = http_path(x), prefix = str_of(before), suffix = str_of(after);
    if (!str_starts(path, prefix) || !str_ends(path, suffix) ||
        path.len <= prefix.len + suffix.len) {
        return false;
    }
    str middle = str_slice(path, prefix.len, path.len - suffix.len);
    return str_find_byte(middle, '/', 0) < 0 &&
           http_decode(http_arena(x), middle, false, out) == OK;
}

void console__respond_no_path(struct http_exchange *x)
{
    struct diag diag;
    diag_init(&diag);
    err e = diag_set(&diag, ERR_NOT_FOUND, "API001", "there is no path " STR_FMT " with " STR_FMT,
                     STR_ARG(str_slice(http_path(x), 0, 200)), STR_ARG(http_method(x)));
    console_respond_error(x, e, &diag);
}

err console__body_read(struct http_exchange *x, isize bytes_max, struct buf *out)
{
    for (;;) {
        u8 piece[65536];
        isize got;
        TRY(http_body_read(x, piece, (isize)sizeof piece, &got));
        if (got == 0) {
            return OK;
        }
        if (out->len + got > bytes_max) {
            return ERR_LIMIT;
        }
        buf_append_bytes(out, piece, got);
    }
}

err console__body_json(struct http_exchange *x, const struct json_value **out, struct diag *diag)
{
    struct buf text = {0};
    err e = console__body_read(x, BODY_BYTES_MAX, &text);
    if (e == OK) {
        str kept = arena_copy(http_arena(x), buf_str(&text));
        e = json_parse(http_arena(x), kept, out, diag);
    }
    if (e == OK && json_kind(*out) != JSON_OBJECT) {
        e = ERR_SYNTAX;
    }
    buf_deinit(&text);
    return e == OK ? OK : diag_set(diag, e, "API004", "the body cannot be read: %s", err_text(e));
}

/* --- routes
 * --------------------------------------------------------------------------------------------- */

const struct console_route console__api_routes[] = {
    {"GET", "/_leat/api/info", handle_info},
    {"GET", "/_leat/api/streams", console__handle_streams},
    {"POST", "/_leat/api/streams", console__handle_stream_create},
    {"GET", "/_leat/api/streams/", console__handle_stream_get},
    {"POST", "/_leat/api/streams/", console__handle_stream_post},
    {"DELETE", "/_leat/api/streams/", console__handle_stream_delete},
    {"GET", "/_leat/api/jobs", console__handle_jobs},
    {"GET", "/_leat/api/jobs/", console__handle_job},
    {"POST", "/_leat/api/jobs/", console__handle_job_post},
    {"GET", "/_leat/api/deadletters", console__handle_letters},
    {"GET", "/_leat/api/deadletters/", console__handle_letters},
    {"POST", "/_leat/api/deadletters/redrive", console__handle_redrive},
    {"POST", "/_leat/reset", console__handle_reset},
    {"POST", "/_leat/api/sql", console__handle_sql},
    {"DELETE", "/_leat/api/sql/", console__handle_session_end},
};
const isize console__api_route_count = COUNT_OF(console__api_routes);
