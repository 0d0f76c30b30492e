/* Consumers in the catalog: limits, changes on their way, restart, restatement. */
#include "stream_fixture.h"

#include "base/buf.h"
#include "os/thread.h"

/* Several changes that are waited for together. */
struct results {
    struct os_mutex mutex;
    struct os_cond cond;
    i32 running;
    i32 failed;
};

static void results_init(struct results *results)
{
    *results = (struct results){0};
    os_mutex_init(&results->mutex);
    os_cond_init(&results->cond);
}

static void on_done(void *ctx, err e)
{
    struct results *results = ctx;
    os_mutex_lock(&results->mutex);
    results->running--;
    results->failed += e != OK;
    os_cond_signal(&results->cond);
    os_mutex_unlock(&results->mutex);
}

/* Counts a change that is about to begin, so that its end may come first. */
static void expect(struct results *results, i32 by)
{
    os_mutex_lock(&results->mutex);
    results->running += by;
    os_mutex_unlock(&results->mutex);
}

static void wait_all(struct results *results)
{
    os_mutex_lock(&results->mutex);
    while (results->running > 0) {
        os_cond_wait(&results->cond, &results->mutex);
    }
    assert_int_equal(results->failed, 0);
    os_mutex_unlock(&results->mutex);
    os_cond_deinit(&results->cond);
    os_mutex_deinit(&results->mutex);
}

static err begin(struct results *results, struct stream *stream, const char *name, i32 most,
                 i32 creating)
{
    struct stream_tag tag = {STR("of"), str_of(name)};
    struct stream_consumer_spec spec = {
        .name = str_of(name),
        .tags = &tag,
        .tag_count = 1,
        .consumers_max = most,
        .creating_max = creating,
        .creating_since_ms = INT64_MAX,
    };
    i64 created_ms = 0;
    expect(results, 1);
    err e = stream_consumer_register(stream, &spec, &created_ms, on_done, results);
    if (e != OK) {
        expect(results, -1);
    }
    return e;
}

static err add(struct stream *stream, const char *name, i32 most, i32 creating)
{
    struct results results;
    results_init(&results);
    err e = begin(&results, stream, name, most, creating);
    wait_all(&results);
    return e;
}

static err drop(struct stream *stream, const char *name)
{
    struct results results;
    results_init(&results);
    expect(&results, 1);
    err e = stream_consumer_deregister(stream, str_of(name), on_done, &results);
    if (e != OK) {
        expect(&results, -1);
    }
    wait_all(&results);
    return e;
}

static void a_name_and_a_place_are_taken_while_on_their_way(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "busy", 1);
    struct results results;
    results_init(&results);
    i32 begun = 0, taken = 0, full = 0;
    /* The first may be durable before the second begins: each outcome must be right either way. */
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i / 2);
        err e = begin(&results, stream, name, 4, 100);
        begun += e == OK;
        taken += e == ERR_EXISTS;
        full += e == ERR_LIMIT;
    }
    wait_all(&results);
    assert_int_equal(begun, 4);
    assert_int_equal(taken, 4);
    assert_int_equal(full, 32);
    assert_int_equal(stream_consumer_count(stream), 4);
    stream_unref(stream);
}

static void few_may_be_new_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "new", 1);
    struct stream_consumer_spec spec = {.name = STR("late"), .consumers_max = 9, .creating_max = 2};
    assert_int_equal(add(stream, "a", 9, 2), OK);
    assert_int_equal(add(stream, "b", 9, 2), OK);
    i64 created_ms = 0;
    spec.creating_since_ms = 0; /* Both count. */
    assert_int_equal(stream_consumer_register(stream, &spec, &created_ms, on_done, NULL),
                     ERR_AGAIN);
    assert_int_equal(add(stream, "c", 9, 2), OK);
    assert_int_equal(add(stream, "no name", 9, 2), ERR_RANGE);
    assert_int_equal(add(stream, "", 9, 2), ERR_RANGE);
    stream_unref(stream);
}

static void a_stream_in_use_stays(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "used", 1);
    assert_int_equal(add(stream, "a", 9, 9), OK);
    assert_int_equal(stream_delete_unused(stream, on_done, NULL), ERR_IN_USE);
    u32 version = stream_consumer_version(stream);
    assert_int_equal(drop(stream, "a"), OK);
    assert_int_not_equal(stream_consumer_version(stream), version);
    assert_int_equal(drop(stream, "a"), ERR_NOT_FOUND);
    struct results results;
    results_init(&results);
    expect(&results, 1);
    assert_int_equal(stream_delete_unused(stream, on_done, &results), OK);
    wait_all(&results);
    stream_unref(stream);
    assert_null(streams_find(fixture->streams, id_of("used")));
}

