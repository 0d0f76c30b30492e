/* cli/demo_setup.c: bucket, object, streams, topic, jobs, replay: each by the call that a user
 * would make. */
#include "base/cal.h"
#include "cli/api.h"
#include "cli/demo_int.h"
#include "cli/s3_upload.h"
#include "feed/aws_client.h"

#include <stdio.h>

enum { ATTEMPTS = 100, ATTEMPT_MS = 50, ROW_MAX = 1000 };

/* --- services
 * --------------------------------------------------------------------------------------------- */

static struct aws_client *client_new(const struct demo *demo)
{
    struct aws_client_options options = {.endpoint = demo->endpoint, .region = STR(DEMO_REGION)};
    options.access_key = str_of(os_getenv("LEAT_ACCESS_KEY_ID"));
    options.secret = str_of(os_getenv("LEAT_SECRET_ACCESS_KEY"));
    return aws_client_new(os_real(), &options);
}

static int call(const struct demo *demo, const struct aws_client_request *request,
                struct arena *arena, str *out)
{
    struct aws_client *client = client_new(demo);
    struct http_client_response answer = {0};
    struct diag diag;
    diag_init(&diag);
    err e = aws_client_call(client, request, arena, &answer, &diag);
    aws_client_free(client);
    if (e != OK) {
        print_error(NULL, "%s", diag.message);
        return EXIT_REMOTE;
    }
    if (answer.status / 100 != 2) {
        print_error(NULL, "%s answered with status %d: " STR_FMT, request->service, answer.status,
                    STR_ARG(answer.body));
        return EXIT_REMOTE;
    }
    *out = answer.body;
    return EXIT_OK;
}

static int bucket_create(const struct demo *demo, const char *name)
{
    struct arena arena = {0};
    str answer;
    struct aws_client_request request = {.service = "s3",
                                         .method = STR("PUT"),
                                         .path = aws_s3_path(&arena, str_of(name), STR_EMPTY)};
    int code = call(demo, &request, &arena, &answer);
    arena_deinit(&arena);
    return code;
}

static int dataset_upload(const struct demo *demo)
{
    struct feed_options options = {.seed = 1, .rows = demo->rows, .layout = FEED_LAYOUT_47};
    struct byte_source *source = byte_source_generate(&options);
    int code = s3_upload(demo->endpoint, DEMO_REGION, STR(DEMO_BUCKET), STR(DEMO_KEY), source);
    byte_source_free(source);
    return code;
}

static int stream_create(const char *name)
{
    struct arena arena = {0};
    str answer;
    str body = arena_printf(&arena, "{\"name\":\"%s\",\"region\":\"%s\"}", name, DEMO_REGION);
    int code = api_call(&arena, "POST", "/_leat/api/streams", body, &answer);
    arena_deinit(&arena);
    return code;
}

/* --- the topic, and its subscriber
 * ------------------------------------------------------------------------ */

static int sns(const struct demo *demo, const char *form)
{
    struct arena arena = {0};
    str answer;
    struct http_field field = {STR("Content-Type"), STR("application/x-www-form-urlencoded")};
    struct aws_client_request request = {.service = "sns",
                                         .method = STR("POST"),
                                         .fields = &field,
                                         .field_count = 1,
                                         .body = str_of(form)};
    int code = call(demo, &request, &arena, &answer);
    arena_deinit(&arena);
    return code;
}

/* The link in the newest mail of the inbox; empty when there is none yet. */
static str confirm_url(struct arena *arena, int *code_out)
{
    const struct json_value *inbox = NULL;
    *code_out = api_json(arena, "GET", "/_aws/sns/inbox?region=" DEMO_REGION "&limit=10", STR_EMPTY,
                         &inbox);
    for (const struct json_value *mail = json_first(json_get(inbox, STR("messages"))); mail != NULL;
         mail = json_next(mail)) {
        const struct json_value *body = json_parse_request(arena, json_get_text(mail, STR("body")));
        str url = json_get_text(body, STR("SubscribeURL"));
        if (url.len > 0) {
            return url;
        }
    }
    return STR_EMPTY;
}

