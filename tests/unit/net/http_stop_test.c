/* net/server.c: a stop while a request is still at the disk, and while clients connect. */
#include "loopback.h"

#include "net/http.h"
#include "os/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum { EARLY_MS = 500, WAIT_MS = 10000 };

/* The reader of a request: it posts its answer long after the client was cut off. */
struct slow {
    struct http_exchange *x;
    struct os_thread thread;
    struct os_mutex lock;
    struct os_cond changed;
    bool is_started, is_stopped, is_answered, was_early; /* lock */
};

static void raise_flag(struct slow *slow, bool *flag)
{
    os_mutex_lock(&slow->lock);
    *flag = true;
    os_cond_broadcast(&slow->changed);
    os_mutex_unlock(&slow->lock);
}

/* Whether the flag was raised in time. */
static bool wait_flag(struct slow *slow, const bool *flag, u32 ms)
{
    os_mutex_lock(&slow->lock);
    while (!*flag && os_cond_wait_ms(&slow->changed, &slow->lock, ms)) {
    }
    bool is_raised = *flag;
    os_mutex_unlock(&slow->lock);
    return is_raised;
}

static void answer(struct http_exchange *x, void *ctx)
{
    struct slow *slow = ctx;
    http_respond(x, 200, NULL, 0, STR("late"));
    raise_flag(slow, &slow->is_answered);
}

static void read_slowly(void *ctx)
{
    struct slow *slow = ctx;
    while (!http_is_gone(slow->x)) {
        os_thread_yield();
    }
    if (wait_flag(slow, &slow->is_stopped, EARLY_MS)) {
        slow->was_early = true; /* The loop is freed: posting would be the crash. */
        return;
    }
    http_post(slow->x, answer, slow);
}

static void handle(struct http_exchange *x, void *ctx)
{
    struct slow *slow = ctx;
    slow->x = x;
    os_thread_start(&slow->thread, "slow", read_slowly, slow);
    raise_flag(slow, &slow->is_started);
}

static int send_request(u16 port)
{
    int fd = loopback_connect(port);
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    return fd;
}

static void a_stop_waits_for_what_may_still_post(void **state)
{
    (void)state;
    struct slow slow = {0};
    os_mutex_init(&slow.lock);
    os_cond_init(&slow.changed);
    struct http_server_options options = {.loops = 1, .handler = handle, .handler_ctx = &slow};
    struct http_server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
    int fd = send_request(http_server_port(server));
    assert_true(wait_flag(&slow, &slow.is_started, WAIT_MS));
    http_server_stop(server, 1);
    raise_flag(&slow, &slow.is_stopped);
    os_thread_join(&slow.thread);
    assert_false(slow.was_early);
    assert_true(slow.is_answered);
    close(fd);
    os_cond_deinit(&slow.changed);
    os_mutex_deinit(&slow.lock);
}

enum { ROUNDS = 8, CLIENTS_MAX = 400, END_TIMEOUT_S = 5 };

struct crowd {
    u16 port;
    int fds[CLIENTS_MAX];
    int count;
};

/* Until nobody listens any more. */
static void come_in_crowds(void *ctx)
{
    struct crowd *crowd = ctx;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(crowd->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval timeout = {.tv_sec = END_TIMEOUT_S};
    while (crowd->count < CLIENTS_MAX) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            (void)close(fd);
            return;
        }
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        crowd->fds[crowd->count++] = fd;
        (void)usleep(200);
    }
}

static void a_stop_ends_what_was_just_accepted(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct crowd crowd = {0};
        struct http_server_options options = {.loops = 4, .handler = handle};
        struct http_server *server = NULL;
        struct diag diag = {0};
        assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
        crowd.port = http_server_port(server);
        struct os_thread thread;
        os_thread_start(&thread, "crowd", come_in_crowds, &crowd);
        http_server_stop(server, 1);
        os_thread_join(&thread);
        for (int i = 0; i < crowd.count; i++) {
            char byte;
            bool is_open = recv(crowd.fds[i], &byte, 1, 0) < 0 && errno == EAGAIN;
            assert_false(is_open);
            (void)close(crowd.fds[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_waits_for_what_may_still_post),
        cmocka_unit_test(a_stop_ends_what_was_just_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
