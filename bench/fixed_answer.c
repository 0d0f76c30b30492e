/*
 * bench/fixed_answer.c: a server that answers every request with the bytes of a file: what a server
 * on one core can reach here when it neither parses nor encodes nor keeps anything. One thread,
 * epoll, loopback only; requests are told apart by Content-Length alone.
 * Usage: fixed_answer PORT FILE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN_BYTES = 1 << 20, EVENTS = 64 };

struct conn {
    int fd;
    size_t have;     /* Bytes of requests not answered yet. */
    size_t due, out; /* Answers to send; bytes of the first that are sent. */
    char in[IN_BYTES + 1];
};

static char *answer;
static size_t answer_bytes;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void answer_read(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size <= 0) {
        fail(path);
    }
    answer_bytes = (size_t)info.st_size;
    answer = malloc(answer_bytes);
    for (size_t got = 0; answer != NULL && got < answer_bytes;) {
        ssize_t n = read(fd, answer + got, answer_bytes - got);
        if (n <= 0) {
            fail(path);
        }
        got += (size_t)n;
    }
    close(fd);
}

/* Bytes of the first request; 0: it is not there as a whole. */
static size_t request_bytes(const struct conn *c)
{
    const char *end = strstr(c->in, "\r\n\r\n");
    const char *length = end == NULL ? NULL : strcasestr(c->in, "\r\ncontent-length:");
    size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    size_t all = end == NULL ? 0 : (size_t)(end + 4 - c->in) + body;
    return all <= c->have ? all : 0;
}

/* False: the connection is over. */
static bool conn_send(struct conn *c)
{
    while (c->due > 0) {
        ssize_t n = send(c->fd, answer + c->out, answer_bytes - c->out, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN;
        }
        c->out += (size_t)n;
        if (c->out == answer_bytes) {
            c->out = 0;
            c->due--;
        }
    }
    return true;
}

static bool conn_take(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, IN_BYTES - c->have, 0);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    c->have += (size_t)n;
    c->in[c->have] = 0;
    for (size_t bytes; c->have > 0 && (bytes = request_bytes(c)) > 0;) {
        c->have -= bytes;
        memmove(c->in, c->in + bytes, c->have + 1);
        c->due++;
    }
    return c->have < IN_BYTES;
}

static int listen_at(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 128) != 0) {
        fail("listen");
    }
    return fd;
}

static void conn_accept(int poll_fd, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    if (c == NULL) {
        fail("accept");
    }
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = c}};
    c->fd = fd;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: fixed_answer PORT FILE\n");
        return 2;
    }
    answer_read(argv[2]);
    int listener = listen_at((int)strtol(argv[1], NULL, 10)), poll_fd = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[EVENTS];
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event) != 0) {
        fail("epoll");
    }
    for (;;) {
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct conn *c = events[i].data.ptr;
            if (c == NULL) {
                conn_accept(poll_fd, listener);
            } else if (!conn_take(c) || !conn_send(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
