/* tests/unit/engine/fire_test.c: a window with many keys fires over many steps, also when the
 * process stops in the middle; processing time; memory that is not there. */
#include "engine_fixture.h"

#include "base/hash.h"

#define SOURCE                                                      \
    "'connector'='kinesis','stream'='in','aws.region'='us-east-1'," \
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json')"
#define SINK "'connector'='kinesis','stream'='out','aws.region'='us-east-1','format'='json')"

static void begin(struct fixture *f, const char *sql)
{
    fixture_make(f);
    fixture_stream(f, STR("in"), 1);
    fixture_stream(f, STR("out"), 1);
    if (fixture_sql(f, str_of(sql)) != OK) {
        fail_msg("%s", f->diag.message);
    }
}

/* Rows with keys first to first + count - 1, as JSON arrays. */
static void feed_keys(struct fixture *f, int first, int count)
{
    enum { ROWS = 2000 };
    for (int at = first; at < first + count; at += ROWS) {
        struct buf text = {0};
        for (int i = at; i < MIN(at + ROWS, first + count); i++) {
            buf_printf(&text, "%s{\"k\":\"key number %d\",\"v\":%d,\"ts\":\"2026-01-01 00:00:01\"}",
                       i == at ? "[" : ",", i, i);
        }
        buf_append_byte(&text, ']');
        str data = buf_str(&text);
        fixture_put(f, STR("in"), 0, &data, 1);
        buf_deinit(&text);
    }
}

static u64 rows_hash(struct fixture *f, isize *count_out)
{
    struct arena arena = {0};
    struct fixture_rows rows = fixture_read(f, STR("out"), &arena);
    struct buf all = {0};
    for (isize i = 0; i < rows.count; i++) {
        buf_append(&all, rows.items[i]);
    }
    u64 hash = hash64(all.data, all.len, 0);
    *count_out = rows.count;
    buf_deinit(&all);
    arena_deinit(&arena);
    return hash;
}

static u64 fire(bool is_interrupted, u64 *steps_out)
{
    enum { KEYS = 120000 };
    struct fixture f;
    setenv("LEAT_SNAPSHOT_STEPS", is_interrupted ? "2" : "1000000", 1);
    begin(&f,
          "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (" SOURCE
          ";CREATE TABLE o (k STRING, n BIGINT, s INT, m STRING) WITH (" SINK
          ";INSERT INTO o SELECT k, COUNT(*), SUM(v), MAX(k) FROM TABLE(TUMBLE(TABLE t, "
          "DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end");
    feed_keys(&f, 0, KEYS);
    feed_keys(&f, 0, KEYS / 2);
    str end = STR("{\"k\":\"end\",\"v\":1,\"ts\":\"2026-01-01 00:00:15\"}");
    fixture_put(&f, STR("in"), 0, &end, 1);
    for (int i = 0; is_interrupted && i < 6; i++) {
        (void)fixture_wait(&f, STR("out"), 1 + i * 20000);
        fixture_close(&f);
        fixture_open(&f);
    }
    assert_int_equal(fixture_wait(&f, STR("out"), KEYS), KEYS);
    isize count;
    u64 hash = rows_hash(&f, &count);
    assert_int_equal(count, KEYS);
    *steps_out = fixture_job(&f, 0)->step;
    fixture_remove(&f);
    unsetenv("LEAT_SNAPSHOT_STEPS");
    return hash;
}

static void test_many_keys(void **state)
{
    (void)state;
    u64 steps, other;
    u64 hash = fire(false, &steps);
    assert_true(steps >= 3); /* More than 8 MB do not come out of one. */
    assert_true(fire(true, &other) == hash);
}

static void test_processing_time(void **state)
{
    (void)state;
    enum { ROWS = 40 };
    struct fixture f;
    begin(&f, "CREATE TABLE t (k STRING, p AS PROCTIME()) WITH (" SOURCE
              ";CREATE TABLE o (n BIGINT) WITH (" SINK
              ";INSERT INTO o SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, "
              "DESCRIPTOR(p), INTERVAL '0.05' SECOND)) GROUP BY window_start, window_end");
    for (int i = 0; i < ROWS; i++) {
        str data = STR("{\"k\":\"a\"}");
        fixture_put(&f, STR("in"), 0, &data, 1);
        os_sleep_ms(f.os, 5);
        if (i == ROWS / 2) {
            fixture_close(&f);
            fixture_open(&f);
        }
    }
    i64 sum = 0;
    isize windows = 0;
    for (int waited = 0; waited < FIXTURE_WAIT_MS && sum < ROWS; waited += FIXTURE_POLL_MS) {
        struct arena arena = {0};
        struct fixture_rows rows = fixture_read(&f, STR("out"), &arena);
        sum = 0;
        windows = rows.count;
        for (isize i = 0; i < rows.count; i++) {
            i64 n;
            str text = str_slice(rows.items[i], 5, rows.items[i].len - 1);
            assert_int_equal(str_to_i64(text, &n), OK);
            sum += n;
        }
        arena_deinit(&arena);
        os_sleep_ms(f.os, FIXTURE_POLL_MS);
    }
    assert_int_equal(sum, ROWS);
    assert_true(windows >= 2);
    fixture_remove(&f);
}

/* --restart: the job goes on with its open windows, and so it does after the next start. */
static void test_taken_over(void **state)
{
    (void)state;
    static const char insert[] =
        "INSERT INTO o SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' "
        "SECOND)) GROUP BY window_start, window_end";
    struct fixture f;
    begin(&f,
          "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (" SOURCE
          ";CREATE TABLE o (n BIGINT) WITH (" SINK);
    assert_int_equal(fixture_sql(&f, str_of(insert)), OK);
    feed_keys(&f, 0, 100);
    str end = STR("{\"k\":\"end\",\"v\":1,\"ts\":\"2026-01-01 00:00:25\"}");
    while (metric_load(&fixture_job(&f, 0)->counters.rows_in) < 100) {
        os_sleep_ms(f.os, FIXTURE_POLL_MS);
    }
    struct arena arena = {0};
    struct engine_options options = {.mode = ENGINE_RESTART};
    struct engine_result result = {.columns = NULL};
    assert_int_equal(engine_execute(f.session, str_of(insert), &options, &arena, &result, &f.diag),
                     OK);
    assert_true(result.replaced);
    fixture_close(&f);
    fixture_open(&f);
    feed_keys(&f, 0, 20);
    fixture_put(&f, STR("in"), 0, &end, 1);
    assert_int_equal(fixture_wait(&f, STR("out"), 1), 1);
    struct fixture_rows rows = fixture_read(&f, STR("out"), &arena);
    CHECK(rows.count == 1 && rows.items != NULL);
    assert_true(str_eq(rows.items[0], STR("{\"n\":120}")));
    assert_string_equal(fixture_job(&f, 1)->reason, "");
    arena_deinit(&arena);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_processing_time),
        cmocka_unit_test(test_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
