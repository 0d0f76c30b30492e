/* cli/backup_files.c: copying a backup's files, out and back. */
#include "cli/backup_files.h"

#include "base/version.h"
#include "codec/json.h"
#include "os/tree.h"

#include <openssl/evp.h>
#include <stdio.h>

enum {
    BLOCK_BYTES = 1 << 20,
    SUMS_BYTES_MAX = 1 << 30,
    ABOUT_BYTES_MAX = 64 << 10,
};

static const char sums_name[] = "SHA256SUMS";
static const char about_name[] = "BACKUP";

struct copying {
    struct os *os;
    const char *from, *to; /* Roots. */
    struct backup_progress *progress;
    struct diag *diag;
    struct buf sums;
    u8 *block;
};

static bool join(char *out, const char *dir, const char *name)
{
    return snprintf(out, BACKUP_PATH_MAX, "%s/%s", dir, name) < BACKUP_PATH_MAX;
}

static err fail(struct diag *diag, err e, const char *verb, const char *path)
{
    const char *why = e == ERR_IO || e == ERR_DENIED ? os_errno_text() : err_text(e);
    return diag_set(diag, e, "BAK010", "cannot %s \"%s\": %s", verb, path, why);
}

/* --- one file ----------------------------------------------------------------------------------
 */

static void hex(const u8 *digest, char *out)
{
    for (int i = 0; i < BACKUP_HASH_BYTES / 2; i++) {
        (void)snprintf(out + (isize)2 * i, 3, "%02x", digest[i]);
    }
}

static err copy_blocks(struct copying *c, struct os_file *in, struct os_file *out, EVP_MD_CTX *hash)
{
    u64 at = 0;
    for (;;) {
        isize got = 0;
        TRY(os_read(in, at, c->block, BLOCK_BYTES, &got));
        if (got == 0) {
            return OK;
        }
        CHECK(EVP_DigestUpdate(hash, c->block, (size_t)got) == 1);
        TRY(os_write_at(out, at, c->block, got));
        at += (u64)got;
        c->progress->bytes += (u64)got;
        if (!c->progress->tell(c->progress->ctx, c->progress)) {
            return ERR_CLOSED;
        }
    }
}

/* Copies one file and syncs it; its hash in `hash_out`, BACKUP_HASH_BYTES digits. */
static err copy_file(struct copying *c, const char *from, const char *to, char *hash_out)
{
    struct os_file *in = NULL;
    struct os_file *out = NULL;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    u8 digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    CHECK(hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1);
    err e = os_open(c->os, from, OS_READ, &in);
    if (e != OK) {
        e = fail(c->diag, e, "read", from);
    } else {
        e = os_open(c->os, to, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &out);
        e = e == OK ? copy_blocks(c, in, out, hash) : e;
        e = e == OK ? os_sync(out) : e;
        e = e == OK || e == ERR_CLOSED ? e : fail(c->diag, e, "write", to);
    }
    CHECK(EVP_DigestFinal_ex(hash, digest, &len) == 1);
    EVP_MD_CTX_free(hash);
    hex(digest, hash_out);
    IGNORE(in == NULL ? OK : os_close(in));
    IGNORE(out == NULL ? OK : os_close(out));
    c->progress->files += e == OK;
    return e;
}

/* --- writing -----------------------------------------------------------------------------------
 */

struct folder {
    struct copying *copying;
    const char *relative; /* Of the root; "" is the root. */
    err result;
};

static err write_folder(struct copying *c, const char *relative);

static bool write_entry(void *ctx, const char *name)
{
    struct folder *f = ctx;
    struct copying *c = f->copying;
    char relative[BACKUP_PATH_MAX];
    char from[BACKUP_PATH_MAX];
    char to[BACKUP_PATH_MAX];
    char hash[BACKUP_HASH_BYTES + 1];
    struct os_stat at;
    bool is_root = f->relative[0] == '\0';
    int len = snprintf(relative, sizeof relative, "%s%s%s", f->relative, is_root ? "" : "/", name);
    if (len >= BACKUP_PATH_MAX || !join(from, c->from, relative) || !join(to, c->to, relative)) {
        f->result = fail(c->diag, ERR_RANGE, "copy", name);
        return false;
    }
    err e = os_stat_path(c->os, from, &at);
    if (e != OK) {
        f->result = fail(c->diag, e, "read", from);
    } else if (at.kind == OS_DIR) {
        f->result = write_folder(c, relative);
    } else if (at.kind != OS_FILE) {
        f->result = diag_set(c->diag, ERR_INVALID, "BAK011", "\"%s\" is no plain file", from);
    } else {
        f->result = copy_file(c, from, to, hash);
        buf_printf(&c->sums, "%s  %s\n", hash, relative);
    }
    return f->result == OK;
}

