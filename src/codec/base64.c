/*
 * codec/base64.c: 24 or 32 bytes a step with AVX2 (the lookup by nibbles and the
 * packing by multiply-add are those of Muła and Lemire, "Faster Base64 Encoding and
 * Decoding using AVX2 Instructions", 2018), tables for the rest and elsewhere.
 */
#include "codec/base64.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { BAD = 0xFF };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static u8 values[256];
static bool has_avx2;

__attribute__((constructor)) static void values_init(void)
{
    memset(values, BAD, sizeof values);
    for (int i = 0; i < 64; i++) {
        values[(u8)alphabet[i]] = (u8)i;
    }
#ifdef __x86_64__
    has_avx2 = __builtin_cpu_supports("avx2");
#endif
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

/* --- AVX2
 * -------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* Decodes whole steps of 32 characters while at least 44 are left, so that the 32-byte store stays
 * inside the output; returns how many characters it took. Stops at what is not in the alphabet. */
__attribute__((target("avx2"))) static isize decode_avx2(const u8 *in, isize len, u8 *out)
{
    const __m256i low_table =
        _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A,
                         0x1B, 0x1B, 0x1B, 0x1A, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                         0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
    const __m256i high_table =
        _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10,
                         0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                         0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m256i roll_table =
        _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 19, 4,
                         -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i slash = _mm256_set1_epi8('/');
    const __m256i pack = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2,
                                          1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    isize at = 0;
    for (; len - at >= 48; at += 32, out += 24) {
        union {
            const u8 *bytes;
            const __m256i *vector;
        } from = {in + at};
        __m256i text = _mm256_loadu_si256(from.vector);
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), slash);
        __m256i low = _mm256_and_si256(text, slash);
        __m256i high_class = _mm256_shuffle_epi8(high_table, high);
        __m256i low_class = _mm256_shuffle_epi8(low_table, low);
        if (!_mm256_testz_si256(low_class, high_class)) {
            break;
        }
        __m256i is_slash = _mm256_cmpeq_epi8(text, slash);
        __m256i roll = _mm256_shuffle_epi8(roll_table, _mm256_add_epi8(is_slash, high));
        __m256i sextets = _mm256_add_epi8(text, roll);
        __m256i pairs = _mm256_maddubs_epi16(sextets, _mm256_set1_epi32(0x01400140));
        __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
        __m256i packed = _mm256_shuffle_epi8(quads, pack);
        packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1));
        union {
            u8 *bytes;
            __m256i *vector;
        } to = {out};
        _mm256_storeu_si256(to.vector, packed);
    }
    return at;
}

/* Encodes whole steps of 24 bytes while 32 can be read; returns how many bytes it took. */
__attribute__((target("avx2"))) static isize encode_avx2(const u8 *in, isize len, u8 *out)
{
    const __m256i spread = _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10, 1, 0,
                                            2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    const __m256i offsets =
        _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0, 65, 71, -4,
                         -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
    isize at = 0;
    for (; len - at >= 32; at += 24, out += 32) {
        union {
            const u8 *bytes;
            const __m128i *vector;
        } low = {in + at}, high = {in + at + 12};
        __m256i bytes = _mm256_set_m128i(_mm_loadu_si128(high.vector), _mm_loadu_si128(low.vector));
        __m256i words = _mm256_shuffle_epi8(bytes, spread);
        __m256i first = _mm256_mulhi_epu16(_mm256_and_si256(words, _mm256_set1_epi32(0x0FC0FC00)),
                                           _mm256_set1_epi32(0x04000040));
        __m256i second = _mm256_mullo_epi16(_mm256_and_si256(words, _mm256_set1_epi32(0x003F03F0)),
                                            _mm256_set1_epi32(0x01000010));
        __m256i sextets = _mm256_or_si256(first, second);
        __m256i index = _mm256_subs_epu8(sextets, _mm256_set1_epi8(51));
        __m256i is_upper = _mm256_cmpgt_epi8(sextets, _mm256_set1_epi8(25));
        index = _mm256_sub_epi8(index, is_upper);
        __m256i text = _mm256_add_epi8(sextets, _mm256_shuffle_epi8(offsets, index));
        union {
            u8 *bytes;
            __m256i *vector;
        } to = {out};
        _mm256_storeu_si256(to.vector, text);
    }
    return at;
}
#endif

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
    isize at = 0;
#ifdef __x86_64__
    if (has_avx2) {
        at = decode_avx2(text.data, text.len, out);
    }
#endif
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
    isize at = 0;
#ifdef __x86_64__
    if (has_avx2) {
        at = encode_avx2(bytes.data, bytes.len, out);
        out += at / 3 * 4;
    }
#endif
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
