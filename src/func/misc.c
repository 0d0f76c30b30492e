/* func/misc.c: TYPEOF, and PRINTF in the manner of java.util.Formatter. */
#include "func/func_int.h"

#include <math.h>
#include <stdio.h>

/* --- TYPEOF ----------------------------------------------------------------------------------- */

KERNEL(type_of_arg)
{
    KERNEL_UNUSED();
    const str *text = data;
    FOR_SEL(sel, row)
    {
        func__put_text(out, row, *text);
    }
}

static err bind_typeof(struct func_binding *b)
{
    struct buf buf;
    buf_init(&buf, 65536);
    type_format(b->args[0].type, &buf);
    str *text = ARENA_NEW(b->arena, str);
    *text = arena_copy(b->arena, buf_str(&buf));
    buf_deinit(&buf);
    b->out->data = text;
    return OK;
}

/* --- PRINTF ----------------------------------------------------------------------------------- */

enum { WIDTH_MAX = 10000, PRECISION_MAX = 300 };

struct spec {
    i64 index; /* 1-based argument, 0 = the next one. */
    bool is_left, has_plus, has_space, has_zero, has_comma, has_paren, has_hash;
    bool is_upper;        /* %S: what %s gives, in capitals. */
    i32 width, precision; /* -1: none. */
    u8 letter;
};

static i64 take_int(str format, isize *at)
{
    i64 value = 0;
    while (*at < format.len && (u8)(format.data[*at] - '0') < 10) {
        value = value * 10 + (format.data[(*at)++] - '0');
        value = MIN(value, 1000000);
    }
    return value;
}

static bool take_flag(struct spec *spec, u8 c)
{
    bool *const flags[] = {&spec->is_left,   &spec->has_plus,  &spec->has_space, &spec->has_zero,
                           &spec->has_comma, &spec->has_paren, &spec->has_hash};
    static const char letters[] = "-+ 0,(#";
    const char *at = c == 0 ? NULL : strchr(letters, c);
    if (at != NULL) {
        *flags[at - letters] = true;
    }
    return at != NULL;
}

/* *at stands behind the '%'. */
static bool take_spec(str format, isize *at, struct spec *spec)
{
    *spec = (struct spec){.width = -1, .precision = -1};
    isize start = *at;
    i64 number = take_int(format, at);
    if (*at > start && *at < format.len && format.data[*at] == '$') {
        spec->index = number;
        (*at)++;
    } else {
        *at = start;
    }
    while (*at < format.len && take_flag(spec, format.data[*at])) {
        (*at)++;
    }
    if (*at < format.len && (u8)(format.data[*at] - '0') < 10) {
        spec->width = (i32)take_int(format, at);
    }
    if (*at < format.len && format.data[*at] == '.') {
        (*at)++;
        spec->precision = (i32)take_int(format, at);
    }
    if (*at >= format.len || spec->width > WIDTH_MAX || spec->precision > PRECISION_MAX) {
        return false;
    }
    u8 letter = format.data[(*at)++];
    spec->is_upper = letter != 0 && strchr("SBCXEG", letter) != NULL;
    spec->letter = spec->is_upper ? letter | 32 : letter;
    bool takes_hash = spec->letter == 'x' || spec->letter == 'o';
    return takes_hash || !spec->has_hash;
}

/* "1234567.5" -> "1,234,567.5" */
static void put_grouped(struct buf *out, str digits)
{
    isize whole = str_find_byte(digits, '.', 0);
    whole = whole < 0 ? digits.len : whole;
    for (isize i = 0; i < digits.len; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0) {
            buf_append_byte(out, ',');
        }
        buf_append_byte(out, digits.data[i]);
    }
}

