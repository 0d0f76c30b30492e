/* cli/doctor_files.c: databases of the services and snapshots of jobs in a data directory that no
 * leat has open. */
#include "aws/common/store.h"
#include "cli/doctor.h"
#include "engine/engine.h"

#include <stdio.h>

enum { PATH_BYTES = 1100 };

static const struct {
    const char *name, *holds;
} databases[] = {
    {"s3", "buckets and the names of objects"},
    {"dynamodb", "tables and their items"},
    {"sns", "topics, subscriptions and mails"},
    {"cloudwatch", "metrics"},
};

static void check_database(struct doctor *d, const char *name, const char *holds)
{
    char path[PATH_BYTES];
    struct os_stat stat;
    struct diag diag;
    diag_init(&diag);
    (void)snprintf(path, sizeof path, "%s/%s/%s.sqlite", d->data_dir, name, name);
    if (os_stat_path(os_real(), path, &stat) == ERR_NOT_FOUND) {
        return; /* Never used. */
    }
    if (store_check(os_real(), path, &diag) == OK) {
        doctor_report(d, GOOD, name, NULL, "%s is intact", path);
        return;
    }
    doctor_report(d, BAD, name,
                  "restore a backup, or move the file away and begin anew: everything else stays",
                  "%s, which holds %s, is damaged: %s", path, holds, diag.message);
}

struct snapshots {
    struct doctor *d;
    u64 count, damaged;
};

static void on_snapshot(void *ctx, const char *job, const char *path, err e, const char *what)
{
    struct snapshots *s = ctx;
    s->count++;
    if (e == OK) {
        return;
    }
    s->damaged++;
    doctor_report(s->d, BAD, "snapshot",
                  "the job goes on from the snapshot before it, if that one is whole; else restore "
                  "a backup, or run it anew with leat run --restart",
                  "%s, state of %s: %s", path, job, what);
}

void doctor_check_files(struct doctor *d)
{
    for (isize i = 0; i < COUNT_OF(databases); i++) {
        check_database(d, databases[i].name, databases[i].holds);
    }
    struct snapshots s = {.d = d};
    err e = engine_check_snapshots(os_real(), d->data_dir, on_snapshot, &s);
    if (e != OK) {
        doctor_report(d, BAD, "snapshot", NULL, "%s/state cannot be read: %s", d->data_dir,
                      err_text(e));
    } else if (s.count > 0 && s.damaged == 0) {
        doctor_report(d, GOOD, "snapshot", NULL, "%llu files of jobs' state read, all intact",
                      (unsigned long long)s.count);
    }
}
