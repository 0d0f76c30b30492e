/* aws/cloudwatch/cw_data.c: GetMetricData: queries, labels, pages. */
#include "aws/cloudwatch/cw_math.h"

#include <math.h>
#include <stdio.h>

enum { EXPRESSION_BYTES_MAX = 2048, PREFIX_BYTES = 64, LABEL_BYTES_MAX = 4096 };

struct data_call {
    struct cw_math math;
    bool is_descending;
    i64 max;  /* Points of this page. */
    i64 skip; /* Points of the pages before. */
};

/* --- reading ------------------------------------------------------------------------------- */

static bool is_id(str id)
{
    for (isize i = 0; i < id.len; i++) {
        u8 c = id.data[i];
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_other = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!is_lower && (i == 0 || !is_other)) {
            return false;
        }
    }
    return id.len >= 1 && id.len <= CW_NAME_MAX;
}

static bool stat_read(struct query_call *call, const struct json_value *in, const char *prefix,
                      struct cw_query *out)
{
    char path[PREFIX_BYTES * 2];
    (void)snprintf(path, sizeof path, "%sMetricStat.Metric.", prefix);
    const struct json_value *metric = json_get(in, STR("Metric"));
    const struct cw_text_rule text = {path, CW_NAME_MAX, true};
    const struct cw_dimensions_rule dimensions = {path, CW_DIMENSIONS_MAX, false};
    out->series.account = call->request->caller.account;
    out->series.region = call->request->caller.region;
    if (!cw__text(call, metric, "Namespace", &text, &out->series.namespace) ||
        !cw__text(call, metric, "MetricName", &text, &out->series.metric) ||
        !cw__dimensions(call, json_get(metric, STR("Dimensions")), &dimensions,
                        &out->series.dimensions, &out->series.dimension_count)) {
        return false;
    }
    (void)snprintf(path, sizeof path, "%sMetricStat.Period", prefix);
    if (!cw__period(call, json_get(in, STR("Period")), path, &out->period_s)) {
        return false;
    }
    const struct json_value *unit = json_get(in, STR("Unit"));
    out->unit = json_is_set(unit) ? cw__unit_parse(json_text(unit)) : -1;
    bool is_stat = cw__stat_parse(json_get_text(in, STR("Stat")), &out->stat);
    if (!is_stat || (json_is_set(unit) && out->unit < 0)) {
        query_fail(
            call, 400, "ValidationError",
            "The value " STR_FMT " for parameter %sMetricStat.%s is not supported.",
            STR_ARG(str_slice(is_stat ? json_text(unit) : json_get_text(in, STR("Stat")), 0, 80)),
            prefix, is_stat ? "Unit" : "Stat");
        return false;
    }
    return true;
}

static bool fail(struct query_call *call, const char *prefix, const char *text)
{
    query_fail(call, 400, "ValidationError", "%s%s", prefix, text);
    return false;
}

static bool is_false(const struct json_value *value)
{
    return json_kind(value) == JSON_FALSE || str_eq_nocase(json_text(value), STR("false"));
}

