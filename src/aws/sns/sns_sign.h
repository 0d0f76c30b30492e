/*
 * aws/sns/sns_sign.h: signatures of JSON documents, as AWS makes them (SignatureVersion
 * 1: RSA with SHA-1 over named members), with a key and a self-signed certificate of
 * this data directory, made at the first use. Any thread once opened.
 */
#ifndef AWS_SNS_SIGN_H
#define AWS_SNS_SIGN_H

#include "aws/sns/sns_mail.h"
#include "base/diag.h"
#include "os/os.h"

struct sns_signer;

/* Reads DIR/signing.pem, or makes it (some tenths of a second). ERR_CORRUPT when it is damaged. */
MUST_USE err sns_signer_open(struct os *os, const char *dir, struct sns_signer **out,
                             struct diag *diag);
void sns_signer_close(struct sns_signer *signer); /* NULL is allowed. */

/* Base64, in the arena. */
str sns_signer_sign(const struct sns_signer *signer, const struct sns_notice *notice,
                    struct arena *arena);
/* The certificate as PEM, and its file's name "SimpleNotificationService-HASH.pem". */
str sns_signer_certificate(const struct sns_signer *signer);
str sns_signer_name(const struct sns_signer *signer);

#endif
