/* tests/unit/engine/restate_test.c: the catalog, the jobs and their positions outlive the records
 * that first said so, and a damaged snapshot is no wrong result. */
#include "engine_fixture.h"

#include <string.h>

static const char tables[] =
    "CREATE TABLE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH "
    "('connector'='kinesis','stream'='in','aws.region'='us-east-1',"
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json');"
    "CREATE TABLE o (k INT, n BIGINT) WITH "
    "('connector'='kinesis','stream'='out','aws.region'='us-east-1','format'='json');"
    "CREATE TABLE p (k INT) WITH "
    "('connector'='kinesis','stream'='plain','aws.region'='us-east-1','format'='json');"
    "CREATE VIEW v AS SELECT k FROM t WHERE k > 0;";
static const char window[] =
    "INSERT INTO o SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;";

static void begin(struct fixture *f)
{
    fixture_make(f);
    fixture_stream(f, STR("in"), 1);
    fixture_stream(f, STR("out"), 1);
    fixture_stream(f, STR("plain"), 1);
    assert_int_equal(fixture_sql(f, str_of(tables)), OK);
}

/* One row at this second; a window's row count is what fires. */
static void row(struct fixture *f, int second)
{
    char text[100];
    snprintf(text, sizeof text, "{\"k\":1,\"ts\":\"2026-01-01 %02d:%02d:%02d\"}", second / 3600,
             second / 60 % 60, second % 60);
    str data = str_of(text);
    fixture_put(f, STR("in"), 0, &data, 1);
}

static void wait_idle(struct fixture *f, isize job)
{
    struct engine_job *one = fixture_job(f, job);
    CHECK(one != NULL);
    for (int waited = 0; waited < FIXTURE_WAIT_MS; waited += FIXTURE_POLL_MS) {
        if (__atomic_load_n(&one->position, __ATOMIC_RELAXED) >= log_tip(f->log)) {
            return;
        }
        os_sleep_ms(f->os, FIXTURE_POLL_MS);
    }
    fail_msg("the job does not catch up: %s", one->reason);
}

static u64 journal_records(struct fixture *f, u64 *first_out)
{
    struct log_channel channel = {0, LOG_CONTROL_JOURNAL};
    struct log_frame *frame;
    u64 count = 0, next = 0;
    *first_out = 0;
    while (log_frame_seek(f->log, channel, next, &frame) == OK) {
        struct log_run run;
        struct log_record record;
        assert_true(log_frame_find(frame, channel, &run));
        while (log_run_next(&run, &record)) {
            *first_out = *first_out == 0 ? record.no : *first_out;
            next = record.no + 1;
            count++;
        }
        log_frame_unref(frame);
    }
    return count;
}

static void test_restated(void **state)
{
    (void)state;
    struct fixture f;
    setenv("LEAT_RESTATE_RECORDS", "40", 1);
    setenv("LEAT_SNAPSHOT_STEPS", "10", 1);
    setenv("LEAT_STEP_FRAMES", "1", 1);
    begin(&f);
    assert_int_equal(fixture_sql(&f, str_of(window)), OK);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO p SELECT k FROM v;")), OK);
    for (int i = 0; i < 600; i++) {
        row(&f, i);
    }
    assert_int_equal(fixture_wait(&f, STR("out"), 59), 59);
    assert_int_equal(fixture_wait(&f, STR("plain"), 600), 600);
    wait_idle(&f, 0);
    u64 first, count = journal_records(&f, &first);
    assert_int_equal(log_retain_now(f.log), OK);
    u64 later, left = journal_records(&f, &later);
    print_message("journal: %llu records, %llu after retention\n", (unsigned long long)count,
                  (unsigned long long)left);
    assert_true(left < count / 2 && later > first);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(f.engine->job_count, 2);
    assert_int_equal(f.engine->tables.count, 4);
    assert_int_equal(fixture_job(&f, 0)->counters.rows_in, 600); /* Restated with the positions. */
    assert_int_equal(fixture_job(&f, 1)->counters.rows_out, 600);
    row(&f, 700);
    assert_int_equal(fixture_wait(&f, STR("out"), 60), 60);
    assert_int_equal(fixture_wait(&f, STR("plain"), 601), 601);
    os_sleep_ms(f.os, 50);
    assert_int_equal(fixture_wait(&f, STR("out"), 0), 60);
    assert_int_equal(fixture_wait(&f, STR("plain"), 0), 601);
    fixture_remove(&f);
    unsetenv("LEAT_RESTATE_RECORDS");
}

