/* cli/cmd_replay.c: leat replay (docs/replay.md). */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/replay_client.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_BYTES = 4600 };

static void list_print(const struct json_value *body, const void *ctx)
{
    (void)ctx;
    const struct json_value *one = json_first(json_get(body, STR("replays")));
    if (one == NULL) {
        (void)puts("no replays: leat replay FILE starts one");
    }
    for (; one != NULL; one = json_next(one)) {
        (void)printf(
            "%-12.*s %-8.*s %12lld rows %8lld dead letters  " STR_FMT " -> " STR_FMT "\n",
            STR_ARG(json_get_text(one, STR("id"))), STR_ARG(json_get_text(one, STR("state"))),
            (long long)json_get_i64(one, STR("rows"), 0),
            (long long)json_get_i64(one, STR("rows_bad"), 0),
            STR_ARG(json_get_text(one, STR("from"))), STR_ARG(json_get_text(one, STR("stream"))));
        str reason = json_get_text(one, STR("reason"));
        if (reason.len > 0) {
            (void)printf("             " STR_FMT "\n", STR_ARG(reason));
        }
    }
}

static int list(const struct option *output)
{
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/replays"));
    return api_show("GET", &path, STR_EMPTY, output, list_print, NULL);
}

static void stop_print(const struct json_value *answer, const void *ctx)
{
    (void)answer;
    (void)printf("stopped %s\n", (const char *)ctx);
}

static int stop(const char *id, const struct option *output)
{
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/replays/"));
    api_segment(&path, str_of(id));
    buf_append(&path, STR("/stop"));
    return api_show("POST", &path, STR("{}"), output, stop_print, id);
}

/* What makes the same file the same: its path, size and time. */
static bool file_name_make(const char *path, i64 *bytes_out, char *out)
{
    struct os_stat stat;
    char *whole = realpath(path, NULL);
    if (whole == NULL || os_stat_path(os_real(), path, &stat) != OK) {
        print_error("leat replay s3://bucket/key | FILE | -", "there is no file %s", path);
        free(whole);
        return false;
    }
    (void)snprintf(out, NAME_BYTES, "file:%s:%llu:%lld", whole, (unsigned long long)stat.bytes,
                   (long long)stat.modified_us);
    free(whole);
    *bytes_out = (i64)stat.bytes;
    return true;
}

static void input_name_make(const char *given, char *out)
{
    u64 random;
    os_random(os_real(), &random, (isize)sizeof random);
    if (given != NULL) {
        (void)snprintf(out, NAME_BYTES, "input:%s", given);
    } else {
        (void)snprintf(out, NAME_BYTES, "input:%016llx", (unsigned long long)random);
    }
}

static int replay_object(struct replay_request *request, const char *url)
{
    struct arena arena = {0};
    str bucket, key;
    str rest = str_of(url + 5);
    bool has_key;
    bucket = str_split(&rest, '/', &has_key);
    key = rest;
    if (bucket.len == 0 || key.len == 0) {
        print_error("an object is s3://bucket/key", "\"%s\" names no object", url);
        return EXIT_USAGE;
    }
    request->bucket = arena_cstr(&arena, bucket);
    request->key = arena_cstr(&arena, key);
    int code = replay_follow(request);
    arena_deinit(&arena);
    return code;
}

static int replay_file(struct replay_request *request, const char *path, const char *name)
{
    char text[NAME_BYTES];
    bool is_input = strcmp(path, "-") == 0;
    if (is_input && request->passes > 1) {
        print_error("--loop needs a file or an object", "standard input comes only once");
        return EXIT_USAGE;
    }
    if (is_input) {
        input_name_make(name, text);
    } else if (!file_name_make(path, &request->bytes_total, text)) {
        return EXIT_ABSENT;
    }
    request->name = text;
    request->source = byte_source_open(path);
    if (request->source == NULL) {
        request->name = NULL;
        return EXIT_ABSENT;
    }
    int code = replay_follow(request);
    byte_source_free(request->source);
    request->source = NULL;
    request->name = NULL;
    return code;
}

enum {
    STREAM,
    REGION,
    RATE,
    INDENT,
    TYPED,
    KEY,
    KPL,
    LOOP,
    LIMIT,
    NAME,
    AGAIN,
    LIST,
    STOP,
    OUTPUT
};

static bool request_make(const struct option *o, struct replay_request *out)
{
    *out = (struct replay_request){
        .stream = o[STREAM].text,
        .region = api_region(&o[REGION]),
        .partition_key = o[KEY].text,
        .indent = o[INDENT].number,
        .passes = o[LOOP].number,
        .rows_max = o[LIMIT].number,
        .is_typed = o[TYPED].is_given,
        .is_aggregated = o[KPL].is_given,
        .is_another = o[AGAIN].is_given,
        .is_json = option_is_json(&o[OUTPUT]),
    };
    if (out->passes < 1 || out->rows_max < 0 || out->indent < 0 || out->indent > 16) {
        print_error(NULL, "--loop is at least 1, --limit at least 0, --indent 0 to 16");
        return false;
    }
    return replay_rate_parse(o[RATE].text, &out->rate);
}

int cmd_replay(int argc, char **argv)
{
    struct option options[] = {
        [STREAM] = {"stream", OPTION_TEXT, "NAME", "Into it (us-accidents-data-stream-1).",
                    "us-accidents-data-stream-1", 0, false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0,
                    false},
        [RATE] = {"rate", OPTION_TEXT, "N/s", "Rows a second, or unlimited (unlimited).",
                  "unlimited", 0, false},
        [INDENT] = {"indent", OPTION_NUMBER, "N", "4 writes as json.dumps(indent=4) (0: compact).",
                    NULL, 0, false},
        [TYPED] = {"typed", OPTION_FLAG, NULL, "Numbers and booleans as such, empty ones null.",
                   NULL, 0, false},
        [KEY] = {"partition-key", OPTION_TEXT, "COLUMN", "Of the records (Severity).", "Severity",
                 0, false},
        [KPL] = {"kpl", OPTION_FLAG, NULL, "Aggregate records as the Kinesis Producer Library.",
                 NULL, 0, false},
        [LOOP] = {"loop", OPTION_NUMBER, "N", "The whole file N times (1).", NULL, 1, false},
        [LIMIT] = {"limit", OPTION_NUMBER, "N", "No more rows than this (all).", NULL, 0, false},
        [NAME] = {"name", OPTION_TEXT, "NAME", "Of standard input: the same one goes on.", NULL, 0,
                  false},
        [AGAIN] = {"again", OPTION_FLAG, NULL, "Even when it was replayed before.", NULL, 0, false},
        [LIST] = {"list", OPTION_FLAG, NULL, "List the replays.", NULL, 0, false},
        [STOP] = {"stop", OPTION_TEXT, "ID", "Stop one; the same command goes on.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "text|json", "json: as the API answers.", NULL, 0,
                    false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    struct replay_request request;
    if (argc > WORDS_MAX || !options_parse(command_get("replay"), options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    if (options[LIST].is_given || options[STOP].is_given) {
        return options[LIST].is_given ? list(&options[OUTPUT])
                                      : stop(options[STOP].text, &options[OUTPUT]);
    }
    if (a.count != 1) {
        print_error("leat replay --help lists the options",
                    "leat replay takes one source: s3://bucket/key, FILE or -");
        return EXIT_USAGE;
    }
    if (!request_make(options, &request)) {
        return EXIT_USAGE;
    }
    bool is_object = str_starts(str_of(a.words[0]), STR("s3://"));
    return is_object ? replay_object(&request, a.words[0])
                     : replay_file(&request, a.words[0], options[NAME].text);
}
