/* engine/job.c: a job's life: planned from its own texts, run by a thread, stopped, failed. */
#include "engine/engine_int.h"

#include "base/trace.h"
#include "engine/landing.h"
#include "engine/lineage.h"
#include "engine/outbox.h"

#include <stdio.h>

struct engine_job *engine__job_new(struct engine *engine)
{
    struct engine_job *job = NEW(struct engine_job);
    job->engine = engine;
    job->watermark_ms = INT64_MIN;
    job->flight_no = UINT64_MAX;
    os_mutex_init(&job->lock);
    return job;
}

void engine__job_free(struct engine_job *job)
{
    for (isize i = 0; i < job->source_count; i++) {
        json_rows_free(job->sources[i].decoder);
        csv_rows_free(job->sources[i].csv);
        engine__landing_close(job->sources[i].landing);
        marks_free(job->sources[i].marks);
        engine__lineage_free(job->sources[i].lineage);
        if (job->sources[i].stream != NULL) {
            stream_unref(job->sources[i].stream);
        }
    }
    for (isize i = 0; i < job->sink_count; i++) {
        engine__outbox_close(job->sinks[i].outbox);
        connect_writer_free(job->sinks[i].writer);
        if (job->sinks[i].stream != NULL) {
            stream_unref(job->sinks[i].stream);
        }
    }
    flow_free(job->flow);
    engine__piece_files_free(&job->piece_files[0]);
    engine__piece_files_free(&job->piece_files[1]);
    engine__replay_free(job->replay);
    engine__tables_free(&job->tables);
    os_mutex_deinit(&job->lock);
    arena_deinit(&job->arena);
    mem_free(job);
}

struct engine_job *engine__job_find(struct engine *engine, str id)
{
    struct engine_job *job = engine->jobs;
    while (job != NULL && !str_eq(id, str_of(job->id_text)) && !str_eq(id, job->name)) {
        job = job->next;
    }
    return job;
}

/* --- preparing
 * ------------------------------------------------------------------------------------------ */

struct region_search {
    str name, region;
    char found[64];
};

static bool search_region(void *ctx, struct stream *stream)
{
    struct region_search *search = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    if (!str_eq(info.id.name, search->name)) {
        return true;
    }
    str_copy_cstr(info.id.region, search->found, (isize)sizeof search->found);
    return false;
}

static err stream_open(struct engine_job *job, const struct connect_stream *place,
                       struct stream **out, struct diag *diag)
{
    struct streams *streams = job->engine->streams;
    str region = place->region.len > 0 ? place->region : job->region;
    *out = streams_find(streams, (struct stream_id){job->account, region, place->name});
    if (*out != NULL) {
        return OK;
    }
    struct region_search search = {place->name, region, ""};
    streams_each(streams, job->account, STR_EMPTY, search_region, &search);
    (void)diag_set(diag, ERR_NOT_FOUND, "ENG031",
                   "stream \"" STR_FMT "\" does not exist in region " STR_FMT, STR_ARG(place->name),
                   STR_ARG(region));
    if (search.found[0] != '\0') {
        diag_hint(diag,
                  "there is one of that name in %s: set 'aws.region' = '%s', or make it: leat "
                  "stream create " STR_FMT " --region " STR_FMT,
                  search.found, search.found, STR_ARG(place->name), STR_ARG(region));
    } else {
        diag_hint(diag, "make it: leat stream create " STR_FMT " --region " STR_FMT,
                  STR_ARG(place->name), STR_ARG(region));
    }
    return ERR_NOT_FOUND;
}

