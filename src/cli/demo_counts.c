/* cli/demo_counts.c: one look at the running pipeline. */
#include "cli/api.h"
#include "cli/demo_int.h"

static u64 number(const struct json_value *object, const char *name)
{
    return (u64)json_get_i64(object, str_of(name), 0);
}

static int streams_read(struct arena *arena, struct demo_counts *out)
{
    const struct json_value *body = NULL;
    int code = api_json(arena, "GET", "/_leat/api/streams", STR_EMPTY, &body);
    for (const struct json_value *s = json_first(json_get(body, STR("streams"))); s != NULL;
         s = json_next(s)) {
        str name = json_get_text(s, STR("name"));
        if (str_eq(name, STR(DEMO_STREAM_ONE))) {
            out->one = number(s, "records_in");
            out->one_bytes = number(s, "bytes_in");
        } else if (str_eq(name, STR(DEMO_STREAM_TWO))) {
            out->two = number(s, "records_in");
        } else if (str_eq(name, STR("leat-dead-letters"))) {
            out->dead_letters = number(s, "records_in");
        }
    }
    return code;
}

static void problem_read(const struct json_value *job, const struct json_value *sink,
                         struct demo_counts *out)
{
    str problem = json_get_text(job, STR("reason"));
    problem = problem.len > 0 ? problem : json_get_text(sink, STR("problem"));
    if (problem.len > 0) {
        str_copy_cstr(problem, out->problem, (isize)sizeof out->problem);
    }
}

static void job_read(const struct json_value *job, struct demo_counts *out)
{
    const struct json_value *sink = json_first(json_get(job, STR("sinks")));
    str table = json_get_text(sink, STR("table"));
    problem_read(job, sink, out);
    out->lag_ms = MAX(out->lag_ms, json_get_i64(job, STR("lag_ms"), 0));
    if (str_eq(table, STR("us_accidents_stream_1_results"))) {
        out->founding_in = number(job, "rows_in");
        out->founding_out = number(job, "rows_out");
        out->watermark_ms = json_get_i64(job, STR("watermark_ms"), INT64_MIN);
    } else if (str_eq(table, STR("raw_archive"))) {
        out->archive_in = number(job, "rows_in");
        out->archive_delivered = number(sink, "delivered_rows");
    } else if (str_eq(table, STR("accident_metrics"))) {
        out->metrics_in = number(job, "rows_in");
        out->metrics_out = number(sink, "rows");
        out->metrics_delivered = number(sink, "delivered_rows");
        out->series_left_out = number(sink, "left_out");
    } else if (str_eq(table, STR("accident_alerts"))) {
        out->alerts_in = number(job, "rows_in");
        out->mails_out = number(sink, "rows");
        out->mails_delivered = number(sink, "delivered_rows");
    }
}

static int jobs_read(struct arena *arena, struct demo_counts *out)
{
    const struct json_value *body = NULL;
    int code = api_json(arena, "GET", "/_leat/api/jobs", STR_EMPTY, &body);
    for (const struct json_value *job = json_first(json_get(body, STR("jobs"))); job != NULL;
         job = json_next(job)) {
        job_read(job, out);
    }
    return code;
}

static int archive_read(struct arena *arena, struct demo_counts *out)
{
    const struct json_value *body = NULL;
    int code = api_json(arena, "GET", "/_aws/s3/usage", STR_EMPTY, &body);
    for (const struct json_value *b = json_first(json_get(body, STR("buckets"))); b != NULL;
         b = json_next(b)) {
        if (str_eq(json_get_text(b, STR("name")), STR(DEMO_ARCHIVE))) {
            out->archive_objects = number(b, "objects");
            out->archive_bytes = number(b, "bytes");
        }
    }
    return code;
}

static int mail_read(struct arena *arena, struct demo_counts *out)
{
    const struct json_value *body = NULL;
    int code =
        api_json(arena, "GET", "/_aws/sns/inbox?region=" DEMO_REGION "&limit=1", STR_EMPTY, &body);
    const struct json_value *mail = json_first(json_get(body, STR("messages")));
    str_copy_cstr(json_get_text(mail, STR("subject")), out->last_mail,
                  (isize)sizeof out->last_mail);
    return code;
}

static int replay_read(const struct demo *demo, struct arena *arena, struct demo_counts *out)
{
    const struct json_value *body = NULL;
    str path = arena_printf(arena, "/_leat/api/replays/%s", demo->replay_id);
    int code = api_json(arena, "GET", (const char *)path.data, STR_EMPTY, &body);
    out->replay_rows = number(body, "rows");
    out->replay_bad = number(body, "rows_bad");
    out->replay_bytes = number(body, "bytes_out");
    out->is_replay_done = str_eq(json_get_text(body, STR("state")), STR("DONE"));
    if (str_eq(json_get_text(body, STR("state")), STR("FAILED"))) {
        problem_read(body, NULL, out);
    } else {
        str_copy_cstr(json_get_text(body, STR("problem")), out->problem,
                      (isize)sizeof out->problem);
    }
    return code;
}

int demo_counts_read(const struct demo *demo, struct demo_counts *out)
{
    struct arena arena = {0};
    *out = (struct demo_counts){.watermark_ms = INT64_MIN};
    int code = replay_read(demo, &arena, out);
    code = code != EXIT_OK ? code : streams_read(&arena, out);
    code = code != EXIT_OK ? code : jobs_read(&arena, out);
    code = code != EXIT_OK ? code : archive_read(&arena, out);
    code = code != EXIT_OK ? code : mail_read(&arena, out);
    arena_deinit(&arena);
    return code;
}
