/* net/tls_cert.c: certificates and keys: made, written, read, checked. */
#include "base/buf.h"
#include "net/tls_int.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <uv.h>

enum { DAY_S = 24 * 3600, SERIAL_BYTES = 16, CHAIN_MAX = 16 };

/* Where people use such endpoints; a wildcard stands for one label, and never right below the root
 * for OpenSSL, so that services have names of their own there. */
static const char *const hosts[] = {
    "localhost",
    "*.localhost",
    "kinesis.localhost",
    "s3.localhost",
    "sns.localhost",
    "sts.localhost",
    "monitoring.localhost",
    "firehose.localhost",
    "dynamodb.localhost",
    "leat.localhost",
    "*.s3.localhost",
    "localhost.localstack.cloud",
    "*.localhost.localstack.cloud",
    "*.s3.localhost.localstack.cloud",
    "host.docker.internal",
};
static const char *const regions[] = {
    "us-east-1",      "us-east-2",      "us-west-1",      "us-west-2",  "ca-central-1",
    "sa-east-1",      "eu-central-1",   "eu-west-1",      "eu-west-2",  "eu-west-3",
    "eu-north-1",     "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1",
    "ap-southeast-2", "ap-northeast-3",
};

const char *tls__error(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return reason == NULL ? "unknown error" : reason;
}

void tls__pair_deinit(struct tls_pair *pair)
{
    EVP_PKEY_free(pair->key);
    X509_free(pair->certificate);
    sk_X509_pop_free(pair->chain, X509_free);
    *pair = (struct tls_pair){0};
}

/* --- making --------------------------------------------------------------------------------- */

static void put_name(struct buf *out, const char *kind, const char *name)
{
    buf_printf(out, "%s%s:%s", out->len > 0 ? "," : "", kind, name);
}

static bool is_host_name(const char *name)
{
    return name[0] != '\0' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               strlen(name);
}

