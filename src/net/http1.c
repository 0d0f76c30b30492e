/*
 * net/http1.c: HTTP/1.1 by llhttp in its strict setting. One request of a connection
 * is under way at a time: what a client pipelines behind it is kept unparsed (at most
 * 64 KiB) until the answer has been handed over, so that answers come in order.
 */
#include "net/http_int.h"

#include <stdio.h>

enum { CHUNK_BYTES_MAX = INT32_MAX, SEPARATOR_BYTES = 2 };

const char *http__reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {416, "Range Not Satisfiable"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };
    for (isize i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "Status";
}

static struct http_conn *conn_of(llhttp_t *parser)
{
    return parser->data;
}

static int refuse(struct http_conn *conn, int status)
{
    conn->refuse_status = status;
    return HPE_USER;
}

/* --- headers that are lent
 * ---------------------------------------------------------------------------------- */

static void head_free(struct http_head *head)
{
    buf_deinit(&head->line);
    buf_deinit(&head->text);
    mem_free(head);
}

static void head_take(struct http_conn *conn)
{
    struct http_loop *loop = conn->loop;
    if (conn->head == NULL && loop->heads != NULL) {
        conn->head = loop->heads;
        loop->heads = conn->head->next;
        loop->head_count--;
    } else if (conn->head == NULL) {
        conn->head = NEW(struct http_head);
    }
    buf_reset(&conn->head->line);
    buf_reset(&conn->head->text);
    conn->head->span_count = 0;
}

static void head_give(struct http_conn *conn)
{
    struct http_loop *loop = conn->loop;
    struct http_head *head = conn->head;
    conn->head = NULL;
    if (head != NULL && loop->head_count >= HTTP_HEADS_KEPT_MAX) {
        head_free(head);
    } else if (head != NULL) {
        head->next = loop->heads;
        loop->heads = head;
        loop->head_count++;
    }
}

void http__h1_loop_free(struct http_loop *loop)
{
    while (loop->heads != NULL) {
        struct http_head *head = loop->heads;
        loop->heads = head->next;
        head_free(head);
    }
}

/* --- parsing
 * ----------------------------------------------------------------------------------------- */

static int on_begin(llhttp_t *parser)
{
    struct http_conn *conn = conn_of(parser);
    if (conn->is_closed_after) {
        return HPE_USER; /* What is pipelined behind the last answer is not looked at. */
    }
    head_take(conn);
    conn->is_in_value = false;
    conn->is_in_trailer = false;
    conn->aside_bytes = 0;
    conn->refuse_status = 0;
    if (conn->state == HTTP_CONN_IDLE) {
        http__conn_state(conn, HTTP_CONN_HEADER);
    }
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
    struct http_conn *conn = conn_of(parser);
    if (conn->head->line.len + (isize)length > conn->loop->server->limits.request_line_bytes) {
        return refuse(conn, 414);
    }
    buf_append_bytes(&conn->head->line, at, (isize)length);
    return 0;
}

static bool has_room(struct http_conn *conn, size_t length)
{
    return conn->head->text.len + (isize)length <= conn->loop->server->limits.header_bytes;
}

