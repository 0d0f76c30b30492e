/*
 * cli/replay_client.h: submits a replay to the server, pushes its bytes when they are
 * here, and shows how it goes until it is done. Outlives the server: it waits for it to
 * come back and goes on where that stands.
 */
#ifndef CLI_REPLAY_CLIENT_H
#define CLI_REPLAY_CLIENT_H

#include "base/str.h"
#include "cli/byte_source.h"

struct replay_request {
    const char *bucket, *key;   /* Of an object; NULL when pushed. */
    struct byte_source *source; /* Borrowed; NULL for an object. */
    const char *name;           /* PUSH: what makes two runs the same. */
    const char *stream, *region, *partition_key;
    i64 bytes_total, indent, rate, passes, rows_max;
    bool is_typed, is_aggregated, is_another;
    bool is_json; /* What it came to, as the API answers. */
};

/* "250", "250/s", "unlimited" (0). False: an error was printed. */
bool replay_rate_parse(const char *text, i64 *out);
/* Prints, and returns the exit code. Ctrl-C stops the replay; the same command goes on with it. */
int replay_follow(const struct replay_request *request);

#endif
