/*
 * sql/optimize.c: moves filters down to the watermark, then rebuilds the tree with
 * only the columns that are read, so that a scan decodes no others. Ids are given
 * in the second walk: a hash of the path, stable for equal plans.
 */
#include "base/hash.h"
#include "sql/bind_int.h"

enum { SUBSTITUTE_WEIGHT_MAX = 1000 };

/* --- filters ---------------------------------------------------------------------------------- */

struct conditions {
    const struct expr **items;
    isize count;
};

static void add_condition(struct sql_binder *b, struct conditions *list, const struct expr *expr)
{
    if (expr->kind == EXPR_AND) {
        for (isize i = 0; i < expr->arg_count; i++) {
            add_condition(b, list, expr->args[i]);
        }
        return;
    }
    bool is_true =
        expr->kind == EXPR_LITERAL && !expr->literal->is_null && expr->literal->u.boolean;
    if (is_true) {
        return;
    }
    list->items =
        arena_grow(b->arena, list->items, list->count, (isize)sizeof(const struct expr *));
    list->items[list->count++] = expr;
}

static err wrap_filter(struct sql_binder *b, const struct rel *input,
                       const struct conditions *conditions, const struct rel **out)
{
    *out = input;
    if (conditions->count == 0) {
        return OK;
    }
    const struct expr *condition = conditions->items[0];
    if (conditions->count > 1) {
        bool is_nullable = false;
        for (isize i = 0; i < conditions->count; i++) {
            is_nullable = is_nullable || conditions->items[i]->type->is_nullable;
        }
        TRY(sql__new_expr(b,
                          (struct expr){.kind = EXPR_AND,
                                        .type = sql__boolean(b, is_nullable),
                                        .args = conditions->items,
                                        .arg_count = conditions->count},
                          sql__expr_span(condition), &condition));
    }
    return sql__new_filter(b, input, condition, out);
}

static err push(struct sql_binder *b, const struct rel *rel, const struct conditions *conditions,
                const struct rel **out);

static struct rel *copy_rel(struct sql_binder *b, const struct rel *rel)
{
    struct rel *copy = ARENA_NEW(b->arena, struct rel);
    *copy = *rel;
    copy->inputs = ARENA_ARRAY(b->arena, const struct rel *, rel->input_count + 1);
    for (isize i = 0; i < rel->input_count; i++) {
        copy->inputs[i] = rel->inputs[i];
    }
    return copy;
}

/* May conditions move below this input column map? All that they read must be cheap and sure. */
static bool can_move(struct sql_binder *b, const struct expr *condition,
                     const struct expr *const *map, isize count)
{
    bool *used = ARENA_ARRAY(b->arena, bool, count + 1);
    expr_mark_columns(condition, used);
    isize weight = condition->weight;
    bool is_fine = expr_is_deterministic(condition);
    for (isize i = 0; i < count; i++) {
        if (used[i]) {
            is_fine = is_fine && map[i] != NULL && expr_is_deterministic(map[i]);
            weight += map[i] == NULL ? 0 : map[i]->weight;
        }
    }
    return is_fine && weight <= SUBSTITUTE_WEIGHT_MAX;
}

/* Splits conditions over rel's output into those that go to its input and those that stay. */
static err split(struct sql_binder *b, const struct conditions *conditions,
                 const struct expr *const *map, isize count, struct conditions *below,
                 struct conditions *above)
{
    for (isize i = 0; i < conditions->count; i++) {
        if (!can_move(b, conditions->items[i], map, count)) {
            add_condition(b, above, conditions->items[i]);
            continue;
        }
        const struct expr *moved = NULL;
        TRY(sql__replace_columns(b, conditions->items[i], map, &moved));
        add_condition(b, below, moved);
    }
    return OK;
}