/* What is read over costs memory nothing, but time: it counts as a header does. */
static int read_over(struct http_conn *conn, size_t length)
{
    conn->aside_bytes += (isize)length;
    return conn->aside_bytes > conn->loop->server->limits.header_bytes ? refuse(conn, 431) : 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t length)
{
    struct http_conn *conn = conn_of(parser);
    if (conn->is_in_trailer) {
        return read_over(conn, length);
    }
    bool is_new = conn->head->span_count == 0 || conn->is_in_value;
    if (is_new) {
        isize limit = MIN(conn->loop->server->limits.header_count, (i32)HTTP_FIELDS_MAX);
        if (conn->head->span_count >= limit) {
            return refuse(conn, 431);
        }
        conn->is_in_value = false;
        conn->head->spans[conn->head->span_count].name_at = (i32)conn->head->text.len;
        conn->head->spans[conn->head->span_count].name_len = 0;
        conn->head->spans[conn->head->span_count].value_at = (i32)conn->head->text.len;
        conn->head->spans[conn->head->span_count].value_len = 0;
        conn->head->span_count++;
    }
    if (!has_room(conn, length)) {
        return refuse(conn, 431);
    }
    conn->head->spans[conn->head->span_count - 1].name_len += (i32)length;
    buf_append_bytes(&conn->head->text, at, (isize)length);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
    struct http_conn *conn = conn_of(parser);
    if (conn->is_in_trailer) {
        return read_over(conn, length);
    }
    if (!has_room(conn, length)) {
        return refuse(conn, 431);
    }
    if (!conn->is_in_value) {
        conn->is_in_value = true;
        conn->head->spans[conn->head->span_count - 1].value_at = (i32)conn->head->text.len;
    } else if ((const u8 *)at != conn->input || !conn->is_value_cut) {
        return refuse(conn, 400); /* A folded line, which llhttp would join. */
    }
    conn->value_end = (const u8 *)at + length;
    conn->head->spans[conn->head->span_count - 1].value_len += (i32)length;
    buf_append_bytes(&conn->head->text, at, (isize)length);
    return 0;
}

/* Empty ones count too. */
static int on_value_end(llhttp_t *parser)
{
    struct http_conn *conn = conn_of(parser);
    return conn->is_in_trailer ? read_over(conn, SEPARATOR_BYTES) : 0;
}

static int on_extension(llhttp_t *parser, const char *at, size_t length)
{
    (void)at;
    return read_over(conn_of(parser), length);
}

static int on_extension_end(llhttp_t *parser)
{
    return read_over(conn_of(parser), SEPARATOR_BYTES);
}

static int on_chunk(llhttp_t *parser)
{
    return parser->content_length > CHUNK_BYTES_MAX ? refuse(conn_of(parser), 413) : 0;
}

static const struct http_transport http1;

/* Whether one of eight bytes is a control character (by Mycroft's test for a byte that is less). */
static bool has_control(u64 word)
{
    const u64 ones = 0x0101010101010101ULL, tops = ones << 7;
    u64 delete = word ^ ones * 0x7F;
    return ((((word - ones * 0x20) & ~word) | ((delete - ones) & ~delete)) & tops) != 0;
}

/* No control character but the tab. */
static bool is_clean(str text)
{
    for (isize i = 0; i < text.len;) {
        if (text.len - i >= 8 && !has_control(get_u64(text.data + i))) {
            i += 8;
            continue;
        }
        u8 c = text.data[i++];
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return false;
        }
    }
    return true;
}

/* Splits "path?query" and "http://host/path?query". False when it is neither. */
static bool target_set(struct http_exchange *x, str target, str *authority_out)
{
    *authority_out = STR_EMPTY;
    if (str_starts_nocase(target, STR("http://"))) {
        str rest = str_slice(target, 7, target.len);
        isize slash = str_find_byte(rest, '/', 0);
        *authority_out = str_slice(rest, 0, slash < 0 ? rest.len : slash);
        target = slash < 0 ? STR("/") : str_slice(rest, slash, rest.len);
    }
    bool is_star = str_eq(target, STR("*"));
    if (!is_star && (target.len == 0 || target.data[0] != '/')) {
        return false;
    }
    isize mark = str_find_byte(target, '?', 0);
    x->path = str_slice(target, 0, mark < 0 ? target.len : mark);
    x->query = mark < 0 ? STR_EMPTY : str_slice(target, mark + 1, target.len);
    return is_clean(target) && str_find_byte(target, ' ', 0) < 0;
}

