/* aws/sns/sns_sign.c: by OpenSSL, whose own randomness makes the key. */
#include "aws/sns/sns_sign.h"

#include "base/cal.h"
#include "codec/base64.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>

enum { KEY_BITS = 2048, PATH_BYTES = 1100, FILE_BYTES_MAX = 64 << 10, YEARS_VALID = 30 };
enum { NAME_HASH_BYTES = 16 };

struct sns_signer {
    EVP_PKEY *key;
    X509 *certificate;
    struct buf pem; /* Of the certificate. */
    char name[80];
};

/* --- PEM ----------------------------------------------------------------------------------- */

static void bio_take(BIO *bio, struct buf *out)
{
    char *data;
    long bytes = BIO_get_mem_data(bio, &data);
    buf_append_bytes(out, data, bytes);
    BIO_free(bio);
}

static void certificate_write(X509 *certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL);
    CHECK(PEM_write_bio_X509(bio, certificate) == 1);
    bio_take(bio, out);
}

static void key_write(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL);
    CHECK(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    bio_take(bio, out);
}

static err parse(struct sns_signer *signer, str text)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    CHECK(bio != NULL);
    signer->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    signer->certificate = signer->key == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bool is_ok = signer->certificate != NULL &&
                 X509_check_private_key(signer->certificate, signer->key) == 1;
    return is_ok ? OK : ERR_CORRUPT;
}

/* --- making -------------------------------------------------------------------------------- */

static void certificate_make(struct sns_signer *signer, i64 now_s)
{
    X509 *x = X509_new();
    CHECK(x != NULL);
    CHECK(X509_set_version(x, X509_VERSION_3) == 1);
    CHECK(ASN1_INTEGER_set_int64(X509_get_serialNumber(x), now_s) == 1);
    CHECK(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)now_s) != NULL);
    CHECK(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now_s + YEARS_VALID * 365 * 86400LL)) !=
          NULL);
    CHECK(X509_set_pubkey(x, signer->key) == 1);
    X509_NAME *name = X509_get_subject_name(x);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                     (const unsigned char *)"sns.leat.localhost", -1, -1, 0) == 1);
    CHECK(X509_set_issuer_name(x, name) == 1);
    CHECK(X509_sign(x, signer->key, EVP_sha256()) > 0);
    signer->certificate = x;
}

static err make(struct sns_signer *signer, struct os *os, const char *path)
{
    struct buf text = {0};
    signer->key = EVP_RSA_gen(KEY_BITS);
    CHECK(signer->key != NULL);
    certificate_make(signer, os_wall_us(os) / 1000000);
    key_write(signer->key, &text);
    certificate_write(signer->certificate, &text);
    err e = os_replace_file(os, path, buf_str(&text));
    buf_deinit(&text);
    return e;
}

static void name_make(struct sns_signer *signer)
{
    u8 hash[EVP_MAX_MD_SIZE];
    unsigned bytes;
    CHECK(X509_digest(signer->certificate, EVP_sha256(), hash, &bytes) == 1);
    char hex[2 * NAME_HASH_BYTES + 1];
    for (int i = 0; i < NAME_HASH_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    (void)snprintf(signer->name, sizeof signer->name, "SimpleNotificationService-%s.pem", hex);
}

err sns_signer_open(struct os *os, const char *dir, struct sns_signer **out, struct diag *diag)
{
    char path[PATH_BYTES];
    struct arena arena = {0};
    struct sns_signer *signer = NEW(struct sns_signer);
    str text;
    (void)snprintf(path, sizeof path, "%s/signing.pem", dir);
    err e = os_read_file(os, path, FILE_BYTES_MAX, &arena, &text);
    if (e == OK) {
        e = parse(signer, text);
    } else if (e == ERR_NOT_FOUND) {
        e = make(signer, os, path);
    }
    arena_deinit(&arena);
    if (e != OK) {
        sns_signer_close(signer);
        return diag_set(diag, e, "SNS003", "cannot use the signing key in \"%s\": %s", path,
                        err_text(e));
    }
    certificate_write(signer->certificate, &signer->pem);
    name_make(signer);
    *out = signer;
    return OK;
}

void sns_signer_close(struct sns_signer *signer)
{
    if (signer != NULL) {
        EVP_PKEY_free(signer->key);
        X509_free(signer->certificate);
        buf_deinit(&signer->pem);
        mem_free(signer);
    }
}

str sns_signer_certificate(const struct sns_signer *signer)
{
    return buf_str(&signer->pem);
}

str sns_signer_name(const struct sns_signer *signer)
{
    return str_of(signer->name);
}

/* --- signing ------------------------------------------------------------------------------- */

static void put(struct buf *out, const char *name, str value)
{
    if (value.len > 0) {
        buf_printf(out, "%s\n", name);
        buf_append(out, value);
        buf_append_byte(out, '\n');
    }
}

/* Names and values in order of the names; which they are depends on the type. */
static void canonical(const struct sns_notice *notice, struct buf *out)
{
    char when[32];
    isize bytes = cal_format_iso_ms(notice->at_us, when);
    bool is_confirmation = notice->token.len > 0;
    put(out, "Message", notice->message);
    put(out, "MessageId", notice->message_id);
    put(out, "Subject", is_confirmation ? STR_EMPTY : notice->subject);
    put(out, "SubscribeURL", notice->subscribe_url);
    put(out, "Timestamp", str_from(when, bytes));
    put(out, "Token", notice->token);
    put(out, "TopicArn", notice->topic_arn);
    put(out, "Type", notice->type);
}

str sns_signer_sign(const struct sns_signer *signer, const struct sns_notice *notice,
                    struct arena *arena)
{
    struct buf text = {0}, base64 = {0};
    u8 signature[KEY_BITS / 8];
    size_t bytes = sizeof signature;
    canonical(notice, &text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context != NULL);
    CHECK(EVP_DigestSignInit(context, NULL, EVP_sha1(), NULL, signer->key) == 1);
    CHECK(EVP_DigestSign(context, signature, &bytes, text.data, (size_t)text.len) == 1);
    EVP_MD_CTX_free(context);
    base64_append(&base64, str_from(signature, (isize)bytes));
    str out = arena_copy(arena, buf_str(&base64));
    buf_deinit(&text);
    buf_deinit(&base64);
    return out;
}
