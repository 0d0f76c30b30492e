/*
 * func/timefmt.c: patterns of java.time.format.DateTimeFormatter (English): y u M L d D E e Q H h K
 * k m s S n A a w, quotes. Parsing is as its SMART style: 31 becomes the month's last day.
 */
#include "func/func_int.h"

#include "base/cal.h"

enum { ITEMS_MAX = 64, PATTERN_BYTES_MAX = 512, DAY_S = 86400 };

struct item {
    char letter; /* 0: literal text. */
    i32 count;
    str text;
};

struct func_timefmt {
    struct item items[ITEMS_MAX];
    isize count;
};

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                       "Friday", "Saturday", "Sunday"};

/* --- compiling -------------------------------------------------------------------------------- */

static bool add_item(struct func_timefmt *fmt, char letter, i32 count, str text)
{
    if (fmt->count == ITEMS_MAX) {
        return false;
    }
    fmt->items[fmt->count++] = (struct item){letter, count, text};
    return true;
}

/* 'text' with '' for a quote; *at stands after the first quote. */
static bool take_quoted(struct func_timefmt *fmt, str pattern, isize *at)
{
    if (*at < pattern.len && pattern.data[*at] == '\'') {
        (*at)++;
        return add_item(fmt, 0, 0, STR("'"));
    }
    for (;;) {
        isize end = str_find_byte(pattern, '\'', *at);
        if (end < 0 || !add_item(fmt, 0, 0, str_slice(pattern, *at, end))) {
            return false;
        }
        *at = end + 1;
        if (*at >= pattern.len || pattern.data[*at] != '\'') {
            return true;
        }
        if (!add_item(fmt, 0, 0, STR("'"))) {
            return false;
        }
        (*at)++;
    }
}

static const char *check_letter(char letter, i32 count)
{
    if (strchr("yuMLdDEeQHhKkmsSnAaw", letter) == NULL) {
        return "Unknown pattern letter";
    }
    i32 max = strchr("dHhKkmsw", letter) != NULL ? 2
              : letter == 'D'                    ? 3
              : letter == 'a'                    ? 1
              : letter == 'S'                    ? 9
              : strchr("yunA", letter) != NULL   ? 19
                                                 : 4;
    return count > max ? "Too many pattern letters" : NULL;
}

const struct func_timefmt *func__timefmt(struct arena *arena, str pattern, const char **error_out)
{
    struct func_timefmt *fmt = ARENA_NEW(arena, struct func_timefmt);
    *error_out = "The pattern is too long";
    if (pattern.len > PATTERN_BYTES_MAX) {
        return NULL;
    }
    pattern = arena_copy(arena, pattern);
    for (isize at = 0; at < pattern.len;) {
        char c = (char)pattern.data[at];
        bool is_letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        isize from = at++;
        bool ok = true;
        if (is_letter) {
            while (at < pattern.len && pattern.data[at] == (u8)c) {
                at++;
            }
            const char *wrong = check_letter(c, (i32)(at - from));
            if (wrong != NULL) {
                *error_out = arena_cstr(arena, arena_printf(arena, "%s: %c", wrong, c));
                return NULL;
            }
            ok = add_item(fmt, c, (i32)(at - from), STR_EMPTY);
        } else if (c == '\'') {
            ok = take_quoted(fmt, pattern, &at);
        } else if (c == '#' || c == '{' || c == '}') {
            *error_out = arena_cstr(
                arena, arena_printf(arena, "Pattern includes reserved character: '%c'", c));
            return NULL;
        } else if (c != '[' && c != ']') {
            ok = add_item(fmt, 0, 0, str_slice(pattern, from, at));
        }
        if (!ok) {
            *error_out = "Pattern ends with an incomplete string literal or is too long";
            return NULL;
        }
    }
    return fmt;
}

/* --- printing --------------------------------------------------------------------------------- */

struct fields {
    i64 year, days;
    i32 month, day, day_of_year, weekday; /* weekday: Monday = 0. */
    i32 second_of_day, nanos;
};

static struct fields split(struct func_instant local)
{
    struct fields f = {.days = func__floor_div(local.seconds, DAY_S), .nanos = local.nanos};
    f.second_of_day = (i32)func__floor_mod(local.seconds, DAY_S);
    cal_civil_from_days(f.days, &f.year, &f.month, &f.day);
    f.day_of_year = (i32)(f.days - cal_days_from_civil(f.year, 1, 1)) + 1;
    f.weekday = (i32)func__floor_mod(f.days + 3, 7);
    return f;
}

static void put_number(struct buf *out, i64 value, i32 width)
{
    buf_printf(out, "%s%0*lld", value < 0 ? "-" : "", width,
               (long long)(value < 0 ? -value : value));
}

