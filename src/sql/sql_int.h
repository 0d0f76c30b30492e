/*
 * sql/sql_int.h: tokens and syntax trees, shared by the files of this module only.
 * Trees live in the caller's arena; their strings borrow from the statement's
 * text or lie in the arena. Spans are byte offsets into the statement's text.
 */
#ifndef SQL_SQL_INT_H
#define SQL_SQL_INT_H

#include "base/diag.h"
#include "sql/sql.h"

/* --- errors ----------------------------------------------------------------------------------- */

enum sql_error {
#define SQL_ERROR(id, code, err, title, text) SQLE_##id,
#include "sql/sql_errors.def"
#undef SQL_ERROR
    SQLE_COUNT
};

struct sql_span {
    isize start, len;
};

/* Fills diag (may be NULL) with the code of `id` and the span; returns the err of `id`. */
err sql__fail(struct diag *diag, enum sql_error id, struct sql_span span, const char *format, ...)
    PRINTF(4, 5);
/* "did you mean `x`?" as label when a candidate is near. */
void sql__suggest(struct diag *diag, str name, const str *candidates, isize count);

/* --- tokens ----------------------------------------------------------------------------------- */

enum sql_keyword {
    KEYWORD_NONE,
#define KEYWORD(word, flags) KW_##word,
#include "sql/keywords.def"
#undef KEYWORD
    KEYWORD_COUNT
};

enum sql_token_kind {
    TOKEN_END,
    TOKEN_WORD,    /* Unquoted; keyword is set when it is one. */
    TOKEN_QUOTED,  /* `name` */
    TOKEN_STRING,  /* 'text' */
    TOKEN_UNICODE, /* U&'text' */
    TOKEN_ESCAPED, /* E'text' */
    TOKEN_BINARY,  /* X'00ff' */
    TOKEN_INTEGER,
    TOKEN_DECIMAL,
    TOKEN_DOUBLE,
    TOKEN_SIGN,
    TOKEN_HINT_OPEN, /* Begins a hint comment. */
    TOKEN_HINT_CLOSE,
};

/* Signs of one character are that character. */
enum sql_sign { SIGN_NE = 128, SIGN_LE, SIGN_GE, SIGN_CONCAT, SIGN_ARROW };

struct sql_token {
    u8 kind, sign;
    u16 keyword;
    i32 start, len;
};

MUST_USE err sql__lex(struct arena *arena, str text, struct sql_token **out, isize *count_out,
                      struct diag *diag);
/* Where blanks and comments that start at `at` end; hints are not comments. */
isize sql__skip_blank(str text, isize at);
/* Where the quoted run that starts at `at` ends (after the closing quote, or at the end). */
isize sql__skip_quoted(str text, isize at);

enum keyword_flags {
    KEYWORD_RESERVED = 1,
    KEYWORD_SKELETON = 2, /* Reserved, and part of a statement's skeleton. */
    KEYWORD_FUNCTION = 4, /* Reserved, but callable. */
    KEYWORD_NILADIC = 8,  /* Reserved, and a value of its own. */
};
u32 sql__keyword_flags(u32 keyword);
u32 sql__keyword_find(str word);

/* --- expressions ------------------------------------------------------------------------------ */

enum ast_kind {
    AST_NAME, /* parts */
    AST_STAR, /* parts (qualifier), may be empty */
    AST_NULL,
    AST_BOOLEAN, /* flag */
    AST_UNKNOWN,
    AST_INTEGER, /* text: digits with optional sign */
    AST_DECIMAL,
    AST_DOUBLE,
    AST_STRING, /* text: decoded */
    AST_BINARY, /* text: decoded bytes */
    AST_SYMBOL, /* text: keyword that func takes as a string */
    AST_DATE,   /* text */
    AST_TIME,
    AST_TIMESTAMP,
    AST_INTERVAL, /* text, unit, unit_to */
    AST_CALL,     /* text: name; args; is_star; filter */
    AST_NAMED,    /* text => args[0] */
    AST_AND,
    AST_OR,
    AST_NOT,
    AST_IS_NULL,
    AST_IS_TRUE,
    AST_IS_FALSE,
    AST_IS_UNKNOWN,
    AST_BETWEEN, /* args: value, low, high; flag: SYMMETRIC */
    AST_IN,
    AST_CASE, /* args as EXPR_CASE, else may be missing; flag: args[0] is the operand */
    AST_CAST, /* args[0], type; flag: TRY */
    AST_ROW,
    AST_ARRAY,
    AST_MAP,
    AST_ITEM,
    AST_FIELD,      /* args[0].text */
    AST_TABLE,      /* TABLE name, as argument of a table function */
    AST_DESCRIPTOR, /* parts: column names */
    AST_PAIR,       /* (a, b) before or after OVERLAPS */
};

