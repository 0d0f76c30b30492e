/*
 * aws/cloudwatch/cw_search.c: SEARCH('{Namespace,Dimension} Term="value" word',
 * 'Statistic', Period): every series that matches, as an array of time series.
 * Terms beside each other must all hold; AND, OR, NOT and brackets as on AWS.
 */
#include "aws/cloudwatch/cw_math.h"

#include <stdio.h>

struct search {
    struct cw_math *math;
    str rest;
    const struct cw_series_name *name; /* The series that is tried. */
    int depth;
    bool has_failed;
};

static bool either(struct search *s);

static u8 peek(struct search *s)
{
    while (s->rest.len > 0 && s->rest.data[0] <= ' ') {
        s->rest = str_slice(s->rest, 1, s->rest.len);
    }
    return s->rest.len > 0 ? s->rest.data[0] : 0;
}

/* A quoted text or a word up to a blank, bracket or '='. */
static str term(struct search *s)
{
    u8 c = peek(s);
    if (c == '"' || c == '\'') {
        isize end = str_find_byte(s->rest, c, 1);
        if (end < 0) {
            s->has_failed = true;
            end = s->rest.len;
        }
        str text = str_slice(s->rest, 1, end);
        s->rest = str_slice(s->rest, end + 1, s->rest.len);
        return text;
    }
    isize end = 0;
    while (end < s->rest.len && s->rest.data[end] > ' ' && s->rest.data[end] != '=' &&
           s->rest.data[end] != '(' && s->rest.data[end] != ')' && s->rest.data[end] != ',' &&
           s->rest.data[end] != '}') {
        end++;
    }
    str text = str_slice(s->rest, 0, end);
    s->rest = str_slice(s->rest, end, s->rest.len);
    return text;
}

static u8 lower(u8 c)
{
    return c >= 'A' && c <= 'Z' ? (u8)(c + 32) : c;
}

static bool contains(str text, str part)
{
    for (isize i = 0; i + part.len <= text.len; i++) {
        isize k = 0;
        while (k < part.len && lower(text.data[i + k]) == lower(part.data[k])) {
            k++;
        }
        if (k == part.len) {
            return true;
        }
    }
    return false;
}

static bool holds(str text, str wanted, bool is_exact)
{
    return is_exact ? str_eq(text, wanted) : contains(text, wanted);
}

/* Property="value" of the series. */
static bool property_holds(const struct cw_series_name *name, str property, str wanted,
                           bool is_exact)
{
    if (str_eq_nocase(property, STR("MetricName"))) {
        return holds(name->metric, wanted, is_exact);
    }
    if (str_eq_nocase(property, STR("Namespace"))) {
        return holds(name->namespace, wanted, is_exact);
    }
    for (isize i = 0; i < name->dimension_count; i++) {
        if (str_eq(name->dimensions[i].name, property)) {
            return holds(name->dimensions[i].value, wanted, is_exact);
        }
    }
    return false;
}

/* A word alone may stand anywhere. */
static bool anywhere(const struct cw_series_name *name, str wanted, bool is_exact)
{
    bool found = holds(name->metric, wanted, is_exact) || holds(name->namespace, wanted, is_exact);
    for (isize i = 0; i < name->dimension_count && !found; i++) {
        found = holds(name->dimensions[i].name, wanted, is_exact) ||
                holds(name->dimensions[i].value, wanted, is_exact);
    }
    return found;
}

static bool one(struct search *s) /* NOLINT(misc-no-recursion): bounded by depth */
{
    u8 c = peek(s);
    if (++s->depth > CW_MATH_DEPTH_MAX || c == 0 || c == ')') {
        s->has_failed = true;
        return false;
    }
    bool result;
    if (c == '(') {
        s->rest = str_slice(s->rest, 1, s->rest.len);
        result = either(s);
        s->has_failed = s->has_failed || peek(s) != ')';
        s->rest = str_slice(s->rest, 1, s->rest.len);
    } else {
        bool is_exact = c == '"' || c == '\'';
        str text = term(s);
        if (!is_exact && str_eq(text, STR("NOT"))) {
            result = !one(s);
        } else if (peek(s) == '=') {
            s->rest = str_slice(s->rest, 1, s->rest.len);
            c = peek(s);
            str value = term(s);
            result = property_holds(s->name, text, value, c == '"' || c == '\'');
        } else {
            s->has_failed = s->has_failed || text.len == 0;
            result = anywhere(s->name, text, is_exact);
        }
    }
    s->depth--;
    return result;
}

static bool accept_word(struct search *s, const char *word)
{
    (void)peek(s); /* Skips blanks. */
    str wanted = str_of(word), before = s->rest;
    if (str_starts(s->rest, wanted)) {
        s->rest = str_slice(s->rest, wanted.len, s->rest.len);
        u8 c = s->rest.len > 0 ? s->rest.data[0] : ' ';
        if (c <= ' ' || c == '(') {
            return true;
        }
    }
    s->rest = before;
    return false;
}

