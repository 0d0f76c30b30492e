/* sql/parse_query.c: SELECT, VALUES, UNION ALL, WITH, FROM. What Flink has beyond is named. */
#include "sql/sql_int.h"

enum { LIST_MAX = 5000 };

static err unsupported_here(struct sql_parser *p, const char *what)
{
    return sql__unsupported(p, sql__token_span(sql__peek(p, 0)), what);
}

bool sql__at_query(const struct sql_parser *p)
{
    isize ahead = 0;
    while (sql__peek(p, ahead)->kind == TOKEN_SIGN && sql__peek(p, ahead)->sign == '(') {
        ahead++;
    }
    u32 keyword = sql__peek(p, ahead)->keyword;
    return keyword == KW_SELECT || keyword == KW_WITH || keyword == KW_VALUES;
}

/* --- hints ------------------------------------------------------------------------------------ */

/* Skips "(...)" with what is in it. */
static err parse_hint(struct sql_parser *p, struct plan_option **out, isize *count_out)
{
    struct sql_ast_part name;
    isize first = p->at;
    TRY(sql__parse_name(p, "a hint", &name));
    if (!str_eq_nocase(name.name, STR("OPTIONS"))) {
        return sql__fail(p->diag, SQLE_UNSUPPORTED, sql__span_since(p, first),
                         "hint " STR_FMT " is not supported", STR_ARG(str_slice(name.name, 0, 64)));
    }
    return sql__parse_options(p, out, count_out);
}

err sql__parse_hints(struct sql_parser *p, struct plan_option **out, isize *count_out)
{
    *out = NULL;
    *count_out = 0;
    if (sql__peek(p, 0)->kind != TOKEN_HINT_OPEN) {
        return OK;
    }
    p->at++;
    TRY(parse_hint(p, out, count_out));
    (void)sql__accept_sign(p, ',');
    if (sql__peek(p, 0)->kind != TOKEN_HINT_CLOSE) {
        return sql__unexpected(p, "the end of the hint, */");
    }
    p->at++;
    return OK;
}

/* --- FROM ------------------------------------------------------------------------------------- */

static err parse_alias(struct sql_parser *p, struct sql_from *from)
{
    bool has_as = sql__accept_keyword(p, KW_AS);
    if (!has_as && !sql__at_name(p)) {
        return OK;
    }
    TRY(sql__parse_name(p, "an alias", &from->alias));
    if (sql__at_sign(p, '(')) {
        TRY(sql__parse_names(p, "a column name", &from->columns, &from->column_count));
    }
    return OK;
}

static err reject_after_from(struct sql_parser *p)
{
    static const struct {
        enum sql_keyword keyword;
        const char *what;
    } rejected[] = {{KW_JOIN, "JOIN"},
                    {KW_INNER, "JOIN"},
                    {KW_LEFT, "LEFT JOIN"},
                    {KW_RIGHT, "RIGHT JOIN"},
                    {KW_FULL, "FULL JOIN"},
                    {KW_CROSS, "CROSS JOIN"},
                    {KW_NATURAL, "NATURAL JOIN"},
                    {KW_ASOF, "ASOF JOIN"},
                    {KW_LATERAL, "LATERAL"},
                    {KW_MATCH_RECOGNIZE, "MATCH_RECOGNIZE"},
                    {KW_FOR, "FOR SYSTEM_TIME AS OF"},
                    {KW_TABLESAMPLE, "TABLESAMPLE"}};
    for (isize i = 0; i < COUNT_OF(rejected); i++) {
        if (sql__at_keyword(p, rejected[i].keyword)) {
            return unsupported_here(p, rejected[i].what);
        }
    }
    return sql__at_sign(p, ',') ? unsupported_here(p, "a join (several tables in FROM)") : OK;
}

static err parse_from_source(struct sql_parser *p, struct sql_from *from)
{
    const struct sql_token *next = sql__peek(p, 1);
    bool has_bracket = next->kind == TOKEN_SIGN && next->sign == '(';
    if (sql__at_sign(p, '(') && sql__at_query(p)) {
        from->kind = FROM_QUERY;
        p->at++;
        TRY(sql__parse_query(p, &from->query));
        return sql__expect_sign(p, ')');
    }
    if (sql__at_keyword(p, KW_LATERAL) || sql__at_keyword(p, KW_UNNEST)) {
        return unsupported_here(p, sql__at_keyword(p, KW_UNNEST) ? "UNNEST" : "LATERAL");
    }
    if (sql__at_keyword(p, KW_TABLE)) {
        from->kind = FROM_FUNCTION;
        p->at++;
        TRY(sql__expect_sign(p, '('));
        const struct sql_token *open = sql__peek(p, 1);
        if (!sql__at_name(p) || open->kind != TOKEN_SIGN || open->sign != '(') {
            return sql__unexpected(p, "a table function such as TUMBLE(...)");
        }
        TRY(sql__parse_call(p, &from->call));
        return sql__expect_sign(p, ')');
    }
    if (has_bracket && sql__at_name(p)) {
        from->kind = FROM_FUNCTION;
        return sql__parse_call(p, &from->call);
    }
    from->kind = FROM_TABLE;
    TRY(sql__parse_ident(p, "a table name", &from->table));
    return sql__parse_hints(p, &from->hints, &from->hint_count);
}

