/* log/log_frame.c: the frame: its bytes, its checks, its life in memory. */
#include "base/hash.h"
#include "log/log_int.h"

#define FRAME_MAGIC 0x4D52464CU /* "LFRM" */

enum { HEAD_CRC_AT = 124 };

void log__head_encode(const struct log__frame_head *head, u8 *out)
{
    memset(out, 0, LOG__HEADER_BYTES);
    put_u32(out, FRAME_MAGIC);
    put_u16(out + 4, LOG__VERSION);
    put_u16(out + 6, (u16)head->flags);
    memcpy(out + 8, head->uuid, LOG__UUID_BYTES);
    put_u64(out + 24, head->segment);
    put_u64(out + 32, head->epoch);
    put_u64(out + 40, head->offset);
    put_u64(out + 48, head->lsn);
    put_u64(out + 56, head->first_no);
    put_u64(out + 64, head->last_no);
    put_u64(out + 72, (u64)head->arrival_ms);
    put_u64(out + 80, head->watermark);
    put_u32(out + 88, head->bytes);
    put_u32(out + 92, head->run_count);
    put_u32(out + 96, head->record_count);
    put_u32(out + 100, head->data_bytes);
    put_u32(out + 104, head->body_crc);
    put_u32(out + 108, head->prev_crc);
    put_u32(out + HEAD_CRC_AT, crc32c(0, out, HEAD_CRC_AT));
}

static bool lengths_are_sane(const struct log__frame_head *head)
{
    u64 used = LOG__HEADER_BYTES + (u64)head->run_count * LOG__RUN_BYTES + head->data_bytes;
    return head->bytes <= LOG_FRAME_BYTES_MAX && head->bytes % LOG__PACKED_BYTES == 0 &&
           used <= head->bytes && head->run_count > 0 && head->lsn > 0 && head->first_no > 0 &&
           head->lsn < LOG__COUNT_MAX && head->last_no < LOG__COUNT_MAX &&
           head->last_no >= head->first_no && head->last_no - head->first_no < LOG__NUMBER_JUMP;
}

bool log__head_decode(const u8 *in, const struct log__identity *id, u64 offset,
                      struct log__frame_head *out)
{
    if (get_u32(in) != FRAME_MAGIC || get_u16(in + 4) != LOG__VERSION) {
        return false;
    }
    u32 crc = get_u32(in + HEAD_CRC_AT);
    if (crc != crc32c(0, in, HEAD_CRC_AT) && !PLANTED(BUG_HEAD_CRC_SKIPPED)) {
        return false;
    }
    struct log__frame_head head = {
        .segment = get_u64(in + 24),
        .epoch = get_u64(in + 32),
        .offset = get_u64(in + 40),
        .lsn = get_u64(in + 48),
        .first_no = get_u64(in + 56),
        .last_no = get_u64(in + 64),
        .arrival_ms = (i64)get_u64(in + 72),
        .watermark = get_u64(in + 80),
        .flags = get_u16(in + 6),
        .bytes = get_u32(in + 88),
        .run_count = get_u32(in + 92),
        .record_count = get_u32(in + 96),
        .data_bytes = get_u32(in + 100),
        .body_crc = get_u32(in + 104),
        .prev_crc = get_u32(in + 108),
        .head_crc = crc,
    };
    memcpy(head.uuid, in + 8, LOG__UUID_BYTES);
    bool is_in_place = head.offset == offset || PLANTED(BUG_COPY_ACCEPTED);
    bool is_of_segment =
        (head.segment == id->segment && head.epoch == id->epoch) || PLANTED(BUG_STALE_ACCEPTED);
    bool is_ours =
        memcmp(head.uuid, id->uuid, LOG__UUID_BYTES) == 0 && is_of_segment && is_in_place;
    if (!is_ours || !lengths_are_sane(&head)) {
        return false;
    }
    *out = head;
    return true;
}

struct run_row {
    u64 key;
    u32 number, count, offset, bytes;
};

static struct run_row row_of(const u8 *frame, u32 index)
{
    const u8 *p = frame + LOG__HEADER_BYTES + (isize)index * LOG__RUN_BYTES;
    return (struct run_row){(u64)get_u32(p) << 32 | get_u32(p + 4), get_u32(p + 8), get_u32(p + 12),
                            get_u32(p + 16), get_u32(p + 20)};
}

static bool records_fit(const u8 *data, u32 bytes, u32 count)
{
    u64 at = 0;
    for (u32 i = 0; i < count; i++) {
        if (bytes - at < LOG__RECORD_HEADER_BYTES) {
            return false;
        }
        u64 next = at + LOG__RECORD_HEADER_BYTES + get_u32(data + at);
        if (next > bytes) {
            return false;
        }
        at = next;
    }
    return at == bytes;
}

