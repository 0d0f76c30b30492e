/* aws/cloudwatch/cw_put.c: PutMetricData. */
#include "aws/cloudwatch/cloudwatch_int.h"

#include "base/metric.h"

#include <math.h>
#include <stdio.h>

enum { PAST_S = 14 * 86400, FUTURE_S = 2 * 3600, PATH_BYTES = 96, VALUE_EXPONENT_MAX = 360 };

/* One datum under way. */
struct reader {
    struct query_call *call;
    const struct json_value *item;
    char prefix[48]; /* "MetricData.member.7." */
    i64 now_s;
};

static void path_of(const struct reader *r, const char *name, char *out)
{
    (void)snprintf(out, PATH_BYTES, "%s%s", r->prefix, name);
}

/* A double in the range that CloudWatch takes. */
static bool number_read(const struct reader *r, const struct json_value *value, const char *name,
                        double *out)
{
    char path[PATH_BYTES];
    path_of(r, name, path);
    if (!json_is_set(value)) {
        query_fail(r->call, 400, "MissingParameter", "The parameter %s is required.", path);
        return false;
    }
    if (query_number(value, out) != OK || fabs(*out) > ldexp(1, VALUE_EXPONENT_MAX)) {
        cw__fail_value(r->call, path, json_text(value));
        return false;
    }
    return true;
}

static void add(struct cw_datum *datum, double value, double count)
{
    struct cw_statistics *all = &datum->value;
    bool is_first = all->count == 0;
    all->min = is_first ? value : fmin(all->min, value);
    all->max = is_first ? value : fmax(all->max, value);
    all->count += count;
    all->sum += value * count;
}

static bool set_read(const struct reader *r, const struct json_value *set, struct cw_datum *out)
{
    struct cw_statistics *v = &out->value;
    bool is_ok =
        number_read(r, json_get(set, STR("SampleCount")), "StatisticValues.SampleCount",
                    &v->count) &&
        number_read(r, json_get(set, STR("Sum")), "StatisticValues.Sum", &v->sum) &&
        number_read(r, json_get(set, STR("Minimum")), "StatisticValues.Minimum", &v->min) &&
        number_read(r, json_get(set, STR("Maximum")), "StatisticValues.Maximum", &v->max);
    if (!is_ok) {
        return false;
    }
    if (v->count <= 0 || v->min > v->max) {
        query_fail(r->call, 400, "InvalidParameterValue",
                   "The parameter %sStatisticValues must have a SampleCount above 0 and a Minimum "
                   "that is not above its Maximum.",
                   r->prefix);
        return false;
    }
    return true;
}

static bool values_read(const struct reader *r, const struct json_value *values,
                        const struct json_value *counts, struct cw_datum *out)
{
    isize count = json_count(values);
    if (count > CW_VALUES_MAX) {
        query_fail(r->call, 400, "InvalidParameterValue",
                   "The collection %sValues must not have a size greater than %d.", r->prefix,
                   CW_VALUES_MAX);
        return false;
    }
    if (json_count(counts) > 0 && json_count(counts) != count) {
        query_fail(r->call, 400, "InvalidParameterValue",
                   "The parameters %sValues and %sCounts must be of the same size.", r->prefix,
                   r->prefix);
        return false;
    }
    struct cw_pair *pairs = ARENA_ARRAY(r->call->arena, struct cw_pair, MAX(count, (isize)1));
    out->pairs = pairs;
    const struct json_value *c = json_first(counts);
    for (const struct json_value *v = json_first(values); v != NULL; v = json_next(v)) {
        double value, times = 1;
        if (!number_read(r, v, "Values", &value) ||
            (c != NULL && !number_read(r, c, "Counts", &times))) {
            return false;
        }
        if (times <= 0) {
            char path[PATH_BYTES];
            path_of(r, "Counts", path);
            cw__fail_value(r->call, path, json_text(c));
            return false;
        }
        add(out, value, times);
        pairs[out->pair_count++] = (struct cw_pair){value, times};
        c = json_next(c);
    }
    return true;
}

static void fail_both(const struct reader *r, const char *one, const char *other)
{
    query_fail(r->call, 400, "InvalidParameterCombination",
               "The parameters %s%s and %s%s are mutually exclusive and you have specified both.",
               r->prefix, one, r->prefix, other);
}

static bool value_read(const struct reader *r, struct cw_datum *out)
{
    const struct json_value *value = json_get(r->item, STR("Value"));
    const struct json_value *values = json_get(r->item, STR("Values"));
    const struct json_value *set = json_get(r->item, STR("StatisticValues"));
    bool has_value = json_is_set(value), has_values = json_count(values) > 0;
    bool has_set = json_is_set(set);
    if (has_value && has_values) {
        fail_both(r, "Value", "Values");
    } else if (has_value && has_set) {
        fail_both(r, "Value", "StatisticValues");
    } else if (has_values && has_set) {
        fail_both(r, "Values", "StatisticValues");
    } else if (has_set) {
        return set_read(r, set, out);
    } else if (has_values) {
        return values_read(r, values, json_get(r->item, STR("Counts")), out);
    } else {
        double number;
        if (number_read(r, value, "Value", &number)) {
            add(out, number, 1);
            return true;
        }
    }
    return false;
}

