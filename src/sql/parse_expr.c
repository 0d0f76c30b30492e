/*
 * sql/parse_expr.c: expressions by recursive descent, loosest binding first:
 * OR, AND, NOT, IS, comparison, BETWEEN IN LIKE, + -, * / % ||, sign, a[i] r.f.
 * Recursion is bounded by sql__enter, the height of trees by sql__expr_add.
 */
#include "sql/sql_int.h"

struct sql_expr *sql__expr_new(struct sql_parser *p, enum ast_kind kind, isize first)
{
    struct sql_expr *expr = ARENA_NEW(p->arena, struct sql_expr);
    expr->kind = kind;
    expr->span = sql__span_since(p, first);
    return expr;
}

err sql__expr_add(struct sql_parser *p, struct sql_expr *expr, struct sql_expr *arg)
{
    expr->depth = MAX(expr->depth, arg->depth + 1);
    if (expr->depth > SQL_DEPTH_MAX) {
        return sql__fail(p->diag, SQLE_TOO_DEEP, sql__token_span(sql__peek(p, 0)),
                         "the expression is more than %d levels deep", SQL_DEPTH_MAX);
    }
    expr->args =
        arena_grow(p->arena, expr->args, expr->arg_count, (isize)sizeof(struct sql_expr *));
    expr->args[expr->arg_count++] = arg;
    return OK;
}

struct sql_expr *sql__expr_symbol(struct sql_parser *p, str text)
{
    struct sql_expr *expr = sql__expr_new(p, AST_SYMBOL, MAX(p->at - 1, 0));
    expr->text = text;
    return expr;
}

err sql__expr_call(struct sql_parser *p, const char *name, isize first,
                   struct sql_expr *const *args, isize count, struct sql_expr **out)
{
    struct sql_expr *call = sql__expr_new(p, AST_CALL, first);
    call->text = str_of(name);
    for (isize i = 0; i < count; i++) {
        if (args[i] != NULL) {
            TRY(sql__expr_add(p, call, args[i]));
        }
    }
    *out = call;
    return OK;
}

/* node(expr), in place of expr. */
static err wrap(struct sql_parser *p, enum ast_kind kind, isize first, struct sql_expr **expr)
{
    struct sql_expr *outer = sql__expr_new(p, kind, first);
    TRY(sql__expr_add(p, outer, *expr));
    *expr = outer;
    return OK;
}

/* --- names, literals, brackets ---------------------------------------------------------------- */

static err no_subquery(struct sql_parser *p)
{
    return sql__unsupported(p, sql__token_span(sql__peek(p, 0)), "a subquery in an expression");
}

static err parse_number(struct sql_parser *p, enum ast_kind kind, struct sql_expr **out)
{
    str text = sql__token_text(p, sql__peek(p, 0));
    p->at++;
    *out = sql__expr_new(p, kind, p->at - 1);
    (*out)->text = text;
    return OK;
}

static err parse_text(struct sql_parser *p, enum ast_kind kind, struct sql_expr **out)
{
    isize first = p->at;
    if (kind != AST_STRING) {
        p->at++; /* DATE, TIME, TIMESTAMP. */
    }
    str text;
    TRY(sql__parse_string(p, "a string", &text));
    *out = sql__expr_new(p, kind, first);
    (*out)->text = text;
    return OK;
}

