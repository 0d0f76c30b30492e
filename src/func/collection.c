/* func/collection.c: functions of ARRAY and MAP, on boxed values of one row at a time. */
#include "func/func_int.h"

#include <stdlib.h>

enum { LIST_ITEMS_MAX = 1 << 20 };

static struct value value_at(struct func_ctx *ctx, const struct vec *vec, isize row)
{
    struct value value;
    vec_get(vec, row, ctx->arena, &value);
    return value;
}

static isize index_of(const struct value *items, isize count, const struct value *item)
{
    for (isize i = 0; i < count; i++) {
        if (func__value_equal(&items[i], item)) {
            return i;
        }
    }
    return -1;
}

static void put_value(struct func_ctx *ctx, struct vec *out, isize row, const struct value *value)
{
    if (value == NULL || value->is_null) {
        func__put_null(ctx, out, row);
    } else {
        struct value copy = *value;
        copy.type = out->type;
        vec_set(out, ctx->arena, row, &copy);
    }
}

/* --- size, element ---------------------------------------------------------------------------- */

KERNEL(cardinality)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        VEC(i32, out)[row] = (i32)ARG(struct span, &args[0], row).count;
    }
}

KERNEL(element)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row);
        if (list.u.list.count > 1) {
            func_fail(ctx, row, "Array has more than one element.");
        } else {
            put_value(ctx, out, row, list.u.list.count == 1 ? list.u.list.items : NULL);
        }
    }
}

static err bind_element(struct func_binding *b)
{
    if (b->args[0].type->kind != TYPE_ARRAY) {
        return func__bind_error(b);
    }
    b->out->result = type_with_null(b->arena, b->args[0].type->item, true);
    return OK;
}

/* --- search: the second argument has the item's type ------------------------------------------ */

KERNEL(array_contains)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        if (!vec_is_valid(&args[0], row)) {
            func__put_null(ctx, out, row);
            continue;
        }
        struct value list = value_at(ctx, &args[0], row), item = value_at(ctx, &args[1], row);
        VEC(u8, out)[row] = index_of(list.u.list.items, list.u.list.count, &item) >= 0;
    }
}

KERNEL(array_position)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row), item = value_at(ctx, &args[1], row);
        VEC(i32, out)[row] = (i32)index_of(list.u.list.items, list.u.list.count, &item) + 1;
    }
}

enum edit { REMOVE, APPEND, PREPEND };

KERNEL(array_edit)
{
    KERNEL_UNUSED();
    enum edit edit = *(const enum edit *)data;
    FOR_SEL(sel, row)
    {
        if (!vec_is_valid(&args[0], row)) {
            func__put_null(ctx, out, row);
            continue;
        }
        struct value list = value_at(ctx, &args[0], row), item = value_at(ctx, &args[1], row);
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        item.type = out->type->item;
        if (edit == PREPEND) {
            func__list_add(&built, item);
        }
        for (isize i = 0; i < list.u.list.count; i++) {
            struct value *one = &list.u.list.items[i];
            if (edit != REMOVE || !func__value_equal(one, &item)) {
                func__list_add(&built, *one);
            }
        }
        if (edit == APPEND) {
            func__list_add(&built, item);
        }
        func__put_list(ctx, out, row, &built);
    }
}

/* ARRAY<T> and T brought to a common T; result set for those that give the array back. */
static err bind_with_item(struct func_binding *b)
{
    static const enum edit edits[] = {REMOVE, APPEND, PREPEND};
    const struct type *array = b->args[0].type;
    if (array->kind != TYPE_ARRAY) {
        return func__bind_error(b);
    }
    const struct type *both[2] = {array->item, b->args[1].type};
    const struct type *item = func_common_type(b->arena, both, 2);
    if (item == NULL) {
        return func__bind_error(b);
    }
    str name = str_of(b->def->name);
    bool is_remove = str_eq(name, STR("ARRAY_REMOVE"));
    b->out->arg_types[0] = type_with_null(b->arena, type_array(b->arena, item), array->is_nullable);
    b->out->arg_types[1] = item;
    b->out->data = &edits[is_remove ? 0 : str_eq(name, STR("ARRAY_APPEND")) ? 1 : 2];
    if (b->out->result == NULL) {
        b->out->result = type_with_null(b->arena, is_remove ? array : b->out->arg_types[0],
                                        array->is_nullable || b->args[1].type->is_nullable);
        if (is_remove) {
            b->out->arg_types[0] = array;
        }
    }
    return OK;
}

