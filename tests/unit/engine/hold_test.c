/* tests/unit/engine/hold_test.c: what holds input and journal back from retention, and for how
 * long: as long as it is needed, and no longer. */
#include "engine_fixture.h"

#include "engine/outbox.h"
#include "stream/stream_int.h"

#include <string.h>

static const char tables[] =
    "CREATE TABLE t (k INT) WITH ('connector'='kinesis','stream'='in','aws.region'='us-east-1',"
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json','on-error'='fail');"
    "CREATE TABLE raw (d BYTES) WITH ('connector'='kinesis','stream'='in',"
    "'aws.region'='us-east-1','scan.stream.initpos'='TRIM_HORIZON','format'='raw');"
    "CREATE TABLE files (d BYTES) WITH ('connector'='filesystem','path'='s3://b/x',"
    "'format'='raw');"
    "CREATE TABLE o (k INT) WITH ('connector'='kinesis','stream'='out','aws.region'='us-east-1',"
    "'format'='json');";

static void begin(struct fixture *f)
{
    fixture_make(f);
    fixture_stream(f, STR("in"), 1);
    fixture_stream(f, STR("out"), 1);
    assert_int_equal(fixture_sql(f, str_of(tables)), OK);
}

static void put(struct fixture *f, str data)
{
    fixture_put(f, STR("in"), 0, &data, 1);
}

static bool holds_nothing(struct fixture *f)
{
    for (int waited = 0; waited < FIXTURE_WAIT_MS; waited += FIXTURE_POLL_MS) {
        if (__atomic_load_n(&f->streams->hold_first_no, __ATOMIC_ACQUIRE) == UINT64_MAX) {
            return true;
        }
        os_sleep_ms(f->os, FIXTURE_POLL_MS);
    }
    return false;
}

static void test_failed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO o SELECT k FROM t;")), OK);
    put(&f, STR("{\"k\":1}"));
    assert_int_equal(fixture_wait(&f, STR("out"), 1), 1);
    assert_true(f.streams->hold_first_no != UINT64_MAX);
    put(&f, STR("{\"k\":"));
    assert_true(holds_nothing(&f));
    assert_int_equal(fixture_job(&f, 0)->state, ENGINE_FAILED);
    assert_int_equal(engine_job_stop(f.engine, STR("job-1"), &f.diag), OK);
    assert_int_equal(fixture_job(&f, 0)->state, ENGINE_FAILED);
    fixture_remove(&f);
}

static void test_drained(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO files SELECT d FROM raw;")), OK);
    assert_non_null(fixture_job(&f, 0)->sinks[0].outbox->source);
    assert_true(f.streams->hold_first_no != UINT64_MAX);
    assert_int_equal(engine_job_stop(f.engine, STR("job-1"), &f.diag), OK);
    assert_true(holds_nothing(&f));
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_job(&f, 0)->state, ENGINE_STOPPED);
    assert_true(holds_nothing(&f));
    fixture_remove(&f);
}

/* Between the engine's end and the log's, jobs hold nothing themselves. */
static void test_closed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO o SELECT k FROM t;")), OK);
    engine_session_free(f.session);
    engine_close(f.engine);
    assert_int_equal(f.streams->hold_first_no, 0);
    assert_int_equal(engine_open(f.os, f.streams, f.dir, &f.engine, &f.diag), OK);
    f.session = engine_session_new(f.engine, STR("000000000000"), STR("us-east-1"));
    fixture_remove(&f);
}

/* The outbox of a forgotten job is dead; that of one that may deliver again is not. */
static void test_forgotten(void **state)
{
    (void)state;
    struct fixture f;
    struct log_channel channel = {0, OUTBOX_CHANNEL_BASE + 1 * OUTBOX_SINKS_MAX};
    begin(&f);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO o SELECT k FROM t;")), OK);
    assert_true(engine__outbox_is_live(f.engine, channel, 1));
    assert_int_equal(engine_reset(f.engine), OK);
    assert_false(engine__outbox_is_live(f.engine, channel, 1));
    fixture_close(&f);
    fixture_open(&f);
    assert_false(engine__outbox_is_live(f.engine, channel, 1));
    fixture_remove(&f);
}

