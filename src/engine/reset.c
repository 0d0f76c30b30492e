/*
 * engine/reset.c: forgetting every job, table and view. The record of it stands in the log behind
 * all that it forgets; forgotten jobs are kept aside for as long as the journal names them.
 */
#include "engine/engine_int.h"

#include "engine/outbox.h"

void engine__forget_all(struct engine *engine)
{
    struct engine_job **end = &engine->forgotten;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = engine->jobs;
    engine->jobs = NULL;
    engine->job_count = 0;
    engine__tables_free(&engine->tables);
}

/* What a stopped job still had to deliver is dropped. */
static void outboxes_drop(struct engine_job *job)
{
    for (isize i = 0; i < job->sink_count; i++) {
        engine__outbox_close(job->sinks[i].outbox);
        job->sinks[i].outbox = NULL;
    }
}

err engine_reset(struct engine *engine)
{
    os_mutex_lock(&engine->lock);
    err e = engine__log_reset(engine);
    if (e == OK) {
        for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
            engine__job_join(job);
            outboxes_drop(job);
        }
        engine__forget_all(engine);
        engine__jobs_note(engine);
    }
    os_mutex_unlock(&engine->lock);
    return e;
}
