/* net/answer.c: the cap on what answers hold that their clients have not taken. */
#include "loopback.h"

#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 10000,
    LARGE = 16 << 20, /* More than sockets hold. */
    CAP = 2 * LARGE,
    SMALL = HTTP_PIECE_BYTES_MIN,
    HEAD_BYTES = 4096,
};

static const char refused_text[] = "the server holds too many answers that clients do not take\n";

/* What paths ask for: "/l" a large answer; "/a" the same anyway; "/s" a small one; "/r" a large one
 * that is reserved, or else "less"; "/w" a large one by a pool thread; "/b" with words of its own.
 */
static void respond(struct http_exchange *x, isize bytes)
{
    struct buf body = {0};
    memset(buf_reserve(&body, bytes), 'x', (size_t)bytes);
    body.len = bytes;
    http_respond_buf(x, 200, NULL, 0, &body);
}

static void respond_blocking(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    respond(x, LARGE);
}

static void say_busy(struct http_exchange *x, const char *text, void *ctx)
{
    (void)text;
    http_respond(x, 503, NULL, 0, str_of(ctx));
}

static char own_words[] = "come again";

static void handle(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    switch (http_path(x).data[1]) {
    case 'w':
        http_run_blocking(x, respond_blocking, NULL);
        return;
    case 's':
        respond(x, SMALL);
        return;
    case 'r':
        if (!http_answer_reserve(x, LARGE)) {
            http_respond(x, 200, NULL, 0, STR("less"));
            return;
        }
        break;
    case 'a':
        http_answer_anyway(x);
        break;
    case 'b':
        http_on_busy(x, say_busy, own_words);
        break;
    default:
        break;
    }
    respond(x, LARGE);
}

static struct budget budget;

static struct http_server *start(void)
{
    budget = (struct budget){0};
    struct http_server_options options = {
        .loops = 2, .handler = handle, .answers = &budget, .limits = {.answer_bytes = CAP}};
    struct http_server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
    assert_int_equal(budget.bytes_max, CAP);
    return server;
}

static void stop(struct http_server *server)
{
    http_server_stop(server, WAIT_MS);
    assert_int_equal(budget_bytes(&budget), 0);
}

static int ask(struct http_server *server, const char *path)
{
    char request[256];
    int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    int fd = loopback_connect(http_server_port(server));
    assert_int_equal(send(fd, request, (size_t)length, MSG_NOSIGNAL), length);
    return fd;
}

static void wait_held(isize bytes)
{
    u64 end_ns = os_mono_ns(os_real()) + (u64)WAIT_MS * 1000000;
    while (budget_bytes(&budget) != bytes) {
        assert_true(os_mono_ns(os_real()) < end_ns);
    }
}

/* Bytes of the body; `text_out` has its first ones. */
static isize take(int fd, int status, char *text_out, isize capacity)
{
    char head[HEAD_BYTES + 1], start[16];
    isize got = 0, bytes = 0;
    char *end = NULL;
    while (end == NULL) {
        assert_true(got < HEAD_BYTES);
        assert_true(recv(fd, head + got, 1, 0) == 1);
        head[++got] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    snprintf(start, sizeof start, "HTTP/1.1 %d ", status);
    assert_memory_equal(head, start, strlen(start));
    const char *length = strstr(head, "Content-Length: ");
    assert_non_null(length);
    isize wanted = strtol(length + strlen("Content-Length: "), NULL, 10);
    static char piece[1 << 16];
    memset(text_out, 0, (size_t)capacity);
    while (bytes < wanted) {
        isize some = recv(fd, piece, (size_t)MIN((isize)sizeof piece, wanted - bytes), 0);
        assert_true(some > 0);
        if (bytes < capacity - 1) {
            memcpy(text_out + bytes, piece, (size_t)MIN(some, capacity - 1 - bytes));
        }
        bytes += some;
    }
    return bytes;
}

static void is_large(int fd)
{
    char text[8];
    assert_int_equal(take(fd, 200, text, sizeof text), LARGE);
    close(fd);
}

static void says(int fd, int status, const char *wanted)
{
    char text[256];
    assert_int_equal(take(fd, status, text, sizeof text), strlen(wanted));
    assert_string_equal(text, wanted);
    close(fd);
}

/* Two of the large ones fit; what comes then is refused, reserved, given anyway, or small. */
static void large_ones_are_refused(void **state)
{
    (void)state;
    struct http_server *server = start();
    int one = ask(server, "/l"), two = ask(server, "/w");
    wait_held((isize)2 * LARGE);
    says(ask(server, "/l"), 503, refused_text);
    says(ask(server, "/w"), 503, refused_text);
    says(ask(server, "/b"), 503, own_words);
    says(ask(server, "/r"), 200, "less");
    char text[8];
    int small = ask(server, "/s");
    assert_int_equal(take(small, 200, text, sizeof text), SMALL);
    wait_held((isize)2 * LARGE);
    int anyway = ask(server, "/a");
    wait_held((isize)3 * LARGE);
    is_large(anyway);
    wait_held((isize)2 * LARGE);
    is_large(one);
    is_large(two);
    wait_held(0);
    is_large(ask(server, "/r"));
    wait_held(0);
    close(small);
    stop(server);
}

/* Who has it all, goes away, resets, or stays while the server stops. */
static void nothing_stays_counted(void **state)
{
    (void)state;
    struct http_server *server = start();
    static const char *const paths[] = {"/l", "/w", "/r", "/a"};
    for (int i = 0; i < COUNT_OF(paths); i++) {
        int gone = ask(server, paths[i]), reset = ask(server, paths[i]);
        wait_held((isize)2 * LARGE);
        struct linger linger = {.l_onoff = 1};
        assert_int_equal(setsockopt(reset, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
        close(gone);
        close(reset);
        wait_held(0);
        int half = ask(server, paths[i]);
        wait_held(LARGE);
        assert_int_equal(shutdown(half, SHUT_WR), 0);
        is_large(half);
        wait_held(0);
    }
    int left = ask(server, "/l");
    wait_held(LARGE);
    http_server_stop(server, 1);
    assert_int_equal(budget_bytes(&budget), 0);
    close(left);
}

/* A second request on the connection does not count the first one's answer off. */
static void pipelined_answers_count_each(void **state)
{
    (void)state;
    struct http_server *server = start();
    static const char two[] = "GET /l HTTP/1.1\r\nHost: localhost\r\n\r\n"
                              "GET /s HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = loopback_connect(http_server_port(server));
    assert_int_equal(send(fd, two, sizeof two - 1, MSG_NOSIGNAL), sizeof two - 1);
    wait_held(LARGE + SMALL);
    char text[8];
    assert_int_equal(take(fd, 200, text, sizeof text), LARGE);
    assert_int_equal(take(fd, 200, text, sizeof text), SMALL);
    wait_held(0);
    close(fd);
    stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_ones_are_refused),
        cmocka_unit_test(nothing_stays_counted),
        cmocka_unit_test(pipelined_answers_count_each),
    };
    os_sigpipe_ignore();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
