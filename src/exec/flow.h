/*
 * exec/flow.h: a dataflow: the pipes and the operators with state of the plans that one job
 * runs together. The owner reads input and pushes batches into pipes (pipe_run), tells the
 * watermark of each scan, and then lets windows fire, bounded, so that the output of one step
 * stays small: what is left fires in the next.
 *
 * What comes out is a function of the batches, marks and clocks given, not of how rows are cut
 * into batches or firing into calls. Windows fire in order of their end, keys inside by key
 * group and then in the order in which they came. One thread.
 */
#ifndef EXEC_FLOW_H
#define EXEC_FLOW_H

#include "exec/pipe.h"

struct flow_options {
    isize budget_bytes; /* Of all state. */
    const char *zone;   /* table.local-time-zone */
    u64 secret[2];      /* Random, so that no keys can be chosen that crowd a hash table. */
};

/* ERR_LIMIT when a plan is too deep. Borrows the plans. */
MUST_USE err flow_new(const struct rel *const *roots, isize count,
                      const struct flow_options *options, struct flow **out, struct diag *diag);
void flow_free(struct flow *flow);

/* Scans in the order of the plans. */
isize flow_scan_count(const struct flow *flow);
struct pipe *flow_scan(struct flow *flow, isize number);
/* Has operators whose results depend on earlier rows? */
bool flow_is_stateful(const struct flow *flow);
bool flow_has_values(const struct flow *flow);

/* The first error of an operator: ERR_MEMORY over the budget. OK until then. */
MUST_USE err flow_error(const struct flow *flow, struct diag *diag);

/* How a call runs what comes out. */
struct flow_run {
    struct func_ctx *func;
    const struct pipe_ops *ops;
    void *ctx;
    isize rows_max;                /* Of one batch of results. */
    bool (*has_room)(void *ctx);   /* Asked before each batch. */
    u64 fired;                     /* Results so far; goes up. */
    u64 fired_max;                 /* Not more. */
    u64 arrived_count, late_count; /* Go up. */
};

/* All rows of VALUES; once, in a job's first step. */
void flow_run_values(struct flow *flow, struct flow_run *run);

/* The watermark of a scan's source, ms; idle sources hold nothing back. */
void flow_set_mark(struct flow *flow, isize scan, i64 mark_ms, bool is_idle);
/* The step's wall clock, for processing-time windows; never goes back. */
void flow_set_clock(struct flow *flow, i64 now_ms);
/* When the next processing-time window ends; INT64_MAX = none is open. */
i64 flow_timer_ms(const struct flow *flow);
/* Lets what the watermarks allow fire. True when something is left to fire. */
bool flow_fire(struct flow *flow, struct flow_run *run);
/* The lowest watermark of the operators; MARK_NONE when there are none. */
i64 flow_mark(const struct flow *flow);
isize flow_state_bytes(const struct flow *flow);

/* State in sections and pieces (docs/formats/snapshot.md). A piece is groups of one window; what
 * has not changed since the last flow_save is not written again, only its piece is named. */
struct flow_piece {
    u64 file, offset, bytes, hash; /* As the saver gave them; file = 0 is none. */
    bool is_change;                /* Not the first of its chain. */
};
struct flow_saver {
    err (*section)(void *ctx, u64 operator_id, str body); /* A whole section's body. */
    err (*piece)(void *ctx, u64 operator_id, str body, struct flow_piece *out);
    void (*keep)(void *ctx, const struct flow_piece *piece); /* This state consists of it. */
    void *ctx;
    isize range_bytes; /* Large windows are cut into pieces of about this size. */
    isize small_bytes; /* Smaller windows are sections. */
};
MUST_USE err flow_save(struct flow *flow, const struct flow_saver *saver);
/* The next flow_save writes everything: the last one failed, or its files are not ours. */
void flow_forget_pieces(struct flow *flow);
struct flow_loader {
    /* The body of a piece. */
    err (*piece)(void *ctx, u64 operator_id, const struct flow_piece *piece, struct buf *out);
    void *ctx;
};
/* Gives a section back to its operator; into a flow without state. ERR_CORRUPT; ERR_NOT_FOUND when
 * the plan has no such operator. Without a loader (NULL) pieces are ERR_CORRUPT. */
MUST_USE err flow_load(struct flow *flow, u64 operator_id, str body,
                       const struct flow_loader *loader);

#endif
