/* cli/api.c */
#include "cli/api.h"

#include "cli/term.h"
#include "net/client.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>

/* Without the slashes at its end, as the AWS SDKs take it. */
static const char *endpoint_trim(const char *given)
{
    static char trimmed[2048];
    str text = str_of(given);
    while (str_ends(text, STR("/"))) {
        text = str_slice(text, 0, text.len - 1);
    }
    bool is_bare = text.len == str_of(given).len || text.len >= (isize)sizeof trimmed;
    if (!is_bare && trimmed[0] == '\0') {
        str_copy_cstr(text, trimmed, (isize)sizeof trimmed);
    }
    return is_bare ? given : trimmed;
}

const char *api_endpoint(void)
{
    const char *own = os_getenv("LEAT_ENDPOINT"), *aws = os_getenv("AWS_ENDPOINT_URL");
    if (own != NULL && own[0] != '\0') {
        return endpoint_trim(own);
    }
    return aws != NULL && aws[0] != '\0' ? endpoint_trim(aws) : "http://127.0.0.1:4566";
}

const char *api_region(const struct option *option)
{
    const char *name;
    if (option != NULL && option->text != NULL) {
        return option->text;
    }
    const char *value = option_env_region(&name);
    return value != NULL ? value : "us-east-1";
}

void api_segment(struct buf *path, str segment)
{
    buf_append_percent(path, segment, false);
}

void api_param(struct buf *path, const char *name, str value)
{
    buf_append_byte(path, str_find_byte(buf_str(path), '?', 0) < 0 ? '?' : '&');
    buf_printf(path, "%s=", name);
    api_segment(path, value);
}

void api_stream_path(struct buf *path, const char *name, const char *tail, const char *region)
{
    buf_append(path, STR("/_leat/api/streams/"));
    api_segment(path, str_of(name));
    buf_append(path, str_of(tail));
    api_param(path, "region", str_of(region));
}

const char *api_shard_id(const char *text, char out[API_SHARD_ID_BYTES])
{
    isize digits = str_of(text).len;
    bool is_number = digits > 0 && digits <= 12 && strspn(text, "0123456789") == (size_t)digits;
    if (!is_number) {
        return text;
    }
    (void)snprintf(out, API_SHARD_ID_BYTES, "shardId-%.*s%s", (int)(12 - digits), "000000000000",
                   text);
    return out;
}

const char *api_path(struct buf *path)
{
    buf_append_byte(path, '\0');
    return (const char *)path->data;
}

void api_member(struct buf *body, const char *name, str value)
{
    if (value.len > 0) {
        buf_printf(body, "%s\"%s\":", body->data[body->len - 1] == '{' ? "" : ",", name);
        json_write_string(body, value);
    }
}

/* --- sending
 * ----------------------------------------------------------------------------------------- */

static void put_items(struct buf *out, const struct json_value *value)
{
    bool is_object = value->kind == JSON_OBJECT;
    for (const struct json_value *item = value->first; item != NULL; item = item->next) {
        buf_append(out, item == value->first ? STR_EMPTY : STR(","));
        if (is_object) {
            json_write_string(out, item->name);
            buf_append_byte(out, ':');
        }
        api_put_json(out, item);
    }
}

void api_put_json(struct buf *out, const struct json_value *value)
{
    switch (json_kind(value)) {
    case JSON_NUMBER:
        buf_append(out, json_text(value));
        break;
    case JSON_STRING:
        json_write_string(out, json_text(value));
        break;
    case JSON_TRUE:
        buf_append(out, STR("true"));
        break;
    case JSON_FALSE:
        buf_append(out, STR("false"));
        break;
    case JSON_ARRAY:
        buf_append_byte(out, '[');
        put_items(out, value);
        buf_append_byte(out, ']');
        break;
    case JSON_BYTES:
    case JSON_OBJECT:
        buf_append_byte(out, '{');
        put_items(out, value);
        buf_append_byte(out, '}');
        break;
    case JSON_NULL:
    default:
        buf_append(out, STR("null"));
    }
}

