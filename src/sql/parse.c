/* sql/parse.c: the parser's cursor, names, strings and option lists; the public entry points. */
#include "sql/sql_int.h"

enum { NAME_BYTES_MAX = 256, OPTIONS_MAX = 1000, SHOWN_BYTES_MAX = 60 };

err sql__parser_init(struct sql_parser *p, struct arena *arena, str text, struct diag *diag)
{
    struct sql_token *tokens = NULL;
    isize count = 0;
    TRY(sql__lex(arena, text, &tokens, &count, diag));
    *p = (struct sql_parser){
        .arena = arena, .diag = diag, .text = text, .tokens = tokens, .token_count = count};
    return OK;
}

const struct sql_token *sql__peek(const struct sql_parser *p, isize ahead)
{
    return &p->tokens[MIN(p->at + ahead, p->token_count - 1)];
}

bool sql__at_keyword(const struct sql_parser *p, enum sql_keyword keyword)
{
    return sql__peek(p, 0)->keyword == keyword;
}

bool sql__at_keywords(const struct sql_parser *p, enum sql_keyword a, enum sql_keyword b)
{
    return sql__peek(p, 0)->keyword == a && sql__peek(p, 1)->keyword == b;
}

bool sql__accept_keyword(struct sql_parser *p, enum sql_keyword keyword)
{
    bool is_there = sql__at_keyword(p, keyword);
    p->at += is_there;
    return is_there;
}

bool sql__at_sign(const struct sql_parser *p, u8 sign)
{
    return sql__peek(p, 0)->kind == TOKEN_SIGN && sql__peek(p, 0)->sign == sign;
}

bool sql__accept_sign(struct sql_parser *p, u8 sign)
{
    bool is_there = sql__at_sign(p, sign);
    p->at += is_there;
    return is_there;
}

str sql__token_text(const struct sql_parser *p, const struct sql_token *token)
{
    return str_slice(p->text, token->start, token->start + token->len);
}

struct sql_span sql__token_span(const struct sql_token *token)
{
    return (struct sql_span){token->start, MAX(token->len, 1)};
}

struct sql_span sql__span_since(const struct sql_parser *p, isize first)
{
    const struct sql_token *start = &p->tokens[first];
    const struct sql_token *last = &p->tokens[MAX(p->at - 1, first)];
    return (struct sql_span){start->start, last->start + last->len - start->start};
}

err sql__enter(struct sql_parser *p)
{
    if (p->depth >= SQL_DEPTH_MAX) {
        return sql__fail(p->diag, SQLE_TOO_DEEP, sql__token_span(sql__peek(p, 0)),
                         "nested more than %d levels deep", SQL_DEPTH_MAX);
    }
    p->depth++;
    return OK;
}

err sql__unexpected(struct sql_parser *p, const char *what)
{
    const struct sql_token *token = sql__peek(p, 0);
    struct sql_span span = sql__token_span(token);
    str text = str_slice(sql__token_text(p, token), 0, SHOWN_BYTES_MAX);
    if (token->kind == TOKEN_END) {
        err e = sql__fail(p->diag, SQLE_SYNTAX, span, "expected %s, found the end of the statement",
                          what);
        return e;
    }
    u32 flags = token->kind == TOKEN_WORD ? sql__keyword_flags(token->keyword) : 0;
    if ((flags & KEYWORD_RESERVED) != 0 && (flags & KEYWORD_SKELETON) == 0) {
        err e = sql__fail(p->diag, SQLE_RESERVED, span,
                          "`" STR_FMT "` is reserved, write `` `" STR_FMT "` ``", STR_ARG(text),
                          STR_ARG(text));
        diag_label(p->diag, "expected %s; as a name it needs back quotes", what);
        return e;
    }
    return sql__fail(p->diag, SQLE_SYNTAX, span, "expected %s, found \"" STR_FMT "\"", what,
                     STR_ARG(text));
}

err sql__unsupported(struct sql_parser *p, struct sql_span span, const char *what)
{
    return sql__fail(p->diag, SQLE_UNSUPPORTED, span, "%s is not supported", what);
}

err sql__expect_keyword(struct sql_parser *p, enum sql_keyword keyword)
{
    static const char *const words[] = {
        "",
#define KEYWORD(word, flags) #word,
#include "sql/keywords.def"
#undef KEYWORD
    };
    return sql__accept_keyword(p, keyword) ? OK : sql__unexpected(p, words[keyword]);
}

