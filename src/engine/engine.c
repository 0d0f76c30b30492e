/* engine/engine.c: opening and closing, sessions, and the list of jobs. */
#include "engine/engine_int.h"

#include "base/hash.h"
#include "base/metric.h"
#include "base/trace.h"
#include "engine/landing.h"
#include "engine/outbox.h"

#include <stdio.h>

enum { ZONE_BYTES_MAX = 1 << 20 };

/* IANA zones from the system's files; `name` was checked by func to hold no dots or slashes at its
 * front. */
static err zone_load(void *ctx, const char *name, struct arena *arena, str *out)
{
    struct os *os = ctx;
    char path[256];
    if (strstr(name, "..") != NULL || name[0] == '/' ||
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name) >= (int)sizeof path) {
        return ERR_NOT_FOUND;
    }
    return os_read_file(os, path, ZONE_BYTES_MAX, arena, out);
}

static void on_publish(void *ctx, const struct log_frame *frame)
{
    (void)frame;
    struct engine *engine = ctx;
    os_mutex_lock(&engine->wake_lock);
    os_cond_broadcast(&engine->wake);
    os_mutex_unlock(&engine->wake_lock);
}

/* --- metrics
 * ------------------------------------------------------------------------------------------- */

static void job_sample(struct metric_snapshot *s, const struct engine_job *job,
                       enum metric_kind kind, const char *name, const char *help, double value)
{
    struct metric_label labels[] = {{"job", str_of(job->id_text)}, {"name", job->name}};
    struct metric_family family = {kind, name, help};
    metric_sample(s, &family, labels, COUNT_OF(labels), value);
}

static void job_histogram(struct metric_snapshot *s, const struct engine_job *job, const char *name,
                          const char *help, const struct metric_histogram *histogram)
{
    struct metric_label labels[] = {{"job", str_of(job->id_text)}, {"name", job->name}};
    struct metric_family family = {METRIC_HISTOGRAM, name, help};
    metric_sample_histogram(s, &family, labels, COUNT_OF(labels), histogram);
}

static double lag_seconds(struct engine_job *job)
{
    i64 since = __atomic_load_n(&job->behind_since_ms, __ATOMIC_RELAXED);
    if (since == 0 || job->state != ENGINE_RUNNING) {
        return 0;
    }
    return (double)MAX(os_wall_us(job->engine->os) / 1000 - since, 0) / 1000;
}

static void collect_job(struct metric_snapshot *s, struct engine_job *job)
{
    static const struct {
        const char *name, *help;
        isize offset;
    } counters[] = {
        {"leat_job_rows_in_total", "Rows read.", offsetof(struct engine_counters, rows_in)},
        {"leat_job_rows_out_total", "Rows written.", offsetof(struct engine_counters, rows_out)},
        {"leat_job_rows_filtered_total", "Rows that a filter dropped.",
         offsetof(struct engine_counters, rows_filtered)},
        {"leat_job_dead_letters_total", "Records that became dead letters.",
         offsetof(struct engine_counters, dead_letters)},
        {"leat_job_empty_messages_total", "Empty, blank and null messages.",
         offsetof(struct engine_counters, empty_messages)},
        {"leat_job_bytes_in_total", "Bytes of record data read.",
         offsetof(struct engine_counters, bytes_in)},
        {"leat_job_bytes_out_total", "Bytes of record data written.",
         offsetof(struct engine_counters, bytes_out)},
        {"leat_job_late_rows_total", "Rows that came after their window had fired.",
         offsetof(struct engine_counters, late_rows)},
        {"leat_job_snapshots_total", "Snapshots of state that were taken.",
         offsetof(struct engine_counters, snapshots)},
        {"leat_job_snapshot_bytes_total", "Bytes that snapshots wrote.",
         offsetof(struct engine_counters, snapshot_bytes)},
        {"leat_job_steps_total", "Steps that were committed.",
         offsetof(struct engine_counters, steps)},
    };
    for (isize i = 0; i < COUNT_OF(counters); i++) {
        const u8 *at = (const u8 *)&job->counters + counters[i].offset;
        const u64 *counter = (const u64 *)(const void *)at;
        job_sample(s, job, METRIC_COUNTER, counters[i].name, counters[i].help,
                   (double)metric_load(counter));
    }
    job_sample(s, job, METRIC_GAUGE, "leat_job_running", "1 while the job runs.",
               job->state == ENGINE_RUNNING ? 1 : 0);
    job_sample(s, job, METRIC_GAUGE, "leat_job_lag_seconds",
               "How long unread input has been waiting.", lag_seconds(job));
    job_histogram(s, job, "leat_job_step_seconds", "Time that a step took, its commit included.",
                  &job->step_times);
    job_histogram(s, job, "leat_job_end_to_end_seconds",
                  "From the arrival of a step's oldest record until what it wrote is readable.",
                  &job->way_through);
    i64 watermark = __atomic_load_n(&job->watermark_ms, __ATOMIC_RELAXED);
    if (watermark != INT64_MIN) {
        job_sample(s, job, METRIC_GAUGE, "leat_job_watermark_seconds",
                   "Watermark as seconds since 1970.", (double)watermark / 1000);
    }
}

