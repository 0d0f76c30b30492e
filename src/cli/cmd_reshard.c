/* cli/cmd_reshard.c: leat stream split, merge, scale. */
#include "cli/api.h"
#include "cli/commands.h"
#include "os/os.h"
#include "stream/stream.h"

#include <stdio.h>

enum { REGION, OUTPUT, AT };

static const struct option common_options[] = {
    [REGION] = {"region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0, false},
    [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: as the API answers.", NULL, 0, false},
};

/* "7" or "shardId-000000000007", as a member of JSON. */
static void put_shard(struct buf *out, const char *text)
{
    char id[API_SHARD_ID_BYTES];
    json_write_string(out, str_of(api_shard_id(text, id)));
}

static void print_list(const char *word, const struct json_value *list)
{
    if (json_first(list) == NULL) {
        return;
    }
    (void)printf("  %-8s", word);
    for (const struct json_value *id = json_first(list); id != NULL; id = json_next(id)) {
        (void)printf(" " STR_FMT, STR_ARG(json_text(id)));
    }
    (void)puts("");
}

static void print_done(const struct json_value *answer, const void *ctx)
{
    (void)ctx;
    (void)printf(STR_FMT " in " STR_FMT ": %lld -> %lld open shards\n",
                 STR_ARG(json_get_text(answer, STR("name"))),
                 STR_ARG(json_get_text(answer, STR("region"))),
                 (long long)json_get_i64(answer, STR("before"), 0),
                 (long long)json_get_i64(answer, STR("open_shard_count"), 0));
    print_list("new", json_get(answer, STR("created")));
    print_list("passed", json_get(answer, STR("passed")));
}

static int reshard(const char *name, const struct option *options, const struct buf *body)
{
    struct buf path = {0};
    api_stream_path(&path, name, "/reshard", api_region(&options[REGION]));
    return api_show("POST", &path, buf_str(body), &options[OUTPUT], print_done, NULL);
}

int cmd_stream_split(int argc, char **argv)
{
    struct option options[] = {[REGION] = common_options[REGION],
                               [OUTPUT] = common_options[OUTPUT],
                               [AT] = {"at", OPTION_TEXT, "HASH",
                                       "First hash key of the upper half; else its middle.", NULL,
                                       0, false},
                               {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream split"), options, argc, argv, words, &a) ||
        !arguments_exactly("stream split", 2, &a)) {
        return EXIT_USAGE;
    }
    u128 at;
    if (options[AT].is_given && stream_hash_parse(str_of(options[AT].text), &at) != OK) {
        print_error("leat stream show NAME lists the hash keys of the shards",
                    "--at is a whole number from 0 to 2^128 - 1, not \"%s\"", options[AT].text);
        return EXIT_USAGE;
    }
    struct buf body = {0};
    buf_append(&body, STR("{\"split\":"));
    put_shard(&body, a.words[1]);
    if (options[AT].is_given) {
        api_member(&body, "at", str_of(options[AT].text));
    }
    buf_append_byte(&body, '}');
    int code = reshard(a.words[0], options, &body);
    buf_deinit(&body);
    return code;
}

int cmd_stream_merge(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = common_options[REGION], [OUTPUT] = common_options[OUTPUT], {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream merge"), options, argc, argv, words, &a) ||
        !arguments_exactly("stream merge", 3, &a)) {
        return EXIT_USAGE;
    }
    struct buf body = {0};
    buf_append(&body, STR("{\"merge\":["));
    put_shard(&body, a.words[1]);
    buf_append_byte(&body, ',');
    put_shard(&body, a.words[2]);
    buf_append(&body, STR("]}"));
    int code = reshard(a.words[0], options, &body);
    buf_deinit(&body);
    return code;
}

int cmd_stream_scale(int argc, char **argv)
{
    struct option options[] = {
        [REGION] = common_options[REGION], [OUTPUT] = common_options[OUTPUT], {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream scale"), options, argc, argv, words, &a) ||
        !arguments_exactly("stream scale", 2, &a)) {
        return EXIT_USAGE;
    }
    i64 target = 0;
    if (str_to_i64(str_of(a.words[1]), &target) != OK || target < 1) {
        print_error("leat stream scale NAME SHARDS", "\"%s\" is no number of shards", a.words[1]);
        return EXIT_USAGE;
    }
    struct buf body = {0};
    buf_printf(&body, "{\"scale\":%lld}", (long long)target);
    int code = reshard(a.words[0], options, &body);
    buf_deinit(&body);
    return code;
}
