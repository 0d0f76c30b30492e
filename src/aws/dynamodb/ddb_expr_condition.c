/*
 * aws/dynamodb/ddb_expr_condition.c: conditions, as DynamoDB's grammar has them:
 *
 *   or         = and { OR and }
 *   and        = not { AND not }
 *   not        = NOT not | "(" or ")" | function | operand comparison
 *   comparison = ("=" | "<>" | "<" | "<=" | ">" | ">=") operand
 *              | BETWEEN operand AND operand | IN "(" operand { "," operand } ")"
 */
#include "aws/dynamodb/ddb_expr_int.h"

static bool or_parse(struct ddb_parser *p, struct ddb_condition **out);

static struct ddb_condition *condition_new(struct ddb_parser *p, enum ddb_op op)
{
    struct ddb_condition *condition = ARENA_NEW(p->work->arena, struct ddb_condition);
    condition->op = op;
    return condition;
}

static struct ddb_operand *operand_add(struct ddb_parser *p, struct ddb_condition *condition)
{
    condition->operands = arena_grow(p->work->arena, condition->operands, condition->count,
                                     (isize)sizeof *condition->operands);
    struct ddb_operand *operand = &condition->operands[condition->count++];
    *operand = (struct ddb_operand){0};
    return operand;
}

/* --- functions ----------------------------------------------------------------------------- */

static const struct function {
    const char *name;
    enum ddb_op op;
    int operands;
} functions[] = {
    {"attribute_exists", DDB_EXISTS, 1}, {"attribute_not_exists", DDB_NOT_EXISTS, 1},
    {"attribute_type", DDB_IS_TYPE, 2},  {"begins_with", DDB_BEGINS, 2},
    {"contains", DDB_CONTAINS, 2},
};

static const struct function *function_find(str name)
{
    for (isize i = 0; i < COUNT_OF(functions); i++) {
        if (str_eq(name, str_of(functions[i].name))) {
            return &functions[i];
        }
    }
    return NULL;
}

static bool operand_parse(struct ddb_parser *p, struct ddb_operand *out);

/* size(path); the name was taken, the token is "(". */
static bool size_parse(struct ddb_parser *p, struct ddb_operand *out)
{
    out->kind = DDB_OPERAND_SIZE;
    if (!ddb__count(p) || !ddb__next(p)) {
        return false;
    }
    if (p->token == TOKEN_VALUE) {
        struct ddb_operand *inner = ARENA_NEW(p->work->arena, struct ddb_operand);
        inner->kind = DDB_OPERAND_VALUE;
        out->left = inner;
        if (!ddb__value_take(p, &inner->value)) {
            return false;
        }
        enum ddb_type type = inner->value.type;
        if (type == DDB_N || type == DDB_BOOL || type == DDB_NULL) {
            return ddb__expr_error(p,
                                   "Incorrect operand type for operator or function; operator or "
                                   "function: size, operand type: %s",
                                   ddb_type_name(type));
        }
    } else if (!ddb__path_parse(p, &out->path)) {
        return false;
    }
    return ddb__take(p, ')');
}

static bool operand_parse(struct ddb_parser *p, struct ddb_operand *out)
{
    if (p->token == TOKEN_VALUE) {
        out->kind = DDB_OPERAND_VALUE;
        return ddb__value_take(p, &out->value);
    }
    if (p->token == '(') {
        bool is_good = ddb__enter(p) && ddb__next(p) && operand_parse(p, out) && ddb__take(p, ')');
        ddb__leave(p);
        return is_good;
    }
    str word = ddb__token(p);
    if (p->token != TOKEN_WORD) {
        return ddb__path_parse(p, &out->path);
    }
    if (!ddb__next(p)) {
        return false;
    }
    if (p->token == '(') {
        if (str_eq(word, STR("size"))) {
            return size_parse(p, out);
        }
        const char *problem = function_find(word) != NULL
                                  ? "The function is not allowed to be used this way in an "
                                    "expression; function: "
                                  : "Invalid function name; function: ";
        return ddb__expr_error(p, "%s" STR_FMT, problem, STR_ARG(str_slice(word, 0, 255)));
    }
    return ddb__check_reserved(p, word) && ddb__path_rest(p, word, &out->path);
}

static bool type_error(struct ddb_parser *p, const char *function, enum ddb_type type)
{
    return ddb__expr_error(p,
                           "Incorrect operand type for operator or function; operator or "
                           "function: %s, operand type: %s",
                           function, ddb_type_name(type));
}

