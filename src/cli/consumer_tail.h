/*
 * cli/consumer_tail.h: follows a stream as a consumer of enhanced fan-out: a
 * subscription for each shard, renewed when it ends; children after their parents.
 */
#ifndef CLI_CONSUMER_TAIL_H
#define CLI_CONSUMER_TAIL_H

#include "base/str.h"

struct consumer_tail {
    const char *stream, *region, *consumer;
    const char *from;  /* "latest", "trim-horizon" or a UTC time; NULL = latest. */
    const char *shard; /* Only this one; NULL = all. */
    i64 limit;         /* Records; 0 = no end. */
    bool is_raw;       /* Aggregates of the KPL as they are. */
    /* One record, as codec/record_json.h writes it; false ends it. One call at a time, on any
     * thread. */
    bool (*on_record)(void *ctx, str json);
    void *ctx;
};

/* Prints what goes wrong, and returns the exit code. */
int consumer_tail_run(const struct consumer_tail *tail);

#endif
