/*
 * aws/common/store.h: a service's metadata: one SQLite file (WAL, synchronous=FULL)
 * through a VFS over os/, so that simulated disks and clocks cover it. A commit is
 * durable when it returns; a failed sync ends the process. One connection, used
 * by one thread at a time under store_lock. Opened at the service's first use.
 */
#ifndef AWS_COMMON_STORE_H
#define AWS_COMMON_STORE_H

#include "base/diag.h"
#include "os/os.h"

#include <sqlite3.h>

struct store;

/* Opens or creates `path`. migrations[i] (SQL text) takes the schema from version i to i + 1; the
 * version is SQLite's user_version. ERR_VERSION when the file is newer than migration_count;
 * ERR_CORRUPT when it is damaged. */
MUST_USE err store_open(struct os *os, const char *path, const char *const *migrations,
                        int migration_count, struct store **out, struct diag *diag);
/* Reads all of a database that nobody has open, without changing it. ERR_CORRUPT: diag has the
 * first thing that is wrong. */
MUST_USE err store_check(struct os *os, const char *path, struct diag *diag);
void store_close(struct store *store); /* NULL is allowed. */

/* Copies the database into the new file `path` as it is at the end of the copying, while others go
 * on using it; `then`, if given, is called at that moment with the lock held. Not synced. */
MUST_USE err store_copy(struct store *store, const char *path, err (*then)(void *ctx), void *ctx);

/* Exclusive use of the connection until store_unlock. Not recursive. */
sqlite3 *store_lock(struct store *store);
void store_unlock(struct store *store);

/* With the lock held: */

/* A prepared statement from the store's cache, reset and without bindings. `sql` must be a string
 * literal: its address is the key. Never fails: a statement that does not compile is a bug. */
sqlite3_stmt *store_statement(struct store *store, const char *sql);
/* Runs a statement that gives no rows. ERR_EXISTS for a violated constraint, ERR_FULL for a full
 * disk, ERR_IO otherwise. */
MUST_USE err store_run(struct store *store, sqlite3_stmt *statement);
/* Rows that the last store_run changed. */
int store_changes(struct store *store);
/* true while there is a row; *error_out is set (and false returned) when stepping failed. */
bool store_row(struct store *store, sqlite3_stmt *statement, err *error_out);
/* BEGIN IMMEDIATE, COMMIT, ROLLBACK. */
MUST_USE err store_begin(struct store *store);
MUST_USE err store_commit(struct store *store);
void store_rollback(struct store *store);

/* Text and blobs that live until the statement is reset; binding copies. */
void store_bind_text(sqlite3_stmt *statement, int index, str text);
void store_bind_blob(sqlite3_stmt *statement, int index, str bytes);
str store_text(sqlite3_stmt *statement, int column);
str store_blob(sqlite3_stmt *statement, int column);

#endif
