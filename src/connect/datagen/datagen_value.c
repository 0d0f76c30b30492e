/* connect/datagen/datagen_value.c: the value of one column: random or of a sequence. */
#include "connect/common/options.h"
#include "connect/datagen/datagen_int.h"

#include <float.h>
#include <stdio.h>

enum { KEY_BYTES = 192 };

static str option(const struct connect_table *table, str name, const char *what, char *key)
{
    (void)snprintf(key, KEY_BYTES, "fields." STR_FMT ".%s", STR_ARG(name), what);
    return connect_get(table, key, STR_EMPTY);
}

static err bad(const char *key, str value, const char *wanted, struct diag *diag)
{
    (void)diag_set(diag, ERR_INVALID, "CON090", "Invalid value for option '%s': " STR_FMT, key,
                   STR_ARG(value));
    diag_hint(diag, "it must be %s", wanted);
    return ERR_INVALID;
}

static err number_read(const struct connect_table *table, str name, const char *what, i64 *out,
                       struct diag *diag)
{
    char key[KEY_BYTES];
    str value = option(table, name, what, key);
    if (value.len > 0 && str_to_i64(value, out) != OK) {
        return bad(key, value, "a whole number", diag);
    }
    return OK;
}

static err real_read(const struct connect_table *table, str name, const char *what, double *out,
                     struct diag *diag)
{
    char key[KEY_BYTES];
    str value = option(table, name, what, key);
    if (value.len > 0 && str_to_f64(value, out) != OK) {
        return bad(key, value, "a number", diag);
    }
    return OK;
}

static i64 power_of_ten(i32 digits)
{
    i64 power = 1;
    for (i32 i = 0; i < digits; i++) {
        power *= 10;
    }
    return power;
}

/* The whole range of the type. */
static void range_set(struct datagen_field *field)
{
    const struct type *type = field->type;
    static const i64 highs[] = {INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX};
    field->low = 0;
    field->high = INT32_MAX;
    if (type_is_integer(type)) {
        field->high = highs[type->kind - TYPE_TINYINT];
        field->low = -field->high - 1;
    } else if (type->kind == TYPE_DECIMAL) {
        double most = (double)power_of_ten(MIN(type->precision - type->scale, 18));
        field->real_low = -most;
        field->real_high = most;
    } else {
        field->real_high = type->kind == TYPE_FLOAT ? (double)FLT_MAX : DBL_MAX;
        field->real_low = 0;
    }
}

static err kind_check(const struct type_field *field, bool is_sequence, struct diag *diag)
{
    const struct type *type = field->type;
    bool is_good = type_is_numeric(type) || type_is_string(type) ||
                   (!is_sequence &&
                    (type->kind == TYPE_BOOLEAN || type_is_bytes(type) || type_is_timestamp(type) ||
                     type->kind == TYPE_DATE || type->kind == TYPE_TIME));
    if (type->kind == TYPE_DECIMAL && type->precision > 18) {
        is_good = false;
    }
    if (!is_good) {
        return diag_set(diag, ERR_UNSUPPORTED, "CON091",
                        "datagen does not support the type of column \"" STR_FMT "\"%s",
                        STR_ARG(field->name), is_sequence ? " as a sequence" : "");
    }
    return OK;
}

static err sequence_read(const struct connect_table *table, const struct type_field *field,
                         struct datagen_field *out, struct diag *diag)
{
    char key[KEY_BYTES];
    bool has_both = option(table, field->name, "start", key).len > 0 &&
                    option(table, field->name, "end", key).len > 0;
    if (!has_both) {
        return diag_set(diag, ERR_INVALID, "CON092",
                        "Could not find required property 'fields." STR_FMT
                        ".start' or 'fields." STR_FMT ".end' for sequence generator.",
                        STR_ARG(field->name), STR_ARG(field->name));
    }
    TRY(number_read(table, field->name, "start", &out->start, diag));
    TRY(number_read(table, field->name, "end", &out->end, diag));
    if (out->end < out->start) {
        return bad(key, option(table, field->name, "end", key), "at least the start", diag);
    }
    return OK;
}