/* --- one array to one array ------------------------------------------------------------------- */

KERNEL(array_distinct)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row);
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; i < list.u.list.count; i++) {
            if (index_of(built.items, built.count, &list.u.list.items[i]) < 0) {
                func__list_add(&built, list.u.list.items[i]);
            }
        }
        func__put_list(ctx, out, row, &built);
    }
}

KERNEL(array_reverse)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row);
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = list.u.list.count; i-- > 0;) {
            func__list_add(&built, list.u.list.items[i]);
        }
        func__put_list(ctx, out, row, &built);
    }
}

/* 1-based, both ends included; negative positions count from the end, 0 is 1. */
KERNEL(array_slice)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row);
        i64 count = list.u.list.count, from = ARG(i32, &args[1], row);
        i64 to = arg_count > 2 ? ARG(i32, &args[2], row) : count;
        from = from < 0 ? from + count + 1 : from == 0 ? 1 : from;
        to = to < 0 ? to + count + 1 : to;
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (i64 i = MAX(from, 1); i <= MIN(to, count); i++) {
            func__list_add(&built, list.u.list.items[i - 1]);
        }
        func__put_list(ctx, out, row, &built);
    }
}

static int ascending(const void *a, const void *b)
{
    return func__value_compare(a, b);
}

KERNEL(array_sort)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        bool is_up = arg_count < 2 || ARG(u8, &args[1], row) != 0;
        bool nulls_first = arg_count < 3 ? is_up : ARG(u8, &args[2], row) != 0;
        struct value list = value_at(ctx, &args[0], row);
        struct value *items = list.u.list.items;
        isize count = list.u.list.count, nulls = 0;
        if (count > 0) {
            qsort(items, (size_t)count, sizeof *items, ascending); /* NULLs stand first. */
        }
        while (nulls < count && items[nulls].is_null) {
            nulls++;
        }
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; nulls_first && i < nulls; i++) {
            func__list_add(&built, items[i]);
        }
        for (isize i = nulls; i < count; i++) {
            func__list_add(&built, items[is_up ? i : count - 1 - (i - nulls)]);
        }
        for (isize i = 0; !nulls_first && i < nulls; i++) {
            func__list_add(&built, items[i]);
        }
        func__put_list(ctx, out, row, &built);
    }
}

struct extreme_plan {
    int sign;
};

KERNEL(array_extreme)
{
    KERNEL_UNUSED();
    int sign = ((const struct extreme_plan *)data)->sign;
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row);
        const struct value *best = NULL;
        for (isize i = 0; i < list.u.list.count; i++) {
            const struct value *item = &list.u.list.items[i];
            if (!item->is_null && (best == NULL || func__value_compare(item, best) * sign > 0)) {
                best = item;
            }
        }
        put_value(ctx, out, row, best);
    }
}

static err bind_comparable(struct func_binding *b)
{
    static const struct extreme_plan min = {-1}, max = {1};
    TRY(bind_element(b));
    if (b->args[0].type->item->kind >= TYPE_ARRAY) {
        return func__bind_error(b);
    }
    b->out->data = str_eq(str_of(b->def->name), STR("ARRAY_MAX")) ? &max : &min;
    return OK;
}

static err bind_sort(struct func_binding *b)
{
    const struct type *type = b->args[0].type;
    if (type->kind != TYPE_ARRAY || type->item->kind >= TYPE_ARRAY) {
        return func__bind_error(b);
    }
    func__set_result(b, type);
    return OK;
}

/* --- two arrays ------------------------------------------------------------------------------- */

enum pair { UNION, EXCEPT, INTERSECT };

static bool keeps(enum pair op, const struct value *item, const struct value *other)
{
    bool is_there = index_of(other->u.list.items, other->u.list.count, item) >= 0;
    return op == UNION || (op == EXCEPT ? !is_there : is_there);
}

