/* console/api_sql.c: POST /_leat/api/sql: scripts, statement by statement, as lines of JSON. */
#include "console/console_int.h"

enum { POSITIONS_MAX = 256, ORIGIN_BYTES = 256, BEAT_NS = 1000000000 };

struct script {
    struct console *console;
    struct http_exchange *x;
    struct arena *arena;
    str text, file, account;
    struct engine_session *session;
    struct engine_options options;
    struct buf line;
    bool is_gone;   /* Nobody reads. */
    u64 written_ns; /* When the last line was. */
};

static void line_send(struct script *s)
{
    buf_append_byte(&s->line, '\n');
    if (http_respond_write(s->x, buf_str(&s->line)) != OK) {
        s->is_gone = true;
    }
    s->written_ns = os_mono_ns(s->console->env.os);
    buf_reset(&s->line);
}

static void line_begin(struct script *s, const char *type)
{
    buf_printf(&s->line, "{\"type\":\"%s\"", type);
}

static void member(struct script *s, const char *name, str value)
{
    buf_append_byte(&s->line, ',');
    console__put(&s->line, name, value);
}

static void line_end(struct script *s)
{
    buf_append_byte(&s->line, '}');
    line_send(s);
}

static void notice_send(struct script *s, str text)
{
    if (text.len > 0) {
        line_begin(s, "notice");
        member(s, "message", text);
        line_end(s);
    }
}

/* --- what a statement gave
 * ------------------------------------------------------------------------------ */

static void table_send(struct script *s, const struct engine_result *result)
{
    line_begin(s, "columns");
    buf_append(&s->line, STR(",\"columns\":["));
    for (isize i = 0; i < result->column_count; i++) {
        buf_append(&s->line, i > 0 ? STR(",{") : STR("{"));
        console__put(&s->line, "name", result->columns[i]);
        buf_append(&s->line, STR(",\"type\":\"STRING\"}"));
    }
    buf_append_byte(&s->line, ']');
    line_end(s);
    for (isize r = 0; r < result->row_count && !s->is_gone; r++) {
        line_begin(s, "row");
        buf_append(&s->line, STR(",\"op\":\"+I\",\"values\":["));
        for (isize i = 0; i < result->column_count; i++) {
            buf_append(&s->line, i > 0 ? STR(",") : STR_EMPTY);
            json_write_string(&s->line, result->cells[r * result->column_count + i]);
        }
        buf_append_byte(&s->line, ']');
        line_end(s);
    }
}

/* The frame with the first record of a shard after the LSN, a reference, and a number at or before
 * that record's; false when there is none. */
static bool seek_after(struct script *s, struct stream *stream, struct log_channel channel, u64 lsn,
                       u64 *no_out, struct log_frame **out)
{
    struct log *log = s->console->env.log;
    if (log_frame_after(log, lsn, out) != OK) {
        return false;
    }
    u64 no = log_frame_first_no(*out);
    log_frame_unref(*out);
    *no_out = MAX(no, stream_pos_horizon(stream, channel.shard));
    return log_frame_seek(log, channel, *no_out, out) == OK;
}

/* The sequence number of the first record of a shard after the LSN; "latest" when none is. */
static void put_position(struct script *s, struct stream *stream, struct log_channel channel,
                         u64 lsn)
{
    char sequence[STREAM_SEQUENCE_DIGITS + 1];
    struct log_frame *frame;
    u64 no;
    if (!seek_after(s, stream, channel, lsn, &no, &frame)) {
        buf_append(&s->line, STR("\"latest\""));
        return;
    }
    struct log_run run;
    struct log_record record = {.no = no};
    if (log_frame_find(frame, channel, &run)) {
        log_run_skip(&run, no);
        (void)log_run_next(&run, &record);
    }
    stream_row_sequence(stream, channel.shard, record.no, log_frame_arrival_ms(frame), sequence);
    buf_printf(&s->line, "\"%s\"", sequence);
    log_frame_unref(frame);
}

/* A closed shard that was read to its end has no position. */
static bool is_over(struct script *s, struct stream *stream, const struct stream_shard *shard,
                    struct log_channel channel, u64 lsn)
{
    struct log_frame *frame;
    u64 no;
    if (shard->closed_ms == 0) {
        return false;
    }
    if (!seek_after(s, stream, channel, lsn, &no, &frame)) {
        return true;
    }
    log_frame_unref(frame);
    return false;
}

