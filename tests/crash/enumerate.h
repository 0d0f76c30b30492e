/*
 * tests/crash/enumerate.h: every state that a power failure could leave on a disk,
 * derived from the trace of a run.
 *
 * What was synced is there. Of what was not, any part may be: any subset of sector
 * writes, sizes and names, in order for the same name; a sector that was in flight
 * may hold what was there, zeros, garbage, old bytes of another file or a copy of
 * an earlier write. Crash points are the moments before each sync and at each mark
 * (acknowledgement); what could be left at the points between is among the subsets
 * of the next one.
 */
#ifndef CRASH_ENUMERATE_H
#define CRASH_ENUMERATE_H

#include "os/sim.h"

/* Judges one state; false = violation. `point`: operations of the trace that had been issued. */
typedef bool (*crash_check_fn)(void *ctx, struct sim *image, isize point);

struct crash_seen; /* Hashes of the states that were judged. */
struct crash_seen *crash_seen_new(void);
void crash_seen_free(struct crash_seen *seen);
u64 crash_seen_count(const struct crash_seen *seen);

struct crash_run {
    struct sim *start;        /* Disk when the trace began. */
    const struct sim *traced; /* Its trace. */
    const isize *marks;       /* Trace positions at which what must be there changes; ascending. */
    isize mark_count;
    int subsets_bits; /* All subsets up to this many pending operations; beyond it a sample. */
    int random_count; /* Random subsets in a sample. */
    bool
        is_end_only; /* The power goes at the end: nothing and random subsets of what is pending. */
    u64 seed;
    crash_check_fn check;
    void *ctx;
    struct crash_seen *seen;
};

/* False when a state was not as it must be; it stops there. */
bool crash_enumerate(const struct crash_run *run);

#endif
