/*
 * sql/bind_group.c: GROUP BY over a window. SELECT and HAVING are bound against a
 * grouping that collects aggregates; then the REL_WINDOW_AGG is made, whose output
 * is: plain keys, aggregates, window columns.
 */
#include "sql/bind_int.h"

enum { AGGREGATES_MAX = 1000, KEYS_MAX = 1000 };

bool sql__has_aggregate(const struct sql_expr *ast)
{
    if (ast->kind == AST_CALL && func_is_aggregate(ast->text)) {
        return true;
    }
    for (isize i = 0; i < ast->arg_count; i++) {
        if (sql__has_aggregate(ast->args[i])) {
            return true;
        }
    }
    return false;
}

/* --- aggregates ------------------------------------------------------------------------------- */

static bool same_aggregate(const struct sql_aggregate *a, const struct sql_aggregate *c)
{
    bool is_same = str_eq(a->bound.name, c->bound.name) &&
                   a->bound.arg_count == c->bound.arg_count &&
                   (a->filter == NULL) == (c->filter == NULL) &&
                   (a->filter == NULL || expr_eq(a->filter, c->filter));
    for (isize i = 0; is_same && i < a->bound.arg_count; i++) {
        is_same = expr_eq(a->args[i], c->args[i]);
    }
    return is_same;
}

static err add_aggregate(struct sql_binder *b, struct sql_grouping *grouping,
                         const struct sql_aggregate *one, struct sql_span span,
                         const struct expr **out)
{
    isize at = 0;
    while (at < grouping->aggregate_count && !same_aggregate(&grouping->aggregates[at], one)) {
        at++;
    }
    if (at == grouping->aggregate_count) {
        if (at >= AGGREGATES_MAX) {
            return sql__fail(b->diag, SQLE_TOO_MANY, span, "more than %d aggregates",
                             AGGREGATES_MAX);
        }
        grouping->aggregates =
            arena_grow(b->arena, grouping->aggregates, at, (isize)sizeof *grouping->aggregates);
        grouping->aggregates[at] = *one;
        grouping->aggregate_count++;
    }
    *out = sql__new_column(b, one->bound.result, AGGREGATE_BASE + at, span);
    return OK;
}

static err check_aggregate(struct sql_binder *b, const struct sql_scope *scope,
                           const struct sql_expr *ast)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    str name = str_slice(ast->text, 0, 64);
    if (scope->grouping == NULL) {
        return sql__fail(b->diag, SQLE_AGGREGATE_PLACE, span,
                         "aggregate function " STR_FMT " cannot stand in %s", STR_ARG(name),
                         scope->place == NULL ? "this place" : scope->place);
    }
    if (ast->is_distinct) {
        return sql__fail(b->diag, SQLE_UNSUPPORTED, span, STR_FMT "(DISTINCT ...) is not supported",
                         STR_ARG(name));
    }
    if (ast->is_star && !str_eq_nocase(name, STR("COUNT"))) {
        return sql__fail(b->diag, SQLE_STAR, span, "only COUNT takes \"*\"");
    }
    if (ast->arg_count == 0 && !ast->is_star) {
        return sql__fail(b->diag, SQLE_FUNCTION_ARGUMENTS, span, STR_FMT " needs an argument",
                         STR_ARG(name));
    }
    return OK;
}

err sql__bind_aggregate(struct sql_binder *b, const struct sql_scope *scope,
                        const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    TRY(check_aggregate(b, scope, ast));
    const struct sql_scope input = {.from = scope->from, .place = "another aggregate function"};
    struct sql_aggregate one = {.filter = NULL};
    TRY(sql__bind_list(b, &input, ast->args, ast->arg_count, &one.args));
    struct func_arg *given = ARENA_ARRAY(b->arena, struct func_arg, ast->arg_count + 1);
    for (isize i = 0; i < ast->arg_count; i++) {
        given[i].type = sql__plain(b, one.args[i]->type);
        given[i].literal = one.args[i]->kind == EXPR_LITERAL ? one.args[i]->literal : NULL;
    }
    TRY(sql__located(
        b, func_bind_aggregate(b->arena, ast->text, given, ast->arg_count, &one.bound, b->diag),
        span));
    for (isize i = 0; i < ast->arg_count; i++) {
        TRY(sql__cast(b, one.args[i], one.bound.arg_types[i], false, &one.args[i]));
    }
    if (ast->filter != NULL) {
        const struct sql_scope filter = {.from = scope->from, .place = "FILTER"};
        TRY(sql__bind_condition(b, &filter, ast->filter, &one.filter));
    }
    return add_aggregate(b, scope->grouping, &one, span, out);
}

