/* feed/tables.h: distributions of the US-Accidents data set, for the generator. Weights and
 * coordinates are parts per million (of one, of one degree). */
#ifndef FEED_TABLES_H
#define FEED_TABLES_H

#include "base/base.h"

struct feed_state {
    const char *code;
    const char *zone;
    i32 weight;
    i32 lat_low, lat_high, lng_low, lng_high; /* 1st and 99th percentile. */
    i32 severity[3]; /* Cumulative share of severity 1, 2, 3 in 1/100 percent; the rest is 4. */
};

struct feed_city {
    const char *name, *county, *zone, *airport;
    i32 state; /* Index into feed_states; cities are sorted by it. */
    i32 weight;
    i32 lat, lat_sd, lng, lng_sd;
    i32 zip3;
};

struct feed_weather {
    const char *condition;
    i32 weight;
    i32 temp_p10, temp_p50, temp_p90;   /* Degrees Fahrenheit. */
    i32 humidity;                       /* Median, percent. */
    i32 visibility_p10, visibility_p50; /* Tenths of a mile. */
    i32 wind_p50, wind_p90;             /* Miles per hour. */
};

struct feed_weight {
    const char *name;
    i32 weight;
};

#define FEED_TABLE(type, name) \
    extern const type name[];  \
    extern const isize name##_count

FEED_TABLE(struct feed_state, feed_states);
FEED_TABLE(struct feed_city, feed_cities);
FEED_TABLE(struct feed_weather, feed_weathers);
FEED_TABLE(struct feed_weight, feed_streets);
FEED_TABLE(struct feed_weight, feed_winds);
FEED_TABLE(i32, feed_hours_weekday);
FEED_TABLE(i32, feed_hours_weekend);
FEED_TABLE(i32, feed_weekdays); /* Monday first. */
FEED_TABLE(i32, feed_months);   /* January first. */
FEED_TABLE(i32, feed_years);    /* 2016 first. */

#endif
