/* net/server.c: the listening socket and the loops. Loop 0 accepts and deals the sockets out. */
#include "net/http_int.h"

#include "base/trace.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BACKLOG = 1024, WORKERS_QUEUE = 1024, HELD_BYTES_MAX = 512 << 20 };

static void limits_fill(struct http_limits *l)
{
    l->request_line_bytes = l->request_line_bytes != 0 ? l->request_line_bytes : 8 << 10;
    l->header_bytes = l->header_bytes != 0 ? l->header_bytes : 32 << 10;
    l->header_count = l->header_count != 0 ? l->header_count : 100;
    l->connections = l->connections != 0 ? l->connections : 10000;
    l->pipelined = l->pipelined != 0 ? l->pipelined : 64;
    l->streams = l->streams != 0 ? l->streams : 100;
    l->exchanges = l->exchanges != 0 ? l->exchanges : 32768;
    l->header_timeout_ms = l->header_timeout_ms != 0 ? l->header_timeout_ms : 10000;
    l->idle_timeout_ms = l->idle_timeout_ms != 0 ? l->idle_timeout_ms : 60000;
    l->write_timeout_ms = l->write_timeout_ms != 0 ? l->write_timeout_ms : 30000;
    l->body_rate_bytes = l->body_rate_bytes != 0 ? l->body_rate_bytes : 1024;
    isize held_bytes = (isize)MIN(os_memory_bytes() / 8, HELD_BYTES_MAX);
    l->body_bytes = l->body_bytes != 0 ? l->body_bytes : held_bytes;
    l->answer_bytes = l->answer_bytes != 0 ? l->answer_bytes : held_bytes;
    l->workers = l->workers != 0 ? l->workers : 64;
}

/* --- accepting
 * --------------------------------------------------------------------------------------- */

static void hand_over(struct http_loop *loop, int fd, bool is_tls)
{
    struct http_handover *handover = mem_alloc((isize)sizeof *handover);
    handover->fd = fd;
    handover->is_tls = is_tls;
    os_mutex_lock(&loop->lock);
    handover->next = loop->handovers;
    loop->handovers = handover;
    http__loop_wake(loop);
    os_mutex_unlock(&loop->lock);
}

static void accept_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static void on_connection(uv_stream_t *stream, int status)
{
    const struct http_listener *listener = stream->data;
    struct http_server *server = listener->server;
    if (status < 0) {
        return; /* No descriptor was free: libuv has closed the socket with its spare one. */
    }
    uv_tcp_t *accepted = NEW(uv_tcp_t);
    CHECK(uv_tcp_init(stream->loop, accepted) == 0);
    uv_os_fd_t fd = -1;
    int duplicate = -1;
    if (uv_accept(stream, (uv_stream_t *)accepted) == 0 &&
        uv_fileno((uv_handle_t *)accepted, &fd) == 0) {
        duplicate = dup(fd);
    }
    uv_close((uv_handle_t *)accepted, accept_closed);
    if (duplicate < 0) {
        trace(TRACE_WARN, "net", "connection refused: no file descriptors",
              T_INT("open", __atomic_load_n(&server->stats.connections_open, __ATOMIC_RELAXED)));
        return;
    }
    struct http_loop *loop = &server->loops[server->next_loop];
    server->next_loop = (server->next_loop + 1) % server->loop_count;
    if (loop == &server->loops[0]) {
        http__conn_open(loop, duplicate, listener->is_tls);
    } else {
        hand_over(loop, duplicate, listener->is_tls);
    }
}

/* --- loops
 * -------------------------------------------------------------------------------------------- */

/* Not uv_async_send: whoever is woken there spins until the waker has run on, in vain where both
 * share a CPU. */
