/* sql/parse_type.c: type text to types. What Flink has and leat has not is named. */
#include "sql/sql_int.h"

enum {
    TIME_PRECISION_MAX = 9,
    INTERVAL_PRECISION_MAX = 9,
    ROW_FIELDS_MAX = 5000,
    SUFFIXES_MAX = 4
};

/* "(n)" if it is there. */
static err parse_number(struct sql_parser *p, const char *what, i64 min, i64 max, i32 *out)
{
    isize first = p->at;
    i64 value = 0;
    TRY(sql__parse_integer(p, "a number", &value));
    if (value < min || value > max) {
        return sql__fail(p->diag, SQLE_TYPE_PARAMETER, sql__span_since(p, first),
                         "%s must be between %lld and %lld", what, (long long)min, (long long)max);
    }
    *out = (i32)value;
    return OK;
}

static err parse_parameter(struct sql_parser *p, const char *what, i64 min, i64 max, i32 *out)
{
    if (!sql__accept_sign(p, '(')) {
        return OK;
    }
    TRY(parse_number(p, what, min, max, out));
    return sql__expect_sign(p, ')');
}

static err parse_length(struct sql_parser *p, enum type_kind kind, i32 length,
                        const struct type **out)
{
    TRY(parse_parameter(p, "the length", 1, TYPE_LENGTH_MAX, &length));
    *out = type_char(p->arena, kind, length);
    return OK;
}

static err parse_decimal(struct sql_parser *p, const struct type **out)
{
    i32 precision = 10, scale = 0;
    if (sql__accept_sign(p, '(')) {
        TRY(parse_number(p, "the precision", 1, TYPE_DECIMAL_PRECISION_MAX, &precision));
        if (sql__accept_sign(p, ',')) {
            TRY(parse_number(p, "the scale", 0, precision, &scale));
        }
        TRY(sql__expect_sign(p, ')'));
    }
    *out = type_decimal(p->arena, precision, scale);
    return OK;
}

static err parse_timestamp(struct sql_parser *p, enum type_kind kind, isize first,
                           const struct type **out)
{
    i32 precision = 6;
    TRY(parse_parameter(p, "the precision", 0, TIME_PRECISION_MAX, &precision));
    if (kind == TYPE_TIMESTAMP && sql__accept_keyword(p, KW_WITH)) {
        bool is_local = sql__accept_keyword(p, KW_LOCAL);
        TRY(sql__expect_keyword(p, KW_TIME));
        TRY(sql__expect_keyword(p, KW_ZONE));
        if (!is_local) {
            err e = sql__fail(p->diag, SQLE_TYPE_UNSUPPORTED, sql__span_since(p, first),
                              "type TIMESTAMP WITH TIME ZONE is not supported");
            diag_hint(p->diag, "Flink does not support it either; TIMESTAMP_LTZ is an instant");
            return e;
        }
        kind = TYPE_TIMESTAMP_LTZ;
    } else if (kind == TYPE_TIMESTAMP && sql__accept_keyword(p, KW_WITHOUT)) {
        TRY(sql__expect_keyword(p, KW_TIME));
        TRY(sql__expect_keyword(p, KW_ZONE));
    }
    *out = type_timestamp(p->arena, kind, precision);
    return OK;
}

static err parse_time(struct sql_parser *p, const struct type **out)
{
    i32 precision = 0;
    TRY(parse_parameter(p, "the precision", 0, TIME_PRECISION_MAX, &precision));
    if (sql__accept_keyword(p, KW_WITHOUT)) {
        TRY(sql__expect_keyword(p, KW_TIME));
        TRY(sql__expect_keyword(p, KW_ZONE));
    }
    struct type *type = ARENA_NEW(p->arena, struct type);
    *type = *type_of(TYPE_TIME);
    type->precision = precision;
    *out = type;
    return OK;
}

static err parse_interval(struct sql_parser *p, const struct type **out)
{
    str from = STR_EMPTY, to = STR_EMPTY;
    i32 precision = 0;
    if (!sql__accept_unit(p, &from)) {
        return sql__unexpected(p, "a time unit");
    }
    TRY(parse_parameter(p, "the precision", 0, INTERVAL_PRECISION_MAX, &precision));
    if (sql__accept_keyword(p, KW_TO)) {
        if (!sql__accept_unit(p, &to)) {
            return sql__unexpected(p, "a time unit");
        }
        TRY(parse_parameter(p, "the precision", 0, INTERVAL_PRECISION_MAX, &precision));
    }
    bool is_months = str_eq(from, STR("YEAR")) || str_eq(from, STR("MONTH"));
    *out = type_of(is_months ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DS);
    return OK;
}

