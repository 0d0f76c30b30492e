/*
 * engine/step.c: one step of a job: the frames committed since the last one, in log
 * order, through the plan, and outputs with the new position into one frame. What a
 * row leads to depends on the log alone, not on how the log is cut into steps: every
 * frame is run by itself, through each source in the order of the plan; then windows fire.
 * Clock, seed and idle shards come from the journal entry, so that a step can be run again.
 */
#include "engine/step_int.h"

#include "base/metric.h"
#include "base/plant.h"

#include "engine/outbox.h"

enum { FULL_RETRY_MS = 200, FIRE_ROWS = 256 };

static const struct log_channel journal_channel = {0, LOG_CONTROL_JOURNAL};

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
    metric_add(&to->late_rows, from->late_rows);
    metric_add(&to->steps, 1);
}

/* How long the step took, and how long its oldest record took to get through. */
static void note_times(const struct step *s, u64 start_ns)
{
    struct engine_job *job = s->job;
    metric_observe_ns(&job->step_times, os_mono_ns(job->engine->os) - start_ns);
    i64 age_ms = os_wall_us(job->engine->os) / 1000 - s->oldest_ms;
    bool has_both = s->oldest_ms > 0 && s->record.output_count > 0; /* No timer alone. */
    if (has_both && age_ms >= 0) { /* Below 0: the clock was set back. */
        metric_observe_ns(&job->way_through, (u64)age_ms * 1000000);
    }
}

/* Until step_done. */
static void flight_set(struct engine_job *job, u64 journal_no)
{
    os_mutex_lock(&job->lock);
    job->flight_no = journal_no;
    os_mutex_unlock(&job->lock);
}

/* A full disk stalls the job; its input is kept meanwhile. */
static err commit(struct step *s)
{
    struct engine_job *job = s->job;
    if (job->query != NULL) {
        return OK;
    }
    s->record.totals = job->counters;
    counters_add(&s->record.totals, &s->counters);
    if (PLANTED(BUG_JOURNAL_LATE) && log_batch_count(s->batch) > 0) {
        TRY(log_commit(job->engine->log, s->batch));
        log_batch_reset(s->batch);
    }
    TRY(engine__batch_step(s->batch, &s->record));
    OS_FAILPOINT("engine.before_step_submit");
    flight_set(job, log_channel_tip(job->engine->log, journal_channel));
    err e = log_commit(job->engine->log, s->batch);
    while (e == ERR_FULL && !__atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED)) {
        os_sleep_ms(job->engine->os, FULL_RETRY_MS);
        e = log_commit(job->engine->log, s->batch);
    }
    OS_FAILPOINT("engine.after_step_commit");
    if (e != OK) {
        flight_set(job, UINT64_MAX);
    }
    return e;
}

static void step_begin(struct step *s, struct engine_job *job, struct diag *diag)
{
    *s = (struct step){.job = job, .diag = diag};
    s->batch = log_batch_new();
    s->record.job = job->id;
    s->record.step = job->step + 1;
    s->record.version = ENGINE_STATE_VERSION;
    s->fire_rows_max = FIRE_ROWS;
    s->fired_max = UINT64_MAX;
    engine__outputs_begin(job);
}

/* What the outside decides about a new step. */
static err decide(struct step *s)
{
    struct engine_job *job = s->job;
    struct os *os = job->engine->os;
    s->record.wall_us = MAX(os_wall_us(os), job->wall_us);
    os_random(os, &s->record.seed, (isize)sizeof s->record.seed);
    return engine__step_find_idle(s);
}

/* What a journalled step decided: the same again. */
static void decide_again(struct step *s, const struct engine_step_record *record)
{
    s->is_again = true;
    s->record.wall_us = record->wall_us;
    s->record.seed = record->seed;
    s->record.idle = record->idle;
    s->record.idle_count = record->idle_count;
    s->fired_max = record->fired;
}

static void context_set(struct step *s)
{
    s->func = (struct func_ctx){
        .arena = &s->arena,
        .now_us = s->record.wall_us,
        .query_start_us = s->record.wall_us,
        .seed = s->record.seed,
        .watermark_us = INT64_MIN,
        .zone = s->job->zone,
    };
}

static void step_end(struct step *s)
{
    log_batch_free(s->batch);
    arena_deinit(&s->arena);
    arena_deinit(&s->idle_arena);
    arena_deinit(&s->told_arena);
    buf_deinit(&s->text);
    if (s->dead_letters != NULL) {
        stream_unref(s->dead_letters);
    }
}

/* --- what a step does
 * ---------------------------------------------------------------------------------------- */