static bool query_read(struct query_call *call, const struct json_value *in, isize number,
                       struct cw_query *out)
{
    char prefix[PREFIX_BYTES];
    (void)snprintf(prefix, sizeof prefix, "MetricDataQueries.member.%td.", number);
    const struct json_value *stat = json_get(in, STR("MetricStat"));
    *out = (struct cw_query){.id = json_get_text(in, STR("Id")),
                             .label = json_get_text(in, STR("Label")),
                             .expression = json_get_text(in, STR("Expression")),
                             .is_returned = !is_false(json_get(in, STR("ReturnData")))};
    out->has_label = out->label.len > 0;
    str account = json_get_text(in, STR("AccountId"));
    if (!is_id(out->id)) {
        return fail(call, prefix,
                    "Id must begin with a lower-case letter and hold letters, digits "
                    "and underscores only.");
    }
    if (json_is_set(stat) == (out->expression.len > 0)) {
        return fail(call, prefix, "Expression or MetricStat must be there, and not both.");
    }
    if (json_is_set(stat) && json_is_set(json_get(in, STR("Period")))) {
        return fail(call, prefix,
                    "Period and MetricStat are mutually exclusive and you have "
                    "specified both.");
    }
    if (out->expression.len > EXPRESSION_BYTES_MAX || out->label.len > EXPRESSION_BYTES_MAX) {
        return fail(call, prefix, "Expression and Label have at most 2,048 bytes.");
    }
    if (account.len > 0 && !str_eq(account, call->request->caller.account)) {
        return fail(call, prefix, "AccountId of another account is not supported by leat.");
    }
    return !json_is_set(stat) || stat_read(call, stat, prefix, out);
}

static bool queries_read(struct query_call *call, struct cw_math *math)
{
    const struct json_value *list = json_get(call->input, STR("MetricDataQueries"));
    if (json_count(list) == 0) {
        query_fail(call, 400, "MissingParameter", "The parameter MetricDataQueries is required.");
        return false;
    }
    if (json_count(list) > CW_QUERIES_MAX) {
        query_fail(call, 400, "ValidationError",
                   "The collection MetricDataQueries must not have a size greater than %d.",
                   CW_QUERIES_MAX);
        return false;
    }
    math->queries = ARENA_ARRAY(call->arena, struct cw_query, json_count(list));
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        struct cw_query *query = &math->queries[math->query_count];
        if (!query_read(call, v, math->query_count + 1, query)) {
            return false;
        }
        for (isize i = 0; i < math->query_count; i++) {
            if (str_eq(math->queries[i].id, query->id)) {
                return fail(call, "",
                            "The values for parameter Id in MetricDataQueries are not "
                            "unique.");
            }
        }
        math->query_count++;
    }
    return true;
}

static bool whole_number(struct query_call *call, const char *name, i64 otherwise, i64 least,
                         i64 *out)
{
    const struct json_value *value = json_get(call->input, str_of(name));
    *out = otherwise;
    if (json_is_set(value) && (str_to_i64(json_text(value), out) != OK || *out < least)) {
        bool is_token = strcmp(name, "NextToken") == 0;
        query_fail(call, 400, is_token ? "InvalidNextToken" : "ValidationError",
                   "The value " STR_FMT " for parameter %s is invalid.",
                   STR_ARG(str_slice(json_text(value), 0, 80)), name);
        return false;
    }
    return true;
}

static bool timezone_check(struct query_call *call)
{
    str zone = json_get_text(json_get(call->input, STR("LabelOptions")), STR("Timezone"));
    bool is_ok = zone.len == 0 || (zone.len == 5 && (zone.data[0] == '+' || zone.data[0] == '-'));
    for (isize i = 1; i < zone.len && is_ok; i++) {
        is_ok = (u8)(zone.data[i] - '0') < 10;
    }
    return is_ok || fail(call, "LabelOptions.Timezone", " has the form +HHMM or -HHMM.");
}

static bool call_read(struct query_call *call, struct data_call *in)
{
    str scan = json_get_text(call->input, STR("ScanBy"));
    in->math.call = call;
    in->is_descending = !str_eq(scan, STR("TimestampAscending"));
    if (!cw__time(call, call->input, "StartTime", &in->math.from_s) ||
        !cw__time(call, call->input, "EndTime", &in->math.to_s)) {
        return false;
    }
    if (in->math.from_s >= in->math.to_s) {
        return fail(call, "", "The parameter EndTime must be greater than StartTime.");
    }
    if (scan.len > 0 && in->is_descending && !str_eq(scan, STR("TimestampDescending"))) {
        cw__fail_value(call, "ScanBy", scan);
        return false;
    }
    if (!whole_number(call, "MaxDatapoints", CW_DATA_POINTS_MAX, 1, &in->max) ||
        !whole_number(call, "NextToken", 0, 1, &in->skip) || !timezone_check(call)) {
        return false;
    }
    in->max = MIN(in->max, (i64)CW_DATA_POINTS_MAX);
    return queries_read(call, &in->math);
}

