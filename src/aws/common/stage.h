/*
 * aws/common/stage.h: a service's files for a backup (struct aws_service, `stage`): the database is
 * copied while it is in use, other files get a second name.
 */
#ifndef AWS_COMMON_STAGE_H
#define AWS_COMMON_STAGE_H

#include "aws/common/store.h"

enum { AWS_STAGE_PATH_MAX = 1200 };

/* False: the service has never been used, there is nothing to stage. */
bool aws_stage_is_needed(struct os *os, const char *service_dir);
/* Stages SERVICE_DIR/NAME.sqlite, whose store is `db`, and the plain files beside it into
 * `dir`/NAME. `then` as in store_copy; folders are not entered. */
MUST_USE err aws_stage(struct os *os, const char *service_dir, const char *name, const char *dir,
                       struct store *db, err (*then)(void *ctx), void *ctx);

#endif
