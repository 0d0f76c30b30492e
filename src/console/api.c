/* console/api.c: leat's own HTTP API (docs/api.md): information, streams, jobs, SQL. */
#include "console/console_int.h"

#include "base/diag.h"
#include "codec/json.h"

enum { BODY_BYTES_MAX = 2 << 20 };

static const char *const durability_names[] = {"commit", "os", "memory"};
static const char *const state_names[] = {"RUNNING", "FAILED", "STOPPED"};

static struct engine *engine_of(struct console *console)
{
    return console->env.engine;
}

static void put(struct buf *out, const char *name, str value)
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
    put(out, "code", str_of(diag->code));
    buf_append_byte(out, ',');
    put(out, "message", str_of(diag->message));
    if (diag->hint[0] != '\0') {
        buf_append_byte(out, ',');
        put(out, "hint", str_of(diag->hint));
    }
    if (diag->label[0] != '\0') {
        buf_append_byte(out, ',');
        put(out, "label", str_of(diag->label));
    }
    if (diag->span_start >= 0) {
        put_place(out, diag, source);
    }
    buf_append_byte(out, ',');
    put(out, "rendered", buf_str(&rendered));
    buf_append_byte(out, '}');
    buf_deinit(&rendered);
}

void console__respond_error(struct http_exchange *x, err e, const struct diag *diag)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"error\":"));
    console__put_error(&body, diag, STR_EMPTY);
    buf_append_byte(&body, '}');
    console__respond_json(x, err_http_status(e), &body);
}

/* --- information
 * ---------------------------------------------------------------------------------------- */

static void handle_info(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct buf body = {0};
    buf_printf(&body, "{\"version\":\"0.1.0\",\"started_ms\":%lld,\"now_ms\":%lld,",
               (long long)console->started_ms, (long long)os_wall_us(console->env.os) / 1000);
    put(&body, "data_dir", str_of(console->env.data_dir));
    buf_printf(&body, ",\"durability\":\"%s\"}", durability_names[console->env.durability]);
    console__respond_json(x, 200, &body);
}

static bool put_stream(void *ctx, struct stream *stream)
{
    struct buf *out = ctx;
    struct stream_info info;
    struct stream_counters c;
    static const char *const modes[] = {"PROVISIONED", "ON_DEMAND"};
    static const char *const states[] = {"CREATING", "ACTIVE", "UPDATING", "DELETING"};
    stream_get_info(stream, &info);
    stream_get_counters(stream, &c);
    buf_append(out, out->data[out->len - 1] == '[' ? STR("{") : STR(",{"));
    put(out, "account", info.id.account);
    buf_append_byte(out, ',');
    put(out, "region", info.id.region);
    buf_append_byte(out, ',');
    put(out, "name", info.id.name);
    buf_printf(out,
               ",\"mode\":\"%s\",\"status\":\"%s\",\"created_ms\":%lld,\"retention_hours\":%d,"
               "\"shard_count\":%d,\"open_shard_count\":%d,\"records_in\":%llu,\"bytes_in\":%llu,"
               "\"records_out\":%llu,\"bytes_out\":%llu}",
               modes[info.mode], states[info.status], (long long)info.created_ms,
               info.retention_hours, info.shard_count, info.open_shard_count,
               (unsigned long long)c.records_in, (unsigned long long)c.bytes_in,
               (unsigned long long)c.records_out, (unsigned long long)c.bytes_out);
    return true;
}

void console__put_streams(struct console *console, struct buf *out)
{
    buf_append_byte(out, '[');
    streams_each(console->env.streams, STR_EMPTY, STR_EMPTY, put_stream, out);
    buf_append_byte(out, ']');
}

static void handle_streams(struct http_exchange *x, void *ctx)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"streams\":"));
    console__put_streams(ctx, &body);
    buf_append_byte(&body, '}');
    console__respond_json(x, 200, &body);
}

/* --- jobs
 * --------------------------------------------------------------------------------------------------
 */

