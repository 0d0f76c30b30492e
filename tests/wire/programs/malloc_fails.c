/* Preloaded into a server: the MALLOC_FAILS_AT-th allocation after SIGUSR1 finds no memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

static long left; /* 0: none fails. */
static long first;

static void on_signal(int number)
{
    (void)number;
    __atomic_store_n(&left, first, __ATOMIC_SEQ_CST);
}

__attribute__((constructor)) static void arm(void)
{
    const char *text = getenv("MALLOC_FAILS_AT");
    first = text != NULL ? atol(text) : 0;
    (void)signal(SIGUSR1, on_signal);
}

static int fails(void)
{
    if (__atomic_load_n(&left, __ATOMIC_RELAXED) <= 0 ||
        __atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST) != 0) {
        return 0;
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(old, bytes);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED
                   : (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}