static bool time_read(const struct reader *r, struct cw_datum *out)
{
    const struct json_value *value = json_get(r->item, STR("Timestamp"));
    out->time_s = r->now_s;
    if (!json_is_set(value)) {
        return true;
    }
    if (query_time(value, &out->time_s) != OK) {
        char path[PATH_BYTES];
        path_of(r, "Timestamp", path);
        cw__fail_value(r->call, path, json_text(value));
        return false;
    }
    const char *text = NULL;
    if (out->time_s < r->now_s - PAST_S) {
        text = "a time within the past two weeks";
    } else if (out->time_s > r->now_s + FUTURE_S) {
        text = "a time no more than two hours in the future";
    }
    if (text != NULL) {
        query_fail(r->call, 400, "InvalidParameterValue",
                   "The parameter %sTimestamp must specify %s.", r->prefix, text);
    }
    return text == NULL;
}

static bool rest_read(const struct reader *r, struct cw_datum *out)
{
    char path[PATH_BYTES];
    const struct json_value *unit = json_get(r->item, STR("Unit"));
    const struct json_value *resolution = json_get(r->item, STR("StorageResolution"));
    int number = json_is_set(unit) ? cw__unit_parse(json_text(unit)) : 0;
    if (number < 0) {
        path_of(r, "Unit", path);
        cw__fail_value(r->call, path, json_text(unit));
        return false;
    }
    out->unit = (u8)number;
    double seconds = 60;
    if (json_is_set(resolution) && !number_read(r, resolution, "StorageResolution", &seconds)) {
        return false;
    }
    out->is_per_second = seconds == 1;
    if (seconds != 1 && seconds != 60) {
        path_of(r, "StorageResolution", path);
        cw__fail_value(r->call, path, json_text(resolution));
        return false;
    }
    return true;
}

static bool datum_read(const struct reader *r, struct cw_datum *out)
{
    const struct cw_text_rule rule = {r->prefix, CW_NAME_MAX, true};
    const struct cw_dimensions_rule dimensions = {r->prefix, CW_DIMENSIONS_MAX, false};
    struct cw_series_name *series = &out->series;
    return cw__text(r->call, r->item, "MetricName", &rule, &series->metric) &&
           cw__dimensions(r->call, json_get(r->item, STR("Dimensions")), &dimensions,
                          &series->dimensions, &series->dimension_count) &&
           value_read(r, out) && time_read(r, out) && rest_read(r, out);
}

static bool namespace_read(struct query_call *call, str *out)
{
    const struct cw_text_rule rule = {"", CW_NAME_MAX, true};
    if (!cw__text(call, call->input, "Namespace", &rule, out)) {
        return false;
    }
    if (out->data[0] == ':' || str_starts(*out, STR("AWS/"))) {
        cw__fail_value(call, "Namespace", *out);
        return false;
    }
    return true;
}

static bool list_check(struct query_call *call, const struct json_value *list)
{
    if (json_is_set(json_get(call->input, STR("EntityMetricData")))) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The parameter EntityMetricData is not supported by leat.");
        return false;
    }
    if (json_count(list) == 0) {
        query_fail(call, 400, "MissingParameter", "The parameter MetricData is required.");
        return false;
    }
    if (json_kind(list) != JSON_ARRAY) {
        query_fail(call, 400, "SerializationException", "MetricData is not a list");
        return false;
    }
    if (json_count(list) > CW_DATA_MAX) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The collection MetricData must not have a size greater than %d.", CW_DATA_MAX);
        return false;
    }
    return true;
}

void cw__put_metric_data(struct query_call *call)
{
    const struct json_value *list = json_get(call->input, STR("MetricData"));
    str namespace;
    struct cw_store *store;
    if (!namespace_read(call, &namespace) || !list_check(call, list) || !cw__store(call, &store)) {
        return;
    }
    struct cloudwatch *cloudwatch = call->service;
    struct reader r = {.call = call, .now_s = os_wall_us(cloudwatch->os) / 1000000};
    struct cw_datum *data = ARENA_ARRAY(call->arena, struct cw_datum, json_count(list));
    isize count = 0;
    for (r.item = json_first(list); r.item != NULL; r.item = json_next(r.item)) {
        struct cw_datum *datum = &data[count++];
        (void)snprintf(r.prefix, sizeof r.prefix, "MetricData.member.%td.", count);
        datum->series.account = call->request->caller.account;
        datum->series.region = call->request->caller.region;
        datum->series.namespace = namespace;
        if (!datum_read(&r, datum)) {
            return;
        }
    }
    err e = cw_store_put(store, data, count);
    if (e == ERR_LIMIT) {
        query_fail(call, 400, "LimitExceeded",
                   "there are %d metrics in this account and region; no further one is taken",
                   CW_SERIES_MAX);
    } else if (e != OK) {
        query_fail_err(call, e);
    } else {
        metric_add(&cloudwatch->data, (u64)count);
    }
}
