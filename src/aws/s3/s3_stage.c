/*
 * aws/s3/s3_stage.c: the object store for a backup. Files never change once a row names them, so
 * each gets a second name: most of them before the database is copied, and under its lock, when
 * the copy is complete, those that came meanwhile.
 */
#include "aws/common/stage.h"
#include "aws/s3/s3_store_int.h"

#include <stdio.h>

struct staging {
    struct s3_store *store;
    const char *dir;
    struct s3_store to; /* Only its place: where paths of the copies come from. */
};

static err link_file(struct staging *s, const u8 *id)
{
    char from[S3_PATH_MAX];
    char to[S3_PATH_MAX];
    s3__path(s->store, id, from);
    s3__path(&s->to, id, to);
    err e = os_link(s->store->os, from, to);
    if (e == ERR_NOT_FOUND) {
        char folder[S3_PATH_MAX];
        str_copy_cstr(str_slice(str_of(to), 0, str_rfind_byte(str_of(to), '/')), folder,
                      S3_PATH_MAX);
        TRY(os_mkdir_all(s->store->os, folder));
        e = os_link(s->store->os, from, to);
    }
    return e == ERR_EXISTS ? OK : e;
}

/* With the lock held: all that the rows name. */
static err link_named(void *ctx)
{
    struct staging *s = ctx;
    sqlite3_stmt *all = store_statement(s->store->db, "SELECT id FROM files");
    err e = OK;
    while (e == OK && store_row(s->store->db, all, &e)) {
        e = link_file(s, store_blob(all, 0).data);
    }
    (void)sqlite3_reset(all);
    return e;
}

/* Without the lock: what is gone by now is gone. */
static bool link_found(void *ctx, const char *name)
{
    struct staging *s = ctx;
    u8 id[S3_FILE_ID_BYTES];
    if (s3__file_id(name, id)) {
        IGNORE(link_file(s, id)); /* What fails here is tried again under the lock. */
    }
    return true;
}

static bool link_folder(void *ctx, const char *name)
{
    struct staging *s = ctx;
    char folder[S3_PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s/objects/%s", s->store->dir, name);
    IGNORE(os_list(s->store->os, folder, link_found, s));
    return true;
}

err s3_store_stage(struct s3_store *store, const char *dir)
{
    struct staging s = {.store = store, .dir = dir};
    char folder[S3_PATH_MAX];
    int len = snprintf(s.to.dir, sizeof s.to.dir, "%s/s3", dir);
    if (len < 0 || len >= (int)sizeof s.to.dir) {
        return ERR_RANGE;
    }
    (void)snprintf(folder, sizeof folder, "%s/objects", s.to.dir);
    TRY(os_mkdir_all(store->os, folder));
    (void)snprintf(folder, sizeof folder, "%s/objects", store->dir);
    TRY(os_list(store->os, folder, link_folder, &s));
    return aws_stage(store->os, store->dir, "s3", dir, store->db, link_named, &s);
}
