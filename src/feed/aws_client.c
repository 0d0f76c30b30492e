/* feed/aws_client.c: signs requests (Signature Version 4) and sends them. */
#include "feed/aws_client.h"

#include "base/cal.h"
#include "codec/sigv4.h"

enum { FIELDS_MAX = 12, CALL_FIELDS_MAX = 8 };

struct aws_client {
    struct os *os;
    struct http_client *http;
    struct arena arena; /* Of the texts below. */
    str endpoint, host, region, access_key, secret;
};

struct aws_client *aws_client_new(struct os *os, const struct aws_client_options *options)
{
    struct aws_client *client = NEW(struct aws_client);
    client->os = os;
    client->http = http_client_new(os);
    client->endpoint = arena_copy(&client->arena, str_of(options->endpoint));
    while (str_ends(client->endpoint, STR("/"))) {
        client->endpoint.len--;
    }
    isize scheme = str_find(client->endpoint, STR("://"), 0);
    client->host = str_slice(client->endpoint, scheme < 0 ? 0 : scheme + 3, client->endpoint.len);
    client->region = arena_copy(&client->arena, options->region);
    bool has_key = options->access_key.len > 0;
    client->access_key = arena_copy(&client->arena, has_key ? options->access_key : STR("test"));
    client->secret = arena_copy(&client->arena, has_key ? options->secret : STR("test"));
    return client;
}

void aws_client_free(struct aws_client *client)
{
    if (client != NULL) {
        http_client_free(client->http);
        arena_deinit(&client->arena);
        mem_free(client);
    }
}

static str content_hash(const struct aws_client_request *call, struct arena *arena)
{
    if (strcmp(call->service, "s3") == 0) {
        return STR("UNSIGNED-PAYLOAD");
    }
    u8 hash[SIGV4_HEX_BYTES];
    sigv4_hash(call->body, hash);
    return arena_copy(arena, str_from(hash, SIGV4_HEX_BYTES));
}

err aws_client_call(struct aws_client *client, const struct aws_client_request *call,
                    struct arena *arena, struct http_client_response *out, struct diag *diag)
{
    CHECK(call->field_count <= CALL_FIELDS_MAX);
    str path = call->path.len > 0 ? call->path : STR("/");
    char now[CAL_AMZ_BYTES];
    (void)cal_format_amz(os_wall_us(client->os), now);
    str time = arena_copy(arena, str_of(now)), hash = content_hash(call, arena), authorization;
    struct sigv4_call signing = {
        .method = call->method,
        .path = path,
        .query = call->query,
        .host = client->host,
        .time = time,
        .payload_hash = hash,
        .access_key = client->access_key,
        .secret = client->secret,
        .region = client->region,
        .service = str_of(call->service),
    };
    TRY(sigv4_authorize(arena, &signing, &authorization));
    struct http_field fields[FIELDS_MAX] = {
        {STR("Authorization"), authorization},
        {STR("X-Amz-Date"), time},
        {STR("X-Amz-Content-Sha256"), hash},
    };
    isize count = 3;
    for (isize i = 0; i < call->field_count; i++) {
        fields[count++] = call->fields[i];
    }
    struct http_client_request request = {
        .method = call->method,
        .url = arena_printf(arena, STR_FMT STR_FMT "%s" STR_FMT, STR_ARG(client->endpoint),
                            STR_ARG(path), call->query.len > 0 ? "?" : "", STR_ARG(call->query)),
        .fields = fields,
        .field_count = count,
        .body = call->body,
        .timeout_ms = call->timeout_ms,
        .on_body = call->on_body,
        .on_body_ctx = call->on_body_ctx,
        .is_cancelled = call->is_cancelled,
    };
    return http_client_send(client->http, &request, arena, out, diag);
}

/* --- helpers
 * --------------------------------------------------------------------------------------------- */

str aws_s3_path(struct arena *arena, str bucket, str key)
{
    struct buf out = {0};
    buf_append_byte(&out, '/');
    buf_append_percent(&out, bucket, false);
    if (key.len > 0) {
        buf_append_byte(&out, '/');
        buf_append_percent(&out, key, true);
    }
    str path = arena_copy(arena, buf_str(&out));
    buf_deinit(&out);
    return path;
}

str aws_response_field(const struct http_client_response *response, const char *name)
{
    for (isize i = 0; i < response->field_count; i++) {
        if (str_eq(response->fields[i].name, str_of(name))) {
            return response->fields[i].value;
        }
    }
    return STR_EMPTY;
}

bool aws_s3_url_split(str url, str *bucket_out, str *key_out)
{
    if (!str_starts(url, STR("s3://"))) {
        return false;
    }
    str rest = str_slice(url, 5, url.len);
    bool has_key;
    *bucket_out = str_split(&rest, '/', &has_key);
    *key_out = has_key ? rest : STR_EMPTY;
    return true;
}