static void put_signed(struct buf *out, const struct spec *spec, bool is_negative, str digits)
{
    struct buf body;
    buf_init(&body, 0);
    if (spec->has_comma) {
        put_grouped(&body, digits);
    } else {
        buf_append(&body, digits);
    }
    isize sign = is_negative || spec->has_plus || spec->has_space;
    isize fill = spec->has_zero ? MAX(spec->width - sign - body.len, 0) : 0;
    bool has_paren = is_negative && spec->has_paren;
    if (sign > 0) {
        buf_append_byte(out, has_paren ? '(' : is_negative ? '-' : spec->has_plus ? '+' : ' ');
    }
    buf_append_fill(out, '0', has_paren ? MAX(fill - 1, 0) : fill);
    buf_append(out, buf_str(&body));
    if (has_paren) {
        buf_append_byte(out, ')');
    }
    buf_deinit(&body);
}

static bool put_integer(struct buf *out, const struct spec *spec, const struct value *value)
{
    if (!type_is_integer(value->type)) {
        return false;
    }
    i64 x = value->u.integer;
    char text[32];
    if (spec->letter == 'd') {
        u64 size = x < 0 ? 0 - (u64)x : (u64)x;
        snprintf(text, sizeof text, "%llu", (unsigned long long)size);
        put_signed(out, spec, x < 0, str_of(text));
        return true;
    }
    static const u64 masks[] = {0xFF, 0xFFFF, 0xFFFFFFFF, ~(u64)0};
    unsigned long long bits = (u64)x & masks[value->type->kind - TYPE_TINYINT];
    if (spec->letter == 'o') {
        snprintf(text, sizeof text, "%s%llo", spec->has_hash ? "0" : "", bits);
    } else {
        snprintf(text, sizeof text, "%s%llx", spec->has_hash ? "0x" : "", bits);
    }
    put_signed(out, spec, false, str_of(text));
    return true;
}

/* %g: `precision` digits, as %f while they show the value, else as %e. */
static void spec_of_general(double x, i32 precision, struct spec *spec)
{
    char text[48];
    i64 exponent = 0;
    precision = MIN(MAX(precision, 1), 17);
    int length = snprintf(text, sizeof text, "%.*e", precision - 1, x);
    str digits = str_from(text, length);
    isize at = str_find_byte(digits, 'e', 0);
    IGNORE(str_to_i64(str_slice(digits, at + (text[at + 1] == '+' ? 2 : 1), digits.len),
                      &exponent) != OK); /* printf wrote it. */
    bool is_plain = exponent >= -4 && exponent < precision;
    spec->letter = is_plain ? 'f' : 'e';
    spec->precision = precision - 1 - (is_plain ? (i32)exponent : 0);
}

static bool put_real(struct buf *out, const struct spec *spec, const struct value *value)
{
    const struct type *type = value->type;
    bool is_real = type->kind == TYPE_DOUBLE || type->kind == TYPE_FLOAT;
    if (!is_real && type->kind != TYPE_DECIMAL) {
        return false;
    }
    double x =
        is_real ? value->u.real
                : func__dec_to_double(func__is_wide(type) ? value->u.wide : (i128)value->u.integer,
                                      type->scale);
    i32 precision = spec->precision < 0 ? 6 : spec->precision;
    i128 exact = 0;
    char text[700];
    struct spec general = *spec;
    if (spec->letter == 'g' && isfinite(x)) {
        spec_of_general(fabs(x), precision, &general);
        spec = &general;
        precision = general.precision;
    }
    if (!isfinite(x)) {
        put_signed(out, spec, x < 0, x != x ? STR("NaN") : STR("Infinity"));
        return true;
    }
    bool is_short = spec->letter == 'f' && precision <= 18 && fabs(x) < 1e15;
    if (is_short && func__dec_from_double(fabs(x), 38, precision, &exact)) {
        struct buf digits = {
            .data = (u8 *)text, .capacity = (isize)sizeof text, .limit_bytes = (isize)sizeof text};
        func__dec_format(exact, precision, &digits);
        put_signed(out, spec, signbit(x) != 0, buf_str(&digits));
        return true;
    }
    snprintf(text, sizeof text, spec->letter == 'f' ? "%.*f" : "%.*e", precision, fabs(x));
    put_signed(out, spec, signbit(x) != 0, str_of(text));
    return true;
}

