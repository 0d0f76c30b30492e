/* connect/common/aws_call.c: sign, send, and tell what a failure means. */
#include "connect/common/aws_call.h"

#include "base/cal.h"
#include "codec/sigv4.h"

#include <stdio.h>

enum { FIELDS_MAX = 24, MESSAGE_CHARS = 300 };

struct aws_call {
    const struct connect_env *env;
    struct http_client *client;
    struct arena arena; /* Of the strings. */
    const char *service;
    str endpoint; /* Empty: this process. */
    str region, access_key, secret, account;
};

static bool is_url(str text)
{
    return str_starts(text, STR("http://")) || str_starts(text, STR("https://"));
}

err aws_call_check(const struct connect_table *table, struct diag *diag)
{
    static const char *const providers[] = {"AUTO", "BASIC", NULL};
    TRY(connect_one_of(table, "aws.credentials.provider", providers, diag));
    str endpoint = connect_get(table, "aws.endpoint", STR_EMPTY);
    if (endpoint.len == 0) {
        return OK;
    }
    if (!is_url(endpoint)) {
        return diag_set(diag, ERR_INVALID, "CON040", "'aws.endpoint' is no URL: " STR_FMT,
                        STR_ARG(endpoint));
    }
    bool has_keys = connect_get(table, "aws.credentials.basic.accesskeyid", STR_EMPTY).len > 0 &&
                    connect_get(table, "aws.credentials.basic.secretkey", STR_EMPTY).len > 0;
    if (!has_keys) {
        (void)diag_set(diag, ERR_INVALID, "CON041",
                       "'aws.endpoint' needs 'aws.credentials.basic.accesskeyid' and "
                       "'aws.credentials.basic.secretkey'");
        diag_hint(diag, "keys of the environment are never sent anywhere; without 'aws.endpoint' "
                        "the table is in this leat");
        return ERR_INVALID;
    }
    return OK;
}

struct aws_call *aws_call_new(const struct connect_table *table, const char *service,
                              const struct connect_schema *schema, const struct connect_env *env)
{
    struct aws_call *call = NEW(struct aws_call);
    call->env = env;
    call->service = service;
    str endpoint = connect_get(table, "aws.endpoint", STR_EMPTY);
    while (str_ends(endpoint, STR("/"))) {
        endpoint.len--;
    }
    call->endpoint = arena_copy(&call->arena, endpoint);
    call->region = arena_copy(&call->arena, connect_get(table, "aws.region", schema->region));
    call->account = arena_copy(&call->arena, schema->account);
    call->access_key = arena_copy(
        &call->arena, connect_get(table, "aws.credentials.basic.accesskeyid", STR_EMPTY));
    call->secret =
        arena_copy(&call->arena, connect_get(table, "aws.credentials.basic.secretkey", STR_EMPTY));
    return call;
}

void aws_call_free(struct aws_call *call)
{
    if (call != NULL) {
        http_client_free(call->client);
        arena_deinit(&call->arena);
        mem_free(call);
    }
}

str aws_call_region(const struct aws_call *call)
{
    return call->region;
}

str aws_call_xml(str body, const char *name)
{
    char tag[64];
    (void)snprintf(tag, sizeof tag, "<%s>", name);
    isize start = str_find(body, str_of(tag), 0);
    if (start < 0) {
        return STR_EMPTY;
    }
    start += (isize)strlen(tag);
    (void)snprintf(tag, sizeof tag, "</%s>", name);
    isize end = str_find(body, str_of(tag), start);
    return end < 0 ? STR_EMPTY : str_slice(body, start, end);
}

/* --- signing ------------------------------------------------------------------------------- */

struct signing {
    struct http_field *fields;
    isize count;
};

static str keys_pick(const struct aws_call *call, str *secret_out)
{
    if (call->endpoint.len > 0) {
        *secret_out = call->secret;
        return call->access_key;
    }
    bool has_own = call->env->access_key.len > 0;
    *secret_out = has_own ? call->env->secret : STR("leat");
    return has_own ? call->env->access_key : call->account;
}

/* "HOST" of "http://HOST/..." */
static str host_of(str url)
{
    isize from = str_find(url, STR("://"), 0) + 3;
    isize slash = str_find_byte(url, '/', from);
    return str_slice(url, from, slash < 0 ? url.len : slash);
}

