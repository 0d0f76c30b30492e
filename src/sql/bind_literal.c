/* sql/bind_literal.c: literals to values, with the types that Flink gives them. */
#include "sql/bind_int.h"

enum { DIGITS_MAX = 9 };

static err bad_literal(struct sql_binder *b, const struct sql_expr *ast, const char *what)
{
    return sql__fail(b->diag, SQLE_LITERAL, sql__bind_span(b, ast->span),
                     "'" STR_FMT "' is not a valid %s", STR_ARG(str_slice(ast->text, 0, 64)), what);
}

static const struct expr *new_value(struct sql_binder *b, const struct sql_expr *ast,
                                    struct value value, const struct type *type)
{
    value.type = type_with_null(b->arena, type, false);
    return sql__new_literal(b, &value, sql__bind_span(b, ast->span));
}

static err bind_integer(struct sql_binder *b, const struct sql_expr *ast, const struct expr **out)
{
    struct value value = {.is_null = false};
    if (str_to_i64(ast->text, &value.u.integer) != OK) {
        return sql__fail(b->diag, SQLE_LITERAL, sql__bind_span(b, ast->span),
                         "Numeric literal '" STR_FMT "' out of range",
                         STR_ARG(str_slice(ast->text, 0, 64)));
    }
    bool is_int = value.u.integer >= INT32_MIN && value.u.integer <= INT32_MAX;
    *out = new_value(b, ast, value, type_of(is_int ? TYPE_INT : TYPE_BIGINT));
    return OK;
}

/* 1.50 is DECIMAL(3, 2), 0.908 is DECIMAL(3, 3). */
static err bind_decimal(struct sql_binder *b, const struct sql_expr *ast, const struct expr **out)
{
    i128 unscaled = 0;
    i32 digits = 0, scale = 0;
    bool is_negative = false, is_fraction = false;
    for (isize i = 0; i < ast->text.len; i++) {
        u8 c = ast->text.data[i];
        if (c == '-') {
            is_negative = true;
            continue;
        }
        if (c == '.') {
            is_fraction = true;
            continue;
        }
        digits += digits > 0 || c != '0';
        scale += is_fraction;
        if (digits > TYPE_DECIMAL_PRECISION_MAX || scale > TYPE_DECIMAL_PRECISION_MAX) {
            return sql__fail(b->diag, SQLE_LITERAL, sql__bind_span(b, ast->span),
                             "Numeric literal '" STR_FMT "' out of range",
                             STR_ARG(str_slice(ast->text, 0, 64)));
        }
        unscaled = unscaled * 10 + (c - '0');
    }
    i32 precision = MAX(MAX(digits, scale), 1);
    unscaled = is_negative ? -unscaled : unscaled;
    struct value value = {.is_null = false};
    if (precision <= 18) {
        value.u.integer = (i64)unscaled;
    } else {
        value.u.wide = unscaled;
    }
    *out = new_value(b, ast, value, type_decimal(b->arena, precision, scale));
    return OK;
}

static err bind_double(struct sql_binder *b, const struct sql_expr *ast, const struct expr **out)
{
    struct value value = {.is_null = false};
    if (str_to_f64(ast->text, &value.u.real) != OK) {
        return bad_literal(b, ast, "DOUBLE");
    }
    *out = new_value(b, ast, value, type_of(TYPE_DOUBLE));
    return OK;
}

/* --- date and time ---------------------------------------------------------------------------- */

static i32 fraction_digits(str text)
{
    isize dot = str_rfind_byte(text, '.');
    return dot < 0 ? 0 : (i32)MIN(text.len - dot - 1, DIGITS_MAX);
}

/* By the cast from text, which must succeed here and now. */
static err bind_time(struct sql_binder *b, const struct sql_expr *ast, const struct type *type,
                     const char *what, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    const struct expr *cast = NULL;
    TRY(sql__cast(b, sql__new_text(b, str_trim(ast->text), span), type, false, &cast));
    if (cast->kind != EXPR_LITERAL || cast->literal->is_null) {
        return bad_literal(b, ast, what);
    }
    *out = new_value(b, ast, *cast->literal, type);
    return OK;
}

/* --- intervals -------------------------------------------------------------------------------- */

struct interval_unit {
    const char *name;
    i64 factor; /* Milliseconds, or months. */
    bool is_months;
    char separator; /* After this field, in "1 02:03:04" and "1-2"; 0 = none may follow. */
};

static const struct interval_unit units[] = {
    {"YEAR", 12, true, '-'},       {"QUARTER", 3, true, 0},       {"MONTH", 1, true, 0},
    {"WEEK", 604800000, false, 0}, {"DAY", 86400000, false, ' '}, {"HOUR", 3600000, false, ':'},
    {"MINUTE", 60000, false, ':'}, {"SECOND", 1000, false, 0},
};

static isize find_unit(str name)
{
    for (isize i = 0; i < COUNT_OF(units); i++) {
        if (str_eq(name, str_of(units[i].name))) {
            return i;
        }
    }
    return -1;
}

