/* cli/cmd_objects.c: leat job, leat stream, leat env. */
#include "cli/api.h"
#include "cli/commands.h"

#include <stdio.h>

/* --- jobs
 * --------------------------------------------------------------------------------------------- */

static void job_print(const struct json_value *job, bool is_whole)
{
    (void)printf("%-10.*s %-9.*s %12lld in %12lld out %8lld dead letters  " STR_FMT "\n",
                 STR_ARG(json_get_text(job, STR("id"))), STR_ARG(json_get_text(job, STR("state"))),
                 (long long)json_get_i64(job, STR("rows_in"), 0),
                 (long long)json_get_i64(job, STR("rows_out"), 0),
                 (long long)json_get_i64(job, STR("dead_letters"), 0),
                 STR_ARG(json_get_text(job, STR("name"))));
    str reason = json_get_text(job, STR("reason"));
    if (reason.len > 0) {
        (void)printf("           " STR_FMT "\n", STR_ARG(reason));
    }
    if (is_whole) {
        (void)printf("\n" STR_FMT "\n", STR_ARG(json_get_text(job, STR("sql"))));
    }
}

static int jobs_list(const char *id, bool is_json)
{
    struct arena arena = {0};
    const struct json_value *body;
    str text;
    int code = api_call(&arena, "GET", "/_leat/api/jobs", STR_EMPTY, &text);
    if (code == EXIT_OK && is_json) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
        arena_deinit(&arena);
        return EXIT_OK;
    }
    body = code == EXIT_OK ? json_parse_request(&arena, text) : NULL;
    bool found = false;
    for (const struct json_value *job = json_first(json_get(body, STR("jobs"))); job != NULL;
         job = json_next(job)) {
        bool is_one = id != NULL && str_eq(json_get_text(job, STR("id")), str_of(id));
        if (id == NULL || is_one) {
            job_print(job, is_one);
            found = true;
        }
    }
    if (code == EXIT_OK && id != NULL && !found) {
        print_error("leat job list shows the jobs", "there is no job \"%s\"", id);
        code = EXIT_ABSENT;
    } else if (code == EXIT_OK && !found) {
        (void)puts("no jobs: leat run FILE.sql starts some");
    }
    arena_deinit(&arena);
    return code;
}

int cmd_job(int argc, char **argv)
{
    enum { OUTPUT };
    static const struct command command = {"job", "list|show ID|stop ID",
                                           "List, show and stop jobs.", cmd_job, false};
    struct option options[] = {
        [OUTPUT] = {"output", OPTION_TEXT, "FORM", "table or json (also -o).", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    const char *verb = a.count > 0 ? a.words[0] : "list";
    if (strcmp(verb, "list") == 0 && a.count <= 1) {
        return jobs_list(NULL, option_is_json(&options[OUTPUT]));
    }
    if (strcmp(verb, "show") == 0 && a.count == 2) {
        return jobs_list(a.words[1], option_is_json(&options[OUTPUT]));
    }
    if (strcmp(verb, "stop") == 0 && a.count == 2) {
        struct arena arena = {0};
        str answer, path = arena_printf(&arena, "/_leat/api/jobs/%s/stop", a.words[1]);
        int code = api_call(&arena, "POST", (const char *)path.data, STR("{}"), &answer);
        if (code == EXIT_OK) {
            (void)printf("stopped %s\n", a.words[1]);
        }
        arena_deinit(&arena);
        return code;
    }
    return unknown_verb("job", "list | show ID | stop ID", verb);
}

/* --- streams
 * ------------------------------------------------------------------------------------------------
 */

static int streams_list(bool is_json)
{
    struct arena arena = {0};
    str text;
    int code = api_call(&arena, "GET", "/_leat/api/streams", STR_EMPTY, &text);
    if (code == EXIT_OK && is_json) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
    } else if (code == EXIT_OK) {
        const struct json_value *body = json_parse_request(&arena, text);
        (void)printf("%-14s %-40s %6s %14s %14s\n", "REGION", "STREAM", "SHARDS", "RECORDS IN",
                     "RECORDS OUT");
        for (const struct json_value *s = json_first(json_get(body, STR("streams"))); s != NULL;
             s = json_next(s)) {
            (void)printf("%-14.*s %-40.*s %6lld %14lld %14lld\n",
                         STR_ARG(json_get_text(s, STR("region"))),
                         STR_ARG(json_get_text(s, STR("name"))),
                         (long long)json_get_i64(s, STR("open_shard_count"), 0),
                         (long long)json_get_i64(s, STR("records_in"), 0),
                         (long long)json_get_i64(s, STR("records_out"), 0));
        }
    }
    arena_deinit(&arena);
    return code;
}

static int stream_create_command(const char *name, const char *region, i64 shards)
{
    struct arena arena = {0};
    struct buf body = {0};
    buf_append(&body, STR("{\"name\":"));
    json_write_string(&body, str_of(name));
    buf_append(&body, STR(",\"region\":"));
    json_write_string(&body, str_of(region));
    buf_printf(&body, ",\"shards\":%lld}", (long long)shards);
    str answer;
    int code = api_call(&arena, "POST", "/_leat/api/streams", buf_str(&body), &answer);
    if (code == EXIT_OK) {
        (void)printf("created %s in %s\n", name, region);
    }
    buf_deinit(&body);
    arena_deinit(&arena);
    return code;
}

int cmd_stream(int argc, char **argv)
{
    enum { REGION, SHARDS, OUTPUT };
    static const struct command command = {"stream", "list|create NAME", "List and create streams.",
                                           cmd_stream, false};
    struct option options[] = {
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [SHARDS] = {"shards", OPTION_NUMBER, "N", "Provisioned with N shards; else on-demand.",
                    NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "FORM", "table or json (also -o).", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    const char *verb = a.count > 0 ? a.words[0] : "list";
    if (strcmp(verb, "list") == 0 && a.count <= 1) {
        return streams_list(option_is_json(&options[OUTPUT]));
    }
    if (strcmp(verb, "create") == 0 && a.count == 2) {
        return stream_create_command(a.words[1], api_region(&options[REGION]),
                                     options[SHARDS].number);
    }
    return unknown_verb("stream", "list | create NAME [--shards N] [--region R]", verb);
}

/* --- env
 * --------------------------------------------------------------------------------------------------------
 */

int cmd_env(int argc, char **argv)
{
    static const struct command command = {
        "env", "", "Print what AWS clients need: eval \"$(leat env)\".", cmd_env, false};
    struct option options[] = {{.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    (void)printf("export LEAT_ENDPOINT=%s\nexport AWS_ENDPOINT_URL=%s\nexport AWS_REGION=%s\n"
                 "export AWS_ACCESS_KEY_ID=test\nexport AWS_SECRET_ACCESS_KEY=test\n",
                 api_endpoint(), api_endpoint(), api_region(NULL));
    return EXIT_OK;
}
