/* engine/outbox.c: outboxes, and their cursors in the log (docs/formats/journal.md). */
#include "engine/outbox.h"

#include "base/plant.h"
#include "engine/landing.h"

enum { RECORD_CURSOR = 'C', RECORD_PLAN = 'P', RECORD_LANDED = 'L', RECORD_ENDED = 'E' };

static const struct log_channel cursor_channel = {0, LOG_CONTROL_OUTBOX};

/* What replay found for a job's sink, before its job was planned. */
struct engine_outbox_mark {
    struct engine_outbox_mark *next;
    u64 job, cursor, planned;
    u32 index;
    bool is_source; /* It is of a source: the rest. */
    bool has_ended;
    struct buf position;
};

/* --- cursors ------------------------------------------------------------------------------- */

static struct engine_outbox_mark *mark_of(struct engine *engine, u64 job, u32 index, bool is_source)
{
    struct engine_outbox_mark *mark = engine->outbox_marks;
    while (mark != NULL &&
           (mark->job != job || mark->index != index || mark->is_source != is_source)) {
        mark = mark->next;
    }
    return mark;
}

static struct engine_outbox_mark *mark_make(struct engine *engine, u64 job, u32 index,
                                            bool is_source)
{
    struct engine_outbox_mark *mark = mark_of(engine, job, index, is_source);
    if (mark == NULL) {
        mark = NEW(struct engine_outbox_mark);
        mark->next = engine->outbox_marks;
        mark->job = job;
        mark->index = index;
        mark->is_source = is_source;
        engine->outbox_marks = mark;
    }
    return mark;
}

err engine__outbox_read(struct engine *engine, str record)
{
    u64 job, index, position;
    if (record.len == 0) {
        return ERR_CORRUPT;
    }
    u8 kind = record.data[0];
    record = str_slice(record, 1, record.len);
    TRY(varint_take(&record, &job));
    TRY(varint_take(&record, &index));
    if (kind == RECORD_LANDED || kind == RECORD_ENDED) {
        struct engine_outbox_mark *mark = mark_make(engine, job, (u32)index, true);
        mark->has_ended = mark->has_ended || kind == RECORD_ENDED;
        buf_reset(&mark->position);
        buf_append(&mark->position, record);
        return OK;
    }
    if (kind != RECORD_CURSOR && kind != RECORD_PLAN) {
        return ERR_VERSION;
    }
    TRY(varint_take(&record, &position));
    struct engine_outbox_mark *mark = mark_make(engine, job, (u32)index, false);
    u64 *at = kind == RECORD_CURSOR ? &mark->cursor : &mark->planned;
    *at = MAX(*at, position);
    return OK;
}

void engine__outbox_marks_free(struct engine *engine)
{
    while (engine->outbox_marks != NULL) {
        struct engine_outbox_mark *next = engine->outbox_marks->next;
        buf_deinit(&engine->outbox_marks->position);
        mem_free(engine->outbox_marks);
        engine->outbox_marks = next;
    }
}

static err put_position(struct log_batch *batch, u8 kind, u64 job, u32 index, str position)
{
    struct buf out = {0};
    buf_append_byte(&out, kind);
    buf_append_varint(&out, job);
    buf_append_varint(&out, index);
    buf_append(&out, position);
    err e = log_batch_add(batch, cursor_channel, buf_str(&out));
    buf_deinit(&out);
    return e;
}

static err put_number(struct log_batch *batch, u8 kind, u64 job, u32 index, u64 number)
{
    struct buf position = {0};
    buf_append_varint(&position, number);
    err e = put_position(batch, kind, job, index, buf_str(&position));
    buf_deinit(&position);
    return e;
}

static err put_record(struct log_batch *batch, u8 kind, const struct engine_outbox *outbox,
                      u64 position)
{
    return put_number(batch, kind, outbox->job->id, outbox->index, position);
}

static err put_landed(struct log_batch *batch, const struct engine_landing *landing, str position,
                      bool is_ended)
{
    return put_position(batch, is_ended ? RECORD_ENDED : RECORD_LANDED, landing->job->id,
                        landing->index, position);
}

