/*
 * stream/stream.h: sharded streams over the log, with the semantics of Amazon
 * Kinesis Data Streams (../docs/services/kinesis.md): hash-key ranges, 56-digit
 * sequence numbers, arrival times, retention per stream.
 *
 * A stream is addressed by (account, region, name); regions and accounts are
 * separate worlds. struct stream is reference-counted and stays valid while a
 * reference is held, even after its deletion (is_deleted). Catalog changes are
 * records of LOG_CONTROL_STREAMS and take effect when they are durable.
 *
 * Threads: all functions from any thread. Callbacks come on the log's committer
 * thread: be short, never block.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "log/log.h"

enum {
    STREAM_NAME_MAX = 128,
    STREAM_SHARDS_MAX = 10000, /* Open shards of one stream. */
    STREAM_RETENTION_MIN_H = 24,
    STREAM_RETENTION_MAX_H = 8760,
    STREAM_TAGS_MAX = 50,
    STREAM_SEQUENCE_DIGITS = 56,
    STREAM_PARTITION_KEY_CHARS_MAX = 256,
    STREAM_ON_DEMAND_SHARDS = 4,
    STREAM_SECRET_BYTES = 32,
    STREAM_CHILD_DELAY_MS = 1000, /* From the end of a shard to the start of its children. */
    STREAM_KEY_BYTES_MAX = 2048,
    STREAM_POLICY_BYTES_MAX = 20480,
    STREAM_METRICS_ALL = 127, /* Seven bits: shard-level metrics that were asked for. */
    STREAM_SCALES_MAX = 10,   /* Of one stream in 24 hours. */
    STREAM_WARM_MIBPS_MAX = STREAM_SHARDS_MAX, /* A shard takes 1 MiB/s. */
    STREAM_COMMITMENT_MS = 24 * 3600 * 1000,   /* The shortest commitment of an account. */
    STREAM_ACCOUNTS_MAX =
        10000, /* Pairs of account and region with a commitment, also an ended one. */
};

/* Streams of this account are leat's own: no client sees them, and what no job holds is dropped,
 * whatever their retention. */
#define STREAM_HIDDEN_ACCOUNT "leat--hidden"

enum stream_mode { STREAM_PROVISIONED, STREAM_ON_DEMAND };
enum stream_status { STREAM_CREATING, STREAM_ACTIVE, STREAM_UPDATING, STREAM_DELETING };

struct streams;
struct stream;

/* Rebuilds the catalog from the log and registers the retention rule. */
MUST_USE err streams_open(struct os *os, struct log *log, struct streams **out, struct diag *diag);
void streams_close(struct streams *streams);
struct log *streams_log(struct streams *streams);
/* Waits until the catalog shows every change that stands in a published frame. Not on the
 * committer's thread. */
void streams_settle(struct streams *streams);
/* Random bytes of this data directory, durable with it: the key of tokens that clients hold
 * (iterators). out[STREAM_SECRET_BYTES] */
void streams_get_secret(struct streams *streams, u8 *out);
/* What is alive of a control channel (enum log_control but that of streams); with 0, of all that
 * have no rule of their own. All of it unless set. Is no longer called after a call with NULL
 * returned. */
void streams_set_control_live(struct streams *streams, u32 shard, log_is_live_fn fn, void *ctx);

struct stream_id {
    str account; /* 12 digits. */
    str region;
    str name;
};

/* New reference, NULL when absent. */
struct stream *streams_find(struct streams *streams, struct stream_id id);
struct stream *streams_find_number(struct streams *streams, u32 stream_number);
void stream_ref(struct stream *stream);
void stream_unref(struct stream *stream);
/* Visits in order of (account, region, name), those of one account and region when given
 * (STR_EMPTY = all). Stops when `each` returns false. Holds the catalog's read lock. */
void streams_each(struct streams *streams, str account, str region,
                  bool (*each)(void *ctx, struct stream *stream), void *ctx);

struct stream_tag {
    str key, value;
};

struct stream_spec {
    struct stream_id id;
    enum stream_mode mode;
    i32 shard_count;               /* 0 with on-demand = STREAM_ON_DEMAND_SHARDS. */
    i32 retention_hours;           /* 0 = 24. */
    i32 record_bytes_max;          /* 0 = 1 MiB; data and partition key together. */
    i32 warm_mibps;                /* Shown, to STREAM_WARM_MIBPS_MAX; 0 = none. */
    const struct stream_tag *tags; /* Borrowed during the call. */
    isize tag_count;
};

