/* func/encode.c: base64, URLs, charsets, hashes. */
#include "func/func_int.h"

#include <openssl/evp.h>

/* --- base64 ----------------------------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

KERNEL(to_base64)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, ((i64)text.len + 2) / 3 * 4);
        isize n = 0;
        for (isize i = 0; room != NULL && i < text.len; i += 3) {
            isize left = text.len - i;
            u32 bits = (u32)text.data[i] << 16 | (left > 1 ? (u32)text.data[i + 1] << 8 : 0) |
                       (left > 2 ? text.data[i + 2] : 0);
            room[n++] = (u8)alphabet[bits >> 18];
            room[n++] = (u8)alphabet[(bits >> 12) & 63];
            room[n++] = left > 1 ? (u8)alphabet[(bits >> 6) & 63] : '=';
            room[n++] = left > 2 ? (u8)alphabet[bits & 63] : '=';
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, n));
        }
    }
}

static int base64_value(u8 c)
{
    const char *at = c == 0 ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

/* As java.util.Base64: padding may be left out. NULL in *error: fine. Returns the bytes written. */
static isize base64_decode(struct func_ctx *ctx, isize row, str text, u8 *out)
{
    isize end = text.len, n = 0;
    while (end > 0 && text.len - end < 2 && text.data[end - 1] == '=') {
        end--;
    }
    u32 bits = 0;
    for (isize i = 0; i < end; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0) {
            func_fail(ctx, row, "Illegal base64 character %x", text.data[i]);
            return -1;
        }
        bits = bits << 6 | (u32)value;
        if (i % 4 == 3) {
            out[n++] = (u8)(bits >> 16);
            out[n++] = (u8)(bits >> 8);
            out[n++] = (u8)bits;
        }
    }
    bool is_cut = end % 4 == 1 || (end < text.len && text.len % 4 != 0);
    if (is_cut) {
        func_fail(ctx, row,
                  end % 4 == 1 ? "Last unit does not have enough valid bits"
                               : "Input byte array has wrong 4-byte ending unit");
        return -1;
    }
    if (end % 4 >= 2) {
        bits <<= end % 4 == 2 ? 12 : 6;
        out[n++] = (u8)(bits >> 16);
        if (end % 4 == 3) {
            out[n++] = (u8)(bits >> 8);
        }
    }
    return n;
}

KERNEL(from_base64)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, text.len);
        isize n = room == NULL ? -1 : base64_decode(ctx, row, text, room);
        if (n >= 0 && !str_is_utf8(str_from(room, n))) {
            func_fail(ctx, row, "the decoded bytes are not UTF-8 text");
        } else if (n >= 0) {
            func__put_text(out, row, str_from(room, n));
        }
    }
}

/* --- URLs ------------------------------------------------------------------------------------- */

KERNEL(url_encode)
{
    KERNEL_UNUSED();
    static const char hex[] = "0123456789ABCDEF";
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, (i64)text.len * 3);
        isize n = 0;
        for (isize i = 0; room != NULL && i < text.len; i++) {
            u8 c = text.data[i];
            bool is_plain = (u8)((c | 32) - 'a') < 26 || (u8)(c - '0') < 10 || c == '-' ||
                            c == '_' || c == '.' || c == '*';
            if (is_plain || c == ' ') {
                room[n++] = c == ' ' ? '+' : c;
            } else {
                room[n++] = '%';
                room[n++] = (u8)hex[c >> 4];
                room[n++] = (u8)hex[c & 15];
            }
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, n));
        }
    }
}

static int hex_digit(u8 c)
{
    return (u8)(c - '0') < 10 ? c - '0' : (u8)((c | 32) - 'a') < 6 ? (c | 32) - 'a' + 10 : -1;
}

static isize url_decode_text(str text, u8 *out)
{
    isize n = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c != '%') {
            out[n++] = c == '+' ? ' ' : c;
            continue;
        }
        int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return -1;
        }
        out[n++] = (u8)(high * 16 + low);
        i += 2;
    }
    return str_is_utf8(str_from(out, n)) ? n : -1;
}

