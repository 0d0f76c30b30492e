/* exec/group_table.c: see the header. */
#include "exec/group_table.h"

#include "base/hash.h"
#include "exec/value_bytes.h"

enum { SLOTS_MIN = 16, GROUPS_MIN = 8, WORD = 8 };
#define SLOT_TAG 0x00FFFFFF00000000ULL /* Of the hash; its upper byte is the key group. */

/* --- layout ----------------------------------------------------------------------------------- */

static bool is_text(const struct type *type)
{
    return type_is_string(type) || type_is_bytes(type) || type->kind >= TYPE_ARRAY;
}

static isize packed_bytes(const struct type *type)
{
    return is_text(type) ? (isize)sizeof(struct strview) : MAX(type_element_bytes(type), WORD);
}

void group_layout_init(struct group_layout *layout, struct arena *arena, isize key_count,
                       const struct type **types, isize state_bytes,
                       const struct group_seeds *seeds)
{
    *layout = (struct group_layout){
        .types = types, .count = key_count, .state_bytes = state_bytes, .seeds = *seeds};
    layout->offsets = ARENA_ARRAY(arena, isize, MAX(key_count, 1));
    layout->key_bytes = (key_count + 63) / 64 * WORD;
    for (isize i = 0; i < key_count; i++) {
        layout->offsets[i] = layout->key_bytes;
        layout->key_bytes += packed_bytes(types[i]);
        layout->has_text = layout->has_text || is_text(types[i]);
    }
    layout->group_bytes = WORD + layout->key_bytes + state_bytes;
    CHECK(state_bytes % WORD == 0);
}

/* --- packing ---------------------------------------------------------------------------------- */

static isize null_bytes(const struct group_layout *layout)
{
    return (layout->count + 63) / 64 * WORD;
}

/* The text at a packed column is not in the row itself. */
static bool is_far(const struct type *type, const u8 *at, struct strview *view)
{
    if (!is_text(type)) {
        return false;
    }
    memcpy(view, at, sizeof *view);
    return view->len > STRVIEW_INLINE_MAX;
}

static u64 mix(u64 hash, u64 word)
{
    u64 h = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93ULL;
    return h ^ h >> 29;
}

/* The key group: known to everybody, the same everywhere, and so the order of results is too.
 * Whoever chooses keys may crowd a key group, which costs nothing. */
static u8 key_group(const struct group_layout *layout, const u8 *key)
{
    u64 hash = layout->seeds.order;
    for (isize i = 0; i < null_bytes(layout); i += WORD) {
        hash = mix(hash, get_u64(key + i));
    }
    for (isize c = 0; c < layout->count; c++) {
        const u8 *at = key + layout->offsets[c];
        struct strview view;
        if (is_far(layout->types[c], at, &view)) {
            hash = hash64(view.u.far.data, view.len, hash);
            continue;
        }
        hash = mix(hash, get_u64(at));
        hash = packed_bytes(layout->types[c]) > WORD ? mix(hash, get_u64(at + WORD)) : hash;
    }
    return (u8)(hash >> 56);
}

static u64 fold(u64 a, u64 b)
{
    u128 product = (u128)a * b;
    return (u64)product ^ (u64)(product >> 64);
}

/* The place in the table, by a secret: nobody can choose keys that meet there. */
static u64 hash_key(const struct group_layout *layout, const u8 *key)
{
    u64 a = layout->seeds.secret[0] ^ 0x9E3779B97F4A7C15ULL;
    u64 b = layout->seeds.secret[1] ^ 0xD6E8FEB86659FD93ULL;
    u64 hash = a; /* Bits 0 to 30 and 32 to 55 say the place. */
    for (isize i = 0; i < null_bytes(layout); i += WORD) {
        hash = fold(get_u64(key + i) ^ a, hash ^ b);
    }
    for (isize c = 0; c < layout->count; c++) {
        const u8 *at = key + layout->offsets[c];
        struct strview view;
        if (is_far(layout->types[c], at, &view)) {
            hash = hash64(view.u.far.data, view.len, hash);
            continue;
        }
        u64 more = packed_bytes(layout->types[c]) > WORD ? get_u64(at + WORD) : 0;
        hash = fold(get_u64(at) ^ a, more ^ hash ^ b);
    }
    return hash;
}