typedef void (*stream_done_fn)(void *ctx, err e);
/* ERR_EXISTS, ERR_RANGE, ERR_LIMIT are returned at once and `done` is not called; otherwise `done`
 * is called when the change is durable. The same holds for the other changes below. */
MUST_USE err stream_create(struct streams *streams, const struct stream_spec *spec,
                           stream_done_fn done, void *ctx);
MUST_USE err stream_delete(struct stream *stream, stream_done_fn done, void *ctx);
/* Only when no consumer is registered; else ERR_IN_USE. */
MUST_USE err stream_delete_unused(struct stream *stream, stream_done_fn done, void *ctx);
/* ERR_IN_USE, of this and the settings below but policies: a reshard is on its way. */
MUST_USE err stream_set_retention(struct stream *stream, i32 hours, stream_done_fn done, void *ctx);
/* Adds or replaces `set`, removes the keys of `unset`. ERR_LIMIT beyond STREAM_TAGS_MAX. */
MUST_USE err stream_set_tags(struct stream *stream, const struct stream_tag *set, isize set_count,
                             const str *unset, isize unset_count, stream_done_fn done, void *ctx);
/* ERR_AGAIN: changed twice in the last 24 hours. ERR_IN_USE: a change of mode is on its way. */
MUST_USE err stream_set_mode(struct stream *stream, enum stream_mode mode, stream_done_fn done,
                             void *ctx);
/* Warm throughput of an on-demand stream: it is scaled to a shard for each MiB/s, and to
 * STREAM_ON_DEMAND_SHARDS at least. With `switches_mode` it becomes an on-demand stream at the same
 * time, with the errors of stream_set_mode; else ERR_UNSUPPORTED when it is none. Else as
 * stream_split, and ERR_RANGE. */
MUST_USE err stream_set_warm(struct stream *stream, i32 mibps, bool switches_mode,
                             stream_done_fn done, void *ctx);
/* 1 to 10 MiB, else ERR_RANGE. */
MUST_USE err stream_set_record_bytes(struct stream *stream, i32 bytes, stream_done_fn done,
                                     void *ctx);
/* Name of the key that clients see; empty: no encryption. Bytes on disk are the same. */
MUST_USE err stream_set_key(struct stream *stream, str key, stream_done_fn done, void *ctx);
/* Sets and then clears bits of STREAM_METRICS_ALL. */
MUST_USE err stream_set_metrics(struct stream *stream, u32 set, u32 unset, stream_done_fn done,
                                void *ctx);
/* Of a consumer, or with an empty name of the stream; an empty policy removes it. */
MUST_USE err stream_set_policy(struct stream *stream, str consumer, str policy, stream_done_fn done,
                               void *ctx);
/* Resharding. The change has one place in the log: records before it are in the parents, records
 * after it in the children, whichever shard a batch on its way was filled for. Children begin one
 * second after their parents in sequence numbers. ERR_NOT_FOUND: the stream is gone. ERR_IN_USE: a
 * reshard is on its way. ERR_UNSUPPORTED: on-demand. ERR_END: no such shard. ERR_CLOSED: the shard
 * is. ERR_LIMIT: more than STREAM_SHARDS_MAX open shards would result. */
/* `upper_first`: first hash key of the upper child, above the first but one and below the last of
 * the shard; else ERR_INVALID. */
MUST_USE err stream_split(struct stream *stream, u32 shard, u128 upper_first, stream_done_fn done,
                          void *ctx);
/* ERR_INVALID unless `upper` begins where `lower` ends. */
MUST_USE err stream_merge(struct stream *stream, u32 lower, u32 upper, stream_done_fn done,
                          void *ctx);
/* Splits and merges until `target` even shards are open. ERR_RANGE: more than twice or less than
 * half of the open ones. ERR_AGAIN: scaled STREAM_SCALES_MAX times in the last 24 hours. */
MUST_USE err stream_scale(struct stream *stream, i32 target, stream_done_fn done, void *ctx);
/* As the above, but wait; for command-line, jobs and tests, never on a loop thread. */
MUST_USE err stream_create_wait(struct streams *streams, const struct stream_spec *spec);
MUST_USE err stream_delete_wait(struct stream *stream);
MUST_USE err stream_split_wait(struct stream *stream, u32 shard, u128 upper_first);
MUST_USE err stream_merge_wait(struct stream *stream, u32 lower, u32 upper);
MUST_USE err stream_scale_wait(struct stream *stream, i32 target);

