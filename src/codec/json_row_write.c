/* codec/json_row_write.c: typed members straight into the buffer. */
#include "codec/json_row_write.h"

#include "base/cal.h"
#include "codec/base64.h"
#include "data/number.h"

#include <stdio.h>

struct json_row_writer {
    const struct type_field *fields;
    isize count;
    struct json_row_options options;
    str *names; /* `,"name":` of each. */
    struct arena arena;
};

/* --- strings
 * ------------------------------------------------------------------------------------------- */

/* A sequence that stands for itself: the basic plane but for surrogates. */
static isize plain_sequence(str s, isize at)
{
    u8 c = s.data[at];
    bool is_control = c < 0x20 || c == '"' || c == '\\';
    if (is_control) {
        return 0;
    }
    if (c < 0x80) {
        return 1;
    }
    isize bytes = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 0;
    bool is_surrogate = c == 0xED && s.len - at > 1 && s.data[at + 1] >= 0xA0;
    return is_surrogate || bytes > s.len - at ? 0 : bytes;
}

static isize put_special(str s, isize at, struct buf *out)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    u8 c = s.data[at];
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found != NULL) {
        buf_append_byte(out, '\\');
        buf_append_byte(out, (u8)to[found - from]);
        return 1;
    }
    if (c < 0x20) {
        buf_printf(out, "\\u%04X", c);
        return 1;
    }
    if (c >= 0xF0 && s.len - at >= 4) {
        u32 code = (u32)(c & 7) << 18 | (u32)(s.data[at + 1] & 0x3F) << 12 |
                   (u32)(s.data[at + 2] & 0x3F) << 6 | (s.data[at + 3] & 0x3F);
        code -= 0x10000;
        buf_printf(out, "\\u%04X\\u%04X", 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF));
        return 4;
    }
    buf_append_byte(out, '?'); /* A lone surrogate. */
    return MIN(s.len - at, 3);
}

/* Is any of the eight bytes a control, a quote, a backslash or above 0x7F? */
static inline bool has_special(u64 word)
{
    const u64 ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    u64 quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
    u64 found = (word - ones * 0x20) | (quote - ones) | (slash - ones) | word;
    return (found & highs) != 0;
}

/* Errs on the side of true where a byte borrows from the next one. */
static bool may_have_special(str s)
{
    isize i = 0;
    for (; s.len - i >= 8; i += 8) {
        if (has_special(get_u64(s.data + i))) {
            return true;
        }
    }
    u64 last = 0x2020202020202020ULL;
    for (isize k = 0; i < s.len; i++, k += 8) {
        last = (last & ~((u64)0xFF << k)) | (u64)s.data[i] << k;
    }
    return has_special(last);
}

static void put_string(str s, struct buf *out)
{
    u8 *room = may_have_special(s) ? NULL : buf_reserve(out, s.len + 2);
    if (room != NULL) {
        room[0] = room[s.len + 1] = '"';
        if (s.len > 0) {
            memcpy(room + 1, s.data, (size_t)s.len);
        }
        out->len += s.len + 2;
        return;
    }
    buf_append_byte(out, '"');
    isize plain = 0;
    for (isize i = 0; i < s.len;) {
        isize bytes = plain_sequence(s, i);
        if (bytes > 0) {
            i += bytes;
            continue;
        }
        buf_append(out, str_slice(s, plain, i));
        i += put_special(s, i, out);
        plain = i;
    }
    buf_append(out, str_slice(s, plain, s.len));
    buf_append_byte(out, '"');
}

/* --- times
 * ------------------------------------------------------------------------------------------------
 */

static u8 *put_two(u8 *p, i32 value, u8 mark)
{
    p[0] = mark;
    p[1] = (u8)('0' + value / 10);
    p[2] = (u8)('0' + value % 10);
    return p + 3;
}

enum { YEAR_CHARS_MAX = 21, STAMP_CHARS_MAX = 56 };

static u8 *put_year(u8 *p, i64 year)
{
    if (year >= 0 && year <= 9999) {
        p[0] = (u8)('0' + year / 1000);
        p[1] = (u8)('0' + year / 100 % 10);
        p[2] = (u8)('0' + year / 10 % 10);
        p[3] = (u8)('0' + year % 10);
        return p + 4;
    }
    return p + snprintf((char *)p, YEAR_CHARS_MAX, year < 0 ? "-%04lld" : "+%lld",
                        (long long)(year < 0 ? -year : year));
}

