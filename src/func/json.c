/* func/json.c: JSON_VALUE, JSON_QUERY, JSON_EXISTS, IS JSON, and the functions that make JSON. */
#include "func/json_doc.h"

/* --- looking into JSON ------------------------------------------------------------------------ */

enum on { ON_NULL, ON_ERROR, ON_DEFAULT, ON_ARRAY, ON_OBJECT, ON_TRUE, ON_FALSE, ON_UNKNOWN };
enum wrapper { WITHOUT, CONDITIONAL, WITH };

struct json_plan {
    const struct json_path *path; /* NULL: per row, or invalid. */
    bool is_fixed;
    enum wrapper wrapper;
    enum on on_empty, on_error;
};

enum outcome { FOUND, EMPTY, FAILED };

static enum on behaviour(const struct func_binding *b, isize i, enum on absent)
{
    static const struct {
        const char *name;
        enum on on;
    } names[] = {{"NULL", ON_NULL},         {"ERROR", ON_ERROR},         {"DEFAULT", ON_DEFAULT},
                 {"EMPTY ARRAY", ON_ARRAY}, {"EMPTY OBJECT", ON_OBJECT}, {"TRUE", ON_TRUE},
                 {"FALSE", ON_FALSE},       {"UNKNOWN", ON_UNKNOWN}};
    str word = func__literal(b, i);
    for (isize k = 0; k < COUNT_OF(names); k++) {
        if (str_eq_nocase(str_of(names[k].name), word)) {
            return names[k].on;
        }
    }
    return absent;
}

static err bind_json(struct func_binding *b)
{
    struct json_plan *plan = ARENA_NEW(b->arena, struct json_plan);
    str name = str_of(b->def->name);
    if (b->args[1].literal != NULL && !b->args[1].literal->is_null) {
        plan->is_fixed = true;
        plan->path = func__json_path(b->arena, b->args[1].literal->u.text);
        if (plan->path == NULL) {
            return diag_set(b->diag, ERR_INVALID, "SQL0205", "'" STR_FMT "' is not a JSON path",
                            STR_ARG(str_slice(b->args[1].literal->u.text, 0, 200)));
        }
    }
    if (str_eq(name, STR("JSON_VALUE"))) {
        plan->on_empty = behaviour(b, 2, ON_NULL);
        plan->on_error = behaviour(b, 4, ON_NULL);
    } else if (str_eq(name, STR("JSON_QUERY"))) {
        str wrapper = func__literal(b, 2);
        plan->wrapper = str_eq_nocase(wrapper, STR("WITH"))          ? WITH
                        : str_eq_nocase(wrapper, STR("CONDITIONAL")) ? CONDITIONAL
                                                                     : WITHOUT;
        plan->on_empty = behaviour(b, 3, ON_NULL);
        plan->on_error = behaviour(b, 4, ON_NULL);
    } else {
        plan->on_error = behaviour(b, 2, ON_FALSE);
    }
    b->out->data = plan;
    return OK;
}

/* Follows the path of this row. FAILED comes with *why. */
static enum outcome look(struct func_ctx *ctx, const struct json_plan *plan, const struct vec *args,
                         isize row, struct json_node **out, str *why)
{
    const struct json_path *path =
        plan->is_fixed ? plan->path : func__json_path(ctx->arena, func__text_at(&args[1], row));
    str text = func__text_at(&args[0], row);
    struct json_node *root = func__json_parse(ctx->arena, text);
    if (root == NULL || path == NULL) {
        *why = root == NULL ? STR("the text is not valid JSON") : STR("the JSON path is not valid");
        return FAILED;
    }
    if (func__json_find(ctx->arena, path, root, out)) {
        return (*out)->kind == JSON_NULL ? EMPTY : FOUND;
    }
    if (func__json_path_is_lax(path)) {
        return EMPTY;
    }
    *why = arena_printf(ctx->arena, "No results for path: " STR_FMT,
                        STR_ARG(func__json_path_text(ctx->arena, path)));
    return FAILED;
}

