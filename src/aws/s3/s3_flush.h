/*
 * aws/s3/s3_flush.h: makes the beginning of a long file durable while its end is
 * still being written, on a thread of its own: the sync at the end then waits for a
 * little only.
 */
#ifndef AWS_S3_FLUSH_H
#define AWS_S3_FLUSH_H

#include "os/os.h"

enum { S3_FLUSH_BYTES = 16 << 20 }; /* Synced at a time. */

struct s3_flush;

/* `file` is borrowed until s3_flush_finish; `path` is for the message of a failed sync, which ends
 * the process. */
struct s3_flush *s3_flush_start(struct os_file *file, const char *path);
/* So many bytes are written by now. Never waits. */
void s3_flush_note(struct s3_flush *flush, u64 bytes);
/* Waits for a sync under way, ends the thread, frees. The file is not durable by this. NULL is
 * allowed. */
void s3_flush_finish(struct s3_flush *flush);

#endif
