/* connect/datagen/datagen_int.h: shared by the files of this connector. */
#ifndef CONNECT_DATAGEN_DATAGEN_INT_H
#define CONNECT_DATAGEN_DATAGEN_INT_H

#include "base/rng.h"
#include "connect/datagen/datagen.h"

enum { DATAGEN_LENGTH = 100, DATAGEN_LENGTH_MAX = 100000 };

struct datagen_field {
    const struct type *type;
    bool is_sequence, is_var_length;
    i64 start, end; /* Sequence. */
    i64 low, high;  /* Random whole numbers. */
    double real_low, real_high;
    i64 length;
    i64 max_past_ms;
    double null_rate;
};

/* Reads fields.NAME.* for one column. CON09x. */
MUST_USE err datagen_field_read(const struct connect_table *table, const struct type_field *field,
                                struct datagen_field *out, struct diag *diag);
/* Sets row `row` of `vec` to the value of row number `number`. */
void datagen_field_set(const struct datagen_field *field, u64 number, i64 now_us, struct rng *rng,
                       struct arena *arena, struct vec *vec, isize row);
/* Rows after which a sequence has ended; INT64_MAX = never. */
i64 datagen_field_rows(const struct datagen_field *field);

#endif
