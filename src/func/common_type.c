/* func/common_type.c: least restrictive types, and which casts happen by themselves. */
#include "func/func_int.h"

static bool is_real(const struct type *type)
{
    return type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE;
}

/* As Calcite: of FLOAT and DOUBLE the first, next to a DECIMAL always DOUBLE. */
enum type_kind func__real_common(const struct type *a, const struct type *b)
{
    if (a->kind == TYPE_DECIMAL || b->kind == TYPE_DECIMAL) {
        return TYPE_DOUBLE;
    }
    return is_real(a) ? a->kind : b->kind;
}

static const struct type *numeric_common(struct arena *arena, const struct type *a,
                                         const struct type *b)
{
    if (is_real(a) || is_real(b)) {
        return type_of(func__real_common(a, b));
    }
    if (a->kind != TYPE_DECIMAL && b->kind != TYPE_DECIMAL) {
        return type_of(MAX(a->kind, b->kind));
    }
    i32 p1 = 0, s1 = 0, p2 = 0, s2 = 0;
    func__exact_shape(a, &p1, &s1);
    func__exact_shape(b, &p2, &s2);
    i32 digits = MAX(p1 - s1, p2 - s2), scale = MAX(s1, s2);
    i32 precision = MIN(digits + scale, TYPE_DECIMAL_PRECISION_MAX);
    return type_decimal(arena, precision, MIN(scale, MAX(precision - digits, 0)));
}

static const struct type *text_common(struct arena *arena, const struct type *a,
                                      const struct type *b)
{
    bool is_text = type_is_string(a);
    bool is_fixed = (a->kind == TYPE_CHAR || a->kind == TYPE_BINARY) && a->kind == b->kind &&
                    a->length == b->length;
    if (is_fixed) {
        return a;
    }
    return type_char(arena, is_text ? TYPE_VARCHAR : TYPE_VARBINARY, MAX(a->length, b->length));
}

static const struct type *common(struct arena *arena, const struct type *a, const struct type *b,
                                 int depth);

static const struct type *row_common(struct arena *arena, const struct type *a,
                                     const struct type *b, int depth)
{
    if (a->field_count != b->field_count) {
        return NULL;
    }
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, a->field_count);
    for (isize i = 0; i < a->field_count; i++) {
        fields[i] = a->fields[i];
        fields[i].type = common(arena, a->fields[i].type, b->fields[i].type, depth + 1);
        if (fields[i].type == NULL) {
            return NULL;
        }
    }
    return type_row(arena, fields, a->field_count);
}

static const struct type *nested_common(struct arena *arena, const struct type *a,
                                        const struct type *b, int depth)
{
    if (a->kind == TYPE_ROW) {
        return row_common(arena, a, b, depth);
    }
    const struct type *item = common(arena, a->item, b->item, depth + 1);
    const struct type *key = a->kind == TYPE_MAP ? common(arena, a->key, b->key, depth + 1) : NULL;
    if (item == NULL || (a->kind == TYPE_MAP && key == NULL)) {
        return NULL;
    }
    return a->kind == TYPE_MAP ? type_map(arena, key, item) : type_array(arena, item);
}

static const struct type *plain_common(struct arena *arena, const struct type *a,
                                       const struct type *b, int depth)
{
    if (type_is_numeric(a) && type_is_numeric(b)) {
        return numeric_common(arena, a, b);
    }
    if ((type_is_string(a) && type_is_string(b)) || (type_is_bytes(a) && type_is_bytes(b))) {
        return text_common(arena, a, b);
    }
    if (type_is_timestamp(a) && type_is_timestamp(b)) {
        enum type_kind kind = MAX(a->kind, b->kind);
        return type_timestamp(arena, kind, MAX(a->precision, b->precision));
    }
    bool has_date = a->kind == TYPE_DATE || b->kind == TYPE_DATE;
    if (has_date && (type_is_timestamp(a) || type_is_timestamp(b))) {
        return type_is_timestamp(a) ? a : b;
    }
    if (a->kind != b->kind) {
        return NULL;
    }
    if (a->kind == TYPE_MULTISET) {
        return type_eq(a, b, false) ? a : NULL;
    }
    return a->kind >= TYPE_ARRAY ? nested_common(arena, a, b, depth)
                                 : (a->precision >= b->precision ? a : b);
}

static const struct type *common(struct arena *arena, const struct type *a, const struct type *b,
                                 int depth)
{
    if (depth > FUNC_DEPTH_MAX) {
        return NULL;
    }
    if (a->kind == TYPE_NULL || b->kind == TYPE_NULL) {
        return type_with_null(arena, a->kind == TYPE_NULL ? b : a, true);
    }
    const struct type *type = plain_common(arena, a, b, depth);
    return type == NULL ? NULL : type_with_null(arena, type, a->is_nullable || b->is_nullable);
}

const struct type *func_common_type(struct arena *arena, const struct type *const *types,
                                    isize count)
{
    const struct type *type = count > 0 ? types[0] : NULL;
    for (isize i = 1; i < count && type != NULL; i++) {
        type = common(arena, type, types[i], 0);
    }
    return type;
}

static bool fits_decimal(const struct type *from, const struct type *to)
{
    i32 p = 0, s = 0;
    func__exact_shape(from, &p, &s);
    return to->precision - to->scale >= p - s && to->scale >= s;
}

static bool can_widen(const struct type *from, const struct type *to)
{
    if (to->kind == TYPE_DECIMAL) {
        return from->kind == TYPE_DECIMAL || (type_is_integer(from) && fits_decimal(from, to));
    }
    if (type_is_integer(to)) {
        return type_is_integer(from) && from->kind <= to->kind;
    }
    return from->kind == TYPE_DECIMAL || from->kind <= to->kind;
}

static bool can_cast_nested(const struct type *from, const struct type *to)
{
    if (from->kind != to->kind) {
        return false;
    }
    if (from->kind != TYPE_ROW) {
        return func_can_cast_implicitly(from->item, to->item) &&
               (from->kind != TYPE_MAP || func_can_cast_implicitly(from->key, to->key));
    }
    if (from->field_count != to->field_count) {
        return false;
    }
    for (isize i = 0; i < from->field_count; i++) {
        if (!func_can_cast_implicitly(from->fields[i].type, to->fields[i].type)) {
            return false;
        }
    }
    return true;
}

bool func_can_cast_implicitly(const struct type *from, const struct type *to)
{
    if (from->kind == TYPE_NULL) {
        return true;
    }
    if (type_is_numeric(from) && type_is_numeric(to)) {
        return can_widen(from, to);
    }
    if ((type_is_string(from) && type_is_string(to)) ||
        (type_is_bytes(from) && type_is_bytes(to))) {
        return true;
    }
    bool is_point = from->kind == TYPE_DATE || type_is_timestamp(from);
    if (is_point && type_is_timestamp(to)) {
        return true;
    }
    if (from->kind == TYPE_TIMESTAMP && (to->kind == TYPE_DATE || to->kind == TYPE_TIME)) {
        return false;
    }
    return from->kind >= TYPE_ARRAY ? can_cast_nested(from, to) : from->kind == to->kind;
}
