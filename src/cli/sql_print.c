/* cli/sql_print.c */
#include "cli/sql_print.h"

#include "cli/api.h"
#include "os/process.h"

#include <stdio.h>

enum { LIVE_WIDTH_TEXT = 24, LIVE_WIDTH_MAX = 60 };

/* --- tables for people
 * ---------------------------------------------------------------------------------- */

static isize width_of(str text)
{
    isize width = 0;
    for (isize i = 0; i < text.len; i++) {
        width += (text.data[i] & 0xC0) != 0x80;
    }
    return width;
}

static void rule_print(const struct sql_print *p)
{
    for (isize i = 0; i < p->column_count; i++) {
        (void)fputc('+', stdout);
        for (isize w = 0; w < p->widths[i] + 2; w++) {
            (void)fputc('-', stdout);
        }
    }
    (void)puts("+");
}

/* The first `width` characters, the last of them "…" when there are more. */
static void cell_print(str text, isize width, bool is_cut)
{
    isize chars = width_of(text);
    if (is_cut && chars > width) {
        isize end = 0, count = 0;
        while (end < text.len && (count < width - 1 || (text.data[end] & 0xC0) == 0x80)) {
            count += (text.data[end] & 0xC0) != 0x80;
            end++;
        }
        while (end < text.len && (text.data[end] & 0xC0) == 0x80) {
            end++;
        }
        print_plain(str_slice(text, 0, end), true);
        (void)fputs("…", stdout);
        return;
    }
    print_plain(text, true);
    for (; chars < width; chars++) {
        (void)fputc(' ', stdout);
    }
}

static void cells_print(const struct sql_print *p, const str *cells)
{
    for (isize i = 0; i < p->column_count; i++) {
        (void)fputs("| ", stdout);
        cell_print(cells[i], p->widths[i], p->is_live);
        (void)fputc(' ', stdout);
    }
    (void)puts("|");
}

static void table_print(struct sql_print *p)
{
    bool is_text =
        p->column_count == 1 && p->row_count == 1 && str_find_byte(p->cells[0], '\n', 0) >= 0;
    if (is_text) { /* EXPLAIN and SHOW CREATE: the text itself. */
        print_plain(p->cells[0], false);
        (void)fputc('\n', stdout);
        return;
    }
    if (p->row_count == 0) {
        (void)puts("Empty set");
        return;
    }
    for (isize c = 0; c < p->column_count; c++) {
        p->widths[c] = width_of(p->columns[c]);
        for (isize r = 0; r < p->row_count; r++) {
            p->widths[c] = MAX(p->widths[c], width_of(p->cells[r * p->column_count + c]));
        }
    }
    rule_print(p);
    cells_print(p, p->columns);
    rule_print(p);
    for (isize r = 0; r < p->row_count; r++) {
        cells_print(p, p->cells + r * p->column_count);
    }
    rule_print(p);
    (void)printf("%td row%s in set\n", p->row_count, p->row_count == 1 ? "" : "s");
}

/* Rows arrive one by one: the widths follow from the types. */
static isize live_width(str name, str type)
{
    static const struct {
        const char *type;
        isize width;
    } widths[] = {{"BOOLEAN", 5}, {"TINYINT", 4},     {"SMALLINT", 6},       {"INT", 11},
                  {"BIGINT", 12}, {"FLOAT", 14},      {"DOUBLE", 18},        {"DATE", 10},
                  {"TIME(", 12},  {"TIMESTAMP(", 23}, {"TIMESTAMP_LTZ", 24}, {"DECIMAL", 20}};
    isize width = LIVE_WIDTH_TEXT;
    for (int i = 0; i < COUNT_OF(widths); i++) {
        width = str_starts(type, str_of(widths[i].type)) ? widths[i].width : width;
    }
    return MIN(MAX(width, width_of(name)), LIVE_WIDTH_MAX);
}

/* --- for programs
 * -------------------------------------------------------------------------------------- */

static str text_of(struct arena *arena, const struct json_value *value, str null)
{
    struct buf text = {0};
    str result = json_text(value);
    if (json_kind(value) == JSON_NULL) {
        return null;
    }
    if (json_kind(value) != JSON_STRING && json_kind(value) != JSON_NUMBER) {
        api_put_json(&text, value);
        result = arena_copy(arena, buf_str(&text));
    }
    buf_deinit(&text);
    return result;
}

