/* net/http2.c: HTTP/2 with prior knowledge, by nghttp2. Streams are exchanges like those of HTTP/1.
 */
#include "net/http_int.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

/* Of one client in WATCH_MS: streams that it resets and frames that are wrong; frames that only ask
 * for an answer or say nothing. Beyond that the connection ends with ENHANCE_YOUR_CALM. */
enum { GLITCHES_MAX = 200, IDLE_FRAMES_MAX = 2000, WATCH_MS = 10000 };
enum { WINDOW_BYTES = 1 << 20 };

struct stream {
    struct stream *next;
    i32 id;
    struct http_exchange *x;
    struct http_chunk *chunk; /* Being sent. */
    isize head_bytes;
    int refuse_status;
    isize held_bytes; /* Received, not yet given back to the window. */
    bool is_handed;   /* The handler has it, and with it a reference. */
    bool is_reset;    /* By us. */
    u64 since_ms;     /* Of the header, then of the time in which body_bytes came. */
    isize body_bytes;
    u64 stalled_ms; /* Since when the client takes nothing of what waits for it; 0 = it does. */
};

struct http2 {
    nghttp2_session *session;
    struct stream *streams;
    isize stream_count;
    int glitches, idle_frames; /* Since watch_ms. */
    u64 watch_ms;
    bool is_sending;
    int depth;    /* Of calls into nghttp2 under way. */
    bool is_dead; /* Freed when the outermost of them returns. */
};

static struct http2 *http2_of(struct http_conn *conn)
{
    return conn->http2;
}

