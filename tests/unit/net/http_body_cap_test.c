/* net/body.c: the cap on all bodies in memory, to the byte, over HTTP/1.1 and HTTP/2; and on
 * requests under way. */
#include "loopback.h"

#include "net/http.h"

#include <stdio.h>
#include <string.h>

enum {
    CAP = 4096,
    HELD = CAP - 10, /* Of a body that never ends: 10 bytes are left for all others. */
    WAIT_MS = 10000,
    ANSWER_BYTES = 1024,
};

/* HTTP/2's frames. */
enum {
    FRAME_HEAD = 9,
    DATA = 0,
    HEADERS = 1,
    RST_STREAM = 3,
    SETTINGS = 4,
    END_STREAM = 1,
    END_HEADERS = 4
};

static const char kept_text[] = "kept";
static const char refused_text[] = "the server holds too many request bodies\n";

static void whole(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    http_respond(x, 200, NULL, 0, str_of(kept_text));
}

static void handle(struct http_exchange *x, void *ctx)
{
    http_collect_body(x, (isize)4 * CAP, whole, ctx);
}

static struct http_server *start_with(int loops, int exchanges)
{
    struct http_server_options options = {
        .loops = loops,
        .handler = handle,
        .limits = {.body_bytes = CAP, .exchanges = exchanges},
    };
    struct http_server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(http_server_start(os_real(), &options, &server, &diag), OK);
    return server;
}

static struct http_server *start(void)
{
    return start_with(2, 0);
}

static void send_all(int fd, const void *data, isize bytes)
{
    assert_int_equal(send(fd, data, (size_t)bytes, MSG_NOSIGNAL), bytes);
}

static void receive(int fd, u8 *data, isize bytes)
{
    for (isize got = 0; got < bytes;) {
        isize some = recv(fd, data + got, (size_t)(bytes - got), 0);
        assert_true(some > 0);
        got += some;
    }
}

/* --- HTTP/1.1 --------------------------------------------------------------------------------- */

/* A request that announces so many bytes and sends some of them, in one piece. */
static int post(u16 port, isize announced, isize sent)
{
    static u8 request[256 + 2 * CAP];
    int head =
        snprintf((char *)request, 256,
                 "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %td\r\n\r\n", announced);
    memset(request + head, 'x', (size_t)sent);
    int fd = loopback_connect(port);
    send_all(fd, request, head + sent);
    return fd;
}

/* Whether a whole body of so many bytes is kept; a refusal is looked at. */
static bool is_kept(u16 port, isize bytes)
{
    char answer[ANSWER_BYTES + 1];
    int fd = post(port, bytes, bytes);
    isize got = 0;
    bool is_kept = false;
    while (got < ANSWER_BYTES) {
        isize some = recv(fd, answer + got, (size_t)(ANSWER_BYTES - got), 0);
        assert_true(some >= 0);
        got += some;
        answer[got] = '\0';
        is_kept = strstr(answer, kept_text) != NULL;
        if (some == 0 || is_kept || strstr(answer, refused_text) != NULL) {
            break;
        }
    }
    close(fd);
    if (!is_kept) {
        assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
        assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
        assert_non_null(strstr(answer, "Connection: close\r\n"));
        assert_non_null(strstr(answer, refused_text));
    }
    return is_kept;
}

/* What was let go is counted off soon, what was sent is counted soon: until it is so. */
static void wait_kept(u16 port, isize bytes, bool wanted)
{
    u64 end_ns = os_mono_ns(os_real()) + (u64)WAIT_MS * 1000000;
    while (is_kept(port, bytes) != wanted) {
        assert_true(os_mono_ns(os_real()) < end_ns);
    }
}

static void at_the_cap_and_one_past(void **state)
{
    (void)state;
    struct http_server *server = start();
    u16 port = http_server_port(server);
    assert_true(is_kept(port, CAP));
    for (int i = 0; i < 20; i++) {
        assert_false(is_kept(port, CAP + 1));
        wait_kept(port, CAP, true); /* Nothing of the refused stays counted. */
    }
    http_server_stop(server, WAIT_MS);
}

