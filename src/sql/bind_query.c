/* sql/bind_query.c: SELECT, VALUES, UNION ALL, WITH to relational nodes. */
#include "sql/bind_int.h"

enum { COLUMNS_MAX = 5000 };

/* --- SELECT list ------------------------------------------------------------------------------ */

struct select_list {
    const struct expr **exprs;
    str *names;
    isize count;
};

static err add_item(struct sql_binder *b, struct select_list *list, const struct expr *expr,
                    str name)
{
    if (list->count >= COLUMNS_MAX) {
        return sql__fail(b->diag, SQLE_TOO_MANY, sql__expr_span(expr),
                         "SELECT has more than %d columns", COLUMNS_MAX);
    }
    list->exprs =
        arena_grow(b->arena, list->exprs, list->count, (isize)sizeof(const struct expr *));
    list->names = arena_grow(b->arena, list->names, list->count, (isize)sizeof(str));
    list->exprs[list->count] = expr;
    list->names[list->count++] = name;
    return OK;
}

static err add_star(struct sql_binder *b, const struct sql_scope *scope,
                    const struct sql_expr *star, struct select_list *list)
{
    struct sql_span span = sql__bind_span(b, star->span);
    if (scope->from == NULL) {
        return sql__fail(b->diag, SQLE_STAR, span, "\"*\" needs FROM");
    }
    if (star->part_count > 0 && !sql__names_relation(scope->from, star->parts, star->part_count)) {
        err e = sql__fail(b->diag, SQLE_UNKNOWN_TABLE, span,
                          "`" STR_FMT "` is not a table of this FROM",
                          STR_ARG(str_slice(star->parts[0].name, 0, 64)));
        sql__suggest(b->diag, star->parts[0].name, &scope->from->name, 1);
        return e;
    }
    const struct rel *rel = scope->from->rel;
    for (isize i = 0; i < rel->field_count; i++) {
        const struct expr *expr = NULL;
        TRY(sql__bind_column(b, scope, i, span, &expr));
        TRY(add_item(b, list, expr, rel->fields[i].name));
    }
    return OK;
}

static str item_name(struct sql_binder *b, const struct sql_item *item, isize position)
{
    const struct sql_expr *expr = item->expr;
    if (item->alias.name.len > 0) {
        return item->alias.name;
    }
    if (expr->kind == AST_NAME) {
        return expr->parts[expr->part_count - 1].name;
    }
    return expr->kind == AST_FIELD ? expr->text : arena_printf(b->arena, "EXPR$%td", position);
}

static err bind_items(struct sql_binder *b, const struct sql_scope *scope,
                      const struct sql_select *select, struct select_list *out)
{
    for (isize i = 0; i < select->item_count; i++) {
        const struct sql_item *item = &select->items[i];
        if (item->expr->kind == AST_STAR) {
            TRY(add_star(b, scope, item->expr, out));
            continue;
        }
        const struct expr *expr = NULL;
        TRY(sql__bind_expr(b, scope, item->expr, &expr));
        if (expr->type->kind == TYPE_NULL) {
            return sql__fail(b->diag, SQLE_TYPE_MISMATCH, sql__expr_span(expr),
                             "this NULL has no type; write CAST(NULL AS type)");
        }
        TRY(add_item(b, out, expr, item_name(b, item, out->count)));
    }
    return OK;
}

/* The window's columns as they come out of a projection. */
static void keep_window(const struct sql_relation *from, const struct select_list *list,
                        struct sql_relation *out)
{
    out->shape = from->shape;
    for (isize w = 0; w < COUNT_OF(from->window); w++) {
        out->window[w] = -1;
        for (isize i = list->count - 1; i >= 0 && from->window[w] >= 0; i--) {
            bool is_it =
                list->exprs[i]->kind == EXPR_COLUMN && list->exprs[i]->column == from->window[w];
            out->window[w] = is_it ? i : out->window[w];
        }
    }
}

/* --- GROUP BY --------------------------------------------------------------------------------- */

