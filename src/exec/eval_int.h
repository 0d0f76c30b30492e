/* exec/eval_int.h: shared by the files eval*.c only. */
#ifndef EXEC_EVAL_INT_H
#define EXEC_EVAL_INT_H

#include "exec/eval.h"

/* What every step of one evaluation shares. */
struct eval {
    struct func_ctx *ctx;
    const struct vec *cols;
    isize rows;
};

void eval__expr(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                struct vec *out);
void eval__and_or(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                  struct vec *out);
void eval__case(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                struct vec *out);
void eval__coalesce(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                    struct vec *out);
void eval__in(const struct eval *ev, const struct expr *expr, const struct sel *sel,
              struct vec *out);
void eval__nested(const struct eval *ev, const struct expr *expr, const struct sel *sel,
                  struct vec *out);

/* Room for a selection of at most `count` rows. */
u16 *eval__rows(const struct eval *ev, isize count);
/* Copies the selected rows of `from` to the same rows of `to`, which is not constant. */
void eval__scatter(const struct eval *ev, struct vec *to, const struct vec *from,
                   const struct sel *sel);

/* TRUE, FALSE or NULL of a BOOLEAN vector's row. */
static inline bool eval__is_true(const struct vec *vec, isize row)
{
    return vec_is_valid(vec, row) && ((const u8 *)vec->values)[vec_index(vec, row)] != 0;
}

#endif
