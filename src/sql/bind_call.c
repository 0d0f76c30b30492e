/* sql/bind_call.c: function calls; COALESCE, IF, NULLIF; expressions that are group keys. */
#include "sql/bind_int.h"

err sql__make_call(struct sql_binder *b, str name, const struct expr *const *args, isize count,
                   struct sql_span span, const struct expr **out)
{
    struct func_arg *given = ARENA_ARRAY(b->arena, struct func_arg, count + 1);
    for (isize i = 0; i < count; i++) {
        given[i].type = sql__plain(b, args[i]->type);
        given[i].literal = args[i]->kind == EXPR_LITERAL ? args[i]->literal : NULL;
    }
    struct func_bound *bound = ARENA_NEW(b->arena, struct func_bound);
    TRY(sql__located(b, func_bind(b->arena, name, given, count, bound, b->diag), span));
    const struct expr **casted = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    for (isize i = 0; i < count; i++) {
        TRY(sql__cast(b, args[i], bound->arg_types[i], false, &casted[i]));
    }
    TRY(sql__new_expr(b,
                      (struct expr){.kind = EXPR_CALL,
                                    .type = sql__plain(b, bound->result),
                                    .call = bound,
                                    .args = casted,
                                    .arg_count = count},
                      span, out));
    *out = sql__fold(b, *out);
    return OK;
}

static err wrong_count(struct sql_binder *b, const struct sql_expr *ast, const char *form)
{
    return sql__fail(b->diag, SQLE_FUNCTION_ARGUMENTS, sql__bind_span(b, ast->span),
                     "the function is called %s", form);
}

static err no_common(struct sql_binder *b, struct sql_span span, const char *name)
{
    return sql__fail(b->diag, SQLE_TYPE_MISMATCH, span, "the arguments of %s have no common type",
                     name);
}

/* COALESCE(a, ...), IFNULL(a, b) */
static err bind_coalesce(struct sql_binder *b, const struct sql_scope *scope,
                         const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **args = NULL;
    const struct type *type = NULL;
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    bool is_nullable = true;
    for (isize i = 0; i < ast->arg_count; i++) {
        is_nullable = is_nullable && args[i]->type->is_nullable;
    }
    TRY(sql__unify(b, args, ast->arg_count, 1, &type));
    if (type == NULL) {
        return no_common(b, span, "COALESCE");
    }
    return sql__new_expr(b,
                         (struct expr){.kind = EXPR_COALESCE,
                                       .type = type_with_null(b->arena, type, is_nullable),
                                       .args = args,
                                       .arg_count = ast->arg_count},
                         span, out);
}

static err new_if(struct sql_binder *b, const struct expr **args, struct sql_span span,
                  const struct expr **out)
{
    bool is_nullable =
        args[0]->type->is_nullable || args[1]->type->is_nullable || args[2]->type->is_nullable;
    const struct type *type = NULL;
    TRY(sql__unify(b, args + 1, 2, 1, &type));
    if (type == NULL) {
        return no_common(b, span, "IF");
    }
    return sql__new_expr(b,
                         (struct expr){.kind = EXPR_CASE,
                                       .type = type_with_null(b->arena, type, is_nullable),
                                       .args = args,
                                       .arg_count = 3},
                         span, out);
}

static err bind_if(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, 3);
    TRY(sql__bind_condition(b, scope, ast->args[0], &args[0]));
    TRY(sql__bind_expr(b, scope, ast->args[1], &args[1]));
    TRY(sql__bind_expr(b, scope, ast->args[2], &args[2]));
    return new_if(b, args, sql__bind_span(b, ast->span), out);
}

/* NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END. */
static err bind_nullif(struct sql_binder *b, const struct sql_scope *scope,
                       const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **sides = NULL;
    const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, 3);
    TRY(sql__bind_list(b, scope, ast->args, 2, &sides));
    TRY(sql__make_call(b, STR("="), sides, 2, span, &args[0]));
    args[1] = sql__new_null(b, sides[0]->type, span);
    args[2] = sides[0];
    return new_if(b, args, span, out);
}

static bool is_window_function(str name)
{
    return str_eq_nocase(name, STR("TUMBLE")) || str_eq_nocase(name, STR("HOP")) ||
           str_eq_nocase(name, STR("CUMULATE")) || str_eq_nocase(name, STR("SESSION"));
}

