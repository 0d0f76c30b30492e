/* codec/eventstream.c: event stream frames, written and read. */
#include "codec/eventstream.h"

#include "base/hash.h"

enum { PRELUDE_BYTES = 12, CRC_BYTES = 4, NAME_BYTES_MAX = 255, STRING_BYTES_MAX = 32767 };
_Static_assert(PRELUDE_BYTES + CRC_BYTES == EVENTSTREAM_OVERHEAD_BYTES, "what a frame adds");

static void put_be32(u8 *p, u32 value)
{
    put_u32(p, __builtin_bswap32(value));
}

static u32 get_be32(const u8 *p)
{
    return __builtin_bswap32(get_u32(p));
}

/* --- writing -----------------------------------------------------------------------------------
 */

isize eventstream_begin(struct buf *out, const struct eventstream_header *headers, isize count)
{
    isize start = out->len;
    buf_append_fill(out, 0, PRELUDE_BYTES);
    for (isize i = 0; i < count; i++) {
        str name = headers[i].name;
        str value = headers[i].value;
        CHECK(name.len > 0 && name.len <= NAME_BYTES_MAX);
        CHECK(value.len <= STRING_BYTES_MAX);
        buf_append_byte(out, (u8)name.len);
        buf_append(out, name);
        u8 begin[3] = {EVENTSTREAM_STRING, (u8)(value.len >> 8), (u8)value.len};
        buf_append_bytes(out, begin, sizeof begin);
        buf_append(out, value);
    }
    if (!out->failed) {
        put_be32(out->data + start + 4, (u32)(out->len - start - PRELUDE_BYTES));
    }
    return start;
}

void eventstream_end(struct buf *out, isize start)
{
    if (out->failed) {
        return;
    }
    isize total = out->len - start + CRC_BYTES;
    CHECK(total >= EVENTSTREAM_OVERHEAD_BYTES);
    CHECK(total <= EVENTSTREAM_FRAME_BYTES_MAX);
    u8 *frame = out->data + start;
    put_be32(frame, (u32)total);
    put_be32(frame + 8, crc32_ieee(0, frame, 8));
    u8 crc[CRC_BYTES];
    put_be32(crc, crc32_ieee(0, frame, total - CRC_BYTES));
    buf_append_bytes(out, crc, sizeof crc);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool take(str *in, isize bytes, str *out)
{
    if (bytes > in->len) {
        return false;
    }
    *out = str_slice(*in, 0, bytes);
    *in = str_slice(*in, bytes, in->len);
    return true;
}

static bool take_header(str *in, struct eventstream_header *out)
{
    static const u8 fixed_bytes[] = {
        [EVENTSTREAM_TRUE] = 0,  [EVENTSTREAM_FALSE] = 0, [EVENTSTREAM_BYTE] = 1,
        [EVENTSTREAM_SHORT] = 2, [EVENTSTREAM_INT] = 4,   [EVENTSTREAM_LONG] = 8,
        [EVENTSTREAM_TIME] = 8,  [EVENTSTREAM_UUID] = 16,
    };
    str piece;
    if (!take(in, 1, &piece)) {
        return false;
    }
    isize name_bytes = piece.data[0];
    if (name_bytes == 0 || !take(in, name_bytes, &out->name) || !take(in, 1, &piece) ||
        piece.data[0] > EVENTSTREAM_UUID) {
        return false;
    }
    out->type = (enum eventstream_type)piece.data[0];
    isize bytes = fixed_bytes[out->type];
    if (out->type == EVENTSTREAM_STRING || out->type == EVENTSTREAM_BYTES) {
        if (!take(in, 2, &piece)) {
            return false;
        }
        bytes = piece.data[0] << 8 | piece.data[1];
    }
    return take(in, bytes, &out->value);
}

static err take_headers(str in, struct eventstream_frame *out)
{
    out->header_count = 0;
    while (in.len > 0) {
        if (out->header_count == EVENTSTREAM_HEADERS_MAX) {
            return ERR_LIMIT;
        }
        if (!take_header(&in, &out->headers[out->header_count])) {
            return ERR_CORRUPT;
        }
        out->header_count++;
    }
    return OK;
}

err eventstream_take(str *in, struct eventstream_frame *out)
{
    if (in->len < PRELUDE_BYTES) {
        return ERR_AGAIN;
    }
    const u8 *frame = in->data;
    u32 total = get_be32(frame);
    u32 header_bytes = get_be32(frame + 4);
    if (get_be32(frame + 8) != crc32_ieee(0, frame, 8) || total < EVENTSTREAM_OVERHEAD_BYTES ||
        header_bytes > total - EVENTSTREAM_OVERHEAD_BYTES) {
        return ERR_CORRUPT;
    }
    if (total > EVENTSTREAM_FRAME_BYTES_MAX || header_bytes > EVENTSTREAM_HEADER_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (in->len < (isize)total) {
        return ERR_AGAIN;
    }
    isize end = (isize)total - CRC_BYTES;
    if (get_be32(frame + end) != crc32_ieee(0, frame, end)) {
        return ERR_CORRUPT;
    }
    isize payload = PRELUDE_BYTES + (isize)header_bytes;
    TRY(take_headers(str_slice(*in, PRELUDE_BYTES, payload), out));
    out->payload = str_slice(*in, payload, end);
    *in = str_slice(*in, (isize)total, in->len);
    return OK;
}

str eventstream_text(const struct eventstream_frame *frame, str name)
{
    for (isize i = 0; i < frame->header_count; i++) {
        const struct eventstream_header *header = &frame->headers[i];
        if (header->type == EVENTSTREAM_STRING && str_eq(header->name, name)) {
            return header->value;
        }
    }
    return STR_EMPTY;
}
