/* func/instant.c: points in time: access, text forms, casts between time types. */
#include "func/cast_int.h"

#include "base/cal.h"

enum { DAY_S = 86400, DAY_MS = 86400000 };

struct func_instant func__instant_at(const struct vec *vec, isize row)
{
    if (vec->type->kind == TYPE_DATE) {
        return (struct func_instant){(i64)ARG(i32, vec, row) * DAY_S, 0};
    }
    if (vec->type->kind == TYPE_TIME) {
        i32 ms = ARG(i32, vec, row);
        return (struct func_instant){ms / 1000, ms % 1000 * 1000000};
    }
    if (vec->type->precision > 6) {
        struct stamp stamp = ARG(struct stamp, vec, row);
        i64 seconds = func__floor_div(stamp.ms, 1000);
        return (struct func_instant){seconds,
                                     (i32)(stamp.ms - seconds * 1000) * 1000000 + stamp.nanos};
    }
    return func__instant_us(ARG(i64, vec, row));
}

void func__put_instant(struct vec *out, isize row, struct func_instant instant)
{
    static const i32 units[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                10000,      1000,      100,      10,      1};
    i32 precision = out->type->precision;
    CHECK(precision >= 0 && precision <= 9);
    i32 nanos = instant.nanos / units[precision] * units[precision];
    if (precision > 6) {
        /* Beyond the range of 64 bits the value wraps, as Java's long does. */
        i64 ms = (i64)((u64)instant.seconds * 1000 + (u64)(nanos / 1000000));
        VEC(struct stamp, out)[row] = (struct stamp){ms, nanos % 1000000, 0};
    } else {
        VEC(i64, out)[row] = (i64)((u64)instant.seconds * 1000000 + (u64)(nanos / 1000));
    }
}

/* --- to text ---------------------------------------------------------------------------------- */

static void put_padded(struct buf *out, i64 value, int width)
{
    if (value < 0) {
        buf_append_byte(out, '-');
        value = -value;
    }
    buf_printf(out, "%0*lld", width, (long long)value);
}

void func__format_date(i64 days, struct buf *out)
{
    i64 year = 0;
    i32 month = 0, day = 0;
    cal_civil_from_days(days, &year, &month, &day);
    put_padded(out, year, 4);
    buf_printf(out, "-%02d-%02d", month, day);
}

static void put_fraction(i32 nanos, i32 digits, struct buf *out)
{
    if (digits > 0) {
        char text[16];
        int len = 0;
        for (i32 unit = 100000000; len < digits && len < 9; unit /= 10) {
            text[len++] = (char)('0' + nanos / unit % 10);
        }
        buf_append_byte(out, '.');
        buf_append_bytes(out, text, len);
    }
}

static void put_clock(i32 second_of_day, struct buf *out)
{
    u8 text[8] = {(u8)('0' + second_of_day / 36000),   (u8)('0' + second_of_day / 3600 % 10), ':',
                  (u8)('0' + second_of_day / 600 % 6), (u8)('0' + second_of_day / 60 % 10),   ':',
                  (u8)('0' + second_of_day / 10 % 6),  (u8)('0' + second_of_day % 10)};
    buf_append_bytes(out, text, (isize)sizeof text);
}

void func__format_time(i32 ms_of_day, i32 digits, struct buf *out)
{
    put_clock(ms_of_day / 1000, out);
    put_fraction(ms_of_day % 1000 * 1000000, digits, out);
}

void func__format_instant(struct func_instant local, i32 digits, struct buf *out)
{
    func__format_date(func__floor_div(local.seconds, DAY_S), out);
    buf_append_byte(out, ' ');
    put_clock((i32)func__floor_mod(local.seconds, DAY_S), out);
    put_fraction(local.nanos, digits, out);
}

void func__format_interval_ym(i32 months, struct buf *out)
{
    i64 m = months;
    buf_append_byte(out, m < 0 ? '-' : '+');
    m = m < 0 ? -m : m;
    buf_printf(out, "%lld-%02lld", (long long)(m / 12), (long long)(m % 12));
}

void func__format_interval_ds(i64 ms, struct buf *out)
{
    u64 m = ms < 0 ? 0 - (u64)ms : (u64)ms;
    buf_append_byte(out, ms < 0 ? '-' : '+');
    buf_append_u64(out, m / DAY_MS);
    buf_append_byte(out, ' ');
    func__format_time((i32)(m % DAY_MS), 3, out);
}

/* --- from text -------------------------------------------------------------------------------- */

/* Takes one to `max` digits at *at; false when there is none. */
static bool take_digits(str text, isize *at, int max, i64 *out)
{
    i64 value = 0;
    isize from = *at;
    while (*at < text.len && *at - from < max && text.data[*at] >= '0' && text.data[*at] <= '9') {
        value = value * 10 + (text.data[*at] - '0');
        (*at)++;
    }
    *out = value;
    return *at > from;
}

static bool take_byte(str text, isize *at, u8 byte)
{
    if (*at < text.len && text.data[*at] == byte) {
        (*at)++;
        return true;
    }
    return false;
}