static int code_of(str code)
{
    static const char *const sql[] = {"SQL",    "FUN",    "CON",    "ENG01",  "ENG06", "ENG032",
                                      "ENG034", "ENG071", "ENG077", "ENG078", "ENG079"};
    for (int i = 0; i < COUNT_OF(sql); i++) {
        if (str_starts(code, str_of(sql[i]))) {
            return EXIT_SQL;
        }
    }
    if (str_eq(code, STR("ENG041"))) {
        return EXIT_USAGE;
    }
    return str_eq(code, STR("ENG031")) ? EXIT_ABSENT : EXIT_FAILED;
}

int api_error_print(const struct json_value *error)
{
    str text = json_get_text(error, STR("rendered")), head = STR("error");
    (void)fflush(stdout);
    if (print_errors_are_json()) {
        struct buf out = {0};
        api_put_json(&out, error);
        (void)fprintf(stderr, "{\"error\":" STR_FMT "}\n", STR_ARG(buf_str(&out)));
        buf_deinit(&out);
    } else if (term_has_colour(2) && str_starts(text, head)) {
        (void)fprintf(stderr, "\033[1;31merror\033[0m" STR_FMT,
                      STR_ARG(str_slice(text, head.len, text.len)));
    } else {
        (void)fprintf(stderr, STR_FMT, STR_ARG(text));
    }
    return code_of(json_get_text(error, STR("code")));
}

/* The text for people when the answer is an error of the API's, else the status. */
static int answer_failed(struct arena *arena, int status, str text)
{
    const struct json_value *body = json_parse_request(arena, text);
    const struct json_value *error = json_get(body, STR("error"));
    str message = json_get_text(error, STR("message"));
    str hint = json_get_text(error, STR("hint"));
    if (json_get(error, STR("line")) != NULL) { /* It points into what was written. */
        return api_error_print(error);
    }
    if (message.len == 0) {
        message = json_get_text(body, STR("message"));
    }
    if (message.len > 0) {
        print_error(hint.len > 0 ? arena_cstr(arena, hint) : NULL, STR_FMT, STR_ARG(message));
    } else {
        print_error(NULL, "the server answered with status %d", status);
    }
    str code = json_get_text(error, STR("code"));
    if (status == 404) {
        return EXIT_ABSENT;
    }
    /* Options of `stream create` and `replay` that the server has looked at. */
    if (status == 400 && (str_eq(code, STR("API005")) || str_starts(code, STR("FEED01")))) {
        return EXIT_USAGE;
    }
    return status >= 500 ? EXIT_REMOTE : code_of(code);
}

int api_unreachable(const struct diag *diag)
{
    print_error(diag->hint[0] != '\0'
                    ? diag->hint
                    : "is it running? leat start starts it; LEAT_ENDPOINT says where it is",
                "%s", diag->message);
    return EXIT_REMOTE;
}

static const struct http_field json_field = {{(const u8 *)"Content-Type", 12},
                                             {(const u8 *)"application/json", 16}};

static err send(struct arena *arena, const char *method, const char *path, str body,
                struct http_client_request *request, struct http_client_response *out,
                struct diag *diag)
{
    struct http_client *client = http_client_new(os_real());
    request->method = str_of(method);
    request->url = arena_printf(arena, "%s%s", api_endpoint(), path);
    request->fields = &json_field;
    request->field_count = body.len > 0 ? 1 : 0;
    request->body = body;
    diag_init(diag);
    err e = http_client_send(client, request, arena, out, diag);
    http_client_free(client);
    return e;
}

int api_call(struct arena *arena, const char *method, const char *path, str body, str *out)
{
    struct http_client_request request = {0};
    struct http_client_response response;
    struct diag diag;
    if (send(arena, method, path, body, &request, &response, &diag) != OK) {
        return api_unreachable(&diag);
    }
    if (response.status != 200) {
        return answer_failed(arena, response.status, response.body);
    }
    *out = response.body;
    return EXIT_OK;
}

