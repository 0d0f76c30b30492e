/* connect/format.h: the 'format' of a table and its options (json.*), and what a bad value leads
 * to. Used by every connector whose rows are bytes. */
#ifndef CONNECT_FORMAT_H
#define CONNECT_FORMAT_H

#include "connect/connect.h"

enum connect_format_kind { CONNECT_FORMAT_JSON };
enum connect_on_error { CONNECT_DEAD_LETTER, CONNECT_FAIL, CONNECT_NULL };

struct connect_format {
    enum connect_format_kind kind;
    enum connect_on_error on_error;
    bool ignores_parse_errors;
    bool is_iso_timestamps, fails_on_missing_field;
    bool ignores_null_fields, is_decimal_plain;
};

#define CONNECT_FORMAT_OPTIONS                                                                     \
    {"json.timestamp-format.standard", false, "SQL (default) or ISO-8601."},                       \
        {"json.fail-on-missing-field", false, "A missing member is an error (false)."},            \
        {"json.ignore-parse-errors", false,                                                        \
         "A bad field is NULL, a bad message is dropped (false)."},                                \
        {"json.encode.decimal-as-plain-number", false, "No scientific notation (false)."},         \
        {"json.encode.ignore-null-fields", false, "Members that are NULL are left out (false)."},  \
    {                                                                                              \
        "on-error", false, "leat: dead-letter (default), fail or null: what a bad value leads to." \
    }

MUST_USE err connect_format_check(const struct connect_table *table, struct diag *diag);
/* Reads options that connect_format_check has accepted. */
void connect_format_read(const struct connect_table *table, struct connect_format *out);

#endif
