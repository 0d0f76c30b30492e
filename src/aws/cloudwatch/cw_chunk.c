/*
 * aws/cloudwatch/cw_chunk.c: chunks on disk: the points of one series and one
 * resolution within five minutes (seconds) or six hours (minutes), one row each.
 */
#include "aws/cloudwatch/cw_store_int.h"

#include <stdlib.h>

enum { SECONDS_SPAN_S = 300, MINUTES_SPAN_S = 6 * 3600, FOLD_CHUNKS_MAX = 20000 };

static i64 span_of(bool is_per_second)
{
    return is_per_second ? SECONDS_SPAN_S : MINUTES_SPAN_S;
}

static i64 start_of(const struct cw_point *point)
{
    return point->time_s - point->time_s % span_of(point->is_per_second);
}

static err decode(str bytes, i64 start_s, struct cw_points *out)
{
    while (bytes.len > 0) {
        struct cw_point point;
        TRY(cw__point_decode(&bytes, start_s, &point));
        cw__points_push(out, &point);
    }
    return OK;
}

/* --- reading ------------------------------------------------------------------------------- */

static err resolution_read(struct cw_store *store, i64 series, const struct cw_range *range,
                           bool is_per_second, struct cw_points *out)
{
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT start_s, data FROM chunks WHERE series = ?1 AND step = ?2"
                   " AND start_s > ?3 AND start_s < ?4 ORDER BY start_s");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, is_per_second ? 1 : CW_MINUTE_S);
    (void)sqlite3_bind_int64(s, 3, range->from_s - span_of(is_per_second));
    (void)sqlite3_bind_int64(s, 4, range->to_s);
    err e = OK;
    while (e == OK && store_row(store->db, s, &e)) {
        e = decode(store_blob(s, 1), sqlite3_column_int64(s, 0), out);
    }
    (void)sqlite3_reset(s);
    return e;
}

err cw__chunks_read(struct cw_store *store, i64 series, const struct cw_range *range,
                    struct cw_points *out)
{
    TRY(resolution_read(store, series, range, false, out));
    return resolution_read(store, series, range, true, out);
}

/* --- writing ------------------------------------------------------------------------------- */

static err chunk_load(struct cw_store *store, i64 series, const struct cw_point *first,
                      struct cw_points *out)
{
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT data FROM chunks WHERE series = ?1 AND step = ?2 AND start_s = ?3");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, first->is_per_second ? 1 : CW_MINUTE_S);
    (void)sqlite3_bind_int64(s, 3, start_of(first));
    err e = OK;
    if (store_row(store->db, s, &e)) {
        e = decode(store_blob(s, 0), start_of(first), out);
    }
    (void)sqlite3_reset(s);
    return e;
}

static err chunk_save(struct cw_store *store, i64 series, const struct cw_points *points)
{
    struct buf bytes = {0};
    const struct cw_point *first = &points->items[0];
    i64 start_s = start_of(first);
    for (isize i = 0; i < points->count; i++) {
        cw__point_encode(&bytes, &points->items[i], start_s);
    }
    sqlite3_stmt *s =
        store_statement(store->db, "INSERT OR REPLACE INTO chunks(series, step, start_s, data)"
                                   " VALUES(?1, ?2, ?3, ?4)");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, first->is_per_second ? 1 : CW_MINUTE_S);
    (void)sqlite3_bind_int64(s, 3, start_s);
    store_bind_blob(s, 4, buf_str(&bytes));
    err e = store_run(store->db, s);
    buf_deinit(&bytes);
    return e;
}

/* Copies points, which all belong to one chunk, into it. */
static err chunk_add(struct cw_store *store, i64 series, const struct cw_point *points, isize count)
{
    struct cw_points all = {0};
    err e = chunk_load(store, series, &points[0], &all);
    for (isize i = 0; i < count && e == OK; i++) {
        struct cw_point copy = points[i];
        copy.pairs = NULL;
        copy.pair_count = copy.pair_capacity = 0;
        if (points[i].pair_count > 0) {
            isize bytes = (isize)sizeof *copy.pairs * points[i].pair_count;
            copy.pairs = mem_alloc(bytes);
            memcpy(copy.pairs, points[i].pairs, (size_t)bytes);
            copy.pair_count = copy.pair_capacity = points[i].pair_count;
        }
        cw__points_push(&all, &copy);
    }
    if (e == OK) {
        cw__points_merge(&all);
        e = chunk_save(store, series, &all);
    }
    cw__points_free(&all);
    return e;
}

static int by_chunk(const void *a, const void *b)
{
    const struct cw_point *one = a, *other = b;
    if (one->is_per_second != other->is_per_second) {
        return one->is_per_second ? 1 : -1;
    }
    return one->time_s < other->time_s ? -1 : one->time_s > other->time_s;
}

