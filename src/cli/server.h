/*
 * cli/server.h: the whole server in this process: log, streams, services, endpoint.
 * `leat start` runs it until a signal; tests and `leat demo` may do otherwise.
 */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include "log/log.h"
#include "net/http.h"

/* TLS_IF_FREE: without TLS when its port is taken. */
enum tls_wish { TLS_NONE, TLS_IF_FREE, TLS_WANTED };

struct server_options {
    const char *data_dir;
    const char *bind; /* Another than a loopback address needs keys (docs/limits.md). */
    u16 port;
    enum tls_wish tls;
    u16 tls_port;                   /* 0 = any free one. */
    const char *tls_cert, *tls_key; /* PEM files; NULL: a self-signed pair. */
    enum log_durability durability;
    bool allows_reset;                           /* POST /_leat/reset */
    bool enforces_limits;                        /* Shards of Kinesis have AWS's limits. */
    u32 status_delay_ms;                         /* As in struct aws_env. */
    const struct kinesis_faults *kinesis_faults; /* The same. */
    u64 scrub_period_ms;                         /* As in struct log_options. */
    bool allows_egress; /* Connectors may reach hosts other than this one. */
};

/* ${XDG_STATE_HOME:-~/.local/state}/leat; false, and an error was printed, without a home. */
bool server_data_dir_default(char *out, isize capacity);

struct server;
/* ERR_IN_USE: the data directory or the port is taken. diag says what and by whom. */
MUST_USE err server_open(const struct server_options *options, struct server **out,
                         struct diag *diag);
const char *server_endpoint(const struct server *server);
/* Empty when there is no TLS, tls_note then says why (or is empty too). */
const char *server_tls_endpoint(const struct server *server);
const char *server_tls_note(const struct server *server);
/* Certificate that clients are to trust. */
const char *server_tls_certificate(const struct server *server);
/* Server that mails are sent through, without its password; "" when they stay in the inbox. */
const char *server_mail(const struct server *server);
void server_close(struct server *server);

#endif