static struct stream *stream_find(struct http2 *h2, i32 id)
{
    struct stream *stream = h2 == NULL ? NULL : h2->streams;
    while (stream != NULL && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

static void stream_free(struct http2 *h2, struct stream *stream, bool is_gone)
{
    struct stream **at = &h2->streams;
    while (*at != stream) {
        at = &(*at)->next;
    }
    *at = stream->next;
    h2->stream_count--;
    struct http_exchange *x = stream->x;
    if (stream->chunk != NULL) {
        http__chunk_free(stream->chunk);
    }
    bool is_handed = stream->is_handed;
    mem_free(stream);
    if (x == NULL) {
        return;
    }
    http__exchange_detach(x, is_gone);
    if (!is_handed) {
        http__exchange_unref(x);
    }
}

static void session_free(struct http2 *h2)
{
    nghttp2_session_del(h2->session);
    mem_free(h2);
}

/* After a call into nghttp2: true when the connection was closed inside it. */
static bool leave(struct http2 *h2)
{
    h2->depth--;
    if (h2->is_dead && h2->depth == 0) {
        session_free(h2);
        return true;
    }
    return h2->is_dead;
}

/* Puts what nghttp2 has to say onto the wire. */
static void send_all(struct http_conn *conn)
{
    struct http2 *h2 = http2_of(conn);
    if (h2 == NULL || h2->is_sending) {
        return;
    }
    h2->is_sending = true;
    h2->depth++;
    while (!conn->is_closing && conn->unsent < HTTP_UNSENT_MAX) {
        const u8 *data;
        ssize_t bytes = nghttp2_session_mem_send(h2->session, &data);
        if (bytes <= 0) {
            break;
        }
        http__conn_write(conn, http__chunk_new(data, bytes), NULL);
    }
    h2->is_sending = false;
    if (leave(h2)) {
        return;
    }
    bool is_over =
        nghttp2_session_want_read(h2->session) == 0 && nghttp2_session_want_write(h2->session) == 0;
    if (is_over) {
        conn->is_closed_after = true;
        if (conn->unsent == 0) {
            http__conn_close(conn);
        }
    }
}

/* --- requests
 * ------------------------------------------------------------------------------------------ */

static const struct http_transport http2;

static bool is_too_much(const struct http2 *h2)
{
    return h2->glitches > GLITCHES_MAX || h2->idle_frames > IDLE_FRAMES_MAX;
}

/* Each request takes memory until its client has taken the answer, however small. */
static bool is_crowded(const struct http_loop *loop)
{
    const struct http_server *server = loop->server;
    isize count = __atomic_load_n(&loop->exchange_count, __ATOMIC_RELAXED);
    return count >= MAX(server->limits.exchanges / server->loop_count, 1);
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct http_conn *conn = ctx;
    struct http2 *h2 = http2_of(conn);
    if (h2 == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    if (is_too_much(h2)) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (is_crowded(conn->loop)) {
        metric_add(&conn->loop->server->stats.busy, 1);
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    struct stream *stream = NEW(struct stream);
    stream->id = frame->hd.stream_id;
    stream->since_ms = http__now_ms(conn->loop);
    stream->x = http__exchange_new(conn, &http2);
    stream->x->is_http2 = true;
    stream->x->stream_id = stream->id;
    stream->x->received_ns = os_mono_ns(conn->loop->server->os);
    stream->next = h2->streams;
    h2->streams = stream;
    h2->stream_count++;
    return 0;
}

static void pseudo(struct http_exchange *x, str name, str value)
{
    if (str_eq(name, STR(":method"))) {
        x->method = value;
    } else if (str_eq(name, STR(":path"))) {
        isize mark = str_find_byte(value, '?', 0);
        x->path = str_slice(value, 0, mark < 0 ? value.len : mark);
        x->query = mark < 0 ? STR_EMPTY : str_slice(value, mark + 1, value.len);
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const u8 *name,
                     size_t name_len, const u8 *value, size_t value_len, u8 flags, void *ctx)
{
    (void)session;
    (void)flags;
    struct http_conn *conn = ctx;
    struct stream *stream = stream_find(http2_of(conn), frame->hd.stream_id);
    if (stream == NULL || stream->x == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* Trailers are read over. */
    }
    const struct http_limits *limits = &conn->loop->server->limits;
    struct http_exchange *x = stream->x;
    stream->head_bytes += (isize)(name_len + value_len);
    bool is_path = str_eq(str_from(name, (isize)name_len), STR(":path"));
    if (is_path && (isize)value_len > limits->request_line_bytes) {
        stream->refuse_status = 414;
        return 0;
    }
    if (stream->head_bytes > limits->header_bytes ||
        x->field_count >= MIN(limits->header_count, (i32)HTTP_FIELDS_MAX)) {
        stream->refuse_status = 431;
        return 0;
    }
    struct http_field field = {arena_copy(&x->arena, str_from(name, (isize)name_len)),
                               arena_copy(&x->arena, str_from(value, (isize)value_len))};
    x->fields[x->field_count++] = field;
    pseudo(x, field.name, field.value);
    if (str_eq(field.name, STR("content-length"))) {
        i64 length;
        if (str_to_i64(field.value, &length) == OK) {
            x->content_length = length;
        }
    }
    return 0;
}

static void request_begin(struct http_conn *conn, struct stream *stream, bool is_ended)
{
    struct http_exchange *x = stream->x;
    stream->is_handed = true;
    stream->since_ms = http__now_ms(conn->loop);
    x->is_body_complete = is_ended;
    if (is_ended && x->content_length < 0) {
        x->content_length = 0;
    }
    __atomic_add_fetch(&conn->loop->server->stats.requests, 1, __ATOMIC_RELAXED);
    if (stream->refuse_status != 0 || x->path.len == 0) {
        int status = stream->refuse_status != 0 ? stream->refuse_status : 400;
        http_respond(x, status, NULL, 0, str_of(http__reason(status)));
        return;
    }
    conn->loop->server->options.handler(x, conn->loop->server->options.handler_ctx);
}

/* To leave an answer without an end is no abuse: it is the only way out of an event stream. */
static bool is_leaving(struct http2 *h2, i32 id)
{
    const struct stream *stream = stream_find(h2, id);
    return stream != NULL && stream->x != NULL && stream->x->is_head_sent &&
           stream->x->answer_length < 0;
}

static void frame_count(struct http2 *h2, const nghttp2_frame_hd *frame)
{
    bool is_answer = (frame->flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame->type) {
    case NGHTTP2_RST_STREAM:
        h2->glitches += is_leaving(h2, frame->stream_id) ? 0 : 1;
        break;
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        h2->idle_frames += is_answer ? 0 : 1;
        break;
    case NGHTTP2_PRIORITY:
        h2->idle_frames++;
        break;
    case NGHTTP2_DATA:
        h2->idle_frames += frame->length == 0 && (frame->flags & NGHTTP2_FLAG_END_STREAM) == 0;
        break;
    default:
        break;
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    (void)session;
    struct http_conn *conn = ctx;
    if (http2_of(conn) != NULL) {
        frame_count(http2_of(conn), &frame->hd);
    }
    struct stream *stream = stream_find(http2_of(conn), frame->hd.stream_id);
    bool is_ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream == NULL || stream->x == NULL) {
        return 0;
    }
    bool is_request =
        frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (is_request) {
        request_begin(conn, stream, is_ended);
    } else if (is_ended && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)) {
        http__exchange_body_end(stream->x);
    }
    return conn->is_closing ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* Gives the client its window back, unless the reader has to catch up first. */
static void window_return(struct http_conn *conn, struct stream *stream)
{
    if (stream->held_bytes > 0) {
        (void)nghttp2_session_consume(http2_of(conn)->session, stream->id,
                                      (size_t)stream->held_bytes);
        stream->held_bytes = 0;
    }
}

static int on_data(nghttp2_session *session, u8 flags, i32 id, const u8 *data, size_t bytes,
                   void *ctx)
{
    (void)flags;
    struct http_conn *conn = ctx;
    struct stream *stream = stream_find(http2_of(conn), id);
    if (stream == NULL || stream->x == NULL) {
        (void)nghttp2_session_consume(session, id, bytes);
        return 0;
    }
    stream->held_bytes += (isize)bytes;
    stream->body_bytes += (isize)bytes;
    bool has_room = http__exchange_body(stream->x, data, (isize)bytes);
    if (conn->is_closing) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    stream = stream_find(http2_of(conn), id);
    if (stream != NULL && has_room) {
        window_return(conn, stream);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, i32 id, u32 code, void *ctx)
{
    (void)session;
    struct http_conn *conn = ctx;
    struct http2 *h2 = http2_of(conn);
    struct stream *stream = stream_find(h2, id);
    if (h2 == NULL) {
        return 0;
    }
    if (stream != NULL) {
        stream_free(h2, stream, code != NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int code, void *ctx)
{
    (void)session;
    (void)frame;
    (void)code;
    struct http_conn *conn = ctx;
    if (http2_of(conn) != NULL) {
        http2_of(conn)->glitches++;
    }
    __atomic_add_fetch(&conn->loop->server->stats.bad_requests, 1, __ATOMIC_RELAXED);
    return 0;
}

/* --- answers
 * --------------------------------------------------------------------------------------------- */

static ssize_t on_body_wanted(nghttp2_session *session, i32 id, u8 *out, size_t capacity,
                              u32 *flags, nghttp2_data_source *source, void *ctx)
{
    (void)session;
    (void)source;
    struct http_conn *conn = ctx;
    struct stream *stream = stream_find(http2_of(conn), id);
    if (stream == NULL || stream->x == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (stream->chunk == NULL) {
        stream->chunk = http__exchange_take(stream->x);
    }
    bool is_aborted = false;
    if (stream->chunk == NULL) {
        if (!http__exchange_is_done(stream->x, &is_aborted)) {
            return NGHTTP2_ERR_DEFERRED;
        }
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return is_aborted ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    }
    struct http_chunk *chunk = stream->chunk;
    isize part = MIN((isize)capacity, chunk->bytes - chunk->sent);
    memcpy(out, chunk->data + chunk->sent, (size_t)part);
    chunk->sent += part;
    stream->stalled_ms = 0;
    http__exchange_sent(stream->x, part);
    if (chunk->sent == chunk->bytes) {
        stream->chunk = NULL;
        http__chunk_free(chunk);
        if (http__exchange_is_done(stream->x, &is_aborted) && !is_aborted) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        }
    }
    return part;
}

static nghttp2_nv field_nv(str name, str value)
{
    return (nghttp2_nv){(u8 *)(uintptr_t)name.data, (u8 *)(uintptr_t)value.data, (size_t)name.len,
                        (size_t)value.len, NGHTTP2_NV_FLAG_NONE};
}

static str lower(struct arena *arena, str name)
{
    u8 *copy = arena_alloc(arena, name.len + 1);
    for (isize i = 0; i < name.len; i++) {
        u8 c = name.data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (u8)(c + 32) : c;
    }
    return str_from(copy, name.len);
}

static void head_submit(struct http_conn *conn, struct http_exchange *x)
{
    nghttp2_nv *fields = ARENA_ARRAY(&x->arena, nghttp2_nv, x->answer_field_count + 3);
    size_t count = 0;
    fields[count++] = field_nv(STR(":status"), arena_printf(&x->arena, "%d", x->status));
    fields[count++] = field_nv(STR("date"), arena_copy(&x->arena, http__date(conn->loop)));
    bool has_length = false;
    for (isize i = 0; i < x->answer_field_count; i++) {
        str name = lower(&x->arena, x->answer_fields[i].name);
        if (str_eq(name, STR("connection")) || str_eq(name, STR("transfer-encoding"))) {
            continue;
        }
        has_length = has_length || str_eq(name, STR("content-length"));
        fields[count++] = field_nv(name, x->answer_fields[i].value);
    }
    if (!has_length && x->answer_length >= 0 && x->status != 204) {
        fields[count++] = field_nv(STR("content-length"),
                                   arena_printf(&x->arena, "%lld", (long long)x->answer_length));
    }
    nghttp2_data_provider provider = {.read_callback = on_body_wanted};
    bool is_aborted;
    bool has_body = !http__exchange_is_done(x, &is_aborted) || is_aborted; /* Which is no end. */
    (void)nghttp2_submit_response(http2_of(conn)->session, x->stream_id, fields, count,
                                  has_body ? &provider : NULL);
}

static void h2_pump(struct http_exchange *x)
{
    struct http_conn *conn = x->conn;
    struct http2 *h2 = http2_of(conn);
    http__lock(x);
    bool is_started = x->is_started, is_aborted = x->is_aborted;
    http__unlock(x);
    if (is_aborted) {
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                        NGHTTP2_INTERNAL_ERROR);
    } else if (is_started && !x->is_head_sent) {
        x->is_head_sent = true;
        head_submit(conn, x);
    } else if (is_started) {
        (void)nghttp2_session_resume_data(h2->session, x->stream_id);
    }
    send_all(conn);
}

static void h2_want_body(struct http_exchange *x)
{
    struct http_conn *conn = x->conn;
    struct stream *stream = stream_find(http2_of(conn), x->stream_id);
    if (stream != NULL) {
        window_return(conn, stream);
        send_all(conn);
    }
}

static void h2_reset(struct http_exchange *x)
{
    (void)nghttp2_submit_rst_stream(http2_of(x->conn)->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                    NGHTTP2_CANCEL);
    send_all(x->conn);
}

static const struct http_transport http2 = {h2_pump, h2_want_body, h2_reset};

/* --- the session
 * ------------------------------------------------------------------------------------------ */

bool http__h2_start(struct http_conn *conn)
{
    struct http2 *h2 = NEW(struct http2);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, 64 << 10);
    CHECK(nghttp2_session_server_new2(&h2->session, callbacks, conn, option) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    conn->http2 = h2;
    h2->watch_ms = http__now_ms(conn->loop);
    http__conn_state(conn, HTTP_CONN_IDLE);
    const struct http_limits *limits = &conn->loop->server->limits;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (u32)limits->streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 << 10},
    };
    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
    (void)nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                16 * WINDOW_BYTES);
    return true;
}

void http__h2_read(struct http_conn *conn, const u8 *data, isize bytes)
{
    struct http2 *h2 = http2_of(conn);
    h2->depth++;
    ssize_t used = nghttp2_session_mem_recv(h2->session, data, (size_t)bytes);
    if (leave(h2)) {
        return;
    }
    bool is_flood = used == NGHTTP2_ERR_FLOODED || is_too_much(h2);
    if (used < 0 || is_flood) {
        (void)nghttp2_session_terminate_session(h2->session, is_flood ? NGHTTP2_ENHANCE_YOUR_CALM
                                                                      : NGHTTP2_PROTOCOL_ERROR);
    }
    send_all(conn);
}

/* --- time limits
 * ------------------------------------------------------------------------------------------ */

enum { BODY_WINDOW_MS = 10000 };

/* The body is wanted, and comes slower than it must. */
static bool is_slow_to_send(const struct http_limits *limits, struct stream *stream, u64 now_ms)
{
    struct http_exchange *x = stream->x;
    bool is_wanted = x->body_mode == HTTP_BODY_COLLECT || x->body_mode == HTTP_BODY_QUEUE;
    bool is_paused = __atomic_load_n(&x->is_body_paused, __ATOMIC_RELAXED);
    bool is_waiting = stream->is_handed && is_wanted && !x->is_body_complete && !is_paused;
    if (!is_waiting) {
        stream->since_ms = now_ms;
        stream->body_bytes = 0;
        return false;
    }
    if (now_ms - stream->since_ms < BODY_WINDOW_MS) {
        return false;
    }
    bool is_slow = stream->body_bytes < limits->body_rate_bytes * BODY_WINDOW_MS / 1000;
    stream->since_ms = now_ms;
    stream->body_bytes = 0;
    return is_slow;
}

/* Part of the answer waits for a window that the client does not open. */
static bool is_slow_to_take(const struct http_limits *limits, struct stream *stream, u64 now_ms)
{
    http__lock(stream->x);
    bool is_waiting =
        stream->x->is_started &&
        (stream->chunk != NULL || stream->x->out_first != NULL || stream->x->pieces.next != NULL);
    http__unlock(stream->x);
    if (!is_waiting) {
        stream->stalled_ms = 0;
        return false;
    }
    stream->stalled_ms = stream->stalled_ms == 0 ? now_ms : stream->stalled_ms;
    return now_ms - stream->stalled_ms > limits->write_timeout_ms;
}

void http__h2_pardon(struct http_conn *conn, u64 now_ms)
{
    for (struct stream *s = http2_of(conn)->streams; s != NULL; s = s->next) {
        s->since_ms = now_ms;
        s->stalled_ms = s->stalled_ms == 0 ? 0 : now_ms;
    }
}

void http__h2_tick(struct http_conn *conn, u64 now_ms)
{
    struct http2 *h2 = http2_of(conn);
    const struct http_limits *limits = &conn->loop->server->limits;
    if (now_ms - h2->watch_ms >= WATCH_MS) {
        h2->watch_ms = now_ms;
        h2->glitches = 0;
        h2->idle_frames = 0;
    }
    bool is_any_late = false;
    for (struct stream *stream = h2->streams; stream != NULL; stream = stream->next) {
        if (stream->x == NULL || stream->is_reset) {
            continue;
        }
        if (!stream->is_handed && now_ms - stream->since_ms > limits->header_timeout_ms) {
            __atomic_add_fetch(&conn->loop->server->stats.timeouts, 1, __ATOMIC_RELAXED);
            http__conn_close(conn); /* Nothing else can come on it before the header's end. */
            return;
        }
        if (stream->is_handed &&
            (is_slow_to_send(limits, stream, now_ms) || is_slow_to_take(limits, stream, now_ms))) {
            __atomic_add_fetch(&conn->loop->server->stats.timeouts, 1, __ATOMIC_RELAXED);
            stream->is_reset = true;
            is_any_late = true;
            (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                            NGHTTP2_ENHANCE_YOUR_CALM);
        }
    }
    if (is_any_late) {
        send_all(conn);
    }
}

void http__h2_written(struct http_conn *conn)
{
    send_all(conn);
}

bool http__h2_is_idle(const struct http_conn *conn)
{
    const struct http2 *h2 = conn->http2;
    return h2->stream_count == 0;
}

void http__h2_goaway(struct http_conn *conn)
{
    (void)nghttp2_submit_shutdown_notice(http2_of(conn)->session);
    send_all(conn);
}

void http__h2_free(struct http_conn *conn)
{
    struct http2 *h2 = http2_of(conn);
    if (h2 == NULL) {
        return;
    }
    while (h2->streams != NULL) {
        stream_free(h2, h2->streams, true);
    }
    conn->http2 = NULL;
    h2->is_dead = true;
    if (h2->depth == 0) {
        session_free(h2);
    }
}
