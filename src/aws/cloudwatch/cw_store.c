/* aws/cloudwatch/cw_store.c: two tables: series, and points by (series, slot). */
#include "aws/cloudwatch/cw_store.h"

#include "aws/common/store.h"
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES = 1024, MAINTAIN_EVERY_S = 300, MINUTE_S = 60 };

struct cw_store {
    struct os *os;
    struct store *db;
    i64 maintained_s; /* Guarded by the store's lock. */
};

static const char *const migrations[] = {
    "CREATE TABLE series(id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL,"
    " region TEXT NOT NULL, namespace TEXT NOT NULL, metric TEXT NOT NULL,"
    " dimensions BLOB NOT NULL, unit INTEGER NOT NULL, last_s INTEGER NOT NULL,"
    " UNIQUE(account, region, namespace, metric, dimensions));"
    "CREATE TABLE points(series INTEGER NOT NULL REFERENCES series(id), time_s INTEGER NOT NULL,"
    " step INTEGER NOT NULL, count REAL NOT NULL, sum REAL NOT NULL, min REAL NOT NULL,"
    " max REAL NOT NULL, PRIMARY KEY(series, time_s, step)) WITHOUT ROWID;"
    "CREATE INDEX points_by_age ON points(step, time_s)",
};

err cw_store_open(struct os *os, const char *dir, struct cw_store **out, struct diag *diag)
{
    struct cw_store *store = NEW(struct cw_store);
    store->os = os;
    char path[PATH_BYTES];
    err e = os_mkdir_all(os, dir);
    if (e == OK) {
        (void)snprintf(path, sizeof path, "%s/cloudwatch.sqlite", dir);
        e = store_open(os, path, migrations, (int)COUNT_OF(migrations), &store->db, diag);
    }
    if (e != OK) {
        mem_free(store);
        return diag_set(diag, e, "CW001", "cannot open the metrics in \"%s\": %s", dir,
                        err_text(e));
    }
    *out = store;
    return OK;
}

void cw_store_close(struct cw_store *store)
{
    if (store != NULL) {
        store_close(store->db);
        mem_free(store);
    }
}

err cw_store_reset(struct cw_store *store)
{
    (void)store_lock(store->db);
    err e = store_begin(store->db);
    if (e == OK) {
        e = store_run(store->db, store_statement(store->db, "DELETE FROM points"));
    }
    if (e == OK) {
        e = store_run(store->db, store_statement(store->db, "DELETE FROM series"));
    }
    if (e == OK) {
        e = store_commit(store->db);
    } else {
        store_rollback(store->db);
    }
    store_unlock(store->db);
    return e;
}

/* --- names
 * ------------------------------------------------------------------------------------------ */

static int dimension_order(const void *a, const void *b)
{
    return str_cmp(((const struct cw_dimension *)a)->name, ((const struct cw_dimension *)b)->name);
}

/* Sorted by name, each name and value with its length: equal sets give equal bytes. */
static void dimensions_encode(const struct cw_series_name *name, struct buf *out)
{
    struct cw_dimension sorted[CW_DIMENSIONS_MAX];
    CHECK(name->dimension_count <= CW_DIMENSIONS_MAX);
    for (isize i = 0; i < name->dimension_count; i++) {
        sorted[i] = name->dimensions[i];
    }
    qsort(sorted, (size_t)name->dimension_count, sizeof sorted[0], dimension_order);
    buf_reset(out);
    for (isize i = 0; i < name->dimension_count; i++) {
        buf_append_varint(out, (u64)sorted[i].name.len);
        buf_append(out, sorted[i].name);
        buf_append_varint(out, (u64)sorted[i].value.len);
        buf_append(out, sorted[i].value);
    }
}

static bool text_take(str *in, str *out)
{
    u64 len;
    if (varint_take(in, &len) != OK || len > (u64)in->len) {
        return false;
    }
    *out = str_slice(*in, 0, (isize)len);
    *in = str_slice(*in, (isize)len, in->len);
    return true;
}

static void dimensions_decode(str in, struct arena *arena, struct cw_series_name *out)
{
    struct cw_dimension *items = ARENA_ARRAY(arena, struct cw_dimension, CW_DIMENSIONS_MAX);
    isize count = 0;
    while (count < CW_DIMENSIONS_MAX && text_take(&in, &items[count].name) &&
           text_take(&in, &items[count].value)) {
        count++;
    }
    out->dimensions = items;
    out->dimension_count = count;
}

static void bind_name(sqlite3_stmt *statement, const struct cw_series_name *name, str dimensions)
{
    store_bind_text(statement, 1, name->account);
    store_bind_text(statement, 2, name->region);
    store_bind_text(statement, 3, name->namespace);
    store_bind_text(statement, 4, name->metric);
    store_bind_blob(statement, 5, dimensions);
}

