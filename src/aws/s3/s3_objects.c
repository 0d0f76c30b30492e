/* aws/s3/s3_objects.c: object rows: put, find, delete, list. */
#include "aws/s3/s3_store_int.h"

#define OBJECT_COLUMNS \
    "key, bytes, etag, modified_us, headers, algorithm, checksum, checksum_type, parts, files"

err s3__files_register(struct s3_store *store, str files)
{
    for (isize i = 0; i < s3__entry_count(files); i++) {
        const u8 *id;
        u64 bytes;
        s3__entry_at(files, i, &id, &bytes);
        sqlite3_stmt *statement =
            store_statement(store->db, "INSERT OR IGNORE INTO files(id) VALUES(?1)");
        store_bind_blob(statement, 1, str_from(id, S3_FILE_ID_BYTES));
        TRY(store_run(store->db, statement));
    }
    return OK;
}

err s3__files_forget(struct s3_store *store, str files)
{
    for (isize i = 0; i < s3__entry_count(files); i++) {
        const u8 *id;
        u64 bytes;
        s3__entry_at(files, i, &id, &bytes);
        sqlite3_stmt *statement = store_statement(store->db, "DELETE FROM files WHERE id = ?1");
        store_bind_blob(statement, 1, str_from(id, S3_FILE_ID_BYTES));
        TRY(store_run(store->db, statement));
    }
    return OK;
}

static void object_take(sqlite3_stmt *statement, struct arena *arena, struct s3_object *out)
{
    *out = (struct s3_object){
        .key = arena_copy(arena, store_blob(statement, 0)),
        .bytes = (u64)sqlite3_column_int64(statement, 1),
        .etag = arena_copy(arena, store_text(statement, 2)),
        .modified_us = sqlite3_column_int64(statement, 3),
        .attributes = {.headers = arena_copy(arena, store_blob(statement, 4)),
                       .checksum_algorithm = arena_copy(arena, store_text(statement, 5)),
                       .checksum = arena_copy(arena, store_text(statement, 6)),
                       .checksum_type = arena_copy(arena, store_text(statement, 7))},
        .part_count = sqlite3_column_int(statement, 8),
        .files = arena_copy(arena, store_blob(statement, 9)),
    };
}

static err object_select(struct s3_store *store, i64 bucket, str key, struct arena *arena,
                         struct s3_object *out)
{
    sqlite3_stmt *statement = store_statement(store->db, "SELECT " OBJECT_COLUMNS " FROM objects"
                                                         " WHERE bucket = ?1 AND key = ?2");
    (void)sqlite3_bind_int64(statement, 1, bucket);
    store_bind_blob(statement, 2, key);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, statement, &e)) {
        object_take(statement, arena, out);
        e = OK;
    }
    (void)sqlite3_reset(statement);
    return e;
}

err s3_object_find(struct s3_store *store, i64 bucket, str key, struct arena *arena,
                   struct s3_object *out)
{
    (void)store_lock(store->db);
    err e = object_select(store, bucket, key, arena, out);
    store_unlock(store->db);
    return e;
}

static err condition_check(const struct s3_condition *condition, bool exists,
                           const struct s3_object *old)
{
    if (condition == NULL) {
        return OK;
    }
    if (condition->if_none_match_any && exists) {
        return ERR_EXISTS;
    }
    if (condition->if_match.len > 0) {
        if (!exists) {
            return ERR_NOT_FOUND;
        }
        bool is_any = str_eq(condition->if_match, STR("*"));
        return is_any || str_eq(condition->if_match, old->etag) ? OK : ERR_INVALID;
    }
    return OK;
}

