/* func/math.c: arithmetic functions, random numbers, numbers in other bases. */
#include "func/func_int.h"

#include <math.h>

/* --- of one or two DOUBLEs -------------------------------------------------------------------- */

#define UNARY(name, expression)                    \
    KERNEL(name)                                   \
    {                                              \
        KERNEL_UNUSED();                           \
        FOR_SEL(sel, row)                          \
        {                                          \
            double x = ARG(double, &args[0], row); \
            VEC(double, out)[row] = (expression);  \
        }                                          \
    }
#define BINARY(name, expression)                                                   \
    KERNEL(name)                                                                   \
    {                                                                              \
        KERNEL_UNUSED();                                                           \
        FOR_SEL(sel, row)                                                          \
        {                                                                          \
            double x = ARG(double, &args[0], row), y = ARG(double, &args[1], row); \
            VEC(double, out)[row] = (expression);                                  \
        }                                                                          \
    }

static double quiet_nan(void)
{
    return (double)NAN;
}

UNARY(sqrt_of, x < 0 ? quiet_nan() : sqrt(x))
UNARY(ln_of, x < 0 ? quiet_nan() : log(x))
UNARY(log2_of, x < 0 ? quiet_nan() : log(x) / log(2))
UNARY(log10_of, x < 0 ? quiet_nan() : log10(x))
UNARY(exp_of, exp(x))
UNARY(sin_of, sin(x))
UNARY(cos_of, cos(x))
UNARY(tan_of, tan(x))
UNARY(cot_of, 1 / tan(x))
UNARY(sinh_of, sinh(x))
UNARY(cosh_of, cosh(x))
UNARY(tanh_of, tanh(x))
UNARY(asin_of, asin(x))
UNARY(acos_of, acos(x))
UNARY(atan_of, atan(x))
UNARY(degrees_of, x * 57.29577951308232)
UNARY(radians_of, x * 0.017453292519943295)
BINARY(power_of, pow(x, y))
BINARY(atan2_of, atan2(x, y))
BINARY(log_of, x < 0 || y < 0 ? quiet_nan() : log(y) / log(x))

KERNEL(pi_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        VEC(double, out)[row] = M_PI;
    }
}
KERNEL(e_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        VEC(double, out)[row] = M_E;
    }
}

/* --- ABS, SIGN -------------------------------------------------------------------------------- */

KERNEL(abs_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        if (out->type->kind == TYPE_DOUBLE) {
            VEC(double, out)[row] = fabs(ARG(double, &args[0], row));
        } else if (out->type->kind == TYPE_FLOAT) {
            VEC(float, out)[row] = fabsf(ARG(float, &args[0], row));
        } else if (out->type->kind == TYPE_DECIMAL) {
            i128 x = func__dec_at(&args[0], row);
            func__put_dec(ctx, out, row, x < 0 ? -x : x);
        } else {
            i64 x = func__int_at(&args[0], row);
            func__put_int(out, row, x < 0 ? (i64)(0 - (u64)x) : x);
        }
    }
}

KERNEL(sign_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        if (out->type->kind == TYPE_DOUBLE) {
            double x = ARG(double, &args[0], row);
            VEC(double, out)[row] = x > 0 ? 1 : x < 0 ? -1 : x;
        } else if (out->type->kind == TYPE_FLOAT) {
            float x = ARG(float, &args[0], row);
            VEC(float, out)[row] = x > 0 ? 1 : x < 0 ? -1 : x;
        } else if (out->type->kind == TYPE_DECIMAL) {
            i128 x = func__dec_at(&args[0], row);
            func__put_dec(ctx, out, row, ((x > 0) - (x < 0)) * func__pow10(out->type->scale));
        } else {
            i64 x = func__int_at(&args[0], row);
            func__put_int(out, row, (x > 0) - (x < 0));
        }
    }
}

/* --- ROUND, TRUNCATE -------------------------------------------------------------------------- */

static i128 magnitude(i128 x)
{
    return x < 0 ? -x : x;
}

/* HALF_UP, or towards zero, at 10^-digits; false when nothing is to be done. */
static bool round_at(i128 value, i32 scale, i32 digits, bool is_cut, i128 *out)
{
    if (digits >= scale) {
        return false;
    }
    if (scale - digits > 38) {
        *out = 0;
        return true;
    }
    i128 unit = func__pow10(scale - digits);
    i128 rest = value % unit;
    *out = value - rest;
    if (!is_cut && magnitude(rest) >= unit - magnitude(rest)) {
        *out += value < 0 ? -unit : unit;
    }
    return true;
}