struct sql_ast_part {
    str name;
    struct sql_span span;
};

struct sql_expr {
    enum ast_kind kind;
    struct sql_span span;
    int depth; /* Of the tree below; bounded, so that walks may recurse. */
    bool flag;
    bool is_not;  /* NOT of IN, BETWEEN, IS, LIKE. */
    bool is_star; /* COUNT(*) */
    bool is_distinct;
    str text;
    str unit, unit_to;
    struct sql_ast_part *parts;
    isize part_count;
    struct sql_expr **args;
    isize arg_count;
    const struct type *type;
    struct sql_expr *filter;
};

/* --- queries ---------------------------------------------------------------------------------- */

struct sql_query;

struct sql_ident {
    struct sql_ast_part parts[3];
    isize count;
    struct sql_span span;
};

struct sql_item {
    struct sql_expr *expr;
    struct sql_ast_part alias; /* Empty name: none. */
};

enum from_kind { FROM_TABLE, FROM_QUERY, FROM_FUNCTION };

struct sql_from {
    enum from_kind kind;
    struct sql_span span;
    struct sql_ident table;
    struct plan_option *hints;
    isize hint_count;
    struct sql_query *query;
    struct sql_expr *call;
    struct sql_ast_part alias;
    struct sql_ast_part *columns;
    isize column_count;
};

enum select_kind { SELECT_CORE, SELECT_VALUES, SELECT_NESTED };

struct sql_select {
    enum select_kind kind;
    struct sql_span span;
    struct sql_item *items;
    isize item_count;
    struct sql_from *from;
    struct sql_expr *where;
    struct sql_expr **groups;
    isize group_count;
    struct sql_expr *having;
    struct sql_expr **rows; /* VALUES: each AST_ROW. */
    isize row_count;
    struct sql_query *nested;
};

struct sql_cte {
    struct sql_ast_part name;
    struct sql_ast_part *columns;
    isize column_count;
    struct sql_query *query;
    const struct sql_cte *outer; /* Set by the binder: what the CTE itself may see. */
};

struct sql_query {
    struct sql_span span;
    struct sql_cte *ctes;
    isize cte_count;
    struct sql_select **parts; /* UNION ALL. */
    isize part_count;
    int depth;
    bool has_limit;
    i64 limit;
    struct sql_span limit_span;
};

/* --- statements ------------------------------------------------------------------------------- */

struct sql_column {
    struct sql_ast_part name;
    enum column_kind kind;
    const struct type *type;
    struct sql_span type_span;
    struct sql_expr *expr;
    struct sql_span expr_span;
    str metadata_key;
    bool is_virtual;
    str comment;
};

enum like_mode { LIKE_INCLUDING, LIKE_EXCLUDING, LIKE_OVERWRITING };
enum like_feature {
    LIKE_ALL,
    LIKE_CONSTRAINTS,
    LIKE_DISTRIBUTION,
    LIKE_GENERATED,
    LIKE_METADATA,
    LIKE_OPTIONS,
    LIKE_PARTITIONS,
    LIKE_WATERMARKS,
    LIKE_FEATURE_COUNT
};

struct sql_like_option {
    enum like_mode mode;
    enum like_feature feature;
};

struct sql_create {
    struct sql_ident name;
    struct sql_column *columns;
    isize column_count;
    bool has_watermark;
    struct sql_ast_part *watermark_column;
    isize watermark_part_count;
    struct sql_expr *watermark;
    struct sql_span watermark_span;
    struct sql_ast_part *primary_key;
    isize primary_key_count;
    str primary_key_name;
    struct sql_ast_part *partition_keys;
    isize partition_key_count;
    str comment;
    struct plan_option *options;
    isize option_count;
    bool has_like;
    struct sql_ident like;
    struct sql_like_option *like_options;
    isize like_option_count;
    struct sql_ast_part *view_columns;
    isize view_column_count;
    struct sql_query *view;
    str view_text;
};

struct sql_partition_value {
    struct sql_ast_part name;
    struct sql_expr *value;
};

struct sql_insert {
    struct sql_ident table;
    struct plan_option *hints;
    isize hint_count;
    struct sql_partition_value *partition;
    isize partition_count;
    struct sql_ast_part *columns;
    isize column_count;
    struct sql_query *query;
};

struct sql_ast {
    struct sql_query *query;
    struct sql_create *create;
    struct sql_insert *insert;
};

/* --- parser ----------------------------------------------------------------------------------- */

struct sql_parser {
    struct arena *arena;
    struct diag *diag;
    str text;
    const struct sql_token *tokens; /* Ends with TOKEN_END. */
    isize token_count;
    isize at;
    int depth;
};

