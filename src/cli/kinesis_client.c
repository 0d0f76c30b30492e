/* cli/kinesis_client.c */
#include "cli/kinesis_client.h"

#include "cli/api.h"
#include "cli/options.h"
#include "os/os.h"

#include <stdio.h>

struct aws_client *kinesis_client_new(const char *region)
{
    struct aws_client_options options = {
        .endpoint = api_endpoint(),
        .region = str_of(region),
        .access_key = str_of(os_getenv("LEAT_ACCESS_KEY_ID")),
        .secret = str_of(os_getenv("LEAT_SECRET_ACCESS_KEY")),
    };
    return aws_client_new(os_real(), &options);
}

struct aws_client_request kinesis_request(struct arena *arena, const char *operation, str body)
{
    struct http_field *fields = ARENA_ARRAY(arena, struct http_field, 2);
    fields[0] = (struct http_field){STR("Content-Type"), STR("application/x-amz-json-1.1")};
    fields[1] = (struct http_field){STR("X-Amz-Target"),
                                    arena_printf(arena, "Kinesis_20131202.%s", operation)};
    return (struct aws_client_request){
        .service = "kinesis",
        .method = STR("POST"),
        .fields = fields,
        .field_count = 2,
        .body = body,
    };
}

int kinesis_failed(struct arena *arena, int status, str body)
{
    const struct json_value *answer = json_parse_request(arena, body);
    str type = json_get_text(answer, STR("__type"));
    str text = json_get_text(answer, STR("message"));
    if (text.len == 0) {
        print_error(NULL, "the server answered with status %d " STR_FMT, status, STR_ARG(type));
    } else {
        print_error(NULL, STR_FMT, STR_ARG(text));
    }
    if (str_eq(type, STR("ResourceNotFoundException"))) {
        return EXIT_ABSENT;
    }
    bool is_usage =
        str_eq(type, STR("ValidationException")) || str_eq(type, STR("InvalidArgumentException"));
    return is_usage ? EXIT_USAGE : EXIT_FAILED;
}

int kinesis_no_stream(const char *name, const char *region)
{
    char hint[512];
    (void)snprintf(hint, sizeof hint, "leat stream create %s --region %s makes one", name, region);
    print_error(hint, "there is no stream \"%s\" in %s", name, region);
    return EXIT_ABSENT;
}

int kinesis_call(struct aws_client *client, struct arena *arena, const char *operation, str body,
                 const struct json_value **out)
{
    struct diag diag;
    diag_init(&diag);
    struct http_client_response answer;
    struct aws_client_request request = kinesis_request(arena, operation, body);
    if (aws_client_call(client, &request, arena, &answer, &diag) != OK) {
        return api_unreachable(&diag);
    }
    if (answer.status != 200) {
        return kinesis_failed(arena, answer.status, answer.body);
    }
    *out = answer.body.len == 0 ? NULL : json_parse_request(arena, answer.body);
    if (answer.body.len > 0 && json_kind(*out) != JSON_OBJECT) {
        print_error(NULL, "the answer to %s is no JSON object", operation);
        return EXIT_REMOTE;
    }
    return EXIT_OK;
}

int kinesis_stream_arn(struct aws_client *client, struct arena *arena, const char *name,
                       str *arn_out)
{
    struct buf body = {0};
    const struct json_value *answer = NULL;
    buf_append_byte(&body, '{');
    api_member(&body, "StreamName", str_of(name));
    buf_append_byte(&body, '}');
    int code = kinesis_call(client, arena, "DescribeStreamSummary", buf_str(&body), &answer);
    const struct json_value *summary = json_get(answer, STR("StreamDescriptionSummary"));
    *arn_out = json_get_text(summary, STR("StreamARN"));
    buf_deinit(&body);
    return code;
}