static err parse_from(struct sql_parser *p, struct sql_from **out)
{
    isize first = p->at;
    struct sql_from *from = ARENA_NEW(p->arena, struct sql_from);
    TRY(parse_from_source(p, from));
    from->span = sql__span_since(p, first);
    TRY(reject_after_from(p));
    TRY(parse_alias(p, from));
    *out = from;
    return reject_after_from(p);
}

/* --- SELECT ----------------------------------------------------------------------------------- */

static err parse_item(struct sql_parser *p, struct sql_item *out)
{
    if (sql__accept_sign(p, '*')) {
        out->expr = sql__expr_new(p, AST_STAR, p->at - 1);
        return OK;
    }
    TRY(sql__parse_expr(p, &out->expr));
    if (sql__accept_keyword(p, KW_AS) || sql__at_name(p)) {
        return sql__parse_name(p, "an alias", &out->alias);
    }
    return OK;
}

static err parse_items(struct sql_parser *p, struct sql_select *select)
{
    do {
        select->items =
            arena_grow(p->arena, select->items, select->item_count, (isize)sizeof *select->items);
        TRY(parse_item(p, &select->items[select->item_count]));
        if (++select->item_count > LIST_MAX) {
            return sql__fail(p->diag, SQLE_TOO_MANY, sql__token_span(sql__peek(p, 0)),
                             "SELECT has more than %d columns", LIST_MAX);
        }
    } while (sql__accept_sign(p, ','));
    return OK;
}

static err reject_grouping(struct sql_parser *p)
{
    if (sql__at_keyword(p, KW_ROLLUP) || sql__at_keyword(p, KW_CUBE)) {
        return unsupported_here(p, "ROLLUP and CUBE");
    }
    if (sql__at_keyword(p, KW_GROUPING)) {
        return unsupported_here(p, "GROUPING SETS");
    }
    const struct sql_token *token = sql__peek(p, 0), *next = sql__peek(p, 1);
    bool is_call = next->kind == TOKEN_SIGN && next->sign == '(';
    bool is_window =
        token->keyword == KW_TUMBLE || token->keyword == KW_HOP || token->keyword == KW_SESSION;
    if (is_call && is_window) {
        err e = unsupported_here(p, "the old form of windows in GROUP BY");
        diag_hint(p->diag,
                  "write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
                  "GROUP BY window_start, window_end");
        return e;
    }
    return OK;
}

static err parse_groups(struct sql_parser *p, struct sql_select *select)
{
    do {
        struct sql_expr *expr = NULL;
        TRY(reject_grouping(p));
        TRY(sql__parse_expr(p, &expr));
        select->groups = arena_grow(p->arena, select->groups, select->group_count,
                                    (isize)sizeof(struct sql_expr *));
        select->groups[select->group_count++] = expr;
        if (select->group_count > LIST_MAX) {
            return sql__fail(p->diag, SQLE_TOO_MANY, expr->span, "GROUP BY has more than %d keys",
                             LIST_MAX);
        }
    } while (sql__accept_sign(p, ','));
    return OK;
}

static err parse_select(struct sql_parser *p, struct sql_select *select)
{
    p->at++;
    if (sql__peek(p, 0)->kind == TOKEN_HINT_OPEN) {
        return unsupported_here(p, "a hint after SELECT");
    }
    if (sql__at_keyword(p, KW_DISTINCT)) {
        return unsupported_here(p, "SELECT DISTINCT");
    }
    (void)sql__accept_keyword(p, KW_ALL);
    TRY(parse_items(p, select));
    if (sql__accept_keyword(p, KW_FROM)) {
        TRY(parse_from(p, &select->from));
    }
    if (sql__accept_keyword(p, KW_WHERE)) {
        TRY(sql__parse_expr(p, &select->where));
    }
    if (sql__accept_keyword(p, KW_GROUP)) {
        TRY(sql__expect_keyword(p, KW_BY));
        TRY(parse_groups(p, select));
    }
    if (sql__accept_keyword(p, KW_HAVING)) {
        TRY(sql__parse_expr(p, &select->having));
    }
    if (sql__at_keyword(p, KW_WINDOW)) {
        return unsupported_here(p, "WINDOW");
    }
    return sql__at_keyword(p, KW_QUALIFY) ? unsupported_here(p, "QUALIFY") : OK;
}

