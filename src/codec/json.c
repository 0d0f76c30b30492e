/* codec/json.c: parser without recursion, and the writer of strings. */
#include "codec/json.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct level {
    struct json_value *parent;
    struct json_value *last;
    /* Names of an object with many members: open addressing, a power of two; NULL = free. */
    const struct json_value **slots;
    isize slot_count;
};
enum { NAMES_LINEAR_MAX = 16 };

struct parser {
    struct arena *arena;
    str text;
    isize at;
    struct diag *diag;
    struct level levels[JSON_DEPTH_MAX];
    int depth;
};

static err fail(struct parser *p, err e, const char *what)
{
    (void)diag_set(p->diag, e, "JSON001", "%s at byte %td", what, p->at);
    diag_span(p->diag, p->at, 1);
    return e;
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->text.len) {
        u8 c = p->text.data[p->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            return;
        }
        p->at++;
    }
}

/* --- strings
 * --------------------------------------------------------------------------------------- */

/* Offset of the first quote, backslash or control character at or after `at`; len when none. */
static isize scan_plain(str text, isize at)
{
    const u64 ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    while (text.len - at >= 8) {
        u64 word = get_u64(text.data + at);
        u64 quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        u64 found =
            ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word);
        found &= highs;
        if (found != 0) {
            return at + __builtin_ctzll(found) / 8;
        }
        at += 8;
    }
    while (at < text.len) {
        u8 c = text.data[at];
        if (c == '"' || c == '\\' || c < 0x20) {
            return at;
        }
        at++;
    }
    return at;
}

static int hex_digit(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    u8 lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool take_unit(struct parser *p, u32 *out)
{
    u32 unit = 0;
    if (p->text.len - p->at < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p->text.data[p->at + i]);
        if (digit < 0) {
            return false;
        }
        unit = unit * 16 + (u32)digit;
    }
    p->at += 4;
    *out = unit;
    return true;
}

static isize put_utf8(u8 *out, u32 code)
{
    if (code < 0x80) {
        out[0] = (u8)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (u8)(0xC0 | code >> 6);
        out[1] = (u8)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (u8)(0xE0 | code >> 12);
        out[1] = (u8)(0x80 | (code >> 6 & 0x3F));
        out[2] = (u8)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (u8)(0xF0 | code >> 18);
    out[1] = (u8)(0x80 | (code >> 12 & 0x3F));
    out[2] = (u8)(0x80 | (code >> 6 & 0x3F));
    out[3] = (u8)(0x80 | (code & 0x3F));
    return 4;
}

/* After "\u". */
static bool take_code_point(struct parser *p, u32 *out)
{
    u32 low;
    if (!take_unit(p, out)) {
        return false;
    }
    if (*out >= 0xDC00 && *out <= 0xDFFF) {
        return false;
    }
    if (*out < 0xD800 || *out > 0xDBFF) {
        return true;
    }
    bool has_pair =
        p->text.len - p->at >= 6 && p->text.data[p->at] == '\\' && p->text.data[p->at + 1] == 'u';
    if (!has_pair) {
        return false;
    }
    p->at += 2;
    if (!take_unit(p, &low) || low < 0xDC00 || low > 0xDFFF) {
        return false;
    }
    *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

/* One escape, p->at behind the backslash. */
static bool take_escape(struct parser *p, u8 *out, isize *len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->text.len) {
        return false;
    }
    u8 c = p->text.data[p->at++];
    if (c == 'u') {
        u32 code;
        if (!take_code_point(p, &code)) {
            return false;
        }
        *len += put_utf8(out + *len, code);
        return true;
    }
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found == NULL) {
        return false;
    }
    out[(*len)++] = (u8)to[found - from];
    return true;
}

