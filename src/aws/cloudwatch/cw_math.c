/*
 * aws/cloudwatch/cw_math.c: the parser of metric math; it computes while it reads.
 * Lowest to highest: || &&, comparisons, + -, * /, unary -, ^.
 */
#include "aws/cloudwatch/cw_math.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static bool expression(struct cw_math *math, struct cw_value *out);

bool cw__math_fail(struct cw_math *math, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    query_fail(math->call, 400, "ValidationError", "Error in expression '" STR_FMT "': %s",
               STR_ARG(math->current->id), text);
    return false;
}

/* --- lines --------------------------------------------------------------------------------- */

struct cw_line cw__line_new(struct cw_math *math, const struct cw_line *like, isize capacity)
{
    struct arena *arena = math->call->arena;
    if (capacity > CW_MATH_POINTS_MAX - math->points) {
        query_fail(math->call, 400, "ValidationError",
                   "the queries make more than %d points: narrow the time range, lengthen the "
                   "period, or ask for fewer series",
                   CW_MATH_POINTS_MAX);
        capacity = 0;
    }
    math->points += capacity;
    isize room = MAX(capacity, (isize)1);
    return (struct cw_line){.label = like->label,
                            .period_s = like->period_s,
                            .capacity = capacity,
                            .times = ARENA_ARRAY(arena, i64, room),
                            .values = ARENA_ARRAY(arena, double, room)};
}

void cw__line_push(struct cw_line *line, i64 time_s, double value)
{
    if (isfinite(value) && line->count < line->capacity) {
        line->times[line->count] = time_s;
        line->values[line->count++] = value;
    }
}

static str label_of(const struct cw_query *query)
{
    return query->has_label ? query->label : query->series.metric;
}

bool cw__line_read(struct cw_math *math, const struct cw_query *what, struct cw_line *out)
{
    struct cw_range range = {math->from_s - math->from_s % what->period_s, math->to_s,
                             what->period_s};
    struct arena scratch = {0}; /* Points are much larger than what is kept of them. */
    struct cw_point *points;
    isize count;
    err e = cw_store_get(math->store, &what->series, &range, &scratch, &points, &count);
    if (e != OK) {
        query_fail_err(math->call, e);
    }
    struct cw_line like = {.label = label_of(what), .period_s = what->period_s};
    *out = cw__line_new(math, &like, e == OK ? count : 0);
    for (isize i = 0; i < out->capacity; i++) {
        double value;
        if ((what->unit < 0 || what->unit == points[i].unit) &&
            cw__stat_value(&what->stat, &points[i], &value)) {
            cw__line_push(out, points[i].time_s, value);
        }
    }
    arena_deinit(&scratch);
    return !math->call->has_failed;
}

/* --- tokens -------------------------------------------------------------------------------- */

static u8 peek(struct cw_math *math)
{
    while (math->rest.len > 0 && math->rest.data[0] <= ' ') {
        math->rest = str_slice(math->rest, 1, math->rest.len);
    }
    return math->rest.len > 0 ? math->rest.data[0] : 0;
}

static bool accept(struct cw_math *math, const char *text)
{
    (void)peek(math); /* Skips blanks. */
    str wanted = str_of(text);
    if (!str_starts(math->rest, wanted)) {
        return false;
    }
    math->rest = str_slice(math->rest, wanted.len, math->rest.len);
    return true;
}

