/* func/time_field.c: EXTRACT, YEAR ... SECOND, FLOOR and CEIL of times; FLOOR and CEIL of numbers.
 */
#include "func/time_unit.h"

#include "base/cal.h"

#include <math.h>

static struct func_instant local_at(struct func_ctx *ctx, const struct vec *vec, isize row)
{
    struct func_instant instant = func__instant_at(vec, row);
    return vec->type->kind == TYPE_TIMESTAMP_LTZ ? func__zone_to_local(func__ctx_zone(ctx), instant)
                                                 : instant;
}

/* ISO: weeks begin on Monday, the first has the year's first Thursday. */
static i64 iso_year(i64 days, i64 *week_out)
{
    i64 thursday = days - func__floor_mod(days + 3, 7) + 3;
    i64 year = 0;
    i32 month = 0, day = 0;
    cal_civil_from_days(thursday, &year, &month, &day);
    *week_out = (thursday - cal_days_from_civil(year, 1, 1)) / 7 + 1;
    return year;
}

static i64 date_field(enum func_unit unit, i64 days)
{
    i64 year = 0, week = 0;
    i32 month = 0, day = 0;
    cal_civil_from_days(days, &year, &month, &day);
    switch ((int)unit) {
    case UNIT_YEAR:
        return year;
    case UNIT_QUARTER:
        return (month + 2) / 3;
    case UNIT_MONTH:
        return month;
    case UNIT_DAY:
        return day;
    case UNIT_DECADE:
        return func__floor_div(year, 10);
    case UNIT_CENTURY:
        return year > 0 ? (year + 99) / 100 : year / 100 - 1;
    case UNIT_MILLENNIUM:
        return year > 0 ? (year + 999) / 1000 : year / 1000 - 1;
    case UNIT_DOW:
        return func__floor_mod(days + 4, 7) + 1;
    case UNIT_ISODOW:
        return func__floor_mod(days + 3, 7) + 1;
    case UNIT_DOY:
        return days - cal_days_from_civil(year, 1, 1) + 1;
    case UNIT_ISOYEAR:
        return iso_year(days, &week);
    default:
        IGNORE(iso_year(days, &week) == 0); /* For its week. */
        return week;
    }
}

static i64 clock_field(enum func_unit unit, struct func_instant local)
{
    i64 second = func__floor_mod(local.seconds, DAY_S);
    switch ((int)unit) {
    case UNIT_HOUR:
        return second / 3600;
    case UNIT_MINUTE:
        return second / 60 % 60;
    case UNIT_SECOND:
        return second % 60;
    case UNIT_MILLISECOND:
        return local.nanos / 1000000;
    case UNIT_MICROSECOND:
        return local.nanos / 1000;
    default:
        return local.nanos;
    }
}

static i64 interval_field(enum func_unit unit, const struct vec *vec, isize row)
{
    i64 value = func__int_at(vec, row);
    if (vec->type->kind == TYPE_INTERVAL_YM) {
        return unit == UNIT_YEAR      ? value / 12
               : unit == UNIT_QUARTER ? value % 12 / 3 + 1
                                      : value % 12;
    }
    switch ((int)unit) {
    case UNIT_DAY:
        return value / DAY_MS;
    case UNIT_HOUR:
        return value / 3600000 % 24;
    case UNIT_MINUTE:
        return value / 60000 % 60;
    case UNIT_SECOND:
        return value / 1000 % 60;
    case UNIT_EPOCH:
        return value / 1000;
    default:
        return value % 1000;
    }
}

KERNEL(extract)
{
    KERNEL_UNUSED();
    enum func_unit unit = *(const enum func_unit *)data;
    const struct vec *from = &args[arg_count - 1];
    bool is_interval = from->type->kind >= TYPE_INTERVAL_YM;
    bool is_clock = unit <= UNIT_HOUR;
    FOR_SEL(sel, row)
    {
        if (is_interval) {
            VEC(i64, out)[row] = interval_field(unit, from, row);
        } else if (unit == UNIT_EPOCH) {
            VEC(i64, out)[row] = func__instant_at(from, row).seconds;
        } else {
            struct func_instant local = local_at(ctx, from, row);
            VEC(i64, out)
            [row] = is_clock ? clock_field(unit, local)
                             : date_field(unit, func__floor_div(local.seconds, DAY_S));
        }
    }
}

