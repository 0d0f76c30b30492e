/* aws/common/sqlite_vfs.c: a SQLite VFS over os/. One connection per file, so that locking methods
 * do nothing and WAL needs no shared memory (locking_mode=EXCLUSIVE). */
#include "aws/common/sqlite_vfs.h"

#include "base/plant.h"
#include "os/thread.h"

#include <sqlite3.h>
#include <stdio.h>

enum { VFS_MAX = 16, PATH_BYTES_MAX = 1024 };

struct vfs_file {
    sqlite3_file base;
    struct os_file *file;
    bool is_deleted_at_close;
    char path[PATH_BYTES_MAX];
};

static struct os *os_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static struct vfs_file *file_of(sqlite3_file *file)
{
    return (struct vfs_file *)file;
}

static int file_close(sqlite3_file *base)
{
    struct vfs_file *file = file_of(base);
    struct os *os = file->file->os;
    err e = os_close(file->file);
    if (file->is_deleted_at_close) {
        IGNORE(
            os_unlink(os, file->path)); /* A temporary file; the start-up sweep takes the rest. */
    }
    return e == OK ? SQLITE_OK : SQLITE_IOERR_CLOSE;
}

static int file_read(sqlite3_file *base, void *data, int bytes, sqlite3_int64 offset)
{
    isize got;
    if (os_read(file_of(base)->file, (u64)offset, data, bytes, &got) != OK) {
        return SQLITE_IOERR_READ;
    }
    if (got < bytes) {
        memset((u8 *)data + got, 0, (size_t)(bytes - got));
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *base, const void *data, int bytes, sqlite3_int64 offset)
{
    err e = os_write_at(file_of(base)->file, (u64)offset, data, bytes);
    if (e == ERR_FULL) {
        return SQLITE_FULL;
    }
    return e == OK ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 bytes)
{
    return os_truncate(file_of(base)->file, (u64)bytes) == OK ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct vfs_file *file = file_of(base);
    bool is_wal = str_ends(str_of(file->path), STR("-wal"));
    if (PLANTED(BUG_SQLITE_NO_SYNC) || (PLANTED(BUG_SQLITE_NO_WAL_SYNC) && is_wal) ||
        (PLANTED(BUG_SQLITE_NO_DB_SYNC) && !is_wal)) {
        return SQLITE_OK;
    }
    err e = os_sync(file->file);
    if (e != OK) {
        os_fatal("fdatasync of service metadata", file->path, e);
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *bytes_out)
{
    struct os_stat stat;
    if (os_stat_file(file_of(base)->file, &stat) != OK) {
        return SQLITE_IOERR_FSTAT;
    }
    *bytes_out = (sqlite3_int64)stat.bytes;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    (void)base;
    (void)level;
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *base, int *is_reserved_out)
{
    (void)base;
    *is_reserved_out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *argument)
{
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return 0; /* Nothing is promised: a sector being written may be lost whole. */
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static err sync_parent(struct os *os, const char *path)
{
    char parent[PATH_BYTES_MAX];
    str whole = str_of(path);
    isize slash = str_rfind_byte(whole, '/');
    str_copy_cstr(slash > 0 ? str_slice(whole, 0, slash) : STR("."), parent, PATH_BYTES_MAX);
    return os_sync_dir(os, parent);
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                    int *flags_out)
{
    struct os *os = os_of(vfs);
    struct vfs_file *file = file_of(base);
    memset(file, 0, sizeof *file);
    if (path == NULL) {
        return SQLITE_CANTOPEN; /* temp_store=MEMORY: no nameless files. */
    }
    str_copy_cstr(str_of(path), file->path, PATH_BYTES_MAX);
    struct os_stat stat;
    bool is_new = os_stat_path(os, path, &stat) == ERR_NOT_FOUND;
    int mode = (flags & SQLITE_OPEN_READWRITE) != 0 ? OS_WRITE : OS_READ;
    mode |= (flags & SQLITE_OPEN_CREATE) != 0 ? OS_CREATE : 0;
    err e = os_open(os, path, mode, &file->file);
    if (e != OK) {
        return SQLITE_CANTOPEN;
    }
    if (is_new && !PLANTED(BUG_SQLITE_NO_DIR_SYNC)) {
        e = sync_parent(os, path);
        if (e != OK) {
            os_fatal("fsync of a directory", path, e);
        }
    }
    file->is_deleted_at_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    file->base.pMethods = &methods;
    if (flags_out != NULL) {
        *flags_out = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int is_synced)
{
    struct os *os = os_of(vfs);
    err e = os_unlink(os, path);
    if (e == ERR_NOT_FOUND) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (e == OK && is_synced != 0) {
        e = sync_parent(os, path);
        if (e != OK) {
            os_fatal("fsync of a directory", path, e);
        }
    }
    return e == OK ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result_out)
{
    (void)flags;
    struct os_stat stat;
    *result_out = os_stat_path(os_of(vfs), path, &stat) == OK;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int capacity, char *out)
{
    (void)vfs;
    str_copy_cstr(str_of(path), out, capacity);
    return (isize)strlen(path) < capacity ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_random(sqlite3_vfs *vfs, int bytes, char *out)
{
    os_random(os_of(vfs), out, bytes);
    return bytes;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    os_sleep_ms(os_of(vfs), (u32)(us / 1000 + 1));
    return us;
}

static int vfs_now_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms_out)
{
    /* Julian day 2440587.5 is 1970-01-01. */
    *ms_out = os_wall_us(os_of(vfs)) / 1000 + 210866760000000LL;
    return SQLITE_OK;
}

static int vfs_now(sqlite3_vfs *vfs, double *days_out)
{
    sqlite3_int64 ms;
    (void)vfs_now_ms(vfs, &ms);
    *days_out = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static struct os_mutex lock = OS_MUTEX_INIT;
static struct {
    sqlite3_vfs vfs;
    char name[16];
} registered[VFS_MAX]; /* Guarded by lock. */
static int registered_count;

const char *sqlite_vfs_name(struct os *os)
{
    os_mutex_lock(&lock);
    int i = 0;
    while (i < registered_count && registered[i].vfs.pAppData != os) {
        i++;
    }
    if (i == registered_count) {
        CHECK(registered_count < VFS_MAX);
        registered_count++;
        (void)snprintf(registered[i].name, sizeof registered[i].name, "leat%d", i);
        registered[i].vfs = (sqlite3_vfs){
            .iVersion = 2,
            .szOsFile = (int)sizeof(struct vfs_file),
            .mxPathname = PATH_BYTES_MAX - 16,
            .zName = registered[i].name,
            .pAppData = os,
            .xOpen = vfs_open,
            .xDelete = vfs_delete,
            .xAccess = vfs_access,
            .xFullPathname = vfs_full_path,
            .xRandomness = vfs_random,
            .xSleep = vfs_sleep,
            .xCurrentTime = vfs_now,
            .xCurrentTimeInt64 = vfs_now_ms,
        };
        CHECK(sqlite3_vfs_register(&registered[i].vfs, 0) == SQLITE_OK);
    }
    os_mutex_unlock(&lock);
    return registered[i].name;
}
