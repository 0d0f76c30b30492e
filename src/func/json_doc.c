/* func/json_doc.c: parsing, paths and writing of JSON trees. */
#include "func/json_doc.h"

#include <stdlib.h>

enum { STEPS_MAX = 64, NODES_MAX = 1 << 20 };

struct parser {
    struct arena *arena;
    str text;
    isize at;
    isize nodes;
};

static void skip_blanks(struct parser *p)
{
    while (p->at < p->text.len && strchr(" \t\r\n", p->text.data[p->at]) != NULL &&
           p->text.data[p->at] != 0) {
        p->at++;
    }
}

static bool take(struct parser *p, u8 byte)
{
    if (p->at < p->text.len && p->text.data[p->at] == byte) {
        p->at++;
        return true;
    }
    return false;
}

static bool take_word(struct parser *p, str word)
{
    bool is_there = str_starts(str_slice(p->text, p->at, p->text.len), word);
    p->at += is_there ? word.len : 0;
    return is_there;
}

static bool take_hex4(struct parser *p, u32 *out)
{
    u32 value = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        u8 c = p->at < p->text.len ? p->text.data[p->at] : 0;
        bool is_digit = (u8)(c - '0') < 10;
        if (!is_digit && (u8)((c | 32) - 'a') >= 6) {
            return false;
        }
        value = value * 16 + (u32)(is_digit ? c - '0' : (c | 32) - 'a' + 10);
    }
    *out = value;
    return true;
}

static bool take_escape(struct parser *p, u8 *out, isize *n)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    u8 c = p->at < p->text.len ? p->text.data[p->at++] : 0;
    const char *plain = c == 0 ? NULL : strchr(from, c);
    if (plain != NULL) {
        out[(*n)++] = (u8)to[plain - from];
        return true;
    }
    u32 code = 0, low = 0;
    if (c != 'u' || !take_hex4(p, &code)) {
        return false;
    }
    if (code >= 0xD800 && code < 0xDC00 && take_word(p, STR("\\u"))) {
        if (!take_hex4(p, &low)) {
            return false;
        }
        bool is_pair = low >= 0xDC00 && low < 0xE000;
        code = is_pair ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
    }
    code = code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
    *n += func__utf8_put(code, out + *n);
    return true;
}

static bool take_text(struct parser *p, str *out)
{
    if (!take(p, '"')) {
        return false;
    }
    isize from = p->at;
    while (p->at < p->text.len && p->text.data[p->at] != '"' && p->text.data[p->at] != '\\' &&
           p->text.data[p->at] >= 0x20) {
        p->at++;
    }
    if (take(p, '"')) {
        *out = str_slice(p->text, from, p->at - 1);
        return true;
    }
    u8 *room = arena_alloc(p->arena, p->text.len - from + 4);
    isize n = p->at - from;
    memcpy(room, p->text.data + from, (size_t)n);
    while (p->at < p->text.len && p->text.data[p->at] >= 0x20) {
        u8 c = p->text.data[p->at++];
        if (c == '"') {
            *out = str_from(room, n);
            return true;
        }
        if (c != '\\') {
            room[n++] = c;
        } else if (!take_escape(p, room, &n)) {
            return false;
        }
    }
    return false;
}

static bool skip_digits(struct parser *p)
{
    isize from = p->at;
    while (p->at < p->text.len && (u8)(p->text.data[p->at] - '0') < 10) {
        p->at++;
    }
    return p->at > from;
}

static bool take_number(struct parser *p, str *out)
{
    isize from = p->at;
    IGNORE(!take(p, '-')); /* A sign may stand there. */
    bool is_zero = p->at < p->text.len && p->text.data[p->at] == '0';
    isize digits = p->at;
    bool ok = skip_digits(p) && !(is_zero && p->at > digits + 1);
    if (ok && take(p, '.')) {
        ok = skip_digits(p);
    }
    if (ok && (take(p, 'e') || take(p, 'E'))) {
        IGNORE(!(take(p, '-') || take(p, '+'))); /* Here too. */
        ok = skip_digits(p);
    }
    *out = str_slice(p->text, from, p->at);
    return ok;
}

static bool parse_value(struct parser *p, struct json_node *node, int depth);

/* Items up to `close`; recursion is bounded by FUNC_DEPTH_MAX. */
static bool parse_children(struct parser *p, struct json_node *node, u8 close, int depth)
{
    struct json_node **link = &node->children;
    skip_blanks(p);
    if (take(p, close)) {
        return true;
    }
    for (;;) {
        struct json_node *child = ARENA_NEW(p->arena, struct json_node);
        if (++p->nodes > NODES_MAX) {
            return false;
        }
        skip_blanks(p);
        if (close == '}') {
            if (!take_text(p, &child->name)) {
                return false;
            }
            skip_blanks(p);
            if (!take(p, ':')) {
                return false;
            }
        }
        if (!parse_value(p, child, depth + 1)) {
            return false;
        }
        *link = child;
        link = &child->next;
        skip_blanks(p);
        if (take(p, close)) {
            return true;
        }
        if (!take(p, ',')) {
            return false;
        }
    }
}