err sql__expect_sign(struct sql_parser *p, u8 sign)
{
    if (sql__accept_sign(p, sign)) {
        return OK;
    }
    char what[] = {'"', (char)sign, '"', '\0'};
    return sql__unexpected(p, sign == SIGN_ARROW ? "\"=>\"" : what);
}

err sql__expect_end(struct sql_parser *p)
{
    while (sql__accept_sign(p, ';')) {
    }
    return sql__peek(p, 0)->kind == TOKEN_END ? OK : sql__unexpected(p, "the end of the statement");
}

/* --- names ------------------------------------------------------------------------------------ */

bool sql__at_name(const struct sql_parser *p)
{
    const struct sql_token *token = sql__peek(p, 0);
    return token->kind == TOKEN_QUOTED ||
           (token->kind == TOKEN_WORD &&
            (sql__keyword_flags(token->keyword) & KEYWORD_RESERVED) == 0);
}

/* The text between quotes with doubled quotes halved. */
static str unquote(struct arena *arena, str quoted)
{
    u8 quote = quoted.data[0];
    str inner = str_slice(quoted, 1, quoted.len - 1);
    if (str_find_byte(inner, quote, 0) < 0) {
        return inner;
    }
    u8 *out = arena_alloc(arena, inner.len);
    isize len = 0;
    for (isize i = 0; i < inner.len; i++) {
        out[len++] = inner.data[i];
        i += inner.data[i] == quote;
    }
    return str_from(out, len);
}

err sql__parse_name(struct sql_parser *p, const char *what, struct sql_ast_part *out)
{
    if (!sql__at_name(p)) {
        return sql__unexpected(p, what);
    }
    const struct sql_token *token = sql__peek(p, 0);
    str text = sql__token_text(p, token);
    if (token->kind == TOKEN_QUOTED) {
        text = unquote(p->arena, text);
    }
    struct sql_span span = sql__token_span(token);
    if (text.len == 0) {
        return sql__fail(p->diag, SQLE_SYNTAX, span, "a name cannot be empty");
    }
    if (text.len > NAME_BYTES_MAX) {
        return sql__fail(p->diag, SQLE_TOO_MANY, span,
                         "the name has %td bytes; at most %d are allowed", text.len,
                         NAME_BYTES_MAX);
    }
    *out = (struct sql_ast_part){text, span};
    p->at++;
    return OK;
}

err sql__parse_ident(struct sql_parser *p, const char *what, struct sql_ident *out)
{
    isize first = p->at;
    struct sql_ident ident = {.count = 0};
    do {
        if (ident.count == COUNT_OF(ident.parts)) {
            return sql__fail(p->diag, SQLE_SYNTAX, sql__span_since(p, first),
                             "a name has at most three parts: catalog.database.object");
        }
        TRY(sql__parse_name(p, what, &ident.parts[ident.count]));
        ident.count++;
    } while (sql__accept_sign(p, '.'));
    ident.span = sql__span_since(p, first);
    *out = ident;
    return OK;
}

err sql__parse_names(struct sql_parser *p, const char *what, struct sql_ast_part **out,
                     isize *count_out)
{
    struct sql_ast_part *names = NULL;
    isize count = 0;
    TRY(sql__expect_sign(p, '('));
    do {
        names = arena_grow(p->arena, names, count, (isize)sizeof *names);
        TRY(sql__parse_name(p, what, &names[count]));
        count++;
    } while (sql__accept_sign(p, ','));
    TRY(sql__expect_sign(p, ')'));
    *out = names;
    *count_out = count;
    return OK;
}

/* --- strings ---------------------------------------------------------------------------------- */

bool sql__at_string(const struct sql_parser *p)
{
    u8 kind = sql__peek(p, 0)->kind;
    return kind == TOKEN_STRING || kind == TOKEN_UNICODE || kind == TOKEN_ESCAPED;
}

