/*
 * codec/base64_wide.c: 24 bytes a step with AVX2 (the lookup by nibbles and the packing
 * by multiply-add are those of Muła and Lemire, "Faster Base64 Encoding and Decoding
 * using AVX2 Instructions", 2018), 48 with AVX-512 VBMI (their "Base64 encoding and
 * decoding at almost the speed of a memory copy", 2019).
 */
#include "codec/base64_int.h"

#ifdef __x86_64__
#include <immintrin.h>

static bool has_avx2, has_vbmi;

void base64__use(enum base64__width most)
{
    has_avx2 = most >= BASE64_AVX2 && __builtin_cpu_supports("avx2");
    has_vbmi = most >= BASE64_VBMI && __builtin_cpu_supports("avx512vbmi") &&
               __builtin_cpu_supports("avx512bw");
}

__attribute__((constructor)) static void look_at_cpu(void)
{
    base64__use(BASE64_VBMI);
}

/* --- AVX2 ----------------------------------------------------------------------------------- */

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

/* --- AVX-512 VBMI --------------------------------------------------------------------------- */

#define VBMI __attribute__((target("avx512f,avx512bw,avx512vbmi")))

enum { NONE = 0x80 };

/* By character. */
static const u8 values[128] = {
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, 62,   NONE, NONE, NONE, 63,
    52,   53,   54,   55,   56,   57,   58,   59,   60,   61,   NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, 0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,
    15,   16,   17,   18,   19,   20,   21,   22,   23,   24,   25,   NONE, NONE, NONE, NONE, NONE,
    NONE, 26,   27,   28,   29,   30,   31,   32,   33,   34,   35,   36,   37,   38,   39,   40,
    41,   42,   43,   44,   45,   46,   47,   48,   49,   50,   51,   NONE, NONE, NONE, NONE, NONE,
};

/* Where byte i of what is packed stands: of four sextets in a word of 32 bits the three bytes, the
 * highest first. */
static const u8 packed_from[64] = {
    2,  1,  0,  6,  5,  4,  10, 9,  8,  14, 13, 12, 18, 17, 16, 22, 21, 20, 26, 25, 24, 30, 29, 28,
    34, 33, 32, 38, 37, 36, 42, 41, 40, 46, 45, 44, 50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60,
};

/* Whole steps of 64 characters while another 24 follow, so that the store of 64 bytes stays inside
 * the output. */
VBMI static isize decode_vbmi(const u8 *in, isize len, u8 *out)
{
    const __m512i low = _mm512_loadu_si512(values);
    const __m512i high = _mm512_loadu_si512(values + 64);
    const __m512i pack = _mm512_loadu_si512(packed_from);
    isize at = 0;
    for (; len - at >= 88; at += 64, out += 48) {
        __m512i text = _mm512_loadu_si512(in + at);
        __m512i sextets = _mm512_permutex2var_epi8(low, text, high);
        if (_mm512_movepi8_mask(_mm512_or_si512(text, sextets)) != 0) {
            break;
        }
        __m512i pairs = _mm512_maddubs_epi16(sextets, _mm512_set1_epi32(0x01400140));
        __m512i quads = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));
        _mm512_storeu_si512(out, _mm512_permutexvar_epi8(pack, quads));
    }
    return at;
}

/* Where byte i of the groups stands: of each three bytes a b c the word b a c b. */
static const u8 spread_from[64] = {
    1,  0,  2,  1,  4,  3,  5,  4,  7,  6,  8,  7,  10, 9,  11, 10, 13, 12, 14, 13, 16, 15,
    17, 16, 19, 18, 20, 19, 22, 21, 23, 22, 25, 24, 26, 25, 28, 27, 29, 28, 31, 30, 32, 31,
    34, 33, 35, 34, 37, 36, 38, 37, 40, 39, 41, 40, 43, 42, 44, 43, 46, 45, 47, 46,
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Whole groups of three: 48 bytes a step while 64 can be read, then what is left through masks. */
VBMI static isize encode_vbmi(const u8 *in, isize len, u8 *out)
{
    const __m512i spread = _mm512_loadu_si512(spread_from);
    /* First bits of the four sextets of a word: 10, 4, 22, 16; and 32 on for the one behind. */
    const __m512i shifts = _mm512_set1_epi64(0x3036242A1016040A);
    const __m512i letters = _mm512_loadu_si512(alphabet);
    isize at = 0;
    for (; len - at >= 64; at += 48, out += 64) {
        __m512i words = _mm512_permutexvar_epi8(spread, _mm512_loadu_si512(in + at));
        __m512i sextets = _mm512_multishift_epi64_epi8(shifts, words); /* And two bits unused. */
        _mm512_storeu_si512(out, _mm512_permutexvar_epi8(sextets, letters));
    }
    while (len - at >= 3) {
        isize groups = MIN((len - at) / 3, 16);
        __mmask64 read = ~(__mmask64)0 >> (64 - 3 * groups);
        __mmask64 written = ~(__mmask64)0 >> (64 - 4 * groups);
        __m512i words = _mm512_permutexvar_epi8(spread, _mm512_maskz_loadu_epi8(read, in + at));
        __m512i sextets = _mm512_multishift_epi64_epi8(shifts, words);
        _mm512_mask_storeu_epi8(out, written, _mm512_permutexvar_epi8(sextets, letters));
        at += 3 * groups;
        out += 4 * groups;
    }
    return at;
}

isize base64__decode_wide(const u8 *in, isize len, u8 *out)
{
    isize at = has_vbmi ? decode_vbmi(in, len, out) : 0;
    return has_avx2 ? at + decode_avx2(in + at, len - at, out + at / 4 * 3) : at;
}

isize base64__encode_wide(const u8 *in, isize len, u8 *out)
{
    isize at = has_vbmi ? encode_vbmi(in, len, out) : 0;
    return has_avx2 ? at + encode_avx2(in + at, len - at, out + at / 3 * 4) : at;
}

#else

void base64__use(enum base64__width most)
{
    (void)most;
}

isize base64__decode_wide(const u8 *in, isize len, u8 *out)
{
    (void)in, (void)len, (void)out;
    return 0;
}

isize base64__encode_wide(const u8 *in, isize len, u8 *out)
{
    (void)in, (void)len, (void)out;
    return 0;
}
#endif
