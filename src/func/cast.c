/*
 * func/cast.c: CAST and TRY_CAST between numbers, booleans, bytes and nested types, and the choice
 * of the kernel. Text is in cast_text.c, time in cast_time.c.
 */
#include "func/cast_int.h"

#include <math.h>

void func__cast_fail(struct func_ctx *ctx, const struct func_cast *cast, struct vec *out, isize row,
                     str text)
{
    if (cast->is_try) {
        func__put_null(ctx, out, row);
    } else {
        func_fail(ctx, row, STR_FMT, STR_ARG(text));
    }
}

/* --- same representation ---------------------------------------------------------------------- */

KERNEL(copy_elements)
{
    KERNEL_UNUSED();
    size_t bytes = (size_t)type_element_bytes(out->type);
    const u8 *from = args[0].values;
    u8 *to = out->values;
    if (sel->rows == NULL && !args[0].is_const) {
        memcpy(to, from, bytes * (size_t)sel->count);
        return;
    }
    FOR_SEL(sel, row)
    {
        memcpy(to + bytes * (size_t)row, from + bytes * (size_t)vec_index(&args[0], row), bytes);
    }
}

/* --- numbers: Java's narrowing ---------------------------------------------------------------- */

static i64 real_to_i64(double x)
{
    if (x != x) {
        return 0;
    }
    return x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : (i64)x;
}
static i32 real_to_i32(double x)
{
    i64 v = real_to_i64(x);
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (i32)v;
}
#define TO_i8(x)     ((i8)(x))
#define TO_i16(x)    ((i16)(x))
#define TO_i32(x)    ((i32)(x))
#define TO_i64(x)    ((i64)(x))
#define TO_float(x)  ((float)(x))
#define TO_double(x) ((double)(x))
#define REAL_i8(x)   ((i8)real_to_i32((double)(x)))
#define REAL_i16(x)  ((i16)real_to_i32((double)(x)))
#define REAL_i32(x)  real_to_i32((double)(x))
#define REAL_i64(x)  real_to_i64((double)(x))

#define CONVERT(from, to, convert)                         \
    KERNEL(from##_##to)                                    \
    {                                                      \
        KERNEL_UNUSED();                                   \
        const from *a = args[0].values;                    \
        to *r = out->values;                               \
        if (sel->rows == NULL && !args[0].is_const) {      \
            for (isize i = 0; i < sel->count; i++) {       \
                r[i] = convert(a[i]);                      \
            }                                              \
            return;                                        \
        }                                                  \
        FOR_SEL(sel, row)                                  \
        {                                                  \
            r[row] = convert(a[vec_index(&args[0], row)]); \
        }                                                  \
    }
#define CONVERT_INT(from)          \
    CONVERT(from, i8, TO_i8)       \
    CONVERT(from, i16, TO_i16)     \
    CONVERT(from, i32, TO_i32)     \
    CONVERT(from, i64, TO_i64)     \
    CONVERT(from, float, TO_float) \
    CONVERT(from, double, TO_double)
#define CONVERT_REAL(from)         \
    CONVERT(from, i8, REAL_i8)     \
    CONVERT(from, i16, REAL_i16)   \
    CONVERT(from, i32, REAL_i32)   \
    CONVERT(from, i64, REAL_i64)   \
    CONVERT(from, float, TO_float) \
    CONVERT(from, double, TO_double)
CONVERT_INT(i8)
CONVERT_INT(i16)
CONVERT_INT(i32)
CONVERT_INT(i64)
CONVERT_REAL(float)
CONVERT_REAL(double)

#define NAMES(from)                                                                \
    {                                                                              \
        from##_i8, from##_i16, from##_i32, from##_i64, from##_float, from##_double \
    }
static const func_kernel_fn converts[6][6] = {NAMES(i8),  NAMES(i16),   NAMES(i32),
                                              NAMES(i64), NAMES(float), NAMES(double)};

KERNEL(to_decimal)
{
    KERNEL_UNUSED();
    enum type_kind from = args[0].type->kind;
    i32 scale = out->type->scale;
    FOR_SEL(sel, row)
    {
        i128 value = 0;
        bool fits = false;
        if (from == TYPE_DECIMAL) {
            fits =
                func__dec_rescale(func__dec_at(&args[0], row), args[0].type->scale, scale, &value);
        } else if (from == TYPE_FLOAT || from == TYPE_DOUBLE) {
            fits = func__dec_from_double(func__real_at(&args[0], row), out->type->precision, scale,
                                         &value);
        } else {
            fits = func__dec_rescale(func__int_at(&args[0], row), 0, scale, &value);
        }
        if (fits) {
            func__put_dec(ctx, out, row, value);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(from_decimal)
{
    KERNEL_UNUSED();
    i32 scale = args[0].type->scale;
    FOR_SEL(sel, row)
    {
        i128 value = func__dec_at(&args[0], row);
        if (out->type->kind == TYPE_DOUBLE) {
            VEC(double, out)[row] = func__dec_to_double(value, scale);
        } else if (out->type->kind == TYPE_FLOAT) {
            VEC(float, out)[row] = (float)func__dec_to_double(value, scale);
        } else {
            func__put_int(out, row, (i64)(value / func__pow10(scale)));
        }
    }
}

KERNEL(number_to_boolean)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        bool value = args[0].type->kind == TYPE_DECIMAL ? func__dec_at(&args[0], row) != 0
                                                        : func__real_at(&args[0], row) != 0;
        VEC(u8, out)[row] = (u8)value;
    }
}

KERNEL(boolean_to_number)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        u8 value = ARG(u8, &args[0], row);
        if (out->type->kind == TYPE_DECIMAL) {
            func__put_dec(ctx, out, row, value * func__pow10(out->type->scale));
        } else if (out->type->kind == TYPE_FLOAT) {
            VEC(float, out)[row] = value;
        } else if (out->type->kind == TYPE_DOUBLE) {
            VEC(double, out)[row] = value;
        } else {
            func__put_int(out, row, value);
        }
    }
}

