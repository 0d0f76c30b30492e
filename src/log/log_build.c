/*
 * log/log_build.c: one frame of many batches. Its records are numbered by channel, then copied in
 * the order of the frame: where they come from has just been written and is in a cache, where they
 * go to is not, and is written from front to back.
 */
#include "base/hash.h"
#include "log/log_int.h"

enum {
    RUNS_AHEAD = 8,
    PIECES_AHEAD = 2,
    LINE_BYTES = 64,
    ASKED_BYTES = 1024,
    CHECKED_BYTES = 24 << 10, /* While they are in the cache; crc32c likes multiples of 12 KiB. */
};

static void reserve_items(struct log *log, isize count)
{
    if (count > log->item_capacity) {
        log->item_capacity = MAX(count, log->item_capacity * 2);
        isize bytes = log->item_capacity * (isize)sizeof *log->items;
        log->items = mem_resize(log->items, bytes);
        log->items_spare = mem_resize(log->items_spare, bytes);
    }
}

static isize collect_items(struct log *log, struct log_batch *batches)
{
    isize count = 0;
    for (struct log_batch *batch = batches; batch != NULL; batch = batch->next) {
        reserve_items(log, count + (isize)batch->run_count);
        for (u32 i = 0; i < batch->run_count; i++) {
            struct log__batch_run *run = &batch->runs[i];
            u64 key = (u64)run->channel.stream << 32 | run->channel.shard;
            log->items[count++] = (struct log__sort_item){key, run};
        }
    }
    return count;
}

/* Writes the directory and tells each batch's run the number of its first record. `items` are
 * sorted. */
static void lay_out(const struct log__sort_item *items, isize count, struct log_frame *frame)
{
    u8 *row = frame->data + LOG__HEADER_BYTES;
    u32 offset = 0;
    u32 number = 0;
    for (isize i = 0; i < count; row += LOG__RUN_BYTES) {
        u64 key = items[i].key;
        u32 run_offset = offset;
        u32 run_number = number;
        for (; i < count && items[i].key == key; i++) {
            struct log__batch_run *run = items[i].run;
            __builtin_prefetch(items[MIN(i + RUNS_AHEAD, count - 1)].run, 1);
            run->next = number;
            offset += run->bytes;
            number += run->count;
        }
        put_u32(row, (u32)(key >> 32));
        put_u32(row + 4, (u32)key);
        put_u32(row + 8, run_number);
        put_u32(row + 12, number - run_number);
        put_u32(row + 16, run_offset);
        put_u32(row + 20, offset - run_offset);
    }
    frame->head.record_count = number;
    frame->head.data_bytes = offset;
}

/* Gives each record its number, and the piece of that number its bytes. */
static void number_records(struct log_batch *batch, struct log__piece *pieces)
{
    for (isize i = 0; i < batch->count; i++) {
        struct log__entry *entry = &batch->entries[i];
        u32 number = batch->runs[entry->run].next++;
        pieces[number] = (struct log__piece){entry->data, entry->bytes};
        entry->run = number;
    }
}

static const struct log__piece *pieces_of(struct log *log, struct log_batch *batches, u32 count)
{
    if (count > log->piece_capacity) {
        log->piece_capacity = MAX(count, log->piece_capacity * 2);
        log->pieces =
            mem_resize(log->pieces, (isize)log->piece_capacity * (isize)sizeof *log->pieces);
    }
    for (struct log_batch *batch = batches; batch != NULL; batch = batch->next) {
        number_records(batch, log->pieces);
    }
    return log->pieces;
}

/* Records of many channels lie far from one another, and the hardware does not know where; in a
 * large one it goes on by itself. */
static void prefetch_piece(const struct log__piece *piece)
{
    for (u32 at = 0; at < MIN(piece->bytes, ASKED_BYTES); at += LINE_BYTES) {
        __builtin_prefetch(piece->data + at);
    }
}

