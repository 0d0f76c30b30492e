/* engine/landing.c: the thread of a source outside the log. */
#include "engine/landing.h"

#include "base/metric.h"
#include "base/trace.h"
#include "engine/outbox.h"

enum {
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 10000,
    LOOK_MS = 5,
    POSITION_BYTES_MAX = 64 << 10,
    QUERY_TRIES = 5, /* Someone is waiting: then it is told. */
};

static bool is_stopping(struct engine_landing *landing)
{
    return __atomic_load_n(&landing->is_stopping, __ATOMIC_RELAXED);
}

static void pause_ms(struct engine_landing *landing, u32 ms)
{
    os_mutex_lock(&landing->lock);
    if (!is_stopping(landing)) {
        (void)os_cond_wait_ms(&landing->changed, &landing->lock, ms);
    }
    os_mutex_unlock(&landing->lock);
}

/* --- landing ------------------------------------------------------------------------------- */

static err put(struct engine_landing *landing, struct log_batch *batch, str key, str data)
{
    struct stream_record record = {.partition_key = key, .data = data};
    return stream_batch_add(landing->stream, batch, &record, NULL);
}

static err batch_fill(struct engine_landing *landing, const struct connect_poll *poll,
                      struct log_batch *batch)
{
    for (isize i = 0; i < poll->count; i++) {
        TRY(put(landing, batch, STR(LANDING_KEY_ROW), poll->messages[i]));
    }
    return poll->is_end ? put(landing, batch, STR(LANDING_KEY_END), STR_EMPTY) : OK;
}

/* Waits until the job has read what was landed before the last batch. */
static void wait_for_job(struct engine_landing *landing, u64 lsn)
{
    struct engine_job *job = landing->job;
    while (!is_stopping(landing)) {
        os_mutex_lock(&job->lock);
        bool is_done = job->position >= lsn || job->state != ENGINE_RUNNING;
        os_mutex_unlock(&job->lock);
        if (is_done) {
            return;
        }
        pause_ms(landing, LOOK_MS);
    }
}

static err land(struct engine_landing *landing, const struct connect_poll *poll, u64 *lsn_out)
{
    struct engine *engine = landing->engine;
    struct log_batch *batch = log_batch_new();
    err e = batch_fill(landing, poll, batch);
    if (e == OK) {
        os_mutex_lock(&engine->outbox_cursor_lock);
        e = engine__landing_commit(landing, poll->position, poll->is_end, batch);
        os_mutex_unlock(&engine->outbox_cursor_lock);
    }
    if (e == OK) {
        *lsn_out = log_batch_lsn(batch);
    }
    log_batch_free(batch);
    return e;
}

static void note_problem(struct engine_landing *landing, const char *text)
{
    os_mutex_lock(&landing->lock);
    bool is_new = text[0] != '\0' && !str_eq(str_of(landing->problem), str_of(text));
    str_copy_cstr(str_of(text), landing->problem, (isize)sizeof landing->problem);
    os_mutex_unlock(&landing->lock);
    if (is_new) {
        trace(TRACE_WARN, "engine", "a source cannot be read and is tried again",
              T_STR("job", str_of(landing->job->id_text)), T_STR("table", landing->table),
              T_STR("reason", str_of(text)));
    }
}

static void end_at(struct engine_landing *landing, u64 lsn)
{
    struct engine *engine = landing->engine;
    __atomic_store_n(&landing->ended_lsn, lsn, __ATOMIC_RELEASE);
    os_mutex_lock(&engine->wake_lock);
    os_cond_broadcast(&engine->wake);
    os_mutex_unlock(&engine->wake_lock);
}

/* One poll, landed. False when the thread ends. */
static bool poll_once(struct engine_landing *landing, struct arena *arena, u32 *attempt,
                      u64 *last_lsn)
{
    struct connect_poll poll = {.position = buf_str(&landing->position)};
    struct diag diag;
    diag_init(&diag);
    str position = landing->has_position ? buf_str(&landing->position) : STR_EMPTY;
    enum connect_verdict verdict =
        landing->ops->poll(landing->source, position, arena, &poll, &diag);
    u64 lsn = 0;
    bool has_news = poll.count > 0 || poll.is_end || !str_eq(poll.position, position);
    if (verdict == CONNECT_OK && has_news) {
        CHECK(poll.position.len <= POSITION_BYTES_MAX);
        err e = land(landing, &poll, &lsn);
        if (e != OK) {
            (void)diag_set(&diag, e, "ENG081", "rows cannot be landed: %s", err_text(e));
            verdict = CONNECT_RETRY;
        }
    }
    bool is_given_up =
        verdict == CONNECT_RETRY && landing->job->query != NULL && *attempt + 1 >= QUERY_TRIES;
    if (verdict == CONNECT_FATAL || is_given_up) {
        engine__job_stop_for(landing->job, diag.message);
        return false;
    }
    if (verdict == CONNECT_RETRY) {
        note_problem(landing, diag.message);
        metric_add(&landing->retries, 1);
        pause_ms(landing, MIN((u32)RETRY_MS_MIN << MIN(*attempt, 16u), (u32)RETRY_MS_MAX));
        (*attempt)++;
        return !is_stopping(landing);
    }
    *attempt = 0;
    note_problem(landing, "");
    if (poll.is_end) {
        end_at(landing, lsn);
        return false;
    }
    if (has_news) {
        wait_for_job(landing, *last_lsn);
        *last_lsn = lsn;
    }
    if (poll.wait_ms > 0) {
        pause_ms(landing, poll.wait_ms);
    }
    return !is_stopping(landing);
}

