/*
 * exec/group_table.h: groups by key, for aggregation: keys of a batch are packed column by
 * column into rows of fixed width, hashed, and looked up in an open-addressing table whose
 * groups stand in the order in which they came. One thread.
 *
 * A packed key is 8-byte units: NULL bits, then per column its element, widened to 8 bytes
 * (16 for wide ones); texts as struct strview, nested values as their bytes
 * (exec/value_bytes.h). A group is its hash (key group in the upper byte), its key, and
 * `state_bytes` of zeroed state.
 */
#ifndef EXEC_GROUP_TABLE_H
#define EXEC_GROUP_TABLE_H

#include "data/vec.h"

enum { GROUP_TABLE_GROUPS_MAX = 1 << 30, GROUP_KEY_GROUPS = 256 };

struct group_seeds {
    u64 order;     /* Of key groups: from the query, so that its results come in one order. */
    u64 secret[2]; /* Of places in the table: random, and of no influence on results. */
};

struct group_layout {
    const struct type **types;
    isize *offsets; /* Of each key in the packed row. */
    isize count;
    isize key_bytes, state_bytes, group_bytes;
    struct group_seeds seeds;
    bool has_text;
};
void group_layout_init(struct group_layout *layout, struct arena *arena, isize key_count,
                       const struct type **types, isize state_bytes,
                       const struct group_seeds *seeds);

/* Packed keys and hashes of the selected rows: sel->count of each. */
struct group_keys {
    u8 *packed;
    u64 *hashes;
};
void group_keys_pack(const struct group_layout *layout, const struct vec *const *keys,
                     const struct sel *sel, struct arena *arena, struct group_keys *out);

struct group_table {
    u8 *groups; /* Owned; moves when it grows. */
    isize count, capacity;
    u64 *slots; /* Part of the hash, index + 1 in the lower half; 0 = free. */
    isize slot_count;
    struct arena texts; /* Of long keys. */
};
void group_table_deinit(struct group_table *table);
/* Index of the group of this key, made when there is none. */
isize group_table_find(struct group_table *table, const struct group_layout *layout, const u8 *key,
                       u64 hash);
isize group_table_bytes(const struct group_table *table, const struct group_layout *layout);

static inline u8 *group_at(const struct group_table *table, const struct group_layout *layout,
                           isize index)
{
    return table->groups + index * layout->group_bytes;
}
static inline u8 *group_key(u8 *group)
{
    return group + 8;
}
static inline void *group_state(const struct group_layout *layout, u8 *group)
{
    return group + 8 + layout->key_bytes;
}
/* 0 to 255: the same for a key wherever it is computed. */
static inline int group_key_group(const u8 *group)
{
    return group[7];
}

/* Since it was last saved; a new group has. The bit is none that a place in the table goes by. */
enum { GROUP_CHANGED_BYTE = 3, GROUP_CHANGED_BIT = 0x80 };
static inline bool group_is_changed(const u8 *group)
{
    return (group[GROUP_CHANGED_BYTE] & GROUP_CHANGED_BIT) != 0;
}
static inline void group_set_changed(u8 *group, bool is_changed)
{
    u8 rest = group[GROUP_CHANGED_BYTE] & (u8)~GROUP_CHANGED_BIT;
    group[GROUP_CHANGED_BYTE] = (u8)(rest | (is_changed ? GROUP_CHANGED_BIT : 0));
}

/* Key column `column` of `count` packed keys as a vector; texts borrow from the keys' table. */
void group_keys_unpack(const struct group_layout *layout, isize column, u8 *const *keys,
                       isize count, struct arena *arena, struct vec *out);
/* A key as bytes for the disk, and back: ERR_CORRUPT. `packed` has key_bytes; texts borrow. */
void group_key_save(const struct group_layout *layout, const u8 *key, struct buf *out);
MUST_USE err group_key_load(const struct group_layout *layout, str *in, u8 *packed, u64 *hash_out);

#endif
