/* engine/snapshot.h: the format of snapshot files (docs/formats/snapshot.md), shared by
 * snapshot*.c. */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "engine/engine_int.h"

#include <stdio.h>

enum {
    SNAPSHOT_HEAD_BYTES = 48,
    SNAPSHOT_SECTION_BYTES = 16, /* Of a section's head. */
    SNAPSHOT_BODY_BYTES_MAX = 64 << 20,
    SNAPSHOT_VERSION = 2, /* 1 has no pieces; it is still read. */
    SNAPSHOT_NAME_BYTES = 64,
};
#define SNAPSHOT_MAGIC "leatSNAP"

/* Sections of the engine itself have operator id 0. */
enum { SNAPSHOT_JOB = 'J', SNAPSHOT_MARKS = 'W', SNAPSHOT_FILES = 'D', SNAPSHOT_END = 'Z' };

struct snapshot_head {
    u64 job, step, lsn, fingerprint;
};
/* Of one section: guards its operator id and body. */
u32 engine__snapshot_crc(u64 operator_id, str body);
void engine__snapshot_dir(const struct engine_job *job, char *out);
/* `out`: ENGINE_PATH_BYTES + SNAPSHOT_NAME_BYTES. kind: "snapshot" or "pieces". */
void engine__snapshot_path(const struct engine_job *job, u64 step, const char *kind, char *out);
/* Of a section in a file of pieces. */
u64 engine__piece_hash(const u8 *head, str body);

/* snapshot_write.c: writes job->flow at job->step. */
struct engine_snapshot_written {
    struct engine_snapshot_record record;
    struct engine_piece_files files; /* Owned. */
    u64 bytes;                       /* Written now. */
};
MUST_USE err engine__snapshot_put(struct engine_job *job, struct engine_snapshot_written *out);

/* snapshot_files.c */
void engine__piece_files_add(struct engine_piece_files *files, u64 step, u64 bytes);
u64 engine__piece_file_bytes(const struct engine_piece_files *files, u64 step);
/* They are many, or more than half of what they hold is of no use any more. */
bool engine__piece_files_are_worn(const struct engine_piece_files *files);
/* Takes `newest`; the newest so far becomes the older. */
void engine__piece_files_push(struct engine_job *job, const struct engine_piece_files *newest);
/* Of a section SNAPSHOT_FILES, its first byte taken. */
MUST_USE err engine__piece_files_take(struct engine_piece_files *files, str in);

/* Reads a file's sections into the job's state, which is new. Separate from the file system, for
 * tests: `read` gives the bytes at an offset. ERR_CORRUPT with diag. */
typedef err (*snapshot_read_fn)(void *ctx, u64 offset, void *data, isize bytes);
MUST_USE err engine__snapshot_parse(u64 file_bytes, snapshot_read_fn read, void *ctx,
                                    const struct snapshot_head *expected,
                                    err (*section)(void *to, u64 operator_id, str body), void *to,
                                    u64 *hash_out, struct diag *diag);

#endif