struct stream_info {
    struct stream_id id; /* Borrows from the stream. */
    u32 number;          /* Never reused; the log channel's `stream`. */
    enum stream_mode mode;
    enum stream_status status;
    bool is_deleted;
    i64 created_ms;
    i32 retention_hours;
    i32 record_bytes_max;
    u32 metrics;    /* Bits of STREAM_METRICS_ALL. */
    i32 warm_mibps; /* What was asked for, 0 = nothing. */
    bool is_encrypted;
    i32 shard_count; /* Closed and expired ones included. */
    i32 open_shard_count;
};
void stream_get_info(struct stream *stream, struct stream_info *out);
/* Copies the tags, sorted by key, into the arena. */
void stream_get_tags(struct stream *stream, struct arena *arena, struct stream_tag **tags_out,
                     isize *count_out);

bool stream_is_encrypted(struct stream *stream);
/* Copies into the arena; empty when there is none. */
str stream_get_key(struct stream *stream, struct arena *arena);
str stream_get_policy(struct stream *stream, str consumer, struct arena *arena);

struct stream_shard {
    u32 index;                  /* Of "shardId-%012u"; also the log channel's `shard`. */
    u128 hash_first, hash_last; /* Inclusive. */
    i64 created_ms;
    i64 closed_ms;               /* 0 while open. */
    u64 closed_no;               /* Number after its last record; 0 while open. */
    i32 parent, adjacent_parent; /* Shard index, -1 = none. */
    bool is_expired;             /* Closed so long that retention has passed: lists omit it. */
    char starting_sequence[STREAM_SEQUENCE_DIGITS + 1];
    char ending_sequence[STREAM_SEQUENCE_DIGITS + 1]; /* Empty while open. */
};
/* Shard by position 0..shard_count-1, in order of index. False when out of range. */
bool stream_get_shard(struct stream *stream, i32 position, struct stream_shard *out);
bool stream_find_shard(struct stream *stream, u32 index, struct stream_shard *out);
/* Children of a closed shard, in order of index; returns how many. */
i32 stream_find_children(struct stream *stream, u32 parent, struct stream_shard children_out[2]);
/* "shardId-000000000007" -> 7; ERR_SYNTAX. out[21] for the other direction. */
MUST_USE err stream_shard_parse(str text, u32 *index_out);
void stream_shard_format(u32 index, char *out);

/* --- accounts --------------------------------------------------------------------------------- */

/* To a minimum throughput that is billed, of an account in a region. */
struct stream_commitment {
    i64 started_ms; /* 0: never. */
    i64 ended_ms;   /* 0: it goes on. In the future: it has been cancelled and ends then. */
};
void streams_get_commitment(struct streams *streams, str account, str region,
                            struct stream_commitment *out);
/* Begins, ends or resumes it; *out: what it is then. One that is ended early goes on until it has
 * lasted for STREAM_COMMITMENT_MS. ERR_LIMIT beyond STREAM_ACCOUNTS_MAX. */
MUST_USE err streams_set_commitment(struct streams *streams, str account, str region,
                                    bool is_wanted, struct stream_commitment *out,
                                    stream_done_fn done, void *ctx);
/* Forgets those of all accounts. */
MUST_USE err streams_forget_commitments(struct streams *streams, stream_done_fn done, void *ctx);

/* --- consumers of enhanced fan-out ------------------------------------------------------------ */

struct stream_consumer {
    str name; /* Copied into the arena. */
    i64 created_ms;
};

struct stream_consumer_spec {
    str name;
    const struct stream_tag *tags; /* Borrowed during the call. */
    isize tag_count;
    i32 consumers_max;     /* Of the stream. */
    i32 creating_max;      /* How many may be registered... */
    i64 creating_since_ms; /* ...after this time or be on their way to the disk. */
};

/* ERR_EXISTS, ERR_LIMIT for consumers_max, ERR_AGAIN for creating_max; else as other changes. */
MUST_USE err stream_consumer_register(struct stream *stream,
                                      const struct stream_consumer_spec *spec, i64 *created_ms_out,
                                      stream_done_fn done, void *ctx);
/* ERR_NOT_FOUND: the stream or the consumer is gone. */
MUST_USE err stream_consumer_deregister(struct stream *stream, str name, stream_done_fn done,
                                        void *ctx);
/* As stream_set_tags. */
MUST_USE err stream_consumer_set_tags(struct stream *stream, str name, const struct stream_tag *set,
                                      isize set_count, const str *unset, isize unset_count,
                                      stream_done_fn done, void *ctx);
bool stream_consumer_find(struct stream *stream, str name, i64 *created_ms_out);
/* Copies into the arena, in order of names. */
void stream_consumer_list(struct stream *stream, struct arena *arena, struct stream_consumer **out,
                          isize *count_out);