/* "1e5" as Java's BigDecimal prints it: "1E+5"; other numbers as they stand. */
static str number_text(struct arena *arena, str text)
{
    isize e = str_find_byte(text, 'e', 0);
    e = e < 0 ? str_find_byte(text, 'E', 0) : e;
    i64 exponent = 0;
    if (e < 0 || str_to_i64(str_slice(text, e + 1, text.len), &exponent) != OK ||
        exponent > 100000 || exponent < -100000) {
        return text;
    }
    struct buf digits;
    buf_init(&digits, 0);
    isize point = -1;
    bool is_negative = text.data[0] == '-';
    for (isize i = is_negative; i < e; i++) {
        if (text.data[i] == '.') {
            point = digits.len;
        } else if (digits.len > 0 || text.data[i] != '0' || point >= 0) {
            buf_append_byte(&digits, text.data[i]);
        }
    }
    i64 scale = (point < 0 ? 0 : digits.len - point) - exponent;
    i64 adjusted = digits.len - 1 - scale;
    str result = text;
    if (digits.len > 0 && (scale < 0 || adjusted < -6)) {
        str rest = str_slice(buf_str(&digits), 1, digits.len);
        result =
            arena_printf(arena, "%s%c%s" STR_FMT "E%+lld", is_negative ? "-" : "", digits.data[0],
                         rest.len > 0 ? "." : "", STR_ARG(rest), (long long)adjusted);
    }
    buf_deinit(&digits);
    return result;
}

static bool scalar_text(struct arena *arena, const struct json_node *node, str *out)
{
    if (node->kind == JSON_BOOLEAN) {
        *out = node->boolean ? STR("true") : STR("false");
    } else if (node->kind == JSON_TEXT) {
        *out = node->text;
    } else if (node->kind == JSON_NUMBER) {
        *out = number_text(arena, node->text);
    } else {
        return false;
    }
    return true;
}

/* ON EMPTY and ON ERROR of JSON_VALUE and JSON_QUERY; `standard` holds the DEFAULT text. */
static void put_instead(struct func_ctx *ctx, enum on on, const struct vec *standard, isize row,
                        str why, struct vec *out)
{
    if (on == ON_ERROR) {
        func_fail(ctx, row, STR_FMT, STR_ARG(why));
    } else if (on == ON_ARRAY || on == ON_OBJECT) {
        func__put_text(out, row, on == ON_ARRAY ? STR("[]") : STR("{}"));
    } else if (on == ON_DEFAULT && standard != NULL && vec_is_valid(standard, row)) {
        func__put_text(out, row, func__text_at(standard, row));
    } else {
        func__put_null(ctx, out, row);
    }
}

static bool has_inputs(const struct vec *args, isize row)
{
    return vec_is_valid(&args[0], row) && vec_is_valid(&args[1], row);
}

KERNEL(json_value)
{
    KERNEL_UNUSED();
    const struct json_plan *plan = data;
    FOR_SEL(sel, row)
    {
        if (!has_inputs(args, row)) {
            func__put_null(ctx, out, row);
            continue;
        }
        struct json_node *node = NULL;
        str why = STR_EMPTY, text = STR_EMPTY;
        enum outcome found = look(ctx, plan, args, row, &node, &why);
        if (found == FOUND && !scalar_text(ctx->arena, node, &text)) {
            found = FAILED;
            why = STR("the JSON path leads to an array or object, not to a scalar value");
        }
        if (found == FOUND) {
            func__put_text(out, row, text);
        } else if (found == EMPTY) {
            put_instead(ctx, plan->on_empty, arg_count > 3 ? &args[3] : NULL, row,
                        STR("Empty result of JSON_VALUE function is not allowed"), out);
        } else {
            put_instead(ctx, plan->on_error, arg_count > 5 ? &args[5] : NULL, row, why, out);
        }
    }
}

KERNEL(json_query)
{
    KERNEL_UNUSED();
    const struct json_plan *plan = data;
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        if (!has_inputs(args, row)) {
            func__put_null(ctx, out, row);
            continue;
        }
        struct json_node *node = NULL;
        str why = STR_EMPTY;
        enum outcome found = look(ctx, plan, args, row, &node, &why);
        bool is_scalar = found == FOUND && node->kind < JSON_ARRAY;
        bool wraps = plan->wrapper == WITH ||
                     (plan->wrapper == CONDITIONAL && found == FOUND && node->kind != JSON_ARRAY);
        if (is_scalar && !wraps) {
            found = FAILED;
            why = STR("the JSON path leads to a scalar value, not to an array or object");
        }
        if (found == FOUND) {
            buf_reset(&buf);
            buf_append(&buf, wraps ? STR("[") : STR_EMPTY);
            func__json_write(node, &buf);
            buf_append(&buf, wraps ? STR("]") : STR_EMPTY);
            func__put_buf(ctx, out, row, &buf);
        } else if (found == EMPTY) {
            put_instead(ctx, plan->on_empty, NULL, row,
                        STR("Empty result of JSON_QUERY function is not allowed"), out);
        } else {
            put_instead(ctx, plan->on_error, NULL, row, why, out);
        }
    }
    buf_deinit(&buf);
}

