/* stream/stream_entry.c: the pieces that catalog records are made of. Format:
 * docs/formats/streams.md.
 */
#include "stream/stream_int.h"

/* --- the cursor ------------------------------------------------------------------------------ */

u64 stream__take_number(struct stream_cursor *in, u64 max)
{
    u64 value = 0;
    if (in->failed || varint_take(&in->rest, &value) != OK || value > max) {
        in->failed = true;
        return 0;
    }
    return value;
}

str stream__take_bytes(struct stream_cursor *in, isize bytes)
{
    if (in->failed || bytes > in->rest.len) {
        in->failed = true;
        return STR_EMPTY;
    }
    str taken = str_slice(in->rest, 0, bytes);
    in->rest = str_slice(in->rest, bytes, in->rest.len);
    return taken;
}

str stream__take_str(struct stream_cursor *in, isize max)
{
    return stream__take_bytes(in, (isize)stream__take_number(in, (u64)max));
}

u128 stream__take_u128(struct stream_cursor *in)
{
    u128 value = 0;
    str bytes = stream__take_bytes(in, sizeof value);
    if (bytes.len == (isize)sizeof value) {
        memcpy(&value, bytes.data, sizeof value);
    }
    return value;
}

void stream__put_str(struct buf *out, str s)
{
    buf_append_varint(out, (u64)s.len);
    buf_append(out, s);
}

/* --- tags ------------------------------------------------------------------------------------ */

static void free_tag(struct stream_tag *tag)
{
    union {
        const u8 *read;
        void *owned;
    } block = {tag->key.data};
    mem_free(block.owned);
}

static struct stream_tag copy_tag(str key, str value)
{
    u8 *block = mem_alloc(key.len + value.len + 1);
    memcpy(block, key.data, (size_t)key.len);
    if (value.len > 0) {
        memcpy(block + key.len, value.data, (size_t)value.len);
    }
    return (struct stream_tag){{block, key.len}, {block + key.len, value.len}};
}

static i32 tag_index(const struct tag_list *tags, str key, bool *found_out)
{
    i32 i = 0;
    int order = -1;
    while (i < tags->count && (order = str_cmp(tags->items[i].key, key)) < 0) {
        i++;
    }
    *found_out = i < tags->count && order == 0;
    return i;
}

static void set_tag(struct tag_list *tags, str key, str value)
{
    bool found = false;
    i32 at = tag_index(tags, key, &found);
    if (found) {
        free_tag(&tags->items[at]);
    } else {
        tags->items = mem_resize(tags->items, (tags->count + 1) * (isize)sizeof *tags->items);
        memmove(tags->items + at + 1, tags->items + at,
                (size_t)(tags->count - at) * sizeof *tags->items);
        tags->count++;
    }
    tags->items[at] = copy_tag(key, value);
}

static void unset_tag(struct tag_list *tags, str key)
{
    bool found = false;
    i32 at = tag_index(tags, key, &found);
    if (found) {
        free_tag(&tags->items[at]);
        tags->count--;
        memmove(tags->items + at, tags->items + at + 1,
                (size_t)(tags->count - at) * sizeof *tags->items);
    }
}

void stream__tags_free(struct tag_list *tags)
{
    for (i32 i = 0; i < tags->count; i++) {
        free_tag(&tags->items[i]);
    }
    mem_free(tags->items);
    *tags = (struct tag_list){0};
}

void stream__put_tags(struct buf *out, const struct stream_tag *tags, isize count)
{
    buf_append_varint(out, (u64)count);
    for (isize i = 0; i < count; i++) {
        stream__put_str(out, tags[i].key);
        stream__put_str(out, tags[i].value);
    }
}

void stream__take_tags(struct stream_cursor *in, struct tag_list *tags)
{
    u64 count = stream__take_number(in, STREAM_TAGS_MAX);
    for (u64 i = 0; i < count && !in->failed; i++) {
        str key = stream__take_str(in, STREAM_TAG_KEY_BYTES_MAX);
        str value = stream__take_str(in, STREAM_TAG_VALUE_BYTES_MAX);
        if (!in->failed && key.len > 0) {
            set_tag(tags, key, value);
        }
    }
}

void stream__take_unset_tags(struct stream_cursor *in, struct tag_list *tags)
{
    u64 count = stream__take_number(in, STREAM_TAGS_MAX);
    for (u64 i = 0; i < count && !in->failed; i++) {
        unset_tag(tags, stream__take_str(in, STREAM_TAG_KEY_BYTES_MAX));
    }
}

void stream__put_keys(struct buf *out, const str *keys, isize count)
{
    buf_append_varint(out, (u64)count);
    for (isize i = 0; i < count; i++) {
        stream__put_str(out, keys[i]);
    }
}

err stream__check_tags(const struct stream_tag *tags, isize count)
{
    for (isize i = 0; i < count; i++) {
        if (tags[i].key.len < 1 || tags[i].key.len > STREAM_TAG_KEY_BYTES_MAX ||
            tags[i].value.len > STREAM_TAG_VALUE_BYTES_MAX) {
            return ERR_RANGE;
        }
    }
    return OK;
}

void stream__tags_copy(const struct tag_list *tags, struct arena *arena,
                       struct stream_tag **tags_out, isize *count_out)
{
    struct stream_tag *copy = ARENA_ARRAY(arena, struct stream_tag, MAX(tags->count, 1));
    for (i32 i = 0; i < tags->count; i++) {
        copy[i].key = arena_copy(arena, tags->items[i].key);
        copy[i].value = arena_copy(arena, tags->items[i].value);
    }
    *tags_out = copy;
    *count_out = tags->count;
}

static bool has_tag(const struct stream_tag *tags, isize count, str key)
{
    for (isize i = 0; i < count; i++) {
        if (str_eq(tags[i].key, key)) {
            return true;
        }
    }
    return false;
}

i32 stream__tags_delta(const struct tag_list *tags, const struct stream_tag *set, isize set_count,
                       const str *unset, isize unset_count)
{
    i32 delta = 0;
    for (isize i = 0; i < set_count; i++) {
        bool is_new = !has_tag(tags->items, tags->count, set[i].key);
        delta += is_new && !has_tag(set, i, set[i].key) ? 1 : 0;
    }
    for (isize i = 0; i < unset_count; i++) {
        delta -= has_tag(tags->items, tags->count, unset[i]) ? 1 : 0;
    }
    return delta;
}

/* --- names ----------------------------------------------------------------------------------- */

bool stream__is_name(str name)
{
    for (isize i = 0; i < name.len; i++) {
        u8 c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-') {
            return false;
        }
    }
    return name.len > 0 && name.len <= STREAM_NAME_MAX;
}
