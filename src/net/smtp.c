/* net/smtp.c: one message by libcurl, and what the server's answer means. */
#include "net/smtp.h"

#include "net/client_int.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>

enum {
    CONNECT_TIMEOUT_MS = 10000,
    SEND_TIMEOUT_MS = 60000,
    ANSWER_BYTES = 200,
    HOST_BYTES = 300,
};

/* How far the dialogue came: what a refusal then means differs. */
enum stage { STAGE_CONNECT, STAGE_SENDER, STAGE_RECIPIENT, STAGE_DATA };

struct smtp_client {
    CURL *curl;
    char server[HOST_BYTES]; /* "smtp://host:25", without user and password. */
    enum stage stage;
    bool is_leaving;           /* QUIT was sent: what is answered to it does not matter. */
    char answer[ANSWER_BYTES]; /* The server's last line. */
    str rest;                  /* Of the message under way. */
};

/* --- the URL ------------------------------------------------------------------------------- */

static char *part(CURLU *url, CURLUPart which)
{
    char *text = NULL;
    return curl_url_get(url, which, &text, CURLU_URLDECODE) == CURLUE_OK ? text : NULL;
}

static const char *url_problem(CURLU *url)
{
    char *scheme = part(url, CURLUPART_SCHEME), *path = part(url, CURLUPART_PATH);
    char *host = part(url, CURLUPART_HOST);
    const char *problem = NULL;
    if (scheme == NULL || (strcmp(scheme, "smtp") != 0 && strcmp(scheme, "smtps") != 0)) {
        problem = "it begins with smtp:// or smtps://";
    } else if (host == NULL || host[0] == '\0') {
        problem = "it names no host";
    } else if (path != NULL && strcmp(path, "/") != 0 && path[0] != '\0') {
        problem = "nothing stands behind the port";
    }
    curl_free(scheme);
    curl_free(path);
    curl_free(host);
    return problem;
}

err smtp_url_check(const char *url, struct diag *diag)
{
    CURLU *parsed = curl_url();
    CHECK(parsed != NULL);
    const char *problem = "it is no URL";
    if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
        problem = url_problem(parsed);
    }
    curl_url_cleanup(parsed);
    if (problem == NULL) {
        return OK;
    }
    (void)diag_set(diag, ERR_INVALID, "NET020", "the URL of the mail server is wrong: %s", problem);
    diag_hint(diag, "smtp://host:25, smtp://user:password@host:587 or smtps://host:465");
    return ERR_INVALID;
}

static CURLU *url_parse(const char *text)
{
    CURLU *url = curl_url();
    CHECK(url != NULL);
    CHECK(curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK);
    return url;
}

void smtp_url_server(const char *text, char *out, isize capacity)
{
    CURLU *url = url_parse(text);
    char *scheme = part(url, CURLUPART_SCHEME), *host = part(url, CURLUPART_HOST);
    char *port = part(url, CURLUPART_PORT);
    CHECK(scheme != NULL);
    CHECK(host != NULL);
    (void)snprintf(out, (size_t)capacity, "%s://%s%s%s", scheme, host, port != NULL ? ":" : "",
                   port != NULL ? port : "");
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
}

