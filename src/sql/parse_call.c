/* sql/parse_call.c: function calls and the forms that have words between their arguments. */
#include "sql/sql_int.h"

/* --- units, intervals, CASE ------------------------------------------------------------------- */

bool sql__accept_unit(struct sql_parser *p, str *out)
{
    static const char *const units[] = {
        "YEAR",   "QUARTER",     "MONTH",       "WEEK",       "DAY",       "HOUR", "MINUTE",
        "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND", "EPOCH",     "DOW",  "DOY",
        "ISODOW", "ISOYEAR",     "CENTURY",     "DECADE",     "MILLENNIUM"};
    enum { PLURALS = 8 };
    const struct sql_token *token = sql__peek(p, 0);
    if (token->kind != TOKEN_WORD) {
        return false;
    }
    str text = sql__token_text(p, token);
    if (str_starts_nocase(text, STR("SQL_TSI_"))) {
        text = str_slice(text, (isize)strlen("SQL_TSI_"), text.len);
    }
    for (isize i = 0; i < COUNT_OF(units); i++) {
        str unit = str_of(units[i]);
        bool is_plural =
            i < PLURALS && text.len == unit.len + 1 && (text.data[unit.len] | 0x20) == 's';
        if (str_eq_nocase(is_plural ? str_slice(text, 0, unit.len) : text, unit)) {
            p->at++;
            *out = unit;
            return true;
        }
    }
    return false;
}

static err parse_unit(struct sql_parser *p, struct sql_expr **out)
{
    str unit;
    if (!sql__accept_unit(p, &unit)) {
        return sql__unexpected(p, "a time unit such as DAY or HOUR");
    }
    *out = sql__expr_symbol(p, unit);
    return OK;
}

/* "(3)" after a unit; it is checked by nobody, as in Flink. */
static err skip_precision(struct sql_parser *p)
{
    i64 ignored = 0;
    if (sql__accept_sign(p, '(')) {
        TRY(sql__parse_integer(p, "a number", &ignored));
        if (sql__accept_sign(p, ',')) {
            TRY(sql__parse_integer(p, "a number", &ignored));
        }
        TRY(sql__expect_sign(p, ')'));
    }
    return OK;
}

err sql__parse_interval(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at++;
    bool is_negative = sql__accept_sign(p, '-');
    if (!is_negative) {
        (void)sql__accept_sign(p, '+');
    }
    str text, unit, unit_to = STR_EMPTY;
    TRY(sql__parse_string(p, "a string: INTERVAL '5' SECOND", &text));
    if (!sql__accept_unit(p, &unit)) {
        return sql__unexpected(p, "a time unit such as DAY or HOUR");
    }
    TRY(skip_precision(p));
    if (sql__accept_keyword(p, KW_TO)) {
        if (!sql__accept_unit(p, &unit_to)) {
            return sql__unexpected(p, "a time unit such as DAY or HOUR");
        }
        TRY(skip_precision(p));
    }
    *out = sql__expr_new(p, AST_INTERVAL, first);
    (*out)->text = text;
    (*out)->unit = unit;
    (*out)->unit_to = unit_to;
    (*out)->is_not = is_negative;
    return OK;
}

err sql__parse_case(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at++;
    struct sql_expr *expr = sql__expr_new(p, AST_CASE, first), *part = NULL;
    if (!sql__at_keyword(p, KW_WHEN)) {
        expr->flag = true;
        TRY(sql__parse_expr(p, &part));
        TRY(sql__expr_add(p, expr, part));
    }
    do {
        TRY(sql__expect_keyword(p, KW_WHEN));
        TRY(sql__parse_expr(p, &part));
        TRY(sql__expr_add(p, expr, part));
        if (sql__at_sign(p, ',')) {
            return sql__unsupported(p, sql__token_span(sql__peek(p, 0)),
                                    "CASE with several values in one WHEN");
        }
        TRY(sql__expect_keyword(p, KW_THEN));
        TRY(sql__parse_expr(p, &part));
        TRY(sql__expr_add(p, expr, part));
    } while (sql__at_keyword(p, KW_WHEN));
    if (sql__accept_keyword(p, KW_ELSE)) {
        TRY(sql__parse_expr(p, &part));
        TRY(sql__expr_add(p, expr, part));
    }
    TRY(sql__expect_keyword(p, KW_END));
    expr->span = sql__span_since(p, first);
    *out = expr;
    return OK;
}

