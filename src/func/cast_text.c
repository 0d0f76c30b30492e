/* func/cast_text.c: casts to and from text and bytes. */
#include "func/cast_int.h"

#include <stdlib.h>

/* --- to text ---------------------------------------------------------------------------------- */

static struct func_instant value_instant(const struct value *value)
{
    if (value->type->precision > 6) {
        i64 seconds = func__floor_div(value->u.stamp.ms, 1000);
        i32 ms = (i32)(value->u.stamp.ms - seconds * 1000);
        return (struct func_instant){seconds, ms * 1000000 + value->u.stamp.nanos};
    }
    return func__instant_us(value->u.integer);
}

static void put_parts(const struct value *value, const struct func_zone *zone, struct buf *out)
{
    enum type_kind kind = value->type->kind;
    bool is_map = kind == TYPE_MAP || kind == TYPE_MULTISET;
    const char *brackets = kind == TYPE_ARRAY ? "[]" : is_map ? "{}" : "()";
    buf_append_byte(out, (u8)brackets[0]);
    for (isize i = 0; i < value->u.list.count; i++) {
        if (i > 0) {
            buf_append(out, is_map && i % 2 == 1 ? STR("=") : STR(", "));
        }
        func__cast_text(&value->u.list.items[i], zone, out);
    }
    buf_append_byte(out, (u8)brackets[1]);
}

static void put_scalar(const struct value *value, const struct func_zone *zone, struct buf *out)
{
    const struct type *type = value->type;
    switch ((int)type->kind) {
    case TYPE_BOOLEAN:
        buf_append(out, value->u.boolean ? STR("TRUE") : STR("FALSE"));
        break;
    case TYPE_FLOAT:
        func__format_float((float)value->u.real, out);
        break;
    case TYPE_DOUBLE:
        func__format_double(value->u.real, out);
        break;
    case TYPE_DECIMAL:
        func__dec_format(func__is_wide(type) ? value->u.wide : (i128)value->u.integer, type->scale,
                         out);
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        buf_append(out, value->u.text);
        break;
    case TYPE_DATE:
        func__format_date(value->u.integer, out);
        break;
    case TYPE_TIME:
        func__format_time((i32)value->u.integer, type->precision, out);
        break;
    case TYPE_TIMESTAMP:
        func__format_instant(value_instant(value), type->precision, out);
        break;
    case TYPE_TIMESTAMP_LTZ:
        func__format_instant(func__zone_to_local(zone, value_instant(value)), type->precision, out);
        break;
    case TYPE_INTERVAL_YM:
        func__format_interval_ym((i32)value->u.integer, out);
        break;
    case TYPE_INTERVAL_DS:
        func__format_interval_ds(value->u.integer, out);
        break;
    default:
        buf_append_i64(out, value->u.integer);
        break;
    }
}

void func__cast_text(const struct value *value, const struct func_zone *zone, struct buf *out)
{
    if (value->is_null || value->type->kind == TYPE_NULL) {
        buf_append(out, STR("NULL"));
    } else if (value->type->kind >= TYPE_ARRAY) {
        put_parts(value, zone, out); /* Depth is bounded by that of the type. */
    } else {
        put_scalar(value, zone, out);
    }
}

/* Cuts to the type's length; CHAR is padded with blanks. */
static void put_fitted(struct func_ctx *ctx, struct vec *out, isize row, str text, bool is_owned)
{
    i32 length = out->type->length;
    isize chars =
        text.len <= length && out->type->kind == TYPE_VARCHAR ? 0 : func__char_count(text);
    if (chars > length) {
        text = str_slice(text, 0, func__char_offset(text, length));
        chars = length;
    }
    bool is_padded = out->type->kind == TYPE_CHAR && chars < length;
    if (!is_padded && is_owned) {
        func__put_text(out, row, text);
        return;
    }
    isize pad = is_padded ? length - chars : 0;
    u8 *room = func__text_room(ctx, row, (i64)text.len + pad);
    if (room == NULL) {
        return;
    }
    if (text.len > 0) {
        memcpy(room, text.data, (size_t)text.len);
    }
    memset(room + text.len, ' ', (size_t)pad);
    func__put_text(out, row, str_from(room, text.len + pad));
}

