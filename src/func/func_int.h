/*
 * func/func_int.h: shared by the files of this module only: the function table's
 * row, access to vector elements, decimal arithmetic, text and time helpers.
 */
#ifndef FUNC_FUNC_INT_H
#define FUNC_FUNC_INT_H

#include "func/func.h"

#include <locale.h>

enum {
    FUNC_TEXT_BYTES_MAX = 16 << 20, /* Longest text that one row of a function may make. */
    FUNC_ARGS_MAX = 255,
    FUNC_DEPTH_MAX = 64, /* Nesting of JSON texts and of types in casts. */
};

struct func_def;

/* One attempt to resolve a call; resolvers read args and fill out. */
struct func_binding {
    struct arena *arena;
    const struct func_def *def;
    const struct func_arg *args;
    isize count;
    struct func_bound
        *out; /* name, flags, arg_types (as the pattern says) are set before resolve. */
    struct diag *diag;
};
typedef err (*func_resolve_fn)(struct func_binding *b);

/*
 * A row of the table. `pattern` lists forms "args>result" separated by ';'. Argument letters:
 *   s CHAR, VARCHAR   b BINARY, VARBINARY   i TINYINT..INT   l any integer   d numeric, as DOUBLE
 *   n numeric         z BOOLEAN             D DATE           T TIMESTAMP(p)  L TIMESTAMP_LTZ(p)
 *   t TIME            A ARRAY               M MAP            a anything      x anything, as STRING
 *   Y INTERVAL YM     J INTERVAL DS         '*' after a letter: that one any number of times more
 * Result letters: S STRING, B BYTES, I INT, L BIGINT, D DOUBLE, Z BOOLEAN, E DATE, 0..9 type of
 * that argument, '?' set by resolve. A result followed by '!' is always nullable, by '1' never.
 */
struct func_def {
    const char *name;
    const char *aliases; /* Comma separated, or NULL. */
    const char *category;
    const char *signature; /* For people. */
    const char *pattern;
    u32 flags;
    func_kernel_fn kernel;
    func_resolve_fn resolve; /* NULL: pattern and kernel say all. */
};

/* The table's parts, one array per file, ended by a row without name. */
extern const struct func_def func__operators[];
extern const struct func_def func__comparison[];
extern const struct func_def func__math[];
extern const struct func_def func__text[];
extern const struct func_def func__search[];
extern const struct func_def func__regex[];
extern const struct func_def func__encode[];
extern const struct func_def func__time[];
extern const struct func_def func__time_steps[];
extern const struct func_def func__time_fields[];
extern const struct func_def func__clock[];
extern const struct func_def func__collection[];
extern const struct func_def func__json[];
extern const struct func_def func__misc[];

/* --- rows and elements ------------------------------------------------------------------------ */

#define FOR_SEL(sel, row)           \
    for (isize sel_i_ = 0, row = 0; \
         sel_i_ < (sel)->count && ((row = sel_row((sel), sel_i_)), true); sel_i_++)

#define KERNEL(name)                                                                 \
    static void name(struct func_ctx *ctx, const void *data, const struct vec *args, \
                     isize arg_count, const struct sel *sel, struct vec *out)
#define KERNEL_UNUSED()  \
    do {                 \
        (void)ctx;       \
        (void)data;      \
        (void)args;      \
        (void)arg_count; \
    } while (0)

/* Element of a possibly constant vector. */
#define ARG(ctype, vec, row) (((const ctype *)(vec)->values)[vec_index((vec), (row))])

static inline str func__text_at(const struct vec *vec, isize row)
{
    return strview_str(&((const struct strview *)vec->values)[vec_index(vec, row)]);
}
/* Stores text that lives at least as long as the batch (arena, input, or at most 12 bytes). */
static inline void func__put_text(struct vec *out, isize row, str text)
{
    VEC(struct strview, out)[row] = strview_of(text);
}
static inline void func__put_null(struct func_ctx *ctx, struct vec *out, isize row)
{
    vec_set_null(out, ctx->arena, row);
}
/* Room for a result text; NULL, with the row failed, above FUNC_TEXT_BYTES_MAX. */
u8 *func__text_room(struct func_ctx *ctx, isize row, i64 bytes);
/* Copies the buffer's text into the arena and stores it; fails the row when the buffer overflowed.
 */
