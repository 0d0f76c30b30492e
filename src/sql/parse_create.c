/* sql/parse_create.c: CREATE TABLE and CREATE VIEW; other CREATEs are named and refused. */
#include "sql/sql_int.h"

enum { COLUMNS_MAX = 5000 };

/* --- columns ---------------------------------------------------------------------------------- */

static err parse_enforced(struct sql_parser *p, isize first)
{
    if (sql__at_keywords(p, KW_NOT, KW_ENFORCED)) {
        p->at += 2;
        return OK;
    }
    (void)sql__accept_keyword(p, KW_ENFORCED);
    err e =
        sql__fail(p->diag, SQLE_PRIMARY_KEY, sql__span_since(p, first), "keys are not enforced");
    diag_hint(p->diag, "write PRIMARY KEY (...) NOT ENFORCED, as in Flink");
    return e;
}

static err set_primary_key(struct sql_parser *p, struct sql_create *create, isize first,
                           struct sql_ast_part *names, isize count)
{
    if (create->primary_key_count > 0) {
        return sql__fail(p->diag, SQLE_PRIMARY_KEY, sql__span_since(p, first),
                         "the table has a primary key already");
    }
    create->primary_key = names;
    create->primary_key_count = count;
    return parse_enforced(p, first);
}

static err parse_constraint(struct sql_parser *p, struct sql_create *create)
{
    isize first = p->at;
    struct sql_ast_part name = {STR_EMPTY, {0, 0}};
    if (sql__accept_keyword(p, KW_CONSTRAINT)) {
        TRY(sql__parse_name(p, "a constraint name", &name));
    }
    if (sql__at_keyword(p, KW_UNIQUE)) {
        return sql__unsupported(p, sql__token_span(sql__peek(p, 0)), "UNIQUE");
    }
    TRY(sql__expect_keyword(p, KW_PRIMARY));
    TRY(sql__expect_keyword(p, KW_KEY));
    struct sql_ast_part *names = NULL;
    isize count = 0;
    TRY(sql__parse_names(p, "a column name", &names, &count));
    create->primary_key_name = name.name;
    return set_primary_key(p, create, first, names, count);
}

static err parse_watermark(struct sql_parser *p, struct sql_create *create)
{
    isize first = p->at;
    p->at += 2;
    if (create->has_watermark) {
        return sql__fail(p->diag, SQLE_WATERMARK, sql__span_since(p, first),
                         "the table has a watermark already");
    }
    create->has_watermark = true;
    do {
        create->watermark_column =
            arena_grow(p->arena, create->watermark_column, create->watermark_part_count,
                       (isize)sizeof(struct sql_ast_part));
        TRY(sql__parse_name(p, "a column name",
                            &create->watermark_column[create->watermark_part_count]));
        create->watermark_part_count++;
    } while (sql__accept_sign(p, '.'));
    TRY(sql__expect_keyword(p, KW_AS));
    isize expr = p->at;
    TRY(sql__parse_expr(p, &create->watermark));
    create->watermark_span = sql__span_since(p, expr);
    return OK;
}

static err parse_metadata(struct sql_parser *p, struct sql_column *column)
{
    column->kind = COLUMN_METADATA;
    column->metadata_key = column->name.name;
    if (sql__accept_keyword(p, KW_FROM)) {
        TRY(sql__parse_string(p, "the metadata key in quotes", &column->metadata_key));
    }
    column->is_virtual = sql__accept_keyword(p, KW_VIRTUAL);
    return OK;
}

static err parse_typed_column(struct sql_parser *p, struct sql_create *create,
                              struct sql_column *column)
{
    isize first = p->at;
    TRY(sql__parse_type(p, &column->type));
    column->type_span = sql__span_since(p, first);
    if (sql__accept_keyword(p, KW_METADATA)) {
        return parse_metadata(p, column);
    }
    first = p->at;
    if (sql__at_keywords(p, KW_PRIMARY, KW_KEY)) {
        p->at += 2;
        struct sql_ast_part *name = ARENA_NEW(p->arena, struct sql_ast_part);
        *name = column->name;
        return set_primary_key(p, create, first, name, 1);
    }
    return OK;
}

