/* base/str.c: borrowed strings. */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

enum { DISTANCE_NAME_MAX = 64, NUMBER_TEXT_MAX = 400 };

static u8 fold(u8 c)
{
    return c >= 'A' && c <= 'Z' ? (u8)(c + 32) : c;
}

static bool is_blank(u8 c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int str_cmp(str a, str b)
{
    isize common = MIN(a.len, b.len);
    int order = common == 0 ? 0 : memcmp(a.data, b.data, (size_t)common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Eight bytes at once: those from 'A' to 'Z' get the bit of lower case. */
static u64 fold_8(const u8 *bytes)
{
    const u64 ones = 0x0101010101010101ULL, tops = ones << 7;
    u64 word;
    memcpy(&word, bytes, sizeof word);
    u64 low = word & ~tops;
    u64 is_from_a = low + ones * (0x80 - 'A');
    u64 is_past_z = low + ones * (0x7F - 'Z');
    u64 is_upper = ~word & (is_from_a ^ is_past_z) & tops;
    return word | is_upper >> 2;
}

bool str__same_nocase(const u8 *a, const u8 *b, isize bytes)
{
    isize at = 0;
    for (; bytes - at >= 8; at += 8) {
        if (fold_8(a + at) != fold_8(b + at)) {
            return false;
        }
    }
    if (at > 0 && at < bytes) { /* The last eight, some of them again. */
        return fold_8(a + bytes - 8) == fold_8(b + bytes - 8);
    }
    for (; at < bytes; at++) {
        if (fold(a[at]) != fold(b[at])) {
            return false;
        }
    }
    return true;
}

bool str_starts(str s, str prefix)
{
    return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_starts_nocase(str s, str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends(str s, str suffix)
{
    return s.len >= suffix.len && str_eq(str_slice(s, s.len - suffix.len, s.len), suffix);
}

isize str_find(str s, str needle, isize from)
{
    if (from < 0 || from > s.len || needle.len > s.len - from) {
        return -1;
    }
    if (needle.len == 0) {
        return from;
    }
    if (needle.len == 1) {
        return str_find_byte(s, needle.data[0], from);
    }
    const u8 *at = memmem(s.data + from, (size_t)(s.len - from), needle.data, (size_t)needle.len);
    return at == NULL ? -1 : at - s.data;
}

isize str_rfind_byte(str s, u8 byte)
{
    const u8 *at = s.len == 0 ? NULL : memrchr(s.data, byte, (size_t)s.len);
    return at == NULL ? -1 : at - s.data;
}

str str_trim(str s)
{
    isize from = 0, to = s.len;
    while (from < to && is_blank(s.data[from])) {
        from++;
    }
    while (to > from && is_blank(s.data[to - 1])) {
        to--;
    }
    return str_slice(s, from, to);
}

err str_to_u64(str s, u64 *out)
{
    if (s.len == 0) {
        return ERR_SYNTAX;
    }
    u64 value = 0;
    bool is_too_large = false;
    for (isize i = 0; i < s.len; i++) {
        u8 digit = (u8)(s.data[i] - '0');
        if (digit > 9) {
            return ERR_SYNTAX;
        }
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            is_too_large = true;
        }
    }
    if (is_too_large) {
        return ERR_RANGE;
    }
    *out = value;
    return OK;
}

err str_to_i64(str s, i64 *out)
{
    bool is_negative = s.len > 0 && s.data[0] == '-';
    if (is_negative || (s.len > 0 && s.data[0] == '+')) {
        s = str_slice(s, 1, s.len);
    }
    u64 value;
    TRY(str_to_u64(s, &value));
    if (value > (u64)INT64_MAX + is_negative) {
        return ERR_RANGE;
    }
    *out = is_negative ? (i64)(0 - value) : (i64)value;
    return OK;
}

err str_to_f64(str s, double *out)
{
    char text[NUMBER_TEXT_MAX];
    if (s.len == 0 || is_blank(s.data[0])) {
        return ERR_SYNTAX;
    }
    if (s.len >= NUMBER_TEXT_MAX) {
        return ERR_RANGE;
    }
    for (isize i = 0; i < s.len; i++) {
        u8 c = fold(s.data[i]);
        bool is_part = (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == '+' || c == '-';
        if (!is_part) {
            return ERR_SYNTAX;
        }
    }
    str_copy_cstr(s, text, NUMBER_TEXT_MAX);
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (*end != '\0') {
        return ERR_SYNTAX;
    }
    if (errno == ERANGE && (value > 1 || value < -1)) {
        return ERR_RANGE;
    }
    *out = value;
    return OK;
}

void str_copy_cstr(str s, char *out, isize capacity)
{
    CHECK(capacity > 0);
    isize len = MIN(s.len, capacity - 1);
    if (len > 0) {
        memcpy(out, s.data, (size_t)len);
    }
    out[len] = '\0';
}

/* Bytes of the sequence that begins at p (end - p >= 1), 0 when it is not valid. */
static isize utf8_sequence(const u8 *p, const u8 *end)
{
    u8 first = p[0];
    if (first < 0x80) {
        return 1;
    }
    isize count = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || end - p < count) {
        return 0;
    }
    u8 low = 0x80, high = 0xBF;
    if (first == 0xE0) {
        low = 0xA0;
    } else if (first == 0xED) {
        high = 0x9F;
    } else if (first == 0xF0) {
        low = 0x90;
    } else if (first == 0xF4) {
        high = 0x8F;
    }
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (isize i = 2; i < count; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return count;
}

isize str_utf8_end(str s)
{
    const u8 *p = s.data, *end = s.data + s.len;
    while (p < end) {
        u64 word;
        if (end - p >= 8) {
            memcpy(&word, p, 8);
            if ((word & 0x8080808080808080ULL) == 0) {
                p += 8;
                continue;
            }
        }
        isize count = utf8_sequence(p, end);
        if (count == 0) {
            break;
        }
        p += count;
    }
    return p - s.data;
}

bool str_is_utf8(str s)
{
    return str_utf8_end(s) == s.len;
}

/* Optimal string alignment: Levenshtein plus swaps of neighbours. */
int str_distance(str a, str b)
{
    if (a.len > DISTANCE_NAME_MAX || b.len > DISTANCE_NAME_MAX) {
        return 999;
    }
    int rows[3][DISTANCE_NAME_MAX + 1];
    for (int j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (int i = 1; i <= a.len; i++) {
        int *now = rows[i % 3], *before = rows[(i + 2) % 3], *twice = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= b.len; j++) {
            u8 x = fold(a.data[i - 1]), y = fold(b.data[j - 1]);
            int best = before[j - 1] + (x != y);
            best = MIN(best, MIN(before[j], now[j - 1]) + 1);
            bool is_swap = i > 1 && j > 1 && x == fold(b.data[j - 2]) && y == fold(a.data[i - 2]);
            if (is_swap) {
                best = MIN(best, twice[j - 2] + 1);
            }
            now[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}
