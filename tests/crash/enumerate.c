/* tests/crash/enumerate.c: see enumerate.h. */
#include "enumerate.h"

#include "base/hash.h"
#include "base/rng.h"

enum { FILLS = 4, PENDING_MAX = 1 << 16 };
enum fill { FILL_OLD, FILL_GARBAGE, FILL_STALE, FILL_COPY };

/* --- the set of states --------------------------------------------------------------------------
 */

struct crash_seen {
    u64 *slots;
    u64 count, capacity;
};

struct crash_seen *crash_seen_new(void)
{
    struct crash_seen *seen = NEW(struct crash_seen);
    seen->capacity = 1 << 16;
    seen->slots = mem_zalloc((isize)seen->capacity * 8);
    return seen;
}

void crash_seen_free(struct crash_seen *seen)
{
    mem_free(seen->slots);
    mem_free(seen);
}

u64 crash_seen_count(const struct crash_seen *seen)
{
    return seen->count;
}

static bool seen_put(struct crash_seen *seen, u64 hash)
{
    hash |= hash == 0;
    u64 slot = hash & (seen->capacity - 1);
    while (seen->slots[slot] != 0) {
        if (seen->slots[slot] == hash) {
            return false;
        }
        slot = (slot + 1) & (seen->capacity - 1);
    }
    seen->slots[slot] = hash;
    seen->count++;
    return true;
}

static bool seen_add(struct crash_seen *seen, u64 hash)
{
    if (seen->count * 2 > seen->capacity) {
        struct crash_seen old = *seen;
        seen->capacity *= 2;
        seen->count = 0;
        seen->slots = mem_zalloc((isize)seen->capacity * 8);
        for (u64 i = 0; i < old.capacity; i++) {
            if (old.slots[i] != 0) {
                (void)seen_put(seen, old.slots[i]);
            }
        }
        mem_free(old.slots);
    }
    return seen_put(seen, hash);
}

/* --- one crash point ----------------------------------------------------------------------------
 */

struct point {
    const struct crash_run *run;
    struct sim *base; /* Everything durable at this point. */
    isize *pending;   /* Trace positions, ascending. */
    isize count;
    isize at;
    u64 marks; /* Passed so far. */
    struct rng rng;
    bool is_ok;
};

/* What may stand in a sector whose write did not arrive. */
static void fill_sector(const struct point *point, isize index, enum fill fill, u8 *out)
{
    const struct sim_op *lost = sim_trace_op(point->run->traced, index);
    memset(out, fill == FILL_GARBAGE ? 0xA5 : 0, SIM_SECTOR_BYTES);
    for (isize i = index - 1; i >= 0 && fill >= FILL_STALE; i--) {
        const struct sim_op *op = sim_trace_op(point->run->traced, i);
        bool is_other = op->kind == SIM_WRITE && op->bytes == lost->bytes &&
                        (op->inode != lost->inode) == (fill == FILL_STALE);
        bool is_aligned = fill == FILL_STALE ? op->offset == lost->offset
                                             : op->offset % 4096 == lost->offset % 4096 &&
                                                   op->offset < lost->offset;
        if (is_other && is_aligned) {
            memcpy(out, op->data, op->bytes);
            return;
        }
    }
}

static void judge(struct point *point, const u8 *kept, enum fill fill)
{
    if (!point->is_ok) {
        return;
    }
    struct sim *image = sim_clone(point->base);
    for (isize i = 0; i < point->count; i++) {
        const struct sim_op *op = sim_trace_op(point->run->traced, point->pending[i]);
        if (kept[i] != 0) {
            sim_apply(image, op);
        } else if (op->kind == SIM_WRITE && fill != FILL_OLD) {
            u8 sector[SIM_SECTOR_BYTES];
            fill_sector(point, point->pending[i], fill, sector);
            struct sim_op lost = *op;
            if (fill == FILL_GARBAGE) { /* The medium writes whole sectors: neighbours go too. */
                lost.offset -= lost.offset % SIM_SECTOR_BYTES;
                lost.bytes = SIM_SECTOR_BYTES;
            }
            sim_apply_garbage(image, &lost, sector);
        }
    }
    u64 key[2] = {sim_hash(image), point->marks};
    if (seen_add(point->run->seen, hash64(key, sizeof key, point->run->seed))) {
        point->is_ok = point->run->check(point->run->ctx, image, point->at);
    }
    sim_free(image);
}

