/*
 * cli/server_backup.h: POST /_leat/api/backup: everything that is durable, as of one moment, under
 * DATA/backup for as long as the client stays connected. leat backup copies it from there.
 *
 * No sink begins a delivery from before the log is taken until the databases are: of what sinks
 * deliver to this server, they are ahead of the log by what was under way, as after a crash.
 * Order: what may name records of the log (DynamoDB's leases) before the log, what the log says is
 * written (objects of S3, mails, metrics) after it, and snapshots of jobs before and after, so that
 * the one which the journal names is among them. docs/backup.md.
 */
#ifndef CLI_SERVER_BACKUP_H
#define CLI_SERVER_BACKUP_H

#include "aws/common/dispatch.h"
#include "engine/engine.h"
#include "log/log.h"

struct server_backup;
struct server_backup_env {
    struct os *os;
    struct log *log;
    struct engine *engine;
    struct aws_dispatch *dispatch;
    const char *data_dir;
};
/* Removes what a crash has left, and adds the route. The environment is copied. */
struct server_backup *server_backup_new(const struct server_backup_env *env);
/* Ends a backup under way, before the server stops. NULL is allowed here and below. */
void server_backup_stop(struct server_backup *backup);
void server_backup_free(struct server_backup *backup);

#endif