static void bodies_share_it(void **state)
{
    (void)state;
    struct http_server *server = start();
    u16 port = http_server_port(server);
    int held = post(port, CAP, HELD);
    wait_kept(port, CAP - HELD + 1, false);
    wait_kept(port, CAP - HELD, true);
    assert_true(is_kept(port, 0));
    close(held); /* A body that never ended is let go with its connection. */
    wait_kept(port, CAP, true);
    assert_false(is_kept(port, CAP + 1));
    http_server_stop(server, WAIT_MS);
}

/* What is announced counts for nothing, what comes does. */
static void announcements_are_free(void **state)
{
    (void)state;
    enum { CLIENTS = 50 };
    struct http_server *server = start();
    u16 port = http_server_port(server);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = post(port, CAP, 0);
    }
    wait_kept(port, CAP, true);
    for (int i = 0; i < CLIENTS; i++) {
        close(fds[i]);
    }
    http_server_stop(server, WAIT_MS);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

static void send_frame(int fd, int type, int flags, u32 stream, const void *data, isize bytes)
{
    u8 frame[FRAME_HEAD + 2 * CAP] = {(u8)(bytes >> 16),  (u8)(bytes >> 8),  (u8)bytes,
                                      (u8)type,           (u8)flags,         (u8)(stream >> 24),
                                      (u8)(stream >> 16), (u8)(stream >> 8), (u8)stream};
    assert_true(bytes <= 2 * CAP);
    memcpy(frame + FRAME_HEAD, data, (size_t)bytes);
    send_all(fd, frame, FRAME_HEAD + bytes);
}

static int connect_h2(u16 port)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    int fd = loopback_connect(port);
    send_all(fd, preface, sizeof preface - 1);
    send_frame(fd, SETTINGS, 0, 0, "", 0);
    return fd;
}

static void post_h2(int fd, u32 stream, isize bytes, bool is_whole)
{
    /* POST, http, "/", and an :authority that is not indexed. */
    static const char fields[] = "\x83\x86\x84\x01\x09localhost";
    static const u8 body[2 * CAP];
    send_frame(fd, HEADERS, END_HEADERS, stream, fields, sizeof fields - 1);
    send_frame(fd, DATA, is_whole ? END_STREAM : 0, stream, body, bytes);
}

/* Whether the stream's answer is that of a kept body. */
static bool is_kept_h2(int fd, u32 stream)
{
    char text[ANSWER_BYTES + 1] = "";
    isize len = 0;
    for (;;) {
        u8 head[FRAME_HEAD], payload[1 << 14];
        receive(fd, head, FRAME_HEAD);
        isize bytes = (head[0] << 16) + (head[1] << 8) + head[2];
        u32 of = ((u32)head[5] << 24) + ((u32)head[6] << 16) + ((u32)head[7] << 8) + head[8];
        assert_true(bytes <= (isize)sizeof payload);
        receive(fd, payload, bytes);
        if (of != stream || (head[3] != DATA && head[3] != HEADERS)) {
            assert_false(of == stream && head[3] == RST_STREAM);
            continue;
        }
        if (head[3] == DATA) {
            assert_true(len + bytes <= ANSWER_BYTES);
            memcpy(text + len, payload, (size_t)bytes);
            len += bytes;
        }
        if ((head[4] & END_STREAM) != 0) {
            break;
        }
    }
    if (strcmp(text, kept_text) == 0) {
        return true;
    }
    assert_string_equal(text, refused_text);
    return false;
}

