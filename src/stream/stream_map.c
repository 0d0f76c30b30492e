/*
 * stream/stream_map.c: the shards of one stream and the way from a hash key to
 * its open shard. Ranges of a new stream are even: a hash key gives its shard without
 * a look at memory. After resharding a guess by proportion is often right, else a binary
 * search follows.
 */
#include "stream/stream_int.h"

#include <stdlib.h>

struct shard_map *stream__map_new(i32 count)
{
    struct shard_map *map = NEW(struct shard_map);
    map->count = count;
    map->shards = mem_zalloc((isize)count * (isize)sizeof *map->shards);
    return map;
}

void stream__map_free(struct shard_map *map)
{
    while (map != NULL) {
        struct shard_map *next = map->retired_next;
        mem_free(map->shards);
        mem_free(map->open_first);
        mem_free(map->open_rows);
        mem_free(map->created_ms);
        mem_free(map);
        map = next;
    }
}

static int open_cmp(const void *left, const void *right)
{
    const struct shard *const *a = left;
    const struct shard *const *b = right;
    return ((*a)->hash_first > (*b)->hash_first) - ((*a)->hash_first < (*b)->hash_first);
}

/* The open shards, sorted by hash key, tile 0 to 2^128 - 1. */
static bool is_tiled(const struct shard *const *open, i32 count)
{
    u128 expected = 0;
    for (i32 i = 0; i < count; i++) {
        if (open[i]->hash_first != expected || open[i]->hash_last < expected) {
            return false;
        }
        expected = open[i]->hash_last + 1; /* 0 after the last. */
    }
    return count > 0 && expected == 0;
}

/* floor(2^128 / count); of one shard it does not fit: 0. */
static u128 even_width(i32 count)
{
    const u128 max = ~(u128)0;
    bool is_whole = max % (u128)count == (u128)count - 1;
    return max / (u128)count + (is_whole ? 1 : 0);
}

static bool is_even(const struct shard_map *map)
{
    bool is_so = map->open_count == map->count && map->is_dense;
    for (i32 i = 0; i < map->count && is_so; i++) {
        const struct shard *shard = &map->shards[i];
        is_so = shard->hash_first == map->width * (u128)i &&
                shard->created_ms == map->shards[0].created_ms;
    }
    return is_so;
}

err stream__map_finish(struct shard_map *map)
{
    const struct shard **open = mem_alloc((isize)map->count * (isize)sizeof *open);
    map->created_ms = mem_alloc((isize)map->count * (isize)sizeof *map->created_ms);
    for (i32 i = 0; i < map->count; i++) {
        const struct shard *shard = &map->shards[i];
        map->created_ms[i] = shard->created_ms;
        if (i > 0 && shard->index <= shard[-1].index) {
            mem_free(open);
            return ERR_CORRUPT;
        }
        if (shard->closed_ms == 0) {
            open[map->open_count++] = shard;
        }
    }
    map->is_dense = map->count > 0 && map->shards[map->count - 1].index == (u32)map->count - 1;
    qsort(open, (size_t)map->open_count, sizeof *open, open_cmp);
    bool ok = is_tiled(open, map->open_count);
    map->open_first = mem_alloc((isize)map->open_count * (isize)sizeof *map->open_first);
    map->open_rows = mem_alloc((isize)map->open_count * (isize)sizeof *map->open_rows);
    for (i32 i = 0; i < map->open_count; i++) {
        map->open_first[i] = open[i]->hash_first;
        map->open_rows[i] = (struct open_row){(u64)(open[i]->hash_first >> 64), open[i]->index};
    }
    mem_free(open);
    if (ok) {
        map->width = even_width(map->open_count);
        map->is_even = is_even(map);
    }
    return ok ? OK : ERR_CORRUPT;
}

struct shard_map *stream__map_uniform(i32 shard_count, i64 created_ms)
{
    CHECK(shard_count > 0 && shard_count <= STREAM_SHARDS_MAX);
    struct shard_map *map = stream__map_new(shard_count);
    const u128 max = ~(u128)0;
    u128 width = even_width(shard_count);
    for (i32 i = 0; i < shard_count; i++) {
        bool is_last = i == shard_count - 1;
        map->shards[i] = (struct shard){
            .hash_first = width * (u128)i,
            .hash_last = is_last ? max : width * (u128)(i + 1) - 1,
            .created_ms = created_ms,
            .index = (u32)i,
            .parent = -1,
            .adjacent_parent = -1,
        };
    }
    err e = stream__map_finish(map);
    CHECK(e == OK);
    return map;
}

