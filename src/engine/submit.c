/* engine/submit.c: INSERT and statement sets become durable jobs. */
#include "engine/engine_int.h"

#include "base/cal.h"
#include "base/hash.h"

#include <stdio.h>

/* --- what the job keeps
 * ------------------------------------------------------------------------------- */

/* Adds the table's CREATE text once. */
static void table_keep(struct engine_job *job, const struct table_def *def)
{
    struct buf text = {0};
    sql_format_create_whole(def, &text);
    for (isize i = 0; i < job->table_count; i++) {
        if (str_eq(job->table_texts[i], buf_str(&text))) {
            buf_deinit(&text);
            return;
        }
    }
    job->table_texts =
        arena_grow(&job->arena, job->table_texts, job->table_count, (isize)sizeof(str));
    job->table_texts[job->table_count++] = arena_copy(&job->arena, buf_str(&text));
    buf_deinit(&text);
}

static void tables_keep(struct engine_job *job, const struct rel *rel)
{
    if (rel->table != NULL) {
        table_keep(job, rel->table);
    }
    for (isize i = 0; i < rel->input_count; i++) {
        tables_keep(job, rel->inputs[i]);
    }
}

/* The views that planning looked up are kept too: the text is planned again at each start. A view
 * is looked up before those that it reads, which must be made first. */
static void views_keep(struct engine_job *job, const struct engine_lookup *lookup)
{
    for (isize i = lookup->view_count; i > 0; i--) {
        table_keep(job, lookup->views[i - 1]);
    }
}

/* --- positions
 * ------------------------------------------------------------------------------------------ */

/* Seconds, a fraction, which is cut to milliseconds, and a Z may be absent. */
static bool time_read(const char *text, struct cal *out)
{
    int v[6] = {0}, end = 0;
    char mark = 0;
    const char *at = text;
    if (sscanf(at, "%4d-%2d-%2d%c%2d:%2d%n", &v[0], &v[1], &v[2], &mark, &v[3], &v[4], &end) != 6) {
        return false;
    }
    at += end;
    end = 0;
    if (sscanf(at, ":%2d%n", &v[5], &end) == 1) {
        at += end;
    }
    i32 unit = 100000000, nanos = 0;
    if (*at == '.' && end > 0) {
        for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10) {
            nanos += (*at - '0') * unit;
        }
    }
    at += *at == 'Z';
    *out = (struct cal){v[0], v[1], v[2], v[3], v[4], v[5], nanos};
    bool is_date =
        v[0] >= 0 && v[1] >= 1 && v[1] <= 12 && v[2] >= 1 && v[2] <= cal_month_days(v[0], v[1]);
    bool is_clock = v[3] >= 0 && v[3] < 24 && v[4] >= 0 && v[4] < 60 && v[5] >= 0 && v[5] < 60;
    return *at == '\0' && (mark == 'T' || mark == ' ') && is_date && is_clock;
}

err engine_time_parse(str text, i64 *ms_out, struct diag *diag)
{
    struct cal cal;
    char copy[40];
    str_copy_cstr(text, copy, (isize)sizeof copy);
    if (text.len >= (isize)sizeof copy || !time_read(copy, &cal)) {
        (void)diag_set(diag, ERR_INVALID, "ENG041",
                       "\"" STR_FMT "\" is neither latest, trim-horizon nor a time", STR_ARG(text));
        diag_hint(diag, "a time is UTC: 2026-11-24T01:02:03");
        return ERR_INVALID;
    }
    *ms_out = cal_to_us(&cal) / 1000;
    return OK;
}

/* LSN of the last frame before the first record that arrived at or after `ms`. */
static err time_lsn(struct engine *engine, const struct engine_source *source, i64 ms, u64 *out)
{
    struct stream_info info;
    stream_get_info(source->stream, &info);
    *out = log_tip(engine->log);
    for (i32 i = 0; i < info.shard_count; i++) {
        struct stream_shard shard;
        if (!stream_get_shard(source->stream, i, &shard)) {
            break;
        }
        struct log_channel channel = {info.number, shard.index};
        u64 record_no;
        TRY(log_seek_time(engine->log, channel, ms, &record_no));
        struct log_frame *frame;
        err e = log_frame_seek(engine->log, channel, record_no, &frame);
        if (e == ERR_END) {
            continue;
        }
        TRY(e);
        *out = MIN(*out, log_frame_lsn(frame) - 1);
        log_frame_unref(frame);
    }
    return OK;
}