static err parse_field(struct sql_parser *p, struct type_field *out)
{
    struct sql_ast_part name;
    TRY(sql__parse_name(p, "a field name", &name));
    out->name = name.name;
    TRY(sql__parse_type(p, &out->type));
    if (sql__at_string(p)) {
        return sql__parse_string(p, "a comment", &out->comment);
    }
    return sql__accept_keyword(p, KW_COMMENT) ? sql__parse_string(p, "a comment", &out->comment)
                                              : OK;
}

static err parse_row(struct sql_parser *p, const struct type **out)
{
    u8 close = sql__at_sign(p, '(') ? ')' : '>';
    struct type_field *fields = NULL;
    isize count = 0;
    if (sql__accept_sign(p, SIGN_NE)) { /* ROW<> */
        *out = type_row(p->arena, fields, 0);
        return OK;
    }
    TRY(sql__expect_sign(p, close == ')' ? '(' : '<'));
    while (!sql__at_sign(p, close)) {
        fields = arena_grow(p->arena, fields, count, (isize)sizeof *fields);
        TRY(parse_field(p, &fields[count]));
        if (++count > ROW_FIELDS_MAX) {
            return sql__fail(p->diag, SQLE_TOO_MANY, sql__token_span(sql__peek(p, 0)),
                             "a ROW has at most %d fields", ROW_FIELDS_MAX);
        }
        if (!sql__accept_sign(p, ',')) {
            break;
        }
    }
    TRY(sql__expect_sign(p, close));
    *out = type_row(p->arena, fields, count);
    return OK;
}

static const struct type *multiset_of(struct arena *arena, const struct type *item)
{
    struct type *type = ARENA_NEW(arena, struct type);
    *type = (struct type){.kind = TYPE_MULTISET, .is_nullable = true, .item = item};
    return type;
}

static err parse_item(struct sql_parser *p, bool is_multiset, const struct type **out)
{
    const struct type *item = NULL;
    TRY(sql__expect_sign(p, '<'));
    TRY(sql__parse_type(p, &item));
    TRY(sql__expect_sign(p, '>'));
    *out = is_multiset ? multiset_of(p->arena, item) : type_array(p->arena, item);
    return OK;
}

static err parse_map(struct sql_parser *p, const struct type **out)
{
    const struct type *key = NULL, *value = NULL;
    TRY(sql__expect_sign(p, '<'));
    TRY(sql__parse_type(p, &key));
    TRY(sql__expect_sign(p, ','));
    TRY(sql__parse_type(p, &value));
    TRY(sql__expect_sign(p, '>'));
    *out = type_map(p->arena, key, value);
    return OK;
}

static err unknown_type(struct sql_parser *p, isize first)
{
    static const char *const names[] = {
        "BIGINT",    "BINARY",        "BOOLEAN", "BYTES",    "CHAR",  "DATE",     "DECIMAL",
        "DOUBLE",    "FLOAT",         "INT",     "INTEGER",  "MAP",   "ROW",      "NUMERIC",
        "SMALLINT",  "STRING",        "TIME",    "TINYINT",  "ARRAY", "MULTISET", "INTERVAL",
        "TIMESTAMP", "TIMESTAMP_LTZ", "VARCHAR", "VARBINARY"};
    const struct sql_token *token = &p->tokens[first];
    if (token->kind != TOKEN_WORD && token->kind != TOKEN_QUOTED) {
        return sql__unexpected(p, "a type");
    }
    str text = str_slice(sql__token_text(p, token), 0, 64);
    static const char *const unsupported[] = {"RAW",    "VARIANT",    "DESCRIPTOR", "NULL",
                                              "BITMAP", "STRUCTURED", "SYMBOL"};
    for (isize i = 0; i < COUNT_OF(unsupported); i++) {
        if (str_eq_nocase(text, str_of(unsupported[i]))) {
            return sql__fail(p->diag, SQLE_TYPE_UNSUPPORTED, sql__token_span(token),
                             "type " STR_FMT " is not supported", STR_ARG(text));
        }
    }
    str candidates[COUNT_OF(names)];
    for (isize i = 0; i < COUNT_OF(names); i++) {
        candidates[i] = str_of(names[i]);
    }
    err e = sql__fail(p->diag, SQLE_TYPE_UNKNOWN, sql__token_span(token),
                      "there is no type \"" STR_FMT "\"", STR_ARG(text));
    sql__suggest(p->diag, text, candidates, COUNT_OF(candidates));
    return e;
}

