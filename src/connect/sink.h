/*
 * connect/sink.h: sinks outside the log. A row is encoded on the job's thread into the
 * sink's outbox, which is part of the log; one thread per sink takes ranges of it and
 * delivers them, again and again until they are through (docs/internals/outbox.md).
 */
#ifndef CONNECT_SINK_H
#define CONNECT_SINK_H

#include "base/buf.h"
#include "connect/format.h"
#include "data/vec.h"
#include "os/os.h"

/* Where and as whom. Outlives every sink; the endpoint is empty until the server listens. */
struct connect_env {
    struct os *os;
    char endpoint[128];     /* Of the services of this process: "http://127.0.0.1:4566". */
    str access_key, secret; /* leat's own; empty: requests are signed with any. */
    u32 instance;           /* Of the data directory: part of names that must not collide. */
};

struct connect_schema { /* The fields that an INSERT writes. */
    const struct type_field *fields;
    isize count;
    const isize *partition_fields; /* PARTITIONED BY: positions in fields. */
    isize partition_count;
    str account, region, job; /* Of the job. */
    u32 sink;                 /* Number of the sink in the job. */
};

/* How the outbox is cut into deliveries. */
struct connect_limits {
    u64 bytes_max; /* A delivery ends with the row that reaches it; 0 = no bound. */
    u64 rows_max;
    u32 linger_ms;        /* Age of the oldest row at which what there is goes out. */
    bool is_planned;      /* The range is written down first, so that a repeat is the same. */
    bool is_pass_through; /* It can take records of a stream as they are. */
};

struct connect_row {
    str key; /* As the sink's encode made it; pass-through: "shardId-..." */
    str data;
    u64 no; /* Record number in the log: ascending, never given twice. */
};

/* The rows of one delivery. `next` borrows a row until the next call; false at the end or after an
 * error, which `failure` then holds. */
struct connect_batch {
    bool (*next)(struct connect_batch *batch, struct connect_row *out);
    void (*rewind)(struct connect_batch *batch); /* To the first row that is not yet delivered. */
    /* Everything up to the row that `next` gave last is delivered, for good. */
    void (*commit)(struct connect_batch *batch);
    /* The row can never be delivered: a dead letter. */
    void (*reject)(struct connect_batch *batch, const struct connect_row *row, str reason);
    i64 arrival_ms; /* Of the oldest row. */
    u64 from, to;   /* Positions; the same again when a planned range is repeated. */
    err failure;
};

/* RETRY: the same range again, later. FATAL: what is left of it becomes dead letters. */
enum connect_verdict { CONNECT_OK, CONNECT_RETRY, CONNECT_FATAL };

struct connect_sink_ops {
    /* Options were accepted. Errors: a schema that the sink cannot take. */
    MUST_USE err (*open)(const struct connect_table *table, const struct connect_schema *schema,
                         const struct connect_env *env, void **out,
                         struct connect_limits *limits_out, struct diag *diag);
    void (*close)(void *sink); /* NULL is allowed. */
    /* On the job's thread, beside deliver: appends. ERR_INVALID with diag: a dead letter. */
    MUST_USE err (*encode)(void *sink, const struct vec *cols, isize row, struct arena *scratch,
                           struct buf *key, struct buf *data, struct diag *diag);
    /* On the sink's own thread; blocks. */
    enum connect_verdict (*deliver)(void *sink, struct connect_batch *batch, struct diag *diag);
    /* For people: "s3://bucket/prefix". Borrowed from the sink; may be NULL. */
    str (*target)(void *sink);
    /* Data that the sink left out on purpose, and the first of them, appended; may be NULL. Any
     * thread. */
    u64 (*left_out)(void *sink, struct buf *what);
};

#endif
