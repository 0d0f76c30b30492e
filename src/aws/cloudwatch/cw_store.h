/*
 * aws/cloudwatch/cw_store.h: series and their points, durable in SQLite, without
 * the wire. A series is (account, region, namespace, metric, set of dimensions):
 * nothing is ever summed over dimensions. Points of one second (StorageResolution
 * 1) or one minute add up within their slot. As on AWS, seconds are kept for 3
 * hours and then fold into minutes, minutes for 15 days. Any thread; calls block.
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
    CW_SERIES_MAX = 100000, /* Of one account and region. */
};

struct cw_store;
MUST_USE err cw_store_open(struct os *os, const char *dir, struct cw_store **out,
                           struct diag *diag);
void cw_store_close(struct cw_store *store);
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
struct cw_datum {
    struct cw_series_name series;
    i64 time_s;         /* Epoch seconds. */
    bool is_per_second; /* StorageResolution 1. */
    struct cw_statistics value;
    int unit; /* Number of the caller's. */
};
/* All or none, durable. ERR_LIMIT when a new series would be over CW_SERIES_MAX. */
MUST_USE err cw_store_put(struct cw_store *store, const struct cw_datum *data, isize count);

struct cw_point {
    i64 time_s; /* Start of the period. */
    struct cw_statistics value;
    int unit;
};
struct cw_range {
    i64 from_s, to_s; /* from <= time < to */
    i32 period_s;
};
/* Points of one series in periods aligned to the epoch, ascending; periods without data are left
 * out. */
MUST_USE err cw_store_get(struct cw_store *store, const struct cw_series_name *series,
                          const struct cw_range *range, struct arena *arena, struct cw_point **out,
                          isize *count_out);

struct cw_filter {
    str account, region;
    str namespace, metric;                 /* Empty = any. */
    const struct cw_dimension *dimensions; /* Each must be there; an empty value matches any. */
    isize dimension_count;
    bool is_exact; /* No other dimensions (SEARCH by schema ignores values). */
    i64 after_id;  /* Paging: series with a greater id. */
    i32 max;
    i64 active_since_s; /* Last point at or after it; INT64_MIN = any. */
};
struct cw_series {
    i64 id;
    struct cw_series_name name; /* Dimensions sorted by name. */
    int unit;
    i64 last_s;
};
/* In order of id, at most `max`. */
MUST_USE err cw_store_list(struct cw_store *store, const struct cw_filter *filter,
                           struct arena *arena, struct cw_series **out, isize *count_out);
/* Folds old seconds into minutes and drops what is too old. Called now and then by put. */
MUST_USE err cw_store_maintain(struct cw_store *store, i64 now_s);

#endif
