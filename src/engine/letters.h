/*
 * engine/letters.h: reading dead letters, and putting them back. The letters of a region lie in
 * its stream `leat-dead-letters`; which of them were put back stands in the stream
 * `leat-dead-letters-redriven`, in the frame of the record that was put back: a letter is put
 * back once, whatever happens meanwhile. Any thread that may block.
 */
#ifndef ENGINE_LETTERS_H
#define ENGINE_LETTERS_H

#include "engine/engine.h"

enum { ENGINE_LETTERS_MAX = 1000 };

struct engine_letter { /* Strings in the arena given; what is not known is empty. */
    u64 id;
    i64 at_ms;
    str region, job, table, stream, shard, sequence, partition_key, field, reason;
    i64 offset;      /* Of the trouble in the data. */
    i64 subsequence; /* Of a user record in an aggregate; -1 = it was none. */
    str data;        /* The original bytes. */
    bool is_redriven;
};

struct engine_letter_query {
    str account, region; /* Region empty: all of them. */
    str job;             /* Empty: of all jobs. */
    u64 after;           /* Ids above it. */
    u64 id;              /* Only this one; 0 = all. */
    isize limit;         /* At most ENGINE_LETTERS_MAX, and about 16 MiB. */
};

/* In order of their ids. *more_out: there are further ones. */
MUST_USE err engine_letters_read(struct engine *engine, const struct engine_letter_query *query,
                                 struct arena *arena, struct engine_letter **out, isize *count_out,
                                 bool *more_out);

enum engine_redrive { ENGINE_REDRIVEN, ENGINE_REDRIVE_SKIPPED, ENGINE_REDRIVE_FAILED };
struct engine_redriven {
    enum engine_redrive result; /* SKIPPED: it was put back before. */
    str reason;                 /* FAILED; in the arena or static. */
};
/* Puts the data of the letters back into the streams that they came from, with their partition
 * keys. out[count] */
void engine_letters_redrive(struct engine *engine, str account, const struct engine_letter *letters,
                            isize count, struct arena *arena, struct engine_redriven *out);

#endif
