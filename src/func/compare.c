/* func/compare.c: comparison operators, IS [NOT] DISTINCT FROM, GREATEST and LEAST. */
#include "func/func_int.h"

enum compare { EQ, NE, LT, LE, GT, GE };
static const enum compare operations[] = {EQ, NE, LT, LE, GT, GE};

#define LOOP(ctype, expression)                                             \
    do {                                                                    \
        const ctype *a = args[0].values;                                    \
        const ctype *b = args[1].values;                                    \
        u8 *r = out->values;                                                \
        isize sa = args[0].is_const ? 0 : 1, sb = args[1].is_const ? 0 : 1; \
        if (sel->rows == NULL && sa == 1 && sb == 0) {                      \
            ctype y = b[0];                                                 \
            for (isize i = 0; i < sel->count; i++) {                        \
                ctype x = a[i];                                             \
                r[i] = (u8)(expression);                                    \
            }                                                               \
        } else if (sel->rows == NULL && sa == 1) {                          \
            for (isize i = 0; i < sel->count; i++) {                        \
                ctype x = a[i], y = b[i];                                   \
                r[i] = (u8)(expression);                                    \
            }                                                               \
        } else {                                                            \
            FOR_SEL(sel, row)                                               \
            {                                                               \
                ctype x = a[row * sa], y = b[row * sb];                     \
                r[row] = (u8)(expression);                                  \
            }                                                               \
        }                                                                   \
    } while (0)

#define ONE(name, ctype, expression) \
    KERNEL(name)                     \
    {                                \
        KERNEL_UNUSED();             \
        LOOP(ctype, expression);     \
    }