/* The table's connector and what its options say; ENG034 when it cannot be used so. */
static err table_read(struct engine_job *job, const struct table_def *table, u32 *roles,
                      const struct connector **out, struct connect_format *format_out,
                      struct connect_stream *place_out, struct diag *diag)
{
    struct connect_table options = engine__connect_table(table, &job->arena);
    TRY(connect_check(&options, out, diag));
    bool is_sink = (*roles & CONNECT_SINK_LOG) != 0;
    *roles &= (*out)->roles_of != NULL ? (*out)->roles_of(&options) : (*out)->roles;
    if (*roles == 0) {
        return diag_set(diag, ERR_UNSUPPORTED, "ENG034",
                        "connector '%s' can only be a %s; table " STR_FMT " is used as a %s",
                        (*out)->name, is_sink ? "source" : "sink", STR_ARG(options.name),
                        is_sink ? "sink" : "source");
    }
    connect_format_read(&options, format_out);
    if ((*roles & (CONNECT_SOURCE_LOG | CONNECT_SINK_LOG)) != 0) {
        (*out)->stream(&options, place_out);
    }
    return OK;
}

/* Which of the scan's columns come from the message, and which from the record itself. */
static void columns_split(struct engine_job *job, struct engine_source *source)
{
    const struct rel *scan = source->pipe->rels[0];
    source->fields = ARENA_ARRAY(&job->arena, struct type_field, MAX(scan->field_count, 1));
    source->message_column = ARENA_ARRAY(&job->arena, isize, MAX(scan->field_count, 1));
    for (isize i = 0; i < scan->field_count; i++) {
        const struct table_column *column = &scan->table->columns[scan->scan_columns[i]];
        if (column->kind != COLUMN_METADATA) {
            source->message_column[i] = source->field_count;
            source->fields[source->field_count++] = scan->fields[i];
        } else if (str_eq(column->metadata_key, STR("timestamp"))) {
            source->message_column[i] = -1;
        } else {
            source->message_column[i] = str_eq(column->metadata_key, STR("shard-id")) ? -2 : -3;
        }
    }
}

static err decoder_open(struct engine_source *source, struct diag *diag)
{
    const struct connect_format *format = &source->format;
    TRY(connect_format_types_check(format, source->fields, source->field_count, diag));
    if (format->kind == CONNECT_FORMAT_JSON) {
        struct json_rows_options options = {format->is_iso_timestamps,
                                            format->fails_on_missing_field};
        source->decoder = json_rows_new(source->fields, source->field_count, &options);
    } else if (format->kind == CONNECT_FORMAT_CSV) {
        return csv_rows_new(source->fields, source->field_count, &format->csv_rows, NULL,
                            &source->csv, diag);
    }
    return OK;
}

/* The table's physical columns, as its connector fills them. */
static void columns_read(struct engine_job *job, const struct table_def *table,
                         struct connect_schema *out)
{
    struct type_field *fields =
        ARENA_ARRAY(&job->arena, struct type_field, MAX(table->column_count, 1));
    *out = (struct connect_schema){.fields = fields,
                                   .account = job->account,
                                   .region = job->region,
                                   .job = str_of(job->id_text),
                                   .partition_count = table->partition_key_count};
    for (isize i = 0; i < table->column_count; i++) {
        if (table->columns[i].kind == COLUMN_PHYSICAL) {
            fields[out->count++] =
                (struct type_field){.name = table->columns[i].name, .type = table->columns[i].type};
        }
    }
}

static err landed_open(struct engine_job *job, struct engine_source *source, struct diag *diag)
{
    const struct table_def *table = source->pipe->rels[0]->table;
    struct connect_table options = engine__connect_table(table, &job->arena);
    struct connect_schema schema;
    columns_read(job, table, &schema);
    TRY(engine__landing_open(job, (u32)(source - job->sources), &options, source->connector,
                             &schema, &source->stream, &source->landing, diag));
    if (source->landing->ops->target != NULL) {
        source->place.name = source->landing->ops->target(source->landing->source);
    }
    return OK;
}

