/*
 * aws/common/caller.h: who signed a request, from the Authorization header or the
 * query of a presigned URL. The signature itself is checked by
 * aws/common/verify.h, when the server has keys.
 */
#ifndef AWS_COMMON_CALLER_H
#define AWS_COMMON_CALLER_H

#include "aws/common/service.h"

/* Fills *out from the exchange; strings live in its arena. What is missing or malformed leaves
 * is_signed false. */
void aws_caller_read(struct http_exchange *x, struct aws_caller *out);

#endif
