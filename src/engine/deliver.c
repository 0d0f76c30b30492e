/*
 * engine/deliver.c: the thread of a sink: takes ranges of what is due, gives them to the
 * connector until they are through, and moves the cursor.
 */
#include "engine/outbox.h"

#include "base/plant.h"
#include "base/trace.h"

#include <stdio.h>

/* What lies behind the cursor, as far as it was looked at. */
struct scan {
    u64 seen; /* Position up to which it was looked at. */
    u64 to, rows, bytes;
    i64 oldest_ms; /* 0 = nothing there. */
    bool is_full;
};

static bool is_stopping(struct engine_outbox *outbox)
{
    return __atomic_load_n(&outbox->is_stopping, __ATOMIC_RELAXED);
}

static err scan_more(struct engine_outbox *outbox, struct scan *scan)
{
    const struct connect_limits *limits = &outbox->limits;
    u64 due = engine__outbox_due(outbox);
    while (!scan->is_full && scan->seen < due) {
        struct log_frame *frame;
        u64 position, rows, bytes;
        err e = engine__outbox_frame(outbox, scan->seen, &frame, &position, &rows, &bytes);
        if (e == ERR_END) {
            break;
        }
        TRY(e);
        i64 arrival_ms = log_frame_arrival_ms(frame);
        log_frame_unref(frame);
        if (outbox->source != NULL && position > due) {
            break; /* Committed, but the job has not yet taken it. */
        }
        scan->oldest_ms = scan->oldest_ms > 0 ? scan->oldest_ms : arrival_ms;
        scan->to = scan->seen = position;
        scan->rows += rows;
        scan->bytes += bytes;
        scan->is_full = (limits->bytes_max > 0 && scan->bytes >= limits->bytes_max) ||
                        (limits->rows_max > 0 && scan->rows >= limits->rows_max);
    }
    if (!scan->is_full) {
        scan->seen = MAX(scan->seen, due);
    }
    if (outbox->has_hold && scan->rows == 0) {
        streams_hold_move(outbox->engine->streams, outbox->hold, scan->seen);
    }
    return OK;
}

static void scan_reset(struct engine_outbox *outbox, struct scan *scan)
{
    *scan = (struct scan){.seen = outbox->cursor, .to = outbox->cursor};
    __atomic_store_n(&outbox->oldest_ms, 0, __ATOMIC_RELAXED);
}

static i64 now_ms(const struct engine_outbox *outbox)
{
    return os_wall_us(outbox->engine->os) / 1000;
}

static void hold_release(struct engine_outbox *outbox)
{
    if (outbox->has_hold) {
        outbox->has_hold = false;
        streams_hold_release(outbox->engine->streams, outbox->hold);
    }
}

static void read_failed(struct engine_outbox *outbox, err e)
{
    char reason[128];
    (void)snprintf(reason, sizeof reason, "the outbox of sink " STR_FMT " cannot be read: %s",
                   STR_ARG(str_slice(outbox->table, 0, 64)), err_text(e));
    trace(TRACE_ERROR, "engine", "the outbox of a sink cannot be read",
          T_STR("job", str_of(outbox->job->id_text)), T_STR("table", outbox->table),
          T_STR("error", str_of(err_text(e))));
    engine__job_stop_for(outbox->job, reason);
}

/* Waits until a range is ready. False: the thread ends. */
static bool range_wait(struct engine_outbox *outbox, struct scan *scan)
{
    enum { IDLE_MS = 5000 };
    if (outbox->planned > outbox->cursor) {
        scan->to = outbox->planned;
        scan->oldest_ms = now_ms(outbox);
        return !is_stopping(outbox);
    }
    while (!is_stopping(outbox)) {
        os_mutex_lock(&outbox->lock);
        u64 added = outbox->added;
        os_mutex_unlock(&outbox->lock);
        /* Asked before looking: what the job adds last is then seen. */
        bool is_draining = __atomic_load_n(&outbox->is_draining, __ATOMIC_ACQUIRE);
        err e = scan_more(outbox, scan);
        if (e != OK) {
            read_failed(outbox, e);
            return false;
        }
        __atomic_store_n(&outbox->oldest_ms, scan->oldest_ms, __ATOMIC_RELAXED);
        bool has_rows = scan->rows > 0;
        i64 age_ms = has_rows ? MAX(now_ms(outbox) - scan->oldest_ms, 0) : 0;
        bool is_ready = scan->is_full || age_ms >= (i64)outbox->limits.linger_ms || is_draining;
        bool has_endpoint = __atomic_load_n(&outbox->engine->has_endpoint, __ATOMIC_ACQUIRE);
        if (has_rows && is_ready && has_endpoint) {
            return true;
        }
        if (is_draining && !has_rows) {
            hold_release(outbox);
            __atomic_store_n(&outbox->is_over, true, __ATOMIC_RELEASE);
            return false;
        }
        i64 wait_ms = !has_rows  ? IDLE_MS
                      : is_ready ? OUTBOX_RETRY_MS_MIN
                                 : MAX((i64)outbox->limits.linger_ms - age_ms, 1);
        os_mutex_lock(&outbox->lock);
        if (!has_rows && outbox->added == added) {
            outbox->pending_bytes = 0;
            os_cond_broadcast(&outbox->changed);
        }
        bool may_wait = !is_stopping(outbox) && outbox->added == added &&
                        is_draining == __atomic_load_n(&outbox->is_draining, __ATOMIC_RELAXED);
        if (may_wait) {
            (void)os_cond_wait_ms(&outbox->changed, &outbox->lock, (u32)MIN(wait_ms, IDLE_MS));
        }
        os_mutex_unlock(&outbox->lock);
    }
    return false;
}

