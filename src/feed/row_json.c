/* feed/row_json.c: rows in the simulator's form. */
#include "feed/row_json.h"

#include "base/cal.h"

enum { US_OF_SECOND = 1000000 };

/* --- columns
 * --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum feed_kind kind;
} known_kinds[] = {
    {"Start_Time", FEED_TIME},
    {"End_Time", FEED_TIME},
    {"Weather_Timestamp", FEED_TIME},
    {"Severity", FEED_INTEGER},
    {"TMC", FEED_REAL},
    {"Start_Lat", FEED_REAL},
    {"Start_Lng", FEED_REAL},
    {"End_Lat", FEED_REAL},
    {"End_Lng", FEED_REAL},
    {"Distance(mi)", FEED_REAL},
    {"Number", FEED_REAL},
    {"Temperature(F)", FEED_REAL},
    {"Wind_Chill(F)", FEED_REAL},
    {"Humidity(%)", FEED_REAL},
    {"Pressure(in)", FEED_REAL},
    {"Visibility(mi)", FEED_REAL},
    {"Wind_Speed(mph)", FEED_REAL},
    {"Precipitation(in)", FEED_REAL},
    {"Amenity", FEED_BOOLEAN},
    {"Bump", FEED_BOOLEAN},
    {"Crossing", FEED_BOOLEAN},
    {"Give_Way", FEED_BOOLEAN},
    {"Junction", FEED_BOOLEAN},
    {"No_Exit", FEED_BOOLEAN},
    {"Railway", FEED_BOOLEAN},
    {"Roundabout", FEED_BOOLEAN},
    {"Station", FEED_BOOLEAN},
    {"Stop", FEED_BOOLEAN},
    {"Traffic_Calming", FEED_BOOLEAN},
    {"Traffic_Signal", FEED_BOOLEAN},
    {"Turning_Loop", FEED_BOOLEAN},
};

static enum feed_kind kind_of(str name)
{
    for (isize i = 0; i < COUNT_OF(known_kinds); i++) {
        if (str_eq(name, str_of(known_kinds[i].name))) {
            return known_kinds[i].kind;
        }
    }
    return FEED_TEXT;
}

static str quoted_make(struct arena *arena, str text);

err feed_columns_init(struct feed_columns *columns, const str *names, isize count,
                      struct arena *arena, struct diag *diag)
{
    if (count == 0 || (count == 1 && names[0].len == 0)) {
        return diag_set(diag, ERR_INVALID, "FEED001", "the file has no header line");
    }
    if (count > FEED_COLUMNS_MAX) {
        return diag_set(diag, ERR_LIMIT, "FEED002",
                        "the header has %td columns, at most %d are read", count, FEED_COLUMNS_MAX);
    }
    *columns = (struct feed_columns){
        .names = ARENA_ARRAY(arena, str, count),
        .quoted = ARENA_ARRAY(arena, str, count),
        .kinds = ARENA_ARRAY(arena, enum feed_kind, count),
        .is_shadowed = ARENA_ARRAY(arena, bool, count),
        .source = ARENA_ARRAY(arena, isize, count),
        .count = count,
    };
    for (isize i = 0; i < count; i++) {
        if (!str_is_utf8(names[i])) {
            return diag_set(diag, ERR_INVALID, "FEED004", "the name of column %td is not UTF-8",
                            i + 1);
        }
        columns->names[i] = arena_copy(arena, names[i]);
        columns->quoted[i] = quoted_make(arena, names[i]);
        columns->kinds[i] = kind_of(names[i]);
        columns->source[i] = i;
        isize first = feed_columns_find(columns, names[i]);
        if (first < i) {
            columns->source[first] = i; /* A dictionary keeps the first place and the last value. */
            columns->is_shadowed[i] = true;
        }
    }
    return OK;
}

isize feed_columns_find(const struct feed_columns *columns, str name)
{
    for (isize i = 0; i < columns->count; i++) {
        if (str_eq(columns->names[i], name)) {
            return i;
        }
    }
    return -1;
}

/* --- times
 * ----------------------------------------------------------------------------------------- */

