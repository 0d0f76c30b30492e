/*
 * aws/common/service.h: what a service is to the endpoint. Each folder under
 * aws/ exports one `const struct aws_service`; cli/ lists them. The dispatcher
 * (aws/common/dispatch.c) finds the service of a request, checks access
 * (architecture decisions 22 and 23), and calls it.
 *
 * How a request finds its service: X-Amz-Target's prefix (JSON 1.0, 1.1, CBOR);
 * else the service name of the SigV4 credential scope (header or presigned
 * query); else Version/Action of a Query form; else, for signed or public
 * requests, S3 by path or virtual host.
 */
#ifndef AWS_COMMON_SERVICE_H
#define AWS_COMMON_SERVICE_H

#include "aws/common/metrics.h"
#include "base/diag.h"
#include "net/http.h"
#include "os/os.h"
#include "stream/stream.h"

/* Who calls, from the signature (not verified unless keys are configured). */
struct aws_caller {
    str account;    /* The access key if it is 12 digits, else "000000000000". */
    str region;     /* From the credential scope; "us-east-1" when unsigned. */
    str service;    /* Of the credential scope; empty when unsigned. */
    str access_key; /* Empty when unsigned. */
    bool is_signed;
    bool is_presigned;
};

enum aws_protocol {
    AWS_JSON_1_0,
    AWS_JSON_1_1,
    AWS_QUERY,
    AWS_REST_XML,
};

/* Of answers that a page of another origin may read. */
#define AWS_EXPOSED_HEADERS \
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"

struct aws_request {
    struct http_exchange *x;
    struct aws_caller caller;
    enum aws_protocol protocol;
    str operation;  /* "PutRecord"; empty for REST. */
    str request_id; /* UUID; dispatch sends it as x-amzn-RequestId / x-amz-request-id. */
    void *service;  /* What open() returned. */
    bool
        is_cors; /* A browser may show the answer to the page that asks: see AWS_EXPOSED_HEADERS. */
    /* Set when the body comes in chunks whose signatures are to be checked (S3). */
    struct sigv4_chunks *chunks;
};

enum { AWS_SUBSCRIPTION_MS_MIN = 600, AWS_SUBSCRIPTION_MS_MAX = 3600000 };
enum { AWS_STATUS_DELAY_MS_MAX = 600000 };

/* What services are opened with. */
struct kinesis_faults;
struct aws_env {
    struct os *os;
    struct streams *streams;
    const char *data_dir; /* Each service keeps its files in data_dir/NAME/. */
    const char *endpoint; /* "http://127.0.0.1:4566", for URLs in answers. */
    struct engine *engine;
    /* Mail server for SNS, "smtp://[user:password@]host[:port]" or smtps:, and the address that it
     * sends from; NULL: mails stay in the local inbox, and a default address. */
    const char *smtp_url, *mail_from;
    /* How long a SubscribeToShard of Kinesis lasts, 0 = AWS's 5 minutes; its heartbeat and the time
     * before another may take over are a 60th of it. */
    u32 subscription_ms;
    bool enforces_limits; /* Shards of Kinesis have AWS's limits. */
    /* How long streams and consumers of Kinesis are CREATING, UPDATING and DELETING; 0 = not. */
    u32 status_delay_ms;
    const struct kinesis_faults *kinesis_faults; /* Borrowed during open; NULL: none. */
    struct aws_metrics *metrics;
    /* Services that another part needs (sns for the cloudwatch alarm, s3 for connectors) are
     * reached through small tables in aws/common, not by including a sibling. */
};

/* A path of the service's own, as struct aws_route of dispatch.h with the service as ctx. */
struct aws_service_route {
    const char *method, *path;
    void (*handle)(struct http_exchange *x, void *service);
};

struct aws_service {
    const char *name;          /* "kinesis": folder, metrics label, credential-scope name. */
    const char *const *scopes; /* Credential-scope names, NULL-terminated: {"monitoring", NULL} */
    const char *const *target_prefixes; /* "Kinesis_20131202", NULL-terminated; may be NULL. */
    const char *const *query_versions;  /* "2010-03-31", NULL-terminated; may be NULL. */
    MUST_USE err (*open)(const struct aws_env *env, void **out, struct diag *diag);
    /* Ends answers that would go on for long; the server stops. Not on a loop; may be NULL. */
    void (*stop)(void *service);
    void (*close)(void *service);
    /* Loop thread; takes over the exchange as net/http.h says. `request` lives in the exchange's
     * arena. */
    void (*handle)(struct aws_request *request);
    /* Puts the service's files, as they are at one moment, under `dir` (which exists and is of the
     * data directory's file system) in a folder of the service's name: copies, or other names of
     * files that do not change any more. Blocks; may be NULL when there are none. */
    MUST_USE err (*stage)(void *service, const char *dir, struct diag *diag);
    /* Deletes all data of the service (POST /_leat/reset). */
    MUST_USE err (*reset)(void *service);
    const struct aws_service_route *routes; /* Ended by a NULL path; may be NULL. */
    /* Actions that "GET /?Action=..." may call unsigned (links in mails), NULL-terminated; may be
     * NULL. */
    const char *const *public_actions;
};

#endif
