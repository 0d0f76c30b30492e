/*
 * engine/snapshot.c: when a job's state goes to the disk, and what follows: a journal record names
 * it. The one before it is kept until the next, in case the new one cannot be read.
 */
#include "engine/snapshot.h"

#include "base/plant.h"
#include "base/trace.h"

enum { WAIT_AFTER_FAILURE_S = 30 };

err engine__snapshot_adopt(struct engine_job *job, const struct engine_job *old, struct diag *diag)
{
    struct engine_snapshot_written written;
    if (old->step == 0) {
        return OK; /* There is no state yet. */
    }
    if (!old->has_state && old->state != ENGINE_RUNNING) {
        (void)diag_set(diag, ERR_NOT_FOUND, "ENG079",
                       "job %s has ended, and the state of its windows is not kept", old->id_text);
        diag_hint(diag, "--from latest or --from trim-horizon begins without it");
        return ERR_NOT_FOUND;
    }
    if (job->engine->data_dir[0] == '\0' || !old->has_state) {
        return diag_set(diag, ERR_AGAIN, "ENG079", "the state of job %s cannot be taken over %s",
                        old->id_text,
                        old->has_state ? "without a disk" : "while it recovers, try again");
    }
    struct engine_job as = *old; /* Its state, under the new name. */
    as.id = job->id;
    memcpy(as.id_text, job->id_text, sizeof as.id_text);
    as.piece_files[0] = as.piece_files[1] = (struct engine_piece_files){.is_known = true};
    flow_forget_pieces(as.flow); /* Its pieces lie in another directory. */
    err e = engine__snapshot_put(&as, &written);
    flow_forget_pieces(as.flow);
    if (e != OK) {
        return diag_set(diag, e, "ENG079", "the state of job %s cannot be taken over: %s",
                        old->id_text, err_text(e));
    }
    engine__piece_files_free(&written.files);
    job->replay = NEW(struct engine_replay);
    job->replay->snapshots[0] = written.record;
    job->step = written.record.step;
    return OK;
}

/* --- when ------------------------------------------------------------------------------------- */

/* LEAT_SNAPSHOT_STEPS=N: after each N steps, for tests. */
static u64 step_limit(void)
{
    const char *text = os_getenv("LEAT_SNAPSHOT_STEPS");
    i64 count = 0;
    return text != NULL && str_to_i64(str_of(text), &count) == OK && count > 0 ? (u64)count
                                                                               : UINT64_MAX;
}

bool engine__snapshot_is_due(const struct engine_job *job)
{
    if (!job->is_stateful || job->engine->data_dir[0] == '\0' || job->step == job->snapshot_step) {
        return false;
    }
    u64 input = job->counters.bytes_in - job->snapshot_input;
    bool is_time = job->snapshot_due_ns != 0 && os_mono_ns(job->engine->os) >= job->snapshot_due_ns;
    return is_time || input >= ENGINE_SNAPSHOT_INPUT ||
           job->step - job->snapshot_step >= step_limit();
}

i64 engine__snapshot_timer_us(const struct engine_job *job)
{
    bool is_kept = job->engine->data_dir[0] == '\0' || job->step == job->snapshot_step;
    if (!job->is_stateful || is_kept || job->snapshot_due_ns == 0) {
        return INT64_MAX;
    }
    struct os *os = job->engine->os;
    i64 left_ns = (i64)(job->snapshot_due_ns - os_mono_ns(os));
    return os_wall_us(os) + MAX(left_ns, 0) / 1000 + 1000;
}

static void retry_later(struct engine_job *job, err e)
{
    trace(TRACE_WARN, "engine", "a snapshot could not be written, input is kept meanwhile",
          T_STR("job", str_of(job->id_text)), T_STR("error", str_of(err_text(e))));
    job->snapshot_input = job->counters.bytes_in;
    job->snapshot_due_ns = os_mono_ns(job->engine->os) + (u64)WAIT_AFTER_FAILURE_S * 1000000000U;
}

static void taken(struct engine_job *job, const struct engine_snapshot_written *written, u64 no)
{
    const struct engine_snapshot_record *record = &written->record;
    engine__piece_files_push(job, &written->files);
    OS_FAILPOINT("engine.before_snapshot_delete");
    engine__snapshots_sweep(job, record->step, job->snapshot_step);
    OS_FAILPOINT("engine.after_snapshot_delete");
    if (job->snapshot_step > 0) { /* The one before it is gone back to if this one is damaged. */
        streams_hold_move(job->engine->streams, job->hold, job->snapshot_lsn);
    }
    __atomic_store_n(&job->journal_floor_no, job->snapshot_no, __ATOMIC_RELAXED);
    job->snapshot_no = no;
    job->snapshot_step = record->step;
    job->snapshot_lsn = record->lsn;
    job->snapshot_input = job->counters.bytes_in;
    job->snapshot_due_ns = 0;
    metric_add(&job->counters.snapshots, 1);
    metric_add(&job->counters.snapshot_bytes, written->bytes);
}

err engine__snapshot_write(struct engine_job *job, struct diag *diag)
{
    if (job->engine->data_dir[0] == '\0' || job->step == job->snapshot_step) {
        return OK;
    }
    struct engine_snapshot_written written;
    u64 no = 0;
    err e = engine__snapshot_put(job, &written);
    if (e != OK) {
        retry_later(job, e);
        return OK;
    }
    if (PLANTED(BUG_SNAPSHOT_SWEPT_EARLY)) {
        engine__snapshots_sweep(job, written.record.step, written.record.step);
    }
    e = engine__log_snapshot(job->engine, &written.record, &no);
    if (e != OK) {
        engine__piece_files_free(&written.files);
        flow_forget_pieces(job->flow);
    }
    if (e == ERR_FULL) {
        retry_later(job, e);
        return OK;
    }
    if (e != OK) {
        return diag_set(diag, e, "ENG074", "a snapshot could not be written down: %s", err_text(e));
    }
    taken(job, &written, no);
    return OK;
}