/* Per output column the expression over the input that it is, NULL when it is made here. */
static const struct expr **output_map(struct sql_binder *b, const struct rel *rel)
{
    const struct expr **map = ARENA_ARRAY(b->arena, const struct expr *, rel->field_count + 1);
    struct sql_span none = {-1, 0};
    switch ((int)rel->kind) {
    case REL_PROJECT:
        for (isize i = 0; i < rel->expr_count; i++) {
            map[i] = rel->exprs[i];
        }
        break;
    case REL_WINDOW_TVF:
        for (isize i = 0; i < rel->inputs[0]->field_count; i++) {
            map[i] = sql__new_column(b, rel->fields[i].type, i, none);
        }
        break;
    case REL_WINDOW_AGG: /* All rows of a key go or stay together. */
        for (isize i = 0; i < rel->group_key_count; i++) {
            map[i] = sql__new_column(b, rel->fields[i].type, rel->group_keys[i], none);
        }
        break;
    case REL_UNION_ALL:
        for (isize i = 0; i < rel->field_count; i++) {
            map[i] = sql__new_column(b, rel->fields[i].type, i, none);
        }
        break;
    default:
        break; /* WATERMARK above all: dropped rows move it. */
    }
    return map;
}

static err push_filter(struct sql_binder *b, const struct rel *rel,
                       const struct conditions *conditions, const struct rel **out)
{
    struct conditions all = {NULL, 0};
    if (!expr_is_deterministic(rel->condition)) {
        const struct rel *input = NULL, *filter = NULL;
        TRY(push(b, rel->inputs[0], &all, &input));
        TRY(sql__new_filter(b, input, rel->condition, &filter));
        return wrap_filter(b, filter, conditions, out);
    }
    add_condition(b, &all, rel->condition);
    for (isize i = 0; i < conditions->count; i++) {
        add_condition(b, &all, conditions->items[i]);
    }
    return push(b, rel->inputs[0], &all, out);
}

static err push(struct sql_binder *b, const struct rel *rel, const struct conditions *conditions,
                const struct rel **out)
{
    if (rel->kind == REL_FILTER) {
        return push_filter(b, rel, conditions, out);
    }
    struct conditions below = {NULL, 0}, above = {NULL, 0};
    TRY(split(b, conditions, output_map(b, rel), rel->field_count, &below, &above));
    struct rel *copy = copy_rel(b, rel);
    for (isize i = 0; i < rel->input_count; i++) {
        TRY(push(b, rel->inputs[i], &below, &copy->inputs[i]));
    }
    return wrap_filter(b, copy, &above, out);
}

/* --- projections over projections ---------------------------------------------------------------
 */

/* Each computed column of `inner` is read at most once, so that nothing is computed twice. */
static bool can_merge(struct sql_binder *b, const struct rel *outer, const struct rel *inner)
{
    isize *reads = ARENA_ARRAY(b->arena, isize, inner->expr_count + 1);
    for (isize i = 0; i < outer->expr_count; i++) {
        bool *used = ARENA_ARRAY(b->arena, bool, inner->expr_count + 1);
        const struct expr *expr = outer->exprs[i];
        expr_mark_columns(expr, used);
        for (isize c = 0; c < inner->expr_count; c++) {
            /* A read inside a larger expression may be one of many: counts as two. */
            reads[c] += used[c] ? 1 + (expr->kind != EXPR_COLUMN) : 0;
        }
    }
    for (isize c = 0; c < inner->expr_count; c++) {
        enum expr_kind kind = inner->exprs[c]->kind;
        if (reads[c] > 1 && kind != EXPR_COLUMN && kind != EXPR_LITERAL) {
            return false;
        }
    }
    return true;
}

static err merge_projects(struct sql_binder *b, const struct rel *rel, const struct rel **out)
{
    *out = rel;
    while ((*out)->kind == REL_PROJECT && (*out)->inputs[0]->kind == REL_PROJECT &&
           can_merge(b, *out, (*out)->inputs[0])) {
        const struct rel *inner = (*out)->inputs[0];
        struct rel *merged = copy_rel(b, *out);
        merged->exprs = ARENA_ARRAY(b->arena, const struct expr *, merged->expr_count + 1);
        for (isize i = 0; i < merged->expr_count; i++) {
            TRY(sql__replace_columns(b, (*out)->exprs[i], inner->exprs, &merged->exprs[i]));
        }
        merged->inputs[0] = inner->inputs[0];
        *out = merged;
    }
    return OK;
}

/* --- columns ---------------------------------------------------------------------------------- */

/* A rebuilt node, and where each old output column stands in it (-1: gone). */
struct pruned {
    const struct rel *rel;
    isize *map;
};

static err prune(struct sql_binder *b, const struct rel *rel, const bool *needed, u64 id,
                 struct pruned *out);

static u64 child_id(u64 parent, enum rel_kind kind, isize index)
{
    u64 path[] = {parent, (u64)kind, (u64)index};
    return hash64(path, (isize)sizeof path, 0);
}

