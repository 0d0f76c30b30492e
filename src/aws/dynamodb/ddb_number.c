/* aws/dynamodb/ddb_number.c: decimal numbers as digits and an exponent. */
#include "aws/dynamodb/ddb_number.h"

enum {
    EXPONENT_MIN = -129,
    EXPONENT_MAX = 126,
    EXPONENT_TEXT_MAX = 100000000, /* Beyond it more digits change nothing. */
    /* For sums: weights from 10^126 (a carry) down to the last digit of the smallest number. */
    WEIGHT_MAX = 126,
    PLACES = WEIGHT_MAX + 1 + 130 + DDB_DIGITS_MAX,
};

/* --- text ---------------------------------------------------------------------------------- */

/* Takes digits into the number, without leading zeros; false when there are none. */
struct digits {
    struct ddb_number *number;
    isize significant; /* May pass what the number holds. */
    isize zeros;       /* At the end, not yet taken. */
    isize before_point, leading;
    bool has_any;
};

static void digit_add(struct digits *d, u8 digit, bool is_fraction)
{
    d->has_any = true;
    bool is_leading = d->significant == 0 && d->zeros == 0 && digit == 0;
    if (is_leading) {
        d->leading += is_fraction;
        return;
    }
    d->before_point += !is_fraction;
    if (digit == 0) {
        d->zeros++;
        return;
    }
    for (; d->zeros > 0; d->zeros--) {
        if (d->significant < DDB_DIGITS_MAX) {
            d->number->digits[d->significant] = 0;
        }
        d->significant++;
    }
    if (d->significant < DDB_DIGITS_MAX) {
        d->number->digits[d->significant] = digit;
    }
    d->significant++;
}

static bool exponent_take(str text, isize at, i64 *out)
{
    bool is_negative = at < text.len && text.data[at] == '-';
    at += at < text.len && (text.data[at] == '-' || text.data[at] == '+');
    if (at == text.len) {
        return false;
    }
    i64 value = 0;
    for (; at < text.len; at++) {
        u8 digit = (u8)(text.data[at] - '0');
        if (digit > 9) {
            return false;
        }
        value = MIN(value * 10 + digit, EXPONENT_TEXT_MAX);
    }
    *out = is_negative ? -value : value;
    return true;
}

enum ddb_number_fault ddb_number_parse(str text, struct ddb_number *out)
{
    *out = (struct ddb_number){0};
    struct digits d = {.number = out};
    isize at = 0;
    out->is_negative = text.len > 0 && text.data[0] == '-';
    at += text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool is_fraction = false;
    for (; at < text.len && (text.data[at] | 0x20) != 'e'; at++) {
        u8 c = text.data[at];
        if (c == '.' && !is_fraction) {
            is_fraction = true;
        } else if ((u8)(c - '0') <= 9) {
            digit_add(&d, (u8)(c - '0'), is_fraction);
        } else {
            return DDB_NUMBER_SYNTAX;
        }
    }
    i64 exponent = 0;
    if (!d.has_any || (at < text.len && !exponent_take(text, at + 1, &exponent))) {
        return DDB_NUMBER_SYNTAX;
    }
    if (d.significant == 0) {
        *out = (struct ddb_number){0};
        return DDB_NUMBER_OK;
    }
    exponent += d.before_point > 0 ? d.before_point : -d.leading;
    if (exponent > EXPONENT_MAX) {
        return DDB_NUMBER_OVERFLOW;
    }
    if (exponent < EXPONENT_MIN) {
        return DDB_NUMBER_UNDERFLOW;
    }
    if (d.significant > DDB_DIGITS_MAX) {
        return DDB_NUMBER_DIGITS;
    }
    out->count = (u8)d.significant;
    out->exponent = (i16)exponent;
    return DDB_NUMBER_OK;
}

isize ddb_number_write(const struct ddb_number *n, char out[DDB_NUMBER_TEXT_MAX])
{
    isize len = 0;
    if (n->count == 0) {
        out[0] = '0';
        return 1;
    }
    if (n->is_negative) {
        out[len++] = '-';
    }
    if (n->exponent <= 0) {
        out[len++] = '0';
        out[len++] = '.';
        for (int i = n->exponent; i < 0; i++) {
            out[len++] = '0';
        }
    }
    for (int i = 0; i < n->count; i++) {
        if (i > 0 && i == n->exponent) {
            out[len++] = '.';
        }
        out[len++] = (char)('0' + n->digits[i]);
    }
    for (int i = n->count; i < n->exponent; i++) {
        out[len++] = '0';
    }
    CHECK(len <= DDB_NUMBER_TEXT_MAX);
    return len;
}

