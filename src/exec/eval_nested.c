/* exec/eval_nested.c: ROW fields, constructors of ROW, ARRAY and MAP, and element access. */
#include "exec/eval_int.h"

/* A vector that is not constant, with the selected rows filled. */
static void flatten(const struct eval *ev, const struct type *type, const struct vec *from,
                    const struct sel *sel, struct vec *out)
{
    if (!from->is_const && from->type->kind != TYPE_NULL) {
        *out = *from;
        return;
    }
    vec_init(out, ev->ctx->arena, type, ev->rows, false);
    eval__scatter(ev, out, from, sel);
}

static void eval_field(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                       struct vec *out)
{
    struct vec row_vec;
    eval__expr(ev, expr->args[0], sel, &row_vec);
    if (row_vec.child_count <= expr->column) {
        vec_init_null(out, ev->ctx->arena, expr->type, ev->rows); /* A NULL literal. */
        return;
    }
    *out = row_vec.children[expr->column];
    out->is_const = row_vec.is_const;
    out->len = ev->rows;
    if (row_vec.valid == NULL) {
        return;
    }
    /* A field of a NULL row is NULL. */
    isize words = ((row_vec.is_const ? 1 : ev->rows) + 63) / 64;
    u64 *valid = ARENA_ARRAY(ev->ctx->arena, u64, words);
    for (isize w = 0; w < words; w++) {
        valid[w] = row_vec.valid[w] & (out->valid == NULL ? ~(u64)0 : out->valid[w]);
    }
    out->valid = valid;
}

static void eval_row(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                     struct vec *out)
{
    vec_init(out, ev->ctx->arena, expr->type, ev->rows, false);
    CHECK(out->child_count == expr->arg_count);
    for (isize i = 0; i < expr->arg_count; i++) {
        struct vec field;
        eval__expr(ev, expr->args[i], sel, &field);
        flatten(ev, expr->type->fields[i].type, &field, sel, &out->children[i]);
    }
}

/* ARRAY[...] and MAP[...]: one value a row, the items in order. */
static void eval_list(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                      struct vec *out)
{
    struct vec *items = ARENA_ARRAY(ev->ctx->arena, struct vec, expr->arg_count + 1);
    bool is_const = ev->rows > 0 && sel->count > 0;
    for (isize i = 0; i < expr->arg_count; i++) {
        eval__expr(ev, expr->args[i], sel, &items[i]);
        is_const = is_const && items[i].is_const;
    }
    static const struct sel one = {NULL, 1};
    const struct sel *rows = is_const ? &one : sel;
    vec_init(out, ev->ctx->arena, expr->type, is_const ? 1 : ev->rows, false);
    bool is_map = expr->kind == EXPR_MAP;
    for (isize k = 0; k < rows->count; k++) {
        isize row = sel_row(rows, k);
        struct value list = {.type = expr->type};
        list.u.list.items = ARENA_ARRAY(ev->ctx->arena, struct value, expr->arg_count + 1);
        list.u.list.count = expr->arg_count;
        for (isize i = 0; i < expr->arg_count; i++) {
            struct value *item = &list.u.list.items[i];
            vec_get(&items[i], row, ev->ctx->arena, item);
            item->type = is_map && i % 2 == 0 ? expr->type->key : expr->type->item;
        }
        vec_set(out, ev->ctx->arena, row, &list);
    }
    out->is_const = is_const;
    out->len = ev->rows;
}

static const struct value *find_item(const struct eval *ev, const struct value *list,
                                     const struct value *index, isize row)
{
    if (list->type->kind == TYPE_ARRAY) {
        if (index->u.integer <= 0) {
            func_fail(ev->ctx, row,
                      "Array element access needs an index starting at 1 but was %lld.",
                      (long long)index->u.integer);
            return NULL;
        }
        return index->u.integer <= list->u.list.count ? &list->u.list.items[index->u.integer - 1]
                                                      : NULL;
    }
    for (isize i = 0; i + 1 < list->u.list.count; i += 2) {
        struct value key = *index;
        key.type = list->u.list.items[i].type;
        if (value_eq(&list->u.list.items[i], &key)) {
            return &list->u.list.items[i + 1];
        }
    }
    return NULL;
}

static void eval_item(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                      struct vec *out)
{
    struct vec list, index;
    eval__expr(ev, expr->args[0], sel, &list);
    eval__expr(ev, expr->args[1], sel, &index);
    vec_init(out, ev->ctx->arena, expr->type, ev->rows, false);
    for (isize k = 0; k < sel->count; k++) {
        isize row = sel_row(sel, k);
        const struct value *item = NULL;
        struct value whole, at;
        if (vec_is_valid(&list, row) && vec_is_valid(&index, row)) {
            vec_get(&list, row, ev->ctx->arena, &whole);
            vec_get(&index, row, ev->ctx->arena, &at);
            item = find_item(ev, &whole, &at, row);
        }
        if (item == NULL || item->is_null) {
            vec_set_null(out, ev->ctx->arena, row);
        } else {
            struct value copy = *item;
            copy.type = expr->type;
            vec_set(out, ev->ctx->arena, row, &copy);
        }
    }
}

void eval__nested(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                  struct vec *out)
{
    if (expr->kind == EXPR_FIELD) {
        eval_field(ev, expr, sel, out);
    } else if (expr->kind == EXPR_ROW) {
        eval_row(ev, expr, sel, out);
    } else if (expr->kind == EXPR_ITEM) {
        eval_item(ev, expr, sel, out);
    } else {
        eval_list(ev, expr, sel, out);
    }
}