static u8 *put_fraction(u8 *p, i32 nanos)
{
    if (nanos == 0) {
        return p;
    }
    *p++ = '.';
    for (i32 unit = 100000000; nanos != 0; unit /= 10) {
        *p++ = (u8)('0' + nanos / unit);
        nanos %= unit;
    }
    return p;
}

static void put_timestamp(i64 us, i32 nanos_below, const struct json_row_options *options,
                          bool is_zoned, struct buf *out)
{
    struct cal cal;
    u8 text[STAMP_CHARS_MAX];
    cal_from_us(us, &cal);
    text[0] = '"';
    u8 *p = put_year(text + 1, cal.year);
    p = put_two(p, cal.month, '-');
    p = put_two(p, cal.day, '-');
    p = put_two(p, cal.hour, options->is_iso_timestamps ? 'T' : ' ');
    p = put_two(p, cal.minute, ':');
    p = put_two(p, cal.second, ':');
    p = put_fraction(p, cal.nanos + nanos_below);
    if (is_zoned) {
        *p++ = 'Z';
    }
    *p++ = '"';
    buf_append_bytes(out, text, p - text);
}

/* --- values
 * -------------------------------------------------------------------------------------------------
 */

/* BigDecimal.toString: scientific when the exponent is small or there are more trailing zeros than
 * the scale; Jackson strips trailing zeros first. */
static void put_decimal(i128 value, i32 scale, bool is_plain, struct buf *out)
{
    if (value == 0) {
        buf_append_byte(out, '0');
        return;
    }
    while (value % 10 == 0) {
        value /= 10;
        scale--;
    }
    struct buf digits = {0};
    number_format_i128(value < 0 ? -value : value, &digits);
    isize exponent = digits.len - 1 - scale;
    if (value < 0) {
        buf_append_byte(out, '-');
    }
    if (is_plain || (scale >= 0 && exponent >= -6)) {
        i128 magnitude = value < 0 ? -value : value;
        for (; scale < 0; scale++) {
            magnitude *= 10;
        }
        number_format_decimal(magnitude, scale, out);
    } else {
        buf_append_byte(out, digits.data[0]);
        if (digits.len > 1) {
            buf_append_byte(out, '.');
            buf_append(out, str_slice(buf_str(&digits), 1, digits.len));
        }
        buf_printf(out, "E%+td", exponent);
    }
    buf_deinit(&digits);
}

static void put_real(double value, bool is_float, struct buf *out)
{
    bool is_number = value - value == 0; /* Not NaN, not infinite. */
    if (!is_number) {
        buf_append_byte(out, '"');
    }
    if (is_float) {
        number_format_float((float)value, out);
    } else {
        number_format_double(value, out);
    }
    if (!is_number) {
        buf_append_byte(out, '"');
    }
}

static void put_value(const struct json_row_options *options, const struct value *value,
                      struct buf *out);

static void put_members(const struct json_row_options *options, const struct value *value,
                        struct buf *out)
{
    bool is_row = value->type->kind == TYPE_ROW;
    isize step = is_row ? 1 : 2;
    bool is_first = true;
    buf_append_byte(out, '{');
    for (isize i = 0; i < value->u.list.count; i += step) {
        const struct value *item = &value->u.list.items[i + step - 1];
        if (is_row && options->ignores_null_fields && item->is_null) {
            continue;
        }
        if (!is_first) {
            buf_append_byte(out, ',');
        }
        is_first = false;
        put_string(is_row ? value->type->fields[i].name : value->u.list.items[i].u.text, out);
        buf_append_byte(out, ':');
        put_value(options, item, out);
    }
    buf_append_byte(out, '}');
}

static void put_items(const struct json_row_options *options, const struct value *value,
                      struct buf *out)
{
    buf_append_byte(out, '[');
    for (isize i = 0; i < value->u.list.count; i++) {
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        put_value(options, &value->u.list.items[i], out);
    }
    buf_append_byte(out, ']');
}

static void put_bytes(str bytes, struct buf *out)
{
    buf_append_byte(out, '"');
    base64_append(out, bytes);
    buf_append_byte(out, '"');
}

