/* os/posix.c: the real machine: files by pread, pwritev and fdatasync, kernel clocks, getrandom. */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { IOV_BATCH = 64, DIRECT_ALIGN = 4096 };

/* One of the two ways into a file. */
struct way {
    int fd;
    u64 written, synced; /* Atomic: changes through it, and how many of them a sync has covered. */
};

struct posix_file {
    struct os_file base;
    struct way cached;
    struct way direct; /* O_DIRECT; fd -1 = none. */
};

static __thread int last_errno;

int os_errno(void)
{
    return last_errno;
}

const char *os_errno_text(void)
{
    return strerrordesc_np(last_errno);
}

static err fail(void)
{
    last_errno = errno;
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    default:
        return ERR_IO;
    }
}

static int fd_of(struct os_file *file)
{
    return ((struct posix_file *)file)->cached.fd;
}

static void note_written(struct way *way)
{
    __atomic_fetch_add(&way->written, 1, __ATOMIC_RELEASE);
}

static int open_again(const char *path, int mode)
{
    int fd;
    do {
        fd = open(path, mode | O_CLOEXEC, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static err posix_open(struct os *os, const char *path, int flags, struct os_file **out)
{
    int mode = (flags & OS_WRITE) != 0 ? O_RDWR : O_RDONLY;
    mode |= (flags & OS_CREATE) != 0 ? O_CREAT : 0;
    mode |= (flags & OS_EXCLUSIVE) != 0 ? O_EXCL : 0;
    mode |= (flags & OS_TRUNCATE) != 0 ? O_TRUNC : 0;
    int fd = open_again(path, mode);
    if (fd < 0) {
        return fail();
    }
    struct posix_file *file = NEW(struct posix_file);
    file->base.os = os;
    file->cached.fd = fd;
    file->direct.fd = (flags & OS_DIRECT) != 0 ? open_again(path, O_WRONLY | O_DIRECT) : -1;
    *out = &file->base;
    return OK;
}

static err posix_close(struct os_file *file)
{
    int direct_fd = ((struct posix_file *)file)->direct.fd;
    if (direct_fd >= 0) {
        close(direct_fd);
    }
    int result = close(fd_of(file));
    mem_free(file);
    return result == 0 || errno == EINTR ? OK : fail();
}

static err posix_read(struct os_file *file, u64 offset, void *data, isize bytes, isize *got_out)
{
    isize done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd_of(file), (u8 *)data + done, (size_t)(bytes - done),
                            (off_t)(offset + (u64)done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail();
        }
        if (got == 0) {
            break;
        }
        done += got;
    }
    *got_out = done;
    return OK;
}

/* Drops `bytes` from the front of the vector; returns how many entries are used up. */
static int iov_advance(struct iovec *iov, int count, size_t bytes)
{
    int used = 0;
    while (used < count && bytes >= iov[used].iov_len) {
        bytes -= iov[used++].iov_len;
    }
    if (used < count) {
        iov[used].iov_base = (u8 *)iov[used].iov_base + bytes;
        iov[used].iov_len -= bytes;
    }
    return used;
}

static err write_some(int fd, u64 *offset, struct iovec *iov, int count)
{
    struct iovec *next = iov;
    while (count > 0) {
        ssize_t wrote = pwritev(fd, next, count, (off_t)*offset);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return fail();
        }
        int used = iov_advance(next, count, (size_t)wrote);
        if (wrote == 0 && used == 0) { /* No error, and no progress either. */
            errno = ENOSPC;
            return fail();
        }
        *offset += (u64)wrote;
        next += used;
        count -= used;
    }
    return OK;
}

/* Says the file system or the disk that it does not write past the page cache, or not so? Any other
 * error is the write's own: the page cache would only hide it. */
static bool is_direct_refused(int error)
{
    return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS;
}

/* *done_out: how much of a large aligned write the disk took straight from memory; the page cache
 * takes the rest, and everything where the file system or the disk wants another alignment. */
static err write_direct(struct way *way, u64 offset, const struct os_iov *iov, isize *done_out)
{
    bool is_aligned = (offset | (u64)iov->bytes | (uintptr_t)iov->data) % DIRECT_ALIGN == 0;
    isize done = 0;
    err e = OK;
    bool goes_on = way->fd >= 0 && is_aligned && iov->bytes > 0;
    bool is_tried = goes_on;
    while (goes_on) {
        ssize_t wrote = pwrite(way->fd, (const u8 *)iov->data + done, (size_t)(iov->bytes - done),
                               (off_t)(offset + (u64)done));
        e = wrote < 0 && errno != EINTR && !is_direct_refused(errno) ? fail() : OK;
        goes_on = wrote > 0 || (wrote < 0 && errno == EINTR);
        done += MAX(0, wrote);
        goes_on = goes_on && done < iov->bytes && done % DIRECT_ALIGN == 0;
    }
    if (is_tried) {
        note_written(way);
    }
    *done_out = done;
    return e;
}

static err write_cached(struct way *way, u64 offset, const struct os_iov *iov, int count)
{
    struct iovec batch[IOV_BATCH];
    err e = OK;
    for (int done = 0; done < count && e == OK;) {
        int n = 0;
        for (; n < IOV_BATCH && done + n < count; n++) {
            union {
                const void *from;
                void *to;
            } data = {iov[done + n].data};
            batch[n] = (struct iovec){data.to, (size_t)iov[done + n].bytes};
        }
        e = write_some(way->fd, &offset, batch, n);
        done += n;
    }
    note_written(way);
    return e;
}

static err posix_write(struct os_file *base, u64 offset, const struct os_iov *iov, int count)
{
    struct posix_file *file = (struct posix_file *)base;
    if (count != 1) {
        return write_cached(&file->cached, offset, iov, count);
    }
    isize done;
    err e = write_direct(&file->direct, offset, iov, &done);
    if (e != OK || done == iov->bytes) {
        return e;
    }
    struct os_iov rest = {(const u8 *)iov->data + done, iov->bytes - done};
    return write_cached(&file->cached, offset + (u64)done, &rest, 1);
}

static err sync_way(struct way *way)
{
    u64 written = __atomic_load_n(&way->written, __ATOMIC_ACQUIRE);
    if (fdatasync(way->fd) != 0) {
        return fail();
    }
    u64 synced = __atomic_load_n(&way->synced, __ATOMIC_RELAXED);
    while (synced < written && !__atomic_compare_exchange_n(&way->synced, &synced, written, true,
                                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
    return OK;
}

static bool is_unsynced(const struct way *way)
{
    return __atomic_load_n(&way->synced, __ATOMIC_ACQUIRE) <
           __atomic_load_n(&way->written, __ATOMIC_ACQUIRE);
}

/* The descriptor that was written through: a file system of a daemon or of another machine may keep
 * writes by descriptor, and sync those of one. */
static err posix_sync(struct os_file *base)
{
    struct posix_file *file = (struct posix_file *)base;
    bool is_direct = is_unsynced(&file->direct);
    if (is_direct) {
        TRY(sync_way(&file->direct));
    }
    return is_direct && !is_unsynced(&file->cached) ? OK : sync_way(&file->cached);
}

static err posix_truncate(struct os_file *file, u64 bytes)
{
    int result;
    do {
        result = ftruncate(fd_of(file), (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    note_written(&((struct posix_file *)file)->cached);
    return result == 0 ? OK : fail();
}

static void stat_take(const struct stat *from, struct os_stat *out)
{
    enum os_kind kind = OS_OTHER;
    if (S_ISREG(from->st_mode)) {
        kind = OS_FILE;
    } else if (S_ISDIR(from->st_mode)) {
        kind = OS_DIR;
    }
    *out = (struct os_stat){
        .kind = kind,
        .bytes = (u64)from->st_size,
        .inode = from->st_ino,
        .modified_us = (i64)from->st_mtim.tv_sec * 1000000 + from->st_mtim.tv_nsec / 1000,
    };
}

static err posix_stat_file(struct os_file *file, struct os_stat *out)
{
    struct stat stat;
    if (fstat(fd_of(file), &stat) != 0) {
        return fail();
    }
    stat_take(&stat, out);
    return OK;
}

static err posix_stat(struct os *os, const char *path, struct os_stat *out)
{
    (void)os;
    struct stat at;
    if (stat(path, &at) != 0) {
        return fail();
    }
    stat_take(&at, out);
    return OK;
}

static err posix_rename(struct os *os, const char *from, const char *to)
{
    (void)os;
    return rename(from, to) == 0 ? OK : fail();
}

static err posix_link(struct os *os, const char *from, const char *to)
{
    (void)os;
    if (link(from, to) == 0) {
        return OK;
    }
    bool is_without = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EXDEV;
    return is_without ? ERR_UNSUPPORTED : fail();
}

static err posix_unlink(struct os *os, const char *path)
{
    (void)os;
    return unlink(path) == 0 ? OK : fail();
}

static err posix_mkdir(struct os *os, const char *path)
{
    (void)os;
    return mkdir(path, 0700) == 0 ? OK : fail();
}

static err posix_rmdir(struct os *os, const char *path)
{
    (void)os;
    return rmdir(path) == 0 ? OK : fail();
}

static err posix_sync_dir(struct os *os, const char *path)
{
    (void)os;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail();
    }
    err result = fsync(fd) == 0 ? OK : fail();
    IGNORE(close(fd)); /* Nothing was written through it. */
    return result;
}

static err posix_list(struct os *os, const char *path, bool (*each)(void *ctx, const char *name),
                      void *ctx)
{
    (void)os;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return fail();
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        bool is_dot = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!is_dot && !each(ctx, entry->d_name)) {
            break;
        }
    }
    err result = errno == 0 ? OK : fail();
    IGNORE(closedir(dir)); /* Only read. */
    return result;
}

static err posix_lock(struct os_file *file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd_of(file), F_OFD_SETLK, &lock) == 0) {
        return OK;
    }
    if (errno == EAGAIN || errno == EACCES) {
        last_errno = errno;
        return ERR_IN_USE;
    }
    return fail();
}

static err posix_space(struct os *os, const char *path, struct os_space *out)
{
    (void)os;
    struct statvfs fs;
    if (statvfs(path, &fs) != 0) {
        return fail();
    }
    out->free_bytes = (u64)fs.f_bavail * fs.f_frsize;
    out->total_bytes = (u64)fs.f_blocks * fs.f_frsize;
    return OK;
}

static i64 posix_wall_us(struct os *os)
{
    (void)os;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (i64)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static u64 posix_mono_ns(struct os *os)
{
    (void)os;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void posix_random(struct os *os, void *data, isize bytes)
{
    (void)os;
    isize done = 0;
    while (done < bytes) {
        ssize_t got = getrandom((u8 *)data + done, (size_t)(bytes - done), 0);
        CHECK(got > 0 || errno == EINTR);
        done += got > 0 ? got : 0;
    }
}

static void posix_sleep_ms(struct os *os, u32 ms)
{
    (void)os;
    struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

static const struct os_fs posix_fs = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .stat_file = posix_stat_file,
    .stat = posix_stat,
    .rename = posix_rename,
    .link = posix_link,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
    .lock = posix_lock,
    .space = posix_space,
};

static const struct os_env posix_env = {
    .wall_us = posix_wall_us,
    .mono_ns = posix_mono_ns,
    .random = posix_random,
    .sleep_ms = posix_sleep_ms,
};

struct os *os_real(void)
{
    static struct os real = {&posix_fs, &posix_env, NULL};
    return &real;
}
