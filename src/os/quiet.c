/*
 * os/quiet.c: readers without locks. A reader's store of its depth and its load of the
 * pointer are not ordered by itself: membarrier(2) makes every thread of the process
 * pass a full barrier. After it, a reader that loaded the old pointer shows a depth;
 * one that shows none will load the new pointer.
 */
#include "os/quiet.h"

#include "os/thread.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct os_quiet os_quiet_self __attribute__((tls_model("initial-exec")));

static struct os_mutex threads_lock = OS_MUTEX_INIT;
static struct os_quiet *threads; /* threads_lock; those that have read. */
static pthread_key_t leave_key;  /* Its destructor runs when a thread ends. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_offered; /* By the kernel; set once. */

static void leave(void *value)
{
    struct os_quiet *self = value;
    os_mutex_lock(&threads_lock);
    struct os_quiet **link = &threads;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    self->is_known = false;
    os_mutex_unlock(&threads_lock);
}

static void set_up(void)
{
    CHECK(pthread_key_create(&leave_key, leave) == 0);
    is_offered = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void os_quiet_join(void)
{
    CHECK(pthread_once(&once, set_up) == 0);
    CHECK(pthread_setspecific(leave_key, &os_quiet_self) == 0);
    os_mutex_lock(&threads_lock);
    os_quiet_self.next = threads;
    threads = &os_quiet_self;
    os_quiet_self.is_known = true;
    os_mutex_unlock(&threads_lock);
}

bool os_quiet_wait(void)
{
    CHECK(os_quiet_self.depth == 0);
    CHECK(pthread_once(&once, set_up) == 0);
    if (!is_offered || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        return false;
    }
    os_mutex_lock(&threads_lock); /* A thread that joins now loads the new pointer. */
    for (struct os_quiet *at = threads; at != NULL; at = at->next) {
        while (__atomic_load_n(&at->depth, __ATOMIC_SEQ_CST) != 0) {
            os_thread_yield();
        }
    }
    os_mutex_unlock(&threads_lock);
    return true;
}
