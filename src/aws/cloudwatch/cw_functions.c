/* aws/cloudwatch/cw_functions.c: operators and functions of metric math. */
#include "aws/cloudwatch/cw_math.h"

#include <math.h>
#include <stdlib.h>

static bool is_series(const struct cw_value *value)
{
    return value->kind == CW_LINE || value->kind == CW_LINES;
}

static struct cw_value scalar_of(double number)
{
    return (struct cw_value){.kind = CW_SCALAR, .scalar = number};
}

static struct cw_value lines_like(struct cw_math *math, const struct cw_value *like)
{
    return (struct cw_value){
        .kind = like->kind,
        .lines = ARENA_ARRAY(math->call->arena, struct cw_line, MAX(like->count, (isize)1)),
        .count = like->count};
}

/* --- operators ----------------------------------------------------------------------------- */

static double compute(char op, double a, double b)
{
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    case '/':
        return b == 0 ? (double)NAN : a / b;
    case '^':
        return pow(a, b);
    case '<':
        return a < b;
    case '>':
        return a > b;
    case 'l':
        return a <= b;
    case 'g':
        return a >= b;
    case '=':
        return a == b;
    case '!':
        return a != b;
    case '&':
        return a != 0 && b != 0;
    default:
        return a != 0 || b != 0;
    }
}

/* Line with scalar: `is_left` when the line stands left of the operator. */
static struct cw_line with_scalar(struct cw_math *math, char op, const struct cw_line *line,
                                  double scalar, bool is_left)
{
    struct cw_line out = cw__line_new(math, line, line->count);
    for (isize i = 0; i < line->count; i++) {
        double v = line->values[i];
        cw__line_push(&out, line->times[i],
                      is_left ? compute(op, v, scalar) : compute(op, scalar, v));
    }
    return out;
}

/* Where both have a point. */
static bool with_line(struct cw_math *math, char op, const struct cw_line *a,
                      const struct cw_line *b, struct cw_line *out)
{
    if (a->period_s != b->period_s) {
        return cw__math_fail(math, "its series have different periods, %d s and %d s", a->period_s,
                             b->period_s);
    }
    *out = cw__line_new(math, a, MIN(a->count, b->count));
    isize j = 0;
    for (isize i = 0; i < a->count; i++) {
        while (j < b->count && b->times[j] < a->times[i]) {
            j++;
        }
        if (j < b->count && b->times[j] == a->times[i]) {
            cw__line_push(out, a->times[i], compute(op, a->values[i], b->values[j]));
        }
    }
    return true;
}

bool cw__operate(struct cw_math *math, char op, const struct cw_value *a, const struct cw_value *b,
                 struct cw_value *out)
{
    if (a->kind == CW_TEXT || b->kind == CW_TEXT) {
        return cw__math_fail(math, "texts cannot be computed with");
    }
    if (a->kind == CW_SCALAR && b->kind == CW_SCALAR) {
        *out = scalar_of(compute(op, a->scalar, b->scalar));
        return true;
    }
    if (a->kind == CW_LINES && b->kind == CW_LINES) {
        return cw__math_fail(math, "two arrays cannot be combined");
    }
    bool a_leads =
        a->kind == CW_LINES || b->kind == CW_SCALAR || (a->kind == CW_LINE && b->kind == CW_LINE);
    const struct cw_value *lead = a_leads ? a : b, *other = a_leads ? b : a;
    *out = lines_like(math, lead);
    for (isize i = 0; i < lead->count; i++) {
        const struct cw_line *line = &lead->lines[i];
        if (other->kind == CW_SCALAR) {
            out->lines[i] = with_scalar(math, op, line, other->scalar, a_leads);
        } else if (!with_line(math, op, a_leads ? line : other->lines,
                              a_leads ? other->lines : line, &out->lines[i])) {
            return false;
        } else {
            out->lines[i].label = line->label;
        }
    }
    return true;
}

/* --- reductions ---------------------------------------------------------------------------- */

struct moments {
    double count, sum, squares, min, max;
};

static void moments_add(struct moments *m, double v)
{
    m->min = m->count == 0 ? v : fmin(m->min, v);
    m->max = m->count == 0 ? v : fmax(m->max, v);
    m->count++;
    m->sum += v;
    m->squares += v * v;
}

