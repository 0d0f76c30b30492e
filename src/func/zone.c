/*
 * func/zone.c: time zones: UTC, fixed offsets, and TZif files (RFC 8536) with the POSIX rule of
 * their footer for the years after the last transition. Zones are parsed once per process and kept;
 * their number is bounded by that of the files.
 */
#include "func/func_int.h"

#include "base/buf.h"
#include "base/cal.h"

#include <stdatomic.h>

enum { ZONE_NAME_MAX = 64, ZONE_TRANSITIONS_MAX = 4096, ZONE_KEPT_MAX = 2000, DAY_S = 86400 };

/* When a rule of the footer begins: month, week (5 = last), weekday; or a day of the year. */
struct rule_day {
    char kind; /* 'M', 'J' (1 to 365, no leap day) or 'N' (0 to 365) */
    i32 month, week, weekday, day;
    i32 time_s;
};

struct func_zone {
    struct func_zone *next;
    char name[ZONE_NAME_MAX];
    i64 *times;   /* Ascending UTC seconds. */
    i32 *offsets; /* offsets[i + 1] holds from times[i]; offsets[0] before all. */
    isize count;
    bool has_rule;
    i32 standard_s, daylight_s;
    bool has_daylight;
    struct rule_day start, end;
};

static struct func_zone utc_zone = {.name = "UTC"};
static _Atomic(struct func_zone *) kept;
static _Atomic isize kept_count;
static func_zone_loader_fn loader;
static void *loader_ctx;
static i32 no_offset[1];

void func_set_zone_loader(func_zone_loader_fn fn, void *ctx)
{
    loader = fn;
    loader_ctx = ctx;
}

/* --- the footer's rule ------------------------------------------------------------------------ */

static bool take_number(str text, isize *at, i32 *out)
{
    isize from = *at;
    i32 value = 0;
    while (*at < text.len && *at - from < 4 && text.data[*at] >= '0' && text.data[*at] <= '9') {
        value = value * 10 + (text.data[(*at)++] - '0');
    }
    *out = value;
    return *at > from;
}

/* "[+-]hh[:mm[:ss]]" */
static bool take_offset(str text, isize *at, i32 *out)
{
    bool is_negative = *at < text.len && text.data[*at] == '-';
    if (*at < text.len && (text.data[*at] == '-' || text.data[*at] == '+')) {
        (*at)++;
    }
    i32 parts[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        if (i > 0) {
            if (*at >= text.len || text.data[*at] != ':') {
                break;
            }
            (*at)++;
        }
        if (!take_number(text, at, &parts[i])) {
            return false;
        }
    }
    i32 seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    *out = is_negative ? -seconds : seconds;
    return true;
}

static bool skip_name(str text, isize *at)
{
    isize from = *at;
    if (*at < text.len && text.data[*at] == '<') {
        while (*at < text.len && text.data[*at] != '>') {
            (*at)++;
        }
        (*at)++;
    } else {
        while (*at < text.len && ((text.data[*at] | 32) >= 'a' && (text.data[*at] | 32) <= 'z')) {
            (*at)++;
        }
    }
    return *at > from && *at <= text.len;
}

static bool take_rule(str text, isize *at, struct rule_day *out)
{
    *out = (struct rule_day){.kind = 'N', .time_s = 7200};
    if (*at >= text.len || text.data[(*at)++] != ',') {
        return false;
    }
    bool ok = *at < text.len;
    if (ok && text.data[*at] == 'M') {
        out->kind = 'M';
        (*at)++;
        ok = take_number(text, at, &out->month) && (*at)++ < text.len &&
             take_number(text, at, &out->week) && (*at)++ < text.len &&
             take_number(text, at, &out->weekday) && out->month >= 1 && out->month <= 12 &&
             out->week >= 1 && out->week <= 5 && out->weekday <= 6;
    } else if (ok) {
        if (text.data[*at] == 'J') {
            out->kind = 'J';
            (*at)++;
        }
        ok = take_number(text, at, &out->day);
    }
    if (ok && *at < text.len && text.data[*at] == '/') {
        (*at)++;
        ok = take_offset(text, at, &out->time_s);
    }
    return ok;
}

/* "EST5EDT,M3.2.0,M11.1.0": offsets are west of Greenwich there. */
static bool parse_footer(struct func_zone *zone, str text)
{
    isize at = 0;
    i32 west = 0;
    if (!skip_name(text, &at) || !take_offset(text, &at, &west)) {
        return false;
    }
    zone->standard_s = -west;
    zone->daylight_s = zone->standard_s + 3600;
    zone->has_rule = true;
    if (at >= text.len) {
        return true;
    }
    zone->has_daylight = true;
    if (!skip_name(text, &at)) {
        return false;
    }
    if (at < text.len && text.data[at] != ',') {
        if (!take_offset(text, &at, &west)) {
            return false;
        }
        zone->daylight_s = -west;
    }
    return take_rule(text, &at, &zone->start) && take_rule(text, &at, &zone->end) && at == text.len;
}