/* Copies line and fields into the exchange's arena; 0 or the status to refuse with. */
static int request_take(struct http_conn *conn, struct http_exchange *x)
{
    x->method = str_of(llhttp_method_name((llhttp_method_t)conn->parser.method));
    str line = arena_copy(&x->arena, buf_str(&conn->head->line));
    str head = arena_copy(&x->arena, buf_str(&conn->head->text));
    int hosts = 0;
    str host = STR_EMPTY, authority;
    if (!is_clean(head)) {
        return 400;
    }
    for (isize i = 0; i < conn->head->span_count; i++) {
        str name = str_slice(head, conn->head->spans[i].name_at,
                             conn->head->spans[i].name_at + conn->head->spans[i].name_len);
        str value = str_slice(head, conn->head->spans[i].value_at,
                              conn->head->spans[i].value_at + conn->head->spans[i].value_len);
        if (name.len == 0) {
            return 400;
        }
        value = str_trim(value);
        x->fields[x->field_count++] = (struct http_field){name, value};
        if (str_eq_nocase(name, STR("host"))) {
            hosts++;
            host = value;
        }
        if (str_eq_nocase(name, STR("expect"))) {
            x->expects_continue = str_eq_nocase(value, STR("100-continue"));
        }
        /* No other coding is taken off, so none may be named, not even an empty one. */
        if (str_eq_nocase(name, STR("transfer-encoding")) &&
            !str_eq_nocase(value, STR("chunked"))) {
            return 400;
        }
    }
    if (!target_set(x, line, &authority)) {
        return 400;
    }
    if (conn->parser.http_major != 1 || conn->parser.http_minor > 1) {
        return 400; /* llhttp takes 0.9 and 2.0, too, and frames them as 1.0. */
    }
    x->is_http10 = conn->parser.http_minor == 0;
    bool is_host_wrong = hosts > 1 || (hosts == 0 && !x->is_http10) ||
                         (authority.len > 0 && !str_eq_nocase(authority, host));
    bool is_chunked = (conn->parser.flags & F_CHUNKED) != 0;
    bool is_te_wrong =
        (conn->parser.flags & F_TRANSFER_ENCODING) != 0 && (!is_chunked || x->is_http10);
    if (is_host_wrong || is_te_wrong) {
        return 400;
    }
    bool has_length = (conn->parser.flags & F_CONTENT_LENGTH) != 0;
    if (has_length && conn->parser.content_length > INT64_MAX) {
        return 400;
    }
    x->content_length = is_chunked ? -1 : (i64)conn->parser.content_length;
    return 0;
}

static int on_headers(llhttp_t *parser)
{
    struct http_conn *conn = conn_of(parser);
    if (parser->upgrade != 0 && parser->method == HTTP_CONNECT) {
        return refuse(conn, 405);
    }
    parser->upgrade = 0;
    struct http_exchange *x = http__exchange_new(conn, &http1);
    x->received_ns = os_mono_ns(conn->loop->server->os);
    int status = request_take(conn, x);
    head_give(conn);
    if (status != 0) {
        http__exchange_unref(x);
        http__exchange_unref(x);
        return refuse(conn, status);
    }
    x->wants_close = llhttp_should_keep_alive(parser) == 0;
    conn->x = x;
    conn->is_in_trailer = true;
    x->is_body_complete = x->content_length == 0;
    http__conn_state(conn, HTTP_CONN_ANSWER);
    __atomic_add_fetch(&conn->loop->server->stats.requests, 1, __ATOMIC_RELAXED);
    conn->loop->server->options.handler(x, conn->loop->server->options.handler_ctx);
    return conn->is_closing ? HPE_USER : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
    struct http_conn *conn = conn_of(parser);
    if (conn->x == NULL || conn->x->conn == NULL) {
        return 0;
    }
    if (!http__exchange_body(conn->x, (const u8 *)at, (isize)length)) {
        conn->is_paused = true;
        return HPE_PAUSED;
    }
    return conn->is_closing ? HPE_USER : 0;
}

