/*
 * console/console.h: what leat serves beside the AWS APIs: health, its own API,
 * metrics and the web console. cli opens it and gives its routes to the endpoint.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "engine/engine.h"
#include "log/log.h"
#include "net/http.h"
#include "stream/stream.h"

struct console_env {
    struct os *os;
    struct log *log;
    struct streams *streams;
    struct engine *engine;
    struct replays *replays;
    const char *const *services; /* Their names, for /health. */
    isize service_count;
    const char *data_dir;
    const char *endpoint; /* "http://127.0.0.1:4566"; filled in when the server listens. */
    enum log_durability durability;
    bool allows_reset;
    bool enforces_limits, injects_faults; /* Of Kinesis. */
    /* Deletes everything; WORKER. */
    err (*reset)(void *ctx);
    void *reset_ctx;
};

struct console_route {
    const char *method; /* NULL = any. */
    const char *path;   /* A prefix when it ends in '/'. */
    void (*handle)(struct http_exchange *x, void *console);
};

struct console;
struct console *console_open(const struct console_env *env);
/* For the server's own figures; NULL before it stops. */
void console_set_http(struct console *console, struct http_server *http);
const struct console_route *console_routes(struct console *console, isize *count_out);
void console_close(struct console *console);

/* Answers with an error of leat's own API, and the status that belongs to it. LOOP or WORKER. */
void console_respond_error(struct http_exchange *x, err e, const struct diag *diag);

#endif
