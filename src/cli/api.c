/* cli/api.c */
#include "cli/api.h"

#include "net/client.h"

#include <stdio.h>

const char *api_endpoint(void)
{
    const char *own = os_getenv("LEAT_ENDPOINT"), *aws = os_getenv("AWS_ENDPOINT_URL");
    if (own != NULL && own[0] != '\0') {
        return own;
    }
    return aws != NULL && aws[0] != '\0' ? aws : "http://127.0.0.1:4566";
}

const char *api_region(const struct option *option)
{
    const char *names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    if (option != NULL && option->text != NULL) {
        return option->text;
    }
    for (int i = 0; i < 2; i++) {
        const char *value = os_getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return value;
        }
    }
    return "us-east-1";
}

/* The text for people when the answer is an error of the API's, else the status. */
static int answer_failed(struct arena *arena, const struct http_client_response *response)
{
    const struct json_value *body = json_parse_request(arena, response->body);
    const struct json_value *error = json_get(body, STR("error"));
    str message = json_get_text(error, STR("message"));
    str hint = json_get_text(error, STR("hint"));
    if (message.len > 0) {
        print_error(hint.len > 0 ? arena_cstr(arena, hint) : NULL, STR_FMT, STR_ARG(message));
    } else {
        print_error(NULL, "the server answered with status %d", response->status);
    }
    return response->status == 404 ? EXIT_ABSENT : EXIT_FAILED;
}

int api_call(struct arena *arena, const char *method, const char *path, str body, str *out)
{
    struct http_client *client = http_client_new(os_real());
    struct http_field field = {STR("Content-Type"), STR("application/json")};
    struct http_client_request request = {
        .method = str_of(method),
        .url = arena_printf(arena, "%s%s", api_endpoint(), path),
        .fields = &field,
        .field_count = body.len > 0 ? 1 : 0,
        .body = body,
    };
    struct http_client_response response;
    struct diag diag;
    diag_init(&diag);
    err e = http_client_send(client, &request, arena, &response, &diag);
    http_client_free(client);
    if (e != OK) {
        print_error("is it running? leat start starts it; LEAT_ENDPOINT says where it is", "%s",
                    diag.message);
        return EXIT_REMOTE;
    }
    if (response.status != 200) {
        return answer_failed(arena, &response);
    }
    *out = response.body;
    return EXIT_OK;
}

int api_json(struct arena *arena, const char *method, const char *path, str body,
             const struct json_value **out)
{
    str text;
    int code = api_call(arena, method, path, body, &text);
    if (code != EXIT_OK) {
        return code;
    }
    *out = json_parse_request(arena, text);
    if (*out == NULL) {
        print_error(NULL, "the server's answer is not JSON");
        return EXIT_REMOTE;
    }
    return EXIT_OK;
}
