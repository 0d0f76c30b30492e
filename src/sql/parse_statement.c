/* sql/parse_statement.c: what kind of statement it is, and the short ones. */
#include "sql/sql_int.h"

enum { STATEMENTS_MAX = 1000 };

void sql__set_name(struct sql_statement *out, const struct sql_ident *ident)
{
    isize last = ident->count - 1;
    out->name.name = ident->parts[last].name;
    out->name.database = last >= 1 ? ident->parts[last - 1].name : STR_EMPTY;
    out->name.catalog = last >= 2 ? ident->parts[last - 2].name : STR_EMPTY;
    out->name.span_start = ident->span.start;
    out->name.span_len = ident->span.len;
}

static err parse_target(struct sql_parser *p, const char *what, struct sql_statement *out)
{
    struct sql_ident ident;
    TRY(sql__parse_ident(p, what, &ident));
    sql__set_name(out, &ident);
    return OK;
}

static err unsupported_word(struct sql_parser *p, isize first, const char *prefix)
{
    const struct sql_token *token = sql__peek(p, 0);
    if (token->kind != TOKEN_WORD) {
        return sql__unexpected(p, "a word");
    }
    str word = str_slice(sql__token_text(p, token), 0, 64);
    p->at++;
    return sql__fail(p->diag, SQLE_UNSUPPORTED, sql__span_since(p, first),
                     "%s" STR_FMT " is not supported", prefix, STR_ARG(word));
}

/* --- DROP, SHOW, DESCRIBE, USE -----------------------------------------------------------------
 */

static err parse_drop(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at++;
    out->is_temporary = sql__accept_keyword(p, KW_TEMPORARY);
    if (sql__accept_keyword(p, KW_TABLE)) {
        out->kind = SQL_DROP_TABLE;
    } else if (sql__accept_keyword(p, KW_VIEW)) {
        out->kind = SQL_DROP_VIEW;
    } else {
        return unsupported_word(p, first, "DROP ");
    }
    if (sql__accept_keyword(p, KW_IF)) {
        TRY(sql__expect_keyword(p, KW_EXISTS));
        out->if_exists = true;
    }
    return parse_target(p, out->kind == SQL_DROP_TABLE ? "a table name" : "a view name", out);
}

/* [NOT] LIKE 'pattern' */
static err parse_show_like(struct sql_parser *p, struct sql_statement *out)
{
    bool is_not = sql__accept_keyword(p, KW_NOT);
    if (!sql__at_keyword(p, KW_LIKE)) {
        return is_not ? sql__unexpected(p, "LIKE") : OK;
    }
    p->at++;
    out->not_like = is_not;
    return sql__parse_string(p, "a pattern in quotes", &out->like);
}

static err parse_show_create(struct sql_parser *p, isize first, struct sql_statement *out)
{
    if (sql__accept_keyword(p, KW_TABLE)) {
        out->show = SHOW_CREATE_TABLE;
        return parse_target(p, "a table name", out);
    }
    if (sql__accept_keyword(p, KW_VIEW)) {
        out->show = SHOW_CREATE_VIEW;
        return parse_target(p, "a view name", out);
    }
    return unsupported_word(p, first, "SHOW CREATE ");
}

static err parse_show_current(struct sql_parser *p, isize first, struct sql_statement *out)
{
    if (sql__accept_keyword(p, KW_CATALOG)) {
        out->show = SHOW_CURRENT_CATALOG;
        return OK;
    }
    if (sql__accept_keyword(p, KW_DATABASE)) {
        out->show = SHOW_CURRENT_DATABASE;
        return OK;
    }
    return unsupported_word(p, first, "SHOW CURRENT ");
}

/* {FROM|IN} name */
static err parse_show_from(struct sql_parser *p, bool is_database, struct sql_statement *out)
{
    if (!sql__accept_keyword(p, KW_FROM) && !sql__accept_keyword(p, KW_IN)) {
        return OK;
    }
    TRY(parse_target(p, is_database ? "a database name" : "a table name", out));
    if (is_database) {
        if (out->name.catalog.len > 0) {
            return sql__fail(p->diag, SQLE_SYNTAX,
                             (struct sql_span){out->name.span_start, out->name.span_len},
                             "expected a database name");
        }
        out->name.catalog = out->name.database;
        out->name.database = out->name.name;
        out->name.name = STR_EMPTY;
    }
    return OK;
}

