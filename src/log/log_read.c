/*
 * log/log_read.c: finding and reading published frames.
 *
 * New frames are in a ring of recent ones. Older ones are found through the table
 * of segments and the segment's index, and read from the disk, checked in full. No
 * lock is held during input.
 */
#include "base/trace.h"
#include "log/log_int.h"

/* --- the ring of recent frames -------------------------------------------------------------- */

static struct log_frame **cache_at(struct log *log, u32 index)
{
    return &log->cache[(log->cache_first + index) % log->cache_capacity];
}

static void cache_drop_first(struct log *log)
{
    struct log_frame *frame = *cache_at(log, 0);
    log->cached_bytes -= (u64)frame->used_max;
    log->cache_first = (log->cache_first + 1) % log->cache_capacity;
    log->cache_count--;
    log__frame_cached(frame, false);
    log_frame_unref(frame);
}

static void cache_grow(struct log *log)
{
    u32 capacity = MAX(log->cache_capacity * 2, 64);
    struct log_frame **ring = mem_alloc((isize)capacity * (isize)sizeof(struct log_frame *));
    for (u32 i = 0; i < log->cache_count; i++) {
        ring[i] = *cache_at(log, i);
    }
    mem_free(log->cache);
    log->cache = ring;
    log->cache_first = 0;
    log->cache_capacity = capacity;
}

/* The ring has consecutive LSNs; that of a frame which found no room is missing. */
static void cache_drop_before_gap(struct log *log, u64 lsn)
{
    while (log->cache_count > 0 && (*cache_at(log, log->cache_count - 1))->head.lsn + 1 != lsn) {
        cache_drop_first(log);
    }
}

void log__cache_add(struct log *log, struct log_frame *frame)
{
    cache_drop_before_gap(log, frame->head.lsn);
    if (log->cache_count == log->cache_capacity) {
        cache_grow(log);
    }
    log_frame_ref(frame);
    log__frame_cached(frame, true);
    log->cached_bytes += (u64)frame->used_max;
    log->cache_count++;
    *cache_at(log, log->cache_count - 1) = frame;
    while (log->cached_bytes > log->cache_bytes && log->cache_count > 1) {
        cache_drop_first(log);
    }
}

struct log_frame *log__cache_find(struct log *log, u64 lsn)
{
    if (log->cache_count == 0) {
        return NULL;
    }
    u64 first = (*cache_at(log, 0))->head.lsn;
    if (lsn < first || lsn - first >= log->cache_count) {
        return NULL;
    }
    struct log_frame *frame = *cache_at(log, (u32)(lsn - first));
    CHECK(frame->head.lsn == lsn);
    log_frame_ref(frame);
    return frame;
}

/* --- one frame from the disk ---------------------------------------------------------------- */

static void note_damage(struct log *log, const struct log__identity *id,
                        const struct log__frame_info *info)
{
    metric_add(&log->stats.corrupt_frames, 1);
    trace(TRACE_ERROR, "log", "a frame is damaged on the disk", T_INT("segment", id->segment),
          T_INT("offset", info->offset), T_INT("lsn", info->lsn));
}

err log__frame_read(struct log *log, struct os_file *file, const struct log__identity *id,
                    const struct log__frame_info *info, struct log_frame **out)
{
    if ((info->flags & LOG__FRAME_DAMAGED) != 0) {
        return ERR_CORRUPT;
    }
    bool is_sane = info->bytes >= LOG__HEADER_BYTES && info->bytes <= LOG_FRAME_BYTES_MAX;
    struct log_frame *frame = log__frame_new(log, is_sane ? (isize)info->bytes : 0);
    err e =
        is_sane ? os_read_exact(file, info->offset, frame->data, (isize)info->bytes) : ERR_CORRUPT;
    if (e == OK) {
        bool is_valid = log__head_decode(frame->data, id, info->offset, &frame->head) &&
                        frame->head.bytes == info->bytes && frame->head.lsn == info->lsn &&
                        log__body_is_valid(&frame->head, frame->data);
        e = is_valid ? OK : ERR_CORRUPT;
    }
    if (e != OK) {
        if (e == ERR_CORRUPT) {
            note_damage(log, id, info);
        }
        log_frame_unref(frame);
        return e;
    }
    *out = frame;
    return OK;
}

/* --- finding -------------------------------------------------------------------------------- */

u64 log_tip(struct log *log)
{
    return __atomic_load_n(&log->tip_lsn, __ATOMIC_ACQUIRE);
}

