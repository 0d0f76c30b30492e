/*
 * base/buf.h: a growing byte buffer with a hard limit, and the little-endian
 * put/get used by every on-disk format. Owned by one thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"
#include "base/str.h"

struct buf {
    u8 *data; /* Owned. */
    isize len;
    isize capacity;    /* At most the limit. */
    isize limit_bytes; /* Appending past it sets `failed`; 0 = unlimited. */
    bool failed;       /* Sticky: set once, checked at the end by the caller. */
};

/* An all-zero struct buf is a valid empty buffer. */
void buf_init(struct buf *buf, isize limit_bytes);
void buf_deinit(struct buf *buf);
void buf_reset(struct buf *buf); /* Empty, keeps the memory, clears `failed`. */
static inline str buf_str(const struct buf *buf)
{
    return (str){buf->data, buf->len};
}
/* Of buf_reserve, when there is no room yet. */
u8 *buf__grow(struct buf *buf, isize bytes);
/* Room for `bytes` more; returns the place to write, NULL when over the limit. Does not move len.
 */
static inline u8 *buf_reserve(struct buf *buf, isize bytes)
{
    bool has_room = bytes <= buf->capacity - buf->len && buf->data != NULL && bytes >= 0;
    return LIKELY(has_room) ? buf->data + buf->len : buf__grow(buf, bytes);
}
static inline void buf_append_bytes(struct buf *buf, const void *data, isize bytes)
{
    u8 *at = bytes == 0 ? NULL : buf_reserve(buf, bytes);
    if (at != NULL) {
        memcpy(at, data, (size_t)bytes);
        buf->len += bytes;
    }
}
static inline void buf_append(struct buf *buf, str s)
{
    buf_append_bytes(buf, s.data, s.len);
}
static inline void buf_append_byte(struct buf *buf, u8 byte)
{
    u8 *at = buf_reserve(buf, 1);
    if (at != NULL) {
        *at = byte;
        buf->len++;
    }
}
void buf_append_fill(struct buf *buf, u8 byte, isize count);
void buf_append_i64(struct buf *buf, i64 value);
void buf_append_u64(struct buf *buf, u64 value);
/* Percent-encodes all but letters, digits and "-._~" (and "/" when `keeps_slash`), as RFC 3986. */
void buf_append_percent(struct buf *buf, str text, bool keeps_slash);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF(2, 3);

/* Unsigned LEB128, at most 10 bytes. */
void buf_append_varint(struct buf *buf, u64 value);
/* Reads from the front of *in and advances it; ERR_CORRUPT when cut short or over 10 bytes. */
MUST_USE err varint_take(str *in, u64 *value_out);

static inline void put_u16(u8 *p, u16 v)
{
    memcpy(p, &v, sizeof v);
}
static inline void put_u32(u8 *p, u32 v)
{
    memcpy(p, &v, sizeof v);
}
static inline void put_u64(u8 *p, u64 v)
{
    memcpy(p, &v, sizeof v);
}
static inline u16 get_u16(const u8 *p)
{
    u16 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline u32 get_u32(const u8 *p)
{
    u32 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline u64 get_u64(const u8 *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return v;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "on-disk integers are little-endian");

#endif
