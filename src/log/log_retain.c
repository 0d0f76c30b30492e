/*
 * log/log_retain.c: giving space back.
 *
 * Each pass asks, for every run of every sealed segment, whether it is still needed.
 * Segments of which little is needed are rewritten together with small neighbours:
 * live runs are copied with LSN, record numbers and arrival unchanged, packed
 * without the padding to blocks. A record in the log swaps new for old; only then
 * do the old files go.
 */
#include "base/hash.h"
#include "base/trace.h"
#include "log/log_int.h"

enum {
    FILE_OVERHEAD = 3 * LOG__BLOCK_BYTES, /* Two headers and a trailer. */
    FRAME_OVERHEAD = LOG__HEADER_BYTES + 48 + LOG__PACKED_BYTES / 2,
    RUN_OVERHEAD = LOG__RUN_BYTES + 24,
    LIVE_SHARE = 4,      /* Rewritten when less than 1/4 is live. */
    SMALL_SHARE = 4,     /* Small: less than 1/4 of a segment. */
    SMALL_FILES_MAX = 8, /* As many small neighbours are merged. */
    SLACK_SEGMENTS = 3,
    WRITE_BYTES = 1 << 20,
    SWAP_FIXED = 16,
};

/* --- swap records --------------------------------------------------------------------------- */

void log__swap_encode(struct buf *out, const u64 *olds, u32 count, u64 replacement)
{
    u8 *p = buf_reserve(out, SWAP_FIXED + (isize)count * 8);
    put_u32(p, LOG__META_SWAP);
    put_u32(p + 4, count);
    put_u64(p + 8, replacement);
    for (u32 i = 0; i < count; i++) {
        put_u64(p + SWAP_FIXED + (isize)i * 8, olds[i]);
    }
    out->len += SWAP_FIXED + (isize)count * 8;
}

err log__swap_decode(str record, u64 *replacement_out, str *olds_out)
{
    if (record.len < SWAP_FIXED || get_u32(record.data) != LOG__META_SWAP ||
        (u64)record.len != SWAP_FIXED + (u64)get_u32(record.data + 4) * 8) {
        return ERR_CORRUPT;
    }
    *replacement_out = get_u64(record.data + 8);
    *olds_out = str_slice(record, SWAP_FIXED, record.len);
    return OK;
}

void log__apply_swaps(struct log *log, const struct log_frame *frame)
{
    struct log_run run;
    struct log_record record;
    if (!log_frame_find(frame, (struct log_channel){0, LOG_CONTROL_META}, &run)) {
        return;
    }
    while (log_run_next(&run, &record)) {
        u64 replacement;
        str olds;
        err e = log__swap_decode(record.body, &replacement, &olds);
        CHECK(e == OK); /* The log wrote it. */
        for (isize i = 0; i < olds.len; i += 8) {
            log__table_remove(log, get_u64(olds.data + i));
        }
        if (replacement != 0) {
            CHECK(log->incoming != NULL && log->incoming->id.segment == replacement);
            log__table_insert(log, log->incoming);
            log->incoming = NULL;
        }
    }
}

/* --- what is live --------------------------------------------------------------------------- */

static bool run_is_live(struct log *log, struct log_channel channel, const struct log__index *index,
                        const struct log__run_info *run)
{
    if (channel.stream == 0 && channel.shard == LOG_CONTROL_META) {
        return false; /* Restated by the header of the newest segment. */
    }
    return log->is_live == NULL ||
           log->is_live(log->live_ctx, channel, run->first_no + run->count - 1,
                        index->frames[run->frame].arrival_ms);
}

/* Marks the rows of the frame table that have something live; returns what a rewrite would take. */
static u64 weigh(struct log *log, const struct log__index *index, u8 *has_live)
{
    u64 bytes = 0;
    os_mutex_lock(&log->live_lock);
    for (u32 c = 0; c < index->channel_count; c++) {
        const struct log__channel_runs *channel = &index->channels[c];
        for (u32 i = 0; i < channel->count; i++) {
            const struct log__run_info *run = &channel->runs[i];
            if (run_is_live(log, channel->channel, index, run)) {
                bytes +=
                    run->bytes + RUN_OVERHEAD + (has_live[run->frame] == 0 ? FRAME_OVERHEAD : 0);
                has_live[run->frame] = 1;
            }
        }
    }
    os_mutex_unlock(&log->live_lock);
    return bytes;
}

/* --- rewriting ------------------------------------------------------------------------------ */

