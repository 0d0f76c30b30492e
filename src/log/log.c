/* log/log.c: opening and closing, the table of segments, watchers, figures. */
#include "log/log_int.h"

#include "base/trace.h"
#include "os/sim.h"

#include <stdio.h>
#include <string.h>

enum {
    SEGMENT_BYTES = 64 << 20,
    RESERVE_BYTES = 64 << 20,
    CACHE_BYTES = 16 << 20,
    TIDY_WAIT_MS = 1000,
    SCRUB_PERIOD_MS = 24 * 3600 * 1000,
};

/* --- the table of segments ------------------------------------------------------------------ */

/* By first LSN; an empty segment stands before the one that goes on with its LSN. */
void log__table_insert(struct log *log, struct log__segment *segment)
{
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = MAX(log->segment_capacity * 2, 16);
        log->segments = mem_resize(log->segments, (isize)log->segment_capacity *
                                                      (isize)sizeof(struct log__segment *));
    }
    u32 at = log->segment_count++;
    for (; at > 0; at--) {
        const struct log__segment *before = log->segments[at - 1];
        bool is_less =
            before->first_lsn < segment->first_lsn ||
            (before->first_lsn == segment->first_lsn && before->last_lsn <= segment->last_lsn &&
             !(before->last_lsn == segment->last_lsn && before->id.segment > segment->id.segment));
        if (is_less) {
            break;
        }
        log->segments[at] = log->segments[at - 1];
    }
    log->segments[at] = segment;
}

void log__table_remove(struct log *log, u64 segment)
{
    for (u32 i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->id.segment != segment) {
            continue;
        }
        struct log__segment *removed = log->segments[i];
        log->segment_count--;
        memmove(&log->segments[i], &log->segments[i + 1],
                (size_t)(log->segment_count - i) * sizeof(struct log__segment *));
        os_mutex_lock(&log->lru_lock);
        bool is_listed = false;
        for (int slot = 0; slot < LOG__LOADED_MAX; slot++) {
            if (log->lru[slot] == removed) {
                log->lru[slot] = NULL;
                is_listed = true;
            }
        }
        os_mutex_unlock(&log->lru_lock);
        if (is_listed) {
            log__segment_unref(removed);
        }
        log__segment_unref(removed);
        return;
    }
}

/* --- threads -------------------------------------------------------------------------------- */

/* False when the log is being closed. */
static bool tidier_wait(struct log *log)
{
    os_mutex_lock(&log->tidy_lock);
    bool is_signalled =
        log->is_tidy_stopping || os_cond_wait_ms(&log->tidy_cond, &log->tidy_lock, TIDY_WAIT_MS);
    bool goes_on = !(is_signalled && log->is_tidy_stopping);
    os_mutex_unlock(&log->tidy_lock);
    return goes_on;
}

static void retain_and_say(struct log *log)
{
    err e = log_retain_now(log);
    if (e != OK && e != ERR_CLOSED) {
        trace(TRACE_WARN, "log", "retention will try again", T_STR("error", str_of(err_text(e))));
    }
}

/* What is written to files that have no name is lost with the process: rather no process. */
static void check_place(struct log *log)
{
    char path[LOG__PATH_MAX];
    struct os_stat stat;
    (void)snprintf(path, sizeof path, "%s/STORE", log->dir);
    if (log->durability != LOG_MEMORY && os_stat_path(log->os, path, &stat) == ERR_NOT_FOUND) {
        os_fatal("the data directory was deleted or moved while leat was running: finding", path,
                 ERR_NOT_FOUND);
    }
}

static void tidier_run(void *ctx)
{
    struct log *log = ctx;
    u64 period_ns = (u64)LOG__RETAIN_PERIOD_MS * 1000000;
    u64 next_ns = os_mono_ns(log->os) + period_ns;
    while (tidier_wait(log)) {
        check_place(log);
        log__zero_once(log);
        log__scrub_once(log);
        if (os_mono_ns(log->os) >= next_ns) {
            next_ns = os_mono_ns(log->os) + period_ns;
            retain_and_say(log);
            log__pool_trim(log);
        }
    }
}

static void threads_start(struct log *log)
{
    os_thread_start(&log->committers[0], "leat-commit-a", log__committer_run, log);
    os_thread_start(&log->committers[1], "leat-commit-b", log__committer_run, log);
    os_thread_start(&log->tidier, "leat-tidy", tidier_run, log);
}

static void threads_stop(struct log *log)
{
    os_mutex_lock(&log->tidy_lock);
    log->is_tidy_stopping = true;
    os_cond_signal(&log->tidy_cond);
    os_mutex_unlock(&log->tidy_lock);
    if (!log->is_driven) {
        os_thread_join(&log->tidier);
    }
    os_mutex_lock(&log->queue_lock);
    log->is_closing = true;
    os_cond_broadcast(&log->work_cond);
    os_mutex_unlock(&log->queue_lock);
    if (!log->is_driven) {
        os_thread_join(&log->committers[0]);
        os_thread_join(&log->committers[1]);
    }
}

