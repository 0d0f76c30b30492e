/*
 * stream/stream_scale.c: the splits and merges that make a number of even shards. Each
 * open shard is split at every bound of a new shard that lies inside it, then the
 * pieces of each new shard are merged, both in halves, so that the shards in between
 * are few generations deep. A shard that is already as wanted stays.
 */
#include "stream/stream_int.h"

#include <stdlib.h>

struct piece {
    u128 first;
    u32 shard;
};

struct plan {
    struct reshard_draft *draft;
    const u128 *bounds; /* First hash keys of the new shards, ascending. */
    struct piece *pieces;
    i32 count;
};

static u32 apply(struct plan *plan, struct reshard_op op)
{
    u32 child = 0;
    err e = stream__draft_apply(plan->draft, &op, &child);
    CHECK(e == OK); /* The indexes of shards do not run out in one plan. */
    return child;
}

/* Splits the shard at bounds low..high-1, all inside it. */
static void split_at(struct plan *plan, struct piece piece, i32 low, i32 high)
{
    if (low >= high) {
        plan->pieces[plan->count++] = piece;
        return;
    }
    i32 middle = low + (high - low) / 2;
    u128 hash = plan->bounds[middle];
    u32 child = apply(plan, (struct reshard_op){.shard = piece.shard, .hash = hash});
    split_at(plan, (struct piece){piece.first, child}, low, middle);
    split_at(plan, (struct piece){hash, child + 1}, middle + 1, high);
}

static u32 merge_all(struct plan *plan, i32 low, i32 high)
{
    if (high - low == 1) {
        return plan->pieces[low].shard;
    }
    i32 middle = low + (high - low) / 2;
    u32 lower = merge_all(plan, low, middle);
    u32 upper = merge_all(plan, middle, high);
    return apply(plan, (struct reshard_op){.is_merge = true, .shard = lower, .other = upper});
}

/* First bound above `hash`; bounds[count] when none. */
static i32 bound_after(const u128 *bounds, i32 count, u128 hash)
{
    i32 low = 0;
    i32 high = count;
    while (low < high) {
        i32 middle = low + (high - low) / 2;
        if (bounds[middle] <= hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int shard_cmp(const void *left, const void *right)
{
    const struct shard *a = left;
    const struct shard *b = right;
    return (a->hash_first > b->hash_first) - (a->hash_first < b->hash_first);
}

/* Copies of the open shards by hash key; returned owned. */
static struct shard *sorted_open(const struct reshard_draft *draft)
{
    struct shard *open = mem_alloc((isize)draft->open_count * (isize)sizeof *open);
    i32 count = 0;
    for (i32 i = 0; i < draft->count; i++) {
        if (draft->shards[i].closed_ms == 0) {
            open[count++] = draft->shards[i];
        }
    }
    CHECK(count == draft->open_count);
    qsort(open, (size_t)count, sizeof *open, shard_cmp);
    return open;
}

void stream__scale_plan(struct reshard_draft *draft, i32 target)
{
    struct shard_map *wanted = stream__map_uniform(target, 0);
    i32 open_count = draft->open_count;
    struct shard *open = sorted_open(draft);
    struct plan plan = {.draft = draft, .bounds = wanted->open_first};
    plan.pieces = mem_alloc((isize)(open_count + target) * (isize)sizeof *plan.pieces);
    for (i32 i = 0; i < open_count; i++) {
        i32 low = bound_after(plan.bounds, target, open[i].hash_first);
        i32 high = bound_after(plan.bounds, target, open[i].hash_last);
        split_at(&plan, (struct piece){open[i].hash_first, open[i].index}, low, high);
    }
    for (i32 from = 0; from < plan.count;) {
        i32 next = bound_after(plan.bounds, target, plan.pieces[from].first);
        i32 to = from + 1;
        while (to < plan.count && (next == target || plan.pieces[to].first < plan.bounds[next])) {
            to++;
        }
        (void)merge_all(&plan, from, to);
        from = to;
    }
    CHECK(draft->open_count == target);
    mem_free(plan.pieces);
    mem_free(open);
    stream__map_free(wanted);
}