static func_kernel_fn number_kernel(const struct type *from, const struct type *to)
{
    if (to->kind == TYPE_BOOLEAN) {
        return number_to_boolean;
    }
    if (from->kind == TYPE_BOOLEAN) {
        return boolean_to_number;
    }
    if (to->kind == TYPE_DECIMAL) {
        return to_decimal;
    }
    if (from->kind == TYPE_DECIMAL) {
        return from_decimal;
    }
    return converts[from->kind - TYPE_TINYINT][to->kind - TYPE_TINYINT];
}

/* --- NULL and nested -------------------------------------------------------------------------- */

KERNEL(all_null)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        func__put_null(ctx, out, row);
    }
}

/* Casts the parts of an ARRAY, MAP or ROW one by one; false when one failed. */
static bool cast_parts(struct func_ctx *ctx, const struct func_cast *cast, isize row,
                       struct value *value)
{
    struct value *items = ARENA_ARRAY(ctx->arena, struct value, value->u.list.count + 1);
    for (isize i = 0; i < value->u.list.count; i++) {
        isize part = cast->to->kind == TYPE_ROW ? i : cast->to->kind == TYPE_MAP ? i % 2 : 0;
        const struct func_bound *bound = &cast->parts[part];
        if (bound->kernel == NULL) {
            items[i] = value->u.list.items[i];
            items[i].type = bound->result;
        } else if (!func__apply(ctx, bound, &value->u.list.items[i], row, &items[i])) {
            return false;
        }
    }
    value->u.list.items = items;
    value->type = cast->to;
    return true;
}

KERNEL(cast_nested)
{
    KERNEL_UNUSED();
    const struct func_cast *cast = data;
    FOR_SEL(sel, row)
    {
        struct value value;
        vec_get(&args[0], row, ctx->arena, &value);
        if (cast_parts(ctx, cast, row, &value)) {
            vec_set(out, ctx->arena, row, &value);
        }
    }
}

static err bind_part(struct arena *arena, const struct type *from, const struct type *to,
                     const struct func_cast *cast, struct func_bound *out)
{
    struct diag ignored;
    diag_init(&ignored);
    if (type_eq(from, to, false)) {
        *out = (struct func_bound){.result = to};
        return OK;
    }
    return func_bind_cast(arena, from, to, cast->is_try, out, &ignored);
}

static err bind_nested(struct arena *arena, struct func_cast *cast)
{
    const struct type *from = cast->from, *to = cast->to;
    if (from->kind != to->kind || from->kind == TYPE_MULTISET) {
        return ERR_TYPE;
    }
    isize count = from->kind == TYPE_ROW ? from->field_count : 2;
    if (from->kind == TYPE_ROW && to->field_count != count) {
        return ERR_TYPE;
    }
    struct func_bound *parts = ARENA_ARRAY(arena, struct func_bound, count + 1);
    if (from->kind == TYPE_ARRAY) {
        TRY(bind_part(arena, from->item, to->item, cast, &parts[0]));
    } else if (from->kind == TYPE_MAP) {
        TRY(bind_part(arena, from->key, to->key, cast, &parts[0]));
        TRY(bind_part(arena, from->item, to->item, cast, &parts[1]));
    }
    for (isize i = 0; from->kind == TYPE_ROW && i < count; i++) {
        TRY(bind_part(arena, from->fields[i].type, to->fields[i].type, cast, &parts[i]));
    }
    cast->parts = parts;
    return OK;
}