static void collect(struct metric_snapshot *s, void *ctx)
{
    struct engine *engine = ctx;
    os_mutex_lock(&engine->lock);
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        collect_job(s, job);
    }
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        engine__outbox_collect(s, job);
    }
    os_mutex_unlock(&engine->lock);
}

/* LEAT_STEP_FRAMES=1 makes many small steps, for tests that end the process between them. */
static isize step_frames(void)
{
    const char *text = os_getenv("LEAT_STEP_FRAMES");
    i64 count = ENGINE_STEP_FRAMES_MAX;
    bool is_set = text != NULL && str_to_i64(str_of(text), &count) == OK;
    return is_set && count >= 1 && count <= ENGINE_STEP_FRAMES_MAX ? (isize)count
                                                                   : ENGINE_STEP_FRAMES_MAX;
}

/* LEAT_RESTATE_RECORDS=N: catalog, journal and cursors of outboxes are restated after N records,
 * for tests. */
static u64 restate_records(void)
{
    const char *text = os_getenv("LEAT_RESTATE_RECORDS");
    i64 count = 0;
    bool is_set = text != NULL && str_to_i64(str_of(text), &count) == OK && count > 0;
    return is_set ? (u64)count : ENGINE_RESTATE_RECORDS;
}

static bool control_is_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)arrival_ms;
    bool is_outbox = channel.shard == LOG_CONTROL_OUTBOX || channel.shard >= OUTBOX_CHANNEL_BASE;
    return is_outbox ? engine__outbox_is_live(ctx, channel, last_no)
                     : engine__control_is_live(ctx, channel, last_no);
}

/* --- open and close
 * --------------------------------------------------------------------------------------- */

static void jobs_resume(struct engine *engine)
{
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        struct diag diag;
        diag_init(&diag);
        err e = engine__job_prepare(job, &diag);
        if (job->state != ENGINE_RUNNING) {
            engine__replay_free(job->replay);
            job->replay = NULL;
            if (e == OK) {
                engine__job_deliver(job);
            }
            continue;
        }
        if (e != OK) {
            engine__job_fail(job, diag.message);
            continue;
        }
        job->is_resumed = true;
        engine__job_start(job);
    }
}

err engine_open(struct os *os, struct streams *streams, const char *data_dir, struct engine **out,
                struct diag *diag)
{
    struct engine *engine = NEW(struct engine);
    if (data_dir != NULL) {
        str_copy_cstr(str_of(data_dir), engine->data_dir, ENGINE_PATH_BYTES);
    }
    engine->os = os;
    engine->streams = streams;
    engine->log = streams_log(streams);
    engine->next_job = 1;
    engine->step_frames_max = step_frames();
    engine->restate_records = restate_records();
    os_mutex_init(&engine->lock);
    os_mutex_init(&engine->redrive_lock);
    os_mutex_init(&engine->wake_lock);
    os_mutex_init(&engine->outbox_cursor_lock);
    os_mutex_init(&engine->outbox_list_lock);
    engine->env.os = os;
    u64 all = streams_hold(streams, 0); /* Until every job holds its own input. */
    u8 secret[STREAM_SECRET_BYTES];
    streams_get_secret(streams, secret);
    engine->env.instance = (u32)hash64(secret, STREAM_SECRET_BYTES, 1);
    streams_set_control_live(streams, 0, control_is_live, engine);
    os_cond_init(&engine->wake);
    func_set_zone_loader(zone_load, os);
    engine->watch = log_watch(engine->log, on_publish, engine);
    err e = engine__replay(engine, diag);
    e = e == OK ? engine__snapshots_check(engine, diag) : e;
    metric_register(collect, engine);
    if (e != OK) {
        engine_close(engine);
        return e;
    }
    engine__jobs_note(engine);
    engine__landings_sweep(engine);
    jobs_resume(engine);
    streams_hold_release(streams, all);
    *out = engine;
    return OK;
}