static bool function_check(struct ddb_parser *p, const struct function *function,
                           const struct ddb_condition *c)
{
    if (c->count != function->operands) {
        return ddb__expr_error(p,
                               "Incorrect number of operands for operator or function; operator "
                               "or function: %s, number of operands: %td",
                               function->name, c->count);
    }
    bool is_existence = c->op == DDB_EXISTS || c->op == DDB_NOT_EXISTS;
    if (is_existence && c->operands[0].kind != DDB_OPERAND_PATH) {
        return ddb__expr_error(p,
                               "Operator or function requires a document path; operator or "
                               "function: %s",
                               function->name);
    }
    if (is_existence || c->operands[1].kind != DDB_OPERAND_VALUE) {
        bool is_type = c->op == DDB_IS_TYPE;
        return !is_type || ddb__expr_error(p, "Operator or function requires a value; operator or "
                                              "function: attribute_type");
    }
    const struct ddb_value *value = &c->operands[1].value;
    enum ddb_type type;
    if (c->op == DDB_BEGINS && value->type != DDB_S && value->type != DDB_B) {
        return type_error(p, function->name, value->type);
    }
    if (c->op == DDB_IS_TYPE && value->type != DDB_S) {
        return type_error(p, function->name, value->type);
    }
    if (c->op == DDB_IS_TYPE && !ddb_type_find(value->text, &type)) {
        return ddb__expr_error(p,
                               "Invalid attribute type name found; type: " STR_FMT
                               ", valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
                               STR_ARG(str_slice(value->text, 0, 255)));
    }
    return true;
}

/* The name was taken, the token is "(". */
static bool function_parse(struct ddb_parser *p, const struct function *function,
                           struct ddb_condition **out)
{
    struct ddb_condition *c = condition_new(p, function->op);
    if (!ddb__count(p)) {
        return false;
    }
    do {
        if (!ddb__next(p) || !operand_parse(p, operand_add(p, c))) {
            return false;
        }
    } while (p->token == ',' && c->count < DDB_IN_OPERANDS_MAX);
    *out = c;
    return ddb__take(p, ')') && function_check(p, function, c);
}

/* --- comparisons --------------------------------------------------------------------------- */

static bool comparison_find(int token, enum ddb_op *op_out, const char **name_out)
{
    static const struct {
        int token;
        enum ddb_op op;
        const char *name;
    } comparisons[] = {{'=', DDB_EQ, "="}, {TOKEN_NE, DDB_NE, "<>"},
                       {'<', DDB_LT, "<"}, {TOKEN_LE, DDB_LE, "<="},
                       {'>', DDB_GT, ">"}, {TOKEN_GE, DDB_GE, ">="}};
    for (isize i = 0; i < COUNT_OF(comparisons); i++) {
        if (comparisons[i].token == token) {
            *op_out = comparisons[i].op;
            *name_out = comparisons[i].name;
            return true;
        }
    }
    return false;
}

/* Values that are compared by order have one. */
static bool order_check(struct ddb_parser *p, const struct ddb_condition *c, const char *name)
{
    bool is_ordered = c->op != DDB_EQ && c->op != DDB_NE && c->op != DDB_IN;
    for (isize i = 0; is_ordered && i < c->count; i++) {
        const struct ddb_operand *operand = &c->operands[i];
        if (operand->kind == DDB_OPERAND_VALUE && !ddb_is_ordered(operand->value.type)) {
            return type_error(p, name, operand->value.type);
        }
    }
    if (c->op != DDB_BETWEEN || c->operands[1].kind != DDB_OPERAND_VALUE ||
        c->operands[2].kind != DDB_OPERAND_VALUE) {
        return true;
    }
    const struct ddb_value *low = &c->operands[1].value, *high = &c->operands[2].value;
    const char *problem = "requires same data type for lower and upper bounds";
    if (low->type == high->type) {
        problem = "requires upper bound to be greater than or equal to lower bound";
        if (ddb_value_cmp(low, high) <= 0) {
            return true;
        }
    }
    struct buf shown[2] = {{0}, {0}};
    ddb_value_show(&shown[0], low);
    ddb_value_show(&shown[1], high);
    bool result =
        ddb__expr_error(p,
                        "The BETWEEN operator %s; lower bound operand: AttributeValue: " STR_FMT
                        ", upper bound operand: AttributeValue: " STR_FMT,
                        problem, STR_ARG(str_slice(buf_str(&shown[0]), 0, 256)),
                        STR_ARG(str_slice(buf_str(&shown[1]), 0, 256)));
    buf_deinit(&shown[0]);
    buf_deinit(&shown[1]);
    return result;
}

static bool in_parse(struct ddb_parser *p, struct ddb_condition *c)
{
    c->op = DDB_IN;
    if (!ddb__next(p) || p->token != '(') {
        return ddb__syntax_error(p);
    }
    do {
        if (c->count > DDB_IN_OPERANDS_MAX) {
            return ddb__expr_error(p,
                                   "Incorrect number of operands for operator or function; "
                                   "operator or function: IN, number of operands: %td",
                                   c->count);
        }
        if (!ddb__next(p) || !operand_parse(p, operand_add(p, c))) {
            return false;
        }
    } while (p->token == ',');
    return ddb__take(p, ')');
}