static err parse_show(struct sql_parser *p, struct sql_statement *out)
{
    static const struct {
        enum sql_keyword keyword;
        enum sql_show show;
    } plain[] = {{KW_TABLES, SHOW_TABLES},       {KW_VIEWS, SHOW_VIEWS},
                 {KW_FUNCTIONS, SHOW_FUNCTIONS}, {KW_JOBS, SHOW_JOBS},
                 {KW_COLUMNS, SHOW_COLUMNS},     {KW_CATALOGS, SHOW_CATALOGS},
                 {KW_DATABASES, SHOW_DATABASES}};
    isize first = p->at++;
    out->kind = SQL_SHOW;
    if (sql__accept_keyword(p, KW_CREATE)) {
        return parse_show_create(p, first, out);
    }
    if (sql__accept_keyword(p, KW_CURRENT)) {
        return parse_show_current(p, first, out);
    }
    for (isize i = 0; i < COUNT_OF(plain); i++) {
        if (!sql__accept_keyword(p, plain[i].keyword)) {
            continue;
        }
        out->show = plain[i].show;
        TRY(parse_show_from(p, out->show != SHOW_COLUMNS, out));
        if (out->show == SHOW_COLUMNS && out->name.name.len == 0) {
            return sql__unexpected(p, "FROM and a table name");
        }
        return parse_show_like(p, out);
    }
    return unsupported_word(p, first, "SHOW ");
}

static err parse_describe(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at++;
    out->kind = SQL_DESCRIBE;
    if (sql__at_keyword(p, KW_CATALOG) || sql__at_keyword(p, KW_DATABASE) ||
        sql__at_keyword(p, KW_FUNCTION) || sql__at_keyword(p, KW_JOB)) {
        const struct sql_token *next = sql__peek(p, 1);
        if (next->kind == TOKEN_WORD || next->kind == TOKEN_QUOTED || next->kind == TOKEN_STRING) {
            return unsupported_word(p, first, "DESCRIBE ");
        }
    }
    if (sql__at_keyword(p, KW_EXTENDED) && sql__peek(p, 1)->kind != TOKEN_END) {
        p->at++;
    }
    (void)sql__accept_keyword(p, KW_TABLE);
    return parse_target(p, "a table name", out);
}

static err parse_use(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at++;
    out->kind = SQL_USE;
    if (sql__at_keyword(p, KW_MODULES)) {
        return unsupported_word(p, first, "USE ");
    }
    bool is_catalog = sql__accept_keyword(p, KW_CATALOG);
    TRY(parse_target(p, is_catalog ? "a catalog name" : "a database name", out));
    if (out->name.catalog.len > 0 || (is_catalog && out->name.database.len > 0)) {
        return sql__fail(p->diag, SQLE_SYNTAX,
                         (struct sql_span){out->name.span_start, out->name.span_len},
                         "the name has too many parts");
    }
    out->name.catalog = is_catalog ? out->name.name : out->name.database;
    out->name.database = is_catalog ? STR_EMPTY : out->name.name;
    out->name.name = STR_EMPTY;
    return OK;
}

/* --- SET, RESET ------------------------------------------------------------------------------- */

/* table.local-time-zone: words and signs up to "=", with no blanks asked for. */
static err parse_key(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at;
    if (sql__at_string(p)) {
        TRY(sql__parse_string(p, "an option in quotes", &out->key));
    } else {
        while (sql__peek(p, 0)->kind == TOKEN_WORD || sql__peek(p, 0)->kind == TOKEN_INTEGER ||
               sql__at_sign(p, '.') || sql__at_sign(p, '-')) {
            p->at++;
        }
        if (p->at == first) {
            return sql__unexpected(p, "an option in quotes");
        }
        struct sql_span span = sql__span_since(p, first);
        out->key = str_slice(p->text, span.start, span.start + span.len);
    }
    struct sql_span span = sql__span_since(p, first);
    out->key_span_start = span.start;
    out->key_span_len = span.len;
    return OK;
}

static err parse_set(struct sql_parser *p, struct sql_statement *out)
{
    p->at++;
    out->kind = SQL_SET;
    if (sql__peek(p, 0)->kind == TOKEN_END || sql__at_sign(p, ';')) {
        return OK;
    }
    TRY(parse_key(p, out));
    TRY(sql__expect_sign(p, '='));
    if (sql__at_string(p)) {
        return sql__parse_string(p, "a value in quotes", &out->value);
    }
    isize first = p->at; /* The old form: all that follows is the value. */
    while (sql__peek(p, 0)->kind != TOKEN_END && !sql__at_sign(p, ';')) {
        p->at++;
    }
    if (p->at == first) {
        return sql__unexpected(p, "a value in quotes");
    }
    struct sql_span span = sql__span_since(p, first);
    out->value = str_slice(p->text, span.start, span.start + span.len);
    return OK;
}

static err parse_reset(struct sql_parser *p, struct sql_statement *out)
{
    p->at++;
    out->kind = SQL_RESET;
    bool is_bare = sql__peek(p, 0)->kind == TOKEN_END || sql__at_sign(p, ';');
    return is_bare ? OK : parse_key(p, out);
}

/* --- INSERT and statement sets -----------------------------------------------------------------
 */