/* Bad UTF-8 becomes U+FFFD, as Java's decoder does. */
static void put_repaired(str text, struct buf *out)
{
    for (isize i = 0; i < text.len;) {
        isize len = MIN(func__utf8_len(text.data[i]), text.len - i);
        str one = str_from(text.data + i, len);
        if (str_is_utf8(one)) {
            buf_append(out, one);
            i += len;
        } else {
            buf_append(out, STR("\xEF\xBF\xBD"));
            i++;
        }
    }
}

DECLARE_KERNEL(func__cast_to_text)
{
    KERNEL_UNUSED();
    const struct func_zone *zone = func__ctx_zone(ctx);
    bool is_text = type_is_string(args[0].type), is_bytes = type_is_bytes(args[0].type);
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        if (is_text) {
            put_fitted(ctx, out, row, func__text_at(&args[0], row), true);
            continue;
        }
        buf_reset(&buf);
        if (is_bytes) {
            put_repaired(func__text_at(&args[0], row), &buf);
        } else {
            struct value value;
            vec_get(&args[0], row, ctx->arena, &value);
            func__cast_text(&value, zone, &buf);
        }
        if (buf.failed) {
            func__put_buf(ctx, out, row, &buf);
        } else {
            put_fitted(ctx, out, row, buf_str(&buf), false);
        }
    }
    buf_deinit(&buf);
}

DECLARE_KERNEL(func__cast_bytes)
{
    KERNEL_UNUSED();
    isize length = out->type->length;
    FOR_SEL(sel, row)
    {
        str bytes = func__text_at(&args[0], row);
        bytes = str_slice(bytes, 0, length);
        isize padded = out->type->kind == TYPE_BINARY ? length : bytes.len;
        if (padded == bytes.len) {
            func__put_text(out, row, bytes);
            continue;
        }
        u8 *room = func__text_room(ctx, row, padded);
        if (room != NULL) {
            memcpy(room, bytes.data, (size_t)bytes.len);
            memset(room + bytes.len, 0, (size_t)(padded - bytes.len));
            func__put_text(out, row, str_from(room, padded));
        }
    }
}

/* --- from text -------------------------------------------------------------------------------- */

static void fail_number(struct func_ctx *ctx, const struct func_cast *cast, struct vec *out,
                        isize row, str text, const char *why)
{
    func__cast_fail(ctx, cast, out, row,
                    arena_printf(ctx->arena, "For input string: '" STR_FMT "'.%s%s",
                                 STR_ARG(str_slice(text, 0, 200)), why[0] == 0 ? "" : " ", why));
}

/* "12", "+12", "12.7": digits after a point are checked and dropped. NULL, or what is wrong. */
static const char *parse_int(str text, i64 min, i64 max, i64 *out)
{
    text = str_trim(text);
    if (text.len == 0) {
        return "Input is empty.";
    }
    bool is_negative = text.data[0] == '-';
    isize i = text.data[0] == '-' || text.data[0] == '+' ? 1 : 0;
    if (i == text.len) {
        return "Input has only positive or negative symbol.";
    }
    i128 value = 0;
    for (; i < text.len && text.data[i] != '.'; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return "Invalid character found.";
        }
        value = MIN(value * 10 + (text.data[i] - '0'), (i128)1 << 100);
    }
    for (i++; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return "Invalid character found.";
        }
    }
    value = is_negative ? -value : value;
    if (value < min || value > max) {
        return "Overflow.";
    }
    *out = (i64)value;
    return NULL;
}

KERNEL(text_to_int)
{
    KERNEL_UNUSED();
    static const i64 limits[] = {INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX};
    i64 max = limits[out->type->kind - TYPE_TINYINT];
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        i64 value = 0;
        const char *why = parse_int(text, -max - 1, max, &value);
        if (why != NULL) {
            fail_number(ctx, data, out, row, text, why);
        } else {
            func__put_int(out, row, value);
        }
    }
}

