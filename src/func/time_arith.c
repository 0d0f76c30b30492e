/* func/time_arith.c: dates, timestamps and intervals under + - * /, TIMESTAMPADD, TIMESTAMPDIFF. */
#include "func/time_unit.h"

#include "base/cal.h"

enum func_unit func__unit(str name)
{
    static const char *const names[UNIT_COUNT] = {
        [UNIT_NONE] = "",
        [UNIT_NANOSECOND] = "NANOSECOND",
        [UNIT_MICROSECOND] = "MICROSECOND",
        [UNIT_MILLISECOND] = "MILLISECOND",
        [UNIT_SECOND] = "SECOND",
        [UNIT_MINUTE] = "MINUTE",
        [UNIT_HOUR] = "HOUR",
        [UNIT_DAY] = "DAY",
        [UNIT_WEEK] = "WEEK",
        [UNIT_MONTH] = "MONTH",
        [UNIT_QUARTER] = "QUARTER",
        [UNIT_YEAR] = "YEAR",
        [UNIT_DECADE] = "DECADE",
        [UNIT_CENTURY] = "CENTURY",
        [UNIT_MILLENNIUM] = "MILLENNIUM",
        [UNIT_DOW] = "DOW",
        [UNIT_ISODOW] = "ISODOW",
        [UNIT_DOY] = "DOY",
        [UNIT_ISOYEAR] = "ISOYEAR",
        [UNIT_EPOCH] = "EPOCH",
    };
    static const struct {
        const char *name;
        enum func_unit unit;
    } others[] = {{"DAYOFYEAR", UNIT_DOY},
                  {"DAYOFMONTH", UNIT_DAY},
                  {"DAYOFWEEK", UNIT_DOW},
                  {"SQL_TSI_DAY", UNIT_DAY},
                  {"SQL_TSI_HOUR", UNIT_HOUR}};
    str singular = name.len > 4 && (name.data[name.len - 1] | 32) == 's'
                       ? str_slice(name, 0, name.len - 1)
                       : name;
    for (int u = 1; u < UNIT_COUNT; u++) {
        if (str_eq_nocase(str_of(names[u]), name) || str_eq_nocase(str_of(names[u]), singular)) {
            return (enum func_unit)u;
        }
    }
    for (isize i = 0; i < COUNT_OF(others); i++) {
        if (str_eq_nocase(str_of(others[i].name), name)) {
            return others[i].unit;
        }
    }
    return UNIT_NONE;
}

i64 func__unit_seconds(enum func_unit unit)
{
    static const i64 seconds[UNIT_COUNT] = {[UNIT_SECOND] = 1,
                                            [UNIT_MINUTE] = 60,
                                            [UNIT_HOUR] = 3600,
                                            [UNIT_DAY] = DAY_S,
                                            [UNIT_WEEK] = 7 * DAY_S};
    return seconds[unit];
}

i64 func__add_months(i64 days, i64 months)
{
    i64 year = 0;
    i32 month = 0, day = 0;
    cal_civil_from_days(days, &year, &month, &day);
    i64 total = year * 12 + (month - 1) + months;
    year = func__floor_div(total, 12);
    month = (i32)func__floor_mod(total, 12) + 1;
    return cal_days_from_civil(year, month, MIN(day, cal_month_days(year, month)));
}

struct func_instant func__add_ms(struct func_instant instant, i64 ms)
{
    i64 seconds = func__floor_div(ms, 1000);
    i64 nanos = instant.nanos + (ms - seconds * 1000) * 1000000;
    i64 carry = nanos >= 1000000000;
    return (struct func_instant){(i64)((u64)instant.seconds + (u64)seconds + (u64)carry),
                                 (i32)(nanos - carry * 1000000000)};
}

/* --- operators -------------------------------------------------------------------------------- */

enum shape { POINT_MONTHS, POINT_MS, INTERVAL_SUM, INTERVAL_TIMES, INTERVAL_BY };
struct time_op {
    enum shape shape;
    i32 sign;
    isize left, right; /* Which argument is the point (or the interval), which the other. */
};

static void put_point(struct vec *out, isize row, struct func_instant instant)
{
    if (out->type->kind == TYPE_DATE) {
        VEC(i32, out)[row] = (i32)func__floor_div(instant.seconds, DAY_S);
    } else if (out->type->kind == TYPE_TIME) {
        i64 second = func__floor_mod(instant.seconds, DAY_S);
        VEC(i32, out)[row] = (i32)(second * 1000 + instant.nanos / 1000000);
    } else {
        func__put_instant(out, row, instant);
    }
}

static struct func_instant plus_months(struct func_instant instant, i64 months)
{
    i64 days = func__floor_div(instant.seconds, DAY_S);
    i64 rest = instant.seconds - days * DAY_S;
    return (struct func_instant){func__add_months(days, months) * DAY_S + rest, instant.nanos};
}

