/* Every level of the row decoder must say the same of the same messages. Shared by the unit test
 * and the fuzz target. */
#ifndef JSON_ROWS_CHECK_H
#define JSON_ROWS_CHECK_H

#include "codec/json_row_write.h"
#include "codec/json_rows_int.h"

enum { CHECK_FIELDS = 5, CHECK_FORMS = 3 };

static const struct type_field *check_fields(struct arena *arena)
{
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, CHECK_FIELDS);
    fields[0] = (struct type_field){STR("ID"), type_of(TYPE_VARCHAR), STR_EMPTY};
    fields[1] = (struct type_field){STR("Severity"), type_of(TYPE_BIGINT), STR_EMPTY};
    fields[2] = (struct type_field){STR("Lat"), type_of(TYPE_DOUBLE), STR_EMPTY};
    fields[3] = (struct type_field){STR("At"), type_of(TYPE_TIMESTAMP), STR_EMPTY};
    fields[4] =
        (struct type_field){STR("Tags"), type_array(arena, type_of(TYPE_VARCHAR)), STR_EMPTY};
    return fields;
}

/* All that a scan and its fills say, as text. */
static void check_describe(struct json_rows *rows, const struct json_row_writer *writer,
                           const str *messages, isize count, struct arena *arena, struct buf *out)
{
    isize done = 0;
    while (done < count) {
        struct json_scan scan;
        struct vec cols[CHECK_FIELDS];
        json_rows_scan(rows, messages + done, count - done, arena, &scan);
        CHECK(scan.message_count > 0);
        struct sel all = {NULL, scan.row_count};
        for (isize i = 0; i < CHECK_FIELDS; i++) {
            json_rows_fill(rows, &scan, i, &all, arena, &cols[i]);
        }
        for (isize i = 0; i < scan.row_count; i++) {
            buf_printf(out, "%d:", (int)scan.message_of[i]);
            json_row_write(writer, cols, i, out);
            buf_append_byte(out, '\n');
        }
        for (isize i = 0; i < scan.issue_count; i++) {
            const struct json_issue *issue = &scan.issues[i];
            buf_printf(out, "%d %d %d %d %d " STR_FMT "\n", (int)issue->kind, (int)issue->message,
                       (int)issue->row, (int)issue->column, (int)issue->offset,
                       STR_ARG(issue->text));
        }
        buf_printf(out, "%d of %d empty\n", (int)scan.empty_count, (int)scan.message_count);
        done += scan.message_count;
    }
}

/* The time as TIMESTAMP(6) in SQL's form, TIMESTAMP(3) and TIMESTAMP_LTZ(1) in ISO 8601. */
static const struct type_field *check_fields_of(struct arena *arena, int form)
{
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, CHECK_FIELDS);
    memcpy(fields, check_fields(arena), CHECK_FIELDS * sizeof *fields);
    if (form > 0) {
        fields[3].type = form == 1 ? type_timestamp(arena, TYPE_TIMESTAMP, 3)
                                   : type_timestamp(arena, TYPE_TIMESTAMP_LTZ, 1);
    }
    return fields;
}

static bool check_form(const str *messages, isize count, int form, struct buf *a, struct buf *b)
{
    bool is_same = true;
    for (int level = JSON_LEVEL_GENERAL; level <= (int)json__best_level() && is_same; level++) {
        struct arena arena = {0};
        const struct type_field *fields = check_fields_of(&arena, form);
        struct json_rows_options options = {.is_iso_timestamps = form > 0};
        struct json_row_options to = {.is_iso_timestamps = form > 0};
        struct json_rows *rows = json_rows_new(fields, CHECK_FIELDS, &options);
        struct json_row_writer *writer = json_row_writer_new(fields, CHECK_FIELDS, &to);
        rows->layout.level = (enum json_level)level;
        struct buf *out = level == JSON_LEVEL_GENERAL ? a : b;
        buf_reset(out);
        check_describe(rows, writer, messages, count, &arena, out);
        is_same = level == JSON_LEVEL_GENERAL || str_eq(buf_str(a), buf_str(b));
        json_rows_free(rows);
        json_row_writer_free(writer);
        arena_deinit(&arena);
    }
    return is_same;
}

/* False, with what the levels said in `a` and `b`, when they differ. */
static bool check_levels(const str *messages, isize count, struct buf *a, struct buf *b)
{
    bool is_same = true;
    for (int form = 0; form < CHECK_FORMS && is_same; form++) {
        is_same = check_form(messages, count, form, a, b);
    }
    return is_same;
}

#endif