static void judge_fills(struct point *point, const u8 *kept)
{
    for (int fill = 0; fill < FILLS; fill++) {
        judge(point, kept, (enum fill)fill);
    }
}

static void judge_all_subsets(struct point *point, u8 *kept)
{
    for (u64 mask = 0; mask < 1ULL << point->count; mask++) {
        for (isize i = 0; i < point->count; i++) {
            kept[i] = (u8)(mask >> i & 1);
        }
        judge_fills(point, kept);
    }
}

static void judge_sample(struct point *point, u8 *kept)
{
    size_t count = (size_t)point->count;
    for (isize i = 0; i <= point->count; i++) {
        memset(kept, 0, count); /* Prefixes, none and all among them. */
        memset(kept, 1, (size_t)i);
        judge_fills(point, kept);
        memset(kept, 1, count); /* Suffixes. */
        memset(kept, 0, (size_t)i);
        judge_fills(point, kept);
    }
    for (isize i = 0; i < point->count; i++) {
        memset(kept, 0, count); /* One alone. */
        kept[i] = 1;
        judge_fills(point, kept);
        memset(kept, 1, count); /* One dropped. */
        kept[i] = 0;
        judge_fills(point, kept);
    }
    for (int n = 0; n < point->run->random_count; n++) {
        u64 tenths = 1 + (u64)n % 9;
        for (isize i = 0; i < point->count; i++) {
            kept[i] = rng_below(&point->rng, 10) < tenths;
        }
        judge_fills(point, kept);
    }
}

static void judge_end(struct point *point, u8 *kept)
{
    judge(point, kept, FILL_OLD);
    for (int n = 0; n < point->run->random_count; n++) {
        for (isize i = 0; i < point->count; i++) {
            kept[i] = rng_below(&point->rng, 2) == 0;
        }
        judge(point, kept, FILL_OLD);
    }
}

static void judge_point(struct point *point)
{
    u8 *kept = mem_zalloc(point->count + 1);
    if (point->run->is_end_only) {
        judge_end(point, kept);
    } else if (point->count <= point->run->subsets_bits) {
        judge_all_subsets(point, kept);
    } else {
        judge_sample(point, kept);
    }
    mem_free(kept);
}

/* --- the trace
 * ------------------------------------------------------------------------------------ */

static bool is_covered(const struct sim_op *pending, const struct sim_op *sync)
{
    bool is_content = pending->kind == SIM_WRITE || pending->kind == SIM_SIZE;
    if (sync->kind == SIM_SYNC) {
        return is_content && pending->inode == sync->inode;
    }
    return !is_content && sim_has_same_directory(sync->name, pending->name);
}

static void make_durable(struct point *point, const struct sim_op *sync)
{
    isize left = 0;
    for (isize i = 0; i < point->count; i++) {
        const struct sim_op *op = sim_trace_op(point->run->traced, point->pending[i]);
        if (is_covered(op, sync)) {
            sim_apply(point->base, op);
        } else {
            point->pending[left++] = point->pending[i];
        }
    }
    point->count = left;
}

bool crash_enumerate(const struct crash_run *run)
{
    isize count = sim_trace_count(run->traced);
    struct point point = {.run = run,
                          .base = sim_clone(run->start),
                          .pending = mem_alloc((count + 1) * (isize)sizeof(isize)),
                          .is_ok = true};
    rng_init(&point.rng, run->seed);
    isize mark = 0;
    for (point.at = 0; point.at <= count && point.is_ok; point.at++) {
        const struct sim_op *op = point.at < count ? sim_trace_op(run->traced, point.at) : NULL;
        bool is_sync = op != NULL && (op->kind == SIM_SYNC || op->kind == SIM_SYNC_DIR);
        bool is_mark = mark < run->mark_count && run->marks[mark] <= point.at;
        while (mark < run->mark_count && run->marks[mark] <= point.at) {
            mark++;
            point.marks++;
        }
        if (op == NULL || ((is_sync || is_mark) && !run->is_end_only)) {
            judge_point(&point);
        }
        if (is_sync) {
            make_durable(&point, op);
        } else if (op != NULL) {
            point.pending[point.count++] = point.at;
        }
    }
    sim_free(point.base);
    mem_free(point.pending);
    return point.is_ok;
}
