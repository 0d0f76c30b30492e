/* engine/journal.c: what the engine writes into the log, and reading it back
 * (docs/formats/journal.md). */
#include "engine/engine_int.h"
#include "engine/outbox.h"

enum {
    RECORD_TABLE = 'T',
    RECORD_DROP = 'D',
    RECORD_JOB = 'J',
    RECORD_STATE = 'S',
    RECORD_RESET = 'X',
    RECORD_NEXT = 'N',
};
enum { RECORD_STEP = 'E', RECORD_SNAPSHOT = 'P', RECORD_POSITION = 'R' };

static const struct log_channel catalog_channel = {0, LOG_CONTROL_ENGINE};
static const struct log_channel journal_channel = {0, LOG_CONTROL_JOURNAL};
static const struct log_channel outbox_channel = {0, LOG_CONTROL_OUTBOX};

/* --- writing
 * ------------------------------------------------------------------------------------------- */

static void put_text(struct buf *out, str text)
{
    buf_append_varint(out, (u64)text.len);
    buf_append(out, text);
}

/* Frees the record. */
static err add(struct log_batch *batch, struct log_channel channel, struct buf *record)
{
    err e = log_batch_add(batch, channel, buf_str(record));
    buf_deinit(record);
    return e;
}

/* Frees the batch. `e`: how filling it went. */
static err commit(struct engine *engine, struct log_batch *batch, err e)
{
    if (e == OK) {
        e = log_commit(engine->log, batch);
    }
    log_batch_free(batch);
    return e;
}

err engine__batch_table(struct log_batch *batch, str create_text)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_TABLE);
    put_text(&record, create_text);
    return add(batch, catalog_channel, &record);
}

err engine__log_table(struct engine *engine, str create_text)
{
    struct log_batch *batch = log_batch_new();
    return commit(engine, batch, engine__batch_table(batch, create_text));
}

err engine__log_reset(struct engine *engine)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_RESET);
    struct log_batch *batch = log_batch_new();
    return commit(engine, batch, add(batch, catalog_channel, &record));
}

err engine__log_drop(struct engine *engine, str name)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_DROP);
    put_text(&record, name);
    struct log_batch *batch = log_batch_new();
    return commit(engine, batch, add(batch, catalog_channel, &record));
}

err engine__batch_job(struct log_batch *batch, const struct engine_job *job)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_JOB);
    buf_append_varint(&record, job->id);
    put_text(&record, job->name);
    put_text(&record, job->account);
    put_text(&record, job->region);
    put_text(&record, job->sql);
    buf_append_varint(&record, job->fingerprint);
    buf_append_varint(&record, (u64)job->created_ms);
    buf_append_varint(&record, (u64)job->table_count);
    for (isize i = 0; i < job->table_count; i++) {
        put_text(&record, job->table_texts[i]);
    }
    buf_append_varint(&record, (u64)job->setting_count);
    for (isize i = 0; i < job->setting_count; i++) {
        put_text(&record, job->settings[i].key);
        put_text(&record, job->settings[i].value);
    }
    buf_append_byte(&record, job->is_stateful);
    buf_append_varint(&record, (u64)job->start_count);
    for (isize i = 0; i < job->start_count; i++) {
        buf_append_varint(&record, job->start_lsns[i]);
    }
    return add(batch, catalog_channel, &record);
}

err engine__batch_state(struct log_batch *batch, const struct engine_job *job,
                        enum engine_state state, const char *reason)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_STATE);
    buf_append_varint(&record, job->id);
    buf_append_byte(&record, (u8)state);
    put_text(&record, str_of(reason));
    return add(batch, catalog_channel, &record);
}

err engine__log_state(struct engine *engine, const struct engine_job *job, enum engine_state state,
                      const char *reason)
{
    struct log_batch *batch = log_batch_new();
    return commit(engine, batch, engine__batch_state(batch, job, state, reason));
}

err engine__batch_next_job(struct log_batch *batch, u64 next_job)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_NEXT);
    buf_append_varint(&record, next_job);
    return add(batch, catalog_channel, &record);
}

/* Those of struct engine_counters that are kept, in the order of their record; new ones come last.
 */
static const isize kept_counters[] = {
    offsetof(struct engine_counters, rows_in),
    offsetof(struct engine_counters, rows_out),
    offsetof(struct engine_counters, rows_filtered),
    offsetof(struct engine_counters, dead_letters),
    offsetof(struct engine_counters, empty_messages),
    offsetof(struct engine_counters, bytes_in),
    offsetof(struct engine_counters, bytes_out),
    offsetof(struct engine_counters, late_rows),
    offsetof(struct engine_counters, steps),
};