void http__loop_wake(struct http_loop *loop)
{
    const u64 one = 1;
    ssize_t wrote = write(loop->wake_fd, &one, sizeof one);
    CHECK(wrote == sizeof one || errno == EAGAIN); /* Full: it is awake. */
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
    struct http_loop *loop = wake->data;
    u64 count;
    (void)status;
    (void)events;
    ssize_t got = read(loop->wake_fd, &count, sizeof count);
    CHECK(got == sizeof count || errno == EAGAIN);
    os_mutex_lock(&loop->lock);
    struct http_handover *handover = loop->handovers;
    loop->handovers = NULL;
    os_mutex_unlock(&loop->lock);
    while (handover != NULL) {
        struct http_handover *next = handover->next;
        http__conn_open(loop, handover->fd, handover->is_tls);
        mem_free(handover);
        handover = next;
    }
    http__run_posts(loop);
    http__tls_run_ready(loop);
}

static void on_any_closed(uv_handle_t *handle)
{
    (void)handle;
}

/* Stopping: idle connections go at once, the others when they have answered or time is up. Requests
 * whose clients are gone may still be at the disk, and post when they are done: the loop waits. */
static void stop_step(struct http_loop *loop, u64 now_ms)
{
    if (loop->stop_at_ms == 0) {
        return;
    }
    struct http_server *server = loop->server;
    for (int i = 0; loop == &server->loops[0] && i < server->listener_count; i++) {
        uv_handle_t *listener = (uv_handle_t *)&server->listeners[i].tcp;
        if (!uv_is_closing(listener)) {
            uv_close(listener, on_any_closed);
        }
    }
    struct http_conn *conn = loop->conns;
    while (conn != NULL) {
        struct http_conn *next = conn->next;
        bool is_idle = conn->http2 != NULL ? http__h2_is_idle(conn) && conn->unsent == 0
                                           : conn->state == HTTP_CONN_IDLE && conn->unsent == 0;
        if (conn->http2 != NULL && !is_idle) {
            http__h2_goaway(conn);
        }
        if (is_idle || now_ms >= loop->stop_at_ms) {
            http__conn_close(conn);
        }
        conn = next;
    }
    bool is_over = loop->conns == NULL &&
                   __atomic_load_n(&loop->exchange_count, __ATOMIC_ACQUIRE) == 0 &&
                   __atomic_load_n(&loop->posting, __ATOMIC_ACQUIRE) == 0;
    if (is_over && !uv_is_closing((uv_handle_t *)&loop->tick)) {
        uv_close((uv_handle_t *)&loop->tick, on_any_closed);
        uv_close((uv_handle_t *)&loop->wake, on_any_closed);
    }
}

/* The process was stopped (SIGSTOP, a debugger, a machine that sleeps): what clients sent meanwhile
 * is not read yet, so no time limit of theirs is over. */
static bool stood_still(struct http_loop *loop, u64 now_ms)
{
    bool is_late = now_ms - loop->ticked_ms > HTTP_STOOD_MS;
    loop->ticked_ms = now_ms;
    for (struct http_conn *conn = loop->conns; is_late && conn != NULL; conn = conn->next) {
        http__conn_pardon(conn, now_ms);
    }
    return is_late;
}

static void on_tick(uv_timer_t *timer)
{
    struct http_loop *loop = timer->data;
    u64 now_ms = http__now_ms(loop);
    if (stood_still(loop, now_ms)) {
        return;
    }
    if (__atomic_load_n(&loop->is_stopping, __ATOMIC_ACQUIRE) && loop->stop_at_ms == 0) {
        loop->stop_at_ms = now_ms + MAX(loop->grace_ms, 1);
    }
    http__run_timers(loop, now_ms);
    struct http_conn *conn = loop->conns;
    while (conn != NULL) {
        struct http_conn *next = conn->next;
        http__conn_tick(conn, now_ms);
        conn = next;
    }
    stop_step(loop, now_ms);
}

static void loop_main(void *ctx)
{
    struct http_loop *loop = ctx;
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

/* Both need descriptors, of which there may be none left. */
static int loop_uv_init(struct http_loop *loop)
{
    int result = uv_loop_init(&loop->uv);
    if (result != 0) {
        return result;
    }
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        result = uv_translate_sys_error(errno);
        CHECK(uv_loop_close(&loop->uv) == 0);
        return result;
    }
    CHECK(uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd) == 0);
    CHECK(uv_poll_start(&loop->wake, UV_READABLE, on_wake) == 0);
    return 0;
}

