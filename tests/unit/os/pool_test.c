/* The pool of threads when the system has no room for more of them. */
#include "os/thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int refused_from = -1; /* Threads that are started from this one on; -1: none. */
static int started;

/* In front of the library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *ctx)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (refused_from >= 0 && started >= refused_from) {
        return EAGAIN;
    }
    started++;
    return real(thread, attributes, run, ctx);
}

static int done; /* Atomic. */

static void count_one(void *ctx)
{
    (void)ctx;
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
}

static void none_can_be_made(void **state)
{
    (void)state;
    struct os_pool *pool = os_pool_new("test", 4, 8);
    started = done = 0;
    refused_from = 0;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(os_pool_submit(pool, count_one, NULL), ERR_LIMIT);
    }
    refused_from = -1; /* Nothing of that is left over, and the pool goes on. */
    assert_int_equal(os_pool_submit(pool, count_one, NULL), OK);
    os_pool_free(pool);
    assert_int_equal(done, 1);
}

/* What waits is done by those that are there. */
static void one_must_do_it_all(void **state)
{
    (void)state;
    struct os_pool *pool = os_pool_new("test", 4, 64);
    started = done = 0;
    refused_from = 1;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(os_pool_submit(pool, count_one, NULL), OK);
    }
    os_pool_free(pool);
    assert_int_equal(done, 50);
    assert_int_equal(started, 1);
    refused_from = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_can_be_made),
        cmocka_unit_test(one_must_do_it_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