/* Takes `least` to `most` digits off the front. */
static bool take_number(str *text, int least, int most, i64 *out)
{
    int digits = 0;
    i64 value = 0;
    while (digits < most && digits < text->len && (u8)(text->data[digits] - '0') <= 9) {
        value = value * 10 + (text->data[digits] - '0');
        digits++;
    }
    if (digits < least) {
        return false;
    }
    *text = str_slice(*text, digits, text->len);
    *out = value;
    return true;
}

static bool take_byte(str *text, u8 byte)
{
    if (text->len == 0 || text->data[0] != byte) {
        return false;
    }
    *text = str_slice(*text, 1, text->len);
    return true;
}

static bool take_date(str *text, i64 *year, i64 *month, i64 *day)
{
    str rest = *text;
    bool ok = take_number(&rest, 4, 4, year) && take_byte(&rest, '-') &&
              take_number(&rest, 2, 2, month) && take_byte(&rest, '-') &&
              take_number(&rest, 2, 2, day);
    if (!ok) {
        rest = *text;
        ok = take_number(&rest, 1, 2, month) && take_byte(&rest, '/') &&
             take_number(&rest, 1, 2, day) && take_byte(&rest, '/') &&
             take_number(&rest, 4, 4, year);
    }
    if (!ok) {
        rest = *text;
        ok = take_number(&rest, 2, 2, day) && take_byte(&rest, '-') &&
             take_number(&rest, 2, 2, month) && take_byte(&rest, '-') &&
             take_number(&rest, 4, 4, year);
    }
    *text = rest;
    return ok;
}

/* Fraction after the point: 1 to 9 digits, as microseconds, cut. */
static bool take_fraction(str *text, i64 *us)
{
    isize before = text->len;
    i64 value;
    if (!take_number(text, 1, 9, &value)) {
        return false;
    }
    isize digits = before - text->len;
    for (; digits < 6; digits++) {
        value *= 10;
    }
    for (; digits > 6; digits--) {
        value /= 10;
    }
    *us = value;
    return true;
}

err feed_time_parse(str text, i64 *us_out)
{
    i64 year, month, day, hour, minute, second = 0, us = 0;
    if (!take_date(&text, &year, &month, &day)) {
        return ERR_SYNTAX;
    }
    if (!take_byte(&text, ' ') && !take_byte(&text, 'T')) {
        return ERR_SYNTAX;
    }
    if (!take_number(&text, 1, 2, &hour) || !take_byte(&text, ':') ||
        !take_number(&text, 2, 2, &minute)) {
        return ERR_SYNTAX;
    }
    if (take_byte(&text, ':') && !take_number(&text, 2, 2, &second)) {
        return ERR_SYNTAX;
    }
    if (take_byte(&text, '.') && !take_fraction(&text, &us)) {
        return ERR_SYNTAX;
    }
    bool is_real = text.len == 0 && year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
                   day <= cal_month_days(year, (i32)month) && hour <= 23 && minute <= 59 &&
                   second <= 59;
    if (!is_real) {
        return text.len == 0 ? ERR_RANGE : ERR_SYNTAX;
    }
    struct cal cal = {.year = year,
                      .month = (i32)month,
                      .day = (i32)day,
                      .hour = (i32)hour,
                      .minute = (i32)minute,
                      .second = (i32)second};
    *us_out = cal_to_us(&cal) + us;
    return OK;
}

static u8 *put_digits(u8 *p, i64 value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        p[i] = (u8)('0' + value % 10);
        value /= 10;
    }
    return p + digits;
}

void feed_time_append(i64 us, bool has_fraction, struct buf *out)
{
    struct cal cal;
    cal_from_us(us, &cal);
    u8 text[32];
    u8 *p = put_digits(text, cal.year, 4);
    i64 parts[] = {cal.month, cal.day, cal.hour, cal.minute, cal.second};
    const char *marks = "--T::";
    for (int i = 0; i < COUNT_OF(parts); i++) {
        *p++ = (u8)marks[i];
        p = put_digits(p, parts[i], 2);
    }
    if (has_fraction || cal.nanos != 0) {
        *p++ = '.';
        p = put_digits(p, cal.nanos / 1000, 6);
    }
    buf_append_bytes(out, text, p - text);
}

/* --- JSON as Python writes it
 * ------------------------------------------------------------------------ */

