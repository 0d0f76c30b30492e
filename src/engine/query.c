/*
 * engine/query.c: an interactive SELECT: a job of one client that nothing writes down. It takes
 * the same steps as any job, but its rows go to the client, and what cannot be read is counted
 * instead of becoming a dead letter.
 */
#include "engine/step_int.h"

#include "codec/json_row_write.h"
#include "engine/landing.h"

#include <stdio.h>

enum { WAIT_MS = 500 };

struct engine_query {
    struct engine_job *job;
    const struct engine_query_ops *ops; /* While it runs. */
    void *ctx;
    struct json_row_writer **writers; /* One per column: a row is an array. */
    struct type_field *fields;
    isize field_count;
    i64 limit; /* -1 = none. */
    u64 row_count;
    bool is_done; /* The limit is reached, or the client has gone. */
    struct buf row, cell;
};

/* --- opening
 * ------------------------------------------------------------------------------------------ */

/* A LIMIT at the top is counted here: below it nothing knows of it. */
static void limit_take(struct engine_query *query, struct plan *plan)
{
    const struct rel *input = plan->root->inputs[0];
    query->limit = -1;
    if (input->kind == REL_LIMIT) {
        struct rel *collect = ARENA_NEW(&query->job->arena, struct rel);
        *collect = *plan->root;
        collect->inputs = input->inputs;
        plan->root = collect;
        query->limit = input->limit;
    }
}

/* One writer per column, all under the same name, whose length is then known. */
enum { CELL_HEAD_BYTES = sizeof "{\"v\":" - 1 };

static void writers_open(struct engine_query *query, const struct rel *root)
{
    struct arena *arena = &query->job->arena;
    const struct json_row_options options = {0};
    query->field_count = root->field_count;
    query->fields = root->fields;
    query->writers = ARENA_ARRAY(arena, struct json_row_writer *, MAX(root->field_count, 1));
    for (isize i = 0; i < root->field_count; i++) {
        struct type_field *field = ARENA_NEW(arena, struct type_field);
        *field = (struct type_field){.name = STR("v"), .type = root->fields[i].type};
        query->writers[i] = json_row_writer_new(field, 1, &options);
    }
}

static err query_open(struct engine_query *query, struct engine_session *session,
                      const struct sql_statement *statement, str from, struct diag *diag)
{
    struct engine_job *job = query->job;
    struct engine_lookup lookup = {.lists = {&session->temporary, &session->engine->tables},
                                   .settings = session->settings,
                                   .setting_count = session->setting_count};
    struct catalog_ops ops;
    engine__lookup_names(&lookup, &job->arena);
    engine__catalog_ops(&lookup, &ops);
    job->account = arena_copy(&job->arena, session->account);
    job->region = arena_copy(&job->arena, session->region);
    job->sql = arena_copy(&job->arena, str_trim(statement->text));
    job->name = STR("query");
    u64 number = __atomic_add_fetch(&session->engine->query_count, 1, __ATOMIC_RELAXED);
    (void)snprintf(job->id_text, sizeof job->id_text, "query-%llu", (unsigned long long)number);
    job->created_ms = os_wall_us(session->engine->os) / 1000;
    engine__settings_keep(session, job);
    job->plans = ARENA_NEW(&job->arena, struct plan);
    TRY(sql_plan(&job->arena, statement, &ops, &job->plans[0], diag));
    job->plan_count = 1;
    limit_take(query, &job->plans[0]);
    TRY(engine__plans_open(job, diag));
    TRY(engine__starts_set(job, from, diag));
    writers_open(query, job->plans[0].root);
    return OK;
}

err engine__query_open(struct engine_session *session, const struct sql_statement *statement,
                       str from, struct engine_query **out, struct diag *diag)
{
    struct engine_query *query = NEW(struct engine_query);
    query->job = engine__job_new(session->engine);
    query->job->query = query;
    err e = query_open(query, session, statement, from, diag);
    if (e != OK) {
        engine_query_free(query);
        return e;
    }
    *out = query;
    return OK;
}

