/*
 * aws/common/dispatch.h: which service answers a request, and who may ask
 * (docs/limits.md, "Who may call what"). One for the process.
 */
#ifndef AWS_COMMON_DISPATCH_H
#define AWS_COMMON_DISPATCH_H

#include "aws/common/verify.h"

/* A path of leat's own: console, API, metrics, inspection. Unsigned, under the Host and Origin
 * rules; `handle` takes over the exchange on its loop. */
struct aws_route {
    const char *method; /* NULL = any. */
    const char *path;   /* Whole path, or a prefix when it ends in '/'. */
    void (*handle)(struct http_exchange *x, void *ctx);
    void *ctx;
};

struct aws_dispatch;

/* Opens each service with `env`. Routes are borrowed and looked through in order. */
MUST_USE err aws_dispatch_open(const struct aws_env *env, const struct aws_service *const *services,
                               isize service_count, struct aws_dispatch **out, struct diag *diag);
void aws_dispatch_add_routes(struct aws_dispatch *dispatch, const struct aws_route *routes,
                             isize count);
/* From now on signatures are checked with these keys (borrowed). is_exposed: other machines can
 * connect; then nothing unsigned is served but /health. Before the server starts. */
void aws_dispatch_set_keys(struct aws_dispatch *dispatch, const struct aws_keys *keys,
                           bool is_exposed);
/* Stages the files of the service of that name, for a backup. Blocks; not on a loop. */
MUST_USE err aws_dispatch_stage(struct aws_dispatch *dispatch, const char *service, const char *dir,
                                struct diag *diag);
/* Ends answers that would go on for long, before the server stops. Not on a loop. */
void aws_dispatch_stop(struct aws_dispatch *dispatch);
/* Closes the services; no request may be under way. */
void aws_dispatch_close(struct aws_dispatch *dispatch);
/* Deletes the data of every service. */
MUST_USE err aws_dispatch_reset(struct aws_dispatch *dispatch);
/* The server's handler; ctx is the dispatch. LOOP. */
void aws_dispatch_handle(struct http_exchange *x, void *ctx);
/* What open() of the named service returned; NULL when it is not there. */
void *aws_dispatch_service(struct aws_dispatch *dispatch, str name);

#endif