static void landing_main(void *ctx)
{
    struct engine_landing *landing = ctx;
    struct arena arena = {0};
    u32 attempt = 0;
    u64 last_lsn = 0;
    while (!is_stopping(landing) &&
           !__atomic_load_n(&landing->engine->has_endpoint, __ATOMIC_ACQUIRE)) {
        pause_ms(landing, LOOK_MS);
    }
    while (!is_stopping(landing) && poll_once(landing, &arena, &attempt, &last_lsn)) {
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

/* --- open and close ------------------------------------------------------------------------ */

enum { SWEEP_MAX = 1024 };
#define QUERY_PREFIX "query-"

struct sweep {
    struct stream *streams[SWEEP_MAX];
    isize count;
};

static bool sweep_add(void *ctx, struct stream *stream)
{
    struct sweep *sweep = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    if (str_starts(info.id.name, STR(QUERY_PREFIX)) && sweep->count < SWEEP_MAX) {
        stream_ref(stream);
        sweep->streams[sweep->count++] = stream;
    }
    return true;
}

void engine__landings_sweep(struct engine *engine)
{
    struct sweep sweep = {.count = 0};
    streams_each(engine->streams, STR(STREAM_HIDDEN_ACCOUNT), STR_EMPTY, sweep_add, &sweep);
    for (isize i = 0; i < sweep.count; i++) {
        IGNORE(stream_delete_wait(sweep.streams[i])); /* Then at the next start. */
        stream_unref(sweep.streams[i]);
    }
}

/* The account is none: clients' accounts are digits. */
static err hidden_stream(struct engine_job *job, u32 index, struct stream **out)
{
    struct streams *streams = job->engine->streams;
    str name = arena_printf(&job->arena, "%s-source-%u", job->id_text, index);
    struct stream_id id = {STR(STREAM_HIDDEN_ACCOUNT), job->region, name};
    *out = streams_find(streams, id);
    if (*out == NULL) {
        struct stream_spec spec = {
            .id = id, .mode = STREAM_PROVISIONED, .shard_count = 1, .record_bytes_max = 10 << 20};
        err e = stream_create_wait(streams, &spec);
        if (e != OK && e != ERR_EXISTS) {
            return e;
        }
        *out = streams_find(streams, id);
    }
    return *out == NULL ? ERR_CLOSED : OK;
}

err engine__landing_open(struct engine_job *job, u32 index, const struct connect_table *table,
                         const struct connector *connector, const struct connect_schema *schema,
                         struct stream **stream_out, struct engine_landing **out, struct diag *diag)
{
    struct engine *engine = job->engine;
    void *source;
    TRY(connector->source->open(table, schema, &engine->env, &source, diag));
    err e = hidden_stream(job, index, stream_out);
    if (e != OK) {
        connector->source->close(source);
        return diag_set(diag, e, "ENG082", "the hidden stream of a source cannot be made: %s",
                        err_text(e));
    }
    struct engine_landing *landing = NEW(struct engine_landing);
    landing->engine = engine;
    landing->job = job;
    landing->index = index;
    landing->ops = connector->source;
    landing->source = source;
    landing->stream = *stream_out;
    landing->table = arena_copy(&job->arena, table->name);
    os_mutex_init(&landing->lock);
    os_cond_init(&landing->changed);
    engine__landing_restore(landing);
    os_mutex_lock(&engine->outbox_list_lock);
    landing->next = engine->landings;
    engine->landings = landing;
    os_mutex_unlock(&engine->outbox_list_lock);
    *out = landing;
    return OK;
}

void engine__landing_start(struct engine_landing *landing)
{
    if (landing->is_ended) {
        end_at(landing, MAX(log_tip(landing->engine->log), 1));
        return;
    }
    landing->is_stopping = false;
    landing->has_thread = true;
    os_thread_start(&landing->thread, "leat-source", landing_main, landing);
}

void engine__landing_stop(struct engine_landing *landing)
{
    os_mutex_lock(&landing->lock);
    __atomic_store_n(&landing->is_stopping, true, __ATOMIC_RELAXED);
    os_cond_broadcast(&landing->changed);
    os_mutex_unlock(&landing->lock);
    if (landing->has_thread) {
        os_thread_join(&landing->thread);
        landing->has_thread = false;
    }
}

void engine__landing_info(struct engine_landing *landing, struct arena *arena,
                          struct engine_job_source *out)
{
    out->retries = metric_load(&landing->retries);
    os_mutex_lock(&landing->lock);
    out->problem = arena_copy(arena, str_of(landing->problem));
    os_mutex_unlock(&landing->lock);
}

void engine__landing_close(struct engine_landing *landing)
{
    if (landing == NULL) {
        return;
    }
    engine__landing_stop(landing);
    struct engine *engine = landing->engine;
    os_mutex_lock(&engine->outbox_list_lock);
    struct engine_landing **at = &engine->landings;
    while (*at != landing) {
        at = &(*at)->next;
    }
    *at = landing->next;
    os_mutex_unlock(&engine->outbox_list_lock);
    landing->ops->close(landing->source);
    if (landing->job->query != NULL) {
        IGNORE(stream_delete_wait(landing->stream)); /* A full disk: swept at the next start. */
    }
    buf_deinit(&landing->position);
    os_cond_deinit(&landing->changed);
    os_mutex_deinit(&landing->lock);
    mem_free(landing);
}
