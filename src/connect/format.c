/* connect/format.c: options of formats, and rows to bytes. */
#include "connect/format.h"

#include "codec/json_row_write.h"

const struct connect_option connect_format_options[] = {
    {"json.timestamp-format.standard", false, "SQL (default) or ISO-8601."},
    {"json.fail-on-missing-field", false, "A missing member is an error (false)."},
    {"json.ignore-parse-errors", false, "A bad field is NULL, a bad message is dropped (false)."},
    {"json.encode.decimal-as-plain-number", false, "No scientific notation (false)."},
    {"json.encode.ignore-null-fields", false, "Members that are NULL are left out (false)."},
    {"csv.field-delimiter", false, "One character (,)."},
    {"csv.disable-quote-character", false, "Nothing is quoted (false)."},
    {"csv.quote-character", false, "One character (\")."},
    {"csv.allow-comments", false, "Lines that begin with # are skipped (false)."},
    {"csv.ignore-parse-errors", false, "A bad field is NULL, a bad row is dropped (false)."},
    {"csv.array-element-delimiter", false, "Between the elements of an array (;)."},
    {"csv.escape-character", false, "One character; none when absent."},
    {"csv.null-literal", false, "What stands for NULL."},
    {"raw.charset", false, "UTF-8 only."},
    {"raw.endianness", false, "big-endian (default) or little-endian."},
    {"on-error", false, "leat: dead-letter (default), fail or null: what a bad value leads to."},
    {NULL, false, NULL},
};

static err flags_check(const struct connect_table *table, struct diag *diag)
{
    static const char *const booleans[] = {"true", "false", NULL};
    static const char *const flags[] = {
        "json.fail-on-missing-field",     "json.ignore-parse-errors",
        "json.encode.ignore-null-fields", "json.encode.decimal-as-plain-number",
        "csv.disable-quote-character",    "csv.allow-comments",
        "csv.ignore-parse-errors",
    };
    for (isize i = 0; i < COUNT_OF(flags); i++) {
        TRY(connect_one_of(table, flags[i], booleans, diag));
    }
    if (connect_is_true(table, "json.fail-on-missing-field") &&
        connect_is_true(table, "json.ignore-parse-errors")) {
        return diag_set(diag, ERR_INVALID, "CON007",
                        "fail-on-missing-field and ignore-parse-errors shouldn't both be true.");
    }
    return OK;
}

/* "\t" in a WITH clause is two characters, as Flink has it. */
static u8 character(const struct connect_table *table, const char *key, bool *is_bad_out)
{
    str value = connect_get(table, key, STR_EMPTY);
    if (str_eq(value, STR("\\t"))) {
        return '\t';
    }
    *is_bad_out = *is_bad_out || value.len > 1 || (value.len == 1 && value.data[0] >= 0x80);
    return value.len == 1 ? value.data[0] : 0;
}

static err csv_check(const struct connect_table *table, struct diag *diag)
{
    static const char *const keys[] = {"csv.field-delimiter", "csv.quote-character",
                                       "csv.escape-character"};
    for (isize i = 0; i < COUNT_OF(keys); i++) {
        bool is_bad = false;
        (void)character(table, keys[i], &is_bad);
        if (is_bad) {
            return diag_set(diag, ERR_INVALID, "CON009",
                            "Option '%s' must be a string with single character, but was: " STR_FMT,
                            keys[i], STR_ARG(connect_get(table, keys[i], STR_EMPTY)));
        }
    }
    if (connect_is_true(table, "csv.disable-quote-character") &&
        connect_get(table, "csv.quote-character", STR_EMPTY).len > 0) {
        return diag_set(diag, ERR_INVALID, "CON010",
                        "Format cannot define a quote character and disabled quote character at "
                        "the same time ('csv.quote-character').");
    }
    struct connect_format format;
    struct csv_reader *reader;
    connect_format_read(table, &format);
    TRY(csv_reader_new(&format.csv, &reader, diag));
    csv_reader_free(reader);
    return OK;
}

