/* exec/eval.c: dispatch over expression kinds, calls, NULL tests, filters, constants. */
#include "exec/eval_int.h"

u16 *eval__rows(const struct eval *ev, isize count)
{
    CHECK(count <= BATCH_ROWS_MAX);
    return ARENA_ARRAY(ev->ctx->arena, u16, count + 1);
}

static void set_spans(struct func_ctx *ctx, isize before, const struct expr *expr)
{
    for (isize i = before; i < ctx->error_count; i++) {
        if (ctx->errors[i].span_start < 0) {
            ctx->errors[i].span_start = expr->span_start;
            ctx->errors[i].span_len = expr->span_len;
        }
    }
}

static void eval_call(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                      struct vec *out)
{
    struct vec *args = ARENA_ARRAY(ev->ctx->arena, struct vec, expr->arg_count + 1);
    for (isize i = 0; i < expr->arg_count; i++) {
        eval__expr(ev, expr->args[i], sel, &args[i]);
    }
    isize before = ev->ctx->error_count;
    func_call(ev->ctx, expr->call, args, ev->rows, sel, out);
    set_spans(ev->ctx, before, expr);
}

static void eval_literal(const struct eval *ev, const struct expr *expr, struct vec *out)
{
    if (expr->literal->is_null) {
        vec_init_null(out, ev->ctx->arena, expr->type, ev->rows);
    } else {
        vec_from_value(out, ev->ctx->arena, expr->literal, ev->rows);
    }
}

/* IS [NOT] NULL, and IS [NOT] TRUE/FALSE: never NULL themselves. */
static u8 test_row(enum expr_kind kind, const struct vec *arg, isize row)
{
    bool is_valid = vec_is_valid(arg, row);
    switch ((int)kind) {
    case EXPR_IS_NULL:
        return !is_valid;
    case EXPR_IS_NOT_NULL:
        return is_valid;
    case EXPR_IS_TRUE:
        return eval__is_true(arg, row);
    case EXPR_IS_NOT_TRUE:
        return !eval__is_true(arg, row);
    case EXPR_IS_FALSE:
        return is_valid && !eval__is_true(arg, row);
    default:
        return !(is_valid && !eval__is_true(arg, row));
    }
}

static void eval_test(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                      struct vec *out)
{
    struct vec arg;
    eval__expr(ev, expr->args[0], sel, &arg);
    vec_init(out, ev->ctx->arena, expr->type, arg.is_const ? 1 : ev->rows, false);
    if (arg.is_const) {
        VEC(u8, out)[0] = test_row(expr->kind, &arg, 0);
        out->is_const = true;
        out->len = ev->rows;
        return;
    }
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        VEC(u8, out)[row] = test_row(expr->kind, &arg, row);
    }
}

static void eval_not(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                     struct vec *out)
{
    struct vec arg;
    eval__expr(ev, expr->args[0], sel, &arg);
    isize rows = arg.is_const ? 1 : ev->rows;
    vec_init(out, ev->ctx->arena, expr->type, rows, false);
    out->valid = arg.valid;
    const u8 *from = arg.values;
    for (isize row = 0; row < rows; row++) {
        VEC(u8, out)[row] = from[row] == 0;
    }
    out->is_const = arg.is_const;
    out->len = ev->rows;
}

void eval__expr(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                struct vec *out)
{
    switch (expr->kind) {
    case EXPR_COLUMN:
        CHECK(ev->cols != NULL);
        *out = ev->cols[expr->column];
        break;
    case EXPR_LITERAL:
        eval_literal(ev, expr, out);
        break;
    case EXPR_CALL:
        eval_call(ev, expr, sel, out);
        break;
    case EXPR_AND:
    case EXPR_OR:
        eval__and_or(ev, expr, sel, out);
        break;
    case EXPR_NOT:
        eval_not(ev, expr, sel, out);
        break;
    case EXPR_IS_NULL:
    case EXPR_IS_NOT_NULL:
    case EXPR_IS_TRUE:
    case EXPR_IS_NOT_TRUE:
    case EXPR_IS_FALSE:
    case EXPR_IS_NOT_FALSE:
        eval_test(ev, expr, sel, out);
        break;
    case EXPR_CASE:
        eval__case(ev, expr, sel, out);
        break;
    case EXPR_COALESCE:
        eval__coalesce(ev, expr, sel, out);
        break;
    case EXPR_IN:
        eval__in(ev, expr, sel, out);
        break;
    case EXPR_FIELD:
    case EXPR_ROW:
    case EXPR_ARRAY:
    case EXPR_MAP:
    case EXPR_ITEM: {
        isize before = ev->ctx->error_count;
        eval__nested(ev, expr, sel, out);
        set_spans(ev->ctx, before, expr);
        break;
    }
    }
}

