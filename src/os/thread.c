/* os/thread.c: POSIX threads under leat's names, and the pool of blocking workers. */
#include "os/thread.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

enum { POOL_IDLE_MS = 10000, STACK_BYTES = 1 << 20 };

void os_mutex_init(struct os_mutex *mutex)
{
    CHECK(pthread_mutex_init(&mutex->handle, NULL) == 0);
}

void os_mutex_deinit(struct os_mutex *mutex)
{
    CHECK(pthread_mutex_destroy(&mutex->handle) == 0);
}

void os_mutex_lock(struct os_mutex *mutex)
{
    CHECK(pthread_mutex_lock(&mutex->handle) == 0);
}

bool os_mutex_try_lock(struct os_mutex *mutex)
{
    return pthread_mutex_trylock(&mutex->handle) == 0;
}

void os_mutex_unlock(struct os_mutex *mutex)
{
    CHECK(pthread_mutex_unlock(&mutex->handle) == 0);
}

void os_cond_init(struct os_cond *cond)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&cond->handle, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
}

void os_cond_deinit(struct os_cond *cond)
{
    CHECK(pthread_cond_destroy(&cond->handle) == 0);
}

void os_cond_wait(struct os_cond *cond, struct os_mutex *mutex)
{
    CHECK(pthread_cond_wait(&cond->handle, &mutex->handle) == 0);
}

bool os_cond_wait_ms(struct os_cond *cond, struct os_mutex *mutex, u32 timeout_ms)
{
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int result = pthread_cond_timedwait(&cond->handle, &mutex->handle, &until);
    CHECK(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

void os_cond_signal(struct os_cond *cond)
{
    CHECK(pthread_cond_signal(&cond->handle) == 0);
}

void os_cond_broadcast(struct os_cond *cond)
{
    CHECK(pthread_cond_broadcast(&cond->handle) == 0);
}

void os_rwlock_init(struct os_rwlock *lock)
{
    CHECK(pthread_rwlock_init(&lock->handle, NULL) == 0);
}

void os_rwlock_deinit(struct os_rwlock *lock)
{
    CHECK(pthread_rwlock_destroy(&lock->handle) == 0);
}

void os_rwlock_read(struct os_rwlock *lock)
{
    CHECK(pthread_rwlock_rdlock(&lock->handle) == 0);
}

void os_rwlock_write(struct os_rwlock *lock)
{
    CHECK(pthread_rwlock_wrlock(&lock->handle) == 0);
}

void os_rwlock_unlock(struct os_rwlock *lock)
{
    CHECK(pthread_rwlock_unlock(&lock->handle) == 0);
}

/* --- threads -------------------------------------------------------------------------------------
 */

struct start {
    void (*run)(void *ctx);
    void *ctx;
};

static void *thread_main(void *data)
{
    struct start start = *(struct start *)data;
    mem_free(data);
    start.run(start.ctx);
    return NULL;
}

/* False when the system has no room for one more. */
static bool thread_try(struct os_thread *thread, const char *name, void (*run)(void *ctx),
                       void *ctx)
{
    struct start *start = NEW(struct start);
    *start = (struct start){run, ctx};
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
#ifndef LEAT_DEBUG
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
#endif
    bool is_started = pthread_create(&thread->handle, &attributes, thread_main, start) == 0;
    CHECK(pthread_attr_destroy(&attributes) == 0);
    if (!is_started) {
        mem_free(start);
        return false;
    }
    IGNORE(pthread_setname_np(thread->handle, name)); /* A name over 15 bytes is only not shown. */
    return true;
}

void os_thread_start(struct os_thread *thread, const char *name, void (*run)(void *ctx), void *ctx)
{
    CHECK(thread_try(thread, name, run, ctx));
}

void os_thread_yield(void)
{
    (void)sched_yield();
}

void os_thread_join(struct os_thread *thread)
{
    CHECK(pthread_join(thread->handle, NULL) == 0);
}

/* --- pool ----------------------------------------------------------------------------------------
 */

struct task {
    void (*run)(void *ctx);
    void *ctx;
};

struct os_pool {
    struct os_mutex lock; /* Guards all below. */
    struct os_cond has_work;
    struct os_cond is_empty; /* A thread ended. */
    struct task *queue;      /* Ring. */
    int queue_max, first, count;
    int threads, threads_max, idle;
    bool is_stopping;
    char name[16];
};

/* Takes a task; false when the thread should end. Called and returns with the lock held. */
static bool pool_take(struct os_pool *pool, struct task *out)
{
    while (pool->count == 0) {
        if (pool->is_stopping) {
            return false;
        }
        pool->idle++;
        bool woken = os_cond_wait_ms(&pool->has_work, &pool->lock, POOL_IDLE_MS);
        pool->idle--;
        if (!woken && pool->count == 0) {
            return false;
        }
    }
    *out = pool->queue[pool->first];
    pool->first = (pool->first + 1) % pool->queue_max;
    pool->count--;
    return true;
}

static void pool_main(void *ctx)
{
    struct os_pool *pool = ctx;
    struct task task;
    os_mutex_lock(&pool->lock);
    while (pool_take(pool, &task)) {
        os_mutex_unlock(&pool->lock);
        task.run(task.ctx);
        os_mutex_lock(&pool->lock);
    }
    pool->threads--;
    os_cond_broadcast(&pool->is_empty);
    os_mutex_unlock(&pool->lock);
}

struct os_pool *os_pool_new(const char *name, int threads_max, int queue_max)
{
    CHECK(threads_max > 0);
    CHECK(queue_max > 0);
    struct os_pool *pool = NEW(struct os_pool);
    os_mutex_init(&pool->lock);
    os_cond_init(&pool->has_work);
    os_cond_init(&pool->is_empty);
    pool->queue = mem_alloc(queue_max * (isize)sizeof(struct task));
    pool->queue_max = queue_max;
    pool->threads_max = threads_max;
    for (int i = 0; i < 15 && name[i] != '\0'; i++) {
        pool->name[i] = name[i];
    }
    return pool;
}

/* One thread more; called with the lock held. */
static bool pool_grow(struct os_pool *pool)
{
    struct os_thread thread;
    if (!thread_try(&thread, pool->name, pool_main, pool)) {
        return false;
    }
    pool->threads++;
    CHECK(pthread_detach(thread.handle) == 0);
    return true;
}

err os_pool_submit(struct os_pool *pool, void (*run)(void *ctx), void *ctx)
{
    os_mutex_lock(&pool->lock);
    CHECK(!pool->is_stopping);
    if (pool->count == pool->queue_max) {
        os_mutex_unlock(&pool->lock);
        return ERR_LIMIT;
    }
    pool->queue[(pool->first + pool->count) % pool->queue_max] = (struct task){run, ctx};
    pool->count++;
    bool is_wanted = pool->idle < pool->count && pool->threads < pool->threads_max;
    if (is_wanted && !pool_grow(pool) && pool->threads == 0) {
        pool->count--; /* Nobody would ever take it. */
        os_mutex_unlock(&pool->lock);
        return ERR_LIMIT;
    }
    os_cond_signal(&pool->has_work);
    os_mutex_unlock(&pool->lock);
    return OK;
}

void os_pool_free(struct os_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    os_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    os_cond_broadcast(&pool->has_work);
    while (pool->threads > 0) {
        os_cond_wait(&pool->is_empty, &pool->lock);
    }
    os_mutex_unlock(&pool->lock);
    os_cond_deinit(&pool->has_work);
    os_cond_deinit(&pool->is_empty);
    os_mutex_deinit(&pool->lock);
    mem_free(pool->queue);
    mem_free(pool);
}
