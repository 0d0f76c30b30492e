/* aws/cloudwatch/cw_stat.c: statistics of a point, by AWS's names. */
#include "aws/cloudwatch/cloudwatch_int.h"

#include <math.h>

static const char *const plain_names[] = {"SampleCount", "Average", "Sum", "Minimum", "Maximum"};

/* --- names --------------------------------------------------------------------------------- */

/* "10%", "10" or "" of a range. */
static bool bound_parse(str text, double otherwise, bool is_percent, double *out)
{
    *out = otherwise;
    if (text.len == 0) {
        return true;
    }
    bool has_sign = text.data[text.len - 1] == '%';
    text = has_sign ? str_slice(text, 0, text.len - 1) : text;
    return has_sign == is_percent && str_to_f64(text, out) == OK && isfinite(*out) &&
           (!is_percent || (*out >= 0 && *out <= 100));
}

/* "(10%:90%)", "(:500)". */
static bool range_parse(str text, struct cw_stat *out)
{
    if (text.len < 3 || text.data[0] != '(' || text.data[text.len - 1] != ')') {
        return false;
    }
    bool has_colon;
    str high = str_slice(text, 1, text.len - 1);
    bool is_percent = str_find_byte(high, '%', 0) >= 0;
    str low = str_split(&high, ':', &has_colon);
    out->is_absolute = !is_percent;
    return has_colon && (low.len > 0 || high.len > 0) &&
           bound_parse(low, is_percent ? 0 : -(double)INFINITY, is_percent, &out->low) &&
           bound_parse(high, is_percent ? 100 : (double)INFINITY, is_percent, &out->high) &&
           out->low <= out->high;
}

static bool number_parse(str text, double *out)
{
    for (isize i = 0; i < text.len; i++) {
        if (text.data[i] != '.' && (u8)(text.data[i] - '0') > 9) {
            return false;
        }
    }
    return text.len > 0 && str_to_f64(text, out) == OK && *out >= 0 && *out <= 100;
}

static bool extended_parse(str name, struct cw_stat *out)
{
    static const struct {
        const char *prefix;
        enum cw_stat_kind kind;
    } forms[] = {
        {"tm", CW_TRIMMED_MEAN}, {"wm", CW_WINSORIZED_MEAN}, {"tc", CW_TRIMMED_COUNT},
        {"ts", CW_TRIMMED_SUM},  {"pr", CW_PERCENTILE_RANK},
    };
    out->high = 100;
    if (str_eq_nocase(name, STR("iqm"))) {
        out->kind = CW_TRIMMED_MEAN;
        out->low = 25;
        out->high = 75;
        return true;
    }
    for (int i = 0; i < COUNT_OF(forms); i++) {
        if (str_starts_nocase(name, str_of(forms[i].prefix))) {
            str rest = str_slice(name, 2, name.len);
            out->kind = forms[i].kind;
            bool is_rank = out->kind == CW_PERCENTILE_RANK;
            return range_parse(rest, out) ? !is_rank || out->is_absolute
                                          : !is_rank && number_parse(rest, &out->high);
        }
    }
    out->kind = CW_PERCENTILE;
    return str_starts(name, STR("p")) && number_parse(str_slice(name, 1, name.len), &out->high);
}

bool cw__stat_parse(str name, struct cw_stat *out)
{
    *out = (struct cw_stat){.name = name};
    for (int i = 0; i < COUNT_OF(plain_names); i++) {
        if (str_eq(name, str_of(plain_names[i]))) {
            out->kind = (enum cw_stat_kind)i;
            return true;
        }
    }
    return extended_parse(name, out);
}

const char *cw__stat_plain_name(const struct cw_stat *stat)
{
    return stat->kind <= CW_MAXIMUM ? plain_names[stat->kind] : NULL;
}

/* --- values -------------------------------------------------------------------------------- */

/* The values of a point; one pair when all are the same. */
struct values {
    const struct cw_pair *pairs;
    i32 count;
    struct cw_pair single;
};