/* An address that is neither there anyway nor stands for all. */
static bool is_specific(const char *bind)
{
    static const char *const others[] = {"", "127.0.0.1", "::1", "0.0.0.0", "::"};
    for (isize i = 0; i < COUNT_OF(others); i++) {
        if (bind == NULL || strcmp(bind, others[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* As X509V3_EXT_conf_nid reads them. */
static void put_names(struct buf *out, const char *bind)
{
    char host[UV_MAXHOSTNAMESIZE];
    size_t bytes = sizeof host;
    for (isize i = 0; i < COUNT_OF(hosts); i++) {
        put_name(out, "DNS", hosts[i]);
    }
    for (isize i = 0; i < COUNT_OF(regions); i++) {
        buf_printf(out, ",DNS:*.%s.localhost,DNS:*.%s.localhost.localstack.cloud", regions[i],
                   regions[i]);
    }
    if (uv_os_gethostname(host, &bytes) == 0 && is_host_name(host)) {
        put_name(out, "DNS", host);
    }
    put_name(out, "IP", "127.0.0.1");
    put_name(out, "IP", "::1");
    if (is_specific(bind)) {
        put_name(out, "IP", bind);
    }
    buf_append_byte(out, '\0');
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(extension != NULL);
    CHECK(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void set_serial(struct os *os, X509 *certificate)
{
    u8 bytes[SERIAL_BYTES];
    os_random(os, bytes, SERIAL_BYTES);
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* Positive, and of full length. */
    BIGNUM *number = BN_bin2bn(bytes, SERIAL_BYTES, NULL);
    CHECK(number != NULL);
    CHECK(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
    BN_free(number);
}

static void add_name_part(X509_NAME *name, const char *part, const char *value)
{
    CHECK(X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (const u8 *)value, -1, -1, 0) == 1);
}

void tls__pair_make(struct os *os, const char *bind, struct tls_pair *out)
{
    i64 now_s = os_wall_us(os) / 1000000;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    CHECK(key != NULL);
    CHECK(certificate != NULL);
    CHECK(X509_set_version(certificate, X509_VERSION_3) == 1);
    set_serial(os, certificate);
    CHECK(ASN1_TIME_set(X509_getm_notBefore(certificate), now_s - DAY_S) != NULL);
    CHECK(ASN1_TIME_set(X509_getm_notAfter(certificate),
                        now_s + (i64)(TLS_VALID_DAYS - 1) * DAY_S) != NULL);
    X509_NAME *name = X509_get_subject_name(certificate);
    add_name_part(name, "O", "leat, self-signed");
    add_name_part(name, "CN", "localhost");
    CHECK(X509_set_issuer_name(certificate, name) == 1);
    CHECK(X509_set_pubkey(certificate, key) == 1);
    struct buf names = {0};
    put_names(&names, bind);
    add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate, NID_ext_key_usage, "serverAuth");
    add_extension(certificate, NID_subject_key_identifier, "hash");
    add_extension(certificate, NID_subject_alt_name, (const char *)names.data);
    buf_deinit(&names);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    *out = (struct tls_pair){.key = key, .certificate = certificate};
}

void tls__pair_write(const struct tls_pair *pair, bool has_key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL);
    if (has_key) {
        CHECK(PEM_write_bio_PrivateKey(bio, pair->key, NULL, NULL, 0, NULL, NULL) == 1);
    }
    CHECK(PEM_write_bio_X509(bio, pair->certificate) == 1);
    char *data = NULL;
    long bytes = BIO_get_mem_data(bio, &data);
    buf_append_bytes(out, data, bytes);
    BIO_free(bio);
}

/* --- reading -------------------------------------------------------------------------------- */

/* No passphrase: an encrypted key is an error, never a question on the terminal. */
static int no_passphrase(char *out, int capacity, int is_writing, void *ctx)
{
    (void)out;
    (void)capacity;
    (void)is_writing;
    *(bool *)ctx = true;
    return -1;
}

static err certificates_parse(str text, const char *name, struct tls_pair *out, struct diag *diag)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    CHECK(bio != NULL);
    out->certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (out->certificate == NULL) {
        BIO_free(bio);
        return diag_set(diag, ERR_INVALID, "TLS002", "\"%s\" holds no certificate in PEM: %s", name,
                        tls__error());
    }
    out->chain = sk_X509_new_null();
    CHECK(out->chain != NULL);
    for (int i = 0; i < CHAIN_MAX; i++) {
        X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (next == NULL) {
            break;
        }
        CHECK(sk_X509_push(out->chain, next) > 0);
    }
    BIO_free(bio);
    ERR_clear_error(); /* The end of the file is one. */
    return OK;
}

static err key_parse(str text, const char *name, struct tls_pair *out, struct diag *diag)
{
    bool is_encrypted = false;
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    CHECK(bio != NULL);
    out->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &is_encrypted);
    BIO_free(bio);
    if (is_encrypted) {
        ERR_clear_error();
        (void)diag_set(diag, ERR_INVALID, "TLS004", "the key in \"%s\" is encrypted", name);
        diag_hint(diag, "openssl pkey -in %s -out key.pem writes it without a passphrase", name);
        return ERR_INVALID;
    }
    if (out->key == NULL) {
        return diag_set(diag, ERR_INVALID, "TLS003", "\"%s\" holds no private key in PEM: %s", name,
                        tls__error());
    }
    return OK;
}

err tls__pair_parse(str certificate, const char *certificate_name, str key, const char *key_name,
                    struct tls_pair *out, struct diag *diag)
{
    struct tls_pair pair = {0};
    err e = certificates_parse(certificate, certificate_name, &pair, diag);
    if (e == OK) {
        e = key_parse(key, key_name, &pair, diag);
    }
    if (e == OK && X509_check_private_key(pair.certificate, pair.key) != 1) {
        ERR_clear_error();
        e = diag_set(diag, ERR_INVALID, "TLS005",
                     "the key in \"%s\" does not belong to the certificate in \"%s\"", key_name,
                     certificate_name);
    }
    if (e != OK) {
        tls__pair_deinit(&pair);
        return e;
    }
    *out = pair;
    return OK;
}

bool tls__certificate_has(X509 *certificate, const char *address)
{
    return !is_specific(address) || X509_check_ip_asc(certificate, address, 0) == 1;
}

static i64 time_s(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    CHECK(epoch != NULL);
    int days = 0;
    int seconds = 0;
    bool is_valid = ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    return is_valid ? (i64)days * DAY_S + seconds : 0;
}

i64 tls__certificate_end_s(X509 *certificate)
{
    return time_s(X509_get0_notAfter(certificate));
}

/* --- what it says --------------------------------------------------------------------------- */

static str name_text(struct arena *arena, const GENERAL_NAME *name)
{
    if (name->type == GEN_DNS) {
        return arena_copy(arena, str_from(ASN1_STRING_get0_data(name->d.dNSName),
                                          ASN1_STRING_length(name->d.dNSName)));
    }
    if (name->type != GEN_IPADD) {
        return STR_EMPTY;
    }
    char text[48] = "";
    const u8 *bytes = ASN1_STRING_get0_data(name->d.iPAddress);
    int length = ASN1_STRING_length(name->d.iPAddress);
    int result = length == 4    ? uv_inet_ntop(AF_INET, bytes, text, sizeof text)
                 : length == 16 ? uv_inet_ntop(AF_INET6, bytes, text, sizeof text)
                                : UV_EINVAL;
    return result == 0 ? arena_copy(arena, str_of(text)) : STR_EMPTY;
}

static void names_read(X509 *certificate, struct arena *arena, struct tls_certificate *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
    out->names = ARENA_ARRAY(arena, str, MAX(count, 1));
    for (int i = 0; i < count; i++) {
        str text = name_text(arena, sk_GENERAL_NAME_value(names, i));
        if (text.len > 0) {
            out->names[out->name_count++] = text;
        }
    }
    GENERAL_NAMES_free(names);
}

err tls_certificate_read(struct os *os, const char *path, struct arena *arena,
                         struct tls_certificate *out, struct diag *diag)
{
    enum { FILE_BYTES_MAX = 1 << 20 };
    str text;
    struct tls_pair pair = {0};
    err e = os_read_file(os, path, FILE_BYTES_MAX, arena, &text);
    if (e != OK) {
        return diag_set(diag, e, "TLS001", "cannot read \"%s\": %s", path,
                        e == ERR_LIMIT ? "it is too large" : os_errno_text());
    }
    TRY(certificates_parse(text, path, &pair, diag));
    *out = (struct tls_certificate){
        .begins_s = time_s(X509_get0_notBefore(pair.certificate)),
        .ends_s = tls__certificate_end_s(pair.certificate),
        .is_self_signed = X509_self_signed(pair.certificate, 0) == 1,
    };
    names_read(pair.certificate, arena, out);
    u8 digest[EVP_MAX_MD_SIZE];
    unsigned int bytes = 0;
    CHECK(X509_digest(pair.certificate, EVP_sha256(), digest, &bytes) == 1);
    for (unsigned int i = 0; i < bytes; i++) {
        (void)snprintf(out->sha256 + (isize)3 * i, 4, "%02X%s", digest[i],
                       i + 1 < bytes ? ":" : "");
    }
    tls__pair_deinit(&pair);
    return OK;
}