/* A string with escapes; decoded it is never longer than written. */
static err take_escaped(struct parser *p, isize start, isize first_escape, str *out)
{
    isize end = first_escape;
    while (end < p->text.len && p->text.data[end] != '"') {
        end += p->text.data[end] == '\\' ? 2 : 1;
    }
    u8 *data = arena_try_alloc(p->arena, MIN(end, p->text.len) - start);
    if (data == NULL) {
        return fail(p, ERR_MEMORY, "the document is too large");
    }
    isize len = 0;
    p->at = start;
    for (;;) {
        isize plain = scan_plain(p->text, p->at);
        memcpy(data + len, p->text.data + p->at, (size_t)(plain - p->at));
        len += plain - p->at;
        p->at = plain;
        if (plain == p->text.len || p->text.data[plain] < 0x20) {
            return fail(p, ERR_SYNTAX, "a string is not closed");
        }
        p->at++;
        if (p->text.data[plain] == '"') {
            *out = str_from(data, len);
            return OK;
        }
        if (!take_escape(p, data, &len)) {
            return fail(p, ERR_SYNTAX, "wrong escape");
        }
    }
}

/* p->at behind the opening quote. */
static err take_string(struct parser *p, str *out)
{
    isize start = p->at;
    isize end = scan_plain(p->text, start);
    if (end == p->text.len) {
        return fail(p, ERR_SYNTAX, "a string is not closed");
    }
    if (p->text.data[end] == '"') {
        *out = str_slice(p->text, start, end);
        p->at = end + 1;
        return OK;
    }
    if (p->text.data[end] < 0x20) {
        p->at = end;
        return fail(p, ERR_SYNTAX, "a control character stands in a string");
    }
    return take_escaped(p, start, end, out);
}

/* --- values
 * ----------------------------------------------------------------------------------------- */

static isize skip_digits(str text, isize at)
{
    while (at < text.len && (u8)(text.data[at] - '0') <= 9) {
        at++;
    }
    return at;
}

static err take_number(struct parser *p, str *out)
{
    str t = p->text;
    isize start = p->at, at = start;
    at += at < t.len && t.data[at] == '-';
    isize digits = at;
    at = skip_digits(t, at);
    bool is_wrong = at == digits || (at - digits > 1 && t.data[digits] == '0');
    if (at < t.len && t.data[at] == '.') {
        isize fraction = at + 1;
        at = skip_digits(t, fraction);
        is_wrong = is_wrong || at == fraction;
    }
    if (at < t.len && (t.data[at] | 0x20) == 'e') {
        at++;
        at += at < t.len && (t.data[at] == '-' || t.data[at] == '+');
        isize exponent = at;
        at = skip_digits(t, at);
        is_wrong = is_wrong || at == exponent;
    }
    if (is_wrong) {
        return fail(p, ERR_SYNTAX, "this is no number");
    }
    *out = str_slice(t, start, at);
    p->at = at;
    return OK;
}

static err take_word(struct parser *p, const char *word, enum json_kind kind,
                     struct json_value *value)
{
    str wanted = str_of(word);
    if (!str_starts(str_slice(p->text, p->at, p->text.len), wanted)) {
        return fail(p, ERR_SYNTAX, "a value is expected");
    }
    p->at += wanted.len;
    value->kind = kind;
    return OK;
}

/* A value without its items; for an array or object p->at stands behind the bracket. */
static err take_value(struct parser *p, struct json_value *value)
{
    if (p->at == p->text.len) {
        return fail(p, ERR_SYNTAX, "the document ends too early");
    }
    switch (p->text.data[p->at]) {
    case '{':
        value->kind = JSON_OBJECT;
        p->at++;
        return OK;
    case '[':
        value->kind = JSON_ARRAY;
        p->at++;
        return OK;
    case '"':
        value->kind = JSON_STRING;
        p->at++;
        return take_string(p, &value->text);
    case 't':
        return take_word(p, "true", JSON_TRUE, value);
    case 'f':
        return take_word(p, "false", JSON_FALSE, value);
    case 'n':
        return take_word(p, "null", JSON_NULL, value);
    default:
        value->kind = JSON_NUMBER;
        return take_number(p, &value->text);
    }
}

static u32 name_hash(str name)
{
    u32 hash = 2166136261U;
    for (isize i = 0; i < name.len; i++) {
        hash = (hash ^ name.data[i]) * 16777619U;
    }
    return hash;
}

/* The place of a name, or where it would go. Nobody outside can choose names that collide: the seed
 * is an address of this run. */
static const struct json_value **slot_find(const struct parser *p, const struct level *level,
                                           str name)
{
    u64 mask = (u64)level->slot_count - 1;
    u64 at = hash64(name.data, name.len, (u64)(uintptr_t)p) & mask;
    while (level->slots[at] != NULL && !str_eq(level->slots[at]->name, name)) {
        at = (at + 1) & mask;
    }
    return &level->slots[at];
}

