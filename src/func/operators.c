/*
 * func/operators.c: + - * / % and their types. Integers wrap (computed unsigned); integer division
 * by zero fails the row; DECIMAL overflow gives NULL. Time arithmetic is in time_arith.c.
 */
#include "func/func_int.h"

#include <math.h>

/* --- fixed-width kernels ---------------------------------------------------------------------- */

#define LOOP(ctype, expression)                                             \
    do {                                                                    \
        const ctype *a = args[0].values;                                    \
        const ctype *b = args[1].values;                                    \
        ctype *r = out->values;                                             \
        isize sa = args[0].is_const ? 0 : 1, sb = args[1].is_const ? 0 : 1; \
        if (sel->rows == NULL && sa == 1 && sb == 0) {                      \
            ctype y = b[0];                                                 \
            for (isize i = 0; i < sel->count; i++) {                        \
                ctype x = a[i];                                             \
                r[i] = (ctype)(expression);                                 \
            }                                                               \
        } else if (sel->rows == NULL && sa == 1) {                          \
            for (isize i = 0; i < sel->count; i++) {                        \
                ctype x = a[i], y = b[i];                                   \
                r[i] = (ctype)(expression);                                 \
            }                                                               \
        } else {                                                            \
            FOR_SEL(sel, row)                                               \
            {                                                               \
                ctype x = a[row * sa], y = b[row * sb];                     \
                r[row] = (ctype)(expression);                               \
            }                                                               \
        }                                                                   \
    } while (0)

