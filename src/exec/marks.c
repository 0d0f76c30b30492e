/* exec/marks.c: a tree of minima over the shards, so that a row costs O(log shards), and a table
 * from a shard's number to its place. */
#include "exec/marks.h"

enum { SHARDS_MIN = 4, SHARDS_MAX = 1 << 24, ENTRY_BYTES = 21 };

struct shard {
    u32 number;
    bool is_idle;
    i64 mark_ms;
    i64 active_us;
};

struct marks {
    struct shard *shards;
    isize count, capacity; /* A power of two. */
    i64 *minima;           /* 2 * capacity; leaf i at capacity + i; idle and absent: INT64_MAX. */
    u32 *slots;            /* 2 * capacity; open addressing by number: place + 1, 0 = free. */
    i64 out_ms, highest_ms;
    isize last; /* Shard found last. */
};

struct marks *marks_new(void)
{
    struct marks *marks = NEW(struct marks);
    marks->out_ms = marks->highest_ms = MARK_NONE;
    return marks;
}

void marks_free(struct marks *marks)
{
    if (marks != NULL) {
        mem_free(marks->shards);
        mem_free(marks->minima);
        mem_free(marks->slots);
        mem_free(marks);
    }
}

/* --- the tree --------------------------------------------------------------------------------- */

static void leaf_set(struct marks *marks, isize at)
{
    const struct shard *shard = &marks->shards[at];
    isize node = marks->capacity + at;
    marks->minima[node] = shard->is_idle ? INT64_MAX : shard->mark_ms;
    for (node /= 2; node >= 1; node /= 2) {
        marks->minima[node] = MIN(marks->minima[2 * node], marks->minima[2 * node + 1]);
    }
}

static u32 slot_of(const struct marks *marks, u32 number)
{
    return (u32)((number * 0x9E3779B97F4A7C15ULL) >> 32) & (u32)(2 * marks->capacity - 1);
}