/* --- forms with words; the cursor is after "(" and each eats ")" -------------------------------
 */

static err finish(struct sql_parser *p, const char *name, isize first, struct sql_expr **args,
                  isize count, struct sql_expr **out)
{
    TRY(sql__expect_sign(p, ')'));
    return sql__expr_call(p, name, first, args, count, out);
}

static err parse_cast(struct sql_parser *p, bool is_try, isize first, struct sql_expr **out)
{
    struct sql_expr *value = NULL;
    const struct type *type = NULL;
    TRY(sql__parse_expr(p, &value));
    TRY(sql__expect_keyword(p, KW_AS));
    TRY(sql__parse_type(p, &type));
    TRY(sql__expect_sign(p, ')'));
    struct sql_expr *cast = sql__expr_new(p, AST_CAST, first);
    cast->type = type;
    cast->flag = is_try;
    TRY(sql__expr_add(p, cast, value));
    *out = cast;
    return OK;
}

static err parse_extract(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *args[2];
    TRY(parse_unit(p, &args[0]));
    TRY(sql__expect_keyword(p, KW_FROM));
    TRY(sql__parse_expr(p, &args[1]));
    return finish(p, "EXTRACT", first, args, 2, out);
}

/* SUBSTRING(a FROM b [FOR c]), SUBSTRING(a, b [, c]) */
static err parse_substring(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *args[3] = {NULL, NULL, NULL};
    TRY(sql__parse_expr(p, &args[0]));
    bool has_words = sql__accept_keyword(p, KW_FROM);
    if (!has_words) {
        TRY(sql__expect_sign(p, ','));
    }
    TRY(sql__parse_expr(p, &args[1]));
    if (has_words ? sql__accept_keyword(p, KW_FOR) : sql__accept_sign(p, ',')) {
        TRY(sql__parse_expr(p, &args[2]));
    }
    return finish(p, "SUBSTRING", first, args, 3, out);
}

/* TRIM(a), TRIM([BOTH|LEADING|TRAILING] [c] FROM a) */
static err parse_trim(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *args[3] = {NULL, NULL, NULL};
    bool has_side = sql__at_keyword(p, KW_BOTH) || sql__at_keyword(p, KW_LEADING) ||
                    sql__at_keyword(p, KW_TRAILING);
    const char *side = "BOTH";
    if (has_side) {
        side = sql__at_keyword(p, KW_LEADING)    ? "LEADING"
               : sql__at_keyword(p, KW_TRAILING) ? "TRAILING"
                                                 : "BOTH";
        p->at++;
    }
    args[0] = sql__expr_symbol(p, str_of(side));
    if (!has_side || !sql__at_keyword(p, KW_FROM)) {
        TRY(sql__parse_expr(p, &args[1]));
        if (!has_side && sql__at_sign(p, ')')) {
            return finish(p, "TRIM", first, &args[1], 1, out);
        }
    } else {
        args[1] = sql__expr_new(p, AST_STRING, first);
        args[1]->text = STR(" ");
    }
    TRY(sql__expect_keyword(p, KW_FROM));
    TRY(sql__parse_expr(p, &args[2]));
    return finish(p, "TRIM", first, args, 3, out);
}

/* POSITION(a IN b) */
static err parse_position(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *args[2];
    TRY(sql__parse_operand(p, &args[0]));
    if (!sql__accept_sign(p, ',')) {
        TRY(sql__expect_keyword(p, KW_IN));
    }
    TRY(sql__parse_operand(p, &args[1]));
    return finish(p, "POSITION", first, args, 2, out);
}

