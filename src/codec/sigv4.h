/*
 * codec/sigv4.h: AWS Signature Version 4: parse, sign, verify. Pure bytes: no clock,
 * no network. Format: the "Signature Version 4 signing process" of AWS's reference,
 * for the Authorization header and for presigned queries. Any thread.
 *
 * Limits: 64 signed headers, 256 query parameters, 64 KiB of canonical request apart
 * from the path and query that it is made of.
 */
#ifndef CODEC_SIGV4_H
#define CODEC_SIGV4_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

enum {
    SIGV4_HEX_BYTES = 64,
    SIGV4_HEADERS_MAX = 64,
    SIGV4_PARAMS_MAX = 256,
    SIGV4_EXPIRES_S_MAX = 604800, /* Of a presigned URL: seven days. */
};

struct sigv4_field {
    str name, value; /* Name in any case. */
};

/* A request as it stands on the wire. */
struct sigv4_request {
    str method;
    str path;  /* Percent-encoded, without the query. */
    str query; /* Without "?". */
    const struct sigv4_field *fields;
    isize field_count;
    str payload_hash; /* 64 hexadecimal digits, "UNSIGNED-PAYLOAD", "STREAMING-..." */
};

/* What a request says about its signature; borrows from it. */
struct sigv4_claim {
    str access_key;
    str date; /* "20261124" */
    str region;
    str service;
    str signed_headers; /* "host;x-amz-date" */
    str signature;      /* 64 hexadecimal digits. */
    str time;           /* "20261124T010203Z" */
    i64 expires_s;      /* Presigned only, else 0. */
    bool is_presigned;
};

/* ERR_SYNTAX: not of the form "AWS4-HMAC-SHA256 Credential=.../DATE/REGION/SERVICE/aws4_request,
 * SignedHeaders=..., Signature=...". Leaves time to the caller (x-amz-date or Date). */
MUST_USE err sigv4_parse_header(str authorization, struct sigv4_claim *out);
/* From the X-Amz- parameters of a presigned query, decoded into `arena`. ERR_NOT_FOUND: there is no
 * X-Amz-Credential; ERR_SYNTAX: some other is missing, wrong, or there twice. */
MUST_USE err sigv4_parse_query(struct arena *arena, str query, struct sigv4_claim *out);

void sigv4_hash(str data, u8 hex_out[SIGV4_HEX_BYTES]);

/* The signature that `claim` (without its own) should have. Services other than "s3" sign the path
 * normalised and encoded twice. ERR_SYNTAX: bad percent-encoding; ERR_LIMIT. */
MUST_USE err sigv4_sign(struct arena *arena, const struct sigv4_request *request,
                        const struct sigv4_claim *claim, str secret, u8 hex_out[SIGV4_HEX_BYTES]);

/* A request of our own, to be sent with the fields host, x-amz-date, x-amz-content-sha256, and
 * x-amz-target when it has one: these are signed. */
struct sigv4_call {
    str method, path, query; /* As in sigv4_request. */
    str host, target;        /* target: empty = none. */
    str time;                /* "20261124T010203Z" */
    str payload_hash;        /* As in sigv4_request. */
    str access_key, secret, region, service;
};
/* Value of its Authorization field, in the arena. Errors as sigv4_sign. */
MUST_USE err sigv4_authorize(struct arena *arena, const struct sigv4_call *call, str *out);

/* The chain of signatures of a body that is sent in chunks (AWS4-HMAC-SHA256-PAYLOAD): each covers
 * the one before, the first that of the request. Plain data: no life cycle. */
struct sigv4_chunks {
    u8 key[32];
    u8 previous[SIGV4_HEX_BYTES];
    str time, date, region, service; /* Borrowed from the claim. */
};
/* `claim` is that of a verified request. */
void sigv4_chunks_begin(struct sigv4_chunks *chunks, const struct sigv4_claim *claim, str secret);
/* Signature that the next chunk, of this SHA-256, should have; goes on to the one behind it. */
void sigv4_chunk_sign(struct sigv4_chunks *chunks, const u8 hash[32], u8 hex_out[SIGV4_HEX_BYTES]);
/* Of the trailing fields, "name:value\n" each. */
void sigv4_trailer_sign(struct sigv4_chunks *chunks, str fields, u8 hex_out[SIGV4_HEX_BYTES]);

enum sigv4_verdict {
    SIGV4_VALID,
    SIGV4_INCOMPLETE,  /* A header that must be signed is not, or a part has no sense. */
    SIGV4_EXPIRED,     /* Or not yet valid: the clocks differ by more than skew_s. */
    SIGV4_UNKNOWN_KEY, /* Found out in the time that a wrong signature takes. */
    SIGV4_MISMATCH,
};

/* now_us: UTC since 1970. skew_s: 300, for S3 900. "host" and every x-amz- header must be signed.
 */
enum sigv4_verdict sigv4_verify(struct arena *arena, const struct sigv4_request *request,
                                const struct sigv4_claim *claim, str access_key, str secret,
                                i64 now_us, i64 skew_s);

#endif
