/*
 * log/log_tail.c: the last frame before a crash. One that is not valid, with nothing behind
 * it, is taken for a commit that the power failure tore; but one that a single bit keeps
 * from being valid is hardly that. It is not served either: a torn frame may look so by
 * chance (one in 130,000 of 4 KiB), and its records would be wrong. So it is said.
 */
#include "base/hash.h"
#include "log/log_int.h"

enum { CRC_AT = LOG__HEADER_BYTES - 4 };

/* Which bit of `bytes` bytes, flipped, changes their CRC-32C by `change`; -1 = none. A checksum
 * is linear: what a bit adds depends on nothing but its distance from the end. */
static i64 bit_of(u32 change, isize bytes)
{
    u32 table[256], adds[8];
    for (u32 i = 0; i < 256; i++) {
        u8 byte = (u8)i, zero = 0;
        table[i] = crc32c(0, &byte, 1) ^ crc32c(0, &zero, 1);
    }
    for (int bit = 0; bit < 8; bit++) {
        adds[bit] = table[1U << bit];
    }
    for (isize at = bytes - 1; at >= 0; at--) {
        for (int bit = 0; bit < 8; bit++) {
            if (adds[bit] == change) {
                return at * 8 + bit;
            }
            adds[bit] = adds[bit] >> 8 ^ table[adds[bit] & 0xFF];
        }
    }
    return -1;
}

static bool flip(u8 *data, i64 bit)
{
    if (bit >= 0) {
        data[bit / 8] ^= (u8)(1U << (bit % 8));
    }
    return bit >= 0;
}

/* A header that is good, or becomes so by one bit. */
static bool head_mend(u8 *in, const struct log__identity *id, u64 offset,
                      struct log__frame_head *out, bool *is_mended)
{
    u32 change = crc32c(0, in, CRC_AT) ^ get_u32(in + CRC_AT);
    *is_mended = change != 0;
    if (change == 0) {
        return log__head_decode(in, id, offset, out);
    }
    bool is_checksum = (change & (change - 1)) == 0; /* The bit is one of its own. */
    i64 bit = is_checksum ? CRC_AT * 8 + __builtin_ctz(change) : bit_of(change, CRC_AT);
    return flip(in, bit) && log__head_decode(in, id, offset, out);
}

static bool body_mend(u8 *frame, const struct log__frame_head *head)
{
    u8 *body = frame + LOG__HEADER_BYTES;
    isize bytes = (isize)head->bytes - LOG__HEADER_BYTES;
    u32 change = crc32c(0, body, bytes) ^ head->body_crc;
    return change != 0 && flip(body, bit_of(change, bytes)) && log__body_is_valid(head, frame);
}

err log__tail_look(struct os_file *file, u64 file_bytes, const struct log__identity *id, u64 offset,
                   struct log__frame_head *out, bool *is_one_bit_off)
{
    u8 bytes[LOG__HEADER_BYTES];
    struct log__frame_head head;
    bool is_mended;
    *is_one_bit_off = false;
    if (offset + LOG__HEADER_BYTES > file_bytes) {
        return OK;
    }
    TRY(os_read_exact(file, offset, bytes, LOG__HEADER_BYTES));
    if (!head_mend(bytes, id, offset, &head, &is_mended) || head.bytes > file_bytes - offset) {
        return OK;
    }
    u8 *frame = mem_alloc((isize)head.bytes);
    err e = os_read_exact(file, offset, frame, (isize)head.bytes);
    if (e == OK) {
        memcpy(frame, bytes, LOG__HEADER_BYTES);
        *is_one_bit_off = is_mended ? log__body_is_valid(&head, frame) : body_mend(frame, &head);
        *out = head;
    }
    mem_free(frame);
    return e;
}
