/*
 * engine/recover.c: a job's state after a restart: the last snapshot that can be read, then the
 * journalled steps after it again. Stateless jobs only know where they stood.
 */
#include "engine/engine_int.h"

#include "base/trace.h"

/* Steps after `record` (step 0: from the job's start), again. */
static err run_again(struct engine_job *job, const struct engine_replay *replay, isize from,
                     struct diag *diag)
{
    for (isize i = from; i < replay->count; i++) {
        if (__atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED)) {
            return ERR_CLOSED; /* Nothing is lost: the next start begins again. */
        }
        TRY(engine__step_again(job, replay->steps[i], diag));
    }
    return OK;
}

static void state_start(struct engine_job *job, u64 step, u64 lsn)
{
    job->step = step;
    os_mutex_lock(&job->lock);
    job->position = lsn;
    os_mutex_unlock(&job->lock);
    for (isize i = 0; i < job->source_count; i++) { /* As flow_new left them. */
        const struct marks *marks = job->sources[i].marks;
        if (marks != NULL) {
            flow_set_mark(job->flow, i, marks_get(marks), marks_all_idle(marks));
        }
    }
}

static u64 first_lsn(const struct engine_job *job)
{
    u64 lsn = job->start_count == 0 ? 0 : UINT64_MAX;
    for (isize i = 0; i < job->start_count; i++) {
        lsn = MIN(lsn, job->start_lsns[i]);
    }
    return lsn;
}

static err load(struct engine_job *job, const struct engine_snapshot_record *record,
                struct diag *diag)
{
    TRY(engine__state_new(job, diag));
    if (record->step == 0) {
        state_start(job, 0, first_lsn(job));
        return OK;
    }
    TRY(engine__snapshot_load(job, record, diag));
    state_start(job, record->step, record->lsn);
    return OK;
}

static void snapshot_is(struct engine_job *job, const struct engine_snapshot_record *record)
{
    job->snapshot_step = record->step;
    job->snapshot_lsn = record->lsn;
}

/* The newest snapshot is damaged: from the one before it, or from the job's start. What an idle job
 * has let retention take is missed by the steps that read it. */
static err recover_from_older(struct engine_job *job, const struct engine_replay *replay,
                              struct diag *diag)
{
    struct diag newest = *diag, older;
    const struct engine_snapshot_record *record = &replay->snapshots[1];
    diag_init(diag);
    diag_init(&older);
    trace(TRACE_ERROR, "engine", "a snapshot cannot be used, the one before it is tried",
          T_STR("job", str_of(job->id_text)), T_STR("reason", str_of(newest.message)));
    err e = load(job, record, &older);
    snapshot_is(job, record);
    job->snapshot_no = job->journal_floor_no;
    job->snapshot_due_ns = os_mono_ns(job->engine->os); /* A good one, soon. */
    if (e == OK) {
        e = run_again(job, replay, 0, &older);
    }
    if (e != OK && e != ERR_CLOSED) {
        const char *from = record->step > 0 ? "from the snapshot before it" : "from its start";
        return diag_set(diag, e, older.code[0] != '\0' ? older.code : newest.code,
                        "%.400s; and the job cannot go on %s: %.500s", newest.message, from,
                        older.code[0] != '\0' ? older.message : err_text(e));
    }
    return e;
}

static err recover(struct engine_job *job, const struct engine_replay *replay, struct diag *diag)
{
    err e = load(job, &replay->snapshots[0], diag);
    snapshot_is(job, &replay->snapshots[0]);
    if (e == ERR_CORRUPT) {
        return recover_from_older(job, replay, diag);
    }
    TRY(e);
    return run_again(job, replay, replay->older, diag);
}

static void has_state_set(struct engine_job *job, bool has_state)
{
    os_mutex_lock(&job->lock);
    job->has_state = has_state;
    os_mutex_unlock(&job->lock);
}

/* Pieces of the older snapshot stay; when it cannot be told which those are, all do. */
static void older_files(struct engine_job *job, const struct engine_snapshot_record *older)
{
    struct engine_piece_files *files = &job->piece_files[1];
    engine__piece_files_free(files);
    bool is_newest = older->step == job->snapshot_step; /* It was gone back to. */
    if (older->step > 0) {
        files->is_known = !is_newest && engine__snapshot_load_files(job, older, files) == OK;
    }
}

err engine__recover(struct engine_job *job, struct diag *diag)
{
    static const struct engine_replay nothing = {.count = 0};
    if (!job->is_stateful) {
        return OK;
    }
    const struct engine_replay *replay = job->replay == NULL ? &nothing : job->replay;
    u64 step = job->step, position = job->position;
    has_state_set(job, false);
    err e = recover(job, replay, diag);
    has_state_set(job, e == OK);
    if (e != OK) { /* What was committed stays so: whoever replaces the job goes on there. */
        os_mutex_lock(&job->lock);
        job->step = step;
        job->position = position;
        os_mutex_unlock(&job->lock);
    }
    if (e == OK) {
        older_files(job, &replay->snapshots[1]);
        engine__snapshots_sweep(job, replay->snapshots[0].step, replay->snapshots[1].step);
    }
    engine__replay_free(job->replay);
    job->replay = NULL;
    return e;
}

err engine__rewind(struct engine_job *job, struct diag *diag)
{
    u64 step = job->step, position = job->position;
    has_state_set(job, false);
    job->step = 0;
    err e = engine__journal_reread(job);
    if (e == OK) {
        e = engine__recover(job, diag);
    }
    CHECK(e != OK || job->step == step);
    os_mutex_lock(&job->lock);
    job->step = step;
    job->position = position; /* Frames that held nothing for the job need not be read again. */
    os_mutex_unlock(&job->lock);
    return e;
}