/* Visits the link as the person would who got the mail. */
static int subscription_confirm(void)
{
    struct arena arena = {0};
    int code = EXIT_OK;
    str url = confirm_url(&arena, &code);
    for (int i = 0; i < ATTEMPTS && code == EXIT_OK && url.len == 0; i++) {
        os_sleep_ms(os_real(), ATTEMPT_MS);
        url = confirm_url(&arena, &code);
    }
    if (code == EXIT_OK && url.len == 0) {
        print_error(NULL, "no mail with a link to confirm the subscription came");
        code = EXIT_FAILED;
    }
    if (code == EXIT_OK) {
        struct http_client *http = http_client_new(os_real());
        struct http_client_request request = {.method = STR("GET"), .url = url};
        struct http_client_response answer = {0};
        struct diag diag;
        diag_init(&diag);
        err e = http_client_send(http, &request, &arena, &answer, &diag);
        http_client_free(http);
        if (e != OK || answer.status != 200) {
            print_error(NULL, "the subscription cannot be confirmed: %s",
                        e != OK ? diag.message : "the link is refused");
            code = EXIT_FAILED;
        }
    }
    arena_deinit(&arena);
    return code;
}

static int topic_make(const struct demo *demo)
{
    int code = sns(demo, "Action=CreateTopic&Version=2010-03-31&Name=" DEMO_TOPIC);
    if (code == EXIT_OK) {
        code = sns(demo, "Action=Subscribe&Version=2010-03-31&Protocol=email-json"
                         "&Endpoint=operator%40example.com&TopicArn=arn%3Aaws%3Asns%3A" DEMO_REGION
                         "%3A000000000000%3A" DEMO_TOPIC);
    }
    return code == EXIT_OK ? subscription_confirm() : code;
}

/* --- jobs and replay
 * ----------------------------------------------------------------------------------------- */

/* Runs a script; prints its error. */
static int job_start(const char *file, const char *sql)
{
    struct arena arena = {0};
    struct buf body = {0};
    str answer;
    buf_append(&body, STR("{\"region\":\"" DEMO_REGION "\",\"file\":"));
    json_write_string(&body, str_of(file));
    buf_append(&body, STR(",\"sql\":"));
    json_write_string(&body, str_of(sql));
    buf_append_byte(&body, '}');
    int code = api_call(&arena, "POST", "/_leat/api/sql", buf_str(&body), &answer);
    while (code == EXIT_OK && answer.len > 0) {
        const struct json_value *line = json_parse_request(&arena, str_split(&answer, '\n', NULL));
        if (str_eq(json_get_text(line, STR("type")), STR("error"))) {
            code = api_error_print(json_get(line, STR("error")));
        }
    }
    buf_deinit(&body);
    arena_deinit(&arena);
    return code;
}

static int jobs_start(void)
{
    const struct {
        const char *file, *sql;
    } scripts[] = {
        {"founding.sql", demo_founding_sql},
        {"archive.sql", demo_archive_sql},
        {"metrics.sql", demo_metrics_sql},
        {"alerts.sql", demo_alerts_sql},
    };
    for (int i = 0; i < COUNT_OF(scripts); i++) {
        int code = job_start(scripts[i].file, scripts[i].sql);
        if (code != EXIT_OK) {
            return code;
        }
    }
    return EXIT_OK;
}

static int replay_start(struct demo *demo)
{
    struct arena arena = {0};
    const struct json_value *answer = NULL;
    str body = arena_printf(&arena,
                            "{\"source\":\"s3\",\"bucket\":\"%s\",\"key\":\"%s\",\"stream\":\"%s\","
                            "\"region\":\"%s\",\"indent\":4,\"rate\":%lld,\"passes\":%llu}",
                            DEMO_BUCKET, DEMO_KEY, DEMO_STREAM_ONE, DEMO_REGION,
                            (long long)demo->rate, (unsigned long long)demo->passes);
    int code = api_json(&arena, "POST", "/_leat/api/replays", body, &answer);
    str id = json_get_text(json_get(answer, STR("replay")), STR("id"));
    str_copy_cstr(id, demo->replay_id, (isize)sizeof demo->replay_id);
    arena_deinit(&arena);
    return code;
}

