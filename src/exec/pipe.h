/*
 * exec/pipe.h: one batch of a table's rows on its way up a plan without state: from
 * a SCAN through WATERMARK, FILTER, PROJECT and UNION ALL to a SINK or COLLECT.
 * Columns of the scan are asked for when they are first read, and only for the
 * rows that are still alive: a filter comes before the columns that only the
 * output needs. One thread.
 */
#ifndef EXEC_PIPE_H
#define EXEC_PIPE_H

#include "exec/eval.h"
#include "plan/plan.h"

enum { PIPE_RELS_MAX = 256 };

struct pipe_run;

/* What the owner of the input does. */
struct pipe_ops {
    /* Decodes column `column` of the scan for the rows of `sel`. Rows that it cannot decode it
     * gives to pipe_drop. */
    void (*fill)(void *ctx, struct pipe_run *run, isize column, const struct sel *sel,
                 struct vec *out);
    /* The watermark expression's value, `times`, for the rows of `sel`, in order. */
    void (*watermark)(void *ctx, struct pipe_run *run, const struct rel *rel,
                      const struct vec *times, const struct sel *sel);
    /* An expression failed for the row, which is dropped. */
    void (*failed)(void *ctx, struct pipe_run *run, isize row, str text);
    /* Rows that arrived: `cols` are the fields of `rel` (SINK or COLLECT). */
    void (*take)(void *ctx, struct pipe_run *run, const struct rel *rel, const struct vec *cols,
                 const struct sel *sel);
};

struct pipe {
    const struct rel *rels[PIPE_RELS_MAX]; /* From the scan upwards. */
    isize rel_count;
};

/* Every way from a SCAN to the root; *count_out of them. ERR_UNSUPPORTED names a node that needs
 * state. */
MUST_USE err pipe_find(const struct rel *root, struct arena *arena, struct pipe **out,
                       isize *count_out, struct diag *diag);

struct pipe_run {
    struct pipe *pipe;
    struct func_ctx *func; /* Its arena holds the vectors; its errors are used up. */
    const struct pipe_ops *ops;
    void *ctx;
    isize rows;
    /* Private. */
    struct vec *cols;
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
