/* codec/sigv4.c: the canonical request, the string to sign, the signature. */
#include "codec/sigv4.h"

#include "base/buf.h"
#include "base/cal.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { HEADERS_BYTES_MAX = 64 << 10, DATE_BYTES = 8, TIME_BYTES = 16 };

/* --- parsing
 * ----------------------------------------------------------------------------------------- */

static bool is_digits(str text)
{
    for (isize i = 0; i < text.len; i++) {
        if ((u8)(text.data[i] - '0') > 9) {
            return false;
        }
    }
    return text.len > 0;
}

static bool is_hex_signature(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_hex = (u8)(c - '0') <= 9 || (c >= 'a' && c <= 'f');
        if (!is_hex) {
            return false;
        }
    }
    return text.len == SIGV4_HEX_BYTES;
}

/* Only what may stand in a region's or service's name: it becomes part of ARNs and labels. */
static bool is_name(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (u8)(c - '0') <= 9 || c == '-';
        if (!is_plain) {
            return false;
        }
    }
    return text.len > 0 && text.len <= 64;
}

static err credential_take(str credential, struct sigv4_claim *out)
{
    out->access_key = str_split(&credential, '/', NULL);
    out->date = str_split(&credential, '/', NULL);
    out->region = str_split(&credential, '/', NULL);
    out->service = str_split(&credential, '/', NULL);
    bool is_whole = out->access_key.len > 0 && out->date.len == DATE_BYTES &&
                    is_digits(out->date) && is_name(out->region) && is_name(out->service) &&
                    str_eq(credential, STR("aws4_request"));
    return is_whole ? OK : ERR_SYNTAX;
}

err sigv4_parse_header(str authorization, struct sigv4_claim *out)
{
    str scheme = STR(ALGORITHM " ");
    struct sigv4_claim claim = {0};
    str credential = STR_EMPTY;
    if (!str_starts(authorization, scheme)) {
        return ERR_SYNTAX;
    }
    str rest = str_slice(authorization, scheme.len, authorization.len);
    while (rest.len > 0) {
        str item = str_trim(str_split(&rest, ',', NULL));
        str key = str_split(&item, '=', NULL);
        str *place = str_eq(key, STR("Credential"))      ? &credential
                     : str_eq(key, STR("SignedHeaders")) ? &claim.signed_headers
                     : str_eq(key, STR("Signature"))     ? &claim.signature
                                                         : NULL;
        if (place == NULL || place->len > 0) {
            return ERR_SYNTAX;
        }
        *place = item;
    }
    if (claim.signed_headers.len == 0 || claim.signature.len == 0) {
        return ERR_SYNTAX;
    }
    TRY(credential_take(credential, &claim));
    *out = claim;
    return OK;
}

static int hex_value(u8 c)
{
    if ((u8)(c - '0') <= 9) {
        return c - '0';
    }
    u8 lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Percent-decodes once. */
static err decode(struct arena *arena, str text, bool plus_is_space, str *out)
{
    u8 *bytes = arena_alloc(arena, text.len + 1);
    isize len = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c == '%') {
            bool is_whole = i + 2 < text.len;
            int high = is_whole ? hex_value(text.data[i + 1]) : -1;
            int low = is_whole ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return ERR_SYNTAX;
            }
            c = (u8)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        bytes[len++] = c;
    }
    *out = str_from(bytes, len);
    return OK;
}

struct param {
    str name, value; /* Decoded; for sorting, encoded. */
};

static err params_split(struct arena *arena, str query, struct param *params, isize *count_out)
{
    isize count = 0;
    while (query.len > 0) {
        str value = str_split(&query, '&', NULL);
        if (value.len == 0) {
            continue;
        }
        str name = str_split(&value, '=', NULL);
        if (count == SIGV4_PARAMS_MAX) {
            return ERR_LIMIT;
        }
        TRY(decode(arena, name, true, &params[count].name));
        TRY(decode(arena, value, true, &params[count].value));
        count++;
    }
    *count_out = count;
    return OK;
}

struct wanted {
    str name;
    str *place;
};

/* False when one of them is there twice. */
static bool params_pick(const struct param *params, isize count, const struct wanted *wanted,
                        isize wanted_count)
{
    for (isize i = 0; i < count; i++) {
        for (isize k = 0; k < wanted_count; k++) {
            bool is_it = str_eq(params[i].name, wanted[k].name);
            if (is_it && wanted[k].place->data != NULL) {
                return false;
            }
            if (is_it) {
                *wanted[k].place = params[i].value;
            }
        }
    }
    return true;
}