static void put_date(i64 days, struct buf *out)
{
    i64 year;
    i32 month, day;
    u8 text[STAMP_CHARS_MAX];
    cal_civil_from_days(days, &year, &month, &day);
    text[0] = '"';
    u8 *p = put_two(put_two(put_year(text + 1, year), month, '-'), day, '-');
    *p++ = '"';
    buf_append_bytes(out, text, p - text);
}

static void put_time(i64 ms, struct buf *out)
{
    buf_append_byte(out, '"');
    number_format_time(ms, ms % 1000 != 0 ? 3 : 0, out);
    while (ms % 1000 != 0 && out->data[out->len - 1] == '0') {
        out->len--;
    }
    buf_append_byte(out, '"');
}

static void put_value(const struct json_row_options *options, const struct value *value,
                      struct buf *out)
{
    if (value->is_null) {
        buf_append(out, STR("null"));
        return;
    }
    const struct type *type = value->type;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        buf_append(out, value->u.boolean ? STR("true") : STR("false"));
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        put_real(value->u.real, type->kind == TYPE_FLOAT, out);
        break;
    case TYPE_DECIMAL:
        put_decimal(type->precision <= 18 ? value->u.integer : value->u.wide, type->scale,
                    options->is_decimal_plain, out);
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        put_string(value->u.text, out);
        break;
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        put_bytes(value->u.text, out);
        break;
    case TYPE_DATE:
        put_date(value->u.integer, out);
        break;
    case TYPE_TIME:
        put_time(value->u.integer, out);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ: {
        bool is_fine = type->precision > 6;
        i64 us =
            is_fine ? value->u.stamp.ms * 1000 + value->u.stamp.nanos / 1000 : value->u.integer;
        put_timestamp(us, is_fine ? value->u.stamp.nanos % 1000 : 0, options,
                      type->kind == TYPE_TIMESTAMP_LTZ, out);
        break;
    }
    case TYPE_ARRAY:
        put_items(options, value, out);
        break;
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        put_members(options, value, out);
        break;
    default:
        buf_append_i64(out, value->u.integer);
    }
}

/* --- rows
 * ----------------------------------------------------------------------------------------------------
 */

struct json_row_writer *json_row_writer_new(const struct type_field *fields, isize count,
                                            const struct json_row_options *options)
{
    struct json_row_writer *writer = NEW(struct json_row_writer);
    writer->fields = fields;
    writer->count = count;
    writer->options = *options;
    writer->names = ARENA_ARRAY(&writer->arena, str, MAX(count, 1));
    struct buf name = {0};
    for (isize i = 0; i < count; i++) {
        buf_reset(&name);
        buf_append_byte(&name, ',');
        put_string(fields[i].name, &name);
        buf_append_byte(&name, ':');
        writer->names[i] = arena_copy(&writer->arena, buf_str(&name));
    }
    buf_deinit(&name);
    return writer;
}

void json_row_writer_free(struct json_row_writer *writer)
{
    if (writer != NULL) {
        arena_deinit(&writer->arena);
        mem_free(writer);
    }
}

/* The common types without a detour over a value. */
static void put_cell(const struct json_row_writer *writer, const struct vec *col, isize row,
                     struct buf *out)
{
    isize at = vec_index(col, row);
    switch (col->type->kind) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        put_string(strview_str(&VEC(struct strview, col)[at]), out);
        return;
    case TYPE_BIGINT:
        buf_append_i64(out, VEC(i64, col)[at]);
        return;
    case TYPE_TIMESTAMP:
        if (col->type->precision <= 6) {
            put_timestamp(VEC(i64, col)[at], 0, &writer->options, false, out);
            return;
        }
        break;
    default:
        break;
    }
    struct arena scratch = {0};
    struct value value;
    vec_get(col, row, &scratch, &value);
    put_value(&writer->options, &value, out);
    arena_deinit(&scratch);
}

void json_row_write(const struct json_row_writer *writer, const struct vec *cols, isize row,
                    struct buf *out)
{
    bool is_first = true;
    buf_append_byte(out, '{');
    for (isize i = 0; i < writer->count; i++) {
        bool is_null = !vec_is_valid(&cols[i], row);
        if (is_null && writer->options.ignores_null_fields) {
            continue;
        }
        buf_append(out, str_slice(writer->names[i], is_first, writer->names[i].len));
        is_first = false;
        if (is_null) {
            buf_append(out, STR("null"));
        } else {
            put_cell(writer, &cols[i], row, out);
        }
    }
    buf_append_byte(out, '}');
}
