/* aws/cloudwatch/cw_inspect.c: GET /_aws/cloudwatch/series (docs/api.md). */
#include "aws/cloudwatch/cloudwatch_int.h"

#include "base/metric.h"

enum { HOUR_S = 3600, SERIES_SHOWN_MAX = 500 };
#define ACCOUNT_DEFAULT "000000000000"

struct series_call {
    str account, region, namespace, metric, dimensions;
    i64 now_s;
};

static bool text_param(struct http_exchange *x, const char *name, str otherwise, str *out)
{
    bool found;
    err e = http_param(http_arena(x), http_query(x), str_of(name), out, &found);
    if (e == OK && (!found || out->len == 0)) {
        *out = otherwise;
    }
    return e == OK;
}

static void respond(struct http_exchange *x, int status, struct buf *body)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("Cache-Control"), STR("no-store")}};
    http_respond_buf(x, status, fields, COUNT_OF(fields), body);
    buf_deinit(body);
}

static void respond_error(struct http_exchange *x, int status, const char *code, const char *text)
{
    struct buf body = {0};
    buf_printf(&body, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    json_write_string(&body, str_of(text));
    buf_append(&body, STR("}}"));
    respond(x, status, &body);
}

static err series_put(struct cw_store *store, const struct cw_series *series, i64 now_s,
                      struct buf *out)
{
    struct arena arena = {0};
    struct cw_range range = {now_s - HOUR_S, now_s + HOUR_S, 1};
    struct cw_point *points;
    isize count;
    err e = cw_store_get(store, &series->name, &range, &arena, &points, &count);
    buf_append(out, STR("{\"namespace\":"));
    json_write_string(out, series->name.namespace);
    buf_append(out, STR(",\"metric\":"));
    json_write_string(out, series->name.metric);
    buf_append(out, STR(",\"dimensions\":{"));
    for (isize i = 0; i < series->name.dimension_count; i++) {
        buf_append(out, i > 0 ? STR(",") : STR_EMPTY);
        json_write_string(out, series->name.dimensions[i].name);
        buf_append_byte(out, ':');
        json_write_string(out, series->name.dimensions[i].value);
    }
    buf_append(out, STR("},\"points\":["));
    for (isize i = 0; i < count && e == OK; i++) {
        const struct cw_statistics *v = &points[i].value;
        const double numbers[] = {v->sum, v->count, v->min, v->max};
        buf_printf(out, "%s[%lld", i > 0 ? "," : "", (long long)points[i].time_s * 1000);
        for (int k = 0; k < COUNT_OF(numbers); k++) {
            buf_append_byte(out, ',');
            json_write_f64(out, numbers[k]);
        }
        buf_append_byte(out, ']');
    }
    buf_append(out, STR("]}"));
    arena_deinit(&arena);
    return e;
}

/* Comma-separated names: series with these dimensions and no other. */
static void dimensions_read(struct arena *arena, str names, struct cw_filter *filter)
{
    struct cw_dimension *dimensions = ARENA_ARRAY(arena, struct cw_dimension, CW_DIMENSIONS_MAX);
    while (names.len > 0 && filter->dimension_count < CW_DIMENSIONS_MAX) {
        dimensions[filter->dimension_count++] =
            (struct cw_dimension){.name = str_split(&names, ',', NULL)};
    }
    filter->dimensions = dimensions;
    filter->is_exact = filter->dimension_count > 0;
}

static void list(struct http_exchange *x, struct cw_store *store, const struct series_call *call)
{
    struct buf body = {0};
    struct cw_series *series = NULL;
    isize count = 0;
    struct cw_filter filter = {
        .account = call->account,
        .region = call->region,
        .namespace = call->namespace,
        .metric = call->metric,
        .is_custom = call->namespace.len == 0,
        .max = SERIES_SHOWN_MAX + 1,
        .active_since_s = call->now_s - HOUR_S,
    };
    dimensions_read(http_arena(x), call->dimensions, &filter);
    err e = store == NULL ? OK : cw_store_list(store, &filter, http_arena(x), &series, &count);
    buf_append(&body, STR("{\"series\":["));
    for (isize i = 0; i < MIN(count, (isize)SERIES_SHOWN_MAX) && e == OK; i++) {
        buf_append(&body, i > 0 ? STR(",") : STR_EMPTY);
        e = series_put(store, &series[i], call->now_s, &body);
    }
    buf_printf(&body, "],\"has_more\":%s}", count > SERIES_SHOWN_MAX ? "true" : "false");
    if (e != OK) {
        buf_deinit(&body);
        respond_error(x, 500, err_name(e), err_text(e));
        return;
    }
    respond(x, 200, &body);
}

static void work(struct http_exchange *x, void *ctx)
{
    struct cloudwatch *cloudwatch = ctx;
    struct series_call call = {.now_s = os_wall_us(cloudwatch->os) / 1000000};
    if (!text_param(x, "region", STR("us-east-1"), &call.region) ||
        !text_param(x, "account", STR(ACCOUNT_DEFAULT), &call.account) ||
        !text_param(x, "namespace", STR_EMPTY, &call.namespace) ||
        !text_param(x, "metric", STR_EMPTY, &call.metric) ||
        !text_param(x, "dimensions", STR_EMPTY, &call.dimensions)) {
        respond_error(x, 400, "InvalidParameter", "the query cannot be read");
        return;
    }
    struct os_stat stat;
    struct cw_store *store = NULL;
    struct diag diag;
    diag_init(&diag);
    /* Looking does not create anything. */
    err e = os_stat_path(cloudwatch->os, cloudwatch->dir, &stat) == OK
                ? cw__store_open(cloudwatch, &store, &diag)
                : OK;
    if (e != OK) {
        respond_error(x, 500, "InternalError", diag.message);
        return;
    }
    list(x, store, &call);
}

void cw__handle_series(struct http_exchange *x, void *service)
{
    http_run_blocking(x, work, service);
}
