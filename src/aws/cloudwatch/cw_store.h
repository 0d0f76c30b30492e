/*
 * aws/cloudwatch/cw_store.h: series and their points, durable, without the wire.
 * A series is (account, region, namespace, metric, set of dimensions): nothing is
 * ever summed over dimensions. Points of one second (StorageResolution 1) or one
 * minute add up within their slot and unit. Seconds are kept for 3 hours and then
 * fold into minutes, minutes for 15 days. Any thread; calls block on the disk.
 *
 * A put is one row of a journal in SQLite, durable when it returns. Its points
 * stay in memory until there are many (or after five minutes of puts); then they
 * move into chunks on disk, a few minutes of one series each, and the journal is
 * emptied. Formats: docs/formats/cloudwatch.md.
 */
#ifndef AWS_CLOUDWATCH_STORE_H
#define AWS_CLOUDWATCH_STORE_H

#include "base/arena.h"
#include "base/diag.h"
#include "os/os.h"

enum {
    CW_DIMENSIONS_MAX = 30,
    CW_SECONDS_KEPT_S = 3 * 3600,
    CW_MINUTES_KEPT_S = 15 * 86400,
    CW_SERIES_MAX = 100000, /* Of all accounts and regions. */
    CW_PAIRS_MAX = 128,     /* Different values that a point keeps apart exactly. */
};

struct cw_store;
MUST_USE err cw_store_open(struct os *os, const char *dir, struct cw_store **out,
                           struct diag *diag);
void cw_store_close(struct cw_store *store); /* NULL is allowed. */
/* For aws_stage. */
struct store;
struct store *cw_store_database(struct cw_store *store);
MUST_USE err cw_store_reset(struct cw_store *store);

struct cw_dimension {
    str name, value;
};
struct cw_series_name {
    str account, region, namespace, metric;
    struct cw_dimension *dimensions; /* Any order. */
    isize dimension_count;
};
struct cw_statistics {
    double count, sum, min, max;
};
/* A value and how often it came. */
struct cw_pair {
    double value, count;
};
struct cw_datum {
    struct cw_series_name series;
    i64 time_s;         /* Epoch seconds. */
    bool is_per_second; /* StorageResolution 1. */
    u8 unit;            /* Number of the caller's; 0 = none. */
    struct cw_statistics value;
    /* The values behind `value`; without them (a statistic set) percentiles are known only when
     * min and max are the same. */
    const struct cw_pair *pairs;
    i32 pair_count;
};
/* All or none, durable. ERR_LIMIT when a new series would be over CW_SERIES_MAX. */
MUST_USE err cw_store_put(struct cw_store *store, const struct cw_datum *data, isize count);

struct cw_point {
    i64 time_s; /* Start of the slot or period. */
    struct cw_statistics value;
    struct cw_pair *pairs; /* Ascending; none when min is max, or when is_opaque. */
    i32 pair_count;
    i32 pair_capacity; /* Of a point that owns its pairs. */
    u8 bits;           /* Of the mantissa of pairs; 52 = exact. */
    u8 unit;
    bool is_per_second; /* The slot is one second, else a minute. */
    bool is_opaque;     /* The values are not known. */
};
struct cw_range {
    i64 from_s, to_s; /* from <= time < to; periods begin at `from`. */
    i32 period_s;
};
/* Points of one series, one for each period and unit with data, ascending. Pairs live in the
 * arena. */
MUST_USE err cw_store_get(struct cw_store *store, const struct cw_series_name *series,
                          const struct cw_range *range, struct arena *arena, struct cw_point **out,
                          isize *count_out);

struct cw_filter {
    str account, region;
    str namespace, metric;                 /* Empty = any. */
    const struct cw_dimension *dimensions; /* Each must be there; an empty value matches any. */
    isize dimension_count;
    bool is_exact;  /* No other dimensions. */
    bool is_custom; /* Not those that services measure of themselves (AWS/...). */
    i64 after_id;   /* Paging: series with a greater id. */
    i32 max;
    i64 active_since_s; /* Last point at or after it; INT64_MIN = any. */
};
struct cw_series {
    i64 id;
    struct cw_series_name name; /* Dimensions sorted by name. */
    i64 last_s;
};
/* In order of id, at most `max`. Everything lives in the arena. */
MUST_USE err cw_store_list(struct cw_store *store, const struct cw_filter *filter,
                           struct arena *arena, struct cw_series **out, isize *count_out);
/* Moves what is in memory into chunks, folds old seconds into minutes and drops what is too old.
 * Called now and then by put. */
MUST_USE err cw_store_maintain(struct cw_store *store, i64 now_s);

struct cw_counts {
    i64 series, recent_points, journal_bytes;
};
void cw_store_count(struct cw_store *store, struct cw_counts *out);

#endif
