/* net/body.c: a body is the same however its bytes are cut, and ends where it says: what the kernel
 * has at hand is read straight behind what has come, and the next request is no part of it. */
#include "loopback.h"

#include "base/buf.h"
#include "base/hash.h"
#include "net/http.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 3 << 20, ANSWER_BYTES = 4096, REQUESTS = 3, PAUSE_US = 1000 };

static void whole(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    char text[64];
    str body = http_body(x);
    (void)snprintf(text, sizeof text, "%td bytes, %08x.", body.len, crc32c(0, body.data, body.len));
    http_respond(x, 200, NULL, 0, str_of(text));
}

static void handle(struct http_exchange *x, void *ctx)
{
    http_collect_body(x, (isize)BODY_MAX, whole, ctx);
}

static struct http_server *start(void)
{
    struct http_server_options options = {.loops = 1, .handler = handle};
    struct http_server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
    return server;
}

static u8 *bytes_of(isize count)
{
    u8 *bytes = mem_alloc(count);
    for (isize i = 0; i < count; i++) {
        bytes[i] = (u8)(i * 31 >> 3);
    }
    return bytes;
}

/* Requests one behind another, sent in pieces of `piece` bytes. */
static void send_in_pieces(int fd, str all, isize piece)
{
    for (isize at = 0; at < all.len; at += piece) {
        isize bytes = MIN(piece, all.len - at);
        assert_int_equal(send(fd, all.data + at, (size_t)bytes, MSG_NOSIGNAL), bytes);
        usleep(PAUSE_US); /* So that the server has read it. */
    }
}

static void expect(int fd, const char *text, int times)
{
    char answer[ANSWER_BYTES + 1];
    isize got = 0;
    int seen = 0;
    while (seen < times) {
        isize some = recv(fd, answer + got, (size_t)(ANSWER_BYTES - got), 0);
        assert_true(some > 0);
        got += some;
        answer[got] = '\0';
        seen = 0;
        for (const char *at = answer; (at = strstr(at, text)) != NULL; at++) {
            seen++;
        }
    }
    assert_int_equal(seen, times);
}

static void a_body_ends_where_it_says(u16 port, isize body_bytes, isize piece)
{
    u8 *body = bytes_of(body_bytes);
    char text[64];
    (void)snprintf(text, sizeof text, "%td bytes, %08x.", body_bytes, crc32c(0, body, body_bytes));
    struct buf all = {0};
    for (int i = 0; i < REQUESTS; i++) {
        buf_printf(&all, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %td\r\n\r\n",
                   body_bytes);
        buf_append_bytes(&all, body, body_bytes);
    }
    int fd = loopback_connect(port);
    send_in_pieces(fd, buf_str(&all), piece);
    expect(fd, text, REQUESTS);
    close(fd);
    buf_deinit(&all);
    mem_free(body);
}

static void bodies_end_where_they_say(void **state)
{
    (void)state;
    static const isize sizes[][2] = {
        {1, 7},          {100, 61},        {5000, 999},         {70000, 16001},
        {700001, 65536}, {700001, 262144}, {BODY_MAX, 1 << 20}, {BODY_MAX, 8 << 20},
    };
    struct http_server *server = start();
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        a_body_ends_where_it_says(http_server_port(server), sizes[i][0], sizes[i][1]);
    }
    http_server_stop(server, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bodies_end_where_they_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