int api_json(struct arena *arena, const char *method, const char *path, str body,
             const struct json_value **out)
{
    str text = STR_EMPTY;
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

int api_show(const char *method, struct buf *path, str body, const struct option *output,
             void (*print)(const struct json_value *answer, const void *ctx), const void *ctx)
{
    struct arena arena = {0};
    str text = STR_EMPTY;
    int code = api_call(&arena, method, api_path(path), body, &text);
    if (code == EXIT_OK && option_is_json(output)) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
    } else if (code == EXIT_OK) {
        print(json_parse_request(&arena, text), ctx);
    }
    buf_deinit(path);
    arena_deinit(&arena);
    return code;
}

bool api_answers(struct arena *arena, const char *path, str *out)
{
    struct http_client_request request = {.timeout_ms = 2000};
    struct http_client_response response;
    struct diag diag;
    err e = send(arena, "GET", path, STR_EMPTY, &request, &response, &diag);
    *out = e == OK ? response.body : STR_EMPTY;
    return e == OK && response.status == 200;
}

/* --- answers that go on
 * --------------------------------------------------------------------------------- */

struct lines {
    struct http_client_response response; /* Its status is known when the body begins. */
    struct buf text;                      /* What has no line feed yet; or the error's body. */
    bool (*on_line)(void *ctx, str line);
    void *ctx;
    bool is_done, is_again;
};

static bool take_lines(struct lines *lines)
{
    isize start = 0, end;
    bool goes_on = true;
    str text = buf_str(&lines->text);
    while (goes_on && (end = str_find_byte(text, '\n', start)) >= 0) {
        goes_on = lines->on_line(lines->ctx, str_slice(text, start, end));
        start = end + 1;
    }
    memmove(lines->text.data, lines->text.data + start, (size_t)(lines->text.len - start));
    lines->text.len -= start;
    lines->is_done = !goes_on;
    return goes_on;
}

static bool on_piece(void *ctx, str data)
{
    struct lines *lines = ctx;
    buf_append(&lines->text, data);
    return lines->response.status != 200 || take_lines(lines);
}

static int lines_read(const char *method, const char *path, str body, struct lines *lines,
                      bool *is_lost_out)
{
    struct arena arena = {0};
    struct http_client_request request = {
        .timeout_ms = HTTP_CLIENT_NO_TIMEOUT,
        .on_body = on_piece,
        .on_body_ctx = lines,
        .is_cancelled = os_interrupt_is_set,
    };
    struct diag diag;
    err e = send(&arena, method, path, body, &request, &lines->response, &diag);
    int code = EXIT_OK;
    bool is_lost = (e != OK && !lines->is_done) ||
                   (e == OK && lines->response.status == 503 && lines->is_again);
    if (os_interrupt_is_set()) {
        code = EXIT_INTERRUPTED;
    } else if (is_lost && is_lost_out != NULL) {
        *is_lost_out = true;
        code = EXIT_REMOTE;
    } else if (e == OK && lines->response.status != 200) {
        code = answer_failed(&arena, lines->response.status, buf_str(&lines->text));
    } else if (e == OK && lines->text.len > 0) {
        (void)lines->on_line(lines->ctx, buf_str(&lines->text));
    } else if (e != OK && !lines->is_done) {
        code = api_unreachable(&diag);
    }
    buf_deinit(&lines->text);
    arena_deinit(&arena);
    return code;
}

int api_lines(const char *method, const char *path, str body, bool (*on_line)(void *ctx, str line),
              void *ctx)
{
    struct lines lines = {.on_line = on_line, .ctx = ctx};
    return lines_read(method, path, body, &lines, NULL);
}

int api_lines_or_lost(const char *path, bool is_again, bool (*on_line)(void *ctx, str line),
                      void *ctx, bool *is_lost_out)
{
    struct lines lines = {.on_line = on_line, .ctx = ctx, .is_again = is_again};
    *is_lost_out = false;
    return lines_read("GET", path, STR_EMPTY, &lines, is_lost_out);
}