static int on_complete(llhttp_t *parser)
{
    struct http_conn *conn = conn_of(parser);
    struct http_exchange *x = conn->x;
    if (conn->state == HTTP_CONN_BODY) {
        http__conn_state(conn, HTTP_CONN_ANSWER);
    }
    if (x != NULL) {
        http__exchange_ref(x);
        if (!x->is_body_complete || x->content_length != 0) {
            http__exchange_body_end(x);
        }
        http__exchange_unref(x);
    }
    if (conn->x != NULL) {
        conn->is_paused = true;
        return HPE_PAUSED; /* The next request waits for this one's answer. */
    }
    return 0;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_end,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_name_complete = on_extension_end,
    .on_chunk_extension_value = on_extension,
    .on_chunk_extension_value_complete = on_extension_end,
    .on_chunk_header = on_chunk,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void http__h1_init(struct http_conn *conn)
{
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
}

/* --- refusing
 * ---------------------------------------------------------------------------------------- */

void http__h1_refuse(struct http_conn *conn, int status)
{
    __atomic_add_fetch(&conn->loop->server->stats.bad_requests, 1, __ATOMIC_RELAXED);
    if (conn->x != NULL && conn->x->is_head_sent) {
        http__conn_close(conn); /* An answer has begun: nothing sensible can follow. */
        return;
    }
    if (conn->x != NULL) {
        struct http_exchange *x = conn->x;
        conn->x = NULL;
        http__exchange_detach(x, true);
    }
    char text[256];
    const char *reason = http__reason(status);
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n%s\n",
                          status, reason, strlen(reason) + 1, reason);
    conn->is_closed_after = true;
    http__conn_state(conn, HTTP_CONN_DRAIN);
    http__conn_write(conn, http__chunk_new(text, length), NULL);
    if (!conn->is_closing) {
        http__conn_read_pause(conn, false);
    }
}

/* --- feeding the parser
 * -------------------------------------------------------------------------------- */

/* Keeps what could not be parsed yet. */
static void keep(struct http_conn *conn, const u8 *data, isize bytes)
{
    if (bytes > 0) {
        buf_append_bytes(&conn->leftover, data, bytes);
    }
    http__conn_read_pause(
        conn, conn->leftover.len >= HTTP_LEFTOVER_MAX ||
                  (conn->x != NULL && __atomic_load_n(&conn->x->is_body_paused, __ATOMIC_RELAXED)));
}

static void parse(struct http_conn *conn, const u8 *data, isize bytes)
{
    conn->input = data;
    conn->value_end = NULL;
    enum llhttp_errno result = llhttp_execute(&conn->parser, (const char *)data, (size_t)bytes);
    conn->is_value_cut = conn->value_end == data + bytes;
    if (conn->is_closing) {
        return;
    }
    if (result == HPE_OK || conn->is_closed_after) {
        return;
    }
    if (result == HPE_PAUSED) {
        const u8 *stop = (const u8 *)llhttp_get_error_pos(&conn->parser);
        keep(conn, stop, data + bytes - stop);
        return;
    }
    http__h1_refuse(conn, conn->refuse_status != 0 ? conn->refuse_status : 400);
}

void http__h1_read(struct http_conn *conn, const u8 *data, isize bytes)
{
    if (conn->is_paused) {
        keep(conn, data, bytes);
        return;
    }
    parse(conn, data, bytes);
}

u8 *http__h1_body_room(struct http_conn *conn, isize *bytes_in_out)
{
    struct http_exchange *x = conn->x;
    bool is_counted = x != NULL && x->content_length > 0 && !x->is_body_complete;
    if (!is_counted || conn->is_paused) {
        return NULL;
    }
    /* What is left of it, and no byte of the request behind it. */
    *bytes_in_out = (isize)MIN((u64)*bytes_in_out, conn->parser.content_length);
    return http__exchange_body_room(x, bytes_in_out);
}