static int step(const char *what, int code)
{
    if (code == EXIT_OK) {
        (void)printf("  %s\n", what);
        (void)fflush(stdout);
    }
    return code;
}

int demo_setup(struct demo *demo)
{
    char text[200];
    int code = step("bucket    s3://" DEMO_BUCKET, bucket_create(demo, DEMO_BUCKET));
    (void)snprintf(text, sizeof text, "object    " DEMO_KEY ", %llu synthetic rows",
                   (unsigned long long)demo->rows);
    code = code != EXIT_OK ? code : step(text, dataset_upload(demo));
    code = code != EXIT_OK
               ? code
               : step("archive   s3://" DEMO_ARCHIVE, bucket_create(demo, DEMO_ARCHIVE));
    code =
        code != EXIT_OK ? code : step("stream    " DEMO_STREAM_ONE, stream_create(DEMO_STREAM_ONE));
    code =
        code != EXIT_OK ? code : step("stream    " DEMO_STREAM_TWO, stream_create(DEMO_STREAM_TWO));
    code = code != EXIT_OK ? code
                           : step("topic     " DEMO_TOPIC ", subscribed by email-json, confirmed",
                                  topic_make(demo));
    code = code != EXIT_OK
               ? code
               : step("jobs      founding.sql, archive.sql, metrics.sql, alerts.sql", jobs_start());
    return code != EXIT_OK ? code
                           : step("replay    of the object into stream 1", replay_start(demo));
}

/* A window closes when a later row comes. */
int demo_close_windows(struct demo *demo)
{
    struct arena arena = {0};
    const struct json_value *answer = NULL;
    struct buf row = {0};
    str body = STR("{\"source\":\"push\",\"name\":\"closing row\",\"stream\":\"" DEMO_STREAM_ONE
                   "\",\"region\":\"" DEMO_REGION "\"}");
    int code = api_json(&arena, "POST", "/_leat/api/replays", body, &answer);
    str id = json_get_text(json_get(answer, STR("replay")), STR("id"));
    buf_append(&row, STR("ID,Severity,City,County\nclosing,3,Nowhere,Nowhere\n"));
    str path = arena_printf(&arena, "/_leat/api/replays/" STR_FMT "/data?pass=0&offset=0&last=1",
                            STR_ARG(id));
    if (code == EXIT_OK) {
        code = api_json(&arena, "POST", (const char *)path.data, buf_str(&row), &answer);
    }
    (void)demo;
    buf_deinit(&row);
    arena_deinit(&arena);
    return code;
}

int demo_metric_sum(const struct demo *demo, u64 *out)
{
    struct arena arena = {0};
    *out = 0;
    int code = EXIT_OK;
    u64 now_s = (u64)(os_wall_us(os_real()) / 1000000);
    for (int severity = 1; severity <= 4 && code == EXIT_OK; severity++) {
        str answer;
        struct http_field field = {STR("Content-Type"), STR("application/x-www-form-urlencoded")};
        struct aws_client_request request = {
            .service = "monitoring", .method = STR("POST"), .fields = &field, .field_count = 1};
        char from[32], to[32];
        (void)cal_format_iso_ms((i64)(now_s - 86400) * 1000000, from);
        (void)cal_format_iso_ms((i64)(now_s + 3600) * 1000000, to);
        request.body = arena_printf(
            &arena,
            "Action=GetMetricStatistics&Version=2010-08-01&Namespace=%s&MetricName=%s&Period=3600"
            "&Statistics.member.1=Sum&Dimensions.member.1.Name=severity"
            "&Dimensions.member.1.Value=%d&StartTime=%s&EndTime=%s",
            DEMO_NAMESPACE, DEMO_METRIC, severity, from, to);
        code = call(demo, &request, &arena, &answer);
        isize at = code == EXIT_OK ? str_find(answer, STR("<Sum>"), 0) : -1;
        for (; at >= 0; at = str_find(answer, STR("<Sum>"), at + 1)) {
            double sum = 0;
            isize end = str_find(answer, STR("</Sum>"), at);
            if (end > 0 && str_to_f64(str_slice(answer, at + 5, end), &sum) == OK) {
                *out += (u64)sum;
            }
        }
    }
    arena_deinit(&arena);
    return code;
}