void eval_expr(struct func_ctx *ctx, const struct expr *expr, const struct vec *cols, isize rows,
               const struct sel *sel, struct vec *out)
{
    CHECK(rows <= BATCH_ROWS_MAX);
    struct eval ev = {ctx, cols, rows};
    eval__expr(&ev, expr, sel, out);
}

/* --- filters ---------------------------------------------------------------------------------- */

/* Rows whose expression failed since `before`. */
static bool has_failed(const struct func_ctx *ctx, isize before, isize row)
{
    for (isize i = before; i < ctx->error_count; i++) {
        if (ctx->errors[i].row == row) {
            return true;
        }
    }
    return false;
}

static isize keep_dense(const struct vec *result, isize count, u16 *kept)
{
    const u8 *values = result->values;
    isize n = 0;
    if (result->valid == NULL) {
        for (isize row = 0; row < count; row++) {
            kept[n] = (u16)row;
            n += values[row];
        }
        return n;
    }
    for (isize row = 0; row < count; row++) {
        kept[n] = (u16)row;
        n += (isize)(values[row] & (result->valid[row >> 6] >> (row & 63)) & 1);
    }
    return n;
}

static void filter(const struct eval *ev, const struct expr *condition, const struct sel *sel,
                   struct sel *out)
{
    if (condition->kind == EXPR_AND) {
        /* TRUE only if all are: each sees the rows that the ones before it kept. */
        *out = *sel;
        for (isize i = 0; i < condition->arg_count && out->count > 0; i++) {
            struct sel narrowed = *out;
            filter(ev, condition->args[i], &narrowed, out);
        }
        return;
    }
    struct vec result;
    isize before = ev->ctx->error_count;
    eval__expr(ev, condition, sel, &result);
    bool has_errors = ev->ctx->error_count > before;
    if (result.is_const && !has_errors) {
        *out = eval__is_true(&result, 0) ? *sel : (struct sel){eval__rows(ev, 0), 0};
        return;
    }
    u16 *kept = eval__rows(ev, sel->count);
    isize n = 0;
    if (sel->rows == NULL && !has_errors) {
        n = keep_dense(&result, sel->count, kept);
    } else {
        for (isize i = 0; i < sel->count; i++) {
            isize row = sel_row(sel, i);
            kept[n] = (u16)row;
            n += eval__is_true(&result, row) && !(has_errors && has_failed(ev->ctx, before, row));
        }
    }
    *out = (struct sel){kept, n};
}

void eval_filter(struct func_ctx *ctx, const struct expr *condition, const struct vec *cols,
                 isize rows, const struct sel *sel, struct sel *out)
{
    CHECK(rows <= BATCH_ROWS_MAX);
    struct eval ev = {ctx, cols, rows};
    struct sel result = {NULL, 0};
    filter(&ev, condition, sel, &result);
    *out = result;
}

/* --- constants -------------------------------------------------------------------------------- */

err eval_constant(struct arena *arena, const struct expr *expr, struct value *out,
                  struct diag *diag)
{
    static const struct sel one = {NULL, 1};
    struct func_ctx ctx = {.arena = arena, .watermark_us = INT64_MIN, .zone = "UTC"};
    struct vec result;
    eval_expr(&ctx, expr, NULL, 1, &one, &result);
    if (ctx.error_count > 0) {
        const struct func_row_error *error = &ctx.errors[0];
        err e = diag_set(diag, ERR_INVALID, "SQL0210", STR_FMT, STR_ARG(error->text));
        diag_span(diag, error->span_start, error->span_len);
        return e;
    }
    vec_get(&result, 0, arena, out);
    return OK;
}