static bool is_open(const struct engine *engine, const struct engine_outbox_mark *mark)
{
    bool found = false;
    for (const struct engine_outbox *o = engine->outboxes; o != NULL && !mark->is_source;
         o = o->next) {
        found = found || (o->job->id == mark->job && o->index == mark->index);
    }
    for (const struct engine_landing *l = engine->landings; l != NULL && mark->is_source;
         l = l->next) {
        found = found || (l->job->id == mark->job && l->index == mark->index);
    }
    return found;
}

/* Of a job that could not be planned, or is not yet: it may be at the next start. */
static err put_mark(struct log_batch *batch, const struct engine_outbox_mark *mark)
{
    if (mark->is_source) {
        return put_position(batch, mark->has_ended ? RECORD_ENDED : RECORD_LANDED, mark->job,
                            mark->index, buf_str(&mark->position));
    }
    TRY(put_number(batch, RECORD_CURSOR, mark->job, mark->index, mark->cursor));
    return mark->planned > mark->cursor
               ? put_number(batch, RECORD_PLAN, mark->job, mark->index, mark->planned)
               : OK;
}

static err put_marks(struct engine *engine, struct log_batch *batch)
{
    err e = OK;
    for (const struct engine_outbox_mark *mark = engine->outbox_marks; mark != NULL && e == OK;
         mark = mark->next) {
        if (engine__job_is_known(engine, mark->job) && !is_open(engine, mark)) {
            e = put_mark(batch, mark);
        }
    }
    return e;
}

/* All cursors anew, so that the old records may go. cursor_lock is held: none moves meanwhile. */
static void restate(struct engine *engine)
{
    u64 first = log_channel_tip(engine->log, cursor_channel);
    struct log_batch *batch = log_batch_new();
    err e = OK;
    os_mutex_lock(&engine->outbox_list_lock);
    for (struct engine_outbox *o = engine->outboxes; o != NULL && e == OK; o = o->next) {
        e = put_record(batch, RECORD_CURSOR, o, __atomic_load_n(&o->cursor, __ATOMIC_RELAXED));
        if (e == OK && o->planned > 0) {
            e = put_record(batch, RECORD_PLAN, o, o->planned);
        }
    }
    for (struct engine_landing *l = engine->landings; l != NULL && e == OK; l = l->next) {
        bool is_kept = l->has_position && l->job->query == NULL;
        e = is_kept ? put_landed(batch, l, buf_str(&l->position), l->is_ended) : OK;
    }
    e = e == OK ? put_marks(engine, batch) : e;
    os_mutex_unlock(&engine->outbox_list_lock);
    if (e == OK && log_batch_count(batch) > 0) {
        e = log_commit(engine->log, batch);
    }
    if (e == OK) {
        __atomic_store_n(&engine->outbox_restated_no, first, __ATOMIC_RELEASE);
        engine->outbox_records = 0;
    }
    log_batch_free(batch);
}

/* Cursors are restated before one moves: what is restated is older than the record of the move,
 * which retention keeps. */
static err commit(struct engine *engine, struct log_batch *batch)
{
    bool is_due =
        ++engine->outbox_records >= MIN(engine->restate_records, (u64)OUTBOX_RESTATE_RECORDS);
    if (is_due && !PLANTED(BUG_OUTBOX_RESTATED_OLD)) {
        restate(engine);
    }
    err e = log_commit(engine->log, batch);
    if (is_due && e == OK && PLANTED(BUG_OUTBOX_RESTATED_OLD)) {
        restate(engine);
    }
    return e;
}

err engine__outbox_plan(struct engine_outbox *outbox, u64 to)
{
    struct log_batch *batch = log_batch_new();
    os_mutex_lock(&outbox->engine->outbox_cursor_lock);
    err e = put_record(batch, RECORD_PLAN, outbox, to);
    if (e == OK) {
        e = commit(outbox->engine, batch);
    }
    if (e == OK) {
        outbox->planned = to;
    }
    os_mutex_unlock(&outbox->engine->outbox_cursor_lock);
    log_batch_free(batch);
    return e;
}