/* --- keys ------------------------------------------------------------------------------------- */

static isize window_index(const struct sql_relation *from, const struct expr *key)
{
    for (isize w = 0; w < COUNT_OF(from->window); w++) {
        if (key->kind == EXPR_COLUMN && from->window[w] >= 0 && key->column == from->window[w]) {
            return w;
        }
    }
    return -1;
}

isize sql__plain_key_count(const struct sql_grouping *grouping)
{
    isize count = 0;
    for (isize k = 0; k < grouping->key_count; k++) {
        count += grouping->key_outputs[k] < AGGREGATE_BASE;
    }
    return count;
}

isize sql__grouping_column(const struct sql_grouping *grouping, isize number)
{
    isize keys = sql__plain_key_count(grouping);
    if (number < AGGREGATE_BASE) {
        return number;
    }
    return number < WINDOW_BASE ? keys + number - AGGREGATE_BASE
                                : keys + grouping->aggregate_count + number - WINDOW_BASE;
}

static err no_window(struct sql_binder *b, const struct sql_select *select)
{
    struct sql_span span = select->group_count > 0 ? select->groups[0]->span : select->span;
    for (isize i = 0; select->group_count == 0 && i < select->item_count; i++) {
        if (sql__has_aggregate(select->items[i].expr)) {
            span = select->items[i].expr->span;
            break;
        }
    }
    err e = sql__fail(
        b->diag, SQLE_UNSUPPORTED, sql__bind_span(b, span),
        "an aggregation without window_start and window_end in GROUP BY is not supported");
    diag_hint(b->diag, "SELECT window_start, window_end, ... FROM TABLE(TUMBLE(TABLE t, "
                       "DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end");
    return e;
}

static err bind_keys(struct sql_binder *b, const struct sql_select *select,
                     const struct sql_relation *from, struct sql_grouping *out, u32 *windows_out)
{
    const struct sql_scope scope = {.from = from, .place = "GROUP BY"};
    isize plain = 0, windows = 0;
    isize position[COUNT_OF(from->window)] = {0};
    *windows_out = 0;
    for (isize k = 0; k < select->group_count; k++) {
        TRY(sql__bind_expr(b, &scope, select->groups[k], &out->keys[k]));
        isize window = window_index(from, out->keys[k]);
        if (window < 0) {
            out->key_outputs[k] = plain++;
            continue;
        }
        if ((*windows_out & (1U << window)) == 0) {
            *windows_out |= 1U << window;
            position[window] = windows++;
        }
        out->key_outputs[k] = WINDOW_BASE + position[window];
    }
    return OK;
}

err sql__begin_grouping(struct sql_binder *b, const struct sql_select *select,
                        const struct sql_relation *from, struct sql_grouping *out)
{
    isize count = select->group_count;
    if (count > KEYS_MAX) {
        return sql__fail(b->diag, SQLE_TOO_MANY, sql__bind_span(b, select->groups[0]->span),
                         "more than %d keys in GROUP BY", KEYS_MAX);
    }
    *out = (struct sql_grouping){
        .key_asts = (const struct sql_expr *const *)select->groups,
        .keys = ARENA_ARRAY(b->arena, const struct expr *, count + 1),
        .key_outputs = ARENA_ARRAY(b->arena, isize, count + 1),
    };
    u32 windows = 0;
    TRY(bind_keys(b, select, from, out, &windows));
    out->key_count = count;
    bool has_window = from->window[0] >= 0 && (windows & 3U) == 3U;
    return has_window ? OK : no_window(b, select);
}

/* --- the node --------------------------------------------------------------------------------- */