/* `points` is put in order of chunks. */
static err points_save(struct cw_store *store, i64 series, struct cw_point *points, isize count)
{
    bool is_sorted = true;
    for (isize i = 1; i < count && is_sorted; i++) {
        is_sorted = by_chunk(&points[i - 1], &points[i]) <= 0;
    }
    if (!is_sorted) {
        qsort(points, (size_t)count, sizeof *points, by_chunk);
    }
    for (isize first = 0; first < count;) {
        isize end = first + 1;
        while (end < count && points[end].is_per_second == points[first].is_per_second &&
               start_of(&points[end]) == start_of(&points[first])) {
            end++;
        }
        TRY(chunk_add(store, series, &points[first], end - first));
        first = end;
    }
    return OK;
}

static err entry_save(struct cw_store *store, struct cw_entry *entry)
{
    TRY(points_save(store, entry->id, entry->recent, entry->recent_count));
    sqlite3_stmt *s =
        store_statement(store->db, "UPDATE series SET last_s = ?2 WHERE id = ?1 AND last_s < ?2");
    (void)sqlite3_bind_int64(s, 1, entry->id);
    (void)sqlite3_bind_int64(s, 2, entry->last_s);
    return store_run(store->db, s);
}

/* --- folding ------------------------------------------------------------------------------- */

/* One chunk of seconds into minutes. */
static err fold_one(struct cw_store *store, i64 series, i64 start_s, str bytes)
{
    struct cw_points points = {0};
    err e = decode(bytes, start_s, &points);
    for (isize i = 0; i < points.count; i++) {
        points.items[i].is_per_second = false;
        points.items[i].time_s -= points.items[i].time_s % CW_MINUTE_S;
    }
    if (e == OK && points.count > 0) {
        cw__points_merge(&points);
        e = points_save(store, series, points.items, points.count);
    }
    cw__points_free(&points);
    if (e != OK) {
        return e;
    }
    sqlite3_stmt *s = store_statement(
        store->db, "DELETE FROM chunks WHERE series = ?1 AND step = 1 AND start_s = ?2");
    (void)sqlite3_bind_int64(s, 1, series);
    (void)sqlite3_bind_int64(s, 2, start_s);
    return store_run(store->db, s);
}

/* The oldest chunk of seconds from before `until_s`. ERR_END when there is none. */
static err fold_next(struct cw_store *store, i64 until_s)
{
    struct arena arena = {0};
    sqlite3_stmt *s = store_statement(
        store->db, "SELECT series, start_s, data FROM chunks WHERE step = 1 AND start_s <= ?1"
                   " ORDER BY start_s LIMIT 1");
    (void)sqlite3_bind_int64(s, 1, until_s);
    err e = ERR_END;
    if (store_row(store->db, s, &e)) {
        i64 series = sqlite3_column_int64(s, 0), start_s = sqlite3_column_int64(s, 1);
        str bytes = arena_copy(&arena, store_blob(s, 2));
        (void)sqlite3_reset(s);
        e = fold_one(store, series, start_s, bytes);
    }
    (void)sqlite3_reset(s);
    arena_deinit(&arena);
    return e;
}

static err run_before(struct cw_store *store, const char *sql, i64 before_s)
{
    sqlite3_stmt *s = store_statement(store->db, sql);
    (void)sqlite3_bind_int64(s, 1, before_s);
    return store_run(store->db, s);
}

static err fold(struct cw_store *store, i64 now_s)
{
    err e = OK;
    for (int i = 0; i < FOLD_CHUNKS_MAX && e == OK; i++) {
        e = fold_next(store, now_s - CW_SECONDS_KEPT_S - SECONDS_SPAN_S);
    }
    if (e != OK && e != ERR_END) {
        return e;
    }
    i64 before_s = now_s - CW_MINUTES_KEPT_S;
    TRY(run_before(store, "DELETE FROM chunks WHERE step = 60 AND start_s < ?1",
                   before_s - MINUTES_SPAN_S));
    return run_before(store, "DELETE FROM series WHERE last_s < ?1", before_s);
}

static bool is_dead(void *ctx, const struct cw_entry *entry)
{
    const i64 *before_s = ctx;
    return entry->last_s < *before_s;
}

static err flush_rows(struct cw_store *store, i64 now_s)
{
    for (isize i = 0; i < store->entry_count; i++) {
        if (store->entries[i]->recent_count > 0) {
            TRY(entry_save(store, store->entries[i]));
        }
    }
    TRY(store_run(store->db, store_statement(store->db, "DELETE FROM journal")));
    return fold(store, now_s);
}

err cw__flush(struct cw_store *store, i64 now_s)
{
    store->flushed_s = now_s;
    TRY(store_begin(store->db));
    err e = flush_rows(store, now_s);
    if (e == OK) {
        e = store_commit(store->db);
    } else {
        store_rollback(store->db);
    }
    if (e != OK) {
        return e;
    }
    for (isize i = 0; i < store->entry_count; i++) {
        struct cw_entry *entry = store->entries[i];
        for (isize k = 0; k < entry->recent_count; k++) {
            cw__point_free(&entry->recent[k]);
        }
        mem_free(entry->recent);
        entry->recent = NULL;
        entry->recent_count = entry->recent_capacity = 0;
    }
    store->recent_points = store->journal_bytes = 0;
    i64 before_s = now_s - CW_MINUTES_KEPT_S;
    cw__entries_remove(store, is_dead, &before_s);
    return OK;
}
