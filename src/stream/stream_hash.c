/*
 * stream/stream_hash.c: hash keys, sequence numbers, shard names.
 *
 * A sequence number is 188 bits of hex digits, shown in decimal (56 digits):
 *
 *   2 | shard created, s (9) | shard & 15 (1) | index (16) | 00 | arrival, s (9) | shard (8) | 2
 *
 * so the index starts at bit 80 of the lower half; see docs/services/kinesis.md.
 */
#include "stream/stream_int.h"

/* The functions of version 1: a key of some bytes takes them half the time of EVP. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#define POW10_19 10000000000000000000ULL
#define POW10_18 1000000000000000000ULL

u128 stream_hash_key(str partition_key)
{
    u8 digest[MD5_DIGEST_LENGTH];
    MD5_CTX md5;
    CHECK(MD5_Init(&md5) == 1);
    CHECK(MD5_Update(&md5, partition_key.data, (size_t)partition_key.len) == 1);
    CHECK(MD5_Final(digest, &md5) == 1);
    u64 high = __builtin_bswap64(get_u64(digest));
    u64 low = __builtin_bswap64(get_u64(digest + 8));
    return ((u128)high << 64) | low;
}

err stream_hash_parse(str text, u128 *out)
{
    if (text.len < 1 || text.len > 39 || (text.data[0] == '0' && text.len > 1)) {
        return text.len > 39 ? ERR_RANGE : ERR_SYNTAX;
    }
    u128 value = 0;
    const u128 max = ~(u128)0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c < '0' || c > '9') {
            return ERR_SYNTAX;
        }
        u128 digit = (u128)(c - '0');
        if (value > (max - digit) / 10) {
            return ERR_RANGE;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return OK;
}

/* Exactly 8 digits, a byte each, the first in the lowest, divided all at once: two numbers of 4
 * digits in one word, then four of 2. */
static u64 digits_of(u32 value)
{
    u64 fours = (u64)(value / 10000) | (u64)(value % 10000) << 32;
    u64 hundreds = (fours * 10486 >> 20) & 0x0000007f0000007fULL;
    u64 twos = hundreds | (fours - hundreds * 100) << 16;
    u64 tens = (twos * 103 >> 10) & 0x000f000f000f000fULL;
    return tens | (twos - tens * 10) << 8;
}

static void put_8_digits(char *out, u32 value)
{
    put_u64((u8 *)out, digits_of(value) + 0x3030303030303030ULL);
}

/* As struct stream_sequences keeps them: the first in the highest byte. */
static u64 eight_of(u64 value)
{
    return __builtin_bswap64(digits_of((u32)(value % 100000000)));
}

/* Exactly 19 digits, ending before `end`. */
static void put_19_digits(char *end, u64 value)
{
    u64 rest = value / 100000000;
    u32 top = (u32)(rest / 100000000);
    put_8_digits(end - 8, (u32)(value % 100000000));
    put_8_digits(end - 16, (u32)(rest % 100000000));
    end[-17] = (char)('0' + top % 10);
    end[-18] = (char)('0' + top / 10 % 10);
    end[-19] = (char)('0' + top / 100);
}

/*
 * (high:low) / 10^19 by two multiplications (Moeller and Granlund 2011, algorithm 4), where the
 * compiler would call __udivti3. 10^19 has its top bit set; high < 10^19.
 */
static u64 divide_by_10_19(u64 high, u64 low, u64 *rest_out)
{
    const u64 reciprocal = (u64)(~(u128)0 / POW10_19); /* Less 2^64. */
    u128 guess = (u128)reciprocal * high + (((u128)high << 64) | low);
    u64 quotient = (u64)(guess >> 64) + 1;
    u64 rest = low - quotient * POW10_19;
    if (rest > (u64)guess) {
        quotient--;
        rest += POW10_19;
    }
    if (UNLIKELY(rest >= POW10_19)) {
        quotient++;
        rest -= POW10_19;
    }
    *rest_out = rest;
    return quotient;
}

isize stream_hash_format(u128 hash, char *out)
{
    char digits[3 * 19];
    for (int i = 3; i > 0; i--) {
        put_19_digits(digits + (isize)19 * i, (u64)(hash % POW10_19));
        hash /= POW10_19;
    }
    isize start = 0;
    while (start < COUNT_OF(digits) - 1 && digits[start] == '0') {
        start++;
    }
    isize length = COUNT_OF(digits) - start;
    memcpy(out, digits + start, (size_t)length);
    out[length] = '\0';
    return length;
}

