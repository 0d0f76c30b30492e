/*
 * HTTP/1.1 requests without sockets: however the bytes are cut into reads, the parser hands on the
 * same requests, bodies and refusals. The connection and the exchange are stood in for here; every
 * request is answered as soon as it is complete.
 */
#include "net/http1.c" /* NOLINT(bugprone-suspicious-include): its internals are what is driven. */

enum { REQUESTS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the parser said, as text. */
static struct buf *said;
static isize request_count;

/* --- in place of exchange.c ------------------------------------------------------------------- */

struct http_exchange *http__exchange_new(struct http_conn *conn,
                                         const struct http_transport *transport)
{
    struct http_exchange *x = NEW(struct http_exchange);
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
        arena_deinit(&x->arena);
        buf_deinit(&x->body);
        mem_free(x);
    }
}

void http__exchange_detach(struct http_exchange *x, bool is_gone)
{
    buf_printf(said, is_gone ? "gone\n" : "answered\n");
    x->conn = NULL;
    http__exchange_unref(x);
    http__exchange_unref(x);
}

bool http__exchange_body(struct http_exchange *x, const u8 *data, isize bytes)
{
    CHECK(x->conn != NULL && !x->is_body_complete);
    x->body_bytes_max += bytes;
    buf_append_bytes(said, data, bytes);
    CHECK(data != x->body.data || bytes <= x->body.capacity);
    return true;
}

/* Its own, and no larger, so that reading past its end is seen. */
u8 *http__exchange_body_room(struct http_exchange *x, isize *bytes_in_out)
{
    buf_deinit(&x->body);
    if (x->body_bytes_max % 2 == 0) {
        return NULL;
    }
    x->body.data = mem_alloc(*bytes_in_out);
    x->body.capacity = *bytes_in_out;
    return x->body.data;
}

void http__exchange_body_end(struct http_exchange *x)
{
    x->is_body_complete = true;
    CHECK(x->content_length < 0 || x->body_bytes_max == x->content_length);
    buf_printf(said, "\nend of %td bytes\n", x->body_bytes_max);
}

#include "http_stubs.h"

/* --- the run ---------------------------------------------------------------------------------- */

static void on_request(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    request_count++;
    CHECK(x->method.len > 0 && x->field_count <= HTTP_FIELDS_MAX);
    buf_printf(said, STR_FMT " " STR_FMT "?" STR_FMT " %lld\n", STR_ARG(x->method),
               STR_ARG(x->path), STR_ARG(x->query), (long long)x->content_length);
    for (isize i = 0; i < x->field_count; i++) {
        str name = x->fields[i].name, value = x->fields[i].value;
        CHECK(name.len > 0 && str_find_byte(value, '\n', 0) < 0 && str_find_byte(value, 0, 0) < 0);
        buf_printf(said, STR_FMT "=" STR_FMT "\n", STR_ARG(name), STR_ARG(value));
    }
}

static void answer_what_is_complete(struct http_conn *conn)
{
    while (!conn->is_closing && conn->x != NULL && conn->x->is_body_complete && conn->is_paused &&
           request_count < REQUESTS_MAX) {
        answer_done(conn, conn->x, conn->x->wants_close);
    }
}

/* As conn.c reads: into the body under way where there is room for it. Returns how many. */
static isize feed(struct http_conn *conn, const u8 *data, isize bytes)
{
    u8 *room = http__h1_body_room(conn, &bytes);
    u8 *copy = room == NULL ? mem_alloc(bytes) : NULL; /* Its own, likewise. */
    u8 *input = room == NULL ? copy : room;
    memcpy(input, data, (size_t)bytes);
    http__h1_read(conn, input, bytes);
    answer_what_is_complete(conn);
    mem_free(copy);
    return bytes;
}

/* Feeds the bytes in pieces of at most `piece`. */
static void run(str bytes, isize piece, struct buf *out)
{
    struct http_server server = {.os = os_real(), .options = {.handler = on_request}};
    server.limits =
        (struct http_limits){.request_line_bytes = 256, .header_bytes = 512, .header_count = 16};
    struct http_loop loop = {.server = &server};
    struct http_conn *conn = NEW(struct http_conn);
    conn->loop = &loop;
    said = out;
    request_count = 0;
    http__h1_init(conn);
    for (isize at = 0; at < bytes.len && !conn->is_closing && !conn->is_closed_after;) {
        at += feed(conn, bytes.data + at, MIN(piece, bytes.len - at));
    }
    /* Not the status: what is wrong in two ways is refused for the one that is seen first. */
    buf_printf(out, "%td requests, %s\n", request_count,
               conn->is_closed_after || conn->is_closing ? "closed" : "open");
    http__h1_free(conn);
    http__h1_loop_free(&loop);
    buf_deinit(&conn->leftover);
    mem_free(conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    str bytes = str_from(data + 1, (isize)size - 1);
    isize pieces[] = {bytes.len, 1, 1 + data[0] % 32};
    struct buf whole = {0}, cut = {0};
    run(bytes, pieces[0], &whole);
    for (int i = 1; i < COUNT_OF(pieces); i++) {
        buf_reset(&cut);
        run(bytes, pieces[i], &cut);
        CHECK(str_eq(buf_str(&whole), buf_str(&cut)));
    }
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