static err series_find(struct cw_store *store, const struct cw_series_name *name, str dimensions,
                       i64 *id_out)
{
    sqlite3_stmt *statement =
        store_statement(store->db, "SELECT id FROM series WHERE account = ?1 AND region = ?2"
                                   " AND namespace = ?3 AND metric = ?4 AND dimensions = ?5");
    bind_name(statement, name, dimensions);
    err e = ERR_NOT_FOUND;
    if (store_row(store->db, statement, &e)) {
        *id_out = sqlite3_column_int64(statement, 0);
        e = OK;
    }
    (void)sqlite3_reset(statement);
    return e;
}

static err series_count(struct cw_store *store, const struct cw_series_name *name, i64 *out)
{
    sqlite3_stmt *statement = store_statement(
        store->db, "SELECT COUNT(*) FROM series WHERE account = ?1 AND region = ?2");
    store_bind_text(statement, 1, name->account);
    store_bind_text(statement, 2, name->region);
    err e = ERR_IO;
    if (store_row(store->db, statement, &e)) {
        *out = sqlite3_column_int64(statement, 0);
        e = OK;
    }
    (void)sqlite3_reset(statement);
    return e;
}

/* --- writing
 * ----------------------------------------------------------------------------------------- */

static err series_make(struct cw_store *store, const struct cw_datum *datum, str dimensions,
                       i64 *id_out)
{
    i64 count = 0;
    TRY(series_count(store, &datum->series, &count));
    if (count >= CW_SERIES_MAX) {
        return ERR_LIMIT;
    }
    sqlite3_stmt *statement = store_statement(
        store->db,
        "INSERT INTO series(account, region, namespace, metric, dimensions, unit, last_s)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    bind_name(statement, &datum->series, dimensions);
    (void)sqlite3_bind_int(statement, 6, datum->unit);
    (void)sqlite3_bind_int64(statement, 7, datum->time_s);
    TRY(store_run(store->db, statement));
    return series_find(store, &datum->series, dimensions, id_out);
}

static err point_add(struct cw_store *store, i64 series, const struct cw_datum *datum)
{
    i64 step = datum->is_per_second ? 1 : MINUTE_S;
    i64 slot = datum->time_s - datum->time_s % step;
    sqlite3_stmt *s =
        store_statement(store->db, "INSERT INTO points(series, time_s, step, count, sum, min, max)"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET"
                                   " count = count + excluded.count, sum = sum + excluded.sum,"
                                   " min = MIN(min, excluded.min), max = MAX(max, excluded.max)");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, slot);
    (void)sqlite3_bind_int64(s, 3, step);
    (void)sqlite3_bind_double(s, 4, datum->value.count);
    (void)sqlite3_bind_double(s, 5, datum->value.sum);
    (void)sqlite3_bind_double(s, 6, datum->value.min);
    (void)sqlite3_bind_double(s, 7, datum->value.max);
    TRY(store_run(store->db, s));
    s = store_statement(store->db, "UPDATE series SET last_s = MAX(last_s, ?2) WHERE id = ?1");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, datum->time_s);
    return store_run(store->db, s);
}

static err put_rows(struct cw_store *store, const struct cw_datum *data, isize count)
{
    struct buf dimensions = {0};
    err e = OK;
    for (isize i = 0; i < count && e == OK; i++) {
        i64 series = 0;
        dimensions_encode(&data[i].series, &dimensions);
        e = series_find(store, &data[i].series, buf_str(&dimensions), &series);
        if (e == ERR_NOT_FOUND) {
            e = series_make(store, &data[i], buf_str(&dimensions), &series);
        }
        if (e == OK) {
            e = point_add(store, series, &data[i]);
        }
    }
    buf_deinit(&dimensions);
    return e;
}

/* Folds seconds that are older than three hours into their minutes. */
static err fold(struct cw_store *store, i64 now_s)
{
    i64 seconds_until = (now_s - CW_SECONDS_KEPT_S) / MINUTE_S * MINUTE_S;
    sqlite3_stmt *s = store_statement(
        store->db, "INSERT INTO points(series, time_s, step, count, sum, min, max)"
                   " SELECT series, time_s - time_s % 60, 60, SUM(count), SUM(sum), MIN(min),"
                   " MAX(max) FROM points WHERE step = 1 AND time_s < ?1"
                   " GROUP BY series, time_s - time_s % 60 ON CONFLICT DO UPDATE SET"
                   " count = count + excluded.count, sum = sum + excluded.sum,"
                   " min = MIN(min, excluded.min), max = MAX(max, excluded.max)");
    (void)sqlite3_bind_int64(s, 1, seconds_until);
    TRY(store_run(store->db, s));
    s = store_statement(store->db, "DELETE FROM points WHERE step = 1 AND time_s < ?1");
    (void)sqlite3_bind_int64(s, 1, seconds_until);
    TRY(store_run(store->db, s));
    s = store_statement(store->db, "DELETE FROM points WHERE step = 60 AND time_s < ?1");
    (void)sqlite3_bind_int64(s, 1, now_s - CW_MINUTES_KEPT_S);
    TRY(store_run(store->db, s));
    s = store_statement(store->db, "DELETE FROM series WHERE last_s < ?1"
                                   " AND id NOT IN (SELECT series FROM points)");
    (void)sqlite3_bind_int64(s, 1, now_s - CW_MINUTES_KEPT_S);
    return store_run(store->db, s);
}