static isize *new_map(struct sql_binder *b, isize count)
{
    isize *map = ARENA_ARRAY(b->arena, isize, count + 1);
    for (isize i = 0; i < count; i++) {
        map[i] = i;
    }
    return map;
}

static bool *copy_needed(struct sql_binder *b, const bool *needed, isize count)
{
    bool *copy = ARENA_ARRAY(b->arena, bool, count + 1);
    for (isize i = 0; i < count; i++) {
        copy[i] = needed == NULL || needed[i];
    }
    return copy;
}

/* The expression over the input as it is now. */
static err remap(struct sql_binder *b, const struct expr *expr, const struct pruned *input,
                 isize old_count, const struct expr **out)
{
    const struct expr **map = ARENA_ARRAY(b->arena, const struct expr *, old_count + 1);
    for (isize i = 0; i < old_count; i++) {
        isize at = input->map[i];
        map[i] = at < 0 ? NULL
                        : sql__new_column(b, input->rel->fields[at].type, at,
                                          (struct sql_span){expr->span_start, expr->span_len});
    }
    return sql__replace_columns(b, expr, map, out);
}

/* Exactly the needed columns, in order; adds a projection when the input has others. */
static err fit(struct sql_binder *b, struct pruned *input, const bool *needed, isize old_count,
               u64 id)
{
    isize count = 0;
    bool is_fit = true;
    for (isize i = 0; i < old_count; i++) {
        if (needed[i]) {
            is_fit = is_fit && input->map[i] == count;
            count++;
        }
    }
    if (is_fit && count == input->rel->field_count) {
        return OK;
    }
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    str *names = ARENA_ARRAY(b->arena, str, count + 1);
    isize *map = new_map(b, old_count);
    count = 0;
    for (isize i = 0; i < old_count; i++) {
        map[i] = -1;
        if (needed[i]) {
            const struct type_field *field = &input->rel->fields[input->map[i]];
            exprs[count] = sql__new_column(b, field->type, input->map[i], (struct sql_span){-1, 0});
            names[count] = field->name;
            map[i] = count++;
        }
    }
    input->map = map;
    const struct rel *project = NULL;
    TRY(sql__new_project(b, input->rel, exprs, names, count, &project));
    struct rel *named = copy_rel(b, project);
    named->id = id;
    input->rel = named;
    return OK;
}

static err prune_scan(struct sql_binder *b, const struct rel *rel, const bool *needed,
                      struct rel *copy, struct pruned *out)
{
    copy->fields = ARENA_ARRAY(b->arena, struct type_field, rel->field_count + 1);
    copy->scan_columns = ARENA_ARRAY(b->arena, isize, rel->field_count + 1);
    copy->field_count = 0;
    for (isize i = 0; i < rel->field_count; i++) {
        out->map[i] = -1;
        if (needed[i]) {
            out->map[i] = copy->field_count;
            copy->scan_columns[copy->field_count] = rel->scan_columns[i];
            copy->fields[copy->field_count++] = rel->fields[i];
        }
    }
    return OK;
}

static bool is_identity(const struct rel *rel)
{
    const struct rel *input = rel->inputs[0];
    bool is = rel->expr_count == input->field_count;
    for (isize i = 0; is && i < rel->expr_count; i++) {
        is = rel->exprs[i]->kind == EXPR_COLUMN && rel->exprs[i]->column == i &&
             str_eq(rel->fields[i].name, input->fields[i].name);
    }
    return is;
}

static err prune_project(struct sql_binder *b, const struct rel *rel, const bool *needed, u64 id,
                         struct rel *copy, struct pruned *out)
{
    const struct rel *input = rel->inputs[0];
    bool *below = ARENA_ARRAY(b->arena, bool, input->field_count + 1);
    for (isize i = 0; i < rel->expr_count; i++) {
        if (needed[i]) {
            expr_mark_columns(rel->exprs[i], below);
        }
    }
    struct pruned child;
    TRY(prune(b, input, below, child_id(id, rel->kind, 0), &child));
    copy->inputs[0] = child.rel;
    copy->exprs = ARENA_ARRAY(b->arena, const struct expr *, rel->expr_count + 1);
    copy->fields = ARENA_ARRAY(b->arena, struct type_field, rel->expr_count + 1);
    copy->expr_count = copy->field_count = 0;
    copy->rowtime_column = -1;
    for (isize i = 0; i < rel->expr_count; i++) {
        out->map[i] = -1;
        if (!needed[i]) {
            continue;
        }
        isize at = copy->expr_count++;
        TRY(remap(b, rel->exprs[i], &child, input->field_count, &copy->exprs[at]));
        copy->fields[copy->field_count++] = rel->fields[i];
        copy->rowtime_column = i == rel->rowtime_column ? at : copy->rowtime_column;
        out->map[i] = at;
    }
    out->rel = is_identity(copy) ? child.rel : copy;
    return OK;
}

