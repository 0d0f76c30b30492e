/* sql/bind_create.c: CREATE TABLE and CREATE VIEW to definitions, checked. LIKE is in bind_like.c.
 */
#include "sql/create_int.h"

/* "before `name` after" */
static err fail(const struct create *c, enum sql_error id, struct sql_span span, const char *before,
                str name, const char *after)
{
    return sql__fail(c->b->diag, id, span, "%s`" STR_FMT "`%s", before,
                     STR_ARG(str_slice(name, 0, 128)), after);
}

static isize find_column(const struct create *c, str name)
{
    for (isize i = 0; i < c->count; i++) {
        if (str_eq(c->drafts[i].column.name, name)) {
            return i;
        }
    }
    return -1;
}

static err unknown_column(const struct create *c, const struct sql_ast_part *part,
                          enum sql_error id)
{
    err e = fail(c, id, part->span, "", part->name, " is not a column of the table");
    str *names = ARENA_ARRAY(c->b->arena, str, c->count + 1);
    for (isize i = 0; i < c->count; i++) {
        names[i] = c->drafts[i].column.name;
    }
    sql__suggest(c->b->diag, part->name, names, c->count);
    return e;
}

/* --- columns ---------------------------------------------------------------------------------- */

static err add_columns(struct create *c)
{
    for (isize i = 0; i < c->ast->column_count; i++) {
        const struct sql_column *given = &c->ast->columns[i];
        struct create_draft draft = {
            .column = {.name = given->name.name,
                       .type = given->type,
                       .kind = given->kind,
                       .metadata_key = given->metadata_key,
                       .is_virtual = given->is_virtual,
                       .comment = given->comment},
            .expr = given->expr,
            .span = given->name.span,
            .type_span = given->type_span,
        };
        if (given->kind == COLUMN_COMPUTED) {
            draft.column.expr_text = str_slice(c->statement->text, given->expr_span.start,
                                               given->expr_span.start + given->expr_span.len);
        }
        TRY(sql__create_add(c, &draft));
    }
    return OK;
}

/* What computed columns may read. */
static err new_inputs(struct create *c, struct sql_relation *out)
{
    struct rel *rel = NULL;
    TRY(sql__new_rel(c->b, REL_VALUES, &rel));
    rel->fields = ARENA_ARRAY(c->b->arena, struct type_field, c->count + 1);
    for (isize i = 0; i < c->count; i++) {
        const struct table_column *column = &c->drafts[i].column;
        if (column->kind != COLUMN_COMPUTED) {
            rel->fields[rel->field_count++] =
                (struct type_field){.name = column->name, .type = column->type};
        }
    }
    *out = (struct sql_relation){.rel = rel, .window = {-1, -1, -1}};
    return OK;
}

static err bind_computed(struct create *c, const struct sql_relation *inputs,
                         struct create_draft *draft)
{
    const struct sql_scope scope = {.from = inputs, .place = "a computed column"};
    const struct expr *expr = NULL;
    if (draft->expr == NULL) {
        TRY(sql__bind_text(c->b, draft->column.expr_text, inputs, &expr));
    } else {
        err e = sql__bind_expr(c->b, &scope, draft->expr, &expr);
        if (e == ERR_NOT_FOUND) {
            diag_hint(c->b->diag, "a computed column reads physical and metadata columns only");
        }
        TRY(e);
    }
    if (expr->type->kind == TYPE_NULL) {
        return fail(c, SQLE_COMPUTED, draft->span, "computed column ", draft->column.name,
                    " has no type");
    }
    draft->column.type = expr->type;
    return OK;
}

static err check_metadata(struct create *c, const struct table_def *table,
                          const struct create_draft *draft)
{
    const struct catalog_ops *ops = c->b->ops;
    if (ops->metadata_type == NULL) {
        return OK;
    }
    const struct table_column *column = &draft->column;
    const struct type *given = ops->metadata_type(ops->ctx, table, column->metadata_key);
    if (given == NULL) {
        return fail(c, SQLE_METADATA, draft->span, "the connector has no metadata key ",
                    column->metadata_key, "");
    }
    struct func_bound cast;
    if (type_eq(given, column->type, false) ||
        func_bind_cast(c->b->arena, given, column->type, false, &cast, NULL) == OK) {
        return OK;
    }
    struct buf shown;
    buf_init(&shown, 200);
    type_format(given, &shown);
    err e = sql__fail(c->b->diag, SQLE_METADATA, draft->type_span,
                      "metadata '" STR_FMT "' is " STR_FMT ", which cannot be cast to this type",
                      STR_ARG(column->metadata_key), STR_ARG(buf_str(&shown)));
    buf_deinit(&shown);
    return e;
}

static err bind_columns(struct create *c)
{
    struct sql_relation inputs;
    TRY(new_inputs(c, &inputs));
    for (isize i = 0; i < c->count; i++) {
        if (c->drafts[i].column.kind == COLUMN_COMPUTED) {
            TRY(bind_computed(c, &inputs, &c->drafts[i]));
        }
    }
    return OK;
}

