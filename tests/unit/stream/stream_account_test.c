/* Commitments of accounts and the warm throughput of streams: rules, restart, restatement. */
#include "stream_result.h"

#include "stream/stream_int.h"

enum { HOUR_MS = 3600 * 1000 };

static const str account = {(const u8 *)"000000000000", 12};
static const str region = {(const u8 *)"us-east-1", 9};

static struct stream_commitment get(struct fixture *fixture)
{
    struct stream_commitment now;
    streams_get_commitment(fixture->streams, account, region, &now);
    return now;
}

/* What is answered is what is kept. */
static struct stream_commitment set(struct fixture *fixture, bool is_wanted)
{
    struct stream_commitment said;
    struct result result;
    result_init(&result);
    assert_int_equal(wait_done(&result, streams_set_commitment(fixture->streams, account, region,
                                                               is_wanted, &said, on_done, &result)),
                     OK);
    struct stream_commitment kept = get(fixture);
    assert_int_equal(kept.started_ms, said.started_ms);
    assert_int_equal(kept.ended_ms, said.ended_ms);
    return said;
}

static void sleep_h(int hours)
{
    skew_us += (i64)hours * HOUR_MS * 1000;
}

static void a_commitment_lasts_for_a_day(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(get(fixture).started_ms, 0);
    assert_int_equal(set(fixture, false).started_ms, 0);
    i64 first_ms = set(fixture, true).started_ms;
    assert_true(first_ms > 0);
    sleep_h(23);
    assert_int_equal(set(fixture, true).started_ms, first_ms);
    assert_int_equal(set(fixture, false).ended_ms, first_ms + 24 * HOUR_MS);
    assert_int_equal(set(fixture, true).ended_ms, 0);
    assert_int_equal(set(fixture, false).ended_ms, first_ms + 24 * HOUR_MS);
    sleep_h(2); /* It is over: another begins, and ends when it is told to after its day. */
    i64 second_ms = set(fixture, true).started_ms;
    assert_true(second_ms >= first_ms + 25 * HOUR_MS);
    sleep_h(30);
    struct stream_commitment ended = set(fixture, false);
    assert_int_equal(ended.started_ms, second_ms);
    assert_true(ended.ended_ms >= second_ms + 30 * HOUR_MS);
    assert_true(ended.ended_ms < second_ms + 31 * HOUR_MS);
    fixture_reopen(fixture);
    assert_int_equal(get(fixture).ended_ms, ended.ended_ms);
}

static void all_are_forgotten(void **state)
{
    struct fixture *fixture = *state;
    (void)set(fixture, true);
    struct result result;
    result_init(&result);
    assert_int_equal(
        wait_done(&result, streams_forget_commitments(fixture->streams, on_done, &result)), OK);
    assert_int_equal(get(fixture).started_ms, 0);
    fixture_reopen(fixture);
    assert_int_equal(get(fixture).started_ms, 0);
}

static err warm_wait(struct stream *stream, i32 mibps, bool switches_mode)
{
    struct result result;
    result_init(&result);
    return wait_done(&result, stream_set_warm(stream, mibps, switches_mode, on_done, &result));
}

static void check_warm(struct fixture *fixture, const char *name, i32 mibps, i32 shards)
{
    struct stream *stream = streams_find(fixture->streams, id_of(name));
    assert_non_null(stream);
    struct stream_info info;
    stream_get_info(stream, &info);
    stream_unref(stream);
    assert_int_equal(info.mode, STREAM_ON_DEMAND);
    assert_int_equal(info.warm_mibps, mibps);
    assert_int_equal(info.open_shard_count, shards);
}

/* The mode, the shards and the number come together, also out of a catalog that was restated. */
static void warm_throughput_survives_a_restatement(void **state)
{
    struct fixture *fixture = *state;
    struct stream_spec spec = {
        .id = id_of("made"), .mode = STREAM_ON_DEMAND, .shard_count = 6, .warm_mibps = 6};
    assert_int_equal(stream_create_wait(fixture->streams, &spec), OK);
    struct stream *turned = make_stream(fixture, "turned", 2);
    assert_int_equal(warm_wait(turned, 9, false), ERR_UNSUPPORTED);
    assert_int_equal(warm_wait(turned, STREAM_WARM_MIBPS_MAX + 1, true), ERR_RANGE);
    assert_int_equal(warm_wait(turned, 9, true), OK);
    i64 started_ms = set(fixture, true).started_ms;
    for (int i = 0; i < 12; i++) {
        struct stream *wide = make_stream(fixture, "wide", 1000);
        assert_int_equal(stream_delete_wait(wide), OK);
        stream_unref(wide);
    }
    check_warm(fixture, "made", 6, 6);
    check_warm(fixture, "turned", 9, 9);
    stream_unref(turned);
    fixture_reopen(fixture);
    check_warm(fixture, "made", 6, 6);
    check_warm(fixture, "turned", 9, 9);
    assert_int_equal(get(fixture).started_ms, started_ms);
}

static void refuses_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct stream_spec spec = {.id = id_of("x"), .shard_count = 1, .warm_mibps = 1};
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE); /* Provisioned. */
    spec.mode = STREAM_ON_DEMAND;
    spec.warm_mibps = STREAM_WARM_MIBPS_MAX + 1;
    assert_int_equal(stream_create_wait(fixture->streams, &spec), ERR_RANGE);
    struct stream_commitment said;
    assert_int_equal(
        streams_set_commitment(fixture->streams, STR("1"), region, true, &said, on_done, NULL),
        ERR_RANGE);
}

static void damaged_entries_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct catalog_frame frame = {.end_no = 100, .arrival_ms = 1800000000000};
    const char entry[] = "\x0a\x0c"
                         "111122223333"
                         "\x09"
                         "us-east-1"
                         "\x05\x06";
    const isize bytes = (isize)sizeof entry - 1;
    for (isize cut = 0; cut < bytes; cut++) {
        assert_int_equal(stream__apply(fixture->streams, str_from((const u8 *)entry, cut), frame),
                         ERR_CORRUPT);
    }
    assert_int_equal(stream__apply(fixture->streams, str_from((const u8 *)entry, bytes), frame),
                     OK);
    struct stream_commitment kept;
    streams_get_commitment(fixture->streams, STR("111122223333"), region, &kept);
    assert_int_equal(kept.started_ms, 5);
    assert_int_equal(kept.ended_ms, 6);
    struct stream *stream = make_stream(fixture, "alpha", 1);
    const u8 too_warm[] = {ENTRY_SETTING, 1, 5, 0x91, 0x4e}; /* 10,001 */
    const u8 unknown[] = {ENTRY_SETTING, 1, 6, 0};
    assert_int_equal(stream__apply(fixture->streams, str_from(too_warm, sizeof too_warm), frame),
                     ERR_CORRUPT);
    assert_int_equal(stream__apply(fixture->streams, str_from(unknown, sizeof unknown), frame),
                     ERR_CORRUPT);
    stream_unref(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commitment_lasts_for_a_day, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(all_are_forgotten, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(warm_throughput_survives_a_restatement, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(damaged_entries_are_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_wrong, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