static err source_open(struct engine_job *job, struct pipe *pipe, struct diag *diag)
{
    struct engine_source *source = &job->sources[job->source_count];
    source->pipe = pipe;
    source->table = arena_copy(&job->arena, pipe->rels[0]->table->name);
    u32 roles = CONNECT_SOURCE_LOG | CONNECT_SOURCE_LANDED;
    TRY(table_read(job, pipe->rels[0]->table, &roles, &source->connector, &source->format,
                   &source->place, diag));
    if ((roles & CONNECT_SOURCE_LANDED) != 0) {
        TRY(landed_open(job, source, diag));
    } else {
        TRY(stream_open(job, &source->place, &source->stream, diag));
    }
    struct stream_info info;
    stream_get_info(source->stream, &info);
    source->stream_number = info.number;
    columns_split(job, source);
    engine__marks_new(job, source);
    job->source_count++;
    return decoder_open(source, diag);
}

static err partition_types_check(const struct rel *rel, struct diag *diag)
{
    const struct table_def *table = rel->table;
    for (isize i = 0; i < table->partition_key_count; i++) {
        const struct table_column *column = &table->columns[table->partition_keys[i]];
        enum type_kind kind = column->type->kind;
        bool is_good = kind == TYPE_BOOLEAN || (kind >= TYPE_TINYINT && kind <= TYPE_DOUBLE) ||
                       type_is_string(column->type);
        if (!is_good) {
            return diag_set(diag, ERR_TYPE, "ENG032",
                            "The following partition keys have types that are not supported by "
                            "Kinesis: " STR_FMT,
                            STR_ARG(column->name));
        }
    }
    return OK;
}

/* Which of the sink's fields are named by PARTITIONED BY. */
static void schema_read(struct engine_job *job, const struct rel *rel, struct connect_schema *out)
{
    const struct table_def *table = rel->table;
    isize *partition = ARENA_ARRAY(&job->arena, isize, MAX(table->partition_key_count, 1));
    *out = (struct connect_schema){
        .fields = rel->fields,
        .count = rel->field_count,
        .partition_fields = partition,
        .account = job->account,
        .region = job->region,
        .job = str_of(job->id_text),
        .sink = (u32)job->sink_count,
    };
    for (isize k = 0; k < table->partition_key_count; k++) {
        for (isize c = 0; c < rel->field_count; c++) {
            if (rel->scan_columns[c] == table->partition_keys[k]) {
                partition[out->partition_count++] = c;
            }
        }
    }
}

static err outside_open(struct engine_job *job, struct engine_sink *sink, struct diag *diag)
{
    struct connect_table options = engine__connect_table(sink->rel->table, &job->arena);
    struct connect_schema schema;
    schema_read(job, sink->rel, &schema);
    TRY(engine__outbox_open(job, (u32)job->sink_count, &options, sink->connector, &schema,
                            &sink->outbox, diag));
    sink->outbox->table = sink->rel->table->name;
    job->sink_count++;
    return OK;
}

static err sink_open(struct engine_job *job, const struct rel *rel, struct diag *diag)
{
    struct engine_sink *sink = &job->sinks[job->sink_count];
    u32 roles = CONNECT_SINK_LOG | CONNECT_SINK_OUTSIDE | CONNECT_SINK_NOWHERE;
    sink->rel = rel;
    sink->passed_source = -1;
    TRY(table_read(job, rel->table, &roles, &sink->connector, &sink->format, &sink->place, diag));
    if ((roles & CONNECT_SINK_OUTSIDE) != 0) {
        return outside_open(job, sink, diag);
    }
    if ((roles & CONNECT_SINK_LOG) != 0) {
        TRY(partition_types_check(rel, diag));
        TRY(connect_format_types_check(&sink->format, rel->fields, rel->field_count, diag));
        TRY(stream_open(job, &sink->place, &sink->stream, diag));
        sink->writer = connect_writer_new(&sink->format, rel->fields, rel->field_count);
    }
    job->sink_count++;
    return OK;
}