static err parse_partition(struct sql_parser *p, struct sql_insert *insert)
{
    TRY(sql__expect_sign(p, '('));
    do {
        insert->partition = arena_grow(p->arena, insert->partition, insert->partition_count,
                                       (isize)sizeof *insert->partition);
        struct sql_partition_value *value = &insert->partition[insert->partition_count];
        TRY(sql__parse_name(p, "a column name", &value->name));
        TRY(sql__expect_sign(p, '='));
        TRY(sql__parse_expr(p, &value->value));
        insert->partition_count++;
    } while (sql__accept_sign(p, ','));
    return sql__expect_sign(p, ')');
}

static err parse_insert(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at++;
    out->kind = SQL_INSERT;
    if (sql__accept_keyword(p, KW_OVERWRITE)) {
        return sql__unsupported(p, sql__span_since(p, first), "INSERT OVERWRITE");
    }
    TRY(sql__expect_keyword(p, KW_INTO));
    struct sql_insert *insert = ARENA_NEW(p->arena, struct sql_insert);
    TRY(sql__parse_ident(p, "a table name", &insert->table));
    sql__set_name(out, &insert->table);
    TRY(sql__parse_hints(p, &insert->hints, &insert->hint_count));
    if (sql__accept_keyword(p, KW_PARTITION)) {
        TRY(parse_partition(p, insert));
    }
    if (sql__at_sign(p, '(') && !sql__at_query(p)) {
        TRY(sql__parse_names(p, "a column name", &insert->columns, &insert->column_count));
    }
    TRY(sql__parse_query(p, &insert->query));
    struct sql_ast *ast = ARENA_NEW(p->arena, struct sql_ast);
    ast->insert = insert;
    out->ast = ast;
    return OK;
}

static err parse_select(struct sql_parser *p, struct sql_statement *out)
{
    struct sql_ast *ast = ARENA_NEW(p->arena, struct sql_ast);
    out->kind = SQL_SELECT;
    out->ast = ast;
    return sql__parse_query(p, &ast->query);
}

static err parse_set_members(struct sql_parser *p, struct sql_statement *out)
{
    struct sql_statement *items = NULL;
    isize count = 0;
    while (!sql__accept_keyword(p, KW_END)) {
        if (!sql__at_keyword(p, KW_INSERT)) {
            return sql__unexpected(p, "INSERT INTO or END");
        }
        isize first = p->at;
        items = arena_grow(p->arena, items, count, (isize)sizeof *items);
        items[count] = (struct sql_statement){.text = p->text};
        TRY(parse_insert(p, &items[count]));
        if (++count > STATEMENTS_MAX) {
            return sql__fail(p->diag, SQLE_TOO_MANY, sql__span_since(p, first),
                             "a statement set has at most %d statements", STATEMENTS_MAX);
        }
        TRY(sql__expect_sign(p, ';'));
    }
    if (count == 0) {
        return sql__fail(p->diag, SQLE_SYNTAX, sql__span_since(p, p->at - 1),
                         "the statement set has no statement");
    }
    out->kind = SQL_STATEMENT_SET;
    out->inner = items;
    out->inner_count = count;
    return OK;
}

/* STATEMENT SET BEGIN ...; END, with BEGIN before it in the older form. */
static err parse_statement_set(struct sql_parser *p, bool is_old, struct sql_statement *out)
{
    TRY(sql__expect_keyword(p, KW_STATEMENT));
    TRY(sql__expect_keyword(p, KW_SET));
    TRY(is_old ? sql__expect_sign(p, ';') : sql__expect_keyword(p, KW_BEGIN));
    return parse_set_members(p, out);
}

static err parse_execute(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at++;
    if (sql__at_keyword(p, KW_STATEMENT)) {
        return parse_statement_set(p, false, out);
    }
    if (sql__at_keyword(p, KW_INSERT)) {
        return parse_insert(p, out);
    }
    if (sql__at_query(p)) {
        return parse_select(p, out);
    }
    return unsupported_word(p, first, "EXECUTE ");
}

/* --- EXPLAIN ---------------------------------------------------------------------------------- */

/* CHANGELOG_MODE, or a detail that leat has not: named, never left out in silence. */
static err parse_explain_detail(struct sql_parser *p, bool is_needed, bool *is_there_out)
{
    static const char *const unsupported[] = {"EXPLAIN ESTIMATED_COST", "EXPLAIN PLAN_ADVICE",
                                              "EXPLAIN JSON_EXECUTION_PLAN"};
    const struct sql_token *token = sql__peek(p, 0);
    str word = sql__token_text(p, token);
    *is_there_out = str_eq_nocase(word, STR("CHANGELOG_MODE"));
    if (*is_there_out) {
        p->at++;
        return OK;
    }
    for (isize i = 0; i < COUNT_OF(unsupported); i++) {
        if (str_eq_nocase(word, str_of(unsupported[i] + strlen("EXPLAIN ")))) {
            return sql__unsupported(p, sql__token_span(token), unsupported[i]);
        }
    }
    return is_needed ? sql__unexpected(p, "CHANGELOG_MODE") : OK;
}