struct rewrite {
    struct log *log;
    struct log__segment *segment; /* The new one. */
    struct os_file *file;
    struct log__index index;
    struct buf pending; /* Not yet written. */
    u64 offset;         /* Of the next frame. */
};

static err flush(struct rewrite *w)
{
    err e = os_write_at(w->file, w->offset - (u64)w->pending.len, w->pending.data, w->pending.len);
    buf_reset(&w->pending);
    return e;
}

/* Puts the live runs of `frame` behind `out`, whose header is filled except for place and checks.
 */
static void reduce(struct log *log, const struct log_frame *frame, struct log_frame *out)
{
    isize runs = log_frame_run_count(frame);
    struct log__index arrival = {
        .frames = &(struct log__frame_info){.arrival_ms = frame->head.arrival_ms}};
    u32 kept = 0;
    u8 *row = out->data + LOG__HEADER_BYTES;
    os_mutex_lock(&log->live_lock);
    for (isize i = 0; i < runs; i++) {
        struct log_run run = log_frame_run(frame, i);
        struct log__run_info info = {run.first_no, run.count, 0, (u32)run.bytes.len};
        bool is_dropped = PLANTED(BUG_LIVE_DROPPED) && kept > 0;
        if (run_is_live(log, run.channel, &arrival, &info) && !is_dropped) {
            put_u32(row, run.channel.stream);
            put_u32(row + 4, run.channel.shard);
            put_u32(row + 8, PLANTED(BUG_REWRITE_RENUMBERED)
                                 ? kept
                                 : (u32)(run.first_no - frame->head.first_no));
            put_u32(row + 12, run.count);
            put_u32(row + 16, (u32)i); /* Row in the source, until the bytes are placed. */
            row += LOG__RUN_BYTES;
            kept++;
        }
    }
    os_mutex_unlock(&log->live_lock);
    out->head = frame->head;
    out->head.run_count = kept;
    out->head.record_count = 0;
    out->head.data_bytes = 0;
    out->head.flags |= kept < (u32)runs ? LOG__FRAME_REDUCED : 0;
    u8 *data = row;
    row = out->data + LOG__HEADER_BYTES;
    for (u32 i = 0; i < kept; i++, row += LOG__RUN_BYTES) {
        struct log_run run = log_frame_run(frame, (isize)get_u32(row + 16));
        put_u32(row + 16, out->head.data_bytes);
        put_u32(row + 20, (u32)run.bytes.len);
        memcpy(data + out->head.data_bytes, run.bytes.data, (size_t)run.bytes.len);
        out->head.data_bytes += (u32)run.bytes.len;
        out->head.record_count += run.count;
    }
}

static err add_reduced(struct rewrite *w, struct log_frame *out)
{
    struct log__frame_head *head = &out->head;
    u32 used = LOG__HEADER_BYTES + head->run_count * LOG__RUN_BYTES + head->data_bytes;
    head->bytes = (used + LOG__PACKED_BYTES - 1) / LOG__PACKED_BYTES * LOG__PACKED_BYTES;
    memset(out->data + used, 0, head->bytes - used);
    head->segment = w->segment->id.segment;
    head->epoch = w->segment->id.epoch;
    head->offset = w->offset;
    head->watermark = 0;
    head->prev_crc = w->index.last_crc;
    head->body_crc =
        crc32c(0, out->data + LOG__HEADER_BYTES, (isize)head->bytes - LOG__HEADER_BYTES);
    log__head_encode(head, out->data);
    head->head_crc = get_u32(out->data + LOG__HEADER_BYTES - 4);
    log__index_add_frame(&w->index, head, out->data);
    buf_append_bytes(&w->pending, out->data, (isize)head->bytes);
    w->offset += head->bytes;
    return w->pending.len >= WRITE_BYTES ? flush(w) : OK;
}

static err copy_frame(struct rewrite *w, struct log__loaded *from,
                      const struct log__segment *source, u32 row)
{
    struct log_frame *frame;
    TRY(log__frame_read(w->log, from->file, &source->id, &from->index.frames[row], &frame));
    struct log_frame *out = log__frame_new(w->log, (isize)frame->head.bytes);
    reduce(w->log, frame, out);
    err e = out->head.run_count > 0 ? add_reduced(w, out) : OK;
    log_frame_unref(out);
    log_frame_unref(frame);
    return e;
}