/* Does the pipe carry each record of its source to the sink as it is? */
static bool is_pass_through(const struct engine_source *source, const struct engine_sink *sink)
{
    const struct pipe *pipe = source->pipe;
    const struct rel *scan = pipe->rels[0];
    bool is_raw = source->format.kind == CONNECT_FORMAT_RAW &&
                  sink->format.kind == CONNECT_FORMAT_RAW && scan->field_count == 1 &&
                  source->message_column[0] >= 0 && sink->rel->field_count == 1;
    if (!is_raw || sink->outbox == NULL || !sink->outbox->limits.is_pass_through) {
        return false;
    }
    for (isize i = 1; i < pipe->rel_count - 1; i++) {
        bool is_identity = pipe->rels[i]->kind == REL_PROJECT && pipe->rels[i]->expr_count == 1 &&
                           pipe->rels[i]->exprs[0]->kind == EXPR_COLUMN;
        if (!is_identity) {
            return false;
        }
    }
    return type_is_bytes(scan->fields[0].type) || type_is_string(scan->fields[0].type);
}

static void outboxes_prepare(struct engine_job *job)
{
    for (isize k = 0; k < job->sink_count; k++) {
        struct engine_sink *sink = &job->sinks[k];
        struct engine_source *only = NULL;
        isize count = 0;
        for (isize i = 0; i < job->source_count; i++) {
            const struct pipe *pipe = job->sources[i].pipe;
            if (pipe->rels[pipe->rel_count - 1] == sink->rel) {
                only = &job->sources[i];
                count++;
            }
        }
        if (count == 1 && is_pass_through(only, sink)) {
            only->passed_to = sink;
            sink->outbox->source = only;
        }
        if (sink->outbox != NULL) {
            engine__outbox_prepare(sink->outbox);
        }
    }
}

/* The dataflow of all plans, its scans opened as sources. */
err engine__plans_open(struct engine_job *job, struct diag *diag)
{
    TRY(engine__state_new(job, diag));
    isize count = flow_scan_count(job->flow);
    job->sources = ARENA_ARRAY(&job->arena, struct engine_source, MAX(count, 1));
    for (isize i = 0; i < count; i++) {
        TRY(source_open(job, flow_scan(job->flow, i), diag));
    }
    for (isize i = 0; i < job->plan_count && job->query == NULL; i++) {
        TRY(sink_open(job, job->plans[i].root, diag));
    }
    return OK;
}

static err tables_open(struct engine_job *job, struct diag *diag)
{
    for (isize i = 0; i < job->table_count; i++) {
        struct engine_lookup lookup = {.lists = {NULL, &job->tables}};
        struct engine_table *table;
        TRY(engine__table_make(&lookup, job->table_texts[i], &table, diag));
        engine__table_put(&job->tables, table);
    }
    return OK;
}

void engine__job_name(struct engine_job *job)
{
    (void)snprintf(job->id_text, sizeof job->id_text, "job-%llu", (unsigned long long)job->id);
}

err engine__job_prepare(struct engine_job *job, struct diag *diag)
{
    engine__job_name(job);
    TRY(tables_open(job, diag));
    struct engine_lookup lookup = {.lists = {NULL, &job->tables},
                                   .settings = job->settings,
                                   .setting_count = job->setting_count};
    struct catalog_ops ops;
    engine__catalog_ops(&lookup, &ops);
    struct sql_statement statement;
    TRY(sql_parse(&job->arena, job->sql, &statement, diag));
    bool is_set = statement.kind == SQL_STATEMENT_SET;
    isize count = is_set ? statement.inner_count : 1;
    job->plans = ARENA_ARRAY(&job->arena, struct plan, MAX(count, 1));
    job->sinks = ARENA_ARRAY(&job->arena, struct engine_sink, MAX(count, 1));
    for (isize i = 0; i < count; i++) {
        const struct sql_statement *one = is_set ? &statement.inner[i] : &statement;
        TRY(sql_plan(&job->arena, one, &ops, &job->plans[i], diag));
        job->plan_count++;
    }
    TRY(engine__plans_open(job, diag));
    for (isize i = 0; i < job->source_count && i < job->start_count; i++) {
        job->sources[i].start_lsn = job->start_lsns[i];
    }
    return OK;
}

/* --- running
 * ---------------------------------------------------------------------------------------------- */

