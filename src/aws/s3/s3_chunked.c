/* aws/s3/s3_chunked.c: the aws-chunked decoder. */
#include "aws/s3/s3_chunked.h"

#include "base/buf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

void s3_chunked_init(struct s3_chunked *chunked, bool is_signed, bool has_trailer,
                     struct sigv4_chunks *checking)
{
    memset(chunked, 0, sizeof *chunked);
    chunked->is_signed = is_signed;
    chunked->has_trailer = has_trailer;
    chunked->checking = is_signed ? checking : NULL;
    if (chunked->checking != NULL) {
        chunked->hash = EVP_MD_CTX_new();
        CHECK(chunked->hash != NULL);
    }
}

void s3_chunked_deinit(struct s3_chunked *chunked)
{
    EVP_MD_CTX_free(chunked->hash);
    chunked->hash = NULL;
}

bool s3_chunked_is_done(const struct s3_chunked *chunked)
{
    return chunked->state == S3_CHUNK_DONE;
}

str s3_chunked_trailer(const struct s3_chunked *chunked, str name)
{
    for (isize i = 0; i < chunked->trailer_count; i++) {
        if (str_eq_nocase(chunked->trailers[i].name, name)) {
            return chunked->trailers[i].value;
        }
    }
    return STR_EMPTY;
}

/* --- signatures
 * ------------------------------------------------------------------------------------ */

static err signature_take(u8 *out, str text)
{
    if (text.len != SIGV4_HEX_BYTES) {
        return ERR_SYNTAX;
    }
    memcpy(out, text.data, SIGV4_HEX_BYTES);
    return OK;
}

static err chunk_check(struct s3_chunked *chunked)
{
    if (chunked->checking == NULL) {
        return OK;
    }
    u8 digest[32];
    CHECK(EVP_DigestFinal_ex(chunked->hash, digest, NULL) == 1);
    u8 wanted[SIGV4_HEX_BYTES];
    sigv4_chunk_sign(chunked->checking, digest, wanted);
    bool is_same = CRYPTO_memcmp(wanted, chunked->signature, sizeof wanted) == 0;
    return is_same ? OK : ERR_DENIED;
}

/* The trailing fields, "name:value\n" each, are signed together. */
static err trailer_check(struct s3_chunked *chunked, str signature)
{
    if (chunked->checking == NULL) {
        return OK;
    }
    struct buf text = {0};
    for (isize i = 0; i < chunked->trailer_count; i++) {
        const struct s3_trailer *trailer = &chunked->trailers[i];
        buf_append(&text, trailer->name);
        buf_append_byte(&text, ':');
        buf_append(&text, trailer->value);
        buf_append_byte(&text, '\n');
    }
    u8 wanted[SIGV4_HEX_BYTES];
    sigv4_trailer_sign(chunked->checking, buf_str(&text), wanted);
    buf_deinit(&text);
    bool is_same = signature.len == SIGV4_HEX_BYTES &&
                   CRYPTO_memcmp(wanted, signature.data, sizeof wanted) == 0;
    return is_same ? OK : ERR_DENIED;
}

/* --- lines
 * ----------------------------------------------------------------------------------------- */

/* Collects up to and with "\n" behind line_start; ERR_AGAIN when it is not there yet. */
static err line_collect(struct s3_chunked *chunked, str *in, isize limit, str *line_out)
{
    isize end = str_find_byte(*in, '\n', 0);
    isize bytes = end < 0 ? in->len : end + 1;
    if (bytes > limit - chunked->line_bytes) {
        return ERR_LIMIT;
    }
    if (bytes > 0) {
        memcpy(chunked->line + chunked->line_bytes, in->data, (size_t)bytes);
    }
    chunked->line_bytes += bytes;
    *in = str_slice(*in, bytes, in->len);
    if (end < 0) {
        return ERR_AGAIN;
    }
    isize len = chunked->line_bytes - chunked->line_start - 1;
    const u8 *line = chunked->line + chunked->line_start;
    if (len < 1 || line[len - 1] != '\r') {
        return ERR_SYNTAX;
    }
    *line_out = str_from(line, len - 1);
    return OK;
}

static err hex_take(str text, u64 *out)
{
    u64 value = 0;
    if (text.len == 0 || text.len > 15) {
        return ERR_SYNTAX;
    }
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i], lower = c | 0x20;
        bool is_digit = (u8)(c - '0') <= 9;
        if (!is_digit && (lower < 'a' || lower > 'f')) {
            return ERR_SYNTAX;
        }
        value = value * 16 + (u64)(is_digit ? c - '0' : lower - 'a' + 10);
    }
    *out = value;
    return OK;
}

