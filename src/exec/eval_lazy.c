/*
 * exec/eval_lazy.c: AND, OR, CASE, COALESCE, IN. Each argument is evaluated only for the rows that
 * still need it, so 1/0 in a branch that no row takes is no error.
 */
#include "exec/eval_int.h"

void eval__scatter(const struct eval *ev, struct vec *to, const struct vec *from,
                   const struct sel *sel)
{
    size_t bytes = (size_t)type_element_bytes(to->type);
    bool is_plain = to->type->kind < TYPE_ARRAY && bytes > 0;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (!vec_is_valid(from, row) || from->type->kind == TYPE_NULL) {
            vec_set_null(to, ev->ctx->arena, row);
        } else if (is_plain) {
            memcpy((u8 *)to->values + bytes * (size_t)row,
                   (const u8 *)from->values + bytes * (size_t)vec_index(from, row), bytes);
        } else {
            struct value value;
            vec_get(from, row, ev->ctx->arena, &value);
            value.type = to->type;
            vec_set(to, ev->ctx->arena, row, &value);
        }
    }
}

/* Of rows `open`: those whose argument equals `wanted` are dropped, NULLs are marked. */
static isize drop_decided(const struct vec *arg, u8 wanted, u16 *open, isize count, u8 *is_null)
{
    isize n = 0;
    for (isize i = 0; i < count; i++) {
        isize row = open[i];
        bool is_valid = vec_is_valid(arg, row);
        is_null[row] |= !is_valid;
        bool is_decided = is_valid && ((const u8 *)arg->values)[vec_index(arg, row)] == wanted;
        open[n] = (u16)row;
        n += !is_decided;
    }
    return n;
}

static u16 *copy_rows(const struct eval *ev, const struct sel *sel)
{
    u16 *rows = eval__rows(ev, sel->count);
    for (isize i = 0; i < sel->count; i++) {
        rows[i] = (u16)sel_row(sel, i);
    }
    return rows;
}

void eval__and_or(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                  struct vec *out)
{
    /* AND is decided by a FALSE, OR by a TRUE; rows never decided are the opposite, or NULL. */
    u8 decisive = expr->kind == EXPR_OR;
    vec_init(out, ev->ctx->arena, expr->type, ev->rows, false);
    u8 *is_null = ARENA_ARRAY(ev->ctx->arena, u8, ev->rows + 1);
    u16 *open = copy_rows(ev, sel);
    isize count = sel->count;
    for (isize i = 0; i < count; i++) {
        VEC(u8, out)[open[i]] = decisive;
    }
    for (isize i = 0; i < expr->arg_count && count > 0; i++) {
        struct vec arg;
        struct sel rest = {open, count};
        eval__expr(ev, expr->args[i], &rest, &arg);
        /* Arguments may alias `open` through their own selections: decide into a copy. */
        u16 *next = copy_rows(ev, &rest);
        count = drop_decided(&arg, decisive, next, count, is_null);
        open = next;
    }
    for (isize i = 0; i < count; i++) {
        isize row = open[i];
        VEC(u8, out)[row] = !decisive;
        if (is_null[row]) {
            vec_set_null(out, ev->ctx->arena, row);
        }
    }
}

void eval__case(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                struct vec *out)
{
    CHECK(expr->arg_count % 2 == 1);
    vec_init(out, ev->ctx->arena, expr->type, ev->rows, false);
    struct sel rest = {copy_rows(ev, sel), sel->count};
    for (isize i = 0; i + 1 < expr->arg_count && rest.count > 0; i += 2) {
        struct vec when, then;
        eval__expr(ev, expr->args[i], &rest, &when);
        u16 *taken = eval__rows(ev, rest.count), *left = eval__rows(ev, rest.count);
        isize taken_count = 0, left_count = 0;
        for (isize k = 0; k < rest.count; k++) {
            u16 row = rest.rows[k];
            bool is_true = eval__is_true(&when, row);
            taken[taken_count] = row;
            left[left_count] = row;
            taken_count += is_true;
            left_count += !is_true;
        }
        struct sel yes = {taken, taken_count};
        if (taken_count > 0) {
            eval__expr(ev, expr->args[i + 1], &yes, &then);
            eval__scatter(ev, out, &then, &yes);
        }
        rest = (struct sel){left, left_count};
    }
    if (rest.count > 0) {
        struct vec otherwise;
        eval__expr(ev, expr->args[expr->arg_count - 1], &rest, &otherwise);
        eval__scatter(ev, out, &otherwise, &rest);
    }
}

