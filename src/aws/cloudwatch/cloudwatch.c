/* aws/cloudwatch/cloudwatch.c: the service, and how its input is read. */
#include "aws/cloudwatch/cloudwatch_int.h"

#include "aws/common/stage.h"
#include "base/metric.h"
#include "codec/cw_units.h"

#include <stdio.h>

/* --- units --------------------------------------------------------------------------------- */

int cw__unit_parse(str name)
{
    for (int i = 0; i < CW_UNIT_COUNT; i++) {
        if (str_eq(name, str_of(cw_units[i]))) {
            return i;
        }
    }
    return -1;
}

const char *cw__unit_name(int unit)
{
    return unit >= 0 && unit < CW_UNIT_COUNT ? cw_units[unit] : cw_units[0];
}

/* --- input --------------------------------------------------------------------------------- */

void cw__fail_value(struct query_call *call, const char *path, str value)
{
    query_fail(call, 400, "InvalidParameterValue",
               "The value " STR_FMT " for parameter %s is invalid.",
               STR_ARG(str_slice(value, 0, 300)), path);
}

/* Printable ASCII: what names and values of dimensions may hold. */
static bool is_ascii(str text)
{
    for (isize i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7E) {
            return false;
        }
    }
    return true;
}

bool cw__text(struct query_call *call, const struct json_value *object, const char *name,
              const struct cw_text_rule *rule, str *out)
{
    const struct json_value *value = json_get(object, str_of(name));
    *out = STR_EMPTY;
    if (!json_is_set(value)) {
        if (rule->is_required) {
            query_fail(call, 400, "MissingParameter", "The parameter %s%s is required.",
                       rule->prefix, name);
        }
        return !rule->is_required;
    }
    if (json_kind(value) != JSON_STRING) {
        query_fail(call, 400, "SerializationException", "%s%s is not a string", rule->prefix, name);
        return false;
    }
    *out = json_text(value);
    if (out->len < 1 || out->len > rule->max) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The parameter %s%s must be 1 to %td characters long.", rule->prefix, name,
                   rule->max);
        return false;
    }
    return true;
}

bool cw__time(struct query_call *call, const struct json_value *object, const char *name, i64 *out)
{
    const struct json_value *value = json_get(object, str_of(name));
    if (!json_is_set(value)) {
        query_fail(call, 400, "MissingParameter", "The parameter %s is required.", name);
        return false;
    }
    if (query_time(value, out) != OK) {
        cw__fail_value(call, name, json_text(value));
        return false;
    }
    return true;
}

bool cw__period(struct query_call *call, const struct json_value *value, const char *path, i32 *out)
{
    i64 number;
    if (!json_is_set(value)) {
        query_fail(call, 400, "MissingParameter", "The parameter %s is required.", path);
        return false;
    }
    bool is_number = str_to_i64(json_text(value), &number) == OK;
    bool is_short = number == 1 || number == 5 || number == 10 || number == 20 || number == 30;
    if (!is_number || !(is_short || (number > 0 && number % 60 == 0 && number <= 86400 * 365))) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The parameter %s must be a value in the set [1, 5, 10, 20, 30] or a multiple "
                   "of 60.",
                   path);
        return false;
    }
    *out = (i32)number;
    return true;
}

static bool dimension_read(struct query_call *call, const struct json_value *item,
                           const char *prefix, bool is_filter, struct cw_dimension *out)
{
    const struct cw_text_rule name_rule = {prefix, CW_NAME_MAX, true};
    const struct cw_text_rule value_rule = {prefix, CW_DIMENSION_VALUE_MAX, !is_filter};
    if (!cw__text(call, item, "Name", &name_rule, &out->name) ||
        !cw__text(call, item, "Value", &value_rule, &out->value)) {
        return false;
    }
    if (!is_ascii(out->name) || out->name.data[0] == ':') {
        query_fail(call, 400, "InvalidParameterValue",
                   "The parameter %sName must contain ASCII characters only, and no colon in "
                   "front.",
                   prefix);
        return false;
    }
    if (!is_ascii(out->value)) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The parameter %sValue must contain only ASCII characters.", prefix);
        return false;
    }
    return true;
}

bool cw__dimensions(struct query_call *call, const struct json_value *list,
                    const struct cw_dimensions_rule *rule, struct cw_dimension **out,
                    isize *count_out)
{
    *out = NULL;
    *count_out = 0;
    if (json_is_set(list) && json_kind(list) != JSON_ARRAY) {
        query_fail(call, 400, "SerializationException", "%sDimensions is not a list", rule->prefix);
        return false;
    }
    isize count = json_count(list);
    if (count > rule->max) {
        query_fail(call, 400, "InvalidParameterValue",
                   "The collection %sDimensions must not have a size greater than %td.",
                   rule->prefix, rule->max);
        return false;
    }
    struct cw_dimension *items = ARENA_ARRAY(call->arena, struct cw_dimension, MAX(count, 1));
    isize i = 0;
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v), i++) {
        char prefix[96];
        (void)snprintf(prefix, sizeof prefix, "%sDimensions.member.%td.", rule->prefix, i + 1);
        if (!dimension_read(call, v, prefix, rule->is_filter, &items[i])) {
            return false;
        }
        for (isize j = 0; j < i && !rule->is_filter; j++) {
            if (str_eq(items[j].name, items[i].name)) {
                query_fail(call, 400, "InvalidParameterValue",
                           "The parameter %sName repeats the name " STR_FMT ".", prefix,
                           STR_ARG(items[i].name));
                return false;
            }
        }
    }
    *out = items;
    *count_out = count;
    return true;
}

