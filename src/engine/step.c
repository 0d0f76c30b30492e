/*
 * engine/step.c: one step of a job: the frames committed since the last one, in log
 * order, through the plan, and outputs with the new position into one frame. What a
 * row leads to depends on the log alone, not on how the log is cut into steps: every
 * frame is run by itself, through each source in the order of the plan.
 */
#include "engine/step_int.h"

#include "base/metric.h"

enum { FULL_RETRY_MS = 200 };

static err streams_check(struct engine_job *job, struct diag *diag)
{
    for (isize i = 0; i < job->source_count + job->sink_count; i++) {
        bool is_source = i < job->source_count;
        struct stream *stream =
            is_source ? job->sources[i].stream : job->sinks[i - job->source_count].stream;
        if (stream == NULL) {
            continue; /* A sink outside the log. */
        }
        struct stream_info info;
        stream_get_info(stream, &info);
        if (info.is_deleted) {
            return diag_set(diag, ERR_NOT_FOUND, "ENG025", "stream \"" STR_FMT "\" was deleted",
                            STR_ARG(info.id.name));
        }
    }
    return OK;
}

static void counters_add(struct engine_counters *to, const struct engine_counters *from)
{
    metric_add(&to->rows_in, from->rows_in);
    metric_add(&to->rows_out, from->rows_out);
    metric_add(&to->rows_filtered, from->rows_filtered);
    metric_add(&to->dead_letters, from->dead_letters);
    metric_add(&to->empty_messages, from->empty_messages);
    metric_add(&to->bytes_in, from->bytes_in);
    metric_add(&to->bytes_out, from->bytes_out);
    metric_add(&to->steps, 1);
}

/* How long the step took, and how long its oldest record took to get through. */
static void note_times(const struct step *s, u64 start_ns)
{
    struct engine_job *job = s->job;
    metric_observe_ns(&job->step_times, os_mono_ns(job->engine->os) - start_ns);
    i64 age_ms = os_wall_us(job->engine->os) / 1000 - s->oldest_ms;
    if (s->record.output_count > 0 && age_ms >= 0) { /* Below 0: the clock was set back. */
        metric_observe_ns(&job->way_through, (u64)age_ms * 1000000);
    }
}

/* A full disk stalls the job; its input is kept meanwhile. */
static err commit(struct step *s)
{
    struct engine_job *job = s->job;
    TRY(engine__batch_step(s->batch, &s->record));
    OS_FAILPOINT("engine.before_step_submit");
    err e = log_commit(job->engine->log, s->batch);
    while (e == ERR_FULL && !__atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED)) {
        os_sleep_ms(job->engine->os, FULL_RETRY_MS);
        e = log_commit(job->engine->log, s->batch);
    }
    OS_FAILPOINT("engine.after_step_commit");
    return e;
}

static void step_begin(struct step *s, struct engine_job *job, struct diag *diag)
{
    struct engine *engine = job->engine;
    *s = (struct step){.job = job, .diag = diag};
    s->batch = log_batch_new();
    s->watermark_ms = __atomic_load_n(&job->watermark_ms, __ATOMIC_RELAXED);
    s->record.job = job->id;
    s->record.step = job->step + 1;
    s->record.wall_us = os_wall_us(engine->os);
    os_random(engine->os, &s->record.seed, (isize)sizeof s->record.seed);
    s->func = (struct func_ctx){
        .arena = &s->arena,
        .now_us = s->record.wall_us,
        .query_start_us = s->record.wall_us,
        .seed = s->record.seed,
        .watermark_us = INT64_MIN,
        .zone = "UTC",
    };
}

static void step_end(struct step *s)
{
    log_batch_free(s->batch);
    arena_deinit(&s->arena);
    buf_deinit(&s->text);
    if (s->dead_letters != NULL) {
        stream_unref(s->dead_letters);
    }
}

/* Reads up to frames_max frames after the position. *lsn_out: the last one read. */
static err read_frames(struct step *s, isize frames_max, u64 *lsn_out, bool *is_ours_out)
{
    u64 lsn = s->job->position;
    isize bytes = 0;
    *is_ours_out = false;
    for (isize i = 0; i < frames_max && bytes < ENGINE_STEP_BYTES_MAX && s->e == OK; i++) {
        struct log_frame *frame;
        err e = log_frame_after(s->job->engine->log, lsn, &frame);
        if (e == ERR_END) {
            break;
        }
        TRY(e);
        u64 before = s->counters.bytes_in;
        *is_ours_out = engine__step_frame(s, frame) || *is_ours_out;
        bytes += (isize)(s->counters.bytes_in - before);
        lsn = log_frame_lsn(frame);
        log_frame_unref(frame);
    }
    *lsn_out = lsn;
    return s->e;
}

static err try_step(struct engine_job *job, isize frames_max, bool *moved_out, struct diag *diag)
{
    struct step s;
    u64 start_ns = os_mono_ns(job->engine->os);
    step_begin(&s, job, diag);
    engine__outputs_begin(job);
    u64 lsn = 0;
    bool is_ours = false;
    err e = read_frames(&s, frames_max, &lsn, &is_ours);
    if (e == OK && is_ours) {
        s.record.lsn = lsn;
        e = commit(&s);
    }
    if (e == OK) {
        *moved_out = lsn > job->position;
        if (is_ours) {
            job->step++;
            counters_add(&job->counters, &s.counters);
            note_times(&s, start_ns);
            __atomic_store_n(&job->watermark_ms, s.watermark_ms, __ATOMIC_RELAXED);
        }
        os_mutex_lock(&job->lock);
        job->position = lsn;
        os_mutex_unlock(&job->lock);
        streams_hold_move(job->engine->streams, job->hold, lsn);
        if (is_ours) {
            engine__outputs_done(job);
        }
    }
    step_end(&s);
    return e;
}

err engine__step(struct engine_job *job, bool *moved_out, struct diag *diag)
{
    *moved_out = false;
    TRY(streams_check(job, diag));
    engine__outputs_wait_room(job);
    isize frames = job->engine->step_frames_max;
    for (;;) {
        struct diag problem;
        diag_init(&problem);
        err e = try_step(job, frames, moved_out, &problem);
        if (e != ERR_LIMIT || frames == 1) {
            *diag = problem;
            return e;
        }
        frames = frames / 4 + 1; /* The outputs did not fit one frame: take less. */
        if (frames == 2) {
            frames = 1;
        }
    }
}
