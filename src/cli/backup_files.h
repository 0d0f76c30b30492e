/*
 * cli/backup_files.h: a backup as files (docs/formats/backup.md): the tree of a data directory,
 * SHA256SUMS over every file of it in the form of sha256sum(1), and BACKUP, written last, which
 * makes it whole.
 */
#ifndef CLI_BACKUP_FILES_H
#define CLI_BACKUP_FILES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "os/os.h"

enum { BACKUP_VERSION = 1, BACKUP_PATH_MAX = 4096, BACKUP_HASH_BYTES = 64 };

/* Called now and then with what has been copied; false ends the copying with ERR_CLOSED. */
struct backup_progress {
    u64 files, bytes;
    bool (*tell)(void *ctx, const struct backup_progress *progress);
    void *ctx;
};

/* Copies the tree `from` into the directory `to`, every file and folder synced, and writes
 * SHA256SUMS. A file of `from` that is a link or no plain file is ERR_INVALID. */
MUST_USE err backup_write(struct os *os, const char *from, const char *to,
                          struct backup_progress *progress, struct diag *diag);
/* Writes BACKUP. After this the backup is whole. */
MUST_USE err backup_finish(struct os *os, const char *to, i64 at_ms,
                           const struct backup_progress *progress, struct diag *diag);

struct backup_about {
    i64 at_ms;
    u64 files, bytes;
    str leat; /* Version that wrote it; in the arena. */
};
/* ERR_NOT_FOUND: no backup, or one that was not finished; ERR_VERSION: of a newer leat;
 * ERR_CORRUPT. */
MUST_USE err backup_open(struct os *os, const char *dir, struct arena *arena,
                         struct backup_about *out, struct diag *diag);
/* Copies the files of the backup `from` into the directory `to`, checking each. ERR_CORRUPT names
 * the first file that is not what it was; other files of `from` are left alone. */
MUST_USE err backup_read(struct os *os, const char *from, const char *to,
                         struct backup_progress *progress, struct diag *diag);

#endif
