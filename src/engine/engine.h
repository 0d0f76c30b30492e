/*
 * engine/engine.h: SQL statements, the catalog of tables, and jobs.
 *
 * A job is durable from the moment its INSERT is accepted: it goes on by itself when
 * the process starts again. It advances in steps (docs/internals/steps.md): each takes
 * the frames that were committed since the last one, in log order, and puts its
 * outputs and its new position into one frame.
 *
 * Any thread, but engine_execute blocks: never on an event loop.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/diag.h"
#include "data/type.h"
#include "stream/stream.h"

struct engine;
struct engine_session;

/* Rebuilds catalog and jobs from the log, and starts the jobs. `data_dir` is where their state is
 * kept (snapshots); NULL: nowhere, it is made again from the log. */
MUST_USE err engine_open(struct os *os, struct streams *streams, const char *data_dir,
                         struct engine **out, struct diag *diag);
/* Where this process serves the AWS API, for sinks without an `aws.endpoint`, and leat's keys
 * (empty: none; borrowed as long as the engine). Nothing is delivered before. Once. */
void engine_set_endpoint(struct engine *engine, const char *endpoint, str access_key, str secret);
/* Stops every job's thread between two steps; the jobs stay as they are. */
void engine_close(struct engine *engine);
/* Until it is released, by the same thread, no sink begins a delivery and none is noted as done: at
 * most the one under way goes out, of rows that are in the log already. No source is landed. Jobs
 * go on. */
void engine_delivery_hold(struct engine *engine);
void engine_delivery_release(struct engine *engine);

/* --- statements ----------------------------------------------------------------------------------
 */

/* One client: its settings and temporary tables. One statement at a time. */
struct engine_session *engine_session_new(struct engine *engine, str account, str region);
void engine_session_free(struct engine_session *session);

enum engine_mode {
    ENGINE_START,   /* The same statements run already: that job is the answer. */
    ENGINE_RESTART, /* It, or else the newest that was stopped or has failed, is replaced, and the
                       new one goes on where it stood. */
    ENGINE_AGAIN,   /* One more. */
};
struct engine_options {
    enum engine_mode mode;
    str from;          /* "latest", "trim-horizon" or an ISO time; empty: as the tables say. */
    str name;          /* Of the job; empty: made from the sink's. */
    bool keeps_tables; /* CREATE of what is there with the same text is no error. */
};

struct engine_query;
enum engine_result_kind {
    ENGINE_RESULT_OK,
    ENGINE_RESULT_TABLE,
    ENGINE_RESULT_JOB,
    ENGINE_RESULT_QUERY, /* SELECT: to be run with engine_query_run, then freed. */
};

struct engine_result { /* All in the arena given. */
    enum engine_result_kind kind;
    str *columns; /* TABLE: names; rows are column_count cells each. */
    isize column_count;
    str *cells;
    isize row_count;
    str job_id, job_name; /* JOB */
    struct engine_query *query;
    bool already_running, replaced;
    u64 old_lsn, new_lsn; /* Positions; old is 0 unless replaced. */
    str notice;           /* What a client should know; may be empty. */
};

/* Splits a script at `;` as Flink's SQL client does; see sql_split. */
struct sql_piece {
    str text;
    isize offset; /* In the script. */
};
void engine_split(struct arena *arena, str script, struct sql_piece **out, isize *count_out);

/* "2026-11-24T01:02[:03][Z]", UTC, as milliseconds since 1970. */
MUST_USE err engine_time_parse(str text, i64 *ms_out, struct diag *diag);

/* Runs one statement. Errors carry code, span into `text`, and hint. */
MUST_USE err engine_execute(struct engine_session *session, str text,
                            const struct engine_options *options, struct arena *arena,
                            struct engine_result *out, struct diag *diag);

/* --- queries: rows of a SELECT go to the client; nothing of it is durable
 * ---------------------------------------------------------------------------- */

struct engine_query_ops {
    /* A row as a JSON array, in the order of the fields. False ends the query. It may block: the
     * query then waits, nothing else. */
    bool (*row)(void *ctx, str values);
    /* Asked at least every half second and before each step; false ends the query. */
    bool (*goes_on)(void *ctx);
};
/* Until the input ends, the LIMIT is reached, or `ops` end it. */
MUST_USE err engine_query_run(struct engine_query *query, const struct engine_query_ops *ops,
                              void *ctx, struct diag *diag);
const struct type_field *engine_query_fields(const struct engine_query *query, isize *count_out);
u64 engine_query_row_count(const struct engine_query *query);
/* Records that could not be read and are left out (they become no dead letters). */
u64 engine_query_skipped(const struct engine_query *query);
void engine_query_free(struct engine_query *query);

/* --- jobs
 * ------------------------------------------------------------------------------------------ */

enum engine_state {
    ENGINE_RUNNING,
    ENGINE_FAILED,
    ENGINE_STOPPED,
    ENGINE_FINISHED,
    ENGINE_DELIVERING, /* In engine_job_info only: finished, but a sink has not taken all rows. */
};

struct engine_job_source {
    str table, stream, region; /* stream: of a sink outside the log its target. */
    str kind;                  /* Name of the connector. */
    /* Sinks outside the log only; bytes without keys. */
    bool is_delivered; /* It has an outbox. */
    u64 rows, bytes, delivered_rows, delivered_bytes, rejected_rows, retries;
    u64 left_out;              /* Data beyond a limit of the sink. */
    str left_out_first;        /* Which was the first of them. */
    i64 oldest_undelivered_ms; /* Its age; 0 when all is delivered. */
    str problem;               /* Why the delivery under way is tried again; may be empty. */
};
struct engine_job_info { /* Strings in the arena given. */
    str id, name, account, region, sql, reason;
    enum engine_state state;
    i64 created_ms;
    struct engine_job_source *sources, *sinks;
    isize source_count, sink_count;
    u64 position_lsn, tip_lsn;
    i64 watermark_ms; /* INT64_MIN = none yet. */
    i64 lag_ms;       /* Age of the oldest record that is not processed yet; 0 when caught up. */
    u64 rows_in, rows_out, rows_filtered, dead_letters, empty_messages, bytes_in, bytes_out, steps,
        late_rows;
};
void engine_jobs_list(struct engine *engine, struct arena *arena, struct engine_job_info **out,
                      isize *count_out);
/* Waits for the step under way. ERR_NOT_FOUND. */
MUST_USE err engine_job_stop(struct engine *engine, str id, struct diag *diag);

/* --- checks
 * -----------------------------------------------------------------------------------------------
 */

/* Reads every file of snapshots below a data directory that nobody has open; `each` is told of each
 * one, with OK or what is wrong. Changes nothing. */
typedef void (*engine_snapshot_fn)(void *ctx, const char *job, const char *path, err e,
                                   const char *what);
MUST_USE err engine_check_snapshots(struct os *os, const char *data_dir, engine_snapshot_fn each,
                                    void *ctx);

/* --- reset
 * ------------------------------------------------------------------------------------------------
 */

/* Stops and forgets every job, table and view, durably. Streams are left alone. */
MUST_USE err engine_reset(struct engine *engine);

#endif
