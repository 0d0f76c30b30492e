/* os/os.c: what is built on the table of functions, and the process itself. */
#include "os/os.h"

#include "base/buf.h"
#include "base/plant.h"
#include "base/trace.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_IO = 70, FAILPOINTS_MAX = 16 };

err os_write_at(struct os_file *file, u64 offset, const void *data, isize bytes)
{
    struct os_iov iov = {data, bytes};
    return os_write(file, offset, &iov, 1);
}

err os_read_exact(struct os_file *file, u64 offset, void *data, isize bytes)
{
    isize got;
    TRY(os_read(file, offset, data, bytes, &got));
    return got == bytes ? OK : ERR_CORRUPT;
}

err os_read_file(struct os *os, const char *path, isize bytes_max, struct arena *arena, str *out)
{
    struct os_file *file;
    TRY(os_open(os, path, OS_READ, &file));
    struct os_stat stat;
    err e = os_stat_file(file, &stat);
    if (e == OK && stat.bytes > (u64)bytes_max) {
        e = ERR_LIMIT;
    }
    isize got = 0;
    u8 *data = NULL;
    if (e == OK) {
        data = arena_alloc(arena, (isize)stat.bytes + 1);
        e = os_read(file, 0, data, (isize)stat.bytes, &got);
    }
    IGNORE(os_close(file)); /* Only read. */
    if (e == OK) {
        *out = str_from(data, got);
    }
    return e;
}

static str parent_of(str path)
{
    isize slash = str_rfind_byte(path, '/');
    if (slash < 0) {
        return STR(".");
    }
    return slash == 0 ? STR("/") : str_slice(path, 0, slash);
}

static err sync_parent(struct os *os, const char *path)
{
    char parent[PATH_MAX];
    str_copy_cstr(parent_of(str_of(path)), parent, PATH_MAX);
    return os_sync_dir(os, parent);
}

/* A sync that found no room may not be taken for a write that found none: that may be repeated. */
static err of_sync(err e)
{
    return e == OK ? OK : ERR_IO;
}

static err write_new(struct os *os, const char *path, str content)
{
    struct os_file *file;
    TRY(os_open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file));
    err e = os_write_at(file, 0, content.data, content.len);
    if (e == OK && !PLANTED(BUG_REPLACE_NO_SYNC)) {
        e = of_sync(os_sync(file));
    }
    err closed = os_close(file);
    return e != OK ? e : closed;
}

err os_replace_file(struct os *os, const char *path, str content)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (len < 0 || len >= PATH_MAX) {
        return ERR_LIMIT;
    }
    if (PLANTED(BUG_REPLACE_IN_PLACE)) {
        return write_new(os, path, content);
    }
    err e = write_new(os, temporary, content);
    e = e == OK ? os_rename(os, temporary, path) : e;
    if (e != OK) {
        IGNORE(os_unlink(os, temporary)); /* It takes room that others may want. */
        return e;
    }
    return PLANTED(BUG_REPLACE_NO_DIR_SYNC) ? OK : of_sync(sync_parent(os, path));
}

err os_link_replaced(struct os *os, const char *from, const char *to)
{
    enum { ATTEMPTS = 100 };
    err e = ERR_NOT_FOUND;
    for (int i = 0; i < ATTEMPTS && e == ERR_NOT_FOUND; i++) {
        e = os_link(os, from, to);
    }
    return e;
}

err os_mkdir_all(struct os *os, const char *path)
{
    char part[PATH_MAX];
    str whole = str_of(path);
    if (whole.len == 0 || whole.len >= PATH_MAX) {
        return ERR_INVALID;
    }
    for (isize i = 1; i <= whole.len; i++) {
        if (i < whole.len && whole.data[i] != '/') {
            continue;
        }
        str_copy_cstr(str_slice(whole, 0, i), part, PATH_MAX);
        struct os_stat stat;
        if (os_stat_path(os, part, &stat) == OK) {
            if (stat.kind != OS_DIR) {
                return ERR_EXISTS;
            }
            continue;
        }
        err e = os_mkdir(os, part);
        if (e != OK && e != ERR_EXISTS) {
            return e;
        }
        if (!PLANTED(BUG_MKDIR_NO_SYNC)) {
            e = sync_parent(os, part);
            if (e != OK) { /* The next caller would take the directory for durable. */
                os_fatal("fsync of the parent of a new directory", part, e);
            }
        }
    }
    return OK;
}

