/* sql/table.c: deep copies of table definitions; CREATE statements as text, secrets masked. */
#include "sql/bind_int.h"

static const struct type *copy_type(struct arena *arena, const struct type *type)
{
    struct type *copy = ARENA_NEW(arena, struct type);
    *copy = *type;
    copy->item = type->item == NULL ? NULL : copy_type(arena, type->item);
    copy->key = type->key == NULL ? NULL : copy_type(arena, type->key);
    copy->fields = ARENA_ARRAY(arena, struct type_field, type->field_count + 1);
    for (isize i = 0; i < type->field_count; i++) {
        copy->fields[i].name = arena_copy(arena, type->fields[i].name);
        copy->fields[i].comment = arena_copy(arena, type->fields[i].comment);
        copy->fields[i].type = copy_type(arena, type->fields[i].type);
    }
    return copy;
}

static struct table_column *copy_columns(struct arena *arena, const struct table_def *table)
{
    struct table_column *copy = ARENA_ARRAY(arena, struct table_column, table->column_count + 1);
    for (isize i = 0; i < table->column_count; i++) {
        copy[i] = table->columns[i];
        copy[i].name = arena_copy(arena, copy[i].name);
        copy[i].expr_text = arena_copy(arena, copy[i].expr_text);
        copy[i].metadata_key = arena_copy(arena, copy[i].metadata_key);
        copy[i].comment = arena_copy(arena, copy[i].comment);
        copy[i].type = copy_type(arena, copy[i].type);
    }
    return copy;
}

static isize *copy_positions(struct arena *arena, const isize *positions, isize count)
{
    isize *copy = ARENA_ARRAY(arena, isize, count + 1);
    for (isize i = 0; i < count; i++) {
        copy[i] = positions[i];
    }
    return copy;
}

struct table_def *sql__copy_table(struct arena *arena, const struct table_def *table)
{
    struct table_def *copy = ARENA_NEW(arena, struct table_def);
    *copy = *table;
    str *const strings[] = {&copy->catalog,     &copy->database,        &copy->name,
                            &copy->comment,     &copy->watermark_text,  &copy->view_text,
                            &copy->create_text, &copy->primary_key_name};
    for (isize i = 0; i < COUNT_OF(strings); i++) {
        *strings[i] = arena_copy(arena, *strings[i]);
    }
    copy->columns = copy_columns(arena, table);
    copy->primary_key = copy_positions(arena, table->primary_key, table->primary_key_count);
    copy->partition_keys = copy_positions(arena, table->partition_keys, table->partition_key_count);
    copy->options = ARENA_ARRAY(arena, struct plan_option, table->option_count + 1);
    for (isize i = 0; i < table->option_count; i++) {
        copy->options[i] = table->options[i];
        copy->options[i].key = arena_copy(arena, copy->options[i].key);
        copy->options[i].value = arena_copy(arena, copy->options[i].value);
    }
    return copy;
}

/* --- text ------------------------------------------------------------------------------------- */

static void put_quoted(struct buf *out, u8 quote, str text)
{
    buf_append_byte(out, quote);
    for (isize i = 0; i < text.len; i++) {
        buf_append_fill(out, text.data[i], text.data[i] == quote ? 2 : 1);
    }
    buf_append_byte(out, quote);
}

static void put_names(struct buf *out, const struct table_def *table, const isize *positions,
                      isize count)
{
    buf_append_byte(out, '(');
    for (isize i = 0; i < count; i++) {
        buf_append(out, i == 0 ? STR_EMPTY : STR(", "));
        put_quoted(out, '`', table->columns[positions[i]].name);
    }
    buf_append_byte(out, ')');
}

static void put_type(struct buf *out, const struct type *type)
{
    struct type shown = *type;
    shown.time_attribute = TYPE_TIME_NONE;
    type_format(&shown, out);
}

static void put_column(struct buf *out, const struct table_column *column)
{
    buf_append(out, STR("  "));
    put_quoted(out, '`', column->name);
    if (column->kind == COLUMN_COMPUTED) {
        buf_printf(out, " AS " STR_FMT, STR_ARG(column->expr_text));
    } else {
        buf_append_byte(out, ' ');
        put_type(out, column->type);
    }
    if (column->kind == COLUMN_METADATA) {
        buf_append(out, STR(" METADATA"));
        if (!str_eq(column->metadata_key, column->name)) {
            buf_append(out, STR(" FROM "));
            put_quoted(out, '\'', column->metadata_key);
        }
        buf_append(out, column->is_virtual ? STR(" VIRTUAL") : STR_EMPTY);
    }
    if (column->comment.len > 0) {
        buf_append(out, STR(" COMMENT "));
        put_quoted(out, '\'', column->comment);
    }
}

