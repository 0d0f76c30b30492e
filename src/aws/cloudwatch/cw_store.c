/* aws/cloudwatch/cw_store.c: opening, putting, reading, listing. */
#include "aws/cloudwatch/cw_store_int.h"

#include "base/trace.h"

#include <stdio.h>

enum {
    PATH_BYTES = 1024,
    FLUSH_POINTS = 200000,
    FLUSH_JOURNAL_BYTES = 16 << 20,
    FLUSH_EVERY_S = 300,
};

static const char *const migrations[] = {
    "CREATE TABLE series(id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL,"
    " last_s INTEGER NOT NULL);"
    "CREATE TABLE journal(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE chunks(series INTEGER NOT NULL, step INTEGER NOT NULL,"
    " start_s INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(series, step, start_s))"
    " WITHOUT ROWID;"
    "CREATE INDEX chunks_by_age ON chunks(step, start_s)",
};

/* --- opening ------------------------------------------------------------------------------- */

static err series_load(struct cw_store *store)
{
    sqlite3_stmt *s = store_statement(store->db, "SELECT id, key, last_s FROM series ORDER BY id");
    err e = OK;
    while (store_row(store->db, s, &e)) {
        IGNORE(cw__entry_add(store, store_blob(s, 1), sqlite3_column_int64(s, 0),
                             sqlite3_column_int64(s, 2)) == NULL); /* It is in the table now. */
    }
    return e;
}

static err row_replay(struct cw_store *store, str row)
{
    while (row.len > 0) {
        u64 id;
        struct cw_point point;
        TRY(varint_take(&row, &id));
        TRY(cw__point_decode(&row, 0, &point));
        struct cw_entry *entry = cw__entry_by_id(store, (i64)id);
        if (entry == NULL) {
            cw__point_free(&point);
            return ERR_CORRUPT;
        }
        cw__recent_add(store, entry, &point);
    }
    return OK;
}

static err journal_load(struct cw_store *store)
{
    sqlite3_stmt *s = store_statement(store->db, "SELECT data FROM journal ORDER BY id");
    err e = OK;
    while (e == OK && store_row(store->db, s, &e)) {
        str row = store_blob(s, 0);
        store->journal_bytes += row.len;
        e = row_replay(store, row);
    }
    (void)sqlite3_reset(s);
    return e;
}

err cw_store_open(struct os *os, const char *dir, struct cw_store **out, struct diag *diag)
{
    struct cw_store *store = NEW(struct cw_store);
    store->os = os;
    store->flushed_s = os_wall_us(os) / 1000000;
    char path[PATH_BYTES];
    err e = os_mkdir_all(os, dir);
    if (e == OK) {
        (void)snprintf(path, sizeof path, "%s/cloudwatch.sqlite", dir);
        e = store_open(os, path, migrations, (int)COUNT_OF(migrations), &store->db, diag);
    }
    if (e == OK) {
        (void)store_lock(store->db);
        e = series_load(store);
        e = e == OK ? journal_load(store) : e;
        store_unlock(store->db);
    }
    if (e != OK) {
        cw_store_close(store);
        return diag_set(diag, e, "CW001", "cannot open the metrics in \"%s\": %s", dir,
                        err_text(e));
    }
    *out = store;
    return OK;
}

struct store *cw_store_database(struct cw_store *store)
{
    return store->db;
}

void cw_store_close(struct cw_store *store)
{
    if (store != NULL) {
        cw__entries_cut(store, 0);
        mem_free(store->entries);
        mem_free(store->table);
        store_close(store->db);
        mem_free(store);
    }
}

static err reset_rows(struct cw_store *store)
{
    static const char *const statements[] = {"DELETE FROM chunks", "DELETE FROM journal",
                                             "DELETE FROM series"};
    for (int i = 0; i < COUNT_OF(statements); i++) {
        TRY(store_run(store->db, store_statement(store->db, statements[i])));
    }
    return OK;
}

err cw_store_reset(struct cw_store *store)
{
    (void)store_lock(store->db);
    err e = store_begin(store->db);
    if (e == OK) {
        e = reset_rows(store);
        if (e == OK) {
            e = store_commit(store->db);
        } else {
            store_rollback(store->db);
        }
    }
    if (e == OK) {
        cw__entries_cut(store, 0);
        store->journal_bytes = 0;
    }
    store_unlock(store->db);
    return e;
}

/* --- putting ------------------------------------------------------------------------------- */