static void put_delivery(struct buf *out, const struct engine_job_source *sink)
{
    buf_printf(out,
               ",\"rows\":%llu,\"bytes\":%llu,\"delivered_rows\":%llu,\"delivered_bytes\":%llu,"
               "\"rejected_rows\":%llu,\"retries\":%llu,\"oldest_undelivered_ms\":%lld,",
               (unsigned long long)sink->rows, (unsigned long long)sink->bytes,
               (unsigned long long)sink->delivered_rows, (unsigned long long)sink->delivered_bytes,
               (unsigned long long)sink->rejected_rows, (unsigned long long)sink->retries,
               (long long)sink->oldest_undelivered_ms);
    put(out, "problem", sink->problem);
    if (sink->left_out > 0) {
        buf_printf(out, ",\"left_out\":%llu,", (unsigned long long)sink->left_out);
        put(out, "left_out_first", sink->left_out_first);
    }
}

static void put_ends(struct buf *out, const struct engine_job_source *ends, isize count,
                     bool is_sink)
{
    buf_append_byte(out, '[');
    for (isize i = 0; i < count; i++) {
        buf_append(out, i > 0 ? STR(",{") : STR("{"));
        put(out, "table", ends[i].table);
        buf_append_byte(out, ',');
        put(out, is_sink ? "target" : "stream", ends[i].stream);
        buf_append_byte(out, ',');
        put(out, "kind", ends[i].kind);
        buf_append_byte(out, ',');
        put(out, "region", ends[i].region);
        if (ends[i].is_delivered) {
            put_delivery(out, &ends[i]);
        }
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static void put_job(struct buf *out, const struct engine_job_info *job)
{
    buf_append_byte(out, '{');
    put(out, "id", job->id);
    buf_append_byte(out, ',');
    put(out, "name", job->name);
    buf_printf(out, ",\"state\":\"%s\",", state_names[job->state]);
    put(out, "reason", job->reason);
    buf_append_byte(out, ',');
    put(out, "sql", job->sql);
    buf_append(out, STR(",\"sources\":"));
    put_ends(out, job->sources, job->source_count, false);
    buf_append(out, STR(",\"sinks\":"));
    put_ends(out, job->sinks, job->sink_count, true);
    if (job->watermark_ms != INT64_MIN) {
        buf_printf(out, ",\"watermark_ms\":%lld", (long long)job->watermark_ms);
    }
    buf_printf(out,
               ",\"created_ms\":%lld,\"lag_ms\":%lld,\"rows_in\":%llu,\"rows_out\":%llu,"
               "\"rows_filtered\":%llu,\"dead_letters\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,"
               "\"steps\":%llu,\"position_lsn\":\"%llu\",\"tip_lsn\":\"%llu\"}",
               (long long)job->created_ms, (long long)job->lag_ms, (unsigned long long)job->rows_in,
               (unsigned long long)job->rows_out, (unsigned long long)job->rows_filtered,
               (unsigned long long)job->dead_letters, (unsigned long long)job->bytes_in,
               (unsigned long long)job->bytes_out, (unsigned long long)job->steps,
               (unsigned long long)job->position_lsn, (unsigned long long)job->tip_lsn);
}

void console__put_jobs(struct console *console, struct buf *out)
{
    struct arena arena = {0};
    struct engine_job_info *jobs;
    isize count;
    engine_jobs_list(engine_of(console), &arena, &jobs, &count);
    buf_append_byte(out, '[');
    for (isize i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        put_job(out, &jobs[i]);
    }
    buf_append_byte(out, ']');
    arena_deinit(&arena);
}

static void handle_jobs(struct http_exchange *x, void *ctx)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"jobs\":"));
    console__put_jobs(ctx, &body);
    buf_append_byte(&body, '}');
    console__respond_json(x, 200, &body);
}

/* POST /_leat/api/jobs/ID/stop, on a worker: it waits for the step under way. */
static void stop_job(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    diag_init(&diag);
    str path = http_path(x), prefix = STR("/_leat/api/jobs/"), suffix = STR("/stop");
    if (!str_ends(path, suffix) || path.len <= prefix.len + suffix.len) {
        err e = diag_set(&diag, ERR_NOT_FOUND, "API001", "there is no such path");
        console__respond_error(x, e, &diag);
        return;
    }
    str id = str_slice(path, prefix.len, path.len - suffix.len);
    err e = engine_job_stop(engine_of(console), id, &diag);
    if (e != OK) {
        (void)diag_set(&diag, e, "API002", "%s", err_text(e));
        console__respond_error(x, e, &diag);
        return;
    }
    struct buf body = {0};
    buf_append_byte(&body, '{');
    put(&body, "id", id);
    buf_append(&body, STR(",\"state\":\"STOPPED\"}"));
    console__respond_json(x, 200, &body);
}

