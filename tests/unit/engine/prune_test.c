/* tests/unit/engine/prune_test.c: jobs that have ended do not count towards those that may run, and
 * the oldest of too many are forgotten, durably and with all they had. */
#include "engine_fixture.h"

enum { JOBS = ENGINE_ENDED_MAX + 20 };

static const char tables[] =
    "CREATE TABLE t (k INT) WITH ('connector'='kinesis','stream'='in','aws.region'='us-east-1',"
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json');"
    "CREATE TABLE o (k INT) WITH ('connector'='kinesis','stream'='out','aws.region'='us-east-1',"
    "'format'='json');"
    "CREATE TABLE p (k INT) WITH ('connector'='blackhole');";

static void wait_ended(struct fixture *f)
{
    for (int waited = 0; waited < FIXTURE_WAIT_MS; waited += FIXTURE_POLL_MS) {
        os_mutex_lock(&f->engine->lock);
        isize running = engine__jobs_running(f->engine);
        os_mutex_unlock(&f->engine->lock);
        if (running <= 1) {
            return;
        }
        os_sleep_ms(f->os, FIXTURE_POLL_MS);
    }
    fail_msg("the jobs do not end");
}

static void values(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(fixture_sql(f, STR("INSERT INTO o VALUES (1);")), OK);
        wait_ended(f);
    }
}

static void test_prune(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    fixture_stream(&f, STR("in"), 1);
    fixture_stream(&f, STR("out"), 1);
    assert_int_equal(fixture_sql(&f, str_of(tables)), OK);
    assert_int_equal(fixture_sql(&f, STR("INSERT INTO p SELECT k FROM t;")), OK);
    values(&f, JOBS);
    assert_int_equal(f.engine->job_count, ENGINE_ENDED_MAX + 2); /* The last was added running. */
    assert_string_equal(f.engine->jobs->id_text, "job-1");       /* It runs, and stays. */
    assert_int_equal(f.engine->jobs->next->id, JOBS + 1 - ENGINE_ENDED_MAX);
    assert_true(engine__job_is_known(f.engine, 1));
    assert_false(engine__job_is_known(f.engine, 3));
    fixture_close(&f);
    fixture_open(&f);
    assert_string_equal(f.engine->jobs->id_text, "job-1");
    assert_int_equal(f.engine->jobs->state, ENGINE_RUNNING);
    values(&f, 1);
    assert_int_equal(f.engine->job_count, ENGINE_ENDED_MAX + 2);
    assert_int_equal(f.engine->next_job, JOBS + 3);
    assert_int_equal(fixture_wait(&f, STR("out"), JOBS + 1), JOBS + 1);
    fixture_remove(&f);
}

/* --restart takes the newest that was stopped, and goes on where it stood. */
static void test_restart_of_a_stopped_job(void **state)
{
    (void)state;
    struct fixture f;
    struct engine_options options = {.mode = ENGINE_RESTART};
    struct engine_result result = {.columns = NULL};
    struct arena arena = {0};
    const str insert = STR("INSERT INTO o SELECT k FROM t");
    fixture_make(&f);
    fixture_stream(&f, STR("in"), 1);
    fixture_stream(&f, STR("out"), 1);
    assert_int_equal(fixture_sql(&f, str_of(tables)), OK);
    assert_int_equal(fixture_sql(&f, insert), OK);
    str row = STR("{\"k\":1}");
    fixture_put(&f, STR("in"), 0, &row, 1);
    assert_int_equal(fixture_wait(&f, STR("out"), 1), 1);
    assert_int_equal(engine_job_stop(f.engine, STR("job-1"), &f.diag), OK);
    fixture_put(&f, STR("in"), 0, &row, 1);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(engine_execute(f.session, insert, &options, &arena, &result, &f.diag), OK);
    assert_true(result.replaced);
    assert_int_equal(fixture_wait(&f, STR("out"), 2), 2);
    os_sleep_ms(f.os, 50);
    assert_int_equal(fixture_wait(&f, STR("out"), 0), 2); /* Once each. */
    /* It was replaced and is over: nothing but the new one can be restarted. */
    result = (struct engine_result){.columns = NULL};
    assert_int_equal(engine_execute(f.session, insert, &options, &arena, &result, &f.diag), OK);
    assert_int_equal(fixture_job(&f, 1)->state, ENGINE_STOPPED);
    assert_int_equal(fixture_job(&f, 2)->state, ENGINE_RUNNING);
    arena_deinit(&arena);
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prune),
        cmocka_unit_test(test_restart_of_a_stopped_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
