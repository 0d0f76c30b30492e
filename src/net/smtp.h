/*
 * net/smtp.h: outgoing mail over SMTP, on libcurl, initialised at first use.
 * Blocking, one thread at a time for each client; the connection is kept between
 * messages. TLS: smtps: from the start, smtp: by STARTTLS when the server offers
 * it, and always when a password would go to another machine. Certificates are
 * verified. Whoever sets the URL decides where mail may go: the rule of
 * net/client.h on other hosts does not hold here.
 */
#ifndef NET_SMTP_H
#define NET_SMTP_H

#include "base/arena.h"
#include "base/diag.h"
#include "os/os.h"

struct smtp_client;

/* "smtp://[user:password@]host[:port]" or smtps:. ERR_INVALID with what is wrong. Needs no network
 * and does not start libcurl. */
MUST_USE err smtp_url_check(const char *url, struct diag *diag);
/* "smtp://host:25" of a checked URL `text`, without user and password: for people. */
void smtp_url_server(const char *text, char *out, isize capacity);
/* `url` as checked. */
struct smtp_client *smtp_client_new(const char *url);
void smtp_client_free(struct smtp_client *client); /* NULL is allowed. */

struct smtp_message {
    const char *sender, *recipient; /* Addresses without brackets. */
    str text;                       /* RFC 5322, lines ended by CRLF. */
};
/* OK: the server took it. ERR_DENIED: it refused this recipient or this message for good (5xx).
 * ERR_AGAIN: it refused this message for now (4xx). ERR_REMOTE, ERR_TIMEOUT: no mail can be sent
 * there now (no connection, TLS, login, sender refused). diag says why, with the server's words;
 * it never holds the password. */
MUST_USE err smtp_send(struct smtp_client *client, const struct smtp_message *message,
                       struct diag *diag);

#endif
