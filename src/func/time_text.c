/* func/time_text.c: times from and to text and numbers, and the clock. */
#include "func/time_unit.h"

#include <math.h>

/* A pattern, compiled once when it is a literal. */
struct text_plan {
    const struct func_timefmt *fmt; /* NULL: pattern comes per row, or the default form. */
    isize pattern_arg;              /* -1: none. */
    const char *error;
};

/* The pattern of this row; NULL with *is_default_out, or with the row failed. */
static const struct func_timefmt *plan_fmt(struct func_ctx *ctx, const struct text_plan *plan,
                                           const struct vec *args, isize row, bool *is_default_out)
{
    *is_default_out = plan->pattern_arg < 0;
    if (plan->fmt != NULL || *is_default_out) {
        return plan->fmt;
    }
    const char *error = plan->error;
    const struct func_timefmt *fmt =
        error != NULL
            ? NULL
            : func__timefmt(ctx->arena, func__text_at(&args[plan->pattern_arg], row), &error);
    if (fmt == NULL) {
        func_fail(ctx, row, "%s", error);
    }
    return fmt;
}

static err bind_pattern(struct func_binding *b, isize arg)
{
    struct text_plan *plan = ARENA_NEW(b->arena, struct text_plan);
    plan->pattern_arg = b->count > arg ? arg : -1;
    bool is_literal = b->count > arg && b->args[arg].literal != NULL &&
                      !b->args[arg].literal->is_null && type_is_string(b->args[arg].type);
    if (is_literal) {
        const char *error = NULL;
        plan->fmt = func__timefmt(b->arena, b->args[arg].literal->u.text, &error);
        plan->error = plan->fmt == NULL ? error : NULL;
    }
    b->out->data = plan;
    return OK;
}
static err bind_pattern_second(struct func_binding *b)
{
    return bind_pattern(b, 1);
}

/* --- DATE_FORMAT, FROM_UNIXTIME --------------------------------------------------------------- */

static void put_formatted(struct func_ctx *ctx, const struct func_timefmt *fmt,
                          struct func_instant local, struct vec *out, isize row)
{
    u8 room[1024];
    struct buf text = {.data = room, .capacity = (isize)sizeof room, .limit_bytes = sizeof room};
    if (fmt == NULL) {
        func__format_instant(local, 0, &text);
    } else {
        func__timefmt_print(fmt, local, &text);
    }
    func__put_buf(ctx, out, row, &text);
}

KERNEL(date_format)
{
    KERNEL_UNUSED();
    const struct func_zone *zone = func__ctx_zone(ctx);
    FOR_SEL(sel, row)
    {
        bool is_default = false;
        struct func_instant local = {0, 0};
        const struct func_timefmt *fmt = plan_fmt(ctx, data, args, row, &is_default);
        if (fmt == NULL && !is_default) {
            continue;
        }
        if (type_is_string(args[0].type)) {
            if (func__scan_instant(func__text_at(&args[0], row), &local) >= 0) {
                func__put_null(ctx, out, row);
                continue;
            }
        } else {
            local = func__instant_at(&args[0], row);
            if (args[0].type->kind == TYPE_TIMESTAMP_LTZ) {
                local = func__zone_to_local(zone, local);
            }
        }
        put_formatted(ctx, fmt, local, out, row);
    }
}

KERNEL(from_unixtime)
{
    KERNEL_UNUSED();
    const struct func_zone *zone = func__ctx_zone(ctx);
    FOR_SEL(sel, row)
    {
        bool is_default = false;
        const struct func_timefmt *fmt = plan_fmt(ctx, data, args, row, &is_default);
        i64 seconds = ARG(i64, &args[0], row);
        if (seconds > 31556889864403199 || seconds < -31557014167219200) {
            func__put_null(ctx, out, row); /* Outside of the years of java.time. */
        } else if (fmt != NULL || is_default) {
            struct func_instant local =
                func__zone_to_local(zone, (struct func_instant){seconds, 0});
            put_formatted(ctx, fmt, local, out, row);
        }
    }
}

/* --- UNIX_TIMESTAMP --------------------------------------------------------------------------- */

/* What follows a time is ignored, as SimpleDateFormat does. */
static bool parse_prefix(str text, struct func_instant *out)
{
    isize stop = func__scan_instant(text, out);
    return stop < 0 || (stop > 10 && func__scan_instant(str_slice(text, 0, stop), out) < 0);
}

KERNEL(unix_timestamp)
{
    KERNEL_UNUSED();
    const struct func_zone *zone = func__ctx_zone(ctx);
    FOR_SEL(sel, row)
    {
        if (arg_count == 0) {
            VEC(i64, out)[row] = func__floor_div(ctx->now_us, 1000000);
            continue;
        }
        bool is_default = false;
        const struct func_timefmt *fmt = plan_fmt(ctx, data, args, row, &is_default);
        struct func_instant local = {0, 0};
        str text = func__text_at(&args[0], row);
        bool ok = is_default ? text.len > 10 && parse_prefix(text, &local)
                             : fmt != NULL && func__timefmt_parse(fmt, text, &local);
        VEC(i64, out)[row] = ok ? func__zone_to_utc_late(zone, local).seconds : INT64_MIN;
    }
}