static err parse_column(struct sql_parser *p, struct sql_create *create)
{
    create->columns =
        arena_grow(p->arena, create->columns, create->column_count, (isize)sizeof *create->columns);
    struct sql_column *column = &create->columns[create->column_count];
    TRY(sql__parse_name(p, "a column name", &column->name));
    if (sql__accept_keyword(p, KW_AS)) {
        column->kind = COLUMN_COMPUTED;
        isize first = p->at;
        TRY(sql__parse_expr(p, &column->expr));
        column->expr_span = sql__span_since(p, first);
    } else {
        TRY(parse_typed_column(p, create, column));
    }
    if (sql__accept_keyword(p, KW_COMMENT)) {
        TRY(sql__parse_string(p, "a comment in quotes", &column->comment));
    }
    if (sql__at_keyword(p, KW_DEFAULT)) {
        return sql__unsupported(p, sql__token_span(sql__peek(p, 0)), "DEFAULT");
    }
    if (++create->column_count > COLUMNS_MAX) {
        return sql__fail(p->diag, SQLE_TOO_MANY, column->name.span,
                         "a table has at most %d columns", COLUMNS_MAX);
    }
    return OK;
}

static err parse_element(struct sql_parser *p, struct sql_create *create)
{
    if (sql__at_keywords(p, KW_WATERMARK, KW_FOR)) {
        return parse_watermark(p, create);
    }
    if (sql__at_keyword(p, KW_CONSTRAINT) || sql__at_keywords(p, KW_PRIMARY, KW_KEY) ||
        sql__at_keyword(p, KW_UNIQUE)) {
        return parse_constraint(p, create);
    }
    return parse_column(p, create);
}

static err parse_elements(struct sql_parser *p, struct sql_create *create)
{
    TRY(sql__expect_sign(p, '('));
    if (sql__accept_sign(p, ')')) {
        return OK;
    }
    do {
        TRY(parse_element(p, create));
    } while (sql__accept_sign(p, ','));
    if (!sql__at_sign(p, ')')) {
        return sql__unexpected(p, "\",\" or \")\"");
    }
    p->at++;
    return OK;
}

/* --- LIKE ------------------------------------------------------------------------------------- */

static err parse_like_option(struct sql_parser *p, struct sql_like_option *out)
{
    static const struct {
        enum sql_keyword keyword;
        enum like_feature feature;
    } features[] = {{KW_ALL, LIKE_ALL},
                    {KW_CONSTRAINTS, LIKE_CONSTRAINTS},
                    {KW_DISTRIBUTION, LIKE_DISTRIBUTION},
                    {KW_GENERATED, LIKE_GENERATED},
                    {KW_METADATA, LIKE_METADATA},
                    {KW_OPTIONS, LIKE_OPTIONS},
                    {KW_PARTITIONS, LIKE_PARTITIONS},
                    {KW_WATERMARKS, LIKE_WATERMARKS}};
    if (sql__accept_keyword(p, KW_INCLUDING)) {
        out->mode = LIKE_INCLUDING;
    } else if (sql__accept_keyword(p, KW_EXCLUDING)) {
        out->mode = LIKE_EXCLUDING;
    } else if (sql__accept_keyword(p, KW_OVERWRITING)) {
        out->mode = LIKE_OVERWRITING;
    } else {
        return sql__unexpected(p, "INCLUDING, EXCLUDING or OVERWRITING");
    }
    for (isize i = 0; i < COUNT_OF(features); i++) {
        if (sql__accept_keyword(p, features[i].keyword)) {
            out->feature = features[i].feature;
            return OK;
        }
    }
    return sql__unexpected(
        p, "ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS");
}

static err check_like_option(struct sql_parser *p, const struct sql_create *create, isize first)
{
    const struct sql_like_option *last = &create->like_options[create->like_option_count - 1];
    for (isize i = 0; i < create->like_option_count - 1; i++) {
        if (create->like_options[i].feature == last->feature) {
            return sql__fail(p->diag, SQLE_LIKE_CLAUSE, sql__span_since(p, first),
                             "each feature stands once in LIKE");
        }
    }
    bool is_wrong = last->mode == LIKE_OVERWRITING &&
                    (last->feature == LIKE_ALL || last->feature == LIKE_CONSTRAINTS ||
                     last->feature == LIKE_PARTITIONS || last->feature == LIKE_DISTRIBUTION);
    return is_wrong ? sql__fail(p->diag, SQLE_LIKE_CLAUSE, sql__span_since(p, first),
                                "this feature can be included or excluded, not overwritten")
                    : OK;
}

static err parse_like(struct sql_parser *p, struct sql_create *create)
{
    create->has_like = true;
    TRY(sql__parse_ident(p, "a table name", &create->like));
    if (!sql__accept_sign(p, '(')) {
        return OK;
    }
    while (!sql__accept_sign(p, ')')) {
        isize first = p->at;
        create->like_options = arena_grow(p->arena, create->like_options, create->like_option_count,
                                          (isize)sizeof *create->like_options);
        TRY(parse_like_option(p, &create->like_options[create->like_option_count]));
        create->like_option_count++;
        TRY(check_like_option(p, create, first));
    }
    return OK;
}

