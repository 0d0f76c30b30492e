/* func/decimal.c: DECIMAL arithmetic on 128-bit unscaled values, 256 bits in between. */
#include "func/func_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct wide {
    u128 high, low;
};

static const u64 powers[20] = {1ULL,
                               10ULL,
                               100ULL,
                               1000ULL,
                               10000ULL,
                               100000ULL,
                               1000000ULL,
                               10000000ULL,
                               100000000ULL,
                               1000000000ULL,
                               10000000000ULL,
                               100000000000ULL,
                               1000000000000ULL,
                               10000000000000ULL,
                               100000000000000ULL,
                               1000000000000000ULL,
                               10000000000000000ULL,
                               100000000000000000ULL,
                               1000000000000000000ULL,
                               10000000000000000000ULL};

i128 func__pow10(i32 exponent)
{
    CHECK(exponent >= 0 && exponent <= 38);
    return exponent < 20 ? (i128)powers[exponent] : (i128)powers[19] * (i128)powers[exponent - 19];
}

static u128 magnitude(i128 value)
{
    return value < 0 ? -(u128)value : (u128)value;
}

bool func__dec_fits(i128 value, i32 precision)
{
    return magnitude(value) < (u128)func__pow10(MIN(precision, 38));
}

static struct wide wide_mul(u128 a, u128 b)
{
    u64 a0 = (u64)a, a1 = (u64)(a >> 64), b0 = (u64)b, b1 = (u64)(b >> 64);
    u128 p00 = (u128)a0 * b0, p01 = (u128)a0 * b1, p10 = (u128)a1 * b0, p11 = (u128)a1 * b1;
    u128 middle = (p00 >> 64) + (u64)p01 + (u64)p10;
    return (struct wide){p11 + (p01 >> 64) + (p10 >> 64) + (middle >> 64),
                         (middle << 64) | (u64)p00};
}

/* Shift and subtract; quotients over 128 bits are refused. */
static bool wide_div(struct wide n, u128 d, u128 *quotient, u128 *rest)
{
    if (n.high == 0) {
        *quotient = n.low / d;
        *rest = n.low % d;
        return true;
    }
    if (n.high >= d) {
        return false;
    }
    u128 q = 0, r = n.high;
    for (int bit = 127; bit >= 0; bit--) {
        bool carry = (r >> 127) != 0;
        r = (r << 1) | ((n.low >> bit) & 1);
        q <<= 1;
        if (carry || r >= d) {
            r -= d;
            q |= 1;
        }
    }
    *quotient = q;
    *rest = r;
    return true;
}

static bool round_half_up(struct wide n, u128 d, bool is_negative, i128 *out)
{
    u128 q = 0, r = 0;
    if (!wide_div(n, d, &q, &r)) {
        return false;
    }
    if (r >= d - r) {
        q++;
    }
    if (q >= (u128)func__pow10(38)) {
        return false;
    }
    *out = is_negative ? -(i128)q : (i128)q;
    return true;
}

bool func__dec_mul(i128 a, i128 b, i32 drop, i128 *out)
{
    if (drop > 38) {
        *out = 0;
        return true;
    }
    return round_half_up(wide_mul(magnitude(a), magnitude(b)), (u128)func__pow10(drop),
                         (a < 0) != (b < 0), out);
}

bool func__dec_div(i128 a, i128 b, i32 shift, i128 *out)
{
    CHECK(b != 0);
    bool is_negative = (a < 0) != (b < 0);
    if (shift < 0) {
        i128 divisor = 0;
        if (__builtin_mul_overflow(b, func__pow10(MIN(-shift, 38)), &divisor)) {
            *out = 0;
            return true;
        }
        return round_half_up((struct wide){0, magnitude(a)}, magnitude(divisor), is_negative, out);
    }
    if (shift > 38) {
        *out = 0;
        return a == 0;
    }
    return round_half_up(wide_mul(magnitude(a), (u128)func__pow10(shift)), magnitude(b),
                         is_negative, out);
}

bool func__dec_rescale(i128 value, i32 from, i32 to, i128 *out)
{
    if (to == from) {
        *out = value;
        return true;
    }
    if (to > from) {
        if (to - from > 38) {
            *out = 0;
            return value == 0;
        }
        return !__builtin_mul_overflow(value, func__pow10(to - from), out) &&
               func__dec_fits(*out, 38);
    }
    if (from - to > 38) {
        *out = 0;
        return true;
    }
    return round_half_up((struct wide){0, magnitude(value)}, (u128)func__pow10(from - to),
                         value < 0, out);
}

void func__put_dec(struct func_ctx *ctx, struct vec *out, isize row, i128 value)
{
    if (!func__dec_fits(value, out->type->precision)) {
        func__put_null(ctx, out, row);
    } else if (func__is_wide(out->type)) {
        VEC(i128, out)[row] = value;
    } else {
        VEC(i64, out)[row] = (i64)value;
    }
}

