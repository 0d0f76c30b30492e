/* A client's end of a connection to a server under test. Asserts that it comes about. */
#ifndef TESTS_UNIT_NET_LOOPBACK_H
#define TESTS_UNIT_NET_LOOPBACK_H

#include "base/base.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOOPBACK_TIMEOUT_S = 10 };

static inline int loopback_connect(u16 port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    struct timeval timeout = {.tv_sec = LOOPBACK_TIMEOUT_S};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
    return fd;
}

#endif