static void handle_stop(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, stop_job, ctx);
}

/* --- SQL
 * -----------------------------------------------------------------------------------------------------
 */

struct script {
    struct http_exchange *x;
    struct arena *arena;
    str text, file;
    struct engine_session *session;
    struct engine_options options;
    struct buf line;
};

static bool line_send(struct script *s)
{
    buf_append_byte(&s->line, '\n');
    err e = http_respond_write(s->x, buf_str(&s->line));
    buf_reset(&s->line);
    return e == OK;
}

static void table_send(struct script *s, const struct engine_result *result)
{
    buf_append(&s->line, STR("{\"type\":\"columns\",\"columns\":["));
    for (isize i = 0; i < result->column_count; i++) {
        buf_append(&s->line, i > 0 ? STR(",{") : STR("{"));
        put(&s->line, "name", result->columns[i]);
        buf_append(&s->line, STR(",\"type\":\"STRING\"}"));
    }
    buf_append(&s->line, STR("]}"));
    bool is_open = line_send(s);
    for (isize r = 0; r < result->row_count && is_open; r++) {
        buf_append(&s->line, STR("{\"type\":\"row\",\"op\":\"+I\",\"values\":["));
        for (isize i = 0; i < result->column_count; i++) {
            if (i > 0) {
                buf_append_byte(&s->line, ',');
            }
            json_write_string(&s->line, result->cells[r * result->column_count + i]);
        }
        buf_append(&s->line, STR("]}"));
        is_open = line_send(s);
    }
}

static void result_send(struct script *s, const struct engine_result *result)
{
    if (result->notice.len > 0) {
        buf_append(&s->line, STR("{\"type\":\"notice\","));
        put(&s->line, "message", result->notice);
        buf_append_byte(&s->line, '}');
        (void)line_send(s);
    }
    if (result->kind == ENGINE_RESULT_TABLE) {
        table_send(s, result);
    } else if (result->kind == ENGINE_RESULT_JOB) {
        buf_append(&s->line, STR("{\"type\":\"job\","));
        put(&s->line, "id", result->job_id);
        buf_append_byte(&s->line, ',');
        put(&s->line, "name", result->job_name);
        buf_printf(
            &s->line,
            ",\"already_running\":%s,\"replaced\":%s,\"old_lsn\":\"%llu\",\"new_lsn\":\"%llu\"}",
            result->already_running ? "true" : "false", result->replaced ? "true" : "false",
            (unsigned long long)result->old_lsn, (unsigned long long)result->new_lsn);
        (void)line_send(s);
    }
    buf_printf(&s->line, "{\"type\":\"done\",\"rows\":%td}", result->row_count);
    (void)line_send(s);
}

/* Statement by statement; the first error ends the script. */
static void script_run(struct script *s)
{
    struct sql_piece *pieces;
    isize count;
    engine_split(s->arena, s->text, &pieces, &count);
    for (isize i = 0; i < count; i++) {
        struct engine_result result;
        struct diag diag;
        diag_init(&diag);
        str_copy_cstr(s->file, diag.origin, (isize)sizeof diag.origin);
        err e = engine_execute(s->session, pieces[i].text, &s->options, s->arena, &result, &diag);
        if (e != OK) {
            (void)diag_set(&diag, e, "API003", "%s", err_text(e));
            if (diag.span_start >= 0) {
                diag.span_start += pieces[i].offset;
            }
            buf_append(&s->line, STR("{\"type\":\"error\",\"error\":"));
            console__put_error(&s->line, &diag, s->text);
            buf_append_byte(&s->line, '}');
            (void)line_send(s);
            return;
        }
        result_send(s, &result);
    }
}

static str text_or(const struct json_value *body, str name, str otherwise)
{
    str text = json_get_text(body, name);
    return text.len > 0 ? text : otherwise;
}