static err write_folder(struct copying *c, const char *relative)
{
    struct folder f = {.copying = c, .relative = relative};
    char from[BACKUP_PATH_MAX];
    char to[BACKUP_PATH_MAX];
    if (!join(from, c->from, relative) || !join(to, c->to, relative)) {
        return fail(c->diag, ERR_RANGE, "copy", relative);
    }
    err e = os_mkdir_all(c->os, to);
    if (e != OK) {
        return fail(c->diag, e, "make", to);
    }
    e = os_list(c->os, from, write_entry, &f);
    if (e != OK) {
        return fail(c->diag, e, "read", from);
    }
    TRY(f.result);
    e = os_sync_dir(c->os, to);
    return e == OK ? OK : fail(c->diag, e, "write", to);
}

err backup_write(struct os *os, const char *from, const char *to, struct backup_progress *progress,
                 struct diag *diag)
{
    struct copying c = {os, from, to, progress, diag, {0}, mem_alloc(BLOCK_BYTES)};
    char path[BACKUP_PATH_MAX];
    err e = write_folder(&c, "");
    if (e == OK && !join(path, to, sums_name)) {
        e = fail(diag, ERR_RANGE, "write", sums_name);
    } else if (e == OK) {
        e = os_replace_file(os, path, buf_str(&c.sums));
        e = e == OK ? OK : fail(diag, e, "write", path);
    }
    buf_deinit(&c.sums);
    mem_free(c.block);
    return e;
}

static void hash_text(str text, char *out)
{
    u8 digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    CHECK(EVP_Digest(text.data, (size_t)text.len, digest, &len, EVP_sha256(), NULL) == 1);
    hex(digest, out);
}

