/*
 * engine/outbox.h: of the engine only: rows on their way to a sink outside the log.
 *
 * A step writes encoded rows into a control channel of the log that belongs to the job
 * and the sink, in its own frame; a pass-through sink needs none, because the job's
 * position says which records of the source are due. A thread per sink delivers ranges
 * and moves a durable cursor. docs/internals/outbox.md
 *
 * Locks: cursor_lock (of all outboxes) is held across the commit of a cursor, and by a backup from
 * before it takes the log until it has taken what sinks of this process write; outbox.lock
 * and list_lock are leaves: no function of the log is called with them held.
 */
#ifndef ENGINE_OUTBOX_H
#define ENGINE_OUTBOX_H

#include "base/metric.h"
#include "connect/sink.h"
#include "engine/engine_int.h"

enum {
    OUTBOX_CHANNEL_BASE = 0x10000000, /* Of the shard numbers of the control stream. */
    OUTBOX_SINKS_MAX = 256,           /* Of one job. */
    OUTBOX_BYTES_MAX = 64 << 20,      /* Undelivered, above which the job waits. */
    OUTBOX_RESTATE_RECORDS = 4096,    /* Cursor records before all cursors are written anew. */
    OUTBOX_RETRY_MS_MIN = 50,
    OUTBOX_RETRY_MS_MAX = 10000,
};

struct engine_outbox {
    struct engine_outbox *next; /* list_lock */
    struct engine *engine;
    struct engine_job *job;
    u32 index; /* Of the sink in its job. */
    struct log_channel channel;
    const struct connect_sink_ops *ops;
    void *sink;
    str table; /* In the job's arena, as the next. */
    struct connect_schema schema;
    struct connect_limits limits;
    struct engine_source *source; /* Pass-through: whose records are delivered; else NULL. */

    struct os_mutex lock; /* Guards the rest, but what is atomic. */
    struct os_cond changed;
    u64 cursor;  /* Atomic. Record number; pass-through: LSN. Up to it all is delivered. */
    u64 planned; /* A range written down: (cursor, planned]; 0 = none. */
    u64 pending_bytes;
    u64 added;         /* Counts steps that added rows. */
    char problem[512]; /* Of the delivery that is being tried again; empty when all is well. */
    bool is_stopping, has_thread, is_draining;
    bool is_over; /* Atomic: it drained, and nothing is left. */
    struct os_thread thread;
    u64 hold;
    bool has_hold;
    struct engine_delivery_counters { /* Relaxed atomics. */
        u64 rows, bytes, delivered_rows, delivered_bytes, retries, rejected;
    } counters;
    i64 oldest_ms; /* Atomic: arrival of the oldest undelivered row; 0 = none. */
};

/* Opens the sink; the cursor is `start` unless the log knows better. Adds it to the list. */
MUST_USE err engine__outbox_open(struct engine_job *job, u32 index,
                                 const struct connect_table *table,
                                 const struct connector *connector,
                                 const struct connect_schema *schema, struct engine_outbox **out,
                                 struct diag *diag);
/* Once the source is known: where it stands, and what a former process left. */
void engine__outbox_prepare(struct engine_outbox *outbox);
/* Joins the thread; NULL is allowed. */
void engine__outbox_close(struct engine_outbox *outbox);
/* Starts delivery; a draining one ends when nothing is left. */
void engine__outbox_start(struct engine_outbox *outbox, bool is_draining);
/* The job has stopped: what is left goes out now. */
void engine__outbox_drain(struct engine_outbox *outbox);
void engine__outbox_stop(struct engine_outbox *outbox);
/* Adds a row to the step's batch. ERR_LIMIT: the step must be cut. */
MUST_USE err engine__outbox_add(struct engine_outbox *outbox, struct log_batch *batch, str key,
                                str data);
/* After the step is durable: `rows` of `bytes` were added. Wakes the delivery. */
void engine__outbox_added(struct engine_outbox *outbox, u64 rows, u64 bytes);
/* Waits until there is room, or the job is stopping. */
void engine__outbox_wait_room(struct engine_outbox *outbox);
/* Position up to which rows are due. */
u64 engine__outbox_due(const struct engine_outbox *outbox);

/* outbox.c: cursors in the log */
MUST_USE err engine__outbox_read(struct engine *engine, str record); /* Replay. */
MUST_USE err engine__outbox_plan(struct engine_outbox *outbox, u64 to);
/* Moves the cursor, with `letters` (may be NULL) in the same frame. */
MUST_USE err engine__outbox_move(struct engine_outbox *outbox, u64 to, struct log_batch *letters);
bool engine__outbox_is_live(struct engine *engine, struct log_channel channel, u64 last_no);

/* outbox_info.c */
void engine__outbox_info(struct engine_outbox *outbox, struct arena *arena,
                         struct engine_job_source *out);
void engine__outbox_collect(struct metric_snapshot *snapshot, const struct engine_job *job);

/* outbox_read.c: the rows of a range */
struct outbox_reader {
    struct connect_batch base;
    struct engine_outbox *outbox;
    struct log_frame *frame;
    isize run_index;
    struct log_run run;
    bool is_in_run;
    u64 position;                               /* Of the frame at hand. */
    u64 given;                                  /* Position that `next` gave last. */
    u64 given_rows, given_bytes, given_pending; /* Since the last commit. */
    char shard[24];
    struct arena arena; /* Of the aggregate at hand. */
    struct kpl_record *subs;
    isize sub_count, sub_at;
    u64 sub_no;
    struct log_batch *letters;
    u64 letter_count;
    struct stream *dead_letters;
};
void engine__outbox_reader_init(struct outbox_reader *reader, struct engine_outbox *outbox, u64 to);
void engine__outbox_reader_deinit(struct outbox_reader *reader);
/* Next frame after `position` that holds something; ERR_END. *bytes_out and *rows_out: what. */
MUST_USE err engine__outbox_frame(struct engine_outbox *outbox, u64 position,
                                  struct log_frame **out, u64 *position_out, u64 *rows_out,
                                  u64 *bytes_out);

#endif
