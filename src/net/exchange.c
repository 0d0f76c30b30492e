/* net/exchange.c: one request and its answer, between the loop and whoever answers. */
#include "net/http_int.h"

#include "base/trace.h"

enum { BODY_FIRST_BYTES = 16 << 10, BODY_AHEAD_BYTES = 1 << 20 };

/* --- life ---------------------------------------------------------------------------------------
 */

/* Zeroed, but for the arena and the room for fields. */
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
    x = x != NULL ? x : mem_alloc((isize)sizeof *x);
    memset(x, 0, offsetof(struct http_exchange, fields));
    x->arena = arena;
    return x;
}

static void exchange_free(struct http_exchange *x)
{
    struct http_loop *loop = x->loop;
    bool is_kept = x->arena.bytes <= HTTP_SPARE_ARENA_BYTES;
    if (is_kept) {
        arena_reset(&x->arena);
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
        mem_free(x);
    }
}

void http__exchange_spares_free(struct http_loop *loop)
{
    while (loop->spares != NULL) {
        struct http_exchange *x = loop->spares;
        loop->spares = x->spare_next;
        arena_deinit(&x->arena);
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

static void chunks_free(struct http_chunk *chunk)
{
    while (chunk != NULL) {
        struct http_chunk *next = chunk->next;
        http__chunk_free(chunk);
        chunk = next;
    }
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
    chunks_free(x->body_first);
    chunks_free(x->out_first);
    buf_deinit(&x->body);
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

static void timer_remove(struct http_exchange *x)
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

/* Nothing follows: what the pieces came from goes, and the handler's reference. */
static void pieces_end(struct http_exchange *x)
{
    struct http_pieces pieces = x->pieces;
    x->pieces.next = NULL;
    os_mutex_lock(&x->lock);
    x->is_ended = true;
    os_mutex_unlock(&x->lock);
    pieces.over(pieces.ctx);
    http__exchange_unref(x);
}

void http__exchange_detach(struct http_exchange *x, bool is_gone)
{
    if (x->conn == NULL) {
        return;
    }
    x->conn = NULL;
    os_mutex_lock(&x->lock);
    x->is_gone = x->is_gone || is_gone;
    bool is_open = !x->is_ended && !x->is_aborted;
    os_cond_broadcast(&x->changed);
    os_mutex_unlock(&x->lock);
    if (x->timer_at_ms != 0) {
        timer_remove(x);
    }
    bool is_waiting_for_body = !x->is_body_complete && x->body_mode == HTTP_BODY_COLLECT;
    if (x->pieces.next != NULL) {
        pieces_end(x);
    } else if (is_gone && is_waiting_for_body && is_open) {
        http__exchange_unref(x); /* The handler's: its callback will never come. */
    } else if (is_gone && is_open && x->gone_fn != NULL) {
        http_fn fn = x->gone_fn;
        x->gone_fn = NULL;
        fn(x, x->gone_ctx);
    }
    http__exchange_unref(x);
}

struct http_chunk *http__chunk_new(const void *data, isize bytes)
{
    struct http_chunk *chunk = mem_alloc((isize)sizeof *chunk + bytes);
    *chunk = (struct http_chunk){.bytes = bytes, .data = (u8 *)(chunk + 1)};
    if (bytes > 0) {
        memcpy(chunk->data, data, (size_t)bytes);
    }
    return chunk;
}

struct http_chunk *http__chunk_of_buf(struct buf *buf)
{
    struct http_chunk *chunk = mem_alloc((isize)sizeof *chunk);
    *chunk = (struct http_chunk){.bytes = buf->len, .data = buf->data};
    *buf = (struct buf){.limit_bytes = buf->limit_bytes};
    return chunk;
}

struct http_chunk *http__chunk_piece(struct http_loop *loop)
{
    struct http_chunk *chunk = loop->piece;
    loop->piece = NULL;
    if (chunk == NULL) {
        chunk = mem_alloc((isize)sizeof *chunk + HTTP_PIECE_BYTES);
    }
    *chunk = (struct http_chunk){.data = (u8 *)(chunk + 1), .home = loop};
    return chunk;
}

void http__chunk_pass_charge(struct http_chunk *from, struct http_chunk *to)
{
    to->budget = from->budget;
    to->charge = from->charge;
    from->budget = NULL;
}

void http__chunk_free(struct http_chunk *chunk)
{
    if (chunk->budget != NULL) {
        budget_give(chunk->budget, chunk->charge);
    }
    if (chunk->home != NULL && chunk->home->piece == NULL) {
        chunk->home->piece = chunk;
        return;
    }
    if (chunk->data != (u8 *)(chunk + 1)) {
        mem_free(chunk->data);
    }
    mem_free(chunk);
}

/* --- posts and timers
 * ----------------------------------------------------------------------------- */

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
        timer_remove(x);
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

str http_header(const struct http_exchange *x, const char *lower_case_name)
{
    str name = str_of(lower_case_name);
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
    os_mutex_lock(&writable->lock);
    bool is_gone = x->is_gone;
    os_mutex_unlock(&writable->lock);
    return is_gone;
}

void http_on_gone(struct http_exchange *x, http_fn fn, void *ctx)
{
    x->gone_fn = fn;
    x->gone_ctx = ctx;
}

void http_on_answered(struct http_exchange *x, http_answered_fn fn, void *ctx)
{
    os_mutex_lock(&x->lock);
    x->answered_fn = fn;
    x->answered_ctx = ctx;
    os_mutex_unlock(&x->lock);
}

/* --- the body
 * ----------------------------------------------------------------------------------------- */

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
    os_mutex_lock(&x->lock);
    x->is_worker = false;
    CHECK(x->is_ended || x->is_aborted);
    os_mutex_unlock(&x->lock);
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
    x->is_worker = true;
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

static void refuse(struct http_exchange *x, const char *text)
{
    static const struct http_field retry = {{(const u8 *)"Retry-After", 11}, {(const u8 *)"1", 1}};
    http_busy_fn fn = x->busy_fn;
    x->busy_fn = NULL;
    metric_add(&x->loop->server->stats.busy, 1);
    if (fn != NULL) {
        fn(x, text, x->busy_ctx);
    } else {
        http_respond(x, 503, &retry, 1, arena_printf(&x->arena, "%s\n", text));
    }
}

/* The rest of the body is not read: the answer closes the connection. */
static void refuse_body(struct http_exchange *x)
{
    x->body_mode = HTTP_BODY_DISCARD;
    refuse(x, "the server holds too many request bodies");
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
        buf_append_bytes(&x->body, data, bytes);
        return true;
    }
    if (x->body_mode != HTTP_BODY_QUEUE) {
        return x->body_mode == HTTP_BODY_DISCARD;
    }
    struct http_chunk *chunk = http__chunk_new(data, bytes);
    os_mutex_lock(&x->lock);
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
    os_mutex_unlock(&x->lock);
    return !is_paused;
}

void http__exchange_body_end(struct http_exchange *x)
{
    os_mutex_lock(&x->lock);
    x->is_body_complete = true;
    os_cond_broadcast(&x->changed);
    os_mutex_unlock(&x->lock);
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
    os_mutex_lock(&x->lock);
    while (x->body_first == NULL && !x->is_body_complete && !x->is_gone) {
        os_cond_wait(&x->changed, &x->lock);
    }
    struct http_chunk *chunk = x->body_first;
    if (chunk == NULL) {
        err e = x->is_body_complete ? OK : ERR_CLOSED;
        os_mutex_unlock(&x->lock);
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
    os_mutex_unlock(&x->lock);
    if (is_used) {
        http__chunk_free(chunk);
    }
    if (is_resumed) {
        http_post(x, resume_body, NULL);
    }
    *got_out = got;
    return OK;
}

/* --- the answer
 * ----------------------------------------------------------------------------------------- */

static void pump_posted(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    os_mutex_lock(&x->lock);
    x->is_pump_posted = false;
    os_mutex_unlock(&x->lock);
    if (x->conn != NULL) {
        x->transport->pump(x);
    }
}

/* With the lock held: true when the caller must pump (LOOP), after unlocking. */
static bool pump_needed(struct http_exchange *x)
{
    bool is_needed = !x->is_worker || !x->is_pump_posted;
    x->is_pump_posted = x->is_pump_posted || x->is_worker;
    return is_needed;
}

static void pump(struct http_exchange *x, bool is_worker)
{
    if (is_worker) {
        http_post(x, pump_posted, NULL);
    } else if (x->conn != NULL) {
        x->transport->pump(x);
    }
}

static void out_append(struct http_exchange *x, struct http_chunk *chunk)
{
    if (x->out_last == NULL) {
        x->out_first = chunk;
    } else {
        x->out_last->next = chunk;
    }
    x->out_last = chunk;
    x->out_bytes += chunk->bytes;
}

/* With the lock held. */
static void note_answer(struct http_exchange *x, int status)
{
    struct http_server *server = x->loop->server;
    u64 took_ns = os_mono_ns(server->os) - x->received_ns;
    metric_observe_ns(&server->times, took_ns);
    if (x->answered_fn != NULL) {
        x->answered_fn(status, took_ns, x->answered_ctx);
    }
}

static void head_set(struct http_exchange *x, int status, const struct http_field *fields,
                     isize count, i64 length)
{
    CHECK(!x->is_started);
    x->is_started = true;
    note_answer(x, status);
    x->status = status;
    x->answer_length = length;
    x->answer_fields = ARENA_ARRAY(&x->arena, struct http_field, MAX(count, 1));
    x->answer_field_count = count;
    for (isize i = 0; i < count; i++) {
        x->answer_fields[i] = (struct http_field){arena_copy(&x->arena, fields[i].name),
                                                  arena_copy(&x->arena, fields[i].value)};
    }
}

/* HEAD, 204 and 304 have no body; their length is what a GET would have, or what a field says. */
static bool has_no_body(const struct http_exchange *x, int status)
{
    return str_eq(x->method, STR("HEAD")) || status == 204 || status == 304;
}

static i64 length_in_fields(const struct http_field *fields, isize count, i64 otherwise)
{
    for (isize i = 0; i < count; i++) {
        i64 length;
        bool is_length = str_eq_nocase(fields[i].name, STR("content-length")) &&
                         str_to_i64(fields[i].value, &length) == OK;
        if (is_length) {
            return length;
        }
    }
    return otherwise;
}

isize http_answers_room(const struct http_exchange *x)
{
    const struct budget *answers = x->loop->server->answers;
    return answers->bytes_max - budget_bytes(answers);
}

bool http_answers_are_full(const struct http_exchange *x)
{
    return http_answers_room(x) <= -x->loop->server->answers->bytes_max;
}

bool http_answer_reserve(struct http_exchange *x, isize bytes)
{
    CHECK(x->answer_reserved == 0);
    x->answer_reserved = budget_take(x->loop->server->answers, bytes) ? bytes : 0;
    return x->answer_reserved > 0;
}

bool http_pieces_reserve(struct http_exchange *x)
{
    return http_answer_reserve(x, HTTP_PIECE_BYTES);
}

void http_answer_anyway(struct http_exchange *x)
{
    x->is_answered_anyway = true;
}

void http_on_busy(struct http_exchange *x, http_busy_fn fn, void *ctx)
{
    x->busy_fn = fn;
    x->busy_ctx = ctx;
}

/* Counts what a whole answer holds until its client has taken it; false when that is too much. */
static bool hold(struct http_exchange *x, struct http_chunk *chunk)
{
    struct budget *answers = x->loop->server->answers;
    chunk->charge = x->answer_reserved;
    if (chunk->charge >= chunk->bytes) {
        chunk->budget = answers;
        x->answer_reserved = 0;
        return true;
    }
    if (x->is_answered_anyway || chunk->bytes <= HTTP_PIECE_BYTES_MIN) {
        budget_charge(answers, chunk->bytes);
    } else if (!budget_take(answers, chunk->bytes)) {
        return false;
    }
    chunk->budget = answers;
    chunk->charge = chunk->bytes;
    return true;
}

static void finish(struct http_exchange *x, int status, const struct http_field *fields,
                   isize count, struct http_chunk *chunk)
{
    bool is_bare = has_no_body(x, status);
    if (chunk->bytes > HTTP_HELD_BYTES_MIN && !is_bare && !hold(x, chunk)) {
        http__chunk_free(chunk);
        refuse(x, "the server holds too many answers that clients do not take");
        return;
    }
    os_mutex_lock(&x->lock);
    i64 length = chunk->bytes;
    head_set(x, status, fields, count, is_bare ? length_in_fields(fields, count, length) : length);
    if (!is_bare && chunk->bytes > 0 && !x->is_gone) {
        out_append(x, chunk);
        chunk = NULL;
    }
    x->is_ended = true;
    bool is_worker = x->is_worker;
    bool must_pump = pump_needed(x);
    os_mutex_unlock(&x->lock);
    if (chunk != NULL) {
        http__chunk_free(chunk);
    }
    if (must_pump) {
        pump(x, is_worker);
    }
    http__exchange_unref(x); /* The handler's. */
}

void http_respond(struct http_exchange *x, int status, const struct http_field *fields,
                  isize field_count, str body)
{
    finish(x, status, fields, field_count, http__chunk_new(body.data, body.len));
}

void http_respond_buf(struct http_exchange *x, int status, const struct http_field *fields,
                      isize field_count, struct buf *body)
{
    finish(x, status, fields, field_count, http__chunk_of_buf(body));
}

void http_respond_start(struct http_exchange *x, int status, const struct http_field *fields,
                        isize field_count, i64 content_length)
{
    os_mutex_lock(&x->lock);
    head_set(x, status, fields, field_count, content_length);
    bool is_worker = x->is_worker;
    bool must_pump = pump_needed(x);
    os_mutex_unlock(&x->lock);
    if (must_pump) {
        pump(x, is_worker);
    }
}

void http_respond_pieces(struct http_exchange *x, int status, const struct http_field *fields,
                         isize field_count, const struct http_pieces *pieces)
{
    CHECK(pieces->length > 0);
    CHECK(!has_no_body(x, status));
    CHECK(!x->is_worker);
    os_mutex_lock(&x->lock);
    head_set(x, status, fields, field_count, pieces->length);
    os_mutex_unlock(&x->lock);
    x->pieces = *pieces;
    if (x->conn == NULL) {
        pieces_end(x);
    } else {
        x->transport->pump(x);
    }
}

err http_respond_write(struct http_exchange *x, str data)
{
    os_mutex_lock(&x->lock);
    CHECK(x->is_started && !x->is_ended);
    while (x->is_worker && x->out_bytes > HTTP_UNSENT_MAX && !x->is_gone) {
        os_cond_wait(&x->changed, &x->lock);
    }
    if (x->is_gone || x->is_aborted) {
        os_mutex_unlock(&x->lock);
        return ERR_CLOSED;
    }
    bool is_worker = x->is_worker, must_pump = false;
    if (data.len > 0 && !has_no_body(x, x->status)) {
        out_append(x, http__chunk_new(data.data, data.len));
        must_pump = pump_needed(x);
    }
    os_mutex_unlock(&x->lock);
    if (must_pump) {
        pump(x, is_worker);
    }
    return OK;
}

static void end(struct http_exchange *x, bool is_aborted)
{
    os_mutex_lock(&x->lock);
    CHECK(!x->is_ended && !x->is_aborted);
    x->is_ended = !is_aborted;
    x->is_aborted = is_aborted;
    bool is_worker = x->is_worker;
    bool must_pump = pump_needed(x);
    os_mutex_unlock(&x->lock);
    if (must_pump) {
        pump(x, is_worker);
    }
    http__exchange_unref(x);
}

void http_respond_end(struct http_exchange *x)
{
    CHECK(x->is_started);
    end(x, false);
}

void http_abort(struct http_exchange *x)
{
    end(x, true);
}

isize http_unsent(const struct http_exchange *x)
{
    struct http_exchange *writable = (struct http_exchange *)(uintptr_t)x;
    os_mutex_lock(&writable->lock);
    isize bytes = x->out_bytes;
    os_mutex_unlock(&writable->lock);
    return bytes;
}

void http_on_drained(struct http_exchange *x, isize below, http_fn fn, void *ctx)
{
    os_mutex_lock(&x->lock);
    bool is_drained = x->out_bytes <= below;
    x->drained_fn = is_drained ? NULL : fn;
    x->drained_ctx = ctx;
    x->drained_below = below;
    os_mutex_unlock(&x->lock);
    if (is_drained) {
        http_post(x, fn, ctx);
    }
}

static void next_turn(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    x->is_turn_posted = false;
    x->pieces_taken = 0;
    if (x->conn != NULL) {
        x->transport->pump(x);
    }
}

/* The next piece; NULL when others have their turn first. */
static struct http_chunk *piece_make(struct http_exchange *x)
{
    if (x->pieces_taken == HTTP_PIECES_AT_ONCE) {
        if (!x->is_turn_posted) {
            x->is_turn_posted = true;
            http_post(x, next_turn, NULL);
        }
        return NULL;
    }
    struct http_chunk *chunk = http__chunk_piece(x->loop);
    chunk->bytes = x->pieces.next(x->pieces.ctx, chunk->data, HTTP_PIECE_BYTES);
    /* What was announced is what is sent: else the client would take the next answer's head for it.
     */
    CHECK(chunk->bytes > 0);
    CHECK(chunk->bytes <= HTTP_PIECE_BYTES);
    CHECK(chunk->bytes <= x->pieces.length);
    x->pieces.length -= chunk->bytes;
    chunk->budget = x->loop->server->answers;
    chunk->charge = HTTP_PIECE_BYTES;
    if (x->answer_reserved == HTTP_PIECE_BYTES) {
        x->answer_reserved = 0;
    } else {
        budget_charge(chunk->budget, chunk->charge);
    }
    x->pieces_taken++;
    os_mutex_lock(&x->lock);
    x->out_bytes += chunk->bytes;
    os_mutex_unlock(&x->lock);
    if (x->pieces.length == 0) {
        pieces_end(x);
    }
    return chunk;
}

struct http_chunk *http__exchange_take(struct http_exchange *x)
{
    if (x->pieces.next != NULL) {
        return piece_make(x);
    }
    os_mutex_lock(&x->lock);
    struct http_chunk *chunk = x->out_first;
    if (chunk != NULL) {
        x->out_first = chunk->next;
        x->out_last = chunk->next == NULL ? NULL : x->out_last;
        chunk->next = NULL;
    }
    os_mutex_unlock(&x->lock);
    return chunk;
}

bool http__exchange_is_done(struct http_exchange *x, bool *is_aborted_out)
{
    os_mutex_lock(&x->lock);
    bool is_done = (x->is_ended && x->out_first == NULL) || x->is_aborted;
    *is_aborted_out = x->is_aborted;
    os_mutex_unlock(&x->lock);
    return is_done;
}

void http__exchange_sent(struct http_exchange *x, isize bytes)
{
    os_mutex_lock(&x->lock);
    bool was_full = x->out_bytes > HTTP_UNSENT_MAX;
    x->out_bytes -= bytes;
    if (was_full && x->out_bytes <= HTTP_UNSENT_MAX) {
        os_cond_broadcast(&x->changed);
    }
    http_fn drained_fn = x->out_bytes <= x->drained_below ? x->drained_fn : NULL;
    x->drained_fn = drained_fn == NULL ? x->drained_fn : NULL;
    os_mutex_unlock(&x->lock);
    if (drained_fn != NULL) {
        http_post(x, drained_fn, x->drained_ctx); /* Not from within the transport. */
    }
}
