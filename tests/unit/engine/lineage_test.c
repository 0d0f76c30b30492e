/* tests/unit/engine/lineage_test.c: a stream is resharded while a job with event time reads it: the
 * watermark neither runs ahead of the children nor waits for shards that are over. */
#include "engine_fixture.h"

#include "base/hash.h"

#define SOURCE                                                      \
    "'connector'='kinesis','stream'='in','aws.region'='us-east-1'," \
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json')"
#define SINK "'connector'='kinesis','stream'='out','aws.region'='us-east-1','format'='json')"

static const char sql[] =
    "SET 'table.exec.source.idle-timeout' = '1 h';"
    "CREATE TABLE t (v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (" SOURCE
    ";CREATE TABLE o (w TIMESTAMP(3), n BIGINT, s INT) WITH (" SINK
    ";INSERT INTO o SELECT window_start, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE t, "
    "DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end";

static struct stream *input(struct fixture *f)
{
    struct stream *stream = streams_find(f->streams, fixture_id(STR("in")));
    assert_non_null(stream);
    return stream;
}

static void split(struct fixture *f, u32 shard)
{
    struct stream_shard info;
    struct stream *stream = input(f);
    assert_true(stream_find_shard(stream, shard, &info));
    u128 middle = info.hash_first + (info.hash_last - info.hash_first) / 2;
    assert_int_equal(stream_split_wait(stream, shard, middle), OK);
    stream_unref(stream);
}

static void merge(struct fixture *f, u32 lower, u32 upper)
{
    struct stream *stream = input(f);
    assert_int_equal(stream_merge_wait(stream, lower, upper), OK);
    stream_unref(stream);
}

static void scale(struct fixture *f, i32 target)
{
    struct stream *stream = input(f);
    assert_int_equal(stream_scale_wait(stream, target), OK);
    stream_unref(stream);
}

static void put(struct fixture *f, u32 shard, int v, const char *clock)
{
    char text[80];
    snprintf(text, sizeof text, "{\"v\":%d,\"ts\":\"2026-01-01 %s\"}", v, clock);
    str data = str_of(text);
    fixture_put(f, STR("in"), shard, &data, 1);
}

/* Rows of every open shard, so that the watermark can pass. */
static void put_all_open(struct fixture *f, const char *clock)
{
    struct stream *stream = input(f);
    struct stream_shard shard;
    for (i32 i = 0; stream_get_shard(stream, i, &shard); i++) {
        if (shard.closed_ms == 0) {
            put(f, shard.index, 0, clock);
        }
    }
    stream_unref(stream);
}

static void check(struct fixture *f, const char *const *expected, isize count)
{
    struct arena arena = {0};
    assert_int_equal(fixture_wait(f, STR("out"), count), count);
    struct fixture_rows rows = fixture_read(f, STR("out"), &arena);
    for (isize i = 0; i < count && rows.items != NULL; i++) {
        char text[256];
        str_copy_cstr(rows.items[i], text, (isize)sizeof text);
        assert_string_equal(text, expected[i]);
    }
    arena_deinit(&arena);
    assert_int_equal(fixture_job(f, 0)->counters.late_rows, 0);
    assert_int_equal(fixture_job(f, 0)->state, ENGINE_RUNNING);
}

static void interrupt(struct fixture *f, bool is_interrupted)
{
    if (is_interrupted) {
        fixture_close(f);
        fixture_open(f);
    }
}

static void run(bool is_interrupted)
{
    struct fixture f;
    fixture_make(&f);
    fixture_stream(&f, STR("in"), 2);
    fixture_stream(&f, STR("out"), 1);
    if (fixture_sql(&f, str_of(sql)) != OK) {
        fail_msg("%s", f.diag.message);
    }
    put(&f, 0, 1, "00:00:01");
    put(&f, 1, 1, "00:05:00"); /* Far ahead. */
    interrupt(&f, is_interrupted);
    split(&f, 0); /* 2 and 3: still at 1 s. */
    put(&f, 3, 2, "00:00:20");
    put(&f, 2, 4, "00:00:02"); /* Late, had the watermark been let go. */
    interrupt(&f, is_interrupted);
    merge(&f, 2, 3); /* 4: at 2 s. */
    put(&f, 4, 8, "00:00:03");
    scale(&f, 4);
    interrupt(&f, is_interrupted);
    put_all_open(&f, "00:00:30"); /* What is closed is waited for no longer. */
    static const char *const expected[] = {
        "{\"w\":\"2026-01-01 00:00:00\",\"n\":3,\"s\":13}",
        "{\"w\":\"2026-01-01 00:00:20\",\"n\":1,\"s\":2}",
        "{\"w\":\"2026-01-01 00:00:30\",\"n\":4,\"s\":0}",
    };
    check(&f, expected, 2);
    put_all_open(&f, "00:04:00");
    check(&f, expected, 3);
    fixture_remove(&f);
}

static void test_children_hold_the_watermark(void **state)
{
    (void)state;
    run(false);
}

static void test_a_snapshot_keeps_the_lineage(void **state)
{
    (void)state;
    run(true);
}

/* A job that begins at a log full of reshards knows only the shards of the end. */
static void test_old_shards_are_passed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    fixture_stream(&f, STR("in"), 1);
    fixture_stream(&f, STR("out"), 1);
    put(&f, 0, 1, "00:00:01");
    split(&f, 0);
    put(&f, 1, 1, "00:00:02");
    merge(&f, 1, 2);
    scale(&f, 2);
    put_all_open(&f, "00:00:05");
    put_all_open(&f, "00:00:15");
    if (fixture_sql(&f, str_of(sql)) != OK) {
        fail_msg("%s", f.diag.message);
    }
    static const char *const expected[] = {"{\"w\":\"2026-01-01 00:00:00\",\"n\":4,\"s\":2}"};
    check(&f, expected, 1);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_children_hold_the_watermark),
        cmocka_unit_test(test_a_snapshot_keeps_the_lineage),
        cmocka_unit_test(test_old_shards_are_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