static void values_of(const struct cw_point *point, struct values *out)
{
    out->single = (struct cw_pair){point->value.min, point->value.count};
    out->pairs = point->pair_count > 0 ? point->pairs : &out->single;
    out->count = MAX(point->pair_count, 1);
}

static double clamp(const struct cw_point *point, double value)
{
    return fmax(point->value.min, fmin(point->value.max, value));
}

static double percentile(const struct cw_point *point, double percent)
{
    struct values values;
    values_of(point, &values);
    double total = 0, seen = 0;
    for (i32 i = 0; i < values.count; i++) {
        total += values.pairs[i].count;
    }
    if (percent <= 0) {
        return point->value.min;
    }
    for (i32 i = 0; i < values.count; i++) {
        seen += values.pairs[i].count;
        if (seen >= percent / 100 * total) {
            return clamp(point, values.pairs[i].value);
        }
    }
    return point->value.max;
}

/* What lies within the bounds of a trimming statistic. */
struct trimmed {
    double count, sum, total;
    double below, above; /* Weights that were cut off. */
    double low, high;    /* First and last value that is within. */
};

static double within(const struct cw_stat *stat, const struct cw_pair *pair, double seen,
                     double total)
{
    if (stat->is_absolute) {
        return pair->value > stat->low && pair->value <= stat->high ? pair->count : 0;
    }
    double low = fmax(seen, stat->low / 100 * total);
    double high = fmin(seen + pair->count, stat->high / 100 * total);
    return fmax(0, high - low);
}

static void trim(const struct cw_stat *stat, const struct cw_point *point, struct trimmed *out)
{
    struct values values;
    values_of(point, &values);
    *out = (struct trimmed){0};
    for (i32 i = 0; i < values.count; i++) {
        out->total += values.pairs[i].count;
    }
    double seen = 0;
    for (i32 i = 0; i < values.count; i++) {
        double value = clamp(point, values.pairs[i].value);
        double weight = within(stat, &values.pairs[i], seen, out->total);
        seen += values.pairs[i].count;
        if (weight > 0) {
            out->low = out->count == 0 ? value : out->low;
            out->high = value;
            out->count += weight;
            out->sum += weight * value;
            out->above = 0;
        }
        double cut = values.pairs[i].count - weight;
        *(out->count == 0 ? &out->below : &out->above) += cut;
    }
    if (!stat->is_absolute) {
        out->below = stat->low / 100 * out->total;
        out->above = out->total - stat->high / 100 * out->total;
    }
}

static bool trimmed_value(const struct cw_stat *stat, const struct cw_point *point, double *out)
{
    struct trimmed t;
    trim(stat, point, &t);
    if (stat->kind == CW_TRIMMED_COUNT) {
        *out = t.count;
        return true;
    }
    if (stat->kind == CW_PERCENTILE_RANK) {
        *out = 100 * t.count / t.total;
        return true;
    }
    if (t.count == 0) {
        return false;
    }
    if (stat->kind == CW_TRIMMED_SUM) {
        *out = t.sum;
    } else if (stat->kind == CW_TRIMMED_MEAN) {
        *out = t.sum / t.count;
    } else {
        *out = (t.sum + t.below * t.low + t.above * t.high) / t.total;
    }
    return true;
}

bool cw__stat_value(const struct cw_stat *stat, const struct cw_point *point, double *out)
{
    const struct cw_statistics *v = &point->value;
    switch (stat->kind) {
    case CW_SAMPLE_COUNT:
        *out = v->count;
        return true;
    case CW_AVERAGE:
        *out = v->sum / v->count;
        return true;
    case CW_SUM:
        *out = v->sum;
        return true;
    case CW_MINIMUM:
        *out = v->min;
        return true;
    case CW_MAXIMUM:
        *out = v->max;
        return true;
    case CW_PERCENTILE:
        *out = point->is_opaque ? 0 : percentile(point, stat->high);
        return !point->is_opaque;
    case CW_TRIMMED_MEAN:
    case CW_WINSORIZED_MEAN:
    case CW_TRIMMED_COUNT:
    case CW_TRIMMED_SUM:
    case CW_PERCENTILE_RANK:
        return !point->is_opaque && trimmed_value(stat, point, out);
    }
    return false;
}
