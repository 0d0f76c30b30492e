/* A whole engine in this process over a temporary directory, with small log segments. Nothing is
 * synced: no test here cuts the power, and on a busy disk a thousand syncs take minutes. */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include "engine/engine_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FIXTURE_WAIT_MS = 10000, FIXTURE_POLL_MS = 5 };

struct fixture {
    char dir[64];
    struct os *os;
    struct log *log;
    struct streams *streams;
    struct engine *engine;
    struct engine_session *session;
    struct diag diag;
};

static i64 fixture_skew_us; /* Atomic: added to the wall clock. */

static inline i64 fixture_wall_us(struct os *os)
{
    (void)os;
    return os_wall_us(os_real()) + __atomic_load_n(&fixture_skew_us, __ATOMIC_RELAXED);
}

static inline err fixture_sync(struct os_file *file)
{
    (void)file;
    return OK;
}

static inline err fixture_sync_dir(struct os *os, const char *path)
{
    (void)os;
    (void)path;
    return OK;
}

static inline struct os *fixture_os(void)
{
    static struct os os;
    static struct os_fs fs;
    static struct os_env env;
    fs = *os_real()->fs;
    fs.sync = fixture_sync;
    fs.sync_dir = fixture_sync_dir;
    env = *os_real()->env;
    env.wall_us = fixture_wall_us;
    os = *os_real();
    os.fs = &fs;
    os.env = &env;
    return &os;
}

static inline void fixture_open(struct fixture *f)
{
    char path[80];
    f->os = fixture_os();
    diag_init(&f->diag);
    snprintf(path, sizeof path, "%s/log", f->dir);
    struct log_options options = {.dir = path, .durability = LOG_OS, .segment_bytes = 1 << 16};
    assert_int_equal(log_open(f->os, &options, &f->log, &f->diag), OK);
    assert_int_equal(streams_open(f->os, f->log, &f->streams, &f->diag), OK);
    assert_int_equal(engine_open(f->os, f->streams, f->dir, &f->engine, &f->diag), OK);
    f->session = engine_session_new(f->engine, STR("000000000000"), STR("us-east-1"));
}

static inline void fixture_close(struct fixture *f)
{
    engine_session_free(f->session);
    engine_close(f->engine);
    streams_close(f->streams);
    log_close(f->log);
}

static inline void fixture_make(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/leat-engine-XXXXXX"};
    assert_non_null(mkdtemp(f->dir));
    fixture_open(f);
}

static inline void fixture_remove(struct fixture *f)
{
    char command[128];
    fixture_close(f);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0); /* The name is our own. */
}

static inline struct stream_id fixture_id(str name)
{
    return (struct stream_id){STR("000000000000"), STR("us-east-1"), name};
}

static inline void fixture_stream(struct fixture *f, str name, i32 shards)
{
    struct stream_spec spec = {.id = fixture_id(name), .shard_count = shards};
    assert_int_equal(stream_create_wait(f->streams, &spec), OK);
}

/* Every statement of the script; the first error ends it. */
static inline err fixture_sql(struct fixture *f, str script)
{
    struct arena arena = {0};
    struct sql_piece *pieces;
    isize count;
    err e = OK;
    engine_split(&arena, script, &pieces, &count);
    for (isize i = 0; i < count && e == OK; i++) {
        struct engine_options options = {.mode = ENGINE_AGAIN};
        struct engine_result result = {.columns = NULL};
        diag_init(&f->diag);
        e = engine_execute(f->session, pieces[i].text, &options, &arena, &result, &f->diag);
    }
    arena_deinit(&arena);
    return e;
}

/* Records into one shard, in one frame. */
static inline void fixture_put(struct fixture *f, str name, u32 shard, const str *data, isize count)
{
    struct stream *stream = streams_find(f->streams, fixture_id(name));
    struct stream_shard info;
    assert_non_null(stream);
    assert_true(stream_find_shard(stream, shard, &info));
    struct log_batch *batch = log_batch_new();
    for (isize i = 0; i < count; i++) {
        struct stream_record record = {.partition_key = STR("k"),
                                       .data = data[i],
                                       .has_explicit_hash = true,
                                       .explicit_hash = info.hash_first};
        assert_int_equal(stream_batch_add(stream, batch, &record, NULL), OK);
    }
    assert_int_equal(log_commit(f->log, batch), OK);
    log_batch_free(batch);
    stream_unref(stream);
}

/* Data of all records, shard by shard. */
struct fixture_rows {
    str *items;
    isize count;
};
static inline struct fixture_rows fixture_read(struct fixture *f, str name, struct arena *arena)
{
    struct fixture_rows rows = {NULL, 0};
    CHECK(f != NULL);
    struct stream *stream = streams_find(f->streams, fixture_id(name));
    struct stream_info info;
    assert_non_null(stream);
    stream_get_info(stream, &info);
    for (i32 s = 0; s < info.shard_count; s++) {
        struct stream_read_limits limits = {.rows_max = 10000, .bytes_max = 64 << 20};
        u64 next = 0;
        for (;;) {
            struct stream_page *page;
            i64 behind;
            assert_int_equal(stream_read(stream, (u32)s, next, &limits, &page, &next, &behind), OK);
            isize count = stream_page_count(page);
            struct stream_rows cursor;
            struct stream_row row;
            stream_page_begin(page, &cursor);
            while (stream_page_next(&cursor, &row)) {
                rows.items = arena_grow(arena, rows.items, rows.count, (isize)sizeof(str));
                rows.items[rows.count++] = arena_copy(arena, row.record.data);
            }
            stream_page_free(page);
            if (count == 0 && behind == 0) {
                break;
            }
        }
    }
    stream_unref(stream);
    return rows;
}

/* Waits until the stream has so many records. */
static inline isize fixture_wait(struct fixture *f, str name, isize count)
{
    isize got = 0;
    for (int waited = 0; waited < FIXTURE_WAIT_MS; waited += FIXTURE_POLL_MS) {
        struct arena arena = {0};
        got = fixture_read(f, name, &arena).count;
        arena_deinit(&arena);
        if (got >= count) {
            return got;
        }
        os_sleep_ms(f->os, FIXTURE_POLL_MS);
    }
    return got;
}

static inline struct engine_job *fixture_job(struct fixture *f, isize number)
{
    struct engine_job *job = f->engine->jobs;
    for (isize i = 0; i < number; i++) {
        CHECK(job != NULL);
        job = job->next;
    }
    return job;
}

#endif