static err copy_segment(struct rewrite *w, struct log__segment *source)
{
    struct log__loaded *loaded;
    TRY(log__segment_load(w->log, source, &loaded));
    u8 *has_live = mem_zalloc((isize)loaded->index.frame_count + 1);
    (void)weigh(w->log, &loaded->index, has_live);
    err e = OK;
    for (u32 row = 0; e == OK && row < loaded->index.frame_count; row++) {
        if (has_live[row] != 0) {
            e = copy_frame(w, loaded, source, row);
            e = e == ERR_CORRUPT && w->log->is_salvaged ? OK : e;
        }
    }
    mem_free(has_live);
    if (e == ERR_CORRUPT) {
        source->damaged_count = MAX(source->damaged_count, 1); /* Left alone from now on. */
    }
    log__loaded_unref(loaded);
    return e;
}

static void span_of(struct log__segment *segment, const struct log__index *index)
{
    const struct log__frame_info *first = &index->frames[0];
    const struct log__frame_info *last = &index->frames[index->frame_count - 1];
    segment->first_lsn = first->lsn;
    segment->last_lsn = last->lsn;
    segment->first_no = first->first_no;
    segment->last_no = last->last_no;
    segment->first_arrival_ms = first->arrival_ms;
    segment->last_arrival_ms = last->arrival_ms;
}

static err rewrite_begin(struct rewrite *w, struct log__segment **olds, u32 count)
{
    struct log *log = w->log;
    struct log__segment *segment = NEW(struct log__segment);
    w->segment = segment;
    segment->refs = 1;
    segment->kind = LOG__REWRITTEN;
    memcpy(segment->id.uuid, log->uuid, LOG__UUID_BYTES);
    segment->id.segment = __atomic_fetch_add(&log->next_segment, 1, __ATOMIC_RELAXED);
    os_random(log->os, &segment->id.epoch, sizeof segment->id.epoch);
    struct log__header header = {
        .kind = LOG__REWRITTEN,
        .id = segment->id,
        .next_lsn = olds[0]->first_lsn,
        .next_no = olds[0]->first_no,
        .arrival_ms = olds[0]->first_arrival_ms,
        .next_segment = segment->id.segment + 1,
        .members = mem_alloc((isize)count * 8),
        .member_count = count,
    };
    for (u32 i = 0; i < count; i++) {
        header.members[i] = olds[i]->id.segment;
    }
    err e = log__segment_file_new(log, segment, &header, &w->file);
    log__header_deinit(&header);
    log__index_init(&w->index);
    w->index.last_crc = segment->header_crc;
    w->offset = segment->frames_offset;
    return e;
}

/* Everything of the new file up to its durable name. ERR_END: nothing was live any more. */
static err rewrite_files(struct rewrite *w, struct log__segment **olds, u32 count)
{
    TRY(rewrite_begin(w, olds, count));
    for (u32 i = 0; i < count; i++) {
        TRY(copy_segment(w, olds[i]));
    }
    if (w->index.frame_count == 0) {
        return ERR_END;
    }
    TRY(flush(w));
    span_of(w->segment, &w->index);
    TRY(log__seal_file(w->log, w->file, w->segment, &w->index, w->offset));
    return log__segment_file_commit(w->log, w->segment);
}

static err commit_swap(struct log *log, struct log__segment **olds, u32 count,
                       struct log__segment *replacement)
{
    struct buf record = {0};
    u64 *numbers = mem_alloc((isize)count * 8);
    for (u32 i = 0; i < count; i++) {
        numbers[i] = olds[i]->id.segment;
    }
    log__swap_encode(&record, numbers, count, replacement == NULL ? 0 : replacement->id.segment);
    if (PLANTED(BUG_SWAP_UNRECORDED)) {
        put_u32(record.data + 4, 0);
        record.len = SWAP_FIXED;
    }
    if (PLANTED(BUG_SWAP_SHORT) && count > 1) {
        put_u32(record.data + 4, 1);
        record.len = SWAP_FIXED + 8;
    }
    mem_free(numbers);
    os_rwlock_write(&log->state_lock);
    log->incoming = replacement;
    os_rwlock_unlock(&log->state_lock);
    struct log_batch *batch = log_batch_new();
    err e = log_batch_add(batch, (struct log_channel){0, LOG_CONTROL_META}, buf_str(&record));
    OS_FAILPOINT("log.before_swap");
    if (e == OK) {
        e = log_commit(log, batch);
    }
    OS_FAILPOINT("log.after_swap");
    log_batch_free(batch);
    buf_deinit(&record);
    os_rwlock_write(&log->state_lock);
    log->incoming = NULL;
    os_rwlock_unlock(&log->state_lock);
    return e;
}

