/*
 * feed/row_json.h: one CSV row as the founding simulator sends it: a JSON object
 * with the header's names in order, every value a string, the times in ISO 8601,
 * Txn_Timestamp last. Described in docs/replay.md; with indent 4 the bytes are
 * those of Python's json.dumps(row, indent=4).
 */
#ifndef FEED_ROW_JSON_H
#define FEED_ROW_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"

enum { FEED_COLUMNS_MAX = 256 };

enum feed_kind { FEED_TEXT, FEED_TIME, FEED_INTEGER, FEED_REAL, FEED_BOOLEAN };

/* The header of a file: made once, then read-only. */
struct feed_columns {
    str *names;  /* In the arena given to feed_columns_init. */
    str *quoted; /* The same as JSON writes them. */
    enum feed_kind *kinds;
    bool *is_shadowed; /* A later column has the same name: that one's value is written here. */
    isize *source;     /* Field that gives this column's value. */
    isize count;
};
/* Copies the names. ERR_LIMIT over FEED_COLUMNS_MAX; ERR_INVALID when there is none. */
MUST_USE err feed_columns_init(struct feed_columns *columns, const str *names, isize count,
                               struct arena *arena, struct diag *diag);
/* Position of a column, -1 when absent. */
isize feed_columns_find(const struct feed_columns *columns, str name);

struct feed_row_form {
    int indent;    /* 0 = compact, no blanks. */
    bool is_typed; /* Numbers and booleans as such; empty ones null. */
};

/* Appends the object, no line feed. `now_us` is the local wall clock of Txn_Timestamp. Rows that
 * are too short give null, surplus fields stand under "null", empty times are null. ERR_INVALID
 * (diag names the column and the value; nothing is appended) for a time in no known form, a value
 * that is no number or boolean where typed, and text that is not UTF-8. */
MUST_USE err feed_row_json(const struct feed_columns *columns, const struct feed_row_form *form,
                           const str *fields, isize field_count, i64 now_us, struct buf *out,
                           struct diag *diag);

/* The known forms of a time: "YYYY-MM-DD HH:MM[:SS[.f]]" with a blank or T and up to 9 digits,
 * "m/d/yyyy h:mm[:ss]" and "dd-mm-yyyy hh:mm[:ss]". Digits below the microsecond are cut. */
MUST_USE err feed_time_parse(str text, i64 *us_out);
/* As Python's datetime.isoformat(): the fraction has six digits and is left out when zero, unless
 * `has_fraction`. */
void feed_time_append(i64 us, bool has_fraction, struct buf *out);

#endif