KERNEL(text_to_real)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        double value = 0;
        if (!func__parse_double(text, &value)) {
            str trimmed = str_trim(text);
            func__cast_fail(ctx, data, out, row,
                            trimmed.len == 0
                                ? STR("empty String")
                                : arena_printf(ctx->arena, "For input string: \"" STR_FMT "\"",
                                               STR_ARG(str_slice(text, 0, 200))));
        } else if (out->type->kind == TYPE_FLOAT) {
            char cstr[64];
            str_copy_cstr(str_trim(text), cstr, (isize)sizeof cstr);
            /* Rounded once: by strtof when the text is short enough to be whole. */
            VEC(float, out)
            [row] =
                text.len < (isize)sizeof cstr && value == value ? strtof(cstr, NULL) : (float)value;
        } else {
            VEC(double, out)[row] = value;
        }
    }
}

KERNEL(text_to_decimal)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        i128 value = 0, probe = 0;
        if (!func__dec_parse(text, out->type->scale, &value)) {
            bool is_number = func__dec_parse(text, 0, &probe);
            fail_number(ctx, data, out, row, text,
                        is_number ? "Overflow." : "Invalid character found.");
        } else if (!func__dec_fits(value, out->type->precision)) {
            fail_number(ctx, data, out, row, text, "Overflow.");
        } else {
            func__put_dec(ctx, out, row, value);
        }
    }
}

KERNEL(text_to_boolean)
{
    KERNEL_UNUSED();
    static const char *const words[] = {"t", "f", "true", "false", "y", "n", "yes", "no", "1", "0"};
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        isize i = 0;
        while (i < COUNT_OF(words) && !str_eq_nocase(text, str_of(words[i]))) {
            i++;
        }
        if (i < COUNT_OF(words)) {
            VEC(u8, out)[row] = i % 2 == 0;
        } else {
            func__cast_fail(ctx, data, out, row,
                            arena_printf(ctx->arena, "Cannot parse '" STR_FMT "' as BOOLEAN.",
                                         STR_ARG(str_slice(text, 0, 200))));
        }
    }
}

KERNEL(text_to_bytes)
{
    KERNEL_UNUSED();
    func__cast_bytes(ctx, data, args, arg_count, sel, out);
}

KERNEL(text_to_date)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        i64 days = 0;
        if (func__parse_date(text, &days)) {
            VEC(i32, out)[row] = (i32)days;
        } else {
            fail_number(ctx, data, out, row, text, "");
        }
    }
}

KERNEL(text_to_time)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        i32 ms = 0;
        if (func__parse_time(text, &ms)) {
            VEC(i32, out)[row] = out->type->precision == 0 ? ms / 1000 * 1000 : ms;
        } else {
            func__cast_fail(ctx, data, out, row,
                            arena_printf(ctx->arena,
                                         "Invalid time format: '" STR_FMT
                                         "'. Expected format: HH:mm:ss[.fff] where HH is 00-23, "
                                         "mm is 00-59, ss is 00-59",
                                         STR_ARG(str_slice(text, 0, 100))));
        }
    }
}

KERNEL(text_to_timestamp)
{
    KERNEL_UNUSED();
    const struct func_zone *zone = func__ctx_zone(ctx);
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        struct func_instant instant = {0, 0};
        isize index = func__scan_instant(text, &instant);
        if (index >= 0) {
            str shown = str_slice(text, 0, 200);
            func__cast_fail(ctx, data, out, row,
                            arena_printf(ctx->arena,
                                         index >= 8 ? "Text '" STR_FMT
                                                      "' could not be parsed, unparsed text found "
                                                      "at index %d"
                                                    : "Text '" STR_FMT
                                                      "' could not be parsed at index %d",
                                         STR_ARG(shown), (int)index));
            continue;
        }
        bool is_ltz = out->type->kind == TYPE_TIMESTAMP_LTZ;
        func__put_instant(out, row, is_ltz ? func__zone_to_utc(zone, instant) : instant);
    }
}

func_kernel_fn func__cast_from_text(const struct type *to)
{
    if (type_is_integer(to)) {
        return text_to_int;
    }
    switch ((int)to->kind) {
    case TYPE_BOOLEAN:
        return text_to_boolean;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return text_to_real;
    case TYPE_DECIMAL:
        return text_to_decimal;
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return text_to_bytes;
    case TYPE_DATE:
        return text_to_date;
    case TYPE_TIME:
        return text_to_time;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return text_to_timestamp;
    default:
        return NULL;
    }
}