static void slot_put(struct marks *marks, isize at)
{
    u32 mask = (u32)(2 * marks->capacity - 1);
    u32 slot = slot_of(marks, marks->shards[at].number);
    while (marks->slots[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    marks->slots[slot] = (u32)at + 1;
}

/* Slot of the shard, or the free one where it would stand. There are shards. */
static u32 slot_find(const struct marks *marks, u32 number)
{
    u32 mask = (u32)(2 * marks->capacity - 1);
    u32 slot = slot_of(marks, number);
    while (marks->slots[slot] != 0 && marks->shards[marks->slots[slot] - 1].number != number) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* Frees a slot and moves up those behind it that it kept from their own. */
static void slot_free(struct marks *marks, u32 slot)
{
    u32 mask = (u32)(2 * marks->capacity - 1);
    for (u32 i = (slot + 1) & mask; marks->slots[i] != 0; i = (i + 1) & mask) {
        u32 home = slot_of(marks, marks->shards[marks->slots[i] - 1].number);
        if (((i - home) & mask) >= ((i - slot) & mask)) {
            marks->slots[slot] = marks->slots[i];
            slot = i;
        }
    }
    marks->slots[slot] = 0;
}

/* -1 when it is not known. */
static isize find(const struct marks *marks, u32 number)
{
    return marks->count == 0 ? -1 : (isize)marks->slots[slot_find(marks, number)] - 1;
}

static void grow(struct marks *marks)
{
    marks->capacity = MAX(marks->capacity * 2, SHARDS_MIN);
    marks->shards = mem_resize(marks->shards, marks->capacity * (isize)sizeof *marks->shards);
    mem_free(marks->minima);
    marks->minima = mem_alloc(2 * marks->capacity * (isize)sizeof(i64));
    for (isize i = 0; i < 2 * marks->capacity; i++) {
        marks->minima[i] = INT64_MAX;
    }
    mem_free(marks->slots);
    marks->slots = mem_zalloc(2 * marks->capacity * (isize)sizeof *marks->slots);
    for (isize i = 0; i < marks->count; i++) {
        slot_put(marks, i);
        leaf_set(marks, i);
    }
}

static void settle(struct marks *marks)
{
    if (marks->count == 0) {
        return;
    }
    i64 lowest = marks->minima[1];
    i64 now = lowest == INT64_MAX && marks_all_idle(marks) ? marks->highest_ms : lowest;
    marks->out_ms = MAX(marks->out_ms, now);
}

/* --- shards ----------------------------------------------------------------------------------- */

static isize append(struct marks *marks, struct shard shard)
{
    if (marks->count == marks->capacity) {
        grow(marks);
    }
    isize at = marks->count++;
    marks->shards[at] = shard;
    slot_put(marks, at);
    leaf_set(marks, at);
    return at;
}

isize marks_shard(struct marks *marks, u32 shard)
{
    if (marks->last < marks->count && marks->shards[marks->last].number == shard) {
        return marks->last;
    }
    isize found = find(marks, shard);
    if (found >= 0) {
        marks->last = found;
        return found;
    }
    return append(marks, (struct shard){.number = shard, .mark_ms = MARK_NONE});
}

isize marks_count(const struct marks *marks)
{
    return marks->count;
}

u32 marks_shard_at(const struct marks *marks, isize at)
{
    return marks->shards[at].number;
}

bool marks_is_idle(const struct marks *marks, isize at)
{
    return marks->shards[at].is_idle;
}

i64 marks_active_us(const struct marks *marks, isize at)
{
    return marks->shards[at].active_us;
}

void marks_touch(struct marks *marks, isize at, i64 now_us)
{
    marks->shards[at].active_us = now_us;
}

void marks_set_idle(struct marks *marks, isize at)
{
    marks->shards[at].is_idle = true;
    leaf_set(marks, at);
    settle(marks);
}

void marks_wake(struct marks *marks, isize at)
{
    if (marks->shards[at].is_idle) {
        marks->shards[at].is_idle = false;
        leaf_set(marks, at);
    }
}

i64 marks_row(struct marks *marks, isize at, i64 mark_ms)
{
    struct shard *shard = &marks->shards[at];
    i64 before = marks->out_ms;
    if (!shard->is_idle && mark_ms <= shard->mark_ms) {
        return before;
    }
    shard->is_idle = false;
    shard->mark_ms = MAX(shard->mark_ms, mark_ms);
    marks->highest_ms = MAX(marks->highest_ms, mark_ms);
    leaf_set(marks, at);
    settle(marks);
    return before;
}

/* The state of what comes from both. */
static struct shard join(const struct shard *a, const struct shard *b)
{
    struct shard joined = *a;
    joined.active_us = MAX(a->active_us, b->active_us);
    if (a->is_idle && b->is_idle) {
        joined.mark_ms = MAX(a->mark_ms, b->mark_ms);
    } else if (a->is_idle || b->is_idle) {
        joined.mark_ms = a->is_idle ? b->mark_ms : a->mark_ms;
        joined.is_idle = false;
    } else {
        joined.mark_ms = MIN(a->mark_ms, b->mark_ms);
    }
    return joined;
}

bool marks_inherit(struct marks *marks, u32 child, i64 parent, i64 adjacent)
{
    isize first = parent < 0 ? -1 : find(marks, (u32)parent);
    isize second = adjacent < 0 ? -1 : find(marks, (u32)adjacent);
    if (first < 0 && second < 0) {
        return false;
    }
    struct shard state = marks->shards[MAX(first, second)];
    if (first >= 0 && second >= 0) {
        state = join(&marks->shards[first], &marks->shards[second]);
    }
    state.number = child;
    isize at = marks_shard(marks, child);
    marks->shards[at] = state;
    leaf_set(marks, at);
    return true;
}

bool marks_drop(struct marks *marks, u32 shard)
{
    isize at = find(marks, shard);
    if (at < 0) {
        return false;
    }
    isize last = marks->count - 1;
    slot_free(marks, slot_find(marks, shard));
    if (at != last) {
        marks->slots[slot_find(marks, marks->shards[last].number)] = (u32)at + 1;
        marks->shards[at] = marks->shards[last];
        leaf_set(marks, at);
    }
    marks->shards[last].is_idle = true; /* Its leaf, too, holds nothing. */
    leaf_set(marks, last);
    marks->count--;
    marks->last = 0;
    return true;
}

i64 marks_get(const struct marks *marks)
{
    return marks->out_ms;
}

bool marks_all_idle(const struct marks *marks)
{
    if (marks->count == 0 || marks->minima[1] != INT64_MAX) {
        return false;
    }
    for (isize i = 0; i < marks->count; i++) {
        if (!marks->shards[i].is_idle) {
            return false;
        }
    }
    return true;
}

/* --- on disk ---------------------------------------------------------------------------------- */

void marks_save(const struct marks *marks, struct buf *out)
{
    buf_append_bytes(out, &marks->out_ms, 8);
    buf_append_bytes(out, &marks->highest_ms, 8);
    buf_append_varint(out, (u64)marks->count);
    for (isize i = 0; i < marks->count; i++) {
        const struct shard *shard = &marks->shards[i];
        buf_append_bytes(out, &shard->number, 4);
        buf_append_byte(out, shard->is_idle);
        buf_append_bytes(out, &shard->mark_ms, 8);
        buf_append_bytes(out, &shard->active_us, 8);
    }
}

static err take(str *in, void *out, isize bytes)
{
    if (in->len < bytes) {
        return ERR_CORRUPT;
    }
    memcpy(out, in->data, (size_t)bytes);
    *in = str_slice(*in, bytes, in->len);
    return OK;
}

err marks_load(struct marks *marks, str *in)
{
    u64 count;
    TRY(take(in, &marks->out_ms, 8));
    TRY(take(in, &marks->highest_ms, 8));
    TRY(varint_take(in, &count));
    if (count > SHARDS_MAX || (isize)count * ENTRY_BYTES > in->len) {
        return ERR_CORRUPT;
    }
    while (marks->count > 0) {
        (void)marks_drop(marks, marks->shards[marks->count - 1].number);
    }
    for (isize i = 0; i < (isize)count; i++) {
        struct shard shard = {.number = 0};
        u8 is_idle = 0;
        TRY(take(in, &shard.number, 4));
        TRY(take(in, &is_idle, 1));
        TRY(take(in, &shard.mark_ms, 8));
        TRY(take(in, &shard.active_us, 8));
        shard.is_idle = is_idle != 0;
        (void)append(marks, shard);
    }
    return OK;
}
