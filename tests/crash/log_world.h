/*
 * tests/crash/log_world.h: a log on a simulated disk, the history of what was given
 * to it, and the judgement of a disk image against that history.
 */
#ifndef CRASH_LOG_WORLD_H
#define CRASH_LOG_WORLD_H

#include "enumerate.h"

#include "log/log_int.h"

enum { WORLD_SEGMENT_BYTES = 32 << 10, WORLD_CHANNELS = 12, WORLD_MARKS_MAX = 4096 };

struct world_record {
    struct log_channel channel;
    u64 lsn, no, id;
    isize bytes;
};

struct world_frame {
    u64 lsn;
    u64 first, count; /* Of the records. */
    isize begun;      /* Trace position when the first of its batches was submitted. */
    i64 arrival_ms;   /* 0 = not known. */
    isize written;    /* When its first byte went to the disk. */
    isize promised;   /* When it was acknowledged or shown; -1 = never. */
    isize refused;    /* When it was answered that there was no room to write it; -1 = never. */
};

/* From `since` on, records of the channel with numbers below are not needed any more. */
struct world_death {
    isize since;
    struct log_channel channel;
    u64 below;
};

/* Starts on a damaged disk, by what came of it. */
struct world_tally {
    u64 refused; /* The start said which file it is. */
    u64 lost;    /* One frame is gone, and that was said. */
    u64 torn;    /* One frame is gone, in silence, as if the power failure had torn it. */
    u64 noticed; /* Nothing is gone, and the damage was said. */
    u64 silent;  /* Nothing is gone, and nothing was said. */
};

struct world {
    struct sim *sim;
    struct sim *start; /* Disk when the trace began. */
    struct log *log;
    struct log_options options;
    struct world_record *records;
    u64 record_count, record_capacity;
    struct world_frame *frames;
    u64 frame_count, frame_capacity;
    struct world_death deaths[64];
    int death_count;
    isize marks[WORLD_MARKS_MAX];
    isize mark_count;
    u64 next_id;
    u64 refused;             /* Batches that were answered with ERR_FULL. */
    bool is_hollow;          /* Most of each record is zeros, as space that was zeroed ahead. */
    bool is_damage_allowed;  /* A bit was flipped: one frame may be lost, if that is said. */
    bool is_refusal_allowed; /* It stands where a start may refuse, naming the file. */
    u64 extra_lsn;           /* Of the frame that the judge appended; 0 = none. */
    u64 deep_every;          /* Every so many states also crash in the recovery; 0 = never. */
    u64 checked;
    struct world_tally tally;
    struct crash_seen *seen; /* Of the states inside recoveries. */
    char why[256];           /* First violation. */
};

void world_init(struct world *world, u64 seed, struct crash_seen *seen);
void world_deinit(struct world *world);
void world_open(struct world *world);  /* On the disk as it is. */
void world_close(struct world *world); /* Cleanly. */
/* Starts recording; everything on the disk counts as durable. */
void world_trace(struct world *world);

struct world_put {
    struct log_channel channel;
    int count;
    isize bytes;
};
/* Submits one batch; `world_commit` writes what was submitted as one frame. */
void world_submit(struct world *world, const struct world_put *puts, int count);
void world_commit(struct world *world);
void world_put(struct world *world, struct log_channel channel, int count, isize bytes);
/* The newest `kept` records of the channel stay, the others die. */
void world_let_die(struct world *world, struct log_channel channel, u64 kept);
void world_retain(struct world *world);
/* The machine dies `back` operations before the end of the trace: of what was not synced by then,
 * each operation survives with a chance of one half. Opens the log again; history follows. */
void world_crash(struct world *world, isize back, u64 seed);
/* To be called when the script is over. */
void world_note_writes(struct world *world);
/* Nothing but what belongs to the log lies in the directory. */
bool world_is_tidy(struct world *world);

bool world_check(void *ctx, struct sim *image, isize point);

#endif