/* OVERLAY(a PLACING b FROM c [FOR d]) */
static err parse_overlay(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_expr *args[4] = {NULL, NULL, NULL, NULL};
    TRY(sql__parse_expr(p, &args[0]));
    bool has_words = sql__accept_keyword(p, KW_PLACING);
    if (!has_words) {
        TRY(sql__expect_sign(p, ','));
    }
    TRY(sql__parse_expr(p, &args[1]));
    TRY(has_words ? sql__expect_keyword(p, KW_FROM) : sql__expect_sign(p, ','));
    TRY(sql__parse_expr(p, &args[2]));
    if (has_words ? sql__accept_keyword(p, KW_FOR) : sql__accept_sign(p, ',')) {
        TRY(sql__parse_expr(p, &args[3]));
    }
    return finish(p, "OVERLAY", first, args, 4, out);
}

/* FLOOR(a), FLOOR(t TO unit); CEIL too. */
static err parse_floor(struct sql_parser *p, const char *name, isize first, struct sql_expr **out)
{
    struct sql_expr *args[2] = {NULL, NULL};
    TRY(sql__parse_expr(p, &args[0]));
    if (sql__accept_keyword(p, KW_TO)) {
        TRY(parse_unit(p, &args[1]));
    }
    return finish(p, name, first, args, 2, out);
}

static err parse_timestamp_call(struct sql_parser *p, const char *name, isize first,
                                struct sql_expr **out)
{
    struct sql_expr *args[3];
    TRY(parse_unit(p, &args[0]));
    TRY(sql__expect_sign(p, ','));
    TRY(sql__parse_expr(p, &args[1]));
    TRY(sql__expect_sign(p, ','));
    TRY(sql__parse_expr(p, &args[2]));
    return finish(p, name, first, args, 3, out);
}

static err parse_descriptor(struct sql_parser *p, isize first, struct sql_expr **out)
{
    struct sql_ast_part *names = NULL;
    isize count = 0;
    p->at--; /* The list has its own brackets. */
    TRY(sql__parse_names(p, "a column name", &names, &count));
    *out = sql__expr_new(p, AST_DESCRIPTOR, first);
    (*out)->parts = names;
    (*out)->part_count = count;
    return OK;
}

/* --- ordinary calls --------------------------------------------------------------------------- */

static err parse_table_argument(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at++;
    if (sql__at_sign(p, '(')) {
        return sql__unsupported(p, sql__token_span(sql__peek(p, 0)),
                                "a query as argument of a table function (use a view)");
    }
    struct sql_ident ident;
    TRY(sql__parse_ident(p, "a table name", &ident));
    *out = sql__expr_new(p, AST_TABLE, first);
    (*out)->parts = ARENA_ARRAY(p->arena, struct sql_ast_part, ident.count);
    memcpy((*out)->parts, ident.parts, (size_t)ident.count * sizeof ident.parts[0]);
    (*out)->part_count = ident.count;
    return OK;
}

static err parse_argument(struct sql_parser *p, struct sql_expr **out)
{
    const struct sql_token *next = sql__peek(p, 1);
    if (next->kind == TOKEN_SIGN && next->sign == SIGN_ARROW) {
        isize first = p->at;
        str name = sql__token_text(p, sql__peek(p, 0));
        if (sql__peek(p, 0)->kind == TOKEN_QUOTED) {
            name = str_slice(name, 1, name.len - 1);
        }
        struct sql_expr *value = NULL;
        TRY(sql__enter(p));
        p->at += 2;
        TRY(parse_argument(p, &value));
        p->depth--;
        *out = sql__expr_new(p, AST_NAMED, first);
        (*out)->text = name;
        return sql__expr_add(p, *out, value);
    }
    if (sql__at_keyword(p, KW_TABLE)) {
        return parse_table_argument(p, out);
    }
    return sql__parse_expr(p, out);
}

