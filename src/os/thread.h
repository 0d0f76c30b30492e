/*
 * os/thread.h: threads, locks, and a pool of workers for blocking work. Thin
 * names over POSIX threads. Lock order, where two are held, is written beside
 * the field that the lock guards.
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include "base/base.h"

#include <pthread.h>

struct os_mutex {
    pthread_mutex_t handle;
};
struct os_cond {
    pthread_cond_t handle; /* On CLOCK_MONOTONIC. */
};
struct os_rwlock {
    pthread_rwlock_t handle;
};
struct os_thread {
    pthread_t handle;
};

#define OS_MUTEX_INIT             \
    {                             \
        PTHREAD_MUTEX_INITIALIZER \
    }

void os_mutex_init(struct os_mutex *mutex);
void os_mutex_deinit(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
bool os_mutex_try_lock(struct os_mutex *mutex); /* False: somebody holds it. */
void os_mutex_unlock(struct os_mutex *mutex);
void os_cond_init(struct os_cond *cond);
void os_cond_deinit(struct os_cond *cond);
void os_cond_wait(struct os_cond *cond, struct os_mutex *mutex);
/* False when `timeout_ms` passed without a signal. */
bool os_cond_wait_ms(struct os_cond *cond, struct os_mutex *mutex, u32 timeout_ms);
void os_cond_signal(struct os_cond *cond);
void os_cond_broadcast(struct os_cond *cond);
void os_rwlock_init(struct os_rwlock *lock);
void os_rwlock_deinit(struct os_rwlock *lock);
void os_rwlock_read(struct os_rwlock *lock);
void os_rwlock_write(struct os_rwlock *lock);
void os_rwlock_unlock(struct os_rwlock *lock);

/* `name` (at most 15 bytes) shows in ps -L and in traces. Aborts when no thread can be made. */
void os_thread_start(struct os_thread *thread, const char *name, void (*run)(void *ctx), void *ctx);
void os_thread_join(struct os_thread *thread);
/* Other threads that are ready to run on this CPU go first. */
void os_thread_yield(void);

/* A pool that starts threads on demand, up to `threads_max`, and ends them after 10 s without
 * work. Tasks beyond that wait in a queue of `queue_max`. */
struct os_pool;
struct os_pool *os_pool_new(const char *name, int threads_max, int queue_max);
/* ERR_LIMIT when the queue is full, or no thread is there and none can be made. `run` is called
 * once, on a pool thread. */
MUST_USE err os_pool_submit(struct os_pool *pool, void (*run)(void *ctx), void *ctx);
/* Runs what is queued, then ends the threads. */
void os_pool_free(struct os_pool *pool);

#endif
