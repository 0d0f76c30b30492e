/*
 * os/quiet.h: readers without locks of something that is replaced now and then. A reader
 * looks between begin and end; who has put something new in place of the old waits
 * until every thread that may still look at the old one has come to its end, and frees
 * it then. Reading costs two stores to a variable of the thread; waiting a system
 * call and a look at each thread.
 *
 *     os_quiet_begin();                          atomic store of the new pointer
 *     p = atomic load; ... look at *p ...        if (os_quiet_wait()) free the old one
 *     os_quiet_end();
 *
 * Sections may be nested, and last for microseconds: nothing in them blocks or takes
 * a lock. Any thread; os_quiet_wait never inside a section.
 */
#ifndef OS_QUIET_H
#define OS_QUIET_H

#include "base/base.h"

struct os_quiet {
    i32 depth; /* Atomic; the thread's own, read by those who wait. */
    bool is_known;
    struct os_quiet *next;
};
extern _Thread_local struct os_quiet os_quiet_self __attribute__((tls_model("initial-exec")));
void os_quiet_join(void); /* The thread's first section. */

/* The race detector knows atomics, not membarrier. */
#if defined(__SANITIZE_THREAD__)
#define OS_QUIET_ORDER __ATOMIC_SEQ_CST
#else
#define OS_QUIET_ORDER __ATOMIC_RELAXED
#endif

static inline void os_quiet_begin(void)
{
    if (UNLIKELY(!os_quiet_self.is_known)) {
        os_quiet_join();
    }
    __atomic_store_n(&os_quiet_self.depth, os_quiet_self.depth + 1, OS_QUIET_ORDER);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* The rest is done by the one who waits. */
}

static inline void os_quiet_end(void)
{
    __atomic_store_n(&os_quiet_self.depth, os_quiet_self.depth - 1, __ATOMIC_RELEASE);
}

/* Every section that had begun has ended. False: the kernel does not offer what this needs, and
 * nothing may be freed. */
MUST_USE bool os_quiet_wait(void);

#endif
