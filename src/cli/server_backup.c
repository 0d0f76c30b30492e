/* cli/server_backup.c: the server's side of a backup. */
#include "cli/server_backup.h"

#include "base/buf.h"
#include "base/trace.h"
#include "base/version.h"
#include "codec/json.h"
#include "console/console.h"
#include "os/thread.h"
#include "os/tree.h"

#include <stdio.h>

enum { PATH_MAX_BYTES = 1200, HEARTBEAT_MS = 5000, LEAVING_MS = 1000, ATTEMPTS = 5 };

struct server_backup {
    struct server_backup_env env;
    char data_dir[1024];
    char dir[1060]; /* DATA/backup */
    struct os_mutex lock;
    struct os_cond changed;
    bool is_busy, is_stopping; /* lock */
};

static bool join(char *out, const char *dir, const char *name)
{
    return snprintf(out, PATH_MAX_BYTES, "%s/%s", dir, name) < PATH_MAX_BYTES;
}

/* --- snapshots of jobs -------------------------------------------------------------------------
 */

/* Are the newest snapshots of `staged` still those of their jobs, or the ones before? A job keeps
 * two: then none was made and dropped between the two looks. */
struct newest {
    struct os *os;
    const char *dir;
    char name[64];
};

static bool newest_entry(void *ctx, const char *name)
{
    struct newest *n = ctx;
    if (str_ends(str_of(name), STR(".snapshot")) && strcmp(name, n->name) > 0) {
        str_copy_cstr(str_of(name), n->name, (isize)sizeof n->name);
    }
    return true;
}

struct check {
    struct os *os;
    const char *staged, *live;
    bool is_good;
};

static bool check_job(void *ctx, const char *job)
{
    struct check *c = ctx;
    char staged[PATH_MAX_BYTES];
    char live[PATH_MAX_BYTES];
    char file[PATH_MAX_BYTES];
    struct newest newest = {.os = c->os};
    struct os_stat at;
    if (join(staged, c->staged, job) && join(live, c->live, job) &&
        os_list(c->os, staged, newest_entry, &newest) == OK && newest.name[0] != '\0') {
        /* A job that has ended meanwhile has no state any more, and needs none. */
        c->is_good = os_stat_path(c->os, live, &at) != OK ||
                     (join(file, live, newest.name) && os_stat_path(c->os, file, &at) == OK);
    }
    return c->is_good;
}

/* The log, with the snapshots that its journal may name. */
static err stage_log(struct server_backup *b, const char *dir)
{
    char log[PATH_MAX_BYTES];
    char state[PATH_MAX_BYTES];
    char live[PATH_MAX_BYTES];
    if (!join(log, dir, "log") || !join(state, dir, "state") || !join(live, b->data_dir, "state")) {
        return ERR_RANGE;
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        struct check check = {b->env.os, state, live, true};
        TRY(os_tree_remove(b->env.os, log));
        TRY(os_tree_remove(b->env.os, state));
        TRY(os_mkdir_all(b->env.os, log));
        TRY(os_tree_link(b->env.os, live, state));
        TRY(log_stage(b->env.log, log));
        TRY(os_list(b->env.os, state, check_job, &check));
        TRY(os_tree_link(b->env.os, live, state));
        if (check.is_good) {
            return OK;
        }
    }
    return ERR_AGAIN;
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static err stage_log_and_behind(struct server_backup *b, const char *dir, struct diag *diag)
{
    static const char *const behind[] = {"s3", "sns", "cloudwatch"};
    TRY(stage_log(b, dir));
    OS_FAILPOINT("backup.after_log");
    for (int i = 0; i < COUNT_OF(behind); i++) {
        TRY(aws_dispatch_stage(b->env.dispatch, behind[i], dir, diag));
    }
    return OK;
}

static err stage(struct server_backup *b, const char *dir, struct diag *diag)
{
    char from[PATH_MAX_BYTES];
    char to[PATH_MAX_BYTES];
    TRY(os_mkdir_all(b->env.os, dir));
    TRY(aws_dispatch_stage(b->env.dispatch, "dynamodb", dir, diag));
    engine_delivery_hold(b->env.engine);
    err e = stage_log_and_behind(b, dir, diag);
    engine_delivery_release(b->env.engine);
    TRY(e);
    if (!join(from, b->data_dir, "tls") || !join(to, dir, "tls")) {
        return ERR_RANGE;
    }
    return os_tree_link(b->env.os, from, to);
}

static void on_gone(struct http_exchange *x, void *ctx)
{
    struct server_backup *b = ctx;
    (void)x;
    os_mutex_lock(&b->lock);
    os_cond_broadcast(&b->changed);
    os_mutex_unlock(&b->lock);
}

/* Until the client has gone. */
static void hold(struct server_backup *b, struct http_exchange *x)
{
    bool is_there = true;
    while (is_there) {
        is_there = http_respond_write(x, STR("{}\n")) == OK;
        os_mutex_lock(&b->lock);
        if (is_there && !b->is_stopping && !http_is_gone(x)) {
            (void)os_cond_wait_ms(&b->changed, &b->lock, HEARTBEAT_MS);
        }
        is_there = is_there && !b->is_stopping && !http_is_gone(x);
        os_mutex_unlock(&b->lock);
    }
}

static void answer(struct server_backup *b, struct http_exchange *x, const char *dir, i64 at_us)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("application/x-ndjson")},
                                  {STR("Cache-Control"), STR("no-store")}};
    struct buf line = {0};
    buf_append(&line, STR("{\"staged\":"));
    json_write_string(&line, str_of(dir));
    buf_printf(&line, ",\"at_ms\":%lld,\"leat\":\"%s\"}\n", (long long)(at_us / 1000),
               leat_version);
    http_respond_start(x, 200, fields, COUNT_OF(fields), -1);
    if (http_respond_write(x, buf_str(&line)) == OK) {
        hold(b, x);
    }
    http_respond_end(x);
    buf_deinit(&line);
}