static double round_real(double x, i32 digits, bool is_cut)
{
    u8 room[64];
    struct buf text = {.data = room, .capacity = (isize)sizeof room, .limit_bytes = sizeof room};
    i128 value = 0, rounded = 0;
    if (!isfinite(x) || digits > 30 || digits < -38 || fabs(x) >= 1e18) {
        return digits < -38 && isfinite(x) ? 0 : x;
    }
    /* On the shortest decimal text, as Java's BigDecimal.valueOf. */
    func__format_double(x, &text);
    if (fabs(x) < 1e-18 || !func__dec_parse(buf_str(&text), 19, &value)) {
        return digits > 18 ? x : 0;
    }
    if (digits >= 19 || !round_at(value, 19, digits, is_cut, &rounded)) {
        return x;
    }
    return func__dec_to_double(rounded, 19);
}

struct round_plan {
    bool is_cut;
};

KERNEL(round_of)
{
    KERNEL_UNUSED();
    bool is_cut = ((const struct round_plan *)data)->is_cut;
    i32 from = args[0].type->kind == TYPE_DECIMAL ? args[0].type->scale : 0;
    FOR_SEL(sel, row)
    {
        i32 digits = arg_count > 1 ? ARG(i32, &args[1], row) : 0;
        i128 rounded = 0;
        if (out->type->kind == TYPE_DOUBLE) {
            VEC(double, out)[row] = round_real(ARG(double, &args[0], row), digits, is_cut);
        } else if (out->type->kind == TYPE_FLOAT) {
            double x = (double)ARG(float, &args[0], row);
            VEC(float, out)[row] = (float)round_real(x, digits, is_cut);
        } else if (out->type->kind == TYPE_DECIMAL) {
            i128 x = func__dec_at(&args[0], row);
            x = round_at(x, from, digits, is_cut, &rounded) ? rounded : x;
            if (func__dec_rescale(x, from, out->type->scale, &x)) {
                func__put_dec(ctx, out, row, x);
            } else {
                func__put_null(ctx, out, row);
            }
        } else {
            i64 x = func__int_at(&args[0], row);
            func__put_int(out, row, round_at(x, 0, digits, is_cut, &rounded) ? (i64)rounded : x);
        }
    }
}

static err bind_round(struct func_binding *b)
{
    struct round_plan *plan = ARENA_NEW(b->arena, struct round_plan);
    plan->is_cut = b->def->name[0] == 'T';
    b->out->data = plan;
    const struct type *type = b->out->arg_types[0];
    bool is_known = b->count == 1 || (b->args[1].literal != NULL && !b->args[1].literal->is_null);
    if (type->kind == TYPE_DECIMAL && is_known) {
        i64 digits = b->count == 1 ? 0 : b->args[1].literal->u.integer;
        i32 p = type->precision, s = type->scale;
        if (digits < 0) {
            type = type_decimal(b->arena, MIN(38, 1 + p - s), 0);
        } else if (digits < s) {
            type = type_decimal(b->arena, 1 + p - s + (i32)digits, (i32)digits);
        }
    }
    func__set_result(b, type);
    return OK;
}

/* --- random ----------------------------------------------------------------------------------- */

/* One 64-bit number per (step, call): splitmix64 of the journalled seed and a running counter. */
static u64 next_random(struct func_ctx *ctx, u64 salt)
{
    u64 z = ctx->seed + salt * 0xD1342543DE82EF95ULL + ++ctx->random_next * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

KERNEL(rand_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        u64 salt = arg_count > 0 ? (u64)ARG(i32, &args[0], row) : 0;
        VEC(double, out)[row] = (double)(next_random(ctx, salt) >> 11) * 0x1p-53;
    }
}

KERNEL(rand_integer)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        u64 salt = arg_count > 1 ? (u64)ARG(i32, &args[0], row) : 0;
        i32 bound = ARG(i32, &args[arg_count - 1], row);
        if (bound <= 0) {
            func_fail(ctx, row, "bound must be positive");
        } else {
            u128 wide = (u128)next_random(ctx, salt) * (u32)bound;
            VEC(i32, out)[row] = (i32)(wide >> 64);
        }
    }
}

KERNEL(uuid_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        u64 high = (next_random(ctx, 1) & ~0xF000ULL) | 0x4000;
        u64 low = (next_random(ctx, 2) >> 2) | 0x8000000000000000ULL;
        func__put_text(out, row,
                       arena_printf(ctx->arena, "%08x-%04x-%04x-%04x-%012llx", (u32)(high >> 32),
                                    (u32)(high >> 16) & 0xFFFF, (u32)high & 0xFFFF,
                                    (u32)(low >> 48), (unsigned long long)(low & 0xFFFFFFFFFFFF)));
    }
}

static err bind_uuid(struct func_binding *b)
{
    b->out->result = func__not_null(b->arena, type_char(b->arena, TYPE_CHAR, 36));
    return OK;
}

/* --- BIN, HEX, UNHEX -------------------------------------------------------------------------- */

KERNEL(bin_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        u64 x = (u64)ARG(i64, &args[0], row);
        int bits = x == 0 ? 1 : 64 - __builtin_clzll(x);
        u8 *room = func__text_room(ctx, row, bits);
        if (room != NULL) {
            for (int i = 0; i < bits; i++) {
                room[i] = (u8)('0' + ((x >> (bits - 1 - i)) & 1));
            }
            func__put_text(out, row, str_from(room, bits));
        }
    }
}

