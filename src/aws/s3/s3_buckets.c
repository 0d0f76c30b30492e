/* aws/s3/s3_buckets.c: opening the store; buckets and what they hold in sum. */
#include "aws/s3/s3_store_int.h"

#include <stdio.h>

static const char *const migrations[] = {
    "CREATE TABLE buckets(id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL,"
    " name TEXT NOT NULL, region TEXT NOT NULL, created_us INTEGER NOT NULL,"
    " UNIQUE(account, name));"
    "CREATE TABLE objects(bucket INTEGER NOT NULL REFERENCES buckets(id), key BLOB NOT NULL,"
    " bytes INTEGER NOT NULL, etag TEXT NOT NULL, modified_us INTEGER NOT NULL,"
    " headers BLOB NOT NULL, algorithm TEXT NOT NULL, checksum TEXT NOT NULL,"
    " checksum_type TEXT NOT NULL, parts INTEGER NOT NULL, files BLOB NOT NULL,"
    " PRIMARY KEY(bucket, key)) WITHOUT ROWID;"
    "CREATE TABLE files(id BLOB PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE uploads(id TEXT PRIMARY KEY, bucket INTEGER NOT NULL REFERENCES buckets(id),"
    " key BLOB NOT NULL, created_us INTEGER NOT NULL, headers BLOB NOT NULL,"
    " algorithm TEXT NOT NULL, checksum_type TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX uploads_by_key ON uploads(bucket, key, id);"
    "CREATE TABLE parts(upload TEXT NOT NULL REFERENCES uploads(id), number INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, etag TEXT NOT NULL, checksum TEXT NOT NULL,"
    " modified_us INTEGER NOT NULL, files BLOB NOT NULL, PRIMARY KEY(upload, number))"
    " WITHOUT ROWID",
};

err s3_store_open(struct os *os, const char *dir, struct s3_store **out, struct diag *diag)
{
    struct s3_store *store = NEW(struct s3_store);
    store->os = os;
    str_copy_cstr(str_of(dir), store->dir, (isize)sizeof store->dir);
    char path[S3_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/objects", dir);
    err e = os_mkdir_all(os, path);
    if (e == OK) {
        (void)snprintf(path, sizeof path, "%s/s3.sqlite", dir);
        e = store_open(os, path, migrations, (int)COUNT_OF(migrations), &store->db, diag);
    }
    if (e == OK) {
        e = s3__sweep(store);
    }
    if (e != OK) {
        (void)diag_set(diag, e, "S3001", "cannot open the object store in \"%s\": %s", dir,
                       err_text(e));
        s3_store_close(store);
        return e;
    }
    *out = store;
    return OK;
}

void s3_store_close(struct s3_store *store)
{
    if (store != NULL) {
        store_close(store->db);
        mem_free(store);
    }
}

err s3__transaction(struct s3_store *store, s3_transaction_fn fn, void *ctx)
{
    (void)store_lock(store->db);
    err e = store_begin(store->db);
    if (e == OK) {
        e = fn(store, ctx);
        if (e == OK) {
            e = store_commit(store->db);
        }
        if (e != OK) {
            store_rollback(store->db);
        }
    }
    store_unlock(store->db);
    return e;
}

static err reset_rows(struct s3_store *store, void *ctx)
{
    struct buf *files = ctx;
    err e = OK;
    sqlite3_stmt *all = store_statement(store->db, "SELECT id FROM files");
    while (store_row(store->db, all, &e)) {
        s3__entry_append(files, store_blob(all, 0).data, 0);
    }
    TRY(e);
    static const char *const statements[] = {"DELETE FROM parts", "DELETE FROM uploads",
                                             "DELETE FROM objects", "DELETE FROM files",
                                             "DELETE FROM buckets"};
    for (int i = 0; i < COUNT_OF(statements); i++) {
        TRY(store_run(store->db, store_statement(store->db, statements[i])));
    }
    return OK;
}

err s3_store_reset(struct s3_store *store)
{
    struct buf files = {0};
    err e = s3__transaction(store, reset_rows, &files);
    if (e == OK) { /* And no others: one may be under way, and will find no bucket. */
        s3__files_unlink(store, buf_str(&files));
    }
    buf_deinit(&files);
    return e;
}

static err bucket_select(struct s3_store *store, str account, str name, struct arena *arena,
                         struct s3_bucket *out)
{
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT id, name, region, created_us FROM buckets"
                                   " WHERE account = ?1 AND name = ?2");
    store_bind_text(statement, 1, account);
    store_bind_text(statement, 2, name);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, statement, &e)) {
        *out = (struct s3_bucket){
            .id = sqlite3_column_int64(statement, 0),
            .name = arena_copy(arena, store_text(statement, 1)),
            .region = arena_copy(arena, store_text(statement, 2)),
            .created_us = sqlite3_column_int64(statement, 3),
        };
        e = OK;
    }
    (void)sqlite3_reset(statement);
    return e;
}

