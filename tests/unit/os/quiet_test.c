/* tests/unit/os/quiet_test.c: what readers look at is not freed under them. */
#include "os/quiet.h"

#include "os/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { READERS = 4, ROUNDS = 3000, ALIVE = 0x600d, WORDS = 8 };

struct thing {
    u64 words[WORDS];
};

static struct thing *current; /* Atomic. */
static int is_over;           /* Atomic. */

static struct thing *thing_new(void)
{
    struct thing *thing = malloc(sizeof *thing);
    assert_non_null(thing);
    for (int i = 0; i < WORDS; i++) {
        thing->words[i] = ALIVE;
    }
    return thing;
}

struct reader {
    struct os_thread thread;
    u64 looks; /* Atomic. */
    u64 bad;
};

static void look(void *ctx)
{
    struct reader *reader = ctx;
    while (__atomic_load_n(&is_over, __ATOMIC_ACQUIRE) == 0) {
        os_quiet_begin();
        const struct thing *thing = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
        os_quiet_begin(); /* Sections may be nested. */
        for (int i = 0; i < WORDS; i++) {
            reader->bad += thing->words[i] != ALIVE;
        }
        os_quiet_end();
        reader->bad += thing->words[0] != ALIVE;
        os_quiet_end();
        __atomic_add_fetch(&reader->looks, 1, __ATOMIC_RELAXED);
    }
}

static void test_readers_are_waited_for(void **state)
{
    (void)state;
    static struct reader readers[READERS];
    current = thing_new();
    for (int i = 0; i < READERS; i++) {
        os_thread_start(&readers[i].thread, "reader", look, &readers[i]);
    }
    for (int i = 0; i < READERS; i++) {
        while (__atomic_load_n(&readers[i].looks, __ATOMIC_RELAXED) == 0) {
            os_thread_yield();
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct thing *old = current;
        __atomic_store_n(&current, thing_new(), __ATOMIC_SEQ_CST);
        assert_true(os_quiet_wait());
        for (int i = 0; i < WORDS; i++) {
            old->words[i] = 0xdead;
        }
        free(old);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < READERS; i++) {
        os_thread_join(&readers[i].thread);
        assert_int_equal(readers[i].bad, 0);
    }
    assert_true(os_quiet_wait()); /* Threads that have ended are not waited for. */
    free(current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
