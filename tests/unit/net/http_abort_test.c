/* net/http1.c: an answer that its maker breaks off is never taken for a whole one, at whatever
 * moment the loop is with it. */
#include "loopback.h"

#include "net/http.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 400, WRITES = 4, WRITE_BYTES = 20000 };

static i64 answer_length;

static void break_off(struct http_exchange *x, void *ctx)
{
    static u8 data[WRITE_BYTES];
    (void)ctx;
    http_respond_start(x, 200, NULL, 0, answer_length);
    for (int i = 0; i < WRITES; i++) {
        if (http_respond_write(x, str_from(data, WRITE_BYTES)) != OK) {
            break;
        }
        sched_yield();
    }
    http_abort(x);
}

static void handle(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, break_off, ctx);
}

/* Reads to the end of the connection, which has to come; the last bytes are kept. */
static isize read_all(int fd, char *last, isize last_bytes)
{
    static char data[1 << 16];
    isize all = 0, got;
    while ((got = recv(fd, data, sizeof data, 0)) > 0) {
        all += got;
        isize kept = MIN(got, last_bytes);
        memmove(last, last + kept, (size_t)(last_bytes - kept));
        memcpy(last + last_bytes - kept, data + got - kept, (size_t)kept);
    }
    assert_true(got == 0 || errno == ECONNRESET); /* EAGAIN: it was kept open. */
    return all;
}

static void broken_off(i64 length)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char end[] = "0\r\n\r\n";
    answer_length = length;
    struct http_server_options options = {.loops = 1, .handler = handle};
    struct http_server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
    for (int i = 0; i < ROUNDS; i++) {
        int fd = loopback_connect(http_server_port(server));
        char last[sizeof end - 1] = "";
        assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
        assert_true(read_all(fd, last, sizeof last) < (isize)WRITES * WRITE_BYTES + 4096);
        assert_memory_not_equal(last, end, sizeof last);
        (void)close(fd);
    }
    http_server_stop(server, 1);
}

static void of_a_length(void **state)
{
    (void)state;
    /* No number that ends in 0: a header that ends with it looks like the end of chunks. */
    broken_off((i64)(WRITES + 1) * WRITE_BYTES + 1);
}

static void in_chunks(void **state)
{
    (void)state;
    broken_off(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_length),
        cmocka_unit_test(in_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
