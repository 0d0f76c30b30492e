/* tests/unit/log/log_test_util.h: a temporary directory and records that can be recognised. */
#ifndef LOG_TEST_UTIL_H
#define LOG_TEST_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "log/log.h"
#include "os/sim.h"

struct test_dir {
    char path[64];
};

static inline bool test_unlink_each(void *ctx, const char *name)
{
    const char *dir = ctx;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    struct os_stat stat;
    if (os_stat_path(os_real(), path, &stat) == OK && stat.kind == OS_DIR) {
        IGNORE(os_list(os_real(), path, test_unlink_each, path));
        IGNORE(os_rmdir(os_real(), path));
    } else {
        IGNORE(os_unlink(os_real(), path));
    }
    return true;
}

static inline void test_dir_make(struct test_dir *dir)
{
    const char *root = getenv("TMPDIR");
    int len =
        snprintf(dir->path, sizeof dir->path, "%s/leat-log-XXXXXX", root != NULL ? root : "/tmp");
    assert_true(len < (int)sizeof dir->path);
    assert_non_null(mkdtemp(dir->path));
}

static inline void test_dir_remove(struct test_dir *dir)
{
    IGNORE(os_list(os_real(), dir->path, test_unlink_each, dir->path));
    IGNORE(os_rmdir(os_real(), dir->path));
}

static inline struct log *test_open(struct os *os, const char *dir, u64 segment_bytes)
{
    struct log_options options = {.dir = dir, .segment_bytes = segment_bytes, .reserve_bytes = 1};
    struct diag diag;
    diag_init(&diag);
    struct log *log = NULL;
    err e = log_open(os, &options, &log, &diag);
    if (e != OK) {
        print_error("log_open: %s: %s\n", err_name(e), diag.message);
    }
    assert_int_equal(e, OK);
    return log;
}

/* A record of `bytes` whose content follows from its id. */
static inline void test_add(struct log_batch *batch, struct log_channel channel, u64 id,
                            isize bytes)
{
    u8 *out = log_batch_reserve(batch, channel, bytes);
    assert_non_null(out);
    for (isize i = 0; i < bytes; i++) {
        out[i] = (u8)(id * 31 + (u64)i);
    }
    if (bytes >= 8) {
        put_u64(out, id);
    }
}

static inline u64 test_id(str body)
{
    assert_true(body.len >= 8);
    u64 id = get_u64(body.data);
    for (isize i = 8; i < body.len; i++) {
        assert_int_equal(body.data[i], (u8)(id * 31 + (u64)i));
    }
    return id;
}

static inline u64 test_put(struct log *log, struct log_channel channel, u64 id, isize bytes)
{
    struct log_batch *batch = log_batch_new();
    test_add(batch, channel, id, bytes);
    assert_int_equal(log_commit(log, batch), OK);
    u64 no = log_batch_record_no(batch, 0);
    log_batch_free(batch);
    return no;
}

/* The channel's records, whose ids count from 0: none is lost, twice or out of order. */
static inline void assert_ids_below(struct log *log, struct log_channel channel, u64 count)
{
    u64 found = 0;
    struct log_frame *frame;
    for (u64 lsn = 0; log_frame_after(log, lsn, &frame) == OK;) {
        struct log_run run;
        struct log_record record;
        lsn = log_frame_lsn(frame);
        bool has_any = log_frame_find(frame, channel, &run);
        while (has_any && log_run_next(&run, &record)) {
            assert_int_equal(test_id(record.body), found++);
        }
        log_frame_unref(frame);
    }
    assert_int_equal(found, count);
}

#endif