static err object_insert(struct s3_store *store, i64 bucket, const struct s3_object *object)
{
    sqlite3_stmt *s =
        store_statement(store->db, "INSERT OR REPLACE INTO objects(bucket, " OBJECT_COLUMNS ")"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    (void)sqlite3_bind_int64(s, 1, bucket);
    store_bind_blob(s, 2, object->key);
    (void)sqlite3_bind_int64(s, 3, (i64)object->bytes);
    store_bind_text(s, 4, object->etag);
    (void)sqlite3_bind_int64(s, 5, object->modified_us);
    store_bind_blob(s, 6, object->attributes.headers);
    store_bind_text(s, 7, object->attributes.checksum_algorithm);
    store_bind_text(s, 8, object->attributes.checksum);
    store_bind_text(s, 9, object->attributes.checksum_type);
    (void)sqlite3_bind_int(s, 10, object->part_count);
    store_bind_blob(s, 11, object->files);
    return store_run(store->db, s);
}

err s3__object_replace(struct s3_store *store, i64 bucket, const struct s3_object *object,
                       const struct s3_condition *condition, struct arena *arena, str *old_out)
{
    struct s3_object old = {0};
    err e = object_select(store, bucket, object->key, arena, &old);
    if (e != OK && e != ERR_NOT_FOUND) {
        return e;
    }
    bool exists = e == OK;
    TRY(condition_check(condition, exists, &old));
    if (exists) {
        TRY(s3__files_forget(store, old.files));
        *old_out = old.files;
    }
    if (exists && PLANTED(BUG_S3_UNLINK_FIRST)) {
        s3__files_unlink(store, old.files);
    }
    TRY(PLANTED(BUG_S3_UNREGISTERED) ? OK : s3__files_register(store, object->files));
    return object_insert(store, bucket, object);
}

struct put {
    i64 bucket;
    struct s3_object object;
    const struct s3_condition *condition;
    struct arena arena;
    str old_files;
};

static err put_rows(struct s3_store *store, void *ctx)
{
    struct put *put = ctx;
    return s3__object_replace(store, put->bucket, &put->object, put->condition, &put->arena,
                              &put->old_files);
}

err s3_object_put(struct s3_store *store, i64 bucket, str key, struct s3_writer *writer, str etag,
                  const struct s3_attributes *attributes, const struct s3_condition *condition,
                  i64 *modified_us_out)
{
    struct buf files = {0};
    s3__entry_append(&files, writer->id, writer->bytes);
    struct put put = {
        .bucket = bucket,
        .object = {.key = key,
                   .bytes = writer->bytes,
                   .etag = etag,
                   .modified_us = os_wall_us(store->os),
                   .attributes = *attributes,
                   .files = buf_str(&files)},
        .condition = condition,
    };
    if (PLANTED(BUG_S3_ROWS_APART)) {
        IGNORE(s3_objects_delete(store, bucket, &key, 1, NULL)); /* What the bug does. */
    }
    err e = s3__transaction(store, put_rows, &put);
    if (e == OK) {
        writer->is_taken = true;
        s3__files_unlink(store, put.old_files);
        if (modified_us_out != NULL) {
            *modified_us_out = put.object.modified_us;
        }
    }
    arena_deinit(&put.arena);
    buf_deinit(&files);
    return e;
}

struct deletion {
    i64 bucket;
    const str *keys;
    isize count;
    const struct s3_condition *condition;
    struct arena arena;
    struct buf old_files;
};

static err delete_row(struct s3_store *store, struct deletion *deletion, str key)
{
    struct s3_object old = {0};
    err e = object_select(store, deletion->bucket, key, &deletion->arena, &old);
    if (e != OK && e != ERR_NOT_FOUND) {
        return e;
    }
    TRY(condition_check(deletion->condition, e == OK, &old));
    if (e == ERR_NOT_FOUND) {
        return OK;
    }
    buf_append(&deletion->old_files, old.files);
    TRY(s3__files_forget(store, old.files));
    sqlite3_stmt *statement =
        store_statement(store->db, "DELETE FROM objects WHERE bucket = ?1 AND key = ?2");
    (void)sqlite3_bind_int64(statement, 1, deletion->bucket);
    store_bind_blob(statement, 2, key);
    return store_run(store->db, statement);
}

static err delete_rows(struct s3_store *store, void *ctx)
{
    struct deletion *deletion = ctx;
    for (isize i = 0; i < deletion->count; i++) {
        TRY(delete_row(store, deletion, deletion->keys[i]));
    }
    return OK;
}

err s3_objects_delete(struct s3_store *store, i64 bucket, const str *keys, isize count,
                      const struct s3_condition *condition)
{
    struct deletion deletion = {
        .bucket = bucket, .keys = keys, .count = count, .condition = condition};
    err e = s3__transaction(store, delete_rows, &deletion);
    if (e == OK) {
        s3__files_unlink(store, buf_str(&deletion.old_files));
    }
    arena_deinit(&deletion.arena);
    buf_deinit(&deletion.old_files);
    return e;
}

err s3_object_part(const struct s3_object *object, i64 number, u64 *start_out, u64 *bytes_out)
{
    isize count = object->part_count == 0 ? 1 : s3__entry_count(object->files);
    if (number < 1 || number > count) {
        return ERR_RANGE;
    }
    u64 start = 0, bytes = 0;
    for (isize i = 0; i < number; i++) {
        const u8 *id;
        start += bytes;
        s3__entry_at(object->files, i, &id, &bytes);
    }
    *start_out = start;
    *bytes_out = bytes;
    return OK;
}

/* --- listing
 * ---------------------------------------------------------------------------------------- */

/* First key at or after `from` (after it, when is_strict). */
static err next_object(struct s3_store *store, i64 bucket, str from, bool is_strict,
                       struct arena *arena, struct s3_object *out)
{
    sqlite3_stmt *statement = store_statement(
        store->db, is_strict ? "SELECT " OBJECT_COLUMNS " FROM objects WHERE bucket = ?1"
                               " AND key > ?2 ORDER BY key LIMIT 1"
                             : "SELECT " OBJECT_COLUMNS " FROM objects WHERE bucket = ?1"
                               " AND key >= ?2 ORDER BY key LIMIT 1");
    (void)sqlite3_bind_int64(statement, 1, bucket);
    store_bind_blob(statement, 2, from);
    err e = ERR_END;
    if (store_row(store->db, statement, &e)) {
        object_take(statement, arena, out);
        e = OK;
    }
    (void)sqlite3_reset(statement);
    return e;
}

/* Least string greater than every string that begins with `prefix`; empty when there is none. */
static str prefix_end(struct arena *arena, str prefix)
{
    isize len = prefix.len;
    while (len > 0 && prefix.data[len - 1] == 0xFF) {
        len--;
    }
    if (len == 0) {
        return STR_EMPTY;
    }
    u8 *copy = arena_alloc(arena, len);
    memcpy(copy, prefix.data, (size_t)len);
    copy[len - 1]++;
    return str_from(copy, len);
}

/* The part of the key up to and with the first delimiter after the prefix; empty when none. */
static str common_prefix(str key, const struct s3_listing *listing)
{
    if (listing->delimiter.len == 0) {
        return STR_EMPTY;
    }
    isize at = str_find(key, listing->delimiter, listing->prefix.len);
    return at < 0 ? STR_EMPTY : str_slice(key, 0, at + listing->delimiter.len);
}

/* Where the scan begins, and whether that key itself is left out. */
static str list_start(const struct s3_listing *listing, struct arena *arena, bool *is_strict_out)
{
    str after = listing->after;
    *is_strict_out = false;
    if (str_cmp(after, listing->prefix) < 0 || after.len == 0) {
        return listing->prefix;
    }
    str inside = str_starts(after, listing->prefix) ? common_prefix(after, listing) : STR_EMPTY;
    if (inside.len > 0 && inside.len == after.len) {
        str end = prefix_end(arena, after); /* A common prefix was the last item of a page. */
        if (end.len > 0) {
            return end;
        }
    }
    *is_strict_out = true;
    return after;
}

struct list {
    const struct s3_listing *listing;
    struct arena *arena;
    struct s3_list_item *items;
    isize count;
    bool is_truncated;
};

static err list_scan(struct s3_store *store, i64 bucket, struct list *list)
{
    bool is_strict;
    str from = list_start(list->listing, list->arena, &is_strict);
    for (;;) {
        struct s3_object object = {0};
        err e = next_object(store, bucket, from, is_strict, list->arena, &object);
        if (e == ERR_END || (e == OK && !str_starts(object.key, list->listing->prefix))) {
            return OK;
        }
        TRY(e);
        if (list->count == list->listing->max_keys) {
            list->is_truncated = true;
            return OK;
        }
        str prefix = common_prefix(object.key, list->listing);
        struct s3_list_item *item = &list->items[list->count++];
        *item = (struct s3_list_item){.is_prefix = prefix.len > 0, .object = object};
        from = object.key;
        is_strict = true;
        if (item->is_prefix) {
            item->object = (struct s3_object){.key = prefix};
            from = prefix_end(list->arena, prefix);
            is_strict = false;
            if (from.len == 0) {
                return OK;
            }
        }
    }
}

err s3_object_list(struct s3_store *store, i64 bucket, const struct s3_listing *listing,
                   struct arena *arena, struct s3_list_item **out, isize *count_out,
                   bool *is_truncated_out)
{
    CHECK(listing->max_keys >= 0);
    struct list list = {.listing = listing, .arena = arena};
    list.items = ARENA_ARRAY(arena, struct s3_list_item, listing->max_keys + 1);
    (void)store_lock(store->db);
    err e = listing->max_keys == 0 ? OK : list_scan(store, bucket, &list);
    store_unlock(store->db);
    *out = list.items;
    *count_out = list.count;
    *is_truncated_out = list.is_truncated;
    return e;
}