/* --- order --------------------------------------------------------------------------------- */

static int magnitude_cmp(const struct ddb_number *a, const struct ddb_number *b)
{
    if (a->exponent != b->exponent) {
        return a->exponent < b->exponent ? -1 : 1;
    }
    int order = memcmp(a->digits, b->digits, MIN(a->count, b->count));
    return order != 0 ? order : a->count - b->count;
}

int ddb_number_cmp(const struct ddb_number *a, const struct ddb_number *b)
{
    int sign_a = a->count == 0 ? 0 : (a->is_negative ? -1 : 1);
    int sign_b = b->count == 0 ? 0 : (b->is_negative ? -1 : 1);
    if (sign_a != sign_b || sign_a == 0) {
        return sign_a - sign_b;
    }
    return sign_a * magnitude_cmp(a, b);
}

/* Sign, exponent, pairs of digits plus one, 0; all but the sign inverted when negative. */
isize ddb_number_key(const struct ddb_number *n, u8 out[DDB_NUMBER_KEY_MAX])
{
    if (n->count == 0) {
        out[0] = 0x80;
        return 1;
    }
    isize len = 0;
    u8 flip = n->is_negative ? 0xFF : 0;
    out[len++] = n->is_negative ? 0x01 : 0xFF;
    out[len++] = (u8)(n->exponent - EXPONENT_MIN) ^ flip;
    for (int i = 0; i < n->count; i += 2) {
        int low = i + 1 < n->count ? n->digits[i + 1] : 0;
        out[len++] = (u8)(n->digits[i] * 10 + low + 1) ^ flip;
    }
    out[len++] = flip;
    CHECK(len <= DDB_NUMBER_KEY_MAX);
    return len;
}

/* --- sums ---------------------------------------------------------------------------------- */

/* The digits, each at its place: place p has weight 10^(WEIGHT_MAX - p). */
static void spread(const struct ddb_number *n, u8 places[PLACES])
{
    memset(places, 0, PLACES);
    for (int i = 0; i < n->count; i++) {
        places[WEIGHT_MAX - (n->exponent - 1 - i)] = n->digits[i];
    }
}

static enum ddb_number_fault gather(const u8 places[PLACES], bool is_negative,
                                    struct ddb_number *out)
{
    int first = 0, last = PLACES - 1;
    while (first < PLACES && places[first] == 0) {
        first++;
    }
    *out = (struct ddb_number){0};
    if (first == PLACES) {
        return DDB_NUMBER_OK;
    }
    while (places[last] == 0) {
        last--;
    }
    int exponent = WEIGHT_MAX - first + 1;
    if (exponent > EXPONENT_MAX) {
        return DDB_NUMBER_OVERFLOW;
    }
    if (exponent < EXPONENT_MIN) {
        return DDB_NUMBER_UNDERFLOW;
    }
    if (last - first + 1 > DDB_DIGITS_MAX) {
        return DDB_NUMBER_DIGITS;
    }
    out->is_negative = is_negative;
    out->exponent = (i16)exponent;
    out->count = (u8)(last - first + 1);
    memcpy(out->digits, places + first, out->count);
    return DDB_NUMBER_OK;
}

enum ddb_number_fault ddb_number_add(const struct ddb_number *a, const struct ddb_number *b,
                                     bool is_minus, struct ddb_number *out)
{
    bool b_is_negative = b->is_negative != is_minus;
    bool is_difference = a->is_negative != b_is_negative;
    bool is_swapped = b->count > 0 && (a->count == 0 || magnitude_cmp(a, b) < 0);
    u8 large[PLACES], small[PLACES];
    spread(is_swapped ? b : a, large);
    spread(is_swapped ? a : b, small);
    int carry = 0;
    for (int p = PLACES - 1; p >= 0; p--) {
        int sum = large[p] + (is_difference ? -small[p] : small[p]) + carry;
        carry = sum < 0 ? -1 : sum / 10;
        large[p] = (u8)(sum - carry * 10);
    }
    CHECK(carry == 0);
    return gather(large, is_swapped ? b_is_negative : a->is_negative, out);
}

isize ddb_number_bytes(const struct ddb_number *n)
{
    return n->count == 0 ? 1 : (n->count + 1) / 2 + 1 + n->is_negative;
}