static err bind_plain(struct sql_binder *b, const struct sql_scope *scope,
                      const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    if (ast->is_distinct || ast->filter != NULL || ast->is_star) {
        return sql__fail(b->diag, SQLE_AGGREGATE_PLACE, span,
                         "" STR_FMT " is not an aggregate function: it takes no %s",
                         STR_ARG(str_slice(ast->text, 0, 64)),
                         ast->is_star       ? "\"*\""
                         : ast->is_distinct ? "DISTINCT"
                                            : "FILTER");
    }
    const struct expr **args = NULL;
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    TRY(sql__make_call(b, ast->text, args, ast->arg_count, span, out));
    if (str_eq_nocase(ast->text, STR("PROCTIME"))) {
        struct expr *copy = ARENA_NEW(b->arena, struct expr);
        *copy = **out;
        copy->type = type_with_time(b->arena, copy->type, TYPE_TIME_PROC);
        *out = copy;
    }
    return OK;
}

err sql__bind_call(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    str name = ast->text;
    if (func_is_aggregate(name)) {
        return sql__bind_aggregate(b, scope, ast, out);
    }
    if (is_window_function(name)) {
        err e = sql__fail(b->diag, SQLE_WINDOW_FUNCTION, sql__bind_span(b, ast->span),
                          STR_FMT " stands in FROM", STR_ARG(name));
        diag_hint(b->diag,
                  "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))");
        return e;
    }
    if (str_eq_nocase(name, STR("COALESCE"))) {
        return ast->arg_count > 0 ? bind_coalesce(b, scope, ast, out)
                                  : wrong_count(b, ast, "COALESCE(value, ...)");
    }
    if (str_eq_nocase(name, STR("IFNULL"))) {
        return ast->arg_count == 2 ? bind_coalesce(b, scope, ast, out)
                                   : wrong_count(b, ast, "IFNULL(a, b)");
    }
    if (str_eq_nocase(name, STR("IF"))) {
        return ast->arg_count == 3 ? bind_if(b, scope, ast, out)
                                   : wrong_count(b, ast, "IF(condition, a, b)");
    }
    if (str_eq_nocase(name, STR("NULLIF"))) {
        return ast->arg_count == 2 ? bind_nullif(b, scope, ast, out)
                                   : wrong_count(b, ast, "NULLIF(a, b)");
    }
    return bind_plain(b, scope, ast, out);
}

/* --- group keys ------------------------------------------------------------------------------- */

static bool same_name(struct sql_binder *b, const struct sql_relation *from,
                      const struct sql_expr *x, const struct sql_expr *y)
{
    struct sql_binder quiet = *b;
    quiet.diag = NULL;
    const struct sql_scope scope = {.from = from, .place = ""};
    const struct expr *a = NULL, *c = NULL;
    return sql__bind_name(&quiet, &scope, x, &a) == OK &&
           sql__bind_name(&quiet, &scope, y, &c) == OK && expr_eq(a, c);
}

/* Do both mean the same over the input? */
static bool same_ast(struct sql_binder *b, const struct sql_relation *from,
                     const struct sql_expr *x, const struct sql_expr *y)
{
    if (x->kind != y->kind) {
        return false;
    }
    if (x->kind == AST_NAME) {
        return same_name(b, from, x, y);
    }
    bool is_same =
        x->arg_count == y->arg_count && x->flag == y->flag && x->is_not == y->is_not &&
        x->is_star == y->is_star && x->filter == NULL && y->filter == NULL &&
        str_eq(x->unit, y->unit) && str_eq(x->unit_to, y->unit_to) &&
        (x->kind == AST_CALL ? str_eq_nocase(x->text, y->text) : str_eq(x->text, y->text)) &&
        (x->type == y->type ||
         (x->type != NULL && y->type != NULL && type_eq(x->type, y->type, true)));
    for (isize i = 0; is_same && i < x->arg_count; i++) {
        is_same = same_ast(b, from, x->args[i], y->args[i]);
    }
    return is_same;
}

err sql__match_key(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    const struct sql_grouping *grouping = scope->grouping;
    *out = NULL;
    for (isize k = 0; k < grouping->key_count; k++) {
        const struct sql_expr *key = grouping->key_asts[k];
        if (key->kind != AST_NAME && same_ast(b, scope->from, key, ast)) {
            *out = sql__new_column(b, grouping->keys[k]->type, grouping->key_outputs[k],
                                   sql__bind_span(b, ast->span));
            return OK;
        }
    }
    return OK;
}