/* One bit pattern for every NaN, as Java has. */
static u64 real_bits(const u8 *element, isize bytes)
{
    u64 bits = 0;
    memcpy(&bits, element, (size_t)bytes);
    if (bytes == 4) {
        return (bits & 0x7FFFFFFFU) > 0x7F800000U ? 0x7FC00000U : bits;
    }
    return (bits & 0x7FFFFFFFFFFFFFFFULL) > 0x7FF0000000000000ULL ? 0x7FF8000000000000ULL : bits;
}

static void pack_nested(const struct vec *vec, isize row, struct arena *arena, u8 *to)
{
    struct value value;
    struct buf bytes = {0};
    vec_get(vec, row, arena, &value);
    value_bytes_put(&value, &bytes);
    struct strview view = strview_of(arena_copy(arena, buf_str(&bytes)));
    buf_deinit(&bytes);
    memcpy(to, &view, sizeof view);
}

static void pack_element(const struct vec *vec, isize row, struct arena *arena, u8 *to)
{
    const struct type *type = vec->type;
    if (type->kind >= TYPE_ARRAY) {
        pack_nested(vec, row, arena, to);
        return;
    }
    isize bytes = type_element_bytes(type);
    const u8 *from = (const u8 *)vec->values + bytes * vec_index(vec, row);
    if (type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE) {
        put_u64(to, real_bits(from, bytes));
        return;
    }
    memcpy(to, from, (size_t)bytes);
}

/* NOLINTNEXTLINE(readability-function-size): seven parameters name one strided loop. */
static void pack_fixed(const u8 *values, size_t bytes, const struct sel *sel, u8 *to, isize stride)
{
    for (isize i = 0; i < sel->count; i++) {
        memcpy(to + i * stride, values + (isize)bytes * sel_row(sel, i), bytes);
    }
}

static void pack_column(const struct group_layout *layout, isize c, const struct vec *vec,
                        const struct sel *sel, struct arena *arena, u8 *packed)
{
    isize stride = layout->key_bytes;
    u8 *to = packed + layout->offsets[c];
    bool is_plain = vec->valid == NULL && !vec->is_const && vec->type->kind < TYPE_ARRAY &&
                    vec->type->kind != TYPE_FLOAT && vec->type->kind != TYPE_DOUBLE;
    if (is_plain && type_element_bytes(vec->type) == WORD) {
        pack_fixed(vec->values, WORD, sel, to, stride);
        return;
    }
    if (is_plain && type_element_bytes(vec->type) == 2 * WORD) {
        pack_fixed(vec->values, (size_t)2 * WORD, sel, to, stride);
        return;
    }
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(vec, row)) {
            pack_element(vec, row, arena, to + i * stride);
        } else {
            packed[i * stride + c / 64 * WORD + c % 64 / 8] |= (u8)(1U << c % 8);
        }
    }
}

void group_keys_pack(const struct group_layout *layout, const struct vec *const *keys,
                     const struct sel *sel, struct arena *arena, struct group_keys *out)
{
    isize count = MAX(sel->count, 1);
    out->packed = arena_array(arena, count, MAX(layout->key_bytes, WORD));
    out->hashes = ARENA_ARRAY(arena, u64, count);
    for (isize c = 0; c < layout->count; c++) {
        pack_column(layout, c, keys[c], sel, arena, out->packed);
    }
    for (isize i = 0; i < sel->count; i++) {
        out->hashes[i] = hash_key(layout, out->packed + i * layout->key_bytes);
    }
}

/* --- the table -------------------------------------------------------------------------------- */

void group_table_deinit(struct group_table *table)
{
    mem_free(table->groups);
    mem_free(table->slots);
    arena_deinit(&table->texts);
    *table = (struct group_table){.groups = NULL};
}