static err sign(struct aws_call *call, const struct aws_call_request *request, str endpoint,
                struct arena *arena, struct signing *s)
{
    char now[CAL_AMZ_BYTES];
    (void)cal_format_amz(os_wall_us(call->env->os), now);
    u8 *hash = arena_alloc(arena, SIGV4_HEX_BYTES);
    struct sigv4_call signing = {
        .method = str_of(request->method),
        .path = request->path,
        .query = request->query,
        .host = host_of(endpoint),
        .time = arena_copy(arena, str_of(now)),
        .payload_hash = STR("UNSIGNED-PAYLOAD"),
        .region = call->region,
        .service = str_of(call->service),
    };
    signing.access_key = keys_pick(call, &signing.secret);
    if (!request->is_unsigned_payload) {
        sigv4_hash(request->body, hash);
        signing.payload_hash = str_from(hash, SIGV4_HEX_BYTES);
    }
    s->fields = ARENA_ARRAY(arena, struct http_field, FIELDS_MAX);
    CHECK(request->field_count + 3 <= FIELDS_MAX);
    for (isize i = 0; i < request->field_count; i++) {
        s->fields[s->count++] = request->fields[i];
        if (str_eq_nocase(request->fields[i].name, STR("x-amz-target"))) {
            signing.target = request->fields[i].value;
        }
    }
    str authorization;
    TRY(sigv4_authorize(arena, &signing, &authorization));
    s->fields[s->count++] = (struct http_field){STR("x-amz-date"), signing.time};
    s->fields[s->count++] = (struct http_field){STR("x-amz-content-sha256"), signing.payload_hash};
    s->fields[s->count++] = (struct http_field){STR("authorization"), authorization};
    return OK;
}

/* --- what a failure means ------------------------------------------------------------------ */

/* {"__type": "...#Code", "message": "..."} or XML. */
static void problem_read(const struct http_client_response *response, str *code_out,
                         str *message_out)
{
    *code_out = aws_call_xml(response->body, "Code");
    *message_out = aws_call_xml(response->body, "Message");
    if (code_out->len == 0) {
        *message_out = str_slice(response->body, 0, MESSAGE_CHARS);
    }
}

static bool is_mendable(int status, str code, str message)
{
    static const char *const words[] = {"Throttl",       "SlowDown",     "RequestTimeout",
                                        "Expired",       "NoSuchBucket", "RequestTimeTooSkewed",
                                        "LimitExceeded", "NotFound"};
    if (status >= 500 || status == 429 || status == 408 || status == 403 || status == 404) {
        return true;
    }
    for (isize i = 0; i < COUNT_OF(words); i++) {
        if (str_find(code, str_of(words[i]), 0) >= 0 ||
            (code.len == 0 && str_find(message, str_of(words[i]), 0) >= 0)) {
            return true;
        }
    }
    return false;
}

static enum connect_verdict judge(const struct aws_call *call, str endpoint,
                                  const struct http_client_response *response, struct diag *diag)
{
    if (response->status / 100 == 2) {
        return CONNECT_OK;
    }
    str code, message;
    problem_read(response, &code, &message);
    (void)diag_set(diag, ERR_REMOTE, "CON042",
                   "%s at " STR_FMT " answered %d " STR_FMT ": " STR_FMT, call->service,
                   STR_ARG(endpoint), response->status, STR_ARG(code), STR_ARG(message));
    return is_mendable(response->status, code, message) ? CONNECT_RETRY : CONNECT_FATAL;
}

enum connect_verdict aws_call_send(struct aws_call *call, const struct aws_call_request *request,
                                   struct arena *arena, struct http_client_response *out,
                                   struct diag *diag)
{
    if (call->client == NULL) {
        call->client = http_client_new(call->env->os);
    }
    str endpoint = call->endpoint.len > 0 ? call->endpoint : str_of(call->env->endpoint);
    struct signing signing = {0};
    err e = sign(call, request, endpoint, arena, &signing);
    if (e != OK) {
        (void)diag_set(diag, e, "CON043", "the request cannot be signed: %s", err_text(e));
        return CONNECT_FATAL;
    }
    struct http_client_request http = {
        .method = str_of(request->method),
        .url = arena_printf(arena, STR_FMT STR_FMT "%s" STR_FMT, STR_ARG(endpoint),
                            STR_ARG(request->path), request->query.len > 0 ? "?" : "",
                            STR_ARG(request->query)),
        .fields = signing.fields,
        .field_count = signing.count,
        .body = request->body,
    };
    struct diag problem;
    diag_init(&problem);
    e = http_client_send(call->client, &http, arena, out, &problem);
    if (e != OK) {
        (void)diag_set(diag, e, "CON044", "%s at " STR_FMT " cannot be reached: %s", call->service,
                       STR_ARG(endpoint), diag_is_set(&problem) ? problem.message : err_text(e));
        return CONNECT_RETRY;
    }
    return judge(call, endpoint, out, diag);
}