err sigv4_parse_query(struct arena *arena, str query, struct sigv4_claim *out)
{
    struct param *params = ARENA_ARRAY(arena, struct param, SIGV4_PARAMS_MAX);
    isize count;
    TRY(params_split(arena, query, params, &count));
    struct sigv4_claim claim = {.is_presigned = true};
    str credential = {0}, algorithm = {0}, expires = {0};
    const struct wanted wanted[] = {
        {STR("X-Amz-Credential"), &credential},
        {STR("X-Amz-Algorithm"), &algorithm},
        {STR("X-Amz-Date"), &claim.time},
        {STR("X-Amz-Expires"), &expires},
        {STR("X-Amz-SignedHeaders"), &claim.signed_headers},
        {STR("X-Amz-Signature"), &claim.signature},
    };
    bool is_once = params_pick(params, count, wanted, COUNT_OF(wanted));
    if (credential.data == NULL) {
        return ERR_NOT_FOUND;
    }
    bool is_whole = is_once && str_eq(algorithm, STR(ALGORITHM)) &&
                    str_to_i64(expires, &claim.expires_s) == OK && claim.expires_s > 0 &&
                    claim.expires_s <= SIGV4_EXPIRES_S_MAX && claim.time.len > 0 &&
                    claim.signed_headers.len > 0 && claim.signature.len > 0;
    if (!is_whole) {
        return ERR_SYNTAX;
    }
    TRY(credential_take(credential, &claim));
    *out = claim;
    return OK;
}

/* --- the canonical request
 * ------------------------------------------------------------------------------- */

static void encode(struct buf *out, str text, bool keeps_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i], lower = c | 0x20;
        bool is_plain = (u8)(c - '0') <= 9 || (lower >= 'a' && lower <= 'z') || c == '-' ||
                        c == '_' || c == '.' || c == '~' || (c == '/' && keeps_slash);
        if (is_plain) {
            buf_append_byte(out, c);
        } else {
            buf_append_byte(out, '%');
            buf_append_byte(out, (u8)digits[c >> 4]);
            buf_append_byte(out, (u8)digits[c & 15]);
        }
    }
}

/* Without empty and "." segments; ".." takes its predecessor away (RFC 3986, 5.2.4). */
static str path_normalise(struct arena *arena, str path)
{
    u8 *bytes = arena_alloc(arena, path.len + 2);
    isize len = 0;
    bool is_folder = path.len == 0 || path.data[path.len - 1] == '/';
    while (path.len > 0) {
        str segment = str_split(&path, '/', NULL);
        bool is_up = str_eq(segment, STR(".."));
        while (is_up && len > 0 && bytes[--len] != '/') {
        }
        if (segment.len == 0 || is_up || str_eq(segment, STR("."))) {
            continue;
        }
        bytes[len++] = '/';
        memcpy(bytes + len, segment.data, (size_t)segment.len);
        len += segment.len;
    }
    if (len == 0 || is_folder) {
        bytes[len++] = '/';
    }
    return str_from(bytes, len);
}

static err append_path(struct arena *arena, struct buf *out, str path, bool is_s3)
{
    if (is_s3) { /* Keys are opaque: decoded and encoded in the one canonical way. */
        str plain;
        TRY(decode(arena, path, false, &plain));
        encode(out, plain, true);
        return OK;
    }
    encode(out, path_normalise(arena, path), true);
    return OK;
}

static str encoded(struct arena *arena, str text)
{
    struct buf buf = {0};
    encode(&buf, text, false);
    str out = arena_copy(arena, buf_str(&buf));
    buf_deinit(&buf);
    return out;
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct param *left = a, *right = b;
    int order = str_cmp(left->name, right->name);
    return order != 0 ? order : str_cmp(left->value, right->value);
}

static err append_query(struct arena *arena, struct buf *out, str query, bool is_presigned)
{
    struct param *params = ARENA_ARRAY(arena, struct param, SIGV4_PARAMS_MAX);
    isize count;
    TRY(params_split(arena, query, params, &count));
    for (isize i = 0; i < count; i++) {
        params[i].name = encoded(arena, params[i].name);
        params[i].value = encoded(arena, params[i].value);
    }
    qsort(params, (size_t)count, sizeof *params, by_name_and_value);
    bool is_first = true;
    for (isize i = 0; i < count; i++) {
        if (is_presigned && str_eq(params[i].name, STR("X-Amz-Signature"))) {
            continue;
        }
        buf_append(out, is_first ? STR_EMPTY : STR("&"));
        buf_append(out, params[i].name);
        buf_append_byte(out, '=');
        buf_append(out, params[i].value);
        is_first = false;
    }
    return OK;
}

/* Without blanks at the ends, and one where there are many. */
static void append_value(struct buf *out, str value)
{
    value = str_trim(value);
    for (isize i = 0; i < value.len; i++) {
        u8 c = value.data[i] == '\t' ? ' ' : value.data[i];
        bool is_repeated = c == ' ' && (value.data[i - 1] == ' ' || value.data[i - 1] == '\t');
        if (!is_repeated) {
            buf_append_byte(out, c);
        }
    }
}

