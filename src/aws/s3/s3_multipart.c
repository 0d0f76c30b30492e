/* aws/s3/s3_multipart.c: uploads and their parts; a completed object is the list of its parts'
 * files. */
#include "aws/s3/s3_store_int.h"

#include <stdio.h>

enum { UPLOAD_ID_BYTES = 24 };

err s3_upload_create(struct s3_store *store, i64 bucket, str key,
                     const struct s3_attributes *attributes, struct arena *arena, str *id_out)
{
    u8 random[UPLOAD_ID_BYTES];
    char id[2 * UPLOAD_ID_BYTES + 1];
    os_random(store->os, random, UPLOAD_ID_BYTES);
    for (int i = 0; i < UPLOAD_ID_BYTES; i++) {
        (void)snprintf(id + 2 * i, 3, "%02x", random[i]);
    }
    (void)store_lock(store->db);
    sqlite3_stmt *statement = store_statement(
        store->db, "INSERT INTO uploads(id, bucket, key, created_us, headers, algorithm,"
                   " checksum_type) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    store_bind_text(statement, 1, str_of(id));
    (void)sqlite3_bind_int64(statement, 2, bucket);
    store_bind_blob(statement, 3, key);
    (void)sqlite3_bind_int64(statement, 4, os_wall_us(store->os));
    store_bind_blob(statement, 5, attributes->headers);
    store_bind_text(statement, 6, attributes->checksum_algorithm);
    store_bind_text(statement, 7, attributes->checksum_type);
    err e = store_run(store->db, statement);
    store_unlock(store->db);
    *id_out = arena_copy(arena, str_of(id));
    return e;
}

static void upload_take(sqlite3_stmt *statement, struct arena *arena, struct s3_upload *out)
{
    *out = (struct s3_upload){
        .id = arena_copy(arena, store_text(statement, 0)),
        .bucket = sqlite3_column_int64(statement, 1),
        .key = arena_copy(arena, store_blob(statement, 2)),
        .created_us = sqlite3_column_int64(statement, 3),
        .attributes = {.headers = arena_copy(arena, store_blob(statement, 4)),
                       .checksum_algorithm = arena_copy(arena, store_text(statement, 5)),
                       .checksum_type = arena_copy(arena, store_text(statement, 6))},
    };
}

err s3_upload_find(struct s3_store *store, i64 bucket, str key, str id, struct arena *arena,
                   struct s3_upload *out)
{
    (void)store_lock(store->db);
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT id, bucket, key, created_us, headers, algorithm,"
                                   " checksum_type FROM uploads"
                                   " WHERE id = ?1 AND bucket = ?2 AND key = ?3");
    store_bind_text(statement, 1, id);
    (void)sqlite3_bind_int64(statement, 2, bucket);
    store_bind_blob(statement, 3, key);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, statement, &e)) {
        upload_take(statement, arena, out);
        e = OK;
    }
    (void)sqlite3_reset(statement);
    store_unlock(store->db);
    return e;
}

/* `etag` (empty: any) must be the part's. */
static err part_files(struct s3_store *store, str id, i32 number, str etag, struct buf *out)
{
    sqlite3_stmt *statement = store_statement(
        store->db, "SELECT files, etag FROM parts WHERE upload = ?1 AND number = ?2");
    store_bind_text(statement, 1, id);
    (void)sqlite3_bind_int(statement, 2, number);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, statement, &e)) {
        bool is_it = etag.len == 0 || str_eq(etag, store_text(statement, 1));
        buf_append(out, is_it ? store_blob(statement, 0) : STR_EMPTY);
        e = is_it ? OK : ERR_AGAIN;
    }
    (void)sqlite3_reset(statement);
    return e;
}

struct part_put {
    str id;
    i32 number;
    const struct s3_writer *writer;
    str etag, checksum;
    struct buf old_files;
};

