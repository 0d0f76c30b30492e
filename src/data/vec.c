/* data/vec.c: vectors, single values, and their text. */
#include "data/vec.h"

#include <string.h>

enum { ALIGNMENT = 64 };

struct strview strview_of(str s)
{
    CHECK(s.len >= 0 && s.len <= UINT32_MAX);
    struct strview view = {.len = (u32)s.len};
    if (s.len <= STRVIEW_INLINE_MAX) {
        if (s.len > 0) {
            memcpy(view.u.inlined, s.data, (size_t)s.len);
        }
    } else {
        memcpy(view.u.far.prefix, s.data, 4);
        view.u.far.data = s.data;
    }
    return view;
}

bool strview_eq(const struct strview *a, const struct strview *b)
{
    /* Length and first four bytes decide most comparisons. */
    if (memcmp(a, b, 8) != 0) {
        return false;
    }
    if (a->len <= STRVIEW_INLINE_MAX) {
        return memcmp(a->u.inlined, b->u.inlined, STRVIEW_INLINE_MAX) == 0;
    }
    return memcmp(a->u.far.data, b->u.far.data, a->len) == 0;
}

int strview_cmp(const struct strview *a, const struct strview *b)
{
    return str_cmp(strview_str(a), strview_str(b));
}

/* --- vectors
 * --------------------------------------------------------------------------------------- */

static void *alloc_aligned(struct arena *arena, isize bytes)
{
    u8 *data = arena_alloc(arena, bytes + ALIGNMENT);
    isize past = (isize)((uintptr_t)data % ALIGNMENT);
    return data + (past == 0 ? 0 : ALIGNMENT - past);
}

static u64 *valid_new(struct arena *arena, isize len)
{
    isize words = (len + 63) / 64;
    u64 *valid = arena_alloc(arena, MAX(words, 1) * 8);
    memset(valid, 0xFF, (size_t)MAX(words, 1) * 8);
    return valid;
}

static void children_init(struct vec *vec, struct arena *arena, isize len)
{
    const struct type *type = vec->type;
    switch (type->kind) {
    case TYPE_ROW:
        vec->child_count = type->field_count;
        break;
    case TYPE_ARRAY:
        vec->child_count = 1;
        break;
    case TYPE_MAP:
    case TYPE_MULTISET:
        vec->child_count = 2;
        break;
    default:
        return;
    }
    vec->children = ARENA_ARRAY(arena, struct vec, vec->child_count);
    for (isize i = 0; i < vec->child_count; i++) {
        const struct type *child = type->item;
        if (type->kind == TYPE_ROW) {
            child = type->fields[i].type;
        } else if (type->kind == TYPE_MAP && i == 0) {
            child = type->key;
        } else if (type->kind == TYPE_MULTISET && i == 1) {
            child = type_of(TYPE_INT);
        }
        vec_init(&vec->children[i], arena, child, type->kind == TYPE_ROW ? len : 0, false);
    }
}

void vec_init(struct vec *vec, struct arena *arena, const struct type *type, isize len,
              bool has_valid)
{
    *vec = (struct vec){.type = type, .len = len};
    isize bytes = type_element_bytes(type);
    if (bytes > 0) {
        vec->values = alloc_aligned(arena, MAX(len, 1) * bytes);
    }
    if (has_valid || type->kind == TYPE_NULL) {
        vec->valid = valid_new(arena, len);
    }
    if (type->kind == TYPE_NULL) {
        memset(vec->valid, 0, (size_t)MAX((len + 63) / 64, 1) * 8);
    }
    children_init(vec, arena, len);
}

void vec_init_null(struct vec *vec, struct arena *arena, const struct type *type, isize len)
{
    vec_init(vec, arena, type, 1, true);
    vec->valid[0] = 0;
    vec->is_const = true;
    vec->len = len;
}

void vec_set_null(struct vec *vec, struct arena *arena, isize row)
{
    if (vec->valid == NULL) {
        vec->valid = valid_new(arena, vec->is_const ? 1 : vec->len);
    }
    isize i = vec_index(vec, row);
    vec->valid[i >> 6] &= ~(1ULL << (i & 63));
}

