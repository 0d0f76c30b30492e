/*
 * log/log_commit.c: group commit.
 *
 * Of two equal committer threads one builds the next frame (log_build.c) while the other writes,
 * syncs and publishes the one before.
 * Building ahead begins only when enough is queued to make it worth while; otherwise
 * whatever arrives during a sync goes into the next frame, and the thread that had the
 * disk goes on by itself: handing over costs more than it gives. Who builds does so until
 * the disk is its own, so frames keep their order, and a frame is written only after the
 * one before it is durable.
 */
#include "base/trace.h"
#include "log/log_int.h"

#include <stdlib.h>

/* --- queue ---------------------------------------------------------------------------------- */

static bool is_work_waiting(const struct log *log)
{
    return log->queue != NULL && !log->is_barred &&
           (!log->is_disk_busy || log->queue_bytes >= LOG__BUILD_AHEAD_BYTES);
}

void log_submit(struct log *log, struct log_batch *batch, log_done_fn done, void *ctx)
{
    CHECK(done != NULL);
    log__batch_begin(batch, done, ctx);
    batch->submitted_ns = os_mono_ns(log->os);
    os_mutex_lock(&log->queue_lock);
    bool is_closing = log->is_closing || log->is_checked_only;
    if (!is_closing) {
        *log->queue_end = batch;
        log->queue_end = &batch->next;
        log->queue_bytes += batch->encoded_bytes;
    }
    /* Else the committer that builds, or has the disk, looks again when it is done. */
    bool is_due = !log->is_building && is_work_waiting(log);
    os_mutex_unlock(&log->queue_lock);
    if (is_due) {
        os_cond_signal(&log->work_cond);
    }
    if (is_closing) {
        done(batch, ERR_CLOSED, ctx);
    }
}

void log_set_around(struct log *log, void (*before)(void), void (*after)(void))
{
    os_mutex_lock(&log->queue_lock);
    log->before = before;
    log->after = after;
    os_mutex_unlock(&log->queue_lock);
}

void log_set_stale(struct log *log, log_stale_fn fn, void *ctx)
{
    os_mutex_lock(&log->queue_lock);
    log->stale = fn;
    log->stale_ctx = ctx;
    os_mutex_unlock(&log->queue_lock);
}

struct waiter {
    struct os_mutex lock;
    struct os_cond cond;
    bool is_done;
    err result;
};

static void wake_waiter(struct log_batch *batch, err e, void *ctx)
{
    (void)batch;
    struct waiter *waiter = ctx;
    os_mutex_lock(&waiter->lock);
    waiter->is_done = true;
    waiter->result = e;
    os_cond_signal(&waiter->cond);
    os_mutex_unlock(&waiter->lock);
}

err log_commit(struct log *log, struct log_batch *batch)
{
    struct waiter waiter = {.is_done = false};
    os_mutex_init(&waiter.lock);
    os_cond_init(&waiter.cond);
    log_submit(log, batch, wake_waiter, &waiter);
    while (log->is_driven && !waiter.is_done && log__commit_once(log)) {
    }
    os_mutex_lock(&waiter.lock);
    while (!waiter.is_done) {
        os_cond_wait(&waiter.cond, &waiter.lock);
    }
    os_mutex_unlock(&waiter.lock);
    os_cond_deinit(&waiter.cond);
    os_mutex_deinit(&waiter.lock);
    return waiter.result;
}

static bool is_control_of_log(const struct log_batch *batch)
{
    return batch->run_count == 1 && batch->runs[0].channel.stream == 0 &&
           batch->runs[0].channel.shard == LOG_CONTROL_META;
}

/* Data batches stop at the reserve, other control records at an eighth of it; the log's own go on,
 * because they free space. */
static bool is_refused(const struct log *log, const struct log_batch *batch, u64 free_bytes,
                       u64 frame_bytes)
{
    if ((is_control_of_log(batch) && !PLANTED(BUG_FULL_SWAP_REFUSED)) ||
        PLANTED(BUG_FULL_IGNORED)) {
        return false;
    }
    u64 floor = batch->has_data ? log->reserve_bytes : log->reserve_bytes / 8;
    return free_bytes < floor + frame_bytes + (u64)batch->encoded_bytes;
}

