/*
 * log/log_scrub.c: reads what nobody reads, so that damage is known while a backup may
 * still help. One pass a period over all sealed segments, a little each second, from
 * the disk and not from memory; on the tidying thread only.
 */
#include "base/trace.h"
#include "log/log_int.h"

enum { BYTES_MIN = 64 << 10, BYTES_MAX = 5 << 20 }; /* Of one second. */

/* First sealed segment with a frame behind `lsn`: a new reference, NULL when there is none. */
static struct log__segment *next_segment(struct log *log, u64 lsn, u64 *disk_bytes_out)
{
    struct log__segment *found = NULL;
    *disk_bytes_out = 0;
    os_rwlock_read(&log->state_lock);
    for (u32 i = 0; i < log->segment_count; i++) {
        struct log__segment *segment = log->segments[i];
        *disk_bytes_out += segment->bytes;
        if (found == NULL && segment != log->active && segment->last_lsn > lsn) {
            found = log__segment_ref(segment);
        }
    }
    os_rwlock_unlock(&log->state_lock);
    return found;
}

/* Frames of the segment behind scrub_lsn while the budget lasts. */
static err scrub_segment(struct log *log, struct log__segment *segment, u64 *budget)
{
    struct log__loaded *loaded;
    if (log->scrub.lsn < segment->first_lsn) {
        u32 damaged = 0;
        TRY(log__segment_parts(log, segment, true, &damaged));
        log->scrub.damaged_parts += damaged != 0;
    }
    TRY(log__segment_load(log, segment, &loaded));
    const struct log__index *index = &loaded->index;
    u32 row = log__index_after(index, log->scrub.lsn);
    for (; row<index->frame_count && * budget> 0; row++) {
        const struct log__frame_info *info = &index->frames[row];
        struct log_frame *frame = NULL;
        err e = log__frame_read(log, loaded->file, &segment->id, info, &frame);
        log_frame_unref(frame);
        log->scrub.damaged += e == ERR_CORRUPT;
        log->scrub.lsn = info->lsn;
        *budget -= MIN(*budget, info->bytes);
        metric_add(&log->stats.scrubbed_bytes, info->bytes);
    }
    if (row == index->frame_count) {
        log->scrub.lsn = MAX(log->scrub.lsn, segment->last_lsn);
    }
    log__loaded_unref(loaded);
    return OK;
}

static void pass_ended(struct log *log)
{
    struct log__scrub *scrub = &log->scrub;
    __atomic_store_n(&log->stats.damaged_frames, scrub->damaged, __ATOMIC_RELAXED);
    __atomic_store_n(&log->stats.damaged_parts, scrub->damaged_parts, __ATOMIC_RELAXED);
    metric_add(&log->stats.scrub_passes, 1);
    if (scrub->damaged > 0) {
        trace(TRACE_ERROR, "log", "damaged frames were found; leat doctor says what is lost",
              T_INT("frames", scrub->damaged));
    }
    if (scrub->damaged_parts > 0) {
        trace(TRACE_ERROR, "log",
              "a header or an index is damaged; every frame is read, leat doctor says of which "
              "segment",
              T_INT("segments", scrub->damaged_parts));
    }
    scrub->is_running = false;
    scrub->lsn = scrub->damaged = scrub->damaged_parts = 0;
}

void log__scrub_once(struct log *log)
{
    struct log__scrub *scrub = &log->scrub;
    u64 now_ns = os_mono_ns(log->os);
    if (!scrub->is_running && now_ns < scrub->next_ns) {
        return;
    }
    if (!scrub->is_running) {
        scrub->is_running = true;
        scrub->next_ns = now_ns + log->scrub_period_ms * 1000000;
    }
    u64 disk_bytes;
    struct log__segment *segment = next_segment(log, scrub->lsn, &disk_bytes);
    u64 seconds = MAX(log->scrub_period_ms / 1000, 1);
    u64 budget = MIN(MAX(disk_bytes / seconds * 2, (u64)BYTES_MIN), (u64)BYTES_MAX);
    err e = OK;
    while (segment != NULL && budget > 0 && e == OK) {
        u64 last_lsn = segment->last_lsn;
        e = scrub_segment(log, segment, &budget);
        if (e == ERR_CORRUPT) { /* Its file is gone, which has been said. */
            scrub->damaged++;
            scrub->lsn = last_lsn;
            e = OK;
        }
        log__segment_unref(segment);
        segment = budget > 0 && e == OK ? next_segment(log, scrub->lsn, &disk_bytes) : NULL;
        if (segment == NULL && budget > 0 && e == OK) {
            pass_ended(log);
            return;
        }
    }
    log__segment_unref(segment);
    if (segment == NULL && budget > 0 && e == OK) {
        pass_ended(log); /* There was nothing to read. */
    }
}