/* S: sum, A: average, I: minimum, X: maximum, D: deviation, C: count. */
static double moments_value(const struct moments *m, char what)
{
    double mean = m->sum / m->count;
    switch (what) {
    case 'S':
        return m->sum;
    case 'A':
        return mean;
    case 'I':
        return m->min;
    case 'X':
        return m->max;
    case 'C':
        return m->count;
    default:
        return sqrt(fmax(0, m->squares / m->count - mean * mean));
    }
}

static void reduce_one(const struct cw_line *line, char what, struct cw_value *out)
{
    struct moments m = {0};
    for (isize i = 0; i < line->count; i++) {
        moments_add(&m, line->values[i]);
    }
    *out = scalar_of(m.count == 0 ? (double)NAN : moments_value(&m, what));
}

/* The earliest time at or after each cursor. */
static i64 next_time(const struct cw_value *lines, const isize *cursors)
{
    i64 time = INT64_MAX;
    for (isize i = 0; i < lines->count; i++) {
        const struct cw_line *line = &lines->lines[i];
        if (cursors[i] < line->count) {
            time = MIN(time, line->times[cursors[i]]);
        }
    }
    return time;
}

/* At each time, over the series that have a point then. */
static bool reduce_many(struct cw_math *math, const struct cw_value *lines, char what,
                        struct cw_value *out)
{
    isize capacity = 0;
    for (isize i = 0; i < lines->count; i++) {
        capacity += lines->lines[i].count;
        if (lines->lines[i].period_s != lines->lines[0].period_s) {
            return cw__math_fail(math, "its series have different periods, %d s and %d s",
                                 lines->lines[0].period_s, lines->lines[i].period_s);
        }
    }
    struct cw_line none = {.period_s = 60};
    isize *cursors = ARENA_ARRAY(math->call->arena, isize, MAX(lines->count, (isize)1));
    *out = (struct cw_value){
        .kind = CW_LINE, .lines = ARENA_NEW(math->call->arena, struct cw_line), .count = 1};
    *out->lines = cw__line_new(math, lines->count > 0 ? lines->lines : &none, capacity);
    out->lines->label = math->current->id;
    for (i64 time = next_time(lines, cursors); time != INT64_MAX;
         time = next_time(lines, cursors)) {
        struct moments m = {0};
        for (isize i = 0; i < lines->count; i++) {
            const struct cw_line *line = &lines->lines[i];
            if (cursors[i] < line->count && line->times[cursors[i]] == time) {
                moments_add(&m, line->values[cursors[i]++]);
            }
        }
        cw__line_push(out->lines, time, moments_value(&m, what));
    }
    return true;
}

static bool reduce(struct cw_math *math, struct cw_value *arguments, char what,
                   struct cw_value *out)
{
    if (arguments[0].kind == CW_LINES) {
        return reduce_many(math, &arguments[0], what, out);
    }
    if (arguments[0].kind != CW_LINE) {
        return cw__math_fail(math, "SUM, AVG, MIN, MAX and STDDEV take time series");
    }
    reduce_one(arguments[0].lines, what, out);
    return true;
}

/* --- functions of each line ---------------------------------------------------------------- */

/* R: rate, D: difference, U: running sum, and of single values: A: abs, C: ceil, F: floor, L: log,
 * T: log10. */
static double step(char what, const struct cw_line *line, isize i, double so_far)
{
    double v = line->values[i];
    switch (what) {
    case 'R':
        return i == 0 ? (double)NAN
                      : (v - line->values[i - 1]) / (double)(line->times[i] - line->times[i - 1]);
    case 'D':
        return i == 0 ? (double)NAN : v - line->values[i - 1];
    case 'U':
        return so_far + v;
    case 'A':
        return fabs(v);
    case 'C':
        return ceil(v);
    case 'F':
        return floor(v);
    case 'L':
        return log(v);
    default:
        return log10(v);
    }
}

static bool each(struct cw_math *math, struct cw_value *arguments, char what, struct cw_value *out)
{
    struct cw_value *in = &arguments[0];
    if (in->kind == CW_SCALAR && what >= 'A' && strchr("ACFLT", what) != NULL) {
        struct cw_line one = {.values = &in->scalar, .count = 1};
        *out = scalar_of(step(what, &one, 0, 0));
        return true;
    }
    if (!is_series(in)) {
        return cw__math_fail(math, "the function takes time series");
    }
    *out = lines_like(math, in);
    for (isize k = 0; k < in->count; k++) {
        const struct cw_line *line = &in->lines[k];
        out->lines[k] = cw__line_new(math, line, line->count);
        double so_far = 0;
        for (isize i = 0; i < line->count; i++) {
            so_far = what == 'U' ? step(what, line, i, so_far) : 0;
            cw__line_push(&out->lines[k], line->times[i],
                          what == 'U' ? so_far : step(what, line, i, 0));
        }
    }
    return true;
}

