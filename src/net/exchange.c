/* net/exchange.c: one request and its answer: their life, and what was asked. */
#include "net/http_int.h"

/* --- life ---------------------------------------------------------------------------------------
 */

/* Zeroed, but for the arena, the body's memory and the room for fields. */
static struct http_exchange *exchange_alloc(struct http_loop *loop)
{
    os_mutex_lock(&loop->lock);
    struct http_exchange *x = loop->spares;
    if (x != NULL) {
        loop->spares = x->spare_next;
        loop->spare_count--;
    }
    os_mutex_unlock(&loop->lock);
    struct arena arena = x != NULL ? x->arena : (struct arena){0};
    struct buf body = x != NULL ? x->body : (struct buf){0};
    x = x != NULL ? x : mem_alloc((isize)sizeof *x);
    memset(x, 0, offsetof(struct http_exchange, fields));
    x->arena = arena;
    x->body = body;
    return x;
}

static void exchange_free(struct http_exchange *x)
{
    struct http_loop *loop = x->loop;
    bool is_kept = x->arena.bytes <= HTTP_SPARE_ARENA_BYTES;
    if (x->body.capacity > HTTP_SPARE_BODY_BYTES) {
        buf_deinit(&x->body);
    }
    if (is_kept) {
        arena_reset(&x->arena);
        buf_reset(&x->body);
        os_mutex_lock(&loop->lock);
        is_kept = loop->spare_count < HTTP_SPARES_MAX;
        if (is_kept) {
            x->spare_next = loop->spares;
            loop->spares = x;
            loop->spare_count++;
        }
        os_mutex_unlock(&loop->lock);
    }
    if (!is_kept) {
        arena_deinit(&x->arena);
        buf_deinit(&x->body);
        mem_free(x);
    }
}

void http__exchange_spares_free(struct http_loop *loop)
{
    while (loop->spares != NULL) {
        struct http_exchange *x = loop->spares;
        loop->spares = x->spare_next;
        arena_deinit(&x->arena);
        buf_deinit(&x->body);
        mem_free(x);
    }
}

struct http_exchange *http__exchange_new(struct http_conn *conn,
                                         const struct http_transport *transport)
{
    struct http_exchange *x = exchange_alloc(conn->loop);
    x->refs = 2; /* The transport's and the handler's. */
    x->loop = conn->loop;
    __atomic_add_fetch(&x->loop->exchange_count, 1, __ATOMIC_RELAXED);
    x->conn = conn;
    x->transport = transport;
    x->content_length = -1;
    x->is_tls = conn->tls != NULL;
    os_mutex_init(&x->lock);
    os_cond_init(&x->changed);
    return x;
}

void http__exchange_ref(struct http_exchange *x)
{
    __atomic_add_fetch(&x->refs, 1, __ATOMIC_RELAXED);
}

void http__exchange_unref(struct http_exchange *x)
{
    if (__atomic_sub_fetch(&x->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    CHECK(x->pieces.next == NULL);
    http__chunks_free(x->body_first);
    http__chunks_free(x->out_first);
    budget_give(&x->loop->server->bodies, x->body_held);
    if (x->answer_reserved > 0) {
        budget_give(x->loop->server->answers, x->answer_reserved);
    }
    buf_deinit(&x->head);
    os_mutex_deinit(&x->lock);
    os_cond_deinit(&x->changed);
    struct http_loop *loop = x->loop;
    exchange_free(x);
    /* Last: the loop may be freed from here on. */
    __atomic_sub_fetch(&loop->exchange_count, 1, __ATOMIC_RELEASE);
}

void http__exchange_detach(struct http_exchange *x, bool is_gone)
{
    if (x->conn == NULL) {
        return;
    }
    x->conn = NULL;
    http__lock(x);
    x->is_gone = x->is_gone || is_gone;
    bool is_open = !x->is_ended && !x->is_aborted;
    os_cond_broadcast(&x->changed);
    http__unlock(x);
    if (x->timer_at_ms != 0) {
        http__timer_remove(x);
    }
    bool is_waiting_for_body = !x->is_body_complete && x->body_mode == HTTP_BODY_COLLECT;
    if (x->pieces.next != NULL) {
        http__exchange_pieces_end(x);
    } else if (is_gone && is_waiting_for_body && is_open) {
        http__exchange_unref(x); /* The handler's: its callback will never come. */
    } else if (is_gone && is_open && x->gone_fn != NULL) {
        http_fn fn = x->gone_fn;
        x->gone_fn = NULL;
        fn(x, x->gone_ctx);
    }
    http__exchange_unref(x);
}

/* --- the request
 * ------------------------------------------------------------------------------------ */

str http_method(const struct http_exchange *x)
{
    return x->method;
}

str http_path(const struct http_exchange *x)
{
    return x->path;
}

str http_query(const struct http_exchange *x)
{
    return x->query;
}

str http__header(const struct http_exchange *x, str name)
{
    for (isize i = 0; i < x->field_count; i++) {
        if (str_eq_nocase(x->fields[i].name, name)) {
            return x->fields[i].value;
        }
    }
    return STR_EMPTY;
}

isize http_header_count(const struct http_exchange *x)
{
    return x->field_count;
}

void http_header_at(const struct http_exchange *x, isize index, str *name_out, str *value_out)
{
    CHECK(index >= 0 && index < x->field_count);
    *name_out = x->fields[index].name;
    *value_out = x->fields[index].value;
}

str http_host(const struct http_exchange *x)
{
    str authority = x->is_http2 ? http_header(x, ":authority") : STR_EMPTY;
    return authority.len > 0 ? authority : http_header(x, "host");
}

bool http_is_http2(const struct http_exchange *x)
{
    return x->is_http2;
}

bool http_is_tls(const struct http_exchange *x)
{
    return x->is_tls;
}

str http_peer(const struct http_exchange *x)
{
    return x->conn == NULL ? STR_EMPTY : str_of(x->conn->peer);
}

i64 http_content_length(const struct http_exchange *x)
{
    return x->content_length;
}

u64 http_received_ns(const struct http_exchange *x)
{
    return x->received_ns;
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

bool http_is_gone(const struct http_exchange *x)
{
    struct http_exchange *writable = (struct http_exchange *)(uintptr_t)x;
    http__lock(writable);
    bool is_gone = x->is_gone;
    http__unlock(writable);
    return is_gone;
}

void http_on_gone(struct http_exchange *x, http_fn fn, void *ctx)
{
    x->gone_fn = fn;
    x->gone_ctx = ctx;
}

void http_on_answered(struct http_exchange *x, http_answered_fn fn, void *ctx)
{
    http__lock(x);
    x->answered_fn = fn;
    x->answered_ctx = ctx;
    http__unlock(x);
}
