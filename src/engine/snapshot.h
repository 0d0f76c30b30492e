/* engine/snapshot.h: the format of snapshot files (docs/formats/snapshot.md), shared by
 * snapshot.c and snapshot_read.c. */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "engine/engine_int.h"

enum {
    SNAPSHOT_HEAD_BYTES = 48,
    SNAPSHOT_SECTION_BYTES = 16, /* Of a section's head. */
    SNAPSHOT_BODY_BYTES_MAX = 64 << 20,
    SNAPSHOT_VERSION = 1,
};
#define SNAPSHOT_MAGIC "leatSNAP"

/* Sections of the engine itself have operator id 0. */
enum { SNAPSHOT_JOB = 'J', SNAPSHOT_MARKS = 'W', SNAPSHOT_END = 'Z' };

struct snapshot_head {
    u64 job, step, lsn, fingerprint;
};
/* Of one section: guards its operator id and body. */
u32 engine__snapshot_crc(u64 operator_id, str body);
void engine__snapshot_dir(const struct engine_job *job, char *out);
void engine__snapshot_path(const struct engine_job *job, u64 step, const char *suffix, char *out);

/* Reads a file's sections into the job's state, which is new. Separate from the file system, for
 * tests: `read` gives the bytes at an offset. ERR_CORRUPT with diag. */
typedef err (*snapshot_read_fn)(void *ctx, u64 offset, void *data, isize bytes);
MUST_USE err engine__snapshot_parse(u64 file_bytes, snapshot_read_fn read, void *ctx,
                                    const struct snapshot_head *expected,
                                    err (*section)(void *to, u64 operator_id, str body), void *to,
                                    u64 *hash_out, struct diag *diag);

#endif
