/*
 * codec/json_row_write.h: rows of vectors as JSON objects, as Flink's JSON format
 * writes them: members in the order of the schema, no blanks, no line feed
 * (docs/sql/json.md). A writer is immutable; any thread.
 */
#ifndef CODEC_JSON_ROW_WRITE_H
#define CODEC_JSON_ROW_WRITE_H

#include "base/buf.h"
#include "data/vec.h"

struct json_row_options {
    bool is_iso_timestamps;
    bool ignores_null_fields; /* json.encode.ignore-null-fields */
    bool is_decimal_plain;    /* json.encode.decimal-as-plain-number */
};

struct json_row_writer;
/* `fields` must outlive the writer. */
struct json_row_writer *json_row_writer_new(const struct type_field *fields, isize count,
                                            const struct json_row_options *options);
void json_row_writer_free(struct json_row_writer *writer);
/* `cols` are as many vectors as the writer has fields. */
void json_row_write(const struct json_row_writer *writer, const struct vec *cols, isize row,
                    struct buf *out);

#endif