/* --- watermark -------------------------------------------------------------------------------- */

static bool is_rowtime(const struct type *type)
{
    return type_is_timestamp(type) && type->precision <= 3;
}

static err bad_time_type(const struct create *c, const struct type *type, struct sql_span span,
                         const char *what)
{
    struct buf shown;
    buf_init(&shown, 200);
    type_format(type, &shown);
    err e =
        sql__fail(c->b->diag, SQLE_WATERMARK, span, "%s " STR_FMT, what, STR_ARG(buf_str(&shown)));
    buf_deinit(&shown);
    return e;
}

static err check_rowtime(struct create *c, isize column, struct sql_span span)
{
    const struct type *type = c->drafts[column].column.type;
    if (type->time_attribute == TYPE_TIME_PROC || !is_rowtime(type)) {
        return bad_time_type(c, type, span,
                             "Invalid data type of time field for watermark definition. The field "
                             "must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported "
                             "precision 'p' is from 0 to 3, but the time field type is");
    }
    return OK;
}

static err bind_watermark_expr(struct create *c, const struct sql_relation *all,
                               const struct expr **out, struct sql_span *span_out)
{
    const struct sql_create *ast = c->ast;
    *span_out = ast->watermark_span;
    if (!ast->has_watermark) {
        *span_out = ast->like.span;
        return sql__bind_text(c->b, c->watermark_text, all, out);
    }
    const struct sql_scope scope = {.from = all, .place = "a watermark"};
    return sql__bind_expr(c->b, &scope, ast->watermark, out);
}

static err bind_watermark(struct create *c, struct table_def *table)
{
    struct sql_relation all;
    struct rel *rel = NULL;
    TRY(sql__new_rel(c->b, REL_VALUES, &rel));
    rel->fields = ARENA_ARRAY(c->b->arena, struct type_field, c->count + 1);
    rel->field_count = c->count;
    for (isize i = 0; i < c->count; i++) {
        const struct table_column *column = &c->drafts[i].column;
        rel->fields[i] = (struct type_field){.name = column->name, .type = column->type};
    }
    all = (struct sql_relation){.rel = rel, .window = {-1, -1, -1}};
    const struct expr *expr = NULL;
    struct sql_span span;
    TRY(bind_watermark_expr(c, &all, &expr, &span));
    if (!is_rowtime(expr->type)) {
        return bad_time_type(c, expr->type, span,
                             "Invalid data type of expression for watermark definition. The field "
                             "must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p), the supported "
                             "precision 'p' is from 0 to 3, but the watermark expression type "
                             "is");
    }
    table->watermark_text = c->watermark_text;
    return OK;
}

static err set_watermark(struct create *c, struct table_def *table)
{
    const struct sql_create *ast = c->ast;
    table->watermark_column = -1;
    if (ast->has_watermark) {
        if (ast->watermark_part_count > 1) {
            return fail(c, SQLE_WATERMARK, ast->watermark_column[1].span,
                        "the rowtime column must be a top-level column, ",
                        ast->watermark_column[1].name, " is a field");
        }
        c->watermark_name = ast->watermark_column[0];
        c->watermark_text = str_slice(c->statement->text, ast->watermark_span.start,
                                      ast->watermark_span.start + ast->watermark_span.len);
    }
    if (c->watermark_text.len == 0) {
        return OK;
    }
    isize column = find_column(c, c->watermark_name.name);
    if (column < 0) {
        return unknown_column(c, &c->watermark_name, SQLE_WATERMARK);
    }
    TRY(check_rowtime(c, column, c->watermark_name.span));
    table->watermark_column = column;
    TRY(bind_watermark(c, table));
    c->drafts[column].column.type =
        type_with_time(c->b->arena, c->drafts[column].column.type, TYPE_TIME_ROW);
    return OK;
}

/* --- keys ------------------------------------------------------------------------------------- */

static err find_keys(struct create *c, const struct sql_ast_part *names, isize count,
                     enum sql_error id, isize **out)
{
    isize *positions = ARENA_ARRAY(c->b->arena, isize, count + 1);
    for (isize i = 0; i < count; i++) {
        positions[i] = find_column(c, names[i].name);
        if (positions[i] < 0) {
            return unknown_column(c, &names[i], id);
        }
        if (c->drafts[positions[i]].column.kind != COLUMN_PHYSICAL) {
            return fail(c, id, names[i].span, "key column ", names[i].name,
                        " must be a physical column");
        }
        for (isize j = 0; j < i; j++) {
            if (positions[j] == positions[i]) {
                return fail(c, id, names[i].span, "key column ", names[i].name, " is given twice");
            }
        }
    }
    *out = positions;
    return OK;
}

