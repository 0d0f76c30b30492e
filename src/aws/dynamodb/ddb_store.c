/* aws/dynamodb/ddb_store.c: the file, its tables, and tokens. Items are in ddb_items.c. */
#include "aws/dynamodb/ddb_store_int.h"

#include "aws/common/names.h"

#include <stdio.h>

enum { NO_INDEX = -2 };

static const char *const migrations[] = {
    "CREATE TABLE tables(id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL,"
    " region TEXT NOT NULL, name TEXT NOT NULL, uuid TEXT NOT NULL, created_us INTEGER NOT NULL,"
    " billed_us INTEGER NOT NULL, definition BLOB NOT NULL, UNIQUE(account, region, name));"
    "CREATE TABLE items(tbl INTEGER NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY(tbl, key)) WITHOUT ROWID;"
    "CREATE TABLE entries(tbl INTEGER NOT NULL, idx INTEGER NOT NULL, key BLOB NOT NULL,"
    " item BLOB NOT NULL, PRIMARY KEY(tbl, idx, key)) WITHOUT ROWID;"
    "CREATE TABLE counts(tbl INTEGER NOT NULL, idx INTEGER NOT NULL, items INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, PRIMARY KEY(tbl, idx)) WITHOUT ROWID;"
    "CREATE TABLE tokens(account TEXT NOT NULL, region TEXT NOT NULL, token TEXT NOT NULL,"
    " hash INTEGER NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY(account, region, token))"
    " WITHOUT ROWID;"
    "CREATE INDEX tokens_by_age ON tokens(at_us)",
};

void ddb_store_lock(struct ddb_store *store)
{
    (void)store_lock(store->db);
}

void ddb_store_unlock(struct ddb_store *store)
{
    store_unlock(store->db);
}

err ddb_store_begin(struct ddb_store *store)
{
    return store_begin(store->db);
}

err ddb_store_commit(struct ddb_store *store)
{
    err e = store_commit(store->db);
    if (e != OK) {
        store_rollback(store->db);
    }
    return e;
}

void ddb_store_rollback(struct ddb_store *store)
{
    store_rollback(store->db);
}

/* Ends what began: commits when `e` is OK, else takes it back. */
static err finish(struct ddb_store *store, err e)
{
    if (e == OK) {
        return ddb_store_commit(store);
    }
    ddb_store_rollback(store);
    return e;
}

/* --- tables in memory ---------------------------------------------------------------------- */

static void table_free(struct ddb_table *table)
{
    if (table != NULL) {
        arena_deinit(&table->arena);
        mem_free(table);
    }
}

static int table_cmp(const struct ddb_table *table, struct ddb_scope scope, str name)
{
    int order = str_cmp(table->account, scope.account);
    order = order != 0 ? order : str_cmp(table->region, scope.region);
    return order != 0 ? order : str_cmp(table->name, name);
}