void engine_close(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    metric_unregister(collect, engine);
    streams_set_control_live(engine->streams, 0, NULL, NULL);
    (void)streams_hold(engine->streams, 0); /* What jobs have not read is needed again. */
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        engine__job_join(job);
    }
    log_unwatch(engine->log, engine->watch);
    engine__forget_all(engine); /* In memory, to free one list. */
    while (engine->forgotten != NULL) {
        struct engine_job *next = engine->forgotten->next;
        engine__job_free(engine->forgotten);
        engine->forgotten = next;
    }
    engine__tables_free(&engine->tables);
    engine__outbox_marks_free(engine);
    mem_free(engine->job_ids);
    os_mutex_deinit(&engine->outbox_cursor_lock);
    os_mutex_deinit(&engine->outbox_list_lock);
    os_cond_deinit(&engine->wake);
    os_mutex_deinit(&engine->wake_lock);
    os_mutex_deinit(&engine->redrive_lock);
    os_mutex_deinit(&engine->lock);
    mem_free(engine);
}

void engine_set_endpoint(struct engine *engine, const char *endpoint, str access_key, str secret)
{
    str_copy_cstr(str_of(endpoint), engine->env.endpoint, (isize)sizeof engine->env.endpoint);
    engine->env.access_key = access_key;
    engine->env.secret = secret;
    __atomic_store_n(&engine->has_endpoint, true, __ATOMIC_RELEASE);
}

/* --- sessions
 * ------------------------------------------------------------------------------------------------
 */

struct engine_session *engine_session_new(struct engine *engine, str account, str region)
{
    struct engine_session *session = NEW(struct engine_session);
    session->engine = engine;
    session->account = arena_copy(&session->arena, account);
    session->region = arena_copy(&session->arena, region);
    return session;
}

void engine_session_free(struct engine_session *session)
{
    if (session != NULL) {
        engine__tables_free(&session->temporary);
        arena_deinit(&session->arena);
        mem_free(session);
    }
}

/* --- jobs
 * ------------------------------------------------------------------------------------------------------
 */