u64 log_horizon(struct log *log)
{
    os_rwlock_read(&log->state_lock);
    u64 horizon = log->tip_lsn + 1;
    for (u32 i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->last_lsn >= log->segments[i]->first_lsn) {
            horizon = log->segments[i]->first_lsn;
            break;
        }
    }
    os_rwlock_unlock(&log->state_lock);
    return horizon;
}

/* First segment whose last LSN is greater; segment_count when none. state_lock is held. */
static u32 segment_after(const struct log *log, u64 lsn)
{
    u32 low = 0;
    u32 high = log->segment_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (log->segments[middle]->last_lsn <= lsn) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static u32 segment_from_no(const struct log *log, u64 no)
{
    u32 low = 0;
    u32 high = log->segment_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (log->segments[middle]->last_no < no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What a search under the lock found: a frame in memory, or a segment to look into without it. */
struct place {
    struct log_frame *frame;
    struct log__segment *segment; /* A reference. */
    struct log__frame_info info;  /* Of the active segment, whose index is in memory. */
    bool is_active;
};

static void place_in_active(struct log *log, u32 row, struct place *out)
{
    out->info = log->active_index.frames[row];
    out->frame = log__cache_find(log, out->info.lsn);
    out->is_active = true;
}

static err place_after(struct log *log, u64 lsn, struct place *out)
{
    *out = (struct place){0};
    if (lsn >= log->tip_lsn) {
        return ERR_END;
    }
    out->frame = log__cache_find(log, lsn + 1);
    if (out->frame != NULL) {
        return OK;
    }
    u32 index = segment_after(log, lsn);
    if (index == log->segment_count) {
        return ERR_END; /* The newest have been removed. */
    }
    out->segment = log__segment_ref(log->segments[index]);
    if (out->segment == log->active) {
        place_in_active(log, log__index_after(&log->active_index, lsn), out);
    }
    return OK;
}

static err read_active(struct log *log, const struct place *place, struct log_frame **out)
{
    return log__frame_read(log, place->segment->file, &place->segment->id, &place->info, out);
}

static err read_after(struct log *log, struct log__segment *segment, u64 lsn,
                      struct log_frame **out)
{
    struct log__loaded *loaded;
    TRY(log__segment_load(log, segment, &loaded));
    u32 row = log__index_after(&loaded->index, lsn);
    err e = row == loaded->index.frame_count
                ? ERR_CORRUPT
                : log__frame_read(log, loaded->file, &segment->id, &loaded->index.frames[row], out);
    log__loaded_unref(loaded);
    return e;
}

err log_frame_after(struct log *log, u64 lsn, struct log_frame **out)
{
    *out = NULL;
    for (;;) {
        struct place place;
        os_rwlock_read(&log->state_lock);
        err e = place_after(log, lsn, &place);
        os_rwlock_unlock(&log->state_lock);
        if (e != OK) {
            return e;
        }
        if (place.frame != NULL) {
            *out = place.frame;
            log__segment_unref(place.segment);
            return OK;
        }
        e = place.is_active ? read_active(log, &place, out)
                            : read_after(log, place.segment, lsn, out);
        log__segment_unref(place.segment);
        if (e != ERR_NOT_FOUND) { /* Retention replaced the segment meanwhile: look again. */
            return e;
        }
    }
}

/* --- by record number ----------------------------------------------------------------------- */

static u64 channel_tip(const struct log *log, struct log_channel channel)
{
    const struct log__channel_runs *row = log__index_channel(&log->active_index, channel);
    if (row != NULL) {
        return log__runs_tip(row);
    }
    const u64 *tip = log__map_find(&log->tips, channel);
    return tip != NULL ? *tip : log->open_no;
}

u64 log_channel_tip(struct log *log, struct log_channel channel)
{
    os_rwlock_read(&log->state_lock);
    u64 tip = channel_tip(log, channel);
    os_rwlock_unlock(&log->state_lock);
    return tip;
}

u64 log_channel_bound(struct log *log, struct log_channel channel)
{
    os_rwlock_read(&log->state_lock);
    u64 bound = MAX(channel_tip(log, channel), log->open_no);
    os_rwlock_unlock(&log->state_lock);
    return bound;
}

u64 log_recent_no(struct log *log)
{
    os_rwlock_read(&log->state_lock);
    u64 no = log->cache_count > 0 ? (*cache_at(log, 0))->head.first_no : UINT64_MAX;
    os_rwlock_unlock(&log->state_lock);
    return no;
}

static bool is_damaged_before(const struct log__index *index, u64 no,
                              const struct log__run_info *run)
{
    for (u32 i = 0; index->damaged_count > 0 && i < index->frame_count; i++) {
        const struct log__frame_info *frame = &index->frames[i];
        if ((frame->flags & LOG__FRAME_DAMAGED) != 0 && frame->last_no >= no &&
            (run == NULL || frame->first_no < run->first_no)) {
            return true;
        }
    }
    return false;
}

static err place_seek(struct log *log, struct log_channel channel, u64 *no, struct place *out)
{
    *out = (struct place){0};
    if (*no >= channel_tip(log, channel)) {
        return ERR_END;
    }
    for (u32 i = segment_from_no(log, *no); i < log->segment_count; i++) {
        struct log__segment *segment = log->segments[i];
        if (segment == log->active) {
            const struct log__run_info *run = log__index_seek(&log->active_index, channel, *no);
            if (run != NULL) {
                out->segment = log__segment_ref(segment);
                place_in_active(log, run->frame, out);
                return OK;
            }
        } else if (segment->damaged_count > 0 || log__bloom_has(segment->bloom, channel)) {
            out->segment = log__segment_ref(segment);
            return OK;
        }
        *no = MAX(*no, segment->last_no + 1);
    }
    return ERR_END;
}

static bool has_number(const struct log_frame *frame, struct log_channel channel, u64 no)
{
    struct log_run run;
    return log_frame_find(frame, channel, &run) && run.first_no + run.count > no;
}

/* ERR_END: not in this segment. */
static err read_seek(struct log *log, struct log__segment *segment, struct log_channel channel,
                     u64 no, struct log_frame **out)
{
    struct log__loaded *loaded;
    TRY(log__segment_load(log, segment, &loaded));
    const struct log__index *index = &loaded->index;
    const struct log__run_info *run = log__index_seek(index, channel, no);
    err e = ERR_END;
    if (is_damaged_before(index, no, run)) {
        e = ERR_CORRUPT;
    } else if (run != NULL) {
        const struct log__frame_info *info = &index->frames[run->frame];
        os_rwlock_read(&log->state_lock);
        *out = log__cache_find(log, info->lsn);
        os_rwlock_unlock(&log->state_lock);
        e = *out != NULL ? OK : log__frame_read(log, loaded->file, &segment->id, info, out);
        if (e == OK && !has_number(*out, channel, no)) {
            log_frame_unref(*out);
            *out = NULL;
            e = ERR_CORRUPT; /* Index and frame, each intact, do not belong together. */
        }
    }
    log__loaded_unref(loaded);
    return e;
}

/* A channel without records since open: remember where it ends, so that the next reader who waits
 * at its end does not search all segments again. */
static void note_end(struct log *log, struct log_channel channel, u64 from_no)
{
    os_rwlock_write(&log->state_lock);
    u64 *tip = log__map_put(&log->tips, channel);
    if (*tip == 0) {
        *tip = MIN(MAX(from_no, 1), log->open_no);
    } else if (from_no < *tip && *tip <= log->open_no) {
        *tip = MAX(from_no, 1);
    }
    os_rwlock_unlock(&log->state_lock);
}

err log_frame_seek(struct log *log, struct log_channel channel, u64 record_no,
                   struct log_frame **out)
{
    *out = NULL;
    u64 no = record_no;
    for (;;) {
        struct place place;
        os_rwlock_read(&log->state_lock);
        bool is_at_tip = record_no >= channel_tip(log, channel);
        err e = place_seek(log, channel, &no, &place);
        os_rwlock_unlock(&log->state_lock);
        if (e == ERR_END && !is_at_tip) {
            note_end(log, channel, record_no);
        }
        if (e != OK) {
            return e;
        }
        if (place.frame != NULL) {
            *out = place.frame;
            log__segment_unref(place.segment);
            return OK;
        }
        e = place.is_active ? read_active(log, &place, out)
                            : read_seek(log, place.segment, channel, no, out);
        if (e == ERR_END) {
            no = MAX(no, place.segment->last_no + 1);
        }
        log__segment_unref(place.segment);
        if (e != ERR_NOT_FOUND && e != ERR_END) {
            return e;
        }
    }
}

u64 log_skip_after(struct log *log, u64 lsn)
{
    os_rwlock_read(&log->state_lock);
    u32 row = segment_after(log, lsn);
    bool is_sealed = row < log->segment_count && log->segments[row] != log->active;
    struct log__segment *segment = is_sealed ? log__segment_ref(log->segments[row]) : NULL;
    os_rwlock_unlock(&log->state_lock);
    if (segment == NULL) {
        return lsn + 1; /* The active segment: nearly all its frames have consecutive LSNs. */
    }
    u64 end = segment->last_lsn;
    struct log__loaded *loaded;
    if (log__segment_load(log, segment, &loaded) == OK) {
        u32 frame = log__index_after(&loaded->index, lsn);
        if (frame < loaded->index.frame_count) {
            end = loaded->index.frames[frame].lsn;
        }
        log__loaded_unref(loaded);
    }
    log__segment_unref(segment);
    return MAX(end, lsn + 1);
}

/* Number behind the fence or frame that stops a reader of `channel` at `no`. */
static u64 skip_in_index(const struct log__index *index, struct log_channel channel, u64 no)
{
    const struct log__run_info *run = log__index_seek(index, channel, no);
    for (u32 i = 0; index->damaged_count > 0 && i < index->frame_count; i++) {
        const struct log__frame_info *frame = &index->frames[i];
        if ((frame->flags & LOG__FRAME_DAMAGED) != 0 && frame->last_no >= no &&
            (run == NULL || frame->first_no < run->first_no)) {
            return frame->last_no + 1;
        }
    }
    return run == NULL ? 0 : index->frames[run->frame].last_no + 1;
}

u64 log_skip_seek(struct log *log, struct log_channel channel, u64 record_no)
{
    u64 no = record_no;
    struct place place;
    os_rwlock_read(&log->state_lock);
    err e = place_seek(log, channel, &no, &place);
    os_rwlock_unlock(&log->state_lock);
    if (e != OK) {
        return record_no;
    }
    log_frame_unref(place.frame);
    u64 end = place.is_active ? place.info.last_no + 1 : place.segment->last_no + 1;
    struct log__loaded *loaded;
    if (!place.is_active && log__segment_load(log, place.segment, &loaded) == OK) {
        u64 found = skip_in_index(&loaded->index, channel, no);
        end = found != 0 ? found : end;
        log__loaded_unref(loaded);
    }
    log__segment_unref(place.segment);
    return MAX(end, record_no + 1);
}

/* --- by time -------------------------------------------------------------------------------- */

/* Row of the first frame of the index that arrived at or after `arrival_ms`. */
static u32 frame_at_time(const struct log__index *index, i64 arrival_ms)
{
    u32 low = 0;
    u32 high = index->frame_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (index->frames[middle].arrival_ms < arrival_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Record number of the first frame at or after that time, whatever its channels; ERR_END when there
 * is none. */
static err number_at_time(struct log *log, i64 arrival_ms, u64 *no_out)
{
    struct log__segment *segment = NULL;
    err e = ERR_END;
    os_rwlock_read(&log->state_lock);
    for (u32 i = 0; i < log->segment_count && segment == NULL; i++) {
        if (log->segments[i]->last_arrival_ms >= arrival_ms &&
            log->segments[i]->last_lsn >= log->segments[i]->first_lsn) {
            segment = log__segment_ref(log->segments[i]);
        }
    }
    bool is_active = segment != NULL && segment == log->active;
    if (is_active) {
        u32 row = frame_at_time(&log->active_index, arrival_ms);
        *no_out = log->active_index.frames[row].first_no;
        e = OK;
    }
    os_rwlock_unlock(&log->state_lock);
    if (segment != NULL && !is_active) {
        struct log__loaded *loaded;
        e = log__segment_load(log, segment, &loaded);
        if (e == OK) {
            u32 row = frame_at_time(&loaded->index, arrival_ms);
            if (row < loaded->index.frame_count) {
                *no_out = loaded->index.frames[row].first_no;
            } else {
                *no_out = segment->last_no + 1; /* The frames at the end are damaged. */
            }
            log__loaded_unref(loaded);
        }
    }
    log__segment_unref(segment);
    return e;
}

err log_seek_time(struct log *log, struct log_channel channel, i64 arrival_ms, u64 *record_no_out)
{
    for (;;) {
        u64 tip = log_channel_tip(log, channel); /* Before the search, which sees at least this. */
        u64 no = 0;
        struct log_frame *frame = NULL;
        err e = number_at_time(log, arrival_ms, &no);
        if (e == OK) {
            e = log_frame_seek(log, channel, no, &frame);
        }
        if (e == OK) {
            struct log_run run;
            CHECK(log_frame_find(frame, channel, &run));
            log_run_skip(&run, no);
            *record_no_out = run.first_no;
            log_frame_unref(frame);
            return OK;
        }
        if (e == ERR_END) {
            *record_no_out = MAX(tip, 1);
            return OK;
        }
        if (e != ERR_NOT_FOUND) {
            return e;
        }
    }
}