void func__dec_format(i128 value, i32 scale, struct buf *out)
{
    char digits[48];
    int at = (int)sizeof digits;
    u128 rest = magnitude(value);
    int count = 0;
    while (rest != 0 || count <= scale) {
        if (count == scale && scale > 0) {
            digits[--at] = '.';
        }
        digits[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
        count++;
    }
    if (value < 0) {
        digits[--at] = '-';
    }
    buf_append_bytes(out, digits + at, (isize)sizeof digits - at);
}

double func__dec_to_double(i128 value, i32 scale)
{
    u128 m = magnitude(value);
    if (m < ((u128)1 << 53) && scale <= 22) {
        double exact = (double)(u64)m / pow(10, scale); /* Both exact: one rounding. */
        return value < 0 ? -exact : exact;
    }
    u8 room[64];
    struct buf text = {.data = room, .capacity = (isize)sizeof room, .limit_bytes = sizeof room};
    func__dec_format(value, scale, &text);
    char cstr[64];
    str_copy_cstr(buf_str(&text), cstr, (isize)sizeof cstr);
    return strtod(cstr, NULL);
}

/* Exponent part "e+12"; false when malformed. Clamped to +-9999. */
static bool parse_exponent(str rest, i32 *out)
{
    bool is_negative = rest.len > 0 && rest.data[0] == '-';
    if (rest.len > 0 && (rest.data[0] == '-' || rest.data[0] == '+')) {
        rest = str_slice(rest, 1, rest.len);
    }
    if (rest.len == 0) {
        return false;
    }
    i32 value = 0;
    for (isize i = 0; i < rest.len; i++) {
        if (rest.data[i] < '0' || rest.data[i] > '9') {
            return false;
        }
        value = MIN(value * 10 + (rest.data[i] - '0'), 9999);
    }
    *out = is_negative ? -value : value;
    return true;
}

/* Digits before the exponent: unscaled value of at most 38 significant digits (the rest rounds),
 * and how many digits stand after the point. */
static bool parse_digits(str text, i128 *value, i32 *scale, isize *used)
{
    i128 v = 0;
    i32 s = 0;
    bool has_digit = false, has_point = false, is_cut = false;
    isize i = 0;
    for (; i < text.len; i++) {
        u8 c = text.data[i];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (c < '0' || c > '9') {
            break;
        }
        has_digit = true;
        if (is_cut || v >= func__pow10(37)) {
            if (!is_cut && c >= '5') {
                v++;
            }
            is_cut = true;
            s -= has_point ? 0 : 1;
            continue;
        }
        v = v * 10 + (c - '0');
        s += has_point ? 1 : 0;
    }
    *value = v;
    *scale = s;
    *used = i;
    return has_digit;
}

bool func__dec_parse(str text, i32 scale, i128 *out)
{
    text = str_trim(text);
    bool is_negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        text = str_slice(text, 1, text.len);
    }
    i128 value = 0;
    i32 own = 0, exponent = 0;
    isize used = 0;
    if (!parse_digits(text, &value, &own, &used)) {
        return false;
    }
    str rest = str_slice(text, used, text.len);
    if (rest.len > 0) {
        if ((rest.data[0] != 'e' && rest.data[0] != 'E') ||
            !parse_exponent(str_slice(rest, 1, rest.len), &exponent)) {
            return false;
        }
    }
    return func__dec_rescale(is_negative ? -value : value, own - exponent, scale, out);
}

bool func__dec_from_double(double value, i32 precision, i32 scale, i128 *out)
{
    if (!isfinite(value)) {
        return false;
    }
    u8 room[64];
    struct buf text = {.data = room, .capacity = (isize)sizeof room, .limit_bytes = sizeof room};
    func__format_double(value, &text);
    return func__dec_parse(buf_str(&text), scale, out) && func__dec_fits(*out, precision);
}

const struct type *func__dec_type(struct arena *arena, i32 precision, i32 scale)
{
    if (precision > TYPE_DECIMAL_PRECISION_MAX) {
        i32 digits = precision - scale;
        i32 kept = MIN(scale, 6);
        scale = MAX(TYPE_DECIMAL_PRECISION_MAX - digits, kept);
        precision = TYPE_DECIMAL_PRECISION_MAX;
    }
    return type_decimal(arena, precision, scale);
}

void func__exact_shape(const struct type *type, i32 *precision, i32 *scale)
{
    static const i32 digits[] = {
        [TYPE_TINYINT] = 3, [TYPE_SMALLINT] = 5, [TYPE_INT] = 10, [TYPE_BIGINT] = 19};
    bool is_int = type_is_integer(type);
    *precision = is_int ? digits[type->kind] : type->precision;
    *scale = is_int ? 0 : type->scale;
}
