/* plan/expr.c: walks over bound expressions. Their height is bounded by sql's depth limit. */
#include "plan/expr.h"

void expr_mark_columns(const struct expr *expr, bool *used)
{
    if (expr->kind == EXPR_COLUMN) {
        used[expr->column] = true;
    }
    for (isize i = 0; i < expr->arg_count; i++) {
        expr_mark_columns(expr->args[i], used);
    }
}

u32 expr_flags(const struct expr *expr)
{
    u32 flags = expr->kind == EXPR_CALL ? expr->call->flags : 0;
    for (isize i = 0; i < expr->arg_count; i++) {
        flags |= expr_flags(expr->args[i]);
    }
    return flags;
}

bool expr_is_deterministic(const struct expr *expr)
{
    return (expr_flags(expr) & FUNC_NON_DETERMINISTIC) == 0;
}

static bool literal_eq(const struct value *a, const struct value *b)
{
    return a->is_null == b->is_null && (a->is_null || value_eq(a, b));
}

/* Two bindings of one function differ in result or arguments only by types and literals, which are
 * compared as arguments; the name tells the function. */
static bool call_eq(const struct func_bound *a, const struct func_bound *b)
{
    return str_eq(a->name, b->name) && a->kernel == b->kernel;
}

bool expr_eq(const struct expr *a, const struct expr *b)
{
    if (a == b) {
        return true;
    }
    if (a->kind != b->kind || a->column != b->column || a->arg_count != b->arg_count ||
        !type_eq(a->type, b->type, true)) {
        return false;
    }
    if (a->kind == EXPR_LITERAL && !literal_eq(a->literal, b->literal)) {
        return false;
    }
    if (a->kind == EXPR_CALL && !call_eq(a->call, b->call)) {
        return false;
    }
    for (isize i = 0; i < a->arg_count; i++) {
        if (!expr_eq(a->args[i], b->args[i])) {
            return false;
        }
    }
    return true;
}