#define SIX(suffix, ctype)          \
    ONE(eq_##suffix, ctype, x == y) \
    ONE(ne_##suffix, ctype, x != y) \
    ONE(lt_##suffix, ctype, x < y)  \
    ONE(le_##suffix, ctype, x <= y) \
    ONE(gt_##suffix, ctype, x > y)  \
    ONE(ge_##suffix, ctype, x >= y)

SIX(u8, u8)
SIX(i8, i8)
SIX(i16, i16)
SIX(i32, i32)
SIX(i64, i64)
SIX(f32, float)
SIX(f64, double)

#define SIX_NAMES(suffix)                                                            \
    {                                                                                \
        eq_##suffix, ne_##suffix, lt_##suffix, le_##suffix, gt_##suffix, ge_##suffix \
    }

/* --- text ------------------------------------------------------------------------------------- */

static bool holds(enum compare op, int order)
{
    switch ((int)op) {
    case EQ:
        return order == 0;
    case NE:
        return order != 0;
    case LT:
        return order < 0;
    case LE:
        return order <= 0;
    case GT:
        return order > 0;
    case GE:
        break;
    }
    return order >= 0;
}

static const struct strview *view_at(const struct vec *vec, isize row)
{
    return &((const struct strview *)vec->values)[vec_index(vec, row)];
}

KERNEL(text_equal)
{
    KERNEL_UNUSED();
    bool wanted = *(const enum compare *)data == EQ;
    FOR_SEL(sel, row)
    {
        VEC(u8, out)[row] = strview_eq(view_at(&args[0], row), view_at(&args[1], row)) == wanted;
    }
}

KERNEL(text_order)
{
    KERNEL_UNUSED();
    enum compare op = *(const enum compare *)data;
    FOR_SEL(sel, row)
    {
        VEC(u8, out)[row] = holds(op, strview_cmp(view_at(&args[0], row), view_at(&args[1], row)));
    }
}

/* --- everything else -------------------------------------------------------------------------- */

static int order_i128(i128 a, i128 b)
{
    return (a > b) - (a < b);
}

static int order_decimal(const struct vec *a, isize row_a, const struct vec *b, isize row_b)
{
    i32 s = MAX(a->type->scale, b->type->scale);
    i128 x = func__dec_at(a, row_a), y = func__dec_at(b, row_b), xs = 0, ys = 0;
    bool fits_x = !__builtin_mul_overflow(x, func__pow10(s - a->type->scale), &xs);
    bool fits_y = !__builtin_mul_overflow(y, func__pow10(s - b->type->scale), &ys);
    if (fits_x && fits_y) {
        return order_i128(xs, ys);
    }
    return fits_x ? (y > 0 ? -1 : 1) : (x > 0 ? 1 : -1);
}

static int order_real(double x, double y)
{
    bool nan_x = x != x, nan_y = y != y;
    return nan_x || nan_y ? nan_x - nan_y : (x > y) - (x < y);
}

static int order_instant(struct func_instant x, struct func_instant y)
{
    return x.seconds != y.seconds ? (x.seconds > y.seconds) - (x.seconds < y.seconds)
                                  : (x.nanos > y.nanos) - (x.nanos < y.nanos);
}

int func__compare(const struct vec *a, isize row_a, const struct vec *b, isize row_b)
{
    enum type_kind kind = a->type->kind;
    if (kind == TYPE_FLOAT || kind == TYPE_DOUBLE) {
        return order_real(func__real_at(a, row_a), func__real_at(b, row_b));
    }
    if (kind == TYPE_DECIMAL) {
        return order_decimal(a, row_a, b, row_b);
    }
    if (kind >= TYPE_CHAR && kind <= TYPE_VARBINARY) {
        return strview_cmp(view_at(a, row_a), view_at(b, row_b));
    }
    if (kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_LTZ) {
        return order_instant(func__instant_at(a, row_a), func__instant_at(b, row_b));
    }
    i64 x = func__int_at(a, row_a), y = func__int_at(b, row_b);
    return (x > y) - (x < y);
}

int func__value_compare(const struct value *a, const struct value *b)
{
    if (a->is_null || b->is_null) {
        return (int)b->is_null - (int)a->is_null; /* NULL first. */
    }
    switch ((int)a->type->kind) {
    case TYPE_BOOLEAN:
        return (int)a->u.boolean - (int)b->u.boolean;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return order_real(a->u.real, b->u.real);
    case TYPE_DECIMAL:
        return func__is_wide(a->type) ? order_i128(a->u.wide, b->u.wide)
                                      : order_i128(a->u.integer, b->u.integer);
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return str_cmp(a->u.text, b->u.text);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        if (a->type->precision > 6) {
            int by_ms = (a->u.stamp.ms > b->u.stamp.ms) - (a->u.stamp.ms < b->u.stamp.ms);
            return by_ms != 0 ? by_ms : a->u.stamp.nanos - b->u.stamp.nanos;
        }
        return order_i128(a->u.integer, b->u.integer);
    default:
        return order_i128(a->u.integer, b->u.integer);
    }
}

static bool map_has(const struct value *map, const struct value *key, const struct value *value)
{
    for (isize i = 0; i + 1 < map->u.list.count; i += 2) {
        if (func__value_equal(&map->u.list.items[i], key)) {
            return func__value_equal(&map->u.list.items[i + 1], value);
        }
    }
    return false;
}

bool func__value_equal(const struct value *a, const struct value *b)
{
    if (a->is_null || b->is_null || a->type->kind < TYPE_ARRAY) {
        return func__value_compare(a, b) == 0;
    }
    if (a->u.list.count != b->u.list.count) {
        return false;
    }
    bool is_map = a->type->kind == TYPE_MAP || a->type->kind == TYPE_MULTISET;
    for (isize i = 0; i < a->u.list.count; i += is_map ? 2 : 1) {
        const struct value *x = &a->u.list.items[i];
        if (is_map ? !map_has(b, x, x + 1) : !func__value_equal(x, &b->u.list.items[i])) {
            return false;
        }
    }
    return true;
}

KERNEL(any_order)
{
    KERNEL_UNUSED();
    enum compare op = *(const enum compare *)data;
    FOR_SEL(sel, row)
    {
        VEC(u8, out)[row] = holds(op, func__compare(&args[0], row, &args[1], row));
    }
}

KERNEL(nested_equal)
{
    KERNEL_UNUSED();
    bool wanted = *(const enum compare *)data == EQ;
    FOR_SEL(sel, row)
    {
        struct value a, b;
        vec_get(&args[0], row, ctx->arena, &a);
        vec_get(&args[1], row, ctx->arena, &b);
        VEC(u8, out)[row] = func__value_equal(&a, &b) == wanted;
    }
}

/* --- binding ---------------------------------------------------------------------------------- */

static bool is_same_scale(const struct type *a, const struct type *b)
{
    return a->kind == TYPE_DECIMAL && b->kind == TYPE_DECIMAL && a->scale == b->scale &&
           !func__is_wide(a) && !func__is_wide(b);
}

/* The kernel for two arguments that are comparable as they are. */
static func_kernel_fn choose(const struct type *a, const struct type *b, enum compare op)
{
    static const func_kernel_fn u8s[] = SIX_NAMES(u8), i8s[] = SIX_NAMES(i8),
                                i16s[] = SIX_NAMES(i16), i32s[] = SIX_NAMES(i32),
                                i64s[] = SIX_NAMES(i64), f32s[] = SIX_NAMES(f32),
                                f64s[] = SIX_NAMES(f64);
    static const func_kernel_fn *const by_kind[TYPE_KIND_COUNT] = {
        [TYPE_BOOLEAN] = u8s,      [TYPE_TINYINT] = i8s,      [TYPE_SMALLINT] = i16s,
        [TYPE_INT] = i32s,         [TYPE_BIGINT] = i64s,      [TYPE_FLOAT] = f32s,
        [TYPE_DOUBLE] = f64s,      [TYPE_DATE] = i32s,        [TYPE_TIME] = i32s,
        [TYPE_INTERVAL_YM] = i32s, [TYPE_INTERVAL_DS] = i64s,
    };
    if (by_kind[a->kind] != NULL) {
        return by_kind[a->kind][op];
    }
    if (is_same_scale(a, b) || (type_is_timestamp(a) && a->precision <= 6 && b->precision <= 6)) {
        return i64s[op];
    }
    if (type_is_string(a) || type_is_bytes(a)) {
        return op <= NE ? text_equal : text_order;
    }
    if (a->kind >= TYPE_ARRAY) {
        return op <= NE ? nested_equal : NULL;
    }
    return any_order;
}

static bool is_text_like(const struct type *a, const struct type *b)
{
    return type_is_string(a) &&
           (b->kind == TYPE_BOOLEAN || (b->kind >= TYPE_DATE && b->kind <= TYPE_TIMESTAMP_LTZ));
}

/* Brings both to comparable types; false when there are none. */
static bool unify(struct func_binding *b, const struct type **x, const struct type **y)
{
    if (is_text_like(*x, *y)) {
        *x = *y;
    } else if (is_text_like(*y, *x)) {
        *y = *x;
    } else if (type_is_timestamp(*x) && type_is_timestamp(*y) && (*x)->kind != (*y)->kind) {
        const struct type **plain = (*x)->kind == TYPE_TIMESTAMP ? x : y;
        *plain = type_timestamp(b->arena, TYPE_TIMESTAMP_LTZ, (*plain)->precision);
    } else if (type_is_numeric(*x) && type_is_numeric(*y)) {
        if ((*x)->kind == TYPE_DECIMAL && (*y)->kind == TYPE_DECIMAL) {
            return true;
        }
        const struct type *both[2] = {*x, *y};
        const struct type *common = func_common_type(b->arena, both, 2);
        bool is_dec = common->kind == TYPE_DECIMAL;
        /* A DECIMAL keeps its own scale: order_decimal aligns. */
        *x = is_dec && (*x)->kind == TYPE_DECIMAL ? *x : common;
        *y = is_dec && (*y)->kind == TYPE_DECIMAL ? *y : common;
    } else if ((*x)->kind >= TYPE_ARRAY && (*x)->kind == (*y)->kind) {
        const struct type *both[2] = {*x, *y};
        *x = *y = func_common_type(b->arena, both, 2);
        return *x != NULL;
    } else {
        return (*x)->kind == (*y)->kind || (type_is_string(*x) && type_is_string(*y)) ||
               (type_is_bytes(*x) && type_is_bytes(*y));
    }
    return true;
}

static err bind_operands(struct func_binding *b, enum compare op, func_kernel_fn *kernel)
{
    const struct type *x = b->args[0].type, *y = b->args[1].type;
    x = x->kind == TYPE_NULL ? y : x;
    y = y->kind == TYPE_NULL ? x : y;
    if (x->kind == TYPE_NULL) {
        x = y = type_of(TYPE_INT);
    }
    if ((type_is_string(x) && type_is_numeric(y)) || (type_is_string(y) && type_is_numeric(x))) {
        bool is_left = type_is_string(x);
        err e =
            diag_set(b->diag, ERR_TYPE, "SQL0203",
                     "implicit type conversion between text and number is not supported in '%s'",
                     b->def->name);
        diag_hint(b->diag, "CAST the %s side explicitly", is_left ? "left" : "right");
        return e;
    }
    if (!unify(b, &x, &y)) {
        return func__bind_error(b);
    }
    *kernel = choose(x, y, op);
    if (*kernel == NULL) {
        return func__bind_error(b);
    }
    b->out->arg_types[0] = x;
    b->out->arg_types[1] = y;
    b->out->data = &operations[op];
    return OK;
}

static err bind_compare(struct func_binding *b)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">="};
    enum compare op = EQ;
    while (!str_eq(str_of(names[op]), str_of(b->def->name))) {
        op++;
    }
    return bind_operands(b, op, &b->out->kernel);
}

/* --- IS DISTINCT FROM ------------------------------------------------------------------------- */

KERNEL(distinct)
{
    KERNEL_UNUSED();
    bool is_nested = args[0].type->kind >= TYPE_ARRAY;
    FOR_SEL(sel, row)
    {
        bool va = vec_is_valid(&args[0], row), vb = vec_is_valid(&args[1], row);
        u8 result = (u8)(va != vb);
        if (va && vb && !is_nested) {
            result = func__compare(&args[0], row, &args[1], row) != 0;
        } else if (va && vb) {
            struct value a, b;
            vec_get(&args[0], row, ctx->arena, &a);
            vec_get(&args[1], row, ctx->arena, &b);
            result = !func__value_equal(&a, &b);
        }
        VEC(u8, out)[row] = result;
    }
}

static err bind_distinct(struct func_binding *b)
{
    func_kernel_fn unused = NULL;
    TRY(bind_operands(b, NE, &unused));
    b->out->result = func__not_null(b->arena, type_of(TYPE_BOOLEAN));
    b->out->kernel = distinct;
    return OK;
}

/* --- GREATEST, LEAST -------------------------------------------------------------------------- */

KERNEL(extreme)
{
    KERNEL_UNUSED();
    int sign = *(const enum compare *)data == GT ? 1 : -1;
    isize bytes = type_element_bytes(out->type);
    FOR_SEL(sel, row)
    {
        const struct vec *best = &args[0];
        for (isize i = 1; i < arg_count; i++) {
            if (func__compare(&args[i], row, best, row) * sign > 0) {
                best = &args[i];
            }
        }
        memcpy((u8 *)out->values + row * bytes,
               (const u8 *)best->values + vec_index(best, row) * bytes, (size_t)bytes);
    }
}

static err bind_extreme(struct func_binding *b)
{
    const struct type *types[FUNC_ARGS_MAX];
    for (isize i = 0; i < b->count; i++) {
        types[i] = b->args[i].type;
    }
    const struct type *common = func_common_type(b->arena, types, b->count);
    if (common == NULL || common->kind >= TYPE_ARRAY || common->kind == TYPE_NULL) {
        return func__bind_error(b);
    }
    for (isize i = 0; i < b->count; i++) {
        b->out->arg_types[i] = common;
    }
    func__set_result(b, common);
    b->out->data = &operations[str_eq(str_of(b->def->name), STR("GREATEST")) ? GT : LT];
    return OK;
}

const struct func_def func__comparison[] = {
    {"=", NULL, "operator", "a = b", "aa>Z", FUNC_STRICT, NULL, bind_compare},
    {"<>", "!=", "operator", "a <> b", "aa>Z", FUNC_STRICT, NULL, bind_compare},
    {"<", NULL, "operator", "a < b", "aa>Z", FUNC_STRICT, NULL, bind_compare},
    {"<=", NULL, "operator", "a <= b", "aa>Z", FUNC_STRICT, NULL, bind_compare},
    {">", NULL, "operator", "a > b", "aa>Z", FUNC_STRICT, NULL, bind_compare},
    {">=", NULL, "operator", "a >= b", "aa>Z", FUNC_STRICT, NULL, bind_compare},
    {"IS DISTINCT FROM", NULL, "operator", "a IS DISTINCT FROM b", "aa>?", 0, NULL, bind_distinct},
    {"GREATEST", NULL, "condition", "GREATEST(a, ...)", "a*>?", FUNC_STRICT, extreme, bind_extreme},
    {"LEAST", NULL, "condition", "LEAST(a, ...)", "a*>?", FUNC_STRICT, extreme, bind_extreme},
    {0},
};
