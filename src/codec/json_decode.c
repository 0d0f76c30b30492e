/* codec/json_decode.c: one member to one value, with the coercions of Flink's JSON format. */
#include "base/buf.h"
#include "base/cal.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_rows_int.h"
#include "data/number.h"

#include <math.h>
#include <stdlib.h>

enum { REAL_TEXT_MAX = 400, YEAR_DIGITS_MAX = 9 };

static bool is_text(const struct json_member *member)
{
    return member->kind == JSON_MEMBER_STRING || member->kind == JSON_MEMBER_ESCAPED;
}

/* Java's trim(): everything up to the blank at both ends. */
static str trim(str text)
{
    isize from = 0, to = text.len;
    while (from < to && text.data[from] <= ' ') {
        from++;
    }
    while (to > from && text.data[to - 1] <= ' ') {
        to--;
    }
    return str_slice(text, from, to);
}

static const char *wrong(struct arena *arena, str text)
{
    str shown = str_slice(text, 0, 64);
    return (const char *)arena_printf(arena, "For input string: \"" STR_FMT "\"", STR_ARG(shown))
        .data;
}

static const char *wrong_kind(struct arena *arena, const struct json_member *member)
{
    str text = str_slice(str_from(member->data, member->len), 0, 64);
    return (const char *)arena_printf(arena, "Unsupported value: " STR_FMT, STR_ARG(text)).data;
}

/* --- numbers
 * --------------------------------------------------------------------------------------------- */

/* Value of a decimal digit of any script that Java's Character.digit knows with two or three bytes.
 */
static int unicode_digit(str text, isize *at)
{
    static const u32 zeros[] = {0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6,
                                0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0,
                                0x0F20, 0x1040, 0x17E0, 0x1810, 0xFF10};
    const u8 *p = text.data + *at;
    u32 code;
    int bytes;
    if (p[0] < 0x80) {
        code = p[0];
        bytes = 1;
    } else if (p[0] < 0xE0) {
        code = (u32)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
        bytes = 2;
    } else if (p[0] < 0xF0) {
        code = (u32)(p[0] & 0x0F) << 12 | (u32)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
        bytes = 3;
    } else {
        return -1;
    }
    *at += bytes;
    if (code - '0' <= 9) {
        return (int)(code - '0');
    }
    for (isize i = 0; i < COUNT_OF(zeros); i++) {
        if (code - zeros[i] <= 9) {
            return (int)(code - zeros[i]);
        }
    }
    return -1;
}

bool json__parse_integer(str text, i64 low, i64 high, i64 *out)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    isize at = is_negative || (text.len > 0 && text.data[0] == '+');
    if (at == text.len) {
        return false;
    }
    i128 value = 0;
    while (at < text.len) {
        int digit = unicode_digit(text, &at);
        if (digit < 0) {
            return false;
        }
        value = value * 10 + digit;
        if (value > (i128)INT64_MAX + 1) {
            return false;
        }
    }
    value = is_negative ? -value : value;
    if (value < low || value > high) {
        return false;
    }
    *out = (i64)value;
    return true;
}

/* Double.parseDouble: an optional sign, NaN, Infinity, digits with a point and exponent, and a
 * closing d or f. */
