/* codec/base64.c: by tables, behind what base64_wide.c could take. */
#include "codec/base64.h"

#include "codec/base64_int.h"

enum { BAD = 0xFF };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static u8 values[256];

__attribute__((constructor)) static void values_init(void)
{
    memset(values, BAD, sizeof values);
    for (int i = 0; i < 64; i++) {
        values[(u8)alphabet[i]] = (u8)i;
    }
}

isize base64_decoded_bytes(str text)
{
    if (text.len % 4 != 0) {
        return -1;
    }
    if (text.len == 0) {
        return 0;
    }
    isize padding = text.data[text.len - 1] == '=';
    padding += padding == 1 && text.data[text.len - 2] == '=';
    return text.len / 4 * 3 - padding;
}

isize base64_encoded_bytes(isize bytes)
{
    return (bytes + 2) / 3 * 4;
}

/* --- tables
 * ------------------------------------------------------------------------------------------ */

/* Last group, which may be padded: 1 to 3 bytes, and no bit set behind them. */
static err decode_last(const u8 *in, u8 *out, isize bytes)
{
    u32 a = values[in[0]], b = values[in[1]];
    u32 c = bytes >= 2 ? values[in[2]] : 0, d = bytes == 3 ? values[in[3]] : 0;
    if ((a | b | c | d) > 63) {
        return ERR_SYNTAX;
    }
    u32 bits = a << 18 | b << 12 | c << 6 | d;
    bool has_rest = (bytes == 1 && (b & 15) != 0) || (bytes == 2 && (c & 3) != 0);
    if (has_rest) {
        return ERR_SYNTAX;
    }
    for (isize i = 0; i < bytes; i++) {
        out[i] = (u8)(bits >> (16 - 8 * i));
    }
    return OK;
}

err base64_decode(str text, u8 *out, isize *bytes_out)
{
    isize bytes = base64_decoded_bytes(text);
    if (bytes < 0) {
        return ERR_SYNTAX;
    }
    isize at = base64__decode_wide(text.data, text.len, out);
    u8 *to = out + at / 4 * 3;
    for (; text.len - at > 4; at += 4, to += 3) {
        const u8 *in = text.data + at;
        u32 a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
        if ((a | b | c | d) > 63) {
            return ERR_SYNTAX;
        }
        u32 bits = a << 18 | b << 12 | c << 6 | d;
        to[0] = (u8)(bits >> 16);
        to[1] = (u8)(bits >> 8);
        to[2] = (u8)bits;
    }
    if (at < text.len) {
        TRY(decode_last(text.data + at, to, bytes - at / 4 * 3));
    }
    *bytes_out = bytes;
    return OK;
}

void base64_encode(str bytes, u8 *out)
{
    isize at = base64__encode_wide(bytes.data, bytes.len, out);
    out += at / 3 * 4;
    for (; at < bytes.len; at += 3, out += 4) {
        isize left = bytes.len - at;
        u32 bits = (u32)bytes.data[at] << 16;
        bits |= left > 1 ? (u32)bytes.data[at + 1] << 8 : 0;
        bits |= left > 2 ? bytes.data[at + 2] : 0;
        out[0] = (u8)alphabet[bits >> 18];
        out[1] = (u8)alphabet[bits >> 12 & 63];
        out[2] = left > 1 ? (u8)alphabet[bits >> 6 & 63] : '=';
        out[3] = left > 2 ? (u8)alphabet[bits & 63] : '=';
    }
}

void base64_append(struct buf *out, str bytes)
{
    isize len = base64_encoded_bytes(bytes.len);
    u8 *at = buf_reserve(out, len);
    if (at != NULL) {
        base64_encode(bytes, at);
        out->len += len;
    }
}