/* --- FILL ---------------------------------------------------------------------------------- */

enum fill { FILL_VALUE, FILL_REPEAT, FILL_LINEAR };

static double fill_value(const struct cw_line *line, isize next, i64 time, enum fill how,
                         double value)
{
    bool has_before = next > 0, has_after = next < line->count;
    if (how == FILL_VALUE) {
        return value;
    }
    if (how == FILL_REPEAT) {
        return has_before ? line->values[next - 1] : (double)NAN;
    }
    if (!has_before || !has_after) {
        return (double)NAN;
    }
    double t0 = (double)line->times[next - 1], t1 = (double)line->times[next];
    double v0 = line->values[next - 1], v1 = line->values[next];
    return v0 + (v1 - v0) * ((double)time - t0) / (t1 - t0);
}

static bool fill_line(struct cw_math *math, const struct cw_line *line, enum fill how, double value,
                      struct cw_line *out)
{
    i64 first = math->from_s - math->from_s % line->period_s;
    isize slots = (isize)((math->to_s - first + line->period_s - 1) / line->period_s);
    *out = cw__line_new(math, line, slots);
    if (out->capacity < slots) {
        return false;
    }
    isize next = 0;
    for (i64 time = first; time < math->to_s; time += line->period_s) {
        if (next < line->count && line->times[next] == time) {
            cw__line_push(out, time, line->values[next++]);
        } else {
            cw__line_push(out, time, fill_value(line, next, time, how, value));
        }
    }
    return true;
}

static bool fill(struct cw_math *math, struct cw_value *arguments, struct cw_value *out)
{
    enum fill how = FILL_VALUE;
    if (!is_series(&arguments[0])) {
        return cw__math_fail(math, "FILL takes time series");
    }
    str word = arguments[1].text;
    if (arguments[1].kind == CW_TEXT && str_eq(word, STR("REPEAT"))) {
        how = FILL_REPEAT;
    } else if (arguments[1].kind == CW_TEXT && str_eq(word, STR("LINEAR"))) {
        how = FILL_LINEAR;
    } else if (arguments[1].kind != CW_SCALAR) {
        return cw__math_fail(math, "FILL takes a number, REPEAT or LINEAR");
    }
    *out = lines_like(math, &arguments[0]);
    for (isize i = 0; i < out->count; i++) {
        if (!fill_line(math, &arguments[0].lines[i], how, arguments[1].scalar, &out->lines[i])) {
            return false;
        }
    }
    return true;
}

/* --- choosing among series ----------------------------------------------------------------- */

/* SLICE(array, from[, to]), FIRST(array), LAST(array); from `from` up to before `to`. */
static bool slice(struct cw_math *math, struct cw_value *arguments, int count, char what,
                  struct cw_value *out)
{
    struct cw_value *in = &arguments[0];
    bool has_numbers = (count < 2 || arguments[1].kind == CW_SCALAR) &&
                       (count < 3 || arguments[2].kind == CW_SCALAR);
    if (!is_series(in) || !has_numbers) {
        return cw__math_fail(math, "SLICE, FIRST and LAST take an array, SLICE whole numbers too");
    }
    double last = (double)in->count;
    double from = what == 'l' ? last - 1 : count > 1 ? arguments[1].scalar : 0;
    double to = what == 'n' ? 1 : count > 2 ? arguments[2].scalar : last;
    isize first = (isize)fmax(0, fmin(from, last)), end = (isize)fmax(0, fmin(to, last));
    *out = (struct cw_value){
        .kind = CW_LINES, .lines = in->lines + first, .count = MAX(end - first, (isize)0)};
    return true;
}

struct sorted {
    struct cw_line line;
    double key;
};

static int by_key(const void *a, const void *b)
{
    double one = ((const struct sorted *)a)->key, other = ((const struct sorted *)b)->key;
    return one < other ? -1 : one > other;
}

