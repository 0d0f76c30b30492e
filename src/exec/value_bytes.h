/*
 * exec/value_bytes.h: a value of any type as bytes, for keys of nested types and for
 * state on disk (docs/formats/snapshot.md). Equal values are equal bytes.
 */
#ifndef EXEC_VALUE_BYTES_H
#define EXEC_VALUE_BYTES_H

#include "data/vec.h"

void value_bytes_put(const struct value *value, struct buf *out);
/* Reads a value of `type` from the front of *in. ERR_CORRUPT. Texts borrow from *in. */
MUST_USE err value_bytes_take(str *in, const struct type *type, struct arena *arena,
                              struct value *out);

#endif
