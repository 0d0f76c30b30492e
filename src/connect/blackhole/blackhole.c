/* connect/blackhole/blackhole.c: rows are counted by the job and go nowhere, not even to the
 * outbox. */
#include "connect/blackhole/blackhole.h"

static const struct connect_option options[] = {{NULL, false, NULL}};

static err check(const struct connect_table *table, struct diag *diag)
{
    (void)table;
    (void)diag;
    return OK;
}

static const struct type *metadata(str key)
{
    (void)key;
    return NULL;
}

const struct connector connect_blackhole = {
    .name = "blackhole",
    .roles = CONNECT_SINK_NOWHERE,
    .options = options,
    .check = check,
    .metadata = metadata,
};
