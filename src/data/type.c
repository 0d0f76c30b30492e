/* data/type.c: SQL types: the common ones, their makers, equality and text. */
#include "data/type.h"

#include <string.h>

static const struct type plain[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = {.kind = TYPE_NULL, .is_nullable = true},
    [TYPE_BOOLEAN] = {.kind = TYPE_BOOLEAN, .is_nullable = true},
    [TYPE_TINYINT] = {.kind = TYPE_TINYINT, .is_nullable = true},
    [TYPE_SMALLINT] = {.kind = TYPE_SMALLINT, .is_nullable = true},
    [TYPE_INT] = {.kind = TYPE_INT, .is_nullable = true},
    [TYPE_BIGINT] = {.kind = TYPE_BIGINT, .is_nullable = true},
    [TYPE_FLOAT] = {.kind = TYPE_FLOAT, .is_nullable = true},
    [TYPE_DOUBLE] = {.kind = TYPE_DOUBLE, .is_nullable = true},
    [TYPE_DECIMAL] = {.kind = TYPE_DECIMAL, .is_nullable = true, .precision = 10},
    [TYPE_CHAR] = {.kind = TYPE_CHAR, .is_nullable = true, .length = 1},
    [TYPE_VARCHAR] = {.kind = TYPE_VARCHAR, .is_nullable = true, .length = TYPE_LENGTH_MAX},
    [TYPE_BINARY] = {.kind = TYPE_BINARY, .is_nullable = true, .length = 1},
    [TYPE_VARBINARY] = {.kind = TYPE_VARBINARY, .is_nullable = true, .length = TYPE_LENGTH_MAX},
    [TYPE_DATE] = {.kind = TYPE_DATE, .is_nullable = true},
    [TYPE_TIME] = {.kind = TYPE_TIME, .is_nullable = true},
    [TYPE_TIMESTAMP] = {.kind = TYPE_TIMESTAMP, .is_nullable = true, .precision = 6},
    [TYPE_TIMESTAMP_LTZ] = {.kind = TYPE_TIMESTAMP_LTZ, .is_nullable = true, .precision = 6},
    [TYPE_INTERVAL_YM] = {.kind = TYPE_INTERVAL_YM, .is_nullable = true},
    [TYPE_INTERVAL_DS] = {.kind = TYPE_INTERVAL_DS, .is_nullable = true},
};

const struct type *type_of(enum type_kind kind)
{
    CHECK(kind >= TYPE_NULL && kind < TYPE_ARRAY);
    return &plain[kind];
}

static struct type *make(struct arena *arena, enum type_kind kind)
{
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = kind;
    type->is_nullable = true;
    return type;
}

const struct type *type_decimal(struct arena *arena, i32 precision, i32 scale)
{
    CHECK(precision >= 1 && precision <= TYPE_DECIMAL_PRECISION_MAX);
    CHECK(scale >= 0 && scale <= precision);
    struct type *type = make(arena, TYPE_DECIMAL);
    type->precision = precision;
    type->scale = scale;
    return type;
}

const struct type *type_char(struct arena *arena, enum type_kind kind, i32 length)
{
    CHECK(kind >= TYPE_CHAR && kind <= TYPE_VARBINARY);
    struct type *type = make(arena, kind);
    type->length = length;
    return type;
}

const struct type *type_timestamp(struct arena *arena, enum type_kind kind, i32 precision)
{
    CHECK(kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_LTZ || kind == TYPE_TIME);
    CHECK(precision >= 0 && precision <= 9);
    struct type *type = make(arena, kind);
    type->precision = precision;
    return type;
}

const struct type *type_array(struct arena *arena, const struct type *item)
{
    struct type *type = make(arena, TYPE_ARRAY);
    type->item = item;
    return type;
}

const struct type *type_map(struct arena *arena, const struct type *key, const struct type *value)
{
    struct type *type = make(arena, TYPE_MAP);
    type->key = key;
    type->item = value;
    return type;
}

const struct type *type_row(struct arena *arena, const struct type_field *fields, isize count)
{
    struct type *type = make(arena, TYPE_ROW);
    type->fields = ARENA_ARRAY(arena, struct type_field, count);
    if (count > 0) {
        memcpy(type->fields, fields, (size_t)count * sizeof *fields);
    }
    type->field_count = count;
    return type;
}

static struct type *copy(struct arena *arena, const struct type *type)
{
    struct type *result = ARENA_NEW(arena, struct type);
    *result = *type;
    return result;
}

const struct type *type_with_null(struct arena *arena, const struct type *type, bool is_nullable)
{
    if (type->is_nullable == is_nullable) {
        return type;
    }
    struct type *result = copy(arena, type);
    result->is_nullable = is_nullable;
    return result;
}

const struct type *type_with_time(struct arena *arena, const struct type *type, enum type_time t)
{
    if (type->time_attribute == t) {
        return type;
    }
    struct type *result = copy(arena, type);
    result->time_attribute = t;
    return result;
}

static bool fields_eq(const struct type *a, const struct type *b, bool with_nullability)
{
    if (a->field_count != b->field_count) {
        return false;
    }
    for (isize i = 0; i < a->field_count; i++) {
        if (!str_eq(a->fields[i].name, b->fields[i].name) ||
            !type_eq(a->fields[i].type, b->fields[i].type, with_nullability)) {
            return false;
        }
    }
    return true;
}