KERNEL(json_exists)
{
    KERNEL_UNUSED();
    const struct json_plan *plan = data;
    FOR_SEL(sel, row)
    {
        struct json_node *node = NULL;
        str why = STR_EMPTY;
        enum outcome found =
            has_inputs(args, row) ? look(ctx, plan, args, row, &node, &why) : EMPTY;
        if (!has_inputs(args, row) || (found == FAILED && plan->on_error == ON_UNKNOWN)) {
            func__put_null(ctx, out, row);
        } else if (found == FAILED && plan->on_error == ON_ERROR) {
            func_fail(ctx, row, STR_FMT, STR_ARG(why));
        } else {
            VEC(u8, out)[row] = found == FOUND || (found == FAILED && plan->on_error == ON_TRUE);
        }
    }
}

KERNEL(is_json)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        const struct json_node *node = NULL;
        if (vec_is_valid(&args[0], row)) {
            node = func__json_parse(ctx->arena, func__text_at(&args[0], row));
        }
        u8 kind = arg_count > 1 && vec_is_valid(&args[1], row)
                      ? func__text_at(&args[1], row).data[0]
                      : 'V';
        VEC(u8, out)
        [row] = node != NULL && (kind == 'V' || (kind == 'O' && node->kind == JSON_OBJECT) ||
                                 (kind == 'A' && node->kind == JSON_ARRAY) ||
                                 (kind == 'S' && node->kind < JSON_ARRAY));
    }
}

/* --- making JSON ------------------------------------------------------------------------------ */

static void put_json(const struct value *value, struct buf *out);

static void put_json_list(const struct value *value, struct buf *out)
{
    const struct type *type = value->type;
    bool is_map = type->kind == TYPE_MAP || type->kind == TYPE_MULTISET;
    bool has_names = is_map || type->kind == TYPE_ROW;
    struct buf key;
    buf_init(&key, FUNC_TEXT_BYTES_MAX);
    buf_append_byte(out, has_names ? '{' : '[');
    for (isize i = 0; i < value->u.list.count; i++) {
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        if (type->kind == TYPE_ROW) {
            func__json_quote(type->fields[i].name, false, out);
            buf_append_byte(out, ':');
        } else if (is_map) {
            buf_reset(&key);
            func__cast_text(&value->u.list.items[i++], func__zone("UTC"), &key);
            func__json_quote(buf_str(&key), false, out);
            buf_append_byte(out, ':');
        }
        put_json(&value->u.list.items[i], out);
    }
    buf_append_byte(out, has_names ? '}' : ']');
    buf_deinit(&key);
}

static void put_json(const struct value *value, struct buf *out)
{
    if (value->is_null || value->type->kind == TYPE_NULL) {
        buf_append(out, STR("null"));
        return;
    }
    if (value->type->kind >= TYPE_ARRAY) {
        put_json_list(value, out);
        return;
    }
    struct buf text;
    buf_init(&text, FUNC_TEXT_BYTES_MAX);
    func__cast_text(value, func__zone("UTC"), &text);
    if (value->type->kind == TYPE_BOOLEAN) {
        buf_append(out, value->u.boolean ? STR("true") : STR("false"));
    } else if (type_is_numeric(value->type)) {
        buf_append(out, buf_str(&text));
    } else {
        if (type_is_timestamp(value->type) && text.len > 10) {
            text.data[10] = 'T';
            buf_append(&text, value->type->kind == TYPE_TIMESTAMP_LTZ ? STR("Z") : STR_EMPTY);
        }
        func__json_quote(buf_str(&text), false, out);
    }
    out->failed |= text.failed;
    buf_deinit(&text);
}

KERNEL(json_string)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        struct value value;
        vec_get(&args[0], row, ctx->arena, &value);
        buf_reset(&buf);
        put_json(&value, &buf);
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

struct build_plan {
    bool is_object, drops_null;
    str marks; /* 'j' per value: is JSON already. */
};