static void put_name(struct buf *out, const char *name, i32 count)
{
    isize len = count == 3 ? 3 : count == 5 ? 1 : (isize)strlen(name);
    buf_append_bytes(out, name, MIN(len, (isize)strlen(name)));
}

static void put_quarter(struct buf *out, i32 quarter, i32 count)
{
    static const char *const names[] = {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};
    if (count <= 2) {
        put_number(out, quarter, count);
    } else if (count == 3) {
        buf_printf(out, "Q%d", quarter);
    } else {
        buf_append(out, str_of(names[quarter - 1]));
    }
}

/* US weeks, as the English locale: begin on Sunday, the first has 1 January. */
static i32 week_of_year(const struct fields *f)
{
    i64 first = cal_days_from_civil(f->year, 1, 1);
    i64 lead = func__floor_mod(first + 4, 7); /* Days of the first week before 1 January. */
    i64 next = cal_days_from_civil(f->year + 1, 1, 1);
    if (f->days >= next - func__floor_mod(next + 4, 7)) {
        return 1;
    }
    return (i32)((f->days - first + lead) / 7) + 1;
}

static void print_date(const struct item *item, const struct fields *f, struct buf *out)
{
    switch (item->letter) {
    case 'y':
    case 'u':
        if (item->count == 2) {
            put_number(out, func__floor_mod(f->year, 100), 2);
        } else {
            i64 year = item->letter == 'y' && f->year <= 0 ? 1 - f->year : f->year;
            put_number(out, year, item->count);
        }
        break;
    case 'M':
    case 'L':
        if (item->count <= 2) {
            put_number(out, f->month, item->count);
        } else {
            put_name(out, months[f->month - 1], item->count);
        }
        break;
    case 'd':
        put_number(out, f->day, item->count);
        break;
    case 'D':
        put_number(out, f->day_of_year, item->count);
        break;
    case 'E':
        put_name(out, weekdays[f->weekday], MAX(item->count, 3));
        break;
    case 'e':
        if (item->count <= 2) {
            put_number(out, (f->weekday + 1) % 7 + 1, item->count);
        } else {
            put_name(out, weekdays[f->weekday], item->count);
        }
        break;
    case 'w':
        put_number(out, week_of_year(f), item->count);
        break;
    default:
        put_quarter(out, (f->month + 2) / 3, item->count);
        break;
    }
}

static void print_clock(const struct item *item, const struct fields *f, struct buf *out)
{
    i32 hour = f->second_of_day / 3600;
    switch (item->letter) {
    case 'H':
        put_number(out, hour, item->count);
        break;
    case 'k':
        put_number(out, hour == 0 ? 24 : hour, item->count);
        break;
    case 'K':
        put_number(out, hour % 12, item->count);
        break;
    case 'h':
        put_number(out, hour % 12 == 0 ? 12 : hour % 12, item->count);
        break;
    case 'm':
        put_number(out, f->second_of_day / 60 % 60, item->count);
        break;
    case 's':
        put_number(out, f->second_of_day % 60, item->count);
        break;
    case 'n':
        put_number(out, f->nanos, item->count);
        break;
    case 'A':
        put_number(out, (i64)f->second_of_day * 1000 + f->nanos / 1000000, item->count);
        break;
    case 'S': {
        char digits[16];
        i32 nanos = f->nanos;
        for (int i = 8; i >= 0; i--) {
            digits[i] = (char)('0' + nanos % 10);
            nanos /= 10;
        }
        buf_append_bytes(out, digits, item->count);
        break;
    }
    default:
        buf_append(out, hour < 12 ? STR("AM") : STR("PM"));
        break;
    }
}

void func__timefmt_print(const struct func_timefmt *fmt, struct func_instant local, struct buf *out)
{
    struct fields f = split(local);
    for (isize i = 0; i < fmt->count; i++) {
        const struct item *item = &fmt->items[i];
        if (item->letter == 0) {
            buf_append(out, item->text);
        } else if (strchr("yuMLdDEeQw", item->letter) != NULL) {
            print_date(item, &f, out);
        } else {
            print_clock(item, &f, out);
        }
    }
}

/* --- parsing ---------------------------------------------------------------------------------- */

struct parsed {
    i64 year;
    i32 month, day, day_of_year;
    i32 hour, minute, second, nanos;
    bool is_half_day, is_pm; /* hour is 0 to 11. */
};

/* A number item next to another number item takes exactly its width (adjacent value parsing). */
static bool is_adjacent(const struct func_timefmt *fmt, isize i)
{
    return i + 1 < fmt->count && fmt->items[i + 1].letter != 0 &&
           strchr("aE", fmt->items[i + 1].letter) == NULL;
}

