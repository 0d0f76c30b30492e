/* plan/expr_format.c: expressions as SQL-like text for EXPLAIN. */
#include "plan/expr.h"

enum { TEXT_BYTES_MAX = 80 };

static void put_name(struct buf *out, str name)
{
    buf_append_byte(out, '`');
    for (isize i = 0; i < name.len; i++) {
        buf_append_fill(out, name.data[i], name.data[i] == '`' ? 2 : 1);
    }
    buf_append_byte(out, '`');
}

static void put_literal(const struct expr *expr, struct buf *out)
{
    const struct value *value = expr->literal;
    if (value->is_null) {
        buf_append(out, STR("NULL"));
        return;
    }
    if (expr->type->kind == TYPE_INTERVAL_DS || expr->type->kind == TYPE_INTERVAL_YM) {
        buf_printf(out, "%lld:INTERVAL %s", (long long)value->u.integer,
                   expr->type->kind == TYPE_INTERVAL_DS ? "SECOND" : "MONTH");
        return;
    }
    struct buf text;
    buf_init(&text, 1 << 16);
    value_format(value, &text);
    str shown = buf_str(&text);
    bool is_cut = shown.len > TEXT_BYTES_MAX;
    isize len = MIN(shown.len, TEXT_BYTES_MAX);
    while (is_cut && len > 0 && (shown.data[len] & 0xC0) == 0x80) {
        len--;
    }
    bool is_text = type_is_string(expr->type);
    bool is_number = type_is_numeric(expr->type) || expr->type->kind == TYPE_BOOLEAN;
    if (!is_text && !is_number) {
        type_format(type_of(expr->type->kind), out);
        buf_append_byte(out, ' ');
    }
    buf_append(out, is_number ? STR_EMPTY : STR("'"));
    buf_append(out, str_slice(shown, 0, len));
    buf_append(out, is_cut ? STR("...") : STR_EMPTY);
    buf_append(out, is_number ? STR_EMPTY : STR("'"));
    buf_deinit(&text);
}

static void put_list(const struct expr *expr, const str *names, str separator, struct buf *out)
{
    for (isize i = 0; i < expr->arg_count; i++) {
        buf_append(out, i == 0 ? STR_EMPTY : separator);
        expr_format(expr->args[i], names, out);
    }
}

static void put_wrapped(const struct expr *expr, const str *names, str open, str close,
                        struct buf *out)
{
    buf_append(out, open);
    put_list(expr, names, STR(", "), out);
    buf_append(out, close);
}

static bool is_operator(str name)
{
    return name.len > 0 && str_find_byte(STR("+-*/%=<>|"), name.data[0], 0) >= 0;
}

static void put_call(const struct expr *expr, const str *names, struct buf *out)
{
    str name = expr->call->name;
    bool is_cast = str_eq(name, STR("CAST")) || str_eq(name, STR("TRY_CAST"));
    if (is_cast && expr->arg_count == 1) {
        buf_append(out, name);
        buf_append_byte(out, '(');
        expr_format(expr->args[0], names, out);
        buf_append(out, STR(" AS "));
        struct type shown = *expr->type;
        shown.is_nullable = true;
        type_format(&shown, out);
        buf_append_byte(out, ')');
        return;
    }
    bool is_word = str_eq(name, STR("LIKE")) || str_eq(name, STR("SIMILAR TO")) ||
                   str_eq(name, STR("IS DISTINCT FROM"));
    if ((is_operator(name) || is_word) && expr->arg_count == 2) {
        buf_append_byte(out, '(');
        expr_format(expr->args[0], names, out);
        buf_printf(out, " " STR_FMT " ", STR_ARG(name));
        expr_format(expr->args[1], names, out);
        buf_append_byte(out, ')');
        return;
    }
    buf_append(out, name);
    put_wrapped(expr, names, STR("("), STR(")"), out);
}

