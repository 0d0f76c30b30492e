/* sql/bind_int.h: from syntax trees to bound expressions and relational nodes. Module-private. */
#ifndef SQL_BIND_INT_H
#define SQL_BIND_INT_H

#include "sql/sql_int.h"

enum {
    BIND_WEIGHT_MAX = 1 << 20,     /* Nodes of one expression, shared ones counted each time. */
    BIND_RELS_MAX = 10000,         /* Nodes of one plan, with views and WITH queries expanded. */
    BIND_FOLD_BYTES_MAX = 1 << 16, /* Longest string that a folded constant may be. */
    BIND_FOLD_WORK_MAX = 64 << 20  /* Bytes that folding may touch; then constants stay calls. */
};

/* What FROM gives: a node, its names, and which columns are a window's. */
struct sql_relation {
    const struct rel *rel;
    str catalog, database, name; /* How columns may be qualified; an alias sets only `name`. */
    isize window[3];             /* Columns window_start, window_end, window_time; -1 = none. */
    struct rel_window shape;
};

struct sql_aggregate {
    struct agg_bound bound;
    const struct expr **args;
    const struct expr *filter;
};

/* GROUP BY while SELECT and HAVING are bound. Output columns get these numbers until all aggregates
 * are known: key k is k, aggregate a is AGGREGATE_BASE + a, window column w is WINDOW_BASE + w. */
enum { AGGREGATE_BASE = 1 << 20, WINDOW_BASE = 2 << 20 };

struct sql_grouping {
    const struct sql_expr *const *key_asts;
    const struct expr **keys; /* Over the input. */
    isize *key_outputs;       /* Numbers as above. */
    isize key_count;
    struct sql_aggregate *aggregates;
    isize aggregate_count;
};

struct sql_scope {
    const struct sql_relation *from; /* NULL: no columns can be seen. */
    struct sql_grouping *grouping;   /* NULL: no aggregates here. */
    const char *place;               /* "WHERE", for errors. */
};

struct sql_binder {
    struct arena *arena;
    struct diag *diag;
    const struct catalog_ops *ops;
    str catalog, database;       /* Current ones; a view's own inside a view. */
    str zone;                    /* table.local-time-zone */
    const struct sql_cte *ctes;  /* Innermost first. */
    const struct sql_query *top; /* The one query that may have LIMIT. */
    int depth;
    isize rel_count;
    isize fold_bytes;    /* Spent on folding. */
    bool has_fixed_span; /* Inside views and computed columns all points at the reference. */
    struct sql_span fixed_span;
};

void sql__binder_init(struct sql_binder *b, struct arena *arena, const struct catalog_ops *ops,
                      struct diag *diag);
struct sql_span sql__bind_span(const struct sql_binder *b, struct sql_span span);
/* Adds the span to a diag that func has set. */
err sql__located(struct sql_binder *b, err e, struct sql_span span);

/* bind_expr.c */
MUST_USE err sql__bind_expr(struct sql_binder *b, const struct sql_scope *scope,
                            const struct sql_expr *ast, const struct expr **out);
/* With a check that it is BOOLEAN (an untyped NULL becomes one). */
MUST_USE err sql__bind_condition(struct sql_binder *b, const struct sql_scope *scope,
                                 const struct sql_expr *ast, const struct expr **out);
MUST_USE err sql__bind_list(struct sql_binder *b, const struct sql_scope *scope,
                            struct sql_expr *const *asts, isize count, const struct expr ***out);

/* bind_name.c */
MUST_USE err sql__bind_name(struct sql_binder *b, const struct sql_scope *scope,
                            const struct sql_expr *ast, const struct expr **out);
MUST_USE err sql__bind_field(struct sql_binder *b, const struct expr *row, str name,
                             struct sql_span span, const struct expr **out);
/* Column of the relation as an expression, as a group key when grouping. */
MUST_USE err sql__bind_column(struct sql_binder *b, const struct sql_scope *scope, isize column,
                              struct sql_span span, const struct expr **out);
/* Sets *matches when `parts` name the relation (t, db.t, cat.db.t). */
bool sql__names_relation(const struct sql_relation *relation, const struct sql_ast_part *parts,
                         isize count);

/* bind_call.c */
MUST_USE err sql__bind_call(struct sql_binder *b, const struct sql_scope *scope,
                            const struct sql_expr *ast, const struct expr **out);
/* Resolves `name` over bound arguments, casts them, folds. */
MUST_USE err sql__make_call(struct sql_binder *b, str name, const struct expr *const *args,
                            isize count, struct sql_span span, const struct expr **out);
/* A group key that `ast` stands for, or OK with *out NULL. */
MUST_USE err sql__match_key(struct sql_binder *b, const struct sql_scope *scope,
                            const struct sql_expr *ast, const struct expr **out);

/* bind_literal.c */
MUST_USE err sql__bind_literal(struct sql_binder *b, const struct sql_expr *ast,
                               const struct expr **out);

