/* exec/flow_int.h: shared by flow*.c, pipe.c and window*.c only. */
#ifndef EXEC_FLOW_INT_H
#define EXEC_FLOW_INT_H

#include "exec/flow.h"
#include "exec/group_table.h"
#include "exec/marks.h"

struct window {   /* One open window. */
    i64 start_ms; /* As its local time says. */
    i64 timer_ms; /* It fires when the watermark is here: its end - 1, UTC. */
    struct group_table table;
    struct arena pool;           /* Of variable-length aggregates. */
    u32 *order;                  /* Of firing, made when that begins. */
    isize fired;                 /* So many have. */
    isize bytes;                 /* Counted in the operator's. */
    struct window_range *ranges; /* What is on the disk; window_pieces.c. */
    isize range_count;           /* 0 = nothing. */
};

struct window_agg {
    const struct rel *rel;
    u64 id; /* Of the operator, in snapshots. */
    struct flow *flow;
    struct pipe *out; /* Starts here. */
    const char *zone; /* Of the windows: NULL when local time is UTC. */
    struct group_layout layout;
    isize *state_offsets; /* Per aggregate. */
    bool has_varlen;
    struct window **windows; /* By start. */
    isize window_count, window_capacity;
    isize last; /* Window found last. */
    isize bytes;
    i64 mark_ms;     /* Live: decides what is late and what fires. */
    i64 out_mark_ms; /* Told to what follows, when all of it has fired. */
};

struct flow_scan {
    struct pipe *pipe;
    bool has_mark; /* A watermark is declared on the way. */
    bool is_idle;
    i64 mark_ms;
};

struct flow_limit {
    const struct rel *rel;
    u64 id;
    u64 passed;
};

struct flow {
    struct arena arena; /* Of the shape. */
    struct flow_options options;
    struct flow_scan *scans;
    isize scan_count;
    struct pipe **values;
    isize values_count;
    struct window_agg **aggs; /* Inputs before what follows them. */
    isize agg_count;
    struct flow_limit *limits;
    isize limit_count;
    bool uses_watermark; /* CURRENT_WATERMARK somewhere. */
    i64 now_ms;
    err e;
};

/* flow.c: the watermark of an aggregation's inputs; `without` (a scan's number, -1) left out. */
i64 flow__input_mark(const struct flow *flow, isize agg, isize without);
void flow__advance(struct flow *flow, isize agg);
struct flow_limit *flow__limit(struct flow *flow, const struct rel *rel);
void flow__fail(struct flow *flow, err e);

/* window_agg.c */
struct window_agg *window__agg_new(struct flow *flow, const struct rel *rel);
void window__agg_free(struct window_agg *agg);
void window__agg_take(struct window_agg *agg, struct pipe_run *run);
/* True when windows are left that the watermark lets fire. */
bool window__agg_fire(struct window_agg *agg, struct flow_run *run);
i64 window__agg_timer_ms(const struct window_agg *agg);
/* Its place in `windows`, made when there is none. */
struct window *window__get(struct window_agg *agg, i64 start_ms);
void window__count_bytes(struct window_agg *agg, struct window *window);

/* Group numbers by key group, then as they came; owned. */
u32 *window__order(const struct window_agg *agg, const struct window *window);

/* window_save.c: sections of state. */
enum {
    WINDOW_SECTION_MARKS = 'M',
    WINDOW_SECTION_GROUPS = 'G',
    WINDOW_SECTION_PIECES = 'V',
};
MUST_USE err window__agg_save(struct window_agg *agg, const struct flow_saver *saver,
                              isize *small_left);
MUST_USE err window__agg_load(struct window_agg *agg, str body, const struct flow_loader *loader);
void window__begin_groups(const struct window *window, struct buf *out);
void window__put_group(const struct window_agg *agg, u8 *group, struct buf *out);
MUST_USE err window__take_start(const struct window_agg *agg, str *in, i64 *out);
struct window_groups { /* What a piece must be. */
    i64 start_ms;
    int first, last; /* Key groups. */
    bool is_change;  /* Of groups that are there already, too. */
};
MUST_USE err window__load_piece(struct window_agg *agg, struct window *window,
                                const struct window_groups *groups, str body);

/* window_pieces.c */
MUST_USE err window__pieces_save(const struct window_agg *agg, struct window *window,
                                 const struct flow_saver *saver);
MUST_USE err window__pieces_load(struct window_agg *agg, str in, const struct flow_loader *loader);
void window__pieces_forget(struct window *window);

/* window_tvf.c: appends the window's columns; rows without a time are dropped. */
void window__tvf(struct pipe_run *run, const struct rel *rel);
/* Time zone of the windows' local time: NULL = UTC, as for TIMESTAMP without zone. */
const char *window__zone(const struct rel *tvf, const char *local);
static inline i64 window__floor_mod(i64 a, i64 b)
{
    i64 m = a % b;
    return m < 0 ? m + b : m;
}
i64 window__end_utc_ms(const char *zone, i64 end_ms);

/* pipe.c */
void pipe__sweep(struct pipe_run *run);
void pipe__report(struct pipe_run *run);
void pipe__need(struct pipe_run *run, const struct expr *expr, isize column_count);
void pipe__need_column(struct pipe_run *run, isize column);

#endif
