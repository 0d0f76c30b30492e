/* log/log_pool.c: the memory of frames is used again, and goes when nobody needs it. */
#include "log/log_int.h"
#include "log_test_util.h"

enum { SMALL = 20000, LARGE = 3 << 20 };

static void pool_open(struct log *log)
{
    *log = (struct log){.os = os_real()};
    os_mutex_init(&log->pool_lock);
}

static void pool_close(struct log *log)
{
    log__pool_free(log);
    os_mutex_deinit(&log->pool_lock);
}

static void frames_have_room_where_the_disk_takes_it(void **state)
{
    (void)state;
    static const isize sizes[] = {1, SMALL, LARGE, LOG_FRAME_BYTES_MAX};
    struct log log;
    pool_open(&log);
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        struct log_frame *frame = log__frame_new(&log, sizes[i]);
        assert_int_equal((uintptr_t)frame->data % LOG__BLOCK_BYTES, 0);
        assert_true(frame->capacity >= sizes[i]);
        memset(frame->data, 1, (size_t)sizes[i]);
        log_frame_unref(frame);
    }
    pool_close(&log);
}

static void what_was_given_is_taken_again(void **state)
{
    (void)state;
    struct log log;
    pool_open(&log);
    struct log_frame *small = log__frame_new(&log, SMALL);
    struct log_frame *large = log__frame_new(&log, LARGE);
    log_frame_unref(small);
    log_frame_unref(large);
    struct log_frame *again = log__frame_new(&log, LARGE - 1);
    assert_ptr_equal(again, large);
    struct log_frame *half = log__frame_new(&log, LARGE / 2);
    assert_ptr_not_equal(half, small); /* Only one of its size will do. */
    log_frame_unref(again);
    log_frame_unref(half);
    assert_int_equal(log.pool_count, 3);
    pool_close(&log);
}

/* Frames of one size that nobody asks for any more do not keep those of another size out. */
static void the_newest_stay(void **state)
{
    (void)state;
    struct log log;
    pool_open(&log);
    struct log_frame *frames[LOG__POOL_MAX];
    for (int i = 0; i < LOG__POOL_MAX; i++) {
        frames[i] = log__frame_new(&log, SMALL);
    }
    for (int i = 0; i < LOG__POOL_MAX; i++) {
        log_frame_unref(frames[i]);
    }
    struct log_frame *large = log__frame_new(&log, LARGE);
    log_frame_unref(large);
    assert_int_equal(log.pool_count, LOG__POOL_MAX);
    assert_ptr_equal(log__frame_new(&log, LARGE), large);
    struct log_frame *huge[3];
    for (int i = 0; i < 3; i++) {
        huge[i] = log__frame_new(&log, LOG__POOL_BYTES_MAX / 2);
    }
    for (int i = 0; i < 3; i++) {
        log_frame_unref(huge[i]);
        assert_true(log.pool_bytes <= LOG__POOL_BYTES_MAX);
    }
    assert_int_equal(log.pool_count, 2);
    log_frame_unref(large);
    pool_close(&log);
}

static void a_trim_frees_what_was_not_needed(void **state)
{
    (void)state;
    struct log log;
    pool_open(&log);
    struct log_frame *one = log__frame_new(&log, SMALL);
    struct log_frame *two = log__frame_new(&log, SMALL);
    log_frame_unref(one);
    log_frame_unref(two);
    log__pool_trim(&log);
    assert_int_equal(log.pool_count, 2); /* Both were needed before the first look. */
    two = log__frame_new(&log, SMALL);
    log_frame_unref(two);
    log__pool_trim(&log);
    assert_int_equal(log.pool_count, 1); /* One was enough. */
    assert_ptr_equal(log.pool[0], two);
    log__pool_trim(&log);
    assert_int_equal(log.pool_count, 0);
    assert_int_equal(log.pool_bytes, 0);
    pool_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_room_where_the_disk_takes_it),
        cmocka_unit_test(what_was_given_is_taken_again),
        cmocka_unit_test(the_newest_stay),
        cmocka_unit_test(a_trim_frees_what_was_not_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
