/*
 * base/cal.h: proleptic Gregorian calendar over microseconds since
 * 1970-01-01T00:00:00 UTC, without time zones. Years -9999 to 9999 and beyond
 * as int64 allows.
 */
#ifndef BASE_CAL_H
#define BASE_CAL_H

#include "base/base.h"
#include "base/str.h"

struct cal {
    i64 year;
    i32 month;  /* 1 to 12 */
    i32 day;    /* 1 to 31 */
    i32 hour;   /* 0 to 23 */
    i32 minute; /* 0 to 59 */
    i32 second; /* 0 to 59 */
    i32 nanos;  /* 0 to 999999999 */
};

/* Days since 1970-01-01 and back (Howard Hinnant's civil calendar algorithms). */
i64 cal_days_from_civil(i64 year, i32 month, i32 day);
void cal_civil_from_days(i64 days, i64 *year_out, i32 *month_out, i32 *day_out);
bool cal_is_leap(i64 year);
i32 cal_month_days(i64 year, i32 month);
void cal_from_us(i64 us, struct cal *out);
i64 cal_to_us(const struct cal *cal); /* Drops digits below the microsecond. */

/* "2026-11-24T01:02:03.456Z" (ISO 8601, milliseconds, UTC) into out[32]; returns its length. */
isize cal_format_iso_ms(i64 us, char *out);
/* "Tue, 24 Nov 2026 01:02:03 GMT" (RFC 9110 IMF-fixdate) into out[32]; returns its length. */
isize cal_format_http(i64 us, char *out);
/* And back, blanks around it allowed, and "-0000" or "+0000" (RFC 5322, as Python writes it) for
 * "GMT". ERR_SYNTAX: another form, or no such day. */
MUST_USE err cal_parse_http(str text, i64 *us_out);
/* "20261124T010203Z" (SigV4) into out[CAL_AMZ_BYTES]; returns its length. */
enum { CAL_AMZ_BYTES = 20 };
isize cal_format_amz(i64 us, char *out);

#endif