static err bind_unix(struct func_binding *b)
{
    TRY(bind_pattern(b, 1));
    return OK;
}

/* --- TO_DATE, TO_TIMESTAMP, TO_TIMESTAMP_LTZ -------------------------------------------------- */

KERNEL(to_date)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        bool is_default = false;
        const struct func_timefmt *fmt = plan_fmt(ctx, data, args, row, &is_default);
        struct func_instant local = {0, 0};
        str text = func__text_at(&args[0], row);
        i64 days = 0;
        if (is_default && func__parse_date(text, &days)) {
            VEC(i32, out)[row] = (i32)days;
        } else if (fmt != NULL && func__timefmt_parse(fmt, text, &local)) {
            VEC(i32, out)[row] = (i32)func__floor_div(local.seconds, DAY_S);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

/* Text to a point on the local time line; false when it is none. */
static bool parse_row(struct func_ctx *ctx, const struct text_plan *plan, const struct vec *args,
                      isize row, struct func_instant *out)
{
    bool is_default = false;
    const struct func_timefmt *fmt = plan_fmt(ctx, plan, args, row, &is_default);
    str text = func__text_at(&args[0], row);
    if (is_default) {
        return func__scan_instant(text, out) < 0;
    }
    return fmt != NULL && func__timefmt_parse(fmt, text, out);
}

KERNEL(to_timestamp)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct func_instant local = {0, 0};
        if (parse_row(ctx, data, args, row, &local)) {
            func__put_instant(out, row, local);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

static err bind_to_timestamp(struct func_binding *b)
{
    TRY(bind_pattern(b, 1));
    b->out->result = type_timestamp(b->arena, TYPE_TIMESTAMP, 3);
    return OK;
}

KERNEL(number_to_ltz)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        i32 precision = arg_count > 1 ? ARG(i32, &args[1], row) : 3;
        if (precision != 0 && precision != 3) {
            func_fail(ctx, row,
                      "The precision value '%d' for function TO_TIMESTAMP_LTZ(numeric, precision) "
                      "is unsupported, the supported value is '0' for second or '3' for "
                      "millisecond.",
                      precision);
            continue;
        }
        struct func_instant instant = {0, 0};
        if (args[0].type->kind == TYPE_BIGINT) {
            i64 n = ARG(i64, &args[0], row);
            instant = precision == 0 ? (struct func_instant){n, 0} : func__add_ms(instant, n);
        } else {
            double ms = ARG(double, &args[0], row) * (precision == 0 ? 1000 : 1);
            if (!(ms > -9e18 && ms < 9e18)) {
                func__put_null(ctx, out, row);
                continue;
            }
            instant = func__add_ms(instant, (i64)ms);
        }
        func__put_instant(out, row, instant);
    }
}

KERNEL(text_to_ltz)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct func_instant local = {0, 0};
        const struct func_zone *zone =
            func__zone_str(arg_count > 2 ? func__text_at(&args[2], row) : STR("UTC"));
        if (zone != NULL && parse_row(ctx, data, args, row, &local)) {
            func__put_instant(out, row, func__zone_to_utc(zone, local));
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

static err bind_to_ltz(struct func_binding *b)
{
    b->out->result = type_timestamp(b->arena, TYPE_TIMESTAMP_LTZ, 3);
    if (type_is_string(b->args[0].type)) {
        b->out->kernel = text_to_ltz;
        return bind_pattern(b, 1);
    }
    const struct type *type = b->args[0].type;
    bool is_int = type_is_integer(type) || type->kind == TYPE_NULL;
    b->out->arg_types[0] = type_of(is_int ? TYPE_BIGINT : TYPE_DOUBLE);
    b->out->kernel = number_to_ltz;
    return OK;
}

KERNEL(convert_tz)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct func_instant local = {0, 0};
        const struct func_zone *from = func__zone_str(func__text_at(&args[1], row));
        const struct func_zone *to = func__zone_str(func__text_at(&args[2], row));
        /* As Java, a zone that is not known is GMT. */
        from = from != NULL ? from : func__zone("UTC");
        to = to != NULL ? to : func__zone("UTC");
        if (func__scan_instant(func__text_at(&args[0], row), &local) >= 0) {
            func__put_null(ctx, out, row);
            continue;
        }
        put_formatted(ctx, NULL, func__zone_to_local(to, func__zone_to_utc_late(from, local)), out,
                      row);
    }
}

/* --- the clock -------------------------------------------------------------------------------- */

static struct func_instant ctx_local(struct func_ctx *ctx)
{
    return func__zone_to_local(func__ctx_zone(ctx), func__instant_us(ctx->now_us));
}

