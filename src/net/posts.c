/* net/posts.c: what other threads, and a time, bring to an exchange on its loop. */
#include "net/http_int.h"

/* --- timers ----------------------------------------------------------------------------------- */

/* Keeps the list's reference. */
static void timer_unlink(struct http_exchange *x)
{
    struct http_loop *loop = x->loop;
    if (x->timer_previous != NULL) {
        x->timer_previous->timer_next = x->timer_next;
    } else {
        loop->timers = x->timer_next;
    }
    if (x->timer_next != NULL) {
        x->timer_next->timer_previous = x->timer_previous;
    } else {
        loop->timers_last = x->timer_previous;
    }
    x->timer_next = x->timer_previous = NULL;
    x->timer_at_ms = 0;
}

void http__timer_remove(struct http_exchange *x)
{
    timer_unlink(x);
    http__exchange_unref(x);
}

/* From the end: most timers are set for later than those before. */
static void timer_link(struct http_exchange *x)
{
    struct http_loop *loop = x->loop;
    struct http_exchange *before = loop->timers_last;
    while (before != NULL && before->timer_at_ms > x->timer_at_ms) {
        before = before->timer_previous;
    }
    x->timer_previous = before;
    x->timer_next = before == NULL ? loop->timers : before->timer_next;
    if (before != NULL) {
        before->timer_next = x;
    } else {
        loop->timers = x;
    }
    if (x->timer_next != NULL) {
        x->timer_next->timer_previous = x;
    } else {
        loop->timers_last = x;
    }
}

/* --- posts ------------------------------------------------------------------------------------ */

/* Wake-ups that this thread owes, between http_posts_hold and http_posts_release. */
static _Thread_local struct {
    bool is_held;
    int count;
    struct http_loop *loops[HTTP_LOOPS_MAX];
} held;

/* A loop does not end while someone is about to wake it: `posting` counts them. */
static void wake(struct http_loop *loop)
{
    http__loop_wake(loop);
    __atomic_sub_fetch(&loop->posting, 1, __ATOMIC_RELEASE);
}

void http_posts_hold(void)
{
    held.is_held = true;
}

void http_posts_release(void)
{
    for (int i = 0; i < held.count; i++) {
        wake(held.loops[i]);
    }
    held.count = 0;
    held.is_held = false;
}

void http_post(struct http_exchange *x, http_fn fn, void *ctx)
{
    bool is_own = !__atomic_exchange_n(&x->has_post, true, __ATOMIC_ACQUIRE);
    struct http_post *post = is_own ? &x->post : mem_alloc((isize)sizeof *post);
    *post = (struct http_post){NULL, x, fn, ctx};
    http__exchange_ref(x);
    struct http_loop *loop = x->loop;
    os_mutex_lock(&loop->lock);
    bool was_empty = loop->posts_first == NULL;
    if (was_empty) {
        loop->posts_first = post;
        __atomic_add_fetch(&loop->posting, 1, __ATOMIC_RELAXED);
    } else {
        loop->posts_last->next = post;
    }
    loop->posts_last = post;
    os_mutex_unlock(&loop->lock);
    if (was_empty && held.is_held && held.count < HTTP_LOOPS_MAX) {
        held.loops[held.count++] = loop;
    } else if (was_empty) {
        wake(loop);
    }
}

void http__run_posts(struct http_loop *loop)
{
    os_mutex_lock(&loop->lock);
    struct http_post *post = loop->posts_first;
    loop->posts_first = loop->posts_last = NULL;
    os_mutex_unlock(&loop->lock);
    while (post != NULL) {
        struct http_post now = *post;
        if (post == &now.x->post) {
            __atomic_store_n(&now.x->has_post, false, __ATOMIC_RELEASE);
        } else {
            mem_free(post);
        }
        now.fn(now.x, now.ctx);
        http__exchange_unref(now.x);
        post = now.next;
    }
}

void http_after(struct http_exchange *x, u32 ms, http_fn fn, void *ctx)
{
    if (x->conn == NULL) {
        return;
    }
    if (x->timer_at_ms != 0) {
        http__timer_remove(x);
    }
    x->timer_at_ms = http__now_ms(x->loop) + ms;
    x->timer_fn = fn;
    x->timer_ctx = ctx;
    http__exchange_ref(x);
    timer_link(x);
    u64 now = http__now_ms(x->loop), first = x->loop->timers->timer_at_ms;
    u64 wait = first > now ? first - now : 0;
    (void)uv_timer_set_repeat(&x->loop->tick, MIN(wait + 1, (u64)HTTP_TICK_MS));
    (void)uv_timer_again(&x->loop->tick);
}

void http__run_timers(struct http_loop *loop, u64 now_ms)
{
    while (loop->timers != NULL && loop->timers->timer_at_ms <= now_ms) {
        struct http_exchange *x = loop->timers;
        timer_unlink(x);
        x->timer_fn(x, x->timer_ctx);
        http__exchange_unref(x);
    }
    u64 wait = HTTP_TICK_MS;
    if (loop->timers != NULL) {
        wait = MIN(loop->timers->timer_at_ms - now_ms, wait);
    }
    (void)uv_timer_set_repeat(&loop->tick, MAX(wait, 1));
}