static bool take_value(str *rest, i32 min, i32 max, i64 *out)
{
    i64 value = 0;
    isize i = 0;
    while (i < rest->len && i < max && rest->data[i] >= '0' && rest->data[i] <= '9') {
        value = value * 10 + (rest->data[i++] - '0');
    }
    *out = value;
    *rest = str_slice(*rest, i, rest->len);
    return i >= min && i > 0;
}

static bool take_name(str *rest, const char *const *names, isize count, i32 letters, i32 *out)
{
    for (isize i = 0; i < count; i++) {
        str name = str_of(names[i]);
        name = letters == 3 ? str_slice(name, 0, 3) : name;
        if (str_starts(*rest, name)) {
            *rest = str_slice(*rest, name.len, rest->len);
            *out = (i32)i + 1;
            return true;
        }
    }
    return false;
}

static bool take_half(str *rest, struct parsed *p)
{
    bool is_am = str_starts(*rest, STR("AM")), is_pm = str_starts(*rest, STR("PM"));
    p->is_pm = is_pm;
    p->is_half_day = true;
    *rest = str_slice(*rest, 2, rest->len);
    return is_am || is_pm;
}

static bool take_fraction(str *rest, i32 count, struct parsed *p)
{
    i64 value = 0;
    if (!take_value(rest, count, count, &value)) {
        return false;
    }
    for (i32 i = count; i < 9; i++) {
        value *= 10;
    }
    p->nanos = (i32)value;
    return true;
}

static bool store(struct parsed *p, const struct item *item, i64 v)
{
    switch (item->letter) {
    case 'y':
    case 'u':
        p->year = item->count == 2 ? 2000 + v : v;
        return true;
    case 'M':
    case 'L':
        p->month = (i32)v;
        return v >= 1 && v <= 12;
    case 'd':
        p->day = (i32)v;
        return v >= 1 && v <= 31;
    case 'D':
        p->day_of_year = (i32)v;
        return v >= 1 && v <= 366;
    case 'H':
        p->hour = (i32)v;
        return v <= 23;
    case 'k':
        p->hour = (i32)(v % 24);
        return v >= 1 && v <= 24;
    case 'K':
    case 'h':
        p->hour = (i32)(v % 12);
        p->is_half_day = true;
        return item->letter == 'h' ? v >= 1 && v <= 12 : v <= 11;
    case 'm':
        p->minute = (i32)v;
        return v <= 59;
    case 's':
        p->second = (i32)v;
        return v <= 59;
    default:
        p->nanos = (i32)MIN(v, 999999999);
        return item->letter == 'n';
    }
}

static bool take_item(const struct func_timefmt *fmt, isize i, str *rest, struct parsed *p)
{
    const struct item *item = &fmt->items[i];
    i32 weekday = 0;
    if (item->letter == 0) {
        bool is_there = str_starts(*rest, item->text);
        *rest = str_slice(*rest, item->text.len, rest->len);
        return is_there;
    }
    if (item->letter == 'a') {
        return take_half(rest, p);
    }
    if (item->letter == 'S') {
        return take_fraction(rest, item->count, p);
    }
    if (item->letter == 'E') {
        return take_name(rest, weekdays, 7, MAX(item->count, 3), &weekday);
    }
    if (strchr("ML", item->letter) != NULL && item->count > 2) {
        return take_name(rest, months, 12, item->count, &p->month);
    }
    bool is_year = item->letter == 'y' || item->letter == 'u';
    i32 min = item->count;
    i32 max = item->count == 2 || is_adjacent(fmt, i) ? MAX(min, is_adjacent(fmt, i) ? min : 2)
                                                      : (is_year ? 18 : 2);
    max = item->letter == 'D' ? 3 : item->letter == 'n' ? 9 : max;
    i64 value = 0;
    return take_value(rest, min, max, &value) && value <= 999999999 && store(p, item, value);
}

bool func__timefmt_parse(const struct func_timefmt *fmt, str text, struct func_instant *out)
{
    struct parsed p = {.year = 1970, .month = 1, .day = 1};
    str rest = text;
    for (isize i = 0; i < fmt->count; i++) {
        if (!take_item(fmt, i, &rest, &p)) {
            return false;
        }
    }
    if (rest.len != 0) {
        return false;
    }
    i32 hour = p.hour + (p.is_half_day && p.is_pm && p.hour < 12 ? 12 : 0);
    i64 days = p.day_of_year > 0 ? cal_days_from_civil(p.year, 1, 1) + p.day_of_year - 1
                                 : cal_days_from_civil(p.year, p.month,
                                                       MIN(p.day, cal_month_days(p.year, p.month)));
    *out = (struct func_instant){days * DAY_S + hour * 3600 + p.minute * 60 + p.second, p.nanos};
    return true;
}