/* "2020", "2020-1", "2020-1-5", with anything after a blank or T ignored. */
bool func__parse_date(str text, i64 *days_out)
{
    text = str_trim(text);
    isize at = 0, end = 0;
    while (end < text.len && text.data[end] != ' ' && text.data[end] != 'T') {
        end++;
    }
    text = str_slice(text, 0, end);
    i64 year = 0, month = 1, day = 1;
    if (!take_digits(text, &at, 4, &year)) {
        return false;
    }
    if (take_byte(text, &at, '-')) {
        if (!take_digits(text, &at, 2, &month)) {
            return false;
        }
        if (take_byte(text, &at, '-') && !take_digits(text, &at, 2, &day)) {
            return false;
        }
    }
    bool is_valid = at == text.len && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
                    day <= cal_month_days(year, (i32)month);
    if (is_valid) {
        *days_out = cal_days_from_civil(year, (i32)month, (i32)day);
    }
    return is_valid;
}

/* Up to nine digits after the point, more are dropped. */
static i32 take_fraction(str text, isize *at)
{
    i32 nanos = 0;
    i32 unit = 100000000;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        nanos += (text.data[*at] - '0') * unit;
        unit /= 10;
        (*at)++;
    }
    return nanos;
}

/* "10", "10:11", "10:11:12[.345]" */
bool func__parse_time(str text, i32 *ms_out)
{
    text = str_trim(text);
    isize at = 0;
    i64 hour = 0, minute = 0, second = 0;
    i32 nanos = 0;
    if (!take_digits(text, &at, 2, &hour)) {
        return false;
    }
    if (take_byte(text, &at, ':')) {
        if (!take_digits(text, &at, 2, &minute)) {
            return false;
        }
        if (take_byte(text, &at, ':') && !take_digits(text, &at, 2, &second)) {
            return false;
        }
        if (take_byte(text, &at, '.')) {
            nanos = take_fraction(text, &at);
        }
    }
    if (at != text.len || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *ms_out = (i32)((hour * 3600 + minute * 60 + second) * 1000 + nanos / 1000000);
    return true;
}

/* " H:m:s[.fraction]" at *at; nothing is taken when it is malformed. */
static bool take_clock(str text, isize *at, i64 *seconds, i32 *nanos)
{
    isize i = *at;
    i64 hour = 0, minute = 0, second = 0;
    bool is_clock = take_byte(text, &i, ' ') && take_digits(text, &i, 2, &hour) &&
                    take_byte(text, &i, ':') && take_digits(text, &i, 2, &minute) &&
                    take_byte(text, &i, ':') && take_digits(text, &i, 2, &second);
    i32 fraction = 0;
    if (is_clock && i < text.len && text.data[i] == '.') {
        i++;
        isize from = i;
        fraction = take_fraction(text, &i);
        is_clock = i - from <= 9;
    }
    bool is_midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
    if (!is_clock || (hour > 23 && !is_midnight) || minute > 59 || second > 59) {
        return false;
    }
    *seconds = hour * 3600 + minute * 60 + second;
    *nanos = fraction;
    *at = i;
    return true;
}

isize func__scan_instant(str text, struct func_instant *local_out)
{
    isize at = 0;
    i64 year = 0, month = 0, day = 0, seconds = 0;
    i32 nanos = 0;
    isize mark = 0;
    if (!take_digits(text, &at, 4, &year) || at != 4 || !take_byte(text, &at, '-')) {
        return at < 4 ? 0 : at;
    }
    mark = at;
    if (!take_digits(text, &at, 2, &month) || month < 1 || month > 12 ||
        !take_byte(text, &at, '-')) {
        return mark;
    }
    mark = at;
    if (!take_digits(text, &at, 2, &day) || day < 1 || day > 31) {
        return MIN(mark, 7);
    }
    day = MIN(day, cal_month_days(year, (i32)month));
    if (at < text.len && (!take_clock(text, &at, &seconds, &nanos) || at < text.len)) {
        return at;
    }
    *local_out = (struct func_instant){
        cal_days_from_civil(year, (i32)month, (i32)day) * DAY_S + seconds, nanos};
    return -1;
}

/* --- casts ------------------------------------------------------------------------------------ */

KERNEL(cast_instant)
{
    KERNEL_UNUSED();
    const struct func_zone *zone = func__ctx_zone(ctx);
    bool from_ltz = args[0].type->kind == TYPE_TIMESTAMP_LTZ;
    bool to_ltz = out->type->kind == TYPE_TIMESTAMP_LTZ;
    FOR_SEL(sel, row)
    {
        struct func_instant instant = func__instant_at(&args[0], row);
        if (from_ltz && !to_ltz) {
            instant = func__zone_to_local(zone, instant);
        } else if (to_ltz && !from_ltz) {
            instant = func__zone_to_utc(zone, instant);
        }
        if (out->type->kind == TYPE_DATE) {
            VEC(i32, out)[row] = (i32)func__floor_div(instant.seconds, DAY_S);
        } else if (out->type->kind == TYPE_TIME) {
            i64 ms = func__floor_mod(instant.seconds, DAY_S) * 1000 + instant.nanos / 1000000;
            VEC(i32, out)[row] = (i32)(out->type->precision == 0 ? ms / 1000 * 1000 : ms);
        } else {
            func__put_instant(out, row, instant);
        }
    }
}

func_kernel_fn func__cast_time(const struct type *from, const struct type *to)
{
    bool is_point = from->kind == TYPE_DATE || from->kind == TYPE_TIME || type_is_timestamp(from);
    bool to_point = type_is_timestamp(to) || (to->kind == TYPE_DATE && from->kind != TYPE_TIME) ||
                    (to->kind == TYPE_TIME && from->kind != TYPE_DATE);
    return is_point && to_point ? cast_instant : NULL;
}
