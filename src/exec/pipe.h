/*
 * exec/pipe.h: one batch on its way up a plan: from its start (a SCAN, VALUES, or a window
 * aggregation's results) through WATERMARK, FILTER, PROJECT, WINDOW_TVF, LIMIT and UNION ALL to
 * the next place that takes rows: a window aggregation, a SINK or COLLECT. Columns of a scan are
 * asked for when they are first read, and only for the rows that are still alive: a filter comes
 * before the columns that only the output needs. Pipes are made by exec/flow.h. One thread.
 */
#ifndef EXEC_PIPE_H
#define EXEC_PIPE_H

#include "exec/eval.h"
#include "plan/plan.h"

enum { PIPE_RELS_MAX = 256 };

struct pipe_run;
struct flow;

/* What the owner of the input does. */
struct pipe_ops {
    /* Decodes column `column` of the scan for the rows of `sel`. Rows that it cannot decode it
     * gives to pipe_drop. */
    void (*fill)(void *ctx, struct pipe_run *run, isize column, const struct sel *sel,
                 struct vec *out);
    /* The watermark expression's value, `times`, for the rows of `sel`, in order. Sets
     * run->marks when the rows go on to operators that need it. */
    void (*watermark)(void *ctx, struct pipe_run *run, const struct rel *rel,
                      const struct vec *times, const struct sel *sel);
    /* An expression failed for the row, which is dropped. */
    void (*failed)(void *ctx, struct pipe_run *run, isize row, str text);
    /* Rows that arrived: `cols` are the fields of `rel` (SINK or COLLECT). */
    void (*take)(void *ctx, struct pipe_run *run, const struct rel *rel, const struct vec *cols,
                 const struct sel *sel);
};

struct pipe {
    const struct rel *rels[PIPE_RELS_MAX]; /* From the start upwards, its end included. */
    isize rel_count;
    struct flow *flow;
    isize number; /* Of the scan among the flow's scans; -1 when it does not start at one. */
    isize target; /* The flow's window aggregation that it ends in; -1 = SINK or COLLECT. */
};

struct pipe_run {
    struct pipe *pipe;
    struct func_ctx *func; /* Its arena holds the vectors; its errors are used up. */
    const struct pipe_ops *ops;
    void *ctx;
    isize rows;
    struct vec *cols; /* Of the start, all filled; NULL for a SCAN, whose columns are asked for. */
    /* Per row the source's watermark before it, ms; NULL: the flow's. In the batch's arena. */
    const i64 *marks;
    isize arrived_count, late_count; /* Rows that reached the end; rows behind the watermark. */
    /* Private. */
    isize col_count;
    bool *is_filled;
    u8 *is_dead;
    bool has_dead;
    struct sel sel;
};

/* Runs `rows` rows (at most BATCH_ROWS_MAX) from bottom to top. */
void pipe_run(struct pipe_run *run);
/* From within ops: the row goes no further. */
void pipe_drop(struct pipe_run *run, isize row);

#endif
