/* Waiting for one change of the catalog; for the tests of this folder. */
#ifndef TESTS_STREAM_RESULT_H
#define TESTS_STREAM_RESULT_H

#include "stream_fixture.h"

#include "os/thread.h"

struct result {
    struct os_mutex mutex;
    struct os_cond cond;
    bool is_done;
    err e;
};

static inline void result_init(struct result *result)
{
    *result = (struct result){0};
    os_mutex_init(&result->mutex);
    os_cond_init(&result->cond);
}

static inline void on_done(void *ctx, err e)
{
    struct result *result = ctx;
    os_mutex_lock(&result->mutex);
    result->is_done = true;
    result->e = e;
    os_cond_signal(&result->cond);
    os_mutex_unlock(&result->mutex);
}

static inline err wait_done(struct result *result, err begun)
{
    if (begun == OK) {
        os_mutex_lock(&result->mutex);
        while (!result->is_done) {
            os_cond_wait(&result->cond, &result->mutex);
        }
        begun = result->e;
        os_mutex_unlock(&result->mutex);
    }
    os_cond_deinit(&result->cond);
    os_mutex_deinit(&result->mutex);
    return begun;
}

#endif