KERNEL(now_ltz)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        func__put_instant(out, row, func__instant_us(ctx->now_us));
    }
}
KERNEL(now_local)
{
    KERNEL_UNUSED();
    struct func_instant local = ctx_local(ctx);
    FOR_SEL(sel, row)
    {
        if (out->type->kind == TYPE_DATE) {
            VEC(i32, out)[row] = (i32)func__floor_div(local.seconds, DAY_S);
        } else if (out->type->kind == TYPE_TIME) {
            VEC(i32, out)[row] = (i32)func__floor_mod(local.seconds, DAY_S) * 1000;
        } else {
            func__put_instant(out, row, local);
        }
    }
}
KERNEL(watermark)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        if (ctx->watermark_us == INT64_MIN) {
            func__put_null(ctx, out, row);
        } else {
            func__put_instant(out, row, func__instant_us(ctx->watermark_us));
        }
    }
}

static err bind_now(struct func_binding *b)
{
    const struct type *type = type_timestamp(b->arena, TYPE_TIMESTAMP_LTZ, 3);
    if (str_eq(b->out->name, STR("PROCTIME"))) {
        type = type_with_time(b->arena, type, TYPE_TIME_PROC);
    }
    b->out->result = func__not_null(b->arena, type);
    return OK;
}
static err bind_local(struct func_binding *b)
{
    const struct type *type = type_timestamp(b->arena, TYPE_TIMESTAMP, 3);
    if (str_eq(b->out->name, STR("CURRENT_DATE"))) {
        type = type_of(TYPE_DATE);
    } else if (!str_eq(b->out->name, STR("LOCALTIMESTAMP"))) {
        type = type_of(TYPE_TIME);
    }
    b->out->result = func__not_null(b->arena, type);
    return OK;
}
static err bind_watermark(struct func_binding *b)
{
    const struct type *type = b->args[0].type;
    if (!type_is_timestamp(type)) {
        return func__bind_error(b);
    }
    b->out->result = type_timestamp(b->arena, type->kind, type->precision);
    return OK;
}

enum { STRICT = FUNC_STRICT, ZONED = FUNC_STRICT | FUNC_TIME, CLOCK = FUNC_TIME };

const struct func_def func__time[] = {
    {"DATE_FORMAT", NULL, "time", "DATE_FORMAT(point or text, pattern)", "Ts>S!;Ls>S!;ss>S!",
     ZONED | FUNC_MAY_FAIL, date_format, bind_pattern_second},
    {"FROM_UNIXTIME", NULL, "time", "FROM_UNIXTIME(seconds [, pattern])", "l>S!;ls>S!",
     ZONED | FUNC_MAY_FAIL, from_unixtime, bind_pattern_second},
    {"UNIX_TIMESTAMP", NULL, "time", "UNIX_TIMESTAMP([text [, pattern]])", ">L;s>L;ss>L", ZONED,
     unix_timestamp, bind_unix},
    {"TO_DATE", NULL, "time", "TO_DATE(text [, pattern])", "s>E!;ss>E!", STRICT, to_date,
     bind_pattern_second},
    {"TO_TIMESTAMP", NULL, "time", "TO_TIMESTAMP(text [, pattern])", "s>?;ss>?", STRICT,
     to_timestamp, bind_to_timestamp},
    {"TO_TIMESTAMP_LTZ", NULL, "time",
     "TO_TIMESTAMP_LTZ(number [, 0 or 3]), TO_TIMESTAMP_LTZ(text [, pattern [, zone]])",
     "n>?;ni>?;s>?;ss>?;sss>?", STRICT | FUNC_MAY_FAIL, NULL, bind_to_ltz},
    {"CONVERT_TZ", NULL, "time", "CONVERT_TZ(text, from_zone, to_zone)", "sss>S!", STRICT,
     convert_tz, NULL},
    {0},
};

const struct func_def func__clock[] = {
    {"CURRENT_TIMESTAMP", "NOW,CURRENT_ROW_TIMESTAMP", "time", "CURRENT_TIMESTAMP", ">?", CLOCK,
     now_ltz, bind_now},
    {"PROCTIME", NULL, "time", "PROCTIME()", ">?", CLOCK, now_ltz, bind_now},
    {"CURRENT_DATE", NULL, "time", "CURRENT_DATE", ">?", CLOCK, now_local, bind_local},
    {"CURRENT_TIME", "LOCALTIME", "time", "CURRENT_TIME", ">?", CLOCK, now_local, bind_local},
    {"LOCALTIMESTAMP", NULL, "time", "LOCALTIMESTAMP", ">?", CLOCK, now_local, bind_local},
    {"CURRENT_WATERMARK", NULL, "time", "CURRENT_WATERMARK(rowtime)", "a>?", CLOCK, watermark,
     bind_watermark},
    {0},
};