/* A map from the numbers of sql_grouping to final columns, through a copy of the expression. */
static err number_columns(struct sql_binder *b, const struct sql_grouping *grouping,
                          const struct rel *rel, const struct expr *expr, const struct expr **out)
{
    if (expr->kind == EXPR_COLUMN) {
        isize column = sql__grouping_column(grouping, expr->column);
        *out = sql__new_column(b, rel->fields[column].type, column, sql__expr_span(expr));
        return OK;
    }
    struct expr copy = *expr;
    copy.args = ARENA_ARRAY(b->arena, const struct expr *, expr->arg_count + 1);
    for (isize i = 0; i < expr->arg_count; i++) {
        TRY(number_columns(b, grouping, rel, expr->args[i], &copy.args[i]));
    }
    return sql__new_expr(b, copy, sql__expr_span(expr), out);
}

static err bind_grouped(struct sql_binder *b, const struct sql_select *select,
                        const struct sql_relation *from, struct sql_relation *out)
{
    struct sql_grouping grouping;
    TRY(sql__begin_grouping(b, select, from, &grouping));
    const struct sql_scope scope = {.from = from, .grouping = &grouping, .place = "SELECT"};
    struct select_list list = {NULL, NULL, 0};
    TRY(bind_items(b, &scope, select, &list));
    const struct expr *having = NULL;
    if (select->having != NULL) {
        TRY(sql__bind_condition(b, &scope, select->having, &having));
    }
    struct sql_relation grouped;
    TRY(sql__end_grouping(b, from, &grouping, &grouped));
    if (having != NULL) {
        TRY(number_columns(b, &grouping, grouped.rel, having, &having));
        TRY(sql__new_filter(b, grouped.rel, having, &grouped.rel));
    }
    for (isize i = 0; i < list.count; i++) {
        TRY(number_columns(b, &grouping, grouped.rel, list.exprs[i], &list.exprs[i]));
    }
    *out = (struct sql_relation){.window = {-1, -1, -1}};
    return sql__new_project(b, grouped.rel, list.exprs, list.names, list.count, &out->rel);
}

static bool is_grouped(const struct sql_select *select)
{
    bool is = select->group_count > 0 || select->having != NULL;
    for (isize i = 0; !is && i < select->item_count; i++) {
        is = sql__has_aggregate(select->items[i].expr);
    }
    return is;
}

/* --- SELECT ----------------------------------------------------------------------------------- */

static err new_values(struct sql_binder *b, const struct expr **exprs, isize expr_count,
                      const struct type_field *fields, isize field_count, struct rel **out)
{
    TRY(sql__new_rel(b, REL_VALUES, out));
    (*out)->exprs = exprs;
    (*out)->expr_count = expr_count;
    (*out)->fields = ARENA_ARRAY(b->arena, struct type_field, field_count + 1);
    (*out)->field_count = field_count;
    for (isize i = 0; i < field_count; i++) {
        (*out)->fields[i] = fields[i];
    }
    return OK;
}

/* SELECT without FROM: one row. */
static err bind_without_from(struct sql_binder *b, const struct sql_select *select,
                             struct sql_relation *out)
{
    const struct sql_scope scope = {.place = "a SELECT without FROM"};
    struct select_list list = {NULL, NULL, 0};
    TRY(bind_items(b, &scope, select, &list));
    struct type_field *fields = ARENA_ARRAY(b->arena, struct type_field, list.count + 1);
    for (isize i = 0; i < list.count; i++) {
        fields[i] = (struct type_field){.name = list.names[i], .type = list.exprs[i]->type};
    }
    struct rel *values = NULL;
    TRY(new_values(b, list.exprs, list.count, fields, list.count, &values));
    out->rel = values;
    if (select->where == NULL) {
        return OK;
    }
    const struct sql_scope where = {.place = "WHERE"};
    const struct expr *condition = NULL;
    TRY(sql__bind_condition(b, &where, select->where, &condition));
    return sql__new_filter(b, out->rel, condition, &out->rel);
}

static err bind_core(struct sql_binder *b, const struct sql_select *select,
                     struct sql_relation *out)
{
    struct sql_relation from;
    if (select->from == NULL && !is_grouped(select)) {
        return bind_without_from(b, select, out);
    }
    if (select->from == NULL) {
        return sql__fail(b->diag, SQLE_UNSUPPORTED, sql__bind_span(b, select->span),
                         "an aggregation without FROM is not supported");
    }
    TRY(sql__bind_from(b, select->from, &from));
    if (select->where != NULL) {
        const struct sql_scope where = {.from = &from, .place = "WHERE"};
        const struct expr *condition = NULL;
        TRY(sql__bind_condition(b, &where, select->where, &condition));
        TRY(sql__new_filter(b, from.rel, condition, &from.rel));
    }
    if (is_grouped(select)) {
        return bind_grouped(b, select, &from, out);
    }
    const struct sql_scope scope = {.from = &from, .place = "SELECT"};
    struct select_list list = {NULL, NULL, 0};
    TRY(bind_items(b, &scope, select, &list));
    keep_window(&from, &list, out);
    return sql__new_project(b, from.rel, list.exprs, list.names, list.count, &out->rel);
}