/* SORT(array, AVG | MIN | MAX | SUM, ASC | DESC[, number]); series without points come last. */
static bool sort(struct cw_math *math, struct cw_value *arguments, int count, struct cw_value *out)
{
    static const char *const names[] = {"SUM", "AVG", "MIN", "MAX"};
    static const char kinds[] = {'S', 'A', 'I', 'X'};
    struct cw_value *in = &arguments[0];
    bool is_down = str_eq(arguments[2].text, STR("DESC"));
    char what = 0;
    for (int i = 0; i < COUNT_OF(names); i++) {
        what = str_eq(arguments[1].text, str_of(names[i])) ? kinds[i] : what;
    }
    if (!is_series(in) || what == 0 || (!is_down && !str_eq(arguments[2].text, STR("ASC"))) ||
        (count > 3 && arguments[3].kind != CW_SCALAR)) {
        return cw__math_fail(math,
                             "SORT takes an array, one of SUM, AVG, MIN and MAX, ASC or DESC, "
                             "and a number");
    }
    struct sorted *items = ARENA_ARRAY(math->call->arena, struct sorted, MAX(in->count, (isize)1));
    for (isize i = 0; i < in->count; i++) {
        struct cw_value key;
        reduce_one(&in->lines[i], what, &key);
        bool is_empty = in->lines[i].count == 0;
        items[i] = (struct sorted){in->lines[i], is_down ? -key.scalar : key.scalar};
        items[i].key = is_empty ? (double)INFINITY : items[i].key;
    }
    qsort(items, (size_t)in->count, sizeof *items, by_key);
    double limit = count > 3 ? fmax(0, arguments[3].scalar) : (double)in->count;
    *out = lines_like(math, in);
    out->kind = CW_LINES;
    out->count = (isize)fmin(limit, (double)in->count);
    for (isize i = 0; i < out->count; i++) {
        out->lines[i] = items[i].line;
    }
    return true;
}

/* --- the others ---------------------------------------------------------------------------- */

static bool metrics(struct cw_math *math, const struct cw_value *arguments, int count,
                    struct cw_value *out)
{
    str part = count > 0 ? arguments[0].text : STR_EMPTY;
    *out = (struct cw_value){.kind = CW_LINES,
                             .lines =
                                 ARENA_ARRAY(math->call->arena, struct cw_line, math->query_count)};
    const struct cw_query *current = math->current;
    str rest = math->rest;
    for (isize i = 0; i < math->query_count; i++) {
        struct cw_query *query = &math->queries[i];
        bool is_meant = query->expression.len == 0 && str_find(query->id, part, 0) >= 0;
        if (!is_meant) {
            continue;
        }
        if (!cw__query_run(math, query)) {
            return false;
        }
        out->lines[out->count++] = *query->value.lines;
    }
    math->current = current;
    math->rest = rest;
    return true;
}

static bool condition(struct cw_math *math, struct cw_value *arguments, struct cw_value *out)
{
    struct cw_value *c = &arguments[0], *yes = &arguments[1], *no = &arguments[2];
    if (c->kind == CW_SCALAR) {
        *out = c->scalar != 0 ? *yes : *no;
        return true;
    }
    if (c->kind != CW_LINE || yes->kind == CW_LINES || no->kind == CW_LINES ||
        yes->kind == CW_TEXT || no->kind == CW_TEXT) {
        return cw__math_fail(math, "IF takes a condition and two numbers or single series");
    }
    *out = lines_like(math, c);
    out->lines[0] = cw__line_new(math, c->lines, c->lines->count);
    for (isize i = 0; i < c->lines->count; i++) {
        const struct cw_value *from = c->lines->values[i] != 0 ? yes : no;
        double value = from->kind == CW_SCALAR ? from->scalar : (double)NAN;
        for (isize k = 0; from->kind == CW_LINE && k < from->lines->count; k++) {
            value = from->lines->times[k] == c->lines->times[i] ? from->lines->values[k] : value;
        }
        cw__line_push(out->lines, c->lines->times[i], value);
    }
    return true;
}

static bool time_series(struct cw_math *math, const struct cw_value *in, struct cw_value *out)
{
    if (in->kind != CW_SCALAR) {
        return cw__math_fail(math, "TIME_SERIES takes a number");
    }
    i32 period_s = 0;
    for (isize i = 0; i < math->query_count; i++) {
        i32 other = math->queries[i].expression.len == 0 ? math->queries[i].period_s : 0;
        period_s = other > 0 && (period_s == 0 || other < period_s) ? other : period_s;
    }
    struct cw_line like = {.label = math->current->id, .period_s = period_s > 0 ? period_s : 60};
    *out = (struct cw_value){
        .kind = CW_LINE, .lines = ARENA_NEW(math->call->arena, struct cw_line), .count = 1};
    return fill_line(math, &like, FILL_VALUE, in->scalar, out->lines);
}