static err slots_grow(struct parser *p, struct level *level)
{
    isize count = MAX(4 * NAMES_LINEAR_MAX, 2 * level->slot_count);
    const struct json_value **slots =
        arena_try_alloc(p->arena, count * (isize)sizeof(struct json_value *));
    if (slots == NULL) {
        return fail(p, ERR_MEMORY, "the document is too large");
    }
    level->slots = slots;
    level->slot_count = count;
    for (const struct json_value *v = level->parent->first; v != NULL; v = v->next) {
        *slot_find(p, level, v->name) = v;
    }
    return OK;
}

static err check_new_name(struct parser *p, const struct json_value *value)
{
    struct level *level = &p->levels[p->depth - 1];
    if (level->parent->count < NAMES_LINEAR_MAX) {
        for (const struct json_value *v = level->parent->first; v != NULL; v = v->next) {
            if (v->name_hash == value->name_hash && str_eq(v->name, value->name)) {
                return fail(p, ERR_EXISTS, "a name is given twice");
            }
        }
        return OK;
    }
    if (2 * level->parent->count >= level->slot_count) {
        TRY(slots_grow(p, level));
    }
    const struct json_value **slot = slot_find(p, level, value->name);
    if (*slot != NULL) {
        return fail(p, ERR_EXISTS, "a name is given twice");
    }
    *slot = value;
    return OK;
}

static err take_name(struct parser *p, struct json_value *value)
{
    if (p->at == p->text.len || p->text.data[p->at] != '"') {
        return fail(p, ERR_SYNTAX, "a name in quotes is expected");
    }
    p->at++;
    TRY(take_string(p, &value->name));
    value->name_hash = name_hash(value->name);
    TRY(check_new_name(p, value));
    skip_blanks(p);
    if (p->at == p->text.len || p->text.data[p->at] != ':') {
        return fail(p, ERR_SYNTAX, "':' is expected");
    }
    p->at++;
    skip_blanks(p);
    return OK;
}

static struct json_value *value_new(struct parser *p)
{
    return arena_try_alloc(p->arena, (isize)sizeof(struct json_value));
}

/* Hangs the value into the container that is open. */
static void attach(struct parser *p, struct json_value *value)
{
    struct level *level = &p->levels[p->depth - 1];
    if (level->last == NULL) {
        level->parent->first = value;
    } else {
        level->last->next = value;
    }
    level->last = value;
    level->parent->count++;
}

static err open_level(struct parser *p, struct json_value *value)
{
    if (value->kind != JSON_ARRAY && value->kind != JSON_OBJECT) {
        return OK;
    }
    if (p->depth == JSON_DEPTH_MAX) {
        return fail(p, ERR_LIMIT, "the document is nested too deeply");
    }
    p->levels[p->depth++] = (struct level){.parent = value};
    return OK;
}

/* Closing bracket of the open container, or the comma before its next item. */
static err close_or_comma(struct parser *p, bool *is_closed_out)
{
    const struct json_value *parent = p->levels[p->depth - 1].parent;
    u8 bracket = parent->kind == JSON_ARRAY ? ']' : '}';
    skip_blanks(p);
    if (p->at == p->text.len) {
        return fail(p, ERR_SYNTAX, "the document ends too early");
    }
    *is_closed_out = p->text.data[p->at] == bracket;
    if (*is_closed_out) {
        p->at++;
        p->depth--;
        return OK;
    }
    if (parent->count > 0) {
        if (p->text.data[p->at] != ',') {
            return fail(p, ERR_SYNTAX, "',' or a closing bracket is expected");
        }
        p->at++;
        skip_blanks(p);
    }
    return OK;
}

static err take_item(struct parser *p)
{
    struct json_value *value = value_new(p);
    if (value == NULL) {
        return fail(p, ERR_MEMORY, "the document is too large");
    }
    if (p->levels[p->depth - 1].parent->kind == JSON_OBJECT) {
        TRY(take_name(p, value));
    }
    TRY(take_value(p, value));
    attach(p, value);
    return open_level(p, value);
}