bool type_eq(const struct type *a, const struct type *b, bool with_nullability)
{
    if (a == b) {
        return true;
    }
    if (a->kind != b->kind || (with_nullability && a->is_nullable != b->is_nullable) ||
        a->length != b->length || a->precision != b->precision || a->scale != b->scale) {
        return false;
    }
    switch (a->kind) {
    case TYPE_ARRAY:
    case TYPE_MULTISET:
        return type_eq(a->item, b->item, with_nullability);
    case TYPE_MAP:
        return type_eq(a->key, b->key, with_nullability) &&
               type_eq(a->item, b->item, with_nullability);
    case TYPE_ROW:
        return fields_eq(a, b, with_nullability);
    default:
        return true;
    }
}

isize type_element_bytes(const struct type *type)
{
    switch (type->kind) {
    case TYPE_BOOLEAN:
    case TYPE_TINYINT:
        return 1;
    case TYPE_SMALLINT:
        return 2;
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_INTERVAL_YM:
        return 4;
    case TYPE_BIGINT:
    case TYPE_DOUBLE:
    case TYPE_INTERVAL_DS:
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
        return 8;
    case TYPE_DECIMAL:
        return type->precision <= 18 ? 8 : 16;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return 16;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return type->precision <= 6 ? 8 : 16;
    case TYPE_NULL:
    case TYPE_ROW:
    case TYPE_KIND_COUNT:
    default:
        return 0;
    }
}

/* --- text ----------------------------------------------------------------------------------------
 */

static void quoted(struct buf *out, str name)
{
    buf_append_byte(out, '`');
    for (isize i = 0; i < name.len; i++) {
        if (name.data[i] == '`') {
            buf_append_byte(out, '`');
        }
        buf_append_byte(out, name.data[i]);
    }
    buf_append_byte(out, '`');
}

static void format_row(const struct type *type, struct buf *out)
{
    buf_append(out, STR("ROW<"));
    for (isize i = 0; i < type->field_count; i++) {
        if (i > 0) {
            buf_append(out, STR(", "));
        }
        quoted(out, type->fields[i].name);
        buf_append_byte(out, ' ');
        type_format(type->fields[i].type, out);
    }
    buf_append_byte(out, '>');
}

static void format_length(const char *name, const char *maximal, const struct type *type,
                          struct buf *out)
{
    if (type->length == TYPE_LENGTH_MAX && maximal != NULL) {
        buf_append(out, str_of(maximal));
    } else {
        buf_printf(out, "%s(%d)", name, type->length);
    }
}

static const char *const names[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = "NULL",         [TYPE_BOOLEAN] = "BOOLEAN", [TYPE_TINYINT] = "TINYINT",
    [TYPE_SMALLINT] = "SMALLINT", [TYPE_INT] = "INT",         [TYPE_BIGINT] = "BIGINT",
    [TYPE_FLOAT] = "FLOAT",       [TYPE_DOUBLE] = "DOUBLE",   [TYPE_DATE] = "DATE",
};

static void format_scalar(const struct type *type, struct buf *out)
{
    switch (type->kind) {
    case TYPE_DECIMAL:
        buf_printf(out, "DECIMAL(%d, %d)", type->precision, type->scale);
        break;
    case TYPE_CHAR:
        format_length("CHAR", NULL, type, out);
        break;
    case TYPE_VARCHAR:
        format_length("VARCHAR", "STRING", type, out);
        break;
    case TYPE_BINARY:
        format_length("BINARY", NULL, type, out);
        break;
    case TYPE_VARBINARY:
        format_length("VARBINARY", "BYTES", type, out);
        break;
    case TYPE_TIME:
        buf_printf(out, "TIME(%d)", type->precision);
        break;
    case TYPE_TIMESTAMP:
        buf_printf(out, "TIMESTAMP(%d)", type->precision);
        break;
    case TYPE_TIMESTAMP_LTZ:
        buf_printf(out, "TIMESTAMP_LTZ(%d)", type->precision);
        break;
    case TYPE_INTERVAL_YM:
        buf_append(out, STR("INTERVAL YEAR TO MONTH"));
        break;
    case TYPE_INTERVAL_DS:
        buf_append(out, STR("INTERVAL DAY TO SECOND(3)"));
        break;
    default:
        buf_append(out, str_of(names[type->kind]));
    }
}

void type_format(const struct type *type, struct buf *out)
{
    switch (type->kind) {
    case TYPE_ARRAY:
    case TYPE_MULTISET:
        buf_append(out, type->kind == TYPE_ARRAY ? STR("ARRAY<") : STR("MULTISET<"));
        type_format(type->item, out);
        buf_append_byte(out, '>');
        break;
    case TYPE_MAP:
        buf_append(out, STR("MAP<"));
        type_format(type->key, out);
        buf_append(out, STR(", "));
        type_format(type->item, out);
        buf_append_byte(out, '>');
        break;
    case TYPE_ROW:
        format_row(type, out);
        break;
    default:
        format_scalar(type, out);
    }
    if (!type->is_nullable) {
        buf_append(out, STR(" NOT NULL"));
    }
    if (type->time_attribute != TYPE_TIME_NONE) {
        buf_append(out,
                   type->time_attribute == TYPE_TIME_ROW ? STR(" *ROWTIME*") : STR(" *PROCTIME*"));
    }
}