static u64 ask_space(const struct log *log)
{
    struct os_space space;
    bool is_known = log->durability != LOG_MEMORY && os_space_at(log->os, log->dir, &space) == OK;
    return is_known ? space.free_bytes : LOG__SPACE_UNKNOWN;
}

/* Of building. Asked for each frame near the limit; else what it was a moment ago will do. */
static u64 free_space(struct log *log)
{
    enum { FRESH_NS = 20000000, FAR = 4, FULL_NS = 100000000 };
    struct log__space *known = &log->space;
    u64 now_ns = os_mono_ns(log->os);
    u64 full_ns = __atomic_load_n(&log->full_ns, __ATOMIC_RELAXED);
    if (UNLIKELY(full_ns != 0 && now_ns - full_ns < FULL_NS)) {
        return 0; /* Whatever the file system says: there was no room (a quota). */
    }
    bool is_far = known->free_bytes / FAR > log->reserve_bytes + LOG_FRAME_BYTES_MAX;
    if (!is_far || full_ns != 0 || now_ns - known->asked_ns >= FRESH_NS) {
        known->free_bytes = ask_space(log);
        known->asked_ns = now_ns;
    }
    return known->free_bytes;
}

/* Said once each way; "back" only with some room, so that a disk at its limit is no flood. */
static void note_space(struct log *log, u64 free_bytes)
{
    enum { BACK_SHARE = 8 };
    u64 reserve = log->reserve_bytes;
    bool is_refused = __atomic_load_n(&log->full_ns, __ATOMIC_RELAXED) != 0;
    bool is_full = free_bytes < reserve || is_refused;
    __atomic_store_n(&log->stats.is_full, is_full, __ATOMIC_RELAXED);
    if (is_full && !log->is_full_told) {
        trace(TRACE_ERROR, "log", "the disk is full: nothing is taken until there is space",
              T_STR("dir", str_of(log->dir)), T_INT("free_bytes", (i64)free_bytes),
              T_INT("kept_free_bytes", (i64)reserve));
        log->is_full_told = true;
    } else if (log->is_full_told && !is_full && free_bytes >= reserve + reserve / BACK_SHARE) {
        trace(TRACE_INFO, "log", "the disk has space again", T_STR("dir", str_of(log->dir)),
              T_INT("free_bytes", (i64)free_bytes));
        log->is_full_told = false;
    }
}

/* Was the first waiting batch filled before the epoch that has begun? Then its owner looks at it
 * first. What becomes of it: OK, ERR_FULL, ERR_AGAIN. queue_lock is held, and is_building is this
 * thread's. */
static err freshen(struct log *log)
{
    struct log_batch *batch = log->queue;
    if (LIKELY(batch->epoch >= log->epoch) || !batch->has_data || log->stale == NULL) {
        return OK;
    }
    if (batch->is_pinned) {
        return ERR_AGAIN;
    }
    log->queue_bytes -= batch->encoded_bytes;
    bool is_good = log->stale(log->stale_ctx, batch);
    log->queue_bytes += batch->encoded_bytes;
    return is_good ? OK : ERR_FULL;
}

/* Moves waiting batches to the job while they fit one frame, up to one that raises the epoch;
 * queue_lock is held. */
static void take_batches(struct log *log, struct log__job *job)
{
    struct log_batch **accepted_end = &job->batches;
    struct log_batch **refused_end = &job->refused;
    struct log_batch **stale_end = &job->stale;
    u64 free_bytes = free_space(log);
    isize bytes = LOG__HEADER_BYTES + LOG__BLOCK_BYTES;
    while (log->queue != NULL && !log->is_barred) {
        struct log_batch *batch = log->queue;
        err e = freshen(log);
        if (bytes + batch->encoded_bytes > LOG_FRAME_BYTES_MAX) {
            break;
        }
        log->queue = batch->next;
        log->queue_bytes -= batch->encoded_bytes;
        batch->next = NULL;
        if (e == ERR_AGAIN) {
            *stale_end = batch;
            stale_end = &batch->next;
        } else if (e != OK || is_refused(log, batch, free_bytes, (u64)bytes)) {
            *refused_end = batch;
            refused_end = &batch->next;
        } else {
            *accepted_end = batch;
            accepted_end = &batch->next;
            bytes += batch->encoded_bytes;
            job->raises_to = batch->raises_to;
            log->is_barred = batch->raises_to > 0;
        }
    }
    if (log->queue == NULL) {
        log->queue_end = &log->queue;
    }
    note_space(log, free_bytes);
}

