/*
 * sql/sql.h: text to statements to plans. Flink's dialect (docs/sql/README.md).
 * No global state; any thread. Errors carry code, span and did-you-mean.
 */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include "plan/plan.h"

enum { SQL_TEXT_BYTES_MAX = 1 << 20, SQL_DEPTH_MAX = 200 };

/* Splits a script at `;`. Comments, quotes and back-quotes are understood; a first line
 * "%flink.ssql..." is skipped. Each part is trimmed and knows where it began. Never fails: what
 * is wrong shows when the part is parsed. */
struct sql_part {
    str text;
    isize offset; /* Of text in the script. */
};
void sql_split(struct arena *arena, str script, struct sql_part **out, isize *count_out);

enum sql_kind {
    SQL_CREATE_TABLE,
    SQL_CREATE_VIEW,
    SQL_DROP_TABLE,
    SQL_DROP_VIEW,
    SQL_SHOW, /* tables, views, functions, jobs, columns, create table, create view, ... */
    SQL_DESCRIBE,
    SQL_EXPLAIN,
    SQL_SET,
    SQL_RESET,
    SQL_USE,
    SQL_INSERT,
    SQL_STATEMENT_SET, /* EXECUTE STATEMENT SET BEGIN ...; END */
    SQL_SELECT,
    SQL_STOP_JOB,
};

enum sql_show {
    SHOW_TABLES,
    SHOW_VIEWS,
    SHOW_FUNCTIONS,
    SHOW_JOBS,
    SHOW_COLUMNS,
    SHOW_CREATE_TABLE,
    SHOW_CREATE_VIEW,
    SHOW_CATALOGS,
    SHOW_DATABASES,
    SHOW_CURRENT_CATALOG,
    SHOW_CURRENT_DATABASE,
};

struct sql_name {
    str catalog, database, name; /* Empty parts were not written. */
    isize span_start, span_len;
};

struct sql_ast; /* Parsed, unbound query or statement; private to sql. */

struct sql_statement {
    enum sql_kind kind;
    str text;
    struct sql_name name; /* USE CATALOG: catalog; USE: database (and catalog). SHOW TABLES
                             FROM: database. */
    bool if_exists, if_not_exists, is_temporary;
    enum sql_show show;
    str like; /* SHOW ... LIKE 'pattern' */
    bool not_like;
    str key, value; /* SET 'key' = 'value'; empty key: list all. */
    isize key_span_start, key_span_len;
    str job; /* STOP JOB 'id' */
    bool with_savepoint, with_drain;
    str explain_details;         /* "CHANGELOG_MODE, JSON_EXECUTION_PLAN" as written */
    struct sql_statement *inner; /* EXPLAIN's statement; statement set: array of inner_count. */
    isize inner_count;
    const struct sql_ast *ast;
};

/* Parses exactly one statement. What Flink knows and leat does not is ERR_UNSUPPORTED and named. */
MUST_USE err sql_parse(struct arena *arena, str text, struct sql_statement *out, struct diag *diag);

/* CREATE TABLE / VIEW -> definition, checked (column types, watermark, computed columns, LIKE,
 * options by ops->check_table). */
MUST_USE err sql_bind_create(struct arena *arena, const struct sql_statement *statement,
                             const struct catalog_ops *ops, struct table_def *out,
                             struct diag *diag);
/* INSERT or SELECT -> plan: bound, types checked, filters and projections pushed down. The plan
 * keeps copies of the table definitions. */
MUST_USE err sql_plan(struct arena *arena, const struct sql_statement *statement,
                      const struct catalog_ops *ops, struct plan *out, struct diag *diag);

/* The statement that would make this table again, options of secrets masked. For SHOW CREATE. */
void sql_format_create(const struct table_def *table, struct buf *out);
/* The same with its secrets, for what a job keeps; never shown. */
void sql_format_create_whole(const struct table_def *table, struct buf *out);
/* Is this option's value a secret ("aws.credentials.basic.secretkey", "password")? */
bool sql_option_is_secret(str key);

/* Every error code of sql and func with its explanation, for `leat help SQL0142`. */
struct sql_error_info {
    str code, title, text;
};
isize sql_error_list(const struct sql_error_info **out);
const struct sql_error_info *sql_error_find(str code); /* NULL: there is none. */

/* Type text as in DDL, "ROW<a INT, b ARRAY<STRING>>" -> type. */
MUST_USE err sql_parse_type(struct arena *arena, str text, const struct type **out,
                            struct diag *diag);
/* The columns that such an expression names where nothing declares them, each once: DOUBLE when it
 * is compared or calculated with a number, else STRING. For conditions over the members of JSON. */
MUST_USE err sql_expr_columns(struct arena *arena, str text, struct type_field **out,
                              isize *count_out, struct diag *diag);
/* Binds one expression over given columns; for computed columns, tests, and `--where`. */
MUST_USE err sql_bind_expr(struct arena *arena, str text, const struct type_field *columns,
                           isize column_count, const struct catalog_ops *ops,
                           const struct expr **out, struct diag *diag);

#endif
