/* tests/unit/engine/query_test.c: a SELECT over sources outside the log ends with them, leaves no
 * hidden stream, and what a crash left of one is gone after the next start. */
#include "engine_fixture.h"

struct got {
    int rows;
    int rows_max;
};

static bool row(void *ctx, str values)
{
    struct got *got = ctx;
    assert_true(values.len > 2);
    got->rows++;
    return got->rows < got->rows_max;
}

static bool goes_on(void *ctx)
{
    (void)ctx;
    return true;
}

static bool count_hidden(void *ctx, struct stream *stream)
{
    (void)stream;
    ++*(int *)ctx;
    return true;
}

static int hidden(struct fixture *f)
{
    int count = 0;
    streams_each(f->streams, STR(STREAM_HIDDEN_ACCOUNT), STR_EMPTY, count_hidden, &count);
    return count;
}

static int select_rows(struct fixture *f, const char *sql, int rows_max)
{
    struct arena arena = {0};
    struct engine_options options = {.mode = ENGINE_START};
    struct engine_result result = {.columns = NULL};
    struct got got = {0, rows_max};
    diag_init(&f->diag);
    assert_int_equal(engine_execute(f->session, str_of(sql), &options, &arena, &result, &f->diag),
                     OK);
    assert_int_equal(result.kind, ENGINE_RESULT_QUERY);
    assert_int_equal(hidden(f), 1);
    struct engine_query_ops ops = {row, goes_on};
    assert_int_equal(engine_query_run(result.query, &ops, &got, &f->diag), OK);
    engine_query_free(result.query);
    arena_deinit(&arena);
    return got.rows;
}

static void test_sources(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    engine_set_endpoint(f.engine, "http://127.0.0.1:1", STR_EMPTY, STR_EMPTY);
    assert_int_equal(fixture_sql(&f, STR("CREATE TABLE b (i INT) WITH ('connector'='datagen',"
                                         "'rows-per-second'='100000','number-of-rows'='20000');"
                                         "CREATE TABLE u (i INT) WITH ('connector'='datagen',"
                                         "'rows-per-second'='100000');")),
                     OK);
    assert_int_equal(select_rows(&f, "SELECT i FROM b", 1 << 30), 20000);
    assert_int_equal(select_rows(&f, "SELECT i FROM u LIMIT 7", 1 << 30), 7);
    assert_int_equal(select_rows(&f, "SELECT i FROM u", 5), 5);
    assert_int_equal(hidden(&f), 0);
    /* What a crash in the middle of one leaves. */
    struct stream_spec spec = {
        .id = {STR(STREAM_HIDDEN_ACCOUNT), STR("us-east-1"), STR("query-1-source-0")},
        .shard_count = 1};
    assert_int_equal(stream_create_wait(f.streams, &spec), OK);
    spec.id.name = STR("job-1-source-0");
    assert_int_equal(stream_create_wait(f.streams, &spec), OK);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(hidden(&f), 1); /* Of jobs it stays. */
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sources)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
