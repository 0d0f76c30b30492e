/* aws/cloudwatch/cw_list.c: ListMetrics. */
#include "aws/cloudwatch/cloudwatch_int.h"

enum { FILTER_DIMENSIONS_MAX = 10, ACTIVE_S = 3 * 3600 };

/* A page's token is the id of its last series. */
static bool token_read(struct query_call *call, i64 *out)
{
    const struct json_value *token = json_get(call->input, STR("NextToken"));
    *out = 0;
    if (json_is_set(token) && (str_to_i64(json_text(token), out) != OK || *out < 1)) {
        cw__fail_value(call, "NextToken", json_text(token));
        return false;
    }
    return true;
}

static bool filter_read(struct query_call *call, struct cw_filter *out)
{
    const struct cw_text_rule text = {"", CW_NAME_MAX, false};
    const struct cw_dimensions_rule dimensions = {"", FILTER_DIMENSIONS_MAX, true};
    struct cw_dimension *items;
    str active;
    struct cloudwatch *cloudwatch = call->service;
    bool is_ok = cw__text(call, call->input, "Namespace", &text, &out->namespace) &&
                 cw__text(call, call->input, "MetricName", &text, &out->metric) &&
                 cw__text(call, call->input, "RecentlyActive", &text, &active) &&
                 cw__dimensions(call, json_get(call->input, STR("Dimensions")), &dimensions, &items,
                                &out->dimension_count) &&
                 token_read(call, &out->after_id);
    if (!is_ok) {
        return false;
    }
    if (active.len > 0 && !str_eq(active, STR("PT3H"))) {
        cw__fail_value(call, "RecentlyActive", active);
        return false;
    }
    out->dimensions = items;
    out->account = call->request->caller.account;
    out->region = call->request->caller.region;
    out->max = CW_LIST_MAX + 1;
    out->active_since_s =
        active.len > 0 ? os_wall_us(cloudwatch->os) / 1000000 - ACTIVE_S : INT64_MIN;
    return true;
}

void cw__put_metric_name(struct query_call *call, const struct cw_series_name *name)
{
    query_put_text(call, "Namespace", name->namespace);
    query_put_text(call, "MetricName", name->metric);
    query_open_list(call, "Dimensions");
    for (isize i = 0; i < name->dimension_count; i++) {
        query_open(call, NULL);
        query_put_text(call, "Name", name->dimensions[i].name);
        query_put_text(call, "Value", name->dimensions[i].value);
        query_close(call, NULL);
    }
    query_close_list(call, "Dimensions");
}

void cw__list_metrics(struct query_call *call)
{
    struct cw_filter filter = {0};
    struct cw_store *store;
    if (!filter_read(call, &filter) || !cw__store_read(call, &store)) {
        return;
    }
    struct cw_series *items;
    isize count;
    err e = cw_store_list(store, &filter, call->arena, &items, &count);
    if (e != OK) {
        query_fail_err(call, e);
        return;
    }
    query_open_list(call, "Metrics");
    for (isize i = 0; i < MIN(count, (isize)CW_LIST_MAX); i++) {
        query_open(call, NULL);
        cw__put_metric_name(call, &items[i].name);
        query_close(call, NULL);
    }
    query_close_list(call, "Metrics");
    if (count > CW_LIST_MAX) {
        query_put_text(call, "NextToken",
                       arena_printf(call->arena, "%lld", (long long)items[CW_LIST_MAX - 1].id));
    }
}
