/* Preloaded into a server: from SIGUSR1 to SIGUSR2, calls upon segments of the log fail as
 * DISK_FAILS says, a word for each kind: direct (writes past the page cache), cached (the others),
 * sync; each with the number of an error, or direct=short, which is so from the beginning. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT = -1, SECTOR = 512 };

static int is_on, direct, cached, synced;

static void on_signal(int number)
{
    __atomic_store_n(&is_on, number == SIGUSR1, __ATOMIC_SEQ_CST);
}

static int error_of(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    if (at == NULL) {
        return 0;
    }
    at += strlen(word);
    return strncmp(at, "short", 5) == 0 ? SHORT : atoi(at);
}

__attribute__((constructor)) static void arm(void)
{
    const char *text = getenv("DISK_FAILS");
    text = text != NULL ? text : "";
    direct = error_of(text, "direct=");
    cached = error_of(text, "cached=");
    synced = error_of(text, "sync=");
    (void)signal(SIGUSR1, on_signal);
    (void)signal(SIGUSR2, on_signal);
}

static int is_segment(int fd)
{
    char link[64], path[4096];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    return length > 4 && memcmp(path + length - 4, ".seg", 4) == 0;
}

static int fails(int fd, int error)
{
    if (error <= 0 || !__atomic_load_n(&is_on, __ATOMIC_SEQ_CST) || !is_segment(fd)) {
        return 0;
    }
    errno = error;
    return 1;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (fails(fd, direct)) {
        return -1;
    }
    int is_short = direct == SHORT && bytes > SECTOR && is_segment(fd);
    return real(fd, data, is_short ? bytes / 2 / SECTOR * SECTOR : bytes, offset);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
{
    ssize_t (*real)(int, const struct iovec *, int, off64_t) =
        (ssize_t(*)(int, const struct iovec *, int, off64_t))dlsym(RTLD_NEXT, "pwritev64");
    return fails(fd, cached) ? -1 : real(fd, iov, count, offset);
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails(fd, synced) ? -1 : real(fd);
}
