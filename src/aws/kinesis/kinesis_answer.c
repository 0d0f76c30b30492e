/* aws/kinesis/kinesis_answer.c */
#include "aws/kinesis/kinesis_answer.h"

#include "codec/base64.h"
#include "codec/cbor.h"

void answer_deinit(struct answer *out)
{
    buf_deinit(&out->buf);
    out->needs_comma = false;
}

/* Comma, quote, name, quote, colon. */
static void begin_json(struct answer *out, const char *name)
{
    str text = str_of(name);
    u8 *start = buf_reserve(&out->buf, text.len + 4);
    u8 *at = start;
    CHECK(at != NULL);
    if (out->needs_comma) {
        *at++ = ',';
    }
    if (name != NULL) {
        *at++ = '"';
        memcpy(at, text.data, (size_t)text.len);
        at += text.len;
        *at++ = '"';
        *at++ = ':';
    }
    out->buf.len += at - start;
    out->needs_comma = true;
}

static void begin(struct answer *out, const char *name)
{
    if (!out->is_cbor) {
        begin_json(out, name);
    } else if (name != NULL) {
        cbor_put_text(&out->buf, str_of(name));
    }
}

static void open(struct answer *out, const char *name, u8 bracket)
{
    begin(out, name);
    if (!out->is_cbor) {
        buf_append_byte(&out->buf, bracket);
        out->needs_comma = false;
    } else if (bracket == '{') {
        cbor_open_map(&out->buf);
    } else {
        cbor_open_list(&out->buf);
    }
}

static void close(struct answer *out, u8 bracket)
{
    if (out->is_cbor) {
        cbor_close(&out->buf);
    } else {
        buf_append_byte(&out->buf, bracket);
        out->needs_comma = true;
    }
}

void answer_open(struct answer *out, const char *name)
{
    open(out, name, '{');
}

void answer_close(struct answer *out)
{
    close(out, '}');
}

void answer_open_list(struct answer *out, const char *name)
{
    open(out, name, '[');
}

void answer_close_list(struct answer *out)
{
    close(out, ']');
}

/* Whether one of eight bytes is a control character, a quotation mark or a backslash (by Mycroft's
 * test for a byte that is less). */
static bool has_special(u64 word)
{
    const u64 ones = 0x0101010101010101ULL, tops = ones << 7;
    u64 quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    u64 is_special = ((word - ones * ' ') & ~word) | ((quote - ones) & ~quote) |
                     ((backslash - ones) & ~backslash);
    return (is_special & tops) != 0;
}

/* Of the front, in eights, that stands for itself. */
static isize plain_bytes(str text)
{
    isize at = 0;
    while (text.len - at >= 8 && !has_special(get_u64(text.data + at))) {
        at += 8;
    }
    return at;
}

isize answer_escaped_bytes(str text)
{
    isize bytes = text.len;
    for (isize i = plain_bytes(text); i < text.len; i++) {
        u8 c = text.data[i];
        bytes += c < ' ' ? ANSWER_ESCAPE_MAX - 1 : (c == '"') + (c == '\\');
    }
    return bytes;
}

u8 *answer_escape(u8 *out, str text)
{
    static const char hex[] = "0123456789abcdef";
    isize plain = plain_bytes(text);
    if (plain > 0) {
        memcpy(out, text.data, (size_t)plain);
        out += plain;
    }
    for (isize i = plain; i < text.len; i++) {
        u8 c = text.data[i];
        if (UNLIKELY(c < ' ')) {
            memcpy(out, "\\u00", 4);
            out[4] = (u8)hex[c >> 4];
            out[5] = (u8)hex[c & 15];
            out += ANSWER_ESCAPE_MAX;
            continue;
        }
        if (UNLIKELY(c == '"' || c == '\\')) {
            *out++ = '\\';
        }
        *out++ = c;
    }
    return out;
}

static void put_quoted(struct buf *out, str text)
{
    u8 *at = buf_reserve(out, answer_escaped_bytes(text) + 2);
    CHECK(at != NULL);
    *at++ = '"';
    at = answer_escape(at, text);
    *at++ = '"';
    out->len = at - out->data;
}

void answer_put_name(struct answer *out, const char *name)
{
    begin(out, name);
}

void answer_put_text(struct answer *out, const char *name, str text)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_text(&out->buf, text);
    } else {
        put_quoted(&out->buf, text);
    }
}

void answer_put_plain(struct answer *out, const char *name, str text)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_text(&out->buf, text);
        return;
    }
    u8 *at = buf_reserve(&out->buf, text.len + 2);
    CHECK(at != NULL);
    at[0] = '"';
    memcpy(at + 1, text.data, (size_t)text.len);
    at[text.len + 1] = '"';
    out->buf.len += text.len + 2;
}

void answer_put_i64(struct answer *out, const char *name, i64 value)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_i64(&out->buf, value);
    } else {
        buf_append_i64(&out->buf, value);
    }
}

void answer_put_bool(struct answer *out, const char *name, bool value)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_bool(&out->buf, value);
    } else {
        buf_append(&out->buf, value ? STR("true") : STR("false"));
    }
}

void answer_put_null(struct answer *out, const char *name)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_null(&out->buf);
    } else {
        buf_append(&out->buf, STR("null"));
    }
}

void answer_put_time(struct answer *out, const char *name, i64 ms)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_time(&out->buf, ms);
        return;
    }
    CHECK(ms >= 0);
    buf_append_i64(&out->buf, ms / 1000);
    char digits[4] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                      (char)('0' + ms % 10)};
    buf_append_bytes(&out->buf, digits, sizeof digits);
}

void answer_put_blob(struct answer *out, const char *name, str bytes)
{
    begin(out, name);
    if (out->is_cbor) {
        cbor_put_bytes(&out->buf, bytes);
        return;
    }
    buf_append_byte(&out->buf, '"');
    base64_append(&out->buf, bytes);
    buf_append_byte(&out->buf, '"');
}
