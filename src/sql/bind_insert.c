/* sql/bind_insert.c: INSERT INTO: by position, with Flink's rules of what casts by itself. */
#include "sql/bind_int.h"

struct insert {
    struct sql_binder *b;
    const struct sql_insert *ast;
    const struct table_def *table;
    const struct rel *query;
    isize *columns; /* Positions in table->columns that can be written, in order. */
    isize column_count;
    isize *sources;                /* Per writable column its query column, -1 = none. */
    const struct expr **constants; /* Per writable column a value of PARTITION, or NULL. */
};

/* --- which column goes where -------------------------------------------------------------------
 */

static isize find_writable(const struct insert *in, str name)
{
    for (isize i = 0; i < in->column_count; i++) {
        if (str_eq(in->table->columns[in->columns[i]].name, name)) {
            return i;
        }
    }
    return -1;
}

static err unknown_target(const struct insert *in, const struct sql_ast_part *part,
                          enum sql_error id)
{
    struct sql_binder *b = in->b;
    err e =
        sql__fail(b->diag, id, sql__bind_span(b, part->span),
                  "column `" STR_FMT "` of table `" STR_FMT "` does not exist or cannot be written",
                  STR_ARG(str_slice(part->name, 0, 128)), STR_ARG(in->table->name));
    str *names = ARENA_ARRAY(b->arena, str, in->column_count + 1);
    for (isize i = 0; i < in->column_count; i++) {
        names[i] = in->table->columns[in->columns[i]].name;
    }
    sql__suggest(b->diag, part->name, names, in->column_count);
    return e;
}

static void list_writable(struct insert *in)
{
    const struct table_def *table = in->table;
    CHECK(table != NULL);
    in->columns = ARENA_ARRAY(in->b->arena, isize, table->column_count + 1);
    for (isize i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        bool is_written = column->kind == COLUMN_PHYSICAL ||
                          (column->kind == COLUMN_METADATA && !column->is_virtual);
        if (is_written) {
            in->columns[in->column_count++] = i;
        }
    }
    in->sources = ARENA_ARRAY(in->b->arena, isize, in->column_count + 1);
    in->constants = ARENA_ARRAY(in->b->arena, const struct expr *, in->column_count + 1);
}

static bool is_partition_key(const struct table_def *table, isize column)
{
    for (isize i = 0; i < table->partition_key_count; i++) {
        if (table->partition_keys[i] == column) {
            return true;
        }
    }
    return false;
}

static err bind_partition(struct insert *in)
{
    struct sql_binder *b = in->b;
    const struct sql_scope scope = {.place = "PARTITION"};
    for (isize i = 0; i < in->ast->partition_count; i++) {
        const struct sql_partition_value *given = &in->ast->partition[i];
        isize at = find_writable(in, given->name.name);
        if (at < 0 || !is_partition_key(in->table, in->columns[at])) {
            return sql__fail(b->diag, SQLE_PARTITION_VALUE, sql__bind_span(b, given->name.span),
                             "`" STR_FMT "` is not a partition key of table `" STR_FMT "`",
                             STR_ARG(str_slice(given->name.name, 0, 128)),
                             STR_ARG(in->table->name));
        }
        const struct expr *value = NULL;
        TRY(sql__bind_expr(b, &scope, given->value, &value));
        TRY(sql__cast(b, value, in->table->columns[in->columns[at]].type, false, &value));
        if (in->constants[at] != NULL || value->kind != EXPR_LITERAL) {
            return sql__fail(b->diag, SQLE_PARTITION_VALUE, sql__bind_span(b, given->value->span),
                             "PARTITION needs one constant for each key");
        }
        in->constants[at] = value;
    }
    return OK;
}

static str type_text(struct sql_binder *b, const struct type *type)
{
    struct buf out;
    buf_init(&out, 300);
    type_format(sql__plain(b, type), &out);
    str text = arena_copy(b->arena, buf_str(&out));
    buf_deinit(&out);
    return text;
}

static void put_field(struct sql_binder *b, struct buf *out, isize i, str name,
                      const struct type *type)
{
    str text = type_text(b, type);
    buf_printf(out, "%s" STR_FMT ": " STR_FMT, i == 0 ? "" : ", ", STR_ARG(name), STR_ARG(text));
}

