/*
 * connect/connect.h: what a connector tells the engine about itself: its name, its
 * WITH options, and which metadata columns it has. Options are validated here, with
 * Flink's words. One folder per connector.
 */
#ifndef CONNECT_CONNECT_H
#define CONNECT_CONNECT_H

#include "base/arena.h"
#include "base/diag.h"
#include "data/type.h"

struct connect_pair {
    str key, value;
};

/* A table's options as the connector sees them. */
struct connect_table {
    str name; /* For messages: `catalog`.`database`.`name`. */
    const struct connect_pair *options;
    isize option_count;
};

struct connect_option {
    const char *key;
    bool is_required;
    const char *doc; /* One line; "leat:" first when Flink has no such option. */
};

struct connector {
    const char *name;
    const struct connect_option *options; /* Ended by a NULL key. */
    /* Values of options, beyond their names. */
    MUST_USE err (*check)(const struct connect_table *table, struct diag *diag);
    /* Type of a metadata column; NULL when there is none of that key. */
    const struct type *(*metadata)(str key);
};

/* By name; NULL. */
const struct connector *connect_find(str name);
/* Finds the table's connector and checks every option. */
MUST_USE err connect_check(const struct connect_table *table, const struct connector **out,
                           struct diag *diag);
/* Value of an option; `otherwise` when it is not given. */
str connect_get(const struct connect_table *table, const char *key, str otherwise);

#endif
