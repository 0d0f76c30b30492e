/* engine/journal.c: what the engine writes into the log, and reading it back
 * (docs/formats/journal.md). */
#include "engine/engine_int.h"
#include "engine/outbox.h"

enum { RECORD_TABLE = 'T', RECORD_DROP = 'D', RECORD_JOB = 'J', RECORD_STATE = 'S' };

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

static err commit(struct engine *engine, struct buf *record)
{
    struct log_batch *batch = log_batch_new();
    err e = log_batch_add(batch, catalog_channel, buf_str(record));
    if (e == OK) {
        e = log_commit(engine->log, batch);
    }
    log_batch_free(batch);
    buf_deinit(record);
    return e;
}

err engine__log_table(struct engine *engine, str create_text)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_TABLE);
    put_text(&record, create_text);
    return commit(engine, &record);
}

err engine__log_drop(struct engine *engine, str name)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_DROP);
    put_text(&record, name);
    return commit(engine, &record);
}

err engine__log_job(struct engine *engine, const struct engine_job *job)
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
    buf_append_varint(&record, (u64)job->start_count);
    for (isize i = 0; i < job->start_count; i++) {
        buf_append_varint(&record, job->start_lsns[i]);
    }
    return commit(engine, &record);
}

err engine__log_state(struct engine *engine, const struct engine_job *job, enum engine_state state,
                      const char *reason)
{
    struct buf record = {0};
    buf_append_byte(&record, RECORD_STATE);
    buf_append_varint(&record, job->id);
    buf_append_byte(&record, (u8)state);
    put_text(&record, str_of(reason));
    return commit(engine, &record);
}

err engine__batch_step(struct log_batch *batch, const struct engine_step_record *record)
{
    struct buf out = {0};
    buf_append_varint(&out, record->job);
    buf_append_varint(&out, record->step);
    buf_append_varint(&out, record->lsn);
    buf_append_varint(&out, (u64)record->wall_us);
    buf_append_varint(&out, record->seed);
    buf_append_varint(&out, record->output_count);
    buf_append_varint(&out, record->output_hash);
    err e = log_batch_add(batch, journal_channel, buf_str(&out));
    buf_deinit(&out);
    return e;
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

static err read_job(struct engine *engine, str in)
{
    struct engine_job *job = engine__job_new(engine);
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
    TRY(varint_take(&in, &count));
    if (count > (u64)in.len) {
        return ERR_CORRUPT;
    }
    job->start_count = (isize)count;
    job->start_lsns = ARENA_ARRAY(arena, u64, job->start_count + 1);
    job->position = UINT64_MAX;
    for (isize i = 0; i < job->start_count; i++) {
        TRY(varint_take(&in, &job->start_lsns[i]));
        job->position = MIN(job->position, job->start_lsns[i]);
    }
    struct engine_job **at = &engine->jobs;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = job;
    engine->job_count++;
    engine->next_job = MAX(engine->next_job, job->id + 1);
    return OK;
}

static struct engine_job *job_by_number(struct engine *engine, u64 id)
{
    struct engine_job *job = engine->jobs;
    while (job != NULL && job->id != id) {
        job = job->next;
    }
    return job;
}

static err read_state(struct engine *engine, str in)
{
    u64 id;
    struct arena scratch = {0};
    TRY(varint_take(&in, &id));
    struct engine_job *job = job_by_number(engine, id);
    if (job == NULL || in.len == 0) {
        return ERR_CORRUPT;
    }
    job->state = (enum engine_state)in.data[0];
    in = str_slice(in, 1, in.len);
    str reason;
    err e = take_text(&in, &scratch, &reason);
    if (e == OK) {
        str_copy_cstr(reason, job->reason, (isize)sizeof job->reason);
    }
    arena_deinit(&scratch);
    return e;
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
    default:
        return ERR_VERSION;
    }
}

static err read_step(struct engine *engine, str in)
{
    struct engine_step_record record;
    TRY(varint_take(&in, &record.job));
    TRY(varint_take(&in, &record.step));
    TRY(varint_take(&in, &record.lsn));
    struct engine_job *job = job_by_number(engine, record.job);
    if (job == NULL || record.step != job->step + 1) {
        return ERR_CORRUPT;
    }
    job->step = record.step;
    job->position = record.lsn;
    return OK;
}

static err read_channel(struct engine *engine, struct log_channel channel,
                        err (*read)(struct engine *engine, str body))
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
            e = read(engine, record.body);
            next = record.no + 1;
        }
        log_frame_unref(frame);
        TRY(e);
    }
}

err engine__replay(struct engine *engine, struct diag *diag)
{
    err e = read_channel(engine, catalog_channel, read_catalog);
    if (e == OK) {
        e = read_channel(engine, journal_channel, read_step);
    }
    if (e == OK) {
        e = read_channel(engine, outbox_channel, engine__outbox_read);
    }
    if (e != OK) {
        return diag_set(diag, e, "ENG001", "the SQL catalog or the journal cannot be read: %s",
                        err_text(e));
    }
    return OK;
}