/* --- labels -------------------------------------------------------------------------------- */

static bool figure(const struct cw_line *line, str what, double *out)
{
    double sum = 0, least = (double)INFINITY, most = -(double)INFINITY;
    for (isize i = 0; i < line->count; i++) {
        sum += line->values[i];
        least = fmin(least, line->values[i]);
        most = fmax(most, line->values[i]);
    }
    if (str_eq(what, STR("SUM"))) {
        *out = sum;
    } else if (str_eq(what, STR("AVG"))) {
        *out = sum / (double)line->count;
    } else if (str_eq(what, STR("MIN"))) {
        *out = least;
    } else if (str_eq(what, STR("MAX"))) {
        *out = most;
    } else if (str_eq(what, STR("FIRST"))) {
        *out = line->count > 0 ? line->values[0] : (double)NAN;
    } else if (str_eq(what, STR("LAST"))) {
        *out = line->count > 0 ? line->values[line->count - 1] : (double)NAN;
    } else {
        return false;
    }
    return true;
}

/* PROP('name') of what was read. */
static bool property(const struct cw_query *query, str name, struct buf *out)
{
    const struct cw_series_name *s = &query->series;
    if (str_eq(name, STR("MetricName"))) {
        buf_append(out, s->metric);
    } else if (str_eq(name, STR("Namespace"))) {
        buf_append(out, s->namespace);
    } else if (str_eq(name, STR("Stat"))) {
        buf_append(out, query->stat.name);
    } else if (str_eq(name, STR("Period"))) {
        buf_append_i64(out, query->period_s);
    } else if (str_eq(name, STR("Region"))) {
        buf_append(out, s->region);
    } else if (str_eq(name, STR("AccountId"))) {
        buf_append(out, s->account);
    } else if (str_starts(name, STR("Dim."))) {
        for (isize i = 0; i < s->dimension_count; i++) {
            if (str_eq(s->dimensions[i].name, str_slice(name, 4, name.len))) {
                buf_append(out, s->dimensions[i].value);
            }
        }
    } else {
        return false;
    }
    return true;
}

static bool dynamic_put(const struct cw_query *query, const struct cw_line *line, str what,
                        struct buf *out)
{
    double number;
    if (figure(line, what, &number)) {
        json_write_f64(out, number);
        return true;
    }
    if (str_eq(what, STR("LABEL"))) {
        buf_append(out, line->label);
        return true;
    }
    bool is_prop = str_starts(what, STR("PROP('")) && str_ends(what, STR("')"));
    return is_prop &&
           property(line->from != NULL ? line->from : query, str_slice(what, 6, what.len - 2), out);
}

/* The label with its ${...} filled in. */
static bool label_make(struct query_call *call, const struct cw_query *query,
                       const struct cw_line *line, str *out)
{
    if (!query->has_label) {
        *out = line->label;
        return true;
    }
    struct buf text;
    buf_init(&text, LABEL_BYTES_MAX);
    str rest = query->label;
    bool is_ok = true;
    while (is_ok && rest.len > 0) {
        isize start = str_find(rest, STR("${"), 0);
        isize end = start < 0 ? -1 : str_find_byte(rest, '}', start);
        buf_append(&text, str_slice(rest, 0, end < 0 ? rest.len : start));
        if (end < 0) {
            break;
        }
        str what = str_slice(rest, start + 2, end);
        is_ok = dynamic_put(query, line, what, &text);
        if (!is_ok) {
            query_fail(call, 400, "ValidationError",
                       "The label of " STR_FMT " holds ${" STR_FMT
                       "}, which leat does not support.",
                       STR_ARG(query->id), STR_ARG(str_slice(what, 0, 60)));
        }
        rest = str_slice(rest, end + 1, rest.len);
    }
    if (query->value.kind == CW_LINES && str_find(query->label, STR("${"), 0) < 0) {
        buf_append_byte(&text, ' ');
        buf_append(&text, line->label);
    }
    *out = arena_copy(call->arena, buf_str(&text));
    buf_deinit(&text);
    return is_ok;
}