static bool enter(struct server_backup *b, struct diag *diag)
{
    os_mutex_lock(&b->lock);
    /* One that has just ended may still be clearing away. */
    while (b->is_busy && !b->is_stopping && os_cond_wait_ms(&b->changed, &b->lock, LEAVING_MS)) {
    }
    bool is_free = !b->is_busy && !b->is_stopping;
    b->is_busy = b->is_busy || is_free;
    os_mutex_unlock(&b->lock);
    if (!is_free) {
        (void)diag_set(diag, ERR_AGAIN, "BAK001", "a backup is under way, or the server stops");
        diag_hint(diag, "try again when it is done");
    }
    return is_free;
}

static void leave(struct server_backup *b)
{
    err e = os_tree_remove(b->env.os, b->dir);
    if (e != OK) {
        trace(TRACE_WARN, "backup", "staged files stay until the next start",
              T_STR("path", str_of(b->dir)), T_STR("error", str_of(err_text(e))));
    }
    os_mutex_lock(&b->lock);
    b->is_busy = false;
    os_cond_broadcast(&b->changed);
    os_mutex_unlock(&b->lock);
}

static void explain(struct diag *diag, err e)
{
    if (e == ERR_UNSUPPORTED) {
        (void)diag_set(diag, e, "BAK002",
                       "there is nothing to back up, or no way: the data directory "
                       "is in memory, or its file system has no hard links");
        diag_hint(diag, "stop the server and copy the data directory");
    } else {
        (void)diag_set(diag, e, "BAK003", "the files for the backup cannot be put together: %s",
                       err_text(e));
    }
}

static void run(struct http_exchange *x, void *ctx)
{
    struct server_backup *b = ctx;
    struct diag diag;
    diag_init(&diag);
    if (!enter(b, &diag)) {
        console_respond_error(x, ERR_AGAIN, &diag);
        return;
    }
    i64 at_us = os_wall_us(b->env.os);
    err e = stage(b, b->dir, &diag);
    if (e == OK) {
        trace(TRACE_INFO, "backup", "staged", T_STR("path", str_of(b->dir)),
              T_INT("ms", (os_wall_us(b->env.os) - at_us) / 1000));
        answer(b, x, b->dir, at_us);
    } else {
        explain(&diag, e);
        console_respond_error(x, e, &diag);
    }
    leave(b);
}

static void handle(struct http_exchange *x, void *ctx)
{
    http_on_gone(x, on_gone, ctx);
    http_run_blocking(x, run, ctx);
}

/* --- life --------------------------------------------------------------------------------------
 */

struct server_backup *server_backup_new(const struct server_backup_env *env)
{
    struct server_backup *b = NEW(struct server_backup);
    b->env = *env;
    str_copy_cstr(str_of(env->data_dir), b->data_dir, (isize)sizeof b->data_dir);
    (void)snprintf(b->dir, sizeof b->dir, "%s/backup", b->data_dir);
    os_mutex_init(&b->lock);
    os_cond_init(&b->changed);
    if (os_tree_remove(env->os, b->dir) != OK) {
        trace(TRACE_WARN, "backup", "files of an earlier backup cannot be removed",
              T_STR("path", str_of(b->dir)));
    }
    struct aws_route route = {"POST", "/_leat/api/backup", handle, b};
    aws_dispatch_add_routes(env->dispatch, &route, 1);
    return b;
}

void server_backup_stop(struct server_backup *b)
{
    if (b != NULL) {
        os_mutex_lock(&b->lock);
        b->is_stopping = true;
        os_cond_broadcast(&b->changed);
        while (b->is_busy) {
            os_cond_wait(&b->changed, &b->lock);
        }
        os_mutex_unlock(&b->lock);
    }
}

void server_backup_free(struct server_backup *b)
{
    if (b != NULL) {
        os_cond_deinit(&b->changed);
        os_mutex_deinit(&b->lock);
        mem_free(b);
    }
}
