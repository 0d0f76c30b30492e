/*
 * exec/eval.h: runs bound expressions over a batch, column at a time: each node
 * is evaluated for the selected rows into a vector; AND, OR, CASE, COALESCE
 * narrow the selection, so that a branch sees only rows that need it. No row
 * interpreter. One thread at a time per evaluator.
 */
#ifndef EXEC_EVAL_H
#define EXEC_EVAL_H

#include "plan/expr.h"

/* Evaluates `expr` for the rows of `sel`; rows outside are undefined in *out. `cols` are the
 * input's vectors. Row errors are added to ctx->errors. */
void eval_expr(struct func_ctx *ctx, const struct expr *expr, const struct vec *cols, isize rows,
               const struct sel *sel, struct vec *out);
/* Evaluates a condition and keeps the rows for which it is TRUE; rows with an error are not kept.
 * The result's rows live in ctx->arena. */
void eval_filter(struct func_ctx *ctx, const struct expr *condition, const struct vec *cols,
                 isize rows, const struct sel *sel, struct sel *out);
/* Constant folding: the value of an expression without columns; ERR_INVALID with diag when it
 * fails. */
MUST_USE err eval_constant(struct arena *arena, const struct expr *expr, struct value *out,
                           struct diag *diag);

#endif
