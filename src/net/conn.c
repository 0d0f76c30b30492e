/* net/conn.c: a TCP connection on its loop: reading, writing, time limits, closing. */
#include "net/http_int.h"

#include "base/cal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    WRITE_BUFFERS = 16,
    BODY_GRACE_MS = 5000,
    BODY_WINDOW_MS = 10000,
    PROGRESS_BYTES = 32 << 10,
};

u64 http__now_ms(struct http_loop *loop)
{
    return uv_now(&loop->uv);
}

str http__date(struct http_loop *loop)
{
    i64 now_s = os_wall_us(loop->server->os) / 1000000;
    if (loop->date_len == 0 || now_s != loop->date_s) {
        loop->date_s = now_s;
        loop->date_len = cal_format_http(now_s * 1000000, loop->date);
    }
    return str_from(loop->date, loop->date_len);
}

void http__conn_state(struct http_conn *conn, enum http_conn_state state)
{
    conn->state = state;
    conn->state_since_ms = http__now_ms(conn->loop);
    conn->body_bytes_seen = 0;
}

/* --- closing
 * -------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct http_conn *conn = handle->data;
    struct http_chunk *chunk = conn->out_first;
    while (chunk != NULL) {
        struct http_chunk *next = chunk->next;
        http__chunk_free(chunk);
        chunk = next;
    }
    buf_deinit(&conn->leftover);
    http__tls_free(conn);
    mem_free(conn);
}

void http__conn_close(struct http_conn *conn)
{
    if (conn->is_closing) {
        return;
    }
    conn->is_closing = true;
    struct http_loop *loop = conn->loop;
    if (conn->tls != NULL) {
        http__tls_close(conn);
    }
    if (conn->previous != NULL) {
        conn->previous->next = conn->next;
    } else {
        loop->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    }
    loop->conn_count--;
    __atomic_sub_fetch(&loop->server->stats.connections_open, 1, __ATOMIC_RELAXED);
    http__h2_free(conn);
    http__h1_free(conn);
    if (conn->writing_for != NULL) {
        http__exchange_unref(conn->writing_for);
        conn->writing_for = NULL;
    }
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

/* --- writing
 * -------------------------------------------------------------------------------------- */

struct write_request {
    uv_write_t request;
    struct http_conn *conn;
    struct http_chunk *first; /* Owned until written. */
};

static void flush(struct http_conn *conn);

static void chunks_done(struct http_conn *conn, struct http_chunk *chunk)
{
    while (chunk != NULL) {
        struct http_chunk *next = chunk->next;
        conn->unsent -= chunk->bytes;
        if (conn->writing_for != NULL) {
            http__exchange_sent(conn->writing_for, chunk->bytes - chunk->overhead);
        }
        __atomic_add_fetch(&conn->loop->server->stats.bytes_out, (u64)chunk->bytes,
                           __ATOMIC_RELAXED);
        http__chunk_free(chunk);
        chunk = next;
    }
}

void http__conn_settle(struct http_conn *conn)
{
    struct http_exchange *x = conn->writing_for;
    bool is_over = x != NULL && x->conn != conn && conn->out_first == NULL && !conn->is_writing;
    if (is_over) {
        conn->writing_for = NULL;
        http__exchange_unref(x);
    }
}

static void after_write(struct http_conn *conn)
{
    conn->progress_ms = http__now_ms(conn->loop);
    flush(conn);
    if (conn->is_writing || conn->is_closing) {
        return;
    }
    if (conn->is_closed_after) {
        if (conn->state != HTTP_CONN_DRAIN) {
            http__conn_close(conn);
        }
        return;
    }
    if (conn->http2 != NULL) {
        http__h2_written(conn);
        return;
    }
    struct http_exchange *x = conn->writing_for;
    if (x != NULL && x->conn == conn) {
        x->transport->pump(x);
    }
    http__conn_settle(conn);
}