static err source_start(struct engine *engine, const struct engine_source *source, str from,
                        u64 *out, struct diag *diag)
{
    if (source->landing != NULL) {
        *out = log_tip(engine->log);
        return OK;
    }
    enum connect_start start = source->place.start;
    i64 ms = source->place.start_ms;
    if (str_eq(from, STR("latest"))) {
        start = CONNECT_LATEST;
    } else if (str_eq(from, STR("trim-horizon"))) {
        start = CONNECT_TRIM_HORIZON;
    } else if (from.len > 0) {
        start = CONNECT_AT_TIMESTAMP;
        TRY(engine_time_parse(from, &ms, diag));
    }
    switch (start) {
    case CONNECT_TRIM_HORIZON:
        *out = 0;
        return OK;
    case CONNECT_AT_TIMESTAMP:
        return time_lsn(engine, source, ms, out);
    case CONNECT_LATEST:
    default:
        *out = log_tip(engine->log);
        return OK;
    }
}

err engine__starts_set(struct engine_job *job, str from, struct diag *diag)
{
    job->start_count = job->source_count;
    job->start_lsns = ARENA_ARRAY(&job->arena, u64, MAX(job->source_count, 1));
    job->position = job->source_count == 0 ? 0 : UINT64_MAX;
    for (isize i = 0; i < job->source_count; i++) {
        TRY(source_start(job->engine, &job->sources[i], from, &job->start_lsns[i], diag));
        job->sources[i].start_lsn = job->start_lsns[i];
        job->position = MIN(job->position, job->start_lsns[i]);
    }
    return OK;
}

/* --- submitting
 * ------------------------------------------------------------------------------------------- */

/* The job that replaces `old` starts where that one stands. */
static void take_over(struct engine_job *job, const struct engine_job *old)
{
    for (isize i = 0; i < job->start_count; i++) {
        u64 begun = i < old->source_count ? old->sources[i].start_lsn : 0;
        job->start_lsns[i] = MAX(old->position, begun); /* It may not have begun there yet. */
        job->sources[i].start_lsn = job->start_lsns[i];
    }
    job->position = old->position;
}

/* The one that runs; for a restart else the newest that was stopped or has failed. One that was
 * replaced has its successor. */
static struct engine_job *same_job(struct engine *engine, u64 fingerprint, enum engine_mode mode)
{
    struct engine_job *ended = NULL;
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        if (job->fingerprint != fingerprint) {
            continue;
        }
        if (job->state == ENGINE_RUNNING) {
            return job;
        }
        if (job->state == ENGINE_FINISHED || str_eq(str_of(job->reason), STR(ENGINE_REPLACED))) {
            ended = NULL; /* What came before it is over. */
        } else {
            ended = job;
        }
    }
    return mode == ENGINE_RESTART ? ended : NULL;
}

void engine__settings_keep(struct engine_session *session, struct engine_job *job)
{
    job->settings = ARENA_ARRAY(&job->arena, struct engine_setting, session->setting_count + 1);
    for (isize i = 0; i < session->setting_count; i++) {
        const struct engine_setting *setting = &session->settings[i];
        job->settings[job->setting_count++] = (struct engine_setting){
            arena_copy(&job->arena, setting->key), arena_copy(&job->arena, setting->value)};
        job->fingerprint = hash64(setting->key.data, setting->key.len, job->fingerprint);
        job->fingerprint = hash64(setting->value.data, setting->value.len, job->fingerprint);
    }
}

static void result_set(struct engine_result *out, struct arena *arena, const struct engine_job *job)
{
    out->kind = ENGINE_RESULT_JOB;
    out->job_id = arena_copy(arena, str_of(job->id_text));
    out->job_name = arena_copy(arena, job->name);
    out->new_lsn = job->position;
}

static str name_make(struct engine_job *job, const struct engine_options *options)
{
    if (options->name.len > 0) {
        return arena_copy(&job->arena, options->name);
    }
    str sink = job->sink_count > 0 ? job->sinks[0].rel->table->name : STR("job");
    return arena_printf(&job->arena, "insert-into_" STR_FMT, STR_ARG(sink));
}

static void job_append(struct engine *engine, struct engine_job *job)
{
    struct engine_job **at = &engine->jobs;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = job;
    engine->job_count++;
}

/* Plans with the session's catalog to learn which tables the job needs. */
static err tables_collect(struct engine_session *session, struct engine_job *job,
                          const struct sql_statement *statement, struct diag *diag)
{
    struct engine_lookup lookup = {.lists = {&session->temporary, &session->engine->tables},
                                   .settings = session->settings,
                                   .setting_count = session->setting_count,
                                   .views_arena = &job->arena};
    struct catalog_ops ops;
    engine__lookup_names(&lookup, &job->arena);
    engine__catalog_ops(&lookup, &ops);
    bool is_set = statement->kind == SQL_STATEMENT_SET;
    isize count = is_set ? statement->inner_count : 1;
    for (isize i = 0; i < count; i++) {
        struct plan plan;
        TRY(sql_plan(&job->arena, is_set ? &statement->inner[i] : statement, &ops, &plan, diag));
        tables_keep(job, plan.root);
    }
    views_keep(job, &lookup);
    return OK;
}

