/*
 * aws/dynamodb/ddb_expr.h: conditions, updates and projections. The expressions of
 * today's API and the parameters of the first one (Expected, AttributeUpdates,
 * KeyConditions, ...) become the same trees. Trees live in the work's arena and
 * borrow from the request.
 */
#ifndef AWS_DYNAMODB_DDB_EXPR_H
#define AWS_DYNAMODB_DDB_EXPR_H

#include "aws/dynamodb/ddb_value.h"

enum {
    DDB_EXPR_BYTES_MAX = 4096,
    DDB_EXPR_DEPTH_MAX = 64,      /* Of parentheses, NOTs and functions. */
    DDB_EXPR_OPERATORS_MAX = 300, /* Operators, functions and paths of one expression. */
    DDB_IN_OPERANDS_MAX = 100,
};

struct ddb_step {
    str name; /* No data: an index. */
    i64 index;
};
struct ddb_path {
    struct ddb_step *steps;
    isize count;
};

enum ddb_operand_kind {
    DDB_OPERAND_PATH,
    DDB_OPERAND_VALUE,
    DDB_OPERAND_SIZE, /* size(path) */
    /* In SET only: */
    DDB_OPERAND_IF_NOT_EXISTS, /* path, right */
    DDB_OPERAND_LIST_APPEND,   /* left, right */
    DDB_OPERAND_PLUS,
    DDB_OPERAND_MINUS,
};
struct ddb_operand {
    enum ddb_operand_kind kind;
    struct ddb_path path;
    struct ddb_value value;
    struct ddb_operand *left, *right;
};

enum ddb_op {
    DDB_AND, /* Of its children. */
    DDB_OR,
    DDB_NOT,
    DDB_EQ, /* Of operands. */
    DDB_NE,
    DDB_LT,
    DDB_LE,
    DDB_GT,
    DDB_GE,
    DDB_BETWEEN,
    DDB_IN,
    DDB_EXISTS,
    DDB_NOT_EXISTS,
    DDB_IS_TYPE,
    DDB_BEGINS,
    DDB_CONTAINS,
    DDB_NOT_CONTAINS, /* Of the first API: false when the attribute is absent. */
};
struct ddb_condition {
    enum ddb_op op;
    struct ddb_condition *first, *last, *next; /* Children, and the next of the parent's. */
    struct ddb_operand *operands;
    isize count;
};

enum ddb_action_kind { DDB_SET, DDB_ADD, DDB_DELETE, DDB_REMOVE };
struct ddb_action {
    enum ddb_action_kind kind;
    struct ddb_path path;
    struct ddb_operand operand; /* Not of REMOVE. */
};
struct ddb_update {
    struct ddb_action *actions;
    isize count;
    bool is_legacy; /* ADD may append to lists. */
};

struct ddb_projection {
    struct ddb_path *paths;
    isize count; /* 0: everything. */
};

/* --- ExpressionAttributeNames and ExpressionAttributeValues ---------------------------------- */

struct ddb_substitute {
    str key;                /* "#n", ":v" */
    str name;               /* Of "#n". */
    struct ddb_value value; /* Of ":v". */
    bool is_used;
};
struct ddb_substitutes {
    struct ddb_substitute *names, *values;
    isize name_count, value_count;
};
bool ddb_substitutes_parse(struct ddb_work *work, const struct json_value *names,
                           const struct json_value *values, struct ddb_substitutes *out);
/* Refuses when one was given and not used. */
bool ddb_substitutes_check(struct ddb_work *work, const struct ddb_substitutes *substitutes);

/* --- parsing; `what` is the parameter's name, for messages ----------------------------------- */

bool ddb_condition_parse(struct ddb_work *work, const char *what, str text,
                         struct ddb_substitutes *substitutes, struct ddb_condition **out);
bool ddb_update_parse(struct ddb_work *work, str text, struct ddb_substitutes *substitutes,
                      struct ddb_update *out);
bool ddb_projection_parse(struct ddb_work *work, str text, struct ddb_substitutes *substitutes,
                          struct ddb_projection *out);

/* Do two of the paths overlap, or conflict? Refuses with their names. */
bool ddb_paths_check(struct ddb_work *work, const char *what, struct ddb_path *const *paths,
                     isize count);

/* --- the first API --------------------------------------------------------------------------- */

/* Expected of writes. *out NULL when `expected` is absent. */
bool ddb_expected_parse(struct ddb_work *work, const struct json_value *expected,
                        const struct json_value *conditional_operator, struct ddb_condition **out);
/* KeyConditions, QueryFilter, ScanFilter: attribute to ComparisonOperator and AttributeValueList.
 */
bool ddb_filter_parse(struct ddb_work *work, const struct json_value *filter,
                      const struct json_value *conditional_operator, struct ddb_condition **out);
bool ddb_attribute_updates_parse(struct ddb_work *work, const struct json_value *updates,
                                 struct ddb_update *out);
bool ddb_attributes_to_get_parse(struct ddb_work *work, const struct json_value *names,
                                 struct ddb_projection *out);

/* --- running --------------------------------------------------------------------------------- */

/* NULL when the item has nothing there. */
struct ddb_value *ddb_path_find(const struct ddb_path *path, const struct ddb_value *item);
/* A condition that is NULL holds. */
bool ddb_condition_holds(const struct ddb_condition *condition, const struct ddb_value *item);
/* `item` was made by ddb_copy; all values are computed from it as it was. */
bool ddb_update_apply(struct ddb_work *work, const struct ddb_update *update,
                      struct ddb_value *item);
/* The parts of `item` that the projection names, as an item in the arena. */
struct ddb_value ddb_project(struct arena *arena, const struct ddb_projection *projection,
                             const struct ddb_value *item);
/* Does it name this top-level attribute in a path? */
bool ddb_condition_names(const struct ddb_condition *condition, str name);

#endif
