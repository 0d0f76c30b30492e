/* exec/pipe.c: finding the ways through a plan, and running a batch along one. */
#include "exec/pipe.h"

/* --- ways
 * -------------------------------------------------------------------------------------------- */

static const char *rel_name(enum rel_kind kind)
{
    switch (kind) {
    case REL_WINDOW_TVF:
        return "the window table function";
    case REL_WINDOW_AGG:
        return "the window aggregation";
    case REL_VALUES:
        return "VALUES";
    case REL_LIMIT:
        return "LIMIT";
    default:
        return "this part of the query";
    }
}

struct walk {
    const struct rel *path[PIPE_RELS_MAX]; /* From the root downwards. */
    isize depth;
    struct arena *arena;
    struct pipe *pipes;
    isize count;
    struct diag *diag;
};

static err walk(struct walk *w, const struct rel *rel)
{
    if (w->depth == PIPE_RELS_MAX) {
        return diag_set(w->diag, ERR_LIMIT, "ENG011", "the plan is deeper than %d nodes",
                        PIPE_RELS_MAX);
    }
    w->path[w->depth++] = rel;
    if (rel->kind == REL_SCAN) {
        w->pipes = arena_grow(w->arena, w->pipes, w->count, (isize)sizeof *w->pipes);
        struct pipe *pipe = &w->pipes[w->count++];
        pipe->rel_count = w->depth;
        for (isize i = 0; i < w->depth; i++) {
            pipe->rels[i] = w->path[w->depth - 1 - i];
        }
        w->depth--;
        return OK;
    }
    bool is_known = rel->kind == REL_PROJECT || rel->kind == REL_FILTER ||
                    rel->kind == REL_WATERMARK || rel->kind == REL_UNION_ALL ||
                    rel->kind == REL_SINK || rel->kind == REL_COLLECT;
    if (!is_known) {
        return diag_set(w->diag, ERR_UNSUPPORTED, "ENG012", "%s cannot run in a job yet",
                        rel_name(rel->kind));
    }
    for (isize i = 0; i < rel->input_count; i++) {
        TRY(walk(w, rel->inputs[i]));
    }
    w->depth--;
    return OK;
}

err pipe_find(const struct rel *root, struct arena *arena, struct pipe **out, isize *count_out,
              struct diag *diag)
{
    struct walk w = {.arena = arena, .diag = diag};
    TRY(walk(&w, root));
    *out = w.pipes;
    *count_out = w.count;
    return OK;
}

/* --- running
 * ------------------------------------------------------------------------------------------- */

void pipe_drop(struct pipe_run *run, isize row)
{
    run->is_dead[row] = 1;
    run->has_dead = true;
}

/* Takes dead rows out of the selection. */
static void sweep(struct pipe_run *run)
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
static void report(struct pipe_run *run)
{
    for (isize i = 0; i < run->func->error_count; i++) {
        isize row = run->func->errors[i].row;
        if (!run->is_dead[row]) {
            run->ops->failed(run->ctx, run, row, run->func->errors[i].text);
            pipe_drop(run, row);
        }
    }
    run->func->error_count = 0;
    sweep(run);
}

/* Fills the columns that the expression reads, where the scan's columns are still lazy. */
static void need(struct pipe_run *run, const struct expr *expr, isize column_count)
{
    if (run->is_filled == NULL) {
        return;
    }
    bool *used = ARENA_ARRAY(run->func->arena, bool, MAX(column_count, 1));
    expr_mark_columns(expr, used);
    for (isize i = 0; i < column_count && run->sel.count > 0; i++) {
        if (used[i] && !run->is_filled[i]) {
            run->ops->fill(run->ctx, run, i, &run->sel, &run->cols[i]);
            run->is_filled[i] = true;
            sweep(run);
        }
    }
}

static void need_all(struct pipe_run *run, isize column_count)
{
    for (isize i = 0; run->is_filled != NULL && i < column_count && run->sel.count > 0; i++) {
        if (!run->is_filled[i]) {
            run->ops->fill(run->ctx, run, i, &run->sel, &run->cols[i]);
            run->is_filled[i] = true;
            sweep(run);
        }
    }
    run->is_filled = NULL;
}

static void run_watermark(struct pipe_run *run, const struct rel *rel)
{
    struct vec times;
    need(run, rel->exprs[0], rel->field_count);
    eval_expr(run->func, rel->exprs[0], run->cols, run->rows, &run->sel, &times);
    report(run);
    run->ops->watermark(run->ctx, run, rel, &times, &run->sel);
    sweep(run);
}

static void run_filter(struct pipe_run *run, const struct rel *rel)
{
    struct sel kept;
    need(run, rel->condition, rel->field_count);
    eval_filter(run->func, rel->condition, run->cols, run->rows, &run->sel, &kept);
    isize errors = run->func->error_count;
    if (errors > 0) { /* Rows with an error are not in `kept`: report them against the old rows. */
        report(run);
    }
    run->sel = kept;
}

static void run_project(struct pipe_run *run, const struct rel *rel)
{
    struct vec *cols = ARENA_ARRAY(run->func->arena, struct vec, MAX(rel->expr_count, 1));
    isize input_count = rel->inputs[0]->field_count;
    for (isize i = 0; i < rel->expr_count; i++) {
        need(run, rel->exprs[i], input_count);
        eval_expr(run->func, rel->exprs[i], run->cols, run->rows, &run->sel, &cols[i]);
        report(run);
    }
    run->cols = cols;
    run->is_filled = NULL;
}

void pipe_run(struct pipe_run *run)
{
    struct arena *arena = run->func->arena;
    isize columns = run->pipe->rels[0]->field_count;
    CHECK(run->rows <= BATCH_ROWS_MAX);
    run->cols = ARENA_ARRAY(arena, struct vec, MAX(columns, 1));
    run->is_filled = ARENA_ARRAY(arena, bool, MAX(columns, 1));
    run->is_dead = ARENA_ARRAY(arena, u8, MAX(run->rows, 1));
    run->sel = (struct sel){NULL, run->rows};
    run->has_dead = false;
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
        case REL_SINK:
        case REL_COLLECT:
            need_all(run, columns);
            if (run->sel.count > 0) {
                run->ops->take(run->ctx, run, rel, run->cols, &run->sel);
            }
            break;
        default:
            CHECK(rel->kind == REL_UNION_ALL);
        }
    }
}