isize group_table_bytes(const struct group_table *table, const struct group_layout *layout)
{
    return table->capacity * layout->group_bytes + table->slot_count * WORD + table->texts.bytes;
}

static bool text_eq(const u8 *a, const u8 *b)
{
    struct strview left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return strview_eq(&left, &right);
}

static bool key_eq(const struct group_layout *layout, const u8 *a, const u8 *b)
{
    if (memcmp(a, b, (size_t)layout->key_bytes) == 0) {
        return true;
    }
    if (!layout->has_text) {
        return false;
    }
    isize from = 0;
    for (isize c = 0; c < layout->count; c++) {
        if (!is_text(layout->types[c])) {
            continue;
        }
        isize at = layout->offsets[c];
        if (memcmp(a + from, b + from, (size_t)(at - from)) != 0 || !text_eq(a + at, b + at)) {
            return false;
        }
        from = at + (isize)sizeof(struct strview);
    }
    return memcmp(a + from, b + from, (size_t)(layout->key_bytes - from)) == 0;
}

static void slot_put(struct group_table *table, u64 hash, isize index)
{
    isize mask = table->slot_count - 1;
    isize at = (isize)(hash & (u64)mask);
    while (table->slots[at] != 0) {
        at = (at + 1) & mask;
    }
    table->slots[at] = (hash & SLOT_TAG) | (u64)(index + 1);
}

static void grow_slots(struct group_table *table, const struct group_layout *layout)
{
    mem_free(table->slots);
    table->slot_count = MAX(table->slot_count * 2, SLOTS_MIN);
    table->slots = mem_zalloc(table->slot_count * WORD);
    for (isize i = 0; i < table->count; i++) {
        slot_put(table, get_u64(group_at(table, layout, i)), i);
    }
}

/* Long texts move into the table's memory. */
static void keep_texts(struct group_table *table, const struct group_layout *layout, u8 *key)
{
    for (isize c = 0; layout->has_text && c < layout->count; c++) {
        struct strview view;
        if (!is_text(layout->types[c])) {
            continue;
        }
        memcpy(&view, key + layout->offsets[c], sizeof view);
        if (view.len > STRVIEW_INLINE_MAX) {
            view = strview_of(arena_copy(&table->texts, strview_str(&view)));
            memcpy(key + layout->offsets[c], &view, sizeof view);
        }
    }
}

static isize add(struct group_table *table, const struct group_layout *layout, const u8 *key,
                 u64 hash)
{
    CHECK(table->count < GROUP_TABLE_GROUPS_MAX);
    if (table->count == table->capacity) {
        table->capacity = MAX(table->capacity * 2, GROUPS_MIN);
        table->groups = mem_resize(table->groups, table->capacity * layout->group_bytes);
    }
    if (table->slot_count < (table->count + 1) * 2) {
        grow_slots(table, layout);
    }
    isize index = table->count++;
    u8 *group = group_at(table, layout, index);
    put_u64(group, hash);
    group[WORD - 1] = key_group(layout, key);
    group_set_changed(group, true);
    memcpy(group_key(group), key, (size_t)layout->key_bytes);
    memset(group_state(layout, group), 0, (size_t)layout->state_bytes);
    keep_texts(table, layout, group_key(group));
    slot_put(table, hash, index);
    return index;
}

isize group_table_find(struct group_table *table, const struct group_layout *layout, const u8 *key,
                       u64 hash)
{
    isize mask = table->slot_count - 1;
    isize at = (isize)(hash & (u64)mask);
    while (mask >= 0 && table->slots[at] != 0) {
        u64 slot = table->slots[at];
        if (((slot ^ hash) & SLOT_TAG) == 0) {
            isize index = (isize)(slot & 0xFFFFFFFFU) - 1;
            if (key_eq(layout, group_key(group_at(table, layout, index)), key)) {
                return index;
            }
        }
        at = (at + 1) & mask;
    }
    return add(table, layout, key, hash);
}

