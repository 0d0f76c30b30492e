/*
 * bench/http_load.c: requests of a file again and again on some connections, each sent when the
 * answer before it is whole: how many answers a server gives, and how late. One thread, epoll,
 * loopback only. It reads 256 KiB at a time, so that large answers are not measured by small reads.
 * Usage: http_load PORT CONNECTIONS SECONDS FILE UNITS
 * UNITS: records in an answer. Prints "N records/s, N MB/s, p50 N ms, p99 N ms, N errors" (of
 * answers; errors are those other than 200, and no records). Exit 1: a connection was lost, or an
 * answer is no HTTP/1.1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_BYTES = 256 << 10,
    HEAD_BYTES = 8 << 10,
    CONNECTIONS_MAX = 1024,
    REQUESTS_MAX = 4096,
    WAIT_MS = 100
};

struct request {
    const char *text;
    size_t bytes;
};

/* What is left of an answer: its head, then a body of a known length, or chunks. */
enum part { HEAD, BODY, CHUNK_SIZE, CHUNK, TRAILER };

struct conn {
    int fd;
    const struct request *request;
    size_t sent;
    uint64_t since_ns;
    enum part part;
    int status;
    size_t left; /* Of the body, or of the chunk and its line end. */
    size_t line; /* Bytes of the head, or of a chunk's line, in `text`. */
    char text[HEAD_BYTES + 1];
};

static struct request requests[REQUESTS_MAX];
static size_t request_count, turn;
static uint32_t *times_us;
static size_t time_count, time_capacity;
static uint64_t good, bad, bytes_in;

static void fail(const char *what)
{
    (void)fprintf(stderr, "http_load: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* --- requests ------------------------------------------------------------------------------- */

static char *file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail(path);
    }
    size_t bytes = (size_t)ftell(file);
    char *text = malloc(bytes + 1);
    rewind(file);
    if (text == NULL || fread(text, 1, bytes, file) != bytes) {
        fail(path);
    }
    (void)fclose(file);
    text[bytes] = 0;
    return text;
}

/* The value of a header that ends before `end`; NULL: there is none. */
static const char *header(const char *head, const char *end, const char *name)
{
    const char *at = strcasestr(head, name);
    return at != NULL && at < end ? at + strlen(name) : NULL;
}

static void requests_read(const char *path)
{
    for (char *at = file_read(path); *at != 0;) {
        const char *end = strstr(at, "\r\n\r\n");
        const char *length = end == NULL ? NULL : header(at, end, "\r\nContent-Length:");
        if (length == NULL || request_count == REQUESTS_MAX) {
            errno = EINVAL;
            fail(path);
        }
        size_t bytes = (size_t)(end + 4 - at) + strtoul(length, NULL, 10);
        requests[request_count++] = (struct request){at, bytes};
        at += bytes;
    }
}

/* --- a connection --------------------------------------------------------------------------- */

static void conn_send(struct conn *c)
{
    while (c->sent < c->request->bytes) {
        size_t left = c->request->bytes - c->sent;
        ssize_t n = send(c->fd, c->request->text + c->sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            fail("send");
        }
        if (n < 0) {
            return;
        }
        c->sent += (size_t)n;
    }
}

static void conn_ask(struct conn *c)
{
    c->request = &requests[turn];
    turn = (turn + 1) % request_count;
    c->sent = 0;
    c->part = HEAD;
    c->line = 0;
    c->since_ns = now_ns();
    conn_send(c);
}

static void answered(struct conn *c)
{
    if (time_count == time_capacity) {
        time_capacity = time_capacity * 2 + 4096;
        times_us = realloc(times_us, time_capacity * sizeof *times_us);
        if (times_us == NULL) {
            fail("memory");
        }
    }
    times_us[time_count++] = (uint32_t)((now_ns() - c->since_ns) / 1000);
    *(c->status == 200 ? &good : &bad) += 1;
    conn_ask(c);
}

static void head_take(struct conn *c)
{
    const char *end = c->text + c->line - 2;
    const char *length = header(c->text, end, "\r\nContent-Length:");
    const char *coding = header(c->text, end, "\r\nTransfer-Encoding:");
    if (strncmp(c->text, "HTTP/1.1 ", 9) != 0 || (length == NULL && coding == NULL)) {
        errno = EPROTO;
        fail("the answer is none of HTTP/1.1 with a length");
    }
    c->status = (int)strtol(c->text + 9, NULL, 10);
    c->part = length != NULL ? BODY : CHUNK_SIZE;
    c->left = length != NULL ? strtoul(length, NULL, 10) : 0;
    c->line = 0;
}