/* A step that is durable while its job has not noted it yet: the catalog is restated with the
 * position before it, so its own record has to stay. */
static void test_in_flight(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO o SELECT k FROM t;")), OK);
    put(&f, STR("{\"k\":1}"));
    assert_int_equal(fixture_wait(&f, STR("out"), 1), 1);
    struct engine_job *job = fixture_job(&f, 0);
    struct log_channel journal = {0, LOG_CONTROL_JOURNAL};
    bool is_noted = false;
    while (!is_noted) {
        os_mutex_lock(&job->lock);
        is_noted = job->step == 1 && job->flight_no == UINT64_MAX;
        os_mutex_unlock(&job->lock);
    }
    u64 step_no = log_channel_tip(f.log, journal) - 1;
    os_mutex_lock(&job->lock);
    job->flight_no = step_no;
    os_mutex_unlock(&job->lock);
    __atomic_store_n(&f.engine->journal_records, f.engine->restate_records, __ATOMIC_RELAXED);
    engine__restate_if_due(f.engine);
    assert_int_equal(f.engine->journal_records, 0);
    assert_true(engine__control_is_live(f.engine, journal, step_no));
    assert_false(engine__control_is_live(f.engine, journal, step_no - 1));
    fixture_remove(&f);
}

/* A job with state that never had any input keeps nobody's journal; nor does it after a restart. */
static void test_idle_state(void **state)
{
    (void)state;
    struct fixture f;
    struct log_channel journal = {0, LOG_CONTROL_JOURNAL};
    begin(&f);
    assert_int_equal(
        fixture_sql(&f, STR("SET 'table.exec.source.idle-timeout' = '1 h';"
                            "CREATE TABLE w (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH "
                            "('connector'='kinesis','stream'='out','aws.region'='us-east-1',"
                            "'format'='json');"
                            "INSERT INTO t SELECT k FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(ts), "
                            "INTERVAL '1' HOUR)) GROUP BY k, window_start, window_end;")),
        OK);
    assert_true(fixture_job(&f, 0)->is_stateful);
    for (int i = 0; i < 2; i++) {
        while (!__atomic_load_n(&fixture_job(&f, 0)->has_state, __ATOMIC_ACQUIRE)) {
            os_sleep_ms(f.os, FIXTURE_POLL_MS);
        }
        u64 tip = log_channel_tip(f.log, journal);
        __atomic_store_n(&f.engine->journal_records, f.engine->restate_records, __ATOMIC_RELAXED);
        engine__restate_if_due(f.engine);
        assert_false(engine__control_is_live(f.engine, journal, tip - 1));
        fixture_close(&f);
        fixture_open(&f);
    }
    fixture_remove(&f);
}

/* A job that replaces another begins no source earlier than that one did. */
static void test_replace(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    const char *sql = "INSERT INTO o SELECT k FROM t";
    struct engine_options options = {.mode = ENGINE_START};
    struct engine_result result = {.columns = NULL};
    struct arena arena = {0};
    assert_int_equal(engine_execute(f.session, str_of(sql), &options, &arena, &result, &f.diag),
                     OK);
    put(&f, STR("{\"k\":1}"));
    assert_int_equal(fixture_wait(&f, STR("out"), 1), 1);
    struct engine_job *job = fixture_job(&f, 0);
    engine__job_join(job);
    engine__job_go_on(job); /* As after a replacement that could not be written down. */
    put(&f, STR("{\"k\":2}"));
    assert_int_equal(fixture_wait(&f, STR("out"), 2), 2);
    job->sources[0].start_lsn = job->position + 100;
    options.mode = ENGINE_RESTART;
    assert_int_equal(engine_execute(f.session, str_of(sql), &options, &arena, &result, &f.diag),
                     OK);
    assert_true(result.replaced);
    assert_int_equal(fixture_job(&f, 1)->start_lsns[0], job->sources[0].start_lsn);
    assert_int_equal(job->state, ENGINE_STOPPED);
    arena_deinit(&arena);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed),     cmocka_unit_test(test_drained),
        cmocka_unit_test(test_closed),     cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_in_flight),  cmocka_unit_test(test_replace),
        cmocka_unit_test(test_idle_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
