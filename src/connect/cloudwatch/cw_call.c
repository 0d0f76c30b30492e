/*
 * connect/cloudwatch/cw_call.c: the data of one PutMetricData. Rows of one series and second
 * meet in one datum: as values with counts, so that percentiles stay right, or as the sum of
 * statistic sets.
 */
#include "connect/cloudwatch/cw_int.h"

#include "base/hash.h"
#include "base/trace.h"

#include <stdio.h>

void cw_call_reset(struct cw_call *call, struct cw *cw)
{
    arena_reset(&call->arena);
    call->cw = cw;
    call->data = ARENA_ARRAY(&call->arena, struct cw_datum, CW_DATA_MAX);
    call->count = call->bytes = 0;
    memset(call->slots, 0, sizeof call->slots);
}

bool cw_call_has_room(const struct cw_call *call)
{
    isize most = call->cw->metric_count * call->cw->set_count;
    return call->count + most <= CW_DATA_MAX && call->bytes < CW_BODY_BYTES;
}

/* --- series -------------------------------------------------------------------------------- */

/* Adds the hash; false when it was there. */
static bool series_put(u64 *table, isize capacity, u64 hash)
{
    isize at = (isize)(hash & (u64)(capacity - 1));
    while (table[at] != 0 && table[at] != hash) {
        at = (at + 1) & (capacity - 1);
    }
    bool is_new = table[at] == 0;
    table[at] = hash;
    return is_new;
}

static bool series_has(const struct cw *cw, u64 hash)
{
    isize mask = cw->series_capacity - 1;
    isize at = (isize)(hash & (u64)mask);
    while (cw->series_capacity > 0 && cw->series[at] != 0) {
        if (cw->series[at] == hash) {
            return true;
        }
        at = (at + 1) & mask;
    }
    return false;
}

static void series_grow(struct cw *cw)
{
    isize capacity = MAX(cw->series_capacity * 2, 256);
    u64 *table = mem_zalloc(capacity * (isize)sizeof(u64));
    for (isize i = 0; i < cw->series_capacity; i++) {
        if (cw->series[i] != 0) {
            (void)series_put(table, capacity, cw->series[i]);
        }
    }
    mem_free(cw->series);
    cw->series = table;
    cw->series_capacity = capacity;
}

static void leave_out(struct cw *cw, isize metric, str dimensions)
{
    u64 before = __atomic_fetch_add(&cw->left_out, 1, __ATOMIC_RELAXED);
    if (before > 0) {
        return;
    }
    os_mutex_lock(&cw->lock);
    (void)snprintf(cw->left_out_first, sizeof cw->left_out_first, STR_FMT " " STR_FMT,
                   STR_ARG(cw->metrics[metric].name), STR_ARG(dimensions));
    os_mutex_unlock(&cw->lock);
    trace(TRACE_WARN, "cloudwatch", "series beyond series-max are left out",
          T_STR("namespace", cw->namespace), T_INT("series_max", cw->series_max),
          T_STR("first", str_of(cw->left_out_first)));
}

/* Is it published, or may it be? */
static bool series_admit(struct cw *cw, isize metric, str dimensions)
{
    u64 hash = hash64(dimensions.data, dimensions.len, (u64)metric + 1) | 1;
    if (series_has(cw, hash)) {
        return true;
    }
    if (cw->series_count >= cw->series_max) {
        leave_out(cw, metric, dimensions);
        return false;
    }
    if (cw->series_count * 2 >= cw->series_capacity) {
        series_grow(cw);
    }
    (void)series_put(cw->series, cw->series_capacity, hash);
    cw->series_count++;
    return true;
}

/* --- rows ---------------------------------------------------------------------------------- */

static const struct json_value *member(const struct json_value *row, const struct cw *cw,
                                       isize column)
{
    return json_get(row, cw->schema.fields[column].name);
}

static str text_of(const struct json_value *value)
{
    switch (json_kind(value)) {
    case JSON_TRUE:
        return STR("true");
    case JSON_FALSE:
        return STR("false");
    default:
        return json_text(value);
    }
}

/* [{"Name":..,"Value":..}]; false when one of them is NULL or empty. */
static bool dimensions_write(struct cw_call *call, const struct cw_set *set,
                             const struct json_value *row, str *out)
{
    struct buf text = {0};
    bool is_whole = true;
    buf_append_byte(&text, '[');
    for (isize i = 0; i < set->count && is_whole; i++) {
        str value = text_of(member(row, call->cw, set->columns[i]));
        is_whole = value.len > 0;
        buf_append(&text, i > 0 ? STR(",{\"Name\":") : STR("{\"Name\":"));
        json_write_string(&text, call->cw->schema.fields[set->columns[i]].name);
        buf_append(&text, STR(",\"Value\":"));
        json_write_string(&text, str_slice(value, 0, CW_TEXT_MAX));
        buf_append_byte(&text, '}');
    }
    buf_append_byte(&text, ']');
    *out = arena_copy(&call->arena, buf_str(&text));
    buf_deinit(&text);
    return is_whole;
}

/* Numbers of a metric; false when one is NULL. */
static bool numbers_read(const struct cw *cw, const struct cw_metric *metric,
                         const struct json_value *row, double *out)
{
    for (isize i = 0; i < (metric->is_set ? 4 : 1); i++) {
        str text = json_text(member(row, cw, metric->columns[i]));
        if (text.len == 0 || str_to_f64(text, &out[i]) != OK) {
            return false;
        }
    }
    return true;
}

static bool is_full(const struct cw_datum *datum, double value)
{
    for (isize i = 0; i < datum->value_count; i++) {
        if (datum->values[i] == value) {
            return false;
        }
    }
    return datum->value_count == CW_VALUES_MAX;
}