/* Code point of the sequence at s.data[*at]; s is valid UTF-8. */
static u32 take_code_point(str s, isize *at)
{
    u8 first = s.data[*at];
    int more = (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0);
    u32 code = more == 0 ? first : first & (0x3FU >> more);
    for (int i = 1; i <= more; i++) {
        code = (code << 6) | (s.data[*at + i] & 0x3FU);
    }
    *at += more + 1;
    return code;
}

static void append_unicode(struct buf *out, u32 unit)
{
    static const char hex[] = "0123456789abcdef";
    u8 text[6] = {'\\',
                  'u',
                  (u8)hex[unit >> 12],
                  (u8)hex[(unit >> 8) & 15],
                  (u8)hex[(unit >> 4) & 15],
                  (u8)hex[unit & 15]};
    buf_append_bytes(out, text, 6);
}

static void append_special(struct buf *out, u32 code)
{
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (int i = 0; shorts[i] != '\0'; i += 2) {
        if (code == (u8)shorts[i]) {
            buf_append_byte(out, '\\');
            buf_append_byte(out, (u8)shorts[i + 1]);
            return;
        }
    }
    if (code >= 0x10000) {
        append_unicode(out, 0xD800 + ((code - 0x10000) >> 10));
        append_unicode(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
        append_unicode(out, code);
    }
}

/* Nothing to escape, and so ASCII. */
static bool is_plain(str text)
{
    u8 special = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        special |= (u8)((u8)(c - 0x20) >= 0x5F) | (u8)(c == '"') | (u8)(c == '\\');
    }
    return special == 0;
}

static void append_plain(struct buf *out, str text)
{
    u8 *p = buf_reserve(out, text.len + 2);
    *p++ = '"';
    if (text.len > 0) {
        memcpy(p, text.data, (size_t)text.len);
    }
    p[text.len] = '"';
    out->len += text.len + 2;
}

static void append_string(struct buf *out, str text)
{
    buf_append_byte(out, '"');
    isize plain = 0;
    for (isize i = 0; i < text.len;) {
        u8 c = text.data[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            i++;
            continue;
        }
        buf_append(out, str_slice(text, plain, i));
        append_special(out, take_code_point(text, &i));
        plain = i;
    }
    buf_append(out, str_slice(text, plain, text.len));
    buf_append_byte(out, '"');
}

static str quoted_make(struct arena *arena, str text)
{
    struct buf out = {0};
    append_string(&out, text);
    str quoted = arena_copy(arena, buf_str(&out));
    buf_deinit(&out);
    return quoted;
}

/* A JSON number by RFC 8259. */
static bool is_number(str text, bool is_integer)
{
    i64 ignored;
    (void)take_byte(&text, '-');
    bool has_leading_zero = text.len > 1 && text.data[0] == '0' && (u8)(text.data[1] - '0') <= 9;
    if (has_leading_zero || !take_number(&text, 1, 18, &ignored)) {
        return false;
    }
    if (!is_integer && take_byte(&text, '.') && !take_number(&text, 1, 18, &ignored)) {
        return false;
    }
    if (!is_integer && (take_byte(&text, 'e') || take_byte(&text, 'E'))) {
        (void)(take_byte(&text, '-') || take_byte(&text, '+'));
        if (!take_number(&text, 1, 3, &ignored)) {
            return false;
        }
    }
    return text.len == 0;
}

static err reject(struct diag *diag, str name, str value, const char *expected)
{
    return diag_set(diag, ERR_INVALID, "FEED003",
                    "column \"" STR_FMT "\": \"" STR_FMT "\" is not %s", STR_ARG(name),
                    STR_ARG(str_slice(value, 0, 64)), expected);
}

static err append_typed(enum feed_kind kind, str name, str value, struct buf *out,
                        struct diag *diag)
{
    if (value.len == 0) {
        buf_append(out, STR("null"));
        return OK;
    }
    if (kind == FEED_BOOLEAN) {
        bool is_true = str_eq_nocase(value, STR("true"));
        if (!is_true && !str_eq_nocase(value, STR("false"))) {
            return reject(diag, name, value, "True or False");
        }
        buf_append(out, is_true ? STR("true") : STR("false"));
        return OK;
    }
    bool is_integer = kind == FEED_INTEGER;
    if (!is_number(value, is_integer)) {
        return reject(diag, name, value, is_integer ? "a whole number" : "a number");
    }
    buf_append(out, value);
    return OK;
}

