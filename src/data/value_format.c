/* data/value_format.c: values as Flink's changelog shows them. */
#include "data/number.h"
#include "data/vec.h"

#include <stdlib.h>

static void format_list(const struct value *value, struct buf *out)
{
    bool is_map = value->type->kind == TYPE_MAP || value->type->kind == TYPE_MULTISET;
    buf_append(out, value->type->kind == TYPE_ROW ? STR("+I[") : is_map ? STR("{") : STR("["));
    for (isize i = 0; i < value->u.list.count; i++) {
        if (i > 0) {
            buf_append(out, is_map && i % 2 == 1 ? STR("=") : STR(", "));
        }
        value_format(&value->u.list.items[i], out);
    }
    buf_append_byte(out, is_map ? '}' : ']');
}

static void format_bytes(str bytes, struct buf *out)
{
    static const char hex[] = "0123456789abcdef";
    buf_append(out, STR("x'"));
    for (isize i = 0; i < bytes.len; i++) {
        buf_append_byte(out, (u8)hex[bytes.data[i] >> 4]);
        buf_append_byte(out, (u8)hex[bytes.data[i] & 15]);
    }
    buf_append_byte(out, '\'');
}

static void format_timestamp(const struct value *value, struct buf *out)
{
    i32 digits = value->type->precision;
    if (digits <= 6) {
        number_format_timestamp(value->u.integer, 0, digits, out);
    } else {
        i64 us = value->u.stamp.ms * 1000 + value->u.stamp.nanos / 1000;
        number_format_timestamp(us, value->u.stamp.nanos % 1000, digits, out);
    }
    if (value->type->kind == TYPE_TIMESTAMP_LTZ) {
        buf_append_byte(out, 'Z');
    }
}

/* "+1-02" and "+1 02:03:04.000", as SQL prints intervals. */
static void format_interval(const struct value *value, struct buf *out)
{
    i64 amount = value->u.integer;
    buf_append_byte(out, amount < 0 ? '-' : '+');
    amount = llabs(amount);
    if (value->type->kind == TYPE_INTERVAL_YM) {
        buf_printf(out, "%lld-%02lld", (long long)(amount / 12), (long long)(amount % 12));
        return;
    }
    buf_printf(out, "%lld ", (long long)(amount / 86400000));
    number_format_time(amount % 86400000, 3, out);
}

void value_format(const struct value *value, struct buf *out)
{
    if (value->is_null) {
        buf_append(out, STR("NULL"));
        return;
    }
    switch (value->type->kind) {
    case TYPE_BOOLEAN:
        buf_append(out, value->u.boolean ? STR("true") : STR("false"));
        break;
    case TYPE_FLOAT:
        number_format_float((float)value->u.real, out);
        break;
    case TYPE_DOUBLE:
        number_format_double(value->u.real, out);
        break;
    case TYPE_DECIMAL:
        number_format_decimal(value->type->precision <= 18 ? value->u.integer : value->u.wide,
                              value->type->scale, out);
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
        buf_append(out, value->u.text);
        break;
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        format_bytes(value->u.text, out);
        break;
    case TYPE_DATE:
        number_format_date(value->u.integer, out);
        break;
    case TYPE_TIME:
        number_format_time(value->u.integer, value->type->precision, out);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        format_timestamp(value, out);
        break;
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DS:
        format_interval(value, out);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        format_list(value, out);
        break;
    default:
        buf_append_i64(out, value->u.integer);
    }
}
