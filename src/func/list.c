/* func/list.c: building ARRAY and MAP results. */
#include "func/func_int.h"

void func__list_add(struct func_list_builder *list, struct value item)
{
    if (list->count == list->capacity) {
        isize capacity = MAX(8, list->capacity * 2);
        struct value *grown = ARENA_ARRAY(list->arena, struct value, capacity);
        if (list->count > 0) {
            memcpy(grown, list->items, (size_t)list->count * sizeof *grown);
        }
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
}

void func__put_list(struct func_ctx *ctx, struct vec *out, isize row,
                    const struct func_list_builder *list)
{
    struct value value = {.type = out->type};
    value.u.list.items = list->items;
    value.u.list.count = list->count;
    vec_set(out, ctx->arena, row, &value);
}
