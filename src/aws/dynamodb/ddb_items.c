/* aws/dynamodb/ddb_items.c: items, and the entries of indexes, which change with them. */
#include "aws/dynamodb/ddb_store_int.h"

err ddb_item_read(struct ddb_store *store, const struct ddb_table *table,
                  const struct ddb_value *key, struct arena *arena, struct ddb_value *out,
                  bool *found_out)
{
    struct buf bytes = {0};
    ddb_item_key(&bytes, &table->definition, key);
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT body FROM items WHERE tbl = ?1 AND key = ?2");
    (void)sqlite3_bind_int64(s, 1, table->id);
    store_bind_blob(s, 2, buf_str(&bytes));
    buf_deinit(&bytes);
    err e = OK;
    *found_out = store_row(store->db, s, &e);
    if (*found_out) {
        e = ddb_item_decode(arena, arena_copy(arena, store_blob(s, 0)), out);
    }
    (void)sqlite3_reset(s);
    return e;
}

/* --- writing ------------------------------------------------------------------------------- */

err ddb__entry_write(struct ddb_store *store, const struct ddb_table *table, i64 index, str entry,
                     str item)
{
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT OR REPLACE INTO entries(tbl, idx, key, item) VALUES(?1, ?2, ?3, ?4)");
    (void)sqlite3_bind_int64(s, 1, table->id);
    (void)sqlite3_bind_int64(s, 2, index);
    store_bind_blob(s, 3, entry);
    store_bind_blob(s, 4, item);
    return store_run(store->db, s);
}

static err entry_delete(struct ddb_store *store, const struct ddb_table *table, i64 index,
                        str entry)
{
    sqlite3_stmt *s =
        store_statement(store->db, "DELETE FROM entries WHERE tbl = ?1 AND idx = ?2 AND key = ?3");
    (void)sqlite3_bind_int64(s, 1, table->id);
    (void)sqlite3_bind_int64(s, 2, index);
    store_bind_blob(s, 3, entry);
    return store_run(store->db, s);
}

static err body_write(struct ddb_store *store, const struct ddb_table *table, str key,
                      const struct ddb_value *item)
{
    struct buf body = {0};
    ddb_item_encode(&body, item);
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT OR REPLACE INTO items(tbl, key, body) VALUES(?1, ?2, ?3)");
    (void)sqlite3_bind_int64(s, 1, table->id);
    store_bind_blob(s, 2, key);
    store_bind_blob(s, 3, buf_str(&body));
    buf_deinit(&body);
    return store_run(store->db, s);
}

static err body_delete(struct ddb_store *store, const struct ddb_table *table, str key)
{
    sqlite3_stmt *s = store_statement(store->db, "DELETE FROM items WHERE tbl = ?1 AND key = ?2");
    (void)sqlite3_bind_int64(s, 1, table->id);
    store_bind_blob(s, 2, key);
    return store_run(store->db, s);
}

static err index_write(struct ddb_store *store, const struct ddb_table *table,
                       const struct ddb_index *index, str key, const struct ddb_value *old,
                       const struct ddb_value *item)
{
    const struct ddb_definition *d = &table->definition;
    struct buf before = {0}, after = {0};
    bool was_in = old != NULL && ddb_index_key(&before, d, index, old);
    bool is_in = item != NULL && ddb_index_key(&after, d, index, item);
    bool moves = was_in != is_in || !str_eq(buf_str(&before), buf_str(&after));
    struct ddb_counts more = {is_in - was_in, 0};
    more.bytes += is_in ? ddb_index_bytes(d, index, item) : 0;
    more.bytes -= was_in ? ddb_index_bytes(d, index, old) : 0;
    err e = OK;
    if (was_in && moves) {
        e = entry_delete(store, table, index->id, buf_str(&before));
    }
    if (e == OK && is_in && moves) {
        e = ddb__entry_write(store, table, index->id, buf_str(&after), key);
    }
    if (e == OK && (more.items != 0 || more.bytes != 0)) {
        e = ddb__counts_add(store, table, index->id, more);
    }
    buf_deinit(&before);
    buf_deinit(&after);
    return e;
}

/* Where the item stands among those that expire. */
static err expiry_write(struct ddb_store *store, const struct ddb_table *table, str key,
                        const struct ddb_value *old, const struct ddb_value *item)
{
    const struct ddb_definition *d = &table->definition;
    struct buf before = {0}, after = {0};
    bool was_in = old != NULL && ddb_expiry_key(&before, d, old);
    bool is_in = item != NULL && ddb_expiry_key(&after, d, item);
    err e = OK;
    if (!str_eq(buf_str(&before), buf_str(&after))) {
        e = was_in ? entry_delete(store, table, DDB_EXPIRY_INDEX, buf_str(&before)) : OK;
        e = e == OK && is_in
                ? ddb__entry_write(store, table, DDB_EXPIRY_INDEX, buf_str(&after), key)
                : e;
    }
    buf_deinit(&before);
    buf_deinit(&after);
    return e;
}