static err part_put_rows(struct s3_store *store, void *ctx)
{
    struct part_put *put = ctx;
    err e = part_files(store, put->id, put->number, STR_EMPTY, &put->old_files);
    if (e != OK && e != ERR_NOT_FOUND) {
        return e;
    }
    TRY(s3__files_forget(store, buf_str(&put->old_files)));
    struct buf files = {0};
    s3__entry_append(&files, put->writer->id, put->writer->bytes);
    e = s3__files_register(store, buf_str(&files));
    sqlite3_stmt *statement = store_statement(
        store->db, "INSERT OR REPLACE INTO parts(upload, number, bytes, etag, checksum,"
                   " modified_us, files) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    store_bind_text(statement, 1, put->id);
    (void)sqlite3_bind_int(statement, 2, put->number);
    (void)sqlite3_bind_int64(statement, 3, (i64)put->writer->bytes);
    store_bind_text(statement, 4, put->etag);
    store_bind_text(statement, 5, put->checksum);
    (void)sqlite3_bind_int64(statement, 6, os_wall_us(store->os));
    store_bind_blob(statement, 7, buf_str(&files));
    if (e == OK) {
        e = store_run(store->db, statement);
    }
    buf_deinit(&files);
    /* The upload was completed or aborted meanwhile: its row, which parts refer to, is gone. */
    return e == ERR_EXISTS ? ERR_NOT_FOUND : e;
}

err s3_upload_put_part(struct s3_store *store, str id, i32 number, struct s3_writer *writer,
                       str etag, str checksum)
{
    CHECK(number >= 1 && number <= S3_PARTS_MAX);
    struct part_put put = {id, number, writer, etag, checksum, {0}};
    err e = s3__transaction(store, part_put_rows, &put);
    if (e == OK) {
        writer->is_taken = true;
        s3__files_unlink(store, buf_str(&put.old_files));
    }
    buf_deinit(&put.old_files);
    return e;
}

err s3_upload_parts(struct s3_store *store, str id, i32 after, i32 max, struct arena *arena,
                    struct s3_part **out, isize *count_out)
{
    struct s3_part *parts = ARENA_ARRAY(arena, struct s3_part, MAX(max, 1));
    isize count = 0;
    (void)store_lock(store->db);
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT number, bytes, etag, checksum, modified_us FROM parts"
                                   " WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3");
    store_bind_text(statement, 1, id);
    (void)sqlite3_bind_int(statement, 2, after);
    (void)sqlite3_bind_int(statement, 3, max);
    err e = OK;
    while (store_row(store->db, statement, &e)) {
        parts[count++] = (struct s3_part){
            .number = sqlite3_column_int(statement, 0),
            .bytes = (u64)sqlite3_column_int64(statement, 1),
            .etag = arena_copy(arena, store_text(statement, 2)),
            .checksum = arena_copy(arena, store_text(statement, 3)),
            .modified_us = sqlite3_column_int64(statement, 4),
        };
    }
    store_unlock(store->db);
    *out = parts;
    *count_out = count;
    return e;
}

/* --- ending an upload
 * ------------------------------------------------------------------------------- */

static err upload_files(struct s3_store *store, str id, struct buf *out)
{
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT files FROM parts WHERE upload = ?1 ORDER BY number");
    store_bind_text(statement, 1, id);
    err e = OK;
    while (store_row(store->db, statement, &e)) {
        buf_append(out, store_blob(statement, 0));
    }
    return e;
}

static err upload_remove(struct s3_store *store, str id)
{
    static const char *const statements[] = {"DELETE FROM parts WHERE upload = ?1",
                                             "DELETE FROM uploads WHERE id = ?1"};
    for (int i = 0; i < COUNT_OF(statements); i++) {
        sqlite3_stmt *statement = store_statement(store->db, statements[i]);
        store_bind_text(statement, 1, id);
        TRY(store_run(store->db, statement));
    }
    return store_changes(store->db) == 1 ? OK : ERR_NOT_FOUND;
}

struct ending {
    const struct s3_upload *upload;
    str id;
    const struct s3_part *parts;
    isize count;
    struct s3_object object;
    const struct s3_condition *condition;
    struct arena arena;
    struct buf files, all_files;
    str old_files;
};

static u64 entry_bytes(str files)
{
    u64 total = 0;
    for (isize i = 0; i < s3__entry_count(files); i++) {
        const u8 *id;
        u64 bytes;
        s3__entry_at(files, i, &id, &bytes);
        total += bytes;
    }
    return total;
}