KERNEL(time_operator)
{
    KERNEL_UNUSED();
    const struct time_op *op = data;
    const struct vec *a = &args[op->left], *b = &args[op->right];
    FOR_SEL(sel, row)
    {
        if (op->shape <= POINT_MS) {
            struct func_instant point = func__instant_at(a, row);
            i64 amount = (i64)((u64)op->sign * (u64)func__int_at(b, row));
            if (op->shape == POINT_MS && a->type->kind == TYPE_DATE) {
                amount = amount / DAY_MS * DAY_MS; /* A DATE moves by whole days. */
            }
            put_point(out, row,
                      op->shape == POINT_MS ? func__add_ms(point, amount)
                                            : plus_months(point, amount));
            continue;
        }
        u64 x = (u64)func__int_at(a, row), y = (u64)func__int_at(b, row);
        if (op->shape == INTERVAL_SUM) {
            func__put_int(out, row, (i64)(x + (u64)op->sign * y));
        } else if (op->shape == INTERVAL_TIMES) {
            func__put_int(out, row, (i64)(x * y));
        } else if (y == 0) {
            func_fail(ctx, row, "/ by zero");
        } else {
            func__put_int(out, row, (i64)y == -1 ? (i64)(0 - x) : (i64)x / (i64)y);
        }
    }
}

static bool is_point(const struct type *type)
{
    return type->kind >= TYPE_DATE && type->kind <= TYPE_TIMESTAMP_LTZ;
}
static bool is_interval(const struct type *type)
{
    return type->kind == TYPE_INTERVAL_YM || type->kind == TYPE_INTERVAL_DS;
}

static bool shape_of(const struct func_binding *b, struct time_op *op)
{
    const struct type *x = b->out->arg_types[0], *y = b->out->arg_types[1];
    char sign = b->def->name[0];
    *op = (struct time_op){.sign = sign == '-' ? -1 : 1, .left = 0, .right = 1};
    if ((sign == '+' && is_interval(x) && is_point(y)) ||
        (sign == '*' && type_is_integer(x) && is_interval(y))) {
        op->left = 1;
        op->right = 0;
        const struct type *swap = x;
        x = y;
        y = swap;
    }
    bool is_sum = sign == '+' || sign == '-';
    if (is_sum && is_point(x) && is_interval(y)) {
        op->shape = y->kind == TYPE_INTERVAL_YM ? POINT_MONTHS : POINT_MS;
        return x->kind != TYPE_TIME || y->kind == TYPE_INTERVAL_DS;
    }
    op->shape = is_sum ? INTERVAL_SUM : sign == '*' ? INTERVAL_TIMES : INTERVAL_BY;
    if (is_sum) {
        return is_interval(x) && x->kind == y->kind;
    }
    return (sign == '*' || sign == '/') && is_interval(x) && type_is_integer(y);
}

err func__bind_time_arith(struct func_binding *b)
{
    for (isize i = 0; i < 2; i++) {
        if (b->out->arg_types[i]->kind == TYPE_NULL) {
            b->out->arg_types[i] =
                type_of(is_point(b->args[1 - i].type) ? TYPE_INTERVAL_DS : TYPE_TIMESTAMP);
        }
    }
    struct time_op *op = ARENA_NEW(b->arena, struct time_op);
    if (b->count != 2 || !shape_of(b, op)) {
        return func__bind_error(b);
    }
    struct type plain = *b->out->arg_types[op->left];
    plain.time_attribute = TYPE_TIME_NONE;
    struct type *result = ARENA_NEW(b->arena, struct type);
    *result = plain;
    func__set_result(b, result);
    b->out->data = op;
    b->out->kernel = time_operator;
    return OK;
}

/* --- TIMESTAMPADD ----------------------------------------------------------------------------- */

struct add_plan {
    i64 months, ms;
};

KERNEL(timestamp_add)
{
    KERNEL_UNUSED();
    const struct add_plan *plan = data;
    FOR_SEL(sel, row)
    {
        u64 n = (u64)ARG(i64, &args[1], row);
        struct func_instant point = func__instant_at(&args[2], row);
        if (plan->months != 0) {
            /* Beyond the calendar the result has no meaning; keep it defined. */
            i64 months = (i64)n > 200000000 || (i64)n < -200000000 ? 0 : (i64)n * plan->months;
            point = plus_months(point, months);
        } else {
            point = func__add_ms(point, (i64)(n * (u64)plan->ms));
        }
        put_point(out, row, point);
    }
}

static err bind_add(struct func_binding *b)
{
    enum func_unit unit = func__unit(func__literal(b, 0));
    const struct type *type = b->args[2].type;
    struct add_plan *plan = ARENA_NEW(b->arena, struct add_plan);
    plan->months = unit == UNIT_MONTH ? 1 : unit == UNIT_QUARTER ? 3 : unit == UNIT_YEAR ? 12 : 0;
    plan->ms = func__unit_seconds(unit) * 1000;
    if ((plan->months == 0 && plan->ms == 0) || !is_point(type) || type->kind == TYPE_TIME) {
        return func__bind_error(b);
    }
    bool is_clock = type->kind == TYPE_DATE && plan->ms > 0 && plan->ms < DAY_MS;
    const struct type *result = is_clock ? type_timestamp(b->arena, TYPE_TIMESTAMP, 0) : type;
    b->out->arg_types[2] = result;
    struct type *plain = ARENA_NEW(b->arena, struct type);
    *plain = *result;
    plain->time_attribute = TYPE_TIME_NONE;
    func__set_result(b, plain);
    b->out->data = plan;
    return OK;
}

