/* console/api_events.c: what happens, as it happens: one instant, and a stream of them. */
#include "console/console_int.h"

#include "base/diag.h"

enum {
    WATCHERS_MAX = 16,
    INTERVAL_MS_MIN = 100,
    INTERVAL_MS_MAX = 60000,
    INTERVAL_MS_DEFAULT = 500,
    HEARTBEAT_MS = 5000,
};

/* --- one instant
 * -------------------------------------------------------------------------------------- */

static void send_snapshot(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct console_snapshot *snapshot = console__snapshot_get(console->snapshots, 0);
    struct buf body = {0};
    buf_append(&body, buf_str(&snapshot->json));
    console__snapshot_unref(snapshot);
    console__respond_json(x, 200, &body);
}

static void handle_snapshot(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, send_snapshot, ctx);
}

/* --- who follows a stream
 * ------------------------------------------------------------------------------ */

err console__tail_enter(struct console *console, i32 most, struct diag *diag)
{
    os_mutex_lock(&console->watch_lock);
    bool is_full = console->tails >= most || console->is_stopping;
    __atomic_store_n(&console->tails, console->tails + !is_full, __ATOMIC_SEQ_CST);
    os_mutex_unlock(&console->watch_lock);
    if (is_full) {
        (void)diag_set(diag, ERR_AGAIN, "API007", "%d follow streams already, or the server stops",
                       most);
        diag_hint(diag, "close one");
        return ERR_AGAIN;
    }
    return OK;
}

void console__tail_leave(struct console *console)
{
    os_mutex_lock(&console->watch_lock);
    __atomic_store_n(&console->tails, console->tails - 1, __ATOMIC_SEQ_CST);
    os_mutex_unlock(&console->watch_lock);
}

static void wake_followers(struct console *console)
{
    os_mutex_lock(&console->watch_lock);
    os_cond_broadcast(&console->published);
    os_mutex_unlock(&console->watch_lock);
}

/* On the committer's thread. The tip moves before this is called, and a follower counts itself
 * before it looks at the tip: one of the two sees the other. */
void console__on_published(void *ctx, const struct log_frame *frame)
{
    struct console *console = ctx;
    (void)frame;
    if (__atomic_load_n(&console->tails, __ATOMIC_SEQ_CST) > 0) {
        wake_followers(console);
    }
}

void console__on_follower_gone(struct http_exchange *x, void *ctx)
{
    (void)x;
    wake_followers(ctx);
}

bool console__published_wait(struct console *console, const struct http_exchange *x, u64 lsn,
                             u32 ms)
{
    os_mutex_lock(&console->watch_lock);
    bool is_in_time = true;
    while (is_in_time && !console->is_stopping && !http_is_gone(x) &&
           log_tip(console->env.log) <= lsn) {
        is_in_time = os_cond_wait_ms(&console->published, &console->watch_lock, ms);
    }
    bool has_moved = log_tip(console->env.log) > lsn;
    os_mutex_unlock(&console->watch_lock);
    return has_moved;
}

/* --- a stream of them
 * --------------------------------------------------------------------------------- */

static err interval_read(struct http_exchange *x, u32 *out, struct diag *diag)
{
    str text = STR_EMPTY;
    bool is_given;
    i64 ms = INTERVAL_MS_DEFAULT;
    err e = http_param(http_arena(x), http_query(x), STR("interval_ms"), &text, &is_given);
    if (e == OK && is_given) {
        e = str_to_i64(text, &ms);
    }
    if (e != OK || ms < INTERVAL_MS_MIN || ms > INTERVAL_MS_MAX) {
        return diag_set(diag, ERR_INVALID, "API006",
                        "interval_ms is a whole number from %d to %d, not \"" STR_FMT "\"",
                        INTERVAL_MS_MIN, INTERVAL_MS_MAX, STR_ARG(text));
    }
    *out = (u32)ms;
    return OK;
}