KERNEL(url_decode)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, text.len);
        isize n = room == NULL ? -1 : url_decode_text(text, room);
        if (n >= 0) {
            func__put_text(out, row, str_from(room, n));
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

struct url {
    str protocol, authority, userinfo, host, path, query, ref, file;
    bool has_query, has_ref, has_userinfo;
};

static bool split_url(str text, struct url *out)
{
    *out = (struct url){.path = STR_EMPTY};
    isize colon = str_find(text, STR(":"), 0);
    if (colon <= 0) {
        return false;
    }
    for (isize i = 0; i < colon; i++) {
        u8 c = text.data[i];
        if ((u8)((c | 32) - 'a') >= 26 &&
            (i == 0 || ((u8)(c - '0') >= 10 && c != '+' && c != '-' && c != '.'))) {
            return false;
        }
    }
    out->protocol = str_slice(text, 0, colon);
    str rest = str_slice(text, colon + 1, text.len);
    isize hash = str_find_byte(rest, '#', 0);
    if (hash >= 0) {
        out->has_ref = true;
        out->ref = str_slice(rest, hash + 1, rest.len);
        rest = str_slice(rest, 0, hash);
    }
    if (str_starts(rest, STR("//"))) {
        isize end = 2;
        while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
            end++;
        }
        out->authority = str_slice(rest, 2, end);
        rest = str_slice(rest, end, rest.len);
        isize at = str_rfind_byte(out->authority, '@');
        out->has_userinfo = at >= 0;
        out->userinfo = str_slice(out->authority, 0, MAX(at, 0));
        out->host = str_slice(out->authority, at + 1, out->authority.len);
        isize bracket = str_rfind_byte(out->host, ']');
        isize port = str_rfind_byte(out->host, ':');
        if (port > bracket) {
            out->host = str_slice(out->host, 0, port);
        }
    }
    out->file = rest;
    isize mark = str_find_byte(rest, '?', 0);
    out->has_query = mark >= 0;
    out->path = mark < 0 ? rest : str_slice(rest, 0, mark);
    out->query = mark < 0 ? STR_EMPTY : str_slice(rest, mark + 1, rest.len);
    return true;
}

static bool url_part(const struct url *url, str name, str *out)
{
    const struct {
        const char *name;
        str part;
        bool is_there;
    } parts[] = {{"HOST", url->host, true},
                 {"PATH", url->path, true},
                 {"QUERY", url->query, url->has_query},
                 {"REF", url->ref, url->has_ref},
                 {"PROTOCOL", url->protocol, true},
                 {"FILE", url->file, true},
                 {"AUTHORITY", url->authority, true},
                 {"USERINFO", url->userinfo, url->has_userinfo}};
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        if (str_eq(str_of(parts[i].name), name)) {
            *out = parts[i].part;
            return parts[i].is_there;
        }
    }
    return false;
}

static bool query_value(str query, str key, str *out)
{
    while (query.len > 0) {
        str pair = str_split(&query, '&', NULL);
        bool has_value = false;
        str name = str_split(&pair, '=', &has_value);
        if (has_value && str_eq(name, key)) {
            *out = pair;
            return true;
        }
    }
    return false;
}

KERNEL(parse_url)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        struct url url;
        str part = STR_EMPTY;
        str name = func__text_at(&args[1], row);
        bool ok = split_url(func__text_at(&args[0], row), &url) && url_part(&url, name, &part);
        if (ok && arg_count > 2) {
            ok = str_eq(name, STR("QUERY")) &&
                 query_value(part, func__text_at(&args[2], row), &part);
        }
        if (ok) {
            func__put_text(out, row, part);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

/* --- charsets --------------------------------------------------------------------------------- */

enum charset { CHARSET_NONE, UTF8, ASCII7, LATIN1, UTF16, UTF16LE, UTF16BE };

static enum charset charset_of(str name)
{
    static const struct {
        const char *name;
        enum charset charset;
    } names[] = {{"UTF-8", UTF8},   {"UTF8", UTF8},         {"US-ASCII", ASCII7},
                 {"ASCII", ASCII7}, {"ISO-8859-1", LATIN1}, {"LATIN1", LATIN1},
                 {"UTF-16", UTF16}, {"UTF-16LE", UTF16LE},  {"UTF-16BE", UTF16BE}};
    for (isize i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(str_of(names[i].name), name)) {
            return names[i].charset;
        }
    }
    return CHARSET_NONE;
}