/* --- open and close ------------------------------------------------------------------------- */

static struct log *log_new(struct os *os, const struct log_options *options)
{
    struct log *log = NEW(struct log);
    log->os = os;
    isize dir_bytes = (isize)strlen(options->dir) + 1;
    log->dir = mem_alloc(dir_bytes);
    memcpy(log->dir, options->dir, (size_t)dir_bytes);
    log->durability = options->durability;
    log->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : SEGMENT_BYTES;
    log->reserve_bytes = options->reserve_bytes != 0 ? options->reserve_bytes : RESERVE_BYTES;
    log->cache_bytes = options->cache_bytes != 0 ? options->cache_bytes : CACHE_BYTES;
    log->pinned = options->pinned;
    log->scrub_period_ms =
        options->scrub_period_ms != 0 ? options->scrub_period_ms : SCRUB_PERIOD_MS;
    log->queue_end = &log->queue;
    os_mutex_init(&log->queue_lock);
    os_cond_init(&log->work_cond);
    os_cond_init(&log->disk_cond);
    os_rwlock_init(&log->state_lock);
    os_mutex_init(&log->lru_lock);
    os_mutex_init(&log->pool_lock);
    os_mutex_init(&log->watch_lock);
    os_mutex_init(&log->live_lock);
    os_mutex_init(&log->retain_lock);
    os_mutex_init(&log->tidy_lock);
    os_cond_init(&log->tidy_cond);
    os_mutex_init(&log->zero.lock);
    os_cond_init(&log->zero.cond);
    log__index_init(&log->active_index);
    if (options->durability == LOG_MEMORY) {
        log->memory_os = sim_memory_new();
        log->os = log->memory_os;
    }
    return log;
}

static void log_free(struct log *log)
{
    while (log->cache_count > 0) {
        u32 last = (log->cache_first + --log->cache_count) % log->cache_capacity;
        log_frame_unref(log->cache[last]);
    }
    for (int i = 0; i < LOG__LOADED_MAX; i++) {
        log__segment_unref(log->lru[i]);
    }
    for (u32 i = 0; i < log->segment_count; i++) {
        log__segment_unref(log->segments[i]);
    }
    if (log->lock_file != NULL) {
        IGNORE(os_close(log->lock_file)); /* Lets the lock go. */
    }
    log__pool_free(log);
    log__batch_spares_free(log);
    log__index_deinit(&log->active_index);
    log__map_deinit(&log->tips);
    mem_free(log->cache);
    mem_free(log->segments);
    mem_free(log->missing);
    mem_free(log->items);
    mem_free(log->items_spare);
    mem_free(log->pieces);
    mem_free(log->dir);
    os_cond_deinit(&log->zero.cond);
    os_mutex_deinit(&log->zero.lock);
    os_cond_deinit(&log->tidy_cond);
    os_mutex_deinit(&log->tidy_lock);
    os_mutex_deinit(&log->retain_lock);
    os_mutex_deinit(&log->live_lock);
    os_mutex_deinit(&log->watch_lock);
    os_mutex_deinit(&log->pool_lock);
    os_mutex_deinit(&log->lru_lock);
    os_rwlock_deinit(&log->state_lock);
    os_cond_deinit(&log->disk_cond);
    os_cond_deinit(&log->work_cond);
    os_mutex_deinit(&log->queue_lock);
    if (log->memory_os != NULL) {
        sim_memory_free(log->memory_os);
    }
    mem_free(log);
}