static err parse(struct parser *p, const struct json_value **out)
{
    if (!str_is_utf8(p->text)) {
        return fail(p, ERR_SYNTAX, "the document is not UTF-8");
    }
    struct json_value *root = value_new(p);
    if (root == NULL) {
        return fail(p, ERR_MEMORY, "the document is too large");
    }
    skip_blanks(p);
    TRY(take_value(p, root));
    TRY(open_level(p, root));
    while (p->depth > 0) {
        bool is_closed;
        TRY(close_or_comma(p, &is_closed));
        if (!is_closed) {
            TRY(take_item(p));
        }
    }
    skip_blanks(p);
    if (p->at < p->text.len) {
        return fail(p, ERR_SYNTAX, "bytes stand behind the document");
    }
    *out = root;
    return OK;
}

err json_parse(struct arena *arena, str text, const struct json_value **out, struct diag *diag)
{
    struct parser parser = {.arena = arena, .text = text, .diag = diag};
    return parse(&parser, out);
}

const struct json_value *json_parse_request(struct arena *arena, str body)
{
    const struct json_value *value;
    return json_parse(arena, body, &value, NULL) == OK ? value : NULL;
}

/* --- reading
 * ------------------------------------------------------------------------------------------ */

const struct json_value *json_get(const struct json_value *object, str name)
{
    if (json_kind(object) != JSON_OBJECT) {
        return NULL;
    }
    const struct json_value *v = object->first;
    while (v != NULL && !str_eq(v->name, name)) {
        v = v->next;
    }
    return v;
}

str json_get_text(const struct json_value *object, str name)
{
    const struct json_value *value = json_get(object, name);
    return json_kind(value) == JSON_STRING ? value->text : STR_EMPTY;
}

i64 json_get_i64(const struct json_value *object, str name, i64 otherwise)
{
    const struct json_value *value = json_get(object, name);
    i64 number;
    bool is_number = json_kind(value) == JSON_NUMBER && str_to_i64(value->text, &number) == OK;
    return is_number ? number : otherwise;
}

bool json_get_bool(const struct json_value *object, str name, bool otherwise)
{
    enum json_kind kind = json_kind(json_get(object, name));
    if (kind == JSON_TRUE || kind == JSON_FALSE) {
        return kind == JSON_TRUE;
    }
    return otherwise;
}

/* --- writing
 * ------------------------------------------------------------------------------------------ */

/* Bytes of the valid sequence at the front of `s`, 0 when there is none. */
static isize sequence_bytes(str s)
{
    for (isize len = 1; len <= 4 && len <= s.len; len++) {
        if (str_is_utf8(str_slice(s, 0, len))) {
            return len;
        }
    }
    return 0;
}

static isize write_special(struct buf *out, str rest)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    u8 c = rest.data[0];
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found != NULL) {
        buf_append_byte(out, '\\');
        buf_append_byte(out, (u8)to[found - from]);
        return 1;
    }
    if (c < 0x20) {
        buf_printf(out, "\\u%04x", c);
        return 1;
    }
    isize len = sequence_bytes(rest);
    buf_append(out, len == 0 ? STR("\xef\xbf\xbd") : str_slice(rest, 0, len));
    return MAX(len, 1);
}

void json_write_string(struct buf *out, str text)
{
    buf_append_byte(out, '"');
    bool is_utf8 = str_is_utf8(text);
    isize plain = 0;
    for (isize i = 0; i < text.len;) {
        u8 c = text.data[i];
        bool is_plain = c >= 0x20 && c != '"' && c != '\\' && (is_utf8 || c < 0x80);
        if (is_plain) {
            i++;
            continue;
        }
        buf_append(out, str_slice(text, plain, i));
        i += write_special(out, str_slice(text, i, text.len));
        plain = i;
    }
    buf_append(out, str_slice(text, plain, text.len));
    buf_append_byte(out, '"');
}

void json_write_f64(struct buf *out, double value)
{
    if (!isfinite(value)) {
        buf_append(out, STR("null"));
        return;
    }
    if (value == floor(value) && fabs(value) < 9007199254740992.0) {
        buf_append_i64(out, (i64)value);
        return;
    }
    char text[40];
    int precision = 6;
    do {
        (void)snprintf(text, sizeof text, "%.*g", precision++, value);
    } while (precision <= 17 && strtod(text, NULL) != value);
    buf_append(out, str_of(text));
}
