/*
 * log/log.h: the durable log: one append-only sequence of commit frames in
 * segment files. Format: docs/formats/log.md.
 *
 * A batch is a list of records, each for a channel (stream, shard). The committer
 * (one thread) puts all batches that are waiting into one frame, writes it, calls
 * fdatasync once, publishes the frame to readers, and then completes the batches:
 * nothing is acknowledged or visible before it is durable. A batch is atomic: it
 * stands in exactly one frame. Inside a frame, records stand in runs by channel,
 * in the order in which they were added.
 *
 * Numbers. LSN: number of a frame, from 1, ascending, with gaps, kept when its bytes move.
 * Record number: number of a record in the whole log, from 1, ascending within a
 * channel and in the log; gaps are possible; never given twice, not even to
 * records that a crash took before they were acknowledged.
 *
 * Channels with stream 0 belong to leat itself (catalogs, journals): see
 * enum log_control. They are read in the same way.
 *
 * Errors. A failed write or fdatasync of the log ends the process (os_fatal), but
 * for a write that finds no room: ERR_FULL is returned for its batches, as for all
 * while free space is below the reserve; nothing of them is there, and they may be
 * submitted again. Readers and the control channels go on.
 *
 * Threads: every function may be called from any thread unless it says otherwise.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/arena.h"
#include "base/base.h"
#include "base/budget.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/metric.h"
#include "base/str.h"
#include "os/os.h"

enum {
    LOG_FRAME_BYTES_MAX = 16 << 20,  /* Of one frame, header included. */
    LOG_BATCH_BYTES_MAX = 15 << 20,  /* Of the records in one batch. */
    LOG_RECORD_BYTES_MAX = 11 << 20, /* Of one record: 10 MiB of data, key, and room. */
};

enum log_durability {
    LOG_COMMIT, /* Acknowledge after fdatasync. The default. */
    LOG_OS,     /* After write(): survives kill -9, not power loss. */
    LOG_MEMORY, /* Nothing is written; for tests and throw-away use. */
};

struct log_channel {
    u32 stream; /* 0 = control. */
    u32 shard;
};

/* Shard numbers of the control stream. */
enum log_control {
    LOG_CONTROL_STREAMS = 1, /* Stream catalog and shard maps. */
    LOG_CONTROL_ENGINE = 2,  /* SQL catalog and jobs. */
    LOG_CONTROL_JOURNAL = 3, /* Step journal of all jobs. */
    LOG_CONTROL_OUTBOX = 4,  /* Outbox cursors. */
    LOG_CONTROL_META = 5,    /* The log's own: segment swaps, damage fences. */
    LOG_CONTROL_FEED = 6,    /* Replays and their positions. */
    LOG_CONTROL_COUNT,
};

static inline bool log_channel_eq(struct log_channel a, struct log_channel b)
{
    return a.stream == b.stream && a.shard == b.shard;
}

struct log;
struct log_frame; /* Immutable, reference-counted committed frame (or what retention left of it). */
struct log_batch;

struct log_options {
    const char *dir; /* Created when absent; locked while open. */
    enum log_durability durability;
    u64 segment_bytes;   /* 0 = 64 MiB. A segment is sealed when it has reached this. */
    u64 reserve_bytes;   /* 0 = 64 MiB kept free on the disk. */
    u64 scrub_period_ms; /* 0 = a day: so often all sealed segments are read and checked. */
    u64 cache_bytes;     /* 0 = 16 MiB of committed frames kept in memory for readers. */
    /* Borrowed: charged with the frames that nothing but log_frame_pin keeps in memory. NULL: they
     * are not counted. */
    struct budget *pinned;
};

/* Opens or creates; recovers after a crash. Errors: ERR_IN_USE (another process), ERR_CORRUPT (diag
 * names file and offset; nothing is changed), ERR_VERSION (written by a newer leat), ERR_IO. */
MUST_USE err log_open(struct os *os, const struct log_options *options, struct log **out,
                      struct diag *diag);
/* Completes what is queued, seals cleanly, joins threads. All frames must have been unref'd. */
void log_close(struct log *log);