static err lock_dir(struct log *log, struct diag *diag)
{
    char path[LOG__PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/LOCK", log->dir);
    CHECK(len > 0 && len < (int)sizeof path);
    TRY(os_open(log->os, path, OS_WRITE | OS_CREATE, &log->lock_file));
    err e = os_lock(log->lock_file);
    if (e == ERR_IN_USE) {
        diag_set(diag, e, "LOG0006", "another process uses the data directory \"%s\"", log->dir);
        diag_hint(diag, "stop the other leat, or give another directory with --data");
    }
    return e;
}

enum open_mode { OPEN_THREADS, OPEN_DRIVEN, OPEN_CHECK, OPEN_SALVAGE, OPEN_BARE };

static err open_with(struct os *os, const struct log_options *options, struct log **out,
                     struct diag *diag, enum open_mode mode, u64 *bad_out)
{
    CHECK(options->dir != NULL);
    if (strlen(options->dir) > LOG__PATH_MAX - 64) {
        return diag_set(diag, ERR_LIMIT, "LOG0007", "the path of the data directory is too long");
    }
    struct log *log = log_new(os, options);
    log->is_driven = mode != OPEN_THREADS;
    log->is_checked_only = mode == OPEN_CHECK;
    log->is_salvaged = mode == OPEN_SALVAGE;
    err e = os_mkdir_all(log->os, log->dir);
    if (e == OK) {
        e = lock_dir(log, diag);
    }
    if (e == OK && mode != OPEN_BARE) {
        e = log__recover(log, diag);
    }
    if (e != OK) {
        if (bad_out != NULL) {
            *bad_out = log->bad_segment;
        }
        log_free(log);
        (void)diag_set(diag, e, "LOG0000", "the log in \"%s\" could not be opened: %s",
                       options->dir, err_text(e));
        if (e == ERR_DENIED) {
            diag_hint(diag, "is the file system read-only, or the directory another user's?");
        }
        return e;
    }
    if (!log->is_driven) {
        threads_start(log);
    }
    *out = log;
    return OK;
}

err log_open(struct os *os, const struct log_options *options, struct log **out, struct diag *diag)
{
    return open_with(os, options, out, diag, OPEN_THREADS, NULL);
}

err log__open_driven(struct os *os, const struct log_options *options, struct log **out,
                     struct diag *diag)
{
    return open_with(os, options, out, diag, OPEN_DRIVEN, NULL);
}

err log_open_check(struct os *os, const struct log_options *options, struct log **out,
                   struct diag *diag)
{
    return open_with(os, options, out, diag, OPEN_CHECK, NULL);
}

err log__open_salvage(struct os *os, const struct log_options *options, struct log **out,
                      u64 *bad_out, struct diag *diag)
{
    return open_with(os, options, out, diag, OPEN_SALVAGE, bad_out);
}

err log__open_bare(struct os *os, const struct log_options *options, struct log **out,
                   struct diag *diag)
{
    return open_with(os, options, out, diag, OPEN_BARE, NULL);
}

void log_close_check(struct log *log)
{
    log__abandon(log);
}

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    threads_stop(log);
    while (log->is_driven && log__commit_once(log)) {
    }
    if (log->active != NULL) {
        err e = log__active_seal(log);
        if (e == ERR_FULL) {
            trace(TRACE_WARN, "log", "no room to seal the log: the next start does it",
                  T_STR("dir", str_of(log->dir)));
        } else if (e != OK) {
            os_fatal("sealing the log", log->dir, e);
        }
    }
    log_free(log);
}

void log__abandon(struct log *log)
{
    CHECK(log->is_driven);
    log_free(log);
}

/* --- watchers and figures ------------------------------------------------------------------- */

int log_watch(struct log *log, log_watch_fn fn, void *ctx)
{
    CHECK(fn != NULL);
    int id = -1;
    os_mutex_lock(&log->watch_lock);
    for (int i = 0; i < LOG__WATCH_MAX && id < 0; i++) {
        if (log->watchers[i].fn == NULL) {
            log->watchers[i].fn = fn;
            log->watchers[i].ctx = ctx;
            id = i;
        }
    }
    os_mutex_unlock(&log->watch_lock);
    CHECK(id >= 0);
    return id;
}

void log_unwatch(struct log *log, int id)
{
    CHECK(id >= 0 && id < LOG__WATCH_MAX);
    os_mutex_lock(&log->watch_lock);
    log->watchers[id].fn = NULL;
    os_mutex_unlock(&log->watch_lock);
}

const struct log_latencies *log_get_latencies(const struct log *log)
{
    return &log->latencies;
}

void log_get_stats(struct log *log, struct log_stats *out)
{
    *out = (struct log_stats){
        .frames = metric_load(&log->stats.frames),
        .records = metric_load(&log->stats.records),
        .bytes = metric_load(&log->stats.bytes),
        .syncs = metric_load(&log->stats.syncs),
        .sync_ns_total = metric_load(&log->stats.sync_ns_total),
        .sync_ns_max = metric_load(&log->stats.sync_ns_max),
        .corrupt_frames = metric_load(&log->stats.corrupt_frames),
        .scrubbed_bytes = metric_load(&log->stats.scrubbed_bytes),
        .scrub_passes = metric_load(&log->stats.scrub_passes),
        .doubtful_frames = metric_load(&log->stats.doubtful_frames),
        .damaged_frames = metric_load(&log->stats.damaged_frames),
        .damaged_parts = metric_load(&log->stats.damaged_parts),
        .is_full = __atomic_load_n(&log->stats.is_full, __ATOMIC_RELAXED),
    };
    os_rwlock_read(&log->state_lock);
    out->segments = log->segment_count;
    for (u32 i = 0; i < log->segment_count; i++) {
        const struct log__segment *segment = log->segments[i];
        out->disk_bytes += segment->bytes;
        out->live_bytes += segment->live_bytes != 0 ? segment->live_bytes : segment->bytes;
    }
    os_rwlock_unlock(&log->state_lock);
}
