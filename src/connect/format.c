/* connect/format.c: options of formats. */
#include "connect/format.h"

err connect_format_check(const struct connect_table *table, struct diag *diag)
{
    static const char *const formats[] = {"json", NULL};
    static const char *const standards[] = {"SQL", "ISO-8601", NULL};
    static const char *const booleans[] = {"true", "false", NULL};
    static const char *const errors[] = {"dead-letter", "fail", "null", NULL};
    static const char *const flags[] = {"json.fail-on-missing-field", "json.ignore-parse-errors",
                                        "json.encode.decimal-as-plain-number",
                                        "json.encode.ignore-null-fields"};
    TRY(connect_one_of(table, "format", formats, diag));
    TRY(connect_one_of(table, "json.timestamp-format.standard", standards, diag));
    TRY(connect_one_of(table, "on-error", errors, diag));
    for (isize i = 0; i < COUNT_OF(flags); i++) {
        TRY(connect_one_of(table, flags[i], booleans, diag));
    }
    if (connect_is_true(table, "json.fail-on-missing-field") &&
        connect_is_true(table, "json.ignore-parse-errors")) {
        return diag_set(diag, ERR_INVALID, "CON007",
                        "fail-on-missing-field and ignore-parse-errors shouldn't both be true.");
    }
    return OK;
}

void connect_format_read(const struct connect_table *table, struct connect_format *out)
{
    *out = (struct connect_format){.kind = CONNECT_FORMAT_JSON};
    str on_error = connect_get(table, "on-error", STR("dead-letter"));
    out->on_error = str_eq(on_error, STR("fail"))   ? CONNECT_FAIL
                    : str_eq(on_error, STR("null")) ? CONNECT_NULL
                                                    : CONNECT_DEAD_LETTER;
    out->is_iso_timestamps =
        str_eq(connect_get(table, "json.timestamp-format.standard", STR("SQL")), STR("ISO-8601"));
    out->ignores_parse_errors = connect_is_true(table, "json.ignore-parse-errors");
    out->fails_on_missing_field = connect_is_true(table, "json.fail-on-missing-field");
    out->ignores_null_fields = connect_is_true(table, "json.encode.ignore-null-fields");
    out->is_decimal_plain = connect_is_true(table, "json.encode.decimal-as-plain-number");
}