/* --- VALUES ----------------------------------------------------------------------------------- */

static err bind_rows(struct sql_binder *b, const struct sql_select *select,
                     const struct expr **exprs, isize width)
{
    const struct sql_scope scope = {.place = "VALUES"};
    for (isize r = 0; r < select->row_count; r++) {
        const struct sql_expr *row = select->rows[r];
        if (row->arg_count != width) {
            return sql__fail(b->diag, SQLE_VALUES_SHAPE, sql__bind_span(b, row->span),
                             "this row has %td columns, the first has %td", row->arg_count, width);
        }
        for (isize c = 0; c < width; c++) {
            TRY(sql__bind_expr(b, &scope, row->args[c], &exprs[r * width + c]));
        }
    }
    return OK;
}

static err unify_column(struct sql_binder *b, const struct sql_select *select,
                        const struct expr **exprs, isize width, isize column,
                        struct type_field *out)
{
    isize count = select->row_count * width;
    bool is_nullable = false;
    for (isize i = column; i < count; i += width) {
        is_nullable = is_nullable || exprs[i]->type->is_nullable;
    }
    const struct type *type = NULL;
    TRY(sql__unify(b, exprs + column, count - column, width, &type));
    if (type == NULL || type->kind == TYPE_NULL) {
        return sql__fail(b->diag, SQLE_VALUES_SHAPE, sql__expr_span(exprs[column]),
                         "column %td of VALUES has no common type", column + 1);
    }
    out->name = arena_printf(b->arena, "EXPR$%td", column);
    out->type = type_with_null(b->arena, type, is_nullable);
    return OK;
}

static err bind_values(struct sql_binder *b, const struct sql_select *select,
                       struct sql_relation *out)
{
    isize width = select->rows[0]->arg_count;
    isize count = width * select->row_count;
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    struct type_field *fields = ARENA_ARRAY(b->arena, struct type_field, width + 1);
    TRY(bind_rows(b, select, exprs, width));
    for (isize c = 0; c < width; c++) {
        TRY(unify_column(b, select, exprs, width, c, &fields[c]));
    }
    struct rel *values = NULL;
    TRY(new_values(b, exprs, count, fields, width, &values));
    out->rel = values;
    return OK;
}

/* --- UNION ALL -------------------------------------------------------------------------------- */

static err union_type(struct sql_binder *b, const struct sql_query *query,
                      const struct sql_relation *parts, isize column, struct type_field *out)
{
    isize count = query->part_count;
    const struct type **types = ARENA_ARRAY(b->arena, const struct type *, count);
    bool is_nullable = false, is_rowtime = true;
    for (isize p = 0; p < count; p++) {
        const struct type *type = parts[p].rel->fields[column].type;
        is_nullable = is_nullable || type->is_nullable;
        is_rowtime = is_rowtime && type->time_attribute == TYPE_TIME_ROW;
        types[p] = sql__plain(b, type);
    }
    const struct type *type = func_common_type(b->arena, types, count);
    if (type == NULL) {
        return sql__fail(b->diag, SQLE_UNION_SCHEMA, sql__bind_span(b, query->parts[1]->span),
                         "column %td of UNION ALL (`" STR_FMT "`) has no common type", column + 1,
                         STR_ARG(parts[0].rel->fields[column].name));
    }
    type = type_with_null(b->arena, type, is_nullable);
    out->name = parts[0].rel->fields[column].name;
    out->type = is_rowtime ? type_with_time(b->arena, type, TYPE_TIME_ROW) : type;
    return OK;
}

/* The input with its columns cast to the union's types. */
static err union_input(struct sql_binder *b, const struct rel *input,
                       const struct type_field *fields, struct sql_span span,
                       const struct rel **out)
{
    isize count = input->field_count;
    bool is_same = true;
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    str *names = ARENA_ARRAY(b->arena, str, count + 1);
    for (isize i = 0; i < count; i++) {
        exprs[i] = sql__new_column(b, input->fields[i].type, i, span);
        names[i] = fields[i].name;
        if (!type_eq(input->fields[i].type, fields[i].type, false)) {
            TRY(sql__cast(b, exprs[i], fields[i].type, false, &exprs[i]));
            is_same = false;
        }
    }
    *out = input;
    return is_same ? OK : sql__new_project(b, input, exprs, names, count, out);
}