/* Seconds of local time since 1970 at which the rule begins in this year. */
static i64 rule_second(const struct rule_day *rule, i64 year)
{
    i64 day = 0;
    if (rule->kind == 'M') {
        i64 first = cal_days_from_civil(year, rule->month, 1);
        i64 weekday = func__floor_mod(first + 4, 7);
        day = first + func__floor_mod(rule->weekday - weekday, 7) + (rule->week - 1) * 7;
        if (day >= first + cal_month_days(year, rule->month)) {
            day -= 7;
        }
    } else {
        day = cal_days_from_civil(year, 1, 1) + rule->day;
        if (rule->kind == 'J') {
            day -= !(cal_is_leap(year) && rule->day >= 60);
        }
    }
    return day * DAY_S + rule->time_s;
}

static i32 rule_offset(const struct func_zone *zone, i64 utc)
{
    if (!zone->has_daylight) {
        return zone->standard_s;
    }
    i64 year = 0;
    i32 month = 0, day = 0;
    cal_civil_from_days(func__floor_div(utc + zone->standard_s, DAY_S), &year, &month, &day);
    i64 start = rule_second(&zone->start, year) - zone->standard_s;
    i64 end = rule_second(&zone->end, year) - zone->daylight_s;
    bool is_daylight = start < end ? utc >= start && utc < end : utc >= start || utc < end;
    return is_daylight ? zone->daylight_s : zone->standard_s;
}

/* --- TZif ------------------------------------------------------------------------------------- */

static u32 big_u32(const u8 *p)
{
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}
static i64 big_i64(const u8 *p)
{
    return (i64)((u64)big_u32(p) << 32 | big_u32(p + 4));
}

enum { HEADER_BYTES = 44 };

struct counts {
    isize utc, wall, leap, times, types, chars;
};

static bool read_counts(str data, isize at, struct counts *out)
{
    if (at + HEADER_BYTES > data.len || memcmp(data.data + at, "TZif", 4) != 0) {
        return false;
    }
    const u8 *p = data.data + at + 20;
    *out = (struct counts){big_u32(p),      big_u32(p + 4),  big_u32(p + 8),
                           big_u32(p + 12), big_u32(p + 16), big_u32(p + 20)};
    return out->times <= ZONE_TRANSITIONS_MAX && out->types >= 1 && out->types <= 256 &&
           out->chars <= 4096 && out->leap <= 4096 && out->utc <= 256 && out->wall <= 256;
}

static isize block_bytes(const struct counts *c, isize time_bytes)
{
    return c->times * (time_bytes + 1) + c->types * 6 + c->chars + c->leap * (time_bytes + 4) +
           c->wall + c->utc;
}

static bool parse_tzif(struct func_zone *zone, str data)
{
    struct counts c;
    if (!read_counts(data, 0, &c) || data.data[4] < '2') {
        return false;
    }
    isize at = HEADER_BYTES + block_bytes(&c, 4);
    if (!read_counts(data, at, &c) || at + HEADER_BYTES + block_bytes(&c, 8) > data.len) {
        return false;
    }
    const u8 *times = data.data + at + HEADER_BYTES;
    const u8 *kinds = times + c.times * 8;
    const u8 *types = kinds + c.times;
    zone->count = c.times;
    zone->times = mem_alloc(MAX(c.times, 1) * (isize)sizeof *zone->times);
    zone->offsets = mem_alloc((c.times + 1) * (isize)sizeof *zone->offsets);
    zone->offsets[0] = (i32)big_u32(types);
    for (isize i = 0; i < c.times; i++) {
        if (kinds[i] >= c.types) {
            return false;
        }
        zone->times[i] = big_i64(times + i * 8);
        zone->offsets[i + 1] = (i32)big_u32(types + kinds[i] * 6);
    }
    isize footer = at + HEADER_BYTES + block_bytes(&c, 8);
    str rest = str_trim(str_slice(data, footer, data.len));
    return rest.len == 0 || parse_footer(zone, rest);
}

/* --- lookup ----------------------------------------------------------------------------------- */

/* "GMT+08:00", "UTC-3", "+05:30", "Z" */
static bool parse_fixed(str name, i32 *out)
{
    if (str_eq(name, STR("Z"))) {
        *out = 0;
        return true;
    }
    if (str_starts(name, STR("GMT")) || str_starts(name, STR("UTC"))) {
        name = str_slice(name, 3, name.len);
        if (name.len == 0) {
            *out = 0;
            return true;
        }
    }
    isize at = 0;
    bool is_signed = name.len >= 2 && (name.data[0] == '+' || name.data[0] == '-');
    return is_signed && take_offset(name, &at, out) && at == name.len && *out <= 18 * 3600 &&
           *out >= -18 * 3600;
}

static bool is_safe_name(str name)
{
    for (isize i = 0; i < name.len; i++) {
        u8 c = name.data[i];
        bool is_letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '+' && c != '-' && c != '/') {
            return false;
        }
    }
    return name.len > 0 && name.data[0] != '/' && name.len < ZONE_NAME_MAX;
}