static err loop_init(struct http_server *server, struct http_loop *loop, struct diag *diag)
{
    int result = loop_uv_init(loop);
    if (result != 0) {
        (void)diag_set(diag, ERR_IO, "NET004", "the network threads cannot start: %s",
                       uv_strerror(result));
        diag_hint(diag, "raise the limit of open files (ulimit -n)");
        return ERR_IO;
    }
    loop->server = server;
    os_mutex_init(&loop->lock);
    CHECK(uv_timer_init(&loop->uv, &loop->tick) == 0);
    loop->ticked_ms = http__now_ms(loop);
    loop->wake.data = loop;
    loop->tick.data = loop;
    CHECK(uv_timer_start(&loop->tick, on_tick, HTTP_TICK_MS, HTTP_TICK_MS) == 0);
    return OK;
}

/* Connections that loop 0 accepted when this loop had ended already. */
static void handovers_drop(struct http_loop *loop)
{
    while (loop->handovers != NULL) {
        struct http_handover *handover = loop->handovers;
        loop->handovers = handover->next;
        (void)close(handover->fd);
        mem_free(handover);
    }
}

static void loop_deinit(struct http_loop *loop)
{
    handovers_drop(loop);
    CHECK(loop->posts_first == NULL); /* Posts keep their exchanges, these the loop. */
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    CHECK(uv_loop_close(&loop->uv) == 0);
    mem_free(loop->pieces[0]);
    mem_free(loop->pieces[1]);
    (void)close(loop->wake_fd);
    mem_free(loop->read_buffer);
    mem_free(loop->plain_buffer);
    http__h1_loop_free(loop);
    http__exchange_spares_free(loop);
    os_mutex_deinit(&loop->lock);
}

/* --- start and stop
 * ------------------------------------------------------------------------------------- */

static err address_parse(const char *bind, u16 port, struct sockaddr_storage *out)
{
    if (uv_ip4_addr(bind, port, (struct sockaddr_in *)out) == 0 ||
        uv_ip6_addr(bind, port, (struct sockaddr_in6 *)out) == 0) {
        return OK;
    }
    return ERR_INVALID;
}

static err listen_failed(const struct http_listener *listener, int result, struct diag *diag)
{
    const char *bind = listener->server->options.bind;
    u16 port = listener->port;
    if (result != UV_EADDRINUSE) {
        return diag_set(diag, result == UV_EACCES ? ERR_DENIED : ERR_IO, "NET002",
                        "cannot listen on %s:%u: %s", bind, port, uv_strerror(result));
    }
    char holder[256];
    bool is_known = os_port_holder(port, holder, (isize)sizeof holder);
    (void)diag_set(diag, ERR_IN_USE, "NET003", "port %u is taken%s%s", port, is_known ? " by " : "",
                   is_known ? holder : "");
    diag_hint(diag, "end that process, or choose another port with %s",
              listener->is_tls ? "--tls-port" : "--port");
    return ERR_IN_USE;
}

static err listener_open(struct http_server *server, u16 port, bool is_tls, struct diag *diag)
{
    struct sockaddr_storage address;
    memset(&address, 0, sizeof address);
    if (address_parse(server->options.bind, port, &address) != OK) {
        return diag_set(diag, ERR_INVALID, "NET001", "\"%s\" is no IP address to bind to",
                        server->options.bind);
    }
    struct http_listener *listener = &server->listeners[server->listener_count];
    *listener = (struct http_listener){.server = server, .port = port, .is_tls = is_tls};
    CHECK(uv_tcp_init(&server->loops[0].uv, &listener->tcp) == 0);
    listener->tcp.data = listener;
    server->listener_count++;
    int result = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)&address, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    }
    if (result != 0) {
        return listen_failed(listener, result, diag);
    }
    int len = (int)sizeof address;
    CHECK(uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &len) == 0);
    listener->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return OK;
}

