/* net/conn.c: what the server's end of a loopback connection is set to. */
#include "loopback.h"

#include "net/http.h"

#include <netinet/tcp.h>
#include <string.h>

enum { FDS_MAX = 1024 };

static void handle(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    http_respond(x, 200, NULL, 0, STR("ok\n"));
}

/* The descriptor in this process whose peer is the client's end; -1 when there is none. */
static int server_end(int client)
{
    struct sockaddr_in own, peer;
    socklen_t len = sizeof own;
    assert_int_equal(getsockname(client, (struct sockaddr *)&own, &len), 0);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        len = sizeof peer;
        bool is_it = getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
                     peer.sin_family == AF_INET && peer.sin_port == own.sin_port;
        if (is_it) {
            return fd;
        }
    }
    return -1;
}

static void large_answers_are_not_paced(void **state)
{
    (void)state;
    struct http_server_options options = {.loops = 1, .handler = handle};
    struct http_server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
    int fd = loopback_connect(http_server_port(server));
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1); /* The connection is set up. */
    char control[16] = "";
    socklen_t len = sizeof control;
    assert_int_equal(getsockopt(server_end(fd), IPPROTO_TCP, TCP_CONGESTION, control, &len), 0);
    assert_string_equal(control, "reno");
    (void)close(fd);
    http_server_stop(server, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_answers_are_not_paced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
