/* aws/cloudwatch/cloudwatch_int.h: shared by the operations of CloudWatch. */
#ifndef AWS_CLOUDWATCH_INT_H
#define AWS_CLOUDWATCH_INT_H

#include "aws/cloudwatch/cloudwatch.h"
#include "aws/cloudwatch/cw_store.h"
#include "aws/common/query.h"
#include "os/thread.h"

enum {
    CW_DATA_MAX = 1000,  /* Of one PutMetricData. */
    CW_VALUES_MAX = 150, /* Of one datum. */
    CW_NAME_MAX = 255,
    CW_DIMENSION_VALUE_MAX = 1024,
    CW_STATISTICS_POINTS_MAX = 1440,
    CW_LIST_MAX = 500,
    CW_QUERIES_MAX = 500,
    CW_DATA_POINTS_MAX = 100800,
};

struct cloudwatch {
    struct os *os;
    char dir[1024];
    struct os_mutex lock;        /* Guards the opening of the store. */
    struct cw_store *store;      /* NULL until the first use; then it stays. */
    u64 data;                    /* Taken; atomic. */
    struct aws_metrics *metrics; /* Of other services. */
};

/* --- input (cloudwatch.c) ------------------------------------------------------------------ */

/* Opens the store at the first use. */
MUST_USE err cw__store_open(struct cloudwatch *cloudwatch, struct cw_store **out,
                            struct diag *diag);
/* The same for a call. False when it cannot be: the call has failed. */
bool cw__store(struct query_call *call, struct cw_store **out);
/* For a call that reads: what other services have measured until now is in it. */
bool cw__store_read(struct query_call *call, struct cw_store **out);
/* aws_metrics.put (cw_services.c). */
MUST_USE err cw__put_services(void *cloudwatch, const struct aws_metric *metrics, isize count);

/* Text member `name` of `object`, 1 to `max` bytes; `prefix` names the object in messages ("" or
 * "MetricData.member.3."). Required ones that are absent fail with MissingParameter. All readers
 * return false when the call has failed. */
struct cw_text_rule {
    const char *prefix;
    isize max;
    bool is_required;
};
bool cw__text(struct query_call *call, const struct json_value *object, const char *name,
              const struct cw_text_rule *rule, str *out);
/* Required time and positive integer. */
bool cw__time(struct query_call *call, const struct json_value *object, const char *name, i64 *out);
bool cw__period(struct query_call *call, const struct json_value *value, const char *path,
                i32 *out);
/* `filter`: values may be absent. At most `max`. */
struct cw_dimensions_rule {
    const char *prefix;
    isize max;
    bool is_filter;
};
bool cw__dimensions(struct query_call *call, const struct json_value *list,
                    const struct cw_dimensions_rule *rule, struct cw_dimension **out,
                    isize *count_out);
/* Index of a unit's name, -1 when there is none such; and back. 0 is "None". */
int cw__unit_parse(str name);
const char *cw__unit_name(int unit);
/* Fails the call as AWS words it: "The value %s for parameter %s is invalid." */
void cw__fail_value(struct query_call *call, const char *path, str value);

/* --- statistics (cw_stat.c) ----------------------------------------------------------------- */

enum cw_stat_kind {
    CW_SAMPLE_COUNT,
    CW_AVERAGE,
    CW_SUM,
    CW_MINIMUM,
    CW_MAXIMUM,
    CW_PERCENTILE,      /* p99.9 */
    CW_TRIMMED_MEAN,    /* tm90, TM(10%:90%), TM(:500), IQM */
    CW_WINSORIZED_MEAN, /* wm98 */
    CW_TRIMMED_COUNT,   /* tc90 */
    CW_TRIMMED_SUM,     /* ts90 */
    CW_PERCENTILE_RANK, /* PR(100:2000) */
};
struct cw_stat {
    enum cw_stat_kind kind;
    str name;         /* As given. */
    double low, high; /* Percent, or values when is_absolute. */
    bool is_absolute;
};
/* False when there is no such statistic. */
bool cw__stat_parse(str name, struct cw_stat *out);
/* Of the five of Statistics; NULL for the extended ones. */
const char *cw__stat_plain_name(const struct cw_stat *stat);
/* False when the point does not have it: extended ones need the values behind a point. */
bool cw__stat_value(const struct cw_stat *stat, const struct cw_point *point, double *out);

/* Namespace, MetricName and Dimensions, as members. */
void cw__put_metric_name(struct query_call *call, const struct cw_series_name *name);

/* --- operations ---------------------------------------------------------------------------- */

void cw__put_metric_data(struct query_call *call);
void cw__get_metric_statistics(struct query_call *call);
void cw__get_metric_data(struct query_call *call);
void cw__list_metrics(struct query_call *call);
void cw__handle_series(struct http_exchange *x, void *service);

#endif
