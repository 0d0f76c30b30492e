/*
 * net/client.h: outgoing HTTP(S), on libcurl, initialised at first use.
 * Blocking: called on pool or connector threads, never on a loop. Redirects are
 * not followed. Certificates are verified, against those of the system and those of
 * net_client_trust. Hosts other than loopback are refused
 * (ERR_DENIED) unless net_client_allow_egress was called: the address is checked
 * after it was resolved.
 */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include "net/http.h"

struct http_client; /* Keeps connections; one thread at a time. */

#define HTTP_CLIENT_NO_TIMEOUT UINT32_MAX

struct http_client_request {
    str method;
    str url; /* http:// or https:// */
    const struct http_field *fields;
    isize field_count;
    str body;
    u32 timeout_ms;           /* 0 = 30 s for the whole exchange; or HTTP_CLIENT_NO_TIMEOUT. */
    isize response_bytes_max; /* 0 = 64 MiB; ERR_LIMIT beyond. */
    /* When set, body bytes go here instead of to memory, the response's status is known by then;
     * returning false stops (ERR_CLOSED). */
    bool (*on_body)(void *ctx, str data);
    void *on_body_ctx;
    bool (*is_cancelled)(void); /* NULL, or asked about once a second and after a signal. */
};
struct http_client_response {
    int status;
    struct http_field *fields; /* Names in lower case; in the arena. */
    isize field_count;
    str body;
};

struct http_client *http_client_new(struct os *os);
void http_client_free(struct http_client *client);
/* OK whenever an HTTP status was received. ERR_REMOTE (no connection, TLS), ERR_TIMEOUT,
 * ERR_DENIED (egress), ERR_INVALID (URL). */
MUST_USE err http_client_send(struct http_client *client, const struct http_client_request *request,
                              struct arena *arena, struct http_client_response *out,
                              struct diag *diag);
void net_client_allow_egress(bool is_allowed);
/* Certificates of this PEM file are trusted beside the system's, for clients to come. Each call
 * adds one, up to NET_CLIENT_TRUST_MAX. Copies the path; the file is read at each connection. */
enum { NET_CLIENT_TRUST_MAX = 4 };
void net_client_trust(const char *path);

#endif
