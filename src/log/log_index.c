/*
 * log/log_index.c: which frames a segment has, and which runs of each channel.
 * Grown frame by frame for the active segment, read as one block for sealed ones.
 */
#include "log/log_int.h"

enum { MAP_MIN = 16 };

static u64 map_key(struct log_channel channel)
{
    return (u64)channel.stream << 32 | channel.shard;
}

static u32 map_slot(const struct log__map *map, u64 block)
{
    u32 slot = (u32)((block * 0x9E3779B97F4A7C15U) >> 33) & (map->capacity - 1);
    while (map->keys[slot] != 0 && map->keys[slot] != block) {
        slot = (slot + 1) & (map->capacity - 1);
    }
    return slot;
}

u64 *log__map_find(const struct log__map *map, struct log_channel channel)
{
    if (map->capacity == 0) {
        return NULL;
    }
    u64 key = map_key(channel);
    u32 slot = map_slot(map, key / LOG__MAP_BLOCK + 1);
    u64 *value = &map->values[slot][key % LOG__MAP_BLOCK];
    return map->keys[slot] == 0 || *value == 0 ? NULL : value;
}

static void map_grow(struct log__map *map)
{
    struct log__map old = *map;
    map->capacity = MAX(old.capacity * 2, MAP_MIN);
    map->keys = mem_zalloc((isize)map->capacity * (isize)sizeof *map->keys);
    map->values = mem_zalloc((isize)map->capacity * (isize)sizeof *map->values);
    for (u32 i = 0; i < old.capacity; i++) {
        if (old.keys[i] != 0) {
            u32 slot = map_slot(map, old.keys[i]);
            map->keys[slot] = old.keys[i];
            memcpy(map->values[slot], old.values[i], sizeof old.values[i]);
        }
    }
    mem_free(old.keys);
    mem_free(old.values);
}

u64 *log__map_put(struct log__map *map, struct log_channel channel)
{
    if (map->count * 4 >= map->capacity * 3) {
        map_grow(map);
    }
    u64 key = map_key(channel);
    u64 block = key / LOG__MAP_BLOCK + 1;
    u32 slot = map_slot(map, block);
    map->count += map->keys[slot] == 0;
    map->keys[slot] = block;
    return &map->values[slot][key % LOG__MAP_BLOCK];
}

void log__map_deinit(struct log__map *map)
{
    mem_free(map->keys);
    mem_free(map->values);
    *map = (struct log__map){0};
}

void log__index_init(struct log__index *index)
{
    *index = (struct log__index){.is_built = true};
}

void log__index_deinit(struct log__index *index)
{
    for (u32 i = 0; index->is_built && i < index->channel_count; i++) {
        mem_free(index->channels[i].runs);
    }
    mem_free(index->frames);
    mem_free(index->channels);
    mem_free(index->runs);
    log__map_deinit(&index->by_channel);
    *index = (struct log__index){0};
}

static struct log__frame_info *add_frame(struct log__index *index)
{
    if (index->frame_count == index->frame_capacity) {
        index->frame_capacity = MAX(index->frame_capacity * 2, 16);
        index->frames =
            mem_resize(index->frames, (isize)index->frame_capacity * (isize)sizeof *index->frames);
    }
    return &index->frames[index->frame_count++];
}

/* Row of the channel in `channels`, found or new. */
static u32 channel_row(struct log__index *index, struct log_channel channel)
{
    u64 *row = log__map_put(&index->by_channel, channel);
    if (*row == 0) {
        if (index->channel_count == index->channel_capacity) {
            index->channel_capacity = MAX(index->channel_capacity * 2, 8);
            index->channels = mem_resize(index->channels, (isize)index->channel_capacity *
                                                              (isize)sizeof *index->channels);
        }
        index->channels[index->channel_count++] = (struct log__channel_runs){.channel = channel};
        *row = index->channel_count;
    }
    return (u32)(*row - 1);
}