/* None when there is no such consumer. */
void stream_consumer_get_tags(struct stream *stream, str name, struct arena *arena,
                              struct stream_tag **tags_out, isize *count_out);
i32 stream_consumer_count(struct stream *stream);
/* Another number whenever one has been deregistered; waiters are woken then. */
u32 stream_consumer_version(struct stream *stream);

/* --- hash keys and sequence numbers --------------------------------------------------------- */

/* MD5 of the partition key, big-endian. */
u128 stream_hash_key(str partition_key);
/* Decimal, 0 to 2^128 - 1, no sign, no leading zero but "0" itself. */
MUST_USE err stream_hash_parse(str text, u128 *out);
isize stream_hash_format(u128 hash, char *out); /* out[40]; returns the length. */
/* Index of the open shard that holds `hash`. O(log shards). */
u32 stream_route(struct stream *stream, u128 hash);

/* The 186-bit layout of reference AWS: see docs/services/kinesis.md. */
struct stream_sequence {
    i64 shard_created_s;
    u64 index; /* Record number in the log. */
    i64 arrival_s;
    u32 shard;
    bool is_behind; /* No record's own number: a position behind that record, before the next. */
};
void stream_sequence_format(const struct stream_sequence *sequence, char *out); /* out[57] */
/* Those of neighbours: records of a shard that arrived together, whose indexes follow each other.
 * Much cheaper than one by one. */
struct stream_sequences {
    char front[24]; /* Digits of the next one; */
    u64 eights[4];  /* and those behind them, eight each: a byte a digit, the first highest. */
};
void stream_sequences_begin(const struct stream_sequence *first, struct stream_sequences *out);
void stream_sequences_next(struct stream_sequences *s, char *out);         /* out[56], no NUL. */
MUST_USE err stream_sequence_parse(str text, struct stream_sequence *out); /* ERR_SYNTAX */

/* --- records -------------------------------------------------------------------------------- */

struct stream_record {
    str partition_key;
    str data;
    bool has_explicit_hash;
    u128 explicit_hash;
};

/* Encodes into `batch` for the shard that the hash key names; *shard_out (may be NULL) is its
 * index. ERR_LIMIT when over record_bytes_max or the batch's limit, ERR_CLOSED when deleted.
 * The caller submits the batch; several streams may share one. */
MUST_USE err stream_batch_add(struct stream *stream, struct log_batch *batch,
                              const struct stream_record *record, u32 *shard_out);
/* Notes that what follows is routed by the map of now, for callers that ask stream_route themselves
 * before they add to the batch; see log_batch_pin. */
void stream_batch_begin(struct stream *stream, struct log_batch *batch);
/* The same in two halves, for data that is decoded straight into place: returns where `data_bytes`
 * of data go (NULL when over a limit or deleted); stream_batch_trim makes the record reserved last
 * smaller. */
u8 *stream_batch_reserve(struct stream *stream, struct log_batch *batch,
                         const struct stream_record *record_without_data, isize data_bytes,
                         u32 *shard_out);
void stream_batch_trim(struct log_batch *batch, const struct stream_record *record_without_data,
                       isize data_bytes);
/* Puts right the shards that stream_batch_add gave for records 0..count-1 of a completed batch: a
 * reshard that came first in the log may have moved them. */
void stream_batch_settle(const struct log_batch *batch, u32 *shards, isize count);
/* Sequence number of record `index` of a completed batch, for `shard` of `stream`. out[57] */
void stream_batch_sequence(struct stream *stream, const struct log_batch *batch, isize index,
                           u32 shard, char *out);
/* The same for any record of a shard that exists, e.g. a row that was read. out[57] */
void stream_row_sequence(struct stream *stream, u32 shard, u64 no, i64 arrival_ms, char *out);
/* Those of rows that arrived together, from row `no` on. */
void stream_row_sequences(struct stream *stream, u32 shard, u64 no, i64 arrival_ms,
                          struct stream_sequences *out);
/* Decodes a record body; views borrow from `body`. ERR_CORRUPT. */
MUST_USE err stream_record_decode(str body, struct stream_record *out);

struct stream_row {
    u64 no; /* Record number; its sequence number follows from it. */
    i64 arrival_ms;
    struct stream_record record; /* Borrows from the frame that the page holds. */
};