KERNEL(array_pair)
{
    KERNEL_UNUSED();
    enum pair op = *(const enum pair *)data;
    FOR_SEL(sel, row)
    {
        struct value a = value_at(ctx, &args[0], row), b = value_at(ctx, &args[1], row);
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; i < a.u.list.count; i++) {
            const struct value *item = &a.u.list.items[i];
            if (index_of(built.items, built.count, item) < 0 && keeps(op, item, &b)) {
                func__list_add(&built, *item);
            }
        }
        for (isize i = 0; op == UNION && i < b.u.list.count; i++) {
            const struct value *item = &b.u.list.items[i];
            if (index_of(built.items, built.count, item) < 0) {
                func__list_add(&built, *item);
            }
        }
        func__put_list(ctx, out, row, &built);
    }
}

KERNEL(array_concat)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; i < arg_count; i++) {
            struct value list = value_at(ctx, &args[i], row);
            for (isize k = 0; k < list.u.list.count && built.count < LIST_ITEMS_MAX; k++) {
                func__list_add(&built, list.u.list.items[k]);
            }
        }
        func__put_list(ctx, out, row, &built);
    }
}

static err bind_same_arrays(struct func_binding *b)
{
    static const enum pair pairs[] = {UNION, EXCEPT, INTERSECT};
    const struct type *types[FUNC_ARGS_MAX];
    for (isize i = 0; i < b->count; i++) {
        types[i] = b->args[i].type;
    }
    const struct type *common = func_common_type(b->arena, types, b->count);
    if (common == NULL || common->kind != TYPE_ARRAY) {
        return func__bind_error(b);
    }
    for (isize i = 0; i < b->count; i++) {
        b->out->arg_types[i] = common;
    }
    str name = str_of(b->def->name);
    b->out->data = &pairs[str_eq(name, STR("ARRAY_UNION"))    ? 0
                          : str_eq(name, STR("ARRAY_EXCEPT")) ? 1
                                                              : 2];
    func__set_result(b, common);
    return OK;
}

KERNEL(array_join)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        struct value list = value_at(ctx, &args[0], row);
        bool is_first = true;
        buf_reset(&buf);
        for (isize i = 0; i < list.u.list.count; i++) {
            const struct value *item = &list.u.list.items[i];
            if (item->is_null && arg_count < 3) {
                continue;
            }
            if (!is_first) {
                buf_append(&buf, func__text_at(&args[1], row));
            }
            is_first = false;
            buf_append(&buf, item->is_null ? func__text_at(&args[2], row) : item->u.text);
        }
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

static err bind_join(struct func_binding *b)
{
    const struct type *type = b->args[0].type;
    return type->kind == TYPE_ARRAY && type_is_string(type->item) ? OK : func__bind_error(b);
}

/* --- maps ------------------------------------------------------------------------------------- */

enum map_part { KEYS, VALUES, ENTRIES };

KERNEL(map_parts)
{
    KERNEL_UNUSED();
    enum map_part part = *(const enum map_part *)data;
    FOR_SEL(sel, row)
    {
        struct value map = value_at(ctx, &args[0], row);
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; i + 1 < map.u.list.count; i += 2) {
            struct value item = map.u.list.items[part == VALUES ? i + 1 : i];
            if (part == ENTRIES) {
                item = (struct value){.type = out->type->item};
                item.u.list.items = &map.u.list.items[i];
                item.u.list.count = 2;
            }
            func__list_add(&built, item);
        }
        func__put_list(ctx, out, row, &built);
    }
}

static err bind_map_parts(struct func_binding *b)
{
    static const enum map_part parts[] = {KEYS, VALUES, ENTRIES};
    const struct type *map = b->args[0].type;
    if (map->kind != TYPE_MAP) {
        return func__bind_error(b);
    }
    str name = str_of(b->def->name);
    isize part = str_eq(name, STR("MAP_KEYS")) ? 0 : str_eq(name, STR("MAP_VALUES")) ? 1 : 2;
    struct type_field *fields = ARENA_ARRAY(b->arena, struct type_field, 2);
    fields[0] = (struct type_field){.name = STR("key"), .type = map->key};
    fields[1] = (struct type_field){.name = STR("value"), .type = map->item};
    const struct type *item = part == 0   ? map->key
                              : part == 1 ? map->item
                                          : type_row(b->arena, fields, 2);
    func__set_result(b, type_array(b->arena, item));
    b->out->data = &parts[part];
    return OK;
}