static int nibble(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static err parse_binary(struct sql_parser *p, struct sql_expr **out)
{
    const struct sql_token *token = sql__peek(p, 0);
    str hex = sql__token_text(p, token);
    hex = str_slice(hex, 2, hex.len - 1);
    u8 *bytes = arena_alloc(p->arena, hex.len / 2 + 1);
    bool is_fine = hex.len % 2 == 0;
    for (isize i = 0; is_fine && i < hex.len; i += 2) {
        int high = nibble(hex.data[i]), low = nibble(hex.data[i + 1]);
        is_fine = high >= 0 && low >= 0;
        bytes[i / 2] = (u8)(is_fine ? high * 16 + low : 0);
    }
    if (!is_fine) {
        return sql__fail(p->diag, SQLE_LITERAL, sql__token_span(token),
                         "a binary string is pairs of hexadecimal digits");
    }
    p->at++;
    *out = sql__expr_new(p, AST_BINARY, p->at - 1);
    (*out)->text = str_from(bytes, hex.len / 2);
    return OK;
}

/* a, a.b, a.b.*; "a.f(" is a function in a catalog. */
static err parse_path(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    struct sql_ast_part *parts = NULL;
    isize count = 0;
    enum ast_kind kind = AST_NAME;
    do {
        if (count > 0 && sql__accept_sign(p, '*')) {
            kind = AST_STAR;
            break;
        }
        parts = arena_grow(p->arena, parts, count, (isize)sizeof *parts);
        TRY(sql__parse_name(p, "an expression", &parts[count]));
        count++;
    } while (sql__accept_sign(p, '.'));
    if (kind == AST_NAME && sql__at_sign(p, '(')) {
        return sql__unsupported(p, sql__span_since(p, first), "a function of a catalog");
    }
    *out = sql__expr_new(p, kind, first);
    (*out)->parts = parts;
    (*out)->part_count = count;
    return OK;
}

static err parse_list(struct sql_parser *p, struct sql_expr *into, u8 close)
{
    do {
        struct sql_expr *item = NULL;
        TRY(sql__parse_expr(p, &item));
        TRY(sql__expr_add(p, into, item));
    } while (sql__accept_sign(p, ','));
    TRY(sql__expect_sign(p, close));
    return OK;
}

/* ARRAY[..], MAP[..], ROW(..) */
static err parse_constructor(struct sql_parser *p, enum ast_kind kind, struct sql_expr **out)
{
    isize first = p->at++;
    u8 open = kind == AST_ROW ? '(' : '[', close = kind == AST_ROW ? ')' : ']';
    if (kind != AST_ROW && sql__at_sign(p, '(')) {
        return no_subquery(p);
    }
    TRY(sql__expect_sign(p, open));
    struct sql_expr *expr = sql__expr_new(p, kind, first);
    if (!sql__accept_sign(p, close)) {
        TRY(parse_list(p, expr, close));
    }
    expr->span = sql__span_since(p, first);
    if (kind == AST_MAP && expr->arg_count % 2 != 0) {
        return sql__fail(p->diag, SQLE_SYNTAX, expr->span, "MAP needs a value for each key");
    }
    *out = expr;
    return OK;
}

/* (a), (a, b): a row, or one side of OVERLAPS. */
static err parse_brackets(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at++;
    if (sql__at_query(p)) {
        return no_subquery(p);
    }
    struct sql_expr *row = sql__expr_new(p, AST_PAIR, first);
    TRY(parse_list(p, row, ')'));
    row->span = sql__span_since(p, first);
    *out = row->arg_count == 1 ? row->args[0] : row;
    return OK;
}

static bool starts_call(const struct sql_parser *p)
{
    const struct sql_token *token = sql__peek(p, 0), *next = sql__peek(p, 1);
    if (next->kind != TOKEN_SIGN || next->sign != '(') {
        return false;
    }
    u32 flags = token->kind == TOKEN_WORD ? sql__keyword_flags(token->keyword) : 0;
    bool is_plain = token->kind == TOKEN_QUOTED || (flags & KEYWORD_RESERVED) == 0;
    bool is_unit = token->keyword == KW_YEAR || token->keyword == KW_MONTH ||
                   token->keyword == KW_DAY || token->keyword == KW_HOUR ||
                   token->keyword == KW_MINUTE || token->keyword == KW_SECOND;
    return (token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED) &&
           (is_plain || is_unit || (flags & (KEYWORD_FUNCTION | KEYWORD_NILADIC)) != 0);
}

static err parse_word(struct sql_parser *p, struct sql_expr **out)
{
    u32 keyword = sql__peek(p, 0)->keyword;
    bool is_niladic = (sql__keyword_flags(keyword) & KEYWORD_NILADIC) != 0;
    if (starts_call(p)) {
        return sql__parse_call(p, out);
    }
    if (is_niladic) {
        isize first = p->at++;
        str name = sql__token_text(p, &p->tokens[first]);
        *out = sql__expr_new(p, AST_CALL, first);
        (*out)->text = name;
        return OK;
    }
    return sql__at_name(p) ? parse_path(p, out) : sql__unexpected(p, "an expression");
}

static err parse_constant(struct sql_parser *p, enum ast_kind kind, bool flag,
                          struct sql_expr **out)
{
    p->at++;
    *out = sql__expr_new(p, kind, p->at - 1);
    (*out)->flag = flag;
    return OK;
}

static err parse_keyword(struct sql_parser *p, struct sql_expr **out)
{
    bool is_text = sql__peek(p, 1)->kind == TOKEN_STRING || sql__peek(p, 1)->kind == TOKEN_UNICODE;
    switch ((int)sql__peek(p, 0)->keyword) {
    case KW_NULL:
        return parse_constant(p, AST_NULL, false, out);
    case KW_TRUE:
        return parse_constant(p, AST_BOOLEAN, true, out);
    case KW_FALSE:
        return parse_constant(p, AST_BOOLEAN, false, out);
    case KW_UNKNOWN:
        return parse_constant(p, AST_UNKNOWN, false, out);
    case KW_DATE:
        return is_text ? parse_text(p, AST_DATE, out) : parse_word(p, out);
    case KW_TIME:
        return is_text ? parse_text(p, AST_TIME, out) : parse_word(p, out);
    case KW_TIMESTAMP:
        return is_text ? parse_text(p, AST_TIMESTAMP, out) : parse_word(p, out);
    case KW_INTERVAL:
        return sql__parse_interval(p, out);
    case KW_CASE:
        return sql__parse_case(p, out);
    case KW_CAST:
        return sql__parse_call(p, out);
    case KW_ARRAY:
        return parse_constructor(p, AST_ARRAY, out);
    case KW_ROW:
        return parse_constructor(p, AST_ROW, out);
    case KW_MAP: {
        const struct sql_token *next = sql__peek(p, 1);
        bool is_map = next->kind == TOKEN_SIGN && next->sign == '[';
        return is_map ? parse_constructor(p, AST_MAP, out) : parse_word(p, out);
    }
    case KW_EXISTS:
    case KW_UNNEST:
        return no_subquery(p);
    default:
        return parse_word(p, out);
    }
}

static err parse_primary(struct sql_parser *p, struct sql_expr **out)
{
    switch (sql__peek(p, 0)->kind) {
    case TOKEN_INTEGER:
        return parse_number(p, AST_INTEGER, out);
    case TOKEN_DECIMAL:
        return parse_number(p, AST_DECIMAL, out);
    case TOKEN_DOUBLE:
        return parse_number(p, AST_DOUBLE, out);
    case TOKEN_STRING:
    case TOKEN_UNICODE:
    case TOKEN_ESCAPED:
        return parse_text(p, AST_STRING, out);
    case TOKEN_BINARY:
        return parse_binary(p, out);
    case TOKEN_SIGN:
        return sql__at_sign(p, '(') ? parse_brackets(p, out) : sql__unexpected(p, "an expression");
    case TOKEN_WORD:
        return parse_keyword(p, out);
    case TOKEN_QUOTED:
        return parse_word(p, out);
    default:
        return sql__unexpected(p, "an expression");
    }
}

/* value[i], value.field */
static err parse_postfix(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(parse_primary(p, out));
    for (;;) {
        struct sql_expr *outer = NULL;
        if (sql__accept_sign(p, '[')) {
            struct sql_expr *index = NULL;
            TRY(sql__parse_expr(p, &index));
            TRY(sql__expect_sign(p, ']'));
            outer = sql__expr_new(p, AST_ITEM, first);
            TRY(sql__expr_add(p, outer, *out));
            TRY(sql__expr_add(p, outer, index));
        } else if ((*out)->kind != AST_STAR && sql__accept_sign(p, '.')) {
            struct sql_ast_part name;
            TRY(sql__parse_name(p, "a field name", &name));
            outer = sql__expr_new(p, AST_FIELD, first);
            outer->text = name.name;
            TRY(sql__expr_add(p, outer, *out));
        } else {
            return OK;
        }
        *out = outer;
    }
}

static bool is_number(const struct sql_expr *expr)
{
    return expr->kind == AST_INTEGER || expr->kind == AST_DECIMAL || expr->kind == AST_DOUBLE;
}

/* A sign before a number literal belongs to it: -9223372036854775808 is a BIGINT. */
static void negate_literal(struct sql_parser *p, struct sql_expr *expr, isize first)
{
    bool is_negative = expr->text.len > 0 && expr->text.data[0] == '-';
    expr->text = is_negative ? str_slice(expr->text, 1, expr->text.len)
                             : arena_printf(p->arena, "-" STR_FMT, STR_ARG(expr->text));
    expr->span = sql__span_since(p, first);
}

static err parse_signed(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    while (sql__at_sign(p, '-') || sql__at_sign(p, '+')) {
        p->at++;
    }
    isize end = p->at;
    TRY(parse_postfix(p, out));
    for (isize i = end - 1; i >= first; i--) {
        if (p->tokens[i].sign == '+') {
            continue;
        }
        if (is_number(*out)) {
            negate_literal(p, *out, i);
            continue;
        }
        TRY(sql__expr_call(p, "-", i, out, 1, out));
    }
    return OK;
}

/* --- operators -------------------------------------------------------------------------------- */

static const char *factor_sign(const struct sql_parser *p)
{
    const struct sql_token *token = sql__peek(p, 0);
    if (token->kind != TOKEN_SIGN) {
        return NULL;
    }
    switch (token->sign) {
    case '*':
        return "*";
    case '/':
        return "/";
    case '%':
        return "%";
    case SIGN_CONCAT:
        return "||";
    default:
        return NULL;
    }
}

static err parse_factors(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(parse_signed(p, out));
    for (const char *sign = factor_sign(p); sign != NULL; sign = factor_sign(p)) {
        struct sql_expr *args[2] = {*out, NULL};
        p->at++;
        TRY(parse_signed(p, &args[1]));
        TRY(sql__expr_call(p, sign, first, args, 2, out));
    }
    return OK;
}

err sql__parse_operand(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(parse_factors(p, out));
    while (sql__at_sign(p, '+') || sql__at_sign(p, '-')) {
        const char *sign = sql__at_sign(p, '+') ? "+" : "-";
        struct sql_expr *args[2] = {*out, NULL};
        p->at++;
        TRY(parse_factors(p, &args[1]));
        TRY(sql__expr_call(p, sign, first, args, 2, out));
    }
    return OK;
}

static err parse_between(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *between = sql__expr_new(p, AST_BETWEEN, first), *low = NULL, *high = NULL;
    between->flag = sql__accept_keyword(p, KW_SYMMETRIC);
    if (!between->flag) {
        (void)sql__accept_keyword(p, KW_ASYMMETRIC);
    }
    TRY(sql__parse_operand(p, &low));
    TRY(sql__expect_keyword(p, KW_AND));
    TRY(sql__parse_operand(p, &high));
    TRY(sql__expr_add(p, between, *out));
    TRY(sql__expr_add(p, between, low));
    TRY(sql__expr_add(p, between, high));
    between->span = sql__span_since(p, first);
    *out = between;
    return OK;
}

static err parse_in(struct sql_parser *p, isize first, struct sql_expr **out)
{
    TRY(sql__expect_sign(p, '('));
    if (sql__at_query(p)) {
        return no_subquery(p);
    }
    struct sql_expr *in = sql__expr_new(p, AST_IN, first);
    TRY(sql__expr_add(p, in, *out));
    TRY(parse_list(p, in, ')'));
    in->span = sql__span_since(p, first);
    *out = in;
    return OK;
}

static err parse_like(struct sql_parser *p, const char *name, isize first, struct sql_expr **out)
{
    struct sql_expr *args[3] = {*out, NULL, NULL};
    TRY(sql__parse_operand(p, &args[1]));
    if (sql__accept_keyword(p, KW_ESCAPE)) {
        TRY(sql__parse_operand(p, &args[2]));
    }
    return sql__expr_call(p, name, first, args, 3, out);
}

/* [NOT] BETWEEN, IN, LIKE, SIMILAR TO. */
static err parse_predicates(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(sql__parse_operand(p, out));
    for (;;) {
        isize start = p->at;
        bool is_not = sql__accept_keyword(p, KW_NOT);
        if (sql__accept_keyword(p, KW_BETWEEN)) {
            TRY(parse_between(p, first, out));
        } else if (sql__accept_keyword(p, KW_IN)) {
            TRY(parse_in(p, first, out));
        } else if (sql__accept_keyword(p, KW_LIKE)) {
            TRY(parse_like(p, "LIKE", first, out));
        } else if (sql__at_keywords(p, KW_SIMILAR, KW_TO)) {
            p->at += 2;
            TRY(parse_like(p, "SIMILAR TO", first, out));
        } else {
            p->at = start;
            return OK;
        }
        if (is_not) {
            TRY(wrap(p, AST_NOT, first, out));
        }
    }
}

static const char *comparison_sign(const struct sql_parser *p)
{
    const struct sql_token *token = sql__peek(p, 0);
    if (token->keyword == KW_OVERLAPS) {
        return "OVERLAPS";
    }
    if (token->kind != TOKEN_SIGN) {
        return NULL;
    }
    switch (token->sign) {
    case '=':
        return "=";
    case '<':
        return "<";
    case '>':
        return ">";
    case SIGN_NE:
        return "<>";
    case SIGN_LE:
        return "<=";
    case SIGN_GE:
        return ">=";
    default:
        return NULL;
    }
}

static err parse_comparison(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(parse_predicates(p, out));
    for (const char *sign = comparison_sign(p); sign != NULL; sign = comparison_sign(p)) {
        struct sql_expr *args[2] = {*out, NULL};
        p->at++;
        if (sql__at_keyword(p, KW_ALL) || sql__at_keyword(p, KW_ANY) ||
            sql__at_keyword(p, KW_SOME)) {
            return no_subquery(p);
        }
        TRY(parse_predicates(p, &args[1]));
        bool is_overlaps = strcmp(sign, "OVERLAPS") == 0;
        bool is_pairs = args[0]->kind == AST_PAIR && args[0]->arg_count == 2 &&
                        args[1]->kind == AST_PAIR && args[1]->arg_count == 2;
        if (is_overlaps && !is_pairs) {
            return sql__fail(p->diag, SQLE_SYNTAX, sql__span_since(p, first),
                             "OVERLAPS stands between (start, end) and (start, end)");
        }
        if (is_overlaps) {
            struct sql_expr *four[4] = {args[0]->args[0], args[0]->args[1], args[1]->args[0],
                                        args[1]->args[1]};
            TRY(sql__expr_call(p, sign, first, four, 4, out));
        } else {
            TRY(sql__expr_call(p, sign, first, args, 2, out));
        }
    }
    return OK;
}

static err parse_is_json(struct sql_parser *p, isize first, struct sql_expr **out)
{
    static const struct {
        enum sql_keyword keyword;
        const char *text;
    } kinds[] = {
        {KW_VALUE, "VALUE"}, {KW_OBJECT, "OBJECT"}, {KW_ARRAY, "ARRAY"}, {KW_SCALAR, "SCALAR"}};
    const char *kind = "VALUE";
    for (isize i = 0; i < COUNT_OF(kinds); i++) {
        if (sql__accept_keyword(p, kinds[i].keyword)) {
            kind = kinds[i].text;
            break;
        }
    }
    struct sql_expr *args[2] = {*out, sql__expr_symbol(p, str_of(kind))};
    return sql__expr_call(p, "IS JSON", first, args, 2, out);
}

static err parse_is_distinct(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *args[2] = {*out, NULL};
    TRY(sql__expect_keyword(p, KW_FROM));
    TRY(parse_comparison(p, &args[1]));
    return sql__expr_call(p, "IS DISTINCT FROM", first, args, 2, out);
}

/* x IS [NOT] NULL, TRUE, FALSE, UNKNOWN, JSON, DISTINCT FROM y */
static err parse_is(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(parse_comparison(p, out));
    while (sql__accept_keyword(p, KW_IS)) {
        bool is_not = sql__accept_keyword(p, KW_NOT);
        enum ast_kind kind = AST_NAME;
        if (sql__accept_keyword(p, KW_NULL)) {
            kind = AST_IS_NULL;
        } else if (sql__accept_keyword(p, KW_TRUE)) {
            kind = AST_IS_TRUE;
        } else if (sql__accept_keyword(p, KW_FALSE)) {
            kind = AST_IS_FALSE;
        } else if (sql__accept_keyword(p, KW_UNKNOWN)) {
            kind = AST_IS_UNKNOWN;
        } else if (sql__accept_keyword(p, KW_JSON)) {
            TRY(parse_is_json(p, first, out));
        } else if (sql__accept_keyword(p, KW_DISTINCT)) {
            TRY(parse_is_distinct(p, first, out));
        } else {
            return sql__unexpected(p, "NULL, TRUE, FALSE, UNKNOWN, JSON or DISTINCT FROM");
        }
        if (kind != AST_NAME) {
            TRY(wrap(p, kind, first, out));
            (*out)->is_not = is_not;
        } else if (is_not) {
            TRY(wrap(p, AST_NOT, first, out));
        }
    }
    return OK;
}

static err parse_not(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    while (sql__accept_keyword(p, KW_NOT)) {
    }
    isize count = p->at - first;
    TRY(parse_is(p, out));
    for (isize i = count - 1; i >= 0; i--) {
        TRY(wrap(p, AST_NOT, first + i, out));
    }
    return OK;
}

static err parse_and(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at;
    TRY(parse_not(p, out));
    if (!sql__at_keyword(p, KW_AND)) {
        return OK;
    }
    TRY(wrap(p, AST_AND, first, out));
    while (sql__accept_keyword(p, KW_AND)) {
        struct sql_expr *arg = NULL;
        TRY(parse_not(p, &arg));
        TRY(sql__expr_add(p, *out, arg));
    }
    (*out)->span = sql__span_since(p, first);
    return OK;
}

err sql__parse_expr(struct sql_parser *p, struct sql_expr **out)
{
    TRY(sql__enter(p));
    isize first = p->at;
    struct sql_expr *expr = NULL;
    TRY(parse_and(p, &expr));
    if (sql__at_keyword(p, KW_OR)) {
        TRY(wrap(p, AST_OR, first, &expr));
        while (sql__accept_keyword(p, KW_OR)) {
            struct sql_expr *arg = NULL;
            TRY(parse_and(p, &arg));
            TRY(sql__expr_add(p, expr, arg));
        }
        expr->span = sql__span_since(p, first);
    }
    p->depth--;
    *out = expr;
    return OK;
}