static struct cw_datum *datum_of(struct cw_call *call, isize metric, str dimensions, i64 time_s,
                                 double value)
{
    u64 hash = hash64(dimensions.data, dimensions.len, (u64)time_s * 64 + (u64)metric);
    bool is_set = call->cw->metrics[metric].is_set;
    isize at = (isize)(hash & (CW_SLOTS - 1));
    while (call->slots[at] != 0) {
        struct cw_datum *datum = &call->data[call->slots[at] - 1];
        bool is_same = datum->hash == hash && datum->metric == metric && datum->time_s == time_s &&
                       str_eq(datum->dimensions, dimensions) && (is_set || !is_full(datum, value));
        if (is_same) {
            return datum;
        }
        at = (at + 1) & (CW_SLOTS - 1);
    }
    CHECK(call->count < CW_DATA_MAX);
    struct cw_datum *datum = &call->data[call->count++];
    *datum = (struct cw_datum){
        .hash = hash, .metric = metric, .dimensions = dimensions, .time_s = time_s};
    call->slots[at] = (u16)call->count;
    call->bytes += dimensions.len + call->cw->metrics[metric].name.len + 160;
    return datum;
}

static void value_add(struct cw_call *call, struct cw_datum *datum, double value)
{
    for (isize i = 0; i < datum->value_count; i++) {
        if (datum->values[i] == value) {
            datum->counts[i]++;
            return;
        }
    }
    isize n = datum->value_count++;
    datum->values = arena_grow(&call->arena, datum->values, n, (isize)sizeof(double));
    datum->counts = arena_grow(&call->arena, datum->counts, n, (isize)sizeof(double));
    datum->values[n] = value;
    datum->counts[n] = 1;
    call->bytes += 30;
}

static void set_add(struct cw_datum *datum, const double *numbers)
{
    bool is_first = datum->set[0] == 0;
    datum->set[0] += numbers[0];
    datum->set[1] += numbers[1];
    datum->set[2] = is_first ? numbers[2] : MIN(datum->set[2], numbers[2]);
    datum->set[3] = is_first ? numbers[3] : MAX(datum->set[3], numbers[3]);
}

static void metric_add_row(struct cw_call *call, isize metric, str dimensions, i64 time_s,
                           const double *numbers)
{
    if (!series_admit(call->cw, metric, dimensions)) {
        return;
    }
    struct cw_datum *datum = datum_of(call, metric, dimensions, time_s, numbers[0]);
    if (call->cw->metrics[metric].is_set) {
        set_add(datum, numbers);
    } else {
        value_add(call, datum, numbers[0]);
    }
}

err cw_call_add(struct cw_call *call, const struct connect_row *row)
{
    struct cw *cw = call->cw;
    const struct json_value *json;
    i64 time_ms = -1;
    TRY(json_parse(&call->arena, arena_copy(&call->arena, row->data), &json, NULL));
    if (row->key.len > 0) {
        TRY(str_to_i64(row->key, &time_ms));
    }
    i64 step_s = cw->is_per_second ? 1 : 60;
    i64 time_s = time_ms < 0 ? -1 : time_ms / 1000 / step_s * step_s;
    for (isize s = 0; s < cw->set_count; s++) {
        str dimensions;
        if (!dimensions_write(call, &cw->sets[s], json, &dimensions)) {
            continue;
        }
        for (isize m = 0; m < cw->metric_count; m++) {
            double numbers[4] = {0};
            if (numbers_read(cw, &cw->metrics[m], json, numbers)) {
                metric_add_row(call, m, dimensions, time_s, numbers);
            }
        }
    }
    return OK;
}

/* --- the body ------------------------------------------------------------------------------ */

static void numbers_write(struct buf *out, const char *name, const double *numbers, isize count)
{
    buf_printf(out, ",\"%s\":[", name);
    for (isize i = 0; i < count; i++) {
        buf_append(out, i > 0 ? STR(",") : STR_EMPTY);
        json_write_f64(out, numbers[i]);
    }
    buf_append_byte(out, ']');
}

static void datum_write(const struct cw_call *call, const struct cw_datum *datum, struct buf *out)
{
    static const char *const names[] = {"SampleCount", "Sum", "Minimum", "Maximum"};
    const struct cw *cw = call->cw;
    buf_append(out, STR("{\"MetricName\":"));
    json_write_string(out, cw->metrics[datum->metric].name);
    buf_append(out, STR(",\"Dimensions\":"));
    buf_append(out, datum->dimensions);
    if (datum->time_s >= 0) {
        buf_printf(out, ",\"Timestamp\":%lld", (long long)datum->time_s);
    }
    buf_append(out, STR(",\"Unit\":"));
    json_write_string(out, cw->unit);
    buf_printf(out, ",\"StorageResolution\":%d", cw->is_per_second ? 1 : 60);
    if (!cw->metrics[datum->metric].is_set) {
        numbers_write(out, "Values", datum->values, datum->value_count);
        numbers_write(out, "Counts", datum->counts, datum->value_count);
    } else {
        buf_append(out, STR(",\"StatisticValues\":{"));
        for (isize i = 0; i < 4; i++) {
            buf_printf(out, "%s\"%s\":", i > 0 ? "," : "", names[i]);
            json_write_f64(out, datum->set[i]);
        }
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, '}');
}

void cw_call_body(const struct cw_call *call, struct buf *out)
{
    buf_append(out, STR("{\"Namespace\":"));
    json_write_string(out, call->cw->namespace);
    buf_append(out, STR(",\"MetricData\":["));
    for (isize i = 0; i < call->count; i++) {
        buf_append(out, i > 0 ? STR(",") : STR_EMPTY);
        datum_write(call, &call->data[i], out);
    }
    buf_append(out, STR("]}"));
}
