/*
 * os/sim.h: a machine that exists only in memory: files, a virtual clock, seeded
 * randomness, faults on demand, and a trace of what was asked of the disk, from
 * which a test derives every state that a power failure could leave (reference
 * model: nothing but what was synced is certain; see tests/crash/).
 *
 * A disk may be used from many threads; the tracing and cloning functions from one.
 */
#ifndef OS_SIM_H
#define OS_SIM_H

#include "os/os.h"

enum { SIM_SECTOR_BYTES = 512 };

struct sim;

/* Clocks start at 2026-01-01 and stand still unless advanced. */
struct sim *sim_new(u64 seed);
void sim_free(struct sim *sim); /* All files must have been closed. */
struct os *sim_os(struct sim *sim);
void sim_advance_us(struct sim *sim, i64 us);
void sim_set_space(struct sim *sim, u64 free_bytes); /* Writes take it up, unlink gives it back. */
u64 sim_used_bytes(struct sim *sim);

/* The `nth` fallible call from now (1 = the next) fails with `e`; 0 = none. After it, everything
 * fails when `is_sticky`. */
void sim_fail(struct sim *sim, u64 nth, err e, bool is_sticky);
u64 sim_calls(const struct sim *sim); /* Fallible calls so far. */
/* The same, counting only calls that change the disk or sync it; a write that fails has written
 * half of its bytes when `is_short`. */
void sim_fail_change(struct sim *sim, u64 nth, err e, bool is_sticky, bool is_short);
u64 sim_changes(const struct sim *sim); /* Calls of that kind so far. */
/* What failed first, NULL when nothing did: "write PATH", "sync PATH", ... Valid until faults are
 * set anew. */
const char *sim_failed(struct sim *sim);

/* A disk in memory with the clocks and randomness of the real machine; for durability `memory`. */
struct os *sim_memory_new(void);
void sim_memory_free(struct os *os);

/* --- trace ------------------------------------------------------------------------------------ */

enum sim_op_kind {
    SIM_WRITE, /* At most one sector. */
    SIM_SIZE,  /* Size of the file; shrinking drops what lies beyond. */
    SIM_LINK,  /* New name. */
    SIM_MOVE,  /* Rename: all or nothing. */
    SIM_UNLINK,
    SIM_SYNC,     /* All writes and sizes of the file before are durable. */
    SIM_SYNC_DIR, /* All names of the directory before are durable. */
};

struct sim_op {
    enum sim_op_kind kind;
    u32 inode;
    u64 offset; /* Or size. */
    u32 bytes;
    u8 data[SIM_SECTOR_BYTES];
    char *name;   /* Path; of SYNC_DIR: the directory. Owned by the trace. */
    char *target; /* Of MOVE. */
    bool is_dir;  /* Of LINK. */
};

/* From now on operations are recorded; what is on the disk counts as durable. */
void sim_trace_start(struct sim *sim);
void sim_trace_stop(struct sim *sim); /* Frees the trace. */
isize sim_trace_count(const struct sim *sim);
const struct sim_op *sim_trace_op(const struct sim *sim, isize index);

/* --- images ----------------------------------------------------------------------------------- */

/* A copy that shares unchanged pages. Names, contents and clock; no trace, no faults. */
struct sim *sim_clone(struct sim *from);
/* The same, and starts the trace at this very state, whatever other threads do with the disk. */
struct sim *sim_clone_traced(struct sim *from);
/* Applies one recorded operation (not a SYNC); it must come from a trace that began at this disk's
 * state or that of which it is a clone. */
void sim_apply(struct sim *sim, const struct sim_op *op);
/* Puts other bytes where the operation would have written, if the file reaches there: a write that
 * was in flight when the power went. */
void sim_apply_garbage(struct sim *sim, const struct sim_op *op, const u8 *data);
/* Reads what the file holds at the place of a SIM_WRITE, zeros where nothing was written. */
void sim_peek(const struct sim *sim, u32 inode, u64 offset, void *data, isize bytes);
/* Of names and contents. */
u64 sim_hash(struct sim *sim);
bool sim_has_same_directory(const char *dir, const char *path); /* Is dir the parent of path? */

#endif
