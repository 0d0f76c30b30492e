/*
 * codec/json_rows.h: JSON messages into column vectors, as Flink's JSON format reads
 * them (docs/sql/json.md). Two steps, so that a filter can come between:
 *
 *   scan  checks every message to the closing brace of its first object and notes
 *         where the value of each column lies;
 *   fill  decodes one column for the selected rows.
 *
 * Text without escapes is not copied: views point into the messages, which must
 * outlive the vectors. A decoder learns the layout of rows, which makes it faster and
 * never changes a result: each thread has its own.
 */
#ifndef CODEC_JSON_ROWS_H
#define CODEC_JSON_ROWS_H

#include "base/arena.h"
#include "data/vec.h"

enum { JSON_ROWS_DEPTH_MAX = 64 }; /* Of values beyond the schema's own nesting. */

struct json_rows_options {
    bool is_iso_timestamps;      /* json.timestamp-format.standard = ISO-8601; else SQL. */
    bool fails_on_missing_field; /* json.fail-on-missing-field */
};

struct json_rows;
/* `fields` must outlive the decoder. */
struct json_rows *json_rows_new(const struct type_field *fields, isize count,
                                const struct json_rows_options *options);
void json_rows_free(struct json_rows *rows);

enum json_member_kind {
    JSON_MEMBER_ABSENT,
    JSON_MEMBER_NULL,
    JSON_MEMBER_TRUE,
    JSON_MEMBER_FALSE,
    JSON_MEMBER_NUMBER,
    JSON_MEMBER_STRING,  /* Without escapes; the text lies between the quotes. */
    JSON_MEMBER_ESCAPED, /* String with escapes. */
    JSON_MEMBER_OBJECT,  /* With its braces. */
    JSON_MEMBER_ARRAY,
};

struct json_member {
    const u8 *data;
    u32 len;
    u32 kind; /* enum json_member_kind */
};

enum json_issue_kind {
    JSON_ISSUE_MESSAGE,  /* The message is not JSON, or no row: no row comes of it. */
    JSON_ISSUE_TRAILING, /* Bytes follow the first object, which is a row all the same. */
    JSON_ISSUE_FIELD,    /* A value that its column's type cannot take: NULL stands there. */
};

struct json_issue {
    enum json_issue_kind kind;
    isize message; /* Index of the message. */
    isize row;     /* FIELD: row of the scan. */
    isize column;  /* FIELD */
    isize offset;  /* Into the message. */
    str text;      /* In Flink's words; in the arena. */
};

struct json_scan {
    isize row_count, row_capacity;
    isize message_count; /* Taken: less than given when the rows would pass BATCH_ROWS_MAX. */
    isize empty_count;   /* Messages that are empty, blank or null: no row, no issue. */
    const str *messages;
    u32 *message_of;             /* Per row. */
    struct json_member *members; /* Row-major: row * field count + column. */
    isize field_count;
    struct json_issue *issues;
    isize issue_count;
};

/* Everything in *out lives in the arena. At least one message is taken. */
void json_rows_scan(struct json_rows *rows, const str *messages, isize count, struct arena *arena,
                    struct json_scan *out);
/* Decodes column `column` for the rows of `sel` into *out (initialised here, scan->row_count long).
 * Adds JSON_ISSUE_FIELD issues to the scan. */
void json_rows_fill(const struct json_rows *rows, struct json_scan *scan, isize column,
                    const struct sel *sel, struct arena *arena, struct vec *out);

#endif
