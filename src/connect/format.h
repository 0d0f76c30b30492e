/* connect/format.h: the 'format' of a table, its options (json.*, csv.*, raw.*), and what a bad
 * value leads to. Used by every connector whose rows are bytes. */
#ifndef CONNECT_FORMAT_H
#define CONNECT_FORMAT_H

#include "base/buf.h"
#include "codec/csv.h"
#include "connect/connect.h"
#include "data/vec.h"

enum connect_format_kind { CONNECT_FORMAT_JSON, CONNECT_FORMAT_CSV, CONNECT_FORMAT_RAW };
enum connect_on_error { CONNECT_DEAD_LETTER, CONNECT_FAIL, CONNECT_NULL };

struct connect_format {
    enum connect_format_kind kind;
    enum connect_on_error on_error;
    bool ignores_parse_errors;
    bool is_iso_timestamps, fails_on_missing_field;
    bool ignores_null_fields, is_decimal_plain;
    struct csv_options csv;
    struct csv_rows_options csv_rows; /* Strings borrow from the table's options. */
    bool is_little_endian;            /* raw.endianness */
};

extern const struct connect_option connect_format_options[]; /* Ended by a NULL key. */

MUST_USE err connect_format_check(const struct connect_table *table, struct diag *diag);
/* Reads options that connect_format_check has accepted. */
void connect_format_read(const struct connect_table *table, struct connect_format *out);
/* Can rows of these fields be read and written so? Flink's words. */
MUST_USE err connect_format_types_check(const struct connect_format *format,
                                        const struct type_field *fields, isize count,
                                        struct diag *diag);

/* Rows to bytes, without a line end. Immutable; any thread. */
struct connect_writer;
/* `fields` and the format's strings must outlive it. */
struct connect_writer *connect_writer_new(const struct connect_format *format,
                                          const struct type_field *fields, isize count);
void connect_writer_free(struct connect_writer *writer);
void connect_writer_row(const struct connect_writer *writer, const struct vec *cols, isize row,
                        struct arena *scratch, struct buf *out);

/* Raw format: one message into the only column; ERR_TYPE when its length is wrong. */
MUST_USE err connect_raw_read(const struct connect_format *format, str message, struct vec *col,
                              isize row);

#endif