static bool load_zone(struct func_zone *zone)
{
    i32 fixed = 0;
    if (parse_fixed(str_of(zone->name), &fixed)) {
        zone->has_rule = true;
        zone->standard_s = fixed;
        zone->offsets = no_offset;
        return true;
    }
    if (loader == NULL || !is_safe_name(str_of(zone->name))) {
        return false;
    }
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    str data = STR_EMPTY;
    bool ok = loader(loader_ctx, zone->name, &scratch, &data) == OK && parse_tzif(zone, data);
    arena_deinit(&scratch);
    return ok;
}

static void free_zone(struct func_zone *zone)
{
    if (zone->offsets != no_offset) {
        mem_free(zone->offsets);
    }
    mem_free(zone->times);
    mem_free(zone);
}

const struct func_zone *func__zone(const char *name)
{
    if (name == NULL || strcmp(name, "UTC") == 0) {
        return &utc_zone;
    }
    if (strlen(name) >= ZONE_NAME_MAX) {
        return NULL;
    }
    for (struct func_zone *z = atomic_load(&kept); z != NULL; z = z->next) {
        if (strcmp(z->name, name) == 0) {
            return z;
        }
    }
    struct func_zone *zone = NEW(struct func_zone);
    memcpy(zone->name, name, strlen(name) + 1);
    if (!load_zone(zone) || atomic_fetch_add(&kept_count, 1) >= ZONE_KEPT_MAX) {
        free_zone(zone);
        return NULL;
    }
    /* Two threads may load the same zone at once: both copies are kept, either is right. */
    struct func_zone *head = atomic_load(&kept);
    do {
        zone->next = head;
    } while (!atomic_compare_exchange_weak(&kept, &head, zone));
    return zone;
}

const struct func_zone *func__zone_str(str name)
{
    char cstr[ZONE_NAME_MAX];
    if (name.len >= ZONE_NAME_MAX) {
        return NULL;
    }
    str_copy_cstr(name, cstr, (isize)sizeof cstr);
    return func__zone(cstr);
}

bool func_zone_exists(const char *name)
{
    return func__zone(name) != NULL;
}

const struct func_zone *func__ctx_zone(const struct func_ctx *ctx)
{
    const struct func_zone *zone = func__zone(ctx->zone);
    return zone != NULL ? zone : &utc_zone; /* SET checks the name. */
}

/* --- conversion ------------------------------------------------------------------------------- */

static i32 offset_at(const struct func_zone *zone, i64 utc)
{
    if (zone->count == 0 || utc >= zone->times[zone->count - 1]) {
        if (zone->has_rule) {
            return rule_offset(zone, utc);
        }
        return zone->offsets == NULL ? 0 : zone->offsets[zone->count];
    }
    isize low = 0, high = zone->count; /* First transition after utc. */
    while (low < high) {
        isize middle = (low + high) / 2;
        if (zone->times[middle] <= utc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return zone->offsets[low];
}

struct func_instant func__zone_to_local(const struct func_zone *zone, struct func_instant utc)
{
    if (zone == &utc_zone) {
        return utc;
    }
    return (struct func_instant){utc.seconds + offset_at(zone, utc.seconds), utc.nanos};
}

struct func_instant func__zone_to_utc(const struct func_zone *zone, struct func_instant local)
{
    if (zone == &utc_zone) {
        return local;
    }
    /* The offsets a day before and after bracket any transition near by. */
    i32 before = offset_at(zone, local.seconds - DAY_S);
    i32 after = offset_at(zone, local.seconds + DAY_S);
    i64 early = local.seconds - before;
    if (before == after || offset_at(zone, early) == before) {
        return (struct func_instant){early, local.nanos};
    }
    i64 late = local.seconds - after;
    /* In a gap neither fits: the offset before it moves the time forward by the gap. */
    return (struct func_instant){offset_at(zone, late) == after ? late : early, local.nanos};
}

struct func_instant func__zone_to_utc_late(const struct func_zone *zone, struct func_instant local)
{
    struct func_instant early = func__zone_to_utc(zone, local);
    i64 late = local.seconds - offset_at(zone, local.seconds + DAY_S);
    bool is_there = late + offset_at(zone, late) == local.seconds;
    return (struct func_instant){is_there ? late : early.seconds, local.nanos};
}

static i64 instant_us(struct func_instant at, i64 us)
{
    return at.seconds * 1000000 + func__floor_mod(us, 1000000);
}

i64 func_zone_local_us(const char *name, i64 utc_us)
{
    const struct func_zone *zone = func__zone(name);
    return zone == NULL ? utc_us
                        : instant_us(func__zone_to_local(zone, func__instant_us(utc_us)), utc_us);
}

i64 func_zone_utc_us(const char *name, i64 local_us)
{
    const struct func_zone *zone = func__zone(name);
    return zone == NULL
               ? local_us
               : instant_us(func__zone_to_utc_late(zone, func__instant_us(local_us)), local_us);
}
