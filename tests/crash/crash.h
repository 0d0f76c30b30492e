/*
 * tests/crash/crash.h: a script is something that leat does on a disk; judging it
 * means enumerating every state that a power failure could leave (enumerate.h) and
 * looking whether anything acknowledged is lost, torn, doubled or renumbered.
 */
#ifndef CRASH_CRASH_H
#define CRASH_CRASH_H

#include "base/base.h"

/* How far to go at each crash point. */
struct crash_budget {
    int subsets_bits; /* All subsets up to this many operations that are not durable. */
    int random_count; /* Random subsets beyond it. */
    u64 deep_every;   /* Every so many states also crash inside their recovery; 0 = never. */
    bool is_whole;    /* Damage: every bit of every byte; */
    int flips;        /* else one of each frame header's bytes and of so many others a file. */
};

struct crash_outcome {
    u64 states; /* Distinct; of damage: flipped bits. */
    bool is_good;
    char why[256]; /* First violation. */
};

/* Script by number, 0 and up; NULL past the last. */
const char *log_script_name(int index);
void log_script_judge(int index, const struct crash_budget *budget, struct crash_outcome *out);
const char *service_script_name(int index);
void service_script_judge(int index, const struct crash_budget *budget, struct crash_outcome *out);
/* Bits flipped, files missing, swapped and foreign. */
void damage_judge(const struct crash_budget *budget, struct crash_outcome *out);

#endif
