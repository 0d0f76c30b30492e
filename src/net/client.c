/* net/client.c: outgoing HTTP by libcurl, and which addresses it may reach. */
#include "net/client.h"

#include "net/client_int.h"
#include "os/thread.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 30000, RESPONSE_BYTES_MAX = 64 << 20 };

struct http_client {
    CURL *curl;
};

/* What one exchange collects. */
struct transfer {
    CURL *curl;
    const struct http_client_request *request;
    struct arena *arena;
    struct http_client_response *out;
    struct buf body;
    isize body_bytes_max;
    bool is_too_large, is_stopped, is_denied;
    const char *bad_ca; /* A file of net_client_trust that could not be read. */
};

static bool is_egress_allowed;

void net_client_allow_egress(bool is_allowed)
{
    __atomic_store_n(&is_egress_allowed, is_allowed, __ATOMIC_RELAXED);
}

/* --- addresses
 * ------------------------------------------------------------------------------------------ */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Where cloud machines keep their credentials. */
static bool is_link_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return (ntohl(in->sin_addr.s_addr) >> 16) == 0xA9FE;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
}

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *transfer = ctx;
    bool may =
        is_loopback(&address->addr) ||
        (__atomic_load_n(&is_egress_allowed, __ATOMIC_RELAXED) && !is_link_local(&address->addr));
    if (!may) {
        transfer->is_denied = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* --- trust
 * ---------------------------------------------------------------------------------------------- */

static struct os_mutex trust_lock = OS_MUTEX_INIT;
static char *trusted[NET_CLIENT_TRUST_MAX]; /* Never freed. */
static int trusted_count;

void net_client_trust(const char *path)
{
    isize bytes = (isize)strlen(path) + 1;
    char *copy = mem_alloc(bytes);
    memcpy(copy, path, (size_t)bytes);
    os_mutex_lock(&trust_lock);
    if (trusted_count < NET_CLIENT_TRUST_MAX) {
        trusted[trusted_count++] = copy;
        copy = NULL;
    }
    os_mutex_unlock(&trust_lock);
    mem_free(copy);
}

static CURLcode on_context(CURL *curl, void *context, void *ctx)
{
    (void)curl;
    struct transfer *transfer = ctx;
    os_mutex_lock(&trust_lock);
    for (int i = 0; i < trusted_count; i++) {
        if (SSL_CTX_load_verify_file(context, trusted[i]) != 1) {
            transfer->bad_ca = trusted[i];
        }
    }
    os_mutex_unlock(&trust_lock);
    ERR_clear_error();
    return transfer->bad_ca == NULL ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

/* --- callbacks
 * ------------------------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    str piece = str_from(data, (isize)(size * count));
    if (transfer->request->on_body != NULL) {
        long status = 0;
        (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
        transfer->out->status = (int)status;
        transfer->is_stopped = !transfer->request->on_body(transfer->request->on_body_ctx, piece);
        return transfer->is_stopped ? 0 : (size_t)piece.len;
    }
    if (piece.len > transfer->body_bytes_max - transfer->body.len) {
        transfer->is_too_large = true;
        return 0;
    }
    buf_append(&transfer->body, piece);
    return (size_t)piece.len;
}

/* About once a second, and whenever a signal ends the waiting. */
static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    struct transfer *transfer = ctx;
    transfer->is_stopped = transfer->is_stopped || transfer->request->is_cancelled();
    return transfer->is_stopped ? 1 : 0;
}

static str lower(struct arena *arena, str text)
{
    u8 *copy = arena_alloc(arena, text.len + 1);
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (u8)(c + 32) : c;
    }
    return str_from(copy, text.len);
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    str line = str_from(data, (isize)(size * count));
    bool has_colon;
    str name = str_split(&line, ':', &has_colon);
    if (has_colon) {
        struct http_client_response *out = transfer->out;
        out->fields = arena_grow(transfer->arena, out->fields, out->field_count,
                                 (isize)sizeof(struct http_field));
        out->fields[out->field_count++] = (struct http_field){
            lower(transfer->arena, str_trim(name)), arena_copy(transfer->arena, str_trim(line))};
    }
    return size * count;
}

/* --- sending
 * -----------------------------------------------------------------------------------------------
 */