err datagen_field_read(const struct connect_table *table, const struct type_field *field,
                       struct datagen_field *out, struct diag *diag)
{
    char key[KEY_BYTES];
    *out = (struct datagen_field){.type = field->type, .length = DATAGEN_LENGTH};
    str kind = option(table, field->name, "kind", key);
    out->is_sequence = str_eq(kind, STR("sequence"));
    if (kind.len > 0 && !out->is_sequence && !str_eq(kind, STR("random"))) {
        return bad(key, kind, "random or sequence", diag);
    }
    TRY(kind_check(field, out->is_sequence, diag));
    if (out->is_sequence) {
        return sequence_read(table, field, out, diag);
    }
    range_set(out);
    if (type_is_integer(field->type)) {
        TRY(number_read(table, field->name, "min", &out->low, diag));
        TRY(number_read(table, field->name, "max", &out->high, diag));
    } else {
        TRY(real_read(table, field->name, "min", &out->real_low, diag));
        TRY(real_read(table, field->name, "max", &out->real_high, diag));
    }
    if (out->low > out->high || out->real_low > out->real_high) {
        return bad(key, option(table, field->name, "max", key), "at least the min", diag);
    }
    if (field->type->kind == TYPE_CHAR || field->type->kind == TYPE_BINARY) {
        out->length = field->type->length;
    }
    TRY(number_read(table, field->name, "length", &out->length, diag));
    if (out->length < 1 ||
        out->length >
            MIN(DATAGEN_LENGTH_MAX,
                (i64)field->type->length + (field->type->length == 0 ? DATAGEN_LENGTH_MAX : 0))) {
        bool is_text = type_is_string(field->type) || type_is_bytes(field->type);
        bool is_given = option(table, field->name, "length", key).len > 0;
        if (is_text && is_given) {
            return bad(key, option(table, field->name, "length", key),
                       "from 1 to the length of the type, at most 100000", diag);
        }
        out->length = MIN(out->length, MAX((i64)field->type->length, 1));
    }
    out->is_var_length = str_eq(option(table, field->name, "var-len", key), STR("true"));
    TRY(real_read(table, field->name, "null-rate", &out->null_rate, diag));
    (void)option(table, field->name, "max-past", key);
    return connect_get_ms(table, key, &out->max_past_ms, diag);
}

i64 datagen_field_rows(const struct datagen_field *field)
{
    if (!field->is_sequence) {
        return INT64_MAX;
    }
    u64 span = (u64)field->end - (u64)field->start;
    return span >= INT64_MAX ? INT64_MAX : (i64)span + 1;
}

/* --- values -------------------------------------------------------------------------------- */

static i64 between(struct rng *rng, i64 low, i64 high)
{
    u64 span = (u64)high - (u64)low + 1;
    return (i64)((u64)low + (span == 0 ? rng_next(rng) : rng_below(rng, span)));
}

static str text_make(const struct datagen_field *field, struct rng *rng, struct arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    i64 length = field->is_var_length ? between(rng, 1, field->length) : field->length;
    u8 *text = arena_alloc(arena, (isize)length);
    for (i64 i = 0; i < length; i += 16) {
        u64 bits = rng_next(rng);
        for (i64 k = i; k < MIN(i + 16, length); k++, bits >>= 4) {
            text[k] = (u8)digits[bits & 15];
        }
    }
    return str_from(text, (isize)length);
}

static void time_set(const struct datagen_field *field, i64 now_us, struct rng *rng,
                     struct value *out)
{
    enum { DAY_MS = 86400000 };
    i64 ms = now_us / 1000;
    if (field->max_past_ms > 0) {
        ms -= between(rng, 0, field->max_past_ms);
    }
    if (field->type->kind == TYPE_DATE) {
        out->u.integer = ms / DAY_MS;
    } else if (field->type->kind == TYPE_TIME) {
        out->u.integer = ms % DAY_MS;
    } else if (field->type->precision > 6) {
        out->u.stamp = (struct stamp){.ms = ms};
    } else {
        out->u.integer = ms * 1000;
    }
}

static void number_set(const struct datagen_field *field, double at, i64 whole, struct value *out)
{
    switch (field->type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        out->u.real = field->is_sequence ? (double)whole : at;
        return;
    case TYPE_DECIMAL:
        out->u.integer = field->is_sequence ? whole * power_of_ten(field->type->scale)
                                            : (i64)(at * (double)power_of_ten(field->type->scale));
        return;
    default:
        out->u.integer = whole;
    }
}

void datagen_field_set(const struct datagen_field *field, u64 number, i64 now_us, struct rng *rng,
                       struct arena *arena, struct vec *vec, isize row)
{
    struct value value = {.type = field->type};
    if (field->null_rate > 0 && rng_unit(rng) < field->null_rate) {
        vec_set_null(vec, arena, row);
        return;
    }
    if (field->is_sequence && type_is_string(field->type)) {
        value.u.text = arena_printf(arena, "%lld", (long long)(field->start + (i64)number));
    } else if (type_is_string(field->type) || type_is_bytes(field->type)) {
        value.u.text = text_make(field, rng, arena);
    } else if (field->type->kind == TYPE_BOOLEAN) {
        value.u.boolean = (rng_next(rng) & 1) != 0;
    } else if (type_is_numeric(field->type)) {
        double at = field->real_low + (field->real_high - field->real_low) * rng_unit(rng);
        i64 whole =
            field->is_sequence ? field->start + (i64)number : between(rng, field->low, field->high);
        number_set(field, at, whole, &value);
    } else {
        time_set(field, now_us, rng, &value);
    }
    vec_set(vec, arena, row, &value);
}