/* The first table that is not less. */
static isize table_at(const struct ddb_store *store, struct ddb_scope scope, str name)
{
    isize low = 0, high = store->table_count;
    while (low < high) {
        isize middle = low + (high - low) / 2;
        if (table_cmp(store->tables[middle], scope, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct ddb_scope scope_of(const struct ddb_table *table)
{
    return (struct ddb_scope){table->account, table->region};
}

/* Takes the table; one of the same name is freed. */
static void table_keep(struct ddb_store *store, struct ddb_table *table)
{
    CHECK(table != NULL);
    isize at = table_at(store, scope_of(table), table->name);
    if (at < store->table_count &&
        table_cmp(store->tables[at], scope_of(table), table->name) == 0) {
        table_free(store->tables[at]);
        store->tables[at] = table;
        return;
    }
    if (store->table_count == store->table_capacity) {
        store->table_capacity = MAX(16, 2 * store->table_capacity);
        store->tables =
            mem_resize(store->tables, store->table_capacity * (isize)sizeof(struct ddb_table *));
    }
    memmove(&store->tables[at + 1], &store->tables[at],
            (size_t)(store->table_count - at) * sizeof *store->tables);
    store->tables[at] = table;
    store->table_count++;
}

const struct ddb_table *ddb_table_find(struct ddb_store *store, struct ddb_scope scope, str name)
{
    isize at = table_at(store, scope, name);
    bool is_there = at < store->table_count && table_cmp(store->tables[at], scope, name) == 0;
    return is_there ? store->tables[at] : NULL;
}

static bool is_of_scope(const struct ddb_table *table, struct ddb_scope scope)
{
    return str_eq(table->account, scope.account) && str_eq(table->region, scope.region);
}

const struct ddb_table *ddb_table_next(struct ddb_store *store, struct ddb_scope scope, str after)
{
    isize at = table_at(store, scope, after);
    if (at < store->table_count && table_cmp(store->tables[at], scope, after) == 0) {
        at++;
    }
    bool is_there = at < store->table_count && is_of_scope(store->tables[at], scope);
    return is_there ? store->tables[at] : NULL;
}

isize ddb_table_count(struct ddb_store *store, struct ddb_scope scope)
{
    isize count = 0;
    for (isize i = 0; i < store->table_count; i++) {
        count += is_of_scope(store->tables[i], scope);
    }
    return count;
}

/* --- tables on disk ------------------------------------------------------------------------ */

#define TABLE_SELECT \
    "SELECT id, account, region, name, uuid, created_us, billed_us, definition FROM tables"

static err table_take(sqlite3_stmt *s, struct ddb_table **out)
{
    struct ddb_table *table = NEW(struct ddb_table);
    struct arena *arena = &table->arena;
    table->id = sqlite3_column_int64(s, 0);
    table->account = arena_copy(arena, store_text(s, 1));
    table->region = arena_copy(arena, store_text(s, 2));
    table->name = arena_copy(arena, store_text(s, 3));
    table->uuid = arena_copy(arena, store_text(s, 4));
    table->created_us = sqlite3_column_int64(s, 5);
    table->billed_us = sqlite3_column_int64(s, 6);
    const struct json_value *json;
    struct ddb_work work = {.arena = arena};
    err e = json_parse(arena, arena_copy(arena, store_blob(s, 7)), &json, NULL);
    if (e == OK && ddb_definition_parse(&work, json, true, &table->definition)) {
        *out = table;
        return OK;
    }
    table_free(table);
    return ERR_CORRUPT;
}

static err tables_load(struct ddb_store *store)
{
    sqlite3_stmt *s = store_statement(store->db, TABLE_SELECT);
    err e = OK;
    while (e == OK && store_row(store->db, s, &e)) {
        struct ddb_table *table = NULL;
        e = table_take(s, &table);
        if (e == OK) {
            table_keep(store, table);
        }
    }
    (void)sqlite3_reset(s);
    return e;
}

/* Puts the table as it is on disk now in the place of what is known of it. */
static err table_reload(struct ddb_store *store, i64 id, const struct ddb_table **out)
{
    sqlite3_stmt *s = store_statement(store->db, TABLE_SELECT " WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, id);
    err e = ERR_NOT_FOUND;
    struct ddb_table *table = NULL;
    if (store_row(store->db, s, &e)) {
        e = table_take(s, &table);
    }
    (void)sqlite3_reset(s);
    if (e == OK) {
        table_keep(store, table);
        *out = table;
    }
    return e;
}

static err run_for(struct ddb_store *store, sqlite3_stmt *s, i64 table, i64 index)
{
    (void)sqlite3_bind_int64(s, 1, table);
    if (index != NO_INDEX) {
        (void)sqlite3_bind_int64(s, 2, index);
    }
    return store_run(store->db, s);
}

static err counts_new(struct ddb_store *store, i64 table, i64 index)
{
    return run_for(store,
                   store_statement(store->db, "INSERT INTO counts(tbl, idx, items, bytes)"
                                              " VALUES(?1, ?2, 0, 0)"),
                   table, index);
}

static err definition_bind(sqlite3_stmt *s, int index, const struct ddb_definition *definition)
{
    struct buf text = {0};
    ddb_definition_write(&text, definition);
    store_bind_blob(s, index, buf_str(&text));
    buf_deinit(&text);
    return OK;
}

static err table_insert(struct ddb_store *store, struct ddb_scope scope, str name,
                        const struct ddb_definition *definition, i64 *id_out)
{
    char uuid[AWS_UUID_BYTES];
    aws_uuid(store->os, uuid);
    i64 now = os_wall_us(store->os);
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT INTO tables(account, region, name, uuid, created_us, billed_us,"
                   " definition) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, name);
    store_bind_text(s, 4, str_of(uuid));
    (void)sqlite3_bind_int64(s, 5, now);
    (void)sqlite3_bind_int64(s, 6, definition->is_on_demand ? now : 0);
    TRY(definition_bind(s, 7, definition));
    err e = ERR_IO;
    if (store_row(store->db, s, &e)) {
        *id_out = sqlite3_column_int64(s, 0);
        e = OK;
        (void)store_row(store->db, s, &e); /* To its end: only then it is done. */
    }
    (void)sqlite3_reset(s);
    TRY(e);
    TRY(counts_new(store, *id_out, 0));
    for (isize i = 0; i < definition->index_count; i++) {
        TRY(counts_new(store, *id_out, definition->indexes[i].id));
    }
    return OK;
}

err ddb_table_create(struct ddb_store *store, struct ddb_scope scope, str name,
                     const struct ddb_definition *definition, const struct ddb_table **out)
{
    i64 id = 0;
    TRY(store_begin(store->db));
    TRY(finish(store, table_insert(store, scope, name, definition, &id)));
    return table_reload(store, id, out);
}

/* --- changes ------------------------------------------------------------------------------- */

static const struct ddb_index *index_by_id(const struct ddb_definition *d, i64 id)
{
    for (isize i = 0; i < d->index_count; i++) {
        if (d->indexes[i].id == id) {
            return &d->indexes[i];
        }
    }
    return NULL;
}

static err index_empty(struct ddb_store *store, i64 table, i64 index)
{
    TRY(run_for(store,
                store_statement(store->db, "DELETE FROM entries WHERE tbl = ?1 AND idx = ?2"),
                table, index));
    return run_for(store,
                   store_statement(store->db, "DELETE FROM counts WHERE tbl = ?1 AND idx = ?2"),
                   table, index);
}

struct filling {
    struct ddb_store *store;
    const struct ddb_table *table;
    const struct ddb_definition *definition;
    const struct ddb_index *index; /* NULL: the entries by which items expire. */
    struct ddb_counts counts;
    struct buf entry, key;
    err result;
};

static bool fill_one(void *ctx, const struct ddb_value *item)
{
    struct filling *f = ctx;
    buf_reset(&f->entry);
    buf_reset(&f->key);
    bool is_in = f->index != NULL ? ddb_index_key(&f->entry, f->definition, f->index, item)
                                  : ddb_expiry_key(&f->entry, f->definition, item);
    if (!is_in) {
        return true;
    }
    ddb_item_key(&f->key, f->definition, item);
    f->counts.items++;
    f->counts.bytes += f->index != NULL ? ddb_index_bytes(f->definition, f->index, item) : 0;
    f->result =
        ddb__entry_write(f->store, f->table, f->index != NULL ? f->index->id : DDB_EXPIRY_INDEX,
                         buf_str(&f->entry), buf_str(&f->key));
    return f->result == OK;
}

static err index_fill(struct ddb_store *store, const struct ddb_table *table,
                      const struct ddb_definition *definition, const struct ddb_index *index)
{
    struct filling f = {store, table, definition, index, {0, 0}, {0}, {0}, OK};
    struct buf high = {0};
    ddb_prefix_end(&high);
    struct ddb_range range = {.high = buf_str(&high)};
    TRY(index != NULL ? counts_new(store, table->id, index->id) : OK);
    err e = ddb_range_read(store, table, &range, fill_one, &f);
    e = e == OK ? f.result : e;
    e = e == OK && index != NULL ? ddb__counts_add(store, table, index->id, f.counts) : e;
    buf_deinit(&high);
    buf_deinit(&f.entry);
    buf_deinit(&f.key);
    return e;
}

static err change(struct ddb_store *store, const struct ddb_table *table,
                  const struct ddb_definition *definition)
{
    const struct ddb_definition *old = &table->definition;
    for (isize i = 0; i < old->index_count; i++) {
        if (index_by_id(definition, old->indexes[i].id) == NULL) {
            TRY(index_empty(store, table->id, old->indexes[i].id));
        }
    }
    for (isize i = 0; i < definition->index_count; i++) {
        if (index_by_id(old, definition->indexes[i].id) == NULL) {
            TRY(index_fill(store, table, definition, &definition->indexes[i]));
        }
    }
    if (!str_eq(old->expiry, definition->expiry)) {
        TRY(index_empty(store, table->id, DDB_EXPIRY_INDEX));
        TRY(definition->expiry.len > 0 ? index_fill(store, table, definition, NULL) : OK);
    }
    sqlite3_stmt *s = store_statement(
        store->db, "UPDATE tables SET definition = ?2, billed_us = ?3 WHERE id = ?1");
    bool is_newly_billed = definition->is_on_demand && !old->is_on_demand;
    (void)sqlite3_bind_int64(s, 1, table->id);
    TRY(definition_bind(s, 2, definition));
    (void)sqlite3_bind_int64(s, 3, is_newly_billed ? os_wall_us(store->os) : table->billed_us);
    return store_run(store->db, s);
}

err ddb_table_change(struct ddb_store *store, const struct ddb_table **table,
                     const struct ddb_definition *definition)
{
    TRY(store_begin(store->db));
    TRY(finish(store, change(store, *table, definition)));
    return table_reload(store, (*table)->id, table);
}

static err delete_rows(struct ddb_store *store, i64 id)
{
    TRY(run_for(store, store_statement(store->db, "DELETE FROM items WHERE tbl = ?1"), id,
                NO_INDEX));
    TRY(run_for(store, store_statement(store->db, "DELETE FROM entries WHERE tbl = ?1"), id,
                NO_INDEX));
    TRY(run_for(store, store_statement(store->db, "DELETE FROM counts WHERE tbl = ?1"), id,
                NO_INDEX));
    return run_for(store, store_statement(store->db, "DELETE FROM tables WHERE id = ?1"), id,
                   NO_INDEX);
}

err ddb_table_delete(struct ddb_store *store, const struct ddb_table *table)
{
    TRY(store_begin(store->db));
    TRY(finish(store, delete_rows(store, table->id)));
    isize at = table_at(store, scope_of(table), table->name);
    CHECK(store->tables[at] == table);
    table_free(store->tables[at]);
    store->table_count--;
    memmove(&store->tables[at], &store->tables[at + 1],
            (size_t)(store->table_count - at) * sizeof *store->tables);
    return OK;
}

/* --- counts -------------------------------------------------------------------------------- */

err ddb__counts_add(struct ddb_store *store, const struct ddb_table *table, i64 index,
                    struct ddb_counts more)
{
    sqlite3_stmt *s =
        store_statement(store->db, "UPDATE counts SET items = items + ?3, bytes = bytes + ?4"
                                   " WHERE tbl = ?1 AND idx = ?2");
    (void)sqlite3_bind_int64(s, 3, more.items);
    (void)sqlite3_bind_int64(s, 4, more.bytes);
    return run_for(store, s, table->id, index);
}

err ddb_table_counts(struct ddb_store *store, const struct ddb_table *table, i64 index,
                     struct ddb_counts *out)
{
    sqlite3_stmt *s =
        store_statement(store->db, "SELECT items, bytes FROM counts WHERE tbl = ?1 AND idx = ?2");
    (void)sqlite3_bind_int64(s, 1, table->id);
    (void)sqlite3_bind_int64(s, 2, index);
    err e = ERR_CORRUPT;
    if (store_row(store->db, s, &e)) {
        *out = (struct ddb_counts){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)};
        e = OK;
    }
    (void)sqlite3_reset(s);
    return e;
}

/* --- tokens -------------------------------------------------------------------------------- */

static i64 token_horizon(struct ddb_store *store)
{
    return os_wall_us(store->os) - (i64)DDB_TOKEN_LIFE_S * 1000000;
}

err ddb_token_read(struct ddb_store *store, struct ddb_scope scope, str token, u64 *hash_out,
                   bool *found_out)
{
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT hash FROM tokens WHERE account = ?1 AND region = ?2 AND token = ?3"
                   " AND at_us > ?4");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, token);
    (void)sqlite3_bind_int64(s, 4, token_horizon(store));
    err e = OK;
    *found_out = store_row(store->db, s, &e);
    *hash_out = *found_out ? (u64)sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    return e;
}

err ddb_token_write(struct ddb_store *store, struct ddb_scope scope, str token, u64 hash)
{
    sqlite3_stmt *s = store_statement(store->db, "DELETE FROM tokens WHERE at_us <= ?1");
    TRY(run_for(store, s, token_horizon(store), NO_INDEX));
    s = store_statement(store->db, "INSERT OR REPLACE INTO tokens(account, region, token, hash,"
                                   " at_us) VALUES(?1, ?2, ?3, ?4, ?5)");
    store_bind_text(s, 1, scope.account);
    store_bind_text(s, 2, scope.region);
    store_bind_text(s, 3, token);
    (void)sqlite3_bind_int64(s, 4, (i64)hash);
    (void)sqlite3_bind_int64(s, 5, os_wall_us(store->os));
    return store_run(store->db, s);
}

/* --- life ---------------------------------------------------------------------------------- */

err ddb_store_open(struct os *os, const char *dir, struct ddb_store **out, struct diag *diag)
{
    struct ddb_store *store = NEW(struct ddb_store);
    store->os = os;
    char path[1100];
    err e = os_mkdir_all(os, dir);
    if (e == OK) {
        (void)snprintf(path, sizeof path, "%s/dynamodb.sqlite", dir);
        e = store_open(os, path, migrations, (int)COUNT_OF(migrations), &store->db, diag);
    }
    if (e == OK) {
        ddb_store_lock(store);
        e = tables_load(store);
        ddb_store_unlock(store);
    }
    if (e != OK) {
        ddb_store_close(store);
        return diag_set(diag, e, "DDB001", "cannot open the tables in \"%s\": %s", dir,
                        err_text(e));
    }
    *out = store;
    return OK;
}

static void tables_free(struct ddb_store *store)
{
    for (isize i = 0; i < store->table_count; i++) {
        table_free(store->tables[i]);
    }
    mem_free(store->tables);
    store->tables = NULL;
    store->table_count = store->table_capacity = 0;
}

struct store *ddb_store_database(struct ddb_store *store)
{
    return store->db;
}

void ddb_store_close(struct ddb_store *store)
{
    if (store != NULL) {
        tables_free(store);
        store_close(store->db);
        mem_free(store);
    }
}

err ddb_store_reset(struct ddb_store *store)
{
    static const char *const statements[] = {"DELETE FROM items", "DELETE FROM entries",
                                             "DELETE FROM counts", "DELETE FROM tables",
                                             "DELETE FROM tokens"};
    ddb_store_lock(store);
    err e = store_begin(store->db);
    if (e == OK) {
        for (int i = 0; i < COUNT_OF(statements) && e == OK; i++) {
            e = store_run(store->db, store_statement(store->db, statements[i]));
        }
        e = finish(store, e);
    }
    if (e == OK) {
        tables_free(store);
    }
    ddb_store_unlock(store);
    return e;
}
