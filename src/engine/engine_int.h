/* engine/engine_int.h: shared by the files of this module only. */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H

#include "base/buf.h"
#include "codec/json_rows.h"
#include "connect/format.h"
#include "connect/sink.h"
#include "engine/engine.h"
#include "exec/flow.h"
#include "exec/marks.h"
#include "os/thread.h"
#include "sql/sql.h"

enum {
    ENGINE_TABLES_MAX = 10000,
    ENGINE_JOBS_MAX = 256,  /* Running. */
    ENGINE_ENDED_MAX = 256, /* That have ended, in the list. */
    ENGINE_SETTINGS_MAX = 256,
    ENGINE_STEP_FRAMES_MAX = 64,
    ENGINE_STEP_BYTES_MAX = 4 << 20,    /* Of frames read by one step. */
    ENGINE_STEP_OUT_BYTES = 4 << 20,    /* Windows fire until one step has put out as much. */
    ENGINE_RESTATE_RECORDS = 20000,     /* Of catalog and journal. */
    ENGINE_SNAPSHOT_SECONDS = 30,       /* A snapshot is due so long after the first step... */
    ENGINE_SNAPSHOT_INPUT = 256 << 20,  /* ...or after so many bytes of input. */
    ENGINE_STATE_BYTES_MAX = 512 << 20, /* Of one job's open windows. */
    ENGINE_ID_BYTES = 17,
    ENGINE_PATH_BYTES = 4096,
};

#define ENGINE_CATALOG               "default_catalog"
#define ENGINE_DATABASE              "default_database"
#define ENGINE_SETTING_IDLE          "table.exec.source.idle-timeout"
#define ENGINE_SETTING_ZONE          "table.local-time-zone"
#define ENGINE_DEAD_LETTERS          "leat-dead-letters"
#define ENGINE_DEAD_LETTERS_REDRIVEN "leat-dead-letters-redriven"

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
    const struct engine_setting *settings;
    isize setting_count;
    str *names;
    isize name_count;
    struct arena *views_arena; /* Where the views that were found are noted, NULL = nowhere. */
    const struct table_def **views;
    isize view_count;
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

struct engine_lineage;

/* One scan of a plan. Whatever the connector, a step reads it from the log. */
struct engine_source {
    struct pipe *pipe; /* The job thread's: recovery makes it anew. */
    str table;         /* Name, for any thread. */
    const struct connector *connector;
    struct connect_format format;
    struct connect_stream place;
    struct stream *stream;
    u32 stream_number;
    struct json_rows *decoder; /* Of JSON. */
    struct csv_rows *csv;      /* Of CSV. */
    struct type_field *fields; /* Those read from the message. */
    isize field_count;
    isize *message_column;          /* Per scan column: index into fields, or -1 - metadata kind. */
    struct engine_landing *landing; /* CONNECT_SOURCE_LANDED */
    struct engine_sink *passed_to;  /* Its records are not looked at: the sink takes them all. */
    u64 start_lsn;                  /* Frames up to it are not this source's. */
    struct marks *marks;            /* NULL: no watermark is declared. */
    struct engine_lineage *lineage; /* Of the shards in marks. */
};

struct engine_counters { /* Relaxed atomics. */
    /* Over all starts: each step's journal record has them. */
    u64 rows_in, rows_out, rows_filtered, dead_letters, empty_messages, bytes_in, bytes_out,
        late_rows, steps;
    u64 snapshots, snapshot_bytes; /* Of this process. */
};

/* Which files of pieces a snapshot refers to. */
struct engine_piece_file {
    u64 step, bytes;
};
struct engine_piece_files {
    struct engine_piece_file *items; /* Owned. */
    isize count, capacity;
    u64 live_bytes; /* That it refers to. */
    bool is_known;  /* Else no file of pieces may be removed. */
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
    struct engine_setting *settings; /* Of the session that submitted it. */
    isize setting_count;
    u64 *start_lsns; /* Per source, in the order of the plan. */
    isize start_count;

