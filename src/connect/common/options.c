/* connect/common/options.c: sizes and durations in options. */
#include "connect/common/options.h"

struct unit {
    const char *name;
    u64 factor;
};

/* A number, blanks, and a unit of the list (the first stands for none). */
static err measure(str text, const struct unit *units, u64 *out)
{
    text = str_trim(text);
    isize digits = 0;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    u64 number;
    TRY(str_to_u64(str_slice(text, 0, digits), &number));
    str unit = str_trim(str_slice(text, digits, text.len));
    for (isize i = 0; units[i].name != NULL; i++) {
        bool fits = str_eq_nocase(unit, str_of(units[i].name)) || (i == 0 && unit.len == 0);
        if (fits) {
            u64 product;
            if (__builtin_mul_overflow(number, units[i].factor, &product)) {
                return ERR_RANGE;
            }
            *out = product;
            return OK;
        }
    }
    return ERR_SYNTAX;
}

err connect_get_bytes(const struct connect_table *table, const char *key, u64 *out,
                      struct diag *diag)
{
    static const struct unit units[] = {
        {"b", 1},        {"bytes", 1},           {"k", 1 << 10},
        {"kb", 1 << 10}, {"kibibytes", 1 << 10}, {"m", 1 << 20},
        {"mb", 1 << 20}, {"mebibytes", 1 << 20}, {"g", 1 << 30},
        {"gb", 1 << 30}, {"gibibytes", 1 << 30}, {NULL, 0},
    };
    str value = connect_get(table, key, STR_EMPTY);
    if (value.len > 0 && measure(value, units, out) != OK) {
        (void)diag_set(diag, ERR_INVALID, "CON030", "Invalid value for option '%s': " STR_FMT, key,
                       STR_ARG(value));
        diag_hint(diag, "a size is a number with b, kb, mb or gb: '128MB'");
        return ERR_INVALID;
    }
    return OK;
}

err connect_get_ms(const struct connect_table *table, const char *key, i64 *out, struct diag *diag)
{
    static const struct unit units[] = {
        {"ms", 1},           {"milli", 1},       {"millis", 1},     {"millisecond", 1},
        {"milliseconds", 1}, {"s", 1000},        {"sec", 1000},     {"secs", 1000},
        {"second", 1000},    {"seconds", 1000},  {"m", 60000},      {"min", 60000},
        {"minute", 60000},   {"minutes", 60000}, {"h", 3600000},    {"hour", 3600000},
        {"hours", 3600000},  {"d", 86400000},    {"day", 86400000}, {"days", 86400000},
        {NULL, 0},
    };
    str value = connect_get(table, key, STR_EMPTY);
    u64 ms = 0;
    if (value.len == 0) {
        return OK;
    }
    if (measure(value, units, &ms) != OK || ms > (u64)INT32_MAX) {
        (void)diag_set(diag, ERR_INVALID, "CON031", "Invalid value for option '%s': " STR_FMT, key,
                       STR_ARG(value));
        diag_hint(diag, "a duration is a number with ms, s, min, h or d, at most 24 d: '30 min'");
        return ERR_INVALID;
    }
    *out = (i64)ms;
    return OK;
}

err connect_get_number(const struct connect_table *table, const char *key, i64 low, i64 high,
                       i64 *out, struct diag *diag)
{
    str value = connect_get(table, key, STR_EMPTY);
    i64 number;
    if (value.len == 0) {
        return OK;
    }
    if (str_to_i64(value, &number) != OK || number < low || number > high) {
        (void)diag_set(diag, ERR_INVALID, "CON032", "Invalid value for option '%s': " STR_FMT, key,
                       STR_ARG(value));
        diag_hint(diag, "a whole number from %lld to %lld", (long long)low, (long long)high);
        return ERR_INVALID;
    }
    *out = number;
    return OK;
}
