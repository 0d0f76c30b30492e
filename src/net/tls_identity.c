/* net/tls_identity.c: which certificate is used, from where, until when. */
#include "base/buf.h"
#include "base/trace.h"
#include "net/tls_int.h"
#include "os/thread.h"

#include <openssl/err.h>
#include <stdio.h>

enum { PATH_BYTES = 1100, FILE_BYTES_MAX = 1 << 20, RETRY_S = 60, DAY_S = 24 * 3600 };

struct tls_identity {
    struct os *os;
    char cert_path[PATH_BYTES], key_path[PATH_BYTES]; /* Self-signed: key_path is server.pem. */
    char dir[PATH_BYTES], bind[64];
    bool is_own; /* Self-signed, ours to renew. */
    struct os_mutex lock;
    struct tls_pair pair; /* Until the context is made. */
    SSL_CTX *context;     /* NULL until the first connection. */
    i64 ends_s;
    i64 next_try_s; /* To get another after the end. */
};

static i64 now_s(struct os *os)
{
    return os_wall_us(os) / 1000000;
}

/* --- files ---------------------------------------------------------------------------------- */

static err file_read(struct os *os, const char *what, const char *path, struct arena *arena,
                     str *out, struct diag *diag)
{
    err e = os_read_file(os, path, FILE_BYTES_MAX, arena, out);
    if (e == OK) {
        return OK;
    }
    err shown = e == ERR_NOT_FOUND ? ERR_INVALID : e; /* It is the option that is wrong. */
    return diag_set(diag, shown, "TLS001", "cannot read the %s \"%s\": %s", what, path,
                    e == ERR_LIMIT ? "it is larger than 1 MiB" : os_errno_text());
}

static err pair_read(struct tls_identity *t, struct tls_pair *out, struct diag *diag)
{
    struct arena arena = {0};
    str key = STR_EMPTY;
    str certificate = STR_EMPTY;
    err e = file_read(t->os, "key", t->key_path, &arena, &key, diag);
    if (e == OK && t->is_own) {
        certificate = key;
    } else if (e == OK) {
        e = file_read(t->os, "certificate", t->cert_path, &arena, &certificate, diag);
    }
    if (e == OK) {
        e = tls__pair_parse(certificate, t->is_own ? t->key_path : t->cert_path, key, t->key_path,
                            out, diag);
    }
    if (key.len > 0) {
        OPENSSL_cleanse((u8 *)(uintptr_t)key.data, (size_t)key.len);
    }
    arena_deinit(&arena);
    return e;
}

/* The public part, for clients; written anew when it is not what it should be. */
static err public_write(struct tls_identity *t, const struct tls_pair *pair)
{
    struct arena arena = {0};
    struct buf text = {0};
    str there = STR_EMPTY;
    tls__pair_write(pair, false, &text);
    err e = os_read_file(t->os, t->cert_path, FILE_BYTES_MAX, &arena, &there);
    bool is_there = e == OK && str_eq(there, buf_str(&text));
    e = is_there ? OK : os_replace_file(t->os, t->cert_path, buf_str(&text));
    buf_deinit(&text);
    arena_deinit(&arena);
    return e;
}

static err pair_make(struct tls_identity *t, struct tls_pair *out, struct diag *diag)
{
    struct buf text = {0};
    tls__pair_make(t->os, t->bind, out);
    tls__pair_write(out, true, &text);
    err e = os_mkdir_all(t->os, t->dir);
    if (e == OK) {
        e = os_replace_file(t->os, t->key_path, buf_str(&text));
    }
    OPENSSL_cleanse(text.data, (size_t)text.len);
    buf_deinit(&text);
    if (e != OK) {
        tls__pair_deinit(out);
        return diag_set(diag, e, "TLS006", "cannot write \"%s\": %s", t->key_path, os_errno_text());
    }
    trace(TRACE_INFO, "tls", "certificate made", T_STR("path", str_of(t->cert_path)));
    return OK;
}

/* Ours: what is there and good for a while, else a new one. */
static err own_pair(struct tls_identity *t, struct tls_pair *out, struct diag *diag)
{
    struct os_stat stat;
    struct diag why;
    diag_init(&why);
    err e = os_stat_path(t->os, t->key_path, &stat);
    bool is_first = e == ERR_NOT_FOUND;
    if (!is_first && pair_read(t, out, &why) == OK) {
        i64 left_s = tls__certificate_end_s(out->certificate) - now_s(t->os);
        if (left_s > (i64)TLS_RENEW_DAYS * DAY_S && left_s <= (i64)TLS_VALID_DAYS * DAY_S &&
            tls__certificate_has(out->certificate, t->bind)) {
            return public_write(t, out);
        }
        tls__pair_deinit(out);
    }
    if (!is_first) {
        trace(TRACE_WARN, "tls", "the certificate is made anew: clients must trust it again",
              T_STR("path", str_of(t->cert_path)),
              T_STR("why", diag_is_set(&why) ? str_of(why.message) : STR("its time or its names")));
    }
    TRY(pair_make(t, out, diag));
    e = public_write(t, out);
    if (e != OK) {
        tls__pair_deinit(out);
        return diag_set(diag, e, "TLS006", "cannot write \"%s\": %s", t->cert_path,
                        os_errno_text());
    }
    return OK;
}