/* "12" or, for seconds, "12.345": milliseconds or months. */
static bool take_field(str text, const struct interval_unit *unit, i64 *out)
{
    bool has_dot = false;
    str whole = str_split(&text, '.', &has_dot);
    u64 number = 0;
    bool is_second = strcmp(unit->name, "SECOND") == 0;
    i64 fraction = 0;
    if (has_dot) {
        if (!is_second || text.len == 0 || text.len > DIGITS_MAX) {
            return false;
        }
        i64 scale = 100;
        for (isize i = 0; i < text.len; i++, scale /= 10) {
            if (text.data[i] < '0' || text.data[i] > '9') {
                return false;
            }
            fraction += (text.data[i] - '0') * scale;
        }
        whole = whole.len == 0 ? STR("0") : whole;
    }
    if (str_to_u64(whole, &number) != OK || number > (u64)(INT64_MAX / 2 / unit->factor)) {
        return false;
    }
    *out += (i64)number * unit->factor + fraction;
    return *out <= INT64_MAX / 4;
}

static bool parse_interval(str text, isize from, isize to, i64 *out)
{
    *out = 0;
    text = str_trim(text);
    bool is_negative = text.len > 0 && text.data[0] == '-';
    if (is_negative || (text.len > 0 && text.data[0] == '+')) {
        text = str_slice(text, 1, text.len);
    }
    for (isize i = from; i < to; i++) {
        if (units[i].separator == 0) {
            continue; /* QUARTER between YEAR and MONTH. */
        }
        bool has_more = false;
        str field = str_split(&text, (u8)units[i].separator, &has_more);
        if (!has_more || !take_field(field, &units[i], out)) {
            return false;
        }
        text = units[i].separator == ' ' ? str_trim(text) : text;
    }
    if (!take_field(text, &units[to], out)) {
        return false;
    }
    *out = is_negative ? -*out : *out;
    return true;
}

static err bind_interval(struct sql_binder *b, const struct sql_expr *ast, const struct expr **out)
{
    isize from = find_unit(ast->unit);
    isize to = ast->unit_to.len > 0 ? find_unit(ast->unit_to) : from;
    struct sql_span span = sql__bind_span(b, ast->span);
    bool is_range = from >= 0 && to > from && units[from].separator != 0 &&
                    units[from].is_months == units[to].is_months &&
                    strcmp(units[to].name, "QUARTER") != 0;
    if (from < 0 || to < 0 || (from != to && !is_range)) {
        return sql__fail(b->diag, SQLE_LITERAL, span, "there is no interval " STR_FMT "%s" STR_FMT,
                         STR_ARG(ast->unit), ast->unit_to.len > 0 ? " TO " : "",
                         STR_ARG(ast->unit_to));
    }
    struct value value = {.is_null = false};
    if (!parse_interval(ast->text, from, to, &value.u.integer)) {
        return bad_literal(b, ast, "interval");
    }
    bool is_months = units[from].is_months;
    if (is_months && (value.u.integer > INT32_MAX || value.u.integer < INT32_MIN)) {
        return bad_literal(b, ast, "interval");
    }
    value.u.integer = ast->is_not ? -value.u.integer : value.u.integer;
    *out = new_value(b, ast, value, type_of(is_months ? TYPE_INTERVAL_YM : TYPE_INTERVAL_DS));
    return OK;
}

static const struct type *time_type(struct sql_binder *b, i32 precision)
{
    struct type *type = ARENA_NEW(b->arena, struct type);
    *type = *type_of(TYPE_TIME);
    type->precision = precision;
    return type;
}

err sql__bind_literal(struct sql_binder *b, const struct sql_expr *ast, const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    struct value value = {.is_null = false};
    switch ((int)ast->kind) {
    case AST_NULL:
        *out = sql__new_null(b, type_of(TYPE_NULL), span);
        return OK;
    case AST_UNKNOWN:
        *out = sql__new_null(b, type_of(TYPE_BOOLEAN), span);
        return OK;
    case AST_BOOLEAN:
        value.u.boolean = ast->flag;
        *out = new_value(b, ast, value, type_of(TYPE_BOOLEAN));
        return OK;
    case AST_INTEGER:
        return bind_integer(b, ast, out);
    case AST_DECIMAL:
        return bind_decimal(b, ast, out);
    case AST_DOUBLE:
        return bind_double(b, ast, out);
    case AST_DATE:
        return bind_time(b, ast, type_of(TYPE_DATE), "DATE", out);
    case AST_TIME:
        return bind_time(b, ast, time_type(b, fraction_digits(ast->text)), "TIME", out);
    case AST_TIMESTAMP:
        return bind_time(b, ast,
                         type_timestamp(b->arena, TYPE_TIMESTAMP, fraction_digits(ast->text)),
                         "TIMESTAMP", out);
    case AST_INTERVAL:
        return bind_interval(b, ast, out);
    case AST_BINARY:
        value.u.text = ast->text;
        *out = new_value(b, ast, value, type_char(b->arena, TYPE_BINARY, (i32)ast->text.len));
        return OK;
    default:
        CHECK(ast->kind == AST_STRING || ast->kind == AST_SYMBOL);
        *out = sql__new_text(b, ast->text, span);
        return OK;
    }
}