static void put_stream_positions(struct script *s, const struct engine_job_source *source,
                                 const struct engine_result *result, isize *count)
{
    struct stream_id id = {s->account, source->region, source->stream};
    struct stream *stream = streams_find(s->console->env.streams, id);
    if (stream == NULL) {
        return;
    }
    struct stream_info info;
    struct stream_shard shard;
    stream_get_info(stream, &info);
    for (i32 i = 0; stream_get_shard(stream, i, &shard) && *count < POSITIONS_MAX; i++) {
        u64 lsn = result->replaced ? MIN(result->old_lsn, result->new_lsn) : result->new_lsn;
        struct log_channel channel = {info.number, shard.index};
        if (is_over(s, stream, &shard, channel, lsn)) {
            continue;
        }
        char shard_id[21];
        stream_shard_format(shard.index, shard_id);
        buf_append(&s->line, *count > 0 ? STR(",{") : STR("{"));
        console__put(&s->line, "stream", source->stream);
        buf_printf(&s->line, ",\"shard_id\":\"%s\",\"old\":", shard_id);
        if (result->replaced) {
            put_position(s, stream, channel, result->old_lsn);
        } else {
            buf_append(&s->line, STR("null"));
        }
        buf_append(&s->line, STR(",\"new\":"));
        put_position(s, stream, channel, result->new_lsn);
        buf_append_byte(&s->line, '}');
        *count += 1;
    }
    stream_unref(stream);
}

static void job_send(struct script *s, const struct engine_result *result)
{
    struct engine_job_info *jobs;
    isize job_count, count = 0;
    line_begin(s, "job");
    member(s, "id", result->job_id);
    member(s, "name", result->job_name);
    buf_printf(&s->line,
               ",\"state\":\"RUNNING\",\"already_running\":%s,\"replaced\":%s,"
               "\"old_lsn\":\"%llu\",\"new_lsn\":\"%llu\",\"positions\":[",
               result->already_running ? "true" : "false", result->replaced ? "true" : "false",
               (unsigned long long)result->old_lsn, (unsigned long long)result->new_lsn);
    engine_jobs_list(s->console->env.engine, s->arena, &jobs, &job_count);
    for (isize i = 0; i < job_count; i++) {
        for (isize k = 0; k < jobs[i].source_count; k++) {
            if (str_eq(jobs[i].id, result->job_id)) {
                put_stream_positions(s, &jobs[i].sources[k], result, &count);
            }
        }
    }
    buf_append_byte(&s->line, ']');
    line_end(s);
}

static void done_send(struct script *s, i64 rows)
{
    line_begin(s, "done");
    buf_printf(&s->line, ",\"rows\":%lld", (long long)rows);
    line_end(s);
}

static void error_send(struct script *s, const struct sql_piece *piece, struct diag *diag)
{
    if (diag->span_start >= 0) {
        diag->span_start += piece->offset;
    }
    line_begin(s, "error");
    buf_append(&s->line, STR(",\"error\":"));
    console__put_error(&s->line, diag, s->text);
    line_end(s);
}

/* --- a SELECT
 * -------------------------------------------------------------------------------------------- */

static bool on_row(void *ctx, str values)
{
    struct script *s = ctx;
    line_begin(s, "row");
    buf_append(&s->line, STR(",\"op\":\"+I\",\"values\":"));
    buf_append(&s->line, values);
    line_end(s);
    return !s->is_gone;
}

static bool goes_on(void *ctx)
{
    struct script *s = ctx;
    if (os_mono_ns(s->console->env.os) - s->written_ns > BEAT_NS) {
        line_send(s); /* An empty line: only a write shows that the client has gone. */
    }
    s->is_gone = s->is_gone || http_is_gone(s->x);
    return !s->is_gone && !console__is_stopping(s->console) &&
           !console__session_is_ended(s->console, s->session);
}

static void query_columns_send(struct script *s, const struct engine_query *query)
{
    isize count;
    const struct type_field *fields = engine_query_fields(query, &count);
    line_begin(s, "columns");
    buf_append(&s->line, STR(",\"live\":true,\"columns\":["));
    for (isize i = 0; i < count; i++) {
        struct buf type = {0};
        type_format(fields[i].type, &type);
        buf_append(&s->line, i > 0 ? STR(",{") : STR("{"));
        console__put(&s->line, "name", fields[i].name);
        buf_append_byte(&s->line, ',');
        console__put(&s->line, "type", buf_str(&type));
        buf_append_byte(&s->line, '}');
        buf_deinit(&type);
    }
    buf_append_byte(&s->line, ']');
    line_end(s);
}

/* It holds a place of those who follow something, for as long as it runs. */
static err query_run(struct script *s, struct engine_query *query, struct diag *diag)
{
    static const struct engine_query_ops ops = {on_row, goes_on};
    TRY(console__tail_enter(s->console, CONSOLE_TAILS_MAX, diag));
    query_columns_send(s, query);
    err e = engine_query_run(query, &ops, s, diag);
    console__tail_leave(s->console);
    u64 skipped = engine_query_skipped(query);
    if (e == OK && skipped > 0) {
        notice_send(s, arena_printf(s->arena, "%llu records could not be read and are left out",
                                    (unsigned long long)skipped));
    }
    if (e == OK) {
        done_send(s, (i64)engine_query_row_count(query));
    }
    return e;
}