err connect_format_check(const struct connect_table *table, struct diag *diag)
{
    static const char *const formats[] = {"json", "csv", "raw", NULL};
    static const char *const standards[] = {"SQL", "ISO-8601", NULL};
    static const char *const errors[] = {"dead-letter", "fail", "null", NULL};
    static const char *const charsets[] = {"UTF-8", NULL};
    static const char *const orders[] = {"big-endian", "little-endian", NULL};
    TRY(connect_one_of(table, "format", formats, diag));
    TRY(connect_one_of(table, "json.timestamp-format.standard", standards, diag));
    TRY(connect_one_of(table, "on-error", errors, diag));
    TRY(connect_one_of(table, "raw.charset", charsets, diag));
    TRY(connect_one_of(table, "raw.endianness", orders, diag));
    TRY(flags_check(table, diag));
    str format = connect_get(table, "format", STR("json"));
    for (isize i = 0; i < table->option_count; i++) {
        str key = table->options[i].key, rest = key;
        str prefix = str_split(&rest, '.', NULL);
        bool is_format =
            str_eq(prefix, STR("json")) || str_eq(prefix, STR("csv")) || str_eq(prefix, STR("raw"));
        if (is_format && !str_eq(prefix, format)) {
            return diag_set(diag, ERR_INVALID, "CON002",
                            "Unsupported options found: '" STR_FMT "' with 'format' = '" STR_FMT
                            "'",
                            STR_ARG(key), STR_ARG(format));
        }
    }
    return str_eq(format, STR("csv")) ? csv_check(table, diag) : OK;
}

static void csv_read(const struct connect_table *table, struct connect_format *out)
{
    bool is_bad = false;
    out->csv = (struct csv_options){
        .delimiter = character(table, "csv.field-delimiter", &is_bad),
        .quote = character(table, "csv.quote-character", &is_bad),
        .escape = character(table, "csv.escape-character", &is_bad),
        .has_no_quotes = connect_is_true(table, "csv.disable-quote-character"),
        .allows_comments = connect_is_true(table, "csv.allow-comments"),
    };
    str absent = {(const u8 *)"", -1};
    str literal = connect_get(table, "csv.null-literal", absent);
    out->csv_rows = (struct csv_rows_options){
        .ignores_parse_errors = connect_is_true(table, "csv.ignore-parse-errors"),
        .has_null_literal = literal.len >= 0,
        .null_literal = literal.len >= 0 ? literal : STR_EMPTY,
        .array_delimiter = connect_get(table, "csv.array-element-delimiter", STR_EMPTY),
    };
}

void connect_format_read(const struct connect_table *table, struct connect_format *out)
{
    *out = (struct connect_format){.kind = CONNECT_FORMAT_JSON};
    str format = connect_get(table, "format", STR("json"));
    out->kind = str_eq(format, STR("csv"))   ? CONNECT_FORMAT_CSV
                : str_eq(format, STR("raw")) ? CONNECT_FORMAT_RAW
                                             : CONNECT_FORMAT_JSON;
    str on_error = connect_get(table, "on-error", STR("dead-letter"));
    out->on_error = str_eq(on_error, STR("fail"))   ? CONNECT_FAIL
                    : str_eq(on_error, STR("null")) ? CONNECT_NULL
                                                    : CONNECT_DEAD_LETTER;
    out->is_iso_timestamps =
        str_eq(connect_get(table, "json.timestamp-format.standard", STR("SQL")), STR("ISO-8601"));
    out->ignores_parse_errors = connect_is_true(table, "json.ignore-parse-errors") ||
                                connect_is_true(table, "csv.ignore-parse-errors");
    out->fails_on_missing_field = connect_is_true(table, "json.fail-on-missing-field");
    out->ignores_null_fields = connect_is_true(table, "json.encode.ignore-null-fields");
    out->is_decimal_plain = connect_is_true(table, "json.encode.decimal-as-plain-number");
    out->is_little_endian =
        str_eq(connect_get(table, "raw.endianness", STR_EMPTY), STR("little-endian"));
    csv_read(table, out);
}

/* --- types --------------------------------------------------------------------------------- */

static bool is_raw_type(const struct type *type)
{
    return type_is_string(type) || type_is_bytes(type) ||
           (type->kind >= TYPE_BOOLEAN && type->kind <= TYPE_DOUBLE);
}

/* JSON has members for rows and text for the keys of maps. NULL: all is well, else the type that
 * has no form. */
static const struct type *json_misfit(const struct type *type)
{
    const struct type *found = NULL;
    switch (type->kind) {
    case TYPE_NULL:
        return type;
    case TYPE_ARRAY:
        return json_misfit(type->item);
    case TYPE_MAP:
        return type_is_string(type->key) ? json_misfit(type->item) : type;
    case TYPE_MULTISET:
        return type_is_string(type->item) ? NULL : type;
    case TYPE_ROW:
        for (isize i = 0; i < type->field_count && found == NULL; i++) {
            found = json_misfit(type->fields[i].type);
        }
        return found;
    default:
        return NULL;
    }
}