static void put_counters(struct buf *out, const struct engine_counters *counters)
{
    buf_append_varint(out, COUNT_OF(kept_counters));
    for (isize i = 0; i < COUNT_OF(kept_counters); i++) {
        u64 value;
        memcpy(&value, (const u8 *)counters + kept_counters[i], sizeof value);
        buf_append_varint(out, value);
    }
}

err engine__batch_position(struct log_batch *batch, const struct engine_job *job, u64 step, u64 lsn,
                           const struct engine_counters *totals)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_POSITION);
    buf_append_varint(&record, job->id);
    buf_append_varint(&record, step);
    buf_append_varint(&record, lsn);
    put_counters(&record, totals);
    return add(batch, journal_channel, &record);
}

err engine__batch_step(struct log_batch *batch, const struct engine_step_record *record)
{
    struct buf out = {0};
    buf_append_byte(&out, RECORD_STEP);
    buf_append_varint(&out, record->job);
    buf_append_varint(&out, record->step);
    buf_append_varint(&out, record->lsn);
    buf_append_varint(&out, (u64)record->wall_us);
    buf_append_varint(&out, record->seed);
    buf_append_varint(&out, record->version);
    buf_append_varint(&out, (u64)record->idle_count);
    for (isize i = 0; i < record->idle_count; i++) {
        buf_append_varint(&out, record->idle[i].source);
        buf_append_varint(&out, record->idle[i].first);
        buf_append_varint(&out, record->idle[i].count);
    }
    buf_append_varint(&out, record->fired);
    buf_append_varint(&out, record->output_count);
    buf_append_varint(&out, record->output_hash);
    buf_append_varint(&out, record->input_count);
    put_counters(&out, &record->totals);
    return add(batch, journal_channel, &out);
}

static err batch_snapshot(struct log_batch *batch, const struct engine_snapshot_record *snapshot)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_SNAPSHOT);
    buf_append_varint(&record, snapshot->job);
    buf_append_varint(&record, snapshot->step);
    buf_append_varint(&record, snapshot->lsn);
    buf_append_varint(&record, snapshot->bytes);
    buf_append_varint(&record, snapshot->hash);
    return add(batch, journal_channel, &record);
}

err engine__log_snapshot(struct engine *engine, const struct engine_snapshot_record *snapshot,
                         u64 *no_out)
{
    struct log_batch *batch = log_batch_new();
    err e = batch_snapshot(batch, snapshot);
    if (e == OK) {
        e = log_commit(engine->log, batch);
    }
    if (e == OK) {
        *no_out = log_batch_record_no(batch, 0);
    }
    log_batch_free(batch);
    return e;
}

err engine__log_job(struct engine *engine, const struct engine_job *job,
                    const struct engine_job *replaced)
{
    struct log_batch *batch = log_batch_new();
    err e = engine__batch_job(batch, job);
    if (e == OK && replaced != NULL) {
        e = engine__batch_state(batch, replaced, ENGINE_STOPPED, ENGINE_REPLACED);
    }
    if (e == OK && job->replay != NULL) {
        e = batch_snapshot(batch, &job->replay->snapshots[0]);
    }
    return commit(engine, batch, e);
}

/* --- reading
 * -------------------------------------------------------------------------------------------- */

static err take_text(str *in, struct arena *arena, str *out)
{
    u64 len;
    TRY(varint_take(in, &len));
    if (len > (u64)in->len) {
        return ERR_CORRUPT;
    }
    *out = arena_copy(arena, str_slice(*in, 0, (isize)len));
    *in = str_slice(*in, (isize)len, in->len);
    return OK;
}

static err read_settings(struct engine_job *job, str *in)
{
    u64 count;
    TRY(varint_take(in, &count));
    if (count > (u64)in->len) {
        return ERR_CORRUPT;
    }
    job->setting_count = (isize)count;
    job->settings = ARENA_ARRAY(&job->arena, struct engine_setting, (isize)count + 1);
    for (isize i = 0; i < (isize)count; i++) {
        TRY(take_text(in, &job->arena, &job->settings[i].key));
        TRY(take_text(in, &job->arena, &job->settings[i].value));
    }
    if (in->len == 0) {
        return ERR_CORRUPT;
    }
    job->is_stateful = in->data[0] != 0;
    *in = str_slice(*in, 1, in->len);
    return OK;
}