err ddb_item_write(struct ddb_store *store, const struct ddb_table *table,
                   const struct ddb_value *old, const struct ddb_value *item)
{
    if (old == NULL && item == NULL) {
        return OK;
    }
    struct buf key = {0};
    ddb_item_key(&key, &table->definition, item != NULL ? item : old);
    struct ddb_counts more = {(item != NULL) - (old != NULL), 0};
    more.bytes += item != NULL ? ddb_item_bytes(item) : 0;
    more.bytes -= old != NULL ? ddb_item_bytes(old) : 0;
    err e = item != NULL ? body_write(store, table, buf_str(&key), item)
                         : body_delete(store, table, buf_str(&key));
    for (isize i = 0; i < table->definition.index_count && e == OK; i++) {
        e = index_write(store, table, &table->definition.indexes[i], buf_str(&key), old, item);
    }
    if (e == OK && table->definition.expiry.len > 0) {
        e = expiry_write(store, table, buf_str(&key), old, item);
    }
    if (e == OK && (more.items != 0 || more.bytes != 0)) {
        e = ddb__counts_add(store, table, 0, more);
    }
    buf_deinit(&key);
    return e;
}

/* --- ranges -------------------------------------------------------------------------------- */

static sqlite3_stmt *range_statement(struct ddb_store *store, const struct ddb_range *range)
{
    static const char table_up[] = "SELECT body FROM items WHERE tbl = ?1 AND key >= ?2"
                                   " AND key < ?3 ORDER BY key";
    static const char table_down[] = "SELECT body FROM items WHERE tbl = ?1 AND key >= ?2"
                                     " AND key < ?3 ORDER BY key DESC";
    static const char index_up[] =
        "SELECT i.body FROM entries e CROSS JOIN items i ON i.tbl = e.tbl AND i.key = e.item"
        " WHERE e.tbl = ?1 AND e.idx = ?4 AND e.key >= ?2 AND e.key < ?3 ORDER BY e.key";
    static const char index_down[] =
        "SELECT i.body FROM entries e CROSS JOIN items i ON i.tbl = e.tbl AND i.key = e.item"
        " WHERE e.tbl = ?1 AND e.idx = ?4 AND e.key >= ?2 AND e.key < ?3 ORDER BY e.key DESC";
    const char *sql = range->is_backward ? table_down : table_up;
    if (range->index != NULL) {
        sql = range->is_backward ? index_down : index_up;
    }
    return store_statement(store->db, sql);
}

err ddb_range_read(struct ddb_store *store, const struct ddb_table *table,
                   const struct ddb_range *range,
                   bool (*each)(void *ctx, const struct ddb_value *item), void *ctx)
{
    sqlite3_stmt *s = range_statement(store, range);
    (void)sqlite3_bind_int64(s, 1, table->id);
    store_bind_blob(s, 2, range->low);
    store_bind_blob(s, 3, range->high);
    if (range->index != NULL) {
        (void)sqlite3_bind_int64(s, 4, range->index->id);
    }
    struct arena arena = {0};
    err e = OK;
    bool goes_on = true;
    while (goes_on && store_row(store->db, s, &e)) {
        struct ddb_value item;
        arena_reset(&arena);
        /* The row's bytes stay until the next step. */
        e = ddb_item_decode(&arena, store_blob(s, 0), &item);
        goes_on = e == OK && each(ctx, &item);
    }
    (void)sqlite3_reset(s);
    arena_deinit(&arena);
    return e;
}

/* --- expiry -------------------------------------------------------------------------------- */

struct expired {
    struct ddb_value *items;
    isize count;
};

static err expired_read(struct ddb_store *store, const struct ddb_table *table, i64 now_s,
                        isize max, struct arena *arena, struct expired *out)
{
    const i64 five_years_s = (i64)5 * 366 * 86400;
    struct buf low = {0}, high = {0};
    ddb_second_append(&low, MAX(now_s - five_years_s, 0));
    ddb_second_append(&high, now_s);
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT i.body FROM entries e CROSS JOIN items i ON i.tbl = e.tbl AND i.key = "
                   "e.item WHERE e.tbl = ?1 AND e.idx = ?4 AND e.key >= ?2 AND e.key < ?3"
                   " ORDER BY e.key LIMIT ?5");
    (void)sqlite3_bind_int64(s, 1, table->id);
    store_bind_blob(s, 2, buf_str(&low));
    store_bind_blob(s, 3, buf_str(&high));
    (void)sqlite3_bind_int64(s, 4, DDB_EXPIRY_INDEX);
    (void)sqlite3_bind_int64(s, 5, max);
    err e = OK;
    while (e == OK && store_row(store->db, s, &e)) {
        out->items = arena_grow(arena, out->items, out->count, (isize)sizeof *out->items);
        e = ddb_item_decode(arena, arena_copy(arena, store_blob(s, 0)), &out->items[out->count]);
        out->count += e == OK;
    }
    (void)sqlite3_reset(s);
    buf_deinit(&low);
    buf_deinit(&high);
    return e;
}

static err expired_delete(struct ddb_store *store, const struct ddb_table *table,
                          const struct expired *expired)
{
    TRY(ddb_store_begin(store));
    for (isize i = 0; i < expired->count; i++) {
        err e = ddb_item_write(store, table, &expired->items[i], NULL);
        if (e != OK) {
            ddb_store_rollback(store);
            return e;
        }
    }
    return ddb_store_commit(store);
}

err ddb_items_expire(struct ddb_store *store, i64 now_s, isize max, isize *deleted_out)
{
    *deleted_out = 0;
    for (isize i = 0; i < store->table_count && *deleted_out < max; i++) {
        const struct ddb_table *table = store->tables[i];
        if (table->definition.expiry.len == 0) {
            continue;
        }
        struct arena arena = {0};
        struct expired expired = {0};
        err e = expired_read(store, table, now_s, max - *deleted_out, &arena, &expired);
        e = e == OK && expired.count > 0 ? expired_delete(store, table, &expired) : e;
        *deleted_out += e == OK ? expired.count : 0;
        arena_deinit(&arena);
        TRY(e);
    }
    return OK;
}
