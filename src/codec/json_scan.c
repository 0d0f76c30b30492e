/* codec/json_scan.c: the general scanner: it defines what a message is. */
#include "base/buf.h"
#include "codec/json_rows_int.h"

static bool fail(struct json_cursor *c, const char *error)
{
    if (c->error == NULL) {
        c->error = error;
    }
    return false;
}

void json__skip_blanks(struct json_cursor *c)
{
    while (c->at < c->end &&
           (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) {
        c->at++;
    }
}

/* --- strings
 * ----------------------------------------------------------------------------------------- */

/* First quote or backslash, or the end. */
static const u8 *scan_quote(const u8 *at, const u8 *end)
{
    const u64 ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    while (end - at >= 8) {
        u64 word = get_u64(at);
        u64 quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        u64 found = (((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs;
        if (found != 0) {
            return at + __builtin_ctzll(found) / 8;
        }
        at += 8;
    }
    while (at < end && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

static bool is_hex(u8 c)
{
    u8 lower = c | 0x20;
    return (u8)(c - '0') <= 9 || (lower >= 'a' && lower <= 'f');
}

static bool check_escape(struct json_cursor *c)
{
    if (c->end - c->at < 2) {
        return fail(c, "Unexpected end-of-input in a character escape sequence");
    }
    u8 kind = c->at[1];
    if (kind != 'u') {
        bool is_known = kind != 0 && strchr("\"\\/bfnrt", kind) != NULL;
        c->at += 2;
        return is_known || fail(c, "Unrecognized character escape");
    }
    if (c->end - c->at < 6) {
        return fail(c, "Unexpected end-of-input in a character escape sequence");
    }
    for (int i = 2; i < 6; i++) {
        if (!is_hex(c->at[i])) {
            return fail(c, "Unexpected character in a \\u escape (expected a hex digit)");
        }
    }
    c->at += 6;
    return true;
}

/* c->at behind the opening quote. */
static bool take_string(struct json_cursor *c, struct json_member *out)
{
    const u8 *start = c->at;
    u32 kind = JSON_MEMBER_STRING;
    for (;;) {
        c->at = scan_quote(c->at, c->end);
        if (c->at == c->end) {
            return fail(c,
                        "Unexpected end-of-input: was expecting closing quote for a string value");
        }
        if (*c->at == '"') {
            break;
        }
        kind = JSON_MEMBER_ESCAPED;
        if (!check_escape(c)) {
            return false;
        }
    }
    *out = (struct json_member){start, (u32)(c->at - start), kind};
    c->at++;
    return true;
}

/* --- other scalars
 * -------------------------------------------------------------------------------------- */

static const u8 *digits(const u8 *at, const u8 *end)
{
    while (at < end && (u8)(*at - '0') <= 9) {
        at++;
    }
    return at;
}

static bool take_number(struct json_cursor *c, struct json_member *out)
{
    const u8 *start = c->at, *at = start + (*start == '-');
    const u8 *whole = at;
    at = digits(at, c->end);
    if (at == whole) {
        return fail(c, "Unexpected character: was expecting a JSON value");
    }
    if (at - whole > 1 && *whole == '0') {
        return fail(c, "Invalid numeric value: Leading zeroes not allowed");
    }
    if (at < c->end && *at == '.') {
        const u8 *fraction = at + 1;
        at = digits(fraction, c->end);
        if (at == fraction) {
            return fail(c, "Unexpected character: Decimal point not followed by a digit");
        }
    }
    if (at < c->end && (*at | 0x20) == 'e') {
        at++;
        at += at < c->end && (*at == '-' || *at == '+');
        const u8 *exponent = at;
        at = digits(at, c->end);
        if (at == exponent) {
            return fail(c, "Unexpected character: Exponent indicator not followed by a digit");
        }
    }
    *out = (struct json_member){start, (u32)(at - start), JSON_MEMBER_NUMBER};
    c->at = at;
    return true;
}

static bool take_word(struct json_cursor *c, const char *word, u32 kind, struct json_member *out)
{
    isize len = (isize)strlen(word);
    if (c->end - c->at < len || memcmp(c->at, word, (size_t)len) != 0) {
        return fail(c, "Unrecognized token: was expecting a JSON value");
    }
    *out = (struct json_member){c->at, (u32)len, kind};
    c->at += len;
    return true;
}

/* --- containers
 * ------------------------------------------------------------------------------------------ */

bool json__next_item(struct json_cursor *c, int depth, bool is_first, struct json_member *out)
{
    json__skip_blanks(c);
    if (c->at < c->end && *c->at == ']') {
        c->at++;
        return false;
    }
    if (!is_first) {
        if (c->at == c->end || *c->at != ',') {
            return fail(c, "Unexpected character: was expecting comma to separate Array entries");
        }
        c->at++;
        json__skip_blanks(c);
    }
    return json__take_value(c, depth, out);
}

bool json__next_member(struct json_cursor *c, int depth, bool is_first,
                       struct json_member *name_out, struct json_member *value_out)
{
    json__skip_blanks(c);
    if (c->at < c->end && *c->at == '}') {
        c->at++;
        return false;
    }
    if (!is_first) {
        if (c->at == c->end || *c->at != ',') {
            return fail(c, "Unexpected character: was expecting comma to separate Object entries");
        }
        c->at++;
        json__skip_blanks(c);
    }
    if (c->at == c->end || *c->at != '"') {
        return fail(c, "Unexpected character: was expecting double-quote to start field name");
    }
    c->at++;
    if (!take_string(c, name_out)) {
        return false;
    }
    json__skip_blanks(c);
    if (c->at == c->end || *c->at != ':') {
        return fail(c,
                    "Unexpected character: was expecting a colon to separate field name and value");
    }
    c->at++;
    json__skip_blanks(c);
    return json__take_value(c, depth, value_out);
}

/* Brackets that are open, one bit each (1 = object), so that skipping needs no recursion. */
static bool skip_container(struct json_cursor *c, int depth, struct json_member *out)
{
    const u8 *start = c->at;
    u32 kind = *start == '{' ? JSON_MEMBER_OBJECT : JSON_MEMBER_ARRAY;
    u64 objects = kind == JSON_MEMBER_OBJECT;
    int open = 1;
    bool is_first = true;
    c->at++;
    while (open > 0) {
        struct json_member name, value;
        bool is_object = (objects & 1) != 0;
        json__skip_blanks(c);
        if (c->at < c->end && *c->at == (is_object ? '}' : ']')) {
            c->at++;
            open--;
            objects >>= 1;
            is_first = false;
            continue;
        }
        if (!is_first) {
            if (c->at == c->end || *c->at != ',') {
                return fail(c, "Unexpected character: was expecting comma to separate entries");
            }
            c->at++;
            json__skip_blanks(c);
        }
        if (is_object) {
            if (c->at == c->end || *c->at != '"') {
                return fail(c,
                            "Unexpected character: was expecting double-quote to start field name");
            }
            c->at++;
            if (!take_string(c, &name)) {
                return false;
            }
            json__skip_blanks(c);
            if (c->at == c->end || *c->at != ':') {
                return fail(c, "Unexpected character: was expecting a colon");
            }
            c->at++;
            json__skip_blanks(c);
        }
        bool is_container = c->at < c->end && (*c->at == '{' || *c->at == '[');
        if (is_container) {
            if (depth + open >= JSON_ROWS_DEPTH_MAX) {
                return fail(c, "Document nesting depth exceeds the maximum allowed (64)");
            }
            objects = objects << 1 | (*c->at == '{');
            open++;
            c->at++;
            is_first = true;
            continue;
        }
        if (!json__take_value(c, depth + open, &value)) {
            return false;
        }
        is_first = false;
    }
    *out = (struct json_member){start, (u32)(c->at - start), kind};
    return true;
}

bool json__take_value(struct json_cursor *c, int depth, struct json_member *out)
{
    if (c->at == c->end) {
        return fail(c, "Unexpected end-of-input");
    }
    switch (*c->at) {
    case '"':
        c->at++;
        return take_string(c, out);
    case '{':
    case '[':
        if (depth >= JSON_ROWS_DEPTH_MAX) {
            return fail(c, "Document nesting depth exceeds the maximum allowed (64)");
        }
        return skip_container(c, depth, out);
    case 't':
        return take_word(c, "true", JSON_MEMBER_TRUE, out);
    case 'f':
        return take_word(c, "false", JSON_MEMBER_FALSE, out);
    case 'n':
        return take_word(c, "null", JSON_MEMBER_NULL, out);
    default:
        return take_number(c, out);
    }
}

/* --- text
 * ---------------------------------------------------------------------------------------------------
 */

static u32 hex4(const u8 *p)
{
    u32 unit = 0;
    for (int i = 0; i < 4; i++) {
        u8 c = p[i];
        unit = unit * 16 + (u32)((u8)(c - '0') <= 9 ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
}

static isize put_code_point(u8 *out, u32 code)
{
    if (code < 0x80) {
        out[0] = (u8)code;
        return 1;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const u8 marks[] = {0, 0xC0, 0xE0, 0xF0};
    for (int i = more; i > 0; i--) {
        out[i] = (u8)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (u8)(marks[more] | code);
    return more + 1;
}

/* p behind "\u"; takes a low surrogate with a high one. */
static const u8 *put_unicode(const u8 *p, const u8 *end, u8 *out, isize *len)
{
    u32 unit = hex4(p);
    p += 4;
    bool is_high = unit >= 0xD800 && unit <= 0xDBFF;
    if (is_high && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        u32 low = hex4(p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            p += 6;
        }
    }
    *len += put_code_point(out + *len, unit);
    return p;
}

str json__member_text(const struct json_member *member, struct arena *arena)
{
    if (member->kind != JSON_MEMBER_ESCAPED) {
        return str_from(member->data, member->len);
    }
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    u8 *out = arena_alloc(arena, member->len);
    isize len = 0;
    const u8 *p = member->data, *end = p + member->len;
    while (p < end) {
        if (*p != '\\') {
            out[len++] = *p++;
        } else if (p[1] == 'u') {
            p = put_unicode(p + 2, end, out, &len);
        } else {
            out[len++] = (u8)to[strchr(from, p[1]) - from];
            p += 2;
        }
    }
    return str_from(out, len);
}