static isize put_unit(u32 unit, bool is_little, u8 *out)
{
    out[is_little ? 0 : 1] = (u8)unit;
    out[is_little ? 1 : 0] = (u8)(unit >> 8);
    return 2;
}

static isize encode_char(u32 code, enum charset charset, u8 *out)
{
    if (charset == ASCII7 || charset == LATIN1) {
        out[0] = code < (charset == ASCII7 ? 0x80U : 0x100U) ? (u8)code : '?';
        return 1;
    }
    bool is_little = charset == UTF16LE;
    if (code < 0x10000) {
        return put_unit(code, is_little, out);
    }
    isize n = put_unit(0xD800 + ((code - 0x10000) >> 10), is_little, out);
    return n + put_unit(0xDC00 + ((code - 0x10000) & 0x3FF), is_little, out + n);
}

KERNEL(encode)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row), name = func__text_at(&args[1], row);
        enum charset charset = charset_of(name);
        if (charset == CHARSET_NONE) {
            func_fail(ctx, row, STR_FMT, STR_ARG(str_slice(name, 0, 100)));
            continue;
        }
        if (charset == UTF8) {
            func__put_text(out, row, text);
            continue;
        }
        u8 *room = func__text_room(ctx, row, (i64)text.len * 2 + 2);
        isize n = 0;
        if (room != NULL && charset == UTF16) {
            n = put_unit(0xFEFF, false, room);
        }
        while (room != NULL && text.len > 0) {
            n += encode_char(func__utf8_take(&text), charset, room + n);
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, n));
        }
    }
}

static u32 take_unit(str bytes, isize at, bool is_little)
{
    return is_little ? (u32)bytes.data[at] | (u32)bytes.data[at + 1] << 8
                     : (u32)bytes.data[at] << 8 | bytes.data[at + 1];
}

static void decode_utf16(str bytes, enum charset charset, struct buf *out)
{
    bool is_little = charset == UTF16LE;
    isize at = 0;
    if (charset == UTF16 && bytes.len >= 2) {
        u32 mark = take_unit(bytes, 0, false);
        is_little = mark == 0xFFFE;
        at = mark == 0xFEFF || mark == 0xFFFE ? 2 : 0;
    }
    u8 room[4];
    for (; at + 1 < bytes.len; at += 2) {
        u32 code = take_unit(bytes, at, is_little);
        if (code >= 0xD800 && code < 0xDC00 && at + 3 < bytes.len) {
            u32 low = take_unit(bytes, at + 2, is_little);
            if (low >= 0xDC00 && low < 0xE000) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                at += 2;
            }
        }
        code = code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
        buf_append_bytes(out, room, func__utf8_put(code, room));
    }
    if (at < bytes.len) {
        buf_append(out, STR("\xEF\xBF\xBD"));
    }
}

static void decode_bytes(str bytes, enum charset charset, struct buf *out)
{
    u8 room[4];
    if (charset >= UTF16) {
        decode_utf16(bytes, charset, out);
        return;
    }
    for (isize i = 0; i < bytes.len;) {
        isize len = charset == UTF8 ? MIN(func__utf8_len(bytes.data[i]), bytes.len - i) : 1;
        str one = str_from(bytes.data + i, len);
        bool is_plain = charset == LATIN1 ? bytes.data[i] < 0x80 : str_is_utf8(one);
        if (is_plain) {
            buf_append(out, one);
            i += len;
        } else {
            u32 code = charset == LATIN1 ? bytes.data[i] : 0xFFFD;
            buf_append_bytes(out, room, func__utf8_put(code, room));
            i++;
        }
    }
}

KERNEL(decode)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        str name = func__text_at(&args[1], row);
        enum charset charset = charset_of(name);
        if (charset == CHARSET_NONE) {
            func_fail(ctx, row, STR_FMT, STR_ARG(str_slice(name, 0, 100)));
            continue;
        }
        buf_reset(&buf);
        decode_bytes(func__text_at(&args[0], row), charset, &buf);
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

/* --- hashes ----------------------------------------------------------------------------------- */