bool json__parse_double(str text, double *out)
{
    char copy[REAL_TEXT_MAX];
    text = trim(text);
    str bare = text;
    if (bare.len > 0 && (bare.data[0] == '-' || bare.data[0] == '+')) {
        bare = str_slice(bare, 1, bare.len);
    }
    if (str_eq(bare, STR("NaN"))) {
        *out = (double)NAN;
        return true;
    }
    if (str_eq(bare, STR("Infinity"))) {
        *out = text.data[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (bare.len > 1 && strchr("dDfF", bare.data[bare.len - 1]) != NULL) {
        text = str_slice(text, 0, text.len - 1);
        bare = str_slice(bare, 0, bare.len - 1);
    }
    bool has_digit = false;
    for (isize i = 0; i < bare.len; i++) {
        u8 c = bare.data[i];
        bool is_digit = (u8)(c - '0') <= 9;
        has_digit = has_digit || is_digit;
        bool is_part = is_digit || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
        if (!is_part) {
            return false;
        }
    }
    if (!has_digit || text.len >= REAL_TEXT_MAX) {
        return false;
    }
    str_copy_cstr(text, copy, REAL_TEXT_MAX);
    char *end;
    *out = strtod(copy, &end);
    return *end == '\0';
}

/* Intervals are numbers of months and milliseconds, as in Flink's JSON. */
static i64 integer_max(enum type_kind kind)
{
    static const i64 highs[] = {INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX};
    return kind == TYPE_INTERVAL_YM   ? INT32_MAX
           : kind == TYPE_INTERVAL_DS ? INT64_MAX
                                      : highs[kind - TYPE_TINYINT];
}

static const char *decode_integer(const struct type *type, const struct json_member *member,
                                  struct arena *arena, struct value *out)
{
    i64 high = integer_max(type->kind), low = -high - 1;
    str text = json__member_text(member, arena);
    if (is_text(member)) {
        return json__parse_integer(trim(text), low, high, &out->u.integer) ? NULL
                                                                           : wrong(arena, text);
    }
    if (member->kind != JSON_MEMBER_NUMBER) {
        return wrong_kind(arena, member);
    }
    if (json__parse_integer(text, low, high, &out->u.integer)) {
        return NULL;
    }
    double real; /* A fraction or an exponent: cut towards zero. */
    bool is_real = str_find_byte(text, '.', 0) >= 0 || str_find_byte(text, 'e', 0) >= 0 ||
                   str_find_byte(text, 'E', 0) >= 0;
    if (!is_real || !json__parse_double(text, &real)) {
        return wrong(arena, text);
    }
    bool fits = real > (double)low - 1 && real < 9223372036854775808.0 && real < (double)high + 1;
    if (!fits || real < -9223372036854775808.0) {
        return wrong(arena, text);
    }
    out->u.integer = (i64)real;
    return NULL;
}

static const char *decode_real(const struct type *type, const struct json_member *member,
                               struct arena *arena, struct value *out)
{
    str text = json__member_text(member, arena);
    if (!is_text(member) && member->kind != JSON_MEMBER_NUMBER) {
        return wrong_kind(arena, member);
    }
    if (!json__parse_double(text, &out->u.real)) {
        return wrong(arena, text);
    }
    if (type->kind == TYPE_FLOAT) {
        char copy[REAL_TEXT_MAX];
        str_copy_cstr(trim(text), copy, REAL_TEXT_MAX);
        bool is_plain = isfinite(out->u.real);
        out->u.real = (double)(is_plain ? strtof(copy, NULL) : (float)out->u.real);
    }
    return NULL;
}

/* BigDecimal: sign, digits with a point, exponent. Rounded half up to the scale; NULL on overflow.
 */
static const char *decode_decimal(const struct type *type, const struct json_member *member,
                                  struct arena *arena, struct value *out)
{
    str whole = json__member_text(member, arena);
    if (!is_text(member) && member->kind != JSON_MEMBER_NUMBER) {
        return wrong_kind(arena, member);
    }
    enum number_result result =
        number_parse_decimal(trim(whole), type->precision, type->scale, &out->u.wide);
    if (result == NUMBER_WRONG) {
        return wrong(arena, whole);
    }
    out->is_null = result == NUMBER_OVERFLOW;
    if (type->precision <= 18) {
        out->u.integer = (i64)out->u.wide;
    }
    return NULL;
}

/* --- times
 * ---------------------------------------------------------------------------------------------------
 */

static bool take_digits(str *in, int least, int most, i64 *out)
{
    int count = 0;
    i64 value = 0;
    while (count < most && count < in->len && (u8)(in->data[count] - '0') <= 9) {
        value = value * 10 + (in->data[count++] - '0');
    }
    *in = str_slice(*in, count, in->len);
    *out = value;
    return count >= least;
}

static bool take_byte(str *in, u8 byte)
{
    bool is_there = in->len > 0 && in->data[0] == byte;
    *in = is_there ? str_slice(*in, 1, in->len) : *in;
    return is_there;
}

/* yyyy-MM-dd; more than four digits of a year need a sign, as in java.time. */
static bool take_date(str *in, struct cal *out)
{
    bool is_negative = take_byte(in, '-');
    bool is_signed = is_negative || take_byte(in, '+');
    i64 year, month, day;
    isize before = in->len;
    if (!take_digits(in, 4, YEAR_DIGITS_MAX, &year)) {
        return false;
    }
    isize digits = before - in->len;
    bool is_wrong_sign = (digits > 4) != (is_signed && !is_negative) && !is_negative;
    if (is_wrong_sign || !take_byte(in, '-') || !take_digits(in, 2, 2, &month) ||
        !take_byte(in, '-') || !take_digits(in, 2, 2, &day)) {
        return false;
    }
    out->year = is_negative ? -year : year;
    out->month = (i32)month;
    out->day = (i32)day;
    return month >= 1 && month <= 12 && day >= 1 && day <= cal_month_days(out->year, out->month);
}

/* HH:mm:ss[.n], seconds optional if asked for; "." alone is a fraction of no digits. */
static bool take_time(str *in, bool needs_seconds, struct cal *out)
{
    i64 hour, minute, second = 0, fraction = 0;
    if (!take_digits(in, 2, 2, &hour) || !take_byte(in, ':') || !take_digits(in, 2, 2, &minute)) {
        return false;
    }
    bool has_seconds = take_byte(in, ':');
    if (has_seconds ? !take_digits(in, 2, 2, &second) : needs_seconds) {
        return false;
    }
    if (has_seconds && take_byte(in, '.')) {
        isize before = in->len;
        (void)take_digits(in, 0, 9, &fraction);
        for (isize digits = before - in->len; digits < 9; digits++) {
            fraction *= 10;
        }
    }
    out->hour = (i32)hour;
    out->minute = (i32)minute;
    out->second = (i32)second;
    out->nanos = (i32)fraction;
    return minute <= 59 && second <= 59 && hour <= 24;
}

static bool parse_timestamp(str in, bool is_iso, bool is_zoned, struct cal *out)
{
    *out = (struct cal){0};
    if (!take_date(&in, out)) {
        return false;
    }
    bool has_mark = is_iso ? take_byte(&in, 'T') || take_byte(&in, 't') : take_byte(&in, ' ');
    if (!has_mark || !take_time(&in, !is_iso, out) || out->hour > 23) {
        return false;
    }
    if (is_zoned && !take_byte(&in, 'Z') && !(is_iso && take_byte(&in, 'z'))) {
        return false;
    }
    return in.len == 0;
}

static const char *wrong_time(struct arena *arena, str text)
{
    str shown = str_slice(text, 0, 64);
    return (const char *)arena_printf(arena, "Text '" STR_FMT "' could not be parsed",
                                      STR_ARG(shown))
        .data;
}

/* Cut, not rounded, to the type's digits. */
static i32 nanos_cut(i32 nanos, i32 precision)
{
    static const i32 units[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                10000,      1000,      100,      10,      1};
    return nanos - nanos % units[precision];
}

static const char *decode_timestamp(const struct json_rows *rows, const struct type *type,
                                    const struct json_member *member, struct arena *arena,
                                    struct value *out)
{
    if (!is_text(member)) {
        return wrong_kind(arena, member);
    }
    str text = json__member_text(member, arena);
    struct cal cal;
    bool is_zoned = type->kind == TYPE_TIMESTAMP_LTZ;
    if (!parse_timestamp(text, rows->options.is_iso_timestamps, is_zoned, &cal)) {
        return wrong_time(arena, text);
    }
    cal.nanos = nanos_cut(cal.nanos, type->precision);
    i64 us = cal_to_us(&cal);
    if (type->precision <= 6) {
        out->u.integer = us;
        return NULL;
    }
    i64 ms = us / 1000 - (us % 1000 < 0);
    out->u.stamp = (struct stamp){ms, (i32)(us - ms * 1000) * 1000 + cal.nanos % 1000, 0};
    return NULL;
}

static const char *decode_date(const struct json_member *member, struct arena *arena,
                               struct value *out)
{
    if (!is_text(member)) {
        return wrong_kind(arena, member);
    }
    str text = json__member_text(member, arena), rest = text;
    struct cal cal = {0};
    if (!take_date(&rest, &cal) || rest.len > 0) {
        return wrong_time(arena, text);
    }
    out->u.integer = cal_days_from_civil(cal.year, cal.month, cal.day);
    return NULL;
}

/* The fraction is lost, and 24:00:00 is midnight, as in Flink. */
static const char *decode_time(const struct json_member *member, struct arena *arena,
                               struct value *out)
{
    if (!is_text(member)) {
        return wrong_kind(arena, member);
    }
    str text = json__member_text(member, arena), rest = text;
    struct cal cal = {0};
    bool is_good = take_time(&rest, true, &cal) && rest.len == 0;
    bool is_midnight = cal.hour == 24 && cal.minute == 0 && cal.second == 0 && cal.nanos == 0;
    if (!is_good || (cal.hour == 24 && !is_midnight)) {
        return wrong_time(arena, text);
    }
    out->u.integer = ((i64)(cal.hour % 24) * 3600 + cal.minute * 60 + cal.second) * 1000;
    return NULL;
}

/* --- text
 * ------------------------------------------------------------------------------------------------------
 */

static void put_compact(const struct json_member *member, struct arena *arena, struct buf *out);

static void put_array(const struct json_member *member, struct arena *arena, struct buf *out)
{
    struct json_cursor c = {member->data + 1, member->data + member->len, member->data, NULL};
    struct json_member item;
    buf_append_byte(out, '[');
    for (bool is_first = true; json__next_item(&c, 0, is_first, &item); is_first = false) {
        if (!is_first) {
            buf_append_byte(out, ',');
        }
        put_compact(&item, arena, out);
    }
    buf_append_byte(out, ']');
}

/* The last of several equal names wins, in the first one's place. */
static void put_object(const struct json_member *member, struct arena *arena, struct buf *out)
{
    struct json_cursor c = {member->data + 1, member->data + member->len, member->data, NULL};
    struct json_names names = {0};
    struct json_member *values = NULL;
    struct json_member name, value;
    for (bool is_first = true; json__next_member(&c, 0, is_first, &name, &value);
         is_first = false) {
        isize before = names.count;
        isize at = json__names_add(&names, json__member_text(&name, arena), arena);
        if (at == before) {
            values = arena_grow(arena, values, before, (isize)sizeof *values);
        }
        CHECK(values != NULL);
        values[at] = value;
    }
    buf_append_byte(out, '{');
    for (isize i = 0; i < names.count; i++) {
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        json_write_string(out, names.names[i]);
        buf_append_byte(out, ':');
        put_compact(&values[i], arena, out);
    }
    buf_append_byte(out, '}');
}

static void put_compact(const struct json_member *member, struct arena *arena, struct buf *out)
{
    str text = str_from(member->data, member->len);
    double real;
    switch (member->kind) {
    case JSON_MEMBER_OBJECT:
        put_object(member, arena, out);
        break;
    case JSON_MEMBER_ARRAY:
        put_array(member, arena, out);
        break;
    case JSON_MEMBER_STRING:
    case JSON_MEMBER_ESCAPED:
        json_write_string(out, json__member_text(member, arena));
        break;
    case JSON_MEMBER_NUMBER:
        if ((str_find_byte(text, '.', 0) >= 0 || str_find_byte(text, 'e', 0) >= 0 ||
             str_find_byte(text, 'E', 0) >= 0) &&
            json__parse_double(text, &real)) {
            number_format_double(real, out);
            break;
        }
        buf_append(out, text);
        break;
    default:
        buf_append(out, text);
    }
}

static const char *decode_text(const struct json_member *member, struct arena *arena,
                               struct value *out)
{
    bool is_container = member->kind == JSON_MEMBER_OBJECT || member->kind == JSON_MEMBER_ARRAY;
    if (!is_container) {
        out->u.text = json__member_text(member, arena);
        return NULL;
    }
    struct buf text = {0};
    put_compact(member, arena, &text);
    out->u.text = arena_copy(arena, buf_str(&text));
    buf_deinit(&text);
    return NULL;
}

static const char *decode_bytes(const struct json_member *member, struct arena *arena,
                                struct value *out)
{
    str text = json__member_text(member, arena);
    isize bytes = base64_decoded_bytes(text);
    u8 *data = arena_alloc(arena, MAX(bytes, 0) + 1);
    if (!is_text(member) || bytes < 0 || base64_decode(text, data, &bytes) != OK) {
        return wrong(arena, text);
    }
    out->u.text = str_from(data, bytes);
    return NULL;
}

/* --- nested
 * -----------------------------------------------------------------------------------------------------
 */

static const char *decode_array(const struct json_rows *rows, const struct type *type,
                                const struct json_member *member, struct arena *arena,
                                struct value *out)
{
    if (member->kind != JSON_MEMBER_ARRAY) {
        return wrong_kind(arena, member);
    }
    struct json_cursor c = {member->data + 1, member->data + member->len, member->data, NULL};
    struct json_member item;
    struct value *items = NULL;
    isize count = 0;
    for (; json__next_item(&c, 0, count == 0, &item); count++) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        const char *problem = json__decode(rows, type->item, &item, arena, &items[count]);
        if (problem != NULL) {
            return problem;
        }
    }
    out->u.list.items = items;
    out->u.list.count = count;
    return NULL;
}

static const char *decode_map(const struct json_rows *rows, const struct type *type,
                              const struct json_member *member, struct arena *arena,
                              struct value *out)
{
    if (member->kind != JSON_MEMBER_OBJECT) {
        return wrong_kind(arena, member);
    }
    struct json_cursor c = {member->data + 1, member->data + member->len, member->data, NULL};
    const struct type *value_type = type->kind == TYPE_MAP ? type->item : type_of(TYPE_INT);
    struct json_member name, value;
    struct value *items = NULL;
    struct json_names names = {
        0}; /* The last of several equal keys wins, in the first one's place. */
    for (bool is_first = true; json__next_member(&c, 0, is_first, &name, &value);
         is_first = false) {
        struct value pair[2];
        const char *problem = json__decode(rows, type->kind == TYPE_MAP ? type->key : type->item,
                                           &name, arena, &pair[0]);
        problem =
            problem != NULL ? problem : json__decode(rows, value_type, &value, arena, &pair[1]);
        if (problem != NULL) {
            return problem;
        }
        isize before = names.count;
        isize at = json__names_add(&names, json__member_text(&name, arena), arena);
        if (at == before) {
            items = arena_grow(arena, items, before, (isize)sizeof pair);
        }
        CHECK(items != NULL);
        memcpy(&items[2 * at], pair, sizeof pair);
    }
    out->u.list.items = items;
    out->u.list.count = 2 * names.count;
    return NULL;
}

static const char *decode_row(const struct json_rows *rows, const struct type *type,
                              const struct json_member *member, struct arena *arena,
                              struct value *out)
{
    if (member->kind != JSON_MEMBER_OBJECT) {
        return wrong_kind(arena, member);
    }
    struct value *items = ARENA_ARRAY(arena, struct value, MAX(type->field_count, 1));
    for (isize i = 0; i < type->field_count; i++) {
        items[i] = (struct value){.type = type->fields[i].type, .is_null = true};
    }
    struct json_cursor c = {member->data + 1, member->data + member->len, member->data, NULL};
    struct json_member name, value;
    for (bool is_first = true; json__next_member(&c, 0, is_first, &name, &value);
         is_first = false) {
        str text = json__member_text(&name, arena);
        for (isize i = 0; i < type->field_count; i++) {
            if (!str_eq(type->fields[i].name, text)) {
                continue;
            }
            const char *problem =
                json__decode(rows, type->fields[i].type, &value, arena, &items[i]);
            if (problem != NULL) {
                return problem;
            }
        }
    }
    out->u.list.items = items;
    out->u.list.count = type->field_count;
    return NULL;
}

const char *json__decode(const struct json_rows *rows, const struct type *type,
                         const struct json_member *member, struct arena *arena, struct value *out)
{
    *out = (struct value){.type = type, .is_null = member->kind <= JSON_MEMBER_NULL};
    if (out->is_null) {
        return NULL;
    }
    switch (type->kind) {
    case TYPE_BOOLEAN:
        out->u.boolean =
            member->kind == JSON_MEMBER_TRUE ||
            (is_text(member) && str_eq_nocase(trim(json__member_text(member, arena)), STR("true")));
        return NULL;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DS:
        return decode_integer(type, member, arena, out);
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return decode_real(type, member, arena, out);
    case TYPE_DECIMAL:
        return decode_decimal(type, member, arena, out);
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        return decode_text(member, arena, out);
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return decode_bytes(member, arena, out);
    case TYPE_DATE:
        return decode_date(member, arena, out);
    case TYPE_TIME:
        return decode_time(member, arena, out);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return decode_timestamp(rows, type, member, arena, out);
    case TYPE_ARRAY:
        return decode_array(rows, type, member, arena, out);
    case TYPE_MAP:
    case TYPE_MULTISET:
        return decode_map(rows, type, member, arena, out);
    case TYPE_ROW:
        return decode_row(rows, type, member, arena, out);
    default:
        return "this type cannot be read from JSON";
    }
}