static err pair_get(struct tls_identity *t, struct tls_pair *out, struct diag *diag)
{
    return t->is_own ? own_pair(t, out, diag) : pair_read(t, out, diag);
}

/* --- the context ---------------------------------------------------------------------------- */

/* HTTP/2 where the client knows it. One that names neither protocol gets none. */
static int on_alpn(SSL *ssl, const u8 **out, u8 *out_bytes, const u8 *in, unsigned int in_bytes,
                   void *ctx)
{
    static const u8 ours[] = "\x02h2\x08http/1.1";
    u8 *chosen = NULL;
    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto(&chosen, out_bytes, ours, sizeof ours - 1, in, in_bytes) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_make(const struct tls_pair *pair)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    CHECK(context != NULL);
    CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 1);
    CHECK(SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    if (SSL_CTX_use_cert_and_key(context, pair->certificate, pair->key, pair->chain, 1) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* Under the lock. The one in use stays when there is no better one. */
static void context_renew(struct tls_identity *t)
{
    struct diag diag;
    struct tls_pair pair = {0};
    diag_init(&diag);
    i64 now = now_s(t->os);
    t->next_try_s = now + RETRY_S;
    if (pair_get(t, &pair, &diag) != OK) {
        trace(TRACE_WARN, "tls", "no new certificate", T_STR("why", str_of(diag.message)));
        return;
    }
    SSL_CTX *context = context_make(&pair);
    if (context != NULL) {
        SSL_CTX_free(t->context);
        t->context = context;
        t->ends_s = tls__certificate_end_s(pair.certificate);
    }
    ERR_clear_error();
    tls__pair_deinit(&pair);
}

SSL_CTX *tls__context(struct tls_identity *identity)
{
    os_mutex_lock(&identity->lock);
    if (identity->context == NULL) {
        identity->context = context_make(&identity->pair);
        tls__pair_deinit(&identity->pair);
    }
    i64 now = now_s(identity->os);
    if (now > identity->ends_s && now >= identity->next_try_s) {
        context_renew(identity);
    }
    SSL_CTX *context = identity->context;
    if (context != NULL) {
        (void)SSL_CTX_up_ref(context);
    }
    os_mutex_unlock(&identity->lock);
    return context;
}

/* --- life ----------------------------------------------------------------------------------- */

/* One's own certificate is tried at once, so that the start says what is wrong with it. */
static err given_check(struct tls_identity *t, struct diag *diag)
{
    t->context = context_make(&t->pair);
    if (t->context == NULL) {
        return diag_set(diag, ERR_INVALID, "TLS007", "the certificate \"%s\" cannot be used: %s",
                        t->cert_path, tls__error());
    }
    tls__pair_deinit(&t->pair);
    if (now_s(t->os) > t->ends_s) {
        trace(TRACE_WARN, "tls", "the certificate has expired: clients will refuse it",
              T_STR("path", str_of(t->cert_path)));
    }
    return OK;
}

err tls_identity_open(struct os *os, const struct tls_options *options, struct tls_identity **out,
                      struct diag *diag)
{
    if ((options->cert_path == NULL) != (options->key_path == NULL)) {
        return diag_set(diag, ERR_INVALID, "TLS008",
                        "a certificate and its key go together: the %s is not given",
                        options->cert_path == NULL ? "certificate" : "key");
    }
    struct tls_identity *t = NEW(struct tls_identity);
    t->os = os;
    t->is_own = options->cert_path == NULL;
    os_mutex_init(&t->lock);
    if (t->is_own) {
        str_copy_cstr(str_of(options->dir), t->dir, PATH_BYTES);
        str_copy_cstr(str_of(options->bind), t->bind, (isize)sizeof t->bind);
        (void)snprintf(t->cert_path, PATH_BYTES, "%.1060s/cert.pem", options->dir);
        (void)snprintf(t->key_path, PATH_BYTES, "%.1060s/server.pem", options->dir);
    } else {
        str_copy_cstr(str_of(options->cert_path), t->cert_path, PATH_BYTES);
        str_copy_cstr(str_of(options->key_path), t->key_path, PATH_BYTES);
    }
    err e = pair_get(t, &t->pair, diag);
    if (e == OK) {
        t->ends_s = tls__certificate_end_s(t->pair.certificate);
        e = t->is_own ? OK : given_check(t, diag);
    }
    if (e != OK) {
        tls_identity_free(t);
        return e;
    }
    *out = t;
    return OK;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (identity == NULL) {
        return;
    }
    tls__pair_deinit(&identity->pair);
    SSL_CTX_free(identity->context);
    os_mutex_deinit(&identity->lock);
    mem_free(identity);
}

const char *tls_identity_path(const struct tls_identity *identity)
{
    return identity->cert_path;
}