static void wait_kept_h2(int fd, u32 *stream, isize bytes, bool wanted)
{
    u64 end_ns = os_mono_ns(os_real()) + (u64)WAIT_MS * 1000000;
    for (;;) {
        *stream += 2;
        post_h2(fd, *stream, bytes, true);
        if (is_kept_h2(fd, *stream) == wanted) {
            return;
        }
        assert_true(os_mono_ns(os_real()) < end_ns);
    }
}

/* Streams of one connection, of two, and HTTP/1.1 beside them count together. */
static void streams_share_it(void **state)
{
    (void)state;
    struct http_server *server = start();
    u16 port = http_server_port(server);
    int one = connect_h2(port), two = connect_h2(port);
    u32 stream = 1, other = 1;
    post_h2(one, 1, CAP, true);
    assert_true(is_kept_h2(one, 1));
    wait_kept_h2(one, &stream, CAP + 1, false);
    wait_kept_h2(one, &stream, CAP, true);

    u32 held = stream += 2;
    post_h2(one, held, HELD, false);
    wait_kept_h2(one, &stream, CAP - HELD + 1, false);
    wait_kept_h2(one, &stream, CAP - HELD, true); /* Its connection lives on after a refusal. */
    wait_kept_h2(two, &other, CAP - HELD + 1, false);
    wait_kept_h2(two, &other, CAP - HELD, true);
    wait_kept(port, CAP - HELD + 1, false);
    wait_kept(port, CAP - HELD, true);

    send_frame(one, RST_STREAM, 0, held, "\0\0\0\x08", 4);
    wait_kept_h2(two, &other, CAP, true);
    wait_kept_h2(two, &other, CAP + 1, false);
    close(one);
    close(two);
    http_server_stop(server, WAIT_MS);
}

/* The code of the stream's RST_STREAM; -1: it is answered. */
static int reset_code(int fd, u32 stream)
{
    for (;;) {
        u8 head[FRAME_HEAD], payload[1 << 14];
        receive(fd, head, FRAME_HEAD);
        receive(fd, payload, (head[0] << 16) + (head[1] << 8) + head[2]);
        u32 of = ((u32)head[5] << 24) + ((u32)head[6] << 16) + ((u32)head[7] << 8) + head[8];
        if (of == stream && head[3] == RST_STREAM) {
            return payload[3];
        }
        if (of == stream && head[3] == HEADERS) {
            return -1;
        }
    }
}

static void requests_under_way_are_bounded(void **state)
{
    (void)state;
    enum { MAX_AT_A_TIME = 8, REFUSED_STREAM = 7 };
    struct http_server *server = start_with(1, MAX_AT_A_TIME);
    u16 port = http_server_port(server);
    int one = connect_h2(port), two = connect_h2(port);
    for (u32 i = 0; i < MAX_AT_A_TIME; i++) {
        post_h2(one, 2 * i + 1, 1, false);
    }
    u32 stream = 2 * MAX_AT_A_TIME + 1;
    post_h2(one, stream, 1, true);
    assert_int_equal(reset_code(one, stream), REFUSED_STREAM);
    post_h2(two, 1, 1, true);
    assert_int_equal(reset_code(two, 1), REFUSED_STREAM);
    assert_true(is_kept(port, 1)); /* HTTP/1.1 is bounded by its connections. */
    send_frame(one, RST_STREAM, 0, 1, "\0\0\0\x08", 4);
    int code = REFUSED_STREAM;
    u64 end_ns = os_mono_ns(os_real()) + (u64)WAIT_MS * 1000000;
    for (u32 again = 3; code == REFUSED_STREAM; again += 2) {
        assert_true(os_mono_ns(os_real()) < end_ns);
        post_h2(two, again, 1, true);
        code = reset_code(two, again);
    }
    assert_int_equal(code, -1);
    close(one);
    close(two);
    http_server_stop(server, WAIT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_cap_and_one_past),        cmocka_unit_test(bodies_share_it),
        cmocka_unit_test(announcements_are_free),         cmocka_unit_test(streams_share_it),
        cmocka_unit_test(requests_under_way_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
