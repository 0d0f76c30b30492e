/* exec/value_bytes.c: one byte for NULL, then fixed-width integers or a length and what it counts.
 */
#include "exec/value_bytes.h"

enum { DEPTH_MAX = 64 };

static void put_list(const struct value *value, struct buf *out)
{
    buf_append_varint(out, (u64)value->u.list.count);
    for (isize i = 0; i < value->u.list.count; i++) {
        value_bytes_put(&value->u.list.items[i], out);
    }
}

void value_bytes_put(const struct value *value, struct buf *out)
{
    buf_append_byte(out, value->is_null ? 0 : 1);
    if (value->is_null) {
        return;
    }
    const struct type *type = value->type;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        buf_append_byte(out, value->u.boolean ? 1 : 0);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        buf_append_bytes(out, &value->u.real, (isize)sizeof value->u.real);
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        buf_append_varint(out, (u64)value->u.text.len);
        buf_append(out, value->u.text);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        put_list(value, out);
        break;
    case TYPE_NULL:
        break;
    default:
        if (type_is_timestamp(type) && type->precision > 6) {
            buf_append_bytes(out, &value->u.stamp.ms, 8);
            buf_append_bytes(out, &value->u.stamp.nanos, 4);
        } else if (type->kind == TYPE_DECIMAL && type->precision > 18) {
            buf_append_bytes(out, &value->u.wide, (isize)sizeof value->u.wide);
        } else {
            buf_append_bytes(out, &value->u.integer, 8);
        }
    }
}

static err take_bytes(str *in, void *out, isize bytes)
{
    if (in->len < bytes) {
        return ERR_CORRUPT;
    }
    memcpy(out, in->data, (size_t)bytes);
    *in = str_slice(*in, bytes, in->len);
    return OK;
}

static err take(str *in, const struct type *type, struct arena *arena, struct value *out,
                isize depth);

/* MAP: key, value alternating; MULTISET: element and its count. */
static const struct type *item_type(const struct type *type, isize i)
{
    switch ((int)type->kind) {
    case TYPE_ROW:
        return type->fields[i].type;
    case TYPE_MAP:
        return i % 2 == 0 ? type->key : type->item;
    case TYPE_MULTISET:
        return i % 2 == 0 ? type->item : type_of(TYPE_INT);
    default:
        return type->item;
    }
}

static err take_list(str *in, const struct type *type, struct arena *arena, struct value *out,
                     isize depth)
{
    u64 count;
    TRY(varint_take(in, &count));
    if (depth >= DEPTH_MAX || count > (u64)in->len ||
        (type->kind == TYPE_ROW && (isize)count != type->field_count)) {
        return ERR_CORRUPT;
    }
    out->u.list.count = (isize)count;
    out->u.list.items = ARENA_ARRAY(arena, struct value, (isize)count + 1);
    for (isize i = 0; i < (isize)count; i++) {
        TRY(take(in, item_type(type, i), arena, &out->u.list.items[i], depth + 1));
    }
    return OK;
}

static err take_text(str *in, struct value *out)
{
    u64 len;
    TRY(varint_take(in, &len));
    if (len > (u64)in->len) {
        return ERR_CORRUPT;
    }
    out->u.text = str_slice(*in, 0, (isize)len);
    *in = str_slice(*in, (isize)len, in->len);
    return OK;
}

static err take_fixed(str *in, const struct type *type, struct value *out)
{
    if (type_is_timestamp(type) && type->precision > 6) {
        TRY(take_bytes(in, &out->u.stamp.ms, 8));
        return take_bytes(in, &out->u.stamp.nanos, 4);
    }
    if (type->kind == TYPE_DECIMAL && type->precision > 18) {
        return take_bytes(in, &out->u.wide, (isize)sizeof out->u.wide);
    }
    return take_bytes(in, &out->u.integer, 8);
}

static err take(str *in, const struct type *type, struct arena *arena, struct value *out,
                isize depth)
{
    u8 flag;
    *out = (struct value){.type = type, .is_null = true};
    TRY(take_bytes(in, &flag, 1));
    if (flag > 1) {
        return ERR_CORRUPT;
    }
    if (flag == 0) {
        return OK;
    }
    out->is_null = false;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        TRY(take_bytes(in, &flag, 1));
        out->u.boolean = flag != 0;
        return OK;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return take_bytes(in, &out->u.real, (isize)sizeof out->u.real);
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return take_text(in, out);
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        return take_list(in, type, arena, out, depth);
    case TYPE_NULL:
        return ERR_CORRUPT;
    default:
        return take_fixed(in, type, out);
    }
}

err value_bytes_take(str *in, const struct type *type, struct arena *arena, struct value *out)
{
    return take(in, type, arena, out, 0);
}