static err entry_make(struct cw_store *store, str key, i64 last_s, struct cw_entry **out)
{
    if (store->entry_count >= CW_SERIES_MAX) {
        return ERR_LIMIT;
    }
    sqlite3_stmt *s =
        store_statement(store->db, "INSERT INTO series(key, last_s) VALUES(?1, ?2) RETURNING id");
    store_bind_blob(s, 1, key);
    (void)sqlite3_bind_int64(s, 2, last_s);
    err e = ERR_IO;
    *out = NULL;
    if (store_row(store->db, s, &e)) {
        *out = cw__entry_add(store, key, sqlite3_column_int64(s, 0), last_s);
        e = OK;
    }
    (void)sqlite3_reset(s);
    CHECK(e != OK || *out != NULL);
    return e;
}

/* What a put works with. */
struct put {
    struct cw_entry **entries; /* Of each datum. */
    struct cw_point *points;
    struct buf key, row;
};

static err put_rows(struct cw_store *store, const struct cw_datum *data, isize count,
                    struct put *put)
{
    for (isize i = 0; i < count; i++) {
        cw__series_encode(&data[i].series, &put->key);
        struct cw_entry *entry = cw__entry_find(store, buf_str(&put->key));
        if (entry == NULL) {
            TRY(entry_make(store, buf_str(&put->key), put->points[i].time_s, &entry));
        }
        put->entries[i] = entry;
        buf_append_varint(&put->row, (u64)entry->id);
        cw__point_encode(&put->row, &put->points[i], 0);
    }
    sqlite3_stmt *s = store_statement(store->db, "INSERT INTO journal(data) VALUES(?1)");
    store_bind_blob(s, 1, buf_str(&put->row));
    return store_run(store->db, s);
}

static err put_commit(struct cw_store *store, const struct cw_datum *data, isize count,
                      struct put *put)
{
    isize entries_before = store->entry_count;
    TRY(store_begin(store->db));
    err e = put_rows(store, data, count, put);
    if (e == OK) {
        e = store_commit(store->db);
    } else {
        store_rollback(store->db);
    }
    if (e != OK) {
        cw__entries_cut(store, entries_before);
    }
    return e;
}

/* Never fails a put: what cannot be moved stays in the journal. */
static void flush_if_due(struct cw_store *store)
{
    i64 now_s = os_wall_us(store->os) / 1000000;
    bool is_due = store->recent_points >= FLUSH_POINTS ||
                  store->journal_bytes >= FLUSH_JOURNAL_BYTES ||
                  now_s - store->flushed_s >= FLUSH_EVERY_S || now_s < store->flushed_s;
    if (is_due) {
        err e = cw__flush(store, now_s);
        if (e != OK) {
            trace(TRACE_ERROR, "cloudwatch", "points stay in the journal",
                  T_STR("error", str_of(err_text(e))));
        }
    }
}

err cw_store_put(struct cw_store *store, const struct cw_datum *data, isize count)
{
    struct put put = {
        .entries = mem_zalloc(count * (isize)sizeof *put.entries),
        .points = mem_zalloc(count * (isize)sizeof *put.points),
    };
    for (isize i = 0; i < count; i++) {
        put.points[i] = cw__point_of(&data[i]);
    }
    (void)store_lock(store->db);
    err e = put_commit(store, data, count, &put);
    if (e == OK) {
        store->journal_bytes += put.row.len;
        for (isize i = 0; i < count; i++) {
            cw__recent_add(store, put.entries[i], &put.points[i]);
        }
        flush_if_due(store);
    }
    store_unlock(store->db);
    for (isize i = 0; i < count && e != OK; i++) {
        cw__point_free(&put.points[i]);
    }
    mem_free(put.entries);
    mem_free(put.points);
    buf_deinit(&put.key);
    buf_deinit(&put.row);
    return e;
}

err cw_store_maintain(struct cw_store *store, i64 now_s)
{
    (void)store_lock(store->db);
    err e = cw__flush(store, now_s);
    store_unlock(store->db);
    return e;
}

void cw_store_count(struct cw_store *store, struct cw_counts *out)
{
    (void)store_lock(store->db);
    *out = (struct cw_counts){store->entry_count, store->recent_points, store->journal_bytes};
    store_unlock(store->db);
}

/* --- reading ------------------------------------------------------------------------------- */