static void loops_abandon(struct http_server *server)
{
    for (int i = 0; i < server->listener_count; i++) {
        uv_close((uv_handle_t *)&server->listeners[i].tcp, on_any_closed);
    }
    for (i32 i = 0; i < server->loop_count; i++) {
        struct http_loop *loop = &server->loops[i];
        uv_close((uv_handle_t *)&loop->tick, on_any_closed);
        uv_close((uv_handle_t *)&loop->wake, on_any_closed);
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
        loop_deinit(loop);
    }
    os_pool_free(server->pool);
    mem_free(server->loops);
    mem_free(server);
}

err http_server_start(struct os *os, const struct http_server_options *options,
                      struct http_server **out, struct diag *diag)
{
    struct http_server *server = NEW(struct http_server);
    server->os = os;
    server->options = *options;
    server->options.bind = options->bind != NULL ? options->bind : "127.0.0.1";
    server->limits = options->limits;
    limits_fill(&server->limits);
    server->bodies.bytes_max = server->limits.body_bytes;
    server->answers = options->answers != NULL ? options->answers : &server->own_answers;
    server->answers->bytes_max = server->limits.answer_bytes;
    i32 loop_count = options->loops > 0 ? options->loops : os_cpu_count();
    server->loops = mem_zalloc(loop_count * (isize)sizeof(struct http_loop));
    server->pool = os_pool_new("leat-http", server->limits.workers, WORKERS_QUEUE);
    err e = OK;
    while (e == OK && server->loop_count < loop_count) {
        e = loop_init(server, &server->loops[server->loop_count], diag);
        server->loop_count += e == OK;
    }
    if (e == OK) {
        e = listener_open(server, options->port, false, diag);
    }
    if (e == OK && options->tls != NULL) {
        e = listener_open(server, options->tls_port, true, diag);
    }
    if (e != OK) {
        loops_abandon(server);
        return e;
    }
    for (i32 i = 0; i < server->loop_count; i++) {
        os_thread_start(&server->loops[i].thread, "leat-net", loop_main, &server->loops[i]);
    }
    *out = server;
    return OK;
}

u16 http_server_port(const struct http_server *server)
{
    return server->listeners[0].port;
}

u16 http_server_tls_port(const struct http_server *server)
{
    return server->listener_count > 1 ? server->listeners[1].port : 0;
}

void http_server_stop(struct http_server *server, u32 grace_ms)
{
    for (i32 i = 0; i < server->loop_count; i++) {
        server->loops[i].grace_ms = grace_ms;
        __atomic_store_n(&server->loops[i].is_stopping, true, __ATOMIC_RELEASE);
    }
    for (i32 i = 0; i < server->loop_count; i++) {
        os_thread_join(&server->loops[i].thread);
    }
    os_pool_free(server->pool);
    for (i32 i = 0; i < server->loop_count; i++) {
        loop_deinit(&server->loops[i]);
    }
    mem_free(server->loops);
    mem_free(server);
}

void http_server_get_stats(struct http_server *server, struct http_server_stats *out)
{
    const struct http_server_stats *s = &server->stats;
    *out = (struct http_server_stats){
        .connections_open = __atomic_load_n(&s->connections_open, __ATOMIC_RELAXED),
        .connections_total = __atomic_load_n(&s->connections_total, __ATOMIC_RELAXED),
        .requests = __atomic_load_n(&s->requests, __ATOMIC_RELAXED),
        .bytes_in = __atomic_load_n(&s->bytes_in, __ATOMIC_RELAXED),
        .bytes_out = __atomic_load_n(&s->bytes_out, __ATOMIC_RELAXED),
        .bad_requests = __atomic_load_n(&s->bad_requests, __ATOMIC_RELAXED),
        .timeouts = __atomic_load_n(&s->timeouts, __ATOMIC_RELAXED),
        .busy = __atomic_load_n(&s->busy, __ATOMIC_RELAXED),
        .bodies_bytes = budget_bytes(&server->bodies),
        .answers_bytes = budget_bytes(server->answers),
    };
}

const struct metric_histogram *http_server_get_times(const struct http_server *server)
{
    return &server->times;
}
