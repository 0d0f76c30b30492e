/* connect/cloudwatch/cw_columns.c: which columns are metrics, and which are dimensions. */
#include "connect/cloudwatch/cw_int.h"

static err column_find(const struct cw *cw, str name, const char *option, isize *out,
                       struct diag *diag)
{
    str names[64];
    isize count = 0;
    for (isize i = 0; i < cw->schema.count; i++) {
        if (str_eq(cw->schema.fields[i].name, name)) {
            *out = i;
            return OK;
        }
        names[count] = cw->schema.fields[i].name;
        count += count < COUNT_OF(names) - 1;
    }
    (void)diag_set(diag, ERR_NOT_FOUND, "CON060",
                   "'%s' names a column that the table lacks: " STR_FMT, option, STR_ARG(name));
    str near = diag_nearest(name, names, count);
    if (near.len > 0) {
        diag_hint(diag, "did you mean '" STR_FMT "'?", STR_ARG(near));
    }
    return ERR_NOT_FOUND;
}

static err number_find(const struct cw *cw, str name, const char *option, isize *out,
                       struct diag *diag)
{
    TRY(column_find(cw, name, option, out, diag));
    if (!type_is_numeric(cw->schema.fields[*out].type)) {
        return diag_set(diag, ERR_TYPE, "CON061",
                        "'%s' needs a number, and column " STR_FMT " is none", option,
                        STR_ARG(name));
    }
    return OK;
}

static err metric_room(const struct cw *cw, struct diag *diag)
{
    return cw->metric_count < CW_METRICS_MAX
               ? OK
               : diag_set(diag, ERR_LIMIT, "CON062", "a table has at most %d metrics",
                          CW_METRICS_MAX);
}

/* "a;b" */
static err metrics_read(struct cw *cw, str text, struct diag *diag)
{
    while (text.len > 0) {
        TRY(metric_room(cw, diag));
        struct cw_metric *metric = &cw->metrics[cw->metric_count++];
        metric->name = str_trim(str_split(&text, ';', NULL));
        TRY(number_find(cw, metric->name, "metric-columns", &metric->columns[0], diag));
    }
    return OK;
}

/* "distance:n,total,least,most;..." */
static err statistics_read(struct cw *cw, str text, struct diag *diag)
{
    while (text.len > 0) {
        TRY(metric_room(cw, diag));
        struct cw_metric *metric = &cw->metrics[cw->metric_count++];
        str item = str_split(&text, ';', NULL);
        metric->name = str_trim(str_split(&item, ':', NULL));
        metric->is_set = true;
        for (isize i = 0; i < 4; i++) {
            str column = str_trim(str_split(&item, ',', NULL));
            TRY(number_find(cw, column, "statistic-sets", &metric->columns[i], diag));
        }
        if (item.len > 0 || metric->name.len == 0) {
            (void)diag_set(diag, ERR_INVALID, "CON063",
                           "Invalid value for option 'statistic-sets'");
            diag_hint(diag, "'distance:n,total,least,most' names the columns of count, sum, "
                            "minimum and maximum");
            return ERR_INVALID;
        }
    }
    return OK;
}

/* "severity;city;severity,city"; an empty item is the set without dimensions. */
static err sets_read(struct cw *cw, str text, struct diag *diag)
{
    bool has_more = true;
    while (has_more) {
        str item = str_split(&text, ';', &has_more);
        if (cw->set_count == CW_SETS_MAX) {
            return diag_set(diag, ERR_LIMIT, "CON064", "'dimension-sets' has at most %d sets",
                            CW_SETS_MAX);
        }
        struct cw_set *set = &cw->sets[cw->set_count++];
        while (str_trim(item).len > 0) {
            if (set->count == CW_DIMENSIONS_MAX) {
                return diag_set(diag, ERR_LIMIT, "CON065",
                                "a set of 'dimension-sets' has at most %d dimensions",
                                CW_DIMENSIONS_MAX);
            }
            str name = str_trim(str_split(&item, ',', NULL));
            TRY(column_find(cw, name, "dimension-sets", &set->columns[set->count++], diag));
        }
    }
    return OK;
}

static bool is_used(const struct cw *cw, isize column)
{
    for (isize s = 0; s < cw->set_count; s++) {
        for (isize i = 0; i < cw->sets[s].count; i++) {
            if (cw->sets[s].columns[i] == column) {
                return true;
            }
        }
    }
    return column == cw->time_column;
}

/* Every number that is no dimension. */
static err metrics_guess(struct cw *cw, struct diag *diag)
{
    for (isize i = 0; i < cw->schema.count; i++) {
        if (!type_is_numeric(cw->schema.fields[i].type) || is_used(cw, i)) {
            continue;
        }
        TRY(metric_room(cw, diag));
        cw->metrics[cw->metric_count++] =
            (struct cw_metric){.name = cw->schema.fields[i].name, .columns = {i}};
    }
    if (cw->metric_count == 0) {
        return diag_set(diag, ERR_INVALID, "CON066",
                        "no column is a metric: 'metric-columns' or 'statistic-sets' names them");
    }
    return OK;
}

err cw_columns_read(struct cw *cw, const struct connect_table *table, struct diag *diag)
{
    str time = connect_get(table, "timestamp-column", STR_EMPTY);
    cw->time_column = -1;
    if (time.len > 0) {
        TRY(column_find(cw, time, "timestamp-column", &cw->time_column, diag));
        if (!type_is_timestamp(cw->schema.fields[cw->time_column].type)) {
            return diag_set(diag, ERR_TYPE, "CON067",
                            "'timestamp-column' needs a TIMESTAMP, and column " STR_FMT " is none",
                            STR_ARG(time));
        }
    }
    TRY(sets_read(cw, connect_get(table, "dimension-sets", STR_EMPTY), diag));
    str metrics = connect_get(table, "metric-columns", STR_EMPTY);
    str statistics = connect_get(table, "statistic-sets", STR_EMPTY);
    TRY(metrics_read(cw, metrics, diag));
    TRY(statistics_read(cw, statistics, diag));
    if (cw->metric_count == 0) {
        TRY(metrics_guess(cw, diag));
    }
    if (cw->metric_count * cw->set_count > CW_DATA_MAX) {
        return diag_set(diag, ERR_LIMIT, "CON068", "a row makes at most %d data, not %td",
                        CW_DATA_MAX, cw->metric_count * cw->set_count);
    }
    return OK;
}
