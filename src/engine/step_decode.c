/* engine/step_decode.c: messages to columns. JSON in two steps, so that a filter comes between;
 * CSV and raw rows at once. */
#include "engine/step_int.h"

static void issue_add(struct step *s, enum json_issue_kind kind, isize message, isize column,
                      str text)
{
    struct json_scan *scan = &s->scan;
    scan->issues =
        arena_grow(&s->arena, scan->issues, scan->issue_count, (isize)sizeof(struct json_issue));
    scan->issues[scan->issue_count++] = (struct json_issue){
        .kind = kind, .message = message, .row = scan->row_count, .column = column, .text = text};
}

/* One message is one row. False when it is none. */
static bool csv_put(struct step *s, str message, isize index)
{
    const struct engine_source *source = s->source;
    struct csv_reader *reader;
    struct diag diag;
    diag_init(&diag);
    if (csv_reader_new(&source->format.csv, &reader, &diag) != OK) {
        return false; /* The options were accepted. */
    }
    csv_reader_feed(reader, message);
    csv_reader_finish(reader);
    struct csv_row row;
    err e = csv_reader_next(reader, &row);
    struct csv_issue issue = {.column = -1};
    if (e == ERR_END) {
        s->scan.empty_count++;
    } else if (e != OK) {
        issue_add(s, JSON_ISSUE_MESSAGE, index, -1, str_of(row.problem));
    } else {
        e = csv_rows_put(source->csv, &row, s->ready, s->scan.row_count, &s->arena, &issue);
        if (e != OK) {
            issue_add(s, JSON_ISSUE_MESSAGE, index, issue.column,
                      issue.text == NULL ? STR("a field is bad") : str_of(issue.text));
        }
    }
    csv_reader_free(reader);
    return e == OK;
}

static bool raw_put(struct step *s, str message, isize index)
{
    err e = connect_raw_read(&s->source->format, message, &s->ready[0], s->scan.row_count);
    if (e != OK) {
        const char *text = type_is_string(s->ready[0].type) ? "the bytes are not UTF-8"
                                                            : "the length is not that of the type";
        issue_add(s, JSON_ISSUE_MESSAGE, index, 0, str_of(text));
    }
    return e == OK;
}

void engine__step_scan(struct step *s, const str *messages, isize count)
{
    const struct engine_source *source = s->source;
    s->ready = NULL;
    if (source->format.kind == CONNECT_FORMAT_JSON) {
        json_rows_scan(source->decoder, messages, count, &s->arena, &s->scan);
        return;
    }
    count = MIN(count, BATCH_ROWS_MAX);
    s->scan = (struct json_scan){.messages = messages, .message_count = count};
    s->scan.message_of = ARENA_ARRAY(&s->arena, u32, MAX(count, 1));
    s->ready = ARENA_ARRAY(&s->arena, struct vec, MAX(source->field_count, 1));
    for (isize i = 0; i < source->field_count; i++) {
        vec_init(&s->ready[i], &s->arena, source->fields[i].type, count, true);
    }
    for (isize i = 0; i < count; i++) {
        bool is_row = source->field_count == 0 ||
                      (source->format.kind == CONNECT_FORMAT_RAW ? raw_put(s, messages[i], i)
                                                                 : csv_put(s, messages[i], i));
        s->scan.message_of[s->scan.row_count] = (u32)i;
        s->scan.row_count += is_row;
    }
}

void engine__step_fill(struct step *s, isize column, const struct sel *sel, struct vec *out)
{
    if (s->ready != NULL) {
        *out = s->ready[column];
        out->len = s->scan.row_count;
        return;
    }
    json_rows_fill(s->source->decoder, &s->scan, column, sel, &s->arena, out);
}