/* --- the disk ------------------------------------------------------------------------------- */

static void must(struct log *log, const char *what, err e)
{
    if (e != OK) {
        os_fatal(what, log->dir, e);
    }
}

/* Claims [head, head + bytes) from the zeroing thread; waits when it is at work there. */
static void zero_claim(struct log *log, u64 end, bool is_small)
{
    struct log__zero *zero = &log->zero;
    os_mutex_lock(&zero->lock);
    while (zero->is_busy && end > zero->from) {
        os_cond_wait(&zero->cond, &zero->lock);
    }
    zero->reserved = end;
    bool is_wanted = is_small && end + LOG__SMALL_FRAME_BYTES > zero->zeroed_end;
    bool is_news = is_wanted && !zero->is_wanted && !zero->is_busy;
    zero->is_wanted = is_wanted;
    os_mutex_unlock(&zero->lock);
    if (is_news && !log->is_driven) {
        os_mutex_lock(&log->tidy_lock);
        os_cond_signal(&log->tidy_cond);
        os_mutex_unlock(&log->tidy_lock);
    }
}

/* The next range to zero: [*from_out, *to_out) of a file that is busy from now on; NULL: none. */
static struct os_file *zero_begin(struct log *log, u64 *from_out, u64 *to_out)
{
    struct log__zero *zero = &log->zero;
    os_mutex_lock(&zero->lock);
    u64 from =
        PLANTED(BUG_ZERO_OVER_FRAME) ? zero->zeroed_end : MAX(zero->zeroed_end, zero->reserved);
    u64 limit = MAX(log->segment_bytes, zero->reserved);
    u64 to = MIN(zero->reserved + LOG__ZERO_AHEAD_BYTES, limit);
    zero->is_busy = zero->file != NULL && to > from;
    zero->from = from;
    *from_out = from;
    *to_out = to;
    struct os_file *file = zero->is_busy ? zero->file : NULL;
    os_mutex_unlock(&zero->lock);
    return file;
}

static bool is_zeroing_wanted(struct log *log)
{
    struct log__zero *zero = &log->zero;
    os_mutex_lock(&zero->lock);
    bool is_wanted = zero->is_wanted && zero->file != NULL && log->durability == LOG_COMMIT;
    zero->is_wanted = false;
    os_mutex_unlock(&zero->lock);
    /* What is kept free is kept for more than zeroes. */
    return is_wanted && ask_space(log) >= log->reserve_bytes + LOG__ZERO_AHEAD_BYTES;
}

void log__zero_once(struct log *log)
{
    /* Pieces that go past the page cache: commits of this file then wait for no pages. */
    static _Alignas(LOG__BLOCK_BYTES) u8 zeros[LOG__ZERO_PIECE_BYTES]; /* Never written. */
    struct log__zero *zero = &log->zero;
    u64 from, to;
    struct os_file *file = is_zeroing_wanted(log) ? zero_begin(log, &from, &to) : NULL;
    if (file == NULL) {
        return;
    }
    err e = OK;
    for (u64 at = from; at < to && e == OK;) {
        isize bytes = (isize)MIN(to - at, sizeof zeros);
        e = os_write_at(file, at, zeros, bytes);
        at += (u64)bytes;
    }
    /* A full disk is no reason to stop: commits then extend the file or are refused. */
    if (e == OK) {
        must(log, "sync of zeroed space", os_sync(file));
    } else if (e != ERR_FULL) {
        must(log, "zeroing ahead", e);
    }
    os_mutex_lock(&zero->lock);
    zero->zeroed_end = e == OK ? to : zero->zeroed_end;
    zero->is_busy = false;
    os_cond_broadcast(&zero->cond);
    os_mutex_unlock(&zero->lock);
}

