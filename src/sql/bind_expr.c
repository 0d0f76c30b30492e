/* sql/bind_expr.c: operators and forms that are expression kinds of their own. */
#include "sql/bind_int.h"

typedef err (*bind_fn)(struct sql_binder *b, const struct sql_scope *scope,
                       const struct sql_expr *ast, const struct expr **out);

err sql__bind_list(struct sql_binder *b, const struct sql_scope *scope,
                   struct sql_expr *const *asts, isize count, const struct expr ***out)
{
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    for (isize i = 0; i < count; i++) {
        TRY(sql__bind_expr(b, scope, asts[i], &exprs[i]));
    }
    *out = exprs;
    return OK;
}

static bool any_nullable(const struct expr *const *exprs, isize count)
{
    for (isize i = 0; i < count; i++) {
        if (exprs[i]->type->is_nullable) {
            return true;
        }
    }
    return false;
}

static err check_boolean(struct sql_binder *b, const struct expr **expr)
{
    if ((*expr)->type->kind == TYPE_BOOLEAN) {
        return OK;
    }
    if (sql__is_null(*expr)) {
        *expr = sql__new_null(b, type_of(TYPE_BOOLEAN), sql__expr_span(*expr));
        return OK;
    }
    struct buf shown;
    buf_init(&shown, 200);
    type_format((*expr)->type, &shown);
    err e = sql__fail(b->diag, SQLE_NOT_BOOLEAN, sql__expr_span(*expr),
                      "a condition must be BOOLEAN, this is " STR_FMT, STR_ARG(buf_str(&shown)));
    buf_deinit(&shown);
    return e;
}

err sql__bind_condition(struct sql_binder *b, const struct sql_scope *scope,
                        const struct sql_expr *ast, const struct expr **out)
{
    TRY(sql__bind_expr(b, scope, ast, out));
    return check_boolean(b, out);
}

static bool is_boolean_literal(const struct expr *expr, bool value)
{
    return expr->kind == EXPR_LITERAL && !expr->literal->is_null &&
           expr->literal->u.boolean == value;
}

/* --- AND, OR, NOT, IS ------------------------------------------------------------------------- */

static const struct expr *boolean_literal(struct sql_binder *b, bool is_true, struct sql_span span)
{
    struct value value = {.type = sql__boolean(b, false), .u.boolean = is_true};
    return sql__new_literal(b, &value, span);
}

/* Drops neutral constants; a deciding constant decides. */
static err new_logic(struct sql_binder *b, enum expr_kind kind, const struct expr **args,
                     isize count, struct sql_span span, const struct expr **out)
{
    bool decisive = kind == EXPR_OR;
    isize n = 0;
    for (isize i = 0; i < count; i++) {
        if (is_boolean_literal(args[i], decisive) && n == 0) {
            *out = args[i]; /* What stands before is neutral; what follows is never evaluated. */
            return OK;
        }
        if (!is_boolean_literal(args[i], !decisive)) {
            args[n++] = args[i];
        }
    }
    if (n <= 1) {
        *out = n == 1 ? args[0] : boolean_literal(b, !decisive, span);
        return OK;
    }
    return sql__new_expr(b,
                         (struct expr){.kind = kind,
                                       .type = sql__boolean(b, any_nullable(args, n)),
                                       .args = args,
                                       .arg_count = n},
                         span, out);
}

static err bind_logic(struct sql_binder *b, const struct sql_scope *scope,
                      const struct sql_expr *ast, const struct expr **out)
{
    const struct expr **args = NULL;
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    for (isize i = 0; i < ast->arg_count; i++) {
        TRY(check_boolean(b, &args[i]));
    }
    return new_logic(b, ast->kind == AST_AND ? EXPR_AND : EXPR_OR, args, ast->arg_count,
                     sql__bind_span(b, ast->span), out);
}