void stream_sequences_begin(const struct stream_sequence *first, struct stream_sequences *out)
{
    u64 created = (u64)first->shard_created_s & 0xfffffffffULL;
    u64 arrival = (u64)first->arrival_s & 0xfffffffffULL;
    u64 shard = first->shard;
    /* From the low end: version 4 bits, shard 32, arrival 36, behind 8, index 64, nibble 4. */
    u128 low = (u128)2 | ((u128)shard << 4) | ((u128)arrival << 36) |
               ((u128)first->is_behind << 72) | ((u128)first->index << 80);
    u64 high = (first->index >> 48) | ((shard & 15) << 16) | (created << 20) | (2ULL << 56);
    /* Long division of the three limbs by 10^19, twice. The quotients' high limbs are below it. */
    u64 middle, bottom, rest; /* 19 digits each. */
    u64 quotient_high = divide_by_10_19(high, (u64)(low >> 64), &rest);
    u64 quotient_low = divide_by_10_19(rest, (u64)low, &bottom);
    u64 top = divide_by_10_19(quotient_high, quotient_low, &middle);
    CHECK(top < POW10_18);
    put_8_digits(out->front, (u32)(top / 10000000000));
    put_8_digits(out->front + 8, (u32)(top / 100 % 100000000));
    put_8_digits(out->front + 16, (u32)(top % 100 * 1000000 + middle / 10000000000000));
    out->eights[0] = eight_of(middle / 100000);
    out->eights[1] = eight_of(middle % 100000 * 1000 + bottom / 10000000000000000);
    out->eights[2] = eight_of(bottom / 100000000);
    out->eights[3] = eight_of(bottom);
}

/* Adds one to a number in text. */
static void carry_into(char *digits, isize count)
{
    isize at = count - 1;
    for (; digits[at] == '9'; at--) {
        digits[at] = '0';
    }
    digits[at]++;
}

void stream_sequences_next(struct stream_sequences *s, char *out)
{
    /* The index begins at bit 80: to the next one it is 2^80, 1 20892581 96146291 74706176. */
    static const u64 steps[COUNT_OF(s->eights)] = {0x0000000000000001, 0x0200080902050801,
                                                   0x0906010406020901, 0x0704070006010706};
    /* With 246 more a digit of 10 leaves its byte and carries; the others get theirs back. */
    static const u64 over = 0xf6f6f6f6f6f6f6f6, ones = 0x0101010101010101;
    memcpy(out, s->front, sizeof s->front);
    out += sizeof s->front;
    bool carry = false;
    for (int i = COUNT_OF(steps) - 1; i >= 0; i--) {
        u64 digits = s->eights[i], sum;
        put_u64((u8 *)out + (isize)8 * i, __builtin_bswap64(digits | 0x3030303030303030ULL));
        carry = __builtin_add_overflow(digits, steps[i] + over + carry, &sum);
        s->eights[i] = sum - (sum >> 7 & ones) * 0xf6;
    }
    if (UNLIKELY(carry)) {
        carry_into(s->front, sizeof s->front);
    }
}

void stream_sequence_format(const struct stream_sequence *sequence, char *out)
{
    struct stream_sequences one;
    stream_sequences_begin(sequence, &one);
    stream_sequences_next(&one, out);
    out[STREAM_SEQUENCE_DIGITS] = '\0';
}

err stream_sequence_parse(str text, struct stream_sequence *out)
{
    if (text.len != STREAM_SEQUENCE_DIGITS) {
        return ERR_SYNTAX;
    }
    u64 high = 0;
    u128 low = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c < '0' || c > '9') {
            return ERR_SYNTAX;
        }
        u128 bottom = (u128)(u64)low * 10 + (u64)(c - '0');
        u128 middle = (low >> 64) * 10 + (bottom >> 64);
        low = (middle << 64) | (u64)bottom;
        high = high * 10 + (u64)(middle >> 64); /* 56 digits are below 2^187. */
    }
    u64 shard = (u64)(low >> 4) & 0xffffffffULL;
    u64 index = (u64)(low >> 80) | (high & 0xffff) << 48;
    if ((high >> 56) != 2 || ((u64)low & 15) != 2 || ((high >> 16) & 15) != (shard & 15)) {
        return ERR_SYNTAX;
    }
    if (index > INT64_MAX) {
        return ERR_SYNTAX;
    }
    out->shard_created_s = (i64)((high >> 20) & 0xfffffffffULL);
    out->index = index;
    out->arrival_s = (i64)((u64)(low >> 36) & 0xfffffffffULL);
    out->shard = (u32)shard;
    out->is_behind = (u8)(low >> 72) != 0;
    return OK;
}

err stream_shard_parse(str text, u32 *index_out)
{
    const str prefix = STR("shardId-");
    if (text.len != prefix.len + 12 || !str_starts(text, prefix)) {
        return ERR_SYNTAX;
    }
    u64 value = 0;
    TRY(str_to_u64(str_slice(text, prefix.len, text.len), &value));
    if (value > INT32_MAX) {
        return ERR_SYNTAX;
    }
    *index_out = (u32)value;
    return OK;
}

void stream_shard_format(u32 index, char *out)
{
    memcpy(out, "shardId-000000000000", 21);
    for (char *p = out + 19; index > 0; p--) {
        *p = (char)('0' + index % 10);
        index /= 10;
    }
}
