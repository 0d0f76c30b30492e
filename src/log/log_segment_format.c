/* log/log_segment_format.c: segment headers, indexes and trailers as bytes. */
#include "base/hash.h"
#include "log/log_int.h"

#include <stdlib.h>

enum {
    HEADER_FIXED = 88,
    HEADER_COPY_MAX = 64 << 20,
    TRAILER_BLOOM_AT = 144,
    FRAME_ROW = 48,
    CHANNEL_ROW = 16,
    RUN_ROW = 24,
    INDEX_BYTES_MAX = 1 << 30,
};
_Static_assert(TRAILER_BLOOM_AT + LOG__BLOOM_BYTES < LOG__BLOCK_BYTES - 4, "trailer is one block");

static const char header_magic[8] = "LEATSEG1";
static const char trailer_magic[8] = "LEATEND1";

static isize round_up(isize bytes, isize unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* --- header --------------------------------------------------------------------------------- */

isize log__header_encode(const struct log__header *header, struct buf *out)
{
    isize bytes = round_up(HEADER_FIXED + (isize)header->member_count * 8 + 4, LOG__BLOCK_BYTES);
    u8 *p = buf_reserve(out, bytes * 2);
    memset(p, 0, (size_t)bytes);
    memcpy(p, header_magic, sizeof header_magic);
    put_u32(p + 8, LOG__VERSION);
    put_u32(p + 12, header->kind);
    memcpy(p + 16, header->id.uuid, LOG__UUID_BYTES);
    put_u64(p + 32, header->id.segment);
    put_u64(p + 40, header->id.epoch);
    put_u64(p + 48, header->next_lsn);
    put_u64(p + 56, header->next_no);
    put_u64(p + 64, (u64)header->arrival_ms);
    put_u64(p + 72, header->next_segment);
    put_u32(p + 80, (u32)bytes);
    put_u32(p + 84, header->member_count);
    for (u32 i = 0; i < header->member_count; i++) {
        put_u64(p + HEADER_FIXED + (isize)i * 8, header->members[i]);
    }
    put_u32(p + bytes - 4, crc32c(0, p, bytes - 4));
    memcpy(p + bytes, p, (size_t)bytes);
    out->len += bytes * 2;
    return bytes;
}

void log__header_deinit(struct log__header *header)
{
    mem_free(header->members);
    header->members = NULL;
}

/* Decodes the copy of `bytes` at p. */
static err header_decode(const u8 *p, u32 bytes, struct log__header *out)
{
    if (memcmp(p, header_magic, sizeof header_magic) != 0 ||
        get_u32(p + bytes - 4) != crc32c(0, p, (isize)bytes - 4)) {
        return ERR_CORRUPT;
    }
    out->version = get_u32(p + 8);
    if (out->version > LOG__VERSION) {
        return ERR_VERSION;
    }
    struct log__header header = {
        .kind = get_u32(p + 12),
        .bytes = bytes,
        .member_count = get_u32(p + 84),
        .crc = get_u32(p + bytes - 4),
        .id = {.segment = get_u64(p + 32), .epoch = get_u64(p + 40)},
        .next_lsn = get_u64(p + 48),
        .next_no = get_u64(p + 56),
        .next_segment = get_u64(p + 72),
        .arrival_ms = (i64)get_u64(p + 64),
    };
    memcpy(header.id.uuid, p + 16, LOG__UUID_BYTES);
    bool is_sane = (header.kind == LOG__NORMAL || header.kind == LOG__REWRITTEN) &&
                   HEADER_FIXED + (u64)header.member_count * 8 + 4 <= bytes && header.next_no > 0 &&
                   header.next_lsn > 0 && header.next_no < LOG__COUNT_MAX &&
                   header.next_lsn < LOG__COUNT_MAX && header.next_segment < LOG__COUNT_MAX &&
                   header.id.segment < LOG__COUNT_MAX;
    if (!is_sane) {
        return ERR_CORRUPT;
    }
    header.members = mem_alloc(MAX((isize)header.member_count * 8, 8));
    for (u32 i = 0; i < header.member_count; i++) {
        header.members[i] = get_u64(p + HEADER_FIXED + (isize)i * 8);
    }
    *out = header;
    return OK;
}

static err header_try(struct os_file *file, u64 offset, u32 bytes, struct log__header *out)
{
    u8 *copy = mem_alloc((isize)bytes);
    err e = os_read_exact(file, offset, copy, (isize)bytes);
    if (e == OK) {
        e = get_u32(copy + 80) == bytes ? header_decode(copy, bytes, out) : ERR_CORRUPT;
    }
    mem_free(copy);
    return e;
}

/* Where copy B begins follows from the size of copy A; when A does not tell, it is searched. */
static err header_search(struct os_file *file, u64 file_bytes, struct log__header *out)
{
    u8 fixed[HEADER_FIXED];
    for (u64 at = LOG__BLOCK_BYTES; at * 2 <= file_bytes && at <= HEADER_COPY_MAX;
         at += LOG__BLOCK_BYTES) {
        TRY(os_read_exact(file, at, fixed, sizeof fixed));
        if (memcmp(fixed, header_magic, sizeof header_magic) == 0 && get_u32(fixed + 80) == at) {
            return header_try(file, at, (u32)at, out);
        }
    }
    return ERR_CORRUPT;
}

err log__header_read(struct os_file *file, u64 file_bytes, struct log__header *out)
{
    u8 fixed[HEADER_FIXED];
    if (file_bytes / 2 < LOG__BLOCK_BYTES) {
        return ERR_CORRUPT;
    }
    TRY(os_read_exact(file, 0, fixed, sizeof fixed));
    u32 bytes = get_u32(fixed + 80);
    bool is_sane = bytes >= LOG__BLOCK_BYTES && bytes % LOG__BLOCK_BYTES == 0 &&
                   bytes <= HEADER_COPY_MAX && (u64)bytes * 2 <= file_bytes;
    err e = is_sane ? header_try(file, 0, bytes, out) : ERR_CORRUPT;
    if (e == ERR_CORRUPT && !PLANTED(BUG_SECOND_HEADER_IGNORED)) {
        TRY(header_search(file, file_bytes, out));
        out->is_single = true;
        return OK;
    }
    TRY(e);
    struct log__header second = {.members = NULL};
    e = PLANTED(BUG_SECOND_HEADER_UNREAD) ? OK : header_try(file, bytes, bytes, &second);
    log__header_deinit(&second);
    out->is_single = e == ERR_CORRUPT;
    return e == ERR_CORRUPT || e == ERR_VERSION ? OK : e;
}

/* --- Bloom filter --------------------------------------------------------------------------- */

static void bloom_bits(struct log_channel channel, u32 *a, u32 *b)
{
    u64 key = ((u64)channel.stream << 32 | channel.shard) + 1;
    u64 hash = key * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 29;
    hash *= 0xBF58476D1CE4E5B9U;
    *a = (u32)(hash >> 54);
    *b = (u32)(hash >> 40) & (LOG__BLOOM_BYTES * 8 - 1);
}
_Static_assert(LOG__BLOOM_BYTES * 8 == 1 << 10, "bloom_bits takes ten bits");

void log__bloom_add(u8 *bloom, struct log_channel channel)
{
    u32 a;
    u32 b;
    bloom_bits(channel, &a, &b);
    bloom[a / 8] |= (u8)(1U << (a % 8));
    bloom[b / 8] |= (u8)(1U << (b % 8));
}

bool log__bloom_has(const u8 *bloom, struct log_channel channel)
{
    u32 a;
    u32 b;
    bloom_bits(channel, &a, &b);
    return (bloom[a / 8] >> (a % 8) & 1) != 0 && (bloom[b / 8] >> (b % 8) & 1) != 0;
}

/* --- trailer -------------------------------------------------------------------------------- */

static void trailer_encode(const struct log__trailer *trailer, u8 *p)
{
    memset(p, 0, LOG__BLOCK_BYTES);
    memcpy(p, trailer_magic, sizeof trailer_magic);
    put_u32(p + 8, LOG__VERSION);
    put_u32(p + 12, trailer->kind);
    memcpy(p + 16, trailer->id.uuid, LOG__UUID_BYTES);
    put_u64(p + 32, trailer->id.segment);
    put_u64(p + 40, trailer->id.epoch);
    put_u64(p + 48, trailer->first_lsn);
    put_u64(p + 56, trailer->last_lsn);
    put_u64(p + 64, trailer->first_no);
    put_u64(p + 72, trailer->last_no);
    put_u64(p + 80, (u64)trailer->first_arrival_ms);
    put_u64(p + 88, (u64)trailer->last_arrival_ms);
    put_u64(p + 96, trailer->index_offset);
    put_u64(p + 104, trailer->index_bytes);
    put_u32(p + 112, trailer->frame_count);
    put_u32(p + 116, trailer->channel_count);
    put_u32(p + 120, trailer->run_count);
    put_u32(p + 124, trailer->index_crc);
    put_u32(p + 128, trailer->damaged_count);
    put_u32(p + 132, trailer->last_crc);
    put_u64(p + 136, trailer->next_no);
    memcpy(p + TRAILER_BLOOM_AT, trailer->bloom, LOG__BLOOM_BYTES);
    put_u32(p + LOG__BLOCK_BYTES - 4, crc32c(0, p, LOG__BLOCK_BYTES - 4));
}

static bool trailer_decode(const u8 *p, struct log__trailer *out)
{
    if (memcmp(p, trailer_magic, sizeof trailer_magic) != 0 ||
        (get_u32(p + LOG__BLOCK_BYTES - 4) != crc32c(0, p, LOG__BLOCK_BYTES - 4) &&
         !PLANTED(BUG_TRAILER_CRC_SKIPPED)) ||
        get_u32(p + 8) != LOG__VERSION) {
        return false;
    }
    *out = (struct log__trailer){
        .kind = get_u32(p + 12),
        .id = {.segment = get_u64(p + 32), .epoch = get_u64(p + 40)},
        .first_lsn = get_u64(p + 48),
        .last_lsn = get_u64(p + 56),
        .first_no = get_u64(p + 64),
        .last_no = get_u64(p + 72),
        .first_arrival_ms = (i64)get_u64(p + 80),
        .last_arrival_ms = (i64)get_u64(p + 88),
        .index_offset = get_u64(p + 96),
        .index_bytes = get_u64(p + 104),
        .frame_count = get_u32(p + 112),
        .channel_count = get_u32(p + 116),
        .run_count = get_u32(p + 120),
        .index_crc = get_u32(p + 124),
        .damaged_count = get_u32(p + 128),
        .last_crc = get_u32(p + 132),
        .next_no = get_u64(p + 136),
    };
    memcpy(out->id.uuid, p + 16, LOG__UUID_BYTES);
    memcpy(out->bloom, p + TRAILER_BLOOM_AT, LOG__BLOOM_BYTES);
    return true;
}

static u64 table_bytes(const struct log__trailer *trailer)
{
    return (u64)trailer->frame_count * FRAME_ROW + (u64)trailer->channel_count * CHANNEL_ROW +
           (u64)trailer->run_count * RUN_ROW;
}

static bool spans_are_sane(const struct log__trailer *trailer)
{
    return trailer->first_lsn > 0 && trailer->first_no > 0 && trailer->last_lsn < LOG__COUNT_MAX &&
           trailer->last_no < LOG__COUNT_MAX && trailer->next_no < LOG__COUNT_MAX &&
           trailer->first_lsn <= trailer->last_lsn + 1 &&
           trailer->first_no <= trailer->last_no + 1 &&
           trailer->first_arrival_ms <= trailer->last_arrival_ms;
}

err log__trailer_read(struct os_file *file, u64 file_bytes, struct log__trailer *out)
{
    u8 block[LOG__BLOCK_BYTES];
    if (file_bytes < LOG__BLOCK_BYTES) {
        return ERR_CORRUPT;
    }
    TRY(os_read_exact(file, file_bytes - LOG__BLOCK_BYTES, block, LOG__BLOCK_BYTES));
    struct log__trailer trailer;
    if (!trailer_decode(block, &trailer)) {
        return ERR_CORRUPT;
    }
    bool is_sane = spans_are_sane(&trailer) && trailer.index_bytes <= INDEX_BYTES_MAX &&
                   trailer.index_offset <= file_bytes &&
                   trailer.index_offset + trailer.index_bytes + LOG__BLOCK_BYTES == file_bytes &&
                   table_bytes(&trailer) <= trailer.index_bytes;
    if (!is_sane) {
        return ERR_CORRUPT;
    }
    *out = trailer;
    return OK;
}

void log__trailer_decode_into(struct log__segment *segment, const struct log__trailer *trailer)
{
    segment->first_lsn = trailer->first_lsn;
    segment->last_lsn = trailer->last_lsn;
    segment->first_no = trailer->first_no;
    segment->last_no = trailer->last_no;
    segment->first_arrival_ms = trailer->first_arrival_ms;
    segment->last_arrival_ms = trailer->last_arrival_ms;
    segment->index_offset = trailer->index_offset;
    segment->index_bytes = trailer->index_bytes;
    segment->frame_count = trailer->frame_count;
    segment->channel_count = trailer->channel_count;
    segment->run_count = trailer->run_count;
    segment->index_crc = trailer->index_crc;
    segment->damaged_count = trailer->damaged_count;
    segment->next_no = trailer->next_no;
    memcpy(segment->bloom, trailer->bloom, LOG__BLOOM_BYTES);
}

void log__segment_trailer(const struct log__segment *segment, struct log__trailer *out)
{
    *out = (struct log__trailer){
        .kind = segment->kind,
        .id = segment->id,
        .first_lsn = segment->first_lsn,
        .last_lsn = segment->last_lsn,
        .first_no = segment->first_no,
        .last_no = segment->last_no,
        .index_offset = segment->index_offset,
        .index_bytes = segment->index_bytes,
        .frame_count = segment->frame_count,
        .channel_count = segment->channel_count,
        .run_count = segment->run_count,
        .index_crc = segment->index_crc,
        .damaged_count = segment->damaged_count,
    };
}

/* --- index ---------------------------------------------------------------------------------- */

static int by_channel(const void *a, const void *b)
{
    const struct log__channel_runs *x = *(const struct log__channel_runs *const *)a;
    const struct log__channel_runs *y = *(const struct log__channel_runs *const *)b;
    u64 left = (u64)x->channel.stream << 32 | x->channel.shard;
    u64 right = (u64)y->channel.stream << 32 | y->channel.shard;
    return left < right ? -1 : left > right;
}

static void frames_encode(const struct log__index *index, u8 *p)
{
    for (u32 i = 0; i < index->frame_count; i++, p += FRAME_ROW) {
        const struct log__frame_info *frame = &index->frames[i];
        put_u64(p, frame->lsn);
        put_u64(p + 8, frame->offset);
        put_u64(p + 16, frame->first_no);
        put_u64(p + 24, frame->last_no);
        put_u64(p + 32, (u64)frame->arrival_ms);
        put_u32(p + 40, frame->bytes);
        put_u32(p + 44, frame->flags);
    }
}

static void channels_encode(const struct log__index *index, u8 *p, u8 *bloom)
{
    isize order_bytes = ((isize)index->channel_count + 1) * (isize)sizeof(void *);
    struct log__channel_runs **order = mem_alloc(order_bytes);
    for (u32 i = 0; i < index->channel_count; i++) {
        order[i] = &index->channels[i];
    }
    qsort(order, index->channel_count, sizeof(void *), by_channel);
    u8 *runs = p + (isize)index->channel_count * CHANNEL_ROW;
    u32 first = 0;
    for (u32 i = 0; i < index->channel_count; i++, p += CHANNEL_ROW) {
        put_u32(p, order[i]->channel.stream);
        put_u32(p + 4, order[i]->channel.shard);
        put_u32(p + 8, first);
        put_u32(p + 12, order[i]->count);
        first += order[i]->count;
        if (!(PLANTED(BUG_BLOOM_FORGOTTEN) && i + 1 == index->channel_count)) {
            log__bloom_add(bloom, order[i]->channel);
        }
        for (u32 j = 0; j < order[i]->count; j++, runs += RUN_ROW) {
            const struct log__run_info *run = &order[i]->runs[j];
            put_u64(runs, run->first_no);
            put_u32(runs + 8, run->count);
            put_u32(runs + 12, run->frame);
            put_u32(runs + 16, run->bytes);
            put_u32(runs + 20, 0);
        }
    }
    CHECK(first == index->run_count);
    mem_free(order);
}

u64 log__seal_bytes(u32 kind, const struct log__index *index)
{
    struct log__trailer trailer = {
        .frame_count = index->frame_count,
        .channel_count = index->channel_count,
        .run_count = index->run_count,
    };
    isize unit = kind == LOG__NORMAL ? LOG__BLOCK_BYTES : LOG__PACKED_BYTES;
    return (u64)round_up((isize)table_bytes(&trailer), unit) + LOG__BLOCK_BYTES;
}

void log__seal_encode(const struct log__segment *segment, const struct log__index *index,
                      u64 offset, struct buf *out, struct log__trailer *trailer_out)
{
    struct log__trailer trailer = {
        .kind = segment->kind,
        .id = segment->id,
        .first_lsn = segment->first_lsn,
        .last_lsn = segment->last_lsn,
        .first_no = segment->first_no,
        .last_no = segment->last_no,
        .first_arrival_ms = segment->first_arrival_ms,
        .last_arrival_ms = segment->last_arrival_ms,
        .index_offset = offset,
        .frame_count = index->frame_count,
        .channel_count = index->channel_count,
        .run_count = index->run_count,
        .damaged_count = index->damaged_count,
        .last_crc = index->last_crc,
        .next_no = PLANTED(BUG_JUMP_FORGOTTEN) ? segment->last_no + 1
                                               : MAX(segment->next_no, segment->last_no + 1),
    };
    isize used = (isize)table_bytes(&trailer);
    isize bytes = (isize)log__seal_bytes(segment->kind, index) - LOG__BLOCK_BYTES;
    u8 *p = buf_reserve(out, bytes + LOG__BLOCK_BYTES);
    memset(p + used, 0, (size_t)(bytes - used));
    frames_encode(index, p);
    channels_encode(index, p + (isize)index->frame_count * FRAME_ROW, trailer.bloom);
    trailer.index_bytes = (u64)bytes;
    trailer.index_crc = crc32c(0, p, bytes);
    trailer_encode(&trailer, p + bytes);
    out->len += bytes + LOG__BLOCK_BYTES;
    *trailer_out = trailer;
}

static void frames_decode(struct log__index *index, const u8 *p)
{
    index->frames = mem_alloc(((isize)index->frame_count + 1) * (isize)sizeof *index->frames);
    for (u32 i = 0; i < index->frame_count; i++, p += FRAME_ROW) {
        index->frames[i] = (struct log__frame_info){
            .lsn = get_u64(p),
            .offset = get_u64(p + 8),
            .first_no = get_u64(p + 16),
            .last_no = get_u64(p + 24),
            .arrival_ms = (i64)get_u64(p + 32),
            .bytes = get_u32(p + 40),
            .flags = get_u32(p + 44),
        };
    }
}

static bool runs_decode(struct log__index *index, const u8 *p)
{
    index->runs = mem_alloc(((isize)index->run_count + 1) * (isize)sizeof *index->runs);
    for (u32 i = 0; i < index->run_count; i++, p += RUN_ROW) {
        index->runs[i] =
            (struct log__run_info){get_u64(p), get_u32(p + 8), get_u32(p + 12), get_u32(p + 16)};
        if (index->runs[i].frame >= index->frame_count) {
            return false;
        }
    }
    return true;
}

static bool channels_decode(struct log__index *index, const u8 *p)
{
    index->channels = mem_alloc(((isize)index->channel_count + 1) * (isize)sizeof *index->channels);
    u64 first = 0;
    for (u32 i = 0; i < index->channel_count; i++, p += CHANNEL_ROW) {
        u32 count = get_u32(p + 12);
        if (get_u32(p + 8) != first || first + count > index->run_count) {
            return false;
        }
        index->channels[i] = (struct log__channel_runs){
            {get_u32(p), get_u32(p + 4)}, &index->runs[first], count, count};
        first += count;
    }
    return first == index->run_count;
}

/* Rows ascend and lie within what the trailer says. */
static bool frames_are_sane(const struct log__trailer *trailer, const struct log__index *index)
{
    u64 end = 0;
    for (u32 i = 0; i < index->frame_count; i++) {
        const struct log__frame_info *frame = &index->frames[i];
        const struct log__frame_info *before = i == 0 ? NULL : frame - 1;
        bool is_after =
            before == NULL || (frame->lsn > before->lsn && frame->first_no > before->last_no &&
                               frame->arrival_ms >= before->arrival_ms);
        bool is_inside = frame->lsn >= trailer->first_lsn && frame->lsn <= trailer->last_lsn &&
                         frame->first_no >= trailer->first_no &&
                         frame->first_no <= frame->last_no && frame->last_no <= trailer->last_no &&
                         frame->offset >= end && frame->offset <= trailer->index_offset &&
                         frame->bytes <= trailer->index_offset - frame->offset;
        if (!is_after || !is_inside) {
            return false;
        }
        end = frame->offset + frame->bytes;
    }
    return true;
}

static bool runs_are_sane(const struct log__index *index)
{
    for (u32 c = 0; c < index->channel_count; c++) {
        const struct log__channel_runs *channel = &index->channels[c];
        if (c > 0 && by_channel(&(const struct log__channel_runs *){channel - 1},
                                &(const struct log__channel_runs *){channel}) >= 0) {
            return false;
        }
        for (u32 i = 0; i < channel->count; i++) {
            const struct log__run_info *run = &channel->runs[i];
            const struct log__frame_info *frame = &index->frames[run->frame];
            bool is_after = i == 0 || (run->first_no >= run[-1].first_no + run[-1].count &&
                                       run->frame > run[-1].frame);
            bool is_inside = run->count > 0 && run->first_no >= frame->first_no &&
                             run->first_no <= frame->last_no &&
                             run->count - 1 <= frame->last_no - run->first_no &&
                             (frame->flags & LOG__FRAME_DAMAGED) == 0;
            if (!is_after || !is_inside) {
                return false;
            }
        }
    }
    return true;
}

err log__index_decode(const struct log__trailer *trailer, const u8 *data, struct log__index *out)
{
    if (crc32c(0, data, (isize)trailer->index_bytes) != trailer->index_crc &&
        !PLANTED(BUG_INDEX_CRC_SKIPPED)) {
        return ERR_CORRUPT;
    }
    struct log__index index = {
        .frame_count = trailer->frame_count,
        .channel_count = trailer->channel_count,
        .run_count = trailer->run_count,
        .damaged_count = trailer->damaged_count,
        .last_crc = trailer->last_crc,
    };
    const u8 *channels = data + (isize)index.frame_count * FRAME_ROW;
    frames_decode(&index, data);
    bool is_sane = runs_decode(&index, channels + (isize)index.channel_count * CHANNEL_ROW) &&
                   channels_decode(&index, channels) && frames_are_sane(trailer, &index) &&
                   runs_are_sane(&index);
    if (!is_sane) {
        log__index_deinit(&index);
        return ERR_CORRUPT;
    }
    *out = index;
    return OK;
}

err log__index_read(struct os_file *file, const struct log__trailer *trailer,
                    struct log__index *out)
{
    u8 *data = mem_alloc((isize)trailer->index_bytes + 1);
    err e = os_read_exact(file, trailer->index_offset, data, (isize)trailer->index_bytes);
    if (e == OK) {
        e = log__index_decode(trailer, data, out);
    }
    mem_free(data);
    return e;
}