static const char hex_digits[] = "0123456789ABCDEF";

KERNEL(hex_number)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        func__put_text(
            out, row,
            arena_printf(ctx->arena, "%llX", (unsigned long long)ARG(i64, &args[0], row)));
    }
}

KERNEL(hex_text)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, (i64)text.len * 2);
        for (isize i = 0; room != NULL && i < text.len; i++) {
            room[2 * i] = (u8)hex_digits[text.data[i] >> 4];
            room[2 * i + 1] = (u8)hex_digits[text.data[i] & 15];
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, text.len * 2));
        }
    }
}

static int hex_value(u8 c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* As Flink: of an odd number of digits the first is dropped, and a zero byte stands in front. */
static bool unhex(str text, u8 *out)
{
    isize n = 0, i = text.len % 2;
    if (i == 1) {
        out[n++] = 0;
    }
    for (; i < text.len; i += 2) {
        int high = hex_value(text.data[i]), low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[n++] = (u8)(high * 16 + low);
    }
    return true;
}

KERNEL(unhex_text)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, (text.len + 1) / 2);
        if (room != NULL && unhex(text, room)) {
            func__put_text(out, row, str_from(room, (text.len + 1) / 2));
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

/* HEX and LOG have two kernels by what they are given. */
static err bind_hex(struct func_binding *b)
{
    bool is_number = type_is_integer(b->out->arg_types[0]);
    b->out->kernel = is_number ? hex_number : hex_text;
    return OK;
}
static err bind_log(struct func_binding *b)
{
    b->out->kernel = b->count == 1 ? ln_of : log_of;
    return OK;
}

#define REAL(name, kernel)                                                          \
    {                                                                               \
        name, NULL, "arithmetic", name "(number)", "d>D", FUNC_STRICT, kernel, NULL \
    }

const struct func_def func__math[] = {
    REAL("SQRT", sqrt_of),
    REAL("LN", ln_of),
    {"LOG", NULL, "arithmetic", "LOG([base,] number)", "d>D;dd>D", FUNC_STRICT, NULL, bind_log},
    REAL("LOG2", log2_of),
    REAL("LOG10", log10_of),
    REAL("EXP", exp_of),
    REAL("SIN", sin_of),
    REAL("COS", cos_of),
    REAL("TAN", tan_of),
    REAL("COT", cot_of),
    REAL("SINH", sinh_of),
    REAL("COSH", cosh_of),
    REAL("TANH", tanh_of),
    REAL("ASIN", asin_of),
    REAL("ACOS", acos_of),
    REAL("ATAN", atan_of),
    REAL("DEGREES", degrees_of),
    REAL("RADIANS", radians_of),
    {"POWER", "POW", "arithmetic", "POWER(base, exponent)", "dd>D", FUNC_STRICT, power_of, NULL},
    {"ATAN2", NULL, "arithmetic", "ATAN2(y, x)", "dd>D", FUNC_STRICT, atan2_of, NULL},
    {"PI", NULL, "arithmetic", "PI()", ">D1", 0, pi_of, NULL},
    {"E", NULL, "arithmetic", "E()", ">D1", 0, e_of, NULL},
    {"ABS", NULL, "arithmetic", "ABS(number)", "n>0", FUNC_STRICT, abs_of, NULL},
    {"SIGN", NULL, "arithmetic", "SIGN(number)", "n>0", FUNC_STRICT, sign_of, NULL},
    {"ROUND", NULL, "arithmetic", "ROUND(number [, digits])", "n>?;ni>?", FUNC_STRICT, round_of,
     bind_round},
    {"TRUNCATE", NULL, "arithmetic", "TRUNCATE(number [, digits])", "n>?;ni>?", FUNC_STRICT,
     round_of, bind_round},
    {"RAND", NULL, "arithmetic", "RAND([seed])", ">D1;i>D1", FUNC_STRICT | FUNC_NON_DETERMINISTIC,
     rand_of, NULL},
    {"RAND_INTEGER", NULL, "arithmetic", "RAND_INTEGER([seed,] bound)", "i>I;ii>I",
     FUNC_STRICT | FUNC_NON_DETERMINISTIC | FUNC_MAY_FAIL, rand_integer, NULL},
    {"UUID", NULL, "arithmetic", "UUID()", ">?", FUNC_NON_DETERMINISTIC, uuid_of, bind_uuid},
    {"BIN", NULL, "arithmetic", "BIN(integer)", "l>S", FUNC_STRICT, bin_of, NULL},
    {"HEX", NULL, "arithmetic", "HEX(integer or text)", "l>S;s>S", FUNC_STRICT, NULL, bind_hex},
    {"UNHEX", NULL, "arithmetic", "UNHEX(text)", "s>B!", FUNC_STRICT, unhex_text, NULL},
    {0},
};