static err bind_union(struct sql_binder *b, const struct sql_query *query,
                      const struct sql_relation *parts, struct sql_relation *out)
{
    CHECK(parts[0].rel != NULL);
    isize count = parts[0].rel->field_count;
    for (isize p = 1; p < query->part_count; p++) {
        CHECK(parts[p].rel != NULL);
        if (parts[p].rel->field_count != count) {
            return sql__fail(b->diag, SQLE_UNION_SCHEMA, sql__bind_span(b, query->parts[p]->span),
                             "this input of UNION ALL has %td columns, the first has %td",
                             parts[p].rel->field_count, count);
        }
    }
    struct rel *rel = NULL;
    TRY(sql__new_rel(b, REL_UNION_ALL, &rel));
    rel->fields = ARENA_ARRAY(b->arena, struct type_field, count + 1);
    rel->field_count = count;
    for (isize i = 0; i < count; i++) {
        TRY(union_type(b, query, parts, i, &rel->fields[i]));
    }
    bool is_rowtime = parts[0].rel->rowtime_column >= 0;
    for (isize p = 0; p < query->part_count; p++) {
        const struct rel *input = NULL;
        TRY(union_input(b, parts[p].rel, rel->fields, sql__bind_span(b, query->parts[p]->span),
                        &input));
        is_rowtime = is_rowtime && input->rowtime_column == parts[0].rel->rowtime_column;
        sql__add_input(b, rel, input);
    }
    rel->rowtime_column = is_rowtime ? parts[0].rel->rowtime_column : -1;
    *out = (struct sql_relation){.rel = rel, .window = {-1, -1, -1}};
    return OK;
}

/* --- query ------------------------------------------------------------------------------------ */

static err bind_part(struct sql_binder *b, const struct sql_select *part, struct sql_relation *out)
{
    *out = (struct sql_relation){.window = {-1, -1, -1}};
    switch (part->kind) {
    case SELECT_CORE:
        return bind_core(b, part, out);
    case SELECT_VALUES:
        return bind_values(b, part, out);
    case SELECT_NESTED:
        return sql__bind_query(b, part->nested, out);
    }
    return ERR_INVALID;
}

static err bind_parts(struct sql_binder *b, const struct sql_query *query, struct sql_relation *out)
{
    if (query->part_count == 1) {
        return bind_part(b, query->parts[0], out);
    }
    struct sql_relation *parts = ARENA_ARRAY(b->arena, struct sql_relation, query->part_count);
    for (isize p = 0; p < query->part_count; p++) {
        TRY(bind_part(b, query->parts[p], &parts[p]));
    }
    return bind_union(b, query, parts, out);
}

static err add_limit(struct sql_binder *b, const struct sql_query *query, struct sql_relation *out)
{
    if (query != b->top) {
        err e = sql__fail(b->diag, SQLE_LIMIT_PLACE, sql__bind_span(b, query->limit_span),
                          "LIMIT is not supported here");
        diag_hint(b->diag, "it may end a SELECT or an INSERT, not a query inside");
        return e;
    }
    struct rel *rel = NULL;
    TRY(sql__new_rel(b, REL_LIMIT, &rel));
    sql__add_input(b, rel, out->rel);
    sql__copy_shape(rel, out->rel);
    rel->limit = query->limit;
    out->rel = rel;
    return OK;
}

err sql__bind_query(struct sql_binder *b, const struct sql_query *query, struct sql_relation *out)
{
    if (b->depth >= SQL_DEPTH_MAX) {
        return sql__fail(b->diag, SQLE_TOO_DEEP, sql__bind_span(b, query->span),
                         "queries and views nest more than %d levels deep", SQL_DEPTH_MAX);
    }
    b->depth++;
    const struct sql_cte *outer = b->ctes;
    for (isize i = 0; i < query->cte_count; i++) {
        query->ctes[i].outer = b->ctes;
        b->ctes = &query->ctes[i];
    }
    err e = bind_parts(b, query, out);
    b->ctes = outer;
    b->depth--;
    TRY(e);
    return query->has_limit ? add_limit(b, query, out) : OK;
}