/* FILTER and WATERMARK: what they read besides what is needed above. */
static err prune_pass(struct sql_binder *b, const struct rel *rel, const bool *needed, u64 id,
                      struct rel *copy, struct pruned *out)
{
    const struct rel *input = rel->inputs[0];
    isize count = input->field_count;
    bool *below = copy_needed(b, needed, count);
    bool is_watermark = rel->kind == REL_WATERMARK;
    if (rel->kind == REL_FILTER) {
        expr_mark_columns(rel->condition, below);
    }
    if (is_watermark) {
        expr_mark_columns(rel->exprs[0], below);
        below[rel->rowtime_column] = true;
    }
    struct pruned child;
    TRY(prune(b, input, below, child_id(id, rel->kind, 0), &child));
    copy->inputs[0] = child.rel;
    sql__copy_shape(copy, child.rel);
    out->map = child.map;
    if (rel->kind == REL_FILTER) {
        return remap(b, rel->condition, &child, count, &copy->condition);
    }
    if (is_watermark) {
        copy->rowtime_column = child.map[rel->rowtime_column];
        copy->fields = ARENA_ARRAY(b->arena, struct type_field, child.rel->field_count + 1);
        for (isize i = 0; i < child.rel->field_count; i++) {
            copy->fields[i] = child.rel->fields[i];
        }
        copy->fields[copy->rowtime_column].type = rel->fields[rel->rowtime_column].type;
        copy->exprs = ARENA_ARRAY(b->arena, const struct expr *, 1);
        return remap(b, rel->exprs[0], &child, count, &copy->exprs[0]);
    }
    return OK;
}

static err prune_window(struct sql_binder *b, const struct rel *rel, const bool *needed, u64 id,
                        struct rel *copy, struct pruned *out)
{
    isize count = rel->inputs[0]->field_count;
    bool *below = copy_needed(b, needed, count);
    below[rel->window.time_column] = true;
    struct pruned child;
    TRY(prune(b, rel->inputs[0], below, child_id(id, rel->kind, 0), &child));
    copy->inputs[0] = child.rel;
    sql__copy_shape(copy, child.rel);
    copy->window.time_column = child.map[rel->window.time_column];
    copy->field_count = child.rel->field_count + rel->field_count - count;
    copy->fields = ARENA_ARRAY(b->arena, struct type_field, copy->field_count + 1);
    for (isize i = 0; i < child.rel->field_count; i++) {
        copy->fields[i] = child.rel->fields[i];
    }
    for (isize i = 0; i < count; i++) {
        out->map[i] = child.map[i];
    }
    for (isize i = count; i < rel->field_count; i++) {
        out->map[i] = child.rel->field_count + i - count;
        copy->fields[out->map[i]] = rel->fields[i];
    }
    return OK;
}

static void mark_aggregates(const struct rel *rel, bool *below)
{
    for (isize k = 0; k < rel->group_key_count; k++) {
        below[rel->group_keys[k]] = true;
    }
    below[rel->window.time_column] = true;
    for (isize a = 0; a < rel->aggregate_count; a++) {
        for (isize i = 0; i < rel->aggregates[a].arg_count; i++) {
            expr_mark_columns(rel->aggregate_args[a][i], below);
        }
        if (rel->aggregate_filters[a] != NULL) {
            expr_mark_columns(rel->aggregate_filters[a], below);
        }
    }
}

static err remap_aggregate(struct sql_binder *b, const struct rel *rel, isize a,
                           const struct pruned *child, struct rel *copy)
{
    isize count = rel->aggregates[a].arg_count, old = rel->inputs[0]->field_count;
    copy->aggregate_args[a] = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    for (isize i = 0; i < count; i++) {
        TRY(remap(b, rel->aggregate_args[a][i], child, old, &copy->aggregate_args[a][i]));
    }
    return rel->aggregate_filters[a] == NULL
               ? OK
               : remap(b, rel->aggregate_filters[a], child, old, &copy->aggregate_filters[a]);
}

