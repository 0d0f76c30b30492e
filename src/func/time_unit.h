/* func/time_unit.h: units of time and calendar steps; shared by time_*.c. */
#ifndef FUNC_TIME_UNIT_H
#define FUNC_TIME_UNIT_H

#include "func/func_int.h"

enum func_unit {
    UNIT_NONE,
    UNIT_NANOSECOND,
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_QUARTER,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
    UNIT_DOW,
    UNIT_ISODOW,
    UNIT_DOY,
    UNIT_ISOYEAR,
    UNIT_EPOCH,
    UNIT_COUNT
};

enum { DAY_S = 86400, DAY_MS = 86400000 };

/* UNIT_NONE when there is no such unit; plural and singular. */
enum func_unit func__unit(str name);
/* Seconds of SECOND to WEEK, else 0. */
i64 func__unit_seconds(enum func_unit unit);
/* Days since 1970, `months` later; the day is cut to the month's length. */
i64 func__add_months(i64 days, i64 months);
struct func_instant func__add_ms(struct func_instant instant, i64 ms);

#endif
