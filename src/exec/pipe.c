/* exec/pipe.c: running a batch along one way through a plan. */
#include "exec/flow_int.h"

void pipe_drop(struct pipe_run *run, isize row)
{
    run->is_dead[row] = 1;
    run->has_dead = true;
}

/* Takes dead rows out of the selection. */
void pipe__sweep(struct pipe_run *run)
{
    if (!run->has_dead) {
        return;
    }
    u16 *rows = ARENA_ARRAY(run->func->arena, u16, MAX(run->sel.count, 1));
    isize count = 0;
    for (isize i = 0; i < run->sel.count; i++) {
        isize row = sel_row(&run->sel, i);
        if (!run->is_dead[row]) {
            rows[count++] = (u16)row;
        }
    }
    run->sel = (struct sel){rows, count};
    run->has_dead = false;
}

/* Hands on the errors that an expression left. */
void pipe__report(struct pipe_run *run)
{
    for (isize i = 0; i < run->func->error_count; i++) {
        isize row = run->func->errors[i].row;
        if (!run->is_dead[row]) {
            run->ops->failed(run->ctx, run, row, run->func->errors[i].text);
            pipe_drop(run, row);
        }
    }
    run->func->error_count = 0;
    pipe__sweep(run);
}

void pipe__need_column(struct pipe_run *run, isize column)
{
    if (run->is_filled != NULL && !run->is_filled[column] && run->sel.count > 0) {
        run->ops->fill(run->ctx, run, column, &run->sel, &run->cols[column]);
        run->is_filled[column] = true;
        pipe__sweep(run);
    }
}

/* Fills the columns that the expression reads, where the scan's columns are still lazy. */
void pipe__need(struct pipe_run *run, const struct expr *expr, isize column_count)
{
    if (run->is_filled == NULL) {
        return;
    }
    bool *used = ARENA_ARRAY(run->func->arena, bool, MAX(column_count, 1));
    expr_mark_columns(expr, used);
    for (isize i = 0; i < column_count; i++) {
        if (used[i]) {
            pipe__need_column(run, i);
        }
    }
}

static void need_all(struct pipe_run *run)
{
    for (isize i = 0; run->is_filled != NULL && i < run->col_count; i++) {
        pipe__need_column(run, i);
    }
    run->is_filled = NULL;
}

static void run_watermark(struct pipe_run *run, const struct rel *rel)
{
    struct vec times;
    pipe__need(run, rel->exprs[0], rel->field_count);
    eval_expr(run->func, rel->exprs[0], run->cols, run->rows, &run->sel, &times);
    pipe__report(run);
    run->ops->watermark(run->ctx, run, rel, &times, &run->sel);
    pipe__sweep(run);
}

static void run_filter(struct pipe_run *run, const struct rel *rel)
{
    struct sel kept;
    pipe__need(run, rel->condition, rel->field_count);
    eval_filter(run->func, rel->condition, run->cols, run->rows, &run->sel, &kept);
    isize errors = run->func->error_count;
    if (errors > 0) { /* Rows with an error are not in `kept`: report them against the old rows. */
        pipe__report(run);
    }
    run->sel = kept;
}

static void run_project(struct pipe_run *run, const struct rel *rel)
{
    struct vec *cols = ARENA_ARRAY(run->func->arena, struct vec, MAX(rel->expr_count, 1));
    isize input_count = rel->inputs[0]->field_count;
    for (isize i = 0; i < rel->expr_count; i++) {
        pipe__need(run, rel->exprs[i], input_count);
        eval_expr(run->func, rel->exprs[i], run->cols, run->rows, &run->sel, &cols[i]);
        pipe__report(run);
    }
    run->cols = cols;
    run->col_count = rel->expr_count;
    run->is_filled = NULL;
}

static void run_limit(struct pipe_run *run, const struct rel *rel)
{
    struct flow_limit *limit = flow__limit(run->pipe->flow, rel);
    u64 left = (u64)rel->limit - MIN(limit->passed, (u64)rel->limit);
    need_all(run); /* What cannot be decoded does not count. */
    run->sel.count = (isize)MIN((u64)run->sel.count, left);
    limit->passed += (u64)run->sel.count;
}

static void run_end(struct pipe_run *run, const struct rel *rel)
{
    if (rel->kind == REL_WINDOW_AGG) {
        window__agg_take(run->pipe->flow->aggs[run->pipe->target], run);
        return;
    }
    need_all(run);
    run->arrived_count += run->sel.count;
    if (run->sel.count > 0) {
        run->ops->take(run->ctx, run, rel, run->cols, &run->sel);
    }
}

static void begin(struct pipe_run *run)
{
    struct arena *arena = run->func->arena;
    CHECK(run->rows <= BATCH_ROWS_MAX);
    run->col_count = run->pipe->rels[0]->field_count;
    run->is_filled = NULL;
    if (run->cols == NULL) {
        run->cols = ARENA_ARRAY(arena, struct vec, MAX(run->col_count, 1));
        run->is_filled = ARENA_ARRAY(arena, bool, MAX(run->col_count, 1));
    }
    run->is_dead = ARENA_ARRAY(arena, u8, MAX(run->rows, 1));
    run->sel = (struct sel){NULL, run->rows};
    run->has_dead = false;
}

void pipe_run(struct pipe_run *run)
{
    begin(run);
    pipe__report(run); /* What was wrong with the input, where it is calculated. */
    for (isize i = 1; i < run->pipe->rel_count && run->sel.count > 0; i++) {
        const struct rel *rel = run->pipe->rels[i];
        switch (rel->kind) {
        case REL_WATERMARK:
            run_watermark(run, rel);
            break;
        case REL_FILTER:
            run_filter(run, rel);
            break;
        case REL_PROJECT:
            run_project(run, rel);
            break;
        case REL_WINDOW_TVF:
            window__tvf(run, rel);
            break;
        case REL_LIMIT:
            run_limit(run, rel);
            break;
        case REL_WINDOW_AGG:
        case REL_SINK:
        case REL_COLLECT:
            run_end(run, rel);
            break;
        default:
            CHECK(rel->kind == REL_UNION_ALL);
        }
    }
}