/* --- damage ----------------------------------------------------------------------------------- */

struct newest {
    char name[80];
};

static bool newest_name(void *ctx, const char *name)
{
    struct newest *newest = ctx;
    if (str_ends(str_of(name), STR(".snapshot")) && strcmp(name, newest->name) > 0) {
        snprintf(newest->name, sizeof newest->name, "%s", name);
    }
    return true;
}

static void damage(struct fixture *f, u64 seed, bool is_all)
{
    char dir[200], path[300];
    snprintf(dir, sizeof dir, "%s/state/job-1", f->dir);
    struct newest newest = {""};
    assert_int_equal(os_list(f->os, dir, newest_name, &newest), OK);
    struct os_file *file;
    struct os_stat stat;
    snprintf(path, sizeof path, "%s/%s", dir, newest.name);
    assert_int_equal(os_open(f->os, path, OS_WRITE, &file), OK);
    assert_int_equal(os_stat_file(file, &stat), OK);
    u8 byte;
    u64 at = seed * 37 % stat.bytes;
    assert_int_equal(os_read_exact(file, at, &byte, 1), OK);
    byte ^= (u8)(1U << seed % 8);
    assert_int_equal(os_write_at(file, at, &byte, 1), OK);
    assert_int_equal(os_close(file), OK);
    if (is_all) {
        assert_int_equal(os_unlink(f->os, path), OK);
        damage(f, seed, false);
    }
}

static void test_damaged(void **state)
{
    (void)state;
    setenv("LEAT_SNAPSHOT_STEPS", "3", 1);
    setenv("LEAT_STEP_FRAMES", "1", 1);
    for (u64 seed = 0; seed < 12; seed++) {
        struct fixture f;
        setenv("LEAT_SNAPSHOT_PIECE_BYTES", seed % 3 == 0 ? "1" : "4000000", 1);
        begin(&f);
        assert_int_equal(fixture_sql(&f, str_of(window)), OK);
        for (int i = 0; i < 55; i++) {
            row(&f, i);
        }
        assert_int_equal(fixture_wait(&f, STR("out"), 5), 5);
        wait_idle(&f, 0);
        fixture_close(&f);
        bool is_all = seed % 4 == 3;
        damage(&f, seed, is_all);
        fixture_open(&f);
        row(&f, 70);
        if (is_all) {
            for (int w = 0; w < FIXTURE_WAIT_MS && fixture_job(&f, 0)->state == ENGINE_RUNNING;
                 w += FIXTURE_POLL_MS) {
                os_sleep_ms(f.os, FIXTURE_POLL_MS);
            }
            assert_int_equal(fixture_job(&f, 0)->state, ENGINE_FAILED);
            assert_true(str_find(str_of(fixture_job(&f, 0)->reason), STR("snapshot"), 0) >= 0);
            assert_int_equal(fixture_wait(&f, STR("out"), 0), 5);
        } else {
            struct arena arena = {0};
            assert_int_equal(fixture_wait(&f, STR("out"), 6), 6);
            struct fixture_rows rows = fixture_read(&f, STR("out"), &arena);
            CHECK(rows.count == 6 && rows.items != NULL);
            assert_true(str_eq(rows.items[5], STR("{\"k\":1,\"n\":5}")));
            arena_deinit(&arena);
        }
        fixture_remove(&f);
    }
    unsetenv("LEAT_SNAPSHOT_PIECE_BYTES");
}

static void wait_state(struct fixture *f)
{
    const struct engine_job *job = fixture_job(f, 0);
    for (int waited = 0; waited < FIXTURE_WAIT_MS; waited += FIXTURE_POLL_MS) {
        if (__atomic_load_n(&job->has_state, __ATOMIC_ACQUIRE)) {
            return;
        }
        os_sleep_ms(f->os, FIXTURE_POLL_MS);
    }
    fail_msg("the job does not recover: %s", job->reason);
}

