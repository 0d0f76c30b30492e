/* aws/cloudwatch/cw_services.c: the metrics that services measure of themselves. */
#include "aws/cloudwatch/cloudwatch_int.h"

static struct cw_datum datum_of(const struct aws_metric *metric, struct arena *arena)
{
    struct cw_datum datum = {
        .series =
            {
                .account = metric->account,
                .region = metric->region,
                .namespace = str_of(metric->namespace),
                .metric = str_of(metric->name),
                .dimensions = ARENA_ARRAY(arena, struct cw_dimension, AWS_METRIC_DIMENSIONS_MAX),
                .dimension_count = metric->dimension_count,
            },
        .time_s = metric->time_s,
        .unit = (u8)MAX(cw__unit_parse(str_of(metric->unit)), 0),
        .value = {metric->count, metric->sum, metric->min, metric->max},
    };
    for (i32 i = 0; i < metric->dimension_count; i++) {
        datum.series.dimensions[i].name = metric->dimensions[i].name;
        datum.series.dimensions[i].value = metric->dimensions[i].value;
    }
    return datum;
}

err cw__put_services(void *service, const struct aws_metric *metrics, isize count)
{
    struct cloudwatch *cloudwatch = service;
    struct cw_store *store;
    struct diag diag;
    diag_init(&diag);
    TRY(cw__store_open(cloudwatch, &store, &diag));
    struct cw_counts counts;
    cw_store_count(store, &counts);
    if (counts.series > CW_SERIES_MAX / 2) {
        return ERR_LIMIT; /* The rest is for what users put. */
    }
    struct arena arena;
    arena_init(&arena, 0);
    struct cw_datum *data = ARENA_ARRAY(&arena, struct cw_datum, count);
    for (isize i = 0; i < count; i++) {
        data[i] = datum_of(&metrics[i], &arena);
    }
    err e = cw_store_put(store, data, count);
    arena_deinit(&arena);
    return e;
}