static bool parse_value(struct parser *p, struct json_node *node, int depth)
{
    skip_blanks(p);
    if (depth > FUNC_DEPTH_MAX || p->at >= p->text.len) {
        return false;
    }
    u8 c = p->text.data[p->at];
    if (c == '{' || c == '[') {
        p->at++;
        node->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        return parse_children(p, node, c == '{' ? '}' : ']', depth);
    }
    if (c == '"') {
        node->kind = JSON_TEXT;
        return take_text(p, &node->text);
    }
    if (c == '-' || (u8)(c - '0') < 10) {
        node->kind = JSON_NUMBER;
        return take_number(p, &node->text);
    }
    if (take_word(p, STR("null"))) {
        return true; /* JSON_NULL is 0. */
    }
    node->kind = JSON_BOOLEAN;
    node->boolean = c == 't';
    return take_word(p, STR("true")) || take_word(p, STR("false"));
}

struct json_node *func__json_parse(struct arena *arena, str text)
{
    struct parser p = {arena, text, 0, 0};
    struct json_node *root = ARENA_NEW(arena, struct json_node);
    if (!parse_value(&p, root, 0)) {
        return NULL;
    }
    skip_blanks(&p);
    return p.at == text.len ? root : NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_unit_escape(struct buf *out, u32 unit)
{
    buf_printf(out, "\\u%04x", unit);
}

void func__json_quote(str text, bool ascii_only, struct buf *out)
{
    buf_append_byte(out, '"');
    while (text.len > 0) {
        str whole = text;
        u32 code = func__utf8_take(&text);
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        const char *plain = code == 0 || code > 127 ? NULL : strchr(from, (int)code);
        if (plain != NULL) {
            buf_append_byte(out, '\\');
            buf_append_byte(out, (u8)to[plain - from]);
        } else if (code < 0x20) {
            buf_printf(out, "\\u%04X", code);
        } else if (ascii_only && code >= 0x10000) {
            put_unit_escape(out, 0xD800 + ((code - 0x10000) >> 10));
            put_unit_escape(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
        } else if (ascii_only && code >= 0x80) {
            put_unit_escape(out, code);
        } else {
            buf_append(out, str_slice(whole, 0, whole.len - text.len));
        }
    }
    buf_append_byte(out, '"');
}

static int by_name(const void *a, const void *b)
{
    return str_cmp((*(const struct json_node *const *)a)->name,
                   (*(const struct json_node *const *)b)->name);
}

static void write_members(const struct json_node *node, struct buf *out)
{
    isize count = 0, i = 0;
    for (const struct json_node *c = node->children; c != NULL; c = c->next) {
        count++;
    }
    const struct json_node **sorted = mem_alloc((count + 1) * (isize)sizeof(void *));
    for (const struct json_node *c = node->children; c != NULL; c = c->next) {
        sorted[i++] = c;
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    bool is_first = true;
    for (i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(sorted[i]->name, sorted[i + 1]->name)) {
            continue; /* The last of equal names counts. */
        }
        buf_append(out, is_first ? STR_EMPTY : STR(","));
        is_first = false;
        func__json_quote(sorted[i]->name, false, out);
        buf_append_byte(out, ':');
        func__json_write(sorted[i], out);
    }
    mem_free(sorted);
}

void func__json_write(const struct json_node *node, struct buf *out)
{
    switch (node->kind) {
    case JSON_NULL:
        buf_append(out, STR("null"));
        break;
    case JSON_BOOLEAN:
        buf_append(out, node->boolean ? STR("true") : STR("false"));
        break;
    case JSON_NUMBER:
        buf_append(out, node->text);
        break;
    case JSON_TEXT:
        func__json_quote(node->text, false, out);
        break;
    case JSON_ARRAY:
        buf_append_byte(out, '[');
        for (const struct json_node *c = node->children; c != NULL; c = c->next) {
            func__json_write(c, out);
            buf_append(out, c->next != NULL ? STR(",") : STR_EMPTY);
        }
        buf_append_byte(out, ']');
        break;
    case JSON_OBJECT:
        buf_append_byte(out, '{');
        write_members(node, out);
        buf_append_byte(out, '}');
        break;
    }
}

/* --- paths ------------------------------------------------------------------------------------ */

enum step_kind { STEP_NAME, STEP_INDEX, STEP_ALL };
struct step {
    enum step_kind kind;
    str name;
    i64 index;
};
struct json_path {
    bool is_lax, has_wildcard;
    struct step steps[STEPS_MAX];
    isize count;
};

bool func__json_path_is_lax(const struct json_path *path)
{
    return path->is_lax;
}

/* The name in quotes at *at, which stands at the quote. */
static bool quoted_name(struct arena *arena, str text, isize *at, str *out)
{
    u8 quote = text.data[(*at)++];
    u8 *room = arena_alloc(arena, text.len + 1);
    isize n = 0;
    while (*at < text.len && text.data[*at] != quote) {
        if (text.data[*at] == '\\' && *at + 1 < text.len) {
            (*at)++;
        }
        room[n++] = text.data[(*at)++];
    }
    *out = str_from(room, n);
    return (*at)++ < text.len;
}

static bool bracket_step(struct arena *arena, str text, isize *at, struct step *step)
{
    if (*at >= text.len) {
        return false;
    }
    u8 c = text.data[*at];
    if (c == '*') {
        step->kind = STEP_ALL;
        (*at)++;
    } else if (c == '\'' || c == '"') {
        if (!quoted_name(arena, text, at, &step->name)) {
            return false;
        }
    } else {
        isize end = str_find_byte(text, ']', *at);
        step->kind = STEP_INDEX;
        if (end < 0 || str_to_i64(str_slice(text, *at, end), &step->index) != OK) {
            return false;
        }
        *at = end;
    }
    return *at < text.len && text.data[(*at)++] == ']';
}

static bool dot_step(str text, isize *at, struct step *step)
{
    if (*at < text.len && text.data[*at] == '*') {
        step->kind = STEP_ALL;
        (*at)++;
        return true;
    }
    isize from = *at;
    while (*at < text.len && strchr(".[ ()?@", text.data[*at]) == NULL) {
        (*at)++;
    }
    step->name = str_slice(text, from, *at);
    return *at > from;
}

const struct json_path *func__json_path(struct arena *arena, str text)
{
    struct json_path *path = ARENA_NEW(arena, struct json_path);
    text = arena_copy(arena, str_trim(text));
    if (str_starts_nocase(text, STR("lax "))) {
        path->is_lax = true;
        text = str_trim(str_slice(text, 4, text.len));
    } else if (str_starts_nocase(text, STR("strict "))) {
        text = str_trim(str_slice(text, 7, text.len));
    }
    if (text.len == 0 || text.data[0] != '$') {
        return NULL;
    }
    for (isize at = 1; at < text.len;) {
        u8 c = text.data[at++];
        if (path->count == STEPS_MAX) {
            return NULL;
        }
        struct step *step = &path->steps[path->count++];
        bool ok =
            c == '[' ? bracket_step(arena, text, &at, step) : c == '.' && dot_step(text, &at, step);
        if (!ok) {
            return NULL;
        }
        path->has_wildcard |= step->kind == STEP_ALL;
    }
    return path;
}

static struct json_node *child_of(struct json_node *node, const struct step *step)
{
    struct json_node *found = NULL;
    i64 index = step->index;
    if (step->kind == STEP_INDEX && index < 0) {
        for (struct json_node *c = node->children; c != NULL; c = c->next) {
            index++;
        }
    }
    for (struct json_node *c = node->children; c != NULL; c = c->next) {
        bool is_match = step->kind == STEP_NAME
                            ? node->kind == JSON_OBJECT && str_eq(c->name, step->name)
                            : node->kind == JSON_ARRAY && index-- == 0;
        found = is_match ? c : found;
    }
    return found;
}

static void collect(struct arena *arena, const struct json_path *path, isize at,
                    struct json_node *node, struct json_node ***link)
{
    if (at == path->count) {
        struct json_node *copy = ARENA_NEW(arena, struct json_node);
        *copy = *node;
        copy->next = NULL;
        **link = copy;
        *link = &copy->next;
        return;
    }
    if (path->steps[at].kind == STEP_ALL) {
        for (struct json_node *c = node->children; c != NULL; c = c->next) {
            collect(arena, path, at + 1, c, link);
        }
        return;
    }
    struct json_node *child = child_of(node, &path->steps[at]);
    if (child != NULL) {
        collect(arena, path, at + 1, child, link);
    }
}

bool func__json_find(struct arena *arena, const struct json_path *path, struct json_node *root,
                     struct json_node **out)
{
    if (path->has_wildcard) {
        struct json_node *list = ARENA_NEW(arena, struct json_node);
        struct json_node **link = &list->children;
        list->kind = JSON_ARRAY;
        collect(arena, path, 0, root, &link);
        *out = list;
        return true;
    }
    struct json_node *node = root;
    for (isize i = 0; i < path->count && node != NULL; i++) {
        node = child_of(node, &path->steps[i]);
    }
    *out = node;
    return node != NULL;
}

str func__json_path_text(struct arena *arena, const struct json_path *path)
{
    str text = STR("$");
    for (isize i = 0; i < path->count; i++) {
        const struct step *step = &path->steps[i];
        if (step->kind == STEP_NAME) {
            text =
                arena_printf(arena, STR_FMT "['" STR_FMT "']", STR_ARG(text), STR_ARG(step->name));
        } else if (step->kind == STEP_INDEX) {
            text = arena_printf(arena, STR_FMT "[%lld]", STR_ARG(text), (long long)step->index);
        } else {
            text = arena_printf(arena, STR_FMT "[*]", STR_ARG(text));
        }
    }
    return text;
}