static bool oldest_name(void *ctx, const char *name)
{
    struct newest *oldest = ctx;
    bool is_one = str_ends(str_of(name), STR(".snapshot"));
    if (is_one && (oldest->name[0] == '\0' || strcmp(name, oldest->name) < 0)) {
        snprintf(oldest->name, sizeof oldest->name, "%s", name);
    }
    return true;
}

/* Whoever went back to the older snapshot writes a good one, even when no input comes. */
static void test_damage_mended(void **state)
{
    (void)state;
    struct fixture f;
    setenv("LEAT_SNAPSHOT_STEPS", "3", 1);
    setenv("LEAT_STEP_FRAMES", "1", 1);
    begin(&f);
    assert_int_equal(fixture_sql(&f, str_of(window)), OK);
    for (int i = 0; i < 25; i++) {
        row(&f, i);
    }
    assert_int_equal(fixture_wait(&f, STR("out"), 2), 2);
    wait_idle(&f, 0);
    fixture_close(&f);
    damage(&f, 5, false);
    fixture_open(&f);
    wait_state(&f);
    fixture_close(&f);
    char path[300];
    struct newest oldest = {""};
    snprintf(path, sizeof path, "%s/state/job-1", f.dir);
    assert_int_equal(os_list(f.os, path, oldest_name, &oldest), OK);
    snprintf(path, sizeof path, "%s/state/job-1/%s", f.dir, oldest.name);
    assert_int_equal(os_unlink(f.os, path), OK);
    fixture_open(&f);
    wait_state(&f);
    row(&f, 40);
    assert_int_equal(fixture_wait(&f, STR("out"), 3), 3);
    assert_int_equal(fixture_job(&f, 0)->state, ENGINE_RUNNING);
    fixture_remove(&f);
}

/* An idle job lets retention take what only the older snapshot needs. When the newest is damaged
 * then, nothing wrong comes out: the job fails and says which input is missing. */
static void test_lost_input(void **state)
{
    (void)state;
    enum { FILL_BYTES = 20000, FILLS = 20 };
    static u8 filling[FILL_BYTES];
    str fill = {filling, FILL_BYTES};
    struct fixture f;
    setenv("LEAT_SNAPSHOT_STEPS", "3", 1);
    setenv("LEAT_STEP_FRAMES", "1", 1);
    begin(&f);
    assert_int_equal(fixture_sql(&f, STR("SET 'table.exec.source.idle-timeout' = '0';")), OK);
    assert_int_equal(fixture_sql(&f, str_of(window)), OK);
    for (int i = 0; i < 25; i++) {
        row(&f, i);
    }
    assert_int_equal(fixture_wait(&f, STR("out"), 2), 2);
    wait_idle(&f, 0);
    fixture_close(&f);
    fixture_open(&f); /* With a snapshot of the last step. */
    wait_state(&f);
    for (int i = 0; i < FILLS; i++) {
        fixture_put(&f, STR("plain"), 0, &fill, 1);
    }
    wait_idle(&f, 0);
    __atomic_store_n(&fixture_skew_us, 25 * 3600 * 1000000LL, __ATOMIC_RELAXED);
    assert_int_equal(log_retain_now(f.log), OK);
    fixture_close(&f);
    damage(&f, 5, false);
    fixture_open(&f);
    struct engine_job *job = fixture_job(&f, 0);
    for (int w = 0; w < FIXTURE_WAIT_MS && job->state == ENGINE_RUNNING; w += FIXTURE_POLL_MS) {
        os_sleep_ms(f.os, FIXTURE_POLL_MS);
    }
    assert_int_equal(job->state, ENGINE_FAILED);
    print_message("%s\n", job->reason);
    assert_true(str_find(str_of(job->reason), STR("snapshot is damaged"), 0) >= 0);
    assert_true(str_find(str_of(job->reason), STR("input is missing: step"), 0) >= 0);
    assert_true(str_find(str_of(job->reason), STR("in stream \"in\""), 0) >= 0);
    fixture_remove(&f);
    fixture_skew_us = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restated),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_damage_mended),
        cmocka_unit_test(test_lost_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