static err take_job(struct engine_job *job, str in)
{
    struct arena *arena = &job->arena;
    u64 created, count;
    TRY(varint_take(&in, &job->id));
    TRY(take_text(&in, arena, &job->name));
    TRY(take_text(&in, arena, &job->account));
    TRY(take_text(&in, arena, &job->region));
    TRY(take_text(&in, arena, &job->sql));
    TRY(varint_take(&in, &job->fingerprint));
    TRY(varint_take(&in, &created));
    job->created_ms = (i64)created;
    TRY(varint_take(&in, &count));
    if (count > (u64)in.len) {
        return ERR_CORRUPT;
    }
    job->table_count = (isize)count;
    job->table_texts = ARENA_ARRAY(arena, str, job->table_count + 1);
    for (isize i = 0; i < job->table_count; i++) {
        TRY(take_text(&in, arena, &job->table_texts[i]));
    }
    TRY(read_settings(job, &in));
    TRY(varint_take(&in, &count));
    if (count > (u64)in.len) {
        return ERR_CORRUPT;
    }
    job->start_count = (isize)count;
    job->position = 0;
    job->start_lsns = ARENA_ARRAY(arena, u64, job->start_count + 1);
    for (isize i = 0; i < job->start_count; i++) {
        TRY(varint_take(&in, &job->start_lsns[i]));
        job->position = MIN(i == 0 ? UINT64_MAX : job->position, job->start_lsns[i]);
    }
    return OK;
}

static struct engine_job *job_by_number(struct engine *engine, u64 id)
{
    struct engine_job *const lists[] = {engine->jobs, engine->forgotten};
    for (int i = 0; i < COUNT_OF(lists); i++) {
        for (struct engine_job *job = lists[i]; job != NULL; job = job->next) {
            if (job->id == id) {
                return job;
            }
        }
    }
    return NULL;
}

/* A job that was restated is there already; states that came before its record apply now. */
static err read_job(struct engine *engine, str in)
{
    struct engine_job *job = engine__job_new(engine);
    err e = take_job(job, in);
    if (e != OK || job_by_number(engine, job->id) != NULL) {
        engine__job_free(job);
        return e;
    }
    struct engine_job **at = &engine->jobs;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = job;
    engine->job_count++;
    engine->next_job = MAX(engine->next_job, job->id + 1);
    for (isize i = 0; i < engine->early_count; i++) {
        if (engine->early[i].job == job->id) {
            job->state = engine->early[i].state;
            str_copy_cstr(engine->early[i].reason, job->reason, (isize)sizeof job->reason);
        }
    }
    return OK;
}

static err read_state(struct engine *engine, str in)
{
    u64 id;
    str reason;
    TRY(varint_take(&in, &id));
    if (in.len == 0 || in.data[0] > ENGINE_FINISHED) {
        return ERR_CORRUPT;
    }
    enum engine_state state = (enum engine_state)in.data[0];
    in = str_slice(in, 1, in.len);
    TRY(take_text(&in, &engine->replay_arena, &reason));
    struct engine_job *job = job_by_number(engine, id);
    if (job == NULL) {
        engine->early = arena_grow(&engine->replay_arena, engine->early, engine->early_count,
                                   (isize)sizeof *engine->early);
        engine->early[engine->early_count++] = (struct engine_early_state){id, state, reason};
        return OK;
    }
    job->state = state;
    str_copy_cstr(reason, job->reason, (isize)sizeof job->reason);
    return OK;
}

static err read_table(struct engine *engine, str in)
{
    struct arena scratch = {0};
    str text;
    err e = take_text(&in, &scratch, &text);
    struct engine_lookup lookup = {.lists = {NULL, &engine->tables}};
    struct engine_table *table;
    struct diag diag;
    diag_init(&diag);
    if (e == OK && engine__table_make(&lookup, text, &table, &diag) == OK) {
        engine__table_put(&engine->tables, table);
    }
    arena_deinit(&scratch);
    return e;
}

static err read_drop(struct engine *engine, str in)
{
    struct arena scratch = {0};
    str name;
    err e = take_text(&in, &scratch, &name);
    if (e == OK) {
        (void)engine__table_remove(&engine->tables, name);
    }
    arena_deinit(&scratch);
    return e;
}

static err read_next(struct engine *engine, str in)
{
    u64 next;
    TRY(varint_take(&in, &next));
    engine->next_job = MAX(engine->next_job, next);
    return OK;
}

static err read_catalog(struct engine *engine, str body)
{
    if (body.len == 0) {
        return ERR_CORRUPT;
    }
    str in = str_slice(body, 1, body.len);
    switch (body.data[0]) {
    case RECORD_TABLE:
        return read_table(engine, in);
    case RECORD_DROP:
        return read_drop(engine, in);
    case RECORD_JOB:
        return read_job(engine, in);
    case RECORD_STATE:
        return read_state(engine, in);
    case RECORD_NEXT:
        return read_next(engine, in);
    case RECORD_RESET:
        engine__forget_all(engine);
        return OK;
    default:
        return ERR_VERSION;
    }
}