static void add_run(struct log__channel_runs *runs, const struct log__run_info *run)
{
    if (runs->count == runs->capacity) {
        runs->capacity = MAX(runs->capacity * 2, 4);
        runs->runs = mem_resize(runs->runs, (isize)runs->capacity * (isize)sizeof *runs->runs);
    }
    CHECK(runs->runs != NULL);
    runs->runs[runs->count++] = *run;
}

enum { RUNS_AT_ONCE = 32 };

/* A step for all of them before the next step: rows and runs of many channels lie in no cache, and
 * so they are waited for together. */
static void add_runs(struct log__index *index, const u8 *directory, u32 count, u64 first_no)
{
    u32 rows[RUNS_AT_ONCE];
    for (u32 i = 0; i < count; i++) {
        const u8 *at = directory + (isize)i * LOG__RUN_BYTES;
        rows[i] = channel_row(index, (struct log_channel){get_u32(at), get_u32(at + 4)});
        __builtin_prefetch(&index->channels[rows[i]], 1);
    }
    for (u32 i = 0; i < count; i++) {
        const struct log__channel_runs *runs = &index->channels[rows[i]];
        if (runs->runs != NULL) {
            __builtin_prefetch(&runs->runs[runs->count], 1);
        }
    }
    for (u32 i = 0; i < count; i++) {
        const u8 *at = directory + (isize)i * LOG__RUN_BYTES;
        struct log__run_info run = {
            .first_no = first_no + get_u32(at + 8),
            .count = get_u32(at + 12),
            .frame = index->frame_count - 1,
            .bytes = get_u32(at + 20),
        };
        add_run(&index->channels[rows[i]], &run);
    }
    index->run_count += count;
}

void log__index_add_frame(struct log__index *index, const struct log__frame_head *head,
                          const u8 *frame)
{
    CHECK(index->is_built);
    *add_frame(index) = (struct log__frame_info){
        .lsn = head->lsn,
        .offset = head->offset,
        .first_no = head->first_no,
        .last_no = head->last_no,
        .arrival_ms = head->arrival_ms,
        .bytes = head->bytes,
    };
    for (u32 i = 0; i < head->run_count; i += RUNS_AT_ONCE) {
        add_runs(index, frame + LOG__HEADER_BYTES + (isize)i * LOG__RUN_BYTES,
                 MIN(head->run_count - i, RUNS_AT_ONCE), head->first_no);
    }
    index->last_crc = head->head_crc;
}

void log__index_add_damage(struct log__index *index, const struct log__frame_info *damage)
{
    CHECK(index->is_built);
    struct log__frame_info *row = add_frame(index);
    *row = *damage;
    row->flags = LOG__FRAME_DAMAGED;
    index->damaged_count++;
}

u32 log__index_after(const struct log__index *index, u64 lsn)
{
    u32 low = 0;
    u32 high = index->frame_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (index->frames[middle].lsn <= lsn) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct log__channel_runs *log__index_channel(const struct log__index *index,
                                             struct log_channel channel)
{
    if (index->is_built) {
        u64 *row = log__map_find(&index->by_channel, channel);
        return row == NULL ? NULL : &index->channels[*row - 1];
    }
    u32 low = 0;
    u32 high = index->channel_count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (map_key(index->channels[middle].channel) < map_key(channel)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found =
        low < index->channel_count && log_channel_eq(index->channels[low].channel, channel);
    return is_found ? &index->channels[low] : NULL;
}

u64 log__runs_tip(const struct log__channel_runs *row)
{
    const struct log__run_info *last = &row->runs[row->count - 1];
    return last->first_no + last->count;
}

const struct log__run_info *log__index_seek(const struct log__index *index,
                                            struct log_channel channel, u64 no)
{
    const struct log__channel_runs *row = log__index_channel(index, channel);
    if (row == NULL) {
        return NULL;
    }
    u32 low = 0;
    u32 high = row->count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        const struct log__run_info *run = &row->runs[middle];
        if (run->first_no + run->count <= no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == row->count ? NULL : &row->runs[low];
}
