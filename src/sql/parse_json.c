/* sql/parse_json.c: the JSON functions with their clauses, as the arguments that func takes. */
#include "sql/sql_int.h"

struct json_behaviour {
    const char *word;       /* "NULL", "ERROR", "DEFAULT", "EMPTY ARRAY", ... */
    struct sql_expr *value; /* Of DEFAULT. */
};

static err parse_behaviour(struct sql_parser *p, struct json_behaviour *out)
{
    static const struct {
        enum sql_keyword keyword;
        const char *word;
    } words[] = {{KW_NULL, "NULL"},
                 {KW_ERROR, "ERROR"},
                 {KW_TRUE, "TRUE"},
                 {KW_FALSE, "FALSE"},
                 {KW_UNKNOWN, "UNKNOWN"}};
    *out = (struct json_behaviour){NULL, NULL};
    for (isize i = 0; i < COUNT_OF(words); i++) {
        if (sql__at_keywords(p, words[i].keyword, KW_ON)) {
            p->at++;
            out->word = words[i].word;
            return OK;
        }
    }
    if (sql__at_keyword(p, KW_EMPTY)) {
        p->at++;
        bool is_object = sql__accept_keyword(p, KW_OBJECT);
        if (!is_object) {
            TRY(sql__expect_keyword(p, KW_ARRAY));
        }
        out->word = is_object ? "EMPTY OBJECT" : "EMPTY ARRAY";
        return OK;
    }
    if (sql__accept_keyword(p, KW_DEFAULT)) {
        out->word = "DEFAULT";
        return sql__parse_expr(p, &out->value);
    }
    return OK;
}

/* [.. ON EMPTY] [.. ON ERROR] */
static err parse_behaviours(struct sql_parser *p, struct json_behaviour *empty,
                            struct json_behaviour *error)
{
    *empty = *error = (struct json_behaviour){"NULL", NULL};
    for (;;) {
        struct json_behaviour one;
        TRY(parse_behaviour(p, &one));
        if (one.word == NULL) {
            return OK;
        }
        TRY(sql__expect_keyword(p, KW_ON));
        bool is_empty = sql__accept_keyword(p, KW_EMPTY);
        if (!is_empty) {
            TRY(sql__expect_keyword(p, KW_ERROR));
        }
        *(is_empty ? empty : error) = one;
    }
}

static struct sql_expr *null_or(struct sql_parser *p, struct sql_expr *value)
{
    return value != NULL ? value : sql__expr_new(p, AST_NULL, p->at - 1);
}

static err parse_returning(struct sql_parser *p, const struct type **out)
{
    *out = NULL;
    return sql__accept_keyword(p, KW_RETURNING) ? sql__parse_type(p, out) : OK;
}

static err cast_to(struct sql_parser *p, const struct type *type, isize first,
                   struct sql_expr **expr)
{
    if (type == NULL) {
        return OK;
    }
    struct sql_expr *cast = sql__expr_new(p, AST_CAST, first);
    cast->type = type;
    TRY(sql__expr_add(p, cast, *expr));
    *expr = cast;
    return OK;
}

static err parse_value(struct sql_parser *p, isize first, struct sql_expr **args,
                       struct sql_expr **out)
{
    const struct type *type = NULL;
    struct json_behaviour empty, error;
    TRY(parse_returning(p, &type));
    TRY(parse_behaviours(p, &empty, &error));
    TRY(sql__expect_sign(p, ')'));
    args[2] = sql__expr_symbol(p, str_of(empty.word));
    args[3] = null_or(p, empty.value);
    args[4] = sql__expr_symbol(p, str_of(error.word));
    args[5] = null_or(p, error.value);
    TRY(sql__expr_call(p, "JSON_VALUE", first, args, 6, out));
    return cast_to(p, type, first, out);
}

static const char *parse_wrapper(struct sql_parser *p)
{
    const char *wrapper = "WITHOUT";
    if (sql__accept_keyword(p, KW_WITH)) {
        wrapper = sql__accept_keyword(p, KW_CONDITIONAL) ? "CONDITIONAL" : "WITH";
        (void)sql__accept_keyword(p, KW_UNCONDITIONAL);
    } else if (!sql__accept_keyword(p, KW_WITHOUT)) {
        return wrapper;
    }
    (void)sql__accept_keyword(p, KW_ARRAY);
    p->at += sql__at_keyword(p, KW_WRAPPER);
    return wrapper;
}

static err parse_json_query(struct sql_parser *p, isize first, struct sql_expr **args,
                            struct sql_expr **out)
{
    const struct type *type = NULL;
    struct json_behaviour empty, error;
    TRY(parse_returning(p, &type));
    args[2] = sql__expr_symbol(p, str_of(parse_wrapper(p)));
    TRY(parse_behaviours(p, &empty, &error));
    TRY(sql__expect_sign(p, ')'));
    args[3] = sql__expr_symbol(p, str_of(empty.word));
    args[4] = sql__expr_symbol(p, str_of(error.word));
    TRY(sql__expr_call(p, "JSON_QUERY", first, args, 5, out));
    return cast_to(p, type, first, out);
}

