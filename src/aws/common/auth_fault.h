/*
 * aws/common/auth_fault.h: what AWS says to a request whose signature is missing, not
 * whole, or of another time: its codes and texts. Each in the form of the protocol, as are
 * other errors that come before, or instead of, those of a service.
 */
#ifndef AWS_COMMON_AUTH_FAULT_H
#define AWS_COMMON_AUTH_FAULT_H

#include "aws/common/service.h"
#include "codec/sigv4.h"

struct aws_fault {
    int status;       /* Of XML; JSON services say 400 for 4xx but 413. */
    const char *code; /* As the protocol and the service name it. */
    str message;      /* Plain text in the exchange's arena. */
    str details;      /* Further elements of S3's error, in XML; may be empty. */
};

/* Answers in JSON, CBOR, the XML of S3, or that of Query services. */
void aws_fault_answer(struct http_exchange *x, enum aws_protocol protocol, bool is_s3,
                      const struct aws_fault *fault, str request_id);

/* Does the request want to be taken for a signed one, in whatever way? */
bool aws_claims_signature(const struct http_exchange *x);
/* Of a signature that is missing, that is there twice, or that lacks parts: says which. */
void aws_fault_of_form(struct http_exchange *x, enum aws_protocol protocol, bool is_s3,
                       struct aws_fault *out);
/* Of one whose time (`claim`) is too far from `now_us`, UTC since 1970: says both. */
void aws_fault_of_time(struct http_exchange *x, enum aws_protocol protocol,
                       const struct sigv4_claim *claim, i64 skew_s, i64 now_us,
                       struct aws_fault *out);

#endif
