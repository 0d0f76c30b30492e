/* A log in a temporary directory with streams over it; for the tests of this folder. The wall clock
 * is the real one plus `skew_us`. */
#ifndef TESTS_STREAM_FIXTURE_H
#define TESTS_STREAM_FIXTURE_H

#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    struct os os;
    struct log *log;
    struct streams *streams;
};

static i64 skew_us;

static i64 skewed_wall_us(struct os *os)
{
    (void)os;
    return os_wall_us(os_real()) + skew_us;
}

static inline void fixture_open(struct fixture *fixture)
{
    static struct os_env env;
    env = *os_real()->env;
    env.wall_us = skewed_wall_us;
    fixture->os = *os_real();
    fixture->os.env = &env;
    struct diag diag;
    diag_init(&diag);
    struct log_options options = {.dir = fixture->dir, .durability = LOG_OS};
    assert_int_equal(log_open(&fixture->os, &options, &fixture->log, &diag), OK);
    assert_int_equal(streams_open(&fixture->os, fixture->log, &fixture->streams, &diag), OK);
}

static inline void fixture_close(struct fixture *fixture)
{
    streams_close(fixture->streams);
    log_close(fixture->log);
}

static inline void fixture_reopen(struct fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    skew_us = 0;
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/leat-stream-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", fixture->dir);
    int status = system(command); /* The name is our own. */
    free(fixture);
    return status;
}

static inline struct stream_id id_of(const char *name)
{
    return (struct stream_id){STR("000000000000"), STR("us-east-1"), str_of(name)};
}

static inline struct stream *make_stream(struct fixture *fixture, const char *name, i32 shards)
{
    struct stream_spec spec = {.id = id_of(name), .shard_count = shards};
    assert_int_equal(stream_create_wait(fixture->streams, &spec), OK);
    struct stream *stream = streams_find(fixture->streams, spec.id);
    assert_non_null(stream);
    return stream;
}

/* Puts one record durably; returns its shard. */
static inline u32 put_one(struct fixture *fixture, struct stream *stream, str key, str data)
{
    u32 shard = 0;
    struct log_batch *batch = log_batch_new();
    struct stream_record record = {.partition_key = key, .data = data};
    assert_int_equal(stream_batch_add(stream, batch, &record, &shard), OK);
    assert_int_equal(log_commit(fixture->log, batch), OK);
    log_batch_free(batch);
    return shard;
}

#endif