static err watcher_enter(struct console *console, struct diag *diag)
{
    os_mutex_lock(&console->watch_lock);
    bool is_full = console->watchers >= WATCHERS_MAX || console->is_stopping;
    console->watchers += !is_full;
    os_mutex_unlock(&console->watch_lock);
    if (is_full) {
        (void)diag_set(diag, ERR_AGAIN, "API007", "%d pages watch already, or the server stops",
                       WATCHERS_MAX);
        diag_hint(diag, "close one");
        return ERR_AGAIN;
    }
    return OK;
}

static void watcher_leave(struct console *console)
{
    os_mutex_lock(&console->watch_lock);
    console->watchers--;
    os_mutex_unlock(&console->watch_lock);
}

bool console__events_wait(struct console *console, u32 ms)
{
    u64 end_ns = os_mono_ns(console->env.os) + (u64)ms * 1000000;
    os_mutex_lock(&console->watch_lock);
    for (;;) {
        u64 now_ns = os_mono_ns(console->env.os);
        if (console->is_stopping || now_ns >= end_ns) {
            break;
        }
        (void)os_cond_wait_ms(&console->watch_changed, &console->watch_lock,
                              (u32)((end_ns - now_ns) / 1000000) + 1);
    }
    bool goes_on = !console->is_stopping;
    os_mutex_unlock(&console->watch_lock);
    return goes_on;
}

bool console__is_stopping(struct console *console)
{
    os_mutex_lock(&console->watch_lock);
    bool is_stopping = console->is_stopping;
    os_mutex_unlock(&console->watch_lock);
    return is_stopping;
}

void console__events_stop(struct console *console)
{
    os_mutex_lock(&console->watch_lock);
    console->is_stopping = true;
    os_cond_broadcast(&console->watch_changed);
    os_cond_broadcast(&console->published);
    os_mutex_unlock(&console->watch_lock);
}

/* Comment lines keep proxies awake and find clients that are gone. */
static bool wait_beating(struct console *console, struct http_exchange *x, u32 ms)
{
    while (ms > HEARTBEAT_MS) {
        if (!console__events_wait(console, HEARTBEAT_MS) ||
            http_respond_write(x, STR(":\n\n")) != OK) {
            return false;
        }
        ms -= HEARTBEAT_MS;
    }
    return console__events_wait(console, ms);
}

static err event_send(struct console *console, struct http_exchange *x, u32 interval_ms,
                      struct buf *text)
{
    /* Watchers of about the same moment share one instant. */
    struct console_snapshot *snapshot =
        console__snapshot_get(console->snapshots, (i64)interval_ms / 2);
    buf_reset(text);
    buf_append(text, STR("event: snapshot\ndata: "));
    buf_append(text, buf_str(&snapshot->json));
    buf_append(text, STR("\n\n"));
    console__snapshot_unref(snapshot);
    return http_respond_write(x, buf_str(text));
}

static void watch(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    diag_init(&diag);
    u32 interval_ms = INTERVAL_MS_DEFAULT;
    err e = interval_read(x, &interval_ms, &diag);
    if (e == OK) {
        e = watcher_enter(console, &diag);
    }
    if (e != OK) {
        console_respond_error(x, e, &diag);
        return;
    }
    const struct http_field fields[] = {
        {STR("Content-Type"), STR("text/event-stream")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_respond_start(x, 200, fields, COUNT_OF(fields), -1);
    struct buf text = {0};
    e = http_respond_write(x, STR("retry: 1000\n\n"));
    bool goes_on = e == OK && !str_eq(http_method(x), STR("HEAD"));
    while (goes_on) {
        goes_on = event_send(console, x, interval_ms, &text) == OK &&
                  wait_beating(console, x, interval_ms);
    }
    buf_deinit(&text);
    watcher_leave(console);
    http_respond_end(x);
}

static void handle_events(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, watch, ctx);
}

const struct console_route console__event_routes[] = {
    {"GET", "/_leat/api/snapshot", handle_snapshot},
    {"GET", "/_leat/api/events", handle_events},
};
const isize console__event_route_count = COUNT_OF(console__event_routes);
