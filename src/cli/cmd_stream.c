/* cli/cmd_stream.c: leat stream list, show, create, delete. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/lineage_print.h"
#include "os/os.h"

#include <stdio.h>

static const struct option output_option = {
    "output", OPTION_TEXT, "table|json", "json: as the API answers.", NULL, 0, false};
static const struct option region_option = {
    "region", OPTION_TEXT, "R", "Region (AWS_REGION, else us-east-1).", NULL, 0, false};

static void list_print(const struct json_value *answer, const void *ctx)
{
    (void)ctx;
    const struct json_value *s = json_first(json_get(answer, STR("streams")));
    if (s == NULL) {
        (void)puts("no streams: leat stream create NAME makes one");
    } else {
        (void)printf("%-14s %-40s %-11s %6s %14s %14s\n", "REGION", "STREAM", "MODE", "SHARDS",
                     "RECORDS IN", "RECORDS OUT");
    }
    for (; s != NULL; s = json_next(s)) {
        (void)printf("%-14.*s %-40.*s %-11.*s %6lld %14lld %14lld\n",
                     STR_ARG(json_get_text(s, STR("region"))),
                     STR_ARG(json_get_text(s, STR("name"))), STR_ARG(json_get_text(s, STR("mode"))),
                     (long long)json_get_i64(s, STR("open_shard_count"), 0),
                     (long long)json_get_i64(s, STR("records_in"), 0),
                     (long long)json_get_i64(s, STR("records_out"), 0));
    }
}

int cmd_stream_list(int argc, char **argv)
{
    enum { REGION, OUTPUT };
    struct option options[] = {[REGION] = {"region", OPTION_TEXT, "R",
                                           "Only this region; all regions else.", NULL, 0, false},
                               [OUTPUT] = output_option,
                               {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream list"), options, argc, argv, words, &a) ||
        !arguments_none("stream list", &a)) {
        return EXIT_USAGE;
    }
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/streams"));
    if (options[REGION].is_given) {
        api_param(&path, "region", str_of(options[REGION].text));
    }
    return api_show("GET", &path, STR_EMPTY, &options[OUTPUT], list_print, NULL);
}

static void stream_print(const struct json_value *s, const void *ctx)
{
    (void)ctx;
    (void)printf(STR_FMT " in " STR_FMT ": " STR_FMT ", " STR_FMT "\n",
                 STR_ARG(json_get_text(s, STR("name"))), STR_ARG(json_get_text(s, STR("region"))),
                 STR_ARG(json_get_text(s, STR("mode"))), STR_ARG(json_get_text(s, STR("status"))));
    (void)printf("  %-10s " STR_FMT "\n  %-10s ", "arn", STR_ARG(json_get_text(s, STR("arn"))),
                 "created");
    print_time_ms(json_get_i64(s, STR("created_ms"), 0));
    (void)printf("\n  %-10s %lld h\n  %-10s %lld records, %lld bytes\n  %-10s %lld records, %lld "
                 "bytes\n",
                 "retention", (long long)json_get_i64(s, STR("retention_hours"), 0), "in",
                 (long long)json_get_i64(s, STR("records_in"), 0),
                 (long long)json_get_i64(s, STR("bytes_in"), 0), "out",
                 (long long)json_get_i64(s, STR("records_out"), 0),
                 (long long)json_get_i64(s, STR("bytes_out"), 0));
    (void)printf("\n%-20s %-39s %-39s %s\n", "SHARD", "FIRST HASH KEY", "LAST HASH KEY", "STATE");
    const struct json_value *shard = json_first(json_get(s, STR("shards")));
    for (; shard != NULL; shard = json_next(shard)) {
        bool is_open = json_get_i64(shard, STR("closed_ms"), 0) == 0;
        (void)printf("%-20.*s %-39.*s %-39.*s %s\n", STR_ARG(json_get_text(shard, STR("shard_id"))),
                     STR_ARG(json_get_text(shard, STR("hash_first"))),
                     STR_ARG(json_get_text(shard, STR("hash_last"))), is_open ? "open" : "closed");
    }
    lineage_print(json_get(s, STR("shards")));
}

int cmd_stream_show(int argc, char **argv)
{
    enum { REGION, OUTPUT };
    struct option options[] = {[REGION] = region_option, [OUTPUT] = output_option, {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream show"), options, argc, argv, words, &a) ||
        !arguments_one("stream show", "NAME", &a)) {
        return EXIT_USAGE;
    }
    struct buf path = {0};
    api_stream_path(&path, a.words[0], "/shards", api_region(&options[REGION]));
    return api_show("GET", &path, STR_EMPTY, &options[OUTPUT], stream_print, NULL);
}

/* "created orders in us-east-1"; ctx is the word. */
static void done_print(const struct json_value *answer, const void *ctx)
{
    (void)printf("%s " STR_FMT " in " STR_FMT "\n", (const char *)ctx,
                 STR_ARG(json_get_text(answer, STR("name"))),
                 STR_ARG(json_get_text(answer, STR("region"))));
}