/* --- single values
 * --------------------------------------------------------------------------------- */

static void list_get(const struct vec *vec, isize at, struct arena *arena, struct value *out)
{
    const struct type *type = vec->type;
    bool is_row = type->kind == TYPE_ROW;
    bool is_pairs = type->kind == TYPE_MAP || type->kind == TYPE_MULTISET;
    struct span span = is_row ? (struct span){0, 0} : VEC(struct span, vec)[at];
    isize count = is_row ? type->field_count : span.count;
    out->u.list.count = is_pairs ? 2 * count : count;
    out->u.list.items = ARENA_ARRAY(arena, struct value, MAX(out->u.list.count, 1));
    for (isize i = 0; i < count; i++) {
        struct value *items = out->u.list.items;
        if (is_row) {
            vec_get(&vec->children[i], at, arena, &items[i]);
        } else if (is_pairs) {
            vec_get(&vec->children[0], (isize)span.start + i, arena, &items[2 * i]);
            vec_get(&vec->children[1], (isize)span.start + i, arena, &items[2 * i + 1]);
        } else {
            vec_get(&vec->children[0], (isize)span.start + i, arena, &items[i]);
        }
    }
}

static i64 integer_get(const struct vec *vec, isize at)
{
    switch (type_element_bytes(vec->type)) {
    case 1:
        return vec->type->kind == TYPE_BOOLEAN ? VEC(u8, vec)[at] : VEC(i8, vec)[at];
    case 2:
        return VEC(i16, vec)[at];
    case 4:
        return VEC(i32, vec)[at];
    default:
        return VEC(i64, vec)[at];
    }
}

void vec_get(const struct vec *vec, isize row, struct arena *arena, struct value *out)
{
    *out = (struct value){.type = vec->type, .is_null = !vec_is_valid(vec, row)};
    if (out->is_null) {
        return;
    }
    isize at = vec_index(vec, row);
    switch (vec->type->kind) {
    case TYPE_BOOLEAN:
        out->u.boolean = VEC(u8, vec)[at] != 0;
        break;
    case TYPE_FLOAT:
        out->u.real = (double)VEC(float, vec)[at];
        break;
    case TYPE_DOUBLE:
        out->u.real = VEC(double, vec)[at];
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        out->u.text = strview_str(&VEC(struct strview, vec)[at]);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        list_get(vec, at, arena, out);
        break;
    default:
        if (type_element_bytes(vec->type) < 16) {
            out->u.integer = integer_get(vec, at);
        } else if (vec->type->kind == TYPE_DECIMAL) {
            out->u.wide = VEC(i128, vec)[at];
        } else {
            out->u.stamp = VEC(struct stamp, vec)[at];
        }
    }
}

static void integer_set(struct vec *vec, isize at, i64 value)
{
    switch (type_element_bytes(vec->type)) {
    case 1:
        VEC(i8, vec)[at] = (i8)value;
        break;
    case 2:
        VEC(i16, vec)[at] = (i16)value;
        break;
    case 4:
        VEC(i32, vec)[at] = (i32)value;
        break;
    default:
        VEC(i64, vec)[at] = value;
    }
}

/* Appends to a child: the vector grows by doubling; its length says how many elements are used. */
static void child_append(struct vec *child, struct arena *arena, const struct value *value)
{
    isize at = child->len;
    bool is_full = at == 0 || (at >= 16 && (at & (at - 1)) == 0);
    if (is_full) {
        struct vec larger;
        vec_init(&larger, arena, child->type, at == 0 ? 16 : 2 * at, true);
        isize bytes = type_element_bytes(child->type);
        if (at > 0 && bytes > 0 && larger.values != NULL) {
            memcpy(larger.values, child->values, (size_t)(at * bytes));
        }
        for (isize i = 0; i < at; i++) {
            if (!vec_is_valid(child, i)) {
                vec_set_null(&larger, arena, i);
            }
        }
        if (child->type->kind != TYPE_ROW && child->child_count > 0) {
            larger.children = child->children;
        }
        for (isize i = 0; child->type->kind == TYPE_ROW && i < at; i++) {
            struct value old;
            vec_get(child, i, arena, &old);
            vec_set(&larger, arena, i, &old);
        }
        *child = larger;
    }
    child->len = at + 1;
    vec_set(child, arena, at, value);
}