static err set_keys(struct create *c, struct table_def *table)
{
    struct arena *arena = c->b->arena;
    TRY(find_keys(c, c->primary_key, c->primary_key_count, SQLE_PRIMARY_KEY, &table->primary_key));
    table->primary_key_count = c->primary_key_count;
    table->primary_key_name = c->primary_key_name;
    CHECK(table->primary_key != NULL);
    for (isize i = 0; i < table->primary_key_count; i++) {
        struct table_column *column = &c->drafts[table->primary_key[i]].column;
        column->type = type_with_null(arena, column->type, false);
        if (c->primary_key_name.len == 0) {
            table->primary_key_name = arena_printf(
                arena, STR_FMT "_" STR_FMT, STR_ARG(i == 0 ? STR("PK") : table->primary_key_name),
                STR_ARG(column->name));
        }
    }
    TRY(find_keys(c, c->partition_keys, c->partition_key_count, SQLE_PARTITION_KEY,
                  &table->partition_keys));
    table->partition_key_count = c->partition_key_count;
    return OK;
}

/* --- CREATE TABLE ----------------------------------------------------------------------------- */

static void set_head(const struct create *c, struct table_def *out)
{
    str parts[3];
    sql__qualify(c->b, &c->ast->name, parts);
    *out = (struct table_def){.catalog = parts[0],
                              .database = parts[1],
                              .name = parts[2],
                              .is_temporary = c->statement->is_temporary,
                              .watermark_column = -1,
                              .comment = c->ast->comment,
                              .create_text = c->statement->text};
}

static void set_columns(const struct create *c, struct table_def *table)
{
    table->columns = ARENA_ARRAY(c->b->arena, struct table_column, c->count + 1);
    table->column_count = c->count;
    for (isize i = 0; i < c->count; i++) {
        table->columns[i] = c->drafts[i].column;
    }
}

static err check_table(struct create *c, const struct table_def *table)
{
    const struct catalog_ops *ops = c->b->ops;
    for (isize i = 0; i < c->count; i++) {
        if (c->drafts[i].column.kind == COLUMN_METADATA) {
            TRY(check_metadata(c, table, &c->drafts[i]));
        }
    }
    if (ops->check_table == NULL) {
        return OK;
    }
    err e = ops->check_table(ops->ctx, table, c->b->diag);
    return sql__located(c->b, e, c->ast->name.span);
}

static err bind_table(struct create *c, struct table_def *out)
{
    if (c->ast->has_like) {
        TRY(sql__create_like(c));
    }
    TRY(sql__create_merge(c));
    TRY(add_columns(c));
    struct table_def table;
    set_head(c, &table);
    if (c->count == 0) {
        return fail(c, SQLE_SYNTAX, c->ast->name.span, "table ", table.name, " has no column");
    }
    if (c->option_count == 0) {
        err e = fail(c, SQLE_CREATE_OPTIONS, c->ast->name.span, "table ", table.name,
                     " has no WITH options");
        diag_hint(c->b->diag, "add WITH ('connector' = 'kinesis', ...)");
        return e;
    }
    TRY(bind_columns(c));
    TRY(set_watermark(c, &table));
    TRY(set_keys(c, &table));
    set_columns(c, &table);
    table.options = c->options;
    table.option_count = c->option_count;
    TRY(check_table(c, &table));
    *out = table;
    return OK;
}

/* --- CREATE VIEW ------------------------------------------------------------------------------ */

static err bind_view(struct create *c, struct table_def *out)
{
    struct sql_relation query;
    TRY(sql__bind_query(c->b, c->ast->view, &query));
    const struct rel *rel = query.rel;
    bool has_names = c->ast->view_column_count > 0;
    if (has_names && c->ast->view_column_count != rel->field_count) {
        return sql__fail(c->b->diag, SQLE_VIEW_COLUMNS, c->ast->view_columns[0].span,
                         "the list has %td names, the query has %td columns",
                         c->ast->view_column_count, rel->field_count);
    }
    for (isize i = 0; i < rel->field_count; i++) {
        struct create_draft draft = {
            .column = {.name = rel->fields[i].name, .type = rel->fields[i].type},
            .span = c->ast->view->span};
        if (has_names) {
            draft.column.name = c->ast->view_columns[i].name;
            draft.span = c->ast->view_columns[i].span;
        }
        TRY(sql__create_add(c, &draft));
    }
    set_head(c, out);
    set_columns(c, out);
    out->is_view = true;
    out->view_text = c->ast->view_text;
    return OK;
}

err sql_bind_create(struct arena *arena, const struct sql_statement *statement,
                    const struct catalog_ops *ops, struct table_def *out, struct diag *diag)
{
    CHECK(statement->kind == SQL_CREATE_TABLE || statement->kind == SQL_CREATE_VIEW);
    struct sql_binder b;
    sql__binder_init(&b, arena, ops, diag);
    struct create c = {.b = &b, .statement = statement, .ast = statement->ast->create};
    struct table_def table;
    TRY(statement->kind == SQL_CREATE_VIEW ? bind_view(&c, &table) : bind_table(&c, &table));
    *out = *sql__copy_table(arena, &table);
    return OK;
}