static err append_time(str name, str value, struct buf *out, struct diag *diag)
{
    if (value.len == 0) {
        buf_append(out, STR("null"));
        return OK;
    }
    i64 us;
    if (feed_time_parse(value, &us) != OK) {
        return reject(diag, name, value, "a time such as 2016-02-08 05:46:00");
    }
    buf_append_byte(out, '"');
    feed_time_append(us, false, out);
    buf_append_byte(out, '"');
    return OK;
}

static err append_value(const struct feed_columns *columns, isize column,
                        const struct feed_row_form *form, str value, struct buf *out,
                        struct diag *diag)
{
    str name = columns->names[column];
    enum feed_kind kind = columns->kinds[column];
    if (kind == FEED_TIME) {
        return append_time(name, value, out, diag);
    }
    if (form->is_typed && kind != FEED_TEXT) {
        return append_typed(kind, name, value, out, diag);
    }
    if (is_plain(value)) {
        append_plain(out, value);
        return OK;
    }
    if (!str_is_utf8(value)) {
        return reject(diag, name, STR("..."), "valid UTF-8");
    }
    append_string(out, value);
    return OK;
}

/* Line break and blanks before a member at this depth; nothing in the compact form. */
static void append_break(const struct feed_row_form *form, int depth, struct buf *out)
{
    if (form->indent > 0) {
        buf_append_byte(out, '\n');
        buf_append_fill(out, ' ', (isize)form->indent * depth);
    }
}

/* `name` with its quotes. */
static void append_name(const struct feed_row_form *form, str name, struct buf *out)
{
    append_break(form, 1, out);
    u8 *p = buf_reserve(out, name.len + 2);
    memcpy(p, name.data, (size_t)name.len);
    p[name.len] = ':';
    p[name.len + 1] = ' ';
    out->len += name.len + 1 + (form->indent > 0);
}

/* Surplus fields stand in a list under the key that Python's None becomes. */
static err append_surplus(const struct feed_row_form *form, const str *fields, isize count,
                          struct buf *out, struct diag *diag)
{
    append_name(form, STR("\"null\""), out);
    buf_append_byte(out, '[');
    for (isize i = 0; i < count; i++) {
        if (!str_is_utf8(fields[i])) {
            return reject(diag, STR("null"), STR("..."), "valid UTF-8");
        }
        append_break(form, 2, out);
        append_string(out, fields[i]);
        if (i < count - 1) {
            buf_append_byte(out, ',');
        }
    }
    append_break(form, 1, out);
    buf_append(out, STR("],"));
    return OK;
}

static err append_members(const struct feed_columns *columns, const struct feed_row_form *form,
                          const str *fields, isize field_count, struct buf *out, struct diag *diag)
{
    for (isize i = 0; i < columns->count; i++) {
        if (columns->is_shadowed[i]) {
            continue;
        }
        append_name(form, columns->quoted[i], out);
        isize source = columns->source[i];
        if (source >= field_count) {
            buf_append(out, STR("null"));
        } else {
            TRY(append_value(columns, i, form, fields[source], out, diag));
        }
        buf_append_byte(out, ',');
    }
    if (field_count > columns->count) {
        TRY(append_surplus(form, fields + columns->count, field_count - columns->count, out, diag));
    }
    return OK;
}

err feed_row_json(const struct feed_columns *columns, const struct feed_row_form *form,
                  const str *fields, isize field_count, i64 now_us, struct buf *out,
                  struct diag *diag)
{
    isize before = out->len;
    buf_append_byte(out, '{');
    err e = append_members(columns, form, fields, field_count, out, diag);
    if (e != OK) {
        out->len = before;
        return e;
    }
    append_name(form, STR("\"Txn_Timestamp\""), out);
    buf_append_byte(out, '"');
    feed_time_append(now_us, true, out);
    buf_append_byte(out, '"');
    append_break(form, 0, out);
    buf_append_byte(out, '}');
    return OK;
}
