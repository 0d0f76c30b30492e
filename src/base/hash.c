/* base/hash.c: XXH3; CRC-32C by instruction in three interleaved lanes, by table elsewhere. */
#include "base/hash.h"
#include "base/buf.h"

#include <xxhash.h>

#define LANE_BYTES ((isize)4096)

static u32 table[256];
static u32
    shift_table[4][256]; /* Advances a CRC over LANE_BYTES zero bytes, byte by byte of the CRC. */
static bool has_instruction;

static u32 crc_table(u32 crc, const u8 *p, isize bytes)
{
    for (isize i = 0; i < bytes; i++) {
        crc = (crc >> 8) ^ table[(crc ^ p[i]) & 0xFF];
    }
    return crc;
}

__attribute__((constructor)) static void tables_init(void)
{
    for (u32 i = 0; i < 256; i++) {
        u32 crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82F63B78U & (0 - (crc & 1)));
        }
        table[i] = crc;
    }
    /* The map of "LANE_BYTES zero bytes later" is linear: make it for single bits, then bytes. */
    u32 bits[32];
    for (int bit = 0; bit < 32; bit++) {
        u32 crc = 1U << bit;
        for (int i = 0; i < LANE_BYTES; i++) {
            crc = (crc >> 8) ^ table[crc & 0xFF];
        }
        bits[bit] = crc;
    }
    for (int byte = 0; byte < 4; byte++) {
        for (u32 value = 0; value < 256; value++) {
            u32 crc = 0;
            for (int bit = 0; bit < 8; bit++) {
                crc ^= (value >> bit) & 1 ? bits[byte * 8 + bit] : 0;
            }
            shift_table[byte][value] = crc;
        }
    }
#ifdef __x86_64__
    has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

#ifdef __x86_64__
static u32 lane_shift(u32 crc)
{
    return shift_table[0][crc & 0xFF] ^ shift_table[1][(crc >> 8) & 0xFF] ^
           shift_table[2][(crc >> 16) & 0xFF] ^ shift_table[3][crc >> 24];
}

__attribute__((target("sse4.2"))) static u32 crc_instruction(u32 crc, const u8 *p, isize bytes)
{
    while (bytes >= 3 * LANE_BYTES) {
        u64 a = crc, b = 0, c = 0;
        for (isize i = 0; i < LANE_BYTES; i += 8) {
            a = __builtin_ia32_crc32di(a, get_u64(p + i));
            b = __builtin_ia32_crc32di(b, get_u64(p + LANE_BYTES + i));
            c = __builtin_ia32_crc32di(c, get_u64(p + 2 * LANE_BYTES + i));
        }
        crc = lane_shift(lane_shift((u32)a) ^ (u32)b) ^ (u32)c;
        p += 3 * LANE_BYTES;
        bytes -= 3 * LANE_BYTES;
    }
    u64 wide = crc;
    for (; bytes >= 8; p += 8, bytes -= 8) {
        wide = __builtin_ia32_crc32di(wide, get_u64(p));
    }
    crc = (u32)wide;
    for (; bytes > 0; p++, bytes--) {
        crc = __builtin_ia32_crc32qi(crc, *p);
    }
    return crc;
}
#endif

u32 crc32c(u32 crc, const void *data, isize bytes)
{
#ifdef __x86_64__
    if (has_instruction) {
        return ~crc_instruction(~crc, data, bytes);
    }
#endif
    return ~crc_table(~crc, data, bytes);
}

u64 hash64(const void *data, isize bytes, u64 seed)
{
    return XXH3_64bits_withSeed(data, (size_t)bytes, seed);
}