void net__curl_start(void)
{
    static struct os_mutex lock = OS_MUTEX_INIT;
    static bool is_ready;
    os_mutex_lock(&lock);
    if (!is_ready) {
        CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
        is_ready = true;
    }
    os_mutex_unlock(&lock);
}

struct http_client *http_client_new(struct os *os)
{
    (void)os;
    net__curl_start();
    struct http_client *client = NEW(struct http_client);
    client->curl = curl_easy_init();
    CHECK(client->curl != NULL);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        mem_free(client);
    }
}

static struct curl_slist *fields_make(const struct http_client_request *request,
                                      struct arena *arena)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (isize i = 0; i < request->field_count; i++) {
        str line = arena_printf(arena, STR_FMT ": " STR_FMT, STR_ARG(request->fields[i].name),
                                STR_ARG(request->fields[i].value));
        list = curl_slist_append(list, (const char *)line.data);
    }
    return list;
}

static void prepare(CURL *curl, const struct http_client_request *request, struct arena *arena,
                    struct transfer *transfer)
{
    long timeout = request->timeout_ms != 0 ? (long)request->timeout_ms : TIMEOUT_MS;
    timeout = request->timeout_ms == HTTP_CLIENT_NO_TIMEOUT ? 0 : timeout;
    curl_easy_reset(curl);
    (void)curl_easy_setopt(curl, CURLOPT_URL, arena_cstr(arena, request->url));
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* Keys of S3 may hold dots. */
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, arena_cstr(arena, request->method));
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_context);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, transfer);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    if (request->is_cancelled != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
        (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    }
    if (str_eq(request->method, STR("HEAD"))) {
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    }
    bool has_body = request->body.len > 0 || str_eq(request->method, STR("POST")) ||
                    str_eq(request->method, STR("PUT"));
    if (has_body) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                               request->body.len > 0 ? (const char *)request->body.data : "");
    }
}

static err failed(CURLcode code, const struct transfer *transfer, str url, struct diag *diag)
{
    if (transfer->is_denied) {
        (void)diag_set(diag, ERR_DENIED, "NET011", STR_FMT " is outside this machine",
                       STR_ARG(url));
        diag_hint(diag, "only --allow-egress lets leat reach other hosts");
        return ERR_DENIED;
    }
    if (transfer->is_too_large) {
        return diag_set(diag, ERR_LIMIT, "NET012", "the answer of " STR_FMT " is too large",
                        STR_ARG(url));
    }
    if (transfer->is_stopped) {
        return ERR_CLOSED;
    }
    if (transfer->bad_ca != NULL) {
        return diag_set(diag, ERR_REMOTE, "NET014", "cannot read certificates from \"%s\"",
                        transfer->bad_ca);
    }
    err e = ERR_REMOTE;
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        (void)diag_set(diag, e, "NET015", "the certificate of " STR_FMT " is not trusted",
                       STR_ARG(url));
        diag_hint(diag, "LEAT_CA_BUNDLE=FILE names certificates to trust; leat cert shows that of "
                        "a leat");
        return e;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        e = ERR_TIMEOUT;
    } else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        e = ERR_INVALID;
    }
    return diag_set(diag, e, "NET013", "cannot reach " STR_FMT ": %s", STR_ARG(url),
                    curl_easy_strerror(code));
}

err http_client_send(struct http_client *client, const struct http_client_request *request,
                     struct arena *arena, struct http_client_response *out, struct diag *diag)
{
    *out = (struct http_client_response){0};
    struct transfer transfer = {
        .curl = client->curl,
        .request = request,
        .arena = arena,
        .out = out,
        .body_bytes_max =
            request->response_bytes_max != 0 ? request->response_bytes_max : RESPONSE_BYTES_MAX,
    };
    prepare(client->curl, request, arena, &transfer);
    struct curl_slist *fields = fields_make(request, arena);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, fields);
    CURLcode code = curl_easy_perform(client->curl);
    err e = OK;
    if (code != CURLE_OK) {
        e = failed(code, &transfer, request->url, diag);
    } else {
        long status = 0;
        (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
        out->status = (int)status;
        out->body = arena_copy(arena, buf_str(&transfer.body));
    }
    curl_slist_free_all(fields);
    buf_deinit(&transfer.body);
    return e;
}