/* --- back to vectors -------------------------------------------------------------------------- */

static bool is_null_key(const u8 *key, isize c)
{
    return (key[c / 64 * WORD + c % 64 / 8] >> c % 8 & 1) != 0;
}

static void unpack_nested(const struct group_layout *layout, isize c, const u8 *key,
                          struct arena *arena, struct vec *out, isize row)
{
    struct strview view;
    struct value value;
    memcpy(&view, key + layout->offsets[c], sizeof view);
    str bytes = strview_str(&view);
    err e = value_bytes_take(&bytes, layout->types[c], arena, &value);
    CHECK(e == OK); /* Written by pack_nested, or checked by group_key_load. */
    vec_set(out, arena, row, &value);
}

void group_keys_unpack(const struct group_layout *layout, isize column, u8 *const *keys,
                       isize count, struct arena *arena, struct vec *out)
{
    const struct type *type = layout->types[column];
    isize bytes = type_element_bytes(type);
    vec_init(out, arena, type, count, type->is_nullable);
    for (isize i = 0; i < count; i++) {
        if (is_null_key(keys[i], column)) {
            vec_set_null(out, arena, i);
        } else if (type->kind >= TYPE_ARRAY) {
            unpack_nested(layout, column, keys[i], arena, out, i);
        } else {
            memcpy((u8 *)out->values + i * bytes, keys[i] + layout->offsets[column], (size_t)bytes);
        }
    }
}

/* --- on disk ---------------------------------------------------------------------------------- */

void group_key_save(const struct group_layout *layout, const u8 *key, struct buf *out)
{
    isize nulls = null_bytes(layout);
    buf_append_bytes(out, key, nulls);
    for (isize c = 0; c < layout->count; c++) {
        const u8 *at = key + layout->offsets[c];
        if (!is_text(layout->types[c])) {
            buf_append_bytes(out, at, packed_bytes(layout->types[c]));
            continue;
        }
        struct strview view;
        memcpy(&view, at, sizeof view);
        buf_append_varint(out, view.len);
        buf_append(out, strview_str(&view));
    }
}

static err load_text(const struct type *type, str *in, u8 *to)
{
    u64 len;
    TRY(varint_take(in, &len));
    if (len > (u64)in->len) {
        return ERR_CORRUPT;
    }
    str text = str_slice(*in, 0, (isize)len);
    if (type->kind >= TYPE_ARRAY && len > 0) {
        struct arena scratch = {0};
        struct value value;
        str bytes = text;
        err e = value_bytes_take(&bytes, type, &scratch, &value);
        arena_deinit(&scratch);
        if (e != OK || bytes.len != 0) {
            return ERR_CORRUPT;
        }
    }
    struct strview view = strview_of(text);
    memcpy(to, &view, sizeof view);
    *in = str_slice(*in, (isize)len, in->len);
    return OK;
}

err group_key_load(const struct group_layout *layout, str *in, u8 *packed, u64 *hash_out)
{
    isize nulls = null_bytes(layout);
    if (in->len < nulls) {
        return ERR_CORRUPT;
    }
    memcpy(packed, in->data, (size_t)nulls);
    *in = str_slice(*in, nulls, in->len);
    for (isize c = 0; c < layout->count; c++) {
        u8 *to = packed + layout->offsets[c];
        isize bytes = packed_bytes(layout->types[c]);
        if (is_text(layout->types[c])) {
            TRY(load_text(layout->types[c], in, to));
            bool is_gap =
                layout->types[c]->kind >= TYPE_ARRAY && !is_null_key(packed, c) && get_u32(to) == 0;
            if (is_gap) {
                return ERR_CORRUPT;
            }
            continue;
        }
        if (in->len < bytes) {
            return ERR_CORRUPT;
        }
        memcpy(to, in->data, (size_t)bytes);
        *in = str_slice(*in, bytes, in->len);
    }
    *hash_out = hash_key(layout, packed);
    return OK;
}