err backup_finish(struct os *os, const char *to, i64 at_ms, const struct backup_progress *progress,
                  struct diag *diag)
{
    struct arena arena = {0};
    char path[BACKUP_PATH_MAX];
    char hash[BACKUP_HASH_BYTES + 1];
    str sums = STR_EMPTY;
    err e = join(path, to, sums_name) ? os_read_file(os, path, SUMS_BYTES_MAX, &arena, &sums)
                                      : ERR_RANGE;
    if (e == OK) {
        hash_text(sums, hash);
        e = join(path, to, about_name)
                ? os_replace_file(os, path,
                                  arena_printf(&arena,
                                               "{\"backup\":%d,\"leat\":\"%s\",\"at_ms\":%lld,"
                                               "\"files\":%llu,\"bytes\":%llu,\"sums\":\"%s\"}\n",
                                               BACKUP_VERSION, leat_version, (long long)at_ms,
                                               (unsigned long long)progress->files,
                                               (unsigned long long)progress->bytes, hash))
                : ERR_RANGE;
    }
    arena_deinit(&arena);
    return e == OK ? OK : fail(diag, e, "write", path);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static err sums_read(struct os *os, const char *dir, str wanted, struct arena *arena, str *out,
                     struct diag *diag)
{
    char path[BACKUP_PATH_MAX];
    char hash[BACKUP_HASH_BYTES + 1];
    if (!join(path, dir, sums_name)) {
        return fail(diag, ERR_RANGE, "read", dir);
    }
    err e = os_read_file(os, path, SUMS_BYTES_MAX, arena, out);
    if (e != OK) {
        return fail(diag, e, "read", path);
    }
    hash_text(*out, hash);
    return str_eq(str_of(hash), wanted)
               ? OK
               : diag_set(diag, ERR_CORRUPT, "BAK012", "\"%s\" is not what the backup wrote", path);
}

static err about_read(struct os *os, const char *dir, struct arena *arena,
                      const struct json_value **out, struct diag *diag)
{
    char path[BACKUP_PATH_MAX];
    str text = STR_EMPTY;
    if (!join(path, dir, about_name)) {
        return fail(diag, ERR_RANGE, "read", dir);
    }
    err e = os_read_file(os, path, ABOUT_BYTES_MAX, arena, &text);
    if (e == ERR_NOT_FOUND) {
        (void)diag_set(diag, e, "BAK013", "there is no whole backup in \"%s\"", dir);
        diag_hint(diag,
                  "leat backup writes the file BACKUP last: this is another directory, or the "
                  "backup was not finished");
        return e;
    }
    if (e != OK) {
        return fail(diag, e, "read", path);
    }
    const struct json_value *about = json_parse_request(arena, text);
    i64 version = json_get_i64(about, STR("backup"), 0);
    if (version > BACKUP_VERSION) {
        (void)diag_set(diag, ERR_VERSION, "BAK014",
                       "\"%s\" was written by a newer leat (format %lld, this one knows %d)", path,
                       (long long)version, BACKUP_VERSION);
        diag_hint(diag, "restore it with that leat");
        return ERR_VERSION;
    }
    if (version < 1 || json_get_text(about, STR("sums")).len != BACKUP_HASH_BYTES) {
        return diag_set(diag, ERR_CORRUPT, "BAK012", "\"%s\" is not what the backup wrote", path);
    }
    *out = about;
    return OK;
}

err backup_open(struct os *os, const char *dir, struct arena *arena, struct backup_about *out,
                struct diag *diag)
{
    const struct json_value *about = NULL;
    TRY(about_read(os, dir, arena, &about, diag));
    *out = (struct backup_about){
        json_get_i64(about, STR("at_ms"), 0), (u64)json_get_i64(about, STR("files"), 0),
        (u64)json_get_i64(about, STR("bytes"), 0), json_get_text(about, STR("leat"))};
    return OK;
}

/* Inside the directory, whatever it says. */
static bool is_inside(str path)
{
    str rest = path;
    bool found = true;
    bool is_good = path.len > 0 && path.len < BACKUP_PATH_MAX / 2 && path.data[0] != '/' &&
                   memchr(path.data, 0, (size_t)path.len) == NULL;
    while (is_good && found) {
        str part = str_split(&rest, '/', &found);
        is_good = part.len > 0 && !str_eq(part, STR(".")) && !str_eq(part, STR(".."));
    }
    return is_good;
}

static err read_one(struct copying *c, str line)
{
    enum { PATH_AT = BACKUP_HASH_BYTES + 2 };
    char from[BACKUP_PATH_MAX];
    char to[BACKUP_PATH_MAX];
    char relative[BACKUP_PATH_MAX];
    char hash[BACKUP_HASH_BYTES + 1];
    str path = line.len > PATH_AT ? str_slice(line, PATH_AT, line.len) : STR_EMPTY;
    if (!is_inside(path)) {
        return diag_set(c->diag, ERR_CORRUPT, "BAK012",
                        "a line of SHA256SUMS names no file of the "
                        "backup");
    }
    str_copy_cstr(path, relative, BACKUP_PATH_MAX);
    if (!join(from, c->from, relative) || !join(to, c->to, relative)) {
        return fail(c->diag, ERR_RANGE, "copy", relative);
    }
    char *slash = strrchr(to, '/');
    *slash = '\0';
    err e = os_mkdir_all(c->os, to);
    if (e != OK) {
        return fail(c->diag, e, "make", to);
    }
    *slash = '/';
    TRY(copy_file(c, from, to, hash));
    return str_eq(str_of(hash), str_slice(line, 0, BACKUP_HASH_BYTES))
               ? OK
               : diag_set(c->diag, ERR_CORRUPT, "BAK012", "\"%s\" is not what the backup wrote",
                          from);
}

err backup_read(struct os *os, const char *from, const char *to, struct backup_progress *progress,
                struct diag *diag)
{
    struct arena arena = {0};
    const struct json_value *about = NULL;
    str sums = STR_EMPTY;
    err e = about_read(os, from, &arena, &about, diag);
    if (e == OK) {
        e = sums_read(os, from, json_get_text(about, STR("sums")), &arena, &sums, diag);
    }
    struct copying c = {os, from, to, progress, diag, {0}, mem_alloc(BLOCK_BYTES)};
    bool has_line = e == OK && sums.len > 0;
    while (e == OK && has_line) {
        str line = str_split(&sums, '\n', &has_line);
        e = line.len > 0 ? read_one(&c, line) : OK;
    }
    if (e == OK) {
        e = os_tree_sync(os, to);
        e = e == OK ? OK : fail(diag, e, "write", to);
    }
    mem_free(c.block);
    arena_deinit(&arena);
    return e;
}