static void count_wake(void *ctx)
{
    __atomic_add_fetch((i32 *)ctx, 1, __ATOMIC_SEQ_CST);
}

static void deregistration_wakes_readers(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "waited", 1);
    assert_int_equal(add(stream, "a", 9, 9), OK);
    i32 wakes = 0;
    (void)stream_wait(stream, 0, stream_pos_latest(stream, 0), count_wake, &wakes);
    assert_int_equal(add(stream, "b", 9, 9), OK);
    assert_int_equal(__atomic_load_n(&wakes, __ATOMIC_SEQ_CST), 0);
    assert_int_equal(drop(stream, "a"), OK);
    assert_int_equal(__atomic_load_n(&wakes, __ATOMIC_SEQ_CST), 1);
    stream_unref(stream);
}

static void check_kept(struct fixture *fixture)
{
    struct stream *stream = streams_find(fixture->streams, id_of("kept"));
    assert_non_null(stream);
    struct arena arena = {0};
    struct stream_consumer *list = NULL;
    isize count = 0;
    stream_consumer_list(stream, &arena, &list, &count);
    assert_int_equal(count, 2);
    assert_true(str_eq(list[0].name, STR("a")));
    assert_true(str_eq(list[1].name, STR("c")));
    struct stream_tag *tags = NULL;
    stream_consumer_get_tags(stream, STR("c"), &arena, &tags, &count);
    assert_int_equal(count, 1);
    assert_true(str_eq(tags[0].key, STR("more")));
    arena_deinit(&arena);
    stream_unref(stream);
}

/* First bytes of the catalog records after the newest secret: what a restatement wrote. */
static isize read_kinds(struct fixture *fixture, u8 *kinds, isize most)
{
    const struct log_channel catalog = {0, LOG_CONTROL_STREAMS};
    isize count = 0;
    u64 next = 1;
    struct log_frame *frame = NULL;
    while (log_frame_seek(fixture->log, catalog, next, &frame) == OK) {
        struct log_run run;
        struct log_record record;
        assert_true(log_frame_find(frame, catalog, &run));
        log_run_skip(&run, next);
        while (log_run_next(&run, &record)) {
            next = record.no + 1;
            count = record.body.data[0] == 1 ? 0 : count;
            if (count < most) {
                kinds[count++] = record.body.data[0];
            }
        }
        log_frame_unref(frame);
    }
    return count;
}

static void consumers_survive_restart_and_restatement(void **state)
{
    struct fixture *fixture = *state;
    struct stream *stream = make_stream(fixture, "kept", 1);
    assert_int_equal(add(stream, "c", 9, 9), OK);
    assert_int_equal(add(stream, "b", 9, 9), OK);
    assert_int_equal(add(stream, "a", 9, 9), OK);
    assert_int_equal(drop(stream, "b"), OK);
    struct stream_tag more = {STR("more"), STR("1")};
    str gone = STR("of");
    struct results results;
    results_init(&results);
    expect(&results, 1);
    assert_int_equal(
        stream_consumer_set_tags(stream, STR("c"), &more, 1, &gone, 1, on_done, &results), OK);
    wait_all(&results);
    stream_unref(stream);
    fixture_reopen(fixture);
    check_kept(fixture);
    for (int i = 0; i < 12; i++) {
        struct stream *wide = make_stream(fixture, "wide", 1000);
        assert_int_equal(stream_delete_wait(wide), OK);
        stream_unref(wide);
    }
    u8 kinds[64];
    isize count = read_kinds(fixture, kinds, sizeof kinds);
    /* Secret, numbers, the stream, its two consumers. */
    const u8 wanted[] = {1, 2, 3, 12, 12};
    assert_true(count >= (isize)sizeof wanted);
    assert_memory_equal(kinds, wanted, sizeof wanted);
    fixture_reopen(fixture);
    check_kept(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_and_a_place_are_taken_while_on_their_way,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(few_may_be_new_at_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_stream_in_use_stays, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(deregistration_wakes_readers, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(consumers_survive_restart_and_restatement, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
