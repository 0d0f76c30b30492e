/* aws/dynamodb/ddb_expr_lex.c: tokens of expressions, paths, and substitutes. */
#include "aws/dynamodb/ddb_expr_int.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES_MAX = 1024 };

/* --- errors -------------------------------------------------------------------------------- */

bool ddb__expr_error(struct ddb_parser *p, const char *format, ...)
{
    char text[MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ddb_invalid(p->work, "Invalid %s: %s", p->what, text);
}

static isize token_end(str text, isize at, int *token_out);

static isize blanks_skip(str text, isize at)
{
    while (at < text.len && (text.data[at] == ' ' || (u8)(text.data[at] - '\t') <= 4)) {
        at++;
    }
    return at;
}

bool ddb__syntax_error(struct ddb_parser *p)
{
    int token;
    isize next = blanks_skip(p->text, p->end);
    isize end = next < p->text.len ? token_end(p->text, next, &token) : p->end;
    str shown = p->token == TOKEN_END ? STR("<EOF>") : ddb__token(p);
    str near = str_slice(p->text, p->previous, MAX(end, p->end));
    return ddb__expr_error(p, "Syntax error; token: \"" STR_FMT "\", near: \"" STR_FMT "\"",
                           STR_ARG(str_slice(shown, 0, 256)), STR_ARG(str_slice(near, 0, 256)));
}

/* --- tokens -------------------------------------------------------------------------------- */

static bool is_letter(u8 c)
{
    return (u8)((c | 0x20) - 'a') < 26 || c == '_';
}

static bool is_digit(u8 c)
{
    return (u8)(c - '0') <= 9;
}

static isize word_end(str text, isize at)
{
    while (at < text.len && (is_letter(text.data[at]) || is_digit(text.data[at]))) {
        at++;
    }
    return at;
}

/* End of the token at `at`, which is no blank; -1 as token when it is none. */
static isize token_end(str text, isize at, int *token_out)
{
    u8 c = text.data[at];
    u8 next = at + 1 < text.len ? text.data[at + 1] : 0;
    *token_out = c;
    if (is_letter(c)) {
        *token_out = TOKEN_WORD;
        return word_end(text, at);
    }
    if (c == '#' || c == ':') {
        *token_out = c == '#' ? TOKEN_NAME : TOKEN_VALUE;
        isize end = word_end(text, at + 1);
        *token_out = end > at + 1 ? *token_out : -1;
        return end;
    }
    if (is_digit(c)) {
        *token_out = TOKEN_NUMBER;
        while (at < text.len && is_digit(text.data[at])) {
            at++;
        }
        return at;
    }
    bool is_pair = (c == '<' && (next == '=' || next == '>')) || (c == '>' && next == '=');
    if (is_pair) {
        *token_out = next == '>' ? TOKEN_NE : (c == '<' ? TOKEN_LE : TOKEN_GE);
        return at + 2;
    }
    if (str_find_byte(STR("()[],.=<>+-"), c, 0) < 0) {
        *token_out = -1;
    }
    return at + 1;
}

bool ddb__next(struct ddb_parser *p)
{
    p->previous = p->start;
    p->start = blanks_skip(p->text, p->end);
    if (p->start == p->text.len) {
        p->end = p->start;
        p->token = TOKEN_END;
        return true;
    }
    p->end = token_end(p->text, p->start, &p->token);
    return p->token >= 0 || ddb__syntax_error(p);
}

bool ddb__parser_start(struct ddb_parser *p, struct ddb_work *work, const char *what, str text,
                       struct ddb_substitutes *substitutes)
{
    *p = (struct ddb_parser){.work = work, .what = what, .text = text, .substitutes = substitutes};
    if (text.len == 0) {
        return ddb__expr_error(p, "The expression can not be empty;");
    }
    if (text.len > DDB_EXPR_BYTES_MAX) {
        return ddb__expr_error(
            p, "Expression size has exceeded the maximum allowed size; expression size: %td",
            text.len);
    }
    return ddb__next(p);
}

bool ddb__is_word(const struct ddb_parser *p, const char *word)
{
    return p->token == TOKEN_WORD && str_eq_nocase(ddb__token(p), str_of(word));
}

bool ddb__take(struct ddb_parser *p, int token)
{
    return p->token == token ? ddb__next(p) : ddb__syntax_error(p);
}

bool ddb__enter(struct ddb_parser *p)
{
    p->depth++;
    return p->depth <= DDB_EXPR_DEPTH_MAX ||
           ddb__expr_error(p, "The expression is nested too deeply; the maximum is %d levels",
                           DDB_EXPR_DEPTH_MAX);
}

void ddb__leave(struct ddb_parser *p)
{
    p->depth--;
}

bool ddb__count(struct ddb_parser *p)
{
    p->operators++;
    return p->operators <= DDB_EXPR_OPERATORS_MAX ||
           ddb__expr_error(p, "The expression contains too many operators; operator count: %d",
                           p->operators);
}

/* --- paths and values ---------------------------------------------------------------------- */

bool ddb__check_reserved(struct ddb_parser *p, str name)
{
    if (!ddb__is_reserved(name)) {
        return true;
    }
    return ddb__expr_error(p, "Attribute name is a reserved keyword; reserved keyword: " STR_FMT,
                           STR_ARG(name));
}

static bool name_resolve(struct ddb_parser *p, str *out)
{
    str token = ddb__token(p);
    if (p->token == TOKEN_WORD) {
        *out = token;
        return ddb__check_reserved(p, token);
    }
    struct ddb_substitutes *s = p->substitutes;
    for (isize i = 0; i < s->name_count; i++) {
        if (str_eq(s->names[i].key, token)) {
            s->names[i].is_used = true;
            *out = s->names[i].name;
            return true;
        }
    }
    return ddb__expr_error(p,
                           "An expression attribute name used in the document path is not "
                           "defined; attribute name: " STR_FMT,
                           STR_ARG(str_slice(token, 0, 256)));
}

static bool step_add(struct ddb_parser *p, struct ddb_path *path, struct ddb_step step)
{
    if (path->count > DDB_DEPTH_MAX) {
        return ddb__expr_error(p,
                               "The document path has too many nesting elements; nesting "
                               "elements: %td",
                               path->count);
    }
    path->steps = arena_grow(p->work->arena, path->steps, path->count, (isize)sizeof *path->steps);
    path->steps[path->count++] = step;
    return true;
}

static bool index_take(struct ddb_parser *p, struct ddb_path *path)
{
    i64 index;
    if (p->token != TOKEN_NUMBER) {
        return ddb__syntax_error(p);
    }
    if (str_to_i64(ddb__token(p), &index) != OK || index > INT32_MAX) {
        return ddb__expr_error(p,
                               "List index is not within the allowable range; index: [" STR_FMT "]",
                               STR_ARG(str_slice(ddb__token(p), 0, 64)));
    }
    return ddb__next(p) && ddb__take(p, ']') &&
           step_add(p, path, (struct ddb_step){.index = index});
}

bool ddb__path_rest(struct ddb_parser *p, str first, struct ddb_path *out)
{
    *out = (struct ddb_path){0};
    if (!ddb__count(p) || !step_add(p, out, (struct ddb_step){.name = first})) {
        return false;
    }
    while (p->token == '.' || p->token == '[') {
        bool is_index = p->token == '[';
        if (!ddb__next(p)) {
            return false;
        }
        if (is_index) {
            if (!index_take(p, out)) {
                return false;
            }
            continue;
        }
        str name = STR_EMPTY;
        if (p->token != TOKEN_WORD && p->token != TOKEN_NAME) {
            return ddb__syntax_error(p);
        }
        if (!name_resolve(p, &name) || !ddb__next(p) ||
            !step_add(p, out, (struct ddb_step){.name = name})) {
            return false;
        }
    }
    return true;
}

bool ddb__path_parse(struct ddb_parser *p, struct ddb_path *out)
{
    str name;
    if (p->token != TOKEN_WORD && p->token != TOKEN_NAME) {
        return ddb__syntax_error(p);
    }
    return name_resolve(p, &name) && ddb__next(p) && ddb__path_rest(p, name, out);
}

bool ddb__value_take(struct ddb_parser *p, struct ddb_value *out)
{
    struct ddb_substitutes *s = p->substitutes;
    str token = ddb__token(p);
    for (isize i = 0; i < s->value_count; i++) {
        if (str_eq(s->values[i].key, token)) {
            s->values[i].is_used = true;
            *out = s->values[i].value;
            return ddb__next(p);
        }
    }
    return ddb__expr_error(p,
                           "An expression attribute value used in expression is not defined; "
                           "attribute value: " STR_FMT,
                           STR_ARG(str_slice(token, 0, 256)));
}

void ddb__path_print(const struct ddb_path *path, struct buf *out)
{
    buf_append_byte(out, '[');
    for (isize i = 0; i < path->count; i++) {
        const struct ddb_step *step = &path->steps[i];
        buf_append(out, i > 0 ? STR(", ") : STR_EMPTY);
        if (step->name.data == NULL) {
            buf_printf(out, "[%lld]", (long long)step->index);
        } else {
            buf_append(out, step->name);
        }
    }
    buf_append_byte(out, ']');
}

/* --- substitutes --------------------------------------------------------------------------- */

static bool key_check(struct ddb_work *work, const char *what, str key, u8 sign)
{
    bool is_good =
        key.len > 1 && key.len <= 255 && key.data[0] == sign && word_end(key, 1) == key.len;
    return is_good ||
           ddb_invalid(work, "%s contains invalid key: Syntax error; key: \"" STR_FMT "\"", what,
                       STR_ARG(str_slice(key, 0, 256)));
}

static bool names_parse(struct ddb_work *work, const struct json_value *json,
                        struct ddb_substitutes *out)
{
    if (!json_is_set(json)) {
        return true;
    }
    if (json_kind(json) != JSON_OBJECT) {
        return ddb_refuse(work, "SerializationException", "ExpressionAttributeNames is no map");
    }
    if (json_count(json) == 0) {
        return ddb_invalid(work, "ExpressionAttributeNames must not be empty");
    }
    out->names = ARENA_ARRAY(work->arena, struct ddb_substitute, json_count(json));
    for (const struct json_value *v = json_first(json); v != NULL; v = json_next(v)) {
        if (json_kind(v) != JSON_STRING) {
            return ddb_refuse(work, "SerializationException",
                              "a value of ExpressionAttributeNames is no string");
        }
        if (!key_check(work, "ExpressionAttributeNames", json_name(v), '#')) {
            return false;
        }
        if (json_text(v).len == 0 || json_text(v).len > 65535) {
            return ddb_invalid(work,
                               "ExpressionAttributeNames contains invalid value: Attribute name "
                               "has 1 to 65535 bytes; key: " STR_FMT,
                               STR_ARG(json_name(v)));
        }
        out->names[out->name_count++] =
            (struct ddb_substitute){.key = json_name(v), .name = json_text(v)};
    }
    return true;
}

bool ddb_substitutes_parse(struct ddb_work *work, const struct json_value *names,
                           const struct json_value *values, struct ddb_substitutes *out)
{
    *out = (struct ddb_substitutes){0};
    if (!names_parse(work, names, out) || !json_is_set(values)) {
        return work->type == NULL;
    }
    if (json_kind(values) != JSON_OBJECT) {
        return ddb_refuse(work, "SerializationException", "ExpressionAttributeValues is no map");
    }
    if (json_count(values) == 0) {
        return ddb_invalid(work, "ExpressionAttributeValues must not be empty");
    }
    out->values = ARENA_ARRAY(work->arena, struct ddb_substitute, json_count(values));
    for (const struct json_value *v = json_first(values); v != NULL; v = json_next(v)) {
        struct ddb_substitute *s = &out->values[out->value_count++];
        s->key = json_name(v);
        if (!key_check(work, "ExpressionAttributeValues", s->key, ':')) {
            return false;
        }
        if (!ddb_value_parse(work, v, &s->value)) {
            bool is_form = strcmp(work->type, "SerializationException") == 0;
            if (!is_form) {
                work->message = arena_printf(
                    work->arena,
                    "ExpressionAttributeValues contains invalid value: " STR_FMT "; key: " STR_FMT,
                    STR_ARG(work->message), STR_ARG(s->key));
            }
            return false;
        }
    }
    return true;
}

static bool used_check(struct ddb_work *work, const char *what, const struct ddb_substitute *list,
                       isize count)
{
    for (isize i = 0; i < count; i++) {
        if (!list[i].is_used) {
            return ddb_invalid(work,
                               "Value provided in %s unused in expressions: keys: {" STR_FMT "}",
                               what, STR_ARG(list[i].key));
        }
    }
    return true;
}

bool ddb_substitutes_check(struct ddb_work *work, const struct ddb_substitutes *s)
{
    return used_check(work, "ExpressionAttributeNames", s->names, s->name_count) &&
           used_check(work, "ExpressionAttributeValues", s->values, s->value_count);
}
