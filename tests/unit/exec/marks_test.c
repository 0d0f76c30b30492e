/* tests/unit/exec/marks_test.c: watermarks of shards against a plain computation. */
#include "base/rng.h"
#include "exec/marks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SHARDS = 9, ROUNDS = 20000 };

static void test_against_model(void **state)
{
    (void)state;
    struct marks *marks = marks_new();
    i64 shard_mark[SHARDS], out = MARK_NONE, highest = MARK_NONE;
    bool is_idle[SHARDS] = {false};
    u64 seed = 3;
    for (u32 i = 0; i < SHARDS; i++) {
        shard_mark[i] = MARK_NONE;
        assert_int_equal(marks_shard(marks, i * 3), i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        isize at = (isize)(seed >> 33) % SHARDS;
        i64 time = (i64)(seed >> 40) % 1000 + round;
        if ((seed >> 20) % 4 == 0) {
            marks_set_idle(marks, at);
            is_idle[at] = true;
        } else {
            assert_true(marks_row(marks, at, time) == out);
            is_idle[at] = false;
            shard_mark[at] = MAX(shard_mark[at], time);
            highest = MAX(highest, time);
        }
        i64 lowest = INT64_MAX;
        bool all = true;
        for (isize i = 0; i < SHARDS; i++) {
            all = all && is_idle[i];
            lowest = is_idle[i] ? lowest : MIN(lowest, shard_mark[i]);
        }
        out = MAX(out, all ? highest : lowest);
        assert_true(marks_get(marks) == out);
        assert_int_equal(marks_all_idle(marks), all);
    }
    struct buf saved = {0}, again = {0};
    marks_save(marks, &saved);
    struct marks *other = marks_new();
    str in = buf_str(&saved);
    assert_int_equal(marks_load(other, &in), OK);
    marks_save(other, &again);
    assert_true(str_eq(buf_str(&saved), buf_str(&again)) && in.len == 0);
    for (isize cut = 0; cut < saved.len; cut++) {
        struct marks *broken = marks_new();
        in = str_slice(buf_str(&saved), 0, cut);
        assert_int_equal(marks_load(broken, &in), ERR_CORRUPT);
        marks_free(broken);
    }
    buf_deinit(&saved);
    buf_deinit(&again);
    marks_free(other);
    marks_free(marks);
}

static void test_new_shards_hold(void **state)
{
    (void)state;
    struct marks *marks = marks_new();
    isize first = marks_shard(marks, 0);
    (void)marks_row(marks, first, 100);
    assert_true(marks_get(marks) == 100);
    isize second = marks_shard(marks, 1);
    (void)marks_row(marks, first, 200); /* Held, but never back. */
    assert_true(marks_get(marks) == 100);
    marks_set_idle(marks, second);
    assert_true(marks_get(marks) == 200);
    assert_false(marks_all_idle(marks));
    marks_wake(marks, second);
    (void)marks_row(marks, first, 300);
    assert_true(marks_get(marks) == 200);
    marks_free(marks);
}

static void test_children_go_on_where_parents_stood(void **state)
{
    (void)state;
    struct marks *marks = marks_new();
    (void)marks_row(marks, marks_shard(marks, 0), 100);
    (void)marks_row(marks, marks_shard(marks, 1), 500);
    assert_true(marks_get(marks) == 100);
    /* A split of the shard that is behind: its children still hold the watermark. */
    assert_true(marks_inherit(marks, 2, 0, -1) && marks_inherit(marks, 3, 0, -1));
    assert_true(marks_drop(marks, 0));
    assert_false(marks_drop(marks, 0));
    assert_int_equal(marks_count(marks), 3);
    (void)marks_row(marks, marks_shard(marks, 2), 400);
    assert_true(marks_get(marks) == 100);
    (void)marks_row(marks, marks_shard(marks, 3), 300);
    assert_true(marks_get(marks) == 300);
    /* A merge is as far as the parent that is behind; an idle one does not count. */
    assert_true(marks_inherit(marks, 4, 1, 2));
    assert_true(marks_drop(marks, 1) && marks_drop(marks, 2));
    marks_set_idle(marks, marks_shard(marks, 3));
    assert_true(marks_get(marks) == 400);
    assert_true(marks_inherit(marks, 5, 3, 4));
    assert_true(marks_drop(marks, 3) && marks_drop(marks, 4));
    assert_false(marks_is_idle(marks, marks_shard(marks, 5)));
    marks_set_idle(marks, marks_shard(marks, 5));
    assert_true(marks_get(marks) == 500); /* The highest of any. */
    assert_true(marks_inherit(marks, 6, 5, -1) && marks_drop(marks, 5));
    assert_true(marks_all_idle(marks) && marks_count(marks) == 1);
    assert_false(marks_inherit(marks, 8, 7, -1));
    assert_int_equal(marks_count(marks), 1);
    marks_free(marks);
}

/* Many shards that come and go are found by their numbers. */
static void test_numbers_are_found(void **state)
{
    (void)state;
    enum { LIVE = 300, COUNT = 20000 };
    struct marks *marks = marks_new();
    u64 seed = 7;
    for (u32 n = 0; n < COUNT; n++) {
        isize at = marks_shard(marks, n);
        (void)marks_row(marks, at, 1000000 + (i64)n);
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        if (marks_count(marks) > LIVE) {
            isize victim = (isize)(seed >> 33) % marks_count(marks);
            u32 number = marks_shard_at(marks, victim);
            assert_true(marks_drop(marks, number));
            assert_false(marks_drop(marks, number));
        }
    }
    assert_int_equal(marks_count(marks), LIVE);
    for (isize at = 0; at < LIVE; at++) {
        assert_int_equal(marks_shard(marks, marks_shard_at(marks, at)), at);
    }
    assert_int_equal(marks_count(marks), LIVE);
    marks_free(marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_new_shards_hold),
        cmocka_unit_test(test_children_go_on_where_parents_stood),
        cmocka_unit_test(test_numbers_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
