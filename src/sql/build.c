/* sql/build.c: makes bound nodes, and keeps their number in bounds. */
#include "sql/bind_int.h"

void sql__binder_init(struct sql_binder *b, struct arena *arena, const struct catalog_ops *ops,
                      struct diag *diag)
{
    *b = (struct sql_binder){.arena = arena, .diag = diag, .ops = ops};
    if (ops != NULL) {
        b->catalog = ops->current_catalog;
        b->database = ops->current_database;
        b->zone =
            ops->setting != NULL ? ops->setting(ops->ctx, STR("table.local-time-zone")) : STR_EMPTY;
    }
    if (b->zone.len == 0) {
        b->zone = STR("UTC");
    }
}

struct sql_span sql__bind_span(const struct sql_binder *b, struct sql_span span)
{
    return b->has_fixed_span ? b->fixed_span : span;
}

err sql__located(struct sql_binder *b, err e, struct sql_span span)
{
    if (e != OK) {
        diag_span(b->diag, span.start, span.len);
    }
    return e;
}

/* --- expressions ------------------------------------------------------------------------------ */

struct sql_span sql__expr_span(const struct expr *expr)
{
    return (struct sql_span){expr->span_start, expr->span_len};
}

err sql__new_expr(struct sql_binder *b, struct expr node, struct sql_span span,
                  const struct expr **out)
{
    node.weight = 1;
    for (isize i = 0; i < node.arg_count; i++) {
        node.weight += node.args[i]->weight;
    }
    if (node.weight > BIND_WEIGHT_MAX) {
        return sql__fail(b->diag, SQLE_TOO_DEEP, span, "the expression is too large");
    }
    node.span_start = span.start;
    node.span_len = span.len;
    struct expr *expr = ARENA_NEW(b->arena, struct expr);
    *expr = node;
    *out = expr;
    return OK;
}

const struct type *sql__plain(struct sql_binder *b, const struct type *type)
{
    return type->time_attribute == TYPE_TIME_NONE ? type
                                                  : type_with_time(b->arena, type, TYPE_TIME_NONE);
}

const struct type *sql__boolean(struct sql_binder *b, bool is_nullable)
{
    return is_nullable ? type_of(TYPE_BOOLEAN)
                       : type_with_null(b->arena, type_of(TYPE_BOOLEAN), false);
}

const struct expr *sql__new_column(struct sql_binder *b, const struct type *type, isize column,
                                   struct sql_span span)
{
    struct expr *expr = ARENA_NEW(b->arena, struct expr);
    *expr = (struct expr){.kind = EXPR_COLUMN,
                          .type = type,
                          .column = column,
                          .span_start = span.start,
                          .span_len = span.len,
                          .weight = 1};
    return expr;
}

const struct expr *sql__new_literal(struct sql_binder *b, const struct value *value,
                                    struct sql_span span)
{
    struct value *copy = ARENA_NEW(b->arena, struct value);
    *copy = *value;
    struct expr *expr = ARENA_NEW(b->arena, struct expr);
    *expr = (struct expr){.kind = EXPR_LITERAL,
                          .type = value->type,
                          .literal = copy,
                          .span_start = span.start,
                          .span_len = span.len,
                          .weight = 1};
    return expr;
}

const struct expr *sql__new_null(struct sql_binder *b, const struct type *type,
                                 struct sql_span span)
{
    const struct type *plain = sql__plain(b, type);
    struct value value = {.type = type_with_null(b->arena, plain, true), .is_null = true};
    return sql__new_literal(b, &value, span);
}

/* Of UTF-16, as Flink's literals are counted. */
static isize unit_count(str text)
{
    isize count = 0;
    for (isize i = 0; i < text.len; i++) {
        count += ((text.data[i] & 0xC0) != 0x80) + (text.data[i] >= 0xF0);
    }
    return count;
}

const struct expr *sql__new_text(struct sql_binder *b, str text, struct sql_span span)
{
    const struct type *type = type_char(b->arena, TYPE_CHAR, (i32)unit_count(text));
    struct value value = {.type = type_with_null(b->arena, type, false), .u.text = text};
    return sql__new_literal(b, &value, span);
}

