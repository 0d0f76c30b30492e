/*
 * HTTP/2 connections without sockets: any bytes behind the preface, in any pieces, lead to whole
 * requests or to the end of the connection, and everything is given back when it goes. The
 * connection and the exchange are stood in for here; every second request is answered at once.
 */
#include "net/http2.c" /* NOLINT(bugprone-suspicious-include): its internals are what is driven. */

enum { STREAMS = 100, EXCHANGES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static isize request_count, open_count, body_bytes;

/* --- in place of exchange.c ------------------------------------------------------------------- */

struct http_exchange *http__exchange_new(struct http_conn *conn,
                                         const struct http_transport *transport)
{
    struct http_exchange *x = NEW(struct http_exchange);
    open_count++;
    CHECK(open_count <= EXCHANGES);
    conn->loop->exchange_count = open_count;
    x->content_length = -1;
    x->refs = 2; /* The transport's and the answering side's. */
    x->conn = conn;
    x->loop = conn->loop;
    x->transport = transport;
    return x;
}

void http__exchange_ref(struct http_exchange *x)
{
    x->refs++;
}

void http__exchange_unref(struct http_exchange *x)
{
    CHECK(x->refs > 0);
    if (--x->refs == 0) {
        open_count--;
        x->loop->exchange_count = open_count;
        arena_deinit(&x->arena);
        mem_free(x);
    }
}

/* is_worker stands for the answering side's reference, which ends with the transport's here. */
void http__exchange_detach(struct http_exchange *x, bool is_gone)
{
    (void)is_gone;
    x->conn = NULL;
    if (x->is_worker) {
        http__exchange_unref(x);
    }
    http__exchange_unref(x);
}

void http_respond(struct http_exchange *x, int status, const struct http_field *fields,
                  isize field_count, str body)
{
    (void)fields;
    (void)field_count;
    (void)body;
    x->is_worker = true;
    x->status = status;
    x->is_started = x->is_ended = true;
    x->transport->pump(x);
}

bool http__exchange_body(struct http_exchange *x, const u8 *data, isize bytes)
{
    (void)data;
    CHECK(x->conn != NULL && !x->is_body_complete);
    x->body_bytes_max += bytes;
    body_bytes += bytes;
    return true;
}

void http__exchange_sent(struct http_exchange *x, isize bytes)
{
    (void)x;
    (void)bytes;
}

void http__exchange_body_end(struct http_exchange *x)
{
    x->is_body_complete = true;
    CHECK(x->content_length < 0 || x->body_bytes_max == x->content_length);
}

#include "http_stubs.h"

u64 http__now_ms(struct http_loop *loop)
{
    (void)loop;
    return 1000;
}

const char *http__reason(int status)
{
    return status == 431 ? "too large" : "wrong";
}

/* --- the run ---------------------------------------------------------------------------------- */

static void on_request(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    request_count++;
    CHECK(x->method.len > 0 && x->path.len > 0 && x->field_count <= HTTP_FIELDS_MAX);
    for (isize i = 0; i < x->field_count; i++) {
        CHECK(x->fields[i].name.len > 0 && str_find_byte(x->fields[i].value, '\n', 0) < 0);
        CHECK(str_find_byte(x->fields[i].value, 0, 0) < 0);
    }
    x->is_worker = true;
    if (request_count % 2 == 0) {
        http_respond(x, 204, NULL, 0, STR_EMPTY);
    }
}

/* Feeds the bytes in pieces of at most `piece`; returns how many requests there were. */
static isize run(str bytes, isize piece)
{
    struct http_server server = {
        .os = os_real(), .options = {.handler = on_request}, .loop_count = 1};
    server.limits = (struct http_limits){.request_line_bytes = 256,
                                         .header_bytes = 512,
                                         .header_count = 16,
                                         .streams = STREAMS,
                                         .exchanges = EXCHANGES,
                                         .body_rate_bytes = 1,
                                         .header_timeout_ms = 1};
    struct http_loop loop = {.server = &server};
    struct http_conn *conn = NEW(struct http_conn);
    conn->loop = &loop;
    request_count = open_count = body_bytes = 0;
    CHECK(http__h2_start(conn));
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    http__h2_read(conn, (const u8 *)preface, (isize)sizeof preface);
    for (isize at = 0; at < bytes.len && !conn->is_closing && conn->http2 != NULL; at += piece) {
        isize count = MIN(piece, bytes.len - at);
        u8 *copy = mem_alloc(count); /* Its own, so that reading past its end is seen. */
        memcpy(copy, bytes.data + at, (size_t)count);
        http__h2_read(conn, copy, count);
        mem_free(copy);
    }
    if (conn->http2 != NULL && !conn->is_closing) {
        http__h2_tick(conn, 1000000); /* Whatever is under way is late. */
    }
    http__h2_free(conn);
    CHECK(open_count == 0 && body_bytes <= bytes.len);
    mem_free(conn);
    return request_count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    str bytes = str_from(data + 1, (isize)size - 1);
    /* Not the same number for all: nghttp2 counts the pieces of a CONTINUATION's head. */
    const isize pieces[] = {bytes.len, 1, 1 + data[0] % 32};
    for (int i = 0; i < COUNT_OF(pieces); i++) {
        CHECK(run(bytes, pieces[i]) <= bytes.len / 9 + 1);
    }
    return 0;
}
