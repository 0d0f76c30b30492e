/* base/diag.c: errors as people read them. */
#include "base/diag.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { NEAR_MAX = 3, TAB_COLUMNS = 4 };
enum { LINE_BYTES_MAX = 400, LINE_BEFORE_BYTES = 60, LINE_AFTER_BYTES = 100 };

void diag_init(struct diag *diag)
{
    memset(diag, 0, sizeof *diag);
    diag->span_start = -1;
}

bool diag_is_set(const struct diag *diag)
{
    return diag->message[0] != '\0';
}

err diag_set(struct diag *diag, err e, const char *code, const char *format, ...)
{
    if (diag == NULL || diag_is_set(diag)) {
        return e;
    }
    str_copy_cstr(str_of(code), diag->code, (isize)sizeof diag->code);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->message, sizeof diag->message, format, args);
    va_end(args);
    diag->span_start = -1;
    return e;
}

void diag_span(struct diag *diag, isize start, isize len)
{
    if (diag != NULL && diag->span_start < 0) {
        diag->span_start = start;
        diag->span_len = len;
    }
}

void diag_label(struct diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->label[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->label, sizeof diag->label, format, args);
    va_end(args);
}

void diag_hint(struct diag *diag, const char *format, ...)
{
    if (diag == NULL || diag->hint[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(diag->hint, sizeof diag->hint, format, args);
    va_end(args);
}

static void hint_newer(struct diag *diag)
{
    diag_hint(diag, "start the newer leat, or restore a backup that this one can read");
}

err diag_set_newer(struct diag *diag, const char *code, const char *what, u64 found, u64 known)
{
    (void)diag_set(diag, ERR_VERSION, code,
                   "%s was written by a newer leat: format version %llu, this one reads up to %llu",
                   what, (unsigned long long)found, (unsigned long long)known);
    hint_newer(diag);
    return ERR_VERSION;
}

err diag_set_unknown_kind(struct diag *diag, const char *code, const char *what, u64 kind)
{
    (void)diag_set(diag, ERR_VERSION, code,
                   "%s was written by a newer leat: this one knows no record of kind %llu in it",
                   what, (unsigned long long)kind);
    hint_newer(diag);
    return ERR_VERSION;
}

str diag_nearest(str name, const str *candidates, isize count)
{
    int limit = (int)MIN(NEAR_MAX, MAX(name.len / 3, 1));
    str best = STR_EMPTY;
    int best_distance = limit + 1;
    for (isize i = 0; i < count; i++) {
        int distance = str_distance(name, candidates[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidates[i];
        }
    }
    return best;
}

/* Line number (from 1) and the line that holds `offset`. */
static str line_at(str source, isize offset, isize *line_out, isize *start_out)
{
    isize start = 0, line = 1;
    for (isize i = 0; i < offset && i < source.len; i++) {
        if (source.data[i] == '\n') {
            start = i + 1;
            line++;
        }
    }
    isize end = str_find_byte(source, '\n', start);
    *line_out = line;
    *start_out = start;
    return str_trim(str_slice(source, start, end < 0 ? source.len : end)).len == 0
               ? STR_EMPTY
               : str_slice(source, start, end < 0 ? source.len : end);
}

/* Columns that the text takes on a terminal: one per UTF-8 character, tabs as blanks. */
static isize columns_of(str text)
{
    isize columns = 0;
    for (isize i = 0; i < text.len; i++) {
        if (text.data[i] == '\t') {
            columns += TAB_COLUMNS;
        } else if ((text.data[i] & 0xC0) != 0x80) {
            columns++;
        }
    }
    return columns;
}

static void append_line(struct buf *out, str line)
{
    for (isize i = 0; i < line.len; i++) {
        if (line.data[i] == '\t') {
            buf_append_fill(out, ' ', TAB_COLUMNS);
        } else if (line.data[i] >= 0x20) {
            buf_append_byte(out, line.data[i]);
        }
    }
}

static bool is_inside_character(str text, isize at)
{
    return at < text.len && (text.data[at] & 0xC0) == 0x80;
}

/* What is shown of a line that no terminal holds: the part around `at`, in whole characters. */
static str part_of(str line, isize at, isize *from_out)
{
    *from_out = 0;
    if (line.len <= LINE_BYTES_MAX) {
        return line;
    }
    isize from = MAX(at - LINE_BEFORE_BYTES, 0), to = MIN(at + LINE_AFTER_BYTES, line.len);
    while (is_inside_character(line, from)) {
        from++;
    }
    while (is_inside_character(line, to)) {
        to++;
    }
    *from_out = from;
    return str_slice(line, from, to);
}

static void append_source(const struct diag *diag, str source, bool has_colour, struct buf *out)
{
    const char *blue = has_colour ? "\033[34m" : "", *red = has_colour ? "\033[31m" : "";
    const char *off = has_colour ? "\033[0m" : "";
    isize line, start;
    str text = line_at(source, diag->span_start, &line, &start);
    str before = str_slice(source, start, diag->span_start);
    const char *origin = diag->origin[0] != '\0' ? diag->origin : "statement";
    buf_printf(out, "  %s-->%s %s:%td:%td\n", blue, off, origin, line, columns_of(before) + 1);
    isize from;
    text = part_of(text, diag->span_start - start, &from);
    start += from;
    before = str_slice(source, start, diag->span_start);
    char number[24];
    int width = snprintf(number, sizeof number, "%td", line);
    buf_printf(out, " %*s %s|%s\n %s%s |%s ", width, "", blue, off, blue, number, off);
    append_line(out, text);
    buf_printf(out, "\n %*s %s|%s ", width, "", blue, off);
    buf_append_fill(out, ' ', columns_of(before));
    isize end = MIN(diag->span_start + MAX(diag->span_len, 1), start + MAX(text.len, 1));
    isize carets = MAX(columns_of(str_slice(source, diag->span_start, end)), 1);
    buf_append(out, str_of(red));
    buf_append_fill(out, '^', carets);
    if (diag->label[0] != '\0') {
        buf_printf(out, " %s", diag->label);
    }
    buf_printf(out, "%s\n", off);
}

void diag_render(const struct diag *diag, str source, bool has_colour, struct buf *out)
{
    const char *red = has_colour ? "\033[1;31m" : "", *bold = has_colour ? "\033[1m" : "";
    const char *off = has_colour ? "\033[0m" : "";
    buf_printf(out, "%serror", red);
    if (diag->code[0] != '\0') {
        buf_printf(out, "[%s]", diag->code);
    }
    buf_printf(out, "%s%s: %s%s\n", off, bold, diag->message, off);
    bool has_span = diag->span_start >= 0 && diag->span_start <= source.len && source.len > 0;
    if (has_span) {
        append_source(diag, source, has_colour, out);
    } else if (diag->label[0] != '\0') {
        buf_printf(out, "  = %s\n", diag->label);
    }
    if (diag->hint[0] != '\0') {
        buf_printf(out, "  = help: %s\n", diag->hint);
    }
}