/* Puts everything that is durable now into `dir`, which is empty and of the same file system: other
 * names of sealed segments, a copy of the active one. Not synced. Writers go on; retention waits.
 * ERR_UNSUPPORTED: LOG_MEMORY, or a file system without hard links. */
MUST_USE err log_stage(struct log *log, const char *dir);

/* --- writing ------------------------------------------------------------------------------ */

/* `e` is OK, ERR_FULL, ERR_CLOSED, or ERR_AGAIN (log_batch_pin). Called once per submitted batch,
 * on the committer's thread: be short, do not block, do not submit and wait. */
typedef void (*log_done_fn)(struct log_batch *batch, err e, void *ctx);

/* A batch belongs to one thread until log_submit, then to the log until `done` is called, then to
 * the caller again, who frees or resets it. */
struct log_batch *log_batch_new(void);
void log_batch_free(struct log_batch *batch);
void log_batch_reset(struct log_batch *batch);
/* For batches of a few records: an empty one, of those that were given back; and the way back,
 * whether it was submitted or not. */
struct log_batch *log_batch_take(struct log *log);
void log_batch_give(struct log *log, struct log_batch *batch);
/* Reserves `bytes` for a new record of `channel` and returns where to write it, all of it before
 * the next call; NULL when the batch or record would be over its limit. Its index is
 * log_batch_count() - 1. */
u8 *log_batch_reserve(struct log_batch *batch, struct log_channel channel, isize bytes);
/* Shrinks the record reserved last (e.g. after decoding base64 in place). */
void log_batch_trim(struct log_batch *batch, isize bytes);
/* Copies. ERR_LIMIT when over a limit. */
MUST_USE err log_batch_add(struct log_batch *batch, struct log_channel channel, str record);
isize log_batch_count(const struct log_batch *batch);
isize log_batch_bytes(const struct log_batch *batch);

/* Epochs. The owner of the channels may change which records belong where (a reshard) at one point
 * of the log, though batches that were filled under the old order are still on their way. Such a
 * change is a batch with log_batch_raise_epoch: nothing is put into a frame behind it before its
 * `done` has returned, and from then on batches that hold records of channels (not of control) and
 * were noted at a lower epoch go through the handler of log_set_stale first, in their order. The
 * first note of a batch counts until it is reset. */
void log_batch_note_epoch(struct log_batch *batch, u64 epoch);
void log_batch_raise_epoch(struct log_batch *batch, u64 epoch);
/* On a committer's thread, under locks of the log: must call no function of the log but
 * log_batch_any_channel and log_batch_reroute. False: the batch is completed with ERR_FULL. */
typedef bool (*log_stale_fn)(void *ctx, struct log_batch *batch);
void log_set_stale(struct log *log, log_stale_fn fn, void *ctx);
/* The batch is not for the handler: it is completed with ERR_AGAIN instead, as it was submitted. */
void log_batch_pin(struct log_batch *batch);
/* A record of a batch that has no place in the log; borrowed. */
struct log_channel log_batch_record(const struct log_batch *batch, isize index, str *body_out);
/* Asks `fn` for the channel of each record anew; `body` is the record's. ERR_LIMIT, with nothing
 * changed, when the batch would not fit a frame any more. */
typedef struct log_channel (*log_route_fn)(void *ctx, struct log_channel channel, str body);
MUST_USE err log_batch_reroute(struct log_batch *batch, log_route_fn fn, void *ctx);
/* Does one of its records belong to a channel that `is_wanted` names? */
bool log_batch_any_channel(const struct log_batch *batch,
                           bool (*is_wanted)(void *ctx, struct log_channel channel), void *ctx);
/* Shard of record `index` of a batch that was rerouted, else `added_to`. */
u32 log_batch_shard(const struct log_batch *batch, isize index, u32 added_to);

/* Calls `before` and `after` on the committer's thread around the callbacks (watchers and `done`)
 * of each frame, so that what they tell others can be told at once. Before anything is submitted.
 */
void log_set_around(struct log *log, void (*before)(void), void (*after)(void));
/* Queues the batch. `done` may be NULL only for log_commit. */
void log_submit(struct log *log, struct log_batch *batch, log_done_fn done, void *ctx);
/* Submits and waits until it is durable. Not from the committer's thread or an event loop. */
MUST_USE err log_commit(struct log *log, struct log_batch *batch);

