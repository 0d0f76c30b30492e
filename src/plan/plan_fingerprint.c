/*
 * plan/plan_fingerprint.c: a hash over everything that gives state its meaning:
 * kinds, types, expressions, tables, windows. Names of columns count only where
 * a connector reads or writes them, spans never.
 */
#include "base/hash.h"
#include "plan/plan.h"

static void put_type(const struct type *type, struct buf *out)
{
    type_format(type, out);
    buf_append_byte(out, ';');
}

static void put_expr(const struct expr *expr, struct buf *out)
{
    buf_printf(out, "%d,%td(", expr->kind, expr->column);
    put_type(expr->type, out);
    if (expr->kind == EXPR_LITERAL) {
        buf_append(out, expr->literal->is_null ? STR("NULL") : STR("="));
        if (!expr->literal->is_null) {
            value_format(expr->literal, out);
        }
    } else if (expr->kind == EXPR_CALL) {
        buf_append(out, expr->call->name);
    }
    for (isize i = 0; i < expr->arg_count; i++) {
        put_expr(expr->args[i], out);
    }
    buf_append_byte(out, ')');
}

static void put_scan(const struct rel *rel, struct buf *out)
{
    const struct table_def *table = rel->table;
    buf_printf(out, STR_FMT "." STR_FMT "." STR_FMT ";", STR_ARG(table->catalog),
               STR_ARG(table->database), STR_ARG(table->name));
    for (isize i = 0; i < rel->field_count; i++) {
        buf_append(out, rel->fields[i].name);
        buf_append_byte(out, ':');
    }
}

static void put_aggregates(const struct rel *rel, struct buf *out)
{
    for (isize i = 0; i < rel->group_key_count; i++) {
        buf_printf(out, "k%td;", rel->group_keys[i]);
    }
    for (isize i = 0; i < rel->aggregate_count; i++) {
        buf_append(out, rel->aggregates[i].name);
        for (isize a = 0; a < rel->aggregates[i].arg_count; a++) {
            put_expr(rel->aggregate_args[i][a], out);
        }
        if (rel->aggregate_filters[i] != NULL) {
            buf_append(out, STR("where "));
            put_expr(rel->aggregate_filters[i], out);
        }
    }
    for (isize i = 0; i < rel->window_output_count; i++) {
        buf_printf(out, "w%d;", rel->window_outputs[i]);
    }
}

static u64 fingerprint(const struct rel *rel)
{
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%d;%td;", rel->kind, rel->rowtime_column);
    for (isize i = 0; i < rel->field_count; i++) {
        put_type(rel->fields[i].type, &out);
    }
    if (rel->table != NULL) {
        put_scan(rel, &out);
    }
    for (isize i = 0; i < rel->expr_count; i++) {
        put_expr(rel->exprs[i], &out);
    }
    if (rel->condition != NULL) {
        put_expr(rel->condition, &out);
    }
    buf_printf(&out, "%lld;%lld;%td;%d;%lld;", (long long)rel->window.size_ms,
               (long long)rel->window.offset_ms, rel->window.time_column, rel->window.is_proctime,
               (long long)rel->limit);
    put_aggregates(rel, &out);
    u64 hash = hash64(out.data, out.len, 0);
    buf_deinit(&out);
    for (isize i = 0; i < rel->input_count; i++) {
        u64 pair[2] = {hash, fingerprint(rel->inputs[i])};
        hash = hash64(pair, (isize)sizeof pair, 0);
    }
    return hash;
}

u64 plan_fingerprint(const struct rel *root)
{
    return fingerprint(root);
}