static void map_add(struct func_list_builder *map, struct value key, struct value value)
{
    for (isize i = 0; i + 1 < map->count; i += 2) {
        if (func__value_equal(&map->items[i], &key)) {
            map->items[i + 1] = value;
            return;
        }
    }
    func__list_add(map, key);
    func__list_add(map, value);
}

KERNEL(map_from_arrays)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct value keys = value_at(ctx, &args[0], row), values = value_at(ctx, &args[1], row);
        if (keys.u.list.count != values.u.list.count) {
            func_fail(ctx, row,
                      "Invalid function MAP_FROM_ARRAYS call:\nThe length of the keys "
                      "array %lld is not equal to the length of the values array %lld",
                      (long long)keys.u.list.count, (long long)values.u.list.count);
            continue;
        }
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; i < keys.u.list.count; i++) {
            map_add(&built, keys.u.list.items[i], values.u.list.items[i]);
        }
        func__put_list(ctx, out, row, &built);
    }
}

static err bind_map_from(struct func_binding *b)
{
    const struct type *keys = b->args[0].type, *values = b->args[1].type;
    if (keys->kind != TYPE_ARRAY || values->kind != TYPE_ARRAY) {
        return func__bind_error(b);
    }
    func__set_result(b, type_map(b->arena, keys->item, values->item));
    return OK;
}

KERNEL(map_union)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        for (isize i = 0; i < arg_count; i++) {
            struct value map = value_at(ctx, &args[i], row);
            for (isize k = 0; k + 1 < map.u.list.count; k += 2) {
                map_add(&built, map.u.list.items[k], map.u.list.items[k + 1]);
            }
        }
        func__put_list(ctx, out, row, &built);
    }
}

static err bind_map_union(struct func_binding *b)
{
    const struct type *types[FUNC_ARGS_MAX];
    for (isize i = 0; i < b->count; i++) {
        types[i] = b->args[i].type;
    }
    const struct type *common = func_common_type(b->arena, types, b->count);
    if (common == NULL || common->kind != TYPE_MAP) {
        return func__bind_error(b);
    }
    for (isize i = 0; i < b->count; i++) {
        b->out->arg_types[i] = common;
    }
    func__set_result(b, common);
    return OK;
}

/* --- from text -------------------------------------------------------------------------------- */

KERNEL(split)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row), separator = func__text_at(&args[1], row);
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        isize at = 0;
        while (text.len > 0 && at <= text.len && built.count < LIST_ITEMS_MAX) {
            isize found = separator.len > 0 ? str_find(text, separator, at)
                          : at < text.len   ? at + func__utf8_len(text.data[at])
                                            : -1;
            if (separator.len == 0 && at >= text.len) {
                break;
            }
            struct value item = {.type = out->type->item};
            item.u.text = str_slice(text, at, found < 0 ? text.len : found);
            func__list_add(&built, item);
            if (found < 0) {
                break;
            }
            at = found + separator.len;
        }
        func__put_list(ctx, out, row, &built);
    }
}

static err bind_split(struct func_binding *b)
{
    func__set_result(b, type_array(b->arena, type_of(TYPE_VARCHAR)));
    return OK;
}

KERNEL(str_to_map)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        str pair_end = arg_count > 1 ? func__text_at(&args[1], row) : STR(",");
        str key_end = arg_count > 2 ? func__text_at(&args[2], row) : STR("=");
        struct func_list_builder built = {ctx->arena, NULL, 0, 0};
        while (text.len > 0 && pair_end.len > 0 && key_end.len > 0 &&
               built.count < LIST_ITEMS_MAX) {
            isize end = str_find(text, pair_end, 0);
            str pair = str_slice(text, 0, end < 0 ? text.len : end);
            text = end < 0 ? STR_EMPTY : str_slice(text, end + pair_end.len, text.len);
            isize cut = str_find(pair, key_end, 0);
            struct value key = {.type = out->type->key}, value = {.type = out->type->item};
            key.u.text = str_slice(pair, 0, cut < 0 ? pair.len : cut);
            value.is_null = cut < 0;
            value.u.text = cut < 0 ? STR_EMPTY : str_slice(pair, cut + key_end.len, pair.len);
            map_add(&built, key, value);
        }
        func__put_list(ctx, out, row, &built);
    }
}

