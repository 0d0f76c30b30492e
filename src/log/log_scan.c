/*
 * log/log_scan.c: reading a segment without trusting an index: after a crash, or
 * when the index is damaged. Tells a torn tail (cut off) from damage (fenced).
 */
#include "base/trace.h"
#include "log/log_int.h"

enum { CHUNK_BYTES = 1 << 20 };

struct scan {
    struct log *log;
    const struct log__segment *segment;
    struct os_file *file;
    u64 file_bytes;
    struct log__index index;
    u32 prev_crc;
    bool is_chain_broken; /* The frame before was lost. */
    u64 prev_lsn, prev_no;
    i64 prev_arrival_ms;
};

/* The frame at `offset`, or OK with *out NULL when there is no valid one. */
static err frame_at(struct scan *scan, u64 offset, struct log_frame **out)
{
    *out = NULL;
    u8 bytes[LOG__HEADER_BYTES];
    struct log__frame_head head;
    if (offset + LOG__HEADER_BYTES > scan->file_bytes) {
        return OK;
    }
    TRY(os_read_exact(scan->file, offset, bytes, LOG__HEADER_BYTES));
    if (!log__head_decode(bytes, &scan->segment->id, offset, &head) ||
        head.bytes > scan->file_bytes - offset) {
        return OK;
    }
    struct log_frame *frame = log__frame_new(scan->log, (isize)head.bytes);
    frame->head = head;
    err e = os_read_exact(scan->file, offset, frame->data, (isize)head.bytes);
    if (e == OK && log__body_is_valid(&frame->head, frame->data)) {
        *out = frame;
    } else {
        log_frame_unref(frame);
    }
    return e;
}

static bool is_in_order(const struct scan *scan, const struct log__frame_head *head)
{
    return head->lsn > scan->prev_lsn && head->first_no > scan->prev_no &&
           head->arrival_ms >= scan->prev_arrival_ms;
}

/* Was what stands at `bad` durable when this later frame was written? Frames that were not synced
 * one by one say nothing about it, but are worth keeping. */
static bool proves_damage(const struct scan *scan, const struct log_frame *frame, u64 bad)
{
    bool was_durable = frame->head.watermark > bad ||
                       (frame->head.flags & LOG__FRAME_UNSYNCED) != 0 ||
                       scan->segment->kind == LOG__REWRITTEN;
    return was_durable && is_in_order(scan, &frame->head) && !PLANTED(BUG_LATER_FRAMES_IGNORED);
}

/* Offset of the next valid frame behind `bad`; the end of the file when there is none. */
static err find_later(struct scan *scan, u64 bad, u64 *offset_out)
{
    u64 step = scan->segment->kind == LOG__NORMAL ? LOG__BLOCK_BYTES : LOG__PACKED_BYTES;
    u8 *chunk = mem_alloc(CHUNK_BYTES);
    err e = OK;
    u64 found = scan->file_bytes;
    for (u64 at = bad + step; e == OK && found == scan->file_bytes && at < scan->file_bytes;
         at += CHUNK_BYTES) {
        isize got = 0;
        e = os_read(scan->file, at, chunk, CHUNK_BYTES, &got);
        for (isize i = 0; e == OK && i + LOG__HEADER_BYTES <= got; i += (isize)step) {
            struct log__frame_head head;
            struct log_frame *frame = NULL;
            if (log__head_decode(chunk + i, &scan->segment->id, at + (u64)i, &head)) {
                e = frame_at(scan, at + (u64)i, &frame);
            }
            bool is_evidence = frame != NULL && proves_damage(scan, frame, bad);
            log_frame_unref(frame);
            if (is_evidence) {
                found = at + (u64)i;
                break;
            }
        }
    }
    mem_free(chunk);
    *offset_out = found;
    return e;
}

/* What stood in [from, to): every frame up to this one, and every number. */
static void add_fence(struct scan *scan, u64 from, u64 to, u64 lsn_last, u64 no_last)
{
    metric_add(&scan->log->stats.corrupt_frames, 1);
    trace(TRACE_ERROR, "log", "a damaged range has been fenced",
          T_INT("segment", scan->segment->id.segment), T_INT("offset", from), T_INT("end", to),
          T_INT("lsn_first", scan->prev_lsn + 1), T_INT("lsn_last", lsn_last));
    if (lsn_last == scan->prev_lsn || PLANTED(BUG_FENCE_FORGOTTEN)) {
        return; /* Only bytes between two frames. */
    }
    log__index_add_damage(&scan->index, &(struct log__frame_info){
                                            .lsn = lsn_last,
                                            .offset = from,
                                            .first_no = scan->prev_no + 1,
                                            .last_no = MAX(no_last, scan->prev_no + 1),
                                            .arrival_ms = scan->prev_arrival_ms,
                                            .bytes = (u32)MIN(to - from, UINT32_MAX),
                                        });
}

