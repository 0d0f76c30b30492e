/*
 * os/os.h: everything that the outside world decides: files, clocks, randomness.
 * One table of functions, so that tests put a simulated disk and a virtual clock
 * in its place (tests/ and src/os/sim.h). Nothing above os/ calls the kernel for
 * durable data, time or randomness in another way. Sockets live in net (libuv),
 * threads in os/thread.h. Every function may be called from any thread; one file
 * handle may be read from many threads while one thread writes.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

struct os;
struct os_file; /* Opened by os_open; owned by the caller until os_close. */

enum os_open_flags {
    OS_READ = 1,
    OS_WRITE = 2,     /* Read and write. */
    OS_CREATE = 4,    /* Create when absent. */
    OS_EXCLUSIVE = 8, /* With OS_CREATE: ERR_EXISTS when present. */
    OS_TRUNCATE = 16,
    /* With OS_WRITE: writes whose place and memory are multiples of 4,096 bytes may go past
     * the page cache. A hint: it changes no meaning and needs no support of the file system; only
     * what says that there is none (EINVAL, EOPNOTSUPP, ENOSYS) is written through the cache. */
    OS_DIRECT = 32,
};

struct os_iov {
    const void *data;
    isize bytes;
};

enum os_kind { OS_FILE, OS_DIR, OS_OTHER };

struct os_stat {
    enum os_kind kind;
    u64 bytes;
    u64 inode;
    i64 modified_us;
};

struct os_space {
    u64 free_bytes; /* For an ordinary user. */
    u64 total_bytes;
};

/* Paths are NUL-terminated, UTF-8, absolute or relative to the working directory. Errors:
 * ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED, ERR_FULL (ENOSPC, EDQUOT), ERR_LIMIT (no descriptors),
 * ERR_IO for the rest; os_errno() of the calling thread then says which. Short reads and writes
 * and EINTR are handled below this line. */
struct os_fs {
    err (*open)(struct os *os, const char *path, int flags, struct os_file **out);
    err (*close)(struct os_file *file); /* Persists nothing. */
    /* Reads up to `bytes` at `offset`; *got_out is less only at the end of the file. */
    err (*read)(struct os_file *file, u64 offset, void *data, isize bytes, isize *got_out);
    /* Writes all or fails; after a failure any part may have been written. */
    err (*write)(struct os_file *file, u64 offset, const struct os_iov *iov, int count);
    /* All earlier writes of this file and its size are durable when it returns OK. After an error
     * nothing may be assumed and it must not be tried again: the process ends. */
    err (*sync)(struct os_file *file);
    err (*truncate)(struct os_file *file, u64 bytes);
    err (*stat_file)(struct os_file *file, struct os_stat *out);
    err (*stat)(struct os *os, const char *path, struct os_stat *out);
    err (*rename)(struct os *os, const char *from, const char *to); /* Atomic, replaces `to`. */
    /* Another name of the same file, on the same file system. ERR_UNSUPPORTED: there is no such
     * thing here. */
    err (*link)(struct os *os, const char *from, const char *to);
    err (*unlink)(struct os *os, const char *path);
    err (*mkdir)(struct os *os, const char *path); /* Mode 0700; ERR_EXISTS when present. */
    err (*rmdir)(struct os *os, const char *path);
    /* Makes the names in this directory durable. */
    err (*sync_dir)(struct os *os, const char *path);
    /* Calls `each` for every name but "." and "..", in no order; stops when it returns false. */
    err (*list)(struct os *os, const char *path, bool (*each)(void *ctx, const char *name),
                void *ctx);
    /* Exclusive lock for the life of the handle; ERR_IN_USE when another process holds it. */
    err (*lock)(struct os_file *file);
    err (*space)(struct os *os, const char *path, struct os_space *out);
};

struct os_env {
    i64 (*wall_us)(struct os *os); /* Microseconds since 1970 UTC; may jump. */
    u64 (*mono_ns)(struct os *os); /* Never goes back; since an unspecified start. */
    void (*random)(struct os *os, void *data, isize bytes); /* Cryptographically strong. */
    void (*sleep_ms)(struct os *os, u32 ms);
};

struct os {
    const struct os_fs *fs;
    const struct os_env *env;
    void *state; /* Of the implementation. */
};

/* The real machine; one for the whole process, never freed. */
struct os *os_real(void);

/* errno of the last os_ call that failed in this thread, and its text. */
int os_errno(void);
const char *os_errno_text(void);

#define os_open(os, path, flags, out) ((os)->fs->open((os), (path), (flags), (out)))
#define os_stat_path(os, path, out)   ((os)->fs->stat((os), (path), (out)))
#define os_rename(os, from, to)       ((os)->fs->rename((os), (from), (to)))
#define os_link(os, from, to)         ((os)->fs->link((os), (from), (to)))
#define os_unlink(os, path)           ((os)->fs->unlink((os), (path)))
#define os_mkdir(os, path)            ((os)->fs->mkdir((os), (path)))
#define os_rmdir(os, path)            ((os)->fs->rmdir((os), (path)))
#define os_sync_dir(os, path)         ((os)->fs->sync_dir((os), (path)))
#define os_list(os, path, each, ctx)  ((os)->fs->list((os), (path), (each), (ctx)))
#define os_space_at(os, path, out)    ((os)->fs->space((os), (path), (out)))
#define os_wall_us(os)                ((os)->env->wall_us(os))
#define os_mono_ns(os)                ((os)->env->mono_ns(os))
#define os_random(os, data, bytes)    ((os)->env->random((os), (data), (bytes)))
#define os_sleep_ms(os, ms)           ((os)->env->sleep_ms((os), (ms)))