static void on_written(uv_write_t *request, int status)
{
    struct write_request *write = (struct write_request *)request;
    struct http_conn *conn = write->conn;
    struct http_chunk *first = write->first;
    mem_free(write);
    conn->is_writing = false;
    chunks_done(conn, first);
    if (conn->is_closing) {
        return;
    }
    if (status < 0) {
        http__conn_close(conn);
        return;
    }
    after_write(conn);
}

/* Takes chunks off the queue into the vector; returns how many. */
static int gather(struct http_conn *conn, uv_buf_t *buffers, struct http_chunk **last_out)
{
    int count = 0;
    struct http_chunk *chunk = conn->out_first;
    while (chunk != NULL && count < WRITE_BUFFERS) {
        buffers[count++] =
            uv_buf_init((char *)chunk->data + chunk->sent, (unsigned)(chunk->bytes - chunk->sent));
        *last_out = chunk;
        chunk = chunk->next;
    }
    return count;
}

/* As uv_try_write, but by sendmsg: writev does more, which files need. The end of a piece that
 * another follows waits for it: no segment, and no wake of the client, for some bytes. */
static isize send_now(const struct http_conn *conn, uv_buf_t *buffers, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)buffers, .msg_iovlen = (size_t)count};
    bool is_more = conn->writing_for != NULL && conn->writing_for->pieces.next != NULL;
    ssize_t sent;
    do {
        sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (is_more ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    return sent;
}

/* What the kernel takes at once; true when all of the queue is gone. */
static bool try_now(struct http_conn *conn)
{
    while (conn->out_first != NULL) {
        uv_buf_t buffers[WRITE_BUFFERS];
        struct http_chunk *last;
        int count = gather(conn, buffers, &last);
        isize left = send_now(conn, buffers, count);
        if (left <= 0) {
            return false; /* What it was, uv_write finds out. */
        }
        while (left > 0) {
            struct http_chunk *chunk = conn->out_first;
            CHECK(chunk != NULL);
            isize part = MIN(left, chunk->bytes - chunk->sent);
            chunk->sent += part;
            left -= part;
            if (chunk->sent < chunk->bytes) {
                break;
            }
            conn->out_first = chunk->next;
            conn->out_last = chunk->next == NULL ? NULL : conn->out_last;
            chunk->next = NULL;
            chunks_done(conn, chunk);
        }
        conn->progress_ms = http__now_ms(conn->loop);
    }
    return true;
}

static void flush(struct http_conn *conn)
{
    if (conn->is_writing || conn->is_closing || conn->out_first == NULL) {
        return;
    }
    if (try_now(conn)) {
        if (conn->is_closed_after && conn->state != HTTP_CONN_DRAIN) {
            http__conn_close(conn);
        }
        return;
    }
    struct write_request *write = mem_alloc((isize)sizeof *write);
    uv_buf_t buffers[WRITE_BUFFERS];
    struct http_chunk *last = NULL;
    int count = gather(conn, buffers, &last);
    CHECK(last != NULL);
    write->conn = conn;
    write->first = conn->out_first;
    conn->out_first = last->next;
    conn->out_last = last->next == NULL ? NULL : conn->out_last;
    last->next = NULL;
    conn->is_writing = true;
    int result =
        uv_write(&write->request, (uv_stream_t *)&conn->tcp, buffers, (unsigned)count, on_written);
    if (result < 0) {
        on_written(&write->request, result);
    }
}

void http__conn_send(struct http_conn *conn, struct http_chunk *chunk)
{
    if (conn->out_last == NULL) {
        conn->out_first = chunk;
    } else {
        conn->out_last->next = chunk;
    }
    conn->out_last = chunk;
    if (conn->unsent == 0) {
        conn->progress_ms = http__now_ms(conn->loop);
    }
    conn->unsent += chunk->bytes;
    if (!conn->is_held) {
        flush(conn);
    }
}

void http__conn_flush(struct http_conn *conn)
{
    flush(conn);
}

void http__conn_write(struct http_conn *conn, struct http_chunk *chunk, struct http_exchange *x)
{
    if (conn->writing_for != x) {
        if (conn->writing_for != NULL) {
            http__exchange_unref(conn->writing_for);
        }
        conn->writing_for = x;
        if (x != NULL) {
            http__exchange_ref(x);
        }
    }
    chunk = conn->tls != NULL ? http__tls_seal(conn, chunk) : chunk;
    if (chunk == NULL) {
        http__conn_close(conn);
        return;
    }
    http__conn_send(conn, chunk);
}

/* --- reading
 * --------------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct http_conn *conn = handle->data;
    struct http_loop *loop = conn->loop;
    isize room_bytes = HTTP_READ_BYTES;
    bool is_plain_h1 = conn->is_sniffed && conn->tls == NULL && conn->http2 == NULL;
    u8 *room = is_plain_h1 ? http__h1_body_room(conn, &room_bytes) : NULL;
    if (room != NULL) {
        *buffer = uv_buf_init((char *)room, (unsigned)room_bytes);
        return;
    }
    if (loop->read_buffer == NULL) {
        loop->read_buffer = mem_alloc(HTTP_READ_BYTES);
    }
    *buffer = uv_buf_init((char *)loop->read_buffer, HTTP_READ_BYTES);
}

static const u8 http2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* The first bytes tell HTTP/2, TLS or HTTP/1. False: more are needed, or the connection is closed.
 */
static bool sniff(struct http_conn *conn, const u8 *data, isize bytes)
{
    isize preface = (isize)sizeof http2_preface - 1;
    if (data[0] == 0x16) {
        static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 37\r\nConnection: close\r\n\r\n"
                                   "this port speaks plain HTTP, not TLS\n";
        conn->is_closed_after = true;
        http__conn_write(conn, http__chunk_new(text, (isize)sizeof text - 1), NULL);
        return false;
    }
    isize common = MIN(bytes, preface);
    if (memcmp(data, http2_preface, (size_t)common) != 0) {
        conn->is_sniffed = true;
        return true;
    }
    if (bytes < preface) {
        return false;
    }
    conn->is_sniffed = true;
    return http__h2_start(conn);
}

void http__conn_feed(struct http_conn *conn, const u8 *data, isize bytes)
{
    if (!conn->is_sniffed) {
        if (conn->state == HTTP_CONN_IDLE) {
            http__conn_state(conn, HTTP_CONN_HEADER);
        }
        if (conn->leftover.len > 0) { /* A preface in pieces. */
            buf_append_bytes(&conn->leftover, data, bytes);
            data = conn->leftover.data;
            bytes = conn->leftover.len;
        }
        if (!sniff(conn, data, bytes)) {
            if (conn->leftover.len == 0 && !conn->is_closed_after) {
                buf_append_bytes(&conn->leftover, data, bytes);
            }
            return;
        }
        if (conn->leftover.len > 0) {
            struct buf all = conn->leftover;
            conn->leftover = (struct buf){0};
            http__conn_feed(conn, all.data, all.len);
            buf_deinit(&all);
            return;
        }
    }
    if (conn->http2 != NULL) {
        http__h2_read(conn, data, bytes);
    } else {
        http__h1_read(conn, data, bytes);
    }
}

void http__conn_eof(struct http_conn *conn)
{
    bool is_in_handshake = conn->tls != NULL && !http__tls_is_up(conn);
    if (conn->http2 != NULL || conn->state == HTTP_CONN_DRAIN || is_in_handshake) {
        http__conn_close(conn);
        return;
    }
    conn->is_eof = true;
    (void)uv_read_stop((uv_stream_t *)&conn->tcp);
    conn->is_reading = false;
    http__h1_eof(conn);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct http_conn *conn = stream->data;
    if (got > 0) {
        const u8 *data = (const u8 *)buffer->base;
        __atomic_add_fetch(&conn->loop->server->stats.bytes_in, (u64)got, __ATOMIC_RELAXED);
        conn->body_bytes_seen += (u64)got;
        if (conn->state == HTTP_CONN_DRAIN) {
            return;
        }
        if (conn->tls != NULL) {
            http__tls_read(conn, data, got);
        } else {
            http__conn_feed(conn, data, got);
        }
    } else if (got == UV_EOF) {
        http__conn_eof(conn);
    } else if (got < 0) {
        http__conn_close(conn);
    }
}

void http__conn_read_pause(struct http_conn *conn, bool is_paused)
{
    if (conn->is_closing || conn->is_eof || conn->is_reading == !is_paused) {
        return;
    }
    conn->is_reading = !is_paused;
    if (is_paused) {
        (void)uv_read_stop((uv_stream_t *)&conn->tcp);
    } else {
        (void)uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
        if (conn->tls != NULL) {
            http__tls_resume(conn);
        }
    }
}

/* --- opening
 * ---------------------------------------------------------------------------------------- */

static struct sockaddr_storage peer_address(const struct http_conn *conn)
{
    struct sockaddr_storage address = {0}; /* AF_UNSPEC when the client is gone already. */
    int len = (int)sizeof address;
    (void)uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &len);
    return address;
}

