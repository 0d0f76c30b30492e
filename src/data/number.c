/* data/number.c: numbers and times as Flink writes them. */
#include "data/number.h"

#include "base/cal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 17 };

void number_layout_java(const char *digits, int count, int exponent, struct buf *out)
{
    CHECK(count > 0);
    if (exponent < -3 || exponent >= 7) {
        buf_append_byte(out, (u8)digits[0]);
        buf_append_byte(out, '.');
        buf_append(out, count > 1 ? str_from(digits + 1, count - 1) : STR("0"));
        buf_append_byte(out, 'E');
        buf_append_i64(out, exponent);
        return;
    }
    if (exponent < 0) {
        buf_append(out, STR("0."));
        buf_append_fill(out, '0', -exponent - 1);
        buf_append_bytes(out, digits, count);
        return;
    }
    for (int i = 0; i <= exponent; i++) {
        buf_append_byte(out, (u8)(i < count ? digits[i] : '0'));
    }
    buf_append_byte(out, '.');
    bool has_more = count > exponent + 1;
    buf_append(out, has_more ? str_from(digits + exponent + 1, count - exponent - 1) : STR("0"));
}

/* NaN, infinities and zeros; false for any other number. */
static bool put_special(double value, struct buf *out)
{
    if (isnan(value)) {
        buf_append(out, STR("NaN"));
    } else if (isinf(value)) {
        buf_append(out, value > 0 ? STR("Infinity") : STR("-Infinity"));
    } else if (value == 0) {
        buf_append(out, signbit(value) ? STR("-0.0") : STR("0.0"));
    } else {
        return false;
    }
    return true;
}

/* Prints "d.ddde+x" with this many digits behind the point; true when it reads back the same. */
static bool print_digits(double magnitude, bool is_float, int precision, char *text,
                         size_t capacity)
{
    (void)snprintf(text, capacity, "%.*e", precision, magnitude);
    return is_float ? strtof(text, NULL) == (float)magnitude : strtod(text, NULL) == magnitude;
}

/* "d.ddde+x" with the fewest digits, two at least, and perhaps zeros behind them, that read back as
 * the same number. Numbers that 15 digits (6 of a float) describe have them exactly, with zeros
 * behind; those near the smallest ones are less precise and are tried one by one. */
static void shortest(double magnitude, bool is_float, char *text, size_t capacity)
{
    bool is_normal = magnitude > (is_float ? 1e-36 : 1e-300);
    int precision = !is_normal ? 1 : is_float ? 5 : 14;
    while (!print_digits(magnitude, is_float, precision, text, capacity) &&
           precision < DIGITS_MAX) {
        precision++;
    }
}

static void put_real(double value, bool is_float, struct buf *out)
{
    if (put_special(value, out)) {
        return;
    }
    char text[40], digits[24] = "";
    shortest(fabs(value), is_float, text, sizeof text);
    int count = 0;
    const char *c = text;
    for (; *c != 'e' && *c != '\0'; c++) {
        if (*c != '.') {
            digits[count++] = *c;
        }
    }
    int exponent = *c == 'e' ? (int)strtol(c + 1, NULL, 10) : 0;
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    if (value < 0) {
        buf_append_byte(out, '-');
    }
    number_layout_java(digits, count, exponent, out);
}

void number_format_double(double value, struct buf *out)
{
    put_real(value, false, out);
}

void number_format_float(float value, struct buf *out)
{
    put_real((double)value, true, out);
}