int cmd_stream_create(int argc, char **argv)
{
    enum { REGION, SHARDS, RETENTION, OUTPUT };
    struct option options[] = {
        [REGION] = region_option,
        [SHARDS] = {"shards", OPTION_NUMBER, "N", "Provisioned with N shards; else on-demand.",
                    NULL, 0, false},
        [RETENTION] = {"retention", OPTION_NUMBER, "HOURS", "24 to 8760 hours (24).", NULL, 0,
                       false},
        [OUTPUT] = output_option,
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream create"), options, argc, argv, words, &a) ||
        !arguments_one("stream create", "NAME", &a)) {
        return EXIT_USAGE;
    }
    const char *region = api_region(&options[REGION]);
    struct buf body = {0};
    buf_append_byte(&body, '{');
    api_member(&body, "name", str_of(a.words[0]));
    api_member(&body, "region", str_of(region));
    if (options[SHARDS].is_given) {
        buf_printf(&body, ",\"shards\":%lld", (long long)options[SHARDS].number);
    }
    if (options[RETENTION].is_given) {
        buf_printf(&body, ",\"retention_hours\":%lld", (long long)options[RETENTION].number);
    }
    buf_append_byte(&body, '}');
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/streams"));
    int code = api_show("POST", &path, buf_str(&body), &options[OUTPUT], done_print, "created");
    buf_deinit(&body);
    return code;
}

/* The name typed again, unless --yes or no one is there to ask. */
static bool is_confirmed(const char *name, const char *region)
{
    char answer[256];
    (void)fprintf(stderr, "This deletes stream %s in %s and its records. Type its name: ", name,
                  region);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        return false;
    }
    return str_eq(str_trim(str_of(answer)), str_of(name));
}

int cmd_stream_delete(int argc, char **argv)
{
    enum { REGION, YES, OUTPUT };
    struct option options[] = {[REGION] = region_option,
                               [YES] = {"yes", OPTION_FLAG, NULL,
                                        "Do not ask; needed without a terminal.", NULL, 0, false},
                               [OUTPUT] = output_option,
                               {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("stream delete"), options, argc, argv, words, &a) ||
        !arguments_one("stream delete", "NAME", &a)) {
        return EXIT_USAGE;
    }
    const char *region = api_region(&options[REGION]);
    if (!options[YES].is_given && !os_is_terminal(0)) {
        print_error("leat stream delete NAME --yes", "nobody is there to confirm it");
        return EXIT_USAGE;
    }
    if (!options[YES].is_given && !is_confirmed(a.words[0], region)) {
        print_error(NULL, "not deleted");
        return EXIT_FAILED;
    }
    struct buf path = {0};
    api_stream_path(&path, a.words[0], "", region);
    return api_show("DELETE", &path, STR_EMPTY, &options[OUTPUT], done_print, "deleted");
}