void engine__landings_stop(struct engine_job *job)
{
    for (isize i = 0; i < job->source_count; i++) {
        if (job->sources[i].landing != NULL) {
            engine__landing_stop(job->sources[i].landing);
        }
    }
}

static void hold_release(struct engine_job *job)
{
    if (job->has_hold) {
        job->has_hold = false;
        streams_hold_release(job->engine->streams, job->hold);
    }
}

/* Once that is durable, nothing needs the job's input any more. */
static void end_log(struct engine_job *job, enum engine_state state, const char *reason)
{
    err e = engine__log_state(job->engine, job, state, reason);
    if (e == OK) {
        hold_release(job);
        return;
    }
    trace(TRACE_WARN, "engine", "the end of a job could not be written down",
          T_STR("job", str_of(job->id_text)), T_STR("error", str_of(err_text(e))));
}

void engine__job_fail(struct engine_job *job, const char *reason)
{
    trace(TRACE_ERROR, "engine", "job failed", T_STR("job", str_of(job->id_text)),
          T_STR("reason", str_of(reason)));
    os_mutex_lock(&job->lock);
    job->state = ENGINE_FAILED;
    str_copy_cstr(str_of(reason), job->reason, (isize)sizeof job->reason);
    os_mutex_unlock(&job->lock);
    engine__landings_stop(job);
    engine__job_drain(job);
    end_log(job, ENGINE_FAILED, reason);
}

bool engine__job_is_finished(const struct engine_job *job)
{
    bool is_over = job->source_count > 0 || job->step > 0;
    for (isize i = 0; i < job->source_count && is_over; i++) {
        const struct engine_landing *landing = job->sources[i].landing;
        u64 end = landing == NULL ? 0 : __atomic_load_n(&landing->ended_lsn, __ATOMIC_ACQUIRE);
        is_over = end > 0 && job->position >= end;
    }
    return is_over && !job->is_firing;
}

/* Until the log has moved past the position, a timer is due, or the job is stopping. */
static void wait_for_input(struct engine_job *job)
{
    enum { WAIT_MS_MAX = 60000 };
    struct engine *engine = job->engine;
    i64 timer_us = MIN(engine__step_timer_us(job), engine__snapshot_timer_us(job));
    __atomic_store_n(&job->behind_since_ms, 0, __ATOMIC_RELAXED);
    os_mutex_lock(&engine->wake_lock);
    while (!__atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&job->has_doom, __ATOMIC_RELAXED) &&
           log_tip(engine->log) <= job->position && !engine__job_is_finished(job)) {
        if (timer_us == INT64_MAX) {
            os_cond_wait(&engine->wake, &engine->wake_lock);
            continue;
        }
        i64 left_ms = (timer_us - os_wall_us(engine->os) + 999) / 1000;
        if (left_ms <= 0) {
            break;
        }
        (void)os_cond_wait_ms(&engine->wake, &engine->wake_lock, (u32)MIN(left_ms, WAIT_MS_MAX));
    }
    os_mutex_unlock(&engine->wake_lock);
    __atomic_store_n(&job->behind_since_ms, os_wall_us(engine->os) / 1000, __ATOMIC_RELAXED);
}

static void job_finish(struct engine_job *job)
{
    os_mutex_lock(&job->lock);
    job->state = ENGINE_FINISHED;
    os_mutex_unlock(&job->lock);
    engine__landings_stop(job);
    engine__job_drain(job);
    end_log(job, ENGINE_FINISHED, "");
}

/* Steps until the job is stopping or has an error; ERR_END: it is finished. */
static err run_steps(struct engine_job *job, struct diag *diag)
{
    TRY(engine__strike_begin(job, diag));
    TRY(engine__recover(job, diag));
    while (!__atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED)) {
        if (engine__job_is_finished(job)) {
            return ERR_END;
        }
        if (__atomic_load_n(&job->has_doom, __ATOMIC_ACQUIRE)) {
            return diag_set(diag, ERR_REMOTE, "ENG083", "%s", job->doom);
        }
        bool has_moved;
        TRY(engine__step(job, &has_moved, diag));
        if (engine__snapshot_is_due(job)) {
            TRY(engine__snapshot_write(job, diag));
        }
        engine__restate_if_due(job->engine);
        if (!has_moved) {
            wait_for_input(job);
        }
    }
    return job->is_stateful ? engine__snapshot_write(job, diag) : OK;
}