static err swap(struct log *log, struct log__segment **olds, u32 count,
                struct log__segment *replacement)
{
    if (PLANTED(BUG_UNLINK_BEFORE_SWAP)) {
        for (u32 i = 0; i < count; i++) {
            log__unlink(log, olds[i]->id.segment, "seg");
        }
        TRY(os_sync_dir(log->os, log->dir));
    }
    TRY(commit_swap(log, olds, count, replacement));
    OS_FAILPOINT("log.before_unlink");
    for (u32 i = 0; i < count && !log->is_salvaged && !PLANTED(BUG_NO_UNLINK); i++) {
        log__unlink(log, olds[i]->id.segment, "seg");
    }
    OS_FAILPOINT("log.after_unlink");
    log__must_sync(log, os_sync_dir(log->os, log->dir));
    return OK;
}

static err rewrite(struct log *log, struct log__segment **olds, u32 count)
{
    struct rewrite w = {.log = log};
    err e = rewrite_files(&w, olds, count);
    if (w.file != NULL) {
        IGNORE(os_close(w.file)); /* Has been synced, or is thrown away. */
    }
    log__index_deinit(&w.index);
    buf_deinit(&w.pending);
    if (e == OK) {
        w.segment->live_bytes = w.segment->bytes;
        u64 number = w.segment->id.segment;
        e = swap(log, olds, count, log__segment_ref(w.segment));
        if (e != OK) { /* Closed, or full: the table did not take it. */
            log__segment_unref(w.segment);
            log__unlink(log, number, "seg");
        }
    } else if (w.segment != NULL) {
        log__unlink(log, w.segment->id.segment, "new");
        e = e == ERR_END ? swap(log, olds, count, NULL) : e;
    }
    log__segment_unref(w.segment);
    return e;
}

/* --- choosing ------------------------------------------------------------------------------- */

struct candidate {
    struct log__segment *segment; /* A reference. */
    u64 bytes, live;              /* Without what every file has. */
    bool is_chosen;
};

struct pass {
    struct log *log;
    struct candidate *list;
    u32 count;
    u64 disk, live; /* Of all segments. */
};

static void collect(struct pass *pass)
{
    struct log *log = pass->log;
    os_rwlock_read(&log->state_lock);
    pass->list = mem_zalloc(((isize)log->segment_count + 1) * (isize)sizeof *pass->list);
    u64 newest = 0;
    for (u32 i = 0; i < log->segment_count; i++) {
        const struct log__segment *segment = log->segments[i];
        newest = segment->kind == LOG__NORMAL ? MAX(newest, segment->id.segment) : newest;
    }
    for (u32 i = 0; i < log->segment_count; i++) {
        struct log__segment *segment = log->segments[i];
        if (segment->id.segment != newest) { /* That one says what the log consists of. */
            pass->list[pass->count++].segment = log__segment_ref(segment);
        } else {
            pass->disk += segment->bytes;
            pass->live += segment->bytes;
        }
    }
    os_rwlock_unlock(&log->state_lock);
}

static err weigh_all(struct pass *pass)
{
    for (u32 i = 0; i < pass->count; i++) {
        struct candidate *c = &pass->list[i];
        struct log__loaded *loaded;
        TRY(log__segment_load(pass->log, c->segment, &loaded));
        u8 *has_live = mem_zalloc((isize)loaded->index.frame_count + 1);
        c->live = weigh(pass->log, &loaded->index, has_live);
        mem_free(has_live);
        log__loaded_unref(loaded);
        c->bytes = c->segment->bytes > FILE_OVERHEAD ? c->segment->bytes - FILE_OVERHEAD : 0;
        c->is_chosen = c->live * LIVE_SHARE < c->bytes || c->live == 0;
        __atomic_store_n(&c->segment->live_bytes, c->live + FILE_OVERHEAD, __ATOMIC_RELAXED);
        pass->disk += c->segment->bytes;
        pass->live += c->live;
    }
    return OK;
}