static err replace_old(struct engine_job *job, const struct engine_options *options,
                       struct engine_job *old, struct engine_result *out, struct diag *diag)
{
    engine__job_join(old);
    out->old_lsn = old->position;
    err e = OK;
    if (options->from.len == 0) {
        take_over(job, old);
        e = job->is_stateful ? engine__snapshot_adopt(job, old, diag) : OK;
    }
    if (e == OK) {
        e = engine__log_job(job->engine, job, old);
    }
    if (e != OK) {
        engine__job_go_on(old);
        return e;
    }
    out->replaced = true;
    os_mutex_lock(&old->lock);
    old->state = ENGINE_STOPPED;
    str_copy_cstr(STR(ENGINE_REPLACED), old->reason, (isize)sizeof old->reason);
    os_mutex_unlock(&old->lock);
    engine__job_drain(old);
    engine__piece_files_free(&old->piece_files[0]);
    engine__piece_files_free(&old->piece_files[1]);
    engine__snapshots_sweep(old, 0, 0); /* Nobody goes back to them. */
    return OK;
}

static err submit(struct engine_session *session, struct engine_job *job,
                  const struct engine_options *options, struct arena *arena,
                  struct engine_result *out, struct diag *diag)
{
    struct engine *engine = session->engine;
    if (engine__jobs_running(engine) >= ENGINE_JOBS_MAX) {
        (void)diag_set(diag, ERR_LIMIT, "ENG042", "%d jobs are running, which is the most allowed",
                       ENGINE_JOBS_MAX);
        diag_hint(diag, "leat job list shows them, leat job stop ID stops one");
        return ERR_LIMIT;
    }
    struct engine_job *old = same_job(engine, job->fingerprint, options->mode);
    if (old != NULL && options->mode == ENGINE_START) {
        result_set(out, arena, old);
        out->already_running = true;
        return ERR_EXISTS;
    }
    job->id = engine->next_job;
    TRY(engine__job_prepare(job, diag));
    job->name = name_make(job, options);
    TRY(engine__starts_set(job, options->from, diag));
    bool replaces = old != NULL && options->mode == ENGINE_RESTART;
    job->snapshot_no = job->journal_floor_no =
        log_channel_tip(engine->log, (struct log_channel){0, LOG_CONTROL_JOURNAL});
    u64 all = streams_hold(engine->streams, 0); /* Until the job itself holds its input. */
    err e =
        replaces ? replace_old(job, options, old, out, diag) : engine__log_job(engine, job, NULL);
    if (e == OK) {
        engine->next_job++;
        job_append(engine, job);
        result_set(out, arena, job);
        engine__jobs_prune(engine);
        engine__job_start(job);
    }
    streams_hold_release(engine->streams, all);
    return e == OK
               ? OK
               : diag_set(diag, e, "ENG043", "the job could not be written down: %s", err_text(e));
}

err engine__submit(struct engine_session *session, const struct sql_statement *statement,
                   const struct engine_options *options, struct arena *arena,
                   struct engine_result *out, struct diag *diag)
{
    struct engine *engine = session->engine;
    struct engine_job *job = engine__job_new(engine);
    job->account = arena_copy(&job->arena, session->account);
    job->region = arena_copy(&job->arena, session->region);
    job->sql = arena_copy(&job->arena, str_trim(statement->text));
    job->created_ms = os_wall_us(engine->os) / 1000;
    os_mutex_lock(&engine->lock);
    err e = tables_collect(session, job, statement, diag);
    job->fingerprint = hash64(job->sql.data, job->sql.len, 1);
    for (isize i = 0; i < job->table_count; i++) {
        str text = job->table_texts[i];
        job->fingerprint = hash64(text.data, text.len, job->fingerprint);
    }
    engine__settings_keep(session, job);
    job->fingerprint = hash64(job->region.data, job->region.len, job->fingerprint) >> 1;
    if (e == OK) {
        e = submit(session, job, options, arena, out, diag);
    }
    os_mutex_unlock(&engine->lock);
    if (e != OK) {
        engine__job_free(job);
    }
    return e == ERR_EXISTS && out->already_running ? OK : e;
}
