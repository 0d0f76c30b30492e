/*
 * sql/bind_scan.c: a table's rows: SCAN of physical and metadata columns, PROJECT
 * for computed ones, WATERMARK. The watermark stands below every filter, because
 * rows that WHERE drops move it too.
 */
#include "sql/bind_int.h"

err sql__bind_text(struct sql_binder *b, str text, const struct sql_relation *from,
                   const struct expr **out)
{
    struct sql_parser p;
    struct sql_expr *ast = NULL;
    TRY(sql__parser_init(&p, b->arena, text, b->diag));
    TRY(sql__parse_expr(&p, &ast));
    TRY(sql__expect_end(&p));
    const struct sql_scope scope = {.from = from, .place = "a computed column"};
    return sql__bind_expr(b, &scope, ast, out);
}

/* What the connector gives for the column: a metadata key has a type of its own. */
static const struct type *scan_type(struct sql_binder *b, const struct table_def *table,
                                    const struct table_column *column)
{
    const struct type *type = sql__plain(b, column->type);
    if (column->kind == COLUMN_METADATA && b->ops->metadata_type != NULL) {
        const struct type *given = b->ops->metadata_type(b->ops->ctx, table, column->metadata_key);
        type = given == NULL ? type : given;
    }
    return type;
}

static err new_scan(struct sql_binder *b, const struct table_def *table, struct rel **out)
{
    struct rel *rel = NULL;
    TRY(sql__new_rel(b, REL_SCAN, &rel));
    rel->table = table;
    rel->fields = ARENA_ARRAY(b->arena, struct type_field, table->column_count + 1);
    rel->scan_columns = ARENA_ARRAY(b->arena, isize, table->column_count + 1);
    for (isize i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        if (column->kind != COLUMN_COMPUTED) {
            rel->scan_columns[rel->field_count] = i;
            rel->fields[rel->field_count++] =
                (struct type_field){.name = column->name, .type = scan_type(b, table, column)};
        }
    }
    *out = rel;
    return OK;
}

/* The columns in the table's order, metadata cast to the declared type. */
static err project_columns(struct sql_binder *b, const struct table_def *table,
                           struct sql_span span, const struct rel *scan, const struct rel **out)
{
    isize count = table->column_count, next = 0;
    bool is_same = count == scan->field_count;
    const struct sql_relation from = {.rel = scan, .window = {-1, -1, -1}};
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, count + 1);
    str *names = ARENA_ARRAY(b->arena, str, count + 1);
    for (isize i = 0; i < count; i++) {
        const struct table_column *column = &table->columns[i];
        names[i] = column->name;
        if (column->kind == COLUMN_COMPUTED) {
            TRY(sql__bind_text(b, column->expr_text, &from, &exprs[i]));
            continue;
        }
        exprs[i] = sql__new_column(b, scan->fields[next].type, next, span);
        next++;
        if (column->kind == COLUMN_METADATA && !type_eq(exprs[i]->type, column->type, false)) {
            TRY(sql__cast(b, exprs[i], column->type, false, &exprs[i]));
            is_same = false;
        }
    }
    *out = scan;
    return is_same ? OK : sql__new_project(b, scan, exprs, names, count, out);
}

static err add_watermark(struct sql_binder *b, const struct table_def *table,
                         const struct rel *input, const struct rel **out)
{
    struct rel *rel = NULL;
    TRY(sql__new_rel(b, REL_WATERMARK, &rel));
    sql__add_input(b, rel, input);
    isize column = table->watermark_column;
    rel->field_count = input->field_count;
    rel->fields = ARENA_ARRAY(b->arena, struct type_field, input->field_count + 1);
    for (isize i = 0; i < input->field_count; i++) {
        rel->fields[i] = input->fields[i];
    }
    rel->fields[column].type = type_with_time(b->arena, rel->fields[column].type, TYPE_TIME_ROW);
    rel->rowtime_column = column;
    rel->exprs = ARENA_ARRAY(b->arena, const struct expr *, 1);
    rel->expr_count = 1;
    const struct sql_relation from = {.rel = input, .window = {-1, -1, -1}};
    TRY(sql__bind_text(b, table->watermark_text, &from, &rel->exprs[0]));
    *out = rel;
    return OK;
}

static err bind_parts(struct sql_binder *b, const struct table_def *table, struct sql_span span,
                      const struct rel **out)
{
    struct rel *scan = NULL;
    TRY(new_scan(b, table, &scan));
    TRY(project_columns(b, table, span, scan, out));
    return table->watermark_column < 0 ? OK : add_watermark(b, table, *out, out);
}

err sql__bind_scan(struct sql_binder *b, const struct table_def *table, struct sql_span span,
                   struct sql_relation *out)
{
    struct diag detail;
    diag_init(&detail);
    struct sql_binder inner = *b;
    inner.diag = &detail;
    inner.has_fixed_span = true;
    inner.fixed_span = span;
    err e = bind_parts(&inner, table, span, &out->rel);
    b->rel_count = inner.rel_count;
    b->fold_bytes = inner.fold_bytes;
    if (e != OK) {
        return sql__inner_error(b, e, &detail, "table", table->name, span);
    }
    out->name = table->name;
    out->database = table->database;
    out->catalog = table->catalog;
    return OK;
}
