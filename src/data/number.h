/*
 * data/number.h: numbers and times as text, in the forms that Flink (Java) writes.
 * No locale, no allocation but in `out`.
 */
#ifndef DATA_NUMBER_H
#define DATA_NUMBER_H

#include "base/base.h"
#include "base/buf.h"

/* As Java's Double.toString and Float.toString: the fewest digits that read back as the same
 * number; 1.0, 1.0E7, 1.0E-4, -0.0, NaN, Infinity. */
void number_format_double(double value, struct buf *out);
void number_format_float(float value, struct buf *out);
/* Java's layout of "d1d2d3", the point after the first, times ten to `exponent`. count >= 1. */
void number_layout_java(const char *digits, int count, int exponent, struct buf *out);
/* Plain digits with `scale` of them behind the point; never scientific. */
void number_format_decimal(i128 unscaled, i32 scale, struct buf *out);
void number_format_i128(i128 value, struct buf *out);

enum number_result { NUMBER_FINE, NUMBER_WRONG, NUMBER_OVERFLOW };
/* As Java's BigDecimal reads ("-1.5", "1e3", ".5"), rounded half up to `scale`; OVERFLOW when it
 * has more than `precision` digits then. */
enum number_result number_parse_decimal(str text, i32 precision, i32 scale, i128 *out);

/* "2026-11-24" from days since 1970-01-01. */
void number_format_date(i64 days, struct buf *out);
/* "01:02:03" and `digits` (0 to 9) of the fraction, as SQL prints TIME(p). */
void number_format_time(i64 ms_of_day, i32 digits, struct buf *out);
/* "2026-11-24 01:02:03.456" with `digits` of the fraction. `us` is microseconds since 1970;
 * nanos_below adds what is below the microsecond (0 to 999). */
void number_format_timestamp(i64 us, i32 nanos_below, i32 digits, struct buf *out);

#endif
