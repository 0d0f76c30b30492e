/* func/cast_int.h: shared by the files cast*.c only. */
#ifndef FUNC_CAST_INT_H
#define FUNC_CAST_INT_H

#include "func/func_int.h"

/* Data of a cast's kernel. */
struct func_cast {
    const struct type *from, *to;
    bool is_try;
    const struct func_bound *parts; /* ARRAY: item; MAP: key, value; ROW: fields. */
};

#define DECLARE_KERNEL(name)                                                                   \
    void name(struct func_ctx *ctx, const void *data, const struct vec *args, isize arg_count, \
              const struct sel *sel, struct vec *out)

/* NULL for TRY_CAST, else a row error with this text. */
void func__cast_fail(struct func_ctx *ctx, const struct func_cast *cast, struct vec *out, isize row,
                     str text);
DECLARE_KERNEL(func__cast_to_text);
DECLARE_KERNEL(func__cast_bytes);
func_kernel_fn func__cast_from_text(const struct type *to);
func_kernel_fn func__cast_time(const struct type *from, const struct type *to);

#endif