static err parse_explain_details(struct sql_parser *p, struct sql_statement *out)
{
    isize first = p->at;
    bool is_there = false;
    TRY(parse_explain_detail(p, false, &is_there));
    while (is_there && sql__accept_sign(p, ',')) {
        TRY(parse_explain_detail(p, true, &is_there));
    }
    if (p->at > first) {
        struct sql_span span = sql__span_since(p, first);
        out->explain_details = str_slice(p->text, span.start, span.start + span.len);
    } else if (sql__accept_keyword(p, KW_PLAN)) {
        TRY(sql__expect_keyword(p, KW_FOR));
    }
    return OK;
}

static err parse_explain(struct sql_parser *p, struct sql_statement *out)
{
    p->at++;
    out->kind = SQL_EXPLAIN;
    TRY(parse_explain_details(p, out));
    struct sql_statement *inner = ARENA_NEW(p->arena, struct sql_statement);
    inner->text = p->text;
    out->inner = inner;
    out->inner_count = 1;
    if (sql__at_keyword(p, KW_INSERT)) {
        return parse_insert(p, inner);
    }
    if (sql__at_keyword(p, KW_STATEMENT)) {
        return parse_statement_set(p, false, inner);
    }
    return sql__at_query(p) ? parse_select(p, inner)
                            : sql__unexpected(p, "SELECT, INSERT or STATEMENT SET");
}

/* --- dispatch --------------------------------------------------------------------------------- */

static err parse_stop(struct sql_parser *p, struct sql_statement *out)
{
    p->at++;
    out->kind = SQL_STOP_JOB;
    TRY(sql__expect_keyword(p, KW_JOB));
    TRY(sql__parse_string(p, "the job's id in quotes", &out->job));
    while (sql__accept_keyword(p, KW_WITH)) {
        if (sql__accept_keyword(p, KW_SAVEPOINT)) {
            out->with_savepoint = true;
        } else {
            TRY(sql__expect_keyword(p, KW_DRAIN));
            out->with_drain = true;
        }
    }
    return OK;
}

static err reject_statement(struct sql_parser *p)
{
    static const char *const known[] = {
        "ALTER", "UPDATE", "DELETE",  "MERGE",   "TRUNCATE", "CALL", "ANALYZE", "LOAD", "UNLOAD",
        "ADD",   "REMOVE", "COMPILE", "REPLACE", "QUIT",     "EXIT", "CLEAR",   "HELP", "TABLE"};
    static const char *const starts[] = {"CREATE",   "DROP",    "INSERT", "SELECT", "SHOW",
                                         "DESCRIBE", "EXPLAIN", "SET",    "RESET",  "USE",
                                         "EXECUTE",  "BEGIN",   "STOP",   "WITH",   "VALUES"};
    const struct sql_token *token = sql__peek(p, 0);
    str word = str_slice(sql__token_text(p, token), 0, 64);
    for (isize i = 0; i < COUNT_OF(known); i++) {
        if (str_eq_nocase(word, str_of(known[i]))) {
            return unsupported_word(p, p->at, "");
        }
    }
    str candidates[COUNT_OF(starts)];
    for (isize i = 0; i < COUNT_OF(starts); i++) {
        candidates[i] = str_of(starts[i]);
    }
    err e = sql__fail(p->diag, SQLE_STATEMENT, sql__token_span(token),
                      "a statement cannot begin with \"" STR_FMT "\"", STR_ARG(word));
    sql__suggest(p->diag, word, candidates, COUNT_OF(candidates));
    return e;
}

err sql__parse_statement(struct sql_parser *p, struct sql_statement *out)
{
    if (sql__at_query(p)) {
        return parse_select(p, out);
    }
    switch ((int)sql__peek(p, 0)->keyword) {
    case KW_CREATE:
        return sql__parse_create(p, out);
    case KW_DROP:
        return parse_drop(p, out);
    case KW_SHOW:
        return parse_show(p, out);
    case KW_DESCRIBE:
    case KW_DESC:
        return parse_describe(p, out);
    case KW_EXPLAIN:
        return parse_explain(p, out);
    case KW_SET:
        return parse_set(p, out);
    case KW_RESET:
        return parse_reset(p, out);
    case KW_USE:
        return parse_use(p, out);
    case KW_INSERT:
        return parse_insert(p, out);
    case KW_EXECUTE:
        return parse_execute(p, out);
    case KW_BEGIN:
        p->at++;
        return parse_statement_set(p, true, out);
    case KW_STOP:
        return parse_stop(p, out);
    default:
        return reject_statement(p);
    }
}