/* --- the script
 * ------------------------------------------------------------------------------------------ */

static err statement_run(struct script *s, const struct sql_piece *piece, struct diag *diag)
{
    struct engine_result result;
    err e = engine_execute(s->session, piece->text, &s->options, s->arena, &result, diag);
    if (e != OK) {
        return diag_set(diag, e, "API003", "%s", err_text(e));
    }
    notice_send(s, result.notice);
    if (result.kind == ENGINE_RESULT_QUERY) {
        e = query_run(s, result.query, diag);
        engine_query_free(result.query);
        return e == OK ? OK : diag_set(diag, e, "API003", "%s", err_text(e));
    }
    if (result.kind == ENGINE_RESULT_TABLE) {
        table_send(s, &result);
    } else if (result.kind == ENGINE_RESULT_JOB) {
        job_send(s, &result);
    }
    done_send(s, result.row_count);
    return OK;
}

static i64 line_of(str text, isize offset)
{
    i64 line = 1;
    for (isize i = 0; i < offset && i < text.len; i++) {
        line += text.data[i] == '\n';
    }
    return line;
}

/* Statement by statement; the first error ends the script. */
static void script_run(struct script *s)
{
    struct sql_piece *pieces;
    isize count;
    err e = OK;
    engine_split(s->arena, s->text, &pieces, &count);
    for (isize i = 0; i < count && e == OK && !s->is_gone; i++) {
        struct diag diag;
        diag_init(&diag);
        str_copy_cstr(s->file, diag.origin, ORIGIN_BYTES);
        line_begin(s, "statement");
        buf_printf(&s->line, ",\"index\":%td,\"line\":%lld", i,
                   (long long)line_of(s->text, pieces[i].offset));
        line_end(s);
        e = statement_run(s, &pieces[i], &diag);
        if (e != OK) {
            error_send(s, &pieces[i], &diag);
        }
    }
}

static err mode_read(str text, enum engine_mode *out, struct diag *diag)
{
    static const char *const names[] = {"start", "restart", "again"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (text.len == 0 || str_eq(text, str_of(names[i]))) {
            *out = (enum engine_mode)i;
            return OK;
        }
    }
    return diag_set(diag, ERR_INVALID, "API015",
                    "\"mode\" is start, restart or again, not \"" STR_FMT "\"", STR_ARG(text));
}

static err request_read(struct script *s, const struct json_value **body, struct diag *diag)
{
    TRY(console__body_json(s->x, body, diag));
    s->text = json_get_text(*body, STR("sql"));
    s->file = console__text_or(*body, "file", STR("statement"));
    s->account = console__text_or(*body, "account", STR(CONSOLE_ACCOUNT));
    s->options.from = json_get_text(*body, STR("from"));
    s->options.name = json_get_text(*body, STR("name"));
    s->options.keeps_tables = json_get_bool(*body, STR("keep_tables"), false);
    bool is_word = s->options.from.len == 0 || str_eq(s->options.from, STR("latest")) ||
                   str_eq(s->options.from, STR("trim-horizon"));
    i64 ms;
    if (!is_word) { /* Before any statement takes effect. */
        TRY(engine_time_parse(s->options.from, &ms, diag));
    }
    TRY(mode_read(json_get_text(*body, STR("mode")), &s->options.mode, diag));
    if (str_trim(s->text).len == 0) {
        return diag_set(diag, ERR_INVALID, "API015", "there is no SQL statement");
    }
    return OK;
}

static void run_sql(struct http_exchange *x, void *ctx)
{
    struct script s = {.console = ctx, .x = x, .arena = http_arena(x)};
    struct diag diag;
    const struct json_value *body = NULL;
    diag_init(&diag);
    err e = request_read(&s, &body, &diag);
    str name = json_get_text(body, STR("session"));
    if (e == OK) {
        str region = console__text_or(body, "region", STR("us-east-1"));
        e = console__session_take(s.console, name, s.account, region, &s.session, &diag);
    }
    if (e != OK) {
        console_respond_error(x, e, &diag);
        return;
    }
    struct http_field fields[] = {
        {STR("Content-Type"), STR("application/x-ndjson")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_respond_start(x, 200, fields, COUNT_OF(fields), -1);
    script_run(&s);
    console__session_give(s.console, s.session);
    buf_deinit(&s.line);
    http_respond_end(x);
}

void console__handle_sql(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, run_sql, ctx);
}
