/* base/cal.c: civil calendar (days_from_civil and civil_from_days after Howard Hinnant). */
#include "base/cal.h"

#include <string.h>

enum { US_OF_SECOND = 1000000, SECONDS_OF_DAY = 86400, ERA_YEARS = 400, ERA_DAYS = 146097 };

static i64 floor_div(i64 a, i64 b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

i64 cal_days_from_civil(i64 year, i32 month, i32 day)
{
    year -= month <= 2;
    i64 era = floor_div(year, ERA_YEARS);
    i64 year_of_era = year - era * ERA_YEARS;
    i64 day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    i64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - 719468;
}

void cal_civil_from_days(i64 days, i64 *year_out, i32 *month_out, i32 *day_out)
{
    days += 719468;
    i64 era = floor_div(days, ERA_DAYS);
    i64 day_of_era = days - era * ERA_DAYS;
    i64 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    i64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    i64 part = (5 * day_of_year + 2) / 153;
    i32 month = (i32)(part < 10 ? part + 3 : part - 9);
    *day_out = (i32)(day_of_year - (153 * part + 2) / 5 + 1);
    *month_out = month;
    *year_out = year_of_era + era * ERA_YEARS + (month <= 2);
}

bool cal_is_leap(i64 year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

i32 cal_month_days(i64 year, i32 month)
{
    static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    CHECK(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && cal_is_leap(year));
}

void cal_from_us(i64 us, struct cal *out)
{
    i64 seconds = floor_div(us, US_OF_SECOND);
    i64 days = floor_div(seconds, SECONDS_OF_DAY);
    i32 second = (i32)(seconds - days * SECONDS_OF_DAY);
    cal_civil_from_days(days, &out->year, &out->month, &out->day);
    out->hour = second / 3600;
    out->minute = second / 60 % 60;
    out->second = second % 60;
    out->nanos = (i32)(us - seconds * US_OF_SECOND) * 1000;
}

i64 cal_to_us(const struct cal *cal)
{
    i64 days = cal_days_from_civil(cal->year, cal->month, cal->day);
    i64 seconds =
        days * SECONDS_OF_DAY + (i64)cal->hour * 3600 + (i64)cal->minute * 60 + cal->second;
    return seconds * US_OF_SECOND + cal->nanos / 1000;
}

/* Writes `digits` decimal digits, leading zeros kept. */
static char *digits_put(char *p, i64 value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        p[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return p + digits;
}

static char *text_put(char *p, const char *text)
{
    while (*text != '\0') {
        *p++ = *text++;
    }
    return p;
}

static isize finish(char *out, char *p)
{
    *p = '\0';
    return p - out;
}

isize cal_format_iso_ms(i64 us, char *out)
{
    struct cal cal;
    cal_from_us(us, &cal);
    char *p = digits_put(out, cal.year, 4);
    *p++ = '-';
    p = digits_put(p, cal.month, 2);
    *p++ = '-';
    p = digits_put(p, cal.day, 2);
    *p++ = 'T';
    p = digits_put(p, cal.hour, 2);
    *p++ = ':';
    p = digits_put(p, cal.minute, 2);
    *p++ = ':';
    p = digits_put(p, cal.second, 2);
    *p++ = '.';
    p = digits_put(p, cal.nanos / 1000000, 3);
    *p++ = 'Z';
    return finish(out, p);
}

isize cal_format_http(i64 us, char *out)
{
    static const char days[] = "Thu, Fri, Sat, Sun, Mon, Tue, Wed, ";
    static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    struct cal cal;
    cal_from_us(us, &cal);
    i64 day = floor_div(floor_div(us, US_OF_SECOND), SECONDS_OF_DAY);
    isize weekday = (isize)(day - floor_div(day, 7) * 7);
    memcpy(out, days + weekday * 5, 5);
    char *p = digits_put(out + 5, cal.day, 2);
    *p++ = ' ';
    memcpy(p, months + (isize)(cal.month - 1) * 4, 4);
    p = digits_put(p + 4, cal.year, 4);
    *p++ = ' ';
    p = digits_put(p, cal.hour, 2);
    *p++ = ':';
    p = digits_put(p, cal.minute, 2);
    *p++ = ':';
    p = digits_put(p, cal.second, 2);
    return finish(out, text_put(p, " GMT"));
}

err cal_parse_http(str text, i64 *us_out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    enum { ZONE_AT = 25 };
    text = str_trim(text);
    str zone = text.len > ZONE_AT ? str_slice(text, ZONE_AT, text.len) : STR_EMPTY;
    if (!str_eq(zone, STR(" GMT")) && !str_eq(zone, STR(" -0000")) &&
        !str_eq(zone, STR(" +0000"))) {
        return ERR_SYNTAX;
    }
    isize month = str_find(str_of(months), str_slice(text, 8, 11), 0);
    static const i8 places[] = {5, 12, 17, 20, 23}, lengths[] = {2, 4, 2, 2, 2};
    i32 parts[COUNT_OF(places)];
    for (isize i = 0; i < COUNT_OF(places); i++) {
        u64 value;
        TRY(str_to_u64(str_slice(text, places[i], places[i] + lengths[i]), &value));
        parts[i] = (i32)value;
    }
    if (month < 0 || month % 3 != 0) {
        return ERR_SYNTAX;
    }
    struct cal cal = {parts[1], (i32)month / 3 + 1, parts[0], parts[2], parts[3], parts[4], 0};
    bool is_real = cal.day >= 1 && cal.day <= cal_month_days(cal.year, cal.month) &&
                   cal.hour < 24 && cal.minute < 60 && cal.second < 61;
    if (!is_real) {
        return ERR_SYNTAX;
    }
    *us_out = cal_to_us(&cal);
    return OK;
}

isize cal_format_amz(i64 us, char *out)
{
    struct cal cal;
    cal_from_us(us, &cal);
    char *p = digits_put(out, cal.year, 4);
    p = digits_put(p, cal.month, 2);
    p = digits_put(p, cal.day, 2);
    *p++ = 'T';
    p = digits_put(p, cal.hour, 2);
    p = digits_put(p, cal.minute, 2);
    p = digits_put(p, cal.second, 2);
    *p++ = 'Z';
    return finish(out, p);
}