static bool holds_journal(const struct log_frame *frame)
{
    struct log_channel journal = {0, LOG_CONTROL_JOURNAL};
    struct log_run run;
    return log_frame_find(frame, journal, &run);
}

static void sync_active(struct log *log, const struct log_frame *frame)
{
    OS_FAILPOINT("log.before_sync");
    u64 start = os_mono_ns(log->os);
    bool is_left_out =
        PLANTED(BUG_NO_SYNC_FRAME) || (PLANTED(BUG_JOURNAL_NO_SYNC) && holds_journal(frame));
    if (!is_left_out) {
        must(log, "fdatasync of a frame", os_sync(log->active->file));
    }
    u64 took = os_mono_ns(log->os) - start;
    metric_add(&log->stats.syncs, 1);
    metric_add(&log->stats.sync_ns_total, took);
    metric_observe_ns(&log->latencies.sync, took);
    if (took > metric_load(&log->stats.sync_ns_max)) {
        __atomic_store_n(&log->stats.sync_ns_max, took, __ATOMIC_RELAXED);
    }
    OS_FAILPOINT("log.after_sync");
}

/* OK or ERR_FULL: anything else ends the process. */
static err unless_full(struct log *log, const char *what, err e)
{
    if (UNLIKELY(e == ERR_FULL)) {
        if (log->full_ns == 0) {
            trace(TRACE_WARN, "log", "no space left: a frame is refused",
                  T_STR("what", str_of(what)), T_STR("dir", str_of(log->dir)));
        }
        __atomic_store_n(&log->full_ns, MAX(os_mono_ns(log->os), 1), __ATOMIC_RELAXED);
        __atomic_store_n(&log->stats.is_full, true, __ATOMIC_RELAXED);
        return e;
    }
    must(log, what, e);
    return OK;
}

/* A segment that may be committed to. */
static err ready_segment(struct log *log)
{
    if (log->active != NULL && log->active->bytes >= log->segment_bytes) {
        TRY(unless_full(log, "sealing a segment", log__active_seal(log)));
    }
    if (log->active == NULL) {
        return unless_full(log, "making a segment", log__active_create(log));
    }
    return log->active->is_named ? OK : unless_full(log, "naming a segment", log__active_name(log));
}

/* What a write that failed has left behind the last frame is never found, not even what by chance
 * is whole (zeros where there are zeros): it is about to be answered with an error. */
static void cut_tail(struct log *log)
{
    if (PLANTED(BUG_REFUSED_KEPT)) {
        return;
    }
    struct log__zero *zero = &log->zero;
    u64 end = log->active->bytes;
    os_mutex_lock(&zero->lock);
    while (zero->is_busy) {
        os_cond_wait(&zero->cond, &zero->lock);
    }
    must(log, "cutting off a refused frame", os_truncate(log->active->file, end));
    zero->reserved = end;
    zero->zeroed_end = MIN(zero->zeroed_end, end);
    os_mutex_unlock(&zero->lock);
    if (log->durability == LOG_COMMIT && !PLANTED(BUG_REFUSED_UNSYNCED)) {
        must(log, "sync behind a refused frame", os_sync(log->active->file));
    }
}

