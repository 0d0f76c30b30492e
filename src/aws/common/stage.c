/* aws/common/stage.c: what the services with a database have in common when they are staged. */
#include "aws/common/stage.h"

#include <stdio.h>

bool aws_stage_is_needed(struct os *os, const char *service_dir)
{
    struct os_stat at;
    return os_stat_path(os, service_dir, &at) == OK;
}

struct linking {
    struct os *os;
    const char *from, *to;
    char database[64]; /* Its name, with which its journal's begins too. */
    err result;
};

static bool link_one(void *ctx, const char *name)
{
    struct linking *l = ctx;
    char from[AWS_STAGE_PATH_MAX];
    char to[AWS_STAGE_PATH_MAX];
    struct os_stat at;
    (void)snprintf(from, sizeof from, "%s/%s", l->from, name);
    (void)snprintf(to, sizeof to, "%s/%s", l->to, name);
    bool is_wanted = !str_starts(str_of(name), str_of(l->database)) &&
                     !str_ends(str_of(name), STR(".tmp")) && os_stat_path(l->os, from, &at) == OK &&
                     at.kind == OS_FILE;
    err e = is_wanted ? os_link_replaced(l->os, from, to) : OK;
    l->result = e == ERR_NOT_FOUND ? OK : e; /* Removed since it was listed. */
    return l->result == OK;
}

err aws_stage(struct os *os, const char *service_dir, const char *name, const char *dir,
              struct store *db, err (*then)(void *ctx), void *ctx)
{
    char folder[AWS_STAGE_PATH_MAX];
    char database[AWS_STAGE_PATH_MAX];
    struct linking linking = {.os = os, .from = service_dir, .to = folder};
    (void)snprintf(linking.database, sizeof linking.database, "%s.sqlite", name);
    int len = snprintf(folder, sizeof folder, "%s/%s", dir, name);
    (void)snprintf(database, sizeof database, "%s/%s.sqlite", folder, name);
    if (len + (int)sizeof linking.database >= AWS_STAGE_PATH_MAX) {
        return ERR_RANGE;
    }
    TRY(os_mkdir_all(os, folder));
    TRY(store_copy(db, database, then, ctx));
    TRY(os_list(os, service_dir, link_one, &linking));
    return linking.result;
}
