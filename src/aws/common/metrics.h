/*
 * aws/common/metrics.h: how what a service measures of itself (AWS/Kinesis) gets into
 * CloudWatch, without one including the other. One struct aws_metrics stands in the
 * environment of all services: CloudWatch sets `put` when it is opened, the service that
 * measures sets `flush`.
 */
#ifndef AWS_COMMON_METRICS_H
#define AWS_COMMON_METRICS_H

#include "base/str.h"

enum { AWS_METRIC_DIMENSIONS_MAX = 2 };

struct aws_metric {
    str account, region;
    const char *namespace, *name;
    const char *unit; /* As CloudWatch names it: "Bytes". */
    struct {
        str name, value;
    } dimensions[AWS_METRIC_DIMENSIONS_MAX];
    i32 dimension_count;
    i64 time_s; /* Epoch seconds of the minute. */
    double count, sum, min, max;
};

struct aws_metrics {
    /* All or none, durable. ERR_LIMIT: no room is left for metrics of services. Blocks; any
     * thread. */
    MUST_USE err (*put)(void *sink, const struct aws_metric *metrics, isize count);
    void *sink;
    /* Puts what was measured and is not put yet, so that a reader sees it. Blocks; any thread but
     * a loop. */
    void (*flush)(void *source);
    void *source;
};

#endif