static bool both(struct search *s) /* NOLINT(misc-no-recursion) */
{
    bool result = one(s);
    while (!s->has_failed && peek(s) != 0 && peek(s) != ')') {
        str before = s->rest;
        if (accept_word(s, "OR")) {
            s->rest = before;
            break;
        }
        (void)accept_word(s, "AND"); /* May be left out. */
        result = one(s) && result;
    }
    return result;
}

static bool either(struct search *s) /* NOLINT(misc-no-recursion) */
{
    bool result = both(s);
    while (!s->has_failed && accept_word(s, "OR")) {
        result = both(s) || result;
    }
    return result;
}

/* --- the schema ---------------------------------------------------------------------------- */

/* "{Namespace, Dimension, ...}" in front: exactly these dimensions. */
static bool schema_read(struct search *s, struct cw_filter *filter)
{
    if (peek(s) != '{') {
        return true;
    }
    struct cw_dimension *names =
        ARENA_ARRAY(s->math->call->arena, struct cw_dimension, CW_DIMENSIONS_MAX);
    s->rest = str_slice(s->rest, 1, s->rest.len);
    filter->namespace = term(s);
    filter->dimensions = names;
    filter->is_exact = true;
    while (peek(s) == ',' && filter->dimension_count < CW_DIMENSIONS_MAX) {
        s->rest = str_slice(s->rest, 1, s->rest.len);
        (void)peek(s);
        str name = term(s);
        s->has_failed = s->has_failed || name.len == 0;
        names[filter->dimension_count++].name = name;
    }
    bool is_closed = peek(s) == '}' && !s->has_failed && filter->namespace.len > 0;
    s->rest = str_slice(s->rest, 1, s->rest.len);
    return is_closed;
}

/* --- the function -------------------------------------------------------------------------- */

static str label_make(struct cw_math *math, const struct cw_series_name *name)
{
    str label = name->metric;
    for (isize i = 0; i < name->dimension_count; i++) {
        label = arena_printf(math->call->arena, STR_FMT " " STR_FMT, STR_ARG(label),
                             STR_ARG(name->dimensions[i].value));
    }
    return label;
}

static bool arguments_check(struct cw_math *math, const struct cw_value *arguments, int count,
                            struct cw_query *what)
{
    if (arguments[0].kind != CW_TEXT || arguments[1].kind != CW_TEXT ||
        !cw__stat_parse(arguments[1].text, &what->stat)) {
        return cw__math_fail(math, "SEARCH takes a text, a statistic as text, and a period");
    }
    if (count == 3 && (arguments[2].kind != CW_SCALAR || arguments[2].scalar < 1 ||
                       arguments[2].scalar > 86400 * 365)) {
        return cw__math_fail(math, "the period of SEARCH is a number of seconds");
    }
    what->period_s = count == 3 ? (i32)arguments[2].scalar : 300;
    what->unit = -1;
    return true;
}

bool cw__search(struct cw_math *math, const struct cw_value *arguments, int count,
                struct cw_value *out)
{
    struct cw_query what = {.has_label = true};
    if (!arguments_check(math, arguments, count, &what)) {
        return false;
    }
    struct search s = {.math = math, .rest = arguments[0].text};
    struct cw_filter filter = {
        .account = math->call->request->caller.account,
        .region = math->call->request->caller.region,
        .max = CW_SERIES_MAX,
        .active_since_s = math->from_s - 60,
    };
    if (!schema_read(&s, &filter)) {
        return cw__math_fail(math, "the schema of SEARCH is {Namespace, Dimension, ...}");
    }
    str terms = s.rest;
    const struct cw_series_name none = {0};
    s.name = &none;
    IGNORE(peek(&s) != 0 && either(&s)); /* Read once, so that an error does not need a series. */
    if (s.has_failed || peek(&s) != 0) {
        return cw__math_fail(math, "the terms of SEARCH cannot be read: \"" STR_FMT "\"",
                             STR_ARG(str_slice(terms, 0, 200)));
    }
    struct cw_series *series;
    isize found;
    err e = cw_store_list(math->store, &filter, math->call->arena, &series, &found);
    if (e != OK) {
        query_fail_err(math->call, e);
        return false;
    }
    *out = (struct cw_value){
        .kind = CW_LINES,
        .lines = ARENA_ARRAY(math->call->arena, struct cw_line, CW_SEARCH_SERIES_MAX)};
    for (isize i = 0; i < found; i++) {
        s.rest = terms;
        s.name = &series[i].name;
        bool is_match = peek(&s) == 0 || either(&s);
        if (!is_match) {
            continue;
        }
        if (out->count == CW_SEARCH_SERIES_MAX) {
            return cw__math_fail(math, "SEARCH finds more than %d series", CW_SEARCH_SERIES_MAX);
        }
        what.series = series[i].name;
        what.label = label_make(math, &series[i].name);
        struct cw_line *line = &out->lines[out->count];
        if (!cw__line_read(math, &what, line)) {
            return false;
        }
        struct cw_query *from = ARENA_NEW(math->call->arena, struct cw_query);
        *from = what;
        line->from = from;
        out->count += out->lines[out->count].count > 0;
    }
    return true;
}