static void put_csv(struct buf *out, str text)
{
    bool is_plain = str_find_byte(text, '"', 0) < 0 && str_find_byte(text, ',', 0) < 0 &&
                    str_find_byte(text, '\n', 0) < 0 && str_find_byte(text, '\r', 0) < 0;
    if (is_plain) {
        buf_append(out, text);
        return;
    }
    buf_append_byte(out, '"');
    for (isize i = 0; i < text.len; i++) {
        buf_append(out, text.data[i] == '"' ? STR("\"\"") : str_from(text.data + i, 1));
    }
    buf_append_byte(out, '"');
}

static void row_csv(struct sql_print *p, const struct json_value *cell, struct buf *out)
{
    for (isize i = 0; i < p->column_count; i++, cell = json_next(cell)) {
        buf_append(out, i > 0 ? STR(",") : STR_EMPTY);
        put_csv(out, text_of(&p->line, cell, STR_EMPTY));
    }
    buf_append_byte(out, '\n');
}

static void row_object(struct sql_print *p, const struct json_value *line, struct buf *out)
{
    const struct json_value *cell = json_first(json_get(line, STR("values")));
    str op = json_get_text(line, STR("op"));
    buf_append_byte(out, '{');
    for (isize i = 0; i < p->column_count; i++, cell = json_next(cell)) {
        buf_append(out, i > 0 ? STR(",") : STR_EMPTY);
        json_write_string(out, p->columns[i]);
        buf_append_byte(out, ':');
        api_put_json(out, cell);
    }
    if (!str_eq(op, STR("+I"))) { /* A change of an earlier row. */
        buf_append(out, p->column_count > 0 ? STR(",\"$op\":") : STR("\"$op\":"));
        json_write_string(out, op);
    }
    buf_append_byte(out, '}');
}

static void out_write(struct buf *out)
{
    if (out->len > 0) {
        (void)fwrite(out->data, 1, (size_t)out->len, stdout);
    }
    buf_deinit(out);
}

/* --- lines
 * -------------------------------------------------------------------------------------------- */

static void take_columns(struct sql_print *p, const struct json_value *line)
{
    const struct json_value *column = json_first(json_get(line, STR("columns")));
    arena_reset(&p->arena);
    p->column_count = 0;
    p->row_count = 0;
    p->cells = NULL;
    p->is_live = json_get_bool(line, STR("live"), false);
    for (; column != NULL && p->column_count < SQL_COLUMNS_MAX; column = json_next(column)) {
        str name = arena_copy(&p->arena, json_get_text(column, STR("name")));
        p->widths[p->column_count] = live_width(name, json_get_text(column, STR("type")));
        p->columns[p->column_count++] = name;
    }
    if (p->on_row != NULL) {
        return;
    }
    if (p->form == SQL_FORM_TABLE && p->is_live) {
        rule_print(p);
        cells_print(p, p->columns);
        rule_print(p);
    } else if (p->form == SQL_FORM_CSV) {
        struct buf out = {0};
        for (isize i = 0; i < p->column_count; i++) {
            buf_append(&out, i > 0 ? STR(",") : STR_EMPTY);
            put_csv(&out, p->columns[i]);
        }
        buf_append_byte(&out, '\n');
        out_write(&out);
    } else if (p->form == SQL_FORM_JSON) {
        (void)fputs("[", stdout);
    }
}

static void row_table(struct sql_print *p, const struct json_value *line)
{
    const struct json_value *cell = json_first(json_get(line, STR("values")));
    str cells[SQL_COLUMNS_MAX] = {0};
    for (isize i = 0; i < p->column_count; i++, cell = json_next(cell)) {
        cells[i] = text_of(&p->line, cell, STR("NULL"));
    }
    if (p->on_row != NULL) {
        p->on_row(p->on_row_ctx, cells, p->column_count);
    } else if (p->is_live) {
        cells_print(p, cells);
    } else {
        for (isize i = 0; i < p->column_count; i++) {
            isize at = p->row_count * p->column_count + i;
            p->cells = arena_grow(&p->arena, p->cells, at, (isize)sizeof(str));
            p->cells[at] = arena_copy(&p->arena, cells[i]);
        }
    }
}

static void take_row(struct sql_print *p, const struct json_value *line)
{
    struct buf out = {0};
    if (p->column_count < 0) {
        return;
    }
    if (p->form == SQL_FORM_TABLE || p->on_row != NULL) {
        row_table(p, line);
    } else if (p->form == SQL_FORM_CSV) {
        row_csv(p, json_first(json_get(line, STR("values"))), &out);
    } else {
        buf_append(&out, p->form == SQL_FORM_JSON && p->row_count > 0 ? STR(",\n") : STR_EMPTY);
        row_object(p, line, &out);
        buf_append(&out, p->form == SQL_FORM_NDJSON ? STR("\n") : STR_EMPTY);
    }
    p->row_count++;
    out_write(&out);
}