static void put_elements(struct buf *out, const struct table_def *table)
{
    for (isize i = 0; i < table->column_count; i++) {
        buf_append(out, i == 0 ? STR_EMPTY : STR(",\n"));
        put_column(out, &table->columns[i]);
    }
    if (table->watermark_column >= 0) {
        buf_append(out, STR(",\n  WATERMARK FOR "));
        put_quoted(out, '`', table->columns[table->watermark_column].name);
        buf_printf(out, " AS " STR_FMT, STR_ARG(table->watermark_text));
    }
    if (table->primary_key_count > 0) {
        buf_append(out, STR(",\n  CONSTRAINT "));
        put_quoted(out, '`', table->primary_key_name);
        buf_append(out, STR(" PRIMARY KEY "));
        put_names(out, table, table->primary_key, table->primary_key_count);
        buf_append(out, STR(" NOT ENFORCED"));
    }
}

static void put_options(struct buf *out, const struct table_def *table, bool is_masked)
{
    buf_append(out, STR("WITH ("));
    for (isize i = 0; i < table->option_count; i++) {
        const struct plan_option *option = &table->options[i];
        buf_append(out, i == 0 ? STR("\n  ") : STR(",\n  "));
        put_quoted(out, '\'', option->key);
        buf_append(out, STR(" = "));
        bool is_hidden = is_masked && sql_option_is_secret(option->key);
        put_quoted(out, '\'', is_hidden ? STR("******") : option->value);
    }
    buf_append(out, STR("\n)"));
}

static void put_head(struct buf *out, const struct table_def *table)
{
    buf_printf(out, "CREATE %s%s ", table->is_temporary ? "TEMPORARY " : "",
               table->is_view ? "VIEW" : "TABLE");
    put_quoted(out, '`', table->catalog);
    buf_append_byte(out, '.');
    put_quoted(out, '`', table->database);
    buf_append_byte(out, '.');
    put_quoted(out, '`', table->name);
}

static void put_view(struct buf *out, const struct table_def *table)
{
    buf_append(out, STR(" ("));
    for (isize i = 0; i < table->column_count; i++) {
        buf_append(out, i == 0 ? STR("\n  ") : STR(",\n  "));
        put_quoted(out, '`', table->columns[i].name);
    }
    buf_append(out, STR("\n)"));
    if (table->comment.len > 0) {
        buf_append(out, STR(" COMMENT "));
        put_quoted(out, '\'', table->comment);
    }
    buf_printf(out, "\nAS " STR_FMT "\n", STR_ARG(table->view_text));
}

static void format_create(const struct table_def *table, bool is_masked, struct buf *out)
{
    put_head(out, table);
    if (table->is_view) {
        put_view(out, table);
        return;
    }
    buf_append(out, STR(" (\n"));
    put_elements(out, table);
    buf_append(out, STR("\n)\n"));
    if (table->comment.len > 0) {
        buf_append(out, STR("COMMENT "));
        put_quoted(out, '\'', table->comment);
        buf_append_byte(out, '\n');
    }
    if (table->partition_key_count > 0) {
        buf_append(out, STR("PARTITIONED BY "));
        put_names(out, table, table->partition_keys, table->partition_key_count);
        buf_append_byte(out, '\n');
    }
    put_options(out, table, is_masked);
    buf_append_byte(out, '\n');
}

void sql_format_create(const struct table_def *table, struct buf *out)
{
    format_create(table, true, out);
}

void sql_format_create_whole(const struct table_def *table, struct buf *out)
{
    format_create(table, false, out);
}

bool sql_option_is_secret(str key)
{
    static const char *const words[] = {"password", "secret",      "token",      "apikey",
                                        "api-key",  "accesskeyid", "passphrase", "private-key",
                                        "jaas",     "webhook"};
    for (isize at = 0; at < key.len; at++) {
        str rest = str_slice(key, at, key.len);
        for (isize i = 0; i < COUNT_OF(words); i++) {
            if (str_starts_nocase(rest, str_of(words[i]))) {
                return true;
            }
        }
    }
    return false;
}
