/* net/body.c: the body of a request, collected or read by a pool thread as it comes. */
#include "net/http_int.h"

enum { BODY_FIRST_BYTES = 16 << 10, BODY_AHEAD_BYTES = 1 << 20 };

str http_body(const struct http_exchange *x)
{
    return buf_str(&x->body);
}

err http_body_error(const struct http_exchange *x)
{
    return x->body_error;
}

void http_collect_body(struct http_exchange *x, isize bytes_max, http_fn fn, void *ctx)
{
    bool is_again = x->body_mode == HTTP_BODY_COLLECT && x->is_body_complete;
    CHECK(x->body_mode == HTTP_BODY_NONE || is_again);
    if (is_again) {
        x->body_error = x->body.len > bytes_max ? ERR_LIMIT : OK;
        fn(x, ctx);
        return;
    }
    x->body_mode = HTTP_BODY_COLLECT;
    x->body_bytes_max = bytes_max;
    x->body_fn = fn;
    x->body_ctx = ctx;
    if (x->content_length > bytes_max) {
        x->body_error = ERR_LIMIT;
        x->body_mode = HTTP_BODY_DISCARD;
        fn(x, ctx);
        return;
    }
    if (x->is_body_complete) {
        fn(x, ctx);
    } else if (x->conn != NULL) {
        x->transport->want_body(x);
    }
}

static void worker_main(void *ctx)
{
    struct http_exchange *x = ctx;
    x->worker_fn(x, x->worker_ctx);
    http__lock(x);
    x->is_worker = false;
    CHECK(x->is_ended || x->is_aborted);
    http__unlock(x);
    http__exchange_unref(x);
}

void http_run_blocking(struct http_exchange *x, http_fn fn, void *ctx)
{
    bool is_collected = x->body_mode == HTTP_BODY_COLLECT && x->is_body_complete;
    CHECK(x->body_mode == HTTP_BODY_NONE || is_collected);
    if (is_collected && x->body.len > 0) {
        x->body_first = x->body_last = http__chunk_of_buf(&x->body);
        x->body_queued = x->body_first->bytes;
    }
    x->worker_fn = fn;
    x->worker_ctx = ctx;
    x->is_worker = x->is_shared = true;
    bool is_continue_due = x->expects_continue && !is_collected;
    x->is_continue_due = is_continue_due;
    http__exchange_ref(x);
    if (os_pool_submit(x->loop->server->pool, worker_main, x) != OK) {
        x->is_worker = false;
        http_respond(x, 503, &(struct http_field){STR("Retry-After"), STR("1")}, 1,
                     STR("the server is busy\n"));
        http__exchange_unref(x);
        return;
    }
    x->body_mode = HTTP_BODY_QUEUE;
    if (!x->is_body_complete && !is_continue_due && x->conn != NULL) {
        x->transport->want_body(x);
    }
}

/* Counts bytes of a body that is kept in memory; false when all of them would be too many. */
static bool body_hold(struct http_exchange *x, isize bytes)
{
    bool is_held = budget_take(&x->loop->server->bodies, bytes);
    x->body_held += is_held ? bytes : 0;
    return is_held;
}

/* Room for a body whose first bytes have come: what is announced may never come. */
static isize bytes_ahead(const struct http_exchange *x, isize bytes)
{
    isize ahead = bytes < BODY_FIRST_BYTES ? 4 * bytes : BODY_AHEAD_BYTES;
    return (isize)MAX(MIN(x->content_length, ahead), bytes);
}

/* The rest of the body is not read: the answer closes the connection. */
static void refuse_body(struct http_exchange *x)
{
    x->body_mode = HTTP_BODY_DISCARD;
    http__exchange_refuse(x, "the server holds too many request bodies");
}

