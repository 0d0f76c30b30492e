/* cli/export_file.c: see export_file.h. */
#include "cli/export_file.h"

#include "codec/compress.h"
#include "os/os.h"
#include "os/process.h"

#include <errno.h>
#include <stdio.h>

enum { PATH_BYTES = 4096 };

static const char code[] = "EXP002";

struct export_file {
    char path[PATH_BYTES], part[PATH_BYTES];
    bool is_stdout, is_finished;
    struct os_file *file;
    struct compressor *compressor;
    struct buf out;
    u64 bytes;
};

static err fail(struct diag *diag, err e, const char *verb, const char *path)
{
    const char *why = e == ERR_IO || e == ERR_DENIED ? os_errno_text()
                      : e == ERR_NOT_FOUND           ? "there is no such directory"
                                                     : err_text(e);
    return diag_set(diag, e, code, "cannot %s \"%s\": %s", verb, path, why);
}

/* Another export may have given the file its name between our opening it and our lock. */
static bool is_at(const char *path, struct os_file *file)
{
    struct os_stat named, opened;
    return os_stat_path(os_real(), path, &named) == OK && os_stat_file(file, &opened) == OK &&
           named.inode == opened.inode;
}

static err part_open(struct export_file *f, bool replaces, struct diag *diag)
{
    struct os_stat stat;
    err e = os_stat_path(os_real(), f->path, &stat);
    if (e == OK && (!replaces || stat.kind != OS_FILE)) {
        diag_hint(diag, "--overwrite replaces a file");
        return diag_set(diag, ERR_EXISTS, code, "\"%s\" is there already", f->path);
    }
    struct os_file *file = NULL;
    e = os_open(os_real(), f->part, OS_WRITE | OS_CREATE, &file);
    if (e != OK) {
        return fail(diag, e, "write", f->part);
    }
    if (os_lock(file) != OK || !is_at(f->part, file)) {
        IGNORE(os_close(file)); /* Nothing was written. */
        return diag_set(diag, ERR_IN_USE, code, "another export writes \"%s\"", f->part);
    }
    f->file = file;
    e = os_truncate(file, 0);
    return e == OK ? OK : fail(diag, e, "write", f->part);
}

err export_file_open(const char *path, bool replaces, struct export_file **out, struct diag *diag)
{
    struct export_file *f = NEW(struct export_file);
    f->is_stdout = strcmp(path, "-") == 0;
    enum compress_kind kind = compress_kind_of_path(str_of(path));
    if (kind != COMPRESS_NONE) {
        f->compressor = compressor_new(kind, 0);
    }
    err e = OK;
    if (!f->is_stdout) {
        int length = snprintf(f->path, sizeof f->path, "%s", path);
        bool fits =
            length < PATH_BYTES && snprintf(f->part, sizeof f->part, "%s.part", path) < PATH_BYTES;
        e = fits ? part_open(f, replaces, diag) : fail(diag, ERR_RANGE, "write", path);
    }
    if (e != OK) {
        export_file_free(f);
        return e;
    }
    *out = f;
    return OK;
}

/* What lies in f->out. */
static err send(struct export_file *f, struct diag *diag)
{
    err e = OK;
    if (f->is_stdout) {
        size_t written = fwrite(f->out.data, 1, (size_t)f->out.len, stdout);
        bool is_written = written == (size_t)f->out.len && fflush(stdout) == 0;
        if (os_output_is_closed()) {
            return diag_set(diag, ERR_CLOSED, code, "standard output was closed before the end");
        }
        if (!is_written) {
            return diag_set(diag, ERR_IO, code, "cannot write standard output: %s",
                            strerror(errno));
        }
    } else if (f->out.len > 0) {
        e = os_write_at(f->file, f->bytes, f->out.data, f->out.len);
    }
    f->bytes += (u64)f->out.len;
    buf_reset(&f->out);
    return e == OK ? OK : fail(diag, e, "write", f->part);
}

err export_file_write(struct export_file *f, str text, struct diag *diag)
{
    if (f->compressor == NULL) {
        buf_append(&f->out, text);
    } else {
        TRY(compressor_write(f->compressor, text, &f->out));
    }
    return send(f, diag);
}

/* The directory of a path. */
static const char *dir_of(const char *path, char *out)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return ".";
    }
    str_copy_cstr(str_from(path, MAX(slash - path, 1)), out, PATH_BYTES);
    return out;
}

err export_file_finish(struct export_file *f, struct diag *diag)
{
    char dir[PATH_BYTES];
    if (f->compressor != NULL) {
        TRY(compressor_finish(f->compressor, &f->out));
    }
    TRY(send(f, diag));
    if (f->is_stdout) {
        f->is_finished = true;
        return OK;
    }
    err e = os_sync(f->file);
    if (e != OK) {
        return fail(diag, e, "write", f->part);
    }
    e = os_rename(os_real(), f->part, f->path);
    if (e != OK) {
        return fail(diag, e, "write", f->path);
    }
    f->is_finished = true;
    e = os_sync_dir(os_real(), dir_of(f->path, dir));
    return e == OK ? OK : fail(diag, e, "write", f->path);
}

u64 export_file_bytes(const struct export_file *f)
{
    return f->bytes;
}

void export_file_free(struct export_file *f)
{
    if (f == NULL) {
        return;
    }
    if (f->file != NULL && !f->is_finished) {
        IGNORE(os_unlink(os_real(), f->part)); /* A later export takes it over. */
    }
    if (f->file != NULL) {
        IGNORE(os_close(f->file)); /* Synced, or given up. */
    }
    compressor_free(f->compressor);
    buf_deinit(&f->out);
    mem_free(f);
}
