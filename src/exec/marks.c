/* exec/marks.c: a tree of minima over the shards, so that a row costs O(log shards). */
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

static void grow(struct marks *marks)
{
    marks->capacity = MAX(marks->capacity * 2, SHARDS_MIN);
    marks->shards = mem_resize(marks->shards, marks->capacity * (isize)sizeof *marks->shards);
    mem_free(marks->minima);
    marks->minima = mem_alloc(2 * marks->capacity * (isize)sizeof(i64));
    for (isize i = 0; i < 2 * marks->capacity; i++) {
        marks->minima[i] = INT64_MAX;
    }
    for (isize i = 0; i < marks->count; i++) {
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

isize marks_shard(struct marks *marks, u32 shard)
{
    if (marks->last < marks->count && marks->shards[marks->last].number == shard) {
        return marks->last;
    }
    isize guess = (isize)shard; /* Shards are mostly numbered from 0. */
    isize from = guess < marks->count && marks->shards[guess].number == shard ? guess : 0;
    for (isize i = from; i < marks->count; i++) {
        if (marks->shards[i].number == shard) {
            marks->last = i;
            return i;
        }
    }
    if (marks->count == marks->capacity) {
        grow(marks);
    }
    isize at = marks->count++;
    marks->shards[at] = (struct shard){.number = shard, .mark_ms = MARK_NONE};
    leaf_set(marks, at);
    return at;
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
    marks->count = 0;
    for (isize i = 0; i < (isize)count; i++) {
        struct shard shard = {.number = 0};
        u8 is_idle = 0;
        TRY(take(in, &shard.number, 4));
        TRY(take(in, &is_idle, 1));
        TRY(take(in, &shard.mark_ms, 8));
        TRY(take(in, &shard.active_us, 8));
        shard.is_idle = is_idle != 0;
        if (marks->count == marks->capacity) {
            grow(marks);
        }
        marks->shards[marks->count++] = shard;
        leaf_set(marks, marks->count - 1);
    }
    return OK;
}
