/* aws/cloudwatch/cw_math.h: metric math of GetMetricData: values, and who computes them. */
#ifndef AWS_CLOUDWATCH_MATH_H
#define AWS_CLOUDWATCH_MATH_H

#include "aws/cloudwatch/cloudwatch_int.h"

enum {
    CW_MATH_POINTS_MAX = 2000000, /* Of all series of one call, results on the way included. */
    CW_MATH_DEPTH_MAX = 40,
    CW_SEARCH_SERIES_MAX = 500,
    CW_ARGUMENTS_MAX = 100,
};

/* One time series: times ascending, in the call's arena. */
struct cw_query;
struct cw_line {
    const struct cw_query *from; /* What was read, for ${PROP(...)}; NULL for what was computed. */
    str label;
    i64 *times;
    double *values;
    isize count, capacity;
    i32 period_s;
};

enum cw_value_kind { CW_SCALAR, CW_LINE, CW_LINES, CW_TEXT };
struct cw_value {
    enum cw_value_kind kind;
    double scalar;
    struct cw_line *lines; /* One for CW_LINE. */
    isize count;
    str text;
};

/* One MetricDataQuery. */
struct cw_query {
    str id, label, expression;
    bool has_label, is_returned;
    struct cw_series_name series;
    struct cw_stat stat;
    i32 period_s;
    int unit; /* -1 = any. */
    enum { CW_QUERY_NEW, CW_QUERY_UNDER_WAY, CW_QUERY_DONE } state;
    struct cw_value value;
};

struct cw_math {
    struct query_call *call;
    struct cw_store *store;
    struct cw_query *queries;
    isize query_count;
    i64 from_s, to_s;
    isize points; /* So far. */
    int depth;
    const struct cw_query *current; /* For messages. */
    str rest;                       /* Of the expression under way. */
};

/* Computes a query once. False: the call has failed. */
bool cw__query_run(struct cw_math *math, struct cw_query *query);
/* Reads one series. */
bool cw__line_read(struct cw_math *math, const struct cw_query *what, struct cw_line *out);

/* "Error in expression 'e1': ..." as a ValidationError; returns false. */
bool cw__math_fail(struct cw_math *math, const char *format, ...) PRINTF(2, 3);
/* With room for `capacity` points; over CW_MATH_POINTS_MAX the call has failed, and the line takes
 * none. */
struct cw_line cw__line_new(struct cw_math *math, const struct cw_line *like, isize capacity);
void cw__line_push(struct cw_line *line, i64 time_s, double value);

/* --- functions (cw_functions.c) ------------------------------------------------------------ */

bool cw__function_call(struct cw_math *math, str name, struct cw_value *arguments, int count,
                       struct cw_value *out);
/* a op b for one character of + - * / ^ < > l(<=) g(>=) =(==) !(!=) & |. */
bool cw__operate(struct cw_math *math, char op, const struct cw_value *a, const struct cw_value *b,
                 struct cw_value *out);

/* --- SEARCH (cw_search.c) ------------------------------------------------------------------ */

bool cw__search(struct cw_math *math, const struct cw_value *arguments, int count,
                struct cw_value *out);

#endif