static bool put_spec(struct buf *out, const struct spec *spec, const struct value *value)
{
    if (value->is_null) {
        buf_append(out, STR("null"));
        return true;
    }
    switch (spec->letter) {
    case 'd':
    case 'x':
    case 'o':
        return put_integer(out, spec, value);
    case 'f':
    case 'e':
    case 'g':
        return put_real(out, spec, value);
    case 'b':
        buf_append(out, value->type->kind != TYPE_BOOLEAN || value->u.boolean ? STR("true")
                                                                              : STR("false"));
        return true;
    case 's':
        if (value->type->kind == TYPE_BOOLEAN) {
            buf_append(out, value->u.boolean ? STR("true") : STR("false"));
        } else {
            func__cast_text(value, func__zone("UTC"), out);
        }
        return true;
    case 'c':
        if (!type_is_integer(value->type) || value->u.integer < 0 || value->u.integer > 0x10FFFF) {
            return false;
        }
        u8 room[4];
        buf_append_bytes(out, room, func__utf8_put((u32)value->u.integer, room));
        return true;
    default:
        return false;
    }
}

static void put_padded(struct buf *out, const struct spec *spec, str text)
{
    bool is_cut = spec->letter == 's' || spec->letter == 'b';
    if (is_cut && spec->precision >= 0) {
        text = str_slice(text, 0, func__char_offset(text, spec->precision));
    }
    isize fill = MAX(spec->width - func__char_count(text), 0);
    buf_append_fill(out, ' ', spec->is_left ? 0 : fill);
    buf_append(out, text);
    buf_append_fill(out, ' ', spec->is_left ? fill : 0);
}

/* False: the format does not fit the arguments. */
static bool print_row(struct func_ctx *ctx, const struct vec *args, isize arg_count, isize row,
                      struct buf *out)
{
    str format = func__text_at(&args[0], row);
    isize next = 1;
    struct buf piece;
    buf_init(&piece, FUNC_TEXT_BYTES_MAX);
    bool ok = true;
    for (isize at = 0; ok && at < format.len;) {
        isize percent = str_find_byte(format, '%', at);
        buf_append(out, str_slice(format, at, percent < 0 ? format.len : percent));
        if (percent < 0) {
            break;
        }
        at = percent + 1;
        struct spec spec;
        ok = take_spec(format, &at, &spec);
        buf_reset(&piece);
        if (ok && (spec.letter == '%' || spec.letter == 'n')) {
            buf_append_byte(&piece, spec.letter == '%' ? '%' : '\n');
        } else if (ok) {
            isize index = spec.index > 0 ? (isize)spec.index : next++;
            struct value value;
            ok = index < arg_count;
            if (ok) {
                vec_get(&args[index], row, ctx->arena, &value);
                ok = put_spec(&piece, &spec, &value);
            }
        }
        str text = buf_str(&piece);
        ok = ok && (!spec.is_upper || func__fold(ctx, row, text, true, &text));
        put_padded(out, &spec, text);
    }
    buf_deinit(&piece);
    return ok;
}

KERNEL(printf_of)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        buf_reset(&buf);
        if (vec_is_valid(&args[0], row) && print_row(ctx, args, arg_count, row, &buf)) {
            func__put_buf(ctx, out, row, &buf);
        } else {
            func__put_null(ctx, out, row);
        }
    }
    buf_deinit(&buf);
}

const struct func_def func__misc[] = {
    {"TYPEOF", NULL, "conversion", "TYPEOF(value [, full])", "a>S1;az>S1", 0, type_of_arg,
     bind_typeof},
    {"PRINTF", NULL, "string", "PRINTF(format, value, ...)", "sa*>S!;s>S!", 0, printf_of, NULL},
    {0},
};