/* Digits of the magnitude, most significant first, into text[40]; returns how many. */
static int digits_of(i128 value, char *text)
{
    u128 rest = value < 0 ? 0 - (u128)value : (u128)value;
    char reversed[40];
    int count = 0;
    do {
        reversed[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest > 0);
    for (int i = 0; i < count; i++) {
        text[i] = reversed[count - 1 - i];
    }
    return count;
}

void number_format_i128(i128 value, struct buf *out)
{
    number_format_decimal(value, 0, out);
}

void number_format_decimal(i128 unscaled, i32 scale, struct buf *out)
{
    char digits[40];
    int count = digits_of(unscaled, digits);
    if (unscaled < 0) {
        buf_append_byte(out, '-');
    }
    int whole = count - scale;
    if (whole > 0) {
        buf_append_bytes(out, digits, whole);
    } else {
        buf_append_byte(out, '0');
    }
    if (scale > 0) {
        buf_append_byte(out, '.');
        buf_append_fill(out, '0', MAX(-whole, 0));
        buf_append_bytes(out, digits + MAX(whole, 0), count - MAX(whole, 0));
    }
}

/* Splits off the exponent: "1.5e3" leaves "1.5". */
static bool exponent_take(str *text, i64 *out)
{
    *out = 0;
    for (isize i = 0; i < text->len; i++) {
        if ((text->data[i] | 0x20) != 'e') {
            continue;
        }
        str exponent = str_slice(*text, i + 1, text->len);
        *text = str_slice(*text, 0, i);
        return str_to_i64(exponent, out) == OK && *out > -100000 && *out < 100000;
    }
    return true;
}

/* Digits without sign and point into `digits`; *point_out: how many stand before the point. */
static int digits_collect(str text, char *digits, int capacity, i64 *point_out)
{
    int count = 0;
    bool has_point = false, has_digit = false;
    *point_out = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if ((u8)(c - '0') > 9) {
            return -1;
        }
        has_digit = true;
        *point_out += !has_point;
        if (count == 0 && c == '0') {
            *point_out -= 1; /* Leading zeros carry nothing. */
            continue;
        }
        if (count == capacity) {
            return -1;
        }
        digits[count++] = (char)c;
    }
    return has_digit ? count : -1;
}

enum number_result number_parse_decimal(str text, i32 precision, i32 scale, i128 *out)
{
    char digits[512];
    i64 exponent, point;
    bool is_negative = text.len > 0 && text.data[0] == '-';
    if (is_negative || (text.len > 0 && text.data[0] == '+')) {
        text = str_slice(text, 1, text.len);
    }
    if (!exponent_take(&text, &exponent)) {
        return NUMBER_WRONG;
    }
    int count = digits_collect(text, digits, (int)sizeof digits, &point);
    if (count < 0) {
        return NUMBER_WRONG;
    }
    i64 kept = count == 0 ? 0 : point + exponent + scale; /* Digits before the cut. */
    if (kept > precision) {
        return NUMBER_OVERFLOW;
    }
    i128 value = 0, limit = 1;
    for (i64 i = 0; i < kept; i++) {
        value = value * 10 + (i < count ? digits[i] - '0' : 0);
    }
    value += kept >= 0 && kept < count && digits[kept] >= '5';
    for (i32 i = 0; i < precision; i++) {
        limit *= 10;
    }
    if (value >= limit) {
        return NUMBER_OVERFLOW;
    }
    *out = is_negative ? -value : value;
    return NUMBER_FINE;
}

/* --- times
 * ------------------------------------------------------------------------------------------- */

static void put_two(i32 value, u8 mark, struct buf *out)
{
    u8 text[3] = {(u8)('0' + value / 10), (u8)('0' + value % 10), mark};
    buf_append_bytes(out, text, mark == 0 ? 2 : 3);
}

static void put_fraction(i32 nanos, i32 digits, struct buf *out)
{
    if (digits <= 0) {
        return;
    }
    u8 text[10] = {'.'};
    for (int i = 9; i >= 1; i--) {
        text[i] = (u8)('0' + nanos % 10);
        nanos /= 10;
    }
    buf_append_bytes(out, text, MIN(digits, 9) + 1);
}

static void put_date(i64 year, i32 month, i32 day, struct buf *out)
{
    buf_printf(out, year < 0 ? "-%04lld-" : "%04lld-", (long long)(year < 0 ? -year : year));
    put_two(month, '-', out);
    put_two(day, 0, out);
}

void number_format_date(i64 days, struct buf *out)
{
    i64 year;
    i32 month, day;
    cal_civil_from_days(days, &year, &month, &day);
    put_date(year, month, day, out);
}

void number_format_time(i64 ms_of_day, i32 digits, struct buf *out)
{
    put_two((i32)(ms_of_day / 3600000), ':', out);
    put_two((i32)(ms_of_day / 60000 % 60), ':', out);
    put_two((i32)(ms_of_day / 1000 % 60), 0, out);
    put_fraction((i32)(ms_of_day % 1000) * 1000000, digits, out);
}

void number_format_timestamp(i64 us, i32 nanos_below, i32 digits, struct buf *out)
{
    struct cal cal;
    cal_from_us(us, &cal);
    put_date(cal.year, cal.month, cal.day, out);
    buf_append_byte(out, ' ');
    put_two(cal.hour, ':', out);
    put_two(cal.minute, ':', out);
    put_two(cal.second, 0, out);
    put_fraction(cal.nanos + nanos_below, digits, out);
}
