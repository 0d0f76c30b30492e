/* aws/common/store.c: the connection, its statements and its schema's versions. */
#include "aws/common/store.h"

#include "aws/common/sqlite_vfs.h"
#include "base/plant.h"
#include "base/trace.h"
#include "os/thread.h"

#include <stdio.h>

enum { STATEMENTS_MAX = 96, COPY_PAGES = 256 };

struct store {
    sqlite3 *db;
    const char *vfs;
    struct os_mutex lock; /* Held while db or statements are used. */
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[STATEMENTS_MAX];
    int statement_count;
};

static err error_of(struct store *store, int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return OK;
    case SQLITE_CONSTRAINT:
        return ERR_EXISTS;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        trace(TRACE_ERROR, "store", "metadata store failed",
              T_STR("error", str_of(sqlite3_errmsg(store->db))), T_INT("code", code));
        return ERR_IO;
    }
}

static err run_text(struct store *store, const char *sql)
{
    return error_of(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static err read_version(struct store *store, int *out)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL);
    if (code != SQLITE_OK) {
        return error_of(store, code);
    }
    code = sqlite3_step(statement);
    *out = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return error_of(store, code);
}

static err migrate(struct store *store, const char *path, const char *const *migrations, int count,
                   struct diag *diag)
{
    int version = 0;
    TRY(read_version(store, &version));
    if (version > count) {
        char what[1200];
        (void)snprintf(what, sizeof what, "\"%s\"", path);
        return diag_set_newer(diag, "AWS0001", what, (u64)version, (u64)count);
    }
    for (; version < count; version++) {
        char text[64];
        (void)snprintf(text, sizeof text, "PRAGMA user_version = %d", version + 1);
        bool is_torn = PLANTED(BUG_STORE_MIGRATION_TORN);
        TRY(is_torn ? OK : store_begin(store));
        err e = run_text(store, migrations[version]);
        if (e == OK) {
            e = run_text(store, text);
        }
        if (e != OK) {
            store_rollback(store);
            return e;
        }
        TRY(is_torn ? OK : store_commit(store));
    }
    return OK;
}

err store_open(struct os *os, const char *path, const char *const *migrations, int migration_count,
               struct store **out, struct diag *diag)
{
    struct store *store = NEW(struct store);
    os_mutex_init(&store->lock);
    store->vfs = sqlite_vfs_name(os);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &store->db, flags, store->vfs);
    err e = error_of(store, code);
    if (e == OK) {
        e = run_text(store, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
                            "PRAGMA cache_size = -1024; PRAGMA foreign_keys = ON");
    }
    if (e == OK && PLANTED(BUG_SQLITE_SYNC_NORMAL)) {
        e = run_text(store, "PRAGMA synchronous = NORMAL");
    }
    if (e == OK) {
        e = migrate(store, path, migrations, migration_count, diag);
    }
    if (e != OK) {
        (void)diag_set(diag, e, "AWS0002", "cannot open \"%s\": %s", path,
                       sqlite3_errmsg(store->db));
        store_close(store);
        return e;
    }
    *out = store;
    return OK;
}

/* What SQLite finds first; "ok" when there is nothing. */
static int check_run(sqlite3 *db, struct diag *diag)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    if (code == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        bool is_good = text != NULL && strcmp(text, "ok") == 0;
        code = is_good ? SQLITE_OK : SQLITE_CORRUPT;
        if (!is_good) {
            (void)diag_set(diag, ERR_CORRUPT, "AWS0004", "%s", text == NULL ? "no memory" : text);
        }
    }
    (void)sqlite3_finalize(statement);
    return code;
}

err store_check(struct os *os, const char *path, struct diag *diag)
{
    char wal[1200];
    struct os_stat stat;
    sqlite3 *db = NULL;
    (void)snprintf(wal, sizeof wal, "%.1100s-wal", path);
    bool has_wal = os_stat_path(os, wal, &stat) == OK;
    int code =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, sqlite_vfs_name(os));
    if (code == SQLITE_OK) {
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        code = check_run(db, diag);
    }
    err e =
        code == SQLITE_OK ? OK : diag_set(diag, ERR_CORRUPT, "AWS0004", "%s", sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    if (!has_wal) {
        IGNORE(os_unlink(os, wal)); /* SQLite makes an empty one even to read. */
    }
    return e;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    for (int i = 0; i < store->statement_count; i++) {
        (void)sqlite3_finalize(store->statements[i].statement);
    }
    CHECK(sqlite3_close(store->db) == SQLITE_OK);
    os_mutex_deinit(&store->lock);
    mem_free(store);
}

