/* engine/step_int.h: the state of one step, shared by step.c, step_input.c and step_output.c. */
#ifndef ENGINE_STEP_INT_H
#define ENGINE_STEP_INT_H

#include "engine/engine_int.h"

struct step_told { /* A record that has a dead letter. */
    u32 shard;
    u64 number;
    i64 subsequence;
    str table;
};

struct step {
    struct engine_job *job;
    struct diag *diag;
    struct arena arena;      /* Of one batch. */
    struct arena idle_arena; /* Of record.idle. */
    struct func_ctx func;
    struct log_batch *batch;
    struct engine_step_record record;
    struct engine_counters counters; /* Added to the job's when the step is durable. */
    struct buf text;
    err e; /* First failure; ends the step. */
    struct stream *dead_letters;
    u64 refused; /* Rows and records that go no further, letter or not. */
    /* Of the frame under way; the first `told_sorted` are of other scans, in order. */
    struct arena told_arena;
    struct step_told *told;
    isize told_count, told_sorted;
    /* The batch under way. */
    struct engine_source *source;
    const struct log_frame *frame;
    u32 shard;
    const struct stream_record *records; /* Per message. */
    const u64 *numbers;
    const i64 *subsequences; /* Place in an aggregate; -1 = it was none. */
    struct json_scan scan;
    struct vec *ready; /* Formats other than JSON: all fields, decoded. */
    isize issues_seen;
    isize shard_at;      /* Of source->marks. */
    isize fire_rows_max; /* Of one batch of results. */
    bool is_again;       /* A journalled step: nothing is committed. */
    u64 fired_max;
    i64 oldest_ms; /* Arrival of the first frame that held something; 0 = none did. */
};

/* step_input.c: true when the frame held something for the job. Failures go to step->e. */
bool engine__step_frame(struct step *s, const struct log_frame *frame);
/* step_idle.c: which shards have nothing to read and have had nothing for the time-out, into the
 * step's record; and making them idle. */
MUST_USE err engine__step_find_idle(struct step *s);
void engine__step_set_idle(struct step *s);

/* Lets windows fire as far as the step has room. */
void engine__step_fire(struct step *s);
/* Rows of VALUES, in a job's first step. */
void engine__step_values(struct step *s);
/* The source's watermark, for the dataflow. */
void engine__step_marks(struct step *s, const struct engine_source *source);
/* step_letters.c: a frame begins; a scan of it begins. */
void engine__step_told_reset(struct step *s);
void engine__step_told_sort(struct step *s);
/* The sequence number of a message of the batch under way: STREAM_SEQUENCE_DIGITS + 1 bytes. */
void engine__step_sequence(const struct step *s, isize message, char *out);
/* A row of the batch under way that cannot go on, be it of a source or a window's result. */
void engine__step_bad_row(struct step *s, isize row, str reason);
/* What a bad record leads to, as the table's on-error says. `field` empty: the whole message. */
void engine__step_bad_record(struct step *s, isize message, str field, isize offset, str reason);

/* step_decode.c: the next messages into s->scan (and s->ready). */
void engine__step_scan(struct step *s, const str *messages, isize count);
/* Field `column` of the messages for the rows of `sel`. */
void engine__step_fill(struct step *s, isize column, const struct sel *sel, struct vec *out);

/* step_output.c: rows that reached a sink, into the step's batch. */
void engine__step_take(struct step *s, const struct rel *rel, const struct vec *cols,
                       const struct sel *sel);

/* query.c: rows that reached the client of a SELECT. */
void engine__query_take(struct step *s, const struct vec *cols, const struct sel *sel);

#endif
