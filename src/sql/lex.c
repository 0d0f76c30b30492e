/* sql/lex.c: text to tokens. Hints are tokens, comments are not. */
#include "sql/sql_int.h"

static bool is_blank(u8 c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(u8 c)
{
    return c >= '0' && c <= '9';
}

/* Bytes above ASCII are letters: names may be in any script. */
static bool is_word_start(u8 c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_word(u8 c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
}

static u8 byte_at(str text, isize at)
{
    return at < text.len ? text.data[at] : 0;
}

static isize line_end(str text, isize at)
{
    isize end = str_find_byte(text, '\n', at);
    return end < 0 ? text.len : end;
}

isize sql__skip_blank(str text, isize at)
{
    if (at == 0 && byte_at(text, 0) == '%') {
        at = line_end(text, 0); /* A notebook's directive. */
    }
    while (at < text.len) {
        u8 c = text.data[at], next = byte_at(text, at + 1);
        if (is_blank(c)) {
            at++;
        } else if ((c == '-' && next == '-') || (c == '/' && next == '/')) {
            at = line_end(text, at);
        } else if (c == '/' && next == '*' && byte_at(text, at + 2) != '+') {
            isize end = str_find(text, STR("*/"), at + 2);
            if (end < 0) {
                return at; /* Never closed: the lexer says so. */
            }
            at = end + 2;
        } else {
            break;
        }
    }
    return at;
}

isize sql__skip_quoted(str text, isize at)
{
    u8 quote = text.data[at];
    for (at++; at < text.len; at++) {
        if (text.data[at] != quote) {
            continue;
        }
        if (byte_at(text, at + 1) != quote) {
            return at + 1;
        }
        at++;
    }
    return text.len;
}

/* E'..' may hold \' too. */
static isize skip_escaped(str text, isize at)
{
    for (at++; at < text.len; at++) {
        if (text.data[at] == '\\') {
            at++;
        } else if (text.data[at] == '\'') {
            if (byte_at(text, at + 1) != '\'') {
                return at + 1;
            }
            at++;
        }
    }
    return text.len;
}

static bool is_closed(str text, isize start, isize end)
{
    return end - start >= 2 && text.data[end - 1] == text.data[start];
}

/* --- keywords --------------------------------------------------------------------------------- */

enum {
    R = KEYWORD_RESERVED,
    S = R | KEYWORD_SKELETON,
    F = R | KEYWORD_FUNCTION,
    N = R | KEYWORD_NILADIC
};

static const struct {
    const char *word;
    u8 len, flags;
} keywords[] = {
    {"", 0, 0},
#define KEYWORD(word, flags) {#word, sizeof(#word) - 1, flags},
#include "sql/keywords.def"
#undef KEYWORD
};

enum { KEYWORD_BYTES_MAX = 40 };

u32 sql__keyword_flags(u32 keyword)
{
    CHECK(keyword < KEYWORD_COUNT);
    return keywords[keyword].flags;
}

u32 sql__keyword_find(str word)
{
    if (word.len > KEYWORD_BYTES_MAX) {
        return KEYWORD_NONE;
    }
    u8 upper[KEYWORD_BYTES_MAX];
    for (isize i = 0; i < word.len; i++) {
        u8 c = word.data[i];
        upper[i] = (u8)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    u32 low = 1, high = KEYWORD_COUNT;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        str candidate = str_from(keywords[middle].word, keywords[middle].len);
        int order = str_cmp(str_from(upper, word.len), candidate);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return KEYWORD_NONE;
}

/* --- tokens ----------------------------------------------------------------------------------- */

struct lexer {
    str text;
    isize at;
    bool is_in_hint;
    struct diag *diag;
};

static isize scan_digits(str text, isize at)
{
    while (at < text.len && is_digit(text.data[at])) {
        at++;
    }
    return at;
}

static isize scan_number(str text, isize at, u8 *kind_out)
{
    *kind_out = TOKEN_INTEGER;
    at = scan_digits(text, at);
    if (byte_at(text, at) == '.') {
        *kind_out = TOKEN_DECIMAL;
        at = scan_digits(text, at + 1);
    }
    if ((byte_at(text, at) | 0x20) == 'e') {
        isize digits = at + 1;
        if (byte_at(text, digits) == '+' || byte_at(text, digits) == '-') {
            digits++;
        }
        if (is_digit(byte_at(text, digits))) {
            *kind_out = TOKEN_DOUBLE;
            at = scan_digits(text, digits);
        }
    }
    return at;
}

static err unterminated(struct lexer *lexer, isize start, const char *what)
{
    err e = sql__fail(lexer->diag, SQLE_UNTERMINATED, (struct sql_span){start, 1},
                      "%s is not closed", what);
    diag_label(lexer->diag, "it begins here");
    return e;
}

static err lex_quoted(struct lexer *lexer, isize quote, isize end, const char *what)
{
    if (!is_closed(lexer->text, quote, end)) {
        return unterminated(lexer, quote, what);
    }
    lexer->at = end;
    return OK;
}

/* '..', `..`, U&'..', E'..', X'..'. Leaves kind TOKEN_END when there is none of them here. */
static err lex_string(struct lexer *lexer, struct sql_token *out)
{
    str text = lexer->text;
    isize at = lexer->at;
    u8 c = text.data[at], next = byte_at(text, at + 1);
    if (c == '\'') {
        out->kind = TOKEN_STRING;
        return lex_quoted(lexer, at, sql__skip_quoted(text, at), "the string");
    }
    if (c == '`') {
        out->kind = TOKEN_QUOTED;
        return lex_quoted(lexer, at, sql__skip_quoted(text, at), "the quoted name");
    }
    if ((c | 0x20) == 'u' && next == '&' && byte_at(text, at + 2) == '\'') {
        out->kind = TOKEN_UNICODE;
        return lex_quoted(lexer, at + 2, sql__skip_quoted(text, at + 2), "the string");
    }
    if ((c | 0x20) == 'x' && next == '\'') {
        out->kind = TOKEN_BINARY;
        return lex_quoted(lexer, at + 1, sql__skip_quoted(text, at + 1), "the string");
    }
    if ((c | 0x20) == 'e' && next == '\'') {
        out->kind = TOKEN_ESCAPED;
        return lex_quoted(lexer, at + 1, skip_escaped(text, at + 1), "the string");
    }
    return OK;
}

static err lex_sign(struct lexer *lexer, struct sql_token *out)
{
    static const struct {
        char text[3];
        u8 sign;
    } pairs[] = {{"<>", SIGN_NE}, {"!=", SIGN_NE},     {"<=", SIGN_LE},
                 {">=", SIGN_GE}, {"||", SIGN_CONCAT}, {"=>", SIGN_ARROW}};
    str rest = str_slice(lexer->text, lexer->at, lexer->text.len);
    out->kind = TOKEN_SIGN;
    for (isize i = 0; i < COUNT_OF(pairs); i++) {
        if (str_starts(rest, str_of(pairs[i].text))) {
            out->sign = pairs[i].sign;
            lexer->at += 2;
            return OK;
        }
    }
    u8 c = rest.data[0];
    if (c != 0 && str_find_byte(STR("(),.;+-*/%=<>[]?:{}|^&!@"), c, 0) >= 0) {
        out->sign = c;
        lexer->at++;
        return OK;
    }
    struct sql_span span = {lexer->at, 1};
    if (c == '"') {
        err e = sql__fail(lexer->diag, SQLE_TEXT, span, "double quotes do not quote anything");
        diag_hint(lexer->diag, "names are quoted `like this`, strings 'like this'");
        return e;
    }
    if (c >= 0x20 && c < 0x7F) {
        return sql__fail(lexer->diag, SQLE_TEXT, span, "unexpected character '%c'", c);
    }
    return sql__fail(lexer->diag, SQLE_TEXT, span, "unexpected byte 0x%02x", c);
}

static err lex_one(struct lexer *lexer, struct sql_token *out)
{
    str text = lexer->text;
    isize at = lexer->at;
    u8 c = text.data[at], next = byte_at(text, at + 1);
    if (c == '/' && next == '*') {
        if (byte_at(text, at + 2) != '+') {
            return unterminated(lexer, at, "the comment");
        }
        out->kind = TOKEN_HINT_OPEN;
        lexer->is_in_hint = true;
        lexer->at += 3;
        return OK;
    }
    if (lexer->is_in_hint && c == '*' && next == '/') {
        out->kind = TOKEN_HINT_CLOSE;
        lexer->is_in_hint = false;
        lexer->at += 2;
        return OK;
    }
    TRY(lex_string(lexer, out));
    if (out->kind != TOKEN_END) {
        return OK;
    }
    if (is_digit(c) || (c == '.' && is_digit(next))) {
        lexer->at = scan_number(text, at, &out->kind);
        return OK;
    }
    if (!is_word_start(c)) {
        return lex_sign(lexer, out);
    }
    isize end = at + 1;
    while (end < text.len && is_word(text.data[end])) {
        end++;
    }
    out->kind = TOKEN_WORD;
    out->keyword = (u16)sql__keyword_find(str_slice(text, at, end));
    lexer->at = end;
    return OK;
}

err sql__lex(struct arena *arena, str text, struct sql_token **out, isize *count_out,
             struct diag *diag)
{
    if (text.len > SQL_TEXT_BYTES_MAX) {
        return sql__fail(diag, SQLE_TOO_LONG, (struct sql_span){0, 1},
                         "the statement has %td bytes; at most %d are allowed", text.len,
                         SQL_TEXT_BYTES_MAX);
    }
    isize good = str_utf8_end(text);
    if (good < text.len) {
        return sql__fail(diag, SQLE_TEXT, (struct sql_span){-1, 0},
                         "byte %td of the text, 0x%02X, is not UTF-8", good + 1, text.data[good]);
    }
    struct lexer lexer = {.text = text, .diag = diag};
    struct sql_token *tokens = NULL;
    isize count = 0;
    for (;;) {
        lexer.at = sql__skip_blank(text, lexer.at);
        tokens = arena_grow(arena, tokens, count, (isize)sizeof *tokens);
        struct sql_token *token = &tokens[count++];
        *token = (struct sql_token){.start = (i32)lexer.at};
        if (lexer.at >= text.len) {
            break;
        }
        TRY(lex_one(&lexer, token));
        token->len = (i32)(lexer.at - token->start);
    }
    *out = tokens;
    *count_out = count;
    return OK;
}