/* --- copying --------------------------------------------------------------------------------- */

/* A share of the pages; what this connection changes meanwhile goes into the copy too. At the end
 * `then` sees the database as it was copied. */
static int copy_some(struct store *store, sqlite3_backup *backup, err (*then)(void *ctx), void *ctx,
                     err *then_out)
{
    os_mutex_lock(&store->lock);
    int code = sqlite3_backup_step(backup, COPY_PAGES);
    if (code == SQLITE_DONE && then != NULL) {
        *then_out = then(ctx);
    }
    os_mutex_unlock(&store->lock);
    return code;
}

static err copy_all(struct store *store, sqlite3 *to, err (*then)(void *ctx), void *ctx)
{
    os_mutex_lock(&store->lock);
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", store->db, "main");
    os_mutex_unlock(&store->lock);
    if (backup == NULL) {
        return ERR_IO;
    }
    err then_error = OK;
    int code = SQLITE_OK;
    while (code == SQLITE_OK) {
        code = copy_some(store, backup, then, ctx, &then_error);
    }
    os_mutex_lock(&store->lock);
    (void)sqlite3_backup_finish(backup);
    os_mutex_unlock(&store->lock);
    return code == SQLITE_DONE ? then_error : error_of(store, code);
}

err store_copy(struct store *store, const char *path, err (*then)(void *ctx), void *ctx)
{
    sqlite3 *to = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &to, flags, store->vfs);
    if (code == SQLITE_OK) {
        code = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                            NULL);
    }
    err e = code == SQLITE_OK ? copy_all(store, to, then, ctx) : error_of(store, code);
    (void)sqlite3_close(to);
    return e;
}

/* --- using it -------------------------------------------------------------------------------- */

sqlite3 *store_lock(struct store *store)
{
    os_mutex_lock(&store->lock);
    return store->db;
}

void store_unlock(struct store *store)
{
    os_mutex_unlock(&store->lock);
}

sqlite3_stmt *store_statement(struct store *store, const char *sql)
{
    int i = 0;
    while (i < store->statement_count && store->statements[i].sql != sql) {
        i++;
    }
    if (i == store->statement_count) {
        CHECK(i < STATEMENTS_MAX);
        int code = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      &store->statements[i].statement, NULL);
        if (code != SQLITE_OK) {
            trace(TRACE_ERROR, "store", "statement does not compile",
                  T_STR("error", str_of(sqlite3_errmsg(store->db))));
        }
        CHECK(code == SQLITE_OK);
        store->statements[i].sql = sql;
        store->statement_count++;
    }
    sqlite3_stmt *statement = store->statements[i].statement;
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return statement;
}

err store_run(struct store *store, sqlite3_stmt *statement)
{
    err e = error_of(store, sqlite3_step(statement));
    (void)sqlite3_reset(statement);
    return e;
}

int store_changes(struct store *store)
{
    return sqlite3_changes(store->db);
}

bool store_row(struct store *store, sqlite3_stmt *statement, err *error_out)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        return true;
    }
    err e = error_of(store, code);
    (void)sqlite3_reset(statement);
    if (e != OK) {
        *error_out = e;
    }
    return false;
}

err store_begin(struct store *store)
{
    return run_text(store, "BEGIN IMMEDIATE");
}

err store_commit(struct store *store)
{
    return run_text(store, "COMMIT");
}

void store_rollback(struct store *store)
{
    IGNORE(run_text(store, "ROLLBACK")); /* Nothing to undo when the failure ended it already. */
}

void store_bind_text(sqlite3_stmt *statement, int index, str text)
{
    const char *data = text.len == 0 ? "" : (const char *)text.data;
    CHECK(sqlite3_bind_text64(statement, index, data, (u64)text.len, SQLITE_TRANSIENT,
                              SQLITE_UTF8) == SQLITE_OK);
}

void store_bind_blob(sqlite3_stmt *statement, int index, str bytes)
{
    const void *data = bytes.len == 0 ? "" : (const void *)bytes.data;
    CHECK(sqlite3_bind_blob64(statement, index, data, (u64)bytes.len, SQLITE_TRANSIENT) ==
          SQLITE_OK);
}

str store_text(sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_text(statement, column);
    return str_from(data, sqlite3_column_bytes(statement, column));
}

str store_blob(sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_blob(statement, column);
    return str_from(data, sqlite3_column_bytes(statement, column));
}