err cw_store_put(struct cw_store *store, const struct cw_datum *data, isize count)
{
    (void)store_lock(store->db);
    err e = store_begin(store->db);
    if (e == OK) {
        e = put_rows(store, data, count);
        i64 now_s = os_wall_us(store->os) / 1000000;
        if (e == OK && now_s - store->maintained_s >= MAINTAIN_EVERY_S) {
            store->maintained_s = now_s;
            e = fold(store, now_s);
        }
        if (e == OK) {
            e = store_commit(store->db);
        } else {
            store_rollback(store->db);
        }
    }
    store_unlock(store->db);
    return e;
}

err cw_store_maintain(struct cw_store *store, i64 now_s)
{
    (void)store_lock(store->db);
    err e = store_begin(store->db);
    if (e == OK) {
        e = fold(store, now_s);
        if (e == OK) {
            e = store_commit(store->db);
        } else {
            store_rollback(store->db);
        }
    }
    store_unlock(store->db);
    return e;
}

/* --- reading
 * ----------------------------------------------------------------------------------------- */

static err points_select(struct cw_store *store, i64 series, const struct cw_range *range,
                         struct arena *arena, struct cw_point **out, isize *count_out)
{
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT time_s - time_s % ?4, SUM(count), SUM(sum), MIN(min), MAX(max)"
                   " FROM points WHERE series = ?1 AND time_s >= ?2 AND time_s < ?3"
                   " GROUP BY time_s - time_s % ?4 ORDER BY 1");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, range->from_s);
    (void)sqlite3_bind_int64(s, 3, range->to_s);
    (void)sqlite3_bind_int64(s, 4, range->period_s);
    err e = OK;
    while (store_row(store->db, s, &e)) {
        *out = arena_grow(arena, *out, *count_out, (isize)sizeof **out);
        (*out)[(*count_out)++] = (struct cw_point){
            .time_s = sqlite3_column_int64(s, 0),
            .value = {sqlite3_column_double(s, 1), sqlite3_column_double(s, 2),
                      sqlite3_column_double(s, 3), sqlite3_column_double(s, 4)},
        };
    }
    return e;
}

err cw_store_get(struct cw_store *store, const struct cw_series_name *series,
                 const struct cw_range *range, struct arena *arena, struct cw_point **out,
                 isize *count_out)
{
    CHECK(range->period_s > 0);
    struct buf dimensions = {0};
    dimensions_encode(series, &dimensions);
    *out = NULL;
    *count_out = 0;
    (void)store_lock(store->db);
    i64 id = 0;
    err e = series_find(store, series, buf_str(&dimensions), &id);
    if (e == OK) {
        e = points_select(store, id, range, arena, out, count_out);
    }
    store_unlock(store->db);
    buf_deinit(&dimensions);
    return e == ERR_NOT_FOUND ? OK : e;
}

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

err cw_store_list(struct cw_store *store, const struct cw_filter *filter, struct arena *arena,
                  struct cw_series **out, isize *count_out)
{
    struct cw_series *items = NULL;
    isize count = 0;
    (void)store_lock(store->db);
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT id, namespace, metric, dimensions, unit, last_s FROM series"
                   " WHERE account = ?1 AND region = ?2 AND (?3 = '' OR namespace = ?3)"
                   " AND (?4 = '' OR metric = ?4) AND id > ?5 AND last_s >= ?6 ORDER BY id");
    store_bind_text(s, 1, filter->account);
    store_bind_text(s, 2, filter->region);
    store_bind_text(s, 3, filter->namespace);
    store_bind_text(s, 4, filter->metric);
    (void)sqlite3_bind_int64(s, 5, filter->after_id);
    (void)sqlite3_bind_int64(s, 6, filter->active_since_s);
    err e = OK;
    while (count < filter->max && store_row(store->db, s, &e)) {
        struct cw_series series = {.id = sqlite3_column_int64(s, 0),
                                   .last_s = sqlite3_column_int64(s, 5)};
        str blob = arena_copy(arena, store_blob(s, 3));
        dimensions_decode(blob, arena, &series.name);
        if (!dimensions_match(filter, &series.name)) {
            continue;
        }
        series.name.account = filter->account;
        series.name.region = filter->region;
        series.name.namespace = arena_copy(arena, store_text(s, 1));
        series.name.metric = arena_copy(arena, store_text(s, 2));
        series.unit = sqlite3_column_int(s, 4);
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        items[count++] = series;
    }
    (void)sqlite3_reset(s);
    store_unlock(store->db);
    *out = items;
    *count_out = count;
    return e;
}
