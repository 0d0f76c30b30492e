/* func/element.c: access to vector elements of any type, result texts, UTF-8. */
#include "func/func_int.h"

i64 func__int_at(const struct vec *vec, isize row)
{
    switch ((int)vec->type->kind) {
    case TYPE_BOOLEAN:
        return ARG(u8, vec, row);
    case TYPE_TINYINT:
        return ARG(i8, vec, row);
    case TYPE_SMALLINT:
        return ARG(i16, vec, row);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_INTERVAL_YM:
        return ARG(i32, vec, row);
    default:
        return ARG(i64, vec, row);
    }
}

void func__put_int(struct vec *out, isize row, i64 value)
{
    switch ((int)out->type->kind) {
    case TYPE_BOOLEAN:
        VEC(u8, out)[row] = value != 0;
        break;
    case TYPE_TINYINT:
        VEC(i8, out)[row] = (i8)value;
        break;
    case TYPE_SMALLINT:
        VEC(i16, out)[row] = (i16)value;
        break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_INTERVAL_YM:
        VEC(i32, out)[row] = (i32)value;
        break;
    default:
        VEC(i64, out)[row] = value;
        break;
    }
}

double func__real_at(const struct vec *vec, isize row)
{
    switch ((int)vec->type->kind) {
    case TYPE_FLOAT:
        return (double)ARG(float, vec, row);
    case TYPE_DOUBLE:
        return ARG(double, vec, row);
    case TYPE_DECIMAL:
        return func__dec_to_double(func__dec_at(vec, row), vec->type->scale);
    default:
        return (double)func__int_at(vec, row);
    }
}

u8 *func__text_room(struct func_ctx *ctx, isize row, i64 bytes)
{
    u8 *room = bytes < 0 || bytes > FUNC_TEXT_BYTES_MAX
                   ? NULL
                   : arena_try_alloc(ctx->arena, (isize)MAX(bytes, 1));
    if (room == NULL) {
        func_fail(ctx, row, "the text would have %lld bytes, the limit is %d", (long long)bytes,
                  FUNC_TEXT_BYTES_MAX);
    }
    return room;
}

void func__put_buf(struct func_ctx *ctx, struct vec *out, isize row, const struct buf *buf)
{
    if (buf->failed) {
        func_fail(ctx, row, "the text is longer than the limit of %d bytes", FUNC_TEXT_BYTES_MAX);
        return;
    }
    u8 *room = func__text_room(ctx, row, buf->len);
    if (room != NULL) {
        if (buf->len > 0) {
            memcpy(room, buf->data, (size_t)buf->len);
        }
        func__put_text(out, row, str_from(room, buf->len));
    }
}

bool func__apply(struct func_ctx *ctx, const struct func_bound *bound, const struct value *in,
                 isize row, struct value *out)
{
    static const struct sel one = {NULL, 1};
    struct vec arg, result;
    vec_from_value(&arg, ctx->arena, in, 1);
    struct func_row_error *errors = ctx->errors;
    isize count = ctx->error_count, capacity = ctx->error_capacity;
    ctx->errors = NULL;
    ctx->error_count = ctx->error_capacity = 0;
    func_call(ctx, bound, &arg, 1, &one, &result);
    struct func_row_error *fresh = ctx->errors;
    isize fresh_count = ctx->error_count;
    ctx->errors = errors;
    ctx->error_count = count;
    ctx->error_capacity = capacity;
    if (fresh_count > 0) {
        func_fail(ctx, row, STR_FMT, STR_ARG(fresh[0].text));
        return false;
    }
    vec_get(&result, 0, ctx->arena, out);
    return true;
}

str func__literal(const struct func_binding *b, isize i)
{
    bool is_text = i < b->count && b->args[i].literal != NULL && !b->args[i].literal->is_null &&
                   type_is_string(b->args[i].type);
    return is_text ? b->args[i].literal->u.text : STR_EMPTY;
}

isize func__char_count(str text)
{
    isize count = 0;
    for (isize i = 0; i < text.len; i++) {
        count += (text.data[i] & 0xC0) != 0x80;
    }
    return count;
}

isize func__char_offset(str text, isize index)
{
    isize at = 0;
    while (index > 0 && at < text.len) {
        at += func__utf8_len(text.data[at]);
        index--;
    }
    return MIN(at, text.len);
}

u32 func__utf8_take(str *rest)
{
    u8 lead = rest->data[0];
    isize len = MIN(func__utf8_len(lead), rest->len);
    static const u8 masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    u32 code = lead & masks[len];
    for (isize i = 1; i < len; i++) {
        code = (code << 6) | (rest->data[i] & 0x3F);
    }
    *rest = str_slice(*rest, len, rest->len);
    return lead >= 0x80 && len == 1 ? 0xFFFD : code;
}

isize func__utf8_put(u32 code, u8 *out)
{
    if (code < 0x80) {
        out[0] = (u8)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (u8)(0xC0 | (code >> 6));
        out[1] = (u8)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (u8)(0xE0 | (code >> 12));
        out[1] = (u8)(0x80 | ((code >> 6) & 0x3F));
        out[2] = (u8)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (u8)(0xF0 | (code >> 18));
    out[1] = (u8)(0x80 | ((code >> 12) & 0x3F));
    out[2] = (u8)(0x80 | ((code >> 6) & 0x3F));
    out[3] = (u8)(0x80 | (code & 0x3F));
    return 4;
}