/* --- the service --------------------------------------------------------------------------- */

err cw__store_open(struct cloudwatch *cloudwatch, struct cw_store **out, struct diag *diag)
{
    os_mutex_lock(&cloudwatch->lock);
    err e = OK;
    if (cloudwatch->store == NULL) {
        e = cw_store_open(cloudwatch->os, cloudwatch->dir, &cloudwatch->store, diag);
    }
    *out = cloudwatch->store;
    os_mutex_unlock(&cloudwatch->lock);
    return e;
}

bool cw__store(struct query_call *call, struct cw_store **out)
{
    struct diag diag;
    diag_init(&diag);
    err e = cw__store_open(call->service, out, &diag);
    if (e != OK) {
        query_fail(call, 500, "InternalServiceError", "%s", diag.message);
    }
    return e == OK;
}

bool cw__store_read(struct query_call *call, struct cw_store **out)
{
    const struct cloudwatch *cloudwatch = call->service;
    if (cloudwatch->metrics->flush != NULL) {
        cloudwatch->metrics->flush(cloudwatch->metrics->source);
    }
    return cw__store(call, out);
}

static const struct query_operation operations[] = {
    {"PutMetricData", cw__put_metric_data, false},
    {"GetMetricStatistics", cw__get_metric_statistics, false},
    {"GetMetricData", cw__get_metric_data, false},
    {"ListMetrics", cw__list_metrics, false},
};
static const struct query_api api = {
    "CloudWatch",
    "http://monitoring.amazonaws.com/doc/2010-08-01/",
    operations,
    COUNT_OF(operations),
};

static void collect(struct metric_snapshot *snapshot, void *ctx)
{
    static const struct metric_family data = {METRIC_COUNTER, "leat_cloudwatch_data_total",
                                              "Data that PutMetricData took."};
    static const struct metric_family series = {METRIC_GAUGE, "leat_cloudwatch_series",
                                                "Metrics that are kept."};
    struct cloudwatch *cloudwatch = ctx;
    struct cw_counts counts = {0};
    os_mutex_lock(&cloudwatch->lock);
    struct cw_store *store = cloudwatch->store;
    os_mutex_unlock(&cloudwatch->lock);
    if (store != NULL) {
        cw_store_count(store, &counts);
    }
    metric_sample(snapshot, &data, NULL, 0, (double)metric_load(&cloudwatch->data));
    metric_sample(snapshot, &series, NULL, 0, (double)counts.series);
}

static err cloudwatch_open(const struct aws_env *env, void **out, struct diag *diag)
{
    (void)diag; /* The files are opened at the first use. */
    struct cloudwatch *cloudwatch = NEW(struct cloudwatch);
    cloudwatch->os = env->os;
    (void)snprintf(cloudwatch->dir, sizeof cloudwatch->dir, "%s/cloudwatch", env->data_dir);
    os_mutex_init(&cloudwatch->lock);
    cloudwatch->metrics = env->metrics;
    cloudwatch->metrics->put = cw__put_services;
    cloudwatch->metrics->sink = cloudwatch;
    metric_register(collect, cloudwatch);
    *out = cloudwatch;
    return OK;
}

static void cloudwatch_close(void *service)
{
    struct cloudwatch *cloudwatch = service;
    metric_unregister(collect, cloudwatch);
    cw_store_close(cloudwatch->store);
    os_mutex_deinit(&cloudwatch->lock);
    mem_free(cloudwatch);
}

static void cloudwatch_handle(struct aws_request *request)
{
    query_handle(request, &api);
}

static err cloudwatch_stage(void *ctx, const char *dir, struct diag *diag)
{
    struct cloudwatch *cloudwatch = ctx;
    struct cw_store *store;
    if (!aws_stage_is_needed(cloudwatch->os, cloudwatch->dir)) {
        return OK;
    }
    TRY(cw__store_open(cloudwatch, &store, diag));
    return aws_stage(cloudwatch->os, cloudwatch->dir, "cloudwatch", dir, cw_store_database(store),
                     NULL, NULL);
}

static err cloudwatch_reset(void *service)
{
    struct cw_store *store;
    struct diag diag;
    diag_init(&diag);
    TRY(cw__store_open(service, &store, &diag));
    return cw_store_reset(store);
}

static const struct aws_service_route routes[] = {
    {"GET", "/_aws/cloudwatch/series", cw__handle_series},
    {NULL, NULL, NULL},
};
static const char *const scopes[] = {"monitoring", NULL};
static const char *const prefixes[] = {"GraniteServiceVersion20100801", NULL};
static const char *const versions[] = {"2010-08-01", NULL};

const struct aws_service cloudwatch_service = {
    .name = "cloudwatch",
    .scopes = scopes,
    .target_prefixes = prefixes,
    .query_versions = versions,
    .open = cloudwatch_open,
    .close = cloudwatch_close,
    .handle = cloudwatch_handle,
    .stage = cloudwatch_stage,
    .reset = cloudwatch_reset,
    .routes = routes,
};
