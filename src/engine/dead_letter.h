/* engine/dead_letter.h: of the engine only: records of the stream `leat-dead-letters`. */
#ifndef ENGINE_DEAD_LETTER_H
#define ENGINE_DEAD_LETTER_H

#include "engine/engine_int.h"

struct engine_dead_letter { /* What is not known is empty. */
    i64 at_ms;
    str job, table, stream, shard, sequence, partition_key, field, reason;
    isize offset;    /* Into the data. */
    i64 subsequence; /* Of a user record in an aggregate; -1 = it was none. */
    str data;
};

/* Makes the stream when it is not there. *out is a new reference. */
MUST_USE err engine__dead_letters_open(struct engine *engine, str account, str region,
                                       struct stream **out);
MUST_USE err engine__dead_letter_add(struct stream *stream, struct log_batch *batch,
                                     const struct engine_dead_letter *letter);

#endif
