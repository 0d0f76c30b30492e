/* os/process.c: other programs, and Ctrl-C. */
#include "os/process.h"

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES_MAX = 65536, PATH_BYTES = 4096, EXIT_NO_PROGRAM = 127 };

/* --- programs
 * ------------------------------------------------------------------------------------ */

static char *const *words_of(const char *const *argv)
{
    union { /* execvp does not change them; its prototype is older than const. */
        const char *const *from;
        char *const *to;
    } words = {argv};
    return words.to;
}

err os_exec(const char *const *argv)
{
    (void)execvp(argv[0], words_of(argv));
    return errno == ENOENT || errno == EACCES ? ERR_NOT_FOUND : ERR_IO;
}

bool os_program_exists(const char *name)
{
    str path = str_of(getenv("PATH"));
    while (path.len > 0) {
        char full[PATH_BYTES];
        str dir = str_split(&path, ':', NULL);
        int length = snprintf(full, sizeof full, STR_FMT "/%s", STR_ARG(dir), name);
        if (length < (int)sizeof full && access(full, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

static _Noreturn void run_child(const char *const *argv, int out)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2) {
        (void)execvp(argv[0], words_of(argv));
    }
    _exit(EXIT_NO_PROGRAM);
}

/* What the program writes, until it ends or time is up. */
static err output_take(int from, u32 timeout_ms, struct buf *out)
{
    struct os *os = os_real();
    u64 end_ns = os_mono_ns(os) + (u64)timeout_ms * 1000000;
    for (;;) {
        u64 now_ns = os_mono_ns(os);
        struct pollfd wait = {from, POLLIN, 0};
        int ready = now_ns >= end_ns ? 0 : poll(&wait, 1, (int)((end_ns - now_ns) / 1000000) + 1);
        if (ready == 0) {
            return ERR_TIMEOUT;
        }
        u8 piece[4096];
        ssize_t got = read(from, piece, sizeof piece);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return OK;
        }
        if (got > 0 && out->len < OUTPUT_BYTES_MAX) {
            buf_append_bytes(out, piece, got);
        }
    }
}

err os_run(const char *const *argv, u32 timeout_ms, struct buf *out, int *code_out)
{
    int ends[2];
    if (!os_program_exists(argv[0])) {
        return ERR_NOT_FOUND;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ERR_IO;
    }
    pid_t child = fork();
    if (child == 0) {
        run_child(argv, ends[1]);
    }
    IGNORE(close(ends[1])); /* Ours of it. */
    err e = child < 0 ? ERR_IO : output_take(ends[0], timeout_ms, out);
    IGNORE(close(ends[0])); /* Only read. */
    if (e == ERR_TIMEOUT) {
        IGNORE(kill(child, SIGKILL)); /* It may have ended meanwhile. */
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    *code_out = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return e;
}

/* --- Ctrl-C
 * ------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int number)
{
    if (is_interrupted != 0) {
        _exit(128 + number);
    }
    is_interrupted = 1;
}

void os_interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    CHECK(sigaction(SIGINT, &action, NULL) == 0); /* Without SA_RESTART: waiting ends. */
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
}

bool os_interrupt_is_set(void)
{
    return is_interrupted != 0;
}

void os_interrupt_clear(void)
{
    is_interrupted = 0;
}

isize os_input_read(void *data, isize bytes)
{
    ssize_t got;
    do {
        got = read(0, data, (size_t)bytes);
    } while (got < 0 && errno == EINTR && is_interrupted == 0);
    return got;
}

/* Where keys are read. Ctrl-C drops what was typed, maybe just after the wait saw it: the terminal
 * is opened once more, so that reading need not wait while others find it as it was. */
static int key_input(void)
{
    static int input = -1;
    if (input < 0) {
        const char *name = ttyname(0);
        int flags = O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
        input = name == NULL ? -1 : open(name, flags);
        input = input < 0 ? 0 : input;
    }
    return input;
}

/* The signal is held but while it waits, so that none slips in between looking and waiting. */
int os_key_read(u8 *out)
{
    sigset_t held, before;
    struct pollfd in = {key_input(), POLLIN, 0};
    ssize_t got = -1;
    CHECK(sigemptyset(&held) == 0);
    CHECK(sigaddset(&held, SIGINT) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &held, &before) == 0);
    while (got < 0 && is_interrupted == 0) {
        got = ppoll(&in, 1, NULL, &before) > 0 ? read(in.fd, out, 1) : -1;
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            break;
        }
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return (int)got;
}

bool os_output_is_closed(void)
{
    struct pollfd out = {1, 0, 0};
    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL)) != 0;
}