static err prune_aggregation(struct sql_binder *b, const struct rel *rel, u64 id, struct rel *copy)
{
    bool *below = ARENA_ARRAY(b->arena, bool, rel->inputs[0]->field_count + 1);
    mark_aggregates(rel, below);
    struct pruned child;
    TRY(prune(b, rel->inputs[0], below, child_id(id, rel->kind, 0), &child));
    copy->inputs[0] = child.rel;
    copy->window.time_column = child.map[rel->window.time_column];
    copy->group_keys = ARENA_ARRAY(b->arena, isize, rel->group_key_count + 1);
    for (isize k = 0; k < rel->group_key_count; k++) {
        copy->group_keys[k] = child.map[rel->group_keys[k]];
    }
    isize count = rel->aggregate_count;
    copy->aggregate_args = ARENA_ARRAY(b->arena, const struct expr **, count + 1);
    copy->aggregate_filters = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    for (isize a = 0; a < count; a++) {
        TRY(remap_aggregate(b, rel, a, &child, copy));
    }
    return OK;
}

static err prune_union(struct sql_binder *b, const struct rel *rel, const bool *needed, u64 id,
                       struct rel *copy, struct pruned *out)
{
    isize count = 0;
    copy->fields = ARENA_ARRAY(b->arena, struct type_field, rel->field_count + 1);
    copy->rowtime_column = -1;
    for (isize i = 0; i < rel->field_count; i++) {
        out->map[i] = -1;
        if (needed[i]) {
            copy->fields[count] = rel->fields[i];
            copy->rowtime_column = i == rel->rowtime_column ? count : copy->rowtime_column;
            out->map[i] = count++;
        }
    }
    copy->field_count = count;
    for (isize i = 0; i < rel->input_count; i++) {
        struct pruned child;
        TRY(prune(b, rel->inputs[i], needed, child_id(id, rel->kind, i), &child));
        TRY(fit(b, &child, needed, rel->field_count, child_id(id, REL_PROJECT, i)));
        copy->inputs[i] = child.rel;
    }
    return OK;
}

/* SINK, COLLECT: all columns of the input, in order. */
static err prune_root(struct sql_binder *b, const struct rel *rel, u64 id, struct rel *copy)
{
    isize count = rel->inputs[0]->field_count;
    bool *all = copy_needed(b, NULL, count);
    struct pruned child;
    TRY(prune(b, rel->inputs[0], all, child_id(id, rel->kind, 0), &child));
    TRY(fit(b, &child, all, count, child_id(id, REL_PROJECT, 0)));
    copy->inputs[0] = child.rel;
    return OK;
}

static err prune(struct sql_binder *b, const struct rel *rel, const bool *needed, u64 id,
                 struct pruned *out)
{
    TRY(merge_projects(b, rel, &rel));
    struct rel *copy = copy_rel(b, rel);
    copy->id = id;
    *out = (struct pruned){copy, new_map(b, rel->field_count)};
    switch (rel->kind) {
    case REL_SCAN:
        return prune_scan(b, rel, needed, copy, out);
    case REL_PROJECT:
        return prune_project(b, rel, needed, id, copy, out);
    case REL_FILTER:
    case REL_WATERMARK:
    case REL_LIMIT:
        return prune_pass(b, rel, needed, id, copy, out);
    case REL_WINDOW_TVF:
        return prune_window(b, rel, needed, id, copy, out);
    case REL_WINDOW_AGG:
        return prune_aggregation(b, rel, id, copy);
    case REL_UNION_ALL:
        return prune_union(b, rel, needed, id, copy, out);
    case REL_VALUES:
        return OK;
    case REL_SINK:
    case REL_COLLECT:
        return prune_root(b, rel, id, copy);
    }
    return OK;
}

err sql__optimize(struct sql_binder *b, const struct rel *root, const struct rel **out)
{
    struct conditions none = {NULL, 0};
    const struct rel *pushed = NULL;
    TRY(push(b, root, &none, &pushed));
    struct pruned result;
    bool *all = copy_needed(b, NULL, pushed->field_count);
    TRY(prune(b, pushed, all, child_id(0, pushed->kind, 0), &result));
    *out = result.rel;
    return OK;
}
