/* aws/dynamodb/ddb_value_codec.c: values as bytes on disk, and keys whose bytes are in order. */
#include "aws/dynamodb/ddb_number.h"
#include "aws/dynamodb/ddb_value.h"

static void text_encode(struct buf *out, str text)
{
    buf_append_varint(out, (u64)text.len);
    buf_append(out, text);
}

static void value_encode(struct buf *out, const struct ddb_value *value)
{
    buf_append_byte(out, (u8)value->type);
    switch (value->type) {
    case DDB_S:
    case DDB_N:
    case DDB_B:
        text_encode(out, value->text);
        return;
    case DDB_BOOL:
        buf_append_byte(out, value->is_true);
        return;
    case DDB_NULL:
        return;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
    case DDB_M:
    case DDB_L:
    case DDB_TYPES:
        break;
    }
    buf_append_varint(out, (u64)value->count);
    for (isize i = 0; i < value->count; i++) {
        const struct ddb_value *item = &value->items[i];
        if (value->type == DDB_M) {
            text_encode(out, item->name);
        }
        if (ddb_is_set(value->type)) {
            text_encode(out, item->text);
        } else {
            value_encode(out, item);
        }
    }
}

void ddb_item_encode(struct buf *out, const struct ddb_value *item)
{
    CHECK(item->type == DDB_M);
    value_encode(out, item);
}

static err text_decode(str *in, str *out)
{
    u64 len;
    TRY(varint_take(in, &len));
    if (len > (u64)in->len) {
        return ERR_CORRUPT;
    }
    *out = str_slice(*in, 0, (isize)len);
    *in = str_slice(*in, (isize)len, in->len);
    return OK;
}

/* What every later use relies on: numbers are canonical. */
static err number_check(str text)
{
    struct ddb_number number;
    return ddb_number_parse(text, &number) == DDB_NUMBER_OK ? OK : ERR_CORRUPT;
}

static err byte_decode(str *in, u8 *out)
{
    if (in->len == 0) {
        return ERR_CORRUPT;
    }
    *out = in->data[0];
    *in = str_slice(*in, 1, in->len);
    return OK;
}

static err value_decode(struct arena *arena, str *in, int depth, struct ddb_value *out);

static err items_decode(struct arena *arena, str *in, int depth, struct ddb_value *out)
{
    u64 count;
    TRY(varint_take(in, &count));
    if (count > (u64)in->len) {
        return ERR_CORRUPT; /* Each item has a byte at least. */
    }
    out->count = (isize)count;
    out->items = ARENA_ARRAY(arena, struct ddb_value, MAX(out->count, 1));
    for (isize i = 0; i < out->count; i++) {
        struct ddb_value *item = &out->items[i];
        if (out->type == DDB_M) {
            TRY(text_decode(in, &item->name));
        }
        if (ddb_is_set(out->type)) {
            item->type = ddb_set_item(out->type);
            TRY(text_decode(in, &item->text));
            TRY(item->type == DDB_N ? number_check(item->text) : OK);
        } else {
            TRY(value_decode(arena, in, depth + 1, item));
        }
    }
    return OK;
}

static err value_decode(struct arena *arena, str *in, int depth, struct ddb_value *out)
{
    u8 byte;
    TRY(byte_decode(in, &byte));
    if (byte >= DDB_TYPES || depth > DDB_ENCODED_DEPTH_MAX) {
        return ERR_CORRUPT;
    }
    out->type = (enum ddb_type)byte;
    switch (out->type) {
    case DDB_S:
    case DDB_N:
    case DDB_B:
        TRY(text_decode(in, &out->text));
        return out->type == DDB_N ? number_check(out->text) : OK;
    case DDB_BOOL:
        TRY(byte_decode(in, &byte));
        out->is_true = byte != 0;
        return byte > 1 ? ERR_CORRUPT : OK;
    case DDB_NULL:
        return OK;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
    case DDB_M:
    case DDB_L:
    case DDB_TYPES:
        break;
    }
    return items_decode(arena, in, depth, out);
}

err ddb_item_decode(struct arena *arena, str bytes, struct ddb_value *out)
{
    str rest = bytes;
    *out = (struct ddb_value){0};
    TRY(value_decode(arena, &rest, 0, out));
    return rest.len == 0 && out->type == DDB_M ? OK : ERR_CORRUPT;
}

/* --- keys ---------------------------------------------------------------------------------- */

/* 0 becomes 0 0xFF; the end is 0 0, which is less than whatever could stand there. */
static void escaped_append(struct buf *out, str text)
{
    isize start = 0;
    for (isize i = 0; i < text.len; i++) {
        if (text.data[i] == 0) {
            buf_append(out, str_slice(text, start, i + 1));
            buf_append_byte(out, 0xFF);
            start = i + 1;
        }
    }
    buf_append(out, str_slice(text, start, text.len));
    buf_append_bytes(out, "\0", 2);
}

void ddb_key_append(struct buf *out, const struct ddb_value *value)
{
    CHECK(ddb_is_ordered(value->type));
    if (value->type != DDB_N) {
        escaped_append(out, value->text);
        return;
    }
    struct ddb_number number;
    u8 bytes[DDB_NUMBER_KEY_MAX];
    CHECK(ddb_number_parse(value->text, &number) == DDB_NUMBER_OK);
    buf_append_bytes(out, bytes, ddb_number_key(&number, bytes));
}