struct stream_page; /* Rows of one shard; holds references to frames. */
struct stream_read_limits {
    i32 rows_max;
    isize bytes_max; /* Of data and partition keys; at least one row is returned. */
    i32 frames_max;  /* 0 = 1000; bounds the work of one call. */
    /* NULL, or what stream_page_measured adds up: asked while the record is in the cache. */
    isize (*measure)(const struct stream_record *record);
};
/* Rows of `shard` with number >= from_no. An empty page is no error. A page ends early when frames
 * that only it keeps have 32 MiB: those of other shards lie between its rows. *next_no_out: where
 * the next read starts. *behind_ms_out: 0 when the page reaches the tip, else age of the last row
 * read. is_at_end (of stream_page_at_end): the shard is closed and read to its end. */
MUST_USE err stream_read(struct stream *stream, u32 shard, u64 from_no,
                         const struct stream_read_limits *limits, struct stream_page **out,
                         u64 *next_no_out, i64 *behind_ms_out);
/* After its ERR_CORRUPT: where a read goes on behind what is damaged; greater than `from_no`. */
u64 stream_skip_damage(struct stream *stream, u32 shard, u64 from_no);
isize stream_page_count(const struct stream_page *page);
isize stream_page_bytes(const struct stream_page *page); /* Of data and partition keys. */
/* The sum of limits.measure, which was set. */
isize stream_page_measured(const struct stream_page *page);
/* Rows that arrived together, may be 0, in the order of the page from index 0; false behind the
 * last. */
bool stream_page_arrival(const struct stream_page *page, isize index, i64 *arrival_ms_out,
                         isize *count_out);
/* Its rows in order; false behind the last. */
struct stream_rows {
    const struct stream_page *page; /* Borrowed. */
    isize part;                     /* The next. */
    isize index;                    /* Of the next row. */
    isize left;                     /* Rows of the part before it. */
    u64 no;
    i64 arrival_ms;
};
void stream_page_begin(const struct stream_page *page, struct stream_rows *out);
bool stream_page_next(struct stream_rows *cursor, struct stream_row *out);
/* Memory that only this page keeps, with whatever else lies in its frames; those that are recent
 * are kept in any case. */
isize stream_page_held_bytes(const struct stream_page *page);
/* Once, by who keeps the page for as long as a client likes: log_frame_pin, until it is freed. */
void stream_page_pin(struct stream_page *page);
bool stream_page_at_end(const struct stream_page *page);
void stream_page_free(struct stream_page *page);

/* Positions. Trim horizon never lies before retention. */
u64 stream_pos_horizon(struct stream *stream, u32 shard);
u64 stream_pos_latest(struct stream *stream, u32 shard);
u64 stream_pos_bound(struct stream *stream, u32 shard); /* As log_channel_bound. */
MUST_USE err stream_pos_time(struct stream *stream, u32 shard, i64 arrival_ms, u64 *no_out);

/* Wakes waiting readers without polling: `fn` is called once, on the committer's thread, when a
 * record with number >= from_no of the shard is published or the stream changes; at once if that
 * has already happened. Returns an id; stream_unwait (false when it has fired or is firing)
 * cancels. */
typedef void (*stream_wake_fn)(void *ctx);
u64 stream_wait(struct stream *stream, u32 shard, u64 from_no, stream_wake_fn fn, void *ctx);
bool stream_unwait(struct stream *stream, u64 wait_id);

/* Jobs hold back retention: nothing with LSN > the lowest held is dropped. Returns an id. */
u64 streams_hold(struct streams *streams, u64 lsn);
void streams_hold_move(struct streams *streams, u64 hold_id, u64 lsn);
void streams_hold_release(struct streams *streams, u64 hold_id);

/* What one frame put into one shard, or into all shards of a stream, whoever put it. */
struct stream_run {
    struct stream_id id; /* Borrows from the stream. */
    u32 number, shard;
    bool is_total;      /* Of the stream; `shard` says nothing. */
    u32 metrics;        /* Of the stream: bits of STREAM_METRICS_ALL. */
    u64 records, bytes; /* Of data and partition keys. */
};
/* Calls `fn` on the committer's thread for what becomes durable from now on: once a frame for each
 * stream, and for each shard of the streams that have `metrics`. NULL ends that, and returns when
 * it no longer runs. It must not call this module. */
typedef void (*stream_meter_fn)(void *ctx, const struct stream_run *run);
void streams_set_meter(struct streams *streams, stream_meter_fn fn, void *ctx);

/* Totals since open, for metrics; relaxed counters. */
struct stream_counters {
    u64 records_in, bytes_in, records_out, bytes_out, put_calls, get_calls;
};
void stream_get_counters(struct stream *stream, struct stream_counters *out);
/* Services report calls (records and bytes are counted by the module itself). */
void stream_count_call(struct stream *stream, bool is_put);

#endif