/* How much of it: until `lsn` when it is run again. */
struct extent {
    isize frames_max, fire_rows_max;
    u64 lsn;
};

static bool wants_more(const struct step *s, const struct extent *extent, u64 lsn, isize frames)
{
    if (s->e != OK) {
        return false;
    }
    if (s->is_again) {
        return lsn < extent->lsn;
    }
    return !s->job->is_firing && frames < extent->frames_max &&
           (isize)s->counters.bytes_in < ENGINE_STEP_BYTES_MAX &&
           log_batch_bytes(s->batch) < ENGINE_STEP_OUT_BYTES;
}

/* True when it held something for the job. */
static bool read_frame(struct step *s, const struct log_frame *frame)
{
    if (!engine__step_frame(s, frame)) {
        return false;
    }
    if (!s->is_again) {
        OS_FAILPOINT("engine.in_step");
    }
    engine__step_fire(s);
    return true;
}

static err read_frames(struct step *s, const struct extent *extent, bool *is_ours)
{
    u64 lsn = s->job->position;
    for (isize i = 0; wants_more(s, extent, lsn, i); i++) {
        struct log_frame *frame;
        err e = log_frame_after(s->job->engine->log, lsn, &frame);
        if (e == ERR_END) {
            break;
        }
        TRY(e);
        lsn = log_frame_lsn(frame);
        *is_ours = read_frame(s, frame) || *is_ours;
        log_frame_unref(frame);
    }
    s->record.lsn = lsn;
    return s->e;
}

/* *has_done_out: something that must be written down. */
static err run(struct step *s, const struct extent *extent, bool *has_done_out)
{
    struct engine_job *job = s->job;
    context_set(s);
    engine__step_set_idle(s);
    flow_set_clock(job->flow, s->record.wall_us / 1000);
    *has_done_out = s->record.idle_count > 0;
    if (job->step == 0 && flow_has_values(job->flow)) {
        engine__step_values(s);
        *has_done_out = true;
    }
    if (job->is_stateful) {
        engine__step_fire(s);
    }
    TRY(read_frames(s, extent, has_done_out));
    *has_done_out = *has_done_out || s->record.fired > 0;
    return OK;
}

/* --- a new step
 * ---------------------------------------------------------------------------------------------- */

static void show_watermark(struct engine_job *job)
{
    i64 lowest = INT64_MAX;
    for (isize i = 0; i < job->source_count; i++) {
        const struct marks *marks = job->sources[i].marks;
        if (marks != NULL && !marks_all_idle(marks)) {
            lowest = MIN(lowest, marks_get(marks));
        }
    }
    for (isize i = 0; lowest == INT64_MAX && i < job->source_count; i++) {
        const struct marks *marks = job->sources[i].marks;
        lowest = marks == NULL ? lowest : marks_get(marks);
    }
    __atomic_store_n(&job->watermark_ms, lowest == INT64_MAX ? MARK_NONE : lowest,
                     __ATOMIC_RELAXED);
}

static void step_done(struct step *s, bool has_done)
{
    struct engine_job *job = s->job;
    if (has_done) {
        job->wall_us = s->record.wall_us;
        show_watermark(job);
    }
    os_mutex_lock(&job->lock);
    if (has_done && !s->is_again) {
        counters_add(&job->counters, &s->counters);
    }
    job->step += has_done;
    job->flight_no = UINT64_MAX;
    job->position = s->record.lsn;
    os_mutex_unlock(&job->lock);
}

static void note_work(struct engine_job *job)
{
    if (job->is_stateful && job->snapshot_due_ns == 0) {
        job->snapshot_due_ns =
            os_mono_ns(job->engine->os) + (u64)ENGINE_SNAPSHOT_SECONDS * 1000000000U;
    }
}

static err try_step(struct engine_job *job, const struct extent *extent, bool *moved_out,
                    struct diag *diag)
{
    struct step s;
    bool has_done = false;
    u64 start_ns = os_mono_ns(job->engine->os);
    step_begin(&s, job, diag);
    s.fire_rows_max = extent->fire_rows_max;
    err e = decide(&s);
    if (e == OK) {
        e = run(&s, extent, &has_done);
    }
    engine__strike_end(job);
    if (e == OK && has_done) {
        e = commit(&s);
    }
    if (e == OK) {
        *moved_out = has_done || s.record.lsn > job->position;
        step_done(&s, has_done);
        if (has_done) {
            note_times(&s, start_ns);
            note_work(job);
            engine__outputs_done(job);
            (void)__atomic_fetch_add(&job->engine->journal_records, 1, __ATOMIC_RELAXED);
        }
        /* What comes after a snapshot is kept; frames that held nothing for the job are not. */
        bool is_kept_here = job->engine->data_dir[0] != '\0' && job->is_stateful;
        if (!is_kept_here || job->step == job->snapshot_step) {
            streams_hold_move(job->engine->streams, job->hold, s.record.lsn);
        }
    }
    job->has_state = job->has_state && e == OK;
    step_end(&s);
    return e;
}

