/*
 * codec/csv.h: CSV (RFC 4180) read from a stream of bytes, as rows of fields and as
 * columns by the options of Flink's csv format, and written as Flink writes it.
 * Lines end in LF, CRLF or CR, also mixed; a byte order mark is skipped; the last
 * line needs no end; blank lines are skipped. One thread at a time.
 */
#ifndef CODEC_CSV_H
#define CODEC_CSV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "data/vec.h"

enum {
    CSV_FIELD_BYTES_MAX = 1 << 20,
    CSV_FIELDS_MAX = 16384,
    CSV_ROW_BYTES_MAX = 16 << 20,
};

struct csv_options {
    u8 delimiter;         /* csv.field-delimiter; 0 = ','. */
    u8 quote;             /* csv.quote-character; 0 = '"'. */
    u8 escape;            /* csv.escape-character; 0 = none. */
    bool has_no_quotes;   /* csv.disable-quote-character */
    bool allows_comments; /* csv.allow-comments: lines that begin with '#' are skipped. */
};

struct csv_row {
    const str *fields; /* Borrowed until the next call on the reader. */
    isize count;
    u64 line;            /* Of its first byte, from 1. */
    u64 offset;          /* Of its first byte in the stream. */
    u64 end_offset;      /* Behind its line end: where reading may be resumed. */
    isize column;        /* Of a bad row: field, from 0. */
    const char *problem; /* Of a bad row: why. Static. */
    str raw;             /* The row's bytes as they came (a bad one's: its first 64 KiB). Fields
                          * with escaped quotes are unescaped inside it. */
};

struct csv_reader;
/* Fails with ERR_INVALID when delimiter, quote and escape are not distinct. */
MUST_USE err csv_reader_new(const struct csv_options *options, struct csv_reader **out,
                            struct diag *diag);
void csv_reader_free(struct csv_reader *reader);
/* To go on at an end_offset: numbers of lines and bytes go on from these. Before the first feed. */
void csv_reader_resume(struct csv_reader *reader, u64 offset, u64 line);
void csv_reader_feed(struct csv_reader *reader, str bytes); /* Copies. */
void csv_reader_finish(struct csv_reader *reader);          /* No more bytes will come. */
/* ERR_AGAIN: feed more. ERR_END: all is read. ERR_INVALID: a bad row (`problem` says why: a quote
 * that is not closed, text behind a closing quote, a NUL, bytes that are not UTF-8, a limit); it is
 * passed over and reading goes on with the next line. */
MUST_USE err csv_reader_next(struct csv_reader *reader, struct csv_row *out);
/* Number of the line behind the row that csv_reader_next gave last: csv_reader_resume's, with its
 * end_offset. */
u64 csv_reader_line(const struct csv_reader *reader);

/* --- rows to columns */

struct csv_rows_options {
    bool ignores_parse_errors; /* csv.ignore-parse-errors: a bad field is NULL, no issue. */
    bool has_null_literal;     /* csv.null-literal */
    str null_literal;          /* Borrowed. */
    str array_delimiter;       /* csv.array-element-delimiter; empty = ";". */
};

struct csv_issue {
    isize column;     /* Of the schema; -1: the row has too few or too many fields. */
    const char *text; /* In the arena, or static. */
};

struct csv_rows;
/* `header` maps by name: columns that it lacks are NULL, its own further ones are ignored; NULL
 * maps by position. ERR_INVALID when a wanted name stands there twice, ERR_UNSUPPORTED for a type
 * that CSV cannot hold (diag). `fields` must outlive the decoder. */
MUST_USE err csv_rows_new(const struct type_field *fields, isize count,
                          const struct csv_rows_options *options, const struct csv_row *header,
                          struct csv_rows **out, struct diag *diag);
void csv_rows_free(struct csv_rows *rows);
/* Decodes one row to index `at` of cols[count], which are initialised and long enough. Text is
 * copied to the arena. A field that is empty is NULL unless the column is text. ERR_TYPE:
 * *issue_out says which field is bad; it is NULL and the others are filled. */
MUST_USE err csv_rows_put(const struct csv_rows *rows, const struct csv_row *row, struct vec *cols,
                          isize at, struct arena *arena, struct csv_issue *issue_out);

/* --- writing */

/* One field, quoted as Flink's writer does: with a character below the delimiter's or the quote's
 * code, or longer than 24 characters. */
void csv_write_text(const struct csv_options *options, str text, struct buf *out);
/* One row with its line feed. NULL is `null_literal` of the options, else empty. */
void csv_write_row(const struct csv_options *options, const struct csv_rows_options *rows,
                   const struct vec *cols, isize count, isize row, struct arena *scratch,
                   struct buf *out);

#endif