static err json_types_check(const struct type_field *fields, isize count, struct diag *diag)
{
    for (isize i = 0; i < count; i++) {
        const struct type *misfit = json_misfit(fields[i].type);
        if (misfit == NULL) {
            continue;
        }
        struct buf text = {0};
        type_format(misfit, &text);
        (void)diag_set(diag, ERR_TYPE, "CON013",
                       "%s The type is: " STR_FMT " (column \"" STR_FMT "\")",
                       misfit->kind == TYPE_NULL
                           ? "JSON format doesn't support a type without values."
                           : "JSON format doesn't support non-string as key type of map.",
                       STR_ARG(buf_str(&text)), STR_ARG(fields[i].name));
        buf_deinit(&text);
        return ERR_TYPE;
    }
    return OK;
}

err connect_format_types_check(const struct connect_format *format, const struct type_field *fields,
                               isize count, struct diag *diag)
{
    if (format->kind == CONNECT_FORMAT_RAW) {
        if (count != 1) {
            return diag_set(diag, ERR_INVALID, "CON011",
                            "The 'raw' format only supports single physical column, but the "
                            "defined schema has %td",
                            count);
        }
        if (!is_raw_type(fields[0].type)) {
            return diag_set(diag, ERR_TYPE, "CON012",
                            "The 'raw' format doesn't supports the type of column \"" STR_FMT "\"",
                            STR_ARG(fields[0].name));
        }
    }
    if (format->kind == CONNECT_FORMAT_JSON) {
        return json_types_check(fields, count, diag);
    }
    if (format->kind == CONNECT_FORMAT_CSV) {
        struct csv_rows *rows;
        TRY(csv_rows_new(fields, count, &format->csv_rows, NULL, &rows, diag));
        csv_rows_free(rows);
    }
    return OK;
}

/* --- writing ------------------------------------------------------------------------------- */

struct connect_writer {
    struct connect_format format;
    struct json_row_writer *json;
    isize count;
};

struct connect_writer *connect_writer_new(const struct connect_format *format,
                                          const struct type_field *fields, isize count)
{
    struct connect_writer *writer = NEW(struct connect_writer);
    writer->format = *format;
    writer->count = count;
    if (format->kind == CONNECT_FORMAT_JSON) {
        struct json_row_options options = {format->is_iso_timestamps, format->ignores_null_fields,
                                           format->is_decimal_plain};
        writer->json = json_row_writer_new(fields, count, &options);
    }
    return writer;
}

void connect_writer_free(struct connect_writer *writer)
{
    if (writer != NULL) {
        json_row_writer_free(writer->json);
        mem_free(writer);
    }
}

static isize number_bytes(const struct type *type)
{
    return type_element_bytes(type);
}

static void raw_write(const struct connect_format *format, const struct vec *col, isize row,
                      struct buf *out)
{
    if (!vec_is_valid(col, row)) {
        return;
    }
    isize at = vec_index(col, row);
    if (type_is_string(col->type) || type_is_bytes(col->type)) {
        buf_append(out, strview_str(&VEC(struct strview, col)[at]));
        return;
    }
    isize bytes = number_bytes(col->type);
    const u8 *value = (const u8 *)col->values + at * bytes;
    for (isize i = 0; i < bytes; i++) {
        buf_append_byte(out, value[format->is_little_endian ? i : bytes - 1 - i]);
    }
}

void connect_writer_row(const struct connect_writer *writer, const struct vec *cols, isize row,
                        struct arena *scratch, struct buf *out)
{
    switch (writer->format.kind) {
    case CONNECT_FORMAT_RAW:
        raw_write(&writer->format, &cols[0], row, out);
        return;
    case CONNECT_FORMAT_CSV:
        csv_write_row(&writer->format.csv, &writer->format.csv_rows, cols, writer->count, row,
                      scratch, out);
        out->len -= out->len > 0 && out->data[out->len - 1] == '\n';
        return;
    case CONNECT_FORMAT_JSON:
    default:
        json_row_write(writer->json, cols, row, out);
    }
}

err connect_raw_read(const struct connect_format *format, str message, struct vec *col, isize row)
{
    if (type_is_string(col->type) || type_is_bytes(col->type)) {
        VEC(struct strview, col)[row] = strview_of(message);
        return type_is_bytes(col->type) || str_is_utf8(message) ? OK : ERR_TYPE;
    }
    isize bytes = number_bytes(col->type);
    if (message.len != bytes) {
        return ERR_TYPE;
    }
    u8 *value = (u8 *)col->values + row * bytes;
    for (isize i = 0; i < bytes; i++) {
        value[format->is_little_endian ? i : bytes - 1 - i] = message.data[i];
    }
    if (col->type->kind == TYPE_BOOLEAN) {
        value[0] = value[0] != 0;
    }
    return OK;
}
