/*
 * connect/connect.h: what a connector tells the engine about itself: its name, its WITH
 * options, its metadata columns, and what it can be. Options are validated here, with
 * Flink's words. One folder per connector; connect knows no plan.
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

/* Bits of connector.roles. A table of */
enum connect_role {
    CONNECT_SOURCE_LOG = 1,    /* a source has its rows in a stream of this leat, */
    CONNECT_SOURCE_LANDED = 2, /* or outside; they are landed in a hidden stream. */
    CONNECT_SINK_LOG = 4,      /* A sink's rows become records in the step's own frame, */
    CONNECT_SINK_OUTSIDE = 8,  /* are delivered from the outbox, */
    CONNECT_SINK_NOWHERE = 16, /* or are counted and forgotten. */
};

enum connect_start { CONNECT_LATEST, CONNECT_TRIM_HORIZON, CONNECT_AT_TIMESTAMP };
enum connect_partitioner { CONNECT_PARTITION_RANDOM, CONNECT_PARTITION_FIXED };

/* The stream that a table in the log is. */
struct connect_stream {
    str name, region; /* region empty: the session's. */
    enum connect_start start;
    i64 start_ms; /* CONNECT_AT_TIMESTAMP */
    enum connect_partitioner partitioner;
    str delimiter; /* Between partition key fields. */
};

struct connect_sink_ops;   /* connect/sink.h */
struct connect_source_ops; /* connect/source.h */

struct connector {
    const char *name;
    u32 roles;                            /* enum connect_role */
    const struct connect_option *options; /* Ended by a NULL key. */
    bool has_format;                      /* It takes 'format' and the options of formats too. */
    /* Values of options, beyond their names. */
    MUST_USE err (*check)(const struct connect_table *table, struct diag *diag);
    /* Type of a metadata column; NULL when there is none of that key. */
    const struct type *(*metadata)(str key);
    /* CONNECT_SOURCE_LOG, CONNECT_SINK_LOG: reads options that connect_check has accepted. */
    void (*stream)(const struct connect_table *table, struct connect_stream *out);
    const struct connect_sink_ops *sink;     /* CONNECT_SINK_OUTSIDE */
    const struct connect_source_ops *source; /* CONNECT_SOURCE_LANDED */
    /* Which of its roles this table has, where its options decide; NULL: all. */
    u32 (*roles_of)(const struct connect_table *table);
};

/* By name; NULL. */
const struct connector *connect_find(str name);
/* Finds the table's connector and checks every option. */
MUST_USE err connect_check(const struct connect_table *table, const struct connector **out,
                           struct diag *diag);
/* Value of an option; `otherwise` when it is not given. */
str connect_get(const struct connect_table *table, const char *key, str otherwise);
bool connect_is_true(const struct connect_table *table, const char *key);
/* CON005 unless the option is absent or one of `values` (ended by NULL). */
MUST_USE err connect_one_of(const struct connect_table *table, const char *key,
                            const char *const *values, struct diag *diag);

#endif