err engine__outbox_move(struct engine_outbox *outbox, u64 to, struct log_batch *letters)
{
    struct engine *engine = outbox->engine;
    struct log_batch *own = letters == NULL ? log_batch_new() : NULL;
    struct log_batch *batch = letters == NULL ? own : letters;
    os_mutex_lock(&engine->outbox_cursor_lock);
    err e = OK;
    if (PLANTED(BUG_OUTBOX_LETTERS_APART) && letters != NULL && log_batch_count(letters) > 0) {
        e = log_commit(engine->log, letters);
        log_batch_reset(letters);
    }
    e = e == OK ? put_record(batch, RECORD_CURSOR, outbox, to) : e;
    if (e == OK) {
        OS_FAILPOINT("engine.before_cursor_commit");
        e = commit(outbox->engine, batch);
    }
    if (e == OK) {
        __atomic_store_n(&outbox->cursor, to, __ATOMIC_RELEASE);
        if (to >= outbox->planned) {
            outbox->planned = 0;
        }
    }
    os_mutex_unlock(&engine->outbox_cursor_lock);
    log_batch_free(own);
    if (e == OK && outbox->has_hold) {
        streams_hold_move(engine->streams, outbox->hold, to);
    }
    return e;
}

void engine_delivery_hold(struct engine *engine)
{
    os_mutex_lock(&engine->outbox_cursor_lock);
}

void engine_delivery_release(struct engine *engine)
{
    os_mutex_unlock(&engine->outbox_cursor_lock);
}

err engine__landing_commit(struct engine_landing *landing, str position, bool is_ended,
                           struct log_batch *batch)
{
    if (landing->job->query == NULL) {
        TRY(put_landed(batch, landing, position, is_ended));
    }
    OS_FAILPOINT("engine.before_landing_commit");
    TRY(commit(landing->engine, batch));
    struct buf copy = {0};
    buf_append(&copy, position); /* It may be the old one itself. */
    buf_deinit(&landing->position);
    landing->position = copy;
    landing->has_position = true;
    landing->is_ended = is_ended;
    return OK;
}

void engine__landing_restore(struct engine_landing *landing)
{
    if (landing->job->query != NULL) {
        return;
    }
    const struct engine_outbox_mark *mark =
        mark_of(landing->engine, landing->job->id, landing->index, true);
    if (mark != NULL) {
        buf_append(&landing->position, buf_str(&mark->position));
        landing->has_position = true;
        landing->is_ended = mark->has_ended;
    }
}

bool engine__outbox_is_live(struct engine *engine, struct log_channel channel, u64 last_no)
{
    if (channel.shard == LOG_CONTROL_OUTBOX) {
        return last_no >= __atomic_load_n(&engine->outbox_restated_no, __ATOMIC_ACQUIRE);
    }
    bool is_live = true;
    os_mutex_lock(&engine->outbox_list_lock);
    for (struct engine_outbox *o = engine->outboxes; o != NULL; o = o->next) {
        if (log_channel_eq(o->channel, channel) && o->source == NULL) {
            is_live = last_no > __atomic_load_n(&o->cursor, __ATOMIC_ACQUIRE);
        }
    }
    u64 job = (channel.shard - OUTBOX_CHANNEL_BASE) / OUTBOX_SINKS_MAX;
    is_live = is_live && engine__job_is_known(engine, job);
    os_mutex_unlock(&engine->outbox_list_lock);
    return is_live;
}

/* --- rows in ------------------------------------------------------------------------------- */

err engine__outbox_add(struct engine_outbox *outbox, struct log_batch *batch, str key, str data)
{
    struct buf head = {0};
    buf_append_varint(&head, (u64)key.len);
    buf_append(&head, key);
    u8 *out = log_batch_reserve(batch, outbox->channel, head.len + data.len);
    if (out != NULL) {
        memcpy(out, head.data, (size_t)head.len);
        if (data.len > 0) {
            memcpy(out + head.len, data.data, (size_t)data.len);
        }
    }
    buf_deinit(&head);
    return out == NULL ? ERR_LIMIT : OK;
}

void engine__outbox_added(struct engine_outbox *outbox, u64 rows, u64 bytes)
{
    metric_add(&outbox->counters.rows, rows);
    metric_add(&outbox->counters.bytes, bytes);
    os_mutex_lock(&outbox->lock);
    outbox->pending_bytes += outbox->source == NULL ? bytes : 0;
    outbox->added++;
    os_cond_broadcast(&outbox->changed);
    os_mutex_unlock(&outbox->lock);
}

