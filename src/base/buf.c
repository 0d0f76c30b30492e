/* base/buf.c: growing buffers. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { CAPACITY_MIN = 64 };

void buf_init(struct buf *buf, isize limit_bytes)
{
    *buf = (struct buf){.limit_bytes = limit_bytes};
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->data);
    buf_init(buf, buf->limit_bytes);
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

u8 *buf__grow(struct buf *buf, isize bytes)
{
    CHECK(bytes >= 0);
    isize need;
    if (__builtin_add_overflow(buf->len, bytes, &need) ||
        (buf->limit_bytes > 0 && need > buf->limit_bytes)) {
        buf->failed = true;
        return NULL;
    }
    if (need > buf->capacity) {
        isize capacity = MAX(MAX(buf->capacity + buf->capacity / 2, need), CAPACITY_MIN);
        capacity = buf->limit_bytes > 0 ? MIN(capacity, buf->limit_bytes) : capacity;
        buf->data = mem_resize(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

void buf_append_fill(struct buf *buf, u8 byte, isize count)
{
    if (count == 0) {
        return;
    }
    u8 *at = buf_reserve(buf, count);
    if (at != NULL) {
        memset(at, byte, (size_t)count);
        buf->len += count;
    }
}

void buf_append_u64(struct buf *buf, u64 value)
{
    u8 text[20];
    int at = 20;
    do {
        text[--at] = (u8)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_append_bytes(buf, text + at, 20 - at);
}

void buf_append_i64(struct buf *buf, i64 value)
{
    if (value < 0) {
        buf_append_byte(buf, '-');
    }
    buf_append_u64(buf, value < 0 ? 0 - (u64)value : (u64)value);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    u8 *at = buf_reserve(buf, len + 1);
    if (at != NULL) {
        (void)vsnprintf((char *)at, (size_t)len + 1, format, again);
        buf->len += len;
    }
    va_end(again);
}

void buf_append_varint(struct buf *buf, u64 value)
{
    while (value >= 0x80) {
        buf_append_byte(buf, (u8)(value | 0x80));
        value >>= 7;
    }
    buf_append_byte(buf, (u8)value);
}

void buf_append_percent(struct buf *buf, str text, bool keeps_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                        (c == '/' && keeps_slash);
        if (is_plain) {
            buf_append_byte(buf, c);
        } else {
            u8 escape[] = {'%', (u8)hex[c >> 4], (u8)hex[c & 15]};
            buf_append_bytes(buf, escape, 3);
        }
    }
}

err varint_take(str *in, u64 *value_out)
{
    u64 value = 0;
    for (isize i = 0; i < in->len && i < 10; i++) {
        u64 part = in->data[i] & 0x7F;
        if (i == 9 && part > 1) {
            return ERR_CORRUPT;
        }
        value |= part << (7 * i);
        if (in->data[i] < 0x80) {
            *in = str_slice(*in, i + 1, in->len);
            *value_out = value;
            return OK;
        }
    }
    return ERR_CORRUPT;
}