/* ERR_FULL: nothing of it is there. */
static err write_frame(struct log *log, struct log_frame *frame)
{
    TRY(ready_segment(log));
    struct log__segment *active = log->active;
    struct log__frame_head *head = &frame->head;
    memcpy(head->uuid, log->uuid, LOG__UUID_BYTES);
    head->segment = active->id.segment;
    head->epoch = active->id.epoch;
    head->offset = active->bytes;
    head->watermark = PLANTED(BUG_WATERMARK_ZERO) ? 0 : log->durable_end;
    head->flags = log->durability == LOG_COMMIT ? 0 : LOG__FRAME_UNSYNCED;
    head->prev_crc = PLANTED(BUG_CHAIN_FORGOTTEN) ? 0 : log->active_index.last_crc;
    log__head_encode(head, frame->data);
    head->head_crc = get_u32(frame->data + LOG__HEADER_BYTES - 4);
    u64 end = active->bytes + head->bytes;
    zero_claim(log, end, head->bytes <= LOG__SMALL_FRAME_BYTES);
    OS_FAILPOINT("log.before_frame_write");
    err e = os_write_at(active->file, head->offset, frame->data, (isize)head->bytes);
    if (UNLIKELY(unless_full(log, "write of a frame", e) != OK)) {
        cut_tail(log);
        return ERR_FULL;
    }
    OS_FAILPOINT("log.after_frame_write");
    if (log->durability == LOG_COMMIT) {
        sync_active(log, frame);
        log->durable_end = end;
    }
    if (UNLIKELY(log->full_ns != 0)) {
        __atomic_store_n(&log->full_ns, 0, __ATOMIC_RELAXED);
    }
    return OK;
}

static void notify(struct log *log, const struct log_frame *frame)
{
    os_mutex_lock(&log->watch_lock);
    for (int i = 0; i < LOG__WATCH_MAX; i++) {
        if (log->watchers[i].fn != NULL) {
            log->watchers[i].fn(log->watchers[i].ctx, frame);
        }
    }
    os_mutex_unlock(&log->watch_lock);
}

static void publish(struct log *log, struct log_frame *frame)
{
    OS_FAILPOINT("log.before_publish");
    struct log__segment *active = log->active;
    const struct log__frame_head *head = &frame->head;
    os_rwlock_write(&log->state_lock);
    if (active->last_lsn < active->first_lsn) {
        active->first_arrival_ms = head->arrival_ms;
        active->first_no = head->first_no;
    }
    active->last_lsn = head->lsn;
    active->last_no = head->last_no;
    active->last_arrival_ms = head->arrival_ms;
    active->bytes = head->offset + head->bytes;
    log__index_add_frame(&log->active_index, head, frame->data);
    log__apply_swaps(log, frame);
    log__cache_add(log, frame);
    log->published_no = head->last_no + 1;
    log->published_ms = head->arrival_ms;
    __atomic_store_n(&log->tip_lsn, head->lsn, __ATOMIC_RELEASE);
    os_rwlock_unlock(&log->state_lock);
    metric_add(&log->stats.frames, 1);
    metric_add(&log->stats.records, head->record_count);
    metric_add(&log->stats.bytes, head->bytes);
    notify(log, frame);
    OS_FAILPOINT("log.after_publish");
}

static void note_latencies(struct log *log, const struct log_batch *batches)
{
    u64 now_ns = os_mono_ns(log->os);
    for (const struct log_batch *b = batches; b != NULL; b = b->next) {
        metric_observe_ns(&log->latencies.commit, now_ns - b->submitted_ns);
    }
}

static void complete(struct log_batch *batches, err e)
{
    while (batches != NULL) {
        struct log_batch *next = batches->next;
        batches->done(batches, e, batches->ctx);
        batches = next;
    }
}

static void withdraw(struct log__job *job)
{
    for (struct log_batch *batch = job->batches; batch != NULL; batch = batch->next) {
        log__batch_withdraw(batch, job->frame->head.record_count);
    }
}

static void run_disk(struct log *log, struct log__job *job)
{
    if (job->frame != NULL) {
        if (PLANTED(BUG_EARLY_ACK)) {
            complete(job->batches, OK);
            job->batches = NULL;
        }
        if (PLANTED(BUG_EARLY_PUBLISH)) {
            notify(log, job->frame);
        }
        job->result = write_frame(log, job->frame);
    }
    bool is_written = job->frame != NULL && job->result == OK;
    if (log->before != NULL) {
        log->before();
    }
    if (is_written) {
        publish(log, job->frame);
        note_latencies(log, job->batches);
    } else if (job->frame != NULL) {
        withdraw(job);
    }
    complete(job->batches, job->result);
    complete(job->refused, ERR_FULL);
    complete(job->stale, ERR_AGAIN);
    if (log->after != NULL) {
        log->after();
    }
    log_frame_unref(job->frame);
}