/* --- answer -------------------------------------------------------------------------------- */

/* Points [skip, skip + room) of a line in the order asked for. */
static bool line_put(struct data_call *in, const struct cw_query *query, const struct cw_line *line,
                     isize first, isize count)
{
    struct query_call *call = in->math.call;
    str label;
    if (!label_make(call, query, line, &label)) {
        return false;
    }
    query_open(call, NULL);
    query_put_text(call, "Id", query->id);
    query_put_text(call, "Label", label);
    query_open_list(call, "Timestamps");
    for (isize i = first; i < first + count; i++) {
        query_put_time(call, NULL, line->times[in->is_descending ? line->count - 1 - i : i]);
    }
    query_close_list(call, "Timestamps");
    query_open_list(call, "Values");
    for (isize i = first; i < first + count; i++) {
        query_put_number(call, NULL, line->values[in->is_descending ? line->count - 1 - i : i]);
    }
    query_close_list(call, "Values");
    query_put_text(call, "StatusCode",
                   first + count == line->count ? STR("Complete") : STR("PartialData"));
    query_close(call, NULL);
    return true;
}

/* What came with the pages before is left out, and so is what does not fit this one. Empty series
 * stand on the first page. */
static bool results_put(struct data_call *in, i64 *total)
{
    struct cw_math *math = &in->math;
    i64 end = in->skip + in->max;
    *total = 0;
    for (isize q = 0; q < math->query_count; q++) {
        const struct cw_query *query = &math->queries[q];
        for (isize i = 0; query->is_returned && i < query->value.count; i++) {
            const struct cw_line *line = &query->value.lines[i];
            i64 from = MAX(in->skip - *total, (i64)0);
            i64 to = MIN(end - *total, (i64)line->count);
            bool is_here = to > from || (line->count == 0 && in->skip == 0);
            if (is_here && !line_put(in, query, line, (isize)from, (isize)MAX(to - from, (i64)0))) {
                return false;
            }
            *total += line->count;
        }
    }
    return true;
}

/* Runs one query; what is returned must be time series. */
static bool query_run(struct cw_math *math, struct cw_query *query)
{
    if (!cw__query_run(math, query)) {
        return false;
    }
    struct cw_value *value = &query->value;
    if (query->is_returned && value->kind != CW_LINE && value->kind != CW_LINES) {
        math->current = query;
        return cw__math_fail(math, "it does not give a time series");
    }
    if (value->kind == CW_LINE && query->expression.len > 0) {
        struct cw_line *own = ARENA_NEW(math->call->arena, struct cw_line);
        *own = *value->lines; /* What it refers to keeps its own label. */
        own->label = query->id;
        value->lines = own;
    }
    return true;
}

void cw__get_metric_data(struct query_call *call)
{
    struct data_call in = {0};
    if (!call_read(call, &in) || !cw__store_read(call, &in.math.store)) {
        return;
    }
    for (isize i = 0; i < in.math.query_count; i++) {
        if (!query_run(&in.math, &in.math.queries[i])) {
            return;
        }
    }
    i64 total;
    query_open_list(call, "MetricDataResults");
    if (!results_put(&in, &total)) {
        return;
    }
    query_close_list(call, "MetricDataResults");
    if (total > in.skip + in.max) {
        query_put_text(call, "NextToken",
                       arena_printf(call->arena, "%lld", (long long)(in.skip + in.max)));
    }
}