static void append_header(struct buf *out, const struct sigv4_request *request, str name)
{
    buf_append(out, name);
    bool is_first = true;
    for (isize i = 0; i < request->field_count; i++) {
        if (str_eq_nocase(request->fields[i].name, name)) {
            buf_append_byte(out, is_first ? ':' : ',');
            append_value(out, request->fields[i].value);
            is_first = false;
        }
    }
    buf_append(out, is_first ? STR(":\n") : STR("\n"));
}

static err canonical(struct arena *arena, const struct sigv4_request *request,
                     const struct sigv4_claim *claim, struct buf *out)
{
    buf_append(out, request->method);
    buf_append_byte(out, '\n');
    TRY(append_path(arena, out, request->path, str_eq(claim->service, STR("s3"))));
    buf_append_byte(out, '\n');
    TRY(append_query(arena, out, request->query, claim->is_presigned));
    buf_append_byte(out, '\n');
    str names = claim->signed_headers;
    isize start = out->len;
    for (isize i = 0; names.len > 0; i++) {
        append_header(out, request, str_split(&names, ';', NULL));
        if (i == SIGV4_HEADERS_MAX || out->len - start > HEADERS_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
    buf_append_byte(out, '\n');
    buf_append(out, claim->signed_headers);
    buf_append_byte(out, '\n');
    buf_append(out, request->payload_hash);
    return OK;
}

/* --- signing ------------------------------------------------------------------------------- */

static void to_hex(const u8 bytes[SHA256_DIGEST_LENGTH], u8 out[SIGV4_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        out[2 * i] = (u8)digits[bytes[i] >> 4];
        out[2 * i + 1] = (u8)digits[bytes[i] & 15];
    }
}

void sigv4_hash(str data, u8 hex_out[SIGV4_HEX_BYTES])
{
    u8 digest[SHA256_DIGEST_LENGTH] = {0};
    (void)SHA256(data.len > 0 ? data.data : digest, (size_t)data.len, digest);
    to_hex(digest, hex_out);
}

static void hmac(str key, str data, u8 out[SHA256_DIGEST_LENGTH])
{
    unsigned len = SHA256_DIGEST_LENGTH;
    u8 result[SHA256_DIGEST_LENGTH];
    CHECK(HMAC(EVP_sha256(), key.data, (int)key.len, data.data, (size_t)data.len, result, &len) !=
          NULL);
    memcpy(out, result, sizeof result);
}

static void signing_key(const struct sigv4_claim *claim, str secret, u8 out[SHA256_DIGEST_LENGTH])
{
    struct buf first = {0};
    buf_append(&first, STR("AWS4"));
    buf_append(&first, secret);
    str key = str_from(out, SHA256_DIGEST_LENGTH);
    hmac(buf_str(&first), claim->date, out);
    hmac(key, claim->region, out);
    hmac(key, claim->service, out);
    hmac(key, STR("aws4_request"), out);
    buf_deinit(&first);
}

err sigv4_sign(struct arena *arena, const struct sigv4_request *request,
               const struct sigv4_claim *claim, str secret, u8 hex_out[SIGV4_HEX_BYTES])
{
    struct buf text = {0};
    err e = canonical(arena, request, claim, &text);
    u8 hash[SIGV4_HEX_BYTES];
    sigv4_hash(buf_str(&text), hash);
    buf_deinit(&text);
    if (e != OK) {
        return e;
    }
    str wanted = arena_printf(
        arena, ALGORITHM "\n" STR_FMT "\n" STR_FMT "/" STR_FMT "/" STR_FMT "/aws4_request\n%.64s",
        STR_ARG(claim->time), STR_ARG(claim->date), STR_ARG(claim->region), STR_ARG(claim->service),
        (const char *)hash);
    u8 key[SHA256_DIGEST_LENGTH];
    signing_key(claim, secret, key);
    hmac(str_from(key, sizeof key), wanted, key);
    to_hex(key, hex_out);
    return OK;
}

/* --- chunks -------------------------------------------------------------------------------- */

void sigv4_chunks_begin(struct sigv4_chunks *chunks, const struct sigv4_claim *claim, str secret)
{
    CHECK(claim->signature.len == SIGV4_HEX_BYTES);
    signing_key(claim, secret, chunks->key);
    memcpy(chunks->previous, claim->signature.data, SIGV4_HEX_BYTES);
    chunks->time = claim->time;
    chunks->date = claim->date;
    chunks->region = claim->region;
    chunks->service = claim->service;
}

/* `hashes`: what stands behind the previous signature in the string to sign. */
static void chunk_sign(struct sigv4_chunks *chunks, const char *kind, str hashes,
                       u8 hex_out[SIGV4_HEX_BYTES])
{
    struct buf text = {0};
    buf_printf(&text,
               ALGORITHM "-%s\n" STR_FMT "\n" STR_FMT "/" STR_FMT "/" STR_FMT
                         "/aws4_request\n%.64s\n",
               kind, STR_ARG(chunks->time), STR_ARG(chunks->date), STR_ARG(chunks->region),
               STR_ARG(chunks->service), (const char *)chunks->previous);
    buf_append(&text, hashes);
    u8 digest[SHA256_DIGEST_LENGTH];
    hmac(str_from(chunks->key, sizeof chunks->key), buf_str(&text), digest);
    buf_deinit(&text);
    to_hex(digest, hex_out);
    memcpy(chunks->previous, hex_out, SIGV4_HEX_BYTES);
}

void sigv4_chunk_sign(struct sigv4_chunks *chunks, const u8 hash[32], u8 hex_out[SIGV4_HEX_BYTES])
{
    u8 hashes[2 * SIGV4_HEX_BYTES + 1];
    sigv4_hash(STR_EMPTY, hashes);
    hashes[SIGV4_HEX_BYTES] = '\n';
    to_hex(hash, hashes + SIGV4_HEX_BYTES + 1);
    chunk_sign(chunks, "PAYLOAD", str_from(hashes, sizeof hashes), hex_out);
}

void sigv4_trailer_sign(struct sigv4_chunks *chunks, str fields, u8 hex_out[SIGV4_HEX_BYTES])
{
    u8 hash[SIGV4_HEX_BYTES];
    sigv4_hash(fields, hash);
    chunk_sign(chunks, "TRAILER", str_from(hash, sizeof hash), hex_out);
}

/* --- verifying
 * --------------------------------------------------------------------------------------- */

static bool is_listed(str names, str name)
{
    while (names.len > 0) {
        if (str_eq_nocase(str_split(&names, ';', NULL), name)) {
            return true;
        }
    }
    return false;
}

static bool has_signed_all(const struct sigv4_request *request, const struct sigv4_claim *claim)
{
    for (isize i = 0; i < request->field_count; i++) {
        str name = request->fields[i].name;
        bool must = str_eq_nocase(name, STR("host")) || str_starts_nocase(name, STR("x-amz-"));
        if (must && !is_listed(claim->signed_headers, name)) {
            return false;
        }
    }
    return is_listed(claim->signed_headers, STR("host"));
}

/* "20261124T010203Z" */
static bool time_parse(str text, i64 *us_out)
{
    static const i8 places[] = {0, 4, 6, 9, 11, 13, 15};
    i32 parts[6];
    if (text.len != TIME_BYTES || text.data[8] != 'T' || text.data[15] != 'Z') {
        return false;
    }
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        u64 value;
        isize end = places[i + 1] - (i == 2 ? 1 : 0);
        if (str_to_u64(str_slice(text, places[i], end), &value) != OK) {
            return false;
        }
        parts[i] = (i32)value;
    }
    struct cal cal = {parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], 0};
    bool is_real = cal.month >= 1 && cal.month <= 12 && cal.day >= 1 &&
                   cal.day <= cal_month_days(cal.year, cal.month) && cal.hour < 24 &&
                   cal.minute < 60 && cal.second < 60;
    if (is_real) {
        *us_out = cal_to_us(&cal);
    }
    return is_real;
}

enum sigv4_verdict sigv4_verify(struct arena *arena, const struct sigv4_request *request,
                                const struct sigv4_claim *claim, str access_key, str secret,
                                i64 now_us, i64 skew_s)
{
    i64 time_us;
    bool is_sound = time_parse(claim->time, &time_us) && str_starts(claim->time, claim->date) &&
                    is_hex_signature(claim->signature) && has_signed_all(request, claim);
    if (!is_sound) {
        return SIGV4_INCOMPLETE;
    }
    const i64 second = 1000000;
    i64 late_s = claim->is_presigned ? claim->expires_s : skew_s;
    if (now_us > time_us + late_s * second || now_us < time_us - skew_s * second) {
        return SIGV4_EXPIRED;
    }
    u8 wanted[SIGV4_HEX_BYTES];
    if (sigv4_sign(arena, request, claim, secret, wanted) != OK) {
        return SIGV4_INCOMPLETE;
    }
    bool is_same = CRYPTO_memcmp(wanted, claim->signature.data, sizeof wanted) == 0;
    if (!str_eq(claim->access_key, access_key)) {
        return SIGV4_UNKNOWN_KEY;
    }
    return is_same ? SIGV4_VALID : SIGV4_MISMATCH;
}