static void put_digest(struct func_ctx *ctx, const EVP_MD *md, str text, isize row, struct vec *out)
{
    static const char hex[] = "0123456789abcdef";
    u8 digest[EVP_MAX_MD_SIZE];
    unsigned int bytes = 0;
    if (EVP_Digest(text.data, (size_t)text.len, digest, &bytes, md, NULL) != 1) {
        func_fail(ctx, row, "the hash function is not available");
        return;
    }
    u8 *room = func__text_room(ctx, row, (i64)bytes * 2);
    for (unsigned int i = 0; room != NULL && i < bytes; i++) {
        room[2 * i] = (u8)hex[digest[i] >> 4];
        room[2 * i + 1] = (u8)hex[digest[i] & 15];
    }
    if (room != NULL) {
        func__put_text(out, row, str_from(room, (isize)bytes * 2));
    }
}

struct hash_plan {
    const char *name;
    const EVP_MD *(*md)(void);
    i32 bits;
};
static const struct hash_plan hashes[] = {{"MD5", EVP_md5, 128},       {"SHA1", EVP_sha1, 160},
                                          {"SHA224", EVP_sha224, 224}, {"SHA256", EVP_sha256, 256},
                                          {"SHA384", EVP_sha384, 384}, {"SHA512", EVP_sha512, 512}};

KERNEL(hash)
{
    KERNEL_UNUSED();
    const struct hash_plan *plan = data;
    FOR_SEL(sel, row)
    {
        put_digest(ctx, plan->md(), func__text_at(&args[0], row), row, out);
    }
}

KERNEL(sha2)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        i32 bits = ARG(i32, &args[1], row);
        isize i = 2;
        while (i < COUNT_OF(hashes) && hashes[i].bits != bits) {
            i++;
        }
        if (i == COUNT_OF(hashes)) {
            func_fail(ctx, row, "Unsupported algorithm.");
        } else {
            put_digest(ctx, hashes[i].md(), func__text_at(&args[0], row), row, out);
        }
    }
}

static err bind_hash(struct func_binding *b)
{
    isize i = 0;
    while (i < COUNT_OF(hashes) && !str_eq(str_of(hashes[i].name), str_of(b->def->name))) {
        i++;
    }
    bool is_fixed = i < COUNT_OF(hashes);
    func__set_result(b, is_fixed ? type_char(b->arena, TYPE_CHAR, hashes[i].bits / 4)
                                 : type_char(b->arena, TYPE_VARCHAR, 128));
    b->out->data = is_fixed ? &hashes[i] : NULL;
    return OK;
}

enum { STRICT = FUNC_STRICT, FAILS = FUNC_STRICT | FUNC_MAY_FAIL };
#define HASH(name)                                                            \
    {                                                                         \
        name, NULL, "hash", name "(text)", "s>?;b>?", STRICT, hash, bind_hash \
    }

const struct func_def func__encode[] = {
    {"TO_BASE64", NULL, "string", "TO_BASE64(text)", "s>S;b>S", STRICT, to_base64, NULL},
    {"FROM_BASE64", NULL, "string", "FROM_BASE64(text)", "s>S", FAILS, from_base64, NULL},
    {"URL_ENCODE", NULL, "string", "URL_ENCODE(text)", "s>S!", STRICT, url_encode, NULL},
    {"URL_DECODE", "TRY_URL_DECODE", "string", "URL_DECODE(text)", "s>S!", STRICT, url_decode,
     NULL},
    {"PARSE_URL", NULL, "string", "PARSE_URL(url, part [, key])", "ss>S!;sss>S!", STRICT, parse_url,
     NULL},
    {"ENCODE", NULL, "string", "ENCODE(text, charset)", "ss>B", FAILS, encode, NULL},
    {"DECODE", NULL, "string", "DECODE(bytes, charset)", "bs>S", FAILS, decode, NULL},
    HASH("MD5"),
    HASH("SHA1"),
    HASH("SHA224"),
    HASH("SHA256"),
    HASH("SHA384"),
    HASH("SHA512"),
    {"SHA2", NULL, "hash", "SHA2(text, bits)", "si>?;bi>?", FAILS, sha2, bind_hash},
    {0},
};