static enum engine_mode mode_of(str text)
{
    if (str_eq(text, STR("restart"))) {
        return ENGINE_RESTART;
    }
    return str_eq(text, STR("again")) ? ENGINE_AGAIN : ENGINE_START;
}

static err body_read(struct http_exchange *x, struct buf *out)
{
    for (;;) {
        u8 piece[16384];
        isize got;
        TRY(http_body_read(x, piece, (isize)sizeof piece, &got));
        if (got == 0) {
            return OK;
        }
        if (out->len + got > BODY_BYTES_MAX) {
            return ERR_LIMIT;
        }
        buf_append_bytes(out, piece, got);
    }
}

static void run_sql(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct buf text = {0};
    struct diag diag;
    diag_init(&diag);
    const struct json_value *body = NULL;
    err e = body_read(x, &text);
    if (e == OK) {
        e = json_parse(http_arena(x), buf_str(&text), &body, &diag);
    }
    if (e != OK) {
        (void)diag_set(&diag, e, "API004", "the body cannot be read: %s", err_text(e));
        console__respond_error(x, e, &diag);
        buf_deinit(&text);
        return;
    }
    struct script s = {.x = x,
                       .arena = http_arena(x),
                       .text = json_get_text(body, STR("sql")),
                       .file = text_or(body, STR("file"), STR("statement"))};
    s.options = (struct engine_options){
        .mode = mode_of(json_get_text(body, STR("mode"))),
        .from = json_get_text(body, STR("from")),
        .name = json_get_text(body, STR("name")),
    };
    s.session =
        engine_session_new(engine_of(console), text_or(body, STR("account"), STR("000000000000")),
                           text_or(body, STR("region"), STR("us-east-1")));
    struct http_field field = {STR("Content-Type"), STR("application/x-ndjson")};
    http_respond_start(x, 200, &field, 1, -1);
    script_run(&s);
    engine_session_free(s.session);
    buf_deinit(&s.line);
    buf_deinit(&text);
    http_respond_end(x);
}

static void handle_sql(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, run_sql, ctx);
}

/* --- streams
 * --------------------------------------------------------------------------------------------------
 */

/* POST /_leat/api/streams: makes one; on a worker, since it waits for the disk. */
static void create_stream(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct buf text = {0};
    struct diag diag;
    diag_init(&diag);
    const struct json_value *body = NULL;
    err e = body_read(x, &text);
    if (e == OK) {
        e = json_parse(http_arena(x), buf_str(&text), &body, &diag);
    }
    str name = json_get_text(body, STR("name"));
    i64 shards = json_get_i64(body, STR("shards"), 0);
    struct stream_spec spec = {
        .id = {text_or(body, STR("account"), STR("000000000000")),
               text_or(body, STR("region"), STR("us-east-1")), name},
        .mode = shards > 0 ? STREAM_PROVISIONED : STREAM_ON_DEMAND,
        .shard_count = (i32)MIN(MAX(shards, 0), INT32_MAX),
    };
    if (e == OK) {
        e = stream_create_wait(console->env.streams, &spec);
    }
    if (e != OK) {
        (void)diag_set(&diag, e, "API005", "stream \"" STR_FMT "\": %s", STR_ARG(name),
                       err_text(e));
        console__respond_error(x, e, &diag);
    } else {
        struct buf answer = {0};
        buf_append_byte(&answer, '{');
        put(&answer, "name", name);
        buf_append_byte(&answer, ',');
        put(&answer, "region", spec.id.region);
        buf_append_byte(&answer, '}');
        console__respond_json(x, 200, &answer);
    }
    buf_deinit(&text);
}

static void handle_create_stream(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, create_stream, ctx);
}

const struct console_route console__api_routes[] = {
    {"GET", "/_leat/api/info", handle_info},
    {"GET", "/_leat/api/streams", handle_streams},
    {"POST", "/_leat/api/streams", handle_create_stream},
    {"GET", "/_leat/api/jobs", handle_jobs},
    {"POST", "/_leat/api/jobs/", handle_stop},
    {"POST", "/_leat/api/sql", handle_sql},
};
const isize console__api_route_count = COUNT_OF(console__api_routes);