/* False when the thread is to end. */
static bool backoff(struct engine_outbox *outbox, u32 attempt, const struct diag *diag)
{
    u64 random;
    os_random(outbox->engine->os, &random, (isize)sizeof random);
    u64 bound = (u64)OUTBOX_RETRY_MS_MIN << MIN(attempt, 16);
    bound = MIN(bound, (u64)OUTBOX_RETRY_MS_MAX);
    u64 end_ns = os_mono_ns(outbox->engine->os) + (bound / 2 + random % (bound / 2 + 1)) * 1000000;
    metric_add(&outbox->counters.retries, 1);
    os_mutex_lock(&outbox->lock);
    bool is_new = !str_eq(str_of(outbox->problem), str_of(diag->message));
    str_copy_cstr(str_of(diag->message), outbox->problem, (isize)sizeof outbox->problem);
    os_mutex_unlock(&outbox->lock);
    if (is_new) {
        trace(TRACE_WARN, "engine", "a delivery failed and is tried again",
              T_STR("job", str_of(outbox->job->id_text)), T_STR("table", outbox->table),
              T_STR("reason", str_of(diag->message)));
    }
    os_mutex_lock(&outbox->lock);
    for (u64 now = os_mono_ns(outbox->engine->os); now < end_ns && !is_stopping(outbox);
         now = os_mono_ns(outbox->engine->os)) {
        (void)os_cond_wait_ms(&outbox->changed, &outbox->lock,
                              (u32)MAX((end_ns - now) / 1000000, 1));
    }
    os_mutex_unlock(&outbox->lock);
    return !is_stopping(outbox);
}

/* What is left of the range, into the dead letters. */
static void reject_all(struct connect_batch *batch, const struct diag *diag)
{
    struct connect_row row;
    batch->rewind(batch);
    while (batch->next(batch, &row)) {
        batch->reject(batch, &row, str_of(diag->message));
        batch->commit(batch);
    }
}

/* CONNECT_RETRY also when what became of the range could not be written down. */
static enum connect_verdict deliver_once(struct engine_outbox *outbox, struct outbox_reader *reader,
                                         const struct scan *scan, struct diag *diag)
{
    diag_init(diag);
    reader->base.rewind(&reader->base);
    if (PLANTED(BUG_OUTBOX_CURSOR_FIRST)) {
        IGNORE(engine__outbox_move(outbox, scan->to, NULL)); /* A test sees what comes of it. */
    }
    OS_FAILPOINT("engine.before_delivery");
    enum connect_verdict verdict = outbox->ops->deliver(outbox->sink, &reader->base, diag);
    OS_FAILPOINT("engine.after_delivery");
    if (verdict == CONNECT_FATAL) {
        reject_all(&reader->base, diag);
    } else if (verdict == CONNECT_OK) {
        reader->given = MAX(reader->given, reader->base.to);
        reader->base.commit(&reader->base);
    }
    if (reader->base.failure != OK) {
        (void)diag_set(diag, reader->base.failure, "ENG036", "the outbox cannot be used: %s",
                       err_text(reader->base.failure));
        verdict = CONNECT_RETRY;
    }
    return verdict;
}

/* False when the thread is to end. */
static bool range_deliver(struct engine_outbox *outbox, const struct scan *scan)
{
    struct outbox_reader reader;
    struct diag diag;
    engine__outbox_reader_init(&reader, outbox, scan->to);
    reader.base.arrival_ms = scan->oldest_ms;
    bool goes_on = true;
    for (u32 attempt = 0; deliver_once(outbox, &reader, scan, &diag) == CONNECT_RETRY; attempt++) {
        if (is_stopping(outbox) || !backoff(outbox, attempt, &diag)) {
            goes_on = false;
            break;
        }
    }
    engine__outbox_reader_deinit(&reader);
    return goes_on;
}

static void deliver_main(void *ctx)
{
    struct engine_outbox *outbox = ctx;
    struct scan scan;
    scan_reset(outbox, &scan);
    while (range_wait(outbox, &scan)) {
        engine_delivery_hold(outbox->engine); /* Not while a backup takes the log. */
        engine_delivery_release(outbox->engine);
        bool must_plan = outbox->limits.is_planned && outbox->planned <= outbox->cursor &&
                         !PLANTED(BUG_OUTBOX_UNPLANNED);
        if (must_plan && engine__outbox_plan(outbox, scan.to) != OK) {
            os_sleep_ms(outbox->engine->os, OUTBOX_RETRY_MS_MIN);
            continue;
        }
        if (!range_deliver(outbox, &scan)) {
            break;
        }
        scan_reset(outbox, &scan);
    }
}

void engine__outbox_start(struct engine_outbox *outbox, bool is_draining)
{
    outbox->is_stopping = false;
    outbox->is_draining = is_draining;
    outbox->has_thread = true;
    os_thread_start(&outbox->thread, "leat-sink", deliver_main, outbox);
}

void engine__outbox_drain(struct engine_outbox *outbox)
{
    os_mutex_lock(&outbox->lock);
    __atomic_store_n(&outbox->is_draining, true, __ATOMIC_RELAXED);
    os_cond_broadcast(&outbox->changed);
    os_mutex_unlock(&outbox->lock);
}

void engine__outbox_stop(struct engine_outbox *outbox)
{
    os_mutex_lock(&outbox->lock);
    __atomic_store_n(&outbox->is_stopping, true, __ATOMIC_RELAXED);
    os_cond_broadcast(&outbox->changed);
    os_mutex_unlock(&outbox->lock);
    if (outbox->has_thread) {
        os_thread_join(&outbox->thread);
        outbox->has_thread = false;
    }
    hold_release(outbox);
}