/* Every implementation's struct os_file begins with this. */
struct os_file {
    struct os *os;
};
#define os_close(file) ((file)->os->fs->close(file))
#define os_read(file, offset, data, n, got) \
    ((file)->os->fs->read((file), (offset), (data), (n), (got)))
#define os_write(file, offset, iov, count) ((file)->os->fs->write((file), (offset), (iov), (count)))
#define os_sync(file)                      ((file)->os->fs->sync(file))
#define os_truncate(file, bytes)           ((file)->os->fs->truncate((file), (bytes)))
#define os_stat_file(file, out)            ((file)->os->fs->stat_file((file), (out)))
#define os_lock(file)                      ((file)->os->fs->lock(file))

/* Helpers over the table. */
MUST_USE err os_write_at(struct os_file *file, u64 offset, const void *data, isize bytes);
/* ERR_CORRUPT when the file ends before `bytes`. */
MUST_USE err os_read_exact(struct os_file *file, u64 offset, void *data, isize bytes);
/* Whole file into the arena; ERR_LIMIT when larger than bytes_max. */
MUST_USE err os_read_file(struct os *os, const char *path, isize bytes_max, struct arena *arena,
                          str *out);
/* Durable and atomic: writes path + ".tmp", syncs, renames, syncs the directory. ERR_FULL: there
 * was no room, and nothing has changed. A sync that failed, whatever with, is ERR_IO. */
MUST_USE err os_replace_file(struct os *os, const char *path, str content);
/* As os_link, of a file that others replace by rename: link(2) then says for a moment that it is
 * not there. ERR_NOT_FOUND: it really is not. */
MUST_USE err os_link_replaced(struct os *os, const char *from, const char *to);
/* mkdir -p; syncs each parent that got a new name, and ends the process when that fails. */
MUST_USE err os_mkdir_all(struct os *os, const char *path);
/* An fsync error (or a failed write of acknowledged data) ends the process: flushes traces and
 * calls _exit(70). Tests replace the ending with os_set_fatal(). */
_Noreturn void os_fatal(const char *what, const char *path, err e);
void os_set_fatal(void (*fatal)(const char *what, const char *path, err e));

/* Number of CPUs that this process may use (affinity mask). */
int os_cpu_count(void);
/* Memory that this process may have: of the machine, of its control group, of its address space. */
u64 os_memory_bytes(void);
/* Resident memory of this process in bytes (VmRSS). */
u64 os_resident_bytes(void);
/* What is freed at the end of a heap (threads have their own) stays there up to `bytes`, and blocks
 * up to `block_bytes` come from heaps: memory that the kernel takes back costs a fault for each
 * page when it is needed again. For a long life, before other threads begin. A hint. */
void os_freed_memory_keep(isize bytes, isize block_bytes);
/* Memory in huge pages where the system has them: for large blocks that are used again. Zeroed,
 * aligned to OS_HUGE_BYTES; never NULL. `bytes` is a multiple of OS_HUGE_BYTES, and the same for
 * both. */
#define OS_HUGE_BYTES ((isize)2 << 20)
void *os_huge_alloc(isize bytes);
void os_huge_free(void *memory, isize bytes);
int os_process_id(void);
/* Raises the limit of open descriptors to the hard limit; returns what it is then. */
i64 os_descriptors_raise(void);
/* No core dump of this process, which holds secrets, and no debugger of another user. */
void os_core_dumps_refuse(void);
/* Is the descriptor a terminal? */
bool os_is_terminal(int fd);
/* Blocks SIGINT, SIGTERM and SIGHUP (and ignores SIGPIPE) for all threads started later; called
 * first thing by the main thread. os_signals_wait then returns the next of them that arrives; the
 * one after that ends the process at once, with 128 + its number. */
void os_signals_hold(void);
/* Writing to a connection that its client has closed is an error, not the end of the process. */
void os_sigpipe_ignore(void);
int os_signals_wait(void);
/* Value of an environment variable, NULL when unset. Only cli and engine start-up use it. */
const char *os_getenv(const char *name);

/* Does anybody listen on this TCP port? From /proc. */
bool os_port_is_taken(u16 port);
/* Who does: "name (pid 123: its command line)". False when it cannot be told. */
bool os_port_holder(u16 port, char *out, isize capacity);

/* Named places where a test may end the process (LEAT_FAILPOINT=name:count, SIGKILL on the
 * count-th pass) or make it wait there (name:count:ms). Compiled in always; one predictable branch
 * when unused. */
extern bool os_failpoint_is_armed;
void os_failpoint_hit(const char *name);
void os_failpoint_arm(const char *spec);
#define OS_FAILPOINT(name)                     \
    do {                                       \
        if (UNLIKELY(os_failpoint_is_armed)) { \
            os_failpoint_hit(name);            \
        }                                      \
    } while (0)

#endif