/* Goes on with what was kept. */
static void resume(struct http_conn *conn)
{
    if (!conn->is_paused || conn->is_closing) {
        return;
    }
    conn->is_paused = false;
    llhttp_resume(&conn->parser);
    struct buf kept = conn->leftover;
    conn->leftover = (struct buf){0};
    http__conn_read_pause(conn, false);
    /* Also when nothing was kept: the end of a body may be what the parser stopped before. */
    parse(conn, kept.len > 0 ? kept.data : (const u8 *)"", kept.len);
    buf_deinit(&kept);
}

void http__h1_eof(struct http_conn *conn)
{
    /* A half-closed client may still read the answer of a complete request; one that follows an
     * endless answer is taken for gone, else its place would be held until the next write. */
    bool is_answering = conn->x != NULL && conn->x->is_body_complete && conn->x->gone_fn == NULL;
    if (is_answering || (conn->x == NULL && conn->unsent > 0)) {
        conn->is_closed_after = conn->x == NULL;
        return;
    }
    http__conn_close(conn);
}

void http__h1_free(struct http_conn *conn)
{
    head_give(conn);
    if (conn->x != NULL) {
        struct http_exchange *x = conn->x;
        conn->x = NULL;
        http__exchange_detach(x, true);
    }
}

/* --- the transport
 * ---------------------------------------------------------------------------------------- */

static void h1_want_body(struct http_exchange *x)
{
    struct http_conn *conn = x->conn;
    if (x->expects_continue && !x->is_head_sent) {
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        x->expects_continue = false;
        http__conn_write(conn, http__chunk_new(text, (isize)sizeof text - 1), NULL);
        if (conn->is_closing) {
            return;
        }
    }
    if (x->is_body_complete) {
        return;
    }
    http__conn_state(conn, HTTP_CONN_BODY);
    if (conn->is_paused) {
        resume(conn);
    }
}

enum { HEAD_BYTES_USUAL = 480 };

/* HTTP/1.0 knows no chunks: there the end of an answer without length is that of the connection. */
static bool is_chunked(const struct http_exchange *x)
{
    return x->answer_length < 0 && !x->is_http10;
}

static struct http_chunk *head_chunk(struct http_exchange *x, bool is_close)
{
    struct buf out = {0};
    IGNORE(buf_reserve(&out, HEAD_BYTES_USUAL) == NULL); /* One allocation. */
    buf_append(&out, STR("HTTP/1.1 "));
    buf_append_i64(&out, x->status);
    buf_append_byte(&out, ' ');
    buf_append(&out, str_of(http__reason(x->status)));
    buf_append(&out, STR("\r\n"));
    bool has_length = false;
    for (isize i = 0; i < x->answer_field_count; i++) {
        const struct http_field *field = &x->answer_fields[i];
        has_length = has_length || str_eq_nocase(field->name, STR("content-length"));
        buf_append(&out, field->name);
        buf_append(&out, STR(": "));
        buf_append(&out, field->value);
        buf_append(&out, STR("\r\n"));
    }
    buf_append(&out, STR("Date: "));
    buf_append(&out, http__date(x->loop));
    if (is_chunked(x)) {
        buf_append(&out, STR("\r\nTransfer-Encoding: chunked"));
    } else if (x->answer_length >= 0 && !has_length && x->status != 204) {
        buf_append(&out, STR("\r\nContent-Length: "));
        buf_append_i64(&out, x->answer_length);
    }
    buf_append(&out, is_close ? STR("\r\nConnection: close\r\n\r\n") : STR("\r\n\r\n"));
    return http__chunk_of_buf(&out);
}

/* Bytes that frame the body are not the answerer's: they count as sent at once. */
static void write_own(struct http_exchange *x, struct http_chunk *chunk)
{
    http__lock(x);
    x->out_bytes += chunk->bytes;
    http__unlock(x);
    http__conn_write(x->conn, chunk, x);
}