static err head_take(struct s3_chunked *chunked, str *in)
{
    str line;
    TRY(line_collect(chunked, in, S3_CHUNK_LINE_BYTES_MAX, &line));
    TRY(hex_take(str_split(&line, ';', NULL), &chunked->left));
    str signature = STR_EMPTY;
    while (line.len > 0) {
        str value = str_split(&line, ';', NULL);
        if (str_eq(str_split(&value, '=', NULL), STR("chunk-signature"))) {
            signature = value;
        }
    }
    if (chunked->is_signed) {
        TRY(signature_take(chunked->signature, signature));
    }
    if (chunked->checking != NULL) {
        CHECK(EVP_DigestInit_ex(chunked->hash, EVP_sha256(), NULL) == 1);
    }
    chunked->line_bytes = chunked->line_start = 0;
    chunked->is_last = chunked->left == 0;
    if (!chunked->is_last) {
        chunked->state = S3_CHUNK_DATA;
        return OK;
    }
    chunked->state = S3_CHUNK_TRAILER;
    return chunk_check(chunked);
}

static err data_end_take(struct s3_chunked *chunked, str *in)
{
    str line;
    TRY(line_collect(chunked, in, 2, &line));
    chunked->line_bytes = 0;
    chunked->state = S3_CHUNK_HEAD;
    return line.len == 0 ? chunk_check(chunked) : ERR_SYNTAX;
}

/* One trailing field, or the empty line that ends them. */
static err trailer_take(struct s3_chunked *chunked, str *in)
{
    static const char signature_name[] = "x-amz-trailer-signature";
    str line;
    TRY(line_collect(chunked, in, S3_TRAILER_BYTES_MAX, &line));
    chunked->line_start = chunked->line_bytes;
    if (line.len == 0) {
        chunked->state = S3_CHUNK_DONE;
        str signature = s3_chunked_trailer(chunked, str_of(signature_name));
        if (chunked->checking == NULL || !chunked->has_trailer) {
            return OK;
        }
        chunked->trailer_count -= signature.len > 0; /* It stands last and is not signed. */
        return trailer_check(chunked, signature);
    }
    bool has_colon;
    str value = line;
    str name = str_split(&value, ':', &has_colon);
    if (!chunked->has_trailer || !has_colon || name.len == 0) {
        return ERR_SYNTAX;
    }
    bool is_late =
        chunked->trailer_count > 0 &&
        str_eq(chunked->trailers[chunked->trailer_count - 1].name, str_of(signature_name));
    if (chunked->trailer_count == S3_TRAILERS_MAX || is_late) {
        return chunked->trailer_count == S3_TRAILERS_MAX ? ERR_LIMIT : ERR_SYNTAX;
    }
    chunked->trailers[chunked->trailer_count++] =
        (struct s3_trailer){str_trim(name), str_trim(value)};
    return OK;
}

static str data_take(struct s3_chunked *chunked, str *in)
{
    str data = str_slice(*in, 0, (isize)MIN(chunked->left, (u64)in->len));
    *in = str_slice(*in, data.len, in->len);
    chunked->left -= (u64)data.len;
    if (chunked->left == 0) {
        chunked->state = S3_CHUNK_DATA_END;
    }
    if (chunked->checking != NULL) {
        CHECK(EVP_DigestUpdate(chunked->hash, data.data, (size_t)data.len) == 1);
    }
    return data;
}

err s3_chunked_next(struct s3_chunked *chunked, str *in, str *data_out)
{
    *data_out = STR_EMPTY;
    while (in->len > 0) {
        err e = OK;
        switch (chunked->state) {
        case S3_CHUNK_HEAD:
            e = head_take(chunked, in);
            break;
        case S3_CHUNK_DATA:
            *data_out = data_take(chunked, in);
            return OK;
        case S3_CHUNK_DATA_END:
            e = data_end_take(chunked, in);
            break;
        case S3_CHUNK_TRAILER:
            e = trailer_take(chunked, in);
            break;
        case S3_CHUNK_DONE:
            return ERR_SYNTAX; /* Something stands behind the end. */
        }
        if (e != OK && e != ERR_AGAIN) {
            return e;
        }
    }
    return OK;
}
