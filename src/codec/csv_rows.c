/* codec/csv_rows.c: rows of CSV to columns and back, with the types of Flink's csv format. */
#include "codec/base64.h"
#include "codec/csv.h"
#include "codec/json_rows_int.h"
#include "data/number.h"

enum { CHECK_CHARACTERS_MAX = 24, ITEMS_MAX = 65536 };

struct csv_rows {
    const struct type_field *fields;
    isize count;
    struct csv_rows_options options;
    struct json_rows form; /* Scalars are read as JSON strings are: the rules are the same. */
    isize *source;         /* Field of the row for each column, -1: none. NULL: by position. */
    isize wanted_count;    /* Fields that a row should have. */
};

static bool is_supported(const struct type *type, int depth)
{
    switch (type->kind) {
    case TYPE_ARRAY:
        return depth == 0 && is_supported(type->item, 1);
    case TYPE_ROW:
        for (isize i = 0; i < type->field_count; i++) {
            if (!is_supported(type->fields[i].type, 1)) {
                return false;
            }
        }
        return depth == 0;
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_INTERVAL_YM:
    case TYPE_INTERVAL_DS:
        return false;
    default:
        return true;
    }
}

/* Where a wanted column stands in the header: -1 when it is not there. */
static err source_find(str name, const struct csv_row *header, isize *out, struct diag *diag)
{
    *out = -1;
    for (isize i = 0; i < header->count; i++) {
        if (!str_eq(header->fields[i], name)) {
            continue;
        }
        if (*out >= 0) {
            return diag_set(diag, ERR_INVALID, "CSV0002",
                            "the header names \"" STR_FMT "\" twice, in columns %lld and %lld",
                            STR_ARG(name), (long long)*out + 1, (long long)i + 1);
        }
        *out = i;
    }
    return OK;
}

err csv_rows_new(const struct type_field *fields, isize count,
                 const struct csv_rows_options *options, const struct csv_row *header,
                 struct csv_rows **out, struct diag *diag)
{
    for (isize i = 0; i < count; i++) {
        if (!is_supported(fields[i].type, 0)) {
            struct buf name = {0};
            type_format(fields[i].type, &name);
            err e = diag_set(diag, ERR_UNSUPPORTED, "CSV0003",
                             "column \"" STR_FMT "\" has type " STR_FMT
                             ", which the csv format cannot hold",
                             STR_ARG(fields[i].name), STR_ARG(buf_str(&name)));
            buf_deinit(&name);
            return e;
        }
    }
    struct csv_rows *rows = NEW(struct csv_rows);
    rows->fields = fields;
    rows->count = count;
    rows->options = *options;
    rows->wanted_count = header == NULL ? count : header->count;
    if (rows->options.array_delimiter.len == 0) {
        rows->options.array_delimiter = STR(";");
    }
    if (header != NULL) {
        rows->source = mem_alloc(MAX(count, 1) * (isize)sizeof *rows->source);
        for (isize i = 0; i < count; i++) {
            err e = source_find(fields[i].name, header, &rows->source[i], diag);
            if (e != OK) {
                csv_rows_free(rows);
                return e;
            }
        }
    }
    *out = rows;
    return OK;
}

void csv_rows_free(struct csv_rows *rows)
{
    if (rows != NULL) {
        mem_free(rows->source);
        mem_free(rows);
    }
}

/* --- reading
 * --------------------------------------------------------------------------------------------- */

static const char *decode_scalar(const struct csv_rows *rows, const struct type *type, str text,
                                 struct arena *arena, struct value *out)
{
    bool is_null_literal =
        rows->options.has_null_literal && str_eq(text, rows->options.null_literal);
    *out = (struct value){.type = type, .is_null = true};
    if (is_null_literal || (text.len == 0 && !type_is_string(type) && !type_is_bytes(type))) {
        return NULL;
    }
    struct json_member member = {text.data, (u32)text.len, JSON_MEMBER_STRING};
    return json__decode(&rows->form, type, &member, arena, out);
}

static str take_item(str *rest, str delimiter)
{
    isize at = str_find(*rest, delimiter, 0);
    str item = at < 0 ? *rest : str_slice(*rest, 0, at);
    *rest = at < 0 ? STR_EMPTY : str_slice(*rest, at + delimiter.len, rest->len);
    return item;
}

static const char *decode_list(const struct csv_rows *rows, const struct type *type, str text,
                               struct arena *arena, struct value *out)
{
    *out = (struct value){.type = type, .is_null = text.len == 0};
    bool is_row = type->kind == TYPE_ROW;
    struct value *items = NULL;
    isize count = 0;
    bool has_more = text.len > 0;
    while (has_more) {
        if (count == ITEMS_MAX || (is_row && count == type->field_count)) {
            return is_row ? "too many fields for a ROW" : "more than 65536 items in an ARRAY";
        }
        has_more = str_find(text, rows->options.array_delimiter, 0) >= 0;
        str item = take_item(&text, rows->options.array_delimiter);
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        const struct type *item_type = is_row ? type->fields[count].type : type->item;
        const char *problem = decode_scalar(rows, item_type, item, arena, &items[count++]);
        if (problem != NULL) {
            return problem;
        }
    }
    for (; is_row && !out->is_null && count < type->field_count; count++) {
        items = arena_grow(arena, items, count, (isize)sizeof *items);
        items[count] = (struct value){.type = type->fields[count].type, .is_null = true};
    }
    out->u.list.items = items;
    out->u.list.count = count;
    return NULL;
}