static err new_not(struct sql_binder *b, const struct expr *arg, struct sql_span span,
                   const struct expr **out)
{
    if (arg->kind == EXPR_LITERAL && !arg->literal->is_null) {
        *out = boolean_literal(b, !arg->literal->u.boolean, span);
        return OK;
    }
    const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, 1);
    args[0] = arg;
    return sql__new_expr(b,
                         (struct expr){.kind = EXPR_NOT,
                                       .type = sql__boolean(b, arg->type->is_nullable),
                                       .args = args,
                                       .arg_count = 1},
                         span, out);
}

static err bind_not(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                    const struct expr **out)
{
    const struct expr *arg = NULL;
    TRY(sql__bind_condition(b, scope, ast->args[0], &arg));
    return new_not(b, arg, sql__bind_span(b, ast->span), out);
}

static err bind_is(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, 1);
    struct sql_span span = sql__bind_span(b, ast->span);
    enum expr_kind kind = ast->is_not ? EXPR_IS_NOT_NULL : EXPR_IS_NULL;
    if (ast->kind == AST_IS_NULL) {
        TRY(sql__bind_expr(b, scope, ast->args[0], &args[0]));
    } else {
        TRY(sql__bind_condition(b, scope, ast->args[0], &args[0]));
    }
    if (ast->kind == AST_IS_TRUE) {
        kind = ast->is_not ? EXPR_IS_NOT_TRUE : EXPR_IS_TRUE;
    } else if (ast->kind == AST_IS_FALSE) {
        kind = ast->is_not ? EXPR_IS_NOT_FALSE : EXPR_IS_FALSE;
    }
    return sql__new_expr(
        b,
        (struct expr){.kind = kind, .type = sql__boolean(b, false), .args = args, .arg_count = 1},
        span, out);
}

/* --- BETWEEN, IN ------------------------------------------------------------------------------ */

/* low <= value AND value <= high */
static err new_between(struct sql_binder *b, const struct expr *const bounds[3],
                       struct sql_span span, const struct expr **out)
{
    const struct expr **both = ARENA_ARRAY(b->arena, const struct expr *, 2);
    const struct expr *low[] = {bounds[0], bounds[1]}, *high[] = {bounds[0], bounds[2]};
    TRY(sql__make_call(b, STR(">="), low, 2, span, &both[0]));
    TRY(sql__make_call(b, STR("<="), high, 2, span, &both[1]));
    return new_logic(b, EXPR_AND, both, 2, span, out);
}

static err bind_between(struct sql_binder *b, const struct sql_scope *scope,
                        const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **args = NULL;
    TRY(sql__bind_list(b, scope, ast->args, 3, &args));
    const struct expr *bounds[] = {args[0], args[1], args[2]};
    if (!ast->flag) {
        return new_between(b, bounds, span, out);
    }
    const struct expr *swapped[] = {args[0], args[2], args[1]};
    const struct expr **either = ARENA_ARRAY(b->arena, const struct expr *, 2);
    TRY(new_between(b, bounds, span, &either[0]));
    TRY(new_between(b, swapped, span, &either[1]));
    return new_logic(b, EXPR_OR, either, 2, span, out);
}

static err no_common_type(struct sql_binder *b, const struct expr *const *args, isize count,
                          isize step, struct sql_span span)
{
    struct buf shown;
    buf_init(&shown, 400);
    for (isize i = 0; i < count && i < 8 * step; i += step) {
        buf_append(&shown, i == 0 ? STR_EMPTY : STR(", "));
        type_format(args[i]->type, &shown);
    }
    err e = sql__fail(b->diag, SQLE_TYPE_MISMATCH, span,
                      "these types have no common type: " STR_FMT "%s", STR_ARG(buf_str(&shown)),
                      count > 8 * step ? ", ..." : "");
    buf_deinit(&shown);
    return e;
}