/* Would a password leave this machine? */
static bool needs_tls(const char *text)
{
    CURLU *url = url_parse(text);
    char *host = part(url, CURLUPART_HOST), *password = part(url, CURLUPART_PASSWORD);
    CHECK(host != NULL);
    struct in_addr address; /* A name that begins with 127 may be anywhere. */
    bool is_near = strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                   (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
    bool result = password != NULL && !is_near;
    curl_free(host);
    curl_free(password);
    curl_url_cleanup(url);
    return result;
}

/* --- callbacks ----------------------------------------------------------------------------- */

static size_t on_read(char *out, size_t size, size_t count, void *ctx)
{
    struct smtp_client *client = ctx;
    isize bytes = MIN(client->rest.len, (isize)(size * count));
    if (bytes > 0) {
        memcpy(out, client->rest.data, (size_t)bytes);
        client->rest = str_slice(client->rest, bytes, client->rest.len);
    }
    return (size_t)bytes;
}

static void stage_note(struct smtp_client *client, str line)
{
    if (str_starts_nocase(line, STR("MAIL FROM"))) {
        client->stage = STAGE_SENDER;
    } else if (str_starts_nocase(line, STR("RCPT TO"))) {
        client->stage = STAGE_RECIPIENT;
    } else if (str_starts_nocase(line, STR("DATA"))) {
        client->stage = STAGE_DATA;
    } else if (str_starts_nocase(line, STR("QUIT"))) {
        client->is_leaving = true;
    }
}

static void answer_note(struct smtp_client *client, str line)
{
    if (client->is_leaving) {
        return;
    }
    line = str_trim(line);
    isize used = 0;
    for (isize i = 0; i < line.len && used < ANSWER_BYTES - 1; i++) {
        u8 c = line.data[i];
        client->answer[used++] = c >= 0x20 && c < 0x7F ? (char)c : '?';
    }
    client->answer[used] = '\0';
}

static int on_debug(CURL *curl, curl_infotype type, char *data, size_t size, void *ctx)
{
    (void)curl;
    str line = str_from(data, (isize)size);
    if (type == CURLINFO_HEADER_OUT) {
        stage_note(ctx, line);
    } else if (type == CURLINFO_HEADER_IN) {
        answer_note(ctx, line);
    }
    return 0;
}

/* --- sending ------------------------------------------------------------------------------- */

struct smtp_client *smtp_client_new(const char *url)
{
    net__curl_start();
    struct smtp_client *client = NEW(struct smtp_client);
    client->curl = curl_easy_init();
    CHECK(client->curl != NULL);
    smtp_url_server(url, client->server, HOST_BYTES);
    CURL *curl = client->curl;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)curl_easy_setopt(curl, CURLOPT_USE_SSL,
                           (long)(needs_tls(url) ? CURLUSESSL_ALL : CURLUSESSL_TRY));
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)SEND_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, client);
    (void)curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_debug);
    (void)curl_easy_setopt(curl, CURLOPT_DEBUGDATA, client);
    return client;
}

void smtp_client_free(struct smtp_client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        mem_free(client);
    }
}

static err failed(const struct smtp_client *client, CURLcode code, struct diag *diag)
{
    bool is_final = client->answer[0] == '5';
    bool is_answer = code == CURLE_SEND_ERROR || code == CURLE_WEIRD_SERVER_REPLY ||
                     code == CURLE_RECV_ERROR || code == CURLE_LOGIN_DENIED;
    bool is_refusal = is_answer && (is_final || client->answer[0] == '4');
    if (!is_refusal) {
        err e = code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_REMOTE;
        return diag_set(diag, e, "NET021", "cannot send mail through %s: %s", client->server,
                        curl_easy_strerror(code));
    }
    err e = ERR_REMOTE;
    if (client->stage >= STAGE_RECIPIENT) {
        e = is_final ? ERR_DENIED : ERR_AGAIN;
    }
    return diag_set(diag, e, "NET022", "%s answered: %s", client->server, client->answer);
}

err smtp_send(struct smtp_client *client, const struct smtp_message *message, struct diag *diag)
{
    client->stage = STAGE_CONNECT;
    client->answer[0] = '\0';
    client->is_leaving = false;
    client->rest = message->text;
    struct curl_slist *to = curl_slist_append(NULL, message->recipient);
    CHECK(to != NULL);
    (void)curl_easy_setopt(client->curl, CURLOPT_MAIL_FROM, message->sender);
    (void)curl_easy_setopt(client->curl, CURLOPT_MAIL_RCPT, to);
    (void)curl_easy_setopt(client->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)message->text.len);
    CURLcode code = curl_easy_perform(client->curl);
    (void)curl_easy_setopt(client->curl, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(to);
    return code == CURLE_OK ? OK : failed(client, code, diag);
}