/* parse.c: cursor. */
MUST_USE err sql__parser_init(struct sql_parser *p, struct arena *arena, str text,
                              struct diag *diag);
const struct sql_token *sql__peek(const struct sql_parser *p, isize ahead);
bool sql__at_keyword(const struct sql_parser *p, enum sql_keyword keyword);
bool sql__at_keywords(const struct sql_parser *p, enum sql_keyword a, enum sql_keyword b);
bool sql__accept_keyword(struct sql_parser *p, enum sql_keyword keyword);
bool sql__at_sign(const struct sql_parser *p, u8 sign);
bool sql__accept_sign(struct sql_parser *p, u8 sign);
MUST_USE err sql__expect_keyword(struct sql_parser *p, enum sql_keyword keyword);
MUST_USE err sql__expect_sign(struct sql_parser *p, u8 sign);
MUST_USE err sql__expect_end(struct sql_parser *p);
MUST_USE err sql__enter(struct sql_parser *p); /* Depth; leave with p->depth--. */
str sql__token_text(const struct sql_parser *p, const struct sql_token *token);
struct sql_span sql__token_span(const struct sql_token *token);
/* From the first byte of token `first` to the last byte before the cursor. */
struct sql_span sql__span_since(const struct sql_parser *p, isize first);
/* "expected <what>, found ..."; names a reserved word. */
err sql__unexpected(struct sql_parser *p, const char *what);
err sql__unsupported(struct sql_parser *p, struct sql_span span, const char *what);
/* An identifier: word that is not reserved, or `quoted`. */
bool sql__at_name(const struct sql_parser *p);
MUST_USE err sql__parse_name(struct sql_parser *p, const char *what, struct sql_ast_part *out);
MUST_USE err sql__parse_ident(struct sql_parser *p, const char *what, struct sql_ident *out);
/* "(a, b, c)" */
MUST_USE err sql__parse_names(struct sql_parser *p, const char *what, struct sql_ast_part **out,
                              isize *count_out);
MUST_USE err sql__parse_string(struct sql_parser *p, const char *what, str *out);
bool sql__at_string(const struct sql_parser *p);
/* ('k'='v', ...); may be empty unless is_filled. */
MUST_USE err sql__parse_options(struct sql_parser *p, struct plan_option **out, isize *count_out);
MUST_USE err sql__parse_integer(struct sql_parser *p, const char *what, i64 *out);

/* parse_statement.c: what the statement is about. */
void sql__set_name(struct sql_statement *out, const struct sql_ident *ident);

/* parse_type.c */
MUST_USE err sql__parse_type(struct sql_parser *p, const struct type **out);
/* parse_expr.c */
MUST_USE err sql__parse_expr(struct sql_parser *p, struct sql_expr **out);
/* What binds tighter than comparisons: "a + b", "a || b". */
MUST_USE err sql__parse_operand(struct sql_parser *p, struct sql_expr **out);
/* A call node of these arguments; NULL ones are left out. */
MUST_USE err sql__expr_call(struct sql_parser *p, const char *name, isize first,
                            struct sql_expr *const *args, isize count, struct sql_expr **out);
struct sql_expr *sql__expr_symbol(struct sql_parser *p, str text);
struct sql_expr *sql__expr_new(struct sql_parser *p, enum ast_kind kind, isize first);
/* Appends an argument; ERR_LIMIT when the tree gets too deep. */
MUST_USE err sql__expr_add(struct sql_parser *p, struct sql_expr *expr, struct sql_expr *arg);
/* parse_call.c: the cursor is at the name, a '(' follows. */
MUST_USE err sql__parse_call(struct sql_parser *p, struct sql_expr **out);
/* parse_json.c: JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_OBJECT, JSON_ARRAY; cursor after "(". */
MUST_USE err sql__parse_json(struct sql_parser *p, enum sql_keyword keyword, isize first,
                             struct sql_expr **out);
MUST_USE err sql__parse_interval(struct sql_parser *p, struct sql_expr **out);
MUST_USE err sql__parse_case(struct sql_parser *p, struct sql_expr **out);
/* A time unit as it stands ("DAY", "DAYS"): true and the singular in *out. */
bool sql__accept_unit(struct sql_parser *p, str *out);
/* parse_query.c */
MUST_USE err sql__parse_query(struct sql_parser *p, struct sql_query **out);
bool sql__at_query(const struct sql_parser *p);
MUST_USE err sql__parse_hints(struct sql_parser *p, struct plan_option **out, isize *count_out);
/* parse_create.c */
MUST_USE err sql__parse_create(struct sql_parser *p, struct sql_statement *out);
/* parse_statement.c */
MUST_USE err sql__parse_statement(struct sql_parser *p, struct sql_statement *out);

#endif
