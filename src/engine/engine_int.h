/* engine/engine_int.h: shared by the files of this module only. */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H

#include "base/buf.h"
#include "codec/json_rows.h"
#include "connect/format.h"
#include "connect/sink.h"
#include "engine/engine.h"
#include "exec/pipe.h"
#include "os/thread.h"
#include "sql/sql.h"

enum {
    ENGINE_TABLES_MAX = 10000,
    ENGINE_JOBS_MAX = 256,
    ENGINE_SETTINGS_MAX = 256,
    ENGINE_STEP_FRAMES_MAX = 64,
    ENGINE_STEP_BYTES_MAX = 4 << 20, /* Of frames read by one step. */
    ENGINE_ID_BYTES = 17,
};

#define ENGINE_CATALOG      "default_catalog"
#define ENGINE_DATABASE     "default_database"
#define ENGINE_DEAD_LETTERS "leat-dead-letters"

/* A table or view, durable or of a session. */
struct engine_table {
    struct engine_table *next;
    struct table_def def;
    struct arena arena;
};

struct engine_tables {
    struct engine_table *first; /* In order of creation. */
    isize count;
};

struct engine_setting {
    str key, value; /* Owned by the session's arena. */
};

struct engine_session {
    struct engine *engine;
    struct arena arena;
    str account, region;
    struct engine_tables temporary;
    struct engine_setting settings[ENGINE_SETTINGS_MAX];
    isize setting_count;
};

/* What planning needs: a catalog to look in. */
struct engine_lookup {
    const struct engine_tables *lists[2]; /* Temporary first; entries may be NULL. */
    const struct engine_session *session; /* For settings; NULL for a job. */
    str *names;
    isize name_count;
};

/* What an INSERT writes to. */
struct engine_sink {
    const struct rel *rel;
    const struct connector *connector;
    struct connect_format format;
    struct connect_stream place; /* CONNECT_SINK_LOG, as the next two. */
    struct stream *stream;
    struct connect_writer *writer;
    struct engine_outbox *outbox; /* CONNECT_SINK_OUTSIDE */
    isize passed_source;          /* Its records are delivered as they are; -1 = none. */
    u64 step_rows, step_bytes;    /* Of the step under way, for the outbox. */
};

/* One scan of a plan. Whatever the connector, a step reads it from the log. */
struct engine_source {
    struct pipe *pipe;
    const struct connector *connector;
    struct connect_format format;
    struct connect_stream place;
    struct stream *stream;
    u32 stream_number;
    struct json_rows *decoder; /* Of JSON. */
    struct csv_rows *csv;      /* Of CSV. */
    struct type_field *fields; /* Those read from the message. */
    isize field_count;
    isize *message_column;         /* Per scan column: index into fields, or -1 - metadata kind. */
    struct engine_sink *passed_to; /* Its records are not looked at: the sink takes them all. */
    u64 start_lsn;                 /* Frames up to it are not this source's. */
    i64 watermark_ms;
};

struct engine_counters { /* Relaxed atomics. */
    u64 rows_in, rows_out, rows_filtered, dead_letters, empty_messages, bytes_in, bytes_out, steps;
};

struct engine_job {
    struct engine_job *next;
    struct engine *engine;
    struct arena arena; /* Of everything below that is a pointer. */
    u64 id;
    char id_text[ENGINE_ID_BYTES];
    str name, account, region, sql;
    u64 fingerprint;
    i64 created_ms;
    str *table_texts; /* CREATE statements of the tables that the query uses. */
    isize table_count;
    u64 *start_lsns; /* Per source, in the order of the plan. */
    isize start_count;

    struct os_mutex lock; /* Guards state, reason, position; is_stopping. */
    enum engine_state state;
    char reason[1024];
    u64 position; /* LSN. */
    bool is_stopping, has_thread;
    struct os_thread thread;
    u64 hold;

    /* The worker's alone. */
    struct plan *plans;
    isize plan_count;
    struct engine_tables tables;
    struct engine_source *sources;
    isize source_count;
    struct engine_sink *sinks;
    isize sink_count;
    u64 step;
    struct engine_counters counters;
    i64 watermark_ms;    /* Atomic. */
    i64 behind_since_ms; /* Atomic: arrival of the oldest unread frame; 0 = caught up. */
    struct metric_histogram step_times;  /* Of each step that read something. */
    struct metric_histogram way_through; /* Arrival of a step's oldest record to its outputs. */
};