err engine__step(struct engine_job *job, bool *moved_out, struct diag *diag)
{
    *moved_out = false;
    TRY(streams_check(job, diag));
    engine__outputs_wait_room(job);
    struct extent extent = {job->engine->step_frames_max, FIRE_ROWS, 0};
    for (;;) {
        struct diag problem;
        diag_init(&problem);
        err e = try_step(job, &extent, moved_out, &problem);
        bool is_least = extent.frames_max == 1 && extent.fire_rows_max == 1;
        if (e != ERR_LIMIT || is_least) {
            *diag = problem;
            return e;
        }
        if (job->is_stateful) { /* Rows were already counted in. */
            TRY(engine__rewind(job, diag));
        }
        extent.frames_max = extent.frames_max > 4 ? extent.frames_max / 4 : 1;
        extent.fire_rows_max = extent.fire_rows_max > 8 ? extent.fire_rows_max / 8 : 1;
    }
}

/* --- a step again
 * -------------------------------------------------------------------------------------------- */

/* Names of the streams that the job reads. */
static void put_sources(const struct engine_job *job, struct buf *out)
{
    for (isize i = 0; i < job->source_count; i++) {
        struct stream_info info;
        if (job->sources[i].stream != NULL) {
            stream_get_info(job->sources[i].stream, &info);
            buf_printf(out, "%s\"" STR_FMT "\"", out->len == 0 ? "" : ", ", STR_ARG(info.id.name));
        }
    }
}

static err lacks_input(const struct step *s, u64 after_lsn, const struct engine_step_record *record)
{
    struct buf names = {0};
    put_sources(s->job, &names);
    (void)diag_set(s->diag, ERR_CORRUPT, "ENG084",
                   "input is missing: step %llu read %llu records after LSN %llu up to LSN %llu, "
                   "and %llu are left in stream " STR_FMT "; retention or damage took the others",
                   (unsigned long long)record->step, (unsigned long long)record->input_count,
                   (unsigned long long)after_lsn, (unsigned long long)record->lsn,
                   (unsigned long long)s->record.input_count,
                   STR_ARG(str_slice(buf_str(&names), 0, MIN(names.len, 400))));
    buf_deinit(&names);
    return ERR_CORRUPT;
}

static err differs(const struct step *s, const struct engine_step_record *record)
{
    return diag_set(s->diag, ERR_CORRUPT, "ENG072",
                    "step %llu gave other results when it was run again after a restart: %llu "
                    "outputs with hash %016llx, the journal has %llu with %016llx",
                    (unsigned long long)record->step, (unsigned long long)s->record.output_count,
                    (unsigned long long)s->record.output_hash,
                    (unsigned long long)record->output_count,
                    (unsigned long long)record->output_hash);
}

static err again(struct step *s, const struct engine_step_record *record)
{
    struct extent extent = {.lsn = record->lsn};
    bool has_done;
    u64 after_lsn = s->job->position;
    decide_again(s, record);
    TRY(run(s, &extent, &has_done));
    if (record->has_input && s->record.input_count != record->input_count) {
        return lacks_input(s, after_lsn, record);
    }
    bool is_same = s->record.lsn == record->lsn && s->record.fired == record->fired &&
                   s->record.output_count == record->output_count &&
                   s->record.output_hash == record->output_hash;
    return is_same ? OK : differs(s, record);
}

err engine__step_again(struct engine_job *job, str body, struct diag *diag)
{
    struct arena arena = {0};
    struct engine_step_record record;
    struct step s;
    err e = engine__step_read(body, &arena, &record);
    step_begin(&s, job, diag);
    if (e == OK && (record.step != job->step + 1 || record.version != ENGINE_STATE_VERSION)) {
        e = diag_set(diag, ERR_VERSION, "ENG073",
                     "step %llu cannot be run again: step %llu was expected, and state of "
                     "version %d, it has %llu",
                     (unsigned long long)record.step, (unsigned long long)job->step + 1,
                     ENGINE_STATE_VERSION, (unsigned long long)record.version);
    }
    if (e == OK) {
        e = again(&s, &record);
    }
    if (e == OK) {
        step_done(&s, true);
    }
    step_end(&s);
    arena_deinit(&arena);
    return e;
}