static void list_set(struct vec *vec, struct arena *arena, isize at, const struct value *value)
{
    const struct value *items = value->u.list.items;
    if (vec->type->kind == TYPE_ROW) {
        for (isize i = 0; i < vec->child_count; i++) {
            vec_set(&vec->children[i], arena, at, &items[i]);
        }
        return;
    }
    isize width = vec->child_count;
    VEC(struct span, vec)
    [at] = (struct span){.start = (u32)vec->children[0].len,
                         .count = (u32)(value->u.list.count / width)};
    for (isize i = 0; i < value->u.list.count; i++) {
        child_append(&vec->children[i % width], arena, &items[i]);
    }
}

void vec_set(struct vec *vec, struct arena *arena, isize row, const struct value *value)
{
    isize at = vec_index(vec, row);
    if (value->is_null) {
        vec_set_null(vec, arena, row);
        return;
    }
    if (vec->valid != NULL && vec->type->kind != TYPE_NULL) {
        vec->valid[at >> 6] |= 1ULL << (at & 63);
    }
    switch (vec->type->kind) {
    case TYPE_NULL:
        break;
    case TYPE_BOOLEAN:
        VEC(u8, vec)[at] = value->u.boolean;
        break;
    case TYPE_FLOAT:
        VEC(float, vec)[at] = (float)value->u.real;
        break;
    case TYPE_DOUBLE:
        VEC(double, vec)[at] = value->u.real;
        break;
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY: {
        bool is_long = value->u.text.len > STRVIEW_INLINE_MAX;
        str text = is_long ? arena_copy(arena, value->u.text) : value->u.text;
        VEC(struct strview, vec)[at] = strview_of(text);
        break;
    }
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        list_set(vec, arena, at, value);
        break;
    default:
        if (type_element_bytes(vec->type) < 16) {
            integer_set(vec, at, value->u.integer);
        } else if (vec->type->kind == TYPE_DECIMAL) {
            VEC(i128, vec)[at] = value->u.wide;
        } else {
            VEC(struct stamp, vec)[at] = value->u.stamp;
        }
    }
}

void vec_from_value(struct vec *vec, struct arena *arena, const struct value *value, isize len)
{
    vec_init(vec, arena, value->type, 1, false);
    vec->is_const = true;
    vec_set(vec, arena, 0, value);
    vec->len = len;
}

/* --- equality
 * ---------------------------------------------------------------------------------------- */

static bool list_eq(const struct value *a, const struct value *b)
{
    if (a->u.list.count != b->u.list.count) {
        return false;
    }
    for (isize i = 0; i < a->u.list.count; i++) {
        if (!value_eq(&a->u.list.items[i], &b->u.list.items[i])) {
            return false;
        }
    }
    return true;
}

bool value_eq(const struct value *a, const struct value *b)
{
    if (a->is_null || b->is_null) {
        return a->is_null == b->is_null;
    }
    if (a->type->kind != b->type->kind) {
        return false;
    }
    switch (a->type->kind) {
    case TYPE_NULL:
        return true;
    case TYPE_BOOLEAN:
        return a->u.boolean == b->u.boolean;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return a->u.real == b->u.real || (a->u.real != a->u.real && b->u.real != b->u.real);
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return str_eq(a->u.text, b->u.text);
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        return list_eq(a, b);
    default:
        if (type_element_bytes(a->type) != type_element_bytes(b->type)) {
            return false;
        }
        if (type_element_bytes(a->type) < 16) {
            return a->u.integer == b->u.integer;
        }
        return a->type->kind == TYPE_DECIMAL
                   ? a->u.wide == b->u.wide
                   : a->u.stamp.ms == b->u.stamp.ms && a->u.stamp.nanos == b->u.stamp.nanos;
    }
}
