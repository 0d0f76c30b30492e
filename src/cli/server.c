/* cli/server.c: opens everything bottom to top, closes it in reverse. */
#include "cli/server.h"
#include "cli/server_backup.h"

#include "aws/cloudwatch/cloudwatch.h"
#include "aws/common/dispatch.h"
#include "aws/dynamodb/dynamodb.h"
#include "aws/kinesis/kinesis.h"
#include "aws/s3/s3.h"
#include "aws/sns/sns.h"
#include "aws/sts/sts.h"
#include "base/trace.h"
#include "cli/print.h"
#include "console/console.h"
#include "engine/engine.h"
#include "feed/replay.h"
#include "net/client.h"
#include "net/smtp.h"
#include "net/tls.h"
#include "stream/stream.h"

#include <stdio.h>

enum { PATH_BYTES = 1024, GRACE_MS = 3000 };
enum { FREED_BYTES_KEPT = 16 << 20, FREED_SHARE = 128, HEAP_BLOCK_BYTES = 8 << 20 };
enum { CONNECTIONS_MAX = 10000, OWN_DESCRIPTORS = 1000, DESCRIPTORS_MIN = 32 };

static const struct aws_service *const services[] = {&kinesis_service,    &sts_service,
                                                     &cloudwatch_service, &sns_service,
                                                     &s3_service,         &dynamodb_service};

struct server {
    struct os *os;
    struct log *log;
    struct streams *streams;
    struct engine *engine;
    struct replays *replays;
    struct aws_dispatch *dispatch;
    struct console *console;
    struct server_backup *backup;
    struct http_server *http;
    struct tls_identity *tls;
    struct aws_keys keys;
    struct aws_metrics metrics;
    struct budget answers; /* What answers to slow clients hold: whole ones, frames of the log. */
    char data_dir[PATH_BYTES];
    char endpoint[128];
    char tls_endpoint[128], tls_note[512];
    char mail[300];
    struct server_options options;
};

bool server_data_dir_default(char *out, isize capacity)
{
    const char *state = os_getenv("XDG_STATE_HOME"), *home = os_getenv("HOME");
    bool has_state = state != NULL && state[0] == '/';
    if (!has_state && (home == NULL || home[0] != '/')) {
        print_error("give one with --data DIR",
                    "there is no home to keep data in: HOME is not set");
        return false;
    }
    (void)snprintf(out, (size_t)capacity, "%s%s/leat", has_state ? state : home,
                   has_state ? "" : "/.local/state");
    return true;
}

static bool is_loopback(const char *bind)
{
    return strncmp(bind, "127.", 4) == 0 || strcmp(bind, "::1") == 0;
}

/* What is read out of the log at the start; `e` is what came of it. */
static err part_opened(const struct server *server, err e, const char *what, struct diag *diag)
{
    if (e == OK || diag_is_set(diag)) {
        return e;
    }
    (void)diag_set(diag, e, "SRV012", "cannot read %s in \"%s/log\": %s", what, server->data_dir,
                   err_text(e));
    if (e == ERR_CORRUPT) {
        diag_hint(diag, "leat doctor --data DIR says what is lost; restore a backup, or go on "
                        "without it: leat doctor --salvage");
    }
    return e;
}

/* A size for tests: LEAT_SEGMENT_BYTES=N, small segments, of which they are to see many begin and
 * end; LEAT_ANSWER_BYTES=N, how much answers may hold. 0: unset. */
static err bytes_setting(const char *name, i64 *out, struct diag *diag)
{
    enum { BYTES_MIN = 64 << 10, BYTES_MAX = 1 << 30 };
    const char *text = os_getenv(name);
    *out = 0;
    if (text == NULL) {
        return OK;
    }
    if (str_to_i64(str_of(text), out) != OK || *out < BYTES_MIN || *out > BYTES_MAX) {
        return diag_set(diag, ERR_INVALID, "SRV013",
                        "%s=\"%s\" is no number of bytes from %d to %d", name, text, BYTES_MIN,
                        BYTES_MAX);
    }
    return OK;
}

