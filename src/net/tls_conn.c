/*
 * net/tls_conn.c: TLS between a socket and HTTP. OpenSSL reads from the span that
 * the loop has read and writes into a buffer, through a BIO of our own: nothing is
 * held per connection but what a paused reader leaves.
 */
#include "net/http_int.h"
#include "net/tls_int.h"

#include <openssl/err.h>

enum { PLAIN_BYTES = 16 << 10, RECORD_OVERHEAD = 64 };

struct http_tls {
    struct http_conn *conn;
    SSL *ssl;        /* NULL until the first bytes. */
    str in;          /* Of what was received, not yet taken by OpenSSL. */
    struct buf held; /* `in` stands there while it is kept. */
    struct buf out;  /* Records to send. */
    bool is_up;      /* The handshake is done. */
    bool is_draining, is_ready;
    struct http_tls *next_ready;
    struct http_tls *older, *newer; /* Of those in their handshake. */
    bool is_waiting;
};

/* --- the BIO -------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *data, size_t bytes, size_t *got_out)
{
    struct http_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    isize part = MIN((isize)bytes, tls->in.len);
    if (part == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(data, tls->in.data, (size_t)part);
    tls->in = str_slice(tls->in, part, tls->in.len);
    *got_out = (size_t)part;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t bytes, size_t *wrote_out)
{
    struct http_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_append_bytes(&tls->out, data, (isize)bytes);
    *wrote_out = bytes;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data)
{
    (void)bio;
    (void)number;
    (void)data;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP;
}

/* Made once for the process. */
static BIO_METHOD *bio_method(void)
{
    static struct os_mutex lock = OS_MUTEX_INIT;
    static BIO_METHOD *method;
    os_mutex_lock(&lock);
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "leat connection");
        CHECK(method != NULL);
        CHECK(BIO_meth_set_read_ex(method, bio_read) == 1);
        CHECK(BIO_meth_set_write_ex(method, bio_write) == 1);
        CHECK(BIO_meth_set_ctrl(method, bio_ctrl) == 1);
    }
    os_mutex_unlock(&lock);
    return method;
}

/* --- handshakes under way ------------------------------------------------------------------- */

static void waiting_leave(struct http_tls *tls)
{
    struct http_loop *loop = tls->conn->loop;
    if (!tls->is_waiting) {
        return;
    }
    tls->is_waiting = false;
    loop->handshake_count--;
    *(tls->older != NULL ? &tls->older->newer : &loop->handshake_first) = tls->newer;
    *(tls->newer != NULL ? &tls->newer->older : &loop->handshake_last) = tls->older;
    tls->older = NULL;
    tls->newer = NULL;
}

/* Over the limit the oldest goes: a flood of half handshakes costs what the limit allows. */
static void waiting_enter(struct http_tls *tls)
{
    struct http_loop *loop = tls->conn->loop;
    if (loop->handshake_count >= HTTP_HANDSHAKES_MAX) {
        __atomic_add_fetch(&loop->server->stats.timeouts, 1, __ATOMIC_RELAXED);
        http__conn_close(loop->handshake_first->conn);
    }
    tls->is_waiting = true;
    tls->older = loop->handshake_last;
    *(tls->older != NULL ? &tls->older->newer : &loop->handshake_first) = tls;
    loop->handshake_last = tls;
    loop->handshake_count++;
}

/* --- life ----------------------------------------------------------------------------------- */

void http__tls_open(struct http_conn *conn)
{
    struct http_tls *tls = NEW(struct http_tls);
    tls->conn = conn;
    conn->tls = tls;
    waiting_enter(tls);
}

static bool session_make(struct http_tls *tls)
{
    SSL_CTX *context = tls__context(tls->conn->loop->server->options.tls);
    if (context == NULL) {
        return false;
    }
    tls->ssl = SSL_new(context);
    SSL_CTX_free(context);
    BIO *bio = BIO_new(bio_method());
    CHECK(tls->ssl != NULL);
    CHECK(bio != NULL);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    return true;
}

void http__tls_free(struct http_conn *conn)
{
    struct http_tls *tls = conn->tls;
    if (tls == NULL) {
        return;
    }
    conn->tls = NULL;
    SSL_free(tls->ssl);
    buf_deinit(&tls->held);
    buf_deinit(&tls->out);
    mem_free(tls);
}

bool http__tls_is_up(const struct http_conn *conn)
{
    return conn->tls->is_up;
}

static void ready_leave(struct http_tls *tls)
{
    struct http_tls **at = &tls->conn->loop->tls_ready;
    while (tls->is_ready && *at != tls) {
        at = &(*at)->next_ready;
    }
    if (tls->is_ready) {
        *at = tls->next_ready;
        tls->is_ready = false;
    }
}

void http__tls_close(struct http_conn *conn)
{
    struct http_tls *tls = conn->tls;
    waiting_leave(tls);
    ready_leave(tls);
    if (!tls->is_up || conn->is_writing || conn->out_first != NULL) {
        return;
    }
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl); /* The client can tell an end from a cut. */
    uv_buf_t buffer = uv_buf_init((char *)tls->out.data, (unsigned)tls->out.len);
    if (tls->out.len > 0) {
        (void)uv_try_write((uv_stream_t *)&conn->tcp, &buffer, 1); /* It is going anyway. */
    }
}

/* --- writing -------------------------------------------------------------------------------- */

/* What OpenSSL has written, as a chunk that stands for `plain_bytes` of an answer. */
static struct http_chunk *out_take(struct http_tls *tls, isize plain_bytes)
{
    struct http_chunk *chunk = http__chunk_of_buf(&tls->out);
    chunk->overhead = chunk->bytes - plain_bytes;
    return chunk;
}