/* Records from before this field end without it: *has_out is false. */
static err take_counters(str *in, struct engine_counters *out, bool *has_out)
{
    u64 count = 0, value;
    *has_out = in->len > 0;
    if (*has_out) {
        TRY(varint_take(in, &count));
    }
    if (count > (u64)in->len) {
        return ERR_CORRUPT;
    }
    for (isize i = 0; i < (isize)count; i++) {
        TRY(varint_take(in, &value));
        if (i < COUNT_OF(kept_counters)) {
            memcpy((u8 *)out + kept_counters[i], &value, sizeof value);
        }
    }
    return OK;
}

err engine__step_read(str body, struct arena *arena, struct engine_step_record *out)
{
    u64 wall, count, value[3];
    str in = str_slice(body, 1, body.len);
    TRY(varint_take(&in, &out->job));
    TRY(varint_take(&in, &out->step));
    TRY(varint_take(&in, &out->lsn));
    TRY(varint_take(&in, &wall));
    out->wall_us = (i64)wall;
    TRY(varint_take(&in, &out->seed));
    TRY(varint_take(&in, &out->version));
    TRY(varint_take(&in, &count));
    if (count > (u64)in.len) {
        return ERR_CORRUPT;
    }
    out->idle_count = (isize)count;
    out->idle = ARENA_ARRAY(arena, struct engine_idle, out->idle_count + 1);
    for (isize i = 0; i < out->idle_count; i++) {
        for (isize k = 0; k < COUNT_OF(value); k++) {
            TRY(varint_take(&in, &value[k]));
        }
        out->idle[i] = (struct engine_idle){(u32)value[0], (u32)value[1], (u32)value[2]};
    }
    TRY(varint_take(&in, &out->fired));
    TRY(varint_take(&in, &out->output_count));
    TRY(varint_take(&in, &out->output_hash));
    out->has_input = in.len > 0;
    out->input_count = 0;
    if (out->has_input) {
        TRY(varint_take(&in, &out->input_count));
    }
    out->totals = (struct engine_counters){0};
    return take_counters(&in, &out->totals, &out->has_totals);
}

void engine__replay_free(struct engine_replay *replay)
{
    if (replay != NULL) {
        arena_deinit(&replay->arena);
        mem_free(replay);
    }
}

static struct engine_replay *replay_of(struct engine_job *job)
{
    job->replay = job->replay == NULL ? NEW(struct engine_replay) : job->replay;
    return job->replay;
}

static void keep_step(struct engine_job *job, str body)
{
    struct engine_replay *replay = replay_of(job);
    replay->steps = arena_grow(&replay->arena, replay->steps, replay->count, (isize)sizeof(str));
    replay->steps[replay->count++] = arena_copy(&replay->arena, body);
}

static err read_step(struct engine *engine, str body)
{
    struct arena scratch = {0};
    struct engine_step_record record;
    err e = engine__step_read(body, &scratch, &record);
    arena_deinit(&scratch);
    TRY(e);
    struct engine_job *job = job_by_number(engine, record.job);
    /* Steps before the first that is left were restated, or are covered by a snapshot. */
    if (job == NULL) {
        return OK; /* Forgotten by a reset whose record is gone too. */
    }
    if (job->step != 0 && record.step != job->step + 1) {
        return ERR_CORRUPT;
    }
    if (job->step == 0 && job->flow == NULL) { /* Of this job there is nothing before it. */
        job->snapshot_no = job->journal_floor_no = engine->reading_no;
    }
    job->step = record.step;
    job->position = record.lsn;
    job->wall_us = record.wall_us;
    if (record.has_totals && job->flow == NULL) { /* Else it is read once more. */
        job->counters = record.totals;
    }
    if (job->is_stateful) {
        keep_step(job, body);
    }
    return OK;
}

