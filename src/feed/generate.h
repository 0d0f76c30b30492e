/*
 * feed/generate.h: synthetic US-Accidents rows as CSV. Row i is a function of
 * (seed, i) and the options, so that any row can be made again alone and a run can
 * go on where it stopped. Distributions follow docs/generator.md. A generator is
 * immutable after feed_generator_new and may be shared between threads.
 */
#ifndef FEED_GENERATE_H
#define FEED_GENERATE_H

#include "base/buf.h"
#include "base/diag.h"

enum feed_layout { FEED_LAYOUT_46 = 46, FEED_LAYOUT_47 = 47, FEED_LAYOUT_49 = 49 };
enum feed_order {
    FEED_ORDER_FILE,     /* Blocks by year, out of order within hours, as the published file. */
    FEED_ORDER_SORTED,   /* Ascending Start_Time. */
    FEED_ORDER_SHUFFLED, /* No order. */
};

struct feed_options {
    u64 seed;
    u64 rows; /* Of the whole file: sorted and file order spread the time range over them. */
    enum feed_layout layout;
    enum feed_order order;
    u32 dirty_ppm; /* Share of rows with one kind of dirt each, parts per million. */
};

struct feed_generator;
struct feed_generator *feed_generator_new(const struct feed_options *options);
void feed_generator_free(struct feed_generator *generator);

/* Appends the header line, or row `index` (from 0), each with its line feed. */
void feed_generate_header(const struct feed_generator *generator, struct buf *out);
void feed_generate_row(const struct feed_generator *generator, u64 index, struct buf *out);

#endif