static void put_case(const struct expr *expr, const str *names, struct buf *out)
{
    buf_append(out, STR("CASE"));
    for (isize i = 0; i + 1 < expr->arg_count; i += 2) {
        buf_append(out, STR(" WHEN "));
        expr_format(expr->args[i], names, out);
        buf_append(out, STR(" THEN "));
        expr_format(expr->args[i + 1], names, out);
    }
    buf_append(out, STR(" ELSE "));
    expr_format(expr->args[expr->arg_count - 1], names, out);
    buf_append(out, STR(" END"));
}

static void put_suffix(const struct expr *expr, const str *names, const char *suffix,
                       struct buf *out)
{
    expr_format(expr->args[0], names, out);
    buf_append(out, str_of(suffix));
}

static void put_in(const struct expr *expr, const str *names, struct buf *out)
{
    enum { SHOWN_MAX = 20 };
    expr_format(expr->args[0], names, out);
    buf_append(out, STR(" IN ("));
    for (isize i = 1; i < expr->arg_count && i <= SHOWN_MAX; i++) {
        buf_append(out, i == 1 ? STR_EMPTY : STR(", "));
        expr_format(expr->args[i], names, out);
    }
    if (expr->arg_count - 1 > SHOWN_MAX) {
        buf_printf(out, ", ... %td more", expr->arg_count - 1 - SHOWN_MAX);
    }
    buf_append_byte(out, ')');
}

static void put_item(const struct expr *expr, const str *names, struct buf *out)
{
    expr_format(expr->args[0], names, out);
    buf_append_byte(out, '[');
    expr_format(expr->args[1], names, out);
    buf_append_byte(out, ']');
}

static void put_logic(const struct expr *expr, const str *names, struct buf *out)
{
    buf_append_byte(out, '(');
    put_list(expr, names, expr->kind == EXPR_AND ? STR(" AND ") : STR(" OR "), out);
    buf_append_byte(out, ')');
}

/* long: dispatch */
void expr_format(const struct expr *expr, const str *names, struct buf *out) /* NOLINT */
{
    switch (expr->kind) {
    case EXPR_COLUMN:
        put_name(out, names[expr->column]);
        return;
    case EXPR_LITERAL:
        put_literal(expr, out);
        return;
    case EXPR_CALL:
        put_call(expr, names, out);
        return;
    case EXPR_AND:
    case EXPR_OR:
        put_logic(expr, names, out);
        return;
    case EXPR_NOT:
        put_wrapped(expr, names, STR("NOT("), STR(")"), out);
        return;
    case EXPR_IS_NULL:
        put_suffix(expr, names, " IS NULL", out);
        return;
    case EXPR_IS_NOT_NULL:
        put_suffix(expr, names, " IS NOT NULL", out);
        return;
    case EXPR_IS_TRUE:
        put_suffix(expr, names, " IS TRUE", out);
        return;
    case EXPR_IS_NOT_TRUE:
        put_suffix(expr, names, " IS NOT TRUE", out);
        return;
    case EXPR_IS_FALSE:
        put_suffix(expr, names, " IS FALSE", out);
        return;
    case EXPR_IS_NOT_FALSE:
        put_suffix(expr, names, " IS NOT FALSE", out);
        return;
    case EXPR_CASE:
        put_case(expr, names, out);
        return;
    case EXPR_COALESCE:
        put_wrapped(expr, names, STR("COALESCE("), STR(")"), out);
        return;
    case EXPR_IN:
        put_in(expr, names, out);
        return;
    case EXPR_FIELD:
        expr_format(expr->args[0], names, out);
        buf_append_byte(out, '.');
        put_name(out, expr->args[0]->type->fields[expr->column].name);
        return;
    case EXPR_ROW:
        put_wrapped(expr, names, STR("ROW("), STR(")"), out);
        return;
    case EXPR_ARRAY:
        put_wrapped(expr, names, STR("ARRAY["), STR("]"), out);
        return;
    case EXPR_MAP:
        put_wrapped(expr, names, STR("MAP["), STR("]"), out);
        return;
    case EXPR_ITEM:
        put_item(expr, names, out);
        return;
    }
}