void func__put_buf(struct func_ctx *ctx, struct vec *out, isize row, const struct buf *buf);

/* Any integer type as i64; FLOAT and DOUBLE as double. */
i64 func__int_at(const struct vec *vec, isize row);
double func__real_at(const struct vec *vec, isize row);
/* Stores in any integer type, DATE, TIME, TIMESTAMP(<= 6), interval; cuts high bits. */
void func__put_int(struct vec *out, isize row, i64 value);

/* Calls a bound function on one value (constants of one row); false when it failed or is NULL. */
bool func__apply(struct func_ctx *ctx, const struct func_bound *bound, const struct value *in,
                 isize row, struct value *out);

/* --- lists ------------------------------------------------------------------------------------ */

/* Items of one ARRAY (or keys and values of a MAP) under construction. */
struct func_list_builder {
    struct arena *arena;
    struct value *items;
    isize count, capacity;
};
void func__list_add(struct func_list_builder *list, struct value item);
void func__put_list(struct func_ctx *ctx, struct vec *out, isize row,
                    const struct func_list_builder *list);

/* --- binding ---------------------------------------------------------------------------------- */

err func__bind_error(const struct func_binding *b);
const struct type *func__not_null(struct arena *arena, const struct type *type);
bool func__any_nullable(const struct func_arg *args, isize count);
/* Result = `type`, nullable when any argument is. */
void func__set_result(struct func_binding *b, const struct type *type);

/* The type of FLOAT or DOUBLE with any other number. */
enum type_kind func__real_common(const struct type *a, const struct type *b);
err func__bind_time_arith(struct func_binding *b); /* "+" "-" "*" "/" with dates and intervals. */
void func__mod_narrow(struct func_ctx *ctx, const void *data, const struct vec *args,
                      isize arg_count, const struct sel *sel, struct vec *out);
/* Order of two elements of the same scalar type: -1, 0, 1; NaN above all, -0.0 equals 0.0. */
int func__compare(const struct vec *a, isize row_a, const struct vec *b, isize row_b);
int func__value_compare(const struct value *a, const struct value *b);
bool func__value_equal(const struct value *a, const struct value *b);
/* The literal text of argument i in capitals, or STR_EMPTY. */
str func__literal(const struct func_binding *b, isize i);

/* --- decimals --------------------------------------------------------------------------------- */

static inline bool func__is_wide(const struct type *type)
{
    return type->precision > 18;
}
static inline i128 func__dec_at(const struct vec *vec, isize row)
{
    return func__is_wide(vec->type) ? ARG(i128, vec, row) : (i128)ARG(i64, vec, row);
}
/* Stores, or NULL when the value has more digits than the type's precision. */
void func__put_dec(struct func_ctx *ctx, struct vec *out, isize row, i128 value);
i128 func__pow10(i32 exponent); /* 0 to 38. */
bool func__dec_fits(i128 value, i32 precision);
/* value * 10^(to - from), HALF_UP when digits go; false on overflow. */
bool func__dec_rescale(i128 value, i32 from, i32 to, i128 *out);
/* a * b / 10^drop, HALF_UP. */
bool func__dec_mul(i128 a, i128 b, i32 drop, i128 *out);
/* a * 10^shift / b, HALF_UP; b != 0. */
bool func__dec_div(i128 a, i128 b, i32 shift, i128 *out);
double func__dec_to_double(i128 value, i32 scale);
/* The shortest decimal text of the double, rounded HALF_UP to the scale; false on overflow, NaN. */
bool func__dec_from_double(double value, i32 precision, i32 scale, i128 *out);
void func__dec_format(i128 value, i32 scale, struct buf *out);
/* "1.5", "-1e3"; blanks around. False when malformed or too large for 38 digits. */
bool func__dec_parse(str text, i32 scale, i128 *out);
const struct type *func__dec_type(struct arena *arena, i32 precision, i32 scale);
/* Precision and scale of any exact numeric type, as Flink's: INT is DECIMAL(10, 0). */
void func__exact_shape(const struct type *type, i32 *precision, i32 *scale);