/* --- choice ----------------------------------------------------------------------------------- */

static bool is_same_layout(const struct type *a, const struct type *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch ((int)a->kind) {
    case TYPE_DECIMAL:
        return a->scale == b->scale && a->precision <= b->precision &&
               func__is_wide(a) == func__is_wide(b);
    case TYPE_VARCHAR:
    case TYPE_VARBINARY:
        return b->length >= a->length;
    case TYPE_CHAR:
    case TYPE_BINARY:
        return a->length == b->length;
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return a->precision <= b->precision && (a->precision > 6) == (b->precision > 6);
    default:
        return a->kind < TYPE_ARRAY;
    }
}

static func_kernel_fn choose(struct arena *arena, struct func_cast *cast)
{
    const struct type *from = cast->from, *to = cast->to;
    bool is_number = type_is_numeric(from) || from->kind == TYPE_BOOLEAN;
    bool to_number = type_is_numeric(to) || to->kind == TYPE_BOOLEAN;
    if (from->kind == TYPE_NULL) {
        return to->kind < TYPE_ROW ? all_null : NULL;
    }
    if (is_same_layout(from, to)) {
        return copy_elements;
    }
    if (is_number && to_number) {
        return number_kernel(from, to);
    }
    if (type_is_string(to)) {
        return from->kind == TYPE_MULTISET ? NULL : func__cast_to_text;
    }
    if (type_is_string(from)) {
        return func__cast_from_text(to);
    }
    if (type_is_bytes(from) && type_is_bytes(to)) {
        return func__cast_bytes;
    }
    if (from->kind >= TYPE_DATE && from->kind <= TYPE_INTERVAL_DS) {
        return func__cast_time(from, to);
    }
    if (from->kind >= TYPE_ARRAY) {
        return bind_nested(arena, cast) == OK ? cast_nested : NULL;
    }
    return NULL;
}

static bool may_fail(const struct func_cast *cast)
{
    return !cast->is_try && (type_is_string(cast->from) || cast->from->kind >= TYPE_ARRAY) &&
           !type_is_string(cast->to);
}

/* Some casts make NULL of what does not fit. */
static bool may_be_null(const struct func_cast *cast)
{
    return cast->from->is_nullable || cast->is_try || cast->from->kind == TYPE_NULL;
}

static err no_such_cast(const struct type *from, const struct type *to, struct diag *diag)
{
    struct buf a, b;
    buf_init(&a, 300);
    buf_init(&b, 300);
    type_format(from, &a);
    type_format(to, &b);
    err e = diag_set(diag, ERR_TYPE, "SQL0204", "cannot cast " STR_FMT " to " STR_FMT,
                     STR_ARG(buf_str(&a)), STR_ARG(buf_str(&b)));
    if (type_is_numeric(from) && type_is_timestamp(to)) {
        diag_hint(diag, "use TO_TIMESTAMP_LTZ(number, 0 or 3), or "
                        "TO_TIMESTAMP(FROM_UNIXTIME(number)) for seconds");
    } else if (type_is_timestamp(from) && type_is_numeric(to)) {
        diag_hint(diag, "use UNIX_TIMESTAMP(CAST(timestamp AS STRING))");
    }
    buf_deinit(&a);
    buf_deinit(&b);
    return e;
}

err func_bind_cast(struct arena *arena, const struct type *from, const struct type *to, bool is_try,
                   struct func_bound *out, struct diag *diag)
{
    struct func_cast *cast = ARENA_NEW(arena, struct func_cast);
    *cast = (struct func_cast){.from = from, .to = to, .is_try = is_try};
    func_kernel_fn kernel = choose(arena, cast);
    if (kernel == NULL) {
        return no_such_cast(from, to, diag);
    }
    bool uses_zone = from->kind == TYPE_TIMESTAMP_LTZ || to->kind == TYPE_TIMESTAMP_LTZ ||
                     from->kind >= TYPE_ARRAY;
    const struct type **types = ARENA_ARRAY(arena, const struct type *, 1);
    types[0] = from;
    *out = (struct func_bound){
        .name = is_try ? STR("TRY_CAST") : STR("CAST"),
        .flags = FUNC_STRICT | (may_fail(cast) ? FUNC_MAY_FAIL : 0) | (uses_zone ? FUNC_TIME : 0),
        .result = type_with_null(arena, to, may_be_null(cast)),
        .arg_types = types,
        .arg_count = 1,
        .kernel = kernel,
        .data = cast,
    };
    return OK;
}