static err complete_rows(struct s3_store *store, void *ctx)
{
    struct ending *ending = ctx;
    for (isize i = 0; i < ending->count; i++) {
        const struct s3_part *part = &ending->parts[i];
        err e = part_files(store, ending->id, part->number, part->etag, &ending->files);
        if (e != OK) {
            return e == ERR_NOT_FOUND ? ERR_AGAIN : e;
        }
    }
    TRY(upload_files(store, ending->id, &ending->all_files));
    TRY(s3__files_forget(store, buf_str(&ending->all_files)));
    TRY(upload_remove(store, ending->id));
    ending->object.files = buf_str(&ending->files);
    ending->object.bytes = entry_bytes(ending->object.files);
    return s3__object_replace(store, ending->upload->bucket, &ending->object, ending->condition,
                              &ending->arena, &ending->old_files);
}

static bool has_entry(str files, const u8 *wanted)
{
    for (isize i = 0; i < s3__entry_count(files); i++) {
        const u8 *id;
        u64 bytes;
        s3__entry_at(files, i, &id, &bytes);
        if (memcmp(id, wanted, S3_FILE_ID_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* Parts that were uploaded but not named. */
static void unlink_unused(struct s3_store *store, const struct ending *ending)
{
    str all = buf_str(&ending->all_files);
    if (all.len == ending->files.len) {
        return;
    }
    for (isize i = 0; i < s3__entry_count(all); i++) {
        str entry = str_slice(all, i * S3_FILE_ENTRY_BYTES, (i + 1) * S3_FILE_ENTRY_BYTES);
        if (!has_entry(buf_str(&ending->files), entry.data)) {
            s3__files_unlink(store, entry);
        }
    }
}

err s3_upload_complete(struct s3_store *store, const struct s3_upload *upload,
                       const struct s3_part *parts, isize count, str etag,
                       const struct s3_attributes *attributes, const struct s3_condition *condition)
{
    struct ending ending = {
        .upload = upload,
        .id = upload->id,
        .parts = parts,
        .count = count,
        .object = {.key = upload->key,
                   .etag = etag,
                   .modified_us = os_wall_us(store->os),
                   .attributes = *attributes,
                   .part_count = (i32)count},
        .condition = condition,
    };
    err e = s3__transaction(store, complete_rows, &ending);
    if (e == OK) {
        s3__files_unlink(store, ending.old_files);
        unlink_unused(store, &ending);
    }
    arena_deinit(&ending.arena);
    buf_deinit(&ending.files);
    buf_deinit(&ending.all_files);
    return e;
}

static err abort_rows(struct s3_store *store, void *ctx)
{
    struct ending *ending = ctx;
    TRY(upload_files(store, ending->id, &ending->all_files));
    TRY(s3__files_forget(store, buf_str(&ending->all_files)));
    return upload_remove(store, ending->id);
}

err s3_upload_abort(struct s3_store *store, str id)
{
    struct ending ending = {.id = id};
    err e = s3__transaction(store, abort_rows, &ending);
    if (e == OK) {
        s3__files_unlink(store, buf_str(&ending.all_files));
    }
    buf_deinit(&ending.all_files);
    return e;
}

err s3_upload_list(struct s3_store *store, i64 bucket, str prefix, str key_marker, str id_marker,
                   i32 max, struct arena *arena, struct s3_upload **out, isize *count_out)
{
    struct s3_upload *uploads = ARENA_ARRAY(arena, struct s3_upload, MAX(max, 1));
    isize count = 0;
    (void)store_lock(store->db);
    sqlite3_stmt *statement = store_statement(
        store->db, "SELECT id, bucket, key, created_us, headers, algorithm, checksum_type"
                   " FROM uploads WHERE bucket = ?1 AND (key > ?2 OR (key = ?2 AND id > ?3))"
                   " AND substr(key, 1, ?4) = ?5 ORDER BY key, id LIMIT ?6");
    (void)sqlite3_bind_int64(statement, 1, bucket);
    store_bind_blob(statement, 2, key_marker);
    store_bind_text(statement, 3, id_marker);
    (void)sqlite3_bind_int64(statement, 4, prefix.len);
    store_bind_blob(statement, 5, prefix);
    (void)sqlite3_bind_int(statement, 6, max);
    err e = OK;
    while (store_row(store->db, statement, &e)) {
        upload_take(statement, arena, &uploads[count++]);
    }
    store_unlock(store->db);
    *out = uploads;
    *count_out = count;
    return e;
}