/* -1: there is none. */
static i32 place_of(const struct shard_map *map, u32 index)
{
    i32 low = 0;
    i32 high = map->count;
    if (map->is_dense) {
        return index < (u32)map->count ? (i32)index : -1;
    }
    while (low < high) {
        i32 middle = low + (high - low) / 2;
        if (map->shards[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < map->count && map->shards[low].index == index ? low : -1;
}

const struct shard *stream__map_find(const struct shard_map *map, u32 index)
{
    i32 place = place_of(map, index);
    return place < 0 ? NULL : &map->shards[place];
}

i64 stream__map_created_ms(const struct shard_map *map, u32 index)
{
    i32 place = map->is_even ? 0 : place_of(map, index);
    CHECK(place >= 0);
    return map->created_ms[place];
}

static bool is_below(const struct shard_map *map, u128 hash, i32 row)
{
    u64 high = (u64)(hash >> 64);
    u64 first_high = map->open_rows[row].first_high;
    return high < first_high || (UNLIKELY(high == first_high) && hash < map->open_first[row]);
}

static u32 find_open(const struct shard_map *map, u128 hash)
{
    i32 low = 0;
    i32 high = map->open_count; /* The answer is in [low, high). */
    i32 guess = (i32)(((u128)(u64)(hash >> 64) * (u64)map->open_count) >> 64);
    if (map->is_even) { /* The guess rounds down twice, each time by far less than one shard. */
        bool is_next = guess + 1 < high && hash >= map->width * (u128)(guess + 1);
        return (u32)guess + (is_next ? 1 : 0);
    }
    if (is_below(map, hash, guess)) {
        high = guess;
    } else {
        if (guess + 1 == map->open_count || is_below(map, hash, guess + 1)) {
            return map->open_rows[guess].index;
        }
        low = guess + 1;
    }
    while (high - low > 1) {
        i32 middle = low + (high - low) / 2;
        if (is_below(map, hash, middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return map->open_rows[low].index;
}

bool stream__shard(const struct stream *stream, u32 index, struct shard *out)
{
    os_quiet_begin();
    const struct shard *found = stream__map_find(stream__map(stream), index);
    if (found != NULL) {
        *out = *found;
    }
    os_quiet_end();
    return found != NULL;
}

u32 stream_route(struct stream *stream, u128 hash)
{
    os_quiet_begin();
    u32 shard = find_open(stream__map(stream), hash);
    os_quiet_end();
    return shard;
}

static void describe(const struct shard *shard, i64 cutoff_ms, struct stream_shard *out)
{
    *out = (struct stream_shard){
        .index = shard->index,
        .hash_first = shard->hash_first,
        .hash_last = shard->hash_last,
        .created_ms = shard->created_ms,
        .closed_ms = shard->closed_ms,
        .closed_no = shard->closed_no,
        .parent = shard->parent,
        .adjacent_parent = shard->adjacent_parent,
    };
    /* A shard counts as open until its children begin. */
    out->is_expired = shard->closed_ms != 0 && shard->closed_ms + STREAM_CHILD_DELAY_MS < cutoff_ms;
    i64 created_s = shard->created_ms / 1000;
    struct stream_sequence sequence = {created_s, 0, created_s, shard->index, false};
    stream_sequence_format(&sequence, out->starting_sequence);
    if (shard->closed_ms != 0) {
        sequence.index = INT64_MAX;
        sequence.arrival_s = shard->closed_ms / 1000;
        stream_sequence_format(&sequence, out->ending_sequence);
    }
}

bool stream_get_shard(struct stream *stream, i32 position, struct stream_shard *out)
{
    struct shard shard;
    os_quiet_begin();
    const struct shard_map *map = stream__map(stream);
    bool is_there = position >= 0 && position < map->count;
    if (is_there) {
        shard = map->shards[position];
    }
    os_quiet_end();
    if (is_there) {
        describe(&shard, stream__cutoff_ms(stream), out);
    }
    return is_there;
}

bool stream_find_shard(struct stream *stream, u32 index, struct stream_shard *out)
{
    struct shard shard;
    if (!stream__shard(stream, index, &shard)) {
        return false;
    }
    describe(&shard, stream__cutoff_ms(stream), out);
    return true;
}

i32 stream_find_children(struct stream *stream, u32 parent, struct stream_shard children_out[2])
{
    struct shard children[2];
    i32 found = 0;
    os_quiet_begin();
    const struct shard_map *map = stream__map(stream);
    for (i32 i = 0; i < map->count && found < 2; i++) {
        const struct shard *shard = &map->shards[i];
        if (shard->parent == (i32)parent || shard->adjacent_parent == (i32)parent) {
            children[found++] = *shard;
        }
    }
    os_quiet_end();
    for (i32 i = 0; i < found; i++) {
        describe(&children[i], stream__cutoff_ms(stream), &children_out[i]);
    }
    return found;
}
