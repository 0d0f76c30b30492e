/* net/tls_int.h: shared by the files of TLS. */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include "net/tls.h"

#include <openssl/ssl.h>

/* A key, its certificate and what leads to its root. */
struct tls_pair {
    EVP_PKEY *key;
    X509 *certificate;
    STACK_OF(X509) * chain;
};

void tls__pair_deinit(struct tls_pair *pair);
/* Both texts may be the same; the names are for messages. */
MUST_USE err tls__pair_parse(str certificate, const char *certificate_name, str key,
                             const char *key_name, struct tls_pair *out, struct diag *diag);
/* A new self-signed pair, valid from a day before `now_s`. */
void tls__pair_make(struct os *os, const char *bind, struct tls_pair *out);
/* PEM. */
void tls__pair_write(const struct tls_pair *pair, bool has_key, struct buf *out);
bool tls__certificate_has(X509 *certificate, const char *address);
i64 tls__certificate_end_s(X509 *certificate);
/* The last error of OpenSSL in this thread; clears its queue. */
const char *tls__error(void);

/* A reference to the context, made at the first call, and made anew when the certificate has ended
 * and there is another. NULL: it cannot be used (the log says why). Any thread. */
SSL_CTX *tls__context(struct tls_identity *identity);

#endif
