/*
 * net/tls.h: the certificate and key of the TLS port: one's own files, or a
 * self-signed pair that is made in the data directory and made anew in time.
 * The HTTP server (net/http.h) borrows a struct tls_identity; its connections may
 * use it on many threads. OpenSSL's context is made at the first connection.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/arena.h"
#include "base/diag.h"
#include "os/os.h"

struct tls_identity;

struct tls_options {
    /* Directory of the self-signed pair: server.pem (key and certificate) and cert.pem (what
     * clients are to trust). Made when absent, of no use, or valid for less than TLS_RENEW_DAYS. */
    const char *dir;
    const char *bind; /* Stands in a self-signed certificate too; may be NULL. */
    /* PEM files instead; both or neither. The certificate's chain follows it in its file. */
    const char *cert_path, *key_path;
};

enum { TLS_VALID_DAYS = 825, TLS_RENEW_DAYS = 30 };

/* Copies the options. ERR_NOT_FOUND, ERR_DENIED, ERR_IO, ERR_INVALID (no PEM, wrong key, encrypted
 * key, too weak): diag names the file. A certificate of one's own that has expired is a warning in
 * the log. */
MUST_USE err tls_identity_open(struct os *os, const struct tls_options *options,
                               struct tls_identity **out, struct diag *diag);
void tls_identity_free(struct tls_identity *identity);
/* File that clients are to trust. */
const char *tls_identity_path(const struct tls_identity *identity);

/* What a certificate says. */
struct tls_certificate {
    i64 begins_s, ends_s; /* Since 1970. */
    str *names;           /* DNS names and IP addresses; in the arena. */
    isize name_count;
    char sha256[96]; /* "AB:CD:..." */
    bool is_self_signed;
};
MUST_USE err tls_certificate_read(struct os *os, const char *path, struct arena *arena,
                                  struct tls_certificate *out, struct diag *diag);

#endif