static const struct type *simple_type(u32 keyword)
{
    static const struct {
        enum sql_keyword keyword;
        enum type_kind kind;
    } simple[] = {{KW_BOOLEAN, TYPE_BOOLEAN},   {KW_TINYINT, TYPE_TINYINT},
                  {KW_SMALLINT, TYPE_SMALLINT}, {KW_INT, TYPE_INT},
                  {KW_INTEGER, TYPE_INT},       {KW_BIGINT, TYPE_BIGINT},
                  {KW_FLOAT, TYPE_FLOAT},       {KW_DATE, TYPE_DATE},
                  {KW_STRING, TYPE_VARCHAR},    {KW_BYTES, TYPE_VARBINARY}};
    for (isize i = 0; i < COUNT_OF(simple); i++) {
        if (keyword == simple[i].keyword) {
            return type_of(simple[i].kind);
        }
    }
    return NULL;
}

static err parse_nested(struct sql_parser *p, u32 keyword, isize first, const struct type **out)
{
    if (keyword == KW_ARRAY || keyword == KW_MULTISET) {
        return parse_item(p, keyword == KW_MULTISET, out);
    }
    if (keyword == KW_MAP) {
        return parse_map(p, out);
    }
    if (keyword == KW_ROW) {
        return parse_row(p, out);
    }
    p->at = first;
    return unknown_type(p, first);
}

static err parse_base(struct sql_parser *p, const struct type **out)
{
    isize first = p->at;
    u32 keyword = sql__peek(p, 0)->keyword;
    p->at++;
    *out = simple_type(keyword);
    if (*out != NULL) {
        return OK;
    }
    if (keyword == KW_CHAR || keyword == KW_CHARACTER) {
        bool is_varying = sql__accept_keyword(p, KW_VARYING);
        return parse_length(p, is_varying ? TYPE_VARCHAR : TYPE_CHAR,
                            is_varying ? TYPE_LENGTH_MAX : 1, out);
    }
    if (keyword == KW_VARCHAR) {
        return parse_length(p, TYPE_VARCHAR, TYPE_LENGTH_MAX, out);
    }
    if (keyword == KW_BINARY) {
        bool is_varying = sql__accept_keyword(p, KW_VARYING);
        return parse_length(p, is_varying ? TYPE_VARBINARY : TYPE_BINARY,
                            is_varying ? TYPE_LENGTH_MAX : 1, out);
    }
    if (keyword == KW_VARBINARY) {
        return parse_length(p, TYPE_VARBINARY, TYPE_LENGTH_MAX, out);
    }
    if (keyword == KW_DECIMAL || keyword == KW_DEC || keyword == KW_NUMERIC) {
        return parse_decimal(p, out);
    }
    if (keyword == KW_DOUBLE) {
        (void)sql__accept_keyword(p, KW_PRECISION);
        *out = type_of(TYPE_DOUBLE);
        return OK;
    }
    if (keyword == KW_TIME) {
        return parse_time(p, out);
    }
    if (keyword == KW_TIMESTAMP || keyword == KW_TIMESTAMP_LTZ) {
        return parse_timestamp(p, keyword == KW_TIMESTAMP ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_LTZ,
                               first, out);
    }
    return keyword == KW_INTERVAL ? parse_interval(p, out) : parse_nested(p, keyword, first, out);
}

/* "INT ARRAY", "INT MULTISET" */
static err parse_suffix(struct sql_parser *p, int *suffixes, const struct type **out)
{
    if (++*suffixes > SUFFIXES_MAX) {
        return sql__fail(p->diag, SQLE_TOO_DEEP, sql__token_span(sql__peek(p, 0)),
                         "a type has at most %d suffixes", SUFFIXES_MAX);
    }
    bool is_multiset = sql__at_keyword(p, KW_MULTISET);
    p->at++;
    *out = is_multiset ? multiset_of(p->arena, *out) : type_array(p->arena, *out);
    return OK;
}

err sql__parse_type(struct sql_parser *p, const struct type **out)
{
    TRY(sql__enter(p));
    TRY(parse_base(p, out));
    int suffixes = 0;
    for (;;) {
        if (sql__at_keywords(p, KW_NOT, KW_NULL)) {
            p->at += 2;
            *out = type_with_null(p->arena, *out, false);
        } else if (sql__accept_keyword(p, KW_NULL)) {
            *out = type_with_null(p->arena, *out, true);
        } else if (sql__at_keyword(p, KW_ARRAY) || sql__at_keyword(p, KW_MULTISET)) {
            TRY(parse_suffix(p, &suffixes, out));
        } else {
            break;
        }
    }
    p->depth--;
    return OK;
}