static struct http_chunk *chunked(struct http_exchange *x, struct http_chunk *chunk)
{
    char size[24];
    int len = snprintf(size, sizeof size, "%llx\r\n", (unsigned long long)chunk->bytes);
    struct http_chunk *framed = mem_alloc((isize)sizeof *framed + chunk->bytes + len + 2);
    *framed = (struct http_chunk){.bytes = chunk->bytes + len + 2, .data = (u8 *)(framed + 1)};
    memcpy(framed->data, size, (size_t)len);
    memcpy(framed->data + len, chunk->data, (size_t)chunk->bytes);
    memcpy(framed->data + len + chunk->bytes, "\r\n", 2);
    http__lock(x);
    x->out_bytes += len + 2;
    http__unlock(x);
    http__chunk_free(chunk);
    return framed;
}

/* The answer is handed over: on to the next request, or to the end. */
static void answer_done(struct http_conn *conn, struct http_exchange *x, bool is_close)
{
    conn->x = NULL;
    bool is_unread = !x->is_body_complete;
    http__exchange_detach(x, false);
    http__conn_settle(conn);
    if (conn->is_closing) {
        return;
    }
    if (is_close || conn->is_eof) {
        conn->is_closed_after = true;
        if (is_unread && !conn->is_eof) {
            http__conn_state(conn, HTTP_CONN_DRAIN);
            conn->is_paused = true;
            http__conn_read_pause(conn, false);
        } else if (conn->unsent == 0) {
            http__conn_close(conn);
        }
        return;
    }
    http__conn_state(conn, HTTP_CONN_IDLE);
    resume(conn);
}

static bool is_closing_answer(const struct http_exchange *x)
{
    return x->wants_close || !x->is_body_complete || (x->answer_length < 0 && !is_chunked(x)) ||
           __atomic_load_n(&x->loop->is_stopping, __ATOMIC_RELAXED);
}

/* A piece is made when the kernel has taken all before it; its header may wait for it. */
static bool may_take(const struct http_conn *conn, const struct http_exchange *x)
{
    return x->pieces.next == NULL ? conn->unsent < HTTP_UNSENT_MAX : !conn->is_writing;
}

static void h1_pump(struct http_exchange *x)
{
    struct http_conn *conn = x->conn;
    bool is_aborted;
    bool is_done = http__exchange_is_done(x, &is_aborted);
    if (is_aborted) {
        http__conn_close(conn);
        return;
    }
    http__lock(x);
    bool is_started = x->is_started;
    http__unlock(x);
    if (!is_started) {
        return;
    }
    http__exchange_ref(x);
    if (!x->is_head_sent) {
        x->is_head_sent = true;
        x->wants_close = is_closing_answer(x);
        conn->is_held = true;
        write_own(x, head_chunk(x, x->wants_close));
        conn->is_held = false;
    }
    struct http_chunk *chunk;
    while (x->conn == conn && may_take(conn, x) && (chunk = http__exchange_take(x)) != NULL) {
        http__conn_write(conn, is_chunked(x) ? chunked(x, chunk) : chunk, x);
        x->keeps_up = !conn->is_writing;
    }
    http__conn_flush(conn); /* A header without a body. */
    is_done = x->conn == conn && http__exchange_is_done(x, &is_aborted);
    if (is_done && is_aborted) { /* Since it was looked at above: its last bytes are missing. */
        http__conn_close(conn);
    } else if (is_done && conn->x == x) {
        if (is_chunked(x) && !str_eq(x->method, STR("HEAD"))) {
            write_own(x, http__chunk_new("0\r\n\r\n", 5));
        }
        if (x->conn == conn) {
            answer_done(conn, x, x->wants_close);
        }
    }
    http__exchange_unref(x);
}

static void h1_reset(struct http_exchange *x)
{
    http__conn_close(x->conn);
}

static const struct http_transport http1 = {h1_pump, h1_want_body, h1_reset};