u8 *http__exchange_body_room(struct http_exchange *x, isize *bytes_in_out)
{
    struct buf *body = &x->body;
    if (x->body_mode != HTTP_BODY_COLLECT || body->len < BODY_FIRST_BYTES) {
        return NULL;
    }
    *bytes_in_out = MIN(*bytes_in_out, MAX(body->capacity - body->len, body->len));
    return buf_reserve(body, *bytes_in_out);
}

/* Was it read there? */
static bool is_in_place(const struct buf *body, const u8 *data, isize bytes)
{
    return data == body->data + body->len && bytes <= body->capacity - body->len;
}

bool http__exchange_body(struct http_exchange *x, const u8 *data, isize bytes)
{
    if (bytes == 0) {
        return true; /* An empty piece would read as the end. */
    }
    if (x->body_mode == HTTP_BODY_COLLECT) {
        if (bytes > x->body_bytes_max - x->body.len) {
            x->body_error = ERR_LIMIT;
            x->body_mode = HTTP_BODY_DISCARD;
            x->body_fn(x, x->body_ctx);
            return true;
        }
        if (!body_hold(x, bytes)) {
            refuse_body(x);
            return true;
        }
        if (x->body.len == 0) {
            (void)buf_reserve(&x->body, bytes_ahead(x, bytes));
        }
        if (is_in_place(&x->body, data, bytes)) {
            x->body.len += bytes;
        } else {
            buf_append_bytes(&x->body, data, bytes);
        }
        return true;
    }
    if (x->body_mode != HTTP_BODY_QUEUE) {
        return x->body_mode == HTTP_BODY_DISCARD;
    }
    struct http_chunk *chunk = http__chunk_new(data, bytes);
    http__lock(x);
    if (x->body_last == NULL) {
        x->body_first = chunk;
    } else {
        x->body_last->next = chunk;
    }
    x->body_last = chunk;
    x->body_queued += bytes;
    bool is_paused = x->body_queued >= HTTP_BODY_QUEUE_MAX;
    __atomic_store_n(&x->is_body_paused, is_paused, __ATOMIC_RELAXED);
    os_cond_broadcast(&x->changed);
    http__unlock(x);
    return !is_paused;
}

void http__exchange_body_end(struct http_exchange *x)
{
    http__lock(x);
    x->is_body_complete = true;
    os_cond_broadcast(&x->changed);
    http__unlock(x);
    if (x->body_mode == HTTP_BODY_COLLECT) {
        x->body_fn(x, x->body_ctx);
    }
}

static void resume_body(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    if (x->conn != NULL) {
        x->transport->want_body(x);
    }
}

err http_body_read(struct http_exchange *x, void *data, isize bytes, isize *got_out)
{
    if (x->is_continue_due) { /* Until now an error could be answered instead. */
        x->is_continue_due = false;
        http_post(x, resume_body, NULL);
    }
    http__lock(x);
    while (x->body_first == NULL && !x->is_body_complete && !x->is_gone) {
        os_cond_wait(&x->changed, &x->lock);
    }
    struct http_chunk *chunk = x->body_first;
    if (chunk == NULL) {
        err e = x->is_body_complete ? OK : ERR_CLOSED;
        http__unlock(x);
        *got_out = 0;
        return e;
    }
    isize got = MIN(bytes, chunk->bytes - chunk->sent);
    memcpy(data, chunk->data + chunk->sent, (size_t)got);
    chunk->sent += got;
    x->body_queued -= got;
    bool is_used = chunk->sent == chunk->bytes;
    if (is_used) {
        x->body_first = chunk->next;
        x->body_last = chunk->next == NULL ? NULL : x->body_last;
    }
    bool is_resumed = x->is_body_paused && x->body_queued < HTTP_BODY_QUEUE_MAX / 2;
    if (is_resumed) {
        __atomic_store_n(&x->is_body_paused, false, __ATOMIC_RELAXED);
    }
    http__unlock(x);
    if (is_used) {
        http__chunk_free(chunk);
    }
    if (is_resumed) {
        http_post(x, resume_body, NULL);
    }
    *got_out = got;
    return OK;
}