bool sql__is_null(const struct expr *expr)
{
    return expr->kind == EXPR_LITERAL && expr->literal->is_null;
}

/* --- casts ------------------------------------------------------------------------------------ */

/* The same value under another (equal but for attributes) type. */
static const struct expr *retype(struct sql_binder *b, const struct expr *expr,
                                 const struct type *type)
{
    struct expr *copy = ARENA_NEW(b->arena, struct expr);
    *copy = *expr;
    copy->type = type;
    if (expr->kind == EXPR_LITERAL) {
        struct value *value = ARENA_NEW(b->arena, struct value);
        *value = *expr->literal;
        value->type = type;
        copy->literal = value;
    }
    return copy;
}

err sql__cast(struct sql_binder *b, const struct expr *expr, const struct type *type, bool is_try,
              const struct expr **out)
{
    struct sql_span span = sql__expr_span(expr);
    type = sql__plain(b, type);
    if (sql__is_null(expr)) {
        *out = sql__new_null(b, type, span);
        return OK;
    }
    if (type_eq(expr->type, type, false)) {
        const struct type *plain = sql__plain(b, expr->type);
        *out = plain == expr->type ? expr : retype(b, expr, plain);
        return OK;
    }
    struct func_bound *bound = ARENA_NEW(b->arena, struct func_bound);
    TRY(sql__located(
        b, func_bind_cast(b->arena, sql__plain(b, expr->type), type, is_try, bound, b->diag),
        span));
    const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, 1);
    args[0] = expr;
    TRY(sql__new_expr(
        b,
        (struct expr){
            .kind = EXPR_CALL, .type = bound->result, .call = bound, .args = args, .arg_count = 1},
        span, out));
    *out = sql__fold(b, *out);
    return OK;
}

err sql__unify(struct sql_binder *b, const struct expr **exprs, isize count, isize step,
               const struct type **out)
{
    const struct type **types = ARENA_ARRAY(b->arena, const struct type *, count + 1);
    isize n = 0;
    for (isize i = 0; i < count; i += step) {
        types[n++] = sql__plain(b, exprs[i]->type);
    }
    *out = func_common_type(b->arena, types, n);
    for (isize i = 0; *out != NULL && i < count; i += step) {
        TRY(sql__cast(b, exprs[i], *out, false, &exprs[i]));
    }
    return OK;
}

/* --- folding ---------------------------------------------------------------------------------- */

static bool can_fold(const struct expr *expr)
{
    if (expr->kind != EXPR_CALL || expr->type->kind >= TYPE_ARRAY ||
        (expr->call->flags & (FUNC_NON_DETERMINISTIC | FUNC_TIME)) != 0) {
        return false;
    }
    for (isize i = 0; i < expr->arg_count; i++) {
        if (expr->args[i]->kind != EXPR_LITERAL) {
            return false;
        }
    }
    return true;
}

static bool fold_in(struct sql_binder *b, struct arena *scratch, const struct expr *expr,
                    struct value *out)
{
    struct vec *args = ARENA_ARRAY(scratch, struct vec, expr->arg_count + 1);
    for (isize i = 0; i < expr->arg_count; i++) {
        vec_from_value(&args[i], scratch, expr->args[i]->literal, 1);
    }
    struct func_ctx ctx = {
        .arena = scratch, .watermark_us = INT64_MIN, .zone = arena_cstr(scratch, b->zone)};
    struct sel all = {NULL, 1};
    struct vec result;
    func_call(&ctx, expr->call, args, 1, &all, &result);
    if (ctx.error_count > 0) {
        return false; /* It fails when it runs, and only if it runs. */
    }
    struct value value;
    vec_get(&result, 0, scratch, &value);
    bool is_text = type_is_string(expr->type) || type_is_bytes(expr->type);
    if (!value.is_null && is_text) {
        if (value.u.text.len > BIND_FOLD_BYTES_MAX) {
            return false;
        }
        value.u.text = arena_copy(b->arena, value.u.text);
    }
    value.type = value.is_null ? type_with_null(b->arena, expr->type, true) : expr->type;
    *out = value;
    return true;
}