/* --- statements ------------------------------------------------------------------------------- */

static err parse_table(struct sql_parser *p, struct sql_create *create)
{
    if (sql__at_sign(p, '(')) {
        TRY(parse_elements(p, create));
    }
    if (sql__accept_keyword(p, KW_COMMENT)) {
        TRY(sql__parse_string(p, "a comment in quotes", &create->comment));
    }
    if (sql__at_keyword(p, KW_DISTRIBUTED)) {
        return sql__unsupported(p, sql__token_span(sql__peek(p, 0)), "DISTRIBUTED");
    }
    if (sql__accept_keyword(p, KW_PARTITIONED)) {
        TRY(sql__expect_keyword(p, KW_BY));
        TRY(sql__parse_names(p, "a column name", &create->partition_keys,
                             &create->partition_key_count));
    }
    if (sql__accept_keyword(p, KW_WITH)) {
        TRY(sql__parse_options(p, &create->options, &create->option_count));
    }
    if (sql__accept_keyword(p, KW_LIKE)) {
        TRY(parse_like(p, create));
    }
    return sql__at_keyword(p, KW_AS)
               ? sql__unsupported(p, sql__token_span(sql__peek(p, 0)), "CREATE TABLE ... AS")
               : OK;
}

static err parse_view_columns(struct sql_parser *p, struct sql_create *create)
{
    TRY(sql__expect_sign(p, '('));
    do {
        create->view_columns = arena_grow(p->arena, create->view_columns, create->view_column_count,
                                          (isize)sizeof *create->view_columns);
        TRY(sql__parse_name(p, "a column name", &create->view_columns[create->view_column_count]));
        create->view_column_count++;
        str ignored;
        if (sql__accept_keyword(p, KW_COMMENT)) {
            TRY(sql__parse_string(p, "a comment in quotes", &ignored));
        }
    } while (sql__accept_sign(p, ','));
    return sql__expect_sign(p, ')');
}

static err parse_view(struct sql_parser *p, struct sql_create *create)
{
    if (sql__at_sign(p, '(')) {
        TRY(parse_view_columns(p, create));
    }
    if (sql__accept_keyword(p, KW_COMMENT)) {
        TRY(sql__parse_string(p, "a comment in quotes", &create->comment));
    }
    TRY(sql__expect_keyword(p, KW_AS));
    TRY(sql__parse_query(p, &create->view));
    create->view_text = str_slice(p->text, create->view->span.start,
                                  create->view->span.start + create->view->span.len);
    return OK;
}

static err reject_create(struct sql_parser *p, isize first)
{
    const struct sql_token *token = sql__peek(p, 0);
    if (token->kind != TOKEN_WORD) {
        return sql__unexpected(p, "TABLE or VIEW");
    }
    static const enum sql_keyword known[] = {KW_FUNCTION,     KW_CATALOG, KW_DATABASE,
                                             KW_MATERIALIZED, KW_MODEL,   KW_SYSTEM};
    for (isize i = 0; i < COUNT_OF(known); i++) {
        if (token->keyword == known[i]) {
            str word = sql__token_text(p, token);
            p->at++;
            return sql__fail(p->diag, SQLE_UNSUPPORTED, sql__span_since(p, first),
                             "CREATE " STR_FMT " is not supported", STR_ARG(word));
        }
    }
    return sql__unexpected(p, "TABLE or VIEW");
}

err sql__parse_create(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at++;
    if (sql__at_keywords(p, KW_OR, KW_REPLACE)) {
        p->at += 2;
        return sql__unsupported(p, sql__span_since(p, first), "CREATE OR REPLACE");
    }
    out->is_temporary = sql__accept_keyword(p, KW_TEMPORARY);
    bool is_view = sql__at_keyword(p, KW_VIEW);
    if (!is_view && !sql__at_keyword(p, KW_TABLE)) {
        return reject_create(p, first);
    }
    p->at++;
    if (sql__accept_keyword(p, KW_IF)) {
        TRY(sql__expect_keyword(p, KW_NOT));
        TRY(sql__expect_keyword(p, KW_EXISTS));
        out->if_not_exists = true;
    }
    struct sql_create *create = ARENA_NEW(p->arena, struct sql_create);
    TRY(sql__parse_ident(p, is_view ? "a view name" : "a table name", &create->name));
    sql__set_name(out, &create->name);
    TRY(is_view ? parse_view(p, create) : parse_table(p, create));
    struct sql_ast *ast = ARENA_NEW(p->arena, struct sql_ast);
    ast->create = create;
    out->kind = is_view ? SQL_CREATE_VIEW : SQL_CREATE_TABLE;
    out->ast = ast;
    return OK;
}