static err storage_open(struct server *server, struct diag *diag)
{
    char path[PATH_BYTES + 8];
    err e = os_mkdir_all(server->os, server->data_dir);
    if (e != OK) {
        return diag_set(diag, e, "SRV002", "cannot use the data directory \"%s\": %s",
                        server->data_dir,
                        e == ERR_EXISTS    ? "there is a file of this name"
                        : e == ERR_INVALID ? "the path is empty or too long"
                                           : os_errno_text());
    }
    (void)snprintf(path, sizeof path, "%s/log", server->data_dir);
    struct log_options options = {.dir = path,
                                  .durability = server->options.durability,
                                  .scrub_period_ms = server->options.scrub_period_ms,
                                  .pinned = &server->answers};
    i64 segment_bytes;
    TRY(bytes_setting("LEAT_SEGMENT_BYTES", &segment_bytes, diag));
    options.segment_bytes = (u64)segment_bytes;
    TRY(log_open(server->os, &options, &server->log, diag));
    log_set_around(server->log, http_posts_hold, http_posts_release);
    TRY(part_opened(server, streams_open(server->os, server->log, &server->streams, diag),
                    "the catalog of streams", diag));
    /* What the log forgets at the end needs no snapshots either. */
    bool is_kept = server->options.durability != LOG_MEMORY;
    err opened = engine_open(server->os, server->streams, is_kept ? server->data_dir : NULL,
                             &server->engine, diag);
    TRY(part_opened(server, opened, "the catalog and journal of jobs", diag));
    struct replays_env replays = {server->os, server->streams, server->keys.access_key,
                                  server->keys.secret};
    return part_opened(server, replays_open(&replays, &server->replays, diag),
                       "the positions of replays", diag);
}

/* A line feed that came with the key from a file would only show as signatures that never match. */
static bool is_key(str text)
{
    for (isize i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7F) {
            return false;
        }
    }
    return true;
}

/* Keys come as a pair or not at all; without them only this machine may connect. */
static err keys_read(const struct server_options *options, struct aws_keys *out, struct diag *diag)
{
    out->access_key = str_of(os_getenv("LEAT_ACCESS_KEY_ID"));
    out->secret = str_of(os_getenv("LEAT_SECRET_ACCESS_KEY"));
    bool has_key = out->access_key.len > 0, has_secret = out->secret.len > 0;
    if (has_key != has_secret) {
        return diag_set(diag, ERR_INVALID, "SRV003",
                        "LEAT_ACCESS_KEY_ID and LEAT_SECRET_ACCESS_KEY go together: %s is not set",
                        has_key ? "the secret" : "the key");
    }
    if (out->access_key.len > AWS_KEY_BYTES_MAX || out->secret.len > AWS_KEY_BYTES_MAX) {
        return diag_set(diag, ERR_INVALID, "SRV004", "a key has at most %d bytes",
                        AWS_KEY_BYTES_MAX);
    }
    if (!is_key(out->access_key) || !is_key(out->secret)) {
        return diag_set(diag, ERR_INVALID, "SRV007",
                        "%s holds a blank, a line feed or another character that no key has",
                        is_key(out->secret) ? "LEAT_ACCESS_KEY_ID" : "LEAT_SECRET_ACCESS_KEY");
    }
    if (!has_key && !is_loopback(options->bind)) {
        (void)diag_set(diag, ERR_DENIED, "SRV001",
                       "cannot bind to %s without keys: everybody there could read and write",
                       options->bind);
        diag_hint(diag, "set LEAT_ACCESS_KEY_ID and LEAT_SECRET_ACCESS_KEY, or bind to 127.0.0.1 "
                        "and use ssh -L");
        return ERR_DENIED;
    }
    return OK;
}

