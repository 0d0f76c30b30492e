/*
 * feed/aws_client.h: signed requests to AWS's services, over net/client.h. Blocking;
 * one thread at a time.
 */
#ifndef FEED_AWS_CLIENT_H
#define FEED_AWS_CLIENT_H

#include "net/client.h"

struct aws_client_options {
    const char *endpoint; /* "http://127.0.0.1:4566" */
    str region;
    str access_key, secret; /* Empty: "test". An access key of 12 digits names the account. */
};

struct aws_client;
struct aws_client *aws_client_new(struct os *os, const struct aws_client_options *options);
void aws_client_free(struct aws_client *client);

struct aws_client_request {
    const char *service; /* Of the signature: "s3". */
    str method;
    str path;  /* Percent-encoded; empty = "/". */
    str query; /* Percent-encoded, without "?". */
    const struct http_field *fields;
    isize field_count; /* At most 8. */
    str body;
    /* As in struct http_client_request. */
    u32 timeout_ms;
    bool (*on_body)(void *ctx, str data);
    void *on_body_ctx;
    bool (*is_cancelled)(void);
};
/* As http_client_send. */
MUST_USE err aws_client_call(struct aws_client *client, const struct aws_client_request *call,
                             struct arena *arena, struct http_client_response *out,
                             struct diag *diag);

/* "/bucket/key" with what is not unreserved percent-encoded; the key's slashes stand. */
str aws_s3_path(struct arena *arena, str bucket, str key);
/* Value of a field of the answer by its lower-case name, else empty. */
str aws_response_field(const struct http_client_response *response, const char *name);
/* Splits "s3://bucket/key"; false when it is none. */
bool aws_s3_url_split(str url, str *bucket_out, str *key_out);

#endif
