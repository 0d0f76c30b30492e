/* connect/cloudwatch/cw_int.h: shared by the files of this connector. */
#ifndef CONNECT_CLOUDWATCH_CW_INT_H
#define CONNECT_CLOUDWATCH_CW_INT_H

#include "codec/json.h"
#include "connect/cloudwatch/cloudwatch.h"
#include "connect/common/aws_call.h"
#include "os/thread.h"

enum {
    CW_METRICS_MAX = 64,
    CW_SETS_MAX = 32,
    CW_DIMENSIONS_MAX = 30,
    CW_DATA_MAX = 1000,     /* Of one PutMetricData. */
    CW_BODY_BYTES = 700000, /* After which a call takes no more rows; CloudWatch takes 1 MB. */
    CW_VALUES_MAX = 150,    /* Different values of one datum. */
    CW_SERIES_MAX = 10000,
    CW_SLOTS = 4096,    /* Of the data of one call; a power of two. */
    CW_TEXT_MAX = 1024, /* Of a dimension's value. */
};

struct cw_metric {
    str name;
    isize columns[4]; /* Value; or of a statistic set count, sum, minimum, maximum. */
    bool is_set;
};

struct cw_set {
    isize columns[CW_DIMENSIONS_MAX];
    isize count;
};

struct cw {
    struct arena arena;
    struct connect_schema schema;
    struct connect_writer *writer;
    struct connect_format format;
    struct aws_call *call;
    str namespace, unit;
    bool is_per_second;
    isize time_column; /* -1 = none. */
    struct cw_metric metrics[CW_METRICS_MAX];
    isize metric_count;
    struct cw_set sets[CW_SETS_MAX];
    isize set_count;
    /* The delivery's alone, but for what lock guards. */
    u64 *series; /* Hashes of those that were published; open addressing. */
    isize series_count, series_capacity, series_max;
    struct os_mutex lock;
    u64 left_out;             /* Atomic. */
    char left_out_first[256]; /* lock */
};

/* Reads and checks metrics, statistic sets and dimension sets against the schema. */
MUST_USE err cw_columns_read(struct cw *cw, const struct connect_table *table, struct diag *diag);

/* One PutMetricData that fills up. */
struct cw_datum {
    u64 hash;
    isize metric;
    str dimensions; /* JSON. */
    i64 time_s;     /* -1 = none. */
    double *values, *counts;
    isize value_count;
    double set[4];
};
struct cw_call {
    struct cw *cw;
    struct arena arena;
    struct cw_datum *data;
    isize count;
    isize bytes;         /* Of the body, about. */
    u16 slots[CW_SLOTS]; /* Index + 1. */
};
void cw_call_reset(struct cw_call *call, struct cw *cw);
bool cw_call_has_room(const struct cw_call *call);
/* ERR_SYNTAX: the row is no JSON (it was ours). */
MUST_USE err cw_call_add(struct cw_call *call, const struct connect_row *row);
void cw_call_body(const struct cw_call *call, struct buf *out);

#endif
