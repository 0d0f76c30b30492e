/* sql/bind_from.c: FROM: tables, views, WITH queries, subqueries, aliases, hints. */
#include "sql/bind_int.h"

void sql__qualify(const struct sql_binder *b, const struct sql_ident *ident, str parts[3])
{
    parts[0] = ident->count > 2 ? ident->parts[0].name : b->catalog;
    parts[1] = ident->count > 1 ? ident->parts[ident->count - 2].name : b->database;
    parts[2] = ident->parts[ident->count - 1].name;
}

static err unknown_table(struct sql_binder *b, const struct sql_ident *ident, const str parts[3])
{
    struct sql_span span = sql__bind_span(b, ident->span);
    err e = sql__fail(b->diag, SQLE_UNKNOWN_TABLE, span, "table `" STR_FMT "` does not exist",
                      STR_ARG(str_slice(parts[2], 0, 128)));
    if (b->diag == NULL || b->ops->names == NULL) {
        return e;
    }
    const str *names = NULL;
    isize count = b->ops->names(b->ops->ctx, parts[0], parts[1], &names);
    sql__suggest(b->diag, parts[2], names, count);
    diag_hint(b->diag, "SHOW TABLES lists the %td tables and views of " STR_FMT "." STR_FMT, count,
              STR_ARG(str_slice(parts[0], 0, 64)), STR_ARG(str_slice(parts[1], 0, 64)));
    return e;
}

err sql__find_table(struct sql_binder *b, const struct sql_ident *ident,
                    const struct table_def **out)
{
    str parts[3];
    sql__qualify(b, ident, parts);
    err e = b->ops == NULL || b->ops->find_table == NULL
                ? ERR_NOT_FOUND
                : b->ops->find_table(b->ops->ctx, parts[0], parts[1], parts[2], out);
    if (e == ERR_NOT_FOUND && b->ops != NULL) {
        return unknown_table(b, ident, parts);
    }
    if (e != OK) {
        return sql__fail(b->diag, SQLE_UNKNOWN_TABLE, sql__bind_span(b, ident->span),
                         "table `" STR_FMT "` cannot be read: %s",
                         STR_ARG(str_slice(parts[2], 0, 128)), err_text(e));
    }
    return OK;
}

err sql__apply_hints(struct sql_binder *b, const struct table_def *table,
                     const struct plan_option *hints, isize count, const struct table_def **out)
{
    struct table_def *copy = sql__copy_table(b->arena, table);
    struct plan_option *options =
        ARENA_ARRAY(b->arena, struct plan_option, copy->option_count + count + 1);
    isize n = 0;
    for (; n < copy->option_count; n++) {
        options[n] = copy->options[n];
    }
    for (isize h = 0; h < count; h++) {
        isize at = 0;
        while (at < n && !str_eq(options[at].key, hints[h].key)) {
            at++;
        }
        options[at] = hints[h];
        n += at == n;
    }
    copy->options = options;
    copy->option_count = n;
    *out = copy;
    return OK;
}

/* --- names of what FROM gives ----------------------------------------------------------------- */

static err rename_columns(struct sql_binder *b, const struct sql_ast_part *names, isize count,
                          struct sql_relation *relation)
{
    const struct rel *input = relation->rel;
    if (count != input->field_count) {
        return sql__fail(b->diag, SQLE_VIEW_COLUMNS, sql__bind_span(b, names[0].span),
                         "the list has %td names for %td columns", count, input->field_count);
    }
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    str *columns = ARENA_ARRAY(b->arena, str, count + 1);
    for (isize i = 0; i < count; i++) {
        exprs[i] = sql__new_column(b, input->fields[i].type, i, sql__bind_span(b, names[i].span));
        columns[i] = names[i].name;
    }
    return sql__new_project(b, input, exprs, columns, count, &relation->rel);
}

static err set_alias(struct sql_binder *b, const struct sql_from *from,
                     struct sql_relation *relation)
{
    if (from->alias.name.len > 0) {
        relation->name = from->alias.name;
        relation->catalog = relation->database = STR_EMPTY;
    }
    return from->column_count == 0 ? OK
                                   : rename_columns(b, from->columns, from->column_count, relation);
}

/* --- views and WITH queries ------------------------------------------------------------------- */

static err parse_view(struct sql_binder *b, str text, struct sql_query **out)
{
    struct sql_parser p;
    TRY(sql__parser_init(&p, b->arena, text, b->diag));
    TRY(sql__parse_query(&p, out));
    return sql__expect_end(&p);
}