bool log__body_is_valid(const struct log__frame_head *head, const u8 *frame)
{
    const u8 *body = frame + LOG__HEADER_BYTES;
    if (crc32c(0, body, (isize)head->bytes - LOG__HEADER_BYTES) != head->body_crc &&
        !PLANTED(BUG_BODY_CRC_SKIPPED)) {
        return false;
    }
    const u8 *data = body + (isize)head->run_count * LOG__RUN_BYTES;
    u64 offset = 0;
    u64 records = 0;
    u64 numbers = 0;
    u64 before = 0;
    u64 span = head->last_no - head->first_no + 1;
    for (u32 i = 0; i < head->run_count; i++) {
        struct run_row row = row_of(frame, i);
        bool is_sane = (i == 0 || row.key > before) && row.offset == offset && row.count > 0 &&
                       row.bytes <= head->data_bytes - offset && row.number >= numbers &&
                       (u64)row.number + row.count <= span;
        if (!is_sane || !records_fit(data + offset, row.bytes, row.count)) {
            return false;
        }
        before = row.key;
        offset += row.bytes;
        records += row.count;
        numbers = (u64)row.number + row.count;
    }
    return offset == head->data_bytes && records == head->record_count;
}

/* --- life ----------------------------------------------------------------------------------- */

enum { CACHED = 1, PIN = 2 /* In pins. */ };

void log_frame_ref(struct log_frame *frame)
{
    CHECK(__atomic_fetch_add(&frame->refs, 1, __ATOMIC_RELAXED) > 0);
}

void log_frame_unref(struct log_frame *frame)
{
    if (frame == NULL || __atomic_sub_fetch(&frame->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    log__pool_give(frame);
}

static bool is_charged(u32 pins)
{
    return pins >= PIN && (pins & CACHED) == 0;
}

/* Each change sees what it begins with and leaves behind: together they charge and give once. */
static void pins_change(struct log_frame *frame, u32 by)
{
    u32 before = __atomic_fetch_add(&frame->pins, by, __ATOMIC_RELAXED);
    struct budget *budget = frame->log->pinned;
    if (budget == NULL || is_charged(before) == is_charged(before + by)) {
        return;
    }
    if (is_charged(before)) {
        budget_give(budget, frame->used_max);
    } else {
        budget_charge(budget, frame->used_max);
    }
}

void log_frame_pin(struct log_frame *frame)
{
    pins_change(frame, PIN);
}

void log_frame_unpin(struct log_frame *frame)
{
    pins_change(frame, -(u32)PIN);
}

void log__frame_cached(struct log_frame *frame, bool is_cached)
{
    pins_change(frame, is_cached ? CACHED : -(u32)CACHED);
}

isize log_frame_held_bytes(const struct log_frame *frame)
{
    return __atomic_load_n(&frame->refs, __ATOMIC_RELAXED) > 1 ? 0 : frame->used_max;
}

u64 log_frame_lsn(const struct log_frame *frame)
{
    return frame->head.lsn;
}

i64 log_frame_arrival_ms(const struct log_frame *frame)
{
    return frame->head.arrival_ms;
}

u64 log_frame_first_no(const struct log_frame *frame)
{
    return frame->head.first_no;
}

u64 log_frame_end_no(const struct log_frame *frame)
{
    return frame->head.last_no + 1;
}

isize log_frame_run_count(const struct log_frame *frame)
{
    return (isize)frame->head.run_count;
}

struct log_run log_frame_run(const struct log_frame *frame, isize index)
{
    CHECK(index >= 0 && index < (isize)frame->head.run_count);
    struct run_row row = row_of(frame->data, (u32)index);
    const u8 *data =
        frame->data + LOG__HEADER_BYTES + (isize)frame->head.run_count * LOG__RUN_BYTES;
    return (struct log_run){
        .channel = {(u32)(row.key >> 32), (u32)row.key},
        .first_no = frame->head.first_no + row.number,
        .count = row.count,
        .bytes = str_from(data + row.offset, (isize)row.bytes),
    };
}

bool log_frame_find(const struct log_frame *frame, struct log_channel channel, struct log_run *out)
{
    u64 key = (u64)channel.stream << 32 | channel.shard;
    u32 low = 0;
    u32 high = frame->head.run_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (row_of(frame->data, middle).key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == frame->head.run_count || row_of(frame->data, low).key != key) {
        return false;
    }
    *out = log_frame_run(frame, (isize)low);
    return true;
}

void log_run_skip(struct log_run *run, u64 record_no)
{
    struct log_record skipped;
    while (run->count > 0 && run->first_no < record_no && log_run_next(run, &skipped)) {
    }
}