static void line_take(struct conn *c)
{
    if (c->part == CHUNK_SIZE) {
        size_t bytes = strtoul(c->text, NULL, 16);
        c->part = bytes > 0 ? CHUNK : TRAILER;
        c->left = bytes + 2;
    } else if (c->line == 2) {
        c->part = BODY; /* With nothing left of it. */
        c->left = 0;
    }
    c->line = 0;
}

/* Up to the end of the line, or of the head; returns the bytes taken. */
static size_t text_take(struct conn *c, const char *in, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (c->line == HEAD_BYTES) {
            errno = EPROTO;
            fail("a head is too long");
        }
        c->text[c->line++] = in[i];
        c->text[c->line] = 0;
        bool is_line = in[i] == '\n';
        if (is_line && c->part != HEAD) {
            line_take(c);
            return i + 1;
        }
        if (is_line && c->line >= 4 && memcmp(c->text + c->line - 4, "\r\n\r\n", 4) == 0) {
            head_take(c);
            return i + 1;
        }
    }
    return bytes;
}

static size_t body_take(struct conn *c, size_t bytes)
{
    size_t taken = bytes < c->left ? bytes : c->left;
    c->left -= taken;
    if (c->left == 0 && c->part == CHUNK) {
        c->part = CHUNK_SIZE;
    }
    return taken;
}

static void bytes_take(struct conn *c, const char *in, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        bool is_body = c->part == BODY || c->part == CHUNK;
        at += is_body ? body_take(c, bytes - at) : text_take(c, in + at, bytes - at);
        if (c->part == BODY && c->left == 0) {
            answered(c);
        }
    }
}

static void conn_take(struct conn *c)
{
    static char in[IN_BYTES];
    for (ssize_t n = IN_BYTES; n == IN_BYTES;) {
        n = recv(c->fd, in, IN_BYTES, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            fail("a connection is lost");
        }
        bytes_in += n > 0 ? (uint64_t)n : 0;
        bytes_take(c, in, n > 0 ? (size_t)n : 0);
    }
}

static void conn_open(struct conn *c, int poll_fd, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = c}};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        fail("connect");
    }
}

/* --- the run -------------------------------------------------------------------------------- */

static int time_order(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

static double time_at(double share)
{
    return time_count == 0 ? 0 : times_us[(size_t)(share * (double)(time_count - 1))] / 1e3;
}

static void print(double seconds, double units)
{
    qsort(times_us, time_count, sizeof *times_us, time_order);
    (void)printf("%.0f records/s, %.0f MB/s, p50 %.2f ms, p99 %.2f ms, %llu errors\n",
                 (double)good * units / seconds, (double)bytes_in / seconds / 1e6, time_at(0.5),
                 time_at(0.99), (unsigned long long)bad);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        (void)fprintf(stderr, "usage: http_load PORT CONNECTIONS SECONDS FILE UNITS\n");
        return 2;
    }
    int port = (int)strtol(argv[1], NULL, 10), count = (int)strtol(argv[2], NULL, 10);
    int poll_fd = epoll_create1(0);
    double seconds = strtod(argv[3], NULL);
    static struct conn conns[CONNECTIONS_MAX];
    if (poll_fd < 0 || count < 1 || count > CONNECTIONS_MAX) {
        fail("connections");
    }
    requests_read(argv[4]);
    for (int i = 0; i < count; i++) {
        conn_open(&conns[i], poll_fd, port);
    }
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9);
    for (int i = 0; i < count; i++) {
        conn_ask(&conns[i]);
    }
    struct epoll_event events[64];
    while (now_ns() < end) {
        int ready = epoll_wait(poll_fd, events, 64, WAIT_MS);
        for (int i = 0; i < ready; i++) {
            struct conn *c = events[i].data.ptr;
            conn_send(c);
            conn_take(c);
        }
    }
    print((double)(now_ns() - start) / 1e9, strtod(argv[5], NULL));
    return 0;
}
