/* sql/create_int.h: a table definition while CREATE is bound. Module-private. */
#ifndef SQL_CREATE_INT_H
#define SQL_CREATE_INT_H

#include "sql/bind_int.h"

struct create_draft {
    struct table_column column;
    const struct sql_expr *expr; /* Computed and not from LIKE: errors point into it. */
    struct sql_span span, type_span;
    bool is_base;        /* From LIKE. */
    bool is_replaceable; /* OVERWRITING: a new column of the name takes its place. */
};

struct create {
    struct sql_binder *b;
    const struct sql_statement *statement;
    const struct sql_create *ast;
    const struct table_def *base; /* LIKE's table, or NULL. */
    enum like_mode modes[LIKE_FEATURE_COUNT];
    struct create_draft *drafts;
    isize count;
    struct sql_ast_part watermark_name;
    str watermark_text; /* Empty: none. */
    struct sql_ast_part *primary_key;
    isize primary_key_count;
    str primary_key_name;
    struct sql_ast_part *partition_keys;
    isize partition_key_count;
    struct plan_option *options;
    isize option_count;
};

/* Adds a column; names are unique. */
MUST_USE err sql__create_add(struct create *c, const struct create_draft *draft);
/* bind_like.c: finds LIKE's table and takes over what its options say. */
MUST_USE err sql__create_like(struct create *c);
/* Keys, watermark and options of the statement on top of LIKE's. */
MUST_USE err sql__create_merge(struct create *c);

#endif