/* Segments that are each a quarter live or more can still add up to too much. */
static void choose_for_bound(struct pass *pass)
{
    u64 disk = pass->disk;
    for (u32 i = 0; i < pass->count; i++) {
        const struct candidate *c = &pass->list[i];
        disk -= c->is_chosen ? c->bytes - MIN(c->live, c->bytes) : 0;
    }
    u64 bound = 2 * pass->live + SLACK_SEGMENTS * pass->log->segment_bytes;
    while (disk > bound) {
        struct candidate *best = NULL;
        for (u32 i = 0; i < pass->count; i++) {
            struct candidate *c = &pass->list[i];
            bool is_fit = !c->is_chosen && c->live < c->bytes && c->segment->damaged_count == 0;
            if (is_fit && (best == NULL || c->live * best->bytes < best->live * c->bytes)) {
                best = c;
            }
        }
        if (best == NULL) {
            return;
        }
        best->is_chosen = true;
        disk -= best->bytes - best->live;
    }
}

static bool is_small(const struct pass *pass, const struct candidate *c)
{
    return c->bytes < pass->log->segment_bytes / SMALL_SHARE && c->segment->damaged_count == 0;
}

/* Takes the next group of neighbours that starts at *at: [first, *at). */
static bool next_group(const struct pass *pass, u32 *at, u32 *first_out)
{
    while (*at < pass->count) {
        u32 first = *at;
        u64 live = 0;
        u32 smalls = 0;
        bool has_chosen = false;
        for (; *at < pass->count; (*at)++) {
            const struct candidate *c = &pass->list[*at];
            bool is_intact = c->segment->damaged_count == 0;
            bool fits = *at == first || live + c->live <= pass->log->segment_bytes;
            if (!fits || !is_intact || !(c->is_chosen || is_small(pass, c))) {
                break;
            }
            has_chosen = has_chosen || c->is_chosen;
            smalls += is_small(pass, c) ? 1 : 0;
            live += c->live;
        }
        *first_out = first;
        if (has_chosen || smalls >= SMALL_FILES_MAX) {
            return true;
        }
        if (*at == first) {
            (*at)++;
            const struct candidate *c = &pass->list[first];
            if (c->live == 0 && c->is_chosen) {
                return true; /* Damaged, and nothing in it is needed any more. */
            }
        }
    }
    return false;
}

static err run_group(struct pass *pass, u32 first, u32 end)
{
    u32 count = end - first;
    struct log__segment **olds = mem_alloc((isize)count * (isize)sizeof(struct log__segment *));
    u64 live = 0;
    for (u32 i = 0; i < count; i++) {
        olds[i] = pass->list[first + i].segment;
        live += pass->list[first + i].live;
    }
    err e = live == 0 ? swap(pass->log, olds, count, NULL) : rewrite(pass->log, olds, count);
    mem_free(olds);
    return e == ERR_CORRUPT ? OK : e; /* It has been counted, and the segment is kept as it is. */
}

err log__retain(struct log *log)
{
    struct pass pass = {.log = log};
    collect(&pass);
    err e = weigh_all(&pass);
    if (e == OK) {
        choose_for_bound(&pass);
    }
    u32 at = 0;
    u32 first;
    while (e == OK && next_group(&pass, &at, &first)) {
        e = run_group(&pass, first, at);
    }
    for (u32 i = 0; i < pass.count; i++) {
        log__segment_unref(pass.list[i].segment);
    }
    mem_free(pass.list);
    return e;
}

err log__rewrite_readable(struct log *log, struct log__segment *segment)
{
    struct log__segment *held = log__segment_ref(segment);
    err e = rewrite(log, &held, 1);
    log__segment_unref(held);
    return e;
}

err log__note_salvage(struct log *log)
{
    log->next_no += LOG__SALVAGE_JUMP;
    log->next_lsn += LOG__SALVAGE_JUMP;
    struct buf record = {0};
    log__swap_encode(&record, NULL, 0, 0);
    struct log_batch *batch = log_batch_new();
    err e = log_batch_add(batch, (struct log_channel){0, LOG_CONTROL_META}, buf_str(&record));
    e = e == OK ? log_commit(log, batch) : e;
    log_batch_free(batch);
    buf_deinit(&record);
    return e;
}

err log_retain_now(struct log *log)
{
    os_mutex_lock(&log->retain_lock);
    err e = log__retain(log);
    os_mutex_unlock(&log->retain_lock);
    return e;
}

void log_set_live(struct log *log, log_is_live_fn fn, void *ctx)
{
    os_mutex_lock(&log->live_lock);
    log->is_live = fn;
    log->live_ctx = ctx;
    os_mutex_unlock(&log->live_lock);
}