/* A batch that raises the epoch has been completed. */
static void end_barrier(struct log *log, const struct log__job *job)
{
    if (job->raises_to > 0) {
        log->epoch = job->result == OK ? MAX(log->epoch, job->raises_to) : log->epoch;
        log->is_barred = false;
    }
}

bool log__commit_once(struct log *log)
{
    CHECK(log->is_driven);
    struct log__job job = {0};
    os_mutex_lock(&log->queue_lock);
    bool has_work = log->queue != NULL;
    take_batches(log, &job);
    os_mutex_unlock(&log->queue_lock);
    if (job.batches != NULL) {
        log__build_frame(log, &job);
    }
    run_disk(log, &job);
    end_barrier(log, &job);
    return has_work;
}

/* Is there a frame to build, or the end? queue_lock is held. */
static bool is_ready(const struct log *log)
{
    return is_work_waiting(log) || (log->is_closing && log->queue == NULL);
}

/* Lets threads that are about to submit do so first: on a shared CPU the one that woke this thread
 * has more requests at hand, and they go into the same frame. Not when a frame of what is there
 * costs little more for each byte: the disk works while those requests are read. queue_lock is
 * held, and is_building is this thread's, so that nobody is woken meanwhile. */
static void gather(struct log *log)
{
    if (!log->is_closing && log->queue_bytes < LOG__GATHER_BYTES) {
        os_mutex_unlock(&log->queue_lock);
        os_thread_yield();
        os_mutex_lock(&log->queue_lock);
    }
}

/* Waits until this thread may build, and sets is_building; queue_lock is held. Whoever has just
 * been answered submits next: before it sleeps, the thread looks once more. */
static void claim_building(struct log *log)
{
    if (!log->is_building) {
        log->is_building = true;
        gather(log);
        if (is_ready(log)) {
            return;
        }
        log->is_building = false;
    }
    while (log->is_building || !is_ready(log)) {
        os_cond_wait(&log->work_cond, &log->queue_lock);
    }
    log->is_building = true;
    gather(log);
}

/* Takes what the next frame is made of; false: there is no more, and never will be. */
static bool begin_frame(struct log *log, struct log__job *job)
{
    os_mutex_lock(&log->queue_lock);
    claim_building(log);
    bool has_work = log->queue != NULL;
    take_batches(log, job);
    log->is_building = has_work;
    os_mutex_unlock(&log->queue_lock);
    return has_work;
}

/* The frame is built: when the disk is free it is this thread's, and the other may build. */
static void take_disk(struct log *log)
{
    os_mutex_lock(&log->queue_lock);
    while (log->is_disk_busy) {
        os_cond_wait(&log->disk_cond, &log->queue_lock);
    }
    log->is_disk_busy = true;
    log->is_building = false;
    bool is_more = is_work_waiting(log);
    os_mutex_unlock(&log->queue_lock);
    if (is_more) {
        os_cond_signal(&log->work_cond);
    }
}

static void give_disk(struct log *log, const struct log__job *job)
{
    os_mutex_lock(&log->queue_lock);
    log->is_disk_busy = false;
    end_barrier(log, job);
    bool is_wanted = log->is_building;
    bool is_closing = log->is_closing;
    os_mutex_unlock(&log->queue_lock);
    if (is_wanted) {
        os_cond_signal(&log->disk_cond);
    }
    if (is_closing) {
        os_cond_broadcast(&log->work_cond);
    }
}

void log__committer_run(void *ctx)
{
    struct log *log = ctx;
    struct log__job job = {0};
    while (begin_frame(log, &job)) {
        if (job.batches != NULL) {
            log__build_frame(log, &job);
        }
        take_disk(log);
        run_disk(log, &job);
        give_disk(log, &job);
        job = (struct log__job){0};
    }
    os_cond_broadcast(&log->work_cond); /* The other one ends too. */
}