static void peer_set(struct http_conn *conn, const struct sockaddr_storage *address)
{
    char host[48] = "?";
    int port = 0;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        (void)uv_ip4_name(in, host, sizeof host);
        port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        (void)uv_ip6_name(in, host, sizeof host);
        port = ntohs(in->sin6_port);
    }
    (void)snprintf(conn->peer, sizeof conn->peer, "%s:%d", host, port);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    const struct in6_addr *in = &((const struct sockaddr_in6 *)address)->sin6_addr;
    bool is_mapped = IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == IN_LOOPBACKNET;
    return address->ss_family == AF_INET6 && (IN6_IS_ADDR_LOOPBACK(in) || is_mapped);
}

/* Loopback is never congested: a system's choice that paces (BBR) only takes time there, a timer
 * for nearly every segment. Reno is part of every kernel and open to every user. */
static void unpace(int fd, const struct sockaddr_storage *peer)
{
    static const char reno[] = "reno";
    if (is_loopback(peer)) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, reno, sizeof reno - 1);
    }
}

/* Over the limit the connection that has been idle longest goes. */
static void make_room(struct http_loop *loop)
{
    struct http_server *server = loop->server;
    isize limit = MAX(server->limits.connections / server->loop_count, 1);
    if (loop->conn_count < limit) {
        return;
    }
    struct http_conn *oldest = NULL;
    for (struct http_conn *c = loop->conns; c != NULL; c = c->next) {
        bool is_idle = c->state == HTTP_CONN_IDLE && !c->is_closing;
        if (is_idle && (oldest == NULL || c->state_since_ms < oldest->state_since_ms)) {
            oldest = c;
        }
    }
    if (oldest != NULL) {
        http__conn_close(oldest);
    }
}