/* Both schemas, cut where they get long. */
static void hint_schemas(const struct insert *in)
{
    enum { SCHEMA_BYTES_MAX = 220 };
    struct sql_binder *b = in->b;
    struct buf query, sink;
    buf_init(&query, 1 << 16);
    buf_init(&sink, 1 << 16);
    for (isize i = 0; i < in->query->field_count && query.len < SCHEMA_BYTES_MAX; i++) {
        put_field(b, &query, i, in->query->fields[i].name, in->query->fields[i].type);
    }
    isize shown = 0;
    for (isize i = 0; i < in->column_count && sink.len < SCHEMA_BYTES_MAX; i++) {
        if (in->sources[i] >= 0 || in->ast->column_count == 0) {
            const struct table_column *column = &in->table->columns[in->columns[i]];
            put_field(b, &sink, shown++, column->name, column->type);
        }
    }
    diag_hint(b->diag, "Query schema: [%.*s%s]; Sink schema: [%.*s%s]",
              (int)MIN(query.len, SCHEMA_BYTES_MAX), (const char *)query.data,
              query.len > SCHEMA_BYTES_MAX ? " ..." : "", (int)MIN(sink.len, SCHEMA_BYTES_MAX),
              (const char *)sink.data, sink.len > SCHEMA_BYTES_MAX ? " ..." : "");
    buf_deinit(&query);
    buf_deinit(&sink);
}

static err mismatch(const struct insert *in, struct sql_span span, const char *cause)
{
    const struct table_def *table = in->table;
    err e =
        sql__fail(in->b->diag, SQLE_SINK_SCHEMA, span,
                  "Column types of query result and sink for '" STR_FMT "." STR_FMT "." STR_FMT
                  "' do not match. Cause: %s",
                  STR_ARG(table->catalog), STR_ARG(table->database), STR_ARG(table->name), cause);
    hint_schemas(in);
    return e;
}

static err set_source(struct insert *in, const struct sql_ast_part *part, isize source)
{
    isize at = find_writable(in, part->name);
    if (at < 0) {
        return unknown_target(in, part, SQLE_INSERT_COLUMNS);
    }
    if (in->sources[at] >= 0 || in->constants[at] != NULL) {
        return sql__fail(in->b->diag, SQLE_INSERT_COLUMNS, sql__bind_span(in->b, part->span),
                         "column `" STR_FMT "` is given twice", STR_ARG(part->name));
    }
    in->sources[at] = source;
    return OK;
}

/* The query's columns to the list's, or to all that PARTITION does not give. */
static err map_columns(struct insert *in)
{
    isize expected = 0;
    for (isize i = 0; i < in->column_count; i++) {
        in->sources[i] = -1;
    }
    for (isize i = 0; i < in->ast->column_count; i++) {
        TRY(set_source(in, &in->ast->columns[i], i));
        expected++;
    }
    for (isize i = 0; in->ast->column_count == 0 && i < in->column_count; i++) {
        if (in->constants[i] == NULL) {
            in->sources[i] = expected++;
        }
    }
    return expected == in->query->field_count
               ? OK
               : mismatch(in, sql__bind_span(in->b, in->ast->query->parts[0]->span),
                          "Different number of columns.");
}

/* --- types ------------------------------------------------------------------------------------ */

/* Where the query's column comes from, for the caret. */
static struct sql_span source_span(const struct insert *in, isize source)
{
    const struct rel *rel = in->query;
    bool has_exprs =
        (rel->kind == REL_PROJECT || rel->kind == REL_VALUES) && source < rel->expr_count;
    return has_exprs ? sql__expr_span(rel->exprs[source])
                     : sql__bind_span(in->b, in->ast->query->parts[0]->span);
}

static bool can_write(const struct type *from, const struct type *to)
{
    bool keeps_text =
        (type_is_string(from) && type_is_string(to)) || (type_is_bytes(from) && type_is_bytes(to));
    return keeps_text || type_eq(from, to, false) || func_can_cast_implicitly(from, to);
}

static err incompatible(const struct insert *in, isize at, isize source)
{
    struct sql_binder *b = in->b;
    const struct table_column *column = &in->table->columns[in->columns[at]];
    str cause =
        arena_printf(b->arena, "Incompatible types for sink column '" STR_FMT "' at position %td.",
                     STR_ARG(column->name), source);
    str from = type_text(b, in->query->fields[source].type), to = type_text(b, column->type);
    err e = mismatch(in, source_span(in, source), arena_cstr(b->arena, cause));
    diag_label(b->diag, "this is " STR_FMT ", the column is " STR_FMT, STR_ARG(from), STR_ARG(to));
    return e;
}

