/*
 * console/sessions.c: SQL sessions that last from one request to the next: settings and temporary
 * tables under a name that the client chose. One request at a time uses a session; one that
 * nobody has used for an hour goes when room is needed.
 */
#include "console/console_int.h"

enum { SESSIONS_MAX = 64, SESSION_NAME_BYTES = 128, WAIT_MS = 3000 };
static const i64 idle_max_ms = 3600000;

struct console_session {
    struct console_session *next;
    struct engine_session *engine_session;
    str name; /* Owned, as the next. */
    str account, region;
    i64 used_ms;
    bool is_in_use;
    bool is_ended;     /* Goes when its request is done. */
    bool is_cancelled; /* The query under way ends. */
    struct arena arena;
};

struct console_sessions {
    struct os_mutex lock;
    struct os_cond given; /* A session has been given back. */
    struct console_session *first;
    isize count;
};

struct console_sessions *console__sessions_new(void)
{
    struct console_sessions *sessions = NEW(struct console_sessions);
    os_mutex_init(&sessions->lock);
    os_cond_init(&sessions->given);
    return sessions;
}

static void session_free(struct console_session *session)
{
    engine_session_free(session->engine_session);
    arena_deinit(&session->arena);
    mem_free(session);
}

/* With the lock. */
static void session_remove(struct console_sessions *sessions, struct console_session *session)
{
    struct console_session **at = &sessions->first;
    while (*at != session) {
        at = &(*at)->next;
    }
    *at = session->next;
    sessions->count--;
    session_free(session);
}

void console__sessions_free(struct console_sessions *sessions)
{
    while (sessions->first != NULL) {
        session_remove(sessions, sessions->first);
    }
    os_cond_deinit(&sessions->given);
    os_mutex_deinit(&sessions->lock);
    mem_free(sessions);
}

void console__sessions_clear(struct console_sessions *sessions)
{
    struct console_session *next;
    os_mutex_lock(&sessions->lock);
    for (struct console_session *s = sessions->first; s != NULL; s = next) {
        next = s->next;
        s->is_ended = true;
        if (!s->is_in_use) {
            session_remove(sessions, s);
        }
    }
    os_mutex_unlock(&sessions->lock);
}

static struct console_session *find(struct console_sessions *sessions, str name)
{
    struct console_session *session = sessions->first;
    while (session != NULL && !str_eq(session->name, name)) {
        session = session->next;
    }
    return session;
}

/* Makes room by ending those that nobody has used for long. With the lock. */
static void expire(struct console_sessions *sessions, i64 now_ms)
{
    struct console_session *next;
    for (struct console_session *s = sessions->first; s != NULL; s = next) {
        next = s->next;
        if (!s->is_in_use && now_ms - s->used_ms > idle_max_ms) {
            session_remove(sessions, s);
        }
    }
}

static err session_find(struct console *console, str name, str account, str region,
                        struct console_session **out, struct diag *diag)
{
    struct console_sessions *sessions = console->sessions;
    i64 now_ms = os_wall_us(console->env.os) / 1000;
    u64 end_ns = os_mono_ns(console->env.os) + (u64)WAIT_MS * 1000000;
    struct console_session *session = find(sessions, name);
    /* A query that was cancelled, or whose client has gone, ends soon. */
    while (session != NULL && session->is_in_use && os_mono_ns(console->env.os) < end_ns) {
        (void)os_cond_wait_ms(&sessions->given, &sessions->lock, WAIT_MS);
        session = find(sessions, name);
    }
    if (session != NULL && session->is_in_use) {
        return diag_set(diag, ERR_IN_USE, "API016",
                        "session \"" STR_FMT "\" is running a statement", STR_ARG(name));
    }
    if (session != NULL &&
        (!str_eq(session->account, account) || !str_eq(session->region, region))) {
        return diag_set(diag, ERR_INVALID, "API016",
                        "session \"" STR_FMT "\" belongs to region " STR_FMT, STR_ARG(name),
                        STR_ARG(session->region));
    }
    if (session == NULL) {
        expire(sessions, now_ms);
        if (sessions->count >= SESSIONS_MAX) {
            return diag_set(diag, ERR_AGAIN, "API016", "there are %d sessions already",
                            SESSIONS_MAX);
        }
        session = NEW(struct console_session);
        session->name = arena_copy(&session->arena, name);
        session->account = arena_copy(&session->arena, account);
        session->region = arena_copy(&session->arena, region);
        session->engine_session = engine_session_new(console->env.engine, account, region);
        session->next = sessions->first;
        sessions->first = session;
        sessions->count++;
    }
    session->used_ms = now_ms;
    session->is_in_use = true;
    session->is_cancelled = false;
    *out = session;
    return OK;
}

/* NOLINTNEXTLINE(readability-function-size): who, where, and the answer. */
err console__session_take(struct console *console, str name, str account, str region,
                          struct engine_session **out, struct diag *diag)
{
    if (name.len == 0) {
        *out = engine_session_new(console->env.engine, account, region);
        return OK;
    }
    if (name.len > SESSION_NAME_BYTES) {
        return diag_set(diag, ERR_LIMIT, "API016", "the name of a session has at most %d bytes",
                        SESSION_NAME_BYTES);
    }
    struct console_session *session = NULL;
    os_mutex_lock(&console->sessions->lock);
    err e = session_find(console, name, account, region, &session, diag);
    os_mutex_unlock(&console->sessions->lock);
    if (session != NULL) {
        *out = session->engine_session;
    }
    return e;
}

void console__session_give(struct console *console, struct engine_session *engine_session)
{
    struct console_sessions *sessions = console->sessions;
    os_mutex_lock(&sessions->lock);
    struct console_session *session = sessions->first;
    while (session != NULL && session->engine_session != engine_session) {
        session = session->next;
    }
    if (session == NULL) { /* Of one request only. */
        engine_session_free(engine_session);
    } else {
        session->is_in_use = false;
        session->used_ms = os_wall_us(console->env.os) / 1000;
        if (session->is_ended) {
            session_remove(sessions, session);
        }
        os_cond_broadcast(&sessions->given);
    }
    os_mutex_unlock(&sessions->lock);
}

bool console__session_is_ended(struct console *console, const struct engine_session *engine_session)
{
    struct console_sessions *sessions = console->sessions;
    bool is_ended = false;
    os_mutex_lock(&sessions->lock);
    for (struct console_session *s = sessions->first; s != NULL; s = s->next) {
        is_ended =
            is_ended || (s->engine_session == engine_session && (s->is_ended || s->is_cancelled));
    }
    os_mutex_unlock(&sessions->lock);
    return is_ended;
}

void console__handle_session_end(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    str name;
    bool is_query = console__path_middle(x, "/_leat/api/sql/", "/query", &name);
    if (!is_query && !console__path_middle(x, "/_leat/api/sql/", "", &name)) {
        console__respond_no_path(x);
        return;
    }
    os_mutex_lock(&console->sessions->lock);
    struct console_session *session = find(console->sessions, name);
    bool is_there = session != NULL && (!is_query || session->is_in_use);
    if (is_there && is_query) {
        session->is_cancelled = true;
    } else if (is_there && session->is_in_use) {
        session->is_ended = true; /* Its query sees that. */
    } else if (is_there) {
        session_remove(console->sessions, session);
    }
    os_mutex_unlock(&console->sessions->lock);
    struct buf body = {0};
    buf_printf(&body, "{\"ended\":%s}", is_there ? "true" : "false");
    console__respond_json(x, 200, &body);
}