err s3_bucket_create(struct s3_store *store, str account, str region, str name, struct arena *arena,
                     struct s3_bucket *out)
{
    (void)store_lock(store->db);
    err e = bucket_select(store, account, name, arena, out);
    if (e == OK) {
        e = ERR_EXISTS;
    } else if (e == ERR_NOT_FOUND) {
        sqlite3_stmt *statement =
            store_statement(store->db, "INSERT INTO buckets(account, name, region, created_us)"
                                       " VALUES(?1, ?2, ?3, ?4)");
        store_bind_text(statement, 1, account);
        store_bind_text(statement, 2, name);
        store_bind_text(statement, 3, region);
        (void)sqlite3_bind_int64(statement, 4, os_wall_us(store->os));
        e = store_run(store->db, statement);
        if (e == OK) {
            e = bucket_select(store, account, name, arena, out);
        }
    }
    store_unlock(store->db);
    return e;
}

err s3_bucket_find(struct s3_store *store, str account, str name, struct arena *arena,
                   struct s3_bucket *out)
{
    (void)store_lock(store->db);
    err e = bucket_select(store, account, name, arena, out);
    store_unlock(store->db);
    return e;
}

struct bucket_delete {
    i64 bucket;
    struct arena arena;
    struct buf files; /* Of unfinished uploads. */
};

static err bucket_delete_rows(struct s3_store *store, void *ctx)
{
    struct bucket_delete *delete = ctx;
    err e = OK;
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT 1 FROM objects WHERE bucket = ?1 LIMIT 1");
    (void)sqlite3_bind_int64(statement, 1, delete->bucket);
    if (store_row(store->db, statement, &e)) {
        (void)sqlite3_reset(statement);
        return ERR_IN_USE;
    }
    TRY(e);
    statement = store_statement(store->db, "SELECT p.files FROM parts p JOIN uploads u"
                                           " ON u.id = p.upload WHERE u.bucket = ?1");
    (void)sqlite3_bind_int64(statement, 1, delete->bucket);
    while (store_row(store->db, statement, &e)) {
        buf_append(&delete->files, store_blob(statement, 0));
    }
    TRY(e);
    TRY(s3__files_forget(store, buf_str(&delete->files)));
    static const char *const statements[] = {
        "DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?1)",
        "DELETE FROM uploads WHERE bucket = ?1", "DELETE FROM buckets WHERE id = ?1"};
    for (int i = 0; i < COUNT_OF(statements); i++) {
        statement = store_statement(store->db, statements[i]);
        (void)sqlite3_bind_int64(statement, 1, delete->bucket);
        TRY(store_run(store->db, statement));
    }
    return OK;
}

err s3_bucket_delete(struct s3_store *store, i64 bucket)
{
    struct bucket_delete delete = {.bucket = bucket};
    err e = s3__transaction(store, bucket_delete_rows, &delete);
    if (e == OK) {
        s3__files_unlink(store, buf_str(&delete.files));
    }
    buf_deinit(&delete.files);
    return e;
}

err s3_usage_list(struct s3_store *store, struct arena *arena, struct s3_usage **out,
                  isize *count_out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *statement = store_statement(
        store->db, "SELECT b.id, b.name, b.region, b.created_us, b.account, COUNT(o.key),"
                   " COALESCE(SUM(o.bytes), 0) FROM buckets b LEFT JOIN objects o"
                   " ON o.bucket = b.id GROUP BY b.id ORDER BY b.account, b.name");
    struct s3_usage *items = NULL;
    isize count = 0;
    err e = OK;
    while (store_row(store->db, statement, &e)) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        items[count++] = (struct s3_usage){
            .bucket = {.id = sqlite3_column_int64(statement, 0),
                       .name = arena_copy(arena, store_text(statement, 1)),
                       .region = arena_copy(arena, store_text(statement, 2)),
                       .created_us = sqlite3_column_int64(statement, 3)},
            .account = arena_copy(arena, store_text(statement, 4)),
            .objects = (u64)sqlite3_column_int64(statement, 5),
            .bytes = (u64)sqlite3_column_int64(statement, 6),
        };
    }
    store_unlock(store->db);
    *out = items;
    *count_out = count;
    return e;
}

err s3_bucket_list(struct s3_store *store, str account, struct arena *arena, struct s3_bucket **out,
                   isize *count_out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT id, name, region, created_us FROM buckets"
                                   " WHERE account = ?1 ORDER BY name");
    store_bind_text(statement, 1, account);
    struct s3_bucket *items = NULL;
    isize count = 0;
    err e = OK;
    while (store_row(store->db, statement, &e)) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        items[count++] = (struct s3_bucket){
            .id = sqlite3_column_int64(statement, 0),
            .name = arena_copy(arena, store_text(statement, 1)),
            .region = arena_copy(arena, store_text(statement, 2)),
            .created_us = sqlite3_column_int64(statement, 3),
        };
    }
    store_unlock(store->db);
    *out = items;
    *count_out = count;
    return e;
}