void http__conn_open(struct http_loop *loop, int fd, bool is_tls)
{
    make_room(loop);
    struct http_conn *conn = NEW(struct http_conn);
    conn->loop = loop;
    CHECK(uv_tcp_init(&loop->uv, &conn->tcp) == 0);
    conn->tcp.data = conn;
    conn->next = loop->conns;
    if (conn->next != NULL) {
        conn->next->previous = conn;
    }
    loop->conns = conn;
    loop->conn_count++;
    __atomic_add_fetch(&loop->server->stats.connections_open, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&loop->server->stats.connections_total, 1, __ATOMIC_RELAXED);
    http__h1_init(conn);
    http__conn_state(conn, HTTP_CONN_IDLE);
    if (uv_tcp_open(&conn->tcp, fd) != 0) {
        http__conn_close(conn);
        return;
    }
    conn->fd = fd;
    (void)uv_tcp_nodelay(&conn->tcp, 1);
    struct sockaddr_storage peer = peer_address(conn);
    peer_set(conn, &peer);
    unpace(fd, &peer);
    if (is_tls) {
        http__conn_state(conn, HTTP_CONN_HEADER); /* Its time limit is the handshake's too. */
        http__tls_open(conn);
    }
    http__conn_read_pause(conn, false);
}

/* --- time limits
 * ------------------------------------------------------------------------------------ */

