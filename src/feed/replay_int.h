/* feed/replay_int.h: shared by the files of feed/ only. */
#ifndef FEED_REPLAY_INT_H
#define FEED_REPLAY_INT_H

#include "feed/replay.h"
#include "feed/replay_live.h"
#include "os/thread.h"

enum {
    REPLAY_BUFFER_BYTES = 8 << 20, /* Pushed and not yet read. */
    REPLAY_BATCH_BYTES = 4 << 20,  /* Of records in one frame. */
    REPLAY_FETCH_BYTES = 2 << 20,  /* Of one ranged GET. */
};

/* Where a replay stands; one value is durable, another is being worked at. */
struct replay_position {
    enum replay_state state;
    u64 pass, offset, line; /* Of the next row; line from 1. */
    u64 rows, rows_bad, records, bytes_out;
};

struct replay {
    struct replay *next;
    struct replays *replays;
    struct arena arena; /* Of the texts below. */
    u64 number;
    char id[REPLAY_ID_BYTES];
    /* As submitted. */
    enum replay_source source;
    str account, region, stream_name;
    u32 stream_number;
    str bucket, key, etag; /* S3 */
    str name;              /* PUSH */
    u64 bytes_total;
    struct feed_row_form form;
    str partition_key;
    bool is_aggregated;
    u64 passes, rows_max;
    u64 fingerprint;
    i64 created_ms;

    struct os_mutex lock; /* Guards what follows. Taken after replays->lock. */
    struct os_cond changed;
    u32 rate;
    struct replay_position durable;
    char reason[512];
    str *header; /* Of the file; NULL until it was read. In the arena, written once. */
    isize header_count;
    bool is_stopping, has_thread;
    bool is_stalled; /* The disk is full: a batch waits for space. */
    struct os_thread thread;
    u64 bytes_fetched; /* S3: of this pass, as they lie in the object. */
    struct buf pushed; /* PUSH: bytes [push_offset - pushed.len, push_offset) of push_pass. */
    u64 push_pass, push_offset;
    bool is_pass_pushed; /* All of push_pass has come. */
};

/* Records of LOG_CONTROL_FEED. */
enum replay_record { REPLAY_SUBMIT, REPLAY_HEADER, REPLAY_POSITION, REPLAY_RECORD_KINDS };

struct replays {
    struct os *os;
    struct streams *streams;
    struct log *log;
    struct arena arena;
    str access_key, secret;
    struct replay_live *live;
    int watch;            /* Of the log. */
    const char *endpoint; /* NULL until replays_start. */
    struct os_mutex lock; /* Guards the list and the numbers. */
    struct replay *first;
    u64 next_number;
    bool is_closing;
};

/* replay.c: a new one at the end of the list. */
struct replay *replay__new(struct replays *replays, u64 number);

/* replay_log.c: docs/formats/replay.md */
MUST_USE err replay__log_read(struct replays *replays, struct diag *diag);
/* What a record is and of which replay. */
MUST_USE err replay__record_head(str body, enum replay_record *kind_out, u64 *number_out);
MUST_USE err replay__log_submit(struct replay *replay);
/* The position, and the header when `has_header`, into the batch of what it covers. */
MUST_USE err replay__batch_position(struct log_batch *batch, const struct replay *replay,
                                    const struct replay_position *position, const char *reason,
                                    bool has_header);
/* A batch with a change of state or rate alone. */
MUST_USE err replay__log_position(struct replay *replay, const struct replay_position *position,
                                  const char *reason);

/* replay_run.c */
void replay__main(void *ctx); /* A struct replay. */

/* replay_source.c: bytes of a pass, in order. One thread. */
struct replay_reader;
/* At byte `offset` of the pass. */
struct replay_reader *replay__reader_new(struct replay *replay, u64 pass, u64 offset);
void replay__reader_free(struct replay_reader *reader);
/* Appends some bytes. ERR_END: the pass has no more; ERR_AGAIN: none have been pushed yet;
 * ERR_CLOSED: it is being stopped; else diag says what failed. */
MUST_USE err replay__reader_next(struct replay_reader *reader, struct buf *out, struct diag *diag);
/* Asks S3 for the object's ETag (in the arena) and size. */
MUST_USE err replay__object_head(struct replays *replays, const struct replay_spec *spec,
                                 struct arena *arena, str *etag_out, u64 *bytes_out,
                                 struct diag *diag);

/* replay_regroup.c. In place of a batch that a reshard has overtaken: the same records for the
 * shards of now. */
MUST_USE err replay__regroup(struct streams *streams, struct log_batch **batch);

#endif