/* The steps before the snapshot before this one are not needed any more. */
static err read_snapshot(struct engine *engine, str body)
{
    struct engine_snapshot_record record;
    str in = str_slice(body, 1, body.len);
    TRY(varint_take(&in, &record.job));
    TRY(varint_take(&in, &record.step));
    TRY(varint_take(&in, &record.lsn));
    TRY(varint_take(&in, &record.bytes));
    TRY(varint_take(&in, &record.hash));
    struct engine_job *job = job_by_number(engine, record.job);
    if (job == NULL) {
        return OK;
    }
    if (record.step < job->step) {
        return ERR_CORRUPT; /* A snapshot is of the newest step. */
    }
    struct engine_replay *old = replay_of(job);
    struct engine_replay *replay = NEW(struct engine_replay);
    replay->snapshots[0] = record;
    replay->snapshots[1] = old->snapshots[0];
    job->replay = replay;
    for (isize i = old->older; i < old->count; i++) {
        keep_step(job, old->steps[i]);
    }
    replay->older = replay->count;
    if (job->flow == NULL) { /* Else it is read once more, and they are known. */
        job->journal_floor_no = job->snapshot_no;
        job->snapshot_no = engine->reading_no;
        job->snapshot_input = job->counters.bytes_in;
    }
    engine__replay_free(old);
    job->step = record.step;
    job->position = MAX(job->position, record.lsn);
    return OK;
}

/* Where a job stood when the journal was restated; what came meanwhile stands before it too. */
static err read_position(struct engine *engine, str body)
{
    u64 id, step, lsn;
    str in = str_slice(body, 1, body.len);
    TRY(varint_take(&in, &id));
    TRY(varint_take(&in, &step));
    TRY(varint_take(&in, &lsn));
    struct engine_counters totals = {0};
    bool has_totals;
    TRY(take_counters(&in, &totals, &has_totals));
    struct engine_job *job = job_by_number(engine, id);
    if (job != NULL && step >= job->step) {
        job->step = step;
        job->position = MAX(job->position, lsn);
        if (has_totals && job->flow == NULL) {
            job->counters = totals;
        }
    }
    return OK;
}

static err read_journal(struct engine *engine, str body)
{
    switch (body.len == 0 ? 0 : body.data[0]) {
    case RECORD_STEP:
        return read_step(engine, body);
    case RECORD_SNAPSHOT:
        return read_snapshot(engine, body);
    case RECORD_POSITION:
        return read_position(engine, body);
    default:
        return ERR_VERSION;
    }
}

static err read_channel(struct engine *engine, struct log_channel channel, const char *what,
                        err (*read)(struct engine *engine, str body), struct diag *diag)
{
    u64 next = 0;
    for (;;) {
        struct log_frame *frame;
        err e = log_frame_seek(engine->log, channel, next, &frame);
        if (e == ERR_END) {
            return OK;
        }
        TRY(e);
        struct log_run run;
        struct log_record record;
        CHECK(log_frame_find(frame, channel, &run));
        log_run_skip(&run, next);
        while (e == OK && log_run_next(&run, &record)) {
            engine->reading_no = record.no;
            engine->journal_records++;
            e = read(engine, record.body);
            next = record.no + 1;
        }
        if (e == ERR_VERSION) {
            (void)diag_set_unknown_kind(diag, "ENG002", what,
                                        record.body.len > 0 ? record.body.data[0] : 0);
        }
        log_frame_unref(frame);
        TRY(e);
    }
}

err engine__replay(struct engine *engine, struct diag *diag)
{
    err e = read_channel(engine, catalog_channel, "the catalog of SQL", read_catalog, diag);
    if (e == OK) {
        e = read_channel(engine, journal_channel, "the journal of jobs", read_journal, diag);
    }
    if (e == OK) {
        e = read_channel(engine, outbox_channel, "the journal of outboxes", engine__outbox_read,
                         diag);
    }
    arena_deinit(&engine->replay_arena);
    engine->early = NULL;
    engine->early_count = 0;
    if (e != OK) {
        return diag_set(diag, e, "ENG001", "the SQL catalog or the journal cannot be read: %s",
                        err_text(e));
    }
    return OK;
}

static err reread(struct engine *engine, struct engine_job *job, struct log_run run, u64 *next)
{
    struct log_record record;
    log_run_skip(&run, *next);
    while (log_run_next(&run, &record)) {
        u64 id;
        str in = str_slice(record.body, 1, record.body.len);
        *next = record.no + 1;
        TRY(varint_take(&in, &id));
        if (id == job->id) {
            TRY(read_journal(engine, record.body));
        }
    }
    return OK;
}

err engine__journal_reread(struct engine_job *job)
{
    struct engine *engine = job->engine;
    u64 next = 0;
    for (;;) {
        struct log_frame *frame;
        struct log_run run;
        err e = log_frame_seek(engine->log, journal_channel, next, &frame);
        if (e == ERR_END) {
            return OK;
        }
        TRY(e);
        CHECK(log_frame_find(frame, journal_channel, &run));
        e = reread(engine, job, run, &next);
        log_frame_unref(frame);
        TRY(e);
    }
}