static bool comparison_parse(struct ddb_parser *p, struct ddb_condition *c)
{
    const char *name = "BETWEEN";
    if (!ddb__count(p)) {
        return false;
    }
    if (ddb__is_word(p, "IN")) {
        return in_parse(p, c);
    }
    if (ddb__is_word(p, "BETWEEN")) {
        c->op = DDB_BETWEEN;
        if (!ddb__next(p) || !operand_parse(p, operand_add(p, c))) {
            return false;
        }
        if (!ddb__is_word(p, "AND")) {
            return ddb__syntax_error(p);
        }
    } else if (!comparison_find(p->token, &c->op, &name)) {
        return ddb__syntax_error(p);
    }
    return ddb__next(p) && operand_parse(p, operand_add(p, c)) && order_check(p, c, name);
}

/* A function of its own, or an operand and what it is compared with. */
static bool simple_parse(struct ddb_parser *p, struct ddb_condition **out)
{
    struct ddb_parser before = *p;
    const struct function *function = p->token == TOKEN_WORD ? function_find(ddb__token(p)) : NULL;
    if (function != NULL) {
        if (!ddb__next(p)) {
            return false;
        }
        if (p->token == '(') {
            return function_parse(p, function, out);
        }
        *p = before; /* An attribute of that name. */
    }
    *out = condition_new(p, DDB_EQ);
    return operand_parse(p, operand_add(p, *out)) && comparison_parse(p, *out);
}

/* "(" begins a condition or an operand: the token behind its end tells. */
static bool is_operand_in_parentheses(const struct ddb_parser *p)
{
    struct ddb_work work = {.arena = p->work->arena};
    struct ddb_substitutes none = {0};
    struct ddb_parser ahead = *p;
    ahead.work = &work;
    ahead.substitutes = &none;
    int depth = 0;
    isize words = 0;
    do {
        depth += ahead.token == '(' ? 1 : (ahead.token == ')' ? -1 : 0);
        words +=
            ahead.token == TOKEN_WORD || ahead.token == TOKEN_NAME || ahead.token == TOKEN_VALUE;
        bool is_path = ahead.token == '.' || ahead.token == '[' || ahead.token == ']' ||
                       ahead.token == TOKEN_NUMBER || ahead.token == TOKEN_WORD ||
                       ahead.token == TOKEN_NAME || ahead.token == TOKEN_VALUE ||
                       ahead.token == '(' || ahead.token == ')';
        if (!is_path || !ddb__next(&ahead)) {
            return false;
        }
    } while (depth > 0);
    enum ddb_op op;
    const char *name;
    return words > 0 && (comparison_find(ahead.token, &op, &name) || ddb__is_word(&ahead, "IN") ||
                         ddb__is_word(&ahead, "BETWEEN"));
}

static bool parentheses_parse(struct ddb_parser *p, struct ddb_condition **out)
{
    if (!ddb__next(p) || !or_parse(p, out)) {
        return false;
    }
    if (*out == p->group) {
        return ddb__expr_error(p, "The expression has redundant parentheses;");
    }
    p->group = *out;
    return ddb__take(p, ')');
}

static bool not_parse(struct ddb_parser *p, struct ddb_condition **out)
{
    bool is_good;
    if (!ddb__enter(p)) {
        return false;
    }
    if (ddb__is_word(p, "NOT")) {
        struct ddb_condition *inner = NULL;
        *out = condition_new(p, DDB_NOT);
        is_good = ddb__count(p) && ddb__next(p) && not_parse(p, &inner);
        ddb__child_add(*out, inner);
    } else if (p->token == '(' && !is_operand_in_parentheses(p)) {
        is_good = parentheses_parse(p, out);
    } else {
        is_good = simple_parse(p, out);
    }
    ddb__leave(p);
    return is_good;
}

/* Parts of the same kind become children of one node. */
static bool list_parse(struct ddb_parser *p, const char *word, enum ddb_op op,
                       bool (*part)(struct ddb_parser *p, struct ddb_condition **out),
                       struct ddb_condition **out)
{
    if (!part(p, out)) {
        return false;
    }
    if (!ddb__is_word(p, word)) {
        return true;
    }
    struct ddb_condition *list = condition_new(p, op);
    ddb__child_add(list, *out);
    while (ddb__is_word(p, word)) {
        struct ddb_condition *next = NULL;
        if (!ddb__count(p) || !ddb__next(p) || !part(p, &next)) {
            return false;
        }
        ddb__child_add(list, next);
    }
    *out = list;
    return true;
}

static bool and_parse(struct ddb_parser *p, struct ddb_condition **out)
{
    return list_parse(p, "AND", DDB_AND, not_parse, out);
}

static bool or_parse(struct ddb_parser *p, struct ddb_condition **out)
{
    return list_parse(p, "OR", DDB_OR, and_parse, out);
}

bool ddb_condition_parse(struct ddb_work *work, const char *what, str text,
                         struct ddb_substitutes *substitutes, struct ddb_condition **out)
{
    struct ddb_parser parser;
    return ddb__parser_start(&parser, work, what, text, substitutes) && or_parse(&parser, out) &&
           (parser.token == TOKEN_END || ddb__syntax_error(&parser));
}
