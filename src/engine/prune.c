/*
 * engine/prune.c: which jobs there are. Of those that have ended and whose sinks have taken
 * every row, the newest ENGINE_ENDED_MAX are kept in the list; older ones are forgotten. The
 * next restatement leaves them out; until then a start finds them and forgets them again.
 */
#include "engine/landing.h"
#include "engine/outbox.h"

bool engine__job_is_delivered(const struct engine_job *job)
{
    bool is_delivered = true;
    for (isize i = 0; i < job->sink_count; i++) {
        const struct engine_outbox *outbox = job->sinks[i].outbox;
        is_delivered =
            is_delivered && (outbox == NULL || __atomic_load_n(&outbox->is_over, __ATOMIC_ACQUIRE));
    }
    return is_delivered;
}

isize engine__jobs_running(const struct engine *engine)
{
    isize count = 0;
    for (const struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        count += job->state == ENGINE_RUNNING;
    }
    return count;
}

void engine__jobs_note(struct engine *engine)
{
    u64 *ids = mem_alloc((engine->job_count + 1) * (isize)sizeof *ids);
    isize count = 0;
    for (const struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        ids[count++] = job->id;
    }
    os_mutex_lock(&engine->outbox_list_lock);
    mem_free(engine->job_ids);
    engine->job_ids = ids;
    engine->job_id_count = count;
    os_mutex_unlock(&engine->outbox_list_lock);
}

bool engine__job_is_known(const struct engine *engine, u64 id)
{
    isize low = 0, high = engine->job_id_count;
    while (low < high) {
        isize middle = low + (high - low) / 2;
        if (engine->job_ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_listed = low < engine->job_id_count && engine->job_ids[low] == id;
    return engine->job_ids == NULL || is_listed;
}

static bool has_ended(const struct engine_job *job)
{
    return job->state != ENGINE_RUNNING && engine__job_is_delivered(job);
}

static void hidden_streams_delete(struct engine_job *job)
{
    for (isize i = 0; i < job->source_count; i++) {
        if (job->sources[i].landing == NULL) {
            continue;
        }
        IGNORE(stream_delete_wait(job->sources[i].stream)); /* A full disk: it stays, empty. */
    }
}

/* Its files and its hidden streams go too. */
static void forget(struct engine *engine, struct engine_job **at)
{
    struct engine_job *job = *at;
    engine__job_join(job);
    engine__snapshots_sweep(job, 0, 0);
    hidden_streams_delete(job);
    *at = job->next;
    engine->job_count--;
    engine__job_free(job);
}

void engine__jobs_prune(struct engine *engine)
{
    isize ended = 0;
    for (const struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        ended += has_ended(job);
    }
    struct engine_job **at = &engine->jobs;
    while (ended > ENGINE_ENDED_MAX && *at != NULL) {
        if (has_ended(*at)) {
            forget(engine, at);
            ended--;
        } else {
            at = &(*at)->next;
        }
    }
    engine__jobs_note(engine);
}
