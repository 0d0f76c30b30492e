/* Event stream frames: any bytes; the same with checksums mended; what is read is written again. */
#include "codec/eventstream.h"

#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_be32(u8 *p, u32 value)
{
    put_u32(p, __builtin_bswap32(value));
}

static bool are_strings(const struct eventstream_frame *frame)
{
    for (isize i = 0; i < frame->header_count; i++) {
        if (frame->headers[i].type != EVENTSTREAM_STRING || frame->headers[i].value.len > 32767) {
            return false;
        }
    }
    return true;
}

static void read_all(str in)
{
    struct eventstream_frame frame;
    const u8 *start = in.data;
    while (eventstream_take(&in, &frame) == OK) {
        if (are_strings(&frame)) {
            struct buf out = {0};
            isize at = eventstream_begin(&out, frame.headers, frame.header_count);
            buf_append(&out, frame.payload);
            eventstream_end(&out, at);
            CHECK(str_eq(buf_str(&out), str_from(start, in.data - start)));
            buf_deinit(&out);
        }
        start = in.data;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(str_from(data, (isize)size));
    if (size >= EVENTSTREAM_OVERHEAD_BYTES) {
        struct buf mended = {0};
        buf_append_bytes(&mended, data, (isize)size);
        put_be32(mended.data, (u32)size);
        put_be32(mended.data + 4, (u32)(data[4] | data[5] << 8));
        put_be32(mended.data + 8, crc32_ieee(0, mended.data, 8));
        put_be32(mended.data + size - 4, crc32_ieee(0, mended.data, (isize)size - 4));
        read_all(buf_str(&mended));
        buf_deinit(&mended);
    }
    return 0;
}