static const char *put_field(const struct csv_rows *rows, isize column, str text, struct vec *col,
                             isize at, struct arena *arena)
{
    const struct type *type = rows->fields[column].type;
    struct value value;
    bool is_list = type->kind == TYPE_ARRAY || type->kind == TYPE_ROW;
    const char *problem = is_list ? decode_list(rows, type, text, arena, &value)
                                  : decode_scalar(rows, type, text, arena, &value);
    if (problem == NULL && !value.is_null) {
        vec_set(col, arena, at, &value);
    } else {
        vec_set_null(col, arena, at);
    }
    return problem;
}

err csv_rows_put(const struct csv_rows *rows, const struct csv_row *row, struct vec *cols, isize at,
                 struct arena *arena, struct csv_issue *issue_out)
{
    bool is_ragged = row->count != rows->wanted_count;
    struct csv_issue issue = {-1, NULL};
    if (is_ragged && !rows->options.ignores_parse_errors) {
        issue.text =
            (const char *)arena_printf(arena, "the row has %lld fields, not %lld",
                                       (long long)row->count, (long long)rows->wanted_count)
                .data;
    }
    for (isize i = 0; i < rows->count; i++) {
        isize source = rows->source == NULL ? i : rows->source[i];
        if (source < 0 || source >= row->count) {
            vec_set_null(&cols[i], arena, at);
            continue;
        }
        const char *problem = put_field(rows, i, row->fields[source], &cols[i], at, arena);
        if (problem != NULL && issue.text == NULL && !rows->options.ignores_parse_errors) {
            issue.column = i;
            issue.text = problem;
        }
    }
    if (issue.text == NULL) {
        return OK;
    }
    *issue_out = issue;
    return ERR_TYPE;
}

/* --- writing
 * --------------------------------------------------------------------------------------------- */

static u8 delimiter_of(const struct csv_options *options)
{
    return options->delimiter == 0 ? ',' : options->delimiter;
}

static u8 quote_of(const struct csv_options *options)
{
    return options->quote == 0 ? '"' : options->quote;
}

/* As the writer below Flink decides: without looking closely, for speed. */
static bool needs_quotes(const struct csv_options *options, str text)
{
    u8 safe = MAX(delimiter_of(options), quote_of(options));
    safe = MAX(safe, MAX(options->escape, (u8)'\r'));
    isize characters = 0;
    for (isize i = 0; i < text.len; i++) {
        characters += (text.data[i] & 0xC0) != 0x80;
        if (text.data[i] <= safe) {
            return true;
        }
    }
    return characters > CHECK_CHARACTERS_MAX;
}

void csv_write_text(const struct csv_options *options, str text, struct buf *out)
{
    if (options->has_no_quotes || !needs_quotes(options, text)) {
        buf_append(out, text);
        return;
    }
    u8 quote = quote_of(options);
    buf_append_byte(out, quote);
    for (isize i = 0; i < text.len; i++) {
        u8 byte = text.data[i];
        bool is_special = byte == quote || (options->escape != 0 && byte == options->escape);
        if (is_special) {
            buf_append_byte(out, options->escape != 0 ? options->escape : quote);
        }
        buf_append_byte(out, byte);
    }
    buf_append_byte(out, quote);
}

/* As java.time's ISO forms: no zeros at the end of a fraction. Text from `from` on. */
static void cut_zeros(struct buf *out, isize from)
{
    if (str_find_byte(str_slice(buf_str(out), from, out->len), '.', 0) < 0) {
        return;
    }
    while (out->data[out->len - 1] == '0') {
        out->len--;
    }
    out->len -= out->data[out->len - 1] == '.';
}

static void put_time(const struct value *value, struct buf *out)
{
    isize from = out->len;
    value_format(value, out);
    bool is_zoned = value->type->kind == TYPE_TIMESTAMP_LTZ;
    out->len -= is_zoned && out->data[out->len - 1] == 'Z';
    cut_zeros(out, from);
    if (is_zoned) {
        buf_append_byte(out, 'Z');
    }
}

static void put_scalar(const struct csv_rows_options *rows, const struct value *value,
                       struct buf *out)
{
    if (value->is_null) {
        buf_append(out, rows->has_null_literal ? rows->null_literal : STR_EMPTY);
    } else if (type_is_bytes(value->type)) {
        base64_append(out, value->u.text);
    } else if (type_is_timestamp(value->type) || value->type->kind == TYPE_TIME) {
        put_time(value, out);
    } else {
        value_format(value, out);
    }
}

static void put_value(const struct csv_rows_options *rows, const struct value *value,
                      struct buf *out)
{
    bool is_list = value->type->kind == TYPE_ARRAY || value->type->kind == TYPE_ROW;
    if (!is_list || value->is_null) {
        put_scalar(rows, value, out);
        return;
    }
    str delimiter = rows->array_delimiter.len == 0 ? STR(";") : rows->array_delimiter;
    for (isize i = 0; i < value->u.list.count; i++) {
        buf_append(out, i == 0 ? STR_EMPTY : delimiter);
        put_scalar(rows, &value->u.list.items[i], out);
    }
}

void csv_write_row(const struct csv_options *options, const struct csv_rows_options *rows,
                   const struct vec *cols, isize count, isize row, struct arena *scratch,
                   struct buf *out)
{
    struct buf text = {0};
    for (isize i = 0; i < count; i++) {
        struct value value;
        vec_get(&cols[i], row, scratch, &value);
        buf_reset(&text);
        put_value(rows, &value, &text);
        if (i > 0) {
            buf_append_byte(out, delimiter_of(options));
        }
        bool is_text =
            !value.is_null && !type_is_numeric(value.type) && value.type->kind != TYPE_BOOLEAN;
        if (is_text) {
            csv_write_text(options, buf_str(&text), out);
        } else {
            buf_append(out, buf_str(&text));
        }
    }
    buf_append_byte(out, '\n');
    buf_deinit(&text);
}
