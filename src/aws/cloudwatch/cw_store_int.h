/* aws/cloudwatch/cw_store_int.h: shared by the files of the store. */
#ifndef AWS_CLOUDWATCH_STORE_INT_H
#define AWS_CLOUDWATCH_STORE_INT_H

#include "aws/cloudwatch/cw_store.h"
#include "aws/common/store.h"
#include "base/buf.h"

enum { CW_MINUTE_S = 60, CW_EXACT_BITS = 52 };

/* One series in memory. */
struct cw_entry {
    i64 id, last_s;
    u64 hash;
    u8 *key; /* Owned; see cw_series.c. */
    isize key_bytes;
    struct cw_point *recent; /* Owned; not yet in a chunk; ascending by time as they came. */
    isize recent_count, recent_capacity;
};

struct cw_store {
    struct os *os;
    struct store *db;          /* Its lock guards everything here. */
    struct cw_entry **entries; /* In order of id; owned. */
    isize entry_count, entry_capacity;
    u32 *table;       /* Index + 1 by hash; 0 = free. */
    isize table_size; /* Power of two. */
    i64 recent_points, journal_bytes;
    i64 flushed_s;
};

/* --- points (cw_point.c) ------------------------------------------------------------------- */

/* Adds `from` to `into`, which owns its pairs. */
void cw__point_add(struct cw_point *into, const struct cw_point *from);
void cw__point_free(struct cw_point *point);
/* Point of a datum, in its slot; it owns its pairs. */
struct cw_point cw__point_of(const struct cw_datum *datum);
/* Appends with times relative to `base_s`, which none precedes. */
void cw__point_encode(struct buf *out, const struct cw_point *point, i64 base_s);
/* Takes one from the front; the point owns its pairs. ERR_CORRUPT. */
MUST_USE err cw__point_decode(str *in, i64 base_s, struct cw_point *out);

/* A growing list of points that own their pairs. */
struct cw_points {
    struct cw_point *items;
    isize count, capacity;
};
/* Takes over the point's pairs; no merging. */
void cw__points_push(struct cw_points *points, const struct cw_point *point);
/* Sorts by time, resolution and unit; what is in the same slot becomes one. */
void cw__points_merge(struct cw_points *points);
void cw__points_free(struct cw_points *points);

/* --- series (cw_series.c) ------------------------------------------------------------------ */

void cw__series_encode(const struct cw_series_name *name, struct buf *out);
/* Borrows from the key, which must live as long. */
void cw__series_decode(str key, struct arena *arena, struct cw_series_name *out);
struct cw_entry *cw__entry_find(struct cw_store *store, str key);
struct cw_entry *cw__entry_add(struct cw_store *store, str key, i64 id, i64 last_s);
struct cw_entry *cw__entry_by_id(struct cw_store *store, i64 id);
/* Keeps the first `count` entries. */
void cw__entries_cut(struct cw_store *store, isize count);
/* Removes the entries that `is_dead` says, in memory only. */
void cw__entries_remove(struct cw_store *store,
                        bool (*is_dead)(void *ctx, const struct cw_entry *e), void *ctx);
void cw__recent_add(struct cw_store *store, struct cw_entry *entry, const struct cw_point *point);

/* --- chunks (cw_chunk.c); with the lock held ----------------------------------------------- */

/* Points of a series with from <= time < to, of both resolutions. */
MUST_USE err cw__chunks_read(struct cw_store *store, i64 series, const struct cw_range *range,
                             struct cw_points *out);
/* Everything in memory into chunks, and the journal emptied; one transaction with the fold. */
MUST_USE err cw__flush(struct cw_store *store, i64 now_s);

#endif
