/*
 * aws/common/verify.h: checks signatures when the server has keys
 * (LEAT_ACCESS_KEY_ID and LEAT_SECRET_ACCESS_KEY; docs/limits.md). One pair of keys.
 */
#ifndef AWS_COMMON_VERIFY_H
#define AWS_COMMON_VERIFY_H

#include "aws/common/service.h"

enum { AWS_KEY_BYTES_MAX = 128 };

struct aws_keys {
    str access_key, secret; /* Borrowed; both empty: signatures are read, not checked. */
};

typedef void (*aws_verified_fn)(struct aws_request *request, void *ctx);

/* LOOP. Calls `fn` when the signature of the signed request is right, else answers with the
 * service's error. Collects the body (at most 16 MiB, else 413); that of S3 streams: S3 checks its
 * hash, or its chunks with request->chunks. */
void aws_verify(struct os *os, const struct aws_keys *keys, struct aws_request *request,
                aws_verified_fn fn, void *ctx);

#endif
