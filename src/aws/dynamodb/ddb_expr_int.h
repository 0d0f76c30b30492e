/* aws/dynamodb/ddb_expr_int.h: what the parsers of expressions share. */
#ifndef AWS_DYNAMODB_DDB_EXPR_INT_H
#define AWS_DYNAMODB_DDB_EXPR_INT_H

#include "aws/dynamodb/ddb_expr.h"

enum ddb_token {
    TOKEN_END,
    TOKEN_WORD,   /* Attribute, function or keyword. */
    TOKEN_NAME,   /* #n */
    TOKEN_VALUE,  /* :v */
    TOKEN_NUMBER, /* Of an index. */
    TOKEN_LE,
    TOKEN_GE,
    TOKEN_NE,
    /* Any other token is its character. */
};

static inline void ddb__child_add(struct ddb_condition *parent, struct ddb_condition *child)
{
    CHECK(parent != NULL);
    if (parent->last == NULL) {
        parent->first = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
}

struct ddb_parser {
    struct ddb_work *work;
    const char *what;
    str text;
    struct ddb_substitutes *substitutes;
    isize start, end; /* Of the current token. */
    isize previous;   /* Start of the one before. */
    int token;        /* enum ddb_token, or a character. */
    int depth, operators;
    const struct ddb_condition *group; /* What the last pair of parentheses held. */
};

/* Checks the length and takes the first token. */
bool ddb__parser_start(struct ddb_parser *p, struct ddb_work *work, const char *what, str text,
                       struct ddb_substitutes *substitutes);
/* To the next token; refuses what is none. */
bool ddb__next(struct ddb_parser *p);
static inline str ddb__token(const struct ddb_parser *p)
{
    return str_slice(p->text, p->start, p->end);
}
/* The current token is this keyword, in any case. */
bool ddb__is_word(const struct ddb_parser *p, const char *word);
/* Takes the token, or refuses. */
bool ddb__take(struct ddb_parser *p, int token);
bool ddb__syntax_error(struct ddb_parser *p);
/* "Invalid ConditionExpression: ..." */
bool ddb__expr_error(struct ddb_parser *p, const char *format, ...) PRINTF(2, 3);
/* Around whatever nests, and for each operator, function and path. */
bool ddb__enter(struct ddb_parser *p);
void ddb__leave(struct ddb_parser *p);
bool ddb__count(struct ddb_parser *p);

bool ddb__path_parse(struct ddb_parser *p, struct ddb_path *out);
/* Steps behind the first name, which was taken: ".b[1]". */
bool ddb__path_rest(struct ddb_parser *p, str first, struct ddb_path *out);
bool ddb__value_take(struct ddb_parser *p, struct ddb_value *out);
/* A name may not be a reserved word. */
bool ddb__check_reserved(struct ddb_parser *p, str name);
bool ddb__is_reserved(str word);
void ddb__path_print(const struct ddb_path *path, struct buf *out);

#endif