static err parse_json_exists(struct sql_parser *p, isize first, struct sql_expr **args,
                             struct sql_expr **out)
{
    struct json_behaviour error;
    TRY(parse_behaviour(p, &error));
    if (error.word != NULL) {
        TRY(sql__expect_keyword(p, KW_ON));
        TRY(sql__expect_keyword(p, KW_ERROR));
        args[2] = sql__expr_symbol(p, str_of(error.word));
    }
    TRY(sql__expect_sign(p, ')'));
    return sql__expr_call(p, "JSON_EXISTS", first, args, 3, out);
}

static bool is_json(const struct sql_expr *expr)
{
    return expr->kind == AST_CALL &&
           (str_eq(expr->text, STR("JSON_OBJECT")) || str_eq(expr->text, STR("JSON_ARRAY")) ||
            str_eq_nocase(expr->text, STR("JSON")));
}

static err parse_member(struct sql_parser *p, struct sql_expr *call, struct buf *shape)
{
    struct sql_expr *key = NULL, *value = NULL;
    if (sql__at_keyword(p, KW_KEY) && sql__peek(p, 1)->kind != TOKEN_SIGN) {
        p->at++;
    }
    TRY(sql__parse_expr(p, &key));
    if (!sql__accept_sign(p, ':')) {
        TRY(sql__expect_keyword(p, KW_VALUE));
    }
    TRY(sql__parse_expr(p, &value));
    TRY(sql__expr_add(p, call, key));
    TRY(sql__expr_add(p, call, value));
    buf_append_byte(shape, is_json(value) ? 'j' : '-');
    return OK;
}

static err parse_element(struct sql_parser *p, struct sql_expr *call, struct buf *shape)
{
    struct sql_expr *value = NULL;
    TRY(sql__parse_expr(p, &value));
    TRY(sql__expr_add(p, call, value));
    buf_append_byte(shape, is_json(value) ? 'j' : '-');
    return OK;
}

static err parse_members(struct sql_parser *p, bool is_object, struct sql_expr *call,
                         struct buf *shape)
{
    const char *on_null = is_object ? "NULL:" : "ABSENT:";
    bool is_at_clause =
        sql__at_keywords(p, KW_NULL, KW_ON) || sql__at_keywords(p, KW_ABSENT, KW_ON);
    while (!sql__at_sign(p, ')') && !is_at_clause) {
        TRY(is_object ? parse_member(p, call, shape) : parse_element(p, call, shape));
        is_at_clause = sql__at_keywords(p, KW_NULL, KW_ON) || sql__at_keywords(p, KW_ABSENT, KW_ON);
        if (!sql__accept_sign(p, ',')) {
            break;
        }
    }
    if (is_at_clause) {
        on_null = sql__at_keyword(p, KW_NULL) ? "NULL:" : "ABSENT:";
        p->at += 2;
        TRY(sql__expect_keyword(p, KW_NULL));
    }
    TRY(sql__expect_sign(p, ')'));
    call->args[0]->text = arena_printf(p->arena, "%s" STR_FMT, on_null, STR_ARG(buf_str(shape)));
    return OK;
}

static err parse_constructor(struct sql_parser *p, bool is_object, isize first,
                             struct sql_expr **out)
{
    struct sql_expr *call = sql__expr_new(p, AST_CALL, first);
    call->text = is_object ? STR("JSON_OBJECT") : STR("JSON_ARRAY");
    TRY(sql__expr_add(p, call, sql__expr_symbol(p, STR_EMPTY)));
    struct buf shape;
    buf_init(&shape, 0);
    err e = parse_members(p, is_object, call, &shape);
    buf_deinit(&shape);
    call->span = sql__span_since(p, first);
    *out = call;
    return e;
}

err sql__parse_json(struct sql_parser *p, enum sql_keyword keyword, isize first,
                    struct sql_expr **out)
{
    if (keyword == KW_JSON_OBJECT || keyword == KW_JSON_ARRAY) {
        return parse_constructor(p, keyword == KW_JSON_OBJECT, first, out);
    }
    struct sql_expr *args[6] = {NULL};
    TRY(sql__parse_expr(p, &args[0]));
    TRY(sql__expect_sign(p, ','));
    TRY(sql__parse_expr(p, &args[1]));
    if (keyword == KW_JSON_VALUE) {
        return parse_value(p, first, args, out);
    }
    return keyword == KW_JSON_QUERY ? parse_json_query(p, first, args, out)
                                    : parse_json_exists(p, first, args, out);
}