static void recent_read(const struct cw_entry *entry, const struct cw_range *range,
                        struct cw_points *out)
{
    for (isize i = 0; i < entry->recent_count; i++) {
        struct cw_point point = entry->recent[i];
        if (point.time_s < range->from_s || point.time_s >= range->to_s) {
            continue;
        }
        if (point.pair_count > 0) {
            isize bytes = (isize)sizeof *point.pairs * point.pair_count;
            point.pairs = mem_alloc(bytes);
            memcpy(point.pairs, entry->recent[i].pairs, (size_t)bytes);
            point.pair_capacity = point.pair_count;
        } else {
            point.pairs = NULL;
            point.pair_capacity = 0;
        }
        cw__points_push(out, &point);
    }
}

/* Slots become periods; then what is in one period becomes one point of a unit. */
static void to_periods(struct cw_points *points, const struct cw_range *range)
{
    isize kept = 0;
    for (isize i = 0; i < points->count; i++) {
        struct cw_point *p = &points->items[i];
        if (p->time_s < range->from_s || p->time_s >= range->to_s) {
            cw__point_free(p);
            continue;
        }
        p->time_s -= (p->time_s - range->from_s) % range->period_s;
        p->is_per_second = false;
        points->items[kept++] = *p;
    }
    points->count = kept;
    cw__points_merge(points);
}

err cw_store_get(struct cw_store *store, const struct cw_series_name *series,
                 const struct cw_range *range, struct arena *arena, struct cw_point **out,
                 isize *count_out)
{
    CHECK(range->period_s > 0);
    struct buf key = {0};
    struct cw_points points = {0};
    cw__series_encode(series, &key);
    (void)store_lock(store->db);
    struct cw_entry *entry = cw__entry_find(store, buf_str(&key));
    err e = OK;
    if (entry != NULL) {
        e = cw__chunks_read(store, entry->id, range, &points);
        recent_read(entry, range, &points);
    }
    store_unlock(store->db);
    to_periods(&points, range);
    *count_out = e == OK ? points.count : 0;
    *out = ARENA_ARRAY(arena, struct cw_point, MAX(points.count, (isize)1));
    for (isize i = 0; i < *count_out; i++) {
        struct cw_point *p = &(*out)[i];
        *p = points.items[i];
        p->pairs = ARENA_ARRAY(arena, struct cw_pair, MAX(p->pair_count, 1));
        if (p->pair_count > 0) {
            memcpy(p->pairs, points.items[i].pairs, sizeof *p->pairs * (size_t)p->pair_count);
        }
    }
    cw__points_free(&points);
    buf_deinit(&key);
    return e;
}

/* --- listing ------------------------------------------------------------------------------- */

static bool dimensions_match(const struct cw_filter *filter, const struct cw_series_name *name)
{
    if (filter->is_exact && filter->dimension_count != name->dimension_count) {
        return false;
    }
    for (isize i = 0; i < filter->dimension_count; i++) {
        const struct cw_dimension *wanted = &filter->dimensions[i];
        isize j = 0;
        while (j < name->dimension_count && !str_eq(name->dimensions[j].name, wanted->name)) {
            j++;
        }
        if (j == name->dimension_count ||
            (wanted->value.len > 0 && !str_eq(name->dimensions[j].value, wanted->value))) {
            return false;
        }
    }
    return true;
}

static bool matches(const struct cw_filter *filter, const struct cw_series_name *name)
{
    return str_eq(name->account, filter->account) && str_eq(name->region, filter->region) &&
           (filter->namespace.len == 0 || str_eq(name->namespace, filter->namespace)) &&
           !(filter->is_custom && str_starts(name->namespace, STR("AWS/"))) &&
           (filter->metric.len == 0 || str_eq(name->metric, filter->metric)) &&
           dimensions_match(filter, name);
}

err cw_store_list(struct cw_store *store, const struct cw_filter *filter, struct arena *arena,
                  struct cw_series **out, isize *count_out)
{
    struct cw_series *items = NULL;
    struct arena scratch = {0};
    isize count = 0;
    (void)store_lock(store->db);
    for (isize i = 0; i < store->entry_count && count < filter->max; i++) {
        const struct cw_entry *entry = store->entries[i];
        if (entry->id <= filter->after_id || entry->last_s < filter->active_since_s) {
            continue;
        }
        struct cw_series_name name;
        str key = str_from(entry->key, entry->key_bytes);
        arena_reset(&scratch);
        cw__series_decode(key, &scratch, &name);
        if (!matches(filter, &name)) {
            continue;
        }
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        items[count] = (struct cw_series){.id = entry->id, .last_s = entry->last_s};
        cw__series_decode(arena_copy(arena, key), arena, &items[count].name);
        count++;
    }
    store_unlock(store->db);
    arena_deinit(&scratch);
    *out = items;
    *count_out = count;
    return OK;
}
