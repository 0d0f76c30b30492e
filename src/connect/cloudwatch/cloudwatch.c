/*
 * connect/cloudwatch/cloudwatch.c: rows as metrics, for each of several sets of dimensions,
 * because CloudWatch never sums over dimensions of custom metrics. In the outbox a row is
 * its JSON, under the key of its time in milliseconds.
 */
#include "codec/cw_units.h"
#include "connect/cloudwatch/cw_int.h"
#include "connect/common/options.h"

#include <math.h>

enum { LINGER_MS = 200, LINGER_MS_MAX = 60000, NAMESPACE_MAX = 255, ROWS_MAX = 100000 };

static const struct connect_option options[] = {
    {"namespace", true, "leat: namespace of the metrics."},
    {"metric-columns", false, "leat: a;b. Absent: every number that is no dimension."},
    {"statistic-sets", false, "leat: name:count,sum,minimum,maximum;... of columns."},
    {"dimension-sets", false, "leat: a;b;a,b publishes each set; an empty item has none."},
    {"timestamp-column", false, "leat: time of the data; absent: when they are delivered."},
    {"unit", false, "leat: None (default), Count, Seconds, ... of all metrics."},
    {"storage-resolution", false, "leat: 60 (default) or 1 second."},
    {"series-max", false, "leat: series beyond are left out, counted and named (10000)."},
    {"sink.flush-buffer.timeout", false, "Age of the oldest row at which a call is made (200 ms)."},
    AWS_CALL_OPTIONS,
    {NULL, false, NULL},
};

static err check(const struct connect_table *table, struct diag *diag)
{
    static const char *const resolutions[] = {"1", "60", NULL};
    i64 number = 0;
    TRY(connect_one_of(table, "storage-resolution", resolutions, diag));
    TRY(connect_one_of(table, "unit", cw_units, diag));
    TRY(connect_get_number(table, "series-max", 1, 1000000, &number, diag));
    TRY(connect_get_ms(table, "sink.flush-buffer.timeout", &number, diag));
    str space = connect_get(table, "namespace", STR_EMPTY);
    if (space.len > NAMESPACE_MAX || str_starts(space, STR("AWS/"))) {
        return diag_set(diag, ERR_INVALID, "CON069",
                        "'namespace' has at most %d characters and does not begin with AWS/",
                        NAMESPACE_MAX);
    }
    return aws_call_check(table, diag);
}

static const struct type *metadata(str key)
{
    (void)key;
    return NULL;
}

static void cw_close(void *sink)
{
    struct cw *cw = sink;
    if (cw != NULL) {
        aws_call_free(cw->call);
        connect_writer_free(cw->writer);
        os_mutex_deinit(&cw->lock);
        mem_free(cw->series);
        arena_deinit(&cw->arena);
        mem_free(cw);
    }
}

static err cw_open(const struct connect_table *table, const struct connect_schema *schema,
                   const struct connect_env *env, void **out, struct connect_limits *limits_out,
                   struct diag *diag)
{
    struct cw *cw = NEW(struct cw);
    os_mutex_init(&cw->lock);
    cw->schema = *schema;
    cw->namespace = connect_get(table, "namespace", STR_EMPTY);
    cw->unit = connect_get(table, "unit", STR("None"));
    cw->is_per_second = str_eq(connect_get(table, "storage-resolution", STR_EMPTY), STR("1"));
    i64 series_max = CW_SERIES_MAX, linger_ms = LINGER_MS;
    err e = connect_get_number(table, "series-max", 1, 1000000, &series_max, diag);
    if (e == OK) {
        e = connect_get_ms(table, "sink.flush-buffer.timeout", &linger_ms, diag);
    }
    if (e == OK) {
        e = cw_columns_read(cw, table, diag);
    }
    if (e != OK) {
        cw_close(cw);
        return e;
    }
    cw->series_max = (isize)series_max;
    cw->format = (struct connect_format){.kind = CONNECT_FORMAT_JSON};
    cw->writer = connect_writer_new(&cw->format, schema->fields, schema->count);
    cw->call = aws_call_new(table, "monitoring", schema, env);
    *limits_out = (struct connect_limits){.rows_max = ROWS_MAX,
                                          .bytes_max = 8 << 20,
                                          .linger_ms = (u32)MIN(linger_ms, LINGER_MS_MAX)};
    *out = cw;
    return OK;
}

/* --- rows in ------------------------------------------------------------------------------- */

static void time_append(const struct vec *times, isize row, struct buf *key)
{
    isize at = vec_index(times, row);
    if (!vec_is_valid(times, row)) {
        return;
    }
    i64 us = 0;
    if (times->type->precision > 6) {
        us = VEC(struct stamp, times)[at].ms * 1000;
    } else {
        us = VEC(i64, times)[at];
    }
    buf_append_i64(key, us / 1000);
}