    struct os_mutex lock; /* Guards state, reason, position; is_stopping; counters fit the step. */
    enum engine_state state;
    char reason[1024];
    u64 position;  /* LSN. */
    u64 flight_no; /* The step on its way has no smaller journal record; UINT64_MAX = none is. */
    bool is_stopping, has_thread;
    bool has_doom; /* Atomic: `doom` says why the job has to fail. */
    char doom[512];
    struct os_thread thread;
    u64 hold;
    bool has_hold;

    struct engine_query *query; /* A client's SELECT, not a job: nothing is written down. */

    /* The worker's alone. */
    struct plan *plans;
    isize plan_count;
    struct engine_tables tables;
    struct flow *flow;
    bool is_stateful; /* Needs snapshots and replay. */
    bool is_resumed;  /* It ran before this process. */
    bool has_mark;    /* Of strikes.c, on the disk. */
    bool is_firing;   /* Windows are left to fire. */
    bool has_state;   /* That of `step`: neither recovering, nor in a step that was given up. */
    i64 idle_us;      /* table.exec.source.idle-timeout; 0 = off. */
    i64 wall_us;      /* Of the last step. */
    const char *zone;
    struct engine_replay *replay;             /* What is to be run again; NULL = nothing. */
    u64 snapshot_step, snapshot_lsn;          /* Of the last snapshot; step 0 = none. */
    struct engine_piece_files piece_files[2]; /* Of the last snapshot, and of the one before. */
    u64 snapshot_no, journal_floor_no; /* Journal records: of the last snapshot; needed from. */
    u64 snapshot_input;                /* counters.bytes_in at it. */
    u64 snapshot_due_ns;               /* Monotonic; 0 = nothing has happened since. */
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
struct engine_landing;

struct engine_early_state { /* Read before its job. */
    u64 job;
    enum engine_state state;
    str reason;
};

struct engine {
    struct os *os;
    char data_dir[ENGINE_PATH_BYTES]; /* Empty: state is kept nowhere. */
    struct connect_env env;
    bool has_endpoint;                                    /* Atomic: env is complete. */
    struct os_mutex outbox_cursor_lock, outbox_list_lock; /* engine/outbox.h */
    struct engine_outbox *outboxes;
    struct engine_landing *landings;
    struct engine_outbox_mark *outbox_marks; /* Found by replay. */
    u64 reading_no;                          /* Of the record that replay is at. */
    struct arena replay_arena;
    struct engine_early_state *early;
    isize early_count;
    u64 journal_records;                  /* Atomic: in catalog and journal, since restated. */
    u64 restate_records;                  /* So many are restated. */
    u64 catalog_live_no, journal_live_no; /* Atomic: older records are superseded. */
    u64 outbox_restated_no;               /* Atomic: older cursor records are superseded. */
    u64 outbox_records;                   /* Since they were restated; cursor lock. */
    struct log *log;
    struct streams *streams;
    struct os_mutex lock; /* Guards catalog and the list of jobs. Taken before a job's lock. */
    struct engine_tables tables;
    struct engine_job *jobs;      /* In order of creation. */
    struct engine_job *forgotten; /* By a reset; the journal names them still. */
    isize job_count;
    u64 next_job;
    u64 query_count; /* Atomic: since the start. */
    u64 *job_ids;    /* outbox_list_lock: of all jobs, ascending; NULL: not known yet. */
    isize job_id_count;
    struct os_mutex redrive_lock; /* One letter is put back at a time; no other is taken in it. */
    struct os_mutex wake_lock;    /* Guards the condition that the tip has moved. */
    struct os_cond wake;
    int watch;
    isize step_frames_max; /* ENGINE_STEP_FRAMES_MAX, or less where a test asks for it. */
};

/* prune.c; engine->lock is held. */
bool engine__job_is_delivered(const struct engine_job *job); /* No lock. */
isize engine__jobs_running(const struct engine *engine);
/* Forgets the oldest of too many ended jobs; to be called when the list has grown. */
void engine__jobs_prune(struct engine *engine);
/* The list has changed: engine__job_is_known, under the outbox_list_lock alone, goes by it. Before
 * the first call every job counts as known. */
void engine__jobs_note(struct engine *engine);
bool engine__job_is_known(const struct engine *engine, u64 id);

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
MUST_USE err engine__log_reset(struct engine *engine);
MUST_USE err engine__log_drop(struct engine *engine, str name);
#define ENGINE_REPLACED "replaced"
/* With the snapshot that it starts from, if it took one over, and the end of the job that it
 * replaces (NULL = of none): all or none. */
MUST_USE err engine__log_job(struct engine *engine, const struct engine_job *job,
                             const struct engine_job *replaced);
MUST_USE err engine__log_state(struct engine *engine, const struct engine_job *job,
                               enum engine_state state, const char *reason);
/* Shards `first` to `first + count - 1` of a source became idle. */
struct engine_idle {
    u32 source, first, count;
};
enum { ENGINE_STATE_VERSION = 1 }; /* Of what state means; another one is not run again. */
struct engine_step_record {
    u64 job, step, lsn;
    i64 wall_us;
    u64 seed, version;
    struct engine_idle *idle; /* In the step's arena. */
    isize idle_count;
    u64 fired; /* Results of windows that were put out. */
    u64 output_count, output_hash;
    u64 input_count;               /* Records of its sources that it read. */
    bool has_input;                /* Not in entries of leat 0.1. */
    struct engine_counters totals; /* Of the job after it. */
    bool has_totals;               /* Neither. */
};
MUST_USE err engine__batch_step(struct log_batch *batch, const struct engine_step_record *record);
MUST_USE err engine__step_read(str body, struct arena *arena, struct engine_step_record *out);
struct engine_snapshot_record {
    u64 job, step, lsn, bytes, hash;
};
MUST_USE err engine__log_snapshot(struct engine *engine,
                                  const struct engine_snapshot_record *record, u64 *no_out);
MUST_USE err engine__batch_table(struct log_batch *batch, str create_text);
MUST_USE err engine__batch_job(struct log_batch *batch, const struct engine_job *job);
MUST_USE err engine__batch_state(struct log_batch *batch, const struct engine_job *job,
                                 enum engine_state state, const char *reason);
MUST_USE err engine__batch_next_job(struct log_batch *batch, u64 next_job);
MUST_USE err engine__batch_position(struct log_batch *batch, const struct engine_job *job, u64 step,
                                    u64 lsn, const struct engine_counters *totals);

/* restate.c: catalog, jobs and positions anew when there are many records, so that the old ones
 * may go. From a job's thread, between steps. */
void engine__restate_if_due(struct engine *engine);
bool engine__control_is_live(struct engine *engine, struct log_channel channel, u64 last_no);

/* Steps since a job's snapshots, as the journal has them. */
struct engine_replay {
    struct arena arena;
    str *steps; /* Bodies. */
    isize count, next;
    struct engine_snapshot_record snapshots[2]; /* The last one first; step 0 = none. */
    isize older; /* Steps from here on follow snapshots[0]; those before follow snapshots[1]. */
};
void engine__replay_free(struct engine_replay *replay);
/* Reads the journal of this job once more, into job->replay. */
MUST_USE err engine__journal_reread(struct engine_job *job);

/* Sets id_text from the number. */
void engine__job_name(struct engine_job *job);
/* ERR_VERSION when the snapshot of a job was written by a newer leat. After engine__replay. */
MUST_USE err engine__snapshots_check(struct engine *engine, struct diag *diag);
/* Rebuilds tables and jobs (not started) from the log. */
MUST_USE err engine__replay(struct engine *engine, struct diag *diag);

/* job.c */
struct engine_job *engine__job_new(struct engine *engine);
void engine__job_free(struct engine_job *job);
struct engine_job *engine__job_find(struct engine *engine, str id);
/* Plans the job from its own texts and opens its streams. */
MUST_USE err engine__job_prepare(struct engine_job *job, struct diag *diag);
/* The dataflow of job->plans, their tables opened. */
MUST_USE err engine__plans_open(struct engine_job *job, struct diag *diag);
void engine__job_start(struct engine_job *job);
/* Nothing more can come: VALUES were the only input, or every source has ended and is read. */
bool engine__job_is_finished(const struct engine_job *job);
void engine__landings_start(struct engine_job *job);
void engine__landings_stop(struct engine_job *job);
/* Again after engine__job_join, as if nothing had been; its sinks were not stopped. */
void engine__job_go_on(struct engine_job *job);
/* Starts only the delivery of what a stopped job left in its outboxes. */
void engine__job_deliver(struct engine_job *job);
/* The job has stopped: its sinks deliver what is left, at once. */
void engine__job_drain(struct engine_job *job);
/* Ends the thread after the step under way. */
void engine__job_join(struct engine_job *job);
void engine__job_fail(struct engine_job *job, const char *reason);
/* From another of its threads: the job's own fails it after the step under way. */
void engine__job_stop_for(struct engine_job *job, const char *reason);

/* step.c: true when it did something; false when it must wait for input. */
MUST_USE err engine__step(struct engine_job *job, bool *moved_out, struct diag *diag);
/* Runs a journalled step again, its outputs only compared. */
MUST_USE err engine__step_again(struct engine_job *job, str body, struct diag *diag);
/* Wall clock at which the job has something to do without input; INT64_MAX = never. */
i64 engine__step_timer_us(const struct engine_job *job);

/* snapshot.c, snapshot_read.c: docs/formats/snapshot.md */
MUST_USE err engine__snapshot_write(struct engine_job *job, struct diag *diag);
/* ERR_CORRUPT when the file is damaged or missing. */
MUST_USE err engine__snapshot_load(struct engine_job *job,
                                   const struct engine_snapshot_record *record, struct diag *diag);
/* Writes the state of `old`, which runs the same statements and has been joined, as the snapshot
 * that `job` starts from. */
MUST_USE err engine__snapshot_adopt(struct engine_job *job, const struct engine_job *old,
                                    struct diag *diag);
bool engine__snapshot_is_due(const struct engine_job *job);
/* Wall clock at which one is due; INT64_MAX = there is nothing to keep. */
i64 engine__snapshot_timer_us(const struct engine_job *job);
/* The files that a snapshot consists of. ERR_CORRUPT. */
MUST_USE err engine__snapshot_load_files(struct engine_job *job,
                                         const struct engine_snapshot_record *record,
                                         struct engine_piece_files *out);
void engine__piece_files_free(struct engine_piece_files *files);
/* Removes files that neither of these snapshots consists of; job->piece_files are theirs. */
void engine__snapshots_sweep(struct engine_job *job, u64 keep_step, u64 keep_other);

/* recover.c: state from the last snapshot and the journal. */
MUST_USE err engine__recover(struct engine_job *job, struct diag *diag);
/* Forgets the state and makes it again, after a step that was given up. */
MUST_USE err engine__rewind(struct engine_job *job, struct diag *diag);

/* strikes.c: ERR_LIMIT when the next step has ended the process too often. */
MUST_USE err engine__strike_begin(struct engine_job *job, struct diag *diag);
void engine__strike_end(struct engine_job *job); /* It did not. */

/* state.c: the job's dataflow and watermarks, new and without state. */
MUST_USE err engine__state_new(struct engine_job *job, struct diag *diag);
void engine__marks_new(struct engine_job *job, struct engine_source *source);
/* "1 s", "500 ms", "2 min"; a bare number is milliseconds. ERR_INVALID. */
MUST_USE err engine__duration_parse(str text, i64 *us_out);
/* Input after it is needed to make the state again. */
u64 engine__hold_lsn(const struct engine_job *job);

/* step_output.c: around each attempt at a step. */
void engine__outputs_begin(struct engine_job *job);
void engine__outputs_done(struct engine_job *job); /* It is durable. */
/* Waits until every outbox of the job has room, or the job is stopping. */
void engine__outputs_wait_room(struct engine_job *job);

/* outbox.c */
void engine__outbox_marks_free(struct engine *engine);

/* reset.c: in memory only. */
void engine__forget_all(struct engine *engine);

/* query.c */
MUST_USE err engine__query_open(struct engine_session *session,
                                const struct sql_statement *statement, str from,
                                struct engine_query **out, struct diag *diag);

/* submit.c: where the job's sources begin; and the session's settings, for the job to keep. */
MUST_USE err engine__starts_set(struct engine_job *job, str from, struct diag *diag);
void engine__settings_keep(struct engine_session *session, struct engine_job *job);
MUST_USE err engine__submit(struct engine_session *session, const struct sql_statement *statement,
                            const struct engine_options *options, struct arena *arena,
                            struct engine_result *out, struct diag *diag);

#endif
