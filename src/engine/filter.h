/*
 * engine/filter.h: a SQL condition over the top-level members of JSON records, for tails.
 * Members are read as STRING, or as DOUBLE where the condition compares or calculates with a
 * number; one that is absent, or not of that kind, is NULL. One thread.
 */
#ifndef ENGINE_FILTER_H
#define ENGINE_FILTER_H

#include "base/diag.h"

struct engine_filter;

/* The span of an error points into `condition`. */
MUST_USE err engine_filter_new(str condition, struct engine_filter **out, struct diag *diag);
/* passes_out[count]: is the condition TRUE for the record? Not for what is no JSON object. */
void engine_filter_test(struct engine_filter *filter, const str *records, isize count,
                        bool *passes_out);
void engine_filter_free(struct engine_filter *filter);

#endif