/* --- numbers as text (Java's Double.toString) ------------------------------------------------- */

void func__format_double(double value, struct buf *out);
void func__format_float(float value, struct buf *out);
bool func__parse_double(str text, double *out);

/* --- UTF-8 ------------------------------------------------------------------------------------ */

/* Bytes of the character that starts with this byte; 1 for stray bytes. */
static inline isize func__utf8_len(u8 lead)
{
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}
isize func__char_count(str text);
/* As UPPER and LOWER, in the context's arena. False: an error of the row. */
bool func__fold(struct func_ctx *ctx, isize row, str text, bool is_upper, str *out);
/* Byte offset of the character at `index` (clamped to the end). */
isize func__char_offset(str text, isize index);
locale_t func__unicode(void);   /* Unicode's letters and cases, whatever the user's locale. */
u32 func__utf8_take(str *rest); /* One code point; U+FFFD for bad bytes. */
isize func__utf8_put(u32 code, u8 *out); /* At most 4 bytes. */

/* --- time ------------------------------------------------------------------------------------- */

/* A point in time or on the local time line, in nanosecond precision. */
struct func_instant {
    i64 seconds;
    i32 nanos; /* 0 to 999999999 */
};
struct func_instant func__instant_at(const struct vec *vec, isize row); /* TIMESTAMP, LTZ, DATE. */
/* Cuts to the precision of out's type. */
void func__put_instant(struct vec *out, isize row, struct func_instant instant);
static inline struct func_instant func__instant_us(i64 us)
{
    i64 seconds = us >= 0 ? us / 1000000 : -((-us + 999999) / 1000000);
    return (struct func_instant){seconds, (i32)(us - seconds * 1000000) * 1000};
}
static inline i64 func__floor_div(i64 a, i64 b)
{
    i64 q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}
static inline i64 func__floor_mod(i64 a, i64 b)
{
    return a - func__floor_div(a, b) * b;
}
/* "yyyy-MM-dd HH:mm:ss[.fraction]", `digits` of fraction. */
void func__format_instant(struct func_instant local, i32 digits, struct buf *out);
void func__format_date(i64 days, struct buf *out);
void func__format_time(i32 ms_of_day, i32 digits, struct buf *out);
void func__format_interval_ym(i32 months, struct buf *out);
void func__format_interval_ds(i64 ms, struct buf *out);
/* Flink's lenient text forms; false when malformed. */
bool func__parse_date(str text, i64 *days_out);
bool func__parse_time(str text, i32 *ms_out);
/* "yyyy-M-d[ H:m:s[.fraction]]": -1 when it is one, else the byte where it stops being one (at
 * least 8: after the date). Days 29 to 31 are cut to the month's length, 24:00:00 is next day. */
isize func__scan_instant(str text, struct func_instant *local_out);

struct func_zone; /* Immutable, shared, never freed. */
/* NULL when there is no such zone. "UTC", "GMT+08:00", "+02:00" and IANA names. */
const struct func_zone *func__zone(const char *name);
const struct func_zone *func__zone_str(str name);
struct func_instant func__zone_to_local(const struct func_zone *zone, struct func_instant utc);
/* As java.time: a gap moves forward by its length, an overlap takes the earlier offset. */
struct func_instant func__zone_to_utc(const struct func_zone *zone, struct func_instant local);
/* As java.util.Calendar, which UNIX_TIMESTAMP and CONVERT_TZ use: an overlap takes the later one.
 */
struct func_instant func__zone_to_utc_late(const struct func_zone *zone, struct func_instant local);
const struct func_zone *func__ctx_zone(const struct func_ctx *ctx);

/* Patterns of java.time.DateTimeFormatter. */
struct func_timefmt;
/* NULL with a message in *error_out when the pattern is not valid. */
const struct func_timefmt *func__timefmt(struct arena *arena, str pattern, const char **error_out);
void func__timefmt_print(const struct func_timefmt *fmt, struct func_instant local,
                         struct buf *out);
bool func__timefmt_parse(const struct func_timefmt *fmt, str text, struct func_instant *out);

/* Text of CAST(value AS STRING). */
void func__cast_text(const struct value *value, const struct func_zone *zone, struct buf *out);

#endif
