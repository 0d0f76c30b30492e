/*
 * feed/replay.h: replays: a CSV file put into a stream row by row, as the founding
 * simulator does (feed/row_json.h), but exactly once: the records of a batch, its
 * dead letters and the replay's new position stand in one frame of the log. So a
 * replay goes on after any interruption without loss or repeat. Described in
 * docs/replay.md, its records in docs/formats/replay.md.
 *
 * The bytes come from an S3 object, which the replay fetches itself (ranges, pinned
 * by ETag), or from a client that pushes them in pieces (a file, a pipe, the
 * generator). A row that cannot be sent goes to the stream leat-dead-letters.
 *
 * Each running replay has a thread. All functions from any thread; submit, stop and
 * close block.
 */
#ifndef FEED_REPLAY_H
#define FEED_REPLAY_H

#include "base/arena.h"
#include "base/diag.h"
#include "feed/row_json.h"
#include "stream/stream.h"

enum {
    REPLAY_RUNNING_MAX = 64,
    REPLAY_PIECE_BYTES_MAX = 4 << 20, /* Of one push. */
    REPLAY_ID_BYTES = 32,
    REPLAY_RATE_MAX = 10000000, /* Rows a second; beyond it use 0, unlimited. */
};

struct replays;

struct replays_env {
    struct os *os;
    struct streams *streams;
    str access_key, secret; /* For fetching from S3 where keys are checked; may be empty. Copied. */
};
/* Reads what was submitted before; nothing runs yet. */
MUST_USE err replays_open(const struct replays_env *env, struct replays **out, struct diag *diag);
/* Starts what was running. `endpoint` is where S3 is: "http://127.0.0.1:4566". */
void replays_start(struct replays *replays, const char *endpoint);
/* Ends the threads between two batches; the replays go on at the next start. Nothing is submitted
 * after it (ERR_CLOSED). */
void replays_stop(struct replays *replays);
void replays_close(struct replays *replays);

enum replay_source { REPLAY_S3, REPLAY_PUSH };
enum replay_state { REPLAY_RUNNING, REPLAY_DONE, REPLAY_STOPPED, REPLAY_FAILED };

struct replay_spec { /* All borrowed during the call. */
    enum replay_source source;
    str account, region, stream;
    str bucket, key; /* S3 */
    str name;        /* PUSH: what makes two submissions the same file. */
    u64 bytes_total; /* PUSH: for progress; 0 = unknown. */
    struct feed_row_form form;
    str partition_key; /* Column; empty = "Severity". */
    bool is_aggregated;
    u32 rate;        /* Rows a second; 0 = unlimited. */
    u64 passes;      /* 0 = 1. */
    u64 rows_max;    /* Of all passes together; 0 = all. */
    bool is_another; /* Begin anew even if the same was submitted before. */
};

struct replay_status { /* Strings in the arena given. */
    char id[REPLAY_ID_BYTES];
    enum replay_state state;
    enum replay_source source;
    str reason;      /* FAILED */
    bool is_stalled; /* RUNNING: the disk is full, it waits for space. */
    str from;        /* "s3://bucket/key" or the name. */
    str region, stream;
    u64 pass;   /* From 0. */
    u64 offset; /* Of the next byte of this pass; everything before it is durable. */
    u64 bytes_total, passes, rows_max;
    u64 rows, rows_bad, records; /* Sent, dead letters, records (fewer than rows if aggregated). */
    u64 bytes_out;
    u32 rate;
    u64 bytes_fetched;          /* S3: of this pass, as they lie in the object. */
    u64 push_pass, push_offset; /* PUSH: where the next piece begins. */
    u64 push_room;              /* PUSH: bytes that are taken now. */
};

/* What a submission of the same source to the same stream in the same form finds: a running replay
 * (*known_out true), one that was stopped or has failed and now goes on (true), one that is done
 * (true), or a new one. ERR_NOT_FOUND: no such stream, object; ERR_INVALID; ERR_LIMIT. */
MUST_USE err replay_submit(struct replays *replays, const struct replay_spec *spec,
                           struct arena *arena, struct replay_status *out, bool *known_out,
                           struct diag *diag);
MUST_USE err replay_get(struct replays *replays, str id, struct arena *arena,
                        struct replay_status *out);
/* In order of submission. */
void replays_list(struct replays *replays, struct arena *arena, struct replay_status **out,
                  isize *count_out);
/* After the batch under way. ERR_NOT_FOUND. */
MUST_USE err replay_stop(struct replays *replays, str id);
/* Bytes of a pass from `offset`, of which as many are taken as there is room for (*taken_out).
 * `is_last`: the pass ends with them. ERR_RANGE: not where push_offset says. ERR_CLOSED: it does
 * not run. Does not block. */
MUST_USE err replay_push(struct replays *replays, str id, u64 pass, u64 offset, str bytes,
                         bool is_last, isize *taken_out);

#endif