static bool body_is_slow(const struct http_conn *conn, u64 in_state_ms)
{
    if (in_state_ms < BODY_GRACE_MS || !conn->is_reading) {
        return false;
    }
    u64 wanted = (u64)conn->loop->server->limits.body_rate_bytes * BODY_WINDOW_MS / 1000;
    return in_state_ms >= BODY_WINDOW_MS && conn->body_bytes_seen < wanted;
}

static void header_is_late(struct http_conn *conn)
{
    if (conn->tls != NULL && !http__tls_is_up(conn)) {
        http__conn_close(conn);
    } else {
        http__h1_refuse(conn, 408);
    }
}

void http__conn_pardon(struct http_conn *conn, u64 now_ms)
{
    conn->state_since_ms = now_ms;
    conn->progress_ms = now_ms;
    if (conn->http2 != NULL) {
        http__h2_pardon(conn, now_ms);
    }
}

/* What a client takes counts as it goes: a large write, and the third of its buffer that the kernel
 * waits for, may take one that is slow but steady longer than the time limit. Less than the part
 * meanwhile is as good as nothing. */
static void note_progress(struct http_conn *conn, u64 now_ms)
{
    int fd = -1, in_kernel = 0;
    if (uv_fileno((const uv_handle_t *)&conn->tcp, &fd) != 0 ||
        ioctl(fd, SIOCOUTQ, &in_kernel) != 0) {
        return;
    }
    isize queued = (isize)uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp) + in_kernel;
    bool has_gone = queued <= conn->queued_bytes - PROGRESS_BYTES;
    if (has_gone) {
        conn->progress_ms = now_ms;
    }
    if (has_gone || queued > conn->queued_bytes) {
        conn->queued_bytes = queued;
    }
}

void http__conn_tick(struct http_conn *conn, u64 now_ms)
{
    const struct http_limits *limits = &conn->loop->server->limits;
    u64 in_state_ms = now_ms - conn->state_since_ms;
    if (conn->unsent > 0) {
        note_progress(conn, now_ms);
    }
    if (conn->unsent > 0 && now_ms - conn->progress_ms > limits->write_timeout_ms) {
        __atomic_add_fetch(&conn->loop->server->stats.timeouts, 1, __ATOMIC_RELAXED);
        http__conn_close(conn);
        return;
    }
    bool is_idle_h2 = conn->http2 != NULL && http__h2_is_idle(conn);
    if (conn->http2 != NULL) {
        http__h2_tick(conn, now_ms);
    }
    if (conn->is_closing) {
        return;
    }
    if (conn->http2 != NULL && !is_idle_h2) {
        conn->state_since_ms = now_ms;
        return;
    }
    switch (conn->state) {
    case HTTP_CONN_IDLE:
        if (in_state_ms > limits->idle_timeout_ms) {
            http__conn_close(conn);
        }
        break;
    case HTTP_CONN_HEADER:
        if (in_state_ms > limits->header_timeout_ms) {
            __atomic_add_fetch(&conn->loop->server->stats.timeouts, 1, __ATOMIC_RELAXED);
            header_is_late(conn);
        }
        break;
    case HTTP_CONN_BODY:
        if (body_is_slow(conn, in_state_ms)) {
            __atomic_add_fetch(&conn->loop->server->stats.timeouts, 1, __ATOMIC_RELAXED);
            http__h1_refuse(conn, 408);
        } else if (in_state_ms >= BODY_WINDOW_MS) {
            http__conn_state(conn, HTTP_CONN_BODY);
        }
        break;
    case HTTP_CONN_DRAIN:
        if (in_state_ms > HTTP_DRAIN_MS) {
            http__conn_close(conn);
        }
        break;
    case HTTP_CONN_ANSWER:
    default:
        break;
    }
}