static int hex_digit(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `digits` hexadecimal digits at `at`; -1 when they are not there. */
static i32 hex_value(str text, isize at, int digits)
{
    i32 value = 0;
    for (int i = 0; i < digits; i++) {
        int digit = at + i < text.len ? hex_digit(text.data[at + i]) : -1;
        if (digit < 0 || value > 0x10FFFF) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value > 0x10FFFF ? -1 : value;
}

static void put_utf8(struct buf *out, i32 c)
{
    if (c < 0x80) {
        buf_append_byte(out, (u8)c);
    } else if (c < 0x800) {
        buf_append_byte(out, (u8)(0xC0 | (c >> 6)));
        buf_append_byte(out, (u8)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        buf_append_byte(out, (u8)(0xE0 | (c >> 12)));
        buf_append_byte(out, (u8)(0x80 | ((c >> 6) & 0x3F)));
        buf_append_byte(out, (u8)(0x80 | (c & 0x3F)));
    } else {
        buf_append_byte(out, (u8)(0xF0 | (c >> 18)));
        buf_append_byte(out, (u8)(0x80 | ((c >> 12) & 0x3F)));
        buf_append_byte(out, (u8)(0x80 | ((c >> 6) & 0x3F)));
        buf_append_byte(out, (u8)(0x80 | (c & 0x3F)));
    }
}

/* Reads the code point whose `digits` digits are at *at, with its low surrogate if it needs one
 * (which begins with `lead`). False when it is none. */
static bool take_code_point(str text, isize *at, int digits, str lead, struct buf *out)
{
    i32 c = hex_value(text, *at, digits);
    *at += digits;
    if (c >= 0xD800 && c <= 0xDBFF && digits == 4 &&
        str_starts(str_slice(text, *at, text.len), lead)) {
        i32 low = hex_value(text, *at + lead.len, 4);
        if (low < 0xDC00 || low > 0xDFFF) {
            return false;
        }
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        *at += lead.len + 4;
    }
    if (c < 0 || (c >= 0xD800 && c <= 0xDFFF)) {
        return false;
    }
    put_utf8(out, c);
    return true;
}

/* U&'..': \263A, \+01F600, \\ ; another escape character after UESCAPE. */
static bool decode_unicode(str text, u8 escape, struct buf *out)
{
    for (isize i = 0; i < text.len;) {
        if (text.data[i] != escape) {
            buf_append_byte(out, text.data[i++]);
            continue;
        }
        i++;
        if (i < text.len && text.data[i] == escape) {
            buf_append_byte(out, escape);
            i++;
            continue;
        }
        bool is_long = i < text.len && text.data[i] == '+';
        i += is_long;
        if (!take_code_point(text, &i, is_long ? 6 : 4, str_from(&escape, 1), out)) {
            return false;
        }
    }
    return true;
}

static bool decode_octal(str text, isize *at, struct buf *out)
{
    i32 value = 0;
    isize end = *at + 3;
    while (*at < end && *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '7') {
        value = value * 8 + text.data[(*at)++] - '0';
    }
    put_utf8(out, value);
    return true;
}

/* E'..': \b \f \n \r \t \\ \' \123 \u263A \U0001F600. */
static bool decode_escaped(str text, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    for (isize i = 0; i < text.len;) {
        u8 c = text.data[i++];
        if (c != '\\' || i == text.len) {
            buf_append_byte(out, c);
            continue;
        }
        c = text.data[i];
        const char *simple = c == 0 ? NULL : strchr(from, c);
        if (simple != NULL) {
            buf_append_byte(out, (u8)to[simple - from]);
            i++;
        } else if (c == 'u' || c == 'U') {
            i++;
            if (!take_code_point(text, &i, c == 'u' ? 4 : 8, STR("\\u"), out)) {
                return false;
            }
        } else if (c >= '0' && c <= '7') {
            (void)decode_octal(text, &i, out);
        } else {
            buf_append_byte(out, c);
            i++;
        }
    }
    return true;
}

static err decode_string(struct sql_parser *p, const struct sql_token *token, struct buf *out)
{
    str text = sql__token_text(p, token);
    bool is_fine = true;
    if (token->kind == TOKEN_UNICODE) {
        u8 escape = '\\';
        if (sql__accept_keyword(p, KW_UESCAPE)) {
            str character = sql__token_text(p, sql__peek(p, 0));
            if (sql__peek(p, 0)->kind != TOKEN_STRING || character.len != 3) {
                return sql__unexpected(p, "one character in quotes");
            }
            escape = character.data[1];
            p->at++;
        }
        is_fine = decode_unicode(unquote(p->arena, str_slice(text, 2, text.len)), escape, out);
    } else if (token->kind == TOKEN_ESCAPED) {
        is_fine = decode_escaped(unquote(p->arena, str_slice(text, 1, text.len)), out);
    } else {
        buf_append(out, unquote(p->arena, text));
    }
    return is_fine ? OK
                   : sql__fail(p->diag, SQLE_LITERAL, sql__token_span(token),
                               "the string has an escape that is no character");
}

err sql__parse_string(struct sql_parser *p, const char *what, str *out)
{
    if (!sql__at_string(p)) {
        return sql__unexpected(p, what);
    }
    const struct sql_token *token = sql__peek(p, 0);
    p->at++;
    if (token->kind == TOKEN_STRING && !sql__at_string(p)) {
        *out = unquote(p->arena, sql__token_text(p, token)); /* The usual case borrows. */
        return OK;
    }
    struct buf joined;
    buf_init(&joined, 0);
    err e = decode_string(p, token, &joined);
    while (e == OK && sql__at_string(p)) { /* 'a' 'b' is 'ab'. */
        token = sql__peek(p, 0);
        p->at++;
        e = decode_string(p, token, &joined);
    }
    *out = arena_copy(p->arena, buf_str(&joined));
    buf_deinit(&joined);
    return e;
}

err sql__parse_integer(struct sql_parser *p, const char *what, i64 *out)
{
    const struct sql_token *token = sql__peek(p, 0);
    if (token->kind != TOKEN_INTEGER) {
        return sql__unexpected(p, what);
    }
    if (str_to_i64(sql__token_text(p, token), out) != OK) {
        return sql__fail(p->diag, SQLE_LITERAL, sql__token_span(token), "the number is too large");
    }
    p->at++;
    return OK;
}

/* --- options ---------------------------------------------------------------------------------- */

static err parse_option(struct sql_parser *p, struct plan_option *out)
{
    struct sql_span key = sql__token_span(sql__peek(p, 0));
    TRY(sql__parse_string(p, "an option in quotes, 'key' = 'value'", &out->key));
    if (str_trim(out->key).len == 0) {
        return sql__fail(p->diag, SQLE_SYNTAX, key, "the option has no name");
    }
    TRY(sql__expect_sign(p, '='));
    isize first = p->at;
    TRY(sql__parse_string(p, "a value in quotes", &out->value));
    struct sql_span span = sql__span_since(p, first);
    out->span_start = span.start;
    out->span_len = span.len;
    out->key_start = key.start;
    out->key_len = key.len;
    return OK;
}

err sql__parse_options(struct sql_parser *p, struct plan_option **out, isize *count_out)
{
    struct plan_option *options = NULL;
    isize count = 0;
    TRY(sql__expect_sign(p, '('));
    while (!sql__at_sign(p, ')')) {
        struct sql_span span = sql__token_span(sql__peek(p, 0));
        options = arena_grow(p->arena, options, count, (isize)sizeof *options);
        TRY(parse_option(p, &options[count]));
        for (isize i = 0; i < count; i++) {
            if (str_eq(options[i].key, options[count].key)) {
                return sql__fail(p->diag, SQLE_DUPLICATE_OPTION, span,
                                 "option '" STR_FMT "' is given twice",
                                 STR_ARG(options[count].key));
            }
        }
        count++;
        if (count > OPTIONS_MAX) {
            return sql__fail(p->diag, SQLE_TOO_MANY, span, "more than %d options", OPTIONS_MAX);
        }
        if (!sql__accept_sign(p, ',')) {
            break;
        }
        if (sql__at_sign(p, ')')) {
            return sql__unexpected(p, "an option in quotes, 'key' = 'value'");
        }
    }
    TRY(sql__expect_sign(p, ')'));
    *out = options;
    *count_out = count;
    return OK;
}

/* --- entry ------------------------------------------------------------------------------------ */

err sql_parse(struct arena *arena, str text, struct sql_statement *out, struct diag *diag)
{
    struct sql_parser p;
    TRY(sql__parser_init(&p, arena, text, diag));
    if (sql__peek(&p, 0)->kind == TOKEN_END) {
        return sql__fail(diag, SQLE_EMPTY, (struct sql_span){-1, 0}, "there is no statement");
    }
    struct sql_statement statement = {.text = text};
    TRY(sql__parse_statement(&p, &statement));
    TRY(sql__expect_end(&p));
    *out = statement;
    return OK;
}

err sql_parse_type(struct arena *arena, str text, const struct type **out, struct diag *diag)
{
    struct sql_parser p;
    const struct type *type = NULL;
    TRY(sql__parser_init(&p, arena, text, diag));
    TRY(sql__parse_type(&p, &type));
    TRY(sql__expect_end(&p));
    *out = type;
    return OK;
}
