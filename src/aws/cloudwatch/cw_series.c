/*
 * aws/cloudwatch/cw_series.c: the series in memory. A key is account, region,
 * namespace and metric, then each dimension's name and value sorted by name, every
 * text behind its length: equal sets give equal bytes.
 */
#include "aws/cloudwatch/cw_store_int.h"

#include "base/hash.h"

#include <stdlib.h>

enum { TABLE_SIZE_MIN = 256 };

/* --- keys ---------------------------------------------------------------------------------- */

static void put_text(struct buf *out, str text)
{
    buf_append_varint(out, (u64)text.len);
    buf_append(out, text);
}

void cw__series_encode(const struct cw_series_name *name, struct buf *out)
{
    struct cw_dimension sorted[CW_DIMENSIONS_MAX];
    CHECK(name->dimension_count <= CW_DIMENSIONS_MAX);
    for (isize i = 0; i < name->dimension_count; i++) {
        isize at = i;
        while (at > 0 && str_cmp(sorted[at - 1].name, name->dimensions[i].name) > 0) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = name->dimensions[i];
    }
    buf_reset(out);
    put_text(out, name->account);
    put_text(out, name->region);
    put_text(out, name->namespace);
    put_text(out, name->metric);
    for (isize i = 0; i < name->dimension_count; i++) {
        put_text(out, sorted[i].name);
        put_text(out, sorted[i].value);
    }
}

static bool take_text(str *in, str *out)
{
    u64 length;
    if (in->len == 0 || varint_take(in, &length) != OK || length > (u64)in->len) {
        *out = STR_EMPTY;
        return false;
    }
    *out = str_slice(*in, 0, (isize)length);
    *in = str_slice(*in, (isize)length, in->len);
    return true;
}

void cw__series_decode(str key, struct arena *arena, struct cw_series_name *out)
{
    struct cw_dimension items[CW_DIMENSIONS_MAX];
    isize count = 0;
    *out = (struct cw_series_name){0};
    bool is_ok = take_text(&key, &out->account) && take_text(&key, &out->region) &&
                 take_text(&key, &out->namespace) && take_text(&key, &out->metric);
    while (is_ok && count < CW_DIMENSIONS_MAX && take_text(&key, &items[count].name) &&
           take_text(&key, &items[count].value)) {
        count++;
    }
    out->dimensions = ARENA_ARRAY(arena, struct cw_dimension, MAX(count, (isize)1));
    memcpy(out->dimensions, items, sizeof items[0] * (size_t)count);
    out->dimension_count = count;
}

/* --- the table ----------------------------------------------------------------------------- */

static void table_put(struct cw_store *store, isize index)
{
    isize mask = store->table_size - 1;
    isize at = (isize)(store->entries[index]->hash & (u64)mask);
    while (store->table[at] != 0) {
        at = (at + 1) & mask;
    }
    store->table[at] = (u32)index + 1;
}

static void table_build(struct cw_store *store, isize size)
{
    mem_free(store->table);
    store->table = mem_zalloc(size * (isize)sizeof *store->table);
    store->table_size = size;
    for (isize i = 0; i < store->entry_count; i++) {
        table_put(store, i);
    }
}

struct cw_entry *cw__entry_find(struct cw_store *store, str key)
{
    u64 hash = hash64(key.data, key.len, 0);
    isize mask = store->table_size - 1;
    for (isize at = (isize)(hash & (u64)mask); store->table_size > 0 && store->table[at] != 0;
         at = (at + 1) & mask) {
        struct cw_entry *entry = store->entries[store->table[at] - 1];
        if (entry->hash == hash && str_eq(str_from(entry->key, entry->key_bytes), key)) {
            return entry;
        }
    }
    return NULL;
}

struct cw_entry *cw__entry_add(struct cw_store *store, str key, i64 id, i64 last_s)
{
    if (store->entry_count == store->entry_capacity) {
        store->entry_capacity = MAX((isize)64, 2 * store->entry_capacity);
        store->entries =
            mem_resize(store->entries, store->entry_capacity * (isize)sizeof *store->entries);
    }
    struct cw_entry *entry = NEW(struct cw_entry);
    *entry = (struct cw_entry){.id = id,
                               .last_s = last_s,
                               .hash = hash64(key.data, key.len, 0),
                               .key = mem_alloc(key.len),
                               .key_bytes = key.len};
    memcpy(entry->key, key.data, (size_t)key.len);
    store->entries[store->entry_count++] = entry;
    if (2 * store->entry_count > store->table_size) {
        table_build(store, MAX((isize)TABLE_SIZE_MIN, 2 * store->table_size));
    } else {
        table_put(store, store->entry_count - 1);
    }
    return entry;
}

struct cw_entry *cw__entry_by_id(struct cw_store *store, i64 id)
{
    isize low = 0, high = store->entry_count;
    while (low < high) {
        isize middle = (low + high) / 2;
        if (store->entries[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < store->entry_count && store->entries[low]->id == id;
    return is_found ? store->entries[low] : NULL;
}

static void recent_free(struct cw_store *store, struct cw_entry *entry)
{
    for (isize i = 0; i < entry->recent_count; i++) {
        cw__point_free(&entry->recent[i]);
    }
    store->recent_points -= entry->recent_count;
    mem_free(entry->recent);
    entry->recent = NULL;
    entry->recent_count = entry->recent_capacity = 0;
}

static void entry_free(struct cw_store *store, struct cw_entry *entry)
{
    recent_free(store, entry);
    mem_free(entry->key);
    mem_free(entry);
}

void cw__entries_cut(struct cw_store *store, isize count)
{
    for (isize i = count; i < store->entry_count; i++) {
        entry_free(store, store->entries[i]);
    }
    if (count < store->entry_count) {
        store->entry_count = count;
        table_build(store, store->table_size);
    }
}

void cw__entries_remove(struct cw_store *store,
                        bool (*is_dead)(void *ctx, const struct cw_entry *e), void *ctx)
{
    isize kept = 0;
    for (isize i = 0; i < store->entry_count; i++) {
        if (is_dead(ctx, store->entries[i])) {
            entry_free(store, store->entries[i]);
        } else {
            store->entries[kept++] = store->entries[i];
        }
    }
    if (kept < store->entry_count) {
        store->entry_count = kept;
        table_build(store, store->table_size);
    }
}

/* --- recent points ------------------------------------------------------------------------- */

static bool is_same_slot(const struct cw_point *a, const struct cw_point *b)
{
    return a->time_s == b->time_s && a->unit == b->unit && a->is_per_second == b->is_per_second;
}

/* Looks a little back only: what is missed meets its slot when it is read or flushed. */
void cw__recent_add(struct cw_store *store, struct cw_entry *entry, const struct cw_point *point)
{
    enum { LOOK_BACK = 8 };
    entry->last_s = MAX(entry->last_s, point->time_s);
    isize first = MAX((isize)0, entry->recent_count - LOOK_BACK);
    for (isize i = entry->recent_count - 1; i >= first; i--) {
        if (is_same_slot(&entry->recent[i], point)) {
            cw__point_add(&entry->recent[i], point);
            struct cw_point done = *point;
            cw__point_free(&done);
            return;
        }
    }
    if (entry->recent_count == entry->recent_capacity) {
        entry->recent_capacity = MAX((isize)4, 2 * entry->recent_capacity);
        entry->recent =
            mem_resize(entry->recent, entry->recent_capacity * (isize)sizeof *entry->recent);
    }
    entry->recent[entry->recent_count++] = *point;
    store->recent_points++;
}