static bool is_chained(const struct scan *scan, const struct log__frame_head *head)
{
    if (PLANTED(BUG_COPY_ACCEPTED) || PLANTED(BUG_STALE_ACCEPTED)) {
        return true;
    }
    bool is_linked = scan->is_chain_broken || head->prev_crc == scan->prev_crc;
    return is_linked && is_in_order(scan, head);
}

/* Behind the last valid frame. */
static err note_tail(struct scan *scan, u64 offset)
{
    struct log__frame_head head;
    bool is_one_bit_off;
    TRY(log__tail_look(scan->file, scan->file_bytes, &scan->segment->id, offset, &head,
                       &is_one_bit_off));
    if (!is_one_bit_off || !is_chained(scan, &head) || PLANTED(BUG_TAIL_BIT_IGNORED)) {
        return OK;
    }
    metric_add(&scan->log->stats.doubtful_frames, 1);
    trace(TRACE_ERROR, "log",
          "the last frame would be whole but for one bit: a power failure tore it before it was "
          "acknowledged, or the disk has lost it since; it is cut off",
          T_INT("segment", scan->segment->id.segment), T_INT("offset", offset),
          T_INT("lsn", head.lsn), T_INT("first_record", head.first_no),
          T_INT("last_record", head.last_no));
    return OK;
}

static void accept(struct scan *scan, const struct log_frame *frame)
{
    log__index_add_frame(&scan->index, &frame->head, frame->data);
    scan->prev_crc = frame->head.head_crc;
    scan->is_chain_broken = false;
    scan->prev_lsn = frame->head.lsn;
    scan->prev_no = frame->head.last_no;
    scan->prev_arrival_ms = frame->head.arrival_ms;
}

/* A sealed segment that ends too early: the frames that are missing are known by what its trailer
 * says, else by where the segment behind it begins. That one need not be the next that there was:
 * where index and trailer fit, nothing is missing. */
static void fence_end(struct scan *scan, u64 end)
{
    const struct log__segment *segment = scan->segment;
    u64 lsn = segment->is_rebuilt ? segment->known_lsn : segment->last_lsn;
    u64 no = segment->is_rebuilt ? segment->known_no : segment->last_no;
    bool is_whole = segment->is_rebuilt && scan->index.damaged_count == 0 &&
                    end + log__seal_bytes(segment->kind, &scan->index) == scan->file_bytes;
    if (lsn > scan->prev_lsn && !is_whole) {
        add_fence(scan, end, MAX(scan->file_bytes, end + LOG__HEADER_BYTES), lsn, no);
    }
}

static err scan_all(struct scan *scan, u64 *end_out)
{
    u64 offset = scan->segment->frames_offset;
    for (;;) {
        struct log_frame *frame;
        TRY(frame_at(scan, offset, &frame));
        if (frame != NULL && is_chained(scan, &frame->head)) {
            accept(scan, frame);
            offset += frame->head.bytes;
            log_frame_unref(frame);
            continue;
        }
        log_frame_unref(frame);
        u64 later;
        TRY(find_later(scan, offset, &later));
        if (later == scan->file_bytes) {
            *end_out = offset;
            fence_end(scan, offset);
            return note_tail(scan, offset);
        }
        TRY(frame_at(scan, later, &frame));
        CHECK(frame != NULL);
        add_fence(scan, offset, later, frame->head.lsn - 1, frame->head.first_no - 1);
        log_frame_unref(frame);
        scan->is_chain_broken = true;
        offset = later;
    }
}

err log__scan(struct log *log, const struct log__segment *segment, struct os_file *file,
              struct log__index *out, u64 *end_out)
{
    struct os_stat stat;
    TRY(os_stat_file(file, &stat));
    struct scan scan = {
        .log = log,
        .segment = segment,
        .file = file,
        .file_bytes = stat.bytes,
        .prev_crc = segment->header_crc,
        .is_chain_broken = segment->kind == LOG__REWRITTEN && segment->is_rebuilt,
        .prev_lsn = segment->first_lsn - 1,
        .prev_no = segment->first_no - 1,
        .prev_arrival_ms = segment->first_arrival_ms,
    };
    log__index_init(&scan.index);
    scan.index.last_crc = segment->header_crc;
    err e = scan_all(&scan, end_out);
    if (e != OK) {
        log__index_deinit(&scan.index);
        return e;
    }
    *out = scan.index;
    return OK;
}