const struct expr *sql__fold(struct sql_binder *b, const struct expr *expr)
{
    if (!can_fold(expr) || b->fold_bytes > BIND_FOLD_WORK_MAX) {
        return expr;
    }
    struct arena scratch = {0};
    struct value value;
    bool is_folded = fold_in(b, &scratch, expr, &value);
    b->fold_bytes += scratch.bytes;
    arena_deinit(&scratch);
    return is_folded ? sql__new_literal(b, &value, sql__expr_span(expr)) : expr;
}

err sql__replace_columns(struct sql_binder *b, const struct expr *expr,
                         const struct expr *const *map, const struct expr **out)
{
    if (expr->kind == EXPR_COLUMN) {
        CHECK(map[expr->column] != NULL);
        *out = map[expr->column];
        return OK;
    }
    if (expr->arg_count == 0) {
        *out = expr;
        return OK;
    }
    struct expr copy = *expr;
    copy.args = ARENA_ARRAY(b->arena, const struct expr *, expr->arg_count);
    for (isize i = 0; i < expr->arg_count; i++) {
        TRY(sql__replace_columns(b, expr->args[i], map, &copy.args[i]));
    }
    TRY(sql__new_expr(b, copy, sql__expr_span(expr), out));
    *out = sql__fold(b, *out);
    return OK;
}

/* --- relational nodes ------------------------------------------------------------------------- */

err sql__new_rel(struct sql_binder *b, enum rel_kind kind, struct rel **out)
{
    if (++b->rel_count > BIND_RELS_MAX) {
        return sql__fail(b->diag, SQLE_TOO_MANY, sql__bind_span(b, (struct sql_span){-1, 0}),
                         "the plan has more than %d nodes", BIND_RELS_MAX);
    }
    struct rel *rel = ARENA_NEW(b->arena, struct rel);
    rel->kind = kind;
    rel->rowtime_column = -1;
    *out = rel;
    return OK;
}

void sql__add_input(struct sql_binder *b, struct rel *rel, const struct rel *input)
{
    CHECK(rel != NULL && input != NULL);
    rel->inputs =
        arena_grow(b->arena, rel->inputs, rel->input_count, (isize)sizeof(const struct rel *));
    rel->inputs[rel->input_count++] = input;
}

void sql__copy_shape(struct rel *rel, const struct rel *input)
{
    rel->fields = input->fields;
    rel->field_count = input->field_count;
    rel->rowtime_column = input->rowtime_column;
    rel->mode = input->mode;
}

err sql__new_filter(struct sql_binder *b, const struct rel *input, const struct expr *condition,
                    const struct rel **out)
{
    struct rel *rel = NULL;
    TRY(sql__new_rel(b, REL_FILTER, &rel));
    sql__add_input(b, rel, input);
    sql__copy_shape(rel, input);
    rel->condition = condition;
    *out = rel;
    return OK;
}

err sql__new_project(struct sql_binder *b, const struct rel *input, const struct expr **exprs,
                     const str *names, isize count, const struct rel **out)
{
    struct rel *rel = NULL;
    TRY(sql__new_rel(b, REL_PROJECT, &rel));
    sql__add_input(b, rel, input);
    rel->exprs = exprs;
    rel->expr_count = count;
    rel->field_count = count;
    rel->fields = ARENA_ARRAY(b->arena, struct type_field, count + 1);
    rel->mode = input->mode;
    for (isize i = 0; i < count; i++) {
        rel->fields[i] = (struct type_field){.name = names[i], .type = exprs[i]->type};
        if (exprs[i]->kind == EXPR_COLUMN && rel->rowtime_column < 0 &&
            exprs[i]->column == input->rowtime_column) {
            rel->rowtime_column = i;
        }
    }
    *out = rel;
    return OK;
}