static err bind_in(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **args = NULL;
    const struct type *type = NULL;
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    TRY(sql__unify(b, args, ast->arg_count, 1, &type));
    if (type == NULL) {
        return no_common_type(b, args, ast->arg_count, 1, span);
    }
    return sql__new_expr(b,
                         (struct expr){.kind = EXPR_IN,
                                       .type = sql__boolean(b, any_nullable(args, ast->arg_count)),
                                       .args = args,
                                       .arg_count = ast->arg_count},
                         span, out);
}

/* --- CASE ------------------------------------------------------------------------------------- */

static err bind_whens(struct sql_binder *b, const struct sql_scope *scope,
                      const struct sql_expr *ast, const struct expr **args, isize pairs)
{
    const struct expr *operand = NULL;
    if (ast->flag) {
        TRY(sql__bind_expr(b, scope, ast->args[0], &operand));
    }
    for (isize i = 0; i < pairs; i++) {
        const struct sql_expr *when = ast->args[ast->flag + 2 * i];
        TRY(sql__bind_expr(b, scope, when, &args[2 * i]));
        TRY(sql__bind_expr(b, scope, ast->args[ast->flag + 2 * i + 1], &args[2 * i + 1]));
        if (operand != NULL) {
            const struct expr *sides[] = {operand, args[2 * i]};
            TRY(sql__make_call(b, STR("="), sides, 2, sql__bind_span(b, when->span), &args[2 * i]));
        }
        TRY(check_boolean(b, &args[2 * i]));
    }
    return OK;
}

static err bind_case(struct sql_binder *b, const struct sql_scope *scope,
                     const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    isize rest = ast->arg_count - ast->flag, pairs = rest / 2;
    isize count = 2 * pairs + 1;
    const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, count);
    TRY(bind_whens(b, scope, ast, args, pairs));
    args[count - 1] = sql__new_null(b, type_of(TYPE_NULL), span);
    if (rest % 2 != 0) {
        TRY(sql__bind_expr(b, scope, ast->args[ast->arg_count - 1], &args[count - 1]));
    }
    /* THENs stand at odd places, ELSE last: gather, unify, put back. */
    const struct expr **values = ARENA_ARRAY(b->arena, const struct expr *, pairs + 1);
    for (isize i = 0; i < pairs; i++) {
        values[i] = args[2 * i + 1];
    }
    values[pairs] = args[count - 1];
    const struct type *type = NULL;
    TRY(sql__unify(b, values, pairs + 1, 1, &type));
    if (type == NULL) {
        return no_common_type(b, values, pairs + 1, 1, span);
    }
    for (isize i = 0; i < pairs; i++) {
        args[2 * i + 1] = values[i];
    }
    args[count - 1] = values[pairs];
    type = type_with_null(b->arena, type, any_nullable(values, pairs + 1));
    return sql__new_expr(
        b, (struct expr){.kind = EXPR_CASE, .type = type, .args = args, .arg_count = count}, span,
        out);
}

/* --- casts, constructors, elements ------------------------------------------------------------ */

static err bind_cast(struct sql_binder *b, const struct sql_scope *scope,
                     const struct sql_expr *ast, const struct expr **out)
{
    const struct expr *arg = NULL;
    struct sql_span span = sql__bind_span(b, ast->span);
    TRY(sql__bind_expr(b, scope, ast->args[0], &arg));
    if (type_eq(arg->type, ast->type, false) || sql__is_null(arg)) {
        return sql__cast(b, arg, ast->type, ast->flag, out);
    }
    struct expr copy = *arg; /* The cast's errors point at the whole CAST(...). */
    copy.span_start = span.start;
    copy.span_len = span.len;
    const struct expr *shown = NULL;
    TRY(sql__new_expr(b, copy, span, &shown));
    return sql__cast(b, shown, ast->type, ast->flag, out);
}