void eval__coalesce(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                    struct vec *out)
{
    vec_init(out, ev->ctx->arena, expr->type, ev->rows, false);
    struct sel rest = {copy_rows(ev, sel), sel->count};
    for (isize i = 0; i < expr->arg_count && rest.count > 0; i++) {
        struct vec arg;
        eval__expr(ev, expr->args[i], &rest, &arg);
        u16 *found = eval__rows(ev, rest.count), *left = eval__rows(ev, rest.count);
        isize found_count = 0, left_count = 0;
        for (isize k = 0; k < rest.count; k++) {
            u16 row = rest.rows[k];
            bool is_valid = arg.type->kind != TYPE_NULL && vec_is_valid(&arg, row);
            found[found_count] = row;
            left[left_count] = row;
            found_count += is_valid;
            left_count += !is_valid;
        }
        eval__scatter(ev, out, &arg, &(struct sel){found, found_count});
        rest = (struct sel){left, left_count};
    }
    for (isize i = 0; i < rest.count; i++) {
        vec_set_null(out, ev->ctx->arena, rest.rows[i]);
    }
}

static bool items_equal(const struct eval *ev, const struct vec *a, const struct vec *b, isize row)
{
    enum type_kind kind = a->type->kind;
    if (kind >= TYPE_CHAR && kind <= TYPE_VARBINARY) {
        return strview_eq(&((const struct strview *)a->values)[vec_index(a, row)],
                          &((const struct strview *)b->values)[vec_index(b, row)]);
    }
    if (kind == TYPE_FLOAT) {
        return ((const float *)a->values)[vec_index(a, row)] ==
               ((const float *)b->values)[vec_index(b, row)];
    }
    if (kind == TYPE_DOUBLE) {
        return ((const double *)a->values)[vec_index(a, row)] ==
               ((const double *)b->values)[vec_index(b, row)];
    }
    size_t bytes = (size_t)type_element_bytes(a->type);
    if (kind < TYPE_ARRAY && a->type->kind == b->type->kind &&
        bytes == (size_t)type_element_bytes(b->type) &&
        (kind != TYPE_DECIMAL || a->type->scale == b->type->scale)) {
        return memcmp((const u8 *)a->values + bytes * (size_t)vec_index(a, row),
                      (const u8 *)b->values + bytes * (size_t)vec_index(b, row), bytes) == 0;
    }
    struct value x, y;
    vec_get(a, row, ev->ctx->arena, &x);
    vec_get(b, row, ev->ctx->arena, &y);
    return value_eq(&x, &y);
}

void eval__in(const struct eval *ev, const struct expr *expr, const struct sel *sel,
              struct vec *out)
{
    struct vec needle;
    eval__expr(ev, expr->args[0], sel, &needle);
    vec_init(out, ev->ctx->arena, expr->type, ev->rows, false);
    u16 *open = eval__rows(ev, sel->count);
    isize count = 0;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(&needle, row)) {
            open[count++] = (u16)row;
        } else {
            vec_set_null(out, ev->ctx->arena, row);
        }
    }
    u8 *is_null = ARENA_ARRAY(ev->ctx->arena, u8, ev->rows + 1);
    for (isize i = 1; i < expr->arg_count && count > 0; i++) {
        struct vec item;
        struct sel rest = {open, count};
        eval__expr(ev, expr->args[i], &rest, &item);
        u16 *left = eval__rows(ev, count);
        isize n = 0;
        for (isize k = 0; k < count; k++) {
            isize row = open[k];
            bool is_valid = vec_is_valid(&item, row);
            bool is_found = is_valid && items_equal(ev, &needle, &item, row);
            is_null[row] |= !is_valid;
            VEC(u8, out)[row] = is_found;
            left[n] = (u16)row;
            n += !is_found;
        }
        open = left;
        count = n;
    }
    for (isize i = 0; i < count; i++) {
        if (is_null[open[i]]) {
            vec_set_null(out, ev->ctx->arena, open[i]);
        }
    }
}