/* --- the end of the process
 * ------------------------------------------------------------------------ */

static void (*fatal_hook)(const char *what, const char *path, err e);

void os_set_fatal(void (*fatal)(const char *what, const char *path, err e))
{
    fatal_hook = fatal;
}

void os_fatal(const char *what, const char *path, err e)
{
    if (fatal_hook != NULL) {
        fatal_hook(what, path, e);
    }
    trace(TRACE_ERROR, "os", "ending: durable data can no longer be trusted to reach the disk",
          T_STR("what", str_of(what)), T_STR("path", str_of(path)),
          T_STR("error", str_of(err_text(e))),
          T_STR("cause", str_of(os_errno() == 0 ? "" : os_errno_text())));
    _exit(EXIT_IO);
}

/* --- failpoints
 * -------------------------------------------------------------------------------------- */

bool os_failpoint_is_armed;
static struct {
    char name[64];
    u64 left; /* Passes until the process is killed, */
    u64 ms;   /* or waits for so long. */
} failpoints[FAILPOINTS_MAX];
static int failpoint_count;

void os_failpoint_arm(const char *spec)
{
    str rest = str_of(spec);
    while (rest.len > 0 && failpoint_count < FAILPOINTS_MAX) {
        str item = str_split(&rest, ',', NULL);
        str name = str_split(&item, ':', NULL);
        str count_text = str_split(&item, ':', NULL);
        u64 count = 1, ms = 0;
        if ((count_text.len > 0 && str_to_u64(count_text, &count) != OK) ||
            (item.len > 0 && str_to_u64(item, &ms) != OK)) {
            continue;
        }
        str_copy_cstr(name, failpoints[failpoint_count].name, 64);
        failpoints[failpoint_count].ms = ms;
        failpoints[failpoint_count++].left = MAX(count, 1);
        os_failpoint_is_armed = true;
    }
}

void os_failpoint_hit(const char *name)
{
    for (int i = 0; i < failpoint_count; i++) {
        bool is_due = strcmp(failpoints[i].name, name) == 0 &&
                      __atomic_sub_fetch(&failpoints[i].left, 1, __ATOMIC_RELAXED) == 0;
        if (is_due && failpoints[i].ms > 0) {
            os_sleep_ms(os_real(), (u32)MIN(failpoints[i].ms, 60000));
        } else if (is_due) {
            (void)kill(getpid(), SIGKILL);
        }
    }
}

/* --- the machine
 * -------------------------------------------------------------------------------------- */

int os_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    return MAX(CPU_COUNT(&set), 1);
}

i64 os_descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    struct rlimit wanted = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) {
        limit = wanted;
    }
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (i64)limit.rlim_cur;
}

int os_process_id(void)
{
    return (int)getpid();
}

void os_core_dumps_refuse(void)
{
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
}

bool os_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

static void held_signals(sigset_t *set)
{
    CHECK(sigemptyset(set) == 0);
    CHECK(sigaddset(set, SIGINT) == 0);
    CHECK(sigaddset(set, SIGTERM) == 0);
    CHECK(sigaddset(set, SIGHUP) == 0);
}

void os_signals_hold(void)
{
    sigset_t set;
    held_signals(&set);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    os_sigpipe_ignore();
}

void os_sigpipe_ignore(void)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

int os_signals_wait(void)
{
    sigset_t set;
    int number = 0;
    held_signals(&set);
    CHECK(sigwait(&set, &number) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0); /* The second one ends us. */
    return number;
}

const char *os_getenv(const char *name)
{
    return getenv(name);
}
