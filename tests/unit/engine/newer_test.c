/* Records of kinds that a newer leat may write: each reader refuses to start, by name. */
#include "engine_fixture.h"

#include "feed/replay.h"

static void append(struct fixture *f, u32 channel)
{
    static const u8 body[] = {200, 1, 2, 3};
    struct log_batch *batch = log_batch_new();
    struct log_channel control = {0, channel};
    assert_int_equal(log_batch_add(batch, control, str_from(body, sizeof body)), OK);
    assert_int_equal(log_commit(f->log, batch), OK);
    log_batch_free(batch);
}

static void is_refused(const struct diag *diag, const char *code, const char *what)
{
    assert_string_equal(diag->code, code);
    assert_non_null(strstr(diag->message, what));
    assert_non_null(strstr(diag->message, "was written by a newer leat"));
    assert_non_null(strstr(diag->message, "kind 200"));
    assert_non_null(strstr(diag->hint, "start the newer leat"));
}

static void the_catalog_of_streams(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    append(&f, LOG_CONTROL_STREAMS);
    engine_session_free(f.session);
    engine_close(f.engine);
    streams_close(f.streams);
    diag_init(&f.diag);
    assert_int_equal(streams_open(f.os, f.log, &f.streams, &f.diag), ERR_VERSION);
    is_refused(&f.diag, "STREAM02", "the catalog of streams");
    log_close(f.log);
}

static void what_the_engine_reads(void **state)
{
    (void)state;
    static const struct {
        u32 channel;
        const char *what;
    } cases[] = {
        {LOG_CONTROL_ENGINE, "the catalog of SQL"},
        {LOG_CONTROL_JOURNAL, "the journal of jobs"},
        {LOG_CONTROL_OUTBOX, "the journal of outboxes"},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        fixture_make(&f);
        append(&f, cases[i].channel);
        engine_session_free(f.session);
        engine_close(f.engine);
        diag_init(&f.diag);
        assert_int_equal(engine_open(f.os, f.streams, f.dir, &f.engine, &f.diag), ERR_VERSION);
        is_refused(&f.diag, "ENG002", cases[i].what);
        streams_close(f.streams);
        log_close(f.log);
    }
}

static void the_log_of_replays(void **state)
{
    (void)state;
    struct fixture f;
    struct replays *replays;
    fixture_make(&f);
    append(&f, LOG_CONTROL_FEED);
    struct replays_env env = {f.os, f.streams, STR_EMPTY, STR_EMPTY};
    diag_init(&f.diag);
    assert_int_equal(replays_open(&env, &replays, &f.diag), ERR_VERSION);
    is_refused(&f.diag, "FEED021", "the log of replays");
    fixture_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_catalog_of_streams),
        cmocka_unit_test(what_the_engine_reads),
        cmocka_unit_test(the_log_of_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
