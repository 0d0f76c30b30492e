/*
 * engine/restate.c: the catalog, the jobs and their positions are written down anew now and
 * then, so that the control channels do not grow for ever. Records from before the restating
 * began are superseded; those that came while it went on stay, and reading both is harmless.
 * The journal of a job with state is needed from its last snapshot but one.
 */
#include "engine/engine_int.h"

#include "base/trace.h"

enum { BATCH_BYTES = 1 << 20 };

static const struct log_channel catalog_channel = {0, LOG_CONTROL_ENGINE};
static const struct log_channel journal_channel = {0, LOG_CONTROL_JOURNAL};

static err flush(struct engine *engine, struct log_batch *batch, isize bytes_min)
{
    if (log_batch_count(batch) == 0 || log_batch_bytes(batch) < bytes_min) {
        return OK;
    }
    err e = log_commit(engine->log, batch);
    log_batch_reset(batch);
    return e;
}

/* A step that is durable and not yet noted is behind the position that is written: its record
 * stays. */
static err put_job(struct log_batch *batch, struct engine_job *job, u64 *journal_no)
{
    char reason[sizeof job->reason];
    os_mutex_lock(&job->lock);
    u64 step = job->step, lsn = job->position;
    struct engine_counters totals = job->counters;
    enum engine_state state = job->state;
    *journal_no = MIN(*journal_no, job->flight_no);
    memcpy(reason, job->reason, sizeof reason);
    os_mutex_unlock(&job->lock);
    TRY(engine__batch_job(batch, job));
    if (state != ENGINE_RUNNING) {
        TRY(engine__batch_state(batch, job, state, reason));
    }
    return step == 0 ? OK : engine__batch_position(batch, job, step, lsn, &totals);
}

static err put_all(struct engine *engine, struct log_batch *batch, u64 *journal_no)
{
    TRY(engine__batch_next_job(batch, engine->next_job));
    for (struct engine_table *t = engine->tables.first; t != NULL; t = t->next) {
        TRY(engine__batch_table(batch, t->def.create_text));
        TRY(flush(engine, batch, BATCH_BYTES));
    }
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        TRY(put_job(batch, job, journal_no));
        TRY(flush(engine, batch, BATCH_BYTES));
    }
    return flush(engine, batch, 0);
}

/* False only for a job that has taken none: one that recovers may stand at any. */
static bool has_steps(struct engine_job *job)
{
    os_mutex_lock(&job->lock);
    bool is_new = job->has_state && job->step == 0;
    os_mutex_unlock(&job->lock);
    return !is_new;
}

static void set_live(struct engine *engine, u64 catalog_no, u64 journal_no)
{
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        if (job->is_stateful && job->state == ENGINE_RUNNING && has_steps(job)) {
            u64 floor_no = __atomic_load_n(&job->journal_floor_no, __ATOMIC_RELAXED);
            journal_no = MIN(journal_no, floor_no);
        }
    }
    __atomic_store_n(&engine->catalog_live_no, catalog_no, __ATOMIC_RELEASE);
    __atomic_store_n(&engine->journal_live_no, journal_no, __ATOMIC_RELEASE);
}

/* engine->lock is held. */
static void restate(struct engine *engine)
{
    u64 catalog_no = log_channel_tip(engine->log, catalog_channel);
    u64 journal_no = log_channel_tip(engine->log, journal_channel);
    struct log_batch *batch = log_batch_new();
    err e = put_all(engine, batch, &journal_no);
    log_batch_free(batch);
    if (e == OK) {
        set_live(engine, catalog_no, journal_no);
    } else {
        trace(TRACE_WARN, "engine", "the catalog could not be restated",
              T_STR("error", str_of(err_text(e))));
    }
    __atomic_store_n(&engine->journal_records, 0, __ATOMIC_RELAXED);
}

void engine__restate_if_due(struct engine *engine)
{
    u64 count = __atomic_load_n(&engine->journal_records, __ATOMIC_RELAXED);
    /* Whoever holds the lock may be waiting for this thread: then next time. */
    if (count >= engine->restate_records && os_mutex_try_lock(&engine->lock)) {
        restate(engine);
        os_mutex_unlock(&engine->lock);
    }
}

bool engine__control_is_live(struct engine *engine, struct log_channel channel, u64 last_no)
{
    switch (channel.shard) {
    case LOG_CONTROL_ENGINE:
        return last_no >= __atomic_load_n(&engine->catalog_live_no, __ATOMIC_ACQUIRE);
    case LOG_CONTROL_JOURNAL:
        return last_no >= __atomic_load_n(&engine->journal_live_no, __ATOMIC_ACQUIRE);
    default:
        return true;
    }
}