static err parse_arguments(struct sql_parser *p, struct sql_expr *call)
{
    call->is_distinct = sql__accept_keyword(p, KW_DISTINCT);
    if (!call->is_distinct) {
        (void)sql__accept_keyword(p, KW_ALL);
    }
    if (sql__accept_sign(p, '*')) {
        call->is_star = true;
        return sql__expect_sign(p, ')');
    }
    if (sql__accept_sign(p, ')')) {
        return OK;
    }
    do {
        struct sql_expr *arg = NULL;
        TRY(parse_argument(p, &arg));
        TRY(sql__expr_add(p, call, arg));
    } while (sql__accept_sign(p, ','));
    if (sql__at_keyword(p, KW_ORDER)) {
        return sql__unsupported(p, sql__token_span(sql__peek(p, 0)), "ORDER BY in a function");
    }
    return sql__expect_sign(p, ')');
}

/* FILTER (WHERE ..) and what is not supported after a call. */
static err parse_call_suffix(struct sql_parser *p, struct sql_expr *call)
{
    const struct sql_token *token = sql__peek(p, 0);
    if (token->keyword == KW_WITHIN) {
        return sql__unsupported(p, sql__token_span(token), "WITHIN GROUP");
    }
    if (token->keyword == KW_FILTER) {
        p->at++;
        TRY(sql__expect_sign(p, '('));
        TRY(sql__expect_keyword(p, KW_WHERE));
        TRY(sql__parse_expr(p, &call->filter));
        TRY(sql__expect_sign(p, ')'));
        call->depth = MAX(call->depth, call->filter->depth + 1);
        token = sql__peek(p, 0);
    }
    if (token->keyword == KW_OVER ||
        (token->keyword == KW_IGNORE && sql__peek(p, 1)->keyword == KW_NULLS)) {
        return sql__unsupported(p, sql__token_span(token), "OVER (a window of rows)");
    }
    return OK;
}

static err parse_plain_call(struct sql_parser *p, isize first, struct sql_expr **out)
{
    const struct sql_token *name = &p->tokens[first];
    struct sql_expr *call = sql__expr_new(p, AST_CALL, first);
    call->text = sql__token_text(p, name);
    if (name->kind == TOKEN_QUOTED) {
        call->text = str_slice(call->text, 1, call->text.len - 1);
    }
    TRY(parse_arguments(p, call));
    call->span = sql__span_since(p, first);
    TRY(parse_call_suffix(p, call));
    *out = call;
    return OK;
}

err sql__parse_call(struct sql_parser *p, struct sql_expr **out)
{
    isize first = p->at++;
    u32 keyword = p->tokens[first].keyword;
    TRY(sql__expect_sign(p, '('));
    switch ((int)keyword) {
    case KW_CAST:
    case KW_TRY_CAST:
        return parse_cast(p, keyword == KW_TRY_CAST, first, out);
    case KW_EXTRACT:
        return parse_extract(p, first, out);
    case KW_SUBSTRING:
        return parse_substring(p, first, out);
    case KW_TRIM:
        return parse_trim(p, first, out);
    case KW_POSITION:
        return parse_position(p, first, out);
    case KW_OVERLAY:
        return parse_overlay(p, first, out);
    case KW_FLOOR:
        return parse_floor(p, "FLOOR", first, out);
    case KW_CEIL:
    case KW_CEILING:
        return parse_floor(p, "CEIL", first, out);
    case KW_TIMESTAMPADD:
        return parse_timestamp_call(p, "TIMESTAMPADD", first, out);
    case KW_TIMESTAMPDIFF:
        return parse_timestamp_call(p, "TIMESTAMPDIFF", first, out);
    case KW_DESCRIPTOR:
        return parse_descriptor(p, first, out);
    case KW_JSON_VALUE:
    case KW_JSON_QUERY:
    case KW_JSON_EXISTS:
    case KW_JSON_OBJECT:
    case KW_JSON_ARRAY:
        return sql__parse_json(p, keyword, first, out);
    default:
        return parse_plain_call(p, first, out);
    }
}
