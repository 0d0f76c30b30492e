/*
 * plan/expr.h: bound expressions: typed, resolved, immutable, in the plan's arena.
 * Built by sql, run by exec.
 */
#ifndef PLAN_EXPR_H
#define PLAN_EXPR_H

#include "data/vec.h"
#include "func/func.h"

enum expr_kind {
    EXPR_COLUMN,  /* Column `column` of the input. */
    EXPR_LITERAL, /* `literal`. */
    EXPR_CALL,    /* `call` over args. Casts too. */
    EXPR_AND,     /* Three-valued, lazy, n args. */
    EXPR_OR,
    EXPR_NOT,
    EXPR_IS_NULL,
    EXPR_IS_NOT_NULL,
    EXPR_IS_TRUE,
    EXPR_IS_NOT_TRUE,
    EXPR_IS_FALSE,
    EXPR_IS_NOT_FALSE,
    EXPR_CASE,     /* args: when1, then1, when2, then2, ..., else. Searched form. IF too. */
    EXPR_COALESCE, /* IFNULL too. */
    EXPR_IN,       /* args[0] IN (args[1..]); NOT IN is EXPR_NOT over it. */
    EXPR_FIELD,    /* Field `column` of the ROW in args[0]. */
    EXPR_ROW,      /* Constructors. */
    EXPR_ARRAY,
    EXPR_MAP,  /* key, value alternating. */
    EXPR_ITEM, /* args[0][args[1]]: ARRAY (1-based) or MAP. */
};

struct expr {
    enum expr_kind kind;
    const struct type *type;
    isize column;
    const struct value *literal;
    const struct func_bound *call;
    const struct expr **args;
    isize arg_count;
    isize span_start, span_len; /* Into the statement's text. */
    isize weight; /* Nodes of the tree, shared ones counted each time; sql bounds it. */
};

/* Marks in `used[column]` every input column that the expression reads. */
void expr_mark_columns(const struct expr *expr, bool *used);
bool expr_is_deterministic(const struct expr *expr);
/* Flags (enum func_flags) of all calls inside, ored. */
u32 expr_flags(const struct expr *expr);
/* SQL-like text for EXPLAIN: "(`Severity` > 2)". `names` are the input columns' names. */
void expr_format(const struct expr *expr, const str *names, struct buf *out);
bool expr_eq(const struct expr *a, const struct expr *b);

#endif