#define ARITH(suffix, ctype, wide)      \
    KERNEL(add_##suffix)                \
    {                                   \
        KERNEL_UNUSED();                \
        LOOP(ctype, (wide)x + (wide)y); \
    }                                   \
    KERNEL(sub_##suffix)                \
    {                                   \
        KERNEL_UNUSED();                \
        LOOP(ctype, (wide)x - (wide)y); \
    }                                   \
    KERNEL(mul_##suffix)                \
    {                                   \
        KERNEL_UNUSED();                \
        LOOP(ctype, (wide)x *(wide)y);  \
    }

ARITH(i8, i8, u32)
ARITH(i16, i16, u32)
ARITH(i32, i32, u32)
ARITH(i64, i64, u64)
ARITH(f32, float, float)
ARITH(f64, double, double)

#define DIVIDE(suffix, ctype)                                                          \
    KERNEL(div_##suffix)                                                               \
    {                                                                                  \
        KERNEL_UNUSED();                                                               \
        FOR_SEL(sel, row)                                                              \
        {                                                                              \
            ctype x = ARG(ctype, &args[0], row), y = ARG(ctype, &args[1], row);        \
            if (y == 0) {                                                              \
                func_fail(ctx, row, "/ by zero");                                      \
            } else {                                                                   \
                VEC(ctype, out)[row] = (ctype)(y == -1 ? (ctype)(0 - (u64)x) : x / y); \
            }                                                                          \
        }                                                                              \
    }                                                                                  \
    KERNEL(mod_##suffix)                                                               \
    {                                                                                  \
        KERNEL_UNUSED();                                                               \
        FOR_SEL(sel, row)                                                              \
        {                                                                              \
            ctype x = ARG(ctype, &args[0], row), y = ARG(ctype, &args[1], row);        \
            if (y == 0) {                                                              \
                func_fail(ctx, row, "/ by zero");                                      \
            } else {                                                                   \
                VEC(ctype, out)[row] = (ctype)(y == -1 ? 0 : x % y);                   \
            }                                                                          \
        }                                                                              \
    }

DIVIDE(i8, i8)
DIVIDE(i16, i16)
DIVIDE(i32, i32)
DIVIDE(i64, i64)

KERNEL(div_f32)
{
    KERNEL_UNUSED();
    LOOP(float, x / y);
}
KERNEL(div_f64)
{
    KERNEL_UNUSED();
    LOOP(double, x / y);
}

/* --- decimals --------------------------------------------------------------------------------- */

static void dec_sum(struct func_ctx *ctx, const struct vec *args, const struct sel *sel, int sign,
                    struct vec *out)
{
    /* Align to the larger input scale, then to the result's (smaller only at 38 digits). */
    i32 s0 = args[0].type->scale, s1 = args[1].type->scale, s = MAX(s0, s1);
    FOR_SEL(sel, row)
    {
        i128 a = 0, b = 0, sum = 0;
        bool fits = func__dec_rescale(func__dec_at(&args[0], row), s0, s, &a) &&
                    func__dec_rescale(func__dec_at(&args[1], row), s1, s, &b) &&
                    !__builtin_add_overflow(a, sign < 0 ? -b : b, &sum) &&
                    func__dec_rescale(sum, s, out->type->scale, &sum);
        if (fits) {
            func__put_dec(ctx, out, row, sum);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(dec_add)
{
    KERNEL_UNUSED();
    dec_sum(ctx, args, sel, 1, out);
}
KERNEL(dec_sub)
{
    KERNEL_UNUSED();
    dec_sum(ctx, args, sel, -1, out);
}

KERNEL(dec_mul)
{
    KERNEL_UNUSED();
    i32 drop = args[0].type->scale + args[1].type->scale - out->type->scale;
    FOR_SEL(sel, row)
    {
        i128 product = 0;
        if (func__dec_mul(func__dec_at(&args[0], row), func__dec_at(&args[1], row), drop,
                          &product)) {
            func__put_dec(ctx, out, row, product);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(dec_div)
{
    KERNEL_UNUSED();
    i32 shift = out->type->scale + args[1].type->scale - args[0].type->scale;
    FOR_SEL(sel, row)
    {
        i128 a = func__dec_at(&args[0], row), b = func__dec_at(&args[1], row), q = 0;
        if (b == 0) {
            func_fail(ctx, row, a == 0 ? "Division undefined" : "Division by zero");
        } else if (func__dec_div(a, b, shift, &q)) {
            func__put_dec(ctx, out, row, q);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(dec_mod)
{
    KERNEL_UNUSED();
    i32 s0 = args[0].type->scale, s1 = args[1].type->scale, s = MAX(s0, s1);
    FOR_SEL(sel, row)
    {
        i128 a = 0, b = 0, rest = 0;
        if (!func__dec_rescale(func__dec_at(&args[0], row), s0, s, &a) ||
            !func__dec_rescale(func__dec_at(&args[1], row), s1, s, &b)) {
            func__put_null(ctx, out, row);
        } else if (b == 0) {
            func_fail(ctx, row, "Division by zero");
        } else if (func__dec_rescale(a % b, s, out->type->scale, &rest)) {
            func__put_dec(ctx, out, row, rest);
        }
    }
}

/* --- types ------------------------------------------------------------------------------------ */

enum arith { ADD, SUB, MUL, DIV, MOD };

static func_kernel_fn number_kernel(enum arith op, enum type_kind kind)
{
    static const func_kernel_fn kernels[][6] = {
        [ADD] = {add_i8, add_i16, add_i32, add_i64, add_f32, add_f64},
        [SUB] = {sub_i8, sub_i16, sub_i32, sub_i64, sub_f32, sub_f64},
        [MUL] = {mul_i8, mul_i16, mul_i32, mul_i64, mul_f32, mul_f64},
        [DIV] = {div_i8, div_i16, div_i32, div_i64, div_f32, div_f64},
        [MOD] = {mod_i8, mod_i16, mod_i32, mod_i64, NULL, NULL},
    };
    CHECK(kind >= TYPE_TINYINT && kind <= TYPE_DOUBLE);
    return kernels[op][kind - TYPE_TINYINT];
}

static const struct type *dec_result(struct arena *arena, enum arith op, const struct type *a,
                                     const struct type *b)
{
    i32 p1 = 0, s1 = 0, p2 = 0, s2 = 0;
    func__exact_shape(a, &p1, &s1);
    func__exact_shape(b, &p2, &s2);
    i32 s = MAX(s1, s2);
    switch ((int)op) {
    case MUL:
        return func__dec_type(arena, p1 + p2 + 1, s1 + s2);
    case DIV:
        s = MAX(6, s1 + p2 + 1);
        return func__dec_type(arena, p1 - s1 + s2 + s, s);
    case MOD:
        return func__dec_type(arena, MIN(p1 - s1, p2 - s2) + s, s);
    case ADD:
    case SUB:
        break;
    }
    return func__dec_type(arena, MAX(p1 - s1, p2 - s2) + s + 1, s);
}

static err bind_decimal(struct func_binding *b, enum arith op)
{
    static const func_kernel_fn kernels[] = {
        [ADD] = dec_add, [SUB] = dec_sub, [MUL] = dec_mul, [DIV] = dec_div, [MOD] = dec_mod};
    for (isize i = 0; i < 2; i++) {
        i32 p = 0, s = 0;
        const struct type *type = b->out->arg_types[i];
        func__exact_shape(type, &p, &s);
        if (type->kind != TYPE_DECIMAL) {
            b->out->arg_types[i] = type_decimal(b->arena, p, s);
        }
    }
    func__set_result(b, dec_result(b->arena, op, b->out->arg_types[0], b->out->arg_types[1]));
    if (op <= MUL) {
        b->out->result = type_with_null(b->arena, b->out->result, true);
    }
    b->out->kernel = kernels[op];
    return OK;
}

static err bind_numbers(struct func_binding *b, enum arith op)
{
    const struct type *x = b->out->arg_types[0], *y = b->out->arg_types[1];
    bool is_exact = (type_is_integer(x) || x->kind == TYPE_DECIMAL) &&
                    (type_is_integer(y) || y->kind == TYPE_DECIMAL);
    if (op == MOD && !is_exact) {
        return func__bind_error(b);
    }
    if (is_exact && (x->kind == TYPE_DECIMAL || y->kind == TYPE_DECIMAL)) {
        return bind_decimal(b, op);
    }
    enum type_kind kind = MAX(x->kind, y->kind);
    if (!is_exact) {
        kind = func__real_common(x, y);
    }
    b->out->arg_types[0] = b->out->arg_types[1] = type_of(kind);
    func__set_result(b, type_of(kind));
    b->out->kernel = number_kernel(op, kind);
    return OK;
}

static bool is_time(const struct type *type)
{
    return type->kind >= TYPE_DATE && type->kind <= TYPE_INTERVAL_DS;
}

static err bind_arith(struct func_binding *b, enum arith op)
{
    if (is_time(b->args[0].type) || is_time(b->args[1].type)) {
        return func__bind_time_arith(b);
    }
    for (isize i = 0; i < 2; i++) {
        const struct type *type = b->args[i].type;
        const struct type *other = b->args[1 - i].type;
        if (type->kind == TYPE_NULL) {
            b->out->arg_types[i] = type_is_numeric(other) ? other : type_of(TYPE_INT);
        } else if (type_is_string(type) && type_is_numeric(other)) {
            /* As Flink: the text is read as a DOUBLE next to a number. */
            b->out->arg_types[i] = type_of(TYPE_DOUBLE);
        } else if (!type_is_numeric(type)) {
            return func__bind_error(b);
        }
    }
    return bind_numbers(b, op);
}

static err bind_add(struct func_binding *b)
{
    return bind_arith(b, ADD);
}
static err bind_mul(struct func_binding *b)
{
    return bind_arith(b, MUL);
}
static err bind_div(struct func_binding *b)
{
    return bind_arith(b, DIV);
}
static err bind_mod(struct func_binding *b)
{
    return bind_arith(b, MOD);
}

/* Both arguments are promoted to the wider type; the result is narrower. */
/* MOD(a, b) of integers has the second argument's type. */
static err bind_mod_call(struct func_binding *b)
{
    TRY(bind_arith(b, MOD));
    if (type_is_integer(b->args[0].type) && type_is_integer(b->args[1].type)) {
        b->out->result =
            type_with_null(b->arena, type_of(b->args[1].type->kind), b->out->result->is_nullable);
        b->out->kernel = func__mod_narrow;
    }
    return OK;
}

void func__mod_narrow(struct func_ctx *ctx, const void *data, const struct vec *args,
                      isize arg_count, const struct sel *sel, struct vec *out)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        i64 x = func__int_at(&args[0], row), y = func__int_at(&args[1], row);
        if (y == 0) {
            func_fail(ctx, row, "/ by zero");
        } else {
            func__put_int(out, row, y == -1 ? 0 : x % y);
        }
    }
}

/* --- unary minus ------------------------------------------------------------------------------ */

KERNEL(negate)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        switch ((int)out->type->kind) {
        case TYPE_FLOAT:
            VEC(float, out)[row] = -ARG(float, &args[0], row);
            break;
        case TYPE_DOUBLE:
            VEC(double, out)[row] = -ARG(double, &args[0], row);
            break;
        case TYPE_DECIMAL:
            func__put_dec(ctx, out, row, -func__dec_at(&args[0], row));
            break;
        default:
            func__put_int(out, row, (i64)(0 - (u64)func__int_at(&args[0], row)));
            break;
        }
    }
}

static err bind_sub(struct func_binding *b)
{
    if (b->count == 2) {
        return bind_arith(b, SUB);
    }
    const struct type *type = b->args[0].type;
    bool is_interval = type->kind == TYPE_INTERVAL_DS || type->kind == TYPE_INTERVAL_YM;
    if (!type_is_numeric(type) && !is_interval) {
        return func__bind_error(b);
    }
    func__set_result(b, type);
    b->out->kernel = negate;
    return OK;
}

/* --- || --------------------------------------------------------------------------------------- */

KERNEL(concat_operator)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str a = func__text_at(&args[0], row), b = func__text_at(&args[1], row);
        u8 *room = func__text_room(ctx, row, (i64)a.len + b.len);
        if (room != NULL) {
            memcpy(room, a.data, (size_t)a.len);
            memcpy(room + a.len, b.data, (size_t)b.len);
            func__put_text(out, row, str_from(room, a.len + b.len));
        }
    }
}

static err bind_concat(struct func_binding *b)
{
    const struct type *x = b->out->arg_types[0], *y = b->out->arg_types[1];
    i64 length = (i64)x->length + y->length;
    bool is_char = (x->kind == TYPE_CHAR && y->kind == TYPE_CHAR) ||
                   (x->kind == TYPE_BINARY && y->kind == TYPE_BINARY);
    enum type_kind kind = type_is_string(x) ? (is_char ? TYPE_CHAR : TYPE_VARCHAR)
                                            : (is_char ? TYPE_BINARY : TYPE_VARBINARY);
    func__set_result(b, type_char(b->arena, kind, (i32)MIN(length, TYPE_LENGTH_MAX)));
    return OK;
}

const struct func_def func__operators[] = {
    {"+", NULL, "operator", "a + b", "aa>?", FUNC_STRICT, NULL, bind_add},
    {"-", NULL, "operator", "a - b, -a", "aa>?;a>?", FUNC_STRICT, NULL, bind_sub},
    {"*", NULL, "operator", "a * b", "aa>?", FUNC_STRICT, NULL, bind_mul},
    {"/", NULL, "operator", "a / b", "aa>?", FUNC_STRICT | FUNC_MAY_FAIL, NULL, bind_div},
    {"%", NULL, "operator", "a % b", "aa>?", FUNC_STRICT | FUNC_MAY_FAIL, NULL, bind_mod},
    {"MOD", NULL, "arithmetic", "MOD(a, b)", "aa>?", FUNC_STRICT | FUNC_MAY_FAIL, NULL,
     bind_mod_call},
    {"||", NULL, "operator", "a || b", "ss>?;bb>?", FUNC_STRICT, concat_operator, bind_concat},
    {0},
};
