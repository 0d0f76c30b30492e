/*
 * aws/common/refusal.h: errors that come before any service, in the form that the
 * client reads: JSON, or CBOR when the request is in CBOR.
 */
#ifndef AWS_COMMON_REFUSAL_H
#define AWS_COMMON_REFUSAL_H

#include "net/http.h"

/* The media type of the request's body, without parameters. */
str aws_content_type(const struct http_exchange *x);
/* Answers. `message`: plain text. `request_id` may be empty. */
void aws_refuse(struct http_exchange *x, int status, const char *code, str message, str request_id);

#endif