void engine_query_free(struct engine_query *query)
{
    if (query == NULL) {
        return;
    }
    for (isize i = 0; i < query->field_count; i++) {
        json_row_writer_free(query->writers[i]);
    }
    engine__job_free(query->job);
    buf_deinit(&query->row);
    buf_deinit(&query->cell);
    mem_free(query);
}

/* --- rows
 * ---------------------------------------------------------------------------------------------- */

static void row_send(struct engine_query *query, const struct vec *cols, isize row)
{
    isize head = CELL_HEAD_BYTES;
    buf_reset(&query->row);
    buf_append_byte(&query->row, '[');
    for (isize i = 0; i < query->field_count; i++) {
        buf_reset(&query->cell);
        json_row_write(query->writers[i], &cols[i], row, &query->cell);
        buf_append(&query->row, i > 0 ? STR(",") : STR_EMPTY);
        buf_append(&query->row, str_slice(buf_str(&query->cell), head, query->cell.len - 1));
    }
    buf_append_byte(&query->row, ']');
    query->row_count++;
    bool goes_on = query->ops->row(query->ctx, buf_str(&query->row));
    query->is_done = !goes_on || (query->limit >= 0 && query->row_count >= (u64)query->limit);
}

void engine__query_take(struct step *s, const struct vec *cols, const struct sel *sel)
{
    struct engine_query *query = s->job->query;
    for (isize i = 0; i < sel->count && !query->is_done; i++) {
        row_send(query, cols, sel_row(sel, i));
    }
    if (query->is_done && s->e == OK) {
        s->e = ERR_END;
    }
}

/* --- running
 * ------------------------------------------------------------------------------------------ */

static void wait_for_input(struct engine_job *job)
{
    struct engine *engine = job->engine;
    i64 timer_us = engine__step_timer_us(job);
    i64 left_ms = WAIT_MS;
    if (timer_us != INT64_MAX) {
        left_ms = MIN((timer_us - os_wall_us(engine->os) + 999) / 1000, left_ms);
    }
    os_mutex_lock(&engine->wake_lock);
    if (left_ms > 0 && log_tip(engine->log) <= job->position) {
        (void)os_cond_wait_ms(&engine->wake, &engine->wake_lock, (u32)left_ms);
    }
    os_mutex_unlock(&engine->wake_lock);
}

static err run(struct engine_query *query, struct diag *diag)
{
    struct engine_job *job = query->job;
    while (!query->is_done && query->ops->goes_on(query->ctx)) {
        bool has_moved;
        if (engine__job_is_finished(job)) {
            return OK;
        }
        if (__atomic_load_n(&job->has_doom, __ATOMIC_ACQUIRE)) {
            return diag_set(diag, ERR_REMOTE, "ENG083", "%s", job->doom);
        }
        TRY(engine__step(job, &has_moved, diag));
        if (!has_moved) {
            wait_for_input(job);
        }
    }
    return OK;
}

err engine_query_run(struct engine_query *query, const struct engine_query_ops *ops, void *ctx,
                     struct diag *diag)
{
    struct engine_job *job = query->job;
    query->ops = ops;
    query->ctx = ctx;
    query->is_done = query->limit == 0;
    job->hold = streams_hold(job->engine->streams, job->position);
    engine__landings_start(job);
    err e = run(query, diag);
    engine__landings_stop(job);
    streams_hold_release(job->engine->streams, job->hold);
    return query->is_done ? OK : e;
}

const struct type_field *engine_query_fields(const struct engine_query *query, isize *count_out)
{
    *count_out = query->field_count;
    return query->fields;
}

u64 engine_query_row_count(const struct engine_query *query)
{
    return query->row_count;
}

u64 engine_query_skipped(const struct engine_query *query)
{
    return query->job->counters.dead_letters;
}