static void position_print(const struct json_value *position)
{
    str old = json_get_text(position, STR("old")), new = json_get_text(position, STR("new"));
    (void)printf("  " STR_FMT " " STR_FMT ": ", STR_ARG(json_get_text(position, STR("stream"))),
                 STR_ARG(json_get_text(position, STR("shard_id"))));
    if (old.len > 0) {
        (void)printf("stood at " STR_FMT ", ", STR_ARG(old));
    }
    (void)printf("starts at " STR_FMT "\n", STR_ARG(new));
}

static void take_job(struct sql_print *p, const struct json_value *line, str text)
{
    str id = json_get_text(line, STR("id")), name = json_get_text(line, STR("name"));
    p->has_job = true;
    if (p->form == SQL_FORM_NDJSON) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
        return;
    }
    if (p->form == SQL_FORM_JSON) {
        buf_append(&p->jobs, p->jobs.len > 0 ? STR(",\n") : STR_EMPTY);
        buf_append(&p->jobs, text);
        return;
    }
    if (json_get_bool(line, STR("already_running"), false)) {
        (void)printf("already running as job " STR_FMT " (" STR_FMT ")\n", STR_ARG(id),
                     STR_ARG(name));
        return;
    }
    bool is_replaced = json_get_bool(line, STR("replaced"), false);
    (void)printf("Job ID: " STR_FMT " (" STR_FMT ")%s\n", STR_ARG(id), STR_ARG(name),
                 is_replaced ? ", in place of the one that ran" : "");
    const struct json_value *position = json_first(json_get(line, STR("positions")));
    for (; position != NULL; position = json_next(position)) {
        position_print(position);
    }
}

static void take_error(struct sql_print *p, const struct json_value *line)
{
    p->code = api_error_print(json_get(line, STR("error")));
}

static void take_done(struct sql_print *p, const struct json_value *line)
{
    bool has_table = p->column_count >= 0 && p->on_row == NULL;
    if (has_table && p->form == SQL_FORM_JSON) {
        (void)puts("]");
    } else if (has_table && p->form == SQL_FORM_TABLE && p->is_live) {
        rule_print(p);
        i64 rows = json_get_i64(line, STR("rows"), p->row_count);
        (void)printf("%lld row%s\n", (long long)rows, rows == 1 ? "" : "s");
    } else if (has_table && p->form == SQL_FORM_TABLE) {
        table_print(p);
    } else if (p->form == SQL_FORM_TABLE && !p->has_job && !p->is_quiet) {
        (void)puts("[INFO] Execute statement succeed.");
    }
    p->column_count = -1;
    p->has_job = false;
}

bool sql_print_line(void *print, str text)
{
    struct sql_print *p = print;
    if (text.len == 0) {
        return !os_output_is_closed(); /* The server asks whether anybody reads. */
    }
    arena_reset(&p->line);
    const struct json_value *line = json_parse_request(&p->line, text);
    str type = json_get_text(line, STR("type"));
    if (str_eq(type, STR("columns"))) {
        take_columns(p, line);
    } else if (str_eq(type, STR("row"))) {
        take_row(p, line);
    } else if (str_eq(type, STR("statement"))) {
        p->column_count = -1;
    } else if (str_eq(type, STR("job"))) {
        take_job(p, line, text);
    } else if (str_eq(type, STR("notice")) && !p->is_quiet) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "[INFO] " STR_FMT "\n", STR_ARG(json_get_text(line, STR("message"))));
    } else if (str_eq(type, STR("error"))) {
        take_error(p, line);
    } else if (str_eq(type, STR("done"))) {
        take_done(p, line);
    }
    (void)fflush(stdout);
    return ferror(stdout) == 0;
}

void sql_print_end(struct sql_print *p)
{
    bool is_json = p->form == SQL_FORM_JSON;
    if (is_json && p->column_count >= 0 && p->on_row == NULL) {
        (void)puts("]"); /* The answer ended early. */
    }
    if (is_json && (p->is_run || p->jobs.len > 0)) {
        (void)printf("{\"jobs\":[" STR_FMT "]}\n", STR_ARG(buf_str(&p->jobs)));
    }
    buf_deinit(&p->jobs);
    arena_deinit(&p->line);
    arena_deinit(&p->arena);
}