struct engine_outbox;
struct engine_outbox_mark;

struct engine {
    struct os *os;
    struct connect_env env;
    bool has_endpoint;                                    /* Atomic: env is complete. */
    struct os_mutex outbox_cursor_lock, outbox_list_lock; /* engine/outbox.h */
    struct engine_outbox *outboxes;
    struct engine_outbox_mark *outbox_marks; /* Found by replay. */
    u64 outbox_restated_no;                  /* Atomic: older cursor records are superseded. */
    u64 outbox_records;                      /* Since they were restated; cursor lock. */
    struct log *log;
    struct streams *streams;
    struct os_mutex lock; /* Guards catalog and the list of jobs. Taken before a job's lock. */
    struct engine_tables tables;
    struct engine_job *jobs; /* In order of creation. */
    isize job_count;
    u64 next_job;
    struct os_mutex wake_lock; /* Guards the condition that the tip has moved. */
    struct os_cond wake;
    int watch;
    isize step_frames_max; /* ENGINE_STEP_FRAMES_MAX, or less where a test asks for it. */
};

/* catalog.c */
void engine__tables_free(struct engine_tables *tables);
struct engine_table *engine__table_find(const struct engine_tables *tables, str name);
/* Takes the entry; replaces one of the same name. */
void engine__table_put(struct engine_tables *tables, struct engine_table *table);
bool engine__table_remove(struct engine_tables *tables, str name);
/* Parses and binds a CREATE statement into a new entry. */
MUST_USE err engine__table_make(struct engine_lookup *lookup, str create_text,
                                struct engine_table **out, struct diag *diag);
/* Fills in the names, for did-you-mean. */
void engine__lookup_names(struct engine_lookup *lookup, struct arena *arena);
void engine__catalog_ops(struct engine_lookup *lookup, struct catalog_ops *out);
/* Options of a table for its connector; in the arena. */
struct connect_table engine__connect_table(const struct table_def *table, struct arena *arena);

/* journal.c: records of LOG_CONTROL_ENGINE and LOG_CONTROL_JOURNAL; docs/formats/journal.md */
MUST_USE err engine__log_table(struct engine *engine, str create_text);
MUST_USE err engine__log_drop(struct engine *engine, str name);
MUST_USE err engine__log_job(struct engine *engine, const struct engine_job *job);
MUST_USE err engine__log_state(struct engine *engine, const struct engine_job *job,
                               enum engine_state state, const char *reason);
struct engine_step_record {
    u64 job, step, lsn;
    i64 wall_us;
    u64 seed;
    u64 output_count, output_hash;
};
MUST_USE err engine__batch_step(struct log_batch *batch, const struct engine_step_record *record);
/* Rebuilds tables and jobs (not started) from the log. */
MUST_USE err engine__replay(struct engine *engine, struct diag *diag);

/* job.c */
struct engine_job *engine__job_new(struct engine *engine);
void engine__job_free(struct engine_job *job);
struct engine_job *engine__job_find(struct engine *engine, str id);
/* Plans the job from its own texts and opens its streams. */
MUST_USE err engine__job_prepare(struct engine_job *job, struct diag *diag);
void engine__job_start(struct engine_job *job);
/* Starts only the delivery of what a stopped job left in its outboxes. */
void engine__job_deliver(struct engine_job *job);
/* The job has stopped: its sinks deliver what is left, at once. */
void engine__job_drain(struct engine_job *job);
/* Ends the thread after the step under way. */
void engine__job_join(struct engine_job *job);
void engine__job_fail(struct engine_job *job, const char *reason);

/* step.c: true when it did something; false when it must wait for input. */
MUST_USE err engine__step(struct engine_job *job, bool *moved_out, struct diag *diag);

/* step_output.c: around each attempt at a step. */
void engine__outputs_begin(struct engine_job *job);
void engine__outputs_done(struct engine_job *job); /* It is durable. */
/* Waits until every outbox of the job has room, or the job is stopping. */
void engine__outputs_wait_room(struct engine_job *job);

/* outbox.c */
void engine__outbox_marks_free(struct engine *engine);

/* submit.c */
MUST_USE err engine__submit(struct engine_session *session, const struct sql_statement *statement,
                            const struct engine_options *options, struct arena *arena,
                            struct engine_result *out, struct diag *diag);

#endif