static void out_flush(struct http_tls *tls)
{
    if (tls->out.len > 0 && !tls->conn->is_closing) {
        http__conn_send(tls->conn, out_take(tls, 0));
    }
}

struct http_chunk *http__tls_seal(struct http_conn *conn, struct http_chunk *chunk)
{
    struct http_tls *tls = conn->tls;
    size_t wrote = 0;
    isize records = chunk->bytes / PLAIN_BYTES + 1;
    if (!tls->is_up || conn->is_closing) {
        http__chunk_free(chunk);
        return NULL;
    }
    if (chunk->bytes == 0) {
        return chunk;
    }
    IGNORE(buf_reserve(&tls->out, chunk->bytes + records * RECORD_OVERHEAD) == NULL);
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, chunk->data, (size_t)chunk->bytes, &wrote) != 1) {
        ERR_clear_error();
        http__chunk_free(chunk);
        return NULL;
    }
    CHECK((isize)wrote == chunk->bytes);
    struct http_chunk *sealed = out_take(tls, chunk->bytes);
    http__chunk_pass_charge(chunk, sealed);
    http__chunk_free(chunk);
    return sealed;
}

/* --- reading -------------------------------------------------------------------------------- */

/* A client that speaks without TLS gets an answer that it can read. */
static void refuse_plain(struct http_conn *conn)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 35\r\nConnection: close\r\n\r\n"
                               "this port speaks TLS: use https://\n";
    waiting_leave(conn->tls);
    http__tls_free(conn);
    conn->is_closed_after = true;
    __atomic_add_fetch(&conn->loop->server->stats.bad_requests, 1, __ATOMIC_RELAXED);
    http__conn_send(conn, http__chunk_new(text, (isize)sizeof text - 1));
}

/* False: more is needed, or the connection is closed. */
static bool handshake(struct http_tls *tls)
{
    struct http_conn *conn = tls->conn;
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    int why = SSL_get_error(tls->ssl, result);
    out_flush(tls);
    if (result == 1) {
        tls->is_up = true;
        waiting_leave(tls);
        http__conn_state(conn, HTTP_CONN_IDLE);
        return !conn->is_closing;
    }
    ERR_clear_error();
    if (why != SSL_ERROR_WANT_READ) {
        __atomic_add_fetch(&conn->loop->server->stats.bad_requests, 1, __ATOMIC_RELAXED);
        http__conn_close(conn);
    }
    return false;
}

/* One piece of plain text; false: there is none now. */
static bool piece_read(struct http_tls *tls)
{
    struct http_conn *conn = tls->conn;
    struct http_loop *loop = conn->loop;
    if (loop->plain_buffer == NULL) {
        loop->plain_buffer = mem_alloc(PLAIN_BYTES);
    }
    size_t got = 0;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, loop->plain_buffer, PLAIN_BYTES, &got);
    int why = SSL_get_error(tls->ssl, result);
    out_flush(tls);
    if (conn->is_closing) {
        return false;
    }
    if (result == 1) {
        http__conn_feed(conn, loop->plain_buffer, (isize)got);
        return true;
    }
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN) {
        http__conn_eof(conn);
    } else if (why != SSL_ERROR_WANT_READ) {
        http__conn_close(conn);
    }
    return false;
}

static void drain(struct http_tls *tls)
{
    struct http_conn *conn = tls->conn;
    if (tls->is_draining) {
        return; /* The caller further up goes on. */
    }
    tls->is_draining = true;
    bool goes_on = true;
    while (goes_on && !conn->is_closing && conn->is_reading && conn->state != HTTP_CONN_DRAIN) {
        goes_on = tls->is_up ? piece_read(tls) : handshake(tls);
    }
    tls->is_draining = false;
}

/* What is left of `in` stays in `held`. */
static void keep(struct http_tls *tls)
{
    struct buf rest = {0};
    if (tls->in.len > 0 && tls->conn->state != HTTP_CONN_DRAIN && !tls->conn->is_closing) {
        buf_append(&rest, tls->in);
    }
    buf_deinit(&tls->held);
    tls->held = rest;
    tls->in = buf_str(&tls->held);
}

void http__tls_read(struct http_conn *conn, const u8 *data, isize bytes)
{
    struct http_tls *tls = conn->tls;
    if (tls->ssl == NULL) {
        if (data[0] != 0x16) {
            refuse_plain(conn);
            return;
        }
        if (!session_make(tls)) {
            http__conn_close(conn);
            return;
        }
    }
    if (tls->held.len > 0) {
        buf_append_bytes(&tls->held, data, bytes);
        tls->in = buf_str(&tls->held);
    } else {
        tls->in = str_from(data, bytes);
    }
    drain(tls);
    keep(tls);
}

void http__tls_resume(struct http_conn *conn)
{
    struct http_tls *tls = conn->tls;
    bool has_more = tls->ssl != NULL && (tls->held.len > 0 || SSL_pending(tls->ssl) > 0);
    if (!has_more || tls->is_draining || tls->is_ready) {
        return;
    }
    struct http_loop *loop = conn->loop;
    tls->is_ready = true;
    tls->next_ready = loop->tls_ready;
    loop->tls_ready = tls;
    http__loop_wake(loop);
}

void http__tls_run_ready(struct http_loop *loop)
{
    while (loop->tls_ready != NULL) {
        struct http_tls *tls = loop->tls_ready;
        ready_leave(tls);
        tls->in = buf_str(&tls->held);
        drain(tls);
        keep(tls);
    }
}
