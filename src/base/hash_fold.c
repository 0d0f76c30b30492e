/*
 * base/hash_fold.c: CRC-32 (IEEE) and CRC-64/NVME by carry-less multiplication where
 * the CPU has it.
 *
 * Folding: a block of 128 bits that stands D bits before another may be replaced by
 * its product with x^D modulo the polynomial, added to that other one. Both CRCs are
 * reflected: bit i of a word is x^(63 - i), and the product of two such words comes out
 * as that of the polynomials times x; so the constants are x^(D - 1). What is left in
 * the end, 16 bytes, goes through the table.
 */
#include "base/buf.h"
#include "base/hash.h"

#include <zlib.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define POLYNOMIAL_32 ((u64)0xEDB88320U)
#define POLYNOMIAL_64 0x9A6C9329AC4BC9B5ULL

enum { FOLD_BYTES_MIN = 128, LANES = 4, BLOCK_BYTES = 16 };

static u64 table_64[256];

struct fold {
    u64 far_low, far_high;   /* Over LANES blocks. */
    u64 near_low, near_high; /* Over one. */
};
static struct fold fold_32, fold_64;
static bool has_instruction;

/* x^n modulo the polynomial, its highest bit at bit 63 of the word. */
static u64 power_of_x(int n, u64 polynomial, int width)
{
    u64 value = 1ULL << (width - 1);
    for (int i = 0; i < n; i++) {
        value = value & 1 ? (value >> 1) ^ polynomial : value >> 1;
    }
    return value << (64 - width);
}

static void fold_init(struct fold *fold, u64 polynomial, int width)
{
    const int block = 8 * BLOCK_BYTES, half = block / 2;
    fold->far_low = power_of_x(LANES * block + half - 1, polynomial, width);
    fold->far_high = power_of_x(LANES * block - 1, polynomial, width);
    fold->near_low = power_of_x(block + half - 1, polynomial, width);
    fold->near_high = power_of_x(block - 1, polynomial, width);
}

__attribute__((constructor)) static void tables_init(void)
{
    for (u32 i = 0; i < 256; i++) {
        u64 crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL_64 : crc >> 1;
        }
        table_64[i] = crc;
    }
    fold_init(&fold_32, POLYNOMIAL_32, 32);
    fold_init(&fold_64, POLYNOMIAL_64, 64);
#ifdef __x86_64__
    has_instruction = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2");
#endif
}

#ifdef __x86_64__
__attribute__((target("pclmul,sse4.2"))) static __m128i folded(__m128i block, __m128i constants,
                                                               __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(block, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(block, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

static __m128i load(const u8 *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Folds whole blocks into `out`, with the state `crc` before them; returns the bytes used. */
__attribute__((target("pclmul,sse4.2"))) static isize fold(const struct fold *constants, u64 crc,
                                                           const u8 *p, isize bytes, u8 *out)
{
    __m128i far = _mm_set_epi64x((i64)constants->far_high, (i64)constants->far_low);
    __m128i near = _mm_set_epi64x((i64)constants->near_high, (i64)constants->near_low);
    __m128i lanes[LANES];
    for (int i = 0; i < LANES; i++) {
        lanes[i] = load(p + i * BLOCK_BYTES);
    }
    lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, (i64)crc));
    isize at = LANES * BLOCK_BYTES;
    for (; bytes - at >= LANES * BLOCK_BYTES; at += LANES * BLOCK_BYTES) {
        for (int i = 0; i < LANES; i++) {
            lanes[i] = folded(lanes[i], far, load(p + at + i * BLOCK_BYTES));
        }
    }
    __m128i rest = lanes[0];
    for (int i = 1; i < LANES; i++) {
        rest = folded(rest, near, lanes[i]);
    }
    _mm_storeu_si128((__m128i *)(void *)out, rest);
    return at;
}
#endif

u32 crc32_ieee(u32 crc, const void *data, isize bytes)
{
    const u8 *p = data;
#ifdef __x86_64__
    if (has_instruction && bytes >= FOLD_BYTES_MIN) {
        u8 rest[BLOCK_BYTES];
        isize used = fold(&fold_32, (u32)~crc, p, bytes, rest);
        crc = (u32)crc32_z(UINT32_MAX, rest, BLOCK_BYTES); /* Its state starts with zero. */
        p += used;
        bytes -= used;
    }
#endif
    return (u32)crc32_z(crc, p, (size_t)bytes);
}

static u64 crc64_table(u64 state, const u8 *p, isize bytes)
{
    for (isize i = 0; i < bytes; i++) {
        state = (state >> 8) ^ table_64[(state ^ p[i]) & 0xFF];
    }
    return state;
}

u64 crc64_nvme(u64 crc, const void *data, isize bytes)
{
    const u8 *p = data;
    u64 state = ~crc;
#ifdef __x86_64__
    if (has_instruction && bytes >= FOLD_BYTES_MIN) {
        u8 rest[BLOCK_BYTES];
        isize used = fold(&fold_64, state, p, bytes, rest);
        state = crc64_table(0, rest, BLOCK_BYTES);
        p += used;
        bytes -= used;
    }
#endif
    return ~crc64_table(state, p, bytes);
}
