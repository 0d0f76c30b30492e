/* log/log_segment.c: segment files: making, sealing, loading, and their lives in memory. */
#include "base/trace.h"
#include "log/log_int.h"

#include <stdio.h>

void log__path(const struct log *log, u64 segment, const char *suffix, char *out)
{
    int len = snprintf(out, LOG__PATH_MAX, "%s/%016llx.%s", log->dir, (unsigned long long)segment,
                       suffix);
    CHECK(len > 0 && len < LOG__PATH_MAX);
}

struct log__segment *log__segment_ref(struct log__segment *segment)
{
    CHECK(__atomic_fetch_add(&segment->refs, 1, __ATOMIC_RELAXED) > 0);
    return segment;
}

void log__loaded_unref(struct log__loaded *loaded)
{
    if (loaded == NULL || __atomic_sub_fetch(&loaded->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    log__index_deinit(&loaded->index);
    IGNORE(os_close(loaded->file)); /* Only read. */
    mem_free(loaded);
}

void log__segment_unref(struct log__segment *segment)
{
    if (segment == NULL || __atomic_sub_fetch(&segment->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    log__loaded_unref(segment->loaded);
    if (segment->file != NULL) {
        IGNORE(os_close(segment->file)); /* What matters has been synced. */
    }
    mem_free(segment);
}

/* --- loading -------------------------------------------------------------------------------- */

static struct log__loaded *loaded_find(struct log *log, struct log__segment *segment)
{
    os_mutex_lock(&log->lru_lock);
    struct log__loaded *loaded = segment->loaded;
    if (loaded != NULL) {
        __atomic_fetch_add(&loaded->refs, 1, __ATOMIC_RELAXED);
        segment->loaded_stamp = ++log->lru_clock;
    }
    os_mutex_unlock(&log->lru_lock);
    return loaded;
}

/* Slot to use; its old segment, which must be let go after the lock, goes to *evicted_out. */
static int lru_slot(struct log *log, struct log__segment **evicted_out)
{
    int oldest = 0;
    for (int i = 0; i < LOG__LOADED_MAX; i++) {
        if (log->lru[i] == NULL) {
            return i;
        }
        if (log->lru[i]->loaded_stamp < log->lru[oldest]->loaded_stamp) {
            oldest = i;
        }
    }
    *evicted_out = log->lru[oldest];
    return oldest;
}

static void loaded_keep(struct log *log, struct log__segment *segment, struct log__loaded *loaded)
{
    struct log__segment *evicted = NULL;
    struct log__loaded *dropped = NULL;
    os_mutex_lock(&log->lru_lock);
    if (segment->loaded == NULL) {
        int slot = lru_slot(log, &evicted);
        if (evicted != NULL) {
            dropped = evicted->loaded;
            evicted->loaded = NULL;
        }
        log->lru[slot] = log__segment_ref(segment);
        segment->loaded = loaded;
        segment->loaded_stamp = ++log->lru_clock;
        __atomic_fetch_add(&loaded->refs, 1, __ATOMIC_RELAXED);
    }
    os_mutex_unlock(&log->lru_lock);
    log__loaded_unref(dropped);
    log__segment_unref(evicted);
}

/* The frames are what counts; an index that does not verify is made anew from them. */
static err rebuild(struct log *log, const struct log__segment *segment, struct os_file *file,
                   struct log__index *out)
{
    if (!segment->is_rebuilt) {
        metric_add(&log->stats.corrupt_frames, 1);
        trace(TRACE_ERROR, "log", "the index of a segment is damaged",
              T_INT("segment", segment->id.segment));
    }
    u64 end;
    return log__scan(log, segment, file, out, &end);
}

/* Retention takes a segment out of the table before its file goes: one that is still there has lost
 * its file. */
static err not_found(struct log *log, const struct log__segment *segment)
{
    bool is_listed = false;
    os_rwlock_read(&log->state_lock);
    for (u32 i = 0; i < log->segment_count; i++) {
        is_listed = is_listed || log->segments[i] == segment;
    }
    os_rwlock_unlock(&log->state_lock);
    if (!is_listed) {
        return ERR_NOT_FOUND;
    }
    metric_add(&log->stats.corrupt_frames, 1);
    trace(TRACE_ERROR, "log", "the file of a segment is gone",
          T_INT("segment", segment->id.segment));
    return ERR_CORRUPT;
}

err log__segment_load(struct log *log, struct log__segment *segment, struct log__loaded **out)
{
    struct log__loaded *loaded = loaded_find(log, segment);
    if (loaded != NULL) {
        *out = loaded;
        return OK;
    }
    char path[LOG__PATH_MAX];
    log__path(log, segment->id.segment, "seg", path);
    struct os_file *file;
    err opened = os_open(log->os, path, OS_READ, &file);
    if (opened == ERR_NOT_FOUND) {
        return not_found(log, segment);
    }
    TRY(opened);
    struct log__trailer trailer;
    log__segment_trailer(segment, &trailer);
    struct log__index index;
    err e = segment->is_rebuilt ? ERR_CORRUPT : log__index_read(file, &trailer, &index);
    if (e == ERR_CORRUPT) {
        e = rebuild(log, segment, file, &index);
    }
    if (e != OK) {
        IGNORE(os_close(file)); /* Only read. */
        return e;
    }
    loaded = NEW(struct log__loaded);
    *loaded = (struct log__loaded){.refs = 1, .file = file, .index = index};
    loaded_keep(log, segment, loaded);
    *out = loaded;
    return OK;
}

err log__segment_parts(struct log *log, const struct log__segment *segment, bool has_index,
                       u32 *damaged_out)
{
    char path[LOG__PATH_MAX];
    struct os_file *file;
    struct os_stat stat;
    log__path(log, segment->id.segment, "seg", path);
    TRY(os_open(log->os, path, OS_READ, &file));
    struct log__header header = {.members = NULL};
    struct log__trailer trailer;
    struct log__index index = {.frame_count = 0};
    u32 damaged = 0;
    err e = os_stat_file(file, &stat);
    if (e == OK) {
        err header_e = log__header_read(file, stat.bytes, &header);
        damaged |= header_e == ERR_CORRUPT || header.is_single ? LOG__PART_HEADER : 0;
        e = header_e == ERR_CORRUPT ? OK : header_e;
    }
    if (e == OK && has_index) {
        err index_e = log__trailer_read(file, stat.bytes, &trailer);
        index_e = index_e == OK ? log__index_read(file, &trailer, &index) : index_e;
        damaged |= index_e == ERR_CORRUPT ? LOG__PART_INDEX : 0;
        e = index_e == ERR_CORRUPT ? OK : index_e;
    }
    log__index_deinit(&index);
    log__header_deinit(&header);
    IGNORE(os_close(file)); /* Only read. */
    *damaged_out = damaged;
    return e;
}

/* --- making --------------------------------------------------------------------------------- */

err log__segment_file_new(struct log *log, struct log__segment *segment,
                          const struct log__header *header, struct os_file **out)
{
    char path[LOG__PATH_MAX];
    log__path(log, segment->id.segment, "new", path);
    struct buf bytes = {0};
    isize copy_bytes = log__header_encode(header, &bytes);
    segment->frames_offset = (u64)bytes.len;
    segment->header_crc = get_u32(bytes.data + copy_bytes - 4);
    struct os_file *file;
    /* Where commits wait for the disk the page cache is a copy for nothing. */
    int direct = log->durability == LOG_COMMIT ? OS_DIRECT : 0;
    err e = os_open(log->os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE | direct, &file);
    if (e == OK) {
        e = os_write_at(file, 0, bytes.data, bytes.len);
        *out = file; /* Closed by the owner, whatever has come of it. */
    }
    buf_deinit(&bytes);
    return e;
}

void log__must_sync(const struct log *log, err e)
{
    if (e != OK) {
        os_fatal("sync of a segment or of the log's directory", log->dir, e);
    }
}

err log__segment_file_commit(struct log *log, const struct log__segment *segment)
{
    char from[LOG__PATH_MAX];
    char to[LOG__PATH_MAX];
    log__path(log, segment->id.segment, "new", from);
    log__path(log, segment->id.segment, "seg", to);
    TRY(os_rename(log->os, from, to));
    bool is_normal = segment->kind == LOG__NORMAL;
    if ((PLANTED(BUG_NO_DIR_SYNC_NEW) && is_normal) ||
        (PLANTED(BUG_NO_DIR_SYNC_REWRITE) && !is_normal)) {
        return OK;
    }
    log__must_sync(log, os_sync_dir(log->os, log->dir));
    return OK;
}

static struct log__segment *segment_new(struct log *log)
{
    struct log__segment *segment = NEW(struct log__segment);
    segment->refs = 1;
    segment->kind = LOG__NORMAL;
    memcpy(segment->id.uuid, log->uuid, LOG__UUID_BYTES);
    segment->id.segment = __atomic_fetch_add(&log->next_segment, 1, __ATOMIC_RELAXED);
    os_random(log->os, &segment->id.epoch, sizeof segment->id.epoch);
    return segment;
}

void log__unlink(struct log *log, u64 segment, const char *suffix)
{
    char path[LOG__PATH_MAX];
    log__path(log, segment, suffix, path);
    err e = os_unlink(log->os, path);
    if (e != OK && e != ERR_NOT_FOUND) {
        trace(TRACE_WARN, "log", "a file could not be removed; the next start tries again",
              T_STR("path", str_of(path)), T_STR("error", str_of(err_text(e))));
    }
}

err log__active_name(struct log *log)
{
    TRY(log__store_write(log, log->active->id.segment));
    log->active->is_named = true;
    return OK;
}

static err create_synced(struct log *log, struct log__segment *segment,
                         const struct log__header *header)
{
    TRY(log__segment_file_new(log, segment, header, &segment->file));
    if (!PLANTED(BUG_NO_SYNC_NEW)) {
        log__must_sync(log, os_sync(segment->file));
    }
    return log__segment_file_commit(log, segment);
}

err log__active_create(struct log *log)
{
    struct log__segment *segment = segment_new(log);
    os_rwlock_read(&log->state_lock);
    u64 next_lsn = log->tip_lsn + 1;
    u64 next_no = MAX(log->published_no, log->open_no);
    struct log__header header = {
        .kind = LOG__NORMAL,
        .id = segment->id,
        .next_lsn = next_lsn,
        .next_no = next_no,
        .arrival_ms = log->published_ms,
        .next_segment = segment->id.segment + 1,
        .members = mem_alloc(((isize)log->segment_count + 1) * 8),
    };
    for (u32 i = 0; i < log->segment_count; i++) {
        if (!(PLANTED(BUG_MEMBER_FORGOTTEN) && i == 0)) {
            header.members[header.member_count++] = log->segments[i]->id.segment;
        }
    }
    os_rwlock_unlock(&log->state_lock);
    segment->is_named = PLANTED(BUG_NEWEST_FIRST);
    err e = segment->is_named ? log__store_write(log, segment->id.segment) : OK;
    e = e == OK ? create_synced(log, segment, &header) : e;
    log__header_deinit(&header);
    if (e != OK) {
        log__unlink(log, segment->id.segment, "new");
        log__segment_unref(segment);
        return e;
    }
    segment->bytes = segment->frames_offset;
    segment->first_lsn = next_lsn;
    segment->last_lsn = next_lsn - 1;
    segment->first_no = next_no;
    segment->last_no = next_no - 1;
    segment->first_arrival_ms = segment->last_arrival_ms = log->published_ms;
    os_rwlock_write(&log->state_lock);
    CHECK(log->active == NULL);
    log->active = segment;
    log__table_insert(log, segment);
    log__index_deinit(&log->active_index);
    log__index_init(&log->active_index);
    log->active_index.last_crc = segment->header_crc;
    os_rwlock_unlock(&log->state_lock);
    log->durable_end = segment->bytes;
    os_mutex_lock(&log->zero.lock);
    log->zero.file = segment->file;
    log->zero.reserved = segment->bytes;
    log->zero.zeroed_end = segment->bytes;
    os_mutex_unlock(&log->zero.lock);
    return segment->is_named ? OK : log__active_name(log);
}

/* --- sealing -------------------------------------------------------------------------------- */

err log__seal_file(struct log *log, struct os_file *file, struct log__segment *segment,
                   const struct log__index *index, u64 end)
{
    struct buf bytes = {0};
    struct log__trailer trailer;
    log__seal_encode(segment, index, end, &bytes, &trailer);
    u64 file_end = end + (u64)bytes.len;
    bool is_normal = segment->kind == LOG__NORMAL;
    u64 cut = PLANTED(BUG_SEAL_OVER_FRAME) && is_normal ? end - 512 : file_end;
    /* Cut afterwards: what lies behind is room that others might take meanwhile. */
    err e = os_write_at(file, end, bytes.data, bytes.len);
    if (e == OK && !PLANTED(BUG_TAIL_KEPT)) {
        e = os_truncate(file, cut);
    }
    if (e == OK && PLANTED(BUG_SEAL_CUT_SHORT)) {
        e = os_truncate(file, file_end - LOG__BLOCK_BYTES);
    }
    bool is_unsynced =
        (PLANTED(BUG_NO_SYNC_SEAL) && is_normal) || (PLANTED(BUG_NO_SYNC_REWRITE) && !is_normal);
    if (e == OK && !is_unsynced) {
        log__must_sync(log, os_sync(file));
    }
    if (e == OK) {
        log__trailer_decode_into(segment, &trailer);
        segment->bytes = file_end;
    }
    buf_deinit(&bytes);
    return e;
}

/* Waits for the zeroing thread and takes the file from it. */
static void zero_detach(struct log *log)
{
    struct log__zero *zero = &log->zero;
    os_mutex_lock(&zero->lock);
    while (zero->is_busy) {
        os_cond_wait(&zero->cond, &zero->lock);
    }
    zero->file = NULL;
    os_mutex_unlock(&zero->lock);
}

/* What the index of the active segment knows and is wanted when it is gone; state_lock is held for
 * writing. */
static void note_tips(struct log *log)
{
    const struct log__index *index = &log->active_index;
    for (u32 i = 0; i < index->channel_count; i++) {
        const struct log__channel_runs *row = &index->channels[i];
        *log__map_put(&log->tips, row->channel) = log__runs_tip(row);
    }
}

err log__active_seal(struct log *log)
{
    OS_FAILPOINT("log.before_seal");
    struct log__segment *active = log->active;
    zero_detach(log);
    /* Readers may hold the old struct and its file, and count references to it at this moment: the
     * sealed segment is a new one. */
    struct log__segment *sealed = NEW(struct log__segment);
    *sealed = (struct log__segment){
        .refs = 1,
        .kind = active->kind,
        .id = active->id,
        .frames_offset = active->frames_offset,
        .header_crc = active->header_crc,
        .first_lsn = active->first_lsn,
        .last_lsn = active->last_lsn,
        .first_no = active->first_no,
        .last_no = active->last_no,
        .first_arrival_ms = active->first_arrival_ms,
        .last_arrival_ms = active->last_arrival_ms,
    };
    err e = log__seal_file(log, active->file, sealed, &log->active_index, active->bytes);
    if (e != OK) {
        mem_free(sealed);
        return e;
    }
    os_rwlock_write(&log->state_lock);
    CHECK(log->segments[log->segment_count - 1] == active);
    log->segments[log->segment_count - 1] = sealed;
    log->active = NULL;
    note_tips(log);
    log__index_deinit(&log->active_index);
    log__index_init(&log->active_index);
    os_rwlock_unlock(&log->state_lock);
    log__segment_unref(active);
    OS_FAILPOINT("log.after_seal");
    return OK;
}
