/* console/api_jobs.c: jobs: list, one, stop. */
#include "console/console_int.h"

static const char *const state_names[] = {"RUNNING", "FAILED", "STOPPED", "FINISHED", "DELIVERING"};

static void put_delivery(struct buf *out, const struct engine_job_source *sink)
{
    buf_printf(out,
               ",\"rows\":%llu,\"bytes\":%llu,\"delivered_rows\":%llu,\"delivered_bytes\":%llu,"
               "\"rejected_rows\":%llu,\"retries\":%llu,\"oldest_undelivered_ms\":%lld,",
               (unsigned long long)sink->rows, (unsigned long long)sink->bytes,
               (unsigned long long)sink->delivered_rows, (unsigned long long)sink->delivered_bytes,
               (unsigned long long)sink->rejected_rows, (unsigned long long)sink->retries,
               (long long)sink->oldest_undelivered_ms);
    console__put(out, "problem", sink->problem);
    if (sink->left_out > 0) {
        buf_printf(out, ",\"left_out\":%llu,", (unsigned long long)sink->left_out);
        console__put(out, "left_out_first", sink->left_out_first);
    }
}

static void put_ends(struct buf *out, const struct engine_job_source *ends, isize count,
                     bool is_sink)
{
    buf_append_byte(out, '[');
    for (isize i = 0; i < count; i++) {
        buf_append(out, i > 0 ? STR(",{") : STR("{"));
        console__put(out, "table", ends[i].table);
        buf_append_byte(out, ',');
        console__put(out, is_sink ? "target" : "stream", ends[i].stream);
        buf_append_byte(out, ',');
        console__put(out, "kind", ends[i].kind);
        buf_append_byte(out, ',');
        console__put(out, "region", ends[i].region);
        if (ends[i].is_delivered) {
            put_delivery(out, &ends[i]);
        } else if (ends[i].problem.len > 0) {
            buf_append_byte(out, ',');
            console__put(out, "problem", ends[i].problem);
        }
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ']');
}

static void put_job(struct buf *out, const struct engine_job_info *job)
{
    buf_append_byte(out, '{');
    console__put(out, "id", job->id);
    buf_append_byte(out, ',');
    console__put(out, "name", job->name);
    buf_printf(out, ",\"state\":\"%s\",", state_names[job->state]);
    console__put(out, "reason", job->reason);
    buf_append_byte(out, ',');
    console__put(out, "sql", job->sql);
    buf_append(out, STR(",\"sources\":"));
    put_ends(out, job->sources, job->source_count, false);
    buf_append(out, STR(",\"sinks\":"));
    put_ends(out, job->sinks, job->sink_count, true);
    if (job->watermark_ms != INT64_MIN) {
        buf_printf(out, ",\"watermark_ms\":%lld", (long long)job->watermark_ms);
    }
    buf_printf(out,
               ",\"created_ms\":%lld,\"lag_ms\":%lld,\"rows_in\":%llu,\"rows_out\":%llu,"
               "\"rows_filtered\":%llu,\"rows_late\":%llu,\"dead_letters\":%llu,\"bytes_in\":%llu,"
               "\"bytes_out\":%llu,"
               "\"steps\":%llu,\"position_lsn\":\"%llu\",\"tip_lsn\":\"%llu\"}",
               (long long)job->created_ms, (long long)job->lag_ms, (unsigned long long)job->rows_in,
               (unsigned long long)job->rows_out, (unsigned long long)job->rows_filtered,
               (unsigned long long)job->late_rows, (unsigned long long)job->dead_letters,
               (unsigned long long)job->bytes_in, (unsigned long long)job->bytes_out,
               (unsigned long long)job->steps, (unsigned long long)job->position_lsn,
               (unsigned long long)job->tip_lsn);
}

/* Those that `id` names; empty: all. Returns how many. */
static isize put_jobs(struct console *console, str id, struct buf *out)
{
    isize put_count = 0;
    struct arena arena = {0};
    struct engine_job_info *jobs;
    isize count;
    engine_jobs_list(console->env.engine, &arena, &jobs, &count);
    buf_append_byte(out, '[');
    for (isize i = 0; i < count; i++) {
        if (id.len == 0 || str_eq(id, jobs[i].id)) {
            buf_append(out, put_count > 0 ? STR(",") : STR_EMPTY);
            put_job(out, &jobs[i]);
            put_count++;
        }
    }
    buf_append_byte(out, ']');
    arena_deinit(&arena);
    return put_count;
}

void console__put_jobs(struct console *console, struct buf *out)
{
    (void)put_jobs(console, STR_EMPTY, out);
}

void console__handle_jobs(struct http_exchange *x, void *ctx)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"jobs\":"));
    console__put_jobs(ctx, &body);
    buf_append_byte(&body, '}');
    console__respond_json(x, 200, &body);
}

static void absent(struct http_exchange *x, str id)
{
    struct diag diag;
    diag_init(&diag);
    (void)diag_set(&diag, ERR_NOT_FOUND, "API002", "there is no job \"" STR_FMT "\"", STR_ARG(id));
    diag_hint(&diag, "leat job list shows the jobs");
    console_respond_error(x, ERR_NOT_FOUND, &diag);
}

void console__handle_job(struct http_exchange *x, void *ctx)
{
    str id;
    if (!console__path_middle(x, "/_leat/api/jobs/", "", &id)) {
        console__respond_no_path(x);
        return;
    }
    struct buf body = {0};
    buf_append(&body, STR("{\"jobs\":"));
    if (put_jobs(ctx, id, &body) == 0) {
        buf_deinit(&body);
        absent(x, id);
        return;
    }
    buf_append_byte(&body, '}');
    console__respond_json(x, 200, &body);
}

/* POST /_leat/api/jobs/ID/stop, on a worker: it waits for the step under way. */
static void stop_job(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    str id;
    diag_init(&diag);
    if (!console__path_middle(x, "/_leat/api/jobs/", "/stop", &id)) {
        console__respond_no_path(x);
        return;
    }
    err e = engine_job_stop(console->env.engine, id, &diag);
    if (e != OK) {
        (void)diag_set(&diag, e, "API002", "job \"" STR_FMT "\": %s", STR_ARG(id), err_text(e));
        console_respond_error(x, e, &diag);
        return;
    }
    struct buf body = {0};
    buf_append_byte(&body, '{');
    console__put(&body, "id", id);
    buf_append(&body, STR(",\"state\":\"STOPPED\"}"));
    console__respond_json(x, 200, &body);
}

void console__handle_job_post(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, stop_job, ctx);
}