static void job_info(struct engine_job *job, struct arena *arena, struct engine_job_info *out)
{
    os_mutex_lock(&job->lock);
    *out = (struct engine_job_info){
        .id = arena_copy(arena, str_of(job->id_text)),
        .name = arena_copy(arena, job->name),
        .account = arena_copy(arena, job->account),
        .region = arena_copy(arena, job->region),
        .sql = arena_copy(arena, job->sql),
        .reason = arena_copy(arena, str_of(job->reason)),
        .state = job->state,
        .created_ms = job->created_ms,
        .position_lsn = job->position,
    };
    os_mutex_unlock(&job->lock);
    const struct engine_counters *c = &job->counters;
    if (out->state == ENGINE_FINISHED && !engine__job_is_delivered(job)) {
        out->state = ENGINE_DELIVERING;
    }
    out->tip_lsn = log_tip(job->engine->log);
    out->watermark_ms = __atomic_load_n(&job->watermark_ms, __ATOMIC_RELAXED);
    out->lag_ms = (i64)(lag_seconds(job) * 1000);
    out->rows_in = metric_load(&c->rows_in);
    out->rows_out = metric_load(&c->rows_out);
    out->rows_filtered = metric_load(&c->rows_filtered);
    out->dead_letters = metric_load(&c->dead_letters);
    out->empty_messages = metric_load(&c->empty_messages);
    out->bytes_in = metric_load(&c->bytes_in);
    out->bytes_out = metric_load(&c->bytes_out);
    out->steps = metric_load(&c->steps);
    out->late_rows = metric_load(&c->late_rows);
    out->sources = ARENA_ARRAY(arena, struct engine_job_source, MAX(job->source_count, 1));
    out->source_count = job->source_count;
    for (isize i = 0; i < job->source_count; i++) {
        const struct engine_source *source = &job->sources[i];
        str region = source->place.region.len > 0 ? source->place.region : job->region;
        out->sources[i] = (struct engine_job_source){
            .table = arena_copy(arena, source->table),
            .stream = arena_copy(arena, source->place.name),
            .region = arena_copy(arena, region),
            .kind = str_of(source->connector->name),
        };
        if (source->landing != NULL) {
            engine__landing_info(source->landing, arena, &out->sources[i]);
        }
    }
    out->sinks = ARENA_ARRAY(arena, struct engine_job_source, MAX(job->sink_count, 1));
    out->sink_count = job->sink_count;
    for (isize i = 0; i < job->sink_count; i++) {
        const struct engine_sink *sink = &job->sinks[i];
        str region = sink->place.region.len > 0 ? sink->place.region : job->region;
        out->sinks[i] = (struct engine_job_source){
            .table = arena_copy(arena, sink->rel->table->name),
            .stream = arena_copy(arena, sink->place.name),
            .region = arena_copy(arena, region),
            .kind = str_of(sink->connector->name),
        };
        if (sink->outbox != NULL) {
            engine__outbox_info(sink->outbox, arena, &out->sinks[i]);
            const struct engine_job_source *to = &out->sinks[i];
            bool is_waiting =
                to->oldest_undelivered_ms > 0 || to->delivered_rows + to->rejected_rows < to->rows;
            out->state =
                out->state == ENGINE_FINISHED && is_waiting ? ENGINE_DELIVERING : out->state;
        }
    }
}

void engine_jobs_list(struct engine *engine, struct arena *arena, struct engine_job_info **out,
                      isize *count_out)
{
    os_mutex_lock(&engine->lock);
    *out = ARENA_ARRAY(arena, struct engine_job_info, MAX(engine->job_count, 1));
    *count_out = 0;
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        job_info(job, arena, &(*out)[(*count_out)++]);
    }
    os_mutex_unlock(&engine->lock);
}

/* Its thread has ended between two steps. A stop that cannot be written down is none: the job would
 * be back at the next start. */
static err stop_joined(struct engine *engine, struct engine_job *job, struct diag *diag)
{
    err e = engine__log_state(engine, job, ENGINE_STOPPED, "");
    if (e != OK) {
        (void)diag_set(diag, e, "ENG053", "job \"%s\" cannot be stopped durably: %s", job->id_text,
                       err_text(e));
        diag_hint(diag, "it goes on; stop it again when that is mended");
        engine__job_go_on(job);
        return e;
    }
    os_mutex_lock(&job->lock);
    job->state = ENGINE_STOPPED;
    os_mutex_unlock(&job->lock);
    engine__job_drain(job);
    trace(TRACE_INFO, "engine", "job stopped", T_STR("job", str_of(job->id_text)),
          T_STR("name", job->name), T_INT("lsn", job->position));
    return OK;
}

err engine_job_stop(struct engine *engine, str id, struct diag *diag)
{
    os_mutex_lock(&engine->lock);
    struct engine_job *job = engine__job_find(engine, id);
    err e = OK;
    if (job == NULL) {
        e = diag_set(diag, ERR_NOT_FOUND, "ENG051", "there is no job \"" STR_FMT "\"", STR_ARG(id));
        diag_hint(diag, "leat job list shows the jobs");
    } else if (job->state == ENGINE_RUNNING) {
        engine__job_join(job);
        if (job->state != ENGINE_RUNNING) { /* Its last step has failed, or was the end. */
            os_mutex_unlock(&engine->lock);
            return OK;
        }
        e = stop_joined(engine, job, diag);
    }
    os_mutex_unlock(&engine->lock);
    return e;
}