static bool is_word(u8 c)
{
    u8 lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static str word(struct cw_math *math)
{
    isize end = 0;
    while (end < math->rest.len && is_word(math->rest.data[end])) {
        end++;
    }
    str found = str_slice(math->rest, 0, end);
    math->rest = str_slice(math->rest, end, math->rest.len);
    return found;
}

static bool accept_word(struct cw_math *math, const char *text)
{
    str before = math->rest;
    (void)peek(math);
    if (str_eq_nocase(word(math), str_of(text))) {
        return true;
    }
    math->rest = before;
    return false;
}

static bool number(struct cw_math *math, struct cw_value *out)
{
    isize end = 0;
    str rest = math->rest;
    while (end < rest.len && (rest.data[end] == '.' || (u8)(rest.data[end] - '0') < 10 ||
                              ((rest.data[end] | 0x20) == 'e' && end > 0) ||
                              ((rest.data[end] == '-' || rest.data[end] == '+') && end > 0 &&
                               (rest.data[end - 1] | 0x20) == 'e'))) {
        end++;
    }
    *out = (struct cw_value){.kind = CW_SCALAR};
    if (str_to_f64(str_slice(rest, 0, end), &out->scalar) != OK) {
        return cw__math_fail(math, "\"" STR_FMT "\" is no number",
                             STR_ARG(str_slice(rest, 0, MIN(end, (isize)40))));
    }
    math->rest = str_slice(rest, end, rest.len);
    return true;
}

static bool quoted(struct cw_math *math, u8 quote, struct cw_value *out)
{
    isize end = str_find_byte(math->rest, quote, 1);
    if (end < 0) {
        return cw__math_fail(math, "a text has no end");
    }
    *out = (struct cw_value){.kind = CW_TEXT, .text = str_slice(math->rest, 1, end)};
    math->rest = str_slice(math->rest, end + 1, math->rest.len);
    return true;
}

/* --- grammar ------------------------------------------------------------------------------- */

/* What stands between brackets, up to `end`. */
static bool arguments_read(struct cw_math *math, const char *end, struct cw_value *out, int *count)
/* NOLINT(misc-no-recursion): bounded by CW_MATH_DEPTH_MAX */
{
    *count = 0;
    if (accept(math, end)) {
        return true;
    }
    do {
        if (*count == CW_ARGUMENTS_MAX) {
            return cw__math_fail(math, "more than %d arguments", CW_ARGUMENTS_MAX);
        }
        if (!expression(math, &out[(*count)++])) {
            return false;
        }
    } while (accept(math, ","));
    return accept(math, end) || cw__math_fail(math, "expected \"%s\" before \"" STR_FMT "\"", end,
                                              STR_ARG(str_slice(math->rest, 0, 20)));
}

static bool array(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    struct cw_value *items = ARENA_ARRAY(math->call->arena, struct cw_value, CW_ARGUMENTS_MAX);
    int count;
    if (!arguments_read(math, "]", items, &count)) {
        return false;
    }
    isize lines = 0;
    for (int i = 0; i < count; i++) {
        if (items[i].kind != CW_LINE && items[i].kind != CW_LINES) {
            return cw__math_fail(math, "an array holds time series only");
        }
        lines += items[i].count;
    }
    *out = (struct cw_value){
        .kind = CW_LINES,
        .lines = ARENA_ARRAY(math->call->arena, struct cw_line, MAX(lines, (isize)1))};
    for (int i = 0; i < count; i++) {
        for (isize k = 0; k < items[i].count; k++) {
            out->lines[out->count++] = items[i].lines[k];
        }
    }
    return true;
}

static bool reference(struct cw_math *math, str id, struct cw_value *out)
/* NOLINT(misc-no-recursion) */
{
    for (isize i = 0; i < math->query_count; i++) {
        struct cw_query *query = &math->queries[i];
        if (!str_eq(query->id, id)) {
            continue;
        }
        const struct cw_query *current = math->current;
        str rest = math->rest;
        bool is_ok = cw__query_run(math, query);
        math->current = current;
        math->rest = rest;
        *out = query->value;
        return is_ok;
    }
    return cw__math_fail(math, "there is no query with the Id \"" STR_FMT "\"", STR_ARG(id));
}

static bool name(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    str id = word(math);
    if (!accept(math, "(")) {
        if (id.data[0] >= 'A' && id.data[0] <= 'Z') { /* No Id begins so: a word of FILL or SORT. */
            *out = (struct cw_value){.kind = CW_TEXT, .text = id};
            return true;
        }
        return reference(math, id, out);
    }
    struct cw_value *arguments = ARENA_ARRAY(math->call->arena, struct cw_value, CW_ARGUMENTS_MAX);
    int count;
    return arguments_read(math, ")", arguments, &count) &&
           cw__function_call(math, id, arguments, count, out);
}

static bool primary(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    u8 c = peek(math);
    if ((u8)(c - '0') < 10 || c == '.') {
        return number(math, out);
    }
    if (c == '"' || c == '\'') {
        return quoted(math, c, out);
    }
    if (is_word(c)) {
        return name(math, out);
    }
    if (accept(math, "[")) {
        return array(math, out);
    }
    if (accept(math, "(")) {
        return expression(math, out) &&
               (accept(math, ")") || cw__math_fail(math, "a bracket is not closed"));
    }
    return cw__math_fail(math, "unexpected \"" STR_FMT "\"", STR_ARG(str_slice(math->rest, 0, 20)));
}

static bool unary(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    if (++math->depth > CW_MATH_DEPTH_MAX) {
        return cw__math_fail(math, "it is nested deeper than %d", CW_MATH_DEPTH_MAX);
    }
    struct cw_value minus_one = {.kind = CW_SCALAR, .scalar = -1}, a, b;
    bool is_ok;
    if (accept(math, "-")) {
        is_ok = unary(math, &a) && cw__operate(math, '*', &minus_one, &a, out);
    } else {
        is_ok = primary(math, out);
        if (is_ok && accept(math, "^")) {
            a = *out;
            is_ok = unary(math, &b) && cw__operate(math, '^', &a, &b, out);
        }
    }
    math->depth--;
    return is_ok;
}

static bool product(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    if (!unary(math, out)) {
        return false;
    }
    for (;;) {
        char op = accept(math, "*") ? '*' : accept(math, "/") ? '/' : '\0';
        struct cw_value a = *out, b;
        if (op == '\0') {
            return true;
        }
        if (!unary(math, &b) || !cw__operate(math, op, &a, &b, out)) {
            return false;
        }
    }
}

static bool sum(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    if (!product(math, out)) {
        return false;
    }
    for (;;) {
        char op = accept(math, "+") ? '+' : accept(math, "-") ? '-' : '\0';
        struct cw_value a = *out, b;
        if (op == '\0') {
            return true;
        }
        if (!product(math, &b) || !cw__operate(math, op, &a, &b, out)) {
            return false;
        }
    }
}

static char comparison_op(struct cw_math *math)
{
    static const struct {
        const char *text;
        char op;
    } ops[] = {{"<=", 'l'}, {">=", 'g'}, {"==", '='}, {"!=", '!'}, {"<", '<'}, {">", '>'}};
    for (int i = 0; i < COUNT_OF(ops); i++) {
        if (accept(math, ops[i].text)) {
            return ops[i].op;
        }
    }
    return '\0';
}

static bool comparison(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    if (!sum(math, out)) {
        return false;
    }
    char op = comparison_op(math);
    struct cw_value a = *out, b;
    return op == '\0' || (sum(math, &b) && cw__operate(math, op, &a, &b, out));
}

static bool expression(struct cw_math *math, struct cw_value *out) /* NOLINT(misc-no-recursion) */
{
    if (!comparison(math, out)) {
        return false;
    }
    for (;;) {
        char op = '\0';
        if (accept(math, "&&") || accept_word(math, "AND")) {
            op = '&';
        } else if (accept(math, "||") || accept_word(math, "OR")) {
            op = '|';
        }
        struct cw_value a = *out, b;
        if (op == '\0') {
            return true;
        }
        if (!comparison(math, &b) || !cw__operate(math, op, &a, &b, out)) {
            return false;
        }
    }
}

/* --- queries ------------------------------------------------------------------------------- */

static bool expression_run(struct cw_math *math, struct cw_query *query)
/* NOLINT(misc-no-recursion) */
{
    math->rest = query->expression;
    math->current = query;
    str head = str_trim(query->expression);
    if (str_starts_nocase(head, STR("SELECT "))) {
        return cw__math_fail(math, "Metrics Insights queries (SELECT) are not supported by leat");
    }
    if (!expression(math, &query->value)) {
        return false;
    }
    if (peek(math) != 0) {
        return cw__math_fail(math, "unexpected \"" STR_FMT "\"",
                             STR_ARG(str_slice(math->rest, 0, 20)));
    }
    return true;
}

bool cw__query_run(struct cw_math *math, struct cw_query *query) /* NOLINT(misc-no-recursion) */
{
    math->current = query;
    if (query->state == CW_QUERY_DONE) {
        return true;
    }
    if (query->state == CW_QUERY_UNDER_WAY) {
        return cw__math_fail(math, "it refers to itself");
    }
    query->state = CW_QUERY_UNDER_WAY;
    bool is_ok;
    if (query->expression.len > 0) {
        if (++math->depth > CW_MATH_DEPTH_MAX) {
            return cw__math_fail(math, "it is nested deeper than %d", CW_MATH_DEPTH_MAX);
        }
        is_ok = expression_run(math, query);
        math->depth--;
    } else {
        query->value = (struct cw_value){
            .kind = CW_LINE, .lines = ARENA_NEW(math->call->arena, struct cw_line), .count = 1};
        is_ok = cw__line_read(math, query, query->value.lines);
    }
    query->state = CW_QUERY_DONE;
    return is_ok && !math->call->has_failed;
}