static err bind_row(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                    const struct expr **out)
{
    const struct expr **args = NULL;
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    struct type_field *fields = ARENA_ARRAY(b->arena, struct type_field, ast->arg_count + 1);
    for (isize i = 0; i < ast->arg_count; i++) {
        fields[i].name = arena_printf(b->arena, "EXPR$%td", i);
        fields[i].type = sql__plain(b, args[i]->type);
    }
    const struct type *type = type_row(b->arena, fields, ast->arg_count);
    return sql__new_expr(b,
                         (struct expr){.kind = EXPR_ROW,
                                       .type = type_with_null(b->arena, type, false),
                                       .args = args,
                                       .arg_count = ast->arg_count},
                         sql__bind_span(b, ast->span), out);
}

static err bind_array(struct sql_binder *b, const struct sql_scope *scope,
                      const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **args = NULL;
    const struct type *item = NULL;
    if (ast->arg_count == 0) {
        return sql__fail(b->diag, SQLE_TYPE_MISMATCH, span, "an array needs at least one element");
    }
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    TRY(sql__unify(b, args, ast->arg_count, 1, &item));
    if (item == NULL) {
        return no_common_type(b, args, ast->arg_count, 1, span);
    }
    item = type_with_null(b->arena, item, any_nullable(args, ast->arg_count));
    const struct type *type = type_with_null(b->arena, type_array(b->arena, item), false);
    return sql__new_expr(
        b,
        (struct expr){.kind = EXPR_ARRAY, .type = type, .args = args, .arg_count = ast->arg_count},
        span, out);
}

/* Unifies the keys or the values of MAP[k, v, ...]. */
static err unify_half(struct sql_binder *b, const struct expr **args, isize count, isize first,
                      const struct type **out)
{
    bool is_nullable = false;
    for (isize i = first; i < count; i += 2) {
        is_nullable = is_nullable || args[i]->type->is_nullable;
    }
    TRY(sql__unify(b, args + first, count - first, 2, out));
    *out = *out == NULL ? NULL : type_with_null(b->arena, *out, is_nullable);
    return OK;
}

static err bind_map(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                    const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **args = NULL;
    const struct type *key = NULL, *value = NULL;
    if (ast->arg_count == 0) {
        return sql__fail(b->diag, SQLE_TYPE_MISMATCH, span, "a map needs at least one entry");
    }
    TRY(sql__bind_list(b, scope, ast->args, ast->arg_count, &args));
    TRY(unify_half(b, args, ast->arg_count, 0, &key));
    TRY(unify_half(b, args, ast->arg_count, 1, &value));
    if (key == NULL || value == NULL) {
        return no_common_type(b, args + (key != NULL), ast->arg_count - (key != NULL), 2, span);
    }
    const struct type *type = type_with_null(b->arena, type_map(b->arena, key, value), false);
    return sql__new_expr(
        b, (struct expr){.kind = EXPR_MAP, .type = type, .args = args, .arg_count = ast->arg_count},
        span, out);
}

static err bind_item(struct sql_binder *b, const struct sql_scope *scope,
                     const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr **args = NULL;
    TRY(sql__bind_list(b, scope, ast->args, 2, &args));
    const struct type *type = args[0]->type;
    bool is_fine =
        type->kind == TYPE_MAP || (type->kind == TYPE_ARRAY && type_is_integer(args[1]->type));
    const struct type *key = type->kind == TYPE_MAP ? type->key : type_of(TYPE_INT);
    if (!is_fine ||
        (type->kind == TYPE_MAP && !sql__is_null(args[1]) && !type_eq(args[1]->type, key, false) &&
         !func_can_cast_implicitly(args[1]->type, key) &&
         !(type_is_string(args[1]->type) && type_is_string(key)))) {
        struct buf shown;
        buf_init(&shown, 300);
        type_format(type, &shown);
        buf_append(&shown, STR("["));
        type_format(args[1]->type, &shown);
        err e = sql__fail(b->diag, SQLE_TYPE_MISMATCH, span, "cannot take an element: " STR_FMT "]",
                          STR_ARG(buf_str(&shown)));
        diag_hint(b->diag, "elements are array[integer] and map[key]");
        buf_deinit(&shown);
        return e;
    }
    bool keeps_text = type_is_string(args[1]->type) && type_is_string(key);
    if (!keeps_text) {
        TRY(sql__cast(b, args[1], key, false, &args[1]));
    }
    return sql__new_expr(b,
                         (struct expr){.kind = EXPR_ITEM,
                                       .type = type_with_null(b->arena, type->item, true),
                                       .args = args,
                                       .arg_count = 2},
                         span, out);
}