/* After `done` with OK, until reset: */
u64 log_batch_lsn(const struct log_batch *batch);
i64 log_batch_arrival_ms(const struct log_batch *batch); /* Wall clock; never goes back. */
u64 log_batch_record_no(const struct log_batch *batch, isize index);
u64 log_batch_end_no(const struct log_batch *batch); /* Number after the last of its frame. */

/* --- reading ------------------------------------------------------------------------------ */

struct log_record {
    u64 no;
    str body; /* Borrows from the frame. */
};

struct log_run {
    struct log_channel channel;
    u64 first_no; /* Record numbers of a run are consecutive. */
    u32 count;
    str bytes; /* Encoded records; use log_run_next. */
};

/* LSN of the newest published frame; 0 when there is none. */
u64 log_tip(struct log *log);
/* LSN of the oldest frame that still exists in full or in part; log_tip() + 1 when none. */
u64 log_horizon(struct log *log);

/* First published frame with LSN > `lsn`; ERR_END when there is none yet; ERR_CORRUPT for a fenced
 * (damaged) range, *out then NULL. *out is a new reference. */
MUST_USE err log_frame_after(struct log *log, u64 lsn, struct log_frame **out);
/* First frame that holds a record of `channel` with number >= `record_no`; ERR_END when none. */
MUST_USE err log_frame_seek(struct log *log, struct log_channel channel, u64 record_no,
                            struct log_frame **out);
/* After ERR_CORRUPT: what to pass to log_frame_after or log_frame_seek to go on behind the damage;
 * always greater than what was passed in. */
u64 log_skip_after(struct log *log, u64 lsn);
u64 log_skip_seek(struct log *log, struct log_channel channel, u64 record_no);
/* Number of the first record of `channel` that arrived at or after `arrival_ms`; when there is
 * none, the number after its newest. */
MUST_USE err log_seek_time(struct log *log, struct log_channel channel, i64 arrival_ms,
                           u64 *record_no_out);
/* Number greater than that of every published record of the channel: a reader that starts there
 * sees only what comes later. */
u64 log_channel_tip(struct log *log, struct log_channel channel);
/* Greater than every number and every place in the channel that anyone can have been told of, also
 * of records that are gone. Never goes back, as the tip does when a reader finds nothing at the
 * end. */
u64 log_channel_bound(struct log *log, struct log_channel channel);

/* Records with this number or a greater one are in memory just now: reading them does not touch the
 * disk, unless they are pushed out meanwhile. */
u64 log_recent_no(struct log *log);

void log_frame_ref(struct log_frame *frame);
void log_frame_unref(struct log_frame *frame); /* NULL is allowed. */
/* Who keeps a frame for long says so, with a reference: from then on, and until the last such has
 * unpinned it, it is charged to options.pinned, once, while it is not among the recent ones. */
void log_frame_pin(struct log_frame *frame);
void log_frame_unpin(struct log_frame *frame);
/* Memory that only the caller's reference keeps: 0 for a frame that others have, as the cache. */
isize log_frame_held_bytes(const struct log_frame *frame);
u64 log_frame_lsn(const struct log_frame *frame);
i64 log_frame_arrival_ms(const struct log_frame *frame);
u64 log_frame_first_no(const struct log_frame *frame); /* Record number, as committed. */
u64 log_frame_end_no(const struct log_frame *frame);   /* Number after its last record. */
isize log_frame_run_count(const struct log_frame *frame);
struct log_run log_frame_run(const struct log_frame *frame,
                             isize index); /* By channel, ascending. */
/* False when the frame has no run of the channel. */
bool log_frame_find(const struct log_frame *frame, struct log_channel channel, struct log_run *out);
/* Takes the next record off the front of `run`; false at its end. Here, since all that is read of
 * streams passes through it. */