/* build.c: nodes. */
MUST_USE err sql__new_expr(struct sql_binder *b, struct expr node, struct sql_span span,
                           const struct expr **out);
struct sql_span sql__expr_span(const struct expr *expr);
const struct type *sql__plain(struct sql_binder *b,
                              const struct type *type); /* No time attribute. */
const struct type *sql__boolean(struct sql_binder *b, bool is_nullable);
const struct expr *sql__new_column(struct sql_binder *b, const struct type *type, isize column,
                                   struct sql_span span);
const struct expr *sql__new_literal(struct sql_binder *b, const struct value *value,
                                    struct sql_span span);
const struct expr *sql__new_null(struct sql_binder *b, const struct type *type,
                                 struct sql_span span);
const struct expr *sql__new_text(struct sql_binder *b, str text, struct sql_span span);
bool sql__is_null(const struct expr *expr);
/* expr as `type` (kind and parameters), casting when it differs; the result has no time attribute.
 */
MUST_USE err sql__cast(struct sql_binder *b, const struct expr *expr, const struct type *type,
                       bool is_try, const struct expr **out);
/* Brings all to their common type; NULL type when there is none. */
MUST_USE err sql__unify(struct sql_binder *b, const struct expr **exprs, isize count, isize step,
                        const struct type **out);
/* Value of the expression when it is constant and cannot fail, else expr itself. */
const struct expr *sql__fold(struct sql_binder *b, const struct expr *expr);
/* A copy with column c replaced by map[c]; map entries are never NULL where used. */
MUST_USE err sql__replace_columns(struct sql_binder *b, const struct expr *expr,
                                  const struct expr *const *map, const struct expr **out);
MUST_USE err sql__new_rel(struct sql_binder *b, enum rel_kind kind, struct rel **out);
void sql__add_input(struct sql_binder *b, struct rel *rel, const struct rel *input);
/* Output columns, rowtime and mode of the input. */
void sql__copy_shape(struct rel *rel, const struct rel *input);
MUST_USE err sql__new_filter(struct sql_binder *b, const struct rel *input,
                             const struct expr *condition, const struct rel **out);
MUST_USE err sql__new_project(struct sql_binder *b, const struct rel *input,
                              const struct expr **exprs, const str *names, isize count,
                              const struct rel **out);

/* bind_from.c */
MUST_USE err sql__bind_from(struct sql_binder *b, const struct sql_from *from,
                            struct sql_relation *out);
/* What failed inside a view or a table's own expressions, told at the reference. */
err sql__inner_error(struct sql_binder *b, err e, const struct diag *detail, const char *kind,
                     str name, struct sql_span span);
/* Finds a table or view; did-you-mean when there is none. */
MUST_USE err sql__find_table(struct sql_binder *b, const struct sql_ident *ident,
                             const struct table_def **out);
/* The three parts of the name, with what is current for the missing. */
void sql__qualify(const struct sql_binder *b, const struct sql_ident *ident, str parts[3]);
MUST_USE err sql__apply_hints(struct sql_binder *b, const struct table_def *table,
                              const struct plan_option *hints, isize count,
                              const struct table_def **out);
/* table.c: deep copies, so that plans and catalogs stand on their own. */
struct table_def *sql__copy_table(struct arena *arena, const struct table_def *table);
/* bind_scan.c: a table's rows with computed columns and watermark. */
MUST_USE err sql__bind_scan(struct sql_binder *b, const struct table_def *table,
                            struct sql_span span, struct sql_relation *out);
/* Binds expression text of a catalog table over `from`; `ast_out` may be NULL. */
MUST_USE err sql__bind_text(struct sql_binder *b, str text, const struct sql_relation *from,
                            const struct expr **out);
/* bind_window.c */
MUST_USE err sql__bind_window(struct sql_binder *b, const struct sql_from *from,
                              struct sql_relation *out);
/* bind_query.c */
MUST_USE err sql__bind_query(struct sql_binder *b, const struct sql_query *query,
                             struct sql_relation *out);
/* bind_group.c */
bool sql__has_aggregate(const struct sql_expr *ast);
MUST_USE err sql__bind_aggregate(struct sql_binder *b, const struct sql_scope *scope,
                                 const struct sql_expr *ast, const struct expr **out);
MUST_USE err sql__begin_grouping(struct sql_binder *b, const struct sql_select *select,
                                 const struct sql_relation *from, struct sql_grouping *out);
MUST_USE err sql__end_grouping(struct sql_binder *b, const struct sql_relation *from,
                               struct sql_grouping *grouping, struct sql_relation *out);
/* Final output column of a number as in sql_grouping. */
isize sql__grouping_column(const struct sql_grouping *grouping, isize number);
isize sql__plain_key_count(const struct sql_grouping *grouping);
/* bind_insert.c */
MUST_USE err sql__bind_insert(struct sql_binder *b, const struct sql_insert *insert,
                              const struct rel **out);
/* optimize.c */
MUST_USE err sql__optimize(struct sql_binder *b, const struct rel *root, const struct rel **out);

#endif