/* NULL when it is not set, or empty. */
static const char *setting(const char *name)
{
    const char *value = os_getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static err replays_end(struct server *server)
{
    struct arena arena = {0};
    struct replay_status *list;
    isize count;
    err e = OK;
    replays_list(server->replays, &arena, &list, &count);
    for (isize i = 0; i < count && e == OK; i++) {
        if (list[i].state == REPLAY_RUNNING) {
            e = replay_stop(server->replays, str_of(list[i].id));
        }
    }
    arena_deinit(&arena);
    return e;
}

/* Jobs first: they would fail for lack of their streams. */
static err server_reset(void *ctx)
{
    struct server *server = ctx;
    TRY(replays_end(server));
    TRY(engine_reset(server->engine));
    TRY(aws_dispatch_reset(server->dispatch));
    return log_retain_now(server->log);
}

static err subscription_read(u32 *ms_out, struct diag *diag)
{
    const char *text = setting("LEAT_SUBSCRIPTION_MS");
    i64 ms = 0;
    if (text == NULL) {
        return OK;
    }
    if (str_to_i64(str_of(text), &ms) != OK || ms < AWS_SUBSCRIPTION_MS_MIN ||
        ms > AWS_SUBSCRIPTION_MS_MAX) {
        return diag_set(diag, ERR_INVALID, "SRV005",
                        "LEAT_SUBSCRIPTION_MS is a whole number from %d to %d, not \"%s\"",
                        AWS_SUBSCRIPTION_MS_MIN, AWS_SUBSCRIPTION_MS_MAX, text);
    }
    *ms_out = (u32)ms;
    return OK;
}

static err services_open(struct server *server, struct diag *diag)
{
    struct aws_env env = {
        .os = server->os,
        .streams = server->streams,
        .engine = server->engine,
        .data_dir = server->data_dir,
        .endpoint = server->endpoint,
        .smtp_url = setting("LEAT_SMTP_URL"),
        .enforces_limits = server->options.enforces_limits,
        .status_delay_ms = server->options.status_delay_ms,
        .kinesis_faults = server->options.kinesis_faults,
        .mail_from = setting("LEAT_SMTP_FROM"),
        .metrics = &server->metrics,
    };
    TRY(subscription_read(&env.subscription_ms, diag));
    TRY(aws_dispatch_open(&env, services, COUNT_OF(services), &server->dispatch, diag));
    if (env.smtp_url != NULL) {
        smtp_url_server(env.smtp_url, server->mail, (isize)sizeof server->mail);
    }
    if (server->keys.secret.len > 0) {
        aws_dispatch_set_keys(server->dispatch, &server->keys, !is_loopback(server->options.bind));
    }
    static const char *names[COUNT_OF(services)];
    for (isize i = 0; i < COUNT_OF(services); i++) {
        names[i] = services[i]->name;
    }
    struct console_env console = {
        .services = names,
        .service_count = COUNT_OF(services),
        .os = server->os,
        .log = server->log,
        .streams = server->streams,
        .engine = server->engine,
        .replays = server->replays,
        .data_dir = server->data_dir,
        .endpoint = server->endpoint,
        .durability = server->options.durability,
        .allows_reset = server->options.allows_reset,
        .enforces_limits = server->options.enforces_limits,
        .injects_faults =
            server->options.kinesis_faults != NULL && server->options.kinesis_faults->is_on,
        .reset = server_reset,
        .reset_ctx = server,
    };
    server->console = console_open(&console);
    isize count;
    const struct console_route *routes = console_routes(server->console, &count);
    for (isize i = 0; i < count; i++) {
        struct aws_route route = {routes[i].method, routes[i].path, routes[i].handle,
                                  server->console};
        aws_dispatch_add_routes(server->dispatch, &route, 1);
    }
    struct server_backup_env backup = {server->os, server->log, server->engine, server->dispatch,
                                       server->data_dir};
    server->backup = server_backup_new(&backup);
    return OK;
}

static err tls_open(struct server *server, struct diag *diag)
{
    char dir[PATH_BYTES + 8];
    struct tls_options options = {
        .dir = dir,
        .bind = server->options.bind,
        .cert_path = server->options.tls_cert,
        .key_path = server->options.tls_key,
    };
    (void)snprintf(dir, sizeof dir, "%s/tls", server->data_dir);
    return server->options.tls == TLS_NONE
               ? OK
               : tls_identity_open(server->os, &options, &server->tls, diag);
}

/* Connections leave descriptors for files, of which there may be many. */
static i32 connections_max(void)
{
    i64 descriptors = os_descriptors_raise();
    i64 own = MIN(OWN_DESCRIPTORS, descriptors / 2);
    i64 count = MIN(CONNECTIONS_MAX, descriptors - own);
    if (count < CONNECTIONS_MAX) {
        trace(TRACE_WARN, "server", "few descriptors: fewer connections",
              T_INT("limit", descriptors), T_INT("connections", count));
    }
    return (i32)MAX(count, 1);
}

static err http_open(struct server *server, struct diag *diag)
{
    struct http_server_options options = {
        .bind = server->options.bind,
        .port = server->options.port,
        .tls = server->tls,
        .tls_port = server->options.tls_port,
        .handler = aws_dispatch_handle,
        .handler_ctx = server->dispatch,
        .limits.connections = connections_max(),
        .answers = &server->answers,
    };
    i64 answer_bytes;
    TRY(bytes_setting("LEAT_ANSWER_BYTES", &answer_bytes, diag));
    options.limits.answer_bytes = (isize)answer_bytes;
    if (server->options.tls == TLS_IF_FREE && os_port_is_taken(options.tls_port)) {
        char holder[256];
        bool is_known = os_port_holder(options.tls_port, holder, (isize)sizeof holder);
        (void)snprintf(server->tls_note, sizeof server->tls_note,
                       "off: port %u is taken%s%s; --tls-port N takes another", options.tls_port,
                       is_known ? " by " : "", is_known ? holder : "");
        options.tls = NULL;
    }
    return http_server_start(server->os, &options, &server->http, diag);
}

/* Addresses of IPv6 stand in brackets. */
static void url_write(char *out, size_t bytes, const char *scheme, const char *address,
                      unsigned port)
{
    bool is_v6 = strchr(address, ':') != NULL;
    (void)snprintf(out, bytes, "%s://%s%s%s:%u", scheme, is_v6 ? "[" : "", address,
                   is_v6 ? "]" : "", port);
}

/* As this machine reaches itself. */
static const char *own_address(const char *bind)
{
    if (strcmp(bind, "0.0.0.0") == 0) {
        return "127.0.0.1";
    }
    return strcmp(bind, "::") == 0 ? "::1" : bind;
}

static err endpoint_open(struct server *server, struct diag *diag)
{
    TRY(tls_open(server, diag));
    TRY(http_open(server, diag));
    if (http_server_tls_port(server->http) != 0) {
        net_client_trust(
            tls_identity_path(server->tls)); /* Tables and replays may come that way. */
        url_write(server->tls_endpoint, sizeof server->tls_endpoint, "https", server->options.bind,
                  http_server_tls_port(server->http));
    }
    console_set_http(server->console, server->http);
    url_write(server->endpoint, sizeof server->endpoint, "http", server->options.bind,
              http_server_port(server->http));
    char local[sizeof server->endpoint];
    url_write(local, sizeof local, "http", own_address(server->options.bind),
              http_server_port(server->http));
    engine_set_endpoint(server->engine, local, server->keys.access_key, server->keys.secret);
    replays_start(server->replays, local);
    return OK;
}

/* With fewer, not even the libraries below us start. */
static err descriptors_check(struct diag *diag)
{
    i64 descriptors = os_descriptors_raise();
    if (descriptors >= DESCRIPTORS_MIN) {
        return OK;
    }
    (void)diag_set(diag, ERR_INVALID, "SRV006",
                   "at most %lld open files are allowed here, leat needs at least %d",
                   (long long)descriptors, DESCRIPTORS_MIN);
    diag_hint(diag, "raise the limit, as with \"ulimit -n 1024\"");
    return ERR_INVALID;
}

err server_open(const struct server_options *options, struct server **out, struct diag *diag)
{
    struct aws_keys keys;
    TRY(keys_read(options, &keys, diag));
    TRY(descriptors_check(diag));
    if (keys.secret.len > 0) {
        os_core_dumps_refuse();
    }
    os_sigpipe_ignore();
    isize share = (isize)(os_memory_bytes() / FREED_SHARE);
    os_freed_memory_keep(MIN(FREED_BYTES_KEPT, share), MIN(HEAP_BLOCK_BYTES, share));
    struct server *server = NEW(struct server);
    server->os = os_real();
    server->options = *options;
    server->keys = keys;
    str_copy_cstr(str_of(options->data_dir), server->data_dir, PATH_BYTES);
    url_write(server->endpoint, sizeof server->endpoint, "http", options->bind, options->port);
    err e = storage_open(server, diag);
    if (e == OK) {
        e = services_open(server, diag);
    }
    if (e == OK) {
        e = endpoint_open(server, diag);
    }
    if (e != OK) {
        server_close(server);
        return e;
    }
    *out = server;
    return OK;
}

const char *server_endpoint(const struct server *server)
{
    return server->endpoint;
}

const char *server_tls_endpoint(const struct server *server)
{
    return server->tls_endpoint;
}

const char *server_tls_note(const struct server *server)
{
    return server->tls_note;
}

const char *server_tls_certificate(const struct server *server)
{
    return tls_identity_path(server->tls);
}

const char *server_mail(const struct server *server)
{
    return server->mail;
}

void server_close(struct server *server)
{
    if (server->replays != NULL) {
        replays_stop(server->replays);
    }
    if (server->http != NULL) {
        console_set_http(server->console, NULL);
        server_backup_stop(server->backup);
        aws_dispatch_stop(server->dispatch);
        http_server_stop(server->http, GRACE_MS);
    }
    tls_identity_free(server->tls);
    if (server->console != NULL) {
        console_close(server->console);
    }
    server_backup_free(server->backup);
    aws_dispatch_close(server->dispatch);
    replays_close(server->replays);
    engine_close(server->engine);
    if (server->streams != NULL) {
        streams_close(server->streams);
    }
    if (server->log != NULL) {
        log_close(server->log);
    }
    mem_free(server);
}
