/*
 * connect/source.h: sources outside the log. A thread per source asks for messages and lands
 * them in a hidden stream, with the position behind them in the same frame; the job reads
 * the stream. What is landed once is never asked for again.
 */
#ifndef CONNECT_SOURCE_H
#define CONNECT_SOURCE_H

#include "connect/sink.h"

enum { CONNECT_POLL_BYTES_MAX = 4 << 20, CONNECT_POLL_MESSAGES_MAX = 8192 };

/* What one poll gave; all in the arena that was passed. */
struct connect_poll {
    str *messages; /* In the table's format. */
    isize count;
    str position; /* Behind the messages; opaque to the engine, at most 64 KiB. */
    bool is_end;  /* Bounded: nothing comes after these. */
    u32 wait_ms;  /* Before the next poll. */
};

struct connect_source_ops {
    /* Options were accepted. `schema`: the table's physical columns. */
    MUST_USE err (*open)(const struct connect_table *table, const struct connect_schema *schema,
                         const struct connect_env *env, void **out, struct diag *diag);
    void (*close)(void *source); /* NULL is allowed. */
    /* On the source's own thread; may block for some seconds. `position` is empty at first. RETRY:
     * the same again later; FATAL fails the job. */
    enum connect_verdict (*poll)(void *source, str position, struct arena *arena,
                                 struct connect_poll *out, struct diag *diag);
    str (*target)(void *source); /* For people; may be NULL. */
};

#endif
