/* aws/cloudwatch/cw_statistics.c: GetMetricStatistics, and the statistics of a point. */
#include "aws/cloudwatch/cloudwatch_int.h"

#include <math.h>
#include <stdio.h>

enum { STATISTICS_MAX = 5, EXTENDED_MAX = 10 };

/* --- statistics ---------------------------------------------------------------------------- */

static const char *const plain_names[] = {"SampleCount", "Average", "Sum", "Minimum", "Maximum"};

bool cw__stat_parse(str name, struct cw_stat *out)
{
    *out = (struct cw_stat){.name = name};
    for (int i = 0; i < COUNT_OF(plain_names); i++) {
        if (str_eq(name, str_of(plain_names[i]))) {
            out->kind = (enum cw_stat_kind)i;
            return true;
        }
    }
    return false;
}

double cw__stat_value(const struct cw_stat *stat, const struct cw_statistics *v)
{
    switch (stat->kind) {
    case CW_SAMPLE_COUNT:
        return v->count;
    case CW_AVERAGE:
        return v->sum / v->count;
    case CW_SUM:
        return v->sum;
    case CW_MINIMUM:
        return v->min;
    case CW_MAXIMUM:
        return v->max;
    }
    return NAN;
}

/* --- the operation ------------------------------------------------------------------------- */

struct statistics_call {
    struct cw_series_name series;
    struct cw_range range;
    struct cw_stat plain[STATISTICS_MAX];
    isize plain_count;
    int unit; /* -1 = any. */
};

static bool stats_read(struct query_call *call, struct statistics_call *in)
{
    const struct json_value *list = json_get(call->input, STR("Statistics"));
    const struct json_value *extended = json_get(call->input, STR("ExtendedStatistics"));
    if (json_count(list) == 0 && json_count(extended) == 0) {
        query_fail(call, 400, "InvalidParameterCombination",
                   "Must specify either Statistics or ExtendedStatistics.");
        return false;
    }
    if (json_count(list) > STATISTICS_MAX) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The collection Statistics must not have a size greater than %d.",
                   STATISTICS_MAX);
        return false;
    }
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        if (!cw__stat_parse(json_text(v), &in->plain[in->plain_count++])) {
            cw__fail_value(call, "Statistics", json_text(v));
            return false;
        }
    }
    return true;
}

static bool unit_read(struct query_call *call, int *out)
{
    const struct json_value *unit = json_get(call->input, STR("Unit"));
    *out = json_is_set(unit) ? cw__unit_parse(json_text(unit)) : -1;
    if (json_is_set(unit) && *out < 0) {
        cw__fail_value(call, "Unit", json_text(unit));
        return false;
    }
    return true;
}

static bool range_read(struct query_call *call, struct cw_range *out)
{
    if (!cw__time(call, call->input, "StartTime", &out->from_s) ||
        !cw__time(call, call->input, "EndTime", &out->to_s) ||
        !cw__period(call, json_get(call->input, STR("Period")), "Period", &out->period_s)) {
        return false;
    }
    if (out->from_s >= out->to_s) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The parameter StartTime must be less than the parameter EndTime.");
        return false;
    }
    i64 points = (out->to_s - out->from_s) / out->period_s;
    if (points > CW_STATISTICS_POINTS_MAX) {
        query_fail(call, 400, "InvalidParameterCombination",
                   "You have requested up to %lld datapoints, which exceeds the limit of 1,440. "
                   "You may reduce the datapoints requested by increasing Period, or decreasing "
                   "the time range.",
                   (long long)points);
        return false;
    }
    out->from_s -= out->from_s % MIN(out->period_s, 60);
    return true;
}

static bool call_read(struct query_call *call, struct statistics_call *in)
{
    const struct cw_text_rule text = {"", CW_NAME_MAX, true};
    const struct cw_dimensions_rule dimensions = {"", CW_DIMENSIONS_MAX, false};
    in->series.account = call->request->caller.account;
    in->series.region = call->request->caller.region;
    return cw__text(call, call->input, "Namespace", &text, &in->series.namespace) &&
           cw__text(call, call->input, "MetricName", &text, &in->series.metric) &&
           cw__dimensions(call, json_get(call->input, STR("Dimensions")), &dimensions,
                          &in->series.dimensions, &in->series.dimension_count) &&
           range_read(call, &in->range) && stats_read(call, in) && unit_read(call, &in->unit);
}

static void point_put(struct query_call *call, const struct statistics_call *in,
                      const struct cw_point *point)
{
    query_open(call, NULL);
    query_put_time(call, "Timestamp", point->time_s);
    for (isize i = 0; i < in->plain_count; i++) {
        const struct cw_stat *stat = &in->plain[i];
        query_put_number(call, plain_names[stat->kind], cw__stat_value(stat, &point->value));
    }
    query_put_text(call, "Unit", str_of(cw__unit_name(point->unit)));
    query_close(call, NULL);
}

void cw__get_metric_statistics(struct query_call *call)
{
    struct statistics_call in = {0};
    struct cw_store *store;
    if (!call_read(call, &in) || !cw__store(call, &store)) {
        return;
    }
    struct cw_point *points;
    isize count;
    err e = cw_store_get(store, &in.series, &in.range, call->arena, &points, &count);
    if (e != OK) {
        query_fail_err(call, e);
        return;
    }
    query_put_text(call, "Label", in.series.metric);
    query_open_list(call, "Datapoints");
    for (isize i = 0; i < count; i++) {
        if (in.unit < 0 || in.unit == points[i].unit) {
            point_put(call, &in, &points[i]);
        }
    }
    query_close_list(call, "Datapoints");
}