enum { LOG__RECORD_HEADER_BYTES = 4, LOG__RUN_AHEAD = 16 };
static inline bool log_run_next(struct log_run *run, struct log_record *out)
{
    if (run->count == 0) {
        return false;
    }
    isize bytes = (isize)get_u32(run->bytes.data);
    isize step = LOG__RECORD_HEADER_BYTES + bytes;
    DCHECK(run->bytes.len >= step);
    *out = (struct log_record){run->first_no, {run->bytes.data + LOG__RECORD_HEADER_BYTES, bytes}};
    run->bytes.data += step;
    run->bytes.len -= step;
    /* Each header says where the next one lies: records of one size are asked for ahead of that. */
    __builtin_prefetch(run->bytes.data + LOG__RUN_AHEAD * step);
    run->first_no++;
    run->count--;
    return true;
}
/* Skips to the first record with number >= `record_no`. */
void log_run_skip(struct log_run *run, u64 record_no);

/* Called after each publish, on the committer's thread, before batches complete. `frame` is
 * borrowed. Returns an id for log_unwatch; a watcher is never called after log_unwatch returned. */
typedef void (*log_watch_fn)(void *ctx, const struct log_frame *frame);
int log_watch(struct log *log, log_watch_fn fn, void *ctx);
void log_unwatch(struct log *log, int id);

/* --- retention ---------------------------------------------------------------------------- */

/* Is anything of this run still needed? Asked for runs of sealed segments by the log's maintenance
 * thread; must not call the log. Without it everything lives for ever. Control channels too: their
 * owner restates them and then lets the old records go. */
typedef bool (*log_is_live_fn)(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms);
void log_set_live(struct log *log, log_is_live_fn fn, void *ctx);
/* Looks for dead segments now instead of within 10 s; returns when done. For tests and reset. */
MUST_USE err log_retain_now(struct log *log);

/* --- damage ------------------------------------------------------------------------------- */

struct log_damage_run {
    struct log_channel channel;
    u64 first_no;
    u32 count;
};
struct log_damage {
    const char *what;
    u64 segment, offset, bytes; /* 0 bytes: nothing that was acknowledged is lost. */
    bool is_whole; /* All of the segment, whose file is gone or cannot be used. Else false. */
    u64 lsn_first, lsn_last, no_first, no_last;
    i64 arrival_first_ms, arrival_last_ms;
    const struct log_damage_run *runs; /* Borrowed; none when the index is lost too. */
    u32 run_count;
};
typedef void (*log_damage_fn)(void *ctx, const struct log_damage *damage);

/* A log that no process has open, to be looked at: changes nothing, starts no threads, takes no
 * batches. Errors as log_open, but that it goes on without segments that are missing. Close with
 * log_close_check. */
MUST_USE err log_open_check(struct os *os, const struct log_options *options, struct log **out,
                            struct diag *diag);
void log_close_check(struct log *log);
/* Reads and checks every frame; `each` is called for all that is damaged. */
MUST_USE err log_check(struct log *log, log_damage_fn each, void *ctx, u64 *frames_out);

struct log_salvage_report {
    void (*moved)(void *ctx, const char *name); /* Into lost+found/. */
    void *ctx;
};
/* Makes a damaged log openable: what cannot be read moves to lost+found/ whole; a segment that can
 * be read in part is written anew without the rest. Readers pass over what is gone. */
MUST_USE err log_salvage(struct os *os, const struct log_options *options,
                         const struct log_salvage_report *report, struct diag *diag);

struct log_stats {
    u64 frames, records, bytes; /* Committed since open. */
    u64 syncs, sync_ns_total, sync_ns_max;
    u64 disk_bytes, live_bytes, segments; /* Now. */
    u64 corrupt_frames;                   /* Detected since open. */
    u64 scrubbed_bytes, scrub_passes;     /* Since open. */
    u64 doubtful_frames; /* Last ones that a single bit spoils, cut off since open. */
    u64 damaged_frames;  /* That the last whole pass found. */
    u64 damaged_parts; /* Headers (one of two copies), indexes: at start, then by the last pass. */
    bool is_full;
};
void log_get_stats(struct log *log, struct log_stats *out);

struct log_latencies {
    struct metric_histogram sync;   /* Of each fdatasync. */
    struct metric_histogram commit; /* Of each batch: from its submission until it is readable. */
};
/* Read with relaxed atomics; lives as long as the log. */
const struct log_latencies *log_get_latencies(const struct log *log);

#endif