static err bind_str_to_map(struct func_binding *b)
{
    const struct type *text = type_of(TYPE_VARCHAR);
    b->out->result = type_map(b->arena, text, text);
    return OK;
}

enum { STRICT = FUNC_STRICT, FAILS = FUNC_STRICT | FUNC_MAY_FAIL };
#define PAIR(name)                                                                   \
    {                                                                                \
        name, NULL, "collection", name "(array, array)", "AA>?", STRICT, array_pair, \
            bind_same_arrays                                                         \
    }
#define MAP_PART(name)                                                                   \
    {                                                                                    \
        name, NULL, "collection", name "(map)", "M>?", STRICT, map_parts, bind_map_parts \
    }
#define ITEM_EDIT(name)                                                                       \
    {                                                                                         \
        name, NULL, "collection", name "(array, item)", "Aa>?", 0, array_edit, bind_with_item \
    }

const struct func_def func__collection[] = {
    {"CARDINALITY", NULL, "collection", "CARDINALITY(array or map)", "A>I;M>I", STRICT, cardinality,
     NULL},
    {"ELEMENT", NULL, "collection", "ELEMENT(array)", "A>?", FAILS, element, bind_element},
    {"ARRAY_CONTAINS", NULL, "collection", "ARRAY_CONTAINS(array, item)", "Aa>Z", 0, array_contains,
     bind_with_item},
    {"ARRAY_POSITION", NULL, "collection", "ARRAY_POSITION(array, item)", "Aa>I", STRICT,
     array_position, bind_with_item},
    ITEM_EDIT("ARRAY_REMOVE"),
    ITEM_EDIT("ARRAY_APPEND"),
    ITEM_EDIT("ARRAY_PREPEND"),
    {"ARRAY_DISTINCT", NULL, "collection", "ARRAY_DISTINCT(array)", "A>0", STRICT, array_distinct,
     NULL},
    {"ARRAY_REVERSE", NULL, "collection", "ARRAY_REVERSE(array)", "A>0", STRICT, array_reverse,
     NULL},
    {"ARRAY_SLICE", NULL, "collection", "ARRAY_SLICE(array, from [, to])", "Ai>0;Aii>0", STRICT,
     array_slice, NULL},
    {"ARRAY_SORT", NULL, "collection", "ARRAY_SORT(array [, ascending [, nulls_first]])",
     "A>?;Az>?;Azz>?", STRICT, array_sort, bind_sort},
    {"ARRAY_MAX", NULL, "collection", "ARRAY_MAX(array)", "A>?", STRICT, array_extreme,
     bind_comparable},
    {"ARRAY_MIN", NULL, "collection", "ARRAY_MIN(array)", "A>?", STRICT, array_extreme,
     bind_comparable},
    PAIR("ARRAY_UNION"),
    PAIR("ARRAY_EXCEPT"),
    PAIR("ARRAY_INTERSECT"),
    {"ARRAY_CONCAT", NULL, "collection", "ARRAY_CONCAT(array, ...)", "A*>?", STRICT, array_concat,
     bind_same_arrays},
    {"ARRAY_JOIN", NULL, "collection", "ARRAY_JOIN(array, separator [, null_text])", "As>S;Ass>S",
     STRICT, array_join, bind_join},
    MAP_PART("MAP_KEYS"),
    MAP_PART("MAP_VALUES"),
    MAP_PART("MAP_ENTRIES"),
    {"MAP_FROM_ARRAYS", NULL, "collection", "MAP_FROM_ARRAYS(keys, values)", "AA>?", FAILS,
     map_from_arrays, bind_map_from},
    {"MAP_UNION", NULL, "collection", "MAP_UNION(map, ...)", "M*>?", STRICT, map_union,
     bind_map_union},
    {"SPLIT", NULL, "string", "SPLIT(text, separator)", "ss>?", STRICT, split, bind_split},
    {"STR_TO_MAP", NULL, "string", "STR_TO_MAP(text [, pair_separator, key_separator])",
     "s>?;sss>?", STRICT, str_to_map, bind_str_to_map},
    {0},
};