/* Drops the series without points, as Grafana asks around each of its searches. */
static bool remove_empty(struct cw_math *math, const struct cw_value *in, struct cw_value *out)
{
    if (!is_series(in)) {
        return cw__math_fail(math, "REMOVE_EMPTY takes time series");
    }
    *out = (struct cw_value){
        .kind = CW_LINES,
        .lines = ARENA_ARRAY(math->call->arena, struct cw_line, MAX(in->count, 1)),
    };
    for (isize i = 0; i < in->count; i++) {
        if (in->lines[i].count > 0) {
            out->lines[out->count++] = in->lines[i];
        }
    }
    return true;
}

static bool various(struct cw_math *math, char what, struct cw_value *arguments, int count,
                    struct cw_value *out)
{
    switch (what) {
    case 'f':
        return fill(math, arguments, out);
    case 'm':
        return metrics(math, arguments, count, out);
    case 'i':
        return condition(math, arguments, out);
    case 's':
        return cw__search(math, arguments, count, out);
    case 'e':
        return remove_empty(math, &arguments[0], out);
    case 'o':
        return sort(math, arguments, count, out);
    case 'c':
    case 'n':
    case 'l':
        return slice(math, arguments, count, what, out);
    case 't':
        return time_series(math, &arguments[0], out);
    case 'p':
        if (arguments[0].kind != CW_LINE) {
            return cw__math_fail(math, "PERIOD takes one time series");
        }
        *out = scalar_of(arguments[0].lines->period_s);
        return true;
    default:
        if (!is_series(&arguments[0])) {
            return cw__math_fail(math, "METRIC_COUNT takes time series");
        }
        *out = scalar_of((double)arguments[0].count);
        return true;
    }
}

bool cw__function_call(struct cw_math *math, str name, struct cw_value *arguments, int count,
                       struct cw_value *out)
{
    static const struct {
        const char *name;
        int least, most;
        char kind; /* r: reduce, e: each, v: various. */
        char what;
    } functions[] = {
        {"SUM", 1, 1, 'r', 'S'},          {"AVG", 1, 1, 'r', 'A'},
        {"MIN", 1, 1, 'r', 'I'},          {"MAX", 1, 1, 'r', 'X'},
        {"STDDEV", 1, 1, 'r', 'D'},       {"DATAPOINT_COUNT", 1, 1, 'r', 'C'},
        {"ABS", 1, 1, 'e', 'A'},          {"CEIL", 1, 1, 'e', 'C'},
        {"FLOOR", 1, 1, 'e', 'F'},        {"LOG", 1, 1, 'e', 'L'},
        {"LOG10", 1, 1, 'e', 'T'},        {"RATE", 1, 1, 'e', 'R'},
        {"DIFF", 1, 1, 'e', 'D'},         {"RUNNING_SUM", 1, 1, 'e', 'U'},
        {"FILL", 2, 2, 'v', 'f'},         {"METRICS", 0, 1, 'v', 'm'},
        {"IF", 3, 3, 'v', 'i'},           {"SEARCH", 2, 3, 'v', 's'},
        {"TIME_SERIES", 1, 1, 'v', 't'},  {"PERIOD", 1, 1, 'v', 'p'},
        {"METRIC_COUNT", 1, 1, 'v', 'C'}, {"REMOVE_EMPTY", 1, 1, 'v', 'e'},
        {"SORT", 3, 4, 'v', 'o'},         {"SLICE", 2, 3, 'v', 'c'},
        {"FIRST", 1, 1, 'v', 'n'},        {"LAST", 1, 1, 'v', 'l'},

    };
    for (int i = 0; i < COUNT_OF(functions); i++) {
        if (!str_eq_nocase(name, str_of(functions[i].name))) {
            continue;
        }
        if (count < functions[i].least || count > functions[i].most) {
            return cw__math_fail(math, "%s takes %d to %d arguments, not %d", functions[i].name,
                                 functions[i].least, functions[i].most, count);
        }
        char what = functions[i].what;
        if (functions[i].kind == 'r') {
            return reduce(math, arguments, what, out);
        }
        return functions[i].kind == 'e' ? each(math, arguments, what, out)
                                        : various(math, what, arguments, count, out);
    }
    return cw__math_fail(math, "the function " STR_FMT " is not supported by leat",
                         STR_ARG(str_slice(name, 0, 60)));
}