/* Copies to `out`, neighbours in one go, and goes on with the checksum of what lies from *checked
 * on. */
static u32 copy_pieces(const struct log__piece *pieces, u32 count, u8 *out, u8 **checked)
{
    u32 crc = 0;
    for (u32 i = 0; i < count;) {
        const u8 *data = pieces[i].data, *end = data;
        while (i < count && pieces[i].data == end) {
            end += pieces[i++].bytes;
        }
        if (i + PIECES_AHEAD < count) {
            prefetch_piece(&pieces[i + PIECES_AHEAD]);
        }
        memcpy(out, data, (size_t)(end - data));
        out += end - data;
        isize due = (out - *checked) / CHECKED_BYTES * CHECKED_BYTES;
        crc = due > 0 ? crc32c(crc, *checked, due) : crc;
        *checked += due;
    }
    return crc;
}

/* The directory is there; the records, the padding, the checksum. */
static void fill(struct log_frame *frame, const struct log__piece *pieces, isize used)
{
    u8 *body = frame->data + LOG__HEADER_BYTES, *end = frame->data + frame->head.bytes;
    u8 *checked = body;
    u8 *records = body + (isize)frame->head.run_count * LOG__RUN_BYTES;
    u32 crc = copy_pieces(pieces, frame->head.record_count, records, &checked);
    memset(frame->data + used, 0, (size_t)(frame->head.bytes - used));
    frame->head.body_crc = crc32c(crc, checked, end - checked);
    if (PLANTED(BUG_CRC_PARTIAL)) {
        isize bytes = MIN((isize)frame->head.bytes, 512) - LOG__HEADER_BYTES;
        frame->head.body_crc = crc32c(0, body, bytes);
    }
}

static u32 distinct_keys(const struct log__sort_item *items, isize count)
{
    u32 distinct = 0;
    for (isize i = 0; i < count; i++) {
        distinct += i == 0 || items[i].key != items[i - 1].key;
    }
    return distinct;
}

void log__build_frame(struct log *log, struct log__job *job)
{
    isize bytes = LOG__HEADER_BYTES;
    for (struct log_batch *batch = job->batches; batch != NULL; batch = batch->next) {
        bytes += batch->encoded_bytes;
    }
    isize count = collect_items(log, job->batches);
    const struct log__sort_item *items = log__sort(log->items, log->items_spare, count);
    struct log_frame *frame = log__frame_new(log, bytes + LOG__BLOCK_BYTES);
    frame->head = (struct log__frame_head){.run_count = distinct_keys(items, count)};
    lay_out(items, count, frame);
    isize used = LOG__HEADER_BYTES + (isize)frame->head.run_count * LOG__RUN_BYTES +
                 (isize)frame->head.data_bytes;
    isize unit = PLANTED(BUG_FRAME_UNPADDED) ? LOG__PACKED_BYTES : LOG__BLOCK_BYTES;
    isize padded = (used + unit - 1) / unit * unit;
    CHECK(padded <= LOG_FRAME_BYTES_MAX);
    CHECK(padded <= frame->capacity);
    i64 now_ms = os_wall_us(log->os) / 1000;
    log->arrival_ms = PLANTED(BUG_ARRIVAL_BACK) ? now_ms : MAX(log->arrival_ms, now_ms);
    frame->head.lsn = log->next_lsn++;
    frame->head.first_no = log->next_no;
    frame->head.arrival_ms = log->arrival_ms;
    frame->head.bytes = (u32)padded;
    log->next_no += frame->head.record_count;
    frame->head.last_no = log->next_no - 1;
    fill(frame, pieces_of(log, job->batches, frame->head.record_count), used);
    for (struct log_batch *batch = job->batches; batch != NULL; batch = batch->next) {
        batch->lsn = frame->head.lsn;
        batch->first_no = frame->head.first_no;
        batch->end_no = frame->head.last_no + 1;
        batch->arrival_ms = frame->head.arrival_ms;
    }
    job->frame = frame;
}
