/*
 * aws/kinesis/kinesis_token.c: shard iterators and NextTokens. The server keeps
 * nothing about them: a token is its fields, then half an HMAC-SHA256 of them under
 * the key of the data directory, in base64. All fields are little-endian:
 *
 *   version 1 | kind 1 | serial 4 | stream 4 | shard 4 | no 8 | issued_ms 8 |
 *   filter 1 | filter_ms 8 | filter_shard 4 | name | mac 16
 */
#include "aws/kinesis/kinesis_int.h"
#include "codec/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { TOKEN_VERSION = 1, FIXED_BYTES = 43, MAC_BYTES = 16 };
enum { PLAIN_BYTES_MAX = FIXED_BYTES + STREAM_NAME_MAX + MAC_BYTES };

static void sign(const struct kinesis *service, const u8 *data, isize bytes, u8 *mac_out)
{
    u8 digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    CHECK(HMAC(EVP_sha256(), service->secret, STREAM_SECRET_BYTES, data, (size_t)bytes, digest,
               &length) != NULL);
    CHECK(length >= MAC_BYTES);
    memcpy(mac_out, digest, MAC_BYTES);
}

str kinesis__token(struct kinesis *service, struct arena *arena, const struct token *token)
{
    u8 plain[PLAIN_BYTES_MAX];
    CHECK(token->name.len <= STREAM_NAME_MAX);
    u32 serial = __atomic_fetch_add(&service->token_count, 1, __ATOMIC_RELAXED);
    plain[0] = TOKEN_VERSION;
    plain[1] = (u8)token->kind;
    put_u32(plain + 2, serial);
    put_u32(plain + 6, token->stream);
    put_u32(plain + 10, token->shard);
    put_u64(plain + 14, token->no);
    put_u64(plain + 22, (u64)token->issued_ms);
    plain[30] = token->filter;
    put_u64(plain + 31, (u64)token->filter_ms);
    put_u32(plain + 39, token->filter_shard);
    if (token->name.len > 0) {
        memcpy(plain + FIXED_BYTES, token->name.data, (size_t)token->name.len);
    }
    isize bytes = FIXED_BYTES + token->name.len;
    sign(service, plain, bytes, plain + bytes);
    isize characters = base64_encoded_bytes(bytes + MAC_BYTES);
    u8 *text = arena_alloc(arena, characters);
    base64_encode(str_from(plain, bytes + MAC_BYTES), text);
    return str_from(text, characters);
}

err kinesis__open_token(struct kinesis *service, struct arena *arena, str text,
                        enum token_kind kind, struct token *out)
{
    u8 plain[KINESIS_TOKEN_BYTES_MAX];
    u8 mac[MAC_BYTES];
    isize bytes = 0;
    if (text.len > KINESIS_TOKEN_BYTES_MAX || base64_decode(text, plain, &bytes) != OK) {
        return ERR_INVALID;
    }
    bytes -= MAC_BYTES;
    if (bytes < FIXED_BYTES || bytes > PLAIN_BYTES_MAX) {
        return ERR_INVALID;
    }
    sign(service, plain, bytes, mac);
    if (CRYPTO_memcmp(mac, plain + bytes, MAC_BYTES) != 0 || plain[0] != TOKEN_VERSION ||
        plain[1] != (u8)kind) {
        return ERR_INVALID;
    }
    *out = (struct token){
        .kind = kind,
        .stream = get_u32(plain + 6),
        .shard = get_u32(plain + 10),
        .no = get_u64(plain + 14),
        .issued_ms = (i64)get_u64(plain + 22),
        .filter = plain[30],
        .filter_ms = (i64)get_u64(plain + 31),
        .filter_shard = get_u32(plain + 39),
        .name = arena_copy(arena, str_from(plain + FIXED_BYTES, bytes - FIXED_BYTES)),
    };
    return OK;
}