/* --- TIMESTAMPDIFF ---------------------------------------------------------------------------- */

static i64 months_between(struct func_instant from, struct func_instant to)
{
    i64 d0 = func__floor_div(from.seconds, DAY_S), d1 = func__floor_div(to.seconds, DAY_S);
    i64 y0 = 0, y1 = 0;
    i32 m0 = 0, m1 = 0, day = 0;
    cal_civil_from_days(d0, &y0, &m0, &day);
    cal_civil_from_days(d1, &y1, &m1, &day);
    i64 months = (y1 - y0) * 12 + (m1 - m0);
    struct func_instant reached = plus_months(from, months);
    bool is_past =
        reached.seconds > to.seconds || (reached.seconds == to.seconds && reached.nanos > to.nanos);
    return months - is_past;
}

KERNEL(timestamp_diff)
{
    KERNEL_UNUSED();
    const struct add_plan *plan = data;
    FOR_SEL(sel, row)
    {
        struct func_instant a = func__instant_at(&args[1], row);
        struct func_instant b = func__instant_at(&args[2], row);
        bool is_back = b.seconds < a.seconds || (b.seconds == a.seconds && b.nanos < a.nanos);
        struct func_instant from = is_back ? b : a, to = is_back ? a : b;
        i64 n = plan->months != 0
                    ? months_between(from, to) / plan->months
                    : (to.seconds - from.seconds - (to.nanos < from.nanos)) / (plan->ms / 1000);
        VEC(i32, out)[row] = (i32)(is_back ? -n : n);
    }
}

static err bind_diff(struct func_binding *b)
{
    enum func_unit unit = func__unit(func__literal(b, 0));
    struct add_plan *plan = ARENA_NEW(b->arena, struct add_plan);
    plan->months = unit == UNIT_MONTH ? 1 : unit == UNIT_QUARTER ? 3 : unit == UNIT_YEAR ? 12 : 0;
    plan->ms = func__unit_seconds(unit) * 1000;
    if (plan->months == 0 && plan->ms == 0) {
        return func__bind_error(b);
    }
    for (isize i = 1; i < 3; i++) {
        const struct type *type = b->args[i].type;
        if (type->kind == TYPE_NULL) {
            b->out->arg_types[i] = type_of(TYPE_TIMESTAMP);
        } else if (!is_point(type) || type->kind == TYPE_TIME) {
            return func__bind_error(b);
        }
    }
    b->out->data = plan;
    return OK;
}

/* --- OVERLAPS --------------------------------------------------------------------------------- */

/* Ends of a period: the second argument may be an interval from the first. */
static void period(const struct vec *args, isize row, struct func_instant *from,
                   struct func_instant *to)
{
    *from = func__instant_at(&args[0], row);
    if (args[1].type->kind == TYPE_INTERVAL_DS) {
        *to = func__add_ms(*from, ARG(i64, &args[1], row));
    } else if (args[1].type->kind == TYPE_INTERVAL_YM) {
        *to = plus_months(*from, ARG(i32, &args[1], row));
    } else {
        *to = func__instant_at(&args[1], row);
    }
    if (to->seconds < from->seconds) {
        struct func_instant swap = *from;
        *from = *to;
        *to = swap;
    }
}

static bool is_before(struct func_instant a, struct func_instant b)
{
    return a.seconds < b.seconds || (a.seconds == b.seconds && a.nanos < b.nanos);
}

KERNEL(overlaps)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct func_instant a = {0, 0}, b = {0, 0}, c = {0, 0}, d = {0, 0};
        period(args, row, &a, &b);
        period(args + 2, row, &c, &d);
        VEC(u8, out)[row] = !is_before(b, c) && !is_before(d, a);
    }
}

static err bind_overlaps(struct func_binding *b)
{
    for (isize i = 0; i < 4; i++) {
        const struct type *type = b->args[i].type;
        if (!is_point(type) && (i % 2 == 0 || !is_interval(type))) {
            return func__bind_error(b);
        }
    }
    return OK;
}

const struct func_def func__time_steps[] = {
    {"TIMESTAMPADD", NULL, "time", "TIMESTAMPADD(unit, count, point)", "sla>?", FUNC_STRICT,
     timestamp_add, bind_add},
    {"TIMESTAMPDIFF", NULL, "time", "TIMESTAMPDIFF(unit, from, to)", "saa>I", FUNC_STRICT,
     timestamp_diff, bind_diff},
    {"OVERLAPS", NULL, "time", "(from, to) OVERLAPS (from, to)", "aaaa>Z", FUNC_STRICT, overlaps,
     bind_overlaps},
    {0},
};