/* Is it stopped, or does the server stop? Then steps end in the middle, and nothing is wrong. */
static bool is_leaving(const struct engine_job *job)
{
    return __atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED);
}

static void job_main(void *ctx)
{
    struct engine_job *job = ctx;
    struct diag diag;
    diag_init(&diag);
    err e = run_steps(job, &diag);
    engine__strike_end(job); /* However it ended, the process lives. */
    if (e == ERR_END) {
        job_finish(job);
    } else if (e != OK && !((e == ERR_FULL || e == ERR_CLOSED) && is_leaving(job))) {
        (void)diag_set(&diag, e, "ENG033", "a step failed: %s", err_text(e));
        engine__job_fail(job, diag.message);
    }
}

void engine__job_deliver(struct engine_job *job)
{
    outboxes_prepare(job);
    for (isize i = 0; i < job->sink_count; i++) {
        if (job->sinks[i].outbox != NULL) {
            engine__outbox_start(job->sinks[i].outbox, job->state != ENGINE_RUNNING);
        }
    }
}

void engine__job_stop_for(struct engine_job *job, const char *reason)
{
    struct engine *engine = job->engine;
    os_mutex_lock(&engine->wake_lock);
    if (!job->has_doom) {
        str_copy_cstr(str_of(reason), job->doom, (isize)sizeof job->doom);
        __atomic_store_n(&job->has_doom, true, __ATOMIC_RELEASE);
    }
    os_cond_broadcast(&engine->wake);
    os_mutex_unlock(&engine->wake_lock);
}

void engine__landings_start(struct engine_job *job)
{
    for (isize i = 0; i < job->source_count; i++) {
        if (job->sources[i].landing != NULL) {
            engine__landing_start(job->sources[i].landing);
        }
    }
}

static void job_run(struct engine_job *job)
{
    job->hold = streams_hold(job->engine->streams, engine__hold_lsn(job));
    job->has_hold = true;
    job->is_stopping = false;
    job->has_thread = true;
    trace(TRACE_INFO, "engine", "job starts", T_STR("job", str_of(job->id_text)),
          T_STR("name", job->name), T_INT("after_lsn", job->position));
    engine__landings_start(job);
    os_thread_start(&job->thread, "leat-job", job_main, job);
}

void engine__job_start(struct engine_job *job)
{
    engine__job_deliver(job);
    job_run(job);
}

void engine__job_go_on(struct engine_job *job)
{
    if (job->state != ENGINE_RUNNING) {
        return;
    }
    err e = OK;
    if (job->is_stateful) {
        engine__replay_free(job->replay);
        job->replay = NULL;
        job->has_state = false; /* engine->lock is held: the catalog is not restated. */
        job->step = 0;
        e = engine__journal_reread(job);
    }
    if (e != OK) {
        engine__job_fail(job, "its journal cannot be read");
        return;
    }
    job_run(job);
}

void engine__job_join(struct engine_job *job)
{
    if (!job->has_thread) {
        return;
    }
    struct engine *engine = job->engine;
    os_mutex_lock(&engine->wake_lock);
    __atomic_store_n(&job->is_stopping, true, __ATOMIC_RELAXED);
    os_cond_broadcast(&engine->wake);
    os_mutex_unlock(&engine->wake_lock);
    os_thread_join(&job->thread);
    job->has_thread = false;
    engine__landings_stop(job);
    hold_release(job);
}

void engine__job_drain(struct engine_job *job)
{
    for (isize i = 0; i < job->sink_count; i++) {
        if (job->sinks[i].outbox != NULL) {
            engine__outbox_drain(job->sinks[i].outbox);
        }
    }
}