/* CloudWatch takes no NaN and no infinity. */
static err numbers_check(const struct cw *cw, const struct vec *cols, isize row, struct diag *diag)
{
    for (isize m = 0; m < cw->metric_count; m++) {
        for (isize i = 0; i < (cw->metrics[m].is_set ? 4 : 1); i++) {
            const struct vec *col = &cols[cw->metrics[m].columns[i]];
            isize at = vec_index(col, row);
            double value = 0;
            if (vec_is_valid(col, row) && col->type->kind == TYPE_DOUBLE) {
                value = VEC(double, col)[at];
            } else if (vec_is_valid(col, row) && col->type->kind == TYPE_FLOAT) {
                value = (double)VEC(float, col)[at];
            }
            if (!isfinite(value)) {
                return diag_set(diag, ERR_INVALID, "CON070",
                                "metric \"" STR_FMT "\" is no finite number",
                                STR_ARG(cw->metrics[m].name));
            }
        }
    }
    return OK;
}

static err encode(void *sink, const struct vec *cols, isize row, struct arena *scratch,
                  struct buf *key, struct buf *data, struct diag *diag)
{
    const struct cw *cw = sink;
    TRY(numbers_check(cw, cols, row, diag));
    if (cw->time_column >= 0) {
        time_append(&cols[cw->time_column], row, key);
    }
    connect_writer_row(cw->writer, cols, row, scratch, data);
    return OK;
}

/* --- delivery ------------------------------------------------------------------------------ */

static enum connect_verdict send(struct cw *cw, struct cw_call *call, struct diag *diag)
{
    if (call->count == 0) {
        return CONNECT_OK; /* All NULL, or left out. */
    }
    struct buf body = {0};
    cw_call_body(call, &body);
    struct http_field fields[] = {
        {STR("content-type"), STR("application/x-amz-json-1.0")},
        {STR("x-amz-target"), STR("GraniteServiceVersion20100801.PutMetricData")},
    };
    struct aws_call_request request = {
        .method = "POST",
        .path = STR("/"),
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .body = buf_str(&body),
    };
    struct http_client_response response;
    enum connect_verdict verdict = aws_call_send(cw->call, &request, &call->arena, &response, diag);
    buf_deinit(&body);
    return verdict;
}

/* Call by call, each committed. A call that is refused is cut in half until the row is found that
 * it is for. */
static enum connect_verdict deliver_rows(struct cw *cw, struct cw_call *call,
                                         struct connect_batch *batch, struct diag *diag)
{
    isize rows_max = ROWS_MAX;
    for (;;) {
        struct connect_row row = {0};
        struct diag problem;
        isize rows = 0;
        diag_init(&problem);
        cw_call_reset(call, cw);
        enum connect_verdict verdict = CONNECT_OK;
        while (rows < rows_max && cw_call_has_room(call) && verdict == CONNECT_OK &&
               batch->next(batch, &row)) {
            rows++;
            verdict = cw_call_add(call, &row) == OK ? CONNECT_OK : CONNECT_FATAL;
        }
        if (rows == 0) {
            return CONNECT_OK;
        }
        verdict = verdict == CONNECT_OK ? send(cw, call, &problem) : verdict;
        if (verdict == CONNECT_RETRY) {
            *diag = problem;
            return verdict;
        }
        if (verdict == CONNECT_FATAL && rows > 1) {
            rows_max = rows / 2;
            batch->rewind(batch);
            continue;
        }
        if (verdict == CONNECT_FATAL) {
            batch->reject(batch, &row, str_of(problem.message));
        }
        rows_max = MIN(rows_max * 2, (isize)ROWS_MAX);
        batch->commit(batch);
        if (batch->failure != OK) {
            return CONNECT_OK; /* The engine sees it. */
        }
    }
}

static enum connect_verdict deliver(void *sink, struct connect_batch *batch, struct diag *diag)
{
    struct cw_call *call = NEW(struct cw_call);
    enum connect_verdict verdict = deliver_rows(sink, call, batch, diag);
    arena_deinit(&call->arena);
    mem_free(call);
    return verdict;
}

static str target(void *sink)
{
    return ((struct cw *)sink)->namespace;
}

static u64 left_out(void *sink, struct buf *what)
{
    struct cw *cw = sink;
    os_mutex_lock(&cw->lock);
    buf_append(what, str_of(cw->left_out_first));
    os_mutex_unlock(&cw->lock);
    return __atomic_load_n(&cw->left_out, __ATOMIC_RELAXED);
}

static const struct connect_sink_ops ops = {
    .open = cw_open,
    .close = cw_close,
    .encode = encode,
    .deliver = deliver,
    .target = target,
    .left_out = left_out,
};

const struct connector connect_cloudwatch = {
    .name = "cloudwatch",
    .roles = CONNECT_SINK_OUTSIDE,
    .options = options,
    .check = check,
    .metadata = metadata,
    .sink = &ops,
};