static void build_row(struct func_ctx *ctx, const struct build_plan *plan, const struct vec *args,
                      isize arg_count, isize row, struct buf *buf)
{
    isize step = plan->is_object ? 2 : 1;
    bool is_first = true;
    buf_append_byte(buf, plan->is_object ? '{' : '[');
    for (isize i = 1, n = 0; i + step <= arg_count; i += step, n++) {
        const struct vec *arg = &args[i + step - 1];
        struct value value;
        vec_get(arg, row, ctx->arena, &value);
        if (value.is_null && plan->drops_null) {
            continue;
        }
        buf_append(buf, is_first ? STR_EMPTY : STR(","));
        is_first = false;
        if (plan->is_object) {
            if (!vec_is_valid(&args[i], row)) {
                func_fail(ctx, row, "Key of JSON_OBJECT must not be null");
                return;
            }
            func__json_quote(func__text_at(&args[i], row), false, buf);
            buf_append_byte(buf, ':');
        }
        bool is_json = n < plan->marks.len && plan->marks.data[n] == 'j' && !value.is_null &&
                       type_is_string(value.type);
        if (is_json) {
            buf_append(buf, value.u.text);
        } else {
            put_json(&value, buf);
        }
    }
    buf_append_byte(buf, plan->is_object ? '}' : ']');
}

KERNEL(json_build)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        buf_reset(&buf);
        build_row(ctx, data, args, arg_count, row, &buf);
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

static err bind_build(struct func_binding *b)
{
    struct build_plan *plan = ARENA_NEW(b->arena, struct build_plan);
    str mode = func__literal(b, 0);
    bool has_marks = false;
    str word = str_split(&mode, ':', &has_marks);
    plan->is_object = str_eq(str_of(b->def->name), STR("JSON_OBJECT"));
    plan->drops_null = str_eq_nocase(word, STR("ABSENT"));
    plan->marks = arena_copy(b->arena, mode);
    bool is_known = plan->drops_null || str_eq_nocase(word, STR("NULL"));
    if (!is_known || (plan->is_object && b->count % 2 == 0)) {
        return func__bind_error(b);
    }
    for (isize i = 1; plan->is_object && i < b->count; i += 2) {
        if (!type_is_string(b->args[i].type)) {
            return func__bind_error(b);
        }
    }
    b->out->data = plan;
    b->out->result = func__not_null(b->arena, type_of(TYPE_VARCHAR));
    return OK;
}

KERNEL(json_quote)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        buf_reset(&buf);
        func__json_quote(func__text_at(&args[0], row), true, &buf);
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

KERNEL(json_unquote)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        bool is_quoted = text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"';
        const struct json_node *node = is_quoted ? func__json_parse(ctx->arena, text) : NULL;
        func__put_text(out, row, node != NULL && node->kind == JSON_TEXT ? node->text : text);
    }
}

const struct func_def func__json[] = {
    {"JSON_VALUE", NULL, "json", "JSON_VALUE(text, path [RETURNING type] [... ON EMPTY | ERROR])",
     "ss>S!;ssss>S!;ssssss>S!", FUNC_MAY_FAIL, json_value, bind_json},
    {"JSON_QUERY", NULL, "json", "JSON_QUERY(text, path [... WRAPPER] [... ON EMPTY | ERROR])",
     "ss>S!;sss>S!;ssss>S!;sssss>S!", FUNC_MAY_FAIL, json_query, bind_json},
    {"JSON_EXISTS", NULL, "json", "JSON_EXISTS(text, path [... ON ERROR])", "ss>Z!;sss>Z!",
     FUNC_MAY_FAIL, json_exists, bind_json},
    {"IS JSON", NULL, "operator", "text IS JSON [OBJECT | ARRAY | SCALAR]", "s>Z1;ss>Z1", 0,
     is_json, NULL},
    {"JSON_STRING", NULL, "json", "JSON_STRING(value)", "a>S", FUNC_STRICT, json_string, NULL},
    {"JSON_OBJECT", NULL, "json", "JSON_OBJECT([KEY] name VALUE value, ... [... ON NULL])",
     "sa*>?;s>?", FUNC_MAY_FAIL, json_build, bind_build},
    {"JSON_ARRAY", NULL, "json", "JSON_ARRAY(value, ... [... ON NULL])", "sa*>?;s>?", 0, json_build,
     bind_build},
    {"JSON_QUOTE", NULL, "json", "JSON_QUOTE(text)", "s>S", FUNC_STRICT, json_quote, NULL},
    {"JSON_UNQUOTE", NULL, "json", "JSON_UNQUOTE(text)", "s>S", FUNC_STRICT, json_unquote, NULL},
    {0},
};