static bool has_unit(const struct type *type, enum func_unit unit)
{
    bool is_clock = unit <= UNIT_HOUR;
    switch ((int)type->kind) {
    case TYPE_DATE:
        return !is_clock;
    case TYPE_TIME:
        return is_clock;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return true;
    case TYPE_INTERVAL_YM:
        return unit == UNIT_YEAR || unit == UNIT_MONTH || unit == UNIT_QUARTER;
    case TYPE_INTERVAL_DS:
        return (is_clock && unit >= UNIT_MILLISECOND) || unit == UNIT_DAY || unit == UNIT_EPOCH;
    default:
        return false;
    }
}

static err bind_unit(struct func_binding *b, str name, isize arg)
{
    enum func_unit *unit = ARENA_NEW(b->arena, enum func_unit);
    *unit = func__unit(name);
    if (b->out->arg_types[arg]->kind == TYPE_NULL) {
        b->out->arg_types[arg] = type_of(TYPE_TIMESTAMP);
    }
    if (*unit == UNIT_NONE || !has_unit(b->out->arg_types[arg], *unit)) {
        return func__bind_error(b);
    }
    if (b->out->arg_types[arg]->kind == TYPE_TIMESTAMP_LTZ) {
        b->out->flags |= FUNC_TIME; /* The zone is a setting. */
    }
    b->out->data = unit;
    return OK;
}

static err bind_extract(struct func_binding *b)
{
    return bind_unit(b, func__literal(b, 0), 1);
}
static err bind_field(struct func_binding *b)
{
    return bind_unit(b, str_of(b->def->name), 0);
}

/* --- FLOOR and CEIL of times ------------------------------------------------------------------ */

static i64 floor_days(enum func_unit unit, i64 days)
{
    i64 year = 0;
    i32 month = 0, day = 0;
    cal_civil_from_days(days, &year, &month, &day);
    switch ((int)unit) {
    case UNIT_WEEK:
        return days - func__floor_mod(days + 4, 7); /* Sunday, as Flink. */
    case UNIT_MONTH:
        return cal_days_from_civil(year, month, 1);
    case UNIT_QUARTER:
        return cal_days_from_civil(year, (month - 1) / 3 * 3 + 1, 1);
    case UNIT_YEAR:
        return cal_days_from_civil(year, 1, 1);
    case UNIT_DECADE:
        return cal_days_from_civil(func__floor_div(year, 10) * 10, 1, 1);
    case UNIT_CENTURY:
        return cal_days_from_civil(func__floor_div(year - 1, 100) * 100 + 1, 1, 1);
    case UNIT_MILLENNIUM:
        return cal_days_from_civil(func__floor_div(year - 1, 1000) * 1000 + 1, 1, 1);
    default:
        return days;
    }
}

static i64 next_days(enum func_unit unit, i64 floor)
{
    static const i64 months[UNIT_COUNT] = {
        [UNIT_MONTH] = 1,    [UNIT_QUARTER] = 3,    [UNIT_YEAR] = 12,
        [UNIT_DECADE] = 120, [UNIT_CENTURY] = 1200, [UNIT_MILLENNIUM] = 12000};
    if (months[unit] > 0) {
        return func__add_months(floor, months[unit]);
    }
    return floor + (unit == UNIT_WEEK ? 7 : 1);
}

struct round_plan {
    enum func_unit unit;
    bool is_ceil;
};

static struct func_instant round_instant(const struct round_plan *plan, struct func_instant t)
{
    i64 step = func__unit_seconds(plan->unit);
    struct func_instant floor = {0, 0};
    if (plan->unit == UNIT_MILLISECOND) {
        floor = (struct func_instant){t.seconds, t.nanos / 1000000 * 1000000};
    } else if (step > 0 && step < DAY_S) {
        floor.seconds = func__floor_div(t.seconds, step) * step;
    } else {
        floor.seconds = floor_days(plan->unit, func__floor_div(t.seconds, DAY_S)) * DAY_S;
    }
    bool is_exact = floor.seconds == t.seconds && floor.nanos == t.nanos;
    if (!plan->is_ceil || is_exact) {
        return floor;
    }
    if (plan->unit == UNIT_MILLISECOND) {
        return func__add_ms(floor, 1);
    }
    if (step > 0 && step < DAY_S) {
        floor.seconds += step;
    } else {
        floor.seconds = next_days(plan->unit, floor.seconds / DAY_S) * DAY_S;
    }
    return floor;
}