void engine__outbox_wait_room(struct engine_outbox *outbox)
{
    enum { LOOK_MS = 200 };
    os_mutex_lock(&outbox->lock);
    while (outbox->pending_bytes > OUTBOX_BYTES_MAX && outbox->has_thread &&
           !__atomic_load_n(&outbox->job->is_stopping, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&outbox->job->has_doom, __ATOMIC_RELAXED)) {
        (void)os_cond_wait_ms(&outbox->changed, &outbox->lock, LOOK_MS);
    }
    os_mutex_unlock(&outbox->lock);
}

u64 engine__outbox_due(const struct engine_outbox *outbox)
{
    if (outbox->source != NULL) {
        os_mutex_lock(&outbox->job->lock);
        u64 position = outbox->job->position;
        os_mutex_unlock(&outbox->job->lock);
        return position;
    }
    return log_channel_tip(outbox->engine->log, outbox->channel) - 1;
}

/* --- open and close ------------------------------------------------------------------------ */

/* Undelivered bytes that a former process left. */
static void pending_count(struct engine_outbox *outbox)
{
    u64 position = outbox->cursor, rows, bytes;
    struct log_frame *frame;
    while (outbox->source == NULL &&
           engine__outbox_frame(outbox, position, &frame, &position, &rows, &bytes) == OK) {
        outbox->pending_bytes += bytes;
        metric_add(&outbox->counters.rows, rows);
        metric_add(&outbox->counters.bytes, bytes);
        log_frame_unref(frame);
    }
}

err engine__outbox_open(struct engine_job *job, u32 index, const struct connect_table *table,
                        const struct connector *connector, const struct connect_schema *schema,
                        struct engine_outbox **out, struct diag *diag)
{
    if (index >= OUTBOX_SINKS_MAX) {
        return diag_set(diag, ERR_LIMIT, "ENG035", "a job has at most %d sinks", OUTBOX_SINKS_MAX);
    }
    struct engine *engine = job->engine;
    struct engine_outbox *outbox = NEW(struct engine_outbox);
    outbox->engine = engine;
    outbox->job = job;
    outbox->index = index;
    outbox->ops = connector->sink;
    outbox->schema = *schema;
    outbox->channel =
        (struct log_channel){0, OUTBOX_CHANNEL_BASE + (u32)job->id * OUTBOX_SINKS_MAX + index};
    err e = outbox->ops->open(table, &outbox->schema, &engine->env, &outbox->sink, &outbox->limits,
                              diag);
    if (e != OK) {
        mem_free(outbox);
        return e;
    }
    os_mutex_init(&outbox->lock);
    os_cond_init(&outbox->changed);
    const struct engine_outbox_mark *mark = mark_of(engine, job->id, index, false);
    if (mark != NULL) {
        outbox->cursor = mark->cursor;
        outbox->planned = mark->planned > mark->cursor ? mark->planned : 0;
    }
    os_mutex_lock(&engine->outbox_list_lock);
    outbox->next = engine->outboxes;
    engine->outboxes = outbox;
    os_mutex_unlock(&engine->outbox_list_lock);
    *out = outbox;
    return OK;
}

void engine__outbox_close(struct engine_outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    engine__outbox_stop(outbox);
    struct engine *engine = outbox->engine;
    os_mutex_lock(&engine->outbox_list_lock);
    struct engine_outbox **at = &engine->outboxes;
    while (*at != outbox) {
        at = &(*at)->next;
    }
    *at = outbox->next;
    os_mutex_unlock(&engine->outbox_list_lock);
    outbox->ops->close(outbox->sink);
    os_cond_deinit(&outbox->changed);
    os_mutex_deinit(&outbox->lock);
    mem_free(outbox);
}

void engine__outbox_prepare(struct engine_outbox *outbox)
{
    if (outbox->source != NULL) {
        outbox->cursor = MAX(outbox->cursor, outbox->source->start_lsn);
        outbox->hold = streams_hold(outbox->engine->streams, outbox->cursor);
        outbox->has_hold = true;
    }
    pending_count(outbox);
}
