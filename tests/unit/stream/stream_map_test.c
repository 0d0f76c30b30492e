/* tests/unit/stream/stream_map_test.c: the way from a hash key to its open shard, against a look at
 * each of them. */
#include "base/rng.h"
#include "stream/stream_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct shard *plain_find(const struct shard_map *map, u128 hash)
{
    const struct shard *found = NULL;
    for (i32 i = 0; i < map->count; i++) {
        const struct shard *shard = &map->shards[i];
        if (shard->closed_ms == 0 && shard->hash_first <= hash && hash <= shard->hash_last) {
            assert_null(found);
            found = shard;
        }
    }
    CHECK(found != NULL);
    return found;
}

static void check_hash(struct shard_map *map, u128 hash)
{
    struct stream stream = {.map = map};
    const struct shard *shard = plain_find(map, hash);
    u32 index = stream_route(&stream, hash);
    assert_int_equal(index, shard->index);
    assert_int_equal(stream__map_created_ms(map, index), shard->created_ms);
}

static u128 random_hash(struct rng *rng)
{
    return (u128)rng_next(rng) << 64 | rng_next(rng);
}

/* At the edges of some shards, where rounding would show, and anywhere. */
static void check_map(struct shard_map *map, struct rng *rng)
{
    i32 step = MAX(map->count / 100, 1);
    for (i32 i = 0; i < map->count; i += step) {
        const struct shard *shard = &map->shards[i];
        check_hash(map, shard->hash_first);
        check_hash(map, shard->hash_first + 1);
        check_hash(map, shard->hash_first - 1);
        check_hash(map, shard->hash_last);
        check_hash(map, shard->hash_last - 1);
        check_hash(map, random_hash(rng));
    }
    check_hash(map, 0);
    check_hash(map, ~(u128)0);
}

static void even_shards_are_found_by_arithmetic(void **state)
{
    (void)state;
    static const i32 counts[] = {1, 2, 3, 5, 7, 64, 100, 255, 1000, 9999, 10000};
    struct rng rng;
    rng_init(&rng, 1);
    for (isize i = 0; i < COUNT_OF(counts); i++) {
        struct shard_map *map = stream__map_uniform(counts[i], 1000);
        assert_true(map->is_even);
        check_map(map, &rng);
        stream__map_free(map);
    }
}

static void split_somewhere(struct reshard_draft *draft, struct rng *rng)
{
    const struct shard *shard = &draft->shards[rng_below(rng, (u64)draft->count)];
    u128 width = shard->hash_last - shard->hash_first;
    if (shard->closed_ms != 0 || width < 2) {
        return;
    }
    /* Often beside the edge: the upper halves of neighbours' first hash keys are then equal. */
    u128 at = rng_below(rng, 2) == 0 ? 1 + rng_below(rng, 3) : 1 + random_hash(rng) % width;
    u32 child;
    struct reshard_op op = {.shard = shard->index, .hash = shard->hash_first + MIN(at, width)};
    assert_int_equal(stream__draft_apply(draft, &op, &child), OK);
}

static void split_shards_are_found(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 2);
    for (i32 round = 0; round < 20; round++) {
        struct shard_map *map = stream__map_uniform(1 + round * 5, 1000);
        struct reshard_draft draft;
        stream__draft_init(&draft, map);
        draft.frame = (struct catalog_frame){.end_no = 7, .arrival_ms = 5000 + round};
        for (i32 i = 0; i < 40; i++) {
            split_somewhere(&draft, &rng);
        }
        struct shard_map *after = stream__map_new(draft.count);
        memcpy(after->shards, draft.shards, (size_t)draft.count * sizeof *draft.shards);
        assert_int_equal(stream__map_finish(after), OK);
        assert_false(after->is_even);
        check_map(after, &rng);
        stream__map_free(after);
        stream__draft_deinit(&draft);
        stream__map_free(map);
    }
}

/* What looks even but is not: one edge is off by one, or a shard is older than the others. */
static void nearly_even_shards_are_looked_up(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    for (int kind = 0; kind < 2; kind++) {
        struct shard_map *even = stream__map_uniform(100, 1000);
        struct shard_map *map = stream__map_new(100);
        memcpy(map->shards, even->shards, 100 * sizeof *map->shards);
        if (kind == 0) {
            map->shards[40].hash_last++;
            map->shards[41].hash_first++;
        } else {
            map->shards[41].created_ms = 900;
        }
        assert_int_equal(stream__map_finish(map), OK);
        assert_false(map->is_even);
        check_map(map, &rng);
        stream__map_free(map);
        stream__map_free(even);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_shards_are_found_by_arithmetic),
        cmocka_unit_test(split_shards_are_found),
        cmocka_unit_test(nearly_even_shards_are_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
