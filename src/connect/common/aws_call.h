/*
 * connect/common/aws_call.h: signed calls to the AWS API: of this very process when a table
 * has no 'aws.endpoint', else of the endpoint that it names. One thread at a time.
 */
#ifndef CONNECT_COMMON_AWS_CALL_H
#define CONNECT_COMMON_AWS_CALL_H

#include "connect/sink.h"
#include "net/client.h"

/* For the option lists of connectors. */
#define AWS_CALL_OPTIONS                                                                           \
    {"aws.region", false, "Region of the call; the session's when absent."},                       \
        {"aws.endpoint", false, "URL of another AWS API; absent: this leat's own services."},      \
        {"aws.credentials.provider", false, "BASIC; AUTO is that when a key is given."},           \
        {"aws.credentials.basic.accesskeyid", false, "Access key, for an explicit aws.endpoint."}, \
    {                                                                                              \
        "aws.credentials.basic.secretkey", false, "Secret key; masked wherever it is shown."       \
    }

struct aws_call; /* One service. */
/* CON040: an endpoint without keys, or that is no URL. */
MUST_USE err aws_call_check(const struct connect_table *table, struct diag *diag);
struct aws_call *aws_call_new(const struct connect_table *table, const char *service,
                              const struct connect_schema *schema, const struct connect_env *env);
void aws_call_free(struct aws_call *call);
str aws_call_region(const struct aws_call *call);

struct aws_call_request {
    const char *method;
    str path;  /* Percent-encoded. */
    str query; /* Percent-encoded, without "?"; sorted names. */
    const struct http_field *fields;
    isize field_count;
    str body;
    bool is_unsigned_payload; /* S3: the body is not hashed. */
};

/* OK: 2xx. RETRY: not reached, throttled, 5xx, and what somebody can put right: a wrong key, a
 * bucket or topic that is not there. FATAL: the request itself is refused. diag says what. */
enum connect_verdict aws_call_send(struct aws_call *call, const struct aws_call_request *request,
                                   struct arena *arena, struct http_client_response *out,
                                   struct diag *diag);
/* Content of the first <name>…</name>; empty when there is none. */
str aws_call_xml(str body, const char *name);

#endif