/* Group keys must be columns: computed ones are appended by a projection. */
static err append_keys(struct sql_binder *b, const struct rel *input, struct sql_grouping *grouping,
                       const struct rel **out)
{
    isize extra = 0;
    for (isize k = 0; k < grouping->key_count; k++) {
        extra += grouping->keys[k]->kind != EXPR_COLUMN;
    }
    *out = input;
    if (extra == 0) {
        return OK;
    }
    isize count = input->field_count;
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + extra);
    str *names = ARENA_ARRAY(b->arena, str, count + extra);
    for (isize i = 0; i < count; i++) {
        exprs[i] = sql__new_column(b, input->fields[i].type, i, (struct sql_span){-1, 0});
        names[i] = input->fields[i].name;
    }
    for (isize k = 0; k < grouping->key_count; k++) {
        const struct expr *key = grouping->keys[k];
        if (key->kind == EXPR_COLUMN) {
            continue;
        }
        exprs[count] = key;
        names[count] = arena_printf(b->arena, "key$%td", k);
        grouping->keys[k] = sql__new_column(b, key->type, count, sql__expr_span(key));
        count++;
    }
    return sql__new_project(b, input, exprs, names, count, out);
}

static void set_keys(struct sql_binder *b, const struct sql_relation *from,
                     const struct sql_grouping *grouping, struct rel *rel)
{
    rel->group_keys = ARENA_ARRAY(b->arena, isize, grouping->key_count + 1);
    rel->window_outputs = ARENA_ARRAY(b->arena, u8, COUNT_OF(from->window));
    for (isize k = 0; k < grouping->key_count; k++) {
        isize window = window_index(from, grouping->keys[k]);
        if (window < 0) {
            rel->group_keys[rel->group_key_count++] = grouping->keys[k]->column;
            continue;
        }
        isize at = grouping->key_outputs[k] - WINDOW_BASE;
        rel->window_outputs[at] = (u8)window;
        rel->window_output_count = MAX(rel->window_output_count, at + 1);
    }
}

static void set_aggregates(struct sql_binder *b, const struct sql_grouping *grouping,
                           struct rel *rel)
{
    isize count = grouping->aggregate_count;
    rel->aggregate_count = count;
    rel->aggregates = ARENA_ARRAY(b->arena, struct agg_bound, count + 1);
    rel->aggregate_args = ARENA_ARRAY(b->arena, const struct expr **, count + 1);
    rel->aggregate_filters = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    for (isize a = 0; a < count; a++) {
        rel->aggregates[a] = grouping->aggregates[a].bound;
        rel->aggregate_args[a] = grouping->aggregates[a].args;
        rel->aggregate_filters[a] = grouping->aggregates[a].filter;
    }
}

static void set_fields(struct sql_binder *b, const struct rel *input, struct rel *rel,
                       const struct sql_relation *from, struct sql_relation *out)
{
    isize count = rel->group_key_count + rel->aggregate_count + rel->window_output_count;
    rel->fields = ARENA_ARRAY(b->arena, struct type_field, count + 1);
    for (isize k = 0; k < rel->group_key_count; k++) {
        struct type_field *field = &rel->fields[rel->field_count++];
        *field = input->fields[rel->group_keys[k]];
        field->type = sql__plain(b, field->type);
    }
    for (isize a = 0; a < rel->aggregate_count; a++) {
        struct type_field *field = &rel->fields[rel->field_count++];
        field->name = arena_printf(b->arena, "agg$%td", a);
        field->type = rel->aggregates[a].result;
    }
    for (isize w = 0; w < rel->window_output_count; w++) {
        isize column = from->window[rel->window_outputs[w]];
        if (rel->window_outputs[w] == 2 && !from->shape.is_proctime) {
            rel->rowtime_column = rel->field_count;
        }
        out->window[rel->window_outputs[w]] = -1; /* A window aggregation of these is another. */
        rel->fields[rel->field_count++] = input->fields[column];
    }
}

err sql__end_grouping(struct sql_binder *b, const struct sql_relation *from,
                      struct sql_grouping *grouping, struct sql_relation *out)
{
    const struct rel *input = NULL;
    struct rel *rel = NULL;
    TRY(append_keys(b, from->rel, grouping, &input));
    TRY(sql__new_rel(b, REL_WINDOW_AGG, &rel));
    sql__add_input(b, rel, input);
    *out = (struct sql_relation){.window = {-1, -1, -1}};
    set_keys(b, from, grouping, rel);
    set_aggregates(b, grouping, rel);
    set_fields(b, input, rel, from, out);
    rel->window = from->shape;
    rel->window.time_column = from->window[0]; /* Any time inside a window tells which it is. */
    rel->mode = CHANGELOG_APPEND;
    out->rel = rel;
    return OK;
}
