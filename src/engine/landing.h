/*
 * engine/landing.h: of the engine only: sources outside the log, landed in a hidden stream
 * (of an account that no client can have) together with their position.
 */
#ifndef ENGINE_LANDING_H
#define ENGINE_LANDING_H

#include "connect/source.h"
#include "engine/engine_int.h"

#define LANDING_KEY_ROW "row" /* Partition keys in the hidden stream. */
#define LANDING_KEY_END "end" /* Of the record that says that nothing follows. */

struct engine_landing {
    struct engine_landing *next; /* outbox_list_lock */
    struct engine *engine;
    struct engine_job *job;
    u32 index; /* Of the source in its job. */
    const struct connect_source_ops *ops;
    void *source;
    struct stream *stream; /* Borrowed from the engine_source. */
    str table;
    struct os_mutex lock;
    struct os_cond changed;
    struct buf position; /* Guarded by the outbox_cursor_lock, as the next. */
    bool has_position, is_ended;
    u64 ended_lsn; /* Atomic: where the end lies; 0 = not yet. */
    bool is_stopping, has_thread;
    struct os_thread thread;
    u64 retries;       /* Atomic. */
    char problem[512]; /* lock */
};

/* Opens the source and its hidden stream. */
MUST_USE err engine__landing_open(struct engine_job *job, u32 index,
                                  const struct connect_table *table,
                                  const struct connector *connector,
                                  const struct connect_schema *schema, struct stream **stream_out,
                                  struct engine_landing **out, struct diag *diag);
void engine__landing_close(struct engine_landing *landing); /* NULL is allowed. */
void engine__landing_start(struct engine_landing *landing);
void engine__landing_stop(struct engine_landing *landing);
void engine__landing_info(struct engine_landing *landing, struct arena *arena,
                          struct engine_job_source *out);

/* Hidden streams of queries that a crash left behind are deleted. */
void engine__landings_sweep(struct engine *engine);

/* outbox.c: positions stand among the cursors. The cursor lock is held; commits `batch` with it. */
/* A query's are written down nowhere. */
MUST_USE err engine__landing_commit(struct engine_landing *landing, str position, bool is_ended,
                                    struct log_batch *batch);
void engine__landing_restore(struct engine_landing *landing);

#endif