/* Strings keep their length: type-length-enforcer IGNORE is Flink's default. */
static err bind_source(const struct insert *in, isize at, const struct expr **out)
{
    struct sql_binder *b = in->b;
    const struct table_column *column = &in->table->columns[in->columns[at]];
    isize source = in->sources[at];
    if (source < 0 && !column->type->is_nullable) {
        return sql__fail(b->diag, SQLE_INSERT_COLUMNS, sql__bind_span(b, in->ast->table.span),
                         "column `" STR_FMT "` has no value and is NOT NULL",
                         STR_ARG(column->name));
    }
    if (source < 0) {
        *out = sql__new_null(b, column->type, sql__bind_span(b, in->ast->table.span));
        return OK;
    }
    const struct type *from = sql__plain(b, in->query->fields[source].type);
    *out = sql__new_column(b, in->query->fields[source].type, source, source_span(in, source));
    if (!can_write(from, column->type)) {
        return incompatible(in, at, source);
    }
    bool keeps = (type_is_string(from) && type_is_string(column->type)) ||
                 (type_is_bytes(from) && type_is_bytes(column->type));
    return keeps || type_eq(from, column->type, false)
               ? OK
               : sql__cast(b, *out, column->type, false, out);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static err new_sink(const struct insert *in, const struct rel *input, const struct rel **out)
{
    struct sql_binder *b = in->b;
    struct rel *sink = NULL;
    TRY(sql__new_rel(b, REL_SINK, &sink));
    sql__add_input(b, sink, input);
    sink->table = in->table;
    sink->mode = input->mode;
    sink->rowtime_column = input->rowtime_column;
    sink->scan_columns = in->columns;
    sink->field_count = in->column_count;
    sink->fields = ARENA_ARRAY(b->arena, struct type_field, in->column_count + 1);
    for (isize i = 0; i < in->column_count; i++) {
        const struct table_column *column = &in->table->columns[in->columns[i]];
        sink->fields[i] =
            (struct type_field){.name = column->name, .type = sql__plain(b, column->type)};
    }
    *out = sink;
    return OK;
}

static err find_sink(struct insert *in)
{
    struct sql_binder *b = in->b;
    const struct table_def *table = NULL;
    struct sql_span span = sql__bind_span(b, in->ast->table.span);
    TRY(sql__find_table(b, &in->ast->table, &table));
    if (table->is_view) {
        return sql__fail(b->diag, SQLE_SINK_VIEW, span,
                         "`" STR_FMT "` is a view; only tables can be written",
                         STR_ARG(table->name));
    }
    TRY(sql__apply_hints(b, table, in->ast->hints, in->ast->hint_count, &in->table));
    if (b->ops->check_table == NULL) {
        return OK;
    }
    err e = b->ops->check_table(b->ops->ctx, in->table, b->diag);
    if (e != OK && b->diag != NULL && in->ast->hint_count == 0) {
        b->diag->span_start = span.start; /* Not into the CREATE statement. */
        b->diag->span_len = span.len;
    }
    return e;
}

err sql__bind_insert(struct sql_binder *b, const struct sql_insert *insert, const struct rel **out)
{
    struct insert in = {.b = b, .ast = insert};
    TRY(find_sink(&in));
    struct sql_relation query;
    b->top = insert->query;
    TRY(sql__bind_query(b, insert->query, &query));
    in.query = query.rel;
    list_writable(&in);
    TRY(bind_partition(&in));
    TRY(map_columns(&in));
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, in.column_count + 1);
    str *names = ARENA_ARRAY(b->arena, str, in.column_count + 1);
    for (isize i = 0; i < in.column_count; i++) {
        names[i] = in.table->columns[in.columns[i]].name;
        exprs[i] = in.constants[i];
        if (exprs[i] == NULL) {
            TRY(bind_source(&in, i, &exprs[i]));
        }
    }
    const struct rel *input = NULL;
    TRY(sql__new_project(b, in.query, exprs, names, in.column_count, &input));
    return new_sink(&in, input, out);
}