static err bind_field(struct sql_binder *b, const struct sql_scope *scope,
                      const struct sql_expr *ast, const struct expr **out)
{
    const struct expr *row = NULL;
    TRY(sql__bind_expr(b, scope, ast->args[0], &row));
    return sql__bind_field(b, row, ast->text, sql__bind_span(b, ast->span), out);
}

static err bind_star(struct sql_binder *b, const struct sql_scope *scope,
                     const struct sql_expr *ast, const struct expr **out)
{
    (void)scope;
    (void)out;
    return sql__fail(b->diag, SQLE_STAR, sql__bind_span(b, ast->span), "\"*\" cannot stand here");
}

static err bind_misplaced(struct sql_binder *b, const struct sql_scope *scope,
                          const struct sql_expr *ast, const struct expr **out)
{
    (void)scope;
    (void)out;
    return sql__fail(b->diag, SQLE_VALUE_ROW, sql__bind_span(b, ast->span), "%s cannot stand here",
                     ast->kind == AST_TABLE        ? "TABLE"
                     : ast->kind == AST_DESCRIPTOR ? "DESCRIPTOR"
                                                   : "a named argument");
}

static err bind_literal(struct sql_binder *b, const struct sql_scope *scope,
                        const struct sql_expr *ast, const struct expr **out)
{
    (void)scope;
    return sql__bind_literal(b, ast, out);
}

static const bind_fn binders[] = {
    [AST_NAME] = sql__bind_name,
    [AST_STAR] = bind_star,
    [AST_NULL] = bind_literal,
    [AST_BOOLEAN] = bind_literal,
    [AST_UNKNOWN] = bind_literal,
    [AST_INTEGER] = bind_literal,
    [AST_DECIMAL] = bind_literal,
    [AST_DOUBLE] = bind_literal,
    [AST_STRING] = bind_literal,
    [AST_BINARY] = bind_literal,
    [AST_SYMBOL] = bind_literal,
    [AST_DATE] = bind_literal,
    [AST_TIME] = bind_literal,
    [AST_TIMESTAMP] = bind_literal,
    [AST_INTERVAL] = bind_literal,
    [AST_CALL] = sql__bind_call,
    [AST_NAMED] = bind_misplaced,
    [AST_AND] = bind_logic,
    [AST_OR] = bind_logic,
    [AST_NOT] = bind_not,
    [AST_IS_NULL] = bind_is,
    [AST_IS_TRUE] = bind_is,
    [AST_IS_FALSE] = bind_is,
    [AST_IS_UNKNOWN] = bind_is,
    [AST_BETWEEN] = bind_between,
    [AST_IN] = bind_in,
    [AST_CASE] = bind_case,
    [AST_CAST] = bind_cast,
    [AST_ROW] = bind_row,
    [AST_ARRAY] = bind_array,
    [AST_MAP] = bind_map,
    [AST_ITEM] = bind_item,
    [AST_FIELD] = bind_field,
    [AST_TABLE] = bind_misplaced,
    [AST_DESCRIPTOR] = bind_misplaced,
    [AST_PAIR] = bind_row,
};

err sql__bind_expr(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    CHECK(ast->depth <= SQL_DEPTH_MAX);
    if (scope->grouping != NULL && ast->kind != AST_NAME) {
        TRY(sql__match_key(b, scope, ast, out));
        if (*out != NULL) {
            return OK;
        }
    }
    return binders[ast->kind](b, scope, ast, out);
}