KERNEL(round_time)
{
    KERNEL_UNUSED();
    const struct round_plan *plan = data;
    FOR_SEL(sel, row)
    {
        struct func_instant t = round_instant(plan, local_at(ctx, &args[0], row));
        if (out->type->kind == TYPE_DATE) {
            VEC(i32, out)[row] = (i32)func__floor_div(t.seconds, DAY_S);
        } else if (out->type->kind == TYPE_TIME) {
            VEC(i32, out)[row] = (i32)(t.seconds * 1000 + t.nanos / 1000000);
        } else {
            bool is_ltz = out->type->kind == TYPE_TIMESTAMP_LTZ;
            func__put_instant(out, row, is_ltz ? func__zone_to_utc(func__ctx_zone(ctx), t) : t);
        }
    }
}

static err bind_round_time(struct func_binding *b, bool is_ceil)
{
    struct round_plan *plan = ARENA_NEW(b->arena, struct round_plan);
    plan->is_ceil = is_ceil;
    TRY(bind_unit(b, func__literal(b, 1), 0));
    plan->unit = *(const enum func_unit *)b->out->data;
    if (plan->unit > UNIT_MILLENNIUM || plan->unit < UNIT_MILLISECOND) {
        return func__bind_error(b);
    }
    struct type *plain = ARENA_NEW(b->arena, struct type);
    *plain = *b->out->arg_types[0];
    plain->time_attribute = TYPE_TIME_NONE;
    func__set_result(b, plain);
    b->out->data = plan;
    b->out->kernel = round_time;
    return OK;
}

/* --- FLOOR and CEIL of numbers ---------------------------------------------------------------- */

KERNEL(round_number)
{
    KERNEL_UNUSED();
    bool is_ceil = ((const struct round_plan *)data)->is_ceil;
    i128 one = args[0].type->kind == TYPE_DECIMAL ? func__pow10(args[0].type->scale) : 1;
    FOR_SEL(sel, row)
    {
        if (out->type->kind == TYPE_DOUBLE) {
            double x = ARG(double, &args[0], row);
            VEC(double, out)[row] = is_ceil ? ceil(x) : floor(x);
        } else if (out->type->kind == TYPE_FLOAT) {
            float x = ARG(float, &args[0], row);
            VEC(float, out)[row] = is_ceil ? ceilf(x) : floorf(x);
        } else if (out->type->kind == TYPE_DECIMAL) {
            i128 x = func__dec_at(&args[0], row), q = x / one, rest = x % one;
            q += is_ceil ? rest > 0 : -(rest < 0);
            func__put_dec(ctx, out, row, q);
        } else {
            func__put_int(out, row, func__int_at(&args[0], row));
        }
    }
}

static err bind_round(struct func_binding *b)
{
    bool is_ceil = str_starts(str_of(b->def->name), STR("CEIL"));
    if (b->count == 2) {
        return bind_round_time(b, is_ceil);
    }
    struct round_plan *plan = ARENA_NEW(b->arena, struct round_plan);
    plan->is_ceil = is_ceil;
    const struct type *type = b->out->arg_types[0];
    func__set_result(b, type->kind == TYPE_DECIMAL ? type_decimal(b->arena, type->precision, 0)
                                                   : type);
    b->out->data = plan;
    b->out->kernel = round_number;
    return OK;
}

#define FIELD(name)                                                                 \
    {                                                                               \
        name, NULL, "time", name "(point)", "a>L", FUNC_STRICT, extract, bind_field \
    }

const struct func_def func__time_fields[] = {
    {"EXTRACT", NULL, "time", "EXTRACT(unit FROM point)", "sa>L", FUNC_STRICT, extract,
     bind_extract},
    FIELD("YEAR"),
    FIELD("QUARTER"),
    FIELD("MONTH"),
    FIELD("WEEK"),
    FIELD("DAYOFYEAR"),
    FIELD("DAYOFMONTH"),
    FIELD("DAYOFWEEK"),
    FIELD("HOUR"),
    FIELD("MINUTE"),
    FIELD("SECOND"),
    {"FLOOR", NULL, "arithmetic", "FLOOR(number), FLOOR(point TO unit)", "n>?;as>?", FUNC_STRICT,
     NULL, bind_round},
    {"CEIL", "CEILING", "arithmetic", "CEIL(number), CEIL(point TO unit)", "n>?;as>?", FUNC_STRICT,
     NULL, bind_round},
    {0},
};
