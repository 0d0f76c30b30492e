/* aws/cloudwatch/cw_statistics.c: GetMetricStatistics. */
#include "aws/cloudwatch/cloudwatch_int.h"

enum { STATISTICS_MAX = 5, EXTENDED_MAX = 10 };

/* --- the operation ------------------------------------------------------------------------- */

struct statistics_call {
    struct cw_series_name series;
    struct cw_range range;
    struct cw_stat plain[STATISTICS_MAX], extended[EXTENDED_MAX];
    isize plain_count, extended_count;
    int unit; /* -1 = any. */
};

static bool list_read(struct query_call *call, const char *name, struct cw_stat *out, isize max,
                      isize *count_out)
{
    const struct json_value *list = json_get(call->input, str_of(name));
    if (json_count(list) > max) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The collection %s must not have a size greater than %td.", name, max);
        return false;
    }
    bool is_plain = max == STATISTICS_MAX;
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        struct cw_stat *stat = &out[(*count_out)++];
        if (!cw__stat_parse(json_text(v), stat) ||
            (cw__stat_plain_name(stat) != NULL) != is_plain) {
            cw__fail_value(call, name, json_text(v));
            return false;
        }
    }
    return true;
}

static bool stats_read(struct query_call *call, struct statistics_call *in)
{
    if (!list_read(call, "Statistics", in->plain, STATISTICS_MAX, &in->plain_count) ||
        !list_read(call, "ExtendedStatistics", in->extended, EXTENDED_MAX, &in->extended_count)) {
        return false;
    }
    if (in->plain_count == 0 && in->extended_count == 0) {
        query_fail(call, 400, "InvalidParameterCombination",
                   "Must specify either Statistics or ExtendedStatistics.");
        return false;
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

/* A key of a map: "p99" or what else a statistic may be called. */
static void extended_put(struct query_call *call, const struct statistics_call *in,
                         const struct cw_point *point)
{
    bool is_open = false;
    for (isize i = 0; i < in->extended_count; i++) {
        double value;
        if (!cw__stat_value(&in->extended[i], point, &value)) {
            continue;
        }
        if (!is_open) {
            query_open_map(call, "ExtendedStatistics");
            is_open = true;
        }
        query_put_number_entry(call, in->extended[i].name, value);
    }
    if (is_open) {
        query_close_map(call, "ExtendedStatistics");
    }
}

static void point_put(struct query_call *call, const struct statistics_call *in,
                      const struct cw_point *point)
{
    query_open(call, NULL);
    query_put_time(call, "Timestamp", point->time_s);
    for (isize i = 0; i < in->plain_count; i++) {
        const struct cw_stat *stat = &in->plain[i];
        double value = 0;
        IGNORE(!cw__stat_value(stat, point, &value)); /* Plain ones are always there. */
        query_put_number(call, cw__stat_plain_name(stat), value);
    }
    extended_put(call, in, point);
    query_put_text(call, "Unit", str_of(cw__unit_name(point->unit)));
    query_close(call, NULL);
}

void cw__get_metric_statistics(struct query_call *call)
{
    struct statistics_call in = {0};
    struct cw_store *store;
    if (!call_read(call, &in) || !cw__store_read(call, &store)) {
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