static err parse_values(struct sql_parser *p, struct sql_select *select)
{
    p->at++;
    select->kind = SELECT_VALUES;
    do {
        struct sql_expr *row = NULL;
        TRY(sql__parse_expr(p, &row));
        if (row->kind != AST_PAIR && row->kind != AST_ROW) {
            struct sql_expr *single = sql__expr_new(p, AST_ROW, p->at - 1);
            single->span = row->span;
            TRY(sql__expr_add(p, single, row));
            row = single;
        }
        select->rows =
            arena_grow(p->arena, select->rows, select->row_count, (isize)sizeof(struct sql_expr *));
        select->rows[select->row_count++] = row;
    } while (sql__accept_sign(p, ','));
    return OK;
}

static err parse_term(struct sql_parser *p, struct sql_select **out)
{
    isize first = p->at;
    struct sql_select *select = ARENA_NEW(p->arena, struct sql_select);
    if (sql__at_keyword(p, KW_SELECT)) {
        TRY(parse_select(p, select));
    } else if (sql__at_keyword(p, KW_VALUES)) {
        TRY(parse_values(p, select));
    } else if (sql__accept_sign(p, '(')) {
        select->kind = SELECT_NESTED;
        TRY(sql__parse_query(p, &select->nested));
        TRY(sql__expect_sign(p, ')'));
    } else {
        return sql__unexpected(p, "a query (SELECT, VALUES or WITH)");
    }
    select->span = sql__span_since(p, first);
    *out = select;
    return OK;
}

/* --- query ------------------------------------------------------------------------------------ */

static err parse_ctes(struct sql_parser *p, struct sql_query *query)
{
    if (sql__at_keyword(p, KW_RECURSIVE)) {
        return unsupported_here(p, "WITH RECURSIVE");
    }
    do {
        query->ctes =
            arena_grow(p->arena, query->ctes, query->cte_count, (isize)sizeof *query->ctes);
        struct sql_cte *cte = &query->ctes[query->cte_count];
        TRY(sql__parse_name(p, "a name", &cte->name));
        if (sql__at_sign(p, '(')) {
            TRY(sql__parse_names(p, "a column name", &cte->columns, &cte->column_count));
        }
        TRY(sql__expect_keyword(p, KW_AS));
        TRY(sql__expect_sign(p, '('));
        TRY(sql__parse_query(p, &cte->query));
        TRY(sql__expect_sign(p, ')'));
        query->cte_count++;
    } while (sql__accept_sign(p, ','));
    return OK;
}

static err accept_union(struct sql_parser *p, bool *is_there)
{
    *is_there = false;
    if (sql__at_keyword(p, KW_INTERSECT) || sql__at_keyword(p, KW_EXCEPT) ||
        sql__at_keyword(p, KW_MINUS)) {
        return unsupported_here(p, sql__at_keyword(p, KW_INTERSECT) ? "INTERSECT" : "EXCEPT");
    }
    if (!sql__at_keyword(p, KW_UNION)) {
        return OK;
    }
    if (sql__peek(p, 1)->keyword != KW_ALL) {
        err e = unsupported_here(p, "UNION without ALL");
        diag_hint(p->diag, "UNION ALL keeps duplicates and is supported");
        return e;
    }
    p->at += 2;
    *is_there = true;
    return OK;
}

static err parse_tail(struct sql_parser *p, struct sql_query *query)
{
    if (sql__at_keyword(p, KW_ORDER)) {
        return unsupported_here(p, "ORDER BY");
    }
    if (sql__at_keyword(p, KW_LIMIT)) {
        isize first = p->at++;
        TRY(sql__parse_integer(p, "a number of rows", &query->limit));
        query->has_limit = true;
        query->limit_span = sql__span_since(p, first);
    }
    if (sql__at_keyword(p, KW_OFFSET)) {
        return unsupported_here(p, "OFFSET");
    }
    return sql__at_keyword(p, KW_FETCH) ? unsupported_here(p, "FETCH") : OK;
}

err sql__parse_query(struct sql_parser *p, struct sql_query **out)
{
    TRY(sql__enter(p));
    isize first = p->at;
    struct sql_query *query = ARENA_NEW(p->arena, struct sql_query);
    if (sql__accept_keyword(p, KW_WITH)) {
        TRY(parse_ctes(p, query));
    }
    bool has_more = true;
    while (has_more) {
        struct sql_select *part = NULL;
        TRY(parse_term(p, &part));
        query->parts = arena_grow(p->arena, query->parts, query->part_count,
                                  (isize)sizeof(struct sql_select *));
        query->parts[query->part_count++] = part;
        TRY(accept_union(p, &has_more));
    }
    TRY(parse_tail(p, query));
    query->span = sql__span_since(p, first);
    p->depth--;
    *out = query;
    return OK;
}
