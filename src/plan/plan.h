/*
 * plan/plan.h: what a query is once it is bound: tables as sql and engine both
 * know them, and relational nodes. Immutable once built; lives in one arena.
 * sql builds, engine keeps and hands to exec.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "plan/expr.h"

/* --- tables ------------------------------------------------------------------------------------
 */

struct plan_option {
    str key, value;
    isize span_start, span_len; /* Of the value, in the CREATE statement. */
    isize key_start, key_len;   /* Of the key; 0 and 0 when it is not written there. */
};

enum column_kind { COLUMN_PHYSICAL, COLUMN_COMPUTED, COLUMN_METADATA };

struct table_column {
    str name;
    const struct type *type;
    enum column_kind kind;
    str expr_text;    /* COMPUTED: the expression as written. */
    str metadata_key; /* METADATA: FROM 'key', or the column's own name. */
    bool is_virtual;  /* METADATA ... VIRTUAL: not written by sinks. */
    str comment;
};

/* A table or view as the catalog keeps it. Strings are owned by the arena it was made in. */
struct table_def {
    str catalog, database, name;
    bool is_view, is_temporary;
    struct table_column *columns;
    isize column_count;
    isize watermark_column; /* -1 = none. */
    str watermark_text;     /* The expression as written. */
    isize *primary_key;     /* Column positions; NOT ENFORCED. */
    isize primary_key_count;
    str primary_key_name;
    isize *partition_keys;
    isize partition_key_count;
    struct plan_option *options;
    isize option_count;
    str comment;
    str view_text;   /* View: its query, expanded. */
    str create_text; /* The whole statement as written. */
};

/* What the binder asks of the engine's catalog. Names are resolved case-sensitively. */
struct catalog_ops {
    /* ERR_NOT_FOUND: diag is set with did-you-mean by the binder, which uses `names`. */
    err (*find_table)(void *ctx, str catalog, str database, str name, const struct table_def **out);
    /* All table and view names of a database, for did-you-mean and SHOW. */
    isize (*names)(void *ctx, str catalog, str database, const str **out);
    /* Validates WITH options when a table is created or used as source or sink: connector known,
     * option names, required ones, types; fills what the planner must know. */
    err (*check_table)(void *ctx, const struct table_def *table, struct diag *diag);
    /* Metadata columns that the table's connector offers: type of `key`, NULL when unknown. */
    const struct type *(*metadata_type)(void *ctx, const struct table_def *table, str key);
    /* Value of a SET option of the session; STR_EMPTY when unset. */
    str (*setting)(void *ctx, str key);
    str current_catalog, current_database;
    void *ctx;
};

/* --- relational nodes --------------------------------------------------------------------------
 */

enum changelog_mode { CHANGELOG_APPEND, CHANGELOG_UPSERT, CHANGELOG_RETRACT };

enum rel_kind {
    REL_SCAN,       /* A table's rows: physical and metadata columns, then nothing else. */
    REL_PROJECT,    /* exprs */
    REL_FILTER,     /* condition */
    REL_WATERMARK,  /* Assigns the watermark: exprs[0] over the input; column `rowtime`. */
    REL_UNION_ALL,  /* n inputs, same types. */
    REL_WINDOW_TVF, /* TUMBLE: appends window_start, window_end, window_time. */
    REL_WINDOW_AGG, /* Group by keys + window of the REL_WINDOW_TVF below; aggregates. */
    REL_VALUES,     /* Literal rows: row_exprs. */
    REL_LIMIT,      /* Interactive SELECT ... LIMIT n. */
    REL_SINK,       /* INSERT INTO table: fields are its writable columns, the input has as many;
                       strings and bytes keep the query's length, other types are equal. */
    REL_COLLECT,    /* Interactive SELECT: rows go to the client. */
};

struct rel_window {
    i64 size_ms, offset_ms;
    isize time_column; /* Of the input. WINDOW_AGG: window_start (local time), which as any
                          time of the window tells by floor division which window it is. */
    bool is_proctime;
};

struct rel {
    enum rel_kind kind;
    const struct rel **inputs;
    isize input_count;
    struct type_field *fields; /* Output columns: name and type. */
    isize field_count;
    isize rowtime_column; /* Output column that carries the watermark's time; -1 = none. */
    enum changelog_mode mode;
    isize *upsert_key; /* Output columns; NULL = none. */
    isize upsert_key_count;
    u64 id; /* Stable operator id: hash of the path in the plan. */

    const struct table_def *table; /* SCAN, SINK. */
    isize *scan_columns;       /* SCAN, SINK: position in table->columns of each output column. */
    const struct expr **exprs; /* PROJECT; WATERMARK (1); VALUES (rows * field_count). */
    isize expr_count;
    const struct expr *condition; /* FILTER */
    struct rel_window window;     /* WINDOW_TVF, WINDOW_AGG. */
    isize *group_keys;            /* WINDOW_AGG: input columns. Output: keys, aggregates, then the
                                     window columns named in window_outputs. */
    isize group_key_count;
    struct agg_bound *aggregates;
    const struct expr ***aggregate_args;   /* Per aggregate its arguments, over the input. */
    const struct expr **aggregate_filters; /* FILTER (WHERE ...), NULL entries = none. */
    isize aggregate_count;
    u8 *window_outputs; /* Each 0 = window_start, 1 = window_end, 2 = window_time. */
    isize window_output_count;
    i64 limit; /* LIMIT */
};

/* What INSERT INTO or SELECT became: one tree; several that share a job are a statement set. */
struct plan {
    const struct rel *root;
    str text;            /* The statement. */
    struct arena *arena; /* Owns all of it. */
};

/* EXPLAIN's tree, one node a line, indented. */
void plan_format(const struct rel *root, struct buf *out);
/* 64-bit fingerprint of structure and types: equal plans restore each other's state. */
u64 plan_fingerprint(const struct rel *root);

#endif