static err bind_view_query(struct sql_binder *inner, const struct table_def *view,
                           struct sql_relation *out)
{
    struct sql_query *query = NULL;
    TRY(parse_view(inner, view->view_text, &query));
    TRY(sql__bind_query(inner, query, out));
    struct sql_ast_part *names =
        ARENA_ARRAY(inner->arena, struct sql_ast_part, view->column_count + 1);
    bool is_same = view->column_count == out->rel->field_count;
    for (isize i = 0; i < view->column_count; i++) {
        names[i].name = arena_copy(inner->arena, view->columns[i].name);
        is_same = is_same && str_eq(names[i].name, out->rel->fields[i].name);
    }
    return is_same || view->column_count == 0
               ? OK
               : rename_columns(inner, names, view->column_count, out);
}

err sql__inner_error(struct sql_binder *b, err e, const struct diag *detail, const char *kind,
                     str name, struct sql_span span)
{
    if (e == ERR_LIMIT) { /* Not the view's fault. */
        return sql__located(b, diag_set(b->diag, e, detail->code, "%s", detail->message), span);
    }
    return sql__fail(b->diag, SQLE_VIEW_BROKEN, span, "%s `" STR_FMT "`: %s", kind, STR_ARG(name),
                     detail->message);
}

static err bind_view(struct sql_binder *b, const struct table_def *view, struct sql_span span,
                     struct sql_relation *out)
{
    struct diag detail;
    diag_init(&detail);
    struct sql_binder inner = *b;
    inner.diag = &detail;
    inner.ctes = NULL;
    inner.catalog = view->catalog;
    inner.database = view->database;
    inner.has_fixed_span = true;
    inner.fixed_span = span;
    err e = bind_view_query(&inner, view, out);
    b->rel_count = inner.rel_count;
    b->fold_bytes = inner.fold_bytes;
    if (e != OK) {
        return sql__inner_error(b, e, &detail, "view", view->name, span);
    }
    out->name = arena_copy(b->arena, view->name);
    out->database = arena_copy(b->arena, view->database);
    out->catalog = arena_copy(b->arena, view->catalog);
    return OK;
}

static const struct sql_cte *find_cte(const struct sql_binder *b, const struct sql_ident *table)
{
    const struct sql_cte *cte = table->count == 1 ? b->ctes : NULL;
    while (cte != NULL && !str_eq(cte->name.name, table->parts[0].name)) {
        cte = cte->outer;
    }
    return cte;
}

static err bind_cte(struct sql_binder *b, const struct sql_cte *cte, struct sql_relation *out)
{
    const struct sql_cte *visible = b->ctes;
    b->ctes = cte->outer;
    err e = sql__bind_query(b, cte->query, out);
    b->ctes = visible;
    TRY(e);
    out->name = cte->name.name;
    return cte->column_count == 0 ? OK : rename_columns(b, cte->columns, cte->column_count, out);
}

/* --- tables ----------------------------------------------------------------------------------- */

static err bind_table(struct sql_binder *b, const struct sql_from *from, struct sql_relation *out)
{
    const struct sql_cte *cte = find_cte(b, &from->table);
    struct sql_span span = sql__bind_span(b, from->table.span);
    if (cte != NULL) {
        return bind_cte(b, cte, out);
    }
    const struct table_def *table = NULL;
    TRY(sql__find_table(b, &from->table, &table));
    CHECK(table != NULL);
    if (table->is_view) {
        return from->hint_count == 0 ? bind_view(b, table, span, out)
                                     : sql__fail(b->diag, SQLE_UNSUPPORTED, span,
                                                 "OPTIONS on a view is not supported");
    }
    TRY(sql__apply_hints(b, table, from->hints, from->hint_count, &table));
    if (b->ops->check_table != NULL) {
        err e = b->ops->check_table(b->ops->ctx, table, b->diag);
        if (e != OK && b->diag != NULL && (from->hint_count == 0 || b->diag->span_start < 0)) {
            b->diag->span_start = span.start; /* Not into the CREATE statement. */
            b->diag->span_len = span.len;
        }
        TRY(e);
    }
    return sql__bind_scan(b, table, span, out);
}

err sql__bind_from(struct sql_binder *b, const struct sql_from *from, struct sql_relation *out)
{
    *out = (struct sql_relation){.window = {-1, -1, -1}};
    switch (from->kind) {
    case FROM_TABLE:
        TRY(bind_table(b, from, out));
        break;
    case FROM_QUERY:
        TRY(sql__bind_query(b, from->query, out));
        out->name = out->database = out->catalog = STR_EMPTY;
        break;
    case FROM_FUNCTION:
        TRY(sql__bind_window(b, from, out));
        break;
    }
    return set_alias(b, from, out);
}
